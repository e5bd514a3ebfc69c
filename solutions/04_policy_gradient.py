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
# # Solutions to 04 · Policy gradient
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite import mdp, policy_gradient
from distral_lite.checks import check
from distral_lite.gridworld import load_map
from distral_lite.statistics import verdict

torch.set_num_threads(1)

# %% [markdown]
# ## 4.1 The score
#
# $\log\pi(a) = h(a) - \log\sum_b e^{h(b)}$. The first term gives $\mathbb{1}[a=b]$; the derivative of the second is a softmax again. The
# common slip is to stop after the first term: then every action that is taken pushes itself up and nobody is pushed down, although
# probabilities must sum to one. Another is to divide by π(a) once too often or once too seldom: the derivative of $\pi$ has a factor
# $\pi(a)$, that of $\log\pi$ has none. A quick test of any answer: its entries sum to zero, and so does its average over actions, weighted
# by π.


# %%
def my_score(preferences, action):
    """d log π(a) / d h(b) = 1[a = b] − π(b), π = softmax of the preferences [..., A]; action [...] int64; gives [..., A]."""
    return torch.nn.functional.one_hot(action, preferences.shape[-1]) - preferences.softmax(-1)


_ = check("4.1", my_score)

# %% [markdown]
# ## 4.2 Reward-to-go
#
# $G_t = R_{t+1} + \gamma G_{t+1}$: go backwards and carry one number along. The formula with powers, $\gamma^{-t}\sum_{i\ge t}\gamma^i
# R_{i+1}$, is right on paper and fails in a long episode, where $\gamma^t$ is zero in floating point and 0/0 is no number. If you added up
# the past, you praised actions for what was paid before them.


# %%
def my_returns_to_go(reward, discount):
    """G_t = Σ_{i≥t} discount^(i−t) · reward[i] for one episode that ended: [T] gives [T]."""
    result, following = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        following = reward[t] + discount * following
        result[t] = following
    return result


_ = check("4.2", my_returns_to_go)

# %% [markdown]
# ## 4.3 A baseline without a critic
#
# The other episodes know nothing of the action that this one took, so their mean is a lawful baseline. The mean over *all* episodes is not
# quite: $G - \bar G = \frac{B-1}{B}(G - \bar G_{\text{others}})$, so every weight comes out too small by a fixed factor. That is a bias, if
# a harmless one: it only shortens the step. Dividing by the standard deviation is another matter: the divisor depends on chance and on the
# action, and the mean of the result is no gradient of anything simple.


# %%
def my_weights(returns):
    """returns [B, T]: G_t of each episode. Weight = G_t of the episode − mean of G_t over the other B − 1 episodes, for each t."""
    others = (returns.sum(0, keepdim=True) - returns) / (len(returns) - 1)
    return returns - others


_ = check("4.3", my_weights)

# %% [markdown]
# ## 4.4 γ^t in a log
#
# The objective is measured at the start of an episode, and every episode has its own. So t goes back to 0 after each terminal step; the
# terminal step itself still belongs to the episode that it ends. A t that runs on through the log makes later episodes count for nothing,
# and the program seems to stop learning for no reason. If you counted steps *to the end*, you repeated the discount that is inside $G_t$
# already.


# %%
def my_box_weights(return_to_go, terminal, discount):
    """γ^t · G_t for a log [T] of several episodes in a row; terminal [T] bool marks the last step of each."""
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        result[i] *= discount**t
        t = 0 if terminal[i] else t + 1
    return result


_ = check("4.4", my_box_weights)

# %% [markdown]
# ## 4.5 Explain the figure
#
# **B.** The estimate is a *sum* over the steps of one episode, and early episodes are long. The first update alone drives the preferences
# of some cell more than seven apart in most runs, where the exact gradient would drive none further than 2.5 (the cell below). A softmax of
# preferences that far apart takes one action nearly always. If that action stays, or runs into a wall, the agent sits there, and the factor
# $\pi(b)$ of section 4.2 makes the gradient of every other action vanish. It is not the rate alone: the *exact* ascent with rate 1 does
# very well. It is the rate times the noise of one long episode. A baseline makes the terms of the sum smaller, not fewer. What helps: a
# smaller rate, clipped steps, several episodes averaged, or updates that do not wait for the end (chapter 05).

# %%
_ = check("4.5", "B")

maze = load_map(6).mdp()


def spread(preferences):
    """How far apart the preferences of the worst cell are: [..., S, A] gives [...]."""
    return (preferences.max(-1).values - preferences.min(-1).values).max(-1).values


preferences, steps, spreads = torch.zeros_like(maze.reward), [], []
for _ in range(100):
    steps.append(mdp.expected_steps(maze, preferences.softmax(-1)))
    preferences = preferences + policy_gradient.exact_direction_as_printed(maze, preferences.log_softmax(-1), 0.9)
    spreads.append(float(spread(preferences)))
print(f"exact ascent, rate 1: {steps[0]:.1f} steps at first, {steps[1]:.1f} after one update, {steps[-1]:.1f} after 99")
print(f"exact ascent, rate 1: after one update the preferences of no cell are further apart than {spreads[0]:.2f}")
assert steps[1] < 20 and steps[-1] < 6 and spreads[0] < 3

config = policy_gradient.Config(steps=600, discount=0.9, learning_rate=1.0, discounted_visits=False, snapshots=600)
runs = policy_gradient.train([maze], config, seeds=range(20)).history
first = runs.durations[:, 0, 0].long()  # the step at which each run finishes its first episode
apart = spread(runs.snapshots[torch.arange(20), 0, first])  # log-probabilities are preferences up to a constant
print(
    "sampled, rate 1: after the first episode they are more than 7 apart in more than half of 20 runs:",
    verdict((apart > 7).sum(), ">", 10),
)
assert (apart > 7).sum() > 10
