"""Exercises of chapter 10: the regularised TD error, both terms of (2.74), a figure."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, flags, numbers, policy, whole


def advantage(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    """The regularised TD error."""
    regularised = reward + alpha / beta * log_pi0 - log_pi / beta
    return regularised + gamma * next_value * ~terminal - value


def _advantage_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The step worked by hand, a goal; then rows of steps with goals on the way."""
    rows = [
        ([-0.1], np.log([0.5]), np.log([0.9]), [0.4], [0.7], [False], 0.8, 5.0, 0.95),
        ([0.9], np.log([0.25]), np.log([0.5]), [0.7], [5.0], [True], 0.8, 5.0, 0.95),
    ]
    for steps, *settings in (
        (4, 1.0, 1.0, 0.5),
        (6, 0.0, 3.0, 0.9),
        (5, 0.3, 0.2, 1.0),
        (7, 0.6, 50.0, 0.0),
    ):
        logs = (policy(generator, steps, 3)[:, 0].log() for _ in range(2))
        values = (numbers(generator, steps) for _ in range(2))
        ended = flags(generator, 0.4, steps)
        rows.append((numbers(generator, steps), *logs, *values, ended, *settings))
    names = "reward log_pi0 log_pi value next_value terminal alpha beta gamma"
    return cases(names, *rows)


def pull(log_pi, log_pi0, visits, alpha, beta):
    """The second term of (2.74), by h."""
    return alpha / beta * (visits[..., None] * (log_pi.exp() - log_pi0.exp())).sum(0)


def _pull_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One task in one state; then several, with states that some tasks never see."""
    rows = [(np.log([[[0.9, 0.1]]]), np.log([[0.5, 0.5]]), [[2.0]], 0.8, 5.0)]
    for (tasks, states, actions), *settings in (
        ((2, 3, 4), 1.0, 1.0),
        ((5, 4, 5), 0.5, 20.0),
        ((3, 2, 3), 0.3, 0.5),
        ((3, 3, 3), 0.7, 2.0),
    ):
        visits = 3 * torch.from_numpy(generator.random((tasks, states)))
        visits[0, 0] = 0.0
        logs = (
            policy(generator, tasks, states, actions),
            policy(generator, states, actions),
        )
        rows.append((*(log.log() for log in logs), visits, *settings))
    return cases("log_pi log_pi0 visits alpha beta", *rows)


def first(h, f, state, action, advantage, alpha, beta):
    """The first term of (2.74), by h."""
    total = torch.zeros_like(h)
    own = (alpha * h + beta * f).softmax(-1)
    for s, a, signal in zip(state.tolist(), action.tolist(), advantage, strict=True):
        total[s] -= signal * own[s]
        total[s, a] += signal
    return alpha * total


def _first_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One step in one state; then episodes that come back to a state."""
    rows = [([[0.0, 1.0]], [[0.4, 0.0]], [0], [0], [2.0], 0.8, 5.0)]
    for (states, actions, steps), *settings in (
        ((3, 4, 6), 0.5, 2.0),
        ((2, 5, 8), 0.9, 0.3),
        ((4, 3, 5), 0.2, 1.0),
        ((3, 3, 7), 1.0, 4.0),
    ):
        tables = (numbers(generator, states, actions) for _ in "hf")
        taken = whole(generator, states, steps), whole(generator, actions, steps)
        rows.append((*tables, *taken, numbers(generator, steps), *settings))
    return cases("h f state action advantage alpha beta", *rows)


def _each_state_once(h, f, state, action, advantage, alpha, beta):
    total, own = torch.zeros_like(h), (alpha * h + beta * f).softmax(-1)
    total[state] -= advantage[:, None] * own[state]
    total[state, action] += advantage
    return alpha * total


EXERCISES = [
    Exercise(
        "10.1",
        advantage,
        _advantage_inputs,
        (
            (
                "gamma * next_value",
                "next_value",
                "This is line 22 as printed: γ before V(S′) is missing. Then V would have "
                "to be the sum of all that comes, undiscounted.",
            ),
            (
                " * ~terminal",
                "",
                "You count the value of the state behind a terminal step. The episode is "
                "over there: V(S′) = 0, use ~terminal.",
            ),
            (
                "~terminal",
                "terminal",
                "You have it the wrong way round: a future is left where the episode "
                "ended, and none where it goes on. Multiply by ~terminal.",
            ),
            (
                "regularised + gamma * next_value * ~terminal",
                "gamma * (regularised + next_value * ~terminal)",
                "γ multiplies the reward of this step as well. It belongs to what comes "
                "later, V(S′), alone.",
            ),
            (
                " - value",
                "",
                "That is Q̂ of line 22. The advantage is what Q̂ is more than V(S): subtract "
                "`value`.",
            ),
            (
                "reward + alpha / beta * log_pi0 - log_pi / beta",
                "reward - alpha / beta * log_pi0 + log_pi / beta",
                "Both log-ratios have the wrong sign: an action that π₀ likes less must "
                "cost, so + (α/β) log π₀, and a surprise of πᵢ pays, so − (1/β) log πᵢ.",
            ),
            (
                "- log_pi / beta",
                "+ log_pi / beta",
                "− (1/β) log πᵢ has become a plus: the agent would be paid for being "
                "certain.",
            ),
            (
                "- log_pi / beta",
                "- alpha * log_pi / beta",
                "You weigh both logs by α: that is −(α/β) times a log-ratio, without the "
                "part (1 − α)/β that pays for indecision.",
            ),
            (
                "alpha / beta * log_pi0",
                "log_pi0 / beta",
                "α is missing before log π₀: its price is α/β a nat, not 1/β.",
            ),
            (
                "alpha / beta * log_pi0 - log_pi / beta",
                "alpha * beta * log_pi0 - log_pi * beta",
                "You multiply the logs by β. They are in nats; dividing by β, which is in "
                "1 / reward, turns them into reward.",
            ),
            (
                " + alpha / beta * log_pi0 - log_pi / beta",
                "",
                "This is the ordinary TD error of chapter 05. The step has to pay for its "
                "action too.",
            ),
            (
                "gamma * next_value * ~terminal - value",
                "(gamma * next_value - value) * ~terminal",
                "You drop V(S) as well where the episode ends. Only what follows is over; "
                "the state that the step began in had its value.",
            ),
        ),
        summary="goals and other steps, α from 0 to 1, β from 0.2 to 50",
    ),
    Exercise(
        "10.2",
        pull,
        _pull_inputs,
        (
            (
                "log_pi.exp() - log_pi0.exp()",
                "log_pi0.exp() - log_pi.exp()",
                "The sign is turned round: π₀ would flee from the tasks. It is πᵢ − π₀, so "
                "that an action they take more often gains.",
            ),
            (
                "alpha / beta * ",
                "",
                "α/β is missing: without it the two terms of (2.74) do not add up to the "
                "gradient of one objective.",
            ),
            (
                "alpha / beta",
                "1 / beta",
                "You have 1/β where α/β belongs: only the share α of the price is for "
                "leaving π₀.",
            ),
            (
                "log_pi.exp() - log_pi0.exp()",
                "log_pi - log_pi0",
                "You took differences of logs. The gradient of log π₀ by its preferences "
                "is one-hot minus π₀, and its mean over actions of πᵢ is πᵢ − π₀: "
                "probabilities.",
            ),
            (
                "visits[..., None] * ",
                "",
                "The visits are missing: a task pulls only where it is, and the harder the "
                "longer it is there.",
            ),
            (
                "visits[..., None]",
                "(visits / visits.sum(-1, keepdim=True))[..., None]",
                "You made each task's visits sum to one. (2.74) sums over steps, so a task "
                "that runs longer pulls harder.",
            ),
            (
                "sum(0)",
                "mean(0)",
                "You averaged over tasks; (2.74) sums.",
            ),
            (
                "(log_pi.exp() - log_pi0.exp())",
                "log_pi.exp() * (log_pi - log_pi0)",
                "That is the price KL(πᵢ‖π₀), action by action. Asked for is how it "
                "changes with h: πᵢ − π₀.",
            ),
        ),
        summary="1 to 5 tasks, states that a task never sees",
    ),
    Exercise(
        "10.3",
        first,
        _first_inputs,
        (
            (
                "alpha * h + beta * f",
                "h",
                "return alpha * total",
                "return total",
                "This is the colleague's version: the score of π₀. But πᵢ took the actions "
                "and log πᵢ is differentiated; under πᵢ the score of π₀ does not average "
                "to zero, so even a useless signal pushes h.",
            ),
            (
                "return alpha * total",
                "return total",
                "The policy is right now, the chain rule is not: h enters the logits of πᵢ "
                "as α h, so a factor α is missing.",
            ),
            (
                "alpha * h + beta * f",
                "h",
                "The factor α is there, the score is still that of π₀: subtract the "
                "probabilities of πᵢ = softmax(α h + β f).",
            ),
            (
                "return alpha * total",
                "return beta * total",
                "The factor β belongs to the gradient by f. By h it is α.",
            ),
            (
                "alpha * h + beta * f",
                "h + f",
                "The logits of πᵢ are α h + β f, not h + f.",
            ),
            (
                "alpha * h + beta * f",
                "beta * f",
                "That is one column with β′ = β: with it log πᵢ would not depend on h at "
                "all.",
            ),
            (
                _each_state_once,
                "`total[state] -= …` with a row of states keeps only the last step in a "
                "state that is visited twice. Loop, or use index_put_ with "
                "accumulate=True.",
            ),
            (
                "total[s] -= signal * own[s]",
                "total[s] -= 0",
                "The second half of the score is missing: −A πᵢ(·|s) for all actions of "
                "the state. What one gains the others must lose.",
            ),
            (
                "return alpha * total",
                "return -alpha * total",
                "This goes down: it is the gradient of a loss. Asked for is the gradient "
                "of the sum itself.",
            ),
            (
                "return alpha * total",
                "return alpha * total / len(state)",
                "You took the mean over steps; line 26 sums.",
            ),
        ),
        summary="episodes that come back to a state",
    ),
    Choice(
        "10.4",
        answer="c",
        wrong={
            "a": "There is no variance: the gradient is exact. Ten episodes an update, a third of the noise, did not help the sampled "
            "agent either.",
            "b": "Two hundred updates at the same rate are enough at γ = 0.99, two lines below.",
            "d": "The step limit does not enter the exact gradient, and the sampled agents have the same one.",
        },
        summary="at γ = 0.95 a beginner's first step into the corridor is a mistake, and the squares behind it, where that could change, "
        "weigh hundreds of times less than the first room",
    ),
]
