"""Planning: exhaustive search, plain-Python value iteration and the thesis's boxes retyped as oracles; known optima; ties."""

import itertools
import re

import gymnasium
import numpy as np
import pytest
import torch

from distral_lite import dynamic_programming as D
from distral_lite import gridworld
from distral_lite import mdp as M

SEEDS = range(6)
# Version 4 came with Gymnasium 1.3; the table is that of version 3.
TAXI = "Taxi-v4" if "Taxi-v4" in gymnasium.registry else "Taxi-v3"


def refuses(message, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


def random_mdp(seed, **sizes):
    return M.random_mdp(np.random.default_rng(seed), **sizes)


def random_policy(seed, *shape):
    return torch.from_numpy(np.random.default_rng([seed, 1]).dirichlet(np.ones(shape[-1]), size=shape[:-1]))


def deterministic(successor, reward):
    """An MDP without endings: successor [S][A], reward [S][A], start in the last state."""
    size = len(successor)
    start = torch.zeros(size, dtype=torch.float64)
    start[-1] = 1.0
    successor = torch.tensor(successor).unsqueeze(-1)
    one = torch.ones(successor.shape, dtype=torch.float64)
    reward = torch.as_tensor(reward, dtype=torch.float64).expand(successor.shape[:2])
    return M.check(M.MDP(successor, one, reward, torch.zeros(successor.shape, dtype=torch.bool), start, torch.eye(size)))


def one_hot(actions, number):
    return torch.nn.functional.one_hot(torch.tensor(actions), number).double()


def plain(mdp):
    """The same MDP as nested lists."""
    return M.MDP(*(array.tolist() for array in mdp))


def q_by_loops(mdp, values, discount, s, a):
    """E[R + gamma V(S')] of one state and action of a plain MDP, outcome by outcome."""
    total = mdp.reward[s][a]
    for chance, target, ended in zip(mdp.probability[s][a], mdp.successor[s][a], mdp.terminal[s][a], strict=True):
        total += 0.0 if ended else discount * chance * values[target]
    return total


# ---- optima ----


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("discount", [0.0, 0.5, 0.95])
def test_policy_iteration_value_iteration_and_exhaustive_search_agree(seed, discount):
    """All 3^4 deterministic policies, each evaluated by NumPy's solver: the best value of every state is V*, by one and the same policy."""
    mdp = random_mdp(seed, states=4, actions=3)
    flow = np.zeros((4, 3, 4))  # chance to go on in s'
    for s, a, m in np.ndindex(4, 3, 2):
        flow[s, a, int(mdp.successor[s, a, m])] += float(mdp.probability[s, a, m]) * (not mdp.terminal[s, a, m])
    every = np.array(list(itertools.product(range(3), repeat=4)))
    rows = np.arange(4)
    values = np.array([np.linalg.solve(np.eye(4) - discount * flow[rows, pi], mdp.reward.numpy()[rows, pi]) for pi in every])
    best = values.max(0)
    solution = D.policy_iteration(mdp, discount)
    np.testing.assert_allclose(solution.values, best, atol=1e-12)
    np.testing.assert_allclose(D.value_iteration(mdp, discount, 1e-13).values, best, atol=1e-11)
    np.testing.assert_allclose(solution.q.max(-1).values, best, atol=1e-12)
    winner = values[(every == solution.policy.argmax(-1).numpy()).all(-1)]
    np.testing.assert_allclose(winner, best[None], atol=1e-12)


KNOWN = {  # value of the start, at discount 0.99 and (with endings only) at 1, from tables that Gymnasium publishes
    "FrozenLake-v1": (0.5420259, 14 / 17),
    "FrozenLake8x8-v1": (0.4146404, 1.0),
    TAXI: (6.3274643, 7.93),
    "CliffWalking-v1": (-12.2478977, -13.0),
}


def optimum_by_loops(env, discount, threshold=1e-12):
    """Value iteration on `env.unwrapped.P` in plain Python."""
    P = env.unwrapped.P
    values = [0.0] * len(P)
    while True:
        change = 0.0
        for s in P:
            old = values[s]
            values[s] = max(sum(p * (r + discount * values[t] * (not ended)) for p, t, r, ended in P[s][a]) for a in P[s])
            change = max(change, abs(values[s] - old))
        if change < threshold:
            return values


@pytest.mark.parametrize("name", KNOWN)
def test_gymnasium_tasks_reach_their_known_optima(name):
    env = gymnasium.make(name)
    mdp = M.MDP.from_gymnasium(env)
    exact, wanted = D.policy_iteration(mdp, 0.99), optimum_by_loops(env, 0.99)
    np.testing.assert_allclose(exact.values, wanted, atol=1e-9)
    np.testing.assert_allclose(D.value_iteration(mdp, 0.99, 1e-12).values, wanted, atol=1e-9)
    discounted, plain = KNOWN[name]
    assert float((mdp.start * exact.values).sum()) == pytest.approx(discounted, abs=1e-6)
    undiscounted = D.policy_iteration(mdp, 1.0)
    assert float((mdp.start * undiscounted.values).sum()) == pytest.approx(plain, abs=1e-9)


def test_frozen_lake_is_worth_0_5420():
    mdp = M.MDP.from_gymnasium(gymnasium.make("FrozenLake-v1", is_slippery=True))
    assert round(float(D.policy_iteration(mdp, 0.99).values[0]), 4) == 0.5420
    dry = M.MDP.from_gymnasium(gymnasium.make("FrozenLake-v1", is_slippery=False))
    assert float(D.policy_iteration(dry, 0.99).values[0]) == pytest.approx(0.99**5, abs=1e-12)  # six steps, the last one pays


@pytest.mark.parametrize("number", gridworld.MAPS)
@pytest.mark.parametrize("history", [False, True])
def test_mazes_are_solved_by_their_shortest_path(number, history):
    maze, discount = gridworld.load_map(number), 0.95
    mdp, steps = maze.mdp(history), len(maze.shortest_path()) - 1
    for solution in (D.policy_iteration(mdp, discount), D.value_iteration(mdp, discount, 1e-11)):
        assert M.expected_steps(mdp, solution.policy) == pytest.approx(steps, abs=1e-9)
        wanted = -0.1 * (1 - discount**steps) / (1 - discount) + discount ** (steps - 1)
        assert float((mdp.start * solution.values).sum()) == pytest.approx(wanted, abs=1e-9)


def test_discount_one_on_the_mazes():
    for number in gridworld.MAPS:
        maze = gridworld.load_map(number)
        solution = D.policy_iteration(maze.mdp(), 1.0)
        assert float(solution.values[maze.start]) == pytest.approx(1 - 0.1 * (len(maze.shortest_path()) - 1), abs=1e-12)


def test_all_tasks_at_once():
    tasks = [gridworld.load_map(number).mdp() for number in range(4, 9)]
    for solve in (D.policy_iteration, lambda mdp, discount: D.value_iteration(mdp, discount, 1e-12)):
        together = solve(M.stack(tasks), 0.9)
        for k, task in enumerate(tasks):
            torch.testing.assert_close(together.values[k], solve(task, 0.9).values, atol=1e-11, rtol=0)
            torch.testing.assert_close(together.q[k], solve(task, 0.9).q, atol=1e-11, rtol=0)


def test_a_large_maze_by_sparse_solves(monkeypatch):
    """100 x 100 cells, 7000 of them free. Policy iteration's optimum is value iteration's, and the exact fixed point."""
    maze = gridworld.GridWorld.random(100, 100, 0.3, seed=1)
    mdp, steps = maze.mdp(), len(maze.shortest_path()) - 1
    assert len(maze.cells) > M.DENSE_STATES
    monkeypatch.setattr(M.torch.linalg, "solve", None)  # a dense matrix would have 5 * 10^7 entries: not to be called
    exact, swept = D.policy_iteration(mdp, 0.9), D.value_iteration(mdp, 0.9, 1e-13)
    torch.testing.assert_close(exact.values, swept.values, atol=1e-12, rtol=0)
    torch.testing.assert_close(D.optimality_backup(mdp, exact.values, 0.9), exact.values, atol=1e-12, rtol=0)
    assert M.expected_steps(mdp, exact.policy, cap=2 * steps) == steps  # though at the start a step is worth only 7e-10 more than none


# ---- backups ----


@pytest.mark.parametrize("seed", SEEDS)
def test_backups_against_loops(seed):
    mdp, policy = random_mdp(seed, outcomes=3), random_policy(seed, 5, 3)
    values = np.random.default_rng(seed).normal(size=5)
    q = np.array([[q_by_loops(plain(mdp), values, 0.9, s, a) for a in range(3)] for s in range(5)])
    values = torch.from_numpy(values)
    np.testing.assert_allclose(D.evaluation_backup(mdp, policy, values, 0.9), (policy.numpy() * q).sum(-1), atol=1e-14)
    np.testing.assert_allclose(D.optimality_backup(mdp, values, 0.9), q.max(-1), atol=1e-14)


@pytest.mark.parametrize("seed", SEEDS)
def test_sweeps_contract_by_gamma(seed):
    """Each sweep brings the values at least by the factor gamma closer to V*, and the bound of the docstring holds at the end."""
    mdp, discount, threshold = random_mdp(seed, ending=0.05), 0.8, 1e-4
    exact = D.policy_iteration(mdp, discount).values
    solution = D.value_iteration(mdp, discount, threshold)
    distance = torch.stack([(values - exact).abs().max() for values in solution.steps])
    assert bool((distance[1:] <= discount * distance[:-1] + 1e-14).all())
    assert float(distance[-1]) <= threshold * discount / (1 - discount)
    assert not bool(solution.steps[0].any()) and torch.equal(solution.steps[-1], solution.values)
    assert float((solution.steps[-2] - solution.steps[-3]).abs().max()) >= threshold  # no sweep too many


@pytest.mark.parametrize("seed", SEEDS)
def test_evaluation_sweeps_contract_to_the_exact_values(seed):
    mdp, policy, discount = random_mdp(seed), random_policy(seed, 5, 3), 0.8
    exact, values = M.evaluate(mdp, policy, discount), torch.zeros(5, dtype=torch.float64)
    for _ in range(150):
        old, values = values, D.evaluation_backup(mdp, policy, values, discount)
        assert float((values - exact).abs().max()) <= discount * float((old - exact).abs().max()) + 1e-14
    torch.testing.assert_close(values, exact, atol=1e-12, rtol=0)


# ---- improvement ----


@pytest.mark.parametrize("seed", SEEDS)
def test_policy_iteration_improves_at_every_step(seed):
    mdp, discount = random_mdp(seed, states=30, actions=4), 0.95
    first = one_hot([0] * 30, 4)
    solution = D.policy_iteration(mdp, discount, first)
    assert torch.equal(solution.steps[0], first) and torch.equal(solution.steps[-1], solution.policy)
    values = torch.stack([M.evaluate(mdp, policy, discount) for policy in solution.steps])
    assert len(values) > 2
    assert bool((values.diff(dim=0) >= -1e-12).all())  # nowhere worse
    assert bool((values.diff(dim=0).amax(-1) > 1e-9).all())  # and somewhere better
    torch.testing.assert_close(values[-1], solution.values, atol=0, rtol=0)


@pytest.mark.parametrize("start", ["uniform", "first", "random", "optimal"])
def test_any_first_policy_ends_at_the_optimum(start):
    mdp, discount = random_mdp(4), 0.9
    wanted = D.policy_iteration(mdp, discount)
    first = {"uniform": None, "first": one_hot([0] * 5, 3), "random": random_policy(0, 5, 3), "optimal": wanted.policy}[start]
    found = D.policy_iteration(mdp, discount, first)
    torch.testing.assert_close(found.values, wanted.values, atol=1e-12, rtol=0)
    assert len(found.steps) == 1 if start == "optimal" else len(found.steps) > 1


@pytest.mark.parametrize(
    ("q", "old", "error", "new"),
    [
        ([1.0, 2.0, 2.0], [0, 0, 1], 0.0, 2),  # still among the best: kept
        ([1.0, 2.0, 2.0], [0, 1, 0], 0.0, 1),
        ([1.0, 2.0, 2.0], [1, 0, 0], 0.0, 1),  # not among the best: the first of them
        ([1.0, 2.0, 2.0 + 1e-13], [0, 1, 0], 0.0, 1),  # better by rounding only
        ([1.0, 2.0, 2.0 + 1e-10], [0, 1, 0], 0.0, 2),
        ([1.0, 2.0, 2.0 + 1e-6], [0, 1, 0], 1e-6, 1),  # both values may be wrong by the error: no proof of better
        ([1.0, 2.0, 2.0 + 3e-6], [0, 1, 0], 1e-6, 2),
        ([1e6, 2e6, 2e6 + 1e-7], [0, 1, 0], 0.0, 1),  # rounding grows with the values
        ([1e-9, 2e-9, 3e-9], [0, 1, 0], 0.0, 2),  # and shrinks with them
        ([0.0, 0.0, 0.0], [0, 1, 0], 0.0, 1),
        ([1.0, 2.0, 2.0], [0, 0.5, 0.5], 0.0, 1),  # a policy that is not deterministic is replaced
        ([2.0, 2.0, 2.0], [1 / 3, 1 / 3, 1 / 3], 0.0, 0),
    ],
)
def test_improvement_by_hand(q, old, error, new):
    found = D.improve(torch.tensor([q], dtype=torch.float64), torch.tensor([old], dtype=torch.float64), error)
    assert found.tolist() == one_hot([new], 3).tolist()


# ---- the thesis's boxes ----


def box_evaluation(mdp, policy, discount, threshold, V=None):
    """ "Iterative policy evaluation", retyped from the thesis: values and number of sweeps."""
    states, actions = len(mdp.reward), len(mdp.reward[0])
    V, sweeps = [0.0] * states if V is None else V.copy(), 0
    while True:
        delta, sweeps = 0.0, sweeps + 1
        for s in range(states):
            v = V[s]
            V[s] = sum(policy[s][a] * q_by_loops(mdp, V, discount, s, a) for a in range(actions))
            delta = max(delta, abs(v - V[s]))
        if delta < threshold:
            return V, sweeps


def first(q, old, round):
    """The arg max that most programs have: of several best actions the first."""
    return q.index(max(q))


def another(q, old, round):
    """An arg max as well: of several best actions the first in one round, the last in the next."""
    best = [a for a in range(len(q)) if q[a] == max(q)]
    return best[0] if round % 2 == 0 else best[-1]


def keep(q, old, round):
    """The old action where it is still best, to 1e-9."""
    return old if max(q) - q[old] < 1e-9 else q.index(max(q))


def box_policy_iteration(mdp, discount, threshold, arg_max=first, afresh=False):
    """ "Policy iteration", retyped; with `afresh` every evaluation starts from V = 0, as the box "Iterative policy evaluation" does.

    None where V, the policy and the parity of the round come again before the policy is stable: the box then goes round for ever.
    """
    states, actions = len(mdp.reward), len(mdp.reward[0])
    V, policy, seen, total = [0.0] * states, [0] * states, [], 0
    while (V, policy, len(seen) % 2) not in seen:
        seen.append((V, policy, len(seen) % 2))
        V, sweeps = box_evaluation(mdp, one_hot(policy, actions).tolist(), discount, threshold, None if afresh else V)
        stable, total, policy = True, total + sweeps, policy.copy()
        for s in range(states):
            old, q = policy[s], [q_by_loops(mdp, V, discount, s, a) for a in range(actions)]
            policy[s] = arg_max(q, old, len(seen))
            stable = stable and policy[s] == old
        if stable:
            return V, policy, total
    return None


def test_evaluation_box_by_hand():
    """0 <- 1, every step pays 1, gamma a half: the sweeps give 1, 1.5, 1.75, ... for state 0, and state 1 already uses them."""
    mdp = deterministic([[0], [0]], 1.0)  # the largest change: 1.5 in state 1, then 0.5, 0.25, 0.125 in state 0
    for threshold, sweeps, values in ((1.6, 1, [1.0, 1.5]), (0.6, 2, [1.5, 1.75]), (0.3, 3, [1.75, 1.875]), (0.2, 4, [1.875, 1.9375])):
        found, count = D.iterative_policy_evaluation(mdp, torch.ones(2, 1, dtype=torch.float64), 0.5, threshold)
        assert (found.tolist(), count) == (values, sweeps)


@pytest.mark.parametrize("seed", SEEDS)
def test_evaluation_box_line_by_line(seed):
    mdp, policy = random_mdp(seed), random_policy(seed, 5, 3)
    for threshold in (1.0, 1e-3, 1e-10):
        found, sweeps = D.iterative_policy_evaluation(mdp, policy, 0.9, threshold)
        wanted, count = box_evaluation(plain(mdp), policy.tolist(), 0.9, threshold)
        np.testing.assert_allclose(found, wanted, atol=1e-13)
        assert sweeps == count
        distance = float((found - M.evaluate(mdp, policy, 0.9)).abs().max())
        assert distance <= threshold * 0.9 / (1 - 0.9) + 1e-14
    assert distance < 1e-8


def test_evaluation_may_go_on_from_other_values():
    mdp, policy = random_mdp(0), random_policy(0, 5, 3)
    begin = torch.linspace(-3, 3, 5, dtype=torch.float64)
    found, sweeps = D.iterative_policy_evaluation(mdp, policy, 0.9, 1e-6, begin)
    wanted, count = box_evaluation(plain(mdp), policy.tolist(), 0.9, 1e-6, begin.tolist())
    np.testing.assert_allclose(found, wanted, atol=1e-13)
    assert sweeps == count and begin.tolist() == torch.linspace(-3, 3, 5, dtype=torch.float64).tolist()
    assert D.iterative_policy_evaluation(mdp, policy, 0.9, 1e-6, found)[1] == 1  # nothing left to do


@pytest.mark.parametrize("seed", SEEDS)
def test_policy_iteration_box_line_by_line(seed):
    mdp = random_mdp(seed, states=6)
    values, policy, sweeps = D.policy_iteration_by_sweeps(mdp, 0.9, 1e-10)
    wanted, actions, count = box_policy_iteration(plain(mdp), 0.9, 1e-10)
    np.testing.assert_allclose(values, wanted, atol=1e-13)
    assert policy.tolist() == one_hot(actions, 3).tolist()
    assert sweeps == count
    exact = D.policy_iteration(mdp, 0.9)
    torch.testing.assert_close(values, exact.values, atol=1e-8, rtol=0)
    assert torch.equal(policy, exact.policy)


@pytest.mark.parametrize("number", gridworld.MAPS)
def test_policy_iteration_box_on_the_mazes(number):
    mdp = gridworld.load_map(number).mdp()
    values, policy, _ = D.policy_iteration_by_sweeps(mdp, 0.9)
    torch.testing.assert_close(values, D.policy_iteration(mdp, 0.9).values, atol=1e-6, rtol=0)
    torch.testing.assert_close(M.evaluate(mdp, policy, 0.9), D.policy_iteration(mdp, 0.9).values, atol=1e-12, rtol=0)


def test_going_on_from_the_last_values_saves_sweeps():
    mdp, total, old = gridworld.load_map(4).mdp(), 0, None
    policy = M.greedy_policy(torch.zeros_like(mdp.reward))
    while old is None or not torch.equal(policy, old):
        values, sweeps = D.iterative_policy_evaluation(mdp, policy, 0.9)  # from 0 in every round
        total, old = total + sweeps, policy
        policy = D.improve(M.action_values(mdp, values, 0.9), policy, error=1e-6)
    assert total > 5 * D.policy_iteration_by_sweeps(mdp, 0.9)[2]


# ---- ties ----

# Every step pays 1, so with gamma a half every state is worth 2 and every action too.
TWO = deterministic([[0, 0], [0, 1]], 1.0)  # 1 may go to 0 or stay
THREE = deterministic([[0, 0], [0, 0], [1, 2]], 1.0)  # 1 goes to 0; 2 may go to 1 or stay


def sweeps_of_two(policy):
    return box_evaluation(plain(TWO), one_hot(policy, 2).tolist(), 0.5, 1e-3)[0]


def test_the_box_goes_round_for_ever_where_its_arg_max_changes_its_mind():
    """The box says arg max, not which one. Always the first is safe here; one time the first and one time the last never is stable."""
    values, _, _ = box_policy_iteration(plain(TWO), 0.5, 1e-3)
    assert values == pytest.approx([2.0, 2.0], abs=2e-3)
    assert box_policy_iteration(plain(TWO), 0.5, 1e-3, another) is None


def test_the_box_goes_round_for_ever_where_each_evaluation_starts_afresh():
    """Then the first arg max is not safe either. Where 1 goes to 0, the sweeps leave V(1) nearer to 2 than V(0), and staying looks better.
    Where it stays, V(0) = V(1), and the first action is taken again."""
    going, staying = sweeps_of_two([0, 0]), sweeps_of_two([0, 1])
    assert going[0] < going[1] < 2 and staying[0] == staying[1] < 2
    assert box_policy_iteration(plain(TWO), 0.5, 1e-3, afresh=True) is None
    assert box_policy_iteration(plain(TWO), 0.9, 1e-8, afresh=True) is None


def test_keeping_the_old_action_helps_and_is_not_enough_where_each_evaluation_starts_afresh():
    """With three states the sweeps' error speaks for another action each time, by more than rounding."""
    assert box_policy_iteration(plain(TWO), 0.5, 1e-3, keep) is not None
    assert box_policy_iteration(plain(TWO), 0.5, 1e-3, keep, afresh=True) is not None
    assert box_policy_iteration(plain(THREE), 0.5, 1e-3, keep, afresh=True) is None


@pytest.mark.parametrize("mdp", [TWO, THREE])
def test_ours_stops_on_ties(mdp):
    values, policy, _ = D.policy_iteration_by_sweeps(mdp, 0.5, 1e-3)
    torch.testing.assert_close(values, torch.full_like(values, 2.0), atol=2e-3, rtol=0)
    assert bool((policy.sum(-1) == 1).all())


@pytest.mark.parametrize("threshold", [2.0, 0.1, 1e-4, 1e-8])
def test_policy_iteration_by_sweeps_always_stops(threshold, monkeypatch):
    """Forty MDPs full of ties. What it finds is as good as the error of the sweeps allows."""
    discount = 0.9
    error = threshold * discount**2 / (1 - discount)
    rounds = []
    improve = D.improve
    monkeypatch.setattr(D, "improve", lambda *arguments: rounds.append(0) or (improve(*arguments) if len(rounds) < 100 else pytest.fail()))
    for seed in range(40):
        rng = np.random.default_rng(seed)
        mdp = deterministic(rng.integers(4, size=(4, 2)).tolist(), rng.integers(1 + seed % 2, 2, size=(4, 2), endpoint=True))
        _, policy, _ = D.policy_iteration_by_sweeps(mdp, discount, threshold)
        loss = D.policy_iteration(mdp, discount).values - M.evaluate(mdp, policy, discount)
        assert float(loss.max()) <= 4 * error / (1 - discount) + 1e-7
        rounds.clear()


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_exact_policy_iteration_stops_on_ties(scale, monkeypatch):
    """All rewards alike: every policy is optimal, and rounding (2e-7 at a scale of a million) must not look like an improvement."""
    rounds = []
    improve = D.improve
    monkeypatch.setattr(D, "improve", lambda *arguments: rounds.append(0) or (improve(*arguments) if len(rounds) < 9 else pytest.fail()))
    for seed in range(20):
        mdp = random_mdp(seed, states=8)
        mdp = mdp._replace(reward=torch.full_like(mdp.reward, 0.3 * scale), terminal=torch.zeros_like(mdp.terminal))
        solution = D.policy_iteration(mdp, 0.999)
        torch.testing.assert_close(solution.values, torch.full((8,), 300.0 * scale, dtype=torch.float64), rtol=1e-9, atol=0)
        rounds.clear()


# ---- refusals ----

SWEEPERS = {
    "iterative_policy_evaluation": lambda mdp, *rest: D.iterative_policy_evaluation(mdp, M.uniform_policy(mdp), *rest),
    "policy_iteration_by_sweeps": D.policy_iteration_by_sweeps,
    "value_iteration": D.value_iteration,
}


@pytest.mark.parametrize("name", SWEEPERS)
def test_sweepers_refuse(name):
    call, mdp = SWEEPERS[name], random_mdp(0)
    for discount in (-0.1, 1.5):
        with refuses(f"{name}: discount is {discount}, wanted a number from 0 to 1"):
            call(mdp, discount)
    for threshold in (0, -1e-3, float("inf")):
        with refuses(f"{name}: threshold is {threshold}, wanted a finite number above 0"):
            call(mdp, 0.9, threshold)


def test_the_boxes_take_one_task():
    tasks = M.stack([random_mdp(0), random_mdp(1)])
    for call in (SWEEPERS["iterative_policy_evaluation"], D.policy_iteration_by_sweeps):
        with refuses("iterative_policy_evaluation: policy has shape (2, 5, 3), wanted [S, A] = (5, 3), one task at a time"):
            call(tasks, 0.9)


def test_evaluation_wants_a_policy():
    with refuses("iterative_policy_evaluation: policy has shape (5, 2), wanted [S, A] = (5, 3), one task at a time"):
        D.iterative_policy_evaluation(random_mdp(0), torch.full((5, 2), 0.5), 0.9)
    with refuses("iterative_policy_evaluation: policy[0] = [1.0, 1.0, 1.0] is no distribution; wanted numbers of at least 0 that sum to 1"):
        D.iterative_policy_evaluation(random_mdp(0), torch.ones(5, 3), 0.9)


def test_value_iteration_gives_up():
    with refuses("value_iteration: values still move after 7 sweeps; raise threshold or max_sweeps", RuntimeError):
        D.value_iteration(TWO, 0.9, 1e-8, max_sweeps=7)


def test_policy_iteration_refuses_what_evaluate_refuses():
    with refuses("mdp.evaluate: discount is 1.2, wanted a number from 0 to 1"):
        D.policy_iteration(random_mdp(0), 1.2)
    with refuses(
        "mdp.evaluate: with discount 1 the policy must end the episode, or come to rest where it is paid 0; from state 0 it never does"
    ):
        D.policy_iteration(TWO, 1.0, M.uniform_policy(TWO))
    with refuses("mdp.evaluate: policy has shape (5, 2), wanted [..., S, A] = (5, 3)"):
        D.policy_iteration(random_mdp(0), 0.9, torch.full((5, 2), 0.5))
