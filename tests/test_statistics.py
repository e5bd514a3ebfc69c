import json

import numpy as np
import pytest
import scipy.stats
import torch

from distral_lite import statistics


def test_interquartile_mean_by_hand():
    # Eight values: two are cut off at either end, the mean of 3, 4, 5, 7 is left.
    assert statistics.interquartile_mean([100, 3, 5, 4, 7, -50, 2, 9]) == 4.75
    # Five values: a quarter of five, rounded down, is one at either end.
    assert statistics.interquartile_mean([0, 1, 2, 6, 1000]) == 3.0
    # Three values: nothing is cut off.
    assert statistics.interquartile_mean([0, 1, 5]) == 2.0


def test_interquartile_mean_keeps_the_other_axes():
    x = torch.arange(24, dtype=torch.float32).reshape(4, 3, 2)
    np.testing.assert_array_equal(statistics.interquartile_mean(x, axis=0), [[9, 10], [11, 12], [13, 14]])
    along_last = [[0.5, 2.5, 4.5], [6.5, 8.5, 10.5], [12.5, 14.5, 16.5], [18.5, 20.5, 22.5]]
    np.testing.assert_array_equal(statistics.interquartile_mean(x, axis=-1), along_last)


def test_interquartile_mean_agrees_with_sorting():
    x = np.random.default_rng(3).normal(size=(21, 5))
    np.testing.assert_allclose(statistics.interquartile_mean(x), np.sort(x, axis=0)[5:16].mean(axis=0), rtol=1e-14)


@pytest.mark.parametrize("x, words", [([], "shape (0,)"), (3.0, "shape ()"), ([1.0, np.nan], "NaN at index [1]")])
def test_interquartile_mean_refuses(x, words):
    with pytest.raises(ValueError, match="interquartile_mean: x") as error:
        statistics.interquartile_mean(x)
    assert words in str(error.value)


def test_band_of_equal_runs_has_no_width():
    curve = np.array([3.0, 2.0, 1.5])
    band = statistics.interquartile_band(np.tile(curve, (6, 1)), resamples=50)
    for line in (band.centre, band.low, band.high):
        np.testing.assert_array_equal(line, curve)
    assert band.runs == 6


def test_band_covers_the_true_centre_as_often_as_it_says():
    # 400 independent experiments of 20 runs of a distribution whose interquartile mean is 5: the columns are the experiments.
    runs = 5 + np.random.default_rng(7).normal(size=(20, 400))
    band = statistics.interquartile_band(runs, confidence=0.9, resamples=500)
    covered = np.mean((band.low <= 5) & (band.high >= 5))
    assert 0.82 < covered < 0.95  # the percentile bootstrap of 20 runs is a little narrow
    wide = statistics.interquartile_band(runs, confidence=0.99, resamples=500)
    assert np.all(wide.low <= band.low) and np.all(wide.high >= band.high)
    # Its width is that of the theory: 1.09 standard errors of the mean for the interquartile mean of a normal distribution.
    assert np.mean(band.high - band.low) == pytest.approx(2 * 1.645 * 1.09 / np.sqrt(20), rel=0.1)


def test_band_resamples_whole_runs():
    # The second column is the first, mirrored: if whole runs are drawn, so is the band.
    column = np.random.default_rng(1).normal(size=9)
    band = statistics.interquartile_band(np.stack([column, -column], axis=1), resamples=300)
    assert band.low[0] == pytest.approx(-band.high[1], abs=1e-12) and band.high[0] == pytest.approx(-band.low[1], abs=1e-12)


def test_band_depends_on_its_seed_only():
    runs = torch.as_tensor(np.random.default_rng(2).normal(size=(5, 4)))
    np.random.default_rng(0)
    first, again, other = (statistics.interquartile_band(runs, resamples=100, seed=seed) for seed in (4, 4, 5))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.low, other.low)


@pytest.mark.parametrize(
    "runs, options, words",
    [
        (np.zeros((1, 4)), {}, "shape (1, 4), wanted [R, T] with at least 2 runs"),
        (np.zeros(4), {}, "shape (4,)"),
        (np.zeros((4, 0)), {}, "shape (4, 0)"),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), {}, "runs is NaN at index [0, 1]"),
        (np.zeros((4, 2)), {"confidence": 95}, "confidence is 95"),
    ],
)
def test_band_refuses(runs, options, words):
    with pytest.raises(ValueError) as error:
        statistics.interquartile_band(runs, **options)
    assert str(error.value).startswith("interquartile_band: ") and words in str(error.value)


def test_inside():
    assert statistics.inside([1, 2], [1, 0], [3, 2])
    assert not statistics.inside([1, 2.1], [1, 0], [3, 2])
    assert not statistics.inside(torch.tensor([0.9]), 1, 3)
    assert not statistics.inside(np.nan, 0, 1)


def test_verdict():
    assert statistics.verdict(torch.tensor(True)) == statistics.verdict(np.bool_(True)) == statistics.verdict(3 > 2) == "yes"
    assert statistics.verdict(torch.tensor([False])) == "no"
    for condition in (1.0, np.array([True, True]), "yes", None):
        with pytest.raises(ValueError, match="verdict: value"):
            statistics.verdict(condition)


def test_verdict_of_numbers_and_their_bars():
    error = torch.tensor([0.01, 0.04], dtype=torch.float64)
    assert statistics.verdict(error, "<", 0.05) == statistics.verdict(error, ">", [0.0, 0.03]) == "yes"
    assert statistics.verdict(error, "<", 0.04) == statistics.verdict(error, ">", 0.02) == "no"
    assert statistics.verdict(18, ">=", 18) == statistics.verdict(18, "<=", 18) == "yes"
    assert statistics.verdict(18, ">", 18) == statistics.verdict(18, "<", 18) == "no"
    assert {statistics.verdict(np.nan, sign, 1) for sign in ("<", "<=", ">", ">=")} == {"no"}
    with pytest.raises(ValueError, match="verdict: sign is '==', wanted one of <, <=, >, >="):
        statistics.verdict(1, "==", 1)
    with pytest.raises(ValueError, match=r"verdict: value and bar have shape \(0,\)"):
        statistics.verdict([], "<", 1)


@pytest.mark.parametrize(
    ("value", "sign", "bar", "line"),
    [
        ([1.0, 3.0], "<", 4.0, {"value": 3.0, "sign": "<", "bar": 4.0, "room": 0.25}),  # the nearest of those that hold
        ([5.0, 6.0, 1.0], "<", 4.0, {"value": 6.0, "sign": "<", "bar": 4.0, "room": 0.5}),  # the furthest that fails
        ([-3.0, 9.0], ">", [-4.0, 6.0], {"value": -3.0, "sign": ">", "bar": -4.0, "room": 0.25}),
        (18, ">=", 18, {"value": 18.0, "sign": ">=", "bar": 18.0, "room": 0.0}),
        (2.0, ">", 0.0, {"value": 2.0, "sign": ">", "bar": 0.0, "room": float("inf")}),
    ],
)
def test_a_verdict_writes_its_room_where_it_is_asked_to(tmp_path, monkeypatch, value, sign, bar, line):
    statistics.verdict(value, sign, bar)
    monkeypatch.setenv("DISTRAL_LITE_VERDICTS", str(tmp_path / "verdicts"))
    statistics.verdict(value, sign, bar)
    statistics.verdict(True)
    assert list(map(json.loads, (tmp_path / "verdicts").read_text(encoding="utf-8").splitlines())) == [line]


def test_room():
    np.testing.assert_allclose(statistics.room([1.0, 3.0, -1.0], [2.0, 2.0, -2.0]), 0.5)
    np.testing.assert_array_equal(statistics.room([0.0, 1.0], 0.0), [0.0, np.inf])


# ---- runs of several tasks ----


def test_stratified_interval_pools_the_tasks():
    # Eight numbers of two tasks: two are cut off at either end, 3, 4, 5, 7 are left.
    interval = statistics.stratified_interval([[100, 4], [3, 7], [5, -50], [2, 9]], resamples=200)
    assert interval.centre == 4.75 and interval.low <= 4.75 <= interval.high


def test_stratified_interval_keeps_each_tasks_share():
    # Without chance inside a task there is no uncertainty, however far the tasks lie apart; drawing tasks again would have some.
    interval = statistics.stratified_interval(np.tile([0.0, 10.0, 20.0], (6, 1)), resamples=100)
    assert interval == (10.0, 10.0, 10.0)


def test_stratified_interval_of_one_task_is_the_band():
    runs = np.random.default_rng(5).normal(size=(12, 1))
    band = statistics.interquartile_band(runs, resamples=300, seed=3)
    interval = statistics.stratified_interval(runs, resamples=300, seed=3)
    np.testing.assert_allclose(interval, [band.centre[0], band.low[0], band.high[0]], rtol=1e-12)


def test_stratified_interval_has_the_width_of_the_theory():
    runs = np.random.default_rng(6).normal(size=(60, 4))
    interval = statistics.stratified_interval(runs, confidence=0.9)
    assert interval.high - interval.low == pytest.approx(2 * 1.645 * 1.09 / np.sqrt(240), rel=0.15)


def test_probability_of_improvement_by_hand():
    # Task 1: 1 < 2, 1 = 1, 3 > 2, 3 > 1: 1.5 of 4. Task 2: always lower. The mean of 3/8 and 1.
    won = statistics.probability_of_improvement([[1, 0], [3, 0]], [[2, 5], [1, 5]], resamples=100)
    assert won.centre == 0.6875 and won.low <= won.centre <= won.high


def test_probability_of_improvement_agrees_with_mann_and_whitney():
    rng = np.random.default_rng(8)
    first, second = rng.integers(0, 6, size=(15, 3)), rng.integers(1, 7, size=(11, 3))
    oracle = [scipy.stats.mannwhitneyu(second[:, k], first[:, k]).statistic / (15 * 11) for k in range(3)]
    won = statistics.probability_of_improvement(first, second, resamples=100)
    assert won.centre == pytest.approx(np.mean(oracle), abs=1e-12)
    lost = statistics.probability_of_improvement(second, first, resamples=100)
    assert won.centre + lost.centre == pytest.approx(1)
    assert won.low > 0.5 > lost.high


def test_certain_improvement_has_no_width():
    assert statistics.probability_of_improvement(np.zeros((4, 2)), np.ones((5, 2)), resamples=50) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: statistics.stratified_interval(np.zeros(4)), "stratified_interval: scores has shape (4,)"),
        (lambda: statistics.stratified_interval(np.zeros((1, 2))), "at least 2 runs"),
        (lambda: statistics.stratified_interval([[1, np.nan], [1, 2]]), "scores is NaN at index [0, 1]"),
        (lambda: statistics.stratified_interval(np.eye(3), confidence=1), "confidence is 1"),
        (lambda: statistics.probability_of_improvement(np.eye(3), np.eye(4)), "second has 4 tasks, wanted 3"),
    ],
)
def test_several_tasks_refuse(call, words):
    with pytest.raises(ValueError) as error:
        call()
    assert words in str(error.value)


# ---- time until solved ----


def test_episodes_to_solve_by_hand():
    nan = np.nan
    durations = [[50, 40, 10, 10, 10, nan], [50, 50, 50, 50, nan, nan], [9, 9, 9, 9, 9, 9]]
    found = statistics.episodes_to_solve(durations, limit=20, window=2)
    # Means of two: 45, 25, 10: solved once four are lived through. Never, in four. At once, which takes two.
    np.testing.assert_array_equal(found.episodes, [4, 4, 2])
    np.testing.assert_array_equal(found.solved, [True, False, True])
    each = statistics.episodes_to_solve(durations, limit=[5, 50, 9], window=2)
    np.testing.assert_array_equal(each.episodes, [5, 2, 2])
    np.testing.assert_array_equal(each.solved, [False, True, True])


def test_too_few_episodes_are_no_solution():
    found = statistics.episodes_to_solve(np.full((2, 3, 4), 1.0), limit=20, window=5)
    assert not found.solved.any() and (found.episodes == 4).all() and found.episodes.shape == (2, 3)


def test_median_without_censoring_is_the_median():
    times = statistics.TimeToSolve(np.array([[3.0, 8], [5, 30], [4, 9]]), np.ones((3, 2), dtype=bool))
    assert statistics.median_to_solve(times) == 5  # of 3, 4, 5, 8, 9, 30: half are solved at 5


def test_median_with_censoring_by_hand():
    # Kaplan and Meier: of four at risk one is solved at 2 (3/4 left); one of three drops out at 3; one of two is solved at 6 (3/8 left).
    times = statistics.TimeToSolve(np.array([6.0, 2, 9, 3]), np.array([True, True, False, False]))
    assert statistics.median_to_solve(times) == 6
    # Leaving the censored out would say 2; taking their ends for solutions would say 3.
    rare = statistics.TimeToSolve(np.array([3.0, 5, 7, 9]), np.array([True, False, False, False]))
    assert statistics.median_to_solve(rare) == np.inf
    assert statistics.median_to_solve(statistics.TimeToSolve(np.array([200.0]), np.array([False]))) == np.inf


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: statistics.episodes_to_solve([1.0, 2.0], 1, window=0), "window is 0"),
        (lambda: statistics.episodes_to_solve([1.0, np.nan, 2.0], 1, window=1), "a number after a NaN"),
        (lambda: statistics.median_to_solve(statistics.TimeToSolve(np.zeros(0), np.zeros(0, dtype=bool))), "no lanes"),
    ],
)
def test_time_until_solved_refuses(call, words):
    with pytest.raises(ValueError) as error:
        call()
    assert words in str(error.value)
