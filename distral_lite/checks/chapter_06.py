"""Exercises of chapter 06: soft value, soft policy, a Newton step, the phase transition, and a target at the wrong state."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite.checks.exercise import Choice, Exercise, Mistake


def _numbers(generator: np.random.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    return torch.from_numpy(scale * generator.normal(size=shape))


def _log_prior(generator: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(
        generator.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    ).log()


def _value_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One small case by hand, then batches, beta from 0.001 to 10 000 and q up to 10 000."""
    by_hand = {
        "q": torch.tensor([1.0, 0.9, -1.0]).double(),
        "log_prior": torch.tensor([0.5, 0.25, 0.25]).double().log(),
        "beta": 5.0,
    }
    settings = [
        ((4,), 1.0, 1.0),
        ((3, 5), 0.001, 1.0),
        ((3, 5), 10_000.0, 1.0),
        ((2, 3, 4), 20.0, 3.0),
        ((5,), 0.5, 10_000.0),
    ]
    drawn = [
        {
            "q": _numbers(generator, *shape, scale=scale),
            "log_prior": _log_prior(generator, *shape),
            "beta": beta,
        }
        for shape, beta, scale in settings
    ]
    return [by_hand, *drawn]


def _value(q: Tensor, log_prior: Tensor, beta: float) -> Tensor:
    return torch.logsumexp(log_prior + beta * q, -1) / beta


def _policy_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Policies of one state and of many, alpha from 0 to 1, beta from 0.1 to 1000."""
    settings = [
        ((3,), 0.8, 5.0),
        ((4,), 1.0, 1.0),
        ((3, 5), 0.5, 0.1),
        ((2, 3, 4), 0.0, 2.0),
        ((5,), 0.3, 1000.0),
    ]
    return [
        {
            "q": _numbers(generator, *shape),
            "log_prior": _log_prior(generator, *shape),
            "alpha": alpha,
            "beta": beta,
        }
        for shape, alpha, beta in settings
    ]


def _policy(q: Tensor, log_prior: Tensor, alpha: float, beta: float) -> Tensor:
    return torch.log_softmax(alpha * log_prior + beta * q, -1)


def _newton_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Small random worlds whose steps end the episode one time in ten."""
    return [
        {
            "values": _numbers(generator, states),
            "reward": _numbers(generator, states, actions),
            "transition": torch.from_numpy(
                0.9 * generator.dirichlet(np.ones(states), size=(states, actions))
            ),
            "log_prior": _log_prior(generator, states, actions),
            "beta": beta,
            "discount": discount,
        }
        for states, actions, beta, discount in (
            (2, 2, 1.0, 0.9),
            (4, 3, 5.0, 0.99),
            (5, 2, 0.3, 0.5),
            (3, 4, 20.0, 0.95),
        )
    ]


def _newton(
    values,
    reward,
    transition,
    log_prior,
    beta,
    discount,
    temperature=None,
    priced=True,
    chain=None,
    soft_backup=False,
):
    q = reward + discount * transition @ values
    if soft_backup:
        return torch.logsumexp(log_prior + beta * q, -1) / beta
    log_policy = torch.log_softmax(
        log_prior + (beta if temperature is None else temperature) * q, -1
    )
    policy = log_policy.exp()
    pay = (
        policy
        * (reward - (log_policy - log_prior) / beta if priced else policy * 0 + reward)
    ).sum(-1)
    matrix = torch.einsum("sa,sat->st", policy, transition)
    return torch.linalg.solve(
        torch.eye(len(values), dtype=values.dtype)
        - (discount if chain is None else chain) * matrix,
        pay,
    )


def _priced_twice(values, reward, transition, log_prior, beta, discount):
    return _newton(
        values, reward, transition, log_prior, beta / 2, discount, temperature=beta
    )


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Batches of transitions of small tables, some of them terminal."""
    inputs = []
    for states, actions, batch, beta in (
        (2, 2, 3, 1.0),
        (5, 3, 6, 5.0),
        (4, 5, 8, 50.0),
    ):
        terminal = torch.from_numpy(generator.random(batch) < 0.4)
        terminal[0], terminal[1] = False, True
        state, following = generator.integers(states, size=(2, batch))
        inputs.append(
            {
                "q": _numbers(generator, states, actions),
                "log_prior": _log_prior(generator, actions),
                "beta": beta,
                "discount": 0.9,
                "reward": _numbers(generator, batch),
                "state": torch.from_numpy(state),
                "next_state": torch.from_numpy(
                    np.where(state == following, (following + 1) % states, following)
                ),
                "terminal": terminal,
            }
        )
    return inputs


def _target(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return (
        reward
        + discount
        * (~terminal).to(q.dtype)
        * torch.logsumexp(log_prior + beta * q[next_state], -1)
        / beta
    )


EXERCISES = [
    Exercise(
        "6.1",
        reference=_value,
        inputs=_value_inputs,
        mistakes=(
            Mistake(
                lambda q, log_prior, beta: (
                    (log_prior + beta * q).exp().sum(-1).log() / beta
                ),
                "The formula is right, but the exponential overflows before the log brings it back. Take the largest exponent out first.",
            ),
            Mistake(
                lambda q, log_prior, beta: torch.logsumexp(beta * q, -1) / beta,
                "You left the prior out: the sum runs over actions as if each had weight 1, so three tied actions are worth more than one.",
            ),
            Mistake(
                lambda q, log_prior, beta: torch.logsumexp(log_prior + beta * q, -1),
                "You forgot to divide by β: the result is in nats, not in units of reward.",
            ),
            Mistake(
                lambda q, log_prior, beta: (
                    torch.logsumexp(log_prior.exp() + beta * q, -1) / beta
                ),
                "You added the prior's probability where its log belongs: the log of a product is a sum of logs.",
            ),
            Mistake(
                lambda q, log_prior, beta: torch.logsumexp(log_prior + q, -1) / beta,
                "β does not only stand in front: it multiplies every q inside the exponent too.",
            ),
            Mistake(
                lambda q, log_prior, beta: q.max(-1).values,
                "That is the limit β → ∞, the hard maximum.",
            ),
            Mistake(
                lambda q, log_prior, beta: (log_prior.exp() * q).sum(-1),
                "That is the limit β → 0, the mean of the prior.",
            ),
        ),
        summary="β from 0.001 to 10 000, q up to 10 000",
    ),
    Exercise(
        "6.2",
        reference=_policy,
        inputs=_policy_inputs,
        mistakes=(
            Mistake(
                lambda q, log_prior, alpha, beta: torch.softmax(
                    alpha * log_prior + beta * q, -1
                ),
                "These are probabilities; their logs were asked for.",
            ),
            Mistake(
                lambda q, log_prior, alpha, beta: torch.log_softmax(beta * q, -1),
                "The prior does not enter: the policy must stay with it where all actions are worth the same.",
            ),
            Mistake(
                lambda q, log_prior, alpha, beta: torch.log_softmax(
                    log_prior + beta * q, -1
                ),
                "You left out α: the prior enters to the power α.",
            ),
            Mistake(
                lambda q, log_prior, alpha, beta: torch.log_softmax(
                    alpha * log_prior + q, -1
                ),
                "You left out β, so the temperature is 1 whatever β says.",
            ),
            Mistake(
                lambda q, log_prior, alpha, beta: torch.log_softmax(
                    alpha * log_prior + q / beta, -1
                ),
                "You divided by β. It is an inverse temperature: large β makes the policy greedy.",
            ),
            Mistake(
                lambda q, log_prior, alpha, beta: alpha * log_prior + beta * q,
                "This is not normalised: the probabilities do not sum to one.",
            ),
        ),
        summary="one state and many, α from 0 to 1, β from 0.1 to 1000",
    ),
    Exercise(
        "6.3",
        reference=_newton,
        inputs=_newton_inputs,
        mistakes=(
            Mistake(
                lambda *arguments: _newton(*arguments, soft_backup=True),
                "That is one sweep of soft value iteration. Newton goes on: it evaluates the soft policy exactly, by a linear solve.",
            ),
            Mistake(
                lambda *arguments: _newton(*arguments, priced=False),
                "You evaluated the policy without the price it pays for leaving the prior.",
            ),
            Mistake(
                lambda *arguments: _newton(*arguments, temperature=1e6),
                "Your policy is greedy: that is ordinary policy improvement. The soft policy is π₀ exp(βQ), normalised.",
            ),
            Mistake(
                lambda *arguments: _newton(*arguments, chain=1.0),
                "The matrix to solve is I − γP; you left the discount out of it.",
            ),
            Mistake(
                _priced_twice,
                "You took the price off twice, once with the reward and once with the value.",
            ),
        ),
        summary="random worlds of 2 to 5 states, β from 0.3 to 20",
        tolerance=1e-8,
    ),
    Choice(
        "6.4",
        answer="c",
        wrong={
            "a": "The cell above computed in float64 and the agent still never arrives: it is the optimum that wanders.",
            "b": "That prevents the overflow, and exercise 6.1 does it. The optimum it then finds still wanders.",
            "d": "It learns to wander better. The optimum of its objective does not arrive.",
        },
        summary="at α = 0.95 the bonus for indecision is a quarter of that at 0.8, and the critical β falls to 0.36, below 1",
    ),
    Exercise(
        "6.5",
        reference=_target,
        inputs=_target_inputs,
        mistakes=(
            Mistake(
                lambda q, log_prior, beta, discount, reward, state, next_state, terminal: (
                    reward
                    + discount * torch.logsumexp(log_prior + beta * q[state], -1) / beta
                ),
                "This is the colleague's version. It values the state where the action was taken; the target needs the one it led to.",
            ),
            Mistake(
                lambda q, log_prior, beta, discount, reward, state, next_state, terminal: (
                    reward
                    + discount
                    * torch.logsumexp(log_prior + beta * q[next_state], -1)
                    / beta
                ),
                "Right state, but after a terminal step nothing follows: there the target is the reward alone.",
            ),
            Mistake(
                lambda q, log_prior, beta, discount, reward, state, next_state, terminal: (
                    reward
                    + discount
                    * (~terminal).to(q.dtype)
                    * torch.logsumexp(log_prior + beta * q[state], -1)
                    / beta
                ),
                "The terminal steps are right now, but the value is still that of the state where the action was taken.",
            ),
            Mistake(
                lambda q, log_prior, beta, discount, reward, state, next_state, terminal: (
                    reward
                    + discount * (~terminal).to(q.dtype) * q[next_state].max(-1).values
                ),
                "That is the hard target of chapter 02: the value of the next state is its soft value (2.45).",
            ),
            Mistake(
                lambda q, log_prior, beta, discount, reward, state, next_state, terminal: (
                    reward
                    + discount
                    * (~terminal).to(q.dtype)
                    * torch.logsumexp(beta * q[next_state], -1)
                    / beta
                ),
                "The prior is missing from the soft value: without it five tied actions are worth more than one.",
            ),
        ),
        summary="batches with and without terminal steps",
    ),
]
