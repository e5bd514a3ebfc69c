"""Checks of arguments. Each raises ValueError with the function, the argument, what was found and what was wanted."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor


def check_distribution(function: str, name: str, probability: Tensor) -> None:
    """Wants the last axis to hold probabilities: finite, at least 0, summing to 1 within 1e-6 (float32 rounding included)."""
    bad = ((probability.sum(-1) - 1).abs() > 1e-6) | (probability < 0).any(-1) | ~torch.isfinite(probability).all(-1)
    if bool(bad.any()):
        place = tuple(int(i) for i in torch.nonzero(bad)[0])
        where = f"{name}{list(place)}" if place else name
        found = [round(float(p), 6) for p in probability[place]]
        raise ValueError(f"{function}: {where} = {found[:8]} is no distribution; wanted numbers of at least 0 that sum to 1")


def check_fraction(function: str, name: str, value: Any) -> None:
    """Wants a number from 0 to 1, or a tensor of them."""
    _check_numbers(function, name, value, "a number from 0 to 1", lambda x: 0 <= x <= 1)


def check_positive(function: str, name: str, value: Any, whole: bool = False) -> None:
    """Wants a finite number above 0 (with `whole`, an integer of at least 1), or a tensor of them."""
    wanted = "an integer of at least 1" if whole else "a finite number above 0"
    _check_numbers(function, name, value, wanted, lambda x: math.isfinite(x) and x > 0 and (not whole or isinstance(x, Integral)))


def check_not_negative(function: str, name: str, value: Any) -> None:
    """Wants a finite number of at least 0, or a tensor of them."""
    _check_numbers(function, name, value, "a finite number of at least 0", lambda x: math.isfinite(x) and x >= 0)


def _check_numbers(function: str, name: str, value: Any, wanted: str, good: Any) -> None:
    """Applies `good` to a number or to every entry of a tensor; a bool or anything else is refused."""
    numbers = value.flatten().tolist() if isinstance(value, Tensor) else [value]
    for index, number in enumerate(numbers):
        if isinstance(number, bool) or not isinstance(number, Real) or not good(number):
            place = f"{name}[{index}]" if isinstance(value, Tensor) and value.ndim else name
            raise ValueError(f"{function}: {place} is {number!r}, wanted {wanted}")
