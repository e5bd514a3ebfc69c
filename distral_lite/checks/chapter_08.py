"""Exercises of chapter 08: the two-column policy, the centroid, a limit and a price."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, numbers, policy


def two_columns(pi0, f, alpha, beta):
    """The log of the task policy of two columns (2.66)."""
    return torch.log_softmax(alpha * pi0.log() + beta * f, -1)


def _columns_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """By hand, a tiny prior on the best action, then every end of both ranges."""
    rows = [([0.2, 0.6, 0.2], [1.0, 0.9, -1.0], 0.8, 5.0)]
    rows.append(([1e-30, 0.25, 0.75], [9.0, 0.5, -1.0], 0.5, 2.0))
    for shape, alpha, beta in (
        ((4,), 0.5, 1.0),
        ((3, 5), 0.0, 2.0),
        ((3, 5), 1.0, 0.1),
        ((2, 3, 4), 0.3, 10.0),
        ((5,), 0.9, 1000.0),
    ):
        rows.append(
            (policy(generator, *shape), numbers(generator, *shape), alpha, beta)
        )
    return cases("pi0 f alpha beta", *rows)


def centroid(policies, visits):
    """The policy that maximises (2.68); uniform where no task ever is."""
    mixture = (visits.unsqueeze(-1) * policies).sum(0)
    total = mixture.sum(-1, keepdim=True)
    uniform = torch.full_like(mixture, 1 / mixture.shape[-1])
    return torch.where(total > 0, mixture / total, uniform)


def _centroid_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Two tasks in one state; states that all, some or none of the tasks visit."""
    two = [[[0.8, 0.2]], [[0.4, 0.6]]]
    rows = [(two, [[3.0], [1.0]]), (two, [[3.0], [0.0]]), (two, [[0.0], [0.0]])]
    rows.append((policy(generator, 2, 3, 4), [[2.0, 0.0, 5.0], [0.0, 0.0, 1e-9]]))
    rows.append((policy(generator, 3, 2, 3), [[0.0, 1e-9], [0.0, 3e-9], [2.0, 0.0]]))
    for k, s, a in ((5, 4, 2), (1, 3, 3)):
        visits = torch.from_numpy(generator.random((k, s)))
        rows.append((policy(generator, k, s, a), 20 * visits))
    return cases("policies visits", *rows)


def price_of_leaving(log_pi, log_pi0, alpha, beta):
    """The price, in units of reward, of the task policies for leaving pi0."""
    return alpha / beta * (log_pi.exp() * (log_pi - log_pi0)).sum(-1)


def _price_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One task by hand, one that never leaves; then several tasks and states."""
    half, most = np.log([[0.5, 0.5]]), np.log([[0.9, 0.1]])
    rows = [(most[None], half, 1.0, 1.0), (most[None], half, 0.8, 5.0)]
    rows.append((half[None], half, 0.5, 2.0))
    for (k, s, a), alpha, beta in (
        ((2, 3, 4), 0.8, 5.0),
        ((5, 4, 5), 0.5, 20.0),
        ((2, 2, 3), 0.3, 0.5),
    ):
        priors = policy(generator, s, a).log()
        rows.append((policy(generator, k, s, a).log(), priors, alpha, beta))
    return cases("log_pi log_pi0 alpha beta", *rows)


EXERCISES = [
    Exercise(
        "8.1",
        two_columns,
        _columns_inputs,
        (
            (
                "pi0.log()",
                "pi0",
                "You added probabilities to action values. What is raised to the "
                "power α is π₀ itself, so its log belongs in the sum.",
            ),
            (
                "alpha * pi0",
                "pi0",
                "You left out α: the prior enters to the power α, so α log π₀ is "
                "added.",
            ),
            (
                "beta * f",
                "f",
                "You left out β: this is the temperature of (2.63), 1 whatever β says.",
            ),
            (
                "torch.log_softmax(alpha * pi0.log() + beta * f, -1)",
                "alpha * pi0.log() + beta * f",
                "This is not normalised: the probabilities do not sum to one. "
                "`torch.log_softmax(..., -1)` does it.",
            ),
            (
                "log_softmax",
                "softmax",
                "These are the probabilities; log-probabilities were asked for, "
                "because at β = 1000 most probabilities are 0 and their logs are "
                "not.",
            ),
            (
                "alpha * pi0.log() + ",
                "",
                "The distilled policy does not enter: this is one column with β′ = β.",
            ),
            (
                "alpha * pi0.log() + beta * f",
                "beta * (alpha * pi0.log() + f)",
                "You multiplied the prior by β too. Divide (2.62) by 1/β and "
                "see: β belongs to the action values only.",
            ),
        ),
        summary="one state and many, α from 0 to 1, β from 0.1 to 1000",
    ),
    Exercise(
        "8.2",
        centroid,
        _centroid_inputs,
        (
            (
                "(visits.unsqueeze(-1) * policies).sum(0)",
                "policies.sum(0)",
                "You gave every task the same weight in every state. A task that "
                "is never in a state takes no action there and must have no say.",
            ),
            (
                "(visits.unsqueeze(-1) * policies).sum(0)",
                "torch.exp((visits.unsqueeze(-1) * policies.log()).sum(0) / "
                "visits.sum(0).unsqueeze(-1))",
                "torch.where(total > 0, ",
                "torch.where((visits.sum(0) > 0).unsqueeze(-1), ",
                "You averaged the logs, a geometric mean. (2.68) puts the log "
                "outside: the sum is over probabilities.",
            ),
            (
                "(visits.unsqueeze(-1) * policies)",
                "((visits / visits.sum(-1, "
                "keepdim=True).clamp_min(1e-300)).unsqueeze(-1) * policies)",
                "You made each task's visits sum to one. (2.62) adds up steps, "
                "so a task that runs longer counts for more.",
            ),
            (
                "torch.where(total > 0, mixture / total, uniform)",
                "mixture",
                "The rows are sums of visits, not probabilities yet: divide by "
                "their sum over actions.",
            ),
            (
                "torch.where(total > 0, mixture / total, uniform)",
                "mixture / total",
                "Where no task ever is, this divides 0 by 0. Say what π₀ shall "
                "be there: uniform was asked for.",
            ),
            (
                "total > 0",
                "(visits > 0).all(0).unsqueeze(-1)",
                "You give the uniform policy where a single task never is. The "
                "others are there: only where no task ever is, it is uniform.",
            ),
        ),
        summary="1 to 5 tasks, states that nobody visits included",
    ),
    Choice(
        "8.3",
        "b",
        {
            "a": "Greedy, yes. But each task is greedy for its own goal, and "
            "beyond the fork these differ.",
            "c": "Price no longer matters to the tasks, but π₀ still maximises "
            "(2.68), whose maximiser does not depend on β: it is the average of "
            "the task policies.",
            "d": "β multiplies the action values in (2.66) and nothing divides "
            "it out again. Drag it from 5 to 50 and watch the arrows.",
        },
        summary="price vanishes, so every task is greedy; π₀ stays the centroid, "
        "because where the maximum of (2.68) lies does not depend on β",
    ),
    Exercise(
        "8.4",
        price_of_leaving,
        _price_inputs,
        (
            (
                "log_pi.exp()",
                "log_pi0.exp()",
                "This is the colleague's version: it averages over actions of "
                "π₀, but the task acts by πᵢ. The result is −KL(π₀‖πᵢ), never "
                "positive.",
            ),
            (
                "log_pi.exp() * (log_pi - log_pi0)",
                "log_pi0.exp() * (log_pi0 - log_pi)",
                "It is positive now, but it is the other divergence, KL(π₀‖πᵢ). "
                "The task pays on the actions that it takes itself.",
            ),
            (
                "alpha / beta * ",
                "",
                "That is the KL in nats. The price is in units of reward: α/β of it.",
            ),
            (
                "log_pi.exp() * ",
                "",
                "You summed the log-ratios without weighing them by how often πᵢ "
                "takes each action.",
            ),
            (
                "alpha / beta * (log_pi.exp() * (log_pi - log_pi0)).sum(-1)",
                "(log_pi.exp() * (log_pi - alpha * log_pi0)).sum(-1) / beta",
                "This is the whole price of (2.62), that for certainty included. "
                "Asked for is only the part for leaving π₀.",
            ),
        ),
        summary="1 to 5 tasks; the price is never negative",
    ),
]
