"""Chapter 01: planning with a known model. Policy evaluation, policy iteration and value iteration (thesis 2.9 to 2.16).

`iterative_policy_evaluation` and `policy_iteration_by_sweeps` are the thesis's two boxes, line by line. `policy_iteration` is the same
idea with an exact linear solve in place of the sweeps, and is what the rest of the course calls for an exact optimum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distral_lite.mdp import MDP, action_values, evaluate, greedy_policy, policy_reward, transition_matrix, uniform_policy
from distral_lite.validation import check_distribution, check_fraction, check_positive

TIE = 1e-12  # actions whose values differ by less than this share of the largest value count as equally good: rounding explains it


class Solution(NamedTuple):
    """An optimum and the way to it.

    Attributes:
        values: [..., S] float64, optimal state values V* (2.13).
        q: [..., S, A] float64, optimal action values Q* (2.14).
        policy: [..., S, A] float64, a deterministic optimal policy.
        steps: the policies (policy iteration) or values (value iteration) met on the way, first to last.
    """

    values: Tensor
    q: Tensor
    policy: Tensor
    steps: tuple[Tensor, ...]


def evaluation_backup(mdp: MDP, policy: Tensor, values: Tensor, discount: float) -> Tensor:
    """One synchronous sweep of policy evaluation (2.15, 2.16).

    V_{k+1}(s) = sum_a pi(a | s) sum_{s', r} P(s', r | s, a) [r + gamma V_k(s')]

    Args:
        mdp: arrays [..., S, A, M].
        policy: [..., S, A], probabilities.
        values: [..., S], V_k in units of reward.
        discount: gamma.

    Returns:
        [..., S], V_{k+1}.
    """
    return (policy * action_values(mdp, values, discount)).sum(-1)


def optimality_backup(mdp: MDP, values: Tensor, discount: float) -> Tensor:
    """One synchronous sweep of value iteration: V_{k+1}(s) = max_a E[R + gamma V_k(S')] (2.11, corrected: max, not arg max)."""
    return action_values(mdp, values, discount).max(-1).values


def iterative_policy_evaluation(
    mdp: MDP, policy: Tensor, discount: float, threshold: float = 1e-8, values: Tensor | None = None
) -> tuple[Tensor, int]:
    """The thesis's box "Iterative policy evaluation": sweeps in place until no value moves by `threshold`.

    Args:
        mdp: one MDP, without leading axes.
        policy: [S, A], probabilities.
        discount: gamma, below 1 (at 1 the sweeps need not end).
        threshold: theta of the box, in units of reward, above 0.
        values: [S], V to begin with; 0 everywhere if None, as in the box.

    Returns:
        The values [S] and the number of sweeps.

    Raises:
        ValueError: a discount outside [0, 1), a threshold that is not positive, or a policy that is none of this MDP.
    """
    _check_sweeps("iterative_policy_evaluation", discount, threshold)
    if policy.shape != mdp.reward.shape[-2:]:
        wanted = f"[S, A] = {tuple(mdp.reward.shape[-2:])}, one task at a time"
        raise ValueError(f"iterative_policy_evaluation: policy has shape {tuple(policy.shape)}, wanted {wanted}")
    check_distribution("iterative_policy_evaluation", "policy", policy)
    reward, transition = policy_reward(mdp, policy).numpy(), discount * transition_matrix(mdp, policy).numpy()
    values = np.zeros(len(reward)) if values is None else values.numpy().copy()  # Initialize V(s) = 0
    sweeps, delta = 0, np.inf
    while delta >= threshold:  # Repeat ... until delta < theta
        delta, sweeps = 0.0, sweeps + 1
        for s in range(len(values)):  # For each s
            old = values[s]  # v <- V(s)
            values[s] = reward[s] + transition[s] @ values  # V(s) <- sum_a pi(a|s) sum p(s',r|s,a) [r + gamma V(s')]
            delta = max(delta, abs(old - values[s]))  # delta <- max(delta, |v - V(s)|)
    return torch.from_numpy(values), sweeps


def improve(q: Tensor, policy: Tensor, error: float = 0.0) -> Tensor:
    """Policy improvement: the greedy policy, except that an old action that is still among the best is kept.

    Without the exception the box "Policy iteration" can swap for ever between two actions that are equally good, and never be stable.

    Args:
        q: [..., S, A], values of the actions under the old policy.
        policy: [..., S, A], the old policy.
        error: by how much `q` may be wrong, in units of reward: an action counts as better only where no such error explains it.

    Returns:
        [..., S, A], deterministic.
    """
    best = q.max(-1, keepdim=True).values
    tie = 2 * error + TIE * q.abs().amax((-2, -1), keepdim=True)
    old_is_best = (policy * (best - q)).sum(-1, keepdim=True) <= tie
    deterministic = (policy == 1).any(-1, keepdim=True)
    return torch.where(old_is_best & deterministic, policy, greedy_policy(q))


def policy_iteration(mdp: MDP, discount: float, policy: Tensor | None = None) -> Solution:
    """Policy iteration with exact evaluation: solve for V_pi, improve, repeat until the policy is stable.

    Args:
        mdp: arrays [..., S, A, M]; with a task axis all tasks are solved at once.
        discount: gamma, from 0 to 1 (1 where every policy met on the way ends the episode).
        policy: [..., S, A] to start from; the uniform policy if None (in a maze it ends from everywhere, so that discount 1 is allowed).

    Returns:
        The optimum; `steps` are the policies met, the last being optimal.

    Raises:
        ValueError: as `mdp.evaluate`.
    """
    policy = uniform_policy(mdp) if policy is None else policy
    steps = [policy]
    while True:
        values = evaluate(mdp, policy, discount)
        q = action_values(mdp, values, discount)
        new_policy = improve(q, policy)
        if torch.equal(new_policy, policy):
            return Solution(values, q, policy, tuple(steps))
        policy = new_policy
        steps.append(policy)


def policy_iteration_by_sweeps(mdp: MDP, discount: float, threshold: float = 1e-8) -> tuple[Tensor, Tensor, int]:
    """The thesis's box "Policy iteration (using iterative policy evaluation)", with ties broken as in `improve`.

    Each evaluation goes on from the values of the last one, as printed; to begin at 0 again takes many times the sweeps.

    Args:
        mdp: one MDP, without leading axes.
        discount: gamma, below 1.
        threshold: theta of the box, in units of reward.

    Returns:
        V [S], the policy [S, A], and the number of evaluation sweeps it took in all.

    Raises:
        ValueError: as `iterative_policy_evaluation`.
    """
    _check_sweeps("policy_iteration_by_sweeps", discount, threshold)
    error = threshold * discount**2 / (1 - discount)  # how far the sweeps may leave the action values from the exact ones
    values, policy = None, greedy_policy(torch.zeros_like(mdp.reward))  # 1. V(s) and pi(s) arbitrarily: 0, and the first action
    total = 0
    while True:
        values, sweeps = iterative_policy_evaluation(mdp, policy, discount, threshold, values)  # 2. Policy Evaluation, from the last V
        total += sweeps
        new_policy = improve(action_values(mdp, values, discount), policy, error)  # 3. Policy Improvement
        if torch.equal(new_policy, policy):  # if policy-stable, then stop
            return values, policy, total
        policy = new_policy


def value_iteration(mdp: MDP, discount: float, threshold: float = 1e-8, max_sweeps: int = 100_000) -> Solution:
    """Sweeps of the optimality backup until no value moves by `threshold`.

    Args:
        mdp: arrays [..., S, A, M].
        discount: gamma, below 1.
        threshold: in units of reward; the values end within threshold * gamma / (1 - gamma) of V*.
        max_sweeps: give up after so many.

    Returns:
        The solution; `steps` are V_0, V_1, ..., the values after each sweep.

    Raises:
        ValueError: a discount outside [0, 1) or a threshold that is not positive.
        RuntimeError: not converged within `max_sweeps`.
    """
    _check_sweeps("value_iteration", discount, threshold)
    steps = [torch.zeros_like(mdp.start)]
    for _ in range(max_sweeps):
        steps.append(optimality_backup(mdp, steps[-1], discount))
        if float((steps[-1] - steps[-2]).abs().max()) < threshold:
            q = action_values(mdp, steps[-1], discount)
            return Solution(steps[-1], q, greedy_policy(q), tuple(steps))
    raise RuntimeError(f"value_iteration: values still move after {max_sweeps} sweeps; raise threshold or max_sweeps")


def _check_sweeps(function: str, discount: float, threshold: float) -> None:
    check_fraction(function, "discount", discount)
    if discount == 1:
        raise ValueError(f"{function}: discount is 1, wanted below 1: sweeps of a policy that never ends would never end either")
    check_positive(function, "threshold", threshold)
