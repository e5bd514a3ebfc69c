"""Calling a function on the inputs of an exercise, and putting everything back."""

import contextlib
import copy
import functools
import inspect
import io
import random
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from distral_lite.checks.compare import Difference, difference, equal, same
from distral_lite.checks.exercise import SEED, Exercise

DEEP = 5_000  # calls of a function by itself; far more would end the interpreter

MANY = 100_000  # items; longer lists are no answers, and are not copied


class Outcome(NamedTuple):
    """What a function did with one input.

    Attributes:
        answer: what it returned, copied; None if it raised.
        error: the exception it raised, or None.
        changed: the name of the first argument it changed, or None.
    """

    answer: Any = None
    error: BaseException | None = None
    changed: str | None = None


class _Pipe(io.TextIOBase):
    """Passes on what is printed, and cannot be closed."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()

    def close(self) -> None:
        pass


@contextlib.contextmanager
def everything_put_back() -> Iterator[None]:
    """Puts back, at the end, what a function may have changed in the interpreter.

    Streams, the states of the global generators, PyTorch's default type, device and
    gradient mode, the ways numbers are printed, warnings, and the recursion limit,
    which is raised meanwhile.
    """
    streams, limit = (sys.stdout, sys.stderr), sys.getrecursionlimit()
    dtype, printing = torch.get_default_dtype(), copy.copy(torch._tensor_str.PRINT_OPTS)
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    device = torch.get_default_device()
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        np.printoptions(),
        torch.random.fork_rng(devices=[]),
        torch.set_grad_enabled(True),
    ):
        warnings.simplefilter("ignore")
        sys.stdout, sys.stderr = map(_Pipe, streams)
        sys.setrecursionlimit(max(limit, DEEP))
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
            sys.setrecursionlimit(limit)
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            torch.set_default_dtype(dtype)
            if torch.get_default_device() != device:
                torch.set_default_device(device)
            torch._tensor_str.PRINT_OPTS = printing


def copied(value: Any) -> Any:
    """A copy of an argument or an answer, without gradients."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if type(value) in (tuple, list) and len(value) < MANY:
        return type(value)(map(copied, value))
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return copy.deepcopy(value) if isinstance(value, tuple | np.ndarray) else value


def call(
    function: Callable[..., Any], given: dict[str, Any], ours: bool = False
) -> Outcome:
    """Calls a function with a copy of one input, within `everything_put_back`.

    Nothing but KeyboardInterrupt gets through, so that a learner can stop an endless
    loop.

    Args:
        function: what to call.
        given: the input.
        ours: whether it is known to change tensors by PyTorch alone, which counts that.
    """
    mine = copied(given)
    arguments = list(mine.values())
    try:
        answer = copied(function(*arguments))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a learner's SystemExit must not end the kernel
        return Outcome(None, error, _changed(mine, given, ours))
    if inspect.iscoroutine(answer):
        answer.close()
    return Outcome(answer, None, _changed(mine, given, ours))


def _changed(mine: dict[str, Any], given: dict[str, Any], ours: bool) -> str | None:
    for name, value in given.items():
        untouched = ours and isinstance(value, torch.Tensor) and not mine[name]._version
        if not untouched and not same(mine[name], value):
            return name
    return None


def run(function: Callable[..., Any], inputs: list[dict[str, Any]]) -> list[Outcome]:
    """What a function does with each of the inputs."""
    with everything_put_back():
        return [call(function, given) for given in inputs]


@functools.cache
def course(exercise: Exercise, seed: int = SEED) -> tuple[list[Any], list[Outcome]]:
    """An exercise's inputs, to be called with copies only, and the right outcomes."""
    inputs = exercise.fresh_inputs(seed)
    return inputs, run(exercise.reference, inputs)


def complaint(outcome: Outcome, wanted: Any, tolerance: float) -> Difference | None:
    """What is wrong with one outcome; None if nothing is."""
    if outcome.error is not None:
        return raised(outcome.error)
    if outcome.changed is not None:
        text = f"your function changed its argument {outcome.changed}"
        reason = (
            f"Your function changed its argument `{outcome.changed}`: work on a copy."
        )
        return Difference(text, reason)
    for kind, name, advice in (
        (types.CoroutineType, "coroutine", "write `def`, without `async`"),
        (types.GeneratorType, "generator", "`return` the answer, do not `yield` it"),
    ):
        if isinstance(outcome.answer, kind):
            reason = f"Your function gives a {name}: {advice}."
            return Difference(f"found a {name}", reason)
    return difference(outcome.answer, wanted, tolerance)


def raised(error: BaseException) -> Difference:
    """An exception in words."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    said = f"raised {kind}" + (f" ({text[:160]})" if text else "")
    if isinstance(error, RecursionError):
        depth = sum(1 for _ in _frames(error))
        if depth >= DEEP // 2:
            return Difference(said, "Your function calls itself without end.")
        return Difference(said, f"Python's stack ended {depth} calls deep: use a loop.")
    return Difference(said, f"Your function {said}.")


def _frames(error: BaseException) -> Iterator[Any]:
    trace = error.__traceback__
    while trace is not None:
        yield trace
        trace = trace.tb_next


def agree(left: Outcome, right: Outcome, tolerance: float) -> bool:
    """Whether two functions did the same: answer, exception, changed argument."""
    if type(left.error) is not type(right.error) or left.changed != right.changed:
        return False
    return left.error is not None or equal(left.answer, right.answer, tolerance)
