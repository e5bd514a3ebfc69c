"""Networks of many lanes: parameters that lead with [R, K], evaluated by batched matrix products.

A network is a NamedTuple of tensors, not an object with state, so that it can be copied, compared and differentiated like a number.
Nothing here mixes lanes: sum the losses of the lanes before `backward`, and clip each lane's gradient by itself. A mean over lanes, or
the norm of all gradients together, would make one lane's learning depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from distral_lite.validation import check_not_negative, check_positive

THESIS_HIDDEN = (64, 128, 64)  # the thesis's networks: three hidden layers with leaky ReLU
SLOPE = 0.01  # of the leaky ReLU, left of zero
LEAKY_BACKWARD = torch.ops.aten.leaky_relu_backward.default  # (gradient, the layer's result, slope, True) -> gradient before the layer


class MLP(NamedTuple):
    """Fully connected layers with leaky ReLU between them.

    Attributes:
        weights: one [R, K, inputs, outputs] float32 a layer.
        biases: one [R, K, 1, outputs] float32 a layer.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]


class Table(NamedTuple):
    """One number for every state and action: the network that can represent anything and generalises nothing.

    Attributes:
        values: [R, K, S, A] float32.
    """

    values: Tensor


class Packed(NamedTuple):
    """All parameters of a network on one allocation; see `pack`.

    Attributes:
        rows: [R, K, 1, P] float32, the P numbers of every lane.
    """

    rows: Tensor


Network = TypeVar("Network", MLP, Table, Packed)


def mlp(sizes: Sequence[int], uniform: Callable[[int], Tensor], gain: float = 1.0, last_gain: float | None = None) -> MLP:
    """An MLP with random parameters, each lane's drawn from that lane's own numbers.

    Weights and biases of a layer are uniform between -gain / sqrt(inputs) and gain / sqrt(inputs); gain 1 is PyTorch's own choice for
    linear layers, which the thesis's networks had, and gain sqrt(6) for the weights is He's (He et al., 2015).

    Args:
        sizes: inputs, the hidden layers' units, outputs: at least two numbers.
        uniform: gives the next `count` uniform numbers of every lane, [R, K, count] float64: `lanes.LaneRandom(...).uniform`. They are
            scaled in float64 and rounded to float32 at the end, so that they are the same on every machine.
        gain: width of the distribution.
        last_gain: that of the last layer, `gain` if None; a policy that shall begin nearly uniform takes 0.01.

    Raises:
        ValueError: fewer than two sizes, a size that is not a whole number of at least 1, a negative gain.
    """
    if len(sizes) < 2:
        raise ValueError(f"networks.mlp: sizes is {tuple(sizes)}, wanted at least (inputs, outputs)")
    for i, size in enumerate(sizes):
        check_positive("networks.mlp", f"sizes[{i}]", size, whole=True)
    last_gain = gain if last_gain is None else last_gain
    check_not_negative("networks.mlp", "gain", gain)
    check_not_negative("networks.mlp", "last_gain", last_gain)
    weights, biases = [], []
    for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
        bound = (last_gain if layer == len(sizes) - 2 else gain) / inputs**0.5
        drawn = bound * (2 * uniform((inputs + 1) * outputs) - 1).unflatten(-1, (inputs + 1, outputs))
        weights.append(drawn[..., :-1, :].float().contiguous())
        biases.append(drawn[..., -1:, :].float().contiguous())
    return MLP(tuple(weights), tuple(biases))


def table(runs: int, tasks: int, states: int, actions: int, value: float = 0.0, device: str = "cpu") -> Table:
    """A table that holds the same `value` everywhere: [R, K, S, A]."""
    return Table(torch.full((runs, tasks, states, actions), float(value), device=device))


def apply(network: MLP, x: Tensor) -> Tensor:
    """The outputs of the network: x -> leaky(x W_1 + b_1) -> ... -> h W_L + b_L, for every lane its own.

    Args:
        network: parameters [R, K, ...], or without lanes, or with any other leading axes.
        x: [R, K, B, N], B inputs a lane; leading axes that are missing or 1 are shared, as features [K, S, N] are by the runs.

    Returns:
        [R, K, B, A].

    Raises:
        ValueError: inputs that do not fit the first layer, or more lanes than the network has.
    """
    *lead, inputs, _ = network.weights[0].shape
    shared = zip(reversed(x.shape[:-2]), reversed(lead), strict=False)
    if not 2 <= x.ndim <= len(lead) + 2 or x.shape[-1] != inputs or any(mine not in (1, lanes) for mine, lanes in shared):
        raise ValueError(f"networks.apply: x has shape {tuple(x.shape)}, wanted {[*lead, 'B', inputs]}, or 1 or nothing for a lane axis")
    h = x.expand(*lead, *x.shape[-2:]).reshape(-1, *x.shape[-2:])  # lanes in one axis: one product of matrices for them all
    last = len(network.weights) - 1
    for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
        h = torch.baddbmm(bias.view(-1, 1, bias.shape[-1]), h, weight.view(-1, *weight.shape[-2:]))
        if layer < last:
            h = functional.leaky_relu_(h, SLOPE)  # in place: the gradient needs the result only
    return h.view(*lead, *h.shape[-2:])


def on_states(network: MLP | Table, features: Tensor) -> Tensor:
    """The outputs for all S states, to be looked up by state number afterwards.

    Where states are few this is cheaper than a minibatch of B inputs, and its gradient is the same: that of the states looked up, each
    as often as it was.

    Args:
        network: an MLP, applied to the features, or a table, which needs none.
        features: [K, S, N] or [R, K, S, N].

    Returns:
        [R, K, S, A].
    """
    return network.values if isinstance(network, Table) else apply(network, features)


def at(outputs: Tensor, state: Tensor) -> Tensor:
    """Looks up the states' rows in `outputs` of `on_states`: [..., S, A] at [..., B] int64 gives [..., B, A]."""
    return outputs.gather(-2, state.unsqueeze(-1).expand(*state.shape, outputs.shape[-1]))


@torch.no_grad()
def layers(network: MLP | Table, x: Tensor | None) -> list[Tensor]:
    """What `backward` needs of an evaluation: the inputs of every layer and, last, the outputs. Autograd is left out.

    Args:
        network: parameters with their lanes in one axis, [G, ...].
        x: [G, B, N]; a table needs none.

    Returns:
        [G, B, N], one [G, B, units] for each hidden layer, [G, B, A]; of a table only its values [G, S, A].
    """
    if isinstance(network, Table):
        return [network.values]
    kept = [x]
    for weight, bias in zip(network.weights, network.biases, strict=True):
        if len(kept) > 1:
            functional.leaky_relu_(kept[-1], SLOPE)
        kept.append(torch.baddbmm(bias, kept[-1], weight))
    return kept


@torch.no_grad()
def backward(network: Network, kept: Sequence[Tensor], gradient: Tensor) -> Network:
    """Backpropagation by hand: the derivative with respect to every parameter, in the shape of the network.

    With g the gradient at a layer's output and h its input: dW = h^T g, db = sum_B g, and at the layer before (g W^T) * leaky'(h).
    Autograd gives the same, but on networks as small as ours it spends more time on its own account than on arithmetic.

    Args:
        network: as for `layers`.
        kept: what `layers` returned.
        gradient: [G, B, A], derivative of the loss with respect to the outputs; of a table [G, S, A].
    """
    if isinstance(network, Table):
        return Table(gradient)
    weights, biases = [], []
    for weight, h in zip(reversed(network.weights), reversed(kept[:-1]), strict=True):
        weights.append(torch.bmm(h.mT, gradient))
        biases.append(gradient.sum(-2, keepdim=True))
        if len(weights) < len(network.weights):
            gradient = LEAKY_BACKWARD(torch.bmm(gradient, weight.mT), h, SLOPE, True)
    return MLP(tuple(reversed(weights)), tuple(reversed(biases)))


def pack(network: MLP | Table) -> Packed:
    """All numbers of a network on one allocation, a row a lane, so that an optimiser or a copy handles one tensor instead of eight.

    Args:
        network: tensors [..., rows, columns], all of the same leading axes.
    """
    return Packed(torch.cat([tensor.detach().flatten(-2) for tensor in parameters(network)], dim=-1).unsqueeze(-2))


def unpack(packed: Packed, like: Network) -> Network:
    """The network that the rows hold, as views of them: what happens to the rows happens to it.

    Args:
        packed: [..., 1, P], of any leading axes.
        like: a network whose tensors' last two axes say how the numbers are arranged.
    """
    pieces = iter(packed.rows.squeeze(-2).split([tensor.shape[-2:].numel() for tensor in parameters(like)], dim=-1))
    return each(lambda tensor: next(pieces).unflatten(-1, tensor.shape[-2:]), like)


def each(function: Callable[..., Any], *networks: Network) -> Network:
    """Applies a function to each tensor of a network (to those at the same place, for several networks): `each(torch.clone, network)`."""
    fields = [tuple(map(function, *field)) if isinstance(field[0], tuple) else function(*field) for field in zip(*networks, strict=True)]
    return type(networks[0])(*fields)


def parameters(network: MLP | Table | Packed) -> list[Tensor]:
    """The tensors of a network in a list, as optimisers want them."""
    return [tensor for field in network for tensor in (field if isinstance(field, tuple) else (field,))]


def copy(network: Network) -> Network:
    """A copy that no gradient flows through and that no update of the original reaches."""
    return each(lambda tensor: tensor.detach().clone(), network)


def copy_into(target: Network, source: Network) -> None:
    """Overwrites the target's parameters by the source's."""
    with torch.no_grad():
        each(lambda old, new: old.copy_(new), target, source)


def adam(network: MLP | Table | Packed, learning_rate: float, **options: Any) -> torch.optim.Adam:
    """One Adam for all lanes. It works number by number, so no lane feels another. Switches the network's gradients on.

    Args:
        network: the parameters to learn.
        learning_rate: the step size, above 0.
        options: others of `torch.optim.Adam`.

    Raises:
        ValueError: a learning rate that is not a finite number above 0.
    """
    check_positive("networks.adam", "learning_rate", learning_rate)
    return torch.optim.Adam([tensor.requires_grad_() for tensor in parameters(network)], learning_rate, fused=True, **options)


def clip_gradients(network: MLP | Table | Packed, max_norm: float) -> Tensor:
    """Scales each lane's gradient down to the Euclidean norm `max_norm` where it is longer, whatever the other lanes' norms are.

    Args:
        network: parameters [R, K, ...] whose `grad` is there.
        max_norm: above 0.

    Returns:
        [R, K], the norms before.
    """
    check_positive("networks.clip_gradients", "max_norm", max_norm)
    gradients = [tensor.grad for tensor in parameters(network)]
    of_each = torch.stack([torch.linalg.vector_norm(gradient, dim=(-2, -1)) for gradient in gradients], dim=-1)
    norm = torch.linalg.vector_norm(of_each, dim=-1)
    scale = (max_norm / (norm + 1e-6)).clamp_(max=1.0)[..., None, None]
    for gradient in gradients:
        gradient.mul_(scale)
    return norm


def pick(checkpoints: Sequence[Network], choice: Tensor) -> Network:
    """Makes one network of many: lane (r, k) takes its parameters from checkpoint `choice[r, k]`.

    Args:
        checkpoints: T networks of the same lanes.
        choice: [R, K] int64, from 0 to T - 1.
    """
    run, task = (torch.arange(size, device=choice.device) for size in choice.shape)
    return each(lambda *tensors: torch.stack(tensors)[choice, run[:, None], task], *checkpoints)


def best(checkpoints: Sequence[MLP], world: Any) -> MLP:
    """Every lane's best checkpoint, by the mean return of E greedy episodes; the latest of those that are equally good.

    Returns of the chosen checkpoint in the same episodes flatter it. Report its returns in other ones, that is in a world of other seeds.

    Args:
        checkpoints: T networks of the same lanes.
        world: as `greedy_returns` takes it.
    """
    means = torch.stack([greedy_returns(network, world).mean(-1) for network in reversed(checkpoints)])
    return pick(list(reversed(checkpoints)), means.argmax(0))


@torch.no_grad()
def greedy_returns(network: MLP, world: Any) -> Tensor:
    """Plays E episodes with every lane's network, always taking the action of largest output, and gives their returns.

    It serves action values and the logits of a policy alike. Every episode has a lane of the world for itself, so E episodes take no
    longer than the longest of them.

    Args:
        network: parameters [R, K, ...].
        world: a `lanes.World` of R * E runs (run r plays those numbered r * E to r * E + E - 1) and K tasks, observations [R * E, K, N]
            or, where `world.features` is not None, state numbers.

    Returns:
        [R, K, E] float64, undiscounted returns of the first episode of each of the world's lanes.

    Raises:
        ValueError: runs that are not a multiple of R.
    """
    runs, tasks = parameters(network)[0].shape[:2]
    if world.runs % runs or world.tasks != tasks:
        raise ValueError(f"networks.greedy_returns: world has {world.runs} runs of {world.tasks} tasks, wanted {runs} * E of {tasks}")
    outputs = None if world.features is None else on_states(network, world.features)
    observation = world.reset()
    finished = torch.zeros(world.runs, world.tasks, dtype=torch.bool, device=observation.device)
    result = torch.zeros_like(finished, dtype=torch.float64)
    while not bool(finished.all()):
        mine = observation.unflatten(0, (runs, -1)).transpose(1, 2)  # [R, K, E] or [R, K, E, N]
        q = apply(network, mine) if outputs is None else at(outputs, mine)
        seen = world.step(q.argmax(-1).transpose(1, 2).flatten(0, 1))
        result = torch.where(finished, result, seen.rewards)
        finished |= seen.done
        observation = seen.observation
    return result.unflatten(0, (runs, -1)).transpose(1, 2)
