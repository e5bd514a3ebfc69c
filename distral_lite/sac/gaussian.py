"""The squashed Gaussian policy: a = tanh(u) with u ~ N(mean, std^2), its density, and samples that can be differentiated.

Actions lie in (-1, 1), the units in which `gym_bridge.GymWorld` takes them: -1 and 1 mean the environment's own bounds.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from distral_lite.validation import check_positive

LOG_STD_MIDDLE, LOG_STD_REACH = -1.5, 3.5  # log std lies between -5 and 2: a policy can neither freeze nor blow up
LOG_2, HALF_LOG_2PI = math.log(2.0), 0.5 * math.log(2.0 * math.pi)
SMALLEST = 2.0**-54  # half the smallest uniform number above 0 that a generator gives: it stands in for 0, whose Gaussian is infinite


def gaussian(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and log std of u, [..., D] each, from a network's outputs [..., 2 D].

    The second half goes through log std = middle + reach * tanh(x): a smooth map onto (-5, 2), so no gradient is cut off at a limit.
    """
    mean, x = outputs.chunk(2, dim=-1)
    return mean, LOG_STD_MIDDLE + LOG_STD_REACH * x.tanh()


def standard_normal(uniform: Tensor) -> Tensor:
    """Gaussian numbers with mean 0 and std 1 from uniform ones in [0, 1) by inversion of the distribution function; [...] -> [...]."""
    return torch.special.ndtri(uniform.clamp_min(SMALLEST))


def log_slope(pre_tanh: Tensor) -> Tensor:
    """Log of the derivative of tanh: log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u)); [...] -> [...].

    Written as on the left it is log 0 from about |u| = 9 on in float32 (19 in float64), for tanh(u) is then rounded to 1. The right
    side is as exact as the numbers are, and even: at u and -u it is the same.
    """
    return 2.0 * (LOG_2 - pre_tanh - functional.softplus(-2.0 * pre_tanh))


def squashed_log_density(mean: Tensor, log_std: Tensor, pre_tanh: Tensor, scale: float | Tensor = 1.0) -> Tensor:
    """Log-density of the action a = scale * tanh(u), where u ~ N(mean, std^2), by change of variables (A.3; Haarnoja et al., 2018).

        log pi(a | s) = sum over components of  log N(u; mean, std) - log(1 - tanh(u)^2) - log(scale)

    It takes u and not a: from a rounded to 1, u cannot be had back. A density is no probability: it may be above 1, and its logarithm
    positive. It depends on units. With scale 1 it is a density over (-1, 1); of actions that reach from low to high, scale is
    (high - low) / 2, and log(scale) is subtracted. So in the environment's units an action's entropy is larger by the sum of log(scale).
    That is the same at every step, kappa * log(scale) more reward. Where episodes never end it moves all values alike and no policy;
    where they do end, it is paid for each step survived, and so is no matter of units only. `train` uses scale 1.

    Args:
        mean: [..., D], of u.
        log_std: [..., D], of u.
        pre_tanh: [..., D], u.
        scale: above 0, a number or [D]: half the width of the range that the actions are given in.

    Returns:
        [...], in nats.

    Raises:
        ValueError: a scale that is not above 0.
    """
    check_positive("sac.squashed_log_density", "scale", scale)
    log_scale = torch.as_tensor(scale, dtype=mean.dtype, device=mean.device).log()
    deviation = (pre_tanh - mean) * (-log_std).exp()
    log_normal = -0.5 * deviation.square() - log_std - HALF_LOG_2PI
    return (log_normal - log_slope(pre_tanh) - log_scale).sum(-1)


def sample_action(outputs: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Draws a ~ pi_theta, differentiably: a = tanh(mean + std * xi) with xi ~ N(0, 1), the reparametrisation of lines 12 and 15.

    The chance is in xi, which does not depend on theta; so a is a function of theta, and gradients flow through it.

    Args:
        outputs: [..., 2 D], of the policy's network.
        uniform: [..., D], numbers in [0, 1), such as `lanes.LaneRandom.uniform` gives.

    Returns:
        The actions [..., D], in [-1, 1] (the ends can be reached by rounding only), and their log-densities [...].
    """
    mean, log_std = gaussian(outputs)
    pre_tanh = mean + log_std.exp() * standard_normal(uniform).to(mean.dtype)
    return pre_tanh.tanh(), squashed_log_density(mean, log_std, pre_tanh)


def mean_action(outputs: Tensor) -> Tensor:
    """The action to take when nothing more is to be learned: tanh(mean), the median of the policy; [..., 2 D] -> [..., D]."""
    return gaussian(outputs)[0].tanh()
