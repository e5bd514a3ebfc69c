"""What several test files share: which tests are slow, and a small Gymnasium environment with vectors for observations."""

import numpy as np
import pytest
import quick

from distral_lite import gym_bridge


def pytest_collection_modifyitems(items):
    """`slow` is no judgement of whoever writes a test; it follows from what the test does."""
    for item in items:
        if isinstance(item, pytest.Function):
            fixtures = (one.func for found in item._fixtureinfo.name2fixturedefs.values() for one in found)
            slow = quick.is_slow(item.function, *fixtures)
        else:
            slow = True  # a notebook's cell
        if slow:
            item.add_marker(pytest.mark.slow)


class Line(gym_bridge.gymnasium.Env):
    """A position in [0, 1) that moves left or right by 0.25; moving right out of it pays 1 and ends. So the exact values are known."""

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
