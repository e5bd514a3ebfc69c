"""The verdict on an answer: whether it is right and, if not, why."""

import inspect
from collections.abc import Callable
from typing import Any

from distral_lite.checks import relations
from distral_lite.checks.compare import (
    Difference,
    as_array,
    difference,
    short,
    show_input,
)
from distral_lite.checks.exercise import Choice, Exercise, Verdict
from distral_lite.checks.mutants import Mutant, matching, pairs, planted, singles
from distral_lite.checks.trial import (
    Outcome,
    agree,
    complaint,
    everything_put_back,
    run,
)


def judge(exercise: Exercise | Choice, answer: Any) -> Verdict:
    """The verdict on an answer, without showing it.

    Args:
        exercise: what was asked.
        answer: a function for an Exercise, a value for a Choice.
    """
    if empty(answer):
        return not_attempted(exercise.name)
    if isinstance(exercise, Choice):
        return _judge_choice(exercise, answer)
    return _judge_function(exercise, answer)


def empty(answer: Any) -> bool:
    """Whether an answer is what an untouched stub gives: None, `...`, or only these."""
    if isinstance(answer, tuple | list):
        return 0 < len(answer) < 100 and all(map(empty, answer))
    return answer is None or answer is Ellipsis


def not_attempted(name: str, hint: str = "") -> Verdict:
    """The verdict on a stub."""
    return Verdict(name, "not attempted", f"{name} · not attempted yet{hint}")


def passed(name: str, text: str) -> Verdict:
    """The verdict on a right answer."""
    return Verdict(name, "passed", f"{name} ✓ {text}")


def failed(name: str, reason: str, numbers: str = "") -> Verdict:
    """The verdict on a wrong answer: the reason first, the numbers below it."""
    reason, numbers = " ".join(reason.split()), " ".join(numbers.split())
    if not reason:
        return Verdict(name, "failed", f"{name} ✗ {numbers}")
    below = f"\n    {numbers}" if numbers else ""
    return Verdict(name, "failed", f"{name} ✗ {reason}{below}", reason)


def _untouched(outcomes: list[Outcome]) -> bool:
    """Whether all outcomes are a stub's; calculating with its `...` counts as such."""
    return all(
        empty(outcome.answer)
        if outcome.error is None
        else isinstance(outcome.error, TypeError) and "ellipsis" in str(outcome.error)
        for outcome in outcomes
    )


def _stub():
    """A stub, to compare a function's length with."""
    ...


def _judge_function(exercise: Exercise, function: Any) -> Verdict:
    name, inputs = exercise.name, exercise.fresh_inputs()
    if not callable(function):
        reason = "A function is wanted: pass its name, without parentheses."
        return failed(name, reason, f"found {short(function)}, wanted a function")
    function, misfit = _by_position(function, list(inputs[0]))
    if misfit:
        reason = "Your function takes other arguments than wanted."
        return failed(name, reason, misfit)
    found = run(function, inputs)
    if _untouched(found):
        code = getattr(getattr(function, "__code__", None), "co_code", b"")
        silent = all(one.error is None and one.answer is None for one in found)
        no_return = silent and len(code) > len(_stub.__code__.co_code)
        hint = " (your function returns None: is a return missing?)"
        return not_attempted(name, hint if no_return else "")
    wanted = run(exercise.reference, inputs)
    broken = next((o.error for o in wanted if o.error is not None), None)
    if broken is not None:
        text = f"{type(broken).__name__}: {broken}"
        return failed(
            name, f"Could not be checked, the course's answer fails ({text})."
        )
    right = [outcome.answer for outcome in wanted]
    wrong = {
        index: text
        for index, (mine, answer) in enumerate(zip(found, right, strict=True))
        if (text := complaint(mine, answer, exercise.tolerance))
    }
    coarse = "" if wrong else _coarse(found)
    if not wrong and not (exercise.float64 and coarse):
        precision = f"; compared at the precision of {coarse}" if coarse else ""
        count = f"{len(inputs)} input" + ("s" if len(inputs) > 1 else "")
        told = f", {exercise.summary}" if exercise.summary else ""
        return passed(name, count + told + precision)
    if not wrong:
        reason = f"The numbers are right, but they are {coarse}; float64 is asked for."
        return failed(name, reason)
    return _explained(exercise, function, inputs, found, right, wrong)


def _coarse(found: list[Outcome]) -> str:
    """The name of a precision below float64 that an answer has; "" for none."""
    for outcome in found:
        parts = outcome.answer
        for part in parts if isinstance(parts, tuple | list) else [parts]:
            kind = str(getattr(part, "dtype", "")).removeprefix("torch.")
            if kind in ("float32", "float16", "bfloat16"):
                return kind
    return ""


def _by_position(
    function: Callable[..., Any], names: list[str]
) -> tuple[Callable[..., Any], str]:
    """A function that takes the arguments by position; else what it takes instead."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return function, ""
    try:
        signature.bind(*names)
        return function, ""
    except TypeError:
        pass
    try:
        signature.bind(**dict.fromkeys(names))
    except TypeError:
        found = ", ".join(signature.parameters) or "none"
        return function, f"found ({found}), wanted ({', '.join(names)})"
    return lambda *given: function(**dict(zip(names, given, strict=True))), ""


# ---- why an answer is wrong


def _explained(
    exercise: Exercise,
    function: Callable[..., Any],
    inputs: list[dict[str, Any]],
    found: list[Outcome],
    right: list[Any],
    wrong: dict[int, Difference],
) -> Verdict:
    """The verdict on a wrong answer."""
    reason, shows = _reason(exercise, function, inputs, found, right, wrong)
    given = inputs[shows]
    place = exercise.show(given) if exercise.show else show_input(given)
    if shows in wrong:
        return failed(exercise.name, reason, f"at {place}: {wrong[shows].text}.")
    return failed(exercise.name, reason, f"at {place}.")


def _reason(
    exercise: Exercise,
    function: Callable[..., Any],
    inputs: list[dict[str, Any]],
    found: list[Outcome],
    right: list[Any],
    wrong: dict[int, Difference],
) -> tuple[str, int]:
    """Why, and the number of an input that shows it: the simplest explanation first."""
    first = min(wrong)
    mutant = _mutant(exercise, planted(exercise), inputs, found, wrong)
    if mutant:
        return mutant.sentence, first
    stated = next((i for i in wrong if wrong[i].reason), None)
    answers = [outcome.answer for outcome in found]
    numbers = all(outcome.error is None for outcome in found)
    related = numbers and relations.trivial(exercise, inputs, answers, right)
    if related:
        return related
    mutant = _mutant(exercise, singles(exercise), inputs, found, wrong)
    if mutant:
        return mutant.sentence, first
    if stated is not None and all(one.reason for one in wrong.values()):
        return wrong[stated].reason, stated
    related = numbers and relations.whole(exercise, inputs, answers, right)
    if related:
        return related
    mutant = _mutant(exercise, pairs(exercise), inputs, found, wrong)
    if mutant:
        return mutant.sentence, first
    related = (numbers and relations.partial(exercise, inputs, answers, right)) or (
        relations.dependence(exercise, function, inputs)
    )
    if related:
        return related
    return ("", first) if stated is None else (wrong[stated].reason, stated)


def _mutant(
    exercise: Exercise,
    candidates: tuple[Mutant, ...],
    inputs: list[dict[str, Any]],
    found: list[Outcome],
    wrong: dict[int, Difference],
) -> Mutant | None:
    """The mutant whose answers are the learner's, where these say something."""
    order = sorted(wrong, key=lambda index: (found[index].error is not None, index))
    order += [index for index in range(len(inputs)) if index not in wrong]

    def fits(index: int, outcome: Outcome) -> bool:
        return agree(found[index], outcome, exercise.tolerance)

    if found[order[0]].error is not None:
        candidates = tuple(one for one in candidates if one.kind == "planted")
    with everything_put_back():
        return matching(candidates, inputs, order, fits)


# ---- answers that are values


def _judge_choice(choice: Choice, value: Any) -> Verdict:
    name = choice.name
    why = f": {choice.summary}" if choice.summary else ""
    if isinstance(choice.answer, str):
        wrong = {str(k).strip().casefold(): text for k, text in choice.wrong.items()}
        given = value.strip().casefold() if isinstance(value, str) else None
        if given == choice.answer.strip().casefold():
            return passed(name, f"{choice.answer}{why}")
        if given in wrong:
            return failed(name, f"{value.strip()}: {wrong[given]}")
        options = ", ".join(sorted([choice.answer, *map(str, choice.wrong)]))
        return failed(name, f"Found {short(value)}; the options are {options}.")
    if difference(value, choice.answer, choice.tolerance) is None:
        return passed(name, f"{short(value)}{why}")
    for option, sentence in choice.wrong.items():
        if difference(value, option, choice.tolerance) is None:
            return failed(name, f"{short(value)}: {sentence}")
    kinds = {bool: "True or False", int: "a whole number"}
    boolean = isinstance(value, bool) != isinstance(choice.answer, bool)
    if as_array(value) is None or (boolean and not hasattr(value, "dtype")):
        kind = kinds.get(type(choice.answer), "a number")
        return failed(name, f"Found {short(value)}, wanted {kind}.")
    return failed(name, f"{short(value)}: " + (choice.hint or "that is not it."))
