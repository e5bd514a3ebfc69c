"""Every function that trains, with settings and tasks that take a blink: a new algorithm is covered by being listed here."""

from collections.abc import Callable
from typing import Any, NamedTuple

from distral_lite import (
    a3c,
    actor_critic,
    distral_ac,
    distral_sql,
    dqn,
    policy_gradient,
    q_learning,
    regularised_actor_critic,
    sac,
    soft_q_learning,
)
from distral_lite.experiments import two_rooms
from distral_lite.gridworld import GridWorld
from distral_lite.gym_bridge import GymTask


class Algorithm(NamedTuple):
    """A function `train(tasks, config, seeds, task_ids, progress)` and what to call it with.

    Attributes:
        name: as messages call it.
        train: the function.
        config: short settings.
        tables: it learns with tables or on all states at once, and needs numbered states.
        task: one task that it can learn.
        watched: it takes `watch`.
    """

    name: str
    train: Callable[..., Any]
    config: Any
    tables: bool
    task: Any
    watched: bool = False


MAZE = GridWorld.from_text("#####\n#S.G#\n#####").mdp()
SHORT = {"max_episode_steps": 4, "snapshots": 1}
STEPS = {"steps": 8, **SHORT}
REPLAYED = {**STEPS, "hidden": (3,), "batch": 2, "capacity": 8, "learning_starts": 2}

ALGORITHMS = [
    Algorithm("q_learning.train", q_learning.train, q_learning.Config(**STEPS), True, MAZE),
    Algorithm("dqn.train", dqn.train, dqn.Config(**REPLAYED, target_every=3), False, MAZE),
    Algorithm(
        "policy_gradient.train",
        policy_gradient.train,
        policy_gradient.Config(**STEPS, baseline_learning_rate=0.1, adam=True, hidden=(3,)),
        False,
        MAZE,
    ),
    Algorithm("actor_critic.train", actor_critic.train, actor_critic.Config(**STEPS, horizon=2, environments=2), False, MAZE),
    Algorithm(
        "actor_critic.train_q",
        actor_critic.train_q,
        actor_critic.Config.one_step(**STEPS, hidden=(3,)),
        False,
        MAZE,
    ),
    Algorithm("a3c.train", a3c.train, a3c.Config(**STEPS, workers=1), False, MAZE),
    Algorithm(
        "soft_q_learning.train",
        soft_q_learning.train,
        soft_q_learning.Config(**STEPS, n_steps=2, memory=4),
        True,
        MAZE,
    ),
    Algorithm(
        "regularised_actor_critic.train",
        regularised_actor_critic.train,
        regularised_actor_critic.Config(**STEPS, horizon=2, environments=2),
        True,
        MAZE,
    ),
    Algorithm("sac.train", sac.train, sac.Config(**REPLAYED), False, GymTask("Pendulum-v1", continuous=True)),
    Algorithm("sac.train_discrete", sac.train_discrete, sac.Config(**REPLAYED), False, MAZE),
    Algorithm(
        "distral_sql.train",
        distral_sql.train,
        distral_sql.Config(**STEPS, n_steps=2, memory=6, batch=2, hidden=(3,), target_every=3),
        True,
        MAZE,
        watched=True,
    ),
    Algorithm(
        "distral_ac.train",
        distral_ac.train,
        distral_ac.Config(updates=2, hidden=(3,), **SHORT),
        True,
        MAZE,
        watched=True,
    ),
    Algorithm(
        "distral_ac.exact_ascent",
        distral_ac.exact_ascent,
        distral_ac.Config(updates=2, hidden=None, **SHORT),
        True,
        MAZE,
        watched=True,
    ),
]
CONFIGS = [*dict.fromkeys(type(algorithm.config) for algorithm in ALGORITHMS), two_rooms.Config]
