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
# # 01 · MDPs and dynamic programming
#
# **You will be able to**
#
# - compute a discounted return, a state value and an action value by hand, and check each against an exact solve;
# - say what the Markov property demands, and show by numbers where a way of seeing the world breaks it;
# - write the Bellman backup of a policy, improve the policy, and stop for the right reason;
# - find the best policy of any small MDP in three ways that must agree;
# - explain why a time-out is not a goal, and what γ can and cannot change.
#
# **Before you start**
#
# - Chapter 00 ran on your machine, and you know how `check` talks.
# - You know what a conditional probability, an expectation and a system of linear equations are.
# - You can index a NumPy or PyTorch array. No reinforcement learning is assumed.
#
# **Time** 60 minutes to read and do, about 20 seconds to run. **Modules** `distral_lite.mdp`, `distral_lite.dynamic_programming`.
# **Equations** 2.1 to 2.16 of the thesis, with their errata.

# %%
from itertools import product

import numpy as np
import torch
from gymnasium.envs.toy_text.taxi import TaxiEnv

from distral_lite import plotting
from distral_lite.checks import check
from distral_lite.dynamic_programming import (
    evaluation_backup,
    improve,
    iterative_policy_evaluation,
    optimality_backup,
    policy_iteration,
    policy_iteration_by_sweeps,
    value_iteration,
)
from distral_lite.gridworld import ACTIONS, GridWorld, load_map
from distral_lite.mdp import (
    MDP,
    action_values,
    evaluate,
    expected_steps,
    greedy_policy,
    policy_reward,
    transition_matrix,
    uniform_policy,
    visits,
)
from distral_lite.statistics import inside, interquartile_band, verdict
from distral_lite.widgets import Scene, Slider, panel, player, show_source, still

torch.set_num_threads(1)  # the arrays are small: sharing them out among threads costs more than it saves

# %% [markdown]
# ## 1.1 An agent, a world, and what is to be made large
#
# An **agent** chooses actions. The **environment** is everything else: it answers each action with a **reward**, one number, and with what
# the agent sees next. One such exchange is a step. Steps follow each other until the episode ends:
#
# $$S_0, A_0, R_1, S_1, A_1, R_2, S_2, A_2, \dots \qquad\text{(thesis 2.2)}$$
#
# The reward for action $A_t$ is called $R_{t+1}$: it arrives one step later, together with $S_{t+1}$. Keep that index in mind. Two of the
# thesis's equations lose it.
#
# The agent wants a large **return**: all rewards from now on added up, where later ones may count less:
#
# $$G_t = R_{t+1} + R_{t+2} + R_{t+3} + \dots \quad\text{(2.1)} \qquad\qquad
# G_t = R_{t+1} + \gamma R_{t+2} + \gamma^2 R_{t+3} + \dots \quad\text{(2.4)}$$
#
# | symbol | in words | in code | shape | unit |
# |---|---|---|---|---|
# | $t$, $T$ | step, number of steps of an episode | `t`, `steps` | scalar | steps |
# | $s$, $S_t$ | state; the state at step $t$ | `state` | integer below S | – |
# | $a$, $A_t$ | action; the action at step $t$ | `action` | integer below A | – |
# | $R(s,a)$, $R_t$ | expected reward of a step; the reward that came at step $t$ | `mdp.reward` | `[S, A]` | reward |
# | $\gamma$ | discount, from 0 to 1 | `discount` | scalar | – |
# | $G_t$ | return | `returns[t]` | scalar | reward |
#
# Small letters are numbers, capital letters are random: that is the convention of the thesis (section 2.1.4), and ours.
#
# The world of this chapter is map 4 of the thesis. Two rooms, a corridor, five actions (*stay, up, down, left, right*). A step costs 0.1,
# bumping into a wall 0.5 more, and the step into the goal G earns 1 on top and ends the episode. (*Stay* is this course's choice: an agent
# that may stand still shows some things more plainly. The mazes of the thesis's author have the other four only.)
#
# **Predict.** The agent stands two cells above the goal. It walks *right* (into the wall), *down*, *down*. Which three rewards does it get?
# What are $G_2$, $G_1$, $G_0$ at γ = 0.9? Compute them backwards; it is less work.

# %%
maze = load_map(4)
mdp = maze.mdp()  # a state is a cell, numbered in reading order

state, path, rewards = maze.cells.index((5, 8)), [maze.cells.index((5, 8))], []
for name in ("right", "down", "down"):
    action = ACTIONS.index(name)
    rewards.append(float(mdp.reward[state, action]))
    state = int(mdp.successor[state, action, 0])
    path.append(state)

returns = [0.0]  # after the last step nothing comes
for reward in reversed(rewards):
    returns.insert(0, reward + 0.9 * returns[0])
print("rewards", [round(reward, 3) for reward in rewards], "  G_0, G_1, G_2 =", [round(g, 3) for g in returns[:3]])
print("without discount, G_0 =", round(sum(rewards), 3))
assert state == maze.goal
assert abs(returns[0] - sum(0.9**k * reward for k, reward in enumerate(rewards))) < 1e-12  # (2.4), term by term

figure, axes = plotting.new_figure(size=(3.6, 3.6))
plotting.draw_maze(axes, maze, path=path)
finding = "Map 4: two rooms joined by a corridor, the start S top left, the goal G bottom right; the walk goes two cells down to G."
plotting.show(figure, alt=finding)

# %% [markdown]
# The bump costs $-0.1 - 0.5 = -0.6$, the last step pays $-0.1 + 1 = 0.9$. Backwards: $G_2 = 0.9$, then $G_1 = -0.1 + 0.9 \cdot 0.9 = 0.71$,
# then $G_0 = -0.6 + 0.9 \cdot 0.71 = 0.039$. You used
#
# $$G_t = R_{t+1} + \gamma\, G_{t+1}.$$
#
# The rest of this chapter is the expectation of this line.

# %% [markdown]
# ## 1.2 What the agent must see
#
# A plan is only possible if what the agent sees is enough to say what comes next. That is the **Markov property**: given the present state
# and action, the past adds nothing.
#
# $$P(S_{t+1}, R_{t+1} \mid S_t, A_t, S_{t-1}, A_{t-1}, \dots, S_0) = P(S_{t+1}, R_{t+1} \mid S_t, A_t)
# \qquad\text{(thesis 2.3, corrected)}$$
#
# > **Erratum.** The thesis prints $P(A_t\mid S_0,\dots,S_t) = P(A_t\mid S_t)$. That is a property of a *policy*, one without memory. The
# > Markov property is about the *environment's* answer. And where the thesis says “the agent is a Markov Decision Process”, the environment
# > is one.
#
# Does it matter? Take two ways of seeing the same maze. One agent sees its **cell**. The other sees only which of the four **walls** around
# it are there. The cell next computes $P(O_2 \mid O_1, A_1)$, what is seen next, with and without knowledge of $O_0$, what was seen before.
# No simulation: the sum runs over all cells and all first moves, each equally likely.
#
# **Predict.** The wall-seer is in the corridor and walks right. Is it more likely to be in the corridor still if it was in the corridor one
# step earlier, or if it was not?

# %%
walls = [tuple(maze.move(cell, action)[1] for action in range(1, 5)) for cell in range(len(maze.cells))]  # wall up, down, left, right?
patterns = sorted(set(walls))
sees = {"cell": torch.arange(len(walls)), "walls": torch.tensor([patterns.index(pattern) for pattern in walls])}


def seen_together(seen, action):
    """P(O_0, O_1, O_2) when S_0 is any cell but the goal, A_0 any action, and A_1 = action: [O, O, O]."""
    sight, size = torch.nn.functional.one_hot(seen).double(), len(seen)
    first = transition_matrix(mdp, uniform_policy(mdp))
    second = torch.nn.functional.one_hot(mdp.successor[:, action, 0], size).double()
    start = torch.ones(size).double() * (torch.arange(size) != maze.goal) / (size - 1)
    return torch.einsum("s,su,uv,so,up,vq->opq", start, first, second, sight, sight, sight)


def past_matters(seen):
    """The largest |P(O_2 | O_0, O_1, A_1) - P(O_2 | O_1, A_1)| over everything that can happen."""
    gaps = []
    for action in range(len(ACTIONS)):
        joint = seen_together(seen, action)
        possible = joint.sum(-1) > 0
        with_past = joint / joint.sum(-1, keepdim=True).clamp_min(1e-300)
        without = joint.sum(0) / joint.sum((0, 2)).clamp_min(1e-300).unsqueeze(-1)
        gaps.append(float((with_past - without).abs().amax(-1)[possible].max()))
    return max(gaps)


corridor, room = (int(sees["walls"][maze.cells.index(cell)]) for cell in ((4, 4), (4, 2)))
joint = seen_together(sees["walls"], ACTIONS.index("right"))
still_there = joint[:, corridor, corridor] / joint[:, corridor].sum(-1)
unknown = float(joint[:, corridor, corridor].sum() / joint[:, corridor].sum())
print(f"corridor, step right: corridor again with probability {unknown:z.3f} if the past is unknown,")
print(f"  {float(still_there[corridor]):z.3f} if it was in the corridor before, {float(still_there[room]):z.3f} if it came from a room")
print(f"the past changes a prediction by up to: {past_matters(sees['walls']):z.3f} for walls, {past_matters(sees['cell']):z.3f} for cells")
assert past_matters(sees["walls"]) > 0.5 and past_matters(sees["cell"]) < 1e-12

figure, axes = plotting.new_figure(size=(3.6, 3.6))
plotting.draw_maze(axes, maze, values=sees["walls"].double(), numbers="{:z.0f}")
plotting.show(figure, alt="Map 4 seen by walls alone: its 32 cells look like only 8 different ones, shown as the numbers 0 to 7.")
assert (len(walls), len(patterns)) == (32, 8)

# %% [markdown]
# To the wall-seer, 32 cells look like 8. Its past tells it where in the corridor it is, so its past matters: what it sees is not a state.
# To the cell-seer the past adds exactly nothing. Note what the printed (2.3) would have said: an agent that acts at random satisfies it in
# *both* worlds.
#
# Chapter 04 returns to agents that see too little. Until then a state is a cell.

# %% [markdown]
# ## 1.3 A policy makes a chain
#
# A **policy** gives each action a probability in each state:
#
# $$\pi(a\mid s) = P(A_t = a \mid S_t = s) \qquad\text{(thesis 2.6)}$$
#
# Fix a policy, and nothing is left to decide. The states follow each other as a **Markov chain**, with rewards on the way:
#
# $$P_\pi(s'\mid s) = \sum_a \pi(a\mid s)\, P(s'\mid s,a), \qquad R_\pi(s) = \sum_a \pi(a\mid s)\, \mathbb E[R_{t+1}\mid s,a]
# \qquad\text{(thesis, above 2.7, corrected)}$$
#
# > **Erratum.** The thesis writes $P_\pi(S_{t+1}\mid S_t, A_t) = \mathbb E_\pi[S_{t+1}\mid S_t,A_t]$, and $R_\pi(S_t, A_t)$ likewise. Both
# > are averaged over the action, so neither can depend on it. And a state has no expectation: what would be the mean of two cells?
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $\pi$ | `policy` | `[S, A]`, rows sum to 1 | – |
# | $P(s'\mid s,a)$ | `mdp.successor`, `mdp.probability` | `[S, A, M]`: where each of M outcomes leads, and how likely it is | – |
# | does the outcome end the episode? | `mdp.terminal` | `[S, A, M]` | true or false |
# | $P_\pi$ | `transition_matrix(mdp, policy)` | `[S, S]` | – |
# | $R_\pi$ | `policy_reward(mdp, policy)` | `[S]` | reward |

# %%
show_source(transition_matrix, policy_reward)

# %% [markdown]
# One detail decides much: outcomes that end the episode are *left out*. A row of `transition_matrix` sums to the probability that the
# episode goes on. The powers of the matrix then say where an agent is after $t$ steps, and what is missing from 1 is the probability that
# it has arrived.
#
# **Predict.** An agent draws each action at random. The shortest way has 13 steps. With what probability has it arrived after 50? After
# 500?

# %%
random = uniform_policy(mdp)
chain = transition_matrix(mdp, random)
figure, axes = plotting.new_figure(1, 3, size=(8.4, 3.2))
arrived = []
for ax, t in zip(axes, (5, 50, 500), strict=True):
    place = mdp.start @ torch.linalg.matrix_power(chain, t)
    arrived.append(max(0.0, 1 - float(place.sum())))
    plotting.draw_maze(ax, maze, visits=place)
    ax.set_title(f"t = {t}: arrived {arrived[-1]:.3f}")
finding = "A random walker: after 50 steps it has hardly left the left room, after 500 it has arrived about every other time."
plotting.show(figure, alt=finding)
assert arrived[0] < 1e-12 and arrived[1] < 0.01 and 0.4 < arrived[2] < 0.6
above_goal = maze.cells.index((6, 8))
assert abs(float(chain[above_goal].sum()) - 0.8) < 1e-12  # one action of five steps into the goal: four times in five it goes on

# %% [markdown]
# After 50 steps the random walker has hardly left its room; after 500 it has arrived about every other time. (Circles compare cells within
# a picture, not across pictures.)

# %% [markdown]
# ## 1.4 What a state is worth
#
# The **value** of a state is the return you expect from it. The **action value** is the return you expect if the first action is given and
# the policy acts from then on:
#
# $$V_\pi(s) = \mathbb E_\pi[G_t \mid S_t = s] \quad\text{(2.5)} \qquad\qquad
# V_\pi(s) = \sum_a \pi(a\mid s)\, Q_\pi(s,a) \quad\text{(2.7)}$$
#
# $$Q_\pi(s,a) = \mathbb E[R_{t+1}\mid s,a] + \gamma \sum_{s'} P(s'\mid s,a)\, V_\pi(s') \qquad\text{(thesis 2.8, corrected)}$$
#
# > **Erratum.** (2.8) prints $R_t$ where $R_{t+1}$ is meant, and as a random variable where its expectation is meant; so do the first line
# > of (2.7) and the line above it. $R_t$ came *before* the action: no action can change it.
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $V_\pi$ | `values` | `[S]` | reward |
# | $Q_\pi$ | `q` | `[S, A]` | reward |
# | $V_*$, $Q_*$ (section 1.6) | `best.values`, `best.q` | `[S]`, `[S, A]` | reward |
#
# Put (2.8) into (2.7) and you have $V = R_\pi + \gamma P_\pi V$: one linear equation a state. Solve them all at once and the value is
# *exact*:
#
# $$V_\pi = (I - \gamma P_\pi)^{-1} R_\pi.$$

# %%
show_source(evaluate, action_values)

# %% [markdown]
# You need not believe a matrix. (2.5) says what a value *is*: the mean of many returns. So simulate. Twenty independent runs play 400
# episodes each from the start, with random actions, at γ = 0.9. (An episode is followed for 200 steps; what comes later counts less than
# $0.9^{200} < 10^{-9}$ of its amount.)
#
# **Predict.** You want half the error. How many times as many episodes do you need?

# %%
discount = 0.9


def simulate(episodes, first_action=None, runs=20, steps=200):
    """Discounted returns of simulated episodes from the start under random actions, one generator a run: [runs, episodes]."""
    generators = [np.random.default_rng(seed) for seed in range(runs)]
    state = torch.full((runs, episodes), maze.start)
    returns, alive = torch.zeros(runs, episodes, dtype=torch.float64), torch.ones(runs, episodes, dtype=torch.bool)
    for t in range(steps):
        uniform = torch.from_numpy(np.stack([generator.random(episodes) for generator in generators]))
        action = (len(ACTIONS) * uniform).long()  # each of the five actions with probability 1/5
        if t == 0 and first_action is not None:
            action = torch.full_like(state, first_action)
        returns += discount**t * (alive * mdp.reward[state, action])
        alive &= ~mdp.terminal[state, action, 0]
        state = mdp.successor[state, action, 0]
    return returns


values = evaluate(mdp, random, discount)
returns = simulate(400)
episodes = torch.arange(1, 401)
running = returns.cumsum(-1) / episodes
band = interquartile_band(running[:, 9:])
exact = float(values[maze.start])

figure, (left, right) = plotting.new_figure(1, 2, size=(9.2, 3.6), width_ratios=[1, 1.3])
plotting.draw_maze(left, maze, values=values)
left.set_title("V of random actions, exact (γ = 0.9)")
plotting.draw_band(right, episodes[9:], band, "mean of returns")
plotting.draw_exact(right, exact, "exact V(start)", style=1)
right.set(xscale="log", xlabel="episodes", ylabel="V(start), in reward", xlim=(10, 400), ylim=(exact - 0.3, exact + 0.3))
plotting.provenance(right, loc="upper right")
plotting.label_lines(right)
plotting.show(figure, alt="The mean of simulated returns closes in on the exact value of the start as episodes are added.")

spread = {n: float(running[:, n - 1].std()) for n in (100, 400)}
print(f"exact V(start) = {exact:.3f}")
middle, reach = (band.low[-1] + band.high[-1]) / 2, (band.high[-1] - band.low[-1]) / 2
print(
    "inside the 20-run band after 400 episodes:",
    verdict(abs(exact - middle), "<", reach),
)
print(
    "spread of the runs: 400 episodes give about half of what 100 give:",
    verdict(abs(spread[100] / spread[400] - 2), "<", 0.8),
)
assert inside(exact, band.low[-1], band.high[-1])

# %% [markdown]
# Four times as many: the error of a mean falls with $1/\sqrt n$. That is why this course solves exactly where it can, and why learned
# results come with twenty runs and a band. Look at the goal, too. It is worth 0, because nothing comes after it; its reward belongs to the
# step that enters it.
#
# Now action values. Here is the exact $Q_\pi$ at the start, against simulations whose first action is forced:

# %%
q = action_values(mdp, values, discount)
for action, name in enumerate(ACTIONS):
    means = simulate(200, first_action=action).mean(-1)
    error = abs(float(means.mean()) - float(q[maze.start, action]))
    bar = 4 * float(means.std()) / len(means) ** 0.5
    near = verdict(error, "<", bar)
    print(f"Q(start, {name:<5}) = {float(q[maze.start, action]):.3f}   mean of 20 runs within four standard errors: {near}")
    assert error < bar
assert float(((random * q).sum(-1) - values).abs().max()) < 1e-12  # (2.7): V is the policy's average of Q

# %% [markdown]
# *Stay* and *right* are worth the same: the two columns of the room are mirror images, so one step to the right changes nothing. *Up* and
# *left* bump, and that costs exactly 0.5 more than staying. *Down* is best, and not by much: one action of one's own changes little if
# chance acts ever after.

# %% [markdown]
# ## 1.5 Values from values: the Bellman equation of a policy
#
# Take the expectation of $G_t = R_{t+1} + \gamma G_{t+1}$ on both sides:
#
# $$V_\pi(s) = \mathbb E_\pi[R_{t+1} + \gamma V_\pi(S_{t+1}) \mid S_t = s] \quad\text{(2.9)} \qquad
# Q_\pi(s,a) = \mathbb E_\pi[R_{t+1} + \gamma Q_\pi(S_{t+1}, A_{t+1}) \mid S_t = s, A_t = a] \quad\text{(2.10)}$$
#
# As an equation it is a *test*: put a guess in, and what is left over (the residual) says whether it is the value. As an assignment it is a
# *method*. Start with any $V_0$, compute the right side, call it $V_1$, repeat:
#
# $$V_{k+1}(s) = \mathbb E_\pi[R_{t+1} + \gamma V_k(S_{t+1}) \mid S_t = s]
# = \sum_a \pi(a\mid s) \sum_{s',r} P(s',r\mid s,a)\,[r + \gamma V_k(s')]
# \qquad\text{(2.15, 2.16)}$$
#
# One pass over all states is a **sweep**. It shrinks the largest error by the factor γ at least, because a wrong $V_k(s')$ enters with
# weight γ.

# %%
residual_v = float((evaluation_backup(mdp, random, values, discount) - values).abs().max())
next_value = (random * q).sum(-1)  # E[Q(S', A')] when the policy acts in S'
residual_q = float((action_values(mdp, next_value, discount) - q).abs().max())
print(
    "residuals of (2.9) and (2.10) below 1e-12:",
    verdict([residual_v, residual_q], "<", 1e-12),
)

show_source(evaluation_backup, iterative_policy_evaluation)

# %% [markdown]
# The second function is the thesis's box *Iterative policy evaluation*, with the lines of the box as comments. It differs from (2.16) in
# one thing: it works **in place**, so that a state already profits from neighbours updated in the same sweep. `evaluation_backup` is (2.16)
# to the letter.
#
# By hand, for the policy that walks the shortest way, from $V_0 = 0$, at γ = 0.9. Above the goal: $V_1 = 0.9$, and that is final. One
# further up: $V_1 = -0.1$, then $V_2 = -0.1 + 0.9\cdot 0.9 = 0.71$: final. The next: $V_3 = -0.1 + 0.9 \cdot 0.71 = 0.539$. You have met
# 0.71 before, as $G_1$.
#
# **Predict.** After how many sweeps is the value of the start, 13 steps away, exactly right? And for the random policy?

# %%
best = policy_iteration(mdp, discount)  # section 1.7 explains it; here it only supplies the shortest way
sweeps = {"shortest way": [torch.zeros(32, dtype=torch.float64)], "random actions": [torch.zeros(32, dtype=torch.float64)]}
for name, policy in (("shortest way", best.policy), ("random actions", random)):
    for _ in range(40):
        sweeps[name].append(evaluation_backup(mdp, policy, sweeps[name][-1], discount))
final = {"shortest way": best.values, "random actions": values}
errors = {name: torch.stack([(step - final[name]).abs().max() for step in steps]) for name, steps in sweeps.items()}

distance = []  # steps to the goal from every cell, counted on the map
for cell in range(32):
    rows = [list(row.replace("S", ".")) for row in maze.rows]
    if cell != maze.goal:
        rows[maze.cells[cell][0]][maze.cells[cell][1]] = "S"
        distance.append(len(GridWorld(tuple(map("".join, rows))).shortest_path()) - 1)
    else:
        distance.append(0)
distance = torch.tensor(distance)

for k, step in enumerate(sweeps["shortest way"]):  # after k sweeps exactly the cells within k steps of the goal are right
    right = (step - best.values).abs() < 1e-12
    assert torch.equal(right, distance <= k)
assert bool((errors["random actions"][1:] <= 0.9 * errors["random actions"][:-1]).all())  # a sweep shrinks the error by γ at least
assert bool((errors["random actions"] > 0).all())


def sweep_scene():
    """The values of the shortest way after each sweep, beside the error of both policies."""
    figure, (left, right) = plotting.new_figure(1, 2, size=(8.4, 3.8), width_ratios=[1.15, 1])
    drawn = plotting.draw_maze(left, maze, values=sweeps["shortest way"][0], limits=(-0.8, 0.9))
    title = left.set_title("shortest way")
    dots = []
    for style, (name, error) in enumerate(errors.items()):
        shown = error[error > 1e-12]
        plotting.draw_exact(right, shown, name, x=torch.arange(len(shown)), style=style)
        place = {"shortest way": (4, 0.2), "random actions": (23, 0.6)}[name]
        text = name + ("\n(0 from sweep 13 on)" if name == "shortest way" else "")
        right.text(*place, text, color=plotting.COLOURS[style], va="top")
        dots += right.plot([0], [error[0]], color=plotting.COLOURS[style], marker="o", markersize=11, alpha=0.45)
    right.set(yscale="log", xlabel="sweeps", ylabel="largest error of V, in reward", xlim=(-1, 41), ylim=(1e-2, 10))

    def update(frame):
        drawn.update(values=sweeps["shortest way"][frame])
        title.set_text(f"shortest way, after {frame} sweeps")
        for dot, error in zip(dots, errors.values(), strict=True):
            dot.set_data([frame], [max(float(error[frame]), 1.0e-2)])
        done = int((distance <= frame).sum())
        others = ", the others do not" if done < 32 else ""
        return f"After {frame} sweeps the {done} cells within {frame} steps of the goal have their final value{others}."

    return Scene(figure, update)


player(sweep_scene, frames=21, label="sweep")

# %%
still(sweep_scene, frame=8)

# %% [markdown]
# Play it. A wave runs from the goal, one cell a sweep. Ahead of it values only sink: those cells know the cost of a step and have not yet
# heard of the goal. When the wave reaches the start after 13 sweeps, everything is exact. Under random actions the error shrinks by a
# factor near γ, sweep after sweep, and is never quite 0. The cell above asserts all of this.

# %% [markdown]
# ### Exercise 1.1 · the Bellman backup of a policy  (●○○ · 5 min)
#
# Write (2.16) for all states at once, from old values only (not in place). Here `transition[s, a, s']` is the probability that the episode
# goes on, and goes on in $s'$, so that rows may sum to less than 1. Try it by hand first: one state pays 1 and keeps you, or pays 3 and
# moves you on, with even chances; $V = (4, 2)$, γ = 0.5. Then $\tfrac12(1 + 0.5\cdot4) + \tfrac12(3 + 0.5\cdot 2) = 3.5$.
#
# <details><summary>Hint 1</summary>Compute Q first, an array [S, A]. <code>transition @ values</code> sums over the last axis.</details>
# <details><summary>Hint 2</summary>Then V is the average of Q over the policy, (2.7): multiply by <code>policy</code> and sum over
# actions.</details>


# %% tags=["exercise"]
def my_backup(reward, transition, policy, values, discount):
    """V_{k+1}(s) = Σ_a π(a|s) [R(s,a) + γ Σ_s' P(s'|s,a) V_k(s')], of shape [S]."""
    ...


_ = check("1.1", my_backup)

# %% [markdown]
# ## 1.6 The best that can be done
#
# Some policy is best in each state. What it earns is the **optimal value**:
#
# $$V_*(s) = \max_\pi V_\pi(s) \quad\text{(2.13)} \qquad Q_*(s,a) = \max_\pi Q_\pi(s,a) \quad\text{(2.14)}$$
#
# These are definitions, and hopeless as a method: with A actions in S states there are $A^S$ deterministic policies. Bellman's equations
# get there without trying them all:
#
# $$V_*(s) = \max_a \mathbb E[R_{t+1} + \gamma V_*(S_{t+1}) \mid S_t = s, A_t = a] \qquad\text{(thesis 2.11, corrected)}$$
#
# $$Q_*(s,a) = \mathbb E[R_{t+1} + \gamma \max_{a'} Q_*(S_{t+1}, a') \mid S_t = s, A_t = a] \qquad\text{(2.12)}$$
#
# > **Erratum.** (2.11) prints $\arg\max_a$. That is an action, the *place* of the maximum; the value is the maximum itself.
#
# Repeated from $V_0 = 0$, (2.11) is **value iteration**. To see that it keeps its promise, take a world small enough to try every policy.
# *Home*, *road* and *town* are three states. In each you may **take** what is there, which ends the episode: 1 at home, 1 on the road, 4 in
# town. Or you **go**: from home to the road, from the road to town, and from town back home. Going pays nothing, and on the first two legs
# it fails one time in five (you stay where you are).
#
# **Predict.** γ = 0.9. What is best at home: 1 now, or the way to 4? By hand: from the road, $V = 0.9\,(0.8\cdot 4 + 0.2\, V)$.

# %%
trip = MDP(
    successor=torch.tensor([[[0, 0], [1, 0]], [[1, 1], [2, 1]], [[2, 2], [0, 0]]]),
    probability=torch.tensor([[[1, 0], [0.8, 0.2]], [[1, 0], [0.8, 0.2]], [[1, 0], [1, 0]]], dtype=torch.float64),
    reward=torch.tensor([[1, 0], [1, 0], [4, 0]], dtype=torch.float64),
    terminal=torch.tensor([[[True, True], [False, False]]] * 3),
    start=torch.tensor([1, 0, 0], dtype=torch.float64),
    features=torch.eye(3),
)
every_policy = [torch.nn.functional.one_hot(torch.tensor(choice), 2).double() for choice in product((0, 1), repeat=3)]
every_value = torch.stack([evaluate(trip, policy, 0.9) for policy in every_policy])
print("home  road  town     V(home)  V(road)  V(town)")
for choice, row in zip(product(("take", "go  "), repeat=3), every_value, strict=True):
    print("  ".join(choice), "  ", "  ".join(f"{float(value):z7.4f}" for value in row))

exhaustive = every_value.max(0).values  # (2.13)
exhaustive_q = torch.stack([action_values(trip, value, 0.9) for value in every_value]).max(0).values  # (2.14)
print("max  ", " " * 15, "  ".join(f"{float(value):z7.4f}" for value in exhaustive))
assert int((every_value >= exhaustive - 1e-12).all(-1).sum()) == 1  # one policy attains all three maxima at once

# %% [markdown]
# By hand: $V(\text{road}) = 0.72\cdot4 / 0.82 = 3.5122$, and home is the same factor further, $3.5122 \cdot 0.72/0.82 = 3.0839$. *Go, go,
# take* it is. Look at the columns: each has its maximum in the *same* row. That is no accident of this world, and (2.13) would make little
# sense without it.

# %%
show_source(optimality_backup, value_iteration)

# %%
swept, iterated = value_iteration(trip, 0.9), policy_iteration(trip, 0.9)
for name, answer in (("value iteration", swept), ("policy iteration", iterated)):
    off = max((answer.values - exhaustive).abs().max(), (answer.q - exhaustive_q).abs().max())
    print(f"{name} finds what trying all 8 policies finds: {verdict(off, '<', 1e-7)}")
    assert off < 1e-7
home = iterated.q[0]
print(f"(2.11) at home: max_a = {float(home.max()):.4f} is the value, arg max_a = {int(home.argmax())} is the number of an action")
backed_up = (trip.probability * ~trip.terminal * iterated.q.max(-1).values[trip.successor]).sum(-1)
assert float((trip.reward + 0.9 * backed_up - iterated.q).abs().max()) < 1e-12  # (2.12)

# %% [markdown]
# ## 1.7 From a policy to a better one
#
# How did policy iteration find it? It rests on one theorem. Take any policy π and its value. In each state switch to an action that looks
# best *if π acts from then on*: $\pi'(s) = \arg\max_a Q_\pi(s,a)$. Then $V_{\pi'} \ge V_\pi$ in every state.
#
# Why? To act once by π′ and then by π is at least as good as π, by choice of the action: $V_\pi(s) \le Q_\pi(s,\pi'(s))$. But after that
# step you stand in another state, where the same argument holds. Apply it again, and again: each time one more step is made by π′, and the
# value only grows. In the end all steps are.
#
# **Policy iteration** repeats two moves until nothing changes: evaluate, improve. There are finitely many deterministic policies and no
# value ever falls, so it ends (ties need a rule, see below); and where no action is better than the policy's own, (2.11) holds.

# %%
show_source(policy_iteration, improve)

# %%
generator = np.random.default_rng(1)
policies = torch.from_numpy(generator.dirichlet(np.ones(5), size=(200, 32)))  # 200 random policies of map 4
before = evaluate(mdp, policies, discount)
better = greedy_policy(action_values(mdp, before, discount))
gain = evaluate(mdp, better, discount) - before
print(
    "200 random policies, each improved once. Some state lost:",
    verdict(gain.min(), "<", -1e-12),
)
print(
    "every state but the goal gained:",
    verdict(gain[:, torch.arange(32) != maze.goal], ">", 1e-12),
)
assert bool((gain >= -1e-12).all())

hasty = greedy_policy(action_values(trip, torch.zeros(3, dtype=torch.float64), 0.9))  # "improves" the best policy of the trip by V_0 = 0
print(f"greedy for V_0 = 0, home is worth {float(evaluate(trip, hasty, 0.9)[0]):.4f}; the best policy had {float(exhaustive[0]):.4f}")
assert float(evaluate(trip, hasty, 0.9)[0]) < float(exhaustive[0])

# %% [markdown]
# > **Erratum.** The thesis improves on the iterate $V_{k+1}$ and calls the result $V'_{k+1} \ge V_{k+1}$. The theorem is about the value of
# > a *policy*. Greedy with respect to an unfinished $V_k$ may be worse than the policy you had: the last line takes the best policy of the
# > trip, evaluates it by no sweep at all, and "improves" 3.08 to 1.

# %% [markdown]
# ### A trap in the box
#
# The box *Policy iteration* ends when no action changes: "if old-action ≠ π(s), then policy-stable ← false". Now let two actions be
# *equally* good. Here is the smallest case. One state: *stay* pays 1, and you are asked again; *leave* pays 2 and ends. At γ = ½ staying
# for ever is worth $1 + \tfrac12 + \tfrac14 + \dots = 2$, too.
#
# **Predict.** Evaluate by the box of section 1.5, from $V = 0$. Then take the arg max, the first action if several tie. What is the
# sequence of policies?

# %%
tie = MDP(
    successor=torch.zeros(1, 2, 1, dtype=torch.int64),
    probability=torch.ones(1, 2, 1, dtype=torch.float64),
    reward=torch.tensor([[1.0, 2.0]], dtype=torch.float64),
    terminal=torch.tensor([[[False], [True]]]),
    start=torch.ones(1, dtype=torch.float64),
    features=torch.eye(1),
)


def rounds(choose, limit=9):
    """Policies of the box when `choose(q, policy)` does the improvement; stops when stable, or gives up after `limit` rounds."""
    policy, names = torch.tensor([[1.0, 0.0]], dtype=torch.float64), ["stay"]
    while len(names) < limit:
        values, _ = iterative_policy_evaluation(tie, policy, 0.5)
        new = choose(action_values(tie, values, 0.5), policy)
        if torch.equal(new, policy):
            return [*names, "stable"]
        policy = new
        names.append(("stay", "leave")[int(policy.argmax())])
    return [*names, "..."]


printed, kept = rounds(lambda q, policy: greedy_policy(q)), rounds(improve)
print("arg max:", ", ".join(printed))
print("improve:", ", ".join(kept))
assert printed[-1] == "..." and kept == ["stay", "leave", "stable"]

close = best.q[:-1] > best.q[:-1].max(-1, keepdim=True).values - 1e-9  # on map 4; the goal, the last of the cells, left out
print("cells of map 4 with more than one best action:", int((close.sum(-1) > 1).sum()), "of", len(close))

# %% [markdown]
# It never ends. Under *stay* the sweeps stop just short of 2, so *leave* looks better by a hair. Under *leave* the value is 2 on the dot,
# the two tie, and arg max takes the first. Both policies are optimal; only the stopping rule fails. (The printed box keeps V from round to
# round, and that saves this example; a program that starts each evaluation at 0 is caught. And a program that picks at random among ties is
# caught on map 4 either way: all its tied cells would have to come out the same twice running.) Ties are no rarity: on map 4, 12 of 31
# cells have two best actions. `improve` keeps the old action wherever it is still among the best, up to rounding.
#
# ### Exercise 1.2 · improve, and know when to stop  (●●○ · 7 min)
#
# Write the improvement step. `policy` is deterministic: each row has a single 1.
#
# <details><summary>Hint 1</summary>The old action's value is <code>(policy * q).sum(-1)</code>. How far is it behind the best?</details>
# <details><summary>Hint 2</summary><code>torch.where(condition, a, b)</code> picks row by row if <code>condition</code> has shape [S, 1].
# <code>greedy_policy(q)</code> is at hand.</details>


# %% tags=["exercise"]
def my_improve(q, policy):
    """The old action where its value is within 1e-9 of the best, else the first best action: [S, A] of zeros and ones."""
    ...


_ = check("1.2", my_improve)

# %% [markdown]
# ### Two bad beginnings
#
# Watch policy iteration on map 4, from two policies that a newcomer might write down: *stay everywhere*, and *act at random*.
#
# **Predict.** By value, staying is the better policy: it never bumps, $V = -1$, against −2.52 at the start for random actions. From which
# of the two does policy iteration need fewer rounds?

# %%
stay = torch.zeros_like(random)
stay[:, ACTIONS.index("stay")] = 1
go_right = torch.zeros_like(random)
go_right[:, ACTIONS.index("right")] = 1
for name, policy in (("stay everywhere", stay), ("always right", go_right), ("act at random", random)):
    counts = [len(policy_iteration(mdp, gamma, policy).steps) - 1 for gamma in (0.9, 0.99)]
    print(f"from '{name}': {counts[0]} rounds at γ = 0.9, {counts[1]} at γ = 0.99")

trails = {name: policy_iteration(mdp, discount, policy).steps for name, policy in (("stay everywhere", stay), ("act at random", random))}
trail_values = {name: [evaluate(mdp, policy, discount) for policy in trail] for name, trail in trails.items()}
for k, value in enumerate(trail_values["stay everywhere"]):  # round k settles exactly the cells within k steps of the goal
    assert torch.equal((value - best.values).abs() < 1e-9, distance <= k)
assert float((trail_values["act at random"][-1] - best.values).abs().max()) < 1e-12
away_from_goal = (torch.arange(32) != maze.goal).unsqueeze(-1)  # at the goal nobody acts: no arrow there


def iteration_scene():
    """Policies and values of two policy iterations, round by round."""
    figure, axes = plotting.new_figure(1, 2, size=(8.8, 4.6))
    drawn = [
        plotting.draw_maze(ax, maze, values[0], trails[name][0] * away_from_goal, limits=(-1, 0.9))
        for ax, (name, values) in zip(axes, trail_values.items(), strict=True)
    ]

    def update(frame):
        settled = []
        for ax, picture, (name, steps) in zip(axes, drawn, trail_values.items(), strict=True):
            k = min(frame, len(steps) - 1)
            picture.update(values=steps[k], policy=trails[name][k] * away_from_goal)
            ax.set_title(f"from '{name}', round {k}" + (" (stable)" if k == len(steps) - 1 else ""))
            settled.append(int(((steps[k] - best.values).abs() < 1e-9).sum()))
        count = f"{settled[0]} of 32 from 'stay everywhere', {settled[1]} from 'act at random'"
        return f"Cells that have their optimal value after {frame} rounds: {count}."

    return Scene(figure, update)


player(iteration_scene, frames=len(trails["stay everywhere"]), label="round")

# %%
still(iteration_scene, frame=3)

# %% [markdown]
# The random policy, though worth less, is done after 4 rounds; *stay* needs 13, one for each step of the way. The values of *stay* are
# flat: they tell a cell nothing unless it touches the goal. A policy that arrives by accident, however late, has values that differ from
# cell to cell, and improvement needs a slope. At γ = 0.99 the slope leads to the goal from everywhere, and one round does it. At γ = 0.9 it
# misleads at first: in the left room the values of section 1.4 are highest at the mouth of the corridor, where there are few walls to bump
# into, and in round 3 the left room still gathers there. Remember this when agents explore: they pay for a slope.

# %% [markdown]
# ## 1.8 A time-out is not a goal
#
# Real episodes are cut: after so many steps the clock stops the agent wherever it is. Two things can end an episode, then, and they mean
# different things. A **terminal** step is the world's doing: nothing comes after it, its successor is worth 0. A **truncation** is the
# clock's: the state where the agent stood is worth what it was always worth; you merely stopped watching. Count it as an end, and you
# evaluate a different world, in which after H steps all costs vanish.
#
# How different? Exactly this much. Let $V^{(H)}$ be the value of episodes cut at H steps and counted as ended there. Then $V^{(H)}$ is what
# H sweeps from $V_0 = 0$ give, and
#
# $$V_\pi = V^{(H)} + \gamma^H P_\pi^H V_\pi.$$
#
# The last term is the value of where the cut finds you. Drop it, and it is your bias. Keep it, and there is none, at any H: that is
# **bootstrapping**.
#
# **Predict.** Three policies: the shortest way; the same with a random action one time in five ("stumbling"); and staying put. Rank them by
# their value at the start. Then rank them as seen by someone who cuts after 10 steps and counts that as an end.

# %%
contenders = {"shortest way": best.policy, "stumbling": 0.8 * best.policy + 0.2 * random, "stay": stay}
longest, long_sight = 100, 0.99
cut_values = {}
for name, policy in contenders.items():
    value, cut_values[name] = torch.zeros(32, dtype=torch.float64), [0.0]
    for _ in range(longest):
        value = evaluation_backup(mdp, policy, value, long_sight)
        cut_values[name].append(float(value[maze.start]))

print("V(start), γ = 0.99      true   cut at 10, 'ended'   cut at 10, bootstrapped")
for name, policy in contenders.items():
    true = evaluate(mdp, policy, long_sight)
    tail = long_sight**10 * torch.linalg.matrix_power(transition_matrix(mdp, policy), 10) @ true
    print(f"{name:<20} {float(true[0]):>7.3f} {cut_values[name][10]:>20.3f} {cut_values[name][10] + float(tail[0]):>25.3f}")
    assert abs(cut_values[name][10] + float(tail[0]) - float(true[0])) < 1e-12
assert cut_values["stay"][10] > cut_values["stumbling"][10] + 0.2  # the ranking is upside down
assert abs(cut_values["stay"][10] - cut_values["shortest way"][10]) < 1e-12  # and the best policy looks no better than staying

figure, axes = plotting.new_figure(size=(6.8, 3.4))
for style, name in enumerate(contenders):
    plotting.draw_exact(axes, cut_values[name], name, x=range(longest + 1), style=style)
axes.axvline(10, color=plotting.GREY, linewidth=1)
axes.text(10.6, -6.1, "cut at 10", color=plotting.GREY)
axes.set(xlabel="episodes cut after H steps, counted as ended", ylabel="apparent V(start), in reward", xlim=(0, longest))
plotting.label_lines(axes)
finding = "Cut after 10 steps and counted as ended, staying put looks as good as the shortest way and better than stumbling to the goal."
plotting.show(figure, alt=finding)

# %% [markdown]
# Stumbling is worth −1.022 and staying −10, ten times worse. Cut at 10 and counted as ended, staying looks *better*, and it ties with the
# best policy there is: no shortest way arrives within 10 steps, and all that counts is to avoid bumps until the whistle. With a cost for
# every step, ending looks like rescue. An agent that learns from such data learns to wait for the clock. Longer episodes shrink the bias,
# like γ^H; bootstrapping removes it.
#
# That is why the course's environments report two flags, `terminal` and `truncated`, and why Gymnasium has replaced its old `done` by the
# same two.
#
# ### Exercise 1.3 · why a time-out is not a goal  (●●○ · 5 min)
#
# One observed step is a sample of the right side of (2.9). Write the target it gives for $V(S_t)$, given the reward, the value of the state
# it led to, and both flags. Beware of one case: the goal is reached in the very step in which the clock runs out. Gymnasium then reports
# both flags.
#
# <details><summary>Hint 1</summary>Ask of each of the four combinations of flags: will there be rewards after this step, in the world
# itself?</details>
# <details><summary>Hint 2</summary><code>~terminal * next_value</code> is the value where the world goes on, and 0 elsewhere.</details>


# %% tags=["exercise"]
def my_target(reward, next_value, terminal, truncated, discount):
    """R_{t+1} + γ V(S_{t+1}) where the world goes on, R_{t+1} where the step ended it; all of shape [T]."""
    ...


_ = check("1.3", my_target)

# %% [markdown]
# ## 1.9 The same code, any table
#
# Nothing so far knows about mazes. A table of your own, `P[s][a] = [(probability, next state, reward, terminal), ...]`, becomes an `MDP` by
# `MDP.from_table(P)`, and so does any environment that publishes its table. Gymnasium's *FrozenLake* is a 4 × 4
# lake of ice with holes, where a step goes where you wanted only one time in three, and reaching the goal pays 1:

# %%
lake = MDP.from_gymnasium("FrozenLake-v1")
solved, swept = policy_iteration(lake, 0.99), value_iteration(lake, 0.99)
print(f"FrozenLake, γ = 0.99: V*(start) = {float(solved.values[0]):.3f}, by value iteration {float(swept.values[0]):.3f}")
print(f"best policy, undiscounted: the goal is reached with probability {float(evaluate(lake, solved.policy, 1.0)[0]):.3f}")
assert abs(float(solved.values[0]) - 0.542) < 5e-4

# %% [markdown]
# The value 0.542 is not a probability of success: it also weighs how late the goal comes. (Take away the discount, and you have the
# probability.)
#
# Now a colleague wrote value iteration too. It agrees with ours on map 4 and on FrozenLake. Then it meets *Taxi*: pick up a passenger,
# deliver (+20, end), each other step −1, so that no episode can ever pay more than 20.


# %%
def colleague_value_iteration(mdp, discount, sweeps):
    """The optimality backup (2.11), `sweeps` times from V = 0: [S]."""
    values = torch.zeros(mdp.reward.shape[0], dtype=torch.float64)
    for _ in range(sweeps):
        next_values = values[mdp.successor]  # [S, A, M]
        q = mdp.reward + discount * (mdp.probability * next_values).sum(-1)
        values = q.max(-1).values
    return values


taxi = MDP.from_gymnasium(TaxiEnv())
for name, world in (("map 4", mdp), ("FrozenLake", lake), ("Taxi", taxi)):
    theirs, ours = colleague_value_iteration(world, 0.99, 1000), policy_iteration(world, 0.99).values
    print(f"{name:<10} largest value: theirs {float(theirs.max()):8.3f}, ours {float(ours.max()):7.3f}")
    assert (float((theirs - ours).abs().max()) < 1e-6) == (name != "Taxi")

# %% [markdown]
# A value of 955, where no episode pays more than 20. **A bound you can derive on paper is the cheapest test there is.** And why did two
# worlds not notice? Look at where their terminal steps lead.
#
# ### Exercise 1.4 · find the bug  (●●○ · 8 min)
#
# Repair the colleague's function. (Copy it, or write your own; `mdp` has the fields of section 1.3.)
#
# <details><summary>Hint 1</summary>In Taxi the step that delivers leads to an ordinary state, from which one could deliver again. In the
# mazes it leads to the goal, which is worth 0 anyway. What should the value of a terminal step's successor count for?</details>
# <details><summary>Hint 2</summary><code>mdp.terminal</code> has the same shape [S, A, M] as <code>mdp.probability</code>: an action may
# have outcomes that end the episode and outcomes that do not.</details>


# %% tags=["exercise"]
def repaired_value_iteration(mdp, discount, sweeps):
    """(2.11), corrected, `sweeps` times from V = 0, where outcomes that end the episode have no future: [S]."""
    ...


_ = check("1.4", repaired_value_iteration)

# %% [markdown]
# ## 1.10 What γ does, and what it cannot do
#
# γ says how far the agent looks. A reward $k$ steps later weighs $\gamma^k$, and all weights together are
#
# $$1 + \gamma + \gamma^2 + \dots = \frac{1}{1-\gamma},$$
#
# the **effective horizon**: the agent behaves as if about that many steps were all there is.

# %%
print("   γ   horizon   weight within the horizon   weight of the goal, 13 steps away   V*(start)")
for gamma in (0.5, 0.9, 0.99, 0.999):
    horizon = 1 / (1 - gamma)
    within = 1 - gamma ** round(horizon)  # (1 + γ + ... up to the horizon) divided by all weights together
    answer = policy_iteration(mdp, gamma).values[maze.start]
    print(f"{gamma:5g} {horizon:9.0f} {within:27.3f} {gamma**12:35.4f} {float(answer):11.3f}")
    assert abs(float(visits(mdp, stay, gamma).sum()) - horizon) < 1e-6 * horizon  # discounted visits of a policy that never ends

# %% [markdown]
# For γ near 1, 63 % of the weight (that is $1 - 1/e$) lies within the horizon. At γ = 0.5 the goal of map 4, 13 steps away, weighs 0.0002:
# its +1 has all but vanished.
#
# **Predict.** Does the agent at γ = 0.5 take another way than at γ = 0.999, then? Where do the arrows change? Below, each cell shows
# *every* action that is optimal. The second slider changes what a step pays. Leave it at −0.1 first; then set it to 0.05, so that living
# pays, and move γ from 0.95 to 0.97.

# %%
gammas = (0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.999)
step_rewards = (-0.1, -0.01, 0, 0.01, 0.05)


def all_best(q):
    """1 for every action within 1e-9 of the best, 0 for the others: [S, A]."""
    return (q > q.max(-1, keepdim=True).values - 1e-9).double()


def arrows_of(q):
    """What to draw for `all_best`: full arrows, and for staying a dot small enough to leave them visible."""
    return all_best(q) * away_from_goal * torch.tensor([0.45, 1, 1, 1, 1])


def paying(step_reward):
    """Map 4 with another reward for a step."""
    return GridWorld(maze.rows, "map 4", step_reward=step_reward)


paid = {step_reward: paying(step_reward).mdp() for step_reward in step_rewards}


def discount_scene():
    """V* and all best actions of map 4, beside the weight of a reward k steps ahead."""
    figure, (left, right) = plotting.new_figure(1, 2, size=(8.6, 4.4), width_ratios=[1.3, 1])
    picture = plotting.draw_maze(left, maze, values=best.values, policy=arrows_of(best.q))
    k = np.arange(0, 41)
    (weights,) = right.plot(k, 0.9**k, color=plotting.BLUE)
    right.axvline(12, color=plotting.DARK_GREEN, linewidth=1.2)
    right.text(12.5, 1.0, "the goal's reward,\nseen from the start", color=plotting.DARK_GREEN, va="top")
    right.set(xlabel="k, steps ahead", ylabel="weight γ^k", xlim=(0, 40), ylim=(0, 1.05))

    def update(gamma, step_reward):
        answer = policy_iteration(paid[step_reward], gamma)
        picture.update(values=answer.values, policy=arrows_of(answer.q))
        weights.set_ydata(np.where(k == 0, 1.0, float(gamma) ** k))
        left.set_title(f"V* and every best action: γ = {gamma:g}, a step pays {step_reward:g}")
        steps = expected_steps(mdp, answer.policy)
        way = f"the best policy reaches the goal in {steps:.0f} steps" if steps < 1000 else "the best policy found never reaches the goal"
        setting = f"γ = {gamma:g} (horizon {1 / (1 - gamma):.0f}), a step pays {step_reward:g}"
        return f"{setting}: V*(start) = {float(answer.values[0]):z.3f}, {way}."

    return Scene(figure, update)


panel(discount_scene, {"gamma": Slider(gammas, 0.9, "γ"), "step_reward": Slider(step_rewards, -0.1, "a step pays")})

# %%
still(discount_scene, gamma=0.97, step_reward=0.05)

# %%
answers = {gamma: policy_iteration(mdp, gamma) for gamma in gammas}
choices = {gamma: all_best(answer.q)[:-1] > 0 for gamma, answer in answers.items()}  # the goal, last of the cells, left out
same = all(torch.equal(choices[gamma], choices[0.999]) for gamma in gammas if gamma > 0)
print("a step costs 0.1: the best actions are the same for every γ above 0 on the slider:", verdict(same))
tied = {gamma: int((choice.sum(-1) > 1).sum()) for gamma, choice in choices.items()}
print(f"cells (of 31) with more than one best action: {tied[0.999]} at γ = 0.999, {tied[0]} at γ = 0")
for gamma in (0.95, 0.97):
    answer = policy_iteration(paid[0.05], gamma)
    enters = float(answer.q[above_goal, ACTIONS.index("down")] - answer.q[above_goal].max()) > -1e-9
    print(f"a step pays 0.05, γ = {gamma}: next to the goal, entering it is among the best actions: {verdict(enters)}")
    assert enters == (gamma == 0.95)
lead = float((answers[0.3].q.max(-1).values - answers[0.3].q[:, ACTIONS.index("stay")])[maze.start])
at_home = {gamma: ("take", "go")[int(policy_iteration(trip, gamma).policy[0].argmax())] for gamma in (5 / 9 - 0.001, 5 / 9 + 0.001)}
print(f"at the start, γ = 0.3: the best actions are ahead of staying by {lead:.1e}")
print("the trip, at home: {} just below γ = 5/9, {} just above it".format(*at_home.values()))
assert same and 0 < lead < 1e-6 and list(at_home.values()) == ["take", "go"]

# %% [markdown]
# With a cost for every step, γ changes the value of every cell that is more than a step away, and **not one arrow**, as long as γ > 0. The
# reason is short. From distance $d$ the shortest way is worth $-0.1\,(1-\gamma^d)/(1-\gamma) + \gamma^{d-1}$, and this falls with $d$ for
# every γ between 0 and 1. So the best action is always the one that comes nearer. γ cannot change *which* way is shortest. It can change by
# how much it is better, and that matters as soon as anything is noisy: at γ = 0.3 the best actions of the start lead staying by less than a
# millionth. Only at γ = 0, where the next reward is all there is, do nearly all cells tie.
#
# γ does change behaviour where it weighs *unlike* things: sooner against later (the trip of section 1.6 turns back to "take 1 at home"
# below γ = 5/9), or a reward once against a reward for ever.
#
# ### Exercise 1.5 · explain the figure  (●●○ · 5 min)
#
# On map 4 a step now pays $c = +0.05$ instead of costing 0.1. The next cell draws the exact $V_*$ of the cell next to the goal and of the
# start against γ, together with the value of never arriving, $c/(1-\gamma)$.

# %%
fine = np.concatenate([np.linspace(0.9, 0.98, 33), [1 / 1.05]])
fine.sort()
curves = np.array([policy_iteration(paid[0.05], float(gamma)).values[[above_goal, maze.start]].tolist() for gamma in fine])
forever = 0.05 / (1 - fine)
figure, axes = plotting.new_figure(size=(7.2, 3.4))
lines = {"V* next to the goal": curves[:, 0], "V* at the start": curves[:, 1], "never arriving": forever}
for style, (name, curve) in enumerate(lines.items()):
    axes.plot(fine, curve, color=plotting.COLOURS[style], linestyle="-" if style < 2 else "--", label=name)
    axes.text((0.902, 0.902, 0.914)[style], (1.08, 0.82, 0.5)[style], name, color=plotting.COLOURS[style])
axes.axvline(1 / 1.05, color=plotting.GREY, linewidth=1)
axes.text(1 / 1.05 + 0.001, 2.2, "γ = 1/1.05", color=plotting.GREY)
axes.set(xlabel="γ", ylabel="value, in reward", xlim=(0.9, 0.98), ylim=(0.4, 2.6))
finding = "Where a step pays 0.05, the optimal values of two cells meet that of never arriving at the same γ, and follow it from there on."
plotting.show(figure, alt=finding)
assert np.abs(curves[fine > 1 / 1.05] - forever[fine > 1 / 1.05, None]).max() < 1e-9
assert (curves[fine < 0.952] > forever[fine < 0.952, None] + 1e-4).all()

# %% [markdown]
# Why do both curves run into the dashed one at γ = 1/1.05, and never leave it?
#
# - **A** Near γ = 1 the equations are nearly singular, and policy iteration stops too early.
# - **B** There the reward for living on outgrows the goal: from every cell, never arriving is worth as much as the best way to the goal,
#   and beyond it more.
# - **C** Beyond that γ the goal lies outside the effective horizon, so the agent no longer sees it.
# - **D** The goal's +1 is discounted away.
#
# <details><summary>Hint</summary>One step from the goal: compare 1 + c, once, with c for ever. And how does the answer change d steps
# away?</details>

# %% tags=["exercise"]
my_answer = ...  # "A", "B", "C" or "D"

_ = check("1.5", my_answer)

# %% [markdown]
# ## 1.11 What it costs
#
# There are two currencies. A **sweep** touches each entry of the table once. A **solve** treats all states at once, exactly, at the price
# of a linear system. Count both; clocks differ, counts do not.
#
# **Predict.** A sweep shrinks the error by γ at least. From γ = 0.9 to 0.999 the horizon grows a hundredfold. Which of these counts grow
# with it?

# %%
print(f"{'counts at γ =':<52}     0.9    0.99   0.999")


def count_line(text, counts):
    """Prints one row of the table."""
    print(f"{text:<52}" + "".join(f"{count:8d}" for count in counts))


table = {
    "sweeps to evaluate 'stay' on map 4 (the box)": [iterative_policy_evaluation(mdp, stay, gamma)[1] for gamma in (0.9, 0.99, 0.999)],
    "sweeps of value iteration on map 4": [len(value_iteration(mdp, gamma).steps) - 1 for gamma in (0.9, 0.99, 0.999)],
    "sweeps of value iteration on FrozenLake": [len(value_iteration(lake, gamma).steps) - 1 for gamma in (0.9, 0.99, 0.999)],
    "sweeps of policy iteration on FrozenLake (the box)": [policy_iteration_by_sweeps(lake, gamma)[2] for gamma in (0.9, 0.99, 0.999)],
    "solves of policy iteration on map 4": [len(policy_iteration(mdp, gamma).steps) for gamma in (0.9, 0.99, 0.999)],
    "solves of policy iteration on FrozenLake": [len(policy_iteration(lake, gamma).steps) for gamma in (0.9, 0.99, 0.999)],
}
for text, counts in table.items():
    count_line(text, counts)
assert table["sweeps to evaluate 'stay' on map 4 (the box)"][2] > 90 * table["sweeps to evaluate 'stay' on map 4 (the box)"][0]
assert table["sweeps of value iteration on map 4"] == [int(distance.max()) + 1] * 3

# %% [markdown]
# Evaluating *stay* takes a hundred times as many sweeps at γ = 0.999: there the bound is the truth, the error shrinks by γ and no faster.
# Value iteration on map 4 takes 14 whatever γ is: without chance it is the wave of section 1.5, 13 sweeps to the farthest cell and one to
# notice that nothing moves. On the ice it depends on γ, but less than the bound allows. Of solves there is a handful at any γ. **That is
# why this course solves**: a slider needs an answer in milliseconds wherever you drag it.
#
# A solve of S dense equations costs about S³ operations; beyond a few hundred states the matrix is kept sparse (a row has at most five
# entries). Then 100 × 100 cells are no obstacle:

# %%
large = GridWorld.random(100, 100, seed=1)
large_mdp = large.mdp()
print(f"{len(large.cells)} states, shortest way {len(large.shortest_path()) - 1} steps")

# %%
large_best = policy_iteration(large_mdp, 0.999)
residual = float((optimality_backup(large_mdp, large_best.values, 0.999) - large_best.values).abs().max())
d = len(large.shortest_path()) - 1
closed_form = -0.1 * (1 - 0.999**d) / (1 - 0.999) + 0.999 ** (d - 1)
print("residual of (2.11) below 1e-9:", verdict(residual, "<", 1e-9))
print(f"V*(start) = {float(large_best.values[large.start]):.3f}, by the formula of section 1.10: {closed_form:.3f}")
assert residual < 1e-9 and abs(float(large_best.values[large.start]) - closed_form) < 1e-9

figure, axes = plotting.new_figure(size=(5.6, 5.6))
plotting.draw_maze(axes, large, values=large_best.values, path=large.shortest_path(), numbers=None)
finding = "A random maze of 100 by 100 cells, coloured by its exact optimal values: they rise along the shortest way, drawn as a line."
plotting.show(figure, alt=finding)

# %% [markdown]
# An answer to 6531 equations with a max in each, from a few dozen sparse solves, right to nine digits.
#
# ## 1.12 A note on models
#
# All of this chapter read the table $P(s',r\mid s,a)$. That is **planning**: the model is known. A **model-based** agent learns a model and
# plans in it; Dyna-Q is the classic. A **model-free** agent keeps no model and learns values or policies from what happens to it: that is
# the rest of the course. The thesis chooses model-free agents because a model of every task is expensive. We keep the models of our mazes
# for another reason: they tell us what a learner *should* have found.
#
# > **Erratum.** The thesis prints “Dina-Q”. The algorithm is Dyna-Q (Sutton, 1990).

# %% [markdown]
# ## What you learned
#
# - A return is computed backwards, $G_t = R_{t+1} + \gamma G_{t+1}$; a value is its expectation, and one linear solve gives it exactly.
# - The Markov property is about the world's answers. Which *view* of a world has it is a matter of numbers, and you computed them.
# - A sweep moves knowledge by one step. Where there is no chance, values settle in a wave from the goal; where there is, the error shrinks
#   by γ a sweep.
# - $V_*$ has three routes that agree: try all policies, sweep (2.11), or evaluate and improve. Improvement needs the value of a policy, and
#   a stopping rule that respects ties.
# - A terminal step has no future; a time-out has. Mixing them up can turn a ranking of policies upside down.
# - γ sets the horizon and all values. It changes behaviour only where it weighs unlike things.
#
# ## Self-quiz
#
# 1. Every reward of map 4 gets +0.1 (so a step is free, a bump costs 0.5, the goal pays 1). Does the best policy at γ = 0.9 change? And at
#    γ = 1?
#
# <details><summary>Answer</summary>At γ = 0.9 no: the shortest way is worth γ^(d−1), which still falls with distance. At γ = 1 all ways
# that avoid bumps and arrive in the end are worth 1: nothing is left that hurries the agent.</details>
#
# 2. Why may `transition_matrix` have rows that sum to less than 1, and what would go wrong if the ending outcomes were kept?
#
# <details><summary>Answer</summary>What is missing is the probability that the episode ends. If it were kept, the value of the terminal
# step's successor would flow back: the bug of exercise 1.4. In the mazes it would not show, because the goal is worth 0.</details>
#
# 3. Two policies have the same value everywhere. Must they be the same?
#
# <details><summary>Answer</summary>No. In the middle of a room, <i>down</i> and <i>right</i> may lead to the goal equally fast. V* is
# unique, the best policy is not; that is how the box of policy iteration can fail to stop.</details>
#
# 4. You evaluate with episodes of at most 50 steps at γ = 0.99 and treat the cut as an end. All your rewards are positive. In which
#    direction are you wrong?
#
# <details><summary>Answer</summary>Too low: the dropped term γ^H P^H V is positive. With costs, as in our mazes, it is negative, and the
# values come out too high.</details>
#
# 5. Someone reports that 20 000 sweeps did not suffice at γ = 0.999. What do you suggest, and what do you ask first?
#
# <details><summary>Answer</summary>Solve instead of sweeping, or policy iteration with solves. But ask first whether a policy was being
# evaluated that never ends (the error then shrinks by 0.999 a sweep, and no faster), and whether the threshold made sense.</details>
#
# 6. Is "the agent's action depends on the present state only" the Markov property?
#
# <details><summary>Answer</summary>No: it is a property of the policy, the one that the thesis prints as (2.3). A forgetful agent can live
# in a world that it does not see completely.</details>
#
# ## Errata met in this chapter
#
# | where | printed | right |
# |---|---|---|
# | 2.3 | $P(A_t\mid S_0 \dots S_t) = P(A_t\mid S_t)$ | a statement about $S_{t+1}, R_{t+1}$, given $S_t, A_t$ |
# | above 2.3 | “the agent is a Markov Decision Process” | the environment is one |
# | above 2.7 | $P_\pi(S_{t+1}\mid S_t,A_t) = \mathbb E_\pi[S_{t+1}\mid S_t, A_t]$ | $P_\pi(s'\mid s)$, and no mean of a state |
# | above 2.7 | $R_\pi(S_t,A_t)$ | $R_\pi(s)$: averaged over the action |
# | 2.8, and the first line of 2.7 | $R_t$ | $\mathbb E[R_{t+1}\mid s,a]$ |
# | 2.11 | $\arg\max_a$ | $\max_a$ |
# | section 2.1.3, text | improvement on any iterate $V_{k+1}$ | on the value of a policy |
# | box *Policy iteration* | stops when no action changes | stops when no action *needs* to change: keep old actions that tie |
# | section 2.1.2 | Dina-Q | Dyna-Q |
#
# ## Further reading
#
# - Sutton and Barto, *Reinforcement Learning: An Introduction*, 2nd edition (2018): sections 3.1 to 3.6 (sections 1.1 to 1.6 here), 4.1 to
#   4.4 (evaluation, improvement, both iterations; exercise 4.4 is the trap of section 1.7), 8.2 (Dyna).
# - Puterman, *Markov Decision Processes* (1994), sections 6.3 and 6.4: value and policy iteration with proofs and rates.
# - Pardo, Tavakoli, Levdik and Kormushev, "Time limits in reinforcement learning" (ICML 2018), on partial-episode bootstrapping: what
#   time-outs do to learners.
# - Silver, *Lectures on reinforcement learning* (2015), lecture 3: the pictures that the thesis borrows.
#
# **Next:** chapter 02 takes the table away. An agent that sees only what happens to it learns $Q_*$, and you watch its error against the
# exact answer.
