import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from rounding import assert_trained_alike

from distral_lite import mdp, networks, soft
from distral_lite import soft_q_learning as sql
from distral_lite.gridworld import GridWorld, load_map
from distral_lite.mdp import MDP, action_values
from distral_lite.soft_q_learning import Config, critical_beta, soft_backup, soft_evaluate, soft_value_iteration, solve, train

UNIFORM = torch.full((5,), -math.log(5), dtype=torch.float64)
SMALL = GridWorld.from_text(
    """
    #####
    #S..#
    #.#.#
    #..G#
    #####
    """
)
SETTINGS = [
    (0.0, 20.0, 0.95),
    (0.5, 1e4, 0.999),
    (0.8, 5.0, 0.999),
    (0.8, 2.0, 0.999),
    (0.8, 1.0, 0.999),
    (1.0, 1e-3, 0.999),
    (0.3, 1e-3, 0.9),
]


def random_world(seed, states=8, actions=3):
    """A random MDP and the log of a random prior [S, A]."""
    generator = np.random.default_rng(seed)
    world = mdp.random_mdp(generator, states, actions)
    return world, torch.log_softmax(torch.from_numpy(generator.normal(size=(states, actions))), -1)


def deterministic_world(seed, states=8, actions=3, cost=1.0):
    """A random MDP with one certain outcome an action, costs between 0 and `cost`, and an end in reach of every state."""
    generator = np.random.default_rng(seed)
    terminal = torch.zeros(states, actions, 1, dtype=torch.bool)
    terminal[0, 0] = True
    successor = torch.from_numpy(generator.integers(states, size=(states, actions, 1)))
    successor[:, 1, 0] = (torch.arange(states) + 1) % states  # action 1 goes round, so that all can be reached
    reward = -cost * torch.from_numpy(generator.random((states, actions)))
    start = torch.full((states,), 1 / states, dtype=torch.float64)
    world = MDP(successor, torch.ones(states, actions, 1, dtype=torch.float64), reward, terminal, start, torch.eye(states))
    return world, torch.log_softmax(torch.from_numpy(generator.normal(size=(states, actions))), -1)


# ---- the exact soft optimum ----


@pytest.mark.parametrize(("alpha", "beta", "discount"), SETTINGS)
@pytest.mark.parametrize("number", [4, 6])
def test_the_residual_of_the_soft_bellman_equation_vanishes(number, alpha, beta, discount):
    task = load_map(number).mdp()
    found = solve(task, UNIFORM, alpha, beta, discount)
    scale = max(1.0, float(found.value.abs().max()))
    assert (soft_backup(task, found.value, UNIFORM, alpha, beta, discount) - found.value).abs().max() < 1e-11 * scale
    assert (action_values(task, found.value, discount) - found.q).abs().max() < 1e-11 * scale
    torch.testing.assert_close(soft_evaluate(task, found.log_policy, UNIFORM, alpha, beta, discount), found.value, rtol=1e-9, atol=1e-9)
    assert found.iterations <= 15


@pytest.mark.parametrize("beta", [1e-3, 1.0, 30.0, 1e4])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_newton_is_soft_value_iteration(alpha, beta):
    for seed in range(3):
        task, log_prior = random_world(seed)
        newton, sweeps = (f(task, log_prior, alpha, beta, 0.9) for f in (solve, soft_value_iteration))
        scale = max(1.0, float(newton.value.abs().max()))
        torch.testing.assert_close(newton.value, sweeps.value, atol=1e-8 * scale, rtol=0)
        torch.testing.assert_close(newton.q, sweeps.q, atol=1e-8 * scale, rtol=0)
        torch.testing.assert_close(newton.log_policy.exp(), sweeps.log_policy.exp(), atol=1e-6, rtol=0)
        assert newton.iterations < 10 < sweeps.iterations


@pytest.mark.parametrize("seed", range(5))
def test_newton_rises_at_every_iteration(seed):
    task, log_prior = random_world(seed)
    log_policy, last = log_prior, torch.full((8,), -math.inf, dtype=torch.float64)
    for iteration in range(10):
        value = soft_evaluate(task, log_policy, log_prior, 0.5, 10.0, 0.99)
        assert (value > last + (1e-3 if iteration < 2 else -1e-12)).all()
        last, log_policy = value, soft.soft_log_policy(action_values(task, value, 0.99), log_prior, 0.5, 10.0)
    torch.testing.assert_close(last, solve(task, log_prior, 0.5, 10.0, 0.99).value, atol=1e-9, rtol=0)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 3.0), (0.5, 10.0), (0.0, 0.1)])
def test_no_random_policy_beats_the_optimum(alpha, beta):
    """1000 policies, far from the optimum and near it, each evaluated by a linear solve with its regulariser (2.40)."""
    task, log_prior = random_world(0)
    best, generator = solve(task, log_prior, alpha, beta, 0.95), np.random.default_rng(1)
    noise = torch.from_numpy(generator.normal(size=(1000, 8, 3)))
    far, near = torch.log_softmax(5 * noise[:500], -1), torch.log_softmax(best.log_policy + 0.1 * noise[500:], -1)
    for policies in (far, near):
        value = soft_evaluate(task, policies, log_prior, alpha, beta, 0.95)
        assert value.shape == (500, 8)
        assert (value < best.value + 1e-11).all() and (value.mean(-1) < best.value.mean()).all()


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 3.0), (0.8, 5.0), (0.0, 20.0)])
def test_the_undiscounted_optimum_solves_a_linear_system(alpha, beta):
    """With gamma = 1 and certain outcomes z = exp(beta V) obeys z = M z + b (Todorov, 2007): an oracle without any iteration."""
    world = load_map(4)
    task = world.mdp()
    weight = torch.exp(alpha * UNIFORM + beta * task.reward)
    matrix, ends = mdp.transition_matrix(task, weight), (weight * task.terminal[..., 0]).sum(-1)
    z = torch.linalg.solve(torch.eye(len(ends), dtype=torch.float64) - matrix, ends)
    others = torch.arange(len(ends)) != world.goal  # in the goal the regulariser is paid once, and nothing after
    found = solve(task, UNIFORM, alpha, beta, 1.0)
    torch.testing.assert_close(found.value[others], z[others].log() / beta, atol=1e-8, rtol=0)


def test_the_phase_transition_on_map_4():
    """Finding F2: with alpha = 0.8 the agent never arrives at beta = 1, and does at 2 and at 5."""
    task, start = load_map(4).mdp(), load_map(4).start
    for beta, value, steps in ((1.0, 120.541, 1000.0), (2.0, -1.856, 70.266), (5.0, -2.303, 19.594)):
        found = solve(task, UNIFORM, 0.8, beta, 0.999)
        assert float(found.value[start]) == pytest.approx(value, abs=1e-3)
        assert mdp.expected_steps(task, found.log_policy.exp()) == pytest.approx(steps, abs=1e-3)


def test_expected_steps_on_the_maps():
    """Finding F3: the soft optimum with a uniform prior, not the shortest path, is what training comes to."""
    tasks = mdp.stack([load_map(number).mdp() for number in range(4, 9)])
    found = solve(tasks, UNIFORM, 0.8, 5.0, 0.999)
    steps = mdp.expected_steps(tasks, found.log_policy.exp())
    assert steps.tolist() == pytest.approx([19.6, 13.2, 7.7, 19.6, 18.7], abs=0.05)


@pytest.mark.parametrize("stochastic", [False, True])
def test_path_consistency(stochastic):
    """At the optimum V(s_0) = sum of gamma^d (r + sampled regulariser) + gamma^n V(s_n) for any actions; on average over outcomes."""
    (task, log_prior), alpha, beta, gamma = (random_world if stochastic else deterministic_world)(0), 0.7, 4.0, 0.97
    best = solve(task, log_prior, alpha, beta, gamma)
    paid = task.reward + soft.sampled_regulariser(best.log_policy, log_prior, alpha, beta)
    generator = np.random.default_rng(0)
    for _ in range(200):
        first = int(generator.integers(8))
        distribution, total = torch.nn.functional.one_hot(torch.tensor(first), 8).double(), 0.0
        for d in range(12):
            actions = torch.nn.functional.one_hot(torch.from_numpy(generator.integers(3, size=8)), 3).double()  # of each state
            total += gamma**d * float((distribution * (actions * paid).sum(-1)).sum())
            distribution = distribution @ mdp.transition_matrix(task, actions)
        assert total + gamma**12 * float(distribution @ best.value) == pytest.approx(float(best.value[first]), abs=1e-10)


def test_tasks_together_and_apart():
    maps = [load_map(number).mdp() for number in (4, 6, 8)]
    together = solve(mdp.stack(maps), UNIFORM, 0.8, 5.0, 0.99)
    for k, task in enumerate(maps):
        alone = solve(task, UNIFORM, 0.8, 5.0, 0.99)
        torch.testing.assert_close(together.value[k], alone.value, atol=1e-10, rtol=0)
        torch.testing.assert_close(together.q[k], alone.q, atol=1e-10, rtol=0)
        torch.testing.assert_close(together.log_policy[k], alone.log_policy, atol=1e-9, rtol=0)


def test_a_sweep_of_alpha_and_beta_is_one_more_axis():
    task = SMALL.mdp()
    alpha, beta = torch.tensor([[0.0], [0.5], [1.0]]), torch.tensor([[30.0], [5.0], [0.01]])
    swept = solve(task, UNIFORM, alpha, beta, 0.99)
    for i in range(3):
        one = solve(task, UNIFORM, float(alpha[i]), float(beta[i]), 0.99)
        torch.testing.assert_close(swept.value[i], one.value, atol=1e-8, rtol=1e-7)  # alpha and beta were float32


def test_the_prior_may_differ_from_state_to_state_and_rule_actions_out():
    task, _ = random_world(3)
    log_prior = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64).log().repeat(8, 1)
    log_prior[0] = torch.tensor([1.0, 0.0, 0.0]).log()
    found = solve(task, log_prior, 1.0, 5.0, 0.9)
    assert (found.log_policy[:, 2] == -math.inf).all() and torch.isfinite(found.value).all() and torch.isfinite(found.q).all()
    assert found.log_policy[0].exp().tolist() == [1.0, 0.0, 0.0]
    without = MDP(*(x[:, :2] if x.ndim > 1 and x.shape[1] == 3 else x for x in task))
    prior = torch.tensor([0.5, 0.5], dtype=torch.float64).log().repeat(8, 1)
    prior[0] = torch.tensor([1.0, 0.0]).log()
    torch.testing.assert_close(found.value, solve(without, prior, 1.0, 5.0, 0.9).value, atol=1e-10, rtol=0)
    everything = solve(task, log_prior, 0.0, 5.0, 0.9)  # without alpha the prior rules nothing out
    torch.testing.assert_close(everything.value, solve(task, log_prior.new_full((3,), -math.log(3)), 0.0, 5.0, 0.9).value)


def test_a_warm_start_takes_fewer_iterations_to_the_same_optimum():
    task = load_map(4).mdp()
    cold, neighbour = (solve(task, UNIFORM, 0.8, beta, 0.999) for beta in (5.0, 5.2))
    warm = solve(task, UNIFORM, 0.8, 5.0, 0.999, start=neighbour)
    torch.testing.assert_close(warm.value, cold.value, atol=1e-9, rtol=0)
    assert warm.iterations < cold.iterations
    assert solve(task, UNIFORM, 0.8, 5.0, 0.999, start=cold).iterations <= 2


def test_sparse_and_dense_solves_agree(monkeypatch):
    tasks = mdp.stack([load_map(number).mdp() for number in (4, 5)])
    dense = solve(tasks, UNIFORM, 0.8, 5.0, 0.999)
    roots = [critical_beta(load_map(4).mdp(), UNIFORM, alpha) for alpha in (0.0, 0.8)]
    monkeypatch.setattr(mdp, "DENSE_STATES", 1)
    monkeypatch.setattr(sql.exact, "DENSE_ROOT", 1)
    sparse = solve(tasks, UNIFORM, 0.8, 5.0, 0.999)
    torch.testing.assert_close(dense.value, sparse.value, atol=1e-10, rtol=0)
    assert [critical_beta(load_map(4).mdp(), UNIFORM, alpha) for alpha in (0.0, 0.8)] == pytest.approx(roots, abs=1e-8)


def test_a_large_maze():
    world = GridWorld.random(40, 40, seed=1)
    task = world.mdp()
    assert len(world.cells) > mdp.DENSE_STATES
    found = solve(task, UNIFORM, 0.8, 5.0, 0.999)
    assert (soft_backup(task, found.value, UNIFORM, 0.8, 5.0, 0.999) - found.value).abs().max() < 1e-10
    assert found.iterations < 60


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0.0}, "beta is 0.0"),
        ({"beta": math.nan}, "beta is nan"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"discount": 1.01}, "discount is 1.01"),
        ({"log_prior": torch.full((4,), -math.log(4))}, r"log_prior has shape \(4,\), wanted \[..., S, A\] or \[A\], here S, A = \(8, 5\)"),
        ({"log_prior": UNIFORM.expand(7, 5)}, r"log_prior has shape \(7, 5\), wanted"),
        ({"log_prior": torch.zeros(5)}, r"exp\(log_prior\) = \[1.0, 1.0, 1.0, 1.0, 1.0\] is no distribution"),
        ({"log_prior": UNIFORM.expand(8, 5).clone().index_fill_(0, torch.tensor([2]), 0.0)}, r"exp\(log_prior\)\[2\]"),
    ],
)
@pytest.mark.parametrize("function", [solve, soft_value_iteration])
def test_solvers_refuse(function, change, message):
    good = {"log_prior": UNIFORM, "alpha": 0.8, "beta": 5.0, "discount": 0.9}
    with pytest.raises(ValueError, match=f"soft_q_learning.{function.__name__}: {message}"):
        function(SMALL.mdp(), **(good | change))


def test_other_refusals_of_the_solvers():
    task, zero = SMALL.mdp(), torch.tensor([0.5, 0.5, 0.0, 0.0, 0.0]).log().double()
    with pytest.raises(ValueError, match="soft_value_iteration: discount is 1, wanted below 1"):
        soft_value_iteration(task, UNIFORM, 0.8, 5.0, 1.0)
    with pytest.raises(ValueError, match=r"soft_value_iteration: threshold is 0\.0"):
        soft_value_iteration(task, UNIFORM, 0.8, 5.0, 0.9, threshold=0.0)
    with pytest.raises(RuntimeError, match="values still move after 3 sweeps"):
        soft_value_iteration(task, UNIFORM, 0.8, 5.0, 0.9, max_sweeps=3)
    with pytest.raises(RuntimeError, match="no convergence in 2 iterations; residual"):
        solve(task, UNIFORM, 0.8, 5.0, 0.9, max_iterations=2)
    with pytest.raises(ValueError, match=r"soft_evaluate: log_policy\[0, 2\] gives probability 0.2 to an action that log_prior rules out"):
        soft_evaluate(task, UNIFORM.expand(8, 5), zero, 0.5, 5.0, 0.9)
    assert torch.isfinite(soft_evaluate(task, UNIFORM.expand(8, 5), zero, 0.0, 5.0, 0.9)).all()  # without alpha there is no KL


# ---- the critical beta ----


def test_critical_betas_of_the_thesis_mazes():
    """Finding F2 for map 4; the other seven as computed here. With alpha = 1 no entropy is paid, and arriving is always best."""
    found = {
        number: [critical_beta(load_map(number).mdp(), UNIFORM, alpha) for alpha in (0.0, 0.5, 0.8, 0.95, 1.0)] for number in range(1, 9)
    }
    assert found[4] == pytest.approx([13.6274, 5.7142, 1.7475, 0.3618, 0.0], abs=1e-4)
    assert [row[2] for row in found.values()] == pytest.approx([2.2019, 2.4201, 1.9072, 1.7475, 1.7461, 1.6709, 1.7475, 1.7475], abs=1e-4)
    assert all(a > b for row in found.values() for a, b in itertools.pairwise(row))


def test_critical_beta_does_not_care_about_history():
    world = load_map(4)
    assert critical_beta(world.mdp(history=True), UNIFORM, 0.8) == pytest.approx(critical_beta(world.mdp(), UNIFORM, 0.8), abs=1e-9)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.8])
def test_at_the_critical_beta_the_best_average_of_wandering_is_zero(alpha):
    """An independent way: relative soft value iteration with the goal forbidden gives the gain of never finishing."""
    world = load_map(4)
    task = world.mdp()
    forbidden = torch.where(task.terminal[..., 0], -math.inf, alpha * UNIFORM)
    inside = torch.arange(len(world.cells)) != world.goal

    def gain(beta):
        value = torch.zeros(len(world.cells), dtype=torch.float64)
        for _ in range(2000):
            new = torch.logsumexp(forbidden + beta * (task.reward + value[task.successor[..., 0]]), -1) / beta
            rise = (new - value)[inside]
            value = torch.where(inside, new - new[world.start], 0.0)
        assert rise.max() - rise.min() < 1e-8
        return float(rise.mean())

    critical = critical_beta(task, UNIFORM, alpha)
    assert gain(critical) == pytest.approx(0.0, abs=1e-8)
    assert gain(0.9 * critical) > 1e-3 and gain(1.1 * critical) < -1e-3


def test_undiscounted_values_have_a_bound_only_above_the_critical_beta():
    task = load_map(4).mdp()
    critical = critical_beta(task, UNIFORM, 0.8)
    assert torch.isfinite(solve(task, UNIFORM, 0.8, 1.001 * critical, 1.0).value).all()
    with pytest.raises(RuntimeError, match=r"soft_q_learning\.solve: with discount 1\.0 the values have no bound"):
        solve(task, UNIFORM, 0.8, 0.99 * critical, 1.0)


def waiting_room(reward, actions=4):
    """One state: action 0 ends the episode, the others wait at the given reward (one state more, for good measure, out of reach)."""
    terminal = torch.zeros(2, actions, 1, dtype=torch.bool)
    terminal[0, 0] = True
    successor = torch.tensor([0, 1]).view(2, 1, 1).expand(2, actions, 1).clone()
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    pay = torch.tensor([[reward] * actions, [1.0] * actions], dtype=torch.float64)
    return MDP(successor, torch.ones(2, actions, 1, dtype=torch.float64), pay, terminal, start, torch.eye(2))


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_critical_beta_of_a_waiting_room(alpha):
    """Waiting costs c and offers A - 1 actions: the root is (A - 1) A^-alpha exp(-beta c), so beta = log((A - 1) A^-alpha) / c."""
    prior = torch.full((4,), -math.log(4), dtype=torch.float64)
    assert critical_beta(waiting_room(-0.2), prior, alpha) == pytest.approx(math.log(3 * 4**-alpha) / 0.2, rel=1e-10)
    assert critical_beta(waiting_room(-0.2), prior, 1.0) == 0.0
    with pytest.raises(ValueError, match="critical_beta: it is best never to finish however large beta is"):
        critical_beta(waiting_room(0.0), prior, alpha)


def ring(there, back):
    """Two states; in each, two actions lead to the other (and pay `there` or `back`) and a third one ends."""
    terminal = torch.tensor([False, False, True]).view(1, 3, 1).repeat(2, 1, 1)
    successor = torch.tensor([1, 0]).view(2, 1, 1).repeat(1, 3, 1)
    reward = torch.tensor([[there] * 3, [back] * 3], dtype=torch.float64)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    return MDP(successor, torch.ones(2, 3, 1, dtype=torch.float64), reward, terminal, start, torch.eye(2))


def test_critical_beta_of_a_ring():
    """Only the way round counts: it costs c a step and offers two actions, so beta = log(2) / c, for rewards of either sign."""
    prior = torch.full((3,), -math.log(3), dtype=torch.float64)
    for there, back in ((5.0, -9.0), (-9.0, 5.0), (-2.0, -2.0)):
        assert critical_beta(ring(there, back), prior, 0.0) == pytest.approx(math.log(2) / 2, rel=1e-9)
    for there, back in ((5.0, -1.0), (5.0, -5.0), (0.0, 0.0)):
        for alpha in (0.0, 0.3):
            with pytest.raises(ValueError, match="critical_beta: it is best never to finish however large beta is"):
                critical_beta(ring(there, back), prior, alpha)
    with pytest.raises(ValueError, match="however large beta is"):
        critical_beta(ring(5.0, -1.0), prior, 1.0)
    assert critical_beta(ring(-1e-3, 0.0), prior, 1.0) == 0.0


@pytest.mark.parametrize("dense", [0, 60])
def test_critical_beta_where_one_cannot_wander(dense, monkeypatch):
    """A corridor that only leads on has no way round: finishing is best at every beta, though it offers choices."""
    monkeypatch.setattr(sql.exact, "DENSE_ROOT", dense)
    world = ring(-1.0, -1.0)
    one_way = world._replace(terminal=world.terminal.clone().index_fill_(0, torch.tensor([1]), True))
    assert critical_beta(one_way, torch.full((3,), -math.log(3)), 0.0) == 0.0
    no_way_back = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]).log()  # the prior allows only the end in the second state
    assert critical_beta(world, no_way_back, 0.5) == 0.0


def test_critical_beta_refuses():
    for task in (random_world(0)[0], mdp.stack([SMALL.mdp()])):
        with pytest.raises(
            ValueError, match=r"critical_beta: probability is \(.*\), wanted \[S, A, M\] with one certain outcome an action"
        ):
            critical_beta(task, torch.full((task.reward.shape[-1],), -math.log(task.reward.shape[-1])), 0.5)
    with pytest.raises(ValueError, match="critical_beta: alpha is -1"):
        critical_beta(SMALL.mdp(), UNIFORM, -1)


# ---- the bandit three ways ----


def bandit(beta=3.0):
    """Mean rewards, the log of a prior, and beta."""
    prior = torch.tensor([0.5, 0.2, 0.2, 0.1], dtype=torch.float64)
    return torch.tensor([0.3, 1.0, -0.5, 0.9], dtype=torch.float64), prior.log(), beta


def differences(function, x, step=1e-6):
    """Central differences of a number with respect to every entry of x."""
    return torch.stack([(function(x + one) - function(x - one)) / (2 * step) for one in step * torch.eye(len(x), dtype=x.dtype)])


def every_action(policy, mean_reward):
    """An expectation over actions as samples: N actions in proportion to a policy that is a multiple of 1 / N."""
    action = torch.repeat_interleave(torch.arange(len(policy)), (policy * 20).round().long())
    return action, mean_reward[action]


def test_bandit_closed_form():
    """(2.35) by its own formula; it attains the soft value, no random policy beats it, and the gradient of eta vanishes there."""
    reward, log_prior, beta = bandit()
    weight = log_prior.exp() * torch.exp(beta * reward)
    best = soft.soft_log_policy(reward, log_prior, 1.0, beta)
    torch.testing.assert_close(best.exp(), weight / weight.sum())
    objective = lambda log_policy: sql.bandit_objective(log_policy, reward, log_prior, beta)  # noqa: E731
    assert float(objective(best)) == pytest.approx(float(weight.sum().log() / beta))
    others = torch.log_softmax(torch.from_numpy(np.random.default_rng(0).normal(size=(1000, 4))) * 3, -1)
    assert (objective(others) < objective(best)).all()
    slope = differences(lambda logits: objective(torch.log_softmax(logits, -1)), best)
    assert slope.abs().max() < 1e-9
    slope = differences(lambda logits: objective(torch.log_softmax(logits, -1)), best + torch.tensor([0.1, 0.0, 0.0, 0.0]))
    assert slope.abs().max() > 1e-3


def test_bandit_policy_gradient_is_the_gradient_of_eta():
    """(2.36) in expectation, by finite differences of (2.33), and both for several bandits at once."""
    reward, log_prior, beta = bandit()
    policy = torch.tensor([0.1, 0.3, 0.35, 0.25], dtype=torch.float64)
    action, paid = every_action(policy, reward)
    wanted = differences(lambda logits: sql.bandit_objective(torch.log_softmax(logits, -1), reward, log_prior, beta), policy.log())
    found = sql.bandit_policy_gradient(policy.log(), action, paid, log_prior, beta)
    torch.testing.assert_close(found, wanted, atol=1e-9, rtol=0)
    several = sql.bandit_policy_gradient(
        torch.stack([policy.log(), torch.zeros(4)]),
        torch.stack([action, action]),
        torch.stack([paid, paid]),
        log_prior,
        torch.tensor([beta, 1.0]),
    )
    torch.testing.assert_close(several[0], found)


def test_bandit_policy_ascent_and_value_descent_reach_the_closed_form():
    reward, log_prior, beta = bandit()
    best = soft.soft_log_policy(reward, log_prior, 1.0, beta).exp()
    generator, logits, q = torch.Generator().manual_seed(0), torch.zeros(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    for step in range(1, 801):
        noise = torch.rand(64, generator=generator, dtype=torch.float64) - 0.5
        action = torch.multinomial(logits.softmax(-1), 64, replacement=True, generator=generator)
        logits += 3.0 / step**0.6 * sql.bandit_policy_gradient(logits, action, reward[action] + noise, log_prior, beta)
        action = torch.randint(4, (64,), generator=generator)
        q -= 4.0 / step**0.6 * sql.bandit_value_gradient(q, action, reward[action] + noise)
    torch.testing.assert_close(logits.softmax(-1), best, atol=0.02, rtol=0)
    torch.testing.assert_close(soft.soft_log_policy(q, log_prior, 1.0, beta).exp(), best, atol=0.02, rtol=0)


def test_bandit_value_gradient_has_no_half():
    """(2.38) corrected: the gradient of the loss (2.37) by finite differences; the printed one is half of it."""
    reward, _, _ = bandit()
    action, paid = every_action(torch.tensor([0.1, 0.3, 0.35, 0.25], dtype=torch.float64), reward)
    q = torch.tensor([1.0, -1.0, 0.5, 2.0], dtype=torch.float64)
    found = sql.bandit_value_gradient(q, action, paid)
    torch.testing.assert_close(found, differences(lambda x: sql.bandit_value_loss(x, action, paid), q), atol=1e-9, rtol=0)
    torch.testing.assert_close(found, torch.tensor([0.1, 0.3, 0.35, 0.25], dtype=torch.float64) * (q - reward))
    assert float(sql.bandit_value_loss(torch.tensor([1.0, 3.0]), torch.tensor([0, 1, 1]), torch.tensor([1.0, 1.0, 3.0]))) == pytest.approx(
        2 / 3
    )


# ---- n-step targets at the optimum ----


def enumerate_targets(task, log_prior, alpha, beta, gamma, first_state, first_action, n):
    """Both targets of every sequence of actions that begins so, [sequences], and each one's probability under the soft optimum."""
    best = solve(task, log_prior, alpha, beta, gamma)
    actions = torch.tensor([(first_action, *rest) for rest in itertools.product(range(task.reward.shape[1]), repeat=n - 1)])
    state, columns = torch.full((len(actions),), first_state), []
    for action in actions.T:
        columns.append((state, action, task.successor[state, action, 0], task.terminal[state, action, 0]))
        state = columns[-1][2]
    state, action, following, terminal = (torch.stack(column, -1) for column in zip(*columns, strict=True))
    common = (task.reward[state, action], gamma * (~terminal).double(), best.value[following])
    log_policy, prior = best.log_policy[state], log_prior.expand_as(best.log_policy)[state]
    taken = [log.gather(-1, action.unsqueeze(-1)).squeeze(-1) for log in (log_policy, prior)]
    expected = soft.n_step_target_expected_kl(*common, log_policy, prior, alpha, beta)
    return (
        expected,
        soft.n_step_target_sampled(*common, *taken, alpha, beta),
        taken[0][:, 1:].sum(-1).exp(),
        best.q[first_state, first_action],
    )


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 5.0), (0.8, 5.0), (0.0, 20.0), (1.0, 0.1)])
@pytest.mark.parametrize("n", [2, 4])
def test_the_sampled_target_is_exact_for_any_actions_and_the_expected_one_on_average_over_the_policys_own(alpha, beta, n):
    world = load_map(4)
    expected, sampled, probability, q = enumerate_targets(world.mdp(), UNIFORM, alpha, beta, 0.99, world.start, 4, n)
    assert (sampled - q).abs().max() < 1e-10  # 5^(n-1) sequences, each by itself
    assert float(probability.sum()) == pytest.approx(1.0)
    assert float((probability * expected).sum()) == pytest.approx(float(q), abs=1e-10)  # on-policy: right on average
    assert (expected - q).abs().max() > 0.01  # but not each by itself
    assert abs(float(expected.mean() - q)) > 0.01  # so for replayed actions, here of a uniform policy, it is wrong even on average


def test_the_bias_of_the_expected_kl_target_grows_with_n():
    """In the thesis's setting, averaged over the actions of a uniform policy: a third of a reward unit for each further step."""
    world, bias = load_map(4), []
    for n in (1, 2, 3, 4):
        expected, _, _, q = enumerate_targets(world.mdp(), UNIFORM, 0.8, 5.0, 0.999, world.start, 4, n)
        bias.append(float(expected.mean() - q))
    assert bias == pytest.approx([0.0, -0.32351, -0.62808, -0.91957], abs=1e-5)


# ---- learning ----


def distance(run, exact, world=SMALL):
    """Largest error of Q over states acted in and actions, one number a lane: [R, K]."""
    acting = torch.arange(len(world.cells)) != world.goal
    return (run.agent.q - exact.q)[:, :, acting].abs().amax((-1, -2))


BASE = Config(steps=800, discount=0.95, alpha=0.8, beta=5.0, epsilon=0.5, exploring_starts=True, snapshots=10)


def test_one_step_soft_q_learning_finds_the_exact_q_in_all_of_20_runs():
    exact = solve(SMALL.mdp(), UNIFORM, 0.8, 5.0, 0.95)
    run = train([SMALL.mdp()], replace(BASE, memory=500, batch=16), range(20))
    assert (distance(run, exact) < 1e-3).all()
    assert (run.agent.log_policy.exp() - exact.log_policy.exp())[..., torch.arange(8) != SMALL.goal, :].abs().max() < 2e-3
    first = (run.history.snapshots[:, :, 0] - exact.q).abs().amax((-1, -2))
    assert (first > 0.5).all()  # they began far away
    assert run.history.snapshots.shape == (20, 1, 11, 8, 5) and run.history.snapshot_steps.tolist() == [*range(0, 801, 80)]
    assert torch.equal(run.history.snapshots[:, :, -1], run.agent.q)
    finished = torch.isfinite(run.history.durations).sum(-1)
    assert (finished > 30).all() and run.history.returns.shape == run.history.durations.shape


def test_online_learning_comes_near_too():
    exact = solve(SMALL.mdp(), UNIFORM, 0.8, 5.0, 0.95)
    run = train([SMALL.mdp()], replace(BASE, steps=2000), range(20))
    assert (distance(run, exact) < 0.05).all()


def test_replayed_n_step_targets_with_sampled_ratios_are_right_and_with_expected_kl_wrong():
    """The same data, the same n = 3: the first form ends at the soft optimum in all of 20 runs, the second far from it in every one."""
    exact = solve(SMALL.mdp(), UNIFORM, 0.8, 5.0, 0.95)
    config = replace(BASE, steps=1000, n_steps=3, memory=500, batch=16, learning_rate=0.2, epsilon=1.0)
    sampled, expected = (
        distance(train([SMALL.mdp()], replace(config, target=target), range(20)), exact) for target in ("sampled", "expected_kl")
    )
    assert (sampled < 0.05).all() and (expected > 1.0).all()


def test_large_steps_from_far_actions_throw_the_sampled_target_off():
    """The caution in `n_step_target_sampled`: n = 10 and actions at random. Half-way to the target diverges, a tenth does not."""
    config = replace(BASE, steps=300, n_steps=10, memory=200, batch=16, epsilon=1.0)
    far, near = (train([load_map(4).mdp()], replace(config, learning_rate=rate), range(5)).agent.q for rate in (0.5, 0.1))
    assert (~(far.abs().amax((-1, -2)) < 1e6)).all() and (near.abs() < 10).all()


def test_a_network_learns_it_too():
    exact = solve(SMALL.mdp(), UNIFORM, 0.8, 5.0, 0.95)
    run = train([SMALL.mdp()], replace(BASE, steps=600, memory=500, batch=64, hidden=(32,), learning_rate=1e-2), range(5))
    error = (run.history.snapshots - exact.q)[..., torch.arange(8) != SMALL.goal, :].abs().mean((-1, -2))[:, 0]
    assert (error[:, 0] > 0.25).all() and (error[:, -1] < 0.15).all()
    assert isinstance(run.agent.network, networks.MLP) and run.agent.q.dtype == torch.float32


def test_a_prior_and_a_sweep_over_tasks():
    """Each task its own alpha, beta and epsilon, and a prior that differs from state to state."""
    log_prior = torch.log_softmax(torch.from_numpy(np.random.default_rng(0).normal(size=(8, 5))), -1)
    alpha, beta = torch.tensor([1.0, 0.5]), torch.tensor([2.0, 10.0])
    config = replace(BASE, memory=500, batch=16, alpha=alpha, beta=beta, epsilon=torch.tensor([0.5, 0.9]))
    run = train([SMALL.mdp()] * 2, config, range(5), log_prior=log_prior)
    for k in range(2):
        exact = solve(SMALL.mdp(), log_prior, float(alpha[k]), float(beta[k]), 0.95)
        assert (distance(run, exact)[:, k] < 0.05).all()


def test_a_time_out_bootstraps():
    """Episodes cut after 2 steps can hardly ever end at the goal; the values are those of the uncut task all the same."""
    exact = solve(SMALL.mdp(), UNIFORM, 0.8, 5.0, 0.95)
    for n in (1, 3):
        run = train(
            [SMALL.mdp()], replace(BASE, steps=400, max_episode_steps=2, memory=500, batch=16, n_steps=n, learning_rate=0.6 / n), range(5)
        )
        assert (distance(run, exact) < 0.05).all() and float(run.history.durations.nan_to_num(0).max()) == 2


@pytest.mark.parametrize("change", [{}, {"n_steps": 3, "memory": 50, "batch": 4}, {"n_steps": 3, "target": "expected_kl"}])
def test_a_lane_alone_is_the_lane_among_many(change):
    tasks, config = [load_map(number).mdp() for number in (4, 5, 6)], replace(BASE, steps=200, learning_rate=0.1, **change)
    many = train(tasks, config, [3, 1, 2])
    alone = train(tasks[1:2], config, [2], task_ids=[1])
    assert torch.equal(many.agent.q[2:, 1:2], alone.agent.q)
    assert torch.equal(many.history.snapshots[2:, 1:2], alone.history.snapshots)
    episodes = alone.history.durations.shape[-1]
    torch.testing.assert_close(many.history.durations[2:, 1:2, :episodes], alone.history.durations, atol=0, rtol=0, equal_nan=True)
    assert not torch.equal(many.agent.q[0], many.agent.q[1])


@pytest.mark.parametrize("change", [{}, {"hidden": (16,), "learning_rate": 1e-2, "memory": 50, "batch": 8}])
def test_a_neighbour_with_rewards_a_thousand_times_larger_changes_nothing(change):
    task, config = SMALL.mdp(), replace(BASE, steps=200, **change)
    loud = task._replace(reward=1000 * task.reward)
    quiet, beside = train([task, task], config, [0]), train([task, loud], config, [0])
    assert_trained_alike(beside.agent.q[:, 0], quiet.agent.q[:, 0], config.steps if config.hidden else 0)
    assert (beside.agent.q[:, 1].abs().max() > 10) and torch.isfinite(beside.agent.q).all()


def test_windows_are_runs_of_the_newest_transitions():
    """A ring of 6 after 9 transitions holds 3 ... 8; each field says when its transition was stored."""
    ring = torch.tensor([6, 7, 8, 3, 4, 5]).view(1, 1, 6)
    memory = sql.Window(*[ring] * 6)
    uniform = (torch.arange(400).view(1, 1, -1) + 0.5) / 400
    found = sql.draw(memory, 9, uniform, 3).state[0, 0]
    rows, counts = found.unique(dim=0, return_counts=True)
    assert rows.tolist() == [[3, 4, 5], [4, 5, 6], [5, 6, 7], [6, 7, 8]] and counts.tolist() == [100] * 4
    assert sql.draw(memory, 9, uniform[..., :1], 6).state.flatten().tolist() == [3, 4, 5, 6, 7, 8]
    few = sql.Window(*[torch.tensor([0, 1, 2, 3, 0, 0]).view(1, 1, 6)] * 6)
    assert sql.draw(few, 4, uniform, 3).reward[0, 0].unique(dim=0).tolist() == [[0, 1, 2], [1, 2, 3]]


def test_a_table_moves_towards_the_mean_of_a_pairs_targets():
    table = networks.Table(torch.zeros(1, 1, 3, 2, dtype=torch.float64))
    state, action = torch.tensor([0, 0, 2, 2]).view(1, 1, 4, 1), torch.tensor([1, 1, 0, 1]).view(1, 1, 4, 1)
    window = sql.Window(state, action, *[state] * 4)
    sql.update_table(table, window, torch.tensor([[[1.0, 3.0, 8.0, -4.0]]], dtype=torch.float64), 0.5)
    assert table.values[0, 0].tolist() == [[0.0, 1.0], [0.0, 0.0], [4.0, -2.0]]


def test_mix():
    policy = torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    torch.testing.assert_close(sql.mix(policy, torch.tensor([0.2, 1.0])), torch.tensor([[0.9, 0.1], [0.5, 0.5]]))
    torch.testing.assert_close(sql.mix(policy, 0.0), policy)


def test_an_interrupted_run_returns_what_there_is(monkeypatch):
    calls, draw = [], sql.learning.draw

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 50:
            raise KeyboardInterrupt
        return draw(*arguments)

    monkeypatch.setattr(sql.learning, "draw", interrupted)
    run = train([SMALL.mdp()], replace(BASE, steps=200), range(2))
    assert run.history.snapshot_steps.tolist() == [0, 20, 40, 50] and run.history.snapshots.shape[2] == 4


@pytest.mark.parametrize("alpha", [0.5, 1.0])
@pytest.mark.parametrize("discount", [0.9, 0.999, 1.0])
def test_a_prior_right_to_float32_only_is_solved(alpha, discount):
    maze, beta = load_map(4).mdp(), 20.0
    rounded, exact = torch.full((5,), 0.2).log().double(), torch.full((5,), 0.2, dtype=torch.float64).log()
    found, wanted = (solve(maze, prior, alpha, beta, discount) for prior in (rounded, exact))
    torch.testing.assert_close(found.value, wanted.value, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"n_steps": 1.5}, r"n_steps is 1\.5"),
        ({"batch": 0}, "batch is 0"),
        ({"discount": 1.2}, r"discount is 1\.2"),
        ({"alpha": -0.1}, r"alpha is -0\.1"),
        ({"alpha": torch.tensor([0.5, 2.0])}, r"alpha\[1\] is 2\.0"),
        ({"beta": 0.0}, r"beta is 0\.0"),
        ({"beta": math.nan}, "beta is nan"),
        ({"epsilon": 2}, "epsilon is 2"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": 1.5}, r"learning_rate is 1\.5"),
        ({"target": "sample"}, "target is 'sample', wanted 'sampled' or 'expected_kl'"),
        ({"batch": 4}, "batch is 4, wanted 1, or a memory"),
        ({"n_steps": 5, "memory": 4}, r"memory is 4, wanted at least n_steps \(5\)"),
        ({"n_steps": 801}, r"n_steps is 801, wanted at most steps \(800\)"),
        ({"memory": 2.5}, r"memory is 2\.5"),
        ({"snapshots": 801}, r"snapshots is 801, wanted at most steps \(800\)"),
        ({"max_episode_steps": 0}, "max_episode_steps is 0"),
    ],
)
def test_config_refuses(change, message):
    with pytest.raises(ValueError, match=f"soft_q_learning.Config: {message}"):
        replace(BASE, **change)


def test_train_refuses():
    task, config = SMALL.mdp(), replace(BASE, steps=10)
    zero = torch.tensor([0.5, 0.5, 0.0, 0.0, 0.0]).log()
    for change, message in (
        ({"log_prior": torch.zeros(5)}, r"soft_q_learning\.train: exp\(log_prior\) = .* is no distribution"),
        ({"log_prior": zero}, r"soft_q_learning\.train: log_prior rules out actions that are explored"),
        (
            {"config": replace(config, beta=torch.ones(3))},
            r"soft_q_learning\.train: config\.beta has shape \(3,\), wanted a number or one a task",
        ),
        ({"seeds": [1, 1]}, "wanted different integers"),
        ({"tasks": [task, load_map(4).mdp()]}, "wanted the same states and actions"),
    ):
        with pytest.raises(ValueError, match=message):
            train(**({"tasks": [task], "config": config, "seeds": [0]} | change))
