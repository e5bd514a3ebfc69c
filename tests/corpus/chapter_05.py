"""Chapter 05: n-step returns, GAE, rollouts with time-outs, the actor–critic loss."""

import numpy as np
import torch

from corpus import flags, inputs, normal, right, tensor, values, whole, wrong

# ---- 5.1 the n-step return ----


@inputs("5.1")
def _(rng):
    none = torch.zeros(6, dtype=torch.bool)
    third = torch.tensor([False, False, True, False, False, True])
    found = []
    for n, discount in ((1, 0.9), (2, 0.5), (3, 0.9), (4, 0.9), (6, 1.0), (5, 0.0)):
        found.append((normal(rng, 6), none, normal(rng, 6), discount, n))
        found.append((normal(rng, 6), third, normal(rng, 6), discount, n))
    first = torch.tensor([True, False])
    found.append((tensor([2.0, 1.0]), first, tensor([5.0, 3.0]), 0.9, 2))
    return found


@wrong("5.1", "endings ignored", "terminal ignored")
def _(reward, terminal, next_value, discount, n):
    g = sum(discount**t * float(reward[t]) for t in range(n))
    return g + discount**n * float(next_value[n - 1])


@wrong(
    "5.1",
    "ends, but the value is added all the same",
    "value added after a terminal step",
)
def _(reward, terminal, next_value, discount, n):
    total, weight, t = 0.0, 1.0, 0
    for t in range(n):
        total += weight * float(reward[t])
        weight *= discount
        if terminal[t]:
            break
    return total + weight * float(next_value[t])


@wrong("5.1", "value of the wrong entry", "next_value[n] for next_value[n - 1]")
def _(reward, terminal, next_value, discount, n):
    total, weight = 0.0, 1.0
    for t in range(n):
        total += weight * float(reward[t])
        weight *= discount
        if terminal[t]:
            return total
    return total + weight * float(next_value[min(n, len(next_value) - 1)])


@wrong("5.1", "last entry of the sequence", "next_value[-1]")
def _(reward, terminal, next_value, discount, n):
    total, weight = 0.0, 1.0
    for t in range(n):
        total += weight * float(reward[t])
        weight *= discount
        if terminal[t]:
            return total
    return total + weight * float(next_value[-1])


@wrong("5.1", "value without a weight", "gamma^n left out")
def _(reward, terminal, next_value, discount, n):
    total = 0.0
    for t in range(n):
        total += discount**t * float(reward[t])
        if terminal[t]:
            return total
    return total + float(next_value[n - 1])


@wrong("5.1", "γ^(n−1)", "exponent of the value one too small")
def _(reward, terminal, next_value, discount, n):
    total = 0.0
    for t in range(n):
        total += discount**t * float(reward[t])
        if terminal[t]:
            return total
    return total + discount ** (n - 1) * float(next_value[n - 1])


@wrong("5.1", "first reward discounted", "exponents one too large")
def _(reward, terminal, next_value, discount, n):
    total = 0.0
    for t in range(n):
        total += discount ** (t + 1) * float(reward[t])
        if terminal[t]:
            return total
    return total + discount**n * float(next_value[n - 1])


@wrong("5.1", "rewards undiscounted", "discount only on the value")
def _(reward, terminal, next_value, discount, n):
    total = 0.0
    for t in range(n):
        total += float(reward[t])
        if terminal[t]:
            return total
    return total + discount**n * float(next_value[n - 1])


@wrong("5.1", "reward of the terminal step lost", "stops before the terminal reward")
def _(reward, terminal, next_value, discount, n):
    total, weight = 0.0, 1.0
    for t in range(n):
        if terminal[t]:
            return total
        total += weight * float(reward[t])
        weight *= discount
    return total + weight * float(next_value[n - 1])


@wrong("5.1", "n ignored", "whole sequence in place of n steps")
def _(reward, terminal, next_value, discount, n):
    total, weight = 0.0, 1.0
    for t in range(len(reward)):
        total += weight * float(reward[t])
        weight *= discount
        if terminal[t]:
            return total
    return total + weight * float(next_value[-1])


@wrong("5.1", "n − 1 rewards", "one reward too few")
def _(reward, terminal, next_value, discount, n):
    total = 0.0
    for t in range(n - 1):
        total += discount**t * float(reward[t])
        if terminal[t]:
            return total
    return total + discount**n * float(next_value[n - 1])


@wrong("5.1", "return one level too deep", "return inside the loop")
def _(reward, terminal, next_value, discount, n):
    total, weight = 0.0, 1.0
    for t in range(n):
        total += weight * float(reward[t])
        weight *= discount
        if terminal[t]:
            return total
        return total + weight * float(next_value[t])


@wrong("5.1", "no value at all", "bootstrap left out")
def _(reward, terminal, next_value, discount, n):
    total = 0.0
    for t in range(n):
        total += discount**t * float(reward[t])
        if terminal[t]:
            break
    return total


@wrong(
    "5.1", "any ending in the sequence, also behind n", "looks at flags after n steps"
)
def _(reward, terminal, next_value, discount, n):
    total = 0.0
    for t in range(n):
        total += discount**t * float(reward[t])
        if terminal[t]:
            return total
    return total + discount**n * float(next_value[n - 1]) * (not bool(terminal.any()))


@wrong("5.1", "last flag of the n only", "terminal looked up at n - 1 only")
def _(reward, terminal, next_value, discount, n):
    total = sum(discount**t * float(reward[t]) for t in range(n))
    if not terminal[n - 1]:
        total += discount**n * float(next_value[n - 1])
    return total


@wrong("5.1", "value at every step", "values in place of rewards added")
def _(reward, terminal, next_value, discount, n):
    total, weight = 0.0, 1.0
    for t in range(n):
        total += weight * float(
            reward[t] + (0 if terminal[t] else discount * next_value[t])
        )
        weight *= discount
        if terminal[t]:
            return total
    return total


@right("5.1", "backwards")
def _(reward, terminal, next_value, discount, n):
    g = float(next_value[n - 1])
    for t in reversed(range(n)):
        g = float(reward[t]) + (0.0 if terminal[t] else discount * g)
    return g


@right("5.1", "recursion")
def _(reward, terminal, next_value, discount, n):
    def from_step(t):
        if terminal[t]:
            return reward[t].item()
        ahead = next_value[t].item() if t == n - 1 else from_step(t + 1)
        return reward[t].item() + discount * ahead

    return from_step(0)


@right("5.1", "vectorised with a cumulative product, a 0-dim tensor")
def _(reward, terminal, next_value, discount, n):
    going = discount * (~terminal[:n]).double()
    weight = torch.cat([torch.ones(1).double(), going.cumprod(0)])
    return (weight[:n] * reward[:n]).sum() + weight[n] * next_value[n - 1]


@right("5.1", "number of steps found first, NumPy scalar")
def _(reward, terminal, next_value, discount, n):
    ends = np.flatnonzero(terminal.numpy()[:n])
    length = int(ends[0]) + 1 if len(ends) else n
    g = np.sum(discount ** np.arange(length) * reward.numpy()[:length])
    return g if len(ends) else g + discount**n * next_value.numpy()[n - 1]


# ---- 5.2 GAE ----


@inputs("5.2")
def _(rng):
    found = []
    for n, gamma, lambda_ in (
        (1, 0.9, 0.5),
        (4, 0.9, 0.95),
        (7, 1.0, 1.0),
        (6, 0.5, 0.0),
        (15, 0.97, 0.8),
    ):
        discount = gamma * (~flags(rng, n)).double()
        found.append(
            (normal(rng, n), discount, normal(rng, n), normal(rng, n), lambda_)
        )
    constant = torch.full((5,), 0.9, dtype=torch.float64)
    found.append((normal(rng, 5), constant, normal(rng, 5), normal(rng, 5), 0.7))
    return found


@wrong("5.2", "δ alone", "recursion left out (lambda = 0)")
def _(reward, discount, value, next_value, lambda_):
    return reward + discount * next_value - value


@wrong("5.2", "λ left out", "lambda left out")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * after
        result[t] = after
    return result


@wrong("5.2", "discount left out of the fading", "lambda alone fades")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + lambda_ * after
        result[t] = after
    return result


@wrong("5.2", "discount of the step after", "discount[t + 1] for discount[t]")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result = torch.zeros_like(delta)
    result[-1] = delta[-1]
    for t in reversed(range(len(delta) - 1)):
        result[t] = delta[t] + discount[t + 1] * lambda_ * result[t + 1]
    return result


@wrong("5.2", "forwards", "recursion in the wrong direction")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result, before = torch.zeros_like(delta), 0.0
    for t in range(len(delta)):
        before = delta[t] + discount[t] * lambda_ * before
        result[t] = before
    return result


@wrong("5.2", "value not subtracted", "value left out of delta")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result[t] = after
    return result


@wrong("5.2", "value added", "sign of the value")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value + value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result[t] = after
    return result


@wrong("5.2", "value and next value exchanged", "value and next_value swapped")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * value - next_value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result[t] = after
    return result


@wrong("5.2", "next value undiscounted", "discount left out of delta")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + next_value - value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result[t] = after
    return result


@wrong("5.2", "value[t + 1] for the next value", "shifted value for next_value")
def _(reward, discount, value, next_value, lambda_):
    shifted = torch.cat([value[1:], next_value[-1:]])
    delta = reward + discount * shifted - value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result[t] = after
    return result


@wrong("5.2", "discount of the first step throughout", "discount[0]: endings ignored")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount.max() * lambda_ * after
        result[t] = after
    return result


@wrong("5.2", "targets, not advantages", "value added back: lambda returns")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result[t] = after
    return result + value


@wrong("5.2", "last step left at zero", "last advantage missing")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result = torch.zeros_like(delta)
    for t in reversed(range(len(delta) - 1)):
        result[t] = delta[t] + discount[t] * lambda_ * result[t + 1]
    return result


@wrong("5.2", "δ of the next step, not A", "delta[t + 1] in place of A[t + 1]")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result = delta.clone()
    result[:-1] += discount[:-1] * lambda_ * delta[1:]
    return result


@wrong("5.2", "times 1 − λ", "factor 1 - lambda of the lambda return")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result[t] = after
    return (1 - lambda_) * result


@wrong("5.2", "standardised as in PPO", "advantages standardised")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result, after = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result[t] = after
    return (result - result.mean()) / (result.std(correction=0) + 1e-8)


@wrong("5.2", "list not turned round", "reversed order")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    result, after = [], 0.0
    for t in reversed(range(len(delta))):
        after = delta[t] + discount[t] * lambda_ * after
        result.append(after)
    return torch.stack(result)


@right("5.2", "matrix: solves (I − fade) A = δ")
def _(reward, discount, value, next_value, lambda_):
    delta = reward + discount * next_value - value
    fade = torch.diag((discount * lambda_)[:-1], 1)
    return torch.linalg.solve(torch.eye(len(delta)).double() - fade, delta)


@right("5.2", "list of floats")
def _(reward, discount, value, next_value, lambda_):
    out, a = [], 0.0
    for t in range(len(reward) - 1, -1, -1):
        g = float(discount[t])
        a = (
            float(reward[t])
            + g * float(next_value[t])
            - float(value[t])
            + g * lambda_ * a
        )
        out = [a, *out]
    return out


@right("5.2", "double sum of products, NumPy")
def _(reward, discount, value, next_value, lambda_):
    delta = (reward + discount * next_value - value).numpy()
    fade = lambda_ * discount.numpy()
    n = len(delta)
    return np.array(
        [sum(np.prod(fade[t:i]) * delta[i] for i in range(t, n)) for t in range(n)]
    )


@wrong(
    "5.2", "λ-return − V, as if value[t + 1] were next_value[t]", "value for next_value"
)
def _(reward, discount, value, next_value, lambda_):
    g, out = next_value[-1], torch.zeros_like(value)
    for t in reversed(range(len(value))):
        g = reward[t] + discount[t] * ((1 - lambda_) * next_value[t] + lambda_ * g)
        out[t] = g
    return out - value


@right("5.2", "one line for δ inside the loop, float32")
def _(reward, discount, value, next_value, lambda_):
    out, a = torch.zeros(len(value)), 0.0
    for t in range(len(value) - 1, -1, -1):
        a = reward[t] - value[t] + discount[t] * (next_value[t] + lambda_ * a)
        out[t] = a
    return out


values(
    "5.3",
    ["b", "B"],
    {
        "a": "discounting alone",
        "c": "spread",
        "d": "episodes over",
        "f": "no such option",
        2: "a number in place of the letter",
    },
)


# ---- 5.4 a rollout with a time-out ----


@inputs("5.4")
def _(rng):
    ends = torch.tensor([False, True, False, False, True, False])
    cut = torch.tensor([False, False, False, True, True, False])
    found = [(normal(rng, 6), ends, cut, normal(rng, 6), normal(rng, 6), 0.5)]
    for n, discount in ((1, 0.9), (5, 1.0), (12, 0.8), (30, 0.99), (8, 0.0)):
        given = normal(rng, n), flags(rng, n), flags(rng, n)
        found.append((*given, normal(rng, n), normal(rng, n), discount))
    none = torch.zeros(4, dtype=torch.bool)
    found.append((normal(rng, 4), none, none, normal(rng, 4), normal(rng, 4), 0.9))
    goal = torch.tensor([False, False, True])
    found.append((normal(rng, 3), goal, none[:3], normal(rng, 3), normal(rng, 3), 0.9))
    return found


def _back(start):
    """The loop from the back with one rule left open: start(t, R, terminal, truncated, value, next_value)."""

    def targets(reward, terminal, truncated, value, next_value, discount):
        result, after, last = torch.zeros_like(reward), 0.0, len(reward) - 1
        for t in reversed(range(len(reward))):
            after = start(t, last, after, terminal, truncated, value, next_value)
            after = reward[t] + discount * after
            result[t] = after
        return result

    return targets


wrong("5.4", "a time-out ends like a goal", "truncated treated as terminal")(
    _back(
        lambda t, last, r, ends, cut, v, nv: (
            0.0 if ends[t] or cut[t] else nv[t] if t == last else r
        )
    )
)
wrong("5.4", "a time-out is no border", "truncated ignored: episodes run together")(
    _back(
        lambda t, last, r, ends, cut, v, nv: (
            0.0 if ends[t] else nv[t] if t == last else r
        )
    )
)
wrong("5.4", "starts from 0 at the end of the rollout", "last step not bootstrapped")(
    _back(
        lambda t, last, r, ends, cut, v, nv: 0.0 if ends[t] else nv[t] if cut[t] else r
    )
)
wrong("5.4", "goals ignored", "terminal ignored")(
    _back(lambda t, last, r, ends, cut, v, nv: nv[t] if cut[t] or t == last else r)
)
wrong("5.4", "time-out asked first", "both flags at once: truncated wins")(
    _back(
        lambda t, last, r, ends, cut, v, nv: (
            nv[t] if cut[t] else 0.0 if ends[t] else nv[t] if t == last else r
        )
    )
)
wrong(
    "5.4",
    "the rollout's end bootstraps even at a goal",
    "terminal ignored at the last step",
)(
    _back(
        lambda t, last, r, ends, cut, v, nv: (
            nv[t] if t == last else 0.0 if ends[t] else nv[t] if cut[t] else r
        )
    )
)
wrong("5.4", "value of the state acted in", "value for next_value")(
    _back(
        lambda t, last, r, ends, cut, v, nv: (
            0.0 if ends[t] else v[t] if cut[t] or t == last else r
        )
    )
)
wrong(
    "5.4", "value of the row below after a time-out", "value[t + 1] for next_value[t]"
)(
    _back(
        lambda t, last, r, ends, cut, v, nv: (
            0.0 if ends[t] else nv[t] if t == last else v[t + 1] if cut[t] else r
        )
    )
)
wrong("5.4", "one-step targets", "next_value everywhere (lambda = 0)")(
    _back(lambda t, last, r, ends, cut, v, nv: 0.0 if ends[t] else nv[t])
)
wrong("5.4", "last value of the rollout after each time-out", "next_value[-1]")(
    _back(
        lambda t, last, r, ends, cut, v, nv: (
            0.0 if ends[t] else nv[-1] if cut[t] or t == last else r
        )
    )
)
wrong("5.4", "the flags of the step before", "flags one step late")(
    _back(
        lambda t, last, r, ends, cut, v, nv: (
            nv[t] if t == last else 0.0 if ends[t + 1] else nv[t] if cut[t + 1] else r
        )
    )
)
wrong("5.4", "Monte Carlo with no bootstrapping", "bootstrap left out everywhere")(
    _back(lambda t, last, r, ends, cut, v, nv: 0.0 if ends[t] or cut[t] else r)
)


@wrong("5.4", "advantages", "value subtracted")
def _(reward, terminal, truncated, value, next_value, discount):
    result, after = torch.zeros_like(reward), next_value[-1]
    for t in reversed(range(len(reward))):
        after = 0.0 if terminal[t] else next_value[t] if truncated[t] else after
        after = reward[t] + discount * after
        result[t] = after
    return result - value


@wrong("5.4", "bootstrap undiscounted", "discount left out at borders")
def _(reward, terminal, truncated, value, next_value, discount):
    result, after = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        if terminal[t]:
            after = reward[t]
        elif truncated[t] or t == len(reward) - 1:
            after = reward[t] + next_value[t]
        else:
            after = reward[t] + discount * after
        result[t] = after
    return result


@wrong("5.4", "reward of the border step forgotten", "reward dropped at borders")
def _(reward, terminal, truncated, value, next_value, discount):
    result, after = torch.zeros_like(reward), next_value[-1]
    for t in reversed(range(len(reward))):
        if terminal[t]:
            after = torch.zeros(()).double()
        elif truncated[t]:
            after = next_value[t]
        else:
            after = reward[t] + discount * after
        result[t] = after
    return result


@wrong(
    "5.4", "next value added to the rest, not put in its place", "bootstrap added to R"
)
def _(reward, terminal, truncated, value, next_value, discount):
    result, after = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        if terminal[t]:
            after = 0.0
        elif truncated[t] or t == len(reward) - 1:
            after = after + next_value[t]
        after = reward[t] + discount * after
        result[t] = after
    return result


@right("5.4", "carry by where, starting from the last value")
def _(reward, terminal, truncated, value, next_value, discount):
    carry, out = next_value[-1], []
    for t in range(len(reward) - 1, -1, -1):
        carry = torch.where(truncated[t], next_value[t], carry)
        carry = reward[t] + discount * carry * (~terminal[t])
        out.append(carry)
    return torch.stack(out[::-1])


@right("5.4", "recursion")
def _(reward, terminal, truncated, value, next_value, discount):
    def target(t):
        if terminal[t]:
            return float(reward[t])
        ahead = truncated[t] or t + 1 == len(reward)
        return float(reward[t]) + discount * (
            float(next_value[t]) if ahead else target(t + 1)
        )

    return torch.tensor([target(t) for t in range(len(reward))], dtype=torch.float64)


@right("5.4", "forwards from every step, a list")
def _(reward, terminal, truncated, value, next_value, discount):
    out = []
    for start in range(len(reward)):
        total, weight, t = 0.0, 1.0, start
        while True:
            total += weight * reward[t].item()
            weight *= discount
            if terminal[t]:
                break
            if truncated[t] or t == len(reward) - 1:
                total += weight * next_value[t].item()
                break
            t += 1
        out.append(total)
    return out


@right("5.4", "a linear system, NumPy")
def _(reward, terminal, truncated, value, next_value, discount):
    n = len(reward)
    ends, cut = terminal.numpy(), truncated.numpy().copy()
    cut[-1] = True
    b = reward.numpy() + discount * (cut & ~ends) * next_value.numpy()
    chain = np.diag((discount * (~ends & ~cut))[:-1], 1)
    return np.linalg.solve(np.eye(n) - chain, b)


# ---- 5.5 two planted bugs ----


@inputs("5.5")
def _(rng):
    return [
        (normal(rng, n, a), normal(rng, n), whole(rng, a, n), normal(rng, n))
        for n, a in ((1, 2), (3, 4), (8, 3), (5, 5), (2, 6))
    ]


def _gradients(loss_of, detach_logits=False):
    """Autograd around a loss(chosen, error, log_policy, value, target)."""

    def gradients(logits, value, action, target):
        logits, value = logits.clone().requires_grad_(), value.clone().requires_grad_()
        log_policy = logits.log_softmax(-1)
        chosen = log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)
        loss = loss_of(chosen, target - value, log_policy)
        return torch.autograd.grad(loss, (logits, value))

    return gradients


wrong("5.5", "both bugs left", "sign and detach")(
    _gradients(lambda chosen, e, p: (chosen * e).mean() + 0.5 * e.square().mean())
)
wrong("5.5", "sign mended, detach forgotten", "detach forgotten")(
    _gradients(lambda chosen, e, p: -(chosen * e).mean() + 0.5 * e.square().mean())
)
wrong("5.5", "detach added, sign left", "sign of the policy term")(
    _gradients(
        lambda chosen, e, p: (chosen * e.detach()).mean() + 0.5 * e.square().mean()
    )
)
wrong("5.5", "whole loss negated", "sign of the critic's term too")(
    _gradients(
        lambda chosen, e, p: -(chosen * e.detach()).mean() - 0.5 * e.square().mean()
    )
)
wrong("5.5", "half forgotten", "square not halved")(
    _gradients(lambda chosen, e, p: -(chosen * e.detach()).mean() + e.square().mean())
)
wrong("5.5", "sums for means", "sum for mean")(
    _gradients(
        lambda chosen, e, p: -(chosen * e.detach()).sum() + 0.5 * e.square().sum()
    )
)
wrong("5.5", "entropy bonus", "entropy term added")(
    _gradients(
        lambda chosen, e, p: (
            -(chosen * e.detach()).mean()
            + 0.5 * e.square().mean()
            + 0.01 * (p.exp() * p).sum(-1).mean()
        )
    )
)
wrong("5.5", "critic's part cut off instead", "detach in the wrong term")(
    _gradients(
        lambda chosen, e, p: -(chosen * e).mean() + 0.5 * e.detach().square().mean()
    )
)
wrong("5.5", "probability for its log", "pi for log pi")(
    _gradients(
        lambda chosen, e, p: (
            -(chosen.exp() * e.detach()).mean() + 0.5 * e.square().mean()
        )
    )
)
wrong("5.5", "absolute error", "absolute value for the square")(
    _gradients(
        lambda chosen, e, p: -(chosen * e.detach()).mean() + 0.5 * e.abs().mean()
    )
)
wrong("5.5", "the policy's part over the batch twice", "mean of the product of means")(
    _gradients(
        lambda chosen, e, p: (
            -chosen.mean() * e.detach().mean() + 0.5 * e.square().mean()
        )
    )
)
wrong("5.5", "standardised advantage", "advantage standardised")(
    _gradients(
        lambda chosen, e, p: (
            -(chosen * ((e - e.mean()) / (e.std(correction=0) + 1e-8)).detach()).mean()
            + 0.5 * e.square().mean()
        )
    )
)
wrong("5.5", "square in the actor", "error squared in the policy's term")(
    _gradients(
        lambda chosen, e, p: (
            -(chosen * e.detach().square()).mean() + 0.5 * e.square().mean()
        )
    )
)
wrong("5.5", "all actions in place of the chosen one", "gather left out")(
    _gradients(
        lambda chosen, e, p: -(p.sum(-1) * e.detach()).mean() + 0.5 * e.square().mean()
    )
)


@wrong("5.5", "order of the gradients exchanged", "tuple in the wrong order")
def _(logits, value, action, target):
    logits, value = logits.clone().requires_grad_(), value.clone().requires_grad_()
    chosen = logits.log_softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    error = target - value
    loss = -(chosen * error.detach()).mean() + 0.5 * error.square().mean()
    return torch.autograd.grad(loss, (value, logits))


@wrong("5.5", "squeeze forgotten: [B, B]", "broadcast of [B, 1] with [B]")
def _(logits, value, action, target):
    logits, value = logits.clone().requires_grad_(), value.clone().requires_grad_()
    chosen = logits.log_softmax(-1).gather(-1, action.unsqueeze(-1))
    error = target - value
    loss = -(chosen * error.detach()).mean() + 0.5 * error.square().mean()
    return torch.autograd.grad(loss, (logits, value))


@wrong("5.5", "returns the loss", "loss in place of its gradients")
def _(logits, value, action, target):
    chosen = logits.log_softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    error = target - value
    return -(chosen * error.detach()).mean() + 0.5 * error.square().mean()


@wrong("5.5", "no requires_grad", "raises: nothing requires a gradient")
def _(logits, value, action, target):
    chosen = logits.log_softmax(-1).gather(-1, action.unsqueeze(-1)).squeeze(-1)
    error = target - value
    loss = -(chosen * error.detach()).mean() + 0.5 * error.square().mean()
    return torch.autograd.grad(loss, (logits, value))


@right("5.5", "closed form")
def _(logits, value, action, target):
    error, n = target - value, len(value)
    hot = torch.nn.functional.one_hot(action, logits.shape[1])
    return (logits.softmax(-1) - hot) * error[:, None] / n, -error / n


@right("5.5", "backward and .grad")
def _(logits, value, action, target):
    x = logits.detach().clone().requires_grad_(True)
    v = value.detach().clone().requires_grad_(True)
    log_p = torch.distributions.Categorical(logits=x).log_prob(action)
    actor = -(log_p * (target - v.detach())).mean()
    (actor + torch.nn.functional.mse_loss(v, target) / 2).backward()
    return [x.grad, v.grad]


@right("5.5", "cross entropy with weights")
def _(logits, value, action, target):
    x, v = logits.clone().requires_grad_(), value.clone().requires_grad_()
    ce = torch.nn.functional.cross_entropy(x, action, reduction="none")
    with torch.no_grad():
        advantage = target - v
    loss = (ce * advantage).mean() + 0.5 * torch.mean((v - target) ** 2)
    return torch.autograd.grad(loss, [x, v])


@right("5.5", "loop over the batch, NumPy")
def _(logits, value, action, target):
    h, v, y = logits.numpy(), value.numpy(), target.numpy()
    g_h, g_v = np.zeros_like(h), np.zeros_like(v)
    for b, a in enumerate(action.tolist()):
        p = np.exp(h[b] - h[b].max())
        p /= p.sum()
        p[a] -= 1
        g_h[b] = p * (y[b] - v[b]) / len(v)
        g_v[b] = (v[b] - y[b]) / len(v)
    return g_h, g_v
