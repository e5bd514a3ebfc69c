"""Chapter 07: soft actor-critic (thesis 2.55 to 2.61 and A.3), over lanes.

`continuous` is A.3 as printed, for actions that are vectors; `gaussian` is its policy. `discrete` is the form for numbered actions, whose
fixed point is the exact soft optimum. `state` has the settings, and what the two share.
"""

from distral_lite.sac.continuous import action_values, greedy_returns, policy_loss, state_values, train, v_target
from distral_lite.sac.discrete import policy_loss_discrete, soft_mean, train_discrete, v_target_discrete
from distral_lite.sac.gaussian import gaussian, log_slope, mean_action, sample_action, squashed_log_density, standard_normal
from distral_lite.sac.state import PENDULUM, Agent, Config, History, Run, descend, polyak, q_target, squared_error

__all__ = [
    "PENDULUM",
    "Agent",
    "Config",
    "History",
    "Run",
    "action_values",
    "descend",
    "gaussian",
    "greedy_returns",
    "log_slope",
    "mean_action",
    "policy_loss",
    "policy_loss_discrete",
    "polyak",
    "q_target",
    "sample_action",
    "soft_mean",
    "squared_error",
    "squashed_log_density",
    "standard_normal",
    "state_values",
    "train",
    "train_discrete",
    "v_target",
    "v_target_discrete",
]
