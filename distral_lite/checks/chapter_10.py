"""Exercises of chapter 10: the regularised TD error, both terms of (2.74), one of them with a planted bug, and a figure to explain."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite.checks.exercise import Choice, Exercise, Mistake


def _logs(generator: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(
        generator.dirichlet(np.ones(shape[-1]), size=shape[:-1])
    ).log()


# ---- 10.1 the regularised TD error


def _advantage(
    reward: Tensor,
    log_pi0: Tensor,
    log_pi: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminal: Tensor,
    alpha: float,
    beta: float,
    gamma: float,
) -> Tensor:
    return (
        reward
        + (alpha * log_pi0 - log_pi) / beta
        + gamma * next_value * ~terminal
        - value
    )


def _advantage_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The step worked by hand, then a goal; then rows of steps with goals on the way."""
    names = (
        "reward",
        "log_pi0",
        "log_pi",
        "value",
        "next_value",
        "terminal",
        "alpha",
        "beta",
        "gamma",
    )
    by_hand = (
        torch.tensor([-0.1, 0.9]).double(),
        torch.tensor([0.5, 0.25]).double().log(),
        torch.tensor([0.9, 0.5]).double().log(),
        torch.tensor([0.4, 0.7]).double(),
        torch.tensor([0.7, 5.0]).double(),
        torch.tensor([False, True]),
        0.8,
        5.0,
        0.95,
    )
    cases = [dict(zip(names, by_hand, strict=True))]
    for steps, alpha, beta, gamma in (
        (4, 1.0, 1.0, 0.5),
        (6, 0.0, 3.0, 0.9),
        (5, 0.3, 0.2, 0.99),
        (7, 0.8, 50.0, 0.0),
    ):
        chances = [
            torch.from_numpy(generator.uniform(0.05, 1, steps)).log() for _ in range(2)
        ]
        numbers = [
            torch.from_numpy(generator.normal(size=steps).round(2)) for _ in range(3)
        ]
        terminal = torch.from_numpy(generator.random(steps) < 0.4)
        terminal[0], terminal[-1] = False, True
        cases.append(
            dict(
                zip(
                    names,
                    (numbers[0], *chances, *numbers[1:], terminal, alpha, beta, gamma),
                    strict=True,
                )
            )
        )
    return cases


ADVANTAGE = Exercise(
    "10.1",
    _advantage,
    _advantage_inputs,
    (
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: _advantage(
                r, l0, li, v, n, t, alpha, beta, 1.0
            ),
            "This is line 22 as printed: γ before V(S′) is missing. Then V would have to be the sum of all that comes, undiscounted.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: _advantage(
                r, l0, li, v, n, t & False, alpha, beta, gamma
            ),
            "You count the value of the state behind a terminal step. The episode is over there: V(S′) = 0, use ~terminal.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: _advantage(
                r, l0, li, v, n, ~t, alpha, beta, gamma
            ),
            "You have it the wrong way round: a future is left where the episode ended, and none where it goes on. Multiply by ~terminal.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: (
                gamma * (r + (alpha * l0 - li) / beta + n * ~t) - v
            ),
            "γ multiplies the reward of this step as well. It belongs to what comes later, V(S′), alone.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: (
                _advantage(r, l0, li, v, n, t, alpha, beta, gamma) + v
            ),
            "That is Q̂ of line 22. The advantage is what Q̂ is more than V(S): subtract `value`.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: _advantage(
                r, -l0, -li, v, n, t, alpha, beta, gamma
            ),
            "Both log-ratios have the wrong sign: an action that π₀ likes less must cost, so + (α/β) log π₀, and a surprise of πᵢ pays, "
            "so − (1/β) log πᵢ.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: _advantage(
                r, l0, -li, v, n, t, alpha, beta, gamma
            ),
            "− (1/β) log πᵢ has become a plus: the agent would be paid for being certain.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: _advantage(
                r, l0, alpha * li, v, n, t, alpha, beta, gamma
            ),
            "You weigh both logs by α: that is −(α/β) times a log-ratio, without the part (1 − α)/β that pays for indecision.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: (
                r + (l0 - li) / beta + gamma * n * ~t - v
            ),
            "α is missing before log π₀: its price is α/β a nat, not 1/β.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: (
                r + beta * (alpha * l0 - li) + gamma * n * ~t - v
            ),
            "You multiply the logs by β. They are in nats; dividing by β, which is in 1 / reward, turns them into reward.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: r + gamma * n * ~t - v,
            "This is the ordinary TD error of chapter 05. The step has to pay for its action too.",
        ),
        Mistake(
            lambda r, l0, li, v, n, t, alpha, beta, gamma: (
                (r + (alpha * l0 - li) / beta) + (gamma * n - v) * ~t
            ),
            "You drop V(S) as well where the episode ends. Only what follows is over; the state that the step began in had its value.",
        ),
    ),
    summary="goals and time-outs, α from 0 to 1, β from 0.2 to 50",
)

# ---- 10.2 the second term


def _pull(
    log_pi: Tensor, log_pi0: Tensor, visits: Tensor, alpha: float, beta: float
) -> Tensor:
    return alpha / beta * (visits.unsqueeze(-1) * (log_pi.exp() - log_pi0.exp())).sum(0)


def _pull_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One task in one state; then several, with states that some tasks never see."""
    by_hand = {
        "log_pi": torch.tensor([[[0.9, 0.1]]]).double().log(),
        "log_pi0": torch.tensor([[0.5, 0.5]]).double().log(),
        "visits": torch.tensor([[2.0]]).double(),
        "alpha": 0.8,
        "beta": 5.0,
    }
    cases = [by_hand]
    for (k, s, a), alpha, beta in (
        ((2, 3, 4), 1.0, 1.0),
        ((5, 4, 5), 0.5, 20.0),
        ((3, 2, 3), 0.3, 0.5),
    ):
        visits = torch.from_numpy(3 * generator.random((k, s)))
        visits[0, 0] = 0.0
        case = (_logs(generator, k, s, a), _logs(generator, s, a), visits, alpha, beta)
        cases.append(dict(zip(by_hand, case, strict=True)))
    return cases


PULL = Exercise(
    "10.2",
    _pull,
    _pull_inputs,
    (
        Mistake(
            lambda log_pi, log_pi0, visits, alpha, beta: (
                -_pull(log_pi, log_pi0, visits, alpha, beta)
            ),
            "The sign is turned round: π₀ would flee from the tasks. It is πᵢ − π₀, so that an action they take more often gains.",
        ),
        Mistake(
            lambda log_pi, log_pi0, visits, alpha, beta: _pull(
                log_pi, log_pi0, visits, 1.0, 1.0
            ),
            "α/β is missing: without it the two terms of (2.74) do not add up to the gradient of one objective.",
        ),
        Mistake(
            lambda log_pi, log_pi0, visits, alpha, beta: _pull(
                log_pi, log_pi0, visits, 1.0, beta
            ),
            "You have 1/β where α/β belongs: only the share α of the price is for leaving π₀.",
        ),
        Mistake(
            lambda log_pi, log_pi0, visits, alpha, beta: (
                alpha / beta * (visits.unsqueeze(-1) * (log_pi - log_pi0)).sum(0)
            ),
            "You took differences of logs. The gradient of log π₀ by its preferences is one-hot minus π₀, and its mean over actions of πᵢ "
            "is πᵢ − π₀: probabilities.",
        ),
        Mistake(
            lambda log_pi, log_pi0, visits, alpha, beta: (
                alpha / beta * (log_pi.exp() - log_pi0.exp()).sum(0)
            ),
            "The visits are missing: a task pulls only where it is, and the harder the longer it is there.",
        ),
        Mistake(
            lambda log_pi, log_pi0, visits, alpha, beta: _pull(
                log_pi, log_pi0, visits / visits.sum(-1, keepdim=True), alpha, beta
            ),
            "You made each task's visits sum to one. (2.74) sums over steps, so a task that runs longer pulls harder.",
        ),
        Mistake(
            lambda log_pi, log_pi0, visits, alpha, beta: (
                _pull(log_pi, log_pi0, visits, alpha, beta) / len(log_pi)
            ),
            "You averaged over tasks; (2.74) sums.",
        ),
        Mistake(
            lambda log_pi, log_pi0, visits, alpha, beta: (
                alpha
                / beta
                * (visits.unsqueeze(-1) * log_pi.exp() * (log_pi - log_pi0)).sum(0)
            ),
            "That is the price KL(πᵢ‖π₀), action by action. Asked for is how it changes with h: πᵢ − π₀.",
        ),
    ),
    summary="1 to 5 tasks, states that a task never sees",
)

# ---- 10.3 the first term, with a planted bug


def _first(
    h: Tensor,
    f: Tensor,
    state: Tensor,
    action: Tensor,
    advantage: Tensor,
    alpha: float,
    beta: float,
    scale: float = 1.0,
    prior: float = 1.0,
) -> Tensor:
    """The first term; `prior` 0 leaves -pi_i out."""
    total = torch.zeros_like(h)
    own = (alpha * h + beta * f).softmax(-1)
    for s, a, signal in zip(state.tolist(), action.tolist(), advantage, strict=True):
        total[s] -= prior * signal * own[s]
        total[s, a] += signal
    return alpha * total


def _colleague(
    h: Tensor,
    f: Tensor,
    state: Tensor,
    action: Tensor,
    advantage: Tensor,
    alpha: float,
    beta: float,
) -> Tensor:
    return _first(h, torch.zeros_like(f), state, action, advantage, 1.0, beta)


def _with(policy: Any, scale: Any) -> Any:
    """A wrong first term: another policy in the score, another factor before it."""

    def wrong(
        h: Tensor,
        f: Tensor,
        state: Tensor,
        action: Tensor,
        advantage: Tensor,
        alpha: float,
        beta: float,
    ) -> Tensor:
        total = torch.zeros_like(h)
        other = policy(h, f, alpha, beta).softmax(-1)
        for s, a, signal in zip(
            state.tolist(), action.tolist(), advantage, strict=True
        ):
            total[s] -= signal * other[s]
            total[s, a] += signal
        return scale(alpha, beta) * total

    return wrong


def _mixed(h: Tensor, f: Tensor, alpha: float, beta: float) -> Tensor:
    return alpha * h + beta * f


def _first_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One step in one state; then episodes that come back to a state."""
    by_hand = {
        "h": torch.tensor([[0.0, 1.0]]).double(),
        "f": torch.tensor([[0.4, 0.0]]).double(),
        "state": torch.tensor([0]),
        "action": torch.tensor([0]),
        "advantage": torch.tensor([2.0]).double(),
        "alpha": 0.8,
        "beta": 5.0,
    }
    cases = [by_hand]
    for (s, a, steps), alpha, beta in (
        ((3, 4, 6), 0.5, 2.0),
        ((2, 5, 8), 0.9, 0.3),
        ((4, 3, 5), 0.2, 1.0),
    ):
        arrays = (
            torch.from_numpy(generator.normal(size=(s, a))),
            torch.from_numpy(generator.normal(size=(s, a))),
            torch.from_numpy(generator.integers(s, size=steps)),
            torch.from_numpy(generator.integers(a, size=steps)),
            torch.from_numpy(generator.normal(size=steps).round(2)),
        )
        cases.append(dict(zip(by_hand, (*arrays, alpha, beta), strict=True)))
    return cases


def _each_state_once(
    h: Tensor,
    f: Tensor,
    state: Tensor,
    action: Tensor,
    advantage: Tensor,
    alpha: float,
    beta: float,
) -> Tensor:
    total, own = torch.zeros_like(h), (alpha * h + beta * f).softmax(-1)
    total[state] -= advantage[:, None] * own[state]
    total[state, action] += advantage
    return alpha * total


def _only_advantages(
    h: Tensor,
    f: Tensor,
    state: Tensor,
    action: Tensor,
    advantage: Tensor,
    alpha: float,
    beta: float,
) -> Tensor:
    return _first(h, f, state, action, advantage, alpha, beta, prior=0.0)


FIRST = Exercise(
    "10.3",
    lambda h, f, state, action, advantage, alpha, beta: _first(
        h, f, state, action, advantage, alpha, beta
    ),
    _first_inputs,
    (
        Mistake(
            _colleague,
            "This is the colleague's version: the score of π₀. But πᵢ took the actions and log πᵢ is differentiated; under πᵢ the score of "
            "π₀ does not average to zero, so even a useless signal pushes h.",
        ),
        Mistake(
            _with(_mixed, lambda alpha, beta: 1.0),
            "The policy is right now, the chain rule is not: h enters the logits of πᵢ as α h, so a factor α is missing.",
        ),
        Mistake(
            _with(lambda h, f, alpha, beta: h, lambda alpha, beta: alpha),
            "The factor α is there, the score is still that of π₀: subtract the probabilities of πᵢ = softmax(α h + β f).",
        ),
        Mistake(
            _with(_mixed, lambda alpha, beta: beta),
            "The factor β belongs to the gradient by f. By h it is α.",
        ),
        Mistake(
            _with(lambda h, f, alpha, beta: h + f, lambda alpha, beta: alpha),
            "The logits of πᵢ are α h + β f, not h + f.",
        ),
        Mistake(
            _with(lambda h, f, alpha, beta: beta * f, lambda alpha, beta: alpha),
            "That is one column with β′ = β: with it log πᵢ would not depend on h at all.",
        ),
        Mistake(
            _each_state_once,
            "`total[state] -= …` with a row of states keeps only the last step in a state that is visited twice. Loop, or use "
            "index_put_ with accumulate=True.",
        ),
        Mistake(
            _only_advantages,
            "The second half of the score is missing: −A πᵢ(·|s) for all actions of the state. What one gains the others must lose.",
        ),
        Mistake(
            lambda *x: -_first(*x),
            "This goes down: it is the gradient of a loss. Asked for is the gradient of the sum itself.",
        ),
        Mistake(
            lambda h, f, state, action, advantage, alpha, beta: (
                _first(h, f, state, action, advantage, alpha, beta) / len(state)
            ),
            "You took the mean over steps; line 26 sums.",
        ),
    ),
    summary="episodes that come back to a state",
)

EXERCISES = [
    ADVANTAGE,
    PULL,
    FIRST,
    Choice(
        "10.4",
        answer="c",
        wrong={
            "a": "There is no variance: the gradient is exact. Ten episodes an update, a third of the noise, did not help the sampled "
            "agent either.",
            "b": "Two hundred updates at the same rate are enough at γ = 0.99, two lines below.",
            "d": "The step limit does not enter the exact gradient, and the sampled agents have the same one.",
        },
        summary="at γ = 0.95 a beginner's first step into the corridor is a mistake, and the squares behind it, where that could change, "
        "weigh hundreds of times less than the first room",
    ),
]
