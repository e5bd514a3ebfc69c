"""Graphs that end and rest, by hand."""

import torch

from distral_lite.endings import resting, steps_to_end

# 0 -> 1 -> 2 -> end; 2 may go back to 0; 3 leads to itself or to 0 by luck; 4 leads to itself alone.
SUCCESSOR = torch.tensor([[[1, 1], [0, 0]], [[2, 2], [0, 0]], [[2, 2], [0, 0]], [[3, 0], [3, 3]], [[4, 4], [4, 4]]])
LIVE = torch.ones(5, 2, 2, dtype=torch.bool)
TERMINAL = torch.zeros(5, 2, 2, dtype=torch.bool)
TERMINAL[2, 0] = True
INF = torch.inf


def test_steps_to_end():
    wanted = [[3, 4], [2, 4], [1, 4], [4, 5], [INF, INF]]
    assert steps_to_end(LIVE, TERMINAL, SUCCESSOR).tolist() == wanted
    rest = torch.tensor([False, False, False, False, True])
    assert steps_to_end(LIVE, TERMINAL, SUCCESSOR, rest).tolist() == [*wanted[:4], [1, 1]]
    barred = LIVE.clone()
    barred[3, 0] = False
    assert steps_to_end(barred, TERMINAL, SUCCESSOR).tolist() == [*wanted[:3], [INF, INF], [INF, INF]]


def test_steps_to_end_of_many_tasks():
    found = steps_to_end(torch.stack([LIVE, LIVE & False]), TERMINAL, SUCCESSOR)
    assert found[0, 0, 0] == 3 and bool(found[1].isinf().all())


def test_resting():
    reward = torch.zeros(5, 2, dtype=torch.float64)
    assert bool(resting(reward, LIVE, TERMINAL, SUCCESSOR).all())
    reward[2, 0] = reward[0, 1] = reward[4, 0] = 1.0
    found = resting(reward, LIVE, TERMINAL, SUCCESSOR)
    assert found.tolist() == [[True, False], [True, True], [False, True], [True, True], [False, True]]
    reward[2, 1] = reward[1, 1] = -1.0  # now no circle of 0, 1 and 2 is free, and 3 may slip into them
    found = resting(reward, LIVE, TERMINAL, SUCCESSOR)
    assert found.tolist() == [[False, False], [False, False], [False, False], [False, True], [False, True]]
