"""What a round of Distral costs (algorithm 1: one step, one soft Q-learning update and one distillation update a task), and an exact solve.

    python benchmarks/distral_speed.py [--threads 2] [--rounds 3]

A lane is a task of a run. Networks are the thesis's, 64-128-64, minibatches of 128. A time is that of the fastest of many short stretches
of consecutive rounds, as `timeit` takes it; what runs first and what runs last takes turns.
"""

import argparse
import time

import torch

from distral_lite import distral, distral_sql, lanes, networks
from distral_lite.gridworld import load_map

MAPS = (4, 5, 6, 7, 8)
STRETCH, WARM = 5, 20  # rounds that are timed together, and rounds before the first


class TimedWorld(lanes.TableWorld):
    """A world that notes the time at each of its steps."""

    def step(self, action):
        """As of any world."""
        self.times.append(time.perf_counter())
        return super().step(action)


def round_seconds(tasks, runs, hidden, rounds):
    """Seconds of a round in the fastest stretch."""
    TimedWorld.times = []
    config = distral_sql.Config(steps=WARM + rounds, hidden=hidden, snapshots=1)
    distral_sql.train(tasks, config, range(runs))
    times = TimedWorld.times[WARM:]
    return min((end - begin) / STRETCH for begin, end in zip(times, times[STRETCH:], strict=False))


def solve_seconds(tasks):
    """Seconds of the exact joint optimum."""
    begin = time.perf_counter()
    distral.solve(tasks, alpha=0.8, beta=5.0, discount=0.999)
    return time.perf_counter() - begin


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="PyTorch's threads")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured; the fastest counts")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lanes.TableWorld = TimedWorld
    tasks = [load_map(number).mdp() for number in MAPS]
    cases = {(kind, *size): float("inf") for kind in ("networks", "tables") for size in ((1, 1), (1, 5), (5, 5), (20, 5))}
    solve = float("inf")
    for _ in range(options.rounds):
        for kind, runs, width in cases:
            hidden = networks.THESIS_HIDDEN if kind == "networks" else None
            seconds = round_seconds(tasks[:width], runs, hidden, max(40, 200 // runs))
            cases[kind, runs, width] = min(cases[kind, runs, width], seconds)
        solve = min(solve, *(solve_seconds(tasks) for _ in range(5)))
    print(f"Distral by soft Q-learning, two columns, batch 128; {options.threads} thread(s)")
    print(f"{'runs x tasks':24}{'ms a round':>12}{'ms a lane':>12}{'lanes a second, x one lane':>28}")
    for (kind, runs, width), seconds in cases.items():
        lane = seconds / (runs * width)
        print(f"{f'{kind}, {runs} x {width}':24}{seconds * 1e3:12.2f}{lane * 1e3:12.3f}{cases[kind, 1, 1] / lane:28.1f}")
    print(f"exact joint optimum, alpha 0.8, beta 5, gamma 0.999: {solve * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
