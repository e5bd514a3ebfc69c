"""Short ways to write the inputs of exercises."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def cases(names: str, *rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Inputs from rows of values: `cases("q epsilon", ([0.0, 1.0], 0.1), ...)`.

    Lists become tensors (float64, int64 or bool), tuples become lists.
    """
    return [dict(zip(names.split(), map(_value, row), strict=True)) for row in rows]


def _value(value: Any) -> Any:
    if type(value) is tuple:
        return list(value)
    if isinstance(value, list | np.ndarray):
        array = np.array(value)
        return torch.from_numpy(
            array.astype(float) if array.dtype.kind == "f" else array
        )
    return value


def numbers(generator: np.random.Generator, *shape: int, scale: float = 1.0) -> Tensor:
    """Normal numbers with three decimals, float64, so that small inputs are readable."""
    return torch.from_numpy(scale * np.asarray(generator.normal(size=shape)).round(3))


def whole(generator: np.random.Generator, high: int, *shape: int) -> Tensor:
    """Whole numbers from 0 to high - 1, int64."""
    return torch.from_numpy(np.asarray(generator.integers(high, size=shape)))


def flags(generator: np.random.Generator, chance: float, *shape: int) -> Tensor:
    """Truth values, true with some chance."""
    return torch.from_numpy(np.asarray(generator.random(shape) < chance))


def policy(generator: np.random.Generator, *shape: int) -> Tensor:
    """Rows of probabilities [..., A], all above 0."""
    return torch.from_numpy(generator.dirichlet(np.ones(shape[-1]), size=shape[:-1]))
