"""Regularised actor–critic: its gradients against autograd and lists of trajectories, the equivalence by listing, the loop against exact optima."""  # noqa: E501

import itertools
import math

import numpy as np
import pytest
import torch
from rounding import assert_trained_alike

from distral_lite import lanes, mdp, networks, soft, soft_q_learning
from distral_lite import regularised_actor_critic as rac
from distral_lite.gridworld import GridWorld, load_map
from distral_lite.mdp import MDP

GAMMA = 0.9
SETTINGS = [(1.0, 2.0), (0.6, 5.0), (0.0, 0.5)]  # alpha, beta
CORRIDOR = GridWorld.from_text("#######\n#S...G#\n#######").mdp()
MAPS = [load_map(4).mdp(), load_map(5).mdp()]  # of the same walls
UNIFORM = torch.full((5,), -math.log(5), dtype=torch.float64)
every_setting = pytest.mark.parametrize(("alpha", "beta"), SETTINGS)


def example(seed=0, states=4, actions=3):
    """A small random task, logits of a policy, and a prior that differs from state to state."""
    generator = np.random.default_rng(seed)
    task = mdp.random_mdp(generator, states, actions)
    prior = torch.from_numpy(generator.dirichlet(np.ones(actions), size=states)).log()
    return task, torch.from_numpy(generator.normal(size=(states, actions))), prior


def layered(seed=0):
    """A task whose episodes always end after three steps: states 0, then 1 or 2, then 3 or 4. All its trajectories can be listed."""
    generator = np.random.default_rng(seed)
    successor = torch.tensor([[[1, 2]] * 2, [[3, 4]] * 2, [[3, 4]] * 2, [[0, 0]] * 2, [[0, 0]] * 2])
    probability = torch.from_numpy(generator.dirichlet(np.ones(2), size=(5, 2)))
    terminal = torch.zeros(5, 2, 2, dtype=torch.bool)
    terminal[3:] = True
    reward, start = torch.from_numpy(generator.normal(size=(5, 2))), torch.tensor([1.0, 0, 0, 0, 0]).double()
    task = MDP(successor, probability, reward, terminal, start, torch.eye(5))
    return task, torch.from_numpy(generator.normal(size=(5, 2))), torch.from_numpy(generator.dirichlet(np.ones(2), size=5)).log()


def outcomes(task, state, action):
    """(probability, next state, ended) of everything that an action may lead to."""
    return zip(*(array[state, action].tolist() for array in (task.probability, task.successor, task.terminal)), strict=True)


def trajectories(task, policy, state):
    """Every whole episode from a state: its probability and its list of (state, action)."""
    for action, chance in enumerate(policy[state].tolist()):
        for p, following, ended in outcomes(task, state, action):
            if ended:
                yield chance * p, [(state, action)]
            else:
                for rest, steps in trajectories(task, policy, following):
                    yield chance * p * rest, [(state, action), *steps]


def windows(task, policy, state, action, n):
    """Every way that n steps beginning with `action` can go: probability, list of (state, action), where it led, whether it ended."""
    for p, following, ended in outcomes(task, state, action):
        if n == 1 or ended:
            yield p, [(state, action)], following, ended
        else:
            for next_action, chance in enumerate(policy[following].tolist()):
                for rest, steps, last, end in windows(task, policy, following, next_action, n - 1):
                    yield p * chance * rest, [(state, action), *steps], last, end


def close(found, wanted, tolerance=1e-12):
    torch.testing.assert_close(found, torch.as_tensor(wanted, dtype=found.dtype), rtol=0, atol=tolerance)


# ---- the gradients ----


@every_setting
@pytest.mark.parametrize("seed", range(5))
def test_the_proper_gradient_is_that_of_the_objective(seed, alpha, beta):
    """(2.48), corrected, against autograd through the linear solve; the naive one is another."""
    task, logits, prior = example(seed)
    logits.requires_grad_()
    (wanted,) = torch.autograd.grad(rac.objective(task, logits.log_softmax(-1), prior, alpha, beta, GAMMA), logits)
    log_policy = logits.detach().log_softmax(-1)
    close(rac.proper_gradient(task, log_policy, prior, alpha, beta, GAMMA), wanted)
    bias = rac.naive_gradient(task, log_policy, prior, alpha, beta, GAMMA) - wanted
    assert float(bias.norm() / wanted.norm()) > 0.001


@pytest.mark.parametrize("gamma", [0.95, 0.999])
def test_on_a_maze(gamma):
    """Maps 4 and 5 together, a random policy: autograd gives the proper gradient."""
    tasks = mdp.stack(MAPS)
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 32, 5))).requires_grad_()
    (wanted,) = torch.autograd.grad(rac.objective(tasks, logits.log_softmax(-1), UNIFORM, 0.8, 5.0, gamma).sum(), logits)
    log_policy = logits.detach().log_softmax(-1)
    found = rac.proper_gradient(tasks, log_policy, UNIFORM, 0.8, 5.0, gamma)
    close(found, wanted, 1e-9)
    assert float((rac.naive_gradient(tasks, log_policy, UNIFORM, 0.8, 5.0, gamma) - wanted).norm() / wanted.norm()) > 0.01


def test_the_objective_by_finite_differences():
    """One logit of the table moved by 1e-5 to either side."""
    task, logits, prior = example(1)
    gradient = rac.proper_gradient(task, logits.log_softmax(-1), prior, 0.7, 3.0, GAMMA)
    for place in itertools.product(range(4), range(3)):
        moved = torch.zeros_like(logits)
        moved[place] = 1e-5
        up, down = (float(rac.objective(task, (logits + sign * moved).log_softmax(-1), prior, 0.7, 3.0, GAMMA)) for sign in (1, -1))
        assert (up - down) / 2e-5 == pytest.approx(float(gradient[place]), abs=1e-8)


def by_listing(task, logits, prior, beta, signal):
    """E[sum_t gamma^t (grad log pi(a_t | s_t) signal(t, rewards, KLs) - grad KL_t / beta)] over all trajectories, by autograd."""
    policy, total = logits.softmax(-1), torch.zeros_like(logits)
    price = soft.kl(policy.log(), prior) / beta
    for chance, steps in trajectories(task, policy, 0):
        leaf = logits.clone().requires_grad_()
        log_policy = leaf.log_softmax(-1)
        paid, prices = [float(task.reward[step]) for step in steps], [float(price[s]) for s, _ in steps]
        terms = [
            GAMMA**t * (log_policy[s, a] * signal(t, paid, prices) - soft.kl(log_policy[s], prior[s]) / beta)
            for t, (s, a) in enumerate(steps)
        ]
        total += chance * torch.autograd.grad(sum(terms), leaf)[0]
    return total


def test_2_46_and_2_47_by_listing_trajectories():
    """R_t + sum_{d>=1} gamma^d (R_{t+d} - KL_{t+d} / beta) gives the proper gradient, rewards alone the naive one.

    As printed, with R_0 in place of R_t, (2.47) gives neither.
    """
    task, logits, prior = layered()
    beta, log_policy = 2.0, logits.log_softmax(-1)

    def later(t, paid, prices):
        return sum(GAMMA**d * (paid[t + d] - prices[t + d]) for d in range(1, len(paid) - t))

    proper = rac.proper_gradient(task, log_policy, prior, 1.0, beta, GAMMA)
    close(by_listing(task, logits, prior, beta, lambda t, paid, prices: paid[t] + later(t, paid, prices)), proper)
    rewards_only = by_listing(task, logits, prior, beta, lambda t, paid, prices: sum(GAMMA**d * r for d, r in enumerate(paid[t:])))
    close(rewards_only, rac.naive_gradient(task, log_policy, prior, 1.0, beta, GAMMA))
    printed = by_listing(task, logits, prior, beta, lambda t, paid, prices: paid[0] + later(t, paid, prices))
    assert float((printed - proper).norm() / proper.norm()) > 0.3
    assert float((rewards_only - proper).norm() / proper.norm()) > 0.05


@every_setting
def test_what_the_naive_gradient_leaves_out(alpha, beta):
    """It is sum_s grad d(s) rho(s): that the policy will pay again where it is going."""
    task, logits, prior = example(2)
    logits.requires_grad_()
    log_policy = logits.log_softmax(-1)
    price = soft.expected_regulariser(log_policy, prior, alpha, beta).detach()
    (left_out,) = torch.autograd.grad((mdp.visits(task, log_policy.exp(), GAMMA) * price).sum(), logits)
    log_policy = log_policy.detach()
    naive, proper = (gradient(task, log_policy, prior, alpha, beta, GAMMA) for gradient in (rac.naive_gradient, rac.proper_gradient))
    close(proper - naive, left_out)
    assert float(left_out.norm()) > 0.01


def test_where_the_naive_gradient_is_right():
    """In a bandit (every step ends), at discount 0, and where prices vanish."""
    task, logits, prior = example(3)
    log_policy = logits.log_softmax(-1)
    bandit = task._replace(terminal=torch.ones_like(task.terminal))
    for where, beta, gamma in ((bandit, 1.0, GAMMA), (task, 1.0, 0.0), (task, 1e9, GAMMA)):
        found, wanted = (gradient(where, log_policy, prior, 1.0, beta, gamma) for gradient in (rac.naive_gradient, rac.proper_gradient))
        close(found, wanted, 1e-8)


def test_a_hand_computed_fork():
    """Left pays 1 and ends. Right leads to a room where work pays 2 and the habit is to idle, 19 times in 20. At beta = 2 and a policy that
    works three times in four, the naive gradient points right and the proper one left."""
    arrays = torch.tensor([[[0], [1]], [[1], [1]]]), torch.ones(2, 2, 1).double(), torch.tensor([[1.0, 0.0], [0.0, 2.0]]).double()
    fork = mdp.check(MDP(*arrays, torch.tensor([[[True], [False]], [[True], [True]]]), torch.tensor([1.0, 0.0]).double(), torch.eye(2)))
    prior, log_policy = torch.tensor([[[0.5, 0.5], [0.95, 0.05]], [[0.5, 0.5], [0.25, 0.75]]], dtype=torch.float64).log()
    price = 0.75 * math.log(0.75 / 0.05) + 0.25 * math.log(0.25 / 0.95)  # 1.697 nats
    naive, proper = (gradient(fork, log_policy, prior, 1.0, 2.0, 1.0) for gradient in (rac.naive_gradient, rac.proper_gradient))
    close(naive[0, 1], 0.25 * (1.5 - 1.0))
    close(proper[0, 1], 0.25 * (1.5 - price / 2 - 1.0))
    assert float(naive[0, 1]) > 0 > float(proper[0, 1])
    close(naive[1], proper[1])  # in the room there are no later prices


@every_setting
def test_the_two_pieces_by_autograd(alpha, beta):
    """E[grad log pi x] and grad rho, state by state; and the sampled log-ratio as a signal has the gradient of its own mean."""
    _, logits, prior = example(4)
    signal = torch.from_numpy(np.random.default_rng(5).normal(size=(4, 3)))
    logits.requires_grad_()
    log_policy = logits.log_softmax(-1)
    (score,) = torch.autograd.grad((log_policy.detach().exp() * signal * log_policy).sum(), logits, retain_graph=True)
    (own,) = torch.autograd.grad(soft.expected_regulariser(log_policy, prior, alpha, beta).sum(), logits)
    log_policy = log_policy.detach()
    close(rac.score_term(log_policy, signal), score)
    close(rac.regulariser_gradient(log_policy, prior, alpha, beta), own)
    if alpha == 1:
        policy, ratio = log_policy.exp(), log_policy - prior
        close(own, -policy * (ratio - soft.kl(log_policy, prior).unsqueeze(-1)) / beta)


@every_setting
@pytest.mark.parametrize("n", [1, 2, 5])
def test_2_49_needs_the_log_ratio_inside_or_the_gradient_beside(n, alpha, beta):
    """With exact values delta with the sampled ratio gives the proper gradient for every n; with KL in closed form d grad rho is lost."""
    task, logits, prior = example(6)
    log_policy = logits.log_softmax(-1)
    values = rac.regularised_values(task, log_policy, prior, alpha, beta, GAMMA)
    arguments = task, log_policy, prior, alpha, beta, GAMMA
    proper = rac.proper_gradient(*arguments)
    close(rac.td_gradient(*arguments, values, n), proper)
    lost = mdp.visits(task, log_policy.exp(), GAMMA).unsqueeze(-1) * rac.regulariser_gradient(log_policy, prior, alpha, beta)
    close(rac.td_gradient_closed_form_alone(*arguments, values, n), proper - lost)
    assert float(lost.norm() / proper.norm()) > 0.05


def test_a_wrong_critic_biases_few_steps_and_not_many():
    task, logits, prior = layered()
    arguments = task, logits.log_softmax(-1), prior, 1.0, 2.0, GAMMA
    wrong, proper = torch.tensor([3.0, -1.0, 2.0, 5.0, -4.0]).double(), rac.proper_gradient(*arguments)
    assert float((rac.td_gradient(*arguments, wrong, 1) - proper).norm()) > 0.1
    close(rac.td_gradient(*arguments, wrong, 3), proper)  # no episode is longer


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_signal_by_listing_windows(n):
    """Mean of R_t + sum_{d>=1} gamma^d (R - KL / beta) + gamma^n V, window by window."""
    task, logits, prior = example(7)
    policy, beta, values = logits.softmax(-1), 3.0, torch.tensor([1.0, -2.0, 0.5, 3.0]).double()
    price = soft.kl(policy.log(), prior) / beta
    found = rac.n_step_signal(task, policy.log(), prior, 1.0, beta, GAMMA, values, n)
    for state, action in itertools.product(range(4), range(3)):
        mean = 0.0
        for chance, steps, last, ended in windows(task, policy, state, action, n):
            paid = sum(GAMMA**d * (float(task.reward[step]) - (float(price[step[0]]) if d else 0.0)) for d, step in enumerate(steps))
            mean += chance * (paid + (0.0 if ended else GAMMA ** len(steps) * float(values[last])))
        assert mean == pytest.approx(float(found[state, action]), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_2_51_as_printed_is_a_target_for_q_not_for_v(n):
    """With exact values R - KL / beta + ... has mean V(s). The printed KL_t / beta in front makes it too high by the price of the state,
    and with n = 1 the critic would learn values without any price at all."""
    task, logits, prior = example(8)
    log_policy, beta = logits.log_softmax(-1), 2.0
    values, price = rac.regularised_values(task, log_policy, prior, 1.0, beta, GAMMA), soft.kl(log_policy, prior) / beta
    q_target = (log_policy.exp() * rac.n_step_signal(task, log_policy, prior, 1.0, beta, GAMMA, values, n)).sum(-1)
    close(q_target - price, values)
    assert float(price.min()) > 0.02  # what the printed target has too much, in every state
    if n == 1:
        plain = mdp.evaluate(task, log_policy.exp(), GAMMA)
        printed = (log_policy.exp() * rac.n_step_signal(task, log_policy, prior, 1.0, beta, GAMMA, plain, 1)).sum(-1)
        close(printed, plain)
        assert float((plain - values).min()) > 0.1


def test_at_the_optimum_sampled_prices_make_no_noise():
    """Where outcomes are certain, r + log-ratio + gamma V(s') - V(s) is 0 for every action; with closed-form KL it is not."""
    world = load_map(6)
    best = soft_q_learning.solve(world.mdp(), UNIFORM, 0.8, 5.0, 0.95)
    ahead = mdp.action_values(world.mdp(), best.value, 0.95) - best.value.unsqueeze(-1)
    close(ahead + soft.sampled_regulariser(best.log_policy, UNIFORM, 0.8, 5.0), torch.zeros(32, 5).double(), 1e-9)
    closed = ahead + soft.expected_regulariser(best.log_policy, UNIFORM, 0.8, 5.0).unsqueeze(-1)
    assert float((best.log_policy.exp() * closed.square()).sum(-1)[world.start]) > 0.01


# ---- where the naive gradient rests ----


@pytest.mark.parametrize("number", [4, 6])
def test_the_naive_fixed_point(number):
    """Its gradient vanishes there; the proper one does not, and the soft optimum earns more."""
    task = load_map(number).mdp()
    for beta, gamma in ((1.0, 0.95), (2.0, 0.99), (30.0, 0.99)):
        rest = rac.naive_fixed_point(task, UNIFORM, 1.0, beta, gamma)
        assert float(rac.naive_gradient(task, rest, UNIFORM, 1.0, beta, gamma).abs().max()) < 1e-8
        assert float(rac.proper_gradient(task, rest, UNIFORM, 1.0, beta, gamma).abs().max()) > 1e-4
        best = soft_q_learning.solve(task, UNIFORM, 1.0, beta, gamma)
        found, most = (float(rac.objective(task, policy, UNIFORM, 1.0, beta, gamma)) for policy in (rest, best.log_policy))
        assert found < most - 0.005
        close(rac.proper_gradient(task, best.log_policy, UNIFORM, 1.0, beta, gamma), torch.zeros(32, 5).double(), 1e-9)


def test_the_naive_agent_does_not_know_that_wandering_is_paid():
    """With a uniform prior its rest does not depend on alpha: prices of later steps do not enter, and pi_0^alpha is constant."""
    task = MAPS[0]
    rests = [rac.naive_fixed_point(task, UNIFORM, alpha, 1.0, 0.99) for alpha in (0.0, 0.8, 1.0)]
    close(rests[0], rests[1], 1e-8)
    close(rests[0], rests[2], 1e-8)
    best = soft_q_learning.solve(task, UNIFORM, 0.8, 1.0, 0.99)
    assert mdp.expected_steps(task, best.log_policy.exp()) > 999 and mdp.expected_steps(task, rests[1].exp()) < 60


# ---- (2.54) ----


def listed_sides(task, parameters, q_of, prior, beta, n, start):
    """Both sides of (2.54) by listing first states, actions and windows, as the thesis prints them, by autograd in `parameters`."""
    q = q_of(parameters)
    value = torch.logsumexp(prior + beta * q, -1) / beta  # (2.52), the mean under pi_0
    log_policy = prior + beta * (q - value.unsqueeze(-1))  # (2.53)
    kl = (log_policy.exp() * (log_policy - prior)).sum(-1)
    policy, fixed_value, fixed_kl = log_policy.detach().exp(), value.detach(), kl.detach()
    left, right = 0.0, 0.0
    for s, a in itertools.product(*map(range, task.reward.shape)):
        for chance, steps, last, ended in windows(task, policy, s, a, n):
            weight = float(start[s]) * float(policy[s, a]) * chance
            paid = sum(GAMMA**d * (task.reward[step] - fixed_kl[step[0]] / beta) for d, step in enumerate(steps))
            v_hat = paid + (0.0 if ended else GAMMA ** len(steps) * fixed_value[last])
            advantage = v_hat - fixed_value[s]
            left = left + weight * 0.5 * (q[s, a] - (fixed_kl[s] / beta + v_hat)) ** 2
            losses = -log_policy[s, a] * advantage / beta + kl[s] / beta**2 + 0.5 * (value[s] - v_hat) ** 2
            right = right + weight * losses
    return torch.autograd.grad(left, parameters, retain_graph=True)[0], torch.autograd.grad(right, parameters)[0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [1, 2, 3])
def test_2_54_by_listing(seed, n):
    """To 1e-12 on random MDPs, in a table and in any other parameters of Q; and `both_gradients` gives the same without listing."""
    task, q, prior = example(seed)
    start = torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(4)))
    left, right = listed_sides(task, q.clone().requires_grad_(), lambda table: table, prior, 2.0, n, start)
    close(left, right)
    assert float(left.abs().max()) > 0.01
    found, losses = rac.both_gradients(task, q, prior, 1.0, 2.0, GAMMA, n, start)
    close(found, left)
    close(sum(losses), left)
    features = torch.from_numpy(np.random.default_rng(seed).normal(size=(4, 3, 5)))
    by_parameters = listed_sides(task, q[0].repeat(2)[:5].clone().requires_grad_(), lambda w: (features @ w).tanh(), prior, 2.0, n, start)
    close(*by_parameters)


@every_setting
@pytest.mark.parametrize("seed", range(5))
def test_2_54_for_any_alpha(seed, alpha, beta):
    task, q, prior = example(seed, states=6, actions=4)
    weight = torch.from_numpy(np.random.default_rng(seed).random(6))
    for n in (1, 4):
        left, right = rac.both_gradients(task, q, prior, alpha, beta, GAMMA, n, weight)
        close(sum(right), left)
        assert min(float(part.abs().max()) for part in (left, *right)) > 1e-4


def test_2_54_needs_its_v_hat_fixed_and_its_actions_from_the_policy():
    """Gradient through V_hat kills the value's part; and with other actions than the policy's the two sides differ."""
    task, q, prior = example(3)
    beta = 2.0
    value, log_policy = soft.soft_value(q, prior, 1.0, beta), soft.soft_log_policy(q, prior, 1.0, beta)
    target = rac.n_step_signal(task, log_policy, prior, 1.0, beta, GAMMA, value, 2)
    left, right = rac.both_gradients(task, q, prior, 1.0, beta, GAMMA, 2, torch.ones(4).double())
    assert float((right.policy + right.regulariser - left).abs().max()) > 0.05  # what is left if V_hat moves with V
    leaf, uniform = q.clone().requires_grad_(), torch.full((4, 3), 1 / 3).double()
    everywhere, action = leaf.unsqueeze(1).expand(4, 3, 3), torch.arange(3).expand(4, 3)
    losses = rac.actor_critic_losses(everywhere, action, target, prior.unsqueeze(1).expand(4, 3, 3), 1.0, beta)
    sides = [torch.autograd.grad((uniform * loss).sum(), leaf, retain_graph=True)[0]
             for loss in (rac.soft_q_loss(everywhere, action, target), sum(losses))]  # fmt: skip
    assert float((sides[0] - sides[1]).abs().max()) > 0.05


def test_one_update_of_each_and_300():
    """Two tables, one descending each side, never part; after 300 updates both have the soft optimum's values."""
    task, q, prior = example(0)
    weight, tables = torch.ones(4).double(), [q.clone(), q.clone()]
    for update in range(300):
        left, _ = rac.both_gradients(task, tables[0], prior, 1.0, 2.0, GAMMA, 2, weight)
        _, right = rac.both_gradients(task, tables[1], prior, 1.0, 2.0, GAMMA, 2, weight)
        tables = [tables[0] - left, tables[1] - sum(right)]
        if update == 0:
            close(tables[0], tables[1], 1e-14)
    close(tables[0], tables[1], 1e-10)
    close(soft.soft_value(tables[0], prior, 1.0, 2.0), soft_q_learning.solve(task, prior, 1.0, 2.0, GAMMA).value, 1e-2)


# ---- the losses of learning ----


def test_prices_in_numbers():
    """Two actions, policy (0.75, 0.25), prior uniform, alpha 1, beta 2: KL is 0.1308 nats, the first action's log-ratio log 1.5."""
    log_policy, log_prior = torch.tensor([[0.75, 0.25]]).log(), torch.tensor([[0.5, 0.5]]).log()
    action = torch.tensor([0])
    closed, sampled, naive = (rac.prices(price, log_policy, log_prior, action, 1.0, 2.0) for price in ("closed", "sampled", "naive"))
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    close(closed.in_returns.double(), torch.tensor([-kl / 2]).double(), 1e-6)
    close(closed.in_loss, closed.in_returns)
    close(sampled.in_returns.double(), torch.tensor([-math.log(1.5) / 2]).double(), 1e-6)
    assert sampled.in_loss.tolist() == naive.in_returns.tolist() == [0.0]
    close(naive.in_loss, closed.in_loss)


def test_the_actors_loss_has_the_proper_gradient_on_average():
    """Over all states and actions with their probabilities, exact advantages: minus (2.48), in closed form and with sampled ratios."""
    task, logits, prior = example(2)
    alpha, beta, log_policy = 0.7, 3.0, logits.log_softmax(-1)
    values = rac.regularised_values(task, log_policy, prior, alpha, beta, GAMMA)
    ahead = mdp.action_values(task, values, GAMMA) - values.unsqueeze(-1)
    weight = (mdp.visits(task, log_policy.exp(), GAMMA).unsqueeze(-1) * log_policy.exp()).flatten()
    action, state = torch.arange(3).expand(4, 3).flatten(), torch.arange(4).unsqueeze(-1).expand(4, 3).flatten()
    for price in ("closed", "sampled"):
        leaf = logits.clone().requires_grad_()
        log_pi = leaf.log_softmax(-1)[state]
        price = rac.prices(price, log_pi, prior[state], action, alpha, beta)
        losses = rac.actor_loss(
            log_pi.unsqueeze(1), action.unsqueeze(1), (ahead.flatten() + price.in_returns).unsqueeze(1), price.in_loss.unsqueeze(1)
        )
        (found,) = torch.autograd.grad((weight * losses).sum(), leaf)
        close(found, -rac.proper_gradient(task, log_policy, prior, alpha, beta, GAMMA))


def test_losses_in_numbers_and_where_gradients_flow():
    logits, value = torch.zeros(2, 2, requires_grad=True), torch.tensor([1.0, 3.0], requires_grad=True)
    advantage = torch.tensor([2.0, -1.0], requires_grad=True)
    loss = rac.actor_loss(logits.log_softmax(-1), torch.tensor([0, 1]), advantage, torch.tensor([0.5, 0.0]))
    assert loss.item() == pytest.approx(-(2 * math.log(0.5) + 0.5 - math.log(0.5)) / 2)
    target = torch.tensor([2.0, 1.0], requires_grad=True)
    down = rac.critic_loss(value, target)
    assert down.item() == pytest.approx(0.5 * (1 + 4) / 2)
    (loss + down).backward()
    assert advantage.grad is None and target.grad is None
    close(value.grad, torch.tensor([-0.5, 1.0]), 1e-6)


# ---- the loop ----


SMALL = rac.Config(steps=600, horizon=3, environments=2, beta=2.0, snapshots=4, max_episode_steps=40)


@pytest.mark.parametrize("price", ["closed", "sampled", "naive"])
def test_the_loop_is_a_plain_program(price):
    """Three updates of one lane of two environments, written out in numbers with the loop's own draws."""
    alpha, beta, gamma = 0.7, 2.0, 0.9
    config = rac.Config(
        steps=24, discount=gamma, alpha=alpha, beta=beta, price=price, horizon=4, environments=2, actor_rate=0.1, critic_rate=0.2,
        max_episode_steps=6, snapshots=1,
    )  # fmt: skip
    prior = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(5), size=5)).log()
    found = rac.train([CORRIDOR], config, [3], task_ids=[7], log_prior=prior).agent
    theta, w = torch.zeros(5, 5, requires_grad=True), torch.zeros(5, requires_grad=True)
    adams = [torch.optim.Adam([theta], 0.1), torch.optim.Adam([w], 0.2)]
    random, states, lengths = lanes.LaneRandom([3], [7], stream=1), [0, 0], [0, 0]
    for _ in range(3):
        log_policy, seen, believed = theta.log_softmax(-1), [[], []], w.detach().tolist()
        with torch.no_grad():
            ratio = (alpha * prior - log_policy) / beta
            rho = (log_policy.exp() * ratio).sum(-1)
            for _ in range(4):
                uniform = random.uniform(2)[0, 0].tolist()
                for e in range(2):
                    s = states[e]
                    a = int((log_policy[s].double().exp().cumsum(-1) <= uniform[e]).sum())
                    following, terminal = int(CORRIDOR.successor[s, a, 0]), bool(CORRIDOR.terminal[s, a, 0])
                    lengths[e] += 1
                    done = terminal or lengths[e] == 6
                    seen[e].append((s, a, float(CORRIDOR.reward[s, a]), following, terminal, done))
                    states[e], lengths[e] = (0, 0) if done else (following, lengths[e])
        loss = 0.0
        for steps in seen:
            for i, (s, a, *_) in enumerate(steps):
                target, factor = 0.0, 1.0
                for j, (here, taken, reward, following, terminal, done) in enumerate(steps[i:], i):
                    paid = {"closed": float(rho[here]), "sampled": float(ratio[here, taken]), "naive": 0.0}[price]
                    target, factor = target + factor * (reward + paid), gamma * factor
                    if done or j == 3:
                        target += 0.0 if terminal else factor * believed[following]
                        break
                loss = loss - (target - believed[s]) * log_policy[s, a] + 0.5 * (w[s] - target) ** 2
                if price != "sampled":
                    loss = loss - (log_policy[s].exp() * (alpha * prior[s] - log_policy[s]) / beta).sum()
        for adam in adams:
            adam.zero_grad()
        (loss / 8).backward()
        for adam in adams:
            adam.step()
    assert_trained_alike(found.log_policy[0, 0], theta.detach().log_softmax(-1), updates=3)
    assert_trained_alike(found.values[0, 0], w.detach(), updates=3)
    assert float(theta.detach().abs().max()) > 0.1 and float(w.detach().abs().max()) > 0.3


def gaps(run, task, policy, alpha, beta, gamma, states):
    """[R] mean distance (total variation) of learned policies from a given one over some states; [R] what they lose of its objective."""
    learned = run.agent.log_policy[:, 0].double().log_softmax(-1)
    distance = 0.5 * (learned.exp() - policy.exp()).abs().sum(-1)[:, states].mean(-1)
    return distance, rac.objective(task, policy, UNIFORM, alpha, beta, gamma) - rac.objective(task, learned, UNIFORM, alpha, beta, gamma)


def test_it_learns_the_soft_optimum():
    """Map 6, alpha 1, beta 2, three runs: sampled and closed-form prices end at the optimum, the naive ones at their own rest."""
    world = load_map(6)
    task, states = world.mdp(), torch.arange(32) != world.goal
    best = soft_q_learning.solve(task, UNIFORM, 1.0, 2.0, 0.99)
    rest = rac.naive_fixed_point(task, UNIFORM, 1.0, 2.0, 0.99)
    settings = dict(steps=20_000, beta=2.0, critic_rate=0.1, exploring_starts=True, max_episode_steps=20, snapshots=1)
    runs = {price: rac.train([task], rac.Config(price=price, **settings), range(3)) for price in ("sampled", "closed", "naive")}
    near, lost = gaps(runs["sampled"], task, best.log_policy, 1.0, 2.0, 0.99, states)
    assert float(near.max()) < 0.04 and float(lost.max()) < 0.05
    assert float((runs["sampled"].agent.values[:, 0].double() - best.value)[:, states].abs().max()) < 0.3
    near, lost = gaps(runs["closed"], task, best.log_policy, 1.0, 2.0, 0.99, states)
    assert float(near.max()) < 0.12 and float(lost.max()) < 0.15
    near, lost = gaps(runs["naive"], task, rest, 1.0, 2.0, 0.99, states)
    assert float(near.max()) < 0.15
    _, lost = gaps(runs["naive"], task, best.log_policy, 1.0, 2.0, 0.99, states)
    assert float(lost.min()) > 0.17


def test_a_prior_of_its_own_for_every_task_and_networks():
    """With a very dear price the policy is the prior, whatever the rewards; here different ones for two tasks, learned by a network."""
    prior = torch.tensor([[0.6, 0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1, 0.6]]).double().log().unsqueeze(1).expand(2, 32, 5)
    config = rac.Config(
        steps=8000, beta=0.01, price="sampled", hidden=(16,), actor_rate=0.02, critic_rate=0.01, exploring_starts=True,
        max_episode_steps=20, snapshots=1, clip_norm=1.0,
    )  # fmt: skip
    run = rac.train(MAPS, config, range(2), log_prior=prior)
    distance = 0.5 * (run.agent.log_policy.exp() - prior.float().exp()).abs().sum(-1).mean(-1)
    assert float(distance.max()) < 0.12


ENDLESS = MDP(
    successor=torch.zeros(1, 2, 1, dtype=torch.int64),
    probability=torch.ones(1, 2, 1, dtype=torch.float64),
    reward=torch.ones(1, 2, dtype=torch.float64),
    terminal=torch.zeros(1, 2, 1, dtype=torch.bool),
    start=torch.ones(1, dtype=torch.float64),
    features=torch.ones(1, 1),
)


@pytest.mark.parametrize("alpha", [1.0, 0.0])
def test_a_time_out_bootstraps_and_every_step_pays(alpha):
    """Episodes of two steps in an endless corridor that pays 1: V is 2, and with alpha = 0 entropy log 2 / beta a step comes on top."""
    config = rac.Config(
        steps=2000, horizon=5, environments=1, discount=0.5, alpha=alpha, beta=2.0, critic_rate=0.02, max_episode_steps=2, snapshots=1
    )
    run = rac.train([ENDLESS], config, range(2))
    wanted = 2.0 if alpha else 2 * (1 + math.log(2) / 2)
    close(run.agent.values[:, 0, 0], torch.full((2,), wanted), 0.02)
    close(run.agent.log_policy[:, 0, 0].exp(), torch.full((2, 2), 0.5), 0.05)


@pytest.mark.parametrize("change", [{}, {"price": "sampled", "clip_norm": 0.5}, {"hidden": (16,), "price": "naive"}])
def test_a_lane_alone_is_the_lane_among_many(change):
    config = rac.Config(**{**vars(SMALL), **change})
    among, alone = rac.train(MAPS, config, [3, 8, 11], task_ids=[4, 9]).history, rac.train(MAPS[1:], config, [8], task_ids=[9]).history
    finished = ~among.durations[1, 1].isnan()
    assert int(finished.sum()) >= 10
    assert torch.equal(among.durations[1, 1][finished], alone.durations[0, 0])
    assert torch.equal(among.returns[1, 1][finished], alone.returns[0, 0])
    assert_trained_alike(among.log_policies[1, 1], alone.log_policies[0, 0], config.updates)
    assert_trained_alike(among.values[1, 1], alone.values[0, 0], config.updates)


def test_a_neighbour_with_a_thousand_times_the_reward_changes_nothing():
    loud = MAPS[0]._replace(reward=1000 * MAPS[0].reward)
    config = rac.Config(**{**vars(SMALL), "clip_norm": 0.5, "hidden": (16,)})
    calm, disturbed = (rac.train([neighbour, MAPS[1]], config, range(2)).history for neighbour in (MAPS[0], loud))
    assert torch.equal(calm.values[:, 1], disturbed.values[:, 1]) and torch.equal(calm.log_policies[:, 1], disturbed.log_policies[:, 1])
    assert not torch.equal(calm.values[:, 0], disturbed.values[:, 0])


def test_history():
    run = rac.train([CORRIDOR], SMALL, range(3))
    assert run.history.snapshot_steps.tolist() == [0, 150, 300, 450, 600]
    assert run.history.log_policies.shape == (3, 1, 5, 5, 5) and run.history.values.shape == (3, 1, 5, 5)
    close(run.history.log_policies[:, :, 0].exp(), torch.full((3, 1, 5, 5), 0.2), 1e-6)
    assert torch.equal(run.agent.log_policy, run.history.log_policies[:, :, -1])
    close(networks.on_states(run.agent.actor, CORRIDOR.features[None]).log_softmax(-1), run.agent.log_policy, 1e-6)
    assert bool((run.history.durations.nansum(-1) <= 600).all()) and int((~run.history.durations.isnan()).sum()) > 0
    assert not any(tensor.requires_grad for network in run.agent[:2] for tensor in networks.parameters(network))


def test_an_interrupt_returns_what_there_is(monkeypatch):
    whole, taken, step = rac.train([CORRIDOR], SMALL, range(2)), [], lanes.TableWorld.step

    def interrupted(self, action):
        taken.append(1)
        if len(taken) == 61 * 3:
            raise KeyboardInterrupt
        return step(self, action)

    monkeypatch.setattr(lanes.TableWorld, "step", interrupted)
    part = rac.train([CORRIDOR], SMALL, range(2))
    assert part.history.snapshot_steps.tolist() == [0, 150, 300, 360]
    assert torch.equal(part.history.values[:, :, :3], whole.history.values[:, :, :3])


# ---- errors ----


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("beta", 0.0, "a finite number above 0"),
        ("beta", float("inf"), "a finite number above 0"),
        ("alpha", 1.2, "a number from 0 to 1"),
        ("discount", -0.1, "a number from 0 to 1"),
        ("lambda_", 2, "a number from 0 to 1"),
        ("price", "open", "wanted 'closed', 'sampled' or 'naive'"),
        ("actor_rate", -1.0, "a finite number above 0"),
        ("critic_rate", math.nan, "a finite number above 0"),
        ("clip_norm", 0.0, "a finite number above 0"),
        ("horizon", 0, "an integer of at least 1"),
        ("environments", 1.5, "an integer of at least 1"),
        ("hidden", (8, 0), "an integer of at least 1"),
        ("snapshots", 10_000, "at most one an update (steps gives 1250)"),
    ],
)
def test_config_refuses(setting, value, wanted):
    with pytest.raises(ValueError, match=r"regularised_actor_critic.Config: ") as caught:
        rac.Config(**{setting: value})
    assert setting.rstrip("s") in str(caught.value) and wanted in str(caught.value)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (torch.zeros(5), "is no distribution"),
        (torch.tensor([1.0, 0, 0, 0, 0]).log(), "wanted no zeros"),
        (torch.zeros(3), "wanted .A., .S, A. or .K, S, A."),
    ],
)
def test_train_refuses_a_bad_prior(prior, message):
    with pytest.raises(ValueError, match=message):
        rac.train([CORRIDOR], SMALL, [0], log_prior=prior)


def test_other_refusals():
    task, logits, prior = example()
    with pytest.raises(ValueError, match="n is 0, wanted an integer of at least 1"):
        rac.n_step_signal(task, logits.log_softmax(-1), prior, 1.0, 1.0, GAMMA, torch.zeros(4), 0)
    with pytest.raises(ValueError, match="beta is 0"):
        rac.naive_fixed_point(task, prior, 1.0, 0, GAMMA)
    with pytest.raises(ValueError, match="step is 2"):
        rac.naive_fixed_point(task, prior, 1.0, 1.0, GAMMA, step=2)
    with pytest.raises(RuntimeError, match="after 3 iterations"):
        rac.naive_fixed_point(task, prior, 1.0, 1.0, GAMMA, max_iterations=3)
