"""Networks of lanes: PyTorch's own layers as the oracle, and the law that a lane learns the same alone and among others."""

import numpy as np
import pytest
import torch
from rounding import assert_trained_alike
from torch.nn import functional

from distral_lite import lanes, networks
from distral_lite.gridworld import GridWorld, load_map

SIZES = (5, 64, 128, 64, 3)


def drawn(seeds=(0, 1), tasks=(0, 1, 2), sizes=SIZES, **options):
    return networks.mlp(sizes, lanes.LaneRandom(seeds, tasks, stream=2).uniform, **options)


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def plain(network, run, task, x):
    """PyTorch's own layers on one lane's parameters."""
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        x = functional.linear(x, weight[run, task].T, bias[run, task, 0])
        x = functional.leaky_relu(x, 0.01) if layer < len(network.weights) - 1 else x
    return x


def test_every_lane_has_its_own_network():
    network, x = drawn(), numbers(2, 3, 7, 5)
    found = networks.apply(network, x)
    assert found.shape == (2, 3, 7, 3)
    for run in range(2):
        for task in range(3):
            torch.testing.assert_close(found[run, task], plain(network, run, task, x[run, task]), rtol=1e-5, atol=1e-6)


def test_shared_features_and_no_lanes_at_all():
    network, features = drawn(), numbers(3, 7, 5)
    found = networks.on_states(network, features)
    torch.testing.assert_close(found, networks.apply(network, features.expand(2, 3, 7, 5)))
    alone = networks.each(lambda tensor: tensor[1, 2], network)
    torch.testing.assert_close(networks.apply(alone, features[2]), found[1, 2], rtol=1e-5, atol=1e-6)


def test_a_network_in_numbers():
    weights = (torch.tensor([[1.0, -1.0], [2.0, 0.0]]), torch.tensor([[1.0], [10.0]]))
    biases = (torch.tensor([[0.0, 0.5]]), torch.tensor([[3.0]]))
    # hidden: 1 + 2 * 2 = 5 and -1 + 0.5 = -0.5, of which the leaky ReLU leaves 5 and -0.005; out: 5 - 0.05 + 3
    found = networks.apply(networks.MLP(weights, biases), torch.tensor([[1.0, 2.0]]))
    torch.testing.assert_close(found, torch.tensor([[7.95]]))


def test_gradients_are_those_of_pytorchs_layers():
    network, x = drawn(), numbers(2, 3, 7, 5)
    networks.adam(network, 1e-3)
    networks.apply(network, x).square().sum().backward()
    lane = networks.each(lambda tensor: tensor.detach().clone().requires_grad_(), network)
    plain(lane, 1, 2, x[1, 2]).square().sum().backward()
    for mine, theirs in zip(networks.parameters(network), networks.parameters(lane), strict=True):
        torch.testing.assert_close(mine.grad[1, 2], theirs.grad[1, 2], rtol=1e-4, atol=1e-5)


TALL_AND_WIDE = {
    "no hidden layer": (5, 3),
    "one, wide then tall": (5, 7, 3),
    "one, tall then wide": (5, 2, 3),
    "two, tall, wide, tall": (5, 2, 9, 3),
    "two, square": (5, 5, 5, 3),
    "three, the thesis's": SIZES,
    "three, of one unit somewhere": (5, 4, 1, 6, 3),
}
PRECISIONS = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-12, "atol": 1e-12}}


@pytest.mark.parametrize("lanes_", [(1, 1), (2, 3)], ids=["one lane", "six lanes"])
@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
@pytest.mark.parametrize("sizes", TALL_AND_WIDE.values(), ids=TALL_AND_WIDE)
def test_backpropagation_by_hand_is_autograds(sizes, precision, lanes_):
    network = networks.each(lambda tensor: tensor.to(precision), drawn(range(lanes_[0]), range(lanes_[1]), sizes))
    by_hand, room = networks.ByHand(network), PRECISIONS[precision]
    network = networks.each(lambda tensor: tensor.clone().requires_grad_(), network)
    for seed, inputs in enumerate((7, 1, 7)):  # the second seven find the memory of the first in use
        x, weight = (numbers(*lanes_, inputs, size, seed=s).to(precision) for size, s in ((5, seed), (3, 10 + seed)))
        before, outputs = x.clone(), networks.apply(network, x)
        torch.testing.assert_close(by_hand(x).detach(), outputs.detach(), **room)
        assert torch.equal(x, before)  # the inputs were not written over
        for tensor in networks.parameters(network):
            tensor.grad = None
        (outputs * weight).sum().backward()
        by_hand.backward((by_hand(x) * weight).sum((-2, -1)))
        wanted = networks.each(lambda tensor: tensor.grad, network)
        found = networks.unpack(networks.Packed(by_hand.parameters.rows.grad), network)
        for mine, theirs in zip(*map(networks.parameters, (found, wanted)), strict=True):
            torch.testing.assert_close(mine, theirs, **room)
            assert float(theirs.abs().max()) > 0


@pytest.mark.parametrize("shape", [(2, 3, 7, 5), (2, 3, 4, 5), (1, 1, 5, 5)])
def test_backpropagation_by_hand_through_a_table(shape):
    """The derivative of a sum over looked-up values, by autograd and by hand; more states than actions, fewer, as many."""
    table, weight = networks.Table(numbers(*shape).double()), numbers(*shape, seed=1).double()
    by_hand = networks.ByHand(table)
    assert torch.equal(by_hand(None), table.values)
    for _ in range(2):  # written over, not added
        by_hand.backward((by_hand(None) * weight).sum((-2, -1)))
    values = table.values.clone().requires_grad_()
    (wanted,) = torch.autograd.grad((values * weight).sum(), values)
    assert torch.equal(networks.unpack(networks.Packed(by_hand.parameters.rows.grad), table).values, wanted)


def test_a_network_by_hand_follows_its_parameters_and_leaves_the_original_alone():
    network, x = drawn(), numbers(2, 3, 7, 5)
    by_hand = networks.ByHand(network)
    taken = by_hand.network()
    assert all(torch.equal(one, two) for one, two in zip(*map(networks.parameters, (taken, network)), strict=True))
    by_hand.parameters.rows[1, 2] += 0.01
    moved = networks.each(lambda tensor: tensor + 0.01 * torch.eye(6)[5].view(2, 3, 1, 1), network)
    torch.testing.assert_close(by_hand(x).detach(), networks.apply(moved, x))
    torch.testing.assert_close(networks.apply(taken, x), networks.apply(drawn(), x))


def test_outputs_by_hand_are_not_written_over_by_the_next_call():
    by_hand = networks.ByHand(drawn())
    first = by_hand(numbers(2, 3, 7, 5))
    before = first.clone()
    by_hand(numbers(2, 3, 7, 5, seed=1))
    assert torch.equal(first, before)


@pytest.mark.parametrize("make", [drawn, lambda: networks.Table(numbers(2, 3, 4, 5))])
def test_packing_and_unpacking(make):
    network = make()
    packed = networks.pack(network)
    assert packed.rows.shape == (2, 3, 1, sum(tensor[0, 0].numel() for tensor in networks.parameters(network)))
    back = networks.unpack(packed, network)
    assert all(torch.equal(one, two) for one, two in zip(*map(networks.parameters, (back, network)), strict=True))
    packed.rows[1, 2] = 7.0  # what happens to a lane's row happens to the network that was unpacked from it, and to no other lane
    for tensor, before in zip(*map(networks.parameters, (back, network)), strict=True):
        assert bool((tensor[1, 2] == 7).all())
        assert torch.equal(tensor[0], before[0])
        assert not bool((before == 7).any())


def test_adam_and_clipping_take_packed_parameters_for_the_network_they_are():
    network = drawn()
    packed, x = networks.pack(network), 100 * numbers(2, 3, 7, 5)
    optimisers = networks.adam(network, 1e-2), networks.adam(packed, 1e-2)
    networks.apply(network, x).square().sum().backward()
    packed.rows.grad = networks.pack(networks.each(lambda tensor: tensor.grad, network)).rows
    torch.testing.assert_close(*(networks.clip_gradients(each, 3.0) for each in (network, packed)))
    for optimiser in optimisers:
        optimiser.step()
    torch.testing.assert_close(networks.pack(network).rows, packed.rows.detach())


def test_first_parameters_are_uniform_between_their_bounds_and_the_lanes_own():
    network = drawn(seeds=range(8))
    for inputs, weight, bias in zip(SIZES, network.weights, network.biases, strict=False):
        together = torch.cat([weight, bias], -2).flatten() * inputs**0.5
        assert float(together.abs().max()) <= 1.0
        room = 6 / together.numel() ** 0.5
        assert abs(float(together.mean())) < room
        assert abs(float(together.square().mean()) - 1 / 3) < room
    alone = drawn(seeds=[5], tasks=[2])
    assert all(torch.equal(one[0, 0], many[5, 2]) for one, many in zip(*map(networks.parameters, (alone, network)), strict=True))
    assert not torch.equal(network.weights[0][0, 0], network.weights[0][0, 1])


def test_gains_widen_and_narrow():
    plain_gain, he, quiet = drawn(), drawn(gain=6**0.5), drawn(last_gain=0.01)
    torch.testing.assert_close(he.weights[1], plain_gain.weights[1] * 6**0.5)
    torch.testing.assert_close(quiet.weights[-1], plain_gain.weights[-1] * 0.01)
    assert torch.equal(quiet.weights[0], plain_gain.weights[0])
    assert float(networks.apply(quiet, numbers(2, 3, 50, 5)).abs().max()) < 0.05


def test_looking_up_states_has_the_gradient_of_the_minibatch():
    """The reason why a network is evaluated once on all S states: the same loss and the same gradient as on B inputs."""
    mazes = [load_map(4).mdp(), load_map(5).mdp()]
    features = torch.stack([maze.features for maze in mazes])
    network = drawn(tasks=(0, 1), sizes=(features.shape[-1], 64, 128, 64, 5))
    random = lanes.LaneRandom(range(2), range(2))
    state, wanted = (random.uniform(128) * features.shape[1]).long(), random.uniform(128).float()
    networks.adam(network, 1e-3)
    gradients = []
    for outputs in (
        networks.at(networks.on_states(network, features), state),
        networks.apply(network, networks.at(features.expand(2, -1, -1, -1), state)),
    ):
        loss = (outputs[..., 3] - wanted).square().mean(-1).sum()
        gradients.append(torch.autograd.grad(loss, networks.parameters(network)))
    for once, minibatch in zip(*gradients, strict=True):
        torch.testing.assert_close(once, minibatch, rtol=1e-4, atol=1e-6)
        assert float(once.abs().max()) > 1e-4


def test_at_looks_up_rows():
    outputs = torch.arange(2 * 3 * 4 * 2).view(2, 3, 4, 2)
    state = torch.tensor([[[0, 3], [1, 1], [2, 0]], [[3, 3], [0, 0], [1, 2]]])
    found = networks.at(outputs, state)
    assert found.shape == (2, 3, 2, 2)
    assert all(torch.equal(found[r, k, b], outputs[r, k, state[r, k, b]]) for r in range(2) for k in range(3) for b in range(2))


@pytest.mark.parametrize("extra", [(), (4,), (4, 2)])
def test_a_network_as_a_function_of_observations(extra):
    """Features, state numbers and a table, with no, one and two axes behind the lanes, against each lane's own network."""
    features, state = numbers(3, 7, 5), torch.from_numpy(np.random.default_rng(3).integers(0, 7, (2, 3, *extra)))
    seen = features[torch.arange(3).view(3, *[1] * len(extra)), state]  # [2, 3, ..., 5]
    network, table = drawn(), networks.Table(numbers(2, 3, 7, 3, seed=1))
    found = networks.as_function(network, None)(seen), networks.as_function(network, features)(state)
    looked_up = networks.as_function(table, features)(state)
    for r in range(2):
        for k in range(3):
            wanted = plain(network, r, k, seen[r, k])
            for one in found:
                assert one.shape == (2, 3, *extra, 3)
                torch.testing.assert_close(one[r, k], wanted, rtol=1e-5, atol=1e-6)
            assert torch.equal(looked_up[r, k], table.values[r, k, state[r, k]])


def test_a_function_of_chosen_lanes():
    """Networks [n, ...] of some lanes, as policy_gradient takes them: one lane axis, features [n, S, N]."""
    features, state = numbers(3, 7, 5), torch.tensor([[[0, 6], [3, 3]], [[1, 2], [5, 0]]])
    which = torch.tensor([1, 0]), torch.tensor([2, 0])
    network = networks.each(lambda tensor: tensor[which], drawn())
    found = networks.as_function(network, features[which[1]])(state)
    for n, (r, k) in enumerate(zip(*which, strict=True)):
        torch.testing.assert_close(found[n], plain(drawn(), r, k, features[k, state[n]]), rtol=1e-5, atol=1e-6)


def test_a_table_ignores_features():
    table = networks.table(2, 3, 7, 5, value=1.5)
    assert torch.equal(networks.on_states(table, torch.zeros(3, 7, 9)), torch.full((2, 3, 7, 5), 1.5))


def test_a_copy_stays_when_the_original_moves():
    network = drawn()
    networks.adam(network, 1e-3)
    before = networks.copy(network)
    assert not any(tensor.requires_grad for tensor in networks.parameters(before))
    with torch.no_grad():
        network.weights[0].add_(1)
    assert not torch.equal(before.weights[0], network.weights[0])
    networks.copy_into(before, network)
    assert all(torch.equal(one, two) for one, two in zip(*map(networks.parameters, (before, network)), strict=True))
    assert not any(tensor.requires_grad for tensor in networks.parameters(before))


def test_each_lane_is_clipped_by_itself():
    table = networks.table(1, 3, 2, 2)
    networks.adam(table, 1e-3)
    table.values.grad = torch.tensor([[[[3.0, 0.0], [0.0, 4.0]], [[0.3, 0.0], [0.0, 0.4]], [[3e9, 0.0], [0.0, 4e9]]]])
    norm = networks.clip_gradients(table, 1.0)
    torch.testing.assert_close(norm, torch.tensor([[5.0, 0.5, 5e9]]))
    wanted = torch.tensor([[[[0.6, 0.0], [0.0, 0.8]], [[0.3, 0.0], [0.0, 0.4]], [[0.6, 0.0], [0.0, 0.8]]]])
    torch.testing.assert_close(table.values.grad, wanted)


def test_clipping_an_mlp_leaves_the_norm_of_all_its_tensors_together():
    network = drawn()
    networks.adam(network, 1e-3)
    networks.apply(network, 1e3 * numbers(2, 3, 7, 5)).square().sum().backward()
    networks.clip_gradients(network, 2.0)
    for run in range(2):
        for task in range(3):
            every = torch.cat([tensor.grad[run, task].flatten() for tensor in networks.parameters(network)])
            assert abs(float(every.norm()) - 2.0) < 1e-4


def learned(seeds, tasks, scale, updates=300, clip=None):
    """Regression by Adam on every lane's own data; lane (r, k) has targets `scale[r][k]` times too large."""
    network = drawn(seeds, tasks, (5, 24, 24, 1))
    random, optimiser = lanes.LaneRandom(seeds, tasks, stream=3), networks.adam(network, 1e-3)
    scale = torch.as_tensor(scale, dtype=torch.float32)[..., None]
    for _ in range(updates):
        x = random.uniform(8 * 5).float().unflatten(-1, (8, 5))
        target = scale * x.prod(-1)
        loss = (networks.apply(network, x)[..., 0] - target).square().mean(-1)  # [R, K]
        optimiser.zero_grad()
        loss.sum().backward()
        if clip:
            networks.clip_gradients(network, clip)
        optimiser.step()
    return networks.each(torch.Tensor.detach, network)


@pytest.mark.parametrize("clip", [None, 0.1])
def test_a_lane_learns_the_same_alone_and_among_others_even_with_a_loud_neighbour(clip):
    """300 updates; the neighbours' targets are 1000 times larger. A mean over lanes or one global norm fails this."""
    among = learned((3, 7, 11), (0, 4), [[1, 1000], [1000, 1], [1000, 1000]], clip=clip)
    quiet = learned((3, 7, 11), (0, 4), [[1, 1], [1, 1], [1, 1]], clip=clip)
    alone = learned((7,), (4,), [[1]], clip=clip)
    for many, calm, one in zip(*map(networks.parameters, (among, quiet, alone)), strict=True):
        assert torch.equal(many[1, 1], calm[1, 1])  # same shapes, same arithmetic: bit for bit
        assert_trained_alike(many[1, 1], one[0, 0], updates=300)
    first = drawn((7,), (4,), (5, 24, 24, 1))
    assert float((first.weights[1] - alone.weights[1]).abs().max()) > 1e-2  # it did learn


def test_adam_in_numbers():
    """Two steps with gradients 2 and -1, by hand: m = 0.2, v = 0.004; then m = 0.08, v = 0.004996."""
    table = networks.table(1, 1, 1, 1)
    optimiser = networks.adam(table, 0.1)
    values = []
    for gradient in (2.0, -1.0):
        table.values.grad = torch.full((1, 1, 1, 1), gradient)
        optimiser.step()
        values.append(float(table.values.detach()))
    step = 0.1 * (0.08 / 0.19) / (0.004996 / 0.001999) ** 0.5
    assert values == pytest.approx([-0.1, -0.1 - step], abs=1e-6)


@pytest.mark.parametrize("settings", [{}, {"betas": (0.5, 0.9), "epsilon": 1e-3}])
def test_adam_is_pytorchs(settings):
    mine, theirs, x = drawn(), drawn(), numbers(2, 3, 7, 5)
    renamed = {{"betas": "betas", "epsilon": "eps"}[name]: value for name, value in settings.items()}
    pairs = (
        (mine, networks.adam(mine, 1e-2, **settings)),
        (theirs, torch.optim.Adam([tensor.requires_grad_() for tensor in networks.parameters(theirs)], 1e-2, **renamed)),
    )
    for _ in range(30):
        for network, optimiser in pairs:
            optimiser.zero_grad()
            networks.apply(network, x).square().sum().backward()
            optimiser.step()
    for one, other in zip(*map(networks.parameters, (mine, theirs)), strict=True):
        assert_trained_alike(one.detach(), other.detach(), updates=30)


def test_pick_takes_each_lane_from_its_own_checkpoint():
    checkpoints = [networks.table(2, 3, 4, 5, value=t) for t in range(4)]
    choice = torch.tensor([[0, 3, 1], [2, 2, 0]])
    assert torch.equal(networks.pick(checkpoints, choice).values, choice[..., None, None].float().expand(2, 3, 4, 5))
    many = [drawn(seeds=(t, t + 10)) for t in range(3)]
    found = networks.pick(many, torch.tensor([[0, 1, 2], [2, 1, 0]]))
    assert torch.equal(found.weights[1][1, 0], many[2].weights[1][1, 0])
    assert torch.equal(found.biases[0][0, 1], many[1].biases[0][0, 1])


def test_greedy_returns_are_the_exact_ones_on_a_maze():
    """A table that holds the way to the goal: thirteen steps from start to goal on map 4, -0.1 each and +1."""
    corridor = GridWorld.from_text("######\n#S..G#\n######").mdp()
    table = networks.table(2, 1, 4, 5)
    table.values[0, 0, :, 4] = 1.0  # run 0 goes right: three steps to the goal
    table.values[1, 0, :, 3] = 1.0  # run 1 goes left, into the wall, until it is cut
    world = lanes.make_world([corridor], range(6), max_episode_steps=20)
    found = networks.greedy_returns(table, world)
    torch.testing.assert_close(found, torch.tensor([[[0.7] * 3], [[-12.0] * 3]], dtype=torch.float64))


def test_greedy_returns_with_another_choice_of_actions():
    """The same tables read the other way round: what was the largest output is passed over for the smallest."""
    corridor = GridWorld.from_text("######\n#S..G#\n######").mdp()
    table = networks.table(2, 1, 4, 5)
    table.values[0, 0, :, 4] = -1.0
    table.values[1, 0, :, 3] = -1.0
    world = lanes.make_world([corridor], range(4), max_episode_steps=20)
    found = networks.greedy_returns(table, world, choose=lambda outputs: outputs.argmin(-1))
    torch.testing.assert_close(found, torch.tensor([[[0.7] * 2], [[-12.0] * 2]], dtype=torch.float64))


def test_the_best_checkpoint_of_every_lane_is_chosen_the_latest_among_equals():
    """Run 0 goes right in checkpoints 1 and 2, run 1 in 0 only; going anywhere else never ends."""
    corridor = GridWorld.from_text("######\n#S..G#\n######").mdp()
    checkpoints = [networks.table(2, 1, 4, 5) for _ in range(4)]
    for number, run in ((1, 0), (2, 0), (0, 1)):
        checkpoints[number].values[run, 0, :, 4] = 1.0
    for number, checkpoint in enumerate(checkpoints):
        checkpoint.values[..., 4] += number / 100 * checkpoint.values[..., 4]  # tells apart who is equally good
    found = networks.best(checkpoints, lanes.make_world([corridor], range(4), max_episode_steps=20))
    torch.testing.assert_close(found.values[:, 0, :, 4], torch.tensor([[1.02] * 4, [1.0] * 4]))
    means = networks.mean_returns(checkpoints, lanes.make_world([corridor], range(4), max_episode_steps=20))
    there, never = 3 * -0.1 + 1, 20 * -0.1  # three steps to the goal, or twenty on the spot: action 0 is to stand still
    wanted = torch.tensor([[never, there], [there, never], [there, never], [never, never]], dtype=torch.float64)
    torch.testing.assert_close(means[..., 0], wanted)
    assert networks.latest_best(means).tolist() == [[2], [0]]


def test_greedy_returns_count_the_first_episode_only():
    class Counting:
        """One lane's episodes last 1 step, the other's 3; the reward is the number of the step since the beginning of the world."""

        runs, tasks, features, now = 2, 1, None, 0

        def reset(self):
            self.now = 0
            return torch.zeros(2, 1, 5)

        def step(self, action):
            self.now += 1
            done = torch.tensor([[True], [self.now % 3 == 0]])
            rewards = torch.full((2, 1), float(self.now), dtype=torch.float64)
            nothing = torch.zeros(2, 1, 5)
            return lanes.Step(rewards, nothing, done, torch.zeros_like(done), nothing, torch.ones_like(done).long(), rewards)

    assert networks.greedy_returns(drawn((0,), (0,)), Counting()).tolist() == [[[1.0, 3.0]]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: networks.mlp((5,), None), r"networks.mlp: sizes is \(5,\), wanted at least"),
        (lambda: networks.mlp((5, 0, 3), None), r"networks.mlp: sizes\[1\] is 0, wanted an integer of at least 1"),
        (lambda: drawn(gain=-1.0), r"networks.mlp: gain is -1.0, wanted a finite number of at least 0"),
        (lambda: networks.apply(drawn(), torch.zeros(2, 3, 7, 4)), r"networks.apply: x has shape \(2, 3, 7, 4\), wanted \[2, 3, 'B', 5\]"),
        (lambda: networks.apply(drawn(), torch.zeros(4, 3, 7, 5)), r"networks.apply: x has shape \(4, 3, 7, 5\)"),
        (lambda: networks.apply(drawn(), torch.zeros(5)), r"networks.apply: x has shape \(5,\)"),
        (lambda: networks.adam(drawn(), -1e-3), r"networks.adam: learning_rate is -0.001, wanted a finite number above 0"),
        (lambda: networks.adam(drawn(), 1e-3, betas=(0.9, 1.1)), r"networks.adam: betas\[1\] is 1.1, wanted a number from 0 to 1"),
        (lambda: networks.adam(drawn(), 1e-3).step(), r"networks.Adam.step: a parameter's grad is None, wanted a gradient for each"),
        (lambda: networks.clip_gradients(drawn(), 0.0), r"networks.clip_gradients: max_norm is 0.0"),
        (
            lambda: networks.greedy_returns(drawn(), lanes.make_world([load_map(4).mdp()], range(2))),
            r"networks.greedy_returns: world has 2 runs of 1 tasks, wanted 2 \* E of 3",
        ),
    ],
)
def test_errors_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()
