"""Runs pytest under one arithmetic after another, as `make portable` does, and prints a table.

The same sum in another order, or with other instructions, rounds otherwise. So do other processors; these variables
bring some of their arithmetics here, where the processor and the libraries allow it. Each row changes all of them at
once, for each row takes as long as the tests; where one fails, try its variables one by one.
"""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ARITHMETICS = {
    "as on the oldest processors": {
        "ATEN_CPU_CAPABILITY": "default",  # PyTorch's own loops, without vector instructions
        "MKL_CBWR": "COMPATIBLE",  # its matrix products, solves and exponentials
        "ONEDNN_MAX_CPU_ISA": "SSE41",  # its other library of matrix products
        "OPENBLAS_CORETYPE": "Prescott",  # NumPy's and SciPy's linear algebra
    },
    "as on most laptops, two threads": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_CBWR": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "OMP_NUM_THREADS": "2",  # sums shared out among threads
    },
}
FOLDER = Path("build") / "portable"


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
    for number, (name, arithmetic) in enumerate(ARITHMETICS.items()):
        print(f"\n==== {name} ====", flush=True)
        report = FOLDER / f"{number}.xml"
        report.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
        status = subprocess.run(command, env=os.environ | arithmetic).returncode
        rows.append((name, *counted(report), status))
    print(f"\n{'arithmetic':<32}{'passed':>8}{'failed':>8}")
    for name, passed, failed, status in rows:
        print(f"{name:<32}{passed:>8}{failed:>8}" + ("" if status in (0, 1) else f"   pytest ended with status {status}"))
    return int(any(status for *_, status in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
