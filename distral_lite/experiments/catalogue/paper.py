"""The Distral paper's own tabular experiment (Teh et al., 2017, section 4.1): a hundred runs, each with five random goals in two rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from distral_lite.experiments import two_rooms
from distral_lite.experiments.experiment import Claim, Experiment, Verdict
from distral_lite.results import Stored


def numbers(tasks: Sequence[int]) -> list[int]:
    """The tasks by number: which goals they have, each run draws for itself."""
    return list(tasks)


def experiment(name: str, title: str, **changes: Any) -> Experiment:
    """One of the two; `changes` are settings of the algorithm."""
    return Experiment(
        name=name,
        family="paper",
        title=f"{title}, tables, random goals in two rooms (Teh et al., 4.1), {two_rooms.RUNS_A_SEED} runs a seed",
        train=two_rooms.train,
        config=two_rooms.Config(**changes),
        tasks=tuple(range(5)),
        make_tasks=numbers,
        measure=two_rooms.measure,
        probe={"rollouts": 30, "snapshots": 2},
        probe_seeds=1,
        seeds_per_job=5,
        seconds=150.0,
    )


EXPERIMENTS = (experiment("paper-distral", "Distral, two columns"), experiment("paper-sql", "soft Q-learning of each task", distil=False))


def runs(array: np.ndarray) -> np.ndarray:
    """An array [seeds, 5, ...] as [runs, ...]."""
    return array.reshape(-1, *array.shape[2:])


def steps_to_learn(found: Mapping[str, Stored]) -> dict[str, np.ndarray]:
    """Steps of each task until its way is at most twice the exact one of learning alone, infinite where it never is: [100] each."""
    limit = 2 * runs(found["paper-sql"].arrays["exact"])[:, None]
    times = {}
    for name in ("paper-distral", "paper-sql"):
        good = runs(found[name].arrays["steps"]) <= limit
        acted = found[name].arrays["rollouts"][0] * found[name].about["configuration"]["config"]["n_steps"]
        times[name] = np.where(good.any(1), acted[good.argmax(1)], np.inf)
    return times


def _faster(found: Mapping[str, Stored]) -> Verdict:
    """Judge: with the same goals, is Distral sooner where learning alone gets to, within a factor of two?"""
    one, other = steps_to_learn(found).values()
    share = float((one < other).mean() + 0.5 * (one == other).mean())
    word = "confirmed" if share >= 0.95 else "confirmed with a caveat" if share > 0.5 else "not confirmed"
    said = f"within twice the exact way of learning alone after {np.median(one):,.0f} steps of each task against {np.median(other):,.0f}"
    rest = f"sooner in {share:.0%} of the {len(one)} pairs of runs with the same goals; {np.isinf(one).mean():.0%} of Distral's never"
    return Verdict(word, f"{said} (medians); {rest}")


def _onward(found: Mapping[str, Stored]) -> Verdict:
    """Judge: does the distilled policy keep its direction in the corridor?"""
    last = runs(found["paper-distral"].arrays["onward"])[:, -1]
    share = float((last[:, 0] > last[:, 1]).mean())
    word = "confirmed" if share >= 0.95 else "confirmed with a caveat" if share > 0.5 else "not confirmed"
    said = f"it gives {np.median(last[:, 0]):.0%} to going on and {np.median(last[:, 1]):.0%} to turning back (medians)"
    return Verdict(word, f"{said}; going on is the likelier in {share:.0%} of {len(last)} runs")


CLAIMS = (
    Claim(
        "paper-distral-faster",
        "3.2.1",
        "In the paper's own experiment Distral learns faster than soft Q-learning of each task by itself.",
        ("paper-distral", "paper-sql"),
        _faster,
    ),
    Claim(
        "paper-goes-on",
        "3.1",
        "The distilled policy of the paper's experiment has learned to go through the corridor in one direction.",
        ("paper-distral",),
        _onward,
    ),
)
