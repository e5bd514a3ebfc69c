"""Markov decision processes as arrays, and what linear algebra says about them exactly.

Everything the course calls *exact* is computed here or from here, in float64. Leading axes `...` (none, or tasks K, or runs and tasks
[R, K]) are allowed everywhere: the mathematics stands on the last axes.

Letters for axes: S states, A actions, M possible outcomes of one action, N features, K tasks, R runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg
from torch import Tensor

from distral_lite.validation import check_distribution, check_fraction, check_positive

DENSE_STATES = 600  # up to this many states a dense solve is the faster one; above it the matrices are held sparse


class MDP(NamedTuple):
    """A finite Markov decision process.

    An action in a state has M possible outcomes; outcome m leads to `successor[s, a, m]` with `probability[s, a, m]`. Where
    `terminal` is true the outcome ends the episode, and nothing that its successor is worth counts any more. The reward is the
    *expected* reward R(s, a) = E[R_{t+1} | s, a], which is all that (2.8) asks for; in the mazes it is not random.

    Attributes:
        successor: [..., S, A, M] int64, index of the next state.
        probability: [..., S, A, M] float64, sums to one over M.
        reward: [..., S, A] float64, expected reward of the step.
        terminal: [..., S, A, M] bool, true where the outcome ends the episode.
        start: [..., S] float64, distribution of the first state.
        features: [..., S, N] float32, what a network sees of a state.
    """

    successor: Tensor
    probability: Tensor
    reward: Tensor
    terminal: Tensor
    start: Tensor
    features: Tensor

    @classmethod
    def from_gymnasium(cls, env: Any) -> MDP:
        """Reads a Gymnasium environment that publishes its transition table (FrozenLake, Taxi, CliffWalking, ...).

        Args:
            env: an environment whose `unwrapped` has `P[state][action] = [(probability, next_state, reward, terminated), ...]` and
                `initial_state_distrib`, as Gymnasium's toy-text ones do. Time limits are wrappers, hence left out: they truncate.

        Returns:
            The MDP, with one feature a state (one-hot).

        Raises:
            TypeError: the environment publishes no table or no start distribution.
            ValueError: the table is not a table of probabilities.
        """
        table = getattr(env.unwrapped, "P", None)
        start = getattr(env.unwrapped, "initial_state_distrib", None)
        if table is None or start is None:
            missing = "P (transition table)" if table is None else "initial_state_distrib"
            raise TypeError(f"MDP.from_gymnasium: {env} has no attribute {missing}; wanted an environment that publishes both")
        states, actions = len(table), len(table[0])
        outcomes = max(len(table[s][a]) for s in range(states) for a in range(actions))
        successor = torch.arange(states).view(-1, 1, 1).repeat(1, actions, outcomes)
        probability = torch.zeros(states, actions, outcomes, dtype=torch.float64)
        terminal = torch.zeros(states, actions, outcomes, dtype=torch.bool)
        reward = torch.zeros(states, actions, dtype=torch.float64)
        for s in range(states):
            for a in range(actions):
                for m, (p, next_state, r, ended) in enumerate(table[s][a]):
                    successor[s, a, m], probability[s, a, m], terminal[s, a, m] = int(next_state), float(p), bool(ended)
                    reward[s, a] += float(p) * float(r)
        start = torch.as_tensor(np.asarray(start, dtype=np.float64))
        return check(cls(successor, probability, reward, terminal, start, torch.eye(states)))


def check(mdp: MDP) -> MDP:
    """Returns the MDP unchanged, or says what is wrong with it.

    Raises:
        ValueError: shapes that do not fit, `terminal` not bool, successors out of range, no probabilities, rewards that are not finite.
    """
    shape = mdp.successor.shape
    if len(shape) < 3:
        raise ValueError(f"mdp.check: successor has shape {tuple(shape)}, wanted [..., S, A, M]")
    if mdp.terminal.dtype != torch.bool:
        raise ValueError(f"mdp.check: terminal has dtype {mdp.terminal.dtype}, wanted torch.bool")
    wanted = {"probability": shape, "terminal": shape, "reward": shape[:-1], "start": shape[:-2]}
    for name, size in wanted.items():
        if getattr(mdp, name).shape != size:
            raise ValueError(f"mdp.check: {name} has shape {tuple(getattr(mdp, name).shape)}, wanted {tuple(size)}")
    if mdp.features.shape[:-1] != shape[:-2]:
        raise ValueError(f"mdp.check: features has shape {tuple(mdp.features.shape)}, wanted {(*shape[:-2], 'N')}")
    if int(mdp.successor.min()) < 0 or int(mdp.successor.max()) >= shape[-3]:
        raise ValueError(f"mdp.check: successor holds states outside 0 ... {shape[-3] - 1}")
    check_distribution("mdp.check", "probability", mdp.probability)
    check_distribution("mdp.check", "start", mdp.start)
    if not bool(torch.isfinite(mdp.reward).all()):
        place = tuple(int(i) for i in torch.nonzero(~torch.isfinite(mdp.reward))[0])
        raise ValueError(f"mdp.check: reward{list(place)} is {float(mdp.reward[place])}, wanted a finite number")
    return mdp


def stack(mdps: Sequence[MDP]) -> MDP:
    """Puts a task axis K in front: K MDPs over the same states and actions become one.

    Args:
        mdps: K MDPs without leading axes. Where they differ in M, the shorter ones get outcomes of probability zero.

    Returns:
        One MDP whose every array has shape [K, ...].

    Raises:
        ValueError: no MDP given, or the MDPs differ in the number of states, actions or features.
    """
    if not mdps:
        raise ValueError("mdp.stack: the list of tasks is empty, wanted at least one MDP")
    first = mdps[0]
    for k, mdp in enumerate(mdps):
        check(mdp)
        found, wanted = (*mdp.reward.shape, mdp.features.shape[-1]), (*first.reward.shape, first.features.shape[-1])
        if found != wanted:
            raise ValueError(f"mdp.stack: task {k} has (S, A, N) = {found}, task 0 has {wanted}; wanted the same states and actions")
    outcomes = max(mdp.successor.shape[-1] for mdp in mdps)
    padded = [_pad_outcomes(mdp, outcomes) for mdp in mdps]
    return MDP(*(torch.stack(arrays) for arrays in zip(*padded, strict=True)))


def _pad_outcomes(mdp: MDP, outcomes: int) -> MDP:
    """Adds outcomes of probability zero until there are `outcomes` of them."""
    extra = outcomes - mdp.successor.shape[-1]
    pad = torch.nn.functional.pad
    return mdp._replace(
        successor=pad(mdp.successor, (0, extra)),
        probability=pad(mdp.probability, (0, extra)),
        terminal=pad(mdp.terminal, (0, extra), value=False),
    )


def uniform_policy(mdp: MDP) -> Tensor:
    """The policy that takes every action with the same probability: [..., S, A] float64."""
    return torch.full_like(mdp.reward, 1.0 / mdp.reward.shape[-1])


def greedy_policy(q: Tensor) -> Tensor:
    """The deterministic policy that takes the action of largest value, the first of them where several tie: [..., A] of zeros and ones."""
    return torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1]).to(q.dtype)


def action_values(mdp: MDP, values: Tensor, discount: float) -> Tensor:
    """What each action is worth if the states it may lead to are worth `values` (2.8, corrected: the reward is R_{t+1}).

    Q(s, a) = E[R_{t+1} | s, a] + gamma * sum_s' P(s' | s, a) V(s'), and an outcome that ends the episode contributes no V(s').

    Args:
        mdp: arrays [..., S, A, M].
        values: [..., S], value of each state, in units of reward.
        discount: gamma, between 0 and 1.

    Returns:
        [..., S, A], in units of reward.
    """
    lead = torch.broadcast_shapes(values.shape[:-1], mdp.reward.shape[:-2])
    successor = mdp.successor.expand(*lead, *mdp.successor.shape[-3:])
    next_values = values.expand(*lead, -1).gather(-1, successor.flatten(-3)).view(successor.shape)
    return mdp.reward + discount * (mdp.probability * ~mdp.terminal * next_values).sum(-1)


def transition_matrix(mdp: MDP, policy: Tensor) -> Tensor:
    """Probability that the episode goes on and goes on in s', when the policy acts in s (thesis, above 2.7, corrected).

    P_pi(s' | s) = sum_a pi(a | s) P(s' | s, a). Outcomes that end the episode are left out, so a row sums to less than one where the
    episode may end; that is what makes `(I - gamma P_pi)` the matrix to invert.

    Returns:
        [..., S, S] float64.
    """
    weight = policy.unsqueeze(-1) * mdp.probability * ~mdp.terminal
    matrix = weight.new_zeros(*weight.shape[:-2], weight.shape[-3])
    return matrix.scatter_add(-1, mdp.successor.expand(weight.shape).flatten(-2), weight.flatten(-2))


def policy_reward(mdp: MDP, policy: Tensor) -> Tensor:
    """Expected reward of one step under the policy: sum_a pi(a | s) R(s, a), of shape [..., S]."""
    return (policy * mdp.reward).sum(-1)


def evaluate(mdp: MDP, policy: Tensor, discount: float) -> Tensor:
    """Value of every state under a policy, exactly: the solution of V = R_pi + gamma P_pi V (2.9), one linear solve.

    Up to `DENSE_STATES` states the solve is dense and differentiable with respect to the policy; above, it is sparse.

    Args:
        mdp: arrays [..., S, A, M].
        policy: [..., S, A], probabilities of the actions.
        discount: gamma, between 0 and 1; 1 is allowed where the policy ends the episode from every state.

    Returns:
        [..., S] float64, in units of reward.

    Raises:
        ValueError: a policy of the wrong shape or that does not sum to one; a discount outside [0, 1]; a discount of 1 with a policy
            that may go on for ever.
    """
    policy = _check_policy("mdp.evaluate", mdp, policy, discount)
    reward = policy_reward(mdp, policy)
    if _dense(mdp, policy):
        matrix = transition_matrix(mdp, policy)
        return torch.linalg.solve(torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device) - discount * matrix, reward)
    return _for_each_task(mdp, policy, reward, lambda matrix, r: _sparse_solve(matrix, r, discount))


def visits(mdp: MDP, policy: Tensor, discount: float) -> Tensor:
    """Expected discounted number of visits to every state from the start: d(s) = sum_t gamma^t P(S_t = s), one linear solve.

    Args:
        mdp: arrays [..., S, A, M].
        policy: [..., S, A], probabilities of the actions.
        discount: gamma, as in `evaluate`; with 1 the result counts plain visits and sums to the expected length of the episode.

    Returns:
        [..., S] float64. It sums to at most 1 / (1 - discount).

    Raises:
        ValueError: as `evaluate`.
    """
    policy = _check_policy("mdp.visits", mdp, policy, discount)
    start = mdp.start.expand(policy.shape[:-1])
    if _dense(mdp, policy):
        matrix = transition_matrix(mdp, policy)
        return torch.linalg.solve((torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device) - discount * matrix).mT, start)
    return _for_each_task(mdp, policy, start, lambda matrix, d: _sparse_solve(matrix.T, d, discount))


def expected_steps(mdp: MDP, policy: Tensor, cap: int = 1000) -> float | Tensor:
    """Expected length of an episode from the start, cut at `cap` steps: E[min(T, cap)] = sum_{t < cap} P(T > t).

    Args:
        mdp: arrays [..., S, A, M].
        policy: [..., S, A], probabilities of the actions.
        cap: the number of steps at which an episode is cut, at least 1.

    Returns:
        A float, or a tensor [...] where there are leading axes.

    Raises:
        ValueError: a policy of the wrong shape or that does not sum to one; a cap below 1.
    """
    policy = _check_policy("mdp.expected_steps", mdp, policy, 0.0)
    check_positive("mdp.expected_steps", "cap", cap, whole=True)
    if _dense(mdp, policy):
        alive = _sum_of_powers(transition_matrix(mdp, policy), cap).sum(-1)
    else:
        alive = _for_each_task(mdp, policy, torch.ones_like(policy[..., 0]), lambda matrix, ones: _apply_powers(matrix, ones, cap))
    steps = (mdp.start * alive).sum(-1)
    return float(steps) if steps.ndim == 0 else steps


def random_mdp(generator: np.random.Generator, states: int = 5, actions: int = 3, outcomes: int = 2, ending: float = 0.2) -> MDP:
    """A small random MDP to test laws on: random successors, probabilities and rewards; each outcome is terminal with chance `ending`.

    The first action of every state has one outcome that may end the episode, so every policy of full support ends with probability 1.
    """
    successor = generator.integers(states, size=(states, actions, outcomes))
    probability = generator.dirichlet(np.ones(outcomes), size=(states, actions))
    terminal = generator.random((states, actions, outcomes)) < ending
    terminal[:, 0, 0] = True
    arrays = (successor, probability, generator.normal(size=(states, actions)), terminal, generator.dirichlet(np.ones(states)))
    return MDP(*(torch.as_tensor(array) for array in arrays), torch.eye(states))


def _dense(mdp: MDP, policy: Tensor) -> bool:
    return mdp.reward.shape[-2] <= DENSE_STATES or policy.requires_grad


def _sum_of_powers(matrix: Tensor, count: int) -> Tensor:
    """I + P + ... + P^(count-1) by doubling: from n terms to 2n by S_2n = S_n + P^n S_n, so about log2(count) products."""
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    total, power = identity, matrix
    for bit in bin(count)[3:]:
        total, power = total + power @ total, power @ power
        if bit == "1":
            total, power = identity + matrix @ total, matrix @ power
    return total


def _apply_powers(matrix: sparse.csr_matrix, vector: np.ndarray, count: int) -> np.ndarray:
    """(I + P + ... + P^(count-1)) v, one product a step."""
    total, power = vector.copy(), vector
    for _ in range(count - 1):
        power = matrix @ power
        total += power
    return total


def _sparse_matrix(mdp: MDP, policy: Tensor) -> sparse.csr_matrix:
    """`transition_matrix` of one task, sparse."""
    weight = (policy.unsqueeze(-1) * mdp.probability * ~mdp.terminal).numpy()
    states = weight.shape[0]
    rows = np.broadcast_to(np.arange(states)[:, None, None], weight.shape)
    matrix = sparse.csr_matrix((weight.ravel(), (rows.ravel(), mdp.successor.numpy().ravel())), shape=(states, states))
    matrix.eliminate_zeros()
    return matrix


def _sparse_solve(matrix: sparse.csr_matrix, right_side: np.ndarray, discount: float) -> np.ndarray:
    return sparse_linalg.spsolve(sparse.identity(matrix.shape[0], format="csc") - discount * matrix.tocsc(), right_side)


def _for_each_task(mdp: MDP, policy: Tensor, vector: Tensor, function: Any) -> Tensor:
    """Applies `function(sparse P_pi, vector)` to every entry of the leading axes and puts the answers back in place."""
    lead = policy.shape[:-2]
    tasks = MDP(*(array.expand(*lead, *array.shape[array.ndim - own :]) for array, own in zip(mdp, (3, 3, 2, 3, 1, 2), strict=True)))
    answers = torch.empty(policy.shape[:-1], dtype=torch.float64)
    for index in np.ndindex(*lead):
        one = MDP(*(array[index] for array in tasks))
        answers[index] = torch.from_numpy(function(_sparse_matrix(one, policy[index]), vector[index].numpy()))
    return answers


def _check_policy(function: str, mdp: MDP, policy: Tensor, discount: float) -> Tensor:
    """Refuses what is no policy; returns it in float64 and with the leading axes of the MDP, so that one policy may serve all tasks."""
    lead = all(p == m or 1 in (p, m) for p, m in zip(policy.shape[-3::-1], mdp.reward.shape[-3::-1], strict=False))
    if not lead or policy.shape[-2:] != mdp.reward.shape[-2:]:
        raise ValueError(f"{function}: policy has shape {tuple(policy.shape)}, wanted [..., S, A] = {tuple(mdp.reward.shape)}")
    check_fraction(function, "discount", discount)
    check_distribution(function, "policy", policy)
    if discount == 1:
        _check_ends(function, mdp, policy)
    return policy.to(mdp.reward.dtype).expand(torch.broadcast_shapes(policy.shape, mdp.reward.shape))


def _check_ends(function: str, mdp: MDP, policy: Tensor) -> None:
    """With discount 1 a value exists only where the episode ends: every state must be able to reach an ending under the policy."""
    live = policy.detach().unsqueeze(-1) * mdp.probability > 0
    ends = (live & mdp.terminal).any(-1).any(-1)
    successor = mdp.successor.expand(live.shape).flatten(-3)
    known = torch.zeros_like(ends)
    while not bool((ends == known).all()):
        known = ends
        ends = known | (live & known.gather(-1, successor).view(live.shape)).any(-1).any(-1)
    if not bool(ends.all()):
        state = int(torch.nonzero(~ends)[0, -1])
        raise ValueError(f"{function}: with discount 1 the policy must end the episode; from state {state} it never does")
