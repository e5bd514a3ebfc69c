"""CartPole-v1 by chapter 03's DQN and by chapter 05's A2C: ten seeds each, every one reported.

A run keeps copies of its network. The best of them is chosen by its mean return over 30 greedy episodes, and reported on 100 others. The
settings were found with other seeds than those reported here: 1000 and up.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from distral_lite import actor_critic, dqn, lanes, networks
from distral_lite.experiments.experiment import Claim, Experiment, Verdict
from distral_lite.results import Stored

SOLVED = 475  # mean return from which on Gymnasium calls CartPole-v1 solved; 500 is the most that there is
RUNS, WANTED = 10, 0.8  # seeds, and the share of them that shall reach it
FIRST_SEED = 1000  # of the runs
CHOICE, REPORT = (1_000_000, 30), (2_000_000, 100)  # first seed, and how many a run, of the episodes to choose by and of those to report


def train_dqn(tasks: list, config: dqn.Config, seeds: Sequence[int]) -> dqn.Run:
    """Deep Q-learning with seeds that were not used when the settings were looked for."""
    return dqn.train(tasks, config, [FIRST_SEED + seed for seed in seeds])


def train_a2c(tasks: list, config: actor_critic.Config, seeds: Sequence[int]) -> actor_critic.Run:
    """A2C, likewise."""
    return actor_critic.train(tasks, config, [FIRST_SEED + seed for seed in seeds])


def measure_dqn(run: dqn.Run, tasks: list, config: dqn.Config) -> Mapping[str, Tensor]:
    """What `measure` gives for the copies of the action values."""
    return measure(run.history.checkpoints, run.history.snapshot_steps, tasks)


def measure_a2c(run: actor_critic.Run, tasks: list, config: actor_critic.Config) -> Mapping[str, Tensor]:
    """What `measure` gives for the copies of the actor."""
    return measure(run.history.actors, run.history.snapshot_steps, tasks)


def measure(checkpoints: Sequence[networks.MLP], steps: Tensor, tasks: list) -> dict[str, Tensor]:
    """Chooses each run's best checkpoint, and plays it.

    Args:
        checkpoints: T copies of [R, 1] lanes.
        steps: [T], environment steps after which they were made.
        tasks: the one task.

    Returns:
        `steps` [R, T]; `choice` [R, T], mean return of each checkpoint over the episodes to choose by; `chosen` [R], the steps of the
        chosen one; `returns` [R, 100], its returns in the episodes to report.
    """
    runs = networks.parameters(checkpoints[0])[0].shape[0]
    to_choose, to_report = (lanes.make_world(tasks, range(first, first + count * runs)) for first, count in (CHOICE, REPORT))
    means = networks.mean_returns(checkpoints, to_choose)  # [T, R, 1]
    choice = networks.latest_best(means)
    returns = networks.greedy_returns(networks.pick(checkpoints, choice), to_report)
    return {
        "steps": steps.int().expand(runs, -1),
        "choice": means[..., 0].T.float(),
        "chosen": steps[choice[:, 0]].int(),
        "returns": returns[:, 0].to(torch.int16),
    }


def _solved(name: str) -> Any:
    def judge(found: Mapping[str, Stored]) -> Verdict:
        means = found[name].arrays["returns"].mean(-1)
        count = int((means >= SOLVED).sum())
        evidence = f"{count} of {len(means)} seeds reach {SOLVED}; means of 100 episodes: {', '.join(f'{mean:.0f}' for mean in means)}."
        return Verdict("confirmed" if count >= WANTED * len(means) else "not confirmed", evidence)

    return judge


EXPERIMENTS = (
    Experiment(
        name="cartpole-dqn",
        family="cartpole",
        title="CartPole-v1 by DQN, best checkpoint on 100 other episodes",
        train=train_dqn,
        config=dqn.Config(
            steps=50_000,
            learning_rate=2.3e-3,
            batch=64,
            capacity=50_000,
            learning_starts=1000,
            update_every=2,
            target_every=20,
            epsilon_end=0.04,
            epsilon_steps=8000,
            hidden=(64, 64),
            snapshots=50,
        ),
        tasks=("CartPole-v1",),
        measure=measure_dqn,
        probe={"steps": 300, "learning_starts": 100, "snapshots": 1},
        seeds_per_job=RUNS,
        seconds=200.0,
    ),
    Experiment(
        name="cartpole-a2c",
        family="cartpole",
        title="CartPole-v1 by A2C, best checkpoint on 100 other episodes",
        train=train_a2c,
        config=actor_critic.Config(
            steps=100_000,
            environments=8,
            horizon=16,
            lambda_=0.95,
            actor_rate=2e-3,
            critic_rate=4e-3,
            hidden=(64, 64),
            clip_norm=1.0,
            snapshots=20,
        ),
        tasks=("CartPole-v1",),
        measure=measure_a2c,
        probe={"steps": 1280, "snapshots": 1},
        seeds_per_job=RUNS,
        seconds=120.0,
    ),
)
CLAIMS = tuple(
    Claim(
        name=f"cartpole-{agent.lower()}-solved",
        thesis="",
        sentence=f"{agent} solves CartPole-v1: at least eight of ten seeds reach a mean return of {SOLVED}.",
        needs=(f"cartpole-{agent.lower()}",),
        judge=_solved(f"cartpole-{agent.lower()}"),
    )
    for agent in ("DQN", "A2C")
)
