"""The machinery of `checks`, and what every registered exercise must hold."""

import math
import sys
import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch

from distral_lite import checks
from distral_lite.checks import Choice, Exercise, Mistake, judge, machine
from distral_lite.checks.compare import difference, same, short

REGISTERED = checks.registered()
FUNCTIONS = [exercise for exercise in REGISTERED if isinstance(exercise, Exercise)]
CHOICES = [exercise for exercise in REGISTERED if isinstance(exercise, Choice)]
MISTAKES = [(exercise, mistake) for exercise in FUNCTIONS for mistake in exercise.mistakes]


def name_of(value):
    return value.name if isinstance(value, Exercise | Choice) else getattr(getattr(value, "function", None), "__name__", None)


# --- every exercise of every chapter -------------------------------------------------------------------------------------------------


def test_names_are_unique_and_belong_to_their_chapter():
    names = [exercise.name for exercise in REGISTERED]
    assert len(set(names)) == len(names)
    for module in checks._chapters():
        number = str(int(module.removeprefix("chapter_")))
        found = [exercise.name for exercise in checks.chapter_exercises(number)]
        assert found and all(name.split(".")[0] == number for name in found), found


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=name_of)
def test_reference_passes(exercise):
    verdict = judge(exercise, exercise.reference)
    assert verdict.state == "passed", verdict.message
    assert verdict.message.startswith(f"{exercise.name} ✓ ")


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=name_of)
def test_stub_is_not_attempted(exercise):
    assert judge(exercise, lambda *arguments: None) == (exercise.name, "not attempted", f"{exercise.name} · not attempted yet")
    assert judge(exercise, lambda *arguments: ...).state == "not attempted"


@pytest.mark.parametrize("exercise, mistake", MISTAKES, ids=name_of)
def test_planted_mistake_is_refused_with_its_own_sentence(exercise, mistake):
    verdict = judge(exercise, mistake.function)
    assert verdict.state == "failed", verdict.message
    assert verdict.message.endswith(" ".join(mistake.sentence.split())), verdict.message
    others = [other.sentence for other in exercise.mistakes if other is not mistake]
    assert mistake.sentence.strip() and mistake.sentence not in others


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=name_of)
def test_function_exercises_have_planted_mistakes_and_several_inputs(exercise):
    assert exercise.mistakes
    assert len(exercise.fresh_inputs()) >= 2


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=name_of)
def test_inputs_are_the_same_each_time_and_shared_with_nobody(exercise):
    first, second = exercise.fresh_inputs(), exercise.fresh_inputs()
    assert all(same(one, other) for one, other in zip(first, second, strict=True))
    assert not memory(first) & memory(second)


def memory(value):
    """Where the mutable parts of a value lie."""
    if isinstance(value, torch.Tensor):
        return {value.data_ptr()} if value.numel() else set()
    if isinstance(value, np.ndarray):
        return {value.__array_interface__["data"][0]} if value.size else set()
    items = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return set().union({id(value)} if isinstance(value, dict | list) else set(), *map(memory, items))


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_choice(choice):
    assert judge(choice, choice.answer).state == "passed"
    assert judge(choice, None).state == judge(choice, ...).state == "not attempted"
    for option, sentence in choice.wrong.items():
        verdict = judge(choice, option)
        assert verdict.state == "failed" and verdict.message.endswith(" ".join(sentence.split())) and sentence.strip()


# --- the machinery, on an exercise made up for it ------------------------------------------------------------------------------------


def soft_value(q, log_prior, beta):
    return torch.logsumexp(log_prior + beta * q, -1) / beta


def forgets_prior(q, log_prior, beta):
    return torch.logsumexp(beta * q, -1) / beta


def overflows(q, log_prior, beta):
    return torch.log((log_prior.exp() * torch.exp(beta * q)).sum(-1)) / beta


def changes_q(q, log_prior, beta):
    q *= beta
    return torch.logsumexp(log_prior + q, -1) / beta


def divides_integers(q, log_prior, beta):
    return soft_value(q, log_prior, beta) if beta < 1000 else [][0]


def soft_inputs(generator):
    log_prior = torch.full((3,), -math.log(3), dtype=torch.float64)
    first = {"q": torch.tensor([1.0, 0.9, -1.0], dtype=torch.float64), "log_prior": log_prior, "beta": 5.0}
    betas = [*(10 ** generator.uniform(-3, 2, size=5)), 10_000.0]
    return [first] + [{"q": torch.from_numpy(generator.normal(size=3)), "log_prior": log_prior.clone(), "beta": beta} for beta in betas]


SOFT = Exercise(
    name="6.1",
    reference=soft_value,
    inputs=soft_inputs,
    mistakes=(
        Mistake(forgets_prior, "You left the prior out."),
        Mistake(overflows, "Subtract the largest exponent."),
        Mistake(changes_q, "`*=` writes into q."),
        Mistake(divides_integers, "An empty list has no first item."),
    ),
    summary="β from 0.001 to 10 000",
    show=lambda given: f"β = {given['beta']:g}, q = {short(given['q'])}",
)


def message(function):
    verdict = judge(SOFT, function)
    assert verdict.state == "failed" and "\n" not in verdict.message
    return verdict.message


def test_the_lines_of_the_course():
    assert judge(SOFT, soft_value).message == "6.1 ✓ 7 inputs, β from 0.001 to 10 000"
    assert message(forgets_prior) == "6.1 ✗ at β = 5, q = [1.0, 0.9, -1.0]: found 1.095, wanted 0.875. You left the prior out."
    assert message(overflows).startswith("6.1 ✗ at β = 10000, q = [")
    assert message(overflows).endswith("Subtract the largest exponent.") and "found inf, wanted" in message(overflows)
    assert "your function changed its argument q" in message(changes_q) and message(changes_q).endswith("`*=` writes into q.")
    assert "raised IndexError" in message(divides_integers) and message(divides_integers).endswith("first item.")


def test_a_mistake_must_agree_on_all_inputs():
    # Right except at one input, where it equals a planted mistake: no sentence.
    half = message(lambda q, log_prior, beta: forgets_prior(q, log_prior, beta) if beta == 5 else soft_value(q, log_prior, beta))
    assert half == "6.1 ✗ at β = 5, q = [1.0, 0.9, -1.0]: found 1.095, wanted 0.875."


def test_a_mistake_must_change_the_same_arguments():
    def forgets_prior_and_changes_q(q, log_prior, beta):
        value = forgets_prior(q, log_prior, beta)
        q.zero_()
        return value

    assert message(forgets_prior_and_changes_q).endswith("your function changed its argument q; work on a copy.")


@pytest.mark.parametrize(
    "function, words",
    [
        (lambda q: q, "found (q), wanted (q, log_prior, beta)"),
        (lambda q, log_prior, beta: 1 / 0, "raised ZeroDivisionError (division by zero)"),
        (lambda q, log_prior, beta: sys.exit("bye"), "raised SystemExit (bye)"),
        (lambda q, log_prior, beta: q, "found shape (3,), wanted shape ()"),
        (lambda q, log_prior, beta: soft_value(q, log_prior, beta).reshape(1), "found shape (1,), wanted shape ()"),
        (lambda q, log_prior, beta: float("nan"), "found nan, wanted 0.875"),
        (lambda q, log_prior, beta: True, "found True, of type bool, wanted a number (float)"),
        (lambda q, log_prior, beta: "0.875", "found '0.875', wanted a number (float)"),
        (lambda q, log_prior, beta: [0.875], "found [0.875], wanted a number (float)"),
        (lambda q, log_prior, beta: iter([]), "wanted a number (float)"),
        (lambda q, log_prior, beta: soft_value(q, log_prior, beta) * (1 + 1e-5), "found 0.87511, wanted 0.8751."),
        (lambda q, log_prior, beta: soft_value(q, log_prior, beta) if beta == 5 else None, "found None, wanted a number (float)"),
        (0.875, "found 0.875, wanted a function"),
        ("soft_value", "wanted a function"),
    ],
)
def test_what_is_wrong_is_said(function, words):
    assert words in message(function)


def test_answers_of_other_but_fitting_types_pass():
    for convert in (float, lambda v: v.numpy(), lambda v: np.float64(v), lambda v: v.clone().requires_grad_()):
        assert judge(SOFT, lambda *arguments, convert=convert: convert(soft_value(*arguments))).state == "passed"


def test_endless_recursion_is_caught():
    def again(q, log_prior, beta):
        return again(q, log_prior, beta)

    assert "calls itself without end" in message(again)


def test_interrupt_passes_through():
    def interrupted(q, log_prior, beta):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(SOFT, interrupted)


def test_an_answer_that_fights_back_is_refused_not_raised(monkeypatch, capsys):
    class Hostile(dict):
        def __iter__(self):
            raise RuntimeError("no")

        __repr__ = __str__ = __eq__ = keys = __len__ = __iter__
        __hash__ = None

    pair = Exercise("6.2", lambda x: {"a": x}, lambda generator: [{"x": 1.0}])
    monkeypatch.setattr(checks, "chapter_exercises", lambda chapter: [pair])
    assert checks.check("6.2", lambda x: Hostile()).state == "failed"
    assert capsys.readouterr().out.count("\n") == 1


def test_not_attempted():
    def stub(q, log_prior, beta):
        """The formula."""
        ...

    def half_stub(q, log_prior, beta):
        top = ...
        return top + 1

    def no_return(q, log_prior, beta):
        value = soft_value(q, log_prior, beta)
        value + 1

    for untouched in (stub, half_stub, None, ...):
        assert judge(SOFT, untouched).message == "6.1 · not attempted yet"
    verdict = judge(SOFT, no_return)
    assert verdict.state == "not attempted" and "is a return missing?" in verdict.message


def test_warnings_of_a_learner_are_not_printed(recwarn):
    def warns(q, log_prior, beta):
        warnings.warn("a word", stacklevel=1)
        return float(np.log(np.exp(beta * q.numpy()).sum()) / np.float64(0))  # warns as well

    assert "found inf, wanted 0.875" in message(warns)
    assert not recwarn.list


def test_a_sentence_of_several_lines_is_printed_in_one():
    broken = Exercise("6.2", lambda x: x, lambda generator: [{"x": 1.0}], (Mistake(lambda x: -x, "One\n  two.\n"),))
    assert judge(broken, lambda x: -x).message == "6.2 ✗ at x = 1: found -1, wanted 1. One two."


def test_check_prints_one_line_and_finds_exercises(monkeypatch, capsys):
    monkeypatch.setattr(checks, "chapter_exercises", lambda chapter: [SOFT] if chapter == "6" else [])
    assert checks.check("6.1", soft_value) == ("6.1", "passed", "6.1 ✓ 7 inputs, β from 0.001 to 10 000")
    assert checks.check(6.1, None).state == "not attempted"
    assert checks.check("6.9", soft_value).message == "6.9 ✗ there is no exercise of this name. Those of this chapter: 6.1."
    assert checks.check("nonsense", soft_value).state == "failed"
    assert checks.check(None, soft_value).state == "failed"
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and printed[1] == "6.1 · not attempted yet"


def test_a_chapter_without_exercises():
    assert checks.chapter_exercises("99") == checks.chapter_exercises("x.y") == checks.chapter_exercises("") == []


def test_a_reference_that_fails_is_the_courses_fault():
    broken = Exercise("6.2", lambda x: 1 / 0, lambda generator: [{"x": 1.0}])
    assert "the course's own answer fails" in judge(broken, lambda x: x).message


class Pair(NamedTuple):
    value: float
    count: int


@pytest.mark.parametrize(
    "found, wanted, words",
    [
        (True, True, None),
        (np.bool_(True), True, None),
        (1, True, "found 1, of type integer, wanted True or False"),
        (3, 3, None),
        (torch.tensor(3), 3, None),
        (3.0, 3, "found 3, of type float, wanted a whole number (int)"),
        (True, 1, "of type bool"),
        (3, 3.0, None),
        (float("-inf"), float("-inf"), None),
        (-1e300, float("-inf"), "wanted -inf"),
        (float("nan"), float("nan"), None),
        (float("nan"), 0.0, "found nan, wanted 0"),
        (torch.zeros(3), torch.zeros(3, dtype=torch.float64), "found dtype float32, wanted dtype float64"),
        (np.zeros(3), torch.zeros(3, dtype=torch.float64), None),
        (torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.float64), "found dtype int64, wanted dtype float64"),
        (torch.zeros(3, dtype=torch.int32), torch.zeros(3, dtype=torch.int64), None),
        ([0.0, 0.0], torch.zeros(2, dtype=torch.float64), "wanted a float64 tensor of shape (2,)"),
        (torch.zeros(2, 3), torch.zeros(3, 2), "found shape (2, 3), wanted shape (3, 2)"),
        (torch.arange(12).reshape(3, 4), torch.arange(12).reshape(3, 4).clamp(max=10), "found 11 at index [2, 3], wanted 10"),
        ((1.0, 2), (1.0, 2), None),
        (Pair(1.0, 2), Pair(1.0, 2), None),
        ([1.0, 2], (1.0, 2), None),
        ((1.0, 3), Pair(1.0, 2), "value 2 of 2: found 3, wanted 2"),
        (1.0, (1.0, 2), "found 1, wanted 2 values"),
        ((1.0,), (1.0, 2), "found 1 values, wanted 2 values"),
        ({"a": 1.0}, {"a": 1.0}, None),
        ({"a": 2.0}, {"a": 1.0}, "found 2, wanted 1"),
        ({"b": 1.0}, {"a": 1.0}, "wanted a dict with the keys ['a']"),
        ("up", "up", None),
        ("Up", "up", "found 'Up', wanted 'up'"),
        (1 + 0j, 1.0, "wanted a number (float)"),
    ],
)
def test_difference(found, wanted, words):
    text = difference(found, wanted, 1e-6)
    assert (text is None) if words is None else words in text


def test_same_sees_every_change():
    assert same({"a": [1, torch.tensor([np.nan])]}, {"a": [1, torch.tensor([np.nan])]})
    assert not same([1, 2], [1, 2, 3])
    assert not same({"a": 1}, {"b": 1})
    assert not same(torch.zeros(2), torch.zeros(2, dtype=torch.float64))
    assert not same((torch.zeros(2),), (torch.tensor([0.0, 1e-12]),))


def test_choice_of_a_letter():
    choice = Choice("1.3", "b", {"a": "A time-out is not a goal.", "c": "The discount is below 1."}, "the future is cut off")
    assert judge(choice, " B ").message == "1.3 ✓ b: the future is cut off"
    assert judge(choice, "A").message == "1.3 ✗ A: A time-out is not a goal."
    assert judge(choice, "d").message == "1.3 ✗ found 'd'; the options are a, b, c."
    assert judge(choice, 7).message == "1.3 ✗ found 7; the options are a, b, c."
    assert judge(choice, None).message == "1.3 · not attempted yet"


def test_choice_of_a_number():
    choice = Choice("1.4", 0.875, {1.0: "That is the hard max."}, "hedging costs something", "Use all three actions.", tolerance=1e-3)
    assert judge(choice, 0.8751).message == "1.4 ✓ 0.875: hedging costs something"
    assert judge(choice, torch.tensor(0.875)).state == "passed"
    assert judge(choice, 1).message == "1.4 ✗ 1: That is the hard max."
    assert judge(choice, 0.5).message == "1.4 ✗ 0.5: Use all three actions."
    assert judge(choice, "0.875").message == "1.4 ✗ found '0.875', wanted a number."
    assert judge(choice, True).message == "1.4 ✗ found True, wanted a number."
    yes = Choice("1.5", True, {False: "Look again."})
    assert judge(yes, True).state == "passed" and judge(yes, False).message == "1.5 ✗ False: Look again."
    assert judge(yes, 1).message == "1.5 ✗ found 1, wanted True or False."


# --- the set-up check ----------------------------------------------------------------------------------------------------------------


def test_set_up_prints_the_same_on_every_healthy_machine(capsys):
    assert checks.set_up() is True
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and all(line.endswith(": yes") for line in printed)
    assert not any(character.isdigit() or character == "/" for character in "".join(printed))


def test_set_up_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(machine.platform, "python_version", lambda: "3.6.1")
    monkeypatch.setattr(machine.metadata, "requires", lambda name: ["numpy<1", "absent-package", "pytest>=1; extra == 'test'"])
    assert checks.set_up() is False
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5
    assert printed[0].startswith("Python is new enough: no. What to do: install a newer Python")
    assert ": no. What to do: run `make lab` again" in printed[1]


def test_set_up_compares_versions(monkeypatch):
    monkeypatch.setattr(machine.metadata, "version", lambda name: "2.5")
    for needs, fits in ((["a>=2,<3"], True), (["a>=2.6"], False), (["a<2.5"], False), (["a>=9; extra == 'test'", "b"], True), ([], False)):
        monkeypatch.setattr(machine.metadata, "requires", lambda name, needs=needs: needs)
        assert machine.packages_fit() is fits


@pytest.mark.parametrize(
    ("kernel", "page", "colab", "fits"),
    [
        ("8.1.9", "3.0.17", False, True),
        ("7.7.1", "1.1.11", False, True),
        ("7.7.1", "3.0.17", False, False),
        ("8.1.0", "1.1.11", False, False),
        ("7.7.1", "3.0.17", True, True),
    ],
)
def test_sliders_want_two_halves_that_fit(monkeypatch, kernel, page, colab, fits):
    found = {"ipywidgets": kernel, "jupyterlab_widgets": page}
    monkeypatch.setattr(machine.metadata, "version", found.__getitem__)
    if colab:
        monkeypatch.setitem(machine.sys.modules, "google.colab", object())
    assert machine.sliders_work() is fits


def test_set_up_survives_a_broken_part(monkeypatch, capsys):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(machine.torch, "linalg", None)
    monkeypatch.setattr(machine.metadata, "requires", absent)
    assert checks.set_up() is False
    assert [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()][1:] == [
        "no. What to do", "no. What to do", "yes", "no. What to do"
    ]  # fmt: skip
