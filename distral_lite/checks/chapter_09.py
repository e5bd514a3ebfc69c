"""Exercises of chapter 09: how a task acts, the soft target, the distillation loss, the counters of an episode, and what to turn."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite.checks.exercise import Choice, Exercise, Mistake


def _log_policy(generator: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(
        generator.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    ).log()


def _but(
    reference: Callable[..., Any], **changes: Callable[[dict[str, Any]], Any]
) -> Callable[..., Any]:
    """The reference, called with some of its arguments changed: a mistake in the use of right mathematics."""
    names = list(inspect.signature(reference).parameters)

    def mistaken(*given: Any) -> Any:
        arguments = dict(zip(names, given, strict=True))
        return reference(
            **arguments | {name: change(arguments) for name, change in changes.items()}
        )

    return mistaken


def _whole(generator: np.random.Generator, high: int, *shape: int) -> Tensor:
    return torch.from_numpy(generator.integers(high, size=shape))


# ---- 9.1 how a task acts ----


def _act_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The numbers of section 9.1, then one column and two, with beta' equal to beta and not."""
    found = [
        {
            "f": torch.tensor([1.0, 0.9, -1.0]).double(),
            "h": torch.tensor([0.0, 1.0, 0.0]).double(),
            "columns": columns,
            "alpha": 0.8,
            "beta": 5.0,
            "beta_prime": 2.0,
        }
        for columns in (1, 2)
    ]
    settings = (
        (1, 0.5, 2.0, 10.0),
        (2, 0.5, 2.0, 10.0),
        (1, 0.9, 5.0, 1.0),
        (2, 0.3, 20.0, 1.0),
    )
    for columns, alpha, beta, beta_prime in settings:
        f, h = (torch.from_numpy(generator.normal(size=(3, 5))) for _ in range(2))
        found.append(
            {
                "f": f,
                "h": h,
                "columns": columns,
                "alpha": alpha,
                "beta": beta,
                "beta_prime": beta_prime,
            }
        )
    return found


def _act(
    f: Tensor, h: Tensor, columns: int, alpha: float, beta: float, beta_prime: float
) -> Tensor:
    return torch.log_softmax(
        beta_prime * f if columns == 1 else alpha * h + beta * f, -1
    )


def _act_raw(f, h, columns, alpha, beta, beta_prime):
    return beta_prime * f if columns == 1 else alpha * h + beta * f


# ---- 9.2 the soft target ----


def _target_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """By hand: two states, one transition; then minibatches in which some steps reach the goal and some are cut."""
    by_hand = {
        "f": torch.tensor([[2.0, 1.0], [0.0, 0.5]]).double(),
        "log_pi0": torch.tensor([[0.9, 0.1], [0.25, 0.75]]).double().log(),
        "state": torch.tensor([0]),
        "reward": torch.tensor([-0.1]).double(),
        "next_state": torch.tensor([1]),
        "terminal": torch.tensor([False]),
        "truncated": torch.tensor([False]),
        "alpha": 0.8,
        "beta": 5.0,
        "gamma": 0.9,
    }
    found = [by_hand]
    for states, actions, batch, alpha, beta in (
        (4, 3, 8, 0.8, 5.0),
        (6, 5, 12, 0.5, 50.0),
        (3, 2, 6, 0.3, 0.5),
    ):
        ends = generator.permutation(
            np.arange(batch) % 3
        )  # a third reaches the goal, a third is cut, a third goes on
        found.append(
            {
                "f": torch.from_numpy(generator.normal(size=(states, actions))),
                "log_pi0": _log_policy(generator, states, actions),
                "state": _whole(generator, states, batch),
                "reward": torch.from_numpy(generator.normal(size=batch)),
                "next_state": _whole(generator, states, batch),
                "terminal": torch.from_numpy(ends == 0),
                "truncated": torch.from_numpy(ends == 1),
                "alpha": alpha,
                "beta": beta,
                "gamma": 0.9,
            }
        )
    return found


def _soft(f: Tensor, log_pi0: Tensor, alpha: float, beta: float) -> Tensor:
    return torch.logsumexp(alpha * log_pi0 + beta * f, -1) / beta


def _target(
    f: Tensor,
    log_pi0: Tensor,
    state: Tensor,
    reward: Tensor,
    next_state: Tensor,
    terminal: Tensor,
    truncated: Tensor,
    alpha: float,
    beta: float,
    gamma: float,
) -> Tensor:
    return reward + gamma * (~terminal) * _soft(
        f[next_state], log_pi0[next_state], alpha, beta
    )


def _target_hard(
    f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma
):
    return reward + gamma * (~terminal) * f[next_state].amax(-1)


def _target_no_beta_outside(
    f, log_pi0, state, reward, next_state, terminal, truncated, alpha, beta, gamma
):
    return reward + gamma * (~terminal) * beta * _soft(
        f[next_state], log_pi0[next_state], alpha, beta
    )


# ---- 9.3 the distillation loss ----


def _loss_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """By hand: one task, one state, three transitions of which two are wanted; then 2 to 3 tasks whose episodes end on the way."""
    by_hand = {
        "log_pi0": torch.tensor([[0.5, 0.25, 0.25]]).double().log(),
        "state": torch.tensor([[0, 0, 0]]),
        "action": torch.tensor([[2, 0, 1]]),
        "time": torch.tensor([[0, 1, 2]]),
        "gamma": 0.5,
        "newest": 2,
    }
    found = [by_hand]
    for tasks, states, actions, capacity, newest in (
        (2, 4, 3, 8, 3),
        (3, 5, 5, 10, 6),
        (2, 3, 2, 6, 6),
    ):
        found.append(
            {
                "log_pi0": _log_policy(generator, states, actions),
                "state": _whole(generator, states, tasks, capacity),
                "action": _whole(generator, actions, tasks, capacity),
                "time": (torch.arange(capacity) + _whole(generator, 9, tasks, 1))
                % (capacity - 1),  # an episode ends on the way
                "gamma": 0.9,
                "newest": newest,
            }
        )
    return found


def _chosen(log_pi0: Tensor, state: Tensor, action: Tensor) -> Tensor:
    return log_pi0[state, action]


def _loss(
    log_pi0: Tensor,
    state: Tensor,
    action: Tensor,
    time: Tensor,
    gamma: float,
    newest: int,
) -> Tensor:
    state, action, time = (field[:, -newest:] for field in (state, action, time))
    return -(gamma ** time.double() * _chosen(log_pi0, state, action)).mean()


def _loss_oldest(log_pi0, state, action, time, gamma, newest):
    return _loss(
        log_pi0, state[:, :newest], action[:, :newest], time[:, :newest], gamma, newest
    )


def _loss_by_place(log_pi0, state, action, time, gamma, newest):
    place = torch.arange(newest).expand(len(state), -1)
    return _loss(log_pi0, state[:, -newest:], action[:, -newest:], place, gamma, newest)


# ---- 9.4 the counters ----


def _counter_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Four lanes: one goes on, one arrives, one is cut, one arrives in the very step in which it is cut; then random ones."""
    by_hand = {
        "time": torch.tensor([3, 12, 999, 999]),
        "episode": torch.tensor([0, 4, 0, 7]),
        "terminal": torch.tensor([False, True, False, True]),
        "truncated": torch.tensor([False, False, True, True]),
    }
    random = [
        {
            "time": _whole(generator, 50, lanes),
            "episode": _whole(generator, 9, lanes),
            "terminal": torch.from_numpy(generator.random(lanes) < 0.3),
            "truncated": torch.from_numpy(generator.random(lanes) < 0.3),
        }
        for lanes in (6, 20)
    ]
    return [by_hand, *random]


def _count(
    time: Tensor, episode: Tensor, terminal: Tensor, truncated: Tensor
) -> tuple[Tensor, Tensor]:
    ended = terminal | truncated
    return torch.where(ended, 0, time + 1), episode + ended


EXERCISES = [
    Exercise(
        "9.1",
        reference=_act,
        inputs=_act_inputs,
        mistakes=(
            Mistake(
                _but(_act, beta_prime=lambda given: 1.0),
                "That is (2.63) as printed, at temperature 1. The coefficient β′ is missing.",
            ),
            Mistake(
                _but(_act, beta_prime=lambda given: given["beta"]),
                "One column acts by β′. β stays in the soft value of the target; the two need not be equal.",
            ),
            Mistake(
                _but(_act, beta=lambda given: given["beta_prime"]),
                "Two columns know no β′: (2.66) has β, the same as in the soft value.",
            ),
            Mistake(
                lambda f, h, columns, alpha, beta, beta_prime: _act(
                    f, h, 2, alpha, beta_prime if columns == 1 else beta, beta_prime
                ),
                "One column leaves out h: the distilled policy reaches it only through its values.",
            ),
            Mistake(
                _but(_act, alpha=lambda given: 1.0),
                "You left out α: two columns act by α h + β f.",
            ),
            Mistake(
                lambda *given: _act(*given).exp(),
                "These are the probabilities; their logs were asked for.",
            ),
            Mistake(
                _act_raw,
                "This is not normalised: `torch.log_softmax(..., -1)` does it.",
            ),
        ),
        summary="one column and two, β′ above and below β",
    ),
    Exercise(
        "9.2",
        reference=_target,
        inputs=_target_inputs,
        mistakes=(
            Mistake(
                _but(_target, next_state=lambda given: given["state"]),
                "You valued the state that was left, as line 14 is printed. The target is what is still to come: policy and values at "
                "next_state.",
            ),
            Mistake(
                _but(
                    _target,
                    terminal=lambda given: given["terminal"] | given["truncated"],
                ),
                "A time-out is not a goal: the maze goes on behind it, only the episode does not. Only terminal steps leave out the "
                "future.",
            ),
            Mistake(
                _but(_target, terminal=lambda given: given["terminal"] & False),
                "After the goal nothing comes: where terminal is true the target is the reward alone.",
            ),
            Mistake(
                _but(_target, alpha=lambda given: 1.0),
                "The distilled policy enters to the power α: α log π₀, not log π₀, beside β f.",
            ),
            Mistake(
                _but(_target, alpha=lambda given: 0.0),
                "The distilled policy does not enter: this is soft Q-learning with entropy alone (α = 0).",
            ),
            Mistake(
                _target_hard,
                "This is the hard maximum of DQN. The soft value averages: (1/β) log Σ π₀^α exp(β f).",
            ),
            Mistake(
                _target_no_beta_outside,
                "The log-sum is in nats. Multiply it by 1/β, and it is a reward.",
            ),
            Mistake(
                lambda *given: _target(*given) - (1 - given[-1]) * given[3],
                "γ belongs to what comes after the step; the reward of the step itself is not discounted.",
            ),
        ),
        summary="goals and time-outs among them, α from 0.3 to 0.8, β from 0.5 to 50",
    ),
    Exercise(
        "9.3",
        reference=_loss,
        inputs=_loss_inputs,
        mistakes=(
            Mistake(
                _but(_loss, newest=lambda given: given["time"].shape[1]),
                "You used the whole memory. Only the newest transitions say what the tasks do by now: field[:, -newest:].",
            ),
            Mistake(
                _loss_oldest,
                "These are the oldest transitions; the newest stand at the end of the memory.",
            ),
            Mistake(
                _but(_loss, time=lambda given: 0 * given["time"]),
                "The weights γ^t are missing: (2.68) counts a step at time t of its episode γ^t times.",
            ),
            Mistake(
                _loss_by_place,
                "You raised γ to the transition's place in the batch. t is the time that was stored with it, steps since its episode "
                "began.",
            ),
            Mistake(
                _but(
                    _loss,
                    time=lambda given: (
                        torch.arange(len(given["time"]))
                        .unsqueeze(1)
                        .expand_as(given["time"])
                    ),
                ),
                "You raised γ to the number of the task, which is line 21 as printed (γ^i). The exponent is the stored time t.",
            ),
            Mistake(
                lambda *given: -_loss(*given),
                "This is (2.68) itself, which is to be climbed. A loss is descended: change the sign.",
            ),
            Mistake(
                lambda *given: _loss(*given) * given[-1] * len(given[1]),
                "This is the sum; asked for is the mean over all transitions of all tasks.",
            ),
            Mistake(
                _but(_loss, log_pi0=lambda given: given["log_pi0"].exp()),
                "You averaged probabilities. Maximum likelihood needs their logs, which log_pi0 already are.",
            ),
            Mistake(
                lambda *given: (
                    -_loss(*given) / _loss(torch.ones_like(given[0]), *given[1:])
                ),
                "You divided by the sum of the weights. (2.68) does not: it is the plain mean of γ^t log π₀.",
            ),
        ),
        summary="1 to 3 tasks, memories with an episode's end in them",
    ),
    Exercise(
        "9.4",
        reference=_count,
        inputs=_counter_inputs,
        mistakes=(
            Mistake(
                lambda time, episode, terminal, truncated: (
                    time + 1,
                    episode + terminal,
                ),
                "This is the colleague's version: t never starts again, so γ^t fades to nothing, and π₀ stops learning without a word.",
            ),
            Mistake(
                _but(_count, truncated=lambda given: given["truncated"] & False),
                "t starts again after a goal. After a time-out a new episode begins too: its t must start again, and it counts for ε.",
            ),
            Mistake(
                lambda time, episode, terminal, truncated: (
                    torch.where(terminal | truncated, 0, time + 1),
                    episode + terminal,
                ),
                "t is right. But an episode that was cut is over as well: it counts for the decay of ε.",
            ),
            Mistake(
                lambda time, episode, terminal, truncated: (
                    torch.where(terminal, 0, time + 1),
                    episode + (terminal | truncated),
                ),
                "The number of episodes is right. But t must start again after a time-out too, or the next episode begins at t = 1000.",
            ),
            Mistake(
                lambda *given: (_count(*given)[0].clamp_min(1), _count(*given)[1]),
                "The first step of an episode has t = 0, so that its weight γ^t is 1.",
            ),
            Mistake(
                lambda *given: (
                    _count(*given)[0],
                    given[1] + given[2].long() + given[3].long(),
                ),
                "An episode that arrives in the very step in which it is cut ends once, not twice: `terminal | truncated`.",
            ),
        ),
        summary="goals, time-outs, and both in one step",
    ),
    Choice(
        "9.5",
        answer="c",
        wrong={
            "a": "The curves are flat long before the end: more rounds at the same resting point change nothing.",
            "b": "A longer memory makes π₀ slower, not better: the same random actions are in it, only older ones.",
            "d": "Smaller steps make less noise about the resting point. They do not move it.",
        },
        summary="the random actions are distilled too; with fewer of them the resting point moves to the joint optimum",
    ),
]
