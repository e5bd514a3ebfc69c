"""How long anything is waited for before it is called a hang: the one place for it.

No check may depend on how fast a machine is, or on what else it does: nothing asserts a
duration, and whatever waits (for a process, a page, a kernel) waits for `HANG` seconds.
Where even that is too short, CI_PATIENCE=3 makes it three times as long.
`python tests/patience.py` prints it, which is where the Makefile has it from.

As a plugin of pytest this module gives the same patience to nbval, whose own limits, of
5 to 60 seconds, are partly out of reach of its options.
"""

import functools
import math
import os
import queue
import time

ORDINARY = 1800  # seconds; on a quiet machine the slowest step takes about sixty


def limit(factor):
    """Seconds after which a wait has failed, from the text of CI_PATIENCE."""
    try:
        number = float(factor)
    except ValueError:
        number = math.nan
    if not (0 < number < math.inf):
        raise ValueError(
            f"patience: CI_PATIENCE is {factor!r}, wanted a number above 0"
        )
    return math.ceil(ORDINARY * number)


HANG = limit(os.environ.get("CI_PATIENCE", "1"))


def until(condition, what, alive=lambda: True):
    """Wait for the first true value of a condition and return it.

    Raises AssertionError that says `what` was waited for, after HANG seconds or when
    `alive` says that it cannot come any more.
    """
    end = time.monotonic() + HANG
    while not (found := condition()):
        if not alive():
            why = "what was to bring it has ended"
            raise AssertionError(f"waited in vain for {what}: {why}")
        if time.monotonic() > end:
            raise AssertionError(f"waited {HANG} s in vain for {what}")
        time.sleep(0.02)
    return found


# ---- nbval ----


def pytest_configure(config):
    """Give nbval our limit for its own, and let it see a dead kernel at once."""
    config.option.nbval_cell_timeout = config.option.nbval_kernel_startup_timeout = HANG
    if config.getoption("nbval", False):
        from nbval.kernel import RunningKernel

        if not hasattr(RunningKernel.get_message, "__wrapped__"):
            RunningKernel.get_message = patient(RunningKernel.get_message)


def pytest_itemcollected(item):
    """The one limit of a cell that is no option: for its output, once it has run."""
    if hasattr(item, "output_timeout"):
        item.output_timeout = HANG


def patient(get_message):
    """nbval's `get_message`, through which it always waits, with our limit."""

    @functools.wraps(get_message)
    def wait(kernel, stream, timeout=None):
        end = time.monotonic() + HANG
        while True:
            try:
                return get_message(kernel, stream, timeout=1)
            except queue.Empty:
                if not kernel.is_alive():
                    raise RuntimeError("the kernel has died") from None
                if time.monotonic() > end:
                    raise

    return wait


if __name__ == "__main__":
    print(HANG)
