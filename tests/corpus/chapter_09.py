"""Chapter 09: how a task acts, its target, the distillation loss, counters."""

import numpy as np
import torch

from corpus import flags, inputs, normal, policy, right, values, whole, wrong

# ---- 9.1 how a task acts ----


@inputs("9.1")
def _(rng):
    found = []
    for columns in (1, 2):
        for shape, alpha, beta, prime in (
            ((3,), 0.5, 2.0, 3.0),
            ((4, 3), 0.8, 5.0, 1.0),
            ((3, 3), 1.0, 0.3, 7.0),
            ((2, 3, 4), 0.0, 1.5, 0.5),
        ):
            found.append(
                (normal(rng, *shape), normal(rng, *shape), columns, alpha, beta, prime)
            )
    return found


def _softmax(logits):
    return torch.log_softmax(logits, -1)


@wrong("9.1", "branches exchanged", "columns the wrong way round")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(beta_prime * f if columns == 2 else alpha * h + beta * f)


@wrong("9.1", "always two columns", "columns ignored: two")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(alpha * h + beta * f)


@wrong("9.1", "always one column", "columns ignored: one")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(beta_prime * f)


@wrong("9.1", "β for β′", "beta for beta_prime with one column")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(beta * f if columns == 1 else alpha * h + beta * f)


@wrong("9.1", "β′ in both", "beta_prime for beta with two columns")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(beta_prime * f if columns == 1 else alpha * h + beta_prime * f)


@wrong("9.1", "prior in one column too", "h used with one column")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(h + beta_prime * f if columns == 1 else alpha * h + beta * f)


@wrong("9.1", "α forgotten", "alpha left out")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(beta_prime * f if columns == 1 else h + beta * f)


@wrong("9.1", "α and β exchanged", "alpha and beta swapped")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(beta_prime * f if columns == 1 else beta * h + alpha * f)


@wrong("9.1", "f and h exchanged", "f and h swapped")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(beta_prime * h if columns == 1 else alpha * f + beta * h)


@wrong("9.1", "probabilities", "log left out")
def _(f, h, columns, alpha, beta, beta_prime):
    return torch.softmax(beta_prime * f if columns == 1 else alpha * h + beta * f, -1)


@wrong("9.1", "logits", "normalisation left out")
def _(f, h, columns, alpha, beta, beta_prime):
    return beta_prime * f if columns == 1 else alpha * h + beta * f


@wrong("9.1", "first axis", "wrong axis")
def _(f, h, columns, alpha, beta, beta_prime):
    return torch.log_softmax(
        beta_prime * f if columns == 1 else alpha * h + beta * f, 0
    )


@wrong("9.1", "temperature", "f / beta")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(f / beta_prime if columns == 1 else alpha * h + f / beta)


@wrong("9.1", "nothing returned with two columns", "return missing in one branch")
def _(f, h, columns, alpha, beta, beta_prime):
    if columns == 1:
        return _softmax(beta_prime * f)
    _softmax(alpha * h + beta * f)


@wrong("9.1", "greedy", "argmax")
def _(f, h, columns, alpha, beta, beta_prime):
    x = beta_prime * f if columns == 1 else alpha * h + beta * f
    return torch.nn.functional.one_hot(x.argmax(-1), x.shape[-1]).to(x.dtype)


@wrong("9.1", "h softmaxed without a log", "softmax of h for h")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(
        beta_prime * f if columns == 1 else alpha * h.softmax(-1) + beta * f
    )


@wrong("9.1", "the two columns averaged", "sum halved")
def _(f, h, columns, alpha, beta, beta_prime):
    return _softmax(beta_prime * f if columns == 1 else (alpha * h + beta * f) / 2)


@right("9.1", "early return and minus logsumexp")
def _(f, h, columns, alpha, beta, beta_prime):
    if columns == 1:
        x = beta_prime * f
        return x - x.logsumexp(-1, keepdim=True)
    x = alpha * h + beta * f
    return x - x.logsumexp(-1, keepdim=True)


@right("9.1", "prior's log-probabilities: a constant drops out")
def _(f, h, columns, alpha, beta, beta_prime):
    prior = h.log_softmax(-1)
    weights = {1: (0.0, beta_prime), 2: (alpha, beta)}[columns]
    return (weights[0] * prior + weights[1] * f).log_softmax(dim=-1)


@right("9.1", "NumPy")
def _(f, h, columns, alpha, beta, beta_prime):
    f, h = f.numpy(), h.numpy()
    x = np.where(columns == 1, beta_prime * f, alpha * h + beta * f)
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


# ---- 9.2 the target ----


@inputs("9.2")
def _(rng):
    found = []
    both = (
        torch.tensor([False, True, False, True]),
        torch.tensor([False, False, True, True]),
    )
    f, prior = normal(rng, 3, 2), policy(rng, 3, 2).log()
    four = whole(rng, 3, 4), normal(rng, 4), whole(rng, 3, 4), *both
    found.append((f, prior, *four, 0.5, 2.0, 0.9))
    for s, a, b, alpha, beta, gamma in (
        (2, 2, 1, 0.0, 1.0, 0.5),
        (4, 3, 8, 0.8, 5.0, 0.99),
        (3, 3, 3, 1.0, 0.2, 1.0),
        (5, 5, 30, 0.9, 300.0, 0.95),
    ):
        steps = (
            whole(rng, s, b),
            normal(rng, b),
            whole(rng, s, b),
            flags(rng, b),
            flags(rng, b),
        )
        found.append(
            (normal(rng, s, a), policy(rng, s, a).log(), *steps, alpha, beta, gamma)
        )
    shifted = 5 + normal(rng, 4, 3), policy(rng, 4, 3).log()
    steps = (
        whole(rng, 4, 9),
        normal(rng, 9),
        whole(rng, 4, 9),
        flags(rng, 9),
        flags(rng, 9),
    )
    found.append((*shifted, *steps, 0.7, 400.0, 0.9))
    return found


def _v(f, log_pi0, alpha, beta):
    return torch.logsumexp(alpha * log_pi0 + beta * f, -1) / beta


@wrong("9.2", "value of the state left", "state for next_state")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * ~terminal * _v(f[state], log_pi0[state], alpha, beta)


@wrong("9.2", "prior of the state left", "state for next_state in the prior")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * ~terminal * _v(f[next_state], log_pi0[state], alpha, beta)


@wrong("9.2", "f of the state left", "state for next_state in f")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * ~terminal * _v(f[state], log_pi0[next_state], alpha, beta)


@wrong("9.2", "no endings", "terminal ignored")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * _v(f[next_state], log_pi0[next_state], alpha, beta)


@wrong("9.2", "a cut ends", "truncated treated as terminal")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    done = terminal | truncated
    return reward + gamma * ~done * _v(f[next_state], log_pi0[next_state], alpha, beta)


@wrong("9.2", "cuts in place of goals", "the other flag")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * ~truncated * _v(
        f[next_state], log_pi0[next_state], alpha, beta
    )


@wrong("9.2", "a cut goal goes on", "both flags at once")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    v = _v(f[next_state], log_pi0[next_state], alpha, beta)
    return reward + gamma * ~(terminal & ~truncated) * v


@wrong("9.2", "mask not inverted", "mask inverted")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * terminal * _v(
        f[next_state], log_pi0[next_state], alpha, beta
    )


@wrong("9.2", "α forgotten", "alpha left out")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * ~terminal * _v(
        f[next_state], log_pi0[next_state], 1.0, beta
    )


@wrong("9.2", "prior forgotten", "prior left out")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * ~terminal * _v(
        f[next_state], log_pi0[next_state], 0.0, beta
    )


@wrong("9.2", "α and β exchanged", "alpha and beta swapped")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    x = beta * log_pi0[next_state] + alpha * f[next_state]
    return reward + gamma * ~terminal * torch.logsumexp(x, -1) / beta


@wrong("9.2", "1/β forgotten", "division by beta left out")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    x = alpha * log_pi0[next_state] + beta * f[next_state]
    return reward + gamma * ~terminal * torch.logsumexp(x, -1)


@wrong("9.2", "γ forgotten", "discount left out")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + ~terminal * _v(f[next_state], log_pi0[next_state], alpha, beta)


@wrong("9.2", "hard maximum", "max for the soft value")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    return reward + gamma * ~terminal * f[next_state].max(-1).values


@wrong("9.2", "overflows", "overflow: exp without logsumexp")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    total = (log_pi0.exp() ** alpha * (beta * f).exp()).sum(-1)
    v = total.log() / beta
    return torch.where(terminal, reward, reward + gamma * v[next_state])


@wrong("9.2", "divided by α", "1/alpha for 1/beta")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    x = alpha * log_pi0[next_state] + beta * f[next_state]
    return reward + gamma * ~terminal * torch.logsumexp(x, -1) / max(alpha, 1e-9)


@wrong("9.2", "reward masked", "reward dropped at the goal")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    v = _v(f[next_state], log_pi0[next_state], alpha, beta)
    return ~terminal * (reward + gamma * v)


@wrong("9.2", "α/β in the exponent", "alpha / beta for alpha")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    v = _v(f[next_state], log_pi0[next_state], alpha / beta, beta)
    return reward + gamma * ~terminal * v


@wrong("9.2", "cut steps get no reward", "reward dropped at cuts")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    v = _v(f[next_state], log_pi0[next_state], alpha, beta)
    return reward * ~truncated + gamma * ~terminal * v


@right("9.2", "where, values of all states")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    v = torch.logsumexp(alpha * log_pi0 + beta * f, dim=1) / beta
    return torch.where(terminal, reward, reward + gamma * v[next_state])


@right("9.2", "maximum subtracted by hand")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    x = (alpha * log_pi0 + beta * f)[next_state]
    top = x.amax(-1, keepdim=True)
    v = (top.squeeze(-1) + (x - top).exp().sum(-1).log()) / beta
    v[terminal] = 0
    return reward + gamma * v


@right("9.2", "NumPy, float32 result")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    x = alpha * log_pi0.numpy() + beta * f.numpy()
    v = np.logaddexp.reduce(x, axis=1)[next_state.numpy()] / beta
    y = reward.numpy() + gamma * (1.0 - terminal.numpy()) * v
    return y.astype(np.float32)


@right("9.2", "comprehension, floats")
def _(f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma):
    x = alpha * log_pi0 + beta * f
    steps = zip(reward.tolist(), next_state.tolist(), terminal.tolist(), strict=True)
    return torch.tensor(
        [
            r + (0 if end else gamma * float(x[s].logsumexp(0)) / beta)
            for r, s, end in steps
        ],
        dtype=torch.float64,
    )


# ---- 9.3 the distillation loss ----


@inputs("9.3")
def _(rng):
    found = []
    for s, a, k, c, gamma, newest in (
        (1, 3, 1, 3, 0.5, 2),
        (4, 3, 2, 6, 0.9, 6),
        (3, 3, 3, 5, 0.99, 1),
        (5, 2, 4, 10, 1.0, 4),
        (6, 4, 3, 8, 0.7, 3),
    ):
        steps = whole(rng, s, k, c), whole(rng, a, k, c), whole(rng, 12, k, c)
        found.append((policy(rng, s, a).log(), *steps, gamma, newest))
    return found


def _newest(newest, *fields):
    return [field[:, -newest:] for field in fields]


@wrong("9.3", "sign", "minus sign left out")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return (gamma ** t.double() * log_pi0[s, a]).mean()


@wrong("9.3", "whole memories", "newest ignored")
def _(log_pi0, state, action, time, gamma, newest):
    return -(gamma ** time.double() * log_pi0[state, action]).mean()


@wrong("9.3", "the oldest", "first, not newest, transitions")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = state[:, :newest], action[:, :newest], time[:, :newest]
    return -(gamma ** t.double() * log_pi0[s, a]).mean()


@wrong("9.3", "newest tasks in place of newest steps", "wrong axis: field[-newest:]")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = state[-newest:], action[-newest:], time[-newest:]
    return -(gamma ** t.double() * log_pi0[s, a]).mean()


@wrong("9.3", "γ^t forgotten", "weights left out")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, _ = _newest(newest, state, action, time)
    return -log_pi0[s, a].mean()


@wrong("9.3", "sum", "sum for mean")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return -(gamma ** t.double() * log_pi0[s, a]).sum()


@wrong("9.3", "mean over time, sum over tasks", "mean over one axis only")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return -(gamma ** t.double() * log_pi0[s, a]).mean(1).sum()


@wrong("9.3", "divided by the sum of weights", "weighted mean")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    w = gamma ** t.double()
    return -(w * log_pi0[s, a]).sum() / w.sum()


@wrong("9.3", "γ·t", "gamma * t for gamma ** t")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return -(gamma * t.double() * log_pi0[s, a]).mean()


@wrong("9.3", "position in the memory for the time", "place for time in the episode")
def _(log_pi0, state, action, time, gamma, newest):
    s, a = state[:, -newest:], action[:, -newest:]
    t = torch.arange(s.shape[1]).double()
    return -(gamma**t * log_pi0[s, a]).mean()


@wrong("9.3", "all actions", "action not looked up")
def _(log_pi0, state, action, time, gamma, newest):
    s, _, t = _newest(newest, state, action, time)
    return -(gamma ** t.double() * log_pi0[s].sum(-1)).mean()


@wrong("9.3", "probabilities", "pi0 for log pi0")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return -(gamma ** t.double() * log_pi0[s, a].exp()).mean()


@wrong("9.3", "one transition too few", "off by one: newest - 1")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(max(newest - 1, 1), state, action, time)
    return -(gamma ** t.double() * log_pi0[s, a]).mean()


@wrong("9.3", "last one left out", "slice [-newest:-1]")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = (field[:, -newest - 1 : -1] for field in (state, action, time))
    return -(gamma ** t.double() * log_pi0[s, a]).mean()


@wrong("9.3", "times not cut to the newest", "oldest times with newest steps")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = state[:, -newest:], action[:, -newest:], time[:, :newest]
    return -(gamma ** t.double() * log_pi0[s, a]).mean()


@wrong("9.3", "one number a task", "mean over tasks left out")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return -(gamma ** t.double() * log_pi0[s, a]).mean(1)


@wrong("9.3", "t + 1", "exponent one too large")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return -(gamma ** (t + 1).double() * log_pi0[s, a]).mean()


@wrong("9.3", "index exchanged", "state and action swapped in the index")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return -(gamma ** t.double() * log_pi0[a, s]).mean()


@wrong("9.3", "gradient cut off and rounded", "item() rounded")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = _newest(newest, state, action, time)
    return round(float(-(gamma ** t.double() * log_pi0[s, a]).mean()), 2)


@right("9.3", "gather, mean by hand")
def _(log_pi0, state, action, time, gamma, newest):
    s, a, t = state[:, -newest:], action[:, -newest:], time[:, -newest:]
    chosen = log_pi0[s].gather(-1, a.unsqueeze(-1)).squeeze(-1)
    return -torch.sum(torch.pow(gamma, t.to(torch.float64)) * chosen) / s.numel()


@right("9.3", "indices from the front")
def _(log_pi0, state, action, time, gamma, newest):
    begin = state.shape[1] - newest
    s, a, t = (
        state[:, begin:].flatten(),
        action[:, begin:].flatten(),
        time[:, begin:].flatten(),
    )
    nll = torch.nn.functional.nll_loss(log_pi0[s], a, reduction="none")
    return (nll * gamma**t).mean()


@right("9.3", "one-hot instead of an index")
def _(log_pi0, state, action, time, gamma, newest):
    hot = torch.nn.functional.one_hot(action[:, -newest:], log_pi0.shape[1]).double()
    chosen = (log_pi0[state[:, -newest:]] * hot).sum(-1)
    return -(chosen * gamma ** time[:, -newest:].double()).mean()


@right("9.3", "mean of the tasks' means, which have equal length")
def _(log_pi0, state, action, time, gamma, newest):
    losses = []
    for s, a, t in zip(state, action, time, strict=True):
        terms = gamma ** t[-newest:].double() * log_pi0[s[-newest:], a[-newest:]]
        losses.append(-terms.mean())
    return sum(losses) / len(losses)


# ---- 9.4 counters ----


@inputs("9.4")
def _(rng):
    four = (
        torch.tensor([False, True, False, True]),
        torch.tensor([False, False, True, True]),
    )
    found = [(torch.tensor([3, 0, 7, 9]), torch.tensor([0, 2, 1, 5]), *four)]
    for lanes in (1, 2, 6, 20):
        given = whole(rng, 50, lanes), whole(rng, 9, lanes)
        found.append((*given, flags(rng, lanes), flags(rng, lanes)))
    return found


@wrong("9.4", "the colleague's line", "time never reset, cuts not counted")
def _(time, episode, terminal, truncated):
    return time + 1, episode + terminal


@wrong("9.4", "reset mended, cuts not counted", "truncated ignored")
def _(time, episode, terminal, truncated):
    return torch.where(terminal, 0, time + 1), episode + terminal


@wrong("9.4", "cuts counted, time never reset", "time never reset")
def _(time, episode, terminal, truncated):
    return time + 1, episode + (terminal | truncated)


@wrong("9.4", "both flags count two episodes", "both flags at once counted twice")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    return torch.where(ended, 0, time + 1), episode + terminal.long() + truncated.long()


@wrong("9.4", "reset only at goals", "time reset at goals only")
def _(time, episode, terminal, truncated):
    return torch.where(terminal, 0, time + 1), episode + (terminal | truncated)


@wrong("9.4", "episodes counted at goals only", "cuts not counted as episodes")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    return torch.where(ended, 0, time + 1), episode + terminal


@wrong("9.4", "reset to 1", "time starts at 1")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    return torch.where(ended, 1, time + 1), episode + ended


@wrong("9.4", "time not counted on", "+ 1 left out")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    return torch.where(ended, 0, time), episode + ended


@wrong("9.4", "where the wrong way round", "branches of where exchanged")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    return torch.where(ended, time + 1, 0), episode + ended


@wrong("9.4", "order exchanged", "tuple in the wrong order")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    return episode + ended, torch.where(ended, 0, time + 1)


@wrong("9.4", "and for or", "both flags required")
def _(time, episode, terminal, truncated):
    ended = terminal & truncated
    return torch.where(ended, 0, time + 1), episode + ended


@wrong("9.4", "exclusive or", "xor for or: both flags at once")
def _(time, episode, terminal, truncated):
    ended = terminal ^ truncated
    return torch.where(ended, 0, time + 1), episode + ended


@wrong("9.4", "in place", "changes its arguments")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    time += 1
    time[ended] = 0
    episode += ended
    return time, episode


@wrong("9.4", "all lanes at once", "any over lanes")
def _(time, episode, terminal, truncated):
    if (terminal | truncated).any():
        return torch.zeros_like(time), episode + 1
    return time + 1, episode


@wrong("9.4", "reset before counting: 1 after an ending", "order of reset and + 1")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    return time * ~ended + 1, episode + ended


@wrong("9.4", "episodes where not ended", "mask inverted for the episodes")
def _(time, episode, terminal, truncated):
    ended = terminal | truncated
    return torch.where(ended, 0, time + 1), episode + ~ended


@wrong("9.4", "time only", "one value in place of two")
def _(time, episode, terminal, truncated):
    return torch.where(terminal | truncated, 0, time + 1)


@right("9.4", "product with the inverted mask")
def _(time, episode, terminal, truncated):
    done = torch.logical_or(terminal, truncated)
    return (time + 1) * (~done).long(), episode + done.long()


@right("9.4", "lane by lane, two lists")
def _(time, episode, terminal, truncated):
    times, episodes = [], []
    for t, e, end, cut in zip(time, episode, terminal, truncated, strict=True):
        times.append(0 if end or cut else int(t) + 1)
        episodes.append(int(e) + int(bool(end or cut)))
    return torch.tensor(times), torch.tensor(episodes)


@right("9.4", "stacked")
def _(time, episode, terminal, truncated):
    done = (terminal + truncated).bool()
    return torch.stack([(time + 1).masked_fill(done, 0), episode + done])


@right("9.4", "NumPy arrays")
def _(time, episode, terminal, truncated):
    done = (terminal | truncated).numpy()
    return np.where(done, 0, time.numpy() + 1), episode.numpy() + done


values(
    "9.5",
    ["c", "C"],
    {
        "a": "more rounds",
        "b": "longer memory",
        "d": "learning rates",
        "e": "no such option",
        3: "a number in place of the letter",
    },
)
