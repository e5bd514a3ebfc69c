"""Exercises of chapter 00: a prediction, and a first function."""

from typing import Any

import numpy as np

from distral_lite.checks import inputs
from distral_lite.checks.exercise import Choice, Exercise


def noisy(policy, epsilon):
    """A policy, mixed with random actions."""
    return (1 - epsilon) * policy + epsilon / policy.shape[-1]


def _policies(generator: np.random.Generator) -> list[dict[str, Any]]:
    """One row by hand; then 2 to 5 actions, one state or many, epsilon from 0 to 1."""
    rows = [([0.75, 0.25, 0.0, 0.0], epsilon) for epsilon in (0.5, 0.0, 1.0)]
    for shape, epsilon in (
        ((2,), 0.1),
        ((3, 5), 0.1),
        ((5, 3), 0.7),
        ((2, 3, 4), 0.25),
    ):
        rows.append((inputs.policy(generator, *shape), epsilon))
    return inputs.cases("policy epsilon", *rows)


EXERCISES = [
    Choice(
        "0.1",
        answer="b",
        wrong={
            "a": "You took random steps for nearly free. They make no ground on average, "
            "so the other half of the steps must make all of it, and that takes twice as "
            "many. Drag the slider to 0.5.",
            "c": "You took every random step for a step back. It leads back no oftener "
            "than it leads on; on average it only costs time. Drag the slider to 0.5.",
            "d": "You went halfway from the best policy to the random one. But as long as "
            "some steps are good they make the ground; only near ε = 1 the time explodes. "
            "Drag the slider to 0.5.",
        },
        summary="25.8 steps: random steps lead back as often as on, so the good half "
        "makes all the ground in about twice the time",
    ),
    Exercise(
        "0.2",
        noisy,
        _policies,
        (
            (
                "epsilon / policy.shape[-1]",
                "epsilon",
                "You added ε to every action, so the row sums to more than one. The "
                "chance ε is shared by A actions.",
            ),
            (
                "(1 - epsilon) * policy",
                "policy",
                "You added the random share but took nothing away from the policy, which "
                "acts only with probability 1 − ε.",
            ),
            (
                "(1 - epsilon) * policy + epsilon /",
                "epsilon * policy + (1 - epsilon) /",
                "You swapped the two: ε is the chance of a random action, so at ε = 0 the "
                "policy alone must be left.",
            ),
            (
                " + epsilon / policy.shape[-1]",
                "",
                "You scaled the policy and stopped. The rest of the probability, ε, still "
                "has to be shared by all actions.",
            ),
            (
                "shape[-1]",
                "shape[0]",
                "You divided by the length of the first axis. Actions are on the last "
                "one, `policy.shape[-1]`: a policy may hold many states.",
            ),
            (
                "(1 - epsilon) * policy + epsilon / policy.shape[-1]",
                "policy.clone()",
                "This is the policy itself: nothing random has been mixed in yet.",
            ),
        ),
        summary="policies of 2 to 5 actions, one state or many, ε from 0 to 1",
    ),
]
