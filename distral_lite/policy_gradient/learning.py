"""REINFORCE (thesis 2.25 and its box), over lanes: whole episodes, Monte Carlo returns, with and without a baseline.

A lane updates its policy as soon as it has finished its own batch of episodes, whenever that is, and acts on meanwhile as all others do.
So lanes never wait for one another, and a lane learns the same alone or among many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import lanes, networks, returns
from distral_lite.policy_gradient.episodes import Episodes, empty_episodes, take, write_step
from distral_lite.policy_gradient.exact import box_weights, printed_weights
from distral_lite.validation import Device, Fraction, Layers, NotNegative, PerTask, Positive, Settings, Whole

DECAY_MEAN, DECAY_SQUARE, TINY = 0.9, 0.999, 1e-8  # Adam's usual constants


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train`. Where a tensor is allowed, it holds one number a task: a sweep of settings is a list of equal tasks."""

    steps: Whole = 20_000  # environment steps of every lane
    discount: Fraction = 0.99  # gamma
    learning_rate: Positive | PerTask = 0.05  # alpha of the box, for the policy, or [K]
    baseline_learning_rate: NotNegative | PerTask | None = None  # for the baseline v(s), or [K]; None: no baseline; 0: it stays as it began
    adam: bool = False  # False: the box's own step; True: Adam's, which networks need
    episodes: Whole = 1  # whole episodes that one update averages over; the box has one
    discounted_visits: bool = True  # True: gamma^t as the box has it (`box_weights`); False: `printed_weights`
    hidden: Layers | None = None  # units of the hidden layers of policy and baseline; None: tables, where states are numbered
    max_episode_steps: Whole = 1000  # an episode is cut here, if the environment does not cut it before
    exploring_starts: bool = False  # start episodes anywhere (tables only)
    snapshots: Whole = 20  # copies of the policy kept for the history, equally spaced in steps
    device: Device = "cpu"  # where the tensors live

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.snapshots > self.steps:
            self.refuse("snapshots", f"at most one a step ({self.steps})")


class Agent(NamedTuple):
    """What a run has learned.

    Attributes:
        policy: parameters [R, K, ...] of the preferences, whose softmax is the policy.
        baseline: parameters [R, K, ...] of v(s); None where there is no baseline.
    """

    policy: networks.MLP | networks.Table
    baseline: networks.MLP | networks.Table | None


class History(NamedTuple):
    """What happened on the way.

    Attributes:
        durations: [R, K, E] float64, steps of each finished episode, NaN where a lane finished fewer.
        returns: [R, K, E] float64, undiscounted return of each finished episode, NaN likewise.
        snapshot_steps: [T] int64, environment steps after which the policy was copied, 0 first.
        checkpoints: the T copies. (`networks.best` chooses among them.)
        snapshots: [R, K, T, S, A] float64, log-probabilities of all states; None where states are not numbered.
    """

    durations: Tensor
    returns: Tensor
    snapshot_steps: Tensor
    checkpoints: tuple[networks.MLP | networks.Table, ...]
    snapshots: Tensor | None


class Run(NamedTuple):
    """The result of `train`."""

    agent: Agent
    history: History


def estimates(batch: Episodes, value: Tensor, next_value: Tensor, config: Config) -> tuple[Tensor, Tensor]:
    """The returns G_t and the weights w_t of a batch, where it is real; both [..., B, T], 0 in the padding.

    An episode that was cut goes on where nobody looks: its tail is worth `next_value`, that is what the baseline says, or 0 without one.
    (Without a baseline REINFORCE has no opinion on what it does not see. Cut late, where gamma^(steps left) is small.)

    Args:
        batch: whole episodes.
        value: [..., B, T], b(S_t), the baseline before the update; 0 for none.
        next_value: [..., B, T], that of the state that each step led to.
        config: `discount` and `discounted_visits` are used.
    """
    real = torch.arange(batch.reward.shape[-1], device=value.device) < batch.length.unsqueeze(-1)
    discount = returns.discounts(config.discount, batch.terminal) * real
    return_to_go = returns.discounted_returns(batch.reward, discount, batch.truncated, next_value * real)
    weights = box_weights if config.discounted_visits else printed_weights
    return return_to_go * real, weights(return_to_go, value, config.discount) * real


def policy_loss(log_probability: Tensor, weight: Tensor) -> Tensor:
    """A loss whose gradient is minus the estimate (2.25): -mean over episodes of sum_t w_t log pi(A_t | S_t); no gradient flows through w.

    It is no measure of success: it may rise while the policy improves.

    Args:
        log_probability: [..., B, T], log pi(A_t | S_t).
        weight: [..., B, T], 0 behind the end of an episode.

    Returns:
        [...], one number a lane. Sum them, do not average them, before `backward`.
    """
    return -(weight.detach() * log_probability).sum(-1).mean(-1)


def baseline_loss(value: Tensor, return_to_go: Tensor, length: Tensor) -> Tensor:
    """Half the mean square of G_t - v(S_t) over the steps of a batch; [..., B, T], [..., B, T] and [..., B] give [...]."""
    real = torch.arange(value.shape[-1], device=value.device) < length.unsqueeze(-1)
    return 0.5 * ((return_to_go - value).square() * real).sum((-1, -2)) / length.sum(-1)


class Ascent(NamedTuple):
    """Adam's memory, with a count for every lane, because lanes update at different times.

    Attributes:
        mean: running mean of the gradients, one [R, K, ...] a parameter.
        square: running mean of their squares, likewise.
        count: [R, K] int64, updates so far.
    """

    mean: list[Tensor]
    square: list[Tensor]
    count: Tensor


def start_ascent(network: networks.MLP | networks.Table) -> Ascent:
    """Adam's memory before the first update."""
    zeros = [torch.zeros_like(tensor) for tensor in networks.parameters(network)]
    count = torch.zeros(zeros[0].shape[:2], dtype=torch.int64, device=zeros[0].device)
    return Ascent(zeros, [tensor.clone() for tensor in zeros], count)


def plain_step(network: networks.MLP | networks.Table, which: tuple, gradients: Sequence[Tensor], rate: Tensor) -> None:
    """The box's step, down the gradients [n, ...] of a loss at rates [n], for the n lanes `which`; all other lanes stay as they are."""
    for tensor, gradient in zip(networks.parameters(network), gradients, strict=True):
        tensor[which] -= (_like(rate, tensor) * gradient).to(tensor.dtype)


def adam_step(network: networks.MLP | networks.Table, which: tuple, gradients: Sequence[Tensor], rate: Tensor, memory: Ascent) -> None:
    """Adam's step (Kingma and Ba, 2015), for the n lanes `which`; parameters and memory of all other lanes stay as they are."""
    memory.count[which] += 1
    for tensor, mean, square, gradient in zip(networks.parameters(network), memory.mean, memory.square, gradients, strict=True):
        count = _like(memory.count[which].double(), tensor)
        mean[which] = DECAY_MEAN * mean[which] + (1 - DECAY_MEAN) * gradient
        square[which] = DECAY_SQUARE * square[which] + (1 - DECAY_SQUARE) * gradient.square()
        scale = (square[which] / (1 - DECAY_SQUARE**count)).sqrt() + TINY
        tensor[which] -= (_like(rate, tensor) * mean[which] / (1 - DECAY_MEAN**count) / scale).to(tensor.dtype)


def _like(number: Tensor, parameter: Tensor) -> Tensor:
    """Numbers [n], one a lane, with as many axes as the lanes' share [n, ...] of a parameter [R, K, ...]."""
    return number.view(-1, *[1] * (parameter.ndim - 2))


@lanes.checked
def train(tasks: Sequence[Any], config: Config, seeds: Sequence[int], task_ids: Sequence[int] | None = None, progress: bool = False) -> Run:
    """REINFORCE (the thesis's box), every lane by itself and all of them together; the comments carry the lines of the box.

    Args:
        tasks: K MDPs over the same states and actions, or K `gym_bridge.GymTask`s with the same spaces and numbered actions.
        config: settings.
        seeds: R different integers, one a run.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None. A lane is the same lane,
            alone or among others, when its seed and its task's number are.
        progress: show a progress bar.

    Returns:
        What was learned and how. Interrupting the kernel returns what there is by then.

    Raises:
        ValueError: tasks that do not fit together, continuous actions, a table where states are not numbered, a reward that is not finite.
    """
    world = lanes.make_world(tasks, seeds, task_ids, config.max_episode_steps, config.exploring_starts, config.device)
    lanes.check_numbered("policy_gradient.train", world, states=False)
    random, log = lanes.LaneRandom(seeds, task_ids, stream=1, device=config.device), lanes.EpisodeLog(world.runs, world.tasks)
    policy, baseline = _initial(world, config, lanes.LaneRandom(seeds, task_ids, stream=2, device=config.device))  # Input, Initialize
    ascents = [start_ascent(network) if network is not None and config.adam else None for network in (policy, baseline)]
    preferences = networks.as_function(policy, world.features)
    kept, t = {0: networks.copy(policy)}, 0
    wanted = {round(config.steps * i / config.snapshots) for i in range(1, config.snapshots + 1)}
    observation = world.reset()
    memory = empty_episodes(observation, config.episodes, config.max_episode_steps)
    try:
        for t in trange(1, config.steps + 1, disable=not progress):  # Repeat forever:
            probability = preferences(observation).double().softmax(-1)
            action = lanes.sample(probability.cumsum(-1), random.uniform(1)[..., 0])
            seen = world.step(action)  # Generate an episode S_0, A_0, R_1, ..., following pi
            write_step(memory, observation, action, seen)
            log.record(seen)
            complete = memory.row == config.episodes
            if complete.any():
                which, batch = take(memory, complete)
                update(policy, baseline, ascents, which, batch, world.features, config)  # For each step of the episode ...
                preferences = networks.as_function(policy, world.features)
            observation = seen.observation
            if t in wanted:
                kept[t] = networks.copy(policy)
    except KeyboardInterrupt:
        kept[t] = networks.copy(policy)
    checkpoints, snapshots = tuple(kept.values()), None
    if world.features is not None:
        snapshots = torch.stack([networks.on_states(net, world.features).double().log_softmax(-1) for net in checkpoints], dim=2)
    return Run(Agent(policy, baseline), History(log.durations(), log.returns(), torch.tensor(list(kept)), checkpoints, snapshots))


def update(policy: Any, baseline: Any, ascents: Sequence[Any], which: tuple, batch: Episodes, features: Any, config: Config) -> None:
    """The inner loop of the box, for the lanes `which` and a batch of their episodes: changes policy and baseline in place."""
    lane_features = None if features is None else features[which[1]]
    mine, value, next_value = _lanes(policy, which), torch.zeros_like(batch.reward), torch.zeros_like(batch.reward)
    if baseline is not None:
        theirs = _lanes(baseline, which)
        guess = networks.as_function(theirs, lane_features)
        value, next_value = (guess(seen).squeeze(-1) for seen in (batch.observation, batch.next_observation))
    return_to_go, weight = estimates(batch, value.detach(), next_value.detach(), config)  # G <- return from step t
    log_policy = networks.as_function(mine, lane_features)(batch.observation).log_softmax(-1)
    log_probability = log_policy.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)
    loss = policy_loss(log_probability, weight)  # theta <- theta + alpha gamma^t G grad ln pi(A_t | S_t, theta)
    _descend(policy, which, torch.autograd.grad(loss.sum(), networks.parameters(mine)), config.learning_rate, ascents[0])
    if baseline is not None:
        loss = baseline_loss(value, return_to_go, batch.length)
        gradients = torch.autograd.grad(loss.sum(), networks.parameters(theirs))
        _descend(baseline, which, gradients, config.baseline_learning_rate, ascents[1])


def _descend(network: Any, which: tuple, gradients: Sequence[Tensor], rate: float | Tensor, ascent: Ascent | None) -> None:
    first = networks.parameters(network)[0]
    rate = torch.as_tensor(rate, dtype=torch.float64, device=first.device).expand(first.shape[1])[which[1]]
    if ascent is None:
        plain_step(network, which, gradients, rate)
    else:
        adam_step(network, which, gradients, rate, ascent)


def _lanes(network: networks.Network, which: tuple) -> networks.Network:
    """A copy of some lanes' parameters, [n, ...], to differentiate by."""
    return networks.each(lambda tensor: tensor[which].requires_grad_(), network)


def _initial(world: lanes.World, config: Config, random: lanes.LaneRandom) -> tuple[Any, Any]:
    """A policy that is uniform or nearly so, and a baseline that says 0 or nearly so everywhere, or None."""
    has_baseline = config.baseline_learning_rate is not None
    if config.hidden is not None:
        sizes = (world.feature_count, *config.hidden)
        made = [networks.mlp((*sizes, outputs), random.uniform, last_gain=0.01) for outputs in (world.actions, 1)[: 1 + has_baseline]]
    elif world.features is None:
        raise ValueError("policy_gradient.train: config.hidden is None (a table), wanted hidden layers: these states are not numbered")
    else:
        size = (world.runs, world.tasks, world.features.shape[1])
        made = [networks.table(*size, outputs, device=config.device) for outputs in (world.actions, 1)[: 1 + has_baseline]]
    return made[0], made[1] if has_baseline else None
