"""Exercises of chapter 02: the update, epsilon-greedy, a planted bug, two plateaus."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, numbers, policy


def update_table(
    q, state, action, reward, next_state, terminal, learning_rate, discount
):
    """A copy of the table in which one entry moved towards its target (2.17)."""
    q = q.clone()
    target = reward if terminal else reward + discount * q[next_state].max()
    q[state, action] += learning_rate * (target - q[state, action])
    return q


def weighted(q, state, action, reward, next_state, terminal, learning_rate, discount):
    """The update as a weighted mean of the old value and the target."""
    new = q.clone()
    target = reward + (1 - terminal) * discount * q[next_state].max()
    new[state, action] = (1 - learning_rate) * q[state, action] + learning_rate * target
    return new


def _update_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    by_hand = [[-0.2, 0.4], [0.9, 0.1]]
    rows = [
        (by_hand, 0, 0, -0.1, 1, False, 0.5, 0.99),  # worked by hand in the chapter
        (by_hand, 0, 1, 1.0, 1, True, 0.5, 0.99),  # into the goal
        ([[-3.0, -1.0], [-4.0, -2.0]], 0, 0, -0.1, 1, False, 0.25, 0.9),
        ([[0.3, -0.6], [0.2, 0.8]], 1, 0, -0.6, 1, False, 0.1, 0.95),  # back to itself
        ([[0.3, -0.6], [0.2, 0.8]], 1, 1, 0.5, 1, False, 1.0, 1.0),
        ([[0.3, -0.6], [0.2, 0.8]], 0, 1, 0.5, 1, True, 0.0, 0.0),
    ]
    for scale in (0, 0, 0, 0, 0, 1, 3, 6):
        state, after = generator.integers(4, size=2).tolist()
        rates = generator.random(2).round(3).tolist()
        table, reward = numbers(generator, 4, 3, scale=10.0**scale), generator.normal()
        action, ends = int(generator.integers(3)), scale == 3
        rows.append((table, state, action, round(reward, 3), after, ends, *rates))
    names = "q state action reward next_state terminal learning_rate discount"
    return cases(names, *rows)


def _show_update(given: dict[str, Any]) -> str:
    q, s, a, r, n, terminal, alpha, gamma = given.values()
    many = f"a table of {q.shape[0]} states and {q.shape[1]} actions"
    table = f"Q = {q.tolist()}" if q.numel() < 5 else many
    step = f"S = {s}, A = {a}, R = {r:.3g}, S' = {n}{', terminal' * terminal}"
    return f"{table}, {step}, α = {alpha:.3g}, γ = {gamma:.3g}"


def epsilon_greedy(q, epsilon):
    """The share epsilon / A of every action; the rest for those of largest value."""
    best = (q == q.amax(-1, keepdim=True)).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * (best / best.sum(-1, keepdim=True))


def _greedy_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    near = [[0.0, -(10.0**-k), -1.0] for k in (1, 2, 3, 4, 5, 6, 8, 10, 12)]
    return cases(
        "q epsilon",
        ([0.0, 0.5, -0.1, 0.2, -0.6], 0.1),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 0.1),  # an untouched table
        ([-0.6, -0.1, -0.1, -0.6, -0.1], 0.25),
        ([3.0, 3.0, -1e9], 0.0),
        ([1.0, 2.0, 3.0], 1.0),
        ([[0.0, 1.0], [5.0, 5.0], [-2.0, -3.0]], 0.3),  # three states at once
        (near, 0.2),  # the best is ahead by little
        ([[1e6, 1e6 + 1.0], [-1e-9, -2e-9]], 0.2),
        (numbers(generator, 6, 4), 0.764),
        (generator.integers(3, size=(2, 5, 4)).astype(float), 0.5),  # [R, K, A], ties
    )


def learn_from_log(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    """Q-learning (2.17) over a log of T transitions (six lists), in their order."""
    q = q.clone()
    for s, a, r, s_next, ended in zip(
        state, action, reward, next_state, terminal, strict=True
    ):
        target = r if ended else r + discount * q[s_next].max()
        q[s, a] += learning_rate * (target - q[s, a])
    return q


def _wrong_loop(next_row: bool):
    """The printed loop (S' from the row below), or one that skips cut transitions."""

    def wrong(
        q, state, action, reward, next_state, terminal, truncated, rate, discount
    ):
        if next_row:
            below = state[1:] + next_state[-1:]
            return learn_from_log(
                q, state, action, reward, below, terminal, truncated, rate, discount
            )
        columns = zip(
            state, action, reward, next_state, terminal, truncated, strict=True
        )
        rows = [row for row in columns if not row[-1]]
        kept = zip(*rows, strict=True) if rows else [()] * 6
        return learn_from_log(q, *kept, rate, discount)

    return wrong


def _log_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    def case(steps, q, *rates):
        return (q, *(tuple(column) for column in zip(*steps, strict=True)), *rates)

    def walk(length):
        steps, s, age = [], int(generator.integers(6)), 0
        for _ in range(length):
            a, n, age = int(generator.integers(2)), int(generator.integers(6)), age + 1
            ended, cut = bool(generator.random() < 0.2), age == 4
            steps.append((s, a, round(float(generator.normal()), 3), n, ended, cut))
            s, age = (int(generator.integers(6)), 0) if ended or cut else (n, age)
        return steps

    table = [[0.0, 0.0], [0.5, 0.2], [4.0, 0.0], [3.0, 0.0]]
    cut, goal = (0, 0, -0.1, 1, False, True), (2, 1, 0.9, 3, True, False)
    rows = [
        case([(0, 0, -0.1, 1, False, False)], table, 0.5, 0.9),
        case([goal], table, 0.5, 0.9),
        case([cut, goal], table, 1.0, 0.99),  # cut at state 1, begun again in state 2
        case([(*goal[:5], True), cut], table, 0.5, 0.9),  # cut as it arrives
        case(
            [(0, 0, -0.1, 1, False, False), (1, 0, 1.0, 3, True, False)],
            table,
            0.5,
            1.0,
        ),
    ]
    for rates in ((1.0, 0.95), (0.3, 0.95), (0.2, 0.0)):
        rows.append(case(walk(40), numbers(generator, 6, 2), *rates))
    names = "q state action reward next_state terminal truncated learning_rate discount"
    return cases(names, *rows)


def _show_log(given: dict[str, Any]) -> str:
    ends = f"{sum(given['terminal'])} terminal and {sum(given['truncated'])} cut"
    rates = f"α = {given['learning_rate']:g}, γ = {given['discount']:g}"
    if len(given["state"]) < 3:
        rows = ("state", "action", "reward", "next_state", "terminal", "truncated")
        log = ", ".join(f"{name} = {given[name]}" for name in rows)
        return f"Q = {given['q'].tolist()}, {log}, {rates}"
    return f"a log of {len(given['state'])} transitions, {ends} by the clock, {rates}"


def steps_under_epsilon(greedy, random, epsilon):
    """Expected steps n = 1 + [(1 - epsilon) P_greedy + epsilon P_random] n."""
    matrix = (1 - epsilon) * greedy + epsilon * random
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    return torch.linalg.solve(identity - matrix, torch.ones_like(matrix[0]))


def _steps_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Corridors with a goal behind the last cell, slow ones too; and any matrices."""
    rows = []
    for length, epsilon in (
        (1, 0.3),
        (2, 0.5),
        (5, 0.0),
        (5, 1.0),
        (13, 0.764),
        (60, 0.99),
    ):
        greedy = torch.diag(torch.ones(length - 1, dtype=torch.float64), 1)
        random = 0.5 * (greedy + greedy.T)
        random[0, 0] = 0.5  # the wall
        rows.append((greedy, random, epsilon))
    for states, epsilon in ((3, 0.1), (8, 0.6)):
        both = policy(generator, 2, states, states + 1)[..., :states]
        rows.append((both[0].clone(), both[1].clone(), epsilon))
    return cases("greedy random epsilon", *rows)


EXERCISES = [
    Exercise(
        "2.1",
        update_table,
        _update_inputs,
        (
            (
                "reward if terminal else ",
                "",
                "You bootstrap through the goal: after a terminal transition there is no "
                "next action, so the target is R alone.",
            ),
            (
                "reward if terminal",
                "0.0 if terminal",
                "At the end of an episode you drop the reward together with the future. "
                "The last step is paid; only γ max Q(S', a) goes.",
            ),
            (
                "q[next_state].max()",
                "q[next_state, action]",
                "You look up the action just taken. Nothing says that it is taken again: "
                "the target has the best action of S', max over a.",
            ),
            (
                "q[next_state].max()",
                "q[state].max()",
                "Your maximum is over the actions of S, where the agent was. The future "
                "begins in S', where it is now.",
            ),
            (
                "max()",
                "mean()",
                "You average over the actions of S'. That is the target for an agent "
                "which acts at random for ever; (2.17) has the maximum.",
            ),
            (
                "+= learning_rate * (target - q[state, action])",
                "= target",
                "You go all the way to the target, as if α were 1. Move a fraction α of "
                "the way: old + α (target − old).",
            ),
            (
                "(target - q[state, action])",
                "target",
                "You add α times the target, not α times the error: − Q(S, A) is missing "
                "in the bracket, so the table grows without end.",
            ),
            (
                "+= learning_rate *",
                "+= (1 - learning_rate) *",
                "α and 1 − α are swapped: α weighs what is new, 1 − α what was known.",
            ),
            (
                "q[state, action] += learning_rate * (target - q[state, action])",
                "q[state] += learning_rate * (target - q[state])",
                "You move the whole row of S. One transition says something about one "
                "action, the one that was taken; the others stay.",
            ),
            (
                "q.clone()",
                "q",
                "You write into the table that you were given. Somebody else may still "
                "need it: change a copy, `q.clone()`.",
            ),
        ),
        forms=(weighted,),
        summary="goals, negative tables, moves that lead back, values up to a million",
        show=_show_update,
    ),
    Exercise(
        "2.2",
        epsilon_greedy,
        _greedy_inputs,
        (
            (
                "(q == q.amax(-1, keepdim=True))",
                "torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1])",
                "Of tied actions you take the first: on an untouched table the agent "
                "would do little but action 0. Share 1 − ε among the best.",
            ),
            (
                "(q == q.amax(-1, keepdim=True))",
                "torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1])",
                "epsilon / q.shape[-1]",
                "epsilon / (q.shape[-1] - 1) * (1 - best)",
                "You leave the best action out of the random draw. It is made from all A "
                "actions, so each gets ε/A; and ties share 1 − ε.",
            ),
            (
                "epsilon / q.shape[-1]",
                "epsilon / q.shape[-1] * (1 - best)",
                "Your row does not sum to one: the best action is also drawn when the "
                "agent explores. Add its ε/A to the 1 − ε.",
            ),
            (
                "(best / best.sum(-1, keepdim=True))",
                "best",
                "Each of the tied actions gets the whole 1 − ε, so the row sums to more "
                "than one. Divide by how many tie.",
            ),
            (
                "epsilon / q.shape[-1] + (1 - epsilon)",
                "(1 - epsilon) / q.shape[-1] + epsilon",
                "ε and 1 − ε are swapped: ε is the share of random actions.",
            ),
            (
                "amax(-1, keepdim=True)",
                "max()",
                "You look for the largest value of the whole table. Every state has its "
                "own best action: maximum over the last axis only.",
            ),
            (
                "epsilon / q.shape[-1]",
                "epsilon * torch.softmax(q, -1)",
                "Your exploration prefers actions that look good (a softmax). In ε-greedy "
                "it is blind: ε/A for every action.",
            ),
        ),
        summary="clear winners, ties, ε = 0 and 1, one state and many",
    ),
    Exercise(
        "2.3",
        learn_from_log,
        _log_inputs,
        (
            (
                _wrong_loop(next_row=True),
                "This does what the printed loop does. After a time-out, which state "
                "stands in the row below?",
            ),
            (
                _wrong_loop(next_row=False),
                "You throw cut transitions away. Nothing wrong is learned, but the step "
                "was real and its S' is known: next_state. Keep it.",
            ),
            (
                "ended in zip(state, action, reward, next_state, terminal,",
                "ended in zip(state, action, reward, next_state, "
                "[e or c for e, c in zip(terminal, truncated)],",
                "You let a time-out end the world. The state at which the clock stops "
                "keeps its worth, and it is in the log: next_state.",
            ),
            (
                "r if ended else ",
                "",
                "S' comes from its own row now, but the terminal test is gone: a goal has "
                "no future.",
            ),
            (
                "a, r, s_next, ended in zip(state, action, reward, next_state,",
                "a, r, s_next, a_next, ended in zip(state, action, reward, next_state, "
                "[*action[1:], 0],",
                "q[s_next].max()",
                "q[s_next, a_next]",
                "You take the action that the log shows next. That values the agent that "
                "wrote the log; (2.17) wants the best action of S'.",
            ),
        ),
        summary="goals, time-outs, and episodes that begin anywhere",
        show=_show_log,
    ),
    Choice(
        "2.4",
        "C",
        {
            "A": "an agent that holds the exact Q* and explores with ε = 0.5 takes 27.0 "
            "steps: B's curve is what perfect knowledge looks like.",
            "B": "the band says how far the middle would move with other seeds; it can be "
            "narrow around a number that measures exploration.",
            "D": "α decides how soon a curve arrives, not where it ends: 27.0 was "
            "computed from Q*, without any α.",
        },
        summary="both numbers are what Q* itself gives at these two ε, so they say "
        "nothing of what was learned; test both with ε = 0",
    ),
    Exercise(
        "2.5",
        steps_under_epsilon,
        _steps_inputs,
        (
            (
                "torch.linalg.solve(identity - matrix, torch.ones_like(matrix[0]))",
                "(1 - epsilon) * torch.linalg.solve(identity - greedy, "
                "torch.ones_like(matrix[0])) + epsilon * torch.linalg.solve("
                "identity - random, torch.ones_like(matrix[0]))",
                "You mix two durations: a coin tossed once an episode. ε-greedy tosses it "
                "at every step: mix the matrices, then solve.",
            ),
            (
                "identity - matrix, torch.ones_like(matrix[0]))",
                "identity - greedy, torch.ones_like(matrix[0])) / (1 - epsilon)",
                "You divide by 1 − ε, as if random steps led nowhere. They lead "
                "somewhere, often back: mix the matrices and solve.",
            ),
            (
                "(1 - epsilon) * greedy + epsilon * random",
                "(1 - epsilon) * random + epsilon * greedy",
                "ε and 1 − ε are swapped: ε is the share of random steps.",
            ),
            (
                "identity - matrix",
                "identity - matrix.T",
                "You solved with the transposed matrix: that counts visits to each state, "
                "over all starts. Rows say where a step leads.",
            ),
            (
                "torch.ones_like(matrix[0])",
                "1 - matrix.sum(-1)",
                "With the probability of ending on the right you solve for the chance of "
                "ever arriving. Every step counts 1.",
            ),
        ),
        summary="corridors of 1 to 60 cells, ε from 0 to 1",
        show=lambda given: f"{len(given['greedy'])} states, ε = {given['epsilon']:g}",
    ),
]
