"""Every field of every configuration is fed nonsense: it is refused by the house's error; what is right is kept."""

import dataclasses
import math
import random
import re

import numpy as np
import pytest
import torch
from algorithms import CONFIGS
from fuzzing import cases

from distral_lite.validation import public_name

# What each field wants, by its name: an oracle beside the annotations. Where one name wants different things, "module.name" says.
WHOLE = (
    "steps batch capacity learning_starts update_every target_every epsilon_steps max_episode_steps snapshots workers horizon"
    " updates episodes repeats n_steps environments memory distil_memory rollouts"
)
FRACTION = "discount epsilon epsilon_start epsilon_end decay alpha lambda_ rho fading q_learning.learning_rate two_rooms.learning_rate"
POSITIVE = (
    "learning_rate actor_rate critic_rate distil_rate beta beta_prime kappa reward_scale clip_norm epsilon_episodes"
)
NOT_NEGATIVE = "entropy_bonus baseline_learning_rate q_learning.decay"
FLAGS = "adam discounted_visits distil exploring_starts keep_discount timeouts_are_goals"
CHOICES = {
    "columns": (1, 2),
    "critic": ("separate", "f"),
    "optimiser": ("sgd", "rmsprop", "adam"),
    "price": ("closed", "sampled", "naive"),
    "target": ("sampled", "expected_kl"),
    "device": ("cpu", "cuda", "cuda:1"),
}
KINDS = {"initial_value": "finite", "hidden": "layers"}
KINDS |= dict.fromkeys(WHOLE.split(), "whole") | dict.fromkeys(FRACTION.split(), "fraction")
KINDS |= dict.fromkeys(POSITIVE.split(), "positive") | dict.fromkeys(NOT_NEGATIVE.split(), "not negative")
KINDS |= dict.fromkeys(FLAGS.split(), "flag") | dict.fromkeys(CHOICES, "choice")
OPTIONAL = "hidden clip_norm baseline_learning_rate distral_ac.n_steps soft_q_learning.memory"
TENSORS = (
    "q_learning.learning_rate q_learning.epsilon q_learning.decay policy_gradient.learning_rate policy_gradient.baseline_learning_rate"
    " soft_q_learning.alpha soft_q_learning.beta soft_q_learning.epsilon distral_sql.beta_prime distral_ac.beta_prime"
)


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no")


VALUES = [None, "", "no", "0.5", "cpu", "cuda", "f", "adam", math.nan, math.inf, -math.inf, -1, -0.5, 0, 0.0, 0.5, 1, 1.0, 1.5, 2, 7]
VALUES += [2**70, -(2**70), 2**2000, 10**5000, 1e300, True, False, [], [1], {}, set(), (), (0,), (1,), (8, 4), (1.0,), (True,), ((1,),)]
VALUES += ["meta", "cuda:1", b"", b"cpu", 1j, object(), Unprintable(), lambda x: x, len, int, ..., range(3), np.array([0.5]), np.array(1)]
VALUES += [np.float64(0.5), np.float32(0.5), np.float64("nan"), np.int64(3), np.uint8(0), np.bool_(True), np.str_("cpu")]
VALUES += [torch.tensor(one) for one in ([], 0.5, [0.5], [1.0, 0.25], [[0.5]], [-1.0], [0.5, math.nan], [True], [1j], [2])]
VALUES += [torch.zeros(2, device="meta"), torch.zeros(2).to_sparse(), torch.tensor(0.5).half(), torch.zeros(0, 3)]
FIELDS = [(config, one.name) for config in CONFIGS for one in dataclasses.fields(config)]


def listed(config, name, names):
    """The entry for a field in a list of names, its own before the common one; None if there is none."""
    own = f"{public_name(config).split('.')[0]}.{name}"
    return own if own in names else name if name in names else None


def is_number(value, kind):
    """Whether a plain number is of a kind."""
    if isinstance(value, bool) or not isinstance(value, int if kind == "whole" else (int, float)):
        return False
    if kind == "whole":
        return 1 <= value < 2**63
    if (isinstance(value, int) and abs(value) >= 2**1024) or not math.isfinite(value):
        return False
    return {"fraction": 0 <= value <= 1, "positive": value > 0, "not negative": value >= 0, "finite": True}[kind]


def is_right(config, name, value):
    """Whether a field may have a value, by the lists above."""
    kind = KINDS[listed(config, name, KINDS)]
    value = value.item() if isinstance(value, np.generic) else value
    if value is None:
        return listed(config, name, OPTIONAL.split()) is not None
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "choice":
        return any(type(value) is type(one) and value == one for one in CHOICES[name])
    if kind == "layers":
        return isinstance(value, tuple) and all(is_number(one, "whole") for one in value)
    if isinstance(value, torch.Tensor):
        if listed(config, name, TENSORS.split()) is None or value.is_meta or value.is_sparse:
            return False
        return value.ndim < 2 and value.numel() > 0 and all(is_number(one, kind) for one in value.flatten().tolist())
    return is_number(value, kind)


def complaint(config, name, value):
    """What is wrong with how a value is met; None if nothing is."""
    try:
        made = config(**{name: value})
    except ValueError as error:
        said, house = str(error), public_name(config)
        if not is_right(config, name, value):
            return None if re.match(rf"{house}: {name}\b.* is .*, wanted ", said) else f"refused, but not by name: {said}"
        # a good value may still not go with the other settings, which a rule of its own says
        rule = rf"{house}: \w+ is .*, wanted (at most|at least|1, or a memory|a number from 0 to 1, for)"
        return None if re.match(rule, said) else said
    except Exception as error:
        return f"another library's error: {error!r}"
    if not is_right(config, name, value):
        return "accepted"
    kept = getattr(made, name)
    if isinstance(value, np.generic):
        return None if type(kept) in (bool, int, float, str) and kept == value else f"kept as {kept!r}"
    same = kept is value or kept == (float(value) if isinstance(kept, float) else value)
    return None if same else f"changed to {kept!r}"


@pytest.mark.parametrize(("config", "name"), FIELDS, ids=[f"{public_name(config)}-{name}" for config, name in FIELDS])
def test_nonsense_is_refused_and_sense_is_kept(config, name):
    found = [(place, complaint(config, name, value)) for place, value in enumerate(VALUES)]
    assert [one for one in found if one[1]] == []


@pytest.mark.fuzz
@pytest.mark.parametrize("config", CONFIGS, ids=public_name)
def test_random_numbers_tuples_and_texts(config):
    draw, names = random.Random(7), [one.name for one in dataclasses.fields(config)]
    makers = [
        lambda: draw.uniform(-2, 2),
        lambda: 10.0 ** draw.uniform(-320, 308) * draw.choice([1, -1]),
        lambda: draw.randint(-3, 9),
        lambda: draw.randint(-(2**70), 2**70),
        lambda: tuple(draw.randint(0, 5) for _ in range(draw.randint(0, 4))),
        lambda: "".join(draw.choices("cpuda:01 f", k=draw.randint(0, 5))),
        lambda: torch.tensor([draw.uniform(-0.2, 1.2) for _ in range(draw.randint(0, 3))]),
        lambda: np.float32(draw.uniform(-1, 2)),
    ]
    for _ in range(cases(300, 30_000)):
        name, value = draw.choice(names), draw.choice(makers)()
        if name == "device" and isinstance(value, str):
            continue  # PyTorch says which there are
        assert complaint(config, name, value) is None, (name, value)


def test_what_is_said():
    for config, name, value, message in (
        ("q_learning", "steps", 0, "steps is 0, wanted an integer of at least 1"),
        ("q_learning", "steps", 2**70, f"steps is {2**70} (not below 2**63), wanted an integer of at least 1"),
        ("q_learning", "exploring_starts", "no", "exploring_starts is 'no', wanted True or False"),
        ("q_learning", "epsilon", "x", "epsilon is 'x', wanted a number from 0 to 1 or one a task"),
        ("q_learning", "epsilon", torch.tensor([]), "epsilon is tensor([]), wanted a number from 0 to 1, or a tensor of one axis of such"),
        ("dqn", "hidden", 0, "hidden is 0, wanted a tuple, each an integer of at least 1 or None"),
        ("dqn", "hidden", (8, 0.5), "hidden[1] is 0.5, wanted an integer of at least 1"),
        ("dqn", "device", 5, "device is 5, wanted the name of a device, such as 'cpu' or 'cuda'"),
        ("dqn", "clip_norm", 0, "clip_norm is 0, wanted a finite number above 0 or None"),
        ("distral_ac", "columns", True, "columns is True, wanted 1 or 2"),
        ("distral_ac", "beta_prime", [1.0], "beta_prime is [1.0], wanted a finite number above 0 or one a run"),
        ("actor_critic", "optimiser", "adm", "optimiser is 'adm', wanted 'sgd', 'rmsprop' or 'adam'"),
        ("two_rooms", "snapshots", 2001, "snapshots is 2001, wanted at most one a roll-out (2000)"),
        ("distral_sql", "memory", 1, None),
    ):
        one = next(one for one in CONFIGS if public_name(one) == f"{config}.Config")
        if message is None:
            assert getattr(one(**{name: value}), name) == value
            continue
        with pytest.raises(ValueError, match=f"^{re.escape(f'{config}.Config: {message}')}$"):
            one(**{name: value})
