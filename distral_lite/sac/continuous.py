"""Soft actor-critic for continuous actions, over lanes: Algorithm A.3 of the thesis as printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes, networks
from distral_lite.replay import Replay
from distral_lite.sac.gaussian import mean_action, sample_action
from distral_lite.sac.state import Agent, Config, Keeper, Run, descend, new_agent, polyak, q_target, random_streams, squared_error


def action_values(q: networks.MLP, observation: Tensor, action: Tensor) -> Tensor:
    """Q_phi(s, a): parameters [..., R, K, ...], observations [R, K, B, N] and actions [R, K, B, D] give [..., R, K, B]."""
    return networks.apply(q, torch.cat([observation, action], dim=-1)).squeeze(-1)


def state_values(value: networks.MLP, observation: Tensor) -> Tensor:
    """V_psi(s): parameters [R, K, ...] and observations [R, K, B, N] give [R, K, B]."""
    return networks.apply(value, observation).squeeze(-1)


def v_target(q: Tensor, log_density: Tensor, kappa: float) -> Tensor:
    """The target of V (line 12; 2.59): y_v = min over i of Q_phi_i(s, a~) - kappa log pi(a~ | s), with a~ ~ pi.

    The smaller of the two Q, because the policy seeks out the actions that are overrated ("clipped double Q").

    Args:
        q: [2, ...], both Q of the sampled action, in units of reward.
        log_density: [...], of that action.
        kappa: temperature.

    Returns:
        [...], in units of reward. No gradient flows through it.
    """
    return (q.amin(0) - kappa * log_density).detach()


def policy_loss(q: Tensor, log_density: Tensor, kappa: float) -> Tensor:
    """Minus what line 15 climbs (2.61): the mean over the minibatch of kappa log pi(a~ | s) - Q_phi_1(s, a~).

    The gradient flows through both, because a~ = tanh(mean + std * xi) is a function of theta.

    Args:
        q: [..., B], Q_phi_1 of the sampled actions.
        log_density: [..., B], theirs.
        kappa: temperature.

    Returns:
        [...], one number a lane.
    """
    return (kappa * log_density - q).mean(-1)


@lanes.checked
def train(tasks: Sequence[Any], config: Config, seeds: Sequence[int], task_ids: Sequence[int] | None = None, progress: bool = False) -> Run:
    """Soft actor-critic (A.3 as printed), every lane by itself and all of them together; the comments are the lines of A.3.

    One sample a~ serves lines 12 and 15, for the policy does not change between them. Line 15 climbs the Q_1 that line 13 has just moved.

    Args:
        tasks: K `gym_bridge.GymTask`s with `continuous=True`, the same spaces, and observations that are vectors.
        config: settings.
        seeds: R different integers, one a run.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None. A lane is the same lane,
            alone or among others, when its seed and its task's number are.
        progress: show a progress bar.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: numbered actions or states, tasks that do not fit together, tables, a reward that is not finite.
    """
    world = lanes.make_world(tasks, seeds, task_ids, config.max_episode_steps, config.exploring_starts, config.device)
    acting, learning, first = random_streams(seeds, task_ids, config.device)
    agent, D = _new_agent(world, config, first)  # line 1
    policy, q, value = agent
    value_target = networks.copy(value)  # line 2
    optimise_policy, optimise_q, optimise_value = (networks.adam(network, config.learning_rate) for network in agent)
    keeper, observation = Keeper(agent, config, world), world.reset()
    memory, t = Replay(config.capacity, observation, action=observation[..., :1].expand(-1, -1, D)), 0
    try:
        for t in trange(1, config.steps + 1, disable=not progress):  # line 3
            with torch.no_grad():
                action, _ = sample_action(networks.as_function(policy, None)(observation), acting.uniform(D))  # line 4
            seen = world.step(action)  # lines 5 and 6; line 8: the world starts the next episode by itself
            memory.add(observation, action, config.reward_scale * seen.reward, seen.next_observation, seen.terminal)  # line 7
            if t >= config.learning_starts and t % config.update_every == 0:  # line 9
                for _ in range(config.updates):  # line 10
                    batch = memory.sample(learning.uniform(config.batch))  # line 11
                    with torch.no_grad():
                        next_value = state_values(value_target, batch.next_observation)
                    y_q = q_target(batch.reward, config.discount * ~batch.terminal, next_value)  # line 12
                    xi = learning.uniform(config.batch * D).unflatten(-1, (config.batch, D))
                    sampled, log_density = sample_action(networks.apply(policy, batch.observation), xi)  # a~ of lines 12 and 15
                    with torch.no_grad():
                        y_v = v_target(action_values(q, batch.observation, sampled), log_density, config.kappa)  # line 12
                    descend(q, optimise_q, squared_error(action_values(q, batch.observation, batch.action), y_q))  # line 13
                    descend(value, optimise_value, squared_error(state_values(value, batch.observation), y_v))  # line 14
                    first_q = networks.each(lambda both: both[0].detach(), q)
                    worth = action_values(first_q, batch.observation, sampled)
                    descend(policy, optimise_policy, policy_loss(worth, log_density, config.kappa))  # line 15
                    polyak(value_target, value, config.rho)  # line 16
            observation = seen.observation
            keeper.keep(t, seen)
    except KeyboardInterrupt:
        keeper.stop(t - 1)
    return keeper.run()


def greedy_returns(policy: networks.MLP, world: lanes.World) -> Tensor:
    """Plays E episodes with every lane's policy, always taking `mean_action`; see `networks.greedy_returns`.

    Args:
        policy: parameters [R, K, ...].
        world: of R * E runs and K tasks with continuous actions.

    Returns:
        [R, K, E] float64, undiscounted returns.
    """
    return networks.greedy_returns(policy, world, choose=mean_action)


def _new_agent(world: lanes.World, config: Config, random: lanes.LaneRandom) -> tuple[Agent, int]:
    """Networks with random parameters, and D; refuses a world that this form of the algorithm cannot act in."""
    if not hasattr(world, "action_size"):
        raise ValueError(
            f"sac.train: tasks have {world.actions} numbered actions, wanted continuous ones, such as GymTask('Pendulum-v1', "
            "continuous=True); for numbered actions there is sac.train_discrete"
        )
    if world.features is not None:
        raise ValueError(f"sac.train: tasks have {world.feature_count} numbered states, wanted observations that are vectors")
    if config.hidden is None:
        raise ValueError("sac.train: config.hidden is None (tables), wanted the units of hidden layers: these actions are not numbered")
    N, D = world.feature_count, world.action_size

    def make(inputs: int, outputs: int) -> networks.MLP:
        return networks.mlp((inputs, *config.hidden, outputs), random.uniform)

    return new_agent(make, (N, 2 * D), (N + D, 1), (N, 1)), D
