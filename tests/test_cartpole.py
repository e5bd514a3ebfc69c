"""The CartPole protocol of the catalogue: a controller that is known to balance, one that is known to fall, and the judge's threshold."""

import numpy as np
import pytest
import torch

from distral_lite import gym_bridge, networks
from distral_lite.experiments.catalogue import cartpole
from distral_lite.results import Stored

BALANCE = [0.3, 0.6, 6.0, 2.0]  # position, velocity, angle, angular velocity: push towards where the pole falls


def linear(*rows):
    """Networks [R, 1] without hidden layers that push right where the row's product with the observation is positive."""
    right = torch.tensor(rows)[:, None, :, None]
    return networks.MLP((torch.cat([-right, right], -1),), (torch.zeros(len(rows), 1, 1, 2),))


def test_each_runs_best_checkpoint_is_chosen_on_some_episodes_and_played_on_others():
    fall = [0.0, 0.0, -6.0, -2.0]  # away from it
    checkpoints = [linear(fall, fall), linear(BALANCE, fall), linear(BALANCE, fall), linear(fall, fall)]
    found = cartpole.measure(checkpoints, torch.tensor([0, 100, 200, 300]), [gym_bridge.GymTask("CartPole-v1")])
    assert found["steps"].tolist() == [[0, 100, 200, 300]] * 2
    assert found["chosen"].tolist()[0] == 200  # the latest of those that are equally good
    assert found["choice"][0, 1:3].tolist() == [500.0, 500.0]
    assert bool((found["choice"][0, [0, 3]] < 12).all()) and bool((found["choice"][1] < 12).all())
    assert found["returns"].shape == (2, 100) and found["returns"].dtype == torch.int16
    assert bool((found["returns"][0] == 500).all()) and bool((found["returns"][1] < 12).all())


def test_the_episodes_to_choose_by_are_not_those_to_report():
    (first, many), (other, more) = cartpole.CHOICE, cartpole.REPORT
    assert (many, more) == (30, 100)
    assert set(range(first, first + 20 * many)).isdisjoint(range(other, other + 20 * more))
    used = [seed * 8 + environment for seed in range(cartpole.FIRST_SEED, cartpole.FIRST_SEED + 20) for environment in range(8)]
    assert max(used) < min(first, other)  # nor any of those that were learned from


@pytest.mark.parametrize(("solved", "verdict"), [(10, "confirmed"), (8, "confirmed"), (7, "not confirmed"), (0, "not confirmed")])
@pytest.mark.parametrize("claim", cartpole.CLAIMS, ids=lambda claim: claim.name)
def test_eight_of_ten_seeds_have_to_reach_475(claim, solved, verdict):
    returns = np.full((10, 100), 474, dtype=np.int16)
    returns[:solved] = 475
    (name,) = claim.needs
    found = claim.judge({name: Stored(name, {}, {"returns": returns})})
    assert found.verdict == verdict and found.evidence.startswith(f"{solved} of 10 seeds reach 475")
