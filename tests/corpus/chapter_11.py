"""Chapter 11: summaries of runs, budgets, misleading seeds."""

import numpy as np
import torch

from corpus import inputs, right, tensor, values, wrong

NAN = float("nan")

# ---- 11.1 the summary ----


@inputs("11.1")
def _(rng):
    def runs(r, e, least):
        steps = torch.as_tensor(rng.integers(1, 200, size=(r, e)), dtype=torch.float64)
        reached = torch.as_tensor(rng.integers(least, e + 1, size=(r, 1)))
        return torch.where(torch.arange(e) < reached, steps, NAN)

    return [
        (tensor([[10.0, 20.0, 30.0, NAN], [5.0, 5.0, 5.0, 5.0]]), 100.0, 2),
        (runs(4, 6, 0), 200.0, 3),
        (runs(3, 60, 20), 1000.0, 50),
        (runs(5, 8, 8), 300.0, 8),
        (runs(6, 10, 2), 250.0, 1),
        (tensor([[NAN, NAN, NAN]]), 50.0, 2),
    ]


def _filled(durations, cap):
    return torch.where(durations.isnan(), cap, durations)


@wrong("11.1", "the colleague's function", "nanmean: missing episodes ignored")
def _(durations, cap, episodes):
    return durations[..., -episodes:].nanmean(-1)


@wrong("11.1", "NaN all the way", "NaN not replaced")
def _(durations, cap, episodes):
    return durations[..., -episodes:].mean(-1)


@wrong("11.1", "missing counts zero", "zero for a missing episode")
def _(durations, cap, episodes):
    return durations.nan_to_num(0.0)[..., -episodes:].mean(-1)


@wrong("11.1", "first episodes", "first, not last, episodes")
def _(durations, cap, episodes):
    return _filled(durations, cap)[..., :episodes].mean(-1)


@wrong("11.1", "all episodes", "episodes ignored")
def _(durations, cap, episodes):
    return _filled(durations, cap).mean(-1)


@wrong("11.1", "fifty episodes", "50 hard-coded")
def _(durations, cap, episodes):
    return _filled(durations, cap)[..., -50:].mean(-1)


@wrong("11.1", "cap of 1000", "cap hard-coded")
def _(durations, cap, episodes):
    return _filled(durations, 1000.0)[..., -episodes:].mean(-1)


@wrong("11.1", "last finished episodes", "last episodes that were finished")
def _(durations, cap, episodes):
    rows = []
    for row in durations:
        done = row[~row.isnan()][-episodes:]
        rows.append(done.mean() if len(done) else tensor([cap])[0])
    return torch.stack(rows)


@wrong("11.1", "lost runs get the cap, halves none", "cap only for runs with nothing")
def _(durations, cap, episodes):
    mean = durations[..., -episodes:].nanmean(-1)
    return torch.where(mean.isnan(), cap, mean)


@wrong("11.1", "any NaN makes the whole run the cap", "whole run set to the cap")
def _(durations, cap, episodes):
    last = durations[..., -episodes:]
    return torch.where(last.isnan().any(-1), cap, last.nan_to_num(cap).mean(-1))


@wrong("11.1", "runs with NaN dropped", "lost runs left out")
def _(durations, cap, episodes):
    last = durations[..., -episodes:]
    return last[~last.isnan().any(-1)].mean(-1)


@wrong("11.1", "mean over runs", "wrong axis")
def _(durations, cap, episodes):
    return _filled(durations, cap)[..., -episodes:].mean(0)


@wrong("11.1", "one number", "mean over runs as well")
def _(durations, cap, episodes):
    return _filled(durations, cap)[..., -episodes:].mean()


@wrong("11.1", "median", "median for mean")
def _(durations, cap, episodes):
    return _filled(durations, cap)[..., -episodes:].median(-1).values


@wrong("11.1", "one episode more", "off by one: episodes + 1")
def _(durations, cap, episodes):
    return _filled(durations, cap)[..., -episodes - 1 :].mean(-1)


@wrong("11.1", "last one left out", "slice [-episodes:-1]")
def _(durations, cap, episodes):
    filled = _filled(durations, cap)
    return filled[..., -episodes - 1 : -1].mean(-1)


@wrong("11.1", "sum", "sum for mean")
def _(durations, cap, episodes):
    return _filled(durations, cap)[..., -episodes:].sum(-1)


@wrong("11.1", "compares with NaN", "== nan is never true")
def _(durations, cap, episodes):
    return torch.where(durations == NAN, cap, durations)[..., -episodes:].mean(-1)


@wrong("11.1", "fills the caller's array", "changes durations")
def _(durations, cap, episodes):
    durations[durations.isnan()] = cap
    return durations[..., -episodes:].mean(-1)


@wrong("11.1", "last known length carried on", "last length for a missing episode")
def _(durations, cap, episodes):
    filled = durations.clone()
    for e in range(1, filled.shape[1]):
        filled[:, e] = torch.where(filled[:, e].isnan(), filled[:, e - 1], filled[:, e])
    return filled.nan_to_num(cap)[..., -episodes:].mean(-1)


@right("11.1", "nan_to_num")
def _(durations, cap, episodes):
    return torch.nan_to_num(durations[:, -episodes:], nan=cap).mean(dim=1)


@right("11.1", "counts: known sum plus the cap for each missing one")
def _(durations, cap, episodes):
    last = durations[:, durations.shape[1] - episodes :]
    return (last.nansum(-1) + cap * last.isnan().sum(-1)) / episodes


@right("11.1", "NumPy")
def _(durations, cap, episodes):
    d = durations.numpy()[:, -episodes:]
    return np.where(np.isnan(d), cap, d).mean(axis=1)


@right("11.1", "lists, and x != x for NaN")
def _(durations, cap, episodes):
    means = []
    for row in durations.tolist():
        last = [cap if x != x else x for x in row[-episodes:]]
        means.append(sum(last) / len(last))
    return means


# ---- 11.2 the budget ----


@inputs("11.2")
def _(rng):
    def lengths(n):
        return torch.as_tensor(rng.integers(1, 100, size=n), dtype=torch.float64)

    return [
        (tensor([10.0, 20.0, 30.0, 40.0]), 1.0, 0.0, 3),
        (lengths(8), 0.0, 1.0, 8),
        (lengths(60), 2.0, 0.5, 50),
        (lengths(9), 5.0, 0.25, 1),
        (torch.cat([lengths(5), tensor([NAN, NAN])]), 1.5, 2.0, 4),
    ]


@wrong("11.2", "all episodes counted", "episodes ignored in the sum")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations.nansum()
    return torch.stack(
        [steps, updates_per_episode * episodes + updates_per_step * steps]
    )


@wrong("11.2", "last episodes", "last, not first, episodes")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[-episodes:].nansum()
    return torch.stack(
        [steps, updates_per_episode * episodes + updates_per_step * steps]
    )


@wrong("11.2", "mean length", "mean for sum")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].mean()
    return torch.stack(
        [steps, updates_per_episode * episodes + updates_per_step * steps]
    )


@wrong("11.2", "updates per step forgotten", "updates per step left out")
def _(durations, updates_per_episode, updates_per_step, episodes):
    return torch.stack(
        [durations[:episodes].sum(), tensor([updates_per_episode * episodes])[0]]
    )


@wrong("11.2", "updates per episode forgotten", "updates per episode left out")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    return torch.stack([steps, updates_per_step * steps])


@wrong("11.2", "rates exchanged", "updates_per_episode and updates_per_step swapped")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    return torch.stack(
        [steps, updates_per_step * episodes + updates_per_episode * steps]
    )


@wrong("11.2", "order exchanged", "updates first")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    return torch.stack(
        [updates_per_episode * episodes + updates_per_step * steps, steps]
    )


@wrong("11.2", "one episode too few", "off by one: episodes - 1")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[: episodes - 1].sum()
    return torch.stack(
        [steps, updates_per_episode * episodes + updates_per_step * steps]
    )


@wrong("11.2", "one episode too many", "off by one: episodes + 1")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[: episodes + 1].sum()
    return torch.stack(
        [steps, updates_per_episode * episodes + updates_per_step * steps]
    )


@wrong("11.2", "fifty episodes", "50 hard-coded")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:50].nansum()
    return torch.stack([steps, updates_per_episode * 50 + updates_per_step * steps])


@wrong(
    "11.2", "episodes counted by the length of the array", "len(durations) for episodes"
)
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    count = len(durations)
    return torch.stack([steps, updates_per_episode * count + updates_per_step * steps])


@wrong("11.2", "product", "product of the two kinds of updates")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    return torch.stack(
        [steps, updates_per_episode * episodes * updates_per_step * steps]
    )


@wrong("11.2", "running totals", "cumsum for sum")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].cumsum(0)
    count = torch.arange(1, episodes + 1)
    return torch.stack([steps, updates_per_episode * count + updates_per_step * steps])


@wrong("11.2", "whole updates", "rounded down to whole updates")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    updates = (updates_per_episode * episodes + updates_per_step * steps).floor()
    return torch.stack([steps, updates])


@wrong("11.2", "updates alone", "one number in place of two")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    return updates_per_episode * episodes + updates_per_step * steps


@wrong(
    "11.2", "updates per step and episode added for each step", "both rates times steps"
)
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    return torch.stack([steps, (updates_per_episode + updates_per_step) * steps])


@wrong("11.2", "divided", "steps divided by the rate")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations[:episodes].sum()
    return torch.stack(
        [steps, updates_per_episode * episodes + steps / max(updates_per_step, 1)]
    )


@right("11.2", "a tensor of two floats")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = float(durations[:episodes].sum())
    updates = updates_per_episode * episodes + updates_per_step * steps
    return torch.tensor([steps, updates], dtype=torch.float64)


@right("11.2", "episode by episode")
def _(durations, updates_per_episode, updates_per_step, episodes):
    total = torch.zeros(2, dtype=torch.float64)
    for e in range(episodes):
        total[0] += durations[e]
        total[1] += updates_per_episode + updates_per_step * durations[e]
    return total


@right("11.2", "NumPy array")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = durations.numpy()[:episodes].sum()
    return np.array([steps, updates_per_episode * episodes + updates_per_step * steps])


@right("11.2", "a tuple of Python floats")
def _(durations, updates_per_episode, updates_per_step, episodes):
    steps = sum(durations.tolist()[:episodes])
    return steps, updates_per_episode * episodes + updates_per_step * steps


# ---- 11.3 misleading seeds ----


@inputs("11.3")
def _(rng):
    def lengths(n, mean):
        return torch.as_tensor(rng.poisson(mean, size=n), dtype=torch.float64)

    return [
        (tensor([1.0, 2.0, 3.0]), tensor([2.0, 4.0])),
        (lengths(5, 6), lengths(7, 8)),
        (lengths(4, 3), lengths(4, 3)),
        (lengths(1, 5), lengths(6, 5)),
        (lengths(30, 10), lengths(20, 14)),
        (tensor([1.0, 1.0]), tensor([5.0, 6.0, 7.0])),
        (tensor([2.0, 2.0, 2.0]), tensor([2.0])),
    ]


@wrong("11.3", "ties count nothing", "ties ignored")
def _(better, worse):
    return float((better[:, None] > worse).double().mean())


@wrong("11.3", "ties count whole", "ties counted whole (>=)")
def _(better, worse):
    return float((better[:, None] >= worse).double().mean())


@wrong("11.3", "the other direction", "comparison the wrong way round")
def _(better, worse):
    gap = worse[:, None] - better
    return float(((gap > 0).double() + 0.5 * (gap == 0)).mean())


@wrong("11.3", "first with first, second with second", "runs paired by number")
def _(better, worse):
    n = min(len(better), len(worse))
    gap = better[:n] - worse[:n]
    return float(((gap > 0).double() + 0.5 * (gap == 0)).mean())


@wrong("11.3", "means compared", "means of the runs compared")
def _(better, worse):
    return float(better.mean() > worse.mean())


@wrong("11.3", "against the mean of the worse", "each run against the mean")
def _(better, worse):
    return float((better > worse.mean()).double().mean())


@wrong("11.3", "number of pairs", "count for share")
def _(better, worse):
    gap = better[:, None] - worse
    return float(((gap > 0).double() + 0.5 * (gap == 0)).sum())


@wrong("11.3", "divided by R", "divided by R, not by R times Q")
def _(better, worse):
    gap = better[:, None] - worse
    return float(((gap > 0).double() + 0.5 * (gap == 0)).sum() / len(better))


@wrong("11.3", "divided by R²", "R squared for R times Q")
def _(better, worse):
    gap = better[:, None] - worse
    return float(((gap > 0).double() + 0.5 * (gap == 0)).sum() / len(better) ** 2)


@wrong("11.3", "ties left out of the pairs", "ties taken out of the divisor")
def _(better, worse):
    gap = better[:, None] - worse
    return float((gap > 0).sum() / max(int((gap != 0).sum()), 1))


@wrong("11.3", "per cent", "per cent, not a share")
def _(better, worse):
    gap = better[:, None] - worse
    return 100 * float(((gap > 0).double() + 0.5 * (gap == 0)).mean())


@wrong("11.3", "one share a run", "mean over one axis only")
def _(better, worse):
    gap = better[:, None] - worse
    return ((gap > 0).double() + 0.5 * (gap == 0)).mean(1)


@wrong("11.3", "size of the difference", "difference itself averaged")
def _(better, worse):
    return float((better[:, None] - worse).clamp(min=0).mean())


@wrong("11.3", "difference within one step is a tie", "tolerance of a tie too wide")
def _(better, worse):
    gap = better[:, None] - worse
    return float(((gap > 1).double() + 0.5 * (gap.abs() <= 1)).mean())


@wrong("11.3", "sorted and paired", "quantiles compared")
def _(better, worse):
    n = min(len(better), len(worse))
    gap = better.sort().values[:n] - worse.sort().values[:n]
    return float(((gap > 0).double() + 0.5 * (gap == 0)).mean())


@wrong("11.3", "ties as their own count", "tie share added whole")
def _(better, worse):
    gap = better[:, None] - worse
    return float((gap > 0).double().mean() + (gap == 0).double().mean())


@wrong("11.3", "raises on runs of unequal number", "axis missing: shapes do not fit")
def _(better, worse):
    return float((better > worse).double().mean())


@wrong("11.3", "rounded", "rounded to one digit")
def _(better, worse):
    gap = better[:, None] - worse
    return round(float(((gap > 0).double() + 0.5 * (gap == 0)).mean()), 1)


@wrong("11.3", "return in the outer loop", "return inside the loop")
def _(better, worse):
    total = 0.0
    for b in better:
        for w in worse:
            total += 1.0 if b > w else 0.5 if b == w else 0.0
        return total / (len(better) * len(worse))


@right("11.3", "mean of sign")
def _(better, worse):
    return float((torch.sign(better[:, None] - worse[None, :]) + 1).mean() / 2)


@right("11.3", "two loops")
def _(better, worse):
    total = 0.0
    for b in better.tolist():
        for w in worse.tolist():
            if b > w:
                total += 1
            elif b == w:
                total += 0.5
    return total / (len(better) * len(worse))


@right("11.3", "mean of > and >=, a 0-dim tensor")
def _(better, worse):
    more, at_least = better[:, None] > worse, better[:, None] >= worse
    return (more.double().mean() + at_least.double().mean()) / 2


@right("11.3", "ranks by searchsorted, NumPy scalar")
def _(better, worse):
    b, w = better.numpy(), np.sort(worse.numpy())
    below = np.searchsorted(w, b, "left") + np.searchsorted(w, b, "right")
    return below.sum() / (2 * len(b) * len(w))


values(
    "11.4",
    ["d", "D"],
    {
        "a": "memory",
        "b": "exploration",
        "c": "seeds",
        "e": "learning rate",
        "f": "no such option",
        4: "a number in place of the letter",
    },
)
