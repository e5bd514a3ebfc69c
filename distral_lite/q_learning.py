"""Chapter 02: tabular Q-learning (thesis 2.17 and its pseudocode), over lanes.

The update, the exploration and the loop are separate functions, so that each can be read and tested by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes
from distral_lite.mdp import MDP
from distral_lite.validation import Finite, Fraction, NotNegative, PerTask, Settings, Whole


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train`. Where a tensor is allowed, it holds one number a task: a sweep of settings is a list of equal tasks."""

    steps: Whole = 20_000  # environment steps of every lane
    discount: Fraction = 0.99  # gamma
    learning_rate: Fraction | PerTask = 0.5  # alpha of (2.17), or [K]
    decay: NotNegative | PerTask = 0.0  # the n-th update of a state-action pair uses learning_rate / n ** decay; or [K]
    epsilon: Fraction | PerTask = 0.1  # probability of a random action, or [K]
    initial_value: Finite = 0.0  # Q before any update, in units of reward
    max_episode_steps: Whole = 1000  # an episode is cut here (and bootstraps: it is a truncation)
    exploring_starts: bool = False  # start episodes anywhere instead of at the task's start
    snapshots: Whole = 100  # copies of Q kept for the history, equally spaced in steps

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.snapshots > self.steps:
            self.refuse("snapshots", f"at most one a step ({self.steps})")


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        q: [R, K, S, A] float64, action values.
        updates: [R, K, S, A] int64, how often each was updated.
    """

    q: Tensor
    updates: Tensor


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, E] float64, steps of each finished episode, NaN where a lane finished fewer.
        returns: [R, K, E] float64, undiscounted return of each finished episode, NaN likewise.
        snapshot_steps: [T] int64, environment steps after which the table was copied, 0 first.
        snapshots: [R, K, T, S, A] float64, the copies.
    """

    durations: Tensor
    returns: Tensor
    snapshot_steps: Tensor
    snapshots: Tensor


class Run(NamedTuple):
    """The result of `train`."""

    agent: Agent
    history: History


def q_target(reward: Tensor, discount: Tensor, q_next: Tensor) -> Tensor:
    """The target of Q-learning (2.17): R_{t+1} + gamma * max_a Q(S_{t+1}, a).

    Args:
        reward: [...].
        discount: [...], gamma where the episode goes on and 0 where it ended: gamma * (1 - terminal). A time-out does not end it.
        q_next: [..., A], action values of the next state.

    Returns:
        [...], in units of reward.
    """
    return reward + discount * q_next.max(-1).values


def update(q: Tensor, target: Tensor, learning_rate: Tensor | float) -> Tensor:
    """Moves values towards their targets (2.17): Q + alpha * (target - Q). All of one shape [...]; returns the new values."""
    return q + learning_rate * (target - q)


def epsilon_greedy(q: Tensor, epsilon: Tensor | float) -> Tensor:
    """The epsilon-greedy policy as probabilities: epsilon / A each, and 1 - epsilon shared by the actions of largest value.

    Args:
        q: [..., A], action values.
        epsilon: [...] or a number, probability of acting at random.

    Returns:
        [..., A], probabilities.
    """
    epsilon = torch.as_tensor(epsilon, dtype=q.dtype, device=q.device).unsqueeze(-1)
    best = (q == q.max(-1, keepdim=True).values).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(-1, keepdim=True)


def q_error(snapshots: Tensor, q_star: Tensor, weight: Tensor) -> Tensor:
    """Distance of learned action values from the exact ones: max over (s, a) of weight(s, a) * |Q - Q*|.

    Args:
        snapshots: [..., S, A], learned.
        q_star: [S, A], exact, or any shape that broadcasts against `snapshots`.
        weight: [S, A] of zeros and ones: which pairs count (those that the behaviour can meet, say).

    Returns:
        [...], in units of reward.
    """
    return (weight * (snapshots - q_star).abs()).flatten(-2).max(-1).values


@lanes.checked
def train(
    tasks: Sequence[MDP], config: Config, seeds: Sequence[int], task_ids: Sequence[int] | None = None, progress: bool = False
) -> Run:
    """Q-learning (the thesis's box), every lane by itself and all of them together.

    Args:
        tasks: K MDPs over the same states and actions.
        config: settings.
        seeds: R different integers, one a run.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None. A lane is the same lane,
            alone or among others, when its seed and its task's number are.
        progress: show a progress bar.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: tasks that differ in states or actions, seeds given twice, bad settings.
    """
    world = lanes.make_world(tasks, seeds, task_ids, config.max_episode_steps, config.exploring_starts)
    lanes.check_numbered("q_learning.train", world)
    random = lanes.LaneRandom(seeds, task_ids, stream=1)
    R, K, S, A = world.runs, world.tasks, world.states, world.actions
    q = torch.full((R, K, S, A), config.initial_value, dtype=torch.float64)  # Initialize Q(s, a)
    updates = torch.zeros(R, K, S, A, dtype=torch.int64)
    run, task = torch.arange(R)[:, None], torch.arange(K)
    log, kept = lanes.EpisodeLog(R, K), [(0, q.clone())]
    wanted = {round(config.steps * i / config.snapshots) for i in range(1, config.snapshots + 1)}
    state = world.reset()  # Initialize S
    try:
        for t in trange(1, config.steps + 1, disable=not progress):
            behaviour = epsilon_greedy(q[run, task, state], config.epsilon)
            action = lanes.sample(behaviour.cumsum(-1), random.uniform(1)[..., 0])  # Choose A from S using policy derived from Q
            seen = world.step(action)  # Take action A, observe R, S'
            place = (run, task, state, action)
            updates[place] += 1
            rate = config.learning_rate / updates[place].double() ** config.decay
            target = q_target(seen.reward, config.discount * (~seen.terminal).double(), q[run, task, seen.next_observation])
            q[place] = update(q[place], target, rate)  # Q(S, A) <- Q(S, A) + alpha [...]
            log.record(seen)
            state = seen.observation  # S <- S'
            if t in wanted:
                kept.append((t, q.clone()))
    except KeyboardInterrupt:
        kept.append((int(updates[0, 0].sum()), q.clone()))  # every lane has updated as often: once a step
    snapshot_steps, snapshots = zip(*kept, strict=True)
    history = History(log.durations(), log.returns(), torch.tensor(snapshot_steps), torch.stack(snapshots, dim=2))
    return Run(Agent(q, updates), history)
