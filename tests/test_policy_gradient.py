"""Scores, exact gradients, all trajectories, and REINFORCE: against autograd, finite differences, enumeration and each other."""

import dataclasses
import itertools
import math
import re

import numpy as np
import pytest
import torch
from rounding import assert_trained_alike

from distral_lite import gym_bridge, lanes, mdp, networks
from distral_lite import policy_gradient as pg
from distral_lite.gridworld import load_map
from distral_lite.lanes import LaneRandom
from distral_lite.mdp import MDP

GAMMA = 0.9


def refuses(text, error=ValueError):
    return pytest.raises(error, match=re.escape(text))


def logits(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def layers(seed=0, steps=3, width=2, actions=2):
    """A random MDP that is over after exactly `steps` steps: in layer t are `width` states; an action leads to either of the next two."""
    generator = np.random.default_rng(seed)
    states = steps * width
    successor = np.array([[[min(s // width + 1, steps - 1) * width + m for m in range(2)] for _ in range(actions)] for s in range(states)])
    terminal = np.broadcast_to((np.arange(states) // width == steps - 1)[:, None, None], successor.shape).copy()
    start = np.zeros(states)
    start[:width] = generator.dirichlet(np.ones(width))
    chance, reward = generator.dirichlet(np.ones(2), size=(states, actions)), generator.normal(size=(states, actions))
    made = [torch.from_numpy(array) for array in (successor, chance, reward, terminal, start)]
    return mdp.check(MDP(*made, torch.eye(states)))


def autograd(function, preferences):
    preferences = preferences.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(preferences.log_softmax(-1)), preferences)
    return gradient


def enumerated(world, log_policy, steps, weights):
    """All estimates of a gradient with their probabilities; `weights` turns (reward, return to go) into w_t."""
    ways = pg.trajectories(world, log_policy.exp(), steps)
    assert bool(ways.ended.all())
    to_go = torch.stack([sum(GAMMA ** (i - t) * ways.reward[:, i] for i in range(t, steps)) for t in range(steps)], -1)
    return ways.probability, pg.trajectory_gradient(log_policy, ways.state, ways.action, weights(ways.reward, to_go) * ways.real)


# ---- one decision ----


def test_score_by_hand_and_by_autograd():
    """(2.20): 1[a = b] - pi(b); it is the derivative of log pi(a), and its mean is zero."""
    policy = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    assert pg.score(policy.log(), torch.tensor(1)).tolist() == pytest.approx([-0.5, 0.7, -0.2])
    preferences = logits(0, 4, 3)
    for a in range(3):
        expected = autograd(lambda log_policy, a=a: log_policy[:, a].sum(), preferences)
        torch.testing.assert_close(pg.score(preferences.log_softmax(-1), torch.full((4,), a)), expected, atol=1e-12, rtol=0)
    mean = sum(policy[a] * pg.score(policy.log(), torch.tensor(a)) for a in range(3))
    assert float(mean.abs().max()) < 1e-15


def test_bandit_gradient_by_enumeration_autograd_and_sampling():
    """(2.19), (2.20): three ways to one gradient, in a one-step world of two states."""
    world = layers(seed=3, steps=1, actions=3)
    preferences = logits(1, 2, 3)
    log_policy = preferences.log_softmax(-1)
    by_autograd = autograd(lambda log_policy: (world.start[:, None] * log_policy.exp() * world.reward).sum(), preferences)
    probability, estimate = enumerated(world, log_policy, 1, lambda reward, to_go: reward)
    mean, variance = pg.mean_and_variance(probability, estimate)
    torch.testing.assert_close(mean, by_autograd, atol=1e-12, rtol=0)
    torch.testing.assert_close(autograd(lambda p: pg.objective(world, p, GAMMA), preferences), by_autograd, atol=1e-12, rtol=0)
    drawn = lanes.sample(probability.cumsum(-1), torch.from_numpy(np.random.default_rng(0).random(40_000)))
    error = (estimate[drawn].mean(0) - by_autograd).square().sum().sqrt()
    assert float(error) < 3 * math.sqrt(float(variance) / 40_000)


def test_gaussian_density_against_torch_and_by_hand():
    """(2.18)."""
    action, mean, deviation = logits(0, 50), logits(1, 50), logits(2, 50).exp()
    expected = torch.distributions.Normal(mean, deviation).log_prob(action)
    torch.testing.assert_close(pg.gaussian_log_density(action, mean, deviation), expected, atol=1e-12, rtol=0)
    at_mean = pg.gaussian_log_density(torch.tensor(2.0), torch.tensor(2.0), torch.tensor(0.1))
    assert float(at_mean) == pytest.approx(math.log(1 / (0.1 * math.sqrt(2 * math.pi))))  # positive: a density, not a probability
    with refuses("policy_gradient.gaussian_log_density: deviation[1] is 0.0, wanted a finite number above 0"):
        pg.gaussian_log_density(torch.zeros(2), torch.zeros(2), torch.tensor([1.0, 0.0]))


def test_gaussian_score_gives_the_gradient_of_a_quadratic():
    """E[score * -(a - 2)^2] by quadrature is the gradient of -((mu - 2)^2 + sigma^2)."""
    mean, deviation = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.5, 0.8))
    nodes, weights = (torch.from_numpy(x) for x in np.polynomial.hermite_e.hermegauss(20))
    action = (mean + deviation * nodes).detach()
    log_density = pg.gaussian_log_density(action, mean, deviation)
    estimate = (weights / weights.sum() * -((action - 2) ** 2) * log_density).sum()
    gradient = torch.autograd.grad(estimate, (mean, deviation))
    assert [float(g) for g in gradient] == pytest.approx([-2 * (0.5 - 2), -2 * 0.8], abs=1e-10)


# ---- many decisions ----


def test_objective_is_the_value_of_the_start():
    world, log_policy = layers(), logits(1, 6, 2).log_softmax(-1)
    ways = pg.trajectories(world, log_policy.exp(), 3)
    expected = (ways.probability * (ways.reward * GAMMA ** torch.arange(3).double()).sum(-1)).sum()
    assert float(pg.objective(world, log_policy, GAMMA)) == pytest.approx(float(expected), abs=1e-12)


def test_trajectories_are_all_of_them():
    """Their probabilities sum to one, none comes twice, and each one's probability is the product of its steps."""
    world, policy = layers(), logits(1, 6, 2).softmax(-1)
    ways = pg.trajectories(world, policy, 3)
    assert len(ways.probability) == 2 * (2 * 2) ** 2 * 2 * 2  # starts, two free steps of 2 actions x 2 outcomes, the last step's 4
    assert float(ways.probability.sum()) == pytest.approx(1, abs=1e-12)
    for n in (0, 17, 63):
        expected = float(world.start[ways.state[n, 0]])
        for t in range(3):
            expected *= float(policy[ways.state[n, t], ways.action[n, t]])
            if t < 2:
                leads = world.successor[ways.state[n, t], ways.action[n, t]] == ways.state[n, t + 1]
                expected *= float(world.probability[ways.state[n, t], ways.action[n, t]][leads].sum())
        same = (ways.state == ways.state[n]).all(-1) & (ways.action == ways.action[n]).all(-1)  # they differ in the last outcome alone
        assert float(ways.probability[same].sum()) == pytest.approx(expected, abs=1e-12)


def test_trajectories_stop_where_the_episode_does():
    """A coin that ends the episode with chance 1/2: after 4 steps 5 ways are left, one of them unfinished."""
    coin = MDP(
        torch.zeros(1, 1, 2, dtype=torch.int64),
        torch.full((1, 1, 2), 0.5, dtype=torch.float64),
        torch.ones(1, 1, dtype=torch.float64),
        torch.tensor([[[True, False]]]),
        torch.ones(1, dtype=torch.float64),
        torch.eye(1),
    )
    ways = pg.trajectories(coin, torch.ones(1, 1, dtype=torch.float64), 4)
    found = sorted(zip(ways.probability.tolist(), ways.reward.sum(-1).tolist(), ways.ended.tolist(), strict=True))
    assert found == [(0.0625, 4, False), (0.0625, 4, True), (0.125, 3, True), (0.25, 2, True), (0.5, 1, True)]
    assert torch.equal(ways.real.sum(-1).double(), ways.reward.sum(-1))


def test_trajectories_refuse():
    world, policy = layers(), mdp.uniform_policy(layers())
    with refuses("policy_gradient.trajectories: horizon is 0, wanted an integer of at least 1"):
        pg.trajectories(world, policy, 0)
    with refuses("policy_gradient.trajectories: policy[0] = [2.0, 2.0] is no distribution"):
        pg.trajectories(world, 4 * policy, 2)
    maze = load_map(6).mdp()
    with refuses("policy_gradient.trajectories: more than 1000000 trajectories, wanted a smaller horizon than 20"):
        pg.trajectories(maze, mdp.uniform_policy(maze), 20)


@pytest.mark.parametrize("seed", range(3))
def test_whole_trajectories_and_returns_to_go_agree(seed):
    """(2.21) = (2.22) in expectation, here with gamma inside both."""
    world, preferences = layers(seed), logits(seed, 6, 2)
    log_policy = preferences.log_softmax(-1)
    exact = autograd(lambda p: pg.objective(world, p, GAMMA), preferences)
    whole = pg.mean_and_variance(*enumerated(world, log_policy, 3, lambda reward, _: pg.whole_trajectory_weights(reward, GAMMA)))
    to_go = pg.mean_and_variance(*enumerated(world, log_policy, 3, lambda _, to_go: pg.box_weights(to_go, 0.0, GAMMA)))
    torch.testing.assert_close(whole[0], exact, atol=1e-12, rtol=0)
    torch.testing.assert_close(to_go[0], exact, atol=1e-12, rtol=0)


def test_returns_to_go_vary_less_where_the_past_says_nothing():
    """T independent decisions that pay 1 or 0: by hand, the whole trajectory's variance grows with the past's own square."""
    steps = 4
    successor = torch.arange(1, steps + 1).clamp(max=steps - 1).view(-1, 1, 1).expand(-1, 2, 1)
    reward = torch.tensor([[1.0, 0.0]] * steps, dtype=torch.float64)
    terminal = (torch.arange(steps) == steps - 1).view(-1, 1, 1).expand(-1, 2, 1)
    start = torch.eye(steps, dtype=torch.float64)[0]
    world = MDP(successor, torch.ones_like(successor).double(), reward, terminal, start, torch.eye(steps))
    log_policy = mdp.uniform_policy(world).log()
    ways = pg.trajectories(world, log_policy.exp(), steps)
    to_go = ways.reward.flip(-1).cumsum(-1).flip(-1)
    variances = []
    for weight in (pg.whole_trajectory_weights(ways.reward, 1.0), pg.box_weights(to_go, 0.0, 1.0)):
        mean, variance = pg.mean_and_variance(ways.probability, pg.trajectory_gradient(log_policy, ways.state, ways.action, weight))
        assert float((mean - torch.tensor([[0.25, -0.25]] * steps)).abs().max()) < 1e-12
        variances.append(float(variance))
    # Score entries are +-1/2, so each step adds 2 * (E[w^2] / 4 - 1/16), with w ~ Binomial(n, 1/2): E[w^2] = n / 4 + n^2 / 4.
    by_hand = [sum((n + n * n) / 8 - 1 / 8 for n in counts) for counts in ([4] * 4, [4, 3, 2, 1])]
    assert variances == pytest.approx(by_hand)
    assert variances[1] < variances[0]


def test_printed_formula_misses_the_gradient_by_its_visits():
    """(2.23): without gamma^t the estimate has another mean, the one with plain visits; with it, the exact gradient."""
    world, preferences = layers(5), logits(5, 6, 2)
    log_policy = preferences.log_softmax(-1)
    box = pg.mean_and_variance(*enumerated(world, log_policy, 3, lambda _, to_go: pg.box_weights(to_go, 0.0, GAMMA)))[0]
    printed = pg.mean_and_variance(*enumerated(world, log_policy, 3, lambda _, to_go: pg.printed_weights(to_go, 0.0, GAMMA)))[0]
    torch.testing.assert_close(box, pg.exact_gradient(world, log_policy, GAMMA), atol=1e-12, rtol=0)
    torch.testing.assert_close(printed, pg.exact_direction_as_printed(world, log_policy, GAMMA), atol=1e-12, rtol=0)
    assert float((printed - box).abs().max()) > 0.01
    layer = torch.arange(6) // 2
    # A state of layer t is visited at time t alone, so that its visits differ by gamma^t.
    torch.testing.assert_close(printed * (GAMMA ** layer.double())[:, None], box, atol=1e-12, rtol=0)
    at_one = pg.exact_gradient(world, log_policy, 1.0), pg.exact_direction_as_printed(world, log_policy, 1.0)
    torch.testing.assert_close(*at_one, atol=1e-12, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_policy_gradient_theorem_is_autograd_through_the_linear_solve(seed):
    """(2.24) corrected, with Q_pi and discounted visits; with R in place of Q_pi, as the first printed line has it, it fails."""
    world, preferences = mdp.random_mdp(np.random.default_rng(seed)), logits(seed, 5, 3)
    exact = autograd(lambda p: pg.objective(world, p, GAMMA), preferences)
    log_policy = preferences.log_softmax(-1)
    torch.testing.assert_close(pg.exact_gradient(world, log_policy, GAMMA), exact, atol=1e-12, rtol=0)
    weight = mdp.visits(world, log_policy.exp(), GAMMA)
    assert float((pg.gradient_by_visits(weight, log_policy.exp(), world.reward) - exact).abs().max()) > 0.01


def test_exact_gradient_against_finite_differences():
    world, preferences = mdp.random_mdp(np.random.default_rng(7)), logits(7, 5, 3)
    found, step = pg.exact_gradient(world, preferences.log_softmax(-1), GAMMA), 1e-5
    for s, a in itertools.product(range(5), range(3)):
        bump = torch.zeros_like(preferences)
        bump[s, a] = step
        high, low = (pg.objective(world, (preferences + sign * bump).log_softmax(-1), GAMMA) for sign in (1, -1))
        assert float(high - low) / (2 * step) == pytest.approx(float(found[s, a]), abs=1e-8)


def test_a_baseline_leaves_the_mean_and_lowers_the_variance():
    """A number that depends on the state alone does not move the expectation (2.27)."""
    world, preferences = layers(2), logits(2, 6, 2)
    world = world._replace(reward=world.reward - 3)  # all steps cost much, as in a maze: here comparing pays
    log_policy = preferences.log_softmax(-1)
    ways = pg.trajectories(world, log_policy.exp(), 3)
    values = mdp.evaluate(world, log_policy.exp(), GAMMA)
    found = [
        pg.mean_and_variance(*enumerated(world, log_policy, 3, lambda _, to_go, b=b: pg.box_weights(to_go, b, GAMMA)))
        for b in (0.0, values[ways.state], 7.0)
    ]
    for mean, _ in found[1:]:
        torch.testing.assert_close(mean, found[0][0], atol=1e-12, rtol=0)
    assert float(found[1][1]) < float(found[0][1]) / 4 and float(found[2][1]) > float(found[0][1])


def test_the_short_corridor_of_sutton_and_barto():
    """Their example 13.1: three cells that look alike, the second reversed. Best P(right) is 2 - sqrt 2, worth -(6 + 4 sqrt 2)."""
    successor = torch.tensor([[[0], [1]], [[2], [0]], [[1], [2]]])  # left, right
    terminal = torch.zeros(3, 2, 1, dtype=torch.bool)
    terminal[2, 1] = True
    minus_one, start = torch.full((3, 2), -1.0, dtype=torch.float64), torch.eye(3, dtype=torch.float64)[0]
    world = mdp.check(MDP(successor, torch.ones(3, 2, 1, dtype=torch.float64), minus_one, terminal, start, torch.eye(3)))

    def value(right):
        return pg.objective(world, torch.stack([1 - right, right]).log().expand(3, 2), 1.0)

    best = torch.tensor(2 - math.sqrt(2), dtype=torch.float64, requires_grad=True)
    found = value(best)
    assert float(found.detach()) == pytest.approx(-(6 + 4 * math.sqrt(2)))
    (slope,) = torch.autograd.grad(found, best)
    assert float(slope) == pytest.approx(0, abs=1e-9)


# ---- one update ----


def filled(rewards, truncated=False):
    """The memory of one lane after episodes with these lists of rewards, all in state 0 by action 1; the last step ends each."""
    memory = pg.empty_episodes(torch.zeros(1, 1, dtype=torch.int64), len(rewards), 6)
    one = torch.ones(1, 1, dtype=torch.int64)
    for episode in rewards:
        for t, reward in enumerate(episode):
            over = torch.tensor([[t == len(episode) - 1]])
            number = torch.tensor([[reward]], dtype=torch.float64)
            ends = (over & (not truncated), over & truncated)
            pg.write_step(memory, one - 1, one, lanes.Step(number, one - 1, *ends, one, one, number))
    return memory


def test_episodes_are_kept_in_rows_and_taken_once():
    memory = filled([[1.0, 2.0], [3.0]])
    which, batch = pg.take(memory, memory.row == 2)
    assert [index.tolist() for index in which] == [[0], [0]]
    assert batch.reward.tolist() == [[[1.0, 2.0], [3.0, 0.0]]] and batch.length.tolist() == [[2, 1]]
    assert batch.terminal.tolist() == [[[False, True], [True, False]]]
    assert memory.row.tolist() == [[0]] and memory.length.tolist() == [[[0, 0]]]
    again = pg.take(filled([[5.0]]), torch.tensor([[True]]))[1]
    assert again.reward.tolist() == [[[5.0]]]


def test_padding_holds_nothing_of_an_earlier_longer_episode():
    memory = filled([[1.0, 2.0, 3.0], [4.0, 5.0]])
    pg.take(memory, memory.row == 2)
    one, yes = torch.ones(1, 1, dtype=torch.int64), torch.tensor([[True]])
    for reward, ends in ((6.0, True), (7.0, False), (8.0, True)):
        number = torch.tensor([[reward]], dtype=torch.float64)
        pg.write_step(memory, one, one, lanes.Step(number, one, yes & ends, ~yes, one, one, number))
    batch = pg.take(memory, memory.row == 2)[1]
    assert batch.reward.tolist() == [[[6.0, 0.0], [7.0, 8.0]]] and batch.terminal.tolist() == [[[True, False], [False, True]]]


def test_estimates_by_hand():
    """gamma = 1/2, rewards 1, 2, 4: returns 3, 4, 4; the box's weights are 3, 2, 1."""
    memory = filled([[1.0, 2.0, 4.0], [8.0]])
    batch = pg.take(memory, memory.row == 2)[1]
    nothing = torch.zeros_like(batch.reward)
    box, printed = (pg.Config(discount=0.5, discounted_visits=flag) for flag in (True, False))
    assert pg.estimates(batch, nothing, nothing, box)[0].tolist() == [[[3, 4, 4], [8, 0, 0]]]
    assert pg.estimates(batch, nothing, nothing, box)[1].tolist() == [[[3, 2, 1], [8, 0, 0]]]
    assert pg.estimates(batch, nothing, nothing, printed)[1].tolist() == [[[3, 4, 4], [8, 0, 0]]]
    assert pg.estimates(batch, nothing + 1, nothing, box)[1].tolist() == [[[2, 1.5, 0.75], [7, 0, 0]]]


def test_a_time_out_has_a_tail_and_a_goal_has_none():
    later = torch.full((1, 1, 2), 10.0, dtype=torch.float64)
    config = pg.Config(discount=0.5)
    for truncated, expected in ((True, [[[1 + 0.5 * 7, 2 + 0.5 * 10]]]), (False, [[[2, 2]]])):
        memory = filled([[1.0, 2.0]], truncated)
        batch = pg.take(memory, memory.row == 1)[1]
        assert pg.estimates(batch, torch.zeros_like(later), later, config)[0].tolist() == expected


def test_policy_loss_has_the_estimate_as_its_gradient():
    """Minus the mean over episodes of the sum over steps: the estimate by autograd and by `trajectory_gradient`."""
    generator = np.random.default_rng(0)
    state, action = (torch.from_numpy(generator.integers(n, size=(1, 4, 6))) for n in (5, 3))
    weight, preferences = torch.from_numpy(generator.normal(size=(1, 4, 6))), logits(0, 5, 3).requires_grad_()
    log_policy = preferences.log_softmax(-1)
    log_probability = log_policy[state].gather(-1, action.unsqueeze(-1)).squeeze(-1)
    loss = pg.policy_loss(log_probability, weight.requires_grad_())
    gradient, through_weight = torch.autograd.grad(loss.sum(), (preferences, weight), allow_unused=True)
    expected = pg.trajectory_gradient(log_policy.detach(), state[0], action[0], weight.detach()[0]).mean(0)
    torch.testing.assert_close(-gradient, expected, atol=1e-12, rtol=0)
    assert through_weight is None


def test_baseline_loss_by_hand():
    value, target = torch.tensor([[[1.0, 9.0], [0.0, 2.0]]]), torch.tensor([[[3.0, 0.0], [1.0, 2.0]]])
    assert pg.baseline_loss(value, target, torch.tensor([[1, 2]])).tolist() == pytest.approx([0.5 * (4 + 1) / 3])  # the 9 is padding


def test_one_update_by_hand():
    """One step, reward 2, from a uniform table of two actions: theta + alpha * 2 * (1 - 1/2, -1/2)."""
    policy, baseline = networks.table(1, 1, 1, 2), networks.table(1, 1, 1, 1)
    memory = filled([[2.0]])
    which, batch = pg.take(memory, memory.row == 1)
    features = torch.ones(1, 1, 1)
    config = pg.Config(learning_rate=0.1, baseline_learning_rate=0.5)
    pg.update(policy, baseline, (None, None), which, batch, features, config)
    assert policy.values.flatten().tolist() == pytest.approx([-0.1, 0.1])
    assert baseline.values.flatten().tolist() == pytest.approx([1.0])  # half way from 0 to 2, after it was used
    pg.update(policy, baseline, (None, None), which, batch, features, config)
    chance = 1 / (1 + math.exp(-0.2))
    assert policy.values.flatten()[1].item() == pytest.approx(0.1 + 0.1 * (2 - 1) * (1 - chance))


def test_adam_is_adam_and_leaves_other_lanes_alone():
    """Against torch.optim.Adam, for lanes that update at different times."""
    generator = np.random.default_rng(0)
    network = networks.Table(torch.from_numpy(generator.normal(size=(3, 1, 2, 2))))
    oracle = [network.values[r, 0].clone().requires_grad_() for r in range(3)]
    optimisers = [torch.optim.Adam([tensor], 0.1) for tensor in oracle]
    memory = pg.start_ascent(network)
    for chosen in ([0, 1], [1], [1, 2], [0], [1, 2]):
        gradient = torch.from_numpy(generator.normal(size=(len(chosen), 2, 2)))
        which = (torch.tensor(chosen), torch.zeros(len(chosen), dtype=torch.int64))
        pg.adam_step(network, which, [gradient], torch.full((len(chosen),), 0.1, dtype=torch.float64), memory)
        for i, r in enumerate(chosen):
            oracle[r].grad = gradient[i].clone()
            optimisers[r].step()
        torch.testing.assert_close(network.values[:, 0], torch.stack(oracle).detach(), atol=1e-12, rtol=1e-10)
    assert memory.count.tolist() == [[2], [4], [2]]


# ---- training ----


def test_the_mean_update_is_the_exact_gradient():
    """5000 first updates of the shipped loop, from a uniform table: their mean is alpha times the exact gradient, within its interval."""
    world = layers(4)
    uniform = mdp.uniform_policy(world).log()
    config = pg.Config(steps=3, discount=GAMMA, learning_rate=1.0, max_episode_steps=50, snapshots=1)
    run = pg.train([world], config, range(5000))
    moved = run.agent.policy.values[:, 0].double()
    _, variance = pg.mean_and_variance(*enumerated(world, uniform, 3, lambda _, to_go: pg.box_weights(to_go, 0.0, GAMMA)))
    error = (moved.mean(0) - pg.exact_gradient(world, uniform, GAMMA)).square().sum().sqrt()
    assert float(error) < 3 * math.sqrt(float(variance) / 5000)
    spread = (moved - moved.mean(0)).square().sum((-1, -2)).mean()
    assert float(spread) == pytest.approx(float(variance), rel=0.1)


def test_learns_a_maze_with_and_without_baseline():
    maze = load_map(6).mdp()
    before = float(mdp.expected_steps(maze, mdp.uniform_policy(maze)))
    for rate in (None, 3.0):
        config = pg.Config(steps=1500, discount=0.95, learning_rate=0.1, baseline_learning_rate=rate, discounted_visits=False)
        run = pg.train([maze], config, range(5))
        steps = mdp.expected_steps(maze, run.history.snapshots[:, 0, -1].exp())
        assert before > 100 and float(steps.median()) < 20
    assert run.history.durations.shape == run.history.returns.shape and run.history.durations.shape[:2] == (5, 1)
    assert run.history.snapshots.shape == (5, 1, 21, 32, 5)
    torch.testing.assert_close(run.history.snapshots[:, :, 0].exp(), torch.full((5, 1, 32, 5), 0.2, dtype=torch.float64))


def test_baseline_learns_values():
    """With a policy that stays where it is, v(s) comes to rest near the exact values (its step is constant)."""
    world = layers(6)
    config = pg.Config(
        steps=1500, discount=GAMMA, learning_rate=1e-9, baseline_learning_rate=2.0, episodes=20, max_episode_steps=10, snapshots=1
    )
    exact = mdp.evaluate(world, mdp.uniform_policy(world), GAMMA)
    learned = pg.train([world], config, range(8)).agent.baseline.values[:, 0, :, 0].double()
    assert float((learned.mean(0) - exact).abs().max()) < 0.15 and float(exact.abs().max()) > 0.7


@pytest.mark.parametrize("adam", [False, True])
def test_a_lane_alone_is_the_same_lane_among_others(adam):
    tasks = [load_map(6).mdp(), load_map(4).mdp()]
    config = pg.Config(steps=300, learning_rate=0.1, baseline_learning_rate=0.1, adam=adam, max_episode_steps=60, snapshots=2)
    many, alone = pg.train(tasks, config, [3, 5, 8]), pg.train(tasks[1:], config, [5], task_ids=[1])
    assert torch.equal(many.agent.policy.values[1, 1], alone.agent.policy.values[0, 0])
    assert torch.equal(many.agent.baseline.values[1, 1], alone.agent.baseline.values[0, 0])
    played = alone.history.durations.shape[-1]
    assert torch.equal(many.history.durations[1, 1, :played], alone.history.durations[0, 0])
    assert not torch.equal(many.agent.policy.values[0, 1], many.agent.policy.values[1, 1])


def test_a_sweep_is_a_list_of_equal_tasks():
    """One rate a task gives what each rate gives by itself, and a baseline that never learns is no baseline."""
    maze, config = load_map(6).mdp(), pg.Config(steps=300, learning_rate=0.1, max_episode_steps=60, snapshots=1)
    rates = {name: torch.tensor(values).double() for name, values in (("learning_rate", [5, 10]), ("baseline_learning_rate", [1, 0]))}
    rates["learning_rate"] /= 100
    sweep = pg.train([maze] * 2, dataclasses.replace(config, **rates), [0, 1])
    alone = pg.train([maze], config, [0, 1], task_ids=[1])
    other = pg.train([maze], dataclasses.replace(config, learning_rate=0.05, baseline_learning_rate=1.0), [0, 1])
    assert torch.equal(sweep.agent.policy.values[:, 1], alone.agent.policy.values[:, 0])
    assert torch.equal(sweep.agent.policy.values[:, 0], other.agent.policy.values[:, 0])
    assert not torch.equal(sweep.agent.policy.values[:, 0], sweep.agent.policy.values[:, 1])


def test_a_neighbour_with_huge_rewards_disturbs_nobody():
    calm, loud = layers(1), layers(1)._replace(reward=1000 * layers(2).reward)
    config = pg.Config(steps=200, learning_rate=0.1, baseline_learning_rate=0.1, adam=True, hidden=(8,), max_episode_steps=9)
    with_neighbour, alone = pg.train([calm, loud], config, [0, 1]), pg.train([calm], config, [0, 1])
    for left, right in zip(*(networks.parameters(run.agent.policy) for run in (with_neighbour, alone)), strict=True):
        assert_trained_alike(left[:, :1].detach(), right.detach(), config.steps)


def test_gymnasium_and_tables_learn_alike():
    """The same maze as a table and as a Gymnasium environment: same seeds for the actions, nothing random in the world, same policy."""
    config = pg.Config(steps=400, discount=0.95, learning_rate=0.1, baseline_learning_rate=0.5, snapshots=1)
    table = pg.train([load_map(6).mdp()], config, [0, 1])
    gym = pg.train([gym_bridge.GymTask("distral_lite/Map6-v0")], config, [0, 1])
    assert torch.equal(table.agent.policy.values, gym.agent.policy.values)
    assert torch.equal(table.history.returns.nan_to_num(), gym.history.returns.nan_to_num())


def test_networks_learn_cartpole_a_little():
    config = pg.Config(steps=2500, learning_rate=0.02, baseline_learning_rate=0.02, adam=True, episodes=4, hidden=(32,), snapshots=1)
    run = pg.train([gym_bridge.GymTask("CartPole-v1")], config, range(3))
    played = run.history.returns[:, 0]
    first, last = played[:, :20].mean(), torch.stack([row[~row.isnan()][-10:].mean() for row in played]).mean()
    assert 15 < float(first) < 40 and float(last) > 1.5 * float(first)
    assert run.history.snapshots is None and len(run.history.checkpoints) == 2


def test_a_bootstrapped_time_out_moves_the_policy_less_astray():
    """Two cells, +1 a step, cut after one step. Without a tail the baseline learns 1; with one it goes on to 1 / (1 - gamma)."""
    loop = MDP(
        torch.zeros(1, 2, 1, dtype=torch.int64),
        torch.ones(1, 2, 1, dtype=torch.float64),
        torch.ones(1, 2, dtype=torch.float64),
        torch.zeros(1, 2, 1, dtype=torch.bool),
        torch.ones(1, dtype=torch.float64),
        torch.eye(1),
    )
    config = pg.Config(steps=500, discount=0.5, learning_rate=1e-9, baseline_learning_rate=0.5, max_episode_steps=1)
    assert float(pg.train([loop], config, [0]).agent.baseline.values) == pytest.approx(2.0, abs=1e-4)


def test_interrupting_keeps_what_there_is(monkeypatch):
    calls, uniform = [0], LaneRandom.uniform

    def interrupted(self, count):
        calls[0] += 1
        if calls[0] > 100:
            raise KeyboardInterrupt
        return uniform(self, count)

    monkeypatch.setattr(LaneRandom, "uniform", interrupted)
    run = pg.train([load_map(6).mdp()], pg.Config(steps=10_000, snapshots=10_000), [0])
    assert len(run.history.checkpoints) == len(run.history.snapshot_steps) == run.history.snapshots.shape[2] > 10


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"learning_rate": -0.1}, "learning_rate is -0.1, wanted a finite number above 0"),
        ({"baseline_learning_rate": -1.0}, "baseline_learning_rate is -1.0, wanted a finite number of at least 0"),
        ({"learning_rate": torch.tensor([0.1, 0.0])}, "learning_rate[1] is 0.0, wanted a finite number above 0"),
        ({"discount": 1.5}, "discount is 1.5, wanted a number from 0 to 1"),
        ({"episodes": 0}, "episodes is 0, wanted an integer of at least 1"),
        ({"hidden": (32, 0)}, "hidden[1] is 0, wanted an integer of at least 1"),
        ({"steps": 5}, "snapshots is 20, wanted at most one a step (5)"),
    ],
)
def test_config_refuses(setting, message):
    with refuses(f"policy_gradient.Config: {message}"):
        pg.Config(**setting)


def test_train_refuses():
    config = pg.Config(steps=30)
    with refuses("policy_gradient.train: config.hidden is None (a table), wanted hidden layers: these states are not numbered"):
        pg.train([gym_bridge.GymTask("CartPole-v1")], config, [0])
    with refuses("seeds = [1, 1], wanted different integers"):
        pg.train([load_map(6).mdp()], config, [1, 1])
    with refuses("has actions Box"):
        pg.train([gym_bridge.GymTask("Pendulum-v1")], config, [0])
    maze = load_map(6).mdp()
    broken = maze._replace(reward=maze.reward.clone().index_fill_(0, torch.tensor([3]), torch.nan))
    with refuses("mdp.check: reward[3, 0] is nan, wanted a finite number"):
        pg.train([broken], config, [0])


def test_exact_direction_as_printed_needs_an_end():
    maze = load_map(6).mdp()
    stays = torch.zeros_like(maze.reward)
    stays[:, 0] = 1.0
    with refuses("with discount 1 the policy must end the episode"):
        pg.exact_direction_as_printed(maze, stays.log(), 0.9)
