"""Chapter 00: the mixture of a policy with random actions."""

import numpy as np
import torch

from corpus import inputs, policy, right, tensor, values, wrong

values(
    "0.1",
    ["b", "B", " b "],
    {
        "a": "effect of random actions too small",
        "c": "effect too large",
        "d": "value of another setting",
        "26": "the number in place of the letter",
        26: "the number in place of the letter",
        "e": "no such option",
    },
)


@inputs("0.2")
def _(rng):
    return [
        (tensor([0.0, 1.0, 0.0]), 0.3),
        (policy(rng, 5), 0.0),
        (policy(rng, 5), 1.0),
        (policy(rng, 4, 3), 0.25),
        (policy(rng, 2, 3, 6), 0.7),
        (policy(rng, 3, 3), 0.1),
    ]


@wrong("0.2", "returns the policy as it is", "the random part left out")
def _(policy, epsilon):
    return policy


@wrong("0.2", "ε and 1 − ε exchanged", "epsilon and 1 - epsilon swapped")
def _(policy, epsilon):
    return epsilon * policy + (1 - epsilon) / policy.shape[-1]


@wrong("0.2", "adds ε, not ε/A", "not divided by A")
def _(policy, epsilon):
    return (1 - epsilon) * policy + epsilon


@wrong("0.2", "forgets to shrink the policy", "factor 1 - epsilon missing")
def _(policy, epsilon):
    return policy + epsilon / policy.shape[-1]


@wrong("0.2", "divides by the number of states", "wrong axis for A")
def _(policy, epsilon):
    return (1 - epsilon) * policy + epsilon / policy.shape[0]


@wrong("0.2", "divides by the number of entries", "numel for A")
def _(policy, epsilon):
    return (1 - epsilon) * policy + epsilon / policy.numel()


@wrong("0.2", "five actions as in the mazes", "A hard-coded")
def _(policy, epsilon):
    return (1 - epsilon) * policy + epsilon / 5


@wrong("0.2", "shares ε among the other A − 1 actions", "A - 1 for A")
def _(policy, epsilon):
    n = policy.shape[-1]
    return (1 - epsilon) * policy + epsilon / (n - 1)


@wrong("0.2", "the policy loses nothing where it is sure, and is made greedy", "greedy")
def _(policy, epsilon):
    n = policy.shape[-1]
    best = torch.nn.functional.one_hot(policy.argmax(-1), n)
    return (1 - epsilon) * best + epsilon / n


@wrong("0.2", "parenthesis misplaced", "precedence: everything divided by A")
def _(policy, epsilon):
    return ((1 - epsilon) * policy + epsilon) / policy.shape[-1]


@wrong("0.2", "writes into the policy", "changes its argument")
def _(policy, epsilon):
    policy *= 1 - epsilon
    policy += epsilon / policy.shape[-1]
    return policy


@wrong("0.2", "minus for plus", "sign of the random part")
def _(policy, epsilon):
    return (1 - epsilon) * policy - epsilon / policy.shape[-1]


@wrong("0.2", "integer division", "// gives 0")
def _(policy, epsilon):
    return (1 - epsilon) * policy + epsilon // policy.shape[-1]


@wrong("0.2", "draws a coin for the whole call", "a draw, not the mixture")
def _(policy, epsilon):
    coin = np.random.default_rng(0).random()
    if coin < epsilon:
        return torch.full_like(policy, 1 / policy.shape[-1])
    return policy


@wrong("0.2", "normalises over the wrong axis afterwards", "normalised over axis 0")
def _(policy, epsilon):
    mixed = (1 - epsilon) * policy + epsilon / policy.shape[-1]
    return mixed / mixed.sum(0)


@wrong("0.2", "prints the result and returns nothing", "return is missing")
def _(policy, epsilon):
    mixed = (1 - epsilon) * policy + epsilon / policy.shape[-1]
    str(mixed)


@wrong("0.2", "rounds to two digits", "rounded")
def _(policy, epsilon):
    return torch.round((1 - epsilon) * policy + epsilon / policy.shape[-1], decimals=2)


@wrong("0.2", "softmax over the mixture", "softmax of probabilities")
def _(policy, epsilon):
    mixed = (1 - epsilon) * policy + epsilon / policy.shape[-1]
    return mixed.softmax(-1)


@right("0.2", "lerp towards the uniform policy")
def _(policy, epsilon):
    return torch.lerp(policy, torch.full_like(policy, 1 / policy.shape[-1]), epsilon)


@right("0.2", "NumPy")
def _(policy, epsilon):
    p = policy.numpy()
    return (1 - epsilon) * p + epsilon * np.ones_like(p) / p.shape[-1]


@right("0.2", "multiplied out")
def _(policy, epsilon):
    return policy - epsilon * (policy - 1 / policy.size(-1))


@right("0.2", "float32")
def _(policy, epsilon):
    p = policy.float()
    return p * (1 - epsilon) + epsilon / p.shape[-1]


@right("0.2", "nested lists")
def _(policy, epsilon):
    def walk(row):
        if isinstance(row[0], list):
            return [walk(inner) for inner in row]
        return [(1 - epsilon) * p + epsilon / len(row) for p in row]

    return walk(policy.tolist())
