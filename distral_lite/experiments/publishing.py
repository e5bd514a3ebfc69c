"""From the files of a finished output folder to the results that are shipped with the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from distral_lite import results
from distral_lite.experiments.experiment import Experiment
from distral_lite.experiments.jobs import plan, state

LARGEST = 10_000_000  # bytes of all shipped results together


class Refused(Exception):
    """Results that cannot be published; the text says why."""


def missing(experiment: Experiment, seeds: int, folder: Path) -> list[str]:
    """What an output folder lacks of an experiment: the jobs that are not done, each with its trouble if there is one."""
    states = {job.name: state(job, folder) for job in plan([experiment], seeds)}
    return [f"{name}: {found.trouble}" if found.trouble else name for name, found in states.items() if not found.done]


def collect(experiment: Experiment, seeds: int, folder: Path) -> results.Stored:
    """One result of all the blocks of an experiment, joined in the order of their seeds.

    Args:
        experiment: which.
        seeds: how many runs.
        folder: a finished output folder.

    Returns:
        Arrays [seeds, ...], and the probe's as "probe.NAME"; what they are of.

    Raises:
        Refused: a job is missing, damaged or of another configuration; blocks whose arrays do not fit together.
    """
    lacking = missing(experiment, seeds, folder)
    if lacking:
        raise Refused(f"{experiment.name} is incomplete in {folder}: {'; '.join(lacking)}")
    probe, *blocks = (results.read(job.path(folder)) for job in plan([experiment], seeds))
    arrays = {name: _joined(experiment.name, name, blocks) for name in sorted({name for block in blocks for name in block.arrays})}
    arrays |= {f"probe.{name}": array for name, array in probe.arrays.items()}
    return results.Stored(experiment.name, _about(experiment, probe, blocks), arrays)


def publish(experiments: Sequence[Experiment], seeds: int, folder: Path, shelf: Path) -> dict[str, int]:
    """Makes the shipped results of some experiments: all of them, or none where anything is wrong.

    Args:
        experiments: which.
        seeds: how many runs of each.
        folder: a finished output folder.
        shelf: where to, usually distral_lite/data/results.

    Returns:
        Bytes of each new file by name.

    Raises:
        Refused: something is incomplete, or the shelf would be larger than `LARGEST`.
        OSError: the shelf cannot be written.
    """
    packed = {}
    for experiment in experiments:
        _, about, arrays = collect(experiment, seeds, folder)
        packed[experiment.name] = results.pack(arrays, about)
    shelf.mkdir(parents=True, exist_ok=True)
    stay = sum(path.stat().st_size for path in shelf.glob("*.npz") if path.stem not in packed)
    total = stay + sum(map(len, packed.values()))
    if total > LARGEST:
        raise Refused(f"the shipped results would take {total / 1e6:.1f} MB, wanted at most {LARGEST / 1e6:.0f} MB: measure less")
    for name, content in packed.items():
        results.save(shelf / f"{name}.npz", content)
    return {name: len(content) for name, content in packed.items()}


def _joined(experiment: str, name: str, blocks: Sequence[results.Stored]) -> np.ndarray:
    """One array of all blocks."""
    parts = [block.arrays.get(name) for block in blocks]
    found = sorted({"missing" if part is None else f"{part.dtype} [R, {', '.join(map(str, part.shape[1:]))}]" for part in parts})
    if len(found) > 1:
        raise Refused(f"{experiment}: {name} differs from block to block ({'; '.join(found)}), wanted one type and shape")
    return np.concatenate(parts)


def _about(experiment: Experiment, probe: results.Stored, blocks: Sequence[results.Stored]) -> Mapping[str, Any]:
    """What a shipped result says of itself."""
    return {
        "configuration": experiment.configuration(),
        "probe": {"config": probe.about["configuration"]["config"], "seeds": probe.about["seeds"], "machine": probe.about["machine"]},
        "title": experiment.title,
        "thesis": experiment.thesis,
        "seeds": [seed for block in blocks for seed in block.about["seeds"]],
        "version": probe.about["version"],
        "machine": sorted({block.about["machine"] for block in blocks}),
        "seconds": round(sum(block.about["seconds"] for block in blocks), 1),
    }
