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
# # Solutions to 10 · Distral by actor–critic
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite.checks import check

# %% [markdown]
# ## 10.1 The regularised TD error
#
# Line 23 with line 22 written in, and its $\gamma$ put back. The commonest slip is the printed one: without $\gamma$ the critic learns the
# undiscounted sum of all that is to come. The next is the sign of a log. Ask what each should do: an action that $\pi_0$ finds unlikely
# must cost, and $\log\pi_0$ is negative, so it is added; a surprise of the task's own policy must pay, and $\log\pi_i$ is negative, so it
# is subtracted. Dividing by $\beta$ turns nats into reward; multiplying would give nats a thousand times too dear at $\beta = 30$.


# %%
def my_advantage(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    """R_reg + gamma V(S') - V(S), with V(S') = 0 after a terminal step; all arrays [T]."""
    regularised = reward + alpha / beta * log_pi0 - log_pi / beta
    return regularised + gamma * next_value * ~terminal - value


_ = check("10.1", my_advantage)

# %% [markdown]
# ## 10.2 The second term
#
# For a table the gradient of $h(a\mid s)$ picks one entry, and the sum of $\gamma^t$ over the times at which the episode is in $s$ is
# $d_i(s)$ on average. What stands beside it is a difference of *probabilities*: it is $\mathbb{E}_{a\sim\pi_i}$ of the score of $\pi_0$,
# one-hot less $\pi_0$. The term vanishes where $\sum_i d_i\pi_i = \pi_0\sum_i d_i$, which is the centroid of chapter 08. Normalised visits
# or a mean over tasks have the same zero only if all tasks run equally long.


# %%
def my_pull(log_pi, log_pi0, visits, alpha, beta):
    """(alpha / beta) sum_i d_i(s) (pi_i(a|s) - pi_0(a|s)): log policies [K, S, A] and [S, A], visits [K, S] give [S, A]."""
    return alpha / beta * (visits.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())).sum(0)


_ = check("10.2", my_pull)

# %% [markdown]
# ## 10.3 Find the planted bug
#
# The colleague differentiates $\log\pi_0$ in place of $\log\pi_i$. The actions were taken by $\pi_i$, and under $\pi_i$ the score of
# $\pi_0$ does not average to zero: multiplied by any signal, even a constant one, it pushes $h$ in one direction for ever. That is how
# $\pi_0$ ran away. With the right policy a constant signal does nothing on average (2.27). The second slip hides behind the first: $h$
# enters the logits of $\pi_i$ as $\alpha h$, so the chain rule leaves a factor $\alpha$ in front.


# %%
def first_term(h, f, state, action, advantage, alpha, beta):
    """Gradient by h [S, A] of sum_t A_t log pi_i(a_t | s_t), two columns; state, action and advantage are [T]."""
    total = torch.zeros_like(h)
    own = (alpha * h + beta * f).softmax(-1)
    for s, a, signal in zip(state.tolist(), action.tolist(), advantage, strict=True):
        total[s] -= signal * own[s]
        total[s, a] += signal
    return alpha * total


_ = check("10.3", first_term)

# %% [markdown]
# ## 10.4 Explain the figure
#
# **c.** An exact gradient is the gradient *of something*, and the something is $J$ at $\gamma = 0.95$. For a beginner who acts at random,
# stepping into the corridor is a mistake there: walls on both sides cost at once, and the goal lies behind $0.95$ to the power of hundreds.
# So the room is left less and less, while $J$ rises. What could put it right is to learn, behind the corridor, that the goal is near; but
# $\gamma^t$ gives those squares hundreds of times less weight. Without $\gamma^t$ they weigh as much as any other, and the same expected
# steps arrive. So does the exact gradient at $\gamma = 0.99$, where the first step into the corridor pays. Answer a is tempting because
# noise is the usual suspect; here there is none.

# %%
_ = check("10.4", "c")
