"""Settings that hold wherever pytest starts from: in tests/, in chapters/ or in the root."""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "tests"))
pytest_plugins = ["patience"]

# Small arrays want one thread. Set before torch is imported, and inherited by the kernels of the notebooks.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell ignores Control-C in what it starts in the background, and so would the programs that tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    # nbval reads this path relative to the current folder, so it is given whole; without --nbval the option does not exist.
    if hasattr(config.option, "nbval_sanitize_with"):
        config.option.nbval_sanitize_with = str(config.rootpath / "tests" / "nbval_sanitize.cfg")
