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
#
# %% [markdown]
# # Solutions to 09 · Distral by soft Q-learning
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite.checks import check

# %% [markdown]
# ## 9.1 How a task acts
#
# One column leaves out $h$ altogether and acts at its own inverse temperature $\beta'$. Two columns know no $\beta'$: the $\beta$ by which
# they act is the one in the soft value, and that is what makes (2.66) the optimal form. The usual slips mix the two up: $\beta$ where
# $\beta'$ belongs, $h$ in one column, or $\beta'$ forgotten, which is (2.63) as printed.


# %%
def my_task_policy(f, h, columns, alpha, beta, beta_prime):
    """log softmax of beta' f for one column, of alpha h + beta f for two; f and h are [..., A]."""
    logits = beta_prime * f if columns == 1 else alpha * h + beta * f
    return torch.log_softmax(logits, -1)


_ = check("9.1", my_task_policy)

# %% [markdown]
# ## 9.2 The target
#
# Everything behind the reward is taken at `next_state`; `state` is among the arguments because the printed line 14 uses it, and because a
# memory holds it. `truncated` is there for the opposite reason: it must *not* be used. A cut episode goes on in the maze, so its last
# transition is worth what any other transition to that state is worth. Use `logsumexp`: at $\beta = 50$ plain exponentials of values of 15
# overflow even in float64.


# %%
def my_target(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    """R + γ (1/β) log Σ_a π₀(a|S')^α exp(β f(S', a)), or R at the goal: f, log_pi0 [S, A], the others [B]; returns [B]."""
    value = torch.logsumexp(alpha * log_pi0[next_state] + beta * f[next_state], -1) / beta
    return reward + gamma * ~terminal * value


_ = check("9.2", my_target)

# %% [markdown]
# ## 9.3 The distillation loss
#
# Three slices, a look-up, a weighted mean. Line 21 as printed has $\gamma^i$, and $i$ is the number of the task or of the sample in its
# minibatch; either gives weights that have nothing to do with time. The mean is a plain one: dividing by the sum of the weights would be
# another estimator, though with $\gamma = 0.999$ you would not see the difference. (2.68) is climbed and a loss is descended, hence the
# minus.


# %%
def my_distillation_loss(log_pi0, state, action, time, gamma, newest):
    """-mean of γ^t log π₀(A|S) over the newest transitions of all tasks: log_pi0 [S, A], the others [K, C]; returns a number."""
    state, action, time = state[:, -newest:], action[:, -newest:], time[:, -newest:]
    return -(gamma ** time.double() * log_pi0[state, action]).mean()


_ = check("9.3", my_distillation_loss)

# %% [markdown]
# ## 9.4 Find the planted bug
#
# Two faults. $t$ never starts again, so after ten thousand rounds the weights are $0.999^{10\,000}$, which is 0.00005: the loss is nearly
# zero because everything is multiplied by nearly nothing, not because $\hat\pi_0$ is good. And a time-out does not count as an episode,
# which leaves $\varepsilon$ high for an agent that is lost, and (once the first fault is repaired) lets $t$ run on into the next episode.
# The same flag means two things: in line 14 a time-out changes nothing, in line 16 it ends the episode.


# %%
def my_counters(time, episode, terminal, truncated):
    """t and the number of finished episodes after a step: [lanes] int64 each; terminal and truncated are [lanes] bool."""
    ended = terminal | truncated
    return torch.where(ended, 0, time + 1), episode + ended


_ = check("9.4", my_counters)

# %% [markdown]
# ## 9.5 What would you turn?
#
# **c.** Section 9.5 computes it: with $\varepsilon = 0$ algorithm 1 rests at the joint optimum, with 5 % more than 5 % above it, because
# the random actions are distilled into $\hat\pi_0$ and come back as a prior. More rounds and smaller steps bring an agent nearer to its
# resting point and do not move that point; a longer memory only makes $\hat\pi_0$ late. (Another cure would be to distil the task policies
# themselves instead of the actions taken: the algorithm would then need $\hat\pi_i$, not only the memory.)

# %%
_ = check("9.5", "c")
