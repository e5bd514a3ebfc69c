"""Answers to the exercises as students write them, right and wrong, with inputs of their own to tell the two apart.

One module a chapter. They were written from the exercise texts and the worked solutions alone, without a look at the mistakes that the
checks plant or make, so that they can measure the checks: `cd tests && python -m corpus.measure`.
"""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

CHAPTERS = range(12)


class Entry(NamedTuple):
    """One answer.

    Attributes:
        exercise: its name, such as "6.1".
        right: whether it is a right answer.
        answer: a function, or the value that a question asks for.
        why: what is wrong with it, or how it differs from the worked solution.
        about: the cause in a few words, which a good message names; empty for a right answer.
    """

    exercise: str
    right: bool
    answer: Any
    why: str
    about: str = ""


ENTRIES: list[Entry] = []
INPUTS: dict[str, Callable] = {}


def wrong(exercise: str, why: str, about: str) -> Callable:
    """Registers a function as a wrong answer."""
    return lambda answer: ENTRIES.append(Entry(exercise, False, answer, why, about))


def right(exercise: str, how: str) -> Callable:
    """Registers a function as a right answer."""
    return lambda answer: ENTRIES.append(Entry(exercise, True, answer, how))


def inputs(exercise: str) -> Callable:
    """Registers `function(rng) -> [(argument, ...), ...]`: legitimate inputs of an exercise, from a NumPy generator."""
    return lambda function: INPUTS.update({exercise: function})


def values(exercise: str, rights: list, wrongs: dict) -> None:
    """Registers values as right answers to a question and, with their causes, as wrong ones."""
    ENTRIES.extend(Entry(exercise, True, value, "another spelling") for value in rights)
    ENTRIES.extend(
        Entry(exercise, False, value, about, about) for value, about in wrongs.items()
    )


def load() -> list[Entry]:
    """All entries, in the order of the chapters."""
    if not ENTRIES:
        for number in CHAPTERS:
            importlib.import_module(f"corpus.chapter_{number:02}")
    return ENTRIES


# What the inputs are made of.


def normal(rng, *shape):
    """Normal numbers, float64."""
    return torch.as_tensor(rng.normal(size=shape), dtype=torch.float64)


def policy(rng, *shape):
    """Probabilities over the last axis."""
    return normal(rng, *shape).softmax(-1)


def flags(rng, *shape):
    """Bools, two in five true."""
    return torch.as_tensor(rng.random(size=shape) < 0.4)


def whole(rng, high, *shape):
    """Whole numbers from 0 to high − 1, int64."""
    return torch.as_tensor(rng.integers(high, size=shape), dtype=torch.int64)


def tensor(values):
    """A list of numbers as float64."""
    return torch.tensor(values, dtype=torch.float64)
