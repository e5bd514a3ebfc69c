"""What the estimates of actor–critic are worth, by enumeration: means, variances and gradients of one MDP, in float64.

Arrays are those of one task: S states, A actions, M outcomes, P parameters of the policy. A *signal* is what multiplies the score
grad log pi(a | s) in the policy gradient: action values, advantages, TD errors, returns. Nearly all of this chapter is about the choice
of the signal.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from distral_lite import mdp as mdps
from distral_lite.mdp import MDP
from distral_lite.returns import discounts
from distral_lite.validation import check_fraction, check_positive


class Moments(NamedTuple):
    """What is known of a random signal, given the state and the action that it is the signal of.

    Attributes:
        mean: [S, A], in units of reward.
        variance: [S, A], in units of reward squared.
    """

    mean: Tensor
    variance: Tensor


def certain(signal: Tensor) -> Moments:
    """A signal [S, A] without any noise, such as exact action values."""
    return Moments(signal, torch.zeros_like(signal))


def advantages(mdp: MDP, policy: Tensor, discount: float) -> Tensor:
    """How much better an action is than the policy's average (below 2.29): A_pi(s, a) = Q_pi(s, a) - V_pi(s).

    Args:
        mdp: one task.
        policy: [S, A], probabilities.
        discount: gamma, as in `mdp.evaluate`.

    Returns:
        [S, A]; its mean under the policy is 0 in every state.
    """
    values = mdps.evaluate(mdp, policy, discount)
    return mdps.action_values(mdp, values, discount) - values.unsqueeze(-1)


# ---- the gradient and its variance ----


def score(policy: Tensor, features: Tensor | None = None) -> Tensor:
    """The score of a softmax policy: grad log pi(a | s) = phi(s, a) - sum_b pi(b | s) phi(s, b).

    Args:
        policy: [S, A], softmax over actions of theta * phi(s, a).
        features: [S, A, P], phi; None for a table, which has a parameter for every state and action (P = S * A).

    Returns:
        [S, A, P]. Its mean under the policy is 0 in every state, which is all that (2.27) needs.
    """
    if features is None:
        features = torch.eye(policy.numel(), dtype=policy.dtype).view(*policy.shape, -1)
    return features - (policy.unsqueeze(-1) * features).sum(-2, keepdim=True)


def gradient(mdp: MDP, policy: Tensor, score: Tensor, signal: Tensor, discount: float) -> Tensor:
    """The policy gradient with a given signal (2.26, 2.28 to 2.30): sum_s d(s) sum_a pi(a | s) grad log pi(a | s) signal(s, a).

    Args:
        mdp: one task.
        policy: [S, A], probabilities.
        score: [S, A, P], see `score`.
        signal: [S, A], mean of what multiplies the score; Q_pi or A_pi give the exact gradient of the discounted objective.
        discount: gamma. The visits d(s) = sum_t gamma^t P(S_t = s) carry the factor I = gamma^t of the thesis's box.

    Returns:
        [P].
    """
    weight = mdps.visits(mdp, policy, discount).unsqueeze(-1) * policy * signal
    return (weight.unsqueeze(-1) * score).sum((0, 1))


def gradient_variance(mdp: MDP, policy: Tensor, score: Tensor, signal: Moments, discount: float) -> Tensor:
    """How far one sample of the gradient strays: E|g|^2 - |E g|^2, the variances of all P components together.

    One sample is one step: a state s drawn in proportion to its visits d(s), an action a ~ pi, a signal x given (s, a), and
    g = D * grad log pi(a | s) * x, where D = sum_s d(s), so that E g is the `gradient`. A mean of N independent samples has 1 / N of it.

    Args:
        mdp: one task.
        policy: [S, A], probabilities.
        score: [S, A, P], see `score`.
        signal: mean and variance of x given (s, a).
        discount: gamma.

    Returns:
        a number, in units of reward squared.
    """
    visits = mdps.visits(mdp, policy, discount)
    second = (visits.unsqueeze(-1) * policy * score.square().sum(-1) * (signal.mean.square() + signal.variance)).sum()
    return visits.sum() * second - gradient(mdp, policy, score, signal.mean, discount).square().sum()


def best_baseline(policy: Tensor, score: Tensor, signal: Tensor) -> Tensor:
    """The baseline of least variance: B(s) = E[|grad log pi|^2 x] / E[|grad log pi|^2], both given s (Greensmith et al., 2004, section 4).

    Args:
        policy: [S, A], probabilities.
        score: [S, A, P].
        signal: [S, A], mean of the signal that the baseline is taken from.

    Returns:
        [S], in units of reward; where the policy is certain the score is 0, any baseline does, and 0 is given.
    """
    weight = policy * score.square().sum(-1)
    total = weight.sum(-1)
    return torch.where(total > 0, (weight * signal).sum(-1) / torch.where(total > 0, total, 1.0), 0.0)


# ---- compatible critics ----


def compatible_weights(mdp: MDP, policy: Tensor, score: Tensor, discount: float) -> Tensor:
    """The critic that the compatible function approximation theorem asks for (below 2.26): the w that minimises
    sum_s d(s) sum_a pi(a | s) (Q_pi(s, a) - w * grad log pi(a | s))^2.

    Args:
        mdp: one task.
        policy: [S, A], probabilities.
        score: [S, A, P]: the compatible features, which the theorem says must be the critic's.
        discount: gamma.

    Returns:
        [P], the shortest w of those that fit best. Q_w = score @ w as a signal gives the exact gradient.
    """  # noqa: D205
    q = mdps.action_values(mdp, mdps.evaluate(mdp, policy, discount), discount)
    return _fit(mdp, policy, score, q, discount)


def td_weights(mdp: MDP, policy: Tensor, score: Tensor, discount: float) -> Tensor:
    """Where the critic comes to rest if it has compatible features but learns by the thesis's one-step TD loss L(Q_w).

    Its target is R_{t+1} + gamma Q_w(S_{t+1}, A_{t+1}) with A_{t+1} ~ pi. Compatible features have mean 0 under pi in every state, so the
    second term vanishes in expectation: what is learned is a fit of the next reward alone.

    Args:
        mdp: one task.
        policy: [S, A], probabilities.
        score: [S, A, P], the critic's features; any features may be given.
        discount: gamma.

    Returns:
        [P], the w at which the expected semi-gradient update is 0.
    """
    weight = (mdps.visits(mdp, policy, discount).unsqueeze(-1) * policy).unsqueeze(-1)
    expected = torch.stack([mdps.action_values(mdp, (policy * column).sum(-1), discount) - mdp.reward for column in score.unbind(-1)], -1)
    matrix = torch.einsum("sap,saq->pq", weight * score, score - expected)  # E[feature (feature - gamma feature')^T]
    return torch.linalg.pinv(matrix) @ (weight * score * mdp.reward.unsqueeze(-1)).sum((0, 1))


def _fit(mdp: MDP, policy: Tensor, score: Tensor, wanted: Tensor, discount: float) -> Tensor:
    """Least squares with the weights d(s) pi(a | s): [P]."""
    root = (mdps.visits(mdp, policy, discount).unsqueeze(-1) * policy).sqrt().flatten()
    return torch.linalg.lstsq(root.unsqueeze(-1) * score.flatten(0, 1), root * wanted.flatten(), driver="gelsd").solution


# ---- n-step and lambda returns as random variables ----


def n_step_moments(mdp: MDP, policy: Tensor, values: Tensor, discount: float, n: int) -> Moments:
    """Mean and variance of the n-step return R_{t+1} + ... + gamma^{n-1} R_{t+n} + gamma^n V(S_{t+n}) given S_t = s, A_t = a.

    By recursion on n, X_n = R + gamma X_{n-1}(S', A') with X_0 = V: means and mean squares obey linear recursions, so no trajectory is
    enumerated. A reward is taken for its mean given (s, a); the mazes' are not random. (2.32), corrected: subtract V(s) for the error.

    Args:
        mdp: one task.
        policy: [S, A], probabilities.
        values: [S], what the critic believes; the exact values make the mean equal to Q_pi for every n.
        discount: gamma.
        n: number of steps, at least 1.

    Returns:
        Moments of the return; subtracting V(s), a number given s, changes the mean alone.
    """
    check_positive("actor_critic.n_step_moments", "n", n, whole=True)
    go_on = discounts(discount, mdp.terminal)
    mean, square = values, values.square()
    for _ in range(n):
        result = _backup(mdp, mdp.reward.unsqueeze(-1).expand_as(go_on), go_on, mean, square)
        mean, square = ((policy * moment).sum(-1) for moment in result)
    return _moments(*result)


def lambda_moments(mdp: MDP, policy: Tensor, values: Tensor, discount: float, lambda_: float) -> Moments:
    """Mean and variance of the lambda-return G_t = R_{t+1} + gamma ((1 - lambda) V(S_{t+1}) + lambda G_{t+1}) given S_t = s, A_t = a.

    Two linear solves. With lambda = 1 it is the whole return, whatever `values` says.

    Args:
        mdp: one task.
        policy: [S, A], probabilities.
        values: [S], what the critic believes.
        discount: gamma; with lambda = 1 and gamma = 1 the policy must end the episode.
        lambda_: from 0 to 1.

    Returns:
        Moments of the return.
    """
    check_fraction("actor_critic.lambda_moments", "lambda_", lambda_)
    going = mdps.transition_matrix(mdp, policy)
    one = torch.eye(len(going), dtype=going.dtype)
    go_on = discounts(discount, mdp.terminal)
    paid = mdp.reward.unsqueeze(-1) + (1 - lambda_) * go_on * values[mdp.successor]  # all that is certain given the outcome
    rest, zero = lambda_ * go_on, torch.zeros_like(values)
    first, _ = _backup(mdp, paid, rest, zero, zero)
    mean = torch.linalg.solve(one - lambda_ * discount * going, (policy * first).sum(-1))
    _, second = _backup(mdp, paid, rest, mean, zero)
    square = torch.linalg.solve(one - (lambda_ * discount) ** 2 * going, (policy * second).sum(-1))
    return _moments(*_backup(mdp, paid, rest, mean, square))


def _backup(mdp: MDP, paid: Tensor, rest: Tensor, mean: Tensor, square: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and mean square of X = paid + rest * X', given those of X' in each next state: [S, A, M] and [S] give [S, A] twice."""
    mean, square = mean[mdp.successor], square[mdp.successor]
    first = (mdp.probability * (paid + rest * mean)).sum(-1)
    second = (mdp.probability * (paid.square() + 2 * paid * rest * mean + rest.square() * square)).sum(-1)
    return first, second


def _moments(mean: Tensor, square: Tensor) -> Moments:
    """From the mean square to the variance; rounding may leave it a hair below zero."""
    return Moments(mean, (square - mean.square()).clamp_min(0.0))
