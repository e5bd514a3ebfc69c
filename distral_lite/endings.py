"""Which states can come to an end, and which can rest: what a value without discount depends on (chapter 01).

Without discount a sum of rewards has a value only where it stops growing: because the episode ends, or because the agent goes on for
ever and is paid nothing. Both are questions about a graph. Letters for axes are those of `mdp`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def steps_to_end(live: Tensor, terminal: Tensor, successor: Tensor, rest: Tensor | None = None) -> Tensor:
    """The fewest steps, by luck, to an ending if one begins with the action.

    Args:
        live: [..., S, A, M] bool, the outcomes that can happen; all false for an action
            that is not to be taken.
        terminal: [..., S, A, M] bool, the outcomes that end the episode.
        successor: [..., S, A, M] int64, where they lead.
        rest: [..., S] bool, states that count as an ending themselves; none if None.

    Returns:
        [..., S, A] float64, at least 1; infinite where no ending can be reached.
    """
    shape = torch.broadcast_shapes(live.shape, terminal.shape)
    successor = successor.expand(shape).flatten(-3)
    steps = torch.full(shape[:-2], torch.inf, dtype=torch.float64, device=live.device)
    if rest is not None:
        steps = torch.where(rest, 0.0, steps)
    while True:
        after = steps.gather(-1, successor).view(shape).masked_fill(terminal, 0.0)
        actions = 1 + after.masked_fill(~live, torch.inf).amin(-1)
        nearer = torch.minimum(steps, actions.amin(-1))
        if torch.equal(nearer, steps):
            return actions
        steps = nearer


def resting(reward: Tensor, live: Tensor, terminal: Tensor, successor: Tensor) -> Tensor:
    """The actions that let an agent go on for ever and be paid nothing: [..., S, A] bool.

    It is the largest set whose every action pays 0, and leads for certain to an ending or
    to a state that has an action of the set.

    Args:
        reward: [..., S, A], expected reward.
        live: as in `steps_to_end`.
        terminal: likewise.
        successor: likewise.
    """
    shape = torch.broadcast_shapes(live.shape, terminal.shape)
    successor = successor.expand(shape).flatten(-3)
    free = (reward == 0) & live.any(-1)
    while True:
        there = free.any(-1).gather(-1, successor).view(shape)
        kept = free & (there | terminal | ~live).all(-1)
        if torch.equal(kept, free):
            return free
        free = kept
