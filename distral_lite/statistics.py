"""How learned curves are summarised: interquartile mean over runs, with a bootstrap band.

The interquartile mean is the mean of the middle half of the runs; the band says where it would fall if the runs were drawn again
(Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", 2021).
"""

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


def verdict(condition: Any) -> str:
    """How learned results are printed: as a verdict that holds on every machine, not as digits that do not.

    Args:
        condition: one truth value, as a bool, a NumPy bool or a tensor of one element.

    Returns:
        "yes" or "no".

    Raises:
        ValueError: if `condition` is not one truth value.
    """
    array = np.asarray(condition)
    if array.dtype != bool or array.size != 1:
        raise ValueError(f"verdict: condition is {array.dtype} of shape {array.shape}, wanted one truth value; use .all() or .any()")
    return "yes" if array.item() else "no"


def _refuse_nan(function: str, argument: str, array: np.ndarray) -> None:
    if np.isnan(array).any():
        index = [int(i) for i in np.argwhere(np.isnan(array))[0]]
        raise ValueError(f"{function}: {argument} is NaN at index {index}, wanted numbers only; cut the curves where every run has values")
