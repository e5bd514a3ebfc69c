"""Settings of the soft actor-critic, what it returns, and what its two forms share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from distral_lite import lanes, networks
from distral_lite.validation import Device, Fraction, Layers, Positive, Settings, Whole


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train` and `train_discrete`, the same for every lane.

    No setting but `steps` knows how long the run is: a shorter run is the beginning of a longer one.
    """

    steps: Whole = 10_000  # environment steps of every lane
    discount: Fraction = 0.99  # gamma
    kappa: Positive = 0.2  # temperature, the price of a nat, in units of (scaled) reward; 1 / beta of chapter 06. (A.3 calls it alpha.)
    reward_scale: Positive = 1.0  # rewards are learned from times this: c is the same as kappa / c, with values c times as large
    learning_rate: Positive = 1e-3  # of Adam, for the policy, both Q and V
    rho: Fraction = 0.995  # share of the target network that an update keeps (line 16)
    batch: Whole = 128  # |B|, transitions in a minibatch
    capacity: Whole = 100_000  # transitions held in the replay buffer D
    learning_starts: Whole = 500  # steps before the first update
    update_every: Whole = 1  # steps from one time to update to the next (line 9)
    updates: Whole = 1  # updates each time (line 10)
    hidden: Layers | None = (64, 64)  # units of the hidden layers; None: tables (discrete form, where states are numbered)
    max_episode_steps: Whole = 1000  # an episode is cut here, if the environment does not cut it before
    exploring_starts: bool = False  # start episodes anywhere (tables only)
    snapshots: Whole = 20  # copies of the policy kept for the history, equally spaced in steps
    device: Device = "cpu"  # where the tensors live

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.snapshots > self.steps:
            self.refuse("snapshots", f"at most one a step ({self.steps})")


# The settings of the stored runs on Pendulum-v1. Its rewards lie between -16.3 and 0: times 0.1, V lies between -163 and a little above 0,
# which networks can follow. A nat is then worth kappa / reward_scale = 0.5 of the environment's reward.
PENDULUM = Config(steps=10_000, kappa=0.05, reward_scale=0.1, learning_rate=2e-3, rho=0.99, batch=128, hidden=(64, 64))


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        policy: parameters theta, [R, K, ...]; outputs are mean and x of `gaussian`, or the logits of A actions.
        q: parameters phi_1 and phi_2, [2, R, K, ...]; one output for observation and action together, or A of them.
        value: parameters psi, [R, K, ...]; one output.
    """

    policy: networks.MLP | networks.Table
    q: networks.MLP | networks.Table
    value: networks.MLP | networks.Table


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, E] float64, steps of each finished episode, NaN where a lane finished fewer.
        returns: [R, K, E] float64, undiscounted return of each finished episode, in the environment's rewards, NaN likewise.
        snapshot_steps: [T] int64, environment steps after which the policy was copied, 0 first.
        checkpoints: the T copies of the policy.
        snapshots: [R, K, T, S, A] float32, their log-probabilities in all states; None where actions or states are not numbered.
    """

    durations: Tensor
    returns: Tensor
    snapshot_steps: Tensor
    checkpoints: tuple[networks.MLP | networks.Table, ...]
    snapshots: Tensor | None


class Run(NamedTuple):
    """The result of `train` and `train_discrete`."""

    agent: Agent
    history: History


def q_target(reward: Tensor, discount: Tensor, next_value: Tensor) -> Tensor:
    """The target of both Q (line 12; 2.58, and 2.60 with the target network V_psi_targ): y_q = r + gamma (1 - d) V_targ(s').

    Args:
        reward: [...], in units of (scaled) reward.
        discount: [...], gamma * (1 - terminal): a time-out keeps its gamma.
        next_value: [...], what the target network says of the next observation.

    Returns:
        [...], likewise. No gradient flows through it.
    """
    return (reward + discount * next_value).detach()


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """What lines 13 and 14 descend (2.59, 2.60): the mean over the minibatch of (prediction - y)^2; [..., B] twice -> [...].

    One number a lane, and for Q one a network. Sum them, do not average them, before `descend`.
    """
    return (prediction - target).square().mean(-1)


def polyak(target: networks.Network, source: networks.Network, rho: float) -> None:
    """Moves the target network towards the learned one (line 16): psi_targ <- rho psi_targ + (1 - rho) psi, in place."""
    with torch.no_grad():
        networks.each(lambda old, new: old.mul_(rho).add_(new, alpha=1 - rho), target, source)


def descend(network: networks.Network, optimiser: networks.Adam, loss: Tensor) -> None:
    """One step of the optimiser down the loss, a number a lane, with respect to this network alone, whatever else the loss went through."""
    tensors = networks.parameters(network)
    for tensor, gradient in zip(tensors, torch.autograd.grad(loss.sum(), tensors), strict=True):
        tensor.grad = gradient
    optimiser.step()


def new_agent(make: Callable[[int, int], networks.Network], policy: tuple[int, int], q: tuple[int, int], value: tuple[int, int]) -> Agent:
    """Line 1: a policy, two Q that differ, and a V, each made by `make(inputs, outputs)`."""
    twins = networks.each(lambda *pair: torch.stack(pair), make(*q), make(*q))
    return Agent(make(*policy), twins, make(*value))


class Keeper:
    """Keeps the record of a run: episodes, and copies of the policy at equal distances."""

    def __init__(self, agent: Agent, config: Config, world: lanes.World) -> None:
        """Copies the policy as it begins."""
        self._agent, self._log = agent, lanes.EpisodeLog(world.runs, world.tasks)
        self._kept = {0: networks.copy(agent.policy)}
        self._wanted = {round(config.steps * i / config.snapshots) for i in range(1, config.snapshots + 1)}

    def keep(self, t: int, seen: lanes.Step) -> None:
        """Notes the episodes that step t finished, and copies the policy if it is time to."""
        self._log.record(seen)
        if t in self._wanted:
            self.stop(t)

    def stop(self, t: int) -> None:
        """Copies the policy as it is after step t."""
        self._kept[t] = networks.copy(self._agent.policy)

    def run(self, features: Tensor | None = None) -> Run:
        """Puts the results together; `features` [K, S, N] where states and actions are numbered."""
        copies = tuple(self._kept.values())
        outputs = None if features is None else torch.stack([networks.on_states(network, features) for network in copies], dim=2)
        snapshots = None if outputs is None else outputs.log_softmax(-1)
        history = History(self._log.durations(), self._log.returns(), torch.tensor(list(self._kept)), copies, snapshots)
        return Run(Agent(*(networks.copy(network) for network in self._agent)), history)


def random_streams(
    seeds: Sequence[int], task_ids: Sequence[int], device: str
) -> tuple[lanes.LaneRandom, lanes.LaneRandom, lanes.LaneRandom]:
    """The lanes' random numbers: for acting, for minibatches, for the first parameters."""
    acting, learning, first = (lanes.LaneRandom(seeds, task_ids, stream=stream, device=device) for stream in (1, 2, 3))
    return acting, learning, first
