"""Soft values and soft policies: what a maximum becomes once leaving a prior has its price (thesis 2.33 to 2.45 and 2.62 to 2.67).

One implementation serves the exact solvers (float64) and the networks (float32). The mathematics stands on the last axis, A actions, and
every leading axis is free. `alpha` and `beta` are numbers, or tensors [...] that broadcast against the leading axes: a sweep is one more
axis. Nothing here checks its arguments, for it runs in inner loops; whoever takes them from a user calls `checked_prior` once.

The letters are the thesis's: prior pi_0; inverse temperature beta, in units of 1 / reward; and alpha, the share of the price that is paid
for leaving the prior, where the rest, 1 - alpha, is a reward for entropy. On average a step under the policy pi is paid its reward and

    E_pi[(alpha / beta) log pi_0 - (1 / beta) log pi] = -(alpha / beta) KL[pi || pi_0] + ((1 - alpha) / beta) H[pi].

With alpha = 1 this is the -KL / beta of (2.33) to (2.45); with alpha = 0 the prior drops out and entropy alone is paid.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distral_lite.validation import check_distribution, check_fraction, check_positive, found


def soft_value(q: Tensor, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    """What a state is worth to an agent that hedges: (1 / beta) log sum_a pi_0(a)^alpha exp(beta q(a)) (2.45, corrected; 2.66).

    It is the most that any policy can have, max over pi of E_pi[q + (alpha / beta) log pi_0 - (1 / beta) log pi]. As beta -> infinity it
    becomes max q over the actions that the prior allows. As beta -> 0 it becomes the prior's mean of q if alpha = 1. If alpha < 1 it has
    no limit: sum pi_0^alpha > 1 (unless the prior is sure of one action), and log(sum pi_0^alpha) / beta grows above every reward.

    Exponents are taken relative to the largest q, so none overflows; and where their mean is near 1 it is taken as 1 plus a small number,
    so that a small beta does not magnify rounding errors by 1 / beta.

    Args:
        q: [..., A], action values in units of reward.
        log_prior: [..., A], log of a distribution; -inf for an action that it rules out.
        alpha: from 0 to 1, a number or [...].
        beta: above 0, a number or [...], in units of 1 / reward.

    Returns:
        [...], in units of reward.
    """
    alpha, beta = _per_state(alpha, q), _per_state(beta, q)
    best = q.amax(-1, keepdim=True)
    gain = beta * (q - best)  # at most 0
    log_weight = _power(log_prior, alpha)
    log_mass = torch.where(alpha == 1, 0.0, log_weight.logsumexp(-1, keepdim=True))  # log of sum_a pi_0(a)^alpha
    log_weight = log_weight - log_mass
    shortfall = (log_weight.exp() * gain.expm1()).sum(-1, keepdim=True)  # sum_a weight(a) exp(gain(a)), less 1
    log_sum = torch.where(shortfall > -0.5, shortfall.clamp_min(-0.5).log1p(), (log_weight + gain).logsumexp(-1, keepdim=True))
    return (best + (log_mass + log_sum) / beta).squeeze(-1)


def soft_log_policy(q: Tensor, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    """The policy that earns the soft value: log pi = alpha log pi_0 + beta (q - V) (2.35 and 2.53; with alpha, 2.66 and 2.67).

    As beta -> infinity it becomes greedy; as beta -> 0 it becomes pi_0^alpha, normalised.

    Args:
        q: [..., A], action values in units of reward.
        log_prior: [..., A], log of a distribution.
        alpha: from 0 to 1, a number or [...].
        beta: above 0, a number or [...], in units of 1 / reward.

    Returns:
        [..., A], log-probabilities; -inf where the prior rules an action out, unless alpha is 0.
    """
    gain = _per_state(beta, q) * (q - q.amax(-1, keepdim=True))
    return torch.log_softmax(_power(log_prior, _per_state(alpha, q)) + gain, -1)


def kl(log_policy: Tensor, log_prior: Tensor) -> Tensor:
    """KL[pi || pi_0] = sum_a pi(a) (log pi(a) - log pi_0(a)), [..., A] -> [...] in nats; infinite where pi has mass and pi_0 has none."""
    return _mean(log_policy, log_policy - log_prior)


def entropy(log_policy: Tensor) -> Tensor:
    """H[pi] = -sum_a pi(a) log pi(a), [..., A] -> [...] in nats, from 0 to log A."""
    return -_mean(log_policy, log_policy)


def sampled_regulariser(log_policy: Tensor, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    """What one action adds to its reward: (alpha / beta) log pi_0(a) - (1 / beta) log pi(a) (2.62), in units of reward.

    Under the soft policy of action values q this is V - q(a), whatever the action (2.53).

    Args:
        log_policy: [...], log-probability that the policy gives the action.
        log_prior: [...], log-probability that the prior gives it.
        alpha: from 0 to 1, a number or [...].
        beta: above 0, a number or [...], in units of 1 / reward.

    Returns:
        [...].
    """
    return (_power(log_prior, torch.as_tensor(alpha, dtype=log_prior.dtype, device=log_prior.device)) - log_policy) / beta


def expected_regulariser(log_policy: Tensor, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    """The mean of `sampled_regulariser` under the policy: -(alpha / beta) KL + ((1 - alpha) / beta) H (2.62), [..., A] -> [...]."""
    ratio = sampled_regulariser(log_policy, log_prior, _per_state(alpha, log_policy), _per_state(beta, log_policy))
    return _mean(log_policy, ratio)


def one_step_target(reward: Tensor, discount: Tensor, next_value: Tensor) -> Tensor:
    """The target of soft Q-learning (2.44, first line): r_t + gamma V(s_{t+1}); all [...], where discount is gamma * (1 - terminal).

    It asks nothing of the policy that took the action, and so is right for replayed data.
    """
    return reward + discount * next_value


def n_step_target_expected_kl(
    reward: Tensor,
    discount: Tensor,
    next_value: Tensor,
    log_policy: Tensor,
    log_prior: Tensor,
    alpha: float | Tensor,
    beta: float | Tensor,
    truncated: Tensor | None = None,
) -> Tensor:
    """The n-step target as printed (2.44): r_t + sum_{d=1}^{n-1} gamma^d (r_{t+d} - KL_{t+d} / beta) + gamma^n V(s_{t+n}).

    (The KL_t / beta printed in front takes out again what the sum's first term puts in.) With alpha < 1 the -KL / beta becomes
    `expected_regulariser`. It is a mean over the policy's actions, while r_{t+d} was paid for the action that was taken: the target is
    right only where the policy itself took it. With n = 1 it is `one_step_target`.

    Args:
        reward: [..., n], rewards of n steps in a row.
        discount: [..., n], gamma * (1 - terminal).
        next_value: [..., n], soft value of the state that each step led to.
        log_policy: [..., n, A], log pi in the n states acted in. The first of the n is not used, here and in `log_prior`.
        log_prior: [..., n, A] or [A], log pi_0 there.
        alpha: from 0 to 1, a number or a tensor that broadcasts against [..., n].
        beta: above 0, likewise, in units of 1 / reward.
        truncated: [..., n] bool, true where an episode was cut, so that what follows belongs to another one; none was if None.

    Returns:
        [...], in units of reward.
    """
    return _n_step_target(reward, discount, next_value, expected_regulariser(log_policy, log_prior, alpha, beta), truncated)


def n_step_target_sampled(
    reward: Tensor,
    discount: Tensor,
    next_value: Tensor,
    log_policy: Tensor,
    log_prior: Tensor,
    alpha: float | Tensor,
    beta: float | Tensor,
    truncated: Tensor | None = None,
) -> Tensor:
    """The n-step target with the log-ratio of each action taken in place of KL_{t+d}, the ratio's mean.

    At the soft optimum V(s) = r + `sampled_regulariser` + gamma V(s') whatever the action (path consistency; Nachum et al., 2017). So
    there this target is right for any sequence of actions, replayed ones too. (Random outcomes: on average over them.)

    Right at the optimum is not yet drawn to it from afar: under the soft policy of q the target is the one-step target plus the sum over
    d of gamma^d (r + gamma V(s') - q)_{t+d}, so an error in the q of a later step comes back with the other sign. Where actions are far
    from the policy's, large steps then make errors grow without end (on map 4 with n = 10 and actions at random, steps of half the way to
    the target do, steps of a tenth do not).

    Args:
        reward: [..., n]; this and what is not listed is as in `n_step_target_expected_kl`.
        discount: [..., n].
        next_value: [..., n].
        log_policy: [..., n], log pi of the actions *taken*.
        log_prior: [..., n], log pi_0 of the actions taken.
        alpha: a number or a tensor that broadcasts against [..., n].
        beta: likewise.
        truncated: [..., n] bool.

    Returns:
        [...], in units of reward.
    """
    return _n_step_target(reward, discount, next_value, sampled_regulariser(log_policy, log_prior, alpha, beta), truncated)


def checked_prior(function: str, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    """Checks what a user gave, once, before the inner loops, and takes the rounding out of the prior.

    A prior that is right to float32 only sums to 1 within 1e-7, and at a discount near 1 that is a reward of its own: then exact
    solvers would not converge. So it is normalised; one that sums to 1 as well as float64 can stays as it is, to the bit.

    Args:
        function: who asks.
        log_prior: [..., A], log of a distribution, right to float32 at least.
        alpha: from 0 to 1, a number or a tensor.
        beta: above 0, likewise.

    Returns:
        [..., A] float64.

    Raises:
        ValueError: a prior whose probabilities do not sum to one, an alpha outside [0, 1] (above 1 entropy would be punished), a beta that
            is not a finite number above 0.
    """
    check_fraction(function, "alpha", alpha)
    check_positive(function, "beta", beta)
    if not isinstance(log_prior, Tensor) or not log_prior.is_floating_point():
        raise ValueError(f"{function}: log_prior is {found(log_prior)}, wanted a tensor of log-probabilities")
    check_distribution(function, "exp(log_prior)", log_prior.exp())
    log_prior = log_prior.double()
    excess = (log_prior.exp().sum(-1, keepdim=True) - 1).abs()
    rounding = 4 * log_prior.shape[-1] * torch.finfo(torch.float64).eps
    return torch.where(excess > rounding, log_prior.log_softmax(-1), log_prior)


def prior_of_tasks(
    function: str,
    log_prior: Tensor | None,
    shape: tuple[int, int, int],
    alpha: float | Tensor,
    beta: float | Tensor,
) -> Tensor:
    """The prior of K tasks whose agents try every action.

    Args:
        function: who asks.
        log_prior: [A], [S, A] or [K, S, A]; uniform if None.
        shape: (K, S, A).
        alpha: as in `checked_prior`.
        beta: likewise.

    Returns:
        [K, S, A] float64.

    Raises:
        ValueError: as `checked_prior`; another shape, or an action that is ruled out.
    """
    if log_prior is None:
        log_prior = torch.full(shape[-1:], 1 / shape[-1], dtype=torch.float64).log()
    if isinstance(log_prior, Tensor) and tuple(log_prior.shape) not in (shape, shape[1:], shape[2:]):
        found_shape = tuple(log_prior.shape)
        raise ValueError(f"{function}: log_prior has shape {found_shape}, wanted [A], [S, A] or [K, S, A], here {shape}")
    log_prior = checked_prior(function, log_prior, alpha, beta)
    if not bool(torch.isfinite(log_prior).all()):
        raise ValueError(f"{function}: log_prior rules out actions that are explored; wanted no zeros in exp(log_prior)")
    return log_prior.expand(shape)


def check_support(function: str, log_policy: Tensor, log_prior: Tensor) -> None:
    """Checks that the policy stays where the prior allows: elsewhere KL[pi || pi_0] is infinite.

    Raises:
        ValueError: an action that the policy takes and the prior never does.
    """
    bad = (log_policy.exp() > 0) & torch.isneginf(log_prior)
    if bool(bad.any()):
        place = [int(i) for i in torch.nonzero(bad)[0]]
        found = float(log_policy.expand(bad.shape)[tuple(place)].exp())
        raise ValueError(
            f"{function}: log_policy{place} gives probability {found:.3g} to an action that log_prior rules out, so the KL is infinite;"
            " wanted 0 there, or alpha = 0"
        )


def _per_state(number: float | Tensor, like: Tensor) -> Tensor:
    """A number or [...] as a tensor [..., 1] that broadcasts against [..., A]."""
    return torch.as_tensor(number, dtype=like.dtype, device=like.device).unsqueeze(-1)


def _power(log_prior: Tensor, alpha: Tensor) -> Tensor:
    """Log of pi_0^alpha, with 0^0 = 1: a prior that does not count rules nothing out."""
    return torch.where(alpha == 0, 0.0, alpha * log_prior)


def _mean(log_policy: Tensor, x: Tensor) -> Tensor:
    """E_pi[x] over the last axis; where pi is 0, x may be infinite or undefined and does not count."""
    policy = log_policy.exp()
    return (policy * torch.where(policy > 0, x, 0.0)).sum(-1)


def _n_step_target(reward: Tensor, discount: Tensor, next_value: Tensor, regulariser: Tensor, truncated: Tensor | None) -> Tensor:
    """From the last step back: G = r + gamma V(s'), then G = r + gamma (regulariser of the next step + G of the next step)."""
    result = reward[..., -1] + discount[..., -1] * next_value[..., -1]
    for d in range(reward.shape[-1] - 2, -1, -1):
        following = regulariser[..., d + 1] + result
        if truncated is not None:
            following = torch.where(truncated[..., d], next_value[..., d], following)
        result = reward[..., d] + discount[..., d] * following
    return result
