"""Chapter 06: soft values, soft policies, Newton's step, the target of soft Q-learning."""

import math

import numpy as np
import torch

from corpus import flags, inputs, normal, policy, right, tensor, values, whole, wrong

# ---- 6.1 the soft value ----


@inputs("6.1")
def _(rng):
    thirds = torch.full((3,), -math.log(3), dtype=torch.float64)
    skewed = tensor([1e-12, 0.3, 0.7 - 1e-12]).log()
    return [
        (tensor([1.0, 0.9, -1.0]), thirds, 5.0),
        (normal(rng, 4), policy(rng, 4).log(), 0.001),
        (normal(rng, 4), policy(rng, 4).log(), 10_000.0),
        (tensor([10_000.0, 9_000.0, -10_000.0]), thirds, 10_000.0),
        (tensor([-10_000.0, -9_999.0, -9_999.5]), thirds, 1.0),
        (tensor([800.0, 0.0, 1.0]), skewed, 1.0),
        (normal(rng, 5, 3), policy(rng, 5, 3).log(), 2.0),
        (normal(rng, 2, 3, 4) * 100, policy(rng, 2, 3, 4).log(), 0.7),
        (normal(rng, 3, 3), policy(rng, 3, 3).log(), 1.0),
        (tensor([2.0]), tensor([0.0]), 3.0),
        (
            tensor([10_000.0, 0.0, 1.0]),
            tensor([-800.0, math.log(0.5), math.log(0.5)]),
            1.0,
        ),
        (
            tensor([[5000.0, 4999.0], [-5000.0, 2.0]]),
            tensor([[0.5, 0.5], [0.1, 0.9]]).log(),
            1.0,
        ),
    ]


@wrong("6.1", "straight from the formula", "overflow: exp of large numbers")
def _(q, log_prior, beta):
    return (log_prior + beta * q).exp().sum(-1).log() / beta


@wrong(
    "6.1", "largest q subtracted, and added with β's factor", "beta * max divided twice"
)
def _(q, log_prior, beta):
    x = log_prior + beta * q
    c = x.max(-1, keepdim=True).values
    return (x - c).exp().sum(-1).log() / beta + c.squeeze(-1)


@wrong(
    "6.1", "largest q subtracted, not the largest exponent", "prior not in the maximum"
)
def _(q, log_prior, beta):
    c = q.max(-1, keepdim=True).values
    total = (log_prior.exp() * (beta * (q - c)).exp()).sum(-1)
    return c.squeeze(-1) + total.log() / beta


@wrong("6.1", "prior left out", "prior left out")
def _(q, log_prior, beta):
    return torch.logsumexp(beta * q, -1) / beta


@wrong("6.1", "prior taken as uniform", "log A for the prior")
def _(q, log_prior, beta):
    return (torch.logsumexp(beta * q, -1) - math.log(q.shape[-1])) / beta


@wrong("6.1", "1/β left out", "division by beta left out")
def _(q, log_prior, beta):
    return torch.logsumexp(log_prior + beta * q, -1)


@wrong("6.1", "times β", "multiplied by beta, not divided")
def _(q, log_prior, beta):
    return beta * torch.logsumexp(log_prior + beta * q, -1)


@wrong("6.1", "β taken for a temperature", "q / beta: temperature convention")
def _(q, log_prior, beta):
    return beta * torch.logsumexp(log_prior + q / beta, -1)


@wrong("6.1", "β on the prior too", "beta times log prior")
def _(q, log_prior, beta):
    return torch.logsumexp(beta * (log_prior + q), -1) / beta


@wrong(
    "6.1", "β only inside the exponent of q: forgotten", "beta left out of the exponent"
)
def _(q, log_prior, beta):
    return torch.logsumexp(log_prior + q, -1) / beta


@wrong("6.1", "prior not logged again", "probability for its log")
def _(q, log_prior, beta):
    return torch.logsumexp(log_prior.exp() + beta * q, -1) / beta


@wrong("6.1", "sum over states", "wrong axis")
def _(q, log_prior, beta):
    return torch.logsumexp(log_prior + beta * q, 0) / beta


@wrong("6.1", "sum over everything", "sum over all axes")
def _(q, log_prior, beta):
    return torch.logsumexp((log_prior + beta * q).flatten(), 0) / beta


@wrong("6.1", "binary logarithm", "log2 for log")
def _(q, log_prior, beta):
    return torch.logsumexp(log_prior + beta * q, -1) / math.log(2) / beta


@wrong("6.1", "hard maximum for large β", "max above a threshold")
def _(q, log_prior, beta):
    if beta > 100:
        return q.max(-1).values
    return torch.logsumexp(log_prior + beta * q, -1) / beta


@wrong("6.1", "exponents clamped", "clamped exponent")
def _(q, log_prior, beta):
    x = (log_prior + beta * q).clamp(-700, 700)
    return x.exp().sum(-1).log() / beta


@wrong("6.1", "mean of q under the soft policy", "expectation without the price")
def _(q, log_prior, beta):
    return ((log_prior + beta * q).softmax(-1) * q).sum(-1)


@wrong("6.1", "minus for plus", "sign of the prior")
def _(q, log_prior, beta):
    return torch.logsumexp(beta * q - log_prior, -1) / beta


@wrong(
    "6.1", "maximum over all states subtracted", "one maximum for all states: underflow"
)
def _(q, log_prior, beta):
    x = log_prior + beta * q
    c = x.max()
    return ((x - c).exp().sum(-1).log() + c) / beta


@wrong("6.1", "minimum subtracted", "min for max")
def _(q, log_prior, beta):
    x = log_prior + beta * q
    c = x.min(-1, keepdim=True).values
    return ((x - c).exp().sum(-1).log() + c.squeeze(-1)) / beta


@wrong("6.1", "maximum subtracted and never added back", "maximum not added back")
def _(q, log_prior, beta):
    x = log_prior + beta * q
    return (x - x.max(-1, keepdim=True).values).exp().sum(-1).log() / beta


@wrong("6.1", "sum of a bounded softplus guard", "epsilon added inside the log")
def _(q, log_prior, beta):
    x = log_prior + beta * q
    c = x.max(-1, keepdim=True).values
    return (((x - c).exp().sum(-1) + 1e-3).log() + c.squeeze(-1)) / beta


@wrong("6.1", "writes into q", "changes q")
def _(q, log_prior, beta):
    q *= beta
    return torch.logsumexp(log_prior + q, -1) / beta


@right("6.1", "logsumexp")
def _(q, log_prior, beta):
    return torch.logsumexp(log_prior + beta * q, dim=-1) / beta


@right("6.1", "NumPy: logaddexp.reduce")
def _(q, log_prior, beta):
    return np.logaddexp.reduce(log_prior.numpy() + beta * q.numpy(), axis=-1) / beta


@right("6.1", "best exponent minus the log of its probability")
def _(q, log_prior, beta):
    x = log_prior + beta * q
    top = x.amax(-1)
    return (top - torch.log_softmax(x, -1).amax(-1)) / beta


@right("6.1", "pairwise in a loop")
def _(q, log_prior, beta):
    x = log_prior + beta * q
    total = x[..., 0]
    for a in range(1, x.shape[-1]):
        total = torch.logaddexp(total, x[..., a])
    return total / beta


# ---- 6.2 the soft policy ----


@inputs("6.2")
def _(rng):
    return [
        (tensor([1.0, 0.9, -1.0]), tensor([0.5, 0.3, 0.2]).log(), 0.5, 5.0),
        (normal(rng, 4), policy(rng, 4).log(), 0.0, 2.0),
        (normal(rng, 4), policy(rng, 4).log(), 1.0, 0.3),
        (normal(rng, 3, 5), policy(rng, 3, 5).log(), 0.8, 10.0),
        (normal(rng, 3, 3), policy(rng, 3, 3).log(), 0.9, 1.0),
        (100 * normal(rng, 2, 4), policy(rng, 2, 4).log(), 0.7, 50.0),
    ]


@wrong("6.2", "probabilities", "log left out: probabilities returned")
def _(q, log_prior, alpha, beta):
    return (alpha * log_prior + beta * q).softmax(-1)


@wrong("6.2", "not normalised", "normalisation left out")
def _(q, log_prior, alpha, beta):
    return alpha * log_prior + beta * q


@wrong("6.2", "α forgotten", "alpha left out")
def _(q, log_prior, alpha, beta):
    return (log_prior + beta * q).log_softmax(-1)


@wrong("6.2", "α on q", "alpha and beta swapped")
def _(q, log_prior, alpha, beta):
    return (beta * log_prior + alpha * q).log_softmax(-1)


@wrong("6.2", "β as a temperature", "q / beta")
def _(q, log_prior, alpha, beta):
    return (alpha * log_prior + q / beta).log_softmax(-1)


@wrong("6.2", "prior left out", "prior left out")
def _(q, log_prior, alpha, beta):
    return (beta * q).log_softmax(-1)


@wrong("6.2", "1 − α for α", "1 - alpha")
def _(q, log_prior, alpha, beta):
    return ((1 - alpha) * log_prior + beta * q).log_softmax(-1)


@wrong("6.2", "normalised over states", "wrong axis")
def _(q, log_prior, alpha, beta):
    return (alpha * log_prior + beta * q).log_softmax(0)


@wrong("6.2", "prior multiplied outside its power", "alpha * pi0 for pi0 ** alpha")
def _(q, log_prior, alpha, beta):
    return (
        (alpha * log_prior.exp()) * (beta * (q - q.max(-1, keepdim=True).values)).exp()
    ).log()


@wrong("6.2", "prior as a probability", "exp of the log prior in the sum")
def _(q, log_prior, alpha, beta):
    return (alpha * log_prior.exp() + beta * q).log_softmax(-1)


@wrong("6.2", "keepdim forgotten", "keepdim missing in the normaliser")
def _(q, log_prior, alpha, beta):
    x = alpha * log_prior + beta * q
    return x - torch.logsumexp(x, -1)


@wrong("6.2", "maximum subtracted instead of logsumexp", "max for logsumexp")
def _(q, log_prior, alpha, beta):
    x = alpha * log_prior + beta * q
    return x - x.max(-1, keepdim=True).values


@wrong("6.2", "the policy raised to α at the end", "alpha applied after normalising")
def _(q, log_prior, alpha, beta):
    return alpha * (log_prior + beta * q).log_softmax(-1)


@wrong("6.2", "value subtracted without β", "normaliser divided by beta")
def _(q, log_prior, alpha, beta):
    x = alpha * log_prior + beta * q
    return x - torch.logsumexp(x, -1, keepdim=True) / beta


@wrong("6.2", "sign of q", "minus beta q (a cost)")
def _(q, log_prior, alpha, beta):
    return (alpha * log_prior - beta * q).log_softmax(-1)


@wrong("6.2", "α on both", "alpha times the whole exponent")
def _(q, log_prior, alpha, beta):
    return (alpha * (log_prior + beta * q)).log_softmax(-1)


@right("6.2", "minus logsumexp")
def _(q, log_prior, alpha, beta):
    x = log_prior * alpha + q * beta
    return x - torch.logsumexp(x, -1, keepdim=True)


@right("6.2", "advantage form: β (Q − V) + α log π₀")
def _(q, log_prior, alpha, beta):
    v = torch.logsumexp(alpha * log_prior + beta * q, -1, keepdim=True) / beta
    return alpha * log_prior + beta * (q - v)


@right("6.2", "Categorical")
def _(q, log_prior, alpha, beta):
    return torch.distributions.Categorical(logits=alpha * log_prior + beta * q).logits


@right("6.2", "NumPy")
def _(q, log_prior, alpha, beta):
    x = alpha * log_prior.numpy() + beta * q.numpy()
    x = x - x.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


# ---- 6.3 Newton's step ----


@inputs("6.3")
def _(rng):
    found = []
    for s, a, beta, gamma in (
        (2, 2, 1.0, 0.9),
        (4, 3, 5.0, 0.5),
        (3, 3, 0.2, 0.99),
        (5, 2, 30.0, 0.0),
    ):
        chain = policy(rng, s, a, s) * torch.as_tensor(
            rng.uniform(0.5, 1.0, size=(s, a, 1))
        )
        prior = policy(rng, s, a).log()
        found.append((normal(rng, s), normal(rng, s, a), chain, prior, beta, gamma))
    return found


def _solve(policy, pay, transition, discount):
    chain = torch.einsum("sa,sat->st", policy, transition)
    return torch.linalg.solve(
        torch.eye(len(pay), dtype=pay.dtype) - discount * chain, pay
    )


@wrong("6.3", "price left out", "KL price left out")
def _(values, reward, transition, log_prior, beta, discount):
    pi = (log_prior + beta * (reward + discount * transition @ values)).softmax(-1)
    return _solve(pi, (pi * reward).sum(-1), transition, discount)


@wrong("6.3", "price added", "sign of the price")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    pay = (log_pi.exp() * (reward + (log_pi - log_prior) / beta)).sum(-1)
    return _solve(log_pi.exp(), pay, transition, discount)


@wrong("6.3", "price not divided by β", "division by beta left out")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    pay = (log_pi.exp() * (reward - (log_pi - log_prior))).sum(-1)
    return _solve(log_pi.exp(), pay, transition, discount)


@wrong("6.3", "entropy instead of KL", "prior left out of the price")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    pay = (log_pi.exp() * (reward - log_pi / beta)).sum(-1)
    return _solve(log_pi.exp(), pay, transition, discount)


@wrong("6.3", "prior left out of the policy", "prior left out of the policy")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (beta * (reward + discount * transition @ values)).log_softmax(-1)
    pay = (log_pi.exp() * (reward - (log_pi - log_prior) / beta)).sum(-1)
    return _solve(log_pi.exp(), pay, transition, discount)


@wrong("6.3", "greedy policy", "hard policy iteration")
def _(values, reward, transition, log_prior, beta, discount):
    q = reward + discount * transition @ values
    pi = torch.nn.functional.one_hot(q.argmax(-1), q.shape[-1]).to(q.dtype)
    return _solve(pi, (pi * reward).sum(-1), transition, discount)


@wrong("6.3", "soft value iteration", "one backup, nothing solved")
def _(values, reward, transition, log_prior, beta, discount):
    q = reward + discount * transition @ values
    return torch.logsumexp(log_prior + beta * q, -1) / beta


@wrong("6.3", "Q in place of the reward", "q for reward: future counted twice")
def _(values, reward, transition, log_prior, beta, discount):
    q = reward + discount * transition @ values
    log_pi = (log_prior + beta * q).log_softmax(-1)
    pay = (log_pi.exp() * (q - (log_pi - log_prior) / beta)).sum(-1)
    return _solve(log_pi.exp(), pay, transition, discount)


@wrong("6.3", "discount left out of the system", "I - P for I - gamma P")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    pay = (log_pi.exp() * (reward - (log_pi - log_prior) / beta)).sum(-1)
    return _solve(log_pi.exp(), pay, transition, 1.0)


@wrong("6.3", "discount left out of Q", "discount left out of q")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + transition @ values)).log_softmax(-1)
    pay = (log_pi.exp() * (reward - (log_pi - log_prior) / beta)).sum(-1)
    return _solve(log_pi.exp(), pay, transition, discount)


@wrong("6.3", "chain transposed", "chain transposed")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    pay = (log_pi.exp() * (reward - (log_pi - log_prior) / beta)).sum(-1)
    chain = torch.einsum("sa,sat->ts", log_pi.exp(), transition)
    return torch.linalg.solve(torch.eye(len(pay)).double() - discount * chain, pay)


@wrong("6.3", "chain of the prior", "prior in place of the policy in the chain")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    pay = (log_pi.exp() * (reward - (log_pi - log_prior) / beta)).sum(-1)
    return _solve(log_prior.exp(), pay, transition, discount)


@wrong("6.3", "ten sweeps of evaluation", "evaluated by a few sweeps, not exactly")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    pay = (log_pi.exp() * (reward - (log_pi - log_prior) / beta)).sum(-1)
    chain = torch.einsum("sa,sat->st", log_pi.exp(), transition)
    for _ in range(10):
        values = pay + discount * chain @ values
    return values


@wrong("6.3", "log-ratio upside down", "log prior minus log policy")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    kl = (log_prior.exp() * (log_prior - log_pi)).sum(-1)
    pay = (log_pi.exp() * reward).sum(-1) - kl / beta
    return _solve(log_pi.exp(), pay, transition, discount)


@wrong("6.3", "values added", "increment added to the values")
def _(values, reward, transition, log_prior, beta, discount):
    log_pi = (log_prior + beta * (reward + discount * transition @ values)).log_softmax(
        -1
    )
    pay = (log_pi.exp() * (reward - (log_pi - log_prior) / beta)).sum(-1)
    return values + _solve(log_pi.exp(), pay, transition, discount)


@right("6.3", "Newton's form: V + (I − γP)⁻¹ (TV − V)")
def _(values, reward, transition, log_prior, beta, discount):
    x = log_prior + beta * (reward + discount * transition @ values)
    gap = torch.logsumexp(x, -1) / beta - values
    return values + _solve(x.softmax(-1), gap, transition, discount)


@right("6.3", "NumPy")
def _(values, reward, transition, log_prior, beta, discount):
    v, r, p, prior = (x.numpy() for x in (values, reward, transition, log_prior))
    x = prior + beta * (r + discount * p @ v)
    log_pi = x - np.logaddexp.reduce(x, axis=-1)[:, None]
    pi = np.exp(log_pi)
    pay = (pi * r).sum(1) - (pi * (log_pi - prior)).sum(1) / beta
    return np.linalg.solve(np.eye(len(v)) - discount * (pi[:, :, None] * p).sum(1), pay)


@right("6.3", "the inverse of the chain")
def _(values, reward, transition, log_prior, beta, discount):
    q = reward + discount * (transition * values).sum(-1)
    v = torch.logsumexp(log_prior + beta * q, -1, keepdim=True) / beta
    pi = torch.exp(log_prior + beta * (q - v))
    pay = (pi * (reward - (q - v))).sum(-1)
    chain = (pi.unsqueeze(1) @ transition).squeeze(1)
    return torch.linalg.inv(torch.eye(len(values)).double() - discount * chain) @ pay


values(
    "6.4",
    ["c", "C"],
    {
        "a": "precision",
        "b": "overflow",
        "d": "training time",
        "0.95": "the number in place of the letter",
        0.95: "the number in place of the letter",
    },
)


# ---- 6.5 the target of soft Q-learning ----


@inputs("6.5")
def _(rng):
    found = []
    for s, a, b, beta, gamma in (
        (2, 2, 3, 1.0, 0.9),
        (4, 3, 6, 5.0, 0.5),
        (3, 3, 3, 0.1, 1.0),
        (5, 4, 20, 200.0, 0.99),
    ):
        prior = policy(rng, a).log()
        steps = normal(rng, b), whole(rng, s, b), whole(rng, s, b), flags(rng, b)
        found.append((normal(rng, s, a), prior, beta, gamma, *steps))
        found.append((-20 * normal(rng, s, a).abs(), prior, beta, gamma, *steps))
        found.append((9 + 20 * normal(rng, s, a).abs(), prior, beta, gamma, *steps))
    return found


def _value(q, log_prior, beta):
    return torch.logsumexp(log_prior + beta * q, -1) / beta


@wrong("6.5", "the colleague's line", "state for next_state, terminal ignored")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + discount * _value(q[state], log_prior, beta)


@wrong("6.5", "state mended, endings not", "terminal ignored")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + discount * _value(q[next_state], log_prior, beta)


@wrong("6.5", "endings mended, state not", "state for next_state")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + discount * ~terminal * _value(q[state], log_prior, beta)


@wrong("6.5", "hard maximum", "max for the soft value")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + discount * ~terminal * q[next_state].max(-1).values


@wrong("6.5", "mask inverted", "mask inverted")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + discount * terminal * _value(q[next_state], log_prior, beta)


@wrong(
    "6.5", "q set to zero after the goal, so that the prior's entropy stays", "masked q"
)
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    nxt = q[next_state] * ~terminal[:, None]
    return reward + discount * torch.logsumexp(beta * nxt, -1) / beta


@wrong("6.5", "prior forgotten", "prior left out")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return (
        reward + discount * ~terminal * torch.logsumexp(beta * q[next_state], -1) / beta
    )


@wrong("6.5", "1/β left out", "division by beta left out")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + discount * ~terminal * torch.logsumexp(
        log_prior + beta * q[next_state], -1
    )


@wrong("6.5", "γ left out", "discount left out")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + ~terminal * _value(q[next_state], log_prior, beta)


@wrong("6.5", "reward masked too", "reward dropped at the goal")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return ~terminal * (reward + discount * _value(q[next_state], log_prior, beta))


@wrong("6.5", "overflows", "overflow: exp without logsumexp")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    v = (log_prior.exp() * (beta * q[next_state]).exp()).sum(-1).log() / beta
    return reward + discount * ~terminal * v


@wrong("6.5", "mean under the prior", "mean for logsumexp")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + discount * ~terminal * (log_prior.exp() * q[next_state]).sum(-1)


@wrong("6.5", "temperature convention", "q / beta, times beta")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    v = beta * torch.logsumexp(log_prior + q[next_state] / beta, -1)
    return reward + discount * ~terminal * v


@wrong("6.5", "all states' values, not looked up", "values not indexed by next_state")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    v = _value(q, log_prior, beta).mean()
    return reward + discount * ~terminal * v


@wrong("6.5", "columns looked up", "q[:, next_state]")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    picked = q.T[next_state.clamp(max=q.shape[1] - 1)]
    v = torch.logsumexp(beta * picked, -1) / beta
    return reward + discount * ~terminal * v


@wrong("6.5", "β applied to the prior as well", "beta times log prior")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    v = torch.logsumexp(beta * (log_prior + q[next_state]), -1) / beta
    return reward + discount * ~terminal * v


@wrong(
    "6.5", "ended where the state does not change", "next_state == state for terminal"
)
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    return reward + discount * (state != next_state) * _value(
        q[next_state], log_prior, beta
    )


@right("6.5", "where, values of all states first")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    v = torch.logsumexp(log_prior + beta * q, dim=1) / beta
    return torch.where(terminal, reward, reward + discount * v[next_state])


@right("6.5", "loop")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    y = []
    for r, s, end in zip(reward, next_state, terminal, strict=True):
        y.append(
            r
            if end
            else r + discount * torch.logsumexp(log_prior + beta * q[s], 0) / beta
        )
    return torch.stack(y)


@right("6.5", "NumPy float32 result")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    x = log_prior.numpy() + beta * q.numpy()[next_state.numpy()]
    v = np.logaddexp.reduce(x, axis=1) / beta
    y = reward.numpy() + np.where(terminal.numpy(), 0.0, discount * v)
    return y.astype(np.float32)


@right("6.5", "masked_fill and einsum-free mean form")
def _(q, log_prior, beta, discount, reward, state, next_state, terminal):
    x = log_prior + beta * q[next_state]
    log_pi = x.log_softmax(-1)
    each = q[next_state] - (log_pi - log_prior) / beta
    return reward + discount * (log_pi.exp() * each).sum(-1).masked_fill(terminal, 0)
