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
# # Solutions to 03 · Deep Q-learning
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite.checks import check

# %% [markdown]
# ## 3.1 What does the copy do?
#
# Between two copies the target is a fixed number, so the update is a plain regression: it goes where it should and stops. That part is safe
# for every C. What happens over many periods is decided by the step from copy to copy. For C → ∞ it is $w \mapsto 2\gamma w$: with γ = 0.99
# it grows, with γ = 0.4 it shrinks by 0.8. So neither "it guarantees convergence" nor "it is useless" follows from one table. Look at both
# columns: a growth an update of 1.0007 looks harmless, and still doubles the weight at each copy.

# %%
answer = "B"

_ = check("3.1", answer)

# %% [markdown]
# ## 3.2 The target
#
# The mask multiplies the future and nothing else: the last reward is paid. `truncated` is an argument only to tempt you. A transition that
# was cut by the clock is an ordinary transition, and its next state keeps its worth. The maximum runs over the last axis, so that each
# transition has its own; `q_next.max()` without an axis gives one number for the whole minibatch, and no error message.


# %%
def my_target(reward, terminal, truncated, q_next, discount):
    """y = r + γ max_a' Q^(s', a'), and y = r where the episode ended; a time-out has not ended it: [B]."""
    return reward + discount * (~terminal).to(reward.dtype) * q_next.max(-1).values


_ = check("3.2", my_target)

# %% [markdown]
# ## 3.3 The index of a ring
#
# There are `held = min(count, capacity)` transitions to choose from. A uniform number times `held`, cut off, is an age from 0 to `held` −
# 1, all equally likely; rounding would give the ends half of their share. The newest has number `count − 1`, because numbering begins at 0,
# and a number lies at its remainder. Two mistakes hide for a long time: to draw from unfilled places only spoils the beginning of training
# (those places hold zeros, which look like transitions), and to be one place too far reads, in a full ring, the *oldest* transition where
# the newest is meant.


# %%
def my_positions(uniform, count, capacity):
    """age = floor(u · held), held = min(count, capacity); the place of number count − 1 − age: [...] int64."""
    age = (uniform * min(count, capacity)).long()
    return (count - 1 - age) % capacity


_ = check("3.3", my_positions)

# %% [markdown]
# ## 3.4 How well does a ring mix?
#
# Of the N² pairs (i, j), N have the lag 0, and 2 (N − k) have the lag k: there are N − k places for the earlier one, and either may be i.
# Check the count: $N + 2\sum_{k=1}^{N-1}(N-k) = N + N(N-1) = N^2$. To forget the factor 2, or the diagonal, or to weigh all lags alike, are
# the usual slips; N = 2 by hand tells them apart. Draws are made with replacement, so the diagonal belongs there.


# %%
def my_mean_correlation(rho, capacity):
    """(1/N²) Σ_i Σ_j ρ(|i − j|), i and j from 1 to N: a number."""
    place = torch.arange(capacity)
    return float(rho[(place[:, None] - place).abs()].mean())


_ = check("3.4", my_mean_correlation)

# %% [markdown]
# ## 3.5 Find the planted bug
#
# `target = q` does not copy. It gives the same table a second name, so the target moves with each update and C has no effect. It stands in
# the loop twice, and both lines need a `.clone()`; if you repair only the first, the two tables become one at the first renewal. With
# networks the same bug reads `target_network = network`, and nothing complains: the agent learns, as one without a target network. A quick
# test for your own code: after an update, the two must differ.


# %%
def my_learn(q, state, action, reward, next_state, terminal, learning_rate, discount, target_every):
    """Q-learning over T transitions with targets from a copy that is renewed after every `target_every` updates: the last q."""
    q = q.clone()
    target = q.clone()
    for t in range(len(state)):
        future = 0.0 if terminal[t] else discount * target[next_state[t]].max()
        q[state[t], action[t]] += learning_rate * (reward[t] + future - q[state[t], action[t]])
        if (t + 1) % target_every == 0:
            target = q.clone()
    return q


_ = check("3.5", my_learn)
