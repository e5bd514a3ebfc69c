"""Chapter 08: Distral's objective and its exact optimum (thesis 2.62 to 2.74; Teh et al., 2017).

K tasks share one distilled policy pi_0. Each task's policy pi_i earns its task's rewards and pays for leaving pi_0 and for being
certain; alpha says how the two prices are split and beta how low they are together. Everything here is exact: float64 tables over the
states of small worlds, linear solves, and no sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from distral_lite import soft, soft_q_learning
from distral_lite.mdp import MDP, action_values, evaluate, stack, transition_matrix, uniform_policy, visits
from distral_lite.validation import check_fraction, check_not_negative, check_positive


class DistralSolution(NamedTuple):
    """A joint optimum of (2.62).

    Attributes:
        log_pi0: [S, A], log of the distilled policy.
        log_pi: [K, S, A], log of the task policies.
        values: [K, S], soft value of every state in every task, in units of reward.
        objective: [alternations], the objective (2.62) after each alternation; it never falls.
    """

    log_pi0: Tensor
    log_pi: Tensor
    values: Tensor
    objective: Tensor


class FixedPoint(NamedTuple):
    """Where soft Q-learning with distillation comes to rest.

    Attributes:
        log_pi0: [S, A], log of the distilled policy.
        log_pi: [K, S, A], log of the task policies.
        behaviour: [K, S, A], probabilities of acting: the task policy mixed with epsilon of chance.
        q: [K, S, A], soft action values.
        iterations: how often the three equations were applied in turn.
    """

    log_pi0: Tensor
    log_pi: Tensor
    behaviour: Tensor
    q: Tensor
    iterations: int


def mixing(c_kl: float, c_ent: float) -> tuple[float, float]:
    """The weights alpha and beta from the two prices (2.62): alpha = C_KL / (C_KL + C_Ent), beta = 1 / (C_KL + C_Ent).

    Raises:
        ValueError: a negative price, or both zero.
    """
    check_not_negative("distral.mixing", "c_kl", c_kl)
    check_not_negative("distral.mixing", "c_ent", c_ent)
    check_positive("distral.mixing", "c_kl + c_ent", c_kl + c_ent)
    return c_kl / (c_kl + c_ent), 1 / (c_kl + c_ent)


def one_column_policy(f: Tensor, beta_prime: float = 1.0) -> Tensor:
    """Log of the task policy of one column: softmax of beta' f (2.63, where beta' is 1 whatever beta says).

    Args:
        f: [..., A], the task's action values, in units of reward.
        beta_prime: inverse temperature, in 1 / reward.

    Returns:
        [..., A], log probabilities.
    """
    return torch.log_softmax(beta_prime * f, -1)


def distilled_policy(h: Tensor) -> Tensor:
    """Log of the distilled policy: softmax of its preferences h (2.64), [..., A]."""
    return torch.log_softmax(h, -1)


def two_column_policy(h: Tensor, f: Tensor, alpha: float, beta: float) -> Tensor:
    """Log of the task policy of two columns: softmax of alpha h + beta f (2.66).

    It equals pi_0^alpha exp(beta A) with the soft advantage of (2.67), which is (2.65) with the right-hand side put right: the thesis
    prints pi_i in place of pi_0^alpha.

    Args:
        h: [..., A], preferences of the distilled policy, in nats.
        f: [..., A], the task's action values, in units of reward.
        alpha: weight of the distilled policy.
        beta: inverse temperature, in 1 / reward.

    Returns:
        [..., A], log probabilities.
    """
    return torch.log_softmax(alpha * h + beta * f, -1)


def soft_advantage(f: Tensor, log_pi0: Tensor, alpha: float, beta: float) -> Tensor:
    """Advantage of each action over the soft value (2.67): f - (1 / beta) log sum_a pi_0(a)^alpha exp(beta f(a)), [..., A]."""
    return f - soft.soft_value(f, log_pi0, alpha, beta).unsqueeze(-1)


def regularised_reward(mdp: MDP, log_pi0: Tensor, log_pi: Tensor, alpha: float, beta: float) -> Tensor:
    """Reward less the two prices, for each action (below 2.69): R + (alpha / beta) log pi_0 - (1 / beta) log pi_i, [..., S, A]."""
    return mdp.reward + (alpha / beta) * log_pi0 - log_pi / beta


def regularised_values(mdps: MDP, log_pi0: Tensor, log_pi: Tensor, alpha: float, beta: float, discount: float) -> Tensor:
    """Expected discounted regularised return from every state, one linear solve a task: [K, S], in units of reward.

    Args:
        mdps: K tasks, stacked.
        log_pi0: [S, A].
        log_pi: [K, S, A].
        alpha: weight of the distilled policy.
        beta: inverse temperature, in 1 / reward.
        discount: gamma.

    Returns:
        [K, S], differentiable with respect to both policies.
    """
    return evaluate(mdps._replace(reward=regularised_reward(mdps, log_pi0, log_pi, alpha, beta)), log_pi.exp(), discount)


def objective(mdps: MDP, log_pi0: Tensor, log_pi: Tensor, alpha: float, beta: float, discount: float) -> Tensor:
    """Distral's objective (2.62, second line): the regularised return from the start, summed over tasks.

    Arguments as in `regularised_values`. Returns a number, in units of reward, differentiable with respect to both policies.
    """
    return (mdps.start * regularised_values(mdps, log_pi0, log_pi, alpha, beta, discount)).sum()


def centroid(log_policies: Tensor, visits: Tensor, fallback: Tensor) -> Tensor:
    """The distilled policy that maximises (2.68): log of pi_0(a | s), in proportion to sum_i d_i(s) pi_i(a | s).

    The sum is taken over logs, so that an action that every task has all but given up keeps a finite log.

    Args:
        log_policies: [K, S, A].
        visits: [K, S], weights of at least 0: the discounted visits of each task, so that a task has a say for as long as it runs.
        fallback: [S, A], log of what pi_0 shall be in states that no task visits.

    Returns:
        [S, A], log probabilities.
    """
    mixture = torch.logsumexp(visits.clamp_min(0).log().unsqueeze(-1) + log_policies, 0)
    return torch.where((visits > 0).any(0).unsqueeze(-1), torch.log_softmax(mixture, -1), fallback)


@torch.inference_mode()  # a fifth faster; what is returned are ordinary tensors
def solve(
    mdps: Sequence[MDP],
    alpha: float,
    beta: float,
    discount: float,
    log_pi0: Tensor | None = None,
    tolerance: float = 1e-9,
    max_alternations: int = 10_000,
) -> DistralSolution:
    """The exact joint optimum of (2.62), by alternation.

    The task policies start as the soft optima with prior pi_0. Then, in turn: pi_0 becomes the centroid of the pi_i, and every pi_i is
    improved by one step of soft policy iteration. Both steps can only raise the objective, so the alternation ends. Both need the same
    matrix I - gamma P_pi, which is factored once. What is found may be a local optimum, and depends on the start.

    Args:
        mdps: K tasks over the same states and actions.
        alpha: weight of the distilled policy, from 0 to 1.
        beta: inverse temperature, in 1 / reward, above 0.
        discount: gamma, from 0 up to but not including 1.
        log_pi0: [S, A] to start from; uniform if None.
        tolerance: stop when an alternation raises the objective by less than this, in units of reward, and moves no probability of any
            policy by more than its square root.
        max_alternations: give up after so many.

    Returns:
        The optimum and the objective after each alternation.

    Raises:
        ValueError: no tasks, tasks of different states or actions, parameters out of range, a log_pi0 that is no distribution.
        RuntimeError: not converged within `max_alternations`.
    """
    tasks = _checked("distral.solve", mdps, alpha, beta, discount)
    log_pi0 = uniform_policy(mdps[0]).log() if log_pi0 is None else soft.checked_prior("distral.solve", log_pi0, alpha, beta)
    log_pi = soft_q_learning.solve(tasks, log_pi0, alpha, beta, discount).log_policy
    identity, start, heights = torch.eye(tasks.start.shape[-1], dtype=torch.float64), tasks.start.unsqueeze(-1), [-float("inf")]
    for _ in range(max_alternations):
        factors = torch.linalg.lu_factor(identity - discount * transition_matrix(tasks, log_pi.exp()))
        new_pi0 = centroid(log_pi, torch.linalg.lu_solve(*factors, start, adjoint=True).squeeze(-1), log_pi0)
        reward = (log_pi.exp() * regularised_reward(tasks, new_pi0, log_pi, alpha, beta)).sum(-1, keepdim=True)
        values = torch.linalg.lu_solve(*factors, reward).squeeze(-1)
        new_pi = soft.soft_log_policy(action_values(tasks, values, discount), new_pi0, alpha, beta)
        heights.append(float((tasks.start * values).sum()))
        moved = max(float((new.exp() - old.exp()).abs().max()) for new, old in ((new_pi0, log_pi0), (new_pi, log_pi)))
        log_pi0, log_pi = new_pi0, new_pi
        if heights[-1] - heights[-2] < tolerance and moved < tolerance**0.5:
            with torch.inference_mode(False):
                found = (array.clone() for array in (log_pi0, log_pi, values))
                return DistralSolution(*found, torch.tensor(heights[1:], dtype=torch.float64))
    raise RuntimeError(f"distral.solve: still rising after {max_alternations} alternations; raise tolerance or max_alternations")


def fixed_point(
    mdps: Sequence[MDP],
    act: Callable[[Tensor, Tensor], Tensor],
    alpha: float,
    beta: float,
    discount: float,
    epsilon: float = 0.05,
    tolerance: float = 1e-9,
    max_iterations: int = 10_000,
) -> FixedPoint:
    """Where algorithm 1 comes to rest, without any training, for any way of acting.

    Three equations hold there together: Q_i solves the soft Bellman equation with prior pi_0^alpha at temperature 1 / beta; the agent acts
    by `act`, mixed with epsilon of chance; and pi_0 is the mean of what the replay memories hold, weighted by gamma^t, each task having the
    same say because equal numbers are drawn from each. They are applied in turn until nothing moves.

    Args:
        mdps: K tasks over the same states and actions.
        act: gives the logs of the task policies [K, S, A] for log pi_0 [S, A] and Q [K, S, A]: line 9.
        alpha: weight of the distilled policy, from 0 to 1.
        beta: inverse temperature of the soft values, in 1 / reward.
        discount: gamma, below 1.
        epsilon: share of random actions in the behaviour.
        tolerance: stop when no probability of pi_0 moves by more than this.
        max_iterations: give up after so many.

    Returns:
        The fixed point.

    Raises:
        ValueError: as `solve`; epsilon outside [0, 1].
        RuntimeError: not converged within `max_iterations`.
    """
    tasks = _checked("distral.fixed_point", mdps, alpha, beta, discount)
    check_fraction("distral.fixed_point", "epsilon", epsilon)
    log_pi0, solution = uniform_policy(mdps[0]).log(), None
    for iteration in range(1, max_iterations + 1):
        solution = soft_q_learning.solve(tasks, log_pi0, alpha, beta, discount, start=solution)
        log_pi = act(log_pi0, solution.q)
        behaviour = (1 - epsilon) * log_pi.exp() + epsilon / log_pi.shape[-1]
        weight = visits(tasks, behaviour, discount)
        new_pi0 = centroid(behaviour.log(), weight / weight.sum(-1, keepdim=True), log_pi0)
        if float((new_pi0.exp() - log_pi0.exp()).abs().max()) < tolerance:
            return FixedPoint(log_pi0, log_pi, behaviour, solution.q, iteration)
        log_pi0 = new_pi0
    raise RuntimeError(f"distral.fixed_point: still moving after {max_iterations} iterations; raise tolerance or max_iterations")


def one_column_fixed_point(
    mdps: Sequence[MDP],
    alpha: float,
    beta: float,
    beta_prime: float,
    discount: float,
    epsilon: float = 0.05,
    tolerance: float = 1e-9,
    max_iterations: int = 10_000,
) -> FixedPoint:
    """The `fixed_point` of one column, which acts by softmax(beta' Q_i), (2.63) where beta' is 1. Arguments, results and errors as there.

    Raises:
        ValueError: besides, beta_prime not above 0.
    """
    check_positive("distral.one_column_fixed_point", "beta_prime", beta_prime)
    return fixed_point(
        mdps, lambda log_pi0, q: one_column_policy(q, beta_prime), alpha, beta, discount, epsilon, tolerance, max_iterations
    )


def task_gradient(mdps: MDP, log_pi0: Tensor, log_pi: Tensor, alpha: float, beta: float, discount: float) -> Tensor:
    """Exact policy gradient with respect to the logits of the task policies (2.69 to 2.71): d_i(s) pi_i(a | s) A_i(s, a).

    The advantage A_i is that of the regularised reward, the sampled log-ratio of its own step included, so that it averages to zero.
    Arguments as in `regularised_values`. Returns [K, S, A]; for a policy softmax(c f), the gradient with respect to f is c times it.
    """
    values = regularised_values(mdps, log_pi0, log_pi, alpha, beta, discount)
    regularised = mdps._replace(reward=regularised_reward(mdps, log_pi0, log_pi, alpha, beta))
    advantage = action_values(regularised, values, discount) - values.unsqueeze(-1)
    return visits(mdps, log_pi.exp(), discount).unsqueeze(-1) * log_pi.exp() * advantage


def distilled_gradient(mdps: MDP, log_pi0: Tensor, log_pi: Tensor, alpha: float, beta: float, discount: float) -> tuple[Tensor, Tensor]:
    """The two terms of the exact gradient with respect to the preferences h of the distilled policy (2.74).

    The first acts through the task policies and exists for two columns only, where log pi_i depends on alpha h; the second,
    (alpha / beta) sum_i d_i(s) (pi_i(a | s) - pi_0(a | s)), pulls pi_0 to the centroid and is the whole gradient for one column.

    Arguments as in `regularised_values`. Returns both terms, each [S, A].
    """
    weight = visits(mdps, log_pi.exp(), discount).unsqueeze(-1)
    through_tasks = alpha * task_gradient(mdps, log_pi0, log_pi, alpha, beta, discount).sum(0)
    return through_tasks, (alpha / beta) * (weight * (log_pi.exp() - log_pi0.exp())).sum(0)


def _checked(function: str, mdps: Sequence[MDP], alpha: float, beta: float, discount: float) -> MDP:
    """The tasks, stacked, once the parameters are known to make sense."""
    check_fraction(function, "alpha", alpha)
    check_positive(function, "beta", beta)
    check_fraction(function, "discount", discount)
    if discount == 1:
        raise ValueError(f"{function}: discount is 1, wanted below 1: with alpha < 1 an agent may prefer to wander for ever")
    return stack(mdps)
