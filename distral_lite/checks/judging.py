"""The verdict on an answer: whether it is right and, if not, why."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from distral_lite.checks import relations
from distral_lite.checks.compare import (
    as_array,
    difference,
    short,
    show_input,
)
from distral_lite.checks.exercise import SEED, Choice, Exercise, Verdict
from distral_lite.checks.mutants import Mutant, pairs, planted, singles
from distral_lite.checks.relations import Reason
from distral_lite.checks.trial import (
    Outcome,
    agree,
    call,
    complaint,
    course,
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
    name, (inputs, wanted) = exercise.name, course(exercise)
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
    broken = next((one.error for one in wanted if one.error is not None), None)
    if broken is not None:
        text = f"{type(broken).__name__}: {broken}"
        return failed(
            name, f"Could not be checked, the course's answer fails ({text})."
        )
    attempt = _Attempt(exercise, function, found)
    if attempt.wrong:
        reason, shows = attempt.reason()
        given = inputs[shows]
        place = exercise.show(given) if exercise.show else show_input(given)
        text = f": {attempt.wrong[shows].text}" if shows in attempt.wrong else ""
        return failed(name, reason, f"at {place}{text}.")
    coarse = _coarse(found)
    if exercise.float64 and coarse:
        reason = f"The numbers are right, but they are {coarse}; float64 is asked for."
        return failed(name, reason)
    precision = f"; compared at the precision of {coarse}" if coarse else ""
    count = f"{len(inputs)} input" + ("s" if len(inputs) > 1 else "")
    told = f", {exercise.summary}" if exercise.summary else ""
    return passed(name, count + told + precision)


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


class _Attempt:
    """A wrong function, and what it does with the exercise's inputs and with others."""

    def __init__(
        self, exercise: Exercise, function: Callable[..., Any], found: list[Outcome]
    ) -> None:
        self.exercise, self.function, self.found = exercise, function, found
        self.inputs, wanted = course(exercise)
        right = [one.answer for one in wanted]
        self.wrong = {
            index: text
            for index, (mine, answer) in enumerate(zip(found, right, strict=True))
            if (text := complaint(mine, answer, exercise.tolerance))
        }
        self.cases = self._cases(self.inputs, found, right)

    def _cases(self, inputs: Any, found: list[Outcome], right: list[Any]) -> Any:
        if any(one.error is not None for one in found):
            return None
        answers = [one.answer for one in found]
        return relations.cases_of(self.exercise, inputs, answers, right)

    @functools.cached_property
    def elsewhere(self) -> list[tuple[list[dict[str, Any]], list[Outcome]]]:
        """Inputs of other seeds, which the answer was not sorted out by, and outcomes."""
        others = (course(self.exercise, SEED + extra)[0] for extra in (1, 2))
        return [(inputs, run(self.function, inputs)) for inputs in others]

    def other_cases(self) -> list[Any]:
        """The cases of other seeds."""
        right = (course(self.exercise, SEED + extra)[1] for extra in (1, 2))
        return [
            self._cases(inputs, found, [one.answer for one in wanted])
            for (inputs, found), wanted in zip(self.elsewhere, right, strict=True)
        ]

    def reason(self) -> Reason:
        """Why, and the number of an input that shows it: the simplest comes first."""
        stated = next((i for i in self.wrong if self.wrong[i].reason), None)
        by_form = stated is not None and (self.wrong[stated].reason, stated)
        only_form = by_form and all(one.reason for one in self.wrong.values())
        return (
            self._mutant(planted)
            or self._related(relations.TRIVIAL)
            or self._mutant(singles)
            or (by_form if only_form else None)
            or self._related(relations.WHOLE)
            or self._mutant(pairs)
            or self._related(relations.PARTIAL)
            or relations.dependence(self.exercise, self.function, self.inputs)
            or by_form
            or ("", min(self.wrong))
        )

    def _related(self, kind: list[Callable[..., Reason | None]]) -> Reason | None:
        return relations.first(kind, self.cases, self.other_cases)

    def _mutant(self, kind: Callable[..., tuple[Mutant, ...]]) -> Reason | None:
        """The sentence of the first mutant that does the same, with other inputs too."""
        order = sorted(self.wrong, key=lambda i: (self.found[i].error is not None, i))
        if self.found[order[0]].error is not None and kind is not planted:
            return None  # it fails wherever it is wrong: that alone proves no mutant
        order += [index for index in range(len(self.inputs)) if index not in self.wrong]
        tolerance = self.exercise.tolerance
        with everything_put_back():
            for mutant in kind(self.exercise):
                if mutant.function is not None and all(
                    agree(self.found[i], mutant.outcome(self.inputs, i), tolerance)
                    for i in order
                ):
                    if self._agrees_elsewhere(mutant):
                        return mutant.sentence, min(self.wrong)
        return None

    def _agrees_elsewhere(self, mutant: Mutant) -> bool:
        return all(
            agree(
                mine, call(mutant.function, given, ours=True), self.exercise.tolerance
            )
            for inputs, found in self.elsewhere
            for given, mine in zip(inputs, found, strict=True)
        )


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
