"""Chapter 01: the Bellman backup, improvement, endings, value iteration."""

import numpy as np
import torch

from corpus import flags, inputs, normal, policy, right, tensor, values, whole, wrong
from distral_lite.mdp import MDP

# ---- 1.1 the Bellman backup ----


@inputs("1.1")
def _(rng):
    found = [
        (
            tensor([[1.0, 3.0], [0.0, 2.0]]),
            tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.2, 0.5], [0.0, 0.0]]]),
            tensor([[0.5, 0.5], [1.0, 0.0]]),
            tensor([4.0, 2.0]),
            0.5,
        )
    ]
    for states, actions, discount in (
        (3, 2, 0.0),
        (4, 3, 0.9),
        (3, 3, 1.0),
        (2, 5, 0.7),
    ):
        chain = policy(rng, states, actions, states) * torch.as_tensor(
            rng.uniform(0.3, 1, size=(states, actions, 1))
        )
        pi = policy(rng, states, actions)
        given = normal(rng, states, actions), chain, pi, normal(rng, states), discount
        found.append(given)
    return found


@wrong("1.1", "no discount", "discount left out")
def _(reward, transition, policy, values, discount):
    return (policy * (reward + transition @ values)).sum(-1)


@wrong("1.1", "maximum in place of the policy's mean", "max for the mean under policy")
def _(reward, transition, policy, values, discount):
    return (reward + discount * transition @ values).max(-1).values


@wrong("1.1", "plain mean over actions", "policy left out (mean)")
def _(reward, transition, policy, values, discount):
    return (reward + discount * transition @ values).mean(-1)


@wrong("1.1", "plain sum over actions", "policy left out (sum)")
def _(reward, transition, policy, values, discount):
    return (reward + discount * transition @ values).sum(-1)


@wrong("1.1", "sums over states", "wrong axis")
def _(reward, transition, policy, values, discount):
    q = reward + discount * transition @ values
    return (policy * q).sum(0)


@wrong("1.1", "discounts the reward too", "discount of the reward")
def _(reward, transition, policy, values, discount):
    return discount * (policy * (reward + transition @ values)).sum(-1)


@wrong("1.1", "values of the state left in place of the one reached", "s for s'")
def _(reward, transition, policy, values, discount):
    q = reward + discount * transition.sum(-1) * values[:, None]
    return (policy * q).sum(-1)


@wrong("1.1", "in place, state by state", "new values used within the sweep")
def _(reward, transition, policy, values, discount):
    v = values.clone()
    for s in range(len(v)):
        v[s] = (policy[s] * (reward[s] + discount * transition[s] @ v)).sum()
    return v


@wrong("1.1", "writes the new values into the argument", "changes values")
def _(reward, transition, policy, values, discount):
    values[:] = (policy * (reward + discount * transition @ values)).sum(-1)
    return values


@wrong("1.1", "forgets the reward", "reward left out")
def _(reward, transition, policy, values, discount):
    return (policy * (discount * transition @ values)).sum(-1)


@wrong("1.1", "mixes only the reward by the policy", "policy not applied to the future")
def _(reward, transition, policy, values, discount):
    pay = (policy * reward).sum(-1)
    return pay + discount * (transition @ values).sum(-1)


@wrong("1.1", "returns Q", "action values returned, sum over actions missing")
def _(reward, transition, policy, values, discount):
    return policy * (reward + discount * transition @ values)


@wrong("1.1", "stops after the first state", "return inside the loop")
def _(reward, transition, policy, values, discount):
    new = torch.zeros_like(values)
    for s in range(len(values)):
        for a in range(reward.shape[1]):
            new[s] += policy[s, a] * (
                reward[s, a] + discount * transition[s, a] @ values
            )
        return new


@wrong("1.1", "greedy action instead of the mean", "argmax of the policy")
def _(reward, transition, policy, values, discount):
    q = reward + discount * transition @ values
    return q.gather(-1, policy.argmax(-1, keepdim=True)).squeeze(-1)


@wrong("1.1", "γ fixed at 0.9", "discount hard-coded")
def _(reward, transition, policy, values, discount):
    return (policy * (reward + 0.9 * transition @ values)).sum(-1)


@wrong("1.1", "rows made to sum to one", "transition normalised: endings lost")
def _(reward, transition, policy, values, discount):
    chain = transition / transition.sum(-1, keepdim=True).clamp(min=1e-12)
    return (policy * (reward + discount * chain @ values)).sum(-1)


@wrong("1.1", "the value before is added", "old value added")
def _(reward, transition, policy, values, discount):
    return values + (policy * (reward + discount * transition @ values)).sum(-1)


@wrong(
    "1.1", "reward weighted by the probability of going on", "reward multiplied by P"
)
def _(reward, transition, policy, values, discount):
    inner = transition * (reward.unsqueeze(-1) + discount * values)
    return (policy * inner.sum(-1)).sum(-1)


@right("1.1", "einsum")
def _(reward, transition, policy, values, discount):
    future = torch.einsum("sa,sat,t->s", policy, transition, values)
    return (policy * reward).sum(-1) + discount * future


@right("1.1", "three loops, a list of floats")
def _(reward, transition, policy, values, discount):
    new = []
    for s in range(len(values)):
        v = 0.0
        for a in range(reward.shape[1]):
            future = 0.0
            for t in range(len(values)):
                future += float(transition[s, a, t]) * float(values[t])
            v += float(policy[s, a]) * (float(reward[s, a]) + discount * future)
        new.append(v)
    return new


@right("1.1", "NumPy")
def _(reward, transition, policy, values, discount):
    q = reward.numpy() + discount * np.dot(transition.numpy(), values.numpy())
    return np.sum(policy.numpy() * q, axis=1)


@right("1.1", "Markov chain of the policy first")
def _(reward, transition, policy, values, discount):
    chain = (policy.unsqueeze(-1) * transition).sum(1)
    pay = (policy * reward).sum(1)
    return pay + discount * (chain @ values)


# ---- 1.2 improvement ----


def _one_hot(rng, states, actions):
    eye = torch.eye(actions, dtype=torch.float64)
    return eye[whole(rng, actions, states)]


@inputs("1.2")
def _(rng):
    found = []
    for states, actions in ((1, 2), (4, 3), (5, 4), (3, 3)):
        q, old = normal(rng, states, actions), _one_hot(rng, states, actions)
        found += [
            (q, old),
            (q.round(), old),
            (-q.abs() - 1, old),
            (torch.zeros_like(q), old),
        ]
    tied = tensor([[1.0, 1.0 + 5e-10, 0.0], [2.0, 0.0, 2.0], [0.0, 1e-7, 0.0]])
    found.append((tied, tensor([[1.0, 0, 0], [0, 0, 1.0], [1.0, 0, 0]])))
    found.append((tensor([[1.0, 1.0, 0.5]]), tensor([[0.0, 0.0, 1.0]])))
    found.append((tensor([[1.0, 1.001, 1.001]]), tensor([[1.0, 0.0, 0.0]])))
    large = tensor([[1e6, 1e6 + 0.5], [-3.0, -3.0]])
    found.append((large, tensor([[1.0, 0.0], [0.0, 1.0]])))
    return found


def _first_best(q):
    return torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1]).to(q.dtype)


@wrong("1.2", "always the first best action", "old action forgotten")
def _(q, policy):
    return _first_best(q)


@wrong("1.2", "always the old action", "no improvement")
def _(q, policy):
    return policy


@wrong("1.2", "compares exactly", "tolerance 1e-9 left out")
def _(q, policy):
    behind = q.max(-1, keepdim=True).values - (policy * q).sum(-1, keepdim=True)
    return torch.where(behind == 0, policy, _first_best(q))


@wrong("1.2", "tolerance far too wide", "tolerance 0.01")
def _(q, policy):
    behind = q.max(-1, keepdim=True).values - (policy * q).sum(-1, keepdim=True)
    return torch.where(behind < 1e-2, policy, _first_best(q))


@wrong("1.2", "branches of where exchanged", "where the wrong way round")
def _(q, policy):
    behind = q.max(-1, keepdim=True).values - (policy * q).sum(-1, keepdim=True)
    return torch.where(behind < 1e-9, _first_best(q), policy)


@wrong("1.2", "difference the wrong way round, so always small", "sign of the gap")
def _(q, policy):
    behind = (policy * q).sum(-1, keepdim=True) - q.max(-1, keepdim=True).values
    return torch.where(behind < 1e-9, policy, _first_best(q))


@wrong("1.2", "one decision for all states", "all states at once")
def _(q, policy):
    behind = q.max(-1).values - (policy * q).sum(-1)
    return policy if bool((behind < 1e-9).all()) else _first_best(q)


@wrong("1.2", "shares among tied actions", "ties shared: not deterministic")
def _(q, policy):
    best = (q >= q.max(-1, keepdim=True).values - 1e-9).to(q.dtype)
    return best / best.sum(-1, keepdim=True)


@wrong("1.2", "marks every best action with 1", "several ones a row")
def _(q, policy):
    return (q == q.max(-1, keepdim=True).values).to(q.dtype)


@wrong("1.2", "maximum over states", "wrong axis")
def _(q, policy):
    behind = q.max(0, keepdim=True).values - (policy * q).sum(0, keepdim=True)
    return torch.where(behind < 1e-9, policy, _first_best(q))


@wrong("1.2", "last of the best actions", "last, not first, best action")
def _(q, policy):
    last = q.shape[-1] - 1 - q.flip(-1).argmax(-1)
    best = torch.eye(q.shape[-1], dtype=q.dtype)[last]
    behind = q.max(-1, keepdim=True).values - (policy * q).sum(-1, keepdim=True)
    return torch.where(behind < 1e-9, policy, best)


@wrong("1.2", "returns action numbers", "indices instead of one-hot rows")
def _(q, policy):
    old = policy.argmax(-1)
    kept = q.gather(-1, old[:, None]).squeeze(-1) >= q.max(-1).values - 1e-9
    return torch.where(kept, old, q.argmax(-1))


@wrong("1.2", "worst action", "min for max")
def _(q, policy):
    behind = q.max(-1, keepdim=True).values - (policy * q).sum(-1, keepdim=True)
    worst = torch.eye(q.shape[-1], dtype=q.dtype)[q.argmin(-1)]
    return torch.where(behind < 1e-9, policy, worst)


@wrong("1.2", "value of the old action by max over masked q: zeros win", "masked max")
def _(q, policy):
    old = (policy * q).max(-1, keepdim=True).values
    behind = q.max(-1, keepdim=True).values - old
    return torch.where(behind < 1e-9, policy, _first_best(q))


@wrong("1.2", "relative tolerance", "relative in place of absolute tolerance")
def _(q, policy):
    best, old = q.max(-1, keepdim=True).values, (policy * q).sum(-1, keepdim=True)
    return torch.where((best - old) < 1e-6 * best.abs(), policy, _first_best(q))


@wrong("1.2", "writes into the policy", "changes its argument")
def _(q, policy):
    for s in range(len(q)):
        if q[s].max() - q[s][policy[s].argmax()] >= 1e-9:
            policy[s] = 0
            policy[s, q[s].argmax()] = 1
    return policy


@wrong("1.2", "new action set without clearing the old one", "two ones in a row")
def _(q, policy):
    new = policy.clone()
    for s in range(len(q)):
        if q[s].max() - q[s][policy[s].argmax()] >= 1e-9:
            new[s, q[s].argmax()] = 1
    return new


@wrong("1.2", "softmax", "soft policy")
def _(q, policy):
    return q.softmax(-1)


@right("1.2", "loop over states")
def _(q, policy):
    new = torch.zeros_like(policy)
    for s in range(q.shape[0]):
        old = int(policy[s].argmax())
        best = int(q[s].argmax())
        new[s, old if q[s, best] - q[s, old] < 1e-9 else best] = 1.0
    return new


@right("1.2", "gather and an int64 one-hot")
def _(q, policy):
    old = policy.argmax(-1)
    best = q.max(-1)
    keep = best.values - q.gather(-1, old.unsqueeze(-1)).squeeze(-1) < 1e-9
    return torch.nn.functional.one_hot(
        torch.where(keep, old, best.indices), q.shape[-1]
    )


@right("1.2", "NumPy")
def _(q, policy):
    q, p = q.numpy(), policy.numpy()
    keep = q.max(1) - (q * p).sum(1) < 1e-9
    return np.where(keep[:, None], p, np.eye(q.shape[1])[q.argmax(1)])


@right("1.2", "lists of lists")
def _(q, policy):
    rows = []
    for row, old in zip(q.tolist(), policy.tolist(), strict=True):
        kept = old.index(1.0)
        best = row.index(max(row))
        choice = kept if row[best] - row[kept] < 1e-9 else best
        rows.append([float(a == choice) for a in range(len(row))])
    return rows


# ---- 1.3 a time-out is not a goal ----


@inputs("1.3")
def _(rng):
    four = (
        torch.tensor([False, True, False, True]),
        torch.tensor([False, False, True, True]),
    )
    found = [(normal(rng, 4), normal(rng, 4), *four, 0.9)]
    for n, discount in ((1, 0.5), (7, 1.0), (12, 0.0), (30, 0.97)):
        found.append(
            (normal(rng, n), normal(rng, n), flags(rng, n), flags(rng, n), discount)
        )
    return found


@wrong("1.3", "both flags end it", "truncated taken for an ending")
def _(reward, next_value, terminal, truncated, discount):
    return reward + discount * ~(terminal | truncated) * next_value


@wrong("1.3", "bootstraps always", "terminal ignored")
def _(reward, next_value, terminal, truncated, discount):
    return reward + discount * next_value


@wrong("1.3", "truncated in place of terminal", "the other flag")
def _(reward, next_value, terminal, truncated, discount):
    return reward + discount * ~truncated * next_value


@wrong("1.3", "mask not inverted", "mask inverted")
def _(reward, next_value, terminal, truncated, discount):
    return reward + discount * terminal * next_value


@wrong("1.3", "a time-out wins where both are set", "both flags set at once")
def _(reward, next_value, terminal, truncated, discount):
    return reward + discount * next_value * (~terminal | truncated)


@wrong("1.3", "future only where neither or both", "both flags set at once (xor)")
def _(reward, next_value, terminal, truncated, discount):
    goes_on = ~(terminal ^ truncated) | truncated
    return reward + discount * next_value * goes_on


@wrong("1.3", "reward lost at the goal", "reward of the terminal step dropped")
def _(reward, next_value, terminal, truncated, discount):
    return ~terminal * (reward + discount * next_value)


@wrong("1.3", "no discount", "discount left out")
def _(reward, next_value, terminal, truncated, discount):
    return reward + ~terminal * next_value


@wrong("1.3", "discounts everything", "reward discounted")
def _(reward, next_value, terminal, truncated, discount):
    return discount * (reward + ~terminal * next_value)


@wrong("1.3", "after a time-out no discount", "discount missing at time-outs")
def _(reward, next_value, terminal, truncated, discount):
    future = torch.where(truncated, next_value, discount * next_value)
    return reward + ~terminal * future


@wrong("1.3", "after a time-out the value alone", "reward dropped at time-outs")
def _(reward, next_value, terminal, truncated, discount):
    target = reward + discount * ~terminal * next_value
    return torch.where(truncated & ~terminal, discount * next_value, target)


@wrong("1.3", "discount to the power of t", "powers of the discount")
def _(reward, next_value, terminal, truncated, discount):
    t = torch.arange(len(reward), dtype=reward.dtype)
    return reward + discount ** (t + 1) * ~terminal * next_value


@wrong(
    "1.3", "`not` of a whole row looks at the first step only", "only the first flag"
)
def _(reward, next_value, terminal, truncated, discount):
    return reward + discount * (not terminal[0]) * next_value


@wrong("1.3", "1 - bool tensor", "raises: subtraction of a bool tensor")
def _(reward, next_value, terminal, truncated, discount):
    return reward + discount * (1 - terminal) * next_value


@wrong("1.3", "if on a tensor", "raises: truth value of a tensor")
def _(reward, next_value, terminal, truncated, discount):
    if terminal:
        return reward
    return reward + discount * next_value


@wrong("1.3", "assigns into the argument", "changes next_value")
def _(reward, next_value, terminal, truncated, discount):
    next_value[terminal] = 0
    return reward + discount * next_value


@wrong(
    "1.3", "recursion over time as if it were one episode", "return instead of target"
)
def _(reward, next_value, terminal, truncated, discount):
    target, g = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        g = reward[t] + discount * (0.0 if terminal[t] else g)
        target[t] = g
    return target


@wrong("1.3", "minus for plus", "sign of the future")
def _(reward, next_value, terminal, truncated, discount):
    return reward - discount * ~terminal * next_value


@right("1.3", "where")
def _(reward, next_value, terminal, truncated, discount):
    return torch.where(terminal, reward, reward + discount * next_value)


@right("1.3", "comprehension over the four cases")
def _(reward, next_value, terminal, truncated, discount):
    return [
        float(r) if end else float(r + discount * v)
        for r, v, end in zip(reward, next_value, terminal, strict=True)
    ]


@right("1.3", "NumPy with logical_not")
def _(reward, next_value, terminal, truncated, discount):
    goes_on = np.logical_not(terminal.numpy()).astype(float)
    return reward.numpy() + discount * goes_on * next_value.numpy()


@right("1.3", "float32 mask and a masked copy")
def _(reward, next_value, terminal, truncated, discount):
    future = next_value.clone()
    future[terminal] = 0.0
    return (reward + discount * future).float()


# ---- 1.4 value iteration with endings ----


def _world(rng, states, actions, outcomes, ends):
    probability = policy(rng, states, actions, outcomes)
    terminal = torch.as_tensor(rng.random((states, actions, outcomes)) < ends)
    successor = whole(rng, states, states, actions, outcomes)
    start = torch.full((states,), 1 / states, dtype=torch.float64)
    reward, seen = normal(rng, states, actions), torch.eye(states)
    return MDP(successor, probability, reward, terminal, start, seen)


@inputs("1.4")
def _(rng):
    return [
        (_world(rng, 3, 2, 1, 0.3), 0.9, 0),
        (_world(rng, 3, 2, 1, 0.3), 0.9, 1),
        (_world(rng, 3, 3, 2, 0.4), 0.5, 2),
        (_world(rng, 5, 2, 3, 0.3), 0.99, 25),
        (_world(rng, 4, 2, 2, 0.5), 1.0, 6),
        (_world(rng, 4, 4, 4, 0.0), 0.9, 12),
    ]


def _zeros(mdp):
    return torch.zeros(mdp.reward.shape[0], dtype=torch.float64)


@wrong("1.4", "the colleague's function", "terminal ignored")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor]).sum(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@wrong("1.4", "mask not inverted", "mask inverted")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor] * mdp.terminal).sum(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@wrong("1.4", "one ending outcome ends the action", "any over outcomes")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor]).sum(-1)
        future = future * ~mdp.terminal.any(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@wrong("1.4", "ends only if all outcomes end", "all over outcomes")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor]).sum(-1)
        future = future * ~mdp.terminal.all(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@wrong("1.4", "pins the value of states that are entered by an ending", "state zeroed")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    goals = mdp.successor[mdp.terminal].unique()
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor]).sum(-1)
        values = (mdp.reward + discount * future).max(-1).values
        values[goals] = 0
    return values


@wrong("1.4", "the reward of an ending is lost", "reward masked too")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        each = mdp.reward.unsqueeze(-1) + discount * values[mdp.successor]
        values = (mdp.probability * each * ~mdp.terminal).sum(-1).max(-1).values
    return values


@wrong("1.4", "one sweep too many", "off by one: sweeps + 1")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps + 1):
        future = (mdp.probability * values[mdp.successor] * ~mdp.terminal).sum(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@wrong("1.4", "one sweep too few", "off by one: sweeps - 1")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(1, sweeps):
        future = (mdp.probability * values[mdp.successor] * ~mdp.terminal).sum(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@wrong("1.4", "returns after the first sweep", "return inside the loop")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor] * ~mdp.terminal).sum(-1)
        values = (mdp.reward + discount * future).max(-1).values
        return values
    return values


@wrong("1.4", "in place over states", "in-place sweep")
def _(mdp, discount, sweeps):
    v = _zeros(mdp)
    for _ in range(sweeps):
        for s in range(len(v)):
            future = (mdp.probability[s] * v[mdp.successor[s]] * ~mdp.terminal[s]).sum(
                -1
            )
            v[s] = (mdp.reward[s] + discount * future).max()
    return v


@wrong("1.4", "mean over actions", "mean for max")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor] * ~mdp.terminal).sum(-1)
        values = (mdp.reward + discount * future).mean(-1)
    return values


@wrong("1.4", "no discount", "discount left out")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor] * ~mdp.terminal).sum(-1)
        values = (mdp.reward + future).max(-1).values
    return values


@wrong("1.4", "outcomes averaged", "probability left out")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        future = (values[mdp.successor] * ~mdp.terminal).mean(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@wrong("1.4", "looks at the first outcome only", "first outcome only")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    for _ in range(sweeps):
        nxt = values[mdp.successor[..., 0]] * ~mdp.terminal[..., 0]
        values = (mdp.reward + discount * nxt).max(-1).values
    return values


@wrong("1.4", "starts from the best reward", "does not start from V = 0")
def _(mdp, discount, sweeps):
    values = mdp.reward.max(-1).values
    for _ in range(sweeps):
        future = (mdp.probability * values[mdp.successor] * ~mdp.terminal).sum(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@wrong("1.4", "probability renormalised over the outcomes that go on", "renormalised")
def _(mdp, discount, sweeps):
    values = _zeros(mdp)
    going = mdp.probability * ~mdp.terminal
    going = going / going.sum(-1, keepdim=True).clamp(min=1e-12)
    for _ in range(sweeps):
        future = (going * values[mdp.successor]).sum(-1)
        values = (mdp.reward + discount * future).max(-1).values
    return values


@right("1.4", "where, and torch.amax")
def _(mdp, discount, sweeps):
    v = torch.zeros(len(mdp.reward), dtype=mdp.reward.dtype)
    for _ in range(sweeps):
        nxt = torch.where(mdp.terminal, 0.0, v[mdp.successor])
        v = torch.amax(mdp.reward + discount * torch.sum(mdp.probability * nxt, -1), -1)
    return v


@right("1.4", "plain loops and lists")
def _(mdp, discount, sweeps):
    states, actions, outcomes = mdp.probability.shape
    v = [0.0] * states
    for _ in range(sweeps):
        new = []
        for s in range(states):
            best = -float("inf")
            for a in range(actions):
                q = float(mdp.reward[s, a])
                for m in range(outcomes):
                    if not mdp.terminal[s, a, m]:
                        p = float(mdp.probability[s, a, m])
                        q += discount * p * v[int(mdp.successor[s, a, m])]
                best = max(best, q)
            new.append(best)
        v = new
    return torch.tensor(v, dtype=torch.float64)


@right("1.4", "recursion in sweeps")
def _(mdp, discount, sweeps):
    def after(k):
        if k == 0:
            return _zeros(mdp)
        nxt = after(k - 1)[mdp.successor].masked_fill(mdp.terminal, 0)
        q = mdp.reward + discount * (mdp.probability * nxt).sum(-1)
        return q.max(dim=-1)[0]

    return after(sweeps)


@right("1.4", "NumPy float32")
def _(mdp, discount, sweeps):
    weight = (mdp.probability * ~mdp.terminal).numpy().astype(np.float32)
    reward, successor = mdp.reward.numpy().astype(np.float32), mdp.successor.numpy()
    v = np.zeros(len(reward), dtype=np.float32)
    for _ in range(sweeps):
        future = (weight * v[successor]).sum(-1)
        v = (reward + np.float32(discount) * future).max(-1)
    return v


values(
    "1.5",
    ["B", "b", "B "],
    {
        "A": "numerics",
        "C": "horizon",
        "D": "discounted goal",
        2: "a number in place of the letter",
        "BC": "two letters",
        "E": "no such option",
    },
)
