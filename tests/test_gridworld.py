"""Mazes: the thesis's eight by literal numbers, states with a history by brute force, and every way a map can be malformed."""

import itertools
import re
from collections import deque

import numpy as np
import pytest
import torch

from distral_lite import gridworld as G
from distral_lite import mdp as M

STAY, UP, DOWN, LEFT, RIGHT = range(5)
SHORTEST = {1: 4, 2: 19, 3: 10, 4: 13, 5: 9, 6: 5, 7: 13, 8: 12}
SAME_WALLS = range(4, 9)

TINY = """
#####
#S.G#
#####
"""


def refuses(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def random_policy(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), size=shape[:-1]))


def distances(maze):
    """Steps from the goal to every cell, by breadth-first search over the characters of the map."""
    (goal,) = [(r, c) for r, row in enumerate(maze.rows) for c, letter in enumerate(row) if letter == "G"]
    found, queue = {goal: 0}, deque([goal])
    while queue:
        r, c = queue.popleft()
        for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if maze.rows[near[0]][near[1]] != "#" and near not in found:
                found[near] = found[r, c] + 1
                queue.append(near)
    return found


# ---- the eight mazes of the thesis ----


@pytest.mark.parametrize("number", G.MAPS)
def test_shortest_paths(number):
    maze = G.load_map(number)
    path = maze.shortest_path()
    assert len(path) - 1 == SHORTEST[number] == distances(maze)[maze.cells[maze.start]]
    assert (path[0], path[-1]) == (maze.start, maze.goal)
    for here, there in itertools.pairwise(path):
        assert sum(abs(a - b) for a, b in zip(maze.cells[here], maze.cells[there], strict=True)) == 1


@pytest.mark.parametrize("number", G.MAPS)
def test_values_of_the_shortest_path_policy_by_hand(number):
    """Walking straight to the goal from d steps away pays -0.1 a step and +1 at the end: V = -0.1 (1 + ... + gamma^(d-1)) + gamma^(d-1)."""
    maze, discount = G.load_map(number), 0.9
    mdp, far = maze.mdp(), distances(maze)
    policy = torch.zeros(len(maze.cells), 5, dtype=torch.float64)
    for s in range(len(maze.cells)):
        action = STAY if s == maze.goal else min(range(5), key=lambda a: far[maze.cells[maze.move(s, a)[0]]])
        policy[s, action] = 1.0
    values = M.evaluate(mdp, policy, discount)
    for s, cell in enumerate(maze.cells):
        d = far[cell]
        wanted = 0.0 if d == 0 else -0.1 * (1 - discount**d) / (1 - discount) + discount ** (d - 1)
        assert float(values[s]) == pytest.approx(wanted, abs=1e-12)
    assert M.expected_steps(mdp, policy) == pytest.approx(SHORTEST[number], abs=1e-12)


def test_map_1_by_hand():
    """Every entry of map 1's tables that a picture of it tells: the start, the walls beside it, the goal and what is next to it."""
    maze = G.load_map(1)
    assert maze.name == "map 1" and len(maze.rows) == 8 and len(maze.cells) == 32
    at = {cell: s for s, cell in enumerate(maze.cells)}
    assert maze.start == at[4, 3] and maze.goal == at[1, 4]
    mdp = maze.mdp()
    assert mdp.start.nonzero().tolist() == [[at[4, 3]]]

    def outcome(cell, action):
        s = at[cell]
        return maze.cells[int(mdp.successor[s, action, 0])], round(float(mdp.reward[s, action]), 12), bool(mdp.terminal[s, action, 0])

    assert outcome((4, 3), STAY) == ((4, 3), -0.1, False)
    assert outcome((4, 3), UP) == ((3, 3), -0.1, False)
    assert outcome((4, 3), DOWN) == ((5, 3), -0.1, False)
    assert outcome((4, 3), LEFT) == ((4, 2), -0.1, False)
    assert outcome((4, 3), RIGHT) == ((4, 4), -0.1, False)
    assert outcome((4, 5), RIGHT) == ((4, 5), -0.6, False)  # a wall within the map
    assert outcome((1, 1), UP) == ((1, 1), -0.6, False)  # the border
    assert outcome((1, 1), RIGHT) == ((1, 2), -0.1, False)
    assert outcome((1, 2), DOWN) == ((1, 2), -0.6, False)
    assert outcome((1, 3), RIGHT) == ((1, 4), 0.9, True)
    assert outcome((2, 4), UP) == ((1, 4), 0.9, True)
    assert outcome((1, 5), LEFT) == ((1, 4), 0.9, True)
    assert all(outcome((1, 4), action) == ((1, 4), 0.0, True) for action in range(5))  # no episode acts in the goal


def test_actions_move_as_they_are_called():
    maze = G.load_map(1)
    at = {cell: s for s, cell in enumerate(maze.cells)}
    around = {"stay": (4, 3), "up": (3, 3), "down": (5, 3), "left": (4, 2), "right": (4, 4)}
    assert G.ACTIONS == tuple(around)
    for action, cell in enumerate(around.values()):
        assert maze.move(at[4, 3], action) == (at[cell], False)
    assert maze.move(at[1, 1], UP) == (at[1, 1], True)


def test_rewards_can_be_chosen():
    maze = G.GridWorld(("#####", "#S.G#", "#####"), step_reward=-1.0, wall_reward=-2.0, goal_reward=10.0)
    assert maze.mdp().reward.tolist() == [[-1.0, -3.0, -3.0, -3.0, -1.0], [-1.0, -3.0, -3.0, -1.0, 9.0], [0.0] * 5]


@pytest.mark.parametrize("number", [0, 9, -1, 1.0, True, "1", None])
def test_other_maps_are_refused(number):
    with refuses(f"gridworld.load_map: there is no map {number!r}, wanted a number from 1 to 8"):
        G.load_map(number)


# ---- states with a history ----


def reachable(maze):
    """(cell, previous action, previous reward) met from any fresh cell, by breadth-first search over characters, in plain Python."""
    free = {(r, c) for r, row in enumerate(maze.rows) for c, letter in enumerate(row) if letter != "#"}
    found = {(cell, None, 0.0) for cell in free}
    queue = deque(found)
    while queue:
        (r, c), _, _ = queue.popleft()
        for action, (down, right) in enumerate([(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)]):
            target = (r + down, c + right)
            state = (target, action, -0.1) if target in free else ((r, c), action, -0.6)
            if state not in found:
                found.add(state)
                queue.append(state)
    return found


@pytest.mark.parametrize("number", G.MAPS)
def test_history_states_are_the_reachable_ones(number):
    maze = G.load_map(number)
    states = [(maze.cells[cell], action, round(reward, 12)) for cell, action, reward in maze.history_states]
    assert len(set(states)) == len(states)
    assert set(states) == reachable(maze)
    assert [state.cell for state in maze.history_states[: len(maze.cells)]] == list(range(len(maze.cells)))  # fresh ones first


def test_history_states_of_a_tiny_maze_by_hand():
    states = G.GridWorld.from_text(TINY).history_states
    fresh = [(0, None, 0.0), (1, None, 0.0), (2, None, 0.0)]
    still = [(cell, STAY, -0.1) for cell in range(3)]
    bumps = [(cell, action, -0.6) for cell in range(3) for action in (UP, DOWN)] + [(0, LEFT, -0.6), (2, RIGHT, -0.6)]
    moves = [(0, LEFT, -0.1), (1, LEFT, -0.1), (1, RIGHT, -0.1), (2, RIGHT, -0.1)]
    assert sorted(states[3:]) == sorted(still + bumps + moves) and list(states[:3]) == fresh


@pytest.mark.parametrize("number", G.MAPS)
def test_history_remembers_what_happened(number):
    """Whatever is done where, the state that follows holds the cell, the action and what it paid (the goal's bonus left out)."""
    maze = G.load_map(number)
    mdp, states = maze.mdp(history=True), maze.history_states
    for s, state in enumerate(states):
        if state.cell == maze.goal:
            assert mdp.successor[s, :, 0].tolist() == [s] * 5 and bool(mdp.terminal[s].all()) and not bool(mdp.reward[s].any())
            continue
        for action in range(5):
            after = states[int(mdp.successor[s, action, 0])]
            assert after.previous_action == action
            assert after.cell == maze.move(state.cell, action)[0]
            bonus = 1.0 if after.cell == maze.goal else 0.0
            assert float(mdp.reward[s, action]) == pytest.approx(after.previous_reward + bonus, abs=1e-15)
            assert bool(mdp.terminal[s, action, 0]) == (after.cell == maze.goal)
    assert states[int(mdp.start.argmax())] == (maze.start, None, 0.0)


@pytest.mark.parametrize("number", G.MAPS)
def test_history_changes_nothing_for_a_policy_that_ignores_it(number):
    maze = G.load_map(number)
    cells, history = maze.mdp(), maze.mdp(history=True)
    place = [state.cell for state in maze.history_states]
    policy = random_policy(number, len(maze.cells), 5)
    assert M.expected_steps(history, policy[place]) == pytest.approx(M.expected_steps(cells, policy), rel=1e-10)
    torch.testing.assert_close(M.evaluate(history, policy[place], 0.95), M.evaluate(cells, policy, 0.95)[place], atol=1e-12, rtol=0)
    by_cell = torch.zeros(len(maze.cells), dtype=torch.float64).index_add(0, torch.tensor(place), M.visits(history, policy[place], 0.95))
    torch.testing.assert_close(by_cell, M.visits(cells, policy, 0.95), atol=1e-12, rtol=0)


# ---- tasks, features ----


@pytest.mark.parametrize("history", [False, True])
def test_mazes_of_the_same_walls_stack(history):
    mazes = [G.load_map(number) for number in SAME_WALLS]
    assert len({maze.cells for maze in mazes}) == 1 and len({maze.history_states for maze in mazes}) == 1
    tasks = M.stack([maze.mdp(history) for maze in mazes])
    assert tasks.reward.shape == (5, len(mazes[0].history_states) if history else 32, 5)
    assert all(torch.equal(features, tasks.features[0]) for features in tasks.features)
    ends = [{int(s) for s in tasks.successor[k][tasks.terminal[k]]} for k in range(5)]
    assert [{place if not history else mazes[0].history_states[place].cell for place in end} for end in ends] == [{m.goal} for m in mazes]


def test_mazes_of_other_walls_do_not_stack():
    with pytest.raises(ValueError, match=r"mdp\.stack: task 1 has \(S, A, N\) ="):
        M.stack([G.load_map(1).mdp(), G.load_map(2).mdp()])


@pytest.mark.parametrize("history", [False, True])
@pytest.mark.parametrize("number", G.MAPS)
def test_features_tell_all_states_apart(number, history):
    features = G.load_map(number).mdp(history).features
    assert len(torch.unique(features, dim=0)) == len(features)
    assert features.dtype == torch.float32


def test_features_by_hand():
    """Map 4 is 9 rows by 10 columns: 19 features, and with history 5 more for the action and one for the reward."""
    maze = G.load_map(4)
    assert maze.mdp().features.shape == (32, 19)
    assert maze.mdp().features[maze.start].nonzero().flatten().tolist() == [1, 9 + 1]
    features, states = maze.mdp(history=True).features, maze.history_states
    assert features.shape == (len(states), 25)
    fresh = states.index((maze.start, None, 0.0))
    assert features[fresh].nonzero().flatten().tolist() == [1, 10]
    bumped = states.index((maze.start, UP, -0.6))
    assert features[bumped].nonzero().flatten().tolist() == [1, 10, 19 + UP, 24]
    assert float(features[bumped, 24]) == pytest.approx(-0.6, abs=1e-7)


# ---- text ----


def test_text_round_trip():
    maze = G.GridWorld.from_text("\n".join(G.load_map(3).rows), "again")
    assert maze.rows == G.load_map(3).rows and maze.name == "again"


@pytest.mark.parametrize(
    "text",
    [
        "#####\n#S.G#\n#####",
        "#####\n#S.G#\n#####\n",
        "\n\n#####\n#S.G#\n#####\n\n",
        "#####\r\n#S.G#\r\n#####\r\n",
        "    #####\n    #S.G#\n    #####",
        "\t#####\n\t#S.G#\n\t#####",
        "\n    #####  \n    #S.G# \n    #####\n    ",
    ],
)
def test_layout_around_a_map_does_not_matter(text):
    assert G.GridWorld.from_text(text).rows == ("#####", "#S.G#", "#####")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "line 1, column 1: the map is empty, wanted lines with one 'S' and a 'G'"),
        ([""], "line 1, column 1: the map is empty, wanted lines with one 'S' and a 'G'"),
        (["#####", "#S.G#", "######"], "line 3, column 6: the line has 6 cells, line 1 has 5"),
        (["#####", "#S.G#", "####"], "line 3, column 5: the line has 4 cells, line 1 has 5"),
        (["#####", "#S.G#", "", "#####"], "line 3, column 1: the line has 0 cells, line 1 has 5"),
        (["####", "#S.G#", "#####"], "line 2, column 5: the line has 5 cells, line 1 has 4"),
        (["#####", "#SxG#", "#####"], "line 2, column 3: unknown character 'x', wanted '#', '.', 'S', 'G' or 'H'"),
        (["#####", "#S\tG#", "#####"], "line 2, column 3: unknown character '\\t', wanted '#', '.', 'S', 'G' or 'H'"),
        (["#####", "#S G#", "#####"], "line 2, column 3: unknown character ' ', wanted '#', '.', 'S', 'G' or 'H'"),
        (["#####", "#s.G#", "#####"], "line 2, column 2: unknown character 's', wanted '#', '.', 'S', 'G' or 'H'"),
        (["#####", "#S.G#", "####é"], "line 3, column 5: unknown character 'é', wanted '#', '.', 'S', 'G' or 'H'"),
        (["#####", "#..G#", "#####"], "no start ('S') in lines 1 to 3, columns 1 to 5; wanted one"),
        (["#####", "#S..#", "#####"], "no goal ('G') in lines 1 to 3, columns 1 to 5; wanted at least one"),
        (["#####", "#SSG#", "#####"], "line 2, column 3: a second 'S', the first is at line 2, column 2; wanted one"),
        (["#.###", "#S.G#", "#####"], "line 1, column 2: the border is open ('.'), wanted '#' (or add_border=True)"),
        (["#####", "#S.G#", "###.#"], "line 3, column 4: the border is open ('.'), wanted '#' (or add_border=True)"),
        (["#####", "..SG#", "#####"], "line 2, column 1: the border is open ('.'), wanted '#' (or add_border=True)"),
        (["#####", "#S..G", "#####"], "line 2, column 5: the border is open ('G'), wanted '#' (or add_border=True)"),
        (["#####", "#S#G#", "#####"], "line 2, column 4: the goal cannot be reached from the start"),
        (["#####", "#S###", "##.G#", "#####"], "line 3, column 4: the goal cannot be reached from the start"),
        (["#####", "#SHG#", "#####"], "line 2, column 4: the goal cannot be reached from the start"),
        (["######", "#S#GG#", "######"], "line 2, column 4: this goal, like all 2, cannot be reached from the start"),
    ],
)
def test_malformed_maps_are_refused_with_their_place(rows, message):
    with refuses(f"my maze: {message}"):
        G.GridWorld.from_text("\n".join(rows), "my maze")
    with refuses(f"my maze: {message}"):
        G.GridWorld.from_text("\r\n".join(rows) + "\r\n", "my maze")


def test_a_map_given_as_rows_is_checked_too():
    with refuses("maze: line 2, column 3: unknown character '?', wanted '#', '.', 'S', 'G' or 'H'"):
        G.GridWorld(("#####", "#S?G#", "#####"))


# ---- random mazes ----


@pytest.mark.parametrize("seed", range(8))
def test_random_mazes_are_solvable_and_connected(seed):
    maze = G.GridWorld.random(9, 12, 0.4, seed)
    assert len(maze.rows) == 9 and len(maze.rows[0]) == 12
    far = distances(maze)
    assert set(far) == set(maze.cells)  # one region: every free cell can reach the goal
    assert len(maze.shortest_path()) - 1 == far[maze.cells[maze.start]]
    from_start = distances(G.GridWorld(tuple(row.translate(str.maketrans("SG", "GS")) for row in maze.rows)))
    assert from_start[maze.cells[maze.goal]] == max(from_start.values())  # the goal is as far as can be


def test_random_mazes_depend_on_the_seed_alone():
    assert G.GridWorld.random(9, 12, 0.4, 5).rows == G.GridWorld.random(9, 12, 0.4, 5).rows
    assert len({G.GridWorld.random(9, 12, 0.4, seed).rows for seed in range(8)}) == 8


def test_random_maze_without_walls():
    maze = G.GridWorld.random(4, 5, 0.0)
    assert maze.rows == ("#####", "#S..#", "#..G#", "#####") and maze.name == "random maze 4 x 5"


@pytest.mark.parametrize("sizes", [(3, 9, 0.3), (9, 3, 0.3), (9, 9, 1.0), (9, 9, -0.1)])
def test_random_mazes_of_no_size_are_refused(sizes):
    with refuses(f"GridWorld.random: {sizes}, wanted sizes of at least 4 and a wall share in [0, 1)"):
        G.GridWorld.random(*sizes)


def test_random_mazes_without_room_are_refused():
    with refuses("GridWorld.random: wall_share 0.99 leaves no two free cells that touch; wanted fewer walls"):
        G.GridWorld.random(4, 4, 0.99)
