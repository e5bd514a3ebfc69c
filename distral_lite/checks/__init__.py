"""Exercises that teach: a function is tried, and what is wrong with it is said.

`check("6.1", my_soft_value)` shows a verdict and never raises. The exercises of chapter 6
stand in `chapter_06.py`, each with its reference, its inputs and its mistakes (see
`Exercise` and `Choice`). A wrong answer is compared with the reference's mutants
(`mutants.py`, `operators.py`), then looked at by itself (`relations.py`).
"""

import html
import importlib
import pkgutil
import re
from typing import Any

from distral_lite.checks.exercise import Choice, Exercise, Verdict
from distral_lite.checks.judging import failed, judge
from distral_lite.checks.machine import set_up

__all__ = [
    "Choice",
    "Exercise",
    "Verdict",
    "check",
    "judge",
    "registered",
    "set_up",
]
COLOURS = {"passed": "#2a9d4e", "failed": "#d9534f"}  # on white as well as on black


def check(name: str, answer: Any) -> Verdict:
    """Checks an answer to an exercise and shows the verdict.

    Args:
        name: the exercise, "chapter.number".
        answer: the learner's function, or the value that the exercise asks for; None
            and `...` mean not attempted.

    Returns:
        the Verdict. Nothing is raised whatever `answer` does; only KeyboardInterrupt
        passes through.
    """
    name = str(name)
    try:
        chapter = chapter_exercises(name.split(".")[0])
        exercises = {exercise.name: exercise for exercise in chapter}
        if name in exercises:
            verdict = judge(exercises[name], answer)
        else:
            known = ", ".join(exercises) or "none; a name is chapter.number, like 1.1"
            text = f"There is no exercise of this name. Those of this chapter: {known}."
            verdict = failed(name, text)
    except Exception as error:
        verdict = failed(name, f"Could not be checked ({type(error).__name__}).")
    _show(verdict)
    return verdict


def _show(verdict: Verdict) -> None:
    """Shows a verdict in a notebook or prints it; a stub's line is plain in both."""
    if verdict.state in COLOURS:
        try:
            from IPython import display, get_ipython

            if get_ipython() is not None:
                both = {"text/plain": verdict.message, "text/html": as_html(verdict)}
                display.display(both, raw=True)
                return
        except ImportError:
            pass
    print(verdict.message)


def as_html(verdict: Verdict) -> str:
    """A verdict for a notebook: the mark in colour, the reason bold, numbers below."""
    first, *below = html.escape(verdict.message, quote=False).split("\n")
    head, mark, text = re.match(r"(\S+) (\S) (.*)", first).groups()
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
    if verdict.reason:
        text = f"<b>{text}</b>"
    colour = COLOURS[verdict.state]
    lines = [
        f'<b style="color: {colour}">{mark} {html.escape(head)}</b> {text}',
        *below,
    ]
    inner = "<br>".join(line.strip() for line in lines)
    style = "max-width: 90ch; white-space: normal; overflow-wrap: break-word"
    return f'<div style="{style}">{inner}</div>'


def chapter_exercises(chapter: str) -> list[Exercise | Choice]:
    """The exercises of one chapter, loaded when asked for; empty if it has none."""
    module = f"{__name__}.chapter_{chapter.zfill(2)}"
    if not chapter.isdigit() or module.rsplit(".", 1)[1] not in _chapters():
        return []
    return list(importlib.import_module(module).EXERCISES)


def _chapters() -> list[str]:
    names = (found.name for found in pkgutil.iter_modules(__path__))
    return sorted(name for name in names if name.startswith("chapter_"))


def registered() -> list[Exercise | Choice]:
    """All exercises of all chapters, in the order of the chapters."""
    numbers = (name.removeprefix("chapter_") for name in _chapters())
    return [exercise for number in numbers for exercise in chapter_exercises(number)]
