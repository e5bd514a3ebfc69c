"""The exercises of chapter 02: the update, epsilon-greedy, a planted bug in a learning loop, a plateau to explain, steps under epsilon."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite import q_learning
from distral_lite.checks.exercise import Choice, Exercise, Mistake

# ---- 2.1 the update

STEP = (
    "q",
    "state",
    "action",
    "reward",
    "next_state",
    "terminal",
    "learning_rate",
    "discount",
)


def update_table(
    q, state, action, reward, next_state, terminal, learning_rate, discount
):
    """The table [S, A] after one transition: Q(S, A) + alpha * (R + gamma * max_a Q(S', a) - Q(S, A)) in its place (2.17).

    A terminal transition has no future; the table that was passed in is left alone.
    """
    new = q.clone()
    target = q_learning.q_target(reward, discount * (not terminal), q[next_state])
    new[state, action] = q_learning.update(q[state, action], target, learning_rate)
    return new


def _update_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    by_hand = [[-0.2, 0.4], [0.9, 0.1]]
    cases = [
        (by_hand, 0, 0, -0.1, 1, False, 0.5, 0.99),  # worked by hand in the chapter
        (by_hand, 0, 1, 1.0, 1, True, 0.5, 0.99),  # into the goal
        (
            [[-3.0, -1.0], [-4.0, -2.0]],
            0,
            0,
            -0.1,
            1,
            False,
            0.25,
            0.9,
        ),  # every value below zero
        (
            [[0.3, -0.6], [0.2, 0.8]],
            1,
            0,
            -0.6,
            1,
            False,
            0.1,
            0.95,
        ),  # a move that leads back to where it began
    ]
    for scale in (0, 0, 1, 3, 6):
        (s, n), a, (alpha, gamma) = (
            generator.integers(4, size=2),
            generator.integers(3),
            generator.random(2),
        )
        table, reward = 10.0**scale * generator.normal(size=(4, 3)), generator.normal()
        cases.append(
            (
                table,
                int(s),
                int(a),
                float(reward),
                int(n),
                scale == 3,
                float(alpha),
                float(gamma),
            )
        )
    return [
        dict(zip(STEP, (torch.as_tensor(q, dtype=torch.float64), *rest), strict=True))
        for q, *rest in cases
    ]


def _show_update(given: dict[str, Any]) -> str:
    q, s, a, r, n, terminal, alpha, gamma = given.values()
    table = (
        f"Q = {q.tolist()}"
        if q.numel() < 5
        else f"a table of {q.shape[0]} states and {q.shape[1]} actions"
    )
    return f"{table}, S = {s}, A = {a}, R = {r:.3g}, S' = {n}{', terminal' * terminal}, α = {alpha:.3g}, γ = {gamma:.3g}"


def _writes(value: Callable[..., Any]) -> Callable[..., Tensor]:
    """A wrong update that puts `value(q, s, a, r, s', alive, alpha, gamma)` in the right place."""

    def wrong(q, state, action, reward, next_state, terminal, learning_rate, discount):
        new = q.clone()
        new[state, action] = value(
            q,
            state,
            action,
            reward,
            next_state,
            1.0 - terminal,
            learning_rate,
            discount,
        )
        return new

    return wrong


def _bootstraps(
    future: Callable[..., Any],
) -> Callable[..., Tensor]:  # future(q, s, a, s') stands for max_a Q(S', a)
    return _writes(
        lambda q, s, a, r, n, alive, alpha, gamma: (
            q[s, a] + alpha * (r + alive * gamma * future(q, s, a, n) - q[s, a])
        )
    )


def _updates_whole_state(
    q, state, action, reward, next_state, terminal, learning_rate, discount
):
    new = q.clone()
    new[state] += learning_rate * (
        reward + (1 - terminal) * discount * q[next_state].max() - q[state]
    )
    return new


UPDATE = Exercise(
    "2.1",
    update_table,
    _update_inputs,
    (
        Mistake(
            _writes(
                lambda q, s, a, r, n, alive, alpha, gamma: (
                    q[s, a] + alpha * (r + gamma * q[n].max() - q[s, a])
                )
            ),
            "You bootstrap through the goal: after a terminal transition there is no next action, so the target is R alone.",
        ),
        Mistake(
            _writes(
                lambda q, s, a, r, n, alive, alpha, gamma: (
                    q[s, a] + alpha * (alive * (r + gamma * q[n].max()) - q[s, a])
                )
            ),
            "At the end of an episode you drop the reward together with the future. The last step is paid; only γ max Q(S', a) goes.",
        ),
        Mistake(
            _bootstraps(lambda q, s, a, n: q[n, a]),
            "You look up the action just taken. Nothing says that it is taken again: the target has the best action of S', max over a.",
        ),
        Mistake(
            _bootstraps(lambda q, s, a, n: q[s].max()),
            "Your maximum is over the actions of S, where the agent was. The future begins in S', where it is now.",
        ),
        Mistake(
            _bootstraps(lambda q, s, a, n: q[n].mean()),
            "You average over the actions of S'. That is the target for an agent which acts at random for ever; (2.17) has the maximum.",
        ),
        Mistake(
            _writes(
                lambda q, s, a, r, n, alive, alpha, gamma: (
                    r + alive * gamma * q[n].max()
                )
            ),
            "You go all the way to the target, as if α were 1. Move a fraction α of the way: old + α (target − old).",
        ),
        Mistake(
            _writes(
                lambda q, s, a, r, n, alive, alpha, gamma: (
                    q[s, a] + alpha * (r + alive * gamma * q[n].max())
                )
            ),
            "You add α times the target, not α times the error: − Q(S, A) is missing in the bracket, so the table grows without end.",
        ),
        Mistake(
            _writes(
                lambda q, s, a, r, n, alive, alpha, gamma: (
                    alpha * q[s, a] + (1 - alpha) * (r + alive * gamma * q[n].max())
                )
            ),
            "α and 1 − α are swapped: α weighs what is new, 1 − α what was known.",
        ),
        Mistake(
            _updates_whole_state,
            "You move the whole row of S. One transition says something about one action, the one that was taken; the others stay.",
        ),
    ),
    summary="goals, negative tables, moves that lead back, and values up to a million",
    show=_show_update,
)

# ---- 2.2 epsilon-greedy


def _greedy_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    cases = [
        ([0.0, 0.5, -0.1, 0.2, -0.6], 0.1),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 0.1),  # an untouched table
        ([-0.6, -0.1, -0.1, -0.6, -0.1], 0.25),
        ([3.0, 3.0, -1e9], 0.0),
        ([1.0, 2.0, 3.0], 1.0),
        ([[0.0, 1.0], [5.0, 5.0], [-2.0, -3.0]], 0.3),  # three states at once
        (generator.normal(size=(6, 4)), 0.764),
        (generator.integers(3, size=(2, 5, 4)), 0.5),  # [R, K, A], with ties
    ]
    return [
        {"q": torch.as_tensor(q, dtype=torch.float64), "epsilon": epsilon}
        for q, epsilon in cases
    ]


def _first(q: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1]).to(q.dtype)


def _best(q: Tensor) -> Tensor:
    return (q == q.max(-1, keepdim=True).values).to(q.dtype)


def _share(q: Tensor) -> Tensor:
    return _best(q) / _best(q).sum(-1, keepdim=True)


EPSILON_GREEDY = Exercise(
    "2.2",
    q_learning.epsilon_greedy,
    _greedy_inputs,
    (
        Mistake(
            lambda q, epsilon: epsilon / q.shape[-1] + (1 - epsilon) * _first(q),
            "Of tied actions you take the first: on an untouched table the agent would do little but action 0. Share 1 − ε among the best.",
        ),
        Mistake(
            lambda q, epsilon: (
                epsilon / (q.shape[-1] - 1) * (1 - _first(q))
                + (1 - epsilon) * _first(q)
            ),
            "You leave the best action out of the random draw. It is made from all A actions, so each gets ε/A; and ties share 1 − ε.",
        ),
        Mistake(
            lambda q, epsilon: (
                epsilon / q.shape[-1] * (1 - _best(q)) + (1 - epsilon) * _share(q)
            ),
            "Your row does not sum to one: the best action is also drawn when the agent explores. Add its ε/A to the 1 − ε.",
        ),
        Mistake(
            lambda q, epsilon: epsilon / q.shape[-1] + (1 - epsilon) * _best(q),
            "Each of the tied actions gets the whole 1 − ε, so the row sums to more than one. Divide by how many tie.",
        ),
        Mistake(
            lambda q, epsilon: (1 - epsilon) / q.shape[-1] + epsilon * _share(q),
            "ε and 1 − ε are swapped: ε is the share of random actions.",
        ),
        Mistake(
            lambda q, epsilon: (
                epsilon / q.shape[-1]
                + (1 - epsilon)
                * (best := (q == q.max()).to(q.dtype))
                / best.sum(-1, keepdim=True)
            ),
            "You look for the largest value of the whole table. Every state has its own best action: maximum over the last axis only.",
        ),
        Mistake(
            lambda q, epsilon: (
                epsilon * torch.softmax(q, -1) + (1 - epsilon) * _share(q)
            ),
            "Your exploration prefers actions that look good (a softmax). In ε-greedy it is blind: ε/A for every action.",
        ),
    ),
    summary="clear winners, ties, ε = 0 and 1, one state and many",
)

# ---- 2.3 the planted bug in a learning loop

LOG = ("state", "action", "reward", "next_state", "terminal", "truncated")


def learn_from_log(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    """Q-learning (2.17) over a recorded log of T transitions (six lists), in their order: the table [S, A] after the last of them."""
    q = q.clone()
    for s, a, r, s_next, ended in zip(
        state, action, reward, next_state, terminal, strict=True
    ):
        target = r if ended else r + discount * q[s_next].max()
        q[s, a] += learning_rate * (target - q[s, a])
    return q


def _loop(future: Callable[..., Any], skip: bool = False) -> Callable[..., Tensor]:
    """A wrong loop: `future(q, t, log)` is what comes after step t; with `skip` the truncated transitions are left out."""

    def wrong(
        q,
        state,
        action,
        reward,
        next_state,
        terminal,
        truncated,
        learning_rate,
        discount,
    ):
        log = dict(
            zip(
                LOG,
                (state, action, reward, next_state, terminal, truncated),
                strict=True,
            )
        )
        q = q.clone()
        for t in range(len(state)):
            if not (skip and truncated[t]):
                q[state[t], action[t]] += learning_rate * (
                    reward[t] + discount * future(q, t, log) - q[state[t], action[t]]
                )
        return q

    return wrong


def _own_row(q: Tensor, t: int, log: dict[str, Any]) -> Any:
    return 0.0 if log["terminal"][t] else q[log["next_state"][t]].max()


def _log_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    def case(
        steps: list[tuple[int, int, float, int, bool, bool]],
        q: Any,
        learning_rate: float,
        discount: float,
    ) -> dict[str, Any]:
        columns = {
            name: list(column)
            for name, column in zip(LOG, zip(*steps, strict=True), strict=True)
        }
        return {
            "q": torch.as_tensor(q, dtype=torch.float64),
            **columns,
            "learning_rate": learning_rate,
            "discount": discount,
        }

    def walk(length: int) -> list[tuple[int, int, float, int, bool, bool]]:
        steps, s, age = [], int(generator.integers(6)), 0
        for _ in range(length):
            a, n, age, ended = (
                int(generator.integers(2)),
                int(generator.integers(6)),
                age + 1,
                bool(generator.random() < 0.15),
            )
            cut = age == 4 and not ended
            steps.append((s, a, float(generator.normal()), n, ended, cut))
            s, age = (int(generator.integers(6)), 0) if ended or cut else (n, age)
        return steps

    table = [[0.0, 0.0], [0.5, 0.2], [4.0, 0.0], [0.0, 0.0]]
    return [
        case(
            [(0, 0, -0.1, 1, False, True), (2, 1, 0.9, 3, True, False)],
            table,
            1.0,
            0.99,
        ),  # cut at state 1, begun again in state 2
        case(
            [(0, 0, -0.1, 1, False, False), (1, 0, 1.0, 3, True, False)],
            table,
            0.5,
            0.9,
        ),
        *(
            case(walk(60), generator.normal(size=(6, 2)), learning_rate, 0.95)
            for learning_rate in (1.0, 0.3)
        ),
    ]


def _show_log(given: dict[str, Any]) -> str:
    steps = f"{len(given['state'])} transitions, {sum(given['terminal'])} terminal and {sum(given['truncated'])} cut by the clock"
    return (
        f"a log of {steps}, α = {given['learning_rate']:g}, γ = {given['discount']:g}"
    )


REPAIR = Exercise(
    "2.3",
    learn_from_log,
    _log_inputs,
    (
        Mistake(
            _loop(
                lambda q, t, log: (
                    0.0
                    if log["terminal"][t]
                    else q[[*log["state"][1:], log["next_state"][-1]][t]].max()
                )
            ),
            "This does what the printed loop does. After a time-out, which state stands in the row below?",
        ),
        Mistake(
            _loop(
                lambda q, t, log: 0.0 if log["truncated"][t] else _own_row(q, t, log)
            ),
            "You let a time-out end the world. The state at which the clock stops keeps its worth, and it is in the log: next_state.",
        ),
        Mistake(
            _loop(_own_row, skip=True),
            "You throw cut transitions away. Nothing wrong is learned, but the step was real and its S' is known: next_state. Keep it.",
        ),
        Mistake(
            _loop(lambda q, t, log: q[log["next_state"][t]].max()),
            "S' comes from its own row now, but the terminal test is gone: a goal has no future.",
        ),
        Mistake(
            _loop(
                lambda q, t, log: (
                    0.0
                    if log["terminal"][t]
                    else q[log["next_state"][t], [*log["action"][1:], 0][t]]
                )
            ),
            "You take the action that the log shows next. That values the agent that wrote the log; (2.17) wants the best action of S'.",
        ),
    ),
    summary="goals, time-outs, and episodes that begin anywhere",
    show=_show_log,
)

# ---- 2.4 explain the plateau

PLATEAU = Choice(
    "2.4",
    "C",
    {
        "A": "an agent that holds the exact Q* and explores with ε = 0.5 takes 27.0 steps: B's curve is what perfect knowledge looks like.",
        "B": "the band says how far the middle would move with other seeds; it can be narrow around a number that measures exploration.",
        "D": "α decides how soon a curve arrives, not where it ends: 27.0 was computed from Q*, without any α.",
    },
    summary="both numbers are what Q* itself gives at these two ε, so they say nothing of what was learned; test both with ε = 0",
)

# ---- 2.5 expected steps under epsilon


def steps_under_epsilon(greedy: Tensor, random: Tensor, epsilon: float) -> Tensor:
    """Expected steps from every state if with probability epsilon a step follows `random`, otherwise `greedy`: [S].

    `greedy`, `random`: [S, S], probability that one step leads from s to s' and the episode goes on; what a row lacks of 1 ends it.
    One linear solve: n = 1 + [(1 - epsilon) P_greedy + epsilon P_random] n.
    """
    return _solve(_mix(greedy, random, epsilon))


def _mix(greedy: Tensor, random: Tensor, epsilon: float) -> Tensor:
    return (1 - epsilon) * greedy + epsilon * random


def _solve(matrix: Tensor, right: Tensor | None = None) -> Tensor:
    right = torch.ones(len(matrix), dtype=matrix.dtype) if right is None else right
    return torch.linalg.solve(
        torch.eye(len(matrix), dtype=matrix.dtype) - matrix, right
    )


def _steps_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Corridors, where greedy walks on to a goal behind the last cell and random goes either way; and matrices without any sense."""
    cases = []
    for length, epsilon in ((2, 0.5), (1, 0.3), (5, 0.0), (5, 1.0), (13, 0.764)):
        greedy = torch.diag(torch.ones(length - 1, dtype=torch.float64), 1)
        random = 0.5 * (greedy + greedy.T)
        random[0, 0] = 0.5  # the wall
        cases.append({"greedy": greedy, "random": random, "epsilon": epsilon})
    for states, epsilon in ((3, 0.1), (8, 0.6)):
        rows = torch.from_numpy(
            generator.dirichlet(np.ones(states + 1), size=(2, states))
        )[..., :states]
        cases.append(
            {"greedy": rows[0].clone(), "random": rows[1].clone(), "epsilon": epsilon}
        )
    return cases


STEPS = Exercise(
    "2.5",
    steps_under_epsilon,
    _steps_inputs,
    (
        Mistake(
            lambda greedy, random, epsilon: (
                (1 - epsilon) * _solve(greedy) + epsilon * _solve(random)
            ),
            "You mix two durations: a coin tossed once an episode. ε-greedy tosses it at every step: mix the matrices, then solve.",
        ),
        Mistake(
            lambda greedy, random, epsilon: _solve(greedy) / (1 - epsilon),
            "You divide by 1 − ε, as if random steps led nowhere. They lead somewhere, often back: mix the matrices and solve.",
        ),
        Mistake(
            lambda greedy, random, epsilon: _solve(_mix(random, greedy, epsilon)),
            "ε and 1 − ε are swapped: ε is the share of random steps.",
        ),
        Mistake(
            lambda greedy, random, epsilon: _solve(_mix(greedy, random, epsilon).T),
            "You solved with the transposed matrix: that counts visits to each state, over all starts. Rows say where a step leads.",
        ),
        Mistake(
            lambda greedy, random, epsilon: _solve(
                matrix := _mix(greedy, random, epsilon), 1 - matrix.sum(-1)
            ),
            "With the probability of ending on the right you solve for the chance of ever arriving. Every step counts 1.",
        ),
    ),
    summary="corridors of 1 to 13 cells, ε from 0 to 1",
    show=lambda given: f"{len(given['greedy'])} states, ε = {given['epsilon']:g}",
)

EXERCISES = [UPDATE, EPSILON_GREEDY, REPAIR, PLATEAU, STEPS]
