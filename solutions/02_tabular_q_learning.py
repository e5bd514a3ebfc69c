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

# %%

# %% [markdown]
# # Solutions to 02 · Tabular Q-learning
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the
# chapter.

# %%
import torch

from distral_lite import dynamic_programming, mdp
from distral_lite.checks import check
from distral_lite.gridworld import load_map
from distral_lite.q_learning import epsilon_greedy

# %% [markdown]
# ## 2.1 The update
#
# One entry changes, by a fraction α of the error. The future is looked up in the row of the *next* state, with the best action
# there. A terminal step has no future, but it is paid: writing `0` for the whole target at the goal is as wrong as
# bootstrapping through it. Two slips are easy to miss because small tables forgive them. One is to change the table that was
# passed in; a caller who kept the old one for comparison then compares it with itself. The other is to swap α and 1 − α, which
# at α = 0.5 makes no difference at all.


# %%
def my_update(q, state, action, reward, next_state, terminal, learning_rate, discount):
    """Q(S, A) + α [R + γ max_a Q(S', a) − Q(S, A)] in its place; after a terminal step the target is R alone."""
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state].max()
    new[state, action] += learning_rate * (target - q[state, action])
    return new


_ = check("2.1", my_update)

# %% [markdown]
# ## 2.2 ε-greedy
#
# With probability ε the draw is blind and includes the best action, so every action gets ε/A. The remaining 1 − ε is shared by
# all actions of largest value. The sum over the last axis is the test: leave the best action out of the blind draw without
# giving the others more, and the row sums to less than one; give each of two tied actions the whole 1 − ε, and it sums to more.
# `argmax` returns one index even where several tie, which is why an equality with the maximum is used. `keepdim=True` keeps the
# maximum of each state beside its own row; without it the comparison would broadcast along the wrong axis, or not at all.


# %%
def my_epsilon_greedy(q, epsilon):
    """ε/A for every action, and 1 − ε shared by the actions of largest value (last axis): a tensor shaped like q."""
    best = (q == q.max(-1, keepdim=True).values).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(-1, keepdim=True)


_ = check("2.2", my_epsilon_greedy)

# %% [markdown]
# ## 2.3 Find the planted bug
#
# The loop takes S' from the row below. Within an episode that is the same state, so nothing shows. Behind a goal it is not
# looked up. But after a *cut* the row below begins the next episode, in a random cell, and the loop tells the agent that its
# last action led there. With episodes of 10 steps one row in ten teaches that lie. The column `next_state` has the truth.
#
# Two tempting repairs only look right. To treat a cut as an ending says that the future is worth nothing where only the clock
# stopped. To skip the cut rows teaches nothing wrong, but throws real experience away. This bug is a common one in real code:
# an environment that resets itself hands you the first observation of the *next* episode, and you have to ask for the last one
# of the old.


# %%
def my_learn_from_log(q, state, action, reward, next_state, terminal, truncated, learning_rate, discount):
    """Q-learning (2.17) over a log of T transitions, in their order; returns the table after the last of them."""
    q = q.clone()
    for s, a, r, s_next, ended in zip(state, action, reward, next_state, terminal, strict=True):
        target = r if ended else r + discount * q[s_next].max()
        q[s, a] += learning_rate * (target - q[s, a])
    return q


_ = check("2.3", my_learn_from_log)

# %% [markdown]
# ## 2.4 Explain a plateau
#
# The answer is **C**. The cell computes what an agent with the exact $Q_*$ takes on map 4 at both ε: the two numbers of the
# report. Both agents may hold the same perfect table, or different ones that lead the same way; these curves cannot tell. The
# usual wrong answer is A, because the curves look like a comparison. To compare what was learned, measure both with ε = 0, or
# at least with the same ε.

# %%
maze = load_map(4).mdp()
q_star = dynamic_programming.policy_iteration(maze, 0.99).q.round(decimals=9)
for epsilon in (0.0, 0.1, 0.5):
    print(f"ε = {epsilon}: {mdp.expected_steps(maze, epsilon_greedy(q_star, epsilon)):z.1f} steps")

_ = check("2.4", "C")

# %% [markdown]
# ## 2.5 Compute a plateau
#
# Bring the unknowns to one side: $(I - P)\,n = 1$. Every state contributes a 1, the step that is taken there for certain, the
# step into the goal included. A row that sums to less than one is the chance that the episode ends, and no value is needed for
# it: nothing comes after.
#
# In the corridor of two cells with ε = 0.5, by hand: $n_1 = 1 + \tfrac14 n_1 + \tfrac34 n_2$ and $n_2 = 1 + \tfrac14 n_1$ give
# $n_1 = 28/9$, less than 4. The rule "greedy steps divided by 1 − ε", which worked so well in chapter 00, says 4. It assumes
# that random steps make no ground on average, but beside a wall they do: they cannot go back. The other common slip mixes the
# two durations, $(1-\varepsilon)\,n_{\text{greedy}} + \varepsilon\,n_{\text{random}}$. That agent tosses its coin once an
# episode.


# %%
def my_expected_steps(greedy, random, epsilon):
    """n = 1 + [(1 − ε) P_greedy + ε P_random] n, solved for n: [S]."""
    matrix = (1 - epsilon) * greedy + epsilon * random
    identity = torch.eye(len(matrix), dtype=matrix.dtype)
    return torch.linalg.solve(identity - matrix, torch.ones(len(matrix), dtype=matrix.dtype))


greedy = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
random = torch.tensor([[0.5, 0.5], [0.5, 0.0]], dtype=torch.float64)
n = my_expected_steps(greedy, random, 0.5)
print(f"two cells, ε = 0.5: {n[0]:.3f} and {n[1]:.3f} steps; 28/9 = {28 / 9:.3f}")
assert abs(n[0] - 28 / 9) < 1e-12

_ = check("2.5", my_expected_steps)
