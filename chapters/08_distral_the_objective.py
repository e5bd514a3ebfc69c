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
# # 08 · Distral: the objective
#
# **You will be able to**
#
# - write Distral's objective in both of its forms, and say what $\alpha$ and $\beta$ buy;
# - tell the one-column from the two-column task policy, and name the temperature that each of them has;
# - derive the best shared policy for given task policies, and compute it;
# - find the exact joint optimum for five mazes in a blink, and say which of its numbers depend on where you started;
# - explain when a shared policy needs a memory, with the picture of the corridor.
#
# **Before you start**
#
# - Chapter 01: values by linear solve, discounted visits. Chapter 06: soft value, soft policy, the phase transition at a critical $\beta$.
# - Section 0.5 of chapter 00: five mazes that share their walls.
#
# **Time** 60 minutes to read and do, about 20 seconds to run. **Module** `distral_lite.distral`. **Equations** 2.62 to 2.74.

# %%
import torch

from distral_lite import distral, mdp, plotting, soft, soft_q_learning
from distral_lite.checks import check
from distral_lite.gridworld import ACTIONS, GridWorld, load_map
from distral_lite.statistics import verdict
from distral_lite.widgets import Scene, Slider, panel, show_source, still

NUMBERS = (4, 5, 6, 7, 8)
worlds = {number: load_map(number) for number in NUMBERS}
tasks = [worlds[number].mdp() for number in NUMBERS]
stacked = mdp.stack(tasks)
uniform = mdp.uniform_policy(tasks[0]).log()
ALPHA, BETA, GAMMA = 0.8, 5.0, 0.999

# %% [markdown]
# ## 8.1 Two prices
#
# Five agents live in five mazes with the same walls. You want them to learn from one another. Distral's idea is to give them one more
# policy, $\pi_0$, that belongs to nobody: the **distilled policy**. Each **task policy** $\pi_i$ earns the rewards of its own maze, and
# pays two prices at every step:
#
# - $C_{\mathrm{KL}}$ for each nat by which it **leaves the distilled policy**: $\log \pi_i - \log \pi_0$;
# - $C_{\mathrm{Ent}}$ for each nat of **certainty**: $\log \pi_i$, which is negative, so that being undecided earns something.
#
# The distilled policy earns nothing by itself. It is free to move wherever the tasks pay least. Added up over tasks, this is the objective:
#
# $$J(\pi_0, \pi_1, \dots, \pi_K) = \sum_i \mathbb{E}_{\pi_i}\Big[\sum_{t\ge 0} \gamma^t\Big( R_i(s_t,a_t)
# - C_{\mathrm{KL}} \log\frac{\pi_i(a_t\mid s_t)}{\pi_0(a_t\mid s_t)} - C_{\mathrm{Ent}} \log \pi_i(a_t\mid s_t)\Big)\Big]
# \qquad\text{(2.62)}$$
#
# Two prices are hard to think about, because both act on $\log\pi_i$. Collect the terms and give the sums new names:
#
# $$\alpha = \frac{C_{\mathrm{KL}}}{C_{\mathrm{KL}} + C_{\mathrm{Ent}}}, \qquad \beta = \frac{1}{C_{\mathrm{KL}} + C_{\mathrm{Ent}}},
# \qquad
# J = \sum_i \mathbb{E}_{\pi_i}\Big[\sum_{t\ge 0} \gamma^t\Big( R_i + \frac{\alpha}{\beta} \log\pi_0 - \frac1\beta \log \pi_i \Big)\Big]
# \qquad\text{(2.62, second line)}$$
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $\pi_0$ | `log_pi0` (its log) | `[S, A]` | nats |
# | $\pi_i$ | `log_pi` (their logs) | `[K, S, A]` | nats |
# | $\alpha$, from 0 to 1 | `alpha` | number | share of the price that is paid for leaving $\pi_0$ |
# | $\beta$ | `beta` | number | 1 / reward |
# | $C_{\mathrm{KL}}, C_{\mathrm{Ent}}$ | `c_kl`, `c_ent` | numbers | reward / nat |
#
# So $\beta$ says how *cheap* it is to be anything at all, and $\alpha$ says *from where* distance is measured: at $\alpha = 1$ from the
# distilled policy alone, at $\alpha = 0$ from nowhere: only certainty costs, and the tasks no longer know of one another.
#
# > **Erratum.** Just before (2.62) the thesis writes the regulariser as $\log(\pi_i/\pi_0) - \log\pi_i$. Both terms are *subtracted* from
# > the reward in (2.62), so the second sign there must be a plus: $C_{\mathrm{KL}}\log(\pi_i/\pi_0) + C_{\mathrm{Ent}}\log\pi_i$.
# >
# > **Erratum.** The thesis adds that $\alpha$ “will be strictly less than 1”. Nothing requires it: its own section 3.2.1 uses $\alpha =
# 1$,
# > which is $C_{\mathrm{Ent}} = 0$.

# %%
show_source(distral.mixing, distral.regularised_reward, distral.objective)

# %% [markdown]
# The two lines of (2.62) must give the same number for *any* policies, not just good ones. Take random policies and compute both by linear
# solves.

# %%
generator = torch.Generator().manual_seed(0)
log_pi0 = torch.rand(32, 5, generator=generator, dtype=torch.float64).log_softmax(-1)
log_pi = torch.rand(5, 32, 5, generator=generator, dtype=torch.float64).log_softmax(-1)
c_kl, c_ent = 0.16, 0.04
alpha, beta = distral.mixing(c_kl, c_ent)
print(f"C_KL = {c_kl}, C_Ent = {c_ent}  ->  alpha = {alpha:.2f}, beta = {beta:.2f}")

priced = stacked.reward - c_kl * (log_pi - log_pi0) - c_ent * log_pi
first_line = (stacked.start * mdp.evaluate(stacked._replace(reward=priced), log_pi.exp(), 0.99)).sum()
second_line = distral.objective(stacked, log_pi0, log_pi, alpha, beta, 0.99)
print(f"first line {first_line:.6f}, second line {second_line:.6f}")
assert torch.isclose(first_line, second_line, atol=1e-10)

# %% [markdown]
# ## 8.2 One column, two columns
#
# How should a task policy be parameterised? The thesis follows Teh et al. and compares two ways. The distilled policy is in both a softmax
# of preferences $h$ (2.64):
#
# $$\hat\pi_0(a\mid s) = \operatorname{softmax}_a h(a\mid s) \qquad\text{(2.64)}$$
#
# **One column.** A task keeps action values $f_i \approx Q_i$ of its own and acts by their softmax:
#
# $$\hat\pi_i(a\mid s) = \operatorname{softmax}_a f_i(a\mid s) \qquad\text{(2.63)}$$
#
# **Two columns.** A task starts from the distilled policy and adds what is special to it:
#
# $$\hat\pi_i(a\mid s) = \hat\pi_0(a\mid s)^{\alpha}\, e^{\beta \hat A_i(a\mid s)} = \operatorname{softmax}_a\big(\alpha h + \beta f_i\big)
# \qquad\text{(2.65, corrected; 2.66)}$$
#
# $$\hat A_i = f_i - \frac1\beta\log\sum_a \hat\pi_0(a\mid s)^{\alpha}\, e^{\beta f_i(a\mid s)} \qquad\text{(2.67)}$$
#
# > **Erratum.** The thesis prints $\hat\pi_i = \hat\pi_i \exp(\beta\hat A_i)$ in (2.65). With $\hat\pi_i$ on both sides that would force
# > $\hat A_i = 0$. The factor is $\hat\pi_0^{\alpha}$.
#
# **Predict.** Both have to be optimal for the same objective. You know from chapter 06 what the optimum is given a prior: $\alpha\log\pi_0
# + \beta Q$, normalised. Which of the two forms has it, and what is wrong with the other? Look for $\beta$ in (2.63).

# %%
show_source(distral.one_column_policy, distral.two_column_policy, distral.soft_advantage)

# %%
h = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)  # the distilled policy leans towards the second action
f = torch.tensor([1.0, 0.9, -1.0], dtype=torch.float64)  # the task is worth a little more by the first
pi0 = distral.distilled_policy(h)
two = distral.two_column_policy(h, f, ALPHA, BETA)
by_advantage = ALPHA * pi0 + BETA * distral.soft_advantage(f, pi0, ALPHA, BETA)
assert torch.allclose(two, by_advantage, atol=1e-12)  # (2.65, corrected) equals (2.66)
for name, log_policy in (("pi_0", pi0), ("two columns", two), ("one column", distral.one_column_policy(f))):
    print(f"{name:<14}", "  ".join(f"{p:z.3f}" for p in log_policy.exp()))
print(f"{'one, beta = 50':<14}", "  ".join(f"{p:z.3f}" for p in distral.one_column_policy(f).exp()), "  (the same: beta does not enter)")

# %% [markdown]
# The two-column policy weighs both: $\pi_0$'s wish for the second action beats the small advantage of the first, and the third is all but
# gone. The one-column policy of (2.63) still gives the third action one chance in fifteen although it is worth two rewards less, and it
# would do so at every $\beta$: **its temperature is 1 whatever $\beta$ says**. If rewards were ten times larger it would be ten times
# surer. Nothing in the objective asks for that. The thesis stumbled over this in its section 3.5, repaired it with a coefficient $\beta'$
# and found that results improve,
#
# $$\hat\pi_i = \operatorname{softmax}_a\, \beta' f_i,$$
#
# without saying why. You have just seen why, and section 8.6 computes what it costs.
#
# ### Exercise 8.1 · the task policy of two columns  (●●○ · 8 min)
# Write (2.66) from *probabilities* of the distilled policy instead of its preferences, and return log-probabilities. Preferences are only
# known up to a constant; does that constant matter here?
#
# <details><summary>Hint 1</summary>The log of $\pi_0^\alpha$ is $\alpha\log\pi_0$. The log of a product is a sum.</details>
# <details><summary>Hint 2</summary>`torch.log_softmax(x, -1)` normalises the sum, and any constant drops out.</details>


# %% tags=["exercise"]
def my_two_columns(pi0, f, alpha, beta):
    """Log of pi_0(a)^alpha exp(beta f(a)), normalised over the last axis; pi0 are probabilities [..., A]."""
    ...


_ = check("8.1", my_two_columns)

# %% [markdown]
# ## 8.3 The best policy to share
#
# Hold the task policies fixed. Which $\pi_0$ is best? Only one term of (2.62) knows of it:
#
# $$\frac{\alpha}{\beta}\sum_i \mathbb{E}_{\pi_i}\Big[\sum_{t\ge 0}\gamma^t \log\pi_0(a_t\mid s_t)\Big]
# = \frac\alpha\beta \sum_s\sum_a \Big(\sum_i d_i(s)\,\pi_i(a\mid s)\Big)\log\pi_0(a\mid s) \qquad\text{(2.68)}$$
#
# where $d_i(s) = \sum_t\gamma^t P(S_t = s)$ are the discounted visits of task $i$ that you know from chapter 01. In every state this is a
# sum of weights times logs of probabilities, and such a sum is largest when the probabilities are *in proportion to the weights*. So
#
# $$\pi_0(a\mid s) \propto \sum_i d_i(s)\,\pi_i(a\mid s).$$
#
# The best policy to share is the **average of the task policies, in each state weighted by how much each task is there**: their centroid.
# It is what chapter 00 called a summary, and it is what a network is trained to by maximum likelihood on the tasks' own actions, which is
# the *distillation* in Distral's name.

# %%
show_source(distral.centroid)

# %% [markdown]
# A closed form deserves an independent witness. Climb (2.68) by plain gradient ascent in the preferences of $\pi_0$ and see where it ends.

# %%
policies = log_pi.exp()
visits = mdp.visits(stacked, policies, 0.99)
weight = (visits.unsqueeze(-1) * policies).sum(0)
preferences = torch.zeros(32, 5, dtype=torch.float64)
for _ in range(2000):
    preferences += (weight - weight.sum(-1, keepdim=True) * preferences.softmax(-1)) / weight.sum(-1, keepdim=True).clamp_min(1e-12)
found = distral.centroid(log_pi, visits, uniform)
gap = float((found.exp() - preferences.softmax(-1)).abs().max())
print(f"closed form and 2000 steps of gradient ascent, equal to twelve digits: {verdict(gap, '<', 1e-12)}")
assert gap < 1e-12

# %% [markdown]
# ### Exercise 8.2 · the centroid  (●●○ · 10 min)
# Write it yourself, with probabilities throughout. Where no task ever is, return the uniform policy.
#
# <details><summary>Hint 1</summary>`visits` has shape `[K, S]` and `policies` `[K, S, A]`: give the first one more axis, multiply, and sum
# over tasks.</details>
# <details><summary>Hint 2</summary>Divide by the sum over actions. Where that sum is 0, `torch.where` lets you choose another
# row.</details>


# %% tags=["exercise"]
def my_centroid(policies, visits):
    """pi_0(a | s) in proportion to sum_i visits[i, s] * policies[i, s, a]: [K, S, A] and [K, S] give [S, A]."""
    ...


_ = check("8.2", my_centroid)

# %% [markdown]
# ## 8.4 The exact joint optimum
#
# Now both halves are closed problems. Given $\pi_0$, the best $\pi_i$ is the soft optimum of chapter 06 with prior $\pi_0^\alpha$, by
# Newton's method. Given the $\pi_i$, the best $\pi_0$ is the centroid. Do one, then the other, and repeat: **alternation**. Neither half
# can lower $J$, and $J$ cannot rise for ever, so it converges. `distral.solve` does this for all tasks at once, and it saves work: each
# alternation makes just one step of soft policy iteration, because both halves need the same matrix $I - \gamma P_{\pi}$, which is
# factored
# once.

# %%
show_source(distral.solve)

# %%
solution = distral.solve(tasks, ALPHA, BETA, GAMMA)
alone = soft_q_learning.solve(stacked, uniform, ALPHA, BETA, GAMMA)
steps_shared = mdp.expected_steps(stacked, solution.log_pi.exp())
steps_alone = mdp.expected_steps(stacked, alone.log_policy.exp())
print(f"{len(solution.objective)} alternations, objective {solution.objective[-1]:.4f}")
print("map   shortest   at the joint optimum   with a uniform prior")
for k, number in enumerate(NUMBERS):
    shortest = len(worlds[number].shortest_path()) - 1
    print(f"{number:>3}{shortest:11d}{float(steps_shared[k]):23.1f}{float(steps_alone[k]):23.1f}")
assert bool((solution.objective.diff() > -1e-9).all())
assert bool((steps_shared < steps_alone).all())

# %%
figure, (left, right) = plotting.new_figure(1, 2, size=(9, 3.2))
rise = (solution.objective[-1] - solution.objective[:-1]).clamp_min(1e-9)
plotting.draw_exact(left, rise, "distance to the end", x=range(1, len(rise) + 1))
left.set(xlabel="alternation", ylabel="objective still to gain (reward)", yscale="log", title="the objective never falls")
positions = torch.arange(5)
right.bar(positions - 0.2, steps_alone, width=0.38, color=plotting.ORANGE, label="uniform prior", hatch="//", edgecolor="white")
right.bar(positions + 0.2, steps_shared, width=0.38, color=plotting.BLUE, label="joint optimum", edgecolor="white")
right.plot(positions, [len(worlds[n].shortest_path()) - 1 for n in NUMBERS], "k_", markersize=26, label="shortest path")
right.set_xticks(positions, [f"map {n}" for n in NUMBERS])
right.set(ylabel="expected steps", ylim=(0, 29), title="sharing shortens every way")
right.legend(loc="upper center", ncols=2)
plotting.show(figure, alt="The objective rises at every alternation; sharing takes fewer steps in every maze than a uniform prior.")

# %% [markdown]
# **What it shows.** The gap to the final objective shrinks by a steady factor at each alternation. At the joint optimum every maze takes
# fewer steps than the same agent with a uniform prior, and still more than the shortest path: the price of certainty keeps every policy a
# little undecided.
#
# Keep the middle column of the table. When Distral is trained from samples, that is where it should end, or near it. How near an agent
# that explores can come is a question of its own, which chapter 09 answers. One that ends far away has not found the optimum of its own
# objective.
#
# ## 8.5 The explorer
#
# The whole computation is fast enough to run under a slider. Each small maze shows one task policy at the optimum as arrows. Its colour is
# what the task pays in that square, in one episode, for leaving the distilled policy: its visits $d_i$ times
# $\tfrac\alpha\beta\,\mathrm{KL}(\pi_i\,\|\,\pi_0)$. The darker a square, the harder the task is pulled there by what it does not share.
#
# **Predict.** (a) Where will the dark squares be for all five tasks? (b) What happens to the dark squares at $\alpha = 0$? (c) You know
# from chapter 06 that below a critical $\beta$ an agent prefers to wander for ever. Will sharing make that worse or better?

# %%
FAMILIES = {"4 5 6 7 8": (4, 5, 6, 7, 8), "4 5": (4, 5), "7 8": (7, 8), "4 5 7": (4, 5, 7)}
COLUMNS = {"two": None, "one": 1.0, "one, β′ = β": "beta"}
task_of = dict(zip(NUMBERS, tasks, strict=True))


def optimum(alpha, beta, gamma, numbers, columns):
    """Log policies and objective of the exact optimum (two columns) or of the fixed point without random actions (one column)."""
    family = [task_of[number] for number in numbers]
    if COLUMNS[columns] is None:
        best = distral.solve(family, alpha, beta, gamma, tolerance=1e-7)
        return best.log_pi0, best.log_pi, float(best.objective[-1])
    beta_prime = beta if COLUMNS[columns] == "beta" else COLUMNS[columns]
    point = distral.one_column_fixed_point(family, alpha, beta, beta_prime, gamma, epsilon=0.0, tolerance=1e-6)
    height = distral.objective(mdp.stack(family), point.log_pi0, point.log_pi, alpha, beta, gamma)
    return point.log_pi0, point.log_pi, float(height)


def paid(members, shared, own, alpha, beta, gamma):
    """What each task pays in each state, in one episode, for leaving the shared policy: [K, S], in units of reward."""
    return mdp.visits(members, own.exp(), gamma) * (alpha / beta) * soft.kl(own, shared)


def explorer():
    figure, rows = plotting.new_figure(2, 3, size=(7.4, 4.6))
    places = dict(zip(("shared", *NUMBERS), rows.ravel(), strict=True))
    empty = torch.zeros(32, 5)
    drawn = {n: plotting.draw_maze(places[n], worlds[n], torch.zeros(32), empty, numbers=None, limits=(0, 0.12)) for n in NUMBERS}
    drawn["shared"] = plotting.draw_maze(places["shared"], worlds[4], policy=empty, numbers=None)

    def update(alpha, beta, gamma, family, columns):
        numbers = FAMILIES[family]
        shared, own, height = optimum(alpha, beta, gamma, numbers, columns)
        drawn["shared"].update(policy=shared.exp())
        places["shared"].set_title("π₀, shared")
        members = mdp.stack([task_of[number] for number in numbers])
        steps = mdp.expected_steps(members, own.exp())
        price = paid(members, shared, own, alpha, beta, gamma)
        for number in NUMBERS:
            places[number].set_visible(number in numbers)
        for k, number in enumerate(numbers):
            acting = torch.arange(32) != worlds[number].goal  # nobody acts at the goal: no arrow there
            drawn[number].update(values=price[k].clamp_min(0), policy=own[k].exp() * acting.unsqueeze(-1))
            places[number].set_title(f"map {number}: " + ("never arrives" if steps[k] > 999 else f"{float(steps[k]):.1f} steps"))
        lengths = ", ".join("never" if length > 999 else f"{float(length):.1f}" for length in steps)
        setting = f"α = {alpha:g}, β = {beta:g}, γ = {gamma:g}, {columns}"
        return f"{setting}: expected steps on maps {family}: {lengths}; objective {height:z.2f}."

    return Scene(figure, update)


sliders = {
    "alpha": Slider((0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95), 0.8, "α"),
    "beta": Slider((2, 3, 5, 7, 10, 20, 50), 5, "β"),
    "gamma": Slider((0.9, 0.95, 0.99, 0.999), 0.99, "γ"),
    "family": Slider(tuple(FAMILIES), "4 5 6 7 8", "maps"),
    "columns": Slider(tuple(COLUMNS), "two", "columns"),
}
panel(explorer, sliders, width=760)

# %%
still(explorer, alpha=0.8, beta=5, gamma=0.99, family="4 5 6 7 8", columns="two")

# %%
shared, own, _ = optimum(0.8, 5, 0.99, NUMBERS, "two")
bill = paid(stacked, shared, own, 0.8, 5, 0.99)
for k, number in enumerate(NUMBERS):
    where = [worlds[number].cells[s] for s in range(32) if bill[k, s] > 0.02]
    print(f"map {number} pays {float(bill[k].sum()):z.3f} an episode" + (f", nearly all at (row, column) {where}" if where else ""))
assert float(bill[0].sum()) > 2.5 * float(bill[3].sum()) and float(bill[1:3].sum()) < 1e-3

# %% [markdown]
# (a) Nearly the whole bill is paid at one place, the fork behind the corridor, and only by the three tasks that pass it. Two of them go up,
# so $\pi_0$ leans up, and map 4, the minority, pays almost three times as much as each of the others. Maps 5 and 6 stop before the fork
# and
# pay next to nothing. (b) At $\alpha = 0$ nothing is measured from $\pi_0$, so nothing is paid for leaving it and no square is dark; the
# tasks are alone again. (c) The next cell compares.

# %%
print("alpha   beta   alone, map 4   shared, map 4")
for alpha, beta in ((0.5, 10), (0.8, 2), (0.8, 3), (0.9, 2)):
    by_itself = soft_q_learning.solve(tasks[0], uniform, alpha, beta, GAMMA).log_policy.exp()
    together = distral.solve(tasks, alpha, beta, GAMMA, tolerance=1e-7).log_pi[0].exp()
    way = [mdp.expected_steps(tasks[0], policy) for policy in (by_itself, together)]
    print(f"{alpha:5.1f}{beta:7d}{way[0]:15.1f}{way[1]:16.1f}" + ("   (1000: never arrives)" if way[1] > 999 else ""))
    assert (way[1] > way[0]) == (alpha == 0.8)

# %% [markdown]
# Read it line by line. At $\beta = 2$, $\alpha = 0.8$ the agent still arrives when it is alone, though late; together the five never do.
# At
# $\beta = 3$ they arrive, but sharing makes map 4 *longer*, not shorter. Sharing makes leaving the centroid cheaper, also when the
# centroid
# wanders, and near the critical $\beta$ wandering is nearly worth while. With $\alpha = 0.9$, or with $\alpha = 0.5$ and $\beta = 10$, the
# bonus for being undecided is too small for that, and sharing helps. So "sharing shortens every way" is a statement about $\alpha = 0.8$,
# $\beta = 5$, and not a law. The objective it never lowers: a uniform $\pi_0$ is always one of the choices.
#
# ### Exercise 8.3 · read the limits  (●○○ · 5 min)
# Set the family to "4 5 6 7 8" and two columns, and think before you drag. As $\beta$ grows without bound at $\alpha = 0.8$, what do the
# task policies become, and what does $\pi_0$ become? **a** all of them greedy and equal; **b** the task policies greedy, each for its own
# goal, and $\pi_0$ their average, which is undecided where they part; **c** the task policies greedy and $\pi_0$ uniform, because price no
# longer matters; **d** nothing changes, $\beta$ cancels.

# %% tags=["exercise"]
limit = None

_ = check("8.3", limit)

# %% [markdown]
# ## 8.6 What one column costs
#
# One-column Distral by soft Q-learning, algorithm 1 of the thesis, does not climb $J$ at all. It runs three processes at once and comes to
# rest where they agree:
#
# 1. $Q_i$ solves the soft Bellman equation with prior $\pi_0^\alpha$ and inverse temperature $\beta$;
# 2. the agent *acts* by $\operatorname{softmax}\beta' Q_i$, mixed with a share $\varepsilon$ of random actions;
# 3. $\pi_0$ becomes the average of what is in the replay memories, which is the centroid of those *acting* policies, each task having the
#    same say.
#
# Such a resting point can be computed without any training: apply the three in turn until nothing moves.

# %%
show_source(distral.fixed_point, distral.one_column_fixed_point)

# %% [markdown]
# **Predict.** The thesis's one-column agent has $\beta' = 1$ and $\beta = 5$. It reports that larger $\beta'$ gives shorter ways. Do you
# expect that to level off at $\beta' = \beta$, or to go on?

# %%
pair = mdp.stack(tasks[:2])
beta_primes = (1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 50, 100)
ways = []
for beta_prime in beta_primes:
    point = distral.one_column_fixed_point(tasks[:2], ALPHA, BETA, beta_prime, GAMMA, epsilon=0.05)
    ways.append(mdp.expected_steps(pair, point.behaviour))
ways = torch.stack(ways)
print("beta'   map 4   map 5")
for beta_prime, way in zip(beta_primes, ways, strict=True):
    print(f"{beta_prime:>5}{float(way[0]):8.1f}{float(way[1]):8.1f}")

figure, axes = plotting.new_figure(size=(6.4, 3.6))
for k, number in enumerate((4, 5)):
    plotting.draw_exact(axes, ways[:, k], f"map {number}", x=beta_primes, style=k)
    axes.axhline(len(worlds[number].shortest_path()) - 1, color=plotting.COLOURS[k], linewidth=0.8)
axes.set(xlabel="inverse temperature of the task policy, β′", ylabel="expected steps", xscale="log", yscale="log")
axes.set_title("where one-column soft Q-learning ends, β = 5")
axes.set_yticks([9, 13, 20, 40, 80, 160], labels=["9", "13", "20", "40", "80", "160"])
axes.set_xticks([1, 2, 5, 10, 20, 50, 100], labels=["1", "2", "5", "10", "20", "50", "100"])
axes.minorticks_off()
plotting.label_lines(axes)
plotting.provenance(axes)
plotting.show(figure, alt="With one column the ways shrink from 152 and 107 steps at β′ = 1 to within a step of the shortest at β′ = 100.")
assert bool((ways.diff(dim=0) < 0).all()) and float(ways[0, 0]) > 10 * 13 and float(ways[-1, 0]) < 14

# %% [markdown]
# **What it shows.** At $\beta' = 1$, the printed (2.63), the agent needs more than ten times the shortest way, and *no amount of training
# would change that*: it is where the algorithm comes to rest. At $\beta' = \beta = 5$ it still needs nearly three times as long. That
# $\beta' = 5$ is so far from the two-column optimum has a reason: the two-column policy has $\alpha\log\pi_0$ in it, the one-column policy
# has not, and must climb out of every bad action by $f$ alone. (The thin lines are the shortest paths; 5 % of the actions are random, so
# nobody reaches them.)
#
# The thesis found the effect of $\beta'$ by trying values and watching learning curves. This prediction has no free parameter, and
# `distral_lite.distral_sql`, the algorithm itself, comes to rest where it says (its tests hold the two against each other).
#
# ## 8.7 When sharing needs a memory
#
# So far every task crosses the corridor in the same direction. Add its opposite: four tasks, two from left to right and two from right to
# left. In the corridor they now want opposite things in the same squares. What can one shared policy say there?
#
# **Predict.** In the middle of the corridor, what will $\pi_0$ be? Write down five probabilities, for stay, up, down, left and right.

# %%
BARE = [row.replace("S", ".").replace("G", ".") for row in load_map(4).rows]


def between(start, goal):
    """The same walls, with another start and goal, given as (row, column)."""
    rows = [list(row) for row in BARE]
    rows[start[0]][start[1]], rows[goal[0]][goal[1]] = "S", "G"
    return GridWorld(tuple("".join(row) for row in rows))


two_way = [between((1, 1), (7, 8)), between((7, 1), (1, 8)), between((1, 8), (7, 1)), between((7, 8), (1, 1))]
middle = two_way[0].cells.index((4, 5))

by_cell = distral.solve([world.mdp() for world in two_way], ALPHA, BETA, 0.99)
print("pi_0 in the middle of the corridor, when a state is a cell:")
for action, p in zip(ACTIONS, by_cell.log_pi0[middle].exp(), strict=True):
    print(f"  {action:<6}{float(p):z.2f}")

# %% [markdown]
# Half left, half right, and a little standing still: a traveller who listens to $\pi_0$ turns round at every second step. It says "do not
# bump into walls", and nothing more. All that the tasks have in common seems lost.
#
# But there *is* something they have in common: whoever is in the corridor **goes on the way they came**. A policy that sees only the cell
# cannot say that. Teh et al., and the thesis after them, let the agent see more: the cell, its previous action, and the reward that this
# brought. Solve the same four tasks over these histories.

# %%
remembering = [world.mdp(history=True) for world in two_way]
by_history = distral.solve(remembering, ALPHA, BETA, 0.99)
states = two_way[0].history_states
print(f"{len(two_way[0].cells)} cells, {len(states)} histories")
print("pi_0 in the middle of the corridor, by previous action:")
print("  came by    " + "".join(f"{action:>7}" for action in ACTIONS))
for s, state in enumerate(states):
    if state.cell == middle and state.previous_action in (3, 4):
        print(f"  {ACTIONS[state.previous_action]:<11}" + "".join(f"{float(p):z7.2f}" for p in by_history.log_pi0[s].exp()))

        assert float(by_history.log_pi0[s, state.previous_action].exp()) > 0.9  # whichever way it came, it goes on

# %%
figure, (first, second, third) = plotting.new_figure(1, 3, size=(9.6, 2.9))
plotting.draw_maze(first, two_way[0], policy=by_cell.log_pi0.exp(), numbers=None)
first.set_title("sees the cell")
for axes, came, name in ((second, 4, "came by right"), (third, 3, "came by left")):
    seen = torch.zeros(32, 5, dtype=torch.float64)
    for s, state in enumerate(states):
        if state.previous_action == came and abs(state.previous_reward + 0.1) < 1e-9 and two_way[0].cells[state.cell][0] == 4:
            seen[state.cell] = by_history.log_pi0[s].exp()
    plotting.draw_maze(axes, two_way[0], policy=seen, numbers=None)
    axes.set_title(f"sees the past: {name}")
plotting.show(figure, alt="By cell the shared policy points both ways in the corridor; by previous action it goes on the way it came.")

cells, histories = mdp.stack([world.mdp() for world in two_way]), mdp.stack(remembering)
short = (mdp.expected_steps(cells, by_cell.log_pi.exp()), mdp.expected_steps(histories, by_history.log_pi.exp()))
print(f"expected steps, each task: {float(short[0][0]):.1f} by cell, {float(short[1][0]):.1f} by history; the shortest way has 13")
assert bool((short[1] < short[0]).all())

# %% [markdown]
# **What it shows.** With one step of memory the shared policy becomes "go on", and all four tasks get shorter ways although each maze by
# itself can be solved perfectly from the cell alone. The memory is not for the tasks. It is for what they share. (This is figure 4 of Teh
# et al. in exact form; the middle and right mazes show only the squares that such a step can lead to in the middle row.)
#
# Notice *where* the memory helps. A family of tasks disagrees when, in the same state, its members want different things. What counts as
# the same state depends on what the shared policy may see. So before you conclude that two tasks disagree, ask what you let them see.
#
# ## 8.8 Is it the optimum?
#
# Alternation climbs until neither half can improve. That need not be the top: $J$ is not concave in all policies together. The honest test
# is to start elsewhere. Start $\pi_0$ from random policies and compare the objectives that it ends with.

# %%


def heights(family, starts=8):
    """Objectives reached from the uniform and from random starting points."""
    found = [float(distral.solve(family, ALPHA, BETA, 0.99).objective[-1])]
    noise = torch.Generator().manual_seed(0)
    for _ in range(starts):
        start = (6 * torch.rand(32, 5, generator=noise, dtype=torch.float64)).log_softmax(-1)
        found.append(float(distral.solve(family, ALPHA, BETA, 0.99, log_pi0=start).objective[-1]))
    return found


for name, family in (("maps 4 to 8", tasks), ("two-way", [world.mdp() for world in two_way])):
    found = heights(family)
    print(f"{name:<12} from uniform {found[0]:.3f}; from 8 random starts between {min(found[1:]):.3f} and {max(found[1:]):.3f}")
    assert max(found) <= found[0] + 1e-6

# %% [markdown]
# For maps 4 to 8 every start ends at the same height: what you computed is, as far as this test can see, *the* optimum. For the two-way
# family the starts end at different heights: a shared policy that happens to favour one of two equally short ways through a room makes the
# tasks take it, and is confirmed. None of them ends above the uniform start, and that is worth remembering: begin undecided. But this is
# evidence from eight starts, not a proof. When you compare two *learned* results on such a family, part of their difference may be which
# optimum they fell into.
#
# ## 8.9 The same optimum, by gradients
#
# Actor–critic climbs $J$ by its gradient. For the task parameters it is the policy gradient of chapter 05 with the regularised reward
# $R_i^{\mathrm{reg}} = R_i + \tfrac\alpha\beta\log\hat\pi_0 - \tfrac1\beta\log\hat\pi_i$ in place of $R_i$ (2.69 to 2.71):
#
# $$\nabla_{\theta_i} J = \mathbb{E}\Big[\sum_t \gamma^t\, \nabla_{\theta_i}\log\hat\pi_i(a_t\mid s_t)\, A_i(s_t, a_t)\Big].$$
#
# For the distilled parameters it has two terms (2.74):
#
# $$\nabla_{\theta_0} J = \sum_i \mathbb{E}\Big[\sum_t\gamma^t\, \nabla_{\theta_0}\log\hat\pi_i\, A_i\Big]
# + \frac\alpha\beta\sum_i\mathbb{E}\Big[\sum_t\gamma^t\sum_{a}\big(\hat\pi_i(a\mid s_t)-\hat\pi_0(a\mid s_t)\big)
# \nabla_{\theta_0}h(a\mid s_t)\Big].$$
#
# > **Erratum.** In (2.69) a reward at time u counts $\gamma^u$. On the way to the advantage, in (2.70) and (2.71), that factor is lost, and
# > with it the $\gamma^t$ of the first term of (2.74), whose second term has one. As printed, the two terms weigh states by different
# > visits, and their sum is the gradient of nothing. (And the sums begin at t = 1, where (2.62) begins at t = 0.) With $\gamma^t$ in
# > both, as above, autograd agrees.
#
# The second pulls $\pi_0$ to the centroid. The first exists only where $\hat\pi_i$ depends on $\theta_0$: with two columns, through
# $\alpha
# h$. **With one column $\nabla_{\theta_0}\log\hat\pi_i = 0$ and the first term vanishes.** Both closed forms against autograd, which
# differentiates the linear solve itself:

# %%
show_source(distral.task_gradient, distral.distilled_gradient)

# %%
noise = torch.Generator().manual_seed(1)
h = torch.rand(32, 5, generator=noise, dtype=torch.float64).requires_grad_()
f = torch.rand(5, 32, 5, generator=noise, dtype=torch.float64).requires_grad_()
print("columns   first term   second term   largest difference from autograd")
for columns, policy in ((1, lambda: distral.one_column_policy(f)), (2, lambda: distral.two_column_policy(h, f, ALPHA, BETA))):
    pi0, own = distral.distilled_policy(h), policy()
    (by_autograd,) = torch.autograd.grad(distral.objective(stacked, pi0, own, ALPHA, BETA, 0.99), h)
    through, to_centroid = distral.distilled_gradient(stacked, pi0.detach(), own.detach(), ALPHA, BETA, 0.99)
    through = through if columns == 2 else torch.zeros_like(through)
    gap = float((through + to_centroid - by_autograd).abs().max())
    assert gap < 1e-10
    print(f"{columns:>7}{float(through.abs().max()):z13.3f}{float(to_centroid.abs().max()):z14.3f}{'below 1e-10':>35}")

# %% [markdown]
# ### Exercise 8.4 · find the planted bug  (●●● · 10 min)
# A colleague computes the price that each task pays per step for the distilled policy, averaged over actions, and reports that sharing
# *earns* reward in some states. The function below is theirs. Find what is wrong, and repair it. (Uncomment it first. A price paid to leave
# $\pi_0$ can never be negative.)
#
# <details><summary>Hint 1</summary>Which policy chooses the actions over which the average is taken?</details>
# <details><summary>Hint 2</summary>KL is not symmetric: $\mathrm{KL}(\pi_i\,\|\,\pi_0)$ averages under $\pi_i$, and its log-ratio has
# $\pi_i$ on top.</details>


# %% tags=["exercise"]
def price_of_leaving(log_pi, log_pi0, alpha, beta):
    """(alpha / beta) KL(pi_i || pi_0) for each state: [K, S, A] and [S, A] give [K, S]."""
    # return alpha / beta * (log_pi0.exp() * (log_pi - log_pi0)).sum(-1)
    ...


_ = check("8.4", price_of_leaving)

# %% [markdown]
# ## What you learned
#
# - $J$ has two prices or, the same thing, an $\alpha$ and a $\beta$: from where distance is measured, and how cheap it is.
# - The two-column policy has the optimal form for every $\alpha$ and $\beta$; the printed one-column policy has temperature 1 whatever
#   $\beta$ says.
# - The best shared policy is the centroid of the task policies, weighted by visits. Alternating it with soft policy iteration gives the
#   exact joint optimum.
# - At $\alpha = 0.8$, $\beta = 5$, $\gamma = 0.999$ sharing shortens every one of the five ways. Near the phase transition it can also tip
#   all of them into wandering.
# - What tasks share depends on what the shared policy may see.
# - An alternation ends at *a* stationary point. Start it from several places before you call it the optimum.
#
# ## Self-quiz
#
# <details><summary>1. You double all rewards. What must you do to β to keep the optimal policies the same?</summary>Halve it. β is in units
# of 1 / reward; only β times reward enters the policies.</details>
#
# <details><summary>2. At α = 1, the tasks are identical. What is J at the optimum, compared with the unregularised optimum?</summary>As
# near as you like: π₀ can follow the common optimal policy, so no task leaves it and no price is paid. Prices are paid only for
# differing.</details>
#
# <details><summary>3. Why are the visits in the centroid those of the task, and not equal weights?</summary>(2.68) sums over steps. A task
# that is never in a state takes no action there, and pays nothing whatever π₀ says.</details>
#
# <details><summary>4. A learned two-column agent ends at 20 steps on map 4 with α = 0.8, β = 5. Is it done?</summary>No. The joint optimum
# takes 14.6; with a uniform prior the same agent would take 19.6. Whatever it learned, it shares almost nothing yet.</details>
#
# <details><summary>5. The first term of (2.74) is zero for one column. Does π₀ then learn nothing from rewards?</summary>Not directly. It
# follows the task policies through the second term, and they follow the rewards.</details>
#
# ## Errata met in this chapter
#
# - Before (2.62): the sign of the entropy term. That α “will be strictly less than 1” is not required.
# - (2.63): as printed, and the reason why the thesis's one-column agent was slow: its temperature is 1 whatever β says.
# - (2.65): the factor on the right is $\hat\pi_0^\alpha$, not $\hat\pi_i$.
# - (2.70), (2.71) and the first term of (2.74): the factor $\gamma^t$ is lost; the second term of (2.74) has it. And $A_i$ in (2.70) is not
#   the one of (2.67): section 10.2 computes both.
# - (2.74): for one column only the second term acts. The thesis states both without saying so.
#
# ## Further reading
#
# - Teh et al., "Distral: Robust Multitask Reinforcement Learning", NeurIPS 2017: section 2 for the objective, 2.1 for soft Q-learning and
#   distillation, 2.3 for the two architectures, 4.1 and figure 4 for the corridor.
# - Wan, MSc thesis, UCL 2019: section 2.6.
# - Levine, "Reinforcement Learning and Control as Probabilistic Inference", 2018, section 2: where $\pi_0^\alpha e^{\beta A}$ comes from.
#
# **Next:** chapter 09 leaves the exact tables. It learns from experience, by algorithm 1 of the thesis, and says beforehand where one
# column, two columns and learning alone will come to rest, and why two columns stop a little short of the optimum that you know now.
