"""Settings of A3C, what it returns, and what its processes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distral_lite import lanes, networks
from distral_lite.validation import Fraction, Layers, NotNegative, Positive, Settings, Whole

WAIT, WORK, STOP = range(3)  # phases


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train`, the same for every lane."""

    steps: Whole = 50_000  # T_max, environment steps of every lane, of all workers together
    workers: Whole = 2  # processes
    discount: Fraction = 0.99  # gamma
    horizon: Whole = 5  # t_max, most steps between two updates of a worker
    actor_rate: Positive = 1e-2  # RMSprop's step size for theta
    critic_rate: Positive = 1e-2  # and for theta_v
    decay: Fraction = 0.99  # of RMSprop's average of squared gradients
    entropy_bonus: NotNegative = 0.01  # weight of the policy's entropy, in units of reward / nat
    hidden: Layers | None = None  # units of the hidden layers of actor and critic; None: tables, where states are numbered
    max_episode_steps: Whole = 1000  # an episode is cut here, if the environment does not cut it before
    exploring_starts: bool = False  # start episodes anywhere (tables only)
    snapshots: Whole = 20  # copies of actor and critic that are tried for, equally spaced in steps


class Agent(NamedTuple):
    """What the workers have learned together.

    Attributes:
        actor: theta, parameters [R, K, ...]; outputs are the logits of pi(a | s).
        critic: theta_v, parameters [R, K, ...]; its one output is V(s).
    """

    actor: networks.MLP | networks.Table
    critic: networks.MLP | networks.Table


class History(NamedTuple):
    """What happened on the way. U is the number of updates of all workers together.

    Attributes:
        durations: [R, K, N] float64, steps of the episodes that ended, ordered by how many steps their worker had taken; NaN where a
            lane finished fewer.
        returns: [R, K, N] float64, their undiscounted returns.
        update_steps: [U] int64, T when each update was made, in order.
        update_workers: [U] int64, who made it.
        staleness: [U] int64, updates of the other workers between its worker's last synchronisation and itself.
        snapshot_steps: [S] int64, T when the shared parameters were copied: 0, about as wanted, and at the end.
        actors: the copies of the actor. (`networks.best` chooses among them.)
        policies: [R, K, S, states, A] float32, their probabilities; None where states are not numbered.
    """

    durations: Tensor
    returns: Tensor
    update_steps: Tensor
    update_workers: Tensor
    staleness: Tensor
    snapshot_steps: Tensor
    actors: tuple[networks.MLP | networks.Table, ...]
    policies: Tensor | None


class Run(NamedTuple):
    """The result of `train`."""

    agent: Agent
    history: History


class Shared(NamedTuple):
    """What lies in shared memory. Counters have one cell a worker, which it alone writes: no lock, and no count is lost.

    Attributes:
        agent: theta and theta_v.
        squares: RMSprop's averages of squared gradients, shaped as `agent`.
        steps: [workers] int64; their sum is T.
        updates: [workers] int64.
        phase: [1] int64: WAIT, WORK or STOP.
    """

    agent: Agent
    squares: Agent
    steps: Tensor
    updates: Tensor
    phase: Tensor


class Record(NamedTuple):
    """What a worker sends home at the end: NumPy arrays, so that the message holds all of it."""

    durations: np.ndarray
    returns: np.ndarray
    update_steps: list[int]
    staleness: list[int]


def share(world: lanes.World, config: Config, random: lanes.LaneRandom) -> Shared:
    """Makes the parameters and puts them, with averages and counters of zero, into shared memory."""
    if config.hidden is not None:
        actor = networks.mlp((world.feature_count, *config.hidden, world.actions), random.uniform, last_gain=0.01)  # nearly uniform
        critic = networks.mlp((world.feature_count, *config.hidden, 1), random.uniform)
    elif world.features is None:
        raise ValueError("a3c.train: config.hidden is None (tables), wanted the units of hidden layers: these states are not numbered")
    else:
        actor, critic = (networks.table(world.runs, world.tasks, world.features.shape[1], size) for size in (world.actions, 1))
    squares = (networks.each(torch.zeros_like, network) for network in (actor, critic))
    counters = (torch.zeros(size, dtype=torch.int64) for size in (config.workers, config.workers, 1))
    shared = Shared(Agent(actor, critic), Agent(*squares), *counters)
    for tensor in (*tensors(shared.agent), *tensors(shared.squares), shared.steps, shared.updates, shared.phase):
        tensor.share_memory_()
    return shared


def tensors(agent: Agent) -> list[Tensor]:
    """All tensors of an agent, the actor's first."""
    return [tensor for network in agent for tensor in networks.parameters(network)]
