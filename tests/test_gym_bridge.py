import importlib.util
import itertools
import sys
import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from gymnasium.utils.env_checker import check_env

from distral_lite import dynamic_programming, gym_bridge, q_learning
from distral_lite.gridworld import MAPS, MOVES, GridWorld, load_map
from distral_lite.gym_bridge import CELL, GridWorldEnv, GymTask, GymWorld
from distral_lite.lanes import LaneRandom, make_world
from distral_lite.mdp import MDP

CORRIDOR = GridWorld.from_text(
    """
    #####
    #S.G#
    #####
    """
)
STAY, UP, DOWN, LEFT, RIGHT = range(5)
ORANGE, GREEN, BLUE, WHITE, BLACK = [213, 94, 0], [0, 158, 115], [86, 180, 233], [255, 255, 255], [0, 0, 0]


class Counter(gymnasium.Env):
    """Counts its steps: observation [step, episode] or the number of the step, reward 10, 20, ..., the end at step `length`."""

    open = 0

    def __init__(self, length=3, pays=(), sees="vector", acts=None, spoilt=False):
        self.length, self.pays, self.sees, self.episode = length, dict(pays), sees, 0
        if spoilt:
            raise RuntimeError("spoilt")
        spaces = {
            "vector": Box(-1, 100, (2,), dtype=np.float64),
            "number": Discrete(length + 1, start=7),
            "picture": Box(0, 255, (4, 4), dtype=np.uint8),
            "pair": MultiDiscrete([2, 2]),
        }
        self.observation_space, self.action_space = spaces[sees], Discrete(2) if acts is None else acts
        self.taken = []
        Counter.open += 1

    def close(self):
        Counter.open -= 1

    def seen(self):
        return np.array([self.count, self.episode], dtype=np.float64) if self.sees == "vector" else 7 + self.count

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.episode = 0, self.episode + 1
        return self.seen(), {}

    def step(self, action):
        self.taken.append(action)
        self.count += 1
        return self.seen(), self.pays.get(self.count, 10.0 * self.count), self.count == self.length, False, {}


gymnasium.register("distral_lite_tests/Counter-v0", Counter)
gymnasium.register("distral_lite_tests/Limited-v0", Counter, max_episode_steps=2)


def counter(limited=False, **kwargs):
    return GymTask(f"distral_lite_tests/{'Limited' if limited else 'Counter'}-v0", kwargs)


def play(world, actions):
    """What a world shows from a reset on: the first observation and all steps."""
    return [world.reset(), *(world.step(action) for action in actions)]


def lane(shown, r, k):
    """One lane of what `play` gives, as lists."""
    return [shown[0][r, k].tolist()] + [[field[r, k].tolist() for field in step] for step in shown[1:]]


def random_actions(steps, actions, ids, seeds):
    """[steps, R, K], a lane's own by its seed and number."""
    table = [[np.random.default_rng((s, k)).integers(actions, size=steps) for k in ids] for s in seeds]
    return torch.from_numpy(np.moveaxis(np.array(table), -1, 0))


# ---- the mazes as Gymnasium environments ----


@pytest.mark.parametrize("number", MAPS)
def test_gymnasium_accepts_every_map_without_a_warning(number):
    env = gymnasium.make(f"distral_lite/Map{number}-v0", render_mode="rgb_array")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(env.unwrapped)
    assert [str(warning.message) for warning in caught] == []
    assert env.spec.max_episode_steps == 1000


@pytest.mark.parametrize("number", MAPS)
def test_the_published_table_is_the_mazes_mdp(number):
    read, own = MDP.from_gymnasium(gymnasium.make(f"distral_lite/Map{number}-v0")), load_map(number).mdp()
    for name in ("successor", "probability", "reward", "terminal", "start"):
        assert torch.equal(getattr(read, name), getattr(own, name)), name


# Shortest paths counted on the maps: from S to G there is no detour, so they are the differences of rows and of columns, added.
@pytest.mark.parametrize(("number", "steps"), [(1, 4), (2, 19), (3, 10), (4, 13), (5, 9), (6, 5), (7, 13), (8, 12)])
def test_the_shortest_path_pays_what_it_should(number, steps):
    env = gymnasium.make(f"distral_lite/Map{number}-v0")
    world = env.unwrapped.world
    state, _ = env.reset(seed=0)
    path = [world.cells[s] for s in world.shortest_path()]
    assert world.cells[state] == path[0] and len(path) == steps + 1
    rewards = []
    for here, there in itertools.pairwise(path):
        action = MOVES.index((there[0] - here[0], there[1] - here[1]))
        state, reward, terminal, truncated, _ = env.step(action)
        assert world.cells[state] == there and not truncated
        assert terminal == (there == path[-1])
        rewards.append(reward)
    assert rewards == pytest.approx([-0.1] * (steps - 1) + [0.9])


def test_rewards_of_a_maze_by_hand():
    env = GridWorldEnv(CORRIDOR)
    env.reset()
    steps = [env.step(action)[:4] for action in (STAY, UP, RIGHT, LEFT, LEFT, RIGHT, np.int64(RIGHT))]
    states, rewards, terminals, truncations = zip(*steps, strict=True)
    assert states == (0, 0, 1, 0, 0, 1, 2)
    assert rewards == pytest.approx((-0.1, -0.6, -0.1, -0.1, -0.6, -0.1, 0.9))
    assert terminals == (False,) * 6 + (True,) and not any(truncations)


def test_a_maze_is_cut_after_1000_steps_and_not_ended():
    env = gymnasium.make("distral_lite/Map4-v0")
    env.reset()
    ends = [env.step(STAY)[2:4] for _ in range(1000)]
    assert ends == [(False, False)] * 999 + [(False, True)]


def test_a_mazes_seed_goes_to_its_own_generator():
    env = GridWorldEnv(CORRIDOR)
    assert env.reset(seed=5) == (0, {})
    first = env.np_random.random(3)
    env.reset()  # no seed: the generator goes on
    assert not np.array_equal(env.np_random.random(3), first)
    env.reset(seed=5)
    np.testing.assert_array_equal(env.np_random.random(3), first)
    np.testing.assert_array_equal(first, np.random.Generator(np.random.PCG64(np.random.SeedSequence(5))).random(3))


def test_a_maze_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="there is no map 9"):
        GridWorldEnv(9)
    with pytest.raises(ValueError, match=r"render_mode is 'human', wanted None or 'rgb_array'"):
        GridWorldEnv(4, render_mode="human")
    env = GridWorldEnv(4)
    with pytest.raises(gymnasium.error.ResetNeeded, match="wanted a call of reset"):
        env.step(STAY)
    env.reset()
    for action in (-1, 5, 0.5):
        with pytest.raises(ValueError, match=f"action is {action}, wanted an integer from 0 to 4"):
            env.step(action)


def pixel(picture, world, cell, down=0.0, right=0.0):
    """The colour at a cell's centre, or off it by some share of the cell."""
    row, column = world.cells[cell]
    return picture[int((row + 0.5 + down) * CELL), int((column + 0.5 + right) * CELL)].tolist()


def test_the_picture_shows_the_maze_and_the_agent_moving():
    env = GridWorldEnv(4, render_mode="rgb_array")
    world = env.world
    empty = env.render()
    env.reset()
    before, second = env.render(), env.step(DOWN)[0]
    after = env.render()
    assert before.shape == after.shape == (9 * CELL, 10 * CELL, 3) and before.dtype == np.uint8
    assert pixel(empty, world, world.start) == WHITE and pixel(empty, world, world.goal) == GREEN
    assert pixel(before, world, world.start) == ORANGE and pixel(after, world, world.start) == WHITE
    assert pixel(before, world, second) == WHITE and pixel(after, world, second) == ORANGE
    assert pixel(after, world, world.start, down=-0.4) == pixel(after, world, world.start, right=0.4) == BLUE  # the frame
    assert pixel(after, world, second, down=0.49) == pixel(after, world, second, right=0.49) == [217, 221, 224]  # lines between cells
    assert after[0, 0].tolist() == after[-1, -1].tolist() == BLACK
    changed = np.argwhere((before != after).any(-1)) // CELL
    assert {tuple(map(int, place)) for place in changed} == {world.cells[world.start], world.cells[second]}
    assert (before.reshape(9, CELL, 10, CELL, 3)[:, 0, :, 0] == 0).all(-1).sum() == 90 - 32  # corners of cells: walls are black


def test_no_picture_without_a_render_mode():
    env = GridWorldEnv(4)
    env.reset()
    assert env.render() is None


def test_loading_the_module_again_registers_nothing_twice(monkeypatch):
    spec = importlib.util.spec_from_file_location("loaded_again", gym_bridge.__file__)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "loaded_again", module)
    spec.loader.exec_module(module)  # Gymnasium would warn, and warnings are errors here
    assert [i for i in gymnasium.registry if i.startswith("distral_lite/")] == [f"distral_lite/Map{number}-v0" for number in range(1, 9)]


# ---- Gymnasium environments as worlds ----


def test_shapes_where_observations_are_vectors():
    world = make_world([GymTask("CartPole-v1")] * 2, seeds=[3, 4, 5])
    shown = play(world, random_actions(30, 2, [0, 1], [3, 4, 5]))
    assert isinstance(world, GymWorld)
    assert (world.runs, world.tasks, world.actions, world.feature_count, world.features) == (3, 2, 2, 4, None)
    assert shown[0].shape == (3, 2, 4) and shown[0].dtype == torch.float32
    for step in shown[1:]:
        assert step.observation.shape == step.next_observation.shape == (3, 2, 4)
        assert {tuple(field.shape) for name, field in step._asdict().items() if "observation" not in name} == {(3, 2)}
        assert [field.dtype for field in step] == [
            *(torch.float64, torch.float32, torch.bool, torch.bool, torch.float32, torch.int64, torch.float64)
        ]


def test_shapes_where_observations_are_numbers():
    world = make_world([GymTask("distral_lite/Map4-v0"), GymTask("distral_lite/Map7-v0")], seeds=[0, 1, 2])
    first = world.reset()
    seen = world.step(torch.full((3, 2), STAY))
    assert (world.states, world.actions, world.feature_count) == (32, 5, 32)
    assert torch.equal(world.features, torch.eye(32).expand(2, 32, 32))
    assert first.dtype == seen.observation.dtype == seen.next_observation.dtype == torch.int64
    starts = [load_map(4).start, load_map(7).start]
    assert first.tolist() == seen.next_observation.tolist() == [starts] * 3


def test_a_lane_is_the_environment_itself_played_with_the_lanes_seed():
    world = make_world([GymTask("CartPole-v1")], seeds=[11], task_ids=[3])
    actions = random_actions(300, 2, [3], [11])
    shown = lane(play(world, actions), 0, 0)
    env = gymnasium.make("CartPole-v1")
    observation, _ = env.reset(seed=int(LaneRandom([11], [3]).uniform(1) * 2**53))
    wanted, steps, rewards = [observation.tolist()], 0, 0.0
    for action in actions.flatten().tolist():
        following, reward, terminal, truncated, _ = env.step(action)
        steps, rewards = steps + 1, rewards + reward
        observation = env.reset()[0] if terminal or truncated else following
        wanted.append([reward, following.tolist(), terminal, truncated, observation.tolist(), steps, rewards])
        if terminal or truncated:
            steps, rewards = 0, 0.0
    assert shown == wanted
    assert sum(step[2] for step in wanted[1:]) > 5  # several episodes


def test_a_lane_alone_equals_itself_among_others():
    seeds, ids = [5, 6, 7], [0, 4]
    tasks = {0: GymTask("CartPole-v1"), 4: GymTask("CartPole-v1", {"sutton_barto_reward": True})}
    together = play(make_world(list(tasks.values()), seeds, ids), random_actions(200, 2, ids, seeds))
    lanes = {}
    for r, seed in enumerate(seeds):
        for k, number in enumerate(ids):
            alone = play(make_world([tasks[number]], [seed], [number]), random_actions(200, 2, [number], [seed]))
            lanes[seed, number] = lane(together, r, k)
            assert lane(alone, 0, 0) == lanes[seed, number]  # bit for bit
    assert len({str(shown[0]) for shown in lanes.values()}) == 6  # and no two lanes share their random numbers


def test_a_world_made_again_is_the_same_and_a_second_reset_goes_on():
    worlds = [make_world([GymTask("CartPole-v1")], seeds=[1, 2]) for _ in range(2)]
    (first, second), (again, second_again) = ((world.reset(), world.reset()) for world in worlds)
    assert torch.equal(first, again) and torch.equal(second, second_again)
    assert not torch.equal(first, second)


def test_an_episode_ends_and_the_next_begins_in_one_step():
    world = make_world([counter()], seeds=[0])
    shown = lane(play(world, torch.zeros(4, 1, 1, dtype=torch.int64)), 0, 0)
    assert shown == [
        [0, 1],  # [count, episode]
        [10, [1, 1], False, False, [1, 1], 1, 10],
        [20, [2, 1], False, False, [2, 1], 2, 30],
        [30, [3, 1], True, False, [0, 2], 3, 60],  # learn from the old episode's end, act in the new one's start
        [10, [1, 2], False, False, [1, 2], 1, 10],
    ]


def test_lanes_end_each_at_its_own_time():
    world = make_world([counter(length=2), counter(length=3)], seeds=[0, 1])
    shown = play(world, torch.zeros(6, 2, 2, dtype=torch.int64))
    assert torch.stack([step.terminal for step in shown[1:]])[:, 1].T.tolist() == [[False, True] * 3, [False, False, True] * 2]
    assert torch.stack([step.next_observation[0, :, 0] for step in shown[1:]]).T.tolist() == [[1, 2] * 3, [1, 2, 3] * 2]
    assert torch.stack([step.observation[0, :, 0] for step in shown[1:]]).T.tolist() == [[1, 0] * 3, [1, 2, 0] * 2]


def test_what_was_shown_stays_as_it_was():
    world = make_world([counter(length=9)], seeds=[0])
    first, second = world.reset(), world.step(torch.zeros(1, 1, dtype=torch.int64))
    second.next_observation.fill_(-5)
    world.step(torch.zeros(1, 1, dtype=torch.int64))
    assert first.tolist() == [[[0, 1]]] and second.observation.tolist() == [[[1, 1]]] and second.rewards.tolist() == [[10]]


def test_numbered_spaces_may_start_anywhere():
    world = make_world([counter(sees="number", acts=Discrete(2, start=3))], seeds=[0])  # states 7 ... 10, actions 3 and 4
    shown = lane(play(world, torch.tensor([0, 1, 1, 0]).view(4, 1, 1)), 0, 0)
    assert (world.states, world.actions) == (4, 2)
    assert [shown[0]] + [step[4] for step in shown[1:]] == [0, 1, 2, 0, 1]
    assert [step[1] for step in shown[1:]] == [1, 2, 3, 1]
    assert world._envs.envs[0].unwrapped.taken == [3, 4, 4, 3]


@pytest.mark.parametrize(
    ("task", "cap", "length", "terminal"),
    [
        (counter(length=3), 2, 2, False),  # cut by max_episode_steps
        (counter(length=3), 3, 3, True),  # at its end and at the limit: an end
        (counter(length=3), 1000, 3, True),
        (counter(length=3, limited=True), 1000, 2, False),  # cut by the environment's own limit
        (counter(length=3, limited=True), 1, 1, False),  # by the nearer of the two
        (counter(length=2, limited=True), 1000, 2, True),
        (counter(length=3, limited=True), None, 2, False),
        (counter(length=3), None, 3, True),
    ],
)
def test_ends_and_cuts_are_told_apart(task, cap, length, terminal):
    world = GymTask.make_world([task], [0], [0], max_episode_steps=cap)
    shown = play(world, torch.zeros(length, 1, 1, dtype=torch.int64))
    assert [bool(step.done) for step in shown[1:]] == [False] * (length - 1) + [True]
    last = shown[-1]
    assert (bool(last.terminal), bool(last.truncated), int(last.steps)) == (terminal, not terminal, length)
    assert last.next_observation.flatten().tolist() == [length, 1] and last.observation.flatten().tolist() == [0, 2]


def test_q_learning_on_a_maze_of_gymnasium_is_q_learning_on_its_table():
    config = q_learning.Config(steps=300, discount=0.9, learning_rate=1.0, epsilon=1.0, max_episode_steps=50, snapshots=1)
    through = q_learning.train([GymTask("distral_lite/Map5-v0"), GymTask("distral_lite/Map6-v0")], config, seeds=[0, 1])
    direct = q_learning.train([load_map(5).mdp(), load_map(6).mdp()], config, seeds=[0, 1])
    assert torch.equal(through.agent.q, direct.agent.q)
    assert torch.equal(through.agent.updates, direct.agent.updates)
    assert torch.equal(through.history.durations.nan_to_num(-1), direct.history.durations.nan_to_num(-1))
    torch.testing.assert_close(through.history.returns, direct.history.returns, rtol=0, atol=1e-12, equal_nan=True)


def test_q_learning_on_gymnasium_finds_the_optimal_values():
    mdp = CORRIDOR.mdp()
    exact = dynamic_programming.policy_iteration(mdp, 0.9).values
    config = q_learning.Config(steps=200, discount=0.9, learning_rate=1.0, epsilon=1.0, snapshots=1)
    run = q_learning.train([GymTask("distral_lite/Map1-v0", {"world": CORRIDOR})], config, seeds=[0, 1, 2])
    assert (run.agent.updates[..., :2, :] > 0).all()
    torch.testing.assert_close(run.agent.q.max(-1).values, exact.expand(3, 1, 3), rtol=0, atol=1e-6)
    assert exact.tolist() == pytest.approx([-0.1 + 0.9 * 0.9, 0.9, 0])  # by hand: one step away, or two


# ---- continuous actions ----


def test_continuous_actions_reach_the_environment_in_its_own_units():
    world = make_world([GymTask("Pendulum-v1", continuous=True)], seeds=[4], task_ids=[2])
    assert (world.action_size, world.feature_count, world.features) == (1, 3, None)
    actions = [-1.0, -0.25, 0.0, 0.5, 1.0]
    shown = lane(play(world, torch.tensor(actions).view(5, 1, 1, 1)), 0, 0)
    env = gymnasium.make("Pendulum-v1")
    wanted = [env.reset(seed=int(LaneRandom([4], [2]).uniform(1) * 2**53))[0].tolist()]
    rewards = []
    for action in actions:
        observation, reward, *_ = env.step(np.array([2 * action], dtype=np.float32))  # its torque goes from -2 to 2
        wanted.append(observation.tolist())
        rewards.append(reward)
    assert [shown[0]] + [step[4] for step in shown[1:]] == wanted
    assert [step[0] for step in shown[1:]] == pytest.approx(rewards, abs=1e-12)


def test_continuous_actions_of_unequal_bounds_are_scaled_each_by_its_own():
    box = Box(np.array([-1, 0, 0.1], dtype=np.float32), np.array([1, 10, 0.3], dtype=np.float32))
    task = GymTask("distral_lite_tests/Counter-v0", {"acts": box}, continuous=True)
    world = make_world([task], seeds=[0])
    play(world, torch.tensor([[-1.0, -1, -1], [1, 1, 1], [0, 0, 0]]).view(3, 1, 1, 3))
    taken = np.array(world._envs.envs[0].unwrapped.taken)
    np.testing.assert_array_equal(taken[:2], [box.low, box.high])  # exactly: never outside
    np.testing.assert_allclose(taken[2], [0, 5, 0.2], rtol=1e-6)
    assert world.action_size == 3


@pytest.mark.parametrize("bad", [1.5, -1.001, float("nan")])
def test_continuous_actions_outside_the_range_are_refused(bad):
    world = make_world([GymTask("Pendulum-v1", continuous=True)], seeds=[0, 1])
    world.reset()
    with pytest.raises(ValueError, match=rf"step: action holds {bad}\S*, wanted numbers from -1 to 1"):
        world.step(torch.tensor([0.0, bad]).view(2, 1, 1))


# ---- what is refused ----


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("CartPol-v1", r"env_id is 'CartPol-v1', wanted a registered one.*Near it: CartPole-v1"),
        ("cartpole-v1", "Near it: CartPole-v1"),
        ("distral_lite/Map9-v0", r"Near it: distral_lite/Map\d-v0, "),
        ("CartPole-v9", "`v9` for environment `CartPole` doesn't exist.*Near it: CartPole-v1"),
        ("no such thing", "env_id is 'no such thing'"),
    ],
)
def test_an_unknown_environment_is_named_with_near_ones(env_id, message):
    with pytest.raises(ValueError, match=message):
        make_world([GymTask(env_id)], seeds=[0])


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([GymTask("Pendulum-v1")], r"Pendulum-v1\) has actions Box\(-2.0, 2.0, \(1,\), float32\), wanted a Discrete space"),
        ([GymTask("CartPole-v1", continuous=True)], r"has actions Discrete\(2\), wanted a bounded Box of one axis"),
        (
            [GymTask("distral_lite_tests/Counter-v0", {"acts": Box(-np.inf, np.inf, (1,))}, continuous=True)],
            r"has actions Box\(-inf, inf.*wanted a bounded Box",
        ),
        ([counter(sees="picture")], r"has observations Box\(0, 255, \(4, 4\), uint8\), wanted a Discrete space or a Box of one axis"),
        ([counter(sees="pair")], r"has observations MultiDiscrete\(\[2 2\]\), wanted a Discrete space or a Box"),
        (
            [GymTask("CartPole-v1"), GymTask("Acrobot-v1")],
            r"task 1 \(Acrobot-v1\) has observations .*, wanted those of task 0 \(CartPole-v1\), Box\(",
        ),
        (
            [counter(), counter(acts=Discrete(3))],
            r"task 1 \(distral_lite_tests/Counter-v0\) has actions Discrete\(3\), wanted those of task 0 .*, Discrete\(2\)",
        ),
    ],
)
def test_spaces_that_do_not_fit_are_refused(tasks, message):
    with pytest.raises(ValueError, match=message):
        make_world(tasks, seeds=[0])


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("states", GymTask("CartPole-v1"), r"GymWorld.states: CartPole-v1 has observations Box\(.*, wanted a Discrete space"),
        ("actions", GymTask("Pendulum-v1", continuous=True), r"GymWorld.actions: Pendulum-v1 has actions Box\(.*, wanted a Discrete space"),
        ("action_size", GymTask("CartPole-v1"), r"GymWorld.action_size: CartPole-v1 has actions Discrete\(2\), wanted a Box space"),
        ("unheard_of", GymTask("CartPole-v1"), "'GymWorld' object has no attribute 'unheard_of'"),
    ],
)
def test_what_a_world_has_not_it_says(name, task, message):
    with pytest.raises(AttributeError, match=message):
        getattr(make_world([task], seeds=[0]), name)


def test_a_table_learner_on_vectors_is_refused():
    with pytest.raises(ValueError, match=r"q_learning.train: tasks have observations of 4 numbers, wanted numbered states: MDPs"):
        q_learning.train([GymTask("CartPole-v1")], q_learning.Config(steps=10, snapshots=1), seeds=[0])


@pytest.mark.parametrize("pay", [float("nan"), float("inf"), -float("inf")])
def test_a_reward_that_is_not_finite_is_refused_with_its_place(pay):
    world = make_world([counter(), counter(pays={2: pay})], seeds=[8, 9])
    world.reset()
    world.step(torch.zeros(2, 2, dtype=torch.int64))
    wanted = rf"distral_lite_tests/Counter-v0 paid {pay} in run 0 \(seed 8\), task 1, step 2 of the episode; wanted a finite reward"
    with pytest.raises(ValueError, match=wanted):
        world.step(torch.zeros(2, 2, dtype=torch.int64))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"exploring_starts": True}, "exploring_starts is True, wanted False"),
        ({"max_episode_steps": 0}, "max_episode_steps is 0, wanted an integer of at least 1"),
        ({"seeds": [1, 1]}, r"seeds = \[1, 1\], wanted different integers"),
        ({"task_ids": [-1]}, r"task_ids = \[-1\], wanted different integers"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_world([GymTask("CartPole-v1")], **{"seeds": [0], **settings})


@pytest.mark.parametrize("shape", [(2,), (1, 2), (2, 1, 1)])
def test_actions_of_the_wrong_shape_are_refused(shape):
    world = make_world([counter()], seeds=[0, 1])
    world.reset()
    with pytest.raises(ValueError, match=r"action has shape \(.*\), wanted \(2, 1\)"):
        world.step(torch.zeros(shape, dtype=torch.int64))


def test_environments_are_closed(monkeypatch):
    monkeypatch.setattr(Counter, "open", 0)
    world = make_world([counter()] * 2, seeds=[0, 1, 2])
    assert Counter.open == 6
    world.close()
    assert Counter.open == 0
    with pytest.raises(ValueError, match="wanted those of task 0"):
        make_world([counter(), counter(acts=Discrete(3))], seeds=[0])
    with pytest.raises(RuntimeError, match="spoilt"):
        make_world([counter(), counter(spoilt=True)], seeds=[0])
    assert Counter.open == 0


def test_tasks_can_be_told_apart_and_counted():
    tasks = [GymTask("CartPole-v1"), GymTask("CartPole-v1", {"sutton_barto_reward": True}), GymTask("CartPole-v1")]
    assert len(set(tasks)) == 2 and tasks[0] == tasks[2]
