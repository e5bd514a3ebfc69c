"""Playing networks greedily, and choosing among checkpoints. See the package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from distral_lite.networks.structure import MLP, Network, as_function, each, parameters


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
    return pick(checkpoints, latest_best(mean_returns(checkpoints, world)))


def latest_best(means: Tensor) -> Tensor:
    """Which of T checkpoints has the largest mean, the latest of those that are equally good: [T, R, K] gives [R, K] int64."""
    return len(means) - 1 - means.flip(0).argmax(0)


def mean_returns(checkpoints: Sequence[MLP], world: Any) -> Tensor:
    """Each checkpoint's mean return over E greedy episodes: [T, R, K] float64. Arguments as for `best`."""
    return torch.stack([greedy_returns(network, world).mean(-1) for network in checkpoints])


@torch.no_grad()
def greedy_returns(network: MLP, world: Any, choose: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Plays E episodes with every lane's network, always taking the action of largest output, and gives their returns.

    It serves action values and the logits of a policy alike. Every episode has a lane of the world for itself, so E episodes take no
    longer than the longest of them.

    Args:
        network: parameters [R, K, ...].
        world: a `lanes.World` of R * E runs (run r plays those numbered r * E to r * E + E - 1) and K tasks, observations [R * E, K, N]
            or, where `world.features` is not None, state numbers.
        choose: another function from outputs [R, K, E, ...] to actions [R, K, E] or [R, K, E, D]; None takes the largest output.

    Returns:
        [R, K, E] float64, undiscounted returns of the first episode of each of the world's lanes.

    Raises:
        ValueError: runs that are not a multiple of R.
    """
    runs, tasks = parameters(network)[0].shape[:2]
    if world.runs % runs or world.tasks != tasks:
        raise ValueError(f"networks.greedy_returns: world has {world.runs} runs of {world.tasks} tasks, wanted {runs} * E of {tasks}")
    q, observation = as_function(network, world.features), world.reset()
    finished = torch.zeros(world.runs, world.tasks, dtype=torch.bool, device=observation.device)
    result = torch.zeros_like(finished, dtype=torch.float64)
    while not bool(finished.all()):
        mine = observation.unflatten(0, (runs, -1)).transpose(1, 2)  # [R, K, E] or [R, K, E, N]
        action = q(mine).argmax(-1) if choose is None else choose(q(mine))
        seen = world.step(action.transpose(1, 2).flatten(0, 1))
        result = torch.where(finished, result, seen.rewards)
        finished |= seen.done
        observation = seen.observation
    return result.unflatten(0, (runs, -1)).transpose(1, 2)
