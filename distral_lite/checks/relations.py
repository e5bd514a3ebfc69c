"""How a wrong answer is related to the right one, where no mutant explains it.

Each relation looks at what was found and wanted on all inputs and, where it holds, says
so in a sentence with the number of the smallest input that shows it.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from distral_lite.checks.compare import Leaf, Misfit, agrees, as_array, leaves
from distral_lite.checks.exercise import Exercise
from distral_lite.checks.trial import Outcome, agree, call, everything_put_back

DIGITS = (2, 3, 4, 5)  # an answer that is right to so many digits is said to be so


class Case(NamedTuple):
    """One input, the arrays found and wanted for it, and where they agree."""

    index: int
    given: dict[str, Any]
    pairs: list[Leaf]
    right: list[np.ndarray]

    @property
    def wrong(self) -> bool:
        """Whether anything differs."""
        return not all(agree.all() for agree in self.right)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first array."""
        return self.pairs[0].right.shape

    @property
    def left(self) -> np.ndarray:
        """All numbers found, in a row."""
        return np.concatenate([pair.left.ravel().astype(float) for pair in self.pairs])

    @property
    def wanted(self) -> np.ndarray:
        """All numbers wanted, in a row."""
        return np.concatenate([pair.right.ravel().astype(float) for pair in self.pairs])


Reason = tuple[str, int]  # a sentence, and the number of an input that shows it


def cases_of(
    exercise: Exercise,
    inputs: list[dict[str, Any]],
    found: list[Any],
    wanted: list[Any],
) -> list[Case] | None:
    """The cases of an exercise's inputs; None where the form of an answer is wrong."""
    cases = []
    for index, given in enumerate(inputs):
        try:
            pairs = leaves(found[index], wanted[index])
        except Misfit:
            return None
        right = [agrees(one.left, one.right, exercise.tolerance) for one in pairs]
        cases.append(Case(index, given, pairs, right))
    return cases


def first(
    relations: list[Callable[[list[Case]], Reason | None]],
    cases: list[Case] | None,
    elsewhere: Callable[[], list[list[Case] | None]],
) -> Reason | None:
    """The first relation that holds, also on the inputs of other seeds.

    Args:
        relations: those to try: TRIVIAL, WHOLE or PARTIAL.
        cases: the course's.
        elsewhere: gives those of other seeds.
    """
    if cases is None or not any(case.wrong for case in cases):
        return None
    with np.errstate(all="ignore"):
        for relation in relations:
            reason = relation(cases)
            if reason and all(_holds(relation, reason, one) for one in elsewhere()):
                return reason
    return None


def _holds(
    relation: Callable[[list[Case]], Reason | None],
    reason: Reason,
    cases: list[Case] | None,
) -> bool:
    """Whether a relation says the same of other inputs, but for numbers in it."""
    if cases is None or not any(case.wrong for case in cases):
        return cases is not None
    again = relation(cases)
    alike = [re.sub(r"\d digits|nan|inf", "", one[0]) for one in (reason, again) if one]
    return len(alike) == 2 and alike[0] == alike[1]


def _near(left: np.ndarray, right: np.ndarray) -> bool:
    return bool(np.isclose(left, right, rtol=1e-5, atol=1e-9, equal_nan=True).all())


# ---- relations that hold everywhere


def _quantities(given: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Numbers with a name that an answer may be wrong by, of one input."""
    for name, value in given.items():
        array = as_array(value)
        if array is not None and array.ndim == 0 and array.dtype.kind in "if":
            yield f"`{name}`", float(array)
            yield f"1 − `{name}`", 1 - float(array)
    for name, value in given.items():
        array = as_array(value)
        shape = () if array is None else array.shape
        if shape or isinstance(value, list):
            yield f"the length of `{name}`", float(len(value))
        if len(shape) > 1:
            yield f"the length of the last axis of `{name}`", float(shape[-1])
            yield f"the number of entries of `{name}`", float(np.prod(shape))


def _factor(cases: list[Case]) -> Reason | None:
    """Right but for a factor, which is an argument, a length, or always the same."""
    factors = []
    for case in cases:
        left, right = case.left, case.wanted
        large = np.isfinite(right) & (np.abs(right) > 1e-9)
        if not _near(left[~large], right[~large]):
            return None
        ratio = left[large] / right[large]
        if ratio.size and (not np.isfinite(ratio).all() or not _near(ratio, ratio[0])):
            return None
        factors.append(ratio[0] if ratio.size else np.nan)
    known = [i for i, factor in enumerate(factors) if not np.isnan(factor)]
    if not known or all(_near(factors[i], 1) for i in known):
        return None
    shows = next(i for i in known if not _near(factors[i], 1))
    if len(known) > 1 and _near(
        np.array([factors[i] for i in known]), factors[known[0]]
    ):
        return f"Your numbers are {factors[known[0]]:.3g} times the right ones.", shows
    for text, value in _named(cases, known, factors):
        return f"Your numbers are the right ones {text} {value}.", shows
    if all(case.wrong and case.left.size > 1 for case in cases):
        return "Your numbers are right but for a common factor.", shows
    return None


def _named(
    cases: list[Case], known: list[int], values: list[float]
) -> Iterator[tuple[str, str]]:
    """Names of quantities that equal a factor, or one by it, on all inputs."""
    tables = [dict(_quantities(cases[i].given)) for i in known]
    for name in tables[0]:
        here = np.array([table.get(name, np.nan) for table in tables])
        mine = np.array([values[i] for i in known])
        if _near(here, mine):
            yield "times", name
        if _near(here * mine, np.ones(len(mine))):
            yield "divided by", name


def _offset(cases: list[Case]) -> Reason | None:
    """Right but for a constant: an argument, or a number that is the same in all."""
    offsets = []
    for case in cases:
        off = case.left - case.wanted
        if not off.size or not np.isfinite(off).all() or not _near(off, off[0]):
            return None
        offsets.append(off[0])
    shows = next(case.index for case in cases if case.wrong)
    if _near(np.array(offsets), offsets[0]) and len(offsets) > 1:
        return f"Your numbers are the right ones plus {offsets[0]:.3g}.", shows
    for index, sign in ((0, "plus"), (1, "minus")):
        mine = [-x for x in offsets] if index else offsets
        for text, name in _named(cases, list(range(len(cases))), mine):
            if text == "times":
                return f"Your numbers are the right ones {sign} {name}.", shows
    if all(case.wrong and case.left.size > 1 for case in cases):
        return "Your numbers are right but for a common constant.", shows
    return None


def _rows(cases: list[Case]) -> Reason | None:
    """Rows that are right but for their sum (or, of logs, their constant)."""
    shows = next(case.index for case in cases if case.wrong)
    for normal, of, sentence in (
        (lambda x: x, np.divide, "Your rows do not sum to one"),
        (np.exp, np.subtract, "The probabilities of your rows do not sum to one"),
    ):
        pairs = [pair for case in cases for pair in case.pairs]
        if not all(pair.right.ndim and pair.right.shape[-1] > 1 for pair in pairs):
            return None
        if not all(_near(normal(pair.right).sum(-1), np.array(1.0)) for pair in pairs):
            continue
        if all(_near(normal(pair.left).sum(-1), np.array(1.0)) for pair in pairs):
            return None
        off = [of(pair.left, pair.right) for pair in pairs]
        if all(_near(one, one[..., :1]) for one in off):
            return f"{sentence}; but for a factor in each they are right.", shows
        return f"{sentence}.", shows
    return None


def _order(cases: list[Case]) -> Reason | None:
    """The right numbers in another order."""
    orders: list[tuple[str, Callable[[np.ndarray], np.ndarray]]] = [
        ("transposed", lambda x: x.T if x.ndim > 1 else x),
        ("in reverse order", lambda x: x[::-1]),
        ("in reverse order along the last axis", lambda x: x[..., ::-1]),
        ("one place too late", lambda x: np.roll(x, 1, 0)),
        ("one place too early", lambda x: np.roll(x, -1, 0)),
        ("sorted", lambda x: np.sort(x, -1)),
    ]
    pairs = [pair for case in cases for pair in case.pairs if pair.right.ndim]
    if not any(np.unique(pair.right).size > 2 for pair in pairs):
        return None
    if not all(pair.right.ndim for case in cases if case.wrong for pair in case.pairs):
        return None  # one number has no order
    shows = next(case.index for case in cases if case.wrong)
    for name, turn in orders:
        turned = [turn(pair.right) for pair in pairs]
        if all(
            one.shape == pair.left.shape and agrees(pair.left, one).all()
            for one, pair in zip(turned, pairs, strict=True)
        ):
            return f"These are the right numbers, {name}.", shows
    sets = [agrees(np.sort(p.left, None), np.sort(p.right, None)).all() for p in pairs]
    if all(sets) and all(pair.right.dtype.kind != "b" for pair in pairs):
        return "These are the right numbers in another order.", shows
    return None


def _shifted(cases: list[Case]) -> Reason | None:
    """Right but for one place: `wanted[1:]` stands in `found[:-1]`, or the reverse."""
    pairs = [pair for case in cases for pair in case.pairs]
    long = [pair for pair in pairs if pair.right.ndim and len(pair.right) > 2]
    if len(long) < 2:
        return None
    shows = next(case.index for case in cases if case.wrong)
    for word, mine, right in (("early", slice(-1), slice(1, None)),
                              ("late", slice(1, None), slice(-1))):  # fmt: skip
        if all(agrees(pair.left[mine], pair.right[right]).all() for pair in long):
            return f"Your numbers stand one place too {word}.", shows
    return None


def _argument(cases: list[Case]) -> Reason | None:
    """An argument given back as it is, or the same answer to everything."""
    shows = next(case.index for case in cases if case.wrong)
    if all(len(case.pairs) == 1 for case in cases):
        for name in cases[0].given:
            arrays = [as_array(case.given[name]) for case in cases]
            if all(
                array is not None
                and array.shape == case.pairs[0].left.shape
                and np.array_equal(array, case.pairs[0].left, equal_nan=False)
                for array, case in zip(arrays, cases, strict=True)
            ):
                return f"Your function gives `{name}` back as it is.", shows
    numbers = np.concatenate([case.left for case in cases])
    wanted = np.concatenate([case.wanted for case in cases])
    if numbers.size > 1 and _near(numbers, numbers[0]) and not _near(wanted, wanted[0]):
        return f"Your function gives {numbers[0]:.3g} whatever it is given.", shows
    return None


def _combination(cases: list[Case]) -> Reason | None:
    """The right numbers mixed with an argument: `values` added, or half of each."""
    if any(len(case.pairs) != 1 for case in cases):
        return None
    shows = next(case.index for case in cases if case.wrong)
    left = np.concatenate([case.left for case in cases])
    right = np.concatenate([case.wanted for case in cases])
    for name in cases[0].given:
        arrays = [as_array(case.given[name]) for case in cases]
        if any(
            array is None or array.dtype.kind not in "fi" or array.shape != case.shape
            for array, case in zip(arrays, cases, strict=True)
        ):
            continue
        basis = np.stack([right, np.concatenate([a.ravel() for a in arrays])], 1)
        if left.size < 4 or not np.isfinite([*left, *basis.ravel()]).all():
            continue
        weights = np.linalg.lstsq(basis, left, rcond=None)[0]
        if np.linalg.matrix_rank(basis) == 2 and _near(basis @ weights, left):
            a, b = weights
            if _near(np.array(a), np.array(1.0)) and abs(abs(b) - 1) < 1e-6:
                word = "plus" if b > 0 else "minus"
                return f"Your numbers are the right ones {word} `{name}`.", shows
            return (
                f"Your numbers are {a:.3g} times the right ones plus {b:.3g} times "
                f"`{name}`."
            ), shows
    return None


TRIVIAL = [_argument]
WHOLE = [_factor, _combination, _offset, _order, _shifted, _rows]


# ---- relations that say where


def _unbounded(cases: list[Case]) -> Reason | None:
    """NaN or inf at an extreme, and right wherever the numbers are finite."""
    shows = None
    for case in cases:
        for pair, right in zip(case.pairs, case.right, strict=True):
            if right.all():
                continue
            lost = ~np.isfinite(pair.left.astype(float)) & np.isfinite(
                pair.right.astype(float)
            )
            if not (right | lost).all():
                return None
            shows = case.index if shows is None else shows
    if shows is None:
        return None
    lost = cases[shows].left
    word = "nan" if np.isnan(lost).any() else "inf"
    return (
        f"Right wherever your numbers are finite; at an extreme they are {word}.",
        shows,
    )


def _nearly(cases: list[Case]) -> Reason | None:
    """Right to a few digits only."""
    off = 0.0
    for case in cases:
        left, right = case.left, case.wanted
        same = (left == right) | (np.isnan(left) & np.isnan(right))
        error = np.abs(left - right) / np.maximum(1e-2, np.abs(right))
        error = np.where(same, 0.0, error)
        off = max(off, float(np.nan_to_num(error, nan=np.inf).max(initial=0)))
    for digits in DIGITS[::-1]:
        if off <= 10.0**-digits:
            shows = next(case.index for case in cases if case.wrong)
            text = f"Your numbers are right to {digits} digits only"
            return f"{text}: something is rounded, cut off or stopped too early.", shows
    return None


def _flags(case: Case, shape: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray]]:
    """Truth values with a name, one for each place of an answer of that shape."""
    masks = {}
    for name, value in case.given.items():
        array = np.asarray(value) if isinstance(value, list) else as_array(value)
        if array is None or array.dtype.kind != "b":
            continue
        extra = len(shape) - array.ndim
        if array.ndim and extra >= 0 and array.shape == shape[: array.ndim]:
            array = array.reshape(array.shape + (1,) * extra)
            masks[name] = np.broadcast_to(array, shape)
        elif array.ndim == 0:
            masks[name] = np.full(shape, bool(array))
    for name, mask in masks.items():
        yield f"except where `{name}` is true", mask
        yield f"only where `{name}` is true", ~mask
    names = list(masks)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            both = masks[one] & masks[other]
            yield f"except where both `{one}` and `{other}` are true", both
    if shape and shape[-1] > 1:
        for text, place in (("first", 0), ("last", -1)):
            mask = np.zeros(shape, bool)
            mask[..., place] = True
            yield f"except in the {text} place", mask
            yield f"only in the {text} place", ~mask
    for name, value in case.given.items():
        array = as_array(value)
        if name == "discount":  # its largest entry is nobody's choice
            continue
        if array is not None and array.ndim and array.dtype.kind == "f":
            if array.shape == shape or array.shape[:-1] == shape:
                yield from _ties(name, array, shape)


def _ties(
    name: str, array: np.ndarray, shape: tuple[int, ...]
) -> Iterator[tuple[str, np.ndarray]]:
    """Rows in which the two largest values are equal, or nearly."""
    if array.shape[-1] < 2:
        return
    top = np.sort(array, -1)
    gap = (top[..., -1] - top[..., -2]).reshape((*array.shape[:-1], 1))
    gap = gap if array.shape == shape else gap[..., 0]
    gap = np.broadcast_to(gap, shape)
    yield f"except where the largest of `{name}` are tied", gap == 0
    for bound in (1e-6, 1e-3, 0.2):
        near = f"except where the largest of `{name}` are equal or nearly"
        yield f"{near} (apart by less than {bound:g})", gap < bound


def _where(cases: list[Case]) -> Reason | None:
    """Wrong only where a flag says so, and right at all other places."""
    if any(len(case.pairs) != 1 for case in cases):
        return None
    tables = [dict(_flags(case, case.pairs[0].right.shape)) for case in cases]
    names = [name for name in tables[0] if all(name in table for table in tables)]
    best: tuple[float, str] | None = None
    for name in names:
        masks = [table[name] for table in tables]
        rights = [case.right[0] for case in cases]
        inside = sum(
            int((~right & mask).sum())
            for right, mask in zip(rights, masks, strict=True)
        )
        outside = sum(
            int((~right & ~mask).sum())
            for right, mask in zip(rights, masks, strict=True)
        )
        rest = sum(int((~mask).sum()) for mask in masks)
        total = sum(int(mask.sum()) for mask in masks)
        if (
            inside > 1
            and not outside
            and rest
            and (best is None or inside / total > best[0])
        ):
            best = inside / total, name
    if best is None:
        return None
    shows = next(case.index for case in cases if case.wrong)
    return f"Your answer is right {best[1]}.", shows


def _when(cases: list[Case]) -> Reason | None:
    """Wrong only on inputs where a number is 0, or 1, or is not."""
    wrong = {case.index for case in cases if case.wrong}
    for name in cases[0].given:
        arrays = [as_array(case.given[name]) for case in cases]
        if any(a is None or a.ndim or a.dtype.kind not in "if" for a in arrays):
            long = [
                len(v) for v in (c.given[name] for c in cases) if getattr(v, "ndim", 0)
            ]
            good = [n for i, n in enumerate(long) if i not in wrong]
            if (
                len(long) == len(cases)
                and good
                and max(good) < min(long[i] for i in wrong)
            ):
                return f"Your answer is right except where `{name}` is long.", min(
                    wrong
                )
            continue
        for value in sorted({float(array) for array in arrays}):
            here = {i for i, array in enumerate(arrays) if float(array) == value}
            rest = set(range(len(cases))) - here
            if value in (0, 1) and wrong == here and rest:
                return f"Your answer is right except where `{name}` is {value:g}.", min(
                    here
                )
            told = value in (0, 1) or len(here) > 1
            if wrong == rest and told and len(rest) > 1:
                only = f"Your answer is right only where `{name}` is {value:g}."
                return only, min(rest)
        good = [abs(float(a)) for i, a in enumerate(arrays) if i not in wrong]
        bad = [abs(float(arrays[i])) for i in wrong]
        if len(good) > 1 and 5 * max(bad) < min(good):
            return f"Your answer is right except where `{name}` is small.", min(wrong)
        if len(good) > 1 and min(bad) > 5 * max(good):
            return f"Your answer is right except where `{name}` is large.", min(wrong)
    return None


def _component(cases: list[Case]) -> Reason | None:
    """Wrong in some of several values only."""
    many = len(cases[0].pairs)
    if many < 2 or any(len(case.pairs) != many for case in cases):
        return None
    bad = [
        place
        for place in range(many)
        if not all(case.right[place].all() for case in cases)
    ]
    if len(bad) < many:
        shows = next(case.index for case in cases if case.wrong)
        listed = " and ".join(str(place + 1) for place in bad)
        verb = "is" if len(bad) == 1 else "are"
        return (
            f"Of the {many} values number {listed} {verb} wrong, the rest right.",
            shows,
        )
    return None


PARTIAL = [_unbounded, _nearly, _component, _where, _when]


# ---- what an answer depends on


def dependence(
    exercise: Exercise, function: Callable[..., Any], inputs: list[dict[str, Any]]
) -> Reason | None:
    """An argument that changes the answer and should not, or should and does not."""
    moves: dict[str, list[tuple[int, bool, bool]]] = {name: [] for name in inputs[0]}
    with everything_put_back():
        for index, given in enumerate(inputs):
            before = [call(one, given) for one in (function, exercise.reference)]
            if _again(function, given, before[0], exercise):
                text = "Called twice with one input your function gives two answers."
                return text, index
            for name in given:
                for value in _varied(given[name]):
                    after = {**given, name: value}
                    now = [call(one, after) for one in (function, exercise.reference)]
                    if any(o.error is not None for o in (*before, *now)):
                        continue
                    mine, right = (
                        not agree(a, b, exercise.tolerance)
                        for a, b in zip(before, now, strict=True)
                    )
                    moves[name].append((index, mine, right))
    for name, seen in moves.items():
        if seen and not any(right for _, _, right in seen):
            shows = [index for index, mine, _ in seen if mine]
            if shows:
                return (
                    f"Your answer depends on `{name}`; the right one does not.",
                    shows[0],
                )
        if seen and not any(mine for _, mine, _ in seen):
            shows = [index for index, _, right in seen if right]
            if shows:
                return f"Your answer does not depend on `{name}`; it has to.", shows[0]
    return None


def _again(
    function: Callable[..., Any],
    given: dict[str, Any],
    first: Outcome,
    exercise: Exercise,
) -> bool:
    return not agree(first, call(function, given), exercise.tolerance)


def _varied(value: Any) -> list[Any]:
    """Other values that an argument might have had: of its type, in its range."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, float):
        return [0.5 * value + 0.25 if 0 <= value <= 1 else 1.25 * value]
    if isinstance(value, int):
        return [value + 1, value - 1] if value > 1 else [value + 1]
    if isinstance(value, torch.Tensor) and value.ndim:
        if value.dtype == torch.bool:
            return [~value]
        if value.is_floating_point():
            return [value.roll(1, 0), value.roll(1, -1), 0.5 * value]
        return [value.roll(1, 0), value.roll(1, -1), (value + 1) % (value.max() + 1)]
    if isinstance(value, list) and value and isinstance(value[0], bool):
        return [[not one for one in value]]
    if isinstance(value, list) and len(value) > 1:
        return [[*value[1:], value[0]]]
    return []
