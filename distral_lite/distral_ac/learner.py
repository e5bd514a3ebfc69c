"""The parameters of all lanes, what they say of policies and values, and the record of a run."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distral_lite import lanes, networks, soft
from distral_lite.distral import distilled_policy, one_column_policy, regularised_values, two_column_policy
from distral_lite.distral_ac.episodes import Batch
from distral_lite.distral_ac.state import Agent, Config, History, Run
from distral_lite.mdp import MDP, stack


def policies(f: Tensor, h: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """Logs of the distilled policy (2.64), [R, 1, S, A], and of the task policies, (2.63) with beta' or (2.66), [R, K, S, A].

    Args:
        f: [R, K, S, A], the tasks' preferences.
        h: [R, 1, S, A], the distilled preferences; all zero where nothing is shared.
        config: `columns`, `alpha`, `beta` and `beta_prime` are used.
    """
    if config.columns == 2:
        return distilled_policy(h), two_column_policy(h, f, config.alpha, config.beta)
    return distilled_policy(h), one_column_policy(f, temperature(f, config).unsqueeze(-1).unsqueeze(-1))


def temperature(f: Tensor, config: Config) -> Tensor:
    """By how much f is multiplied in the task policy, beta or beta': [1, 1], or [R, 1] where every run has its own beta'."""
    number = config.beta if config.columns == 2 else config.beta_prime
    return torch.as_tensor(number, dtype=f.dtype, device=f.device).reshape(-1, 1)


def soft_value_of(f: Tensor, h: Tensor, config: Config) -> Tensor:
    """The critic that f itself is (`config.critic` "f"): its soft value, [R, K, S], at the temperature by which f acts.

    Two columns: (1 / beta) log sum_a pi_0^alpha exp(beta f), see (2.67). One column: (1 / beta') log sum_a exp(beta' f). Either way f is
    a policy and one number more for each state, which the policy does not feel; that number is V. No gradient flows to h.
    """
    prior = distilled_policy(h.detach()).expand_as(f)
    if config.columns == 2:
        return soft.soft_value(f, prior, config.alpha, config.beta)
    return soft.soft_value(f, prior, 0.0, temperature(f, config).unsqueeze(-1))


class Learner:
    """The parameters of all lanes, and their optimisers.

    Args:
        f: the tasks' preferences, [R, K, ...].
        h: the distilled preferences, [R, 1, ...].
        critic: V, [R, K, ...]; None where f is the critic.
        features: [K, S, N], what networks see of the states.
        config: settings.
    """

    def __init__(
        self,
        f: networks.MLP | networks.Table,
        h: networks.MLP | networks.Table,
        critic: networks.MLP | networks.Table | None,
        features: Tensor,
        config: Config,
    ) -> None:
        """Switches gradients on for what learns."""
        self._f, self._h, self._critic, self._features, self._config = f, h, critic, features, config
        rates = ((f, config.learning_rate), (h, config.distil_rate if config.distil else None), (critic, config.critic_rate))
        self._adams = [networks.adam(network, rate) for network, rate in rates if network is not None and rate is not None]

    def preferences(self) -> tuple[Tensor, Tensor]:
        """The preferences f [R, K, S, A] and h [R, 1, S, A] in all states, differentiable."""
        return networks.on_states(self._f, self._features), networks.on_states(self._h, self._features[:1])

    def value(self, f: Tensor, h: Tensor) -> Tensor:
        """V [R, K, S] in all states, differentiable."""
        if self._critic is None:
            return soft_value_of(f, h, self._config)
        return networks.on_states(self._critic, self._features).squeeze(-1)

    def descend(self, loss: Tensor) -> None:
        """One step of every optimiser down the sum of the lanes' losses."""
        for adam in self._adams:
            adam.zero_grad()
        loss.backward()
        for adam in self._adams:
            adam.step()


def begin(
    tasks: Sequence[MDP], config: Config, seeds: Sequence[int], task_ids: Sequence[int], critic: bool = True
) -> tuple[MDP, Learner]:
    """The stacked tasks, and networks with random weights or tables of zeros; preferences h that do not learn are zero too.

    Args:
        tasks: as for `train`.
        config: settings.
        seeds: as for `train`.
        task_ids: as for `train`.
        critic: whether there is to be a separate critic, if the settings want one.

    Raises:
        ValueError: as `train`.
    """
    if not isinstance(tasks[0], MDP):
        raise ValueError(f"distral_ac.train: tasks are {type(tasks[0]).__name__}, wanted MDPs: it plays whole episodes in their tables")
    world = stack(tasks)
    world = MDP(*(array.to(config.device) for array in world))
    of_tasks = lanes.LaneRandom(seeds, task_ids, stream=3, device=config.device)
    of_runs = lanes.LaneRandom(seeds, [0], stream=4, device=config.device)
    states, actions = world.reward.shape[-2:]
    outputs = (actions, actions, 1)
    if config.hidden is None:
        sizes = ((len(tasks), actions), (1, actions), (len(tasks), 1))
        made = [networks.table(len(seeds), count, states, size, device=config.device) for count, size in sizes]
    else:
        draws = (of_tasks.uniform, of_runs.uniform, of_tasks.uniform)
        layers = (world.features.shape[-1], *config.hidden)
        made = [networks.mlp((*layers, size), draw) for size, draw in zip(outputs, draws, strict=True)]
        if not config.distil:
            made[1] = networks.table(len(seeds), 1, states, actions, device=config.device)
    f, h, v = made
    return world, Learner(f, h, v if critic and config.critic == "separate" else None, world.features, config)


class Keeper:
    """Keeps the record of a run: episodes, and copies of the policies at equal distances.

    Args:
        world: K tasks, stacked.
        learner: whose policies are kept.
        config: settings.
        exact: give the exact values of the policies as the agent's, and not what a critic says.
    """

    def __init__(self, world: MDP, learner: Learner, config: Config, exact: bool = False) -> None:
        """Copies the policies as they begin."""
        self._world, self._learner, self._config, self._exact = world, learner, config, exact
        self._wanted = {round(config.updates * i / config.snapshots) for i in range(1, config.snapshots + 1)}
        self._durations, self._returns, self._kept = [], [], {0: self._copy()}

    def _copy(self) -> Agent:
        """The agent as it is, normalised in float64 so that it can be evaluated exactly."""
        f, h = (network.detach().double() for network in self._learner.preferences())
        log_pi0, log_pi = policies(f, h, self._config)
        if self._exact:
            value = regularised_values(self._world, log_pi0, log_pi, self._config.alpha, self._config.beta, self._config.discount)
        else:
            value = self._learner.value(f, h).detach().double()
        return Agent(log_pi0.squeeze(1), log_pi, f.clone(), value)

    @property
    def agent(self) -> Agent:
        """The latest copy."""
        return next(reversed(self._kept.values()))

    def log(self, batch: Batch) -> None:
        """Notes the episodes of a batch."""
        self._durations.append(batch.real.sum(-1).double().cpu())
        self._returns.append(batch.reward.sum(-1).cpu())

    def keep(self, update: int) -> bool:
        """Copies the policies after this round if it is time to, and says whether it was."""
        if update in self._wanted:
            self._kept[update] = self._copy()
        return update in self._wanted

    def stop(self, update: int) -> None:
        """Copies the policies as they are now."""
        self._kept[update] = self._copy()

    def run(self) -> Run:
        """Puts the results together."""
        agents, none = list(self._kept.values()), torch.zeros(*self.agent.log_pi.shape[:2], 0, dtype=torch.float64)
        episodes = (torch.cat(lists, -1) if lists else none for lists in (self._durations, self._returns))
        copies = torch.stack([agent.log_pi0 for agent in agents], 1), torch.stack([agent.log_pi for agent in agents], 2)
        return Run(agents[-1], History(*episodes, torch.tensor(list(self._kept)), *copies))
