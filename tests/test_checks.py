"""The machinery of `checks`, and what every registered exercise must hold."""

import dataclasses
import random
import sys
import warnings
from typing import NamedTuple

import fuzzing
import IPython
import numpy as np
import pytest
import torch

from distral_lite import checks
from distral_lite.checks import Choice, Exercise, judge, machine
from distral_lite.checks.compare import difference, same, short
from distral_lite.checks.mutants import edited, pairs, planted, singles, source_of
from distral_lite.checks.trial import agree, complaint, run

REGISTERED = checks.registered()
FUNCTIONS = [exercise for exercise in REGISTERED if isinstance(exercise, Exercise)]
CHOICES = [exercise for exercise in REGISTERED if isinstance(exercise, Choice)]
SEEDS = range(1, 3)  # other inputs than those of the course

# Edits that change nothing, or nothing that an answer could show.
EQUIVALENT = {
    "1.2": {
        "behind < 1e-09 -> behind <= 1e-09": "no two values are exactly 1e-9 apart",
        "q -> policy": "both are of one shape and type",
        "q -> policy (line 3, column 53)": "both are of one shape and type",
        "policy * q -> q * policy * policy": "a deterministic policy is its square",
    },
    "2.1": {
        "weighted: (1 - terminal) * discount -> discount * (1 - terminal) "
        "* (1 - terminal)": "a mask is its square",
    },
    "9.4": {
        "terminal <-> truncated": "either of them will do",
        "ended_first: terminal <-> truncated": "either of them will do",
    },
    "7.1": {
        "logits.log_softmax(-1) -> logits": "a constant of the state is in the mean too"
    },
    "7.3": {
        "reward -> discount": "only its length is asked for",
        "reward -> kl": "only its length is asked for",
    },
    "7.5": {"u - mean -> mean - u": "it is squared"},
    "8.2": {
        "(visits.unsqueeze(-1) * policies).sum(0) -> "
        "(visits.unsqueeze(-1) * policies).mean(0)": "it is normalised",
    },
    "2.5": {"matrix[0] -> matrix[-1]": "all rows have one length"},
    "5.5": {
        "logits.clone() -> logits": "the numbers of the argument stay as they are",
        "value.clone() -> value": "the numbers of the argument stay as they are",
    },
    "10.3": {
        "h -> f": "both are of one shape and type",
        "zip(state.tolist(), action.tolist(), advantage, strict=True) -> "
        "list(zip(state.tolist(), action.tolist(), advantage, strict=True))"
        "[::-1]": "a sum does not depend on the order of its steps",
    },
    "11.3": {
        "0.5 * (pairs == 0) -> 0.5 * (pairs == 0) * (pairs == 0)": "a mask is its square",
    },
}


def name_of(value):
    return value.name if isinstance(value, Exercise | Choice) else None


# --- every exercise of every chapter -----------------------------------------------------


def test_names_are_unique_and_belong_to_their_chapter():
    names = [exercise.name for exercise in REGISTERED]
    assert len(set(names)) == len(names)
    for module in checks._chapters():
        number = str(int(module.removeprefix("chapter_")))
        found = [exercise.name for exercise in checks.chapter_exercises(number)]
        assert found and all(name.split(".")[0] == number for name in found), found


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=name_of)
def test_reference_passes_and_a_stub_is_not_attempted(exercise):
    for form in (exercise.reference, *exercise.forms):
        verdict = judge(exercise, form)
        assert verdict.state == "passed", verdict.message
        assert verdict.message.startswith(f"{exercise.name} ✓ ")
    untried = (
        exercise.name,
        "not attempted",
        f"{exercise.name} · not attempted yet",
        "",
    )
    assert judge(exercise, lambda *arguments: None) == untried
    assert judge(exercise, lambda *arguments: ...).state == "not attempted"


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=name_of)
def test_planted_mistakes_are_refused_each_with_its_own_sentence(exercise):
    mistakes = planted(exercise)
    assert len({mutant.sentence for mutant in mistakes}) == len(mistakes) >= 1
    assert len(exercise.fresh_inputs()) >= 2
    for mutant in mistakes:
        verdict = judge(exercise, mutant.function)
        assert verdict.state == "failed", mutant.label
        assert verdict.reason == " ".join(mutant.sentence.split()), mutant.label


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=name_of)
def test_no_mutant_survives_the_inputs(exercise):
    inputs = exercise.fresh_inputs()
    right = run(exercise.reference, inputs)
    survivors = set()
    for mutant in (*planted(exercise), *singles(exercise)):
        pairs = zip(run(mutant.function, inputs), right, strict=True)
        if not any(complaint(a, b.answer, exercise.tolerance) for a, b in pairs):
            survivors.add(mutant.label)
    assert survivors == set(EQUIVALENT.get(exercise.name, ()))


@pytest.mark.fuzz
@pytest.mark.parametrize("exercise", FUNCTIONS, ids=name_of)
def test_no_sentence_is_said_to_another_mutant(exercise):
    """Who answers as a mutant is told its sentence, or that of one who answers alike.

    Alike: also on inputs of seeds that neither the course nor `judge` looks at.
    """
    mutants = (*planted(exercise), *singles(exercise))
    others = [exercise.fresh_inputs(seed) for seed in SEEDS]

    def alike(one, other, inputs):
        pairs = zip(run(one.function, inputs), run(other.function, inputs), strict=True)
        return all(agree(a, b, exercise.tolerance) for a, b in pairs)

    lies, silent = [], []
    for mutant in mutants[:: fuzzing.cases(4, 1)]:
        verdict = judge(exercise, mutant.function)
        if verdict.state == "passed" or verdict.reason == mutant.sentence:
            continue
        said = [one for one in mutants if one.sentence == verdict.reason]
        if said and not any(all(alike(mutant, one, x) for x in others) for one in said):
            lies.append((mutant.label, verdict.reason))
        if not verdict.reason:
            silent.append(mutant.label)
    assert lies == silent == []


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
    parts = value.values() if isinstance(value, dict) else value
    items = parts if isinstance(value, dict | tuple | list) else ()
    own = {id(value)} if isinstance(value, dict | list) else set()
    return set().union(own, *map(memory, items))


@pytest.mark.parametrize("choice", CHOICES, ids=name_of)
def test_choice(choice):
    assert judge(choice, choice.answer).state == "passed"
    assert judge(choice, None).state == judge(choice, ...).state == "not attempted"
    for option, sentence in choice.wrong.items():
        verdict = judge(choice, option)
        assert verdict.state == "failed" and sentence.strip()
        assert verdict.message.endswith(" ".join(sentence.split()))


# --- the machinery, on an exercise made up for it ----------------------------------------


def soft_value(q, log_prior, beta):
    """The soft value of one state."""
    return torch.logsumexp(log_prior + beta * q, -1) / beta


def divides_by_zero(q, log_prior, beta):
    return soft_value(q, log_prior, beta) if beta < 1000 else [][0]


def soft_inputs(generator):
    def case(q, beta):
        log_prior = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64).log()
        q = torch.as_tensor(q, dtype=torch.float64)
        return {"q": q, "log_prior": log_prior, "beta": beta}

    betas = [*(10 ** generator.uniform(-3, 2, size=5)), 10_000.0]
    rest = [case(generator.normal(size=3), beta) for beta in betas]
    return [case([1.0, 0.9, -1.0], 5.0), *rest]


SOFT = Exercise(
    name="6.1",
    reference=soft_value,
    inputs=soft_inputs,
    mistakes=(
        ("log_prior + ", "", "You left the prior out."),
        (
            "torch.logsumexp(log_prior + beta * q, -1)",
            "(log_prior.exp() * torch.exp(beta * q)).sum(-1).log()",
            "Subtract the largest exponent.",
        ),
        (
            "return torch",
            "q *= beta\n    return torch",
            "+ beta * q",
            "+ q",
            "`*=` writes into q.",
        ),
        (divides_by_zero, "An empty list has no first item."),
    ),
    summary="β from 0.001 to 10 000",
    show=lambda given: f"β = {given['beta']:g}, q = {short(given['q'])}",
)
PLANTED = [mutant.function for mutant in planted(SOFT)]
AT = "    at β = 5, q = [1.0, 0.9, -1.0]: "


def lines(function, exercise=SOFT):
    verdict = judge(exercise, function)
    assert verdict.state == "failed"
    return verdict.message.split("\n")


def test_the_reason_comes_first_then_the_smallest_input():
    assert judge(SOFT, soft_value).message == "6.1 ✓ 7 inputs, β from 0.001 to 10 000"
    assert lines(PLANTED[0]) == [
        "6.1 ✗ You left the prior out.",
        f"{AT}found 1.095, wanted 0.914.",
    ]
    reason, numbers = lines(PLANTED[1])
    assert reason == "6.1 ✗ Subtract the largest exponent."
    assert (
        numbers.startswith("    at β = 10000, q = [") and "found inf, wanted" in numbers
    )
    assert "your function changed its argument q" in lines(PLANTED[2])[1]
    assert "raised IndexError" in lines(PLANTED[3])[1]


def test_a_mistake_must_agree_on_all_inputs():
    # Right except at one input, where it equals a planted mistake: not its sentence.
    def half(q, log_prior, beta):
        return (
            PLANTED[0](q, log_prior, beta)
            if beta == 5
            else soft_value(q, log_prior, beta)
        )

    assert lines(half) == [f"6.1 ✗ {AT.strip()} found 1.095, wanted 0.914."]


def test_a_mistake_must_change_the_same_arguments():
    def forgets_prior_and_changes_q(q, log_prior, beta):
        value = PLANTED[0](q, log_prior, beta)
        q.zero_()
        return value

    reason = "6.1 ✗ Your function changed its argument `q`: work on a copy."
    assert lines(forgets_prior_and_changes_q)[0] == reason


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (
            lambda q, p, beta: torch.logsumexp(p + beta * q, -1),
            "The division by `beta` is missing.",
        ),
        (
            lambda q, p, beta: torch.logsumexp(p - beta * q, -1) / beta,
            "`beta * q` is to be added, not subtracted.",
        ),
        (
            lambda q, p, beta: (p + beta * q).amax(-1) / beta,
            "You take the largest value; wanted is the log of the sum of exponentials.",
        ),
        (
            lambda q, p, beta: torch.logsumexp(q + beta * q, -1) / beta,
            "You have `q` where `log_prior` belongs.",
        ),
        (
            lambda q, p, beta: -torch.logsumexp(p + beta * q, -1),
            "Two things: These are the right numbers with the opposite sign. And: The "
            "division by `beta` is missing.",
        ),
        (
            lambda q, p, beta: 3 * torch.logsumexp(p + beta * q, -1) / beta,
            "Your numbers are 3 times the right ones.",
        ),
        (
            lambda q, p, beta: torch.logsumexp(p + beta * q, -1) / beta + len(q),
            "Your numbers are the right ones plus 3.",
        ),
        (
            lambda q, p, beta: torch.logsumexp(p + beta * q, -1) / beta + beta**2,
            "",
        ),
        (
            lambda q, p, beta: soft_value(q, p, beta).round(decimals=4),
            "Your numbers are right to 3 digits only: something is rounded, cut off or "
            "stopped too early.",
        ),
        (
            lambda q, p, beta: (p + beta * q)[0].square(),
            "",
        ),
        (lambda q, p, beta: 7.0, "Your function gives 7 whatever it is given."),
        (
            lambda q, p, beta: soft_value(q, 0 * p - 1.1, beta).cos(),
            "Your answer does not depend on `log_prior`; it has to.",
        ),
    ],
)
def test_reasons_of_mutants_and_relations(function, reason):
    assert judge(SOFT, function).reason == reason


def rows(q, done, discount):
    """Rows of probabilities, or nothing where done."""
    return torch.softmax(discount * q, -1) * ~done[:, None]


ROWS = Exercise(
    "6.2",
    rows,
    lambda generator: [
        {
            "q": torch.from_numpy(generator.normal(size=(n, 3))),
            "done": torch.arange(n) % 2 == 0,
            "discount": discount,
        }
        for n, discount in ((2, 0.5), (4, 0.0), (5, 0.9))
    ],
    (("* ~done[:, None]", "", "Mind `done`."),),
)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda x, q, done, d: x.flip(0),
            "These are the right numbers, in reverse order.",
        ),
        (
            lambda x, q, done, d: x.roll(1, 0),
            "These are the right numbers, one place too late.",
        ),
        (
            lambda x, q, done, d: torch.where(done[:, None], 0.3, x),
            "Your answer is right except where `done` is true.",
        ),
        (
            lambda x, q, done, d: x if d else x + 1,
            "Your answer is right except where `discount` is 0.",
        ),
        (
            lambda x, q, done, d: torch.where(done[:, None], x, float("nan")),
            "Right wherever your numbers are finite; at an extreme they are nan.",
        ),
        (lambda x, q, done, d: x.T, "rows and columns are exchanged"),
        (lambda x, q, done, d: x[None], "The numbers are right, but their shape"),
        (lambda x, q, done, d: q, "Your function gives `q` back as it is."),
    ],
)
def test_relations_of_tensors(change, reason):
    found = judge(ROWS, lambda *given: change(rows(*given), *given)).reason
    assert reason in found


def test_an_answer_that_changes_from_call_to_call():
    calls = []

    def counts(q, log_prior, beta):
        calls.append(q)
        return float(len(calls)) ** 2 + soft_value(q, log_prior, beta)

    reason = "Called twice with one input your function gives two answers."
    assert judge(SOFT, counts).reason == reason


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda q: q, "found (q), wanted (q, log_prior, beta)"),
        (lambda q, p, beta: 1 / 0, "raised ZeroDivisionError (division by zero)"),
        (lambda q, p, beta: sys.exit("bye"), "raised SystemExit (bye)"),
        (lambda q, p, beta: q, "found shape (3,), wanted shape ()"),
        (
            lambda q, p, beta: float("nan"),
            "Your function gives nan whatever it is given.",
        ),
        (lambda q, p, beta: True, "found True, of type bool, wanted a number (float)"),
        (lambda q, p, beta: "0.875", "found '0.875', wanted a number (float)"),
        (lambda q, p, beta: "x" * 1_000_000, "…', wanted a number (float)"),
        (lambda q, p, beta: 10**1_000, "wanted"),
        (lambda q, p, beta: [0.5] * 3_000_000, "found a list of 3000000 items"),
        (lambda q, p, beta: [0.875], "found [0.875], wanted a number (float)"),
        (lambda q, p, beta: (x for x in q), "found a generator"),
        (0.875, "found 0.875, wanted a function"),
        ("soft_value", "wanted a function"),
    ],
)
def test_what_is_wrong_is_said(function, words):
    verdict = judge(SOFT, function)
    assert verdict.state == "failed" and verdict.reason
    assert words in verdict.message and len(verdict.message) < 500


def test_a_coroutine_is_refused_and_closed():
    async def soft(q, log_prior, beta):
        return soft_value(q, log_prior, beta)

    assert "without `async`" in lines(soft)[0]


def test_answers_of_other_but_fitting_types_pass():
    for convert in (float, torch.Tensor.numpy, np.float64, torch.Tensor.requires_grad_):
        answer = judge(SOFT, lambda *given, as_=convert: as_(soft_value(*given)))
        assert answer.state == "passed"

    def by_name(*, q, log_prior, beta):
        return soft_value(q, log_prior, beta)

    assert judge(SOFT, by_name).state == "passed"


def test_float32_passes_where_float64_is_not_asked_for():
    def single(q, log_prior, beta):
        return soft_value(q, log_prior, beta).float()

    assert judge(SOFT, single).message.endswith("compared at the precision of float32")
    strict = dataclasses.replace(SOFT, float64=True)
    assert "float64 is asked for" in judge(strict, single).reason
    assert judge(SOFT, lambda *given: single(*given) * 1.0001).state == "failed"


def test_a_deep_recursion_passes_and_an_endless_one_is_named():
    def add(q, n):
        return q if n == 0 else add(q, n - 1) + 1

    deep = Exercise(
        "6.2",
        lambda q, n: q + n,
        lambda generator: [{"q": 1.5, "n": n} for n in (2, 3000)],
    )
    limit = sys.getrecursionlimit()
    assert judge(deep, add).state == "passed"
    assert "calls itself without end" in lines(lambda q, n: add(q, -1), deep)[0]
    assert sys.getrecursionlimit() == limit


def test_interrupt_passes_through():
    def interrupted(q, log_prior, beta):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(SOFT, interrupted)


def test_an_answer_that_fights_back_is_refused_not_raised(monkeypatch, capsys):
    class Hostile(dict):
        def __iter__(self):
            raise RuntimeError("no")

        __repr__ = __str__ = __eq__ = keys = items = __len__ = __iter__
        __hash__ = None

    pair = Exercise("6.2", lambda x: {"a": x}, lambda generator: [{"x": 1.0}])
    monkeypatch.setattr(checks, "chapter_exercises", lambda chapter: [pair])
    assert checks.check("6.2", lambda x: Hostile()).state == "failed"
    assert capsys.readouterr().out.startswith("6.2 ✗ ")


def world():
    """What a function may change in the interpreter."""
    return (
        sys.stdout,
        sys.stderr,
        sys.getrecursionlimit(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.tensor(1 / 3).__repr__(),
        repr(np.array([1 / 3])),
        random.getstate(),
        str(np.random.get_state()),  # noqa: NPY002
        torch.random.get_rng_state().tolist(),
        list(warnings.filters),
    )


def test_everything_is_put_back(capsys):
    before = world()

    def changes_everything(q, log_prior, beta):
        print("seen")
        sys.stdout.close()
        sys.stderr = None
        sys.setrecursionlimit(4000)
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(False)
        torch.set_printoptions(precision=1)
        np.set_printoptions(precision=1)
        exec("random.seed(1); np.random.seed(1); torch.manual_seed(1)", globals())
        warnings.simplefilter("error")
        return soft_value(q, log_prior, beta)

    assert judge(SOFT, changes_everything).state == "passed"
    assert world() == before
    assert "seen" in capsys.readouterr().out


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
    assert (
        verdict.state == "not attempted" and "is a return missing?" in verdict.message
    )


def test_warnings_of_a_learner_are_not_printed(recwarn):
    def warns(q, log_prior, beta):
        warnings.warn("a word", stacklevel=1)
        return float(np.log(np.exp(beta * q.numpy()).sum()) / np.float64(0))

    assert "found inf, wanted 0.914" in lines(warns)[1]
    assert not recwarn.list


def test_check_prints_a_verdict_and_finds_exercises(monkeypatch, capsys):
    found = {"6": [SOFT]}
    monkeypatch.setattr(checks, "chapter_exercises", lambda name: found.get(name, []))
    assert checks.check("6.1", soft_value).message.startswith("6.1 ✓ 7 inputs, β from")
    assert checks.check(6.1, None).state == "not attempted"
    unknown = checks.check("6.9", soft_value).message
    assert unknown.startswith("6.9 ✗ There is no exercise of this name.")
    assert unknown.endswith("Those of this chapter: 6.1.")
    assert checks.check("nonsense", soft_value).state == "failed"
    assert checks.check(None, soft_value).state == "failed"
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and printed[1] == "6.1 · not attempted yet"


def test_a_notebook_shows_html_with_a_plain_twin_and_shows_it_once(monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: True)
    monkeypatch.setattr(IPython.display, "display", lambda *a, **k: shown.append(a[0]))
    monkeypatch.setattr(checks, "chapter_exercises", lambda chapter: [SOFT])
    verdict = checks.check("6.1", PLANTED[2])
    (both,) = shown
    assert both["text/plain"] == verdict.message and capsys.readouterr().out == ""
    assert "<b><code>*=</code> writes into q.</b><br>at β = 5" in both["text/html"]
    assert checks.check("6.1", lambda q, p, beta: "<script>").state == "failed"
    assert "<script>" not in shown[1]["text/html"]
    assert 'color: #2a9d4e">✓ 6.1</b>' in checks.as_html(judge(SOFT, soft_value))
    assert verdict._ipython_display_() is None
    checks.check("6.1", None)
    assert len(shown) == 2 and capsys.readouterr().out == "6.1 · not attempted yet\n"


def test_an_edit_must_apply_exactly_once():
    assert source_of(soft_value).startswith(
        "def soft_value(q, log_prior, beta):\n    return"
    )
    with pytest.raises(ValueError, match="'beta \\*' occurs 0 times, wanted once"):
        edited(soft_value, ("beta *", "", "beta *", ""))
    with pytest.raises(ValueError, match="'beta' occurs 3 times"):
        edited(soft_value, ("beta", "1"))


def test_pairs_are_of_two_edits_and_few():
    assert 100 < len(pairs(SOFT)) <= 500
    assert all(mutant.kind == "pair" for mutant in pairs(SOFT))


def test_a_chapter_without_exercises():
    for name in ("99", "x.y", ""):
        assert checks.chapter_exercises(name) == []


def test_a_reference_that_fails_is_the_courses_fault():
    broken = Exercise("6.2", lambda x: 1 / 0, lambda generator: [{"x": 1.0}])
    assert "the course's answer fails" in judge(broken, lambda x: x).message


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
        (
            torch.zeros(3),
            torch.zeros(3, dtype=torch.float64),
            None,
        ),
        (np.zeros(3), torch.zeros(3, dtype=torch.float64), None),
        (
            torch.zeros(3, dtype=torch.int64),
            torch.zeros(3, dtype=torch.float64),
            None,
        ),
        (torch.zeros(3, dtype=torch.int32), torch.zeros(3, dtype=torch.int64), None),
        (
            [0.0, 0.0],
            torch.zeros(2, dtype=torch.float64),
            None,
        ),
        (
            torch.zeros(2, 3),
            torch.zeros(3, 2),
            "found shape (2, 3), wanted shape (3, 2)",
        ),
        (
            torch.arange(12).reshape(3, 4),
            torch.arange(12).reshape(3, 4).clamp(max=10),
            "found 11 at index [2, 3], wanted 10",
        ),
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
    found = difference(found, wanted, 1e-6)
    assert (found is None) if words is None else words in found.text


def test_same_sees_every_change():
    assert same({"a": [1, torch.tensor([np.nan])]}, {"a": [1, torch.tensor([np.nan])]})
    assert not same([1, 2], [1, 2, 3])
    assert not same({"a": 1}, {"b": 1})
    assert not same(torch.zeros(2), torch.zeros(2, dtype=torch.float64))
    assert not same((torch.zeros(2),), (torch.tensor([0.0, 1e-12]),))


def test_choice_of_a_letter():
    choice = Choice(
        "1.3",
        "b",
        {"a": "A time-out is not a goal.", "c": "The discount is below 1."},
        "the future is cut off",
    )
    assert judge(choice, " B ").message == "1.3 ✓ b: the future is cut off"
    assert judge(choice, "A").message == "1.3 ✗ A: A time-out is not a goal."
    assert judge(choice, "d").message == "1.3 ✗ Found 'd'; the options are a, b, c."
    assert judge(choice, 7).message == "1.3 ✗ Found 7; the options are a, b, c."
    assert judge(choice, None).message == "1.3 · not attempted yet"


def test_choice_of_a_number():
    choice = Choice(
        "1.4",
        0.875,
        {1.0: "That is the hard max."},
        "hedging costs something",
        "Use all three actions.",
        tolerance=1e-3,
    )
    assert judge(choice, 0.8751).message == "1.4 ✓ 0.875: hedging costs something"
    assert judge(choice, torch.tensor(0.875)).state == "passed"
    assert judge(choice, 1).message == "1.4 ✗ 1: That is the hard max."
    assert judge(choice, 0.5).message == "1.4 ✗ 0.5: Use all three actions."
    assert judge(choice, "0.875").message == "1.4 ✗ Found '0.875', wanted a number."
    assert judge(choice, True).message == "1.4 ✗ Found True, wanted a number."
    yes = Choice("1.5", True, {False: "Look again."})
    assert (
        judge(yes, True).state == "passed"
        and judge(yes, False).message == "1.5 ✗ False: Look again."
    )
    assert judge(yes, 1).message == "1.5 ✗ Found 1, wanted True or False."


# --- the set-up check ----------------------------------------------------------------------------------------------------------------


def test_set_up_prints_the_same_on_every_healthy_machine(capsys):
    assert checks.set_up() is True
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5 and all(line.endswith(": yes") for line in printed)
    assert not any(
        character.isdigit() or character == "/" for character in "".join(printed)
    )


def test_set_up_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(machine.platform, "python_version", lambda: "3.6.1")
    monkeypatch.setattr(
        machine.metadata,
        "requires",
        lambda name: ["numpy<1", "absent-package", "pytest>=1; extra == 'test'"],
    )
    assert checks.set_up() is False
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 5
    assert printed[0].startswith(
        "Python is new enough: no. What to do: install a newer Python"
    )
    assert ": no. What to do: run `make lab` again" in printed[1]


def test_set_up_compares_versions(monkeypatch):
    monkeypatch.setattr(machine.metadata, "version", lambda name: "2.5")
    for needs, fits in (
        (["a>=2,<3"], True),
        (["a>=2.6"], False),
        (["a<2.5"], False),
        (["a>=9; extra == 'test'", "b"], True),
        ([], False),
    ):
        monkeypatch.setattr(
            machine.metadata, "requires", lambda name, needs=needs: needs
        )
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
