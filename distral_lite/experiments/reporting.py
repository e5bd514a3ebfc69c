"""The verdict table: every claim of the catalogue, judged by the results that there are."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from distral_lite.experiments.experiment import VERDICTS, Claim, Verdict
from distral_lite.results import Stored


def judge(claim: Claim, find: Callable[[str], Stored | None]) -> Verdict | None:
    """What the data say of a claim; None where a result that it needs is not there.

    Args:
        claim: which.
        find: gives a result by name, or None.

    Returns:
        The verdict.

    Raises:
        ValueError: the claim's judge gave no verdict that is known.
    """
    found = {name: find(name) for name in claim.needs}
    if None in found.values():
        return None
    verdict = claim.judge(found)
    if verdict.verdict not in VERDICTS:
        raise ValueError(f"the judge of {claim.name} gave {verdict.verdict!r}, wanted one of {', '.join(VERDICTS)}")
    return verdict


def table(claims: Sequence[Claim], find: Callable[[str], Stored | None], width: int = 110) -> str:
    """The verdict table as text: claim, section, verdict, then the sentence and its evidence; at the end what could not be judged."""
    lines, words, lacking = [], [], {}
    for claim in claims:
        verdict = judge(claim, find)
        words.append(verdict.verdict if verdict else "not judged yet")
        if verdict is None:
            lacking[claim.name] = [name for name in claim.needs if find(name) is None]
            continue
        lines.append(f"{claim.name:<34} {f'§{claim.thesis}' if claim.thesis else '':<9} {verdict.verdict}")
        lines += textwrap.wrap(claim.sentence, width, initial_indent="    claim: ", subsequent_indent="           ")
        lines += textwrap.wrap(verdict.evidence, width, initial_indent="    data:  ", subsequent_indent="           ")
    lines += [f"{name:<34} not judged yet: no result of {', '.join(names)}" for name, names in lacking.items()]
    counts = {word: words.count(word) for word in (*VERDICTS, "not judged yet")}
    lines.append(", ".join(f"{count} {word}" for word, count in counts.items() if count) or "The catalogue makes no claims.")
    return "\n".join(lines)
