"""The parameters of networks: made, evaluated, copied, packed. See the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from distral_lite.validation import check_not_negative, check_positive

THESIS_HIDDEN = (64, 128, 64)  # three hidden layers (thesis), of these sizes and with leaky ReLU (its author's program)
SLOPE = 0.01  # of the leaky ReLU, left of zero


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


def as_function(network: MLP | Table, features: Tensor | None) -> Callable[[Tensor], Tensor]:
    """The network as a function of what its lanes observe: [R, K, ..., N] features, or [R, K, ...] state numbers, to [R, K, ..., A].

    Where states are numbered, all S of them are evaluated now and looked up afterwards: while the parameters stay as they are, acting and
    learning share one evaluation. Make the function anew when they have changed.

    Args:
        network: parameters [R, K, ...], or of any other lane axes.
        features: [K, S, N], `lanes.World.features`, or [R, K, S, N]; None where observations are features themselves.
    """
    lanes = parameters(network)[0].ndim - 2
    if features is None:
        return lambda seen: _in_shape(apply(network, seen.unsqueeze(lanes).flatten(lanes, -2)), seen.shape[:-1])
    outputs = on_states(network, features)
    return lambda state: _in_shape(at(outputs, state.unsqueeze(lanes).flatten(lanes)), state.shape)


def _in_shape(outputs: Tensor, shape: Sequence[int]) -> Tensor:
    """[R, K, B, A] to [R, K, ..., A], where `shape` is [R, K, ...]."""
    return outputs.reshape(*shape, outputs.shape[-1])


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


def pack(network: MLP | Table) -> Packed:
    """All numbers of a network on one allocation, a row a lane, so that an optimiser or a copy handles one tensor instead of eight.

    A matrix is laid out with its longer axis running fastest: products with narrow matrices are several times faster that way.

    Args:
        network: tensors [..., rows, columns], all of the same leading axes.
    """
    laid_out = [tensor.mT if is_tall(tensor) else tensor for tensor in parameters(network)]
    return Packed(torch.cat([tensor.detach().flatten(-2) for tensor in laid_out], dim=-1).unsqueeze(-2))


def unpack(packed: Packed, like: Network) -> Network:
    """The network that the rows hold, as views of them: what happens to the rows happens to it.

    Args:
        packed: [..., 1, P], of any leading axes.
        like: a network whose tensors' last two axes say how the numbers are arranged.
    """
    pieces = iter(packed.rows.detach().squeeze(-2).split([tensor.shape[-2:].numel() for tensor in parameters(like)], dim=-1))

    def view(tensor: Tensor) -> Tensor:
        rows, columns = tensor.shape[-2:]
        return next(pieces).unflatten(-1, (columns, rows)).mT if is_tall(tensor) else next(pieces).unflatten(-1, (rows, columns))

    return each(view, like)


def is_tall(matrix: Tensor) -> bool:
    """Whether a matrix [..., rows, columns] has more rows than columns."""
    return matrix.shape[-2] > matrix.shape[-1]
