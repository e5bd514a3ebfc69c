"""Tries the checks on the whole corpus: `cd tests && python -m corpus.measure [--messages]`.

Prints a table of what became of the answers and lists the two kinds of failure: wrong answers accepted and right ones refused. With
--messages it also prints each verdict, beside what is wrong with the answer, so that a reader can mark the misleading ones.
"""

import argparse
import re
import time
from collections import Counter
from typing import NamedTuple

import corpus
from distral_lite import checks

KINDS = ("accepted", "vague", "reasoned", "right passed", "right refused")

# The first difference, and nothing more: "6.1 ✗ at β = 5: found 1.095, wanted 0.875." with nothing behind it.
FIRST_DIFFERENCE = re.compile(
    r"(value \d+ of \d+: )?found (?!dtype|shape|a |\d+ values|.*, of type).* wanted .*"
)
NO_REASON = re.compile(r"found .*; the options are .*|.*: that is not it\.")


class Result(NamedTuple):
    """An entry, its verdict, the kind of the verdict and the seconds it took."""

    entry: corpus.Entry
    verdict: checks.Verdict
    kind: str
    seconds: float


def reason(verdict, exercise):
    """The part of a verdict that says why an answer is wrong; empty if it says no more than which input differs."""
    if hasattr(verdict, "reason"):
        return verdict.reason or ""
    text = verdict.message.split("✗ ", 1)[-1]
    if isinstance(exercise, checks.Choice):
        return "" if NO_REASON.fullmatch(text) else text
    sentences = [" ".join(mistake.sentence.split()) for mistake in exercise.mistakes]
    said = next((sentence for sentence in sentences if text.endswith(sentence)), "")
    if said:
        return said
    found = text.split(": ", 1)[-1]
    return "" if FIRST_DIFFERENCE.search(found) else found


def kind(entry, verdict, exercise):
    """What became of an answer: one of KINDS. A stub's verdict on an answer counts as a refusal."""
    if entry.right:
        return "right passed" if verdict.state == "passed" else "right refused"
    if verdict.state == "passed":
        return "accepted"
    return "reasoned" if reason(verdict, exercise) else "vague"


def results():
    """Judges every entry of the corpus."""
    exercises = {exercise.name: exercise for exercise in checks.registered()}
    found = []
    for entry in corpus.load():
        exercise = exercises[entry.exercise]
        begin = time.perf_counter()
        verdict = checks.judge(exercise, entry.answer)
        seconds = time.perf_counter() - begin
        found.append(Result(entry, verdict, kind(entry, verdict, exercise), seconds))
    return found


def table(found):
    """The counts, a row a chapter and one for all, as lines of text; functions and values apart."""
    lines = [f"{'':<18}" + "".join(f"{name:>15}" for name in KINDS) + f"{'% reasoned':>12}"]
    for title, chosen in (
        ("functions", [result for result in found if callable(result.entry.answer)]),
        ("values", [result for result in found if not callable(result.entry.answer)]),
    ):
        chapters = sorted({int(result.entry.exercise.split(".")[0]) for result in chosen})
        for chapter in (*chapters, None):
            name = title if chapter is None else f"  chapter {chapter:02}"
            count = Counter(
                result.kind
                for result in chosen
                if chapter in (None, int(result.entry.exercise.split(".")[0]))
            )
            wrong = sum(count[kind] for kind in KINDS[:3])
            share = f"{100 * count['reasoned'] / wrong:12.1f}" if wrong else ""
            lines.append(f"{name:<18}" + "".join(f"{count[k]:>15}" for k in KINDS) + share)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", action="store_true", help="print every verdict")
    arguments = parser.parse_args()
    found = results()
    print("\n".join(table(found)))
    slowest = max(found, key=lambda result: result.seconds)
    total = sum(result.seconds for result in found)
    print(f"{total:.1f} s in all; the slowest {slowest.seconds:.2f} s ({slowest.entry.exercise})")
    for result in found:
        if arguments.messages or result.kind in ("accepted", "right refused"):
            entry = result.entry
            about = f" [{entry.about}]" if entry.about else ""
            print(f"\n{result.kind}: {entry.exercise} {entry.why}{about}")
            print(f"    {result.verdict.message}")


if __name__ == "__main__":
    main()
