"""The equation ledger, thesis 2.33 to 2.45 and what section 3.5 says of divergence (chapter 06): one test a row."""

import math

import pytest
import torch
from equation_tools import FORK, close, derivative, f64, far, logits, random_mdp, random_policy, short_mdp, table

from distral_lite import mdp as M
from distral_lite import networks, regularised_actor_critic, soft
from distral_lite import policy_gradient as P
from distral_lite import soft_q_learning as S
from distral_lite.gridworld import load_map

COIN, BIASED = f64(0.5, 0.5).log(), f64(0.25, 0.75).log()
KL = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)  # of the coin from the biased one


# ---- sections 2.5.1 and 2.5.2: the bandit ----


def test_2_33_regularised_objective():
    """Rewards 1 and 3, a fair coin, prior (1/4, 3/4), beta = 2: 2 - KL / 2."""
    assert float(soft.kl(COIN, BIASED)) == pytest.approx(KL)
    assert float(S.bandit_objective(COIN, f64(1, 3), BIASED, 2.0)) == pytest.approx(2 - KL / 2)


def test_2_34_regularised_objective_by_action():
    """The same number as a mean over actions of r - log(pi / pi_0) / beta."""
    by_action = f64(1, 3) + soft.sampled_regulariser(COIN, BIASED, 1.0, 2.0)
    close(by_action, [1 - math.log(2) / 2, 3 - math.log(2 / 3) / 2])
    close(0.5 * by_action.sum(), S.bandit_objective(COIN, f64(1, 3), BIASED, 2.0))


def test_2_35_closed_form():
    """Rewards 0 and log 2, a biased coin (2/3, 1/3), beta = 1: (1/2, 1/2). No other policy reaches its objective, log E[exp(beta r)] /
    beta, and there the objective is flat."""
    prior, reward = f64(2 / 3, 1 / 3).log(), f64(0, math.log(2))
    close(soft.soft_log_policy(reward, prior, 1.0, 1.0).exp(), [0.5, 0.5])
    best = float(soft.soft_value(reward, prior, 1.0, 1.0))
    assert best == pytest.approx(math.log(4 / 3))
    others = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    heights = S.bandit_objective(torch.stack([others, 1 - others], -1).log(), reward, prior, 1.0)
    assert int(heights.argmax()) == 49 and float(heights.max()) == pytest.approx(best, abs=1e-12)
    close(derivative(lambda h: S.bandit_objective(h.log_softmax(-1), reward, prior, 1.0), f64(1, 1)), [0, 0])


def test_2_36_policy_based():
    """Actions in exact proportion, 1 of 4 and 3 of 4: the estimate is then its own mean, and that is the gradient of eta."""
    h, reward = f64(0, math.log(3)), f64(2, 5)
    action = torch.tensor([0, 1, 1, 1])
    found = S.bandit_policy_gradient(h, action, reward[action], COIN, 2.0)
    close(found, derivative(lambda h: S.bandit_objective(h.log_softmax(-1), reward, COIN, 2.0), h))
    plain = 0.25 * 0.75 * (2 - 5)  # of the reward alone
    assert float(found[0]) == pytest.approx(plain - 0.25 * (math.log(0.25 / 0.5) - float(soft.kl(BIASED, COIN))) / 2)


def test_2_37_value_based():
    """Q = (1, 4), rewards 3 of action 0 and 3 of action 1: ((-2)^2 + 1^2) / 4. The least loss is at the mean rewards, whose (2.35) is the
    best policy."""
    assert float(S.bandit_value_loss(f64(1, 4), torch.tensor([0, 1]), f64(3, 3))) == (4 + 1) / 4
    action, reward = torch.tensor([0, 0, 1, 1]), f64(1, 3, 0, 8)
    close(derivative(lambda q: S.bandit_value_loss(q, action, reward), f64(2, 4)), [0, 0])


def test_2_38_value_gradient():
    """As autograd has it, and twice what is printed."""
    q, action, reward = f64(1, 4), torch.tensor([0, 1]), f64(3, 3)
    found = S.bandit_value_gradient(q, action, reward)
    close(found, [-2 / 2, 1 / 2])  # Q - r, a half of it for each of two samples
    close(found, derivative(lambda q: S.bandit_value_loss(q, action, reward), q))
    printed = 0.5 * found
    assert far(printed, found) == 0.5


# ---- section 2.5.3: regularised MDPs ----


def test_2_39_regularised_return():
    """FORK, a coin against a biased prior, beta = 2, gamma = 1/2: G_1 = 3.5 - KL / 2, G_0 = 1 - KL / 2 + G_1 / 2. As printed, from t = 0
    for every t, G_1 would be G_0."""
    policy = M.uniform_policy(FORK).log()
    values = S.soft_evaluate(FORK, policy, BIASED, 1.0, 2.0, 0.5)
    assert float(values[1]) == pytest.approx(3.5 - KL / 2)
    assert float(values[0]) == pytest.approx(1 - KL / 2 + 0.5 * (3.5 - KL / 2))
    assert abs(float(values[0] - values[1])) > 0.5
    close(soft.expected_regulariser(policy, BIASED, 1.0, 2.0), [-KL / 2, -KL / 2])


def regularised_returns(mdp, log_policy, log_prior, beta, discount, later_only):
    """Of all courses of three steps: their chances, first actions, and the discounted sums of R_t - KL_t / beta (KL_0 left out or not)."""
    ways = P.trajectories(mdp, log_policy.exp(), 3)
    price = soft.kl(log_policy, log_prior)[ways.state] / beta
    if later_only:
        price[:, 0] = 0
    return ways.probability, ways.action[:, 0], ((ways.reward - price) * ways.real * discount ** f64(0, 1, 2)).sum(-1)


def test_2_40_regularised_state_value():
    for seed in range(3):
        mdp, log_policy = short_mdp(seed), logits(seed, 5, 2).log_softmax(-1)
        chance, _, amount = regularised_returns(mdp, log_policy, BIASED, 2.0, 0.5, later_only=False)
        close((chance * amount).sum(), S.soft_evaluate(mdp, log_policy, BIASED, 1.0, 2.0, 0.5)[0])


def test_2_41_regularised_action_value():
    """Given the first action, with the price of the first step left out. With it, every Q would be lower by KL_0 / beta."""
    for seed in range(3):
        mdp, log_policy = short_mdp(seed), logits(seed, 5, 2).log_softmax(-1)
        q = M.action_values(mdp, S.soft_evaluate(mdp, log_policy, BIASED, 1.0, 2.0, 0.5), 0.5)[0]
        for later_only, missing in ((True, 0.0), (False, float(soft.kl(log_policy[0], BIASED)) / 2)):
            chance, first, amount = regularised_returns(mdp, log_policy, BIASED, 2.0, 0.5, later_only)
            found = [float((chance * amount)[first == a].sum() / chance[first == a].sum()) for a in range(2)]
            close(q - missing, found)


def test_2_42_state_value_from_action_values():
    for seed in range(3):
        mdp, policy, log_prior = random_mdp(seed), random_policy(seed, 5, 3), logits(seed, 5, 3).log_softmax(-1)
        values = S.soft_evaluate(mdp, policy.log(), log_prior, 1.0, 3.0, 0.9)
        price = (policy * (policy.log() - log_prior)).sum(-1) / 3
        close((policy * M.action_values(mdp, values, 0.9)).sum(-1) - price, values)


# ---- section 2.5.4: soft Q-learning ----


def test_2_43_soft_q_loss():
    """Q = 2, y = 4: the loss is 2, its derivative -2, and a step of a half goes half of the way, to 3."""
    loss = derivative(lambda q: regularised_actor_critic.soft_q_loss(q, torch.tensor([1]), f64(4))[0], f64(9, 2)[None])
    assert float(regularised_actor_critic.soft_q_loss(f64(9, 2)[None], torch.tensor([1]), f64(4))) == 2.0
    assert loss.tolist() == [[0.0, -2.0]]
    world = S.Window(*(torch.tensor([[[[number]]]]) for number in (0, 1, 0, 0, False, False)))
    q = networks.Table(f64(9, 2).view(1, 1, 1, 2))
    S.update_table(q, world, f64(4).view(1, 1, 1), 0.5)
    assert q.values.flatten().tolist() == [9.0, 3.0]


def test_2_44_soft_q_targets():
    """By hand: rewards 1 and 2, gamma = 1/2, V = 8, KL / beta of the second step 0.25: 1 + (2 - 0.25) / 2 + 8 / 4. One step: 1 + V' / 2.
    At the soft optimum the sampled form is Q for every sequence of actions; the printed one only on average over the policy's own."""
    reward, discount, following = f64(1, 2), f64(0.5, 0.5), f64(6, 8)
    policy, prior = COIN.expand(2, 2), BIASED.expand(2, 2)
    beta = KL / 0.25
    assert float(soft.n_step_target_expected_kl(reward, discount, following, policy, prior, 1.0, beta)) == pytest.approx(3.875)
    one = soft.n_step_target_expected_kl(reward[:1], discount[:1], following[:1], policy[:1], prior[:1], 1.0, beta)
    assert float(one) == float(soft.one_step_target(1.0, 0.5, 6.0)) == 4.0

    world = table([[1, 0], [0, 1]], [[1, -2], [3, 0.5]], [[False] * 2] * 2)
    exact = S.solve(world, BIASED, 1.0, 0.7, 0.9)
    prior, discount, misses, mean = BIASED.expand(2, 2), f64(0.9, 0.9), [], 0.0
    for second in range(2):  # in state 0, action 0 leads to 1; there any action
        states, rewards = torch.tensor([0, 1]), torch.stack([world.reward[0, 0], world.reward[1, second]])
        following = exact.value[[1, int(world.successor[1, second, 0])]]
        taken = exact.log_policy[states, [0, second]]
        sampled = soft.n_step_target_sampled(rewards, discount, following, taken, BIASED[[0, second]], 1.0, 0.7)
        close(sampled, exact.q[0, 0], 1e-9)
        printed = soft.n_step_target_expected_kl(rewards, discount, following, exact.log_policy[states], prior, 1.0, 0.7)
        misses.append(far(printed, exact.q[0, 0]))
        mean += float(exact.log_policy[1, second].exp() * printed)
    assert max(misses) > 0.5 and mean == pytest.approx(float(exact.q[0, 0]), abs=1e-9)


def test_2_45_soft_state_value():
    """Q(s) = (9, 9), Q(s') = (0, log 3), priors (3/4, 1/4) at s and uniform at s', beta = 1: V(s') = log 2. As printed, with the prior and
    the values of s, it would be 9 (and with the prior of s alone, log(3/4 + 3/4))."""
    q, prior = f64(9, 9, 0, math.log(3)).view(2, 2), f64(0.75, 0.25, 0.5, 0.5).view(2, 2).log()
    value = soft.soft_value(q, prior, 1.0, 1.0)
    close(value, [9.0, math.log(2)])
    close(soft.soft_value(q[1], prior[0], 1.0, 1.0), math.log(1.5))
    mdp = random_mdp(0)
    exact = S.solve(mdp, logits(0, 3).log_softmax(-1), 1.0, 2.0, 0.9)
    close(S.soft_backup(mdp, exact.value, logits(0, 3).log_softmax(-1), 1.0, 2.0, 0.9), exact.value, 1e-10)


# ---- section 3.5 ----


def test_text_3_5_divergence():
    """Map 4, alpha = 0.8: at beta = 1, below the critical 1.747, the soft optimum never arrives, and at 5 it does. In float32 the formula
    as printed overflows at 1, and written stably it does not. And a critical beta by hand: round a cycle of two
    steps that cost 1 each there are two ways, so 2 exp(-2 beta) = 1."""
    maze = load_map(4).mdp()
    prior = M.uniform_policy(maze).log()
    assert S.critical_beta(maze, prior, 0.8) == pytest.approx(1.747, abs=5e-4)
    steps = {}
    for beta in (1.0, 5.0):
        exact = S.solve(maze, prior, 0.8, beta, 0.999)
        steps[beta] = M.expected_steps(maze, exact.log_policy.exp(), 1000)
        single = soft.soft_value(exact.q.float(), prior.float(), 0.8, beta)
        assert bool(torch.isfinite(single).all()) and far(single, exact.value) < 1e-3
        naive = (prior.float().mul(0.8).exp() * (beta * exact.q.float()).exp()).sum(-1).log() / beta
        assert bool(torch.isinf(naive).any()) == (beta == 1.0)
    assert steps[1.0] > 999 and steps[5.0] < 20
    assert math.isfinite(float(soft.soft_value(torch.tensor([1e4, -1e4]), torch.tensor([0.5, 0.5]).log(), 0.8, 1.0)))
    room = table([[1, 1], [0, 1]], [[-1, -1], [-1, -1]], [[False, False], [False, True]])
    assert S.critical_beta(room, COIN, 0.0) == pytest.approx(0.5 * math.log(2))
