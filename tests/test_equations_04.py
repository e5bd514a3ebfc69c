"""The equation ledger, thesis 2.18 to 2.32 (chapters 04 and 05): one test a row."""

import itertools

import numpy as np
import pytest
import torch
from equation_tools import FORK, always, close, derivative, f64, far, logits, outcomes, random_mdp, random_policy, short_mdp, table

from distral_lite import a3c, actor_critic, lanes, returns
from distral_lite import mdp as M
from distral_lite import policy_gradient as P
from distral_lite.a3c.state import WORK, share

# In 0, going pays nothing and leads to 1, where everything pays 4 and ends; taking pays 1 and ends.
TRIP = table([[1, 1], [1, 1]], [[0, 1], [4, 4]], [[False, True], [True, True]])


def estimates(mdp, log_policy, weights, discount):
    """Probabilities and gradient estimates of all courses of three steps; `weights` makes w_t of rewards and returns-to-go."""
    ways = P.trajectories(mdp, log_policy.exp(), 3)
    to_go = torch.stack([sum(discount ** (i - t) * ways.reward[:, i] for i in range(t, 3)) for t in range(3)], -1)
    return ways.probability, P.trajectory_gradient(log_policy, ways.state, ways.action, weights(ways.reward, to_go) * ways.real)


def of_objective(mdp, preferences, discount):
    """The gradient of J by autograd through the linear solve."""
    return derivative(lambda h: P.objective(mdp, h.log_softmax(-1), discount), preferences)


# ---- section 2.3: policies ----


def test_2_18_gaussian_policy():
    """0.3989 at the mean of a standard normal; elsewhere as PyTorch's distribution; and it integrates to one."""
    assert float(P.gaussian_log_density(f64(0), f64(0), f64(1)).exp()) == pytest.approx(0.3989422804)
    a, mean, deviation = f64(-1, 0.5, 3), f64(0.2, 0.2, -1), f64(0.5, 2, 1)
    close(P.gaussian_log_density(a, mean, deviation), torch.distributions.Normal(mean, deviation).log_prob(a))
    grid = torch.linspace(-20, 20, 40_001, dtype=torch.float64)
    assert float(P.gaussian_log_density(grid, f64(1.0), f64(2.0)).exp().sum() * 0.001) == pytest.approx(1, abs=1e-9)


def test_text_2_3_aliased_maze():
    """Five squares in a row, the goal below the middle one, and squares 1 and 3 look alike. Of all 3^4 deterministic policies that see what
    the agent sees, none arrives from both ends; one that draws at random in the squares that look alike does, within a dozen steps."""
    successor = [[max(s - 1, 0), min(s + 1, 4), s] for s in range(5)]  # left, right, down
    terminal = [[False, False, s == 2] for s in range(5)]
    maze = table(successor, [[-1] * 3] * 5, terminal)._replace(start=f64(0.5, 0, 0, 0, 0.5))
    steps = [
        M.expected_steps(maze, always(maze, end, alike, middle, alike, other), 1000)
        for end, alike, middle, other in itertools.product(range(3), repeat=4)
    ]
    assert min(steps) == (3 + 1000) / 2  # three steps from the better end, never from the other
    policy = always(maze, 1, 0, 2, 0, 0)
    policy[[1, 3]] = f64(0.5, 0.5, 0)
    assert M.expected_steps(maze, policy, 1000) == pytest.approx(5)  # a step out of the corner, and half of the time it is back there


# ---- section 2.3.1: one decision ----


def test_2_19_objective_of_one_decision():
    """A quarter of the time in a state where half of 2 and half of 4 is to be had, else in one that pays 0.2 * 10: 0.75 + 1.5."""
    world = table([[0, 0], [0, 0]], [[2, 4], [10, 0]], [[True, True], [True, True]])._replace(start=f64(0.25, 0.75))
    assert float(P.objective(world, f64(0.5, 0.5, 0.2, 0.8).view(2, 2).log(), 0.9)) == pytest.approx(0.25 * 3 + 0.75 * 2)


def test_text_2_3_1_stationary_distribution():
    """Two states, left with chance 0.1 and 0.3: their shares are 3/4 and 1/4 wherever one starts, while their numbers grow without end."""
    chance, following = f64(0.9, 0.1, 0.7, 0.3).view(2, 1, 2), torch.tensor([[[0, 1]], [[1, 0]]])
    pair = M.MDP(following, chance, torch.zeros(2, 1).double(), torch.zeros(2, 1, 2).bool(), f64(1, 0), torch.eye(2))
    numbers = [M.visits(pair, torch.ones(2, 1, dtype=torch.float64), discount) for discount in (0.99, 0.9999)]
    assert float(numbers[1].min() / numbers[0].min()) > 50
    close(numbers[1] * (1 - 0.9999), [0.75, 0.25], 1e-3)
    one_step = pair._replace(terminal=torch.ones(2, 1, 2).bool())
    close(M.visits(one_step, torch.ones(2, 1, dtype=torch.float64), 1.0), pair.start)  # nothing stationary: mu is the first state's


def test_2_20_score_function():
    """Rewards 1 and 3, a fair coin: half of (0.5, -0.5) times 1 and half of (-0.5, 0.5) times 3 is (-0.5, 0.5), the gradient of E[R]."""
    policy, reward = f64(0.5, 0.5), f64(1, 3)
    mean = sum(policy[a] * reward[a] * P.score(policy.log(), torch.tensor(a)) for a in range(2))
    assert mean.tolist() == [-0.5, 0.5]
    close(mean, derivative(lambda h: (h.softmax(-1) * reward).sum(), f64(0, 0)))


# ---- section 2.3.2: trajectories ----


def test_2_21_whole_trajectories():
    for seed in range(3):
        mdp, h = short_mdp(seed), logits(seed, 5, 2)
        chance, found = estimates(mdp, h.log_softmax(-1), lambda reward, to_go: P.whole_trajectory_weights(reward, 1.0), 1.0)
        close((chance.view(-1, 1, 1) * found).sum(0), of_objective(mdp, h, 1.0))


def test_2_22_reward_to_go():
    """The same mean; and a smaller variance, though not in every world: here what was paid before says nothing of what will be."""
    mdp, h = short_mdp(0), logits(0, 5, 2)
    mdp = mdp._replace(reward=mdp.reward + f64(10, 0, 0, 0, 0).unsqueeze(-1))  # a gift at the start, whatever is done
    chance, whole = estimates(mdp, h.log_softmax(-1), lambda reward, to_go: P.whole_trajectory_weights(reward, 1.0), 1.0)
    chance, later = estimates(mdp, h.log_softmax(-1), lambda reward, to_go: P.box_weights(to_go, 0.0, 1.0), 1.0)
    (mean, most), (same, least) = P.mean_and_variance(chance, whole), P.mean_and_variance(chance, later)
    close(mean, same)
    close(mean, of_objective(mdp, h, 1.0))
    assert float(least) < 0.8 * float(most)


def test_2_23_discounted_reward_to_go():
    """With gamma^t it is the gradient of J. As printed it is another direction, which weighs states by plain visits; at gamma = 1 both are
    the same."""
    mdp, h, discount = short_mdp(1), logits(1, 5, 2), 0.5
    log_policy = h.log_softmax(-1)
    chance, right = estimates(mdp, log_policy, lambda reward, to_go: P.box_weights(to_go, 0.0, discount), discount)
    chance, printed = estimates(mdp, log_policy, lambda reward, to_go: P.printed_weights(to_go, 0.0, discount), discount)
    (right, _), (printed, _) = P.mean_and_variance(chance, right), P.mean_and_variance(chance, printed)
    exact = of_objective(mdp, h, discount)
    close(right, exact)
    close(P.exact_gradient(mdp, log_policy, discount), exact)
    assert far(printed, exact) > 0.05
    close(printed, P.exact_direction_as_printed(mdp, log_policy, discount))
    close(printed[3] / exact[3], [4.0, 4.0])  # a state of the last step counts gamma^-2 = 4 times what it should
    close(P.exact_direction_as_printed(mdp, log_policy, 1.0), P.exact_gradient(mdp, log_policy, 1.0))


# ---- sections 2.3.3 and 2.3.4 ----


def test_2_24_policy_gradient_theorem():
    """With Q_pi and discounted visits it is the gradient; and J is what the printed line differentiates, the sum of R over discounted
    visits. (With the derivative moved inside, past the visits, R alone would not do: the agent of TRIP would take the one and leave the
    four.)"""
    for seed in range(3):
        mdp, h = random_mdp(seed), logits(seed, 5, 3)
        policy, log_policy = h.softmax(-1), h.log_softmax(-1)
        q = M.action_values(mdp, M.evaluate(mdp, policy, 0.9), 0.9)
        close(P.gradient_by_visits(M.visits(mdp, policy, 0.9), policy, q), of_objective(mdp, h, 0.9))
        close(P.exact_gradient(mdp, log_policy, 0.9), of_objective(mdp, h, 0.9))
        paid = (M.visits(mdp, policy, 0.9).unsqueeze(-1) * policy * mdp.reward).sum()
        close(paid, P.objective(mdp, log_policy, 0.9))
    uniform = M.uniform_policy(TRIP)
    right, inside = (P.gradient_by_visits(M.visits(TRIP, uniform, 0.9), uniform, q) for q in (f64(3.6, 1, 4, 4).view(2, 2), TRIP.reward))
    close(right, of_objective(TRIP, torch.zeros(2, 2).double(), 0.9))
    assert float(right[0, 0]) > 0 > float(inside[0, 0])


def test_2_25_reinforce():
    """The mean of G_t given S_t and A_t is Q_pi if both are discounted. With Q at gamma = 1/2 and G_t as written below it, without
    discount, the means differ."""
    mdp, h = short_mdp(2), logits(2, 5, 2)
    ways = P.trajectories(mdp, h.softmax(-1), 3)
    for discount, agree in ((1.0, True), (0.5, False)):
        q = M.action_values(mdp, M.evaluate(mdp, h.softmax(-1), discount), discount)
        for a in range(2):
            chosen = ways.action[:, 0] == a
            weight = ways.probability[chosen] / ways.probability[chosen].sum()
            plain = float((weight * ways.reward[chosen].sum(-1)).sum())
            assert (abs(plain - float(q[0, a])) < 1e-12) == agree
            discounted = float((weight * (ways.reward[chosen] * discount ** f64(0, 1, 2)).sum(-1)).sum())
            assert discounted == pytest.approx(float(q[0, a]), abs=1e-12)
    loss = derivative(lambda log: P.policy_loss(log[None, None], f64(2, -1)[None, None])[0], f64(-1, -2))
    assert loss.tolist() == [-2.0, 1.0]  # descending it climbs w * grad log pi


def test_box_reinforce():
    """FORK, gamma = 1/2, alpha = 0.1, one episode by hand: G = 1 + R / 2 moves the first state, gamma * R the second."""
    config = P.Config(steps=2, discount=0.5, learning_rate=0.1, snapshots=1)
    h = P.train([FORK], config, [3]).agent.policy.values[0, 0].double()
    took = int(h[1].argmax())
    last = (2, 5)[took]
    close(h[1], 0.1 * 0.5 * last * (torch.eye(2).double()[took] - 0.5), 1e-6)
    assert float(h[0].abs().max()) == pytest.approx(0.1 * (1 + 0.5 * last) * 0.5, abs=1e-6)


# ---- section 2.4: actor-critic ----


def test_2_26_compatible_critic():
    """One state, a fair coin, Q = (2, 5), one feature (0.5, -0.5): w = -3 fits best, Q_w = (-1.5, 1.5) is far from Q, and both have the
    gradient 0.25 * (2 - 5) = -0.75."""
    bandit = table([[0, 0]], [[2, 5]], [[True, True]])
    policy, score = f64(0.5, 0.5).view(1, 2), f64(0.5, -0.5).view(1, 2, 1)
    w = actor_critic.compatible_weights(bandit, policy, score, 0.9)
    close(w, [-3.0])
    for signal in (bandit.reward, score @ w):
        close(actor_critic.gradient(bandit, policy, score, signal, 0.9), [-0.75])
    close(actor_critic.gradient(bandit, policy, score, score @ (w + 1), 0.9), [-0.5])  # any other w has another


def test_below_2_26_one_step_td():
    """TRIP at gamma = 0.9: Q(0) = (3.6, 1), and the gradient says go. The critic learned by one-step TD knows of the next reward alone, and
    says take."""
    policy = M.uniform_policy(TRIP)
    score = actor_critic.score(policy)
    q_w = score @ actor_critic.td_weights(TRIP, policy, score, 0.9)
    close(q_w[0], [-0.5, 0.5])  # the rewards 0 and 1, less their mean
    q = M.action_values(TRIP, M.evaluate(TRIP, policy, 0.9), 0.9)
    close(q[0], [3.6, 1.0])
    exact, by_td = (actor_critic.gradient(TRIP, policy, score, signal, 0.9) for signal in (q, q_w))
    assert float(exact[0]) > 0 > float(by_td[0])
    targets = [float(actor_critic.q_target(f64(1), f64(0.9), f64(-3, 3)[None], torch.tensor([a]))) for a in range(2)]
    assert targets == pytest.approx([1 - 2.7, 1 + 2.7])  # with a Q_w of mean zero: on average over A_{t+1} the reward 1


def test_below_2_26_if_and_only_if():
    """Q_pi is no multiple of the score (which has mean zero in every state), and yet its gradient is exact, as that of the best fit is."""
    mdp, policy = random_mdp(1), random_policy(1, 5, 3)
    score = actor_critic.score(policy)
    q = M.action_values(mdp, M.evaluate(mdp, policy, 0.9), 0.9)
    q_w = score @ actor_critic.compatible_weights(mdp, policy, score, 0.9)
    close((policy * q_w).sum(-1), torch.zeros(5), 1e-11)
    assert float((policy * q).sum(-1).abs().max()) > 0.1
    for signal in (q, q_w):
        close(actor_critic.gradient(mdp, policy, score, signal, 0.9), actor_critic.gradient(mdp, policy, score, q, 0.9), 1e-11)


def test_2_27_baseline():
    """Mean zero, for any B(s); and the variance of a coin's gradient, Q = (2, 5), falls to none with the mean 3.5 taken off."""
    mdp, policy = random_mdp(2), random_policy(2, 5, 3)
    baseline = f64(1, -2, 3, 40, 5).unsqueeze(-1).expand(5, 3)
    close(actor_critic.gradient(mdp, policy, actor_critic.score(policy), baseline, 0.9), torch.zeros(15))
    of_action = f64(1, 0, 0).expand(5, 3)  # a baseline that knows the action is none
    assert float(actor_critic.gradient(mdp, policy, actor_critic.score(policy), of_action, 0.9).abs().max()) > 0.1
    bandit, coin = table([[0, 0]], [[2, 5]], [[True, True]]), f64(0.5, 0.5).view(1, 2)
    score = f64(0.5, -0.5).view(1, 2, 1)
    close(actor_critic.best_baseline(coin, score, bandit.reward), [3.5])
    variances = [
        float(actor_critic.gradient_variance(bandit, coin, score, actor_critic.certain(bandit.reward - b), 0.9)) for b in (0.0, 3.5)
    ]
    assert variances == pytest.approx([0.25 * (4 + 25) / 2 - 0.75**2, 0.0])


def test_2_28_value_baseline():
    """With gamma^t, and V taken off Q, it is the gradient of J; with plain visits it is only at gamma = 1."""
    mdp, h = short_mdp(3), logits(3, 5, 2)
    policy = h.softmax(-1)
    score = actor_critic.score(policy)
    for discount in (0.5, 1.0):
        values = M.evaluate(mdp, policy, discount)
        signal = M.action_values(mdp, values, discount) - values.unsqueeze(-1)
        exact = of_objective(mdp, h, discount).flatten()
        close(actor_critic.gradient(mdp, policy, score, signal, discount), exact)
        printed = actor_critic.gradient(mdp, policy, score, signal, 1.0)  # the visits of gamma = 1
        assert (far(printed, exact) < 1e-12) == (discount == 1.0)
    loss = derivative(lambda log: actor_critic.actor_loss(log, torch.tensor([1]), f64(3), 0.5), f64(-1, -1)[None])
    assert loss.tolist() == [[0.0, -1.5]]


def test_2_29_advantages():
    """In FORK's second state a coin earns 3.5: the advantages are -1.5 and 1.5. Their mean is zero everywhere, and their gradient J's."""
    close(actor_critic.advantages(FORK, M.uniform_policy(FORK), 0.9)[1], [-1.5, 1.5])
    mdp, h = random_mdp(4), logits(4, 5, 3)
    policy = h.softmax(-1)
    advantage = actor_critic.advantages(mdp, policy, 0.9)
    close((policy * advantage).sum(-1), torch.zeros(5))
    close(actor_critic.gradient(mdp, policy, actor_critic.score(policy), advantage, 0.9), of_objective(mdp, h, 0.9).flatten())


def test_2_30_td_errors():
    """1 + 0.5 * 4 - 2 = 1. Given s and a the mean over outcomes is A(s, a) if V is exact, and is not if V is wrong."""
    assert float(returns.td_errors(f64(1), f64(0.5), f64(2), f64(4))) == 1.0
    mdp, policy = random_mdp(5), random_policy(5, 5, 3)
    values, advantage = M.evaluate(mdp, policy, 0.9), actor_critic.advantages(mdp, policy, 0.9)
    for v, unbiased in ((values, True), (values + f64(1, -1, 2, 0, 1), False)):
        mean = torch.zeros(5, 3, dtype=torch.float64)
        for s, a in np.ndindex(5, 3):
            for p, r, there, ended in outcomes(mdp, s, a):
                mean[s, a] += p * float(returns.td_errors(f64(r), f64(0.9 * (not ended)), v[s], v[there]))
        close(mean, actor_critic.n_step_moments(mdp, policy, v, 0.9, 1).mean - v.unsqueeze(-1))
        assert (far(mean, advantage) < 1e-12) == unbiased


def test_2_31_critic_loss():
    """Half the mean of 3^2 and (-2)^2; its gradient in V is minus the error, a half of it for each of two samples."""
    assert float(actor_critic.critic_loss(f64(1, 2), f64(4, 0))) == (9 + 4) / 4
    assert derivative(lambda v: actor_critic.critic_loss(v, f64(4, 0)), f64(1, 2)).tolist() == [-1.5, 1.0]


def test_2_32_n_step_td_error():
    """Rewards 1 and 2, gamma = 1/2, values 3, 9 and 8: 1 + 2 / 2 + 8 / 4 - 3 = 1. As printed, 1 + 8 / 2 - 3 = 2, and for one step, of
    which no reward is left, 9 - 3. With exact values the right one has the mean A; the printed one has not."""
    reward, discount, value, following = f64(1, 2), f64(0.5, 0.5), f64(3, 9), f64(9, 8)
    assert float(returns.n_step_errors(reward, discount, value, following, 2)[0]) == 1.0
    assert float(returns.n_step_errors(reward, discount, value, following, 1)[0]) == float(returns.td_errors(1, 0.5, 3, 9)) == 2.5
    mdp, policy = short_mdp(4), random_policy(4, 5, 2)
    values = M.evaluate(mdp, policy, 0.5)
    q = M.action_values(mdp, values, 0.5)
    close(actor_critic.n_step_moments(mdp, policy, values, 0.5, 2).mean, q)
    two_ahead = M.transition_matrix(mdp, policy) @ values  # mean of V(S_{t+2}) given S_{t+1}
    printed = mdp.reward[0] + 0.5 * (mdp.probability[0] * two_ahead[mdp.successor[0]]).sum(-1)
    assert far(printed, q[0]) > 0.1


def test_box_one_step_actor_critic():
    """FORK, gamma = 1/2, two steps by hand: delta = 1 and I = 1, then delta = 2 or 5 (the end is worth nothing) and I = 1/2."""
    config = actor_critic.Config.one_step(steps=2, discount=0.5, actor_rate=0.1, critic_rate=0.2, snapshots=1)
    agent = actor_critic.train([FORK], config, [3]).agent
    theta, w = agent.actor.values[0, 0].double(), agent.critic.values[0, 0, :, 0].double()
    took = int(theta[1].argmax())
    delta = (2, 5)[took]
    close(w, [0.2 * 1 * 1, 0.2 * 0.5 * delta], 1e-6)
    close(theta[1], 0.1 * 0.5 * delta * (torch.eye(2).double()[took] - 0.5), 1e-6)
    close(theta[0].abs(), [0.05, 0.05], 1e-6)


def test_box_a3c():
    """One step, R = 2, V = 0.5, a fair coin that showed 0: theta climbs 1.5 * (0.5, -0.5), theta_v descends -2 * 1.5. RMSprop's first
    step is rate * sign / sqrt(0.01): the action becomes likelier and V rises towards R. A step that was cut bootstraps: 1 + 0.5 * 8."""
    down = derivative(lambda h, v: a3c.losses(h.log_softmax(-1)[None], torch.tensor([0]), v, f64(2), 0.0), f64(0, 0), f64(0.5))
    close(down[0], [-0.75, 0.75])
    close(down[1], [-3.0])
    for gradient, moves in zip(down, ((1, -1), (1,)), strict=True):
        parameter, square = torch.zeros_like(gradient), torch.zeros_like(gradient)
        a3c.rmsprop(parameter, square, gradient, 0.1, 0.99)
        close(parameter, f64(*moves), 2e-3)
    ends = {"terminal": (torch.tensor([True]), None), "truncated": (torch.tensor([False]), torch.tensor([True]))}
    worth = {
        name: float(returns.discounted_returns(f64(1), returns.discounts(0.5, terminal), truncated, f64(8)))
        for name, (terminal, truncated) in ends.items()
    }
    assert worth == {"terminal": 1.0, "truncated": 5.0}
    config = a3c.Config(steps=3, workers=1, horizon=5, entropy_bonus=0.0, actor_rate=0.1, critic_rate=0.1, discount=0.5, snapshots=1)
    world = lanes.make_world([FORK], [3])
    shared = share(world, config, lanes.LaneRandom([3], [0], stream=2))
    shared.phase.fill_(WORK)
    a3c.learn(0, shared, world, config, lanes.LaneRandom([3], [0], stream=1))  # a worker's loop, in this process
    theta, w = shared.agent.actor.values[0, 0].double(), shared.agent.critic.values[0, 0, :, 0].double()
    assert float(w.min()) > 0.9 and float(theta.abs().min()) > 0.9  # two rollouts, each a first step of about rate * 10 a parameter
