"""Chapter 07's runs: soft actor-critic on Pendulum-v1, as the thesis's A.3 has it.

Each seed is a job of its own, so that the chapter's live run of one seed is the same program, on one lane: with fewer steps it gives the
beginning of the stored run, to the last bit on the same type of machine. (Among other lanes the arithmetic is the same, but not its
rounding, and after a thousand updates of a swinging pendulum that can be seen.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from distral_lite import lanes, sac
from distral_lite.experiments.experiment import Experiment
from distral_lite.gym_bridge import GymTask

EPISODES, FIRST_SEED = 100, 1_000_000  # of the evaluation; far from the seeds of training


def continuous_tasks(names: Sequence[str]) -> list[GymTask]:
    """Gymnasium environments whose actions are vectors."""
    return [GymTask(name, continuous=True) for name in names]


def evaluate(policy: Any, tasks: list, episodes: int = EPISODES) -> Tensor:
    """Returns [R, K, E] of E episodes in which each lane takes its mean action; they start unlike the episodes of training."""
    runs = policy.weights[0].shape[0]
    return sac.greedy_returns(policy, lanes.make_world(tasks, range(FIRST_SEED, FIRST_SEED + runs * episodes)))


def measure(run: sac.Run, tasks: list, config: sac.Config) -> dict[str, Tensor]:
    """Returns of the training episodes [R, N], and of 100 episodes of the last policy's mean action [R, 100]."""
    return {"returns": run.history.returns[:, 0].float(), "evaluation": evaluate(run.agent.policy, tasks)[:, 0].float()}


EXPERIMENTS = (
    Experiment(
        name="sac-pendulum",
        family="sac",
        title="Soft actor-critic (A.3) on Pendulum-v1",
        thesis="2.5.7",
        train=sac.train,
        config=sac.PENDULUM,
        tasks=("Pendulum-v1",),
        make_tasks=continuous_tasks,
        measure=measure,
        probe={"steps": 600, "snapshots": 1},
        probe_seeds=1,
        seeds_per_job=1,
        tolerance=1e-2,
        seconds=60.0,
    ),
)
