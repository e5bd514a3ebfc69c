"""Mazes as text, and as Markov decision processes.

The rules are those of the thesis author's program, and one action more: -0.1 a step, -0.5
more for a move into a wall (the agent stays where it is), +1 more on entering the goal,
which ends the episode. The program has four moves (`stay=False`); that an agent may also
stay is this course's choice. A maze of one's own may have other rewards, several goals,
traps, and ice that the agent slips on.
"""

from __future__ import annotations

import os
import re
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import ndimage

from distral_lite.mdp import MDP, check

ACTIONS = ("stay", "up", "down", "left", "right")
MOVES = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # (rows, columns) of each action
MAPS = range(1, 9)
LETTERS = {letter: letter for letter in "#.SGH"}  # the legend of a map that brings none
_LINE_END = r"\r\n|\r|\n"


class HistoryState(NamedTuple):
    """What the thesis lets the agent see: where it is, what it did last and what that paid (None and 0.0 before the first action)."""

    cell: int
    previous_action: int | None
    previous_reward: float


@dataclass(frozen=True)
class GridWorld:
    """A maze with one start, one goal or several, and traps if wanted.

    Attributes:
        rows: the map, one string a row: `#` wall, `.` free, `S` start, `G` goal, `H` trap
            (a hole, as FrozenLake calls it). The border is wall.
        name: what plots and errors call it.
        step_reward: reward of every step.
        wall_reward: added when the move hits a wall.
        goal_reward: added when the move enters a goal, which ends the episode.
        trap_reward: added when the move enters a trap, which ends the episode too.
        slip: probability, from 0 to 1, that a move goes to the side: half of it to either
            of the two directions perpendicular to the one intended. FrozenLake's ice has
            2/3, so that each of the three directions gets 1/3. To stay never slips.
        stay: True: the five `ACTIONS`. False: four, without the first.

    Raises:
        ValueError: the map is ragged, has an unknown character, an open border, no goal,
            not exactly one S, or no goal that can be reached from the start (not through
            a trap); the message names line and column, counted from 1. Or a reward, `slip`
            or `stay` that makes no sense.
    """

    rows: tuple[str, ...]
    name: str = "maze"
    step_reward: float = -0.1
    wall_reward: float = -0.5
    goal_reward: float = 1.0
    trap_reward: float = -1.0
    slip: float = 0.0
    stay: bool = True

    def __post_init__(self) -> None:
        """Refuses a malformed map, and settings that make no sense."""
        _check_name(self.name)
        _check_settings(self)
        wanted = "a tuple of strings (GridWorld.from_text reads a text)"
        rows = _check_lines(self.rows, "gridworld.GridWorld: rows", wanted)
        object.__setattr__(self, "rows", rows)  # a list is a tuple from now on
        numbered = enumerate(rows, 1)
        lines = [_Line(n, tuple(range(1, len(row) + 2)), row) for n, row in numbered]
        _checked_rows(_Given(self.name, lines, LETTERS), open_edge="")

    @classmethod
    def from_text(
        cls,
        text: str | Sequence[str],
        name: str = "maze",
        *,
        legend: Mapping[str, str] | None = None,
        add_border: bool = False,
        **settings: Any,
    ) -> GridWorld:
        """Reads a map from text, one line a row.

        Blank lines around the map, common indentation and blanks at the ends of lines are
        dropped, unless the legend makes a blank a cell that may stand at the edge: a wall,
        or with `add_border` any cell. So is a byte order mark.

        Args:
            text: lines that end in LF, CR LF or CR; or a list of lines.
            name: what plots and errors call the maze.
            legend: what a character of the text stands for, where not for itself: one of
                `#`, `.`, `S`, `G`, `H`, or "" for nothing, as the spaces in `1 0 0 1`.
            add_border: puts a ring of wall around the map, whose edge may then be open.
            settings: other attributes of the class, such as `slip=0.2`.

        Raises:
            ValueError: as the class; lines and columns are those of the text as given.
                Also a text, name or legend that is none.

        FrozenLake, option-critic's four rooms (with S and G put in), a Pacman layout whose
        food is the goals and whose ghosts are traps, and a plan of the thesis's author:

            from_text(["SFFF", "FHFH", "FFFH", "HFFG"], legend={"F": "."}, add_border=True)
            from_text(rooms, legend={"w": "#", " ": "."})
            from_text(layout, legend={"%": "#", " ": ".", "P": "S", "G": "H", ".": "G", "o": "G"})
            from_text(plan, legend={"1": "#", "0": ".", "3": "G", "4": "S", " ": ""})
        """
        _check_name(name)
        legend = {} if legend is None else legend
        _check_legend(legend)
        meaning = {**LETTERS, **legend}
        given = _Given(name, _given_lines(text, meaning, add_border), meaning)
        rows = _checked_rows(given, None if add_border else " (or add_border=True)")
        if add_border:
            ring = "#" * (len(rows[0]) + 2)
            rows = (ring, *(f"#{row}#" for row in rows), ring)
        return cls(rows, name, **settings)

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
        """(row, column) of every free cell in reading order: the S states of `mdp()`, goals and traps among them."""
        return tuple((r, c) for r, row in enumerate(self.rows) for c, letter in enumerate(row) if letter != "#")

    @cached_property
    def _index(self) -> dict[tuple[int, int], int]:
        return {cell: s for s, cell in enumerate(self.cells)}

    @property
    def actions(self) -> tuple[str, ...]:
        """The names of the actions, in the order of their numbers."""
        return ACTIONS if self.stay else ACTIONS[1:]

    @property
    def _moves(self) -> tuple[tuple[int, int], ...]:
        return MOVES if self.stay else MOVES[1:]

    @cached_property
    def start(self) -> int:
        """State index of the start."""
        (start,) = self._find("S")
        return start

    @cached_property
    def goal(self) -> int:
        """State index of the goal.

        Raises:
            ValueError: there are several; `goals` has them all.
        """
        if len(self.goals) > 1:
            raise ValueError(
                f"GridWorld.goal: {self.name} has {len(self.goals)} goals, wanted one "
                "(GridWorld.goals has them all)"
            )
        return self.goals[0]

    @cached_property
    def goals(self) -> tuple[int, ...]:
        """State indices of the goals, in reading order."""
        return self._find("G")

    @cached_property
    def traps(self) -> tuple[int, ...]:
        """State indices of the traps, in reading order."""
        return self._find("H")

    def _find(self, letter: str) -> tuple[int, ...]:
        return tuple(s for s, (r, c) in enumerate(self.cells) if self.rows[r][c] == letter)

    def move(self, cell: int, action: int) -> tuple[int, bool]:
        """Where the action leads from the cell if nothing slips, and whether it hits a wall (then the agent stays)."""
        return self._go(cell, self._moves[action])

    def _go(self, cell: int, direction: tuple[int, int]) -> tuple[int, bool]:
        (row, column), (down, right) = self.cells[cell], direction
        target = self._index.get((row + down, column + right))
        return (cell, True) if target is None else (target, False)

    def _outcomes(self, cell: int, action: int) -> list[tuple[float, int, bool]]:
        """(probability, next cell, whether it hits a wall) of all that may happen; the move that was meant comes first."""
        down, right = self._moves[action]
        if not self.slip or (down, right) == (0, 0):
            return [(1.0, *self.move(cell, action))]
        ways = ((1 - self.slip, (down, right)), (self.slip / 2, (right, down)), (self.slip / 2, (-right, -down)))
        return [(float(share), *self._go(cell, way)) for share, way in ways if share]

    def shortest_path(self) -> list[int]:
        """States of a shortest path, free of traps, from the start to the nearest goal, both included; no move on it slips."""
        previous: dict[int, int | None] = {self.start: None}
        queue, goals, traps = deque([self.start]), set(self.goals), set(self.traps)
        while not goals & previous.keys():
            cell = queue.popleft()
            for action in range(len(self.actions)):
                target, _ = self.move(cell, action)
                if target not in previous and target not in traps:
                    previous[target] = cell
                    queue.append(target)
        path: list[int] = []
        cell: int | None = next(goal for goal in previous if goal in goals)
        while cell is not None:
            path.append(cell)
            cell = previous[cell]
        return path[::-1]

    @cached_property
    def history_states(self) -> tuple[HistoryState, ...]:
        """The states of `mdp(history=True)`: every cell with no past yet, then every reachable (cell, previous action, previous reward).

        Reachable means that a move from some cell leads to it. The states depend on the walls (and on `slip`, `stay` and the rewards
        of a step and a wall) and not on where start, goals and traps are, so that mazes of the same walls share their states and can
        be stacked as tasks. (The reward for entering a goal or a trap therefore never shows in a state: there the episode is over.)
        """
        moved = {
            (after, bumped, action)
            for cell in range(len(self.cells))
            for action in range(len(self.actions))
            for _, after, bumped in self._outcomes(cell, action)
        }
        # Where a wall costs nothing, a bump and a step in are one state.
        past = dict.fromkeys(HistoryState(cell, action, self._move_reward(bumped)) for cell, bumped, action in sorted(moved))
        return (*self._states(history=False), *past)

    def _states(self, history: bool) -> tuple[HistoryState, ...]:
        """The states of `mdp(history)`; those without a past come first."""
        return self.history_states if history else tuple(HistoryState(cell, None, 0.0) for cell in range(len(self.cells)))

    def _move_reward(self, bumped: bool) -> float:
        return float(self.step_reward + (self.wall_reward if bumped else 0.0))

    def table(self, history: bool = False) -> dict[int, dict[int, list[tuple[float, int, float, bool]]]]:
        """The maze as `P[state][action] = [(probability, next state, reward, terminal), ...]`, the form of Gymnasium's toy-text tasks.

        Args:
            history: what a state is, as in `mdp`.

        Returns:
            S states by A actions by one outcome, or up to three where moves slip. The reward is that of the outcome.
        """
        states = self._states(history)
        index = {state: s for s, state in enumerate(states)}
        entered = dict.fromkeys(self.goals, float(self.goal_reward)) | dict.fromkeys(self.traps, float(self.trap_reward))

        def outcome(probability: float, cell: int, bumped: bool, action: int) -> tuple[float, int, float, bool]:
            pay = self._move_reward(bumped)
            after = index[HistoryState(cell, action, pay) if history else HistoryState(cell, None, 0.0)]
            return probability, after, pay + entered.get(cell, 0.0), cell in entered

        def outcomes(state: int, action: int) -> list[tuple[float, int, float, bool]]:
            if states[state].cell in entered:
                return [(1.0, state, 0.0, True)]
            return [outcome(*what, action) for what in self._outcomes(states[state].cell, action)]

        return {s: {a: outcomes(s, a) for a in range(len(self.actions))} for s in range(len(states))}

    def mdp(self, history: bool = False) -> MDP:
        """The maze as a Markov decision process, with one outcome an action (M = 1), or with up to three where moves slip.

        Args:
            history: False: a state is a cell, S = len(cells). True: a state is (cell, previous action, previous reward), as in the
                thesis and in Teh et al. (2017), S = len(history_states). The previous action is the one chosen, slipped or not.

        Returns:
            The MDP. Steps into a goal or a trap are terminal; these cells, which no episode ever acts in, are absorbing at reward 0,
            so their value is 0. A state's features are one-hot row, one-hot column and, with history, one-hot previous action and
            previous reward: [S, height + width] or [S, height + width + A + 1].
        """
        table = self.table(history)
        most = max(len(outcomes) for actions in table.values() for outcomes in actions.values())
        padded = [[(some + [(0.0, s, 0.0, False)] * most)[:most] for some in actions.values()] for s, actions in table.items()]
        arrays = torch.tensor(padded, dtype=torch.float64).movedim(-1, 0).contiguous()  # [4, S, A, M]
        probability, successor, reward, terminal = arrays.unbind()
        states = self._states(history)
        start = torch.zeros(len(states), dtype=torch.float64)
        start[self.start] = 1.0
        expected = (probability * reward).sum(-1)
        return check(MDP(successor.long(), probability, expected, terminal.bool(), start, self._features(states, history), reward))

    def _features(self, states: tuple[HistoryState, ...], history: bool) -> torch.Tensor:
        height, width = len(self.rows), len(self.rows[0])
        features = torch.zeros(len(states), height + width + (len(self.actions) + 1 if history else 0))
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


class _Line(NamedTuple):
    """A line of a map's text.

    Attributes:
        number: of the line in the text as given, from 1.
        columns: of each cell there, from 1, and of what comes after the last one.
        cells: the characters that are cells.
    """

    number: int
    columns: tuple[int, ...]
    cells: str


class _Given(NamedTuple):
    """A map as it was given: its name, its lines and what their characters mean."""

    name: str
    lines: list[_Line]
    meaning: Mapping[str, str]

    def rows(self) -> tuple[str, ...]:
        """The map in the letters of `GridWorld`; raises ValueError where it has no shape or letter."""
        if not any(line.cells for line in self.lines):
            raise ValueError(
                f"{self.name}: line 1, column 1: the map is empty, "
                f"wanted lines with one {self.named('S')} and a {self.named('G')}"
            )
        first = self.lines[0]
        for row, line in enumerate(self.lines):
            found, wanted = len(line.cells), len(first.cells)
            if found != wanted:
                text = f"the line has {found} cells, line {first.number} has {wanted}"
                raise self.fault(row, min(found, wanted), text)
            for column, given in enumerate(line.cells):
                if given not in self.meaning:
                    known = _either(char for char, letter in self.meaning.items() if letter)
                    text = f"unknown character {given!r}, wanted {known}"
                    raise self.fault(row, column, text)
        return tuple("".join(self.meaning[c] for c in line.cells) for line in self.lines)

    def fault(self, row: int, column: int, text: str) -> ValueError:
        """The error that something is wrong at a cell, by line and column of the text."""
        return ValueError(f"{self.name}: {self.place(row, column)}: {text}")

    def place(self, row: int, column: int) -> str:
        """Where a cell is in the text."""
        line = self.lines[row]
        return f"line {line.number}, column {line.columns[column]}"

    def named(self, letter: str) -> str:
        """The characters of the text that mean a letter, as errors name them."""
        return _either(c for c, means in self.meaning.items() if means == letter) or repr(letter)


def _check_name(name: Any) -> None:
    """Raises ValueError for a name that is no text, such as a legend in its place."""
    if not isinstance(name, str):
        raise ValueError(f"gridworld.GridWorld: name is {_short(name)}, wanted a string")


def _check_settings(world: GridWorld) -> None:
    """Raises ValueError for a reward, slip or stay that makes no sense."""
    for name in ("step_reward", "wall_reward", "goal_reward", "trap_reward", "slip"):
        value, low, high, wanted = getattr(world, name), 0, 1, "a number from 0 to 1"
        if name != "slip":
            low, high, wanted = -sys.float_info.max, sys.float_info.max, "a finite number"
        if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
            raise ValueError(
                f"gridworld.GridWorld: {name} is {_short(value)}, wanted {wanted}"
            )
    if not isinstance(world.stay, bool):
        raise ValueError(
            f"gridworld.GridWorld: stay is {_short(world.stay)}, wanted True or False"
        )


def _check_legend(legend: Any) -> None:
    """Raises ValueError for a legend that is none."""
    if not isinstance(legend, Mapping):
        raise ValueError(
            f"GridWorld.from_text: legend is {_short(legend)}, wanted a dictionary"
        )
    for given, letter in legend.items():
        if not isinstance(given, str) or len(given) != 1:
            raise ValueError(
                f"GridWorld.from_text: legend has {_short(given)}, wanted single characters"
            )
        if not isinstance(letter, str) or letter not in (*LETTERS, ""):
            raise ValueError(
                f"GridWorld.from_text: legend[{given!r}] is {_short(letter)}, "
                f"wanted {_either(LETTERS)}, or '' for nothing"
            )


def _check_lines(lines: Any, what: str, wanted: str) -> tuple[str, ...]:
    """Returns a list of lines as a tuple; raises ValueError for what is none."""
    if not isinstance(lines, (list, tuple)):
        raise ValueError(f"{what} is {_short(lines)}, wanted {wanted}")
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str):
            raise ValueError(
                f"{what}: line {number}, column 1: {_short(line)}, wanted a string"
            )
    return tuple(lines)


def _given_lines(text: Any, meaning: Mapping[str, str], add_border: bool) -> list[_Line]:
    """The lines that hold a map, without what is no cell; `GridWorld.from_text` says what is none."""
    if isinstance(text, str):
        lines = re.split(_LINE_END, text)
    else:
        wanted = "a string or a list of strings"
        lines = _check_lines(text, "GridWorld.from_text: text", wanted)
        lines = [re.sub(rf"({_LINE_END})\Z", "", line) for line in lines]
    lines[:1] = [line.removeprefix("\ufeff") for line in lines[:1]]
    edge = LETTERS if add_border else "#"  # what may stand at the edge
    blanks = "".join(b for b in " \t" if not meaning.get(b) or meaning[b] not in edge)
    lines = [line.rstrip(blanks) for line in lines]
    indents = [line[: len(line) - len(line.lstrip(blanks))] for line in lines if line]
    margin = len(os.path.commonprefix(indents))  # noqa: RUF071 (of any strings)
    given = []
    for number, line in enumerate(lines, 1):
        cells = {c: x for c, x in enumerate(line[margin:], margin + 1) if meaning.get(x) != ""}
        end = max(cells, default=min(margin, len(line))) + 1
        given.append(_Line(number, (*cells, end), "".join(cells.values())))
    full = [i for i, line in enumerate(given) if line.cells]
    return given[full[0] : full[-1] + 1] if full else []


def _checked_rows(given: _Given, open_edge: str | None) -> tuple[str, ...]:
    """The map in the letters of `GridWorld`; raises ValueError with line and column where it is malformed.

    `open_edge`: what an error says may be done about an open border; None where it may be open.
    """
    rows = given.rows()
    cells = {(r, c): x for r, row in enumerate(rows) for c, x in enumerate(row)}
    for (r, c), letter in cells.items():
        inside = 0 < r < len(rows) - 1 and 0 < c < len(rows[0]) - 1
        if open_edge is not None and not inside and letter != "#":
            found = given.lines[r].cells[c]
            text = f"the border is open ({found!r}), wanted {given.named('#')}{open_edge}"
            raise given.fault(r, c, text)
    found = {letter: [cell for cell, x in cells.items() if x == letter] for letter in "SG"}
    for letter, what, wanted in (("S", "start", "one"), ("G", "goal", "at least one")):
        if not found[letter]:
            (top, bottom), columns = (given.lines[0], given.lines[-1]), given.lines[0].columns
            raise ValueError(
                f"{given.name}: no {what} ({given.named(letter)}) in lines {top.number} to "
                f"{bottom.number}, columns {columns[0]} to {columns[-2]}; wanted {wanted}"
            )
    if len(found["S"]) > 1:
        first, (r, c) = found["S"][:2]
        text = f"a second {given.lines[r].cells[c]!r}, the first is at {given.place(*first)}"
        raise given.fault(r, c, f"{text}; wanted one")
    safe = {cell for cell, letter in cells.items() if letter not in "#H"}
    if not _distances(safe, found["S"][0]).keys() & set(found["G"]):
        count = len(found["G"])
        which = "the goal" if count == 1 else f"this goal, like all {count},"
        raise given.fault(*found["G"][0], f"{which} cannot be reached from the start")
    return rows


def _either(letters: Iterable[str]) -> str:
    """'a', 'b' or 'c'."""
    names = [repr(letter) for letter in letters]
    return " or ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _short(value: Any) -> str:
    """A value as errors show it: what an array of a million numbers is can be seen from its beginning."""
    return f"{value!r:.60}"
