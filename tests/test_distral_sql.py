"""Algorithm 1: its target, its two losses and its loop, against hand computation, the exact optimum and autograd."""

import math

import pytest
import torch
from rounding import assert_trained_alike

from distral_lite import distral, distral_sql, lanes, mdp, networks, soft_q_learning
from distral_lite.distral_sql import Config
from distral_lite.gridworld import load_map

TABLE = dict(hidden=None, learning_rate=0.03, distil_rate=0.03, batch=64)


def maps(*numbers):
    return [load_map(number).mdp() for number in numbers]


def window(state, action, reward, next_state, terminal=False, truncated=False):
    """One window of one lane, from lists of n."""
    fields = (state, action, reward, next_state, [terminal] * len(state), [truncated] * len(state))
    return soft_q_learning.Window(*(torch.tensor(field).view(1, 1, 1, -1) for field in fields))


def random_values(seed, *shape):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


def test_one_step_target_by_hand():
    """Line 14 corrected: the soft value is taken at S', and nothing is added to R for the policy's own entropy."""
    f = torch.tensor([[[[9.0, 9.0], [0.0, math.log(3.0)]]]], dtype=torch.float64)
    h = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    config = Config(alpha=1.0, beta=1.0, discount=0.5)
    assert float(distral_sql.q_target(window([0], [0], [0.25], [1]), f, h, config)) == pytest.approx(0.25 + 0.5 * math.log(2.0))
    assert float(distral_sql.q_target(window([0], [0], [0.25], [1], terminal=True), f, h, config)) == pytest.approx(0.25)
    cut = distral_sql.q_target(window([0], [0], [0.25], [1], truncated=True), f, h, config)
    assert float(cut) == pytest.approx(0.25 + 0.5 * math.log(2.0))  # a time-out is not a goal


@pytest.mark.parametrize("n_steps", [1, 2, 5])
def test_targets_at_the_joint_optimum_are_the_optimum(n_steps):
    """Path consistency: whatever the actions were, at the soft optimum every target equals the exact action value."""
    task, alpha, beta, discount = load_map(5).mdp(), 0.8, 5.0, 0.95
    log_pi0 = (3 * random_values(0, 32, 5)).log_softmax(-1)
    exact = soft_q_learning.solve(task, log_pi0, alpha, beta, discount)
    config = Config(alpha=alpha, beta=beta, discount=discount, n_steps=n_steps)
    random = torch.Generator().manual_seed(1)
    for _ in range(20):
        state, steps = int(torch.randint(31, (1,), generator=random)), []
        if state == load_map(5).goal:
            continue
        for _ in range(n_steps):
            action = int(torch.randint(5, (1,), generator=random))
            following, ended = int(task.successor[state, action, 0]), bool(task.terminal[state, action, 0])
            steps.append((state, action, float(task.reward[state, action]), following, ended))
            state = following
        ends = [step[4] for step in steps]
        if any(ends[:-1]):
            continue
        fields = [torch.tensor([step[i] for step in steps]).view(1, 1, 1, -1) for i in range(5)]
        drawn = soft_q_learning.Window(*fields, torch.zeros(1, 1, 1, n_steps, dtype=torch.bool))
        found = distral_sql.q_target(drawn, exact.q[None, None], log_pi0[None, None], config)
        assert float(found) == pytest.approx(float(exact.q[steps[0][0], steps[0][1]]), abs=1e-6)  # rewards are stored in float32


def test_looking_states_up_gives_the_gradient_of_the_minibatch():
    """Evaluating a network once on all states and indexing, against evaluating it on the minibatch's features."""
    tasks = maps(4, 5)
    features = torch.stack([task.features for task in tasks])
    network = networks.mlp((features.shape[-1], 16, 5), lanes.LaneRandom([0], [0, 1]).uniform)
    for tensor in networks.parameters(network):
        tensor.requires_grad_()
    state = torch.randint(32, (1, 2, 64), generator=torch.Generator().manual_seed(0))
    action = torch.randint(5, (1, 2, 64), generator=torch.Generator().manual_seed(1))
    target = random_values(2, 1, 2, 64).float()
    batch = soft_q_learning.Window(*(x.unsqueeze(-1) for x in (state, action, target, state, state > 99, state > 99)))
    looked_up = distral_sql.q_loss(networks.on_states(network, features), batch, target).sum()
    seen = torch.stack([features[k][state[0, k]] for k in range(2)])[None]
    row = networks.apply(network, seen).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    directly = (0.5 * (target - row).square().mean(-1)).sum()
    gradients = [torch.autograd.grad(loss, networks.parameters(network)) for loss in (looked_up, directly)]
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=1e-5)


def test_distillation_gradient_by_hand():
    """(2.68): the gradient in h is the mean of gamma^t (pi_0 - onehot(A)), over the samples of all tasks of a run and no others."""
    h = torch.zeros(2, 1, 1, 2, dtype=torch.float64, requires_grad=True)
    action = torch.tensor([[[0, 0], [1, 0]], [[1, 1], [1, 1]]])
    time = torch.tensor([[[0, 1], [0, 2]], [[0, 0], [0, 0]]])
    distral_sql.distillation_loss(h, torch.zeros_like(action), action, time, 0.5).sum().backward()
    first = (-0.5 * (1 + 0.5 + 0.25) + 0.5 * 1) / 4
    torch.testing.assert_close(h.grad[0, 0, 0], torch.tensor([first, -first], dtype=torch.float64))
    torch.testing.assert_close(h.grad[1, 0, 0], torch.tensor([0.5, -0.5], dtype=torch.float64))


def test_columns_and_temperatures():
    f, h = random_values(0, 2, 3, 4, 5), random_values(1, 2, 1, 4, 5)
    one = distral_sql.task_policy(f, h, Config(columns=1, beta_prime=torch.tensor([1.0, 5.0])))
    torch.testing.assert_close(one[0], f[0].log_softmax(-1))
    torch.testing.assert_close(one[1], (5 * f[1]).log_softmax(-1))
    torch.testing.assert_close(distral_sql.task_policy(f, h, Config()), (0.8 * h + 5 * f).log_softmax(-1))


def test_a_run_is_the_same_alone_and_among_others():
    config = Config(steps=60, snapshots=2, **TABLE)
    among = distral_sql.train(maps(5, 6), config, [3, 7, 11])
    alone = distral_sql.train(maps(5, 6), config, [7])
    assert_trained_alike(among.agent.f[1], alone.agent.f[0], updates=60)
    assert_trained_alike(among.agent.log_pi0[1], alone.agent.log_pi0[0], updates=60)
    assert float((among.agent.f[0] - among.agent.f[1]).abs().max()) > 1e-3


def test_without_sharing_each_task_is_by_itself():
    config = Config(steps=60, snapshots=2, distil=False, **TABLE)
    both = distral_sql.train(maps(5, 6), config, [3])
    one = distral_sql.train(maps(6), config, [3], task_ids=[1])
    torch.testing.assert_close(both.agent.log_pi0.exp(), torch.full((1, 32, 5), 0.2, dtype=torch.float64))
    assert_trained_alike(both.agent.f[:, 1:], one.agent.f, updates=60)


@pytest.mark.parametrize("hidden", [None, (32,)])
def test_it_learns_what_the_exact_solution_predicts(hidden):
    """Two columns on maps 5 and 6: after training, the exact length of the learned policies' way, against the joint optimum's."""
    tasks = maps(5, 6)
    exact = distral.solve(tasks, 0.8, 5.0, 0.999)
    wanted = mdp.expected_steps(mdp.stack(tasks), exact.log_pi.exp())
    rates = dict(learning_rate=0.03, distil_rate=0.03) if hidden is None else dict(learning_rate=3e-3, distil_rate=3e-3)
    run = distral_sql.train(tasks, Config(steps=2000, hidden=hidden, batch=64, snapshots=4, **rates), range(3))
    found = torch.stack([mdp.expected_steps(mdp.stack(tasks), policies.exp()) for policies in run.agent.log_pi])
    assert bool((found.median(0).values < 1.3 * wanted).all()) and bool((found > 0.9 * wanted).all())
    first = mdp.expected_steps(mdp.stack(tasks), run.history.log_pi[0, :, 0].exp())
    assert bool((first > 3 * wanted).all())  # it was not so from the start


def test_one_column_rests_where_the_fixed_point_says():
    tasks, beta_prime = maps(5, 6), 5.0
    point = distral.one_column_fixed_point(tasks, 0.8, 5.0, beta_prime, 0.999)
    run = distral_sql.train(tasks, Config(steps=2500, columns=1, beta_prime=beta_prime, snapshots=2, **TABLE), range(3))
    wanted, stacked = mdp.expected_steps(mdp.stack(tasks), point.log_pi.exp()), mdp.stack(tasks)
    found = torch.stack([mdp.expected_steps(stacked, policies.exp()) for policies in run.agent.log_pi]).median(0).values
    assert bool(((found / wanted - 1).abs() < 0.3).all())
    assert bool((found > 1.5 * torch.tensor([9, 5])).all())  # far from the shortest path, and rightly so


def test_a_target_network_holds_the_target_still():
    """Never renewed, the target is r + gamma V of the table of zeros, and that is where every value goes; renewed once, it has moved on."""
    (task,) = maps(5)
    first = task.reward + 0.999 * math.log(5 * 0.2**0.8) / 5.0 * ~task.terminal[..., 0]
    settings = dict(TABLE, distil=False, steps=1500, snapshots=1, epsilon_end=1.0, learning_rate=0.02, max_episode_steps=20)
    still = distral_sql.train([task], Config(**settings, target_every=10_000), [0]).agent.f[0, 0]
    seen = still != 0  # what was never done stays as it was
    assert int(seen.sum()) > 60
    torch.testing.assert_close(still[seen], first[seen], atol=0.05, rtol=0)
    renewed = distral_sql.train([task], Config(**settings, target_every=700), [0]).agent.f[0, 0]
    assert float((renewed[seen] - first[seen]).abs().max()) > 0.1


def test_watching_stops_early_and_interrupting_keeps_what_there_is(monkeypatch):
    seen = []
    run = distral_sql.train(
        maps(5, 6), Config(steps=40, snapshots=4, **TABLE), [0], watch=lambda t, agent: bool(seen.append((t, agent.f.shape))) or t >= 20
    )
    assert [t for t, _ in seen] == [10, 20] and run.history.snapshot_steps.tolist() == [0, 10, 20]
    step, calls = lanes.TableWorld.step, []

    def interrupted(world, action):
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return step(world, action)

    monkeypatch.setattr(lanes.TableWorld, "step", interrupted)
    run = distral_sql.train(maps(5, 6), Config(steps=40, snapshots=4, **TABLE), [0])
    assert run.history.snapshot_steps.tolist() == [0, 10, 20, 25] and run.history.log_pi.shape == (1, 2, 4, 32, 5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (dict(columns=3), "columns is 3"),
        (dict(beta_prime=0.0), "beta_prime is 0.0"),
        (dict(beta=-1.0), "beta is -1.0"),
        (dict(alpha=1.5), "alpha is 1.5"),
        (dict(learning_rate=-1e-3), "learning_rate is -0.001"),
        (dict(n_steps=20, memory=10), "memory is 10"),
        (dict(snapshots=20, steps=10), "snapshots is 20"),
        (dict(target_every=0), "target_every is 0"),
        (dict(steps=0), "steps is 0"),
    ],
)
def test_bad_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        Config(**setting)


def test_bad_tasks_and_seeds():
    with pytest.raises(ValueError, match="empty"):
        distral_sql.train([], Config(), [0])
    with pytest.raises(ValueError, match="same states"):
        distral_sql.train(maps(4, 2), Config(), [0])
    with pytest.raises(ValueError, match="different integers"):
        distral_sql.train(maps(4), Config(), [0, 0])


def test_autograd_can_go_on_with_what_was_learned():
    run = distral_sql.train(maps(4, 5), Config(steps=20, snapshots=2, **TABLE), [0])
    h = run.agent.log_pi0.requires_grad_()
    (distral.distilled_policy(h) * run.history.log_pi[:, 0, -1]).sum().backward()
    assert h.grad is not None
