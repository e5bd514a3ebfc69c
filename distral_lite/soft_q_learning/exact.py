"""The soft optimum, exactly (thesis 2.39 to 2.45): Newton's method, value iteration, and the beta below which nothing gets done.

Soft policy iteration evaluates the soft policy by one linear solve, improves it, and repeats. That is Newton's method on the soft Bellman
equation, and a handful of solves do what takes value iteration thousands of sweeps.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.sparse import csgraph, csr_matrix
from scipy.sparse.linalg import eigs
from torch import Tensor

from distral_lite.mdp import MDP, action_values, evaluate
from distral_lite.soft import check_support, checked_prior, expected_regulariser, soft_log_policy, soft_value
from distral_lite.validation import check_fraction, check_positive

DENSE_ROOT = 60  # up to this many states all eigenvalues are computed to find the largest; above it, that one alone
BETAS = (0.0, *4.0 ** np.arange(-5, 8))  # between which `critical_beta` looks: 0, 0.001, ..., 16384


class SoftSolution(NamedTuple):
    """A soft optimum.

    Attributes:
        q: [..., S, A] float64, action values; they leave out the regulariser of their own first step (2.41).
        value: [..., S] float64, soft values.
        log_policy: [..., S, A] float64, log-probabilities of the soft policy.
        iterations: linear solves (`solve`) or sweeps (`soft_value_iteration`) that it took.
    """

    q: Tensor
    value: Tensor
    log_policy: Tensor
    iterations: int


def soft_backup(mdp: MDP, value: Tensor, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor, discount: float) -> Tensor:
    """One sweep of soft value iteration: the soft value (2.45, corrected) of Q = R + gamma E[V(S')], [..., S] -> [..., S].

    Its fixed point is the soft optimum, and `soft_backup(V) - V` is the residual of the soft Bellman equation.
    """
    return soft_value(action_values(mdp, value, discount), log_prior, alpha, beta)


def soft_evaluate(mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor, discount: float) -> Tensor:
    """Regularised value of any policy, exactly: the expected return (2.39, 2.40) whose rewards include the regulariser of every step.

    Args:
        mdp: arrays [..., S, A, M].
        log_policy: [..., S, A], log-probabilities of the actions.
        log_prior: [..., S, A] or [A], log of a distribution.
        alpha: from 0 to 1, a number or a tensor that broadcasts against [..., S].
        beta: above 0, likewise, in units of 1 / reward.
        discount: gamma, from 0 to 1; 1 where the policy ends the episode.

    Returns:
        [..., S] float64, in units of reward.

    Raises:
        ValueError: bad alpha, beta, prior, policy or discount; a policy that takes actions that the prior rules out (unless alpha is 0).
    """
    log_prior = _checked("soft_q_learning.soft_evaluate", mdp, log_prior, alpha, beta, discount)
    if bool((torch.as_tensor(alpha) > 0).any()):
        check_support("soft_q_learning.soft_evaluate", log_policy, log_prior)
    return _evaluate(mdp, log_policy, log_prior, alpha, beta, discount)


def solve(
    mdp: MDP,
    log_prior: Tensor,
    alpha: float | Tensor,
    beta: float | Tensor,
    discount: float,
    start: SoftSolution | None = None,
    tolerance: float = 1e-12,
    max_iterations: int = 200,
) -> SoftSolution:
    """The exact soft optimum by soft policy iteration, which is Newton's method on V = soft_backup(V).

    The soft backup is convex in V, and the soft policy's own evaluation is its tangent; so the values rise at every iteration, towards
    the optimum, and no step needs damping. Up to `mdp.DENSE_STATES` states the solves are dense and batched, above they are sparse.

    Args:
        mdp: arrays [..., S, A, M]; tasks put together by `mdp.stack` are solved together.
        log_prior: log pi_0, [..., S, A], or [A] if it is the same in every state.
        alpha: from 0 to 1, a number or a tensor that broadcasts against [..., S] (for [K] tasks: [K, 1]).
        beta: above 0, likewise, in units of 1 / reward.
        discount: gamma, from 0 to 1. With 1 there is a solution only above `critical_beta`.
        start: a neighbouring solution (of another prior, alpha, beta or discount), for a warm start; None starts from pi_0^alpha.
        tolerance: stop when the residual of the soft Bellman equation is below tolerance * max(1, largest |V|, 0.001 / beta); the last,
            because rounding errors of the log-probabilities are worth 1 / beta.
        max_iterations: give up after so many solves.

    Returns:
        The optimum, float64.

    Raises:
        ValueError: bad alpha, beta, prior or discount.
        RuntimeError: the values have no bound: the discount is 1, and beta below the critical one or a state without a way to an end.
    """
    function = "soft_q_learning.solve"
    log_prior = _checked(function, mdp, log_prior, alpha, beta, discount)
    check_positive(function, "max_iterations", max_iterations, whole=True)
    q = torch.zeros_like(mdp.reward) if start is None else start.q
    least = 0.001 / float(torch.as_tensor(beta).min())
    for iteration in range(1, max_iterations + 1):
        log_policy = soft_log_policy(q, log_prior, alpha, beta)  # improve
        try:
            evaluated = _evaluate(mdp, log_policy, log_prior, alpha, beta, discount)  # evaluate
        except (ValueError, torch.linalg.LinAlgError) as error:
            if discount < 1:
                raise
            raise RuntimeError(f"{function}: with discount {discount} the values have no bound; wanted beta above critical_beta") from error
        q = action_values(mdp, evaluated, discount)
        value = soft_value(q, log_prior, alpha, beta)
        residual, largest = (float(x.abs().max()) for x in (value - evaluated, value))
        if residual <= tolerance * max(1.0, least, largest):
            return SoftSolution(q, value, soft_log_policy(q, log_prior, alpha, beta), iteration)
    raise RuntimeError(f"{function}: no convergence in {max_iterations} iterations; residual {residual:.3g}, largest value {largest:.3g}")


def soft_value_iteration(
    mdp: MDP,
    log_prior: Tensor,
    alpha: float | Tensor,
    beta: float | Tensor,
    discount: float,
    threshold: float = 1e-10,
    max_sweeps: int = 100_000,
) -> SoftSolution:
    """The exact soft optimum the slow way: sweeps of `soft_backup` from V = 0 until no value moves by `threshold`.

    The arguments are those of `solve`, with discount below 1; the values end within threshold * gamma / (1 - gamma) of the optimum.

    Raises:
        ValueError: bad arguments.
        RuntimeError: not converged within `max_sweeps`.
    """
    function = "soft_q_learning.soft_value_iteration"
    log_prior = _checked(function, mdp, log_prior, alpha, beta, discount)
    check_positive(function, "threshold", threshold)
    if discount == 1:
        raise ValueError(f"{function}: discount is 1, wanted below 1")
    value = torch.zeros_like(mdp.start)
    for sweep in range(1, max_sweeps + 1):
        old, value = value, soft_backup(mdp, value, log_prior, alpha, beta, discount)
        if float((value - old).abs().max()) < threshold:
            q = action_values(mdp, value, discount)
            return SoftSolution(q, value, soft_log_policy(q, log_prior, alpha, beta), sweep)
    raise RuntimeError(f"{function}: values still move after {max_sweeps} sweeps; raise threshold or max_sweeps")


def critical_beta(mdp: MDP, log_prior: Tensor, alpha: float) -> float:
    """The beta below which it is best never to finish: there the entropy to be had on the way outweighs what the way costs.

    Forbid every action that ends the episode. The best average of reward and regulariser is then (1 / beta) log(root), where root is
    the Perron root (largest eigenvalue) of M(s, s') = sum over the actions from s to s' of pi_0(a | s)^alpha exp(beta R(s, a)). Where it
    is positive, wandering pays without end; at the critical beta it is zero. (log(root) is convex in beta, so if every step costs
    something there is one zero at most.)

    Args:
        mdp: one MDP without leading axes, each of whose actions has one certain outcome.
        log_prior: log pi_0, [S, A] or [A].
        alpha: from 0 to 1.

    Returns:
        The critical beta, in units of 1 / reward; 0.0 where there is none (in the mazes: with alpha = 1).

    Raises:
        ValueError: bad alpha or prior; leading axes; uncertain outcomes; a way round that costs nothing, so that never finishing is
            best however large beta is.
    """
    function = "soft_q_learning.critical_beta"
    log_prior = _checked(function, mdp, log_prior, alpha, 1.0, 1.0)
    if mdp.reward.ndim != 2 or bool((mdp.probability.max(-1).values < 1).any()):
        raise ValueError(f"{function}: probability is {tuple(mdp.probability.shape)}, wanted [S, A, M] with one certain outcome an action")
    log_weight = torch.zeros_like(mdp.reward) if alpha == 0 else alpha * log_prior.expand_as(mdp.reward)
    outcome = mdp.probability.argmax(-1, keepdim=True)
    successor, terminal = mdp.successor.gather(-1, outcome).squeeze(-1), mdp.terminal.gather(-1, outcome).squeeze(-1)
    states, going_on = len(mdp.start), ~terminal & torch.isfinite(log_weight)

    def matrix(beta: float, edge: Tensor) -> csr_matrix:
        """M, over exp(beta * the largest reward), from the actions [S, A] that `edge` marks."""
        entry = (log_weight + beta * (mdp.reward - top))[edge].exp()
        return csr_matrix((entry.numpy(), (torch.nonzero(edge)[:, 0].numpy(), successor[edge].numpy())), shape=(states, states))

    top = float(mdp.reward[going_on].max()) if bool(going_on.any()) else 0.0
    reached, step = mdp.start.numpy() > 0, matrix(0.0, going_on).T
    while (more := reached | (step @ reached > 0)).sum() > reached.sum():
        reached = more
    part = torch.from_numpy(csgraph.connected_components(step, connection="strong")[1])  # to wander for ever is to stay in one part
    cycling = going_on & (part[successor] == part.unsqueeze(-1)) & torch.from_numpy(reached).unsqueeze(-1)

    def log_root(beta: float) -> float:
        return beta * top + np.log(max(_perron_root(matrix(beta, cycling)), 1e-300))

    if not _pays_for_ever(torch.where(cycling, mdp.reward, -torch.inf), successor):
        if log_root(0.0) <= 0:
            return 0.0
        for lowest, highest in pairwise(BETAS):
            if log_root(highest) <= 0:
                return float(brentq(log_root, lowest, highest, xtol=1e-12))
    raise ValueError(f"{function}: it is best never to finish however large beta is; wanted rewards whose every cycle costs something")


def _checked(function: str, mdp: MDP, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor, discount: float) -> Tensor:
    """The prior in float64, if it and the other arguments can be used."""
    log_prior = checked_prior(function, log_prior, alpha, beta)
    check_fraction(function, "discount", discount)
    wanted = tuple(mdp.reward.shape[-2:])
    if tuple(log_prior.shape[-2:]) not in (wanted, wanted[1:]):
        raise ValueError(f"{function}: log_prior has shape {tuple(log_prior.shape)}, wanted [..., S, A] or [A], here S, A = {wanted}")
    return log_prior


def _evaluate(mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float | Tensor, beta: float | Tensor, discount: float) -> Tensor:
    """`soft_evaluate` unchecked: the regulariser of a state is paid as a reward whatever the action."""
    regulariser = expected_regulariser(log_policy, log_prior, alpha, beta).unsqueeze(-1)
    return evaluate(mdp._replace(reward=mdp.reward + regulariser), log_policy.exp(), discount)


def _perron_root(matrix: csr_matrix) -> float:
    """The largest eigenvalue of a matrix without negative entries; it is real."""
    if matrix.nnz == 0:
        return 0.0
    if matrix.shape[0] <= DENSE_ROOT:
        return float(np.linalg.eigvals(matrix.toarray()).real.max())
    above = 1.001 * matrix.sum(1).max()  # no eigenvalue is larger than the largest row, so the one nearest to this is the largest
    return float(eigs(matrix.tocsc(), k=1, sigma=above, v0=np.ones(matrix.shape[0]), return_eigenvectors=False)[0].real)


def _pays_for_ever(reward: Tensor, successor: Tensor) -> bool:
    """Whether some cycle pays more than it costs: then the best sum of any number of rewards, [S], has no bound (Bellman and Ford)."""
    best = torch.zeros(len(reward), dtype=torch.float64)
    for _ in range(len(reward) + 1):
        better = torch.maximum(best, (reward + best[successor]).max(-1).values)
        if torch.equal(better, best):
            return False
        best = better
    return True
