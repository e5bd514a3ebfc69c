"""The regularised bandit three ways (thesis 2.33 to 2.38): in closed form, by policy gradient and by value regression.

One state, A actions, one step. The closed form (2.35) is `soft.soft_log_policy(mean_reward, log_prior, 1, beta)`, and the best objective
is `soft.soft_value` of the same arguments. The other two know the rewards from samples only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distral_lite.soft import kl


def bandit_objective(log_policy: Tensor, mean_reward: Tensor, log_prior: Tensor, beta: float | Tensor) -> Tensor:
    """What a regularised bandit maximises: eta(pi) = E_pi[r] - KL[pi || pi_0] / beta (2.33, 2.34), [..., A] -> [...].

    Its maximiser (2.35) is `soft_log_policy(mean_reward, log_prior, 1, beta)` and its maximum is `soft_value` of the same arguments.
    """
    return (log_policy.exp() * mean_reward).sum(-1) - kl(log_policy, log_prior) / beta


def bandit_policy_gradient(logits: Tensor, action: Tensor, reward: Tensor, log_prior: Tensor, beta: float | Tensor) -> Tensor:
    """Policy-based estimate of the gradient of eta (2.36): mean of grad log pi(a) r, less grad KL / beta, for pi = softmax(logits).

    For a softmax, grad log pi(a) = onehot(a) - pi, and grad KL = pi (log pi - log pi_0 - KL).

    Args:
        logits: [..., A], the parameters.
        action: [..., N] int64, actions sampled from softmax(logits).
        reward: [..., N], what they paid.
        log_prior: [..., A], log of a distribution without zeros.
        beta: above 0, a number or [...], in units of 1 / reward.

    Returns:
        [..., A], to be climbed.
    """
    log_policy = torch.log_softmax(logits, -1)
    policy = log_policy.exp()
    score = torch.nn.functional.one_hot(action, logits.shape[-1]) - policy.unsqueeze(-2)
    kl_gradient = policy * (log_policy - log_prior - kl(log_policy, log_prior).unsqueeze(-1))
    return (score * reward.unsqueeze(-1)).mean(-2) - kl_gradient / torch.as_tensor(beta).unsqueeze(-1)


def bandit_value_loss(q: Tensor, action: Tensor, reward: Tensor) -> Tensor:
    """Value-based loss: mean of (Q(a) - r)^2 / 2 (2.37), from q [..., A] and actions and rewards [..., N]; returns [...]."""
    return 0.5 * (q.gather(-1, action) - reward).square().mean(-1)


def bandit_value_gradient(q: Tensor, action: Tensor, reward: Tensor) -> Tensor:
    """Gradient of (2.37) in a table q: mean of (Q(a) - r) onehot(a) (2.38, corrected: the printed factor 1/2 does not belong there).

    Args:
        q: [..., A], the parameters.
        action: [..., N] int64, actions tried, by any policy that tries them all.
        reward: [..., N], what they paid.

    Returns:
        [..., A], to be descended.
    """
    error = q.gather(-1, action) - reward
    return torch.zeros_like(q).scatter_add(-1, action, error) / action.shape[-1]
