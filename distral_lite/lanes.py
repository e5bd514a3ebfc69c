"""Many runs of many tasks, stepped together.

A *lane* is one (run, task) pair. Arrays lead with the lane axes [R, K]: R runs, told apart by their seeds, and K tasks. One run of one
task is R = K = 1 and takes the same way through the code as a hundred lanes.

A lane's random numbers come from its seed and the number of its task alone, so a lane learns the same whether it is trained by itself
or among a hundred others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distral_lite.mdp import MDP, stack

BLOCK = 4096  # uniforms drawn at once for a lane


class LaneRandom:
    """Uniform random numbers for [R, K] lanes, each from a generator of its own.

    Args:
        seeds: R different integers of at least 0, one a run.
        tasks: K different integers of at least 0, the number of each task (not its position among those being trained).
        device: where the numbers are wanted.

    Raises:
        ValueError: no seeds or tasks, a seed or task twice (two lanes would share their random numbers), or a negative one.
    """

    def __init__(self, seeds: Sequence[int], tasks: Sequence[int], device: str = "cpu") -> None:
        """Makes a generator for every lane."""
        for name, numbers in (("seeds", seeds), ("tasks", tasks)):
            if isinstance(numbers, int) or not len(numbers):
                raise ValueError(f"lanes.LaneRandom: {name} is {numbers!r}, wanted a sequence of at least one integer, such as range(20)")
            if len(set(numbers)) < len(numbers) or min(numbers) < 0:
                raise ValueError(f"lanes.LaneRandom: {name} = {list(numbers)}, wanted different integers of at least 0")
        self._generators = [[np.random.Generator(np.random.Philox(np.random.SeedSequence((s, k)))) for k in tasks] for s in seeds]
        self._block = torch.empty(len(seeds), len(tasks), 0, dtype=torch.float64, device=device)
        self._used = 0

    def uniform(self, count: int) -> Tensor:
        """The next `count` numbers in [0, 1) of every lane: [R, K, count] float64."""
        if self._used + count > self._block.shape[-1]:
            size = max(BLOCK, count)
            drawn = np.array([[generator.random(size) for generator in row] for row in self._generators])
            self._block, self._used = torch.from_numpy(drawn).to(self._block.device), 0
        self._used += count
        return self._block[..., self._used - count : self._used]


class Tables(NamedTuple):
    """K tasks as tables to step in.

    Attributes:
        successor: [K, S, A, M] int64.
        cumulative: [K, S, A, M] float64, running sum of the outcomes' probabilities.
        reward: [K, S, A] float64.
        terminal: [K, S, A, M] bool.
        start: [K, S] float64, running sum of the start distribution.
        task: [1, K] int64, 0 ... K-1, the index that picks each lane's own table.
    """

    successor: Tensor
    cumulative: Tensor
    reward: Tensor
    terminal: Tensor
    start: Tensor
    task: Tensor


class LaneState(NamedTuple):
    """Where every lane stands.

    Attributes:
        state: [R, K] int64, current state.
        steps: [R, K] int64, steps taken in the current episode.
        rewards: [R, K] float64, sum of the current episode's rewards, undiscounted.
    """

    state: Tensor
    steps: Tensor
    rewards: Tensor


class Transition(NamedTuple):
    """One step of every lane; every field is [R, K].

    Attributes:
        state: state the action was taken in.
        action: action taken.
        reward: what it paid.
        next_state: state it led to (before any reset).
        terminal: the episode is over, and `next_state` is worth nothing.
        truncated: the episode was cut at its step limit, and `next_state` is worth what it is worth.
        steps: length of the episode so far, this step included.
        rewards: sum of the episode's rewards so far, this one included.
    """

    state: Tensor
    action: Tensor
    reward: Tensor
    next_state: Tensor
    terminal: Tensor
    truncated: Tensor
    steps: Tensor
    rewards: Tensor

    @property
    def done(self) -> Tensor:
        """[R, K] bool, true where the episode ended one way or the other."""
        return self.terminal | self.truncated


def tables(tasks: Sequence[MDP], exploring_starts: bool = False, device: str = "cpu") -> Tables:
    """Prepares tasks for stepping.

    Args:
        tasks: K MDPs over the same states and actions.
        exploring_starts: start every episode in any state that can be acted in, all equally likely, instead of the task's own start.
        device: where the tables shall live.

    Raises:
        ValueError: an empty list, or tasks whose states or actions differ (see `mdp.stack`).
    """
    mdp = stack(tasks)
    start = mdp.start
    if exploring_starts:
        own = torch.arange(mdp.reward.shape[1]).view(1, -1, 1, 1)
        absorbing = (mdp.terminal & (mdp.successor == own)).all(-1).all(-1)
        start = (~absorbing).double() / (~absorbing).sum(-1, keepdim=True)
    arrays = (mdp.successor, mdp.probability.cumsum(-1), mdp.reward, mdp.terminal, start.cumsum(-1), torch.arange(len(tasks))[None])
    return Tables(*(array.to(device) for array in arrays))


def sample(cumulative: Tensor, uniform: Tensor) -> Tensor:
    """Draws an index from each distribution by inversion: the first index whose running sum exceeds the uniform number.

    Args:
        cumulative: [..., N], running sums of probabilities.
        uniform: [...], numbers in [0, 1).

    Returns:
        [...] int64. Where rounding leaves the last sum a hair below the number, the last index that has any probability is taken.
    """
    exceeds = cumulative > torch.minimum(uniform, cumulative[..., -1] * (1 - 1e-12)).unsqueeze(-1)
    return exceeds.int().argmax(-1)


def reset(tables: Tables, uniform: Tensor) -> LaneState:
    """Starts an episode in every lane.

    Args:
        tables: K tasks.
        uniform: [R, K], one number a lane.
    """
    state = sample(tables.start.expand(*uniform.shape, -1), uniform)
    return LaneState(state, torch.zeros_like(state), torch.zeros_like(uniform))


def step(tables: Tables, lanes: LaneState, action: Tensor, uniform: Tensor, max_steps: int) -> tuple[Transition, LaneState]:
    """Takes one action in every lane; where an episode ends, the next one starts at once.

    Args:
        tables: K tasks.
        lanes: where the lanes stand.
        action: [R, K] int64.
        uniform: [R, K, 2], the first for the outcome, the second for the start of the next episode.
        max_steps: the episode is cut (truncated, not terminal) when it is this long.

    Returns:
        What happened, and where the lanes stand now.
    """
    task, state = tables.task, lanes.state
    outcome = sample(tables.cumulative[task, state, action], uniform[..., 0])
    reward = tables.reward[task, state, action]
    next_state = tables.successor[task, state, action, outcome]
    terminal = tables.terminal[task, state, action, outcome]
    steps, rewards = lanes.steps + 1, lanes.rewards + reward
    transition = Transition(state, action, reward, next_state, terminal, ~terminal & (steps >= max_steps), steps, rewards)
    fresh = reset(tables, uniform[..., 1])
    done = transition.done
    going_on = LaneState(next_state, steps, rewards)
    return transition, LaneState(*(torch.where(done, new, old) for new, old in zip(fresh, going_on, strict=True)))


class EpisodeLog:
    """Collects the length and the return of every finished episode of [R, K] lanes."""

    def __init__(self, runs: int, tasks: int) -> None:
        """Starts with no episodes."""
        self._count = np.zeros((runs, tasks), dtype=np.int64)
        self._values = np.full((2, runs, tasks, 64), np.nan)

    def record(self, transition: Transition) -> None:
        """Notes the episodes that this step finished."""
        done = transition.done.cpu().numpy()
        if not done.any():
            return
        r, k = np.nonzero(done)
        if self._count.max() == self._values.shape[-1]:
            self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)], axis=-1)
        self._values[0, r, k, self._count[r, k]] = transition.steps.cpu().numpy()[r, k]
        self._values[1, r, k, self._count[r, k]] = transition.rewards.cpu().numpy()[r, k]
        self._count[r, k] += 1

    def durations(self) -> Tensor:
        """[R, K, E] float64, steps of each episode; E is the largest number of episodes of any lane, NaN where a lane had fewer."""
        return torch.from_numpy(self._values[0, ..., : self._count.max()].copy())

    def returns(self) -> Tensor:
        """[R, K, E] float64, undiscounted sum of each episode's rewards; NaN as in `durations`."""
        return torch.from_numpy(self._values[1, ..., : self._count.max()].copy())
