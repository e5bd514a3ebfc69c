"""Chapter 04: scores, returns-to-go, baselines, the weights of the printed box."""

import numpy as np
import torch

from corpus import flags, inputs, normal, right, tensor, values, whole, wrong

# ---- 4.1 the score ----


@inputs("4.1")
def _(rng):
    return [
        (tensor([0.0, 1.0, -1.0]), torch.tensor(1)),
        (normal(rng, 4), torch.tensor(0)),
        (normal(rng, 5, 3), whole(rng, 3, 5)),
        (3 * normal(rng, 2, 4, 6), whole(rng, 6, 2, 4)),
        (normal(rng, 3, 3), whole(rng, 3, 3)),
        (tensor([[900.0, 0.0], [-900.0, 1.0]]), torch.tensor([1, 0])),
    ]


def _hot(preferences, action):
    return torch.nn.functional.one_hot(action, preferences.shape[-1]).to(
        preferences.dtype
    )


@wrong("4.1", "sign turned", "pi - 1 in place of 1 - pi")
def _(preferences, action):
    return preferences.softmax(-1) - _hot(preferences, action)


@wrong("4.1", "gradient of π, not of log π", "derivative of pi: factor pi(a)")
def _(preferences, action):
    p = preferences.softmax(-1)
    chosen = p.gather(-1, action.unsqueeze(-1))
    return chosen * (_hot(preferences, action) - p)


@wrong("4.1", "without the softmax term", "second term left out")
def _(preferences, action):
    return _hot(preferences, action)


@wrong("4.1", "preferences taken for probabilities", "softmax left out")
def _(preferences, action):
    return _hot(preferences, action) - preferences


@wrong("4.1", "softmax over states", "softmax over the wrong axis")
def _(preferences, action):
    return _hot(preferences, action) - preferences.softmax(0)


@wrong("4.1", "log-probabilities subtracted", "log_softmax for softmax")
def _(preferences, action):
    return _hot(preferences, action) - preferences.log_softmax(-1)


@wrong("4.1", "one number a state", "only the chosen entry")
def _(preferences, action):
    p = preferences.softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    return 1 - p


@wrong("4.1", "1 − π(a) at the action, 0 elsewhere", "other entries left at zero")
def _(preferences, action):
    return _hot(preferences, action) * (1 - preferences.softmax(-1))


@wrong("4.1", "1 − π everywhere", "indicator missing: ones for all actions")
def _(preferences, action):
    return 1 - preferences.softmax(-1)


@wrong(
    "4.1", "exponentials without stabilisation", "overflow: exp of large preferences"
)
def _(preferences, action):
    e = preferences.exp()
    return _hot(preferences, action) - e / e.sum(-1, keepdim=True)


@wrong("4.1", "normalised by the sum over everything", "sum without an axis")
def _(preferences, action):
    e = (preferences - preferences.max()).exp()
    return _hot(preferences, action) - e / e.sum()


@wrong("4.1", "multiplied by the preference (features of a linear model)", "factor h")
def _(preferences, action):
    return (_hot(preferences, action) - preferences.softmax(-1)) * preferences


@wrong("4.1", "log π itself", "function in place of its derivative")
def _(preferences, action):
    return preferences.log_softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)


@wrong("4.1", "most probable action taken for the chosen one", "argmax for action")
def _(preferences, action):
    return _hot(preferences, preferences.argmax(-1)) - preferences.softmax(-1)


@wrong("4.1", "1/π at the action", "1/pi in the first term")
def _(preferences, action):
    p = preferences.softmax(-1)
    return _hot(preferences, action) / p.clamp(min=1e-9) - 1


@wrong(
    "4.1",
    "index with [action], right for a single state only",
    "index of the wrong axis",
)
def _(preferences, action):
    score = -preferences.softmax(-1)
    score[action] += 1
    return score


@right("4.1", "autograd")
def _(preferences, action):
    h = preferences.clone().requires_grad_()
    log_p = torch.log_softmax(h, dim=-1).gather(-1, action.unsqueeze(-1))
    return torch.autograd.grad(log_p.sum(), h)[0]


@right("4.1", "scatter_add")
def _(preferences, action):
    ones = torch.ones_like(action, dtype=preferences.dtype).unsqueeze(-1)
    return (-preferences.softmax(-1)).scatter_add(-1, action.unsqueeze(-1), ones)


@right("4.1", "comparison with arange, float32")
def _(preferences, action):
    hot = torch.arange(preferences.shape[-1]) == action[..., None]
    return hot.float() - preferences.float().softmax(-1)


@right("4.1", "NumPy, stabilised")
def _(preferences, action):
    h = preferences.numpy()
    e = np.exp(h - h.max(-1, keepdims=True))
    return np.eye(h.shape[-1])[action.numpy()] - e / e.sum(-1, keepdims=True)


# ---- 4.2 reward-to-go ----


@inputs("4.2")
def _(rng):
    return [
        (tensor([1.0, 2.0, 3.0]), 0.5),
        (normal(rng, 1), 0.9),
        (normal(rng, 8), 1.0),
        (normal(rng, 8), 0.0),
        (normal(rng, 3000), 0.99),
        (normal(rng, 3000), 0.5),
        (normal(rng, 40), 0.97),
    ]


@wrong("4.2", "forwards", "running sum from the start")
def _(reward, discount):
    result, g = torch.zeros_like(reward), 0.0
    for t in range(len(reward)):
        g = reward[t] + discount * g
        result[t] = g
    return result


@wrong("4.2", "whole return at every step", "return of step 0 everywhere")
def _(reward, discount):
    t = torch.arange(len(reward), dtype=reward.dtype)
    return (discount**t * reward).sum().expand(len(reward)).clone()


@wrong("4.2", "γ^i from the start of the episode", "discount counted from the start")
def _(reward, discount):
    t = torch.arange(len(reward), dtype=reward.dtype)
    return (discount**t * reward).flip(0).cumsum(0).flip(0)


@wrong("4.2", "no discount", "discount left out")
def _(reward, discount):
    return reward.flip(0).cumsum(0).flip(0)


@wrong("4.2", "cumulative sum not flipped back", "reversed order")
def _(reward, discount):
    result, g = [], 0.0
    for r in reversed(reward.tolist()):
        g = r + discount * g
        result.append(g)
    return torch.tensor(result, dtype=reward.dtype)


@wrong("4.2", "first reward discounted too", "exponent one too large")
def _(reward, discount):
    result, g = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        g = discount * (reward[t] + g)
        result[t] = g
    return result


@wrong("4.2", "own reward left out", "sum from t + 1")
def _(reward, discount):
    result, g = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        result[t] = discount * g
        g = reward[t] + discount * g
    return result


@wrong(
    "4.2", "divides by γ^t after a cumulative sum", "division by powers that underflow"
)
def _(reward, discount):
    power = discount ** torch.arange(len(reward), dtype=reward.dtype)
    return (power * reward).flip(0).cumsum(0).flip(0) / power


@wrong("4.2", "range stops before 0", "first entry left at zero")
def _(reward, discount):
    result, g = torch.zeros_like(reward), 0.0
    for t in range(len(reward) - 1, 0, -1):
        g = reward[t] + discount * g
        result[t] = g
    return result


@wrong("4.2", "last step left out", "last entry left at zero")
def _(reward, discount):
    result = torch.zeros_like(reward)
    for t in reversed(range(len(reward) - 1)):
        result[t] = reward[t] + discount * result[t + 1]
    return result


@wrong("4.2", "one step ahead only", "only two rewards summed")
def _(reward, discount):
    following = torch.cat([reward[1:], torch.zeros(1, dtype=reward.dtype)])
    return reward + discount * following


@wrong("4.2", "in place", "changes the reward")
def _(reward, discount):
    for t in reversed(range(len(reward) - 1)):
        reward[t] += discount * reward[t + 1]
    return reward


@wrong("4.2", "normalised as in many notebooks", "returns standardised")
def _(reward, discount):
    result, g = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        g = reward[t] + discount * g
        result[t] = g
    return (result - result.mean()) / (result.std(correction=0) + 1e-8)


@wrong("4.2", "a hundred steps ahead", "horizon cut at 100")
def _(reward, discount):
    n, result = len(reward), torch.zeros_like(reward)
    power = discount ** torch.arange(100, dtype=reward.dtype)
    for t in range(n):
        part = reward[t : t + 100]
        result[t] = (power[: len(part)] * part).sum()
    return result


@wrong("4.2", "γ squared each step", "discount applied twice")
def _(reward, discount):
    result, g = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        g = reward[t] + discount**2 * g
        result[t] = g
    return result


@wrong("4.2", "the first return alone", "one number returned")
def _(reward, discount):
    g = 0.0
    for r in reversed(reward.tolist()):
        g = r + discount * g
    return g


@right("4.2", "list with insert")
def _(reward, discount):
    result, g = [], 0.0
    for r in reward.tolist()[::-1]:
        g = r + discount * g
        result.insert(0, g)
    return torch.tensor(result, dtype=torch.float64)


@right("4.2", "triangular matrix of powers")
def _(reward, discount):
    t = torch.arange(len(reward))
    gap = (t[None, :] - t[:, None]).double()
    power = torch.where(gap >= 0, discount ** gap.clamp(min=0), 0.0)
    return power @ reward


@right("4.2", "a plain list")
def _(reward, discount):
    result = [0.0] * (len(reward) + 1)
    for t in range(len(reward) - 1, -1, -1):
        result[t] = float(reward[t]) + discount * result[t + 1]
    return result[:-1]


@right("4.2", "doubling: sums of 1, 2, 4 … steps")
def _(reward, discount):
    total, step = reward.clone(), 1
    while step < len(reward):
        shifted = torch.zeros_like(total)
        shifted[:-step] = total[step:]
        total = total + discount**step * shifted
        step *= 2
    return total


@right("4.2", "NumPy float32 at the end")
def _(reward, discount):
    r = reward.numpy()
    out = np.zeros_like(r)
    out[-1] = r[-1]
    for t in range(len(r) - 2, -1, -1):
        out[t] = r[t] + discount * out[t + 1]
    return out.astype(np.float32)


# ---- 4.3 leave one out ----


@inputs("4.3")
def _(rng):
    shapes = (2, 3), (3, 1), (5, 4), (4, 4), (10, 2), (3, 6)
    return [(normal(rng, *shape) * 3 + 1,) for shape in shapes]


@wrong("4.3", "mean of all B", "own return in the mean")
def _(returns):
    return returns - returns.mean(0)


@wrong("4.3", "divided by B", "B for B - 1")
def _(returns):
    return returns - (returns.sum(0) - returns) / len(returns)


@wrong("4.3", "own return not taken out of the sum", "sum of all over B - 1")
def _(returns):
    return returns - returns.sum(0) / (len(returns) - 1)


@wrong("4.3", "mean over time", "wrong axis")
def _(returns):
    n = returns.shape[1]
    others = (returns.sum(1, keepdim=True) - returns) / max(n - 1, 1)
    return returns - others


@wrong("4.3", "one baseline for all times", "mean over time as well")
def _(returns):
    others = (returns.sum() - returns.sum(1, keepdim=True)) / (
        returns.numel() - returns.shape[1]
    )
    return returns - others


@wrong("4.3", "sign turned", "baseline minus return")
def _(returns):
    return (returns.sum(0) - returns) / (len(returns) - 1) - returns


@wrong("4.3", "sum of the others", "sum for mean")
def _(returns):
    return returns - (returns.sum(0) - returns)


@wrong("4.3", "the baseline itself", "not subtracted from the return")
def _(returns):
    return (returns.sum(0) - returns) / (len(returns) - 1)


@wrong("4.3", "standardised", "divided by the standard deviation")
def _(returns):
    return (returns - returns.mean(0)) / returns.std(0)


@wrong("4.3", "B × T − 1 for B − 1", "numel for the number of episodes")
def _(returns):
    return returns - (returns.sum(0) - returns) / (returns.numel() - 1)


@wrong("4.3", "T − 1 for B − 1", "length for the number of episodes")
def _(returns):
    n = returns.shape[1]
    return returns - (returns.sum(0) - returns) / max(n - 1, 1)


@wrong("4.3", "previous episode as baseline", "one neighbour for all others")
def _(returns):
    return returns - returns.roll(1, 0)


@wrong("4.3", "episodes before it only", "mean of the earlier episodes")
def _(returns):
    result = returns.clone()
    for b in range(1, len(returns)):
        result[b] = returns[b] - returns[:b].mean(0)
    return result


@wrong("4.3", "median", "median for mean")
def _(returns):
    result = torch.zeros_like(returns)
    for b in range(len(returns)):
        others = torch.cat([returns[:b], returns[b + 1 :]])
        result[b] = returns[b] - others.median(0).values
    return result


@wrong("4.3", "in place: later episodes see changed ones", "changes returns")
def _(returns):
    for b in range(len(returns)):
        others = (returns.sum(0) - returns[b]) / (len(returns) - 1)
        returns[b] -= others
    return returns


@wrong("4.3", "scaled the wrong way, (B−1)/B", "inverse factor")
def _(returns):
    n = len(returns)
    return (returns - returns.mean(0)) * (n - 1) / n


@wrong("4.3", "first episode only", "return inside the loop")
def _(returns):
    result = torch.zeros_like(returns)
    for b in range(len(returns)):
        others = torch.cat([returns[:b], returns[b + 1 :]])
        result[b] = returns[b] - others.mean(0)
        return result


@right("4.3", "B/(B − 1) times the deviation from the mean")
def _(returns):
    n = returns.shape[0]
    return n / (n - 1) * (returns - returns.mean(0, keepdim=True))


@right("4.3", "loop with a concatenation")
def _(returns):
    rows = []
    for b in range(len(returns)):
        rest = torch.cat((returns[:b], returns[b + 1 :]))
        rows.append(returns[b] - rest.mean(0))
    return torch.stack(rows)


@right("4.3", "matrix of ones without a diagonal")
def _(returns):
    n = len(returns)
    weight = (1 - torch.eye(n, dtype=returns.dtype)) / (n - 1)
    return returns - weight @ returns


@right("4.3", "lists")
def _(returns):
    rows = returns.tolist()
    return [
        [
            g
            - sum(other[t] for j, other in enumerate(rows) if j != b) / (len(rows) - 1)
            for t, g in enumerate(row)
        ]
        for b, row in enumerate(rows)
    ]


# ---- 4.4 γ^t in a log ----


@inputs("4.4")
def _(rng):
    ends = torch.tensor([False, False, True, False, True])
    return [
        (tensor([1.0, 2.0, 3.0, 4.0, 5.0]), ends, 0.5),
        (normal(rng, 6), torch.zeros(6, dtype=torch.bool), 0.9),
        (normal(rng, 6), torch.ones(6, dtype=torch.bool), 0.9),
        (normal(rng, 20), flags(rng, 20), 0.8),
        (normal(rng, 20), flags(rng, 20), 1.0),
        (normal(rng, 12), flags(rng, 12), 0.0),
        (normal(rng, 400), torch.as_tensor(rng.random(400) < 0.01), 0.99),
    ]


@wrong("4.4", "t counts through the log", "t not reset at episode ends")
def _(return_to_go, terminal, discount):
    return return_to_go * discount ** torch.arange(
        len(return_to_go), dtype=torch.float64
    )


@wrong("4.4", "reset before the terminal step is weighted", "reset one step early")
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        if terminal[i]:
            t = 0
        result[i] *= discount**t
        t += 1
    return result


@wrong("4.4", "starts with t = 1", "off by one: t starts at 1")
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 1
    for i in range(len(result)):
        result[i] *= discount**t
        t = 1 if terminal[i] else t + 1
    return result


@wrong("4.4", "reset to 1", "t is 1 at the start of later episodes")
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        result[i] *= discount**t
        t = 1 if terminal[i] else t + 1
    return result


@wrong("4.4", "no weights", "gamma^t left out")
def _(return_to_go, terminal, discount):
    return return_to_go


@wrong("4.4", "only the weights", "return not multiplied")
def _(return_to_go, terminal, discount):
    result, t = torch.ones_like(return_to_go), 0
    for i in range(len(result)):
        result[i] = discount**t
        t = 0 if terminal[i] else t + 1
    return result


@wrong("4.4", "multiplied by γ·t", "gamma * t for gamma ** t")
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        result[i] *= discount * t
        t = 0 if terminal[i] else t + 1
    return result


@wrong(
    "4.4", "counted from the end of the episode", "time to go for time since the start"
)
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 0
    for i in reversed(range(len(result))):
        if terminal[i]:
            t = 0
        result[i] *= discount**t
        t += 1
    return result


@wrong("4.4", "reset only when not terminal", "condition inverted")
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        result[i] *= discount**t
        t = t + 1 if terminal[i] else 0
    return result


@wrong("4.4", "episode number as the exponent", "number of episodes, not of steps")
def _(return_to_go, terminal, discount):
    t = terminal.long().cumsum(0)
    return return_to_go * discount ** t.double()


@wrong("4.4", "in place", "changes its argument")
def _(return_to_go, terminal, discount):
    t = 0
    for i in range(len(return_to_go)):
        return_to_go[i] *= discount**t
        t = 0 if terminal[i] else t + 1
    return return_to_go


@wrong("4.4", "stops at the first episode's end", "first episode only")
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        result[i] *= discount**t
        if terminal[i]:
            break
        t += 1
    return result


@wrong("4.4", "divided by γ^t", "division for multiplication")
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        result[i] /= max(discount, 1e-6) ** t
        t = 0 if terminal[i] else t + 1
    return result


@wrong("4.4", "returns computed anew from returns", "discounted sum again")
def _(return_to_go, terminal, discount):
    result, g = torch.zeros_like(return_to_go), 0.0
    for i in reversed(range(len(result))):
        g = return_to_go[i] + discount * (0 if terminal[i] else g)
        result[i] = g
    return result


@wrong(
    "4.4", "weights accumulated into the returns", "product runs on from step to step"
)
def _(return_to_go, terminal, discount):
    result, weight = return_to_go.clone(), 1.0
    for i in range(len(result)):
        weight = 1.0 if terminal[i] else weight * discount
        result[i] *= weight
    return result


@wrong("4.4", "γ^(t/T), scaled by the length", "exponent divided by the length")
def _(return_to_go, terminal, discount):
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        result[i] *= discount ** (t / len(result))
        t = 0 if terminal[i] else t + 1
    return result


@right("4.4", "running weight")
def _(return_to_go, terminal, discount):
    out, w = [], 1.0
    for g, end in zip(return_to_go.tolist(), terminal.tolist(), strict=True):
        out.append(w * g)
        w = 1.0 if end else w * discount
    return torch.tensor(out, dtype=torch.float64)


@right("4.4", "vectorised: last start by cummax")
def _(return_to_go, terminal, discount):
    place = torch.arange(len(terminal))
    begins = torch.cat([torch.tensor([True]), terminal[:-1]])
    start = torch.where(begins, place, 0).cummax(0).values
    return return_to_go * discount ** (place - start).double()


@right("4.4", "split into episodes, NumPy")
def _(return_to_go, terminal, discount):
    cuts = np.flatnonzero(terminal.numpy()) + 1
    parts = np.split(return_to_go.numpy(), cuts)
    return np.concatenate([part * discount ** np.arange(len(part)) for part in parts])


@right("4.4", "list")
def _(return_to_go, terminal, discount):
    times, t = [], 0
    for end in terminal:
        times.append(t)
        t = 0 if end else t + 1
    return [float(g) * discount**t for g, t in zip(return_to_go, times, strict=True)]


values(
    "4.5",
    ["B", "b"],
    {
        "A": "baseline and bias",
        "C": "optimal never to arrive",
        "D": "cut episodes",
        4: "a number in place of the letter",
        "E": "no such option",
    },
)
