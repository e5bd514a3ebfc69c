"""Chapter 06's runs: soft Q-learning by tables on map 4, as distances to the exact soft optimum.

The exploring starts and the short episodes are chapter 06's own: every state is met early, so that what is left is the speed of learning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from distral_lite import soft_q_learning
from distral_lite.experiments.experiment import Experiment
from distral_lite.mdp import MDP


def train(tasks: Sequence[MDP], config: soft_q_learning.Config, seeds: Sequence[int]) -> soft_q_learning.Run:
    """`soft_q_learning.train` with a uniform prior."""
    return soft_q_learning.train(tasks, config, seeds)


def measure(run: soft_q_learning.Run, tasks: Sequence[MDP], config: soft_q_learning.Config) -> dict[str, Tensor]:
    """How far Q is from the exact soft Q after `steps` [R, T] steps: its mean and its largest error over all that can be done, [R, T]."""
    (task,) = tasks
    states, actions = task.reward.shape
    uniform = torch.full((actions,), -math.log(actions), dtype=torch.float64)
    exact = soft_q_learning.solve(task, uniform, config.alpha, config.beta, config.discount).q
    acting = ~(task.terminal & (task.successor == torch.arange(states).view(-1, 1, 1))).all(-1).all(-1)  # all but the goal itself
    error = (run.history.snapshots[:, 0] - exact)[:, :, acting].abs()
    steps = run.history.snapshot_steps.expand(error.shape[:2])
    return {"steps": steps.int(), "mean_error": error.mean((-1, -2)).float(), "largest_error": error.amax((-1, -2)).float()}


ONE_STEP = soft_q_learning.Config(
    steps=6000,
    discount=0.95,
    alpha=0.8,
    beta=5.0,
    learning_rate=0.5,
    epsilon=0.5,
    memory=5000,
    batch=16,
    exploring_starts=True,
    max_episode_steps=20,
    snapshots=60,
)
THREE_STEPS = replace(ONE_STEP, n_steps=3, learning_rate=0.2)


def _experiment(name: str, title: str, config: soft_q_learning.Config) -> Experiment:
    """One of the three."""
    return Experiment(
        name=name,
        family="soft_q",
        title=title,
        thesis="2.5.4",
        train=train,
        config=config,
        tasks=(4,),
        measure=measure,
        probe={"steps": 200, "memory": 150, "snapshots": 2},
        seconds=40.0,
    )


EXPERIMENTS = (
    _experiment("soft-q-one-step", "Soft Q-learning with tables on map 4, one-step targets", ONE_STEP),
    _experiment("soft-q-three-steps", "Soft Q-learning with tables on map 4, three-step targets with sampled log-ratios", THREE_STEPS),
    _experiment(
        "soft-q-three-steps-printed",
        "Soft Q-learning with tables on map 4, three-step targets with the expected KL, as (2.44) is printed, on replayed data",
        replace(THREE_STEPS, target="expected_kl"),
    ),
)
