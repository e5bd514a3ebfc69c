"""Chapter 08: the policies of two columns, the centroid, the price of leaving it."""

import numpy as np
import torch

from corpus import inputs, normal, policy, right, tensor, values, wrong

# ---- 8.1 two columns ----


@inputs("8.1")
def _(rng):
    return [
        (tensor([0.5, 0.3, 0.2]), tensor([1.0, 0.0, -1.0]), 0.5, 2.0),
        (policy(rng, 4), normal(rng, 4), 0.0, 1.0),
        (policy(rng, 4), normal(rng, 4), 1.0, 5.0),
        (policy(rng, 5, 3), normal(rng, 5, 3), 0.8, 3.0),
        (policy(rng, 3, 3), normal(rng, 3, 3), 0.9, 0.2),
        (policy(rng, 2, 2, 4), 10 * normal(rng, 2, 2, 4), 0.7, 30.0),
    ]


@wrong("8.1", "prior not logged", "log of pi0 left out")
def _(pi0, f, alpha, beta):
    return (alpha * pi0 + beta * f).log_softmax(-1)


@wrong("8.1", "α forgotten", "alpha left out")
def _(pi0, f, alpha, beta):
    return (pi0.log() + beta * f).log_softmax(-1)


@wrong("8.1", "α and β exchanged", "alpha and beta swapped")
def _(pi0, f, alpha, beta):
    return (beta * pi0.log() + alpha * f).log_softmax(-1)


@wrong("8.1", "probabilities returned", "probabilities, not their log")
def _(pi0, f, alpha, beta):
    return (alpha * pi0.log() + beta * f).softmax(-1)


@wrong("8.1", "not normalised", "normalisation left out")
def _(pi0, f, alpha, beta):
    return alpha * pi0.log() + beta * f


@wrong("8.1", "distilled policy forgotten", "pi0 left out")
def _(pi0, f, alpha, beta):
    return (beta * f).log_softmax(-1)


@wrong("8.1", "f forgotten", "f left out")
def _(pi0, f, alpha, beta):
    return (alpha * pi0.log()).log_softmax(-1)


@wrong("8.1", "β a temperature", "f / beta")
def _(pi0, f, alpha, beta):
    return (alpha * pi0.log() + f / beta).log_softmax(-1)


@wrong("8.1", "convex mixture of policies", "mixture of probabilities, not a product")
def _(pi0, f, alpha, beta):
    return (alpha * pi0 + (1 - alpha) * (beta * f).softmax(-1)).log()


@wrong("8.1", "normalised over states", "wrong axis")
def _(pi0, f, alpha, beta):
    return (alpha * pi0.log() + beta * f).log_softmax(0)


@wrong("8.1", "softmax of the probabilities first", "softmax of pi0 before its log")
def _(pi0, f, alpha, beta):
    return (alpha * pi0.log_softmax(-1) + beta * f).log_softmax(-1)


@wrong("8.1", "minus α log π₀", "sign of the prior's term")
def _(pi0, f, alpha, beta):
    return (beta * f - alpha * pi0.log()).log_softmax(-1)


@wrong("8.1", "base-2 logarithm of the prior", "log2 for log")
def _(pi0, f, alpha, beta):
    return (alpha * pi0.log2() + beta * f).log_softmax(-1)


@wrong("8.1", "base-10 logarithm of the result", "log10 for log")
def _(pi0, f, alpha, beta):
    return (alpha * pi0.log() + beta * f).log_softmax(-1) / np.log(10)


@wrong("8.1", "α/β log π₀, as in the reward", "alpha / beta for alpha")
def _(pi0, f, alpha, beta):
    return (alpha / beta * pi0.log() + f).log_softmax(-1)


@wrong("8.1", "divided by the number of actions", "mean for sum in the normaliser")
def _(pi0, f, alpha, beta):
    x = alpha * pi0.log() + beta * f
    return x - (x.logsumexp(-1, keepdim=True) - np.log(x.shape[-1]))


@right("8.1", "minus logsumexp")
def _(pi0, f, alpha, beta):
    x = torch.log(pi0) * alpha + f * beta
    return x - x.logsumexp(dim=-1, keepdim=True)


@right("8.1", "powers, stabilised, then a log of the sum only")
def _(pi0, f, alpha, beta):
    top = f.amax(-1, keepdim=True)
    total = (pi0**alpha * (beta * (f - top)).exp()).sum(-1, keepdim=True)
    return alpha * pi0.log() + beta * (f - top) - total.log()


@right("8.1", "NumPy")
def _(pi0, f, alpha, beta):
    x = alpha * np.log(pi0.numpy()) + beta * f.numpy()
    return x - np.logaddexp.reduce(x, -1, keepdims=True)


@right("8.1", "float32 log_softmax of float64 logits")
def _(pi0, f, alpha, beta):
    return torch.nn.functional.log_softmax(alpha * pi0.log() + beta * f, dim=-1).float()


# ---- 8.2 the centroid ----


@inputs("8.2")
def _(rng):
    def visits(k, s):
        return torch.as_tensor(
            rng.uniform(0, 5, size=(k, s)) * (rng.random((k, s)) < 0.7)
        )

    nowhere = tensor([[1.0, 0.0, 0.0], [2.0, 0.0, 3.0]])
    return [
        (policy(rng, 2, 3, 4), nowhere),
        (policy(rng, 1, 3, 2), visits(1, 3)),
        (policy(rng, 3, 3, 3), visits(3, 3)),
        (policy(rng, 4, 6, 2), visits(4, 6)),
        (policy(rng, 2, 5, 5), torch.zeros(2, 5, dtype=torch.float64)),
        (policy(rng, 2, 2, 3), 1e-9 * visits(2, 2)),
    ]


def _uniform(policies):
    return torch.full_like(policies[0], 1 / policies.shape[-1])


@wrong("8.2", "plain mean of the policies", "visits left out")
def _(policies, visits):
    return policies.mean(0)


@wrong("8.2", "0/0 where nobody is", "NaN where no task ever is")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0)
    return mix / mix.sum(-1, keepdim=True)


@wrong("8.2", "zeros where nobody is", "zeros for uniform where no task is")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0)
    return mix / mix.sum(-1, keepdim=True).clamp(min=1e-300)


@wrong("8.2", "small number added to the divisor", "epsilon in the divisor")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0)
    total = mix.sum(-1, keepdim=True)
    return torch.where(total > 0, mix / (total + 1e-8), _uniform(policies))


@wrong("8.2", "not normalised", "normalisation left out")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0)
    return torch.where(mix.sum(-1, keepdim=True) > 0, mix, _uniform(policies))


@wrong("8.2", "normalised over everything", "sum over all states")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0)
    total = mix.sum(-1, keepdim=True)
    return torch.where(total > 0, mix / mix.sum().clamp(min=1e-300), _uniform(policies))


@wrong("8.2", "weighted by each task's whole visits", "visits summed over states")
def _(policies, visits):
    weight = visits.sum(-1)
    if weight.sum() == 0:
        return _uniform(policies)
    return torch.einsum("k,ksa->sa", weight / weight.sum(), policies)


@wrong("8.2", "visits of each task normalised first", "visits normalised over states")
def _(policies, visits):
    share = visits / visits.sum(-1, keepdim=True).clamp(min=1e-300)
    mix = (share.unsqueeze(-1) * policies).sum(0)
    total = mix.sum(-1, keepdim=True)
    return torch.where(total > 0, mix / total.clamp(min=1e-300), _uniform(policies))


@wrong("8.2", "logs averaged", "geometric for arithmetic mean")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies.log()).sum(0)
    total = visits.sum(0).unsqueeze(-1)
    mean = (mix / total.clamp(min=1e-300)).softmax(-1)
    return torch.where(total > 0, mean, _uniform(policies))


@wrong(
    "8.2", "tasks that were there count alike", "visited or not, in place of how often"
)
def _(policies, visits):
    mix = ((visits > 0).to(policies.dtype).unsqueeze(-1) * policies).sum(0)
    total = mix.sum(-1, keepdim=True)
    return torch.where(total > 0, mix / total.clamp(min=1), _uniform(policies))


@wrong("8.2", "uniform where any task is missing", "any for all")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0)
    everywhere = (visits > 0).all(0).unsqueeze(-1)
    total = mix.sum(-1, keepdim=True).clamp(min=1e-300)
    return torch.where(everywhere, mix / total, _uniform(policies))


@wrong("8.2", "mean policy where nobody is", "mean of the policies for uniform")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0)
    total = mix.sum(-1, keepdim=True)
    return torch.where(total > 0, mix / total.clamp(min=1e-300), policies.mean(0))


@wrong("8.2", "the task that is there most", "argmax over tasks")
def _(policies, visits):
    most = visits.argmax(0)
    chosen = policies[most, torch.arange(policies.shape[1])]
    return torch.where(visits.sum(0).unsqueeze(-1) > 0, chosen, _uniform(policies))


@wrong("8.2", "uniform is one over the states", "1/S for 1/A")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0)
    total = mix.sum(-1, keepdim=True)
    other = torch.full_like(mix, 1 / policies.shape[1])
    return torch.where(total > 0, mix / total.clamp(min=1e-300), other)


@wrong("8.2", "axis in front", "visits.unsqueeze(1): wrong axis or raises")
def _(policies, visits):
    mix = (visits.unsqueeze(1) * policies).sum(0)
    total = mix.sum(-1, keepdim=True)
    return torch.where(total > 0, mix / total.clamp(min=1e-300), _uniform(policies))


@wrong("8.2", "sum over states, not tasks", "sum over the wrong axis")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(1)
    total = mix.sum(-1, keepdim=True)
    return mix / total.clamp(min=1e-300)


@wrong("8.2", "divided by the number of tasks", "divided by K, not by the visits")
def _(policies, visits):
    mix = (visits.unsqueeze(-1) * policies).sum(0) / len(policies)
    return torch.where(mix.sum(-1, keepdim=True) > 0, mix, _uniform(policies))


@wrong("8.2", "ones added to all counts", "Laplace smoothing")
def _(policies, visits):
    mix = ((visits + 1).unsqueeze(-1) * policies).sum(0)
    return mix / mix.sum(-1, keepdim=True)


@right("8.2", "einsum and a mask")
def _(policies, visits):
    mix = torch.einsum("ks,ksa->sa", visits, policies)
    seen = visits.sum(0)
    out = _uniform(policies)
    out[seen > 0] = mix[seen > 0] / seen[seen > 0].unsqueeze(-1)
    return out


@right("8.2", "nan_to_num-free: weights first")
def _(policies, visits):
    total = visits.sum(0)
    weight = torch.where(total > 0, visits, 1.0)
    mix = (weight.unsqueeze(-1) * policies).sum(0)
    mix = mix / mix.sum(-1, keepdim=True)
    return torch.where((total > 0).unsqueeze(-1), mix, _uniform(policies))


@right("8.2", "loops, lists")
def _(policies, visits):
    tasks, states, actions = policies.shape
    out = []
    for s in range(states):
        total = sum(float(visits[i, s]) for i in range(tasks))
        row = []
        for a in range(actions):
            mass = sum(float(visits[i, s] * policies[i, s, a]) for i in range(tasks))
            row.append(mass / total if total > 0 else 1 / actions)
        out.append(row)
    return torch.tensor(out, dtype=torch.float64)


@right("8.2", "NumPy with where=")
def _(policies, visits):
    mix = (visits.numpy()[..., None] * policies.numpy()).sum(0)
    total = mix.sum(-1, keepdims=True)
    out = np.full_like(mix, 1 / mix.shape[-1])
    return np.divide(mix, total, out=out, where=np.broadcast_to(total > 0, mix.shape))


values(
    "8.3",
    ["b", "B"],
    {
        "a": "policies equal",
        "c": "prior uniform",
        "d": "beta cancels",
        "e": "no such option",
        2: "a number in place of the letter",
    },
)

# ---- 8.4 the price of leaving ----


@inputs("8.4")
def _(rng):
    found = []
    for k, s, a, alpha, beta in (
        (1, 1, 2, 0.5, 2.0),
        (2, 3, 4, 0.8, 5.0),
        (3, 3, 3, 0.9, 0.5),
        (4, 2, 5, 1.0, 10.0),
        (2, 4, 2, 0.0, 1.0),
    ):
        found.append((policy(rng, k, s, a).log(), policy(rng, s, a).log(), alpha, beta))
    return found


@wrong("8.4", "the colleague's line", "averaged under pi0 in place of pi_i")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi0.exp() * (log_pi - log_pi0)).sum(-1)


@wrong("8.4", "KL(π₀ ‖ πᵢ)", "KL the other way round")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi0.exp() * (log_pi0 - log_pi)).sum(-1)


@wrong("8.4", "ratio upside down", "sign of the log-ratio")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi.exp() * (log_pi0 - log_pi)).sum(-1)


@wrong("8.4", "made positive by abs", "absolute value of the colleague's line")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi0.exp() * (log_pi - log_pi0)).sum(-1).abs()


@wrong("8.4", "negative part cut off", "clamped at zero")
def _(log_pi, log_pi0, alpha, beta):
    return (alpha / beta * (log_pi0.exp() * (log_pi - log_pi0)).sum(-1)).clamp(min=0)


@wrong("8.4", "β/α", "factor upside down")
def _(log_pi, log_pi0, alpha, beta):
    return beta / max(alpha, 1e-9) * (log_pi.exp() * (log_pi - log_pi0)).sum(-1)


@wrong("8.4", "α forgotten", "alpha left out")
def _(log_pi, log_pi0, alpha, beta):
    return (log_pi.exp() * (log_pi - log_pi0)).sum(-1) / beta


@wrong("8.4", "β forgotten", "beta left out")
def _(log_pi, log_pi0, alpha, beta):
    return alpha * (log_pi.exp() * (log_pi - log_pi0)).sum(-1)


@wrong("8.4", "αβ", "product for quotient")
def _(log_pi, log_pi0, alpha, beta):
    return alpha * beta * (log_pi.exp() * (log_pi - log_pi0)).sum(-1)


@wrong("8.4", "not exponentiated", "exp left out: log pi as a weight")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi * (log_pi - log_pi0)).sum(-1)


@wrong("8.4", "mean over actions", "mean for sum")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi.exp() * (log_pi - log_pi0)).mean(-1)


@wrong("8.4", "summed over tasks", "wrong axis: sum over tasks")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi.exp() * (log_pi - log_pi0)).sum(0)


@wrong("8.4", "one number for all states", "sum over everything")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi.exp() * (log_pi - log_pi0)).sum()


@wrong("8.4", "negative entropy", "prior left out")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi.exp() * log_pi).sum(-1)


@wrong("8.4", "symmetric divergence", "mean of both directions")
def _(log_pi, log_pi0, alpha, beta):
    both = ((log_pi.exp() - log_pi0.exp()) * (log_pi - log_pi0)).sum(-1)
    return alpha / beta * both / 2


@wrong("8.4", "α inside: KL to π₀^α", "alpha on log pi0 inside the log-ratio")
def _(log_pi, log_pi0, alpha, beta):
    return (log_pi.exp() * (log_pi - alpha * log_pi0)).sum(-1) / beta


@wrong("8.4", "in bits", "log2 for log")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi.exp() * (log_pi - log_pi0)).sum(-1) / np.log(2)


@wrong("8.4", "total variation", "probabilities' difference for the log-ratio")
def _(log_pi, log_pi0, alpha, beta):
    return alpha / beta * (log_pi.exp() * (log_pi.exp() - log_pi0.exp())).sum(-1)


@right("8.4", "torch's kl_div with log targets")
def _(log_pi, log_pi0, alpha, beta):
    prior = log_pi0.expand_as(log_pi)
    each = torch.nn.functional.kl_div(prior, log_pi, reduction="none", log_target=True)
    return alpha * each.sum(-1) / beta


@right("8.4", "minus entropy plus cross-entropy, einsum")
def _(log_pi, log_pi0, alpha, beta):
    p = log_pi.exp()
    kl = torch.einsum("ksa,ksa->ks", p, log_pi) - torch.einsum("ksa,sa->ks", p, log_pi0)
    return alpha / beta * kl


@right("8.4", "torch.distributions")
def _(log_pi, log_pi0, alpha, beta):
    one = torch.distributions.Categorical(logits=log_pi)
    other = torch.distributions.Categorical(logits=log_pi0.expand_as(log_pi))
    return (alpha / beta) * torch.distributions.kl_divergence(one, other)


@right("8.4", "a list of rows, one a task")
def _(log_pi, log_pi0, alpha, beta):
    rows = [(task.exp() * (task - log_pi0)).sum(1) * alpha / beta for task in log_pi]
    return torch.stack(rows)
