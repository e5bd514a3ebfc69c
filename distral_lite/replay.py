"""Replay memory of many lanes: a ring of transitions on one allocation, sampled with each lane's own random numbers.

All lanes step together, so they have all stored the same number of transitions, and one counter serves them all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from distral_lite.validation import check_positive


class Batch(NamedTuple):
    """B transitions of every lane.

    Attributes:
        observation: [R, K, B] int64 state numbers, or [R, K, B, N] float32 features.
        action: [R, K, B] int64 action numbers, or [R, K, B, D] float32 action vectors.
        reward: [R, K, B] float32.
        next_observation: as `observation`, what the action led to, before any reset.
        terminal: [R, K, B] bool, the episode ended and `next_observation` is worth nothing. A time-out is not terminal.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminal: Tensor


def positions(uniform: Tensor, count: int, capacity: int, newest: int | None = None) -> Tensor:
    """Where in the ring the sampled transitions lie.

    The transition stored n-th (n = 0, 1, ...) lies at n mod capacity. A uniform number u picks an age, floor(u * held), 0 being the
    newest, among the held = min(count, capacity, newest) youngest; the transition of that age was stored as number count - 1 - age.

    Args:
        uniform: [...], numbers in [0, 1).
        count: how many transitions have been stored in all, at least 1.
        capacity: how many the ring holds.
        newest: sample among the newest so many only; among all that are held if None.

    Returns:
        [...] int64, from 0 to capacity - 1, all held positions equally likely.
    """
    held = min(count, capacity) if newest is None else min(count, capacity, newest)
    age = (uniform * held).long()
    return (count - 1 - age) % capacity


class Replay:
    """The replay memory D of [R, K] lanes.

    Args:
        capacity: transitions held for each lane; older ones are overwritten.
        observation: [R, K] int64 or [R, K, N] floats, any observation: it sets the shape, the type and the device.
        action: [R, K, D] floats, any action, where actions are vectors; None where they are numbers.

    Attributes:
        capacity: as given.
        count: transitions stored so far by each lane, overwritten ones included.

    Raises:
        ValueError: a capacity below 1, an observation that is neither [R, K] nor [R, K, N], an action that is not [R, K, D].
    """

    def __init__(self, capacity: int, observation: Tensor, action: Tensor | None = None) -> None:
        """Allocates the whole ring at once."""
        check_positive("replay.Replay", "capacity", capacity, whole=True)
        if observation.ndim not in (2, 3):
            raise ValueError(f"replay.Replay: observation has shape {tuple(observation.shape)}, wanted [R, K] or [R, K, N]")
        (runs, tasks, *rest), device = observation.shape, observation.device
        if action is not None and (action.ndim != 3 or action.shape[:2] != (runs, tasks)):
            raise ValueError(f"replay.Replay: action has shape {tuple(action.shape)}, wanted {[runs, tasks, 'D']}, or None for numbers")
        kind = torch.float32 if observation.is_floating_point() else torch.int64
        acted = torch.int64 if action is None else torch.float32
        self.capacity, self.count = int(capacity), 0
        self._lane = torch.arange(runs * tasks, device=device).view(runs, tasks, 1) * self.capacity
        size = (runs, tasks, self.capacity)
        self._ring = Batch(
            observation=torch.zeros(*size, *rest, dtype=kind, device=device),
            action=torch.zeros(size if action is None else (*size, action.shape[-1]), dtype=acted, device=device),
            reward=torch.zeros(size, dtype=torch.float32, device=device),
            next_observation=torch.zeros(*size, *rest, dtype=kind, device=device),
            terminal=torch.zeros(size, dtype=torch.bool, device=device),
        )
        self._rows = [field.flatten(0, 2) for field in self._ring]  # the same memory, one row a place of a lane

    def __len__(self) -> int:
        """Transitions held now, for each lane."""
        return min(self.count, self.capacity)

    def add(self, observation: Tensor, action: Tensor, reward: Tensor, next_observation: Tensor, terminal: Tensor) -> None:
        """Stores one transition of every lane, over the oldest when the ring is full.

        Args:
            observation: [R, K] or [R, K, N], what was acted on.
            action: [R, K] int64, or [R, K, D] where actions are vectors.
            reward: [R, K].
            next_observation: as `observation`, before any reset.
            terminal: [R, K] bool; leave time-outs out.

        Raises:
            ValueError: a reward that is not finite (it would reach every weight within a few updates), shapes that do not fit.
        """
        if not math.isfinite(float(reward.sum())):
            lane = [int(i) for i in torch.nonzero(~torch.isfinite(reward))[0]]
            raise ValueError(f"replay.add: reward{lane} is {float(reward[tuple(lane)])}, wanted a finite number")
        rows = [ring.select(2, self.count % self.capacity) for ring in self._ring]
        transition = Batch(observation, action, reward, next_observation, terminal)
        for name, row, new in zip(Batch._fields, rows, transition, strict=True):
            if new.shape != row.shape:
                raise ValueError(f"replay.add: {name} has shape {tuple(new.shape)}, wanted {tuple(row.shape)}")
        for row, new in zip(rows, transition, strict=True):
            row.copy_(new)
        self.count += 1

    def sample(self, uniform: Tensor, newest: int | None = None) -> Batch:
        """Draws transitions of every lane, with replacement, all equally likely.

        Args:
            uniform: [R, K, B], numbers in [0, 1), such as `lanes.LaneRandom.uniform(B)`.
            newest: draw from the newest so many only; from all that are held if None.

        Raises:
            ValueError: nothing has been stored yet, or `newest` is below 1.
        """
        if newest is not None:
            check_positive("replay.sample", "newest", newest, whole=True)
        if self.count == 0:
            raise ValueError("replay.sample: the memory holds 0 transitions, wanted at least one: call add first")
        rows = (self._lane + positions(uniform, self.count, self.capacity, newest)).flatten()
        return Batch(*(field.index_select(0, rows).view(*uniform.shape, *field.shape[1:]) for field in self._rows))
