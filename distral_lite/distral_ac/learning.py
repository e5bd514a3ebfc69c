"""Algorithm 2 of the thesis, over lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tqdm.auto import trange

from distral_lite import lanes
from distral_lite.distral_ac.episodes import play
from distral_lite.distral_ac.learner import Keeper, begin, policies, temperature
from distral_lite.distral_ac.losses import (
    actor_loss,
    at,
    centroid_loss,
    critic_loss,
    fading,
    regularised_reward,
    taken,
    tally,
    target,
    weights,
)
from distral_lite.distral_ac.state import Agent, Config, Run
from distral_lite.mdp import MDP


@lanes.checked
def train(
    tasks: Sequence[MDP],
    config: Config,
    seeds: Sequence[int],
    task_ids: Sequence[int] | None = None,
    progress: bool = False,
    watch: Callable[[int, Agent], bool] | None = None,
) -> Run:
    """Algorithm 2 of the thesis, with one or two columns or without sharing; runs are independent, the tasks of a run share pi_0.

    Args:
        tasks: K MDPs over the same states and actions.
        config: settings.
        seeds: R different integers, one a run.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None.
        progress: show a progress bar.
        watch: called at every snapshot with the round and the agents; training stops early where it returns True.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: no tasks, tasks that differ in states or actions, seeds given twice, a number for every task wanted but not given.
    """
    world, learner = begin(tasks, config, seeds, task_ids)  # lines 2 and 3
    random = lanes.LaneRandom(seeds, task_ids, stream=1, device=config.device)
    keeper, size, update = Keeper(world, learner, config), (config.episodes, 1 + config.max_episode_steps), 0
    S, A = world.reward.shape[-2:]
    try:
        for update in trange(1, config.updates + 1, disable=not progress):  # line 7
            log_pi0, log_pi = policies(*(x.detach() for x in learner.preferences()), config)
            batch = play(world, log_pi, random.uniform(size[0] * size[1]).unflatten(-1, size))  # lines 9 to 19, all tasks at once
            keeper.log(batch)
            played = taken(log_pi, batch)
            for _ in range(config.repeats):
                f, h = learner.preferences()
                value, (log_pi0, log_pi) = learner.value(f, h), policies(f.detach(), h.detach(), config)
                own, shared = taken(log_pi, batch), taken(log_pi0.expand_as(log_pi), batch)
                reward = regularised_reward(batch.reward, shared, own, config.alpha, config.beta)
                q = target(batch, reward, value.detach(), config)  # lines 20 to 22: the loop is over j, and gamma stands before V
                advantage = q - at(value.detach(), batch.state)  # line 23
                weight = weights(batch, own, played, config)
                signal = tally(batch, advantage * weight, S, A)
                loss = critic_loss(value, batch, q, weight)  # line 24
                step = actor_loss(policies(f, h.detach(), config)[1], signal)  # line 25, by f
                if config.critic == "f":
                    step = step / temperature(f, config)  # then lines 24 and 25 together are one step of soft Q-learning (2.54)
                loss = loss + step
                if config.distil:
                    if config.columns == 2:  # lines 26 and 29: the first term of (2.74), by h; with one column it is zero
                        loss = loss + actor_loss(policies(f.detach(), h, config)[1], signal)
                    visits = tally(batch, fading(batch, config.discount), S)
                    loss = loss + centroid_loss(h, log_pi, visits, config.alpha, config.beta)  # line 30: the second term
                learner.descend(loss.sum())  # lines 24, 25 and 31, which climbs J (descent is printed)
            if keeper.keep(update) and watch is not None and watch(update, keeper.agent):
                break
    except KeyboardInterrupt:
        keeper.stop(update)
    return keeper.run()
