"""Soft Q-learning over lanes (thesis 2.43 to 2.45): tables or networks, one step or n, as it comes or replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes, networks, soft
from distral_lite.mdp import MDP
from distral_lite.soft import prior_of_tasks, soft_log_policy, soft_value
from distral_lite.validation import Fraction, Layers, PerTask, Positive, Settings, Whole


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train`. Where a tensor is allowed, it holds one number a task: a sweep of settings is a list of equal tasks."""

    steps: Whole = 20_000  # environment steps of every lane, and updates
    discount: Fraction = 0.99  # gamma
    alpha: Fraction | PerTask = 1.0  # share of the price that is paid for leaving the prior, the rest rewards entropy; or [K]
    beta: Positive | PerTask = 5.0  # inverse temperature, in units of 1 / reward, or [K]
    learning_rate: Positive = 0.5  # of a table: how far Q moves to its target (0.1 where n_steps > 1); of a network: Adam's, such as 1e-3
    epsilon: Fraction | PerTask = 0.05  # the behaviour is the soft policy, mixed with so much chance; or [K]
    n_steps: Whole = 1  # rewards in a target (2.44)
    target: Literal["sampled", "expected_kl"] = "sampled"  # what n-step targets subtract: log-ratios, or the KL of (2.44) as printed
    memory: Whole | None = None  # learn from random ones of the newest so many transitions; None: from each once, as it comes
    batch: Whole = 1  # windows of n transitions in an update of each lane; 1 if memory is None
    hidden: Layers | None = None  # hidden units of a network; None: a table
    max_episode_steps: Whole = 1000  # an episode is cut here (and bootstraps: it is a truncation)
    exploring_starts: bool = False  # start episodes anywhere instead of at the task's start
    snapshots: Whole = 100  # copies of Q kept for the history, equally spaced in steps

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.hidden is None and self.learning_rate > 1:
            self.refuse("learning_rate", "a number from 0 to 1, for a table")
        if self.memory is None and self.batch > 1:
            self.refuse("batch", "1, or a memory to draw more than one window from")
        if self.memory is not None and self.memory < self.n_steps:
            self.refuse("memory", f"at least n_steps ({self.n_steps}), or None")
        for name in ("n_steps", "snapshots"):
            if getattr(self, name) > self.steps:
                self.refuse(name, f"at most steps ({self.steps})")


class Window(NamedTuple):
    """Transitions of every lane in order of time: [R, K, C] as a memory, [R, K, B, n] as a batch. Fields as in `lanes.Transition`."""

    state: Tensor
    action: Tensor
    reward: Tensor
    next_state: Tensor
    terminal: Tensor
    truncated: Tensor


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        q: [R, K, S, A], soft action values: float64 if a table, float32 if a network.
        log_policy: [R, K, S, A], log of their soft policies.
        network: the parameters that give q.
    """

    q: Tensor
    log_policy: Tensor
    network: networks.Table | networks.MLP


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, E] float64, steps of each finished episode, NaN where a lane finished fewer.
        returns: [R, K, E] float64, undiscounted rewards of each finished episode, without regulariser, NaN likewise.
        snapshot_steps: [T] int64, environment steps after which q was copied, 0 first.
        snapshots: [R, K, T, S, A], the copies.
    """

    durations: Tensor
    returns: Tensor
    snapshot_steps: Tensor
    snapshots: Tensor


class Run(NamedTuple):
    """The result of `train`."""

    agent: Agent
    history: History


def mix(policy: Tensor, epsilon: float | Tensor) -> Tensor:
    """The behaviour: (1 - epsilon) pi + epsilon / A, [..., A] -> [..., A]; epsilon is a number or [...]."""
    epsilon = torch.as_tensor(epsilon, dtype=policy.dtype, device=policy.device).unsqueeze(-1)
    return (1 - epsilon) * policy + epsilon / policy.shape[-1]


def draw(memory: Window, stored: int, uniform: Tensor, n: int) -> Window:
    """Draws windows of n transitions in a row from rings that hold the newest C.

    Args:
        memory: [R, K, C]; the transition stored i-th (from 0) lies at i mod C.
        stored: transitions stored so far, at least n.
        uniform: [R, K, B], numbers in [0, 1).
        n: length of a window, at most C.

    Returns:
        [R, K, B, n], all windows held being equally likely. Where n = C, that is the newest n.
    """
    capacity = memory.state.shape[-1]
    held = min(stored, capacity)
    first = stored - held + (uniform * (held - n + 1)).long()
    place = ((first.unsqueeze(-1) + torch.arange(n, device=first.device)) % capacity).flatten(-2)
    return Window(*(field.gather(-1, place).unflatten(-1, (-1, n)) for field in memory))


def targets(window: Window, q: Tensor, log_prior: Tensor, config: Config) -> Tensor:
    """The target of the first state and action of every window (2.44), with next values and policies of the present q.

    Args:
        window: [R, K, B, n].
        q: [R, K, S, A].
        log_prior: [K, S, A].
        config: settings.

    Returns:
        [R, K, B].
    """
    run, task = torch.arange(q.shape[0]).view(-1, 1, 1, 1), torch.arange(q.shape[1]).view(-1, 1, 1)
    alpha, beta = (torch.as_tensor(number, dtype=q.dtype).view(-1, 1, 1) for number in (config.alpha, config.beta))
    reward, discount = window.reward.to(q.dtype), config.discount * (~window.terminal).to(q.dtype)
    next_value = soft_value(q[run, task, window.next_state], log_prior[task, window.next_state], alpha, beta)
    if config.n_steps == 1:
        return soft.one_step_target(reward, discount, next_value)[..., 0]
    prior = log_prior[task, window.state]
    log_policy = soft_log_policy(q[run, task, window.state], prior, alpha, beta)
    if config.target == "expected_kl":
        return soft.n_step_target_expected_kl(reward, discount, next_value, log_policy, prior, alpha, beta, window.truncated)
    taken, of_prior = (log.gather(-1, window.action.unsqueeze(-1)).squeeze(-1) for log in (log_policy, prior))
    return soft.n_step_target_sampled(reward, discount, next_value, taken, of_prior, alpha, beta, window.truncated)


def update_table(table: networks.Table, window: Window, target: Tensor, learning_rate: float) -> None:
    """Moves Q(s_t, a_t) towards the mean of its targets, in place: a step down (2.43), as (2.17) takes it."""
    q, first = table.values.flatten(2), window.state[..., 0] * table.values.shape[-1] + window.action[..., 0]
    error = torch.zeros_like(q).scatter_add(-1, first, target - q.gather(-1, first))
    count = torch.zeros_like(q).scatter_add(-1, first, torch.ones_like(target))
    q += learning_rate * error / count.clamp_min(1)


def update_network(network: networks.MLP, adam: torch.optim.Adam, features: Tensor, window: Window, target: Tensor) -> None:
    """One step of Adam down (2.43): (Q(s_t, a_t) - y_t)^2 / 2, averaged within a lane and summed over lanes, in place."""
    rows = networks.at(networks.on_states(network, features), window.state[..., 0])
    loss = 0.5 * (rows.gather(-1, window.action[..., :1]).squeeze(-1) - target).square().mean(-1)
    adam.zero_grad()
    loss.sum().backward()
    adam.step()


@lanes.checked
def train(
    tasks: Sequence[MDP],
    config: Config,
    seeds: Sequence[int],
    task_ids: Sequence[int] | None = None,
    progress: bool = False,
    log_prior: Tensor | None = None,
) -> Run:
    """Soft Q-learning (2.43 to 2.45), every lane by itself and all of them together.

    Args:
        tasks: K MDPs over the same states and actions.
        config: settings.
        seeds: R different integers, one a run.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None.
        progress: show a progress bar.
        log_prior: log pi_0, [A], [S, A] or [K, S, A], without zeros of pi_0; uniform if None.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: tasks that differ in states or actions, seeds given twice, a prior that is no distribution or has zeros.
    """
    world = lanes.make_world(tasks, seeds, task_ids, config.max_episode_steps, config.exploring_starts)
    lanes.check_numbered("soft_q_learning.train", world)
    explore, replay, first = (lanes.LaneRandom(seeds, task_ids, stream=i) for i in (1, 2, 3))
    network, learn = _learner(config, world, first)
    q = networks.on_states(network, world.features).detach()
    log_prior = prior_of_tasks("soft_q_learning.train", log_prior, tuple(q.shape[1:]), config.alpha, config.beta).to(q.dtype)
    alpha, beta, epsilon = (torch.as_tensor(number, dtype=q.dtype) for number in (config.alpha, config.beta, config.epsilon))
    run, task, capacity = torch.arange(world.runs)[:, None], torch.arange(world.tasks), config.memory or config.n_steps
    log, kept, memory = lanes.EpisodeLog(world.runs, world.tasks), [(0, q.clone())], None
    wanted = {round(config.steps * i / config.snapshots) for i in range(1, config.snapshots + 1)}
    state = world.reset()
    try:
        for t in trange(1, config.steps + 1, disable=not progress):
            log_policy = soft_log_policy(q[run, task, state], log_prior[task, state], alpha, beta)
            action = lanes.sample(mix(log_policy.exp(), epsilon).cumsum(-1), explore.uniform(1)[..., 0])
            seen = world.step(action)
            new = Window(state, action, seen.reward, seen.next_observation, seen.terminal, seen.truncated)
            memory = memory or Window(*(torch.zeros(*field.shape, capacity, dtype=field.dtype) for field in new))
            for ring, field in zip(memory, new, strict=True):
                ring[..., (t - 1) % capacity] = field
            if t >= config.n_steps:
                window = draw(memory, t, replay.uniform(config.batch), config.n_steps)
                learn(window, targets(window, q, log_prior, config))
                q = networks.on_states(network, world.features).detach()
            log.record(seen)
            state = seen.observation
            if t in wanted:
                kept.append((t, q.clone()))
    except KeyboardInterrupt:
        kept.append((t, q.clone()))
    snapshot_steps, snapshots = zip(*kept, strict=True)
    history = History(log.durations(), log.returns(), torch.tensor(snapshot_steps), torch.stack(snapshots, dim=2))
    return Run(Agent(q, soft_log_policy(q, log_prior, alpha.unsqueeze(-1), beta.unsqueeze(-1)), network), history)


def _learner(config: Config, world: lanes.World, first: lanes.LaneRandom) -> tuple[networks.Table | networks.MLP, Callable]:
    """A new table or network, and the function (window, target) that updates it."""
    if config.hidden is None:
        shape = (world.runs, world.tasks, world.features.shape[1], world.actions)
        table = networks.Table(torch.zeros(shape, dtype=torch.float64))
        return table, lambda window, target: update_table(table, window, target, config.learning_rate)
    network = networks.mlp((world.feature_count, *config.hidden, world.actions), first.uniform)
    adam = networks.adam(network, config.learning_rate)
    return network, lambda window, target: update_network(network, adam, world.features, window, target)
