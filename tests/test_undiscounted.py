"""Discount 1: policies that end, rest or go on for ever, against a search of every policy; and worlds by their known numbers."""

import itertools
import math
import re

import gymnasium
import numpy as np
import pytest
import scipy.optimize
import torch
from fuzzing import cases
from gymnasium.envs.toy_text.frozen_lake import generate_random_map

from distral_lite import dynamic_programming as D
from distral_lite import mdp as M
from distral_lite.gridworld import GridWorld, load_map

# ---- the oracle: every deterministic policy, by reachability and NumPy ----


def reachable(step):
    """Which states lead to which in any number of steps, 0 included (Warshall)."""
    closure = step | np.eye(len(step), dtype=bool)
    for k in range(len(step)):
        closure |= closure[:, k : k + 1] & closure[k : k + 1]
    return closure


def pay_for_ever(transition, members):
    """Mean pay of a closed set of states as weights on them: the share of time spent in each."""
    part = transition[np.ix_(members, members)]
    equations = np.vstack((part.T - np.eye(len(members)), np.ones(len(members))))
    return np.linalg.lstsq(equations, np.append(np.zeros(len(members)), 1.0), rcond=None)[0]


def judge(table, choice):
    """(value or None, gains): the value of a policy of a table, None where it goes on for ever and is paid."""
    states = len(table)
    transition, reward, ending = np.zeros((states, states)), np.zeros(states), np.zeros(states)
    for s, a in enumerate(choice):
        for chance, target, pay, ended in table[s][a]:
            reward[s] += chance * pay
            if ended:
                ending[s] += chance
            else:
                transition[s, target] += chance
    leads = reachable(transition > 0)
    never = ~(leads & (ending > 0)).any(-1)
    rest, gains = np.zeros(states, dtype=bool), [0.0]
    for s in range(states):
        members = np.flatnonzero(leads[s])
        if never[s] and leads[members, s].all():  # s is met again and again
            gains.append(pay_for_ever(transition, members) @ reward[members])
            rest[s] = (reward[members] == 0).all()
    if not (leads & ((ending > 0) | rest)).any(-1).all():
        return None, gains
    moving = ~rest
    value = np.zeros(states)
    value[moving] = np.linalg.solve(np.eye(moving.sum()) - transition[np.ix_(moving, moving)], reward[moving])
    return value, gains


def optimum(table):
    """V* by trying every policy; None where there is no finite one."""
    found, gains = [], [0.0]
    for choice in itertools.product(range(len(table[0])), repeat=len(table)):
        value, more = judge(table, choice)
        gains += more
        found += [] if value is None else [value]
    return None if max(gains) > 1e-9 or not found else np.max(found, 0)


def random_table(rng):
    """A small world of few different rewards, many ties, loops and states that cannot end."""
    states, actions = int(rng.integers(1, 5)), int(rng.integers(1, 4))
    pays = [(-1, 0), (0, 1), (-1, 0, 0, 0, 1), (-2, -1, 0, 0, 0, 3), (0,), (-1,)][rng.integers(6)]
    ending = rng.choice([0.05, 0.2, 0.5])

    def outcomes():
        chances = [(1.0,), (0.5, 0.5), (0.25, 0.75)][rng.integers(3)]
        pay = float(rng.choice(pays))
        return [(c, int(rng.integers(states)), pay, bool(rng.random() < ending)) for c in chances]

    return [[outcomes() for _ in range(actions)] for _ in range(states)]


NO_VALUES = r"^policy_iteration: with discount 1 (there are no finite values: no|the values have no bound: from)"


@pytest.mark.fuzz
def test_policy_iteration_is_the_best_of_all_policies():
    rng = np.random.default_rng(0)
    finite, infinite = 0, 0
    for _ in range(cases(60, 5000)):
        table = random_table(rng)
        world, best = M.MDP.from_table(table), optimum(table)
        begins = [None, M.uniform_policy(world), torch.from_numpy(rng.dirichlet(np.ones(world.reward.shape[1]), len(table)))]
        begins.append(M.greedy_policy(torch.from_numpy(rng.random(tuple(world.reward.shape)))))
        for begin in begins:
            if begin is not None:
                try:
                    M.evaluate(world, begin, 1.0)
                except ValueError:
                    continue
            if best is None:
                with pytest.raises(
                    ValueError, match=r"policy_iteration: with discount 1 (there are no finite values: no|the values have no bound)"
                ):
                    D.policy_iteration(world, 1.0, begin)
                infinite += 1
                continue
            finite += 1
            solution = D.policy_iteration(world, 1.0, begin)
            np.testing.assert_allclose(solution.values, best, atol=1e-9, err_msg=str(table))
            value, _ = judge(table, solution.policy.argmax(-1).tolist())
            np.testing.assert_allclose(value, best, atol=1e-9, err_msg=str(table))
    assert finite > cases(60, 5000) and infinite > cases(10, 1000)


@pytest.mark.fuzz
def test_value_iteration_where_rewards_have_one_sign():
    """From V = 0 the sweeps rise or fall to V*; then they end, or have no bound. The policy taken has the values found."""
    rng = np.random.default_rng(1)
    for _ in range(cases(40, 400)):
        sign, table = rng.choice([-1, 1]), random_table(rng)
        table = [[[(p, s, sign * abs(r), ended) for p, s, r, ended in cell] for cell in row] for row in table]
        world, best = M.MDP.from_table(table), optimum(table)
        if best is None:
            with pytest.raises(
                RuntimeError, match=r"^value_iteration: values still move after 3000 sweeps; raise threshold or max_sweeps$"
            ):
                D.value_iteration(world, 1.0, 1e-10, 3000)
            continue
        solution = D.value_iteration(world, 1.0, 1e-10, 3000)
        np.testing.assert_allclose(solution.values, best, atol=1e-6, err_msg=str(table))
        np.testing.assert_allclose(judge(table, solution.policy.argmax(-1).tolist())[0], best, atol=1e-6, err_msg=str(table))


# ---- Sutton and Barto's worlds ----


def small_grid(flags):
    """Figure 4.1: 4 x 4, two shaded corners, -1 a step. Its ends are flags, or, without, states that lead to themselves and pay 0."""
    table = []
    for s in range(16):
        row, column = divmod(s, 4)
        cell = []
        for down, right in ((-1, 0), (1, 0), (0, 1), (0, -1)):
            target = min(max(row + down, 0), 3) * 4 + min(max(column + right, 0), 3)
            cell.append([(1.0, s, 0.0, flags)] if s in (0, 15) else [(1.0, target, -1.0, flags and target in (0, 15))])
        table.append(cell)
    return M.MDP.from_table(table)


FIGURE_4_1 = [0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0]


@pytest.mark.parametrize("flags", [True, False])
def test_figure_4_1(flags):
    world = small_grid(flags)
    uniform = M.uniform_policy(world)
    np.testing.assert_allclose(M.evaluate(world, uniform, 1.0), FIGURE_4_1, atol=1e-12)
    values, sweeps = D.iterative_policy_evaluation(world, uniform, 1.0, 1e-10)
    np.testing.assert_allclose(values, FIGURE_4_1, atol=1e-7)
    assert sweeps > 100
    best = [-min(r + c, 6 - r - c) for r, c in itertools.product(range(4), repeat=2)]
    for solution in (D.policy_iteration(world, 1.0), D.value_iteration(world, 1.0)):
        np.testing.assert_allclose(solution.values, best, atol=1e-12)
        np.testing.assert_allclose(M.evaluate(world, solution.policy, 1.0), best, atol=1e-12)
    assert len(D.value_iteration(world, 1.0).steps) == 5  # V_0, three sweeps that move, one that does not


def gambler(p, flags=True):
    """Example 4.3: stakes from 0 to 50; a stake beyond what is there, or beyond what is missing, is cut to that."""
    table = [[[(1.0, 0, 0.0, flags)]] * 51]
    for s in range(1, 100):
        stakes = [min(a, s, 100 - s) for a in range(51)]
        table.append([[(p, s + a, float(s + a == 100), flags and s + a == 100), (1 - p, s - a, 0.0, flags and s == a)] for a in stakes])
    return M.MDP.from_table([*table, [[(1.0, 100, 0.0, flags)]] * 51])


def bold_play(p):
    """The chance to reach 100 by always staking all that helps, which is optimal for p <= 1/2 (Dubins and Savage): by halving."""
    found = np.zeros(101)
    found[100] = 1.0
    for _ in range(300):
        for s in range(1, 100):
            found[s] = p * found[2 * s] if s < 50 else p + (1 - p) * found[2 * s - 100]
    return found


@pytest.mark.parametrize("flags", [True, False])
@pytest.mark.parametrize("p", [0.25, 0.4, 0.5])
def test_the_gambler_below_one_half_plays_boldly(p, flags):
    """The reward is paid with the outcome that reaches 100, whose chance is p."""
    world = gambler(p, flags)
    wanted = bold_play(p)
    wanted[100] = 0.0  # there all is over
    if p == 0.4:
        np.testing.assert_allclose(wanted[[25, 50, 75]], [0.16, 0.4, 0.64], atol=1e-15)
    for solution in (D.policy_iteration(world, 1.0), D.value_iteration(world, 1.0, 1e-14)):
        np.testing.assert_allclose(solution.values, wanted, atol=1e-10)
        np.testing.assert_allclose(M.evaluate(world, solution.policy, 1.0), wanted, atol=1e-10)
        assert solution.policy[1:100, 0].sum() == 0  # nobody stakes nothing for ever


def test_the_gambler_above_one_half_plays_timidly():
    """Staking 1 is optimal, and the chance to win is that of gambler's ruin: (1 - (q/p)^s) / (1 - (q/p)^100)."""
    wanted = (1 - (0.45 / 0.55) ** np.arange(101)) / (1 - (0.45 / 0.55) ** 100)
    wanted[100] = 0.0
    for solution in (D.policy_iteration(gambler(0.55), 1.0), D.value_iteration(gambler(0.55), 1.0, 1e-13)):
        np.testing.assert_allclose(solution.values, wanted, atol=1e-9)


# ---- Gymnasium's worlds, and the course's ----


def least_solution(world):
    """The least V >= 0 with V >= R + P V for every action, which is V* where no reward is below 0: linear programming."""
    states, actions, outcomes = world.successor.shape
    rows = np.zeros((states * actions, states))
    for s, a, m in np.ndindex(states, actions, outcomes):
        if not world.terminal[s, a, m]:
            rows[s * actions + a, int(world.successor[s, a, m])] += float(world.probability[s, a, m])
    rows -= np.repeat(np.eye(states), actions, 0)
    return scipy.optimize.linprog(np.ones(states), rows, -world.reward.flatten().numpy()).x


@pytest.mark.parametrize("slippery", [False, True])
def test_frozen_lakes(slippery):
    """Lakes of all sizes: dry ones have squares from which one cannot arrive, and there it is all one whether one falls or waits."""
    cannot = 0
    for seed in range(cases(12, 120)):
        lake = generate_random_map(size=4 + seed % 5, p=(0.5, 0.6, 0.7, 0.8)[seed % 4], seed=seed)
        world = M.MDP.from_gymnasium(gymnasium.make("FrozenLake-v1", desc=lake, is_slippery=slippery))
        wanted = least_solution(world)
        cannot += bool((wanted[~M.absorbing(world).numpy()] < 1e-9).any())
        for solution in (D.policy_iteration(world, 1.0), D.value_iteration(world, 1.0, 1e-12)):
            np.testing.assert_allclose(solution.values, wanted, atol=1e-6)
            assert not M.endless(world, solution.policy).any()
    assert cannot >= (0 if slippery else 2)


def test_taxi():
    """-1 a step, 20 for the right place: the best taxi is as good as its way is short, by a search that knows no values."""
    world = M.MDP.from_gymnasium("Taxi-v4")
    steps = torch.full((500,), math.inf, dtype=torch.float64)
    good = (world.reward[..., None] > -10) & (world.probability > 0)
    for _ in range(40):
        after = torch.where(world.terminal, 0.0, steps[world.successor]).where(good, math.inf)
        steps = torch.minimum(steps, 1 + after.amin((-1, -2)))
    assert steps.isfinite().all()
    for solution in (D.policy_iteration(world, 1.0), D.value_iteration(world, 1.0)):
        np.testing.assert_allclose(solution.values, 21 - steps, atol=1e-9)


@pytest.mark.parametrize("number", [1, 4, 8])
@pytest.mark.parametrize("wall", [0.0, -0.5])
def test_mazes_whose_steps_cost_nothing(number, wall):
    """Everywhere the goal's 1 is to be had; the policy gets there, by a shortest way."""
    maze = GridWorld(load_map(number).rows, step_reward=0.0, wall_reward=wall)
    world = maze.mdp()
    for solution in (D.policy_iteration(world, 1.0), D.value_iteration(world, 1.0)):
        np.testing.assert_allclose(solution.values, [float(s != maze.goal) for s in range(len(maze.cells))], atol=1e-9)
        assert not M.endless(world, solution.policy).any()
    toll = GridWorld(maze.rows, step_reward=0.0, wall_reward=wall, goal_reward=-1.0).mdp()
    solution = D.policy_iteration(toll, 1.0)
    np.testing.assert_array_equal(solution.values, 0.0)  # the goal costs 1, and staying costs nothing


def test_long_mazes_whose_steps_cost_nothing():
    """Here a random walk takes thousands of steps, and rounding must not be taken for a gain; tasks are solved side by side."""
    mazes = [GridWorld.random(24, 24, share, seed) for share, seed in ((0.25, 1), (0.35, 2))]
    for maze in mazes:
        solution = D.policy_iteration(GridWorld(maze.rows, step_reward=0.0, wall_reward=0.0).mdp(), 1.0)
        assert float(solution.values.sum()) == pytest.approx(len(maze.cells) - 1, abs=1e-6)


def test_tasks_are_solved_side_by_side():
    tables = [small_grid(True), small_grid(False)]
    paid = tables[0]._replace(reward=-tables[0].reward * 0)  # nothing is ever paid
    stacked = M.stack([*tables, paid])
    found = D.policy_iteration(stacked, 1.0)
    for k, world in enumerate((*tables, paid)):
        torch.testing.assert_close(found.values[k], D.policy_iteration(world, 1.0).values)
    assert not M.endless(paid, found.policy[2]).any()


# ---- values that there are not ----


def loop(pay, way_out=None):
    """One state that leads to itself and pays; a second action may end the episode at a price."""
    return M.MDP.from_table([[[(1.0, 0, pay, False)]] + ([] if way_out is None else [[(1.0, 0, way_out, True)]])])


def refuses(message, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def test_resting_is_worth_nothing():
    only = torch.ones(1, 1, dtype=torch.float64)
    assert M.evaluate(loop(0.0), only, 1.0).tolist() == [0.0]
    assert D.iterative_policy_evaluation(loop(0.0), only, 1.0, values=torch.tensor([5.0]).double())[0].tolist() == [0.0]
    assert D.policy_iteration(loop(0.0), 1.0).values.tolist() == [0.0]
    for begin in (None, torch.tensor([[0.0, 1.0]]).double(), torch.tensor([[1.0, 0.0]]).double()):
        solution = D.policy_iteration(loop(0.0, -1.0), 1.0, begin)
        assert solution.values.tolist() == [0.0] and solution.policy.tolist() == [[1.0, 0.0]]
        solution = D.policy_iteration(loop(0.0, 0.0), 1.0, begin)
        assert solution.values.tolist() == [0.0] and solution.policy.tolist() == [[0.0, 1.0]]  # as good, and it ends
    with refuses("mdp.visits: with discount 1 the policy must end the episode; from state 0 it never does"):
        M.visits(loop(0.0), only, 1.0)


@pytest.mark.parametrize("pay", [1.0, -1.0])
def test_being_paid_for_ever_has_no_value(pay):
    only, never = torch.ones(1, 1, dtype=torch.float64), "from state 0 it never does"
    wanted = "with discount 1 the policy must end the episode, or come to rest where it is paid 0"
    with refuses(f"mdp.evaluate: {wanted}; {never}"):
        M.evaluate(loop(pay), only, 1.0)
    with refuses(f"iterative_policy_evaluation: {wanted}; {never}"):
        D.iterative_policy_evaluation(loop(pay), only, 1.0)
    nothing = "no policy ends the episode from state 0, or comes to rest where it is paid 0"
    with refuses(f"policy_iteration: with discount 1 there are no finite values: {nothing}"):
        D.policy_iteration(loop(pay), 1.0)
    with refuses("value_iteration: values still move after 50 sweeps; raise threshold or max_sweeps", RuntimeError):
        D.value_iteration(loop(pay), 1.0, max_sweeps=50)


def test_a_gain_for_ever_has_no_bound():
    with refuses("policy_iteration: with discount 1 the values have no bound: from state 0 one can go on for ever and gain"):
        D.policy_iteration(loop(0.1, 5.0), 1.0)
    assert D.policy_iteration(loop(-0.1, -5.0), 1.0).values.tolist() == [-5.0]


def test_sweeps_are_bounded():
    world, uniform = small_grid(True), M.uniform_policy(small_grid(True))
    with refuses("iterative_policy_evaluation: values still move after 7 sweeps; raise threshold or max_sweeps", RuntimeError):
        D.iterative_policy_evaluation(world, uniform, 1.0, max_sweeps=7)
    with refuses("iterative_policy_evaluation: max_sweeps is 0, wanted an integer of at least 1"):
        D.iterative_policy_evaluation(world, uniform, 1.0, max_sweeps=0)
    with refuses("value_iteration: max_sweeps is 2.5, wanted an integer of at least 1"):
        D.value_iteration(world, 0.9, max_sweeps=2.5)
    reason = "its first policy, the first action everywhere, need not end the episode, and then has no value"
    with refuses(f"policy_iteration_by_sweeps: discount is 1, wanted below 1: {reason}"):
        D.policy_iteration_by_sweeps(world, 1)
