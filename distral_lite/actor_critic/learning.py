"""Actor–critic over lanes: A2C, of which the thesis's one-step box is the shortest form, and the Q actor–critic (2.26)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes, networks, returns
from distral_lite.actor_critic.rollout import begin, by_lane, by_run, rollout
from distral_lite.actor_critic.state import Config, Run


def act(log_policy: Tensor, uniform: Tensor) -> Tensor:
    """Draws an action: A ~ pi( . | S). Takes log-probabilities [..., A] and numbers in [0, 1) [...]; returns [...] int64."""
    return lanes.sample(log_policy.double().exp().cumsum(-1), uniform)


def actor_loss(log_policy: Tensor, action: Tensor, advantage: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """What the actor descends: minus the mean of I * advantage * log pi(a | s); its gradient is minus a sample of (2.30).

    Args:
        log_policy: [..., B, A], log-probabilities.
        action: [..., B] int64, what was done.
        advantage: [..., B], the signal. No gradient flows through it: the critic is not there to please the actor.
        weight: [..., B] or a number, I.

    Returns:
        [...], one number a lane (or an environment of it). Sum the lanes' before `backward`.
    """
    chosen = log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return -(weight * advantage.detach().to(chosen.dtype) * chosen).mean(-1)


def critic_loss(value: Tensor, target: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """What the critic descends: half the mean of I * (target - value)^2 (2.31, and L(Q_w) below 2.26). The target is held fixed.

    Args:
        value: [..., B], what the critic says.
        target: [..., B], what it should have said; no gradient flows through it.
        weight: [..., B] or a number, I.

    Returns:
        [...], likewise, in units of reward squared.
    """
    return 0.5 * (weight * (target.detach().to(value.dtype) - value).square()).mean(-1)


def entropy(log_policy: Tensor) -> Tensor:
    """The entropy of a policy, in nats: [..., A] gives [...]."""
    return -(log_policy.exp() * log_policy).sum(-1)


def q_target(reward: Tensor, discount: Tensor, q_next: Tensor, next_action: Tensor) -> Tensor:
    """The one-step target of the Q critic (below 2.26): R_{t+1} + gamma * Q_w(S_{t+1}, A_{t+1}) with A_{t+1} ~ pi.

    Args:
        reward: [...], in units of reward.
        discount: [...], gamma * (1 - terminal).
        q_next: [..., A], the critic's values of the next observation.
        next_action: [...] int64, drawn from the policy there.

    Returns:
        [...], in units of reward.
    """
    return reward + discount * q_next.gather(-1, next_action.unsqueeze(-1)).squeeze(-1)


@lanes.checked
def train(
    tasks: Sequence[Any], config: Config, seeds: Sequence[int], task_ids: Sequence[int] | None = None, progress: bool = False
) -> Run:
    """A2C (thesis 2.30 to 2.32), every lane by itself and all of them together; the comments are the lines of the one-step box.

    Args:
        tasks: K MDPs over the same states and actions, or K `gym_bridge.GymTask`s with the same spaces and numbered actions.
        config: settings. `Config.one_step()` makes this the box; otherwise a rollout of n steps replaces the one step.
        seeds: R different integers, one a run, below 2**32 / config.environments.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None. A lane is the same lane,
            alone or among others, when its seed and its task's number are.
        progress: show a progress bar.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: tasks that do not fit together, continuous actions, tables where states are not numbered, a reward that is not finite.
    """
    world, actor, critic, improve, keeper = begin(tasks, config, seeds, task_ids, outputs=1)  # Initialize theta and w
    random, E = lanes.LaneRandom(seeds, task_ids, stream=1, device=config.device), config.environments
    observation = by_lane(world.reset(), E)  # Initialize S
    weight = torch.ones(observation.shape[:3], dtype=torch.float64, device=config.device)  # I <- 1
    try:
        for update in trange(1, config.updates + 1, disable=not progress):  # While S is not terminal, and for ever
            policy, value = (networks.as_function(network, world.features) for network in (actor, critic))
            steps = []
            for _ in range(config.horizon):
                with torch.no_grad():
                    action = act(policy(observation).log_softmax(-1), random.uniform(E))  # A ~ pi( . | S, theta)
                seen = world.step(by_run(action))  # Take action A, observe S', R
                steps.append((observation, action, seen, weight))
                if config.keep_discount:
                    weight = torch.where(by_lane(seen.done, E), 1.0, config.discount * weight)  # I <- gamma I; a new episode: I <- 1
                observation = by_lane(seen.observation, E)  # S <- S'
                keeper.log(seen)
            batch = rollout(steps, E)
            discount = returns.discounts(config.discount, batch.terminal)  # if S' is terminal, v(S', w) = 0
            v, log_policy = value(batch.observation).squeeze(-1), policy(batch.observation).log_softmax(-1)
            v_next = value(batch.next_observation).squeeze(-1).detach()
            # delta <- R + gamma v(S', w) - v(S, w), or n of them
            delta = returns.advantages(batch.reward, discount, v.detach(), v_next, config.lambda_, batch.truncated)
            down = critic_loss(v, delta + v, batch.weight)  # w <- w + alpha^w I delta grad v(S, w)
            up = actor_loss(log_policy, batch.action, delta, batch.weight)  # theta <- theta + alpha^theta I delta grad ln pi(A | S, theta)
            up = up - config.entropy_bonus * entropy(log_policy).mean(-1)
            improve((down + up).mean(-1).sum())
            keeper.keep(update)
    except KeyboardInterrupt:
        keeper.stop()
    return keeper.run()


@lanes.checked
def train_q(
    tasks: Sequence[Any], config: Config, seeds: Sequence[int], task_ids: Sequence[int] | None = None, progress: bool = False
) -> Run:
    """The Q actor–critic (2.26): the critic learns Q_w(s, a) by one-step TD, and the actor climbs by it, without a baseline.

    Args:
        tasks: as for `train`.
        config: settings; `horizon` must be 1, `lambda_` is not used.
        seeds: as for `train`.
        task_ids: as for `train`.
        progress: show a progress bar.

    Returns:
        What was learned and how; `history.values` are [R, K, T, S, A].

    Raises:
        ValueError: as `train`, and a horizon that is not 1.
    """
    if config.horizon != 1:
        raise ValueError(f"actor_critic.train_q: config.horizon is {config.horizon}, wanted 1: its critic learns by one-step TD")
    world, actor, critic, improve, keeper = begin(tasks, config, seeds, task_ids, outputs=None)
    random, E = lanes.LaneRandom(seeds, task_ids, stream=1, device=config.device), config.environments
    observation = by_lane(world.reset(), E)
    weight = torch.ones(observation.shape[:3], dtype=torch.float64, device=config.device)
    try:
        for update in trange(1, config.updates + 1, disable=not progress):
            policy, value = (networks.as_function(network, world.features) for network in (actor, critic))
            log_policy = policy(observation).log_softmax(-1)
            action, q = act(log_policy.detach(), random.uniform(E)), value(observation)  # A_t ~ pi
            seen = world.step(by_run(action))
            following = by_lane(seen.next_observation, E)
            with torch.no_grad():
                next_action = act(policy(following).log_softmax(-1), random.uniform(E))  # A_{t+1} ~ pi
                discount = returns.discounts(config.discount, by_lane(seen.terminal, E))
                target = q_target(by_lane(seen.reward, E), discount, value(following).double(), next_action)
            chosen = q.gather(-1, action.unsqueeze(-1)).squeeze(-1)
            down = critic_loss(chosen, target, weight)  # L(Q_w), below (2.26)
            up = actor_loss(log_policy, action, chosen, weight)  # (2.26)
            up = up - config.entropy_bonus * entropy(log_policy).mean(-1)
            improve((down + up).sum())
            if config.keep_discount:
                weight = torch.where(by_lane(seen.done, E), 1.0, config.discount * weight)
            observation = by_lane(seen.observation, E)
            keeper.log(seen)
            keeper.keep(update)
    except KeyboardInterrupt:
        keeper.stop()
    return keeper.run()
