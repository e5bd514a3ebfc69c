"""Chapter 03: deep Q-learning (thesis 2.2.1, Algorithm 1), over lanes: replay memory, target network, terminal mask.

The thesis's line numbers below count the lines of its Algorithm 1 from "Initialize replay memory" on. A time-out is a truncation, not a
terminal: its target bootstraps. Reading it as a goal is one of the ablations that `Config` offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes, networks
from distral_lite.replay import Replay
from distral_lite.validation import Device, Fraction, Layers, Positive, Settings, Whole


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train`, the same for every lane."""

    steps: Whole = 20_000  # environment steps of every lane
    discount: Fraction = 0.99  # gamma
    learning_rate: Positive = 1e-3  # of Adam
    batch: Whole = 128  # transitions in a minibatch
    capacity: Whole = 10_000  # N, transitions held in the replay memory; 1, with batch 1, is learning without replay
    learning_starts: Whole = 500  # steps before the first update
    update_every: Whole = 1  # steps from one update to the next
    target_every: Whole = 200  # C, steps from one copy to the target network to the next; 1 is learning without a target network
    epsilon_start: Fraction = 1.0  # probability of a random action at the first step
    epsilon_end: Fraction = 0.05  # and from step epsilon_steps on
    epsilon_steps: Whole = 5_000  # steps of the straight line between them
    hidden: Layers | None = networks.THESIS_HIDDEN  # units of the hidden layers; None: a table, where states are numbered
    clip_norm: Positive | None = 10.0  # longest gradient of a lane; None: any
    timeouts_are_goals: bool = False  # an ablation: True stores a time-out as if the episode had ended
    max_episode_steps: Whole = 1000  # an episode is cut here, if the environment does not cut it before
    exploring_starts: bool = False  # start episodes anywhere (tables only)
    snapshots: Whole = 20  # copies of the network kept for the history, equally spaced in steps
    device: Device = "cpu"  # where the tensors live

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.snapshots > self.steps:
            self.refuse("snapshots", f"at most one a step ({self.steps})")


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        network: parameters [R, K, ...] of the action values.
    """

    network: networks.MLP | networks.Table


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, E] float64, steps of each finished episode, NaN where a lane finished fewer.
        returns: [R, K, E] float64, undiscounted return of each finished episode, NaN likewise.
        snapshot_steps: [T] int64, environment steps after which the network was copied, 0 first.
        checkpoints: the T copies. (`networks.best` chooses among them.)
        snapshots: [R, K, T, S, A] float32, their values of all states; None where states are not numbered.
    """

    durations: Tensor
    returns: Tensor
    snapshot_steps: Tensor
    checkpoints: tuple[networks.MLP | networks.Table, ...]
    snapshots: Tensor | None


class Run(NamedTuple):
    """The result of `train`."""

    agent: Agent
    history: History


def epsilon_at(step: int, config: Config) -> float:
    """The probability of a random action: from `epsilon_start` at step 0 in a straight line to `epsilon_end` at `epsilon_steps`."""
    done = min(step / config.epsilon_steps, 1.0)
    return config.epsilon_start + done * (config.epsilon_end - config.epsilon_start)


def act(q: Tensor, epsilon: float, uniform: Tensor) -> Tensor:
    """With probability epsilon a random action, otherwise the one of largest value (lines 7 and 8).

    Args:
        q: [..., A], action values.
        epsilon: from 0 to 1.
        uniform: [..., 2], numbers in [0, 1): the first decides whether to explore, the second which action to take then.

    Returns:
        [...] int64.
    """
    explore, which = uniform.unbind(-1)
    return torch.where(explore < epsilon, (which * q.shape[-1]).long(), q.argmax(-1))


def td_target(reward: Tensor, discount: Tensor, q_next: Tensor) -> Tensor:
    """The target (line 13): y = r + gamma * max_a Q^(s', a), and y = r where the episode ended. No gradient flows through it.

    Args:
        reward: [...], in units of reward.
        discount: [...], gamma * (1 - terminal): a time-out keeps its gamma.
        q_next: [..., A], the target network's values of the next observation.

    Returns:
        [...], in units of reward.
    """
    return (reward + discount * q_next.amax(-1)).detach()


def loss(q: Tensor, action: Tensor, target: Tensor) -> Tensor:
    """What line 14 descends: the mean over the minibatch of (y - Q(s, a))^2.

    Args:
        q: [..., B, A], the network's values of the observations.
        action: [..., B] int64, what was done.
        target: [..., B], y.

    Returns:
        [...], one number a lane. Sum them, do not average them, before `backward`: a lane's step must not depend on how many there are.
    """
    chosen = q.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return (target - chosen).square().mean(-1)


class ActionValues:
    """A network as a function from observations to action values, which can descend a loss made of them.

    Here, and only here, it is decided how observations are evaluated. Features are evaluated one by one. Where states are numbered, all S
    of them are evaluated at once and looked up: until the parameters change, acting, the minibatch and its gradient share that evaluation.

    Args:
        network: parameters [R, K, ...].
        features: [K, S, N], `World.features`; None where observations are features themselves.
        learning_rate: Adam's; None for a target network.
        clip_norm: longest gradient of a lane; None: any.

    Attributes:
        parameters: the network's numbers, a copy, in one piece.
    """

    def __init__(
        self,
        network: networks.MLP | networks.Table,
        features: Tensor | None,
        learning_rate: float | None = None,
        clip_norm: float | None = None,
    ) -> None:
        """Copies the network and evaluates all states, where there are."""
        self._by_hand = networks.ByHand(network, learning_rate, clip_norm)
        self.parameters, self.network = self._by_hand.parameters, self._by_hand.network
        self._features = None if features is None else features.expand(*self.parameters.rows.shape[:2], -1, -1)
        self.renew()

    def renew(self) -> None:
        """To be called when the parameters have changed."""
        if self._features is not None:
            self._values = self._by_hand(self._features)

    def __call__(self, observation: Tensor) -> Tensor:
        """The values [R, K, B, A] of observations [R, K, B, N] or state numbers [R, K, B]."""
        return self._by_hand(observation) if self._features is None else networks.at(self._values, observation)

    def backward(self, loss: Tensor) -> None:
        """Sets the parameters' `grad` to the derivative of the sum of a loss [R, K] that is made of the values last returned."""
        self._by_hand.backward(loss)

    def descend(self, loss: Tensor) -> None:
        """One step down the sum of a loss [R, K] that is made of the values last returned, each lane by itself."""
        self._by_hand.descend(loss)
        self.renew()


@lanes.checked
def train(
    tasks: Sequence[Any], config: Config, seeds: Sequence[int], task_ids: Sequence[int] | None = None, progress: bool = False
) -> Run:
    """Deep Q-learning (the thesis's Algorithm 1), every lane by itself and all of them together.

    Args:
        tasks: K MDPs over the same states and actions, or K `gym_bridge.GymTask`s with the same spaces and numbered actions.
        config: settings.
        seeds: R different integers, one a run.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None. A lane is the same lane,
            alone or among others, when its seed and its task's number are.
        progress: show a progress bar.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: tasks that do not fit together, continuous actions, a table where states are not numbered, a reward that is not finite.
    """
    world = lanes.make_world(tasks, seeds, task_ids, config.max_episode_steps, config.exploring_starts, config.device)
    lanes.check_numbered("dqn.train", world, states=False)
    network = _initial_network(world, config, lanes.LaneRandom(seeds, task_ids, stream=2, device=config.device))  # line 2
    q = ActionValues(network, world.features, config.learning_rate, config.clip_norm)
    q_target = ActionValues(network, world.features)  # line 3: theta^- = theta
    random, log = lanes.LaneRandom(seeds, task_ids, stream=1, device=config.device), lanes.EpisodeLog(world.runs, world.tasks)
    kept = {0: q.network()}
    wanted = {round(config.steps * i / config.snapshots) for i in range(1, config.snapshots + 1)}
    observation = world.reset()  # line 5
    memory = Replay(config.capacity, observation)  # line 1
    try:
        for t in trange(1, config.steps + 1, disable=not progress):  # lines 4 and 6: episode after episode, step after step
            action = act(q(observation.unsqueeze(2)).detach().squeeze(2), epsilon_at(t - 1, config), random.uniform(2))  # lines 7 and 8
            seen = world.step(action)  # line 9; line 10, preprocessing, is the world's business
            ended = seen.done if config.timeouts_are_goals else seen.terminal
            memory.add(observation, action, seen.reward, seen.next_observation, ended)  # line 11
            if t >= config.learning_starts and t % config.update_every == 0:
                batch = memory.sample(random.uniform(config.batch))  # line 12
                y = td_target(batch.reward, config.discount * ~batch.terminal, q_target(batch.next_observation))  # line 13
                q.descend(loss(q(batch.observation), batch.action, y))  # line 14
            if t % config.target_every == 0:  # line 15: every C steps
                networks.copy_into(q_target.parameters, q.parameters)
                q_target.renew()
            log.record(seen)
            observation = seen.observation
            if t in wanted:
                kept[t] = q.network()
    except KeyboardInterrupt:
        kept[memory.count] = q.network()
    return _run(kept, log, world.features)


def _initial_network(world: lanes.World, config: Config, random: lanes.LaneRandom) -> networks.MLP | networks.Table:
    """Action values with random parameters, or a table of zeros."""
    if config.hidden is not None:
        return networks.mlp((world.feature_count, *config.hidden, world.actions), random.uniform)
    if world.features is None:
        raise ValueError("dqn.train: config.hidden is None (a table), wanted the units of hidden layers: these states are not numbered")
    return networks.table(world.runs, world.tasks, world.features.shape[1], world.actions, device=config.device)


def _run(kept: dict[int, Any], log: lanes.EpisodeLog, features: Tensor | None) -> Run:
    """Puts the results together."""
    checkpoints = tuple(kept.values())
    snapshots = None if features is None else torch.stack([networks.on_states(network, features) for network in checkpoints], dim=2)
    history = History(log.durations(), log.returns(), torch.tensor(list(kept)), checkpoints, snapshots)
    return Run(Agent(checkpoints[-1]), history)
