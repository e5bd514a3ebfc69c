"""A small Gymnasium environment that the tests of several agents learn: observations are vectors, and the exact values are known."""

import numpy as np
import pytest

from distral_lite import gym_bridge


class Line(gym_bridge.gymnasium.Env):
    """A position in [0, 1) that moves left or right by 0.25; moving right out of it pays 1 and ends. Observations are vectors."""

    observation_space = gym_bridge.Box(-1.0, 2.0, (1,), np.float32)
    action_space = gym_bridge.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = self.np_random.integers(4) / 4
        return np.array([self.position], dtype=np.float32), {}

    def step(self, action):
        self.position = max(0.0, self.position + (0.25 if action else -0.25))
        ended = self.position >= 1.0
        return np.array([self.position], dtype=np.float32), float(ended), ended, False, {}


@pytest.fixture(scope="module")
def line():
    gym_bridge.gymnasium.register("distral_lite_tests/Line-v0", Line, max_episode_steps=30)
    yield gym_bridge.GymTask("distral_lite_tests/Line-v0")
    del gym_bridge.gymnasium.registry["distral_lite_tests/Line-v0"]
