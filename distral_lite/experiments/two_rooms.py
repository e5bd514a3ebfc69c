"""The experiment of the Distral paper itself (Teh et al., 2017, section 4.1): tables, two rooms and a corridor, random goals.

Every run has a family of tasks of its own: the walls of map 4, as many goals as tasks drawn at random from the rooms, and episodes that
start on any other square. A state is what the paper says: the square, the previous action and the previous reward.

Learning is the paper's: each task acts for a roll-out of n steps, its table moves a tenth of the way to the n-step soft targets of that
roll-out, and the distilled policy is the share of each action in what all tasks did, the later the less (gamma^t) and the older the less.
No random actions are mixed in: at the start of learning the policies are uniform. What the paper does not say is chosen here: five tasks,
where goals and starts may be, how fast old counts fade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from distral_lite import distral, lanes, mdp, soft, soft_q_learning
from distral_lite.gridworld import GridWorld, load_map
from distral_lite.validation import Fraction, Positive, Settings, Whole

RUNS_A_SEED = 5  # so that 20 seeds are the 100 runs of this experiment
CORRIDOR = range(3, 7)  # the columns of map 4 that have one free square each


@dataclass(frozen=True)
class Config(Settings):
    """Settings of `train`; the defaults are the paper's where it gives them."""

    rollouts: Whole = 2000  # rounds: each task takes n_steps steps, then learns from them
    n_steps: Whole = 10  # steps of a roll-out
    distil: bool = True  # False: pi_0 stays uniform, so each task learns by itself
    alpha: Fraction = 1.0  # weight of the distilled policy: no bonus for entropy
    beta: Positive = 5.0  # inverse temperature, in 1 / reward
    discount: Fraction = 0.95  # gamma
    learning_rate: Fraction = 0.1  # share of the way to the target that an entry moves
    fading: Fraction = 0.01  # share of the counts of actions that is forgotten with each roll-out
    max_episode_steps: Whole = 1000  # an episode is cut here, and bootstraps
    snapshots: Whole = 20  # copies of the policies that are kept, equally spaced in roll-outs

    def __post_init__(self) -> None:
        """Refuses settings that do not go together, naming them."""
        super().__post_init__()
        if self.snapshots > self.rollouts:
            self.refuse("snapshots", f"at most one a roll-out ({self.rollouts})")


class Run(NamedTuple):
    """The result of `train`.

    Attributes:
        goals: [R, K] int64, the square of each task's goal.
        rollouts: [T] int64, roll-outs after which the policies were kept, 0 first.
        log_pi0: [R, T, S, A], the distilled policies then.
        log_pi: [R, K, T, S, A], the task policies then.
    """

    goals: Tensor
    rollouts: Tensor
    log_pi0: Tensor
    log_pi: Tensor


def squares() -> list[int]:
    """The squares of the two rooms, as numbers of cells: where goals can be."""
    return [cell for cell, (_, column) in enumerate(load_map(4).cells) if column not in CORRIDOR]


@cache
def task(goal: int) -> mdp.MDP:
    """The maze with its goal on a square; an episode starts on any other, without a past.

    Args:
        goal: number of the square.

    Returns:
        The MDP, with states (square, previous action, previous reward).
    """
    walls, start = load_map(4), 0 if goal else 1
    letters = [[letter if letter == "#" else "." for letter in row] for row in walls.rows]
    for square, letter in ((start, "S"), (goal, "G")):
        row, column = walls.cells[square]
        letters[row][column] = letter
    world = GridWorld(tuple("".join(row) for row in letters), f"two rooms, goal on square {goal}").mdp(history=True)
    everywhere = torch.zeros_like(world.start)
    everywhere[: len(walls.cells)] = 1.0  # the states without a past come first
    everywhere[goal] = 0.0
    return world._replace(start=everywhere / everywhere.sum())


def draw_goals(seeds: Sequence[int], count: int) -> Tensor:
    """The goals of each run's tasks, all different within a run: [R, count] int64. They depend on the run's own seed alone."""
    choices = [np.random.default_rng((seed, 41)).choice(squares(), count, replace=False) for seed in seeds]
    return torch.from_numpy(np.stack(choices)).long()


class RandomGoals(lanes.TableWorld):
    """A `lanes.TableWorld` in which every lane, not only every task, has a table of its own.

    Args:
        goals: [R, K] int64.
        seeds: R different integers.
        max_episode_steps: episodes are cut at this length.
    """

    def __init__(self, goals: Tensor, seeds: Sequence[int], max_episode_steps: int) -> None:
        """Prepares one table a lane; the lanes' random numbers are those of K tasks."""
        super().__init__([task(goal) for goal in goals[0].tolist()], seeds, range(goals.shape[1]), max_episode_steps)
        own = lanes.tables([task(goal) for goal in goals.flatten().tolist()])
        number = torch.arange(goals.numel()).view(goals.shape)
        self.tables = own._replace(start=own.start.unflatten(0, goals.shape), task=number)


@torch.inference_mode()
def train(tasks: Sequence[int], config: Config, seeds: Sequence[int]) -> Run:
    """The tabular Distral of Teh et al. (2017, sections 2.1 and 4.1), or soft Q-learning of each task by itself.

    Args:
        tasks: K different integers, the tasks' numbers: of their random numbers, and in a run's list of goals.
        config: settings.
        seeds: different integers; each stands for `RUNS_A_SEED` runs.

    Returns:
        What was learned, R = RUNS_A_SEED * len(seeds).
    """
    runs = [RUNS_A_SEED * seed + i for seed in seeds for i in range(RUNS_A_SEED)]
    goals = draw_goals(runs, len(tasks))
    world, act = RandomGoals(goals, runs, config.max_episode_steps), lanes.LaneRandom(runs, tasks, stream=1)
    q = torch.zeros(*goals.shape, world.states, world.actions, dtype=torch.float64)
    counts = torch.zeros(len(runs), world.states, world.actions, dtype=torch.float64)
    log_pi0, log_pi = (torch.full_like(table, 1 / world.actions).log() for table in (counts, q))
    run, number = torch.arange(len(runs))[:, None], torch.arange(len(tasks))
    kept = {0: (log_pi0, log_pi)}
    wanted = {round(config.rollouts * i / config.snapshots) for i in range(1, config.snapshots + 1)}
    state, time = world.reset(), torch.zeros_like(goals)
    for rollout in range(1, config.rollouts + 1):
        path = []
        for _ in range(config.n_steps):
            action = lanes.sample(log_pi[run, number, state].exp().cumsum(-1), act.uniform(1)[..., 0])
            seen = world.step(action)
            path.append((state, action, seen.reward, seen.next_observation, seen.terminal, seen.truncated, time))
            state, time = seen.observation, torch.where(seen.done, 0, time + 1)
        *window, times = (torch.stack(field, -1) for field in zip(*path, strict=True))  # [R, K, n]
        q = learn(q, soft_q_learning.Window(*window), log_pi, log_pi0, config)
        if config.distil:
            counts = (1 - config.fading) * counts + count(window[0], window[1], times, config.discount, counts.shape)
            log_pi0 = ((counts + 1 / world.actions) / (counts.sum(-1, keepdim=True) + 1)).log()  # one action's worth of doubt
        log_pi = distral.two_column_policy(log_pi0.unsqueeze(1), q, config.alpha, config.beta)
        if rollout in wanted:
            kept[rollout] = (log_pi0, log_pi)
    with torch.inference_mode(False):
        policies = (torch.stack([kept_one[i].clone() for kept_one in kept.values()], axis) for i, axis in ((0, 1), (1, 2)))
        return Run(goals, torch.tensor(list(kept)), *policies)


def learn(q: Tensor, window: soft_q_learning.Window, log_pi: Tensor, log_pi0: Tensor, config: Config) -> Tensor:
    """Moves the values of what was done towards the soft targets of the roll-out's remaining steps, up to n of them (2.44, sampled).

    Args:
        q: [R, K, S, A], in units of reward.
        window: [R, K, n], the roll-out.
        log_pi: [R, K, S, A], the policy that acted.
        log_pi0: [R, S, A], the distilled policy that it was made with.
        config: settings.

    Returns:
        [R, K, S, A].
    """
    prior = log_pi0.unsqueeze(1).expand_as(q)
    value = soft.soft_value(q, prior, config.alpha, config.beta)
    next_value = value.gather(-1, window.next_state.flatten(2)).view(window.next_state.shape)
    place = window.state * q.shape[-1] + window.action
    own, shared, present = (table.flatten(2).gather(-1, place) for table in (log_pi, prior, q))
    fields = (window.reward.to(q.dtype), config.discount * (~window.terminal).to(q.dtype), next_value, own, shared)
    tail = [[field[..., first:] for field in (*fields, window.truncated)] for first in range(place.shape[-1])]
    target = torch.stack([soft.n_step_target_sampled(*end[:5], config.alpha, config.beta, end[5]) for end in tail], -1)
    return q.flatten(2).scatter_add(-1, place, config.learning_rate * (target - present)).view_as(q)


def count(state: Tensor, action: Tensor, time: Tensor, discount: float, shape: Sequence[int]) -> Tensor:
    """What all tasks of a run did, weighted by gamma^t (2.68): [R, K, n] each; returns [R, S, A]."""
    place = (state * shape[-1] + action).flatten(1)
    return torch.zeros(shape, dtype=torch.float64).flatten(1).scatter_add(-1, place, discount ** time.flatten(1).double()).view(shape)


def measure(run: Run, tasks: Sequence[int], config: Config) -> dict[str, Any]:
    """What the chapter draws, with the seeds first and their `RUNS_A_SEED` runs second.

    Returns:
        goals [seeds, 5, K]; rollouts [seeds, T]; steps [seeds, 5, T], expected steps of the task policies at those times, exactly, the mean
        of the run's tasks; exact [seeds, 5], the same of the exact optimum of that family (joint, or with a uniform prior); onward
        [seeds, 5, T, 2], the probability that pi_0 gives, in the corridor, to the direction of the previous move, and to turning back:
        means over squares and both directions.
    """
    families = [mdp.stack([task(goal) for goal in goals]) for goals in run.goals.tolist()]
    learned = run.log_pi.exp().transpose(1, 2)  # [R, T, K, S, A]
    steps = torch.stack([mdp.expected_steps(family, own).mean(-1) for family, own in zip(families, learned, strict=True)])
    exact = torch.stack([mdp.expected_steps(family, optimum(family, config).exp()).mean() for family in families])
    found = {"goals": run.goals.to(torch.int16), "steps": steps.float(), "exact": exact.float()}
    found["onward"] = onward(run.log_pi0.exp()).float()
    arrays = {name: array.unflatten(0, (-1, RUNS_A_SEED)) for name, array in found.items()}
    return {**arrays, "rollouts": run.rollouts.int().expand(len(run.goals) // RUNS_A_SEED, -1)}


def optimum(family: mdp.MDP, config: Config) -> Tensor:
    """Log of the exact task policies, [K, S, A]: of the joint optimum (2.62), or with a uniform prior where nothing is shared."""
    if config.distil:
        members = [mdp.MDP(*(array[k] for array in family)) for k in range(len(family.reward))]
        return distral.solve(members, config.alpha, config.beta, config.discount, tolerance=1e-6).log_pi
    uniform = mdp.uniform_policy(mdp.MDP(*(array[0] for array in family))).log()
    return soft_q_learning.solve(family, uniform, config.alpha, config.beta, config.discount).log_policy


def onward(distilled: Tensor) -> Tensor:
    """Probability, in the corridor after a move along it, of going on and of turning back: [..., S, A] gives [..., 2]."""
    world, left, right = load_map(4), 3, 4
    found = []
    for state, seen in enumerate(world.history_states):
        column = world.cells[seen.cell][1]
        if column in CORRIDOR and seen.previous_action in (left, right) and seen.previous_reward == world.step_reward:
            found.append(distilled[..., state, [seen.previous_action, left + right - seen.previous_action]])
    return torch.stack(found).mean(0)
