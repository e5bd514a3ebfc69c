"""The exercises of chapter 05: n-step return, GAE, a figure to explain, a rollout with a time-out, two planted bugs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distral_lite import actor_critic, returns
from distral_lite.checks.exercise import Choice, Exercise, Mistake


def _numbers(generator: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(generator.normal(size=shape).round(2))


# ---- 5.1 the n-step return


def _first_return(
    reward: Tensor, terminal: Tensor, next_value: Tensor, discount: float, n: int
) -> float:
    steps = returns.discounts(discount, terminal[:n])
    return float(returns.n_step_returns(reward[:n], steps, next_value[:n], n)[0])


def _return_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """The case worked by hand; then n of 1, 2, 3 and 5, with and without an end on the way."""
    by_hand = {
        "reward": torch.tensor([-0.1, -0.6, -0.1, 0.9]).double(),
        "terminal": torch.tensor([False, False, False, True]),
        "next_value": torch.tensor([0.5, 0.6, 0.8, 0.3]).double(),
        "discount": 0.9,
        "n": 2,
    }
    cases = [by_hand, {**by_hand, "n": 4}]
    for n, end in ((1, 9), (3, 9), (5, 9), (5, 2), (3, 0), (2, 1)):
        terminal = torch.arange(6) == end
        reward, next_value = _numbers(generator, 6), 5 * _numbers(generator, 6)
        cases.append(
            {
                "reward": reward,
                "terminal": terminal,
                "next_value": next_value,
                "discount": 0.8,
                "n": n,
            }
        )
    return cases


def _sums(
    value_power: int,
    rewards: int = 0,
    ends: bool = True,
    value_at: Callable[[int], int] = lambda n: n - 1,
) -> Callable[..., float]:
    """A wrong return: n + `rewards` rewards, gamma^(n + `value_power`) times the value at `value_at(n)`; `ends` heeds terminal steps."""

    def wrong(
        reward: Tensor, terminal: Tensor, next_value: Tensor, discount: float, n: int
    ) -> float:
        last = min([n, *(t + 1 for t in range(n) if terminal[t])]) if ends else n
        over = ends and bool(terminal[last - 1])
        total = sum(
            discount**i * float(reward[i])
            for i in range(last if over else max(last + rewards, 0))
        )
        return (
            total
            if over
            else total + discount ** (n + value_power) * float(next_value[value_at(n)])
        )

    return wrong


def _undiscounted(
    reward: Tensor, terminal: Tensor, next_value: Tensor, discount: float, n: int
) -> float:
    last = min([n, *(t + 1 for t in range(n) if terminal[t])])
    return float(reward[:last].sum()) + (
        0.0 if terminal[last - 1] else discount**n * float(next_value[n - 1])
    )


def _rewards_of_the_next(
    reward: Tensor, terminal: Tensor, next_value: Tensor, discount: float, n: int
) -> float:
    total = sum(discount**i * float(reward[i]) for i in range(n))
    return total + (
        0.0 if bool(terminal[:n].any()) else discount**n * float(next_value[n - 1])
    )


RETURN = Exercise(
    "5.1",
    _first_return,
    _return_inputs,
    (
        Mistake(
            _sums(-1, rewards=-1),
            "This is (2.32) as printed: R_{t+n} is missing, and V is discounted once too little. n rewards, then γⁿ V.",
        ),
        Mistake(
            _sums(-1),
            "The value comes after n rewards, so n discounts lie before it: γⁿ V(S_{t+n}), not γⁿ⁻¹.",
        ),
        Mistake(
            _sums(0, rewards=-1),
            "You stop one reward early: R_{t+n}, with weight γⁿ⁻¹, belongs to the sum.",
        ),
        Mistake(
            _sums(0, ends=False),
            "You walk on through the end of the episode. After a terminal step nothing counts: no later reward, and no value.",
        ),
        Mistake(
            _sums(0, value_at=lambda n: 0),
            "Your value is that of S_{t+1}. Bootstrap where the n steps led to: S_{t+n}, next_value[n - 1].",
        ),
        Mistake(
            _rewards_of_the_next,
            "You drop the value after an end, and go on adding rewards: those after a terminal step belong to the next episode.",
        ),
        Mistake(
            lambda reward, terminal, next_value, discount, n: _first_return(
                reward, terminal, 0 * next_value, discount, n
            ),
            "The value at the end is missing: n rewards alone say that nothing follows. Add γⁿ V(S_{t+n}) where the episode goes on.",
        ),
        Mistake(
            _undiscounted,
            "You discount the value and not the rewards: the i-th reward has weight γ to the power i, from i = 0.",
        ),
    ),
    summary="n from 1 to 5, episodes that end on the way",
)

# ---- 5.2 generalised advantage estimation


def _gae(
    reward: Tensor, discount: Tensor, value: Tensor, next_value: Tensor, lambda_: float
) -> Tensor:
    return returns.advantages(reward, discount, value, next_value, lambda_)


def _gae_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Three steps by hand; then sequences of several episodes, lambda from 0 to 1."""
    by_hand = {
        "reward": torch.tensor([-0.1, -0.1, 0.9]).double(),
        "discount": torch.tensor([0.9, 0.9, 0.0]).double(),
        "value": torch.tensor([0.4, 0.5, 0.7]).double(),
        "next_value": torch.tensor([0.5, 0.7, 0.3]).double(),
        "lambda_": 0.5,
    }
    cases = [by_hand]
    for steps, lambda_ in ((4, 0.0), (5, 1.0), (8, 0.9), (6, 0.3)):
        discount = torch.from_numpy(np.where(generator.random(steps) < 0.3, 0.0, 0.95))
        discount[1] = 0.0  # an episode ends in the middle
        cases.append(
            dict(
                zip(
                    by_hand,
                    (*(_numbers(generator, steps) for _ in range(4)), lambda_),
                    strict=True,
                )
            )
            | {"discount": discount}
        )
    return cases


def _accumulates(
    delta: Callable[..., Tensor], weight: Callable[..., Tensor], backwards: bool = True
) -> Callable[..., Tensor]:
    """A wrong estimate by y_t = delta_t + weight_t y_{t+1} (or, forwards, y_{t-1})."""

    def wrong(
        reward: Tensor,
        discount: Tensor,
        value: Tensor,
        next_value: Tensor,
        lambda_: float,
    ) -> Tensor:
        x, w = (
            delta(reward, discount, value, next_value, lambda_),
            weight(discount, lambda_),
        )
        result, following = torch.zeros_like(x), torch.zeros(()).double()
        for t in reversed(range(len(x))) if backwards else range(len(x)):
            result[t] = following = x[t] + w[t] * following
        return result

    return wrong


def _delta(
    reward: Tensor, discount: Tensor, value: Tensor, next_value: Tensor, lambda_: float
) -> Tensor:
    return reward + discount * next_value - value


GAE = Exercise(
    "5.2",
    _gae,
    _gae_inputs,
    (
        Mistake(
            _accumulates(
                _delta, lambda discount, lambda_: lambda_ * torch.ones_like(discount)
            ),
            "Later errors are faded by λ alone. Each step back costs γ as well, and 0 where the episode ended: the weight is discount · λ.",
        ),
        Mistake(
            _accumulates(_delta, lambda discount, lambda_: discount),
            "λ does not enter: this is the return less the value, λ = 1.",
        ),
        Mistake(
            _accumulates(
                _delta,
                lambda discount, lambda_: lambda_ * discount.max().expand_as(discount),
            ),
            "You fade by γλ at ends of episodes too, so that the next episode leaks into this one. Use the discount of each step.",
        ),
        Mistake(
            _accumulates(
                lambda *a: (1 - a[4]) * _delta(*a),
                lambda discount, lambda_: lambda_ * discount,
            ),
            "The factor 1 − λ belongs to the mixture of n-step returns; written as a sum of TD errors it has cancelled already.",
        ),
        Mistake(
            _accumulates(
                _delta, lambda discount, lambda_: lambda_ * discount, backwards=False
            ),
            "You run forwards, so each step is credited with what happened before it. Begin at the last step and go back.",
        ),
        Mistake(
            _accumulates(
                lambda r, d, v, n, lambda_: r + d * n,
                lambda discount, lambda_: lambda_ * discount,
            ),
            "− V(S_t) is missing: you add up targets, not errors.",
        ),
        Mistake(
            lambda *a: _delta(*a),
            "These are the TD errors of one step, λ = 0; nothing is passed back yet.",
        ),
    ),
    summary="λ from 0 to 1, several episodes in a sequence",
)

# ---- 5.4 a rollout with a time-out


def _targets(
    reward: Tensor,
    terminal: Tensor,
    truncated: Tensor,
    value: Tensor,
    next_value: Tensor,
    discount: float,
) -> Tensor:
    return returns.discounted_returns(
        reward, returns.discounts(discount, terminal), truncated, next_value
    )


def _rollout_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Three steps by hand, the second cut; then longer ones with goals and time-outs."""
    by_hand = {
        "reward": torch.tensor([-0.1, -0.1, -0.1]).double(),
        "terminal": torch.tensor([False, False, False]),
        "truncated": torch.tensor([False, True, False]),
        "value": torch.tensor([0.2, 0.3, -1.0]).double(),
        "next_value": torch.tensor([0.3, 0.5, -0.8]).double(),
        "discount": 0.9,
    }
    cases = [by_hand]
    for goals, cuts in (
        ((3,), ()),
        ((1,), (4,)),
        ((), (0, 2)),
        ((5,), (1,)),
        ((2, 4), (3,)),
        ((), (5,)),
    ):
        terminal, truncated = (
            torch.tensor([t in places for t in range(6)]) for places in (goals, cuts)
        )
        value, after = _numbers(generator, 6), _numbers(generator, 6)
        next_value = torch.where(
            terminal | truncated, after, torch.cat([value[1:], after[5:]])
        )
        cases.append(
            dict(
                zip(
                    by_hand,
                    (
                        _numbers(generator, 6),
                        terminal,
                        truncated,
                        value,
                        next_value,
                        0.9,
                    ),
                    strict=True,
                )
            )
        )
    return cases


def _walks(follow: Callable[..., float]) -> Callable[..., Tensor]:
    """A wrong recursion R <- r + gamma * follow(...), from the last step back."""

    def wrong(
        reward: Tensor,
        terminal: Tensor,
        truncated: Tensor,
        value: Tensor,
        next_value: Tensor,
        discount: float,
    ) -> Tensor:
        result, following, last = torch.zeros_like(reward), 0.0, len(reward) - 1
        for t in range(last, -1, -1):
            after_reset = float(value[t + 1]) if t < last else float(next_value[t])
            where = {
                "terminal": bool(terminal[t]),
                "cut": bool(truncated[t]),
                "last": t == last,
            }
            following = float(reward[t]) + discount * follow(
                where, following, float(next_value[t]), after_reset
            )
            result[t] = following
        return result

    return wrong


TIMEOUT = Exercise(
    "5.4",
    _targets,
    _rollout_inputs,
    (
        Mistake(
            _walks(
                lambda where, R, v, reset: (
                    0.0
                    if where["terminal"] or where["cut"]
                    else v
                    if where["last"]
                    else R
                )
            ),
            "You take the time-out for a goal: its R begins at 0. The episode would have gone on; begin at V of the state it was cut in.",
        ),
        Mistake(
            _walks(
                lambda where, R, v, reset: (
                    0.0 if where["terminal"] else v if where["last"] else R
                )
            ),
            "You walk across the time-out: what follows it in the rollout is another episode. Begin afresh there, at next_value.",
        ),
        Mistake(
            _walks(
                lambda where, R, v, reset: (
                    0.0
                    if where["terminal"]
                    else reset
                    if where["cut"]
                    else v
                    if where["last"]
                    else R
                )
            ),
            "You bootstrap from value[t + 1]: the state after the reset, of the next episode. next_value[t] is where the step led.",
        ),
        Mistake(
            _walks(
                lambda where, R, v, reset: (
                    0.0
                    if where["terminal"]
                    else v
                    if where["cut"]
                    else 0.0
                    if where["last"]
                    else R
                )
            ),
            "The rollout's end is not the episode's: the last step bootstraps too, unless it is terminal.",
        ),
        Mistake(
            _walks(
                lambda where, R, v, reset: (
                    v if where["cut"] or where["last"] or where["terminal"] else R
                )
            ),
            "You bootstrap at a goal. A terminal state is worth 0 whatever next_value says about it.",
        ),
        Mistake(
            _walks(lambda where, R, v, reset: 0.0 if where["terminal"] else v),
            "You bootstrap at every step, so these are one-step targets. Within an episode R is passed on.",
        ),
    ),
    summary="goals, time-outs, both, and neither",
)

# ---- 5.5 two planted bugs in the losses


def _gradients_of(loss: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """The gradients of a loss(log_policy, value, action, target) by logits and values."""

    def gradients(
        logits: Tensor, value: Tensor, action: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits, value = logits.clone().requires_grad_(), value.clone().requires_grad_()
        log_policy = logits.log_softmax(-1)
        found = torch.autograd.grad(
            loss(log_policy, value, action, target), (logits, value), allow_unused=True
        )
        return tuple(
            torch.zeros_like(x) if g is None else g
            for g, x in zip(found, (logits, value), strict=True)
        )

    return gradients


def _chosen(log_policy: Tensor, action: Tensor) -> Tensor:
    return log_policy.gather(-1, action.unsqueeze(-1)).squeeze(-1)


def _right_loss(
    log_policy: Tensor, value: Tensor, action: Tensor, target: Tensor
) -> Tensor:
    return actor_critic.actor_loss(
        log_policy, action, target - value
    ) + actor_critic.critic_loss(value, target)


def _loss_inputs(generator: np.random.Generator) -> list[dict[str, Any]]:
    by_hand = {
        "logits": torch.zeros(1, 2).double(),
        "value": torch.tensor([0.5]).double(),
        "action": torch.tensor([1]),
        "target": torch.tensor([2.5]).double(),
    }
    return [by_hand] + [
        dict(
            zip(
                by_hand,
                (
                    _numbers(generator, b, a),
                    _numbers(generator, b),
                    torch.arange(b) % a,
                    _numbers(generator, b),
                ),
                strict=True,
            )
        )
        for b, a in ((3, 2), (5, 4), (8, 3))
    ]


def _show_loss(given: dict[str, Any]) -> str:
    if len(given["value"]) > 1:
        return f"a batch of {len(given['value'])} steps and {given['logits'].shape[-1]} actions"
    return f"logits [0, 0], V = {float(given['value']):g}, action {int(given['action'])}, target {float(given['target']):g}"


LOSSES = Exercise(
    "5.5",
    _gradients_of(_right_loss),
    _loss_inputs,
    (
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    (_chosen(p, a) * (t - v)).mean() + 0.5 * (t - v).square().mean()
                )
            ),
            "This is the colleague's version. Two things are wrong: which way the actor goes, and what else its loss moves.",
        ),
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    (_chosen(p, a) * (t - v).detach()).mean()
                    + 0.5 * (t - v).square().mean()
                )
            ),
            "One bug is out. But an optimiser descends: as it stands, an action that did better than expected becomes less likely. Turn "
            "the actor's sign.",
        ),
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    -(_chosen(p, a) * (t - v)).mean() + 0.5 * (t - v).square().mean()
                )
            ),
            "The sign is right. But the actor's loss still has a gradient by V: the critic is pushed to please the actor, not to be right. "
            "The error is a mere number there: detach it.",
        ),
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    -(_chosen(p, a) * (t - v).detach()).mean()
                    + 0.5 * (t - v).detach().square().mean()
                )
            ),
            "Now the critic learns nothing: in its own loss the error must not be detached.",
        ),
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    -(_chosen(p, a) * (t - v).detach()).mean()
                    - 0.5 * (t - v).square().mean()
                )
            ),
            "The critic runs away from its target: its squared error is something to make small.",
        ),
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    -(_chosen(p, a) * (t - v).detach()).mean() + (t - v).square().mean()
                )
            ),
            "The critic's loss (2.31) is half the mean square; without the half its gradient is twice that of the box.",
        ),
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    -(_chosen(p, a) * t).mean() + 0.5 * (t - v).square().mean()
                )
            ),
            "The actor's signal is the whole target: that is REINFORCE without a baseline. Subtract V, without letting gradients through.",
        ),
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    -(_chosen(p, a).exp() * (t - v).detach()).mean()
                    + 0.5 * (t - v).square().mean()
                )
            ),
            "You multiply the error with π, not with log π. The probability that an action was drawn with is in the sample already.",
        ),
        Mistake(
            _gradients_of(
                lambda p, v, a, t: (
                    -(_chosen(p, a) * (t - v).detach()).sum()
                    + 0.5 * (t - v).square().sum()
                )
            ),
            "These are sums over the batch; means were asked for, so that the step does not grow with the batch.",
        ),
    ),
    summary="a good action becomes likelier, and the critic learns from its own error alone",
    show=_show_loss,
)

FIGURE = Choice(
    "5.3",
    answer="b",
    wrong={
        "a": "Discounting shrinks it a little: seven more discounts make 0.70, and the bias falls to less than a twentieth.",
        "c": "The spread is another quantity: it says how far single returns stray from their mean. The bias is about the mean itself.",
        "d": "A few do, but this policy takes more than fifty steps on average: after eight, most episodes still run.",
    },
    summary="after n steps the policy may be in many squares, and the critic's errors there, some up and some down, average out",
)

EXERCISES = [RETURN, GAE, FIGURE, TIMEOUT, LOSSES]
