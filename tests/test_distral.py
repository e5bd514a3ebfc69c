"""The objective, its exact optimum, the fixed point and the exact gradients, against each other and against autograd."""

import math

import numpy as np
import pytest
import torch

from distral_lite import distral, mdp, soft_q_learning
from distral_lite.gridworld import load_map

ALPHA, BETA, GAMMA = 0.8, 5.0, 0.999


def random_tasks(seed=0, tasks=3):
    """Small random tasks over the same states and actions, stacked."""
    generator = np.random.default_rng(seed)
    return mdp.stack([mdp.random_mdp(generator) for _ in range(tasks)])


def random_logits(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def maps(*numbers):
    return [load_map(number).mdp() for number in numbers]


@pytest.fixture(scope="module")
def five():
    tasks = maps(4, 5, 6, 7, 8)
    return mdp.stack(tasks), distral.solve(tasks, ALPHA, BETA, GAMMA)


def test_both_lines_of_the_objective_agree():
    """(2.62): C_KL and C_Ent, written out step by step, against alpha and beta."""
    tasks, c_kl, c_ent = random_tasks(), 0.3, 0.2
    log_pi0, log_pi = random_logits(1, 5, 3).log_softmax(-1), random_logits(2, 3, 5, 3).log_softmax(-1)
    alpha, beta = distral.mixing(c_kl, c_ent)
    priced = tasks.reward - c_kl * (log_pi - log_pi0) - c_ent * log_pi
    first_line = (tasks.start * mdp.evaluate(tasks._replace(reward=priced), log_pi.exp(), 0.9)).sum()
    assert (alpha, beta) == pytest.approx((0.6, 2.0))
    assert float(first_line) == pytest.approx(float(distral.objective(tasks, log_pi0, log_pi, alpha, beta, 0.9)), abs=1e-12)


def test_two_columns_is_the_prior_times_the_exponential_of_the_advantage():
    """(2.65) corrected equals (2.66); the printed (2.65), with pi_i in place of the prior, does not hold."""
    h, f = random_logits(1, 5, 3), random_logits(2, 5, 3)
    log_pi0, log_pi = distral.distilled_policy(h), distral.two_column_policy(h, f, ALPHA, BETA)
    advantage = distral.soft_advantage(f, log_pi0, ALPHA, BETA)
    torch.testing.assert_close(log_pi, ALPHA * log_pi0 + BETA * advantage, atol=1e-12, rtol=0)
    assert float((log_pi - (log_pi + BETA * advantage)).abs().max()) > 0.1


def test_limits_of_two_columns():
    h, f = random_logits(1, 5, 3), random_logits(2, 5, 3)
    greedy = distral.two_column_policy(h, f, ALPHA, 1e6).exp()
    assert torch.equal(greedy.argmax(-1), f.argmax(-1)) and float(greedy.max(-1).values.min()) > 1 - 1e-9
    torch.testing.assert_close(distral.two_column_policy(h, f, 0.0, BETA), distral.one_column_policy(f, BETA))
    torch.testing.assert_close(distral.two_column_policy(h, torch.zeros_like(f), 1.0, BETA), distral.distilled_policy(h))


def test_one_column_ignores_beta():
    """(2.63): the printed policy has temperature 1; beta' = beta gives the soft-optimal policy without a prior."""
    f = torch.tensor([0.0, math.log(2.0)], dtype=torch.float64)
    torch.testing.assert_close(distral.one_column_policy(f).exp(), torch.tensor([1 / 3, 2 / 3], dtype=torch.float64))
    torch.testing.assert_close(distral.one_column_policy(f, 3.0).exp(), torch.tensor([1 / 9, 8 / 9], dtype=torch.float64))


def test_centroid_is_where_gradient_ascent_on_the_distillation_objective_ends():
    """(2.68): ascend sum_i d_i(s) sum_a pi_i(a|s) log pi_0(a|s) in the logits of pi_0 and compare."""
    tasks, policies = random_tasks(), random_logits(2, 3, 5, 3).softmax(-1)
    visits = mdp.visits(tasks, policies, 0.9)
    weight = visits.unsqueeze(-1) * policies
    h = torch.zeros(5, 3, dtype=torch.float64, requires_grad=True)
    for _ in range(3000):
        (gradient,) = torch.autograd.grad((weight * h.log_softmax(-1)).sum(), h)
        h = (h + gradient / weight.sum((0, 2)).unsqueeze(-1)).detach().requires_grad_()
    found = distral.centroid(policies.log(), visits, h.detach())
    torch.testing.assert_close(found.exp(), h.softmax(-1).detach(), atol=1e-8, rtol=0)


def test_centroid_by_hand():
    """One state seen 3 times by one task and once by another; one that nobody sees; one action that nobody takes with any chance."""
    policies = torch.tensor([[[0.8, 0.2], [0.5, 0.5]], [[0.4, 0.6], [0.5, 0.5]]], dtype=torch.float64)
    fallback = torch.tensor([[0.5, 0.5], [0.9, 0.1]], dtype=torch.float64).log()
    found = distral.centroid(policies.log(), torch.tensor([[3.0, 0.0], [1.0, 0.0]], dtype=torch.float64), fallback)
    torch.testing.assert_close(found.exp(), torch.tensor([[0.7, 0.3], [0.9, 0.1]], dtype=torch.float64))
    faint = torch.tensor([[[0.0, -2000.0]], [[0.0, -2000.0]]], dtype=torch.float64)
    assert distral.centroid(faint, torch.ones(2, 1, dtype=torch.float64), faint[0])[0].tolist() == [0.0, -2000.0]


@pytest.mark.parametrize("columns", [1, 2])
def test_gradients_equal_autograd_of_the_exact_objective(columns):
    """(2.69) to (2.74), for both architectures: the closed forms against autograd through the linear solve."""
    tasks = random_tasks()
    h, f = random_logits(1, 5, 3).requires_grad_(), random_logits(2, 3, 5, 3).requires_grad_()
    log_pi0 = distral.distilled_policy(h)
    log_pi = distral.one_column_policy(f, 2.0) if columns == 1 else distral.two_column_policy(h, f, ALPHA, BETA)
    by_h, by_f = torch.autograd.grad(distral.objective(tasks, log_pi0, log_pi, ALPHA, BETA, 0.9), (h, f))
    log_pi0, log_pi = log_pi0.detach(), log_pi.detach()
    through_tasks, to_centroid = distral.distilled_gradient(tasks, log_pi0, log_pi, ALPHA, BETA, 0.9)
    scale = 2.0 if columns == 1 else BETA
    torch.testing.assert_close(scale * distral.task_gradient(tasks, log_pi0, log_pi, ALPHA, BETA, 0.9), by_f, atol=1e-12, rtol=0)
    torch.testing.assert_close(to_centroid + (through_tasks if columns == 2 else 0), by_h, atol=1e-12, rtol=0)
    assert float(through_tasks.abs().max()) > 1e-3  # the first term is there to be told apart from the second


def test_objective_never_falls_and_ends_at_a_stationary_point(five):
    tasks, solution = five
    assert bool((solution.objective.diff() > -1e-10).all()) and len(solution.objective) > 3
    through_tasks, to_centroid = distral.distilled_gradient(tasks, solution.log_pi0, solution.log_pi, ALPHA, BETA, GAMMA)
    assert float(through_tasks.abs().max()) < 1e-8  # given pi_0 the pi_i are optimal
    assert float(to_centroid.abs().max()) < 1e-3  # and pi_0 is their centroid
    found = float(distral.objective(tasks, solution.log_pi0, solution.log_pi, ALPHA, BETA, GAMMA))
    assert found == pytest.approx(float(solution.objective[-1]), abs=1e-9)


def test_no_nearby_policies_do_better(five):
    tasks, solution = five
    best = float(solution.objective[-1])
    for seed in range(20):
        h = solution.log_pi0 + 0.1 * random_logits(seed, 32, 5)
        log_pi = (solution.log_pi + 0.1 * random_logits(100 + seed, 5, 32, 5)).log_softmax(-1)
        assert float(distral.objective(tasks, distral.distilled_policy(h), log_pi, ALPHA, BETA, GAMMA)) < best


def test_expected_steps_at_the_joint_optimum(five):
    """Sharing shortens the way of every task, against the soft optimum with a uniform prior; neither is the shortest path."""
    tasks, solution = five
    shared = mdp.expected_steps(tasks, solution.log_pi.exp())
    alone = soft_q_learning.solve(tasks, mdp.uniform_policy(tasks).log(), ALPHA, BETA, GAMMA)
    assert [round(float(x), 1) for x in shared] == [14.6, 10.1, 5.6, 14.6, 13.6]
    assert [round(float(x), 1) for x in mdp.expected_steps(tasks, alone.log_policy.exp())] == [19.6, 13.2, 7.7, 19.6, 18.7]


def test_identical_tasks_share_everything():
    solution = distral.solve(maps(4, 4), ALPHA, BETA, 0.95)
    visited = mdp.visits(mdp.stack(maps(4, 4)), solution.log_pi.exp(), 0.95)[0] > 1e-12
    for task in range(2):
        torch.testing.assert_close(solution.log_pi[task][visited].exp(), solution.log_pi0[visited].exp(), atol=1e-4, rtol=0)


def test_alpha_zero_decouples_the_tasks():
    tasks = maps(4, 5, 7)
    together = distral.solve(tasks, 0.0, 20.0, 0.95)
    for k, task in enumerate(tasks):
        alone = soft_q_learning.solve(task, mdp.uniform_policy(task).log(), 0.0, 20.0, 0.95)
        torch.testing.assert_close(together.log_pi[k], alone.log_policy, atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("beta_prime", "steps"),
    [(1, (152, 107)), (2, (82, 57)), (5, (39, 26)), (10, (24, 16)), (100, (13.7, 9.5))],
)
def test_one_column_fixed_point_over_beta_prime(beta_prime, steps):
    """The way's length against beta' on maps 4 and 5: long at beta' = 1 whatever beta is, near the shortest path at 100."""
    tasks = maps(4, 5)
    point = distral.one_column_fixed_point(tasks, ALPHA, BETA, beta_prime, GAMMA)
    found = mdp.expected_steps(mdp.stack(tasks), point.behaviour)
    assert [float(x) for x in found] == pytest.approx(steps, rel=0.02)


def test_two_columns_rest_near_the_joint_optimum_and_random_actions_push_them_away():
    """Without chance the fixed point has the joint optimum's equations, but for the say of each task; chance is distilled with the rest."""
    tasks = maps(4, 5, 6, 7, 8)
    best = mdp.expected_steps(mdp.stack(tasks), distral.solve(tasks, ALPHA, BETA, GAMMA).log_pi.exp())

    def act(log_pi0, q):
        return distral.two_column_policy(log_pi0, q, ALPHA, BETA)

    still, chancy = (
        mdp.expected_steps(mdp.stack(tasks), distral.fixed_point(tasks, act, ALPHA, BETA, GAMMA, epsilon, 1e-6).log_pi.exp())
        for epsilon in (0.0, 0.05)
    )
    torch.testing.assert_close(still, best, atol=0.02, rtol=0)
    assert [float(x) for x in chancy] == pytest.approx([15.8, 10.8, 6.1, 15.8, 14.8], abs=0.06)


def test_fixed_point_satisfies_its_three_equations():
    tasks, epsilon = maps(4, 5), 0.05
    stacked = mdp.stack(tasks)
    point = distral.one_column_fixed_point(tasks, ALPHA, BETA, 3.0, 0.99, epsilon)
    soft_value = torch.logsumexp(ALPHA * point.log_pi0 + BETA * point.q, -1) / BETA
    torch.testing.assert_close(point.q, mdp.action_values(stacked, soft_value, 0.99), atol=1e-8, rtol=0)
    torch.testing.assert_close(point.behaviour, 0.95 * (3.0 * point.q).softmax(-1) + 0.01, atol=1e-12, rtol=0)
    share = mdp.visits(stacked, point.behaviour, 0.99)
    mixture = ((share / share.sum(-1, keepdim=True)).unsqueeze(-1) * point.behaviour).sum(0)
    seen = share.sum(0) > 0
    assert int((~seen).sum()) == 1  # map 4's goal, which lies behind map 5's
    torch.testing.assert_close(point.log_pi0[seen].exp(), (mixture / mixture.sum(-1, keepdim=True))[seen], atol=1e-7, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(mdps=[]), "empty"),
        (dict(mdps=maps(4, 2)), "same states"),
        (dict(alpha=1.2), "alpha is 1.2"),
        (dict(beta=0.0), "beta is 0.0"),
        (dict(beta=float("nan")), "beta is nan"),
        (dict(discount=1.0), "discount is 1"),
    ],
)
def test_bad_arguments(arguments, message):
    wanted = dict(mdps=maps(4, 5), alpha=ALPHA, beta=BETA, discount=0.9)
    with pytest.raises(ValueError, match=message):
        distral.solve(**(wanted | arguments))


def test_bad_beta_prime_and_prices():
    with pytest.raises(ValueError, match="beta_prime is -1"):
        distral.one_column_fixed_point(maps(4, 5), ALPHA, BETA, -1, 0.9)
    with pytest.raises(ValueError, match="c_kl is -1"):
        distral.mixing(-1, 2)
    with pytest.raises(ValueError, match=r"c_kl \+ c_ent"):
        distral.mixing(0, 0)


def test_giving_up_says_so():
    with pytest.raises(RuntimeError, match="after 2 alternations"):
        distral.solve(maps(4, 5), ALPHA, BETA, GAMMA, max_alternations=2)
