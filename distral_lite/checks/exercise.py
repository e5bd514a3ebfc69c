"""What an exercise is made of: the data classes that a chapter's exercises are in.

A chapter's exercises stand in `distral_lite/checks/chapter_NN.py` as a list called
`EXERCISES`. The section "Add an exercise" of CONTRIBUTING.md says how they are written.
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
        message: the text that was shown. Of a wrong answer the first line has the
            reason, the second the smallest input that shows it.
        reason: why the answer is wrong, alone; "" if it is not, or if all that could
            be said is where it differs.
    """

    exercise: str
    state: str
    message: str
    reason: str = ""

    def _ipython_display_(self) -> None:
        """Shows nothing at the end of a cell: `check` has shown the verdict."""


@dataclass(frozen=True)
class Exercise:
    """A function that the learner writes.

    Attributes:
        name: "chapter.number", such as "6.1".
        reference: the right answer, a function of the module whose source the mistakes
            edit; so it calls no function that could itself be got wrong. Its answer
            fixes type and shape: tensors, arrays, floats, ints, bools, strings, and
            tuples, lists or dicts of these.
        inputs: makes the inputs, smallest first, from a seeded generator and nothing
            else: `inputs(generator) -> [{"argument name": value, ...}, ...]`.
            Arguments are passed by position, in the order of the dict.
        mistakes: tuples of texts `(old, new, sentence)`: what in the reference's source
            (as `ast.unparse` writes it, see `python -m distral_lite.checks source 6.1`)
            is replaced, and what a tutor would say to who answers so. Several edits
            stand one after another: `(old, new, old, new, sentence)`. What cannot be an
            edit is a function, `(function, sentence)`.
        forms: other ways to write the reference, whose slips are other ones: a product
            multiplied out, a new value assigned in place of an increment.
        summary: what the ✓ line says after the number of inputs.
        tolerance: largest difference of two equal numbers, absolute and relative.
        float64: whether the text asks for float64; else float32 will do.
        show: turns one input into a short text; None for "name = value, name = value".
    """

    name: str
    reference: Callable[..., Any]
    inputs: Callable[[np.random.Generator], list[dict[str, Any]]]
    mistakes: tuple[tuple[Any, ...], ...] = ()
    forms: tuple[Callable[..., Any], ...] = ()
    summary: str = ""
    tolerance: float = 1e-6
    float64: bool = False
    show: Callable[[dict[str, Any]], str] | None = None

    def fresh_inputs(self, seed: int = SEED) -> list[dict[str, Any]]:
        """The inputs, made anew, so that nobody shares a mutable value with anybody."""
        return self.inputs(np.random.default_rng(seed))


@dataclass(frozen=True)
class Choice:
    """A question that is answered by a value: a letter, a word or a number.

    Attributes:
        name: "chapter.number", such as "1.3".
        answer: the right answer. Texts are compared without regard to case and outer
            spaces, numbers within `tolerance`.
        wrong: what a tutor would say to each wrong answer worth a sentence; for texts
            these, with `answer`, are all the options.
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
