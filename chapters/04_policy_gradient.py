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
# # 04 · Policy gradient
#
# **You will be able to**
#
# - derive the score function of a softmax policy and check it in three ways;
# - compute the mean and the variance of a gradient estimate exactly, by listing every trajectory, and say what reward-to-go and a baseline
#   do to both;
# - explain what the factor $\gamma^t$ is for, and show a world where leaving it out teaches the wrong thing;
# - test the policy gradient theorem against automatic differentiation through a linear solve;
# - find the best deterministic and the best stochastic policy for an agent that cannot tell two places apart;
# - read REINFORCE beside its pseudocode, train it, and say which of its failures a baseline can cure and which it cannot.
#
# **Before you start**
#
# - Chapter 01: values by linear solve, discounted visits. Chapter 02: lanes, bands, why a time-out is not a goal.
# - Calculus: the chain rule, the derivative of a logarithm. PyTorch: `requires_grad`, `torch.autograd.grad`.
#
# **Time** 60 minutes to read and do, about 35 seconds to run. **Module** `distral_lite.policy_gradient`. **Equations** 2.18 to 2.25.

# %%
import itertools
import math

import torch
from matplotlib.patches import Rectangle

from distral_lite import mdp, plotting, policy_gradient
from distral_lite.checks import check
from distral_lite.gridworld import ACTIONS, GridWorld, load_map
from distral_lite.gym_bridge import GymTask
from distral_lite.lanes import LaneRandom, sample
from distral_lite.statistics import interquartile_band, verdict
from distral_lite.widgets import Scene, Slider, panel, player, show_source, still

torch.set_num_threads(1)  # the tables here are so small that a second core only gets in the way


def numbers(*values):
    """Exact numbers as the chapter writes them."""
    return torch.tensor(values, dtype=torch.float64)


# %% [markdown]
# ## 4.1 Learn what to do, not what it is worth
#
# So far every agent learned *values* and then acted on them. The policy was an afterthought: an `argmax`, with some dice thrown in. This
# chapter turns that round. You write the policy down as a function with parameters θ, you write down how good it is, and you climb.
#
# Why bother? The thesis gives four reasons. The policy may be far simpler than the values (in a platform game, "go right" will do). The
# actions may be real numbers, over which no `argmax` can run. The best policy may be *stochastic*, which no `argmax` can be; section 4.8
# has a world like that. And an `argmax` jumps where a softmax glides:
#
# $$\pi(a\mid s) = \frac{e^{h(s,a)}}{\sum_b e^{h(s,b)}}$$
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $h(s,a)$, the **preferences**: here they *are* θ | `preferences` | `[S, A]` | nats |
# | $\log\pi(a\mid s)$ | `log_policy` | `[S, A]` | nats |
#
# A preference is not a value. It has no unit of reward, adding the same number to all of a state's preferences changes nothing, and nobody
# says what it should converge to.
#
# **Predict.** Two actions, worth 1.00 and 0.99. New experience raises the second by 0.02. How much does the behaviour change, for ε-greedy
# with ε = 0.1 and for a softmax of these numbers?

# %%
for q in (numbers(1.00, 0.99), numbers(1.00, 1.01)):
    greedy = 0.05 + 0.9 * mdp.greedy_policy(q)
    print(f"values {q[0]:.2f}, {q[1]:.2f}:  ε-greedy takes the second with {greedy[1]:.3f}, the softmax with {q.softmax(-1)[1]:.3f}")
assert abs(numbers(1.00, 1.01).softmax(-1)[1] - numbers(1.00, 0.99).softmax(-1)[1]) < 0.006

# %% [markdown]
# One behaviour turns over, the other moves by half a percent. A function that moves a little when its parameters move a little has a
# gradient. That is all we need.
#
# ## 4.2 One decision
#
# Begin with episodes of a single step. The world shows a state $s$ with probability $\mu(s)$, you take an action, you are paid, and that is
# all:
#
# $$J(\theta) = \mathbb{E}_{\mu,\pi}[R(S,A)] = \sum_s \mu(s) \sum_a \pi(a\mid s)\, R(s,a) \qquad\text{(thesis 2.19)}$$
#
# Differentiate under the sum. $\nabla\pi$ is not an average over anything, so it could not be sampled. But $\nabla\pi =
# \pi\,\nabla\log\pi$, and then it can:
#
# $$\nabla J = \sum_s \mu(s)\sum_a \nabla\pi(a\mid s)\,R(s,a) = \mathbb{E}\big[\nabla\log\pi(A\mid S)\; R(S,A)\big]
# \qquad\text{(thesis 2.20)}$$
#
# This little division by π is called the **score-function trick**, and $\nabla\log\pi$ the **score**. For a softmax it is as simple as can
# be: *what you did, minus what you usually do*,
#
# $$\frac{\partial \log\pi(a)}{\partial h(b)} = \mathbb{1}[a=b] - \pi(b).$$
#
# > **Erratum.** The thesis calls $\mu$ the stationary distribution and, in its footnote 4, defines that as the expected *number* of visits
# > as transitions go to infinity. That number is infinite; it must be the *share* of visits. And in a one-step episode nothing is
# > stationary: $\mu$ is simply how often the world starts in $s$.

# %%
show_source(policy_gradient.score)

# %% [markdown]
# **By hand.** One state, three actions, $\pi = (0.5, 0.3, 0.2)$, rewards $(1, 0, 2)$. Then $J = 0.5 + 0 + 0.4 = 0.9$. For the first
# preference, add over actions probability × reward × score:
#
# $$0.5\cdot 1\cdot(1-0.5) + 0.3\cdot 0\cdot(0-0.5) + 0.2\cdot 2\cdot(0-0.5) = 0.25 + 0 - 0.2 = 0.05.$$
#
# **Predict.** The other two come out as $\pi(b)\,(R(b) - J)$ as well. Which preference falls? Which entry is the largest in size? Is it
# that of the best action?

# %%
policy, reward = numbers(0.5, 0.3, 0.2), numbers(1.0, 0.0, 2.0)
scores = policy_gradient.score(policy.log(), torch.arange(3))  # row a: the score if action a is taken
enumerated = (policy[:, None] * reward[:, None] * scores).sum(0)

preferences = policy.log().requires_grad_()
(by_autograd,) = torch.autograd.grad((preferences.softmax(-1) * reward).sum(), preferences)

actions = sample(policy.cumsum(-1), LaneRandom([0], [4]).uniform(10_000)[0, 0])
samples = reward[actions, None] * scores[actions]
error = samples.std(0) / 100  # standard error of the mean of 10 000 samples
off = (samples.mean(0) - enumerated).abs()
print("by enumeration    ", "  ".join(f"{x:+.3f}" for x in enumerated))
print("by autograd       ", "  ".join(f"{x:+.3f}" for x in by_autograd))
print(
    "mean of 10 000 samples within three standard errors:",
    verdict(off, "<", 3 * error),
)
assert torch.allclose(enumerated, policy * (reward - (policy * reward).sum()))
assert torch.allclose(enumerated, by_autograd) and (off < 3 * error).all()

# %% [markdown]
# All three agree. The second action falls, and by most: it is 0.9 below average and taken three times in ten. The best action is 1.1 above
# average but taken only twice in ten, which makes 0.22. Note that factor $\pi(b)$: an action that is hardly ever taken has hardly any
# gradient, however good it is. A softmax that has become sure of something stupid is slow to change its mind. Keep that in mind; it comes
# back in section 4.9.
#
# The gradient sums to zero, because adding the same number to all preferences changes nothing.
#
# ### Exercise 4.1 · the score  (●○○ · 5 min)
# Write it from *preferences*, for one state or many at once.
#
# <details><summary>Hint 1</summary><code>torch.nn.functional.one_hot(action, A)</code> is $\mathbb{1}[a=b]$ as a row of zeros and a
# one.</details>
# <details><summary>Hint 2</summary>$\log\pi(a) = h(a) - \log\sum_b e^{h(b)}$. Differentiate both terms by $h(b)$. The second one gives a
# softmax.</details>


# %% tags=["exercise"]
def my_score(preferences, action):
    """d log π(a) / d h(b) = 1[a = b] − π(b), π = softmax of the preferences [..., A]; action [...] int64; gives [..., A].

    The preferences are float, from −1000 to 1000; one state or a batch of any shape.
    """
    ...


_ = check("4.1", my_score)

# %% [markdown]
# ## 4.3 Many decisions
#
# Now an episode is a **trajectory** $\zeta = S_0, A_0, R_1, S_1, A_1, R_2, \dots$, and what counts is its return $G(\zeta)$. The same trick
# works on the probability of the whole thing:
#
# $$\nabla J = \nabla\,\mathbb{E}[G(\zeta)] = \mathbb{E}\big[G(\zeta)\,\nabla\log P(\zeta)\big] \qquad\text{(thesis 2.21)}$$
#
# and $\log P(\zeta)$ is a sum: the start, a term $\log\pi(A_t\mid S_t)$ for every action and a term $\log P(S_{t+1}\mid S_t,A_t)$ for every
# transition. The transitions do not depend on θ. *They drop out*, and with them everything you do not know about the world: $\nabla\log
# P(\zeta) = \sum_t\nabla\log\pi(A_t\mid S_t)$.
#
# In that product every score is multiplied by every reward, also by those that were paid *before* the action. They cannot depend on it, and
# a score is zero on average, so these products are pure noise. Drop them (at $\gamma = 1$, for now):
#
# $$\nabla J = \mathbb{E}\Big[\sum_{t\ge0} \nabla\log\pi(A_t\mid S_t) \sum_{i\ge t} R_{i+1}\Big] \qquad\text{(thesis 2.22)}$$
#
# The inner sum is the **reward-to-go**. Every estimate in this chapter has this one form, $\sum_t w_t\,\nabla\log\pi(A_t\mid S_t)$. They
# differ in the weights $w_t$ alone.
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $R_{t+1}$ | `reward` | `[..., T]` | reward |
# | $w_t$, in (2.21) | `whole_trajectory_weights` | `[..., T]` | reward |
# | $w_t$, in (2.22) | `box_weights` with $\gamma = 1$ and no baseline | `[..., T]` | reward |
# | the estimate from one trajectory | `trajectory_gradient` | `[..., S, A]` | reward / nat |

# %%
show_source(policy_gradient.trajectory_gradient, policy_gradient.whole_trajectory_weights, policy_gradient.mean_and_variance)

# %% [markdown]
# One could now sample a thousand episodes and show that one cloud of points is narrower than the other. On a small world you can do better:
# **list every trajectory** with its probability. `policy_gradient.trajectories` does that. Means and variances are then exact.
#
# The world is a walk of $T$ decisions in a row. Each pays 1 for the first action and 0 for the second, minus a cost $c$ either way.


# %%
def walk(decisions, cost):
    """An MDP of `decisions` steps in a row; action 0 pays 1 - cost, action 1 pays -cost."""
    place = torch.arange(decisions)
    after = (place + 1).clamp(max=decisions - 1).view(-1, 1, 1).expand(-1, 2, 1)
    ends = (place == decisions - 1).view(-1, 1, 1).expand(-1, 2, 1)
    pays = numbers(1.0, 0.0).repeat(decisions, 1) - cost
    one_hot = torch.eye(decisions)
    return mdp.check(mdp.MDP(after, torch.ones(decisions, 2, 1).double(), pays, ends, one_hot[0].double(), one_hot))


def estimates(decisions, cost, discount=1.0):
    """Mean and variance of three estimates at the uniform policy, exactly: whole return, reward-to-go, reward-to-go less V(s)."""
    world = walk(decisions, cost)
    log_policy = mdp.uniform_policy(world).log()
    ways = policy_gradient.trajectories(world, log_policy.exp(), decisions)
    to_go = ways.reward.flip(-1).cumsum(-1).flip(-1)  # sums from each step to the end
    value = mdp.evaluate(world, log_policy.exp(), discount)[ways.state]
    weights = (
        policy_gradient.whole_trajectory_weights(ways.reward, discount),
        policy_gradient.box_weights(to_go, 0.0, discount),
        policy_gradient.box_weights(to_go, value, discount),
    )
    by_way = [policy_gradient.trajectory_gradient(log_policy, ways.state, ways.action, weight) for weight in weights]
    return ways, [policy_gradient.mean_and_variance(ways.probability, gradient) for gradient in by_way]


ways, (whole, to_go, _) = estimates(decisions=4, cost=0.0)
exact = policy_gradient.exact_gradient(walk(4, 0.0), mdp.uniform_policy(walk(4, 0.0)).log(), 1.0)
print(f"{len(ways.probability)} trajectories, probabilities sum to {ways.probability.sum():.6f}")
print("                        mean, first state      variance, all entries together")
for name, (mean, variance) in (("whole return (2.21)", whole), ("reward-to-go (2.22)", to_go)):
    print(f"{name:<22}" + "  ".join(f"{x:+.4f}" for x in mean[0]) + f"{variance:20.4f}")
    assert torch.allclose(mean, exact, atol=1e-12)
assert to_go[1] < whole[1]

# %% [markdown]
# **What it shows.** Both means are the exact gradient, to twelve digits, in every entry. The variance of the reward-to-go is less than
# half.
#
# ### Exercise 4.2 · reward-to-go  (●●○ · 8 min)
# Write it for one episode, with a discount: $G_t = \sum_{i\ge t}\gamma^{\,i-t} R_{i+1}$. The check has episodes of 400 steps, with γ from
# 0 to 1.
#
# <details><summary>Hint 1</summary>What is $G_t - \gamma G_{t+1}$?</details>
# <details><summary>Hint 2</summary>Start at the end, where nothing follows, and go backwards.</details>


# %% tags=["exercise"]
def my_returns_to_go(reward, discount):
    """G_t = Σ_{i≥t} discount^(i−t) · reward[i] for one episode that ended: [T] gives [T], float; discount from 0 to 1."""
    ...


_ = check("4.2", my_returns_to_go)

# %% [markdown]
# ## 4.4 Compared with what?
#
# You walk through a shop where everything costs 3. Every decision, good or bad, has a negative return. REINFORCE makes what you did *less*
# likely each time, and only because the bad ones are pushed down a little harder do the good ones win in the end. That is a noisy way to
# learn. Ask instead: was it better than usual?
#
# Subtract any number $b(s)$ from the weights, as long as it does not depend on the action. The mean stays: for each state $\sum_a\pi(a\mid
# s)\,\nabla\log\pi(a\mid s)\,b(s) = b(s)\,\nabla\sum_a\pi(a\mid s) = b(s)\,\nabla 1 = 0$. The usual choice is $b(s) = V_\pi(s)$: what is
# usual in $s$. (Chapter 05 makes much more of this; there it is equation 2.27.)
#
# **Predict.** In the picture below you choose the number of decisions $T$ and their cost $c$. Three bars: whole return, reward-to-go,
# reward-to-go less $V$. Which bars depend on $c$? Is there a cost at which the baseline is no use at all?


# %%
def variance_scene():
    figure, axes = plotting.new_figure(size=(6.6, 2.6))
    names = ["reward-to-go less V", "reward-to-go (2.22)", "whole return (2.21)"]
    bars = axes.barh(names, [1, 1, 1], color=[plotting.GREEN, plotting.BLUE, plotting.ORANGE])
    texts = [axes.text(1, i, "", va="center") for i in range(3)]
    axes.set(xscale="log", xlim=(0.02, 40_000), xlabel="variance of one episode's estimate, exact (reward² / nat²)")

    def update(decisions, cost):
        variances = [float(variance) for _, variance in estimates(decisions, cost)[1]][::-1]
        for bar, text, variance in zip(bars, texts, variances, strict=True):
            bar.set_width(max(variance, 0.02))
            text.set(text=f" {variance:,.2f}", x=max(variance, 0.02))
        axes.set_title(f"T = {decisions} decisions, each costs c = {cost:g}")
        low, middle, high = variances
        return (
            f"With {decisions} decisions that cost {cost:g} each, the variance is {high:,.2f} for the whole return, {middle:,.2f} for the "
            f"reward-to-go and {low:,.2f} for the reward-to-go less the value."
        )

    return Scene(figure, update)


panel(variance_scene, {"decisions": Slider(range(1, 9), 4, "T"), "cost": Slider((0, 0.25, 0.5, 0.75, 1, 2, 3, 5), 0, "c")})

# %%
still(variance_scene, decisions=8, cost=3)
table = {cost: [float(variance) for _, variance in estimates(8, cost)[1]] for cost in (0, 0.5, 1, 3)}
for cost, variances in table.items():
    print(f"T = 8, c = {cost:<4}" + "".join(f"{variance:10.3f}" for variance in variances))
assert len({round(variances[2], 9) for variances in table.values()}) == 1 and math.isclose(table[0.5][1], table[0.5][2])
assert math.isclose(table[3][1] - table[3][2], 25 * (table[1][1] - table[1][2])) and table[1][1] - table[1][2] == 25.5

# %% [markdown]
# **What it shows.** The last bar does not know the cost at all: $V$ swallows it. At $c = 0.5$ the baseline is no use: half of the decisions
# pay $+0.5$ and half $-0.5$, and $V$ is zero already. What the other bars have on top grows with the *square* of the distance from there:
# 25.5 for the reward-to-go at $c = 1$, and 25 times that at $c = 3$, which is five times as far. So a baseline is worth most where returns
# are large compared with their spread. That is a prediction, and section 4.9 holds it against trained agents.
#
# ### Exercise 4.3 · a baseline without a critic  (●●○ · 8 min)
# You have $B$ episodes of the same length and no value function. Take the mean return of the *other* episodes as the baseline of each one.
#
# <details><summary>Hint 1</summary>The sum over the others is the sum over all, minus your own.</details>
# <details><summary>Hint 2</summary>Why not the mean over all? Then the number you subtract contains the return of the very action that it
# judges.</details>


# %% tags=["exercise"]
def my_weights(returns):
    """returns [B, T]: G_t of each episode. Weight = G_t of the episode − mean of G_t over the other B − 1 episodes, for each t.

    Float, B ≥ 2; gives [B, T].
    """
    ...


_ = check("4.3", my_weights)

# %% [markdown]
# ## 4.5 The factor that everybody drops
#
# Now let $\gamma < 1$. The thesis writes
#
# $$\nabla J = \mathbb{E}\Big[\sum_{t\ge0}\nabla\log\pi(A_t\mid S_t)\sum_{i\ge t}\gamma^{\,i-t}R_{i+1}\Big]
# \qquad\text{(thesis 2.23, as printed)}$$
#
# The reward-to-go is discounted *from t on*, as if each step were the start of a life of its own. But $J$ is measured at $t = 0$. A reward
# at time $i$ is worth $\gamma^i$ there, and $\gamma^i = \gamma^t\cdot\gamma^{\,i-t}$:
#
# $$\nabla J = \mathbb{E}\Big[\sum_{t\ge0}\gamma^t\,\nabla\log\pi(A_t\mid S_t)\sum_{i\ge t}\gamma^{\,i-t}R_{i+1}\Big]
# \qquad\text{(2.23, corrected)}$$
#
# > **Erratum.** For the discounted objective (2.23) lacks the factor $\gamma^t$. The thesis's own box for REINFORCE has it. Nearly all code
# > leaves it out, and then climbs something that is not the gradient of $J$.

# %%
show_source(policy_gradient.printed_weights, policy_gradient.box_weights)

# %% [markdown]
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $G_t = \sum_{i\ge t}\gamma^{\,i-t}R_{i+1}$ | `return_to_go` | `[..., T]` | reward |
# | $\gamma^t G_t$, or $G_t$ as printed | `box_weights`, `printed_weights` | `[..., T]` | reward |
# | $d_\gamma(s)$ | `mdp.visits(mdp, policy, discount)` | `[S]` | visits, discounted |
# | $d_1(s)$ | `mdp.visits(mdp, policy, 1.0)` | `[S]` | visits |
#
# What do the two estimate? Collect the terms by state. With the factor, a state counts by its *discounted* visits $d_\gamma(s) =
# \sum_t\gamma^t P(S_t = s)$. Without it, by its *plain* visits $d_1(s)$: late states count as much as early ones. Both can be computed
# without a single sample, because chapter 01 gave you both kinds of visits. On a walk of five steps with other rewards, where you can list
# everything:

# %%
world = walk(5, cost=0.3)._replace(reward=numbers(1, 0, 0, 1, 2, 0, 0, 3, 1, 1).view(5, 2))
log_policy = numbers(0.2, -0.1, 0.4, 0.0, -0.3, 0.3, 0.1, 0.5, 0.0, 0.0).view(5, 2).log_softmax(-1)
ways = policy_gradient.trajectories(world, log_policy.exp(), 5)
gamma = 0.8
returns_to_go = torch.stack([(ways.reward[:, t:] * gamma ** torch.arange(5 - t).double()).sum(-1) for t in range(5)], -1)
for name, weights, exactly in (
    ("with γ^t", policy_gradient.box_weights, policy_gradient.exact_gradient),
    ("without", policy_gradient.printed_weights, policy_gradient.exact_direction_as_printed),
):
    by_way = policy_gradient.trajectory_gradient(log_policy, ways.state, ways.action, weights(returns_to_go, 0.0, gamma))
    mean, _ = policy_gradient.mean_and_variance(ways.probability, by_way)
    print(f"{name:<9} mean of the estimates, first action of each state: " + "  ".join(f"{x:+z.4f}" for x in mean[:, 0]))
    assert torch.allclose(mean, exactly(world, log_policy, gamma), atol=1e-12)

# %% [markdown]
# The signs agree, the sizes do not: state $t$ differs by $\gamma^t$. Written as vectors the two point in different directions. How far
# apart? Take the uniform policy in two mazes and measure the angle.

# %%
print("maze    γ       angle     largest ratio of plain to discounted visits")
for number, gamma in itertools.product((6, 4), (0.9, 0.99, 0.999)):
    maze = load_map(number).mdp()
    uniform = mdp.uniform_policy(maze)
    left = policy_gradient.exact_gradient(maze, uniform.log(), gamma).flatten()
    right = policy_gradient.exact_direction_as_printed(maze, uniform.log(), gamma).flatten()
    angle = math.degrees(math.acos(float(left @ right / left.norm() / right.norm())))
    plain, discounted = mdp.visits(maze, uniform, 1.0), mdp.visits(maze, uniform, gamma)
    ratio = float((plain / discounted)[discounted > 0].max())
    print(f"map {number}  {gamma:<6}{angle:7.1f}°{ratio:16.1f}")
    assert bool((left * right >= -1e-15).all())  # no entry has changed its sign
assert ratio < 2 and angle < 5

# %% [markdown]
# At γ = 0.9 in map 4 there is a cell that counts twenty thousand times as much without $\gamma^t$ as with it. Now you see why everybody
# drops the factor. With it, cells that are reached late have next to no gradient, although you do want the agent to act well there.
#
# And in a *table*, dropping it does little harm. Each state has preferences of its own, no entry changes its sign, so each state improves
# anyway, only at another speed. The trouble begins when states **share parameters**, as they do in every network. Then improving one state
# worsens another, and it matters what each of them counts.
#
# Here is a small world of that kind. You come to a door: left or right. Right leads to a gift of 1, paid at the end. Then, two steps of
# corridor later, there is one more door. Left there pays 0.85, right pays nothing. The agent cannot tell the doors apart: one preference θ
# for all of them.
#
# **Predict.** Always left earns 0.85 in the end. Always right earns 1, at the same time. γ = 0.9. Is there any discount at which left is
# better?

# %%
FIRST, LAST_WITHOUT, LAST_WITH = 0, 3, 6  # the doors; 1 and 2 are the corridor after left, 4 and 5 the one after right
leads = torch.tensor([[1, 4], [2, 2], [3, 3], [3, 3], [5, 5], [6, 6], [6, 6]]).unsqueeze(-1)
ends = torch.zeros(7, 2, 1, dtype=torch.bool)
ends[[LAST_WITHOUT, LAST_WITH]] = True
pays = torch.zeros(7, 2, dtype=torch.float64)
pays[LAST_WITHOUT], pays[LAST_WITH] = numbers(0.85, 0.0), numbers(1.85, 1.0)
doors = mdp.check(mdp.MDP(leads, torch.ones(7, 2, 1).double(), pays, ends, torch.eye(7)[FIRST].double(), torch.eye(7)))


def doors_policy(theta):
    """Log-policy [7, 2] for one preference θ for right: the same at all three doors; a coin in the corridors, where it does not matter."""
    preferences = torch.zeros(7, 2, dtype=torch.float64)
    preferences[[FIRST, LAST_WITHOUT, LAST_WITH], 1] = theta
    return preferences.log_softmax(-1)


def slope(direction, theta, discount):
    """Derivative by θ: the three doors' entries for right, added up, since they share θ."""
    return float(direction(doors, doors_policy(theta), discount)[[FIRST, LAST_WITHOUT, LAST_WITH], 1].sum())


print("P(right)   J at γ = 0.9   J at γ = 1   slope of J at 0.9   slope as printed")
for chance in (0.1, 0.5, 0.9):
    theta = math.log(chance / (1 - chance))
    earned = [float(policy_gradient.objective(doors, doors_policy(theta), discount)) for discount in (0.9, 1.0)]
    slopes = slope(policy_gradient.exact_gradient, theta, 0.9), slope(policy_gradient.exact_direction_as_printed, theta, 0.9)
    print(f"{chance:>6}{earned[0]:15.4f}{earned[1]:13.4f}{slopes[0]:17.5f}{slopes[1]:19.5f}")
    assert slopes[0] > 0 > slopes[1]

# %% [markdown]
# There is none. All rewards come at the same time, so every discount prefers right. The printed direction says *left*, at every θ.
#
# Do it by hand at one of the doors. In the first one, right is better than left by $\gamma^3\cdot 1 = 0.729$, because the gift is three
# steps away. In the last one, left is better by 0.85, because it is paid at once. With $\gamma^t$ the last door counts $\gamma^3$, so the
# comparison is $0.729$ against $0.729\cdot0.85 = 0.620$. Without it, $0.729$ against $0.85$. The printed formula values the gift from where
# the first door stands and the 0.85 from where the last door stands: it compares prices of two different days.

# %%
paths = {}
directions = {"with γ^t": policy_gradient.exact_gradient, "without (as printed)": policy_gradient.exact_direction_as_printed}
for name, direction in directions.items():
    thetas = [0.0]
    for _ in range(400):
        thetas.append(thetas[-1] + slope(direction, thetas[-1], 0.9))
    paths[name] = torch.tensor(thetas, dtype=torch.float64)

figure, (left, right) = plotting.new_figure(1, 2, size=(9.4, 3.2))
for style, (name, thetas) in enumerate(paths.items()):
    plotting.draw_exact(left, thetas.sigmoid(), name, x=range(401), style=style)
    worth = torch.stack([policy_gradient.objective(doors, doors_policy(float(theta)), 0.9) for theta in thetas[::10]])
    plotting.draw_exact(right, worth, name, x=range(0, 401, 10), style=style)
left.set(xlabel="exact updates", ylabel="P(right) at every door", ylim=(-0.03, 1.03), title="what is learned")
right.set(xlabel="exact updates", ylabel="J at γ = 0.9 (reward)", title="what it is worth")
for axes in (left, right):
    plotting.label_lines(axes)
plotting.show(
    figure,
    alt="With γ^t the policy goes to always right, the best one for every discount; without it, to always left, the worst, and J falls.",
)
assert paths["with γ^t"][-1].sigmoid() > 0.95 and paths["without (as printed)"][-1].sigmoid() < 0.05

# %% [markdown]
# **What it shows.** Followed exactly, without any noise, the printed direction walks downhill to the *worst* policy for γ = 0.9, and for
# every other γ too. So it is the gradient of neither objective. (The idea of such a world is Nota and Thomas's.)
#
# What should you do? Know which one you compute. In this course `box_weights` is the gradient of the discounted objective,
# `printed_weights` is what most programs do: a direction that often works better than the gradient, because it cares for states that come
# late, and that promises nothing.
#
# ### Exercise 4.4 · γ^t in a log  (●●○ · 8 min)
# Training logs hold episode after episode in one long array. Given the returns-to-go, write the weights of (2.23, corrected).
#
# <details><summary>Hint 1</summary>$t$ counts from the start of the *episode*.</details>
# <details><summary>Hint 2</summary>A loop is fine: multiply by <code>discount ** t</code>, then set t to 0 after a terminal step and to t +
# 1 after any other.</details>


# %% tags=["exercise"]
def my_box_weights(return_to_go, terminal, discount):
    """γ^t · G_t for a log [T] of several episodes in a row; terminal [T] bool marks the last step of each.

    return_to_go [T] is float and stays as it is, discount a number from 0 to 1; the log may end in the middle of an episode: [T].
    """
    ...


_ = check("4.4", my_box_weights)

# %% [markdown]
# ## 4.6 The policy gradient theorem
#
# Replace the sampled reward-to-go by its mean given state and action, which is $Q_\pi(S_t, A_t)$ by definition, and collect by state. What
# comes out is a theorem:
#
# $$\nabla J = \sum_s d_\gamma(s)\sum_a \nabla\pi(a\mid s)\,Q_\pi(s,a)
# = \mathbb{E}_\pi\big[\nabla\log\pi(A\mid S)\,Q_\pi(S,A)\big] \qquad\text{(thesis 2.24, corrected)}$$
#
# > **Erratum.** The thesis writes the policy as $\pi(s\mid a)$ in the sentence before (2.24); it is $\pi(a\mid s)$. (The first line of
# > (2.24) has $\nabla$ *outside* the sum of $\mu(s)\,\pi(a\mid s)\,R(s,a)$, and there it is right: with discounted visits for $\mu$ that
# > sum is $J$.) The $\mathbb{E}_\pi$ of its second line hides a choice: it sums over *discounted* visits, which add up to more than one.
# > Divide by their sum, and you have the gradient up to a factor; weigh states by plain visits, as sampled steps do, and you are back in
# > section 4.5.
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $d_\gamma(s)$ | `visits(mdp, policy, discount)` | `[..., S]` | visits |
# | $\pi(a\mid s)$ | `policy` | `[..., S, A]` | probability |
# | $Q_\pi(s,a)$ | `q` | `[..., S, A]` | reward |
#
# Look at what is *not* there: no derivative of $d_\gamma$ and none of $Q_\pi$, though both depend on θ. For a softmax, $\nabla\pi$ works
# out to $\pi(a\mid s)$ times how much better $a$ is than usual:

# %%
show_source(policy_gradient.gradient_by_visits)

# %% [markdown]
# Does it hold? `mdp.evaluate` solves $(I - \gamma P_\pi)V = R_\pi$ with PyTorch, and autograd can differentiate *through the solve*. It
# knows nothing of the theorem. Let it differentiate $J$ by all preferences of map 4, at a random policy, and compare.

# %%
maze = load_map(4).mdp()
preferences = (4 * LaneRandom([1], [4]).uniform(maze.reward.numel())[0, 0]).view(maze.reward.shape).requires_grad_()
(by_autograd,) = torch.autograd.grad(policy_gradient.objective(maze, preferences.log_softmax(-1), 0.99), preferences)
policy = preferences.detach().softmax(-1)
q = mdp.action_values(maze, mdp.evaluate(maze, policy, 0.99), 0.99)
visits = mdp.visits(maze, policy, 0.99)
print("largest entry of the gradient:", f"{by_autograd.abs().max():.4f}")
for name, worth in (("Q_π(s, a), the theorem", q), ("R(s, a), the one-step case", maze.reward)):
    gap = float((policy_gradient.gradient_by_visits(visits, policy, worth) - by_autograd).abs().max())
    print(f"with {name:<42} largest difference from autograd:", "below 1e-10" if gap < 1e-10 else f"{gap:.4f}")
    assert (gap < 1e-10) == (worth is q)

# %% [markdown]
# ## 4.7 Actions that are numbers
#
# A steering wheel has no list of actions. Let the policy be a Gaussian whose mean μ and standard deviation σ are the parameters:
#
# $$\pi(a\mid s,\theta) = \frac{1}{\sigma\sqrt{2\pi}}\exp\Big(-\frac{(a-\mu)^2}{2\sigma^2}\Big) \qquad\text{(thesis 2.18)}$$
#
# (The π under the root is 3.14159…) Nothing else changes: the score is the derivative of its logarithm, $\partial_\mu\log\pi =
# (a-\mu)/\sigma^2$ and $\partial_\sigma\log\pi = \big((a-\mu)^2 - \sigma^2\big)/\sigma^3$.
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $a$ | `action` | `[...]` | that of the action |
# | $\mu,\ \sigma$ | `mean`, `deviation` | `[...]` | that of the action |
# | $\log\pi$ | returned | `[...]` | log of 1 / that unit |

# %%
show_source(policy_gradient.gaussian_log_density)

# %% [markdown]
# The task is a bandit with one hump of reward, $r(a) = e^{-(a-2)^2/2}$, which pays 1 at $a = 2$ and next to nothing far away. A Gaussian
# times a Gaussian can be integrated, so $J$ and its gradient are known exactly:
#
# $$J(\mu,\sigma) = \frac{1}{\sqrt{1+\sigma^2}}\exp\Big(-\frac{(\mu-2)^2}{2(1+\sigma^2)}\Big).$$


# %%
def hump(action):
    return torch.exp(-0.5 * (action - 2) ** 2)


def gaussian_objective(mean, deviation):
    return torch.exp(-0.5 * (mean - 2) ** 2 / (1 + deviation**2)) / torch.sqrt(1 + deviation**2)


def gaussian_gradient(mean, deviation):
    """∂J/∂μ and ∂J/∂σ, by autograd of the closed form."""
    theta = [numbers(x)[0].requires_grad_() for x in (mean, deviation)]
    return [float(g) for g in torch.autograd.grad(gaussian_objective(*theta), theta)]


uniform = LaneRandom([2], [4]).uniform(20_000)[0, 0]
print("  μ     σ      ∂J/∂μ     ∂J/∂σ    mean of 20 000 samples of score × reward inside three standard errors")
for mean, deviation in ((-1.0, 0.5), (1.0, 0.5), (2.0, 1.0)):
    mu, sigma = (numbers(x).expand(20_000).clone().requires_grad_() for x in (mean, deviation))
    action = mean + deviation * torch.special.ndtri(uniform)  # inversion: uniform numbers to Gaussian ones
    scores = torch.autograd.grad(policy_gradient.gaussian_log_density(action, mu, sigma).sum(), (mu, sigma))
    exactly, off = gaussian_gradient(mean, deviation), []
    for wanted, score in zip(exactly, scores, strict=True):
        estimate = score * hump(action)
        error = float(estimate.std()) / math.sqrt(20_000)
        off.append(abs(float(estimate.mean()) - wanted) / error)
    print(f"{mean:>4}{deviation:>6}{exactly[0]:z11.4f}{exactly[1]:z10.4f}    {verdict(off, '<', 3)}")
    assert max(off) < 3

# %% [markdown]
# **Predict.** The agent starts at μ = −1 with σ = 0.5, three away from the hump. Look at the sign of $\partial J/\partial\sigma$ in the
# first line. What will σ do at first, and what in the end? Why?
#
# Press play: exact gradient ascent in μ and log σ.

# %%
RATE, FRAMES = 0.25, 41
trail = [(-1.0, math.log(0.5))]
for _ in range(4 * (FRAMES - 1)):
    mean, log_deviation = trail[-1]
    by_mean, by_deviation = gaussian_gradient(mean, math.exp(log_deviation))
    trail.append((mean + RATE * by_mean, log_deviation + RATE * math.exp(log_deviation) * by_deviation))
trail = torch.tensor(trail, dtype=torch.float64)
means, deviations = trail[::4, 0], trail[::4, 1].exp()


def gaussian_scene():
    figure, (left, right) = plotting.new_figure(1, 2, size=(8.6, 2.9), width_ratios=[1.2, 1])
    grid = torch.linspace(-4, 6, 201, dtype=torch.float64)
    left.plot(grid, hump(grid), color=plotting.GREY, linestyle="--")
    left.text(3.6, 0.55, "reward r(a)", color=plotting.GREY)
    (curve,) = left.plot(grid, grid, color=plotting.BLUE)
    left.text(-3.8, 0.9, "policy π(a)", color=plotting.BLUE)
    left.set(ylim=(0, 1.3), xlabel="action a", ylabel="reward, density")
    right.plot(means, deviations, color=plotting.BLUE, linewidth=1)
    (dot,) = right.plot([], [], "o", color=plotting.BLUE)
    border = torch.linspace(-2, 1, 100, dtype=torch.float64)
    right.plot(border, ((border - 2) ** 2 - 1).clamp_min(0).sqrt(), color=plotting.ORANGE, linestyle=":")
    right.text(0.2, 2.6, "σ shrinks on this side", color=plotting.ORANGE)
    right.text(-1.4, 0.15, "σ grows here", color=plotting.ORANGE)
    right.set(xlim=(-1.5, 2.5), ylim=(0, 3.2), xlabel="mean μ", ylabel="standard deviation σ")

    def update(frame):
        mean, deviation = means[frame], deviations[frame]
        curve.set_ydata(policy_gradient.gaussian_log_density(grid, mean, deviation.expand(grid.shape)).exp())
        dot.set_data([mean], [deviation])
        worth = float(gaussian_objective(mean, deviation))
        left.set_title(f"update {4 * frame}: μ = {mean:z.2f}, σ = {deviation:.2f}, J = {worth:z.3f}")
        return f"After {4 * frame} exact updates the policy has mean {mean:z.2f} and deviation {deviation:.2f}, and earns {worth:z.3f}."

    return Scene(figure, update)


player(gaussian_scene, FRAMES, label="frame", interval=200)

# %%
still(gaussian_scene, frame=10)
widest = int(deviations.argmax())
print(f"σ: {deviations[0]:.2f} at the start, {deviations[widest]:.2f} at its widest (update {4 * widest}), {deviations[-1]:.2f} at the end")
print(f"μ: {means[0]:.2f} at the start, {means[widest]:.2f} when σ is widest, {means[-1]:.2f} at the end")
assert 0 < widest < FRAMES - 1 and deviations[widest] > 2 * deviations[0] and deviations[-1] < deviations[0]

# %% [markdown]
# **What it shows.** The policy *explores because it pays*. While the hump is more than $\sqrt{1+\sigma^2}$ away, a wider policy meets more
# of it, and the gradient widens it. Once it is near, width only misses, and the gradient narrows it. Nobody set an ε. But the same force
# closes the door behind it: when σ has shrunk onto some hump, it will not widen again for a better one far away.
#
# ## 4.8 Two places that look alike
#
# Figure 2.4 of the thesis has a maze in which two places look the same. Here it is as one of our mazes. The agent starts in one of the four
# cells left and right of the middle, and sees *only the walls around it*.

# %%
corridor = GridWorld.from_text(
    """
    #######
    #S....#
    ###G###
    #######
    """,
    name="corridor",
)
around = [tuple(corridor.move(cell, action)[1] for action in range(1, 5)) for cell in range(len(corridor.cells))]
seen = torch.tensor([sorted(set(around)).index(walls) for walls in around])  # what each cell looks like, as a number
for cell, walls in enumerate(around):
    walled = " ".join(name for name, wall in zip(("up", "down", "left", "right"), walls, strict=True) if wall)
    print(f"cell {cell}: walls {walled:<15} looks like number {int(seen[cell])}")
assert seen[1] == seen[3] and len(set(seen.tolist())) == 5
cells = corridor.mdp()._replace(start=numbers(0.25, 0.25, 0, 0.25, 0.25, 0))

# %% [markdown]
# (Ignore the S of the drawing: episodes start in all four.) Cells 1 and 3 are both "a wall above and a wall below". In cell 1 the agent
# must go right, in cell 3 left. Whatever it decides to do there, it does in both. (The thesis's maze stands upright, so there it is up and
# down.)
#
# **Predict.** What is the best that a *deterministic* policy can do, if it sees only the walls? And a stochastic one?
#
# The deterministic ones can simply all be tried: five actions for each of four sights (the goal needs none), $5^4 = 625$ policies.

# %%
choices = torch.tensor(list(itertools.product(range(5), repeat=4)))
sights = [int(seen[cell]) for cell in (0, 1, 2, 4)]
by_sight = torch.zeros(len(choices), 5, dtype=torch.int64)
by_sight[:, sights] = choices
deterministic = torch.nn.functional.one_hot(by_sight[:, seen], 5).double()  # [625, S, A]: the same sight, the same action


def steps_from_each(policy):
    """Expected steps to the goal from each of the five cells, cut at 1000: [..., 5]."""
    starts = torch.eye(6, dtype=torch.float64)[:5]
    return torch.stack([torch.as_tensor(mdp.expected_steps(cells._replace(start=start), policy)).double() for start in starts], -1)


steps = torch.as_tensor(mdp.expected_steps(cells, deterministic))
worth = (cells.start * mdp.evaluate(cells, deterministic, 0.99)).sum(-1)
best = deterministic[worth.argmax()]
print(f"{len(steps)} deterministic policies; the best one needs {steps.min():.2f} steps (an episode is cut at 1000)")
arrive = steps_from_each(deterministic) < 1000  # from which cells does each policy arrive?
print("policies that arrive from all four starting cells:", int(arrive[:, [0, 1, 3, 4]].all(-1).sum()))
print(f"value at γ = 0.99: best deterministic {worth.max():.3f}")
assert steps.min() > 500 and not arrive[:, [0, 1, 3, 4]].all(-1).any()

# %% [markdown]
# None. Even the best is at home in one half only: from the other it runs to and fro for ever, and half of all episodes end at the clock.
#
# The best stochastic policy is found by climbing $J$ with *tied* preferences: cells that look alike share a row. Autograd does the tying;
# `preferences[seen]` is all it takes.

# %%
tied = torch.zeros(5, 5, dtype=torch.float64, requires_grad=True)  # one row a sight
for _ in range(3000):
    (gradient,) = torch.autograd.grad(policy_gradient.objective(cells, tied[seen].log_softmax(-1), 0.99), tied)
    tied = (tied + 1.0 * gradient).detach().requires_grad_()
stochastic = tied.detach()[seen].softmax(-1)
print("in the cells that look alike:", ", ".join(f"{name} {p:z.3f}" for name, p in zip(ACTIONS, stochastic[1], strict=True)))
found = policy_gradient.objective(cells, stochastic.log(), 0.99)
print(f"expected steps {mdp.expected_steps(cells, stochastic):.2f}, value at γ = 0.99: {found:z.3f}")
assert abs(float(stochastic[1, 3]) - 0.5) < 0.02 and mdp.expected_steps(cells, stochastic) < 5

# %% [markdown]
# A coin! By symmetry it has to be one. Let $q$ be the chance of going right in a grey cell, and suppose that the agent does the right thing
# in all others. From cell 1 it takes one step; with chance $q$ it is in the middle and one more step ends it; otherwise it is at the left
# end, and comes back after one more step: $E_1 = 2 + (1-q)E_1$, so $E_1 = 2/q$, and from the left end $2/q + 1$. On the other side the same
# with $1-q$. If a share $w$ of the episodes starts on the left,
#
# $$\text{expected steps} = w\,\frac2q + (1-w)\frac2{1-q} + \frac12,
# \qquad\text{least at}\quad \frac{q}{1-q} = \sqrt{\frac{w}{1-w}}.$$
#
# **Predict.** Nine in ten episodes start on the left ($w = 0.9$). Should the agent go right always? Nine times in ten? Drag $q$ and find
# the lowest point; then change $w$.

# %%
CHANCES = [0.0, 0.02, 0.05, *(round(0.1 * i, 1) for i in range(1, 10)), 0.95, 0.98, 1.0]
SHARES = [0.1, 0.25, 0.5, 0.75, 0.9]


def coin_policy(chance):
    """Goes right with `chance` where the sight is grey, and straight to the goal elsewhere: [6, 5]."""
    policy = mdp.greedy_policy(numbers(*[[0, 0, 0, 0, 1]] * 2, [0, 0, 1, 0, 0], *[[0, 0, 0, 1, 0]] * 2, [1, 0, 0, 0, 0]))
    policy[[1, 3]] = numbers(0, 0, 0, 1 - chance, chance)
    return policy


def best_chance(share):
    return math.sqrt(share) / (math.sqrt(share) + math.sqrt(1 - share))


fine = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)


def alias_scene():
    figure, (left, right) = plotting.new_figure(1, 2, size=(9.2, 2.9), width_ratios=[1, 1.15])
    for cell in (1, 3):
        row, column = corridor.cells[cell]
        left.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, color="#CBD0D4", zorder=1.5, linewidth=0))
    start, acting = steps_from_each(coin_policy(0.5)), (torch.arange(6) != corridor.goal).double()[:, None]
    drawn = plotting.draw_maze(left, corridor, [*start, 0.0], coin_policy(0.5) * acting, numbers="{:z.1f}", limits=(0, 1e9))
    (curve,) = right.plot(fine, fine, color=plotting.BLUE, linestyle="--", linewidth=1.4)
    (dot,) = right.plot([], [], "o", color=plotting.ORANGE, markersize=8)
    (low,) = right.plot([], [], "|", color=plotting.GREEN, markersize=16, markeredgewidth=2)
    right.set(yscale="log", ylim=(3, 1100), xlim=(-0.02, 1.02), xlabel="q, chance of going right in a grey cell", ylabel="expected steps")
    right.text(0.5, 600, "deterministic: at either end", color=plotting.ORANGE, ha="center")

    def update(chance, share):
        from_each = steps_from_each(coin_policy(chance))
        drawn.update(values=[*from_each, 0.0], policy=coin_policy(chance) * acting)
        total = float(share * from_each[:2].mean() + (1 - share) * from_each[3:].mean())
        curve.set_ydata(share * 2 / fine + (1 - share) * 2 / (1 - fine) + 0.5)
        dot.set_data([chance], [total])
        top = best_chance(share)
        low.set_data([top], [share * 2 / top + (1 - share) * 2 / (1 - top) + 0.5])
        left.set_title("expected steps to G from each cell")
        right.set_title(f"{share:.0%} start on the left; q = {chance:g}: {total:.4g} steps")
        return (
            f"If {share:.0%} of the episodes start on the left and the agent goes right in the grey cells with chance {chance:g}, it needs "
            f"{total:.4g} steps on average; the best chance is {top:.3f}."
        )

    return Scene(figure, update)


panel(alias_scene, {"chance": Slider(CHANCES, 0.5, "q"), "share": Slider(SHARES, 0.5, "w")})

# %%
still(alias_scene, chance=0.9, share=0.9)
for share in (0.5, 0.75, 0.9):
    start = numbers(share / 2, share / 2, 0, (1 - share) / 2, (1 - share) / 2, 0)
    needed = {q: float(mdp.expected_steps(cells._replace(start=start), coin_policy(q))) for q in (best_chance(share), share, 1.0)}
    print(f"w = {share:<5} best q = {best_chance(share):.3f}: {needed[best_chance(share)]:6.2f} steps;   q = 1: {needed[1.0]:6.2f}")
    assert needed[best_chance(share)] == min(needed.values()) or math.isclose(needed[best_chance(share)], min(needed.values()))

# %% [markdown]
# **What it shows.** The curve goes through the roof at both ends, and only there: those are the deterministic policies. Even with nine in
# ten on the left it is best to go right only three times in four. The square root is a hedge: being wrong costs without bound, so the rare
# case gets more than its share.
#
# A value-based agent that sees only walls cannot find this. Whatever its two estimates for the grey sight are, `argmax` takes one of them.
# (Its ε saves it from running for ever: the better policy comes from the dice.)
#
# ## 4.9 REINFORCE
#
# Now sample. The second expectation of
#
# $$\nabla J = \mathbb{E}_\pi[\nabla\log\pi(A\mid S)\,Q_\pi(S,A)] = \mathbb{E}_\pi[\nabla\log\pi(A_t\mid S_t)\,G_t]
# \qquad\text{(thesis 2.25)}$$
#
# needs nothing but episodes, because $\mathbb{E}[G_t\mid S_t,A_t] = Q_\pi(S_t,A_t)$. This is the thesis's box:
#
# ```text
# 1  Input: a differentiable policy parameterization π(a|s, θ)
# 2  Initialize policy parameter θ
# 3  Repeat forever:
# 4      Generate an episode S_0, A_0, R_1, ..., S_{T-1}, A_{T-1}, R_T, following π(·|s, θ)
# 5      For each step of the episode t = 0, ..., T-1:
# 6          G ← return from step t
# 7          θ ← θ + α γ^t G ∇ ln π(A_t|S_t, θ)
# ```
#
# The thesis writes $G_t = \sum_{t'>t}R_{t'}$ beside it, without discount, and points to (2.22). With $\gamma < 1$ the box means the
# discounted return, and has the $\gamma^t$ that (2.23) lacks.

# %%
show_source(policy_gradient.train, policy_gradient.update, policy_gradient.estimates)

# %% [markdown]
# Three things to see. **All steps of an episode use the same θ**: the box changes θ inside its loop, we add up first. **A lane updates when
# its own episode is over**, whatever the others do; that is why a lane alone is the same lane among many. **A time-out** is no goal: with a
# baseline the tail that was cut off is worth $v$ of the state where it was cut. Without a baseline nobody knows what it is worth, and it is
# left out. That is a bias; choose the limit so late that $\gamma^{\text{steps left}}$ makes it small.
#
# ### A prediction
#
# Section 4.4 said: on a walk of 8 decisions that cost 3 each, the estimate has a variance of 641, and of 3.5 with a baseline. Same mean. So
# with the baseline learning should follow the *exact* ascent closely, and without it stagger. Here the baseline is a table $v(s)$, learned
# from the same episodes. Twenty runs of each, in one call: a sweep is a list of equal tasks.

# %%
shop, RATE = walk(8, cost=3.0), 0.05
config = policy_gradient.Config(
    steps=2400, discount=1.0, learning_rate=RATE, baseline_learning_rate=numbers(0.0, 4.0), snapshots=30
)  # a baseline that does not learn stays at 0: no baseline
shopping = policy_gradient.train([shop] * 2, config, seeds=range(20), progress=True)
good = shopping.history.snapshots[..., 0].exp().mean(-1)  # [R, K, snapshots]: share of good decisions, of the policy itself

preferences, ascent = torch.zeros(8, 2, dtype=torch.float64), []
for _ in range(2400 // 8 + 1):
    ascent.append(float(preferences.softmax(-1)[:, 0].mean()))
    preferences = preferences + RATE * policy_gradient.exact_gradient(shop, preferences.log_softmax(-1), 1.0)

figure, axes = plotting.new_figure(size=(6.8, 3.6))
episodes = shopping.history.snapshot_steps / 8
for k, name in enumerate(("no baseline", "baseline")):
    plotting.draw_band(axes, episodes, interquartile_band(good[:, k]), name, style=k)
plotting.draw_exact(axes, ascent[::10], "exact ascent", x=range(0, 301, 10), style=6)
axes.set(xlabel="episodes", ylabel="share of good decisions", ylim=(0.45, 1.02))
plotting.label_lines(axes)
plotting.provenance(axes, loc="lower right")
plotting.show(
    figure,
    alt="With a baseline the learned policies follow the exact ascent closely; without one they learn more slowly and scatter widely.",
)
gap = (good[:, 1, -1] - ascent[-1]).abs()
print(
    "with a baseline, all 20 runs end within 0.05 of the exact ascent:",
    verdict(gap, "<", 0.05),
)
print(
    "without, the best and the worst of 20 runs differ by more than 0.2:",
    verdict(good[:, 0, -1].max() - good[:, 0, -1].min(), ">", 0.2),
)
assert (gap < 0.05).all() and good[:, 0, -1].max() - good[:, 0, -1].min() > 0.2

# %% [markdown]
# **What it shows.** The prediction holds. Same mean, same step size, same number of episodes; only the noise differs.
#
# ### A maze
#
# Does a baseline always do that much? Ask before you train. The weights of a step are $G_t$ without a baseline and $G_t - V_\pi(S_t)$ with
# the best one. Their mean squares can be computed: with $r = R_{t+1}$,
#
# $$\mathbb{E}[G_t^2] = \mathbb{E}\big[r^2 + 2r\,\gamma G_{t+1} + \gamma^2 G_{t+1}^2\big]
# = \mathbb{E}\big[r\,(2Q_\pi - r)\big] + \gamma^2\,\mathbb{E}[G_{t+1}^2],$$
#
# which is a Bellman equation like any other, with the reward $r(2Q_\pi - r)$ and the discount $\gamma^2$. (Here a step's reward is not
# random.)


# %%
def mean_squares(task, discount):
    """Mean squares of G_t and of G_t - V(S_t) over the steps of an episode of the uniform policy, exactly."""
    policy = mdp.uniform_policy(task)
    value = mdp.evaluate(task, policy, discount)
    q = mdp.action_values(task, value, discount)
    square = mdp.evaluate(task._replace(reward=task.reward * (2 * q - task.reward)), policy, discount**2)
    often = mdp.visits(task, policy, 1.0)
    share = often / often.sum()
    return float((share * square).sum()), float((share * (square - value**2)).sum())


maze = load_map(6).mdp()
for name, task, discount in (("the shop", shop, 1.0), ("map 6", maze, 0.9)):
    plain, compared = mean_squares(task, discount)
    factor = plain / compared
    print(f"{name:<9} γ = {discount}: mean square {plain:7.3f} without, {compared:6.3f} with the best baseline: {factor:5.1f} times less")
walked = mdp.expected_steps(maze, mdp.uniform_policy(maze))
print(f"map 6: an episode takes {walked:.0f} steps at first; the shortest path has {len(load_map(6).shortest_path()) - 1}")
assert mean_squares(shop, 1.0)[0] / mean_squares(shop, 1.0)[1] > 100 > 10 > mean_squares(maze, 0.9)[0] / mean_squares(maze, 0.9)[1]

# %% [markdown]
# There is less to gain. And an episode of 110 steps does some averaging of its own. We take `printed_weights`: with $\gamma^t$ the end of
# such an episode would count $0.9^{110}$, a hundred-thousandth (section 4.5). Two step sizes, with and without a baseline, 20 runs each;
# and the exact ascent for the small step size, where each update costs as many steps as the policy needs at that moment.
#
# **Predict.** Which of the four curves will lie together?

# %%
rates, baseline_rates = numbers(0.1, 0.1, 1.0, 1.0), numbers(0.0, 3.0, 0.0, 3.0)
config = policy_gradient.Config(
    steps=2500, discount=0.9, learning_rate=rates, baseline_learning_rate=baseline_rates, discounted_visits=False, snapshots=25
)
walking = policy_gradient.train([maze] * 4, config, seeds=range(20), progress=True)
needed = mdp.expected_steps(maze, walking.history.snapshots.exp())  # [R, K, snapshots], exact for each learned policy

preferences, used, ascent = torch.zeros_like(maze.reward), [0.0], []
while used[-1] < 2500:
    ascent.append(mdp.expected_steps(maze, preferences.softmax(-1)))
    used.append(used[-1] + ascent[-1])
    preferences = preferences + 0.1 * policy_gradient.exact_direction_as_printed(maze, preferences.log_softmax(-1), 0.9)

# %%
figure, axes = plotting.new_figure(size=(7.2, 3.9))
axes.set(yscale="log", ylim=(2, 1200), xlabel="steps of experience", ylabel="expected steps to the goal")
bands = [interquartile_band(needed[:, k]) for k in range(4)]
for k, name in enumerate(("rate 0.1, no baseline", "rate 0.1, baseline", "rate 1, no baseline", "rate 1, baseline")):
    plotting.draw_band(axes, walking.history.snapshot_steps, bands[k], name, style=k)
plotting.draw_exact(axes, ascent, "exact ascent, rate 0.1", x=used[:-1], style=6)
axes.set_yticks([5, 10, 100, 1000], labels=["5", "10", "100", "1000"])
plotting.label_lines(axes)
plotting.provenance(axes, loc="lower left")
plotting.show(
    figure,
    alt="In map 6 runs with rate 0.1 follow the exact ascent down to near the shortest path of 5 steps, with and without a baseline; with "
    "rate 1 several runs of both kinds end in policies that hardly ever arrive.",
)
stuck = (needed[:, :, -1] > 500).double().mean(0)  # share of the runs that hardly ever arrive
off = [abs(band.centre[-1] - ascent[-1]) for band in bands[:2]]
print(
    "rate 0.1: every run ends within 5 steps of the shortest path:       ",
    verdict(needed[:, :2, -1], "<", 10),
)
print(
    "rate 0.1: with and without, the middle ends at the exact ascent ± 1:",
    verdict(off, "<", 1),
)
print(
    "rate 1: at least three runs of 20 get stuck, without baseline:      ",
    verdict(stuck[2], ">=", 0.15),
)
print(
    "rate 1: at least three runs of 20 get stuck, with baseline:         ",
    verdict(stuck[3], ">=", 0.15),
)
assert (needed[:, :2, -1] < 10).all() and max(off) < 1 and (stuck[2:] >= 0.15).all()

# %% [markdown]
# **What it shows.** At the small rate both kinds of runs follow the exact ascent: there is no noise left that a baseline could take away.
# At the tenfold rate several runs of *both* kinds end in a policy that hardly ever arrives. They were better than that when they began.
#
# ### Exercise 4.5 · explain the figure  (●●○ · 5 min)
# Why do runs with rate 1 get stuck for good?
#
# - **A** Without a baseline the estimate has the wrong mean, and a large rate makes it worse.
# - **B** An early episode is long, its estimate is a sum over hundreds of steps, and one such step throws the preferences far out. Where
#   the softmax is then sure of an action that leads nowhere, its scores are nearly zero, and nothing pulls it back.
# - **C** γ = 0.9 makes it optimal never to arrive.
# - **D** Cut episodes leave out the reward behind the time limit, which is most of the return.
#
# <details><summary>Hint</summary>Two kinds of runs are stuck. What do they share? And what did section 4.2 say about actions that are
# hardly ever taken?</details>

# %% tags=["exercise"]
my_answer = ...  # "A", "B", "C" or "D"
_ = check("4.5", my_answer)

# %% [markdown]
# ## 4.10 A pole on a cart
#
# The same `train`, with networks in place of tables: CartPole-v1 from Gymnasium. A reward of 1 for each step that the pole stands, 500 at
# most. Three things change. The policy is a network with one hidden layer, and so is the baseline. Steps are Adam's (`adam=True`), because
# networks have parameters of very different scale. And four episodes make a batch.
#
# The budget here is a short one, and REINFORCE is slow: **do not expect the task solved**. The question is only whether it learns.

# %%
config = policy_gradient.Config(
    steps=5000, learning_rate=0.03, baseline_learning_rate=0.03, adam=True, episodes=4, hidden=(32,), max_episode_steps=500, snapshots=10
)
balancing = policy_gradient.train([GymTask("CartPole-v1")], config, seeds=range(20), progress=True)
played = balancing.history.returns[:, 0]  # [R, E], NaN where a run played fewer episodes
ended_at = played.nan_to_num().cumsum(-1)  # here a return is a number of steps
edges = range(0, 5001, 500)
curve = torch.stack(
    [
        torch.stack([run[(end > low) & (end <= high) & ~run.isnan()].mean() for run, end in zip(played, ended_at, strict=True)])
        for low, high in itertools.pairwise(edges)
    ],
    -1,
)

figure, axes = plotting.new_figure(size=(6.6, 3.4))
plotting.draw_band(axes, list(edges)[1:], interquartile_band(curve), "REINFORCE", style=1)
axes.axhline(475, color=plotting.GREY, linewidth=0.9)
axes.text(5000, 480, "solved: 475", color=plotting.GREY, ha="right", va="bottom")
axes.set(xlabel="steps of experience", ylabel="mean return of the episodes ended", ylim=(0, 510))
plotting.label_lines(axes)
plotting.provenance(axes, loc="center left")
plotting.show(figure, alt="On CartPole the return of REINFORCE rises over 5000 steps and stays far below the 475 that count as solved.")
print(
    "the last 500 steps beat the first 500 in at least 18 of 20 runs: ",
    verdict((curve[:, -1] > curve[:, 0]).sum(), ">=", 18),
)
print(
    "mean return of all runs at least twice that of the first episodes:",
    verdict(curve[:, -1].mean(), ">", 2 * curve[:, 0].mean()),
)
print(
    "solved (475) in any run:                                         ",
    verdict(curve[:, -1].max(), ">=", 475),
)
assert (curve[:, -1] > curve[:, 0]).sum() >= 18 and curve[:, -1].mean() > 2 * curve[:, 0].mean() and not (curve[:, -1] >= 475).any()

# %% [markdown]
# **What it shows.** It learns, slowly. It waits for the end of every episode before it changes anything, it throws each episode away after
# one step of the optimiser, and it blames each action for everything that came after. Each of the three can be mended, and that is the next
# chapter.
#
# ## What you learned
#
# - $\nabla\pi = \pi\,\nabla\log\pi$ turns the gradient of an average into an average of gradients. For a softmax the score is *what you did
#   minus what you usually do*.
# - In $\log P(\zeta)$ the world drops out; you need no model.
# - Reward-to-go and a baseline leave the mean as it is and take away variance. How much, depends on how large returns are beside their
#   spread.
# - $\gamma^t$ belongs to the gradient of the discounted objective. In tables, dropping it changes speeds. With shared parameters it can
#   change what is learned.
# - The policy gradient theorem needs no derivative of the visits and none of $Q$.
# - Where two places look alike the best policy may be a coin, and no deterministic one will do.
# - REINFORCE adds up over an episode: a long episode is a giant step.
#
# ## Self-quiz
#
# <details><summary>1. You add 100 to every reward. Does the exact gradient of the walk change? Does REINFORCE?</summary>The exact gradient
# does not: the walk has T steps whatever you do, so all returns shift alike. The estimates of REINFORCE get a huge variance, unless a
# baseline takes it away. (In a maze the gradient itself would change: longer episodes would collect more hundreds.)</details>
#
# <details><summary>2. May a baseline depend on the time t? On the action? On the next state?</summary>On t yes, because it is known before
# the action. On the action or on the next state no: then its product with the score is no longer zero on average.</details>
#
# <details><summary>3. Your program has γ = 0.99 and no γ^t. A colleague sets γ = 1 and γ^t is no longer needed. Is the colleague's gradient
# right?</summary>Yes, for another objective: the undiscounted return. Yours is the gradient of no objective, though it is often near
# one.</details>
#
# <details><summary>4. A policy takes an excellent action with probability 0.0001. How long until REINFORCE finds out?</summary>It must be
# sampled first, some ten thousand visits on average, and the expected gradient has that factor too: $\pi(b)(Q(b) - V)$.</details>
#
# <details><summary>5. In the corridor, would a memory help?</summary>Yes. An agent that knows that it just bumped into the left end knows
# which grey cell comes next; a deterministic policy with memory arrives from everywhere. The coin is the best that a policy *without*
# memory can do.</details>
#
# <details><summary>6. Why does the printed loss of a policy gradient program tell you nothing?</summary>It is built so that its gradient is
# right. Its value weights log-probabilities by returns that change with the policy; it may rise while the policy improves.</details>
#
# ## Errata met in this chapter
#
# - **Footnote 4**: a stationary distribution is a share of visits, not a number; for one-step episodes μ is the distribution of the first
#   state.
# - **(2.23)**: the factor $\gamma^t$ is missing for the discounted objective. The box has it.
# - **(2.24)**: $\pi(a\mid s)$, not $\pi(s\mid a)$; the expectation is over discounted visits.
# - **Below (2.25)**: $G_t$ is written without discount and refers to (2.22); in the box it is discounted.
# - **(2.18) to (2.22), (2.25)**: right as printed.
#
# ## Further reading
#
# - Sutton and Barto, *Reinforcement Learning: An Introduction*, 2nd edition: sections 13.1 to 13.4 (example 13.1 is another world where
#   places look alike), 13.7 for Gaussian policies.
# - Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", *Machine Learning* 8, 1992:
#   sections 4 and 5, where the name REINFORCE comes from.
# - Sutton, McAllester, Singh and Mansour, "Policy gradient methods for reinforcement learning with function approximation", NeurIPS 1999:
#   section 1 for the theorem.
# - Nota and Thomas, "Is the policy gradient a gradient?", AAMAS 2020: sections 3 to 5, on the missing $\gamma^t$.
# - Silver's lectures on reinforcement learning, 2015, lecture 7: the aliased grid world with skulls.
#
# **Next:** chapter 05 lets a critic say what is usual, and no longer waits for the end.
