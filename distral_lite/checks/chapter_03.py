"""Exercises of chapter 03: a target network, DQN's target, a ring, and a bug."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, flags, numbers, whole


def target(reward, terminal, truncated, q_next, discount):
    """DQN's target (Algorithm 1, line 13): a time-out has not ended anything."""
    return reward + discount * (~terminal * q_next.amax(-1))


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One transition by hand; goals, time-outs and both; γ from 0 to 1."""
    ends = ((False, False), (True, False), (False, True), (True, True))
    rows = [([0.5], [e], [c], [[1.0, 3.0, 2.0]], 0.9) for e, c in ends]
    worst = [[-3.0, -1.0], [-2.0, -4.0]]  # every value below zero
    rows.append(([-0.1, 0.9], [False, True], [False, False], worst, 0.99))
    for size, actions, discount in (
        (3, 3, 0.5),
        (6, 1, 1.0),
        (4, 4, 0.0),
        (16, 5, 0.7),
    ):
        both = flags(generator, 0.3, size), flags(generator, 0.3, size)
        values = numbers(generator, size, actions)
        rows.append((numbers(generator, size), *both, values, discount))
    return cases("reward terminal truncated q_next discount", *rows)


def positions(uniform, count, capacity):
    """The places in a ring that uniform numbers pick by age."""
    held = min(count, capacity)
    age = (uniform * held).long()
    return (count - 1 - age) % capacity


def _ring_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The ring of the text; rings that are filling, full, and overwritten often."""
    rows = [([0.0], 6, 4), ([0.0], 3, 8), ([0.75], 6, 4), ([0.999], 3, 8)]
    sizes = ((6, 4), (3, 8), (8, 8), (1, 5), (13, 1), (7, 3))
    rows += [([0.0, 0.25, 0.5, 0.75, 0.999], *size) for size in sizes]
    for size in ((50, 32), (1234, 100), (77, 1000)):
        rows.append((generator.random((2, 3, 7)), *size))
    return cases("uniform count capacity", *rows)


def mean_correlation(rho, capacity):
    """The mean of rho(|i - j|) over all pairs of places of a ring."""
    lag = torch.arange(1, capacity)
    return float(
        (capacity * rho[0] + 2 * ((capacity - lag) * rho[lag]).sum()) / capacity**2
    )


def _rho_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Correlations that fall, swing and make no sense; as many as needed, and more."""
    lag = np.arange(120.0)
    rows = [
        ([1.0], 1),
        ([1.0, 0.5], 2),
        ([1.0, 0.5, 0.25, 0.125], 2),
        ([1.0, 0.9, 0.5], 3),
        ([1.0, 0.5, -0.5, 0.25], 1),
        (0.98**lag, 32),
        (0.998**lag, 120),
        (0.9**lag * np.cos(0.3 * lag), 50),
        (numbers(generator, 60), 20),
    ]
    return cases("rho capacity", *rows)


def learn(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    """Q-learning over T transitions (five lists) with targets from a copy."""
    q = q.clone()
    target = q.clone()
    for t in range(len(reward)):
        future = 0.0 if terminal[t] else discount * target[next_state[t]].max()
        error = reward[t] + future - q[state[t], action[t]]
        q[state[t], action[t]] += learning_rate * error
        if (t + 1) % target_every == 0:
            target = q.clone()
    return q


def _learn_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One step; news from the end of a corridor; walks with every end of the ranges."""

    def case(q, steps, *rates):
        return (q, *(tuple(column) for column in zip(*steps, strict=True)), *rates)

    table = [[0.0, 0.5], [2.0, 1.0]]
    on, goal = (0, 1, -0.1, 1, False), (0, 1, 0.9, 1, True)
    back = [(2, 0, 1.0, 3, True), (1, 0, 0.0, 2, False), (0, 0, 0.0, 1, False)]
    rows = [case(table, [step], 0.5, 0.9, 1) for step in (on, goal)]
    rows += [case(np.zeros((4, 1)), 2 * back, 1.0, 0.9, every) for every in (1, 3, 9)]
    for length, *rates in (
        (12, 0.5, 0.95, 5),
        (14, 0.3, 1.0, 4),
        (10, 1.0, 0.5, 10),
        (8, 0.7, 0.0, 3),
    ):
        columns = whole(generator, 5, length), whole(generator, 3, length)
        after, ended = whole(generator, 5, length), flags(generator, 0.2, length)
        columns = (*columns, numbers(generator, length), after, ended)
        steps = zip(*(column.tolist() for column in columns), strict=True)
        rows.append(case(numbers(generator, 5, 3), list(steps), *rates))
    names = "q state action reward next_state terminal learning_rate discount"
    return cases(f"{names} target_every", *rows)


EXERCISES = [
    Choice(
        "3.1",
        "B",
        {
            "A": "look at the second column: at C = 1000 the growth an update is still "
            "above one. Slower divergence is divergence.",
            "C": "repeat it with γ = 0.4: from copy to copy w shrinks by 2γ = 0.8. What "
            "matters is whether that step contracts.",
            "D": "a copy that stands still holds news back (section 3.4 shows it for a "
            "table). What the table here shows is slower growth.",
        },
        summary="between two copies there is a regression on fixed numbers; the step from "
        "copy to copy may grow (2γ > 1) or contract",
    ),
    Exercise(
        "3.2",
        target,
        _target_inputs,
        (
            (
                "~terminal",
                "~(terminal | truncated)",
                "You let the clock end the world. A truncated step keeps its future; "
                "`truncated` does not belong into the target at all.",
            ),
            (
                "~terminal * ",
                "",
                "You bootstrap through the goal: where `terminal` is true the target is "
                "the reward alone.",
            ),
            (
                "~terminal",
                "~truncated",
                "You mask the wrong flag: time-outs lose their future and goals keep "
                "theirs. It is `terminal` that ends the world.",
            ),
            (
                "~terminal",
                "~(terminal & ~truncated)",
                "You take a step that is both for a time-out. It reached the goal in the "
                "moment it was cut: `terminal` alone decides.",
            ),
            (
                "reward + discount * (~terminal * q_next.amax(-1))",
                "~terminal * (reward + discount * q_next.amax(-1))",
                "At the end of an episode you drop the reward together with the future. "
                "The last step is paid.",
            ),
            (
                "amax",
                "argmax",
                "You take the number of the best action. The target has its value.",
            ),
        ),
        summary="goals, time-outs and both, minibatches of 1 to 16, γ from 0 to 1",
    ),
    Exercise(
        "3.3",
        positions,
        _ring_inputs,
        (
            (
                "min(count, capacity)",
                "capacity",
                "You draw from all places of the ring, filled or not. Until it is full "
                "only `count` of them hold anything.",
            ),
            (
                "min(count, capacity)",
                "count",
                "You draw from everything ever stored. What is older than the capacity is "
                "overwritten: its place holds a younger one by now.",
            ),
            (
                "count - 1 - age",
                "count - age",
                "You are one place too far: numbers begin at 0, so the newest is number "
                "count − 1. Place count mod capacity is the next to be written.",
            ),
            (
                " % capacity",
                "",
                "That is the number of the transition, not its place: a ring needs the "
                "remainder, modulo the capacity.",
            ),
            (
                "count - 1 - age",
                "count - held + age",
                "You count from the oldest. The draws are as uniform as they should be, "
                "but here 0.0 shall pick the newest.",
            ),
            (
                "(count - 1 - age) % capacity",
                "age",
                "You take the draw for the place. All places are equally likely that way "
                "too, but an age is asked for: the newest lies at (count − 1) mod "
                "capacity.",
            ),
            (
                "held).long()",
                "held).round().long()",
                "You round. Then the newest is half as likely as the others, and the age "
                "`held` may come out, which is not there: floor.",
            ),
            (
                "(uniform * held).long()",
                "uniform * held",
                "(count - 1 - age)",
                "(count - 1 - age).long()",
                "You cut off after subtracting, and so round the ages up: the newest is "
                "as good as never drawn. First floor(u · held), then subtract.",
            ),
            (
                "uniform * held",
                "uniform * (held - 1)",
                "You multiply by held − 1: numbers below 1 never reach that, so the "
                "oldest is never drawn. floor(u · held) is right.",
            ),
        ),
        summary="rings that are empty but for one, filling, full, and overwritten many "
        "times",
    ),
    Exercise(
        "3.4",
        mean_correlation,
        _rho_inputs,
        (
            (
                "2 * ((",
                "((",
                "You count each pair of different places once. (i, j) and (j, i) are two "
                "of the N² pairs: a lag above 0 comes 2 (N − k) times.",
            ),
            (
                "(capacity * rho[0] + 2 * ((capacity - lag) * rho[lag]).sum()) / capacity "
                "** 2",
                "rho[:capacity].mean()",
                "You average ρ over the lags as if all were equally frequent. Small lags "
                "are: N − k pairs have the lag k, either way round.",
            ),
            (
                "2 * ((capacity - lag) * rho[lag]).sum()",
                "rho[lag].sum()",
                "capacity * rho",
                "rho",
                "You count each lag once. Of the N² pairs N have the lag 0 and 2 (N − k) "
                "the lag k.",
            ),
            (
                "capacity * rho[0] + ",
                "",
                "You leave the diagonal out. Draws are made with replacement: in N of the "
                "N² pairs both draws are the same transition.",
            ),
            (
                "capacity * rho[0] + ",
                "",
                "capacity ** 2",
                "max(capacity * (capacity - 1), 1)",
                "That is the mean over pairs of *different* places. Draws are made with "
                "replacement: N of the N² pairs are i = j, with ρ(0).",
            ),
            (
                "capacity ** 2",
                "capacity",
                "You divide by N. The mean is over N² pairs.",
            ),
            (
                "(capacity - lag) * ",
                "capacity * ",
                "You give every lag the same number of pairs. Near the ends the partner "
                "is missing: only N − k pairs have the lag k.",
            ),
            (
                "capacity * rho[0] + 2 * ((capacity - lag",
                "(capacity - 1) * rho[0] + 2 * ((capacity - 1 - lag",
                "You sum (N − 1)² pairs. i and j run from 1 to N, both ends counted; "
                "`range(1, N)` stops one early.",
            ),
            (
                "capacity * rho[0] + 2 * ((capacity - lag) * rho[lag])",
                "2 * capacity * rho[0] + 2 * ((capacity - lag) * rho[lag])",
                "You count the diagonal twice. i = j is the same pair either way round: "
                "N of the N² pairs have the lag 0.",
            ),
        ),
        summary="rings of 1 to 120, correlations that fall, swing, and make no sense",
    ),
    Exercise(
        "3.5",
        learn,
        _learn_inputs,
        (
            (
                "target = q.clone()\n    for",
                "target = q\n    for",
                "            target = q.clone()",
                "            target = q",
                "This does what the printed loop does. `target = q` is a second name for "
                "one table, so every update moves the target too.",
            ),
            (
                "            target = q.clone()",
                "            target = q",
                "The first copy is one, the later ones are not: after the first renewal "
                "`target` and `q` are one table. Clone there as well.",
            ),
            (
                "target = q.clone()\n    for",
                "target = q\n    for",
                "Until the first renewal your target is the table itself. Clone before "
                "the loop, too.",
            ),
            (
                "        if (t + 1) % target_every == 0:\n            target = q.clone()\n",
                "",
                "Your target never changes: the copy must be renewed after every "
                "`target_every` updates.",
            ),
            (
                "t + 1",
                "t",
                "You renew one update too late, or too early: with t counted from 0, "
                "update number t + 1 is done. Test (t + 1) % target_every.",
            ),
            (
                "        if (t + 1) % target_every == 0:\n            target = q.clone()\n",
                "",
                "        future =",
                "        if (t + 1) % target_every == 0:\n"
                "            target = q.clone()\n        future =",
                "You renew the copy before the update that is its turn, so that each copy "
                "lacks the newest update, and that update is made with the new copy.",
            ),
            (
                "return q",
                "return target.clone()",
                "You return the copy. What has been learned since the last renewal is in "
                "q.",
            ),
            (
                "0.0 if terminal[t] else ",
                "",
                "The terminal test is gone: after a goal there is no future, whichever "
                "table it is looked up in.",
            ),
            (
                "- q[state[t], action[t]]\n",
                "- target[state[t], action[t]]\n",
                "q[state[t], action[t]] += learning_rate * error",
                "q[state[t], action[t]] = target[state[t], action[t]] + learning_rate * "
                "error",
                "You take the old value from the copy as well. Only the target comes from "
                "it; the estimate that moves is q's own.",
            ),
            (
                "- q[state[t], action[t]]\n",
                "- target[state[t], action[t]]\n",
                "You compare the target with the copy's estimate. Only r + γ max comes "
                "from the copy; what is subtracted is q's own value.",
            ),
            (
                "target[next_state[t]].max()",
                "target[next_state[t], q[next_state[t]].argmax()]",
                "The action comes from q and its value from the copy: that is double "
                "DQN. Here the copy gives the maximum itself.",
            ),
        ),
        summary="copies renewed after each update, sometimes, and never",
    ),
]
