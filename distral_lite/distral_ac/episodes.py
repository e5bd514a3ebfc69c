"""Whole episodes of all lanes at once (algorithm 2, lines 9 to 18).

While a batch is played no policy changes. So the world and the policy of a lane make one table, from a state and a uniform number to the
next state, and a step of all lanes is two look-ups.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distral_lite import lanes
from distral_lite.mdp import MDP

LOOK = 16  # steps between two looks whether all episodes are over


class Batch(NamedTuple):
    """E whole episodes of every lane; all fields are [R, K, E, T], T being the longest, and padded behind an episode's end.

    Attributes:
        state: int64, S_t; 0 in the padding.
        action: int64, A_t.
        reward: float64, R_{t+1}, without regulariser; 0 in the padding.
        next_state: int64, S_{t+1}, goal or not.
        terminal: bool, the episode ended with this step.
        truncated: bool, it was cut after this step.
        real: bool, false in the padding.
    """

    state: Tensor
    action: Tensor
    reward: Tensor
    next_state: Tensor
    terminal: Tensor
    truncated: Tensor
    real: Tensor


def play(tasks: MDP, log_pi: Tensor, uniform: Tensor) -> Batch:
    """Plays E episodes in every lane, each until the goal or the step limit (lines 9 to 18).

    The thesis's box never goes back to the start: S and t are set once, in lines 5 and 6. Here every episode begins at the start.

    Args:
        tasks: K tasks, stacked.
        log_pi: [R, K, S, A], log of the policies.
        uniform: [R, K, E, 1 + T] numbers in [0, 1): the first for the start, then one a step; T is the step limit.

    Returns:
        the batch, as long as its longest episode.
    """
    (R, K, S, A), E, M = log_pi.shape, uniform.shape[2], tasks.successor.shape[-1]
    chance = (log_pi.double().exp().unsqueeze(-1) * tasks.probability).flatten(-2).cumsum(-1)  # of action and outcome, [R, K, S, A * M]
    chance = chance / (chance[..., -1:] * (1 - 1e-12))  # so that rounding never leaves a number that nothing exceeds
    chance = torch.cat([chance, torch.ones_like(chance[:, :, :1])], 2).flatten(0, 2)  # one more state, S: the episode is over, and stays so
    following = torch.where(tasks.terminal, S, tasks.successor).flatten(-2)
    following = torch.cat([following, torch.full_like(following[:, :1], S)], 1).expand(R, K, S + 1, A * M)
    base = (S + 1) * torch.arange(R * K, device=log_pi.device).view(R, K, 1)  # a state of a lane is a row of both tables
    row = lanes.sample(tasks.start.cumsum(-1)[:, None].expand(R, K, E, S), uniform[..., 0]) + base
    walk = (chance, (following + base.unsqueeze(-1)).flatten(), row.flatten(), uniform[..., 1:].flatten(0, 2).T.unsqueeze(-1))
    rows, choices = (torch.from_numpy(array).to(log_pi.device) for array in _walk(*(array.cpu().numpy() for array in walk), S))
    state = rows.T.view(R, K, E, -1) % (S + 1)
    longest = int((state < S).flatten(0, 2).any(0).sum())
    return _batch(tasks, state[..., : longest + 1], choices.T.view(R, K, E, -1)[..., :longest])


def _walk(chance: np.ndarray, following: np.ndarray, row: np.ndarray, numbers: np.ndarray, states: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows [T + 1, L] and choices [T, L] of L walks; in NumPy, which takes a third of PyTorch's time for such small steps."""
    limit, outcomes = len(numbers), chance.shape[-1]
    rows, choices = np.empty((limit + 1, len(row)), dtype=np.int64), np.empty((limit, len(row)), dtype=np.int64)
    rows[0] = row
    for t in range(limit):
        if t % LOOK == 0 and (rows[t] % (states + 1) == states).all():
            return rows[: t + 1], choices[:t]
        choices[t] = np.count_nonzero(chance.take(rows[t], 0) <= numbers[t], axis=-1)
        rows[t + 1] = following.take(rows[t] * outcomes + choices[t])
    return rows, choices


def _batch(tasks: MDP, state: Tensor, choice: Tensor) -> Batch:
    """All that follows from the states [R, K, E, T + 1], where S means over, and the choices of action and outcome [R, K, E, T]."""
    S, _, M = tasks.successor.shape[-3:]
    real, terminal = state[..., :-1] < S, (state[..., :-1] < S) & (state[..., 1:] == S)
    state, action = torch.where(real, state[..., :-1], 0), torch.where(real, choice // M, 0)
    task = torch.arange(len(tasks.reward), device=state.device).view(-1, 1, 1)
    reward = torch.where(real, tasks.reward[task, state, action], 0.0)
    next_state = tasks.successor[task, state, action, torch.where(real, choice % M, 0)]
    last = real & ~torch.nn.functional.pad(real[..., 1:], (0, 1))
    return Batch(state, action, reward, next_state, terminal, last & ~terminal, real)
