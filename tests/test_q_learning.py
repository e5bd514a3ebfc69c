"""Tabular Q-learning: the update by hand, exploration by hand, convergence to the exact Q*, and lanes that keep to themselves."""

import math
import re

import gymnasium
import numpy as np
import pytest
import torch

from distral_lite import dynamic_programming, gridworld, lanes
from distral_lite import mdp as M
from distral_lite import q_learning as Q


def refuses(message, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def f64(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def one_state(reward, ends):
    """One state, one action."""
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    return M.MDP(torch.zeros(1, 1, 1, dtype=torch.int64), one, one[0] * reward, torch.tensor([[[ends]]]), one[0, 0], torch.eye(1))


# ---- the update ----


def test_update_by_hand():
    """(2.17): Q = 2, alpha = 0.5, R = 1, gamma = 0.9, best next value 4: 2 + 0.5 * (1 + 0.9 * 4 - 2) = 3.3."""
    target = Q.q_target(f64(1.0), f64(0.9), f64(-1.0, 4.0, 3.0).view(1, 3))
    assert target.tolist() == [4.6]
    assert Q.update(f64(2.0), target, 0.5).tolist() == [pytest.approx(3.3, abs=1e-15)]


def test_terminal_next_states_are_worth_nothing_and_time_outs_are():
    """The same step three ways: it goes on, it ends, it is cut. Only the ending hides the next state's value."""
    terminal = torch.tensor([False, True, False])
    q_next = f64(10.0, 20.0).expand(3, 2)
    assert Q.q_target(f64(1.0, 1.0, 1.0), 0.5 * ~terminal, q_next).tolist() == [11.0, 1.0, 11.0]


@pytest.mark.parametrize(("rate", "wanted"), [(0.0, [1.0, -2.0]), (1.0, [3.0, 4.0]), (0.25, [1.5, -0.5])])
def test_update_moves_by_its_rate(rate, wanted):
    assert Q.update(f64(1.0, -2.0), f64(3.0, 4.0), rate).tolist() == wanted


def test_targets_leave_their_arguments_alone():
    reward, discount, q_next = f64(1.0, 2.0), f64(0.5, 0.0), f64(1.0, 2.0, 3.0, 4.0).view(2, 2)
    assert Q.q_target(reward, discount, q_next).tolist() == [2.0, 2.0]
    assert (reward.tolist(), discount.tolist(), q_next.tolist()) == ([1.0, 2.0], [0.5, 0.0], [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize("ends", [False, True])
def test_training_masks_endings_and_bootstraps_from_time_outs(ends):
    """One state that pays 1. Where the step ends the episode, Q = 1. Where it only runs into the limit of one step, Q = 1 / (1 - gamma)."""
    config = Q.Config(steps=400, discount=0.9, learning_rate=1.0, max_episode_steps=1, snapshots=1)
    run = Q.train([one_state(1.0, ends)], config, [0])
    assert float(run.agent.q) == pytest.approx(1.0 if ends else 10.0, abs=1e-12)
    assert run.history.durations.tolist() == [[[1.0] * 400]]


def test_a_time_out_bootstraps_from_where_it_was_cut_and_not_from_the_next_start():
    """0 -> 1 pays 1, and each episode is cut there, so that 1 is never acted in: Q(0) = 1 + 0.9 * 5, with 5 the first value of all."""
    one = torch.ones(2, 1, 1, dtype=torch.float64)
    line = M.MDP(torch.ones(2, 1, 1, dtype=torch.int64), one, one[..., 0], torch.zeros(2, 1, 1).bool(), f64(1.0, 0.0), torch.eye(2))
    config = Q.Config(steps=20, discount=0.9, learning_rate=1.0, max_episode_steps=1, initial_value=5.0, snapshots=1)
    assert Q.train([line], config, [0]).agent.q.flatten().tolist() == [5.5, 5.0]


def test_first_steps_of_training_by_hand():
    """One state that pays 1 and goes on, Q from 0, gamma and alpha a half: 1/2, then 1/2 + 1/2 (1 + 1/4 - 1/2) = 7/8, ..."""
    config = Q.Config(steps=3, discount=0.5, learning_rate=0.5, snapshots=3)
    history = Q.train([one_state(1.0, False)], config, [0]).history
    assert history.snapshots.flatten().tolist() == [0.0, 0.5, 0.875, 1.15625]
    assert history.snapshot_steps.tolist() == [0, 1, 2, 3]


def test_decay_by_hand():
    """With decay 1 and gamma 0 the n-th update has rate 1 / n: Q is the plain mean of the targets, here all 1, whatever it began with."""
    config = Q.Config(steps=3, discount=0.0, learning_rate=1.0, decay=1.0, initial_value=7.0, snapshots=3)
    assert Q.train([one_state(1.0, False)], config, [0]).history.snapshots.flatten().tolist() == [7.0, 1.0, 1.0, 1.0]
    config = Q.Config(steps=3, discount=0.0, learning_rate=0.5, decay=0.5, snapshots=3)
    q, wanted = 0.0, [0.0]
    for n in (1, 2, 3):
        q += 0.5 / math.sqrt(n) * (1.0 - q)
        wanted.append(q)
    assert Q.train([one_state(1.0, False)], config, [0]).history.snapshots.flatten().tolist() == pytest.approx(wanted, abs=1e-15)


# ---- exploration ----


@pytest.mark.parametrize(
    ("q", "epsilon", "wanted"),
    [
        ([1.0, 3.0, 2.0, 0.0], 0.2, [0.05, 0.85, 0.05, 0.05]),
        ([1.0, 3.0, 3.0, 0.0], 0.2, [0.05, 0.45, 0.45, 0.05]),  # two best share
        ([5.0, 5.0, 5.0, 5.0], 0.2, [0.25, 0.25, 0.25, 0.25]),
        ([1.0, 3.0, 2.0, 0.0], 0.0, [0.0, 1.0, 0.0, 0.0]),
        ([1.0, 3.0, 2.0, 0.0], 1.0, [0.25, 0.25, 0.25, 0.25]),
        ([-math.inf, -1.0], 0.5, [0.25, 0.75]),
    ],
)
def test_epsilon_greedy_by_hand(q, epsilon, wanted):
    assert Q.epsilon_greedy(f64(*q), epsilon).tolist() == pytest.approx(wanted, abs=1e-15)


def test_epsilon_greedy_with_an_epsilon_for_each_task():
    q = f64(1.0, 2.0).expand(3, 2, 2)  # [R, K, A]
    found = Q.epsilon_greedy(q, torch.tensor([0.0, 0.5]))
    assert found.shape == (3, 2, 2) and found.dtype == torch.float64
    for run in found:
        assert run.tolist() == [[0.0, 1.0], [0.25, 0.75]]


def test_epsilon_greedy_is_a_distribution():
    q = torch.from_numpy(np.random.default_rng(0).integers(3, size=(50, 4, 5))).double()
    for epsilon in (0.0, 0.3, 1.0):
        found = Q.epsilon_greedy(q, epsilon)
        assert float((found.sum(-1) - 1).abs().max()) < 1e-15 and float(found.min()) >= 0


def test_training_explores_as_often_as_epsilon_says():
    """Two actions in one state, the first worth more once either was tried: the second is taken with probability epsilon / 2."""
    one = torch.ones(1, 2, 1, dtype=torch.float64)
    task = M.MDP(torch.zeros(1, 2, 1, dtype=torch.int64), one, f64(1.0, -1.0)[None], torch.ones(1, 2, 1).bool(), one[0, 0], torch.eye(1))
    config = Q.Config(steps=500, discount=0.0, learning_rate=1.0, epsilon=torch.tensor([0.0, 0.2, 1.0]), snapshots=1)
    updates = Q.train([task] * 3, config, range(40)).agent.updates[:, :, 0, 1].sum(0) / 20_000
    assert float(updates[0]) <= 40 / 20_000 + 1e-9  # one draw between equals at most, the first of each run
    for share, chance in ((updates[1], 0.1), (updates[2], 0.5)):
        assert abs(float(share) - chance) < 4.5 * math.sqrt(chance * (1 - chance) / 20_000) + 40 / 20_000


# ---- convergence ----


def exact_q(task, discount):
    return dynamic_programming.policy_iteration(task, discount).q


def acted_in(task):
    """[S, A] ones at the states that an episode can act in: not at goals and holes."""
    absorbing = (task.terminal | (task.probability == 0)).all(-1).all(-1)  # whatever is done there, it is over
    return (~absorbing).double()[:, None].expand(task.reward.shape)


@pytest.mark.parametrize(("numbers", "steps"), [((1,), 2000), ((2,), 9500), ((3,), 3700), ((4, 5, 6, 7, 8), 3300)])
def test_mazes_are_learned_exactly(numbers, steps):
    """Learning rate 1, exploring starts, first values below all others: in a maze without chance an update is an exact backup, so that
    Q reaches Q* to rounding in finitely many steps, in every run."""
    tasks = [gridworld.load_map(number).mdp() for number in numbers]
    pairs = {"epsilon": 1.0, "exploring_starts": True, "max_episode_steps": 1}  # every step is a pair drawn at random
    config = Q.Config(steps=steps, discount=0.9, learning_rate=1.0, initial_value=-7.0, snapshots=1, **pairs)
    q = Q.train(tasks, config, range(2), task_ids=numbers).agent.q
    for k, task in enumerate(tasks):
        assert float(Q.q_error(q[:, k], exact_q(task, 0.9), acted_in(task)).max()) < 1e-9


def test_frozen_lake_is_learned_nearly():
    """Where the ice is slippery, a falling rate comes near Q*: from a distance of 0.64 to below 0.25 in each of ten runs."""
    task = M.MDP.from_gymnasium(gymnasium.make("FrozenLake-v1"))
    config = Q.Config(steps=2400, discount=0.9, learning_rate=1.0, decay=0.8, epsilon=1.0, exploring_starts=True, snapshots=2)
    error = Q.q_error(Q.train([task], config, range(10)).history.snapshots[:, 0], exact_q(task, 0.9), acted_in(task))  # [R, T]
    assert bool((error[:, 0] > 0.6).all()) and bool((error[:, -1] < 0.25).all())
    assert float(error[:, -1].mean()) < 0.85 * float(error[:, 1].mean())


def test_learning_from_the_start_finds_the_shortest_path():
    """The greedy policy after learning as the thesis does, from the start and while exploring a little, walks the shortest path."""
    numbers = (4, 5, 6, 7, 8)
    mazes = [gridworld.load_map(number) for number in numbers]
    run = Q.train([maze.mdp() for maze in mazes], Q.Config(steps=2500, learning_rate=1.0, snapshots=1), [0], numbers)
    for k, maze in enumerate(mazes):
        steps = M.expected_steps(maze.mdp(), M.greedy_policy(run.agent.q[0, k]))
        assert steps == len(maze.shortest_path()) - 1
        assert float(run.history.durations[0, k].nan_to_num(math.inf).min()) >= steps


def test_error_by_hand():
    snapshots = f64(0, 0, 0, 0, 1, 2, 3, 9).view(2, 2, 2)
    q_star, weight = f64(1, 2, 3, 4).view(2, 2), f64(1, 1, 1, 0).view(2, 2)
    assert Q.q_error(snapshots, q_star, weight).tolist() == [3.0, 0.0]
    assert Q.q_error(snapshots, q_star, torch.ones(2, 2)).tolist() == [4.0, 5.0]


# ---- lanes ----

SMALL = Q.Config(steps=150, discount=0.9, learning_rate=0.5, epsilon=0.3, max_episode_steps=9, snapshots=3)
TASKS = [M.random_mdp(np.random.default_rng(seed), states=6, actions=3, outcomes=1 + seed % 3) for seed in range(5)]


def test_a_lane_alone_learns_as_among_a_hundred():
    everyone = Q.train(TASKS, SMALL, range(20))
    alone = Q.train([TASKS[3]], SMALL, [7], task_ids=[3])
    assert torch.equal(alone.agent.q[0, 0], everyone.agent.q[7, 3])
    assert torch.equal(alone.agent.updates[0, 0], everyone.agent.updates[7, 3])
    assert torch.equal(alone.history.snapshots[0, 0], everyone.history.snapshots[7, 3])
    for name in ("durations", "returns"):
        mine, among = getattr(alone.history, name)[0, 0], getattr(everyone.history, name)[7, 3]
        assert torch.equal(mine, among[: len(mine)]) and bool(among[len(mine) :].isnan().all())


def test_a_neighbour_changes_nothing():
    loud = [task._replace(reward=1000 * task.reward) if k != 3 else task for k, task in enumerate(TASKS)]
    quiet, noisy = Q.train(TASKS, SMALL, range(3)), Q.train(loud, SMALL, range(3))
    assert torch.equal(quiet.agent.q[:, 3], noisy.agent.q[:, 3])
    assert not torch.equal(quiet.agent.q[:, 2], noisy.agent.q[:, 2])


def test_settings_may_differ_by_task():
    """A sweep of settings is a list of equal tasks: each learns as it would with its setting alone."""
    rates, epsilons = (0.1, 0.9), (0.0, 0.6)
    config = Q.Config(**(vars(SMALL) | {"learning_rate": f64(*rates), "epsilon": f64(*epsilons)}))
    swept = Q.train([TASKS[0]] * 2, config, range(2), task_ids=[4, 9])
    for k, number in enumerate([4, 9]):
        config = Q.Config(**(vars(SMALL) | {"learning_rate": rates[k], "epsilon": epsilons[k]}))
        torch.testing.assert_close(swept.agent.q[:, k], Q.train([TASKS[0]], config, range(2), [number]).agent.q[:, 0], atol=1e-14, rtol=0)


def test_seeds_make_the_runs():
    a, b = Q.train(TASKS[:1], SMALL, [0, 1]), Q.train(TASKS[:1], SMALL, [1, 0])
    assert torch.equal(a.agent.q[0], b.agent.q[1]) and torch.equal(a.agent.q[1], b.agent.q[0])
    assert not torch.equal(a.agent.q[0], a.agent.q[1])


def test_the_agent_and_its_world_draw_from_different_streams(monkeypatch):
    """Otherwise an agent could act on the numbers that decide what becomes of its actions."""
    streams, random = [], lanes.LaneRandom
    monkeypatch.setattr(lanes, "LaneRandom", lambda *a, stream, **k: streams.append(stream) or random(*a, stream=stream, **k))
    Q.train(TASKS, SMALL, [0])
    assert len(streams) == len(set(streams)) == 2


# ---- the history ----


def test_history_has_a_number_where_an_episode_ended_and_none_elsewhere():
    """Every step ends an episode of the first task; the second never ends but by its limit of nine steps."""
    run = Q.train([one_state(1.0, True), one_state(-2.0, False)], SMALL, range(2))
    durations, returns = run.history.durations, run.history.returns
    assert durations.shape == returns.shape == (2, 2, 150)
    assert bool((durations[:, 0] == 1).all()) and bool((returns[:, 0] == 1).all())
    assert bool((durations[:, 1, :16] == 9).all()) and bool((returns[:, 1, :16] == -18).all())
    assert bool(durations[:, 1, 16:].isnan().all()) and bool(returns[:, 1, 16:].isnan().all())


@pytest.mark.parametrize(
    ("steps", "snapshots", "wanted"), [(10, 2, [0, 5, 10]), (10, 3, [0, 3, 7, 10]), (3, 3, [0, 1, 2, 3]), (7, 1, [0, 7])]
)
def test_snapshots_are_equally_spaced(steps, snapshots, wanted):
    history = Q.train(TASKS[:2], Q.Config(steps=steps, snapshots=snapshots, initial_value=3.0), range(3)).history
    assert history.snapshot_steps.tolist() == wanted
    assert history.snapshots.shape == (3, 2, len(wanted), 6, 3)
    assert bool((history.snapshots[:, :, 0] == 3.0).all())


def test_updates_are_counted():
    """One update a step and lane, and the last snapshot is the agent's table."""
    run = Q.train(TASKS, SMALL, range(4))
    assert bool((run.agent.updates.sum((-2, -1)) == 150).all())
    assert torch.equal(run.history.snapshots[:, :, -1], run.agent.q)
    untouched = run.agent.updates == 0
    assert bool(untouched.any()) and bool((run.agent.q[untouched] == 0).all())


@pytest.mark.parametrize("at", [1, 2, 60])
def test_an_interrupt_gives_what_there_is(monkeypatch, at):
    """Stopped within step 60, the run is the run of 59 steps."""
    step, calls = lanes.TableWorld.step, []

    def stop(world, action):
        calls.append(action)
        if len(calls) == at:
            raise KeyboardInterrupt
        return step(world, action)

    monkeypatch.setattr(lanes.TableWorld, "step", stop)
    stopped = Q.train(TASKS, SMALL, range(2))
    monkeypatch.undo()
    assert stopped.history.snapshot_steps.tolist() == [0, 50, 59] if at == 60 else [0, at - 1]
    assert bool((stopped.agent.updates.sum((-2, -1)) == at - 1).all())
    assert torch.equal(stopped.history.snapshots[:, :, -1], stopped.agent.q)
    if at > 1:
        whole = Q.train(TASKS, Q.Config(**(vars(SMALL) | {"steps": at - 1, "snapshots": 1})), range(2))
        assert torch.equal(whole.agent.q, stopped.agent.q)
        torch.testing.assert_close(whole.history.durations, stopped.history.durations, equal_nan=True, atol=0, rtol=0)


def test_progress_changes_nothing(capfd):
    quiet = Q.train(TASKS, SMALL, range(2))
    assert capfd.readouterr() == ("", "")
    assert torch.equal(Q.train(TASKS, SMALL, range(2), progress=True).agent.q, quiet.agent.q)
    assert "150/150" in capfd.readouterr().err


# ---- refusals ----


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"steps": 0}, "steps is 0, wanted an integer of at least 1"),
        ({"steps": 1e4}, "steps is 10000.0, wanted an integer of at least 1"),
        ({"max_episode_steps": -1}, "max_episode_steps is -1, wanted an integer of at least 1"),
        ({"snapshots": 0}, "snapshots is 0, wanted an integer of at least 1"),
        ({"snapshots": 11, "steps": 10}, "snapshots is 11, wanted at most one a step (10)"),
        ({"discount": 1.01}, "discount is 1.01, wanted a number from 0 to 1"),
        ({"discount": -0.1}, "discount is -0.1, wanted a number from 0 to 1"),
        ({"discount": math.nan}, "discount is nan, wanted a number from 0 to 1"),
        ({"epsilon": 1.5}, "epsilon is 1.5, wanted a number from 0 to 1 or one a task"),
        ({"epsilon": "0.1"}, "epsilon is '0.1', wanted a number from 0 to 1 or one a task"),
        ({"epsilon": torch.tensor([0.5, -0.5])}, "epsilon[1] is -0.5, wanted a number from 0 to 1"),
        ({"learning_rate": 2}, "learning_rate is 2, wanted a number from 0 to 1 or one a task"),
        ({"learning_rate": torch.tensor([0.5, math.nan])}, "learning_rate[1] is nan, wanted a number from 0 to 1"),
        ({"decay": -0.5}, "decay is -0.5, wanted a finite number of at least 0 or one a task"),
        ({"decay": math.inf}, "decay is inf, wanted a finite number of at least 0 or one a task"),
    ],
)
def test_bad_settings_are_refused_by_name(setting, message):
    with refuses(f"q_learning.Config: {message}"):
        Q.Config(**setting)


def test_train_refuses():
    with refuses("q_learning.train: the list of tasks is empty, wanted at least one task"):
        Q.train([], SMALL, [0])
    with refuses("mdp.stack: task 1 has (S, A, N) = (1, 1, 1), task 0 has (6, 3, 6); wanted the same states and actions"):
        Q.train([TASKS[0], one_state(1.0, True)], SMALL, [0])
    with refuses("q_learning.train: seeds = [3, 3], wanted different integers from 0 to 2**32 - 1"):
        Q.train(TASKS, SMALL, [3, 3])
    with refuses("q_learning.train: seeds is 20, wanted a sequence of at least one integer, such as range(20)"):
        Q.train(TASKS, SMALL, 20)
    with refuses("q_learning.train: task_ids has 2 numbers, wanted 5, one a task"):
        Q.train(TASKS, SMALL, [0], [0, 1])
