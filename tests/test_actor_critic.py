"""Actor–critic: its identities by enumeration, its loops against plain programs and exact values, its lanes against themselves alone."""

import ast
import inspect
import itertools

import numpy as np
import pytest
import torch
from rounding import assert_trained_alike

from distral_lite import actor_critic, gym_bridge, lanes, mdp, networks, returns
from distral_lite.actor_critic.rollout import by_lane, by_run
from distral_lite.dynamic_programming import policy_iteration
from distral_lite.gridworld import GridWorld, load_map
from distral_lite.mdp import MDP

GAMMA = 0.9
CORRIDOR = GridWorld.from_text("#######\n#S...G#\n#######").mdp()
MAPS = [load_map(4).mdp(), load_map(5).mdp()]  # of the same walls
SMALL = actor_critic.Config(steps=600, horizon=3, environments=2, actor_rate=0.05, critic_rate=0.05, hidden=(16,), snapshots=4)


def example(seed=0, states=4, actions=3):
    """A small random task, a policy for it, and values that a critic might wrongly believe in."""
    generator = np.random.default_rng(seed)
    task = mdp.random_mdp(generator, states, actions)
    policy = torch.from_numpy(generator.dirichlet(np.ones(actions), size=states))
    return task, policy, torch.from_numpy(generator.normal(size=states))


def layered(seed=0):
    """A task whose episodes always end after three steps: states 0, then 1 or 2, then 3 or 4. All its trajectories can be listed."""
    generator = np.random.default_rng(seed)
    successor = torch.tensor([[[1, 2]] * 2, [[3, 4]] * 2, [[3, 4]] * 2, [[0, 0]] * 2, [[0, 0]] * 2])
    probability = torch.from_numpy(generator.dirichlet(np.ones(2), size=(5, 2)))
    terminal = torch.zeros(5, 2, 2, dtype=torch.bool)
    terminal[3:] = True
    reward, start = torch.from_numpy(generator.normal(size=(5, 2))), torch.tensor([1.0, 0, 0, 0, 0]).double()
    policy = torch.from_numpy(generator.dirichlet(np.ones(2), size=5))
    return MDP(successor, probability, reward, terminal, start, torch.eye(5)), policy, torch.from_numpy(generator.normal(size=5))


def futures(task, policy, state, action, steps):
    """Every way that `steps` steps can go: its probability and lists of rewards, terminal flags and next states. It stops at an end."""
    for p, s, ended in zip(*(array[state, action].tolist() for array in (task.probability, task.successor, task.terminal)), strict=True):
        here = [float(task.reward[state, action])], [ended], [s]
        if steps == 1 or ended:
            yield p, *here
        else:
            for next_action, chance in enumerate(policy[s].tolist()):
                for rest, *lists in futures(task, policy, s, next_action, steps - 1):
                    yield p * chance * rest, *(mine + theirs for mine, theirs in zip(here, lists, strict=True))


def enumerated(task, policy, values, steps, result):
    """Mean and variance [S, A] of `result(reward, discount, next_value)` over all futures, by listing them."""
    moments = torch.zeros(2, *task.reward.shape, dtype=torch.float64)
    for state, action in itertools.product(*map(range, task.reward.shape)):
        for p, reward, terminal, following in futures(task, policy, state, action, steps):
            discount = returns.discounts(GAMMA, torch.tensor(terminal))
            found = float(result(torch.tensor(reward, dtype=torch.float64), discount, values[following])[0])
            moments[:, state, action] += torch.tensor([p * found, p * found**2], dtype=torch.float64)
    return moments[0], moments[1] - moments[0].square()


# ---- advantages ----


def test_the_advantage_is_zero_on_average_and_the_td_error_estimates_it():
    """(2.28) to (2.30): with exact V the mean of R + gamma V(S') - V(S), summed outcome by outcome, is Q - V."""
    task, policy, _ = example()
    advantage, values = actor_critic.advantages(task, policy, GAMMA), mdp.evaluate(task, policy, GAMMA)
    assert float((policy * advantage).sum(-1).abs().max()) < 1e-13
    for state, action in itertools.product(range(4), range(3)):
        mean = 0.0
        for m in range(2):
            alive = 1.0 - float(task.terminal[state, action, m])
            error = task.reward[state, action] + GAMMA * alive * values[task.successor[state, action, m]] - values[state]
            mean += float(task.probability[state, action, m] * error)
        assert mean == pytest.approx(float(advantage[state, action]), abs=1e-13)


def test_with_a_wrong_v_the_td_error_is_biased():
    """Then its mean given (s, a) is A + gamma E[e(S')] - e(s), e being the error of V."""
    task, policy, wrong = example()
    error = wrong - mdp.evaluate(task, policy, GAMMA)
    mean = actor_critic.n_step_moments(task, policy, wrong, GAMMA, 1).mean - wrong.unsqueeze(-1)
    bias = mdp.action_values(task._replace(reward=torch.zeros(4, 3).double()), error, GAMMA) - error.unsqueeze(-1)
    torch.testing.assert_close(mean - actor_critic.advantages(task, policy, GAMMA), bias, rtol=0, atol=1e-12)
    assert float(bias.abs().max()) > 0.5


# ---- moments of returns ----


@pytest.mark.parametrize("n", [1, 2, 3])
def test_n_step_moments_by_listing_all_futures(n):
    """(2.32), corrected, as `returns.n_step_returns` has it, over every future of n steps with its probability."""
    task, policy, values = example(1, 3, 2)
    found = actor_critic.n_step_moments(task, policy, values, GAMMA, n)
    mean, variance = enumerated(task, policy, values, n, lambda r, d, v: returns.n_step_returns(r, d, v, n))
    torch.testing.assert_close(found.mean, mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.variance, variance, rtol=0, atol=1e-12)


def test_the_printed_form_of_2_32_is_wrong():
    """The thesis's gamma^{n-1} V(S_{t+n}), without R_{t+n}, has another mean than Q even if V is exact; the corrected form has Q's."""
    task, policy, _ = layered()
    values = mdp.evaluate(task, policy, GAMMA)
    q = mdp.action_values(task, values, GAMMA)
    printed, _ = enumerated(task, policy, values, 2, lambda r, d, v: r[:1] + (d[:1] * v[1] if len(r) == 2 else 0.0))
    assert float((printed - q).abs().max()) > 0.3
    torch.testing.assert_close(actor_critic.n_step_moments(task, policy, values, GAMMA, 2).mean, q, rtol=0, atol=1e-12)


@pytest.mark.parametrize("lambda_", [0.0, 0.5, 1.0])
def test_lambda_moments_by_listing_all_futures(lambda_):
    task, policy, values = layered()
    found = actor_critic.lambda_moments(task, policy, values, GAMMA, lambda_)
    mean, variance = enumerated(task, policy, values, 3, lambda r, d, v: returns.lambda_returns(r, d, v, lambda_))
    torch.testing.assert_close(found.mean, mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.variance, variance, rtol=0, atol=1e-12)


def test_ends_of_n_and_lambda():
    """lambda = 0 is n = 1; lambda = 1 and n without bound are the whole return, whatever V says; with exact V every mean is Q."""
    task, policy, wrong = example(2)
    values = mdp.evaluate(task, policy, GAMMA)
    q = mdp.action_values(task, values, GAMMA)

    def n_step(v, n):
        return actor_critic.n_step_moments(task, policy, v, GAMMA, n)

    def lambda_(v, x):
        return actor_critic.lambda_moments(task, policy, v, GAMMA, x)

    pairs = ((lambda_(wrong, 0.0), n_step(wrong, 1)), (lambda_(wrong, 1.0), n_step(wrong, 400)), (lambda_(wrong, 1), lambda_(values, 1)))
    for one, other in pairs:
        torch.testing.assert_close(one.mean, other.mean, rtol=0, atol=1e-9)
        torch.testing.assert_close(one.variance, other.variance, rtol=0, atol=1e-9)
    for moments in (n_step(values, 1), n_step(values, 7), lambda_(values, 0.3), lambda_(values, 1.0)):
        torch.testing.assert_close(moments.mean, q, rtol=0, atol=1e-12)
    means = sum(0.4 * 0.6 ** (n - 1) * n_step(wrong, n).mean for n in range(1, 80))  # the lambda-return is their mixture
    torch.testing.assert_close(lambda_(wrong, 0.6).mean, means, rtol=0, atol=1e-12)


# ---- gradients ----


def test_a_baseline_leaves_the_gradient_unchanged():
    """(2.27): with Q, with Q - B for any B, and with A the gradient is autograd's through the linear solve."""
    task, policy, baseline = example(3)
    logits = policy.log().requires_grad_()
    (task.start * mdp.evaluate(task, logits.softmax(-1), GAMMA)).sum().backward()
    score, q = actor_critic.score(policy), mdp.action_values(task, mdp.evaluate(task, policy, GAMMA), GAMMA)
    for signal in (q, q - 100 * baseline.unsqueeze(-1), actor_critic.advantages(task, policy, GAMMA)):
        found = actor_critic.gradient(task, policy, score, signal, GAMMA)
        torch.testing.assert_close(found, logits.grad.flatten(), rtol=0, atol=1e-12)
    of_the_baseline = actor_critic.gradient(task, policy, score, baseline.unsqueeze(-1).expand_as(q), GAMMA)
    assert float(of_the_baseline.abs().max()) < 1e-13


def test_a_baseline_that_knows_the_action_changes_the_gradient():
    task, policy, _ = example(3)
    score, knows = actor_critic.score(policy), torch.arange(12).double().view(4, 3)
    assert float(actor_critic.gradient(task, policy, score, knows, GAMMA).abs().max()) > 0.1


def test_gradient_variance_by_listing_samples():
    """A noisy signal is +- its deviation with even chances; every (state, action, sign) is one sample."""
    task, policy, _ = example(4)
    score, visits = actor_critic.score(policy), mdp.visits(task, policy, GAMMA)
    signal = actor_critic.n_step_moments(task, policy, torch.zeros(4).double(), GAMMA, 3)
    mean, square = torch.zeros(12).double(), 0.0
    for state, action, sign in itertools.product(range(4), range(3), (-1, 1)):
        p = visits[state] / visits.sum() * policy[state, action] / 2
        x = signal.mean[state, action] + sign * signal.variance[state, action].sqrt()
        sample = visits.sum() * score[state, action] * x
        mean, square = mean + p * sample, square + float(p * sample.square().sum())
    torch.testing.assert_close(actor_critic.gradient(task, policy, score, signal.mean, GAMMA), mean, rtol=0, atol=1e-12)
    found = float(actor_critic.gradient_variance(task, policy, score, signal, GAMMA))
    assert found == pytest.approx(square - float(mean.square().sum()), rel=1e-12)


def test_the_best_baseline_is_best_and_the_variance_falls():
    """(2.27), how much: no random baseline beats it, V is near it, and none at all is far worse where all returns are alike."""
    task, policy, _ = example(5)
    task = task._replace(reward=task.reward + 5.0)
    score, values = actor_critic.score(policy), mdp.evaluate(task, policy, GAMMA)
    q = mdp.action_values(task, values, GAMMA)
    best = actor_critic.best_baseline(policy, score, q)

    def variance(baseline):
        signal = actor_critic.certain(q - baseline.unsqueeze(-1))
        return float(actor_critic.gradient_variance(task, policy, score, signal, GAMMA))

    generator = np.random.default_rng(0)
    nudged = [variance(best + 0.1 * torch.from_numpy(generator.normal(size=4))) for _ in range(50)]
    assert min(nudged) > variance(best)
    assert variance(best) <= variance(values) < 0.1 * variance(torch.zeros(4).double())


def test_a_certain_policy_needs_no_baseline():
    policy = torch.tensor([[1.0, 0.0], [0.5, 0.5]]).double()
    signal = torch.tensor([[3.0, 4.0], [1.0, 3.0]]).double()
    assert actor_critic.best_baseline(policy, actor_critic.score(policy), signal).tolist() == [0.0, 2.0]


def restricted(seed=6):
    """A policy of three parameters, so that a critic of compatible features cannot say everything."""
    task, _, theta = example(seed)
    features = torch.from_numpy(np.random.default_rng(seed + 100).normal(size=(4, 3, 3)))
    policy = (features @ theta[:3]).softmax(-1)
    return task, policy, actor_critic.score(policy, features), features, theta[:3]


def test_score_by_autograd():
    _, policy, score, features, theta = restricted()
    theta = theta.clone().requires_grad_()
    log_policy = (features @ theta).log_softmax(-1)
    torch.testing.assert_close(log_policy.detach().exp(), policy)
    for state, action in itertools.product(range(4), range(3)):
        (found,) = torch.autograd.grad(log_policy[state, action], theta, retain_graph=True)
        torch.testing.assert_close(score[state, action], found, rtol=0, atol=1e-12)


def test_a_compatible_critic_gives_the_exact_gradient():
    """(2.26): Q_w differs from Q by more than 1 and yet gives its gradient, alone and with any baseline added to it."""
    task, policy, score, _, _ = restricted()
    q = mdp.action_values(task, mdp.evaluate(task, policy, GAMMA), GAMMA)
    approximate = score @ actor_critic.compatible_weights(task, policy, score, GAMMA)
    exact = actor_critic.gradient(task, policy, score, q, GAMMA)
    assert float((approximate - q).abs().max()) > 1
    for signal in (approximate, approximate + torch.arange(4).double().unsqueeze(-1)):
        torch.testing.assert_close(actor_critic.gradient(task, policy, score, signal, GAMMA), exact, rtol=0, atol=1e-11)


def test_one_step_td_with_compatible_features_learns_the_next_reward_only():
    """The thesis's L(Q_w) below (2.26): its resting point is that of a critic with gamma = 0, and its gradient is not the exact one."""
    task, policy, score, _, _ = restricted()
    found = actor_critic.td_weights(task, policy, score, GAMMA)
    visits = mdp.visits(task, policy, GAMMA)
    q_w, residual = score @ found, torch.zeros(3).double()
    for state, action, m in itertools.product(range(4), range(3), range(2)):  # the expected semi-gradient, outcome by outcome
        following = int(task.successor[state, action, m])
        future = 0.0 if task.terminal[state, action, m] else GAMMA * float((policy[following] * q_w[following]).sum())
        weight = visits[state] * policy[state, action] * task.probability[state, action, m]
        residual += weight * (task.reward[state, action] + future - q_w[state, action]) * score[state, action]
    assert float(residual.abs().max()) < 1e-11
    by_it, exact, of_rewards = (
        actor_critic.gradient(task, policy, score, signal, GAMMA)
        for signal in (q_w, mdp.action_values(task, mdp.evaluate(task, policy, GAMMA), GAMMA), task.reward)
    )
    torch.testing.assert_close(by_it, of_rewards, rtol=0, atol=1e-11)
    assert float((by_it - exact).norm() / exact.norm()) > 0.2


def test_one_step_td_with_a_table_learns_q():
    task, policy, _ = example(7)
    weights = actor_critic.td_weights(task, policy, torch.eye(12).double().view(4, 3, 12), GAMMA)
    torch.testing.assert_close(weights.view(4, 3), mdp.action_values(task, mdp.evaluate(task, policy, GAMMA), GAMMA), rtol=0, atol=1e-11)


# ---- losses ----


def test_losses_in_numbers():
    log_policy = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    up = actor_critic.actor_loss(log_policy, torch.tensor([0, 1]), torch.tensor([2.0, -1.0]), torch.tensor([1.0, 0.5]))
    assert float(up) == pytest.approx(-(2 * np.log(0.5) - 0.5 * np.log(0.75)) / 2)
    down = actor_critic.critic_loss(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 0.0]), torch.tensor([1.0, 0.5]))
    assert float(down) == (9 + 0.5 * 4) / 4
    assert float(actor_critic.entropy(torch.tensor([0.5, 0.5]).log())) == pytest.approx(np.log(2))
    target = actor_critic.q_target(torch.tensor([1.0, 1.0]), torch.tensor([0.5, 0.0]), torch.tensor([[2.0, 4.0]] * 2), torch.tensor([1, 0]))
    assert target.tolist() == [3.0, 1.0]


def test_gradients_flow_only_where_they_should():
    """The actor's loss does not move the critic, the critic's does not move its target; a good action becomes likelier."""
    logits, value = torch.zeros(1, 2, requires_grad=True), torch.tensor([0.5], requires_grad=True)
    advantage = torch.tensor([2.0]) - value
    actor_critic.actor_loss(logits.log_softmax(-1), torch.tensor([1]), advantage).backward()
    assert value.grad is None
    assert logits.grad.tolist() == [[0.75, -0.75]]  # descending raises the logit of action 1
    actor_critic.critic_loss(value, 2 * value).backward()
    assert value.grad.tolist() == [-0.5]  # of (1 - v)^2 / 2 at v = 0.5


def test_actions_are_drawn_in_proportion():
    uniform = torch.from_numpy(np.random.default_rng(0).random(100_000))
    policy = torch.tensor([0.1, 0.6, 0.3])
    counts = torch.bincount(actor_critic.act(policy.log().expand(100_000, 3), uniform), minlength=3) / 100_000
    assert float((counts - policy).abs().max()) < 5 * (0.25 / 100_000) ** 0.5


# ---- the loops, against plain programs ----


def test_the_loop_is_the_box():
    """A second program, the box line by line with gradients written out by hand, in float64: 300 steps of one lane agree."""
    config = actor_critic.Config.one_step(steps=300, actor_rate=0.2, critic_rate=0.3, discount=0.9, max_episode_steps=12, snapshots=1)
    found = actor_critic.train([CORRIDOR], config, [5]).agent
    random, theta, w = lanes.LaneRandom([5], [0], stream=1), np.zeros((5, 5)), np.zeros(5)
    state, discounted, length = 0, 1.0, 0  # the corridor begins in cell 0
    for _ in range(300):
        pi = np.exp(theta[state]) / np.exp(theta[state]).sum()
        action = int((pi.cumsum() <= float(random.uniform(1))).sum())
        following, reward = int(CORRIDOR.successor[state, action, 0]), float(CORRIDOR.reward[state, action])
        terminal = bool(CORRIDOR.terminal[state, action, 0])
        delta = reward + (0.0 if terminal else 0.9 * w[following]) - w[state]
        w[state] += 0.3 * discounted * delta
        theta[state] += 0.2 * discounted * delta * (np.eye(5)[action] - pi)
        discounted, state, length = 0.9 * discounted, following, length + 1
        if terminal or length == 12:
            state, discounted, length = 0, 1.0, 0
    assert_trained_alike(found.actor.values[0, 0], theta, updates=300)
    assert_trained_alike(found.critic.values[0, 0, :, 0], w, updates=300)
    assert np.abs(theta).max() > 0.5


def test_the_loop_with_rollouts():
    """Two environments, rollouts of four, n-step errors summed by hand, plain gradients and entropy: 40 updates agree."""
    config = actor_critic.Config(
        steps=320, horizon=4, environments=2, optimiser="sgd", actor_rate=1.0, critic_rate=1.0, discount=0.9, entropy_bonus=0.1,
        max_episode_steps=6, snapshots=1,
    )  # fmt: skip
    found = actor_critic.train([CORRIDOR], config, [5]).agent
    random, theta, w = lanes.LaneRandom([5], [0], stream=1), np.zeros((5, 5)), np.zeros(5)
    states, lengths = [0, 0], [0, 0]
    for _ in range(40):
        policy = np.exp(theta) / np.exp(theta).sum(-1, keepdims=True)
        seen = [[], []]
        for _ in range(4):
            uniform = random.uniform(2)[0, 0].tolist()
            for e in range(2):
                s = states[e]
                a = int((policy[s].cumsum() <= uniform[e]).sum())
                following, terminal = int(CORRIDOR.successor[s, a, 0]), bool(CORRIDOR.terminal[s, a, 0])
                lengths[e] += 1
                done = terminal or lengths[e] == 6
                seen[e].append((s, a, float(CORRIDOR.reward[s, a]), following, terminal, done))
                states[e], lengths[e] = (0, 0) if done else (following, lengths[e])
        up, down = np.zeros_like(theta), np.zeros_like(w)
        for steps in seen:
            for i, (s, a, *_) in enumerate(steps):
                target, factor = 0.0, 1.0
                for j, (_, _, reward, following, terminal, done) in enumerate(steps[i:], i):
                    target, factor = target + factor * reward, 0.9 * factor
                    if done or j == 3:
                        target += 0.0 if terminal else factor * w[following]
                        break
                pi = policy[s]
                up[s] += (target - w[s]) * (np.eye(5)[a] - pi) - 0.1 * pi * (np.log(pi) - (pi * np.log(pi)).sum())
                down[s] += target - w[s]
        theta, w = theta + up / 8, w + down / 8
    assert_trained_alike(found.actor.values[0, 0], theta, updates=40)
    assert_trained_alike(found.critic.values[0, 0, :, 0], w, updates=40)
    assert np.abs(theta).max() > 0.5


# ---- the loops, against exact values ----


def start_values(task, run, k=0, discount=0.99):
    """[R], exact values of the learned policies at the start."""
    policy = run.history.policies[:, k, -1].double()
    return torch.stack([(task.start * mdp.evaluate(task, p / p.sum(-1, keepdim=True), discount)).sum() for p in policy])


def test_a_table_finds_the_shortest_ways_of_two_mazes():
    """Three seeds on maps 4 and 5 together end within 0.3 of the optimum, having begun near -20."""
    config = actor_critic.Config(steps=24_000, actor_rate=0.05, critic_rate=0.1, entropy_bonus=0.003, snapshots=1)
    run = actor_critic.train(MAPS, config, range(3))
    for k, maze in enumerate(MAPS):
        best = float((maze.start * policy_iteration(maze, 0.99).values).sum())
        assert float(start_values(maze, run, k).min()) > best - 0.3


def test_the_q_critic_and_its_actor():
    """The Q actor–critic ends near the optimum of a corridor, and its critic knows what standing still in the first cell costs."""
    config = actor_critic.Config(steps=12_000, horizon=1, actor_rate=0.02, critic_rate=0.05, entropy_bonus=0.02, snapshots=1)
    run = actor_critic.train_q([CORRIDOR], config, range(3))
    best = float((CORRIDOR.start * policy_iteration(CORRIDOR, 0.99).values).sum())
    assert float(start_values(CORRIDOR, run).min()) > best - 0.3
    assert run.history.values.shape == (3, 1, 2, 5, 5)
    policy = run.history.policies[0, 0, -1].double()
    policy = policy / policy.sum(-1, keepdim=True)
    exact = mdp.action_values(CORRIDOR, mdp.evaluate(CORRIDOR, policy, 0.99), 0.99)
    assert float((run.history.values[0, 0, -1, 0, 4] - exact[0, 4]).abs()) < 0.15


ENDLESS = MDP(
    successor=torch.zeros(1, 2, 1, dtype=torch.int64),
    probability=torch.ones(1, 2, 1, dtype=torch.float64),
    reward=torch.ones(1, 2, dtype=torch.float64),
    terminal=torch.zeros(1, 2, 1, dtype=torch.bool),
    start=torch.ones(1, dtype=torch.float64),
    features=torch.ones(1, 1),
)


@pytest.mark.parametrize("lambda_", [0.0, 0.7, 1.0])
def test_a_time_out_bootstraps(lambda_):
    """Episodes of two steps in an endless corridor that pays 1 a step: V is 1 / (1 - 0.5) = 2, in rollouts longer than an episode too."""
    config = actor_critic.Config(
        steps=500, horizon=5, environments=1, discount=0.5, lambda_=lambda_, critic_rate=0.4, optimiser="sgd", max_episode_steps=2,
        snapshots=1,
    )  # fmt: skip
    run = actor_critic.train([ENDLESS], config, range(2))
    torch.testing.assert_close(run.history.values[:, 0, -1, 0, 0], torch.full((2,), 2.0), rtol=0, atol=0.01)


def test_a_time_out_bootstraps_for_the_q_critic():
    config = actor_critic.Config.one_step(
        steps=400, discount=0.5, actor_rate=1e-3, critic_rate=0.4, keep_discount=False, max_episode_steps=2, snapshots=1
    )
    run = actor_critic.train_q([ENDLESS], config, range(2))
    torch.testing.assert_close(run.history.values[:, 0, -1, 0], torch.full((2, 2), 2.0), rtol=0, atol=0.01)


@pytest.mark.parametrize("train", [actor_critic.train, actor_critic.train_q])
def test_vector_observations_with_a_known_optimum(line, train):
    """A network learns to go right from everywhere: the best policy, in twenty other episodes of its best checkpoint, always arrives."""
    config = actor_critic.Config(
        steps=6000, horizon=1, environments=8, lambda_=0.9, discount=0.9, hidden=(32,), actor_rate=0.01, critic_rate=0.01, snapshots=3
    )
    run = train([line], config, range(2))
    assert run.history.policies is None and run.history.values is None
    best = networks.best(run.history.actors, lanes.make_world([line], range(50, 60)))
    assert networks.greedy_returns(best, lanes.make_world([line], range(1000, 1020))).tolist() == [[[1.0] * 10]] * 2


def test_a_maze_through_gymnasium_is_the_maze_itself():
    """No randomness but the agent's: the same lanes, so the same actions, episodes and parameters."""
    config = actor_critic.Config(steps=800, actor_rate=0.05, critic_rate=0.1, snapshots=1)
    direct = actor_critic.train([MAPS[1]], config, [3])
    bridged = actor_critic.train([gym_bridge.GymTask("distral_lite/Map5-v0")], config, [3])
    assert torch.equal(direct.history.durations, bridged.history.durations)
    assert_trained_alike(bridged.history.policies, direct.history.policies, config.updates)


# ---- lanes ----


def test_a_lane_is_the_same_alone_and_among_others():
    """Draws and environments bit for bit, so the same episodes; parameters but for rounding."""
    for train, settings in ((actor_critic.train, {}), (actor_critic.train_q, {"horizon": 1})):
        slow = {"clip_norm": 0.5, "actor_rate": 0.01, "critic_rate": 0.01, "max_episode_steps": 40}
        config = actor_critic.Config(**{**vars(SMALL), **slow, **settings})
        among, alone = train(MAPS, config, [3, 8, 11], task_ids=[4, 9]).history, train(MAPS[1:], config, [8], task_ids=[9]).history
        finished = ~among.durations[1, 1].isnan()
        assert int(finished.sum()) >= 14
        assert torch.equal(among.durations[1, 1][finished], alone.durations[0, 0])
        assert torch.equal(among.returns[1, 1][finished], alone.returns[0, 0])
        assert_trained_alike(among.policies[1, 1], alone.policies[0, 0], config.updates)
        assert_trained_alike(among.values[1, 1], alone.values[0, 0], config.updates)


def test_a_neighbour_with_a_thousand_times_the_reward_changes_nothing():
    loud = MAPS[0]._replace(reward=1000 * MAPS[0].reward)
    config = actor_critic.Config(**{**vars(SMALL), "clip_norm": 0.5})
    calm, disturbed = (actor_critic.train([neighbour, MAPS[1]], config, range(2)).history for neighbour in (MAPS[0], loud))
    assert torch.equal(calm.values[:, 1], disturbed.values[:, 1])
    assert torch.equal(calm.policies[:, 1], disturbed.policies[:, 1])
    assert float((calm.values[:, 0] - disturbed.values[:, 0]).abs().max()) > 0.1


@pytest.mark.parametrize("train", [actor_critic.train, actor_critic.train_q])
def test_a_loop_is_short_enough_to_read_beside_its_pseudocode(train):
    body = ast.parse(inspect.getsource(train)).body[0].body[1:]  # without the docstring
    assert body[-1].end_lineno - body[0].lineno + 1 <= 40


def test_lanes_and_the_world_are_two_views_of_the_same():
    world = torch.arange(2 * 3 * 4 * 5).view(2 * 3, 4, 5)
    mine = by_lane(world, 3)
    assert mine.shape == (2, 4, 3, 5)
    assert torch.equal(mine[1, 2, 0], world[1 * 3 + 0, 2])
    assert torch.equal(by_run(mine[..., 0]), world[..., 0])


def test_the_episodes_of_all_environments_are_in_the_history():
    """Three environments of a lane and 40 steps each: every episode is there, and they are the episodes of three worlds of one lane."""
    config = actor_critic.Config(steps=120, horizon=1, environments=3, actor_rate=1e-9, critic_rate=1e-9, max_episode_steps=7, snapshots=1)
    found = actor_critic.train([CORRIDOR], config, [4, 9]).history.durations
    assert found.shape[:2] == (2, 1)
    taken = found.nansum(-1)
    assert bool((taken <= 120).all()) and bool((taken > 120 - 3 * 7).all())
    assert bool((found.nan_to_num(1) >= 1).all()) and float(found.nan_to_num(0).max()) <= 7


def test_history():
    run = actor_critic.train([CORRIDOR], SMALL, range(3))
    history = run.history
    assert history.snapshot_steps.tolist() == [0, 150, 300, 450, 600]
    assert history.policies.shape == (3, 1, 5, 5, 5) and history.values.shape == (3, 1, 5, 5, 1)
    assert len(history.actors) == 5
    torch.testing.assert_close(networks.on_states(run.agent.actor, CORRIDOR.features[None]).softmax(-1), history.policies[:, :, -1])
    assert float((history.policies[:, :, 0] - 0.2).abs().max()) < 0.02  # it begins nearly uniform
    assert bool((history.durations.nansum(-1) <= 600).all()) and int((~history.durations.isnan()).sum()) > 0
    assert not any(tensor.requires_grad for agent in run.agent for tensor in networks.parameters(agent))


@pytest.mark.parametrize(("train", "settings"), [(actor_critic.train, {}), (actor_critic.train_q, {"horizon": 1, "steps": 200})])
def test_an_interrupt_returns_what_there_is(monkeypatch, train, settings):
    config = actor_critic.Config(**{**vars(SMALL), "snapshots": 2, **settings})
    whole, taken, step = train([CORRIDOR], config, range(2)), [], lanes.TableWorld.step

    def interrupted(self, action):
        taken.append(1)
        if len(taken) == 61 * config.horizon:
            raise KeyboardInterrupt
        return step(self, action)

    monkeypatch.setattr(lanes.TableWorld, "step", interrupted)
    part = train([CORRIDOR], config, range(2))
    assert part.history.snapshot_steps.tolist() == [0, config.steps // 2, 60 * 2 * config.horizon]
    assert torch.equal(part.history.values[:, :, :2], whole.history.values[:, :, :2])
    assert not torch.equal(part.history.values[:, :, 2], part.history.values[:, :, 1])


# ---- errors ----


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("actor_rate", -1e-3, "a finite number above 0"),
        ("critic_rate", float("nan"), "a finite number above 0"),
        ("steps", 0, "an integer of at least 1"),
        ("horizon", 2.5, "an integer of at least 1"),
        ("environments", 0, "an integer of at least 1"),
        ("discount", 1.01, "a number from 0 to 1"),
        ("lambda_", -0.1, "a number from 0 to 1"),
        ("entropy_bonus", -1.0, "a finite number of at least 0"),
        ("clip_norm", 0.0, "a finite number above 0"),
        ("hidden", (8, 0), "an integer of at least 1"),
        ("optimiser", "adma", "wanted 'sgd', 'rmsprop' or 'adam'"),
        ("snapshots", 10_000, "wanted at most one an update (steps gives 1250)"),
    ],
)
def test_settings_that_make_no_sense(setting, value, wanted):
    with pytest.raises(ValueError, match=r"actor_critic.Config: ") as caught:
        actor_critic.Config(**{setting: value})
    assert setting.split("[")[0] in str(caught.value) or setting == "snapshots"
    assert wanted in str(caught.value)


def test_arguments_that_make_no_sense():
    task, policy, values = example()
    with pytest.raises(ValueError, match="n is 0, wanted an integer of at least 1"):
        actor_critic.n_step_moments(task, policy, values, GAMMA, 0)
    with pytest.raises(ValueError, match=r"lambda_ is 1\.5, wanted a number from 0 to 1"):
        actor_critic.lambda_moments(task, policy, values, GAMMA, 1.5)
    with pytest.raises(ValueError, match=r"config.horizon is 3, wanted 1"):
        actor_critic.train_q([CORRIDOR], SMALL, [0])


def test_tables_need_numbered_states(line):
    with pytest.raises(ValueError, match=r"config.hidden is None .*not numbered"):
        actor_critic.train([line], actor_critic.Config(), [0])


def test_continuous_actions_are_refused():
    with pytest.raises(ValueError, match=r"Pendulum-v1\) has actions Box"):
        actor_critic.train([gym_bridge.GymTask("Pendulum-v1")], SMALL, [0])
