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
# # 02 · Tabular Q-learning
#
# **You will be able to**
#
# - work out one update of Q-learning by hand, and write it so that goals and time-outs are treated right;
# - say why the target has a maximum in it, and why the agent may then behave as it likes;
# - measure how far a learned table is from the exact $Q_*$, over twenty runs and with a band;
# - predict where a learning curve levels off *before* you train, and tell exploration from ignorance;
# - choose a step size and an initial table, and say what goes wrong with the others.
#
# **Before you start**
#
# - Chapter 01: $V$, $Q$, the Bellman optimality equation (2.12), policy iteration, the discount γ, why a time-out is not a
#   goal.
# - Python with PyTorch tensors: indexing, broadcasting, `max` over an axis.
#
# **Time** 60 minutes to read and do, about 40 seconds to run. **Module** `distral_lite.q_learning` (with `lanes`, which steps
# many agents at once). **Equations** 2.17 and the box "Q-learning (off-policy TD control)".

# %%
import inspect
import math
from types import SimpleNamespace

import gymnasium
import torch

from distral_lite import dynamic_programming, lanes, mdp, plotting, q_learning
from distral_lite.checks import check
from distral_lite.gridworld import load_map
from distral_lite.q_learning import epsilon_greedy
from distral_lite.statistics import interquartile_band, verdict
from distral_lite.widgets import Scene, Slider, panel, show_source, still

torch.set_num_threads(1)  # the tables here are so small that a second core only gets in the way

# %% [markdown]
# ## 2.1 One step of experience
#
# In chapter 01 you *planned*. You held the whole maze in your hands, every transition and every reward, and asked what the best
# policy is. An agent that is dropped into the maze has none of that. It sees the state it is in, takes an action, gets a reward
# and sees the next state. Then it must learn something from that one step, because there is nothing else to learn from.
#
# What could one step teach? Take the equation that $Q_*$ must satisfy:
#
# $$Q_*(s,a) = \mathbb{E}\big[R_{t+1} + \gamma \max_{a'} Q_*(S_{t+1}, a') \,\big|\, S_t = s, A_t = a\big] \qquad\text{(thesis 2.12)}$$
#
# The planner computes the expectation. The agent cannot, but it has just drawn one *sample* from inside it: the reward it got
# and the state it came to. A single sample may be far from the mean, so the agent does not believe it outright. It moves its
# old estimate a fraction α of the way:
#
# $$Q(S_t,A_t) \leftarrow Q(S_t,A_t) + \alpha\Big[\underbrace{R_{t+1} + \gamma\max_a Q(S_{t+1},a)}_{\text{target}} - Q(S_t,A_t)\Big]
# \qquad\text{(thesis 2.17)}$$
#
# The bracket is the **temporal-difference error**: what the agent now thinks the step was worth, minus what it thought before.
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $Q(S_t,A_t)$ | `q` | `[...]` | reward |
# | $Q(S_{t+1},\cdot)$ | `q_next` | `[..., A]` | reward |
# | $R_{t+1}$ | `reward` | `[...]` | reward |
# | $\gamma$, or 0 after a terminal step | `discount` | `[...]` | 1 |
# | $\alpha$ | `learning_rate` | number or `[...]` | 1 |
#
# (This α has nothing to do with the α of Distral, which you will meet in chapter 08. The thesis uses the letter twice.)

# %%
show_source(q_learning.q_target, q_learning.update)

# %% [markdown]
# Three things changed on the way from planning to learning. An expectation became a sample. A sweep over all states became the
# one state that the agent happens to be in. And an assignment became a step of size α. Everything in this chapter follows from
# these three.
#
# **Predict.** Two states, two actions: $Q(0,\cdot) = (-0.2,\ 0.4)$ and $Q(1,\cdot) = (0.9,\ 0.1)$. The agent is in state 0,
# takes action 0, gets −0.1 and comes to state 1. With α = 0.5 and γ = 0.99, work out the target, the error and the new $Q(0,0)$
# on paper. Then do it for a second step: from state 0 it takes action 1, gets 1.0, and that is the goal.

# %%
q = torch.tensor([[-0.2, 0.4], [0.9, 0.1]], dtype=torch.float64)
for action, reward, discount in ((0, -0.1, 0.99), (1, 1.0, 0.0)):  # the second step ends the episode: its discount is 0
    target = q_learning.q_target(reward, discount, q[1])
    new = q_learning.update(q[0, action], target, 0.5)
    print(f"action {action}: target {target:.3f}, error {target - q[0, action]:.3f}, from {q[0, action]:.1f} to {new:.4f}")
assert math.isclose(new, 0.4 + 0.5 * (1.0 - 0.4))

# %% [markdown]
# By hand: the target is $-0.1 + 0.99 \cdot 0.9 = 0.791$, the error $0.791 - (-0.2) = 0.991$, and half of it is added. In the
# second step the world has ended, so nothing of state 1 may enter: the target is the reward alone. If you had a target of 1.891
# there, you let the agent live on after the goal. It is the most common mistake in this algorithm, and the exercise knows it.

# %% [markdown]
# ### Exercise 2.1 · the update  (●○○ · 6 min)
# Write one update of a whole table. The arguments are plain numbers, `q` is `[S, A]`. Return a **new** table, and leave the one
# you were given alone.
#
# <details><summary>Hint 1</summary>Start with <code>new = q.clone()</code>. Exactly one entry of it changes.</details>
# <details><summary>Hint 2</summary>The target needs the row of the next state, <code>q[next_state]</code>, and none of it if
# <code>terminal</code> is true. The reward is paid either way.</details>


# %% tags=["exercise"]
def my_update(q, state, action, reward, next_state, terminal, learning_rate, discount):
    """Q(S, A) + α [R + γ max_a Q(S', a) − Q(S, A)] in its place; after a terminal step the target is R alone."""
    ...


_ = check("2.1", my_update)

# %% [markdown]
# ## 2.2 Why it works, and why the agent may behave as it likes
#
# Suppose the table is already right. Does the update leave it alone? In a maze, yes: every step leads where it should and the
# error is zero. In a world with chance in it, no: the agent slips, the sample differs from the mean, and the table is pushed.
# But the pushes cancel.
#
# FrozenLake is such a world: a 4 × 4 lake with holes, and the ice is slippery, so that an action leads in the direction you
# want only one time in three, and to either side otherwise. Here is one action at the exact $Q_*$, with its three outcomes.

# %%
lake_env = gymnasium.make("FrozenLake-v1")
lake = mdp.MDP.from_gymnasium(lake_env)
lake_q = dynamic_programming.policy_iteration(lake, discount=0.95).q
state, action = 10, 0
arrays = (lake.probability, lake.successor, lake.outcome_reward, lake.terminal)
for chance, next_state, reward, ended in zip(*(array[state, action] for array in arrays), strict=True):
    target = q_learning.q_target(reward, 0.95 * (not ended), lake_q[next_state])
    error = target - lake_q[state, action]
    print(f"to state {int(next_state):>2} with chance {chance:.3f}: temporal-difference error {error:+z.4f}")
mean_error = mdp.action_values(lake, lake_q.max(-1).values, 0.95) - lake_q
print(f"mean error, largest over all states and actions: {abs(mean_error).max():z.4f}")
assert mean_error.abs().max() < 1e-12

# %% [markdown]
# No single error is zero; the mean is, in every state and for every action. That is the whole idea: $Q_*$ is the table at which
# the *expected* update vanishes.
#
# Now look for the agent's policy in (2.17). It is not there. The target asks for the best action in the next state, whatever
# the agent is going to do. Write $d_b(s,a)$ for how often a behaviour $b$ visits the pair. Then the update is, on average,
#
# $$Q(s,a) \leftarrow Q(s,a) + \alpha\, d_b(s,a)\Big[\,\mathbb{E}\big[R + \gamma\max_{a'}Q(S',a')\big] - Q(s,a)\Big]$$
#
# and it comes to rest where the bracket is zero, for every pair with $d_b(s,a) > 0$. The behaviour decides *how fast* each pair
# moves, not *where to*. This is what **off-policy** means. The thesis says it in one line: the maximum stands in place of the
# behaviour policy.
#
# **Predict.** Put the behaviour back: replace $\max_{a'} Q(S',a')$ by $\sum_{a'} b(a'\mid S')\,Q(S',a')$, what the agent will
# really do next. Where does the update come to rest then, for four different behaviours?

# %%
world = load_map(4)
maze = world.mdp()
q_star = dynamic_programming.policy_iteration(maze, 0.99).q.round(decimals=9)  # rounded, so that equal values are exactly equal
acting = torch.arange(len(q_star)) != world.goal  # nobody acts in the goal


def fixed(*probability):
    """The behaviour that takes stay, up, down, left, right with these probabilities, everywhere."""
    return torch.tensor(probability, dtype=torch.float64).expand_as(q_star)


behaviours = {
    "uniform": fixed(0.2, 0.2, 0.2, 0.2, 0.2),
    "mostly stays": fixed(0.6, 0.1, 0.1, 0.1, 0.1),
    "mostly left": fixed(0.15, 0.15, 0.15, 0.4, 0.15),
    "never right": fixed(0.25, 0.25, 0.25, 0.25, 0.0),
}
b = torch.stack(list(behaviours.values()))
somewhere = maze._replace(start=acting.double() / acting.sum())
often = mdp.visits(somewhere, b, 0.99).unsqueeze(-1) * b * acting[:, None]  # d_b(s, a), up to a factor
often = often / often.amax((-1, -2), keepdim=True)

SWEEPS = 2000
largest, own = torch.zeros_like(b), torch.zeros_like(b)  # one table a behaviour, for either target
distance = torch.zeros(2, len(b), SWEEPS, dtype=torch.float64)
for sweep in range(SWEEPS):
    largest = largest + often * (mdp.action_values(maze, largest.max(-1).values, 0.99) - largest)
    own = own + often * (mdp.action_values(maze, (b * own).sum(-1), 0.99) - own)
    distance[0, :, sweep] = (largest - q_star).abs().amax((-1, -2))
    distance[1, :, sweep] = (own - q_star).abs().amax((-1, -2))

figure, axes = plotting.new_figure(1, 2, size=(9.8, 3.4))
shown = torch.logspace(0, math.log10(SWEEPS), 60).round().long().unique() - 1
for ax, title, curves in zip(axes, ("target with the maximum (2.17)", "target with the behaviour's own action"), distance, strict=True):
    for style, (name, curve) in enumerate(zip(behaviours, curves, strict=True)):
        plotting.draw_exact(ax, curve[shown], name, x=shown + 1, style=style)
    ax.set(title=title, xscale="log", xlabel="expected updates of the whole table", ylabel="largest error, max |Q − Q*|")
axes[0].set(yscale="log", ylim=(1e-6, 3))
axes[1].set(ylim=(0, 36))
for ax in axes:
    plotting.label_lines(ax)
plotting.show(
    figure,
    alt="With the maximum in the target, three behaviours that try everything all lead to Q*, at different speeds; one that never goes "
    "right does not. With the behaviour's own action in the target none of the four gets there.",
)
assert (distance[0, :3, -1] < 1e-6).all() and distance[0, 3, -1] > 0.5
assert (distance[1, :, -1] > 5).all()

# %% [markdown]
# **What it shows.** On the left, each behaviour that tries every action everywhere is drawn to the *same* table, $Q_*$. A
# lopsided behaviour gets there later, because some pairs are rare. The one that never goes right does not get there at all: its
# pairs with $d_b = 0$ never move. On the right, every behaviour has a resting point of its own: the value of behaving *like
# that* for ever.
#
# So exploration has one duty: to keep visiting every pair. How it does that is free.
#
# > **Left open in the thesis.** Section 2.1.2 says that a Q-learning agent's table approximates $Q_\pi(s,a)$, and names no policy. It
# > approximates $Q_*(s,a)$; the value of the policy that the agent follows is the picture on the right, and that is another number:

# %%
q_own = mdp.action_values(maze, mdp.evaluate(maze, b, 0.99), 0.99)  # value of each pair if the agent behaves like that ever after
for name, values in zip(behaviours, q_own, strict=True):
    print(f"{name:<13} best action at the start is worth {values[world.start].max():8.3f}")
print(f"{'Q*':<13} best action at the start is worth {q_star[world.start].max():8.3f}")
update = mdp.action_values(maze, (b * q_own).sum(-1), 0.99) - q_own
assert update.abs().max() < 1e-9  # there the update with the behaviour's own action vanishes ...
assert (own - q_own)[often > 0].abs().max() < 2  # ... and that is where the tables of the picture on the right were going

# %% [markdown]
# ## 2.3 ε-greedy, as probabilities
#
# The usual compromise between trying and using: with probability ε take any action, all equally likely; otherwise take the best
# one known. Written as a distribution it needs one more decision, what to do with ties:
#
# $$\pi(a\mid s) = \frac{\varepsilon}{A} + (1-\varepsilon)\,\frac{\mathbb{1}[a \in B(s)]}{|B(s)|},
# \qquad B(s) = \arg\max_{a} Q(s,a) \text{ (a set)}$$
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $Q(s,\cdot)$ | `q` | `[..., A]` | reward |
# | $\varepsilon$ | `epsilon` | number or `[...]` | probability |
# | $\mathbb{1}[a\in B(s)]$ | `best` | `[..., A]` | 1 |
# | $\pi(\cdot\mid s)$ | returned | `[..., A]` | probability |

# %%
show_source(q_learning.epsilon_greedy)
print("a clear winner:    ", epsilon_greedy(torch.tensor([0.0, 0.5, -0.1, 0.2, -0.6]), 0.1).numpy().round(3))
print("two tie:           ", epsilon_greedy(torch.tensor([-0.6, -0.1, -0.1, -0.6, -0.6]), 0.1).numpy().round(3))
print("an untouched table:", epsilon_greedy(torch.zeros(5), 0.1).numpy().round(3))

# %% [markdown]
# Why make a fuss about ties? Because a new table is *nothing but* ties, and `argmax` breaks them all towards action 0. In our
# mazes action 0 is "stay"; in FrozenLake it is "left".
#
# **Predict.** Two agents with an untouched table and ε = 0.1. One shares ties, one takes the first of them. How often does each
# reach the goal of FrozenLake (without the slippery ice, and without a clock)? In one episode of ten, a hundred, a hundred
# thousand?

# %%
dry_lake = mdp.MDP.from_gymnasium(gymnasium.make("FrozenLake-v1", is_slippery=False))


def untouched(task):
    """What two agents do with a table of zeros at ε = 0.1: ties shared, and the first of the ties."""
    zeros = torch.zeros_like(task.reward)
    return epsilon_greedy(zeros, 0.1), 0.9 * mdp.greedy_policy(zeros) + 0.1 * mdp.uniform_policy(task)


episodes = [1 / float(mdp.evaluate(dry_lake, policy, 1.0)[0]) for policy in untouched(dry_lake)]
durations = [mdp.expected_steps(maze, policy) for policy in untouched(maze)]
print("                                                ties shared   first of the ties")
print(f"FrozenLake without ice, episodes for one goal {episodes[0]:>13.0f}{episodes[1]:>20.0f}")
print(f"map 4, steps in an episode                    {durations[0]:>13.0f}{durations[1]:>20.0f}")
assert episodes[1] > 1000 * episodes[0] and durations[1] > 850

# %% [markdown]
# In FrozenLake a reward of zero leaves the tied table tied, so `argmax` keeps the agent against the left wall until blind luck
# takes it to the goal, once in ninety-five thousand episodes. Nothing is wrong with the update; the agent just never sees
# anything to learn from.
#
# In our mazes the damage heals itself. The numbers for map 4 hold while the table stays *as it is*: with the first of the ties
# the agent would nearly always stay put until the clock stops it at 1000 steps. But each "stay" costs 0.1 and is updated below
# zero, so the tie breaks after one try. You owe that to the negative rewards, not to `argmax`. Section 2.9 shows what happens
# without them.

# %% [markdown]
# ### Exercise 2.2 · ε-greedy  (●●○ · 6 min)
# Write the distribution. `q` is `[..., A]`: one state, or many at once; `epsilon` is a number.
#
# <details><summary>Hint 1</summary>Every action gets ε/A, the best ones too. Check that your rows sum to one.</details>
# <details><summary>Hint 2</summary><code>q == q.max(-1, keepdim=True).values</code> marks the best actions of each state, all
# of them. Make numbers of the marks with <code>.to(q.dtype)</code> before you calculate with them.</details>


# %% tags=["exercise"]
def my_epsilon_greedy(q, epsilon):
    """ε/A for every action, and 1 − ε shared by the actions of largest value (last axis): a tensor shaped like q."""
    ...


_ = check("2.2", my_epsilon_greedy)

# %% [markdown]
# ## 2.4 The box, and the loop
#
# This is the thesis's box, from Sutton and Barto, with its lines numbered:
#
# ```text
# 1  Initialize Q(s, a), for all s, a, arbitrarily, and Q(terminal-state, ·) = 0
# 2  Repeat (for each episode):
# 3      Initialize S
# 4      Repeat (for each step of episode):
# 5          Choose A from S using policy derived from Q (e.g., ε-greedy)
# 6          Take action A, observe R, S'
# 7          Q(S, A) ← Q(S, A) + α [R + γ max_a Q(S', a) − Q(S, A)]
# 8          S ← S'
# 9      until S is terminal
# ```
#
# And this is the program that all of this chapter runs. Read it beside the box before you go on; the comments carry the box's
# words.

# %%
show_source(q_learning.train)

# %% [markdown]
# Every line of the box has its place. The next cell finds them by their words:

# %%
box = {
    1: "Initialize Q(s, a)",
    3: "Initialize S",
    5: "Choose A from S using policy derived from Q",
    6: "Take action A, observe R, S'",
    7: "Q(S, A) <- Q(S, A) + alpha",
    8: "S <- S'",
}
lines = inspect.getsource(q_learning.train).splitlines()
for number, words in box.items():
    (code,) = [line.split("#")[0].strip() for line in lines if words in line.split("#", 1)[-1] and "#" in line]
    print(f"box {number}:  {code}")

# %% [markdown]
# Where are the others? Line 1's "$Q(\text{terminal}, \cdot) = 0$" is the factor `~seen.terminal` at the discount: no value is
# looked up behind a goal. Lines 2, 4 and 9 are gone, because `world.step` starts the next episode by itself when one has ended.
# And the box is silent on time-outs. It knows only terminal states; here an episode is also cut after `max_episode_steps`, and
# then the target *does* look up the next state.
#
# ### Lanes: one program, many runs
#
# One run of a learning algorithm is an anecdote. So `train` never trains one agent. Every array leads with the axes `[R, K]`: R
# runs, told apart by their seeds, and K tasks. A **lane** is one (run, task) pair. The table is `[R, K, S, A]`, the current
# state `[R, K]`, and one line of code steps all of them. The settings α, ε and the decay may hold one number a task: then K
# copies of one maze are a sweep over settings.
#
# That is only honest if lanes do not disturb each other. A lane's random numbers come from its seed and its task's number,
# never from its place in the array. Test it: train map 5 with seed 7 among forty lanes, then alone.

# %%
short = q_learning.Config(steps=500, epsilon=0.3, snapshots=5)
tasks = [maze, load_map(5).mdp()]
many = q_learning.train(tasks, short, seeds=range(20))
alone = q_learning.train(tasks[1:], short, seeds=[7], task_ids=[1])
print("table among forty lanes:", tuple(many.agent.q.shape), "  alone:", tuple(alone.agent.q.shape))
print("lane (7, 1) alone is lane (7, 1) among forty, bit for bit:", verdict(torch.equal(alone.agent.q[0, 0], many.agent.q[7, 1])))
assert torch.equal(alone.agent.q[0, 0], many.agent.q[7, 1]) and not torch.equal(many.agent.q[6, 1], many.agent.q[7, 1])

# %% [markdown]
# ## 2.5 How far from $Q_*$?
#
# Most courses judge Q-learning by its returns. You can do better: chapter 01 gave you $Q_*$ to the last digit, so you can watch
# the distance itself, $\max_{s,a} |Q(s,a) - Q_*(s,a)|$, as the table is learned.

# %%
show_source(q_learning.q_error)

# %% [markdown]
# The agent here behaves entirely at random (ε = 1), starts each episode in a random cell (*exploring starts*) and is cut off
# after 10 steps. It hardly ever sees a whole way from S to G. By section 2.2 none of that matters: every pair is visited, and
# time-outs bootstrap.
#
# **Predict.** Three step sizes: α = 1, 0.5 and 0.1. Small steps are careful steps. Which one is nearest to $Q_*$ after 6000
# steps?

# %%
rates = torch.tensor([1.0, 0.5, 0.1], dtype=torch.float64)
config = q_learning.Config(steps=6000, learning_rate=rates, epsilon=1.0, exploring_starts=True, max_episode_steps=10, snapshots=60)
random_walk = q_learning.train([maze] * 3, config, seeds=range(20), progress=True)

# %%
errors = q_learning.q_error(random_walk.history.snapshots, q_star, torch.ones_like(q_star))  # [R, K, T]
steps = random_walk.history.snapshot_steps
figure, axes = plotting.new_figure(size=(6.6, 3.8))
axes.set(yscale="log", ylim=(1e-4, 12), xlim=(0, 6000), xlabel="steps of experience", ylabel="largest error, max |Q − Q*|")
for k, rate in enumerate(rates):
    plotting.draw_band(axes, steps, interquartile_band(errors[:, k].clamp(min=1e-5)), f"α = {rate:g}", style=k)
plotting.label_lines(axes)
plotting.provenance(axes, loc="upper right")
plotting.show(
    figure,
    alt="From random behaviour the table approaches Q*. With α = 1 it arrives and stays there, with α = 0.5 it follows, with α = 0.1 "
    "it has hardly begun.",
)
final = errors[..., -1]
print("α = 1 has Q* in all 20 runs, to six digits: ", verdict(final[:, 0], "<", 1e-6))
print(
    "α = 0.5 is within 0.2 of it in most runs:   ",
    verdict(final[:, 1].median(), "<", 0.2),
)
print("α = 0.1 is still more than 0.2 off in all:  ", verdict(final[:, 2], ">", 0.2))
assert (final[:, 0] < 1e-6).all() and (final[:, 1] < 0.2).double().mean() > 0.5 and (final[:, 2] > 0.2).all()

# %% [markdown]
# **What it shows.** The boldest step wins. In a deterministic maze a sample *is* the expectation, so there is no noise to be
# careful about. With α = 1 each update is an exact Bellman backup of one pair, and after finitely many of them the table is
# $Q_*$ itself. An agent that behaves at random has learned the optimal values, exactly, in all 20 runs.
#
# Why is the curve flat at first? A largest error is an unforgiving measure: it is that of the worst pair. Far corners can only
# be right once all cells between them and the goal are, and at α = 0.1 each link of that chain needs dozens of visits.

# %% [markdown]
# ### Exercise 2.3 · find the planted bug  (●●○ · 8 min)
# Since the behaviour does not matter, an agent can learn from a *log* that somebody else recorded. Here is such a log, of
# agents that act at random, and a loop that learns from it. The loop has one mistake. Look at the symptom first.


# %%
def record(max_episode_steps, count=600):
    """What 20 agents that act at random in map 4 meet in `count` steps each, one agent after the other: six lists."""
    walk = lanes.TableWorld([maze], range(20), [0], max_episode_steps, exploring_starts=True)
    dice = lanes.LaneRandom(range(20), [0], stream=1)
    state, rows = walk.reset(), []
    for step in range(1, count + 1):
        action = (5 * dice.uniform(1)[..., 0]).long()
        seen = walk.step(action)
        cut = ~seen.terminal & (seen.truncated | (step == count))  # where the recording stops, the episode is cut as well
        rows.append((state, action, seen.reward, seen.next_observation, seen.terminal, cut))
        state = seen.observation
    return [torch.cat(column, dim=1).flatten().tolist() for column in zip(*rows, strict=True)]


def learn_from_log(q, state, action, reward, next_state, terminal, truncated, learning_rate, discount):
    """Q-learning over a recorded log of T transitions, one after another. It has one mistake."""
    q = q.clone()
    followed_by = state[1:] + next_state[-1:]  # S' of every row
    for s, a, r, s_next, ended in zip(state, action, reward, followed_by, terminal, strict=True):
        target = r if ended else r + discount * q[s_next].max()
        q[s, a] += learning_rate * (target - q[s, a])
    return q


for cap in (1000, 10):
    log = record(max_episode_steps=cap)
    off = (learn_from_log(torch.zeros_like(q_star), *log, 1.0, 0.99) - q_star).abs()[acting].mean()
    print(f"episodes cut after {cap:>4} steps: mean error below 0.05: {verdict(off, '<', 0.05)},  above 0.2: {verdict(off, '>', 0.2)}")
    assert (off < 0.05) == (cap == 1000) and (off > 0.2) == (cap == 10)
    assert len(log[5]) == 12_000 and (sum(log[5]) < 50) == (cap == 1000) and (sum(log[5]) > 1000) == (cap == 10)

# %% [markdown]
# The same loop on two logs of 12 000 rows. Where next to no episode is cut, the table is nearly right. Where all are cut after
# 10 steps it is far off, and more data does not help. (The agents of section 2.5 were cut after 10 steps too, and had no
# trouble.)
#
# Say in one sentence what a row of the log looks like where an episode was cut, and what the loop makes of it. Then write the
# loop as it should be, for all T transitions.
#
# <details><summary>Hint 1</summary>Print <code>state[t]</code>, <code>next_state[t]</code> and <code>state[t + 1]</code> for a
# few rows where <code>truncated[t]</code> is true.</details>
# <details><summary>Hint 2</summary>After a cut, the next row begins a new episode, somewhere else in the maze.</details>


# %% tags=["exercise"]
def my_learn_from_log(q, state, action, reward, next_state, terminal, truncated, learning_rate, discount):
    """Q-learning (2.17) over a log of T transitions, in their order; returns the table after the last of them."""
    ...


_ = check("2.3", my_learn_from_log)

# %% [markdown]
# ## 2.6 Learning curves, and what their plateau says
#
# Now the agent as the box has it: each episode starts at S, ε-greedy, no exploring starts. The next cell trains 24 settings of
# (ε, α) with 20 runs each, 480 agents as one program. You will look at all of them in section 2.7; take α = 0.5 first.
#
# **Predict.** The shortest way through map 4 has 13 steps. An agent learns with ε = 0.3 for a few hundred episodes. Where will
# the curve of its episode lengths level off?

# %%
EPSILONS, RATES = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7], [0.1, 0.25, 0.5, 1.0]
settings = [(epsilon, rate) for epsilon in EPSILONS for rate in RATES]
epsilon, rate = torch.tensor(settings, dtype=torch.float64).T
config = q_learning.Config(steps=8000, epsilon=epsilon, learning_rate=rate, snapshots=40)
sweep = q_learning.train([maze] * len(settings), config, seeds=range(20), progress=True)


# %%
def blocks(epsilon, rate, size=10):
    """Mean steps of each block of `size` episodes, [R, blocks], as far as all runs have them."""
    durations = sweep.history.durations[:, settings.index((epsilon, rate))]
    count = int((~durations.isnan()).sum(-1).min()) // size
    return durations[:, : count * size].unflatten(-1, (count, size)).mean(-1)


def plateau(epsilon, task=maze, q=q_star):
    """Exact expected steps of an agent that holds the table `q` and behaves ε-greedily."""
    return mdp.expected_steps(task, epsilon_greedy(q, epsilon))


figure, axes = plotting.new_figure(size=(7.2, 3.8))
axes.set(yscale="log", ylim=(11, 400), xlim=(0, 330), xlabel="episode", ylabel="steps in an episode")
axes.set_yticks([13, 20, 50, 100, 200], labels=["13", "20", "50", "100", "200"])
axes.minorticks_off()
for style, chosen in enumerate((0.3, 0.1)):
    curve = blocks(chosen, 0.5)[:, :33]
    plotting.draw_band(axes, 10 * torch.arange(curve.shape[1]) + 5, interquartile_band(curve), f"trained with ε = {chosen}", style=style)
    plotting.draw_exact(axes, plateau(chosen), f"Q*, ε = {chosen}: {plateau(chosen):.1f}", style=style)
plotting.draw_exact(axes, 13, "shortest way: 13", style=6)
plotting.label_lines(axes)
plotting.provenance(axes, loc="upper right")
plotting.show(
    figure,
    alt="Both learning curves come down and settle on the steps that an agent with the exact Q* would take at the same ε: 18.9 at ε = 0.3 "
    "and 14.5 at ε = 0.1, not on the shortest way of 13.",
)
for chosen in (0.3, 0.1):
    level, exact = blocks(chosen, 0.5)[:, -10:].mean(), plateau(chosen)
    print(f"ε = {chosen}: the last hundred episodes are within 5 % of the exact {exact:.1f}: {verdict(abs(level / exact - 1), '<', 0.05)}")
    assert abs(level / exact - 1) < 0.05

# %% [markdown]
# **What it shows.** Neither curve goes to 13. Each settles on a number that you can compute before any training: the expected
# steps of an agent that already has $Q_*$ and explores with the same ε. `mdp.expected_steps` gives it by linear algebra; no
# simulation is involved.
#
# So what did these agents learn? Take their tables and let them act without exploring. That is an exact computation too: a
# learned table defines a policy, and a policy has exact expected steps.

# %%
tables = sweep.history.snapshots[:, settings.index((0.3, 0.5)), -1]  # [R, S, A], at the end of training with ε = 0.3
tested = mdp.expected_steps(maze, epsilon_greedy(tables, 0.0))
wrong = q_learning.q_error(tables, q_star, torch.ones_like(q_star))
print(
    "tested without exploring, all 20 tables take 13 steps:",
    verdict(tested - 13, "<", 1e-9),
)
print(
    "and yet every one of them is more than 0.2 from Q*:   ",
    verdict(wrong, ">", 0.2),
)
assert (tested < 13 + 1e-9).all() and (wrong > 0.2).all()

# %% [markdown]
# **The plateau is exploration, not ignorance.** All 20 agents know the shortest way perfectly. The six extra steps are the
# price of ε = 0.3, and no amount of training will remove them. A curve recorded during training measures *agent plus
# exploration*.
#
# **A perfect policy needs no perfect table.** The largest error is still huge, because far corners of the maze are hardly ever
# visited from S. The agent is right where it goes, and that is enough to arrive.
#
# The first lesson can be expensive. Here is what an agent with the exact $Q_*$ shows on the five mazes of the course while it
# explores at three levels:

# %%
print("map   shortest   ε = 0.05   ε = 0.3   ε = 0.764")
for number in (4, 5, 6, 7, 8):
    task = load_map(number)
    q_task = dynamic_programming.policy_iteration(task.mdp(), 0.99).q.round(decimals=9)
    exact = [plateau(chosen, task.mdp(), q_task) for chosen in (0.05, 0.3, 0.764)]
    print(f"{number:>3}{len(task.shortest_path()) - 1:>11}{exact[0]:>11.1f}{exact[1]:>10.1f}{exact[2]:>12.1f}")
    assert exact[2] > 4 * (len(task.shortest_path()) - 1)

# %% [markdown]
# At ε = 0.764 perfect knowledge looks four or five times as long as the shortest way. Whenever you compare two learning curves,
# ask first how much each agent explored *while it was measured*. Chapter 09 puts that question to a published figure.

# %% [markdown]
# ### Exercise 2.4 · explain a plateau  (●○○ · 3 min)
# A report compares two agents on map 4 by the mean length of their last 50 training episodes, over 20 runs each, with narrow
# bands. Agent A kept ε at 0.1 and ends at 14.5 steps. Agent B kept ε at 0.5 and ends at 27.0. What follows?
#
# - **A** Agent A found the better policy.
# - **B** Agent B's table has not converged; its band is narrow because all runs are stuck in the same way.
# - **C** Nothing about what either has learned.
# - **D** Agent B's α is too large: it cannot settle.
#
# <details><summary>Hint</summary>What are <code>plateau(0.1)</code> and <code>plateau(0.5)</code>? You may run them.</details>

# %% tags=["exercise"]
answer = None

_ = check("2.4", answer)

# %% [markdown]
# ### Exercise 2.5 · compute a plateau  (●●● · 8 min)
# How can a plateau be computed at all? Let $n(s)$ be the expected steps from $s$. One step is taken for certain, and then the
# episode may go on somewhere else:
#
# $$n(s) = 1 + \sum_{s'} P(s'\mid s)\, n(s'), \qquad P = (1-\varepsilon)\,P_{\text{greedy}} + \varepsilon\,P_{\text{random}}$$
#
# Both matrices are `[S, S]` and hold the probability that a step leads from $s$ (row) to $s'$ (column) *and the episode goes
# on*; a row may sum to less than one. Return $n$ for every state, `[S]`.
#
# Try it by hand first. In a corridor of two cells, with the goal behind the second, greedy walks on; a random step goes on or
# back with equal chance, and at the wall "back" means to stay. With ε = 0.5, from the first cell: is it less than 4, or more?
#
# <details><summary>Hint 1</summary>Bring all n to one side: (I − P) n = 1. One call of
# <code>torch.linalg.solve</code>.</details>
# <details><summary>Hint 2</summary>Mix the matrices, not the answers: the coin is tossed at every step, not once an
# episode.</details>


# %% tags=["exercise"]
def my_expected_steps(greedy, random, epsilon):
    """n = 1 + [(1 − ε) P_greedy + ε P_random] n, solved for n: [S]."""
    ...


_ = check("2.5", my_expected_steps)

# %% [markdown]
# ## 2.7 Drag ε and α
#
# Below are all 480 agents. The solid line is the setting that you choose, with its band; the faint ones have the same ε and the
# other step sizes. The dashed lines are exact, and the one for ε is computed anew at every move.
#
# **Predict**, before you drag: what will α change, and what will ε change?


# %%
def sweep_scene():
    figure, axes = plotting.new_figure(size=(7.2, 4.0))
    axes.set(yscale="log", ylim=(11, 500), xlim=(0, 250), xlabel="episode", ylabel="steps in an episode")
    axes.set_yticks([13, 20, 50, 100, 200], labels=["13", "20", "50", "100", "200"])
    axes.minorticks_off()
    faint = [axes.plot([], [], color=plotting.GREY, linewidth=0.9, alpha=0.6)[0] for _ in RATES]
    line = plotting.draw_band(axes, [0, 1], interquartile_band(torch.full((20, 2), 400.0)), "_learned")
    dashed = plotting.draw_exact(axes, 13.0, "_exact")
    plotting.draw_exact(axes, 13, "_shortest", style=6)
    area = axes.collections[-1]
    beside = {"x": 1.015, "transform": axes.get_yaxis_transform(), "va": "center"}
    note = axes.text(y=13, s="Q*, ε = 0.05: 99.9", color=plotting.BLUE, **beside)
    axes.text(y=12.2, s="shortest way: 13", **beside)
    plotting.provenance(axes, loc="upper right")

    def update(epsilon, alpha):
        for other, drawn in zip(RATES, faint, strict=True):
            middle = bands[epsilon, other].centre
            drawn.set_data(10 * torch.arange(len(middle)) + 5, middle)
        band, exact = bands[epsilon, alpha], plateau(epsilon)
        x = 10 * torch.arange(len(band.centre)) + 5
        line.set_data(x, band.centre)
        area.set_verts([list(zip([*x, *x.flip(0)], [*band.low, *band.high[::-1]], strict=True))])
        dashed.set_ydata([exact, exact])
        note.set(text=f"Q*, ε = {epsilon:g}: {exact:.1f}", y=max(exact, 14))
        near = verdict(abs(band.centre[-3:].mean() / exact - 1), "<", 0.1)
        return (
            f"With ε = {epsilon:g} an agent that holds Q* takes {exact:.1f} steps. The curve learned with α = {alpha:g} ends within 10 % "
            f"of that: {near}."
        )

    return Scene(figure, update)


bands = {setting: interquartile_band(blocks(*setting), resamples=500) for setting in settings}
panel(sweep_scene, {"epsilon": Slider(EPSILONS, 0.3, "ε"), "alpha": Slider(RATES, 0.5, "α")}, width=720)

# %%
still(sweep_scene, epsilon=0.3, alpha=0.5)
early = {rate: torch.cat([blocks(epsilon, rate)[:, :2] for epsilon in EPSILONS], -1).mean() for rate in RATES}
print(
    "the first 20 episodes, all ε together: the larger α, the shorter:",
    verdict([early[0.1], early[0.25], early[0.5]], ">", [early[0.25], early[0.5], early[1.0]]),
)
away = {setting: float(abs(blocks(*setting)[:, -3:].mean() / plateau(setting[0]) - 1)) for setting in settings}
timid = away.pop((0.7, 0.1))
print(
    "at the end, all settings but (ε = 0.7, α = 0.1) are within 10 % of their dashed line:",
    verdict(max(away.values()), "<", 0.1),
)
print("(ε = 0.7, α = 0.1) is not:", verdict(timid, ">", 0.1))
assert early[0.1] > early[0.25] > early[0.5] > early[1.0] and max(away.values()) < 0.1 < timid

# %% [markdown]
# **What it shows.** α moves the curve sideways: it decides *how soon* the agent arrives. ε moves the dashed line: it decides
# *where* the curve ends. With much exploration and a timid step (ε = 0.7, α = 0.1) the budget of 8000 steps is over before the
# curve is down, and there, and only there, the distance to the dashed line is ignorance.

# %% [markdown]
# ## 2.8 Step sizes when the world is noisy
#
# α = 1 was right for mazes, where a sample is the truth. On slippery ice a sample is one outcome of three. With α = 1 the table
# remembers the last outcome and nothing else.
#
# To average the noise away, the step must shrink. Let $\alpha_n$ be the step at the $n$-th update of a pair. The classical
# conditions are those of Robbins and Monro:
#
# $$\sum_n \alpha_n = \infty \quad\text{(far enough to get anywhere)}, \qquad \sum_n \alpha_n^2 < \infty \quad\text{(the noise dies out)}$$
#
# `Config.decay` sets $\alpha_n = \alpha / n^{d}$. Both conditions hold for $\tfrac12 < d \le 1$. With $d = 1$ and α = 1 the
# table holds the plain mean of all targets seen.
#
# **Predict.** Four rules on FrozenLake: α = 1; α = 0.1; $1/n$; $1/n^{0.7}$. Which never settle? Which of the last two is
# better, and why should a plain mean not be best?

# %%
rules = {"α = 1": (1.0, 0.0), "α = 0.1": (0.1, 0.0), "1/n": (1.0, 1.0), "1/n^0.7": (1.0, 0.7)}
start, decay = torch.tensor(list(rules.values()), dtype=torch.float64).T
config = q_learning.Config(
    steps=10_000, discount=0.95, learning_rate=start, decay=decay, epsilon=1.0, exploring_starts=True, max_episode_steps=100, snapshots=60
)
slippery = q_learning.train([lake] * 4, config, seeds=range(20), progress=True)

# %%
errors = q_learning.q_error(slippery.history.snapshots, lake_q, torch.ones_like(lake_q))  # [R, K, T]
figure, axes = plotting.new_figure(size=(6.8, 3.8))
axes.set(yscale="log", xlim=(0, 10_000), ylim=(0.03, 1.5), xlabel="steps of experience", ylabel="largest error, max |Q − Q*|")
for k, name in enumerate(rules):
    plotting.draw_band(axes, slippery.history.snapshot_steps, interquartile_band(errors[:, k]), name, style=k)
plotting.label_lines(axes)
plotting.provenance(axes, loc="center right")
plotting.show(
    figure,
    alt="On slippery ice α = 1 never comes near Q*, α = 0.1 stops improving at a constant distance, 1/n gets stuck early, and 1/n^0.7 "
    "keeps falling.",
)
final = dict(zip(rules, errors[..., -20:].mean(-1).T, strict=True))  # [R] for each rule, over the last third
best = {name: float((final["1/n^0.7"] < other).double().mean()) for name, other in final.items() if name != "1/n^0.7"}
average = (slippery.history.snapshots[:, 0, -20:] - lake_q).abs().mean((1, 2, 3))  # of α = 1, over all entries of the table: [R]
print(
    "α = 1: the mean error is larger than that of an empty table, in all runs:",
    verdict(average, ">", lake_q.mean()),
)
print(
    "1/n^0.7 is nearer to Q* than each other rule in at least 16 of 20 runs:",
    verdict(min(best.values()), ">=", 0.8),
)
assert (average > lake_q.mean()).all() and min(best.values()) >= 0.8
assert 0 <= slippery.history.snapshots.min() and slippery.history.snapshots.max() <= 1

# %% [markdown]
# **What it shows.** With α = 1 the largest error stays about where it was, and the mean error is larger than that of an empty
# table: chance is mistaken for truth, and the maximum picks the luckiest chance (section 2.11). A constant α = 0.1 improves and
# then hovers: the second condition fails, so the noise never dies out. $1/n$ satisfies both conditions and still crawls. It weighs
# all targets alike, and the early ones were computed from an empty table. $1/n^{0.7}$ forgets them.
#
# "Satisfies the conditions" promises arrival in the end. It does not say when. How strongly does a table still remember? After
# N updates the $k$-th target has the weight $\alpha_k \prod_{j=k+1}^{N} (1 - \alpha_j)$, and all weights sum to one because
# $\alpha_1 = 1$. This is the weight that the first hundred of a thousand targets have together:

# %%
n = torch.arange(1, 1001, dtype=torch.float64)
for name, alphas in (("1/n", 1 / n), ("1/n^0.7", 1 / n**0.7), ("α = 0.1", torch.full_like(n, 0.1).index_fill(0, torch.tensor(0), 1.0))):
    kept = (1 - alphas).flip(0).cumprod(0).flip(0).roll(-1)  # the product over all later updates
    kept[-1] = 1.0
    weight = alphas * kept
    print(f"{name:<8} weight of the first hundred: {weight[:100].sum():z.5f}, of the last ten: {weight[-10:].sum():.3f}")
    assert math.isclose(weight.sum(), 1.0)

# %% [markdown]
# The mean never forgets: a tenth of it is its first tenth. $1/n^{0.7}$ has forgotten, and yet no small group of targets rules
# it. With α = 0.1 the last ten make up nearly two thirds, for ever: that is the noise that does not die out.
#
# A detail for the careful. A table world pays the reward of the outcome, as Gymnasium does: 1 if the ice leads to the goal, 0 if it
# leads elsewhere, and not the mean of the two. So no target lies outside 0 to 1, no table does, and even the curve of α = 1 cannot
# climb above 1.
#
# Here is the learned table beside the exact one, as values and as intended directions:

# %%
letters = [[cell.decode() for cell in row] for row in lake_env.unwrapped.desc]
ice = [s for s in range(16) if letters[s // 4][s % 4] != "H"]  # the holes are drawn as walls
board = SimpleNamespace(cells=[divmod(s, 4) for s in ice], start=0, goal=ice.index(15))
figure, axes = plotting.new_figure(1, 2, size=(8.6, 3.9))
learned = slippery.agent.q[:, 3].mean(0)  # 1/n^0.7, mean of 20 runs
for ax, title, table in zip(axes, ("exact", "learned with 1/n^0.7, mean of 20 runs"), (lake_q, learned), strict=True):
    policy = torch.zeros(16, 5, dtype=torch.float64)
    policy[:, [3, 2, 4, 1]] = epsilon_greedy(table.round(decimals=6), 0.0)  # the lake's order is left, down, right, up
    policy[15] = 0.0
    plotting.draw_maze(ax, board, values=table.max(-1).values[ice], policy=policy[ice], limits=(0.0, 0.8))
    ax.set_title(title)
plotting.show(
    figure,
    alt="FrozenLake: the learned values grow towards the goal as the exact ones do, and differ little from them; holes are grey.",
)
assert (learned.max(-1).values - lake_q.max(-1).values).abs().max() < 0.15

# %% [markdown]
# **What it shows.** The values agree. The exact arrows look absurd until you remember the ice: beside a hole the best thing to
# do is to push *away* from it, so that slipping to either side is harmless.

# %% [markdown]
# ## 2.9 Coverage, and optimism
#
# The box says: initialise $Q$ "arbitrarily". In the limit that is right. Within a lifetime, the initial table is the agent's
# first opinion of the world, and it steers where it looks.
#
# Give every pair the value $c$. An action that is tried moves towards $r + \gamma c$. If that is *less* than $c$, trying
# disappoints: the action drops behind the untried ones, and even a greedy agent goes on to the next. If it is *more* than $c$,
# trying pleases, and the agent does the same again, for ever. The border is
#
# $$r + \gamma c \le c \iff c \ge \frac{r}{1-\gamma} = \frac{-0.1}{0.01} = -10$$
#
# **Predict.** Three greedy agents (ε = 0!) in map 4, with $c = 1$, $c = 0$ and $c = -11$. Which of them find the goal?

# %%
initials = (1.0, 0.0, -11.0)
goes_on = ~maze.terminal[..., 0]
for c in (*initials, -10.0):
    change = (mdp.action_values(maze, torch.full((len(q_star),), c, dtype=torch.float64), 0.99) - c)[goes_on]
    print(f"c = {c:>5g}: the best first try changes a value by {change.max():+z.3f}")

optimism = []
for c in initials:
    config = q_learning.Config(steps=1500, initial_value=c, epsilon=torch.tensor([0.0, 0.1], dtype=torch.float64), snapshots=5)
    optimism.append(q_learning.train([maze] * 2, config, seeds=range(20)))
tried = torch.stack([(run.agent.updates[:, :, acting] > 0).double().mean((-1, -2)) for run in optimism])  # [3, R, K] share of pairs tried

figure, axes = plotting.new_figure(1, 3, size=(10.2, 3.0))
for ax, c, run in zip(axes, initials, optimism, strict=True):
    visits = run.agent.updates[:, 0].sum(-1).double().mean(0)
    plotting.draw_maze(ax, world, visits=visits.sqrt(), numbers=None)
    ax.set_title(f"c = {c:g}, ε = 0")
plotting.show(
    figure,
    alt="Where greedy agents go in 1500 steps: with c = 1 and c = 0 they pass through the whole maze, with c = -11 they never leave the "
    "surroundings of the start.",
)
print("ε = 0, c = 1: every pair tried in all runs:                  ", verdict((tried[0, :, 0] == 1).all()))
print(
    "ε = 0, c = 0: at least seven in ten of the pairs in all:     ",
    verdict(tried[1, :, 0], ">", 0.7),
)
print(
    "ε = 0, c = -11: fewer than one pair in ten, in all runs:     ",
    verdict(tried[2, :, 0], "<", 0.1),
)
print(
    "ε = 0.1, c = -11: fewer than half of the pairs, in all runs: ",
    verdict(tried[2, :, 1], "<", 0.5),
)
assert (tried[0, :, 0] == 1).all() and (tried[1, :, 0] > 0.7).all() and (tried[2, :, 0] < 0.1).all() and (tried[2, :, 1] < 0.5).all()

# %% [markdown]
# **What it shows.** (The area of a circle grows with the square root of the visits, so that rare ones show.) The agent with
# $c = 1$ is disappointed by everything it does, and so does everything; it needs no ε. With $c = 0$, the usual choice, the same
# happens until the goal is found: in a world where every step costs something, *zero is optimistic*. The agent with $c = -11$
# is pleasantly surprised by the first thing it does, does it again, and ends up going to and fro among a few cells. With ε =
# 0.1 it still tries less than half of the pairs.
#
# That is also the full answer to section 2.3. FrozenLake's rewards are zero, so $c = 0$ lies exactly on the border: trying
# neither pleases nor disappoints, and only the way you break ties moves the agent at all.
#
# Two ways to cover the pairs, then. **Exploring starts** put the agent everywhere, if you may (section 2.5 did). **Optimism**
# makes it go there by itself, once. Neither replaces ε in a noisy world: optimism is used up after the first visits.

# %% [markdown]
# ## 2.10 Worse in training, better in testing?
#
# Under the box the thesis writes: “It is also known that this algorithm performs worse during training but does better than its
# counterparts in the testing phase”, without a source and without a condition. Is it true?
#
# Its *counterparts* are on-policy methods such as SARSA, which put the behaviour's own action in the target. You need not train
# one. What such a method settles on, if ε stays fixed, is the best policy *among those that explore with that ε*: it plans for
# its own slips. Q-learning settles on $Q_*$, which plans as if there were none. Both can be computed, and so can what either
# gets with and without exploration.
#
# The classic example is CliffWalking: from the lower left corner to the lower right one, −1 a step, and −100 and back to the
# start for stepping off the cliff between them.
#
# **Predict.** The shortest way runs along the edge. What will an agent do that knows it slips with ε = 0.1?


# %%
def soft_optimum(task, epsilon):
    """The best ε-soft policy, by policy iteration among those: its action values."""
    policy = epsilon_greedy(dynamic_programming.policy_iteration(task, 1.0).q.round(decimals=9), epsilon)
    while True:
        q = mdp.action_values(task, mdp.evaluate(task, policy, 1.0), 1.0).round(decimals=9)
        better = epsilon_greedy(q, epsilon)
        if torch.equal(better, policy):
            return q
        policy = better


def returns(task, q, epsilon):
    """Exact expected return from the start: (while exploring with ε, tested without)."""
    return [float((task.start * mdp.evaluate(task, epsilon_greedy(q, e), 1.0)).sum()) for e in (epsilon, 0.0)]


cliff = mdp.MDP.from_gymnasium(gymnasium.make("CliffWalking-v1"))
print("                     Q*: training, testing     best while exploring: training, testing")
for name, task, chosen in (("CliffWalking", cliff, 0.1), ("CliffWalking", cliff, 0.01), ("map 4", maze, 0.1), ("map 4", maze, 0.01)):
    off = returns(task, dynamic_programming.policy_iteration(task, 1.0).q.round(decimals=9), chosen)
    on = returns(task, soft_optimum(task, chosen), chosen)
    print(f"{name:<13}ε = {chosen:<5}{off[0]:>13.2f}{off[1]:>10.2f}{on[0]:>30.2f}{on[1]:>10.2f}")
    assert off[0] <= on[0] + 1e-9 and off[1] >= on[1] - 1e-9 and (task is cliff or on[0] - off[0] < 0.02)

# %% [markdown]
# On the cliff the sentence is right, and by a lot. In map 4 the two differ in training by less than two hundredths, because
# nothing there punishes a slip by much, and in testing not at all. And as ε goes to zero the difference in training goes with
# it.
#
# > **Verdict.** *True as two inequalities, at a fixed ε and after both have converged.* In training nobody beats the policy
# > that is best while exploring, in testing nobody beats $Q_*$; that is what the two are defined by. How much it matters
# > depends on what a slip costs, from nothing (map 4, testing) to most of the return (the cliff). The sentence says nothing
# > about which learns *faster*, and it is no law for agents whose ε decays.
#
# Drag ε and watch when the careful agent takes a step back from the edge.

# %%
CLIFF_EPSILONS = [0.001, 0.01, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
dry = [s for s in range(48) if not 36 < s < 47]  # the cliff is drawn as wall
shore = SimpleNamespace(cells=[divmod(s, 12) for s in dry], start=dry.index(36), goal=dry.index(47))


def route(q):
    """The states on the way of the greedy policy, numbered as `dry` is."""
    state, way = 36, [36]
    while state != 47:
        state = int(cliff.successor[state, int(q[state].argmax()), 0])
        way.append(state)
    return [dry.index(s) for s in way]


def cliff_scene():
    figure, (upper, lower) = plotting.new_figure(2, 1, size=(6.6, 5.2))
    q_cliff = dynamic_programming.policy_iteration(cliff, 1.0).q.round(decimals=9)
    plotting.draw_maze(upper, shore, path=route(q_cliff), numbers=None)
    drawn = plotting.draw_maze(lower, shore, path=route(q_cliff), numbers=None)

    def update(epsilon):
        careful = soft_optimum(cliff, epsilon)
        off, on = returns(cliff, q_cliff, epsilon), returns(cliff, careful, epsilon)
        way = route(careful)
        drawn.update(path=way)
        upper.set_title(f"Q*, tested: {off[1]:.0f}   while exploring with ε = {epsilon:g}: {off[0]:.1f}")
        lower.set_title(f"best while exploring, tested: {on[1]:.0f}   while exploring: {on[0]:.1f}")
        return (
            f"With ε = {epsilon:g} the agent that plans for its slips takes a way of {len(way) - 1} steps instead of 13, and gets "
            f"{on[0]:.1f} while exploring, against {off[0]:.1f}."
        )

    return Scene(figure, update)


panel(cliff_scene, {"epsilon": Slider(CLIFF_EPSILONS, 0.1, "ε")}, width=640)

# %%
still(cliff_scene, epsilon=0.2)
ways = {chosen: len(route(soft_optimum(cliff, chosen))) - 1 for chosen in (0.001, 0.01, 0.1, 0.2, 0.5)}
print("length of the careful way, by ε:", ways)
assert list(ways.values()) == [13, 15, 15, 17, 17]

# %% [markdown]
# **What it shows.** $Q_*$ keeps to the edge whatever ε is: off-policy values do not know about slips. The policy that is best
# while exploring weighs them. At ε = 0.001 it walks the edge too, at 0.01 one row away from it, and at 0.2 along the far wall.

# %% [markdown]
# ## 2.11 The maximum of noise
#
# One flaw of (2.17) remains, and it will follow you into deep networks. Two actions are both worth 0. Each pays +1 or −1 with
# equal chance, and you try each once. Your estimates are (+1, +1), (+1, −1), (−1, +1) or (−1, −1), all equally likely, and
# their maxima are 1, 1, 1 and −1. On average the maximum of your estimates is ½, and the truth is 0. The estimates are fair;
# their *maximum* is not, because it picks whoever was lucky: $\mathbb{E}[\max_a \hat Q(a)] \ge \max_a \mathbb{E}[\hat Q(a)]$.


# %%
def expected_maximum(actions, samples):
    """E[max of the sample means] of `actions` actions, each the mean of `samples` tosses of +1 or −1, by enumeration."""
    chance = torch.tensor([math.comb(samples, k) / 2**samples for k in range(samples + 1)], dtype=torch.float64)
    means = 2 * torch.arange(samples + 1) / samples - 1
    all_at_most = chance.cumsum(0) ** actions  # the chance that no mean is above this one
    return float((means * all_at_most.diff(prepend=torch.zeros(1))).sum())


print("samples of each action    1      4     16     64")
for actions in (2, 5, 20):
    print(f"{actions:>2} actions, all worth 0 " + "".join(f"{expected_maximum(actions, samples):7.4f}" for samples in (1, 4, 16, 64)))
above = (slippery.agent.q[:, 0] - lake_q)[:, ice[:-1]].mean((-1, -2))  # the goal, last, has no actions to value
print(
    "FrozenLake with α = 1 (section 2.8): the mean value is above that of Q* in all 20 runs:",
    verdict(above, ">", 0),
)
assert math.isclose(expected_maximum(2, 1), 0.5) and (above > 0).all()

# %% [markdown]
# The bias grows with the number of actions and shrinks with the number of samples. In a deterministic maze there is none, which
# is one more reason why α = 1 worked there. In Q-learning it feeds itself: an overestimate is the maximum of its state, and so
# the target of its neighbours. The cure is to let one table choose the action and another one value it: *double* Q-learning.
# You will need it for networks.

# %% [markdown]
# ## What you learned
#
# - Q-learning replaces the expectation of the Bellman equation by one sample, the sweep by the state at hand, the assignment by
#   a step α.
# - The target has the maximum, not the behaviour, so every behaviour that keeps visiting all pairs leads to $Q_*$.
# - In a deterministic world α = 1 is exact; in a noisy one the step must shrink, and not too fast.
# - A learning curve levels off at the exact expected steps of its ε, not at the optimum. Test without exploring before you
#   judge.
# - An initial table is an opinion: above $r/(1-\gamma)$ it makes the agent curious, below it makes it stay.
# - The maximum of noisy estimates is too high on average.
#
# ## Self-quiz
#
# <details><summary>1. A transition is cut by the clock in state S'. What is its target, and why not R alone?</summary> R + γ
# max Q(S', ·). The clock is not part of the world: S' is worth as much as it would be without it. R alone would say that
# nothing good can follow.</details>
#
# <details><summary>2. An agent behaves by throwing dice, for ever. Can its table converge to Q*? Can its returns become
# good?</summary> The table can: random behaviour visits every pair (section 2.5). The returns of the dice do not improve, of
# course. What improves is the policy that you could read off the table.</details>
#
# <details><summary>3. Two curves on the same task level off at 15 and at 27. Name one number you must know before you say which
# agent knows more.</summary> The ε of each while it was measured. Or measure again with ε = 0.</details>
#
# <details><summary>4. Why did α = 0.1 lose in the maze and win against α = 1 on the ice?</summary> In the maze each sample
# equals its expectation, so a small step only throws information away. On the ice samples scatter, and α = 1 keeps only the
# last one.</details>
#
# <details><summary>5. A task pays +1 at every step and γ = 0.9. Is an initial table of zeros optimistic?</summary> No. The
# border is r/(1 − γ) = 10. Starting from 0, the first action tried pleases and is repeated; a greedy agent never tries
# another.</details>
#
# <details><summary>6. Why is a table that is wrong by 0.5 somewhere no contradiction to a perfect policy?</summary> The policy
# needs only the right order of actions in the states it comes to. Pairs that it never meets may hold anything.</details>
#
# ## Errata met in this chapter
#
# - **Section 2.1.2**: the table of a Q-learning agent is said to approximate $Q_\pi$; it approximates $Q_*$ (section 2.2 here).
# - **(2.17) and its box**: right as printed. The box knows no time-outs; where episodes are cut, the target bootstraps (section 2.4). -
#   **Last sentence of 2.2**, “performs worse during training but does better than its counterparts in the testing phase”: true as an
#   inequality at a fixed ε after convergence, and sometimes an equality (section 2.10).
#
# ## Further reading
#
# - Sutton and Barto, *Reinforcement Learning: An Introduction*, 2nd edition: section 6.5 (Q-learning, and the cliff), 6.7
#   (maximisation bias), 2.5 and 2.6 (step sizes, optimistic initial values).
# - Watkins and Dayan, "Q-learning", *Machine Learning* 8, 1992: the convergence theorem; sections 1 and 2 state it.
# - Even-Dar and Mansour, "Learning rates for Q-learning", *JMLR* 5, 2003: why $1/n$ is slow and $1/n^{d}$ is not; section 1
#   gives the result.
# - Van Hasselt, "Double Q-learning", NeurIPS 2010, sections 1 to 3.
# - Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021, sections 4.1 and 4.3:
#   bands and the interquartile mean.
#
# **Next:** chapter 03 puts a network in place of the table. The update stays; what was safe here, will break there.
