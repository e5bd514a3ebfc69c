"""Exercises of chapter 06: soft value and policy, a Newton step, a target, a question."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, flags, numbers, policy, whole


def soft_value(q, log_prior, beta):
    """The soft value, for any size of its exponents."""
    return torch.logsumexp(log_prior + beta * q, -1) / beta


def _value_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """By hand, then every end of the ranges: of beta, of q's sign, and of the prior."""
    prior, rare = np.log([0.5, 0.25, 0.25]), [-800.0, -0.5, -1.0]
    top = 10_000.0
    rows = [
        ([1.0, 0.9, -1.0], prior, 5.0),
        ([1.0, 1.0, 1.0], prior, 2.0),
        ([0.0, 0.0, 0.0], np.log([0.2, 0.2, 0.6]), top),
        ([-2.0, -1.0, -3.0], prior, top),  # every exponent far below 0
        ([-top, -top, -top], prior, top),
        ([top, -top, 0.0], prior, top),
        ([top, -top, 0.0], prior, 0.001),
        ([-top, 5.0 - top, -top], prior, 0.001),
        ([1.0, 0.0, 0.5], rare, 2.0),  # the best action is as good as never chosen
        ([1.0, 0.0, -1.0], rare, top),
        ([1.0, 0.0, -1.0], [-800.0, -1e-12, -750.0], 775.0),
        ([0.0, 80.0, 40.0], prior, 10.0),
    ]
    for shape, beta, scale in (
        ((4,), 1.0, 1.0), ((3, 5), 0.001, 1.0), ((3, 5), top, 1.0),
        ((2, 3, 4), 20.0, 3.0), ((4, 4), 0.5, 3000.0),
    ):  # fmt: skip
        table = numbers(generator, *shape, scale=scale)
        rows.append((table, policy(generator, *shape).log(), beta))
    return cases("q log_prior beta", *rows)


def soft_policy(q, log_prior, alpha, beta):
    """The log of the soft policy."""
    return torch.log_softmax(alpha * log_prior + beta * q, -1)


def _policy_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One state and many, alpha from 0 to 1, beta from 0.1 to 1000, rare actions."""
    prior, rare = np.log([0.5, 0.25, 0.25]), [-800.0, -0.5, -1.0]
    rows = [
        ([1.0, 0.5, -1.0], prior, 0.5, 2.0),
        ([1.0, 1.0, 1.0], prior, 0.8, 5.0),
        ([3.0, -4.0, -3.0], prior, 0.5, 1000.0),
        ([1.0, 0.5, -1.0], rare, 0.7, 2.0),
        ([1.0, 0.5, -1.0], rare, 0.0, 1000.0),
        ([-2.0, -1.0, -3.0], rare, 1.0, 1000.0),
    ]
    for shape, alpha, beta in (
        ((4,), 1.0, 1.0), ((3, 5), 0.5, 0.1), ((4, 4), 0.8, 3.0),
        ((2, 3, 4), 0.0, 2.0), ((5,), 0.3, 1000.0), ((3, 3, 3), 0.6, 1.5),
    ):  # fmt: skip
        table = numbers(generator, *shape)
        rows.append((table, policy(generator, *shape).log(), alpha, beta))
    return cases("q log_prior alpha beta", *rows)


def newton_step(values, reward, transition, log_prior, beta, discount):
    """The value of the soft policy of Q(V), its price included."""
    log_policy = log_prior + beta * (reward + discount * transition @ values)
    log_policy = log_policy.log_softmax(-1)
    pay = (log_policy.exp() * (reward - (log_policy - log_prior) / beta)).sum(-1)
    chain = torch.einsum("sa,sat->st", log_policy.exp(), transition)
    return torch.linalg.solve(torch.eye(len(values)) - discount * chain, pay)


def _newton_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One state by hand; then random worlds whose steps end one time in ten."""
    prior = np.log([[0.5, 0.5]])
    rows = [
        ([0.0], [[1.0, 0.0]], [[[0.5], [0.0]]], prior, 1.0, 0.5),
        ([2.0], [[0.0, 0.0]], [[[0.5], [0.0]]], prior, 2.0, 0.9),
    ]
    for states, actions, beta, discount in (
        (2, 2, 1.0, 0.9), (3, 3, 2.0, 0.8), (4, 3, 5.0, 0.99), (5, 2, 0.3, 0.5),
        (3, 4, 20.0, 0.95), (2, 3, 3.0, 1.0), (3, 2, 1.5, 0.0),
    ):  # fmt: skip
        worth, pay = numbers(generator, states), numbers(generator, states, actions)
        chain = 0.9 * policy(generator, states, actions, states)
        prior = policy(generator, states, actions).log()
        rows.append((worth, pay, chain, prior, beta, discount))
    return cases("values reward transition log_prior beta discount", *rows)


def soft_target(q, log_prior, beta, discount, reward, state, next_state, terminal):
    """The one-step target of replayed transitions."""
    value = torch.logsumexp(log_prior + beta * q[next_state], -1) / beta
    return reward + discount * (~terminal * value)


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One transition by hand, terminal or not; then batches from several tables."""
    table, prior = [[2.0, 1.0], [0.0, 0.5]], np.log([0.75, 0.25])
    rows = [
        (table, prior, 5.0, 0.9, [-0.1], [0], [1], [ended]) for ended in (False, True)
    ]
    for states, actions, batch, beta, discount, scale in (
        (3, 2, 4, 1.0, 0.9, 1.0), (2, 2, 3, 0.01, 1.0, 1.0), (5, 3, 6, 5.0, 0.5, 1.0),
        (4, 5, 8, 50.0, 0.99, 30.0), (4, 4, 4, 2.0, 0.7, 1.0), (3, 3, 3, 2.0, 0.0, 1.0),
    ):  # fmt: skip
        q = numbers(generator, states, actions, scale=scale)
        log_prior = policy(generator, actions).log()
        if scale > 1:
            q, log_prior = q - 100.0, log_prior.clone()
            log_prior[0] = -800.0  # an action that is as good as never chosen
        reward, state = numbers(generator, batch), whole(generator, states, batch)
        after = (state + 1 + whole(generator, states - 1, batch)) % states
        terminal = flags(generator, 0.4, batch)
        terminal[0], terminal[1] = False, True
        rows.append((q, log_prior, beta, discount, reward, state, after, terminal))
    names = "q log_prior beta discount reward state next_state terminal"
    return cases(names, *rows)


EXERCISES = [
    Exercise(
        "6.1",
        soft_value,
        _value_inputs,
        (
            (
                "torch.logsumexp(log_prior + beta * q, -1)",
                "(log_prior + beta * q).exp().sum(-1).log()",
                "The formula is right, but the exponential overflows (or is 0 for all "
                "actions) before the log brings it back. Take the largest exponent out "
                "first.",
            ),
            (
                "torch.logsumexp(log_prior + beta * q, -1)",
                "((log_prior + beta * (q - q.amax(-1, keepdim=True))).exp().sum(-1)"
                ".log() + beta * q.amax(-1))",
                "You subtract the largest q. Where the prior hardly allows the best "
                "action all exponents are still far below 0: take out the largest of "
                "log π₀ + βq.",
            ),
            (
                "torch.logsumexp(log_prior + beta * q, -1)",
                "((log_prior + beta * q - (log_prior + beta * q).amax(-1, keepdim=True)"
                ".clamp(min=0)).exp().sum(-1).log() + (log_prior + beta * q).amax(-1)"
                ".clamp(min=0))",
                "Where all exponents are far below 0 every exponential is 0, and its log "
                "−∞: take out the largest there too, not only where it is above 0.",
            ),
            (
                "log_prior + ",
                "",
                "You left the prior out: the sum runs over actions as if each had "
                "weight 1, so three tied actions are worth more than one.",
            ),
            (
                " / beta",
                "",
                "You forgot to divide by β: the result is in nats, not in units of "
                "reward.",
            ),
            (
                "log_prior +",
                "log_prior.exp() +",
                "You added the prior's probability where its log belongs: the log of a "
                "product is a sum of logs.",
            ),
            (
                "beta * q",
                "q",
                "β does not only stand in front: it multiplies every q inside the "
                "exponent too.",
            ),
            (
                "torch.logsumexp(log_prior + beta * q, -1) / beta",
                "q.amax(-1)",
                "That is the limit β → ∞, the hard maximum.",
            ),
            (
                "torch.logsumexp(log_prior + beta * q, -1) / beta",
                "(log_prior.exp() * q).sum(-1)",
                "That is the limit β → 0, the mean of the prior.",
            ),
        ),
        summary="β from 0.001 to 10 000, q from −10 000 to 10 000",
        float64=True,
    ),
    Exercise(
        "6.2",
        soft_policy,
        _policy_inputs,
        (
            (
                "log_softmax",
                "softmax",
                "These are probabilities; their logs were asked for.",
            ),
            (
                "torch.log_softmax(alpha * log_prior + beta * q, -1)",
                "torch.softmax(alpha * log_prior + beta * q, -1).log()",
                "Right on paper, but the probability of a bad action is too small for a "
                "float, and the log of 0 is −∞. Stay in logs: subtract a `logsumexp`.",
            ),
            (
                "alpha * log_prior + ",
                "",
                "The prior does not enter: the policy must stay with it where all "
                "actions are worth the same.",
            ),
            (
                "alpha * log_prior",
                "log_prior",
                "You left out α: the prior enters to the power α.",
            ),
            (
                "beta * q",
                "q",
                "You left out β, so the temperature is 1 whatever β says.",
            ),
            (
                "beta * q",
                "q / beta",
                "You divided by β. It is an inverse temperature: large β makes the "
                "policy greedy.",
            ),
            (
                "torch.log_softmax(alpha * log_prior + beta * q, -1)",
                "alpha * log_prior + beta * q",
                "This is not normalised: the probabilities do not sum to one.",
            ),
        ),
        summary="one state and many, α from 0 to 1, β from 0.1 to 1000",
    ),
    Exercise(
        "6.3",
        newton_step,
        _newton_inputs,
        (
            (
                "torch.linalg.solve(torch.eye(len(values)) - discount * chain, pay)",
                "pay + discount * chain @ values",
                "That is one sweep of soft value iteration. Newton goes on: it evaluates "
                "the soft policy exactly, by a linear solve.",
            ),
            (
                " - (log_policy - log_prior) / beta",
                "",
                "You evaluated the policy without the price it pays for leaving the "
                "prior.",
            ),
            (
                "(log_policy - log_prior)",
                "log_policy",
                "You pay for every certainty. The price is for leaving the prior: "
                "log π − log π₀.",
            ),
            (
                "log_prior + beta *",
                "log_prior + 1000000.0 *",
                "Your policy is greedy: that is ordinary policy improvement. The soft "
                "policy is π₀ exp(βQ), normalised.",
            ),
            (
                "discount * chain",
                "chain",
                "The matrix to solve is I − γP; you left the discount out of it.",
            ),
            (
                "(log_policy - log_prior)",
                "2 * (log_policy - log_prior)",
                "You took the price off twice, once with the reward and once with the "
                "value.",
            ),
        ),
        summary="random worlds of 1 to 5 states, β from 0.3 to 20",
    ),
    Choice(
        "6.4",
        answer="c",
        wrong={
            "a": "The cell above computed in float64 and the agent still never arrives: "
            "it is the optimum that wanders.",
            "b": "That prevents the overflow, and exercise 6.1 does it. The optimum it "
            "then finds still wanders.",
            "d": "It learns to wander better. The optimum of its objective does not "
            "arrive.",
        },
        summary="at α = 0.95 the bonus for indecision is a quarter of that at 0.8, and "
        "the critical β falls to 0.36, below 1",
    ),
    Exercise(
        "6.5",
        soft_target,
        _target_inputs,
        (
            (
                "q[next_state]",
                "q[state]",
                "~terminal * ",
                "",
                "This is the colleague's version. It values the state where the action "
                "was taken; the target needs the one it led to.",
            ),
            (
                "~terminal * ",
                "",
                "Right state, but after a terminal step nothing follows: there the "
                "target is the reward alone.",
            ),
            (
                "q[next_state]",
                "q[state]",
                "The terminal steps are right now, but the value is still that of the "
                "state where the action was taken.",
            ),
            (
                "torch.logsumexp(log_prior + beta * q[next_state], -1) / beta",
                "q[next_state].amax(-1)",
                "That is the hard target of chapter 02: the value of the next state is "
                "its soft value (2.45).",
            ),
            (
                "log_prior + ",
                "",
                "The prior is missing from the soft value: without it five tied actions "
                "are worth more than one.",
            ),
            (
                "torch.logsumexp(log_prior + beta * q[next_state], -1)",
                "(log_prior + beta * q[next_state]).exp().sum(-1).log()",
                "Right on paper, but the exponential of a large βq is infinite, and of a "
                "very small one 0: `torch.logsumexp` subtracts the largest first.",
            ),
        ),
        summary="batches with and without terminal steps, β from 0.01 to 50",
    ),
]
