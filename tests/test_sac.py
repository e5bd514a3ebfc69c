"""Soft actor-critic: its density against other libraries and integrals, its loop against a plain program, its fixed point against the exact
soft optimum of chapter 06."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from rounding import assert_trained_alike
from scipy import integrate
from torch import distributions
from torch.nn import functional

from distral_lite import gym_bridge, lanes, networks, sac, soft
from distral_lite.gridworld import GridWorld, load_map
from distral_lite.soft_q_learning import solve

SMALL = GridWorld.from_text(
    """
    #####
    #S..#
    #.#.#
    #..G#
    #####
    """
)
UNIFORM = torch.full((5,), -math.log(5), dtype=torch.float64)
PENDULUM = gym_bridge.GymTask("Pendulum-v1", continuous=True)
TINY = sac.Config(steps=90, batch=16, learning_starts=30, hidden=(16, 16), learning_rate=3e-3, snapshots=3)
UPDATES = TINY.steps - TINY.learning_starts + 1


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


# ---- the squashed Gaussian ----


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_density_is_torch_distributions(scale):
    mean, log_std, u = 0.5 * numbers(7, 3), 0.3 * numbers(7, 3, seed=1), numbers(7, 3, seed=2)
    squash = [distributions.TanhTransform(), distributions.AffineTransform(0.0, scale)]
    law = distributions.TransformedDistribution(distributions.Normal(mean, log_std.exp()), squash)
    wanted = law.log_prob(scale * u.tanh()).sum(-1)
    found = sac.squashed_log_density(mean, log_std, u, scale)
    assert found.shape == (7,)
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("mean", "std", "scale"), [(0.0, 0.5, 1.0), (0.7, 0.2, 2.0), (-1.2, 0.9, 0.5), (0.3, 1.5, 2.0)])
def test_the_density_integrates_to_one_over_the_actions(mean, std, scale):
    """Over a from -scale to scale, by quadrature; a wrong term in scale or slope would be a factor."""

    def density(a):
        u = torch.atanh(torch.tensor([a / scale], dtype=torch.float64))
        return float(sac.squashed_log_density(torch.tensor([mean]).double(), torch.tensor([math.log(std)]).double(), u, scale).exp())

    total, _ = integrate.quad(density, -scale, scale, limit=200)
    assert total == pytest.approx(1.0, abs=1e-6)


def test_the_density_in_numbers():
    """One component at u = mean = 0, std 1: log N = -log(2 pi) / 2, slope 1. Two components add; a scale of 2 takes log 2 off each."""
    zero = torch.zeros(2, dtype=torch.float64)
    assert float(sac.squashed_log_density(zero[:1], zero[:1], zero[:1])) == pytest.approx(-0.9189385332046727, abs=1e-12)
    assert float(sac.squashed_log_density(zero, zero, zero)) == pytest.approx(-1.8378770664093453, abs=1e-12)
    assert float(sac.squashed_log_density(zero, zero, zero, 2.0)) == pytest.approx(-3.2241714275292359, abs=1e-12)
    assert float(sac.squashed_log_density(zero, zero, zero, torch.tensor([1.0, 2.0]))) == pytest.approx(-2.5310242469692907, abs=1e-12)
    narrow = torch.tensor([-3.0], dtype=torch.float64)
    assert float(sac.squashed_log_density(zero[:1], narrow, zero[:1])) == pytest.approx(2.0810614667953273, abs=1e-12)  # above 0: a density


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_the_density_is_right_and_smooth_where_tanh_is_rounded_to_one(precision):
    """log(1 - tanh(u)^2) = 2 log 2 - 2 |u| - 2 log(1 + exp(-2 |u|)), to |u| = 20; written as printed it is -inf there."""
    u = torch.tensor([-20.0, -12.0, -1.0, 0.0, 1.0, 12.0, 20.0], dtype=precision, requires_grad=True)
    wanted = [-38.613705638880109, -22.613705638955617, -0.867561656577, 0.0, -0.867561656577, -22.613705638955617, -38.613705638880109]
    found = sac.log_slope(u)
    assert found.tolist() == pytest.approx(wanted, abs=1e-6 if precision == torch.float32 else 1e-11, rel=1e-6)
    (gradient,) = torch.autograd.grad(found.sum(), u)
    torch.testing.assert_close(gradient, -2 * u.detach().tanh())
    zero = torch.zeros_like(u).unsqueeze(-1)
    density = sac.squashed_log_density(zero, zero, u.detach().unsqueeze(-1))
    assert torch.isfinite(density).all()
    torch.testing.assert_close(density, density.flip(0))
    assert torch.isneginf((1 - torch.tensor(20.0, dtype=precision).tanh() ** 2).log())


def test_a_scale_that_is_not_above_zero_is_refused():
    zero = torch.zeros(1)
    with pytest.raises(ValueError, match=r"sac.squashed_log_density: scale is 0.0, wanted a finite number above 0"):
        sac.squashed_log_density(zero, zero, zero, 0.0)


def test_gaussian_numbers_by_inversion():
    assert sac.standard_normal(torch.tensor([0.5, 0.975], dtype=torch.float64)).tolist() == pytest.approx([0.0, 1.959963984540054])
    ends = sac.standard_normal(torch.tensor([0.0, 1 - 2.0**-53], dtype=torch.float64))
    assert torch.isfinite(ends).all() and (ends.abs() < 9).all()
    drawn = sac.standard_normal(lanes.LaneRandom([0], [0]).uniform(20_000).flatten())
    assert abs(float(drawn.mean())) < 5 / 20_000**0.5 and abs(float(drawn.var()) - 1) < 5 * (2 / 20_000) ** 0.5


def test_samples_and_their_derivatives():
    """a = tanh(mean + std xi): da / dmean = 1 - a^2, da / dlog std = (1 - a^2) std xi, and log std = -1.5 + 3.5 tanh(x)."""
    outputs, uniform = (numbers(4, 6)).requires_grad_(), torch.from_numpy(np.random.default_rng(1).random((4, 3)))
    action, log_density = sac.sample_action(outputs, uniform)
    mean, log_std = sac.gaussian(outputs)
    xi = sac.standard_normal(uniform)
    torch.testing.assert_close(action, (mean + log_std.exp() * xi).tanh())
    torch.testing.assert_close(log_density, sac.squashed_log_density(mean, log_std, torch.atanh(action)), rtol=1e-8, atol=1e-8)
    by_mean, by_x = torch.autograd.grad(action.sum(), outputs)[0].chunk(2, -1)
    torch.testing.assert_close(by_mean, 1 - action**2)
    torch.testing.assert_close(by_x, (1 - action**2) * log_std.exp() * xi * 3.5 * (1 - outputs[:, 3:].tanh() ** 2))
    middle, _ = sac.sample_action(outputs, torch.full((4, 3), 0.5, dtype=torch.float64))
    torch.testing.assert_close(sac.mean_action(outputs), middle)


def test_no_policy_freezes_or_blows_up():
    _, log_std = sac.gaussian(torch.tensor([0.0, 0.0, 0.0, -1e6, 0.0, 1e6]))
    assert log_std.tolist() == [-5.0, -1.5, 2.0]


def test_the_entropy_of_a_policy_is_the_mean_of_its_log_densities():
    """10,000 stratified samples against the integral of -p log p."""
    outputs = torch.tensor([0.4, 0.3], dtype=torch.float64)
    uniform = ((torch.arange(10_000) + 0.5) / 10_000).unsqueeze(-1)
    _, log_density = sac.sample_action(outputs.expand(10_000, 2), uniform)
    mean, log_std = sac.gaussian(outputs)

    def integrand(a):
        log = float(sac.squashed_log_density(mean, log_std, torch.atanh(torch.tensor([a], dtype=torch.float64))))
        return -log * math.exp(log)

    wanted, _ = integrate.quad(integrand, -1, 1, limit=200)
    assert float(-log_density.mean()) == pytest.approx(wanted, abs=1e-3)


# ---- targets and losses ----


def test_targets_and_losses_in_numbers():
    reward, discount, following = torch.tensor([1.0, 1.0]), torch.tensor([0.9, 0.0]), torch.tensor([10.0, 10.0])
    torch.testing.assert_close(sac.q_target(reward, discount, following), torch.tensor([10.0, 1.0]))
    q = torch.tensor([[1.0, 5.0], [2.0, 3.0]])  # of the two networks, for two samples
    torch.testing.assert_close(sac.v_target(q, torch.tensor([-1.0, 2.0]), 0.5), torch.tensor([1.5, 2.0]))
    torch.testing.assert_close(sac.squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 4.0]])), torch.tensor([2.5]))
    torch.testing.assert_close(sac.policy_loss(q[0], torch.tensor([-1.0, 2.0]), 0.5), torch.tensor(-2.75))
    half = torch.tensor([0.5, 0.5]).log()
    assert float(sac.v_target_discrete(q, half, 0.5)) == pytest.approx(2.0 + 0.5 * math.log(2), abs=1e-6)  # of min(1, 2), min(5, 3)
    assert float(sac.policy_loss_discrete(q, half.expand(2, 2), 0.5)) == pytest.approx(-2.75 - 0.5 * math.log(2), abs=1e-6)


def test_no_gradient_flows_through_targets():
    q, log_density = numbers(2, 4).requires_grad_(), numbers(4, seed=1).requires_grad_()
    assert not sac.v_target(q, log_density, 0.1).requires_grad
    assert not sac.v_target_discrete(q, log_density, 0.1).requires_grad
    assert not sac.q_target(q, torch.ones(4), log_density).requires_grad


def test_the_policy_gradient_flows_through_the_action():
    """Line 15 by autograd against central differences in a parameter of the policy, with everything in float64."""
    random = lanes.LaneRandom([0], [0])
    policy, q = (
        networks.each(lambda tensor: tensor.double(), networks.mlp(sizes, random.uniform, gain=2.0)) for sizes in ((3, 8, 4), (5, 8, 1))
    )
    observation, xi = numbers(1, 1, 6, 3), random.uniform(12).unflatten(-1, (6, 2))

    def loss(network):
        action, log_density = sac.sample_action(networks.apply(network, observation), xi)
        return sac.policy_loss(sac.action_values(q, observation, action), log_density, 0.2).sum()

    moved = networks.each(lambda tensor: tensor.clone().requires_grad_(), policy)
    gradients = torch.autograd.grad(loss(moved), networks.parameters(moved))
    for place, gradient in enumerate(gradients):
        index = tuple(int(i) for i in np.unravel_index(int(gradient.abs().argmax()), gradient.shape))
        ends = []
        for step in (1e-5, -1e-5):
            other = networks.each(torch.clone, policy)
            networks.parameters(other)[place][index] += step
            ends.append(float(loss(other)))
        assert float(gradient[index]) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)


def test_polyak_in_numbers():
    target, source = networks.table(1, 2, 3, 1, value=1.0), networks.table(1, 2, 3, 1, value=3.0)
    sac.polyak(target, source, 0.75)
    assert torch.equal(target.values, torch.full((1, 2, 3, 1), 1.5)) and torch.equal(source.values, torch.full((1, 2, 3, 1), 3.0))
    sac.polyak(target, source, 0.0)
    assert torch.equal(target.values, source.values)


def test_descend_moves_one_network_only():
    random = lanes.LaneRandom([0, 1], [0])
    one, other = (networks.mlp((2, 3, 1), random.uniform) for _ in range(2))
    optimiser, _ = networks.adam(one, 0.1), networks.adam(other, 0.1)
    x, before, rest = torch.ones(2, 1, 4, 2), networks.copy(one), networks.copy(other)
    sac.descend(one, optimiser, (networks.apply(one, x) * networks.apply(other, x)).mean((-1, -2)))
    assert all(torch.equal(a, b) for a, b in zip(networks.parameters(other), networks.parameters(rest), strict=True))
    assert not torch.equal(one.biases[1], before.biases[1])
    assert all(tensor.grad is None for tensor in networks.parameters(other))


# ---- the discrete form and the exact soft optimum ----


@pytest.mark.parametrize("beta", [2.0, 20.0, 200.0])
@pytest.mark.parametrize("number", [4, 6])
def test_the_exact_soft_optimum_with_alpha_0_is_the_fixed_point(number, beta):
    """At it both targets give back V and Q, and the policy's loss has no gradient. kappa = 1 / beta."""
    task, kappa = load_map(number).mdp(), 1 / beta
    exact = solve(task, UNIFORM, 0.0, beta, 0.95)
    torch.testing.assert_close(sac.v_target_discrete(exact.q.expand(2, -1, -1), exact.log_policy, kappa), exact.value, rtol=0, atol=1e-9)
    following, ended = task.successor[..., 0], task.terminal[..., 0]
    torch.testing.assert_close(sac.q_target(task.reward, 0.95 * (~ended).double(), exact.value[following]), exact.q, rtol=0, atol=1e-9)
    logits = exact.log_policy.clone().requires_grad_()
    loss = sac.policy_loss_discrete(exact.q, logits.log_softmax(-1), kappa)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == pytest.approx(-float(soft.soft_value(exact.q, UNIFORM, 0.0, beta).mean()), abs=1e-9)
    assert float(gradient.abs().max()) < 1e-9
    others = torch.log_softmax(exact.log_policy + numbers(1000, 1, 5), -1)
    assert (sac.policy_loss_discrete(exact.q, others, kappa) > loss).all()


@pytest.mark.parametrize("beta", [3.0, 20.0])
def test_entropy_alone_and_kl_to_the_uniform_prior_differ_by_log_a_a_step(beta):
    """alpha = 1 with log(A) / beta added to what follows every step but the last is alpha = 0: same policy, V and Q as said.

    Without that, alpha = 1 is another task: a step costs it log(A) / beta more.
    """
    task, bonus = load_map(4).mdp(), math.log(5) / beta
    entropy = solve(task, UNIFORM, 0.0, beta, 0.95)
    paid = task._replace(reward=task.reward + 0.95 * bonus * (~task.terminal[..., 0]).double())
    price = solve(paid, UNIFORM, 1.0, beta, 0.95)
    torch.testing.assert_close(price.log_policy, entropy.log_policy, rtol=0, atol=1e-9)
    torch.testing.assert_close(price.q, entropy.q, rtol=0, atol=1e-9)
    torch.testing.assert_close(price.value + bonus, entropy.value, rtol=0, atol=1e-9)
    plain = solve(task, UNIFORM, 1.0, beta, 0.95)
    assert float((plain.log_policy.exp() - entropy.log_policy.exp()).abs().max()) > 0.01


EXPLORING = sac.Config(
    steps=2000, discount=0.95, kappa=0.05, learning_rate=0.015, rho=0.9, batch=64, learning_starts=500, hidden=None, exploring_starts=True,
    max_episode_steps=10, snapshots=2,
)  # fmt: skip


def gaps(run, world, config):
    """Largest errors of V, and of pi in total variation, over the states acted in: [R] each."""
    exact = solve(world.mdp(), UNIFORM, 0.0, 1 / config.kappa, config.discount)
    acting = torch.arange(len(world.cells)) != world.goal
    value = networks.on_states(run.agent.value, world.mdp().features[None])[:, 0, :, 0].detach()
    distance = 0.5 * (run.history.snapshots[:, 0, -1].exp() - exact.log_policy.exp()).abs().sum(-1)
    return (value - exact.value).abs()[:, acting].amax(-1), distance[:, acting].amax(-1)


def test_tables_learn_the_exact_soft_optimum():
    """Four seeds, kappa = 0.05 (beta = 20): every V within 0.02 (they reach from 0.5 to 1), every pi within 0.05."""
    task = SMALL.mdp()
    back = torch.where(task.terminal, SMALL.start, task.successor)  # an end that leads to the start, whose value must not count
    run = sac.train_discrete([task._replace(successor=back)], EXPLORING, range(4))
    value_gap, policy_gap = gaps(run, SMALL, EXPLORING)
    assert (value_gap < 0.02).all() and (policy_gap < 0.05).all()
    first = run.history.snapshots[:, 0, 0].exp()
    torch.testing.assert_close(first, torch.full_like(first, 0.2))  # it began uniform, far away
    exact = solve(SMALL.mdp(), UNIFORM, 0.0, 20.0, 0.95)
    assert float(0.5 * (exact.log_policy.exp() - 0.2).abs().sum(-1).max()) > 0.5


@pytest.mark.parametrize("change", [{}, {"hidden": (64, 64), "learning_rate": 2e-3, "rho": 0.95}], ids=["tables", "networks"])
def test_map_4_is_learned(change):
    """Two seeds on the thesis's map: every V within 0.02, where they reach from -0.25 to 1, every pi within 0.05."""
    config = replace(EXPLORING, steps=2800, learning_starts=1500, batch=128, learning_rate=0.01)
    world, config = load_map(4), replace(config, **change)
    value_gap, policy_gap = gaps(sac.train_discrete([world.mdp()], config, range(2)), world, config)
    assert (value_gap < 0.02).all() and (policy_gap < 0.05).all()


def test_a_gymnasium_task_with_vectors_for_observations_and_numbered_actions():
    run = sac.train_discrete([gym_bridge.GymTask("CartPole-v1")], replace(TINY, steps=120), [0, 1])
    assert run.history.snapshots is None and run.history.returns.shape[:2] == (2, 1)
    assert networks.apply(run.agent.policy, torch.zeros(2, 1, 1, 4)).shape == (2, 1, 1, 2)


# ---- the continuous loop ----


class Push(gym_bridge.gymnasium.Env):
    """Episodes of one step: the push a in [-4, 4] pays -size * (a / 4 - 0.3)^2; with `bad_step`, the so-manieth pays NaN."""

    observation_space = gym_bridge.Box(-1.0, 1.0, (1,), np.float32)
    action_space = gym_bridge.Box(-4.0, 4.0, (1,), np.float32)

    def __init__(self, size=1.0, bad_step=0):
        self.size, self.bad_step, self.steps = size, bad_step, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, dtype=np.float32), {}

    def step(self, action):
        self.steps += 1
        reward = math.nan if self.steps == self.bad_step else -self.size * (float(action[0]) / 4 - 0.3) ** 2
        return np.ones(1, dtype=np.float32), reward, True, False, {}


@pytest.fixture(scope="module", autouse=True)
def push():
    gym_bridge.gymnasium.register("distral_lite_tests/Push-v0", Push)
    yield
    del gym_bridge.gymnasium.registry["distral_lite_tests/Push-v0"]


def pushing(**settings):
    return gym_bridge.GymTask("distral_lite_tests/Push-v0", settings, continuous=True)


def test_one_step_episodes_against_the_soft_value_by_quadrature():
    """Two seeds. The best density is exp(r(a) / kappa), normalised: its mean is 0.3 and V = kappa log of the integral.

    A squashed Gaussian cannot be exactly it, so V is a little below: within 0.02 here, where V(uniform policy) is 0.1 lower.
    """
    config = replace(TINY, steps=900, kappa=0.1, batch=64, learning_rate=5e-3, rho=0.9)
    run = sac.train([pushing()], config, range(2))
    observation = torch.ones(2, 1, 1, 1)
    integral, _ = integrate.quad(lambda a: math.exp(-((a - 0.3) ** 2) / 0.1), -1, 1)
    wanted = 0.1 * math.log(integral)
    found = sac.state_values(run.agent.value, observation).flatten().tolist()
    assert found == pytest.approx([wanted] * 2, abs=0.02)
    random = 0.1 * math.log(2) - (1 / 3 + 0.3**2)
    assert random < wanted - 0.1
    assert sac.mean_action(networks.apply(run.agent.policy, observation)).flatten().tolist() == pytest.approx([0.3] * 2, abs=0.06)
    q = sac.action_values(run.agent.q, observation.expand(2, 1, 3, 1), torch.tensor([0.0, 0.3, 0.6]).view(1, 1, 3, 1).expand(2, 1, 3, 1))
    assert q.shape == (2, 2, 1, 3)  # twins, runs, tasks, batch
    torch.testing.assert_close(q.detach(), torch.tensor([-0.09, 0.0, -0.09]).expand_as(q), rtol=0, atol=0.04)
    world = lanes.make_world([pushing()], range(50, 60))
    assert float(sac.greedy_returns(run.agent.policy, world).min()) > -0.02  # 0.3 of the environment's range is a push of 1.2


def test_what_the_loop_does_against_a_plain_program():
    """A second program for one lane: a list for D, PyTorch's layers, Adam and distributions, the same random numbers; 40 updates."""
    config = sac.Config(
        steps=50, learning_starts=11, batch=8, hidden=(16,), kappa=0.3, rho=0.9, reward_scale=0.5, discount=0.9, learning_rate=3e-3,
        capacity=25, snapshots=1, max_episode_steps=15,
    )  # fmt: skip
    found = sac.train([PENDULUM], config, [5]).agent
    first = lanes.LaneRandom([5], [0], stream=3).uniform

    def made(*sizes):
        layers = []
        for inputs, outputs in pairwise(sizes):
            drawn = ((2 * first((inputs + 1) * outputs)[0, 0] - 1) / inputs**0.5).float().view(inputs + 1, outputs)
            layers += [drawn[:-1].T.clone().requires_grad_(), drawn[-1].clone().requires_grad_()]
        return layers

    def output(w, x):
        return functional.linear(functional.leaky_relu(functional.linear(x, w[0], w[1])), w[2], w[3])

    phi_1, phi_2, theta, psi = made(4, 16, 1), made(4, 16, 1), made(3, 16, 2), made(3, 16, 1)
    psi_targ = [w.detach().clone() for w in psi]
    adams = [torch.optim.Adam(w, 3e-3) for w in (phi_1, phi_2, psi, theta)]
    acting, learning = (lanes.LaneRandom([5], [0], stream=stream).uniform for stream in (1, 2))

    def sampled(s, uniform):
        mean, x = output(theta, s).unbind(-1)
        law = distributions.Normal(mean, (-1.5 + 3.5 * x.tanh()).exp())
        u = law.mean + law.stddev * distributions.Normal(0.0, 1.0).icdf(uniform).float()
        return u.tanh(), law.log_prob(u) - (1 - u.tanh() ** 2).log()

    env = PENDULUM.make()
    seed = int(lanes.LaneRandom([5], [0]).uniform(1)[0, 0, 0] * 2**53)
    state, D = torch.from_numpy(env.reset(seed=seed)[0]), []
    for t in range(1, 51):
        with torch.no_grad():
            action, _ = sampled(state, acting(1)[0, 0, 0])
        after, reward, *_ = env.step((2 * action).numpy().reshape(1).astype(np.float32))
        D.append((state, action, torch.tensor(0.5 * reward).float(), torch.from_numpy(after)))
        state = torch.from_numpy(env.reset()[0] if t % 15 == 0 else after)  # a time-out: what follows it has its value
        if t < 11:
            continue
        newest = D[-25:][::-1]
        s, a, r, s_next = (torch.stack(field) for field in zip(*(newest[int(u * len(newest))] for u in learning(8)[0, 0]), strict=True))
        with torch.no_grad():
            y_q = r + 0.9 * output(psi_targ, s_next)[:, 0]
        a_new, log_pi = sampled(s, learning(8)[0, 0])
        with torch.no_grad():
            both = torch.stack([output(phi, torch.cat([s, a_new[:, None]], -1))[:, 0] for phi in (phi_1, phi_2)])
            y_v = both.min(0).values - 0.3 * log_pi
        for phi, adam in zip((phi_1, phi_2), adams[:2], strict=True):
            adam.zero_grad()
            ((output(phi, torch.cat([s, a[:, None]], -1))[:, 0] - y_q) ** 2).mean().backward()
            adam.step()
        adams[2].zero_grad()
        ((output(psi, s)[:, 0] - y_v) ** 2).mean().backward()
        adams[2].step()
        adams[3].zero_grad()
        (0.3 * log_pi - output(phi_1, torch.cat([s, a_new[:, None]], -1))[:, 0]).mean().backward()
        adams[3].step()
        with torch.no_grad():
            psi_targ = [0.9 * old + 0.1 * new for old, new in zip(psi_targ, psi, strict=True)]

    twins = [networks.each(lambda tensor, i=i: tensor[i], found.q) for i in range(2)]
    for mine, theirs in ((found.policy, theta), (twins[0], phi_1), (twins[1], phi_2), (found.value, psi)):
        layers = (mine.weights[0], mine.biases[0], mine.weights[1], mine.biases[1])
        for one, other in zip(layers, theirs, strict=True):
            assert_trained_alike(one[0, 0].T.squeeze(), other.detach().squeeze(), updates=40)


def test_a_lane_is_the_same_alone_and_among_others():
    """The environment and the draws bit for bit; parameters but for rounding."""
    tasks = [pushing(), pushing(size=2.0)]
    among = sac.train(tasks, TINY, [3, 8, 11], task_ids=[4, 9])
    alone = sac.train(tasks[1:], TINY, [8], task_ids=[9])
    for mine, theirs, axis in ((among.agent.policy, alone.agent.policy, 0), (among.agent.q, alone.agent.q, 1)):
        for one, other in zip(networks.parameters(mine), networks.parameters(theirs), strict=True):
            lane = one.narrow(axis, 1, 1).narrow(axis + 1, 1, 1)
            assert_trained_alike(lane, other, UPDATES)
    assert_trained_alike(among.history.returns[1, 1], alone.history.returns[0, 0], UPDATES)
    assert torch.equal(among.history.returns[1, 1, :30], alone.history.returns[0, 0, :30])  # before learning


@pytest.mark.parametrize("form", ["continuous", "discrete"])
def test_a_neighbour_with_a_thousand_times_the_reward_changes_nothing(form):
    if form == "continuous":
        runs = [sac.train([pushing(size=size), pushing()], TINY, range(2)) for size in (1.0, 1000.0)]
    else:
        task = SMALL.mdp()
        loud = task._replace(reward=1000 * task.reward)
        runs = [sac.train_discrete([first, task], replace(TINY, hidden=None), range(2)) for first in (task, loud)]
    calm, disturbed = ([tensor for network in run.agent for tensor in networks.parameters(network)] for run in runs)
    for one, other in zip(calm, disturbed, strict=True):
        axis = one.ndim - 3
        assert torch.equal(one.select(axis, 1), other.select(axis, 1))
    assert not torch.equal(calm[0].select(0, 0), disturbed[0].select(0, 0))


def test_a_shorter_run_is_the_beginning_of_a_longer_one():
    short, long = (sac.train([pushing()], replace(TINY, steps=steps, snapshots=steps // 30), [0, 1]) for steps in (60, 120))
    assert torch.equal(short.history.returns, long.history.returns[..., :60])
    for one, other in zip(short.history.checkpoints, long.history.checkpoints[:3], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(networks.parameters(one), networks.parameters(other), strict=True))
    one, other = short.history.checkpoints[1:]
    assert not torch.equal(one.weights[0], other.weights[0])


def test_scaled_rewards_are_learned_from_and_real_ones_reported():
    task = SMALL.mdp()
    config = replace(TINY, hidden=None, steps=60)
    scaled = sac.train_discrete([task], replace(config, reward_scale=0.25), [0])
    quarter = sac.train_discrete([task._replace(reward=0.25 * task.reward)], config, [0])
    assert_trained_alike(scaled.history.snapshots, quarter.history.snapshots, updates=31)
    done = ~scaled.history.returns.isnan()
    assert bool(done.any())
    torch.testing.assert_close(0.25 * scaled.history.returns[done], quarter.history.returns[done])


def test_history():
    run = sac.train([pushing()], TINY, range(3))
    assert run.history.returns.shape == run.history.durations.shape == (3, 1, 90)
    assert run.history.snapshot_steps.tolist() == [0, 30, 60, 90] and len(run.history.checkpoints) == 4
    assert run.history.snapshots is None
    assert not any(tensor.requires_grad for network in run.agent for tensor in networks.parameters(network))
    run = sac.train_discrete([SMALL.mdp()], replace(TINY, hidden=None), range(3))
    assert run.history.snapshots.shape == (3, 1, 4, 8, 5)
    torch.testing.assert_close(run.history.snapshots.exp().sum(-1), torch.ones(3, 1, 4, 8))


def test_both_q_begin_different_and_updates_are_counted():
    """Before learning starts nothing moves; `updates` and `update_every` say how often it does after."""
    config = replace(TINY, steps=40, learning_starts=31, snapshots=40)
    run = sac.train([pushing()], config, [0])
    moved = [not torch.equal(a.weights[0], b.weights[0]) for a, b in pairwise(run.history.checkpoints)]
    assert moved == [step >= 31 for step in range(1, 41)]
    start = sac.train([pushing()], replace(TINY, steps=10, learning_starts=11, snapshots=1), [0]).agent
    assert not torch.equal(start.q.weights[0][0], start.q.weights[0][1])
    every = sac.train([pushing()], replace(config, update_every=4, updates=2), [0])
    moved = [not torch.equal(a.weights[0], b.weights[0]) for a, b in pairwise(every.history.checkpoints)]
    assert moved == [step >= 31 and step % 4 == 0 for step in range(1, 41)]


@pytest.mark.parametrize("form", ["continuous", "discrete"])
def test_an_interrupt_returns_what_there_is(monkeypatch, form):
    world = gym_bridge.GymWorld if form == "continuous" else lanes.TableWorld
    taken, step = [], world.step

    def interrupted(self, action):
        taken.append(1)
        if len(taken) == 50:
            raise KeyboardInterrupt
        return step(self, action)

    monkeypatch.setattr(world, "step", interrupted)
    train, task = (sac.train, pushing()) if form == "continuous" else (sac.train_discrete, SMALL.mdp())
    run = train([task], TINY, [0])
    assert run.history.snapshot_steps.tolist() == [0, 30, 49]
    assert torch.isfinite(run.history.returns).sum() == 49 or form == "discrete"


# ---- errors ----


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("kappa", 0.0, "a finite number above 0"),
        ("kappa", -0.1, "a finite number above 0"),
        ("kappa", float("nan"), "a finite number above 0"),
        ("reward_scale", 0.0, "a finite number above 0"),
        ("learning_rate", float("inf"), "a finite number above 0"),
        ("rho", 1.5, "a number from 0 to 1"),
        ("discount", -0.1, "a number from 0 to 1"),
        ("batch", 0, "an integer of at least 1"),
        ("updates", 1.5, "an integer of at least 1"),
    ],
)
def test_bad_settings_are_refused_by_name(setting, value, wanted):
    with pytest.raises(ValueError, match=rf"sac.Config: {setting} is {value}, wanted {wanted}"):
        sac.Config(**{setting: value})


def test_other_mistakes_are_named():
    with pytest.raises(ValueError, match=r"sac.Config: hidden\[1\] is 0"):
        sac.Config(hidden=(64, 0))
    with pytest.raises(ValueError, match=r"sac.Config: snapshots is 20, wanted at most one a step"):
        sac.Config(steps=10)
    with pytest.raises(ValueError, match=r"sac.train: tasks have 5 numbered actions, wanted continuous ones.*sac.train_discrete"):
        sac.train([SMALL.mdp()], TINY, [0])
    with pytest.raises(ValueError, match=r"sac.train: tasks have 2 numbered actions, wanted continuous ones"):
        sac.train([gym_bridge.GymTask("CartPole-v1")], TINY, [0])
    with pytest.raises(ValueError, match=r"sac.train_discrete: tasks have continuous actions of 1 .*wanted numbered ones.*sac.train"):
        sac.train_discrete([PENDULUM], TINY, [0])
    with pytest.raises(ValueError, match=r"sac.train: config.hidden is None \(tables\), wanted the units of hidden layers"):
        sac.train([PENDULUM], replace(TINY, hidden=None), [0])
    with pytest.raises(ValueError, match=r"sac.train_discrete: config.hidden is None \(tables\), wanted hidden layers"):
        sac.train_discrete([gym_bridge.GymTask("CartPole-v1")], replace(TINY, hidden=None), [0])


def test_rewards_that_are_not_finite_are_named():
    with pytest.raises(ValueError, match=r"distral_lite_tests/Push-v0 paid nan in run 0 \(seed 0\), task 0.*wanted a finite"):
        sac.train([pushing(bad_step=20)], TINY, [0])
    broken = SMALL.mdp()
    broken = broken._replace(reward=broken.reward.index_fill(0, torch.tensor([SMALL.start]), float("nan")))
    with pytest.raises(ValueError, match=r"reward\[0, 0\] is nan, wanted a finite number"):
        sac.train_discrete([broken], TINY, [0])
