"""Chapter 09: Distral by soft Q-learning (thesis algorithm 1, with its errata), over lanes of runs and tasks.

Every round each task takes one step and one soft Q-learning update, and the distilled policy takes one step towards what the tasks do.
One column, two columns, and no sharing at all are the same code: they differ in how a task acts, and in whether pi_0 learns.

The task values f are [R, K, ...], the distilled preferences h are [R, 1, ...]: one for the tasks of a run, and none for two runs. Worlds
have few states, so both are evaluated once a round on all of them and looked up; the gradient is that of the minibatch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes, networks, soft
from distral_lite.distral import distilled_policy, one_column_policy, two_column_policy
from distral_lite.mdp import MDP
from distral_lite.results import ADDED_LATER
from distral_lite.soft_q_learning import Window, draw, mix
from distral_lite.validation import Device, Fraction, Layers, PerRun, Positive, Settings, Whole


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train`; the defaults are the thesis's for two columns."""

    steps: Whole = 10_000  # rounds: each task takes one step and one update in each
    columns: Literal[1, 2] = 2  # 2: a task acts by (2.66); 1: by (2.63) at inverse temperature beta_prime
    distil: bool = True  # False: pi_0 stays uniform, so nothing is shared: soft Q-learning of each task by itself
    alpha: Fraction = 0.8  # weight of the distilled policy
    beta: Positive = 5.0  # inverse temperature of the soft values, in 1 / reward
    beta_prime: Positive | PerRun = 1.0  # of the one-column policy, in 1 / reward, or [R]: one a run; 1 is (2.63) as printed
    discount: Fraction = 0.999  # gamma
    n_steps: Whole = 1  # rewards in a target
    learning_rate: Positive = 1e-3  # Adam's, of the task values
    distil_rate: Positive = 1e-3  # Adam's, of the distilled preferences
    batch: Whole = 128  # windows of each task in an update
    memory: Whole = 10_000  # transitions a task remembers
    distil_memory: Whole = 1_000  # the newest so many are distilled
    epsilon_start: Fraction = 0.9  # share of random actions in the first episode
    epsilon_end: Fraction = 0.05  # and in the long run
    epsilon_episodes: Positive = 5.0  # it decays by exp(-episode / epsilon_episodes)
    hidden: Layers | None = networks.THESIS_HIDDEN  # hidden units of the networks; None: tables
    max_episode_steps: Whole = 1000  # an episode is cut here (and bootstraps: it is a truncation)
    target_every: Whole = field(default=1, metadata=ADDED_LATER)  # rounds until a target network follows; 1 is to have none (line 14)
    snapshots: Whole = 50  # copies of the policies kept for the history, equally spaced in rounds
    device: Device = "cpu"  # where the tensors live

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.memory < self.n_steps:
            self.refuse("memory", f"at least n_steps ({self.n_steps})")
        if self.snapshots > self.steps:
            self.refuse("snapshots", f"at most one a round ({self.steps})")


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        log_pi0: [R, S, A], log of the distilled policies.
        log_pi: [R, K, S, A], log of the task policies, without random actions.
        f: [R, K, S, A], soft action values.
    """

    log_pi0: Tensor
    log_pi: Tensor
    f: Tensor


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, E] float64, steps of each finished episode, NaN where a lane finished fewer.
        returns: [R, K, E] float64, undiscounted rewards of each finished episode, without regulariser, NaN likewise.
        snapshot_steps: [T] int64, rounds after which the policies were copied, 0 first.
        log_pi0: [R, T, S, A], the copies of the distilled policies.
        log_pi: [R, K, T, S, A], the copies of the task policies.
    """

    durations: Tensor
    returns: Tensor
    snapshot_steps: Tensor
    log_pi0: Tensor
    log_pi: Tensor


class Run(NamedTuple):
    """The result of `train`."""

    agent: Agent
    history: History


class Memory(NamedTuple):
    """The newest C transitions of every lane, each with its number in its episode.

    Attributes:
        window: fields [R, K, C]; see `soft_q_learning.Window`.
        time: [R, K, C] int64, t: steps since the episode began.
    """

    window: Window
    time: Tensor


def task_policy(f: Tensor, h: Tensor, config: Config) -> Tensor:
    """Log of the policy that a task acts by (line 9): (2.63) with beta' or (2.66).

    Args:
        f: [R, K, S, A], the tasks' values.
        h: [R, 1, S, A], the distilled preferences; all zero where nothing is shared.
        config: settings.

    Returns:
        [R, K, S, A].
    """
    if config.columns == 2:
        return two_column_policy(h, f, config.alpha, config.beta)
    beta_prime = torch.as_tensor(config.beta_prime, dtype=f.dtype, device=f.device).reshape(-1, 1, 1, 1)
    return one_column_policy(f, beta_prime)


def q_target(window: Window, f: Tensor, h: Tensor, config: Config) -> Tensor:
    """The target of the task values (line 14, corrected: policy and values at the *next* state; a time-out is not a goal).

    y = R + gamma * (1 / beta) log sum_a pi_0(a | S')^alpha exp(beta f(S', a)) for one step. For more, the log-ratios of the actions taken
    are subtracted on the way, which is right for replayed windows (path consistency). No gradient flows through it.

    Args:
        window: [R, K, B, n].
        f: [R, K, S, A].
        h: [R, 1, S, A].
        config: settings.

    Returns:
        [R, K, B], in units of reward.
    """
    f, log_pi0 = f.detach(), distilled_policy(h.detach())
    value = soft.soft_value(f, log_pi0.expand_as(f), config.alpha, config.beta)
    next_value = value.gather(-1, window.next_state.flatten(2)).view(window.next_state.shape)
    reward, discount = window.reward.to(f.dtype), config.discount * (~window.terminal).to(f.dtype)
    if config.n_steps == 1:
        return soft.one_step_target(reward, discount, next_value)[..., 0]
    place = window.state * f.shape[-1] + window.action
    log_pi = two_column_policy(log_pi0, f, config.alpha, config.beta)  # the soft policy of f, whatever policy acts
    taken, prior = (log.expand_as(f).flatten(2).gather(-1, place.flatten(2)).view(place.shape) for log in (log_pi, log_pi0))
    return soft.n_step_target_sampled(reward, discount, next_value, taken, prior, config.alpha, config.beta, window.truncated)


def q_loss(f: Tensor, window: Window, target: Tensor) -> Tensor:
    """What line 15 descends: the mean over the minibatch of (y - f(S, A))^2 / 2; one number a lane, [R, K]."""
    place = window.state[..., 0] * f.shape[-1] + window.action[..., 0]
    return 0.5 * (target - f.flatten(2).gather(-1, place)).square().mean(-1)


def distillation_loss(h: Tensor, state: Tensor, action: Tensor, time: Tensor, discount: float) -> Tensor:
    """What line 23 descends, (2.68) negated: the mean of -gamma^t log pi_0(A | S) over the minibatches of all tasks; one number a run.

    The factor alpha / beta of line 22 is left out: Adam's step does not depend on it. t is the stored time (line 21 prints i).

    Args:
        h: [R, 1, S, A], the distilled preferences.
        state: [R, K, B] int64.
        action: [R, K, B] int64.
        time: [R, K, B] int64, steps since the episode began.
        discount: gamma.

    Returns:
        [R].
    """
    log_pi0 = distilled_policy(h).squeeze(1).flatten(1)
    chosen = log_pi0.gather(-1, (state * h.shape[-1] + action).flatten(1))
    return -(discount ** time.flatten(1).to(h.dtype) * chosen).mean(-1)


@lanes.checked
def train(
    tasks: Sequence[MDP],
    config: Config,
    seeds: Sequence[int],
    task_ids: Sequence[int] | None = None,
    progress: bool = False,
    watch: Callable[[int, Agent], bool] | None = None,
) -> Run:
    """Algorithm 1 of the thesis, with one or two columns or without sharing; runs are independent, the tasks of a run share pi_0.

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
        ValueError: no tasks, tasks that differ in states or actions, seeds given twice.
    """
    world = lanes.make_world(tasks, seeds, task_ids, config.max_episode_steps, device=config.device)
    lanes.check_numbered("distral_sql.train", world)
    act, replay, first = (lanes.LaneRandom(seeds, task_ids, stream=i, device=config.device) for i in (1, 2, 3))
    network, shared = _initial(world, config, first, lanes.LaneRandom(seeds, [0], stream=4, device=config.device))  # lines 2, 3
    features = world.features.expand(world.runs, -1, -1, -1)
    f, h = network(features), shared(features[:, :1])
    f_target = f.detach().clone()  # a target network's values of all states
    memory = _memory(world, config)
    log, kept = lanes.EpisodeLog(world.runs, world.tasks), {0: _agent(f, h, config)}
    wanted = {round(config.steps * i / config.snapshots) for i in range(1, config.snapshots + 1)}
    state, episode, time = world.reset(), *memory.time.new_zeros(2, world.runs, world.tasks)  # lines 5 and 6
    try:
        for t in trange(1, config.steps + 1, disable=not progress):  # lines 7 and 8, all tasks at once
            decay = torch.exp(-episode / config.epsilon_episodes)
            epsilon = config.epsilon_end + (config.epsilon_start - config.epsilon_end) * decay
            policy = networks.at(task_policy(f.detach(), h.detach(), config), state[..., None])[..., 0, :].exp()
            action = lanes.sample(mix(policy, epsilon).cumsum(-1), act.uniform(1)[..., 0])  # line 9
            seen = world.step(action)  # line 10
            new = Window(state, action, seen.reward, seen.next_observation, seen.terminal, seen.truncated)
            _store(memory, Memory(new, time), t - 1)  # line 11
            if t >= config.n_steps:  # line 12
                window = draw(memory.window, t, replay.uniform(config.batch), config.n_steps)  # line 13
                y = q_target(window, f_target, h, config)  # line 14
                network.descend(q_loss(f, window, y))  # line 15
                if config.distil:  # lines 17 to 23
                    place = _newest(memory, t, replay.uniform(config.batch), config.distil_memory)
                    chosen = (ring.gather(-1, place) for ring in (memory.window.state, memory.window.action, memory.time))
                    shared.descend(distillation_loss(h, *chosen, config.discount))  # line 23
                    h = shared(features[:, :1])
                f = network(features)
            f_target = f.detach().clone() if t % config.target_every == 0 else f_target
            state, episode, time = seen.observation, episode + seen.done, torch.where(seen.done, 0, time + 1)  # line 16
            log.record(seen)
            if t in wanted:
                kept[t] = _agent(f, h, config)
                if watch is not None and watch(t, kept[t]):
                    break
    except KeyboardInterrupt:
        kept[t] = _agent(f, h, config)
    return _run(kept, log)


def _initial(
    world: lanes.World, config: Config, of_tasks: lanes.LaneRandom, of_runs: lanes.LaneRandom
) -> tuple[networks.ByHand, networks.ByHand]:
    """Task values and distilled preferences with random weights, or tables of zeros; preferences that do not learn are zero too."""
    states, sizes = world.features.shape[1], (world.feature_count, *(config.hidden or ()), world.actions)
    network = networks.table(world.runs, world.tasks, states, world.actions, device=config.device)
    shared = networks.table(world.runs, 1, states, world.actions, device=config.device)
    if config.hidden is not None:
        network = networks.mlp(sizes, of_tasks.uniform)
        shared = networks.mlp(sizes, of_runs.uniform) if config.distil else shared
    return networks.ByHand(network, config.learning_rate), networks.ByHand(shared, config.distil_rate if config.distil else None)


def _memory(world: lanes.World, config: Config) -> Memory:
    """Empty rings."""
    size = (world.runs, world.tasks, config.memory)
    kinds = (torch.int64, torch.int64, torch.float32, torch.int64, torch.bool, torch.bool, torch.int64)
    *window, time = (torch.zeros(size, dtype=kind, device=config.device) for kind in kinds)
    return Memory(Window(*window), time)


def _store(memory: Memory, new: Memory, stored: int) -> None:
    """Writes one transition of every lane over the oldest."""
    for ring, latest in zip((*memory.window, memory.time), (*new.window, new.time), strict=True):
        ring[..., stored % ring.shape[-1]] = latest


def _newest(memory: Memory, stored: int, uniform: Tensor, newest: int) -> Tensor:
    """Places of transitions drawn from the newest so many: [R, K, B] int64."""
    capacity = memory.time.shape[-1]
    held = min(stored, capacity, newest)
    return (stored - held + (uniform * held).long()) % capacity


def _agent(f: Tensor, h: Tensor, config: Config) -> Agent:
    """A copy, its policies normalised in float64 so that they can be evaluated exactly."""
    f, h = f.detach().clone().double(), h.detach().clone().double()
    return Agent(distilled_policy(h).squeeze(1), task_policy(f, h, config), f)


def _run(kept: dict[int, Agent], log: lanes.EpisodeLog) -> Run:
    """Puts the results together."""
    agents = list(kept.values())
    policies = torch.stack([agent.log_pi0 for agent in agents], 1), torch.stack([agent.log_pi for agent in agents], 2)
    return Run(agents[-1], History(log.durations(), log.returns(), torch.tensor(list(kept)), *policies))
