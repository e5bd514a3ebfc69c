"""What a step of deep Q-learning costs: one lane and many, against Stable-Baselines3's DQN, and against the machine's own arithmetic.

    python benchmarks/dqn_speed.py [--threads 2] [--rounds 5] [--lanes 1 5 20 100]

Both learn CartPole-v1 with the same network (64-128-64), minibatches of 128, one update a step, and both act greedily 95 % of the time.
They take turns, round after round, in one process, so that whatever else the machine does meets both. A time is that of the fastest of
many short stretches of consecutive steps, as `timeit` takes it. Stable-Baselines3 comes with the extra `bench`; without it its row is left
out.
"""

import argparse
import time
from itertools import pairwise

import torch

from distral_lite import dqn
from distral_lite.gym_bridge import GymTask, GymWorld

HIDDEN, BATCH, STARTS, TARGET_EVERY, CAPACITY, DISCOUNT, EPSILON, CLIP = (64, 128, 64), 128, 150, 200, 10_000, 0.99, 0.05, 10.0
STRETCH = 5  # consecutive steps that are timed together


class Clock:
    """Notes the time at every environment step of a run that has begun to learn."""

    def __init__(self):
        """Starts with none."""
        self.times = []

    def tick(self):
        """To be called before every environment step."""
        self.times.append(time.perf_counter())

    def fastest(self):
        """Seconds a step in the fastest stretch."""
        learning = self.times[STARTS + 5 :]
        return min((end - begin) / STRETCH for begin, end in zip(learning, learning[STRETCH:], strict=False))


def course(lanes, steps, clock):
    """Trains `lanes` runs of this course's DQN for `steps` learning steps."""

    class TimedWorld(GymWorld):
        def step(self, action):
            clock.tick()
            return super().step(action)

    class TimedTask(GymTask):
        make_world = staticmethod(TimedWorld)

    config = dqn.Config(
        steps=STARTS + steps,
        discount=DISCOUNT,
        batch=BATCH,
        capacity=CAPACITY,
        learning_starts=STARTS,
        target_every=TARGET_EVERY,
        epsilon_start=EPSILON,
        epsilon_end=EPSILON,
        hidden=HIDDEN,
        clip_norm=CLIP,
        snapshots=1,
    )
    dqn.train([TimedTask("CartPole-v1")], config, range(lanes))


def stable_baselines(steps, clock):
    """Trains Stable-Baselines3's DQN for `steps` learning steps, or says that it is not installed by returning False."""
    try:
        from stable_baselines3 import DQN
        from stable_baselines3.common.callbacks import BaseCallback
    except ImportError:
        return False

    class Tick(BaseCallback):
        def _on_step(self):
            clock.tick()
            return True

    model = DQN(
        "MlpPolicy",
        "CartPole-v1",
        gamma=DISCOUNT,
        batch_size=BATCH,
        buffer_size=CAPACITY,
        learning_starts=STARTS,
        train_freq=1,
        gradient_steps=1,
        target_update_interval=TARGET_EVERY,
        exploration_initial_eps=EPSILON,
        exploration_final_eps=EPSILON,
        max_grad_norm=CLIP,
        policy_kwargs={"net_arch": list(HIDDEN)},
        device="cpu",
    )
    model.learn(STARTS + steps, callback=Tick())
    return True


def arithmetic():
    """Floating-point operations a second in a product of two 512 x 512 float32 matrices: the fastest of 20."""
    a = torch.linspace(-1, 1, 512 * 512).view(512, 512)
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - begin)
    return 2 * 512**3 / min(times)


def operations():
    """Floating-point operations in the matrix products of one step of one lane.

    The target network's minibatch, the network's own, its gradient with respect to weights and to all inputs but the first layer's, and
    the one observation to act on.
    """
    sizes = (4, *HIDDEN, 2)
    products = [inputs * outputs for inputs, outputs in pairwise(sizes)]
    return 2 * (BATCH * (3 * sum(products) + sum(products[1:])) + sum(products))


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="PyTorch's threads")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lanes", type=int, nargs="+", default=[1, 5, 20, 100])
    parser.add_argument("--steps", type=int, default=400, help="learning steps of one lane a round; many lanes take fewer")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seconds, theirs, rate = {lanes: float("inf") for lanes in options.lanes}, float("inf"), 0.0
    for _ in range(options.rounds):
        clock = Clock()
        if stable_baselines(options.steps, clock):
            theirs = min(theirs, clock.fastest())
        for lanes in options.lanes:
            clock = Clock()
            course(lanes, max(3 * STRETCH, options.steps // lanes), clock)
            seconds[lanes] = min(seconds[lanes], clock.fastest())
            rate = max(rate, arithmetic())
    print(f"DQN on CartPole-v1, network {'-'.join(map(str, HIDDEN))}, batch {BATCH}, one update a step; {options.threads} thread(s)")
    print(f"512 x 512 matrix product: {rate / 1e9:.0f} GFLOP/s; one lane's step: {operations() / 1e6:.1f} MFLOP in matrix products")
    print(f"{'':24}{'ms a step':>12}{'ms a lane':>12}{'x Stable-Baselines3':>21}{'share of the product rate':>27}")
    if theirs < float("inf"):
        print(f"{'Stable-Baselines3, 1':24}{theirs * 1e3:12.3f}{theirs * 1e3:12.3f}{1:21.1f}{operations() / theirs / rate:27.0%}")
    for lanes, step in seconds.items():
        lane = step / lanes
        ratio = f"{theirs / lane:21.1f}" if theirs < float("inf") else f"{'not installed':>21}"
        print(f"{f'this course, {lanes}':24}{step * 1e3:12.3f}{lane * 1e3:12.3f}{ratio}{operations() / lane / rate:27.0%}")


if __name__ == "__main__":
    main()
