"""Algorithm 2: episodes, targets, losses by hand; its gradient and the gradient's variance by enumeration; the loop; exact ascent."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from rounding import assert_trained_alike

from distral_lite import actor_critic, distral, distral_ac, lanes, mdp, returns, soft
from distral_lite.distral_ac import Batch, Config
from distral_lite.gridworld import GridWorld, load_map

ALPHA, BETA = 0.8, 5.0
TABLE = dict(hidden=None, learning_rate=0.1, distil_rate=0.1, critic_rate=0.3)


def maps(*numbers):
    return [load_map(number).mdp() for number in numbers]


def logits(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def steps_of(run, tasks):
    """Expected steps of the learned policies, exactly: [R, K]."""
    return torch.stack([mdp.expected_steps(mdp.stack(tasks), policies.exp()) for policies in run.agent.log_pi])


def episode(states, actions, rewards, ends="terminal", length=None):
    """One episode of one lane as a batch; `states` has one more entry than `actions`."""
    n = len(actions)
    pad = [0] * ((length or n) - n)
    last = [False] * (n - 1) + [True] + [False] * len(pad)
    fields = (states[:-1] + pad, actions + pad, [float(r) for r in rewards + pad], states[1:] + pad)
    none = [False] * len(last)
    kinds = (last, none) if ends == "terminal" else (none, last)
    state, action, reward, after, *rest = (torch.tensor(x).view(1, 1, 1, -1) for x in (*fields, *kinds, [True] * n + [False] * len(pad)))
    return Batch(state, action, torch.tensor(fields[2], dtype=torch.float64).view_as(reward), after, *rest)


# ---- a world that can be enumerated: three floors, two outcomes an action, the third floor ends it


def layered(seed):
    """States 0; 1, 2; 3, 4: each step goes one floor up, by chance to one of two states; from the third floor the episode ends."""
    generator = np.random.default_rng(seed)
    successor = torch.tensor([[1, 2], [3, 4], [4, 3], [0, 0], [0, 0]]).unsqueeze(1).expand(5, 2, 2).clone()
    probability = torch.from_numpy(generator.dirichlet([1, 1], size=(5, 2)))
    terminal = torch.zeros(5, 2, 2, dtype=torch.bool)
    terminal[3:] = True
    terminal[1, 1, 0] = True  # one way ends early
    start = torch.tensor([0.7, 0.3, 0, 0, 0], dtype=torch.float64)
    return mdp.MDP(successor, probability, torch.from_numpy(generator.normal(size=(5, 2))), terminal, start, torch.eye(5))


def every_episode(task, policy):
    """All episodes of a layered world with their probabilities: a batch [1, 1, E, 3] and [E]."""
    found = []
    for start in (0, 1):
        for choices in itertools.product(range(2), range(2), repeat=3):
            state, chance, path, over = start, float(task.start[start]), [], False
            for action, outcome in zip(choices[::2], choices[1::2], strict=True):
                if over:  # what follows is the same episode again: count it once
                    chance *= float((action, outcome) == (0, 0))
                    continue
                chance *= float(policy[state, action] * task.probability[state, action, outcome])
                following, over = int(task.successor[state, action, outcome]), bool(task.terminal[state, action, outcome])
                path.append((state, action, float(task.reward[state, action]), following))
                state = following
            if chance > 0:
                assert over
                states = [step[0] for step in path] + [path[-1][3]]
                found.append((episode(states, [step[1] for step in path], [step[2] for step in path], length=3), chance))
    batches, chances = zip(*found, strict=True)
    return Batch(*(torch.cat(fields, 2) for fields in zip(*batches, strict=True))), torch.tensor(chances, dtype=torch.float64)


@pytest.fixture(params=[1, 2], ids=["one column", "two columns"])
def enumerated(request):
    """Two layered tasks, random policies, and every episode of each with its probability."""
    columns, tasks = request.param, [layered(seed) for seed in (0, 1)]
    h, f = logits(2, 1, 1, 5, 2).requires_grad_(), (0.3 * logits(3, 1, 2, 5, 2)).requires_grad_()
    config = Config(columns=columns, beta_prime=2.0, discount=0.9, keep_discount=True, hidden=None)
    with torch.no_grad():
        log_pi0, log_pi = distral_ac.policies(f, h, config)
    found = [every_episode(task, log_pi[0, k].exp()) for k, task in enumerate(tasks)]
    batch = Batch(*(torch.cat(fields, 1) for fields in zip(*(one[0] for one in found), strict=True)))
    chance = torch.stack([one[1] for one in found])[None, :, :, None]
    assert torch.allclose(chance.sum(2), torch.ones(1, 2, 1, dtype=torch.float64))
    return mdp.stack(tasks), config, h, f, log_pi0, log_pi, batch, chance


def signal_of(batch, log_pi0, log_pi, value, config):
    """What the loop computes between lines 20 and 25: advantages and weights of a batch that was just played."""
    own, shared = distral_ac.taken(log_pi, batch), distral_ac.taken(log_pi0.expand_as(log_pi), batch)
    reward = distral_ac.regularised_reward(batch.reward, shared, own, config.alpha, config.beta)
    target = distral_ac.target(batch, reward, value, config)
    return target - value.gather(-1, batch.state.flatten(2)).view_as(target), distral_ac.weights(batch, own, own, config)


@pytest.mark.parametrize("n_steps", [1, 2, None])
def test_the_mean_over_all_episodes_is_the_exact_gradient(enumerated, n_steps):
    """(2.69) to (2.74), both terms: enumerated episodes through the shipped losses against autograd of the exact objective."""
    tasks, config, h, f, log_pi0, log_pi, batch, chance = enumerated
    config = replace(config, n_steps=n_steps, lambda_=0.7)
    prices = (config.alpha, config.beta, config.discount)
    value = distral.regularised_values(tasks, log_pi0, log_pi, *prices)
    advantage, weight = signal_of(batch, log_pi0, log_pi, value, config)
    share = chance * batch.real.shape[2]  # the tally averages over episodes; here each counts by its probability
    signal = distral_ac.tally(batch, advantage * weight * share, 5, 2)
    visits = distral_ac.tally(batch, distral_ac.fading(batch, config.discount) * share, 5)
    torch.testing.assert_close(visits, mdp.visits(tasks, log_pi.exp(), config.discount), atol=1e-12, rtol=0)
    torch.testing.assert_close(signal, distral.task_gradient(tasks, log_pi0, log_pi, *prices), atol=1e-12, rtol=0)
    loss = distral_ac.actor_loss(distral_ac.policies(f, h.detach(), config)[1], signal).sum()
    through = distral_ac.actor_loss(distral_ac.policies(f.detach(), h, config)[1], signal).sum() if config.columns == 2 else 0.0
    pull = distral_ac.centroid_loss(h, log_pi, visits, config.alpha, config.beta).sum()
    found = torch.autograd.grad(loss + through + pull, (h, f))
    exact = torch.autograd.grad(distral.objective(tasks, *distral_ac.policies(f, h, config), *prices), (h, f))
    for mine, wanted in zip(found, exact, strict=True):
        assert float(wanted.abs().max()) > 0.01
        torch.testing.assert_close(-mine, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("lambda_", "keep_discount"), [(0.0, True), (0.6, True), (1.0, True), (0.6, False), (0.0, False)])
def test_variance_of_one_episode_by_enumeration(enumerated, lambda_, keep_discount):
    """`task_moments` against the mean and the mean square over all episodes, with a critic that is wrong."""
    tasks, config, _, _, log_pi0, log_pi, batch, chance = enumerated
    config = replace(config, n_steps=None, lambda_=lambda_, keep_discount=keep_discount)
    value = logits(7, 1, 2, 5)
    advantage, weight = signal_of(batch, log_pi0, log_pi, value, config)
    amount, score = advantage * weight, actor_critic.score(log_pi[0, 1].exp())
    single = torch.stack(
        [(amount[0, 1, e, :, None] * score[batch.state[0, 1, e], batch.action[0, 1, e]]).sum(0) for e in range(len(amount[0, 1]))]
    )
    mean = (chance[0, 1] * single).sum(0)
    variance = (chance[0, 1, :, 0] * single.square().sum(-1)).sum() - mean.square().sum()
    task = mdp.MDP(*(array[1] for array in tasks))
    prices = (config.alpha, config.beta, config.discount)
    found = distral_ac.task_moments(task, log_pi0[0, 0], log_pi[0, 1], value[0, 1], *prices, lambda_, keep_discount)
    torch.testing.assert_close(found.mean.flatten(), mean, atol=1e-12, rtol=0)
    assert found.variance == pytest.approx(float(variance), rel=1e-10)


def test_variance_of_both_terms_by_enumeration(enumerated):
    """`distilled_moments`: tasks play independent episodes, so their variances add."""
    tasks, config, _, _, log_pi0, log_pi, batch, chance = enumerated
    prices, value = (config.alpha, config.beta, config.discount), logits(8, 1, 2, 5)
    through, pull = distral_ac.distilled_moments(tasks, log_pi0[0, 0], log_pi[0], value[0], *prices, lambda_=0.3)
    advantage, weight = signal_of(batch, log_pi0, log_pi, value, replace(config, n_steps=None, lambda_=0.3))
    fade = distral_ac.fading(batch, config.discount)
    for term, found in (("through", through), ("pull", pull)):
        mean, variance = torch.zeros(10, dtype=torch.float64), 0.0
        for k in range(2):
            score, states = ALPHA * actor_critic.score(log_pi[0, k].exp()), torch.eye(5, dtype=torch.float64)
            rows = ALPHA / BETA * (states[:, :, None] * (log_pi[0, k].exp() - log_pi0[0, 0].exp())).flatten(1)
            s, a = batch.state[0, k], batch.action[0, k]
            each = (advantage * weight)[0, k, ..., None] * score[s, a] if term == "through" else fade[0, k, ..., None] * rows[s]
            each, share = each.sum(1), chance[0, k]
            mean += (share * each).sum(0)
            variance += float((share[:, 0] * each.square().sum(-1)).sum() - (share * each).sum(0).square().sum())
        torch.testing.assert_close(found.mean.flatten(), mean, atol=1e-12, rtol=0)
        assert found.variance == pytest.approx(variance, rel=1e-10)


def test_exact_values_make_every_lambda_right_and_no_values_only_the_whole_episode():
    tasks, log_pi0 = mdp.stack(maps(5, 6)), logits(0, 32, 5).log_softmax(-1)
    log_pi = logits(1, 2, 32, 5).log_softmax(-1)
    task, prices = mdp.MDP(*(array[0] for array in tasks)), (ALPHA, BETA, 0.95)
    exact = distral.task_gradient(tasks, log_pi0, log_pi, *prices)[0]
    values = distral.regularised_values(tasks, log_pi0, log_pi, *prices)[0]
    found = [distral_ac.task_moments(task, log_pi0, log_pi[0], values, *prices, lambda_).mean for lambda_ in (0.0, 0.5, 1.0)]
    assert all(torch.allclose(mean, exact, atol=1e-10) for mean in found)
    blind = [distral_ac.task_moments(task, log_pi0, log_pi[0], 0 * values, *prices, lambda_).mean for lambda_ in (0.0, 1.0)]
    assert torch.allclose(blind[1], exact, atol=1e-10) and float((blind[0] - exact).norm()) > 0.1 * float(exact.norm())


# ---- lines 9 to 24 by hand


def test_regularised_reward_by_hand():
    """Below (2.69): alpha 0.5, beta 2; the distilled policy gives the action 1/e, the task's own 1/e^2: 1 - 0.25 + 1 = 1.75."""
    reward, log_pi0, log_pi = torch.tensor([1.0, -1.0, -2.0], dtype=torch.float64)
    assert float(distral_ac.regularised_reward(reward, log_pi0, log_pi, 0.5, 2.0)) == pytest.approx(1 - 0.25 + 1)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (dict(n_steps=1), (1 + 0.5 * 20, 2 + 0.5 * 40, 4.0)),  # line 22 with its gamma; a goal is worth nothing more
        (dict(n_steps=2), (1 + 0.5 * 2 + 0.25 * 40, 2 + 0.5 * 4, 4.0)),
        (dict(n_steps=None, lambda_=1.0), (1 + 0.5 * 2 + 0.25 * 4, 2 + 0.5 * 4, 4.0)),
        (dict(n_steps=None, lambda_=0.0), (1 + 0.5 * 20, 2 + 0.5 * 40, 4.0)),
    ],
)
def test_targets_by_hand(settings, wanted):
    value = torch.tensor([10.0, 20.0, 40.0, 99.0], dtype=torch.float64).view(1, 1, 4)
    batch = episode([0, 1, 2, 3], [0, 0, 0], [1, 2, 4], length=5)
    found = distral_ac.target(batch, batch.reward, value, Config(discount=0.5, **settings))
    assert found[0, 0, 0, :3].tolist() == pytest.approx(wanted)


def test_a_time_out_bootstraps_and_a_goal_does_not():
    """Line 21: V is 0 at a goal, and what the critic says where the episode was cut."""
    value = torch.tensor([10.0, 20.0, 40.0], dtype=torch.float64).view(1, 1, 3)
    for settings in (dict(n_steps=1), dict(n_steps=5), dict(n_steps=None, lambda_=1.0)):
        for ends, last in (("terminal", 2.0), ("truncated", 2.0 + 0.5 * 40)):
            batch = episode([0, 1, 2], [0, 0], [1, 2], ends, length=4)
            found = distral_ac.target(batch, batch.reward, value, Config(discount=0.5, **settings))
            assert float(found[0, 0, 0, 1]) == pytest.approx(last)


def test_padding_counts_for_nothing():
    value = logits(0, 1, 1, 4).requires_grad_()
    short, long = (episode([0, 1, 2], [0, 1], [1, 2], length=n) for n in (2, 6))
    results = []
    for batch in (short, long):
        config = Config(discount=0.9, keep_discount=True)
        target = distral_ac.target(batch, batch.reward, value.detach(), config)
        played = torch.zeros_like(batch.reward)
        weight = distral_ac.weights(batch, played, played, config)
        loss = distral_ac.critic_loss(value, batch, target, weight)
        (gradient,) = torch.autograd.grad(loss.sum(), value)
        results.append((loss.detach(), gradient, distral_ac.tally(batch, target * weight, 4, 2), distral_ac.fading(batch, 0.9).sum()))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)
    assert float(results[0][3]) == pytest.approx(1.9)


def test_critic_loss_by_hand():
    """(2.72): half the squares summed over the episode, the target held fixed, so the gradient is -(Q - V) at each step's state."""
    value = torch.tensor([1.0, 3.0], dtype=torch.float64).view(1, 1, 2).requires_grad_()
    batch = episode([0, 1, 0], [0, 0], [0, 0])
    target = torch.tensor([2.0, 7.0], dtype=torch.float64).view(1, 1, 1, 2)
    loss = distral_ac.critic_loss(value, batch, target, batch.real)
    loss.sum().backward()
    assert loss.item() == pytest.approx(0.5 * (1 + 16)) and value.grad.flatten().tolist() == pytest.approx([-1.0, -4.0])


def test_episodes_follow_the_policy_and_the_world():
    """A corridor with a policy that stays now and then: each step's fields fit the world, and lengths are those of the exact prediction."""
    world = GridWorld.from_text("######\n#S..G#\n######")
    task = world.mdp()
    log_pi = torch.tensor([0.3, 0.05, 0.05, 0.1, 0.5], dtype=torch.float64).log().expand(4, 1, 4, 5)
    random = lanes.LaneRandom(range(4), [0])
    batch = distral_ac.play(mdp.stack([task]), log_pi, random.uniform(500 * 201).unflatten(-1, (500, 201)))
    assert bool((batch.terminal.sum(-1) + batch.truncated.sum(-1) == 1).all()) and not bool(batch.truncated.any())
    s, a, real = batch.state, batch.action, batch.real
    assert bool((batch.next_state == task.successor[s, a, 0])[real].all()) and bool((batch.reward == task.reward[s, a])[real].all())
    assert bool((batch.terminal == (task.terminal[s, a, 0] & real)).all()) and bool((s[..., 0] == 0).all())
    assert bool((s[..., 1:] == batch.next_state[..., :-1])[real[..., 1:]].all())
    lengths = real.sum(-1).double()
    assert abs(float(lengths.mean()) - mdp.expected_steps(task, log_pi[0, 0].exp())) < 4 * float(lengths.std()) / 2000**0.5
    share = torch.bincount(a[real], minlength=5) / int(real.sum())
    torch.testing.assert_close(share.double(), log_pi[0, 0, 0].exp(), atol=0.02, rtol=0)


def test_episodes_are_cut_at_the_limit_and_follow_random_outcomes():
    task = mdp.random_mdp(np.random.default_rng(0), ending=0.05)
    log_pi = torch.full((1, 1, 5, 3), -math.log(3), dtype=torch.float64)
    batch = distral_ac.play(mdp.stack([task]), log_pi, lanes.LaneRandom([0], [0]).uniform(4000 * 6).unflatten(-1, (4000, 6)))
    assert batch.state.shape[-1] == 5 and bool(batch.truncated.any())
    assert bool((batch.real.sum(-1)[batch.truncated.any(-1)] == 5).all())
    exact = mdp.expected_steps(task, log_pi[0, 0].exp(), cap=5)
    lengths = batch.real.sum(-1).double()
    assert abs(float(lengths.mean()) - exact) < 4 * float(lengths.std()) / 4000**0.5
    s, a = batch.state[batch.real], batch.action[batch.real]
    here = (s == 2) & (a == 1)
    first = (batch.next_state[batch.real][here] == task.successor[2, 1, 0]).double().mean()
    assert int(task.successor[2, 1, 0]) != int(task.successor[2, 1, 1])
    assert float(first) == pytest.approx(float(task.probability[2, 1, 0]), abs=4 * 0.5 / int(here.sum()) ** 0.5)
    begun = torch.bincount(batch.state[0, 0, :, 0], minlength=5) / 4000
    torch.testing.assert_close(begun.double(), task.start, atol=0.04, rtol=0)


# ---- relations to other algorithms


def test_without_sharing_it_is_actor_critic():
    """One column, pi_0 uniform, no prices to speak of: actor and critic loss of chapter 05, on the same episodes."""
    tasks = maps(5, 6)
    config = Config(columns=1, distil=False, beta=1e9, n_steps=None, lambda_=0.9)
    f, value = logits(0, 1, 2, 32, 5).requires_grad_(), logits(1, 1, 2, 32)
    log_pi0, log_pi = distral_ac.policies(f.detach(), torch.zeros(1, 1, 32, 5, dtype=torch.float64), config)
    batch = distral_ac.play(mdp.stack(tasks), log_pi, lanes.LaneRandom([0], [0, 1]).uniform(3 * 61).unflatten(-1, (3, 61)))
    advantage, weight = signal_of(batch, log_pi0, log_pi, value, config)
    mine = distral_ac.actor_loss(distral_ac.policies(f, log_pi0, config)[1], distral_ac.tally(batch, advantage * weight, 32, 5))
    v, v_next = (value.gather(-1, state.flatten(2)).view(state.shape) for state in (batch.state, batch.next_state))
    discount = returns.discounts(config.discount, batch.terminal)
    a2c = returns.advantages(batch.reward, discount, v, v_next, 0.9, batch.truncated)
    policy = f.log_softmax(-1)[torch.arange(1)[:, None, None, None], torch.arange(2)[:, None, None], batch.state]
    theirs = actor_critic.actor_loss(policy, batch.action, a2c, batch.real) * batch.real.shape[-1]  # theirs is a mean over steps
    torch.testing.assert_close(mine, theirs.mean(-1), atol=1e-6, rtol=1e-6)
    gradients = [torch.autograd.grad(loss.sum(), f, retain_graph=True)[0] for loss in (mine, theirs.mean(-1))]
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("columns", [1, 2])
def test_f_as_critic_makes_it_soft_q_learning(columns):
    """(2.54): lines 24 and 25 together, the second divided by beta, are the gradient of (R + gamma V(S') - f(S, A))^2 / 2."""
    tasks = maps(5, 6)
    config = Config(columns=columns, beta_prime=BETA, critic="f", discount=0.9, alpha=ALPHA if columns == 2 else 0.0)
    f, h = logits(0, 1, 2, 32, 5).requires_grad_(), logits(1, 1, 1, 32, 5)
    log_pi0, log_pi = distral_ac.policies(f.detach(), h, config)
    batch = distral_ac.play(mdp.stack(tasks), log_pi, lanes.LaneRandom([0], [0, 1]).uniform(3 * 61).unflatten(-1, (3, 61)))
    value = distral_ac.soft_value_of(f, h, config)
    wanted = soft.soft_value(f, h.log_softmax(-1).expand_as(f), config.alpha, BETA)
    torch.testing.assert_close(value, wanted, atol=1e-10, rtol=0)
    advantage, weight = signal_of(batch, log_pi0, log_pi, value.detach(), config)
    target = advantage + value.detach().gather(-1, batch.state.flatten(2)).view_as(advantage)
    signal = distral_ac.tally(batch, advantage * weight, 32, 5)
    loss = distral_ac.critic_loss(value, batch, target, weight) + distral_ac.actor_loss(distral_ac.policies(f, h, config)[1], signal) / BETA
    next_value = value.detach().gather(-1, batch.next_state.flatten(2)).view_as(advantage)
    y = batch.reward + config.discount * (~batch.terminal).double() * next_value
    sql = 0.5 * ((y - distral_ac.taken(f, batch)).square() * batch.real).sum(-1).mean(-1)
    torch.testing.assert_close(*(torch.autograd.grad(x.sum(), f, retain_graph=True)[0] for x in (loss, sql)), atol=1e-10, rtol=0)


def test_more_steps_on_a_batch_keep_the_mean_over_actions_right():
    """In a bandit the ratio turns the older policy's actions into the newer one's: the weighted mean is the newer policy's gradient."""
    task = mdp.MDP(
        torch.zeros(1, 3, 1, dtype=torch.int64),
        torch.ones(1, 3, 1, dtype=torch.float64),
        torch.tensor([[1.0, 0.5, -0.2]], dtype=torch.float64),
        torch.ones(1, 3, 1, dtype=torch.bool),
        torch.ones(1, dtype=torch.float64),
        torch.eye(1),
    )
    tasks, config, log_pi0 = mdp.stack([task]), Config(discount=0.9), logits(0, 1, 1, 1, 3).log_softmax(-1)
    old, new = (logits(seed, 1, 1, 1, 3).log_softmax(-1) for seed in (1, 2))
    batch = Batch(*(torch.cat(x, 2) for x in zip(*(episode([0, 0], [a], [task.reward[0, a]]) for a in range(3)), strict=True)))
    value = torch.zeros(1, 1, 1, dtype=torch.float64)
    advantage, ones = signal_of(batch, log_pi0, new, value, config)
    weight = distral_ac.weights(batch, distral_ac.taken(new, batch), distral_ac.taken(old, batch), config)
    assert bool((ones == 1).all())
    chance = old.exp().view(1, 1, 3, 1) * 3  # the tally averages over three episodes
    loss = lambda x: distral_ac.actor_loss(x.log_softmax(-1), distral_ac.tally(batch, advantage * weight * chance, 1, 3)).sum()  # noqa: E731
    found = torch.func.grad(loss)(new)
    torch.testing.assert_close(-found, distral.task_gradient(tasks, log_pi0, new, ALPHA, BETA, 0.9), atol=1e-12, rtol=0)


def test_columns_and_temperatures():
    f, h = logits(0, 2, 3, 4, 5), logits(1, 2, 1, 4, 5)
    one = distral_ac.policies(f, h, Config(columns=1, beta_prime=torch.tensor([1.0, 5.0])))[1]
    torch.testing.assert_close(one[0], f[0].log_softmax(-1))
    torch.testing.assert_close(one[1], (5 * f[1]).log_softmax(-1))
    pi0, two = distral_ac.policies(f, h, Config())
    torch.testing.assert_close(two, (0.8 * h + 5 * f).log_softmax(-1))
    torch.testing.assert_close(pi0, h.log_softmax(-1))


# ---- the loop


@pytest.mark.parametrize("columns", [1, 2])
def test_the_first_step_of_the_loop_goes_up_the_exact_gradient(columns):
    """Adam's first step has the gradient's signs: after one update with many episodes those of f and of h are the exact ones."""
    tasks = maps(6, 5)
    settings = dict(updates=1, snapshots=1, columns=columns, episodes=2000, max_episode_steps=60)
    run = distral_ac.train(tasks, Config(**settings, n_steps=None, keep_discount=True, discount=0.9, **TABLE), range(3))
    uniform, stacked = torch.full((2, 32, 5), -math.log(5), dtype=torch.float64), mdp.stack(tasks)
    exact = distral.task_gradient(stacked, uniform[0], uniform, ALPHA, BETA, 0.9)
    clear = exact.abs() > 0.08  # the noise of 2000 episodes turns signs up to 0.04
    assert int(clear[0].sum()) >= 5 and int(clear[1].sum()) >= 5
    assert bool((run.agent.f.sign() == exact.sign())[:, clear].all())
    through, pull = distral.distilled_gradient(stacked, uniform[0], uniform, ALPHA, BETA, 0.9)
    shared, strong = run.agent.log_pi0 - run.agent.log_pi0.mean(-1, keepdim=True), through.abs() > 0.08
    assert float(pull.abs().max()) < 1e-12 and int(strong.sum()) >= 10
    if columns == 1:  # all policies are uniform: nothing pulls, and there is no first term
        assert float(shared.abs().max()) < 1e-7
    else:
        assert bool((shared.sign() == through.sign())[:, strong].all())


def test_a_run_is_the_same_alone_and_among_others():
    for settings in (dict(columns=2), dict(columns=1, critic="f", repeats=2), dict(hidden=(8,))):
        config = Config(updates=5, episodes=2, snapshots=2, max_episode_steps=60, **(TABLE | settings))
        among = distral_ac.train(maps(5, 6), config, [3, 7, 11])
        alone = distral_ac.train(maps(5, 6), config, [7])
        assert_trained_alike(among.agent.f[1], alone.agent.f[0], updates=5)
        assert_trained_alike(among.agent.log_pi0[1], alone.agent.log_pi0[0], updates=5)
        assert alone.history.durations[0].tolist() == among.history.durations[1].tolist()
        assert float((among.agent.f[0] - among.agent.f[1]).abs().max()) > 1e-3


def test_without_sharing_each_task_is_by_itself():
    config = Config(updates=5, snapshots=2, distil=False, max_episode_steps=60, **TABLE)
    both = distral_ac.train(maps(5, 6), config, [3])
    one = distral_ac.train(maps(6), config, [3], task_ids=[1])
    torch.testing.assert_close(both.agent.log_pi0.exp(), torch.full((1, 32, 5), 0.2, dtype=torch.float64))
    assert_trained_alike(both.agent.f[:, 1:], one.agent.f, updates=5)


def test_alpha_zero_decouples():
    """Nothing is paid for leaving pi_0, and it is no part of the task policies: a task learns as it does alone."""
    config = Config(updates=5, snapshots=2, alpha=0.0, max_episode_steps=60, **TABLE)
    both = distral_ac.train(maps(5, 6), config, [3])
    one = distral_ac.train(maps(6), config, [3], task_ids=[1])
    assert_trained_alike(both.agent.log_pi[:, 1:], one.agent.log_pi, updates=5)
    torch.testing.assert_close(both.agent.log_pi0.exp(), torch.full((1, 32, 5), 0.2, dtype=torch.float64))


def test_identical_tasks_stay_alike():
    """Exactly, by the exact gradient; by episodes in the mean over runs, though no run has equal tasks."""
    config = Config(updates=60, snapshots=2, **TABLE)
    exact = distral_ac.exact_ascent(maps(6, 6), config).agent.log_pi
    assert_trained_alike(exact[:, 0], exact[:, 1], updates=60)
    run = distral_ac.train(maps(6, 6), replace(config, max_episode_steps=100), range(24))
    difference = (run.history.durations[:, 0] - run.history.durations[:, 1]).mean(-1)
    assert abs(float(difference.mean())) < 4 * float(difference.std()) / 24**0.5
    assert float(difference.std()) > 0.1


@pytest.mark.parametrize(
    "settings", [dict(columns=1), dict(columns=2), dict(columns=2, hidden=(32,), learning_rate=0.01, distil_rate=0.01)]
)
def test_it_learns_what_the_exact_solution_predicts(settings):
    """Maps 5 and 6: the exact length of the learned policies' way, against that of the joint optimum."""
    tasks = maps(5, 6)
    wanted = mdp.expected_steps(mdp.stack(tasks), distral.solve(tasks, ALPHA, BETA, 0.95).log_pi.exp())
    config = Config(updates=150, episodes=5, n_steps=None, snapshots=2, **(TABLE | settings))
    run = distral_ac.train(tasks, config, range(4))
    found = steps_of(run, tasks)
    assert bool((found.median(0).values < 1.25 * wanted).all()) and bool((found >= torch.tensor([9.0, 5.0]) - 1e-9).all())
    first = mdp.expected_steps(mdp.stack(tasks), run.history.log_pi[0, :, 0].exp())
    assert bool((first > 5 * wanted).all())  # it was not so from the start


def test_watching_stops_early_and_interrupting_keeps_what_there_is(monkeypatch):
    seen, config = [], Config(updates=8, snapshots=4, max_episode_steps=20, **TABLE)
    run = distral_ac.train(maps(5, 6), config, [0], watch=lambda t, agent: bool(seen.append((t, agent.f.shape))) or t >= 4)
    assert [t for t, _ in seen] == [2, 4] and run.history.snapshot_updates.tolist() == [0, 2, 4]
    assert run.history.durations.shape == (1, 2, 4) and run.history.log_pi0.shape == (1, 3, 32, 5)
    play, calls = distral_ac.learning.play, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return play(*arguments)

    monkeypatch.setattr(distral_ac.learning, "play", interrupted)
    run = distral_ac.train(maps(5, 6), config, [0])
    assert run.history.snapshot_updates.tolist() == [0, 2, 4, 5] and run.history.log_pi.shape == (1, 2, 4, 32, 5)
    assert run.history.durations.shape == (1, 2, 4)


def test_durations_and_returns_are_those_of_the_episodes():
    run = distral_ac.train(maps(5, 6), Config(updates=3, episodes=2, snapshots=1, max_episode_steps=30, **TABLE), range(3))
    durations, gained = run.history.durations, run.history.returns
    assert durations.shape == gained.shape == (3, 2, 6) and float(durations.max()) == 30 and float(durations.min()) >= 5
    assert bool((gained <= 1 - 0.1 * durations + 1e-9).all())  # a goal at most once, and every step costs 0.1


# ---- the exact ascent


@pytest.mark.parametrize(
    ("columns", "wanted"), [(1, (89.7, 63.3, 27.8, 89.7, 88.7)), (2, (31.2, 21.6, 10.7, 31.1, 29.8))], ids=["one column", "two columns"]
)
def test_two_hundred_exact_steps_are_too_few_at_a_small_rate(columns, wanted):
    """Against PyTorch's own Adam in float64 on the objective itself, by autograd through the linear solve."""
    tasks = maps(4, 5, 6, 7, 8)
    stacked = mdp.stack(tasks)
    h, f = (torch.zeros(*shape, dtype=torch.float64, requires_grad=True) for shape in ((32, 5), (5, 32, 5)))
    adam = torch.optim.Adam([h, f], lr=0.003)
    for _ in range(200):
        log_pi = distral.one_column_policy(f) if columns == 1 else distral.two_column_policy(h, f, ALPHA, BETA)
        adam.zero_grad()
        (-distral.objective(stacked, distral.distilled_policy(h), log_pi, ALPHA, BETA, 0.999)).backward()
        adam.step()
    by_autograd = mdp.expected_steps(stacked, log_pi.detach().exp())
    assert by_autograd.tolist() == pytest.approx(wanted, abs=0.06)
    rates = dict(learning_rate=0.003, distil_rate=0.003, keep_discount=True)
    run = distral_ac.exact_ascent(tasks, Config(columns=columns, discount=0.999, hidden=None, snapshots=1, **rates))
    assert steps_of(run, tasks)[0].tolist() == pytest.approx(wanted, rel=0.01)
    value = distral.regularised_values(stacked, run.agent.log_pi0[0], run.agent.log_pi[0], ALPHA, BETA, 0.999)
    torch.testing.assert_close(run.agent.value[0], value)
    assert run.history.durations.shape == (1, 5, 0)


def test_at_a_large_rate_exact_steps_come_near_the_optimum():
    tasks = maps(4, 5, 6, 7, 8)
    best = distral.solve(tasks, ALPHA, BETA, 0.95)
    start = distral.objective(mdp.stack(tasks), *[torch.full((32, 5), -math.log(5), dtype=torch.float64)] * 2, ALPHA, BETA, 0.95)
    for columns in (1, 2):
        run = distral_ac.exact_ascent(tasks, Config(columns=columns, snapshots=1, keep_discount=True, **TABLE))
        height = distral.objective(mdp.stack(tasks), run.agent.log_pi0[0], run.agent.log_pi[0], ALPHA, BETA, 0.95)
        assert float(best.objective[-1] - height) < 0.01 * float(best.objective[-1] - start)
        assert bool((steps_of(run, tasks)[0] < 1.1 * mdp.expected_steps(mdp.stack(tasks), best.log_pi.exp())).all())


@pytest.mark.parametrize("keep_discount", [True, False])
def test_the_expected_signal_is_the_mean_of_the_sampled_one(keep_discount):
    """Against `task_moments`, itself held by enumeration; episodes that are never cut."""
    tasks, config = mdp.stack([layered(0), layered(1)]), Config(discount=0.9, keep_discount=keep_discount, max_episode_steps=10**12)
    log_pi0, log_pi = logits(0, 1, 1, 5, 2).log_softmax(-1), logits(1, 1, 2, 5, 2).log_softmax(-1)
    values, found = (
        distral.regularised_values(tasks, log_pi0, log_pi, ALPHA, BETA, 0.9)[0],
        distral_ac.expected_signal(tasks, log_pi0, log_pi, config)[0],
    )
    for k, task in enumerate((layered(0), layered(1))):
        wanted = distral_ac.task_moments(task, log_pi0[0, 0], log_pi[0, k], values[k], ALPHA, BETA, 0.9, 0.5, keep_discount).mean
        torch.testing.assert_close(found[k], wanted, atol=1e-9, rtol=0)


def test_exact_ascent_of_several_networks_is_each_by_itself():
    config = Config(updates=5, snapshots=1, hidden=(8,), learning_rate=0.01, distil_rate=0.01)
    together, alone = distral_ac.exact_ascent(maps(5, 6), config, [3, 7]), distral_ac.exact_ascent(maps(5, 6), config, [7])
    assert_trained_alike(together.agent.log_pi[1], alone.agent.log_pi[0], updates=5)
    stopped = distral_ac.exact_ascent(maps(5, 6), replace(config, snapshots=5), [7], watch=lambda update, agent: update >= 2)
    assert stopped.history.snapshot_updates.tolist() == [0, 1, 2]


# ---- errors


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (dict(columns=3), "columns is 3"),
        (dict(beta_prime=0.0), "beta_prime is 0.0"),
        (dict(beta_prime=torch.tensor([1.0, -1.0])), r"beta_prime\[1\] is -1.0"),
        (dict(beta=-1.0), "beta is -1.0"),
        (dict(alpha=1.5), "alpha is 1.5"),
        (dict(learning_rate=-1e-3), "learning_rate is -0.001"),
        (dict(critic="q"), "critic is 'q'"),
        (dict(n_steps=0), "n_steps is 0"),
        (dict(lambda_=2.0), "lambda_ is 2.0"),
        (dict(episodes=0), "episodes is 0"),
        (dict(repeats=1.5), "repeats is 1.5"),
        (dict(hidden=(64, 0)), r"hidden\[1\] is 0"),
        (dict(snapshots=20, updates=10), "snapshots is 20"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        Config(**setting)


def test_bad_tasks_and_seeds():
    for function in (distral_ac.train, distral_ac.exact_ascent):
        with pytest.raises(ValueError, match="empty"):
            function([], Config(), [0])
        with pytest.raises(ValueError, match="same states"):
            function(maps(4, 2), Config(), [0])
        with pytest.raises(ValueError, match="different integers"):
            function(maps(4), Config(), [0, 0])
        with pytest.raises(ValueError, match="task_ids has 1 numbers, wanted 2"):
            function(maps(4, 5), Config(), [0], task_ids=[1])
    with pytest.raises(ValueError, match="discount is 1"):
        distral_ac.exact_ascent(maps(4), Config(discount=1.0))
