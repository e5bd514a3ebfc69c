"""Chapter 07: regularised actor–critic (thesis 2.46 to 2.54): what its gradients are worth exactly, and learning over lanes.

`exact` has the naive and the right gradient, `equivalence` shows that soft Q-learning is the same algorithm, `learning` learns.
"""

from distral_lite.regularised_actor_critic.equivalence import Losses, actor_critic_losses, both_gradients, soft_q_loss
from distral_lite.regularised_actor_critic.exact import (
    n_step_signal,
    naive_fixed_point,
    naive_gradient,
    objective,
    proper_gradient,
    regularised_values,
    regulariser_gradient,
    score_term,
    td_gradient,
    td_gradient_closed_form_alone,
)
from distral_lite.regularised_actor_critic.learning import Prices, actor_loss, critic_loss, prices, train
from distral_lite.regularised_actor_critic.state import Agent, Config, History, Run

__all__ = [
    "Agent",
    "Config",
    "History",
    "Losses",
    "Prices",
    "Run",
    "actor_critic_losses",
    "actor_loss",
    "both_gradients",
    "critic_loss",
    "n_step_signal",
    "naive_fixed_point",
    "naive_gradient",
    "objective",
    "prices",
    "proper_gradient",
    "regularised_values",
    "regulariser_gradient",
    "score_term",
    "soft_q_loss",
    "td_gradient",
    "td_gradient_closed_form_alone",
    "train",
]
