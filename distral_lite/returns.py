"""Returns and advantages of a sequence of T steps (thesis 2.1, 2.4, 2.5, 2.28 to 2.32).

Time is the last axis: entry t of `reward` is R_{t+1}, what the step from S_t to S_{t+1} paid. Leading axes [...], such as lanes [R, K],
are carried along. Two things end an episode, and they are told apart:

- A *terminal* step leads nowhere: `discount`, gamma * (1 - terminal), is 0 there, so nothing that follows counts.
- A *truncated* step was cut by a time limit. The episode would have gone on, so its future is replaced by `next_value`, the value of the
  state it really led to (before the reset). The entry after it belongs to another episode, and never flows back across the border.

The last step of the sequence is treated as a truncated one: what follows it has not been seen.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distral_lite.validation import check_fraction, check_positive


def discounts(gamma: float, terminal: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """The discount of each step: gamma where the episode goes on, 0 where it ended (a truncated step did not end it).

    Args:
        gamma: the discount, from 0 to 1.
        terminal: [..., T] bool.
        dtype: type of the result.

    Returns:
        [..., T].

    Raises:
        ValueError: gamma outside [0, 1], or `terminal` is not of type bool.
    """
    check_fraction("returns.discounts", "gamma", gamma)
    if terminal.dtype != torch.bool:
        raise ValueError(f"returns.discounts: terminal has type {terminal.dtype}, wanted torch.bool")
    return gamma * (~terminal).to(dtype)


def discounted_returns(reward: Tensor, discount: Tensor, truncated: Tensor | None = None, next_value: Tensor | None = None) -> Tensor:
    """The return from every step on (2.1): G_t = R_{t+1} + gamma * G_{t+1}.

    Args:
        reward: [..., T], in units of reward.
        discount: [..., T], gamma * (1 - terminal); see `discounts`.
        truncated: [..., T] bool, true where an episode was cut; none was if None.
        next_value: [..., T], value of the state that each step led to; 0 if None, which is right only if every episode in the sequence
            ends with a terminal step.

    Returns:
        [..., T], G_t.

    Raises:
        ValueError: arrays whose last axes differ.
    """
    next_value = torch.zeros_like(reward) if next_value is None else next_value
    return lambda_returns(reward, discount, next_value, 1.0, truncated)


def n_step_returns(reward: Tensor, discount: Tensor, next_value: Tensor, n: int, truncated: Tensor | None = None) -> Tensor:
    """The n-step return, n rewards and the value of where they led: R_{t+1} + ... + gamma^{n-1} R_{t+n} + gamma^n V(S_{t+n}).

    By recursion on n: the 1-step return is R_{t+1} + gamma V(S_{t+1}), and the m-step return is R_{t+1} + gamma times the (m-1)-step
    return of the next step. Where the episode ends within the n steps fewer are taken.

    Args:
        reward: [..., T], in units of reward.
        discount: [..., T], gamma * (1 - terminal).
        next_value: [..., T], V(S_{t+1}), value of the state that each step really led to.
        n: number of steps, at least 1. From n = T on these are the returns of `discounted_returns`.
        truncated: [..., T] bool, true where an episode was cut; none was if None.

    Returns:
        [..., T].

    Raises:
        ValueError: n below 1, arrays whose last axes differ.
    """
    check_positive("returns.n_step_returns", "n", n, whole=True)
    cut = _cut("returns.n_step_returns", reward, discount, next_value, truncated)
    result = reward + discount * next_value
    for _ in range(min(n, reward.shape[-1]) - 1):
        following = torch.nn.functional.pad(result[..., 1:], (0, 1))  # the next step's return; the last step has none, and is cut
        result = reward + discount * torch.where(cut, next_value, following)
    return result


def n_step_errors(
    reward: Tensor, discount: Tensor, value: Tensor, next_value: Tensor, n: int, truncated: Tensor | None = None
) -> Tensor:
    """The n-step temporal-difference error (2.32): R_{t+1} + ... + gamma^{n-1} R_{t+n} + gamma^n V(S_{t+n}) - V(S_t).

    The thesis prints gamma^{n-1} V(S_{t+n}) and no R_{t+n}: its last value is discounted once too little, and the last reward is lost.

    Args:
        reward: [..., T], in units of reward.
        discount: [..., T], gamma * (1 - terminal).
        value: [..., T], V(S_t).
        next_value: [..., T], V(S_{t+1}), of the state that each step really led to.
        n: number of steps, at least 1; with 1 these are the `td_errors`.
        truncated: [..., T] bool, true where an episode was cut; none was if None.

    Returns:
        [..., T]. The critic's loss (2.31) is half the mean of its square.

    Raises:
        ValueError: as `n_step_returns`.
    """
    return n_step_returns(reward, discount, next_value, n, truncated) - value


def lambda_returns(reward: Tensor, discount: Tensor, next_value: Tensor, lambda_: float, truncated: Tensor | None = None) -> Tensor:
    """The lambda-return: G_t = R_{t+1} + gamma * ((1 - lambda) V(S_{t+1}) + lambda G_{t+1}) (Sutton and Barto, 2018, 12.18).

    It is the mixture of all n-step returns with weights (1 - lambda) lambda^{n-1}. With lambda = 0 it is the 1-step return; with
    lambda = 1 the whole sequence counts and V only where an episode was cut.

    Args:
        reward: [..., T], in units of reward.
        discount: [..., T], gamma * (1 - terminal).
        next_value: [..., T], V(S_{t+1}).
        lambda_: from 0 to 1.
        truncated: [..., T] bool, true where an episode was cut; none was if None.

    Returns:
        [..., T].

    Raises:
        ValueError: lambda outside [0, 1], arrays whose last axes differ.
    """
    check_fraction("returns.lambda_returns", "lambda_", lambda_)
    cut = _cut("returns.lambda_returns", reward, discount, next_value, truncated)
    weight = lambda_ * torch.where(cut, 0.0, discount)  # of G_{t+1}; V(S_{t+1}) has the rest of the discount
    return _backwards(reward + (discount - weight) * next_value, weight)


def td_errors(reward: Tensor, discount: Tensor, value: Tensor, next_value: Tensor) -> Tensor:
    """The temporal-difference error (2.30): delta_t = R_{t+1} + gamma * V(S_{t+1}) - V(S_t); all arrays [..., T]."""
    return reward + discount * next_value - value


def advantages(
    reward: Tensor, discount: Tensor, value: Tensor, next_value: Tensor, lambda_: float, truncated: Tensor | None = None
) -> Tensor:
    """Generalised advantage estimates: A_t = delta_t + gamma * lambda * A_{t+1} (Schulman et al., 2016, 16).

    With lambda = 0 it is the TD error (2.30); with lambda = 1 the return less the value. It equals the lambda-return less the value when
    `next_value` of a step is `value` of the next.

    Args:
        reward: [..., T], in units of reward.
        discount: [..., T], gamma * (1 - terminal).
        value: [..., T], V(S_t).
        next_value: [..., T], V(S_{t+1}), of the state that the step really led to: `value` shifted by one except at the borders.
        lambda_: from 0 to 1.
        truncated: [..., T] bool, true where an episode was cut; none was if None.

    Returns:
        [..., T].

    Raises:
        ValueError: lambda outside [0, 1], arrays whose last axes differ.
    """
    check_fraction("returns.advantages", "lambda_", lambda_)
    cut = _cut("returns.advantages", reward, discount, next_value, truncated)
    return _backwards(td_errors(reward, discount, value, next_value), lambda_ * torch.where(cut, 0.0, discount))


def _backwards(x: Tensor, weight: Tensor) -> Tensor:
    """Solves y_t = x_t + weight_t * y_{t+1} from the last step back, where nothing follows; shapes [..., T]."""
    result, following = [], torch.zeros_like(x[..., 0])
    for x_t, weight_t in zip(reversed(x.unbind(-1)), reversed(weight.unbind(-1)), strict=True):
        following = x_t + weight_t * following
        result.append(following)
    return torch.stack(result[::-1], dim=-1)


def _cut(function: str, reward: Tensor, discount: Tensor, next_value: Tensor, truncated: Tensor | None) -> Tensor:
    """Which steps [..., T] have no successor in the sequence: the truncated ones and the last."""
    for name, array in (("discount", discount), ("next_value", next_value), ("truncated", truncated)):
        if array is not None and array.shape[-1:] != reward.shape[-1:]:
            raise ValueError(f"{function}: {name} has shape {tuple(array.shape)}, wanted [..., T] as reward, {tuple(reward.shape)}")
    if not reward.ndim or not reward.shape[-1]:
        raise ValueError(f"{function}: reward has shape {tuple(reward.shape)}, wanted at least one step [..., T]")
    last = torch.zeros(reward.shape[-1], dtype=torch.bool, device=reward.device)
    last[-1] = True
    return last if truncated is None else truncated | last
