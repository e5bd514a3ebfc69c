"""Deep Q-learning: its parts in numbers, its loop against exact values on mazes, and its lanes against themselves alone."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from rounding import assert_trained_alike
from torch.nn import functional

from distral_lite import dqn, gym_bridge, lanes, networks
from distral_lite.dynamic_programming import policy_iteration
from distral_lite.gridworld import GridWorld, load_map
from distral_lite.mdp import MDP, expected_steps, greedy_policy

SMALL = dqn.Config(steps=400, learning_starts=50, batch=32, hidden=(16,), target_every=20, epsilon_steps=200, snapshots=4)
CORRIDOR = GridWorld.from_text("#######\n#S...G#\n#######").mdp()
MAPS = [load_map(4).mdp(), load_map(5).mdp()]  # of the same walls


# ---- the parts ----


def test_targets_in_numbers():
    q_next = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0], [-1.0, -2.0, -3.0]])
    discount = 0.5 * ~torch.tensor([False, True, False])
    found = dqn.td_target(torch.tensor([10.0, 10.0, 10.0]), discount, q_next)
    assert found.tolist() == [11.5, 10.0, 9.5]  # 10 + 3 / 2; the episode ended; 10 - 1 / 2


def test_no_gradient_flows_through_the_target():
    q_next = torch.ones(4, 3, requires_grad=True)
    assert not dqn.td_target(torch.zeros(4), torch.ones(4), q_next).requires_grad


def test_loss_in_numbers():
    q = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])  # two lanes, two transitions, two actions
    found = dqn.loss(q, torch.tensor([[1, 0], [0, 0]]), torch.tensor([[5.0, 1.0], [1.0, 0.0]]))
    assert found.tolist() == [(9 + 4) / 2, 0.5]


def test_one_step_along_the_gradient_on_a_table_is_the_update_of_q_learning():
    """With one transition, a table and step size 1/2, descending (y - Q)^2 sets Q(s, a) to y and moves nothing else."""
    table = networks.table(1, 1, 4, 3, value=2.0)
    q = dqn.ActionValues(table, torch.zeros(1, 4, 1))
    y = dqn.td_target(torch.tensor([[[1.0]]]), torch.tensor([[[0.9]]]), q(torch.tensor([[[3]]])))
    q.backward(dqn.loss(q(torch.tensor([[[2]]])), torch.tensor([[[1]]]), y))
    q.parameters.rows.sub_(0.5 * q.parameters.rows.grad)
    wanted = torch.full((1, 1, 4, 3), 2.0)
    wanted[0, 0, 2, 1] = 1.0 + 0.9 * 2.0
    torch.testing.assert_close(q.network().values, wanted)
    assert torch.equal(table.values, torch.full((1, 1, 4, 3), 2.0))  # what was given stays as it was


def test_epsilon_falls_in_a_straight_line_and_stays():
    config = dqn.Config(epsilon_start=0.9, epsilon_end=0.1, epsilon_steps=100)
    assert [round(dqn.epsilon_at(step, config), 12) for step in (0, 25, 50, 100, 10_000)] == [0.9, 0.7, 0.5, 0.1, 0.1]


def test_actions_are_greedy_or_uniform():
    q = torch.tensor([0.0, 5.0, 1.0, 2.0])
    uniform = torch.from_numpy(np.random.default_rng(0).random((80_000, 2)))
    counts = torch.bincount(dqn.act(q.expand(80_000, 4), 0.4, uniform), minlength=4) / 80_000
    wanted = torch.tensor([0.1, 0.7, 0.1, 0.1])
    assert float((counts - wanted).abs().max()) < 5 * (0.25 / 80_000) ** 0.5
    assert dqn.act(q, 0.0, torch.tensor([0.0, 0.99])) == 1
    assert dqn.act(q, 1.0, torch.tensor([0.999, 0.99])) == 3


@pytest.mark.parametrize("hidden", [(64, 128, 64), ()])
def test_gradients_of_lookup_minibatch_and_autograd_are_one(hidden):
    """Evaluating a network once on all S states and looking up is the minibatch's evaluation: same values, same gradient."""
    features = torch.stack([maze.features for maze in MAPS])
    random = lanes.LaneRandom(range(3), range(2))
    network = networks.mlp((features.shape[-1], *hidden, 5), random.uniform)
    state, action = (random.uniform(128) * features.shape[1]).long(), (random.uniform(128) * 5).long()
    y, seen = random.uniform(128).float(), networks.at(features.expand(3, -1, -1, -1), state)
    found = []
    for q, observation in ((dqn.ActionValues(network, features), state), (dqn.ActionValues(network, None), seen)):
        values = q(observation)
        q.backward(dqn.loss(values, action, y))
        found.append((values.detach(), q.parameters.rows.grad))
    networks.adam(network, 1e-3)
    values = networks.apply(network, seen)
    dqn.loss(values, action, y).sum().backward()
    wanted = values.detach(), networks.pack(networks.each(lambda tensor: tensor.grad, network)).rows
    for one, other, autograd in zip(*found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(one, autograd, rtol=1e-4, atol=1e-6)


# ---- the loop, against exact values ----


def test_a_table_finds_the_exact_values():
    """Four seeds: every action value of a corridor within 0.02 of Q*, values being between -12 and 1."""
    config = dqn.Config(steps=3000, hidden=None, learning_rate=0.05, target_every=20, epsilon_end=1.0, exploring_starts=True, snapshots=1)
    run = dqn.train([CORRIDOR], config, range(4))
    exact = policy_iteration(CORRIDOR, config.discount).q.float()
    ends = CORRIDOR.terminal.all(-1).all(-1)  # the goal itself, which nothing ever acts in
    assert float((run.history.snapshots[:, 0, -1] - exact)[:, ~ends].abs().max()) < 0.02


def test_a_network_finds_the_exact_values_of_two_mazes():
    """Three seeds on maps 4 and 5 together: action values within 0.05 of Q* for every pair, and shortest paths from the start.

    Episodes are five steps long and start anywhere, so every target that a time-out ends must bootstrap for this to come out.
    """
    config = dqn.Config(
        steps=2500,
        hidden=(64, 64),
        discount=0.9,
        target_every=25,
        epsilon_end=1.0,
        max_episode_steps=5,
        exploring_starts=True,
        snapshots=1,
    )
    run = dqn.train(MAPS, config, range(3))
    for k, maze in enumerate(MAPS):
        exact, ends = policy_iteration(maze, 0.9).q, maze.terminal.all(-1).all(-1)
        learned = run.history.snapshots[:, k, -1].double()
        assert float((learned - exact)[:, ~ends].abs().max()) < 0.05
        best = expected_steps(maze, greedy_policy(exact))
        assert [expected_steps(maze, greedy_policy(q)) for q in learned] == pytest.approx([best] * 3)


def test_a_time_out_bootstraps_unless_it_is_taken_for_a_goal():
    """Episodes of one step in an endless corridor that pays 1 a step: Q* is 1 / (1 - 0.5) = 2; with time-outs as goals 1."""
    endless = MDP(
        successor=torch.zeros(1, 2, 1, dtype=torch.int64),
        probability=torch.ones(1, 2, 1, dtype=torch.float64),
        reward=torch.ones(1, 2, dtype=torch.float64),
        terminal=torch.zeros(1, 2, 1, dtype=torch.bool),
        start=torch.ones(1, dtype=torch.float64),
        features=torch.ones(1, 1),
    )
    settings = {"steps": 1500, "hidden": None, "discount": 0.5, "learning_rate": 0.02, "target_every": 1, "max_episode_steps": 1}
    for mistaken, wanted in ((False, 2.0), (True, 1.0)):
        run = dqn.train([endless], dqn.Config(**settings, timeouts_are_goals=mistaken), range(2))
        torch.testing.assert_close(run.history.snapshots[:, 0, -1], torch.full((2, 1, 2), wanted), rtol=0, atol=0.01)


def test_a_gymnasium_environment_with_a_known_optimum():
    """FrozenLake without slipping, six steps from start to goal: V*(start) = 0.99^5. Gymnasium's own table is the oracle."""
    task = gym_bridge.GymTask("FrozenLake-v1", {"is_slippery": False})
    exact = policy_iteration(MDP.from_gymnasium(task.make()), 0.99).q
    assert float(exact[0].max()) == pytest.approx(0.99**5)
    config = dqn.Config(steps=3000, hidden=None, learning_rate=0.01, target_every=20, epsilon_end=1.0, snapshots=1)
    run = dqn.train([task], config, range(2))
    learned = run.history.snapshots[:, 0, -1]
    assert float((learned[:, 0] - exact[0]).abs().max()) < 0.02
    world = lanes.make_world([task], range(100, 108))
    assert networks.greedy_returns(run.agent.network, world).tolist() == [[[1.0] * 4]] * 2


def test_vector_observations_against_exact_values(line):
    """Two seeds: right pays 0.9^(steps to the end - 1), left 0.9 times what the cell to the left is worth; all eight within 0.03."""
    config = dqn.Config(
        steps=2500, hidden=(32, 32), discount=0.9, learning_rate=3e-3, target_every=25, epsilon_end=1.0, snapshots=1, batch=64
    )
    run = dqn.train([line], config, range(2))
    assert run.history.snapshots is None
    right = [0.9**3, 0.9**2, 0.9, 1.0]
    exact = torch.tensor([[0.9 * max(right[max(0, s - 1)], 0.0), right[s]] for s in range(4)])
    learned = networks.apply(run.agent.network, torch.tensor([[0.0], [0.25], [0.5], [0.75]])).detach()
    torch.testing.assert_close(learned, exact.expand(2, 1, 4, 2), rtol=0, atol=0.03)
    best = networks.best(run.history.checkpoints, lanes.make_world([line], range(50, 60)))
    assert networks.greedy_returns(best, lanes.make_world([line], range(1000, 1020))).tolist() == [[[1.0] * 10]] * 2


# ---- the loop, line by line ----


def test_what_the_loop_does_against_a_plain_program():
    """A second program for one lane: a list for a memory, PyTorch's layers and Adam, the same random numbers. 201 updates."""
    config = dqn.Config(
        steps=250, learning_starts=50, batch=8, capacity=60, hidden=(16,), target_every=7, epsilon_steps=100, clip_norm=0.2, snapshots=1
    )
    found = dqn.train([CORRIDOR], config, [5]).agent.network
    (r, k), sizes = (5, 0), (CORRIDOR.features.shape[1], 16, 5)
    first = lanes.LaneRandom([r], [k], stream=2).uniform
    layers = []
    for inputs, outputs in pairwise(sizes):
        numbers = ((2 * first((inputs + 1) * outputs)[0, 0] - 1) / inputs**0.5).float().view(inputs + 1, outputs)
        layers += [numbers[:-1].T.clone().requires_grad_(), numbers[-1].clone().requires_grad_()]
    old = [layer.detach().clone() for layer in layers]

    def values(state, w):
        hidden = functional.leaky_relu(functional.linear(CORRIDOR.features[state], w[0], w[1]))
        return functional.linear(hidden, w[2], w[3])

    optimiser, memory, random = torch.optim.Adam(layers, 1e-3), [], lanes.LaneRandom([r], [k], stream=1)
    goal = int(CORRIDOR.successor[-2, 4, 0])
    state, length, lengths = int(CORRIDOR.start.argmax()), 0, []
    for t in range(1, 251):
        explore, which = random.uniform(2)[0, 0].tolist()
        epsilon = 1.0 - 0.95 * min((t - 1) / 100, 1.0)
        action = int(which * 5) if explore < epsilon else int(values(state, layers).argmax())
        successor = int(CORRIDOR.successor[state, action, 0])
        memory.append((state, action, float(CORRIDOR.reward[state, action]), successor))
        length += 1
        state = successor
        if successor == goal or length == 1000:
            state, length = int(CORRIDOR.start.argmax()), 0
        if t >= 50:
            newest = memory[-60:][::-1]
            total = 0.0
            for u in random.uniform(8)[0, 0].tolist():
                s, a, reward, s_next = newest[int(u * len(newest))]
                y = reward + (0.0 if s_next == goal else 0.99 * float(values(s_next, old).max()))
                total = total + (y - values(s, layers)[a]) ** 2 / 8
            optimiser.zero_grad()
            total.backward()
            lengths.append(float(torch.nn.utils.clip_grad_norm_(layers, 0.2)))
            optimiser.step()
        if t % 7 == 0:
            old = [layer.detach().clone() for layer in layers]
    assert min(lengths) < 0.2 < max(lengths)  # some were clipped, some were not
    for mine, theirs in zip((found.weights[0], found.biases[0], found.weights[1], found.biases[1]), layers, strict=True):
        assert_trained_alike(mine[0, 0].T.squeeze(), theirs.detach(), len(lengths))


def test_a_lane_is_the_same_alone_and_among_others():
    """Draws and environments bit for bit, so the same episodes; parameters but for rounding."""
    among = dqn.train(MAPS, SMALL, [3, 8, 11], task_ids=[4, 9])
    alone = dqn.train(MAPS[1:], SMALL, [8], task_ids=[9])
    finished = ~among.history.durations[1, 1].isnan()
    assert torch.equal(among.history.durations[1, 1][finished], alone.history.durations[0, 0])
    assert torch.equal(among.history.returns[1, 1][finished], alone.history.returns[0, 0])
    updates = SMALL.steps - SMALL.learning_starts + 1
    assert_trained_alike(among.history.snapshots[1, 1], alone.history.snapshots[0, 0], updates)


def test_a_neighbour_with_a_thousand_times_the_reward_changes_nothing():
    loud = MAPS[0]._replace(reward=1000 * MAPS[0].reward)
    calm, disturbed = (dqn.train([neighbour, MAPS[1]], SMALL, range(2)) for neighbour in (MAPS[0], loud))
    assert torch.equal(calm.history.snapshots[:, 1], disturbed.history.snapshots[:, 1])
    assert float((calm.history.snapshots[:, 0] - disturbed.history.snapshots[:, 0]).abs().max()) > 1


def test_history():
    run = dqn.train([CORRIDOR], SMALL, range(3))
    history = run.history
    assert history.snapshot_steps.tolist() == [0, 100, 200, 300, 400]
    assert history.snapshots.shape == (3, 1, 5, 5, 5)
    assert len(history.checkpoints) == 5
    assert torch.equal(networks.on_states(run.agent.network, CORRIDOR.features[None]), history.snapshots[:, :, -1])
    assert history.durations.shape == history.returns.shape == (3, 1, history.durations.shape[-1])
    assert bool((history.durations.nansum(-1) <= 400).all())
    assert not any(tensor.requires_grad for tensor in networks.parameters(run.agent.network))


def test_autograd_can_go_on_with_what_was_learned():
    run = dqn.train([CORRIDOR], SMALL, range(2))
    network = run.agent.network
    optimiser = networks.adam(network, 1e-2)
    before = networks.copy(network)
    (networks.on_states(network, CORRIDOR.features[None]) - run.history.snapshots[:, :, 0]).square().sum().backward()
    optimiser.step()
    assert not torch.equal(network.weights[0], before.weights[0])


def test_nothing_is_learned_before_learning_starts():
    run = dqn.train([CORRIDOR], dqn.Config(steps=100, learning_starts=61, batch=8, hidden=(8,), snapshots=10), [0])
    moved = [not torch.equal(snapshot, run.history.snapshots[0, 0, 0]) for snapshot in run.history.snapshots[0, 0]]
    assert moved == [step >= 61 for step in run.history.snapshot_steps.tolist()]


def test_an_interrupt_returns_what_there_is(monkeypatch):
    taken, step = [], lanes.TableWorld.step

    def interrupted(self, action):
        taken.append(1)
        if len(taken) == 150:
            raise KeyboardInterrupt
        return step(self, action)

    whole = dqn.train([CORRIDOR], SMALL, range(2))
    monkeypatch.setattr(lanes.TableWorld, "step", interrupted)
    part = dqn.train([CORRIDOR], SMALL, range(2))
    assert part.history.snapshot_steps.tolist() == [0, 100, 149]
    assert torch.equal(part.history.snapshots[:, :, :2], whole.history.snapshots[:, :, :2])
    assert not torch.equal(part.history.snapshots[:, :, 2], part.history.snapshots[:, :, 1])


# ---- errors ----


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("learning_rate", -1e-3, "a finite number above 0"),
        ("learning_rate", float("nan"), "a finite number above 0"),
        ("steps", 0, "an integer of at least 1"),
        ("capacity", 2.5, "an integer of at least 1"),
        ("target_every", 0, "an integer of at least 1"),
        ("discount", 1.01, "a number from 0 to 1"),
        ("epsilon_end", -0.1, "a number from 0 to 1"),
        ("clip_norm", 0.0, "a finite number above 0"),
    ],
)
def test_bad_settings_are_refused_by_name(setting, value, wanted):
    with pytest.raises(ValueError, match=rf"dqn.Config: {setting} is {value}, wanted {wanted}"):
        dqn.Config(**{setting: value})


def test_other_mistakes_are_named():
    with pytest.raises(ValueError, match=r"hidden\[1\] is 0"):
        dqn.Config(hidden=(64, 0))
    with pytest.raises(ValueError, match="snapshots is 20, wanted at most one a step"):
        dqn.Config(steps=10)
    with pytest.raises(ValueError, match="Pendulum-v1"):  # its actions are continuous
        dqn.train([gym_bridge.GymTask("Pendulum-v1")], SMALL, [0])
    with pytest.raises(ValueError, match="CartPole-v9"):
        dqn.train([gym_bridge.GymTask("CartPole-v9")], SMALL, [0])
    with pytest.raises(ValueError, match=r"config.hidden is None \(a table\), wanted the units"):
        dqn.train([gym_bridge.GymTask("CartPole-v1")], dqn.Config(hidden=None), [0])
    with pytest.raises(ValueError, match=r"reward\[2, 0\] is nan, wanted a finite number"):
        broken = CORRIDOR._replace(reward=CORRIDOR.reward.index_fill(0, torch.tensor([2]), float("nan")))
        dqn.train([broken], SMALL, [0])
