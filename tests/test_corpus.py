"""The corpus of answers: each right one agrees with the worked solution, each wrong one differs from it on some input, and both go
through the checks."""

import ast
import copy
import functools
import warnings
from collections import Counter
from pathlib import Path

import corpus
import numpy as np
import pytest
import torch
from corpus import measure
from fuzzing import cases

from distral_lite import checks

SOLUTIONS = Path(__file__).parent.parent / "solutions"
ENTRIES = corpus.load()
FUNCTIONS = [entry for entry in ENTRIES if callable(entry.answer)]
NAMES = sorted({entry.exercise for entry in FUNCTIONS})


@functools.cache
def worked_solutions():
    """Answers by exercise, from the worked solutions: their imports and functions are executed, nothing else."""
    found = {}
    for path in sorted(SOLUTIONS.glob("*.py")):
        space = {}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            value = getattr(node, "value", None)
            if isinstance(
                node, ast.Import | ast.ImportFrom | ast.FunctionDef
            ) or isinstance(value, ast.Constant):
                exec(compile(ast.Module([node], []), str(path), "exec"), space)
            elif (
                isinstance(value, ast.Call) and getattr(value.func, "id", "") == "check"
            ):
                name, answer = value.args
                found[name.value] = (
                    space[answer.id] if isinstance(answer, ast.Name) else answer.value
                )
    return found


def arrays(value):
    """An answer as a list of float64 arrays, with the coarsest relative error that its dtypes excuse."""
    if isinstance(value, tuple) or (
        isinstance(value, list)
        and any(isinstance(item, torch.Tensor) and item.ndim for item in value)
    ):
        parts = [arrays(item) for item in value]
        return [array for found, _ in parts for array in found], max(
            error for _, error in parts
        )
    value = (
        value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    )
    if value.dtype.kind not in "fiub":
        raise TypeError(value.dtype)
    return [value.astype(np.float64)], 1e-4 if value.dtype == np.float32 else 1e-7


def same_arguments(left, right):
    return all(
        torch.equal(a.nan_to_num(9e9), b.nan_to_num(9e9))
        if isinstance(a, torch.Tensor) and a.dtype.is_floating_point
        else torch.equal(a, b)
        if isinstance(a, torch.Tensor)
        else same_arguments(a, b)
        if isinstance(a, tuple)
        else a == b
        for a, b in zip(left, right, strict=True)
    )


def agrees(function, worked, given):
    """Whether an answer does what the worked solution does with one input: same numbers, and no argument changed."""
    kept, fresh = copy.deepcopy(given), copy.deepcopy(given)
    wanted, _ = arrays(worked(*kept))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found, error = arrays(function(*fresh))
        except Exception:
            return False
    if len(found) != len(
        wanted
    ):  # a tuple of numbers for a tensor, or a stacked tensor for a tuple
        if len(wanted) == 1 and all(array.shape == found[0].shape for array in found):
            found = [np.stack(found)]
        elif len(found) == 1 and found[0].shape[:1] == (len(wanted),):
            found = list(found[0])
        else:
            return False
    close = all(
        a.shape == b.shape
        and np.allclose(
            a,
            b,
            rtol=error,
            atol=error * max(1.0, np.abs(b[np.isfinite(b)]).max(initial=0)),
            equal_nan=True,
        )
        for a, b in zip(found, wanted, strict=True)
    )
    return close and same_arguments(fresh, given)


def inputs(name):
    return corpus.INPUTS[name](np.random.default_rng(int(name.replace(".", ""))))


@pytest.mark.parametrize("name", NAMES)
def test_right_answers_agree_with_the_worked_solution_and_wrong_ones_do_not(name):
    worked, given = worked_solutions()[name], inputs(name)
    mine = [entry for entry in FUNCTIONS if entry.exercise == name]
    told = {
        entry.why: all(agrees(entry.answer, worked, one) for one in given)
        for entry in mine
    }
    assert told == {entry.why: entry.right for entry in mine}


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_ones_that_the_worked_solution_can_answer(name):
    for given in inputs(name):
        found, _ = arrays(worked_solutions()[name](*given))
        assert all(np.isfinite(array).all() for array in found)


def test_the_corpus_is_large_and_covers_every_exercise():
    assert {entry.exercise for entry in ENTRIES} == {
        exercise.name for exercise in checks.registered()
    }
    assert (
        sum(not entry.right for entry in FUNCTIONS) >= 600
        and sum(entry.right for entry in FUNCTIONS) >= 150
    )
    count = Counter((entry.exercise, entry.right) for entry in FUNCTIONS)
    assert all(count[name, False] >= 10 and count[name, True] >= 3 for name in NAMES)


def test_every_entry_says_what_it_is_in_words_of_its_own():
    assert all(entry.why and (entry.right or entry.about) for entry in ENTRIES)
    named = Counter((entry.exercise, entry.why) for entry in FUNCTIONS)
    assert [name for name, count in named.items() if count > 1] == []


def test_values_that_answer_questions():
    for entry in ENTRIES:
        if not callable(entry.answer):
            wanted = worked_solutions()[entry.exercise].casefold()
            assert entry.right == (str(entry.answer).strip().casefold() == wanted), (
                entry
            )


def test_the_measure_tells_the_kinds_of_verdict_apart():
    exercise = next(one for one in checks.registered() if one.name == "0.2")
    entry = corpus.Entry("0.2", False, None, "", "")

    def kind(answer, right=False):
        return measure.kind(entry._replace(right=right), checks.judge(exercise, answer))

    assert kind(exercise.reference) == "accepted"
    assert kind(exercise.reference, right=True) == "right passed"
    assert kind(lambda policy, epsilon: policy + 0.123, right=True) == "right refused"
    assert kind(lambda policy, epsilon: [][0]) == "reasoned"  # raised IndexError
    assert (
        kind(lambda policy, epsilon: policy.mul_(2)) == "reasoned"
    )  # changed its argument
    assert kind(lambda policy, epsilon: None) == "vague"
    assert kind(lambda policy, epsilon: (1 - epsilon) * policy) == "reasoned"


@pytest.mark.fuzz
@pytest.mark.parametrize("chapter", range(12))
def test_the_checks_refuse_what_is_wrong_and_nothing_else(chapter):
    """Some of the wrong answers, or under `make fuzz` all; every right one."""
    exercises = {one.name: one for one in checks.registered()}
    mine = [one for one in corpus.ENTRIES if one.exercise.split(".")[0] == str(chapter)]
    wrong = [one for one in mine if not one.right]
    for entry in [one for one in mine if one.right] + wrong[:: cases(6, 1)]:
        verdict = checks.judge(exercises[entry.exercise], entry.answer)
        assert (verdict.state == "passed") == entry.right, (entry.exercise, entry.why)
