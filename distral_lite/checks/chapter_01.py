"""The exercises of chapter 01: Bellman backup, policy improvement, time-outs, a planted bug in value iteration, one figure to explain."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite.checks.exercise import Choice, Exercise, Mistake
from distral_lite.dynamic_programming import optimality_backup
from distral_lite.mdp import MDP, random_mdp

# ---- 1.1 the Bellman backup of a policy


def backup(
    reward: Tensor, transition: Tensor, policy: Tensor, values: Tensor, discount: float
) -> Tensor:
    """V_{k+1}(s) = sum_a pi(a | s) [R(s, a) + gamma sum_s' P(s' | s, a) V_k(s')] (2.16).

    `reward` [S, A], `transition` [S, A, S] (that the episode goes on, and in s'), `policy` [S, A], `values` [S]; returns [S].
    """
    return (policy * (reward + discount * transition @ values)).sum(-1)


def _backup_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    two = {  # worked by hand in the chapter: one state that pays 1 and stays or pays 3 and moves on, one that pays nothing and ends
        "reward": torch.tensor([[1.0, 3.0], [0.0, 0.0]], dtype=torch.float64),
        "transition": torch.tensor(
            [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.5, 0.0]]], dtype=torch.float64
        ),
        "policy": torch.tensor([[0.5, 0.5], [0.25, 0.75]], dtype=torch.float64),
        "values": torch.tensor([4.0, 2.0], dtype=torch.float64),
        "discount": 0.5,
    }
    cases = [two]
    for states, actions, discount, scale in (
        (2, 3, 0.9, 1),
        (4, 2, 0.99, 10),
        (5, 5, 0.0, 1),
        (3, 4, 1.0, 1e6),
        (6, 2, 0.5, 1),
    ):
        shares = generator.dirichlet(np.ones(states + 1), size=(states, actions))[
            ..., :states
        ]  # what is missing from 1 ends the episode
        cases.append(
            {
                "reward": torch.from_numpy(generator.normal(size=(states, actions))),
                "transition": torch.from_numpy(np.ascontiguousarray(shares)),
                "policy": torch.from_numpy(
                    generator.dirichlet(np.ones(actions), size=states)
                ),
                "values": torch.from_numpy(scale * generator.normal(size=states)),
                "discount": discount,
            }
        )
    return cases


def _in_place(
    reward: Tensor, transition: Tensor, policy: Tensor, values: Tensor, discount: float
) -> Tensor:
    values = values.clone()
    for s in range(len(values)):
        values[s] = backup(reward, transition, policy, values, discount)[s]
    return values


BACKUP = Exercise(
    "1.1",
    backup,
    _backup_inputs,
    (
        Mistake(
            lambda reward, transition, policy, values, discount: (
                (reward + discount * transition @ values).max(-1).values
            ),
            "You take the best action. That is the optimality backup (2.11); here the policy acts: average over its actions (2.16).",
        ),
        Mistake(
            lambda reward, transition, policy, values, discount: (
                reward + discount * transition @ values
            ).mean(-1),
            "Your average gives every action the same weight: the policy does not appear. Weight action a by π(a|s), then add up.",
        ),
        Mistake(
            lambda reward, transition, policy, values, discount: (
                reward + discount * transition @ values
            ).sum(-1),
            "You add the actions up without their weights π(a|s), as if the agent took all of them in one step.",
        ),
        Mistake(
            lambda reward, transition, policy, values, discount: (
                discount * (policy * (reward + transition @ values)).sum(-1)
            ),
            "You discount the reward of this step too. γ stands before V only: R_{t+1} is counted in full (2.4).",
        ),
        Mistake(
            lambda reward, transition, policy, values, discount: (
                policy * (reward + transition @ values)
            ).sum(-1),
            "γ is missing before the value of the next state.",
        ),
        Mistake(
            lambda reward, transition, policy, values, discount: (
                policy * (reward + discount * values[:, None])
            ).sum(-1),
            "You use V of the state the agent is in. What counts is V of the states it may come to, weighted by P(s'|s,a).",
        ),
        Mistake(
            lambda reward, transition, policy, values, discount: (
                policy
                * (reward + discount * torch.einsum("tas,t->sa", transition, values))
            ).sum(-1),
            "You sum over the states the agent may come from. transition[s, a, s'] leads from s to s': sum over its last axis.",
        ),
        Mistake(
            _in_place,
            "You use values of this very sweep as soon as they are there. So does the box; (2.16) asks for the old values V_k everywhere.",
        ),
        Mistake(
            lambda reward, transition, policy, values, discount: (
                reward + discount * transition @ values
            ),
            "That is Q(s, a), one number an action. V(s) is its average over the policy (2.7).",
        ),
    ),
    summary="γ from 0 to 1, values up to a million, episodes that may end",
)

# ---- 1.2 policy improvement that keeps an old action among the best

TIE = 1e-9


def improve(q: Tensor, policy: Tensor) -> Tensor:
    """The old action where its value is within 1e-9 of the best, else the first best action; all [S, A] (box "Policy iteration")."""
    behind = q.max(-1, keepdim=True).values - (policy * q).sum(-1, keepdim=True)
    return torch.where(behind < TIE, policy, _first_best(q))


def _improve_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    def case(q: Any, old: Any) -> dict[str, Any]:
        q = torch.as_tensor(q, dtype=torch.float64)
        return {
            "q": q,
            "policy": torch.nn.functional.one_hot(torch.as_tensor(old), q.shape[-1]).to(
                torch.float64
            ),
        }

    tied = generator.integers(3, size=(8, 4)).astype(float)
    noise = 1e-13 * generator.normal(size=(8, 4))  # what rounding leaves of a tie
    return [
        case([[2.0, 2.0]], [1]),
        case([[1.0, 3.0, 2.0], [5.0, 4.0, 5.0]], [0, 1]),
        case([[5.0, 4.0, 5.0], [0.0, 0.0, 0.0]], [2, 1]),
        case(
            [[-1.0, -0.5, -0.5 + 1e-12]], [1]
        ),  # the old action is behind by rounding only
        case([[-1.0, -0.5, -0.5 + 1e-6]], [1]),  # the old action is behind for good
        case(tied + noise, generator.integers(4, size=8)),
        case(1e3 * generator.normal(size=(12, 5)), generator.integers(5, size=12)),
    ]


def _show_improve(given: dict[str, Any]) -> str:
    old = given["policy"].argmax(-1).tolist()
    return (
        f"q = {given['q'].tolist()}, old actions {old}"
        if len(old) < 3
        else f"a q of shape {tuple(given['q'].shape)}, old actions {old}"
    )


def _first_best(q: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1]).to(q.dtype)


def _keep_exact_ties(q: Tensor, policy: Tensor) -> Tensor:
    best = (q == q.max(-1, keepdim=True).values).to(q.dtype)
    return torch.where(
        (policy * best).sum(-1, keepdim=True) > 0, policy, _first_best(q)
    )


def _share_ties(q: Tensor, policy: Tensor) -> Tensor:
    best = (q >= q.max(-1, keepdim=True).values - TIE).to(q.dtype)
    return best / best.sum(-1, keepdim=True)


def _all_or_nothing(q: Tensor, policy: Tensor) -> Tensor:
    behind = q.max(-1).values - (policy * q).sum(-1)
    return policy.clone() if bool((behind < TIE).any()) else _first_best(q)


IMPROVE = Exercise(
    "1.2",
    improve,
    _improve_inputs,
    (
        Mistake(
            lambda q, policy: _first_best(q),
            "This is the box as printed: where the old action ties with the best one it is thrown out, and two equally good actions may "
            "swap for ever. Keep the old action where it is still among the best.",
        ),
        Mistake(
            _keep_exact_ties,
            "You ask whether two floats are equal. Rounding splits ties by 1e-12 or so: count an action as best if it is within 1e-9.",
        ),
        Mistake(
            _share_ties,
            "You share the probability among all tied actions. That is an optimal policy too, but the box wants one action a state, and "
            "the old one where it can stay.",
        ),
        Mistake(
            lambda q, policy: _first_best(-q),
            "You take the worst action: Q counts rewards, and rewards are to be large.",
        ),
        Mistake(
            _all_or_nothing,
            "You decide once for all states. The question is asked state by state: one that is settled must not stop the others.",
        ),
        Mistake(
            lambda q, policy: improve(q, policy).argmax(-1),
            "You return the number of the action. A policy is a row of probabilities, [S, A]: 1 for the chosen action, 0 for the others.",
        ),
    ),
    summary="exact ties, ties split by rounding, and clear winners",
    show=_show_improve,
)

# ---- 1.3 a time-out is not a goal


def target(
    reward: Tensor,
    next_value: Tensor,
    terminal: Tensor,
    truncated: Tensor,
    discount: float,
) -> Tensor:
    """What one observed step says about V(S_t): R_{t+1} + gamma * V(S_{t+1}), with V = 0 where the step ended the episode.

    `terminal`: the world ended the episode; `truncated`: the clock did. All arrays [T], and so is what is returned.
    """
    return reward + discount * (~terminal * next_value)


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    def case(
        reward: Any, next_value: Any, terminal: Any, truncated: Any, discount: float
    ) -> dict[str, Any]:
        numbers = {
            "reward": torch.as_tensor(reward, dtype=torch.float64),
            "next_value": torch.as_tensor(next_value, dtype=torch.float64),
        }
        return {
            **numbers,
            "terminal": torch.as_tensor(terminal),
            "truncated": torch.as_tensor(truncated),
            "discount": discount,
        }

    return [
        case([-0.1], [-5.0], [False], [True], 0.9),  # cut off
        case([0.9], [-5.0], [True], [False], 0.9),  # goal
        case([-0.1, -0.6], [2.0, -3.0], [False, False], [False, False], 0.99),
        case(
            [0.9], [4.0], [True], [True], 0.9
        ),  # goal in the very step at which the clock ran out
        case(
            generator.normal(size=12),
            1e6 * generator.normal(size=12),
            generator.random(12) < 0.4,
            generator.random(12) < 0.4,
            0.999,
        ),
        case(
            generator.normal(size=6),
            generator.normal(size=6),
            np.zeros(6, dtype=bool),
            generator.random(6) < 0.5,
            1.0,
        ),
    ]


TARGET = Exercise(
    "1.3",
    target,
    _target_inputs,
    (
        Mistake(
            lambda reward, next_value, terminal, truncated, discount: (
                reward + discount * (~(terminal | truncated) * next_value)
            ),
            "You treat a time-out as a goal: the future is cut off where only the clock ran out. The state at which an episode is cut "
            "is worth what it is worth.",
        ),
        Mistake(
            lambda reward, next_value, terminal, truncated, discount: (
                reward + discount * next_value
            ),
            "You count what comes after the goal. A terminal step has no future: drop V(S_{t+1}) there.",
        ),
        Mistake(
            lambda reward, next_value, terminal, truncated, discount: (
                reward + discount * (~truncated * next_value)
            ),
            "You have the two flags the wrong way round: the future is dropped at time-outs and counted after the goal.",
        ),
        Mistake(
            lambda reward, next_value, terminal, truncated, discount: (
                reward + discount * ((~terminal | truncated) * next_value)
            ),
            "Where both flags are true, the goal was reached just as the clock ran out: the episode is over, whatever the clock says.",
        ),
        Mistake(
            lambda reward, next_value, terminal, truncated, discount: (
                ~terminal * (reward + discount * next_value)
            ),
            "You drop the reward of the last step as well. The step into the goal pays; only what would come after it is dropped.",
        ),
        Mistake(
            lambda reward, next_value, terminal, truncated, discount: (
                reward + ~terminal * next_value
            ),
            "γ is missing before V(S_{t+1}): it lies one step in the future, time-out or not.",
        ),
    ),
    summary="goals, time-outs, both at once and neither",
)

# ---- 1.4 the planted bug in value iteration


def value_iteration(mdp: MDP, discount: float, sweeps: int) -> Tensor:
    """`sweeps` sweeps of the optimality backup (2.11, corrected) from V = 0; outcomes that end the episode have no future: [S]."""
    values = torch.zeros(mdp.reward.shape[0], dtype=torch.float64)
    for _ in range(sweeps):
        values = optimality_backup(mdp, values, discount)
    return values


def _sweeps(new_values: Any) -> Any:
    """A value iteration around one backup `new_values(mdp, values, discount)`."""

    def iterate(mdp: MDP, discount: float, sweeps: int) -> Tensor:
        values = torch.zeros(mdp.reward.shape[0], dtype=torch.float64)
        for _ in range(sweeps):
            values = new_values(mdp, values, discount)
        return values

    return iterate


def _future(mdp: MDP, values: Tensor, alive: Tensor | bool) -> Tensor:
    return (mdp.probability * alive * values[mdp.successor]).sum(-1)


def _blank_states(mdp: MDP, values: Tensor, discount: float) -> Tensor:
    new = (mdp.reward + discount * _future(mdp, values, True)).max(-1).values
    return torch.where(mdp.terminal.any(-1).any(-1), torch.zeros_like(new), new)


def _iteration_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    loop = MDP(
        0 * one.long(), one, one[0], one.bool(), one[0, 0], torch.eye(1)
    )  # one state: be paid 1 and end
    cases = [{"mdp": loop, "discount": 0.9, "sweeps": 3}]
    for states, actions, outcomes, discount, sweeps in (
        (4, 2, 1, 0.9, 20),
        (5, 3, 2, 0.99, 60),
        (6, 4, 3, 0.5, 1),
        (3, 2, 2, 0.95, 0),
    ):
        cases.append(
            {
                "mdp": random_mdp(generator, states, actions, outcomes, ending=0.3),
                "discount": discount,
                "sweeps": sweeps,
            }
        )
    return cases


def _show_iteration(given: dict[str, Any]) -> str:
    states, actions, outcomes = given["mdp"].successor.shape
    size = (
        "one state that pays 1 and ends"
        if states == 1
        else f"an MDP of {states} states, {actions} actions, {outcomes} outcomes"
    )
    return f"{size}, γ = {given['discount']:g}, sweeps = {given['sweeps']}"


VALUE_ITERATION = Exercise(
    "1.4",
    value_iteration,
    _iteration_inputs,
    (
        Mistake(
            _sweeps(
                lambda mdp, v, g: (
                    (mdp.reward + g * _future(mdp, v, True)).max(-1).values
                )
            ),
            "The bug is still in: after the passenger is delivered the code goes on collecting. Which array of the MDP is never used?",
        ),
        Mistake(
            _sweeps(
                lambda mdp, v, g: (
                    (
                        mdp.reward * ~mdp.terminal.any(-1)
                        + g * _future(mdp, v, ~mdp.terminal)
                    )
                    .max(-1)
                    .values
                )
            ),
            "You removed the reward of the last step too. The step that ends an episode pays; only its successor's value is dropped.",
        ),
        Mistake(
            _sweeps(
                lambda mdp, v, g: (
                    (mdp.reward + g * (~mdp.terminal.any(-1) * _future(mdp, v, True)))
                    .max(-1)
                    .values
                )
            ),
            "You drop the whole future of an action as soon as one outcome may end the episode. Mask each outcome, inside the sum over m.",
        ),
        Mistake(
            _sweeps(
                lambda mdp, v, g: (
                    (mdp.reward + g * (~mdp.terminal.all(-1) * _future(mdp, v, True)))
                    .max(-1)
                    .values
                )
            ),
            "You drop the future only where every outcome ends the episode. Mask each outcome, inside the sum over m.",
        ),
        Mistake(
            _sweeps(_blank_states),
            "You set states to 0 from which the episode may end. It is the outcome that is terminal, not the state it starts from.",
        ),
        Mistake(
            _sweeps(
                lambda mdp, v, g: (
                    (mdp.reward + g * _future(mdp, v, mdp.terminal)).max(-1).values
                )
            ),
            "The mask is upside down: you keep the future of the outcomes that end, and drop that of the ones that go on.",
        ),
        Mistake(
            _sweeps(
                lambda mdp, v, g: (
                    (g * (mdp.reward + _future(mdp, v, ~mdp.terminal))).max(-1).values
                )
            ),
            "The leak is closed, but now γ also multiplies the reward of this very step. It was right before: γ stands before V only.",
        ),
    ),
    summary="one outcome and several, endings of every kind",
    show=_show_iteration,
)

# ---- 1.5 explain the figure

FIGURE = Choice(
    "1.5",
    "B",
    {
        "A": "the values come from a linear solve, exact at every γ below 1. Look for a reason in the rewards, not in the arithmetic.",
        "C": "the horizon grows with γ, so a far-sighted agent sees the goal better, not worse. And the bend is at the same γ for every "
        "cell, the one next to the goal included.",
        "D": "the weight of the goal's reward is a power of γ and grows with γ. It is smallest on the left, where the agent does walk.",
    },
    summary="c/(1 − γ) outgrows what the goal pays at γ = 1/(1 + c), from every cell at once, so the best policy keeps clear of the goal",
)

EXERCISES = [BACKUP, IMPROVE, TARGET, VALUE_ITERATION, FIGURE]
