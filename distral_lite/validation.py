"""Checks of arguments. Each raises ValueError with the function, the argument, what was found and what was wanted.

A configuration is a frozen dataclass of `Settings`, and the annotation of a field says what the field may be:

    @dataclass(frozen=True)
    class Config(Settings):
        steps: Whole = 20_000  # environment steps of every lane
        epsilon: Fraction | PerTask = 0.1  # probability of a random action, or [K]
        hidden: Layers | None = None  # units of the hidden layers; None: a table
        target: Literal["sampled", "expected_kl"] = "sampled"  # what is subtracted
        exploring_starts: bool = False  # start episodes anywhere
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor

LONGEST = 100  # characters of a value in a message


class Kind(NamedTuple):
    """What a number or a text may be.

    Attributes:
        type: int, float (which whole numbers are too) or str.
        wanted: the kind in words.
        good: whether a value of that type is of the kind.
    """

    type: type
    wanted: str
    good: Callable[[Any], bool]


def _is_device(name: str) -> bool:
    """Whether PyTorch knows a device of this name, on this machine or another."""
    try:
        return torch.device(name).type != "meta"  # which computes nothing
    except RuntimeError:
        return False


WHOLE = Kind(int, "an integer of at least 1", lambda x: 1 <= x < 2**63)
FRACTION = Kind(float, "a number from 0 to 1", lambda x: 0 <= x <= 1)
POSITIVE = Kind(float, "a finite number above 0", lambda x: math.isfinite(x) and x > 0)
NOT_NEGATIVE = Kind(float, "a finite number of at least 0", lambda x: math.isfinite(x) and x >= 0)
FINITE = Kind(float, "a finite number", math.isfinite)
DEVICE = Kind(str, "the name of a device, such as 'cpu' or 'cuda'", _is_device)

# What fields of configurations are annotated with.
Whole = Annotated[int, WHOLE]
Fraction = Annotated[float, FRACTION]
Positive = Annotated[float, POSITIVE]
NotNegative = Annotated[float, NOT_NEGATIVE]
Finite = Annotated[float, FINITE]
Device = Annotated[str, DEVICE]
Layers = tuple[Whole, ...]
PerTask = Annotated[Tensor, "task"]
PerRun = Annotated[Tensor, "run"]


class Settings:
    """What configurations are made of: a frozen dataclass that refuses values its annotations do not allow.

    An annotation is one of the above, `bool`, a `Literal`, or a union of them with `None`. A union with `PerTask` or `PerRun`
    allows a tensor [K] or [R] as well, all of whose entries are of the kind. NumPy's numbers become Python's, and whole numbers
    become floats where the field is a float. Rules between fields stand in the subclass's `__post_init__`, after a call of this one.
    """

    def __post_init__(self) -> None:
        """Refuses settings that make no sense, naming them."""
        hints = _hints(type(self))
        for one in fields(self):  # type: ignore[arg-type]  # subclasses are dataclasses
            value = _checked(self._named(), one.name, getattr(self, one.name), hints[one.name])
            object.__setattr__(self, one.name, value)

    def check_lengths(self, function: str, runs: int, tasks: int) -> None:
        """Refuses tensors that do not hold one number a task or a run, as their annotation says."""
        for name, hint in _hints(type(self)).items():
            value, per = getattr(self, name), "run" if PerRun in get_args(hint) else "task"
            wanted = (runs if per == "run" else tasks,)
            if isinstance(value, Tensor) and tuple(value.shape) not in ((), wanted):
                shape = tuple(value.shape)
                raise ValueError(f"{function}: config.{name} has shape {shape}, wanted a number or one a {per}, {wanted}")

    def refuse(self, name: str, wanted: str) -> NoReturn:
        """Raises the ValueError that says of a setting what was found and what was wanted."""
        raise ValueError(f"{self._named()}: {name} is {found(getattr(self, name))}, wanted {wanted}")

    @classmethod
    def _named(cls) -> str:
        """The class as messages call it."""
        return public_name(cls)


def public_name(thing: Any) -> str:
    """A class or function as messages call it: `module.name`, by the outermost package that its users can import it from."""
    parts = thing.__module__.split(".")
    modules = (".".join(parts[:depth]) for depth in range(1, len(parts)))
    has = (module for module in modules if getattr(sys.modules.get(module), thing.__name__, None) is thing)
    return f"{next(has, thing.__module__).rpartition('.')[-1]}.{thing.__name__}"


def check_distribution(function: str, name: str, probability: Tensor) -> None:
    """Wants the last axis to hold probabilities: finite, at least 0, summing to 1 within 1e-6 (float32 rounding included)."""
    if not isinstance(probability, Tensor) or not probability.is_floating_point() or not probability.numel():
        raise ValueError(f"{function}: {name} is {found(probability)}, wanted a tensor of probabilities")
    bad = ((probability.sum(-1) - 1).abs() > 1e-6) | (probability < 0).any(-1) | ~torch.isfinite(probability).all(-1)
    if bool(bad.any()):
        place = tuple(int(i) for i in torch.nonzero(bad)[0])
        where = f"{name}{list(place)}" if place else name
        shown = [round(float(p), 6) for p in probability[place]]
        raise ValueError(f"{function}: {where} = {shown[:8]} is no distribution; wanted numbers of at least 0 that sum to 1")


def check_fraction(function: str, name: str, value: Any) -> None:
    """Wants a number from 0 to 1, or a tensor of them."""
    _check_numbers(function, name, value, FRACTION)


def check_positive(function: str, name: str, value: Any, whole: bool = False) -> None:
    """Wants a finite number above 0 (with `whole`, an integer of at least 1), or a tensor of them."""
    _check_numbers(function, name, value, WHOLE if whole else POSITIVE)


def check_not_negative(function: str, name: str, value: Any) -> None:
    """Wants a finite number of at least 0, or a tensor of them."""
    _check_numbers(function, name, value, NOT_NEGATIVE)


def distinct_integers(function: str, name: str, numbers: Any, end: int = 2**32) -> list[int]:
    """Wants a sequence of at least one integer, all different, from 0 to `end` - 1.

    Args:
        function: who asks.
        name: the argument.
        numbers: what was given: a list, a tuple, a range, a NumPy array or a tensor of one axis.
        end: one more than the largest that is allowed.

    Returns:
        the same as Python's integers.
    """
    listed = numbers.tolist() if isinstance(numbers, np.ndarray | Tensor) and numbers.ndim == 1 else numbers
    if not isinstance(listed, list | tuple | range) or not len(listed):
        raise ValueError(f"{function}: {name} is {found(numbers)}, wanted a sequence of at least one integer, such as range(20)")
    listed = [number.item() if isinstance(number, np.generic) else number for number in listed]
    good = all(isinstance(number, int) and not isinstance(number, bool) and 0 <= number < end for number in listed)
    if not good or len(set(listed)) < len(listed):
        limit = "2**32 - 1" if end == 2**32 else str(end - 1)
        raise ValueError(f"{function}: {name} = {found(listed)}, wanted different integers from 0 to {limit}")
    return listed


def _check_numbers(function: str, name: str, value: Any, kind: Kind) -> None:
    """Wants a number of a kind, or a tensor of any shape, but not empty, whose entries all are."""
    if not isinstance(value, Tensor):
        return _checked_number(function, name, value, kind)
    if not value.numel():
        raise ValueError(f"{function}: {name} is {found(value)}, wanted {kind.wanted}, or a tensor of such")
    for index, number in enumerate(value.flatten().tolist()):
        _checked_number(function, f"{name}[{index}]" if value.ndim else name, number, kind)


def _checked_number(function: str, name: str, value: Any, kind: Kind) -> Any:
    """The number, in the kind's type, if it is of the kind."""
    if not _is_of(kind, value):
        raise ValueError(f"{function}: {name} is {found(value)}, wanted {kind.wanted}")
    return kind.type(value)


def _is_of(kind: Kind, value: Any) -> bool:
    """Whether a value is of the kind; a bool is no number."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool) or not isinstance(value, (int, float) if kind.type is float else kind.type):
        return False
    try:
        return kind.good(kind.type(value))
    except OverflowError:  # a whole number that no float can hold
        return False


@cache
def _hints(settings: type) -> dict[str, Any]:
    """The annotations of a configuration's fields, evaluated."""
    return get_type_hints(settings, include_extras=True)


def _checked(function: str, name: str, value: Any, hint: Any) -> Any:
    """The value, if the annotation allows it: its numbers as Python's, of the annotation's type."""
    value = value.item() if isinstance(value, np.generic) else value
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        if option in (PerTask, PerRun) and isinstance(value, Tensor):
            _check_entries(function, name, value, options)
            return value
        if get_origin(option) is tuple and isinstance(value, tuple):
            return tuple(_checked(function, f"{name}[{i}]", one, get_args(option)[0]) for i, one in enumerate(value))
        if _is_number(option) and _is_of(_kind(option), value):
            return _kind(option).type(value)
        if get_origin(option) is Literal and any(type(value) is type(one) and value == one for one in get_args(option)):
            return value
        if option in (bool, NoneType) and type(value) is option:
            return value
    raise ValueError(f"{function}: {name} is {found(value)}, wanted {_listed(map(_in_words, options))}")


def _check_entries(function: str, name: str, value: Tensor, options: tuple) -> None:
    """Wants a tensor of one axis or none that holds numbers of the kind that stands beside it."""
    kind = next(_kind(option) for option in options if _is_number(option))
    if value.layout is not torch.strided or value.is_meta or value.ndim > 1 or not value.numel():
        raise ValueError(f"{function}: {name} is {found(value)}, wanted {kind.wanted}, or a tensor of one axis of such")
    _check_numbers(function, name, value, kind)


def _is_number(option: Any) -> bool:
    """Whether an option of an annotation is one of the kinds, such as `Whole`."""
    return get_origin(option) is Annotated and isinstance(_kind(option), Kind)


def _kind(annotated: Any) -> Kind:
    """The kind in an annotation such as `Whole`."""
    return get_args(annotated)[1]


def _in_words(option: Any) -> str:
    """What one option of an annotation allows."""
    if _is_number(option):
        return _kind(option).wanted
    if get_origin(option) is Literal:
        return _listed(map(repr, get_args(option)))
    if get_origin(option) is tuple:
        return f"a tuple, each {_in_words(get_args(option)[0])}"
    return {bool: "True or False", NoneType: "None", PerTask: "one a task", PerRun: "one a run"}[option]


def _listed(words: Any) -> str:
    """Words with commas between them, and "or" before the last."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def found(value: Any) -> str:
    """A value in a message: its `repr`, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # a whole number of too many digits, or any object's fault
        text = f"a {type(value).__name__} that cannot be printed"
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    return f"{text} (not below 2**63)" if isinstance(value, int) and value >= 2**63 else text
