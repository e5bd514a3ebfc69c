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
# # 05 · Actor–critic
#
# **You will be able to**
#
# - prove that a baseline leaves the policy gradient alone, and compute by how much it lowers the variance;
# - write the advantage, its estimate by the TD error, the n-step return and GAE, and correct the thesis where it slips;
# - choose n or $\lambda$ from a picture of bias and variance that you can recompute for your own critic;
# - read the one-step box, A2C and A3C line by line beside their code, and say what each leaves out;
# - say what is asynchronous in A3C, and bound how stale its gradients can be.
#
# **Before you start**
#
# - Chapter 01: values by linear solve, discounted visits. Chapter 02: bootstrapping; a time-out is not a goal.
# - Chapter 04: the score function, the policy gradient theorem, REINFORCE, the factor $\gamma^t$.
#
# **Time** 60 minutes to read and do, about 30 seconds to run. **Modules** `distral_lite.actor_critic`, `distral_lite.a3c`,
# `distral_lite.returns`. **Equations** 2.26 to 2.32, the one-step box, Algorithm S3.

# %%
from functools import cache

import numpy as np
import torch

from distral_lite import a3c, actor_critic, gym_bridge, lanes, mdp, networks, plotting, results, returns
from distral_lite.checks import check
from distral_lite.dynamic_programming import policy_iteration
from distral_lite.gridworld import ACTIONS, GridWorld, load_map
from distral_lite.statistics import interquartile_band, verdict
from distral_lite.widgets import Scene, Slider, panel, show_source, still

corridor = GridWorld.from_text("""
    #######
    #S...G#
    #######
""")
small = corridor.mdp()
leaning = torch.tensor([0.15, 0.15, 0.15, 0.15, 0.4], dtype=torch.float64).expand(5, 5)  # a policy that leans to the right

# %% [markdown]
# ## 5.1 Somebody who keeps score
#
# REINFORCE waits for the end of the episode, and then blames or praises every action for *everything* that came after it. It is right on
# average and wild in each case. Two repairs come to mind, and they need the same thing, somebody who knows what states are worth:
#
# - **Do not wait.** Replace the rest of the return by its expectation, as Q-learning does.
# - **Do not praise luck.** Compare what happened with what was to be expected, and learn from the difference.
#
# So there are two learners now. The **actor** is the policy $\pi_\theta$ and decides. The **critic** estimates values and never decides
# anything. The first form lets the critic estimate $Q_w \approx Q_\pi$ and puts it where the return was:
#
# $$\nabla_\theta J = \mathbb{E}_\pi\big[\nabla_\theta\log\pi(a\mid s)\, Q_\pi(s,a)\big]
# \approx \mathbb{E}_\pi\big[\nabla_\theta\log\pi(a\mid s)\, Q_w(s,a)\big] \qquad\text{(2.26)}$$
#
# $$L(Q_w) = \tfrac12\,\mathbb{E}\Big[\big(R_{t+1} + \gamma\, Q_w(S_{t+1},A_{t+1}) - Q_w(S_t, A_t)\big)^2\Big],
# \qquad A_{t+1}\sim\pi$$
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $\pi(a\mid s)$ | `policy` | `[S, A]` | probability |
# | $\nabla_\theta\log\pi(a\mid s)$ | `score` | `[S, A, P]`, P parameters | 1 / parameter |
# | what multiplies the score | `signal` | `[S, A]` | reward |
# | $d(s) = \sum_t\gamma^t P(S_t=s)$ | `mdp.visits` | `[S]` | steps |
#
# This chapter calls whatever multiplies the score the **signal**. Nearly everything in it is about choosing the signal well. For a given
# signal the gradient is a sum that you can write out in full:

# %%
show_source(actor_critic.score, actor_critic.gradient)

# %% [markdown]
# **When is $Q_w$ good enough?** It need not equal $Q_\pi$. The *compatible function approximation* theorem says: the gradient is exact if
# $Q_w$ is linear in the score itself, $Q_w(s,a) = w\cdot\nabla_\theta\log\pi(a\mid s)$, and $w$ minimises the squared error weighted by
# $d(s)\,\pi(a\mid s)$. Why: at that minimum the error is at right angles to every feature, and the features *are* what the gradient
# multiplies the error with.
#
# Try it where the critic is poor. In a corridor of four squares the policy has two parameters only: one preference for "left" and one for
# "right", shared by all squares. A compatible critic then has two numbers to describe twenty action values.
#
# **Predict.** The thesis then lets $w$ learn by one-step TD, the loss $L(Q_w)$ above. Will TD find the $w$ that the theorem asks for? A
# hint: the score has mean zero under $\pi$ in every square, so what is $\mathbb{E}[Q_w(S_{t+1},A_{t+1})]$ for $A_{t+1}\sim\pi$?

# %%
features = torch.zeros(5, 5, 2, dtype=torch.float64)
features[:, ACTIONS.index("left"), 0] = features[:, ACTIONS.index("right"), 1] = 1.0
restricted = (features @ torch.tensor([0.0, 0.5], dtype=torch.float64)).softmax(-1)
score = actor_critic.score(restricted, features)
q = mdp.action_values(small, mdp.evaluate(small, restricted, 0.9), 0.9)
fitted = score @ actor_critic.compatible_weights(small, restricted, score, 0.9)
by_td = score @ actor_critic.td_weights(small, restricted, score, 0.9)

print("signal                          d/d left   d/d right   largest |signal - Q|")
gradients = {}
for name, signal in {
    "Q, exact": q,
    "Q_w, least squares": fitted,
    "Q_w, at rest under one-step TD": by_td,
    "the next reward alone": small.reward,
}.items():
    left, right = gradients[name] = actor_critic.gradient(small, restricted, score, signal, 0.9)
    print(f"{name:<32}{float(left):z8.3f}{float(right):z12.3f}{float((signal - q).abs().max()):z23.3f}")
assert torch.allclose(gradients["Q, exact"], gradients["Q_w, least squares"], atol=1e-10)
assert torch.allclose(gradients["Q_w, at rest under one-step TD"], gradients["the next reward alone"], atol=1e-10)

# %% [markdown]
# The fitted $Q_w$ is wrong by more than 2 and its gradient is right to the last digit. So far the theorem. But TD comes to rest elsewhere,
# and its gradient is that of an agent which cares for **the next reward only**: less than half as strong to the right, and nearly blind to
# what "left" costs later. Since compatible features average to zero, $\mathbb{E}[Q_w(S_{t+1},A_{t+1})] = 0$, and the target's future
# vanishes.
#
# > **A gap in the thesis.** Right after the theorem, section 2.4 updates $w$ by one-step TD. That update does not meet the theorem's second
# > condition, and with compatible features it learns no future at all. "If and only if" is too strong as well: $Q_\pi$ itself need not
# > be linear in the score, and with it the gradient is exact too.
#
# With a *table* for $Q_w$ neither problem arises: TD learns $Q_\pi$. That is what `actor_critic.train_q` does. The better way out is to let
# the critic learn something for which bootstrapping is natural, $V$. For that you need a baseline.
#
# ## 5.2 What a baseline does, exactly
#
# Work it by hand first. One state, two actions, $\pi = (\tfrac12,\tfrac12)$, and $Q = (10, 12)$. The derivative of $\log\pi(a)$ by the
# preference of the first action is $+\tfrac12$ for the first action and $-\tfrac12$ for the second. A sample of the gradient is
# $+\tfrac12\cdot 10 = 5$ or $-\tfrac12\cdot 12 = -6$, with even chances: mean $-\tfrac12$, variance 30.25. Now subtract 11 from both $Q$:
# the sample is $\tfrac12\cdot(-1) = -\tfrac12$ or $-\tfrac12\cdot 1 = -\tfrac12$. The same mean, **variance zero**. The first agent learns
# from how large numbers happen to cancel; the second learns from how the actions differ.

# %%
slope = torch.tensor([0.5, -0.5], dtype=torch.float64)  # of log pi(a) by the first preference
for name, signal in (("Q", [10.0, 12.0]), ("Q - 11", [-1.0, 1.0])):
    samples = slope * torch.tensor(signal, dtype=torch.float64)
    mean, variance = float(samples.mean()), float(samples.var(correction=0))
    print(f"{name:<7} samples {samples.tolist()}, mean {mean:z.2f}, variance {variance:z.2f}")

# %% [markdown]
# It is a law, in one line:
#
# $$\mathbb{E}\big[\nabla_\theta\log\pi(a\mid s)\,B(s)\big] = \sum_s \mu(s)\, B(s)\, \nabla_\theta\sum_a \pi(a\mid s)
# = \sum_s\mu(s)\,B(s)\,\nabla_\theta 1 = 0 \qquad\text{(2.27)}$$
#
# Any function of the *state* will do, since probabilities sum to one whatever $\theta$ is. A function of the action would not. The mean is
# safe; what is left to choose is the variance. It too can be summed in full:

# %%
show_source(actor_critic.gradient_variance)

# %% [markdown]
# **Predict.** In the corridor the policy now leans to the right: each other action has probability 0.15, "right" has 0.4. Rank these
# signals by the variance of one sample: the sampled return $G_t$ (REINFORCE), $G_t$ less one constant, $G_t - V(S_t)$, exact $Q$, exact $Q
# - V$. Which helps more, knowing $Q$ or knowing $V$?

# %%
score, values = actor_critic.score(leaning), mdp.evaluate(small, leaning, 0.9)
q = mdp.action_values(small, values, 0.9)
sampled = actor_critic.lambda_moments(small, leaning, values, 0.9, 1.0)  # lambda = 1: the whole return, whatever V says
constant = (small.start * values).sum().expand(5)
best = actor_critic.best_baseline(leaning, score, q)


def less(moments, baseline):
    """The signal minus a baseline [S]: another mean, the same variance given the state and the action."""
    return moments._replace(mean=moments.mean - baseline.unsqueeze(-1))


signals = {
    "G": sampled,
    "G - V(start)": less(sampled, constant),
    "G - V": less(sampled, values),
    "Q": actor_critic.certain(q),
    "Q - V": less(actor_critic.certain(q), values),
    "Q - best baseline": less(actor_critic.certain(q), best),
}
exact = actor_critic.gradient(small, leaning, score, q, 0.9)
spread = {}
print("signal              |gradient|   variance of one sample")
for name, signal in signals.items():
    gradient = actor_critic.gradient(small, leaning, score, signal.mean, 0.9)
    spread[name] = float(actor_critic.gradient_variance(small, leaning, score, signal, 0.9))
    print(f"{name:<20}{float(gradient.norm()):10.4f}{spread[name]:25.2f}")
    assert torch.allclose(gradient, exact, atol=1e-10)
assert spread["G - V"] < 0.6 * spread["Q"] and spread["Q - V"] < spread["G"] / 14
assert spread["Q - best baseline"] < spread["Q - V"] < 1.2 * spread["Q - best baseline"]

# %% [markdown]
# All six gradients agree to ten digits, so an agent may choose among them by variance alone. The variances differ by a factor of more than
# fourteen. Knowing $V$ and nothing else ($G - V$) helps *more* than knowing $Q$ and subtracting nothing. And $V$ is not quite the best
# baseline: that one weighs the actions by the squared length of their scores. It gains so little that nobody uses it.
#
# ## 5.3 The advantage, and its cheapest estimate
#
# $Q_\pi - V_\pi$ deserves its name. The **advantage** says how much better an action is than what the policy does on average:
#
# $$\nabla_\theta J = \mathbb{E}\Big[\sum_t\nabla_\theta\log\pi(A_t\mid S_t)\,\big(Q_w(S_t,A_t) - V_v(S_t)\big)\Big]
# = \mathbb{E}\Big[\sum_t\nabla_\theta\log\pi(A_t\mid S_t)\,A(S_t,A_t)\Big] \qquad\text{(2.28, 2.29)}$$
#
# It looks as if this needed two critics. It needs one. Take the **TD error** of a state-value critic,
#
# $$\delta_v = R_{t+1} + \gamma V_v(S_{t+1}) - V_v(S_t), \qquad
# \nabla_\theta J = \mathbb{E}\Big[\sum_t\nabla_\theta\log\pi(A_t\mid S_t)\,\delta_v\Big] \qquad\text{(2.30)}$$
#
# If $V_v = V_\pi$, then averaging $\delta$ over what can happen after $(s,a)$ turns its first two terms into $Q_\pi(s,a)$. So one sampled
# step estimates the advantage without bias. (All three equations leave out $\gamma^t$, as chapter 04 warned. Our exact gradients have it,
# in the visits.)

# %%
advantage = actor_critic.advantages(small, leaning, 0.9)
td = less(actor_critic.n_step_moments(small, leaning, values, 0.9, n=1), values)
too_low = values - torch.tensor([0.0, 0.5, 0.0, 0.0, 0.0], dtype=torch.float64)  # a critic that is wrong in the second square only
wrong = less(actor_critic.n_step_moments(small, leaning, too_low, 0.9, n=1), too_low)
print("advantages in the first and second square, and the mean TD error of a critic that is wrong in the second:")
print("square   action   advantage   E[TD error], V exact   E[TD error], V wrong")
for square, action in ((0, 0), (0, 4), (1, 0), (1, 3), (1, 4)):
    row = [float(table[square, action]) for table in (advantage, td.mean, wrong.mean)]
    print(f"{square + 1:>6}   {ACTIONS[action]:<6}{row[0]:12.3f}{row[1]:23.3f}{row[2]:23.3f}")
assert torch.allclose(td.mean, advantage, atol=1e-12) and float((leaning * advantage).sum(-1).abs().max()) < 1e-12
harm = actor_critic.gradient(small, leaning, score, wrong.mean, 0.9) - exact
print(f"\nlength of the error in the gradient: {float(harm.norm()):.3f}, of the gradient itself: {float(exact.norm()):.3f}")
assert float(harm.norm()) > float(exact.norm()) / 3

# %% [markdown]
# With the exact $V$ the columns agree. Now read the last column. The critic thinks 0.5 too little of the second square. From *within* that
# square every TD error rises by 0.5, whatever the action: a baseline, harmless. But wherever an action **leads to** the square, its error
# falls by $0.9\cdot 0.5 = 0.45$: for "right" in the first square, and for staying where you are in the second. Those differences *between
# actions* are what reaches the gradient, and it is off by more than a third of its length.
#
# Remember this distinction, the whole next section rests on it: an error of $V(S_t)$ is a baseline; an error of $V(S_{t+1})$ is a bias.
#
# ## 5.4 Bootstrapping later
#
# Push the harmful error away from the decision: wait n steps before you ask the critic.
#
# $$\delta_{v,t+n} = R_{t+1} + \gamma R_{t+2} + \dots + \gamma^{n-1} R_{t+n} + \gamma^n V_v(S_{t+n}) - V_v(S_t),
# \qquad L(V_v) = \tfrac12\,\mathbb{E}\big[\delta_{v,t+n}^2\big] \qquad\text{(2.31, 2.32, corrected)}$$
#
# > **Erratum.** The thesis prints $\dots + \gamma^{n-1} V_v(S_{t+n}) - V_v(s_t)$ in (2.32). The reward $R_{t+n}$ is lost and the value is
# > discounted once too little.
#
# **By hand.** Rewards $-0.1, -0.6$, then $V(S_{t+2}) = 0.6$, $\gamma = 0.9$, $n = 2$: the return is $-0.1 + 0.9\cdot(-0.6) + 0.81\cdot 0.6
# = -0.154$. As printed it would be $-0.1 + 0.9\cdot 0.6 = 0.44$: the bump into the wall that cost 0.6 has disappeared.

# %%
reward = torch.tensor([-0.1, -0.6, -0.1, 0.9], dtype=torch.float64)
terminal = torch.tensor([False, False, False, True])
next_value = torch.tensor([0.5, 0.6, 0.8, 0.3], dtype=torch.float64)
two_steps = returns.n_step_returns(reward, returns.discounts(0.9, terminal), next_value, n=2)
print(f"two-step return from the first step: {float(two_steps[0]):.3f}; as printed: {float(reward[0] + 0.9 * next_value[1]):.3f}")
assert abs(float(two_steps[0]) + 0.154) < 1e-12

moments = actor_critic.n_step_moments(small, leaning, values, 0.9, n=2)
printed = mdp.action_values(small, mdp.transition_matrix(small, leaning) @ values, 0.9)  # R_{t+1} + gamma V(S_{t+2})
print("with the exact V and n = 2, 'right' in the first square:")
print(f"  Q = {float(q[0, 4]):.3f}, mean of the return {float(moments.mean[0, 4]):.3f}, as printed {float(printed[0, 4]):.3f}")
assert torch.allclose(moments.mean, q, atol=1e-12) and float((printed - q)[0].abs().max()) > 0.05

# %% [markdown]
# The second line is the test that an equation has to pass: with an *exact* critic, every n must give $Q_\pi$ on average. The corrected form
# does; the printed form does not.
#
# ### Exercise 5.1 · the n-step return  (●●○ · 8 min)
# Write the return from the *first* step of a sequence: n rewards, then the value of where they led; fewer if the episode ends before. Entry
# `t` of `next_value` is $V(S_{t+1})$. Return a Python float.
#
# <details><summary>Hint 1</summary>Walk forwards with two numbers, the sum so far and the weight $\gamma^i$ of what comes next.</details>
# <details><summary>Hint 2</summary>Return at once after a terminal step. Only who gets through all n steps adds a value.</details>


# %% tags=["exercise"]
def my_n_step_return(reward, terminal, next_value, discount, n):
    """R_1 + gamma R_2 + ... + gamma^(n-1) R_n + gamma^n V(S_n), where a terminal step ends the sum: a float.

    reward, terminal (bool) and next_value are tensors [T]; discount is from 0 to 1, n from 1 to T.
    """
    ...


_ = check("5.1", my_n_step_return)

# %% [markdown]
# ### All n at once: $\lambda$
#
# Which n? Take them all, each with less weight than the one before: $(1-\lambda)\lambda^{n-1}$. The mixture is the $\lambda$-return, and as
# an advantage it is called **GAE** (Schulman et al.). Written as a recursion it costs one pass from the back:
#
# $$\hat A_t = \delta_t + \gamma\lambda\, \hat A_{t+1}, \qquad \delta_t = R_{t+1} + \gamma V(S_{t+1}) - V(S_t).$$
#
# At $\lambda = 0$ it is the TD error; at $\lambda = 1$ all the $V$ in between cancel and the return less $V(S_t)$ is left. The mean number
# of steps it looks ahead is $1/(1-\lambda)$, so $\lambda = 0.9$ is comparable with $n = 10$.
#
# **By hand.** $\gamma = 0.9$, $\lambda = 0.5$; rewards $-0.1, -0.1, 0.9$; $V$ of the states $0.4, 0.5, 0.7$; the third step is terminal.
# The TD errors are $-0.1 + 0.45 - 0.4 = -0.05$, then $-0.1 + 0.63 - 0.5 = 0.03$, then $0.9 - 0.7 = 0.2$. From the back: $\hat A = 0.2$;
# then $0.03 + 0.45\cdot 0.2 = 0.12$; then $-0.05 + 0.45\cdot 0.12 = 0.004$. The first action looked bad for one step; what came later
# clears it.

# %%
by_recursion = returns.advantages(
    reward=torch.tensor([-0.1, -0.1, 0.9], dtype=torch.float64),
    discount=returns.discounts(0.9, torch.tensor([False, False, True])),
    value=torch.tensor([0.4, 0.5, 0.7], dtype=torch.float64),
    next_value=torch.tensor([0.5, 0.7, 0.0], dtype=torch.float64),
    lambda_=0.5,
)
print("advantages by the recursion:", [round(float(a), 3) for a in by_recursion])
assert torch.allclose(by_recursion, torch.tensor([0.004, 0.12, 0.2], dtype=torch.float64))

# %% [markdown]
# ### Exercise 5.2 · GAE  (●●○ · 8 min)
# One sequence of T steps that may hold several episodes. `discount` is $\gamma$, and 0 at terminal steps. After the last step nothing is
# known: there $\hat A$ is $\delta$.
#
# <details><summary>Hint 1</summary>All $\delta$ at once is one line. The recursion needs a loop from the last step to the first.</details>
# <details><summary>Hint 2</summary>What fades $\hat A_{t+1}$ is `discount[t] * lambda_`. At a terminal step that is 0, and episodes stay
# apart by themselves.</details>


# %% tags=["exercise"]
def my_gae(reward, discount, value, next_value, lambda_):
    """A_t = delta_t + discount_t * lambda * A_{t+1} with delta_t = reward_t + discount_t * next_value_t - value_t: [T].

    reward, discount, value and next_value are tensors [T]; lambda_ is a float from 0 to 1.
    """
    ...


_ = check("5.2", my_gae)

# %% [markdown]
# ## 5.5 Bias against variance, exactly
#
# Large n: little bias, since the critic's error is far away; much variance, since n steps of luck are in the sum. Everybody says so. You
# can compute it. The n-step return given $(s,a)$ is a random variable $X_n$, and $X_n = R + \gamma X_{n-1}$, where $X_{n-1}$ starts from
# the next state and action. So its mean *and its mean square* obey linear recursions over states. No sampling:

# %%
show_source(actor_critic.n_step_moments)

# %% [markdown]
# The example: map 5, $\gamma = 0.95$, a policy on its way to being good (it takes about 53 steps where 9 would do). The critic is $\hat V =
# V_\pi + e\cdot\text{noise}$: right, but for a random error in every square whose root mean square over the policy's visits is $e$. For
# each n we compute
#
# - the **bias that matters**: $\mathbb{E}[X_n\mid s,a] - Q_\pi(s,a)$, less its average over actions in each square, which is only a
#   baseline (5.3);
# - the **spread**: the standard deviation of $X_n$ given $(s,a)$, divided by $\sqrt N$ for an agent that averages N independent samples;
# - the **error**: $\sqrt{\text{bias}^2 + \text{spread}^2}$.
#
# All are root mean squares over the policy's own visits.
#
# **Predict.** (a) $e = 0$: which n is best? (b) Averaging more samples: does the best n grow or shrink? (c) At $e = 0.5$: from n = 1 to n =
# 8, seven more discounts, does the bias fall to $0.95^7\approx 0.70$ of what it was, or to a tenth, or less?

# %%
GAMMA = 0.95
maze = load_map(5)
task = maze.mdp()
optimum = policy_iteration(task, GAMMA)
policy = 0.9 * (optimum.q / 0.3).softmax(-1) + 0.02  # soft, and never quite sure
values = mdp.evaluate(task, policy, GAMMA)
q = mdp.action_values(task, values, GAMMA)
weight = mdp.visits(task, policy, GAMMA).unsqueeze(-1) * policy
weight = weight / weight.sum()
noise = torch.from_numpy(np.random.default_rng(5).uniform(-1, 1, len(values)))
noise = noise / (weight.sum(-1) * noise.square()).sum().sqrt()
STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
print(f"expected steps of the policy {mdp.expected_steps(task, policy):.1f}, of the best policy {len(maze.shortest_path()) - 1}")


def rms(table):
    """Root mean square over the policy's visits, [S, A] to a number."""
    return float((weight * table.square()).sum().sqrt())


def bias_and_spread(moments):
    """The bias that reaches the gradient, [S, A], and the standard deviation of one sample, as numbers over all visits."""
    bias = moments.mean - q
    bias = bias - (policy * bias).sum(-1, keepdim=True)
    return bias, float((weight * moments.variance).sum().sqrt())


@cache
def curves(error):
    """Biases and spreads [2, T] of the n-step and of the lambda-return, for n and 1 / (1 - lambda) in STEPS."""
    n_step = [bias_and_spread(actor_critic.n_step_moments(task, policy, values + error * noise, GAMMA, n)) for n in STEPS]
    mixed = [bias_and_spread(actor_critic.lambda_moments(task, policy, values + error * noise, GAMMA, 1 - 1 / n)) for n in STEPS]
    return [np.array([[rms(bias), spread] for bias, spread in found]).T for found in (n_step, mixed)]


def trade():
    figure, (left, right) = plotting.new_figure(1, 2, size=(9.4, 3.9), width_ratios=[1.5, 1])
    names = ("bias", "spread", "error", "error of λ")
    styles = {name: plotting.draw_exact(left, np.ones(len(STEPS)), name, x=STEPS, style=i) for i, name in enumerate(names)}
    for name, width in (("bias", 1.2), ("spread", 1.2), ("error", 2.2), ("error of λ", 2.2)):
        styles[name].set_linewidth(width)
    (chosen,) = left.plot([1, 1], [1e-4, 10], color=plotting.GREY, linewidth=6, alpha=0.25, label="_n")
    left.set(xscale="log", yscale="log", ylim=(1e-3, 3), xlabel="steps ahead: n, or 1 / (1 − λ)", ylabel="reward")
    left.set_xticks([1, 2, 4, 8, 16, 32, 64], labels=["1", "2", "4", "8", "16", "32", "64"])
    left.minorticks_off()
    left.legend(handles=list(styles.values()), loc="upper right", ncols=2)
    drawn = plotting.draw_maze(right, maze, torch.zeros(len(values)), numbers=None, limits=(0, 0.5))

    def update(n, error, samples):
        (bias, spread), (mixed_bias, mixed_spread) = curves(error)
        one, other = (np.hypot(b, s / samples**0.5) for b, s in ((bias, spread), (mixed_bias, mixed_spread)))
        for name, y in zip(names, (bias, spread / samples**0.5, one, other), strict=True):
            styles[name].set_ydata(np.maximum(y, 1e-9))
        chosen.set_xdata([n, n])
        table, _ = bias_and_spread(actor_critic.n_step_moments(task, policy, values + error * noise, GAMMA, n))
        per_square = ((policy * table.square()).sum(-1)).sqrt()
        drawn.update(values=per_square)
        left.set_title(f"best n = {STEPS[one.argmin()]}, best 1 / (1 − λ) = {STEPS[other.argmin()]}")
        right.set_title(f"bias by square at n = {n}: {rms(table):.3f}")
        return (
            f"With a critic wrong by {error:g} and {samples} samples averaged, the error is least at n = {STEPS[one.argmin()]}; "
            f"at n = {n} the bias is {rms(table):.3f} and the spread {spread[STEPS.index(n)] / samples**0.5:.3f}."
        )

    return Scene(figure, update)


sliders = {
    "n": Slider(STEPS, 1, "n", "steps"),
    "error": Slider((0, 0.05, 0.1, 0.2, 0.5, 1.0), 0.5, "error of V", "reward"),
    "samples": Slider((1, 8, 64, 512, 4096), 64, "N", "samples"),
}
panel(trade, sliders)

# %%
still(trade, n=1, error=0.5, samples=64)

# %%
best_n = {}
print("error of V   N      best n   best 1/(1-lambda)   error at the best n, at the best lambda")
for error in (0, 0.1, 0.5):
    (bias, spread), (mixed_bias, mixed_spread) = curves(error)
    for samples in (1, 64, 4096):
        one, other = (np.hypot(b, s / samples**0.5) for b, s in ((bias, spread), (mixed_bias, mixed_spread)))
        best_n[error, samples] = STEPS[one.argmin()]
        print(f"{error:>10g}{samples:>6}{STEPS[one.argmin()]:>9}{STEPS[other.argmin()]:>15}{one.min():>z27.3f}, {other.min():z.3f}")
assert all(best_n[0, samples] == 1 for samples in (1, 64, 4096))
assert best_n[0.5, 1] <= best_n[0.5, 64] <= best_n[0.5, 4096] and best_n[0.5, 1] < best_n[0.5, 4096]
(bias, spread), _ = curves(0.5)
ratio = bias[STEPS.index(8)] / bias[0]
print(f"\nerror 0.5: bias at n = 8 is {ratio:z.3f} of that at n = 1; 0.95 to the power 7 is {0.95**7:z.3f}")
assert ratio < 0.05 and bool((np.diff(spread) > 0).all())
(_, _), (mixed_bias, mixed_spread) = curves(0.5)
assert np.hypot(mixed_bias, mixed_spread).min() < 0.8 * np.hypot(bias, spread).min()  # N = 1: the mixture is clearly better

# %% [markdown]
# **What it shows.** (a) With an exact critic one step is best, always: there is nothing to gain from waiting. (In this maze one step holds
# no luck, so the spread at n = 1 is 0, below the picture.) (b) Averaging more samples makes the best n *grow*: spread can be averaged away,
# bias cannot. That is why an agent with many parallel environments can afford long rollouts. (c) The bias falls far faster than $\gamma^n$,
# to less than a twentieth. The best $\lambda$ looks further ahead than the best n, since it mixes short returns with long ones. With one
# sample and a poor critic that mixture is clearly better: $n = 1$ is all bias and $n = 2$ already nearly all spread, and $\lambda$ may stop
# between them. In the other rows the two are close. In the maze on the right, dark squares are those where the critic errs *differently* on
# the neighbours that the actions lead to.
#
# Two warnings before you carry this picture elsewhere. The critic's error here is independent from square to square; the error of a network
# is smooth, so it dies more slowly. And this maze is not random: with luck in the transitions even $n = 1$ has some spread.
#
# ### Exercise 5.3 · explain the figure  (●○○ · 4 min)
# Why does the bias at $e = 0.5$ fall so much faster than $\gamma^n$? **a** discounting alone does it; **b** after n steps the policy can be
# in many squares, and the critic's errors there average out; **c** because the spread grows, and the two trade off; **d** because most
# episodes are over by then.

# %% tags=["exercise"]
why = None

_ = check("5.3", why)

# %% [markdown]
# ## 5.6 The one-step box, and A2C
#
# Now let both learn at once. The thesis's box (from Sutton and Barto) does it after every step:
#
# > **One-step actor–critic (episodic)**, for each episode, from its first state $S$ with $I \leftarrow 1$, while $S$ is not terminal:
# >
# > $A\sim\pi(\cdot\mid S,\theta)$; take action $A$, observe $S', R$
# >
# > $\delta\leftarrow R + \gamma\,\hat v(S',w) - \hat v(S,w)$ (if $S'$ is terminal, $\hat v(S',w)\doteq 0$)
# >
# > $w\leftarrow w + \alpha^w I\,\delta\,\nabla_w\hat v(S,w)$
# >
# > $\theta\leftarrow\theta + \alpha^\theta I\,\delta\,\nabla_\theta\ln\pi(A\mid S,\theta)$
# >
# > $I\leftarrow\gamma I$; $S\leftarrow S'$
#
# **A2C** is the same with rollouts: several environments take n steps each, then one update learns from them all, each step with as many
# rewards as the rollout still has (or with GAE). One loop does both; its comments are the lines of the box.

# %%
show_source(actor_critic.actor_loss, actor_critic.critic_loss)

# %%
show_source(actor_critic.train)

# %% [markdown]
# Where is the $\nabla$? Descending `critic_loss` $=\tfrac12 I\,(\text{target}-v)^2$ moves $w$ by $+\alpha^w I\,\delta\,\nabla v$, provided
# that the target is held fixed. Descending `actor_loss` $= -I\,\delta\ln\pi$ moves $\theta$ by $+\alpha^\theta I\,\delta\,\nabla\ln\pi$,
# provided that $\delta$ is held fixed. Both times `detach` says so. The tests hold this loop, with `Config.one_step()`, against a plain
# program of the box: 300 steps, the same parameters.
#
# ### What I is for, and why nobody keeps it
#
# $I = \gamma^t$ makes the box an unbiased ascent of the *discounted* return from the start, as you saw in chapter 04. It is also why an
# honest box hardly learns: with $\gamma = 0.95$ the step of age 60 counts 0.046, while the goal of an untrained agent lies some four
# hundred steps away. Two runs of 20 lanes, equal but for $I$:

# %%
ALL = mdp.MDP(*(array.unsqueeze(0).unsqueeze(0) for array in task))  # the maze once for all runs and snapshots


def exact_curves(run):
    """Exact value at the start [R, T] of every policy kept, and how wrong its critic was, over that policy's visits [R, T]."""
    policies = run.history.policies[:, 0].double()
    policies = policies / policies.sum(-1, keepdim=True)
    exact_values, visits = mdp.evaluate(ALL, policies, GAMMA), mdp.visits(ALL, policies, GAMMA)
    wrong = (visits * (run.history.values[:, 0, ..., 0].double() - exact_values).square()).sum(-1) / visits.sum(-1)
    return (task.start * exact_values).sum(-1), wrong.sqrt()


box = {}
for name, keep in (("with I", True), ("without I", False)):
    config = actor_critic.Config.one_step(
        steps=1200, discount=GAMMA, actor_rate=0.2, critic_rate=0.3, keep_discount=keep, snapshots=10
    )  # fmt: skip
    run = actor_critic.train([task], config, seeds=range(20), progress=True)
    box[name], _ = exact_curves(run)
best_value = float((task.start * optimum.values).sum())
first_value = float(box["with I"][0, 0])
untrained_steps = mdp.expected_steps(task, mdp.uniform_policy(task))
print(f"an untrained agent takes {untrained_steps:z.0f} steps to the goal, on average; I at age 60: {GAMMA**60:.3f}")
print(f"value at the start: untrained {first_value:.2f}, best {best_value:.3f}")
without, with_it = (box[name][:, -1] for name in ("without I", "with I"))
print(
    "at least 17 of 20 runs without I end above every run with I:",
    verdict((without > with_it.max()).sum(), ">=", 17),
)
print(
    "with I, no run has come even a third of the way:",
    verdict(with_it, "<", first_value * 2 / 3),
)
assert int((without > with_it.max()).sum()) >= 17 and with_it.max() < first_value * 2 / 3

# %% [markdown]
# So nearly all code leaves $I$ out, A3C's included, and pays for it with a bias that is usually small. `train` leaves it out unless you
# ask.
#
# ### A2C on a maze
#
# Three settings, each with 8 environments a lane, 20 runs, and the same 9600 environment steps: one-step updates (1200 of them), five-step
# updates (240), and five-step updates with a **hasty actor**, whose step size is ten times larger while the critic's is the same.
#
# **Predict.** The maze pays $-0.1$ a step, and an untrained agent bumps into walls at $-0.6$ a time: its value is about $-4.8$. What is the
# value of *standing still for ever* at $\gamma = 0.95$? Which setting might end there?

# %%
settings = {
    "one step": {"horizon": 1, "actor_rate": 0.03},
    "five steps": {"horizon": 5, "actor_rate": 0.03},
    "five, hasty actor": {"horizon": 5, "actor_rate": 0.3},
}
learned = {}
for name, setting in settings.items():
    config = actor_critic.Config(steps=9600, discount=GAMMA, critic_rate=0.1, entropy_bonus=0.003, snapshots=12, **setting)
    run = actor_critic.train([task], config, seeds=range(20), progress=True)
    learned[name] = exact_curves(run)
steps = run.history.snapshot_steps

# %%
STILL = -0.1 / (1 - GAMMA)
figure, (left, right) = plotting.new_figure(1, 2, size=(10.4, 3.7))
for style, (name, (value, wrong)) in enumerate(learned.items()):
    plotting.draw_band(left, steps, interquartile_band(value), name, style)
    plotting.draw_band(right, steps, interquartile_band(wrong), name, style)
plotting.draw_exact(left, best_value, "best", style=6)
plotting.draw_exact(left, STILL, "standing still", style=3)
left.set(xlabel="environment steps", ylabel="exact value at the start (reward)", title="what the actor has learned", ylim=(-6.4, 0.3))
right.set(xlabel="environment steps", ylabel="critic's error (reward)", title="how wrong its critic is", ylim=(0, None))
plotting.label_lines(left)
plotting.provenance(left, loc="lower right", fontsize=8)
right.legend(loc="upper right")
plotting.show(
    figure,
    alt="One-step and five-step A2C approach the best value; with a hasty actor many runs end at the value of standing still for ever.",
)

final = {name: value[:, -1] for name, (value, _) in learned.items()}
stuck = {name: int(((end - STILL).abs() < 0.15).sum()) for name, end in final.items()}
print(f"standing still for ever is worth {STILL:.2f}, the best policy {best_value:.3f}")
print(
    "one step: all 20 runs end within 0.3 of the best:",
    verdict(best_value - final["one step"], "<", 0.3),
)
print(
    "five steps: at least 18 of 20 runs end within 0.5 of the best:",
    verdict((final["five steps"] > best_value - 0.5).sum(), ">=", 18),
)
still = stuck["five, hasty actor"]
print(
    "hasty actor: at least 4 runs of 20 stand still, and at least 2 do not:",
    verdict([still, 20 - still], ">=", [4, 2]),
)
early = {name: float(value[:, 1].median()) for name, (value, _) in learned.items()}
lead = early.pop("five, hasty actor")
print(
    "after 800 steps the hasty actor's median run leads:",
    verdict(lead, ">", [*early.values()]),
)
assert (final["one step"] > best_value - 0.3).all() and stuck["five, hasty actor"] >= 4 and stuck["one step"] == 0
hasty = final["five, hasty actor"]
assert int((hasty > best_value - 0.1).sum()) >= 2
assert int(((hasty - interquartile_band(learned["five, hasty actor"][0]).centre[-1]).abs() < 0.3).sum()) <= 5

# %% [markdown]
# **What it shows.** All settings begin at the same place. With equal experience, one-step updates lead here: there are five times as many
# of them, and a table in a maze that is not random keeps their bias small (5.5). The hasty actor leads for a moment. Then its runs part:
# some reach the best value, others come to $-2$ and stay there. They have learned that moving mostly hurts (walls) and that standing still
# costs only 0.1; they are *certain* of it before the critic knows of the goal, and a certain policy explores no more. The green line is a
# mean, and few runs are near it. When you tune actor–critic, first make the critic faster than the actor, and look at every run.
#
# ### Exercise 5.4 · a rollout with a time-out  (●●● · 10 min)
# A rollout of T steps from one environment. Write the targets with $\lambda = 1$: from the back, $R\leftarrow r_t + \gamma R$. What does
# $R$ start from after each of the three borders: a goal, a time-out, the end of the rollout? `value[t]` is $V(S_t)$ of the state acted in;
# `next_value[t]` is $V$ of the state that step t really led to. After a time-out the environment was reset, so these two then belong to
# different episodes. A step may be terminal and cut at once: then it has arrived.
#
# <details><summary>Hint 1</summary>A goal: 0. The end of the rollout: the episode goes on without you watching. A time-out: the episode
# *would* have gone on.</details>
# <details><summary>Hint 2</summary>Only a terminal step forgets the future. The other two replace it by `next_value[t]`; `value` is not
# needed at all.</details>


# %% tags=["exercise"]
def my_targets(reward, terminal, truncated, value, next_value, discount):
    """Targets [T]: R_t = reward_t + discount * (0 after a goal, next_value_t after a time-out or the last step, else R_{t+1}).

    reward, terminal (bool), truncated (bool), value and next_value are tensors [T]; discount is a float from 0 to 1.
    """
    ...


_ = check("5.4", my_targets)

# %% [markdown]
# ### Exercise 5.5 · find two planted bugs  (●●○ · 10 min)
# A colleague's agent gets worse the longer it trains, and its critic drifts although it predicted well. The function below returns what one
# descent step uses: the gradients by the logits and by the values. Uncomment it, find both bugs, repair it. Means over the batch, and half
# the square in the critic's part, are right.
#
# <details><summary>Hint 1</summary>An optimiser goes *down* the loss. Put in one action that did better than expected. Does its logit
# rise?</details>
# <details><summary>Hint 2</summary>Which terms of the loss contain `value`? Which of them should move it?</details>


# %% tags=["exercise"]
def loss_gradients(logits, value, action, target):
    """Gradients by logits [B, A] and values [B] of: -mean(error * log pi(a)) + mean(error^2) / 2, error = target - value.

    action (int64) and target are tensors [B]; in the actor's part error is a mere number. Returns the two, in this order.
    """
    # logits, value = logits.clone().requires_grad_(), value.clone().requires_grad_()
    # log_policy = logits.log_softmax(-1)
    # chosen = log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)
    # error = target - value
    # loss = (chosen * error).mean() + 0.5 * error.square().mean()
    # return torch.autograd.grad(loss, (logits, value))
    ...


_ = check("5.5", loss_gradients)

# %% [markdown]
# ## 5.7 A3C: nobody waits
#
# In A2C all environments wait for the slowest, and all for the update. A3C lets go of that. Several **worker processes** each have an
# environment and a *copy* of the parameters. Each one, on its own:
#
# 1. copies the shared parameters, $\theta'\leftarrow\theta$, $\theta_v'\leftarrow\theta_v$;
# 2. acts by its copy for at most $t_{\max}$ steps, or until the episode ends;
# 3. computes the gradient *of its copy*;
# 4. applies it to the *shared* parameters, whatever has happened to them in the meantime.
#
# Steps 1 and 4 are where workers meet, and there is no lock: they do not even take turns. Here is Algorithm S3, its lines as comments. It
# runs in processes of its own, started afresh (spawn), with parameters, RMSprop's averages and counters in shared memory.

# %%
show_source(a3c.learn)

# %% [markdown]
# > **Three things that S3 leaves unsaid.** (i) *Terminal states:* $R = 0$ for terminal $s_t$. A time-out also ends the rollout, but it is
# > not terminal: $R = V$ of the state *before* the reset. (ii) *Direction:* $d\theta$ is to be climbed and $d\theta_v$ to be descended,
# > though both are "accumulated" alike. $d\theta_v$ also lacks the $\tfrac12$ of (2.31); RMSprop divides it out. (iii) *The factor
# > $\gamma^t$* is gone.
# >
# > The thesis calls A3C a variant of A2C. Historically A2C came after A3C, as the version that waits; and what the workers contribute is
# > different experience at the same time, which A2C's parallel environments do as well.
#
# The gradient of step 3 belongs to parameters that may be gone by step 4. Its **staleness** is the number of updates that others made
# between a worker's synchronisation and its own update. How large can it be? Think of one worker's time as windows from synchronisation to
# update, which never overlap. Every update of another worker falls into at most one of them. With W workers each update therefore counts at
# most W − 1 times, and **the mean staleness is at most W − 1**, however the operating system schedules the processes.
#
# **Predict.** With two workers, mean staleness at most 1. Will the histogram be a spike at 1, or spread?

# %%
config = a3c.Config(steps=4000, workers=2, discount=GAMMA, actor_rate=0.02, critic_rate=0.05, entropy_bonus=0.003, snapshots=10)
race = a3c.train([task], config, seeds=range(20), progress=True)

# %%
history = race.history
figure, (left, right) = plotting.new_figure(1, 2, size=(9.6, 3.4), width_ratios=[1, 1.5])
counts = torch.bincount(history.staleness.clamp(max=8), minlength=9) / len(history.staleness)
left.bar(range(9), counts, color=plotting.BLUE)
left.set_xticks(range(9), labels=[*map(str, range(8)), "8+"])
left.set(xlabel="staleness (updates)", ylabel="share of updates", title="how stale an update is")
middle = len(history.staleness) // 2
window = slice(middle, middle + 40)
for worker in range(2):
    mine = history.update_workers[window] == worker
    place = torch.arange(40)[: len(mine)][mine]
    height = 0.16 * history.staleness[window][mine].clamp(max=5)
    right.vlines(place, worker, worker + height, color=plotting.COLOURS[worker], linewidth=3)
    right.plot(place, [worker] * len(place), plotting.MARKERS[worker], color=plotting.COLOURS[worker])
right.set(xlabel="update, counted from the middle of the run", title="who updates, and how stale (height)", ylim=(-0.4, 2.1))
right.set_yticks([0, 1], labels=["worker 0", "worker 1"])
plotting.show(figure, alt="Two workers do not take turns: some updates are fresh, others stale; the mean staleness is at most one.")

mean_staleness = float(history.staleness.double().mean())
policies = history.policies[:, 0].double()
race_values = (task.start * mdp.evaluate(ALL, policies / policies.sum(-1, keepdim=True), GAMMA)).sum(-1)
print("both workers made updates:", verdict(set(history.update_workers.tolist()) == {0, 1}))
bounded = 0 < mean_staleness <= 1  # a law: no luck is in it, however near to 1 it comes
print("the mean staleness is at most 1:", verdict(bounded))
print(
    "there are fresh updates and stale ones:",
    verdict(0 in history.staleness and history.staleness.any()),
)
arrived = int((race_values[:, -1] > best_value - 0.6).sum())
print(
    "at least 13 of 20 runs end within 0.6 of the best value:",
    verdict(arrived, ">=", 13),
)
assert bounded and arrived >= 13

# %% [markdown]
# **What it shows.** The histogram is spread, and yours differs from the one stored here: who comes first is up to the operating system, and
# two runs of this cell never agree in their parameters. That is A3C's price, and why this section prints verdicts. The bound holds in every
# run; how near the mean comes to 1 says how evenly the two were served. (All 20 lanes live in each worker: independent experience, but a
# common timing. And a few of them may stand still, like the hasty ones above.)
#
# Does it hurt? Ask without noise: climb the *exact* gradient, each time the one of k updates ago.

# %%
print("delay k   value after 30 updates   after 150")
delayed = {}
for delay in (0, 1, 4, 16):
    path = [torch.zeros(32, 5, dtype=torch.float64)]
    for _ in range(150):
        old = path[max(0, len(path) - 1 - delay)].softmax(-1)
        rise = mdp.visits(task, old, GAMMA).unsqueeze(-1) * old * actor_critic.advantages(task, old, GAMMA)
        path.append(path[-1] + rise)
    delayed[delay] = [float((task.start * mdp.evaluate(task, path[at].softmax(-1), GAMMA)).sum()) for at in (30, 150)]
    print(f"{delay:>7}{delayed[delay][0]:20.2f}{delayed[delay][1]:16.2f}")
assert abs(delayed[1][0] - delayed[0][0]) < 0.1 and delayed[16][0] < delayed[0][0] - 0.5
assert max(abs(values[1] - delayed[0][1]) for values in delayed.values()) < 0.05

# %% [markdown]
# A delay of one update, two workers' worth, is nearly invisible. A delay of sixteen, seventeen workers' worth, costs much early, while the
# policy changes quickly, and nothing in the end.
#
# **If a worker dies?** Processes get killed, most often for want of memory. Then `a3c.train` stops the others and raises an error that says
# which worker died, when, and of what. If you interrupt the cell, you get what was learned so far. Either way no process is left behind;
# the tests kill a worker, and the parent, to see it.
#
# ## 5.8 CartPole
#
# The same `train` on vectors: `GymTask` in place of a table, networks in place of tables. CartPole-v1 pays 1 for each step that the pole
# stands, at most 500; a random agent manages some twenty. Here is a short run: three seeds, 24 000 steps each. Which checkpoint of a run to
# report? The best one, chosen on *some* episodes and reported on *others*: the same episodes would flatter it.

# %%
cartpole = gym_bridge.GymTask("CartPole-v1")
config = actor_critic.Config(
    steps=24_000, horizon=16, lambda_=0.95, actor_rate=2e-3, critic_rate=4e-3, hidden=(64, 64), clip_norm=1.0, snapshots=4
)
run = actor_critic.train([cartpole], config, seeds=range(3), progress=True)
chosen = networks.best(run.history.actors, lanes.make_world([cartpole], seeds=range(1000, 1030)))  # ten episodes a run to choose by
scores = networks.greedy_returns(chosen, lanes.make_world([cartpole], seeds=range(5000, 5090))).mean(-1)[:, 0]  # thirty others to report
early = run.history.returns[:, 0, :10].mean(-1)
print(
    "at first the pole stood less than 40 steps on average, in all runs:           ",
    verdict(early, "<", 40),
)
print(
    "every run's chosen checkpoint stands more than three times as long, greedily: ",
    verdict(scores, ">", 3 * early),
)
assert (early < 40).all() and (scores > 3 * early).all()

# %% [markdown]
# That is all that a short run can claim. The usual bar is a mean of 475 over 100 episodes. So here is the whole protocol of section 3.7,
# done once and stored: ten seeds, 100 000 steps each, twenty checkpoints, 30 greedy episodes to choose by, 100 others to report. Beside it
# stand the ten runs of DQN from chapter 03.
#
# **Predict.** DQN's checkpoints jumped between 500 and almost nothing to the end. Will the actor's?

# %%
stored = {name: results.stored(f"cartpole-{name.lower()}").arrays for name in ("A2C", "DQN")}
figure, panels = plotting.new_figure(1, 2, size=(9.8, 3.3), sharey=True)
for ax, (name, arrays), colour in zip(panels, stored.items(), (plotting.BLUE, plotting.ORANGE), strict=True):
    ax.plot(arrays["steps"].T / 1000, arrays["choice"].T, color=colour, linewidth=0.8, alpha=0.7)
    ax.axhline(475, color=plotting.GREY, linewidth=1.0, linestyle=":")
    ax.set(xlabel="steps of experience, thousands", title=f"{name}: every checkpoint of ten seeds", ylim=(0, 515))
panels[0].set_ylabel("mean return of 30 greedy episodes")
plotting.show(
    figure,
    alt="The greedy return of A2C's ten actors jumps for long and rests at 500 from 95 000 steps on; that of DQN's ten networks jumps up "
    "and down to the end of its 50 000 steps.",
)
print("mean return of 100 other episodes, by seed")
for name, arrays in stored.items():
    print(f"{name}: " + " ".join(f"{mean:6.1f}" for mean in arrays["returns"].mean(-1)))
solved = {name: int((arrays["returns"].mean(-1) >= 475).sum()) for name, arrays in stored.items()}
last = {name: int((arrays["choice"][:, -1] >= 475).sum()) for name, arrays in stored.items()}
for name in stored:
    print(f"{name}: {solved[name]} of 10 seeds solved by the chosen checkpoint, {last[name]} of 10 by the last one")
assert solved == {"A2C": 10, "DQN": 10} and last["A2C"] == 10 > 5 > last["DQN"] and (stored["A2C"]["choice"][:, -2:] == 500).all()

# %% [markdown]
# **What it shows.** Both solve it for all ten seeds. A2C's checkpoints jump too, for half of the time and in some seeds for nearly all of
# it; but in the end all ten actors stand, and of DQN's last networks two do. Here is a guess at the reason, not a proof. When no episode
# fails any more, no action does better than expected: advantages are small, and the actor rests. DQN goes on fitting its values to moving
# targets, and an `argmax` may turn over. Do not read more into it: two agents, each with one setting that works and a budget of its own,
# are no comparison of two methods.
#
# ## What you learned
#
# - The signal that multiplies the score may be $Q$, $Q$ minus any baseline, the advantage or the TD error: the same gradient if the critic
#   is exact, with variances that differ by more than fourteen times in a corridor of four squares.
# - An error of $V(S_t)$ is a baseline and harmless. An error of $V(S_{t+1})$ is a bias.
# - n and $\lambda$ trade that bias for variance. The best n depends on the critic's error and on how many samples you average.
# - With compatible features, one-step TD learns the next reward only.
# - The box keeps $I = \gamma^t$; A2C and A3C drop it, and learn.
# - An actor that is faster than its critic becomes certain too early, in some runs and not in others. Look at all runs.
# - A3C's mean staleness is at most W − 1.
#
# ## Self-quiz
#
# <details><summary>1. May a baseline depend on the action? On the time step? On the return so far?</summary>Not on the action: (2.27) pulls
# B out of the sum over actions. On the time step and on anything that was fixed before the action was drawn, yes, the rewards so far
# included.</details>
#
# <details><summary>2. The critic is wrong by the same constant everywhere, and episodes never end. Is the TD error's gradient
# biased?</summary>No. Each TD error shifts by (γ − 1) times the constant, the same for all actions: a baseline. Where some actions end the
# episode it is biased, since at the end the critic is not asked.</details>
#
# <details><summary>3. You double the number of parallel environments. Should n grow or shrink?</summary>Grow: averaging removes spread and
# leaves bias, so the balance moves to longer returns (5.5).</details>
#
# <details><summary>4. Why is the advantage detached in the actor's loss?</summary>It is a sample of a number. With the gradient let
# through, the actor's loss would move V so as to please the actor: lower values where log π is low.</details>
#
# <details><summary>5. Three workers make 900 updates in all. What is the largest total staleness possible?</summary>Each update is counted
# at most once by each of the two others: 1800, a mean of 2.</details>
#
# <details><summary>6. Ten of twenty runs end at −0.1, ten at −2. What does their mean tell you?</summary>Nothing that any run does. Show
# the runs, or the share that succeeds.</details>
#
# ## Errata met in this chapter
#
# - Below (2.26): one-step TD does not minimise the squared error that the theorem asks for; with compatible features it learns the next
#   reward alone. The conditions are sufficient, not necessary: $Q_\pi$ need not meet the first, and serves.
# - (2.31), (2.32): $\gamma^{n-1}R_{t+n} + \gamma^n V(S_{t+n})$ in place of $\gamma^{n-1}V(S_{t+n})$.
# - (2.28) to (2.30): the factor $\gamma^t$ is left out, as in (2.23); the box keeps it.
# - Algorithm S3 is printed rightly. What it leaves unsaid: time-outs bootstrap, and the two gradients go opposite ways.
#
# ## Further reading
#
# - Sutton and Barto, "Reinforcement Learning: An Introduction", 2nd edition: sections 13.4 and 13.5 (baseline, the box), 7.1 and 12.1
#   (n-step and $\lambda$-returns).
# - Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016: section 3.
# - Mnih et al., "Asynchronous Methods for Deep Reinforcement Learning", 2016: section 4 and supplement, Algorithm S3.
# - Sutton et al., "Policy Gradient Methods for Reinforcement Learning with Function Approximation", 2000: section 2, Theorem 2.
# - Greensmith, Bartlett and Baxter, "Variance Reduction Techniques for Gradient Estimates in Reinforcement Learning", 2004: section 4.
# - Wan, MSc thesis, UCL 2019: section 2.4.
#
# **Next:** chapter 06 pays an agent for staying undecided, and the max of Q-learning becomes soft.
