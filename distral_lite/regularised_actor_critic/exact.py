"""Gradients of regularised actor–critic, exactly (thesis 2.46 to 2.49): what each of them climbs, in float64 tables.

A step is paid its reward and the regulariser of its state, rho(s) = E_pi[(alpha / beta) log pi_0 - (1 / beta) log pi], which is
-KL / beta at alpha = 1 (see `soft`). Gradients are with respect to the logits of a table, [..., S, A]; for a network, multiply by the
derivative of the logits (autograd does). A *signal* is what multiplies the score grad log pi(a | s), given s and a.

Nothing here checks alpha, beta and the prior; call `soft.checked_prior` on what a user gave.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distral_lite.mdp import MDP, action_values, evaluate, visits
from distral_lite.soft import checked_prior, expected_regulariser, sampled_regulariser, soft_log_policy
from distral_lite.validation import check_fraction, check_positive


def regularised_values(mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float, beta: float, discount: float) -> Tensor:
    """What a state is worth if every step pays its price (2.40): V = R_pi + rho + gamma P_pi V, one linear solve.

    Args:
        mdp: arrays [..., S, A, M].
        log_policy: [..., S, A], log-probabilities.
        log_prior: [..., S, A] or [A], log of a distribution without zeros.
        alpha: from 0 to 1; 1 pays -KL / beta.
        beta: above 0, in units of 1 / reward.
        discount: gamma.

    Returns:
        [..., S], in units of reward, differentiable with respect to the policy.
    """
    regulariser = expected_regulariser(log_policy, log_prior, alpha, beta).unsqueeze(-1)
    return evaluate(mdp._replace(reward=mdp.reward + regulariser), log_policy.exp(), discount)


def objective(mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float, beta: float, discount: float) -> Tensor:
    """The expected regularised return from the start (2.39), [...], in units of reward; arguments as in `regularised_values`."""
    return (mdp.start * regularised_values(mdp, log_policy, log_prior, alpha, beta, discount)).sum(-1)


def n_step_signal(
    mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float, beta: float, discount: float, values: Tensor, n: int
) -> Tensor:
    """Mean of the n-step return given s and a: R_t + sum_{d=1}^{n-1} gamma^d (R_{t+d} + rho_{t+d}) + gamma^n V(S_{t+n}) (2.44; 2.51).

    By recursion on n: one step more is R + gamma E[rho + what a step less gives]. It leaves out rho of its own first step, as Q does.

    Args:
        mdp: arrays [..., S, A, M].
        log_policy: [..., S, A].
        log_prior: [..., S, A] or [A].
        alpha: from 0 to 1.
        beta: above 0.
        discount: gamma.
        values: [..., S], what the critic believes; the exact `regularised_values` give Q_pi (2.41) for every n.
        n: number of steps, at least 1.

    Returns:
        [..., S, A], in units of reward.
    """
    check_positive("regularised_actor_critic.n_step_signal", "n", n, whole=True)
    regulariser = expected_regulariser(log_policy, log_prior, alpha, beta)
    signal = action_values(mdp, values, discount)
    for _ in range(n - 1):
        signal = action_values(mdp, regulariser + (log_policy.exp() * signal).sum(-1), discount)
    return signal


# ---- the two pieces that all gradients are made of ----


def score_term(log_policy: Tensor, signal: Tensor) -> Tensor:
    """The score times a signal, on average over actions: E_pi[grad log pi(a | s) x(s, a)] = pi (x - E_pi[x]), [..., S, A]."""
    policy = log_policy.exp()
    return policy * (signal - (policy * signal).sum(-1, keepdim=True))


def regulariser_gradient(log_policy: Tensor, log_prior: Tensor, alpha: float, beta: float) -> Tensor:
    """The gradient of a state's own price, grad rho(s); at alpha = 1 that is -(1 / beta) grad KL_t = -(1 / beta) pi (log(pi / pi_0) - KL).

    The sampled log-ratio as a signal has just this gradient on average: E[grad log pi x] = grad E[x], because E[grad log pi] = 0.

    Args:
        log_policy: [..., S, A].
        log_prior: [..., S, A] or [A].
        alpha: from 0 to 1.
        beta: above 0.

    Returns:
        [..., S, A], with respect to the logits of each state.
    """
    return score_term(log_policy, sampled_regulariser(log_policy, log_prior, alpha, beta))


# ---- the gradients ----


def naive_gradient(mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float, beta: float, discount: float) -> Tensor:
    """What (2.46) climbs: E[sum_t gamma^t (grad log pi (R_t + gamma R_{t+1} + ...) + grad rho_t)], the price of *this* step alone.

    It is the gradient of the objective less sum_s grad d(s) rho(s), where d are the discounted visits: the policy is never told that it
    will pay again where it is going. (The thesis prints it undiscounted; here the discount is that of the objective, so that nothing
    but the prices differs.)

    Args:
        mdp: arrays [..., S, A, M].
        log_policy: [..., S, A].
        log_prior: [..., S, A] or [A].
        alpha: from 0 to 1.
        beta: above 0.
        discount: gamma.

    Returns:
        [..., S, A].
    """
    q = action_values(mdp, evaluate(mdp, log_policy.exp(), discount), discount)
    here = score_term(log_policy, q) + regulariser_gradient(log_policy, log_prior, alpha, beta)
    return visits(mdp, log_policy.exp(), discount).unsqueeze(-1) * here


def proper_gradient(mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float, beta: float, discount: float) -> Tensor:
    """The gradient of the objective (2.48, brackets put right): E[sum_t gamma^t (grad log pi (Q_pi - V_pi) + grad rho_t)].

    Q_pi (2.41) holds the prices of all later steps; grad rho_t, which is -(1 / beta) grad KL_t, stands beside the product.
    Arguments and result as in `naive_gradient`.
    """
    values = regularised_values(mdp, log_policy, log_prior, alpha, beta, discount)
    advantage = action_values(mdp, values, discount) - values.unsqueeze(-1)
    here = score_term(log_policy, advantage) + regulariser_gradient(log_policy, log_prior, alpha, beta)
    return visits(mdp, log_policy.exp(), discount).unsqueeze(-1) * here


def td_gradient(
    mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float, beta: float, discount: float, values: Tensor, n: int
) -> Tensor:
    """The n-step estimate (2.49) with the sampled log-ratio of step t inside delta, on average: then delta is all that is needed.

    delta = R_t + (alpha / beta) log pi_0(a_t) - (1 / beta) log pi(a_t) + ... + gamma^n V(S_{t+n}) - V(S_t). With exact values it is
    `proper_gradient`, for every n.

    Args:
        mdp: arrays [..., S, A, M].
        log_policy: [..., S, A].
        log_prior: [..., S, A] or [A].
        alpha: from 0 to 1.
        beta: above 0.
        discount: gamma.
        values: [..., S], what the critic believes.
        n: number of steps, at least 1.

    Returns:
        [..., S, A].
    """
    signal = n_step_signal(mdp, log_policy, log_prior, alpha, beta, discount, values, n)
    delta = signal + sampled_regulariser(log_policy, log_prior, alpha, beta) - values.unsqueeze(-1)
    return visits(mdp, log_policy.exp(), discount).unsqueeze(-1) * score_term(log_policy, delta)


def td_gradient_closed_form_alone(
    mdp: MDP, log_policy: Tensor, log_prior: Tensor, alpha: float, beta: float, discount: float, values: Tensor, n: int
) -> Tensor:
    """What is left of (2.49) as printed if KL_t stands in delta in closed form, as in (2.51): grad rho_t is lost.

    KL_t is the same for all actions of a state, and what does not depend on the action vanishes against the score. So nothing holds the
    policy to its prior but the prices of later steps. Arguments and result as in `td_gradient`; it differs from that one by
    d(s) grad rho(s).
    """
    signal = n_step_signal(mdp, log_policy, log_prior, alpha, beta, discount, values, n)
    delta = signal + (expected_regulariser(log_policy, log_prior, alpha, beta) - values).unsqueeze(-1)
    return visits(mdp, log_policy.exp(), discount).unsqueeze(-1) * score_term(log_policy, delta)


# ---- where the naive gradient leads ----


def naive_fixed_point(
    mdp: MDP,
    log_prior: Tensor,
    alpha: float,
    beta: float,
    discount: float,
    step: float = 0.5,
    tolerance: float = 1e-10,
    max_iterations: int = 10_000,
) -> Tensor:
    """Where the naive gradient (2.46) comes to rest: pi = pi_0^alpha exp(beta Q), normalised, with Q the plain values of pi itself.

    Like the soft optimum, but its Q holds rewards only. Iterated with a part of each step, since nothing makes the whole step converge.

    Args:
        mdp: arrays [..., S, A, M].
        log_prior: [..., S, A] or [A], log of a distribution without zeros.
        alpha: from 0 to 1.
        beta: above 0, in units of 1 / reward.
        discount: gamma, from 0 to 1.
        step: how far log pi moves to its new value, above 0 and at most 1.
        tolerance: stop when no log-probability moves by more than this.
        max_iterations: give up after so many.

    Returns:
        [..., S, A], log-probabilities.

    Raises:
        ValueError: bad arguments.
        RuntimeError: no convergence.
    """
    function = "regularised_actor_critic.naive_fixed_point"
    log_prior = checked_prior(function, log_prior, alpha, beta)
    check_fraction(function, "discount", discount)
    check_fraction(function, "step", step)
    log_policy = soft_log_policy(torch.zeros_like(mdp.reward), log_prior, alpha, beta)
    for _ in range(max_iterations):
        q = action_values(mdp, evaluate(mdp, log_policy.exp(), discount), discount)
        move = soft_log_policy(q, log_prior, alpha, beta) - log_policy
        if float(move.abs().max()) < tolerance:
            return log_policy
        log_policy = torch.log_softmax(log_policy + step * move, -1)
    raise RuntimeError(f"{function}: log_policy still moves by {float(move.abs().max()):.3g} after {max_iterations} iterations")
