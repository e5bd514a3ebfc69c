"""Exercises of chapter 00: a prediction, and a first function."""

from typing import Any

import numpy as np
import torch

from distral_lite.checks.exercise import Choice, Exercise, Mistake


def _policies(generator: np.random.Generator) -> list[dict[str, Any]]:
    """Policies of 2 to 5 actions, alone and in batches, with epsilon from 0 to 1."""
    shapes = [(5,), (2,), (4,), (3, 5), (2, 3, 4)]
    epsilons = [0.5, 0.1, 0.0, 1.0, 0.25]
    return [
        {
            "policy": torch.from_numpy(
                generator.dirichlet(np.ones(shape[-1]), size=shape[:-1])
            ),
            "epsilon": epsilon,
        }
        for shape, epsilon in zip(shapes, epsilons, strict=True)
    ]


EXERCISES = [
    Choice(
        "0.1",
        answer="b",
        wrong={
            "a": "You took random steps for nearly free. They make no ground on average, so the other half of the steps must make "
            "all of it, "
            "and that takes twice as many. Drag the slider to 0.5.",
            "c": "You took every random step for a step back. It leads back no oftener than it leads on; on average it only costs time. "
            "Drag the slider to 0.5.",
            "d": "You went halfway from the best policy to the random one. But as long as some steps are good they make the "
            "ground; only near "
            "ε = 1 the time explodes. Drag the slider to 0.5.",
        },
        summary="25.8 steps: random steps lead back as often as on, so the good half makes all the ground in about twice the time",
    ),
    Exercise(
        "0.2",
        reference=lambda policy, epsilon: (
            (1 - epsilon) * policy + epsilon / policy.shape[-1]
        ),
        inputs=_policies,
        mistakes=(
            Mistake(
                lambda policy, epsilon: (1 - epsilon) * policy + epsilon,
                "You added ε to every action, so the row sums to more than one. The chance ε is shared by A actions.",
            ),
            Mistake(
                lambda policy, epsilon: policy + epsilon / policy.shape[-1],
                "You added the random share but took nothing away from the policy, which acts only with probability 1 − ε.",
            ),
            Mistake(
                lambda policy, epsilon: (
                    epsilon * policy + (1 - epsilon) / policy.shape[-1]
                ),
                "You swapped the two: ε is the chance of a random action, so at ε = 0 the policy alone must be left.",
            ),
            Mistake(
                lambda policy, epsilon: (1 - epsilon) * policy,
                "You scaled the policy and stopped. The rest of the probability, ε, still has to be shared by all actions.",
            ),
            Mistake(
                lambda policy, epsilon: (
                    (1 - epsilon) * policy + epsilon / policy.shape[0]
                ),
                "You divided by the length of the first axis. Actions are on the last one, `policy.shape[-1]`: a policy may hold "
                "many states.",
            ),
            Mistake(
                lambda policy, epsilon: policy.clone(),
                "This is the policy itself: nothing random has been mixed in yet.",
            ),
        ),
        summary="policies of 2 to 5 actions, one state or many, ε from 0 to 1",
    ),
]
