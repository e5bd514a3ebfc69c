"""Chapter 05: actor–critic (thesis 2.26 to 2.32 and the one-step box): what its estimates are worth exactly, and learning over lanes.

`exact` enumerates: baselines, advantages, and bias and variance of n-step and lambda estimates. `learning` learns: A2C, whose one-step
form is the thesis's box, and the Q actor–critic.
"""

from distral_lite.actor_critic.exact import (
    Moments,
    advantages,
    best_baseline,
    certain,
    compatible_weights,
    gradient,
    gradient_variance,
    lambda_moments,
    n_step_moments,
    score,
    td_weights,
)
from distral_lite.actor_critic.learning import act, actor_loss, critic_loss, entropy, q_target, train, train_q
from distral_lite.actor_critic.rollout import Rollout
from distral_lite.actor_critic.state import Agent, Config, History, Run

__all__ = [
    "Agent",
    "Config",
    "History",
    "Moments",
    "Rollout",
    "Run",
    "act",
    "actor_loss",
    "advantages",
    "best_baseline",
    "certain",
    "compatible_weights",
    "critic_loss",
    "entropy",
    "gradient",
    "gradient_variance",
    "lambda_moments",
    "n_step_moments",
    "q_target",
    "score",
    "td_weights",
    "train",
    "train_q",
]
