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
# # 06 · Soft Q-learning
#
# **You will be able to**
#
# - say what it costs to leave a prior, and find the best policy under that price in closed form;
# - compute a soft value that survives any temperature, and read its two ends;
# - solve a maze with a price on certainty exactly, by Newton's method, and count the work it saves;
# - predict at which $\beta$ an agent stops wanting to arrive, and tell that from a numerical failure;
# - choose the n-step target that is right for replayed data.
#
# **Before you start**
#
# - Chapter 01: Bellman equations, values by linear solve, policy iteration. Chapter 02: Q-learning, lanes, bands over runs.
# - Logarithms and exponentials; what $\mathrm{KL}$ measures will be said.
#
# **Time** 60 minutes to read and do, about 20 seconds to run. **Modules** `distral_lite.soft`, `distral_lite.soft_q_learning`.
# **Equations** 2.33 to 2.45.

# %%
import math
from itertools import pairwise

import torch

from distral_lite import mdp, plotting, soft, soft_q_learning
from distral_lite.checks import check
from distral_lite.gridworld import load_map
from distral_lite.soft import soft_log_policy, soft_value
from distral_lite.statistics import interquartile_band, verdict
from distral_lite.widgets import Scene, Slider, panel, show_source, still

torch.set_num_threads(1)  # the arrays are small: one thread is faster

# %% [markdown]
# ## 6.1 What it costs to leave a prior
#
# Begin with a single decision: a bandit with $A$ arms, whose mean rewards $\bar r(a)$ you know. The greedy answer is the best arm. Now
# suppose you have a habit, a **prior** policy $\pi_0$, and leaving it has a price. A natural measure of how far $\pi$ is from $\pi_0$ is
# the Kullback–Leibler divergence $\mathrm{KL}[\pi\,\|\,\pi_0] = \sum_a \pi(a)\log\frac{\pi(a)}{\pi_0(a)}$, in nats: 0 where the two agree,
# and larger the more $\pi$ does what $\pi_0$ would rarely do. Let each nat cost $1/\beta$ of reward:
#
# $$\eta(\pi) = \mathbb{E}_\pi[r] - \frac1\beta\,\mathrm{KL}[\pi\,\|\,\pi_0]
# = \mathbb{E}_\pi\Big[\bar r(a) - \frac1\beta \log\frac{\pi(a)}{\pi_0(a)}\Big] \qquad\text{(2.33, 2.34)}$$
#
# Its best policy has a closed form:
#
# $$\pi(a) = \frac{\pi_0(a)\, e^{\beta \bar r(a)}}{\mathbb{E}_{\pi_0}\big[e^{\beta \bar r(a')}\big]} \qquad\text{(2.35)}$$
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $\bar r$ | `mean_reward` | `[..., A]` | reward |
# | $\log\pi_0$ | `log_prior` | `[..., A]` | nats |
# | $\beta$ | `beta` | number | 1 / reward |
# | $\pi$ | `log_policy` (its log) | `[..., A]` | nats |
#
# $\beta$ is an **inverse temperature**: at large $\beta$ leaving is cheap and the best arm takes all; at small $\beta$ leaving is dear and
# you keep your habit.

# %%
show_source(soft_q_learning.bandit_objective, soft.soft_log_policy)

# %% [markdown]
# **Predict.** Three arms pay 1.0, 0.8 and 0.0; your habit is to take the third one 6 times in 10 and each of the others 2 times in 10. At
# which $\beta$, roughly, does the best policy take the first arm more often than the third: 0.1, 1 or 10?

# %%
mean_reward = torch.tensor([1.0, 0.8, 0.0], dtype=torch.float64)
log_prior = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64).log()
print("  beta   best policy             eta")
for beta in (0.1, 1.0, 1.2, 10.0, 100.0):
    best = soft_log_policy(mean_reward, log_prior, 1.0, beta)
    eta = soft_q_learning.bandit_objective(best, mean_reward, log_prior, beta)
    print(f"{beta:6.1f}   " + "  ".join(f"{p:z.3f}" for p in best.exp()) + f"   {eta:z6.3f}")
    grid = torch.cartesian_prod(*[torch.linspace(0.001, 1, 60, dtype=torch.float64)] * 3)
    rivals = (grid / grid.sum(-1, keepdim=True)).log()
    theirs = soft_q_learning.bandit_objective(rivals, mean_reward, log_prior, beta)
    assert bool((theirs <= eta + 1e-12).all())  # none of 216 000 other policies does better

# %% [markdown]
# The two arms tie where $0.2\,e^{\beta} = 0.6$, at $\beta = \log 3 = 1.10$: the first arm's reward must pay for a factor of three in the
# prior. A picture says it all at once. Every policy over three arms is a point of a triangle whose corners are the arms.

# %%
CORNERS = torch.tensor([[0.5, math.sqrt(0.75)], [1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
BETAS = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)


def triangle_scene():
    figure, axes = plotting.new_figure(size=(5.6, 4.4))
    axes.set_axis_off()
    axes.set(aspect="equal", xlim=(-0.2, 1.3), ylim=(-0.12, 1.0))
    axes.fill(*CORNERS.T, facecolor="#F4F6F8", edgecolor=plotting.GREY)
    for corner, name, reward in zip(CORNERS, ("first arm", "second arm", "third arm"), mean_reward, strict=True):
        axes.text(*(corner + torch.tensor([0.0, 0.03 if corner[1] > 0 else -0.08])), f"{name}: {reward:.1f}", ha="center")
    track = torch.stack([soft_log_policy(mean_reward, log_prior, 1.0, beta).exp() @ CORNERS for beta in torch.logspace(-1.5, 2.5, 120)])
    axes.plot(*track.T, color=plotting.BLUE, linewidth=1.2)
    axes.plot(*(log_prior.exp() @ CORNERS), marker="s", color=plotting.BLACK, markersize=7)
    axes.text(*(log_prior.exp() @ CORNERS + torch.tensor([-0.03, -0.06])), "prior π₀", ha="center")
    (dot,) = axes.plot([], [], marker="o", markersize=11, color=plotting.ORANGE)

    def update(beta):
        policy = soft_log_policy(mean_reward, log_prior, 1.0, beta).exp()
        dot.set_data(*(policy @ CORNERS).unsqueeze(-1))
        return f"At β = {beta:g} the best policy takes the arms with probabilities {policy[0]:.2f}, {policy[1]:.2f} and {policy[2]:.2f}."

    return Scene(figure, update)


panel(triangle_scene, {"beta": Slider(BETAS, 1.0, "β")})

# %%
still(triangle_scene, beta=3.0)

# %% [markdown]
# **What it shows.** As $\beta$ grows the best policy leaves the prior, first towards the side between the two good arms, which are nearly
# tied, and only at large $\beta$ towards the best one alone. It hedges as long as the difference between them is small against $1/\beta$.
#
# ### Three ways to the same policy
#
# If you do not know $\bar r$, you can still get there from samples. By the **policy**, climbing the gradient of $\eta$:
#
# $$\nabla_\theta\eta(\pi_\theta)
# = \mathbb{E}\Big[\nabla_\theta\log\pi_\theta(a)\,r - \frac1\beta\nabla_\theta\mathrm{KL}[\pi_\theta\,\|\,\pi_0]\Big]
# \qquad\text{(2.36)}$$
#
# Or by **values**: learn $Q(a)\approx\bar r(a)$ by least squares and act by (2.35),
#
# $$L(Q) = \tfrac12\,\mathbb{E}\big[(Q_\theta(a) - r)^2\big], \qquad \nabla L = \mathbb{E}\big[(Q_\theta(a)-r)\,\nabla_\theta
# Q_\theta(a)\big]
# \qquad\text{(2.37; 2.38, corrected)}$$
#
# > **Erratum.** The thesis keeps the factor ½ in (2.38). It cancels against the 2 of the square.
#
# Run both, 20 runs each, against the closed form at $\beta = 3$.

# %%
RUNS, BETA = 20, 3.0
target = soft_log_policy(mean_reward, log_prior, 1.0, BETA).exp()
generator = torch.Generator().manual_seed(0)


def pull(policy, count):
    """Arms drawn from `policy` [R, A], and noisy rewards: [R, count] each."""
    uniform = torch.rand(RUNS, count, 1, generator=generator, dtype=torch.float64)
    arms = (policy.cumsum(-1).unsqueeze(-2) > uniform).int().argmax(-1)
    noise = torch.rand(RUNS, count, generator=generator, dtype=torch.float64) - 0.5
    return arms, mean_reward[arms] + noise


logits, values = (torch.zeros(RUNS, 3, dtype=torch.float64) for _ in range(2))
gaps = {"by the policy (2.36)": [], "by values (2.38)": []}
for step in range(1, 401):
    arms, rewards = pull(logits.softmax(-1), 50)
    logits += 0.5 * soft_q_learning.bandit_policy_gradient(logits, arms, rewards, log_prior, BETA)
    arms, rewards = pull(torch.full((RUNS, 3), 1 / 3, dtype=torch.float64), 50)
    values -= 6 / (step + 5) * soft_q_learning.bandit_value_gradient(values, arms, rewards)
    by_values = soft_log_policy(values, log_prior, 1.0, BETA).exp()
    for gap, policy in zip(gaps.values(), (logits.softmax(-1), by_values), strict=True):
        gap.append((policy - target).abs().amax(-1))

figure, axes = plotting.new_figure(size=(6.2, 3.2))
for style, (name, gap) in enumerate(gaps.items()):
    plotting.draw_band(axes, range(1, 401, 4), interquartile_band(torch.stack(gap, -1)[:, ::4]), name, style=style)
axes.set(xlabel="updates of 50 pulls", ylabel="largest error in a probability", yscale="log", xlim=(0, 400))
plotting.label_lines(axes)
plotting.provenance(axes)
plotting.show(figure, alt="Policy gradient and least squares on values both come close to the closed-form policy of the bandit.")
for name, gap in gaps.items():
    print(f"{name:<21} within 0.11 of (2.35) in all 20 runs: {verdict(gap[-1], '<', 0.11)}")
    assert bool((gap[-1] < 0.11).all())

# %% [markdown]
# ## 6.2 A value that hedges
#
# What is the best $\eta$ itself? Put (2.35) into (2.33) and nearly everything cancels:
#
# $$\max_\pi \eta(\pi) = \frac1\beta\log\sum_a \pi_0(a)\,e^{\beta \bar r(a)}.$$
#
# Read it as the value of *having the choice*. In an MDP the choice is made in every state, and the rewards of the arms are action values:
#
# $$V(s) = \frac1\beta \log \sum_a \pi_0(a\mid s)\, e^{\beta Q(s,a)} \qquad\text{(2.45, corrected)}$$
#
# > **Erratum.** The thesis writes $V(s_{t+1})$ on the left of (2.45), but $\pi_0(a'\mid s_t)$ and $Q(s,a')$ on the right. The prior and
# the
# > values belong to the state that is being valued, the next one.
#
# **Predict.** Answers before numbers. What does (2.45) become as $\beta\to\infty$, where one term of the sum outgrows all others? And as
# $\beta\to 0$, where every exponential is nearly $1 + \beta Q$? Can $V$ ever be above the best $Q$?

# %%
show_source(soft_value)

# %%
q = torch.tensor([1.0, 0.9, -1.0], dtype=torch.float64)
uniform3 = torch.full((3,), -math.log(3), dtype=torch.float64)
for beta in (0.001, 0.1, 1.0, 5.0, 50.0, 10_000.0):
    print(f"beta {beta:>9g}: V = {soft_value(q, uniform3, 1.0, beta):.4f}")
assert soft_value(q, uniform3, 1.0, 5.0) < 0.9  # below the second-best action
assert abs(soft_value(q, uniform3, 1.0, 0.001) - q.mean()) < 1e-3 and abs(soft_value(q, uniform3, 1.0, 10_000.0) - 1.0) < 1e-3

# %% [markdown]
# From the mean of the prior, 0.3, at small $\beta$ to the best action, 1, at large $\beta$, and never above: the price of leaving a uniform
# prior for one action of three is $\tfrac1\beta\log 3$, and no policy can earn more than the best action. At $\beta = 5$ the value is even
# below that of the *second* best action, because a third of the prior's weight lies on an action worth −1, and it costs something to move
# it.
#
# ### Exercise 6.1 · write it so that it survives β = 10 000  (●●○ · 8 min)
# `torch.exp` of 10 000 is infinite, in any precision. Write (2.45) so that nothing overflows, for `q` from −10 000 to 10 000, $\beta$ from
# 0.001 to 10 000, and priors as small as $e^{-800}$. Stay in float64, as the arguments are: at small $\beta$ you divide by it.
#
# <details><summary>Hint 1</summary>For any number c, log Σ exp(x) = c + log Σ exp(x − c). Which c keeps every exponent at or below
# 0?</details>
# <details><summary>Hint 2</summary>Subtract the largest of <i>everything</i> that is exponentiated, the prior's log included.
# `torch.logsumexp` does it.</details>


# %% tags=["exercise"]
def my_soft_value(q, log_prior, beta):
    """(1/β) log Σ_a exp(log π₀(a) + β q(a)) over the last axis: float64, [..., A] gives [...]."""
    ...


_ = check("6.1", my_soft_value)

# %% [markdown]
# ## 6.3 A maze with a price on certainty
#
# In an MDP the price is paid at every step, and so it belongs into the return:
#
# $$G_t = \sum_{k\ge 0} \gamma^k\Big(R_{t+k} - \frac1\beta \mathrm{KL}_{t+k}\Big), \qquad \mathrm{KL}_t = \mathrm{KL}[\pi(\cdot\mid
# S_t)\,\|\,\pi_0(\cdot\mid S_t)]
# \qquad\text{(2.39, corrected)}$$
#
# $$V_\pi(s) = \mathbb{E}_\pi[G_t\mid S_t=s] \quad\text{(2.40)}, \qquad Q_\pi(s,a) = \mathbb{E}_\pi\Big[R_t + \sum_{k\ge
# 1}\gamma^k\Big(R_{t+k}-\frac1\beta\mathrm{KL}_{t+k}\Big)
# \,\Big|\,s, a\Big] \quad\text{(2.41)}$$
#
# $$V_\pi(s) = \mathbb{E}_\pi[Q_\pi(s,a)] - \frac1\beta\mathrm{KL}[\pi(\cdot\mid s)\,\|\,\pi_0(\cdot\mid s)] \qquad\text{(2.42)}$$
#
# > **Erratum.** (2.39) prints the sum over $t$ while $G_t$ starts at $t$. Here the sum runs over $k$.
#
# $Q$ leaves out the price of its own first step, because there the action is given and nothing is chosen. That is why (2.42) has to take it
# off. The thesis lets rewards in this section arrive in the same step as the action, $R_t$ instead of $R_{t+1}$; so do these equations.
#
# From here on the course needs one more parameter. Distral's prior counts only in part: with a share $\alpha$ the price is paid for leaving
# $\pi_0$, and the rest is a *reward* for being undecided, for entropy. A step under $\pi$ then earns $R + \tfrac\alpha\beta\log\pi_0 -
# \tfrac1\beta\log\pi$. With $\alpha = 1$ this is (2.39); with $\alpha = 0$ the prior does not count at all. Chapter 08 says where it comes
# from. It costs nothing to carry it along.

# %%
show_source(soft_q_learning.soft_evaluate, soft.expected_regulariser)

# %%
world = load_map(4)
maze = world.mdp()
uniform = torch.full((5,), -math.log(5), dtype=torch.float64)
random = torch.rand(32, 5, generator=generator, dtype=torch.float64).log_softmax(-1)  # any policy will do
value = soft_q_learning.soft_evaluate(maze, random, uniform, 1.0, 5.0, 0.99)
q_random = mdp.action_values(maze, value, 0.99)
right_side = (random.exp() * q_random).sum(-1) - soft.kl(random, uniform) / 5.0  # (2.42)
print("(2.42) holds in all 32 states:", verdict((value - right_side).abs(), "<", 1e-10))
assert torch.allclose(value, right_side, atol=1e-10)

# %% [markdown]
# ## 6.4 Newton instead of patience
#
# The best policy satisfies (2.45) with $Q(s,a) = R(s,a) + \gamma\,\mathbb{E}[V(s')]$: the **soft Bellman equation**. You could sweep it, as
# value iteration sweeps the hard one, and wait. But chapter 01 taught you better: evaluate the policy exactly, improve it, repeat. Here the
# improvement is the soft policy $\pi\propto\pi_0^\alpha e^{\beta Q}$ instead of the greedy one, and the scheme has an old name. The soft
# backup is smooth and convex in $V$; the value of its own soft policy is its tangent; and solving tangents is **Newton's method**.

# %%
show_source(soft_q_learning.solve)

# %%
print("gamma     solves by Newton     sweeps by value iteration     same values")
for gamma in (0.9, 0.99, 0.999):
    newton = soft_q_learning.solve(maze, uniform, 0.8, 5.0, gamma)
    patient = soft_q_learning.soft_value_iteration(maze, uniform, 0.8, 5.0, gamma)
    apart = float((newton.value - patient.value).abs().max())
    print(f"{gamma:<6}{newton.iterations:15d}{patient.iterations:30d}{verdict(apart, '<', 1e-6):>16}")
    assert apart < 1e-6 and newton.iterations < 12 < patient.iterations

# %% [markdown]
# A handful of linear solves, whatever $\gamma$ is. (A solve costs more than a sweep, so these counts are not times. On worlds of 32 states
# it is cheap enough to be repeated at every move of a slider, as the next sections do.)
#
# Nobody should believe an optimum that was only computed one way. Two thousand random policies, each evaluated exactly, price included:

# %%
solution = soft_q_learning.solve(maze, uniform, 0.8, 5.0, 0.99)
rivals = (4 * torch.rand(2000, 32, 5, generator=generator, dtype=torch.float64)).log_softmax(-1)
rivals[:1000] = (solution.log_policy + 0.3 * (torch.rand(1000, 32, 5, generator=generator, dtype=torch.float64) - 0.5)).log_softmax(-1)
theirs = soft_q_learning.soft_evaluate(maze, rivals, uniform, 0.8, 5.0, 0.99)
print(
    "a rival, random or nearby, is better in some state:",
    verdict((theirs - solution.value).max(), ">", 1e-9),
)
assert not bool((theirs > solution.value + 1e-9).any())

# %% [markdown]
# ### Exercise 6.2 · the soft policy  (●○○ · 5 min)
# Return the log of $\pi\propto\pi_0^{\alpha}\,e^{\beta Q}$, for $\alpha$ from 0 to 1 and $\beta$ from 0.1 to 1000. Some of these
# probabilities are too small for a float; their logs are not.
#
# <details><summary>Hint</summary>The log of a product is a sum; normalising a log-policy is subtracting a `logsumexp`.</details>


# %% tags=["exercise"]
def my_soft_policy(q, log_prior, alpha, beta):
    """Log of π₀(a)^α exp(β q(a)), normalised over the last axis: q and log_prior [..., A] give [..., A]."""
    ...


_ = check("6.2", my_soft_policy)

# %% [markdown]
# ### Exercise 6.3 · one Newton step  (●●● · 15 min)
# Given values $V$, take one step: action values, soft policy, and the exact value of that policy, its price included. `transition[s, a,
# s']` is the probability that the episode goes on and goes on in $s'$; take $\alpha = 1$.
#
# <details><summary>Hint 1</summary>Q = reward + γ transition @ V. The policy is that of exercise 6.2.</details>
# <details><summary>Hint 2</summary>The policy's own rewards are Σ π (R − (log π − log π₀)/β), its chain is P = Σ π transition, and its
# value solves (I − γP) V = those rewards.</details>


# %% tags=["exercise"]
def my_newton_step(values, reward, transition, log_prior, beta, discount):
    """V of the soft policy of Q(V): values [S], reward [S, A], transition [S, A, S], log_prior [S, A]; returns [S]."""
    ...


_ = check("6.3", my_newton_step)

# %% [markdown]
# ## 6.5 Turn the temperature
#
# **Predict.** On map 4 with $\alpha = 0.8$ and $\gamma = 0.999$ the shortest way has 13 steps. At $\beta = 50$ the soft agent takes about
# that. Lower $\beta$ to 5, then to 2, then to 1. What happens to the length of its way? Think of the bonus for being undecided, paid at
# *every* step, against a cost of 0.1.

# %%
GAMMA = 0.999


def temperature_scene():
    figure, (left, right) = plotting.new_figure(1, 2, size=(8.4, 3.6), width_ratios=[1.2, 1])
    drawn = plotting.draw_maze(left, world, policy=torch.zeros(32, 5), visits=torch.zeros(32), numbers=None)
    grid = torch.logspace(0, 2, 30).tolist()
    curve = right.plot([], [], color=plotting.BLUE, linestyle=(0, (5, 3)))[0]
    (dot,) = right.plot([], [], marker="o", markersize=9, color=plotting.ORANGE)
    right.axhline(13, color=plotting.GREY, linewidth=0.8)
    right.set(xscale="log", yscale="log", xlim=(0.9, 110), ylim=(10, 1300), xlabel="inverse temperature β", ylabel="expected steps (exact)")
    right.set_yticks([13, 20, 50, 100, 300, 1000], labels=["13", "20", "50", "100", "300", "1000"])
    right.set_xticks([1, 2, 5, 10, 50], labels=["1", "2", "5", "10", "50"])
    right.minorticks_off()
    curves = {}

    def steps(alpha, beta):
        return mdp.expected_steps(maze, soft_q_learning.solve(maze, uniform, alpha, beta, GAMMA).log_policy.exp())

    def update(alpha, beta):
        if alpha not in curves:
            curves[alpha] = [steps(alpha, each) for each in grid]
        curve.set_data(grid, curves[alpha])
        policy = soft_q_learning.solve(maze, uniform, alpha, beta, GAMMA).log_policy.exp()
        way = mdp.expected_steps(maze, policy)
        drawn.update(policy=policy, visits=mdp.visits(maze, policy, GAMMA))
        dot.set_data([beta], [way])
        left.set_title("does not arrive in 1000 steps" if way > 999 else f"arrives after {way:.1f} steps")
        return f"α = {alpha:g}, β = {beta:g}: " + ("the agent wanders and never arrives." if way > 999 else f"{way:.1f} steps on average.")

    return Scene(figure, update)


betas = (1.0, 1.2, 1.5, 1.7, 1.8, 2.0, 2.5, 3.0, 5.0, 10.0, 20.0, 50.0)
panel(temperature_scene, {"beta": Slider(betas, 5.0, "β"), "alpha": Slider((0.0, 0.5, 0.8, 0.95, 1.0), 0.8, "α")}, width=760)

# %%
still(temperature_scene, alpha=0.8, beta=2.0)

# %%
for beta in (5.0, 2.0, 1.8, 1.7, 1.5):
    way = mdp.expected_steps(maze, soft_q_learning.solve(maze, uniform, 0.8, beta, GAMMA).log_policy.exp(), cap=100_000)
    print(f"beta = {beta:g}: {way:9.1f} steps" + ("  (cut at 100 000)" if way > 99_999 else ""))

# %% [markdown]
# **What it shows.** The way does not get longer gradually. It is 19.6 steps at $\beta = 5$ and 70 at $\beta = 2$; a little below that it
# grows beyond all bounds. Something breaks there.
#
# ## 6.6 The phase transition
#
# At every step an undecided agent earns up to $\tfrac{1-\alpha}{\beta}\log 5$ for its indecision. If that is more than a step costs, it is
# best *never to finish*: go on wandering, and be paid for it for ever. Which $\beta$ is the border? Forbid the goal and ask for the best
# *average* reward per step, indecision included. Where it is positive, an agent that looks far enough ahead will not want to arrive. Chance
# has no part in the maze's rules, so that average has a closed form: it is $\tfrac1\beta\log\rho$, where $\rho$ is the largest eigenvalue
# of the matrix
#
# $$M(s,s') = \sum_{a:\, s\to s'} \pi_0(a\mid s)^\alpha\, e^{\beta R(s,a)}$$
#
# over the squares other than the goal. The **critical** $\beta$ is where $\rho = 1$.

# %%
show_source(soft_q_learning.critical_beta)

# %%
print("alpha   critical beta   just above: steps   just below: steps   V(start) just below")
for alpha in (0.0, 0.5, 0.8, 0.95):
    border = soft_q_learning.critical_beta(maze, uniform, alpha)
    above, below = (soft_q_learning.solve(maze, uniform, alpha, factor * border, 0.99999) for factor in (1.05, 0.95))
    way = [mdp.expected_steps(maze, each.log_policy.exp(), cap=100_000) for each in (above, below)]
    print(f"{alpha:z5.2f}{border:16.3f}{way[0]:z20.0f}{way[1]:z20.0f}{float(below.value[world.start]):z22.0f}")
    assert way[0] < 2000 and way[1] > 50_000 and float(below.value[world.start]) > 100
print(f"alpha = 1: critical beta {soft_q_learning.critical_beta(maze, uniform, 1.0):g}: without a bonus for entropy there is none")

# %% [markdown]
# Five per cent above the border the agent arrives; five per cent below it wanders for (practically) ever and its values are in the
# thousands. Nothing in the equations is discontinuous at any fixed $\gamma < 1$, but as $\gamma$ nears 1 the change becomes a cliff.
# Physicists call that a phase transition.
#
# ### What the thesis saw
#
# The thesis could not make its agent converge at $\beta = 1$. Its section 3.5 says that this “is due to taking the exponent of large
# numbers”, and that subtracting the largest number, which helped at $\beta$ = 2, 3 and 4, “could not prevent numeric overflow” at $\beta =
# 1$. You are in a position to check that. With $\alpha = 0.8$, as in the thesis, compute the optimum at $\beta = 1$ in float64, where
# nothing overflows:

# %%
for beta in (1.0, 2.0, 3.0, 5.0):
    exact = soft_q_learning.solve(maze, uniform, 0.8, beta, GAMMA)
    way = mdp.expected_steps(maze, exact.log_policy.exp())
    largest = float((beta * exact.q).max())
    print(f"beta = {beta:g}: V(start) = {float(exact.value[world.start]):8.2f}, largest exponent {largest:7.1f}, expected steps {way:7.1f}")
    assert (way > 999) == (beta == 1.0)
low = soft_q_learning.solve(maze, uniform, 0.8, 1.0, GAMMA)
in_float32 = soft_value(low.q.float(), uniform.float(), 0.8, 1.0)
off = (in_float32 / low.value - 1).abs()
print(
    "the soft value of that optimum in float32 is finite and right to 1e-4 of itself:",
    verdict(off, "<", 1e-4),
)
assert bool((off < 1e-4).all())

# %% [markdown]
# Both halves of the story are there. The exponents *are* large: $e^{120}$ is more than float32 can hold, so the formula as it stands does
# overflow. But subtracting the largest number, and adding it back, prevents that: the last line computes the value in float32 without
# trouble. And without any overflow the agent still never arrives, because **at $\beta = 1$ arriving is not what its objective asks for**:
# the critical $\beta$ is 1.75, and 1 is below it. The large numbers are not the cause of the trouble. They are what it looks like: a
# thousand steps' worth of pay for wandering.
#
# > **Erratum.** Section 3.5 of the thesis takes an overflow for the cause. It is real, and curing it does not help: with $\alpha = 0.8$ the
# > optimum at $\beta = 1$ does not solve the maze.
#
# ### Exercise 6.4 · explain it  (●●○ · 4 min)
# A fellow student trains at $\alpha = 0.8$, $\beta = 1$ and reports episodes that always run into the time limit. Which change lets the
# agent arrive, at the same $\beta$? **a** compute in float64; **b** subtract the largest exponent; **c** raise $\alpha$ to 0.95; **d**
# train for longer.

# %% tags=["exercise"]
remedy = None

_ = check("6.4", remedy)

# %% [markdown]
# ## 6.7 Learning it
#
# Soft Q-learning is Q-learning with (2.45) in place of the maximum:
#
# $$L(Q) = \mathbb{E}\big[\tfrac12\,(Q(s_t,a_t) - y_t)^2\big] \quad\text{(2.43)}, \qquad y_t = r_t + \gamma V(s_{t+1}) \quad\text{(2.44,
# one step)}$$
#
# The agent acts by its soft policy, so it explores where it is undecided. `soft_q_learning.train` is the loop of chapter 02 with this
# target; here 20 runs on map 6.

# %%
easy = load_map(6).mdp()
exact = soft_q_learning.solve(easy, uniform, 0.8, 5.0, 0.95)
settings = dict(discount=0.95, alpha=0.8, beta=5.0, learning_rate=1.0)
config = soft_q_learning.Config(steps=3000, exploring_starts=True, max_episode_steps=20, snapshots=30, **settings)
run = soft_q_learning.train([easy], config, seeds=range(20), progress=True)

# %%
acting = (torch.arange(32) != load_map(6).goal).unsqueeze(-1)
error = ((run.history.snapshots[:, 0] - exact.q).abs() * acting).flatten(-2).mean(-1)
figure, axes = plotting.new_figure(size=(6.2, 3.2))
plotting.draw_band(axes, run.history.snapshot_steps, interquartile_band(error), "soft Q-learning")
axes.set(xlabel="steps of each run", ylabel="mean |Q − exact Q| (reward)", xlim=(0, 3000), ylim=(0, None))
plotting.label_lines(axes)
plotting.provenance(axes)
plotting.show(figure, alt="The learned soft action values close in on the exact ones in twenty runs.")
print(
    "mean error at the end below a fifth of that at the start, in all 20 runs:",
    verdict(error[:, -1], "<", error[:, 0] / 5),
)
assert bool((error[:, -1] < error[:, 0] / 5).all())

# %% [markdown]
# ## 6.8 Looking further: which n-step target?
#
# Chapter 05 looks $n$ steps ahead to learn faster. The thesis does the same here:
#
# $$y_t = \frac1\beta\mathrm{KL}_t + \sum_{d=0}^{n-1}\gamma^d\Big(r_{t+d} - \frac1\beta\mathrm{KL}_{t+d}\Big) + \gamma^n V(s_{t+n})
# \qquad\text{(2.44, n steps)}$$
#
# (The first term takes out what the sum puts in: $Q$ does not pay for its own step. With $n = 1$ only $r_t + \gamma V(s_{t+1})$ is left.)
#
# Mind what is averaged over what. $\mathrm{KL}_{t+d}$ is an average over actions *of the policy*. The reward $r_{t+d}$ beside it belongs to
# the action that was *taken*. If the policy itself took it, all is well on average. If the transitions come from a replay memory, from
# older policies or random exploration, they do not belong together. There is a target that holds for **every** sequence of actions. At the
# soft optimum, and for deterministic steps,
#
# $$V(s_t) = \sum_{d=0}^{n-1}\gamma^d\Big(r_{t+d} + \frac\alpha\beta\log\pi_0(a_{t+d}\mid s_{t+d}) - \frac1\beta\log\pi(a_{t+d}\mid
# s_{t+d})\Big) + \gamma^n V(s_{t+n})$$
#
# **whatever the actions were**, because $\log\pi = \alpha\log\pi_0 + \beta(Q - V)$ makes each bracket equal to $V(s) - \gamma V(s')$. It is
# called *path consistency*. So take the log-ratio of the action that was taken, not its average.
#
# **Predict.** Put the exact optimum into both targets, for five-step paths of *random* actions. Which of them equals the exact $Q$, and is
# the other too high or too low?

# %%
exact4 = soft_q_learning.solve(maze, uniform, 0.8, 5.0, 0.95)
paths, longest = 4000, 5
state = (torch.rand(paths, generator=generator, dtype=torch.float64) * 31).long()
first, taken = state, []
fields = {name: [] for name in ("reward", "next", "ended", "state", "action")}
for _ in range(longest):
    action = (5 * torch.rand(paths, generator=generator, dtype=torch.float64)).long()
    following, ended = maze.successor[state, action, 0], maze.terminal[state, action, 0]
    for name, item in zip(fields, (maze.reward[state, action], following, ended, state, action), strict=True):
        fields[name].append(item)
    state = following
reward, following, ended, states, actions = (torch.stack(field, -1) for field in fields.values())
discount, next_value = 0.95 * (~ended).double(), exact4.value[following]
log_pi = exact4.log_policy[states]
log_taken = log_pi.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
truth = exact4.q[states[:, 0], actions[:, 0]]
print("n   sampled log-ratio exact to 1e-9, every path   expected KL: mean error   too low in")
biases = []
for n in range(1, 6):
    inside = ~ended[:, : n - 1].any(-1)  # paths that do not end on the way
    r, g, v = (x[inside, :n] for x in (reward, discount, next_value))
    sampled = soft.n_step_target_sampled(r, g, v, log_taken[inside, :n], uniform[actions[inside, :n]], 0.8, 5.0)
    expected = soft.n_step_target_expected_kl(r, g, v, log_pi[inside, :n], uniform, 0.8, 5.0)
    astray = (sampled - truth[inside]).abs()
    off = expected - truth[inside]
    biases.append(float(off.mean()))
    print(f"{n}{verdict(astray, '<', 1e-9):>46}{biases[-1]:z26.2f}{float((off < -1e-9).double().mean()):z13.0%}")
    assert bool((astray < 1e-9).all())
assert abs(biases[0]) < 1e-9 and all(later < earlier - 0.05 for earlier, later in pairwise(biases))

# %% [markdown]
# The sampled form is exact for every single path, though no path was taken by the policy. The printed form is too low on average: a random
# action earns less than the policy's own would, and nothing in the target forgives it. An agent that learns from replayed data with the
# printed target learns values that are too low, and more so the larger $n$ is. That is the third reason, besides speed and variance, to
# look at where your data come from.
#
# One warning about the better form. To be right at the optimum is not yet to be drawn to it: an error in $Q$ at a later step comes back
# with the other sign, and with large step sizes, many steps and actions far from the policy's such errors can grow. The docstring of
# `soft.n_step_target_sampled` says how, and its tests show it.
#
# ### Exercise 6.5 · find the planted bug  (●●○ · 8 min)
# A colleague's one-step target for replayed transitions, meant to be (2.44) with (2.45), gives values that settle far from the right ones.
# It is given as a comment in the stub. Find what is wrong, and write it right. (One prior for all states: `log_prior` is `[A]`.)
#
# <details><summary>Hint 1</summary>Whose value does the target need: that of the state where the action was taken, or of the one it led
# to?</details>
# <details><summary>Hint 2</summary>And what is a state worth in which nothing can be chosen any more?</details>


# %% tags=["exercise"]
def soft_target(q, log_prior, beta, discount, reward, state, next_state, terminal):
    """y = r + γ V(s') with the soft value of the next state, and r alone after a terminal step: [B].

    q is [S, A], log_prior [A]; reward, state, next_state (int64) and terminal (bool) are [B]; beta and discount are floats.
    """
    # return reward + discount * torch.logsumexp(log_prior + beta * q[state], -1) / beta
    ...


_ = check("6.5", soft_target)

# %% [markdown]
# ## What you learned
#
# - Leaving a prior costs $1/\beta$ a nat. The best policy under that price is $\pi_0 e^{\beta Q}$, normalised, and its worth is a log of a
#   mean of exponentials.
# - The soft value lies between the prior's mean and the maximum; written with the largest exponent taken out it survives any $\beta$.
# - Soft policy iteration is Newton's method: a handful of linear solves at any $\gamma$.
# - With $\alpha < 1$ indecision is paid. Below a critical $\beta$, 1.75 on map 4 at $\alpha = 0.8$, it is best never to arrive. No
#   arithmetic cures that.
# - For replayed data, n-step targets need the log-ratio of the action taken.
#
# ## Self-quiz
#
# <details><summary>1. All rewards are doubled. Which β leaves the soft policy as it was?</summary>Half of the old one: only β times reward
# enters.</details>
#
# <details><summary>2. Why is the soft value at α = 1 never above the best action's value?</summary>No policy earns more than the best Q,
# and the price is never negative. With α &lt; 1 there is a bonus for entropy, and then it can be above.</details>
#
# <details><summary>3. Newton needs 8 solves and value iteration 300 sweeps. Is Newton 40 times faster?</summary>Not by that count: a solve
# of S states costs about S³, a sweep S·A. On 32 states solves win by far; on large worlds it depends on how sparse they are. Counts are not
# times.</details>
#
# <details><summary>4. Your agent wanders although β is above the critical value. What do you check?</summary>Whether the discount is so
# small that the goal is not worth the way; whether the reward or α is the one you computed the critical β for; and whether it is still
# learning.</details>
#
# <details><summary>5. Is the expected-KL target wrong?</summary>It is right on average for data that the present policy itself produced. It
# is wrong for replayed data, by an amount that grows with n.</details>
#
# ## Errata met in this chapter
#
# - (2.38): no factor ½.
# - (2.39): the index of the sum. (2.40), (2.41): the state and the action given are the first ones, $S_0$ and $A_0$.
# - (2.45): prior and values at the next state.
# - (2.44), n steps: as printed, but right only for data of the present policy; the sampled log-ratio is right for replayed data.
# - Section 3.5: behind the failure at $\beta = 1$ is a phase transition; the overflow is real too, and curing it does not help.
#
# ## Further reading
#
# - Schulman, Chen, Abbeel, "Equivalence Between Policy Gradients and Soft Q-Learning", 2017: sections 2 and 3 for everything up to (2.45).
# - Nachum et al., "Bridging the Gap Between Value and Policy Based Reinforcement Learning", 2017, section 4: path consistency.
# - Haarnoja et al., "Reinforcement Learning with Deep Energy-Based Policies", 2017, section 3.
# - Todorov, "Efficient computation of optimal actions", PNAS 2009: the eigenvalue problem behind section 6.6.
#
# **Next:** chapter 08 gives five mazes one prior to share, and lets the prior move.
