"""A device that is none: tensors say that they live there, and compute on the CPU. Mixing them with tensors of the CPU is an error.

It finds on any machine what would fail on an accelerator. The pretended device borrows PyTorch's name "meta", for which every build of
PyTorch has what autograd needs.
"""

import contextlib

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NAME = "meta"


class Pretended(torch.Tensor):
    """A tensor on the pretended device; `held` is the one that computes."""

    @staticmethod
    def __new__(cls, held):
        shape = dict(strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, layout=held.layout)
        made = torch.Tensor._make_wrapper_subclass(cls, held.size(), **shape, device=NAME)
        made.held = held
        return made

    def tolist(self):
        return self.held.tolist()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _compute(operation, args, kwargs or {})


class _Operations(TorchDispatchMode):
    """Sees what PyTorch computes."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _compute(operation, args, kwargs or {})


class _Data(TorchFunctionMode):
    """Sees what PyTorch makes of numbers: it would not copy them to a real "meta"."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function is torch.as_tensor and isinstance(args[0], torch.Tensor):
            return args[0].to(**kwargs)
        if function in (torch.tensor, torch.as_tensor) and "device" in kwargs:
            device = kwargs.pop("device")
            return function(*args, **kwargs).to(device)
        return function(*args, **kwargs)


@contextlib.contextmanager
def pretended_device():
    """Within it, "meta" is the pretended device."""
    with _Operations(), _Data():
        yield


def _compute(operation, args, kwargs):
    """Runs an operation on what the tensors hold; what it makes lives where its arguments do, or where `device` says."""
    leaves = tree_flatten((args, kwargs))[0]
    tensors = [one for one in leaves if isinstance(one, torch.Tensor)]
    asked = next((one.type for one in leaves if isinstance(one, torch.device)), None)
    away = asked == NAME if asked else any(isinstance(one, Pretended) for one in tensors)
    if away and not asked and operation.overloadpacket is not torch.ops.aten.copy_:
        for one in tensors:
            if not isinstance(one, Pretended) and one.ndim:
                raise RuntimeError(f"{operation} mixes devices: {tuple(one.shape)} of the CPU, others of {NAME}")
    held = tree_map(_on_the_cpu, (args, kwargs))
    made = operation(*held[0], **held[1])
    if operation._schema.is_mutable and not operation.overloadpacket.__name__.startswith("_foreach"):
        return _returned(operation, args, kwargs, made, away)
    return tree_map(lambda one: Pretended(one) if away and isinstance(one, torch.Tensor) else one, made)


def _on_the_cpu(one):
    """What an argument is when it has come down to the CPU."""
    if isinstance(one, torch.device):
        return torch.device("cpu")
    return one.held if isinstance(one, Pretended) else one


def _returned(operation, args, kwargs, made, away):
    """What an operation in place returns: the tensors that it was given."""
    returned = []
    results = made if isinstance(made, tuple) else (made,)
    for result, one in zip(results, operation._schema.returns, strict=False):
        written = [
            value
            for argument, value in [*zip(operation._schema.arguments, args, strict=False)]
            + [(argument, kwargs[argument.name]) for argument in operation._schema.arguments if argument.name in kwargs]
            if one.alias_info and argument.alias_info and argument.alias_info.before_set == one.alias_info.before_set
        ]
        wrapped = Pretended(result) if away and isinstance(result, torch.Tensor) else result
        returned.append(written[0] if written else wrapped)
    return tuple(returned) if isinstance(made, tuple) else returned[0] if returned else None
