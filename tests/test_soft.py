import decimal
import math

import numpy as np
import pytest
import torch

from distral_lite import soft
from distral_lite.soft import entropy, expected_regulariser, kl, sampled_regulariser, soft_log_policy, soft_value

BETAS = [1e-3, 0.03, 1.0, 5.0, 100.0, 1e4]
ALPHAS = [0.0, 0.3, 0.8, 1.0]


def draws(seed=0, rows=50, actions=5, q_scale=1.0, logit_scale=1.0):
    """Action values [rows, actions] and the log of a prior, from a generator of their own."""
    generator = np.random.default_rng(seed)
    q, logits = (torch.from_numpy(generator.uniform(-scale, scale, (rows, actions))) for scale in (q_scale, logit_scale))
    return q, torch.log_softmax(logits, -1)


def uniform_prior(actions):
    return torch.full((actions,), -math.log(actions), dtype=torch.float64)


# ---- soft value ----


LITERALS = {0.01: 0.3042241888199, 1: 0.6144221730913, 5: 0.8750985909445, 50: 0.9781620611965, 1000: 0.9989013877113}


@pytest.mark.parametrize("beta", LITERALS)
def test_soft_value_literals(beta):
    q = torch.tensor([1.0, 0.9, -1.0], dtype=torch.float64)
    assert float(soft_value(q, uniform_prior(3), 1.0, beta)) == pytest.approx(LITERALS[beta], abs=1e-12)


def decimal_soft_value(q, log_prior, alpha, beta):
    """The formula as it stands, in decimal numbers of 60 digits that neither overflow nor cancel. The prior is made to sum to one."""
    with decimal.localcontext(prec=60, Emax=10**15, Emin=-(10**15)):
        prior = [decimal.Decimal(x).exp() for x in log_prior]
        total = sum(prior)
        alpha, beta = decimal.Decimal(alpha), decimal.Decimal(beta)
        terms = [(alpha * (p / total).ln() + beta * decimal.Decimal(x)).exp() for p, x in zip(prior, q, strict=True)]
        return float(sum(terms).ln() / beta)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("beta", BETAS)
def test_soft_value_against_sixty_digits(alpha, beta):
    for q_scale in (1e-2, 1.0, 1e4):
        for logit_scale in (1e-2, 1.0, 1e4):
            q, log_prior = draws(q_scale=q_scale, logit_scale=logit_scale, rows=3)
            wanted = [decimal_soft_value(*row, alpha, beta) for row in zip(q.tolist(), log_prior.tolist(), strict=True)]
            room = 1e-12 * (q_scale + (alpha < 1) * (10 + logit_scale) / beta)  # 12 digits of the largest number in it
            assert (soft_value(q, log_prior, alpha, beta) - torch.tensor(wanted, dtype=torch.float64)).abs().max() < room


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize(("q_scale", "logit_scale"), [(1e-2, 0.0), (1.0, 1.0), (1e4, 1.0), (1.0, 1e4), (1e4, 1e4)])
def test_float32_is_float64_over_the_whole_range(alpha, beta, q_scale, logit_scale):
    q, log_prior = (x.float() for x in draws(q_scale=q_scale, logit_scale=logit_scale))
    exact_prior = torch.log_softmax(log_prior.double(), -1)  # rounding has unsettled the sum of the float32 prior
    value, exact = soft_value(q, log_prior, alpha, beta), soft_value(q.double(), exact_prior, alpha, beta)
    assert value.dtype == torch.float32 and torch.isfinite(value).all()
    assert (value - exact).abs().max() <= 2e-6 * (q_scale + (1 - alpha) * (2 + logit_scale) / beta)
    log_policy, exact = soft_log_policy(q, log_prior, alpha, beta), soft_log_policy(q.double(), exact_prior, alpha, beta)
    assert log_policy.dtype == torch.float32 and torch.isfinite(log_policy).all()
    assert (log_policy - exact).abs().max() <= 2e-6 * (2 + alpha * logit_scale + beta * q_scale)
    assert (log_policy.double().exp().sum(-1) - 1).abs().max() < 1e-5
    for number in (kl(log_policy, log_prior), entropy(log_policy), expected_regulariser(log_policy, log_prior, alpha, beta)):
        assert torch.isfinite(number).all()


def test_a_small_beta_does_not_magnify_rounding():
    """With alpha = 1 the value stays near the prior's mean, in float32 to seven digits; log(sum of exponentials) / beta loses half."""
    q, log_prior = (x.float() for x in draws())
    exact = soft_value(q.double(), torch.log_softmax(log_prior.double(), -1), 1.0, 1e-3)
    assert (soft_value(q, log_prior, 1.0, 1e-3) - exact).abs().max() < 3e-7
    assert (torch.logsumexp(log_prior + 1e-3 * q, -1) / 1e-3 - exact).abs().max() > 3e-5


def test_soft_value_lies_between_prior_mean_and_max_and_rises_with_beta():
    q, log_prior = draws()
    last = (log_prior.exp() * q).sum(-1)
    for beta in BETAS:
        value = soft_value(q, log_prior, 1.0, beta)
        assert (value > last).all() and (value < q.max(-1).values).all()
        last = value


def test_without_prior_soft_value_lies_above_max_and_falls_with_beta():
    q, log_prior = draws()
    last = torch.full((len(q),), math.inf, dtype=torch.float64)
    for beta in BETAS:
        value = soft_value(q, log_prior, 0.0, beta)
        assert (value <= last).all() and (value >= q.max(-1).values).all()
        assert (value <= q.max(-1).values + math.log(5) / beta).all()
        last = value


@pytest.mark.parametrize("alpha", ALPHAS)
def test_limit_of_large_beta_is_the_max(alpha):
    q, log_prior = draws()
    assert (soft_value(q, log_prior, alpha, 1e9) - q.max(-1).values).abs().max() < 1e-7
    best = q.topk(2).values
    clear = best[:, 0] - best[:, 1] > 1e-6
    greedy = torch.nn.functional.one_hot(q.argmax(-1), 5).double()
    torch.testing.assert_close(soft_log_policy(q, log_prior, alpha, 1e9).exp()[clear], greedy[clear], atol=1e-9, rtol=0)
    assert clear.sum() > 40


def test_limit_of_small_beta():
    q, log_prior = draws()
    torch.testing.assert_close(soft_value(q, log_prior, 1.0, 1e-9), (log_prior.exp() * q).sum(-1), atol=1e-8, rtol=0)
    for alpha in (0.0, 0.5):  # no limit: beta times the value tends to the log of sum pi_0^alpha, above 0
        mass = (alpha * log_prior).exp().sum(-1).log()
        assert (mass > 0).all()
        torch.testing.assert_close(1e-6 * soft_value(q, log_prior, alpha, 1e-6), mass, atol=1e-5, rtol=0)
        policy = soft_log_policy(q, log_prior, alpha, 1e-9).exp()
        torch.testing.assert_close(policy, torch.softmax(alpha * log_prior, -1), atol=1e-8, rtol=0)


@pytest.mark.parametrize("beta", BETAS)
def test_without_alpha_the_prior_drops_out(beta):
    q, log_prior = draws()
    torch.testing.assert_close(soft_value(q, log_prior, 0.0, beta), soft_value(q, log_prior.flip(0), 0.0, beta), atol=0, rtol=0)
    torch.testing.assert_close(soft_log_policy(q, log_prior, 0.0, beta), torch.log_softmax(beta * q, -1))


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_uniform_prior_adds_a_known_constant(alpha, beta):
    """With pi_0 = 1 / A, alpha only adds (1 - alpha) log(A) / beta to the value, and nothing to the policy."""
    q, prior = draws()[0], uniform_prior(5)
    wanted = soft_value(q, prior, 1.0, beta) + (1 - alpha) * math.log(5) / beta
    torch.testing.assert_close(soft_value(q, prior, alpha, beta), wanted, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(soft_log_policy(q, prior, alpha, beta), soft_log_policy(q, prior, 1.0, beta), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("beta", [0.03, 1.0, 30.0])
def test_soft_value_is_the_best_that_any_policy_can_have(alpha, beta):
    """V = max over pi of E_pi[q] + regulariser: the soft policy has it, and no random policy more (2.34; 2.62)."""
    q, log_prior = (x[0] for x in draws())
    value, best = soft_value(q, log_prior, alpha, beta), soft_log_policy(q, log_prior, alpha, beta)
    worth = lambda log_policy: (log_policy.exp() * q).sum(-1) + expected_regulariser(log_policy, log_prior, alpha, beta)  # noqa: E731
    assert float(worth(best)) == pytest.approx(float(value), abs=1e-11 / beta)
    generator = np.random.default_rng(1)
    others = torch.log_softmax(torch.from_numpy(generator.normal(size=(1000, 5)) * 10 ** generator.uniform(-1, 1.5, (1000, 1))), -1)
    near = torch.log_softmax(best + 1e-3 * torch.from_numpy(generator.normal(size=(1000, 5))), -1)
    assert (worth(others) < value).all() and (worth(near) < value + 1e-13 / beta).all()


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_of_the_soft_value_is_the_soft_policy(alpha, beta, dtype):
    q, log_prior = (x.to(dtype) for x in draws(q_scale=3.0))
    q[0] = q[0, 0]  # ties
    q.requires_grad_()
    (gradient,) = torch.autograd.grad(soft_value(q, log_prior, alpha, beta).sum(), q)
    torch.testing.assert_close(gradient, soft_log_policy(q, log_prior, alpha, beta).exp().detach(), atol=2e-5, rtol=0)


@pytest.mark.parametrize("beta", [1e-3, 1.0, 100.0])
def test_gradient_in_the_logits_of_the_prior(beta):
    """It is (alpha / beta) (pi - pi_0), for a prior softmax(h): finite differences agree with autograd on both branches of the value."""
    (q, logits), alpha = draws(rows=1), 0.7
    value = lambda h: soft_value(q, torch.log_softmax(h, -1), alpha, beta).sum()  # noqa: E731
    h = logits.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(h), h)
    step = 1e-6 * torch.eye(5, dtype=torch.float64)
    differences = torch.stack([(value(logits + one) - value(logits - one)) / 2e-6 for one in step])
    torch.testing.assert_close(gradient[0], differences, atol=1e-5 / beta, rtol=1e-6)
    wanted = alpha / beta * (soft_log_policy(q, logits.log_softmax(-1), alpha, beta).exp() - logits.softmax(-1))
    torch.testing.assert_close(gradient, wanted, atol=1e-10 / beta, rtol=0)


def test_tensors_of_alpha_and_beta_are_one_more_axis():
    q, log_prior = draws()
    alpha, beta = torch.tensor([[0.0], [0.5], [1.0]], dtype=torch.float64), torch.tensor([[0.1], [3.0], [1000.0]], dtype=torch.float64)
    value, log_policy = soft_value(q, log_prior, alpha, beta), soft_log_policy(q, log_prior, alpha, beta)
    paid = expected_regulariser(log_policy, log_prior, alpha, beta)
    assert value.shape == paid.shape == (3, 50) and log_policy.shape == (3, 50, 5)
    for i in range(3):
        a, b = float(alpha[i]), float(beta[i])
        torch.testing.assert_close(value[i], soft_value(q, log_prior, a, b), atol=0, rtol=1e-15)
        torch.testing.assert_close(log_policy[i], soft_log_policy(q, log_prior, a, b), atol=0, rtol=1e-15)
        torch.testing.assert_close(paid[i], expected_regulariser(log_policy[i], log_prior, a, b), atol=0, rtol=1e-15)


# ---- soft policy, KL, entropy, regulariser ----


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("beta", BETAS)
def test_the_log_ratio_of_the_soft_policy_is_value_less_action_value(alpha, beta):
    """alpha log pi_0 + beta (q - V) (2.53, 2.66): hence the regulariser of an action is V - q, whatever the action."""
    q, log_prior = draws()
    log_policy, value = soft_log_policy(q, log_prior, alpha, beta), soft_value(q, log_prior, alpha, beta).unsqueeze(-1)
    torch.testing.assert_close(log_policy.exp().sum(-1), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(log_policy, alpha * log_prior + beta * (q - value), atol=1e-11, rtol=1e-12)
    torch.testing.assert_close(sampled_regulariser(log_policy, log_prior, alpha, beta), value - q, atol=1e-14 / beta, rtol=1e-11)


def test_kl_and_entropy_literals():
    policy, prior = (torch.tensor(p, dtype=torch.float64).log() for p in ([0.5, 0.25, 0.25, 0.0], [0.25, 0.25, 0.25, 0.25]))
    assert float(kl(policy, prior)) == pytest.approx(0.5 * math.log(2))
    assert float(entropy(policy)) == pytest.approx(1.5 * math.log(2))
    assert float(kl(prior, policy)) == math.inf
    assert float(kl(policy, policy)) == 0.0
    assert float(entropy(torch.tensor([0.0, -math.inf, -math.inf]))) == 0.0


def test_kl_and_entropy_laws():
    log_policy, log_prior = torch.log_softmax(draws(1, rows=1000, q_scale=20.0)[0], -1), draws(2, rows=1000, logit_scale=20.0)[1]
    assert (kl(log_policy, log_prior) > 0).all() and (kl(log_policy, log_policy).abs() < 1e-14).all()
    assert (entropy(log_policy) > 0).all() and (entropy(log_policy) < math.log(5)).all()
    torch.testing.assert_close(entropy(log_policy), math.log(5) - kl(log_policy, uniform_prior(5).expand_as(log_policy)))
    distributions = torch.distributions
    other = distributions.kl_divergence(distributions.Categorical(logits=log_policy), distributions.Categorical(logits=log_prior))
    torch.testing.assert_close(kl(log_policy, log_prior), other)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_regulariser_is_kl_and_entropy(alpha):
    """Both lines of (2.62), and the mean of samples: -(alpha / beta) KL + ((1 - alpha) / beta) H."""
    log_policy, log_prior = torch.log_softmax(draws(1)[0], -1), draws(2)[1]
    expected = expected_regulariser(log_policy, log_prior, alpha, 3.0)
    torch.testing.assert_close(expected, (-alpha * kl(log_policy, log_prior) + (1 - alpha) * entropy(log_policy)) / 3.0)
    torch.testing.assert_close(expected, (log_policy.exp() * sampled_regulariser(log_policy, log_prior, alpha, 3.0)).sum(-1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_action_that_the_prior_rules_out(dtype):
    q = torch.tensor([5.0, 1.0, 0.0], dtype=dtype, requires_grad=True)
    log_prior = torch.tensor([0.0, 0.5, 0.5], dtype=dtype).log()
    for alpha in (0.5, 1.0):
        value, log_policy = soft_value(q, log_prior, alpha, 2.0), soft_log_policy(q, log_prior, alpha, 2.0)
        assert value.item() == pytest.approx((math.log(math.exp(2) + 1) - alpha * math.log(2)) / 2, rel=1e-6)
        assert log_policy[0].item() == -math.inf
        torch.testing.assert_close(log_policy[1:], soft_log_policy(q[1:], log_prior[1:], alpha, 2.0))
        assert torch.isfinite(expected_regulariser(log_policy, log_prior, alpha, 2.0))
        (gradient,) = torch.autograd.grad(value + log_policy[1] + expected_regulariser(log_policy, log_prior, alpha, 2.0), q)
        assert torch.isfinite(gradient).all() and abs(float(gradient[0])) < 1e-6
    q = q.detach()
    assert float(soft_value(q, log_prior, 0.0, 1e4)) == pytest.approx(5.0)  # 0^0 = 1: without alpha the prior rules nothing out
    assert float(soft_log_policy(q, log_prior, 0.0, 1e4)[0]) == 0.0
    assert torch.isfinite(expected_regulariser(soft_log_policy(q, log_prior, 0.0, 1.0), log_prior, 0.0, 1.0))


# ---- targets ----


def window(seed=0, rows=20, n=6, actions=4):
    """Random steps: reward, discount, next value [rows, n], log policy and log prior [rows, n, actions], actions taken [rows, n]."""
    generator = np.random.default_rng(seed)
    reward, next_value = torch.from_numpy(generator.normal(size=(2, rows, n)))
    log_policy, log_prior = torch.log_softmax(torch.from_numpy(generator.normal(size=(2, rows, n, actions))), -1)
    return (
        reward,
        torch.full_like(reward, 0.9),
        next_value,
        log_policy,
        log_prior,
        torch.from_numpy(generator.integers(actions, size=(rows, n))),
    )


def of(log, action):
    return log.gather(-1, action.unsqueeze(-1)).squeeze(-1)


def test_n_step_targets_of_one_step_are_the_one_step_target():
    reward, discount, next_value, log_policy, log_prior, action = window(n=1)
    one = soft.one_step_target(reward, discount, next_value)[:, 0]
    torch.testing.assert_close(one, reward[:, 0] + 0.9 * next_value[:, 0])
    expected = soft.n_step_target_expected_kl(reward, discount, next_value, log_policy, log_prior, 0.8, 5.0)
    sampled = soft.n_step_target_sampled(reward, discount, next_value, of(log_policy, action), of(log_prior, action), 0.8, 5.0)
    torch.testing.assert_close(expected, one, atol=0, rtol=0)
    torch.testing.assert_close(sampled, one, atol=0, rtol=0)


def test_n_step_targets_are_the_sums_of_the_thesis():
    """(2.44) as printed, its KL_t / beta in front included; and the same with log-ratios in place of the KLs."""
    reward, discount, next_value, log_policy, log_prior, action = window()
    divergence, ratio, beta = kl(log_policy, log_prior), of(log_policy, action) - of(log_prior, action), 5.0
    for price, found in (
        (divergence, soft.n_step_target_expected_kl(reward, discount, next_value, log_policy, log_prior, 1.0, beta)),
        (ratio, soft.n_step_target_sampled(reward, discount, next_value, of(log_policy, action), of(log_prior, action), 1.0, beta)),
    ):
        printed = price[:, 0] / beta + sum(0.9**d * (reward[:, d] - price[:, d] / beta) for d in range(6)) + 0.9**6 * next_value[:, 5]
        torch.testing.assert_close(found, printed)


def test_targets_by_hand():
    """Three steps that pay 1, 2, 3; log-ratios of the actions taken are 7 (unused), 0.5, -0.5; beta = 0.5, gamma = 0.5, V = 8."""
    reward = torch.tensor([1.0, 2.0, 3.0])
    log_policy = torch.tensor([-1.0, -1.0, -2.0])
    log_prior = log_policy - torch.tensor([7.0, 0.5, -0.5])
    target = lambda **more: soft.n_step_target_sampled(  # noqa: E731
        reward, more.get("discount", torch.full((3,), 0.5)), torch.full((3,), 8.0), log_policy, log_prior, 1.0, 0.5, more.get("truncated")
    )
    assert float(target()) == 1 + 0.5 * (2 - 1) + 0.25 * (3 + 1) + 0.125 * 8
    assert float(target(discount=torch.tensor([0.5, 0.0, 0.5]))) == 1 + 0.5 * (2 - 1)  # ended after two steps
    assert float(target(discount=torch.tensor([0.0, 0.5, 0.5]))) == 1
    assert float(target(truncated=torch.tensor([False, True, False]))) == 1 + 0.5 * (2 - 1) + 0.25 * 8  # cut after two: bootstraps
    assert float(target(truncated=torch.tensor([True, False, False]))) == 1 + 0.5 * 8


@pytest.mark.parametrize("ends_by", ["discount", "truncated"])
def test_nothing_flows_back_from_the_next_episode(ends_by):
    reward, discount, next_value, log_policy, log_prior, action = window()
    truncated = torch.zeros_like(reward, dtype=torch.bool)
    (truncated if ends_by == "truncated" else discount)[:, 2] = ends_by == "truncated"
    results = []
    for shift in (0.0, 100.0):
        reward[:, 3:] += shift
        next_value[:, 3:] += shift
        log_policy[:, 3:] = torch.log_softmax(log_policy[:, 3:] * (1 + shift), -1)
        results += [
            soft.n_step_target_expected_kl(reward, discount, next_value, log_policy, log_prior, 0.8, 5.0, truncated),
            soft.n_step_target_sampled(reward, discount, next_value, of(log_policy, action), of(log_prior, action), 0.8, 5.0, truncated),
        ]
    torch.testing.assert_close(results[0], results[2], atol=0, rtol=0)
    torch.testing.assert_close(results[1], results[3], atol=0, rtol=0)


# ---- checks ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0.0}, "f: beta is 0.0, wanted a finite number above 0"),
        ({"beta": -1}, "f: beta is -1, wanted"),
        ({"beta": math.nan}, "f: beta is nan, wanted"),
        ({"beta": math.inf}, "f: beta is inf, wanted"),
        ({"beta": torch.tensor([1.0, -2.0])}, r"f: beta\[1\] is -2.0, wanted"),
        ({"alpha": 1.1}, "f: alpha is 1.1, wanted a number from 0 to 1"),
        ({"alpha": -0.1}, "f: alpha is -0.1, wanted"),
        ({"alpha": math.nan}, "f: alpha is nan, wanted"),
        ({"log_prior": torch.zeros(3)}, r"f: exp\(log_prior\) = \[1.0, 1.0, 1.0\] is no distribution"),
        ({"log_prior": torch.tensor([0.0, math.nan])}, r"f: exp\(log_prior\) = \[1.0, nan\] is no distribution"),
        ({"log_prior": torch.tensor([[0.0, -math.inf], [-1.0, -1.0]])}, r"f: exp\(log_prior\)\[1\] = \[0.36"),
    ],
)
def test_checked_prior_refuses(change, message):
    good = {"log_prior": uniform_prior(3), "alpha": 0.5, "beta": 1.0}
    soft.checked_prior("f", **good)
    with pytest.raises(ValueError, match=message):
        soft.checked_prior("f", **(good | change))


@pytest.mark.parametrize("prior", [[0.2] * 5, [0.1, 0.2, 0.3, 0.4], [1 / 3] * 3, [1.0, 0.0]])
def test_a_prior_is_normalised_where_it_is_right_to_float32_only(prior):
    exact = torch.tensor(prior, dtype=torch.float64).log()
    assert torch.equal(soft.checked_prior("f", exact, 1.0, 1.0), exact)  # to the bit
    rounded = torch.tensor(prior).log().double()
    found = soft.checked_prior("f", rounded, 1.0, 1.0)
    assert found.dtype == torch.float64 and abs(float(found.exp().sum()) - 1) < 1e-15
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-6)


def test_check_support():
    half = torch.tensor([[0.5, 0.5], [1.0, 0.0]]).log()
    soft.check_support("f", half, uniform_prior(2).float())
    soft.check_support("f", half, half)
    soft.check_support("f", uniform_prior(2), torch.tensor([0.0, -1e5]).log_softmax(-1))  # far away is not ruled out: the KL is finite
    with pytest.raises(ValueError, match=r"f: log_policy\[1, 1\] gives probability 0.5 to an action that log_prior rules out"):
        soft.check_support("f", uniform_prior(2), half.double())
