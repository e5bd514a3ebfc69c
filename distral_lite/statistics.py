"""How runs are summarised: interquartile means and their bootstrap intervals, who wins how often, how long until solved.

The interquartile mean is the mean of the middle half of the runs; the band says where it would fall if the runs were drawn again
(Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021).
"""

import json
import os
import warnings
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from scipy import stats


class Band(NamedTuple):
    """A learned curve and its uncertainty, all in the unit of the runs.

    Attributes:
        centre: [T] interquartile mean over runs.
        low: [T] lower end of the band.
        high: [T] upper end of the band.
        runs: R, how many runs stand behind it.
    """

    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    runs: int


def interquartile_mean(x: Any, axis: int = 0) -> np.ndarray:
    """The mean of the middle half: a quarter of the values, rounded down, is cut off at either end.

    Args:
        x: [..., R, ...] numbers, as a tensor or an array.
        axis: the axis of the runs.

    Returns:
        `x` without `axis`, float64, in the unit of `x`.

    Raises:
        ValueError: if `x` has no value along `axis`, or a NaN; cut the curves where all runs still have values.
    """
    x = np.asarray(x, dtype=np.float64)
    if x.ndim == 0 or x.shape[axis] == 0:
        raise ValueError(f"interquartile_mean: x has shape {x.shape}, wanted at least one value along axis {axis}")
    _refuse_nan("interquartile_mean", "x", x)
    return np.asarray(stats.trim_mean(x, 0.25, axis=axis))


def interquartile_band(runs: Any, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Band:
    """The interquartile mean of learned curves with a percentile bootstrap band over runs.

    Whole runs are drawn again with replacement, so that the dependence of a run's points in time is kept. The band is pointwise.

    Args:
        runs: [R, T] one curve a run, as a tensor or an array.
        confidence: share of the bootstrap distribution inside the band, above 0 and below 1.
        resamples: number of bootstrap draws.
        seed: seed of the draws; the same seed gives the same band.

    Returns:
        Band(centre [T], low [T], high [T], runs R).

    Raises:
        ValueError: if `runs` is not [R, T] with R of at least 2 and T of at least 1, has a NaN, or `confidence` is not between 0 and 1.
    """
    runs = np.asarray(runs, dtype=np.float64)
    if runs.ndim != 2 or runs.shape[0] < 2 or runs.shape[1] < 1:
        raise ValueError(f"interquartile_band: runs has shape {runs.shape}, wanted [R, T] with at least 2 runs and 1 point in time")
    _refuse_nan("interquartile_band", "runs", runs)
    if not 0 < confidence < 1:
        raise ValueError(f"interquartile_band: confidence is {confidence}, wanted a number above 0 and below 1")
    interval = stats.bootstrap(
        (runs,),
        interquartile_mean,
        n_resamples=resamples,
        batch=100,  # bounds the memory: 100 x R x T numbers at a time
        vectorized=True,
        axis=0,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Band(interquartile_mean(runs), np.asarray(interval.low), np.asarray(interval.high), len(runs))


class Interval(NamedTuple):
    """A number and where it would fall if the runs were drawn again.

    Attributes:
        centre: its value for the runs at hand.
        low: lower end.
        high: upper end.
    """

    centre: float
    low: float
    high: float


def stratified_interval(scores: Any, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """The interquartile mean over all runs and tasks, with a stratified bootstrap interval.

    The tasks are no sample: each keeps its number of runs, and runs are drawn again within each task, independently of the others
    (Agarwal et al. 2021, section 4.1). Give scores that may be pooled, for example steps divided by the shortest path.

    Args:
        scores: [R, K], one number a run and task.
        confidence: share of the bootstrap distribution inside the interval, above 0 and below 1.
        resamples: number of bootstrap draws.
        seed: seed of the draws.

    Returns:
        Interval(centre, low, high), in the unit of the scores.

    Raises:
        ValueError: if `scores` is not [R, K] with R of at least 2, has a NaN, or `confidence` is not between 0 and 1.
    """
    scores = _runs_and_tasks("stratified_interval", "scores", scores)

    def pooled(*tasks: np.ndarray, axis: int) -> np.ndarray:
        return interquartile_mean(np.concatenate(tasks, axis), axis)

    return _bootstrap("stratified_interval", tuple(scores.T), pooled, confidence, resamples, seed)


def probability_of_improvement(first: Any, second: Any, confidence: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """How probable it is that a run of the first is lower than a run of the second on the same task, averaged over the tasks.

    For each task it is the share of all pairs of runs in which the first is lower, ties counting half: Mann and Whitney's U divided by the
    number of pairs. Lower is better, as for steps; swap the arguments, or their signs, where higher is. The interval is the stratified
    bootstrap's.

    Args:
        first: [R, K], one number a run and task.
        second: [Q, K], likewise; Q may differ from R.
        confidence: share of the bootstrap distribution inside the interval, above 0 and below 1.
        resamples: number of bootstrap draws.
        seed: seed of the draws.

    Returns:
        Interval(centre, low, high) of a probability: 0.5 where neither is better.

    Raises:
        ValueError: shapes that do not fit, fewer than 2 runs, a NaN, a `confidence` that is not between 0 and 1.
    """
    function = "probability_of_improvement"
    first, second = _runs_and_tasks(function, "first", first), _runs_and_tasks(function, "second", second)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"{function}: second has {second.shape[1]} tasks, wanted {first.shape[1]}, as many as first")

    def wins(*tasks: np.ndarray, axis: int) -> np.ndarray:
        shares = []
        for x, y in zip(tasks[: len(tasks) // 2], tasks[len(tasks) // 2 :], strict=True):
            x, y = np.moveaxis(x, axis, -1)[..., :, None], np.moveaxis(y, axis, -1)[..., None, :]
            shares.append(((x < y) + 0.5 * (x == y)).mean((-2, -1)))
        return np.mean(shares, axis=0)

    return _bootstrap(function, (*first.T, *second.T), wins, confidence, resamples, seed)


class TimeToSolve(NamedTuple):
    """When lanes solved their tasks.

    Attributes:
        episodes: [...] float64, episodes lived through until solved; where not solved, how many were watched in vain.
        solved: [...] bool; False is a censored lane: longer than watched, nobody knows how long.
    """

    episodes: np.ndarray
    solved: np.ndarray


def episodes_to_solve(durations: Any, limit: Any, window: int = 20) -> TimeToSolve:
    """The first episode at which the mean length of the last `window` episodes is at most `limit`.

    Args:
        durations: [..., E], steps of each episode in order; NaN after the last.
        limit: steps, one number or one a lane, of a shape that broadcasts with [...]; twice the shortest path, for example.
        window: episodes in the mean.

    Returns:
        TimeToSolve(episodes [...], solved [...]).

    Raises:
        ValueError: a window below 1, or an episode after a NaN.
    """
    durations = np.asarray(durations, dtype=np.float64)
    if isinstance(window, bool) or not isinstance(window, Integral) or window < 1:
        raise ValueError(f"episodes_to_solve: window is {window!r}, wanted an integer of at least 1")
    watched = (~np.isnan(durations)).sum(-1)
    if (np.isnan(durations[..., :-1]) & ~np.isnan(durations[..., 1:])).any():
        raise ValueError("episodes_to_solve: durations has a number after a NaN, wanted the NaNs after the last episode")
    if durations.shape[-1] < window:
        return TimeToSolve(watched.astype(np.float64), np.zeros(watched.shape, dtype=bool))
    total = np.cumsum(np.concatenate([np.zeros((*durations.shape[:-1], 1)), durations], axis=-1), axis=-1)
    means = (total[..., window:] - total[..., :-window]) / window  # [..., E - window + 1], of the window that ends with episode window + i
    good = means <= np.asarray(limit, dtype=np.float64)[..., None]  # False where NaN
    solved = good.any(-1)
    return TimeToSolve(np.where(solved, good.argmax(-1) + window, watched).astype(np.float64), solved)


def median_to_solve(times: TimeToSolve) -> float:
    """The median number of episodes until solved, censored lanes taken for what they are (Kaplan and Meier 1958).

    A lane that was not solved while it was watched is neither left out (that would flatter) nor counted as solved at its end.

    Args:
        times: of any shape; all lanes are taken together.

    Returns:
        The smallest number of episodes at which at least half are solved, or infinity if that was never seen.

    Raises:
        ValueError: no lanes.
    """
    episodes, solved = np.ravel(times.episodes), np.ravel(times.solved).astype(bool)
    if not len(episodes):
        raise ValueError("median_to_solve: times has no lanes, wanted at least one")
    if not solved.any():
        return float("inf")
    curve = stats.ecdf(stats.CensoredData.right_censored(episodes, ~solved)).cdf
    reached = curve.probabilities >= 0.5 - 1e-12
    return float(curve.quantiles[reached][0]) if reached.any() else float("inf")


def inside(value: Any, low: Any, high: Any) -> bool:
    """Whether every value lies in its interval, ends included.

    Args:
        value: numbers of any shape.
        low: lower ends, of a shape that broadcasts with `value`.
        high: upper ends, likewise.

    Returns:
        True or False. A NaN anywhere is not inside.
    """
    value, low, high = (np.asarray(array, dtype=np.float64) for array in (value, low, high))
    return bool(np.all((low <= value) & (value <= high)))


_SIGNS = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}


def verdict(value: Any, sign: str | None = None, bar: Any = None) -> str:
    """How learned results are printed: as a verdict that holds on every machine, not as digits that do not.

    `verdict(error, "<", 0.05)` asks whether every error is below 0.05; `verdict(condition)` takes what is true or false. Where the
    environment variable DISTRAL_LITE_VERDICTS names a file, the first form writes a line of JSON there: value and bar that leave the
    least room, the sign, and the room (see `room`). The tests read it.

    Args:
        value: numbers of any shape; without `sign`, one truth value, as a bool, a NumPy bool or a tensor of one element.
        sign: "<", "<=", ">" or ">=".
        bar: numbers, of a shape that broadcasts with `value`.

    Returns:
        "yes" or "no". A NaN stands to no bar as it should.

    Raises:
        ValueError: if `sign` is another one, if there are no numbers, or, without `sign`, if `value` is not one truth value.
    """
    if sign is None:
        array = np.asarray(value)
        if array.dtype != bool or array.size != 1:
            raise ValueError(f"verdict: value is {array.dtype} of shape {array.shape}, wanted one truth value, or a sign and a bar")
        return "yes" if array.item() else "no"
    if sign not in _SIGNS:
        raise ValueError(f"verdict: sign is {sign!r}, wanted one of {', '.join(_SIGNS)}")
    value, bar = np.broadcast_arrays(np.asarray(value, dtype=np.float64), np.asarray(bar, dtype=np.float64))
    if not value.size:
        raise ValueError(f"verdict: value and bar have shape {value.shape}, wanted at least one number")
    holds = _SIGNS[sign](value, bar)
    if path := os.environ.get("DISTRAL_LITE_VERDICTS"):
        rooms = np.ravel(room(value, bar))
        # What holds for all is lost with the nearest; what fails is won only when the furthest of those that fail comes over.
        at = int(np.argmin(rooms)) if holds.all() else int(np.argmax(np.where(np.ravel(holds), -1.0, rooms)))
        line = {"value": float(np.ravel(value)[at]), "sign": sign, "bar": float(np.ravel(bar)[at]), "room": float(rooms[at])}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return "yes" if holds.all() else "no"


def room(value: Any, bar: Any) -> np.ndarray:
    """How far numbers are from their bars, relative to the bar: 0.1 is a tenth of it.

    Args:
        value: numbers of any shape.
        bar: numbers, of a shape that broadcasts with `value`.

    Returns:
        |value - bar| / |bar|, at least 0. A bar of 0 gives infinity, or 0 for a value of 0.
    """
    value, bar = np.asarray(value, dtype=np.float64), np.asarray(bar, dtype=np.float64)
    distance = np.abs(value - bar)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / np.abs(bar))


def _runs_and_tasks(function: str, argument: str, array: Any) -> np.ndarray:
    """Scores [R, K], checked."""
    array = np.asarray(array, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        raise ValueError(f"{function}: {argument} has shape {array.shape}, wanted [R, K] with at least 2 runs and 1 task")
    _refuse_nan(function, argument, array)
    return array


def _bootstrap(function: str, samples: tuple, statistic: Callable, confidence: float, resamples: int, seed: int) -> Interval:
    """A statistic of some samples, with its percentile interval when each is drawn again by itself."""
    if not 0 < confidence < 1:
        raise ValueError(f"{function}: confidence is {confidence}, wanted a number above 0 and below 1")
    centre = float(statistic(*samples, axis=-1))
    with warnings.catch_warnings():  # where all runs are alike the interval is one point, and SciPy warns of it
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        interval = stats.bootstrap(
            samples,
            statistic,
            n_resamples=resamples,
            batch=100,
            vectorized=True,
            confidence_level=confidence,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return Interval(centre, float(interval.low), float(interval.high))


def _refuse_nan(function: str, argument: str, array: np.ndarray) -> None:
    if np.isnan(array).any():
        index = [int(i) for i in np.argwhere(np.isnan(array))[0]]
        raise ValueError(f"{function}: {argument} is NaN at index {index}, wanted numbers only; cut the curves where every run has values")
