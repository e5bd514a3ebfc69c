"""Exercises of chapter 09: the policy, the target and the loss of one update, and a bug."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, flags, numbers, policy, whole


def act(f, h, columns, alpha, beta, beta_prime):
    """How a task acts: the log of its policy."""
    return torch.log_softmax(
        beta_prime * f if columns == 1 else alpha * h + beta * f, -1
    )


def _act_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The numbers of section 9.1, then beta' above and below beta."""
    f, h = [1.0, 0.9, -1.0], [0.0, 1.0, 0.0]
    rows = [(f, h, columns, 0.8, 5.0, 2.0) for columns in (1, 2)]
    for settings in ((1, 0.5, 2.0, 10.0), (2, 0.5, 2.0, 10.0), (2, 0.3, 900.0, 1.0)):
        rows.append((numbers(generator, 3, 5), numbers(generator, 3, 5), *settings))
    rows.append((*(numbers(generator, 2, 3, 2) for _ in "fh"), 1, 0.5, 3.0, 900.0))
    return cases("f h columns alpha beta beta_prime", *rows)


def target(
    f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma
):
    """The target of the soft values, for a minibatch."""
    logits = alpha * log_pi0[next_state] + beta * f[next_state]
    return reward + gamma * (~terminal * (torch.logsumexp(logits, -1) / beta))


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One transition by hand; goals, time-outs and both; every end of the ranges."""
    f, prior = [[2.0, 1.0], [0.0, 0.5]], np.log([[0.9, 0.1], [0.25, 0.75]])
    rows = [
        (f, prior, [0], [-0.1], [1], [ended], [cut], 0.8, 5.0, 0.9)
        for ended, cut in ((False, False), (True, False), (False, True), (True, True))
    ]
    for states, actions, batch, alpha, beta, gamma, scale in (
        (4, 3, 8, 0.8, 5.0, 0.9, 1.0),
        (6, 5, 12, 0.5, 50.0, 0.5, 30.0),
        (3, 2, 6, 0.3, 0.01, 1.0, 1.0),
        (3, 2, 6, 1.0, 2.0, 0.0, 1.0),
    ):
        log_pi0 = policy(generator, states, actions).log()
        log_pi0[0, 0] = -800.0  # an action that is as good as never chosen
        ends = (flags(generator, 0.4, batch), flags(generator, 0.4, batch))
        at = (whole(generator, states, batch), numbers(generator, batch))
        after = whole(generator, states, batch)
        table = numbers(generator, states, actions, scale=scale)
        rows.append((table, log_pi0, *at, after, *ends, alpha, beta, gamma))
    names = "f log_pi0 state reward next_state terminal truncated alpha beta gamma"
    return cases(names, *rows)


def loss(log_pi0, state, action, time, gamma, newest):
    """The distillation loss of the newest transitions."""
    state, action, time = state[:, -newest:], action[:, -newest:], time[:, -newest:]
    return -(gamma ** time.double() * log_pi0[state, action]).mean()


def _loss_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One task and state, two of three transitions; then episodes that end on the way."""
    prior = np.log([[0.5, 0.25, 0.25]])
    rows = [(prior, [[0, 0, 0]], [[2, 0, 1]], [[0, 1, 2]], 0.5, 2)]
    sizes = ((2, 4, 3, 8, 3, 0.9), (3, 5, 5, 10, 6, 1.0), (2, 3, 3, 6, 6, 0.7))
    for tasks, states, actions, held, newest, gamma in sizes:
        log_pi0 = policy(generator, states, actions).log()
        indices = (whole(generator, n, tasks, held) for n in (states, actions))
        time = (torch.arange(held) + whole(generator, 9, tasks, 1)) % (held - 1)
        rows.append((log_pi0, *indices, time, gamma, newest))
    return cases("log_pi0 state action time gamma newest", *rows)


def count(time, episode, terminal, truncated):
    """The time within the episode, and the number of finished episodes."""
    return (
        torch.where(terminal | truncated, 0, time + 1),
        episode + (terminal | truncated),
    )


def ended_first(time, episode, terminal, truncated):
    """The same, with a name for what is used twice."""
    ended = terminal | truncated
    return torch.where(ended, 0, time + 1), episode + ended


def _counter_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One lane goes on, one arrives, one is cut, one does both; then random ones."""
    both = ([False, True, False, True], [False, False, True, True])
    rows = [([3, 12, 999, 999], [0, 4, 0, 7], *both)]
    for n in (6, 20):
        counts = whole(generator, 50, n), whole(generator, 9, n)
        rows.append((*counts, flags(generator, 0.3, n), flags(generator, 0.3, n)))
    return cases("time episode terminal truncated", *rows)


EXERCISES = [
    Exercise(
        "9.1",
        act,
        _act_inputs,
        (
            (
                "beta_prime * f",
                "f",
                "That is (2.63) as printed, at temperature 1. The coefficient β′ is "
                "missing.",
            ),
            (
                "beta_prime * f",
                "beta * f",
                "One column acts by β′. β stays in the soft value of the target; the two "
                "need not be equal.",
            ),
            (
                "+ beta * f",
                "+ beta_prime * f",
                "Two columns know no β′: (2.66) has β, the same as in the soft value.",
            ),
            (
                "beta_prime * f",
                "alpha * h + beta_prime * f",
                "One column leaves out h: the distilled policy reaches it only through "
                "its values.",
            ),
            (
                "alpha * h",
                "h",
                "You left out α: two columns act by α h + β f.",
            ),
        ),
        summary="one column and two, β′ above and below β",
    ),
    Exercise(
        "9.2",
        target,
        _target_inputs,
        (
            (
                "log_pi0[next_state] + beta * f[next_state]",
                "log_pi0[state] + beta * f[state]",
                "You valued the state that was left, as line 14 is printed. The target is "
                "what is still to come: policy and values at next_state.",
            ),
            (
                "~terminal",
                "~(terminal | truncated)",
                "A time-out is not a goal: the maze goes on behind it, only the episode "
                "does not. Only terminal steps leave out the future.",
            ),
            (
                "~terminal * ",
                "",
                "After the goal nothing comes: where terminal is true the target is the "
                "reward alone.",
            ),
            (
                "alpha * log",
                "log",
                "The distilled policy enters to the power α: α log π₀, not log π₀, beside "
                "β f.",
            ),
            (
                "alpha * log_pi0[next_state] + ",
                "",
                "The distilled policy does not enter: this is soft Q-learning with "
                "entropy alone (α = 0).",
            ),
            (
                "torch.logsumexp(logits, -1) / beta",
                "f[next_state].amax(-1)",
                "This is the hard maximum of DQN. The soft value averages: (1/β) log Σ "
                "π₀^α exp(β f).",
            ),
            (
                " / beta",
                "",
                "The log-sum is in nats. Multiply it by 1/β, and it is a reward.",
            ),
            (
                "reward + gamma * (~terminal * (torch.logsumexp(logits, -1) / beta))",
                "gamma * (reward + ~terminal * (torch.logsumexp(logits, -1) / beta))",
                "γ belongs to what comes after the step; the reward of the step itself is "
                "not discounted.",
            ),
            (
                "torch.logsumexp(logits, -1)",
                "logits.exp().sum(-1).log()",
                "Right on paper, but the exponential of a large β f is infinite, and of a "
                "very small one 0: `torch.logsumexp` subtracts the largest first.",
            ),
        ),
        summary="goals, time-outs and both, α from 0.3 to 1, β from 0.01 to 50",
    ),
    Exercise(
        "9.3",
        loss,
        _loss_inputs,
        (
            (
                "state[:, -newest:], action[:, -newest:], time[:, -newest:]",
                "state, action, time",
                "You used the whole memory. Only the newest transitions say what the "
                "tasks do by now: field[:, -newest:].",
            ),
            (
                "state[:, -newest:], action[:, -newest:], time[:, -newest:]",
                "state[:, :newest], action[:, :newest], time[:, :newest]",
                "These are the oldest transitions; the newest stand at the end of the "
                "memory.",
            ),
            (
                "gamma ** time.double() * ",
                "",
                "The weights γ^t are missing: (2.68) counts a step at time t of its "
                "episode γ^t times.",
            ),
            (
                "time.double()",
                "torch.arange(newest)",
                "You raised γ to the transition's place in the batch. t is the time that "
                "was stored with it, steps since its episode began.",
            ),
            (
                "time.double()",
                "torch.arange(len(time))[:, None]",
                "You raised γ to the number of the task, which is line 21 as printed "
                "(γ^i). The exponent is the stored time t.",
            ),
            (
                "-(gamma",
                "(gamma",
                "This is (2.68) itself, which is to be climbed. A loss is descended: "
                "change the sign.",
            ),
            (
                "mean",
                "sum",
                "This is the sum; asked for is the mean over all transitions of all "
                "tasks.",
            ),
            (
                "log_pi0[state, action]",
                "log_pi0.exp()[state, action]",
                "You averaged probabilities. Maximum likelihood needs their logs, which "
                "log_pi0 already are.",
            ),
            (
                ".mean()",
                ".sum() / (gamma ** time.double()).sum()",
                "You divided by the sum of the weights. (2.68) does not: it is the plain "
                "mean of γ^t log π₀.",
            ),
        ),
        summary="1 to 3 tasks, memories with an episode's end in them",
    ),
    Exercise(
        "9.4",
        count,
        _counter_inputs,
        (
            (
                "torch.where(terminal | truncated, 0, time + 1)",
                "time + 1",
                "episode + (terminal | truncated)",
                "episode + terminal",
                "This is the colleague's version: t never starts again, so γ^t fades to "
                "nothing, and π₀ stops learning without a word.",
            ),
            (
                "where(terminal | truncated",
                "where(terminal",
                "(terminal | truncated))",
                "terminal)",
                "t starts again after a goal. After a time-out a new episode begins too: "
                "its t must start again, and it counts for ε.",
            ),
            (
                "(terminal | truncated))",
                "terminal)",
                "t is right. But an episode that was cut is over as well: it counts for "
                "the decay of ε.",
            ),
            (
                "where(terminal | truncated",
                "where(terminal",
                "The number of episodes is right. But t must start again after a time-out "
                "too, or the next episode begins at t = 1000.",
            ),
            (
                "truncated, 0",
                "truncated, 1",
                "The first step of an episode has t = 0, so that its weight γ^t is 1.",
            ),
            (
                "(terminal | truncated))",
                "terminal + 1 * truncated)",
                "An episode that arrives in the very step in which it is cut ends once, "
                "not twice: `terminal | truncated`.",
            ),
        ),
        forms=(ended_first,),
        summary="goals, time-outs, and both in one step",
    ),
    Choice(
        "9.5",
        answer="c",
        wrong={
            "a": "The curves are flat long before the end: more rounds at the same "
            "resting point change nothing.",
            "b": "A longer memory makes π₀ slower, not better: the same random actions "
            "are in it, only older ones.",
            "d": "Smaller steps make less noise about the resting point. They do not move "
            "it.",
        },
        summary="the random actions are distilled too; with fewer of them the resting "
        "point moves to the joint optimum",
    ),
]
