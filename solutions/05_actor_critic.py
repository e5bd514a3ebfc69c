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
# # Solutions to 05 · Actor–critic
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite.checks import check

# %% [markdown]
# ## 5.1 The n-step return
#
# Carry the weight $\gamma^i$ along, and leave the loop at once when the episode ends: then there is no value to add. After n rewards the
# weight is $\gamma^n$, which is what $V(S_{t+n})$ wants, without counting exponents. Counting them is where (2.32) went wrong in print: one
# reward too few and one discount too few. The other common slip is to bootstrap through the goal, which pays for a future that is not
# there.


# %%
def my_n_step_return(reward, terminal, next_value, discount, n):
    """R_1 + gamma R_2 + ... + gamma^(n-1) R_n + gamma^n V(S_n), where a terminal step ends the sum: tensors [T], n <= T."""
    total, weight = 0.0, 1.0
    for t in range(n):
        total += weight * float(reward[t])
        weight *= discount
        if terminal[t]:
            return total
    return total + weight * float(next_value[n - 1])


_ = check("5.1", my_n_step_return)

# %% [markdown]
# ## 5.2 GAE
#
# All TD errors in one line, then one loop from the back. Because `discount` is 0 at a terminal step, nothing crosses the border between two
# episodes, and no special case is needed. Fading by $\lambda$ alone, or by $\gamma$ alone, gives a sum that belongs to no value of
# $\lambda$; so does the factor $1-\lambda$, which stands in the mixture of returns and cancels in the sum of errors.


# %%
def my_gae(reward, discount, value, next_value, lambda_):
    """A_t = delta_t + discount_t * lambda * A_{t+1} with delta_t = reward_t + discount_t * next_value_t - value_t; all [T]."""
    delta = reward + discount * next_value - value
    advantage, following = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        following = delta[t] + discount[t] * lambda_ * following
        advantage[t] = following
    return advantage


_ = check("5.2", my_gae)

# %% [markdown]
# ## 5.3 Explain the figure
#
# **b.** The bias at $(s,a)$ is $\gamma^n\,\mathbb{E}[e(S_{t+n})\mid s,a]$, less its average over actions. The expectation runs over the
# squares that the policy may have reached after n steps. There are more and more of them, and the critic's errors there, some up and some
# down, average out. They also come to depend less and less on the first action, which takes away even what is left. The factor $\gamma^n$
# does the least of it. If the critic erred by the same sign everywhere, the first part would not help; the second still would.

# %%
_ = check("5.3", "b")

# %% [markdown]
# ## 5.4 A rollout with a time-out
#
# From the back, $R$ starts afresh at every border. After a goal it starts from 0. After a time-out, and at the end of the rollout, the
# future is real and merely unseen: it starts from `next_value[t]`. Three wrong ways are common. Taking the time-out for a goal teaches the
# critic that being old is bad. Walking across it adds the rewards of another episode. And `value[t + 1]`, which is right within an episode,
# is the value of a *start* after a reset: the most frequent of the three in real code, since the arrays line up so nicely.


# %%
def my_targets(reward, terminal, truncated, value, next_value, discount):
    """Targets [T]: R_t = reward_t + discount * (0 after a goal, next_value_t after a time-out or the last step, else R_{t+1})."""
    target, following = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        if terminal[t]:
            following = 0.0
        elif truncated[t] or t == len(reward) - 1:
            following = next_value[t]
        following = reward[t] + discount * following
        target[t] = following
    return target


_ = check("5.4", my_targets)

# %% [markdown]
# ## 5.5 Find two planted bugs
#
# An optimiser goes down, so the actor's part needs a minus: without it, what went well becomes less likely, and the agent gets worse the
# longer it trains. And `error` contains `value`: through the actor's part a gradient $\mp\log\pi$ reaches the critic, which drifts although
# its predictions were good. One `detach` in the actor's part stops that; a second one in the critic's part would stop its learning too. The
# second bug is the worse one in practice: the agent still learns, a little worse than it could, and no error message ever appears.


# %%
def loss_gradients(logits, value, action, target):
    """Gradients by logits [B, A] and values [B] of: -mean(error * log pi(a)) + mean(error^2) / 2, error = target - value."""
    logits, value = logits.clone().requires_grad_(), value.clone().requires_grad_()
    log_policy = logits.log_softmax(-1)
    chosen = log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    error = target - value
    loss = -(chosen * error.detach()).mean() + 0.5 * error.square().mean()
    return torch.autograd.grad(loss, (logits, value))


_ = check("5.5", loss_gradients)
