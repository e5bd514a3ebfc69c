"""Soft Q-learning and regularised actor–critic are one algorithm (thesis 2.52 to 2.54; Schulman, Chen and Abbeel, 2017).

Any Q_theta defines a value and a policy (2.52, 2.53), and in them the loss of soft Q-learning has the gradient of an actor–critic's three
losses. Losses are per window: a first state, its action and a target; axes [..., B] are windows, whether they were sampled or are all
(s, a) of a small world with their probabilities as weights.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from distral_lite.mdp import MDP
from distral_lite.regularised_actor_critic.exact import n_step_signal
from distral_lite.soft import expected_regulariser, soft_log_policy, soft_value


class Losses(NamedTuple):
    """The three losses on the right of (2.54), each [..., B]. On average over the policy's actions they have soft Q-learning's gradient.

    Attributes:
        policy: -(1 / beta) log pi_theta(a_t | s_t) Delta_t: the policy gradient, with Delta_t as its advantage.
        regulariser: (1 / beta^2) KL_t, or -(1 / beta) rho_t where alpha is not 1.
        value: (V_theta(s_t) - V_hat_t)^2 / 2, with V_hat_t = V_theta(s_t) + Delta_t held fixed.
    """

    policy: Tensor
    regulariser: Tensor
    value: Tensor


def soft_q_loss(q: Tensor, action: Tensor, target: Tensor) -> Tensor:
    """What soft Q-learning descends: (Q_theta(s_t, a_t) - y_t)^2 / 2 (2.43), the target held fixed.

    Args:
        q: [..., B, A], Q_theta in the first states.
        action: [..., B] int64, the actions taken there.
        target: [..., B], y_t (2.44); no gradient flows through it.

    Returns:
        [..., B], in units of reward squared.
    """
    return 0.5 * (q.gather(-1, action.unsqueeze(-1)).squeeze(-1) - target.detach()).square()


def actor_critic_losses(q: Tensor, action: Tensor, target: Tensor, log_prior: Tensor, alpha: float, beta: float) -> Losses:
    """The right-hand side of (2.54), with V_theta and pi_theta made of Q_theta by (2.52) and (2.53).

    Since y_t = KL_t / beta + V_hat_t, the same target serves both sides, and Delta_t = y_t - KL_t / beta - V_theta(s_t).

    Args:
        q: [..., B, A], Q_theta in the first states.
        action: [..., B] int64.
        target: [..., B], y_t.
        log_prior: [..., B, A] or [A].
        alpha: from 0 to 1.
        beta: above 0, in units of 1 / reward.

    Returns:
        Losses.
    """
    value, log_policy = soft_value(q, log_prior, alpha, beta), soft_log_policy(q, log_prior, alpha, beta)  # (2.52), (2.53)
    regulariser = expected_regulariser(log_policy, log_prior, alpha, beta)  # rho_t, which is -KL_t / beta
    v_hat = (target + regulariser).detach()
    advantage = (v_hat - value).detach()  # Delta_t
    chosen = log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return Losses(-chosen * advantage / beta, -regulariser / beta, 0.5 * (value - v_hat).square())


def both_gradients(
    mdp: MDP, q: Tensor, log_prior: Tensor, alpha: float, beta: float, discount: float, n: int, state_weight: Tensor
) -> tuple[Tensor, Losses]:
    """Both sides of (2.54) on a small world, every action enumerated: states as weighted, actions and windows as pi_theta makes them.

    The losses are linear or quadratic in one number of the future, y_t, and their gradients linear. So the mean of y_t given s and a is
    all that is needed of it, and `n_step_signal` gives that without listing a window.

    Args:
        mdp: one MDP.
        q: [S, A] float64, the table Q_theta. (For other parameters, multiply both sides by dQ / dtheta.)
        log_prior: [S, A] or [A].
        alpha: from 0 to 1.
        beta: above 0.
        discount: gamma.
        n: steps of the target.
        state_weight: [S], how often a window begins in s; any weights of at least 0.

    Returns:
        The gradient of soft Q-learning [S, A], and those of the three losses, each [S, A].
    """
    states, actions = q.shape
    q, log_prior = q.detach().clone().requires_grad_(), log_prior.expand(states, actions)
    with torch.no_grad():
        log_policy = soft_log_policy(q, log_prior, alpha, beta)
        target = n_step_signal(mdp, log_policy, log_prior, alpha, beta, discount, soft_value(q, log_prior, alpha, beta), n)
        weight = state_weight.unsqueeze(-1) * log_policy.exp()
    everywhere, action = q.unsqueeze(1).expand(states, actions, actions), torch.arange(actions).expand(states, actions)
    prior = log_prior.unsqueeze(1).expand(states, actions, actions)
    left = soft_q_loss(everywhere, action, target)
    right = actor_critic_losses(everywhere, action, target, prior, alpha, beta)
    gradients = [torch.autograd.grad((weight * loss).sum(), q, retain_graph=True)[0] for loss in (left, *right)]
    return gradients[0], Losses(*gradients[1:])
