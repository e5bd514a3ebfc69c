"""What policy gradients estimate, and with which weights (thesis 2.18 to 2.25): scores, exact gradients, all trajectories of a small MDP.

Every estimate here has one form, sum_t w_t * grad log pi(A_t | S_t), and they differ in the weights w_t alone: `whole_trajectory_weights`,
`printed_weights` and `box_weights`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from distral_lite.mdp import MDP, action_values, evaluate, visits
from distral_lite.validation import check_distribution, check_positive

MOST = 1_000_000  # trajectories that `trajectories` is willing to list


def score(log_policy: Tensor, action: Tensor) -> Tensor:
    """The score of a softmax policy, by its preferences (2.20): d log pi(a) / d h(b) = 1[a = b] - pi(b).

    Args:
        log_policy: [..., A], log-probabilities, softmax of preferences h.
        action: [...] int64, the action a that was taken.

    Returns:
        [..., A], one number a preference b; it sums to zero.
    """
    return torch.nn.functional.one_hot(action, log_policy.shape[-1]) - log_policy.exp()


def gaussian_log_density(action: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """The log of the Gaussian policy (2.18): -(a - mu)^2 / (2 sigma^2) - log(sigma sqrt(2 pi)).

    Args:
        action: [...], in the unit of the action.
        mean: [...], mu, in the same unit.
        deviation: [...], sigma, in the same unit, above 0.

    Returns:
        [...], the log of a density per unit of action: it may be positive.

    Raises:
        ValueError: a deviation that is not above 0.
    """
    check_positive("policy_gradient.gaussian_log_density", "deviation", deviation.detach())
    return -0.5 * ((action - mean) / deviation).square() - deviation.log() - 0.5 * math.log(2 * math.pi)


def objective(mdp: MDP, log_policy: Tensor, discount: float) -> Tensor:
    """What policy gradients climb: J = sum_s start(s) V_pi(s), by one linear solve that autograd can differentiate.

    Args:
        mdp: arrays [..., S, A, M]. Where every step is terminal this is (2.19), with `start` as the distribution of states.
        log_policy: [..., S, A], log-probabilities.
        discount: gamma.

    Returns:
        [...], in units of reward.
    """
    return (mdp.start * evaluate(mdp, log_policy.exp(), discount)).sum(-1)


def gradient_by_visits(weight: Tensor, policy: Tensor, q: Tensor) -> Tensor:
    """What the policy gradient theorem (2.24, corrected) sums, by softmax preferences: d(s) pi(a | s) (Q(s, a) - sum_b pi(b | s) Q(s, b)).

    The thesis prints pi(s | a) for pi(a | s), and R(s, a) where the general case has Q_pi(s, a).

    Args:
        weight: [..., S], d(s), how much each state counts.
        policy: [..., S, A], probabilities.
        q: [..., S, A], action values under the policy, in units of reward.

    Returns:
        [..., S, A], derivatives by the preferences.
    """
    return weight.unsqueeze(-1) * policy * (q - (policy * q).sum(-1, keepdim=True))


def exact_gradient(mdp: MDP, log_policy: Tensor, discount: float) -> Tensor:
    """The gradient of `objective` by softmax preferences (2.24, corrected): states count by their *discounted* visits.

    It is what (2.21) and the box of REINFORCE estimate, and what (2.23) estimates once gamma^t stands in front.

    Args:
        mdp: arrays [..., S, A, M].
        log_policy: [..., S, A], log-probabilities.
        discount: gamma.

    Returns:
        [..., S, A].
    """
    return _with_visits(mdp, log_policy.exp(), discount, discount)


def exact_direction_as_printed(mdp: MDP, log_policy: Tensor, discount: float) -> Tensor:
    """What (2.23) estimates as it is printed, without gamma^t: discounted action values, states weighted by *plain* visits.

    It is the gradient of no objective, except at gamma = 1 (Nota and Thomas, 2020). Arguments and result as in `exact_gradient`.

    Raises:
        ValueError: a policy that may go on for ever, whose plain visits have no end.
    """
    return _with_visits(mdp, log_policy.exp(), discount, 1.0)


def _with_visits(mdp: MDP, policy: Tensor, discount: float, visits_discount: float) -> Tensor:
    q = action_values(mdp, evaluate(mdp, policy, discount), discount)
    return gradient_by_visits(visits(mdp, policy, visits_discount), policy, q)


class Trajectories(NamedTuple):
    """All that can happen in the first T steps, N ways in all.

    Attributes:
        probability: [N] float64, sums to one.
        state: [N, T] int64, S_t; anything where the episode is over.
        action: [N, T] int64, A_t; likewise.
        reward: [N, T] float64, R_{t+1}, 0 where the episode is over.
        real: [N, T] bool, whether the step was taken.
        ended: [N] bool, whether the episode was over within T steps.
    """

    probability: Tensor
    state: Tensor
    action: Tensor
    reward: Tensor
    real: Tensor
    ended: Tensor


def trajectories(mdp: MDP, policy: Tensor, horizon: int) -> Trajectories:
    """Lists every trajectory of positive probability, cut after `horizon` steps.

    Args:
        mdp: one MDP, without leading axes.
        policy: [S, A], probabilities.
        horizon: T, number of steps.

    Raises:
        ValueError: a bad policy or horizon, or more than a million trajectories.
    """
    check_positive("policy_gradient.trajectories", "horizon", horizon, whole=True)
    check_distribution("policy_gradient.trajectories", "policy", policy)
    state = torch.nonzero(mdp.start)[:, 0]
    probability, real = mdp.start[state], torch.ones_like(state, dtype=torch.bool)
    columns: list[list[Tensor]] = [[], [], [], []]
    for _ in range(horizon):
        chance = policy[state].unsqueeze(-1) * mdp.probability[state]  # [N, A, M]
        chance[~real] = 0.0
        chance[~real, 0, 0] = 1.0  # what is over goes on in one way: it stays over
        parent, action, outcome = torch.nonzero(chance, as_tuple=True)
        if len(parent) > MOST:
            raise ValueError(f"policy_gradient.trajectories: more than {MOST} trajectories, wanted a smaller horizon than {horizon}")
        place = (state[parent], action, outcome)
        step = (place[0], action, real[parent] * mdp.reward[place[:2]], real[parent])
        columns = [[*(entry[parent] for entry in column), new] for column, new in zip(columns, step, strict=True)]
        probability = probability[parent] * chance[parent, action, outcome]
        state, real = mdp.successor[place], real[parent] & ~mdp.terminal[place]
    return Trajectories(probability, *(torch.stack(column, -1) for column in columns), ~real)


def trajectory_gradient(log_policy: Tensor, state: Tensor, action: Tensor, weight: Tensor) -> Tensor:
    """The estimate that one trajectory gives: sum_t weight_t * d log pi(A_t | S_t) / d h, for a table of preferences h.

    Args:
        log_policy: [S, A], log-probabilities.
        state: [..., T] int64.
        action: [..., T] int64.
        weight: [..., T], 0 where the episode is over.

    Returns:
        [..., S, A].
    """
    scores = weight.unsqueeze(-1) * score(log_policy[state], action)
    total = torch.zeros(*weight.shape[:-1], *log_policy.shape, dtype=scores.dtype)
    return total.scatter_add(-2, state.unsqueeze(-1).expand(scores.shape), scores)


def mean_and_variance(probability: Tensor, estimate: Tensor) -> tuple[Tensor, Tensor]:
    """The exact expectation [...] of estimates [N, ...] that occur with `probability` [N], and the sum of their variances, one number."""
    weight = probability.view(-1, *[1] * (estimate.ndim - 1))
    mean = (weight * estimate).sum(0)
    return mean, (weight * (estimate - mean).square()).sum()


def whole_trajectory_weights(reward: Tensor, discount: float) -> Tensor:
    """The weights of (2.21): every step is weighted by the return of the whole episode, sum_i gamma^i R_{i+1}; [..., T] to [..., T]."""
    times = torch.arange(reward.shape[-1], dtype=reward.dtype, device=reward.device)
    return (discount**times * reward).sum(-1, keepdim=True).expand(reward.shape)


def printed_weights(return_to_go: Tensor, baseline: Tensor | float, discount: float) -> Tensor:
    """The weights of (2.23) as printed, and of most code: G_t - b(S_t). Arguments as in `box_weights`; `discount` is inside G_t alone."""
    return return_to_go - baseline


def box_weights(return_to_go: Tensor, baseline: Tensor | float, discount: float) -> Tensor:
    """The weights of REINFORCE's box, and of (2.23) corrected: gamma^t (G_t - b(S_t)). At gamma = 1 they are those of (2.22).

    Args:
        return_to_go: [..., T], G_t, as `returns.discounted_returns` gives it; the first entry belongs to the start of an episode.
        baseline: [..., T] or a number, b(S_t), what to compare the return with (2.27); 0 for none.
        discount: gamma.

    Returns:
        [..., T], in units of reward.
    """
    times = torch.arange(return_to_go.shape[-1], dtype=return_to_go.dtype, device=return_to_go.device)
    return discount**times * (return_to_go - baseline)
