"""Trying a function on the inputs of an exercise, and telling what came of it."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from distral_lite.checks.compare import difference, same, short, show_input
from distral_lite.checks.exercise import Choice, Exercise, Verdict


class Outcome(NamedTuple):
    """What a function did with one input.

    Attributes:
        answer: what it returned; None if it raised.
        error: the exception it raised, or None.
        changed: the name of the first argument it changed, or None.
    """

    answer: Any
    error: BaseException | None
    changed: str | None


def run(function: Callable[..., Any], exercise: Exercise) -> list[Outcome]:
    """Calls a function with each input, made anew, by position.

    Args:
        function: what to call.
        exercise: whose inputs to take.

    Returns:
        one Outcome an input. Only KeyboardInterrupt gets through, so that a learner can stop an endless loop.
    """
    outcomes = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for given, kept in zip(exercise.fresh_inputs(), exercise.fresh_inputs(), strict=True):
            answer, error = None, None
            try:
                answer = function(*given.values())
            except KeyboardInterrupt:
                raise
            except BaseException as raised:  # a learner's SystemExit must not end the kernel
                error = raised.with_traceback(None)
            changed = next((name for name in kept if not same(given[name], kept[name])), None)
            outcomes.append(Outcome(answer, error, changed))
    return outcomes


def complaint(outcome: Outcome, wanted: Any, tolerance: float) -> str | None:
    """What is wrong with one outcome, in words; None if nothing is."""
    if outcome.error is not None:
        if isinstance(outcome.error, RecursionError):
            return "your function calls itself without end"
        text = " ".join(str(outcome.error).split())
        return f"raised {type(outcome.error).__name__}" + (f" ({text[:160]})" if text else "")
    if outcome.changed is not None:
        return f"your function changed its argument {outcome.changed}; work on a copy"
    return difference(outcome.answer, wanted, tolerance)


def agree(left: list[Outcome], right: list[Outcome], tolerance: float) -> bool:
    """Whether two functions did the same with every input: same answers, same kinds of exceptions, same changed arguments."""
    return all(
        type(a.error) is type(b.error) and a.changed == b.changed and difference(a.answer, b.answer, tolerance) is None
        for a, b in zip(left, right, strict=True)
    )


def empty(answer: Any) -> bool:
    """Whether an answer is what an untouched stub gives: None, `...`, or a tuple or list of nothing else."""
    if isinstance(answer, tuple | list):
        return len(answer) > 0 and all(map(empty, answer))
    return answer is None or answer is Ellipsis


def untouched(outcomes: list[Outcome]) -> bool:
    """Whether all outcomes are those of a stub; calculating with a stub's `...` counts as such."""
    return all(
        empty(outcome.answer) if outcome.error is None else isinstance(outcome.error, TypeError) and "ellipsis" in str(outcome.error)
        for outcome in outcomes
    )


def not_attempted(name: str, hint: str = "") -> Verdict:
    """The verdict on a stub."""
    return Verdict(name, "not attempted", f"{name} · not attempted yet{hint}")


def failed(name: str, text: str) -> Verdict:
    """The verdict on a wrong answer."""
    return Verdict(name, "failed", f"{name} ✗ {text}")


def judge_function(exercise: Exercise, function: Any) -> Verdict:
    """Judges a learner's function. Calls it, its reference and, if it is wrong, each planted mistake on all inputs."""
    name = exercise.name
    if empty(function):
        return not_attempted(name)
    if not callable(function):
        return failed(name, f"found {short(function)}, wanted a function: pass its name without parentheses.")
    inputs = exercise.fresh_inputs()
    misfit = wrong_arguments(function, list(inputs[0]))
    if misfit:
        return failed(name, misfit)
    found = run(function, exercise)
    if untouched(found):
        has_body = len(getattr(getattr(function, "__code__", None), "co_code", b"")) > len(_stub.__code__.co_code)
        no_return = has_body and all(outcome.error is None and outcome.answer is None for outcome in found)
        return not_attempted(name, " (your function returns None: is a return missing?)" if no_return else "")
    wanted = run(exercise.reference, exercise)
    broken = next((o.error for o in wanted if o.error is not None), None)
    if broken is not None:
        return failed(name, f"could not be checked, the course's own answer fails ({type(broken).__name__}: {broken}).")
    for given, outcome, right in zip(inputs, found, wanted, strict=True):
        text = complaint(outcome, right.answer, exercise.tolerance)
        if text:
            place = exercise.show(given) if exercise.show else show_input(given)
            sentence = next((m.sentence for m in exercise.mistakes if agree(found, run(m.function, exercise), exercise.tolerance)), "")
            return failed(name, f"at {place}: {text}." + (f" {sentence}" if sentence else ""))
    count = f"{len(inputs)} input" + ("s" if len(inputs) > 1 else "")
    return Verdict(name, "passed", f"{name} ✓ {count}" + (f", {exercise.summary}" if exercise.summary else ""))


def _stub():
    """A stub, to compare a function's length with."""
    ...


def wrong_arguments(function: Callable[..., Any], names: list[str]) -> str | None:
    """Says that a function cannot be called with as many positional arguments as the exercise has names; else None."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*names)
    except TypeError:
        found = ", ".join(signature.parameters) or "none"
        return f"your function takes other arguments than wanted: found ({found}), wanted ({', '.join(names)})."
    return None


def judge_choice(choice: Choice, value: Any) -> Verdict:
    """Judges an answer that is a value."""
    name = choice.name
    if empty(value):
        return not_attempted(name)
    if isinstance(choice.answer, str):
        sentences = {str(option).strip().casefold(): sentence for option, sentence in choice.wrong.items()}
        right = choice.answer.strip().casefold()
        given = value.strip().casefold() if isinstance(value, str) else None
        if given == right:
            return Verdict(name, "passed", f"{name} ✓ {choice.answer}" + (f": {choice.summary}" if choice.summary else ""))
        if given in sentences:
            return failed(name, f"{value.strip()}: {sentences[given]}")
        options = sorted([choice.answer, *map(str, choice.wrong)])
        return failed(name, f"found {short(value)}; the options are {', '.join(options)}.")
    if difference(value, choice.answer, choice.tolerance) is None:
        return Verdict(name, "passed", f"{name} ✓ {short(value)}" + (f": {choice.summary}" if choice.summary else ""))
    for option, sentence in choice.wrong.items():
        if difference(value, option, choice.tolerance) is None:
            return failed(name, f"{short(value)}: {sentence}")
    kinds = {bool: "True or False", int: "a whole number"}
    wrong_kind = isinstance(value, bool) != isinstance(choice.answer, bool) or not isinstance(value, int | float | np.generic)
    if wrong_kind and np.ndim(value) == 0 and not hasattr(value, "dtype"):
        return failed(name, f"found {short(value)}, wanted {kinds.get(type(choice.answer), 'a number')}.")
    return failed(name, f"{short(value)}: " + (choice.hint or "that is not it."))
