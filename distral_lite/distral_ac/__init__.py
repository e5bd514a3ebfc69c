"""Chapter 10: Distral by actor–critic (thesis algorithm 2, with its errata), over lanes of runs and tasks.

One column, two columns, and actor–critic without sharing are the same code: they differ in how a task acts, and in whether pi_0 learns.
The task preferences f are [R, K, ...], the distilled preferences h are [R, 1, ...]: one for the tasks of a run, none for two runs.

`learning` is the algorithm, `losses` its lines 21 to 31 one by one, `episodes` its lines 9 to 18. `exact` replaces the sampled gradient
by the exact one, and says by how much one episode's gradient strays from it.
"""

from distral_lite.distral_ac.episodes import Batch, play
from distral_lite.distral_ac.exact import Moments, distilled_moments, exact_ascent, expected_signal, task_moments
from distral_lite.distral_ac.learner import policies, soft_value_of
from distral_lite.distral_ac.learning import train
from distral_lite.distral_ac.losses import (
    actor_loss,
    centroid_loss,
    critic_loss,
    fading,
    regularised_reward,
    taken,
    tally,
    target,
    weights,
)
from distral_lite.distral_ac.state import Agent, Config, History, Run

__all__ = [
    "Agent",
    "Batch",
    "Config",
    "History",
    "Moments",
    "Run",
    "actor_loss",
    "centroid_loss",
    "critic_loss",
    "distilled_moments",
    "exact_ascent",
    "expected_signal",
    "fading",
    "play",
    "policies",
    "regularised_reward",
    "soft_value_of",
    "taken",
    "tally",
    "target",
    "task_moments",
    "train",
    "weights",
]
