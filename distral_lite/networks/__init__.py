"""Networks of many lanes: parameters that lead with [R, K], evaluated by batched matrix products.

A network is a NamedTuple of tensors, not an object with state, so that it can be copied, compared and differentiated like a number.
Nothing here mixes lanes: sum the losses of the lanes before `backward`, and clip each lane's gradient by itself. A mean over lanes, or
the norm of all gradients together, would make one lane's learning depend on its neighbours.

`structure` makes, evaluates, copies and packs networks; `learning` has Adam, clipping and backpropagation by hand; `play` plays networks
greedily and chooses among checkpoints.
"""

from distral_lite.networks.learning import Adam, ByHand, adam, clip_gradients
from distral_lite.networks.play import best, greedy_returns, latest_best, mean_returns, pick
from distral_lite.networks.structure import (
    MLP,
    SLOPE,
    THESIS_HIDDEN,
    Network,
    Packed,
    Table,
    apply,
    as_function,
    at,
    copy,
    copy_into,
    each,
    mlp,
    on_states,
    pack,
    parameters,
    table,
    unpack,
)

__all__ = [
    "MLP",
    "SLOPE",
    "THESIS_HIDDEN",
    "Adam",
    "ByHand",
    "Network",
    "Packed",
    "Table",
    "adam",
    "apply",
    "as_function",
    "at",
    "best",
    "clip_gradients",
    "copy",
    "copy_into",
    "each",
    "greedy_returns",
    "latest_best",
    "mean_returns",
    "mlp",
    "on_states",
    "pack",
    "parameters",
    "pick",
    "table",
    "unpack",
]
