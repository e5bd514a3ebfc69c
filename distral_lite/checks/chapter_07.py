"""Exercises of chapter 07: a gradient of KL, a target, (2.54) and a squashed density."""

import math
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, numbers, policy


def kl_gradient(logits, log_prior):
    """The gradient of KL[softmax(logits) || prior] in the logits."""
    policy = logits.softmax(-1)
    ratio = logits.log_softmax(-1) - log_prior
    return policy * (ratio - (policy * ratio).sum(-1, keepdim=True))


def _kl_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One state and many, logits that are not normalised."""
    rows = [([0.0, 1.0, -1.0], np.log([0.5, 0.25, 0.25]))]
    rows.append(([0.0, 30.0, -30.0], np.log([0.5, 1e-30, 0.5])))
    for shape in ((2,), (4,), (3, 5), (4, 4), (2, 3, 4)):
        prior = policy(generator, *shape).log()
        rows.append((numbers(generator, *shape, scale=2.0), prior))
    return cases("logits log_prior", *rows)


def critic_target(reward, kl, beta, discount, next_value):
    """The target of V, from the last step of the rollout back."""
    target = next_value
    for d in reversed(range(len(reward))):
        target = reward[d] - kl[d] / beta + discount[d] * target
    return float(target)


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One step, two by hand; ends at every place, two at once, and none."""
    rows = [
        ([1.0], [0.4], 2.0, [0.5], 10.0),
        ([1.0, 2.0], [0.4, 0.2], 2.0, [0.5, 0.5], 10.0),
        ([1.0, 2.0], [0.4, 0.2], 2.0, [0.0, 0.5], 10.0),
        ([1.0, 2.0], [0.4, 0.2], 2.0, [0.5, 0.0], 10.0),
    ]
    for steps, beta, gamma, ends in (
        (1, 1.0, 0.9, [0]),
        (4, 5.0, 0.95, []),
        (5, 0.5, 0.99, [2]),
        (6, 2.0, 0.8, [1, 4]),
        (3, 3.0, 1.0, []),
    ):
        discount = torch.full((steps,), gamma, dtype=torch.float64)
        discount[ends] = 0.0
        kl = torch.from_numpy(generator.random(steps))
        value = float(generator.normal(scale=3.0))
        rows.append((numbers(generator, steps), kl, beta, discount, value))
    return cases("reward kl beta discount next_value", *rows)


def three_gradients(q, log_prior, beta, y, weight):
    """The three terms of (2.54), in closed form."""
    value = torch.logsumexp(log_prior + beta * q, -1, keepdim=True) / beta
    log_policy = log_prior + beta * (q - value)
    policy = log_policy.exp()
    ratio = log_policy - log_prior
    kl = (policy * ratio).sum(-1, keepdim=True)
    delta = y - kl / beta - value
    mean = (policy * delta).sum(-1, keepdim=True)
    each = weight.unsqueeze(-1) * policy
    return -each * (delta - mean), each * (ratio - kl) / beta, -each * mean


def _three_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Small tables, any targets; values far apart."""
    rows = [([[1.0, 0.0]], np.log([[0.5, 0.5]]), 2.0, [[0.0, 1.0]], [1.0])]
    for states, actions, beta, scale in (
        (1, 3, 1.0, 1.0),
        (4, 3, 0.5, 1.0),
        (3, 3, 6.0, 1.0),
        (3, 5, 20.0, 60.0),
    ):
        q, y = (numbers(generator, states, actions, scale=scale) for _ in "qy")
        prior = policy(generator, states, actions).log()
        weight = torch.from_numpy(generator.random(states))
        rows.append((q, prior, beta, y, weight))
    return cases("q log_prior beta y weight", *rows)


def squashed_log_density(mean, log_std, u):
    """The log-density of a = tanh(u) where u is normal."""
    error = (u - mean) / log_std.exp()
    normal = -0.5 * error.square() - log_std - 0.5 * math.log(2 * math.pi)
    slope = 2 * (math.log(2) - u - functional.softplus(-2 * u))
    return (normal - slope).sum(-1)


def _density_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One and several components, u up to 40 either way."""
    rows = [([0.0], [0.0], [1.0]), ([0.5], [-1.0], [0.0]), ([0.0], [1.0], [-40.0])]
    rows.append(([0.0, 0.0], [2.0, 0.0], [40.0, -8.0]))
    for shape, reach in (((3,), 1.0), ((4, 2), 3.0), ((2, 3, 1), 10.0), ((3, 3), 40.0)):
        mean, log_std = (numbers(generator, *shape) for _ in "ms")
        u = torch.from_numpy(reach * generator.uniform(-1.0, 1.0, shape))
        rows.append((mean, log_std, u))
    return cases("mean log_std u", *rows)


EXERCISES = [
    Exercise(
        "7.1",
        kl_gradient,
        _kl_inputs,
        (
            (
                "ratio - (policy * ratio).sum(-1, keepdim=True)",
                "ratio",
                "You left out the mean of the log-ratio. The components of a "
                "gradient in logits sum to zero; yours do not.",
            ),
            (
                "policy * (ratio - (policy * ratio).sum(-1, keepdim=True))",
                "ratio + 1.0",
                "That is the derivative in the probabilities. They are a softmax "
                "of the logits: apply the chain rule once more.",
            ),
            (
                "(policy * ratio).sum",
                "ratio.mean",
                "Centre by the mean under π, not by the plain mean over actions: "
                "bad actions count less.",
            ),
            (
                "policy * (ratio - (policy * ratio).sum(-1, keepdim=True))",
                "policy - log_prior.exp()",
                "That is the gradient of KL[π₀ ‖ π], the other way round; here "
                "the mean is taken under π.",
            ),
            (
                "return policy * (ratio - (policy * ratio).sum(-1, keepdim=True))",
                "return -policy * (ratio - (policy * ratio).sum(-1, keepdim=True))",
                "Right up to its sign: this points away from higher KL.",
            ),
            (
                " - log_prior",
                "",
                "The prior does not enter: this is the gradient of minus the "
                "entropy, a pull to the uniform policy.",
            ),
        ),
        summary="one state and many",
    ),
    Choice(
        "7.2",
        "b",
        {
            "a": "It is biased by Σ KL ∇d / β; with α < 1 that is the pay for "
            "later indecision. Look at which curve is the optimum's.",
            "c": "They do not: chapter 06 found V(start) far above zero for "
            "wandering. Evaluate both with the pay included.",
            "d": "Its gradient is zero where it rests; more training keeps it there.",
        },
        summary="the optimum of that objective wanders; the naive gradient "
        "climbs something else",
    ),
    Exercise(
        "7.3",
        critic_target,
        _target_inputs,
        (
            (
                "target = next_value",
                "discount = discount.max().expand_as(discount)\n    target = "
                "next_value",
                "float(target)",
                "float(kl[0] / beta + target)",
                "This is the colleague's version. It has two faults; the first "
                "stands in front of the sum.",
            ),
            (
                "target = next_value",
                "discount = discount.max().expand_as(discount)\n    target = "
                "next_value",
                "The leading KL is gone, good. But after a step with discount 0 "
                "the episode is over, and here later rewards still count.",
            ),
            (
                "float(target)",
                "float(kl[0] / beta + target)",
                "The end is right now. But this is the target of Q (2.44): V "
                "pays for its own first step too.",
            ),
            (
                " - kl[d] / beta",
                "",
                "No prices at all: these are the plain values, which belong to "
                "the naive gradient.",
            ),
            (
                "kl[d] / beta",
                "beta * kl[d]",
                "KL is multiplied by β; β is an inverse temperature, and a nat "
                "costs 1/β.",
            ),
            (
                "reward[d] - kl[d] / beta + discount[d] * target",
                "discount[d] * (reward[d] - kl[d] / beta + target)",
                "Your first reward is already discounted: step d is multiplied "
                "by the discounts of the steps before it, not by its own.",
            ),
            (
                "target = next_value",
                "target = next_value / discount[-1] if discount[-1] > 0 else 0.0",
                "V(S_{t+n}) is n steps away: its factor is γⁿ, one γ more than "
                "the last reward's.",
            ),
        ),
        summary="rollouts of 1 to 6 steps, with and without an end",
    ),
    Exercise(
        "7.4",
        three_gradients,
        _three_inputs,
        (
            (
                "y - kl / beta",
                "y",
                "Your Δ is y − V. y leaves out the price of its own step, V has "
                "it: take KL/β off y first.",
            ),
            (
                "(delta - mean), each * (ratio - kl) / beta",
                "(delta - mean) / beta, each * (ratio - kl) / beta ** 2",
                "These are derivatives in the logits. The logits are log π₀ + "
                "βQ, so each score has a factor β with respect to Q.",
            ),
            (
                "(ratio - kl) / beta",
                "(ratio - kl) / beta ** 2",
                "In the second term a factor β is missing: in the logits ∇KL is "
                "π (…), with respect to Q β π (…).",
            ),
            (
                "(delta - mean)",
                "delta",
                "In the first term the mean of Δ is missing: a score times x is "
                "π times (x less its mean).",
            ),
            ("weight.unsqueeze(-1) * ", "", "The states' weights are missing."),
            (
                "-each * (delta",
                "each * (delta",
                "The first term has the wrong sign: it is a loss, to be "
                "descended, and (2.54) has a minus there.",
            ),
            (
                "-each * mean",
                "each * mean",
                "The third term has the wrong sign: ½(V − V̂)² falls as V moves "
                "towards V̂; its gradient is −π E[Δ].",
            ),
        ),
        summary="tables of 1 to 4 states; their sum is π (Q − y), soft Q-learning's",
    ),
    Exercise(
        "7.5",
        squashed_log_density,
        _density_inputs,
        (
            (
                "2 * (math.log(2) - u - functional.softplus(-2 * u))",
                "(1 - u.tanh().square()).log()",
                "The formula is right, but tanh(u) is rounded to 1 and the log "
                "of 0 follows. Use the identity.",
            ),
            (
                "2 * (math.log(2) - u - functional.softplus(-2 * u))",
                "(1 - u.tanh().square() + 1e-06).log()",
                "A small number added inside the log hides the infinity and "
                "bends the density: at large |u| it is another one.",
            ),
            (
                "normal - slope",
                "normal",
                "That is the density of u. Of a = tanh u it is larger where tanh "
                "crowds actions together.",
            ),
            (
                "normal - slope",
                "normal + slope",
                "The sign of the correction is wrong: dividing by the slope "
                "makes a density larger where the slope is small.",
            ),
            (
                "u - mean",
                "u.tanh() - mean",
                "The Gaussian is that of u, not of a: no tanh inside it.",
            ),
            (
                "log_std.exp()",
                "(0.5 * log_std).exp()",
                " - log_std",
                " - 0.5 * log_std",
                "log_std is the log of σ; you took it for that of σ².",
            ),
            (
                " - log_std",
                "",
                "The −log σ of the Gaussian is missing: a wide one is lower "
                "everywhere.",
            ),
        ),
        summary="u up to 40 either way, one component and several",
    ),
]
