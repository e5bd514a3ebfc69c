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
# # 07 · Regularised actor–critic and SAC
#
# **You will be able to**
#
# - say what the naive regularised gradient forgets, and compute where it leads instead of the optimum;
# - write the right gradient in the two forms that learning uses, and say which term each form may drop;
# - choose a critic's target that fits what its values mean;
# - derive soft Q-learning's gradient from an actor–critic's, term by term, and check it by enumeration;
# - read the soft actor–critic's equations with $\kappa = 1/\beta$, and write the log-density of its actions so that it never overflows.
#
# **Before you start**
#
# - Chapter 05: advantages, the critic's loss, A2C over lanes. Chapter 06: soft value, soft policy, $\mathrm{KL}$ as a price, path
#   consistency.
# - Chapter 04: the score function, discounted visits in the policy gradient.
#
# **Time** 60 minutes to read and do, about 40 seconds to run. **Modules** `distral_lite.regularised_actor_critic`, `distral_lite.sac`.
# **Equations** 2.46 to 2.61.

# %%
import dataclasses
import math

import numpy as np
import torch

from distral_lite import gym_bridge, mdp, plotting, results, sac, soft, soft_q_learning
from distral_lite import regularised_actor_critic as rac
from distral_lite.checks import check
from distral_lite.gridworld import load_map
from distral_lite.statistics import interquartile_band, verdict
from distral_lite.widgets import Scene, Slider, panel, show_source, still

torch.set_num_threads(1)  # the arrays are small: one thread is faster

# %% [markdown]
# ## 7.1 A price that is due again
#
# Chapter 06 found the best policy under a price by values. Now climb to it by the policy's own gradient. The first idea is to take the
# policy gradient of chapter 04 and add a pull towards the prior in the state where you are:
#
# $$\mathbb{E}\Big[\nabla_\theta\log\pi_\theta(a_t\mid s_t)\sum_{t'\ge t} R_{t'} - \frac1\beta\nabla_\theta\mathrm{KL}_t\Big]
# \qquad\text{(2.46)}$$
#
# It looks complete: rewards push, the price pulls. But the price is paid *at every step*, and where you go decides what you will pay there.
# The gradient of the objective must hold the later prices too:
#
# $$g_\gamma = \mathbb{E}\Big[\sum_{t\ge0}\nabla_\theta\log\pi_\theta(a_t\mid s_t)
# \Big(R_t + \sum_{d\ge1}\gamma^d\big(R_{t+d} - \tfrac1\beta\mathrm{KL}_{t+d}\big)\Big) - \frac1\beta\nabla_\theta\mathrm{KL}_t\Big]
# \qquad\text{(2.47, corrected)}$$
#
# $$\phantom{g_\gamma} = \mathbb{E}\Big[\sum_{t\ge0}\nabla_\theta\log\pi_\theta(a_t\mid s_t)\big(Q_\pi(s_t,a_t) - V_\pi(s_t)\big)
# - \frac1\beta\nabla_\theta\mathrm{KL}_t\Big] \qquad\text{(2.48, corrected)}$$
#
# > **Erratum.** (2.47) prints $\nabla_\theta\mathrm{KL}_t$ inside the bracket that multiplies $\nabla_\theta\log\pi_\theta$: a product of
# > two vectors, where a gradient is meant. It stands beside the product. And the reward of the step is $R_t$; the printed $R_0$ is that of
# > the first step, whatever $t$ is.  **To be read with care.** (2.48) sums over $t$ in its first term only as the brackets stand; the sum
# > covers $\nabla_\theta\mathrm{KL}_t$ as well. Both lines leave out the factor $\gamma^t$, as (2.23) does. Here it is kept, as discounted
# > visits $d(s)$, so that the right gradient is exactly that of the objective.
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $\log\pi_\theta$ | `log_policy` | `[..., S, A]` | nats |
# | $-\tfrac1\beta\mathrm{KL}_t$, at $\alpha = 1$ | `expected_regulariser` | `[..., S]` | reward |
# | $Q_\pi, V_\pi$ with prices (2.41, 2.40) | `regularised_values` | `[..., S, A]`, `[..., S]` | reward |
# | gradient in the logits of a table | `naive_gradient`, `proper_gradient` | `[..., S, A]` | reward / nat |
#
# With $\alpha < 1$ the code pays $\tfrac\alpha\beta\log\pi_0 - \tfrac1\beta\log\pi$, as in chapter 06. The text says KL and means that.

# %%
show_source(rac.score_term, rac.regulariser_gradient, rac.naive_gradient, rac.proper_gradient)

# %% [markdown]
# ### A fork, by hand
#
# In a fork you may go left, which pays 1 and ends, or right, into a workshop. In the workshop work pays 2 and idling pays 0, and either
# ends the episode. At the fork you have no habit. In the workshop you have a strong one: to idle, 19 times in 20.
#
# Suppose you now go left or right equally often, and in the workshop you work 3 times in 4. That is far from the habit: $\mathrm{KL} =
# 0.75\log\frac{0.75}{0.05} + 0.25\log\frac{0.25}{0.95} = 1.70$ nats.
#
# **Predict.** At $\beta = 2$, which way does the naive gradient (2.46) push you at the fork? Which way the right one (2.48)? Do it by hand:
# what is going right worth in either?

# %%
fork = mdp.check(
    mdp.MDP(
        successor=torch.tensor([[[0], [1]], [[1], [1]]]),  # in 0, the fork: left, right; in 1, the workshop: idle, work
        probability=torch.ones(2, 2, 1, dtype=torch.float64),
        reward=torch.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=torch.float64),
        terminal=torch.tensor([[[True], [False]], [[True], [True]]]),
        start=torch.tensor([1.0, 0.0], dtype=torch.float64),
        features=torch.eye(2),
    )
)
habit = torch.tensor([[0.5, 0.5], [0.95, 0.05]], dtype=torch.float64).log()
now = torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=torch.float64).log()
logits = now.clone().requires_grad_()
(autograd,) = torch.autograd.grad(rac.objective(fork, logits.log_softmax(-1), habit, 1.0, 2.0, 1.0), logits)
naive, proper = (gradient(fork, now, habit, 1.0, 2.0, 1.0) for gradient in (rac.naive_gradient, rac.proper_gradient))
print(f"KL in the workshop {float(soft.kl(now, habit)[1]):.2f} nats")
print("push towards    right    work")
for name, gradient in (("naive (2.46)", naive), ("right (2.48)", proper), ("autograd", autograd)):
    print(f"{name:<14}{float(gradient[0, 1]):+7.3f} {float(gradient[1, 1]):+7.3f}")
assert float(naive[0, 1]) > 0 > float(proper[0, 1]) and torch.allclose(proper, autograd, atol=1e-12)

# %% [markdown]
# By hand: going right pays $0.75\cdot 2 = 1.5$ in rewards, half a unit more than left, and the push is that difference times $\pi(1-\pi) =
# \tfrac14$: $+0.125$. But the workshop costs $1.70/2 = 0.85$ on top. What is left of right is 0.65, *less* than left is worth: $-0.087$. In
# the workshop itself both agree, for there are no later prices. The last line takes the gradient of the objective through the linear solve,
# without any of these formulas, and it confirms (2.48).
#
# The whole field of pushes is more than one point. Below, every policy of the fork is a point of a square. Colour is the objective, dark is
# good; arrows say where a small step along either gradient leads.

# %%
BETAS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
fine = torch.linspace(0.01, 0.99, 49, dtype=torch.float64)
coarse = torch.linspace(0.1, 0.9, 6, dtype=torch.float64)


def policies(points):
    """All pairs of probabilities (right, work) as log-policies [n, n, 2, 2]; work runs along the first axis."""
    work, right = torch.meshgrid(points, points, indexing="ij")
    return torch.stack([torch.stack([1 - right, right], -1), torch.stack([1 - work, work], -1)], -2).log()


def rests(beta):
    """The probabilities (right, work) where the naive gradient rests, and at the optimum."""
    best = soft_q_learning.solve(fork, habit, 1.0, beta, 1.0).log_policy
    return tuple(policy.exp()[:, 1] for policy in (rac.naive_fixed_point(fork, habit, 1.0, beta, 1.0, step=1.0), best))


def fork_scene():
    figure, (left, right) = plotting.new_figure(1, 2, size=(7.8, 3.4), width_ratios=[1.15, 1])
    look = {"cmap": plotting.VALUE_COLOURS, "aspect": "auto", "interpolation": "nearest"}
    square = left.imshow(torch.zeros(49, 49), origin="lower", extent=(0, 1, 0, 1), **look)
    left.set(xlabel="probability of going right", ylabel="probability of working", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    left.grid(False)
    arrows = [left.quiver(coarse, coarse, *torch.zeros(2, 6, 6), color=colour, angles="xy", scale_units="xy", scale=1, width=0.007)
              for colour in (plotting.ORANGE, plotting.BLUE)]  # fmt: skip
    looks = ({"marker": "s", "color": plotting.ORANGE}, {"marker": "o", "color": plotting.BLUE})
    marks = [left.plot([], [], markersize=10, markeredgecolor="white", linestyle="none", **look)[0] for look in looks]
    grid = torch.linspace(0.3, 10, 40).tolist()
    tracks = torch.stack([torch.stack(rests(beta)) for beta in grid])[..., 0]  # [β, naive or best]
    for curve, name, style in ((tracks[:, 0], "naive (2.46)", 1), (tracks[:, 1], "optimum", 0)):
        plotting.draw_exact(right, curve, name, x=grid, style=style).set_marker("")
    dots = [right.plot([], [], markersize=9, linestyle="none", label="_", **look)[0] for look in looks]
    right.set(xlabel="inverse temperature β", ylabel="going right, at rest", xlim=(0, 10), ylim=(0, 1.03))
    right.set(xticks=[0, 2, 5, 10], yticks=[0, 0.5, 1])
    plotting.label_lines(right)

    def update(beta):
        height = rac.objective(fork, policies(fine), habit, 1.0, beta, 1.0)
        square.set_data(height)
        square.set_clim(float(height.quantile(0.3)), float(height.max()))
        at = policies(coarse)
        for field, gradient in zip(arrows, (rac.naive_gradient, rac.proper_gradient), strict=True):
            push = (gradient(fork, at, habit, 1.0, beta, 1.0) * at.exp() * (1 - at.exp()))[..., 1]  # [6, 6, (right, work)]
            push = 0.13 * push / push.norm(dim=-1, keepdim=True).clamp_min(1e-9).sqrt() / float(push.norm(dim=-1).max()) ** 0.5
            field.set_UVC(push[..., 0], push[..., 1])
        found = rests(beta)
        for mark, dot, place in zip(marks, dots, found, strict=True):
            mark.set_data(*place.unsqueeze(-1))
            dot.set_data([beta], [float(place[0])])
        left.set_title(f"β = {beta:g}: naive ■ and right gradient ●")
        return f"At β = {beta:g} the naive gradient ends going right {found[0][0]:.0%} of the time, the optimum {found[1][0]:.0%}."

    return Scene(figure, update)


panel(fork_scene, {"beta": Slider(BETAS, 2.0, "β")})

# %%
still(fork_scene, beta=2.0)
at_two = rests(2.0)
assert float(at_two[0][0]) > 0.7 and float(at_two[1][0]) < 0.4

# %% [markdown]
# **What it shows.** At $\beta = 2$ the naive gradient leads to a policy that goes right three times in four; the optimum goes right one
# time in three. Drag $\beta$ up: prices become small, and the two meet. Drag it down: prices are so large that neither leaves its habits,
# and they meet again. In between the naive agent takes the way that is worth less, again and again, because nothing ever told it that it
# would have to pay there.

# %% [markdown]
# ### Exercise 7.1 · the pull of the prior  (●●○ · 8 min)
# Both gradients need $\nabla_\theta\mathrm{KL}[\pi_\theta\,\|\,\pi_0]$ for $\pi_\theta = \mathrm{softmax}(\theta)$. Derive it, and write it
# without autograd.
#
# <details><summary>Hint 1</summary>KL is the mean of the log-ratio under π. Its derivative has two parts: the probabilities move, and the
# log-ratio moves. The second part is the mean of ∇ log π, which is zero.</details>
# <details><summary>Hint 2</summary>The mean of x(a) under a softmax has the derivative π(a) (x(a) − mean of x).</details>


# %% tags=["exercise"]
def my_kl_gradient(logits, log_prior):
    """Gradient of KL[softmax(logits) || π₀] with respect to the logits: [..., A] and [..., A] give [..., A]."""
    ...


_ = check("7.1", my_kl_gradient)

# %% [markdown]
# ## 7.2 What exactly is lost
#
# The objective is a sum over states of visits times what is paid there: $J = \sum_s d(s)\,\big(R_\pi(s) - \tfrac1\beta\mathrm{KL}(s)\big)$.
# Differentiate the part with the price by the product rule:
#
# $$-\frac1\beta\sum_s d(s)\,\nabla\mathrm{KL}(s) \;-\; \frac1\beta\sum_s \mathrm{KL}(s)\,\nabla d(s).$$
#
# The naive gradient has the first sum. The second, in which the price stays and the *visits* move, is what it lacks. So its bias is exactly
# $\tfrac1\beta\sum_s\mathrm{KL}(s)\,\nabla d(s)$, and you know three places where that is zero: a bandit (visits cannot move), $\gamma = 0$
# (nobody looks ahead), and $\beta\to\infty$.

# %%
GAMMA = 0.9
print("world   size of the right gradient   size of the bias   bias = Σ KL ∇d / β to 1e-12")
for seed in range(4):
    draw = np.random.default_rng(seed)
    task = mdp.random_mdp(draw, states=5, actions=3)
    prior = torch.from_numpy(draw.dirichlet(np.ones(3), size=5)).log()
    leaf = torch.from_numpy(draw.normal(size=(5, 3))).requires_grad_()
    log_policy = leaf.log_softmax(-1)
    price = soft.kl(log_policy, prior).detach() / 1.0  # β = 1
    (lost,) = torch.autograd.grad((mdp.visits(task, log_policy.exp(), GAMMA) * price).sum(), leaf)
    log_policy = log_policy.detach()
    naive, proper = (gradient(task, log_policy, prior, 1.0, 1.0, GAMMA) for gradient in (rac.naive_gradient, rac.proper_gradient))
    apart = float((naive - proper - lost).abs().max())
    print(f"{seed}{float(proper.norm()):>31.3f}{float((naive - proper).norm()):>19.3f}{verdict(apart, '<', 1e-12):>31}")
    assert apart < 1e-12

# %% [markdown]
# On these random worlds the bias is anything from a fifth of the gradient to nearly all of it.
#
# Where does an agent end that climbs (2.46)? Where its gradient is zero: at a policy $\pi\propto\pi_0^\alpha e^{\beta Q}$ whose $Q$ are the
# plain values of $\pi$ itself, without any price. That is a fixed point, and `naive_fixed_point` finds it.
#
# **Predict.** Map 4, uniform prior. At $\alpha = 1$ every step is a price to pay; does an agent that does not foresee prices take longer to
# the goal than the optimum, or arrive sooner? At $\alpha = 0.8$ and small $\beta$ the *optimum* wanders for ever (chapter 06). Does the
# naive agent?

# %%
world = load_map(4)
maze = world.mdp()
uniform = torch.full((5,), -math.log(5), dtype=torch.float64)
betas = torch.logspace(0, 1.6, 17).tolist()
resting = [rac.naive_fixed_point(maze, uniform, 1.0, beta, 0.99) for beta in betas]  # the same for every α: the prior is uniform
figure, axes = plotting.new_figure(1, 2, size=(8.4, 3.4), sharey=True)
ways = {}
for one, alpha in zip(axes, (1.0, 0.8), strict=True):
    best = [soft_q_learning.solve(maze, uniform, alpha, beta, 0.99).log_policy for beta in betas]
    ways[alpha] = [[mdp.expected_steps(maze, policy.exp()) for policy in each] for each in (resting, best)]
    for steps, name, style in zip(ways[alpha], ("naive", "optimum"), (1, 0), strict=True):
        plotting.draw_exact(one, steps, name, x=betas, style=style)
    one.axhline(13, color=plotting.GREY, linewidth=0.8)
    one.set(xscale="log", yscale="log", xlabel="inverse temperature β", title=f"α = {alpha:g}", ylim=(12, 1100))
    one.set_xticks([1, 2, 5, 10, 40], labels=["1", "2", "5", "10", "40"])
    one.set_yticks([13, 30, 100, 300, 1000], labels=["13", "30", "100", "300", "1000"])
    one.minorticks_off()
    one.legend(fontsize=9)
axes[0].set_ylabel("expected steps on map 4 (exact)")
plotting.show(
    figure,
    alt="At α = 1 the naive agent takes more steps than the optimum at every β; at α = 0.8 and small β the optimum never arrives and the"
    " naive agent does.",
)
print(f"α = 1, β = 1: naive {ways[1.0][0][0]:.0f} steps, optimum {ways[1.0][1][0]:.0f}")
print(f"α = 0.8, β = 1: naive {ways[0.8][0][0]:.0f} steps, optimum {ways[0.8][1][0]:.0f} (episodes are cut at 1000)")
assert all(naive > best for naive, best in zip(*ways[1.0], strict=True)) and ways[0.8][1][0] > 999 > 100 > ways[0.8][0][0]

# %% [markdown]
# **What it shows.** At $\alpha = 1$ every further step will cost something, rewards and prices, and the optimum hurries. The naive agent
# does not see the prices ahead and dawdles, nearly half as long again at $\beta = 1$. At $\alpha = 0.8$ the two change places: now
# indecision is *paid*, the optimum collects the pay for ever, and the naive agent does not know that there is pay to be had. Its curve is
# the same in both panels. (With a uniform prior $\pi_0^\alpha$ is a constant, so only $\beta$ and plain values shape its rest.)
#
# ### Exercise 7.2 · explain the figure  (●●○ · 4 min)
# A colleague trains with (2.46) at $\alpha = 0.8$, $\beta = 1$, and the agent arrives. "So the wandering of chapter 06 was a fault of soft
# Q-learning", she says. What do you answer? **a** She is right: the gradient is unbiased, so it found the true optimum. **b** Her agent
# found a policy that earns less than wandering does, because it never saw the pay for later indecision. **c** At $\beta = 1$ both policies
# earn the same; which one is found is chance. **d** Her agent will wander if she only trains for longer.

# %% tags=["exercise"]
answer = None

_ = check("7.2", answer)

# %% [markdown]
# ## 7.3 From sums to TD errors
#
# Learning needs estimates from $n$ steps, as in chapter 05. The thesis continues with
#
# $$\mathbb{E}\big[\nabla_\theta\log\pi_\theta(A_t\mid S_t)\,\delta_{t+n}\big] \quad\text{(2.49)}, \qquad
# L(V) = \mathbb{E}\big[\tfrac12(V(S_t) - y_t)^2\big] \quad\text{(2.50)}$$
#
# and a target $y_t$ (2.51). Two questions decide whether that works. How does the price of step $t$ *itself* get into $\delta$? And what is
# $V$ the value *of*?
#
# **The price in $\delta$.** You may put in the log-ratio of the action that was taken, a sample,
#
# $$\delta_t = R_t - \frac1\beta\log\frac{\pi(A_t\mid S_t)}{\pi_0(A_t\mid S_t)} + \gamma V(S_{t+1}) - V(S_t),$$
#
# or its mean $\mathrm{KL}_t$ in closed form. Either has the same mean, and the second looks better: less chance in it. But look at what
# multiplies it. The score has mean zero, so what does not depend on the action drops out of $\mathbb{E}[\nabla\log\pi\,\delta]$, and
# $\mathrm{KL}_t$ does not depend on the action. The sampled ratio does, and its part is exactly
# $\mathbb{E}[\nabla\log\pi\,\log\tfrac{\pi}{\pi_0}] = \nabla\mathrm{KL}_t$.
#
# > **Erratum.** With KL in closed form, as (2.51) has it, (2.49) must keep the term $-\tfrac1\beta\nabla_\theta\mathrm{KL}_t$ of (2.48). It
# > may be dropped only when the sampled log-ratio of step $t$ stands inside $\delta$.

# %%
show_source(rac.n_step_signal, rac.td_gradient, rac.td_gradient_closed_form_alone)

# %%
random = torch.from_numpy(np.random.default_rng(0).normal(size=(32, 5))).log_softmax(-1)
arguments = (maze, random, uniform, 1.0, 5.0, 0.95)
values, right = rac.regularised_values(*arguments), rac.proper_gradient(*arguments)
print(" n   sampled ratio in δ: error    KL in closed form alone: error    the right gradient's size")
for n in (1, 2, 10):
    errors = [float((gradient(*arguments, values, n) - right).norm()) for gradient in (rac.td_gradient, rac.td_gradient_closed_form_alone)]
    print(f"{n:2d}{'below 1e-12' if errors[0] < 1e-12 else errors[0]:>28}{errors[1]:>33.3f}{float(right.norm()):>29.3f}")
    assert errors[0] < 1e-12 and errors[1] > 0.1 * float(right.norm())

# %% [markdown]
# **What $V$ is the value of.** $V_\pi$ (2.40) pays the price of its own first step. $Q_\pi$ (2.41) does not. Their targets differ by just
# that:
#
# $$y_t = \sum_{d=0}^{n-1}\gamma^d\Big(R_{t+d} - \frac1\beta\mathrm{KL}_{t+d}\Big) + \gamma^n V(S_{t+n}) \qquad\text{(2.51, corrected)}$$
#
# > **Erratum.** (2.51) prints $\tfrac1\beta\mathrm{KL}_t$ in front of the sum, which takes the price of the first step out again. That is
# > the target of $Q$ (2.44), copied. For $V$ it is too high by $\tfrac1\beta\mathrm{KL}_t$ in every state; and with $n = 1$ no price would
# > be left at all: the critic would learn the plain values.

# %%
q_target = (random.exp() * rac.n_step_signal(maze, random, uniform, 1.0, 5.0, 0.95, values, 3)).sum(-1)  # as printed, n = 3
kl = soft.kl(random, uniform) / 5.0
plain = mdp.evaluate(maze, random.exp(), 0.95)
of_plain = (random.exp() * rac.n_step_signal(maze, random, uniform, 1.0, 5.0, 0.95, plain, 1)).sum(-1)  # as printed, n = 1
print(
    "without the leading KL_t the exact V is its own target:   ",
    verdict((q_target - kl - values).abs(), "<", 1e-12),
)
print(
    "with it, the target is too high in every state:           ",
    verdict(q_target - values, ">", 1e-6),
)
print(
    "with it and n = 1, the *plain* values are their own target:",
    verdict((of_plain - plain).abs(), "<", 1e-12),
)
print(f"mean price that would be lost: {float(kl.mean()):.3f} of reward a step, where a step costs 0.1")
assert torch.allclose(q_target - kl, values, atol=1e-12) and torch.allclose(of_plain, plain, atol=1e-12)
assert bool((q_target > values + 1e-6).all())

# %% [markdown]
# ### Which form is quieter?
#
# **Predict.** Two estimates with one mean: KL in closed form with its gradient beside, or the sampled log-ratio inside $\delta$. Which one
# has the smaller variance near the optimum? Remember path consistency (section 6.8) before you answer.

# %%
easy = load_map(6)
task = easy.mdp()
best = soft_q_learning.solve(task, uniform, 1.0, 2.0, 0.99)
ahead = mdp.action_values(task, best.value, 0.99) - best.value.unsqueeze(-1)  # r + γ V(s') − V(s), for every action
sampled = ahead + soft.sampled_regulariser(best.log_policy, uniform, 1.0, 2.0)
closed = ahead + soft.expected_regulariser(best.log_policy, uniform, 1.0, 2.0).unsqueeze(-1)
share = mdp.visits(task, best.log_policy.exp(), 0.99).unsqueeze(-1) * best.log_policy.exp()  # how often each state and action
spread = ((share * closed.square()).sum() / share.sum()).sqrt()
print(
    "at the optimum of map 6, δ with the sampled ratio is 0 for every action:",
    verdict(sampled.abs(), "<", 1e-9),
)
print(f"with KL in closed form its root mean square over an episode's steps is {float(spread):.2f} of reward")
assert bool((sampled.abs() < 1e-9).all()) and float(spread) > 0.3

# %% [markdown]
# "Closed forms reduce variance" is a good rule and here it fails. At the optimum, and where the world's outcomes are certain, the noise of
# the reward and the noise of the log-ratio cancel *for every single action*: that is path consistency. Replace one of the two by its mean
# and the other has nothing to cancel against. So with sampled ratios the gradient falls silent as the agent arrives; with closed forms it
# rattles on for ever.
#
# ### Learning it
#
# `regularised_actor_critic.train` is A2C of chapter 05 with prices in the returns. Its `price` chooses how: `"sampled"` ratios in $\delta$,
# `"closed"` KL with its gradient beside, or `"naive"` (2.46).

# %%
show_source(rac.prices, rac.actor_loss, rac.critic_loss)

# %%
settings = dict(steps=24_000, discount=0.99, alpha=1.0, beta=2.0, critic_rate=0.1, exploring_starts=True, max_episode_steps=20)
runs = {
    price: rac.train([task], rac.Config(price=price, snapshots=16, **settings), seeds=range(20), progress=True)
    for price in ("sampled", "closed", "naive")
}

# %%
rest = rac.naive_fixed_point(task, uniform, 1.0, 2.0, 0.99)
top, low = (float(rac.objective(task, policy, uniform, 1.0, 2.0, 0.99)) for policy in (best.log_policy, rest))
figure, axes = plotting.new_figure(size=(6.6, 3.6))
plotting.draw_exact(axes, top, "optimum (exact)", style=0)
plotting.draw_exact(axes, low, "rest of (2.46)", style=1)
reached = {}
for (price, run), style in zip(runs.items(), (0, 2, 1), strict=True):
    learned = run.history.log_policies[:, 0].double().log_softmax(-1)  # [20 runs, snapshots, S, A]
    reached[price] = rac.objective(task, learned, uniform, 1.0, 2.0, 0.99)
    plotting.draw_band(axes, run.history.snapshot_steps, interquartile_band(reached[price]), price, style=style)
axes.set(xlabel="steps of each run", ylabel="regularised return from the start", xlim=(0, 24_000), ylim=(-3.2, -1.6))
plotting.label_lines(axes)
plotting.provenance(axes, loc="lower right")
plotting.show(
    figure, alt="With sampled or closed-form prices twenty runs come up to the exact optimum; with naive prices they stay below it."
)
states = torch.arange(32) != easy.goal
final = runs["sampled"].agent.log_policy[:, 0].double().exp()
distance = 0.5 * (final - best.log_policy.exp()).abs().sum(-1)[:, states].mean(-1)
far = 0.5 * (runs["naive"].agent.log_policy[:, 0].double().exp() - best.log_policy.exp()).abs().sum(-1)[:, states].mean(-1)
for text, value, sign, bar in (
    ("sampled: within 0.05 of the optimum, in all 20 runs", top - reached["sampled"][:, -1], "<", 0.05),
    ("closed: within 0.15 of the optimum, in all 20 runs", top - reached["closed"][:, -1], "<", 0.15),
    ("naive: more than 0.17 below it, in all 20 runs", top - reached["naive"][:, -1], ">", 0.17),
    ("sampled: policy within 0.04 of the exact one on average over states, all runs", distance, "<", 0.04),
    ("naive: its policy at least 0.09 from the exact one, all runs", far, ">", 0.09),
):
    word = verdict(value, sign, bar)
    print(f"{text}: {word}")
    assert word == "yes"

# %% [markdown]
# **What it shows.** Three programs that differ in one line. Two of them come up to the exact optimum, the one with sampled ratios closer.
# The third settles where section 7.2 said it would: not because it learned badly, but because it learned another thing. Nothing in its own
# curves would have told you; only the exact line does.
#
# ### Exercise 7.3 · find the planted bug  (●●○ · 8 min)
# A colleague writes the critic's target of one rollout, and her values come out too high. Her line is in the stub as a comment. Find what
# is wrong, and write $y_t$ of the rollout's first state right. `discount[d]` is $\gamma$ where the episode went on after step $d$ and 0
# where it ended.
#
# <details><summary>Hint 1</summary>Does V pay for its own first step? Does Q?</details>
# <details><summary>Hint 2</summary>After a terminal step neither rewards nor prices nor V count any more: build the products of
# <code>discount</code>. Work from the last step back: y = r − KL/β + discount · y.</details>


# %% tags=["exercise"]
def critic_target(reward, kl, beta, discount, next_value):
    """Σ γ^d (R − KL/β) + γ^n V(S_{t+n}) of one rollout: reward, kl and discount [n], next_value a number; returns a number."""
    # gamma = discount.max() ; d = torch.arange(len(reward))
    # return kl[0] / beta + (gamma**d * (reward - kl / beta)).sum() + gamma ** len(reward) * next_value
    ...


_ = check("7.3", critic_target)

# %% [markdown]
# ## 7.4 Two algorithms that are one
#
# Soft Q-learning learns values and makes its policy of them. Regularised actor–critic learns a policy and a value. Schulman, Chen and
# Abbeel showed that they take the same steps. Begin with *any* parameterised $Q_\theta$ and let it define a value and a policy:
#
# $$V_\theta(s) = \frac1\beta\log\mathbb{E}_{a\sim\pi_0}\big[e^{\beta Q_\theta(s,a)}\big] \quad\text{(2.52)}, \qquad
# \pi_\theta(a\mid s) = \pi_0(a\mid s)\,e^{\beta(Q_\theta(s,a) - V_\theta(s))} \quad\text{(2.53)}$$
#
# Read (2.53) backwards: $Q_\theta = V_\theta + \tfrac1\beta\log\frac{\pi_\theta}{\pi_0}$. A $Q$ *is* a value and a policy, in one. Put that
# into soft Q-learning's gradient $(Q_\theta - y_t)\nabla Q_\theta$. Write $\Delta_t = \sum_d\gamma^d\delta_{t+d}$ for the $n$-step
# advantage (with closed-form KL), so that $y_t = \tfrac1\beta\mathrm{KL}_t + V_\theta(s_t) + \Delta_t$. Then
#
# $$Q_\theta - y_t = \underbrace{\tfrac1\beta\big(\log\tfrac{\pi_\theta}{\pi_0} - \mathrm{KL}_t\big)}_{\text{mean zero under }\pi_\theta} -
# \Delta_t, \qquad \nabla Q_\theta = \tfrac1\beta\nabla\log\pi_\theta + \nabla V_\theta.$$
#
# Multiply out. On average over $a_t\sim\pi_\theta$ the first factor times $\nabla V_\theta$ vanishes; times
# $\tfrac1\beta\nabla\log\pi_\theta$ it is $\tfrac1{\beta^2}\nabla\mathrm{KL}_t$. What remains is
#
# $$\nabla_\theta\,\mathbb{E}\big[\tfrac12(Q_\theta - y_t)^2\big] = \mathbb{E}\Big[-\frac1\beta\nabla_\theta\log\pi_\theta\,\Delta_t +
# \frac1{\beta^2}\nabla_\theta\mathrm{KL}_t + \nabla_\theta\tfrac12\big(V_\theta(s_t) - \hat V_t\big)^2\Big] \qquad\text{(2.54)}$$
#
# with $\hat V_t = V_\theta(s_t) + \Delta_t$ *held fixed*. A policy gradient with its pull to the prior, weighted by $1/\beta$, plus a
# critic's least squares: an actor–critic.
#
# > **Left open in the thesis.** (2.54) uses $\hat V_t$ without saying what it is (“SHOULD CLARIFY WHAT V HAT IS HERE”). It is
# > $V_\theta(s_t) + \Delta_t$, with no gradient through it: were it to move with $V_\theta$, the last term would be zero and the equation
# > false. The expectation in (2.52) is over $a\sim\pi_0$, and (2.54) holds for actions from $\pi_\theta$; where the states come from does
# > not matter.

# %%
show_source(rac.soft_q_loss, rac.actor_critic_losses)

# %% [markdown]
# An identity can be checked to the last bit. Every state, action and outcome of twenty random worlds is enumerated; both sides go through
# autograd.

# %%
worst, smallest = 0.0, math.inf
for seed in range(20):
    draw = np.random.default_rng(seed)
    world_, q = mdp.random_mdp(draw, states=4, actions=3), torch.from_numpy(draw.normal(size=(4, 3)))
    prior, weight = (torch.from_numpy(draw.dirichlet(np.ones(size), size=shape)) for size, shape in ((3, 4), (4, None)))
    for n in (1, 2, 5):
        left, parts = rac.both_gradients(world_, q, prior.log(), 1.0, 2.0, GAMMA, n, weight)
        worst, smallest = max(worst, float((left - sum(parts)).abs().max())), min(smallest, float(left.abs().max()))
print(
    "20 random worlds, n = 1, 2, 5: the two sides of (2.54) differ by less than 1e-12:",
    verdict(worst, "<", 1e-12),
)
print(
    "and neither is just zero (every gradient has an entry above 0.01):",
    verdict(smallest, ">", 0.01),
)
assert worst < 1e-12 and smallest > 0.01

draw = np.random.default_rng(1)
world_, q = mdp.random_mdp(draw, states=3, actions=3), torch.from_numpy(draw.normal(size=(3, 3)))
prior = torch.from_numpy(draw.dirichlet(np.ones(3), size=3)).log()
left, parts = rac.both_gradients(world_, q, prior, 1.0, 2.0, GAMMA, 3, torch.ones(3, dtype=torch.float64))
figure, axes = plotting.new_figure(size=(6.6, 3.2))
place, bottoms = torch.arange(9), torch.zeros(2, 9, dtype=torch.float64)  # positive parts are stacked upwards, negative ones downwards
for part, name, colour in zip(parts, ("policy", "regulariser", "value"), (plotting.SKY, plotting.YELLOW, plotting.GREEN), strict=True):
    side = (part.flatten() < 0).long()
    axes.bar(place, part.flatten(), 0.6, bottom=bottoms.gather(0, side[None])[0], color=colour, label=f"{name} (actor–critic)")
    bottoms.scatter_add_(0, side[None], part.flatten()[None])
axes.plot(place, left.flatten(), marker="D", color=plotting.BLACK, linestyle="none", markersize=7, label="soft Q-learning")
axes.axhline(0, color=plotting.GREY, linewidth=0.8)
axes.set(xlabel="state and action of a small random world", ylabel="gradient (exact)")
axes.set_xticks(place, labels=[f"{s}{a}" for s in "ABC" for a in "123"])
axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
plotting.show(figure, alt="In each state and action the three parts of the actor–critic's gradient add up to soft Q-learning's.")
assert torch.allclose(bottoms.sum(0), left.flatten(), atol=1e-12)

# %% [markdown]
# **What it shows.** Each diamond, soft Q-learning's gradient of one entry of the table, lies at the sum of the three bars above and below
# zero. The parts are larger than the whole: policy and value often pull in opposite directions, and $Q$ knows only the balance.
#
# ### One update of each
#
# Take one table, make two copies, and let each take its own kind of step, again and again. Then do it with *one sampled window* a step and
# ask how far single steps stray from their mean.

# %%
tables = [torch.zeros(32, 5, dtype=torch.float64)] * 2
weight = torch.full((32,), 1 / 32, dtype=torch.float64)
for update in range(1, 201):
    steps = [rac.both_gradients(task, table, uniform, 1.0, 2.0, 0.95, 3, weight) for table in tables]
    tables = [tables[0] - 20 * steps[0][0], tables[1] - 20 * sum(steps[1][1])]
    if update in (1, 10, 200):
        apart = float((tables[0] - tables[1]).abs().max())
        print(f"after {update:3d} expected updates of each, the tables agree to 1e-12: {verdict(apart, '<', 1e-12)}")
        assert apart < 1e-12


def noise(table):
    """Variance of one window's gradient, all entries together, for soft Q-learning and for actor–critic (n = 1), by enumeration."""
    state, action = (index.flatten() for index in torch.meshgrid(torch.arange(32), torch.arange(5), indexing="ij"))
    value, policy = soft.soft_value(table, uniform, 1.0, 2.0), soft.soft_log_policy(table, uniform, 1.0, 2.0).exp()
    y = mdp.action_values(task, value, 0.95)[state, action].unsqueeze(-1)
    probability = (policy / 32)[state, action].unsqueeze(-1)

    def variance(loss):
        each = torch.autograd.functional.jacobian(loss, table).flatten(1)  # the gradient of every window that may be drawn
        mean = (probability * each).sum(0)
        return float((probability * (each - mean).square()).sum())

    one = action.unsqueeze(-1)
    return (
        variance(lambda q: rac.soft_q_loss(q[state].unsqueeze(1), one, y).squeeze(-1)),
        variance(lambda q: sum(rac.actor_critic_losses(q[state].unsqueeze(1), one, y, uniform, 1.0, 2.0)).squeeze(-1)),
    )


optimum = soft_q_learning.solve(task, uniform, 1.0, 2.0, 0.95).q
print("variance of one window's step        soft Q-learning   actor–critic")
for name, table in (("at the start (Q = 0)", torch.zeros(32, 5, dtype=torch.float64)), ("at the optimum", optimum)):
    by_q, by_parts = noise(table)
    print(f"{name:<37}{by_q:z15.4f}{by_parts:z15.4f}")
assert by_q < 1e-20 and by_parts > 0.01

# %% [markdown]
# In expectation the two never part. In noise they do. At $Q = 0$ the policy is the prior, every log-ratio is zero, and the two estimates
# are the same. At the optimum one window of soft Q-learning has *no* noise at all, since $Q = y$ there for every action, while the
# actor–critic's parts are each zero only on average. It is section 7.3 again: (2.54) has KL in closed form. Equivalent gradients are not
# equivalent algorithms once there is chance in them, or momentum, or different step sizes for the parts.
#
# ### Exercise 7.4 · equivalence by enumeration  (●●● · 15 min)
# Write the three gradients on the right of (2.54) for a table $Q$, in closed form. For a table, $\partial\log\pi(a)/\partial Q(b) =
# \beta(1_{a=b} - \pi(b))$ and $\partial V/\partial Q(b) = \pi(b)$. Given are $Q$, the prior, the mean target `y[s, a]` of every action, and
# how often a window begins in each state.
#
# <details><summary>Hint 1</summary>Make V, log π and KL of Q first. Then Δ = y − KL/β − V, one for every state and action.</details>
# <details><summary>Hint 2</summary>A score times x, averaged over actions, is β π (x − mean of x). For the first term x = −Δ/β; for the
# second use ∇KL of exercise 7.1 (times β, since the logits are βQ). The third is π times the mean of −Δ.</details>


# %% tags=["exercise"]
def my_three_gradients(q, log_prior, beta, y, weight):
    """(policy, regulariser, value) of (2.54) with respect to q, each [S, A]: q, log_prior and y are [S, A], weight is [S]."""
    ...


_ = check("7.4", my_three_gradients)

# %% [markdown]
# ## 7.5 Soft actor–critic
#
# SAC pays for **entropy**, without a prior:
#
# $$V_\pi(s) = \mathbb{E}\Big[\sum_{t\ge0}\gamma^t\big(R(s_t,a_t) + \kappa H(\pi(\cdot\mid s_t))\big)\Big] \quad\text{(2.55)}, \qquad
# Q_\pi(s,a) = \mathbb{E}\Big[\sum_{t\ge0}\gamma^t R(s_t,a_t) + \sum_{t\ge1}\gamma^t\kappa H(\pi(\cdot\mid s_t))\Big]
# \quad\text{(2.56, corrected)}$$
#
# $$V_\pi(s) = \mathbb{E}[Q_\pi(s,a)] + \kappa H(\pi(\cdot\mid s)) \quad\text{(2.57)}, \qquad Q_\pi(s,a) = \mathbb{E}[R(s,a) + \gamma
# V_\pi(s')] \quad\text{(2.58)}$$
#
# > **Erratum.** (2.55) prints $H(\pi(\cdot\mid s))$, the entropy in the *first* state, at every step. Every step is paid for the entropy of
# > its own state $s_t$.
# >
# > **Erratum.** (2.56) does the same, and leaves out the discount $\gamma^t$ of the entropies. Then (2.58) would be false.
#
# The thesis says that this “is entirely different” from section 7.3. You can judge: set $\alpha = 0$ and $\beta = 1/\kappa$ in chapter 06,
# and a step is paid $-\tfrac1\beta\log\pi$, whose mean is $\kappa H$. The objective is the same, with the prior dropped. (Keep $\alpha = 1$
# and a *uniform* prior, and it differs by $\kappa\log A$ a step: a constant, but one that is paid for as long as the episode lasts, so the
# policies differ where ways may be longer or shorter.) What is new in SAC is how it learns: off-policy, from replay, with two $Q$ and a
# $V$.
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $\kappa$ | `kappa`, $1/\beta$ | number | reward / nat |
# | $Q_{\phi_1}, Q_{\phi_2}$ | `q` | `[2, ...]` | reward |
# | $V_\psi$, $V_{\psi_{\mathrm{targ}}}$ | `value`, `value_target` | `[...]` | reward |
# | $\log\pi_\theta(\tilde a\mid s)$ | `log_density` (`log_policy` for numbered actions) | `[...]` | nats |

# %%
kappa, beta = 0.05, 20.0
solution = soft_q_learning.solve(task, uniform, 0.0, beta, 0.95)
in_57 = (solution.value - sac.soft_mean(solution.q, solution.log_policy, kappa)).abs().max()
in_58 = (solution.q - mdp.action_values(task, solution.value, 0.95)).abs().max()
print(
    "(2.57) and (2.58) hold at the soft optimum of α = 0, β = 1/κ:",
    verdict([in_57, in_58], "<", 1e-9),
)
any_policy = torch.from_numpy(np.random.default_rng(0).normal(size=(32, 5))).softmax(-1)
paid = kappa * soft.entropy(any_policy.log())  # κH in every state
later = mdp.evaluate(task._replace(reward=paid.unsqueeze(-1).expand(32, 5)), any_policy, 1.0)  # without discount, as printed
unpaid = task._replace(reward=torch.zeros_like(task.reward))
printed_q = mdp.action_values(task, mdp.evaluate(task, any_policy, 0.95), 0.95) + mdp.action_values(unpaid, later, 1.0)
printed_v = (any_policy * printed_q).sum(-1) + paid  # (2.57)
off = (printed_q - mdp.action_values(task, printed_v, 0.95)).abs().max()  # (2.58)
print(f"with (2.56) as printed, (2.58) is wrong by up to {float(off):.2f} of reward for a random policy")
assert max(in_57, in_58) < 1e-9 and float(off) > 0.1

# %% [markdown]
# ### How it learns
#
# From a replay memory, three regressions and one ascent. Actions $\tilde a$ are drawn afresh from $\pi_\theta$, so old data do no harm:
#
# $$L(V_\psi) = \mathbb{E}\Big[\big(V_\psi(s) - (\min_{i=1,2}Q_{\phi_i}(s,\tilde a) - \kappa\log\pi_\theta(\tilde a\mid s))\big)^2\Big]
# \quad\text{(2.59)}$$
#
# $$L(Q_{\phi_i}) = \mathbb{E}\Big[\big(Q_{\phi_i}(s,a) - (r + \gamma(1-d)V_{\psi_{\mathrm{targ}}}(s'))\big)^2\Big] \quad\text{(2.60,
# corrected)}, \qquad \max_\theta\ \mathbb{E}\big[Q_\pi(s,a) - \kappa\log\pi(a\mid s)\big] \quad\text{(2.61)}$$
#
# > **Erratum.** (2.60) prints $V_{\phi_{\mathrm{targ}}}$. $\phi$ are the parameters of the two $Q$; the target network is a slow copy of
# > $V_\psi$, so $V_{\psi_{\mathrm{targ}}}$, as the thesis's own figure A.3 has it.
#
# Two $Q$, and the smaller of them: the policy climbs towards whatever is overrated, and the smaller of two independent guesses is overrated
# less often. On a maze every expectation over actions is a short sum, and the fixed point is the exact optimum you just computed.

# %%
show_source(sac.soft_mean, sac.v_target_discrete, sac.policy_loss_discrete, sac.q_target)

# %%
config = sac.Config(
    steps=3000, learning_starts=1000, update_every=2, discount=0.95, kappa=kappa, hidden=None, learning_rate=0.05, rho=0.9, batch=128,
    exploring_starts=True, max_episode_steps=10, snapshots=20,
)  # fmt: skip
run = sac.train_discrete([task], config, seeds=range(20), progress=True)

# %%
distance = 0.5 * (run.history.snapshots[:, 0].double().exp() - solution.log_policy.exp()).abs().sum(-1)[..., states].mean(-1)
figure, axes = plotting.new_figure(size=(6.2, 3.0))
plotting.draw_band(axes, run.history.snapshot_steps, interquartile_band(distance), "discrete SAC")
axes.axvline(1000, color=plotting.GREY, linewidth=0.8)
axes.text(980, 0.3, "learning starts", ha="right", color=plotting.GREY)
axes.set(xlabel="steps of each run", ylabel="distance from the exact policy", xlim=(0, 3000), ylim=(0, 0.7))
plotting.label_lines(axes)
plotting.provenance(axes, loc="upper right")
plotting.show(figure, alt="Twenty runs of discrete SAC reach the exact soft-optimal policy of map 6 soon after learning starts.")
print(
    "within 0.1 of the exact soft policy on average over states, in all 20 runs:",
    verdict(distance[:, -1], "<", 0.1),
)
assert bool((distance[:, -1] < 0.1).all()) and bool((distance[:, 0] > 0.5).all())

# %% [markdown]
# **What it shows.** Twenty runs from uniform policies (distance about 0.6: the share of probability that is in the wrong place) to the
# exact policy. The first thousand steps only fill the memory. That matters: with less, some corners of the maze are not in it yet, and SAC
# learns to be sure about a world that it has not seen. (Set `learning_starts=130` and look at the worst state of each run.)

# %% [markdown]
# ## 7.6 Actions that are numbers
#
# A pendulum wants a torque, not one of five moves. SAC's policy draws $u\sim\mathcal N(\mu,\sigma^2)$ and squashes it: $a = \tanh u$ lies
# in $(-1, 1)$. Squashing crowds probability at the ends, and the density must follow, by the change of variables:
#
# $$\log\pi(a\mid s) = \log\mathcal N(u;\mu,\sigma) - \log(1 - \tanh^2 u)$$
#
# summed over the action's components. In floating point $\tanh u$ is 1 from $u = 9$ on (float32), and the last logarithm is $-\infty$. The
# way out is an identity: $1 - \tanh^2u = 4/(e^{u} + e^{-u})^2$, so $\log(1-\tanh^2u) = 2\,(\log 2 - u - \mathrm{softplus}(-2u))$.

# %%
show_source(sac.log_slope, sac.squashed_log_density)

# %%
edges = torch.linspace(-0.999, 0.999, 801, dtype=torch.float64)
figure, axes = plotting.new_figure(size=(6.4, 3.2))
for (mean, std), style in zip(((0.0, 0.3), (0.0, 0.85), (0.0, 2.0), (1.0, 0.5)), (0, 2, 1, 3), strict=True):
    tensors = (torch.full((801, 1), number, dtype=torch.float64) for number in (mean, math.log(std)))
    density = sac.squashed_log_density(*tensors, edges.atanh().unsqueeze(-1)).exp()
    axes.plot(edges, density, color=plotting.COLOURS[style], label=f"μ = {mean:g}, σ = {std:g}")
    u = torch.linspace(-30, 30, 200_001, dtype=torch.float64).unsqueeze(-1)
    log_density = sac.squashed_log_density(*(torch.full_like(u, number) for number in (mean, math.log(std))), u)
    total = torch.trapezoid((log_density + sac.log_slope(u).squeeze(-1)).exp(), u.squeeze(-1))  # over a: da = (1 − tanh² u) du
    assert abs(float(total) - 1) < 1e-6
axes.set(xlabel="action a", ylabel="density of a", xlim=(-1, 1), ylim=(0, 2.6))
axes.legend()
plotting.show(figure, alt="A squashed Gaussian of small σ is a bump; of large σ it piles up at both ends of the interval.")

# %% [markdown]
# **What it shows.** Small $\sigma$ gives a bump, $\sigma = 0.85$ nearly a plateau, and $\sigma = 2$ piles up at both ends: "as uncertain as
# can be" is not a large $\sigma$. Every one integrates to 1 (asserted).
#
# ### Exercise 7.5 · the squashed log-density  (●●○ · 8 min)
# Write it from $\mu$, $\log\sigma$ and $u$, so that no $u$ up to $\pm 40$ gives infinity. Sum over the last axis.
#
# <details><summary>Hint 1</summary>The log of a Gaussian density has three terms: −½((u − μ)/σ)², −log σ and −½ log 2π.</details>
# <details><summary>Hint 2</summary>Do not compute tanh at all: use the identity above, with
# <code>torch.nn.functional.softplus</code>.</details>


# %% tags=["exercise"]
def my_squashed_log_density(mean, log_std, u):
    """log N(u; mean, std) − log(1 − tanh² u), summed over the last axis: three [..., D] give [...]."""
    ...


_ = check("7.5", my_squashed_log_density)

# %% [markdown]
# ### A gradient through the action
#
# (2.61) wants the gradient of an expectation over $a\sim\pi_\theta$. Chapter 04's answer is the score function, $Q(a)\nabla\log\pi(a)$.
# Here $Q_\phi$ is a network that you can differentiate, and there is a second answer: write $u = \mu + \sigma\xi$ with $\xi\sim\mathcal
# N(0,1)$. The chance is now in $\xi$, which has no parameters, and the gradient goes straight *through* the action: the
# **reparametrisation**.
#
# **Predict.** Both estimates have the same mean. For $Q(a) = -(a-0.6)^2$, $\mu = 0$, $\sigma = 0.3$: which one is noisier, and by how much?

# %%
xi = torch.special.ndtri((torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000)  # quadrature: equally probable ξ
print("   σ   mean by score   mean through the action   variance: score / through the action")
for sigma in (0.1, 0.3, 1.0):
    mu = torch.zeros(20_000, dtype=torch.float64, requires_grad=True)
    action = (mu + sigma * xi).tanh()
    (through,) = torch.autograd.grad(-(action - 0.6).square().sum(), mu)
    score = -(action.detach() - 0.6).square() * xi / sigma  # Q(a) ∇ log π, with respect to μ
    ratio = float(score.var() / through.var())
    print(f"{sigma:4.1f}{float(score.mean()):15.3f}{float(through.mean()):26.3f}{ratio:38.0f}")
    assert abs(float(score.mean() - through.mean())) < 1e-3 and ratio > 3

# %% [markdown]
# Same mean, and the score function is many times noisier, the more so the smaller $\sigma$ is. It knows only how good an action was; the
# path through the action knows which way is better.
#
# ### Pendulum
#
# A run of 2000 steps, live, is the beginning of a longer one. Behind it stand five stored runs of 10 000 steps each.

# %%
show_source(sac.v_target, sac.policy_loss)

# %%
stored = results.stored("sac-pendulum")
curves, tests = (torch.from_numpy(stored.arrays[name]).double() for name in ("returns", "evaluation"))  # [5 runs, episodes]
print(f"{len(curves)} stored runs; mean return of 100 test episodes of each:", ", ".join(f"{mean:.0f}" for mean in tests.mean(-1)))
print(
    "at least -200 in at least 4 of 5:",
    verdict((tests.mean(-1) >= -200).sum(), ">=", 4),
)
assert len(curves) == 5 and bool((tests.mean(-1) >= -200).sum() >= 4)

# %%
pendulum = gym_bridge.GymTask("Pendulum-v1", continuous=True)
live = sac.train([pendulum], dataclasses.replace(sac.PENDULUM, steps=2000, snapshots=1), seeds=[0], progress=True)

# %%
mine = live.history.returns[0, 0]
figure, axes = plotting.new_figure(size=(6.6, 3.4))
plotting.draw_band(axes, range(1, curves.shape[1] + 1), interquartile_band(curves), "5 stored runs")
axes.plot(range(1, len(mine) + 1), mine, color=plotting.ORANGE, marker="s", label="live")
axes.axhline(-200, color=plotting.GREY, linewidth=0.8)
axes.set(xlabel="training episode (200 steps each)", ylabel="return", xlim=(0, curves.shape[1]), ylim=(-1800, 50))
plotting.provenance(axes, loc="lower right")
axes.text(len(mine) + 1, float(mine[-1]), "live, 1 run", color=plotting.ORANGE, va="top")
plotting.show(
    figure, alt="The live run of ten episodes follows the stored band, which first falls to about -1600 and then rises above -200."
)
before_learning = (mine[:2] - curves[0, :2]).abs()
rises = mine[-3:].max() - mine[3:6].mean()  # holds with as much again to spare in each of the five stored runs
assert bool((curves[:, 7:10].amax(-1) > curves[:, 3:6].mean(-1) + 400).all())
print(
    "the first two episodes, before any update, are those of stored run 0:",
    verdict(before_learning, "<", 1),
)
print(
    "the best of the last three episodes is 200 above the mean of the fourth to sixth:",
    verdict(rises, ">", 200),
)
assert bool((before_learning < 1).all()) and rises > 200
inputs = [getattr(live.agent, name).weights[0].shape[-2] for name in ("q", "value")]
print(f"inputs of a Q network: {inputs[0]} (state and action); of V: {inputs[1]} (state)")
assert inputs == [4, 3]

# %% [markdown]
# **What it shows.** The return first falls: the first updates make the policy worse than chance. Ten episodes are enough to see it learn;
# twenty-five are enough to hold the pendulum up. (A perfect return is not 0: the pendulum starts hanging somewhere, and swinging it up
# costs.) The last line is the erratum of (2.60) in numbers: a network with the parameters $\phi$ wants an action, and $V(s')$ has none to
# give it.

# %% [markdown]
# ## What you learned
#
# - A price that is paid at every step must be in the returns. The naive gradient (2.46) leaves out $\tfrac1\beta\sum_s\mathrm{KL}(s)\nabla
#   d(s)$, and comes to rest elsewhere: on map 4 it dawdles at $\alpha = 1$ and misses the pay for wandering at $\alpha = 0.8$.
# - With KL in closed form the term $-\tfrac1\beta\nabla\mathrm{KL}_t$ stands beside $\delta$; with the sampled log-ratio inside $\delta$ it
#   is already there. Near the optimum the sampled form is the quieter one.
# - $V$ pays for its own step and $Q$ does not; their targets differ by $\tfrac1\beta\mathrm{KL}_t$.
# - Soft Q-learning's gradient is a policy gradient, a pull to the prior and a critic's least squares: equal to 1e-12, and yet not equally
#   noisy.
# - SAC is the soft optimum with $\alpha = 0$, $\beta = 1/\kappa$, learned off-policy with two $Q$; in continuous actions its gradient goes
#   through the action.
#
# ## Self-quiz
#
# <details><summary>1. In a bandit, is (2.46) wrong?</summary>No. Every episode is one step, so there are no later prices; (2.46) is (2.36)
# and exact.</details>
#
# <details><summary>2. You drop −(1/β)∇KL from the actor's loss and keep KL in closed form in the returns. What does the policy become in
# the last state before the goal?</summary>Greedy: there are no later prices, and the price of this very step has vanished against the
# score. Nothing holds it to the prior.</details>
#
# <details><summary>3. Why may the states in (2.54) come from anywhere, but not the actions?</summary>The proof holds state by state. But
# the terms that vanish do so on average over actions of π; with other actions they stay.</details>
#
# <details><summary>4. Your critic's values are too high by about the same amount everywhere, and your policy is nearly uniform. Which
# misprint of this chapter is a suspect, and which is not?</summary>Nearly uniform policies pay almost no KL to a uniform prior, so the
# leading KL of (2.51) is small and cannot be it. Look for bootstrapping after terminal steps, or, with α &lt; 1, for an entropy bonus that
# is counted twice.</details>
#
# <details><summary>5. SAC with κ = 0.2 on rewards that you multiply by 10: which κ gives the same policies?</summary>κ = 2: only the ratio
# of reward to κ counts, as with β in chapter 06.</details>
#
# <details><summary>6. Why does SAC evaluate log π at a fresh action instead of the stored one?</summary>(2.57) is an average over the
# present policy's actions. The stored action came from an older policy.</details>
#
# ## Errata met in this chapter
#
# - (2.47): $\nabla\mathrm{KL}_t$ outside the product, and $R_t$ for $R_0$. (2.48): the sum over $t$ covers both terms.
# - (2.49): with KL in closed form the term $-\tfrac1\beta\nabla\mathrm{KL}_t$ must stay.
# - (2.51): no $\tfrac1\beta\mathrm{KL}_t$ in front; that is the target of $Q$.
# - (2.54): $\hat V_t = V_\theta(s_t) + \Delta_t$, held fixed. (2.52): the expectation is over $\pi_0$.
# - (2.55), (2.56): the entropy is that of $s_t$, not of $s$; (2.56): with its discount $\gamma^t$. (2.60): the target network is
#   $V_{\psi_{\mathrm{targ}}}$.
# - Section 2.5.7 calls SAC “entirely different” from regularised actor–critic. A matter of opinion: the algorithm is, and the objective is
#   the same with $\alpha = 0$.
#
# ## Further reading
#
# - Schulman, Chen, Abbeel, "Equivalence Between Policy Gradients and Soft Q-Learning", 2017: section 3 for (2.47) to (2.51), section 4 for
#   (2.54).
# - Haarnoja et al., "Soft Actor-Critic", 2018: sections 4 and 5; appendix C for the squashed density.
# - Nachum et al., 2017, section 4: why sampled log-ratios cancel.
# - Christodoulou, "Soft Actor-Critic for Discrete Action Settings", 2019.
#
# **Next:** chapter 08 gives five mazes one prior to share, and lets the prior move.
