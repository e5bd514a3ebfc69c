"""Chapter 07: gradients of KL, the critic's target, (2.54) by enumeration, squashed densities."""

import math

import numpy as np
import torch

from corpus import inputs, normal, policy, right, tensor, values, wrong

# ---- 7.1 the gradient of KL ----


@inputs("7.1")
def _(rng):
    return [
        (tensor([0.0, 1.0, -1.0]), tensor([0.2, 0.3, 0.5]).log()),
        (normal(rng, 4), policy(rng, 4).log()),
        (2 * normal(rng, 5, 3), policy(rng, 5, 3).log()),
        (normal(rng, 2, 3, 4) + 5, policy(rng, 2, 3, 4).log()),
        (normal(rng, 3, 3), policy(rng, 3, 3).log()),
    ]


def _parts(logits, log_prior):
    log_pi = logits.log_softmax(-1)
    ratio = log_pi - log_prior
    return log_pi.exp(), ratio, (log_pi.exp() * ratio).sum(-1, keepdim=True)


@wrong("7.1", "mean not taken off", "baseline left out: KL not subtracted")
def _(logits, log_prior):
    p, ratio, _ = _parts(logits, log_prior)
    return p * ratio


@wrong(
    "7.1", "p (ratio + 1), the derivative by p", "derivative by p, not by the logits"
)
def _(logits, log_prior):
    p, ratio, _ = _parts(logits, log_prior)
    return p * (ratio + 1)


@wrong("7.1", "derivative by p without p", "chain rule through the softmax left out")
def _(logits, log_prior):
    _, ratio, _ = _parts(logits, log_prior)
    return ratio + 1


@wrong("7.1", "factor π missing", "factor pi left out")
def _(logits, log_prior):
    _, ratio, kl = _parts(logits, log_prior)
    return ratio - kl


@wrong("7.1", "sign", "sign")
def _(logits, log_prior):
    p, ratio, kl = _parts(logits, log_prior)
    return p * (kl - ratio)


@wrong("7.1", "KL the other way round", "KL[prior || policy]: gradient pi - pi0")
def _(logits, log_prior):
    return logits.softmax(-1) - log_prior.exp()


@wrong("7.1", "prior forgotten: gradient of negative entropy", "prior left out")
def _(logits, log_prior):
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    return p * (log_p - (p * log_p).sum(-1, keepdim=True))


@wrong("7.1", "logits taken for log-probabilities in the factor", "softmax left out")
def _(logits, log_prior):
    ratio = logits - log_prior
    p = logits.exp()
    return p * (ratio - (p * ratio).sum(-1, keepdim=True))


@wrong("7.1", "plain mean", "mean over actions without pi")
def _(logits, log_prior):
    p, ratio, _ = _parts(logits, log_prior)
    return p * (ratio - ratio.mean(-1, keepdim=True))


@wrong("7.1", "sum over states", "wrong axis")
def _(logits, log_prior):
    p = logits.softmax(0)
    ratio = p.log() - log_prior
    return p * (ratio - (p * ratio).sum(0))


@wrong("7.1", "keepdim forgotten", "keepdim missing")
def _(logits, log_prior):
    p, ratio, kl = _parts(logits, log_prior)
    return p * (ratio - kl.squeeze(-1))


@wrong("7.1", "KL summed over all states", "sum without an axis")
def _(logits, log_prior):
    p, ratio, _ = _parts(logits, log_prior)
    return p * (ratio - (p * ratio).sum())


@wrong("7.1", "prior's probabilities weigh", "prior in place of pi as the weight")
def _(logits, log_prior):
    _, ratio, _ = _parts(logits, log_prior)
    p0 = log_prior.exp()
    return p0 * (ratio - (p0 * ratio).sum(-1, keepdim=True))


@wrong("7.1", "KL itself", "KL in place of its gradient")
def _(logits, log_prior):
    return _parts(logits, log_prior)[2].squeeze(-1)


@wrong("7.1", "p(1 − p) factor", "diagonal of the softmax's Jacobian only")
def _(logits, log_prior):
    p, ratio, _ = _parts(logits, log_prior)
    return p * (1 - p) * ratio


@right("7.1", "Jacobian of the softmax times the derivative by p")
def _(logits, log_prior):
    p, ratio, _ = _parts(logits, log_prior)
    jacobian = torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)
    return (jacobian @ (ratio + 1).unsqueeze(-1)).squeeze(-1)


@right("7.1", "from the logits: their normaliser drops out")
def _(logits, log_prior):
    p = torch.softmax(logits, -1)
    x = logits - log_prior
    return p * x - p * (p * x).sum(-1, keepdim=True)


@right("7.1", "NumPy")
def _(logits, log_prior):
    h, prior = logits.numpy(), log_prior.numpy()
    log_p = h - np.logaddexp.reduce(h, axis=-1)[..., None]
    p = np.exp(log_p)
    x = log_p - prior
    return p * (x - np.einsum("...a,...a->...", p, x)[..., None])


@right("7.1", "autograd all the same")
def _(logits, log_prior):
    h = logits.clone().requires_grad_()
    log_p = h.log_softmax(-1)
    return torch.autograd.grad((log_p.exp() * (log_p - log_prior)).sum(), h)[0]


values(
    "7.2",
    ["b", "B"],
    {
        "a": "unbiased gradient",
        "c": "same pay",
        "d": "training time",
        "e": "no such option",
        2: "a number in place of the letter",
    },
)

# ---- 7.3 the critic's target ----


@inputs("7.3")
def _(rng):
    def kl(n):
        return normal(rng, n).abs()

    found = [(tensor([1.0, 2.0]), tensor([0.5, 0.1]), 2.0, tensor([0.9, 0.9]), 3.0)]
    for n, beta, gamma, end in (
        (1, 1.0, 0.9, None),
        (4, 0.5, 0.8, 3),
        (5, 5.0, 1.0, None),
        (6, 2.0, 0.9, 2),
        (3, 1.0, 0.7, 0),
    ):
        discount = torch.full((n,), gamma, dtype=torch.float64)
        if end is not None:
            discount[end] = 0.0
        found.append((normal(rng, n), kl(n), beta, discount, float(rng.normal())))
    return found


@wrong("7.3", "the colleague's line", "first price not paid, endings ignored")
def _(reward, kl, beta, discount, next_value):
    g, d = discount.max(), torch.arange(len(reward))
    paid = (g**d * (reward - kl / beta)).sum()
    return kl[0] / beta + paid + g ** len(reward) * next_value


@wrong("7.3", "only the price mended", "endings ignored: powers of gamma")
def _(reward, kl, beta, discount, next_value):
    g, d = discount.max(), torch.arange(len(reward))
    return (g**d * (reward - kl / beta)).sum() + g ** len(reward) * next_value


@wrong("7.3", "only the endings mended", "first price not paid")
def _(reward, kl, beta, discount, next_value):
    y = next_value
    for d in reversed(range(len(reward))):
        y = float(reward[d] - kl[d] / beta) + float(discount[d]) * y
    return y + float(kl[0]) / beta


@wrong("7.3", "price added", "sign of the price")
def _(reward, kl, beta, discount, next_value):
    y = next_value
    for d in reversed(range(len(reward))):
        y = float(reward[d] + kl[d] / beta) + float(discount[d]) * y
    return y


@wrong("7.3", "price times β", "multiplied by beta, not divided")
def _(reward, kl, beta, discount, next_value):
    y = next_value
    for d in reversed(range(len(reward))):
        y = float(reward[d] - beta * kl[d]) + float(discount[d]) * y
    return y


@wrong("7.3", "price forgotten", "price left out")
def _(reward, kl, beta, discount, next_value):
    y = next_value
    for d in reversed(range(len(reward))):
        y = float(reward[d]) + float(discount[d]) * y
    return y


@wrong("7.3", "β forgotten", "division by beta left out")
def _(reward, kl, beta, discount, next_value):
    y = next_value
    for d in reversed(range(len(reward))):
        y = float(reward[d] - kl[d]) + float(discount[d]) * y
    return y


@wrong("7.3", "no bootstrap", "next_value left out")
def _(reward, kl, beta, discount, next_value):
    y = 0.0
    for d in reversed(range(len(reward))):
        y = float(reward[d] - kl[d] / beta) + float(discount[d]) * y
    return y


@wrong("7.3", "V undiscounted", "discount of the bootstrap left out")
def _(reward, kl, beta, discount, next_value):
    y = 0.0
    for d in reversed(range(len(reward))):
        y = float(reward[d] - kl[d] / beta) + float(discount[d]) * y
    return y + next_value


@wrong("7.3", "discount on its own reward", "products one step too early")
def _(reward, kl, beta, discount, next_value):
    weight = discount.cumprod(0)
    return float((weight * (reward - kl / beta)).sum() + weight[-1] * next_value)


@wrong("7.3", "forwards", "loop in the wrong direction")
def _(reward, kl, beta, discount, next_value):
    y = next_value
    for d in range(len(reward)):
        y = float(reward[d] - kl[d] / beta) + float(discount[d]) * y
    return y


@wrong("7.3", "all targets", "tensor of targets, not the first")
def _(reward, kl, beta, discount, next_value):
    y, out = next_value, torch.zeros_like(reward)
    for d in reversed(range(len(reward))):
        y = reward[d] - kl[d] / beta + discount[d] * y
        out[d] = y
    return out


@wrong("7.3", "first step's price left out", "price paid from the second step on")
def _(reward, kl, beta, discount, next_value):
    y = next_value
    for d in reversed(range(len(reward))):
        price = float(kl[d]) / beta if d > 0 else 0.0
        y = float(reward[d]) - price + float(discount[d]) * y
    return y


@wrong("7.3", "powers of each step's own discount", "discount[d] ** d for products")
def _(reward, kl, beta, discount, next_value):
    d = torch.arange(len(reward))
    total = (discount**d * (reward - kl / beta)).sum()
    return float(total + discount[-1] ** len(reward) * next_value)


@wrong("7.3", "stops a step before the end", "last step left out")
def _(reward, kl, beta, discount, next_value):
    y = next_value
    for d in reversed(range(len(reward) - 1)):
        y = float(reward[d] - kl[d] / beta) + float(discount[d]) * y
    return y


@wrong(
    "7.3",
    "KL discounted apart, and V's price taken off as well",
    "price of V paid twice",
)
def _(reward, kl, beta, discount, next_value):
    y = next_value - float(kl[-1]) / beta
    for d in reversed(range(len(reward))):
        y = float(reward[d] - kl[d] / beta) + float(discount[d]) * y
    return y


@right("7.3", "cumulative products, 0-dim tensor")
def _(reward, kl, beta, discount, next_value):
    weight = torch.cat([torch.ones(1).double(), discount.cumprod(0)])
    return (weight[:-1] * (reward - kl / beta)).sum() + weight[-1] * next_value


@right("7.3", "recursion")
def _(reward, kl, beta, discount, next_value):
    def y(d):
        if d == len(reward):
            return next_value
        return reward[d].item() - kl[d].item() / beta + discount[d].item() * y(d + 1)

    return y(0)


@right("7.3", "forwards with a running weight, NumPy")
def _(reward, kl, beta, discount, next_value):
    total, weight = np.float64(0), np.float64(1)
    for r, k, g in zip(reward.numpy(), kl.numpy(), discount.numpy(), strict=True):
        total += weight * (r - k / beta)
        weight *= g
        if weight == 0:
            break
    return total + weight * next_value


# ---- 7.4 three gradients ----


@inputs("7.4")
def _(rng):
    found = []
    for s, a, beta in ((1, 2, 1.0), (3, 3, 2.0), (4, 2, 0.3), (2, 5, 7.0)):
        weight = torch.as_tensor(rng.uniform(0, 2, size=s))
        found.append(
            (
                normal(rng, s, a),
                policy(rng, s, a).log(),
                beta,
                normal(rng, s, a),
                weight,
            )
        )
    return found


def _three(q, log_prior, beta, y):
    """Value, policy, log-ratio, KL, Δ and its mean, with the last axis kept."""
    value = torch.logsumexp(log_prior + beta * q, -1, keepdim=True) / beta
    ratio = beta * (q - value)
    p = (log_prior + ratio).exp()
    kl = (p * ratio).sum(-1, keepdim=True)
    delta = y - kl / beta - value
    return p, ratio, kl, delta, (p * delta).sum(-1, keepdim=True)


@wrong("7.4", "weights left out", "weight of the states left out")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    return -p * (delta - mean), p * (ratio - kl) / beta, -p * mean


@wrong("7.4", "all signs turned", "sign of all three")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return w * (delta - mean), -w * (ratio - kl) / beta, w * mean


@wrong("7.4", "sign of the first", "sign of the policy gradient")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return w * (delta - mean), w * (ratio - kl) / beta, -w * mean


@wrong("7.4", "mean of Δ not taken off in the first", "baseline left out")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return -w * delta, w * (ratio - kl) / beta, -w * mean


@wrong("7.4", "second not divided by β", "division by beta left out of the regulariser")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return -w * (delta - mean), w * (ratio - kl), -w * mean


@wrong("7.4", "first and second exchanged", "order of the tuple")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return w * (ratio - kl) / beta, -w * (delta - mean), -w * mean


@wrong("7.4", "β left in the first", "factor beta in the policy gradient")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return -beta * w * (delta - mean), w * (ratio - kl) / beta, -w * mean


@wrong("7.4", "KL not taken off Δ", "price left out of delta")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    free = mean + kl / beta
    return -w * (delta - mean), w * (ratio - kl) / beta, -w * free


@wrong("7.4", "V not taken off Δ", "value left out of delta")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, _, _ = _three(q, log_prior, beta, y)
    delta = y - kl / beta
    mean = (p * delta).sum(-1, keepdim=True)
    w = weight.unsqueeze(-1) * p
    return -w * (delta - mean), w * (ratio - kl) / beta, -w * mean


@wrong("7.4", "prior forgotten", "prior left out of value and policy")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, torch.zeros_like(q), beta, y)
    w = weight.unsqueeze(-1) * p
    return -w * (delta - mean), w * (ratio - kl) / beta, -w * mean


@wrong("7.4", "third with Δ, not its mean", "mean left out of the value gradient")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return -w * (delta - mean), w * (ratio - kl) / beta, -w * delta


@wrong("7.4", "third without π", "factor pi left out of the value gradient")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return (
        -w * (delta - mean),
        w * (ratio - kl) / beta,
        -weight.unsqueeze(-1) * mean.expand_as(q),
    )


@wrong("7.4", "the sum of the three", "one tensor in place of three")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return -w * (delta - mean) + w * (ratio - kl) / beta - w * mean


@wrong("7.4", "plain mean over actions", "mean without pi")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, _ = _three(q, log_prior, beta, y)
    mean = delta.mean(-1, keepdim=True)
    w = weight.unsqueeze(-1) * p
    return -w * (delta - mean), w * (ratio - kl) / beta, -w * mean


@wrong(
    "7.4",
    "KL of the second by the wrong sign of the log-ratio",
    "sign of the regulariser",
)
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = weight.unsqueeze(-1) * p
    return -w * (delta - mean), w * (kl - ratio) / beta, -w * mean


@wrong("7.4", "weights normalised", "weight divided by its sum")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    w = (weight / weight.sum()).unsqueeze(-1) * p
    return -w * (delta - mean), w * (ratio - kl) / beta, -w * mean


@right("7.4", "autograd of three losses, a list")
def _(q, log_prior, beta, y, weight):
    x = q.clone().requires_grad_()
    value = torch.logsumexp(log_prior + beta * x, -1) / beta
    log_p = (log_prior + beta * x).log_softmax(-1)
    p = log_p.exp()
    kl = (p * (log_p - log_prior)).sum(-1)
    delta = (y - (kl / beta + value).unsqueeze(-1)).detach()
    first = -(weight.unsqueeze(-1) * p.detach() * delta * log_p).sum() / beta
    third = (
        0.5
        * (
            weight.unsqueeze(-1)
            * p.detach()
            * (delta + value.detach().unsqueeze(-1) - value.unsqueeze(-1)) ** 2
        ).sum()
    )
    second = (weight * kl).sum() / beta**2
    return [
        torch.autograd.grad(loss, x, retain_graph=True)[0]
        for loss in (first, second, third)
    ]


@right("7.4", "one stacked tensor, einsum")
def _(q, log_prior, beta, y, weight):
    p, ratio, kl, delta, mean = _three(q, log_prior, beta, y)
    parts = torch.stack([mean - delta, (ratio - kl) / beta, -mean.expand_as(q)])
    return torch.einsum("s,sa,ksa->ksa", weight, p, parts)


@right("7.4", "y without V: KL and V cancel in the first")
def _(q, log_prior, beta, y, weight):
    p, _, _, _, mean = _three(q, log_prior, beta, y)
    w = weight[:, None] * p
    return (
        w * ((p * y).sum(-1, keepdim=True) - y),
        w * (q - (p * q).sum(-1, keepdim=True)),
        -w * mean,
    )


# ---- 7.5 the squashed log-density ----


@inputs("7.5")
def _(rng):
    return [
        (tensor([0.0]), tensor([0.0]), tensor([0.5])),
        (normal(rng, 3), normal(rng, 3), normal(rng, 3)),
        (normal(rng, 5, 2), normal(rng, 5, 2), normal(rng, 5, 2)),
        (normal(rng, 3, 3), normal(rng, 3, 3), normal(rng, 3, 3)),
        (tensor([1.0, 0.0]), tensor([0.0, 1.0]), tensor([40.0, -40.0])),
        (tensor([1.0, 0.0]), tensor([1.0, -1.0]), tensor([-20.0, 10.0])),
        (normal(rng, 2, 3, 1), normal(rng, 2, 3, 1) - 2, normal(rng, 2, 3, 1)),
    ]


def _log_normal(mean, log_std, u):
    return (
        -0.5 * ((u - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)
    )


def _log_slope(u):
    return 2 * (math.log(2) - u - torch.nn.functional.softplus(-2 * u))


@wrong("7.5", "straight from tanh", "log of zero for large u")
def _(mean, log_std, u):
    return (_log_normal(mean, log_std, u) - (1 - u.tanh() ** 2).log()).sum(-1)


@wrong("7.5", "with the customary 1e-6", "epsilon inside the log")
def _(mean, log_std, u):
    return (_log_normal(mean, log_std, u) - (1 - u.tanh() ** 2 + 1e-6).log()).sum(-1)


@wrong("7.5", "slope added", "sign of the correction")
def _(mean, log_std, u):
    return (_log_normal(mean, log_std, u) + _log_slope(u)).sum(-1)


@wrong("7.5", "no correction", "tanh correction left out")
def _(mean, log_std, u):
    return _log_normal(mean, log_std, u).sum(-1)


@wrong("7.5", "no sum", "sum over the last axis left out")
def _(mean, log_std, u):
    return _log_normal(mean, log_std, u) - _log_slope(u)


@wrong("7.5", "mean for sum", "mean for sum")
def _(mean, log_std, u):
    return (_log_normal(mean, log_std, u) - _log_slope(u)).mean(-1)


@wrong("7.5", "sum over the first axis", "wrong axis")
def _(mean, log_std, u):
    return (_log_normal(mean, log_std, u) - _log_slope(u)).sum(0)


@wrong("7.5", "log σ added", "sign of log std")
def _(mean, log_std, u):
    z = (u - mean) / log_std.exp()
    gauss = -0.5 * z**2 + log_std - 0.5 * math.log(2 * math.pi)
    return (gauss - _log_slope(u)).sum(-1)


@wrong("7.5", "constant forgotten", "log 2 pi left out")
def _(mean, log_std, u):
    z = (u - mean) / log_std.exp()
    return (-0.5 * z**2 - log_std - _log_slope(u)).sum(-1)


@wrong("7.5", "log σ taken for σ", "log std used as std")
def _(mean, log_std, u):
    z = (u - mean) / log_std
    gauss = -0.5 * z**2 - log_std.abs().log() - 0.5 * math.log(2 * math.pi)
    return (gauss - _log_slope(u)).sum(-1)


@wrong("7.5", "not squared", "square left out")
def _(mean, log_std, u):
    gauss = -0.5 * (u - mean) / log_std.exp() - log_std - 0.5 * math.log(2 * math.pi)
    return (gauss - _log_slope(u)).sum(-1)


@wrong("7.5", "divided by σ once", "std not squared")
def _(mean, log_std, u):
    gauss = (
        -0.5 * (u - mean) ** 2 / log_std.exp() - log_std - 0.5 * math.log(2 * math.pi)
    )
    return (gauss - _log_slope(u)).sum(-1)


@wrong("7.5", "half forgotten", "factor one half left out")
def _(mean, log_std, u):
    z = (u - mean) / log_std.exp()
    return (-(z**2) - log_std - 0.5 * math.log(2 * math.pi) - _log_slope(u)).sum(-1)


@wrong("7.5", "log 2π in place of its half", "constant not halved")
def _(mean, log_std, u):
    z = (u - mean) / log_std.exp()
    return (-0.5 * z**2 - log_std - math.log(2 * math.pi) - _log_slope(u)).sum(-1)


@wrong("7.5", "identity without its factor 2", "factor 2 of the correction left out")
def _(mean, log_std, u):
    return (_log_normal(mean, log_std, u) - _log_slope(u) / 2).sum(-1)


@wrong("7.5", "softplus(2u)", "sign inside softplus")
def _(mean, log_std, u):
    slope = 2 * (math.log(2) - u - torch.nn.functional.softplus(2 * u))
    return (_log_normal(mean, log_std, u) - slope).sum(-1)


@wrong("7.5", "density", "density, not its log")
def _(mean, log_std, u):
    return (_log_normal(mean, log_std, u) - _log_slope(u)).sum(-1).exp()


@wrong("7.5", "slope of tanh without the square", "1 - tanh u for 1 - tanh^2 u")
def _(mean, log_std, u):
    return (_log_normal(mean, log_std, u) - (1 - u.tanh()).clamp(min=1e-30).log()).sum(
        -1
    )


@wrong("7.5", "clamped tanh", "clamped tanh: finite but wrong for large u")
def _(mean, log_std, u):
    a = u.tanh().clamp(-1 + 1e-7, 1 - 1e-7)
    return (_log_normal(mean, log_std, u) - (1 - a**2).log()).sum(-1)


@right("7.5", "torch's Normal and TanhTransform's identity")
def _(mean, log_std, u):
    normal = torch.distributions.Normal(mean, log_std.exp())
    slope = torch.distributions.transforms.TanhTransform().log_abs_det_jacobian(
        u, u.tanh()
    )
    return (normal.log_prob(u) - slope).sum(-1)


@right("7.5", "log cosh: −2 log cosh u")
def _(mean, log_std, u):
    log_cosh = u.abs() + torch.log1p(torch.exp(-2 * u.abs())) - math.log(2)
    return (_log_normal(mean, log_std, u) + 2 * log_cosh).sum(dim=-1)


@right("7.5", "NumPy")
def _(mean, log_std, u):
    m, s, x = mean.numpy(), np.exp(log_std.numpy()), u.numpy()
    gauss = -((x - m) ** 2) / (2 * s**2) - np.log(s * np.sqrt(2 * np.pi))
    return np.sum(gauss + 2 * (x + np.logaddexp(0, -2 * x) - np.log(2)), axis=-1)


@right("7.5", "a loop over the last axis")
def _(mean, log_std, u):
    total = torch.zeros(u.shape[:-1], dtype=u.dtype)
    for d in range(u.shape[-1]):
        args = mean[..., d], log_std[..., d], u[..., d]
        total = total + _log_normal(*args) - _log_slope(u[..., d])
    return total
