"""What the tests of the equation ledger share: what a chapter says of errata, small worlds, and all that can happen in them."""

import re

import numpy as np
import torch

from distral_lite import mdp as M


def errata_of(script):
    """What a chapter's script says of errata: its paragraphs `> **Erratum.** ...`, and the items under "Errata met in this chapter"."""
    lines = [line.removeprefix("#").strip() if line.startswith("#") and not line.startswith("# %%") else "" for line in script.splitlines()]
    text = "\n".join(lines)
    blocks = [paragraph.replace("\n> ", " ") for paragraph in re.split(r"\n{2,}", text) if paragraph.startswith("> **Erratum")]
    section = re.search(r"^## Errata met in this chapter\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    items = re.split(r"\n(?=[-*|])", section[1]) if section else []
    return blocks + [" ".join(item.split()) for item in items if item.strip()]


# ---- worlds to test on ----


def f64(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def table(successor, reward, terminal):
    """An MDP of one outcome an action from nested lists [S][A]; it starts in state 0."""
    successor = torch.tensor(successor).unsqueeze(-1)
    start = torch.zeros(len(successor), dtype=torch.float64)
    start[0] = 1.0
    one = torch.ones(successor.shape, dtype=torch.float64)
    reward, terminal = torch.tensor(reward, dtype=torch.float64), torch.tensor(terminal).unsqueeze(-1)
    return M.check(M.MDP(successor, one, reward, terminal, start, torch.eye(len(start))))


CHAIN = table([[1], [2], [2]], [[1], [2], [3]], [[False], [False], [True]])  # pays 1, 2, 3 and ends
ONLY = torch.ones(3, 1, dtype=torch.float64)  # its one policy
# In 0 the one thing to do pays 1 and leads to 1. There action 0 pays 2, action 1 pays 5, and both end the episode.
FORK = table([[1, 1], [1, 1]], [[1, 1], [2, 5]], [[False, False], [True, True]])


def random_mdp(seed, **sizes):
    return M.random_mdp(np.random.default_rng(seed), **sizes)


def random_policy(seed, *shape):
    return torch.from_numpy(np.random.default_rng([seed, 1]).dirichlet(np.ones(shape[-1]), size=shape[:-1]))


def always(mdp, *actions):
    """The policy that takes these actions, one a state."""
    return torch.nn.functional.one_hot(torch.tensor(actions), mdp.reward.shape[-1]).double()


def outcomes(mdp, s, a):
    """(probability, expected reward, next state, ended) of everything that an action may lead to."""
    for m in range(mdp.successor.shape[-1]):
        yield float(mdp.probability[s, a, m]), float(mdp.reward[s, a]), int(mdp.successor[s, a, m]), bool(mdp.terminal[s, a, m])


def close(found, wanted, tolerance=1e-12):
    found, wanted = (torch.as_tensor(array, dtype=torch.float64) for array in (found, wanted))
    torch.testing.assert_close(found, wanted, atol=tolerance, rtol=0)


def short_mdp(seed):
    """A random MDP that is over after three steps: state 0, then 1 or 2, then 3 or 4. All that can happen in it can be listed."""
    generator = np.random.default_rng(seed)
    successor = torch.tensor([[[1, 2]] * 2, [[3, 4]] * 2, [[3, 4]] * 2, [[0, 0]] * 2, [[0, 0]] * 2])
    probability = torch.from_numpy(generator.dirichlet(np.ones(2), size=(5, 2)))
    terminal = torch.zeros(5, 2, 2, dtype=torch.bool)
    terminal[3:] = True
    reward, start = torch.from_numpy(generator.normal(size=(5, 2))), f64(1, 0, 0, 0, 0)
    return M.check(M.MDP(successor, probability, reward, terminal, start, torch.eye(5)))


def logits(seed, *shape):
    """Random numbers of the order of one."""
    return torch.from_numpy(np.random.default_rng([seed, 2]).normal(size=shape))


def derivative(function, *at):
    """The gradients of a function of tensors, by autograd; one tensor if it has one argument."""
    at = [tensor.detach().clone().requires_grad_() for tensor in at]
    found = torch.autograd.grad(function(*at), at)
    return found[0] if len(found) == 1 else found


def far(found, wanted):
    """The largest difference."""
    return float((torch.as_tensor(found) - torch.as_tensor(wanted)).abs().max())
