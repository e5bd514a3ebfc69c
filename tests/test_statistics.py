import numpy as np
import pytest
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
        with pytest.raises(ValueError, match="verdict: condition"):
            statistics.verdict(condition)
