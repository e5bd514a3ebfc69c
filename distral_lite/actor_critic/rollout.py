"""What the two training loops share: lanes of several environments, and the record of a run.

A lane may act in several environments at once, all with the same parameters: their steps make one minibatch. Arrays of a lane's steps are
[R, K, E, T]: E environments, T steps of a rollout. The world has an axis R * E instead, run after run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from distral_lite import lanes, networks
from distral_lite.actor_critic.state import Agent, Config, History, Run


class Rollout(NamedTuple):
    """T steps of all environments; every field is [R, K, E, T], observations may have features [..., N] behind.

    Attributes:
        observation: S_t.
        action: A_t.
        reward: R_{t+1}.
        next_observation: S_{t+1}, before any reset.
        terminal: S_{t+1} is terminal.
        truncated: the episode was cut after this step.
        weight: I, which is gamma^t at age t of the episode, or 1 throughout.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    next_observation: Tensor
    terminal: Tensor
    truncated: Tensor
    weight: Tensor


def begin(tasks: Sequence[Any], config: Config, seeds: Sequence[int], task_ids: Sequence[int], outputs: int | None) -> tuple[Any, ...]:
    """Makes the world, the networks, the function that improves them, and the keeper of the run's record.

    Args:
        tasks: as for `train`.
        config: settings.
        seeds: R integers; environment e of run r has the seed `seeds[r] * E + e`, so no two share one.
        task_ids: K integers.
        outputs: of the critic; None: one an action.

    Raises:
        ValueError: as `train`.
    """
    E = config.environments
    own = [seed * E + e for seed in seeds for e in range(E)]
    world = lanes.make_world(tasks, own, task_ids, config.max_episode_steps, config.exploring_starts, config.device)
    lanes.check_numbered("actor_critic.train", world, states=False)
    random = lanes.LaneRandom(seeds, task_ids, stream=2, device=config.device)
    outputs = world.actions if outputs is None else outputs
    if config.hidden is not None:
        actor = networks.mlp((world.feature_count, *config.hidden, world.actions), random.uniform, last_gain=0.01)  # nearly uniform
        critic = networks.mlp((world.feature_count, *config.hidden, outputs), random.uniform)
    elif world.features is None:
        raise ValueError("actor_critic: config.hidden is None (tables), wanted the units of hidden layers: these states are not numbered")
    else:
        shape = (len(seeds), len(tasks), world.features.shape[1])
        actor, critic = (networks.table(*shape, size, device=config.device) for size in (world.actions, outputs))
    return world, actor, critic, _improver(actor, critic, config), Keeper(Agent(actor, critic), config, len(seeds), world.features)


def _improver(actor: networks.Network, critic: networks.Network, config: Config) -> Callable[[Tensor], None]:
    """A function that takes the sum of the lanes' losses and descends it, each lane by itself."""
    optimisers = []
    for network, rate in ((actor, config.actor_rate), (critic, config.critic_rate)):
        if config.optimiser == "adam":
            optimisers.append(networks.adam(network, rate))
        else:
            tensors = [tensor.requires_grad_() for tensor in networks.parameters(network)]
            plain = config.optimiser == "sgd"
            optimisers.append(torch.optim.SGD(tensors, rate) if plain else torch.optim.RMSprop(tensors, rate, eps=1e-5))

    def improve(loss: Tensor) -> None:
        for optimiser in optimisers:
            optimiser.zero_grad()
        loss.backward()
        if config.clip_norm is not None:
            networks.clip_gradients(actor, config.clip_norm)
            networks.clip_gradients(critic, config.clip_norm)
        for optimiser in optimisers:
            optimiser.step()

    return improve


def by_lane(array: Tensor, environments: int) -> Tensor:
    """[R * E, K, ...] of the world to [R, K, E, ...] of the lanes."""
    return array.unflatten(0, (-1, environments)).transpose(1, 2)


def by_run(array: Tensor) -> Tensor:
    """[R, K, E] of the lanes to [R * E, K] of the world."""
    return array.transpose(1, 2).flatten(0, 1)


def rollout(steps: Sequence[tuple[Tensor, Tensor, lanes.Step, Tensor]], environments: int) -> Rollout:
    """Puts T steps together, each (observation, action, what was seen, I)."""
    observations, actions, seen, weights = zip(*steps, strict=True)
    fields = ("reward", "next_observation", "terminal", "truncated")
    reward, following, terminal, truncated = ([by_lane(getattr(step, field), environments) for step in seen] for field in fields)
    return Rollout(*(torch.stack(field, dim=3) for field in (observations, actions, reward, following, terminal, truncated, weights)))


class Keeper:
    """Keeps the record of a run: episodes, and copies of the networks at equal distances."""

    def __init__(self, agent: Agent, config: Config, runs: int, features: Tensor | None) -> None:
        """Copies the networks as they begin."""
        tasks = networks.parameters(agent.actor)[0].shape[1]
        self._agent, self._config, self._features, self._update = agent, config, features, 0
        self._log, self._kept = lanes.EpisodeLog(runs, tasks, config.environments), {0: self._copy()}
        self._wanted = {round(config.updates * i / config.snapshots) for i in range(1, config.snapshots + 1)}

    def _copy(self) -> Agent:
        return Agent(*(networks.copy(network) for network in self._agent))

    def log(self, seen: lanes.Step) -> None:
        """Notes the episodes that this step of the world finished."""
        self._log.record(seen)

    def keep(self, update: int) -> None:
        """Copies the networks after this update if it is time to."""
        self._update = update
        if update in self._wanted:
            self.stop()

    def stop(self) -> None:
        """Copies the networks as they are now."""
        self._kept[self._update * self._config.environments * self._config.horizon] = self._copy()

    def run(self) -> Run:
        """Puts the results together."""
        agents, policies, values = list(self._kept.values()), None, None
        if self._features is not None:
            logits, values = (
                torch.stack([networks.on_states(network, self._features) for network in copies], dim=2)
                for copies in zip(*agents, strict=True)
            )
            policies = logits.softmax(-1)
        actors = tuple(agent.actor for agent in agents)
        durations, returns = self._log.durations(), self._log.returns()
        return Run(agents[-1], History(durations, returns, torch.tensor(list(self._kept)), actors, policies, values))
