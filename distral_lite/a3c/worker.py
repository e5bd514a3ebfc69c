"""What a worker process does: Algorithm S3."""

from __future__ import annotations

import contextlib
import signal
import time
import traceback
from collections.abc import Sequence
from multiprocessing import parent_process
from typing import Any

import torch
from torch import Tensor

from distral_lite import lanes, networks, returns
from distral_lite.a3c.state import STOP, WAIT, Config, Record, Shared, tensors


def rmsprop(parameter: Tensor, square: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
    """Shared RMSprop (Mnih et al., 2016, S2 and S3), in place: g <- decay g + (1 - decay) d^2; theta <- theta - rate d / sqrt(g + eps)."""
    with torch.no_grad():
        square.mul_(decay).addcmul_(gradient, gradient, value=1 - decay)
        parameter.addcdiv_(gradient, (square + 1e-5).sqrt(), value=-rate)


def losses(log_policy: Tensor, action: Tensor, value: Tensor, target: Tensor, entropy_bonus: float) -> Tensor:
    """What S3 accumulates over the steps of a rollout, as one loss to descend: (R - V)^2 - log pi(a | s) (R - V), and the entropy.

    Args:
        log_policy: [..., T, A], log pi( . | s_i; theta').
        action: [..., T] int64.
        value: [..., T], V(s_i; theta_v').
        target: [..., T], R. No gradient flows through it, nor through the (R - V) that multiplies log pi.
        entropy_bonus: weight of the entropy.

    Returns:
        [...], one number a lane: sums over T, as in S3.
    """
    error = target.detach().to(value.dtype) - value
    chosen = log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    entropy = -(log_policy.exp() * log_policy).sum(-1)
    return (error.square() - chosen * error.detach() - entropy_bonus * entropy).sum(-1)


def learn(worker: int, shared: Shared, world: lanes.World, config: Config, random: lanes.LaneRandom) -> Record:
    """What each worker does: Algorithm S3, whose lines are the comments.

    A lane cannot stop alone, so a rollout ends when the episodes of *all* lanes have ended in it, or after t_max steps. With one lane
    this is S3's "until terminal s_t"; with more, a lane whose episode ended goes on with its next one in the same rollout.
    """
    log, moments, staleness = lanes.EpisodeLog(world.runs, world.tasks), [], []
    observation = world.reset()  # Get state s_t
    while int(shared.steps.sum()) <= config.steps and _wanted(shared):  # repeat ... until T > T_max
        before = int(shared.updates.sum())
        actor, critic = (networks.copy(network) for network in shared.agent)  # Synchronize theta' = theta and theta_v' = theta_v
        mine = [tensor.requires_grad_() for network in (actor, critic) for tensor in networks.parameters(network)]
        policy, value = (networks.as_function(network, world.features) for network in (actor, critic))
        steps, ended = [], torch.zeros(world.runs, world.tasks, dtype=torch.bool)  # t_start = t
        while len(steps) < config.horizon and not bool(ended.all()):  # until terminal s_t or t - t_start == t_max
            with torch.no_grad():
                probability = policy(observation).double().softmax(-1)
            action = lanes.sample(probability.cumsum(-1), random.uniform(1).squeeze(-1))  # Perform a_t according to pi(a_t | s_t; theta')
            seen = world.step(action)  # Receive reward r_t and new state s_{t+1}
            shared.steps[worker] += 1  # t <- t + 1, T <- T + 1
            steps.append((observation, action, seen.reward, seen.next_observation, seen.terminal, seen.truncated))
            ended |= seen.done
            observation = seen.observation
            log.record(seen)
        state, action, reward, following, terminal, truncated = (torch.stack(field, 2) for field in zip(*steps, strict=True))
        v_next = value(following).squeeze(-1).detach()  # R = 0 for terminal s_t, V(s_t, theta_v') otherwise, time-outs included
        discount = returns.discounts(config.discount, terminal)
        target = returns.discounted_returns(reward, discount, truncated, v_next)  # R <- r_i + gamma R
        loss = losses(policy(state).log_softmax(-1), action, value(state).squeeze(-1), target, config.entropy_bonus)
        gradients = torch.autograd.grad(loss.sum(), mine)  # Reset and accumulate d theta and d theta_v
        staleness.append(int(shared.updates.sum()) - before)
        rates = [config.actor_rate] * len(networks.parameters(actor)) + [config.critic_rate] * len(networks.parameters(critic))
        for theirs, square, gradient, rate in zip(tensors(shared.agent), tensors(shared.squares), gradients, rates, strict=True):
            rmsprop(theirs, square, gradient, rate, config.decay)  # Perform asynchronous update of theta and theta_v
        shared.updates[worker] += 1
        moments.append(int(shared.steps.sum()))
    return Record(log.durations().numpy(), log.returns().numpy(), moments, staleness)


def _wanted(shared: Shared) -> bool:
    """Whether a worker should go on: the parent neither said stop nor is gone."""
    parent = parent_process()
    return int(shared.phase) != STOP and (parent is None or parent.is_alive())


def work(worker: int, shared: Shared, tasks: Sequence[Any], config: Config, seeds: Sequence[int], ids: Sequence[int], pipe: Any) -> None:
    """The body of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears the interrupt and says stop
    torch.set_num_threads(1)
    try:
        own = [seed * config.workers + worker for seed in seeds]  # no two workers share random numbers
        world = lanes.make_world(tasks, own, ids, config.max_episode_steps, config.exploring_starts)
        pipe.send(("ready", None))
        while int(shared.phase) == WAIT and _wanted(shared):
            time.sleep(0.002)
        pipe.send(("done", learn(worker, shared, world, config, lanes.LaneRandom(own, ids, stream=1))))
    except BrokenPipeError:
        pass  # the parent is gone
    except BaseException:
        with contextlib.suppress(OSError):
            pipe.send(("failed", traceback.format_exc()))
