"""Exercises of chapter 04: the score, the return to go, a baseline from other episodes, gamma^t in a log, runs that got stuck."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite import policy_gradient
from distral_lite.checks.exercise import Choice, Exercise, Mistake

# ---- 4.1 the score


def score_of_softmax(preferences: Tensor, action: Tensor) -> Tensor:
    """The score, d log pi(a) / d h(b) = 1[a = b] - pi(b), with pi the softmax of the preferences over the last axis."""
    return policy_gradient.score(preferences.log_softmax(-1), action)


def _chosen(preferences: Tensor, action: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(action, preferences.shape[-1]).to(
        preferences.dtype
    )


def _score_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One state by hand, then several at once, then preferences so far apart that a probability is zero in float64."""
    cases = [([0.0, 1.0, -1.0], 1), ([2.0, 2.0], 0), ([0.0, 800.0, -800.0], 2)]
    cases += [
        (generator.normal(size=shape), generator.integers(shape[-1], size=shape[:-1]))
        for shape in ((4, 3), (2, 5, 4))
    ]
    return [
        {
            "preferences": torch.as_tensor(h, dtype=torch.float64),
            "action": torch.as_tensor(a),
        }
        for h, a in cases
    ]


SCORE = Exercise(
    "4.1",
    score_of_softmax,
    _score_inputs,
    (
        Mistake(
            lambda preferences, action: _chosen(preferences, action),
            "You have the action that was taken, but not the price the others pay: raising one preference lowers every probability. "
            "Subtract π.",
        ),
        Mistake(
            lambda preferences, action: (
                preferences.softmax(-1) - _chosen(preferences, action)
            ),
            "The sign is turned round: this is the gradient of −log π, a loss. The score points to where the action becomes more likely.",
        ),
        Mistake(
            lambda preferences, action: _chosen(preferences, action) - preferences,
            "You subtracted the preferences. What belongs there are the probabilities, their softmax.",
        ),
        Mistake(
            lambda preferences, action: (
                (preferences.softmax(-1) * _chosen(preferences, action)).sum(
                    -1, keepdim=True
                )
                * (_chosen(preferences, action) - preferences.softmax(-1))
            ),
            "This is the gradient of π(a), not of log π(a). Divide by π(a): that division is the whole trick of (2.20).",
        ),
        Mistake(
            lambda preferences, action: (
                _chosen(preferences, action) / preferences.softmax(-1)
            ),
            "This is the derivative of log π(a) by the probability π(a). The parameters are the preferences, behind the softmax.",
        ),
        Mistake(
            lambda preferences, action: (
                _chosen(preferences, action) - 1.0 / preferences.shape[-1]
            ),
            "You subtracted 1/A, as if the policy were uniform. Subtract π(b), whatever the policy is.",
        ),
        Mistake(
            lambda preferences, action: (
                _chosen(preferences, action) - preferences.softmax(0)
            ),
            "Your softmax runs over the first axis. Actions are the last one: softmax(-1).",
        ),
        Mistake(
            lambda preferences, action: (
                _chosen(preferences, action)
                - preferences.exp() / preferences.exp().sum(-1, keepdim=True)
            ),
            "Right on paper, but exp(800) is infinite, and infinity by infinity is no number. `softmax(-1)` subtracts the largest first.",
        ),
    ),
    summary="one state and many, preferences from −800 to 800",
)

# ---- 4.2 the return to go


def returns_to_go(reward: Tensor, discount: float) -> Tensor:
    """G_t = sum_{i >= t} discount^(i - t) R_{i+1}, for every step of one episode that ended: [T]."""
    result, following = torch.zeros_like(reward), 0.0
    for t in reversed(range(len(reward))):
        following = reward[t] + discount * following
        result[t] = following
    return result


def _times(reward: Tensor) -> Tensor:
    return torch.arange(len(reward), dtype=reward.dtype)


def _reward_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """By hand, then with discounts 0 and 1, then long enough that dividing by gamma^t would divide by zero."""
    cases = [
        ([1.0, 2.0, 4.0], 0.5),
        ([3.0], 0.9),
        ([-0.1, -0.6, -0.1, 0.9], 1.0),
        ([1.0, 2.0, 3.0], 0.0),
    ]
    cases += [(generator.normal(size=20), 0.95), (generator.normal(size=3000), 0.7)]
    return [
        {"reward": torch.as_tensor(reward, dtype=torch.float64), "discount": discount}
        for reward, discount in cases
    ]


TO_GO = Exercise(
    "4.2",
    returns_to_go,
    _reward_inputs,
    (
        Mistake(
            lambda reward, discount: policy_gradient.whole_trajectory_weights(
                reward, discount
            ).clone(),
            "Every step has the return of the whole episode: that is (2.21). An action cannot change what was paid before it.",
        ),
        Mistake(
            lambda reward, discount: policy_gradient.box_weights(
                returns_to_go(reward, discount), 0.0, discount
            ),
            "You discount from the start of the episode, not from t: that is γ^t G_t. The γ^t comes later, and in front.",
        ),
        Mistake(
            lambda reward, discount: returns_to_go(reward.flip(-1), discount).flip(-1),
            "You added up the past. What an action is to be praised for lies ahead: i runs from t on.",
        ),
        Mistake(
            lambda reward, discount: returns_to_go(reward, discount) - reward,
            "The first reward is missing: i starts at t, and R_{t+1} is what the action A_t itself was paid.",
        ),
        Mistake(
            lambda reward, discount: returns_to_go(reward, 1.0),
            "Nothing is discounted: a reward i − t steps ahead counts discount^(i − t).",
        ),
        Mistake(
            lambda reward, discount: discount * returns_to_go(reward, discount),
            "One factor too many: R_{t+1} is the reward of the step at t itself and is not discounted.",
        ),
        Mistake(
            lambda reward, discount: (
                (discount ** _times(reward) * reward).flip(-1).cumsum(-1).flip(-1)
                / discount ** _times(reward)
            ),
            "Right on paper, but discount^t becomes 0 in a long episode and 0/0 is no number. Go backwards: G_t = R_{t+1} + γ G_{t+1}.",
        ),
    ),
    summary="discounts 0 and 1, up to 3000 steps",
    show=lambda given: (
        f"γ = {given['discount']:g}, "
        + (
            str(given["reward"].tolist())
            if len(given["reward"]) < 5
            else "a long episode"
        )
    ),
)

# ---- 4.3 a baseline from the other episodes


def leave_one_out(returns: Tensor) -> Tensor:
    """G_t of each episode less the mean of G_t over the other B - 1 episodes: [B, T]."""
    others = (returns.sum(0, keepdim=True) - returns) / (len(returns) - 1)
    return returns - others


def _batch_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    by_hand = torch.tensor([[4.0, 1.0], [2.0, 3.0], [0.0, 2.0]], dtype=torch.float64)
    shapes = ((2, 3), (5, 1), (6, 4))
    return [{"returns": by_hand}] + [
        {"returns": torch.from_numpy(generator.normal(loc=-3, size=shape))}
        for shape in shapes
    ]


BASELINE = Exercise(
    "4.3",
    leave_one_out,
    _batch_inputs,
    (
        Mistake(
            lambda returns: returns - returns.mean(0, keepdim=True),
            "Your mean has the episode's own return in it, so the baseline depends on the action that it judges: every weight comes out "
            "too small by the factor (B − 1)/B. Leave the own episode out.",
        ),
        Mistake(
            lambda returns: (
                (returns.sum(0, keepdim=True) - returns) / (len(returns) - 1) - returns
            ),
            "The sign is turned round: what was better than the others must become more likely, so it is return minus baseline.",
        ),
        Mistake(
            lambda returns: returns - returns.mean(-1, keepdim=True),
            "You averaged over time, within each episode: that mean contains what the action at t brought. Average over other episodes.",
        ),
        Mistake(
            lambda returns: returns - returns.mean(),
            "One number for all steps, own return included. Each t has its own baseline, made from the other episodes.",
        ),
        Mistake(
            lambda returns: (returns - returns.mean(0)) / returns.std(0),
            "You divided by the standard deviation. Many programs do, but it is no baseline: it stretches the gradient, by chance.",
        ),
        Mistake(
            lambda returns: (
                returns - (returns.sum(0, keepdim=True) - returns) / len(returns)
            ),
            "You left the own episode out of the sum, but not out of the count: there are B − 1 others.",
        ),
    ),
    summary="2 to 6 episodes",
)

# ---- 4.4 gamma^t in a log of several episodes


def weights_of_log(return_to_go: Tensor, terminal: Tensor, discount: float) -> Tensor:
    """gamma^t G_t for a log [T] of episodes one after another, where t counts from the start of its own episode."""
    result, t = return_to_go.clone(), 0
    for i in range(len(result)):
        result[i] *= discount**t
        t = 0 if terminal[i] else t + 1
    return result


def _log_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Two short episodes by hand, then longer logs; the last entry of a log ends an episode or does not."""
    cases = [([3.0, 4.0, 4.0, 8.0, 8.0], [False, False, True, False, True], 0.5)]
    for length, discount in ((1, 0.9), (30, 0.9), (60, 0.99)):
        cases.append(
            (generator.normal(size=length), generator.random(length) < 0.2, discount)
        )
    names = ("return_to_go", "terminal", "discount")
    return [
        dict(
            zip(
                names,
                (torch.as_tensor(g, dtype=torch.float64), torch.as_tensor(ended), d),
                strict=True,
            )
        )
        for g, ended, d in cases
    ]


def _log_weights(exponent: Callable[[list[bool]], list[int]]) -> Callable[..., Tensor]:
    """A wrong answer that has other exponents of gamma: `exponent(terminal)` gives one a step."""
    return lambda return_to_go, terminal, discount: (
        return_to_go
        * discount
        ** torch.tensor(exponent(terminal.tolist()), dtype=return_to_go.dtype)
    )


def _since(ended: list[bool], first: int = 0, late: bool = False) -> list[int]:
    t, found = first, []
    for over in ended:
        if late and over:
            t = first
        found.append(t)
        t = t + 1 if late or not over else first
    return found


GAMMA_T = Exercise(
    "4.4",
    weights_of_log,
    _log_inputs,
    (
        Mistake(
            lambda return_to_go, terminal, discount: return_to_go.clone(),
            "This is (2.23) as printed: γ^t is missing, and states late in an episode count as much as its start.",
        ),
        Mistake(
            _log_weights(lambda ended: list(range(len(ended)))),
            "Your t runs on through the whole log. It counts from the start of its own episode: set it to 0 after each terminal step.",
        ),
        Mistake(
            _log_weights(
                lambda ended: (
                    _since(ended[::-1])[::-1]
                    if ended[-1]
                    else _since([*ended[:-1], True][::-1])[::-1]
                )
            ),
            "You count backwards, in steps to the end. That is what discounts inside G_t; the factor in front counts from the start.",
        ),
        Mistake(
            _log_weights(lambda ended: _since(ended, first=1)),
            "Your first step has t = 1. S_0 is where the objective is measured: its factor is γ^0 = 1.",
        ),
        Mistake(
            _log_weights(
                lambda ended: [t + any(ended[:i]) for i, t in enumerate(_since(ended))]
            ),
            "From the second episode on your t is one too large: after a terminal step the next one has t = 0.",
        ),
        Mistake(
            _log_weights(lambda ended: _since(ended, late=True)),
            "You start again AT the terminal step. It is still the last step of its own episode; the next one begins after it.",
        ),
        Mistake(
            lambda return_to_go, terminal, discount: (
                weights_of_log(return_to_go, terminal, discount) * ~terminal
            ),
            "You gave terminal steps no weight. The episode ends after them, but the action was taken and was paid.",
        ),
    ),
    summary="logs of many episodes, the last of them unfinished or not",
    show=lambda given: (
        f"{len(given['terminal'])} steps in {int(given['terminal'].sum())} finished episodes, γ = {given['discount']:g}"
    ),
)

# ---- 4.5 explain the runs that never arrive

STUCK = Choice(
    "4.5",
    "B",
    {
        "A": "a baseline leaves the mean as it is (section 4.4), and runs with one get stuck too. Look for what the two have in common.",
        "C": "the exact optimum for γ = 0.9 takes 5 steps, and runs with the small rate all come near it. The task is the same.",
        "D": "γ^1000 is 0 to forty digits: what happens behind the time limit is worth nothing at γ = 0.9, cut or not.",
    },
    summary="the estimate is a sum over all steps of an episode, so a long one makes a giant step; where a softmax is sure, scores vanish",
)

EXERCISES = [SCORE, TO_GO, BASELINE, GAMMA_T, STUCK]
