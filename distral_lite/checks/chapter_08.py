"""Exercises of chapter 08: the two-column policy, the centroid, a limit, and a price that came out negative."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise, Mistake


def _probabilities(generator: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(generator.dirichlet(np.ones(shape[-1]), size=shape[:-1]))


def _columns_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """A small case by hand, then batches, with alpha from 0 to 1 and beta from 0.1 to 1000."""
    by_hand = {
        "pi0": torch.tensor([0.2, 0.6, 0.2]).double(),
        "f": torch.tensor([1.0, 0.9, -1.0]).double(),
        "alpha": 0.8,
        "beta": 5.0,
    }
    settings = [
        ((4,), 0.5, 1.0),
        ((3, 5), 0.0, 2.0),
        ((3, 5), 1.0, 0.1),
        ((2, 3, 4), 0.3, 10.0),
        ((5,), 0.9, 1000.0),
    ]
    return [by_hand] + [
        {
            "pi0": _probabilities(generator, *shape),
            "f": torch.from_numpy(generator.normal(size=shape)),
            "alpha": alpha,
            "beta": beta,
        }
        for shape, alpha, beta in settings
    ]


def _columns(
    pi0: torch.Tensor, f: torch.Tensor, alpha: float, beta: float
) -> torch.Tensor:
    return torch.log_softmax(alpha * pi0.log() + beta * f, -1)


def _centroid_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Two tasks in one state; then more tasks and states; then one with a state that nobody visits."""
    by_hand = {
        "policies": torch.tensor([[[0.8, 0.2]], [[0.4, 0.6]]]).double(),
        "visits": torch.tensor([[3.0], [1.0]]).double(),
    }
    random = [
        {
            "policies": _probabilities(generator, k, s, a),
            "visits": torch.from_numpy(generator.random((k, s))),
        }
        for k, s, a in ((2, 3, 4), (5, 4, 2), (1, 3, 3))
    ]
    lonely = {
        "policies": _probabilities(generator, 2, 2, 4),
        "visits": torch.tensor([[2.0, 0.0], [1.0, 0.0]]).double(),
    }
    return [by_hand, *random, lonely]


def _centroid(policies: torch.Tensor, visits: torch.Tensor) -> torch.Tensor:
    mixture = (visits.unsqueeze(-1) * policies).sum(0)
    total = mixture.sum(-1, keepdim=True)
    return torch.where(
        total > 0,
        mixture / total.clamp_min(1e-300),
        torch.full_like(mixture, 1 / mixture.shape[-1]),
    )


def _geometric(policies: torch.Tensor, visits: torch.Tensor) -> torch.Tensor:
    logs = (visits.unsqueeze(-1) * policies.log()).sum(0) / visits.sum(0).clamp_min(
        1e-300
    ).unsqueeze(-1)
    return torch.softmax(logs, -1)


def _same_say(policies: torch.Tensor, visits: torch.Tensor) -> torch.Tensor:
    return _centroid(policies, visits / visits.sum(-1, keepdim=True))


def _not_normalised(policies: torch.Tensor, visits: torch.Tensor) -> torch.Tensor:
    return (visits.unsqueeze(-1) * policies).sum(0)


def _nan_where_nobody_is(policies: torch.Tensor, visits: torch.Tensor) -> torch.Tensor:
    mixture = (visits.unsqueeze(-1) * policies).sum(0)
    return mixture / mixture.sum(-1, keepdim=True)


def _price_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """K tasks, S states: the task policies and the distilled one."""
    return [
        {
            "log_pi": _probabilities(generator, k, s, a).log(),
            "log_pi0": _probabilities(generator, s, a).log(),
            "alpha": alpha,
            "beta": beta,
        }
        for (k, s, a), alpha, beta in (
            ((1, 1, 2), 1.0, 1.0),
            ((2, 3, 4), 0.8, 5.0),
            ((5, 4, 5), 0.5, 20.0),
            ((2, 2, 3), 0.3, 0.5),
        )
    ]


def _price(
    log_pi: torch.Tensor, log_pi0: torch.Tensor, alpha: float, beta: float
) -> torch.Tensor:
    return alpha / beta * (log_pi.exp() * (log_pi - log_pi0)).sum(-1)


EXERCISES = [
    Exercise(
        "8.1",
        reference=_columns,
        inputs=_columns_inputs,
        mistakes=(
            Mistake(
                lambda pi0, f, alpha, beta: torch.log_softmax(
                    alpha * pi0 + beta * f, -1
                ),
                "You added probabilities to action values. What is raised to the power α is π₀ itself, so its log belongs in the sum.",
            ),
            Mistake(
                lambda pi0, f, alpha, beta: torch.log_softmax(pi0.log() + beta * f, -1),
                "You left out α: the prior enters to the power α, so α log π₀ is added.",
            ),
            Mistake(
                lambda pi0, f, alpha, beta: torch.log_softmax(
                    alpha * pi0.log() + f, -1
                ),
                "You left out β: this is the temperature of (2.63), 1 whatever β says.",
            ),
            Mistake(
                lambda pi0, f, alpha, beta: alpha * pi0.log() + beta * f,
                "This is not normalised: the probabilities do not sum to one. `torch.log_softmax(..., -1)` does it.",
            ),
            Mistake(
                lambda pi0, f, alpha, beta: torch.softmax(
                    alpha * pi0.log() + beta * f, -1
                ),
                "These are the probabilities; log-probabilities were asked for, because at β = 1000 most probabilities are 0 and "
                "their logs are not.",
            ),
            Mistake(
                lambda pi0, f, alpha, beta: torch.log_softmax(beta * f, -1),
                "The distilled policy does not enter: this is one column with β′ = β.",
            ),
            Mistake(
                lambda pi0, f, alpha, beta: torch.log_softmax(
                    beta * (alpha * pi0.log() + f), -1
                ),
                "You multiplied the prior by β too. Divide (2.62) by 1/β and see: β belongs to the action values only.",
            ),
        ),
        summary="one state and many, α from 0 to 1, β from 0.1 to 1000",
    ),
    Exercise(
        "8.2",
        reference=_centroid,
        inputs=_centroid_inputs,
        mistakes=(
            Mistake(
                lambda policies, visits: policies.mean(0),
                "You gave every task the same weight in every state. A task that is never in a state takes no action there and "
                "must have no say.",
            ),
            Mistake(
                _geometric,
                "You averaged the logs, a geometric mean. (2.68) puts the log outside: the sum is over probabilities.",
            ),
            Mistake(
                _same_say,
                "You made each task's visits sum to one. (2.62) adds up steps, so a task that runs longer counts for more.",
            ),
            Mistake(
                _not_normalised,
                "The rows are sums of visits, not probabilities yet: divide by their sum over actions.",
            ),
            Mistake(
                _nan_where_nobody_is,
                "Where no task ever is, this divides 0 by 0. Say what π₀ shall be there: uniform was asked for.",
            ),
        ),
        summary="1 to 5 tasks, states that nobody visits included",
    ),
    Choice(
        "8.3",
        answer="b",
        wrong={
            "a": "Greedy, yes. But each task is greedy for its own goal, and beyond the fork these differ.",
            "c": "Price no longer matters to the tasks, but π₀ still maximises (2.68), whose maximiser does not depend on β: it "
            "is the average "
            "of the task policies.",
            "d": "β multiplies the action values in (2.66) and nothing divides it out again. Drag it from 5 to 50 and watch the arrows.",
        },
        summary="price vanishes, so every task is greedy; π₀ stays the centroid, because where the maximum of (2.68) lies does "
        "not depend on β",
    ),
    Exercise(
        "8.4",
        reference=_price,
        inputs=_price_inputs,
        mistakes=(
            Mistake(
                lambda log_pi, log_pi0, alpha, beta: (
                    alpha / beta * (log_pi0.exp() * (log_pi - log_pi0)).sum(-1)
                ),
                "This is the colleague's version: it averages over actions of π₀, but the task acts by πᵢ. The result is "
                "−KL(π₀‖πᵢ), never positive.",
            ),
            Mistake(
                lambda log_pi, log_pi0, alpha, beta: (
                    alpha / beta * (log_pi0.exp() * (log_pi0 - log_pi)).sum(-1)
                ),
                "It is positive now, but it is the other divergence, KL(π₀‖πᵢ). The task pays on the actions that it takes itself.",
            ),
            Mistake(
                lambda log_pi, log_pi0, alpha, beta: (
                    log_pi.exp() * (log_pi - log_pi0)
                ).sum(-1),
                "That is the KL in nats. The price is in units of reward: α/β of it.",
            ),
            Mistake(
                lambda log_pi, log_pi0, alpha, beta: (
                    alpha / beta * (log_pi - log_pi0).sum(-1)
                ),
                "You summed the log-ratios without weighing them by how often πᵢ takes each action.",
            ),
            Mistake(
                lambda log_pi, log_pi0, alpha, beta: (
                    (log_pi.exp() * (log_pi - alpha * log_pi0)).sum(-1) / beta
                ),
                "This is the whole price of (2.62), that for certainty included. Asked for is only the part for leaving π₀.",
            ),
        ),
        summary="1 to 5 tasks; the price is never negative",
    ),
]
