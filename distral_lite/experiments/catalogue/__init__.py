"""The programme: every experiment of the family files beside this one, found by themselves.

To add a family, write `catalogue/<family>.py`:

    EXPERIMENTS: tuple[Experiment, ...]     the runs
    CLAIMS: tuple[Claim, ...]               what they are to decide (may be left out)

An `Experiment` (experiments/experiment.py has a comment a field) says what to train and what to keep:

    Experiment(
        name="d2-sql-45-tables",            # also the name of the stored result
        family="distral_sql",               # the name of the file
        title="Distral, two columns, on maps 4 and 5, with tables",
        thesis="3.3.2",
        train=distral_sql.train,            # top-level: train(tasks, config, seeds) -> run
        config=distral_sql.Config(...),     # frozen dataclass of numbers, text, None, tuples of them: nothing else
        tasks=(4, 5),                       # maps by number, or Gymnasium identifiers; `make_tasks=` replaces how they are made
        measure=measure,                    # top-level: measure(run, tasks, config) -> {"name": array [R, ...]}
        probe={"steps": 200, "snapshots": 2},
        seeds_per_job=20, seconds=90,
    )

Where an algorithm's `train` has other arguments, write a top-level function of three beside the experiments. `measure` keeps what the
chapters draw and no more: the seeds first, then small axes (curves in bins, not single steps), in float32 or int16; NaN where a run has
no value. Its arrays are trained in blocks of `seeds_per_job` seeds and joined along the first axis, so each must have the same
remaining shape in every block: cut or pad what depends on luck, such as the number of episodes (`measures` helps).

The probe is the same experiment with some settings of `config` replaced so that it takes at most a few seconds, for `probe_seeds` runs.
Its arrays are stored with the result, as "probe.NAME", and a test trains it again: the same bits on the same type of machine, within
`tolerance` elsewhere. Keep its numbers of hundreds of rounds: after thousands, one rounding error may have changed one action.

A name's configuration is part of its stored result; change anything of it, and the stored result must be made again.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from distral_lite.experiments.experiment import Claim, Experiment


def gather(modules: list[ModuleType]) -> tuple[tuple[Experiment, ...], tuple[Claim, ...]]:
    """The experiments and claims of some family files.

    Raises:
        ValueError: two experiments or two claims of one name, or a file without EXPERIMENTS.
    """
    without = [module.__name__ for module in modules if not hasattr(module, "EXPERIMENTS")]
    if without:
        raise ValueError(f"experiments.catalogue: {without[0]} has no EXPERIMENTS, wanted a tuple of Experiment")
    experiments = tuple(one for module in modules for one in module.EXPERIMENTS)
    claims = tuple(one for module in modules for one in getattr(module, "CLAIMS", ()))
    for group in (experiments, claims):
        names = [one.name for one in group]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"experiments.catalogue: the name {twice[0]!r} is given twice, wanted different names")
    return experiments, claims


def load() -> tuple[tuple[Experiment, ...], tuple[Claim, ...]]:
    """The experiments and claims of the shipped catalogue."""
    return gather([importlib.import_module(f"{__name__}.{one.name}") for one in pkgutil.iter_modules(__path__)])
