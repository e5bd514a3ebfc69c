"""Settings that hold wherever pytest starts from: in tests/, in chapters/ or in the root."""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "tests"))
pytest_plugins = ["patience"]

# Small arrays want one thread. Set before torch is imported, and inherited by the kernels of the notebooks.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Programs that tests start write UTF-8, which is what the tests read: left alone, Windows would have its own encoding in a pipe.
os.environ.setdefault("PYTHONIOENCODING", "utf-8")

# A shell ignores Control-C in what it starts in the background, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


ROOM = 0.1  # a verdict of a notebook stays at least so far from its bar, relative to the bar
VERDICTS = pytest.StashKey[Path]()


def pytest_configure(config):
    # nbval reads this path relative to the current folder, so it is given whole; without --nbval the option does not exist.
    if hasattr(config.option, "nbval_sanitize_with"):
        config.option.nbval_sanitize_with = str(config.rootpath / "tests" / "nbval_sanitize.cfg")
        # Here the kernel of the notebook at hand writes the room of its verdicts; see statistics.verdict.
        handle, path = tempfile.mkstemp(prefix="verdicts-")
        os.close(handle)
        config.stash[VERDICTS] = Path(path)
        os.environ["DISTRAL_LITE_VERDICTS"] = path


def pytest_unconfigure(config):
    if path := config.stash.get(VERDICTS, None):
        path.unlink(missing_ok=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A cell of a notebook fails if a verdict of it has too little room, also where the verdict is right."""
    path = item.config.stash.get(VERDICTS, None)
    if path is None or not hasattr(item, "cell_num"):  # a test of our own, no cell
        return (yield)
    path.write_text("", encoding="utf-8")
    try:
        result = yield
    finally:
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        item.user_properties += [("verdict", one) for one in found]
    narrow = [sentence(one) for one in found if not one["room"] >= ROOM]
    if narrow:
        raise AssertionError(f"a verdict has room of less than {ROOM} to its bar: {'; '.join(narrow)}")
    return result


def pytest_terminal_summary(terminalreporter):
    """How far the verdicts of the notebooks are from their bars: the nearest, and how many there are."""
    reports = [one for kind in ("passed", "failed") for one in terminalreporter.stats.get(kind, []) if one.when == "call"]
    rows = [(value, report.nodeid) for report in reports for name, value in report.user_properties if name == "verdict"]
    if rows:
        nearest = sorted(rows, key=lambda row: row[0]["room"])[:10]
        terminalreporter.section(f"{len(rows)} verdicts of notebooks, the nearest to their bars")
        for one, cell in nearest:
            terminalreporter.write_line(f"{sentence(one):<42} {cell}")


def sentence(one):
    return f"{one['value']:.4g} {one['sign']} {one['bar']:.4g}, room {one['room']:.3f}"
