"""Transition tables as most public code has them, `P[s][a] = [(p, s', r, terminal), ...]`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

OUTCOME = "(probability, next state, reward, terminal)"


class Arrays(NamedTuple):
    """A table as arrays; where an action has fewer than M outcomes, the rest have chance 0.

    Attributes:
        successor: [S, A, M] int64; S itself for outcomes that are none.
        probability: [S, A, M] float64.
        outcome_reward: [S, A, M] float64.
        terminal: [S, A, M] bool.
    """

    successor: np.ndarray
    probability: np.ndarray
    outcome_reward: np.ndarray
    terminal: np.ndarray


def read(function: str, table: Any) -> Arrays:
    """Reads a table of lists, tuples, arrays, or dictionaries with keys 0, 1, 2, ...

    Args:
        function: who asks, for the errors.
        table: `table[s][a]` is a list of (probability, next state, reward, terminal).

    Raises:
        ValueError: it is no such table; the message names state, action and outcome.
    """
    rows = [_members(function, f"table[{s}]", row, "actions") for s, row in enumerate(_members(function, "table", table, "states"))]
    for s, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"{function}: table[{s}] has {len(row)} actions, table[0] has {len(rows[0])}; wanted the same actions in every state"
            )
    lists = [[_outcomes(function, f"table[{s}][{a}]", cell, len(rows)) for a, cell in enumerate(row)] for s, row in enumerate(rows)]
    shape = (len(rows), len(rows[0]), max(len(cell) for row in lists for cell in row))
    successor = np.tile(np.arange(shape[0])[:, None, None], (1, *shape[1:]))
    arrays = Arrays(successor, np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool))
    for s, row in enumerate(lists):
        for a, cell in enumerate(row):
            for m, (chance, target, reward, ended) in enumerate(cell):
                arrays.probability[s, a, m], arrays.successor[s, a, m] = chance, target
                arrays.outcome_reward[s, a, m], arrays.terminal[s, a, m] = reward, ended
    return arrays


def _members(function: str, place: str, found: Any, what: str) -> list[Any]:
    """The members of a list, tuple or array, or of a dictionary with keys 0, 1, 2, ..."""
    if isinstance(found, Mapping):
        for key in found:
            if isinstance(key, bool) or not isinstance(key, Integral):
                raise ValueError(f"{function}: {place} has the key {key!r}, wanted {what} numbered from 0")
        for number in range(len(found)):
            if number not in found:
                raise ValueError(f"{function}: {place} has {len(found)} {what} but none numbered {number}")
        members = [found[number] for number in range(len(found))]
    elif isinstance(found, list | tuple) or (isinstance(found, np.ndarray) and found.ndim):
        members = list(found)
    else:
        raise ValueError(
            f"{function}: {place} is {_short(found)}, wanted a list, an array or a dictionary "
            f"of {what}: P[state][action] = [{OUTCOME}, ...]"
        )
    if not members:
        raise ValueError(f"{function}: {place} has no {what}, wanted at least one")
    return members


def _outcomes(function: str, place: str, found: Any, states: int) -> list[tuple]:
    """The outcomes of one action, each checked, their chances summing to 1."""
    members = _members(function, place, found, "outcomes")
    outcomes = [_outcome(function, f"{place}[{m}]", outcome, states) for m, outcome in enumerate(members)]
    total = sum(chance for chance, *_ in outcomes)
    if abs(total - 1) > 1e-6:
        raise ValueError(f"{function}: the probabilities of {place} sum to {total:.6g}, wanted 1")
    return outcomes


def _outcome(function: str, place: str, found: Any, states: int) -> tuple:
    """One outcome as (float, int, float, bool)."""
    fits = isinstance(found, list | tuple) or (isinstance(found, np.ndarray) and found.ndim)
    if not fits or len(found) != 4:
        raise ValueError(f"{function}: {place} is {_short(found)}, wanted {OUTCOME}")
    chance, target, reward, ended = (member.item() if isinstance(member, np.generic) else member for member in found)
    for name, value, wanted, good in (
        ("probability", chance, "a number from 0 to 1", _is_real(chance, 0, 1)),
        (
            "next state",
            target,
            f"an integer from 0 to {states - 1}",
            _is_real(target, 0, states - 1) and target == int(target),
        ),
        ("reward", reward, "a finite number", _is_real(reward, -math.inf, math.inf)),
        (
            "terminal",
            ended,
            "True or False",
            isinstance(ended, bool) or (_is_real(ended, 0, 1) and ended in (0, 1)),
        ),
    ):
        if not good:
            raise ValueError(f"{function}: the {name} of {place} is {_short(value)}, wanted {wanted}")
    return float(chance), int(target), float(reward), bool(ended)


def _is_real(value: Any, low: float, high: float) -> bool:
    """A number that a float can hold, from `low` to `high`; no bool."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(float(value)) and low <= value <= high
    except OverflowError:
        return False


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
