"""Chapter 01: planning with a known model. Policy evaluation, policy iteration and value iteration (thesis 2.9 to 2.16).

`iterative_policy_evaluation` and `policy_iteration_by_sweeps` are the thesis's two boxes, line by line. `policy_iteration` is the same
idea with an exact linear solve in place of the sweeps, and is what the rest of the course calls for an exact optimum.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distral_lite.endings import resting, steps_to_end
from distral_lite.mdp import (
    MDP,
    action_values,
    endless,
    evaluate,
    greedy_policy,
    policy_reward,
    settle,
    transition_matrix,
    uniform_policy,
)
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
    mdp: MDP, policy: Tensor, discount: float, threshold: float = 1e-8, values: Tensor | None = None, max_sweeps: int = 100_000
) -> tuple[Tensor, int]:
    """The thesis's box "Iterative policy evaluation": sweeps in place until no value moves by `threshold`.

    Args:
        mdp: one MDP, without leading axes.
        policy: [S, A], probabilities.
        discount: gamma, from 0 to 1; 1 where the policy has a value without discount (see `mdp.evaluate`).
        threshold: theta of the box, in units of reward, above 0. At discount 1 it does not bound the distance from the exact values.
        values: [S], V to begin with; 0 everywhere if None, as in the box.
        max_sweeps: give up after so many.

    Returns:
        The values [S] and the number of sweeps.

    Raises:
        ValueError: a discount outside [0, 1], a threshold or `max_sweeps` that is not positive, a policy that is none of this MDP, or one
            that at discount 1 has no value.
        RuntimeError: not converged within `max_sweeps`.
    """
    _check_sweeps("iterative_policy_evaluation", discount, threshold, max_sweeps)
    if policy.shape != mdp.reward.shape[-2:]:
        wanted = f"[S, A] = {tuple(mdp.reward.shape[-2:])}, one task at a time"
        raise ValueError(f"iterative_policy_evaluation: policy has shape {tuple(policy.shape)}, wanted {wanted}")
    check_distribution("iterative_policy_evaluation", "policy", policy)
    mdp = settle("iterative_policy_evaluation", mdp, policy) if discount == 1 else mdp
    reward, transition = policy_reward(mdp, policy).numpy(), discount * transition_matrix(mdp, policy).numpy()
    values = np.zeros(len(reward)) if values is None else values.numpy().copy()  # Initialize V(s) = 0
    sweeps, delta = 0, np.inf
    while delta >= threshold:  # Repeat ... until delta < theta
        if sweeps == max_sweeps:
            raise _not_converged("iterative_policy_evaluation", max_sweeps)
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

    At discount 1 the optimum is the best that a policy can have that ends the episode or comes to rest (see `mdp.evaluate`), and among
    equally good actions one that gets nearer to an ending is taken.

    Args:
        mdp: arrays [..., S, A, M]; with a task axis all tasks are solved at once.
        discount: gamma, from 0 to 1.
        policy: [..., S, A] to start from; the uniform policy if None (at discount 1, where that has no value, one that ends or rests).

    Returns:
        The optimum; `steps` are the policies met, the last being optimal.

    Raises:
        ValueError: as `mdp.evaluate`; at discount 1, values that have no bound, or a state from which no policy ends or comes to rest.
    """
    policy = _first_policy(mdp, discount) if policy is None else policy
    steps = [policy]
    while True:
        values = evaluate(mdp, policy, discount)
        q = action_values(mdp, values, discount)
        new_policy = improve(q, policy) if discount < 1 else _improve_undiscounted(mdp, values, q, policy)
        if torch.equal(new_policy, policy):
            return Solution(values, q, policy, tuple(steps))
        policy = new_policy
        steps.append(policy)


def policy_iteration_by_sweeps(mdp: MDP, discount: float, threshold: float = 1e-8) -> tuple[Tensor, Tensor, int]:
    """The thesis's box "Policy iteration (using iterative policy evaluation)", with ties broken as in `improve`.

    Each evaluation goes on from the values of the last one, as printed; to begin at 0 again takes many times the sweeps.

    Args:
        mdp: one MDP, without leading axes.
        discount: gamma, below 1: the first policy, the first action everywhere, need not have a value without discount.
        threshold: theta of the box, in units of reward.

    Returns:
        V [S], the policy [S, A], and the number of evaluation sweeps it took in all.

    Raises:
        ValueError: as `iterative_policy_evaluation`; a discount of 1.
        RuntimeError: as `iterative_policy_evaluation`.
    """
    _check_sweeps("policy_iteration_by_sweeps", discount, threshold)
    if discount == 1:
        reason = "its first policy, the first action everywhere, need not end the episode, and then has no value"
        raise ValueError(f"policy_iteration_by_sweeps: discount is 1, wanted below 1: {reason}")
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

    At discount 1, V_k is what the best policy of k steps is worth. That tends to V* where every policy ends the episode, and where no
    reward is below 0, or none above. Where an agent may go on for ever and be paid now more, now less than 0, it may tend to
    something else, or to nothing.

    Args:
        mdp: arrays [..., S, A, M].
        discount: gamma, from 0 to 1.
        threshold: in units of reward; the values end within threshold * gamma / (1 - gamma) of V* (at discount 1 without such a bound).
        max_sweeps: give up after so many.

    Returns:
        The solution; `steps` are V_0, V_1, ..., the values after each sweep. At discount 1 actions whose values differ by less than
        twice the threshold count as equal, and one that gets nearer to an ending is taken.

    Raises:
        ValueError: a discount outside [0, 1], a threshold or `max_sweeps` that is not positive.
        RuntimeError: not converged within `max_sweeps`; at discount 1 perhaps because the values have no bound.
    """
    _check_sweeps("value_iteration", discount, threshold, max_sweeps)
    steps = [torch.zeros_like(mdp.start)]
    for _ in range(max_sweeps):
        steps.append(optimality_backup(mdp, steps[-1], discount))
        if float((steps[-1] - steps[-2]).abs().max()) < threshold:
            q = action_values(mdp, steps[-1], discount)
            policy = greedy_policy(q) if discount < 1 else _undiscounted_policy(mdp, steps[-1], q, 2 * threshold)
            return Solution(steps[-1], q, policy, tuple(steps))
    raise _not_converged("value_iteration", max_sweeps)


def _check_sweeps(function: str, discount: float, threshold: float, max_sweeps: int = 1) -> None:
    check_fraction(function, "discount", discount)
    check_positive(function, "threshold", threshold)
    check_positive(function, "max_sweeps", max_sweeps, whole=True)


def _not_converged(function: str, max_sweeps: int) -> RuntimeError:
    return RuntimeError(f"{function}: values still move after {max_sweeps} sweeps; raise threshold or max_sweeps")


# ---- discount 1 ----
#
# Let a policy be settled if from every state it ends the episode or comes to rest; then its value V is finite. Suppose
# an improved policy, made of V, goes on for ever in a set of states C. Weigh each state of C with its share of time, mu:
# the pay a step is sum mu (R + P V - V). That is at least 0, and above 0 if any state of C was strictly improved: then
# values have no bound. If none was, all that the old policy does in C is still among the best, and the old policy either
# left C or rested there. So whoever changes no best action without need, and else takes a best action that gets nearer
# to an ending, goes from settled to settled policies, or finds that there is no bound. (Bertsekas and Tsitsiklis, 1991,
# An analysis of stochastic shortest path problems; they rule out what is allowed here, going on for ever for nothing.)


def _settling_policy(mdp: MDP, allowed: Tensor, at_zero: Tensor) -> tuple[Tensor, Tensor]:
    """Of the allowed actions one that gets nearer to an ending; where none does, nearer to a state where one can rest, and rest there.

    Args:
        mdp: arrays [..., S, A, M].
        allowed: [..., S, A] bool.
        at_zero: [..., S] bool, states worth 0, so that one may rest in them.

    Returns:
        The policy, [..., S, A], and where there is one, [..., S] bool; elsewhere it takes the first allowed action.
    """
    graph = ((mdp.probability > 0) & allowed.unsqueeze(-1), mdp.terminal, mdp.successor)
    free = resting(mdp.reward.masked_fill(~(allowed & at_zero.unsqueeze(-1)), torch.nan), *graph)
    to_end, to_rest = steps_to_end(*graph), steps_to_end(*graph, free.any(-1))
    ends, rests = to_end.isfinite().any(-1, keepdim=True), free.any(-1, keepdim=True)
    least = torch.where(ends, to_end, torch.where(rests, (~free).double(), to_rest))
    action = torch.where(allowed, least.clamp(max=1e300), torch.inf).argmin(-1)
    settled = ends | rests | to_rest.isfinite().any(-1, keepdim=True)
    return torch.nn.functional.one_hot(action, allowed.shape[-1]).to(mdp.reward.dtype), settled[..., 0]


def _first_policy(mdp: MDP, discount: float) -> Tensor:
    """The uniform policy; at discount 1, where that is not settled, one that is."""
    uniform = uniform_policy(mdp)
    if discount < 1:
        return uniform
    try:
        settle("policy_iteration", mdp, uniform)
    except ValueError:
        everything = torch.ones_like(mdp.reward, dtype=torch.bool)
        policy, settled = _settling_policy(mdp, everything, everything[..., 0])
        if not bool(settled.all()):
            state = int(torch.nonzero(~settled)[0, -1])
            wanted = f"no policy ends the episode from state {state}, or comes to rest where it is paid 0"
            raise ValueError(f"policy_iteration: with discount 1 there are no finite values: {wanted}") from None
        return policy
    return uniform


def _improve_undiscounted(mdp: MDP, values: Tensor, q: Tensor, policy: Tensor) -> Tensor:
    """As `improve`, from a settled policy to a settled one; resting, where it is best, included.

    Raises:
        ValueError: the values have no bound.
    """
    best = q.max(-1, keepdim=True).values
    tie = 2 * _rounding(mdp, policy, q) + TIE * q.abs().amax((-2, -1), keepdim=True)
    equal, old = q >= best - tie, policy > 0
    old_is_best = (policy * (best - q)).sum(-1, keepdim=True) <= tie
    at_rest = (endless(mdp, policy) & (values.abs() <= tie[..., 0])).unsqueeze(-1)
    keep = old_is_best & ((policy == 1).any(-1, keepdim=True) | at_rest)
    new_policy, settled = _settling_policy(mdp, torch.where(keep, old, equal), values.abs() <= tie[..., 0])
    if not bool(settled.all()):
        state = int(torch.nonzero(~settled)[0, -1])
        raise ValueError(f"policy_iteration: with discount 1 the values have no bound: from state {state} one can go on for ever and gain")
    stable = (new_policy == policy).flatten(-2).all(-1)[..., None, None]
    free = resting(mdp.reward, mdp.probability > 0, mdp.terminal, mdp.successor)
    rest = torch.nn.functional.one_hot(free.int().argmax(-1), q.shape[-1]).to(q.dtype)
    able = free.any(-1, keepdim=True)
    better_at_rest = stable & (able & (values.unsqueeze(-1) < -tie)).any(-2, keepdim=True)
    ending, _ = _settling_policy(mdp, equal, values.abs() <= tie[..., 0])
    might_end = endless(mdp, policy) & ~endless(mdp, equal.to(q.dtype))
    new_policy = torch.where(stable & might_end.unsqueeze(-1), ending, new_policy)
    return torch.where(better_at_rest & able, rest, new_policy)


def _undiscounted_policy(mdp: MDP, values: Tensor, q: Tensor, tie: float) -> Tensor:
    """A greedy policy that ends or rests where it can; actions whose values differ by less than `tie` count as equally good."""
    policy, settled = _settling_policy(mdp, q > q.max(-1, keepdim=True).values - tie, values.abs() < tie)
    return torch.where(settled.unsqueeze(-1), policy, greedy_policy(q))


def _rounding(mdp: MDP, policy: Tensor, q: Tensor) -> Tensor:
    """[..., 1, 1], how wrong rounding may have made `q`: a few units in the last place of the largest, in every step of an episode."""
    settled = settle("policy_iteration", mdp, policy)
    steps = evaluate(settled._replace(reward=torch.ones_like(mdp.reward)), policy, 1.0)
    return 16 * torch.finfo(q.dtype).eps * steps.amax(-1)[..., None, None] * q.abs().amax((-2, -1), keepdim=True)
