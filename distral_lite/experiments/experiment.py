"""What an experiment is, and how one block of its seeds is run."""

from __future__ import annotations

import dataclasses
import importlib
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np
import torch

from distral_lite.gridworld import load_map
from distral_lite.gym_bridge import GymTask
from distral_lite.results import Stored
from distral_lite.validation import check_positive

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


def make_tasks(tasks: Sequence[int | str]) -> list:
    """The tasks of an experiment: a whole number is a map (by its cell), a text is the identifier of a Gymnasium environment."""
    return [GymTask(task) if isinstance(task, str) else load_map(task).mdp() for task in tasks]


@dataclass(frozen=True)
class Experiment:
    """One line of the programme: everything that its numbers depend on, but the seeds."""

    name: str  # unique; lower-case letters, digits, dots and dashes; also the name of its stored result
    family: str  # experiments of one family share code and claims: the name of its file in the catalogue
    title: str  # one line for people
    train: Callable[[list, Any, Sequence[int]], Any]  # top-level function: train(tasks, config, seeds) -> run
    config: Any  # frozen dataclass of the algorithm
    tasks: tuple[int | str, ...]  # what `make_tasks` is given
    measure: Callable[[Any, list, Any], Mapping[str, Any]]  # top-level function: measure(run, tasks, config) -> arrays [R, ...]
    thesis: str = ""  # section of the thesis; "" where it has none
    make_tasks: Callable[[Sequence[int | str]], list] = make_tasks  # top-level function
    seeds_per_job: int = 20  # runs that are trained as one program of lanes
    probe: Mapping[str, Any] = field(default_factory=dict)  # settings replaced in `config` for the probe: a few seconds of the same
    probe_seeds: int = 2  # runs of the probe
    tolerance: float = 1e-3  # relative and absolute, of the probe re-run on another type of machine
    seconds: float = 60.0  # of one job on one core, measured; weighs the progress bar, decides nothing

    def __post_init__(self) -> None:
        """Refuses what the runner could not run or store, naming it."""
        function = f"Experiment {self.name!r}"
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"{function}: name is {self.name!r}, wanted lower-case letters, digits, dots and dashes")
        if not self.title or "\n" in self.title:
            raise ValueError(f"{function}: title is {self.title!r}, wanted one line")
        for name in ("train", "measure", "make_tasks"):
            if _find(full_name(getattr(self, name))) is not getattr(self, name):
                raise ValueError(f"{function}: {name} is {getattr(self, name)!r}, wanted a function at the top level of a module")
        if not dataclasses.is_dataclass(self.config) or not self.config.__dataclass_params__.frozen:
            raise ValueError(f"{function}: config is {self.config!r}, wanted a frozen dataclass")
        for name in ("seeds_per_job", "probe_seeds"):
            check_positive(function, name, getattr(self, name), whole=True)
        for name in ("tolerance", "seconds"):
            check_positive(function, name, getattr(self, name))
        unknown = sorted(set(self.probe) - {one.name for one in dataclasses.fields(self.config)})
        if unknown or not self.probe:
            raise ValueError(f"{function}: probe replaces {unknown or 'nothing'}, wanted settings of config that make it short")
        self.configuration(), self.configuration(probe=True)  # raises where JSON cannot say it

    def probe_config(self) -> Any:
        """The configuration of the probe."""
        return dataclasses.replace(self.config, **self.probe)

    def configuration(self, probe: bool = False) -> dict[str, Any]:
        """What JSON can say of it: two results may be put side by side, or one replaced by the other, only where this is equal."""
        config = self.probe_config() if probe else self.config
        settings = {one.name: getattr(config, one.name) for one in dataclasses.fields(config) if not _as_before(one, config)}
        return {
            "experiment": self.name,
            "train": full_name(self.train),
            "config": {"type": full_name(type(config)), **{name: _plain(self.name, name, value) for name, value in settings.items()}},
            "tasks": list(self.tasks),
            "make_tasks": full_name(self.make_tasks),
            "measure": full_name(self.measure),
            "seeds_per_job": self.seeds_per_job,
        }


class Verdict(NamedTuple):
    """What the data say of a claim.

    Attributes:
        verdict: "confirmed", "confirmed with a caveat" or "not confirmed".
        evidence: one sentence with the numbers that decide it.
    """

    verdict: str
    evidence: str


VERDICTS = ("confirmed", "confirmed with a caveat", "not confirmed")


@dataclass(frozen=True)
class Claim:
    """One sentence of the thesis (or of ours), and how stored results judge it."""

    name: str  # of the claim
    thesis: str  # section; "" where the claim is ours
    sentence: str  # what is claimed
    needs: tuple[str, ...]  # names of the experiments that decide it
    judge: Callable[[Mapping[str, Stored]], Verdict]  # given those results by name


def run_block(experiment: Experiment, seeds: Sequence[int], probe: bool = False) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Trains and measures some seeds of an experiment: what a worker does, here or on another machine.

    Args:
        experiment: what to run.
        seeds: R different whole numbers.
        probe: run its short version.

    Returns:
        Arrays [R, ...] by name, and what is to be stored of how they came about.

    Raises:
        ValueError: `measure` returned something that cannot be stored, or whose first axis is not the seeds.
    """
    torch.set_num_threads(1)
    start = time.perf_counter()
    config, tasks = experiment.probe_config() if probe else experiment.config, experiment.make_tasks(experiment.tasks)
    run = experiment.train(tasks, config, list(seeds))
    arrays = {name: _measured(experiment, name, array, len(seeds)) for name, array in experiment.measure(run, tasks, config).items()}
    if not arrays:
        raise ValueError(f"measure of {experiment.name}: no arrays, wanted at least one")
    about = {
        "configuration": experiment.configuration(probe),
        "seeds": list(seeds),
        "probe": probe,
        "version": metadata.version("distral_lite"),
        "machine": machine_type(),
        "seconds": round(time.perf_counter() - start, 1),
    }
    return arrays, about


def machine_type() -> str:
    """What rounding depends on: two machines of one type give the same bits."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            processor = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    torch_part = f"PyTorch {torch.__version__} {torch.backends.cpu.get_cpu_capability()}"
    return f"{platform.system()} {platform.machine()}, {processor}, {torch_part}, NumPy {np.__version__}"


def full_name(thing: Any) -> str:
    """The module and the name of a function or class, as `import` would find it."""
    return f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', repr(thing))}"


def _find(name: str) -> Any:
    """What a full name stands for, or None."""
    module, _, last = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), last, None)
    except (ImportError, ValueError):
        return None


def _as_before(setting: dataclasses.Field, config: Any) -> bool:
    """Whether a setting is one that came later (`results.ADDED_LATER`) and has its default."""
    return "added_later" in setting.metadata and getattr(config, setting.name) == setting.default


def _plain(experiment: str, name: str, value: Any) -> Any:
    """A setting as JSON gives it back."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(experiment, name, one) for one in value]
    if dataclasses.is_dataclass(value):
        return {one.name: _plain(experiment, name, getattr(value, one.name)) for one in dataclasses.fields(value)}
    raise ValueError(f"Experiment {experiment!r}: config.{name} is a {type(value).__name__}, wanted numbers, text, None or a tuple of them")


def _measured(experiment: Experiment, name: str, value: Any, runs: int) -> np.ndarray:
    """An array that `measure` returned, checked."""
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.ndim == 0 or array.shape[0] != runs or array.dtype.kind not in "biuf":
        found = f"{array.dtype} of shape {array.shape}"
        raise ValueError(f"measure of {experiment.name}: {name} is {found}, wanted numbers with {runs} seeds on the first axis")
    return array
