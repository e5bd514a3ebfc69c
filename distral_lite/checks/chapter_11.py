"""Exercises of chapter 11: lost runs, equal budgets, one seed, and a confound."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, numbers, whole

NAN = float("nan")


def summary(durations, cap, episodes):
    """Mean length of the last episodes; what was not reached counts as the cap."""
    return torch.where(durations.isnan(), cap, durations)[..., -episodes:].mean(-1)


def _summary_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Two runs by hand, one of them lost; then runs that are lost at every age."""
    rows = [
        ([[30.0, 20.0, 10.0, 20.0], [40.0, 1000.0, NAN, NAN]], 1000.0, 2),
        ([[30.0, 20.0, 10.0, 20.0], [40.0, 600.0, 7.0, NAN]], 700.0, 1),
    ]
    for runs, length, episodes, cap in (
        (5, 8, 3, 100.0),
        (4, 60, 50, 500.0),
        (3, 6, 6, 9.0),
    ):
        durations = 2 + whole(generator, int(cap) - 3, runs, length).double()
        for run in range(1, runs):
            durations[run, length - int(generator.integers(1, length)) :] = NAN
        rows.append((durations, cap, episodes))
    return cases("durations cap episodes", *rows)


def _last_there_are(durations, cap, episodes):
    return torch.stack([row[~row.isnan()][-episodes:].mean() for row in durations])


def budget(durations, updates_per_episode, updates_per_step, episodes):
    """Steps of the world and updates of the first episodes."""
    steps = durations[:episodes].sum()
    updates = updates_per_episode * episodes + updates_per_step * steps
    return torch.stack([steps, updates])


def _budget_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The two frameworks by hand, then both kinds of update at once, and halves."""
    rows = [
        ([100.0, 50.0, 20.0, 20.0], 0.0, 1.0, 3),
        ([100.0, 50.0, 20.0, 20.0], 1.0, 0.0, 3),
        ([100.0, 50.0, 20.0, 20.0], 5.0, 0.25, 1),
    ]
    for length, *settings in ((6, 5.0, 0.0, 6), (9, 0.0, 0.5, 4), (90, 2.0, 0.3, 70)):
        rows.append((5 + whole(generator, 300, length).double(), *settings))
    names = "durations updates_per_episode updates_per_step episodes"
    return cases(names, *rows)


def misled(better, worse):
    """Share of pairs in which the better method takes more steps, ties half."""
    pairs = better[:, None] - worse
    return float(((pairs > 0).double() + 0.5 * (pairs == 0)).mean())


def _misled_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """By hand; then ties, unequal numbers of runs, groups that do not overlap."""
    rows = [
        ([10.0, 20.0, 30.0], [25.0, 15.0]),
        ([5.0, 5.0, 8.0], [5.0, 9.0]),
        ([10.0, 20.25], [10.5, 19.75]),
    ]
    for first, second, shift in ((20, 20, 0), (7, 20, 2), (20, 3, -3), (6, 6, 50)):
        better = 100 + numbers(generator, first).round()
        rows.append((better, 100 + shift + numbers(generator, second).round()))
    return cases("better worse", *rows)


EXERCISES = [
    Exercise(
        "11.1",
        summary,
        _summary_inputs,
        (
            (
                "torch.where(durations.isnan(), cap, durations)[..., -episodes:].mean(-1)",
                "durations[..., -episodes:].nanmean(-1)",
                "This is the colleague's version: what is not there does not count. A run "
                "that never got so far because each of its episodes took for ever is left "
                "out, or judged by the few that it finished.",
            ),
            (
                _last_there_are,
                "You take the last episodes that each run *did* finish. Those of a lost "
                "run are early ones; it is compared with others at another age.",
            ),
            (
                "cap, durations",
                "0.0, durations",
                "An episode that was not reached counts as 0 steps: the worse a run is, "
                "the better it looks.",
            ),
            (
                "-episodes:",
                ":episodes",
                "These are the first episodes; wanted are the last.",
            ),
            (
                "[..., -episodes:]",
                "",
                "You took all episodes; wanted are the last ones only.",
            ),
            (
                "cap, durations",
                "durations.nan_to_num(0).amax(), durations",
                "You put the longest episode that was seen in the gaps. What is known is "
                "that an episode takes at most `cap`.",
            ),
            (
                "mean(-1)",
                "mean()",
                "One number a run is wanted, [R]; the mean over runs comes later, if at "
                "all.",
            ),
        ),
        summary="lost runs among good ones, caps from 9 to 1000",
    ),
    Exercise(
        "11.2",
        budget,
        _budget_inputs,
        (
            (
                "durations[:episodes].sum()",
                "durations.sum()",
                "You spend the steps of all the episodes there are; only the first "
                "`episodes` belong to the budget.",
            ),
            (
                "durations[:episodes].sum()",
                "durations[:episodes].mean()",
                "You have the mean length of an episode where the number of steps "
                "belongs: sum them.",
            ),
            (
                "updates_per_step * steps",
                "updates_per_step * episodes",
                "Updates that come with every *step* are counted once an episode. That is "
                "the whole difference between the two frameworks.",
            ),
            (
                "updates_per_episode * episodes",
                "updates_per_episode * steps",
                "Updates that come once an *episode* are counted with every step.",
            ),
            (
                "[steps, updates]",
                "[updates, steps]",
                "The two are in the wrong order: steps of the world first, then updates.",
            ),
            (
                "updates_per_step * steps",
                "updates_per_step * episodes * steps",
                "A step's updates are multiplied by the number of episodes as well; the "
                "steps are summed over episodes already.",
            ),
        ),
        summary="updates by the step, by the episode, and both",
    ),
    Exercise(
        "11.3",
        misled,
        _misled_inputs,
        (
            (
                "pairs > 0",
                "pairs < 0",
                "That is how often the pair of runs is right: fewer steps for the better "
                "method. Asked for is how often it misleads.",
            ),
            (
                " + 0.5 * (pairs == 0)",
                "",
                "Ties are counted as right. A tie says nothing; count it half.",
            ),
            (
                "0.5 * (pairs == 0)",
                "(pairs == 0).double()",
                "Ties are counted as misleading. A tie says nothing; count it half.",
            ),
            (
                "better[:, None] - worse",
                "better[:min(len(better), len(worse))] - worse[:min(len(better), len(worse))]",
                "You compare run 0 with run 0, run 1 with run 1. The two methods' seeds "
                "are not paired: a paper may have drawn any run of either. Compare every "
                "run of one with every run of the other.",
            ),
            (
                "better[:, None] - worse",
                "better.mean() - worse.mean()",
                "You compare the means. That is the verdict of all runs together; asked "
                "for is how often *one* run of each says the opposite.",
            ),
            (
                "better[:, None] - worse",
                "better - worse.mean()",
                "You compare single runs of one method with the mean of the other. The "
                "paper had a single run of each.",
            ),
            (
                "better[:, None] - worse",
                "better - worse.median()",
                "You compare single runs of one method with the median of the other. The "
                "paper had a single run of each.",
            ),
            (
                "mean()",
                "sum()",
                "You have counted the pairs. Divide by how many there are.",
            ),
        ),
        summary="ties, unequal numbers of runs, groups that do not overlap",
    ),
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
