"""A memory of whole episodes for [R, K] lanes, each lane filling its own batch at its own pace."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from distral_lite import lanes


class Episodes(NamedTuple):
    """A batch of B whole episodes a lane, each in a row of its own that is padded behind its end; L is room for the longest.

    Attributes:
        observation: [..., B, L] state numbers, or [..., B, L, N] features.
        action: [..., B, L] int64.
        reward: [..., B, L] float64.
        next_observation: as `observation`, what the step led to.
        terminal: [..., B, L] bool.
        truncated: [..., B, L] bool.
        length: [..., B] int64, steps of each episode so far.
        row: [...] int64, the episode that is being written; B where the batch is complete.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminal: Tensor
    truncated: Tensor
    length: Tensor
    row: Tensor


def empty_episodes(observation: Tensor, episodes: int, longest: int) -> Episodes:
    """Room for a batch of episodes in every lane, given what the lanes [R, K] see now."""
    lead = (*observation.shape[:2], episodes)
    seen = observation[:, :, None, None].expand(*lead, longest, *observation.shape[2:])
    whole = torch.zeros(*lead, longest, dtype=torch.int64, device=observation.device)
    length, row = torch.zeros_like(whole[..., 0]), torch.zeros_like(whole[..., 0, 0])
    return Episodes(seen.clone(), whole, whole.double(), seen.clone(), whole.bool(), whole.bool(), length, row)


def write_step(memory: Episodes, observation: Tensor, action: Tensor, seen: lanes.Step) -> None:
    """Writes one step of every lane [R, K]; an episode that ends closes its row."""
    run, task = (torch.arange(size, device=action.device) for size in action.shape)
    row = (run[:, None], task, memory.row)
    place = (*row, memory.length[row])
    values = (observation, action, seen.reward, seen.next_observation, seen.terminal, seen.truncated)
    for column, value in zip(memory, values, strict=False):
        column[place] = value
    memory.length[row] += 1
    memory.row.add_(seen.done)


def take(memory: Episodes, complete: Tensor) -> tuple[tuple[Tensor, Tensor], Episodes]:
    """Takes the batches out of the lanes that are `complete`, [R, K] bool with at least one true; these lanes begin new ones.

    Returns:
        the lanes' indices (run [n], task [n]), and their batches [n, B, T], T being the longest episode among them. Padding has no reward
        and is neither terminal nor truncated.
    """
    which = torch.nonzero(complete, as_tuple=True)
    length, row = memory.length[which], memory.row[which]
    columns = [column[which][:, :, : int(length.max())] for column in memory[:6]]
    taken = Episodes(*columns, length, row)
    padding = torch.arange(taken.reward.shape[-1], device=length.device) >= length.unsqueeze(-1)
    for column in (taken.reward, taken.terminal, taken.truncated):
        column.masked_fill_(padding, 0)
    memory.row[which], memory.length[which] = 0, 0
    return which, taken
