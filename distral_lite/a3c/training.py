"""A3C from the outside: `train` starts the workers, watches them, and puts their records together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from distral_lite import lanes, networks
from distral_lite.a3c.state import Agent, Config, History, Record, Run, share
from distral_lite.a3c.team import Team


@lanes.checked
def train(
    tasks: Sequence[Any], config: Config, seeds: Sequence[int], task_ids: Sequence[int] | None = None, progress: bool = False
) -> Run:
    """A3C (thesis 2.4.1, Algorithm S3): `config.workers` processes, each stepping all lanes in worlds of its own.

    In a script, call it under `if __name__ == "__main__":`, as the workers import the script; notebooks need nothing.

    Args:
        tasks: K MDPs over the same states and actions, or K `gym_bridge.GymTask`s with the same spaces and numbered actions.
        config: settings.
        seeds: R different integers, one a run, below 2**32 / config.workers. They fix the random numbers that each worker draws, and not
            who updates first: with more than one worker two calls give two results.
        task_ids: K different integers that number the tasks for their random numbers, 0 ... K-1 if None.
        progress: show a progress bar.

    Returns:
        What was learned and how. Interrupting the kernel stops the workers and returns
        what there is by then: nothing, but at once, while they are still importing.

    Raises:
        WorkerError: a worker died (it ran out of memory, say, or was killed), was suspended
            for seconds (by SIGSTOP) or raised an exception. No process is left behind.
        ValueError: tasks that do not fit together, continuous actions, tables where states are not numbered.
    """
    # (This world steps nowhere: it knows the sizes, and refuses here what would fail there.)
    world = lanes.make_world(tasks, seeds, task_ids, config.max_episode_steps, config.exploring_starts)
    lanes.check_numbered("a3c.train", world, states=False)
    shared = share(world, config, lanes.LaneRandom(seeds, task_ids, stream=2))
    kept = {0: Agent(*(networks.copy(network) for network in shared.agent))}
    with Team(shared, config, tasks, seeds, task_ids) as team, tqdm(total=config.steps, disable=not progress) as bar:

        def look() -> None:
            done = int(shared.steps.sum())
            bar.update(min(done, config.steps) - bar.n)
            due = done * config.snapshots // config.steps
            if max(kept) * config.snapshots // config.steps < due < config.snapshots:  # the last one is taken at the end, below
                kept[done] = Agent(*(networks.copy(network) for network in shared.agent))

        try:
            team.attend(look)
        except KeyboardInterrupt:
            team.stop(look)
        kept[int(shared.steps.sum())] = Agent(*(networks.copy(network) for network in shared.agent))
    return _run(kept, team.records, world)


def _run(kept: dict[int, Agent], records: dict[int, Record], world: lanes.World) -> Run:
    """Puts the records of the workers together, of those that sent one."""
    agents, features = list(kept.values()), world.features
    actors = tuple(agent.actor for agent in agents)
    policies = None if features is None else torch.stack([networks.on_states(actor, features) for actor in actors], dim=2).softmax(-1)
    nothing = Record(np.zeros((world.runs, world.tasks, 0)), np.zeros((world.runs, world.tasks, 0)), [], [])
    workers, found = [0, *sorted(records)], [nothing, *(records[worker] for worker in sorted(records))]
    steps, staleness = (np.concatenate([getattr(record, field) for record in found]) for field in ("update_steps", "staleness"))
    order = np.argsort(steps, kind="stable")
    who = np.repeat(workers, [len(record.staleness) for record in found])
    updates = (torch.from_numpy(array[order].astype(np.int64)) for array in (steps, who, staleness))
    return Run(agents[-1], History(*_episodes(found), *updates, torch.tensor(list(kept)), actors, policies))


def _episodes(records: Sequence[Record]) -> tuple[Tensor, Tensor]:
    """Durations and returns [R, K, N] of all workers' episodes, ordered by the steps that the worker had taken at their ends."""
    ends = np.concatenate([record.durations.cumsum(-1) for record in records], -1)  # an episode begins where the one before it ended
    most = int((~np.isnan(ends)).sum(-1).max(initial=0))
    order = np.argsort(ends, axis=-1, kind="stable")[..., :most]  # NaN last
    durations, returns = (np.concatenate([getattr(record, field) for record in records], -1) for field in ("durations", "returns"))
    return torch.from_numpy(np.take_along_axis(durations, order, -1)), torch.from_numpy(np.take_along_axis(returns, order, -1))
