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
# # Solutions to 11 · Auditing a thesis
#
# Try first. These pages say why an answer is right and which wrong ones are common; the exercises themselves stand in the chapter.

# %%
import torch

from distral_lite import distral_sql, mdp
from distral_lite.checks import check
from distral_lite.gridworld import load_map
from distral_lite.statistics import verdict

torch.set_num_threads(1)

# %% [markdown]
# ## 11.1 Find the planted bug
#
# `nanmean` leaves out what is not there. A run that did not reach the last fifty episodes did not reach them because its own were long: it
# is missing *for being bad*. Statisticians call this informative censoring. Leaving such runs out, or judging them by the early episodes
# that they did finish, flatters the algorithm that loses more runs. What is known of an episode that was not reached is that its
# predecessors took up to `cap`; counting it as `cap` is the cautious choice, and the same for every algorithm. Putting zero there is the
# worst of all: then lost runs *win*.


# %%
def my_summary(durations, cap, episodes):
    """Mean over the last episodes, [R]: durations [R, E] with NaN where a run did not get so far; episodes are cut at `cap` steps."""
    return torch.where(durations.isnan(), cap, durations)[..., -episodes:].mean(-1)


_ = check("11.1", my_summary)

# %% [markdown]
# ## 11.2 Budget a comparison
#
# Put the thesis's numbers in. Two hundred episodes of some twenty steps are 4000 steps of the world. Soft Q-learning makes 4000 updates of
# them, actor–critic 200: at equal episodes one algorithm has twenty times the other's updates. At equal *updates* actor–critic would have
# twenty times the experience. There is no single fair budget; there are two numbers, and a comparison should give both.


# %%
def my_budget(durations, updates_per_episode, updates_per_step, episodes):
    """[2] float64: steps of the world and updates spent on the first `episodes` of durations [E]."""
    steps = durations[:episodes].sum()
    return torch.stack([steps, updates_per_episode * episodes + updates_per_step * steps])


_ = check("11.2", my_budget)

sql = my_budget(torch.full((200,), 20.0, dtype=torch.float64), 0.0, 1.0, 200)
actor_critic = my_budget(torch.full((200,), 20.0, dtype=torch.float64), 1.0, 0.0, 200)
print("steps and updates, soft Q-learning:", sql.tolist(), " actor–critic:", actor_critic.tolist())

# %% [markdown]
# ## 11.3 How often does one seed mislead?
#
# Every run of one method may meet every run of the other: that is a table of R times Q comparisons, and broadcasting makes it. It is Mann
# and Whitney's U, divided by the number of pairs. Comparing run 0 with run 0 throws most of the pairs away and pretends that seeds of
# different algorithms belong together. Comparing with the other method's mean answers how often *one* unlucky run misleads when the other
# side has many, which is a paper with one new method and a well-known baseline. Also a good question; another one.


# %%
def my_misled(better, worse):
    """Share of pairs in which the better method takes more steps, ties half: better [R] and worse [Q] give a float."""
    difference = better[:, None] - worse
    return float(((difference > 0).double() + 0.5 * (difference == 0)).mean())


_ = check("11.3", my_misled)

# %% [markdown]
# ## 11.4 Find the confound
#
# **d.** Two lines of the table differ: the transitions distilled, which is the idea, and the longest episode, which nobody mentions. Change
# one at a time. With the new memory and the old limit, nothing is gained; with the old memory and the new limit, everything. A one-column
# agent at $\beta' = 1$ wanders, and its episodes have a long tail: some take several hundred steps. A limit of 100 cuts the tail off. The
# *mean length of an episode* falls; the policy is as it was. Its exact expected length, with one and the same limit for all, says so.
#
# Answer c is tempting, since five seeds *are* few. But luck does not cut an average by a third in five runs of five. More seeds only make
# the confound significant: below are ten.

# %%
tasks = [load_map(4).mdp(), load_map(5).mdp()]
PAPER = {"columns": 1, "beta_prime": 1.0, "hidden": None, "learning_rate": 0.01, "distil_rate": 0.03, "batch": 32, "memory": 4000}
SHAPES = {
    "as the baseline": {},
    "memory of 100 alone": {"distil_memory": 100},
    "limit of 100 alone": {"max_episode_steps": 100},
    "both": {"distil_memory": 100, "max_episode_steps": 100},
}
played, exact = {}, {}
for name, changes in SHAPES.items():
    config = distral_sql.Config(**{**PAPER, "steps": 5000, "distil_memory": 1000, "snapshots": 1, **changes})
    run = distral_sql.train(tasks, config, range(10), progress=True)  # five more than the paper had, to be sure
    played[name] = torch.tensor([[float(lane[~lane.isnan()][-20:].mean()) for lane in lanes] for lanes in run.history.durations]).mean(0)
    exact[name] = torch.stack([mdp.expected_steps(mdp.stack(tasks), policy.exp()) for policy in run.agent.log_pi]).mean(0)
base, long = played["as the baseline"], exact["as the baseline"]
print("episodes as played, shorter than the baseline's by a quarter on map 4, or more?")
for name in SHAPES:
    print(f"  {name:<22}{verdict(played[name][0], '<', 0.75 * base[0])}")
    assert bool(played[name][0] < 0.75 * base[0]) == ("max_episode_steps" in SHAPES[name])
print("exact length of the policies, without a limit of 100: within 15 % of the baseline's on both maps?")
for name in SHAPES:
    print(f"  {name:<22}{verdict((exact[name] / long - 1).abs(), '<', 0.15)}")
    assert bool(((exact[name] / long - 1).abs() < 0.15).all())

_ = check("11.4", "d")
