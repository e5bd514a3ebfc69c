"""How stored runs of Distral decide claims: each function makes a judge of some experiments, given by name, for a `Claim`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from distral_lite import distral, distral_sql, mdp
from distral_lite.experiments.experiment import Verdict, make_tasks
from distral_lite.results import Stored


def final_steps(stored: Stored) -> np.ndarray:
    """[R, K], exact expected steps of the last policies."""
    return stored.arrays["steps"][..., -1]


def early_episodes(stored: Stored, episodes: int = 50) -> np.ndarray:
    """[R], mean length of the first episodes over all tasks of a run, gaps as in `late_episodes`."""
    return _reached(stored, stored.arrays["durations"][..., :episodes]).mean((1, 2))


def late_episodes(stored: Stored) -> np.ndarray:
    """[R, K, 50], lengths of episodes 151 to 200; one that was not reached counts as long as an episode may be."""
    return _reached(stored, stored.arrays["durations"][..., 150:200])


def _reached(stored: Stored, durations: np.ndarray) -> np.ndarray:
    """Fills the gaps of runs that did not get so far, because their episodes took as long as they may."""
    return np.where(np.isnan(durations), stored.about["configuration"]["config"]["max_episode_steps"], durations)


def said(numbers: np.ndarray, digits: int = 1) -> str:
    """Numbers as a line of text."""
    return ", ".join(f"{number:g}" for number in np.asarray(numbers).round(digits).tolist())


def worse(one: str, other: str) -> Any:
    """Judge: does `one` end with longer episodes than `other`, on every map, in all runs?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        first, second = final_steps(found[one]), final_steps(found[other])
        share = float((first > second).mean())
        medians = np.median(first, 0), np.median(second, 0)
        word = "confirmed" if share >= 0.95 else "confirmed with a caveat" if share >= 0.5 else "not confirmed"
        return Verdict(word, f"in {share:.0%} of runs and maps it is so; medians {said(medians[0])} steps against {said(medians[1])}")

    return judge


def faster(one: str, other: str) -> Any:
    """Judge: is `one` better than `other` early on (first 50 episodes), and is it better at the end?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        early = float((early_episodes(found[one]) < early_episodes(found[other])).mean())
        late = float((final_steps(found[one]) < final_steps(found[other])).mean())
        gain = float(1 - (np.median(final_steps(found[one]), 0) / np.median(final_steps(found[other]), 0)).mean())
        word = "confirmed" if min(early, late) >= 0.95 else "confirmed with a caveat" if late >= 0.95 or early >= 0.95 else "not confirmed"
        text = f"with one schedule for both it ends shorter in {late:.0%} of runs and maps (by {gain:.0%} of the way), and its first 50"
        return Verdict(word, f"{text} episodes are shorter in {early:.0%} of runs")

    return judge


def exploring(slow: str, quick: str) -> Any:
    """Judge: is a baseline with long episodes no worse than another, once neither is made to act at random?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        seen = np.median(late_episodes(found[slow]).mean(-1), 0)
        own, other = (np.median(final_steps(found[name]), 0) for name in (slow, quick))
        off = float((own / other).max())
        word = "confirmed" if off <= 1.1 else "confirmed with a caveat" if off <= 1.25 else "not confirmed"
        text = f"medians: episodes 151 to 200 take {said(seen)} steps, its policy without random actions {said(own)}"
        return Verdict(word, f"{text}, that of the baseline with Distral's schedule {said(other)}")

    return judge


def predicted_steps(tasks: Sequence[int], beta_prime: float) -> np.ndarray:
    """[K], expected steps where one column comes to rest in the thesis's setting, known without training."""
    worlds, config = make_tasks(tasks), distral_sql.Config()
    point = distral.one_column_fixed_point(worlds, config.alpha, config.beta, beta_prime, config.discount, config.epsilon_end)
    return mdp.expected_steps(mdp.stack(worlds), point.log_pi.exp()).numpy()


def predicted(names: Mapping[float, str], tolerance: float = 0.15) -> Any:
    """Judge: do the runs of each beta' end where the one-column fixed point says, within a share?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        off = {}
        for beta_prime, name in sorted(names.items()):
            exact = predicted_steps(found[name].about["configuration"]["tasks"], float(beta_prime))
            off[beta_prime] = float(np.abs(np.median(final_steps(found[name]), 0) / exact - 1).max())
        worst = max(off, key=off.get)
        word = "confirmed" if off[worst] <= tolerance else "confirmed with a caveat" if off[worst] <= 2 * tolerance else "not confirmed"
        return Verdict(word, f"medians of the runs are off the fixed point by {off[worst]:.0%} at most (beta' = {worst:g}), on every map")

    return judge


def little_gain(before: str, after: str) -> Any:
    """Judge: are the episodes of `after` hardly shorter than those of `before`?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        first, second = np.median(final_steps(found[before]), 0), np.median(final_steps(found[after]), 0)
        gain = float(1 - (second / first).min())
        word = "confirmed" if gain <= 0.1 else "confirmed with a caveat" if gain <= 0.25 else "not confirmed"
        return Verdict(word, f"medians {said(first)} steps at beta' = 10, {said(second)} at 100: {gain:.0%} shorter")

    return judge


def more_tasks(few: str, many: str) -> Any:
    """Judge: are the tasks that both have solved worse among many?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        first, second = final_steps(found[few]), final_steps(found[many])[:, : final_steps(found[few]).shape[1]]
        ratio = np.median(second, 0) / np.median(first, 0)
        word = "confirmed" if ratio.min() >= 1.1 else "confirmed with a caveat" if ratio.max() >= 1.1 else "not confirmed"
        text = f"on maps 4 and 5 medians {said(np.median(first, 0))} steps with two tasks"
        return Verdict(word, f"{text}, {said(np.median(second, 0))} with five, at equal updates a task")

    return judge


def volatile(few: str, many: str) -> Any:
    """Judge: do the lengths of episodes 151 to 200 of the tasks that both have scatter more, for their size, among many?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        late = [late_episodes(found[name])[:, :2] for name in (few, many)]
        spread = [_spread(lengths) for lengths in late]
        ratio = spread[1] / spread[0]
        word = "confirmed" if ratio.min() >= 1.25 else "confirmed with a caveat" if ratio.max() >= 1.25 else "not confirmed"
        text = f"standard deviation over mean within a run, medians of those not lost: {said(spread[0], 2)} with two tasks"
        return Verdict(word, f"{text}, {said(spread[1], 2)} with three")

    return judge


def _spread(lengths: np.ndarray) -> np.ndarray:
    """[K], scatter of the episodes within a run for their size, median of the runs that are not lost: each episode of those is cut."""
    mean = lengths.mean(-1)
    return np.ma.median(np.ma.array(lengths.std(-1) / mean, mask=mean > 900), 0).filled(np.inf)


def best(name: str, others: Sequence[str]) -> Any:
    """Judge: over all tasks, does `name` end with the shortest episodes?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        mean = {one: float(np.median(final_steps(found[one]).mean(1))) for one in (name, *others)}
        word = "confirmed" if min(mean, key=mean.get) == name else "not confirmed"
        return Verdict(word, "steps averaged over the tasks, medians: " + ", ".join(f"{one} {steps:.1f}" for one, steps in mean.items()))

    return judge


def wanders(names: tuple[str, str]) -> Any:
    """Judge: at low beta the last policies do not arrive, and nothing overflows."""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        low, high = (final_steps(found[name]) for name in names)
        finite = all(np.isfinite(found[name].arrays["steps"]).all() for name in names)
        lost = float((low > 500).mean())
        word = "not confirmed" if finite else "confirmed"
        text = f"no run overflows; at beta = 1 {lost:.0%} of the last policies need more than 500 steps (they are paid to wander)"
        return Verdict(word, f"{text}, at beta = 4 they need {said(np.median(high, 0))}")

    return judge


def rivals(one: str, other: str) -> Any:
    """Judge: does `one` end within a tenth of `other`?"""

    def judge(found: Mapping[str, Stored]) -> Verdict:
        first, second = np.median(final_steps(found[one]), 0), np.median(final_steps(found[other]), 0)
        ratio = float((first / second).max())
        word = "confirmed" if ratio <= 1.1 else "confirmed with a caveat" if ratio <= 1.5 else "not confirmed"
        return Verdict(word, f"medians {said(first)} steps against {said(second)}: up to {ratio:.1f} times as long")

    return judge
