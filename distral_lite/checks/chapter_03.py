"""The exercises of chapter 03: what a target network does, DQN's target, a ring's index, how well a ring mixes, a planted bug."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite import dqn, replay
from distral_lite.checks.exercise import Choice, Exercise, Mistake

# ---- 3.1 what the copy does

COPY = Choice(
    "3.1",
    "B",
    {
        "A": "look at the second column: at C = 1000 the growth an update is still above one. Slower divergence is divergence.",
        "C": "repeat it with γ = 0.4: from copy to copy w shrinks by 2γ = 0.8. What matters is whether that step contracts.",
        "D": "a copy that stands still holds news back (section 3.4 shows it for a table). What the table here shows is slower growth.",
    },
    summary="between two copies there is a regression on fixed numbers; the step from copy to copy may grow (2γ > 1) or contract",
)

# ---- 3.2 the target


def target(reward, terminal, truncated, q_next, discount):
    """DQN's target for a minibatch (Algorithm 1, line 13), [B]: r + gamma * max_a' Q^(s', a'), and r after a terminal step.

    `truncated` is not needed: a time-out has not ended anything.
    """
    return dqn.td_target(reward, discount * (~terminal).to(reward.dtype), q_next)


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    def case(
        reward: Any,
        terminal: list[bool],
        truncated: list[bool],
        q_next: Any,
        discount: float,
    ) -> dict[str, Any]:
        numbers = {
            "reward": torch.as_tensor(reward, dtype=torch.float64),
            "terminal": torch.tensor(terminal),
        }
        numbers |= {
            "truncated": torch.tensor(truncated),
            "q_next": torch.as_tensor(q_next, dtype=torch.float64),
        }
        return numbers | {"discount": discount}

    cases = [
        case(
            [0.5, 0.5, 0.5],
            [False, True, False],
            [False, False, True],
            [[1.0, 3.0, 2.0]] * 3,
            0.9,
        ),  # worked in the chapter
        case(
            [-0.1, 0.9],
            [False, True],
            [False, False],
            [[-3.0, -1.0], [-2.0, -4.0]],
            0.99,
        ),  # every value below zero
        case([-0.6], [False], [True], [[0.2, 0.7, -0.1]], 0.95),
    ]
    for size in (4, 8, 16):
        ended = generator.integers(3, size=size)
        q_next = generator.normal(size=(size, 4))
        cases.append(
            case(
                generator.normal(size=size),
                (ended == 1).tolist(),
                (ended == 2).tolist(),
                q_next,
                float(generator.random()),
            )
        )
    return cases


def _show_target(given: dict[str, Any]) -> str:
    rows = f"{len(given['reward'])} transitions, {int(given['terminal'].sum())} terminal, {int(given['truncated'].sum())} cut by the clock"
    return f"{rows}, γ = {given['discount']:.3g}"


def _target(
    future: Callable[..., Tensor],
) -> Callable[
    ..., Tensor
]:  # future(terminal, truncated, q_next) replaces (1 - d) max Q^
    return lambda reward, terminal, truncated, q_next, discount: (
        reward + discount * future(terminal, truncated, q_next)
    )


def _alive(terminal: Tensor) -> Tensor:
    return (~terminal).double()


TARGET = Exercise(
    "3.2",
    target,
    _target_inputs,
    (
        Mistake(
            _target(
                lambda terminal, truncated, q_next: (
                    _alive(terminal | truncated) * q_next.max(-1).values
                )
            ),
            "You let the clock end the world. A truncated step keeps its future; `truncated` does not belong into the target at all.",
        ),
        Mistake(
            _target(lambda terminal, truncated, q_next: q_next.max(-1).values),
            "You bootstrap through the goal: where `terminal` is true the target is the reward alone.",
        ),
        Mistake(
            _target(
                lambda terminal, truncated, q_next: (
                    terminal.double() * q_next.max(-1).values
                )
            ),
            "Your mask is upside down: the future counts where the episode has *not* ended.",
        ),
        Mistake(
            _target(
                lambda terminal, truncated, q_next: (
                    _alive(truncated) * q_next.max(-1).values
                )
            ),
            "You mask the wrong flag: time-outs lose their future and goals keep theirs. It is `terminal` that ends the world.",
        ),
        Mistake(
            lambda reward, terminal, truncated, q_next, discount: (
                _alive(terminal) * (reward + discount * q_next.max(-1).values)
            ),
            "At the end of an episode you drop the reward together with the future. The last step is paid.",
        ),
        Mistake(
            _target(
                lambda terminal, truncated, q_next: _alive(terminal) * q_next.mean(-1)
            ),
            "You average over the actions. Line 13 has the maximum.",
        ),
        Mistake(
            _target(
                lambda terminal, truncated, q_next: _alive(terminal) * q_next.max()
            ),
            "Your maximum runs over the whole minibatch. Each transition has its own next state: maximum over the last axis only.",
        ),
        Mistake(
            lambda reward, terminal, truncated, q_next, discount: (
                reward + _alive(terminal) * q_next.max(-1).values
            ),
            "γ is missing: the future counts γ times its worth.",
        ),
    ),
    summary="goals, time-outs, minibatches of 1 to 16",
    show=_show_target,
)

# ---- 3.3 the index of a ring


def positions(uniform, count, capacity):
    """The places in a ring that uniform numbers pick by age: see `replay.positions`. Takes [...] in [0, 1), gives [...] int64."""
    return replay.positions(uniform, count, capacity)


def _ring_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    quarters = torch.tensor([0.0, 0.25, 0.5, 0.75], dtype=torch.float64)
    cases = [
        (quarters, 6, 4),
        (quarters, 3, 8),
        (quarters, 8, 8),
        (quarters, 1, 5),
        (quarters, 13, 1),
    ]
    cases += [
        (torch.from_numpy(generator.random((2, 3, 7))), count, capacity)
        for count, capacity in ((50, 32), (1234, 100), (77, 1000))
    ]
    return [
        {"uniform": uniform, "count": count, "capacity": capacity}
        for uniform, count, capacity in cases
    ]


def _ring(
    number: Callable[..., Tensor],
) -> Callable[
    ..., Tensor
]:  # number(u, count, held, capacity) is the place before the remainder
    return lambda uniform, count, capacity: (
        number(uniform, count, min(count, capacity), capacity) % capacity
    )


RING = Exercise(
    "3.3",
    positions,
    _ring_inputs,
    (
        Mistake(
            _ring(lambda u, count, held, capacity: count - 1 - (u * capacity).long()),
            "You draw from all places of the ring, filled or not. Until it is full only `count` of them hold anything.",
        ),
        Mistake(
            _ring(lambda u, count, held, capacity: count - 1 - (u * count).long()),
            "You draw from everything ever stored. What is older than the capacity is overwritten: its place holds a younger one by now.",
        ),
        Mistake(
            _ring(lambda u, count, held, capacity: count - (u * held).long()),
            "You are one place too far: numbers begin at 0, so the newest is number count − 1. Place count mod capacity is the next to be "
            "written.",
        ),
        Mistake(
            lambda uniform, count, capacity: (
                count - 1 - (uniform * min(count, capacity)).long()
            ),
            "That is the number of the transition, not its place: a ring needs the remainder, modulo the capacity.",
        ),
        Mistake(
            _ring(lambda u, count, held, capacity: count - held + (u * held).long()),
            "You count from the oldest. The draws are as uniform as they should be, but here 0.0 shall pick the newest.",
        ),
        Mistake(
            lambda uniform, count, capacity: (uniform * min(count, capacity)).long(),
            "You take the draw for the place. All places are equally likely that way too, but an age is asked for: the newest lies at "
            "(count − 1) mod capacity.",
        ),
        Mistake(
            _ring(
                lambda u, count, held, capacity: count - 1 - (u * held).round().long()
            ),
            "You round. Then the ends are half as likely as the others, and the age `held` may come out, which is not there: floor.",
        ),
        Mistake(
            _ring(lambda u, count, held, capacity: count - 1 - (u * (held - 1)).long()),
            "You multiply by held − 1: numbers below 1 never reach that, so the oldest is never drawn. floor(u · held) is right.",
        ),
    ),
    summary="rings that are empty but for one, filling, full, and overwritten many times",
    show=lambda given: (
        f"{given['count']} stored, capacity {given['capacity']}, {given['uniform'].numel()} draws"
    ),
)

# ---- 3.4 how well a ring mixes


def mean_correlation(rho, capacity):
    """The mean of rho(|i - j|) over all pairs of places of a ring of `capacity` consecutive transitions; rho: [at least capacity]."""
    lag = torch.arange(1, capacity)
    return float(
        (capacity * rho[0] + 2 * ((capacity - lag) * rho[lag]).sum()) / capacity**2
    )


def _rho_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    lag = torch.arange(400, dtype=torch.float64)
    cases = [
        (0.5**lag, 1),
        (0.5**lag, 2),
        (0.9**lag, 3),
        (0.98**lag, 32),
        (0.98**lag, 400),
    ]
    cases += [
        (0.9**lag * torch.cos(0.3 * lag), 50),
        (torch.from_numpy(generator.normal(size=60)), 20),
    ]
    return [{"rho": rho, "capacity": capacity} for rho, capacity in cases]


def _weighted(rho: Tensor, capacity: int, once: float, twice: float) -> float:
    lag = torch.arange(1, capacity)
    return float(once * rho[0] + twice * ((capacity - lag) * rho[lag]).sum())


MIXING = Exercise(
    "3.4",
    mean_correlation,
    _rho_inputs,
    (
        Mistake(
            lambda rho, capacity: _weighted(rho, capacity, capacity, 1) / capacity**2,
            "You count each pair of different places once. (i, j) and (j, i) are two of the N² pairs: a lag above 0 comes 2 (N − k) times.",
        ),
        Mistake(
            lambda rho, capacity: float(rho[:capacity].mean()),
            "You average ρ over the lags as if all were equally frequent. Small lags are: N − k pairs have the lag k, either way round.",
        ),
        Mistake(
            lambda rho, capacity: _weighted(rho, capacity, 0, 2) / capacity**2,
            "You leave the diagonal out. Draws are made with replacement: in N of the N² pairs both draws are the same transition.",
        ),
        Mistake(
            lambda rho, capacity: (
                _weighted(rho, capacity, 0, 2) / max(capacity * (capacity - 1), 1)
            ),
            "That is the mean over pairs of *different* places. Draws are made with replacement: N of the N² pairs are i = j, with ρ(0).",
        ),
        Mistake(
            lambda rho, capacity: _weighted(rho, capacity, capacity, 2) / capacity,
            "You divide by N. The mean is over N² pairs.",
        ),
        Mistake(
            lambda rho, capacity: float(
                (capacity * rho[0] + 2 * capacity * rho[1:capacity].sum()) / capacity**2
            ),
            "You give every lag the same number of pairs. Near the ends the partner is missing: only N − k pairs have the lag k.",
        ),
    ),
    summary="rings of 1 to 400, correlations that fall, swing, and make no sense",
    show=lambda given: (
        f"capacity = {given['capacity']}, ρ = {[round(float(value), 3) for value in given['rho'][:3]]} …"
    ),
)

# ---- 3.5 the planted bug: a target that does not stand still

LEARN = (
    "q",
    "state",
    "action",
    "reward",
    "next_state",
    "terminal",
    "learning_rate",
    "discount",
    "target_every",
)


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
    """Q-learning over T transitions (five lists) with targets from a copy, renewed after every `target_every` updates: the last [S, A]."""
    return _learn(
        q,
        state,
        action,
        reward,
        next_state,
        terminal,
        learning_rate,
        discount,
        target_every,
    )[0]


def _learn(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
    first=Tensor.clone,
    renew=Tensor.clone,
    shift=1,
):
    """The loop with its places for mistakes: the first copy, the later ones, when they are made. Gives the table and the copy."""
    q = q.clone()
    old = first(q)
    for t in range(len(state)):
        future = 0.0 if terminal[t] else discount * old[next_state[t]].max()
        q[state[t], action[t]] += learning_rate * (
            reward[t] + future - q[state[t], action[t]]
        )
        if renew is not None and (t + shift) % target_every == 0:
            old = renew(q)
    return q, old.clone()


def _itself(q: Tensor) -> Tensor:
    return q


def _with(give: int = 0, **change: Any) -> Callable[..., Tensor]:
    def wrong(
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
        return _learn(
            q,
            state,
            action,
            reward,
            next_state,
            terminal,
            learning_rate,
            discount,
            target_every,
            **change,
        )[give]

    return wrong


def _no_mask(
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
    return _learn(
        q,
        state,
        action,
        reward,
        next_state,
        [False] * len(state),
        learning_rate,
        discount,
        target_every,
    )[0]


def _in_place(
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
    """Updates begin at the copy: Q <- Q^- + alpha (target - Q^-)."""
    q, old = q.clone(), q.clone()
    for t in range(len(state)):
        future = 0.0 if terminal[t] else discount * old[next_state[t]].max()
        q[state[t], action[t]] = old[state[t], action[t]] + learning_rate * (
            reward[t] + future - old[state[t], action[t]]
        )
        if (t + 1) % target_every == 0:
            old = q.clone()
    return q


def _learn_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    def case(
        q: Any, rows: list[tuple[int, int, float, int, bool]], *rest: Any
    ) -> dict[str, Any]:
        columns = [list(column) for column in zip(*rows, strict=True)]
        return dict(
            zip(
                LEARN,
                (torch.as_tensor(q, dtype=torch.float64), *columns, *rest),
                strict=True,
            )
        )

    line = [
        (2, 0, 1.0, 3, True),
        (1, 0, 0.0, 2, False),
        (0, 0, 0.0, 1, False),
    ]  # from the end: news could run all the way in one pass
    cases = [
        case(np.zeros((4, 1)), line * 2, 1.0, 0.9, copy_every)
        for copy_every in (1, 3, 100)
    ]
    for length, rate, copy_every in ((40, 0.5, 7), (60, 0.3, 10), (30, 1.0, 30)):
        states, actions, ended = (
            generator.integers(5, size=(2, length)),
            generator.integers(3, size=length),
            generator.random(length) < 0.2,
        )
        rewards = generator.normal(size=length)
        rows = list(
            zip(
                states[0].tolist(),
                actions.tolist(),
                rewards.tolist(),
                states[1].tolist(),
                ended.tolist(),
                strict=True,
            )
        )
        cases.append(case(generator.normal(size=(5, 3)), rows, rate, 0.95, copy_every))
    return cases


BUG = Exercise(
    "3.5",
    learn,
    _learn_inputs,
    (
        Mistake(
            _with(first=_itself, renew=_itself),
            "This does what the printed loop does. `target = q` is a second name for one table, so every update moves the target too.",
        ),
        Mistake(
            _with(renew=_itself),
            "The first copy is one, the later ones are not: after the first renewal `target` and `q` are one table. Clone there as well.",
        ),
        Mistake(
            _with(first=_itself),
            "Until the first renewal your target is the table itself. Clone before the loop, too.",
        ),
        Mistake(
            _with(renew=None),
            "Your target never changes: the copy must be renewed after every `target_every` updates.",
        ),
        Mistake(
            _with(shift=0),
            "You renew one update too late, or too early: with t counted from 0, update number t + 1 is done. Test (t + 1) % target_every.",
        ),
        Mistake(
            _with(give=1),
            "You return the copy. What has been learned since the last renewal is in q.",
        ),
        Mistake(
            _no_mask,
            "The terminal test is gone: after a goal there is no future, whichever table it is looked up in.",
        ),
        Mistake(
            _in_place,
            "You take the old value from the copy as well. Only the target comes from it; the estimate that moves is q's own.",
        ),
    ),
    summary="copies renewed after each update, sometimes, and never",
    show=lambda given: (
        f"{len(given['state'])} transitions, α = {given['learning_rate']:g}, target_every = {given['target_every']}"
    ),
)

EXERCISES = [COPY, TARGET, RING, MIXING, BUG]
