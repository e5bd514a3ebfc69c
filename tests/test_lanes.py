"""Lanes: draws against frequencies, steps by hand, and that no lane ever feels its neighbours."""

import re

import gymnasium
import numpy as np
import pytest
import torch
from scipy import stats

from distral_lite import gridworld, lanes
from distral_lite import mdp as M


def refuses(message, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def f64(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def random_mdp(seed, **sizes):
    return M.random_mdp(np.random.default_rng(seed), **sizes)


def corridor(length):
    """Cells 0 ... length - 1; action 0 walks right and pays -1, stepping off the end is the goal; action 1 stays and pays -2."""
    successor = torch.arange(length).view(-1, 1, 1).repeat(1, 2, 1)
    successor[:-1, 0, 0] += 1
    terminal = torch.zeros(length, 2, 1, dtype=torch.bool)
    terminal[-1, 0] = True
    reward, start = f64(-1, -2).repeat(length, 1), torch.zeros(length, dtype=torch.float64)
    start[0] = 1.0
    return M.check(M.MDP(successor, torch.ones(length, 2, 1, dtype=torch.float64), reward, terminal, start, torch.eye(length)))


# ---- random numbers ----


def test_random_numbers_are_those_of_a_generator_of_the_lane():
    """The numbers of run s and task k are those of NumPy's Philox seeded by (s, k, stream), whatever the sizes they are asked for in."""
    random = lanes.LaneRandom([3, 11], [0, 5, 2], stream=4)
    found = torch.cat([random.uniform(count) for count in (1, 2, 7, 1)], dim=-1)
    assert found.shape == (2, 3, 11) and found.dtype == torch.float64
    for r, seed in enumerate([3, 11]):
        for k, task in enumerate([0, 5, 2]):
            generator = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, task, 4))))
            assert found[r, k].tolist() == generator.random(11).tolist()


def test_no_random_number_comes_twice():
    random = lanes.LaneRandom(range(5), range(4))
    numbers = torch.cat([random.uniform(count) for count in (3000, 3000, 5000, 1, 4096)], dim=-1)
    assert numbers.unique().numel() == numbers.numel() == 5 * 4 * 15_097
    assert float(numbers.min()) >= 0 and float(numbers.max()) < 1


def test_streams_differ():
    assert not torch.equal(lanes.LaneRandom([0], [0], stream=0).uniform(5), lanes.LaneRandom([0], [0], stream=1).uniform(5))


def test_random_numbers_are_uniform_and_lanes_uncorrelated():
    numbers = lanes.LaneRandom(range(4), range(3)).uniform(4000).flatten(0, 1).numpy()
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 1e-3
    correlation = np.corrcoef(numbers)[np.triu_indices(12, 1)]
    assert np.abs(correlation).max() < 4.5 / np.sqrt(4000)


@pytest.mark.parametrize("name", ["seeds", "tasks"])
@pytest.mark.parametrize("numbers", [[0, 1, 0], [-1, 0], [2**32], [0, 2**32]])
def test_lanes_that_would_share_numbers_are_refused(name, numbers):
    with refuses(f"lanes.LaneRandom: {name} = {numbers}, wanted different integers from 0 to 2**32 - 1"):
        lanes.LaneRandom(**({"seeds": [0], "tasks": [0]} | {name: numbers}))


@pytest.mark.parametrize("name", ["seeds", "tasks"])
@pytest.mark.parametrize("numbers", [[], 5, range(0)])
def test_missing_seeds_are_refused(name, numbers):
    message = f"lanes.LaneRandom: {name} is {numbers!r}, wanted a sequence of at least one integer, such as range(20)"
    with refuses(message):
        lanes.LaneRandom(**({"seeds": [0], "tasks": [0]} | {name: numbers}))
    if name == "seeds":
        with refuses(message):
            lanes.make_world([corridor(2)], numbers)


# ---- draws ----


def test_draws_have_the_right_frequencies():
    probability = f64(0.0, 0.1, 0.25, 0.0, 0.65, 0.0)
    uniform = lanes.LaneRandom([0], [0]).uniform(100_000)[0, 0]
    count = torch.bincount(lanes.sample(probability.cumsum(-1).expand(100_000, 6), uniform), minlength=6)
    assert count[probability == 0].tolist() == [0, 0, 0]
    assert stats.chisquare(count[probability > 0], 100_000 * probability[probability > 0]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("probability", "uniform", "index"),
    [
        ((1.0,), 0.0, 0),
        ((0.5, 0.5), 0.0, 0),
        ((0.5, 0.5), 0.4999, 0),
        ((0.5, 0.5), 0.5, 1),  # [0, 0.5) is the first, [0.5, 1) the second
        ((0.5, 0.5), 1 - 2**-53, 1),  # the largest number below one that a generator gives
        ((0.0, 1.0), 0.0, 1),
        ((0.0, 0.0, 1.0, 0.0), 0.0, 2),
        ((0.3, 0.0, 0.7), 0.3, 2),
        ((0.3, 0.7, 0.0), 1 - 2**-53, 1),
        ((1.0, 0.0, 0.0), 1 - 2**-53, 0),
    ],
)
def test_draws_at_the_edges(probability, uniform, index):
    assert int(lanes.sample(f64(*probability).cumsum(-1), f64(uniform)[0])) == index


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("missing", [1e-15, 6e-8, 1e-6])
def test_draws_from_sums_a_hair_below_one(dtype, missing):
    """No first action by accident: a number beyond the last sum draws the last action that has any probability."""
    cumulative = torch.tensor([0.0, 0.5, 1 - missing, 1 - missing], dtype=dtype)
    assert int(lanes.sample(cumulative, f64(1 - 2**-53)[0])) == 2


def test_draws_keep_lanes_apart():
    cumulative = torch.tensor([[[0.5, 1.0], [0.1, 1.0]], [[1.0, 1.0], [0.0, 1.0]]], dtype=torch.float64)
    assert lanes.sample(cumulative, f64(0.3).expand(2, 2)).tolist() == [[0, 1], [0, 1]]


# ---- starts ----


@pytest.mark.parametrize("history", [False, True])
def test_exploring_starts_are_all_states_but_the_goal(history):
    mazes = [gridworld.load_map(number) for number in range(4, 9)]
    tables = lanes.tables([maze.mdp(history) for maze in mazes], exploring_starts=True)
    probability = tables.start.diff(prepend=torch.zeros(5, 1), dim=-1)
    for maze, chance in zip(mazes, probability, strict=True):
        cell = torch.tensor([state.cell for state in maze.history_states]) if history else torch.arange(len(maze.cells))
        inside = cell != maze.goal
        assert not bool(chance[~inside].any())
        torch.testing.assert_close(chance[inside], torch.full_like(chance[inside], 1 / int(inside.sum())), atol=1e-13, rtol=0)


def test_exploring_starts_see_through_padded_outcomes():
    """An absorbing state is one whatever the padding: the goal of a maze stacked with a task of more outcomes, the holes of FrozenLake."""
    maze = gridworld.load_map(4)
    other = random_mdp(0, states=32, actions=5, outcomes=3)._replace(features=torch.zeros(32, 19))
    start = lanes.tables([maze.mdp(), other], exploring_starts=True).start.diff(prepend=torch.zeros(2, 1), dim=-1)
    assert float(start[0, maze.goal]) == 0.0 and int((start[0] > 0).sum()) == 31 and int((start[1] > 0).sum()) == 32
    lake = lanes.tables([M.MDP.from_gymnasium(gymnasium.make("FrozenLake-v1"))], exploring_starts=True)
    closed = (lake.start[0].diff(prepend=torch.zeros(1)) == 0).nonzero().flatten().tolist()
    assert closed == [place for place, letter in enumerate("SFFFFHFHFFFHHFFG") if letter in "HG"]


def test_exploring_starts_are_drawn_uniformly():
    maze = gridworld.load_map(5)
    uniform = lanes.LaneRandom([0], [0]).uniform(4000)[0].T  # as if of 4000 runs
    state = lanes.reset(lanes.tables([maze.mdp()], exploring_starts=True), uniform).state
    count = torch.bincount(state[:, 0], minlength=32)
    assert int(count[maze.goal]) == 0
    others = torch.cat([count[: maze.goal], count[maze.goal + 1 :]])
    assert stats.chisquare(others).pvalue > 1e-3


def test_starts_follow_the_start_distribution():
    mdp = random_mdp(1)
    fresh = lanes.reset(lanes.tables([mdp]), lanes.LaneRandom([0], [0]).uniform(4000)[0].T)
    assert stats.chisquare(torch.bincount(fresh.state[:, 0], minlength=5), 4000 * mdp.start).pvalue > 1e-3
    assert not bool(fresh.steps.any()) and not bool(fresh.rewards.any())


# ---- steps ----


def test_one_step_by_hand():
    """Two runs of two tasks, every number chosen: which outcome, what it pays, where the lane goes on."""
    fair = M.MDP(
        torch.tensor([[[0, 1], [1, 1]], [[1, 0], [0, 0]]]),
        torch.tensor([[[0.5, 0.5], [1.0, 0.0]], [[0.2, 0.8], [1.0, 0.0]]], dtype=torch.float64),
        f64(1, 2, 3, 4).view(2, 2),
        torch.tensor([[[False, True], [False, False]], [[False, False], [True, True]]]),
        f64(0.25, 0.75),
        torch.eye(2),
    )
    tables = lanes.tables([fair, fair._replace(reward=-fair.reward)])
    state = lanes.LaneState(torch.tensor([[0, 0], [1, 1]]), torch.tensor([[0, 3], [8, 9]]), f64(0, 10, 20, 30).view(2, 2))
    uniform = torch.tensor([[[0.4, 0.9], [0.6, 0.9]], [[0.3, 0.1], [0.3, 0.1]]], dtype=torch.float64)
    seen, after = lanes.step(tables, state, torch.tensor([[0, 0], [0, 1]]), uniform, max_steps=9)
    assert seen.state.tolist() == [[0, 0], [1, 1]] and seen.action.tolist() == [[0, 0], [0, 1]]
    assert seen.reward.tolist() == [[1, -1], [3, -4]]
    assert seen.next_state.tolist() == [[0, 1], [0, 0]]
    assert seen.terminal.tolist() == [[False, True], [False, True]]
    assert seen.truncated.tolist() == [[False, False], [True, False]]  # lane (1, 0) is nine steps long; (1, 1) ends by itself
    assert seen.steps.tolist() == [[1, 4], [9, 10]]
    assert seen.rewards.tolist() == [[1, 9], [23, 26]]
    assert after.state.tolist() == [[0, 1], [0, 0]]  # (0, 0) goes on; the others start anew: 0.9 is beyond 0.25, 0.1 below
    assert after.steps.tolist() == [[1, 0], [0, 0]] and after.rewards.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(("length", "terminal", "truncated"), [(2, 2, None), (3, 3, None), (4, None, 3), (5, None, 3)])
def test_terminal_wins_over_the_time_limit(length, terminal, truncated):
    """At most three steps: a corridor of three is left at the third, terminal and not truncated; a longer one is cut there."""
    world = lanes.make_world([corridor(length)], [0], max_episode_steps=3)
    world.reset()
    seen = [world.step(torch.zeros(1, 1, dtype=torch.int64)) for _ in range(7)]
    end = terminal or truncated
    for number, one in enumerate(seen, start=1):
        last = number % end == 0
        assert bool(one.terminal) == (last and terminal is not None)
        assert bool(one.truncated) == (last and truncated is not None)
        assert bool(one.done) == last
        assert int(one.steps) == (number - 1) % end + 1 and float(one.rewards) == -float(one.steps)
        assert int(one.observation) == (0 if last else number % end)  # a new episode starts at once
        assert int(one.next_observation) == min(int(one.steps), length - 1)  # what to learn from is not the new start


def test_transitions_follow_the_table():
    """200 runs walk 100 steps at random: every outcome is one of the table's, and as often as its probability says."""
    mdp = random_mdp(2, outcomes=3)
    world, random = lanes.make_world([mdp], range(200), max_episode_steps=7), lanes.LaneRandom(range(200), [0], stream=9)
    state, count = world.reset(), torch.zeros(5, 3, 5, 2)
    for _ in range(100):
        action = (random.uniform(1)[..., 0] * 3).long()
        seen = world.step(action)
        assert torch.equal(seen.reward, mdp.reward[state, action])
        count.index_put_((state, action, seen.next_observation, seen.terminal.long()), torch.ones(()), accumulate=True)
        state = seen.observation
    wanted = torch.zeros(5, 3, 5, 2, dtype=torch.float64)
    for s, a, m in np.ndindex(5, 3, 3):
        wanted[s, a, mdp.successor[s, a, m], int(mdp.terminal[s, a, m])] += mdp.probability[s, a, m]
    assert not bool(count[wanted == 0].any())
    visits = count.sum((-2, -1), keepdim=True)
    error = (count / visits - wanted) * visits.sqrt() / (wanted * (1 - wanted)).sqrt().clamp(min=0.05)
    assert float(error.abs().max()) < 4.5


# ---- lanes do not feel each other ----


TASKS = [random_mdp(seed, states=6, actions=3, outcomes=1 + seed % 3) for seed in range(5)]


def walk(tasks, seeds, task_ids, steps=300):
    """Every lane acts at random by numbers of its own. All that is seen on the way, stacked over time."""
    numbers = range(len(tasks)) if task_ids is None else task_ids
    world, random = lanes.make_world(tasks, seeds, task_ids, max_episode_steps=11), lanes.LaneRandom(seeds, numbers, stream=1)
    first, seen = world.reset(), []
    for _ in range(steps):
        seen.append(world.step((random.uniform(1)[..., 0] * 3).long()))
    return first, lanes.Step(*(torch.stack(field) for field in zip(*seen, strict=True)))


def same(found, wanted):
    return all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_lane_alone_is_the_lane_among_a_hundred():
    first, all_lanes = walk(TASKS, range(20), range(5))
    alone_first, alone = walk([TASKS[3]], [7], [3])
    assert torch.equal(alone_first[0, 0], first[7, 3])
    assert same([field[:, 0, 0] for field in alone], [field[:, 7, 3] for field in all_lanes])
    _, turned = walk(TASKS[::-1], [7, 0, 19], [4, 3, 2, 1, 0])
    assert same([field[:, 0, 1] for field in turned], [field[:, 7, 3] for field in all_lanes])


def test_lanes_of_one_task_walk_different_ways():
    _, seen = walk(TASKS, range(20), range(5))
    paths = seen.next_observation.flatten(1).T
    assert len(torch.unique(paths, dim=0)) == 100


def test_a_neighbour_changes_nothing():
    loud = [task._replace(reward=1000 * task.reward) if k != 3 else task for k, task in enumerate(TASKS)]
    (_, quiet), (_, noisy) = walk(TASKS, range(4), range(5)), walk(loud, range(4), range(5))
    assert same([field[:, :, 3] for field in quiet], [field[:, :, 3] for field in noisy])
    assert not torch.equal(quiet.rewards[:, :, 2], noisy.rewards[:, :, 2])


def test_a_task_keeps_its_numbers_by_its_id():
    (_, a), (_, b), (_, c) = walk([TASKS[3]], [7], [3]), walk([TASKS[3]], [7], [0]), walk([TASKS[3]], [7], None)
    assert not torch.equal(a.next_observation, b.next_observation)
    assert same(b, c)  # without ids a task's number is its place in the list


# ---- the log ----


def step_of(done, steps, rewards):
    """What a world shows when the lanes [R, K] stand at `steps` and `rewards`."""
    done, nothing = torch.tensor(done), torch.zeros(len(done), len(done[0]))
    return lanes.Step(nothing, nothing, done, torch.zeros_like(done), nothing, torch.tensor(steps), torch.tensor(rewards))


def test_the_log_by_hand():
    log = lanes.EpisodeLog(1, 2)
    assert log.durations().shape == (1, 2, 0)
    log.record(step_of([[False, False]], [[1, 1]], [[0.5, 0.5]]))
    log.record(step_of([[True, False]], [[2, 2]], [[1.5, 2.5]]))
    log.record(step_of([[True, True]], [[1, 3]], [[4.5, 3.5]]))
    torch.testing.assert_close(log.durations(), torch.tensor([[[2, 1], [3, torch.nan]]], dtype=torch.float64), equal_nan=True)
    torch.testing.assert_close(log.returns(), torch.tensor([[[1.5, 4.5], [3.5, torch.nan]]], dtype=torch.float64), equal_nan=True)


def test_the_log_notes_truncated_episodes():
    log = lanes.EpisodeLog(1, 1)
    seen = step_of([[False]], [[5]], [[2.0]])
    log.record(seen._replace(truncated=torch.tensor([[True]])))
    assert log.durations().tolist() == [[[5.0]]]


def test_the_log_grows():
    """One lane ends 200 episodes, the other every third step: 66."""
    log = lanes.EpisodeLog(1, 2)
    for number in range(200):
        log.record(step_of([[True, number % 3 == 2]], [[number, -number]], [[0.5 * number, 0.25 * number]]))
    assert log.durations().shape == log.returns().shape == (1, 2, 200)
    assert log.durations()[0, 0].tolist() == list(range(200))
    assert log.returns()[0, 0].tolist() == [0.5 * number for number in range(200)]
    assert log.durations()[0, 1, :66].tolist() == [-float(number) for number in range(2, 200, 3)]
    assert bool(log.durations()[0, 1, 66:].isnan().all()) and bool(log.returns()[0, 1, 66:].isnan().all())


def test_the_log_of_lanes_that_act_in_several_environments_is_in_the_order_of_the_ends():
    """Two lanes of two environments, world runs 0 and 1, 2 and 3, with episodes of 3, 4 | 2, 1, 9 and of 5 | 1, 1 steps."""
    log, lengths = lanes.EpisodeLog(2, 1, environments=2), [[3, 4], [2, 1, 9], [5], [1, 1]]
    ends = [[sum(row[: i + 1]) for i in range(len(row))] for row in lengths]
    for t in range(1, 13):
        done = [[t in row] for row in ends]
        age = [[row[ends[e].index(t)] if t in ends[e] else 1] for e, row in enumerate(lengths)]
        log.record(step_of(done, age, [[-0.5 * steps] for (steps,) in age]))
    assert log.durations().shape == log.returns().shape == (2, 1, 5)
    assert log.durations()[0, 0].tolist() == [2, 3, 1, 4, 9]  # ends 2, 3 and 3 (the environments in their order), 7, 12
    assert log.durations()[1, 0, :3].tolist() == [1, 1, 5] and bool(log.durations()[1, 0, 3:].isnan().all())
    assert torch.equal(log.returns().nan_to_num(), -0.5 * log.durations().nan_to_num())


def test_what_the_log_gave_does_not_change_later():
    log = lanes.EpisodeLog(1, 1)
    log.record(step_of([[True]], [[1]], [[0.0]]))
    before = log.durations()
    before += 10
    assert log.durations().tolist() == [[[1.0]]]


# ---- worlds ----


def test_a_table_world_tells_its_sizes():
    world = lanes.make_world(TASKS, range(3))
    assert (world.runs, world.tasks, world.states, world.actions, world.feature_count) == (3, 5, 6, 3, 6)
    assert world.features.shape == (5, 6, 6) and world.reset().shape == (3, 5)


def test_tasks_may_bring_their_own_world():
    class Task:
        @classmethod
        def make_world(cls, *arguments):
            return arguments

    tasks = [Task(), Task()]
    assert lanes.make_world(tasks, [4], [1, 0], 33, True, "cpu") == (tasks, [4], [1, 0], 33, True, "cpu")


def test_make_world_refuses():
    mdp = corridor(2)
    with refuses("lanes.make_world: the list of tasks is empty, wanted at least one task"):
        lanes.make_world([], [0])
    with refuses("lanes.make_world: tasks of different kinds ['GridWorld', 'MDP'], wanted one kind"):
        lanes.make_world([mdp, gridworld.load_map(4)], [0])
    with refuses("lanes.make_world: tasks are GridWorld, wanted MDPs or tasks with a method make_world"):
        lanes.make_world([gridworld.load_map(4)], [0])
    with pytest.raises(ValueError, match=r"^lanes.make_world: tasks is MDP\(.*, wanted a list of tasks, of one too: \[task\]$"):
        lanes.make_world(mdp, [0])  # one MDP in place of a list
    with refuses("lanes.make_world: task_ids has 1 numbers, wanted 2, one a task"):
        lanes.make_world([mdp, mdp], [0], [5])
    with refuses("mdp.stack: task 1 has (S, A, N) = (3, 2, 3), task 0 has (2, 2, 2); wanted the same states and actions"):
        lanes.make_world([mdp, corridor(3)], [0])
    with refuses("lanes.LaneRandom: seeds = [1, 1], wanted different integers from 0 to 2**32 - 1"):
        lanes.make_world([mdp], [1, 1])
    with refuses("lanes.make_world: task_ids = [2, 2], wanted different integers from 0 to 2**32 - 1"):
        lanes.make_world([mdp, mdp], [0], [2, 2])


@pytest.mark.parametrize("limit", [0, -3, 2.5])
def test_episode_limits_are_checked(limit):
    with refuses(f"lanes.TableWorld: max_episode_steps is {limit!r}, wanted an integer of at least 1"):
        lanes.make_world([corridor(2)], [0], max_episode_steps=limit)


def test_lanes_are_paid_the_reward_of_the_outcome():
    """Beside the goal of FrozenLake, in state 14, "down" reaches it one time in three: 1 is paid then, and 0 else. The mean is R(s, a)."""
    lake = M.MDP.from_gymnasium("FrozenLake-v1")
    lake = lake._replace(start=torch.eye(16, dtype=torch.float64)[14])
    world = lanes.TableWorld([lake], range(3000), [0], 100)
    world.reset()
    seen = world.step(torch.ones(3000, 1, dtype=torch.int64))
    assert torch.equal(seen.reward, (seen.next_observation == 15).double())
    assert torch.equal(seen.rewards, seen.reward)
    assert abs(float(seen.reward.mean()) - 1 / 3) < 4.5 * (2 / 9 / 3000) ** 0.5
    assert float(lake.reward[14, 1]) == pytest.approx(1 / 3, abs=1e-15)
