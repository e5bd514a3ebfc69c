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
# # Solutions to 01 · MDPs and dynamic programming
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite.checks import check
from distral_lite.dynamic_programming import policy_iteration
from distral_lite.gridworld import GridWorld, load_map
from distral_lite.mdp import greedy_policy

# %% [markdown]
# ## 1.1 The Bellman backup of a policy
#
# Read (2.16) from the inside out. `transition @ values` sums over s′, because a matrix product of [S, A, S] with [S] runs over the last
# axis; the result is one expected value for each (s, a). With the reward that is Q, and (2.7) averages it over the policy.
#
# The three common slips: γ around the whole bracket, which discounts a reward that is due now; `max` or `mean` in place of the policy's
# weights, which evaluates another policy; and averaging reward and future apart, which forgets that the same action causes both.


# %%
def my_backup(reward, transition, policy, values, discount):
    """V_{k+1}(s) = Σ_a π(a|s) [R(s,a) + γ Σ_s' P(s'|s,a) V_k(s')], of shape [S]."""
    q = reward + discount * transition @ values
    return (policy * q).sum(-1)


_ = check("1.1", my_backup)

# %% [markdown]
# ## 1.2 Improve, and know when to stop
#
# The question is asked in each state by itself: how far is the old action behind the best one? If by nothing but rounding, it stays. Then
# a policy that is optimal is also *stable*, whichever of several optimal policies it is, and the loop ends. The module's `improve` does
# the same, with a tolerance that grows with the size of the values and with the error that the sweeps may leave.
#
# `(q == q.max(...))` asks the same question without tolerance, and fails as soon as two ways of computing the same number differ in the
# last bit. Sharing the probability among ties gives an optimal policy too, but it is not deterministic, and the next round compares it
# with a policy that is.


# %%
def my_improve(q, policy):
    """The old action where its value is within 1e-9 of the best, else the first best action: [S, A] of zeros and ones."""
    behind = q.max(-1, keepdim=True).values - (policy * q).sum(-1, keepdim=True)
    return torch.where(behind < 1e-9, policy, greedy_policy(q))


_ = check("1.2", my_improve)

# %% [markdown]
# ## 1.3 Why a time-out is not a goal
#
# `truncated` is not needed. That is the point: the clock belongs to the experiment, not to the world, so it has no say in what a state is
# worth. Only `terminal` cuts off the future. Where both flags are true, the goal was reached, and the clock does not undo that.
#
# Code that keeps a single flag `done = terminal | truncated` cannot make this distinction, and is the most common form of the mistake. It
# pulls values towards 0 at every cut: too high where steps cost, too low where they pay.
#
# The brackets are no ornament: a Python number times a bool tensor is a *float32* tensor, so `discount * ~terminal` rounds γ to seven
# digits before the values come in.


# %%
def my_target(reward, next_value, terminal, truncated, discount):
    """R_{t+1} + γ V(S_{t+1}) where the world goes on, R_{t+1} where the step ended it; all of shape [T]."""
    return reward + discount * (~terminal * next_value)


_ = check("1.3", my_target)

# %% [markdown]
# ## 1.4 Find the bug
#
# `mdp.terminal` is never used. In Taxi the step that delivers the passenger leads to an ordinary state, and the colleague's code goes on
# from there to deliver again, for ever. In the mazes and on the lake terminal steps lead to states that pay nothing ever after, so the
# leak carries zeros, and no test on these worlds can find it.
#
# The mask belongs inside the sum over outcomes m, since one action may have some outcomes that end the episode and others that do not.
# Masking after the sum, by `any` or `all`, is right for M = 1 only. Setting the value of *states* to zero is wrong too: an episode does
# not end in a state because it might end from it.


# %%
def repaired_value_iteration(mdp, discount, sweeps):
    """(2.11), corrected, `sweeps` times from V = 0, where outcomes that end the episode have no future: [S]."""
    values = torch.zeros(mdp.reward.shape[0], dtype=torch.float64)
    for _ in range(sweeps):
        next_values = values[mdp.successor] * ~mdp.terminal
        q = mdp.reward + discount * (mdp.probability * next_values).sum(-1)
        values = q.max(-1).values
    return values


_ = check("1.4", repaired_value_iteration)

# %% [markdown]
# ## 1.5 Explain the figure
#
# The answer is **B**. From a cell d steps away, walking is worth $c\,(1-\gamma^d)/(1-\gamma) + \gamma^{d-1}$, never arriving is worth
# $c/(1-\gamma)$. The difference is $\gamma^{d-1}\,(1 - c\,\gamma/(1-\gamma))$: its sign does not depend on d. It changes at
# $\gamma = 1/(1+c)$, for all cells at once. So this is no matter of how far the agent sees (**C**), and at that γ the goal's weight is
# larger than further left, not smaller (**D**). The solver has no trouble (**A**): the next cell compares it with the formula.
#
# Keep the picture in mind. In chapter 06 every step will pay a bonus for acting at random, and something very similar will happen.

# %%
maze, pay = load_map(4), 0.05
paid = GridWorld(maze.rows, step_reward=pay).mdp()
for discount in (0.9, 1 / 1.05 - 1e-3, 1 / 1.05 + 1e-3, 0.98):
    walking = pay * (1 - discount**13) / (1 - discount) + discount**12
    formula = max(walking, pay / (1 - discount))
    exact = float(policy_iteration(paid, discount).values[maze.start])
    choice = "walk" if walking > pay / (1 - discount) else "never arrive"
    print(f"γ = {discount:.4f}: V*(start) = {exact:.4f}, formula {formula:.4f}, {choice}")
    assert abs(exact - formula) < 1e-9

_ = check("1.5", "B")
