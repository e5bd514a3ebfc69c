"""The replay memory: a ring, sampled uniformly, with a plain list as the oracle."""

import numpy as np
import pytest
import torch

from distral_lite import lanes
from distral_lite.replay import Replay, positions

RUNS, TASKS = 2, 3


def transition(number, runs=RUNS, tasks=TASKS, features=None):
    """A transition whose every field tells which lane it belongs to and the how-many-th it was."""
    lane = torch.arange(runs * tasks).view(runs, tasks)
    observation = 1000 * lane + number
    if features:
        observation = observation[..., None].float() + torch.arange(features) / 16
    return observation, (lane + number) % 5, lane * 0.5 - number, observation + 1, (lane + number) % 7 == 0


def filled(capacity, count, features=None):
    memory = Replay(capacity, transition(0, features=features)[0])
    for number in range(count):
        memory.add(*transition(number, features=features))
    return memory


@pytest.mark.parametrize("features", [None, 4])
@pytest.mark.parametrize("count", [1, 3, 5, 8, 13])
def test_holds_the_newest_transitions_of_every_lane(count, features):
    memory = filled(5, count, features)
    assert len(memory) == min(count, 5)
    held = range(max(0, count - 5), count)
    batch = memory.sample(((torch.arange(len(held)) + 0.5) / len(held)).expand(RUNS, TASKS, -1))  # every age once, newest first
    for place, number in enumerate(reversed(held)):
        for field, wanted in zip(batch, transition(number, features=features), strict=True):
            assert torch.equal(field[:, :, place], wanted.to(field.dtype))


def test_the_ring_in_numbers():
    # Seven were stored in four places: numbers 4, 5, 6, 3 lie there now. u = 0, 1/4, 1/2, 3/4 pick ages 0, 1, 2, 3.
    u = torch.tensor([0.0, 0.25, 0.5, 0.75, 0.999])
    assert positions(u, 7, 4).tolist() == [2, 1, 0, 3, 3]
    assert positions(u, 7, 4, newest=2).tolist() == [2, 2, 1, 1, 1]
    assert positions(u, 2, 4).tolist() == [1, 1, 0, 0, 0]  # half full: nothing is taken from empty places
    assert positions(u, 7, 4, newest=100).tolist() == [2, 1, 0, 3, 3]
    assert positions(torch.tensor([1 - 2**-53], dtype=torch.float64), 10**9, 10**9).tolist() == [0]  # the largest number below 1


def test_all_held_positions_are_equally_likely():
    u = torch.from_numpy(np.random.default_rng(0).random(120_000))
    counts = torch.bincount(positions(u, 1000, 6), minlength=6)
    assert int((counts - 20_000).abs().max()) < 5 * (120_000 * 1 / 6 * 5 / 6) ** 0.5  # five standard deviations


def test_a_window_of_the_newest():
    memory = filled(50, 120)
    numbers = memory.sample(lanes.LaneRandom(range(RUNS), range(TASKS)).uniform(2000), newest=10).observation % 1000
    assert sorted(set(numbers.flatten().tolist())) == list(range(110, 120))


def test_types_and_a_time_out_that_is_not_terminal():
    memory = filled(5, 3)
    batch = memory.sample(torch.zeros(RUNS, TASKS, 2))
    assert [field.dtype for field in batch] == [torch.int64, torch.int64, torch.float32, torch.int64, torch.bool]
    memory = filled(5, 3, features=4)
    batch = memory.sample(torch.zeros(RUNS, TASKS, 2))
    assert batch.observation.dtype == torch.float32
    assert batch.observation.shape == batch.next_observation.shape == (RUNS, TASKS, 2, 4)
    assert batch.terminal.shape == (RUNS, TASKS, 2)


def test_actions_may_be_vectors():
    """Every lane's and every transition's own two numbers come back, in the ring and over its edge, as float32."""
    observation, _, reward, following, terminal = transition(0)
    action = torch.arange(RUNS * TASKS * 2).view(RUNS, TASKS, 2) / 8
    memory = Replay(3, observation, action=action)
    for number in range(5):
        memory.add(observation, action.double() + number, reward, following, terminal)
    batch = memory.sample(((torch.arange(3) + 0.5) / 3).expand(RUNS, TASKS, -1))  # newest first
    assert batch.action.dtype == torch.float32
    assert torch.equal(batch.action, torch.stack([action + number for number in (4, 3, 2)], dim=2))


def test_what_was_sampled_is_a_copy():
    memory = filled(2, 2)
    batch = memory.sample(torch.zeros(RUNS, TASKS, 1))
    before = batch.reward.clone()
    for number in range(2, 6):
        memory.add(*transition(number))
    assert torch.equal(batch.reward, before)


def test_a_lane_samples_the_same_alone_and_among_others():
    many, alone = filled(20, 33), Replay(20, transition(0)[0][1:, 2:])
    for number in range(33):
        alone.add(*(field[1:, 2:] for field in transition(number)))
    among = many.sample(lanes.LaneRandom([4, 7], [0, 1, 5]).uniform(64))
    single = alone.sample(lanes.LaneRandom([7], [5]).uniform(64))
    assert all(torch.equal(one, all_of[1:, 2:]) for one, all_of in zip(single, among, strict=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Replay(0, torch.zeros(1, 1)), r"replay.Replay: capacity is 0, wanted an integer of at least 1"),
        (lambda: Replay(5, torch.zeros(3)), r"replay.Replay: observation has shape \(3,\), wanted \[R, K\] or \[R, K, N\]"),
        (
            lambda: Replay(5, torch.zeros(2, 3), action=torch.zeros(2, 3)),
            r"replay.Replay: action has shape \(2, 3\), wanted \[2, 3, 'D'\], or None for numbers",
        ),
        (lambda: Replay(5, torch.zeros(2, 3), action=torch.zeros(1, 3, 2)), r"replay.Replay: action has shape \(1, 3, 2\)"),
        (lambda: Replay(5, torch.zeros(1, 1)).sample(torch.zeros(1, 1, 2)), r"replay.sample: the memory holds 0 transitions"),
        (lambda: filled(5, 3).sample(torch.zeros(RUNS, TASKS, 2), newest=0), r"replay.sample: newest is 0"),
        (lambda: filled(5, 3).add(*transition(3, runs=1)), r"replay.add: observation has shape \(1, 3\), wanted \(2, 3\)"),
    ],
)
def test_errors_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_reward_that_is_no_number_is_refused_and_named(bad):
    memory, (observation, action, reward, *rest) = filled(5, 3), transition(3)
    reward[1, 2] = bad
    with pytest.raises(ValueError, match=rf"replay.add: reward\[1, 2\] is {bad}, wanted a finite number"):
        memory.add(observation, action, reward, *rest)
    assert memory.count == 3
