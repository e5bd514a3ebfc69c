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
# # Solutions to 00 · Start here
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
from distral_lite import dynamic_programming, mdp
from distral_lite.checks import check
from distral_lite.gridworld import load_map

# %% [markdown]
# ## 0.1 Predict one setting
#
# The answer is **b**: 25.8 steps, twice the shortest way. A random action leads back as often as it leads on, so random steps make no
# ground on average; the share 1 − ε of good steps makes all of it. The way of 13 steps then takes about 13 / (1 − ε). The cell below holds
# that rule against the exact numbers. It is good until random steps become so frequent that the agent spends its time bumping around in
# dead ends.

# %%
maze = load_map(4).mdp()
best, random = dynamic_programming.policy_iteration(maze, discount=0.99).policy, mdp.uniform_policy(maze)
print("   ε   exact   13 / (1 - ε)")
for epsilon in (0.1, 0.3, 0.5, 0.7, 0.9):
    steps = float(mdp.visits(maze, (1 - epsilon) * best + epsilon * random, 1.0).sum())
    print(f"{epsilon:4.1f}  {steps:6.1f}  {13 / (1 - epsilon):13.1f}")
    assert abs(steps * (1 - epsilon) / 13 - 1) < 0.12

# %%
_ = check("0.1", "b")

# %% [markdown]
# ## 0.2 Meet the checker
#
# With probability 1 − ε the policy decides, so its probabilities are scaled by 1 − ε; the remaining ε is shared equally by the A actions.
# The most common slip is to add ε to *each* action, so that the row sums to more than one. A sum over the last axis is the quickest test of
# anything that claims to be a policy. Actions stand on the last axis, whatever stands before it, so the same line serves one state and a
# table of states.


# %%
def mix(policy, epsilon):
    """(1 - epsilon) * policy + epsilon / A, for a tensor of probabilities [..., A]."""
    return (1 - epsilon) * policy + epsilon / policy.shape[-1]


_ = check("0.2", mix)
