"""Exercises that teach: a learner's function is tried, and what is wrong with it is said.

`check("6.1", my_soft_value)` prints one line and never raises. The exercises of chapter 6 stand in `chapter_06.py`, each with its
reference, its inputs and its planted mistakes (see `Exercise`, `Mistake` and `Choice`).
"""

import importlib
import pkgutil
from typing import Any

from distral_lite.checks.exercise import Choice, Exercise, Mistake, Verdict
from distral_lite.checks.machine import set_up
from distral_lite.checks.trial import failed, judge_choice, judge_function

__all__ = ["Choice", "Exercise", "Mistake", "Verdict", "check", "judge", "registered", "set_up"]


def check(name: str, answer: Any) -> Verdict:
    """Checks an answer to an exercise and prints one line about it.

    Args:
        name: the exercise, "chapter.number".
        answer: the learner's function, or the value that the exercise asks for; None and `...` mean not attempted.

    Returns:
        the Verdict. Nothing is raised whatever `answer` does; only KeyboardInterrupt passes through.
    """
    name = str(name)
    try:
        exercises = {exercise.name: exercise for exercise in chapter_exercises(name.split(".")[0])}
        if name in exercises:
            verdict = judge(exercises[name], answer)
        else:
            known = ", ".join(exercises) or "none; the name is chapter.number, such as 1.1"
            verdict = failed(name, f"there is no exercise of this name. Those of this chapter: {known}.")
    except Exception as error:
        verdict = failed(name, f"could not be checked ({type(error).__name__}).")
    print(verdict.message)
    return verdict


def judge(exercise: Exercise | Choice, answer: Any) -> Verdict:
    """The verdict on an answer, without printing it.

    Args:
        exercise: what was asked.
        answer: a function for an Exercise, a value for a Choice.

    Returns:
        the Verdict; its message has one line.
    """
    verdict = judge_choice(exercise, answer) if isinstance(exercise, Choice) else judge_function(exercise, answer)
    return verdict._replace(message=" ".join(verdict.message.split()))


def chapter_exercises(chapter: str) -> list[Exercise | Choice]:
    """The exercises of one chapter, loaded when asked for; an empty list if the chapter has none."""
    module = f"{__name__}.chapter_{chapter.zfill(2)}"
    if not chapter.isdigit() or module.rsplit(".", 1)[1] not in _chapters():
        return []
    return list(importlib.import_module(module).EXERCISES)


def _chapters() -> list[str]:
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if found.name.startswith("chapter_"))


def registered() -> list[Exercise | Choice]:
    """All exercises of all chapters, in the order of the chapters."""
    return [exercise for name in _chapters() for exercise in chapter_exercises(name.removeprefix("chapter_"))]
