"""The equation ledger, thesis 2.46 to 2.61 and figure A.3 (chapter 07): one test a row."""

import math

import pytest
import torch
from equation_tools import FORK, close, derivative, f64, far, logits, random_mdp, random_policy, short_mdp, table

from distral_lite import mdp as M
from distral_lite import networks, returns, sac, soft
from distral_lite import policy_gradient as P
from distral_lite import regularised_actor_critic as R
from distral_lite import soft_q_learning as S

COIN, BIASED = f64(0.5, 0.5).log(), f64(0.25, 0.75).log()
KL = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)  # of the coin from the biased one
BETA, GAMMA, KAPPA = 2.0, 0.5, 0.5


def height(mdp, discount=GAMMA):
    """The regularised return from the start as a function of the preferences of the policy."""
    return lambda h: (mdp.start * S.soft_evaluate(mdp, h.log_softmax(-1), BIASED, 1.0, BETA, discount)).sum()


def kl_gradient(log_policy):
    """The gradient of KL[pi || pi_0] by the preferences, state by state: pi (log(pi / pi_0) - KL)."""
    ratio = log_policy - BIASED
    return log_policy.exp() * (ratio - (log_policy.exp() * ratio).sum(-1, keepdim=True))


# ---- section 2.5.5: regularised actor-critic ----


def test_2_46_naive_gradient():
    """It is the gradient of the rewards, and of the prices with the visits held fixed: what a step costs later is not seen. Where there is
    no later step it is right."""
    mdp, h = short_mdp(0), logits(0, 5, 2)
    visits = M.visits(mdp, h.softmax(-1), GAMMA)
    rewards = derivative(lambda h: P.objective(mdp, h.log_softmax(-1), GAMMA), h)
    found = R.naive_gradient(mdp, h.log_softmax(-1), BIASED, 1.0, BETA, GAMMA)
    close(found, rewards - visits.unsqueeze(-1) * kl_gradient(h.log_softmax(-1)) / BETA)
    exact = derivative(height(mdp), h)
    assert far(found[0], exact[0]) > 1e-3
    close(found[3:], exact[3:])  # the last steps


def test_2_47_proper_gradient():
    """By listing all courses: the corrected form is the gradient. With R_0 for R_t, or with the gradient of KL_t inside the bracket that
    the score multiplies (number by number: two gradients have no other product), it is another direction."""
    mdp, h = short_mdp(1), logits(1, 5, 2)
    log_policy = h.log_softmax(-1)
    ways = P.trajectories(mdp, log_policy.exp(), 3)
    paid = ways.reward - soft.kl(log_policy, BIASED)[ways.state] / BETA
    none = torch.zeros(len(paid), dtype=torch.float64)
    later = torch.stack([GAMMA * paid[:, 1] + GAMMA**2 * paid[:, 2], GAMMA * paid[:, 2], none], -1)
    score, price = P.score(log_policy[ways.state], ways.action), kl_gradient(log_policy)[ways.state] / BETA  # [N, 3, 2]

    def direction(steps):
        """The mean over courses of the sum over t of gamma^t times what each step says of the preferences of its state."""
        steps = ways.probability.view(-1, 1, 1) * (GAMMA ** f64(0, 1, 2)).unsqueeze(-1) * steps
        return torch.zeros(5, 2, dtype=torch.float64).index_add(0, ways.state.flatten(), steps.flatten(0, 1))

    exact, all_to_come = derivative(height(mdp), h), (ways.reward + later).unsqueeze(-1)
    close(direction(score * all_to_come - price), exact)
    close(R.proper_gradient(mdp, log_policy, BIASED, 1.0, BETA, GAMMA), exact)
    close(derivative(lambda h: R.objective(mdp, h.log_softmax(-1), BIASED, 1.0, BETA, GAMMA), h), exact)
    assert far(direction(score * (ways.reward[:, :1] + later).unsqueeze(-1) - price), exact) > 0.05
    assert far(direction(score * (all_to_come - price)), exact) > 0.05
    close(R.regulariser_gradient(log_policy, BIASED, 1.0, BETA), -kl_gradient(log_policy) / BETA)


def test_2_48_proper_gradient_by_values():
    """With gamma^t, and the gradient of KL_t at every step, it is the gradient. Without gamma^t it is only at gamma = 1; and with the sum
    ended before it, so that the gradient of KL counts once, at the start, never."""
    mdp, h = short_mdp(2), logits(2, 5, 2)
    log_policy = h.log_softmax(-1)
    for discount in (GAMMA, 1.0):
        values = R.regularised_values(mdp, log_policy, BIASED, 1.0, BETA, discount)
        signal = M.action_values(mdp, values, discount) - values.unsqueeze(-1)
        step = R.score_term(log_policy, signal) - kl_gradient(log_policy) / BETA
        exact = derivative(height(mdp, discount), h)
        close(M.visits(mdp, log_policy.exp(), discount).unsqueeze(-1) * step, exact)
        close(R.proper_gradient(mdp, log_policy, BIASED, 1.0, BETA, discount), exact)
        assert (far(M.visits(mdp, log_policy.exp(), 1.0).unsqueeze(-1) * step, exact) < 1e-12) == (discount == 1.0)
        score = M.visits(mdp, log_policy.exp(), discount).unsqueeze(-1) * R.score_term(log_policy, signal)
        assert far(score - mdp.start.unsqueeze(-1) * kl_gradient(log_policy) / BETA, exact) > 0.02


def test_2_49_n_step_gradient():
    """With exact values: right with the sampled log-ratio inside delta, for every n. With KL_t in closed form and nothing beside it, short
    of it by just the gradient of KL_t; and with the term put back, right again."""
    mdp, h = random_mdp(3, actions=2), logits(3, 5, 2)
    log_policy = h.log_softmax(-1)
    values, exact = R.regularised_values(mdp, log_policy, BIASED, 1.0, BETA, GAMMA), derivative(height(mdp), h)
    missing = M.visits(mdp, log_policy.exp(), GAMMA).unsqueeze(-1) * kl_gradient(log_policy) / BETA
    for n in (1, 2, 5):
        close(R.td_gradient(mdp, log_policy, BIASED, 1.0, BETA, GAMMA, values, n), exact)
        printed = R.td_gradient_closed_form_alone(mdp, log_policy, BIASED, 1.0, BETA, GAMMA, values, n)
        close(printed - missing, exact)
    assert far(missing, torch.zeros(5, 2)) > 0.02

    def loss(log):
        return R.actor_loss(log, torch.tensor([1]), f64(3), soft.expected_regulariser(log, BIASED, 1.0, BETA))

    close(derivative(loss, COIN[None]), derivative(lambda log: -3 * log[0, 1] + soft.kl(log, BIASED)[0] / BETA, COIN[None]))


def test_2_50_critic_loss():
    """Half the mean of 3^2 and (-2)^2, and no gradient through the target."""
    assert float(R.critic_loss(f64(1, 2), f64(4, 0))) == (9 + 4) / 4
    assert derivative(lambda v: R.critic_loss(v, 4 * v), f64(1.0)[:1]).tolist() == [-3.0]


def test_2_51_critic_target():
    """One step that ends, rewards 2 and 5, a coin, beta = 2: V is 3.5 - KL / 2. The printed target takes the price out again and would
    teach 3.5, which is E[Q]; so in every world, for every n, the printed mean is too high by KL_t / beta."""
    bandit = table([[0, 0]], [[2, 5]], [[True, True]])
    close(R.regularised_values(bandit, COIN[None], BIASED, 1.0, BETA, GAMMA), [3.5 - KL / 2])
    mdp, log_policy = short_mdp(4), logits(4, 5, 2).log_softmax(-1)
    values, ways = R.regularised_values(mdp, log_policy, BIASED, 1.0, BETA, GAMMA), P.trajectories(mdp, log_policy.exp(), 3)
    priced = R.prices("closed", log_policy[ways.state], BIASED.expand(*ways.state.shape, 2), ways.action, 1.0, BETA)
    close(priced.in_returns, -soft.kl(log_policy, BIASED)[ways.state] / BETA)
    paid, following = ways.reward + priced.in_returns, torch.cat([values[ways.state[:, 1:]], torch.zeros(len(ways.state), 1)], -1)
    discount = returns.discounts(GAMMA, torch.tensor([False, False, True]).expand_as(ways.state))
    for n in (1, 2, 3):
        target = returns.n_step_returns(paid, discount, following, n)[:, 0]
        printed = target - priced.in_returns[:, 0]
        close((ways.probability * target).sum(), values[0])
        close((ways.probability * printed).sum(), values[0] + soft.kl(log_policy, BIASED)[0] / BETA)
    assert float(soft.kl(log_policy, BIASED)[0]) > 0.05


# ---- section 2.5.6: equivalence ----


def test_2_52_value_of_any_q():
    """Q = (0, log 4 / 2), prior (1/4, 3/4), beta = 2: log(1/4 + 3/4 * 4) / 2. Over pi in place of the prior it would be larger, and then
    2.53 would not sum to one."""
    q = f64(0, math.log(4) / 2)
    value = float(soft.soft_value(q, BIASED, 1.0, BETA))
    assert value == pytest.approx(math.log(3.25) / 2)
    policy = soft.soft_log_policy(q, BIASED, 1.0, BETA).exp()
    over_pi = math.log(float((policy * (BETA * q).exp()).sum())) / BETA
    assert over_pi > value + 0.05
    assert float((BIASED.exp() * (BETA * (q - over_pi)).exp()).sum()) < 0.95


def test_2_53_policy_of_any_q():
    """The same Q: (1/13, 12/13)."""
    q = f64(0, math.log(4) / 2)
    close(soft.soft_log_policy(q, BIASED, 1.0, BETA).exp(), [1 / 13, 12 / 13])
    close(BIASED + BETA * (q - soft.soft_value(q, BIASED, 1.0, BETA)), soft.soft_log_policy(q, BIASED, 1.0, BETA))


def test_2_54_equivalence():
    """Both sides written out here, for one step, and by `both_gradients`, for more: equal if no gradient flows through V-hat; if V-hat is
    taken for a function of theta the last term is zero, and the sides differ."""
    mdp, q, weight = random_mdp(5, actions=2), logits(5, 5, 2), f64(1, 2, 0.5, 3, 1)
    value, log_policy = soft.soft_value(q, BIASED, 1.0, BETA), soft.soft_log_policy(q, BIASED, 1.0, BETA)
    y, chance = M.action_values(mdp, value, GAMMA), weight.unsqueeze(-1) * log_policy.exp()
    left = derivative(lambda q: (chance * 0.5 * (q - y).square()).sum(), q)
    price = soft.kl(log_policy, BIASED).unsqueeze(-1) / BETA
    delta = y - price - value.unsqueeze(-1)

    def right(q, v_hat):
        v, log = soft.soft_value(q, BIASED, 1.0, BETA).unsqueeze(-1), soft.soft_log_policy(q, BIASED, 1.0, BETA)
        kl = soft.kl(log, BIASED).unsqueeze(-1)
        return (chance * (-log * delta / BETA + kl / BETA**2 + 0.5 * (v - v_hat(v)).square())).sum()

    close(derivative(lambda q: right(q, lambda v: value.unsqueeze(-1) + delta), q), left)
    assert far(derivative(lambda q: right(q, lambda v: v + delta), q), left) > 0.1
    for n in (1, 2, 4):
        one_side, other = R.both_gradients(mdp, q, BIASED, 1.0, BETA, GAMMA, n, weight)
        close(one_side, sum(other))
        assert (far(one_side, left) < 1e-12) == (n == 1)


# ---- section 2.5.7: soft actor-critic ----


def entropy_values(mdp, log_policy, discount):
    """Regularised values without a prior (alpha = 0): every step is paid kappa times the entropy of its state."""
    return S.soft_evaluate(mdp, log_policy, COIN, 0.0, 1 / KAPPA, discount)


def entropy_sums(mdp, log_policy):
    """Chances, first actions, discounted rewards, and kappa H of every step, of all courses of three steps."""
    ways = P.trajectories(mdp, log_policy.exp(), 3)
    fading = GAMMA ** f64(0, 1, 2)
    return ways.probability, ways.action[:, 0], (ways.reward * fading).sum(-1), KAPPA * soft.entropy(log_policy)[ways.state], fading


def test_text_2_5_7_entirely_different():
    """A world that goes on for ever, kappa = 1/2: the optimum for the entropy is that for a uniform prior at beta = 2, with values that are
    higher by kappa log A / (1 - gamma) everywhere; and no policy has higher values (2.55)."""
    mdp = random_mdp(6, actions=2)
    mdp = mdp._replace(terminal=torch.zeros_like(mdp.terminal))
    of_entropy, of_kl = (S.solve(mdp, COIN, alpha, 1 / KAPPA, GAMMA) for alpha in (0.0, 1.0))
    close(of_entropy.log_policy, of_kl.log_policy, 1e-10)
    close(of_entropy.value, of_kl.value + KAPPA * math.log(2) / (1 - GAMMA), 1e-10)
    close(entropy_values(mdp, of_entropy.log_policy, GAMMA), of_entropy.value, 1e-10)
    for seed in range(10):
        assert bool((entropy_values(mdp, random_policy(seed, 5, 2).log(), GAMMA) <= of_entropy.value).all())


def test_2_55_entropy_state_value():
    """Entropies of the states that are passed; with that of the first state at every step, as printed, it is another number."""
    mdp, log_policy = short_mdp(0), logits(0, 5, 2).log_softmax(-1)
    chance, _, rewards, bonus, fading = entropy_sums(mdp, log_policy)
    exact = entropy_values(mdp, log_policy, GAMMA)[0]
    close((chance * (rewards + (bonus * fading).sum(-1))).sum(), exact)
    printed = (chance * (rewards + (bonus[:, :1] * fading).sum(-1))).sum()
    assert far(printed, exact) > 0.01


def test_2_56_entropy_action_value():
    """Given the first action, and no entropy at t = 0. Without the discount the entropies of later steps count too much."""
    mdp, log_policy = short_mdp(1), logits(1, 5, 2).log_softmax(-1)
    chance, first, rewards, bonus, fading = entropy_sums(mdp, log_policy)
    exact = M.action_values(mdp, entropy_values(mdp, log_policy, GAMMA), GAMMA)[0]
    for a in range(2):
        weight = chance * (first == a) / chance[first == a].sum()
        close((weight * (rewards + (bonus * fading)[:, 1:].sum(-1))).sum(), exact[a])
        printed = (weight * (rewards + bonus[:, 1:].sum(-1))).sum()
        assert float(printed - exact[a]) > 0.1


def test_2_57_entropy_state_value_from_action_values():
    for seed in range(3):
        mdp, policy = random_mdp(seed, actions=2), random_policy(seed, 5, 2)
        values = entropy_values(mdp, policy.log(), 0.9)
        bonus = -KAPPA * (policy * policy.log()).sum(-1)
        close((policy * M.action_values(mdp, values, 0.9)).sum(-1) + bonus, values)
        close(soft.expected_regulariser(policy.log(), COIN, 0.0, 1 / KAPPA), bonus)


def test_2_58_entropy_action_value_from_state_values():
    """FORK, a coin, kappa = 1/2, gamma = 1/2: V(1) = 3.5 + log(2) / 2, and Q(0, a) = 1 + V(1) / 2, which is the target of both Q too."""
    values = entropy_values(FORK, COIN.expand(2, 2), GAMMA)
    assert float(values[1]) == pytest.approx(3.5 + math.log(2) / 2)
    close(M.action_values(FORK, values, GAMMA)[0], [1 + 0.5 * float(values[1])] * 2)
    assert float(sac.q_target(f64(1), f64(0.5), values[1])) == pytest.approx(1 + 0.5 * float(values[1]))


def test_2_59_sac_v_loss():
    """The smaller of 3 and 5, less kappa * log(1/4): the target is 3 + log(4) / 2, and the loss of V = 1 its squared distance."""
    target = sac.v_target(f64(3, 5)[:, None], f64(0.25).log(), KAPPA)
    close(target, [3 + math.log(4) / 2])
    assert float(sac.squared_error(f64(1), target)) == pytest.approx((2 + math.log(4) / 2) ** 2)
    close(sac.v_target(f64(5, 3)[:, None], f64(0.25).log(), KAPPA), target)


def test_2_60_sac_q_loss():
    """r = 1, gamma = 1/2: y is 1 + V / 2, or 1 at an end, and V is that of the slowly moving average of psi: 4 after V went from 4 to 8
    and one step at rho = 1, 4.04 at rho = 0.99; V itself would give 8. (phi is not its parameter: Q has an action as well.)"""
    psi = networks.Table(torch.full((1, 1, 1, 1), 8.0, dtype=torch.float64))
    for rho, target in ((1.0, 4.0), (0.99, 4.04)):
        averaged = networks.Table(torch.full((1, 1, 1, 1), 4.0, dtype=torch.float64))
        sac.polyak(averaged, psi, rho)
        y = sac.q_target(f64(1, 1), f64(0.5, 0.0), averaged.values.flatten().expand(2))
        close(y, [1 + target / 2, 1.0])
        assert float(sac.squared_error(f64(2, 2), y)) == pytest.approx(((1 + target / 2 - 2) ** 2 + 1) / 2)


def test_2_61_sac_policy_objective():
    """The mean of Q - kappa log pi over two actions, climbed: minus it is descended. Its best policy is softmax(Q / kappa)."""
    q, log_density = f64(3, 1), f64(0.25, 0.5).log()
    assert float(sac.policy_loss(q, log_density, KAPPA)) == pytest.approx(-(3 + 0.5 * math.log(4) + 1 + 0.5 * math.log(2)) / 2)

    def objective(h):
        log_policy = h.log_softmax(-1)
        return (log_policy.exp() * (q - KAPPA * log_policy)).sum()

    close(derivative(objective, q / KAPPA), [0, 0])
    assert float(derivative(objective, q)[0]) > 0.05


def test_box_soft_actor_critic():
    """Lines 12 to 16 with one number for each network, steps along the gradients of 0.1 (line 13: 2 (Q - y), without a half)."""
    y_q, y_v = float(sac.q_target(f64(1), f64(0.9), f64(2))), float(sac.v_target(f64(3, 4)[:, None], f64(0.5).log(), 0.2))
    assert (y_q, y_v) == pytest.approx((2.8, 3 + 0.2 * math.log(2)))
    q = derivative(lambda q: sac.squared_error(q.view(2, 1), f64(y_q)).sum(), f64(3, 4))
    close(q, [2 * 0.2, 2 * 1.2])
    psi, averaged = (networks.Table(torch.full((1, 1, 1, 1), number, dtype=torch.float64)) for number in (2.0, 1.0))
    psi.values.sub_(0.1 * derivative(lambda v: sac.squared_error(v, f64(y_v)), f64(2)))
    sac.polyak(averaged, psi, 0.995)
    assert float(averaged.values) == pytest.approx(0.995 + 0.005 * (2 + 0.2 * (y_v - 2)))
    mean, log_std, pre = f64(0.3), f64(-1.0), f64(0.8)  # line 15: the density of a = tanh(u), by differences of its distribution
    cdf = torch.distributions.Normal(mean, log_std.exp()).cdf
    a, step = pre.tanh(), 1e-5
    slope = (cdf(torch.atanh(a + step)) - cdf(torch.atanh(a - step))) / (2 * step)
    assert float(sac.squashed_log_density(mean, log_std, pre).exp()) == pytest.approx(float(slope), rel=1e-6)
