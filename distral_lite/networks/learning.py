"""Gradients and steps: Adam, clipping, and backpropagation by hand. See the package."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from distral_lite.networks.structure import MLP, SLOPE, Packed, Table, copy, each, is_tall, pack, parameters, unpack
from distral_lite.validation import check_fraction, check_positive

# (gradient, the layer's result, slope, True, grad_input=where to put it): the gradient before a leaky ReLU
LEAKY_BACKWARD = torch.ops.aten.leaky_relu_backward.grad_input


class Adam:
    """Adam (Kingma and Ba, 2015) for all lanes at once; it works number by number, so no lane feels another.

    The arithmetic is PyTorch's own fused kernel. `torch.optim.Adam` wraps it in bookkeeping that costs five times as much as the step
    of a network this small, and loads PyTorch's compiler, a second or two, when it is first made.

    Args:
        network: the parameters to learn.
        learning_rate: the step size, above 0.
        betas: decay of the running means of the gradient and of its square, each from 0 to 1.
        epsilon: added to the root of the mean square, above 0.

    Raises:
        ValueError: settings outside their ranges.
    """

    def __init__(
        self, network: MLP | Table | Packed, learning_rate: float, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8
    ) -> None:
        """Switches the network's gradients on and sets all means to zero."""
        check_positive("networks.adam", "learning_rate", learning_rate)
        for i, beta in enumerate(betas):
            check_fraction("networks.adam", f"betas[{i}]", beta)
        check_positive("networks.adam", "epsilon", epsilon)
        self._tensors = [tensor.requires_grad_() for tensor in parameters(network)]
        self._means, self._squares = ([torch.zeros_like(tensor) for tensor in self._tensors] for _ in range(2))
        self._steps = torch.zeros((), device=self._tensors[0].device)
        self._settings = {"lr": learning_rate, "beta1": betas[0], "beta2": betas[1], "eps": epsilon}

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for tensor in self._tensors:
            tensor.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Moves every parameter against its `grad`.

        Raises:
            ValueError: a parameter without gradient.
        """
        gradients = [tensor.grad for tensor in self._tensors]
        if any(gradient is None for gradient in gradients):
            raise ValueError("networks.Adam.step: a parameter's grad is None, wanted a gradient for each: call backward before")
        self._steps += 1
        steps, off = [self._steps] * len(gradients), {"weight_decay": 0.0, "amsgrad": False, "maximize": False}
        torch._fused_adam_(self._tensors, gradients, self._means, self._squares, [], steps, **self._settings, **off)


def adam(network: MLP | Table | Packed, learning_rate: float, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> Adam:
    """One Adam for all lanes of a network; see `Adam`. Switches the network's gradients on."""
    return Adam(network, learning_rate, betas, epsilon)


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
    norms = [torch.linalg.vector_norm(gradient, dim=(-2, -1)) for gradient in gradients]
    norm = norms[0] if len(norms) == 1 else torch.linalg.vector_norm(torch.stack(norms, dim=-1), dim=-1)
    if bool((norm > max_norm).any()):
        scale = (max_norm / norm).clamp_(max=1.0)[..., None, None]  # 1 for the lanes that are short enough
        for gradient in gradients:
            gradient.mul_(scale)
    return norm


class Layer(NamedTuple):
    """What `ByHand` keeps of a layer.

    Attributes:
        transposed: [G, outputs, inputs], the weights' transpose.
        tall: whether there are more inputs than outputs; such weights are laid out the other way round, see `pack`.
        product: memory for the weights' gradient as it is laid out.
        of_weight: where that belongs.
        of_bias: [G, 1, outputs], where the biases' gradient belongs.
    """

    transposed: Tensor
    tall: bool
    product: Tensor
    of_weight: Tensor
    of_bias: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, of_weight: Tensor, of_bias: Tensor) -> Layer:
        """The layer of these views."""
        laid_out = of_weight.mT if is_tall(weight) else of_weight
        return cls(weight.mT, is_tall(weight), laid_out.contiguous(), laid_out, of_bias)  # of one lane they are the same memory


class ByHand:
    """A network that learns: evaluated and backpropagated without autograd, on memory that is allocated once.

    The loss is autograd's: `descend` has it differentiated down to the network's outputs, which is a small graph, and takes it from
    there. Autograd would do that part too, but on networks as small as ours it spends more time on its own account than on arithmetic;
    and new memory for many lanes' results is handed out by the operating system page by page at every step, which costs as much again.

    Args:
        network: parameters [R, K, ...]; they are copied.
        learning_rate: Adam's; None for a network that does not learn.
        clip_norm: longest gradient of a lane; None: any.

    Attributes:
        parameters: the copy, in one piece.
    """

    def __init__(self, network: MLP | Table, learning_rate: float | None = None, clip_norm: float | None = None) -> None:
        """Copies the network."""
        self.parameters, self._like, self._clip_norm = pack(network), network, clip_norm
        rows = self.parameters.rows
        rows.grad = torch.zeros_like(rows)
        self._lanes = rows.shape[:2]
        self._network, self._gradient = (unpack(Packed(numbers.flatten(0, 1)), network) for numbers in (rows, rows.grad))
        self._memory: dict[int, list[list[Tensor]]] = {}  # see `_hidden`
        if isinstance(network, MLP):
            self._layers = [Layer.of(*pieces) for pieces in zip(*self._network, *self._gradient, strict=True)]
        self._adam = None if learning_rate is None else Adam(self.parameters, learning_rate)

    def network(self) -> MLP | Table:
        """A copy of the network as it is now, [R, K, ...]."""
        return each(torch.Tensor.contiguous, unpack(copy(self.parameters), self._like))

    def __call__(self, x: Tensor | None) -> Tensor:
        """The outputs [R, K, B, A] for inputs [R, K, B, N], as `networks.apply`; of a table all its values [R, K, S, A], as they stand.

        A loss may be made of them, for `descend`; what else is done with them should take them detached.
        """
        self._outputs = self._evaluate(x).requires_grad_()
        return self._outputs

    def descend(self, loss: Tensor) -> None:
        """One step of Adam down the sum of a loss, each lane by itself.

        Args:
            loss: one number a lane (or a run), made of the outputs last returned.
        """
        self.backward(loss)
        if self._clip_norm is not None:
            clip_gradients(self.parameters, self._clip_norm)
        self._adam.step()

    @torch.no_grad()
    def _evaluate(self, x: Tensor | None) -> Tensor:
        if isinstance(self._network, Table):
            return self._network.values.unflatten(0, self._lanes).detach()
        h = x.flatten(0, 1)
        hidden, _ = self._hidden(h.shape[1])
        self._inputs = [h, *hidden]
        for weight, bias, place in zip(self._network.weights, self._network.biases, [*hidden, None], strict=True):
            h = torch.baddbmm(bias, h, weight, out=place)
            if place is not None:
                functional.leaky_relu_(h, SLOPE)
        return h.view(*self._lanes, *h.shape[1:])

    def backward(self, loss: Tensor) -> None:
        """Writes the derivative of the sum of a loss into the `grad` of the parameters' rows, over what was there.

        Args:
            loss: one number a lane (or a run), made of the outputs last returned.
        """
        self._backpropagate(*torch.autograd.grad(loss.sum(), self._outputs))

    @torch.no_grad()
    def _backpropagate(self, gradient: Tensor) -> None:
        """From the outputs [R, K, B, A] to the parameters.

        With g the gradient at a layer's output and h its input: dW = h^T g, db = sum_B g, and at the layer before (g W^T) * leaky'(h).
        """
        g = gradient.flatten(0, 1)
        if isinstance(self._gradient, Table):
            self._gradient.values.copy_(g)
            return
        _, places = self._hidden(g.shape[1])
        for i in reversed(range(len(self._layers))):
            layer, h = self._layers[i], self._inputs[i]
            layer.of_weight.copy_(torch.bmm(g.mT, h, out=layer.product) if layer.tall else torch.bmm(h.mT, g, out=layer.product))
            torch.sum(g, -2, keepdim=True, out=layer.of_bias)
            if i > 0:
                g = torch.bmm(g, layer.transposed, out=places[i - 1])
                LEAKY_BACKWARD(g, h, SLOPE, True, grad_input=g)

    def _hidden(self, inputs: int) -> list[list[Tensor]]:
        """Memory for the hidden layers' results, and for the gradients there: one [R * K, B, units] a layer, twice."""
        if inputs not in self._memory:
            biases = self._network.biases[:-1]
            self._memory[inputs] = [[bias.new_empty(bias.shape[0], inputs, bias.shape[-1]) for bias in biases] for _ in range(2)]
        return self._memory[inputs]
