# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions to 07 · Regularised actor–critic and SAC
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import math

import torch
from torch.nn.functional import softplus

from distral_lite.checks import check

# %% [markdown]
# ## 7.1 The pull of the prior
#
# $\mathrm{KL} = \sum_b\pi(b)\,x(b)$ with $x = \log\pi - \log\pi_0$. Two things move with $\theta$. The probabilities: $\sum_b\nabla\pi(b)\,
# x(b)$, which for a softmax is $\pi(a)(x(a) - \mathbb{E}_\pi x)$, and $\mathbb{E}_\pi x$ is the KL itself. And the log-ratio:
# $\sum_b\pi(b)\nabla\log\pi(b) = \nabla\sum_b\pi(b) = 0$. So $\nabla\mathrm{KL} = \pi\,(\log\tfrac{\pi}{\pi_0} - \mathrm{KL})$. The common
# slip is to forget the mean. A check that needs no reference: softmax does not care about a constant added to all logits, so the components
# must sum to zero.


# %%
def my_kl_gradient(logits, log_prior):
    """Gradient of KL[softmax(logits) || π₀] with respect to the logits: [..., A] and [..., A] give [..., A]."""
    log_policy = logits.log_softmax(-1)
    ratio = log_policy - log_prior
    kl = (log_policy.exp() * ratio).sum(-1, keepdim=True)
    return log_policy.exp() * (ratio - kl)


_ = check("7.1", my_kl_gradient)

# %% [markdown]
# ## 7.2 Explain the figure
#
# **b.** At $\alpha = 0.8$ and $\beta = 1$ the objective pays for indecision at every step, more than a step costs, so its optimum wanders.
# The naive gradient holds no later pay, so its agent never learns that wandering is worth anything. It arrives because it does not know the
# objective it was given. That may be the behaviour you want, but then change the objective (raise $\beta$ or $\alpha$) and keep the
# gradient right.

# %%
_ = check("7.2", "b")

# %% [markdown]
# ## 7.3 Find the planted bug
#
# Two faults. The first is the misprint of (2.51): $\tfrac1\beta\mathrm{KL}_t$ in front makes it the target of $Q$. Since $\mathrm{KL}\ge0$
# the values come out too high, which is what she saw. The second is quieter: with one $\gamma$ for all steps, rewards of the *next* episode
# and a $V$ that no longer counts flow into this one. The recursion from the last step back needs no powers of $\gamma$ and stops at an end
# by itself.


# %%
def critic_target(reward, kl, beta, discount, next_value):
    """Σ γ^d (R − KL/β) + γ^n V(S_{t+n}) of one rollout: reward, kl and discount [n], next_value a number; returns a number."""
    target = next_value
    for d in reversed(range(len(reward))):
        target = float(reward[d] - kl[d] / beta) + float(discount[d]) * target
    return target


_ = check("7.3", critic_target)

# %% [markdown]
# ## 7.4 Equivalence by enumeration
#
# Everything follows from $\partial\log\pi(a)/\partial Q(b) = \beta(1_{a=b} - \pi(b))$: a score times $x$, on average over actions, is
# $\beta\pi(x - \mathbb{E}_\pi x)$. The three gradients add up to $w\,\pi\,(Q - y)$, soft Q-learning's own; check that with your result. The
# subtle point is $\Delta$: $y$ is a target of $Q$ and leaves out the price of its own step, $V$ has it, so $\Delta = y - \tfrac1\beta
# \mathrm{KL} - V$. With $\Delta = y - V$ the first term is still right (a constant of the state vanishes against the score) and the third
# is not.


# %%
def my_three_gradients(q, log_prior, beta, y, weight):
    """(policy, regulariser, value) of (2.54) with respect to q, each [S, A]: q, log_prior and y are [S, A], weight is [S]."""
    value = torch.logsumexp(log_prior + beta * q, -1, keepdim=True) / beta
    log_policy = log_prior + beta * (q - value)
    policy, ratio = log_policy.exp(), log_policy - log_prior
    kl = (policy * ratio).sum(-1, keepdim=True)
    delta = y - kl / beta - value
    mean = (policy * delta).sum(-1, keepdim=True)
    each = weight.unsqueeze(-1) * policy
    return -each * (delta - mean), each * (ratio - kl) / beta, -each * mean


_ = check("7.4", my_three_gradients)

# %% [markdown]
# ## 7.5 The squashed log-density
#
# With the identity nothing is rounded to 1: `softplus(-2u)` is $-2u$ for very negative $u$, 0 for very positive $u$, and exact between. The
# common repair, a small number added inside the logarithm, hides the infinity but flattens the density from $|u| \approx 7$ on, and with it
# the gradient that should call the policy back from the border.


# %%
def my_squashed_log_density(mean, log_std, u):
    """log N(u; mean, std) − log(1 − tanh² u), summed over the last axis: three [..., D] give [...]."""
    log_normal = -0.5 * ((u - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)
    log_slope = 2 * (math.log(2) - u - softplus(-2 * u))
    return (log_normal - log_slope).sum(-1)


_ = check("7.5", my_squashed_log_density)
