"""Jobs: an experiment and a block of its seeds, the file that its result goes to, and who is at work on it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from distral_lite import results
from distral_lite.experiments.experiment import Experiment

if os.name == "nt":
    import msvcrt
else:
    import fcntl

SPAN = 2**62  # places in the file of claims


class Job(NamedTuple):
    """One unit of work: what one worker trains at once and one file holds.

    Attributes:
        experiment: what to run.
        seeds: of this block.
        probe: whether it is the experiment's short version.
    """

    experiment: Experiment
    seeds: tuple[int, ...]
    probe: bool = False

    @property
    def name(self) -> str:
        """The path of its file below the output folder, without the ending."""
        block = "probe" if self.probe else f"seeds-{self.seeds[0]:04d}-{self.seeds[-1]:04d}"
        return f"{self.experiment.name}/{block}"

    @property
    def seconds(self) -> float:
        """About how long it takes."""
        whole = self.experiment.seconds
        return min(2.0, whole) if self.probe else whole * len(self.seeds) / self.experiment.seeds_per_job

    def path(self, folder: Path) -> Path:
        """Its file."""
        return folder / f"{self.name}.npz"


class State(NamedTuple):
    """What an output folder holds of a job.

    Attributes:
        done: whether its result can be used.
        trouble: why a file that is there cannot; "" where there is none.
    """

    done: bool
    trouble: str = ""


def plan(experiments: Iterable[Experiment], seeds: int) -> list[Job]:
    """The jobs of some experiments: seeds 0 ... seeds-1 in blocks of `seeds_per_job`, and a probe each.

    Args:
        experiments: what to run.
        seeds: how many runs of each, at least 1.

    Returns:
        The jobs, experiment by experiment.
    """
    jobs = []
    for experiment in experiments:
        size = experiment.seeds_per_job
        jobs.append(Job(experiment, tuple(range(experiment.probe_seeds)), True))
        jobs += [Job(experiment, tuple(range(first, min(first + size, seeds)))) for first in range(0, seeds, size)]
    return jobs


def state(job: Job, folder: Path) -> State:
    """Whether a job's file is there, whole, and of this very job."""
    try:
        stored = results.read(job.path(folder))
    except FileNotFoundError:
        return State(False)
    except results.Damaged as damage:
        return State(False, str(damage).removeprefix("results.read: ").partition(", wanted")[0])
    changes = differences(stored.about, expected(job))
    return State(not changes, f"{job.path(folder)} is of another job ({'; '.join(changes)})" if changes else "")


def expected(job: Job) -> dict[str, Any]:
    """What a job's file must say of itself to be used."""
    return {
        "configuration": job.experiment.configuration(job.probe),
        "seeds": list(job.seeds),
        "probe": job.probe,
        "version": metadata.version("distral_lite"),
    }


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Where what was found differs from what is wanted, in words: "config.steps was 100, is 200"."""
    changes = []
    for key, want in wanted.items():
        have, place = found.get(key), prefix + key
        if isinstance(want, dict) and isinstance(have, dict):
            changes += differences(have, want, f"{place}." if place != "configuration" else "")
        elif have != want or key not in found:
            changes.append(f"{place} was {have!r}, is {want!r}")
    if prefix or "config" in wanted:
        changes += [f"{prefix}{key} was {found[key]!r}, is gone" for key in found.keys() - wanted.keys()]
    return changes


class Claims:
    """Which jobs of a folder somebody is at work on, so that two runners share them out.

    A claim is a lock on one byte of one file, at a place that the job's name says. The system lets go of it when its process ends, however
    it ends, so no claim outlives a killed runner. Where the file system has no locks, every job can be claimed by all: then two runners may
    do one job twice, and the second rename replaces the first's file by the same numbers.
    """

    def __init__(self, folder: Path) -> None:
        """Opens the folder's file of claims."""
        self._file = open(folder / ".claims", "a+b")
        self._held: set[str] = set()

    def take(self, job: Job) -> bool:
        """Claims a job; False where another process holds it."""
        try:
            self._lock(job, True)
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            pass  # no locks here
        self._held.add(job.name)
        return True

    def give_back(self, job: Job) -> None:
        """Lets go of a job; nothing where it is not held."""
        if job.name in self._held:
            self._held.remove(job.name)
            with contextlib.suppress(OSError):  # no locks here
                self._lock(job, False)

    def close(self) -> None:
        """Lets go of all."""
        self._file.close()

    def _lock(self, job: Job, take: bool) -> None:
        place = int.from_bytes(hashlib.sha256(job.name.encode()).digest()[:8], "big") % SPAN
        if os.name == "nt":
            self._file.seek(place)
            msvcrt.locking(self._file.fileno(), msvcrt.LK_NBLCK if take else msvcrt.LK_UNLCK, 1)
        else:
            fcntl.lockf(self._file, (fcntl.LOCK_EX | fcntl.LOCK_NB) if take else fcntl.LOCK_UN, 1, place)
