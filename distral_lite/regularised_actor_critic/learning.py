"""Regularised A2C over lanes (thesis 2.46 to 2.51): the prices of all steps inside the returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes, networks, returns
from distral_lite.mdp import MDP
from distral_lite.regularised_actor_critic.state import Agent, Config, History, Run
from distral_lite.soft import expected_regulariser, prior_of_tasks, sampled_regulariser


class Prices(NamedTuple):
    """Where the regulariser enters an update; every field broadcasts against the steps [...].

    Attributes:
        in_returns: added to the reward of every step.
        in_loss: beside the product in the actor's objective: its gradient is grad rho_t, which is -(1 / beta) grad KL_t; or 0.
    """

    in_returns: Tensor
    in_loss: Tensor


def prices(price: str, log_policy: Tensor, log_prior: Tensor, action: Tensor, alpha: float, beta: float) -> Prices:
    """The prices of steps in one of three ways; see `Config.price`.

    "closed": rho_t, which is -KL_t / beta, in the returns, and its gradient beside them (2.48, 2.51). "sampled": the log-ratio of the
    action taken in the returns, and nothing else (2.49). "naive": the gradient alone (2.46).

    Args:
        price: one of the three.
        log_policy: [..., A], where the steps began.
        log_prior: [..., A], likewise.
        action: [...] int64.
        alpha: from 0 to 1.
        beta: above 0.
    """
    none = torch.zeros(action.shape, dtype=log_policy.dtype)
    if price == "sampled":
        taken, of_prior = (log.gather(-1, action.unsqueeze(-1)).squeeze(-1) for log in (log_policy, log_prior))
        return Prices(sampled_regulariser(taken, of_prior, alpha, beta).detach(), none)
    regulariser = expected_regulariser(log_policy, log_prior, alpha, beta)
    return Prices(none if price == "naive" else regulariser.detach(), regulariser)


def actor_loss(log_policy: Tensor, action: Tensor, advantage: Tensor, in_loss: Tensor) -> Tensor:
    """What the actor descends: minus the mean of advantage * log pi(a | s) + rho(s); its gradient is minus a sample of (2.48).

    Args:
        log_policy: [..., B, A], log-probabilities.
        action: [..., B] int64, what was done.
        advantage: [..., B]; no gradient flows through it.
        in_loss: [..., B], `Prices.in_loss`.

    Returns:
        [...], in units of reward.
    """
    chosen = log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return -(advantage.detach().to(chosen.dtype) * chosen + in_loss).mean(-1)


def critic_loss(value: Tensor, target: Tensor) -> Tensor:
    """What the critic descends: half the mean of (target - value)^2 (2.50), the target held fixed; [..., B] give [...]."""
    return 0.5 * (target.detach().to(value.dtype) - value).square().mean(-1)


@lanes.checked
def train(
    tasks: Sequence[MDP],
    config: Config,
    seeds: Sequence[int],
    task_ids: Sequence[int] | None = None,
    progress: bool = False,
    log_prior: Tensor | None = None,
) -> Run:
    """Regularised A2C (2.48 to 2.51), every lane by itself and all of them together.

    Args:
        tasks: K MDPs over the same states and actions.
        config: settings.
        seeds: R different integers, one a run, below 2**32 / config.environments.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None.
        progress: show a progress bar.
        log_prior: log pi_0, [A], [S, A] or [K, S, A], without zeros of pi_0; uniform if None.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: tasks that differ in states or actions, seeds given twice, a prior that is no distribution or has zeros.
    """
    E = config.environments
    own = [seed * E + e for seed in seeds for e in range(E)]  # environment e of a run has a seed of its own
    world = lanes.make_world(tasks, own, task_ids, config.max_episode_steps, config.exploring_starts)
    lanes.check_numbered("regularised_actor_critic.train", world)
    random, first = (lanes.LaneRandom(seeds, task_ids, stream=stream) for stream in (1, 2))
    actor, critic, features = *_networks(config, world, first), world.features
    optimisers = networks.adam(actor, config.actor_rate), networks.adam(critic, config.critic_rate)
    shape = (world.tasks, world.features.shape[1], world.actions)
    log_prior = prior_of_tasks("regularised_actor_critic.train", log_prior, shape, config.alpha, config.beta).float()
    keeper, state = _Keeper(actor, critic, features, config), _by_lane(world.reset(), E)  # [R, K, E]
    try:
        for update in trange(1, config.updates + 1, disable=not progress):
            log_policy, value = networks.on_states(actor, features).log_softmax(-1), networks.on_states(critic, features).squeeze(-1)
            cumulative, steps = log_policy.detach().double().exp().cumsum(-1), []
            for _ in range(config.horizon):
                action = lanes.sample(networks.at(cumulative, state), random.uniform(E))  # a_t ~ pi( . | s_t)
                seen = world.step(action.transpose(1, 2).flatten(0, 1))
                steps.append((state, action, *(_by_lane(field, E) for field in seen[:4])))
                state = _by_lane(seen.observation, E)
                keeper.log.record(seen)
            s, a, reward, s_next, terminal, truncated = (torch.stack(field, -1) for field in zip(*steps, strict=True))  # [R, K, E, T]
            log_pi, log_pi0 = (networks.at(table.expand_as(log_policy), s.flatten(2)) for table in (log_policy, log_prior))
            v, v_next = (value.gather(-1, of.flatten(2)).view(of.shape) for of in (s, s_next))
            price = prices(config.price, log_pi, log_pi0, a.flatten(2), config.alpha, config.beta)
            paid = reward + price.in_returns.view(a.shape)  # R_t - KL_t / beta
            discount = returns.discounts(config.discount, terminal)
            delta = returns.advantages(paid, discount, v.detach(), v_next.detach(), config.lambda_, truncated)  # n of them in one
            down = critic_loss(v.flatten(2), (v + delta).flatten(2))  # (2.50), towards V + delta
            up = actor_loss(log_pi, a.flatten(2), delta.flatten(2), price.in_loss)  # (2.48); sampled: (2.49)
            _descend((down + up).sum(), (actor, critic), optimisers, config.clip_norm)
            keeper.keep(update)
    except KeyboardInterrupt:
        keeper.stop()
    return keeper.run()


def _by_lane(array: Tensor, environments: int) -> Tensor:
    """[R * E, K] of the world to [R, K, E] of the lanes."""
    return array.unflatten(0, (-1, environments)).transpose(1, 2)


def _networks(config: Config, world: lanes.World, first: lanes.LaneRandom) -> tuple[networks.MLP | networks.Table, ...]:
    """Actor and critic: tables of zeros, or networks whose actor begins nearly uniform."""
    if config.hidden is None:
        shape = (world.runs // config.environments, world.tasks, world.features.shape[1])
        return tuple(networks.table(*shape, outputs) for outputs in (world.actions, 1))
    sizes = (world.feature_count, *config.hidden)
    return networks.mlp((*sizes, world.actions), first.uniform, last_gain=0.01), networks.mlp((*sizes, 1), first.uniform)


def _descend(
    loss: Tensor, agents: tuple[networks.MLP | networks.Table, ...], optimisers: tuple[networks.Adam, ...], clip: float | None
) -> None:
    """One step of Adam down the sum of the lanes' losses, each lane by itself."""
    for optimiser in optimisers:
        optimiser.zero_grad()
    loss.backward()
    for network, optimiser in zip(agents, optimisers, strict=True):
        if clip is not None:
            networks.clip_gradients(network, clip)
        optimiser.step()


class _Keeper:
    """Keeps the record of a run: episodes, and what the agent says of all states at equal distances."""

    def __init__(
        self, actor: networks.MLP | networks.Table, critic: networks.MLP | networks.Table, features: Tensor, config: Config
    ) -> None:
        """Copies the agent as it begins."""
        self._networks, self._features, self._config, self._update = (actor, critic), features, config, 0
        runs, tasks = networks.parameters(actor)[0].shape[:2]
        self.log, self._kept = lanes.EpisodeLog(runs, tasks, config.environments), {0: self._copy()}
        self._wanted = {round(config.updates * i / config.snapshots) for i in range(1, config.snapshots + 1)}

    def _copy(self) -> tuple[Tensor, Tensor]:
        outputs, values = (networks.on_states(network, self._features).detach().clone() for network in self._networks)
        return outputs.log_softmax(-1), values.squeeze(-1)

    def keep(self, update: int) -> None:
        """Copies the agent after this update if it is time to."""
        self._update = update
        if update in self._wanted:
            self.stop()

    def stop(self) -> None:
        """Copies the agent as it is now."""
        self._kept[self._update * self._config.environments * self._config.horizon] = self._copy()

    def run(self) -> Run:
        """Puts the results together."""
        log_policies, values = (torch.stack(copies, dim=2) for copies in zip(*self._kept.values(), strict=True))
        agent = Agent(*(networks.copy(network) for network in self._networks), log_policies[:, :, -1], values[:, :, -1])
        return Run(agent, History(self.log.durations(), self.log.returns(), torch.tensor(list(self._kept)), log_policies, values))
