"""Many runs of many tasks, stepped together.

A *lane* is one (run, task) pair. Arrays lead with the lane axes [R, K]: R runs, told apart by their seeds, and K tasks. One run of one
task is R = K = 1 and takes the same way through the code as a hundred lanes.

A lane's random numbers come from its seed and the number of its task alone, so a lane learns the same whether it is trained by itself
or among a hundred others.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, ParamSpec, Protocol, TypeVar, get_type_hints

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from distral_lite.mdp import MDP, absorbing, stack
from distral_lite.validation import Settings, check_positive, distinct_integers, found, public_name

BLOCK = 4096  # uniforms drawn at once for a lane
Parameters, Result = ParamSpec("Parameters"), TypeVar("Result")


class LaneRandom:
    """Uniform random numbers for [R, K] lanes, each from a generator of its own.

    Args:
        seeds: R different integers from 0 to 2**32 - 1, one a run. (NumPy splits larger ones into pieces, and then the pieces of one
            seed may be the seed and the task of another.)
        tasks: K different integers, likewise, the number of each task (not its position among those being trained).
        stream: tells apart what the numbers are for, so that an agent that draws more of them meets the same environment.
        device: where the numbers are wanted.

    Raises:
        ValueError: no seeds or tasks, a seed or task twice (two lanes would share their random numbers), or one out of range.
    """

    def __init__(self, seeds: Sequence[int], tasks: Sequence[int], stream: int = 0, device: str = "cpu") -> None:
        """Makes a generator for every lane."""
        seeds, tasks = (distinct_integers("lanes.LaneRandom", name, given) for name, given in (("seeds", seeds), ("tasks", tasks)))
        self._generators = [[np.random.Generator(np.random.Philox(np.random.SeedSequence((s, k, stream)))) for k in tasks] for s in seeds]
        self._block = torch.empty(len(seeds), len(tasks), 0, dtype=torch.float64, device=device)
        self._used = 0

    def uniform(self, count: int) -> Tensor:
        """The next `count` numbers in [0, 1) of every lane: [R, K, count] float64."""
        if self._used + count > self._block.shape[-1]:
            size = max(BLOCK, count)
            drawn = np.array([[generator.random(size) for generator in row] for row in self._generators])
            self._block, self._used = torch.from_numpy(drawn).to(self._block.device), 0
        self._used += count
        return self._block[..., self._used - count : self._used]


class Tables(NamedTuple):
    """K tasks as tables to step in.

    Attributes:
        successor: [K, S, A, M] int64.
        cumulative: [K, S, A, M] float64, running sum of the outcomes' probabilities.
        reward: [K, S, A, M] float64, what each outcome pays.
        terminal: [K, S, A, M] bool.
        start: [K, S] float64, running sum of the start distribution.
        task: [1, K] int64, 0 ... K-1, the index that picks each lane's own table.
    """

    successor: Tensor
    cumulative: Tensor
    reward: Tensor
    terminal: Tensor
    start: Tensor
    task: Tensor


class LaneState(NamedTuple):
    """Where every lane stands.

    Attributes:
        state: [R, K] int64, current state.
        steps: [R, K] int64, steps taken in the current episode.
        rewards: [R, K] float64, sum of the current episode's rewards, undiscounted.
    """

    state: Tensor
    steps: Tensor
    rewards: Tensor


class Transition(NamedTuple):
    """One step of every lane; every field is [R, K].

    Attributes:
        state: state the action was taken in.
        action: action taken.
        reward: what it paid.
        next_state: state it led to (before any reset).
        terminal: the episode is over, and `next_state` is worth nothing.
        truncated: the episode was cut at its step limit, and `next_state` is worth what it is worth.
        steps: length of the episode so far, this step included.
        rewards: sum of the episode's rewards so far, this one included.
    """

    state: Tensor
    action: Tensor
    reward: Tensor
    next_state: Tensor
    terminal: Tensor
    truncated: Tensor
    steps: Tensor
    rewards: Tensor


def tables(tasks: Sequence[MDP], exploring_starts: bool = False, device: str = "cpu") -> Tables:
    """Prepares tasks for stepping.

    Args:
        tasks: K MDPs over the same states and actions.
        exploring_starts: start every episode in any state that can be acted in, all equally likely, instead of the task's own start.
        device: where the tables shall live.

    Raises:
        ValueError: an empty list, or tasks whose states or actions differ (see `mdp.stack`).
    """
    mdp = stack(tasks)
    start = mdp.start
    if exploring_starts:
        possible = ~absorbing(mdp)
        start = possible.double() / possible.sum(-1, keepdim=True)
    arrays = (mdp.successor, mdp.probability.cumsum(-1), mdp.outcome_reward, mdp.terminal, start.cumsum(-1), torch.arange(len(tasks))[None])
    return Tables(*(array.to(device) for array in arrays))


def sample(cumulative: Tensor, uniform: Tensor) -> Tensor:
    """Draws an index from each distribution by inversion: the first index whose running sum exceeds the uniform number.

    Args:
        cumulative: [..., N], running sums of probabilities.
        uniform: [...], numbers in [0, 1).

    Returns:
        [...] int64. Where rounding leaves the last sum a hair below the number, the last index that has any probability is taken.
    """
    cumulative = cumulative.double()  # in float32 the margin below would be rounded away
    exceeds = cumulative > torch.minimum(uniform, cumulative[..., -1] * (1 - 1e-12)).unsqueeze(-1)
    return exceeds.int().argmax(-1)


def reset(tables: Tables, uniform: Tensor) -> LaneState:
    """Starts an episode in every lane.

    Args:
        tables: K tasks.
        uniform: [R, K], one number a lane.
    """
    state = sample(tables.start.expand(*uniform.shape, -1), uniform)
    return LaneState(state, torch.zeros_like(state), torch.zeros_like(uniform))


def step(tables: Tables, lanes: LaneState, action: Tensor, uniform: Tensor, max_steps: int) -> tuple[Transition, LaneState]:
    """Takes one action in every lane; where an episode ends, the next one starts at once.

    Args:
        tables: K tasks.
        lanes: where the lanes stand.
        action: [R, K] int64.
        uniform: [R, K, 2], the first for the outcome, the second for the start of the next episode.
        max_steps: the episode is cut (truncated, not terminal) when it is this long.

    Returns:
        What happened, and where the lanes stand now.
    """
    task, state = tables.task, lanes.state
    outcome = sample(tables.cumulative[task, state, action], uniform[..., 0])
    reward = tables.reward[task, state, action, outcome]
    next_state = tables.successor[task, state, action, outcome]
    terminal = tables.terminal[task, state, action, outcome]
    steps, rewards = lanes.steps + 1, lanes.rewards + reward
    transition = Transition(state, action, reward, next_state, terminal, ~terminal & (steps >= max_steps), steps, rewards)
    fresh = reset(tables, uniform[..., 1])
    done = terminal | transition.truncated
    going_on = LaneState(next_state, steps, rewards)
    return transition, LaneState(*(torch.where(done, new, old) for new, old in zip(fresh, going_on, strict=True)))


class Step(NamedTuple):
    """What one step of a `World` shows the agents. Observations are [R, K] state numbers or [R, K, N] features.

    Attributes:
        reward: [R, K] float64.
        next_observation: what the action led to, before any reset: what to learn from.
        terminal: [R, K] bool, the episode is over and `next_observation` is worth nothing.
        truncated: [R, K] bool, the episode was cut and `next_observation` is worth what it is worth.
        observation: where the lane stands now, after any reset: what to act on.
        steps: [R, K] int64, length of the episode, this step included.
        rewards: [R, K] float64, undiscounted return of the episode, this step included.
    """

    reward: Tensor
    next_observation: Tensor
    terminal: Tensor
    truncated: Tensor
    observation: Tensor
    steps: Tensor
    rewards: Tensor

    @property
    def done(self) -> Tensor:
        """[R, K] bool, true where the episode ended one way or the other."""
        return self.terminal | self.truncated


class World(Protocol):
    """[R, K] lanes of some environment, stepping together. `TableWorld` and `gym_bridge.GymWorld` are worlds.

    Attributes:
        runs: R.
        tasks: K.
        actions: A.
        feature_count: N.
        features: [K, S, N] float32 where observations are state numbers, None where they are features themselves.
    """

    runs: int
    tasks: int
    actions: int
    feature_count: int
    features: Tensor | None

    def reset(self) -> Tensor:
        """Starts an episode in every lane and returns the observations."""

    def step(self, action: Tensor) -> Step:
        """Takes one action in every lane, [R, K] int64; where an episode ends, the next one starts at once."""


class TableWorld:
    """A `World` over MDPs: observations are state numbers, [R, K] int64.

    Args:
        tasks: K MDPs over the same states and actions.
        seeds: R different integers.
        task_ids: the K tasks' numbers (see `LaneRandom`).
        max_episode_steps: episodes are cut at this length.
        exploring_starts: see `tables`.
        device: where the tables live.
    """

    def __init__(
        self,
        tasks: Sequence[MDP],
        seeds: Sequence[int],
        task_ids: Sequence[int],
        max_episode_steps: int,
        exploring_starts: bool = False,
        device: str = "cpu",
    ) -> None:
        """Prepares the tables and the lanes' generators."""
        check_positive("lanes.TableWorld", "max_episode_steps", max_episode_steps, whole=True)
        self._random = LaneRandom(seeds, task_ids, stream=0, device=device)
        self.tables = tables(tasks, exploring_starts, device)
        self.runs, (self.tasks, self.states, self.actions, _) = len(seeds), self.tables.reward.shape
        self.features = torch.stack([task.features for task in tasks]).to(device)
        self.feature_count = self.features.shape[-1]
        self._max_episode_steps = max_episode_steps

    def reset(self) -> Tensor:
        """Starts an episode in every lane and returns the states: [R, K] int64."""
        self._lanes = reset(self.tables, self._random.uniform(1)[..., 0])
        return self._lanes.state

    def step(self, action: Tensor) -> Step:
        """Takes one action in every lane; see `World.step`."""
        seen, self._lanes = step(self.tables, self._lanes, action, self._random.uniform(2), self._max_episode_steps)
        return Step(seen.reward, seen.next_state, seen.terminal, seen.truncated, self._lanes.state, seen.steps, seen.rewards)


def make_world(
    tasks: Sequence[Any],
    seeds: Sequence[int],
    task_ids: Sequence[int] | None = None,
    max_episode_steps: int = 1000,
    exploring_starts: bool = False,
    device: str = "cpu",
) -> World:
    """The world of a list of tasks: MDPs give a `TableWorld`; other tasks bring their own by a method `make_world`.

    Args:
        tasks: K MDPs, or K tasks of one other kind, such as `gym_bridge.GymTask`.
        seeds: R different integers.
        task_ids: K different integers that number the tasks for their random numbers; 0 ... K-1 if None. A lane is the same lane, alone
            or among others, when its seed and its task's number are.
        max_episode_steps: episodes are cut at this length.
        exploring_starts: start episodes anywhere (tables only).
        device: where the tensors live.

    Raises:
        ValueError: an empty list, tasks that do not fit together, of different kinds or of a kind that has no world, a task number for
            every task wanted but not given.
    """
    task_ids = check_tasks("lanes.make_world", tasks, task_ids)
    maker = TableWorld if isinstance(tasks[0], MDP) else type(tasks[0]).make_world
    return maker(tasks, seeds, task_ids, max_episode_steps, exploring_starts, device)


def check_tasks(function: str, tasks: Any, task_ids: Any) -> Sequence[int]:
    """Wants tasks that can be trained on together, and a number for each; returns the numbers, 0 ... K-1 for None.

    Raises:
        ValueError: no list of tasks, tasks of different kinds or of one that has no world, numbers that are not one a task.
    """
    if isinstance(tasks, MDP) or not isinstance(tasks, Sequence):
        raise ValueError(f"{function}: tasks is {found(tasks)}, wanted a list of tasks, of one too: [task]")
    if not tasks:
        raise ValueError(f"{function}: the list of tasks is empty, wanted at least one task")
    kinds = sorted({type(task).__name__ for task in tasks})
    if len(kinds) > 1:
        raise ValueError(f"{function}: tasks of different kinds {kinds}, wanted one kind")
    if not isinstance(tasks[0], MDP) and not hasattr(type(tasks[0]), "make_world"):
        raise ValueError(f"{function}: tasks are {kinds[0]}, wanted MDPs or tasks with a method make_world")
    if task_ids is None:
        return range(len(tasks))
    numbers = distinct_integers(function, "task_ids", task_ids)
    if len(numbers) != len(tasks):
        raise ValueError(f"{function}: task_ids has {len(numbers)} numbers, wanted {len(tasks)}, one a task")
    return numbers


def check_numbered(function: str, world: World, states: bool = True) -> None:
    """Wants a world whose actions are numbered and, with `states`, whose states are too.

    Raises:
        ValueError: actions or observations that are vectors.
    """
    if not hasattr(world, "actions"):
        raise ValueError(f"{function}: tasks have continuous actions, wanted numbered ones (of MDPs, or of a Discrete space)")
    if states and world.features is None:
        raise ValueError(
            f"{function}: tasks have observations of {world.feature_count} numbers, wanted numbered states: MDPs, or"
            " Gymnasium tasks whose observations are a Discrete space"
        )


def checked(train: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Makes a `train` refuse arguments that make no sense, before it begins; it gets seeds and task numbers as lists of integers.

    What an argument may be goes by its name: `tasks`, `config`, `seeds` (below 2**32 over the environments or workers of a lane),
    `task_ids` (0 ... K-1 for None), `progress`, `watch`. The class of the configuration is read from its annotation.
    """
    signature = inspect.signature(train)

    @functools.wraps(train)
    def checking(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        function, given = public_name(checking), signature.bind(*args, **kwargs)
        given.apply_defaults()
        arguments = given.arguments
        config = arguments["config"]
        _check_config(function, config, get_type_hints(train)["config"])
        arguments["task_ids"] = check_tasks(function, arguments["tasks"], arguments["task_ids"])
        each = getattr(config, "environments", 1) * getattr(config, "workers", 1)  # that a seed stands for
        arguments["seeds"] = distinct_integers(function, "seeds", arguments["seeds"], 2**32 // each)
        config.check_lengths(function, len(arguments["seeds"]), len(arguments["tasks"]))
        if not isinstance(arguments["progress"], bool):
            raise ValueError(f"{function}: progress is {found(arguments['progress'])}, wanted True or False")
        if not (arguments.get("watch") is None or callable(arguments["watch"])):
            raise ValueError(f"{function}: watch is {found(arguments['watch'])}, wanted a function or None")
        return train(*given.args, **given.kwargs)

    return checking


def _check_config(function: str, config: Any, wanted: type[Settings]) -> None:
    """Wants a configuration of a class, and a device that there is."""
    if not isinstance(config, wanted):
        raise ValueError(f"{function}: config is {found(config)}, wanted a {public_name(wanted)}")
    device = getattr(config, "device", "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        first = str(problem).partition("\n")[0]
        raise ValueError(f"{function}: config.device is {device!r}, wanted a device that this PyTorch can use ({first})") from problem


class EpisodeLog:
    """Collects the length and the return of every finished episode of [R, K] lanes, in the order of their ends.

    Args:
        runs: R.
        tasks: K.
        environments: E, where each lane acts in several at once and the world has R * E runs: those of run 0, of run 1, and so on.
    """

    def __init__(self, runs: int, tasks: int, environments: int = 1) -> None:
        """Starts with no episodes."""
        self._environments = environments
        self._episodes: list[list[list[tuple]]] = [[[] for _ in range(tasks)] for _ in range(runs)]

    def record(self, seen: Step) -> None:
        """Notes the episodes that this step finished."""
        for run, task in torch.nonzero(seen.done).tolist():
            self._episodes[run // self._environments][task].append((float(seen.steps[run, task]), float(seen.rewards[run, task])))

    def durations(self) -> Tensor:
        """[R, K, N] float64, steps of each episode; N is the largest number of episodes of any lane, NaN where a lane had fewer."""
        return self._padded(0)

    def returns(self) -> Tensor:
        """[R, K, N] float64, undiscounted sum of each episode's rewards; NaN as in `durations`."""
        return self._padded(1)

    def _padded(self, which: int) -> Tensor:
        rows = [torch.tensor([episode[which] for episode in lane], dtype=torch.float64) for run in self._episodes for lane in run]
        return pad_sequence(rows, batch_first=True, padding_value=torch.nan).unflatten(0, (len(self._episodes), -1))
