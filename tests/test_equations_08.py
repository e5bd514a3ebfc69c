"""The equation ledger, thesis 2.62 to 2.74, algorithms 1 and 2, and its chapters 1 and 3 (chapters 08 to 11): one test a row."""

import math

import pytest
import torch
from equation_tools import CHAIN, ONLY, close, derivative, f64, far, logits, random_mdp, short_mdp, table

from distral_lite import distral, distral_ac, distral_sql, soft
from distral_lite import mdp as M
from distral_lite import policy_gradient as P
from distral_lite import soft_q_learning as S
from distral_lite.gridworld import load_map

ALPHA, BETA, GAMMA = 0.8, 5.0, 0.9


def tasks(seed=0, count=3):
    """Small random tasks, stacked, preferences of pi_0 [5, 2] and of the tasks [count, 5, 2]."""
    return M.stack([random_mdp([seed, k], actions=2) for k in range(count)]), logits(seed, 5, 2), logits(seed + 9, count, 5, 2)


def policies(h, f, columns=2):
    """Logs of pi_0 and of the task policies."""
    return h.log_softmax(-1), distral.two_column_policy(h, f, ALPHA, BETA) if columns == 2 else distral.one_column_policy(f)


# ---- section 2.6.2: the objective and the policies ----


def test_before_2_62_regulariser():
    """Two actions that pay the same, C_KL = 0, C_Ent = 1. What is subtracted is log pi, and the fair coin is best, by log 2. With the
    printed sign -log pi would be subtracted, and of all coins the fair one would be the worst."""
    world = M.stack([table([[0, 0]], [[0, 0]], [[True, True]])])
    alpha, beta = distral.mixing(0.0, 1.0)
    coins = [f64(p, 1 - p).log().view(1, 1, 2) for p in (0.5, 0.8, 0.99)]
    heights = [float(distral.objective(world, coins[0][0], coin, alpha, beta, GAMMA)) for coin in coins]
    assert heights[0] == pytest.approx(math.log(2)) and heights == sorted(heights, reverse=True)
    printed = [float((coin.exp() * (0.0 - (-coin))).sum()) for coin in coins]
    assert printed == sorted(printed)


def test_2_62_objective():
    """Both lines: prices C_KL = 0.3 and C_Ent = 0.2 written out step by step, for all courses of three steps, and alpha = 0.6, beta = 2."""
    world, log_pi, log_pi0 = short_mdp(0), logits(0, 5, 2).log_softmax(-1), logits(1, 5, 2).log_softmax(-1)
    ways = P.trajectories(world, log_pi.exp(), 3)
    own, shared = (log[ways.state, ways.action] for log in (log_pi, log_pi0))
    paid = (ways.reward - 0.3 * (own - shared) - 0.2 * own) * GAMMA ** f64(0, 1, 2)
    alpha, beta = distral.mixing(0.3, 0.2)
    assert (alpha, beta) == pytest.approx((0.6, 2.0))
    close((ways.probability * paid.sum(-1)).sum(), distral.objective(M.stack([world]), log_pi0, log_pi[None], alpha, beta, GAMMA))


def test_below_2_62_alpha():
    """C_Ent = 0 is alpha = 1: two equal tasks then pay nothing, and their optimum comes near the unregularised one."""
    assert distral.mixing(0.5, 0.0) == (1.0, 2.0)
    maze = load_map(5).mdp()
    steps = {alpha: M.expected_steps(maze, distral.solve([maze, maze], alpha, BETA, 0.95).log_pi[0].exp()) for alpha in (1.0, 0.8)}
    assert steps[1.0] < 9.01 < steps[0.8]  # the shortest way has 9


def test_2_63_one_column_policy():
    """Values 0 and log 2: (1/3, 2/3), whatever beta is; the temperature is 1."""
    close(distral.one_column_policy(f64(0, math.log(2))).exp(), [1 / 3, 2 / 3])
    close(distral.one_column_policy(f64(0, math.log(2)), 3.0).exp(), [1 / 9, 8 / 9])  # with beta' = 3


def test_2_64_distilled_policy():
    close(distral.distilled_policy(f64(0, math.log(3))).exp(), [1 / 4, 3 / 4])
    close(distral.distilled_policy(f64(7, 7 + math.log(3))).exp(), [1 / 4, 3 / 4])


def test_2_65_two_columns():
    """With pi_0^alpha it is (2.66). As printed, pi_i = pi_i exp(beta A) asks for A = 0, and does not sum to one."""
    h, f = logits(0, 5, 3), logits(1, 5, 3)
    log_pi0, log_pi = policies(h, f)
    advantage = distral.soft_advantage(f, log_pi0, ALPHA, BETA)
    close(log_pi, ALPHA * log_pi0 + BETA * advantage)
    printed = (log_pi + BETA * advantage).exp()
    assert float((printed.sum(-1) - 1).abs().min()) > 0.01 and float(advantage.abs().max()) > 0.1


def test_2_66_two_columns_by_preferences():
    """h = (0, log 4), alpha = 1/2, f = (0, log 3 / 5), beta = 5: 1 to 2 * 3. Limits: greedy, pi_0 alone, f alone."""
    h, f = f64(0, math.log(4)), f64(0, math.log(3) / 5)
    close(distral.two_column_policy(h, f, 0.5, 5.0).exp(), [1 / 7, 6 / 7])
    close(distral.two_column_policy(h, f, 0.5, 1e5).exp(), [0, 1])
    close(distral.two_column_policy(h, 0 * f, 1.0, 5.0).exp(), [1 / 5, 4 / 5])
    close(distral.two_column_policy(h, f, 0.0, 5.0).exp(), [1 / 4, 3 / 4])


def test_2_67_soft_advantage():
    """A uniform pi_0 of two, alpha = 1, beta = 1, f = (0, log 3): V = log((1 + 3) / 2). At alpha = 1/2 the weights are 2^(-1/2)."""
    coin = f64(0.5, 0.5).log()
    close(distral.soft_advantage(f64(0, math.log(3)), coin, 1.0, 1.0), [-math.log(2), math.log(1.5)])
    close(distral.soft_advantage(f64(0, math.log(3)), coin, 0.5, 1.0), [-math.log(4 / 2**0.5), math.log(3) - math.log(4 / 2**0.5)])


# ---- section 2.6.3: by soft Q-learning ----


def test_2_68_distillation():
    """Two tasks, in a state for 3 and 1 steps, policies (0.8, 0.2) and (0.4, 0.6): pi_0 = (0.7, 0.3), where the gradient of (2.68) is zero,
    and nowhere else; and it is the pi_0 that maximises the whole objective given the task policies."""
    own, weight = f64(0.8, 0.2, 0.4, 0.6).view(2, 1, 2), f64(3, 1).view(2, 1)
    found = distral.centroid(own.log(), weight, f64(0.5, 0.5).log()[None])
    close(found.exp(), [[0.7, 0.3]])
    for at, still in ((found, True), (f64(0.6, 0.4).log()[None], False)):  # (0.6, 0.4): the mean without visits
        slope = derivative(lambda h: (weight.unsqueeze(-1) * own * h.log_softmax(-1)).sum(), at)
        assert (float(slope.abs().max()) < 1e-12) == still
    world, h, f = tasks()
    log_pi = policies(h, f)[1]
    best = distral.centroid(log_pi, M.visits(world, log_pi.exp(), GAMMA), h.log_softmax(-1))
    close(derivative(lambda h: distral.objective(world, h.log_softmax(-1), log_pi, ALPHA, BETA, GAMMA), best), torch.zeros(5, 2), 1e-12)


def window(*fields):
    """One window of one step of one lane: state, action, reward, next state, terminal, truncated."""
    return S.Window(*(torch.tensor(field).view(1, 1, 1, 1) for field in fields))


def test_box_distral_by_sql():
    """Line 14: f(S) = (9, 9), f(S') = (0, log 3), pi_0 = (3/4, 1/4) at S and uniform at S', alpha = beta = 1, gamma = 1/2: R + log(2) / 2,
    where the printed policy at S gives R + log(6/4) / 2; a time-out gets the same, a goal R alone. Line 21: the sample of time 2
    counts gamma^2. Line 9: (2.63) comes from f, (2.64) would come from h."""
    f = f64(9, 9, 0, math.log(3)).view(1, 1, 2, 2)
    h = f64(0.75, 0.25, 0.5, 0.5).log().view(1, 1, 2, 2)
    config = distral_sql.Config(alpha=1.0, beta=1.0, discount=0.5, columns=1)
    for terminal, truncated, wanted in ((False, False, 0.5 * math.log(2)), (False, True, 0.5 * math.log(2)), (True, False, 0.0)):
        close(distral_sql.q_target(window(0, 0, 0.25, 1, terminal, truncated), f, h, config), [[[0.25 + wanted]]])
    close(soft.soft_value(f[0, 0, 1], h[0, 0, 0], 1.0, 1.0), math.log(6 / 4))
    close(distral_sql.q_loss(f, window(1, 0, 0.0, 0, False, False), f64(3).view(1, 1, 1)), [[9 / 2]])
    close(distral_sql.task_policy(f, h, config)[0, 0, 1].exp(), [1 / 4, 3 / 4])
    sample = [torch.tensor(number).view(1, 1, 1) for number in (1, 0, 2)]
    slope = derivative(lambda h: distral_sql.distillation_loss(h, *sample, 0.5).sum(), h)
    close(slope[0, 0], [[0, 0], [-0.25 * 0.5, 0.25 * 0.5]])


# ---- section 2.6.4: by actor-critic ----


def of_objective(world, h, f, columns=2):
    """The gradients of J by h and by f, by autograd through the linear solve."""
    return derivative(lambda h, f: distral.objective(world, *policies(h, f, columns), ALPHA, BETA, GAMMA), h, f)


def test_2_69_task_gradient():
    """All courses of three steps, (2.69) written out with time from 0: the gradient. The printed sum from t = 1, if the first action is
    that of t = 0 as in (2.62), says nothing to the first state; if time begins with 1, all is gamma times as large."""
    world, log_pi, log_pi0 = short_mdp(2), logits(2, 5, 2).log_softmax(-1), logits(3, 5, 2).log_softmax(-1)
    ways = P.trajectories(world, log_pi.exp(), 3)
    regularised = world.reward + 0.16 * log_pi0 - 0.2 * log_pi
    close(distral.regularised_reward(world, log_pi0, log_pi, ALPHA, BETA), regularised)
    paid = regularised[ways.state, ways.action] * GAMMA ** f64(0, 1, 2)
    weights = paid.flip(-1).cumsum(-1).flip(-1)

    def mean(weights):
        return (ways.probability.view(-1, 1, 1) * P.trajectory_gradient(log_pi, ways.state, ways.action, weights)).sum(0)

    exact = derivative(lambda f: distral.objective(M.stack([world]), log_pi0, f.log_softmax(-1)[None], ALPHA, BETA, GAMMA), log_pi)
    close(mean(weights), exact)
    close(distral.task_gradient(M.stack([world]), log_pi0, log_pi[None], ALPHA, BETA, GAMMA)[0], exact)
    printed = mean(weights * f64(0, 1, 1))
    assert float(printed[0].abs().max()) == 0 and float(exact[0].abs().max()) > 0.05
    close(mean(weights * GAMMA), GAMMA * exact)


def parts(world, h, f):
    """Discounted and plain visits [K, S, 1], policies, and advantages of the regularised reward [K, S, A]."""
    log_pi0, log_pi = policies(h, f)
    values = distral.regularised_values(world, log_pi0, log_pi, ALPHA, BETA, GAMMA)
    paid = world._replace(reward=distral.regularised_reward(world, log_pi0, log_pi, ALPHA, BETA))
    advantage = M.action_values(paid, values, GAMMA) - values.unsqueeze(-1)
    return [M.visits(world, log_pi.exp(), discount).unsqueeze(-1) for discount in (GAMMA, 1.0)], log_pi0, log_pi, values, advantage


def test_2_70_gradient_by_advantages():
    """With gamma^t, by discounted visits, it is the gradient (beta of it, for f enters as beta f). With plain visits, as printed, not;
    nor with (2.67) for the advantage, whose mean under the task's policy is not zero."""
    world, h, f = tasks(1)
    (discounted, plain), log_pi0, log_pi, _, advantage = parts(world, h, f)
    exact = of_objective(world, h, f)[1]
    close((log_pi.exp() * advantage).sum(-1), torch.zeros(3, 5))
    close(BETA * discounted * log_pi.exp() * advantage, exact)
    close(BETA * distral.task_gradient(world, log_pi0, log_pi, ALPHA, BETA, GAMMA), exact)
    assert far(BETA * plain * log_pi.exp() * advantage, exact) > 0.1
    soft_advantage = distral.soft_advantage(f, log_pi0, ALPHA, BETA)
    assert float((log_pi.exp() * soft_advantage).sum(-1).abs().max()) > 0.1


def test_2_71_gradient_by_td_errors():
    """Given s and a the mean of the n-step error of the regularised rewards is the advantage, for every n; so what holds of 2.70 holds."""
    world, h, f = tasks(2)
    (discounted, plain), log_pi0, log_pi, values, advantage = parts(world, h, f)
    paid, exact = distral.regularised_reward(world, log_pi0, log_pi, ALPHA, BETA), of_objective(world, h, f)[1]
    for n in (1, 2, 4):
        signal = values
        for _ in range(n - 1):
            signal = (log_pi.exp() * M.action_values(world._replace(reward=paid), signal, GAMMA)).sum(-1)
        delta = M.action_values(world._replace(reward=paid), signal, GAMMA) - values.unsqueeze(-1)
        close(delta, advantage)
        close(BETA * discounted * log_pi.exp() * delta, exact)
        assert far(BETA * plain * log_pi.exp() * delta, exact) > 0.1


def episode(rewards, terminal):
    """One episode of one lane that passes the states 0, 1, 2, ... and takes action 0 in each."""
    state = torch.arange(len(rewards)).view(1, 1, 1, -1)
    ends = torch.tensor([*[False] * (len(rewards) - 1), True]).view(1, 1, 1, -1)
    never = torch.zeros_like(ends)
    real = torch.ones_like(ends)
    rewards = f64(*rewards).view(1, 1, 1, -1)
    return distral_ac.Batch(state, 0 * state, rewards, state + 1, ends if terminal else never, never if terminal else ends, real)


def test_2_72_task_critic_loss():
    """Values (1, 2) and targets (4, 0): half of 3^2 + (-2)^2, the sum over the episode; no gradient through the targets."""
    batch, even = episode([0, 0], True), torch.ones(1, 1, 1, 2, dtype=torch.float64)
    values, target = f64(1, 2, 0).view(1, 1, 3), f64(4, 0).view(1, 1, 1, 2)
    assert float(distral_ac.critic_loss(values, batch, target, even)) == (9 + 4) / 2
    close(derivative(lambda v: distral_ac.critic_loss(v, batch, target, even).sum(), values), [[[-3.0, 2.0, 0.0]]])


def test_2_73_task_critic_target():
    """Regularised rewards 1 and 2, gamma = 1/2, V = (3, 9, 8): 1 + 9 / 2 and 1 + 2 / 2 + 8 / 4. The sampled log-ratio: 1 + 0.8 log(1/4) / 5
    - log(1/2) / 5. On average over the policy's actions the target is V, if V is exact: nothing is left out, as Q would."""
    batch, values = episode([1, 2], False), f64(3, 9, 8).view(1, 1, 3)
    for n, wanted in ((1, 1 + 9 / 2), (2, 1 + 2 / 2 + 8 / 4)):
        config = distral_ac.Config(discount=0.5, n_steps=n)
        assert float(distral_ac.target(batch, batch.reward, values, config)[..., 0]) == wanted
    one = distral_ac.regularised_reward(f64(1), f64(0.25).log(), f64(0.5).log(), ALPHA, BETA)
    assert float(one) == pytest.approx(1 + 0.8 * math.log(0.25) / 5 - math.log(0.5) / 5)
    world, h, f = tasks(3)
    log_pi0, log_pi = policies(h, f)
    exact = distral.regularised_values(world, log_pi0, log_pi, ALPHA, BETA, GAMMA)
    paid = distral_ac.regularised_reward(world.reward, log_pi0.expand_as(log_pi), log_pi, ALPHA, BETA)
    close((log_pi.exp() * M.action_values(world._replace(reward=paid), exact, GAMMA)).sum(-1), exact)


def test_2_74_distilled_gradient():
    """Both terms with gamma^t are the gradient by h, and for one column the second alone. With the first as printed, by plain visits, their
    sum is the gradient of nothing."""
    world, h, f = tasks(4)
    (discounted, plain), log_pi0, log_pi, _, advantage = parts(world, h, f)
    first, second = distral.distilled_gradient(world, log_pi0, log_pi, ALPHA, BETA, GAMMA)
    exact = of_objective(world, h, f)[0]
    close(first, ALPHA * (discounted * log_pi.exp() * advantage).sum(0))
    close(second, ALPHA / BETA * (discounted * (log_pi.exp() - log_pi0.exp())).sum(0))
    close(first + second, exact)
    assert far(ALPHA * (plain * log_pi.exp() * advantage).sum(0) + second, exact) > 0.05
    log_pi0, log_pi = policies(h, f, columns=1)
    close(distral.distilled_gradient(world, log_pi0, log_pi, ALPHA, BETA, GAMMA)[1], of_objective(world, h, f, columns=1)[0])


def test_box_distral_by_actor_critic():
    """Line 22: R_reg = 1, gamma = 1/2, V(S') = 9: 5.5, where the printed line, without gamma, has 10; a goal has 1 and a time-out not.
    Line 31: pi_0 = (1/2, 1/2), pi_i = (3/4, 1/4). J rises with h(0), so descending minus J raises it; descending J, as printed, would push
    pi_0 away from pi_i. Lines 5 and 6: every episode of ours begins at the start."""
    values, config = f64(3, 9).view(1, 1, 2), distral_ac.Config(discount=0.5, n_steps=1)
    for terminal, wanted in ((False, 5.5), (True, 1.0)):
        batch = episode([1], terminal)
        assert float(distral_ac.target(batch, batch.reward, values, config)) == wanted
    h, log_pi = torch.zeros(1, 1, 1, 2, dtype=torch.float64), f64(0.75, 0.25).log().view(1, 1, 1, 2)
    once = torch.ones(1, 1, 1, dtype=torch.float64)
    down = derivative(lambda h: distral_ac.centroid_loss(h, log_pi, once, ALPHA, BETA).sum(), h)
    close(down, [[[[-0.16 * 0.25, 0.16 * 0.25]]]])
    signal = distral_ac.tally(episode([1], True), f64(2).view(1, 1, 1, 1), 1, 2)  # advantage 2 of action 0
    close(derivative(lambda log: distral_ac.actor_loss(log, signal).sum(), log_pi), [[[[-2.0, 0.0]]]])
    batch = distral_ac.play(M.stack([CHAIN]), ONLY.log().view(1, 1, 3, 1), torch.full((1, 1, 4, 6), 0.5, dtype=torch.float64))
    assert batch.state[0, 0].tolist() == [[0, 1, 2]] * 4
    assert batch.terminal[0, 0].tolist() == [[False, False, True]] * 4


# ---- the thesis's chapters 1 and 3 ----


def test_text_1_1_step_limit():
    """Distral with one column and beta' = 1 comes to rest at a policy that needs 152 steps of map 4, and the thesis's recorded runs end at
    a mean of 156. If episodes were cut after 200 steps that policy's mean would be 130."""
    mazes = [load_map(number).mdp() for number in (4, 5)]
    behaviour = distral.one_column_fixed_point(mazes, ALPHA, BETA, 1.0, 0.999).behaviour[0]
    by_limit = {limit: float(M.expected_steps(mazes[0], behaviour, limit)) for limit in (200, 1000)}
    assert by_limit == {200: pytest.approx(130, abs=1), 1000: pytest.approx(152, abs=1)}
    assert distral_sql.Config().max_episode_steps == 1000


def test_text_3_3_1_step_limit():
    """A limit "increased by 10 folds" to 1000 steps was one of 100 steps; of episodes there were 1000 before and 200 after, a fifth."""
    steps, episodes = distral_sql.Config().max_episode_steps, (1000, 200)
    assert steps / 10 == 100 and episodes[1] / episodes[0] == 0.2


def test_3_1_boltzmann():
    """Energies 0 and log 2: (2/3, 1/3) at beta = 1; all states alike at beta = 0, the lowest alone at large beta. f is -E."""
    energy = f64(0, math.log(2))
    close(distral.one_column_policy(-energy).exp(), [2 / 3, 1 / 3])
    close(distral.one_column_policy(-energy, 1e-12).exp(), [0.5, 0.5], 1e-9)
    close(distral.one_column_policy(-energy, 1e3).exp(), [1, 0])
    log_ratio = distral.one_column_policy(-energy, 3.0)
    assert float(log_ratio[0] - log_ratio[1]) == pytest.approx(3.0 * math.log(2))


def test_text_3_5_two_temperatures():
    """On maps 4 and 5, alpha = 0.8. Small beta' at beta = 5: slow, and nothing diverges. Small beta at beta' = 5, as the thesis has it: the
    values pass 100, more than the goal's 1 can explain. The soft value knows no beta': from beta = 5 to 500 it nears the max by 0.01."""
    mazes = [load_map(number).mdp() for number in (4, 5)]
    slow = distral.one_column_fixed_point(mazes, ALPHA, 5.0, 0.5, 0.999)
    assert float(slow.q.max()) < 1.1 and M.expected_steps(mazes[0], slow.behaviour[0]) < 900
    wandering = distral.one_column_fixed_point(mazes, ALPHA, 1.0, 5.0, 0.999)
    assert float(wandering.q.max()) > 100
    q, prior = f64(0, 1, 2), torch.full((3,), 1 / 3, dtype=torch.float64).log()
    assert [abs(float(soft.soft_value(q, prior, ALPHA, beta)) - 2) < 0.01 for beta in (5.0, 500.0)] == [False, True]


def test_text_3_5_largest_number():
    """Added back, the number drops out of the soft value, in float32 too. Not added back, on maps 4 and 5 at beta = 2: sweeps of that
    target, the largest f of all taken off, settle where a price of gamma * 0.9 on every step that does not end the episode puts them, at
    13.8 and 9.5 steps; as printed in (2.45) the same agents never arrive."""
    q, prior = f64(120.0, 118.0, 0.0).float(), torch.full((3,), 1 / 3).log()
    by_hand = (0.8 * float(prior[0]) + math.log(1 + math.exp(-6.0))) / 3.0 + 120.0
    assert float(soft.soft_value(q, prior, 0.8, 3.0)) == pytest.approx(by_hand, rel=1e-6)
    mazes = [load_map(number).mdp() for number in (4, 5)]
    stacked, gamma, beta = M.stack(mazes), 0.999, 2.0
    dearer = [maze._replace(reward=maze.reward - gamma * 0.9 * ~maze.terminal[..., 0]) for maze in mazes]
    rest = distral.one_column_fixed_point(dearer, ALPHA, beta, 5.0, gamma)
    f = torch.zeros_like(stacked.reward)
    for _ in range(400):  # the target without the number, for the pi_0 found there; its own largest entry each time
        value = torch.logsumexp(ALPHA * rest.log_pi0 + beta * (f - f.amax((-1, -2), keepdim=True)), -1) / beta
        f = 0.5 * (f + M.action_values(stacked, value, gamma))
    close(f, rest.q, 1e-6)
    steps = M.expected_steps(stacked, rest.behaviour)
    assert steps.tolist() == [pytest.approx(13.8, abs=0.06), pytest.approx(9.5, abs=0.06)]
    printed = distral.one_column_fixed_point(mazes, ALPHA, beta, 5.0, gamma)
    assert float(M.expected_steps(stacked, printed.behaviour).min()) > 900
