# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solutions to 06 · Soft Q-learning
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite.checks import check

# %% [markdown]
# ## 6.1 Write it so that it survives β = 10 000
#
# Take the largest exponent out of the sum and put it back after the log; then every exponential is at most 1 and one of them is exactly 1,
# so the log is never of 0. `torch.logsumexp` does just that. Take out the largest of *everything* that is exponentiated: the prior's log
# may be very negative for the best action. The commonest slip is to forget the prior, which makes three tied actions worth
# $\tfrac1\beta\log 3$ more than one.


# %%
def my_soft_value(q, log_prior, beta):
    """(1/β) log Σ_a exp(log π₀(a) + β q(a)) over the last axis: [..., A] gives [...]."""
    exponent = log_prior + beta * q
    largest = exponent.max(-1, keepdim=True).values
    return ((exponent - largest).exp().sum(-1).log() + largest.squeeze(-1)) / beta


_ = check("6.1", my_soft_value)

# %% [markdown]
# ## 6.2 The soft policy
#
# Sum of logs, then normalise. A policy in logs keeps what probabilities lose: at $\beta = 1000$ most of these are 0 in float64, and their
# logs are not.


# %%
def my_soft_policy(q, log_prior, alpha, beta):
    """Log of π₀(a)^α exp(β q(a)), normalised over the last axis: [..., A]."""
    return torch.log_softmax(alpha * log_prior + beta * q, -1)


_ = check("6.2", my_soft_policy)

# %% [markdown]
# ## 6.3 One Newton step
#
# Three lines of chapter 01 with a price in the reward. Two slips are common. To stop after the soft backup is value iteration: it looks one
# step ahead, where the solve looks all the way. And to evaluate without the price overestimates the policy, so that the next policy leaves
# the prior too easily.


# %%
def my_newton_step(values, reward, transition, log_prior, beta, discount):
    """V of the soft policy of Q(V): values [S], reward [S, A], transition [S, A, S], log_prior [S, A]; returns [S]."""
    q = reward + discount * transition @ values
    log_policy = torch.log_softmax(log_prior + beta * q, -1)
    policy = log_policy.exp()
    pay = (policy * (reward - (log_policy - log_prior) / beta)).sum(-1)
    chain = torch.einsum("sa,sat->st", policy, transition)
    return torch.linalg.solve(torch.eye(len(values), dtype=values.dtype) - discount * chain, pay)


_ = check("6.3", my_newton_step)

# %% [markdown]
# ## 6.4 Explain it
#
# **c.** The bonus for indecision is $\tfrac{1-\alpha}{\beta}\log 5$ a step at most: at $\alpha = 0.8$, $\beta = 1$ that is 0.32, three
# times what a step costs; at $\alpha = 0.95$ it is 0.08, less than a step costs. (Bumping into walls costs more than a step, so the border
# is not exactly where the two are equal; chapter 06 computes it.) Precision, stabilised sums and patience all serve an objective that does
# not ask for arrival.

# %%
_ = check("6.4", "c")

# %% [markdown]
# ## 6.5 Find the planted bug
#
# Two faults. The value is that of `state`, where the action was taken, so the target does not depend on where the action led (it is the
# misprint of (2.45), in code). And terminal steps bootstrap. Either one alone keeps the values from settling where they should; a careful
# look at one terminal transition by hand finds the second.


# %%
def soft_target(q, log_prior, beta, discount, reward, state, next_state, terminal):
    """y = r + γ V(s') with the soft value of the next state, and r alone after a terminal step: q [S, A], the others [B]."""
    value = torch.logsumexp(log_prior + beta * q[next_state], -1) / beta
    return reward + discount * (~terminal).to(q.dtype) * value


_ = check("6.5", soft_target)
