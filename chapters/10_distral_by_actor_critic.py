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
# # 10 · Distral by actor–critic
#
# **You will be able to**
#
# - write the regularised reward and the one-step advantage of algorithm 2, with its lost $\gamma$ put back;
# - tell the two terms of the gradient of $\pi_0$ apart, and say when each of them acts;
# - compute exactly what one episode's gradient is worth: its bias and its noise, for any critic;
# - explain by controlled runs why the thesis's actor–critic struggled, and rule out the explanations that do not hold;
# - choose settings with which it solves all five mazes, and show that it does in twenty runs of twenty.
#
# **Before you start**
#
# - Chapter 05: advantages, n-step and $\lambda$-returns, bias and variance of a critic. Chapter 08: the objective, and sections 8.2, 8.3
#   and 8.9 in particular.
#
# **Time** 60 minutes to read and do, about 40 seconds to run. **Module** `distral_lite.distral_ac`. **Equations** 2.69 to 2.74, algorithm
# 2.

# %%
import numpy as np
import torch

from distral_lite import distral, distral_ac, lanes, mdp, plotting, results, soft_q_learning
from distral_lite.checks import check
from distral_lite.gridworld import ACTIONS, load_map
from distral_lite.statistics import interquartile_band, verdict
from distral_lite.widgets import Scene, Slider, panel, player, show_source, still

NUMBERS = (4, 5, 6, 7, 8)
worlds = {number: load_map(number) for number in NUMBERS}
tasks = [worlds[number].mdp() for number in NUMBERS]
stacked = mdp.stack(tasks)
shortest = torch.tensor([len(worlds[number].shortest_path()) - 1 for number in NUMBERS])
uniform = mdp.uniform_policy(tasks[0]).log()
everywhere = uniform.expand(5, -1, -1)  # five uniform task policies
ALPHA, BETA, GAMMA = 0.8, 5.0, 0.95  # gamma is the author's program's; for soft Q-learning it has 0.999


def steps_of(log_policies):
    """Expected steps of policies [..., K, S, A] in the five mazes, exactly."""
    return mdp.expected_steps(stacked, log_policies.exp())


def said(numbers, digits=1):
    """Numbers in a row of equal columns."""
    return "".join(f"{float(number):z9.{digits}f}" for number in numbers)


# %% [markdown]
# ## 10.1 A reward that pays for its own action
#
# Chapter 08 found the optimum of Distral's objective by alternation, with the model in hand. An agent that only has episodes can climb the
# same objective by its gradient. That is chapter 05 again, with another reward. Every step pays twice for the action that it takes:
#
# $$R_i^{\mathrm{reg}}(a,s) = R_i(a,s) + \frac\alpha\beta\log\hat\pi_0(a\mid s) - \frac1\beta\log\hat\pi_i(a\mid s)
# \qquad\text{(below 2.69)}$$
#
# | symbol | in code | shape | unit |
# |---|---|---|---|
# | $\log\hat\pi_0(a\mid s)$, of the action taken | `log_pi0` | `[...]`, a number a step | nats |
# | $\log\hat\pi_i(a\mid s)$, likewise | `log_pi` | `[...]` | nats |
# | $R_i^{\mathrm{reg}}$ | `regularised_reward(...)` | `[...]` | reward |
# | $\alpha$, $\beta$ | `alpha`, `beta` | numbers | –, 1 / reward |
#
# **By hand.** A plain step, reward $-0.1$, with $\alpha = 0.8$ and $\beta = 5$. The task takes the action with probability 0.9, the
# distilled policy would take it with 0.5. The toll for $\pi_0$ is $0.16\cdot\log 0.5 = -0.111$. The second term gives $-0.2\cdot\log 0.9 =
# +0.021$ back. Together $-0.190$. Had the same agent done something that it does once in twenty times, the second term alone would have
# paid $0.2\cdot\log 20 = 0.599$: a surprise is worth six steps.

# %%
show_source(distral_ac.regularised_reward)

by_hand = distral_ac.regularised_reward(*torch.tensor([-0.1, np.log(0.5), np.log(0.9)], dtype=torch.float64), ALPHA, BETA)
toll, back = ALPHA / BETA * np.log(0.5), -np.log(0.9) / BETA
print(f"toll {toll:.3f}, back {back:.3f}, together {float(by_hand):.3f}; surprise {np.log(20) / BETA:.3f}")
assert abs(float(by_hand) + 0.190) < 5e-4

# %% [markdown]
# The gradient for a task's own parameters is the policy gradient with this reward:
#
# $$\nabla_{\theta_i}J = \mathbb{E}\Big[\sum_t \gamma^t\,\nabla_{\theta_i}\log\hat\pi_i(a_t\mid s_t)\,A_i(a_t,s_t)\Big],\qquad
# A_i = R_i^{\mathrm{reg}} + \gamma V_i(s_{t+1}) - V_i(s_t)\ \text{on average} \qquad\text{(2.69 to 2.71)}$$
#
# where $V_i$ is the value of the *regularised* rewards. There is one surprise in it already.
#
# **Predict.** Put the agent at the exact joint optimum and let it play an episode. The advantages must average to zero over its actions, or
# it could still improve. But how large is the advantage of a *single* action, say of the silly step sideways that it takes once in fifty
# times?

# %%
best = distral.solve(tasks, ALPHA, BETA, GAMMA)
random = lanes.LaneRandom([0], range(5))
batch = distral_ac.play(stacked, best.log_pi[None], random.uniform(1001).unflatten(-1, (1, 1001)))
own, shared = distral_ac.taken(best.log_pi[None], batch), distral_ac.taken(best.log_pi0.expand(1, 5, -1, -1), batch)
value = distral.regularised_values(stacked, best.log_pi0, best.log_pi, ALPHA, BETA, GAMMA)
reward = distral_ac.regularised_reward(batch.reward, shared, own, ALPHA, BETA)
at_state, at_next = (value[None].gather(-1, s.flatten(2)).view(s.shape) for s in (batch.state, batch.next_state))
advantage = reward + GAMMA * at_next * ~batch.terminal - at_state
print("map 4, an episode at the optimum\nsquare    action   reward   log-ratios   regularised   advantage")
for t in range(int(batch.real[0, 0, 0].sum())):
    place, action = worlds[4].cells[batch.state[0, 0, 0, t]], ACTIONS[batch.action[0, 0, 0, t]]
    plain, paid, left = (float(x[0, 0, 0, t]) for x in (batch.reward, reward, advantage))
    print(f"{place!s:<10}{action:<6}{plain:9.2f}{paid - plain:z13.3f}{paid:z14.3f}{abs(left):z12.3f}")
assert float(advantage[batch.real].abs().max()) < 1e-6

# %% [markdown]
# Zero. Not on average: at *every* step, good or silly. Look at the step up from (3, 1), back the way it came: it costs 0.1 and leads to a
# worse square, and its log-ratio pays for exactly that. The reason is (2.66): at the optimum $\log\hat\pi_i = \alpha\log\hat\pi_0 + \beta
# (Q_i - V_i)$, so the log-ratios of a step are worth $V_i - Q_i$, to the last digit. For learning this is a gift. **Near the optimum the
# noise of the actions dies out by itself**, at least for an agent whose critic is right.
#
# > **Erratum.** Below (2.71) the thesis says that $A_i$ is “the advantage function as stated in (2.67)”. That one is $f_i$ less a soft
# > value. It leaves out the log-ratios of its own step and does not average to zero: at the optimum it is $(\log\hat\pi_i -
# > \alpha\log\hat\pi_0)/\beta$. The advantage of (2.70) is the one in the last column.

# %%
q = mdp.action_values(stacked, best.values, GAMMA)
of_267 = distral.soft_advantage(q, best.log_pi0, ALPHA, BETA)
seen = mdp.visits(stacked, best.log_pi.exp(), GAMMA) > 1e-3
average = (best.log_pi.exp() * of_267).sum(-1)[seen]
print(f"(2.67) at the optimum: its mean over actions lies between {float(average.min()):.2f} and {float(average.max()):.2f}")
assert torch.allclose(of_267, (best.log_pi - ALPHA * best.log_pi0) / BETA, atol=1e-6) and float(average.max()) > 0.5

# %% [markdown]
# ### Exercise 10.1 · the regularised TD error  (●●○ · 8 min)
# Write line 23 of algorithm 2 for a row of T steps: the regularised reward, plus the discounted value of where the step led, less the value
# of where it began. An episode that ended has no future; one that was cut has.
#
# <details><summary>Hint 1</summary>Line 22 as printed reads $r_j + \tfrac\alpha\beta\log\hat\pi_0 - \tfrac1\beta\log\hat\pi_i + \hat
# V(s_{j+1})$. Something is missing in front of $\hat V$.</details>
# <details><summary>Hint 2</summary>`~terminal` is true where the episode goes on, and counts as 1 in a product.</details>


# %% tags=["exercise"]
def my_advantage(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    """R_reg + gamma V(S') - V(S), with V(S') = 0 after a terminal step; all arrays [T]."""
    ...


_ = check("10.1", my_advantage)

# %% [markdown]
# ## 10.2 Algorithm 2, line by line
#
# One round of the algorithm: every task plays an episode (lines 9 to 18), turns it into advantages (20 to 23), moves its critic (24) and
# its actor (25); then the distilled policy moves (27 to 31). Here is all of it. Every name that you do not know is one formula of this
# chapter.

# %%
show_source(distral_ac.train)

# %% [markdown]
# | line | formula | in code |
# |---|---|---|
# | 11 | act by (2.63) or (2.66) | `policies`, `play` |
# | 22 | $\hat Q = R^{\mathrm{reg}} + \gamma\hat V(s_{j+1})$ (2.73) | `regularised_reward`, `target` |
# | 23 | $A = \hat Q - \hat V(s_j)$ | `advantage` |
# | 24 | $\tfrac12\sum_j(\hat Q - \hat V)^2$ (2.72) | `critic_loss` |
# | 25 | $\sum_j A\log\hat\pi_i$, by $\theta_i$ (2.71) | `actor_loss(policies(f, h.detach(), …))` |
# | 26, 29 | the same sum, by $\theta_0$ (2.74, first term) | `actor_loss(policies(f.detach(), h, …))` |
# | 30 | (2.74, second term) | `centroid_loss` |
#
# The same code is one column, two columns, or, with `distil=False`, actor–critic of each task by itself. States are few, so every network
# is evaluated once on all of them; an episode is a `tally` of advantages by state and action.
#
# > **Errata** of the box. Line 22 has lost the $\gamma$ before $\hat V(s_{j+1})$ that (2.73) has. Line 20 counts with $i$, which is the
# > task. Line 31 says descent on $J(\theta_0)$; it must climb. $S$ and $t$ are set once, in lines 5 and 6, and never set back when an
# > episode ends. And from (2.69) to (2.71) a factor is lost: (2.69) has $\sum_{u\ge t}\gamma^u R_u$, which is $\gamma^t$ times a return;
# > (2.70), (2.71) and line 25 have no $\gamma^t$, line 30 has it. `keep_discount` puts it back.
#
# What would the two lost factors do? Evaluate the uniform policy with and without the first, and compare the expected steps of line 25 with
# and without the second.

# %%
priced = stacked._replace(reward=distral.regularised_reward(stacked, uniform, everywhere, ALPHA, BETA))
print("map                            " + "".join(f"{number:9d}" for number in NUMBERS))
for gamma, name in ((GAMMA, "V(start), as in (2.73)"), (1.0, "V(start), line 22 as printed")):
    print(f"{name:<31}" + said((stacked.start * mdp.evaluate(priced, everywhere.exp(), gamma)).sum(-1)))
gradient = distral.task_gradient(stacked, uniform, everywhere, ALPHA, BETA, GAMMA)
even = distral_ac.expected_signal(stacked, uniform, everywhere, distral_ac.Config(discount=GAMMA))
angle = torch.cosine_similarity(gradient.flatten(1), even.flatten(1))
print(f"{'length of (2.69)':<31}" + said(gradient.norm(dim=(1, 2)), 2))
print(f"{'length of (2.71), without γᵗ':<31}" + said(even.norm(dim=(1, 2)), 2))
print(f"{'cosine of their angle':<31}" + said(angle, 2))
assert float(angle.max()) < 0.9 and float((even.norm(dim=(1, 2)) / gradient.norm(dim=(1, 2))).min()) > 4

# %% [markdown]
# Without the $\gamma$ of line 22 the critic learns another quantity: the sum of all costs to come, $-115$ and not $-3.6$ on map 4. And the
# step of line 25 is **not the gradient of the objective**: it is five to twelve times as long, because late steps count in full, and it
# points elsewhere. Keep that in mind. It looks like sloppiness, and in section 10.6 it turns out to be what saves the day.
#
# ## 10.3 What one episode is worth
#
# The algorithm climbs along an estimate. Two things can be wrong with an estimate: its mean (**bias**) and its scatter (**noise**). Both
# can be computed without playing a single episode. Chapter 05 did it for one step; a whole episode is a sum of dependent steps, and three
# linear solves give its mean and its mean square (`task_moments`; the tests check them against every episode of a small world, enumerated).
#
# Compare critics, at the very beginning, when all policies are uniform. One that knows $V$ exactly, and one that knows nothing, $V = 0$;
# each with one-step targets ($\lambda = 0$, line 22) and with whole episodes ($\lambda = 1$).
#
# **Predict.** Which of the four estimates are biased? Which is the noisiest?

# %%
values = distral.regularised_values(stacked, uniform, everywhere, ALPHA, BETA, GAMMA)
print("map 4, all policies uniform            bias   noise   (in lengths of the exact gradient)")
found = {}
for name, critic, lambda_ in (
    ("V exact, one step", values[0], 0.0),
    ("V exact, whole episode", values[0], 1.0),
    ("V = 0, one step", 0 * values[0], 0.0),
    ("V = 0, whole episode", 0 * values[0], 1.0),
):
    moments = distral_ac.task_moments(tasks[0], uniform, uniform, critic, ALPHA, BETA, GAMMA, lambda_)
    size = float(gradient[0].norm())
    found[name] = (float((moments.mean - gradient[0]).norm()) / size, moments.variance**0.5 / size)
    print(f"{name:<36}{found[name][0]:z7.2f}{found[name][1]:8.1f}")
assert max(found[name][0] for name in found if name != "V = 0, one step") < 1e-9 and found["V = 0, one step"][0] > 0.4
assert found["V = 0, whole episode"][1] > 10 * found["V exact, one step"][1]

# %% [markdown]
# Three of the four have the right mean. Only bootstrapping from a critic that knows nothing is biased: it sees the next reward and nothing
# else. It avoids walls; it cannot yet look for a goal. The noise is that of *one* episode of one task; with $B$ episodes it falls by $\sqrt
# B$. A good critic with one-step targets is as quiet as the gradient is long, so even a single episode points the right way more often than
# not. Without a critic the noise is eleven times that.
#
# Does the sampled gradient really have this mean? Play, and compare with the prediction: with $B$ episodes the squared distance from the
# exact gradient should be the variance divided by $B$.

# %%
B, runs = 25, 40
random = lanes.LaneRandom(range(runs), range(5))
log_pi = everywhere.expand(runs, -1, -1, -1)
batch = distral_ac.play(stacked, log_pi, random.uniform(B * 1001).unflatten(-1, (B, 1001)))
setting = distral_ac.Config(discount=GAMMA, keep_discount=True)
log_taken = distral_ac.taken(log_pi, batch)
target = distral_ac.target(
    batch, distral_ac.regularised_reward(batch.reward, log_taken, log_taken, ALPHA, BETA), values.expand(runs, -1, -1), setting
)
advantage = target - values.expand(runs, -1, -1).gather(-1, batch.state.flatten(2)).view_as(target)
signal = distral_ac.tally(batch, advantage * distral_ac.weights(batch, log_taken, log_taken, setting), 32, 5)
sampled = signal - log_pi.exp() * signal.sum(-1, keepdim=True)  # by the logits: what actor_loss is differentiated to
off = []
for k, task in enumerate(tasks):
    squared = (sampled[:, k] - gradient[k]).square().sum((-1, -2))
    wanted = distral_ac.task_moments(task, uniform, uniform, values[k], ALPHA, BETA, GAMMA).variance / B
    error = float(squared.std()) / runs**0.5
    off.append(abs(float(squared.mean()) - wanted) / error)
centre = float((sampled.mean(0) - gradient).norm() / gradient.norm())
print(f"{runs} batches of {B} episodes: squared distance as predicted on all five maps: {verdict(off, '<', 4)}")
print(f"their mean is within a tenth of the exact gradient: {verdict(centre, '<', 0.1)}")
assert max(off) < 4 and centre < 0.1

# %% [markdown]
# So much for the beginning. How does it look later? Climb with exact gradients and stop at every tenth step to ask how noisy one episode
# would be *there*, with a perfect critic.
#
# **Predict.** At the optimum every single advantage is zero, so noise vanishes. The gradient vanishes as well. Which goes first?

# %%
climb = distral_ac.exact_ascent(
    tasks, distral_ac.Config(hidden=None, keep_discount=True, discount=GAMMA, learning_rate=0.03, distil_rate=0.03, snapshots=20)
)
updates = climb.history.snapshot_updates
frames = [(climb.history.log_pi0[0, i], climb.history.log_pi[0, :, i]) for i in range(len(updates))]
curves = []
for pi0, own in frames:
    know = distral.regularised_values(stacked, pi0, own, ALPHA, BETA, GAMMA)
    exact = distral.task_gradient(stacked, pi0, own, ALPHA, BETA, GAMMA)[0].norm()
    one, whole = (distral_ac.task_moments(tasks[0], pi0, own[0], know[0], ALPHA, BETA, GAMMA, x).variance ** 0.5 for x in (0.0, 1.0))
    curves.append((float(exact), one, whole))
curves = np.array(curves)

figure, axes = plotting.new_figure(size=(6.8, 3.5))
for column, name, style in ((0, "exact gradient", 0), (1, "noise, one-step targets", 1), (2, "noise, whole episodes", 2)):
    plotting.draw_exact(axes, curves[:, column], name, x=updates, style=style)
axes.set(xlabel="exact updates before", ylabel="length (reward)", yscale="log", title="map 4: what one episode's gradient is made of")
plotting.label_lines(axes)
plotting.provenance(axes, loc="upper right")
plotting.show(figure, alt="Along the climb signal and noise both fall; the signal falls much faster, so the noise comes to dominate.")
ratio = curves[:, 1] / curves[:, 0]
print(f"noise of one episode over signal: {ratio[0]:.0f} at the start, {ratio[4]:.0f} after 40 updates, {ratio[-1]:.0f} after 200")
print(f"episodes whose mean is as quiet as the gradient is long: {ratio[0] ** 2:.0f}, {ratio[4] ** 2:.0f}, {ratio[-1] ** 2:.0f}")
assert ratio[0] < 1.5 and ratio[-1] > 20 and curves[-1, 1] < curves[0, 1] / 24

# %% [markdown]
# **What it shows.** Both fall, the signal faster. At the start one episode is as good as you could wish; by the end of the climb you would
# need hundreds for one clear step. But compare the noise at the end with that at the start: it is dozens of times smaller. Steps into the
# wrong direction become *small*, and that is why the algorithm can come near the optimum and stay.
#
# So is variance to blame for the thesis's results? In the first part of learning, which is where its runs ended, this picture says no.
# Section 10.6 tests it.
#
# ## 10.4 Two terms for one policy
#
# The distilled policy has the gradient
#
# $$\nabla_{\theta_0}J = \underbrace{\sum_i\mathbb{E}\Big[\sum_t\gamma^t\nabla_{\theta_0}\log\hat\pi_i\;A_i\Big]}_{\text{through the tasks}}
# + \underbrace{\frac\alpha\beta\sum_i\mathbb{E}\Big[\sum_t\gamma^t\sum_{a}\big(\hat\pi_i(a\mid s_t)-\hat\pi_0(a\mid s_t)\big)
# \nabla_{\theta_0}h(a\mid s_t)\Big]}_{\text{to the centroid}} \qquad\text{(2.74)}$$
#
# The second is the gradient of (2.68). It never looks at a reward: it moves $\pi_0$ to where the tasks are. The first asks whether all
# tasks *together* would gain if $h$ changed. It exists because with two columns $\alpha h$ is part of every task's policy. With one column
# it is zero.
#
# **Predict.** At the beginning all policies are uniform. Which of the two is zero then? And at the optimum?

# %%
show_source(distral_ac.actor_loss, distral_ac.centroid_loss)

# %%
terms = [distral.distilled_gradient(stacked, pi0, own, ALPHA, BETA, GAMMA) for pi0, own in frames]
print("updates   through the tasks   to the centroid   expected steps, maps 4 to 8")
for i in (0, 1, 2, 4, 10, 20):
    through, pull = (float(term.norm()) for term in terms[i])
    print(f"{int(updates[i]):>7}{through:z20.3f}{pull:z18.3f}   {said(steps_of(frames[i][1]))}")
mouth = worlds[4].cells.index((4, 2))  # the square of the first room from which the corridor leads to the right
votes = [ALPHA * distral.task_gradient(stacked, *frame, ALPHA, BETA, GAMMA)[:, mouth, ACTIONS.index("right")] for frame in frames[:2]]
print("entering the corridor, at the start:    votes of the tasks" + said(votes[0], 3) + f"   sum {float(votes[0].sum()):z.3f}")
print("                       ten updates later                  " + said(votes[1], 3) + f"   sum {float(votes[1].sum()):z.3f}")
assert (votes[0] > 0).tolist() == [False, False, True, False, False] and float(votes[0].sum()) > 0 and bool((votes[1] > -0.01).all())
assert float(terms[0][1].norm()) < 1e-12 and all(float(pull.norm()) > 4 * float(through.norm()) for through, pull in terms[2:])

# %%


def two_terms():
    figure, axes = plotting.new_figure(1, 3, size=(9.6, 3.3))
    zero, none = torch.zeros(32), torch.zeros(32, 5)
    shared = plotting.draw_maze(axes[0], worlds[4], policy=none, numbers=None)
    drawn = [plotting.draw_maze(place, worlds[4], zero, none, numbers=None, limits=(0, 0.6)) for place in axes[1:]]
    axes[0].set_title("π₀")

    def update(frame):
        pi0, own = frames[frame]
        shared.update(policy=pi0.exp())
        sizes = []
        for maze, place, term, name in zip(drawn, axes[1:], terms[frame], ("through the tasks", "to the centroid"), strict=True):
            sizes.append(float(term.norm()))
            strongest = term.clamp_min(0) / term.clamp_min(0).amax().clamp_min(1e-9)  # arrows: which actions it raises
            maze.update(values=term.norm(dim=-1), policy=strongest)
            place.set_title(f"{name}: {sizes[-1]:.2f}")
        return (
            f"After {int(updates[frame])} exact updates the first term of (2.74) has length {sizes[0]:.2f}, "
            f"the second {sizes[1]:.2f}; map 4 takes {float(steps_of(own)[0]):.1f} steps."
        )

    return Scene(figure, update)


player(two_terms, len(frames), "snapshot")

# %%
still(two_terms, frame=1)

# %% [markdown]
# The left maze is $\pi_0$. The other two show which actions each term raises (arrows, relative to the strongest) and how strongly it pulls
# in each square (colour). Play it. At first there is only the first term: everybody is uniform, so there is no centroid to go to. Look at
# the votes. The corridor is all walls, and at the start four of the five tasks advise against entering it; section 10.6 comes back to that.
# Map 6, whose goal is the nearest, is for it, and outvotes them. So $\pi_0$ turns to the corridor, and with it all five, since $\alpha h$
# is in every task's policy. Ten updates later nobody is against it, and this one square is what the picture shows. Another ten, and the
# tasks have learned most of what they had to, the first term has all but gone, and the second carries what they found into $\pi_0$, square
# by square. **The first term is there while the tasks still learn; the second, once they have.**
#
# Which of them is needed? Drop one or the other and climb.

# %%


def climb_with(first, second, updates=200):
    """Exact two-column ascent with either term of (2.74) switched on or off: J every ten updates, and the last policies."""
    h = torch.zeros(32, 5, dtype=torch.float64, requires_grad=True)
    f = torch.zeros(5, 32, 5, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([{"params": [h], "lr": 0.1}, {"params": [f], "lr": 0.02}])
    heights = []
    for update in range(updates + 1):
        pi0 = distral.distilled_policy(h.detach())
        own = distral.two_column_policy(h.detach(), f.detach(), ALPHA, BETA)
        if update % 10 == 0:
            heights.append(float(distral.objective(stacked, pi0, own, ALPHA, BETA, GAMMA)))
        through, pull = distral.distilled_gradient(stacked, pi0, own, ALPHA, BETA, GAMMA)
        h.grad, f.grad = -(first * through + second * pull), -BETA * distral.task_gradient(stacked, pi0, own, ALPHA, BETA, GAMMA)
        adam.step()
    return heights, own


print(f"objective after       10       50      200   steps, maps 4 to 8     (optimum {float(best.objective[-1]):.2f})")
reached = {}
for name, first, second in (("both terms", 1, 1), ("first only", 1, 0), ("second only", 0, 1), ("neither", 0, 0)):
    heights, own = climb_with(first, second)
    reached[name] = heights
    print(f"{name:<14}" + said((heights[1], heights[5], heights[20]), 2) + said(steps_of(own)))
gap = {name: float(best.objective[-1]) - heights[20] for name, heights in reached.items()}
assert max(gap["both terms"], gap["second only"]) < 0.15 < 0.8 < gap["first only"] < gap["neither"]
assert all(reached["both terms"][i] > reached["second only"][i] for i in (1, 2))

# %% [markdown]
# The second term alone reaches the optimum. The first alone does not: it only knows how to help the tasks, and $\pi_0$ gains nothing from
# being near them. But where the first term is present the first few updates go further: what one task learns about a square is in $h$, and
# so in every task's policy, at once. (That is why two columns need no separate "transfer" step.)
#
# ### Exercise 10.2 · the second term  (●●○ · 8 min)
# Write the second term of (2.74) for a table $h$: the gradient by $h(a\mid s)$, given the visits $d_i(s)$ of every task.
#
# <details><summary>Hint 1</summary>For a table $\nabla_{h(a\mid s)}$ picks one state and one action. The sum over $t$ of $\gamma^t$ at
# which the episode is in $s$ is $d_i(s)$.</details>
# <details><summary>Hint 2</summary>Differences of *probabilities*, weighted by `visits` with one more axis, summed over tasks, times
# $\alpha/\beta$.</details>


# %% tags=["exercise"]
def my_pull(log_pi, log_pi0, visits, alpha, beta):
    """(alpha / beta) sum_i d_i(s) (pi_i(a|s) - pi_0(a|s)): log policies [K, S, A] and [S, A], visits [K, S] give [S, A]."""
    ...


_ = check("10.2", my_pull)

# %% [markdown]
# ### Exercise 10.3 · find the planted bug  (●●● · 12 min)
# A colleague implements the first term for two columns and finds that $\pi_0$ runs away and never comes back. Their function is below
# (uncomment it). It gets the steps of an episode with their advantages, and returns the gradient of $\sum_t A_t\log\hat\pi_i(a_t\mid s_t)$
# by $h$. Find what is wrong, and repair it.
#
# <details><summary>Hint 1</summary>Whose log-probability is differentiated? Which policy took the actions?</details>
# <details><summary>Hint 2</summary>The logits of $\hat\pi_i$ are $\alpha h + \beta f$. The derivative of $\log\hat\pi_i(a)$ by them is one
# at $a$, less the probabilities; and then there is the chain rule.</details>


# %% tags=["exercise"]
def first_term(h, f, state, action, advantage, alpha, beta):
    """Gradient by h [S, A] of sum_t A_t log pi_i(a_t | s_t), two columns; state, action and advantage are [T]."""
    # total = torch.zeros_like(h)
    # for s, a, signal in zip(state.tolist(), action.tolist(), advantage):
    #     total[s] -= signal * h[s].softmax(-1)
    #     total[s, a] += signal
    # return total
    ...


_ = check("10.3", first_term)

# %% [markdown]
# ## 10.5 Two hundred steps
#
# The thesis gives actor–critic 200 updates in all: 200 episodes, and one step after each. Its soft Q-learning gets an update with every
# step of the world, tens of thousands. Before you blame sampling, ask what 200 *perfect* updates would do. Here are 200 steps of Adam along
# the exact gradient, from tables of zeros, with $\gamma = 0.999$.
#
# **Predict.** The learning rate is 0.003. How far does a logit move in 200 steps of Adam at most? Is that enough to be decided about
# anything?

# %%
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
CURVES = {}
for columns in (1, 2):
    for rate in RATES:
        setting = distral_ac.Config(columns=columns, hidden=None, keep_discount=True, discount=0.999, learning_rate=rate, distil_rate=rate)
        CURVES[columns, rate] = distral_ac.exact_ascent(tasks, setting).history
top = distral.solve(tasks, ALPHA, BETA, 0.999)


def after(columns, rate, update):
    """Expected steps [K] and objective after so many exact updates (a multiple of 4)."""
    history = CURVES[columns, rate]
    place = history.snapshot_updates.tolist().index(update)
    pi0, own = history.log_pi0[0, place], history.log_pi[0, :, place]
    return steps_of(own), float(distral.objective(stacked, pi0, own, ALPHA, BETA, 0.999))


print(f"exact updates at a rate, and steps on maps 4 to 8                        objective (optimum {float(top.objective[-1]):.3f})")
for columns, rate, count in ((1, 0.003, 200), (2, 0.003, 200), (1, 0.3, 48), (2, 0.3, 48), (1, 0.3, 200), (2, 0.3, 200)):
    way, height = after(columns, rate, count)
    print(f"{columns} column{'s' * (columns - 1):<2} rate {rate:<6}{count:>4}" + said(way) + f"{height:13.3f}")
print("the joint optimum         " + said(steps_of(top.log_pi)))
assert after(1, 0.003, 200)[0][0] > 6 * steps_of(top.log_pi)[0] and after(1, 0.3, 200)[0][0] < 1.05 * steps_of(top.log_pi)[0]

# %%


def ascent():
    figure, axes = plotting.new_figure(size=(7.4, 3.4))
    places = np.arange(5)
    bars = axes.bar(places, np.ones(5), width=0.55, color=plotting.BLUE)
    axes.hlines(steps_of(top.log_pi), places - 0.24, places + 0.24, color=plotting.ORANGE, linewidth=2.5, label="joint optimum")
    axes.hlines(shortest, places - 0.24, places + 0.24, color=plotting.BLACK, linewidth=1.2, label="shortest path")
    texts = [axes.text(place, 1, "", ha="center", va="bottom") for place in places]
    axes.set(ylabel="expected steps", yscale="log", ylim=(4, 1500))
    axes.set_xticks(places, [f"map {number}" for number in NUMBERS])
    axes.legend(loc="upper right", ncols=2)

    def update(columns, rate, update):
        way, height = after(columns, rate, update)
        for bar, text, length in zip(bars, texts, way.tolist(), strict=True):
            bar.set_height(length)
            text.set(text=f"{length:.1f}", y=1.08 * length)
        axes.set_title(f"{columns} column{'s' if columns == 2 else ''}, {update} exact updates at rate {rate:g}: objective {height:z.2f}")
        name = f"{columns} column{'s' if columns == 2 else ''}"
        return f"{name}, {update} exact updates at rate {rate:g}: expected steps {', '.join(f'{x:.1f}' for x in way)}."

    return Scene(figure, update)


sliders = {
    "columns": Slider((1, 2), 2, "columns"),
    "rate": Slider(RATES, 0.003, "learning rate"),
    "update": Slider(tuple(range(0, 201, 20)), 200, "updates"),
}
panel(ascent, sliders)

# %%
still(ascent, columns=2, rate=0.003, update=200)

# %% [markdown]
# Drag the rate. At 0.003 a logit of one column can move by about $200\cdot0.003 = 0.6$, one up and another down; so no action gets much
# more than three times as likely as another, and you see 89 steps where 15 would do. At 0.3 fifty updates are plenty. **With a perfect
# gradient, 200 updates are too few or more than enough, depending on nothing but the learning rate.**
#
# Now look at two columns at rate 0.3, all updates. The ways are *shorter* than at the optimum and the objective is *lower*: it has overshot
# into policies that are too certain, where softmax has no slope left to come back by. A shorter way is not a better agent here. The
# objective wanted some indecision.
#
# Two columns are faster at the same rate. The reason is not a better gradient: Adam divides the gradient's size out. It is that $f$ enters
# the logits times $\beta$. Give one column the same lever, $\beta' = 5$, or a learning rate five times as large:

# %%
for name, change in (
    ("two columns", {"columns": 2}),
    ("one column", {"columns": 1}),
    ("one column, β′ = 5", {"columns": 1, "beta_prime": 5.0}),
    ("one column, rate × 5", {"columns": 1, "learning_rate": 0.015}),
):
    setting = {"hidden": None, "keep_discount": True, "discount": 0.999, "learning_rate": 0.003, "distil_rate": 0.003, "snapshots": 1}
    run = distral_ac.exact_ascent(tasks, distral_ac.Config(**(setting | change)))
    way = steps_of(run.agent.log_pi[0])
    print(f"{name:<22}" + said(way))
    assert (way[0] < 35) == (name != "one column")

# %% [markdown]
# The last two lines are the same run in other words, and come close to two columns. So "two columns learn faster by actor–critic" is in
# part a statement about units of the learning rate, and a fair comparison sets it for each.
#
# ## 10.6 Why the thesis's actor–critic struggled
#
# The thesis reports that none of five mazes was solved by one column. It ends with a heading in capitals, *need to explain why AC framework
# doesn't work well*, and five guesses. You can test each of them. Take a setting near the author's: 200 episodes, one update after each,
# one-step targets; networks of 64-128-64 units and $\gamma = 0.95$, as in the author's program; “a much smaller learning rate” than 0.001
# (here 0.0003); and, which is ours, a critic with parameters of its own. Then **change one thing at a time**. Each line below stands for 20
# runs. They take too long for a notebook, so they are stored; `python -m distral_lite.experiments run distral_ac` makes them again.

# %%
CHANGES = {
    "d2-ac-45678": "the base setting, two columns",
    "ac-episodes": "10 episodes an update",
    "ac-whole": "returns of whole episodes",
    "ac-f-critic": "f is the critic",
    "ac-rate-0.0001": "learning rate 0.0001",
    "ac-rate-0.001": "learning rate 0.001",
    "ac-discount-0.99": "γ = 0.99",
    "ac-fading": "γᵗ kept, as in (2.69)",
    "ac-exact-0.95": "exact gradient",
    "ac-exact-even-0.95": "exact, without γᵗ",
    "ac-exact-0.99": "exact gradient, γ = 0.99",
    "ac-updates": "1000 episodes",
    "d2-ac-45678-more": "5 updates an episode",
    "ac-fading-more": "5 updates an episode, γᵗ kept",
}
stored = {name: results.stored(name) for name in CHANGES}
final = {name: one.arrays["steps"][..., -1] for name, one in stored.items()}  # [20, 5], exact expected steps of the last policies
recorded = [one.steps_last_50 for one in results.recorded("d2-ac-45678")]  # mean of the last 50 episodes

print("median of 20 runs, exact expected steps             4        5        6        7        8   solved")
solved = {}
for name, what in CHANGES.items():
    solved[name] = float((final[name] < 2 * shortest.numpy()).all(-1).mean())
    print(f"{what:<44}" + said(np.median(final[name], 0)) + f"{solved[name]:z9.0%}")
print(f"{'recorded by the thesis author':<44}" + said(recorded))
print(f"{'exact joint optimum at γ = 0.95':<44}" + said(steps_of(best.log_pi)))
# %% [markdown]
# **Predict** before you look at the picture: which of the five guesses survive? (1) Updates are correlated because they wait for whole
# episodes. (2) Policy gradients are noisy. (3) Soft Q-learning updates more often. (4) All mazes must finish before an update. (5) The
# learning rate is small, “setting the learning rate at 0.001 will make AC algos diverge”.

# %%
figure, axes = plotting.new_figure(size=(9.2, 4.6))
rows = list(CHANGES)
for place, name in enumerate(reversed(rows)):
    for k, number in enumerate(NUMBERS):
        level = place + 0.28 - 0.14 * k
        runs_of = final[name][:, k]
        low, high = np.quantile(runs_of, (0.25, 0.75))
        axes.plot((low, high), (level, level), color=plotting.COLOURS[k], linewidth=2.2, alpha=0.45)
        axes.plot(
            np.median(runs_of),
            level,
            plotting.MARKERS[k],
            color=plotting.COLOURS[k],
            markersize=5,
            label=f"map {number}" if not place else None,
        )
axes.set_yticks(range(len(rows)), [CHANGES[name] for name in reversed(rows)])
axes.axvspan(1, 26, color=plotting.SKY, alpha=0.15, linewidth=0)
axes.text(4.3, len(rows) - 0.35, "at most twice the longest of the shortest paths", color=plotting.BLUE, va="bottom")
axes.set(xscale="log", xlim=(4, 1200), ylim=(-0.6, len(rows) - 0.4), xlabel="exact expected steps after training")
axes.set_title("one thing changed at a time: median and middle half of 20 runs", pad=18)
axes.set_xticks([5, 10, 20, 50, 100, 200, 500, 1000], labels=["5", "10", "20", "50", "100", "200", "500", "1000"])
axes.minorticks_off()
axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
plotting.show(
    figure,
    alt="Ten episodes an update, whole returns or a larger discount alone leave the far mazes unsolved; more updates solve all five.",
)

# %%
unsolved = [
    name
    for name in ("d2-ac-45678", "ac-episodes", "ac-whole", "ac-f-critic", "ac-rate-0.0001", "ac-discount-0.99", "ac-fading")
    if solved[name] == 0
]
print("none of 20 runs solves all five mazes:", "; ".join(CHANGES[name] for name in unsolved))
print("every run does:", "; ".join(CHANGES[name] for name in CHANGES if solved[name] == 1))
lost = float((final["ac-exact-0.95"][:, 0] > 500).mean())
print(f"share of the runs along the exact gradient at γ = 0.95 that need more than 500 steps on map 4: {lost:.0%}")
assert solved["d2-ac-45678-more"] == solved["ac-exact-0.99"] == 1 and solved["ac-updates"] == 0.95
assert len(unsolved) == 7 and lost > 0.5 and float(np.median(final["ac-fading-more"][:, 0])) > 500 and solved["ac-rate-0.001"] > 0
# %% [markdown]
# **What it shows.** Go through the guesses.
#
# - *Noise* (2): ten episodes an update leave the far mazes unsolved. So do whole returns, which lean less on a critic that knows nothing.
#   And the **exact** gradient, which has no noise and needs no critic, ends *worse* than the sampled one. Noise is not it.
# - *Waiting for whole episodes, and for all mazes* (1, 4): the lines that solve everything wait just as long.
# - *Updates are rare* (3): yes. **Five updates on each episode, with everything else as it was, solve all five mazes in every run.** They
#   see the same number of episodes. A thousand episodes with one update each do it in 19 runs of 20.
# - *The learning rate* (5): nothing diverges at 0.001; it is much better than 0.0003, and 0.0001 is much worse. Rate times updates is what
#   was short.
#
# So the main answer is plain: the agents stopped in the middle of learning. Section 10.5 said the same with perfect gradients and tables.
#
# And there is a cause that is not on the list: **the discount**. At $\gamma = 0.99$ the sampled agents come much nearer, though not near
# enough, and the exact gradient, which hardly arrives at 0.95, solves everything in 200 updates. How can an *exact* gradient lose against a
# sampled one? Ask what a beginner, who acts at random, should think of the first step into the corridor.

# %%
print("uniform policies, map 4:    advantage of entering the corridor   visits at the start / at the far end of the corridor")
for gamma in (0.9, 0.95, 0.98, 0.99, 0.999):
    know = distral.regularised_values(stacked, uniform, everywhere, ALPHA, BETA, gamma)
    entering = (mdp.action_values(priced, know, gamma) - know.unsqueeze(-1))[0, mouth, ACTIONS.index("right")]
    weight = mdp.visits(tasks[0], uniform.exp(), gamma)
    share = weight[worlds[4].start] / weight[worlds[4].cells.index((4, 7))]
    print(f"γ = {gamma:<6}{float(entering):36.2f}{float(share):44.0f}")
    assert (float(entering) > 0) == (gamma >= 0.99)

# %% [markdown]
# At $\gamma = 0.95$ **entering the corridor is a mistake**. Walls on both sides cost a beginner half a point in two steps of five, at once;
# the goal lies behind $0.95$ to the power of hundreds. At 0.99 it pays. An exact gradient is the gradient of *something*, and here the
# something advises against leaving the room. Nothing is wrong with the gradient; the discount is too short for this maze and this beginner.
#
# Later, once the agent moves well *behind* the corridor, entering does pay. But $\gamma^t$ weighs the squares there more than a hundred
# times less than the start, so with $\gamma^t$ this "later" does not come within 200 updates. Line 25, which has lost the $\gamma^t$,
# weighs all steps alike. It follows the gradient of no objective, and it arrives: compare "exact gradient" with "exact, without
# $\gamma^t$". The sampled agents confirm it as soon as they have updates enough. Five an episode solve everything in every run. **With
# $\gamma^t$ put back, the correct gradient, most of the same runs never solve map 4**, the one whose way parts from the others' at the far
# end of the corridor, where $\gamma^t$ counts least.
#
# The author's program runs actor–critic at $\gamma = 0.95$ and soft Q-learning at $\gamma = 0.999$; the thesis states neither. That
# difference alone changes which way a beginner turns.
#
# ### Exercise 10.4 · explain the figure  (●●○ · 5 min)
# The line "exact gradient" climbs the objective without any noise, and yet most of its agents do not arrive on map 4. Why? **a** the
# variance of policy gradients is too large for one episode an update; **b** 200 updates are too few at this learning rate, whatever the
# gradient; **c** the objective at $\gamma = 0.95$ tells a beginner to stay out of the corridor, and $\gamma^t$ hides the squares where it
# would learn better; **d** its episodes are cut before they reach the goal.

# %% tags=["exercise"]
reason = None

_ = check("10.4", reason)

# %% [markdown]
# ## 10.7 The critic that is already there
#
# One row of the picture is a failure of another kind. Two columns have action values $f$, so they have a critic for nothing: the soft value
# $V = \frac1\beta\log\sum_a\hat\pi_0^\alpha e^{\beta f}$ of (2.67). The thesis's box hints at it (“Network output of $\hat\pi_i$”), and the
# author's program does it in every commit (`dist_2_col_AC/distral2col_AC.py`). What
# happens if $f$ is moved by line 24 and line 25 together? Write $\delta$ for the advantage. Line 24 descends along $-\delta\,\nabla_f V =
# -\delta\,\pi_i$; line 25 ascends along $\delta\,\nabla_f\log\pi_i = \delta\,\beta(\text{one-hot} - \pi_i)$. Divide the second by $\beta$
# and add: the $\pi_i$ cancel, and what is left is $\delta$ at the action taken. And $\delta$ itself, with (2.66) put in, is $R + \gamma
# V(s') - f(s,a)$. That is **soft Q-learning** (2.44), on the policy's own steps. It is the equivalence (2.54) of chapter 07 at work.

# %%
noise = torch.Generator().manual_seed(0)
f = torch.rand(1, 5, 32, 5, generator=noise, dtype=torch.float64).requires_grad_()
h = torch.rand(1, 1, 32, 5, generator=noise, dtype=torch.float64)
setting = distral_ac.Config(critic="f", discount=GAMMA)
pi0, own = distral_ac.policies(f.detach(), h, setting)
batch = distral_ac.play(stacked, own, lanes.LaneRandom([1], range(5)).uniform(101).unflatten(-1, (1, 101)))
critic = distral_ac.soft_value_of(f, h, setting)
log_own, log_shared = distral_ac.taken(own, batch), distral_ac.taken(pi0.expand_as(own), batch)
target = distral_ac.target(batch, distral_ac.regularised_reward(batch.reward, log_shared, log_own, ALPHA, BETA), critic.detach(), setting)
delta = target - critic.detach().gather(-1, batch.state.flatten(2)).view_as(target)
weight = distral_ac.weights(batch, log_own, log_own, setting)
line_24 = distral_ac.critic_loss(critic, batch, target, weight)
line_25 = distral_ac.actor_loss(distral_ac.policies(f, h, setting)[1], distral_ac.tally(batch, delta * weight, 32, 5))
next_value = critic.detach().gather(-1, batch.next_state.flatten(2)).view_as(target)
sql = 0.5 * ((batch.reward + GAMMA * next_value * ~batch.terminal - distral_ac.taken(f, batch)) ** 2 * batch.real).sum(-1).mean(-1)
both, soft_q = (torch.autograd.grad(loss.sum(), f, retain_graph=True)[0] for loss in (line_24 + line_25 / BETA, sql))
apart = float((both - soft_q).abs().max())
print(f"gradients of lines 24 and 25 / β, and of soft Q-learning, equal to ten digits: {verdict(apart, '<', 1e-10)}")
assert apart < 1e-10 and float(both.norm()) > 0.1 and float(np.median(final["ac-f-critic"], 0).min()) > 900

# %% [markdown]
# So the row "f is the critic" *is* soft Q-learning, but without what makes it work: no replay memory, no random actions, and one update an
# episode. Its median run arrives nowhere, on any map. The thesis compared 200 updates of one algorithm with tens of thousands of the other.
#
# ## 10.8 Five mazes of five
#
# Now the settings that this chapter argues for, live: as many updates as the episodes allow and a rate that fits them. With tables that is
# one update an episode at a rate a few hundred times larger. (A table's entries move only by what happens in their own square, and 200
# updates must move them by several units. Two columns have $\beta = 5$ as a lever on $f$, so the rate of $f$ is five times smaller there.)
# Twenty runs each, the thesis's 200 episodes, its one-step targets, its $\gamma = 0.95$.

# %%
SETTINGS = {
    "one column": distral_ac.Config(columns=1, hidden=None, learning_rate=0.1, distil_rate=0.1, critic_rate=0.1, snapshots=20),
    "two columns": distral_ac.Config(columns=2, hidden=None, learning_rate=0.02, distil_rate=0.1, critic_rate=0.1, snapshots=20),
}
learned = {name: distral_ac.train(tasks, setting, range(20), progress=True) for name, setting in SETTINGS.items()}
ways = {name: steps_of(run.history.log_pi.transpose(1, 2)) for name, run in learned.items()}  # [20, T, K], exact
print("all five mazes solved (less than twice the shortest path), in at least 18 of 20 runs?")
for name, way in ways.items():
    good = int((way[:, -1] < 2 * shortest).all(-1).sum())
    print(f"  {name}: {verdict(good, '>=', 18)}")
    assert good >= 18

# %%
figure, axes = plotting.new_figure(1, 2, size=(9.6, 3.6), sharey=True)
episodes = learned["one column"].history.snapshot_updates
for place, (name, way) in zip(axes, ways.items(), strict=True):
    for k in (0, 1, 2):
        plotting.draw_band(place, episodes, interquartile_band(way[:, :, k]), f"map {NUMBERS[k]}", style=k)
        plotting.draw_exact(place, float(steps_of(best.log_pi)[k]), "", style=k)
    place.set(xlabel="episodes of each task", yscale="log", title=name)
axes[0].set(ylabel="exact expected steps", ylim=(4, 1100))
for place in axes:
    for line in place.lines:
        if not line.get_label():
            line.set_label("_")
plotting.label_lines(axes[1])
plotting.provenance(axes[0], loc="upper right")
plotting.show(
    figure, alt="Within 200 episodes both architectures come down to the exact joint optimum on maps 4, 5 and 6, in all of 20 runs."
)

# %% [markdown]
# **What it shows.** Both architectures reach the exact joint optimum's ways (dashed) within the 200 episodes in which the thesis's agents
# solved nothing. On average they even end a little below it: the overshoot of section 10.5, towards policies that are surer than the
# objective asks for. The thesis's networks do it too, with five updates an episode. Put the three sources side by side.

# %%
PAPER = {"one column": [one.steps_last_50 for one in results.recorded("d1-ac-45678")], "two columns": recorded}
print("maps 4 to 8, steps                                      4        5        6        7        8")
for name, column in (("one column", "d1"), ("two columns", "d2")):
    print(f"{name + ': recorded by the thesis author':<48}" + said(PAPER[name]))
    for ending, what in (("", "its setting, median of 20 runs"), ("-more", "5 updates an episode")):
        found = results.stored(f"{column}-ac-45678{ending}").arrays["steps"][..., -1]
        print(f"{'   ' + what:<48}" + said(np.median(found, 0)))
        assert (np.median(found, 0) < 1.25 * steps_of(best.log_pi).numpy()).all() == (ending != "")
print(f"{'exact joint optimum, γ = 0.95':<48}" + said(steps_of(best.log_pi)))
unshared = np.median(results.stored("a2c-45678-more").arrays["steps"][..., -1], 0)
alone = steps_of(soft_q_learning.solve(stacked, uniform, ALPHA, BETA, GAMMA).log_policy)
print(f"{'nothing shared: 5 updates an episode':<48}" + said(unshared))
print(f"{'exact optimum with a uniform π₀':<48}" + said(alone))
assert (unshared > 0.9 * alone.numpy()).all() and (unshared < 1.3 * alone.numpy()).all()

# %% [markdown]
# (The recorded figures are means of the last fifty episodes of one run each, from the author's public repository
# `clementcmwan/distral_multitask_rl`; ours are exact expected steps of the last policies.) Our runs at the base setting end in the same
# region as the record, though they have a critic of their own and a fifth move. One change, and all five mazes are solved: with two columns
# in all of 20 runs, with one column in most.
#
# The last two lines say what sharing is worth. The same algorithm with $\pi_0$ held uniform, five updates an episode too, ends where *its*
# exact optimum is, and that is two to three times as far on the long ways. The difference is not skill but objective: without a $\pi_0$
# that knows the way, being certain has its full price.
#
# What has *not* been shown: that actor–critic is as good as soft Q-learning at equal effort. Five updates on one episode are not free, and
# what keeps them honest, a ratio of probabilities, does so for the actions only, not for the squares (read the docstring of `weights`).
# Section 11.9 puts the budgets of both side by side.
#
# ## What you learned
#
# - Distral's gradient is a policy gradient with a reward that pays for its own action. At the optimum every single advantage is zero, so
#   the noise dies out there.
# - $\pi_0$ has two terms: one through the tasks, active while they learn and only with two columns; one to the centroid, which alone leads
#   to the optimum.
# - Bias and noise of an episode's gradient can be computed. At the start of learning one episode is enough, if the critic is right.
# - The thesis's actor–critic ran out of updates, not of principle. More updates, on the very same number of episodes, solve all five mazes.
#   The short discount makes it harder; noise was not the reason.
# - An exact gradient can lose against a biased one, because it is faithful to an objective that points the wrong way at first.
#
# ## Self-quiz
#
# <details><summary>1. Why may the log-ratio of the step itself stay inside the advantage, although chapter 07 warns against dropping
# gradients of KL terms?</summary>The gradient of the sampled −(1/β) log πᵢ averages to −(1/β) E[∇ log πᵢ] = 0, and what acts through the
# choice of action is in the score times the advantage. Inside δ it may stay; it is the KL in closed form whose gradient must not be dropped
# (2.49).</details>
#
# <details><summary>2. A one-column agent's π₀ moves although no reward enters its gradient. How does it learn anything?</summary>It follows
# the centroid of the task policies, and they follow the rewards. It is distilled.</details>
#
# <details><summary>3. You double the learning rate and halve the number of updates. What does section 10.5 make you expect, and when does
# it go wrong?</summary>About the same distance, because Adam's steps have nearly fixed size. It goes wrong when single steps become so
# large that policies get certain before the values are known.</details>
#
# <details><summary>4. A friend halves the noise by four episodes an update, with 50 updates in place of 200. Better?</summary>At the start
# of learning, no: one episode already points the right way, and a quarter of the updates is what is missing. Near the optimum it may
# be.</details>
#
# <details><summary>5. The exact gradient at γ = 0.95 does not arrive with networks. In section 10.3 the same gradient at the same γ does,
# with tables. Why?</summary>Adam divides each parameter's gradient by its own size. A table's entry behind the corridor moves as fast as
# any other, however small its γ^t is. In a network all squares share the weights, and the loudest win.</details>
#
# ## Errata met in this chapter
#
# - Line 22: $\gamma$ is missing before $\hat V(s_{j+1})$. Line 15 counts one step too many, line 20 counts with the task's index, line 21
#   means $s_{j+1}$. Line 31 climbs. $S$ is never put back to the start.
# - (2.69) has $\gamma^t$ in its inner sum; (2.70), (2.71), (2.74)'s first term and line 25 have lost it.
# - Below (2.71): the advantage is not that of (2.67).
# - (2.74): for one column the first term is zero.
#
# ## Further reading
#
# - Wan, MSc thesis, UCL 2019: sections 2.6.4 and 3.4, algorithm 2, and the list at the end of 3.5.
# - Teh et al., "Distral: Robust Multitask Reinforcement Learning", NeurIPS 2017: section 2.3 for the gradient and its two terms.
# - Schulman, Chen and Abbeel, "Equivalence Between Policy Gradients and Soft Q-Learning", 2017: sections 3 and 4.
# - Nota and Thomas, "Is the Policy Gradient a Gradient?", AAMAS 2020: on the missing $\gamma^t$.
#
# **Next:** this is the last of the methods. Chapter 11 puts every figure of the thesis on the stand.
