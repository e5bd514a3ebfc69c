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
# # 00 · Start here
#
# **You will be able to**
#
# - tell whether your machine is ready for the course;
# - run a chapter, predict before you look, and read what `check` says about your code;
# - tell an *exact* number from a *learned* one in every picture of this course;
# - say what the five mazes that run through the course share, why an agent could profit from it, and what Distral's two numbers do.
#
# **Before you start**
#
# - You have opened this notebook in JupyterLab, with `make lab` or as the README describes.
# - You can read Python, and you know what a probability and an expectation are. Nothing about reinforcement learning is assumed.
#
# **Time** 35 minutes to read and do, about 12 seconds to run. **Modules** `distral_lite.gridworld`, `distral_lite.mdp`,
# `distral_lite.distral`. **Equations** none yet.

# %% [markdown]
# ## 0.1 Is this machine ready?
#
# Run the next cell: click it and press Shift+Enter. It prints one line for each thing the course needs. If a line says *no*, it also says
# what to do. Do that first: every later cell relies on these.

# %%
from distral_lite.checks import check, set_up

assert set_up()

# %% [markdown]
# ## 0.2 How a chapter works
#
# A chapter is a notebook that you can run from top to bottom (menu *Run*, *Run All Cells*) before you have solved anything. Nothing breaks:
# an exercise that you have not touched says so and lets you pass. Read it in this order:
#
# 1. **The idea in words**, then the **equation** with its number in the thesis that this course implements, then the **code that is that
#    equation**, printed from the module it is imported from. What you read is what runs.
# 2. **Predict.** A question stands before the answer. Write your answer down, on paper. A wrong guess that you remember teaches more than a
#    right answer that you only read.
# 3. **Run, and look.** Pictures carry one sentence that says what they show. Where it can be, that sentence is asserted in the cell, so it
#    cannot quietly become false.
# 4. **Exercises** stand where you need them, with dots for difficulty and minutes. Their hints are folded. `check` tells you what is wrong
#    with an answer, not just that it is wrong. Worked answers are in the folder `solutions`, one notebook a chapter. Try first.
# 5. **The end of the chapter** has a quiz with folded answers, the errors of the thesis that you have met, and where to read on.
#
# Two words return in every picture:
#
# - **exact**: computed from the known rules of a small world by linear algebra. There is no noise in it. It is drawn *dashed*.
# - **learned**: what an agent found by trial and error. It depends on luck, so it is never drawn from one run. You see the middle of at
#   least twenty runs as a *solid line*, and a *band* that says how far the middle could have moved with other seeds.
#
# A third, *recorded by the thesis*, is drawn *dotted*: a figure that the thesis's author published. Much of this course is about holding
# these three against each other.

# %% [markdown]
# ## 0.3 A first maze, answered exactly
#
# Here is one of the thesis's eight mazes, as text. `#` is wall, `S` is where you start, `G` is where you want to be.

# %%
from distral_lite.gridworld import ACTIONS, load_map

world = load_map(4)
print("\n".join(world.rows))
print("actions:", ", ".join(ACTIONS))

# %% [markdown]
# In each step the agent takes one of five actions. Every step costs 0.1, standing still included. A move into a wall leaves the agent where
# it is and costs 0.5 more. Entering the goal pays 1 and ends the episode. So the agent should arrive, soon, and without bumping.
#
# **Predict.** Count squares in the text above: in how many steps can the goal be reached? And a visitor who takes each of the five actions
# with equal chance, for ever, without a thought: how many steps does that take on average? Write down both numbers. The second is harder
# than it looks, so a rough guess will do.

# %%
import torch

from distral_lite import dynamic_programming, mdp, plotting

maze = world.mdp()
best = dynamic_programming.policy_iteration(maze, discount=0.99).policy
random = mdp.uniform_policy(maze)
print(f"best policy:   {mdp.expected_steps(maze, best):6.1f} steps")
print(f"random policy: {mdp.visits(maze, random, discount=1.0).sum():6.1f} steps")
print(f"random policy: {mdp.expected_steps(maze, random, cap=1000):6.1f} steps, if every episode is cut after 1000")

# %% [markdown]
# Both answers come without a single simulated step. The maze has 32 squares, so "how long from here?" is 32 unknowns in 32 linear
# equations, and a computer solves them in a blink. Chapter 01 shows you the equations. For now keep the two numbers: 13 steps for the best
# policy, and more than fifty times as many for blind chance. Between them lies everything that an agent can learn here.
#
# The picture shows the best policy. An arrow is an action, as long as it is probable; here every arrow has probability one.

# %%
figure, axes = plotting.new_figure(size=(4.6, 3.6))
path = world.shortest_path()
plotting.draw_maze(axes, world, policy=best, path=path)
plotting.show(figure, alt="From every square the best policy leads along a shortest way; from S to G it has 13 steps through the corridor.")
assert len(path) - 1 == 13 == round(mdp.expected_steps(maze, best))

# %% [markdown]
# **What it shows.** From every square the arrows lead along a shortest way; from the start that way has 13 steps, and it passes the narrow
# corridor in the middle.

# %% [markdown]
# ## 0.4 A first slider
#
# An agent that learns must try things. The simplest way is to act at random in a share ε of the steps and to follow the best policy known
# in the others. Suppose an agent already knows the best policy, and still explores like that. What does it cost?
#
# **Predict.** With ε = 0 the way takes 13 steps. How many with ε = 0.5, where every second action is a random one? About 18, about 26,
# about 52, or about 290 (halfway between 13 and the random policy)? Note your letter for exercise 0.1 below, *then* drag the slider. With
# the slider in focus you can also press the arrow keys.

# %%
from distral_lite.widgets import Scene, Slider, panel, still

EPSILONS = [round(0.1 * i, 1) for i in range(11)]


def explore(epsilon):
    """The policy that acts at random with probability epsilon and takes the best action otherwise."""
    return (1 - epsilon) * best + epsilon * random


def exploration_scene():
    figure, (left, right) = plotting.new_figure(1, 2, size=(8.2, 3.6), width_ratios=[1.25, 1])
    drawn = plotting.draw_maze(left, world, policy=best, visits=torch.zeros(len(world.cells)), numbers=None)
    left.set_title("where one episode passes, on average")
    steps = [float(mdp.visits(maze, explore(epsilon), 1.0).sum()) for epsilon in EPSILONS]
    plotting.draw_exact(right, steps, "exact", x=EPSILONS)
    (dot,) = right.plot([0], [13], marker="o", markersize=9, color=plotting.ORANGE)
    right.set(xlabel="share of random actions, ε", ylabel="expected steps", yscale="log", title="how long it takes")
    right.set_yticks([13, 26, 52, 104, 208, 416, 693], labels=["13", "26", "52", "104", "208", "416", "693"])
    right.minorticks_off()

    def update(epsilon):
        policy = explore(epsilon)
        visits = mdp.visits(maze, policy, discount=1.0)
        drawn.update(policy=policy, visits=visits)
        dot.set_data([epsilon], [float(visits.sum())])
        return f"With ε = {epsilon:g} an episode takes {visits.sum():.1f} steps on average."

    return Scene(figure, update)


panel(exploration_scene, {"epsilon": Slider(EPSILONS, 0.0, "ε")}, width=760)

# %% [markdown]
# Every position of the slider is a new exact solution, not a replay of stored pictures. The picture below is the same drawing at ε = 0.5,
# kept for readers who see this page without a running kernel. You will find such a still under every slider of the course.

# %%
still(exploration_scene, epsilon=0.5)
half, nine_tenths = (float(mdp.visits(maze, explore(epsilon), 1.0).sum()) for epsilon in (0.5, 0.9))
print(f"ε = 0.5: {half:.1f} steps    ε = 0.9: {nine_tenths:.1f} steps")
print(f"13 / (1 - ε): {13 / 0.5:.0f} and {13 / 0.1:.0f}")
assert 1.9 < half / 13 < 2.1 and 11 < nine_tenths / 13 < 12

# %% [markdown]
# **What it shows.** Half random is not halfway to random: at ε = 0.5 the way is twice as long, at ε = 0.9 eleven times. The reason fits in
# one line. A random action leads back as often as it leads on, so random steps only cost time; the others, a share 1 − ε, make all the
# ground. That predicts 13 / (1 − ε): 26 at ε = 0.5 and 130 at ε = 0.9. The exact numbers differ a little, because walls get in the way.
#
# Remember it when you meet a learning curve that was recorded *while the agent still explored*: such a curve can look like ignorance and be
# nothing but noise. Chapter 02 returns to this.

# %% [markdown]
# ### Exercise 0.1 · predict one setting  (●○○ · 2 min)
# Put the letter that you wrote down before you dragged the slider in place of `None`, and run the cell: **a** about 18 steps, **b** about
# 26, **c** about 52, **d** about 290. A wrong letter is welcome here. It gets you the line that a tutor would say.

# %% tags=["exercise"]
answer = None

_ = check("0.1", answer)

# %% [markdown]
# ### Exercise 0.2 · meet the checker  (●○○ · 5 min)
# Write the mixture of section 0.4 for any policy: with probability ε each action is equally likely, otherwise the policy decides. Give it
# some wrong versions on purpose first, for example `return policy`, or forget to divide by the number of actions. Watch what `check` says:
# the input, what it found, what it wanted, and often why.
#
# $$\pi_\varepsilon(a\mid s) = (1-\varepsilon)\,\pi(a\mid s) + \frac{\varepsilon}{A}$$
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $\pi(\cdot\mid s)$ | `policy` | `[..., A]` | probability |
# | $\varepsilon$ | `epsilon` | number | probability |
# | $A$ | `policy.shape[-1]` | number | actions |
#
# <details><summary>Hint 1</summary>A tensor times a number, plus a number: no loop is needed.</details>
# <details><summary>Hint 2</summary>Each row must still sum to one. What do you have to add to each of A actions so that the sum is
# ε?</details>


# %% tags=["exercise"]
def mix(policy, epsilon):
    """(1 - epsilon) * policy + epsilon / A, for a tensor of probabilities [..., A]."""
    ...


_ = check("0.2", mix)

# %% [markdown]
# ## 0.5 Five mazes, one set of walls
#
# Maps 4 to 8 have the same walls. Only start and goal move. An agent that is asked to solve all five could learn each one from nothing. Or
# it could notice what they have in common. That is **multitask reinforcement learning**, and *Distral*, the method this course leads up to,
# is one answer to the question of how to notice.
#
# **Predict.** Put five experts, one a maze, on top of one another. Where do they all do the same? Where must they part? Look at the mazes,
# then name the one square where the parting is decided.

# %%
worlds = [load_map(number) for number in (4, 5, 6, 7, 8)]
mazes = mdp.stack([each.mdp() for each in worlds])
experts = dynamic_programming.policy_iteration(mazes, discount=0.99).policy
visits = mdp.visits(mazes, experts, discount=1.0)

figure, rows = plotting.new_figure(1, 5, size=(10, 1.9))
for axes, each in zip(rows, worlds, strict=True):
    plotting.draw_maze(axes, each, path=each.shortest_path(), numbers=None)
    axes.set_title(each.name)
plotting.show(figure, alt="Five mazes with the same walls: every shortest path that leaves the left room goes right through the corridor.")
assert len({tuple(row.translate(str.maketrans("SG", "..")) for row in each.rows) for each in worlds}) == 1

# %% [markdown]
# Now the summary of five experts in one policy. In each square, count how often the experts take each action there, and divide by the
# number of visits: a weighted average of the experts, where an expert who passes a square has a say in it and one who never comes has none.

# %%
counts = (visits.unsqueeze(-1) * experts).sum(0)
passed = counts.sum(-1) > 1e-9
shared = torch.where(passed.unsqueeze(-1), counts / counts.sum(-1, keepdim=True), random)

fork = world.cells.index((4, 7))
print("experts that pass the fork:", round(float(counts[fork].sum())))
for action, share in zip(ACTIONS, shared[fork], strict=True):
    print(f"  {action:<6}{float(share):z.2f}")

figure, axes = plotting.new_figure(size=(4.6, 3.6))
common = torch.where(passed.unsqueeze(-1), shared, torch.zeros_like(shared))
plotting.draw_maze(axes, world, policy=common, visits=visits.sum(0), numbers=None)
plotting.show(figure, alt="The experts agree in all squares that they pass, save the fork behind the corridor: two go up, one goes down.")
agree = (shared[passed].max(-1).values == 1).sum()
assert int(agree) == int(passed.sum()) - 1 and float(shared[fork].max()) < 1

# %% [markdown]
# **What it shows.** Wherever an expert passes, all that pass do the same, except at one square: the fork behind the corridor, where two go
# up and one goes down. (S and G in the picture are map 4's. Squares without an arrow are those that no expert passes.)
#
# What would such a summary be worth to an agent that has never seen one of these mazes? Test it fairly: leave one expert out, summarise the
# other four, and let an agent follow that summary in the fifth maze, with one action in five at random so that it cannot get stuck. Where
# no expert passed, it acts at random.

# %%
print("maze    random    summary of the other four    best")
for left_out, each in enumerate(worlds):
    others = torch.tensor([task != left_out for task in range(5)])
    count = (visits.unsqueeze(-1) * experts)[others].sum(0)
    known = count.sum(-1, keepdim=True) > 1e-9
    prior = torch.where(known, count / count.sum(-1, keepdim=True).clamp(min=1e-9), random)
    task = each.mdp()
    steps = [float(mdp.visits(task, policy, 1.0).sum()) for policy in (random, 0.8 * prior + 0.2 * random, experts[left_out])]
    print(f"{each.name}  {steps[0]:7.1f}  {steps[1]:27.1f}  {steps[2]:6.1f}")
    assert steps[2] < steps[1] < steps[0]

# %% [markdown]
# **What it shows.** In every maze the summary of the *other four* beats blind chance. In maps 5 and 6 an agent that has never been there is
# nearly as good as the expert. In map 4 it hardly helps. Can you see why before you read on? Look at the fork.
#
# Without map 4's expert, all who pass the fork go up. The summary says "up" with full confidence, and map 4's goal is down. What was true
# in every maze so far is wrong in this one, and the agent is rescued only by its random steps. So sharing can mislead as well as help. How
# firmly should a task agent hold to what the others do, and who decides? Distral's two numbers, α and β, answer that.

# %% [markdown]
# ## 0.6 Where the course leads
#
# Here is that answer, as something to drag. Distral gives every task a policy of its own and all tasks one policy π₀ to share. A task earns
# its maze's rewards, and pays for two things: for *leaving what is shared*, and for *being certain*. Two numbers set the prices:
#
# - **β** says how little the two prices count against rewards. Near infinity only rewards count; near zero only the prices do.
# - **α**, between 0 and 1, says which of the two is paid. At α = 1 a task pays for leaving π₀ only, at α = 0 for being certain only, and
#   nothing is shared.
#
# Nothing is trained here: with every move of a slider the best five policies and the best π₀ *together* are solved exactly. You need not
# follow how; chapter 08 derives it, and has this explorer in full.
#
# **Predict.** At α = 0.8 and β = 5 map 4 takes 14.4 steps; 13 would be the shortest. (a) Will β = 20 make the ways longer or shorter? (b)
# At β = 5, pull α from 0.8 down to 0.5, so that certainty becomes dearer and leaving π₀ cheaper. What happens?

# %%
from distral_lite import distral

NUMBERS = (4, 5, 6, 7, 8)
tasks = [each.mdp() for each in worlds]
acting = [torch.arange(32).unsqueeze(-1) != each.goal for each in worlds]  # nobody acts at the goal: no arrow there


def lengths(best):
    """Expected steps of the five task policies, each episode cut after 1000."""
    return mdp.expected_steps(mazes, best.log_pi.exp())


def explorer():
    figure, rows = plotting.new_figure(2, 3, size=(7.8, 4.8))
    shared_place, *places = rows.ravel()
    drawn = [plotting.draw_maze(axes, each, policy=torch.zeros(32, 5), numbers=None) for axes, each in zip(places, worlds, strict=True)]
    drawn_shared = plotting.draw_maze(shared_place, world, policy=torch.zeros(32, 5), numbers=None)
    shared_place.set_title("π₀, shared")

    def update(alpha, beta):
        best = distral.solve(tasks, alpha, beta, 0.99, tolerance=1e-7)
        steps = ["never arrives" if length > 990 else f"{float(length):.1f} steps" for length in lengths(best)]
        drawn_shared.update(policy=best.log_pi0.exp())
        for k, number in enumerate(NUMBERS):
            drawn[k].update(policy=best.log_pi[k].exp() * acting[k])
            places[k].set_title(f"map {number}: {steps[k]}")
        ways = ", ".join(f"map {number} {step}" for number, step in zip(NUMBERS, steps, strict=True))
        return f"α = {alpha:g}, β = {beta:g}: {ways}."

    return Scene(figure, update)


panel(explorer, {"alpha": Slider((0, 0.2, 0.5, 0.8, 0.95), 0.8, "α"), "beta": Slider((3, 5, 10, 20, 50), 5, "β")}, width=760)

# %%
still(explorer, alpha=0.8, beta=5)
middle, sharper, dearer = (lengths(distral.solve(tasks, alpha, beta, 0.99)) for alpha, beta in ((0.8, 5), (0.8, 20), (0.5, 5)))
print(f"map 4 at α = 0.8, β = 5: {float(middle[0]):.1f} steps; at β = 20: {float(sharper[0]):.1f}")
print(f"at α = 0.5, β = 5: {int((dearer > 990).sum())} of 5 tasks never arrive within 1000 steps")
assert all(float(length) < len(each.shortest_path()) - 1 + 0.01 for length, each in zip(sharper, worlds, strict=True))
assert round(float(middle[0]), 1) == 14.4 and bool((dearer > 990).all())

# %% [markdown]
# **What it shows.** (a) Shorter: at β = 20 the prices hardly count, and all five ways are the shortest to within a hundredth of a step. (b)
# Nobody arrives any more. Being certain now costs more than a step does, so the best thing to do is to dither for ever, and each agent does
# it on purpose. Chapter 06 computes where it begins, and asks whether the thesis's failures at low β are of this kind.
#
# Look at π₀ at α = 0.8: at the fork it is undecided, because there the tasks part; in the corridor it says "right", as all who pass do. (S
# and G beside π₀ are map 4's.) This is the summary of section 0.5, found this time by solving for everything at once. Whether an agent that
# *learns* gets there is the question of the chapters after 08.

# %% [markdown]
# ## What you learned
#
# - A chapter runs untouched; you predict, run, look, and do the exercises where they stand.
# - In a small known world the length of an episode is exact: linear equations, no simulation.
# - A policy that explores can be far from short although it knows the way: at ε = 0.5 twice as long, at ε = 0.9 eleven times.
# - Five mazes can share nearly all of their solution; a summary of some helps in another, and can mislead where they part.
# - Distral balances reward against two prices, and there are prices at which the best agent never arrives.
#
# ## Self-quiz
#
# <details><summary>1. A picture has a dashed line and a solid line with a band. Which of them would change if you ran the cell with other
# seeds?</summary> The solid one: it is learned, the middle of at least twenty runs. The dashed one is exact: no seed enters it.</details>
#
# <details><summary>2. A learning curve levels off at 26 steps in map 4. Is the agent unable to find the way of 13?</summary> Not
# necessarily. An agent that knows the best policy and takes a random action in half of its steps takes 25.8 steps on average. Ask how much
# it explored while it was measured.</details>
#
# <details><summary>3. You run a chapter and an exercise prints "not attempted yet". Is something broken?</summary> No. That is what an
# untouched exercise prints. Nothing after it depends on your answer.</details>
#
# <details><summary>4. Why did the summary of four experts help so little in map 4, although it helped in the other mazes?</summary> At the
# fork all remaining experts that pass go up, so the summary is certain, and in map 4 it is wrong. Before the fork it is as right as
# ever.</details>
#
# ## Errata met in this chapter
#
# None: the thesis's equations begin in chapter 01. There, and in every later chapter, an error in the thesis is marked where you meet it,
# in a block that begins with the word *Erratum*, with the printed form's number and one sentence on what was wrong. The end of each chapter
# lists them.
#
# ## Further reading
#
# - Sutton and Barto, *Reinforcement Learning: An Introduction*, 2nd edition, chapter 1: what reinforcement learning is, with no equations.
#   Sections 1.1 to 1.4 are enough to begin.
# - Teh et al., "Distral: Robust Multitask Reinforcement Learning", NeurIPS 2017, section 1: the problem of sharing, in two pages. Read it
#   again after the last chapter.
# - Wan, "Multi-task Deep Reinforcement Learning via Policy Distillation", MSc thesis, UCL 2019, chapter 1: the thesis that this course
#   implements and audits.
#
# **Next:** chapter 01 writes down the equations that were solved here, and asks what a state, a value and a policy are.
