"""Exercises of chapter 05: n-step return, GAE, a figure, a rollout, two planted bugs."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise
from distral_lite.checks.inputs import cases, flags, numbers, whole


def n_step_return(reward, terminal, next_value, discount, n):
    """The return of n steps from the first; fewer if the episode ends before."""
    total, weight = 0.0, 1.0
    for t in range(n):
        total += weight * float(reward[t])
        weight *= discount
        if terminal[t]:
            return total
    return total + weight * float(next_value[n - 1])


def _return_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One step, the case worked by hand; ends before, at and after the n-th step."""
    by_hand = [-0.1, -0.6, -0.1, 0.9], [False] * 3 + [True], [0.5, 0.6, 0.8, 0.3]
    rows = [([1.0], [False], [2.0], 0.5, 1), (*by_hand, 0.9, 2), (*by_hand, 0.9, 4)]
    for n, ends, discount in (
        (1, (), 0.8), (3, (), 0.8), (6, (), 0.95), (5, (2,), 0.8), (3, (0,), 0.5),
        (2, (1,), 0.9), (2, (2,), 0.9), (6, (1, 4), 1.0), (4, (), 1.0), (3, (), 0.0),
    ):  # fmt: skip
        terminal = [t in ends for t in range(6)]
        values = numbers(generator, 6), terminal, numbers(generator, 6, scale=5)
        rows.append((*values, discount, n))
    return cases("reward terminal next_value discount n", *rows)


def gae(reward, discount, value, next_value, lambda_):
    """Advantages of one sequence, in which the discount is 0 at terminal steps."""
    delta = reward + discount * next_value - value
    advantage, following = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        following = delta[t] + discount[t] * lambda_ * following
        advantage[t] = following
    return advantage


def _gae_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One step, three by hand; several episodes, lambda from 0 to 1, several gammas."""
    by_hand = [-0.1, -0.1, 0.9], [0.9, 0.9, 0.0], [0.4, 0.5, 0.7], [0.5, 0.7, 0.3]
    rows = [([1.0], [0.5], [3.0], [4.0], 0.5), (*by_hand, 0.5)]
    for steps, lambda_, gamma in (
        (2, 0.5, 0.8), (4, 0.0, 0.95), (5, 1.0, 0.9), (8, 0.9, 1.0), (6, 0.3, 0.5),
    ):  # fmt: skip
        discount = gamma * ~flags(generator, 0.2, steps)
        discount[-1] = gamma
        discount[steps // 3] = 0.0 if steps > 2 else gamma  # an episode ends
        reward, value, after = (numbers(generator, steps) for _ in range(3))
        rows.append((reward, discount, value, after, lambda_))
    return cases("reward discount value next_value lambda_", *rows)


def targets(reward, terminal, truncated, value, next_value, discount):
    """Targets of a rollout with several episodes, lambda = 1."""
    target, following = reward.clone(), next_value[-1]
    for t in reversed(range(len(target))):
        if terminal[t]:
            following = 0.0
        elif truncated[t]:
            following = next_value[t]
        target[t] += discount * following
        following = target[t]
    return target


def _rollout_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One step with each flag, three by hand; goals, time-outs and both, anywhere."""
    names = "reward terminal truncated value next_value discount"
    rows = [
        ([1.0], [ended], [cut], [3.0], [4.0], 0.5)
        for ended, cut in ((False, False), (True, False), (False, True), (True, True))
    ]
    ends = [False, False, False], [False, True, False]
    rows.append(([-0.1] * 3, *ends, [0.2, 0.3, -1.0], [0.3, 0.5, -0.8], 0.9))
    for goals, cuts, discount in (
        ((3,), (), 0.9), ((1,), (4,), 0.5), ((), (0, 2), 0.9), ((5,), (1,), 1.0),
        ((2, 4), (3,), 0.8), ((), (5,), 0.95), ((2,), (2, 4), 0.9), ((5,), (5,), 0.9),
        ((), (), 1.0), ((4,), (2,), 0.0),
    ):  # fmt: skip
        terminal, truncated = ([t in at for t in range(6)] for at in (goals, cuts))
        value, after = numbers(generator, 6), numbers(generator, 6)
        over = torch.tensor([t in (*goals, *cuts, 5) for t in range(6)])
        after = torch.where(over, after, value.roll(-1))
        flagged = numbers(generator, 6), terminal, truncated
        rows.append((*flagged, value, after, discount))
    return cases(names, *rows)


def loss_gradients(logits, value, action, target):
    """Gradients of the actor's and critic's loss by logits and values."""
    logits, value = logits.clone().requires_grad_(), value.clone().requires_grad_()
    chosen = logits.log_softmax(-1).gather(-1, action[:, None]).squeeze(-1)
    error = target - value
    loss = -(chosen * error.detach()).mean() + 0.5 * error.square().mean()
    return torch.autograd.grad(loss, (logits, value))


def _loss_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One step better than expected, one worse; then batches."""
    rows = [
        ([[0.0, 0.0]], [0.5], [1], [2.5]),
        ([[0.0, 0.0]], [-0.5], [0], [-2.5]),
    ]
    for b, a, scale in ((2, 3, 1.0), (3, 2, 1.0), (5, 4, 5.0), (4, 4, 1.0)):
        pair = numbers(generator, b, a, scale=scale), numbers(generator, b)
        rows.append((*pair, whole(generator, a, b), numbers(generator, b, scale=scale)))
    return cases("logits value action target", *rows)


def _show_loss(given: dict[str, Any]) -> str:
    logits, value, action, target = given.values()
    if len(value) > 1:
        return f"a batch of {len(value)} steps and {logits.shape[-1]} actions"
    step = f"V = {float(value):g}, action {int(action)}, target {float(target):g}"
    return f"logits [0, 0], {step}"


EXERCISES = [
    Exercise(
        "5.1",
        n_step_return,
        _return_inputs,
        (
            (
                "range(n)",
                "range(n - 1)",
                "This is (2.32) as printed: R_{t+n} is missing, and V is discounted "
                "once too little. n rewards, then γⁿ V.",
            ),
            (
                "total + weight *",
                "total + discount ** (n - 1) *",
                "The value comes after n rewards, so n discounts lie before it: "
                "γⁿ V(S_{t+n}), not γⁿ⁻¹.",
            ),
            (
                "total + weight *",
                "total + weight * discount *",
                "The value comes after n rewards: n discounts lie before it, not n + 1.",
            ),
            (
                "float(reward[t])",
                "float(reward[t]) * (t < n - 1)",
                "You stop one reward early: R_{t+n}, with weight γⁿ⁻¹, belongs to the "
                "sum.",
            ),
            (
                "+= weight * float",
                "+= weight * discount * float",
                "Your rewards are discounted once too often: the first has weight 1, "
                "the i-th γ to the power i − 1.",
            ),
            (
                "if terminal[t]",
                "if False",
                "You walk on through the end of the episode. After a terminal step "
                "nothing counts: no later reward, and no value.",
            ),
            (
                "return total\n",
                "return total + weight * float(next_value[t])\n",
                "You add a value after a terminal step. A terminal state is worth 0, "
                "whatever next_value says about it.",
            ),
            (
                "next_value[n - 1]",
                "next_value[0]",
                "Your value is that of S_{t+1}. Bootstrap where the n steps led to: "
                "S_{t+n}, next_value[n - 1].",
            ),
            (
                "next_value[n - 1]",
                "next_value[n]",
                "Entry t of next_value is V(S_{t+1}): after n steps the value is entry "
                "n - 1, not n.",
            ),
            (
                "        if terminal[t]:\n            return total\n",
                "",
                "weight * float(next_value[n - 1])",
                "weight * float(next_value[n - 1]) * (not terminal[:n].any())",
                "You drop the value after an end, and go on adding rewards: those "
                "after a terminal step belong to the next episode.",
            ),
            (
                " + weight * float(next_value[n - 1])",
                "",
                "The value at the end is missing: n rewards alone say that nothing "
                "follows. Add γⁿ V(S_{t+n}) where the episode goes on.",
            ),
            (
                "+= weight *",
                "+=",
                "You discount the value and not the rewards: the i-th reward has weight "
                "γ to the power i, from i = 0.",
            ),
        ),
        summary="n from 1 to 6, episodes that end on the way",
        tolerance=1e-5,
    ),
    Exercise(
        "5.2",
        gae,
        _gae_inputs,
        (
            (
                "discount[t] * lambda_",
                "lambda_",
                "Later errors are faded by λ alone. Each step back costs γ as well, and "
                "0 where the episode ended: the weight is discount · λ.",
            ),
            (
                " * lambda_",
                "",
                "λ does not enter: this is the return less the value, λ = 1.",
            ),
            (
                "discount[t]",
                "discount.max()",
                "You fade by γλ at ends of episodes too, so that the next episode leaks "
                "into this one. Use the discount of each step.",
            ),
            (
                "discount[t]",
                "discount[min(t + 1, len(delta) - 1)]",
                "You fade by the discount of the step after. What lies between t and "
                "t + 1 is discount[t].",
            ),
            (
                "return advantage",
                "return delta + lambda_ * discount * torch.cat([delta[1:], 0 * delta[:1]])",
                "You pass back one step only. To δ_t comes Â_{t+1}, with all that "
                "follows in it, not δ_{t+1}.",
            ),
            (
                "delta[t] +",
                "(1 - lambda_) * delta[t] +",
                "The factor 1 − λ belongs to the mixture of n-step returns; written as "
                "a sum of TD errors it has cancelled already.",
            ),
            (
                "reversed(range(len(delta)))",
                "range(len(delta))",
                "You run forwards, so each step is credited with what happened before "
                "it. Begin at the last step and go back.",
            ),
            (
                " - value",
                "",
                "− V(S_t) is missing: you add up targets, not errors.",
            ),
            (
                "return advantage",
                "return delta",
                "These are the TD errors of one step, λ = 0; nothing is passed back yet.",
            ),
            (
                "discount * next_value",
                "discount * torch.cat([value[1:], next_value[-1:]])",
                "You took value[t + 1]. What step t led to is worth next_value[t]; the "
                "two need not be the same.",
            ),
        ),
        summary="λ from 0 to 1, several episodes in a sequence",
    ),
    Choice(
        "5.3",
        answer="b",
        wrong={
            "a": "Discounting shrinks it a little: seven more discounts make 0.70, and "
            "the bias falls to less than a twentieth.",
            "c": "The spread is another quantity: it says how far single returns stray "
            "from their mean. The bias is about the mean itself.",
            "d": "A few do, but this policy takes more than fifty steps on average: "
            "after eight, most episodes still run.",
        },
        summary="after n steps the policy may be in many squares, and the critic's "
        "errors there, some up and some down, average out",
    ),
    Exercise(
        "5.4",
        targets,
        _rollout_inputs,
        (
            (
                "if terminal[t]:",
                "if terminal[t] or truncated[t]:",
                "You take the time-out for a goal: its R begins at 0. The episode would "
                "have gone on; begin at V of the state it was cut in.",
            ),
            (
                "elif truncated[t]",
                "elif False",
                "You walk across the time-out: what follows it in the rollout is "
                "another episode. Begin afresh there, at next_value.",
            ),
            (
                "following = next_value[t]",
                "following = value[t + 1] if t + 1 < len(value) else next_value[t]",
                "You bootstrap from value[t + 1]: the state after the reset, of the "
                "next episode. next_value[t] is where the step led.",
            ),
            (
                "next_value[-1]",
                "0.0",
                "The rollout's end is not the episode's: the last step bootstraps too, "
                "unless it is terminal.",
            ),
            (
                "following = 0.0",
                "following = next_value[t]",
                "You bootstrap at a goal. A terminal state is worth 0 whatever "
                "next_value says about it.",
            ),
            (
                "if terminal[t]:",
                "if False:",
                "A goal is not heeded: what follows it in the rollout is another "
                "episode, and a terminal state is worth 0.",
            ),
            (
                "if terminal[t]:",
                "if terminal[t] and (not truncated[t]):",
                "Where a step is both terminal and cut the episode has arrived, and "
                "nothing would have followed: terminal comes first.",
            ),
            (
                "elif truncated[t]:",
                "else:",
                "You bootstrap at every step, so these are one-step targets. Within an "
                "episode R is passed on.",
            ),
        ),
        summary="goals, time-outs, both, and neither",
    ),
    Exercise(
        "5.5",
        loss_gradients,
        _loss_inputs,
        (
            (
                "-(chosen * error.detach())",
                "(chosen * error)",
                "This is the colleague's version. Two things are wrong: which way the "
                "actor goes, and what else its loss moves.",
            ),
            (
                "-(chosen",
                "(chosen",
                "One bug is out. But an optimiser descends: as it stands, an action "
                "that did better than expected becomes less likely. Turn the actor's "
                "sign.",
            ),
            (
                "error.detach()",
                "error",
                "The sign is right. But the actor's loss still has a gradient by V: the "
                "critic is pushed to please the actor, not to be right. The error is a "
                "mere number there: detach it.",
            ),
            (
                "0.5 * error.square()",
                "0.0 * error",
                "Now the critic learns nothing: in its own loss the error must not be "
                "detached.",
            ),
            (
                "+ 0.5",
                "- 0.5",
                "The critic runs away from its target: its squared error is something "
                "to make small.",
            ),
            (
                "0.5 * ",
                "",
                "The critic's loss (2.31) is half the mean square; without the half its "
                "gradient is twice that of the box.",
            ),
            (
                "error.detach()",
                "target",
                "The actor's signal is the whole target: that is REINFORCE without a "
                "baseline. Subtract V, without letting gradients through.",
            ),
            (
                ".squeeze(-1)",
                "",
                "Your log-probabilities are [B, 1] and the errors [B]: their product is "
                "[B, B], every action with the error of every step. Squeeze first.",
            ),
            (
                "chosen *",
                "chosen.exp() *",
                "You multiply the error with π, not with log π. The probability that an "
                "action was drawn with is in the sample already.",
            ),
            (
                "error.detach()).mean() + 0.5 * error.square().mean()",
                "error.detach()).sum() + 0.5 * error.square().sum()",
                "These are sums over the batch; means were asked for, so that the step "
                "does not grow with the batch.",
            ),
        ),
        summary="a good action becomes likelier, and the critic learns from its own "
        "error alone",
        show=_show_loss,
    ),
]
