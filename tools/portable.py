"""Runs pytest under one arithmetic after another, as `make portable` does, and prints a table.

The same sum in another order, or with other instructions, rounds otherwise. So do other processors; these variables
bring a few of their arithmetics here, where the processor and the libraries allow it. Where they do not, a row says
the same as the first.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ARITHMETICS = [
    {},
    {"ATEN_CPU_CAPABILITY": "default"},  # PyTorch's own loops, without vector instructions
    {"ATEN_CPU_CAPABILITY": "avx2"},  # ... or with those of most laptops
    {"MKL_CBWR": "COMPATIBLE"},  # PyTorch's matrix products, solves and exponentials, as on the oldest processors
    {"MKL_CBWR": "AVX2"},
    {"ONEDNN_MAX_CPU_ISA": "SSE41"},  # its other library of matrix products
    {"OPENBLAS_CORETYPE": "Prescott"},  # NumPy's and SciPy's linear algebra
    {"OMP_NUM_THREADS": "2"},  # sums shared out among threads
]
FOLDER = Path("build") / "portable"


def named(arithmetic: dict[str, str]) -> str:
    """What the table calls an arithmetic."""
    return " ".join(f"{name}={value}" for name, value in arithmetic.items()) or "as it is here"


def counted(report: Path) -> tuple[int, int]:
    """How many tests passed and failed, errors among these, by pytest's report; (0, 1) if it wrote none."""
    if not report.exists():
        return 0, 1
    tests, failures, errors, skipped = (
        sum(int(suite.get(kind, 0)) for suite in ElementTree.parse(report).iter("testsuite"))
        for kind in ("tests", "failures", "errors", "skipped")
    )
    return tests - failures - errors - skipped, failures + errors


def main(arguments: list[str]) -> int:
    """Runs `pytest arguments` under each arithmetic; gives the exit status, 0 where nothing failed anywhere."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, arithmetic in enumerate(ARITHMETICS):
        print(f"\n==== {named(arithmetic)} ====", flush=True)
        report = FOLDER / f"{number}.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
        status = subprocess.run(command, env=os.environ | arithmetic).returncode
        rows.append((named(arithmetic), *counted(report), status))
    print(f"\n{'arithmetic':<32}{'passed':>8}{'failed':>8}")
    for name, passed, failed, status in rows:
        print(f"{name:<32}{passed:>8}{failed:>8}" + ("" if status in (0, 1) else f"   pytest ended with status {status}"))
    return int(any(status for *_, status in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
