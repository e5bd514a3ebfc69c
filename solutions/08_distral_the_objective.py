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
# # Solutions to 08 · Distral: the objective
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite.checks import check

# %% [markdown]
# ## 8.1 The task policy of two columns
#
# $\pi_0^\alpha e^{\beta f}$ has the log $\alpha\log\pi_0 + \beta f$; `log_softmax` normalises it. A constant added to the preferences $h$
# adds $\alpha$ times that constant to every action's logit, and the normaliser takes it out again, so preferences and log-probabilities do
# equally well here. Stay in logs: at $\beta = 1000$ most probabilities underflow to zero, and a later $\log$ of them would be $-\infty$.


# %%
def my_two_columns(pi0, f, alpha, beta):
    """Log of pi_0(a)^alpha exp(beta f(a)), normalised over the last axis; pi0 are probabilities [..., A]."""
    return torch.log_softmax(alpha * pi0.log() + beta * f, -1)


_ = check("8.1", my_two_columns)

# %% [markdown]
# ## 8.2 The centroid
#
# In each state (2.68) is $\sum_a w_a \log\pi_0(a)$ with $w_a = \sum_i d_i(s)\pi_i(a\mid s)$. Subtract its largest possible value and what
# is left is $-\mathrm{KL}$ from the normalised $w$ to $\pi_0$, times the sum of $w$: zero exactly when $\pi_0$ is $w$ normalised. The
# common slips all change $w$: equal weights forget who is there, a mean of logs is another average altogether, and visits that sum to one
# give a task that is done in 5 steps the same say as one that runs for 20.


# %%
def my_centroid(policies, visits):
    """pi_0(a | s) in proportion to sum_i visits[i, s] * policies[i, s, a]: [K, S, A] and [K, S] give [S, A]."""
    mixture = (visits.unsqueeze(-1) * policies).sum(0)
    total = mixture.sum(-1, keepdim=True)
    uniform = torch.full_like(mixture, 1 / mixture.shape[-1])
    return torch.where(total > 0, mixture / torch.where(total > 0, total, 1.0), uniform)


_ = check("8.2", my_centroid)

# %% [markdown]
# ## 8.3 Read the limits
#
# **b.** As $\beta\to\infty$ all prices vanish, so each task takes its own best actions. The distilled policy costs nobody anything any
# more, but the factor $\alpha/\beta$ in front of (2.68) scales the whole sum and does not move its maximum: $\pi_0$ is still the average,
# certain in the corridor and undecided where the five part.

# %%
_ = check("8.3", "b")

# %% [markdown]
# ## 8.4 Find the planted bug
#
# The colleague averages over actions of $\pi_0$. But a price is paid on the actions that are *taken*, and the task takes them by $\pi_i$.
# What they computed is $-\mathrm{KL}(\pi_0\,\|\,\pi_i)$, which is never positive: hence the "earnings". The two divergences differ much
# where one policy all but rules out what the other still does.


# %%
def price_of_leaving(log_pi, log_pi0, alpha, beta):
    """(alpha / beta) KL(pi_i || pi_0) for each state: [K, S, A] and [S, A] give [K, S]."""
    return alpha / beta * (log_pi.exp() * (log_pi - log_pi0)).sum(-1)


_ = check("8.4", price_of_leaving)
