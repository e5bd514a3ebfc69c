"""Chapter 04: policy gradients (thesis 2.3, equations 2.18 to 2.25).

`exact` has the scores, the exact gradients and all trajectories of a small MDP; `learning` is REINFORCE over lanes, and `episodes` the
memory that it collects whole episodes in.
"""

from distral_lite.policy_gradient.episodes import Episodes, empty_episodes, take, write_step
from distral_lite.policy_gradient.exact import (
    Trajectories,
    box_weights,
    exact_direction_as_printed,
    exact_gradient,
    gaussian_log_density,
    gradient_by_visits,
    mean_and_variance,
    objective,
    printed_weights,
    score,
    trajectories,
    trajectory_gradient,
    whole_trajectory_weights,
)
from distral_lite.policy_gradient.learning import (
    Agent,
    Ascent,
    Config,
    History,
    Run,
    adam_step,
    baseline_loss,
    estimates,
    plain_step,
    policy_loss,
    start_ascent,
    train,
    update,
)

__all__ = [
    "Agent",
    "Ascent",
    "Config",
    "Episodes",
    "History",
    "Run",
    "Trajectories",
    "adam_step",
    "baseline_loss",
    "box_weights",
    "empty_episodes",
    "estimates",
    "exact_direction_as_printed",
    "exact_gradient",
    "gaussian_log_density",
    "gradient_by_visits",
    "mean_and_variance",
    "objective",
    "plain_step",
    "policy_loss",
    "printed_weights",
    "score",
    "start_ascent",
    "take",
    "train",
    "trajectories",
    "trajectory_gradient",
    "update",
    "whole_trajectory_weights",
    "write_step",
]
