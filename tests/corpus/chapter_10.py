"""Chapter 10: the regularised TD error, and the two terms of the gradient by h."""

import numpy as np
import torch

from corpus import flags, inputs, normal, policy, right, values, whole, wrong

# ---- 10.1 the regularised TD error ----


@inputs("10.1")
def _(rng):
    found = []
    for n, alpha, beta, gamma in (
        (2, 0.5, 2.0, 0.9),
        (1, 0.0, 1.0, 0.5),
        (8, 1.0, 5.0, 1.0),
        (20, 0.8, 0.5, 0.99),
    ):
        log_pi0, log_pi = (torch.as_tensor(-rng.exponential(size=n)) for _ in range(2))
        given = (
            normal(rng, n),
            log_pi0,
            log_pi,
            normal(rng, n),
            normal(rng, n),
            flags(rng, n),
        )
        found.append((*given, alpha, beta, gamma))
    return found


def _pay(reward, log_pi0, log_pi, alpha, beta):
    return reward + alpha / beta * log_pi0 - log_pi / beta


@wrong("10.1", "as printed: γ missing", "discount left out")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    return _pay(reward, log_pi0, log_pi, alpha, beta) + next_value * ~terminal - value


@wrong("10.1", "endings ignored", "terminal ignored")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    return _pay(reward, log_pi0, log_pi, alpha, beta) + gamma * next_value - value


@wrong("10.1", "mask not inverted", "mask inverted")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    return (
        _pay(reward, log_pi0, log_pi, alpha, beta)
        + gamma * next_value * terminal
        - value
    )


@wrong("10.1", "value not taken off", "value left out")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    return _pay(reward, log_pi0, log_pi, alpha, beta) + gamma * next_value * ~terminal


@wrong("10.1", "value masked too", "value dropped at the goal")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    future = ~terminal * (gamma * next_value - value)
    return _pay(reward, log_pi0, log_pi, alpha, beta) + future


@wrong("10.1", "values exchanged", "value and next_value swapped")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    return (
        _pay(reward, log_pi0, log_pi, alpha, beta)
        + gamma * value * ~terminal
        - next_value
    )


@wrong("10.1", "plain reward", "regularisation left out")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    return reward + gamma * next_value * ~terminal - value


@wrong("10.1", "α forgotten", "alpha left out")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    return (
        _pay(reward, log_pi0, log_pi, 1.0, beta)
        + gamma * next_value * ~terminal
        - value
    )


@wrong("10.1", "α before both logs", "alpha / beta on log pi too")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = reward + alpha / beta * (log_pi0 - log_pi)
    return pay + gamma * next_value * ~terminal - value


@wrong("10.1", "signs of the logs exchanged", "sign of both logs")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = reward - alpha / beta * log_pi0 + log_pi / beta
    return pay + gamma * next_value * ~terminal - value


@wrong("10.1", "entropy subtracted", "sign of log pi")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = reward + alpha / beta * log_pi0 + log_pi / beta
    return pay + gamma * next_value * ~terminal - value


@wrong("10.1", "policies exchanged", "log_pi and log_pi0 swapped")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = _pay(reward, log_pi, log_pi0, alpha, beta)
    return pay + gamma * next_value * ~terminal - value


@wrong("10.1", "β as a factor", "multiplied by beta, not divided")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = reward + alpha * beta * log_pi0 - beta * log_pi
    return pay + gamma * next_value * ~terminal - value


@wrong("10.1", "no regularisation at the goal", "price dropped at the goal")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    price = (alpha * log_pi0 - log_pi) / beta * ~terminal
    return reward + price + gamma * next_value * ~terminal - value


@wrong("10.1", "reward discounted", "discount on the reward")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = _pay(reward, log_pi0, log_pi, alpha, beta)
    return gamma * (pay + next_value * ~terminal) - value


@wrong("10.1", "value[t + 1] for the next value", "shifted value for next_value")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    shifted = torch.cat([value[1:], next_value[-1:]])
    return (
        _pay(reward, log_pi0, log_pi, alpha, beta) + gamma * shifted * ~terminal - value
    )


@wrong("10.1", "minus on a bool tensor", "raises: 1 - bool tensor")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = _pay(reward, log_pi0, log_pi, alpha, beta)
    return pay + gamma * next_value * (1 - terminal) - value


@wrong("10.1", "summed over the row", "sum: one number")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = _pay(reward, log_pi0, log_pi, alpha, beta)
    return (pay + gamma * next_value * ~terminal - value).sum()


@wrong("10.1", "no 1/β on the entropy", "division by beta left out for log pi")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = reward + alpha / beta * log_pi0 - log_pi
    return pay + gamma * next_value * ~terminal - value


@right("10.1", "where")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    future = torch.where(terminal, torch.zeros_like(next_value), gamma * next_value)
    return reward + (alpha * log_pi0 - log_pi) / beta + future - value


@right("10.1", "NumPy")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    r, p0, p, v, nv = (x.numpy() for x in (reward, log_pi0, log_pi, value, next_value))
    return (
        r + alpha / beta * p0 - p / beta + gamma * nv * np.invert(terminal.numpy()) - v
    )


@right("10.1", "list of floats")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    out = []
    for t in range(len(reward)):
        a = (
            float(reward[t])
            + alpha / beta * float(log_pi0[t])
            - float(log_pi[t]) / beta
        )
        if not terminal[t]:
            a += gamma * float(next_value[t])
        out.append(a - float(value[t]))
    return out


@right("10.1", "float32 mask and result")
def _(reward, log_pi0, log_pi, value, next_value, terminal, alpha, beta, gamma):
    pay = _pay(reward, log_pi0, log_pi, alpha, beta)
    return (pay + gamma * next_value * (1 - terminal.float()) - value).float()


# ---- 10.2 the second term ----


@inputs("10.2")
def _(rng):
    found = []
    for k, s, a, alpha, beta in (
        (1, 1, 2, 0.5, 2.0),
        (2, 3, 4, 0.8, 5.0),
        (3, 3, 3, 1.0, 0.5),
        (4, 2, 3, 0.9, 1.0),
    ):
        visits = torch.as_tensor(rng.uniform(0, 3, size=(k, s)))
        found.append(
            (policy(rng, k, s, a).log(), policy(rng, s, a).log(), visits, alpha, beta)
        )
    return found


@wrong("10.2", "difference of logs", "log-probabilities for probabilities")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * (visits.unsqueeze(-1) * (log_pi - log_pi0)).sum(0)


@wrong("10.2", "sign", "sign")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * (visits.unsqueeze(-1) * (log_pi0.exp() - log_pi.exp())).sum(0)


@wrong("10.2", "visits forgotten", "visits left out")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * (log_pi.exp() - log_pi0.exp()).sum(0)


@wrong("10.2", "mean over tasks", "mean for sum")
def _(log_pi, log_pi0, visits, alpha, beta):
    return (
        alpha / beta * (visits.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())).mean(0)
    )


@wrong("10.2", "visits normalised", "visits divided by their sum")
def _(log_pi, log_pi0, visits, alpha, beta):
    share = visits / visits.sum(0)
    return alpha / beta * (share.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())).sum(0)


@wrong("10.2", "α forgotten", "alpha left out")
def _(log_pi, log_pi0, visits, alpha, beta):
    return (visits.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())).sum(0) / beta


@wrong("10.2", "β forgotten", "beta left out")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha * (visits.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())).sum(0)


@wrong("10.2", "β/α", "factor upside down")
def _(log_pi, log_pi0, visits, alpha, beta):
    return beta / alpha * (visits.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())).sum(0)


@wrong("10.2", "one task a row", "sum over tasks left out")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * visits.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())


@wrong("10.2", "sum over states", "wrong axis")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * (visits.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())).sum(1)


@wrong("10.2", "first task only", "first task only")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * visits[0].unsqueeze(-1) * (log_pi[0].exp() - log_pi0.exp())


@wrong("10.2", "prior not taken off", "pi0 left out")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * (visits.unsqueeze(-1) * log_pi.exp()).sum(0)


@wrong("10.2", "prior taken off once, after the sum", "pi0 outside the sum")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * ((visits.unsqueeze(-1) * log_pi.exp()).sum(0) - log_pi0.exp())


@wrong("10.2", "visits of all states added", "visits summed over states")
def _(log_pi, log_pi0, visits, alpha, beta):
    weight = visits.sum(1)[:, None, None]
    return alpha / beta * (weight * (log_pi.exp() - log_pi0.exp())).sum(0)


@wrong(
    "10.2", "multiplied by log π₀ (function, not gradient)", "objective, not gradient"
)
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * (visits.unsqueeze(-1) * log_pi.exp() * log_pi0).sum(0)


@wrong("10.2", "π₀'s factor kept", "factor pi0")
def _(log_pi, log_pi0, visits, alpha, beta):
    gap = log_pi.exp() - log_pi0.exp()
    return alpha / beta * log_pi0.exp() * (visits.unsqueeze(-1) * gap).sum(0)


@wrong("10.2", "axis missing", "visits without the axis of actions")
def _(log_pi, log_pi0, visits, alpha, beta):
    return alpha / beta * (visits.unsqueeze(1) * (log_pi.exp() - log_pi0.exp())).sum(0)


@right("10.2", "einsum")
def _(log_pi, log_pi0, visits, alpha, beta):
    return (
        torch.einsum("ks,ksa->sa", visits, log_pi.exp() - log_pi0.exp()) * alpha / beta
    )


@right("10.2", "sums apart")
def _(log_pi, log_pi0, visits, alpha, beta):
    total = (visits[..., None] * log_pi.exp()).sum(dim=0)
    return (total - visits.sum(0)[:, None] * log_pi0.exp()) * (alpha / beta)


@right("10.2", "loop over tasks")
def _(log_pi, log_pi0, visits, alpha, beta):
    grad = torch.zeros_like(log_pi0)
    for d, log_p in zip(visits, log_pi, strict=True):
        grad += d[:, None] * (log_p.exp() - log_pi0.exp())
    return alpha / beta * grad


@right("10.2", "autograd through a log-softmax of h = log π₀")
def _(log_pi, log_pi0, visits, alpha, beta):
    h = log_pi0.clone().requires_grad_()
    inner = (visits[..., None] * log_pi.exp() * h.log_softmax(-1)).sum()
    return torch.autograd.grad(alpha / beta * inner, h)[0]


# ---- 10.3 the first term ----


@inputs("10.3")
def _(rng):
    found = []
    for s, a, n, alpha, beta in (
        (1, 2, 1, 0.5, 2.0),
        (3, 3, 5, 0.8, 1.0),
        (4, 5, 12, 1.0, 5.0),
        (2, 4, 9, 0.3, 0.5),
    ):
        steps = whole(rng, s, n), whole(rng, a, n), normal(rng, n)
        found.append((normal(rng, s, a), normal(rng, s, a), *steps, alpha, beta))
    return found


def _sum_scores(logits, state, action, advantage):
    own, total = logits.softmax(-1), torch.zeros_like(logits)
    for s, a, signal in zip(state.tolist(), action.tolist(), advantage, strict=True):
        total[s] -= signal * own[s]
        total[s, a] += signal
    return total


@wrong(
    "10.3",
    "the colleague's function",
    "softmax of h for the task's policy, alpha left out",
)
def _(h, f, state, action, advantage, alpha, beta):
    return _sum_scores(h, state, action, advantage)


@wrong("10.3", "policy mended, chain rule not", "factor alpha left out")
def _(h, f, state, action, advantage, alpha, beta):
    return _sum_scores(alpha * h + beta * f, state, action, advantage)


@wrong("10.3", "chain rule mended, policy not", "softmax of h for the task's policy")
def _(h, f, state, action, advantage, alpha, beta):
    return alpha * _sum_scores(h, state, action, advantage)


@wrong("10.3", "gradient by f", "factor beta for alpha")
def _(h, f, state, action, advantage, alpha, beta):
    return beta * _sum_scores(alpha * h + beta * f, state, action, advantage)


@wrong("10.3", "h without α in the logits", "alpha left out of the logits")
def _(h, f, state, action, advantage, alpha, beta):
    return alpha * _sum_scores(h + beta * f, state, action, advantage)


@wrong("10.3", "f without β in the logits", "beta left out of the logits")
def _(h, f, state, action, advantage, alpha, beta):
    return alpha * _sum_scores(alpha * h + f, state, action, advantage)


@wrong("10.3", "α and β exchanged in the logits", "alpha and beta swapped")
def _(h, f, state, action, advantage, alpha, beta):
    return alpha * _sum_scores(beta * h + alpha * f, state, action, advantage)


@wrong("10.3", "sign", "sign")
def _(h, f, state, action, advantage, alpha, beta):
    return -alpha * _sum_scores(alpha * h + beta * f, state, action, advantage)


@wrong("10.3", "α/β", "factor alpha / beta")
def _(h, f, state, action, advantage, alpha, beta):
    return alpha / beta * _sum_scores(alpha * h + beta * f, state, action, advantage)


@wrong("10.3", "mean over steps", "mean for sum")
def _(h, f, state, action, advantage, alpha, beta):
    return (
        alpha * _sum_scores(alpha * h + beta * f, state, action, advantage) / len(state)
    )


@wrong("10.3", "advantages forgotten", "advantage left out")
def _(h, f, state, action, advantage, alpha, beta):
    ones = torch.ones_like(advantage)
    return alpha * _sum_scores(alpha * h + beta * f, state, action, ones)


@wrong("10.3", "indicator only", "softmax term left out")
def _(h, f, state, action, advantage, alpha, beta):
    total = torch.zeros_like(h)
    for s, a, signal in zip(state.tolist(), action.tolist(), advantage, strict=True):
        total[s, a] += signal
    return alpha * total


@wrong("10.3", "repeated visits lost", "assignment with repeated indices")
def _(h, f, state, action, advantage, alpha, beta):
    own = (alpha * h + beta * f).softmax(-1)
    total = torch.zeros_like(h)
    hot = torch.nn.functional.one_hot(action, h.shape[1])
    total[state] = advantage[:, None] * (hot - own[state])
    return alpha * total


@wrong("10.3", "+= with repeated indices", "index += keeps one of several")
def _(h, f, state, action, advantage, alpha, beta):
    own = (alpha * h + beta * f).softmax(-1)
    total = torch.zeros_like(h)
    hot = torch.nn.functional.one_hot(action, h.shape[1])
    total[state] += alpha * advantage[:, None] * (hot - own[state])
    return total


@wrong("10.3", "softmax over states", "wrong axis of the softmax")
def _(h, f, state, action, advantage, alpha, beta):
    own, total = (alpha * h + beta * f).softmax(0), torch.zeros_like(h)
    for s, a, signal in zip(state.tolist(), action.tolist(), advantage, strict=True):
        total[s] -= signal * own[s]
        total[s, a] += signal
    return alpha * total


@wrong("10.3", "softmax of f", "softmax of f for the task's policy")
def _(h, f, state, action, advantage, alpha, beta):
    return alpha * _sum_scores(beta * f, state, action, advantage)


@wrong("10.3", "return one level too deep", "return inside the loop")
def _(h, f, state, action, advantage, alpha, beta):
    own, total = (alpha * h + beta * f).softmax(-1), torch.zeros_like(h)
    for s, a, signal in zip(state.tolist(), action.tolist(), advantage, strict=True):
        total[s] -= signal * own[s]
        total[s, a] += signal
        return alpha * total


@wrong("10.3", "one row for all states", "softmax term spread over all states")
def _(h, f, state, action, advantage, alpha, beta):
    own, total = (alpha * h + beta * f).softmax(-1), torch.zeros_like(h)
    for s, a, signal in zip(state.tolist(), action.tolist(), advantage, strict=True):
        total -= signal * own
        total[s, a] += signal
    return alpha * total


@wrong("10.3", "starts from h", "h added to the gradient")
def _(h, f, state, action, advantage, alpha, beta):
    return h + alpha * _sum_scores(alpha * h + beta * f, state, action, advantage)


@right("10.3", "autograd")
def _(h, f, state, action, advantage, alpha, beta):
    x = h.detach().clone().requires_grad_()
    log_pi = (alpha * x + beta * f).log_softmax(-1)
    return torch.autograd.grad((advantage * log_pi[state, action]).sum(), x)[0]


@right("10.3", "index_add")
def _(h, f, state, action, advantage, alpha, beta):
    own = (alpha * h + beta * f).softmax(-1)
    hot = torch.nn.functional.one_hot(action, h.shape[-1]).to(h.dtype)
    rows = alpha * advantage.unsqueeze(-1) * (hot - own[state])
    return torch.zeros_like(h).index_add(0, state, rows)


@right("10.3", "NumPy add.at")
def _(h, f, state, action, advantage, alpha, beta):
    x = alpha * h.numpy() + beta * f.numpy()
    own = np.exp(x - np.logaddexp.reduce(x, axis=1, keepdims=True))
    s, signal = state.numpy(), advantage.numpy()
    out = np.zeros_like(x)
    np.add.at(out, s, -signal[:, None] * own[s])
    np.add.at(out, (s, action.numpy()), signal)
    return alpha * out


@right("10.3", "matrix product with one-hot states")
def _(h, f, state, action, advantage, alpha, beta):
    where = torch.nn.functional.one_hot(state, len(h)).to(h.dtype) * advantage[:, None]
    hot = torch.nn.functional.one_hot(action, h.shape[1]).to(h.dtype)
    own = torch.softmax(alpha * h + beta * f, dim=1)
    return alpha * (where.T @ hot - where.sum(0)[:, None] * own)


values(
    "10.4",
    ["c", "C"],
    {
        "a": "variance",
        "b": "too few updates",
        "d": "cut episodes",
        "e": "no such option",
        0.95: "a number in place of the letter",
    },
)
