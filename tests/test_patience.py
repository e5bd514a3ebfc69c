"""That no check depends on a machine's speed: one limit, no clock, nbval's included."""

import ast
import os
import queue
import re
import subprocess
import sys
from pathlib import Path

import patience
import pytest
import quick

ROOT = Path(__file__).parent.parent
EXCEPT = {
    "patience.py",
    Path(__file__).name,
}  # the one place, and the planted faults below
FILES = sorted(
    {*ROOT.glob("tests/*.py"), *ROOT.glob("tools/*.py"), ROOT / "conftest.py"}
)
WAITS = {
    "join",
    "wait",
    "communicate",
    "result",
}  # methods whose first argument is a limit
CLOCKS = {
    "time",
    "monotonic",
    "perf_counter",
    "process_time",
    "thread_time",
    "clock_gettime",
}
IN_WORDS = re.compile(r"timeout[= ]\d")  # an option of a command line


def is_number(node):
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def complaint(node):
    """Why a node depends on a machine's speed; None where it does not."""
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and IN_WORDS.search(node.value)
    ):
        return "a limit in a text"
    if (
        isinstance(node, ast.keyword)
        and re.search("(^|_)timeout$", node.arg or "")
        and is_number(node.value)
    ):
        return f"{node.arg} is a number"
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in WAITS
    ):
        if node.args and is_number(node.args[0]):
            return f"{node.func.attr} with a number"
    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "time"
    ):
        if node.attr.removesuffix("_ns") in CLOCKS:
            return f"a clock: time.{node.attr}"
    if isinstance(node, ast.ImportFrom) and node.module in ("time", "timeit"):
        return f"a clock: {node.module}"
    return None


def complaints(source):
    return [found for node in ast.walk(ast.parse(source)) if (found := complaint(node))]


def test_there_is_one_limit_and_no_clock():
    found = {
        path.name: complaints(path.read_text(encoding="utf-8"))
        for path in FILES
        if path.name not in EXCEPT
    }
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("subprocess.run(command, timeout=300)", 1),
        ("page.goto(address, timeout=HANG)", 0),
        ("Client(address, connect_timeout=5.0)", 1),
        ("run('--ExecutePreprocessor.timeout=120')", 1),
        ("process.wait(30)", 1),
        ("process.wait()", 0),
        ("', '.join(words)", 0),
        ("import time\nbegin = time.perf_counter()", 1),
        ("from time import monotonic", 1),
        ("Config(timeouts_are_goals=True)", 0),
    ],
)
def test_limits_and_clocks_are_caught(source, count):
    assert len(complaints(source)) == count


def test_the_limit_is_scaled_by_the_environment():
    assert patience.limit("1") == 1800 and patience.limit("2.5") == 4500
    for nonsense in ("", "long", "0", "-1", "nan", "inf"):
        with pytest.raises(
            ValueError, match=r"CI_PATIENCE is .*, wanted a number above 0"
        ):
            patience.limit(nonsense)


def test_the_makefile_takes_its_limit_from_there():
    command = [sys.executable, str(ROOT / "tests" / "patience.py")]
    said = subprocess.run(
        command,
        env=os.environ | {"CI_PATIENCE": "3"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert said == "5400\n"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"timeout\S*=(\S+)", makefile) == ["$(HANG)"] * 3
    assert "HANG = $(shell $(PYTHON) tests/patience.py)" in makefile


def test_waiting_ends_with_what_is_waited_for_with_its_maker_or_at_the_limit(
    monkeypatch,
):
    answers = iter([0, None, "it"])
    assert patience.until(lambda: next(answers), "it") == "it"
    with pytest.raises(
        AssertionError, match="in vain for it: what was to bring it has ended"
    ):
        patience.until(lambda: False, "it", lambda: False)
    monkeypatch.setattr(patience, "HANG", 0)
    with pytest.raises(AssertionError, match="waited 0 s in vain for it"):
        patience.until(lambda: False, "it")


class Kernel:
    """nbval's, as far as messages go: looks find nothing until the given one."""

    def __init__(self, looks, lives=True):
        self.looks, self.lives = looks, lives

    def is_alive(self):
        return self.lives

    def get_message(self, stream, timeout=None):
        self.looks -= 1
        if self.looks:
            raise queue.Empty
        return stream, timeout


def test_nbval_waits_for_a_living_kernel_only(monkeypatch):
    wait = patience.patient(Kernel.get_message)
    assert wait(Kernel(looks=9), "iopub", timeout=5) == (
        "iopub",
        1,
    )  # nine looks of a second, where nbval would give up after five
    with pytest.raises(RuntimeError, match="the kernel has died"):
        wait(Kernel(looks=9, lives=False), "iopub", timeout=5)
    monkeypatch.setattr(patience, "HANG", -1)
    with pytest.raises(queue.Empty):
        wait(Kernel(looks=9), "iopub", timeout=5)


def test_nbval_has_our_limits(pytestconfig):
    from nbval.kernel import RunningKernel
    from nbval.plugin import IPyNbCell

    assert (
        pytestconfig.option.nbval_cell_timeout
        == pytestconfig.option.nbval_kernel_startup_timeout
        == patience.HANG
    )
    assert (
        callable(RunningKernel.get_message)
        and "self.output_timeout"
        in Path(sys.modules[IPyNbCell.__module__].__file__).read_text(encoding="utf-8")
    )
    cell = type("Cell", (), {"output_timeout": 5})()
    patience.pytest_itemcollected(cell)
    assert cell.output_timeout == patience.HANG


# ---- what make quick leaves out ----


def helper():
    return subprocess.run


def trains(algorithm):
    return [algorithm.train(seed) for seed in range(2)]


def calls_a_helper():
    return helper()


def opens(open_notebook):
    pass


def computes():
    return patience.limit("2")


def test_a_test_is_slow_by_what_its_code_mentions():
    assert [
        quick.is_slow(one) for one in (trains, calls_a_helper, opens, computes)
    ] == [True, True, True, False]
    assert quick.is_slow(computes, trains)  # of a fixture


def test_slow_tests_are_marked_when_they_are_collected(request):
    here = [item for item in request.session.items if item.path == Path(__file__)]
    assert request.node in here and request.node.get_closest_marker("slow") is None
    marked = {item.originalname for item in here if item.get_closest_marker("slow")}
    costly = {
        "test_the_makefile_takes_its_limit_from_there",
        "test_a_test_is_slow_by_what_its_code_mentions",
    }
    assert marked == costly & {item.originalname for item in here}
