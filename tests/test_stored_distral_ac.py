"""The stored runs of chapter 10: that they are of the catalogue's settings, that a live run begins as they do, and what they show."""

import numpy as np
import pytest

from distral_lite import results
from distral_lite.experiments import judges
from distral_lite.experiments.catalogue import distral_ac as family
from distral_lite.experiments.experiment import run_block

SHORTEST = np.array([13, 9, 5, 13, 12])
PUBLISHED = [one for one in family.EXPERIMENTS if one.name in results.names()]
BY_NAME = {one.name: one for one in PUBLISHED}


def solved(name):
    """[20], runs whose every way is shorter than twice the shortest path."""
    return (judges.final_steps(results.stored(name)) < 2 * SHORTEST).all(-1)


@pytest.mark.parametrize("experiment", PUBLISHED, ids=lambda one: one.name)
def test_stored_runs_are_of_the_catalogues_settings(experiment):
    stored = results.stored(experiment.name)
    assert stored.about["configuration"] == experiment.configuration() and stored.about["seeds"] == list(range(20))
    steps = stored.arrays["steps"]
    assert steps.shape[:2] == (20, len(experiment.tasks)) and np.isfinite(steps).all() and float(steps.max()) <= 1000.01
    assert float(steps[..., 0].min()) > 50  # nothing was solved at the start


@pytest.mark.parametrize("name", ["d2-ac-45678", "d1-ac-45678-more", "ac-exact-0.99"])
def test_a_live_run_begins_as_the_stored_one(name):
    """The probe, run again. (Not to the bit: rounding depends on more than the type of the processor.)"""
    stored, (live, _) = results.stored(name), run_block(BY_NAME[name], [0, 1], probe=True)
    kept = {key.removeprefix("probe."): array for key, array in stored.arrays.items() if key.startswith("probe.")}
    assert set(kept) == set(live)
    for key, array in live.items():
        np.testing.assert_allclose(array, kept[key], rtol=1e-2, atol=1e-2)


def test_more_updates_solve_what_fewer_do_not():
    """The thesis's setting solves all five mazes in no run; five updates on each of the same episodes do, in every run of two columns."""
    for columns in ("d1", "d2"):
        assert not solved(f"{columns}-ac-45678").any() and solved(f"{columns}-ac-45678-more").mean() >= 0.8
    assert solved("d2-ac-45678-more").all()


def test_noise_is_not_the_reason_and_the_discount_is_one():
    assert not solved("ac-episodes").any() and not solved("ac-whole").any()
    assert solved("ac-exact-0.95").mean() < 0.3 and solved("ac-exact-0.99").all()
    assert solved("ac-fading-more").mean() < 0.5


def test_claims_are_judged_as_the_chapter_says():
    found = {name: results.stored(name) for claim in family.CLAIMS for name in claim.needs}
    verdicts = {claim.name: claim.judge({name: found[name] for name in claim.needs}).verdict for claim in family.CLAIMS}
    assert verdicts["ac-updates"] == "confirmed" and verdicts["ac-variance"] == "not confirmed"
    assert verdicts["ac-rate"] == "not confirmed" and verdicts["ac-stopped-early-d2-ac"] == "confirmed"
