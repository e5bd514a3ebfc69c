"""Exercises of chapter 04: score, return to go, baseline, gamma^t, runs that stick."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, flags, numbers, whole


def score(preferences, action):
    """The score of a softmax policy, d log pi(a) / d h(b)."""
    chosen = torch.nn.functional.one_hot(action, preferences.shape[-1])
    return chosen.to(preferences.dtype) - preferences.softmax(-1)


def _score_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One state by hand, several at once, rows far apart and far from each other."""
    rows = [
        ([0.0, 1.0, -1.0], torch.tensor(1)),
        ([2.0, 2.0], torch.tensor(0)),
        ([0.0, 800.0, -800.0], torch.tensor(2)),
        ([[0.0, 1.0], [900.0, 901.0], [-999.0, -1000.0]], [0, 0, 1]),
        ([[-30.0, 0.0, 1000.0], [1.0, 0.0, 0.0]], [1, 2]),
    ]
    for *states, actions in ((3, 3), (4, 2), (2, 5, 4)):
        h = numbers(generator, *states, actions)
        rows.append((h, whole(generator, actions, *states)))
    return cases("preferences action", *rows)


def returns_to_go(reward, discount):
    """The return from each step on, of one episode."""
    result = torch.zeros_like(reward)
    following = 0.0
    for t in reversed(range(len(reward))):
        following = reward[t] + discount * following
        result[t] = following
    return result


def _reward_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """By hand, discounts 0 and 1, then so long that discount^t is 0, or far from it."""
    rows = [([3.0], 0.9), ([1.0, 2.0, 4.0], 0.5), ([1.0, 2.0, 3.0], 0.0)]
    rows += [([-0.1, -0.6, -0.1, 0.9], 1.0), (numbers(generator, 20), 0.95)]
    rows += [(numbers(generator, 400), discount) for discount in (0.1, 0.99)]
    return cases("reward discount", *rows)


def leave_one_out(returns):
    """The return of each episode less the mean of the others, step by step."""
    others = (returns.sum(0) - returns) / (len(returns) - 1)
    return returns - others


def _batch_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """By hand, ties, as many episodes as steps, and other sizes."""
    rows = [
        ([[4.0], [1.0]],),
        ([[4.0, 1.0], [2.0, 3.0], [0.0, 2.0]],),
        ([[5.0, 5.0], [5.0, 1.0], [5.0, 1.0], [-2.0, 9.0]],),
    ]
    for shape in ((2, 3), (5, 1), (3, 3), (6, 4)):
        rows.append((numbers(generator, *shape) - 3,))
    return cases("returns", *rows)


def weights_of_log(return_to_go, terminal, discount):
    """gamma^t G_t for a log of episodes; t counts from the start of each."""
    result = return_to_go.clone()
    t = 0
    for i in range(len(result)):
        result[i] *= discount**t
        t = 0 if terminal[i] else t + 1
    return result


def _log_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Short episodes by hand, then longer logs; their last is finished or not."""
    rows = [
        ([2.0], [True], 0.9),
        ([1.0, 2.0], [False, True], 0.5),
        ([3.0, 4.0, 4.0, 8.0, 8.0], [False, False, True, False, True], 0.5),
        ([1.0, 2.0, 3.0, 4.0, 5.0], [True, True, False, False, False], 0.5),
        ([3.0, -4.0, 5.0, 6.0], [False, False, True, False], 0.0),
        ([3.0, -4.0, 5.0, 6.0], [False, False, True, False], 1.0),
    ]
    for length, chance, gamma in ((30, 0.2, 0.9), (60, 0.1, 0.99), (400, 0.01, 0.999)):
        ended = flags(generator, chance, length)
        rows.append((numbers(generator, length), ended, gamma))
    return cases("return_to_go terminal discount", *rows)


EXERCISES = [
    Exercise(
        "4.1",
        score,
        _score_inputs,
        (
            (
                " - preferences.softmax(-1)",
                "",
                "You have the action that was taken, but not the price the others pay: "
                "raising one preference lowers every probability. Subtract π.",
            ),
            (
                "chosen.to(preferences.dtype) - preferences.softmax(-1)",
                "preferences.softmax(-1) - chosen",
                "The sign is turned round: this is the gradient of −log π, a loss. The "
                "score points to where the action becomes more likely.",
            ),
            (
                "chosen.to(preferences.dtype) - preferences.softmax(-1)",
                "(preferences.softmax(-1) * chosen).sum(-1, keepdim=True) * (chosen - "
                "preferences.softmax(-1))",
                "This is the gradient of π(a), not of log π(a). Divide by π(a): that "
                "division is the whole trick of (2.20).",
            ),
            (
                "chosen.to(preferences.dtype) - preferences.softmax(-1)",
                "chosen * (1 - preferences.softmax(-1))",
                "Only the entry of the action taken is right. Those of the others are "
                "−π(b), not 0: raising one lowers all the rest.",
            ),
            (
                "- preferences",
                "/ preferences",
                "This is the derivative of log π(a) by the probability π(a). The "
                "parameters are the preferences, behind the softmax.",
            ),
            (
                "preferences.softmax(-1)",
                "1 / preferences.shape[-1]",
                "You subtracted 1/A, as if the policy were uniform. Subtract π(b), "
                "whatever the policy is.",
            ),
            (
                "preferences.softmax(-1)",
                "preferences.exp() / preferences.exp().sum(-1, keepdim=True)",
                "Right on paper, but exp(800) is infinite, and infinity by infinity is no "
                "number. `softmax(-1)` subtracts the largest first.",
            ),
            (
                "preferences.softmax(-1)",
                "(preferences - preferences.max()).exp() / (preferences - "
                "preferences.max()).exp().sum(-1, keepdim=True)",
                "You subtract the largest preference of all states. In a state far below "
                "it every exponential is 0, and 0/0 is no number: each row needs its own.",
            ),
        ),
        summary="one state and many, preferences from −1000 to 1000",
    ),
    Exercise(
        "4.2",
        returns_to_go,
        _reward_inputs,
        (
            (
                "return result",
                "return torch.full_like(reward, following)",
                "Every step has the return of the whole episode: that is (2.21). An "
                "action cannot change what was paid before it.",
            ),
            (
                "return result",
                "return discount ** torch.arange(len(reward), dtype=reward.dtype) * "
                "result",
                "You discount from the start of the episode, not from t: that is γ^t G_t. "
                "The γ^t comes later, and in front.",
            ),
            (
                "reversed(range(len(reward)))",
                "range(len(reward))",
                "You added up the past. What an action is to be praised for lies ahead: i "
                "runs from t on.",
            ),
            (
                "return result",
                "return result - reward",
                "The first reward is missing: i starts at t, and R_{t+1} is what the "
                "action A_t itself was paid.",
            ),
            (
                "        following = reward[t] + discount * following\n"
                "        result[t] = following\n",
                "        result[t] = following\n"
                "        following = reward[t] + discount * following\n",
                "Each step has the return of the next one. G_t begins with R_{t+1}, what "
                "the action A_t itself was paid.",
            ),
            (
                "following = reward[t] + discount * following\n        result[t] = "
                "following",
                "result[t] = reward[t] + discount * following\n        following = "
                "reward[t]",
                "You look one step ahead only. The sum runs to the end of the episode.",
            ),
            (
                "return result",
                "return discount * result",
                "One factor too many: R_{t+1} is the reward of the step at t itself and "
                "is not discounted.",
            ),
            (
                "return result",
                "power = discount ** torch.arange(len(reward), dtype=reward.dtype)\n"
                "    return (power * reward).flip(0).cumsum(0).flip(0) / power",
                "Right on paper, but discount^t becomes 0 in a long episode and 0/0 is no "
                "number. Go backwards: G_t = R_{t+1} + γ G_{t+1}.",
            ),
        ),
        tolerance=1e-4,
        summary="discounts from 0 to 1, up to 400 steps",
    ),
    Exercise(
        "4.3",
        leave_one_out,
        _batch_inputs,
        (
            (
                "(returns.sum(0) - returns) / (len(returns) - 1)",
                "returns.mean(0)",
                "Your mean has the episode's own return in it, so the baseline depends on "
                "the action that it judges: every weight comes out too small by the "
                "factor (B − 1)/B. Leave the own episode out.",
            ),
            (
                "(returns.sum(0) - returns) / (len(returns) - 1)",
                "returns.mean(-1, keepdim=True)",
                "You averaged over time, within each episode: that mean contains what the "
                "action at t brought. Average over other episodes.",
            ),
            (
                "(returns.sum(0) - returns) / (len(returns) - 1)",
                "(returns.sum(-1, keepdim=True) - returns) / (returns.shape[-1] - 1)",
                "You averaged over the other steps of the same episode. The baseline of a "
                "step is the mean of the other episodes at that step.",
            ),
            (
                "(returns.sum(0) - returns) / (len(returns) - 1)",
                "returns.mean()",
                "One number for all steps, own return included. Each t has its own "
                "baseline, made from the other episodes.",
            ),
            (
                "(returns.sum(0) - returns) / (len(returns) - 1)",
                "(returns.sum() - returns.sum(-1, keepdim=True)) / (returns.numel() - "
                "returns.shape[-1])",
                "You averaged the other episodes over time as well. Each t has its own "
                "baseline: the mean of their returns from t on.",
            ),
            (
                "(returns.sum(0) - returns) / (len(returns) - 1)",
                "returns.mean(0)",
                "returns - others",
                "(returns - others) / returns.std(0)",
                "You divided by the standard deviation. Many programs do, but it is no "
                "baseline: it stretches the gradient, by chance.",
            ),
            (
                "(len(returns) - 1)",
                "len(returns)",
                "You left the own episode out of the sum, but not out of the count: there "
                "are B − 1 others.",
            ),
            (
                "return returns - others",
                "return others",
                "That is the baseline. The weight is the episode's own return less it.",
            ),
        ),
        summary="2 to 6 episodes, ties",
    ),
    Exercise(
        "4.4",
        weights_of_log,
        _log_inputs,
        (
            (
                "        result[i] *= discount ** t\n",
                "",
                "This is (2.23) as printed: γ^t is missing, and states late in an episode "
                "count as much as its start.",
            ),
            (
                "0 if terminal[i] else t + 1",
                "t + 1",
                "Your t runs on through the whole log. It counts from the start of its "
                "own episode: set it to 0 after each terminal step.",
            ),
            (
                "range(len(result))",
                "reversed(range(len(result)))",
                "result[i] *= discount ** t\n        t = 0 if terminal[i] else t + 1",
                "t = 0 if terminal[i] else t\n        result[i] *= discount ** t\n"
                "        t += 1",
                "You count backwards, in steps to the end. That is what discounts inside "
                "G_t; the factor in front counts from the start.",
            ),
            (
                "t = 0\n",
                "t = 1\n",
                "0 if",
                "1 if",
                "Your first step has t = 1. S_0 is where the objective is measured: its "
                "factor is γ^0 = 1.",
            ),
            (
                "0 if",
                "1 if",
                "From the second episode on your t is one too large: after a terminal "
                "step the next one has t = 0.",
            ),
            (
                "result[i] *= discount ** t\n        t = 0 if terminal[i] else t + 1",
                "t = 0 if terminal[i] else t\n        result[i] *= discount ** t\n"
                "        t += 1",
                "You start again AT the terminal step. It is still the last step of its "
                "own episode; the next one begins after it.",
            ),
            (
                "t + 1",
                "t + 2",
                "You weighted with γ^t twice, or counted t in twos: t goes up by 1 a step.",
            ),
            (
                "return result",
                "return result * ~terminal",
                "You gave terminal steps no weight. The episode ends after them, but the "
                "action was taken and was paid.",
            ),
            (
                "0 if terminal[i] else t + 1",
                "t + 1 if terminal[i] else t",
                "You raised γ to the number of the episode. t is the number of the step, "
                "counted from the start of its own episode.",
            ),
        ),
        tolerance=1e-4,
        summary="logs of many episodes, the last of them unfinished or not, γ from 0 to 1",
    ),
    Choice(
        "4.5",
        "B",
        {
            "A": "a baseline leaves the mean as it is (section 4.4), and runs with one get "
            "stuck too. Look for what the two have in common.",
            "C": "the exact optimum for γ = 0.9 takes 5 steps, and runs with the small "
            "rate all come near it. The task is the same.",
            "D": "γ^1000 is 0 to forty digits: what happens behind the time limit is worth "
            "nothing at γ = 0.9, cut or not.",
        },
        summary="the estimate is a sum over all steps of an episode, so a long one makes "
        "a giant step; where a softmax is sure, scores vanish",
    ),
]
