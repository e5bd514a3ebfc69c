"""Tries the checks on the whole corpus: `cd tests && python -m corpus.measure [--messages]`.

Prints a table of what became of the answers and lists the two kinds of failure: wrong answers accepted and right ones refused. With
--messages it also prints each verdict, beside what is wrong with the answer, so that a reader can mark the misleading ones.
"""

import argparse
import time
from collections import Counter
from typing import NamedTuple

import corpus
from distral_lite import checks

KINDS = ("accepted", "vague", "reasoned", "right passed", "right refused")


class Result(NamedTuple):
    """An entry, its verdict, the kind of the verdict and the seconds it took."""

    entry: corpus.Entry
    verdict: checks.Verdict
    kind: str
    seconds: float


def kind_of_refusal(verdict):
    """How much a refusal says: "vague" (the first difference) or "reasoned"."""
    return "reasoned" if verdict.reason else "vague"


def kind(entry, verdict):
    """What became of an answer: one of KINDS."""
    if entry.right:
        return "right passed" if verdict.state == "passed" else "right refused"
    return "accepted" if verdict.state == "passed" else kind_of_refusal(verdict)


def results():
    """Judges every entry of the corpus."""
    exercises = {exercise.name: exercise for exercise in checks.registered()}
    found = []
    for entry in corpus.load():
        exercise = exercises[entry.exercise]
        begin = time.perf_counter()
        verdict = checks.judge(exercise, entry.answer)
        seconds = time.perf_counter() - begin
        found.append(Result(entry, verdict, kind(entry, verdict), seconds))
    return found


def table(found):
    """The counts, a row a chapter and one for all, as lines of text; functions and values apart."""
    lines = [
        f"{'':<18}" + "".join(f"{name:>15}" for name in KINDS) + f"{'% reasoned':>12}"
    ]
    for title, chosen in (
        ("functions", [result for result in found if callable(result.entry.answer)]),
        ("values", [result for result in found if not callable(result.entry.answer)]),
    ):
        chapters = sorted(
            {int(result.entry.exercise.split(".")[0]) for result in chosen}
        )
        for chapter in (*chapters, None):
            name = title if chapter is None else f"  chapter {chapter:02}"
            count = Counter(
                result.kind
                for result in chosen
                if chapter in (None, int(result.entry.exercise.split(".")[0]))
            )
            wrong = sum(count[kind] for kind in KINDS[:3])
            share = f"{100 * count['reasoned'] / wrong:12.1f}" if wrong else ""
            lines.append(
                f"{name:<18}" + "".join(f"{count[k]:>15}" for k in KINDS) + share
            )
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", action="store_true", help="print every verdict")
    arguments = parser.parse_args()
    found = results()
    print("\n".join(table(found)))
    slowest = max(found, key=lambda result: result.seconds)
    total = sum(result.seconds for result in found)
    print(
        f"{total:.1f} s in all; the slowest {slowest.seconds:.2f} s ({slowest.entry.exercise})"
    )
    for result in found:
        if arguments.messages or result.kind in ("accepted", "right refused"):
            entry = result.entry
            about = f" [{entry.about}]" if entry.about else ""
            print(f"\n{result.kind}: {entry.exercise} {entry.why}{about}")
            print(f"    {result.verdict.message}")


if __name__ == "__main__":
    main()
