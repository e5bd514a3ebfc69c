"""Algorithm 2 with the exact gradient in place of the sampled one, and how far one episode's gradient strays from the exact one.

Everything here is float64 and by linear solves; no episode is played. The step limit of episodes does not enter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm.auto import trange

from distral_lite import actor_critic, distral, lanes
from distral_lite.distral_ac.learner import Keeper, begin, policies
from distral_lite.distral_ac.losses import actor_loss, centroid_loss
from distral_lite.distral_ac.state import Agent, Config, Run
from distral_lite.mdp import MDP, transition_matrix, visits


@lanes.checked
def exact_ascent(
    tasks: Sequence[MDP],
    config: Config,
    seeds: Sequence[int] = (0,),
    task_ids: Sequence[int] | None = None,
    progress: bool = False,
    watch: Callable[[int, Agent], bool] | None = None,
) -> Run:
    """Algorithm 2 as it would be with infinitely many episodes and a perfect critic: each step of lines 25 and 31 is the expected one.

    With `config.keep_discount` that is the exact gradient of the objective (2.62). The seeds matter for the first weights of networks
    only; tables begin at zero.

    Args:
        tasks: K MDPs over the same states and actions.
        config: settings; those of the critic, and how many episodes there are, are not used.
        seeds: R different integers, one a run.
        task_ids: as for `train`.
        progress: show a progress bar.
        watch: as for `train`.

    Returns:
        What was reached and how; there are no episodes in the history.

    Raises:
        ValueError: as `train`; a discount of 1.
    """
    if config.discount == 1:
        raise ValueError("distral_ac.exact_ascent: config.discount is 1, wanted below 1: an agent may prefer to wander for ever")
    world, learner = begin(tasks, config, seeds, task_ids, critic=False)
    keeper = Keeper(world, learner, config, exact=True)
    update = 0
    try:
        for update in trange(1, config.updates + 1, disable=not progress):
            f, h = learner.preferences()
            log_pi0, log_pi = policies(f.detach().double(), h.detach().double(), config)
            signal = expected_signal(world, log_pi0, log_pi, config)  # what tallies of episodes estimate
            seen = visits(world, log_pi.exp(), config.discount)
            loss = actor_loss(policies(f, h.detach(), config)[1], signal).sum()
            if config.distil:
                loss = loss + centroid_loss(h, log_pi, seen, config.alpha, config.beta).sum()
                if config.columns == 2:
                    loss = loss + actor_loss(policies(f.detach(), h, config)[1], signal).sum()
            learner.descend(loss)
            if keeper.keep(update) and watch is not None and watch(update, keeper.agent):
                break
    except KeyboardInterrupt:
        keeper.stop(update)
    return keeper.run()


def expected_signal(world: MDP, log_pi0: Tensor, log_pi: Tensor, config: Config) -> Tensor:
    """What the tally of advantages is on average, if the critic is perfect: d(s) pi_i(a | s) A_i(s, a), [R, K, S, A].

    With `config.keep_discount` d are the discounted visits, and this is `distral.task_gradient`. Without, as line 25 has it, every step
    counts the same until the episode is cut at T steps; here it is cut at every step with chance 1 / T instead, which is a linear solve.

    Args:
        world: K tasks, stacked.
        log_pi0: [R, 1, S, A].
        log_pi: [R, K, S, A].
        config: `alpha`, `beta`, `discount`, `keep_discount` and `max_episode_steps` are used.
    """
    if config.keep_discount:
        return distral.task_gradient(world, log_pi0, log_pi, config.alpha, config.beta, config.discount)
    regularised = world._replace(reward=distral.regularised_reward(world, log_pi0, log_pi, config.alpha, config.beta))
    advantage = actor_critic.advantages(regularised, log_pi.exp(), config.discount)
    return visits(world, log_pi.exp(), 1 - 1 / config.max_episode_steps).unsqueeze(-1) * log_pi.exp() * advantage


class Moments(NamedTuple):
    """What is known of the gradient that one episode of each task gives.

    Attributes:
        mean: [S, A], its expectation.
        variance: the variances of all its S * A components together, E|g|^2 - |E g|^2; B episodes have 1 / B of it.
    """

    mean: Tensor
    variance: float


def task_moments(
    task: MDP,
    log_pi0: Tensor,
    log_pi: Tensor,
    values: Tensor,
    alpha: float,
    beta: float,
    discount: float,
    lambda_: float = 0.0,
    keep_discount: bool = True,
) -> Moments:
    """Mean and variance of one episode's estimate of the gradient by the logits of a task policy (2.69 to 2.71).

    The estimate is sum_t gamma^t grad log pi_i(A_t | S_t) (G_t - V(S_t)), G_t the lambda-return of regularised rewards. With the exact
    values its mean is `distral.task_gradient`, whatever lambda is; with lambda = 1 and gamma^t, whatever the values are.

    Args:
        task: one task.
        log_pi0: [S, A].
        log_pi: [S, A].
        values: [S], what the critic believes, in units of reward.
        alpha: weight of the distilled policy.
        beta: inverse temperature, in 1 / reward.
        discount: gamma.
        lambda_: 0 is line 22 of algorithm 2, 1 the whole episode.
        keep_discount: False leaves gamma^t out, as line 25 does.

    Returns:
        Moments of the estimate. For a policy softmax(c f) the gradient by f is c times it, its variance c^2 times.
    """
    regularised = task._replace(reward=distral.regularised_reward(task, log_pi0, log_pi, alpha, beta))
    policy = log_pi.exp()
    moments = _episode(regularised, policy, actor_critic.score(policy), 0.0, values, discount, lambda_, discount if keep_discount else 1.0)
    return Moments(moments.mean.view_as(log_pi), moments.variance)


def distilled_moments(
    tasks: MDP, log_pi0: Tensor, log_pi: Tensor, values: Tensor, alpha: float, beta: float, discount: float, lambda_: float = 0.0
) -> tuple[Moments, Moments]:
    """Mean and variance of both terms of (2.74), each estimated from one episode of every task, with gamma^t in both.

    Args:
        tasks: K tasks, stacked.
        log_pi0: [S, A].
        log_pi: [K, S, A].
        values: [K, S], what the critics believe.
        alpha: weight of the distilled policy.
        beta: inverse temperature, in 1 / reward.
        discount: gamma.
        lambda_: as for `task_moments`.

    Returns:
        Moments of the term through the task policies (two columns only) and of the pull to the centroid, both by h.
    """
    through, pull = [], []
    for k, log_policy in enumerate(log_pi):
        task = MDP(*(array[k] for array in tasks))
        one = task_moments(task, log_pi0, log_policy, values[k], alpha, beta, discount, lambda_)
        through.append(Moments(alpha * one.mean, alpha**2 * one.variance))
        policy, difference = log_policy.exp(), (alpha / beta) * (log_policy.exp() - log_pi0.exp())
        rows = torch.block_diag(*difference.unsqueeze(1))  # [S, S * A]: the pull of state s stands in its own A components
        nothing = torch.zeros(*policy.shape, policy.numel(), dtype=policy.dtype)
        found = _episode(task, policy, nothing, rows, values[k], discount, 0.0, discount)
        pull.append(Moments(found.mean.view_as(policy), found.variance))
    return tuple(Moments(sum(one.mean for one in term), sum(one.variance for one in term)) for term in (through, pull))


def _episode(
    task: MDP, policy: Tensor, by_signal: Tensor, fixed: Tensor | float, values: Tensor, discount: float, lambda_: float, fade: float
) -> Moments:
    """Moments of X = sum_t fade^t (u(S_t, A_t) (G_t - V(S_t)) + v(S_t)) over one episode from the start.

    From a state on, X = u (G - V) + v + fade X' and G = r + gamma ((1 - lambda) V' + lambda G'), so the means of X, of G X and of |X|^2
    obey three linear equations, one after the other.

    Args:
        task: its reward is the one the returns are made of.
        policy: [S, A].
        by_signal: [S, A, P], u.
        fixed: [S, P], v, or a number.
        values: [S], V.
        discount: gamma, of the returns.
        lambda_: of the returns.
        fade: gamma, or 1.
    """
    identity, going = torch.eye(len(policy), dtype=policy.dtype), transition_matrix(task, policy)
    fixed = torch.as_tensor(fixed, dtype=policy.dtype).expand(len(policy), by_signal.shape[-1])

    def mean(x: Tensor) -> Tensor:  # over actions: [S, A, ...] to [S, ...]
        return torch.einsum("sa,sa...->s...", policy, x)

    def after(x: Tensor) -> Tensor:  # expectation at the next state, 0 once the episode is over: [S, ...] to [S, A, ...]
        return torch.einsum("sam,sam...->sa...", task.probability * ~task.terminal, x[task.successor])

    def solve(x: Tensor, factor: float) -> Tensor:  # y = x + factor P y
        return torch.linalg.solve(identity - factor * going, x)

    returns = actor_critic.lambda_moments(task, policy, values, discount, lambda_)
    error = (returns.mean - values.unsqueeze(-1)).unsqueeze(-1)  # E[G - V], [S, A, 1]
    first = solve(mean(by_signal * error) + fixed, fade)  # E[X]
    certain = task.reward.unsqueeze(-1) * after(first) + discount * (1 - lambda_) * after(values.unsqueeze(-1) * first)
    product = (returns.variance + returns.mean * error[..., 0]).unsqueeze(-1)  # E[G (G - V)]
    both = mean(by_signal * product + fixed.unsqueeze(1) * returns.mean.unsqueeze(-1) + fade * certain)
    both = solve(both, fade * discount * lambda_)  # E[G X]
    later = certain + discount * lambda_ * after(both) - values[:, None, None] * after(first)  # E[(G - V) X'], [S, A, P]
    square = by_signal.square().sum(-1) * (returns.variance + error[..., 0].square())
    square = square + 2 * (by_signal * fixed.unsqueeze(1)).sum(-1) * error[..., 0] + fixed.square().sum(-1, keepdim=True)
    square = square + 2 * fade * (by_signal * later + fixed.unsqueeze(1) * after(first)).sum(-1)
    second = solve(mean(square), fade**2)  # E|X|^2
    expectation = task.start @ first
    return Moments(expectation, float(task.start @ second - expectation.square().sum()))
