"""Exercises of chapter 07: the gradient of KL, a figure, a critic's target, the three gradients of (2.54), and a squashed log-density."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from distral_lite.checks.exercise import Choice, Exercise, Mistake


def _numbers(generator: np.random.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    return torch.from_numpy(scale * generator.normal(size=shape))


def _log_prior(generator: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(
        generator.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    ).log()


def _mean(log_policy: Tensor, x: Tensor) -> Tensor:
    return (log_policy.exp() * x).sum(-1, keepdim=True)


# ---- 7.1 ----


def _kl_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One state and many, logits that are not normalised."""
    by_hand = {
        "logits": torch.tensor([0.0, 1.0, -1.0]).double(),
        "log_prior": torch.tensor([0.5, 0.25, 0.25]).double().log(),
    }
    shapes = ((2,), (4,), (3, 5), (2, 3, 4))
    return [
        by_hand,
        *(
            {
                "logits": _numbers(generator, *shape, scale=2.0),
                "log_prior": _log_prior(generator, *shape),
            }
            for shape in shapes
        ),
    ]


def _kl_gradient(logits: Tensor, log_prior: Tensor) -> Tensor:
    log_policy = logits.log_softmax(-1)
    ratio = log_policy - log_prior
    return log_policy.exp() * (ratio - _mean(log_policy, ratio))


def _kl_not_centred(logits: Tensor, log_prior: Tensor) -> Tensor:
    return logits.softmax(-1) * (logits.log_softmax(-1) - log_prior)


def _kl_in_probabilities(logits: Tensor, log_prior: Tensor) -> Tensor:
    return logits.log_softmax(-1) - log_prior + 1.0


def _kl_plain_mean(logits: Tensor, log_prior: Tensor) -> Tensor:
    ratio = logits.log_softmax(-1) - log_prior
    return logits.softmax(-1) * (ratio - ratio.mean(-1, keepdim=True))


def _kl_reversed(logits: Tensor, log_prior: Tensor) -> Tensor:
    return logits.softmax(-1) - log_prior.exp()


def _kl_by_the_prior(logits: Tensor, log_prior: Tensor) -> Tensor:
    log_policy = logits.log_softmax(-1)
    return log_prior.exp() * (
        log_policy - log_prior - _mean(log_policy, log_policy - log_prior)
    )


def _kl_of_entropy(logits: Tensor, log_prior: Tensor) -> Tensor:
    return _kl_gradient(logits, torch.zeros_like(log_prior))


# ---- 7.3 ----


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Rollouts of 1 to 6 steps; two of them end on the way."""
    inputs = [
        {
            "reward": torch.tensor([1.0, 2.0]).double(),
            "kl": torch.tensor([0.4, 0.2]).double(),
            "beta": 2.0,
            "discount": torch.tensor([0.5, 0.5]).double(),
            "next_value": 10.0,
        }
    ]
    for steps, beta, gamma, end in (
        (1, 1.0, 0.9, None),
        (4, 5.0, 0.95, None),
        (5, 0.5, 0.99, 2),
        (6, 2.0, 0.8, 5),
    ):
        discount = torch.full((steps,), gamma, dtype=torch.float64)
        if end is not None:
            discount[end] = 0.0
        inputs.append(
            {
                "reward": _numbers(generator, steps),
                "kl": torch.from_numpy(generator.random(steps)),
                "beta": beta,
                "discount": discount,
                "next_value": float(generator.normal(scale=3.0)),
            }
        )
    return inputs


def _backwards(paid: Tensor, discount: Tensor, next_value: float) -> float:
    result = next_value
    for pay, factor in zip(
        reversed(paid.tolist()), reversed(discount.tolist()), strict=True
    ):
        result = pay + factor * result
    return result


def _critic_target(
    reward: Tensor, kl: Tensor, beta: float, discount: Tensor, next_value: float
) -> float:
    return _backwards(reward - kl / beta, discount, next_value)


def _target_as_given(
    reward: Tensor, kl: Tensor, beta: float, discount: Tensor, next_value: float
) -> float:
    return float(kl[0]) / beta + _target_past_the_end(
        reward, kl, beta, discount, next_value
    )


def _target_past_the_end(
    reward: Tensor, kl: Tensor, beta: float, discount: Tensor, next_value: float
) -> float:
    return _backwards(
        reward - kl / beta, discount.max().expand_as(discount), next_value
    )


def _target_of_q(
    reward: Tensor, kl: Tensor, beta: float, discount: Tensor, next_value: float
) -> float:
    return float(kl[0]) / beta + _critic_target(reward, kl, beta, discount, next_value)


def _target_without_prices(
    reward: Tensor, kl: Tensor, beta: float, discount: Tensor, next_value: float
) -> float:
    return _backwards(reward, discount, next_value)


def _target_times_beta(
    reward: Tensor, kl: Tensor, beta: float, discount: Tensor, next_value: float
) -> float:
    return _backwards(reward - beta * kl, discount, next_value)


def _target_discounted_at_once(
    reward: Tensor, kl: Tensor, beta: float, discount: Tensor, next_value: float
) -> float:
    factor = discount.cumprod(0)
    return float((factor * (reward - kl / beta)).sum() + factor[-1] * next_value)


def _target_undiscounted_value(
    reward: Tensor, kl: Tensor, beta: float, discount: Tensor, next_value: float
) -> float:
    alive = float(discount.prod() > 0)
    return (
        _critic_target(reward, kl, beta, discount, 0.0)
        + alive * float(discount[:-1].prod()) * next_value
    )


# ---- 7.4 ----


def _three_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Small tables, any targets."""
    return [
        {
            "q": _numbers(generator, states, actions),
            "log_prior": _log_prior(generator, states, actions),
            "beta": beta,
            "y": _numbers(generator, states, actions),
            "weight": torch.from_numpy(generator.random(states)),
        }
        for states, actions, beta in (
            (1, 2, 1.0),
            (1, 3, 2.0),
            (4, 3, 0.5),
            (3, 5, 6.0),
        )
    ]


def _three(
    q: Tensor,
    log_prior: Tensor,
    beta: float,
    y: Tensor,
    weight: Tensor,
    keep_kl: bool = False,
    slope: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The reference; `keep_kl` leaves KL_t / beta in Delta, `slope` is what a score is multiplied by in place of beta."""
    value = (torch.logsumexp(log_prior + beta * q, -1) / beta).unsqueeze(-1)
    log_policy = log_prior + beta * (q - value)
    ratio = log_policy - log_prior
    advantage = y - value - (0.0 if keep_kl else _mean(log_policy, ratio) / beta)
    each, factor = (
        weight.unsqueeze(-1) * log_policy.exp(),
        (beta if slope is None else slope),
    )
    policy = -(factor / beta) * each * (advantage - _mean(log_policy, advantage))
    regulariser = factor / beta**2 * each * (ratio - _mean(log_policy, ratio))
    return policy, regulariser, -each * _mean(log_policy, advantage)


def _three_without_weight(
    q: Tensor, log_prior: Tensor, beta: float, y: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _three(q, log_prior, beta, y, torch.ones_like(weight))


def _three_not_centred(
    q: Tensor, log_prior: Tensor, beta: float, y: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    _, regulariser, of_value = _three(q, log_prior, beta, y, weight)
    log_policy = torch.log_softmax(log_prior + beta * q, -1)
    value = (torch.logsumexp(log_prior + beta * q, -1) / beta).unsqueeze(-1)
    advantage = y - value - _mean(log_policy, log_policy - log_prior) / beta
    return -weight.unsqueeze(-1) * log_policy.exp() * advantage, regulariser, of_value


def _three_ascending(
    q: Tensor, log_prior: Tensor, beta: float, y: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    policy, regulariser, of_value = _three(q, log_prior, beta, y, weight)
    return -policy, regulariser, of_value


def _three_half_beta(
    q: Tensor, log_prior: Tensor, beta: float, y: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    policy, regulariser, of_value = _three(q, log_prior, beta, y, weight)
    return policy, regulariser / beta, of_value


def _three_value_up(
    q: Tensor, log_prior: Tensor, beta: float, y: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    policy, regulariser, of_value = _three(q, log_prior, beta, y, weight)
    return policy, regulariser, -of_value


# ---- 7.5 ----


def _density_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One and several components, u up to 40 either way."""
    by_hand = {
        name: torch.tensor([number]).double()
        for name, number in (("mean", 0.0), ("log_std", 0.0), ("u", 1.0))
    }
    inputs = [by_hand]
    for shape, reach in (((3,), 1.0), ((4, 2), 3.0), ((2, 3, 1), 10.0), ((3, 2), 40.0)):
        arrays = {name: _numbers(generator, *shape) for name in ("mean", "log_std")}
        inputs.append(
            {
                **arrays,
                "u": torch.from_numpy(
                    reach
                    * generator.choice([-1.0, 1.0], size=shape)
                    * generator.uniform(0.9, 1.0, shape)
                ),
            }
        )
    return inputs


def _normal(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return (
        -0.5 * ((u - mean) / log_std.exp()).square()
        - log_std
        - 0.5 * math.log(2 * math.pi)
    )


def _slope(u: Tensor) -> Tensor:
    return 2.0 * (math.log(2.0) - u - functional.softplus(-2.0 * u))


def _density(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return (_normal(mean, log_std, u) - _slope(u)).sum(-1)


def _density_overflows(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return (_normal(mean, log_std, u) - (1 - u.tanh().square()).log()).sum(-1)


def _density_padded(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return (_normal(mean, log_std, u) - (1 - u.tanh().square() + 1e-6).log()).sum(-1)


def _density_not_squashed(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return _normal(mean, log_std, u).sum(-1)


def _density_added(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return (_normal(mean, log_std, u) + _slope(u)).sum(-1)


def _density_of_a(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return (_normal(mean, log_std, u.tanh()) - _slope(u)).sum(-1)


def _density_of_variance(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return _density(mean, 0.5 * log_std, u)


def _density_without_log_std(mean: Tensor, log_std: Tensor, u: Tensor) -> Tensor:
    return _density(mean, log_std, u) + log_std.sum(-1)


EXERCISES = [
    Exercise(
        "7.1",
        reference=_kl_gradient,
        inputs=_kl_inputs,
        mistakes=(
            Mistake(
                _kl_not_centred,
                "You left out the mean of the log-ratio. The components of a gradient in logits sum to zero; yours do not.",
            ),
            Mistake(
                _kl_in_probabilities,
                "That is the derivative in the probabilities. They are a softmax of the logits: apply the chain rule once more.",
            ),
            Mistake(
                _kl_plain_mean,
                "Centre by the mean under π, not by the plain mean over actions: bad actions count less.",
            ),
            Mistake(
                _kl_reversed,
                "That is the gradient of KL[π₀ ‖ π], the other way round; here the mean is taken under π.",
            ),
            Mistake(
                lambda logits, log_prior: -_kl_gradient(logits, log_prior),
                "Right up to its sign: this points away from higher KL.",
            ),
            Mistake(
                _kl_of_entropy,
                "The prior does not enter: this is the gradient of minus the entropy, a pull to the uniform policy.",
            ),
        ),
        summary="one state and many",
    ),
    Choice(
        "7.2",
        answer="b",
        wrong={
            "a": "It is biased by Σ KL ∇d / β; with α < 1 that is the pay for later indecision. Look at which curve is the optimum's.",
            "c": "They do not: chapter 06 found V(start) far above zero for wandering. Evaluate both with the pay included.",
            "d": "Its gradient is zero where it rests; more training keeps it there.",
        },
        summary="the optimum of that objective wanders; the naive gradient climbs something else",
    ),
    Exercise(
        "7.3",
        reference=_critic_target,
        inputs=_target_inputs,
        mistakes=(
            Mistake(
                _target_as_given,
                "This is the colleague's version. It has two faults; the first stands in front of the sum.",
            ),
            Mistake(
                _target_past_the_end,
                "The leading KL is gone, good. But after a step with discount 0 the episode is over, and here later rewards still count.",
            ),
            Mistake(
                _target_of_q,
                "The end is right now. But this is the target of Q (2.44): V pays for its own first step too.",
            ),
            Mistake(
                _target_without_prices,
                "No prices at all: these are the plain values, which belong to the naive gradient.",
            ),
            Mistake(
                _target_times_beta,
                "KL is multiplied by β; β is an inverse temperature, and a nat costs 1/β.",
            ),
            Mistake(
                _target_discounted_at_once,
                "Your first reward is already discounted: step d is multiplied by the discounts of the steps before it, not by its own.",
            ),
            Mistake(
                _target_undiscounted_value,
                "V(S_{t+n}) is n steps away: its factor is γⁿ, one γ more than the last reward's.",
            ),
        ),
        summary="rollouts of 1 to 6 steps, with and without an end",
    ),
    Exercise(
        "7.4",
        reference=_three,
        inputs=_three_inputs,
        mistakes=(
            Mistake(
                lambda *arguments: _three(*arguments, keep_kl=True),
                "Your Δ is y − V. y leaves out the price of its own step, V has it: take KL/β off y first.",
            ),
            Mistake(
                lambda *arguments: _three(*arguments, slope=1.0),
                "These are derivatives in the logits. The logits are log π₀ + βQ, so each score has a factor β with respect to Q.",
            ),
            Mistake(
                _three_half_beta,
                "In the second term a factor β is missing: in the logits ∇KL is π (…), with respect to Q β π (…).",
            ),
            Mistake(
                _three_not_centred,
                "In the first term the mean of Δ is missing: a score times x is π times (x less its mean).",
            ),
            Mistake(_three_without_weight, "The states' weights are missing."),
            Mistake(
                _three_ascending,
                "The first term has the wrong sign: it is a loss, to be descended, and (2.54) has a minus there.",
            ),
            Mistake(
                _three_value_up,
                "The third term has the wrong sign: ½(V − V̂)² falls as V moves towards V̂; its gradient is −π E[Δ].",
            ),
        ),
        summary="tables of 1 to 4 states; their sum is π (Q − y), soft Q-learning's",
    ),
    Exercise(
        "7.5",
        reference=_density,
        inputs=_density_inputs,
        mistakes=(
            Mistake(
                _density_overflows,
                "The formula is right, but tanh(u) is rounded to 1 and the log of 0 follows. Use the identity.",
            ),
            Mistake(
                _density_padded,
                "A small number added inside the log hides the infinity and bends the density: at large |u| it is another one.",
            ),
            Mistake(
                _density_not_squashed,
                "That is the density of u. Of a = tanh u it is larger where tanh crowds actions together.",
            ),
            Mistake(
                _density_added,
                "The sign of the correction is wrong: dividing by the slope makes a density larger where the slope is small.",
            ),
            Mistake(
                _density_of_a, "The Gaussian is that of u, not of a: no tanh inside it."
            ),
            Mistake(
                _density_of_variance,
                "log_std is the log of σ; you took it for that of σ².",
            ),
            Mistake(
                _density_without_log_std,
                "The −log σ of the Gaussian is missing: a wide one is lower everywhere.",
            ),
        ),
        summary="u up to 40 either way, one component and several",
    ),
]
