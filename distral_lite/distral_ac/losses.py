"""Lines 21 to 31 of algorithm 2, one function each.

What an episode says is written into tables first: at (s, a) the sum of the advantages of the steps that took a in s. The gradients are
then those of the exact formulas with such a `tally` in place of visits times probability times advantage, and networks are evaluated
once on all states. Losses return [R, K]; sum them over lanes before `backward`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from distral_lite import returns, soft
from distral_lite.distral_ac.episodes import Batch
from distral_lite.distral_ac.state import Config


def taken(table: Tensor, batch: Batch) -> Tensor:
    """Looks up the entries of the actions taken: [R, K, S, A] gives [R, K, E, T]."""
    place = (batch.state * table.shape[-1] + batch.action).flatten(2)
    return table.flatten(2).gather(-1, place).view(batch.state.shape)


def at(table: Tensor, state: Tensor) -> Tensor:
    """Looks up the entries of states: [R, K, S] at [R, K, E, T] gives [R, K, E, T]."""
    return table.gather(-1, state.flatten(2)).view(state.shape)


def regularised_reward(reward: Tensor, log_pi0: Tensor, log_pi: Tensor, alpha: float, beta: float) -> Tensor:
    """What a step earns after paying for its action (below 2.69): R + (alpha / beta) log pi_0(A | S) - (1 / beta) log pi_i(A | S).

    Args:
        reward: [...], in units of reward.
        log_pi0: [...], log-probability that the distilled policy gives the action taken.
        log_pi: [...], log-probability that the task's own policy gives it.
        alpha: weight of the distilled policy.
        beta: inverse temperature, in 1 / reward.

    Returns:
        [...], in units of reward.
    """
    return reward + soft.sampled_regulariser(log_pi, log_pi0, alpha, beta)


def target(batch: Batch, reward: Tensor, value: Tensor, config: Config) -> Tensor:
    """What the critic should have said: the sampled action value of line 22, corrected (2.73).

    One step: Q = R_reg + gamma V(S'), where the thesis's line 22 has lost gamma. V(S') is 0 at a goal and only there: an episode that was
    cut bootstraps (line 21). More steps: `config.n_steps`, or lambda-returns.

    Args:
        batch: fields [R, K, E, T].
        reward: [R, K, E, T], regularised.
        value: [R, K, S], what the critic says of every state.
        config: `discount`, `n_steps` and `lambda_` are used.

    Returns:
        [R, K, E, T], in units of reward; meaningless in the padding.
    """
    reward, next_value = torch.where(batch.real, reward, 0.0), at(value, batch.next_state).to(reward.dtype)
    discount = returns.discounts(config.discount, batch.terminal | ~batch.real)
    if config.n_steps is not None:
        return returns.n_step_returns(reward, discount, next_value, config.n_steps, batch.truncated)
    return returns.lambda_returns(reward, discount, next_value, config.lambda_, batch.truncated)


def weights(batch: Batch, log_now: Tensor, log_played: Tensor, config: Config) -> Tensor:
    """How much each step counts: 1, or gamma^t with `config.keep_discount`, times pi_i(A | S) over its value when the batch was played.

    In the first gradient step on a batch that ratio is 1. In later ones (`config.repeats`) the actions are those of an older policy; the
    ratio puts the mean over *actions* right. The mean over states stays that of the older policy, and with targets of many steps so do
    the later actions: a few small steps on a batch are nearly as good as new episodes, and many large ones are not.

    Args:
        batch: fields [R, K, E, T].
        log_now: [R, K, E, T], log-probabilities of the actions taken, under the policies now.
        log_played: [R, K, E, T], log-probabilities of the actions when they were taken.
        config: `discount` and `keep_discount` are used.

    Returns:
        [R, K, E, T], 0 in the padding. No gradient flows through it.
    """
    ratio = (log_now - log_played).exp().detach()
    return ratio * (fading(batch, config.discount) if config.keep_discount else batch.real)


def fading(batch: Batch, discount: float) -> Tensor:
    """gamma^t, t = 0 at the start of each episode: [R, K, E, T], 0 in the padding."""
    time = torch.arange(batch.real.shape[-1], device=batch.real.device, dtype=torch.float64)
    return discount**time * batch.real


def tally(batch: Batch, amount: Tensor, states: int, actions: int | None = None) -> Tensor:
    """Adds up what the steps of an episode brought, by state, or by state and action; the mean over episodes.

    Args:
        batch: fields [R, K, E, T].
        amount: [R, K, E, T], 0 in the padding. No gradient flows through it.
        states: S.
        actions: A; None for a tally by state.

    Returns:
        [R, K, S], or [R, K, S, A]. Of `fading` by state it estimates the visits d(s); of the weighted advantages by state and action, the
        d(s) pi(a | s) A(s, a) of the exact gradient (`distral.task_gradient`).
    """
    shape = (states,) if actions is None else (states, actions)
    place = batch.state if actions is None else batch.state * actions + batch.action
    sums = torch.zeros(*place.shape[:2], math.prod(shape), dtype=amount.dtype, device=amount.device)
    return (sums.scatter_add(-1, place.flatten(2), amount.detach().flatten(2)) / place.shape[2]).unflatten(-1, shape)


def critic_loss(value: Tensor, batch: Batch, target: Tensor, weight: Tensor) -> Tensor:
    """What line 24 descends (2.72): half the sum over an episode's steps of (Q - V(S))^2; the target Q is held fixed.

    Args:
        value: [R, K, S], differentiable.
        batch: fields [R, K, E, T].
        target: [R, K, E, T].
        weight: [R, K, E, T], from `weights`.

    Returns:
        [R, K], the mean over episodes.
    """
    squares = 0.5 * (target.detach() - at(value, batch.state)).square() * weight
    return squares.sum(-1).mean(-1)


def actor_loss(log_pi: Tensor, signal: Tensor) -> Tensor:
    """What lines 25 and 29 descend: minus the sum over an episode's steps of A log pi_i(A_t | S_t) (2.71, and 2.74's first term).

    Its gradient by f is the step of line 25. With two columns log pi_i depends on h as well, and its gradient by h is the first term of
    (2.74); with one column it does not, and that term is zero.

    Args:
        log_pi: [R, K, S, A], differentiable.
        signal: [R, K, S, A], the `tally` of the advantages, or d(s) pi_i(a | s) A_i(s, a) itself. No gradient flows through it.

    Returns:
        [R, K], the mean over episodes.
    """
    return -(signal.detach().to(log_pi.dtype) * log_pi).sum((-1, -2))


def centroid_loss(h: Tensor, log_pi: Tensor, visits: Tensor, alpha: float, beta: float) -> Tensor:
    """What line 30 descends, the second term of (2.74): minus (alpha / beta) sum_t gamma^t sum_a (pi_i - pi_0)(a | S_t) h(a | S_t).

    The difference of the two policies is held fixed, so that the gradient by h is that difference: pi_0 is pulled to where the tasks are.

    Args:
        h: [R, 1, S, A], differentiable.
        log_pi: [R, K, S, A].
        visits: [R, K, S], the `tally` of gamma^t, or d(s) itself.
        alpha: weight of the distilled policy.
        beta: inverse temperature, in 1 / reward.

    Returns:
        [R, K], the mean over episodes.
    """
    pull = log_pi.detach().to(h.dtype).exp() - h.detach().softmax(-1)
    return -(alpha / beta) * (visits.detach().to(h.dtype).unsqueeze(-1) * pull * h).sum((-1, -2))
