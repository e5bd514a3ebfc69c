"""What experiments keep of a run: small arrays with the seeds first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from distral_lite import mdp
from distral_lite.validation import check_positive


def first_episodes(values: Tensor, count: int) -> np.ndarray:
    """The first episodes of every lane, in a shape that does not depend on luck.

    Args:
        values: [R, K, E], a number an episode, NaN where a lane finished fewer; such as `history.durations`.
        count: how many to keep.

    Returns:
        [R, K, count] float32, NaN where a lane finished fewer.
    """
    check_positive("measures.first_episodes", "count", count, whole=True)
    kept = np.full((*values.shape[:2], count), np.nan, dtype=np.float32)
    some = min(count, values.shape[-1])
    kept[..., :some] = values[..., :some].cpu().numpy()
    return kept


def binned(values: Tensor | np.ndarray, bins: int) -> np.ndarray:
    """Means of equal stretches of the last axis, NaNs left out.

    Args:
        values: [..., E], E a multiple of `bins`.
        bins: how many stretches.

    Returns:
        [..., bins] float32, NaN where a stretch has no number.

    Raises:
        ValueError: E is no multiple of `bins`.
    """
    values = np.asarray(values)
    if values.shape[-1] % bins:
        raise ValueError(f"measures.binned: values has {values.shape[-1]} entries, wanted a multiple of bins = {bins}")
    parts = values.reshape(*values.shape[:-1], bins, -1)
    known = ~np.isnan(parts)
    total, count = np.where(known, parts, 0).sum(-1, dtype=np.float64), known.sum(-1)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0).astype(np.float32)


def expected_steps(tasks: Sequence[mdp.MDP], log_policy: Tensor, epsilon: float = 0.0, cap: int = 1000) -> np.ndarray:
    """The exact expected length of an episode under learned policies: what a learned curve is without the luck of its episodes.

    Args:
        tasks: K of them.
        log_policy: [R, K, ..., S, A].
        epsilon: share of random actions, mixed in.
        cap: steps at which an episode is cut.

    Returns:
        [R, K, ...] float32, in steps.
    """
    policy = log_policy.double().exp()
    policy = (1 - epsilon) * policy + epsilon / policy.shape[-1]
    lanes = [[torch.as_tensor(mdp.expected_steps(task, policy[r, k], cap)) for k, task in enumerate(tasks)] for r in range(len(policy))]
    return torch.stack([torch.stack(run) for run in lanes]).numpy().astype(np.float32)
