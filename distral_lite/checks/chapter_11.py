"""Exercises of chapter 11: a summary with a planted bug, equal budgets, how often one seed misleads, and a confound to find."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite.checks.exercise import Choice, Exercise, Mistake

# ---- 11.1 a summary with a planted bug


def _summary(durations: Tensor, cap: float, episodes: int) -> Tensor:
    return torch.where(durations.isnan(), cap, durations)[..., -episodes:].mean(-1)


def _summary_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Two runs by hand, one of which was lost; then many."""
    nan = float("nan")
    cases = [
        (torch.tensor([[30.0, 20.0, 10.0, 20.0], [40.0, 1000.0, nan, nan]]), 1000.0, 2)
    ]
    for runs, length, episodes, cap in (
        (5, 8, 3, 100.0),
        (4, 6, 6, 500.0),
        (3, 10, 1, 1000.0),
    ):
        rows = torch.from_numpy(
            generator.integers(5, int(cap), size=(runs, length)).astype(float)
        )
        for run in range(1, runs):
            rows[run, length - int(generator.integers(0, length)) :] = nan
        cases.append((rows, cap, episodes))
    return [
        dict(
            zip(
                ("durations", "cap", "episodes"),
                (rows.double(), cap, episodes),
                strict=True,
            )
        )
        for rows, cap, episodes in cases
    ]


def _dropped(durations: Tensor, cap: float, episodes: int) -> Tensor:
    return durations[..., -episodes:].nanmean(-1)


def _last_there_are(durations: Tensor, cap: float, episodes: int) -> Tensor:
    return torch.stack([row[~row.isnan()][-episodes:].mean() for row in durations])


SUMMARY = Exercise(
    "11.1",
    _summary,
    _summary_inputs,
    (
        Mistake(
            _dropped,
            "This is the colleague's version: what is not there does not count. A run that never got so far because each of its episodes "
            "took for ever is left out, or judged by the few that it finished.",
        ),
        Mistake(
            _last_there_are,
            "You take the last episodes that each run *did* finish. Those of a lost run are early ones; it is compared with others at "
            "another age.",
        ),
        Mistake(
            lambda durations, cap, episodes: torch.where(
                durations.isnan(), 0.0, durations
            )[..., -episodes:].mean(-1),
            "An episode that was not reached counts as 0 steps: the worse a run is, the better it looks.",
        ),
        Mistake(
            lambda durations, cap, episodes: torch.where(
                durations.isnan(), cap, durations
            )[..., :episodes].mean(-1),
            "These are the first episodes; wanted are the last.",
        ),
        Mistake(
            lambda durations, cap, episodes: torch.where(
                durations.isnan(), cap, durations
            ).mean(-1),
            "You took all episodes; wanted are the last ones only.",
        ),
        Mistake(
            lambda durations, cap, episodes: _summary(
                durations, float(durations.nan_to_num(0).amax()), episodes
            ),
            "You put the longest episode that was seen in the gaps. What is known is that an episode takes at most `cap`.",
        ),
        Mistake(
            lambda durations, cap, episodes: _summary(durations, cap, episodes).mean(),
            "One number a run is wanted, [R]; the mean over runs comes later, if at all.",
        ),
    ),
    summary="lost runs among good ones, caps from 100 to 1000",
)

# ---- 11.2 equal budgets


def _budget(
    durations: Tensor,
    updates_per_episode: float,
    updates_per_step: float,
    episodes: int,
) -> Tensor:
    steps = durations[:episodes].sum()
    return _spent(steps, updates_per_episode * episodes + updates_per_step * steps)


def _spent(steps: Tensor, updates: float | Tensor) -> Tensor:
    return torch.stack([steps, torch.as_tensor(updates, dtype=steps.dtype)])


def _budget_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The thesis's two frameworks by hand, then others."""
    names = ("durations", "updates_per_episode", "updates_per_step", "episodes")
    cases = [
        ([100.0, 50.0, 20.0, 20.0], 0.0, 1.0, 3),
        ([100.0, 50.0, 20.0, 20.0], 1.0, 0.0, 3),
    ]
    for length, an_episode, a_step, episodes in (
        (6, 5.0, 0.0, 6),
        (9, 0.0, 0.5, 4),
        (8, 2.0, 0.25, 5),
    ):
        cases.append(
            (
                generator.integers(5, 300, size=length).astype(float),
                an_episode,
                a_step,
                episodes,
            )
        )
    return [
        dict(zip(names, (torch.as_tensor(case[0]).double(), *case[1:]), strict=True))
        for case in cases
    ]


BUDGET = Exercise(
    "11.2",
    _budget,
    _budget_inputs,
    (
        Mistake(
            lambda d, an_episode, a_step, episodes: _budget(
                d, an_episode, a_step, len(d)
            ),
            "You spend all the episodes there are; only the first `episodes` belong to the budget.",
        ),
        Mistake(
            lambda d, an_episode, a_step, episodes: _spent(
                d[:episodes].mean(),
                an_episode * episodes + a_step * d[:episodes].mean(),
            ),
            "You have the mean length of an episode where the number of steps belongs: sum them.",
        ),
        Mistake(
            lambda d, an_episode, a_step, episodes: _spent(
                d[:episodes].sum(), (an_episode + a_step) * episodes
            ),
            "Updates that come with every *step* are counted once an episode. That is the whole difference between the two frameworks.",
        ),
        Mistake(
            lambda d, an_episode, a_step, episodes: _spent(
                d[:episodes].sum(), (an_episode + a_step) * d[:episodes].sum()
            ),
            "Updates that come once an *episode* are counted with every step.",
        ),
        Mistake(
            lambda d, an_episode, a_step, episodes: _budget(
                d, an_episode, a_step, episodes
            ).flip(0),
            "The two are in the wrong order: steps of the world first, then updates.",
        ),
        Mistake(
            lambda d, an_episode, a_step, episodes: _budget(
                d, an_episode, a_step * episodes, episodes
            ),
            "A step's updates are multiplied by the number of episodes as well; the steps are summed over episodes already.",
        ),
    ),
    summary="updates by the step, by the episode, and both",
)

# ---- 11.3 how often one run of each misleads


def _misled(better: Tensor, worse: Tensor) -> float:
    pairs = better[:, None] - worse
    return float(((pairs > 0).double() + 0.5 * (pairs == 0)).mean())


def _misled_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Three runs against two by hand; then ties, different numbers of runs, groups that do not overlap."""
    rows = [
        (torch.tensor([10.0, 20.0, 30.0]), torch.tensor([25.0, 15.0])),
        (torch.tensor([5.0, 5.0, 8.0]), torch.tensor([5.0, 9.0])),
    ]
    for first, second, shift in (
        (20, 20, 0.0),
        (7, 20, 2.0),
        (20, 3, -3.0),
        (6, 6, 50.0),
    ):
        rows.append(
            tuple(
                torch.from_numpy(generator.normal(100 + move, 5, size).round(0))
                for size, move in ((first, 0), (second, shift))
            )
        )
    return [
        {"better": better.double(), "worse": worse.double()} for better, worse in rows
    ]


def _same_place(better: Tensor, worse: Tensor) -> float:
    shared = min(len(better), len(worse))
    return float((better[:shared] > worse[:shared]).double().mean())


MISLED = Exercise(
    "11.3",
    _misled,
    _misled_inputs,
    (
        Mistake(
            lambda better, worse: 1 - _misled(better, worse),
            "That is how often the pair of runs is right: fewer steps for the better method. Asked for is how often it misleads.",
        ),
        Mistake(
            lambda better, worse: float((better[:, None] > worse).double().mean()),
            "Ties are counted as right. A tie says nothing; count it half.",
        ),
        Mistake(
            lambda better, worse: float((better[:, None] >= worse).double().mean()),
            "Ties are counted as misleading. A tie says nothing; count it half.",
        ),
        Mistake(
            _same_place,
            "You compare run 0 with run 0, run 1 with run 1. The two methods' seeds are not paired: a paper may have drawn any run of "
            "either. Compare every run of one with every run of the other.",
        ),
        Mistake(
            lambda better, worse: float(better.mean() > worse.mean()),
            "You compare the means. That is the verdict of all runs together; asked for is how often *one* run of each says the opposite.",
        ),
        Mistake(
            lambda better, worse: float((better > worse.mean()).double().mean()),
            "You compare single runs of one method with the mean of the other. The paper had a single run of each.",
        ),
        Mistake(
            lambda better, worse: float((better > worse.median()).double().mean()),
            "You compare single runs of one method with the median of the other. The paper had a single run of each.",
        ),
        Mistake(
            lambda better, worse: float((better[:, None] > worse).double().sum()),
            "You have counted the pairs. Divide by how many there are.",
        ),
    ),
    summary="ties, unequal numbers of runs, groups that do not overlap",
)

EXERCISES = [
    SUMMARY,
    BUDGET,
    MISLED,
    Choice(
        "11.4",
        answer="d",
        wrong={
            "a": "Run it with the new memory and all else as the baseline has it: the episodes are as long as the baseline's.",
            "b": "Both have one schedule of exploration, and 5 % random actions cost both the same.",
            "c": "Five seeds are few, but the gap is larger than the spread of the runs, and more seeds do not close it. It is no luck.",
            "e": "Both have one learning rate and one number of rounds; look again at the lines of the table that differ.",
        },
        summary="episodes that are cut at 100 steps cannot be longer than 100; the policies are no better, and their exact lengths say so",
    ),
]
