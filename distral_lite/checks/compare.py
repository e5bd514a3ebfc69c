"""Comparing an answer with the one that was wanted, and saying the difference."""

from typing import Any, NamedTuple

import numpy as np
import torch

KINDS = {"b": "bool", "i": "integer", "u": "integer", "f": "float"}
WORDS = {"bool": "True or False", "integer": "whole numbers", "float": "numbers"}
SINGLE = {
    "bool": "True or False",
    "integer": "a whole number (int)",
    "float": "a number (float)",
}
GREEK = {
    "alpha": "α",
    "beta": "β",
    "beta_prime": "β′",
    "gamma": "γ",
    "discount": "γ",
    "epsilon": "ε",
    "tau": "τ",
    "lambda_": "λ",
}
FEW = 8  # arrays up to this many elements are shown in full
LONG = 60  # texts up to this many characters are
FLOAT32 = 100 * float(np.finfo(np.float32).eps)  # for numbers calculated in float32


class Difference(NamedTuple):
    """How an answer is not the wanted one.

    Attributes:
        text: "found 1.095, wanted 0.875".
        reason: what is wrong with its form, in a sentence; "" for a wrong number.
    """

    text: str
    reason: str = ""


class Leaf(NamedTuple):
    """Two arrays of one shape to be compared, and their place in the answer."""

    place: str
    left: np.ndarray
    right: np.ndarray


class Misfit(Exception):
    """An answer whose form is not the wanted one; carries a Difference."""


def as_array(value: Any) -> np.ndarray | None:
    """The numbers of a tensor, an array, or a scalar; None for anything else."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.dtype != torch.float64:
            value = value.float()
        return value.detach().cpu().resolve_conj().numpy()
    if isinstance(value, np.ndarray | np.generic | bool | int | float):
        return np.asarray(value)
    return None


def _stacked(values: list | tuple, shape: tuple[int, ...]) -> np.ndarray | None:
    """A nested list as an array; None if it cannot be one of that shape."""
    if len(values) != (shape[0] if shape else -1):
        return None
    inner = [
        _stacked(value, shape[1:])
        if isinstance(value, list | tuple)
        else as_array(value)
        for value in values
    ]
    if any(one is None for one in inner) or len({one.shape for one in inner}) > 1:
        return None
    return np.stack(inner) if inner else np.zeros(shape)


def short(value: Any, digits: int = 3) -> str:
    """A value in a few characters: `0.875`, `[1.0, 0.9]`, `tensor of shape (32, 5)`.

    Args:
        value: anything.
        digits: decimals of a float, significant digits of a very small or large one.

    Returns:
        one line of text.
    """
    if isinstance(value, str):
        return repr(value if len(value) <= LONG else value[: LONG - 1] + "…")
    array = as_array(value)
    if array is None:
        return _short_object(value, digits)
    if array.ndim == 0:
        return number(array.item(), digits)
    if array.size > FEW:
        kind = type(value).__name__.lower().replace("ndarray", "array")
        return f"{kind} of shape {array.shape}"
    return nested(array.tolist(), digits)


def _short_object(value: Any, digits: int) -> str:
    if type(value) in (tuple, list):
        if len(value) > 3 * FEW:
            return f"a {type(value).__name__} of {len(value)} items"
        more = ", …" if len(value) > FEW else ""
        inner = ", ".join(short(item, digits) for item in value[:FEW]) + more
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    if type(value) is dict:
        items = list(value.items())[:FEW]
        return "{" + ", ".join(f"{k!r}: {short(v, digits)}" for k, v in items) + "}"
    return "None" if value is None else f"a {type(value).__name__}"


def number(value: float, digits: int, point: bool = False) -> str:
    """One number; `point` keeps a whole float recognisable as a float (`1.0`)."""
    if not isinstance(value, float):
        text = str(value)
        return text if len(text) <= LONG else text[: LONG - 1] + "…"
    plain = 0.1 <= abs(value) < 1e6
    text = f"{value:.{digits}g}"
    if plain:
        text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return text + ".0" if point and text.lstrip("-").isdigit() else text


def nested(values: list, digits: int) -> str:
    """A nested list of numbers."""
    texts = (
        nested(v, digits) if isinstance(v, list) else number(v, digits, point=True)
        for v in values
    )
    return "[" + ", ".join(texts) + "]"


def show_input(given: dict[str, Any]) -> str:
    """One input as `β = 5, q = [1.0, 0.9]`: scalars first, then the rest, in order."""
    arrays = {name: as_array(value) for name, value in given.items()}
    scalars = [name for name, a in arrays.items() if a is not None and a.ndim == 0]
    order = scalars + [name for name in given if name not in scalars]
    return ", ".join(
        f"{GREEK.get(name, name)} = {short(given[name])}" for name in order
    )


def leaves(found: Any, wanted: Any, place: str = "") -> list[Leaf]:
    """The arrays to compare, taking for each other what means the same.

    A tensor, an array, a list of numbers and, where one number is wanted, a number are
    taken for each other, and so are a tuple and a tensor of its stacked parts. Whole
    numbers will do for floats; bools, whole numbers and floats are not mixed otherwise.

    Args:
        found: the learner's answer.
        wanted: the reference's answer.
        place: where in the answer these are.

    Returns:
        the pairs, in order; values that are no numbers are compared here.

    Raises:
        Misfit: the forms differ.
    """
    if isinstance(wanted, dict):
        return _dict_leaves(found, wanted, place)
    if isinstance(wanted, tuple | list):
        if isinstance(found, torch.Tensor | np.ndarray) and len(np.shape(found)) > 0:
            found = list(found)
        if not isinstance(found, tuple | list) or len(found) != len(wanted):
            many = isinstance(found, tuple | list)
            text = f"{len(found)} values" if many else short(found)
            raise Misfit(
                Difference(
                    f"{place}found {text}, wanted {len(wanted)} values",
                    f"{len(wanted)} values are wanted, one after another.",
                )
            )
        pairs = [
            leaves(left, right, f"{place}value {index + 1} of {len(wanted)}: ")
            for index, (left, right) in enumerate(zip(found, wanted, strict=True))
        ]
        return [leaf for part in pairs for leaf in part]
    right = as_array(wanted)
    if right is None:
        if type(found) is type(wanted) and found == wanted:
            return []
        raise Misfit(Difference(f"{place}found {short(found)}, wanted {short(wanted)}"))
    if isinstance(found, list | tuple):
        left = _stacked(found, right.shape)
    else:
        left = as_array(found)
    if left is None:
        wants = _description(right)
        text = f"{place}found {short(found)}, wanted {wants}"
        raise Misfit(Difference(text, f"The answer is to be {wants}."))
    misfit = _form_difference(left, right)
    if misfit:
        raise Misfit(misfit._replace(text=place + misfit.text))
    return [Leaf(place, left, right)]


def _dict_leaves(found: Any, wanted: dict[str, Any], place: str) -> list[Leaf]:
    if not isinstance(found, dict) or set(found) != set(wanted):
        keys = sorted(map(str, found)) if isinstance(found, dict) else short(found)
        wants = f"a dict with the keys {sorted(map(str, wanted))}"
        text = f"{place}found {keys}, wanted {wants}"
        raise Misfit(Difference(text, f"The answer is to be {wants}."))
    pairs = [leaves(found[key], wanted[key], f"{place}{key!r}: ") for key in wanted]
    return [leaf for part in pairs for leaf in part]


def _description(array: np.ndarray) -> str:
    kind = KINDS.get(array.dtype.kind, str(array.dtype))
    if array.ndim == 0:
        return SINGLE.get(kind, f"a {kind}")
    return f"a tensor of shape {array.shape}, of {WORDS.get(kind, kind)}"


def _form_difference(left: np.ndarray, right: np.ndarray) -> Difference | None:
    if left.shape != right.shape:
        return _shape_difference(left, right)
    kinds = [KINDS.get(array.dtype.kind) for array in (left, right)]
    if kinds[0] == kinds[1] or kinds == ["integer", "float"]:
        return None
    has, wants = kinds[0] or str(left.dtype), _description(right)
    if right.ndim == 0:
        text = f"found {short(left)}, of type {has}, wanted {wants}"
    else:
        text = f"found dtype {left.dtype}, wanted {WORDS.get(kinds[1], right.dtype)}"
    return Difference(text, f"The answer is to be {wants}, not of type {has}.")


def _shape_difference(left: np.ndarray, right: np.ndarray) -> Difference:
    text = f"found shape {left.shape}, wanted shape {right.shape}"
    reason = f"The answer has the shape {left.shape} where {right.shape} is wanted."
    numeric = left.dtype.kind in "biuf" and right.dtype.kind in "biuf"
    if (
        numeric
        and left.size == right.size
        and agrees(left.ravel(), right.ravel()).all()
    ):
        reason = f"The numbers are right, but their shape is to be {right.shape}."
    elif numeric and left.T.shape == right.shape and agrees(left.T, right).all():
        reason = "The numbers are right, but rows and columns are exchanged."
    return Difference(text, reason)


def agrees(left: np.ndarray, right: np.ndarray, tolerance: float = 1e-6) -> np.ndarray:
    """Where two arrays of one shape are equal, at the precision of the left one."""
    if right.dtype.kind != "f":
        return left == right
    absolute = tolerance
    if left.dtype == np.float32 and tolerance < FLOAT32:
        finite = right[np.isfinite(right)]
        tolerance = FLOAT32
        absolute = FLOAT32 * max(1.0, np.abs(finite).max(initial=0.0))
    left = left.astype(right.dtype)
    return np.isclose(left, right, rtol=tolerance, atol=absolute, equal_nan=True)


def difference(found: Any, wanted: Any, tolerance: float) -> Difference | None:
    """The first way in which an answer is not the wanted one; None if they agree.

    Args:
        found: the learner's answer.
        wanted: the reference's answer.
        tolerance: largest difference of two equal numbers, absolute and relative; for
            float32 at least that of the precision.
    """
    try:
        pairs = leaves(found, wanted)
    except Misfit as misfit:
        return misfit.args[0]
    for place, left, right in pairs:
        right_here = agrees(left, right, tolerance)
        if not np.all(right_here):
            return Difference(place + _value_difference(left, right, right_here))
    return None


def equal(found: Any, wanted: Any, tolerance: float) -> bool:
    """Whether two answers agree, as in `difference`."""
    try:
        pairs = leaves(found, wanted)
    except Misfit:
        return False
    return all(np.all(agrees(left, right, tolerance)) for _, left, right in pairs)


def _value_difference(left: np.ndarray, right: np.ndarray, agree: np.ndarray) -> str:
    place = ""
    if right.size > FEW:
        index = tuple(int(i) for i in np.argwhere(~agree)[0])
        left, right, place = left[index], right[index], f" at index {list(index)}"
    digits = (d for d in range(3, 17) if short(left, d) != short(right, d))
    enough = next(digits, 17)
    return f"found {short(left, enough)}{place}, wanted {short(right, enough)}"


def same(left: Any, right: Any) -> bool:
    """Whether two values of an argument are bit for bit equal; unknown types are."""
    if isinstance(left, bool | int | float):
        nans = left != left and right != right
        return type(left) is type(right) and (left == right or nans)
    arrays = as_array(left), as_array(right)
    if arrays[0] is not None and arrays[1] is not None:
        equal_nan = arrays[0].dtype.kind in "fc"
        same_type = arrays[0].dtype == arrays[1].dtype
        return same_type and np.array_equal(*arrays, equal_nan=equal_nan)
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        keys = list(left) == list(right)
        return keys and all(same(left[key], right[key]) for key in left)
    if isinstance(left, str | set | frozenset) or left is None:
        return left == right
    return True
