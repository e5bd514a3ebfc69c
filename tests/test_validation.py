"""The checks of arguments: what passes, what is refused, and that the refusal says where, what was found and what was wanted."""

import math
import re

import numpy as np
import pytest
import torch

from distral_lite import validation

FRACTION = "a number from 0 to 1"
POSITIVE = "a finite number above 0"
WHOLE = "an integer of at least 1"
NOT_NEGATIVE = "a finite number of at least 0"


def check_whole(function, name, value):
    validation.check_positive(function, name, value, whole=True)


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (validation.check_fraction, 0),
        (validation.check_fraction, 1),
        (validation.check_fraction, 0.5),
        (validation.check_fraction, np.float64(0.3)),
        (validation.check_fraction, torch.tensor([0.0, 0.2, 1.0])),
        (validation.check_fraction, torch.tensor(0.2)),
        (validation.check_positive, 1e-300),
        (validation.check_positive, 3),
        (validation.check_positive, torch.tensor([[0.1, 5.0]])),
        (check_whole, 1),
        (check_whole, np.int64(7)),
        (check_whole, torch.tensor([1, 2])),
        (validation.check_not_negative, 0),
        (validation.check_not_negative, 1e308),
        (validation.check_not_negative, torch.zeros(2, 2)),
    ],
)
def test_good_numbers_pass(check, value):
    assert check("f", "x", value) is None


@pytest.mark.parametrize(
    ("check", "value", "found", "wanted"),
    [
        (validation.check_fraction, -1e-9, "x is -1e-09", FRACTION),
        (validation.check_fraction, 1.0001, "x is 1.0001", FRACTION),
        (validation.check_fraction, math.nan, "x is nan", FRACTION),
        (validation.check_fraction, "0.5", "x is '0.5'", FRACTION),
        (validation.check_fraction, True, "x is True", FRACTION),
        (validation.check_fraction, None, "x is None", FRACTION),
        (validation.check_fraction, [0.5], "x is [0.5]", FRACTION),
        (validation.check_fraction, 1j, "x is 1j", FRACTION),
        (validation.check_fraction, torch.tensor([0.5, 2.0, 3.0]), "x[1] is 2.0", FRACTION),
        (validation.check_fraction, torch.tensor(2.0), "x is 2.0", FRACTION),
        (validation.check_fraction, torch.tensor([True]), "x[0] is True", FRACTION),
        (validation.check_positive, 0, "x is 0", POSITIVE),
        (validation.check_positive, -0.0, "x is -0.0", POSITIVE),
        (validation.check_positive, math.inf, "x is inf", POSITIVE),
        (validation.check_positive, math.nan, "x is nan", POSITIVE),
        (check_whole, 0, "x is 0", WHOLE),
        (check_whole, 2.0, "x is 2.0", WHOLE),
        (check_whole, True, "x is True", WHOLE),
        (validation.check_not_negative, -0.1, "x is -0.1", NOT_NEGATIVE),
        (validation.check_not_negative, math.inf, "x is inf", NOT_NEGATIVE),
        (validation.check_not_negative, torch.tensor([0.0, math.nan]), "x[1] is nan", NOT_NEGATIVE),
    ],
)
def test_bad_numbers_are_refused_by_name(check, value, found, wanted):
    with pytest.raises(ValueError, match=f"^{re.escape(f'module.f: {found}, wanted {wanted}')}$"):
        check("module.f", "x", value)


@pytest.mark.parametrize(
    "probability",
    [
        torch.tensor([1.0]),
        torch.tensor([0.0, 1.0], dtype=torch.float64),
        torch.full((2, 4, 3), 1 / 3, dtype=torch.float32),
        torch.tensor([0.5, 0.5 + 9e-7], dtype=torch.float64),  # float32 rounding is let through
    ],
)
def test_distributions_pass(probability):
    assert validation.check_distribution("f", "p", probability) is None


@pytest.mark.parametrize(
    ("probability", "found"),
    [
        (torch.tensor([0.5, 0.4], dtype=torch.float64), "p = [0.5, 0.4]"),
        (torch.tensor([0.5, 0.5 + 2e-6], dtype=torch.float64), "p = [0.5, 0.500002]"),
        (torch.tensor([1.5, -0.5], dtype=torch.float64), "p = [1.5, -0.5]"),
        (torch.tensor([math.nan, 1.0]), "p = [nan, 1.0]"),
        (torch.tensor([math.inf, -math.inf]), "p = [inf, -inf]"),
        (torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "p[1] = [0.0, 0.0]"),
        (torch.tensor([[[1.0, 0.0], [0.25, 0.5]]]), "p[0, 1] = [0.25, 0.5]"),
        (torch.zeros(20), "p = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]"),  # the first eight: enough to see what is wrong
    ],
)
def test_no_distributions_are_refused_with_their_place(probability, found):
    wanted = f"module.f: {found} is no distribution; wanted numbers of at least 0 that sum to 1"
    with pytest.raises(ValueError, match=f"^{re.escape(wanted)}$"):
        validation.check_distribution("module.f", "p", probability)
