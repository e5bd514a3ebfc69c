"""Mazes as text, and as Markov decision processes.

The rules are those of the thesis (section 3.1 and its code): five actions, -0.1 a step (staying included), -0.5 more for a move into a
wall (the agent stays where it is), +1 more on entering the goal, which ends the episode.
"""

from __future__ import annotations

import textwrap
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from numbers import Integral
from typing import NamedTuple

import numpy as np
import torch
from scipy import ndimage

from distral_lite.mdp import MDP, check

ACTIONS = ("stay", "up", "down", "left", "right")
MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # (rows, columns) of each action
MAPS = range(1, 9)


class HistoryState(NamedTuple):
    """What the thesis lets the agent see: where it is, what it did last and what that paid (None and 0.0 before the first action)."""

    cell: int
    previous_action: int | None
    previous_reward: float


@dataclass(frozen=True)
class GridWorld:
    """A maze with one start and one goal.

    Attributes:
        rows: the map, one string a row: `#` wall, `.` free, `S` start, `G` goal. The border is wall.
        name: what plots and errors call it.
        step_reward: reward of every step.
        wall_reward: added when the move hits a wall.
        goal_reward: added when the move enters the goal.

    Raises:
        ValueError: the map is ragged, has an unknown character, an open border, not exactly one S and one G, or a goal that cannot be
            reached from the start. The message names line and column, counted from 1.
    """

    rows: tuple[str, ...]
    name: str = "maze"
    step_reward: float = -0.1
    wall_reward: float = -0.5
    goal_reward: float = 1.0

    def __post_init__(self) -> None:
        """Refuses a malformed map."""
        _check_map(self.rows, self.name)
        if self.shortest_path() is None:
            row, column = self.cells[self.goal]
            raise ValueError(f"{self.name}: the goal at line {row + 1}, column {column + 1} cannot be reached from the start")

    @classmethod
    def from_text(cls, text: str, name: str = "maze") -> GridWorld:
        """Reads a map from text, one line a row; blank lines around it and common indentation are dropped.

        Raises:
            ValueError: as the class.
        """
        lines = [line.rstrip() for line in textwrap.dedent(text).splitlines()]
        while lines and not lines[0]:
            lines.pop(0)
        while lines and not lines[-1]:
            lines.pop()
        return cls(tuple(lines), name)

    @classmethod
    def random(cls, height: int, width: int, wall_share: float = 0.3, seed: int = 0) -> GridWorld:
        """A random maze: walls at random, all but the largest connected region filled in, and the goal as far away as can be.

        Args:
            height: rows, at least 4.
            width: columns, at least 4.
            wall_share: probability that an inner cell is a wall, at least 0 and below 1.
            seed: the same seed gives the same maze.

        Raises:
            ValueError: a size below 4, or walls so dense that no two free cells touch.
        """
        if height < 4 or width < 4 or not 0 <= wall_share < 1:
            raise ValueError(f"GridWorld.random: ({height}, {width}, {wall_share}), wanted sizes of at least 4 and a wall share in [0, 1)")
        free = np.zeros((height, width), dtype=bool)
        free[1:-1, 1:-1] = np.random.default_rng(seed).random((height - 2, width - 2)) >= wall_share
        region, _ = ndimage.label(free)
        sizes = np.bincount(region[free], minlength=2)
        if sizes.max() < 2:
            raise ValueError(f"GridWorld.random: wall_share {wall_share} leaves no two free cells that touch; wanted fewer walls")
        free = region == sizes.argmax()
        cells = np.argwhere(free)
        start = tuple(int(i) for i in cells[0])
        distance = _distances({(int(r), int(c)) for r, c in cells}, start)
        goal = max(distance, key=distance.__getitem__)
        letters = np.where(free, ".", "#")
        letters[start], letters[goal] = "S", "G"
        return cls(tuple("".join(row) for row in letters), f"random maze {height} x {width}")

    @cached_property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """(row, column) of every free cell in reading order: the S states of `mdp()`, the goal among them."""
        return tuple((r, c) for r, row in enumerate(self.rows) for c, letter in enumerate(row) if letter != "#")

    @cached_property
    def _index(self) -> dict[tuple[int, int], int]:
        return {cell: s for s, cell in enumerate(self.cells)}

    @cached_property
    def start(self) -> int:
        """State index of the start."""
        return self._find("S")

    @cached_property
    def goal(self) -> int:
        """State index of the goal."""
        return self._find("G")

    def _find(self, letter: str) -> int:
        return next(s for s, (r, c) in enumerate(self.cells) if self.rows[r][c] == letter)

    def move(self, cell: int, action: int) -> tuple[int, bool]:
        """Where the action leads from the cell, and whether it hits a wall (then the agent stays)."""
        (row, column), (down, right) = self.cells[cell], MOVES[action]
        target = self._index.get((row + down, column + right))
        return (cell, True) if target is None else (target, False)

    def shortest_path(self) -> list[int] | None:
        """States of a shortest path from start to goal, both included; None where there is no way (never, in a map that was accepted)."""
        previous: dict[int, int | None] = {self.start: None}
        queue = deque([self.start])
        while queue and self.goal not in previous:
            cell = queue.popleft()
            for action in range(len(ACTIONS)):
                target, _ = self.move(cell, action)
                if target not in previous:
                    previous[target] = cell
                    queue.append(target)
        if self.goal not in previous:
            return None
        path: list[int] = []
        cell: int | None = self.goal
        while cell is not None:
            path.append(cell)
            cell = previous[cell]
        return path[::-1]

    @cached_property
    def history_states(self) -> tuple[HistoryState, ...]:
        """The states of `mdp(history=True)`: every cell with no past yet, then every reachable (cell, previous action, previous reward).

        Reachable means that a move from some cell leads to it. The states depend on the walls alone and not on where start and goal are,
        so that mazes of the same walls share their states and can be stacked as tasks. (The reward for entering the goal therefore
        never shows in a state: there the episode is over.)
        """
        fresh = [HistoryState(cell, None, 0.0) for cell in range(len(self.cells))]
        moved = {(*self.move(cell, action), action) for cell in range(len(self.cells)) for action in range(len(ACTIONS))}
        return (*fresh, *(HistoryState(cell, action, self._move_reward(bumped)) for cell, bumped, action in sorted(moved)))

    def _move_reward(self, bumped: bool) -> float:
        return self.step_reward + (self.wall_reward if bumped else 0.0)

    def mdp(self, history: bool = False) -> MDP:
        """The maze as a Markov decision process with one outcome an action (M = 1).

        Args:
            history: False: a state is a cell, S = len(cells). True: a state is (cell, previous action, previous reward), as in the
                thesis and in Teh et al. (2017), S = len(history_states).

        Returns:
            The MDP. Steps into the goal are terminal; the goal itself, which no episode ever acts in, is absorbing at reward 0, so its
            value is 0. A state's features are one-hot row, one-hot column and, with history, one-hot previous action and previous
            reward: [S, height + width] or [S, height + width + 6].
        """
        states = self.history_states if history else tuple(HistoryState(cell, None, 0.0) for cell in range(len(self.cells)))
        index = {state: s for s, state in enumerate(states)}
        size = (len(states), len(ACTIONS))
        successor, reward = torch.zeros(*size, 1, dtype=torch.int64), torch.zeros(size, dtype=torch.float64)
        terminal = torch.zeros(*size, 1, dtype=torch.bool)
        for s, state in enumerate(states):
            for action in range(len(ACTIONS)):
                if state.cell == self.goal:
                    successor[s, action], terminal[s, action] = s, True
                    continue
                cell, bumped = self.move(state.cell, action)
                pay = self._move_reward(bumped)
                successor[s, action] = index[HistoryState(cell, action, pay) if history else HistoryState(cell, None, 0.0)]
                reward[s, action] = pay + (self.goal_reward if cell == self.goal else 0.0)
                terminal[s, action] = cell == self.goal
        start = torch.zeros(len(states), dtype=torch.float64)
        start[index[HistoryState(self.start, None, 0.0)]] = 1.0
        probability = torch.ones(*size, 1, dtype=torch.float64)
        return check(MDP(successor, probability, reward, terminal, start, self._features(states, history)))

    def _features(self, states: tuple[HistoryState, ...], history: bool) -> torch.Tensor:
        height, width = len(self.rows), len(self.rows[0])
        features = torch.zeros(len(states), height + width + (len(ACTIONS) + 1 if history else 0))
        for s, state in enumerate(states):
            row, column = self.cells[state.cell]
            features[s, row] = features[s, height + column] = 1.0
            if state.previous_action is not None:
                features[s, height + width + state.previous_action] = 1.0
                features[s, -1] = state.previous_reward
        return features


def load_map(number: int) -> GridWorld:
    """One of the thesis's eight mazes, 1 to 8.

    Raises:
        ValueError: any other number.
    """
    if isinstance(number, bool) or not isinstance(number, Integral) or number not in MAPS:
        raise ValueError(f"gridworld.load_map: there is no map {number!r}, wanted a number from {MAPS[0]} to {MAPS[-1]}")
    text = resources.files("distral_lite").joinpath("data", "maps", f"{number}.txt").read_text(encoding="utf-8")
    return GridWorld.from_text(text, f"map {number}")


def _distances(cells: set[tuple[int, int]], start: tuple[int, int]) -> dict[tuple[int, int], int]:
    """Steps from `start` to every cell of its region, in the order of a breadth-first search."""
    distance = {start: 0}
    queue = deque([start])
    while queue:
        row, column = queue.popleft()
        for down, right in MOVES[1:]:
            cell = (row + down, column + right)
            if cell in cells and cell not in distance:
                distance[cell] = distance[row, column] + 1
                queue.append(cell)
    return distance


def _check_map(rows: tuple[str, ...], name: str) -> None:
    """Raises ValueError with line and column where the map is malformed."""
    if not rows:
        raise ValueError(f"{name}: the map is empty, wanted lines of '#', '.', one 'S' and one 'G'")
    found: dict[str, tuple[int, int]] = {}
    for r, row in enumerate(rows):
        if len(row) != len(rows[0]):
            column = min(len(row), len(rows[0])) + 1
            raise ValueError(f"{name}: line {r + 1}, column {column}: the line has {len(row)} cells, line 1 has {len(rows[0])}")
        for c, letter in enumerate(row):
            place = f"line {r + 1}, column {c + 1}"
            if letter not in "#.SG":
                raise ValueError(f"{name}: {place}: unknown character {letter!r}, wanted '#', '.', 'S' or 'G'")
            if letter != "#" and (r in (0, len(rows) - 1) or c in (0, len(row) - 1)):
                raise ValueError(f"{name}: {place}: the border is open ({letter!r}), wanted '#'")
            if letter in "SG":
                if letter in found:
                    line, column = found[letter]
                    raise ValueError(f"{name}: {place}: a second {letter!r}, the first is at line {line}, column {column}; wanted one")
                found[letter] = (r + 1, c + 1)
    for letter, what in (("S", "start"), ("G", "goal")):
        if letter not in found:
            raise ValueError(f"{name}: no {what} ({letter!r}) in lines 1 to {len(rows)}, columns 1 to {len(rows[0])}; wanted one")
