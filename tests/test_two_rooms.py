"""The paper's own experiment: its goals, its worlds, and its learning against enumeration and the exact optimum."""

import numpy as np
import pytest
import torch

from distral_lite import lanes, mdp, soft, soft_q_learning
from distral_lite.experiments import two_rooms
from distral_lite.gridworld import load_map
from distral_lite.soft_q_learning import Window


def test_goals_lie_in_the_rooms_and_depend_on_the_runs_own_seed():
    goals = two_rooms.draw_goals(range(40), 5)
    cells = load_map(4).cells
    assert goals.shape == (40, 5) and all(len(set(run)) == 5 for run in goals.tolist())
    assert {cells[goal][1] for goal in goals.flatten().tolist()} == {1, 2, 7, 8}  # never in the corridor, columns 3 to 6
    assert goals[7].tolist() == two_rooms.draw_goals([7], 5)[0].tolist()
    assert len({tuple(run) for run in goals.tolist()}) > 30


@pytest.mark.parametrize("goal", [0, 5, 31])
def test_a_task_starts_anywhere_but_at_its_goal(goal):
    task = two_rooms.task(goal)
    states = load_map(4).history_states
    assert [states[s].cell for s in torch.nonzero(task.start).flatten().tolist()] == [cell for cell in range(32) if cell != goal]
    assert all(states[s].previous_action is None for s in torch.nonzero(task.start).flatten().tolist())
    assert float(task.start.sum()) == pytest.approx(1)
    ends = {states[int(s)].cell for s in task.successor[task.terminal].tolist()}
    assert ends == {goal}


def test_every_lane_lives_in_its_own_maze():
    goals = torch.tensor([[0, 5], [31, 12]])
    world = two_rooms.RandomGoals(goals, [3, 4], 1000)
    random, cells = torch.Generator().manual_seed(0), load_map(4).history_states
    state, reached = world.reset(), {}
    for _ in range(6000):
        seen = world.step(torch.randint(5, (2, 2), generator=random))
        for r, k in torch.nonzero(seen.terminal).tolist():
            reached.setdefault((r, k), set()).add(cells[int(seen.next_observation[r, k])].cell)
        state = seen.observation
    assert reached == {(r, k): {int(goals[r, k])} for r in range(2) for k in range(2)} and state.shape == (2, 2)


def test_learn_moves_each_entry_towards_the_return_of_the_rest_of_the_roll_out():
    """Two steps by hand: the second's target is r + gamma V; the first's is r + gamma (second's log-ratio + second's target)."""
    config = two_rooms.Config(n_steps=2, alpha=0.8, beta=2.0, discount=0.9, learning_rate=0.5)
    q = torch.tensor([[[[0.5, -0.5], [1.0, 0.0], [0.0, 0.2]]]], dtype=torch.float64)
    log_pi0 = torch.tensor([[[0.5, 0.5], [0.75, 0.25], [0.9, 0.1]]], dtype=torch.float64).log()
    log_pi = torch.log_softmax(0.8 * log_pi0.unsqueeze(1) + 2.0 * q, -1)
    values = {"state": [0, 1], "action": [1, 0], "reward": [-0.1, 0.3], "next_state": [1, 2], "terminal": [False] * 2}
    values["truncated"] = [False] * 2
    window = Window(*(torch.tensor(value).view(1, 1, 2) for value in values.values()))
    value_2 = float(torch.log(0.9**0.8 * torch.exp(torch.tensor(0.0)) + 0.1**0.8 * torch.exp(torch.tensor(0.4)))) / 2
    second = 0.3 + 0.9 * value_2
    ratio = float((0.8 * log_pi0[0, 1, 0] - log_pi[0, 0, 1, 0]) / 2)
    first = -0.1 + 0.9 * (ratio + second)
    found = two_rooms.learn(q, window, log_pi, log_pi0, config)
    wanted = q.clone()
    wanted[0, 0, 0, 1] = 0.5 * (-0.5 + first)
    wanted[0, 0, 1, 0] = 0.5 * (1.0 + second)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_at_the_exact_optimum_nothing_is_learned():
    """Path consistency: there every target of every roll-out is the value that it is a target for."""
    config, task = two_rooms.Config(distil=False), two_rooms.task(20)
    log_prior = mdp.uniform_policy(task).log()
    exact = soft_q_learning.solve(task, log_prior, config.alpha, config.beta, config.discount)
    world = two_rooms.RandomGoals(torch.tensor([[20]]), [0], 1000)
    random, act, state, path = torch.Generator().manual_seed(1), exact.log_policy.exp(), world.reset(), []
    for _ in range(10):
        action = lanes.sample(act[state].cumsum(-1), torch.rand(1, 1, generator=random, dtype=torch.float64))
        seen = world.step(action)
        path.append((state, action, seen.reward, seen.next_observation, seen.terminal, seen.truncated))
        state = seen.observation
    window = Window(*(torch.stack(field, -1) for field in zip(*path, strict=True)))
    learned = two_rooms.learn(exact.q[None, None], window, exact.log_policy[None, None], log_prior[None], config)
    torch.testing.assert_close(learned, exact.q[None, None], rtol=0, atol=1e-9)


def test_counts_are_weighted_by_time():
    state, action, time = (torch.tensor(x).view(1, 2, 2) for x in ([0, 1, 1, 1], [1, 0, 0, 0], [0, 1, 2, 0]))
    found = two_rooms.count(state, action, time, 0.5, (1, 2, 2))
    assert found.tolist() == [[[0.0, 1.0], [0.5 + 0.25 + 1.0, 0.0]]]


def test_a_run_is_the_same_alone_and_among_others():
    config = two_rooms.Config(rollouts=20, snapshots=2)
    many, one = two_rooms.train(range(5), config, [0, 3]), two_rooms.train(range(5), config, [3])
    for field, alone in zip(many, one, strict=True):
        part = field if field.ndim == 1 else field[two_rooms.RUNS_A_SEED :]
        torch.testing.assert_close(part, alone, rtol=0, atol=1e-12)
    assert torch.equal(one.rollouts, torch.tensor([0, 10, 20]))


def test_without_distillation_the_prior_stays_uniform():
    run = two_rooms.train(range(2), two_rooms.Config(rollouts=10, snapshots=1, distil=False), [0])
    assert float((run.log_pi0.exp() - 0.2).abs().max()) < 1e-12
    assert float(soft.kl(run.log_pi[:, :, -1], run.log_pi0[:, None, -1]).max()) > 1e-3


def test_onward_is_read_where_the_corridor_is():
    """A policy that always repeats its last action goes on for sure; one that reverses left and right turns back."""
    states = load_map(4).history_states
    repeat, back = torch.zeros(2, len(states), 5, dtype=torch.float64)
    for s, state in enumerate(states):
        previous = state.previous_action or 0
        repeat[s, previous] = 1.0
        back[s, {3: 4, 4: 3}.get(previous, previous)] = 1.0
    assert two_rooms.onward(repeat).tolist() == [1.0, 0.0] and two_rooms.onward(back).tolist() == [0.0, 1.0]


def test_measure_says_what_the_optimum_says():
    config = two_rooms.Config(rollouts=4, snapshots=1)
    run = two_rooms.train(range(2), config, [0])
    found = two_rooms.measure(run, range(2), config)
    family = mdp.stack([two_rooms.task(goal) for goal in run.goals[0].tolist()])
    assert found["steps"].shape == (1, 5, 2) and found["onward"].shape == (1, 5, 2, 2) and found["exact"].shape == (1, 5)
    start = float(mdp.expected_steps(family, run.log_pi[0, :, 0].exp()).mean())
    assert float(found["steps"][0, 0, 0]) == pytest.approx(start, rel=1e-5)
    assert np.all(found["exact"].numpy() < 15) and start > 100


@pytest.mark.parametrize(("change", "words"), [({"rollouts": 0}, "rollouts is 0"), ({"fading": 2.0}, "fading"), ({"beta": -1.0}, "beta")])
def test_settings_that_make_no_sense(change, words):
    with pytest.raises(ValueError, match=f"two_rooms.Config.*{words}"):
        two_rooms.Config(**change)
