"""Soft actor-critic for numbered actions, over lanes: A.3 with exact expectations over the actions where it has samples.

A policy that lists its probabilities needs no reparametrisation: what lines 12 and 15 estimate from one action a~ is a sum over all A of
them (Christodoulou, 2019). Nothing is random in these sums, so learning settles where (2.57) and (2.58) hold and pi climbs no further:

    pi(a | s) proportional to exp(Q(s, a) / kappa),   V(s) = kappa log sum_a exp(Q(s, a) / kappa).

That is the soft optimum of chapter 06 with alpha = 0 and beta = 1 / kappa: `soft_q_learning.solve(mdp, any_prior, 0, 1 / kappa, gamma)`.
With alpha = 1 and a uniform prior the price is KL[pi || uniform] / beta = (log A - H[pi]) / beta: the same entropy is paid, less
log(A) / beta at every step. So alpha = 1 gives the same policy if that much is added to every reward but an episode's last (whose step
has no next value to carry it); without it, long ways cost more and the policies differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes, networks, soft
from distral_lite.replay import Replay
from distral_lite.sac.state import Agent, Config, Keeper, Run, descend, new_agent, polyak, q_target, random_streams, squared_error


def soft_mean(q: Tensor, log_policy: Tensor, kappa: float) -> Tensor:
    """What a policy makes of action values (2.57): V = E_pi[Q] + kappa H[pi]; [..., A] twice -> [...], in units of reward."""
    return (log_policy.exp() * q).sum(-1) + kappa * soft.entropy(log_policy)


def v_target_discrete(q: Tensor, log_policy: Tensor, kappa: float) -> Tensor:
    """The target of V (line 12) with its expectation over a~ taken exactly: y_v = sum_a pi(a) (min_i Q_i(a) - kappa log pi(a)).

    Args:
        q: [2, ..., A], both Q, in units of reward.
        log_policy: [..., A].
        kappa: temperature.

    Returns:
        [...], in units of reward. No gradient flows through it.
    """
    return soft_mean(q.amin(0), log_policy, kappa).detach()


def policy_loss_discrete(q: Tensor, log_policy: Tensor, kappa: float) -> Tensor:
    """Minus what line 15 climbs (2.61), exactly: the mean over the minibatch of sum_a pi(a) (kappa log pi(a) - Q_1(a)).

    It is smallest, -kappa log sum_a exp(Q_1(a) / kappa), for pi proportional to exp(Q_1 / kappa).

    Args:
        q: [..., B, A], Q_phi_1. No gradient flows through it.
        log_policy: [..., B, A].
        kappa: temperature.

    Returns:
        [...], one number a lane.
    """
    return -soft_mean(q.detach(), log_policy, kappa).mean(-1)


@lanes.checked
def train_discrete(
    tasks: Sequence[Any], config: Config, seeds: Sequence[int], task_ids: Sequence[int] | None = None, progress: bool = False
) -> Run:
    """Soft actor-critic for numbered actions, with tables (`config.hidden` None) or networks; the comments are the lines of A.3.

    Args:
        tasks: K MDPs over the same states and actions, or K `gym_bridge.GymTask`s with the same spaces and numbered actions.
        config: settings. `kappa` is 1 / beta of chapter 06.
        seeds: R different integers, one a run.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None.
        progress: show a progress bar.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: continuous actions, tasks that do not fit together, tables where states are not numbered, a reward that is not finite.
    """
    world = lanes.make_world(tasks, seeds, task_ids, config.max_episode_steps, config.exploring_starts, config.device)
    acting, learning, first = random_streams(seeds, task_ids, config.device)
    agent, of = _new_agent(world, config, first), lambda network: networks.as_function(network, world.features)  # line 1
    policy, q, value = agent
    value_target = networks.copy(value)  # line 2
    optimise_policy, optimise_q, optimise_value = (networks.adam(network, config.learning_rate) for network in agent)
    keeper, observation = Keeper(agent, config, world), world.reset()
    memory, t = Replay(config.capacity, observation), 0
    try:
        for t in trange(1, config.steps + 1, disable=not progress):  # line 3
            with torch.no_grad():
                probability = of(policy)(observation).softmax(-1)
            action = lanes.sample(probability.double().cumsum(-1), acting.uniform(1)[..., 0])  # line 4
            seen = world.step(action)  # lines 5 and 6; line 8: the world starts the next episode by itself
            memory.add(observation, action, config.reward_scale * seen.reward, seen.next_observation, seen.terminal)  # line 7
            if t >= config.learning_starts and t % config.update_every == 0:  # line 9
                for _ in range(config.updates):  # line 10
                    batch = memory.sample(learning.uniform(config.batch))  # line 11
                    twice = batch.observation.expand(2, *batch.observation.shape)  # for both Q
                    with torch.no_grad():
                        next_value = of(value_target)(batch.next_observation).squeeze(-1)
                    y_q = q_target(batch.reward, config.discount * ~batch.terminal, next_value)  # line 12
                    both, log_policy = of(q)(twice), of(policy)(batch.observation).log_softmax(-1)
                    y_v = v_target_discrete(both, log_policy, config.kappa)  # line 12
                    chosen = both.gather(-1, batch.action.expand(2, *batch.action.shape).unsqueeze(-1)).squeeze(-1)
                    descend(q, optimise_q, squared_error(chosen, y_q))  # line 13
                    descend(value, optimise_value, squared_error(of(value)(batch.observation).squeeze(-1), y_v))  # line 14
                    first_q = networks.each(lambda pair: pair[0].detach(), q)
                    loss = policy_loss_discrete(of(first_q)(batch.observation), log_policy, config.kappa)
                    descend(policy, optimise_policy, loss)  # line 15
                    polyak(value_target, value, config.rho)  # line 16
            observation = seen.observation
            keeper.keep(t, seen)
    except KeyboardInterrupt:
        keeper.stop(t - 1)
    return keeper.run(world.features)


def _new_agent(world: lanes.World, config: Config, random: lanes.LaneRandom) -> Agent:
    """Networks with random parameters or tables of zeros (the two Q alike, then); refuses a world this form cannot act in."""
    if not hasattr(world, "actions"):
        raise ValueError(
            f"sac.train_discrete: tasks have continuous actions of {world.action_size} components, wanted numbered ones; "
            "for continuous ones there is sac.train"
        )
    N, A = world.feature_count, world.actions

    def make(inputs: int, outputs: int) -> networks.MLP | networks.Table:
        if config.hidden is None:
            return networks.table(world.runs, world.tasks, world.features.shape[1], outputs, device=config.device)
        return networks.mlp((inputs, *config.hidden, outputs), random.uniform)

    if config.hidden is None and world.features is None:
        raise ValueError("sac.train_discrete: config.hidden is None (tables), wanted hidden layers: these states are not numbered")
    return new_agent(make, (N, A), (N, A), (N, 1))
