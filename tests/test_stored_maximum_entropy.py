"""The stored runs of chapters 06 and 07: what they show, and that a live run of fewer steps is the beginning of a stored one."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from distral_lite import results, sac
from distral_lite.experiments.catalogue import sac as sac_family
from distral_lite.experiments.catalogue import soft_q as soft_q_family
from distral_lite.experiments.experiment import machine_type
from distral_lite.gridworld import load_map
from distral_lite.gym_bridge import GymTask
from distral_lite.soft_q_learning import solve

# ---- soft actor-critic on Pendulum-v1 ----


def test_sac_swings_the_pendulum_up():
    """A mean return of at least -200 over 100 episodes, for at least 4 of 5 seeds. (Doing nothing earns about -1200.)"""
    found = results.stored("sac-pendulum")
    assert found.about["seeds"] == [0, 1, 2, 3, 4]
    evaluation, returns = found.arrays["evaluation"], found.arrays["returns"]
    assert evaluation.shape == (5, 100) and returns.shape == (5, 50)
    assert (evaluation.mean(1) >= -200).sum() >= 4
    assert (returns[:, :5].mean(1) < -1000).all() and (returns[:, -20:].mean(1) > -250).all()


def test_the_stored_run_is_of_the_configuration_that_chapters_use():
    (experiment,) = sac_family.EXPERIMENTS
    assert experiment.config is sac.PENDULUM
    assert results.stored("sac-pendulum").about["configuration"] == experiment.configuration()


def test_a_run_of_fewer_steps_is_the_beginning_of_the_stored_one():
    """Three episodes of seed 2, the last with a hundred updates in it: the same bits where the machine is of the same type."""
    stored = results.stored("sac-pendulum")
    run = sac.train([GymTask("Pendulum-v1", continuous=True)], replace(sac.PENDULUM, steps=600), seeds=[2])
    live, kept = run.history.returns[0, 0].float().numpy(), stored.arrays["returns"][2, :3]
    if stored.about["machine"] == [machine_type()]:
        assert np.array_equal(live, kept)
    np.testing.assert_allclose(live, kept, rtol=1e-2)
    np.testing.assert_allclose(live[:2], kept[:2], rtol=1e-4)  # before the first update


def test_the_probe_is_the_beginning_too():
    arrays = results.stored("sac-pendulum").arrays
    assert np.array_equal(arrays["probe.returns"][0], arrays["returns"][0, :3])


# ---- soft Q-learning on map 4 ----


@pytest.mark.parametrize(("name", "end"), [("soft-q-one-step", 1e-4), ("soft-q-three-steps", 2e-3)])
def test_learned_soft_q_ends_at_the_exact_one_in_all_of_20_runs(name, end):
    """Every action value within `end` of the exact one, where they reach from -2.1 to 0.9; on average within 0.01 after half the steps."""
    arrays = results.stored(name).arrays
    assert arrays["steps"].shape == arrays["mean_error"].shape == arrays["largest_error"].shape == (20, 61)
    assert arrays["steps"][0].tolist() == list(range(0, 6001, 100))
    assert (arrays["largest_error"][:, -1] < end).all()
    assert (arrays["mean_error"][:, 30] < 0.01).all() and (arrays["mean_error"][:, 0] > 1.0).all()


def test_the_printed_target_on_replayed_data_does_not():
    """(2.44) with the expected KL where actions are not the policy's: the mean error stays above a half in every run."""
    arrays = results.stored("soft-q-three-steps-printed").arrays
    assert (arrays["mean_error"][:, 10:] > 0.5).all()


@pytest.mark.parametrize("experiment", soft_q_family.EXPERIMENTS, ids=lambda one: one.name)
def test_the_reference_of_the_stored_errors_is_the_exact_optimum(experiment):
    """Tables begin at zero, so the first error is the size of the exact Q itself."""
    world, uniform = load_map(4), torch.full((5,), -math.log(5), dtype=torch.float64)
    config, stored = experiment.config, results.stored(experiment.name)
    assert stored.about["configuration"] == experiment.configuration()
    exact = solve(world.mdp(), uniform, config.alpha, config.beta, config.discount).q[torch.arange(32) != world.goal].abs()
    np.testing.assert_allclose(stored.arrays["mean_error"][:, 0], float(exact.mean()), rtol=1e-6)
    np.testing.assert_allclose(stored.arrays["largest_error"][:, 0], float(exact.max()), rtol=1e-6)
