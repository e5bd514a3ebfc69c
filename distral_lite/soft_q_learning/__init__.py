"""Chapter 06: soft Q-learning (thesis 2.33 to 2.45): the bandit, the exact soft optimum, and learning it over lanes.

`exact` solves, `learning` learns, `bandit` is the case of one state. Alpha and the prior are arguments everywhere: Distral will change
them, and use the same functions.
"""

from distral_lite.soft_q_learning.bandit import bandit_objective, bandit_policy_gradient, bandit_value_gradient, bandit_value_loss
from distral_lite.soft_q_learning.exact import SoftSolution, critical_beta, soft_backup, soft_evaluate, soft_value_iteration, solve
from distral_lite.soft_q_learning.learning import (
    Agent,
    Config,
    History,
    Run,
    Window,
    draw,
    mix,
    targets,
    train,
    update_network,
    update_table,
)

__all__ = [
    "Agent",
    "Config",
    "History",
    "Run",
    "SoftSolution",
    "Window",
    "bandit_objective",
    "bandit_policy_gradient",
    "bandit_value_gradient",
    "bandit_value_loss",
    "critical_beta",
    "draw",
    "mix",
    "soft_backup",
    "soft_evaluate",
    "soft_value_iteration",
    "solve",
    "targets",
    "train",
    "update_network",
    "update_table",
]
