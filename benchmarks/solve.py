"""What the exact soft optimum costs: Newton (`soft_q_learning.solve`) on the thesis's mazes and on one of 100 x 100.

    python benchmarks/solve.py [--threads 1] [--rounds 5] [--seconds 20]

alpha = 0.8, gamma = 0.999 and a uniform prior; beta = 5, where the agent arrives, and beta = 1, where it wanders for ever (chapter 06). A
time is that of the fastest of some rounds. Soft value iteration solves the same once, until a sweep moves no value by 1e-10; where that
would take longer than so many seconds it is stopped, and the row has a ">". Peak memory is the most that the process has held so far,
Python and PyTorch included, before value iteration has its turn; not every system tells it.
"""

import argparse
import math
import sys
import time

import torch

from distral_lite import soft_q_learning
from distral_lite.gridworld import GridWorld, load_map

try:
    import resource
except ImportError:  # Windows
    resource = None

ALPHA, BETAS, DISCOUNT, SIDE = 0.8, (5.0, 1.0), 0.999, 100
TRIAL = 20  # sweeps that are timed to see how many there is time for
COLUMNS = ("maze", "states", "solves", "seconds", "sweeps", "seconds", "ratio", "peak memory", "largest gap")
WIDTHS = (12, 8, 8, 10, 9, 10, 8, 13, 13)


def peak():
    """Megabytes that this process has held at most, or NaN."""
    if resource is None:
        return math.nan
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, kilobytes elsewhere


def fastest(function, rounds):
    """Seconds of the fastest round, and the last result."""
    best = math.inf
    for _ in range(rounds):
        begin = time.perf_counter()
        result = function()
        best = min(best, time.perf_counter() - begin)
    return best, result


def value_iteration(arguments, seconds):
    """The solution, None where there was no time for it; the sweeps; the seconds they took."""

    def sweep(most):
        begin = time.perf_counter()
        try:
            found = soft_q_learning.soft_value_iteration(*arguments, max_sweeps=most)
            return found, found.iterations, time.perf_counter() - begin
        except RuntimeError:
            return None, most, time.perf_counter() - begin

    _, _, trial = sweep(TRIAL)
    return sweep(max(TRIAL, int(seconds / trial * TRIAL)))


def line(cells):
    """A row of the table."""
    return f"{cells[0]:{WIDTHS[0]}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells[1:], WIDTHS[1:], strict=True))


def main():
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0, help="about how long value iteration may take at most on one maze")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    uniform = torch.full((5,), -math.log(5), dtype=torch.float64)
    tasks = {f"map {number}": load_map(number).mdp() for number in range(1, 9)}
    tasks |= {f"{SIDE} x {SIDE}": GridWorld.random(SIDE, SIDE, seed=1).mdp()}
    for beta in BETAS:
        print(f"Exact soft optimum, alpha = {ALPHA}, beta = {beta:g}, gamma = {DISCOUNT}; {options.threads} thread(s)")
        print(line(COLUMNS))
        for name, task in tasks.items():
            arguments = (task, uniform, ALPHA, beta, DISCOUNT)
            seconds, exact = fastest(lambda arguments=arguments: soft_q_learning.solve(*arguments), options.rounds)
            memory = peak()
            slow, sweeps, took = value_iteration(arguments, options.seconds)
            more, gap = (">", "") if slow is None else ("", f"{float((slow.value - exact.value).abs().max()):.1e}")
            newton = (name, len(task.start), exact.iterations, f"{seconds:.4f}")
            sweeping = (f"{more}{sweeps}", f"{more}{took:.2f}", f"{more}{took / seconds:.0f}")
            print(line((*newton, *sweeping, "" if math.isnan(memory) else f"{memory:.0f} MB", gap)), flush=True)


if __name__ == "__main__":
    main()
