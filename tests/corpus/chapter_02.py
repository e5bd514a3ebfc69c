"""Chapter 02: tabular Q-learning, ε-greedy, logs, plateaus."""

import numpy as np
import torch

from corpus import flags, inputs, normal, policy, right, tensor, values, whole, wrong

# ---- 2.1 the update ----


@inputs("2.1")
def _(rng):
    found = []
    for s, a, r, nxt, end, rate, discount in (
        (0, 1, 1.0, 2, False, 0.1, 0.9),
        (1, 0, -1.0, 1, False, 0.3, 0.5),
        (2, 2, 0.5, 0, True, 0.8, 0.99),
        (0, 0, 0.0, 1, False, 1.0, 1.0),
        (3, 1, 2.0, 0, False, 0.25, 0.0),
        (1, 2, -0.3, 3, True, 0.0, 0.9),
    ):
        found.append((normal(rng, 4, 3), s, a, r, nxt, end, rate, discount))
        found.append((-normal(rng, 4, 3).abs(), s, a, r, nxt, end, rate, discount))
    return found


@wrong("2.1", "future looked up in the state left", "state for next_state")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[state].max()
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "no discount", "discount left out")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + q[next_state].max()
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "bootstraps after the goal", "terminal ignored")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward + discount * q[next_state].max()
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "target 0 at the goal", "reward dropped at the goal")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = 0 if terminal else reward + discount * q[next_state].max()
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "works on the table given", "q is changed: no copy")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    target = reward if terminal else reward + discount * q[next_state].max()
    q[state, action] += learning_rate * (target - q[state, action])
    return q


@wrong("2.1", "`new = q` is no copy", "alias of the argument")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q
    target = reward + (0 if terminal else discount * q[next_state].max())
    new[state, action] = (1 - learning_rate) * q[state, action] + learning_rate * target
    return new


@wrong("2.1", "α and 1 − α exchanged", "learning rate the wrong way round")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward + (0 if terminal else discount * q[next_state].max())
    new[state, action] = learning_rate * q[state, action] + (1 - learning_rate) * target
    return new


@wrong("2.1", "α and γ exchanged", "learning_rate and discount swapped")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + learning_rate * q[next_state].max()
    new[state, action] += discount * (target - q[state, action])
    return new


@wrong(
    "2.1", "adds the target without subtracting the old value", "error without Q(S, A)"
)
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state].max()
    new[state, action] += learning_rate * target
    return new


@wrong("2.1", "error with the sign turned", "sign of the error")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state].max()
    new[state, action] += learning_rate * (q[state, action] - target)
    return new


@wrong("2.1", "replaces the value by the step", "= for +=")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state].max()
    new[state, action] = learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "forgets α", "learning rate left out")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    new[state, action] = reward if terminal else reward + discount * q[next_state].max()
    return new


@wrong("2.1", "maximum of the whole table", "max over the table")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q.max()
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "argmax for max", "index of the best action for its value")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state].argmax()
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "same action in the next state", "SARSA with the old action")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state, action]
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "mean in the next state", "mean for max (expected SARSA)")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state].mean()
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "whole row changes", "row of the state instead of one entry")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state].max()
    new[state] += learning_rate * (target - q[state])
    return new


@wrong("2.1", "index exchanged", "action and state swapped in the index")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    target = reward if terminal else reward + discount * q[next_state].max()
    new[action, state] += learning_rate * (target - q[action, state])
    return new


@wrong("2.1", "returns the number, not the table", "value in place of the table")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    target = reward if terminal else reward + discount * q[next_state].max()
    return q[state, action] + learning_rate * (target - q[state, action])


@wrong("2.1", "discount also before the reward", "reward discounted")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    future = 0 if terminal else q[next_state].max()
    new[state, action] += learning_rate * (
        discount * (reward + future) - q[state, action]
    )
    return new


@wrong("2.1", "maximum not below 0", "max starts at 0")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    best = 0.0
    for value in q[next_state].tolist():
        if value > best:
            best = value
    target = reward if terminal else reward + discount * best
    new[state, action] += learning_rate * (target - q[state, action])
    return new


@wrong("2.1", "no learning at all after a terminal step", "terminal step skipped")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    if not terminal:
        error = reward + discount * q[next_state].max() - q[state, action]
        new[state, action] += learning_rate * error
    return new


@right("2.1", "convex combination")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.clone()
    y = reward + (not terminal) * discount * torch.max(q[next_state])
    new[state, action] = (1 - learning_rate) * q[state, action] + learning_rate * y
    return new


@right("2.1", "a mask instead of an assignment")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    mask = torch.zeros_like(q)
    mask[state, action] = learning_rate
    future = 0.0 if terminal else discount * float(max(q[next_state]))
    return q + mask * (reward + future - q)


@right("2.1", "nested lists")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    table = q.tolist()
    future = 0.0 if terminal else discount * max(table[next_state])
    table[state][action] += learning_rate * (reward + future - table[state][action])
    return table


@right("2.1", "NumPy float32 copy")
def _(q, state, action, reward, next_state, terminal, learning_rate, discount):
    new = q.numpy().astype(np.float32)
    target = reward if terminal else reward + discount * new[next_state].max()
    new[state, action] += learning_rate * (target - new[state, action])
    return new


# ---- 2.2 ε-greedy ----


@inputs("2.2")
def _(rng):
    q = normal(rng, 5, 4)
    return [
        (tensor([0.0, 1.0, 1.0]), 0.2),
        (q, 0.0),
        (q, 1.0),
        (q.round(), 0.3),
        (-q.abs() - 0.1, 0.4),
        (tensor([[1.0, 1.001, 0.9], [0.0, 0.0, 0.0]]), 0.1),
        (normal(rng, 2, 3, 6).round(), 0.5),
        (normal(rng, 3, 3), 0.6),
    ]


def _marks(q):
    return (q == q.max(-1, keepdim=True).values).to(q.dtype)


@wrong("2.2", "one of the tied actions takes all", "ties: argmax takes the first")
def _(q, epsilon):
    best = torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1])
    return epsilon / q.shape[-1] + (1 - epsilon) * best


@wrong("2.2", "each tied action takes 1 − ε", "ties not shared")
def _(q, epsilon):
    return epsilon / q.shape[-1] + (1 - epsilon) * _marks(q)


@wrong("2.2", "best action left out of the random draw", "epsilon only for the others")
def _(q, epsilon):
    best = _marks(q)
    return (1 - epsilon) * best / best.sum(-1, keepdim=True) + (
        1 - best
    ) * epsilon / q.shape[-1]


@wrong("2.2", "ε shared among the A − 1 others", "A - 1 for A")
def _(q, epsilon):
    best = torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1]).to(q.dtype)
    return (1 - epsilon) * best + (1 - best) * epsilon / (q.shape[-1] - 1)


@wrong("2.2", "ε and 1 − ε exchanged", "epsilon the wrong way round")
def _(q, epsilon):
    best = _marks(q)
    return (1 - epsilon) / q.shape[-1] + epsilon * best / best.sum(-1, keepdim=True)


@wrong("2.2", "ε, not ε/A", "not divided by A")
def _(q, epsilon):
    best = _marks(q)
    return epsilon + (1 - epsilon) * best / best.sum(-1, keepdim=True)


@wrong("2.2", "greedy part not shrunk", "factor 1 - epsilon missing")
def _(q, epsilon):
    best = _marks(q)
    return epsilon / q.shape[-1] + best / best.sum(-1, keepdim=True)


@wrong("2.2", "shares over all states", "sum without an axis")
def _(q, epsilon):
    best = _marks(q)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum()


@wrong("2.2", "maximum of the whole table", "max over all states")
def _(q, epsilon):
    best = (q == q.max()).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(-1, keepdim=True)


@wrong("2.2", "maximum over the first axis", "wrong axis")
def _(q, epsilon):
    best = (q == q.max(0, keepdim=True).values).to(q.dtype)
    return epsilon / q.shape[0] + (1 - epsilon) * best / best.sum(0, keepdim=True)


@wrong("2.2", "keepdim forgotten", "keepdim missing: broadcast over the wrong axis")
def _(q, epsilon):
    best = (q == q.max(-1).values).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(-1, keepdim=True)


@wrong("2.2", "four actions", "A hard-coded")
def _(q, epsilon):
    best = _marks(q)
    return epsilon / 4 + (1 - epsilon) * best / best.sum(-1, keepdim=True)


@wrong("2.2", "nearly best counts as best", "tolerance too wide")
def _(q, epsilon):
    best = (q > q.max(-1, keepdim=True).values - 0.01).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(-1, keepdim=True)


@wrong("2.2", "divides by the number of states", "len(q) for A")
def _(q, epsilon):
    best = _marks(q)
    return epsilon / len(q) + (1 - epsilon) * best / best.sum(-1, keepdim=True)


@wrong("2.2", "softmax for the greedy part", "softmax for argmax")
def _(q, epsilon):
    return epsilon / q.shape[-1] + (1 - epsilon) * q.softmax(-1)


@wrong("2.2", "an action, not a distribution", "draws an action")
def _(q, epsilon):
    if np.random.default_rng(1).random() < epsilon:
        return torch.zeros_like(q.argmax(-1))
    return q.argmax(-1)


@wrong("2.2", "minimum", "min for max")
def _(q, epsilon):
    best = (q == q.min(-1, keepdim=True).values).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(-1, keepdim=True)


@wrong("2.2", "all the probability to ties below the top too", "values above 0 count")
def _(q, epsilon):
    best = (q > 0).to(q.dtype)
    return epsilon / q.shape[-1] + (1 - epsilon) * best / best.sum(-1, keepdim=True)


@wrong(
    "2.2", "random choice even where greedy: renormalised at the end", "normalised late"
)
def _(q, epsilon):
    raw = epsilon / q.shape[-1] + (1 - epsilon) * _marks(q)
    return raw / raw.sum(-1, keepdim=True)


@wrong("2.2", "bools divided by bools' sum, first state only", "handles one row only")
def _(q, epsilon):
    row = q.reshape(-1, q.shape[-1])[0]
    best = (row == row.max()).to(q.dtype)
    return (epsilon / len(row) + (1 - epsilon) * best / best.sum()).expand_as(q)


@right("2.2", "NumPy")
def _(q, epsilon):
    v = q.numpy()
    best = v == v.max(axis=-1, keepdims=True)
    return (1 - epsilon) * best / best.sum(-1, keepdims=True) + epsilon / v.shape[-1]


@right("2.2", "rows one by one, stacked")
def _(q, epsilon):
    rows = []
    for row in q.reshape(-1, q.shape[-1]):
        tied = torch.nonzero(row == row.max()).flatten()
        p = torch.full_like(row, epsilon / len(row))
        p[tied] += (1 - epsilon) / len(tied)
        rows.append(p)
    return torch.stack(rows).reshape(q.shape)


@right("2.2", "amax, ge and float32")
def _(q, epsilon):
    best = (q >= q.amax(dim=-1, keepdim=True)).float()
    greedy = best / best.sum(dim=-1, keepdim=True)
    return torch.full_like(best, epsilon / q.shape[-1]) + (1 - epsilon) * greedy


@right("2.2", "ties within 1e-12")
def _(q, epsilon):
    best = (q.max(-1, keepdim=True)[0] - q < 1e-12).double()
    uniform = torch.ones_like(q) / q.shape[-1]
    return torch.lerp(best / best.sum(-1, keepdim=True), uniform, epsilon)


# ---- 2.3 a log with cut episodes ----


def _log(rng, length, states, actions, rate, discount):
    s, a = whole(rng, states, length).tolist(), whole(rng, actions, length).tolist()
    nxt, r = whole(rng, states, length).tolist(), normal(rng, length).tolist()
    ends, cut = flags(rng, length).tolist(), flags(rng, length).tolist()
    return normal(rng, states, actions), s, a, r, nxt, ends, cut, rate, discount


@inputs("2.3")
def _(rng):
    sizes = (1, 2, 2), (5, 3, 2), (12, 4, 3), (40, 3, 4), (25, 2, 2)
    rates = (0.5, 0.9), (0.1, 0.5), (0.3, 1.0), (0.8, 0.95), (1.0, 0.7)
    return [_log(rng, *size, *rate) for size, rate in zip(sizes, rates, strict=True)]


@wrong("2.3", "next state from the row below", "state[t + 1] for next_state[t]")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        after = state[t + 1] if t + 1 < len(state) else next_state[t]
        target = reward[t] if terminal[t] else reward[t] + discount * q[after].max()
        q[state[t], action[t]] += learning_rate * (target - q[state[t], action[t]])
    return q


@wrong("2.3", "last transition dropped", "loop to T - 1")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state) - 1):
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "a cut counts as an ending", "truncated treated as terminal")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        done = terminal[t] or truncated[t]
        y = reward[t] + (0 if done else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "cut rows skipped", "truncated steps thrown away")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        if truncated[t]:
            continue
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "cut rows skipped unless they also end", "truncated steps thrown away")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        if truncated[t] and not terminal[t]:
            continue
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "only a cut stops the future", "the other flag")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        y = reward[t] + (0 if truncated[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "where both flags are set it bootstraps", "both flags at once")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        goes_on = not terminal[t] or truncated[t]
        y = reward[t] + (discount * q[next_state[t]].max() if goes_on else 0)
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "terminal forgotten", "terminal ignored")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for s, a, r, after in zip(state, action, reward, next_state, strict=True):
        q[s, a] += learning_rate * (r + discount * q[after].max() - q[s, a])
    return q


@wrong("2.3", "stops at the first ending", "break for continue")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
        if terminal[t]:
            break
    return q


@wrong("2.3", "targets from the first table", "all targets from the old table")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    new = q.clone()
    for t in range(len(state)):
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        new[state[t], action[t]] += learning_rate * (y - new[state[t], action[t]])
    return new


@wrong("2.3", "errors from the first table as well", "whole update from the old table")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    new = q.clone()
    for t in range(len(state)):
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        new[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return new


@wrong("2.3", "backwards through the log", "reversed order")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in reversed(range(len(state))):
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "no clone", "q is changed")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    for t in range(len(state)):
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "return one level too deep", "return inside the loop")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
        return q


@wrong("2.3", "SARSA with the next row's action", "on-policy target")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        nxt = action[(t + 1) % len(state)]
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t], nxt])
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "no discount", "discount left out")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        y = reward[t] + (0 if terminal[t] else q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong("2.3", "starts from zeros", "given table ignored")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = torch.zeros_like(q)
    for t in range(len(state)):
        y = reward[t] + (0 if terminal[t] else discount * q[next_state[t]].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@wrong(
    "2.3",
    "one vectorised assignment: repeated pairs count once",
    "vectorised, no order",
)
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    goes_on = 1 - torch.tensor(terminal, dtype=q.dtype)
    y = tensor(reward) + discount * goes_on * q[next_state].max(-1).values
    new = q.clone()
    new[state, action] += learning_rate * (y - q[state, action])
    return new


@wrong(
    "2.3", "after a cut the value of the state left", "state for next_state after a cut"
)
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.clone()
    for t in range(len(state)):
        after = state[t] if truncated[t] else next_state[t]
        y = reward[t] + (0 if terminal[t] else discount * q[after].max())
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


@right("2.3", "convex combination, index loop")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    table = q.clone()
    for t in range(len(state)):
        s, a = int(state[t]), int(action[t])
        best = 0.0 if terminal[t] else float(table[int(next_state[t])].max())
        y = float(reward[t]) + discount * best
        table[s, a] = (1 - learning_rate) * table[s, a] + learning_rate * y
    return table


@right("2.3", "nested lists")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    table = [list(row) for row in q.tolist()]
    for s, a, r, n, end in zip(
        state, action, reward, next_state, terminal, strict=True
    ):
        y = r + (0 if end else discount * max(table[n]))
        table[s][a] += learning_rate * (y - table[s][a])
    return table


@right("2.3", "recursion on the rest of the log")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    def learn(table, t):
        if t == len(state):
            return table
        new = table.clone()
        y = reward[t] + discount * (not terminal[t]) * table[next_state[t]].max()
        new[state[t], action[t]] += learning_rate * (y - table[state[t], action[t]])
        return learn(new, t + 1)

    return learn(q, 0)


@right("2.3", "NumPy")
def _(
    q, state, action, reward, next_state, terminal, truncated, learning_rate, discount
):
    q = q.numpy().copy()
    for t in range(len(state)):
        y = reward[t]
        if not terminal[t]:
            y = y + discount * np.max(q[next_state[t]])
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
    return q


values(
    "2.4",
    ["C", "c"],
    {
        "A": "training lengths taken for the policy",
        "B": "convergence",
        "D": "learning rate",
        "D.": "not an option",
        3: "a number in place of the letter",
        True: "a bool in place of the letter",
    },
)


# ---- 2.5 a plateau ----


@inputs("2.5")
def _(rng):
    found = [(tensor([[0.0, 1.0], [0.0, 0.0]]), tensor([[0.5, 0.5], [0.5, 0.0]]), 0.5)]
    for n, epsilon, least in (
        (3, 0.0, 0.5),
        (4, 1.0, 0.9),
        (5, 0.1, 0.99),
        (3, 0.3, 0.1),
    ):
        greedy, random = (
            policy(rng, n, n) * torch.as_tensor(rng.uniform(least, 0.999, size=(n, 1)))
            for _ in range(2)
        )
        found.append((greedy, random, epsilon))
    return found


@wrong("2.5", "mixes the answers", "answers mixed, not matrices")
def _(greedy, random, epsilon):
    one, eye = (
        torch.ones(len(greedy), dtype=greedy.dtype),
        torch.eye(len(greedy)).double(),
    )
    a, b = torch.linalg.solve(eye - greedy, one), torch.linalg.solve(eye - random, one)
    return (1 - epsilon) * a + epsilon * b


@wrong("2.5", "ε and 1 − ε exchanged", "epsilon the wrong way round")
def _(greedy, random, epsilon):
    p = epsilon * greedy + (1 - epsilon) * random
    return torch.linalg.solve(
        torch.eye(len(p)).double() - p, torch.ones(len(p)).double()
    )


@wrong("2.5", "plus for minus", "I + P for I - P")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    return torch.linalg.solve(
        torch.eye(len(p)).double() + p, torch.ones(len(p)).double()
    )


@wrong("2.5", "P − I", "sign: P - I")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    return torch.linalg.solve(
        p - torch.eye(len(p)).double(), torch.ones(len(p)).double()
    )


@wrong("2.5", "transposed", "matrix transposed")
def _(greedy, random, epsilon):
    p = ((1 - epsilon) * greedy + epsilon * random).T
    return torch.linalg.solve(
        torch.eye(len(p)).double() - p, torch.ones(len(p)).double()
    )


@wrong("2.5", "the inverse itself", "inverse not multiplied by ones")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    return torch.linalg.inv(torch.eye(len(p)).double() - p)


@wrong("2.5", "first state only", "one state's number")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    return torch.linalg.solve(
        torch.eye(len(p)).double() - p, torch.ones(len(p)).double()
    )[0]


@wrong("2.5", "one hundred sweeps", "horizon cut at 100 sweeps")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    n = torch.zeros(len(p)).double()
    for _ in range(100):
        n = 1 + p @ n
    return n


@wrong("2.5", "one application", "not solved: one step only")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    return 1 + p @ torch.ones(len(p)).double()


@wrong("2.5", "stops when changes fall below 0.01", "stopped too early")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    n = torch.zeros(len(p)).double()
    while True:
        new = 1 + p @ n
        if (new - n).abs().max() < 1e-2:
            return new
        n = new


@wrong("2.5", "geometric waiting time state by state", "1 / (1 - row sum)")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    return 1 / (1 - p.sum(-1))


@wrong("2.5", "column vector", "shape [S, 1]")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    return torch.linalg.solve(
        torch.eye(len(p)).double() - p, torch.ones(len(p), 1).double()
    )


@wrong("2.5", "does not count the first step", "one step too few")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    eye = torch.eye(len(p)).double()
    return torch.linalg.solve(eye - p, p.sum(-1))


@wrong("2.5", "rows normalised", "made stochastic: never arrives")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    p = p / p.sum(-1, keepdim=True).clamp(min=1e-9)
    return torch.linalg.pinv(torch.eye(len(p)).double() - p).sum(-1)


@wrong("2.5", "a discount of 0.99", "discount where there is none")
def _(greedy, random, epsilon):
    p = 0.99 * ((1 - epsilon) * greedy + epsilon * random)
    return torch.linalg.solve(
        torch.eye(len(p)).double() - p, torch.ones(len(p)).double()
    )


@wrong("2.5", "ε twice", "epsilon added without 1 - epsilon")
def _(greedy, random, epsilon):
    p = greedy + epsilon * (random - greedy * random)
    return torch.linalg.solve(
        torch.eye(len(p)).double() - p, torch.ones(len(p)).double()
    )


@wrong("2.5", "eye subtracted elementwise from a sum", "ones for the identity")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy + epsilon * random
    return torch.linalg.pinv(1 - p) @ torch.ones(len(p)).double()


@right("2.5", "the inverse, summed over columns")
def _(greedy, random, epsilon):
    p = torch.lerp(greedy, random, epsilon)
    return torch.linalg.inv(torch.eye(p.shape[0], dtype=p.dtype) - p).sum(dim=1)


@right("2.5", "NumPy")
def _(greedy, random, epsilon):
    p = (1 - epsilon) * greedy.numpy() + epsilon * random.numpy()
    return np.linalg.solve(np.identity(len(p)) - p, np.ones(len(p)))


@right("2.5", "squaring: the sum of the first 2^k powers")
def _(greedy, random, epsilon):
    power = (1 - epsilon) * greedy + epsilon * random
    n = torch.ones(len(power), dtype=power.dtype)
    for _ in range(40):
        n = n + power @ n
        power = power @ power
    return n


@right("2.5", "right side as a column, squeezed")
def _(greedy, random, epsilon):
    size = greedy.size(0)
    a = torch.eye(size).to(greedy) - (1 - epsilon) * greedy - epsilon * random
    b = torch.ones(size, 1, dtype=greedy.dtype)
    return torch.linalg.solve(a, b).squeeze(-1)
