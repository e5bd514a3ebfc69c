"""What an exercise is made of: the data classes that a chapter's list of exercises is written in.

A chapter's exercises stand in `distral_lite/checks/chapter_NN.py` as a list called `EXERCISES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

SEED = 2024


class Verdict(NamedTuple):
    """What `check` found.

    Attributes:
        exercise: the exercise's name, such as "6.1".
        state: one of "not attempted", "passed", "failed".
        message: the line that was printed.
    """

    exercise: str
    state: str
    message: str


@dataclass(frozen=True)
class Mistake:
    """A wrong implementation that learners really write, and what a tutor would say to it.

    Attributes:
        function: the wrong implementation; takes the arguments of the reference.
        sentence: what to say when the learner's answers equal those of `function` on all inputs.
    """

    function: Callable[..., Any]
    sentence: str


@dataclass(frozen=True)
class Exercise:
    """A function that the learner writes.

    Attributes:
        name: "chapter.number", such as "6.1".
        reference: the right implementation. Its answer fixes type, shape and dtype: tensors, arrays, floats, ints, bools, strings, and
            tuples, lists or dicts of these.
        inputs: makes the inputs, `inputs(generator) -> [{"argument name": value, ...}, ...]`, from a seeded numpy Generator and nothing
            else. Arguments are passed by position, in the order of the dict. It is called anew for every function that is tried.
        mistakes: planted mistakes; no two of them, and none and the reference, may agree on all inputs.
        summary: what the ✓ line says after the number of inputs, such as "β from 0.001 to 10 000".
        tolerance: largest difference of two numbers that count as equal, absolute and relative.
        show: turns one input (the dict) into a short text; None for "name = value, name = value".
    """

    name: str
    reference: Callable[..., Any]
    inputs: Callable[[np.random.Generator], list[dict[str, Any]]]
    mistakes: tuple[Mistake, ...] = ()
    summary: str = ""
    tolerance: float = 1e-6
    show: Callable[[dict[str, Any]], str] | None = None

    def fresh_inputs(self) -> list[dict[str, Any]]:
        """The inputs, made anew from the fixed seed, so that nobody shares a mutable value with anybody."""
        return self.inputs(np.random.default_rng(SEED))


@dataclass(frozen=True)
class Choice:
    """A question that is answered by a value: a letter, a word or a number.

    Attributes:
        name: "chapter.number", such as "1.3".
        answer: the right answer. Texts are compared without regard to case and outer spaces, numbers within `tolerance`.
        wrong: what a tutor would say to each wrong answer worth a sentence; for texts these, with `answer`, are all the options.
        summary: what the ✓ line says after the answer: why it is right.
        hint: what to say to a wrong number that is not in `wrong`.
        tolerance: largest absolute difference of two numbers that count as equal.
    """

    name: str
    answer: str | int | float | bool
    wrong: Mapping[Any, str] = field(default_factory=dict)
    summary: str = ""
    hint: str = ""
    tolerance: float = 1e-6
