"""Exercises of chapter 01: backup, improvement, time-outs, a planted bug, a figure."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, flags, numbers, policy
from distral_lite.mdp import MDP, random_mdp


def backup(reward, transition, policy, values, discount):
    """V_{k+1}(s) = sum_a pi(a | s) [R(s, a) + gamma sum_s' P(s' | s, a) V_k(s')]."""
    return (policy * (reward + discount * transition @ values)).sum(-1)


def apart(reward, transition, policy, values, discount):
    """The backup with reward and future averaged apart."""
    future = (policy[..., None] * transition).sum(1) @ values
    return (policy * reward).sum(-1) + discount * future


def _backup_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The chapter's two states: one pays 1 and stays or 3 and moves on, one may end."""
    two = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.5, 0.0]]]
    acts = [[0.5, 0.5], [0.25, 0.75]]
    rows = [([[1.0, 3.0], [0.0, 0.0]], two, acts, [4.0, 2.0], 0.5)]
    for states, actions, discount, scale in (
        (2, 3, 0.9, 1),
        (2, 2, 0.0, 1),
        (3, 3, 1.0, 1e6),
        (4, 2, 0.99, 10),
    ):
        reward, acts = (
            numbers(generator, states, actions),
            policy(generator, states, actions),
        )
        goes_on = policy(generator, states, actions, states + 1)[..., :states]
        values = numbers(generator, states, scale=scale)
        rows.append((reward, goes_on.clone(), acts, values, discount))
    return cases("reward transition policy values discount", *rows)


def _in_place(reward, transition, policy, values, discount):
    values = values.clone()
    for s in range(len(values)):
        values[s] = backup(reward, transition, policy, values, discount)[s]
    return values


def improve(q, policy):
    """The old action where its value is within 1e-9 of the best, else the first best."""
    behind = q.amax(-1, keepdim=True) - (policy * q).sum(-1, keepdim=True)
    best = torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1]).to(q.dtype)
    return torch.where(behind < 1e-9, policy, best)


def _improve_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Ties, ties split by rounding, and old actions that are behind by every size."""
    split = [[0.0, -(10.0**-k), -1.0] for k in (1, 2, 3, 4, 5, 6, 7, 8, 8.5)]
    split += [[0.0, -(10.0**-k), -1.0] for k in (9.5, 10, 11, 12, 13, 14, 15)]
    tied = generator.integers(3, size=(8, 4)) + 1e-13 * generator.normal(size=(8, 4))
    rows = [
        ([[2.0, 2.0]], [1]),
        ([[0.25, 0.75], [-0.5, -0.25]], [0, 0]),
        ([[1.0, 3.0, 2.0], [5.0, 4.0, 5.0]], [0, 1]),
        ([[5.0, 4.0, 5.0], [0.0, 0.0, 0.0], [-3.0, -1.0, -1.0]], [2, 1, 2]),
        ([[-1.0, -0.5, -0.5 + 1e-12]], [1]),
        ([[-1.0, -0.5, -0.5 + 1e-6]], [1]),
        ([[-1e3, -2e3], [1e6, 1e6 + 1.0]], [0, 0]),
        (split, [1] * len(split)),
        (tied, generator.integers(4, size=8)),
        (1e3 * generator.normal(size=(12, 5)), generator.integers(5, size=12)),
    ]
    given = cases("q old", *rows)
    for case in given:
        old, actions = case.pop("old"), case["q"].shape[-1]
        case["policy"] = torch.nn.functional.one_hot(old, actions).double()
    return given


def _show_improve(given: dict[str, Any]) -> str:
    old = given["policy"].argmax(-1).tolist()
    if len(old) < 4:
        return f"q = {given['q'].tolist()}, old actions {old}"
    return f"a q of shape {tuple(given['q'].shape)}, old actions {old}"


def target(reward, next_value, terminal, truncated, discount):
    """What one observed step says about V(S_t): R_{t+1} + gamma V(S_{t+1})."""
    return reward + discount * (~terminal * next_value)


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    rows = [
        ([-0.1], [-5.0], [False], [True], 0.9),  # cut off
        ([0.9], [-5.0], [True], [False], 0.9),  # goal
        ([-0.1, -0.6], [2.0, -3.0], [False, False], [False, False], 0.99),
        ([0.9], [4.0], [True], [True], 0.9),  # goal as the clock ran out
    ]
    for steps, scale, discount in ((8, 1e6, 0.999), (6, 1.0, 1.0), (6, 1.0, 0.0)):
        steps_seen = numbers(generator, steps), numbers(generator, steps, scale=scale)
        ends = flags(generator, 0.4, steps), flags(generator, 0.4, steps)
        rows.append((*steps_seen, *ends, discount))
    return cases("reward next_value terminal truncated discount", *rows)


def value_iteration(mdp, discount, sweeps):
    """Sweeps of (2.11) from V = 0; outcomes that end the episode have no future."""
    values = torch.zeros(len(mdp.reward), dtype=torch.float64)
    for _ in range(sweeps):
        after = ~mdp.terminal * values[mdp.successor]
        values = (mdp.reward + discount * (mdp.probability * after).sum(-1)).amax(-1)
    return values


def _iteration_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    ends = [0 * one.long(), one, one[0], one.bool(), one[0, 0], torch.eye(1)]
    rows = [(MDP(*ends), 0.9, 3), (MDP(*ends)._replace(terminal=~one.bool()), 0.5, 2)]
    for states, actions, outcomes, discount, sweeps in (
        (3, 2, 2, 0.95, 0),
        (3, 2, 2, 0.9, 2),
        (4, 2, 1, 0.9, 20),
        (5, 3, 2, 1.0, 6),
        (6, 4, 3, 0.5, 1),
        (5, 3, 2, 0.99, 80),
    ):
        world = random_mdp(generator, states, actions, outcomes, ending=0.3)
        rows.append((world, discount, sweeps))
    return cases("mdp discount sweeps", *rows)


def _show_iteration(given: dict[str, Any]) -> str:
    states, actions, outcomes = given["mdp"].successor.shape
    size = f"an MDP of {states} states, {actions} actions, {outcomes} outcomes"
    if states == 1:
        ends = "ends" if given["mdp"].terminal.all() else "goes on"
        size = f"one state that pays 1 and {ends}"
    return f"{size}, γ = {given['discount']:g}, sweeps = {given['sweeps']}"


EXERCISES = [
    Exercise(
        "1.1",
        backup,
        _backup_inputs,
        (
            (
                "policy * (reward + discount * transition @ values)).sum(-1)",
                "reward + discount * transition @ values).amax(-1)",
                "You take the best action. That is the optimality backup (2.11); here the "
                "policy acts: average over its actions (2.16).",
            ),
            (
                "(policy * (reward + discount * transition @ values)).sum(-1)",
                "(reward + discount * transition @ values).mean(-1)",
                "Your average gives every action the same weight: the policy does not "
                "appear. Weight action a by π(a|s), then add up.",
            ),
            (
                "policy * ",
                "",
                "You add the actions up without their weights π(a|s), as if the agent "
                "took all of them in one step.",
            ),
            (
                "(reward + discount * transition @ values)",
                "discount * (reward + transition @ values)",
                "You discount the reward of this step too. γ stands before V only: "
                "R_{t+1} is counted in full (2.4).",
            ),
            (
                "discount * ",
                "",
                "γ is missing before the value of the next state.",
            ),
            (
                "transition @ values",
                "values[:, None]",
                "You use V of the state the agent is in. What counts is V of the states "
                "it may come to, weighted by P(s'|s,a).",
            ),
            (
                "transition @ values",
                "torch.einsum('tas,t->sa', transition, values)",
                "You sum over the states the agent may come from. transition[s, a, s'] "
                "leads from s to s': sum over its last axis.",
            ),
            (
                _in_place,
                "You use values of this very sweep as soon as they are there. So does the "
                "box; (2.16) asks for the old values V_k everywhere.",
            ),
            (
                "(policy * (reward + discount * transition @ values)).sum(-1)",
                "reward + discount * transition @ values",
                "That is Q(s, a), one number an action. V(s) is its average over the "
                "policy (2.7).",
            ),
        ),
        forms=(apart,),
        summary="γ from 0 to 1, values up to a million, episodes that may end",
    ),
    Exercise(
        "1.2",
        improve,
        _improve_inputs,
        (
            (
                "torch.where(behind < 1e-09, policy, best)",
                "best",
                "This is the box as printed: where the old action ties with the best one "
                "it is thrown out, and two equally good actions may swap for ever. Keep "
                "the old action where it is still among the best.",
            ),
            (
                "behind < 1e-09",
                "behind <= 0",
                "You ask whether two floats are equal. Rounding splits ties by 1e-12 or "
                "so: count an action as best if it is within 1e-9.",
            ),
            (
                "torch.where(behind < 1e-09, policy, best)",
                "(b := (q >= q.amax(-1, keepdim=True) - 1e-9).double()) "
                "/ b.sum(-1, keepdim=True)",
                "You share the probability among all tied actions. That is an optimal "
                "policy too, but the box wants one action a state, and the old one where "
                "it can stay.",
            ),
            (
                "torch.where(behind < 1e-09, policy, best)",
                "torch.nn.functional.one_hot(q.argmin(-1), q.shape[-1]).to(q.dtype)",
                "You take the worst action: Q counts rewards, and rewards are to be large.",
            ),
            (
                "behind < 1e-09",
                "(behind < 1e-09).any()",
                "You decide once for all states. The question is asked state by state: "
                "one that is settled must not stop the others.",
            ),
            (
                "torch.where(behind < 1e-09, policy, best)",
                "torch.where(behind < 1e-09, policy, best).argmax(-1)",
                "You return the number of the action. A policy is a row of "
                "probabilities, [S, A]: 1 for the chosen action, 0 for the others.",
            ),
        ),
        summary="exact ties, ties split by rounding, and clear winners",
        show=_show_improve,
    ),
    Exercise(
        "1.3",
        target,
        _target_inputs,
        (
            (
                "~terminal",
                "~(terminal | truncated)",
                "You treat a time-out as a goal: the future is cut off where only the "
                "clock ran out. The state at which an episode is cut is worth what it is "
                "worth.",
            ),
            (
                "~terminal * ",
                "",
                "You count what comes after the goal. A terminal step has no future: drop "
                "V(S_{t+1}) there.",
            ),
            (
                "~terminal",
                "~truncated",
                "You have the two flags the wrong way round: the future is dropped at "
                "time-outs and counted after the goal.",
            ),
            (
                "~terminal",
                "(~terminal | truncated)",
                "Where both flags are true, the goal was reached just as the clock ran "
                "out: the episode is over, whatever the clock says.",
            ),
            (
                "reward + discount * (~terminal * next_value)",
                "~terminal * (reward + discount * next_value)",
                "You drop the reward of the last step as well. The step into the goal "
                "pays; only what would come after it is dropped.",
            ),
            (
                "discount * ",
                "",
                "γ is missing before V(S_{t+1}): it lies one step in the future, time-out "
                "or not.",
            ),
        ),
        summary="goals, time-outs, both at once and neither",
    ),
    Exercise(
        "1.4",
        value_iteration,
        _iteration_inputs,
        (
            (
                "~mdp.terminal * ",
                "",
                "The bug is still in: after the passenger is delivered the code goes on "
                "collecting. Which array of the MDP is never used?",
            ),
            (
                "mdp.reward + ",
                "mdp.reward * ~mdp.terminal.any(-1) + ",
                "You removed the reward of the last step too. The step that ends an "
                "episode pays; only its successor's value is dropped.",
            ),
            (
                "~mdp.terminal",
                "~mdp.terminal.any(-1, keepdim=True)",
                "You drop the whole future of an action as soon as one outcome may end "
                "the episode. Mask each outcome, inside the sum over m.",
            ),
            (
                "~mdp.terminal",
                "~mdp.terminal.all(-1, keepdim=True)",
                "You drop the future only where every outcome ends the episode. Mask each "
                "outcome, inside the sum over m.",
            ),
            (
                "~mdp.terminal * ",
                "",
                ".amax(-1)",
                ".amax(-1) * ~mdp.terminal.any(-1).any(-1)",
                "You set states to 0 from which the episode may end. It is the outcome "
                "that is terminal, not the state it starts from.",
            ),
            (
                "~mdp.terminal",
                "mdp.terminal",
                "The mask is upside down: you keep the future of the outcomes that end, "
                "and drop that of the ones that go on.",
            ),
            (
                "mdp.reward + discount * (mdp.probability * after).sum(-1)",
                "discount * (mdp.reward + (mdp.probability * after).sum(-1))",
                "The leak is closed, but now γ also multiplies the reward of this very "
                "step. It was right before: γ stands before V only.",
            ),
        ),
        summary="one outcome and several, endings of every kind",
        show=_show_iteration,
    ),
    Choice(
        "1.5",
        "B",
        {
            "A": "the values come from a linear solve, exact at every γ below 1. Look for "
            "a reason in the rewards, not in the arithmetic.",
            "C": "the horizon grows with γ, so a far-sighted agent sees the goal better, "
            "not worse. And the bend is at the same γ for every cell, the one next to "
            "the goal included.",
            "D": "the weight of the goal's reward is a power of γ and grows with γ. It is "
            "smallest on the left, where the agent does walk.",
        },
        summary="c/(1 − γ) outgrows what the goal pays at γ = 1/(1 + c), from every cell "
        "at once, so the best policy keeps clear of the goal",
    ),
]
