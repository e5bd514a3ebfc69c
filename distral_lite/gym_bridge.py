"""The bridge to Gymnasium, both ways.

Out: importing this module registers the thesis's mazes as `distral_lite/Map1-v0` ... `distral_lite/Map8-v0` (`GridWorldEnv`), each with its
time limit of 1000 steps. Where an id is all that can be given, `gymnasium.make("distral_lite.gym_bridge:distral_lite/Map4-v0")` imports it.

In: a `GymTask` stands for a Gymnasium environment wherever the course's `train` functions take tasks; `lanes.make_world` makes a `GymWorld`
of it, one environment a lane.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import TimeLimit
from torch import Tensor

from distral_lite.gridworld import MAPS, GridWorld, load_map
from distral_lite.lanes import LaneRandom, Step
from distral_lite.validation import check_positive

CELL = 24  # pixels of a cell's side in a picture
# Okabe and Ito's palette; each thing has a shape of its own as well.
WALL, FLOOR, GRID, START, GOAL, TRAP, AGENT = (
    np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)])
    for code in ("000000", "FFFFFF", "D9DDE0", "56B4E9", "009E73", "CC79A7", "D55E00")
)


class GridWorldEnv(gymnasium.Env):
    """A maze as a Gymnasium environment: states are cells, numbered as in `GridWorld.cells`; actions are `GridWorld.actions`.

    Nothing is random in it where no move slips. The start, the rewards and the ends are those of `GridWorld.table()`, which it steps
    through and publishes as Gymnasium's own toy-text environments do, so that `MDP.from_gymnasium` gives back `GridWorld.mdp()`.

    Args:
        world: the maze, or the number of one of the thesis's.
        render_mode: None or "rgb_array".

    Attributes:
        P: `P[state][action] = [(probability, next_state, reward, terminated)]`.
        initial_state_distrib: [S] float64, one at the start.

    Raises:
        ValueError: a number that is no map's, or another render mode.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 8}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(self, world: GridWorld | int, render_mode: str | None = None) -> None:
        """Reads the maze's table."""
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"gym_bridge.GridWorldEnv: render_mode is {render_mode!r}, wanted None or 'rgb_array'")
        self.world, self.render_mode = load_map(world) if isinstance(world, int) else world, render_mode
        self.P = self.world.table()
        self.initial_state_distrib = np.zeros(len(self.P))
        self.initial_state_distrib[self.world.start] = 1.0
        self.observation_space, self.action_space = Discrete(len(self.P)), Discrete(len(self.P[0]))
        self._state: int | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        """Puts the agent at the start. The seed goes to `np_random`, which only moves that may slip draw from."""
        super().reset(seed=seed)
        self._state = self.world.start
        return self._state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Takes one step through the table. It never truncates: the time limit is Gymnasium's wrapper, put on by `gymnasium.make`.

        Raises:
            gymnasium.error.ResetNeeded: `reset` was not called yet.
            ValueError: an action that is none of the maze's.
        """
        if self._state is None:
            raise gymnasium.error.ResetNeeded("gym_bridge.GridWorldEnv.step: no episode has begun, wanted a call of reset before")
        if action not in self.P[0]:
            raise ValueError(f"gym_bridge.GridWorldEnv.step: action is {action!r}, wanted an integer from 0 to {len(self.P[0]) - 1}")
        outcomes = self.P[self._state][int(action)]
        chosen = 0
        if len(outcomes) > 1:
            chosen = self.np_random.choice(len(outcomes), p=[outcome[0] for outcome in outcomes])
        _, self._state, reward, terminal = outcomes[chosen]
        return self._state, reward, terminal, False, {}

    def render(self) -> np.ndarray | None:
        """The maze from above: [height * CELL, width * CELL, 3] uint8; None without a render mode.

        Walls are black, the start is a blue frame, a goal a green diamond, a trap a pink cross, the agent an orange disc.
        """
        if self.render_mode is None:
            return None
        picture = self._background.copy()
        if self._state is not None:
            _paint(picture, self.world.cells[self._state], AGENT, lambda y, x: y**2 + x**2 < 0.3**2)
        return picture.round().astype(np.uint8)

    @cached_property
    def _background(self) -> np.ndarray:
        """The maze without the agent, [height * CELL, width * CELL, 3] float64."""
        picture = np.tile(WALL.astype(np.float64), (len(self.world.rows) * CELL, len(self.world.rows[0]) * CELL, 1))
        for cell in self.world.cells:
            _paint(picture, cell, GRID, lambda y, x: y < 1)
            _paint(picture, cell, FLOOR, lambda y, x: (y < 0.5 - 1 / CELL) & (x < 0.5 - 1 / CELL))
        _paint(picture, self.world.cells[self.world.start], START, lambda y, x: abs(np.maximum(abs(y), abs(x)) - 0.4) < 0.06)
        for goal in self.world.goals:
            _paint(picture, self.world.cells[goal], GOAL, lambda y, x: abs(y) + abs(x) < 0.44)
        for trap in self.world.traps:
            _paint(picture, self.world.cells[trap], TRAP, lambda y, x: (abs(abs(y) - abs(x)) < 0.1) & (abs(y) < 0.38))
        return picture


def _paint(picture: np.ndarray, cell: tuple[int, int], colour: np.ndarray, inside: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """Paints a shape into a cell with smooth edges: a pixel takes the colour by the share of it that lies inside.

    `inside` tells it for points given by their distance down and right of the cell's centre, in cells.
    """
    fine = (np.arange(4 * CELL) + 0.5) / (4 * CELL) - 0.5
    mask = np.broadcast_to(inside(fine[:, None], fine[None, :]), (4 * CELL, 4 * CELL))
    share = mask.reshape(CELL, 4, CELL, 4).mean((1, 3))[..., None]
    (top, left) = (CELL * i for i in cell)
    patch = picture[top : top + CELL, left : left + CELL]
    patch += share * (colour - patch)


for _number in MAPS:
    if (_id := f"distral_lite/Map{_number}-v0") not in gymnasium.registry:  # there already when a notebook reloads the module
        gymnasium.register(_id, "distral_lite.gym_bridge:GridWorldEnv", max_episode_steps=1000, kwargs={"world": _number})


@dataclass(frozen=True)
class GymTask:
    """A Gymnasium environment as a task to train on.

    Attributes:
        env_id: the id it is registered under.
        kwargs: passed to `gymnasium.make`.
        continuous: False: actions are numbered (a Discrete space). True: they are vectors (a bounded Box), and the agent gives each
            number in [-1, 1], the whole range that the environment allows; see `GymWorld`.
    """

    env_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict, hash=False)
    continuous: bool = False

    def make(self) -> gymnasium.Env:
        """Makes one environment.

        Raises:
            ValueError: no environment has this id; the message names near ones.
        """
        try:
            # Gymnasium's checker looks at an environment's first step only, with warnings; GymWorld checks every step.
            return gymnasium.make(self.env_id, disable_env_checker=True, **self.kwargs)
        except gymnasium.error.DependencyNotInstalled:
            raise
        except gymnasium.error.Error as problem:
            near = difflib.get_close_matches(self.env_id, gymnasium.registry, n=3, cutoff=0.5)
            hint = f" Near it: {', '.join(near)}." if near else ""
            raise ValueError(f"gym_bridge.GymTask: env_id is {self.env_id!r}, wanted a registered one. {problem}{hint}") from problem

    @staticmethod
    def make_world(*arguments: Any, **settings: Any) -> GymWorld:
        """The `GymWorld` of some tasks, for `lanes.make_world`."""
        return GymWorld(*arguments, **settings)


class GymWorld:
    """A `lanes.World` over Gymnasium environments, one a lane.

    The lane's environment is seeded from the lane's seed and task number alone and shares its random numbers with no other, so a lane is
    the same alone and among others. Environments step one after the other: they are Python, and cost what they cost each.

    Args:
        tasks: K tasks of equal observation and action spaces.
        seeds: R different integers.
        task_ids: the K tasks' numbers (see `LaneRandom`).
        max_episode_steps: episodes are cut at this length if the environment's own limit does not cut them before; None: by that alone.
        exploring_starts: False; only tables can start anywhere.
        device: where the tensors live.

    Attributes:
        runs: R.
        tasks: K.
        actions: A, of numbered actions: `step` takes [R, K] int64.
        action_size: D, of continuous ones: `step` takes [R, K, D] in [-1, 1], and -1 and 1 mean the environment's own bounds.
        states: S, where the environment numbers its states: observations are [R, K] int64.
        features: [K, S, N] float32, one-hot, where it does; None where observations are vectors: [R, K, N] float32.
        feature_count: N.

    Raises:
        ValueError: an unknown environment, a space that lanes cannot hold, tasks of different spaces, exploring starts, or a bad seed,
            task number or limit.
    """

    def __init__(
        self,
        tasks: Sequence[GymTask],
        seeds: Sequence[int],
        task_ids: Sequence[int],
        max_episode_steps: int | None = None,
        exploring_starts: bool = False,
        device: str = "cpu",
    ) -> None:
        """Makes all environments."""
        if exploring_starts:
            raise ValueError("gym_bridge.GymWorld: exploring_starts is True, wanted False: these environments choose their starts")
        if max_episode_steps is not None:
            check_positive("gym_bridge.GymWorld", "max_episode_steps", max_episode_steps, whole=True)
        drawn = LaneRandom(seeds, task_ids).uniform(1).flatten()  # 53 random bits a lane
        self.runs, self.tasks = len(seeds), len(tasks)
        self._device, self._ids, self._run_seeds = torch.device(device), [task.env_id for task in tasks], list(seeds)
        envs: list[gymnasium.Env] = []
        try:
            for _ in seeds:
                envs.extend(_limited(task.make(), max_episode_steps) for task in tasks)
            _check_spaces(tasks, envs[: self.tasks])
        except BaseException:
            for env in envs:
                env.close()
            raise
        self._envs = SyncVectorEnv([lambda env=env: env for env in envs], copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
        self._env_seeds: list[int] | None = (drawn * 2**53).long().tolist()
        observation, action = self._envs.single_observation_space, self._envs.single_action_space
        if isinstance(observation, Discrete):
            self.states = self.feature_count = int(observation.n)
            self.features = torch.eye(self.states, device=device).repeat(self.tasks, 1, 1)
        else:
            self.features, self.feature_count = None, observation.shape[0]
        if isinstance(action, Discrete):
            self.actions = int(action.n)
        else:
            self.action_size = action.shape[0]
            self._low, self._high = action.low.astype(np.float64), action.high.astype(np.float64)

    def __getattr__(self, name: str) -> Any:
        """Says why there is no number of states, actions or action components (called for missing attributes only)."""
        if name not in ("states", "actions", "action_size") or "_envs" not in self.__dict__:
            raise AttributeError(f"'GymWorld' object has no attribute {name!r}")
        what = "observation" if name == "states" else "action"
        found, wanted = getattr(self._envs, f"single_{what}_space"), "Box" if name == "action_size" else "Discrete"
        raise AttributeError(f"gym_bridge.GymWorld.{name}: {self._ids[0]} has {what}s {found}, wanted a {wanted} space")

    def reset(self) -> Tensor:
        """Starts an episode in every lane and returns the observations. The first reset seeds; later ones go on with the lane's numbers."""
        observation, _ = self._envs.reset(seed=self._env_seeds)
        self._env_seeds = None
        lanes = self.runs * self.tasks
        self._steps, self._rewards = np.zeros(lanes, dtype=np.int64), np.zeros(lanes)
        return self._observed(observation)

    def step(self, action: Tensor) -> Step:
        """Takes one action in every lane; where an episode ends, the next one starts at once.

        Args:
            action: [R, K] int64, or [R, K, D] numbers in [-1, 1] where actions are continuous.

        Returns:
            What happened. An episode that reaches its goal and its time limit in one step is terminal, not truncated.

        Raises:
            ValueError: actions of the wrong shape or outside [-1, 1]; an environment that pays NaN or infinity.
        """
        now, reward, terminal, truncated, info = self._envs.step(self._acted(action))  # all of [R * K, ...]
        self._steps += 1
        if (bad := ~np.isfinite(reward)).any():
            lane = int(bad.argmax())
            run, task = divmod(lane, self.tasks)
            raise ValueError(
                f"gym_bridge.GymWorld.step: {self._ids[task]} paid {reward[lane]} in run {run} (seed {self._run_seeds[run]}), task {task}, "
                f"step {self._steps[lane]} of the episode; wanted a finite reward"
            )
        self._rewards += reward
        done = terminal | truncated
        following = now.copy()
        for lane in np.flatnonzero(done):
            following[lane] = info["final_obs"][lane]
        seen = Step(
            self._lanes(reward),
            self._observed(following),
            self._lanes(terminal),
            self._lanes(truncated & ~terminal),
            self._observed(now),
            self._lanes(self._steps.copy()),
            self._lanes(self._rewards.copy()),
        )
        self._steps[done], self._rewards[done] = 0, 0.0
        return seen

    def close(self) -> None:
        """Closes all environments."""
        self._envs.close()

    def _lanes(self, array: np.ndarray) -> Tensor:
        """[R * K, ...] to [R, K, ...]."""
        return torch.from_numpy(array.reshape(self.runs, self.tasks, *array.shape[1:])).to(self._device)

    def _observed(self, observation: np.ndarray) -> Tensor:
        """A new tensor of observations: the environments' buffer is used again at the next step."""
        if self.features is None:
            return self._lanes(observation.astype(np.float32))
        return self._lanes(observation - self._envs.single_observation_space.start)

    def _acted(self, action: Tensor) -> np.ndarray:
        """Actions as the environments want them: [R * K] or [R * K, D]."""
        space = self._envs.single_action_space
        wanted = (self.runs, self.tasks, *space.shape)
        if tuple(action.shape) != wanted:
            raise ValueError(f"gym_bridge.GymWorld.step: action has shape {tuple(action.shape)}, wanted {wanted}")
        numbers = action.detach().cpu().numpy().reshape(-1, *space.shape)
        if isinstance(space, Discrete):
            return numbers + space.start
        if (bad := ~(np.abs(numbers) <= 1)).any():
            raise ValueError(f"gym_bridge.GymWorld.step: action holds {numbers[bad][0]}, wanted numbers from -1 to 1")
        return (0.5 * (1.0 - numbers) * self._low + 0.5 * (1.0 + numbers) * self._high).astype(space.dtype)


def _limited(env: gymnasium.Env, max_episode_steps: int | None) -> gymnasium.Env:
    """The environment, cut at `max_episode_steps` where its own time limit is longer or missing."""
    own = env.spec.max_episode_steps
    return env if max_episode_steps is None or (own is not None and own <= max_episode_steps) else TimeLimit(env, max_episode_steps)


def _check_spaces(tasks: Sequence[GymTask], envs: Sequence[gymnasium.Env]) -> None:
    """Refuses spaces that lanes cannot hold, and tasks whose spaces differ."""
    first = envs[0]
    for k, (task, env) in enumerate(zip(tasks, envs, strict=True)):
        seen, acted = env.observation_space, env.action_space
        if task.continuous:
            fits, wanted = _is_vector(acted) and acted.is_bounded(), "a bounded Box of one axis (it says continuous=True)"
        else:
            fits, wanted = isinstance(acted, Discrete), "a Discrete space (continuous=True is for agents that act in vectors)"
        sees = "a Discrete space or a Box of one axis (a wrapper such as gymnasium.wrappers.FlattenObservation may make one)"
        for name, space, good, wish, same in (
            ("observations", seen, isinstance(seen, Discrete) or _is_vector(seen), sees, first.observation_space),
            ("actions", acted, fits, wanted, first.action_space),
        ):
            if not good or space != same:
                wish = f"those of task 0 ({tasks[0].env_id}), {same}" if good else wish
                raise ValueError(f"gym_bridge.GymTask: task {k} ({task.env_id}) has {name} {space}, wanted {wish}")


def _is_vector(space: gymnasium.Space) -> bool:
    return isinstance(space, Box) and len(space.shape) == 1
