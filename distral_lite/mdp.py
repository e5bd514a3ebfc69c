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

from distral_lite import transition_table
from distral_lite.endings import resting, steps_to_end
from distral_lite.validation import check_distribution, check_fraction, check_positive

DENSE_STATES = 600  # up to this many states a dense solve is the faster one; above it the matrices are held sparse


class _Arrays(NamedTuple):
    """The fields of an `MDP`."""

    successor: Tensor
    probability: Tensor
    reward: Tensor
    terminal: Tensor
    start: Tensor
    features: Tensor
    outcome_reward: Tensor


class MDP(_Arrays):
    """A finite Markov decision process.

    An action in a state has M possible outcomes; outcome m leads to `successor[s, a, m]` with `probability[s, a, m]`. Where
    `terminal` is true the outcome ends the episode, and nothing that its successor is worth counts any more. Planning needs the
    *expected* reward R(s, a) = E[R_{t+1} | s, a] alone, which is all that (2.8) asks for. Who acts is paid the reward of the outcome.

    Attributes:
        successor: [..., S, A, M] int64, index of the next state.
        probability: [..., S, A, M] float64, sums to one over M.
        reward: [..., S, A] float64, expected reward of the step.
        terminal: [..., S, A, M] bool, true where the outcome ends the episode.
        start: [..., S] float64, distribution of the first state.
        features: [..., S, N] float32, what a network sees of a state.
        outcome_reward: [..., S, A, M] float64, what each outcome pays; may be left out where all outcomes of an action pay the same.
    """

    __slots__ = ()

    def __new__(
        cls,
        successor: Tensor,
        probability: Tensor,
        reward: Tensor,
        terminal: Tensor,
        start: Tensor,
        features: Tensor,
        outcome_reward: Tensor | None = None,
    ) -> MDP:
        """Without `outcome_reward` every outcome pays `reward`."""
        if outcome_reward is None:
            outcome_reward = _to_outcomes(reward, successor)
        return super().__new__(cls, successor, probability, reward, terminal, start, features, outcome_reward)

    def _replace(self, **fields: Tensor) -> MDP:
        """As a named tuple's. A new `reward`, given alone, moves the reward of each outcome by as much as the expected reward."""
        if "reward" in fields and "outcome_reward" not in fields:
            new, old = (_to_outcomes(reward, self.successor) for reward in (fields["reward"], self.reward))
            same = torch.equal(self.outcome_reward, old)
            fields["outcome_reward"] = new if same else torch.where(self.outcome_reward == old, new, self.outcome_reward + new - old)
        return super()._replace(**fields)

    __replace__ = _replace

    @classmethod
    def from_table(cls, table: Any, start: Any = None) -> MDP:
        """Reads a transition table as most public code has it, Gymnasium's toy text for one.

        Args:
            table: `table[state][action] = [(probability, next state, reward, terminal), ...]`, in lists, tuples, arrays, or dictionaries
                with keys 0, 1, 2, ...; every state has the same actions.
            start: [S], distribution of the first state; None for all states alike that can be acted in (see `absorbing`).

        Returns:
            The MDP, with one feature a state (one-hot).

        Raises:
            ValueError: it is no such table, or no distribution; the message names state, action and outcome.
        """
        read = transition_table.read("MDP.from_table", table)
        successor, probability, outcome_reward, terminal = (torch.from_numpy(array) for array in read)
        reward = (probability * outcome_reward).sum(-1)
        live = probability > 0
        low, high = (outcome_reward.masked_fill(~live, sign * torch.inf) for sign in (1, -1))
        low, high = low.amin(-1), high.amax(-1)
        reward = torch.where(low == high, low, reward)  # where all outcomes pay the same, exactly that
        outcome_reward = torch.where(live, outcome_reward, reward.unsqueeze(-1))
        states = len(reward)
        made = cls(successor, probability, reward, terminal, torch.full((states,), 1 / states).double(), torch.eye(states), outcome_reward)
        return check(made._replace(start=_start(made, start)))

    @classmethod
    def from_gymnasium(cls, env: Any) -> MDP:
        """Reads a Gymnasium environment that publishes its transition table (FrozenLake, Taxi, CliffWalking, ...).

        Args:
            env: an environment, or the id of one, whose `unwrapped` has a table `P` as `from_table` reads it, and
                `initial_state_distrib`, as Gymnasium's toy-text ones do. Time limits are wrappers, hence left out: they truncate.

        Returns:
            The MDP, with one feature a state (one-hot).

        Raises:
            TypeError: neither an environment nor an id, or the environment publishes no table or no start distribution.
            ValueError: an id that Gymnasium does not know, or `P` is not such a table.
        """
        if isinstance(env, str):
            env = _make(env)
        elif isinstance(env, type) or not hasattr(env, "unwrapped"):
            raise TypeError(f"MDP.from_gymnasium: env is {env!r}, wanted an environment, made by gymnasium.make, or the id of one")
        for name, what in (("P", "P (transition table)"), ("initial_state_distrib", "initial_state_distrib")):
            if getattr(env.unwrapped, name, None) is None:
                raise TypeError(f"MDP.from_gymnasium: {env} has no attribute {what}; wanted an environment that publishes both")
        return cls.from_table(env.unwrapped.P, env.unwrapped.initial_state_distrib)


def _to_outcomes(reward: Tensor, successor: Tensor) -> Tensor:
    """[..., S, A] as [..., S, A, M], the same for every outcome, without taking memory."""
    return reward.unsqueeze(-1).expand(*reward.shape, successor.shape[-1])


def _start(mdp: MDP, start: Any) -> Tensor:
    """The distribution of the first state as `MDP.from_table` was given it."""
    if start is None:
        possible = ~absorbing(mdp)
        possible = possible | ~possible.any()
        return possible.double() / possible.sum()
    try:
        found = torch.as_tensor(np.asarray(start, dtype=np.float64))
    except (TypeError, ValueError):
        found = None
    if found is None or found.shape != mdp.start.shape:
        raise ValueError(f"MDP.from_table: start is {start!r}, wanted {len(mdp.start)} probabilities, one a state")
    check_distribution("MDP.from_table", "start", found)
    return found


def _make(name: str) -> Any:
    """The environment of that id."""
    import gymnasium  # here, because only who asks for an environment by its id should wait for it

    try:
        return gymnasium.make(name)
    except (gymnasium.error.Error, ImportError) as error:
        raise ValueError(f"MDP.from_gymnasium: env is {name!r}, wanted the id of a Gymnasium environment: {error}") from error


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
    wanted = {"probability": shape, "terminal": shape, "reward": shape[:-1], "start": shape[:-2], "outcome_reward": shape}
    for name, size in wanted.items():
        if getattr(mdp, name).shape != size:
            raise ValueError(f"mdp.check: {name} has shape {tuple(getattr(mdp, name).shape)}, wanted {tuple(size)}")
    if mdp.features.shape[:-1] != shape[:-2]:
        raise ValueError(f"mdp.check: features has shape {tuple(mdp.features.shape)}, wanted {(*shape[:-2], 'N')}")
    if int(mdp.successor.min()) < 0 or int(mdp.successor.max()) >= shape[-3]:
        raise ValueError(f"mdp.check: successor holds states outside 0 ... {shape[-3] - 1}")
    check_distribution("mdp.check", "probability", mdp.probability)
    check_distribution("mdp.check", "start", mdp.start)
    for name in ("reward", "outcome_reward"):
        if not bool(torch.isfinite(array := getattr(mdp, name)).all()):
            place = tuple(int(i) for i in torch.nonzero(~torch.isfinite(array))[0])
            raise ValueError(f"mdp.check: {name}{list(place)} is {float(array[place])}, wanted a finite number")
    mean = (mdp.probability * mdp.outcome_reward).sum(-1)
    if bool((far := (mean - mdp.reward).abs() > 1e-6 * (1 + mdp.outcome_reward.abs().amax(-1))).any()):
        place = tuple(int(i) for i in torch.nonzero(far)[0])
        found = f"reward{list(place)} is {float(mdp.reward[place])}, but outcome_reward{list(place)} has the mean {float(mean[place]):.6g}"
        raise ValueError(f"mdp.check: {found}; wanted the same")
    return mdp


def absorbing(mdp: MDP) -> Tensor:
    """[..., S] bool, the states in which every action ends the episode where it stands: no episode ever acts there."""
    own = torch.arange(mdp.reward.shape[-2], device=mdp.reward.device).view(-1, 1, 1)
    return (mdp.terminal & (mdp.successor == own) | (mdp.probability == 0)).all(-1).all(-1)


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
        outcome_reward=torch.cat(
            (mdp.outcome_reward, _to_outcomes(mdp.reward, mdp.successor[..., :1].expand(*mdp.reward.shape, extra))), -1
        ),
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
        discount: gamma, between 0 and 1; 1 is allowed where from every state the policy ends the episode, or comes to rest: goes on for
            ever among states where it is paid 0, which are then worth 0.

    Returns:
        [..., S] float64, in units of reward.

    Raises:
        ValueError: a policy of the wrong shape or that does not sum to one; a discount outside [0, 1]; a discount of 1 with a policy
            that may go on for ever and be paid.
    """
    policy = _check_policy("mdp.evaluate", mdp, policy, discount)
    mdp = settle("mdp.evaluate", mdp, policy) if discount == 1 else mdp
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
        discount: gamma; 1 is allowed where the policy ends the episode from every state, and the result counts plain visits and sums to
            the expected length of the episode.

    Returns:
        [..., S] float64. It sums to at most 1 / (1 - discount).

    Raises:
        ValueError: as `evaluate`.
    """
    policy = _check_policy("mdp.visits", mdp, policy, discount)
    if discount == 1:
        _refuse_endless("mdp.visits", "end the episode", endless(mdp, policy))
    start = mdp.start.expand(policy.shape[:-1])
    if _dense(mdp, policy):
        matrix = transition_matrix(mdp, policy)
        return torch.linalg.solve((torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device) - discount * matrix).mT, start)
    return _for_each_task(mdp, policy, start, lambda matrix, d: _sparse_solve(matrix.T, d, discount))


def endless(mdp: MDP, policy: Tensor) -> Tensor:
    """[..., S] bool, the states from which the policy never ends the episode, whatever its luck."""
    return _steps_to_end(mdp, policy).isinf()


def settle(function: str, mdp: MDP, policy: Tensor) -> MDP:
    """The same MDP, except that it ends where the policy comes to rest; for then it has the policy's values, without discount.

    A policy is at rest in a set of states that it never leaves, and where it is paid 0. Nothing is changed where it always may end.

    Args:
        function: who asks, for the error.
        mdp: arrays [..., S, A, M].
        policy: [..., S, A], probabilities of the actions.

    Raises:
        ValueError: a state from which the policy neither ends the episode nor comes to rest; its value is infinite, or none at all.
    """
    never = endless(mdp, policy)
    if not bool(never.any()):
        return mdp
    paid = (policy * mdp.reward).detach()
    reward = paid.sum(-1).where(paid.sum(-1).abs() > 1e-12 * paid.abs().sum(-1), 0.0)
    rest = resting(reward.unsqueeze(-1), *_as_one_action(mdp, policy)).any(-1) & never
    _refuse_endless(function, "end the episode, or come to rest where it is paid 0", _steps_to_end(mdp, policy, rest).isinf())
    return mdp._replace(terminal=mdp.terminal | rest[..., None, None])


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
    tasks = MDP(*(array.expand(*lead, *array.shape[array.ndim - own :]) for array, own in zip(mdp, (3, 3, 2, 3, 1, 2, 3), strict=True)))
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
    return policy.to(mdp.reward.dtype).expand(torch.broadcast_shapes(policy.shape, mdp.reward.shape))


def _as_one_action(mdp: MDP, policy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What can happen under the policy, which outcomes end, and where they lead: each [..., S, 1, A * M]."""
    live = policy.detach().unsqueeze(-1) * mdp.probability > 0
    return tuple(array.expand(live.shape).flatten(-2).unsqueeze(-2) for array in (live, mdp.terminal, mdp.successor))


def _steps_to_end(mdp: MDP, policy: Tensor, rest: Tensor | None = None) -> Tensor:
    """[..., S], `endings.steps_to_end` under the policy; 0 where it rests."""
    steps = steps_to_end(*_as_one_action(mdp, policy), rest)[..., 0]
    return steps if rest is None else steps.masked_fill(rest, 0.0)


def _refuse_endless(function: str, wanted: str, states: Tensor) -> None:
    if bool(states.any()):
        state = int(torch.nonzero(states)[0, -1])
        raise ValueError(f"{function}: with discount 1 the policy must {wanted}; from state {state} it never does")
