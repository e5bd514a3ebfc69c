"""Comparing an answer with the one that was wanted, and saying the difference shortly."""

from typing import Any

import numpy as np
import torch

KINDS = {"b": "bool", "i": "integer", "u": "integer", "f": "float"}
GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "epsilon": "ε", "tau": "τ", "lambda_": "λ"}
FEW = 8  # arrays up to this many elements are shown in full


def as_array(value: Any) -> np.ndarray | None:
    """The numbers of a tensor, an array or a Python or NumPy scalar; None for anything else."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, np.ndarray | np.generic | bool | int | float):
        return np.asarray(value)
    return None


def short(value: Any, digits: int = 3) -> str:
    """A value in a few characters: `0.875`, `[1.0, 0.9, -1.0]`, `tensor of shape (32, 5)`.

    Args:
        value: anything.
        digits: decimals of a float, significant digits of one that is very small or large.

    Returns:
        one line of text.
    """
    if isinstance(value, str):
        return repr(value)
    array = as_array(value)
    if array is None:
        if type(value) in (tuple, list):
            inner = ", ".join(short(item, digits) for item in value[:FEW]) + (", …" if len(value) > FEW else "")
            return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
        if type(value) is dict:
            return "{" + ", ".join(f"{key!r}: {short(item, digits)}" for key, item in list(value.items())[:FEW]) + "}"
        return "None" if value is None else f"a {type(value).__name__}"
    if array.ndim == 0:
        return number(array.item(), digits)
    if array.size > FEW:
        return f"{type(value).__name__.lower().replace('ndarray', 'array')} of shape {array.shape}"
    return nested(array.tolist(), digits)


def number(value: float, digits: int, point: bool = False) -> str:
    """One number; `point` keeps a whole float recognisable as a float (`1.0`)."""
    if not isinstance(value, float):
        return str(value)
    plain = 0.1 <= abs(value) < 1e6
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if plain else f"{value:.{digits}g}"
    return text + ".0" if point and text.lstrip("-").isdigit() else text


def nested(values: list, digits: int) -> str:
    """A nested list of numbers."""
    return "[" + ", ".join(nested(v, digits) if isinstance(v, list) else number(v, digits, point=True) for v in values) + "]"


def show_input(given: dict[str, Any]) -> str:
    """One input as `β = 5, q = [1.0, 0.9, -1.0]`: scalars first, then the rest, in the order of the arguments."""
    scalars = [(name, value) for name, value in given.items() if np.ndim(as_array(value)) == 0 and as_array(value) is not None]
    rest = [(name, value) for name, value in given.items() if name not in dict(scalars)]
    return ", ".join(f"{GREEK.get(name, name)} = {short(value)}" for name, value in scalars + rest)


def difference(found: Any, wanted: Any, tolerance: float) -> str | None:
    """The first way in which an answer is not the wanted one.

    A tensor, a NumPy array of the same dtype, and, where a single number is wanted, a Python number are taken for each other; bools,
    integers and floats are not, except that a single integer will do for a single float.

    Args:
        found: the learner's answer.
        wanted: the reference's answer.
        tolerance: largest difference of two numbers that count as equal, absolute and relative.

    Returns:
        None if the answers agree, else a text such as "found 1.095, wanted 0.875".
    """
    if isinstance(wanted, tuple | list):
        return _sequence_difference(found, wanted, tolerance)
    if isinstance(wanted, dict):
        if not isinstance(found, dict) or set(found) != set(wanted):
            keys = sorted(map(str, found)) if isinstance(found, dict) else short(found)
            return f"found {keys}, wanted a dict with the keys {sorted(map(str, wanted))}"
        found, wanted = [found[key] for key in wanted], list(wanted.values())
        return _sequence_difference(found, wanted, tolerance)
    right = as_array(wanted)
    if right is None:
        same = type(found) is type(wanted) and found == wanted
        return None if same else f"found {short(found)}, wanted {short(wanted)}"
    left = as_array(found)
    if left is None:
        return f"found {short(found)}, wanted {_description(right)}"
    return _form_difference(left, right) or _value_difference(left, right, tolerance)


def _sequence_difference(found: Any, wanted: Any, tolerance: float) -> str | None:
    if not isinstance(found, tuple | list) or len(found) != len(wanted):
        return f"found {f'{len(found)} values' if isinstance(found, tuple | list) else short(found)}, wanted {len(wanted)} values"
    for place, (left, right) in enumerate(zip(found, wanted, strict=True)):
        text = difference(left, right, tolerance)
        if text:
            return f"value {place + 1} of {len(wanted)}: {text}"
    return None


def _description(array: np.ndarray) -> str:
    kind = KINDS.get(array.dtype.kind, str(array.dtype))
    single = {"bool": "True or False", "integer": "a whole number (int)", "float": "a number (float)"}
    return single.get(kind, f"a {kind}") if array.ndim == 0 else f"a {array.dtype} tensor of shape {array.shape}"


def _form_difference(left: np.ndarray, right: np.ndarray) -> str | None:
    if left.shape != right.shape:
        return f"found shape {left.shape}, wanted shape {right.shape}"
    kinds = [KINDS.get(array.dtype.kind) for array in (left, right)]
    if right.ndim == 0:
        fits = kinds[0] == kinds[1] or kinds == ["integer", "float"]
        return None if fits else f"found {short(left)}, of type {kinds[0] or left.dtype}, wanted {_description(right)}"
    fits = left.dtype == right.dtype or kinds == ["integer", "integer"]
    return None if fits else f"found dtype {left.dtype}, wanted dtype {right.dtype}"


def _value_difference(left: np.ndarray, right: np.ndarray, tolerance: float) -> str | None:
    if right.dtype.kind == "f":
        left = left.astype(right.dtype)
        agrees = np.isclose(left, right, rtol=tolerance, atol=tolerance, equal_nan=True)
    else:
        agrees = left == right
    if np.all(agrees):
        return None
    place = ""
    if right.size > FEW:
        index = tuple(int(i) for i in np.argwhere(~agrees)[0])
        left, right, place = left[index], right[index], f" at index {list(index)}"
    digits = next((d for d in range(3, 17) if short(left, d) != short(right, d)), 17)
    return f"found {short(left, digits)}{place}, wanted {short(right, digits)}"


def same(left: Any, right: Any) -> bool:
    """Whether two values of an argument are bit for bit equal; values of unknown type count as equal."""
    arrays = as_array(left), as_array(right)
    if arrays[0] is not None and arrays[1] is not None:
        equal_nan = arrays[0].dtype.kind in "fc"
        return arrays[0].dtype == arrays[1].dtype and np.array_equal(*arrays, equal_nan=equal_nan)
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, str | set | frozenset) or left is None:
        return left == right
    return True
