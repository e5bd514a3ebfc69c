"""The equation ledger, thesis 2.2 (chapters 02 and 03): one test a row."""

import pytest
import torch
from equation_tools import close, derivative, f64, table

from distral_lite import dqn, replay
from distral_lite import mdp as M
from distral_lite import q_learning as Q

# ---- section 2.2: Q-learning ----


def test_2_17_q_learning_update():
    """Q = 2, alpha = 0.5, R = 1, gamma = 0.9, next values -1, 4, 3: 2 + 0.5 * (1 + 0.9 * 4 - 2) = 3.3."""
    close(Q.update(f64(2.0), Q.q_target(f64(1.0), f64(0.9), f64(-1, 4, 3)[None]), 0.5), [3.3], 1e-15)


def test_box_q_learning():
    """A terminal state is worth nothing; a state at which an episode is cut is worth what it is worth."""
    one = torch.ones(1, 1)
    for ends, value in ((True, 1.0), (False, 10.0)):
        world = table([[0]], [[1]], [[ends]])
        config = Q.Config(steps=300, discount=0.9, learning_rate=1.0, max_episode_steps=5, snapshots=1)
        close(Q.train([world], config, [0]).agent.q.flatten(), [value], 1e-9)
        close(M.evaluate(world, one, 0.9), [value])


# ---- section 2.2.1: deep Q-learning ----


def test_box_deep_q_learning():
    """Line 13: 1 + 0.5 * max(2, 4) = 3, and 1 at an end. Line 14: the gradient of the mean of (3 - 1)^2 and (1 - 2)^2. And a world that
    pays 1 for ever is worth 2 at gamma = 1/2 although its episodes are cut after two steps; told that a cut is an end, Q falls short."""
    y = dqn.td_target(f64(1, 1), f64(0.5, 0.0), f64(2, 4, 2, 4).view(2, 2))
    assert y.tolist() == [3.0, 1.0]
    q, action = f64(1, 0, 0, 2).view(2, 2), torch.tensor([0, 1])
    assert float(dqn.loss(q, action, y)) == (4 + 1) / 2
    close(derivative(lambda values: dqn.loss(values, action, y), q), [[-2.0, 0.0], [0.0, 1.0]])
    endless = table([[0]], [[1]], [[False]])
    settings = dict(steps=600, hidden=None, batch=8, learning_starts=10, target_every=5, discount=0.5, learning_rate=0.05, snapshots=1)
    for as_goals, low, high in ((False, 1.95, 2.05), (True, 1.0, 1.7)):
        run = dqn.train([endless], dqn.Config(max_episode_steps=2, timeouts_are_goals=as_goals, **settings), [0])
        assert low < float(run.history.snapshots[0, 0, -1, 0, 0]) < high


def test_text_2_2_1_variance():
    """Steps k apart are correlated by 0.99^k. Thirty-two draws from the 32 newest are worth little more than one, of 10 000 nearly 32."""
    batch = 32
    variance = {}
    for capacity in (32, 10_000):
        uniform = (torch.arange(capacity, dtype=torch.float64) + 0.5) / capacity  # every place once: the draws' exact distribution
        place = replay.positions(uniform, capacity, capacity)
        assert sorted(place.tolist()) == list(range(capacity))
        lag = torch.arange(1, capacity, dtype=torch.float64)
        mean = (capacity + 2 * ((capacity - lag) * 0.99**lag).sum()) / capacity**2  # over all pairs of places
        variance[capacity] = 1 / batch + (batch - 1) / batch * float(mean)
    assert variance[32] == pytest.approx(0.905, abs=0.02) and variance[10_000] == pytest.approx(1 / 32 + 0.019, abs=0.002)
    pairs = replay.positions(torch.tensor([0.0, 0.5], dtype=torch.float64), 2, 2)  # N = 2 by hand: (1 + 1 + 2 rho(1)) / 4
    by_hand = sum(0.99 ** abs(int(i) - int(j)) for i in pairs for j in pairs) / 4
    assert by_hand == pytest.approx((1 + 0.99) / 2)
