"""Chapter 03: the target of DQN, the ring memory, the target table."""

import numpy as np
import torch

from corpus import flags, inputs, normal, right, tensor, values, whole, wrong

values(
    "3.1",
    ["B", "b"],
    {
        "A": "guarantee",
        "C": "useless",
        "D": "speed",
        "": "empty",
        1: "a number in place of the letter",
        "none": "not an option",
    },
)

# ---- 3.2 the target ----


@inputs("3.2")
def _(rng):
    ends, cut = (
        torch.tensor([False, True, False, True]),
        torch.tensor([False, False, True, True]),
    )
    found = [(normal(rng, 4), ends, cut, normal(rng, 4, 3), 0.9)]
    for batch, actions, discount in (
        (1, 2, 0.5),
        (6, 4, 1.0),
        (5, 5, 0.0),
        (20, 3, 0.97),
    ):
        q = normal(rng, batch, actions)
        found.append(
            (normal(rng, batch), flags(rng, batch), flags(rng, batch), q, discount)
        )
        found.append(
            (
                normal(rng, batch),
                flags(rng, batch),
                flags(rng, batch),
                -q.abs(),
                discount,
            )
        )
    return found


@wrong("3.2", "done = terminal or truncated", "truncated treated as terminal")
def _(reward, terminal, truncated, q_next, discount):
    done = (terminal | truncated).to(reward.dtype)
    return reward + discount * (1 - done) * q_next.max(-1).values


@wrong("3.2", "no flag at all", "terminal ignored")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * q_next.max(-1).values


@wrong("3.2", "mask inverted", "future only after the goal")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * terminal * q_next.max(-1).values


@wrong("3.2", "wrong flag", "truncated for terminal")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~truncated * q_next.max(-1).values


@wrong("3.2", "a step that ends and is cut goes on", "both flags at once")
def _(reward, terminal, truncated, q_next, discount):
    ended = terminal & ~truncated
    return reward + discount * ~ended * q_next.max(-1).values


@wrong("3.2", "maximum over the batch", "max over the wrong axis")
def _(reward, terminal, truncated, q_next, discount):
    best = q_next.max(0).values
    return reward + discount * ~terminal * best[: len(reward)].mean()


@wrong("3.2", "one maximum for all", "max over everything")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~terminal * q_next.max()


@wrong("3.2", "mean of the actions", "mean for max")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~terminal * q_next.mean(-1)


@wrong("3.2", "index for value", "argmax for max")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~terminal * q_next.argmax(-1)


@wrong("3.2", "no discount", "discount left out")
def _(reward, terminal, truncated, q_next, discount):
    return reward + ~terminal * q_next.max(-1).values


@wrong("3.2", "γ = 0.99", "discount hard-coded")
def _(reward, terminal, truncated, q_next, discount):
    return reward + 0.99 * ~terminal * q_next.max(-1).values


@wrong("3.2", "the mask covers the reward", "reward dropped at the goal")
def _(reward, terminal, truncated, q_next, discount):
    return ~terminal * (reward + discount * q_next.max(-1).values)


@wrong("3.2", "the pair (values, indices) used", "max(-1) gives a pair: raises")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~terminal * q_next.max(-1)


@wrong("3.2", "keepdim makes it [B, B]", "broadcast to [B, B]")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~terminal * q_next.max(-1, keepdim=True).values


@wrong("3.2", "1 - terminal", "raises: 1 - bool tensor")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * (1 - terminal) * q_next.max(-1).values


@wrong("3.2", "largest magnitude", "absolute value")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~terminal * q_next.abs().max(-1).values


@wrong("3.2", "soft maximum", "logsumexp for max")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~terminal * q_next.logsumexp(-1)


@wrong("3.2", "clips the reward as in the Atari paper", "reward clipped")
def _(reward, terminal, truncated, q_next, discount):
    return reward.clamp(-1, 1) + discount * ~terminal * q_next.max(-1).values


@wrong("3.2", "future not below 0", "relu on the future")
def _(reward, terminal, truncated, q_next, discount):
    return reward + discount * ~terminal * q_next.max(-1).values.clamp(min=0)


@right("3.2", "where and amax")
def _(reward, terminal, truncated, q_next, discount):
    return torch.where(terminal, reward, reward + discount * q_next.amax(dim=1))


@right("3.2", "list of 0-dim tensors, stacked")
def _(reward, terminal, truncated, q_next, discount):
    y = []
    for i in range(len(reward)):
        y.append(reward[i] if terminal[i] else reward[i] + discount * max(q_next[i]))
    return torch.stack(y)


@right("3.2", "NumPy float32")
def _(reward, terminal, truncated, q_next, discount):
    best = q_next.numpy().max(axis=1)
    y = reward.numpy() + discount * (1 - terminal.numpy().astype(float)) * best
    return y.astype(np.float32)


@right("3.2", "gather at the argmax")
def _(reward, terminal, truncated, q_next, discount):
    best = q_next.gather(1, q_next.argmax(1, keepdim=True)).squeeze(1)
    return reward + discount * best.masked_fill(terminal, 0.0)


# ---- 3.3 the ring ----


@inputs("3.3")
def _(rng):
    u = torch.as_tensor(rng.random(8))
    return [
        (tensor([0.0, 0.999]), 1, 1),
        (tensor([0.0, 0.34, 0.67, 0.999]), 3, 5),
        (u, 5, 5),
        (u, 7, 5),
        (u, 23, 10),
        (u.reshape(2, 4), 100, 7),
        (u, 2, 50),
        (torch.as_tensor(rng.random(40)), 64, 32),
    ]


@wrong("3.3", "draws from the whole ring though it is not full", "capacity for held")
def _(uniform, count, capacity):
    age = (uniform * capacity).long()
    return (count - 1 - age) % capacity


@wrong("3.3", "draws from all ever stored", "count for held")
def _(uniform, count, capacity):
    age = (uniform * count).long()
    return (count - 1 - age) % capacity


@wrong("3.3", "newest one place too far", "off by one: count - age")
def _(uniform, count, capacity):
    age = (uniform * min(count, capacity)).long()
    return (count - age) % capacity


@wrong("3.3", "oldest for 0.0", "age counted from the oldest")
def _(uniform, count, capacity):
    held = min(count, capacity)
    age = (uniform * held).long()
    return (count - held + age) % capacity


@wrong("3.3", "remainder left out", "modulo missing")
def _(uniform, count, capacity):
    age = (uniform * min(count, capacity)).long()
    return count - 1 - age


@wrong("3.3", "remainder by what is held", "modulo held")
def _(uniform, count, capacity):
    held = min(count, capacity)
    return (count - (uniform * held).long()) % held


@wrong("3.3", "rounds", "round for floor")
def _(uniform, count, capacity):
    age = torch.round(uniform * min(count, capacity)).long()
    return (count - 1 - age) % capacity


@wrong("3.3", "oldest never drawn", "held - 1 for held")
def _(uniform, count, capacity):
    age = (uniform * (min(count, capacity) - 1)).long()
    return (count - 1 - age) % capacity


@wrong("3.3", "max for min", "max(count, capacity)")
def _(uniform, count, capacity):
    age = (uniform * max(count, capacity)).long()
    return (count - 1 - age) % capacity


@wrong("3.3", "floats", "not int64: floats")
def _(uniform, count, capacity):
    age = uniform * min(count, capacity)
    return (count - 1 - age) % capacity


@wrong("3.3", "returns ages", "age, not place")
def _(uniform, count, capacity):
    return (uniform * min(count, capacity)).long()


@wrong("3.3", "returns numbers of the transitions, oldest clamped", "clamp for modulo")
def _(uniform, count, capacity):
    age = (uniform * min(count, capacity)).long()
    return (count - 1 - age).clamp(0, capacity - 1)


@wrong("3.3", "places as if the newest always stood at the end", "ring's turn ignored")
def _(uniform, count, capacity):
    held = min(count, capacity)
    return held - 1 - (uniform * held).long()


@wrong("3.3", "uniform place", "place drawn directly, not by age")
def _(uniform, count, capacity):
    return (uniform * min(count, capacity)).floor().long() % capacity


@wrong("3.3", "minus capacity", "sign: age added")
def _(uniform, count, capacity):
    age = (uniform * min(count, capacity)).long()
    return (count - 1 + age) % capacity


@wrong("3.3", "rounds up", "ceil for floor")
def _(uniform, count, capacity):
    age = torch.ceil(uniform * min(count, capacity)).long()
    return (count - 1 - age) % capacity


@wrong("3.3", "first number only", "one draw only")
def _(uniform, count, capacity):
    age = int(float(uniform.flatten()[0]) * min(count, capacity))
    return (count - 1 - age) % capacity


@wrong("3.3", "casts before multiplying", "uniform cut to 0 by int()")
def _(uniform, count, capacity):
    age = uniform.long() * min(count, capacity)
    return (count - 1 - age) % capacity


@right("3.3", "floor, int32")
def _(uniform, count, capacity):
    age = torch.floor(uniform * min(count, capacity)).to(torch.int32)
    return torch.remainder(count - 1 - age, capacity)


@right("3.3", "NumPy")
def _(uniform, count, capacity):
    held = count if count < capacity else capacity
    age = np.floor(uniform.numpy() * held).astype(int)
    return np.mod(count - 1 - age, capacity)


@right("3.3", "no remainder: adds the capacity where negative")
def _(uniform, count, capacity):
    newest = (count - 1) % capacity
    place = newest - (uniform * min(count, capacity)).long()
    return torch.where(place < 0, place + capacity, place)


@right("3.3", "a queue of numbers, looked up")
def _(uniform, count, capacity):
    kept = list(range(count))[-capacity:][::-1]
    picked = [kept[int(u * len(kept))] % capacity for u in uniform.flatten().tolist()]
    return torch.tensor(picked).reshape(uniform.shape)


# ---- 3.4 mean correlation ----


@inputs("3.4")
def _(rng):
    fading = 0.9 ** torch.arange(30, dtype=torch.float64)
    mixed = normal(rng, 12)
    return [
        (tensor([1.0, 0.5]), 2),
        (fading, 1),
        (fading, 10),
        (fading, 30),
        (mixed, 7),
        (mixed, 12),
    ]


@wrong("3.4", "mean of ρ", "each lag weighted alike")
def _(rho, capacity):
    return float(rho[:capacity].mean())


@wrong("3.4", "one side only", "pairs i > j not counted twice")
def _(rho, capacity):
    total = sum((capacity - d) * float(rho[d]) for d in range(capacity))
    return total / capacity**2


@wrong("3.4", "lag 0 twice", "diagonal counted twice")
def _(rho, capacity):
    total = sum(2 * (capacity - d) * float(rho[d]) for d in range(capacity))
    return total / capacity**2


@wrong("3.4", "divided by N", "N for N squared")
def _(rho, capacity):
    place = torch.arange(capacity)
    return float(rho[(place[:, None] - place).abs()].sum() / capacity)


@wrong("3.4", "pairs i ≠ j only", "diagonal left out")
def _(rho, capacity):
    total = sum(2 * (capacity - d) * float(rho[d]) for d in range(1, capacity))
    return total / capacity**2


@wrong("3.4", "divided by the number of unordered pairs", "N(N+1)/2 for N squared")
def _(rho, capacity):
    total = sum((capacity - d) * float(rho[d]) for d in range(capacity))
    return total / (capacity * (capacity + 1) / 2)


@wrong("3.4", "negative indices wrap around", "abs left out: rho[-1] is the last")
def _(rho, capacity):
    place = torch.arange(capacity)
    return float(rho[place[:, None] - place].mean())


@wrong("3.4", "whole list in place of N entries", "len(rho) for capacity")
def _(rho, capacity):
    place = torch.arange(len(rho))
    return float(rho[(place[:, None] - place).abs()].mean())


@wrong("3.4", "lags from 1", "off by one: rho[|i-j|+1]")
def _(rho, capacity):
    total = 0.0
    for i in range(1, capacity + 1):
        for j in range(1, capacity + 1):
            total += float(rho[min(abs(i - j) + 1, len(rho) - 1)])
    return total / capacity**2


@wrong("3.4", "loop to N − 1", "last place left out of the loop")
def _(rho, capacity):
    total = 0.0
    for i in range(1, capacity):
        for j in range(1, capacity):
            total += float(rho[abs(i - j)])
    return total / capacity**2


@wrong("3.4", "sum without mean", "not divided")
def _(rho, capacity):
    place = torch.arange(capacity)
    return float(rho[(place[:, None] - place).abs()].sum())


@wrong("3.4", "rounded", "rounded to three digits")
def _(rho, capacity):
    place = torch.arange(capacity)
    return round(float(rho[(place[:, None] - place).abs()].mean()), 3)


@wrong("3.4", "2(N − d) from d = 1, ρ(0) once in all", "diagonal N times forgotten")
def _(rho, capacity):
    total = float(rho[0]) + sum(
        2 * (capacity - d) * float(rho[d]) for d in range(1, capacity)
    )
    return total / capacity**2


@wrong("3.4", "triangle weights 1 − d/N, not normalised by N", "factor 1/N missing")
def _(rho, capacity):
    total = float(rho[0])
    for d in range(1, capacity):
        total += 2 * (1 - d / capacity) * float(rho[d])
    return total


@wrong("3.4", "whole matrix returned", "mean is missing: a matrix")
def _(rho, capacity):
    place = torch.arange(capacity)
    return rho[(place[:, None] - place).abs()] / capacity**2


@wrong("3.4", "return in the outer loop", "return inside the loop")
def _(rho, capacity):
    total = 0.0
    for i in range(capacity):
        for j in range(capacity):
            total += float(rho[abs(i - j)])
        return total / capacity**2


@wrong("3.4", "integer total", "int accumulations")
def _(rho, capacity):
    total = 0
    for i in range(capacity):
        for j in range(capacity):
            total += int(rho[abs(i - j)])
    return total / capacity**2


@right("3.4", "counts of lags")
def _(rho, capacity):
    n = capacity
    total = n * float(rho[0]) + sum(2 * (n - d) * float(rho[d]) for d in range(1, n))
    return total / n**2


@right("3.4", "a 0-dim tensor")
def _(rho, capacity):
    lag = torch.arange(capacity)
    weight = torch.where(lag == 0, capacity, 2 * (capacity - lag))
    return (weight * rho[:capacity]).sum() / capacity**2


@right("3.4", "double comprehension")
def _(rho, capacity):
    r = rho.tolist()
    return (
        sum(r[abs(i - j)] for i in range(capacity) for j in range(capacity))
        / capacity**2
    )


@right("3.4", "NumPy scalar in float32")
def _(rho, capacity):
    r = rho.numpy().astype(np.float32)
    grid = np.abs(np.subtract.outer(np.arange(capacity), np.arange(capacity)))
    return np.mean(r[grid])


# ---- 3.5 a target table ----


@inputs("3.5")
def _(rng):
    found = []
    for length, states, actions, every in (
        (6, 2, 1, 3),
        (9, 3, 2, 1),
        (20, 3, 2, 4),
        (15, 2, 3, 100),
        (12, 2, 2, 5),
    ):
        s, a = whole(rng, states, length).tolist(), whole(rng, actions, length).tolist()
        nxt, r = whole(rng, states, length).tolist(), normal(rng, length).tolist()
        ends = flags(rng, length).tolist()
        q, rate = normal(rng, states, actions), float(rng.uniform(0.2, 0.9))
        found.append((q, s, a, r, nxt, ends, rate, 0.9, every))
    return found


def _learn(first, copy, due=lambda t, every: (t + 1) % every == 0):
    """The loop with two lines left open: the first target table, its renewal, and when."""

    def learn(
        q,
        state,
        action,
        reward,
        next_state,
        terminal,
        learning_rate,
        discount,
        target_every,
    ):
        q = q.clone()
        target = first(q)
        for t in range(len(state)):
            future = 0.0 if terminal[t] else discount * target[next_state[t]].max()
            error = reward[t] + future - q[state[t], action[t]]
            q[state[t], action[t]] += learning_rate * error
            if due(t, target_every):
                target = copy(q, target)
        return q

    return learn


def _clone(q, target):
    return q.clone()


wrong("3.5", "both lines unmended", "target is the same table")(
    _learn(lambda q: q, lambda q, _: q)
)
wrong("3.5", "only the first line mended", "renewal without a copy")(
    _learn(lambda q: q.clone(), lambda q, _: q)
)
wrong("3.5", "only the renewal mended", "first target without a copy")(
    _learn(lambda q: q, _clone)
)
wrong("3.5", "renewed at t = 0, C, 2C …", "off by one: t % every")(
    _learn(lambda q: q.clone(), _clone, lambda t, every: t % every == 0)
)
wrong("3.5", "never renewed", "target never renewed")(
    _learn(lambda q: q.clone(), lambda q, target: target)
)
wrong("3.5", "renewed after every update", "target_every ignored")(
    _learn(lambda q: q.clone(), _clone, lambda t, every: True)
)
wrong("3.5", "renewed once, from then on at every step", ">= for a remainder")(
    _learn(lambda q: q.clone(), _clone, lambda t, every: t + 1 >= every)
)
wrong("3.5", "renewed one update late", "off by one: every + 1")(
    _learn(lambda q: q.clone(), _clone, lambda t, every: (t + 1) % (every + 1) == 0)
)
wrong("3.5", "target starts from zeros", "first target is zero")(
    _learn(torch.zeros_like, _clone)
)
wrong("3.5", "soft update in place of a copy", "Polyak average")(
    _learn(lambda q: q.clone(), lambda q, target: 0.5 * q + 0.5 * target)
)
wrong("3.5", "a view, not a copy", "detach or view shares memory")(
    _learn(lambda q: q.detach(), lambda q, _: q.view(q.shape))
)


@wrong("3.5", "copy once an episode", "renewed at episode ends")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    q = q.clone()
    target = q.clone()
    for t in range(len(state)):
        future = 0.0 if terminal[t] else discount * target[next_state[t]].max()
        q[state[t], action[t]] += learning_rate * (
            reward[t] + future - q[state[t], action[t]]
        )
        if terminal[t]:
            target = q.clone()
    return q


@wrong("3.5", "learns in the caller's table", "q is changed")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    target = q.clone()
    for t in range(len(state)):
        future = 0.0 if terminal[t] else discount * target[next_state[t]].max()
        q[state[t], action[t]] += learning_rate * (
            reward[t] + future - q[state[t], action[t]]
        )
        if (t + 1) % target_every == 0:
            target = q.clone()
    return q


@wrong("3.5", "returns the target", "target returned for q")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    q, target = q.clone(), q.clone()
    for t in range(len(state)):
        future = 0.0 if terminal[t] else discount * target[next_state[t]].max()
        q[state[t], action[t]] += learning_rate * (
            reward[t] + future - q[state[t], action[t]]
        )
        if (t + 1) % target_every == 0:
            target = q.clone()
    return target


@wrong("3.5", "error measured from the target table", "Q(S, A) from the copy")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    q, target = q.clone(), q.clone()
    for t in range(len(state)):
        s, a = state[t], action[t]
        future = 0.0 if terminal[t] else discount * target[next_state[t]].max()
        q[s, a] += learning_rate * (reward[t] + future - target[s, a])
        if (t + 1) % target_every == 0:
            target = q.clone()
    return q


@wrong("3.5", "Double DQN's target", "action from q, value from the copy")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    q, target = q.clone(), q.clone()
    for t in range(len(state)):
        best = q[next_state[t]].argmax()
        future = 0.0 if terminal[t] else discount * target[next_state[t], best]
        q[state[t], action[t]] += learning_rate * (
            reward[t] + future - q[state[t], action[t]]
        )
        if (t + 1) % target_every == 0:
            target = q.clone()
    return q


@wrong("3.5", "copy before the update", "renewed before the update")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    q, target = q.clone(), q.clone()
    for t in range(len(state)):
        if (t + 1) % target_every == 0:
            target = q.clone()
        future = 0.0 if terminal[t] else discount * target[next_state[t]].max()
        q[state[t], action[t]] += learning_rate * (
            reward[t] + future - q[state[t], action[t]]
        )
    return q


@right("3.5", "copies into one buffer")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    q = q.clone()
    target = torch.empty_like(q).copy_(q)
    for t, (s, a) in enumerate(zip(state, action, strict=True), 1):
        future = 0.0 if terminal[t - 1] else discount * target[next_state[t - 1]].max()
        q[s, a] += learning_rate * (reward[t - 1] + future - q[s, a])
        if t % target_every == 0:
            target.copy_(q)
    return q


@right("3.5", "renewed before the update of t > 0")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    table = q.clone()
    for t in range(len(state)):
        if t % target_every == 0:
            target = table.clone()
        y = (
            reward[t]
            if terminal[t]
            else reward[t] + discount * max(target[next_state[t]])
        )
        table[state[t], action[t]] += learning_rate * (y - table[state[t], action[t]])
    return table


@right("3.5", "nested lists")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    table = q.tolist()
    target = [row[:] for row in table]
    for t in range(len(state)):
        y = reward[t] + (0 if terminal[t] else discount * max(target[next_state[t]]))
        table[state[t]][action[t]] += learning_rate * (y - table[state[t]][action[t]])
        if (t + 1) % target_every == 0:
            target = [row[:] for row in table]
    return table


@right("3.5", "NumPy")
def _(
    q,
    state,
    action,
    reward,
    next_state,
    terminal,
    learning_rate,
    discount,
    target_every,
):
    q = np.array(q)
    target = q.copy()
    for t in range(len(state)):
        y = reward[t] + discount * (not terminal[t]) * target[next_state[t]].max()
        q[state[t], action[t]] += learning_rate * (y - q[state[t], action[t]])
        if (t + 1) % target_every == 0:
            target = np.array(q)
    return q
