"""Maps of one's own: other people's formats, several goals, traps, ice, four moves; and a fuzzer of texts with a judge of its own."""

import re
import textwrap
from collections import Counter, deque

import gymnasium
import numpy as np
import pytest
import torch
from fuzzing import cases
from gymnasium.envs.toy_text.frozen_lake import MAPS as LAKES
from gymnasium.envs.toy_text.frozen_lake import generate_random_map
from gymnasium.utils.env_checker import check_env

from distral_lite import distral, dynamic_programming, plotting, q_learning
from distral_lite import mdp as M
from distral_lite.gridworld import ACTIONS, GridWorld, load_map
from distral_lite.gym_bridge import CELL, GridWorldEnv

BARE = ("#####", "#S.G#", "#####")
LAKE = {"legend": {"F": "."}, "add_border": True, "stay": False}
AUTHOR = {"1": "#", "0": ".", "3": "G", "4": "S", " ": ""}
PACMAN = {"%": "#", " ": ".", "P": "S", "G": "H", ".": "G", "o": "G"}


def refuses(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def dense(table):
    """{(state, action): {(next state, terminal): [probability, expected reward]}} of a table, outcomes of probability 0 left out."""
    found = {}
    for s, actions in table.items():
        for a, outcomes in actions.items():
            entry = found.setdefault((s, a), {})
            for p, after, reward, ended in outcomes:
                if p:
                    total = entry.setdefault((int(after), bool(ended)), [0.0, 0.0])
                    total[0], total[1] = total[0] + p, total[1] + p * reward
    return found


# ---- other people's formats ----


FOUR_ROOMS = """\
wwwwwwwwwwwww
w     w     w
w     w     w
w           w
w     w     w
w     w     w
ww wwww     w
w     www www
w     w     w
w     w     w
w           w
w     w     w
wwwwwwwwwwwww
"""


def test_four_rooms_with_spaces_as_floor():
    text = FOUR_ROOMS[:15] + "S" + FOUR_ROOMS[16:-17] + "G" + FOUR_ROOMS[-16:]
    world = GridWorld.from_text(text, legend={"w": "#", " ": "."})
    assert len(world.cells) == 104  # as Sutton, Precup and Singh (1999) count them
    assert (world.cells[world.start], world.cells[world.goal]) == ((1, 1), (11, 11))
    assert len(world.shortest_path()) - 1 == 20
    indented = textwrap.indent("\n" + text, "    ") + "    "
    assert GridWorld.from_text(indented, legend={"w": "#", " ": "."}).rows == world.rows


def test_a_pacman_layout_with_food_as_goals_and_ghosts_as_traps():
    layout = ["%%%%%%%%%", "%o     .%", "%% %%% %%", "%  %G%  %", "%   P   %", "%%%%%%%%%"]
    world = GridWorld.from_text(layout, legend=PACMAN)
    assert [world.cells[s] for s in world.goals] == [(1, 1), (1, 7)]
    assert [world.cells[s] for s in world.traps] == [(3, 4)]
    assert len(world.shortest_path()) - 1 == 6
    assert world.cells[world.shortest_path()[-1]] in ((1, 1), (1, 7))


@pytest.mark.parametrize("number", range(1, 9))
def test_the_plans_of_the_thesis_author_are_the_maps(number):
    own = load_map(number)
    figures = [" ".join(row.translate(str.maketrans("#.GS", "1034"))) for row in own.rows]
    figures[2] += " "  # some of his lines end in a space, and not every file in a line end
    plan = "\n".join(figures)
    assert GridWorld.from_text(plan, own.name, legend=AUTHOR) == own
    assert GridWorld.from_text(plan.replace(" ", ""), own.name, legend=AUTHOR) == own
    with_commas = plan.replace(" \n", "\n").replace(" ", ", ")
    assert GridWorld.from_text(with_commas, own.name, legend={**AUTHOR, ",": ""}) == own


@pytest.mark.parametrize("slippery", [True, False])
@pytest.mark.parametrize("lake", ["4x4", "8x8", 1, 2, 3])
def test_frozen_lake_is_gymnasiums(lake, slippery):
    """The same table up to the order of the actions, and the same optimal values, by value iteration on Gymnasium's own table."""
    lines = LAKES[lake] if isinstance(lake, str) else generate_random_map(6, 0.7, seed=lake)
    theirs = gymnasium.make("FrozenLake-v1", desc=lines, is_slippery=slippery).unwrapped
    free = {"step_reward": 0, "wall_reward": 0, "trap_reward": 0, "slip": 2 / 3 if slippery else 0}
    world = GridWorld.from_text(lines, **LAKE, **free)
    assert world.actions == ("up", "down", "left", "right")
    order = [world.actions.index(name) for name in ("left", "down", "right", "up")]
    ours = {s: {a: actions[order[a]] for a in range(4)} for s, actions in world.table().items()}
    wanted, found = dense(theirs.P), dense(ours)
    assert found.keys() == wanted.keys()
    for place, entry in wanted.items():
        assert found[place].keys() == entry.keys()
        for way, numbers in entry.items():
            assert found[place][way] == pytest.approx(numbers, abs=1e-15)
    mdp = world.mdp()
    np.testing.assert_array_equal(mdp.start, theirs.initial_state_distrib)
    values = np.zeros(len(theirs.P))
    for _ in range(300):
        q = [[sum(p * (r + 0.9 * values[n] * (not end)) for p, n, r, end in some) for some in row.values()] for row in theirs.P.values()]
        values = np.max(q, axis=1)
    np.testing.assert_allclose(dynamic_programming.policy_iteration(mdp, 0.9).values, values, atol=1e-11)
    if slippery and lake == "4x4":
        best = dynamic_programming.policy_iteration(mdp, 0.99).values
        assert float(best[world.start]) == pytest.approx(0.5420, abs=5e-5)  # as often published


# ---- text ----


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff#####\n#S.G#\n#####\n",
        ["\ufeff#####", "#S.G#", "#####"],
        "\r\n    #####\r\n    #S.G#\r\n    #####\r\n",
        "\r\n\r\n#####\r\n#S.G#\r\n#####",
        "#####\r#S.G#\r#####\r",
        "#####\r\n#S.G#\r#####\n",
        ["#####", "#S.G#", "#####"],
        ("", "  #####", "  #S.G#  ", "  #####\r\n", "\t"),
        ["#####\n", "#S.G#\n", "#####\n"],
        "\t \t#####\n\t \t#S.G#\t\n\t \t#####",
    ],
)
def test_a_map_comes_through_any_editor(text):
    assert GridWorld.from_text(text).rows == BARE


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("\n\n  #####\n  #S?G#\n  #####", {}, "line 4, column 5: unknown character '?', wanted '#', '.', 'S', 'G' or 'H'"),
        ("\r\n #####\r\n #S.G\r\n #####", {}, "line 3, column 6: the line has 4 cells, line 2 has 5"),
        ("\ufeff#####\r#S\u00a0G#\r#####", {}, "line 2, column 3: unknown character '\\xa0', wanted '#', '.', 'S', 'G' or 'H'"),
        ("#####\n#S\x0bG#\n#####", {}, "line 2, column 3: unknown character '\\x0b', wanted '#', '.', 'S', 'G' or 'H'"),
        (["#####", "#S\nG#", "#####"], {}, "line 2, column 3: unknown character '\\n', wanted '#', '.', 'S', 'G' or 'H'"),
        (
            "1 1 1\n1 7 1\n1 1 1",
            {"legend": AUTHOR},
            "line 2, column 3: unknown character '7', wanted '#', '.', 'S', 'G', 'H', '1', '0', '3' or '4'",
        ),
        ("1 1 1 1\n1 4 1\n1 1 1 1", {"legend": AUTHOR}, "line 2, column 6: the line has 3 cells, line 1 has 4"),
        (
            "\n1 1 1 1\n1 4 3 1\n1 1 0 1",
            {"legend": AUTHOR},
            "line 4, column 5: the border is open ('0'), wanted '#' or '1' (or add_border=True)",
        ),
        ("\n 1111\n 1401\n 1111", {"legend": AUTHOR}, "no goal ('G' or '3') in lines 2 to 4, columns 2 to 5; wanted at least one"),
        ("FFG", LAKE, "no start ('S') in lines 1 to 1, columns 1 to 3; wanted one"),
        ("\nSFS\nFFG", LAKE, "line 2, column 3: a second 'S', the first is at line 2, column 1; wanted one"),
        ("SHG\nFHF", LAKE, "line 1, column 3: the goal cannot be reached from the start"),
        ("%%%%\n%PP%\n%%%%", {"legend": PACMAN}, "no goal ('.' or 'o') in lines 1 to 3, columns 1 to 4; wanted at least one"),
        ("%%%%%\n%PP.%\n%%%%%", {"legend": PACMAN}, "line 2, column 3: a second 'P', the first is at line 2, column 2; wanted one"),
        ("SG", {"legend": {"#": "."}}, "line 1, column 1: the border is open ('S'), wanted '#' (or add_border=True)"),
        (" \n\t\r\n", {}, "line 1, column 1: the map is empty, wanted lines with one 'S' and a 'G'"),
    ],
)  # fmt: skip
def test_errors_count_lines_and_columns_of_the_text_as_given(text, options, message):
    with refuses(f"mine: {message}"):
        GridWorld.from_text(text, "mine", **options)


def test_spaces_that_may_stand_at_the_edge_are_kept():
    open_floor = GridWorld.from_text("  S\n # \nG  ", legend={" ": "."}, add_border=True)
    assert open_floor.rows == ("#####", "#..S#", "#.#.#", "#G..#", "#####")
    walls = GridWorld.from_text("    \n S. \n  G \n    ", legend={" ": "#"})
    assert walls.rows == ("####", "#S.#", "##G#", "####")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "GridWorld.from_text: text is None, wanted a string or a list of strings"),
        (b"#####\n#S.G#", "GridWorld.from_text: text is b'#####\\n#S.G#', wanted a string or a list of strings"),
        (7, "GridWorld.from_text: text is 7, wanted a string or a list of strings"),
        (["#####", None], "GridWorld.from_text: text: line 2, column 1: None, wanted a string"),
        ([b"###"], "GridWorld.from_text: text: line 1, column 1: b'###', wanted a string"),
        ([["#", "#."]], "GridWorld.from_text: text: line 1, column 1: ['#', '#.'], wanted a string"),
        ([], "maze: line 1, column 1: the map is empty, wanted lines with one 'S' and a 'G'"),
        ("", "maze: line 1, column 1: the map is empty, wanted lines with one 'S' and a 'G'"),
    ],
)
def test_what_is_no_text_is_refused(text, message):
    with refuses(message):
        GridWorld.from_text(text)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("#####\n#S.G#", "rows is '#####\\n#S.G#', wanted a tuple of strings (GridWorld.from_text reads a text)"),
        (None, "rows is None, wanted a tuple of strings (GridWorld.from_text reads a text)"),
        ((("#", ""), ("#.",)), "rows: line 1, column 1: ('#', ''), wanted a string"),
        ((BARE[0], ["#", "S", "#.", "", "G"]), "rows: line 2, column 1: ['#', 'S', '#.', '', 'G'], wanted a string"),
    ],
)
def test_rows_that_are_no_strings_are_refused(rows, message):
    with refuses(f"gridworld.GridWorld: {message}"):
        GridWorld(rows)


def test_rows_may_be_a_list():
    world = GridWorld(list(BARE))
    assert world == GridWorld(BARE) and hash(world) == hash(GridWorld(BARE))


@pytest.mark.parametrize(
    ("legend", "message"),
    [
        ("F.", "legend is 'F.', wanted a dictionary"),
        ({"FF": "."}, "legend has 'FF', wanted single characters"),
        ({1: "#"}, "legend has 1, wanted single characters"),
        ({"F": "#."}, "legend['F'] is '#.', wanted '#', '.', 'S', 'G' or 'H', or '' for nothing"),
        ({"F": None}, "legend['F'] is None, wanted '#', '.', 'S', 'G' or 'H', or '' for nothing"),
    ],
)
def test_a_legend_that_is_none_is_refused(legend, message):
    with refuses(f"GridWorld.from_text: {message}"):
        GridWorld.from_text("SFG", legend=legend)


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        *[(name, value, "a finite number") for name in ("step_reward", "wall_reward", "goal_reward", "trap_reward")
          for value in (float("nan"), float("inf"), None, "1", True, 1j, 10**400)],
        *[("slip", value, "a number from 0 to 1") for value in (-0.1, 1.1, float("nan"), None, True, "0.2")],
        *[("stay", value, "True or False") for value in (0, 1, None, "no")],
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(setting, value, wanted):
    with refuses(f"gridworld.GridWorld: {setting} is {value!r:.60}, wanted {wanted}"):
        GridWorld.from_text("\n".join(BARE), **{setting: value})


def test_a_legend_in_the_place_of_the_name_is_noticed():
    with refuses("gridworld.GridWorld: name is {'F': '.'}, wanted a string"):
        GridWorld.from_text("SFG", {"F": "."})


# ---- 10,000 spoilt texts ----


FORMATS = {  # name: the letters of a map as this format writes them, and what from_text is told
    "own": ("#.SGH", {}),
    "own, open": ("#.SGH", {"add_border": True}),
    "lake": ("#FSGH", {"legend": {"F": "."}, "add_border": True}),
    "rooms": ("w SGH", {"legend": {"w": "#", " ": "."}}),
    "rooms, open": ("w SGH", {"legend": {"w": "#", " ": "."}, "add_border": True}),
    "author": ("10435", {"legend": {**AUTHOR, "5": "H"}}),
}
STRANGE = "#.SGHF wx10435\t \n\r\r\n\ufeff\u00a0\u2028\x0b\x0cé%"


def judged(text, legend=None, add_border=False):
    """What a text should be read as: the rows, wall added, and the length of the shortest way; or None where it is no map."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    meaning = {**dict(zip("#.SGH", "#.SGH", strict=True)), **(legend or {})}
    if add_border and meaning.get(" "):  # a space may stand at the edge: nothing but tabs is layout
        text = textwrap.dedent(text.replace(" ", "\0")).replace("\0", " ")
        lines = [line.rstrip("\t") for line in text.split("\n")]
    else:
        lines = [line.rstrip(" \t") for line in textwrap.dedent(text).split("\n")]
    lines = ["".join(c for c in line if meaning.get(c) != "") for line in lines]
    body = "\n".join(lines).strip("\n")
    if not body or set(body) - {"\n", *meaning}:
        return None
    rows = ["".join(meaning[c] for c in line) for line in body.split("\n")]
    if len({len(row) for row in rows}) != 1:
        return None
    ring = [*rows[0], *rows[-1], *(row[0] + row[-1] for row in rows)]
    if not add_border and set("".join(ring)) != {"#"}:
        return None
    if add_border:
        rows = ["#" * (len(rows[0]) + 2), *(f"#{row}#" for row in rows), "#" * (len(rows[0]) + 2)]
    starts = [(r, c) for r, row in enumerate(rows) for c, letter in enumerate(row) if letter == "S"]
    if len(starts) != 1:
        return None
    far, queue = {starts[0]: 0}, deque(starts)
    while queue:
        r, c = queue.popleft()
        if rows[r][c] == "G":
            return tuple(rows), far[r, c]
        for near in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if rows[near[0]][near[1]] not in "#H" and near not in far:
                far[near] = far[r, c] + 1
                queue.append(near)
    return None


def spoilt(generator, letters, options):
    """A random map in some format, in random layout, with up to four random changes."""
    height, width = generator.integers(1, 6, size=2)
    inside = generator.choice(list("#.H"), p=[0.25, 0.65, 0.1], size=(height, width + 1))
    for letter in "SG" * int(generator.integers(1, 3)) if generator.random() < 0.2 else "SG":
        inside[generator.integers(height), generator.integers(width + 1)] = letter
    if not options.get("add_border"):
        inside = np.pad(inside, 1, constant_values="#")
    between = " " if "1" in letters and generator.random() < 0.8 else ""
    rows = [between.join(row).translate(str.maketrans("#.SGH", letters)) for row in inside.tolist()]
    indent = generator.choice(["", "", "  ", "\t", " \t "])
    rows = [indent + row + generator.choice(["", "", " ", "\t"]) for row in rows]
    rows = [""] * int(generator.integers(3)) + rows + [""] * int(generator.integers(3))
    text = generator.choice(["", "", "", "\ufeff"]) + generator.choice(["\n", "\r\n", "\r"]).join(rows)
    for _ in range(generator.choice([0, 0, 1, 2, 4])):
        at = int(generator.integers(len(text) + 1))
        kind, strange = generator.integers(4), STRANGE[generator.integers(len(STRANGE))]
        cut = text[at : at + 1]
        text = text[:at] + ("", strange, strange + cut, cut + cut)[kind] + text[at + 1 :]
    return text


@pytest.mark.fuzz
def test_every_text_is_read_rightly_or_refused_with_its_place():
    generator, counts = np.random.default_rng(12), Counter()
    for case in range(cases(2000, 10_000)):
        name = list(FORMATS)[case % len(FORMATS)]
        letters, options = FORMATS[name]
        text = spoilt(generator, letters, options)
        wanted = judged(text, **options)
        try:
            world = GridWorld.from_text(text, **options)
        except ValueError as error:
            assert wanted is None, (text, options, error)
            check_place(str(error), text)
            counts[name, "refused"] += 1
        else:
            assert wanted is not None, (text, options, world.rows)
            assert (world.rows, len(world.shortest_path()) - 1) == wanted, (text, options)
            counts[name, "read"] += 1
    few = cases(2000, 10_000) / len(FORMATS) / 10
    assert all(counts[name, what] > few for name in FORMATS for what in ("read", "refused")), counts


def check_place(message, text):
    """That a message names a place in the text, and what it quotes stands there."""
    lines = re.split("\r\n|\r|\n", text.removeprefix("\ufeff"))
    if whole := re.match(r"maze: no \w+ \(.*\) in lines (\d+) to (\d+), columns (\d+) to (\d+); wanted ", message):
        top, bottom, left, right = map(int, whole.groups())
        assert 1 <= top <= bottom <= len(lines) and 1 <= left <= right <= len(lines[top - 1])
        return
    found = re.match(r"maze: line (\d+), column (\d+): (.*)", message)
    assert found, message
    line, column = int(found[1]), int(found[2])
    assert 1 <= line <= len(lines) and 1 <= column <= len(lines[line - 1]) + 1, (message, text)
    quoted = re.match(r"(?:unknown character|the border is open|a second) \(?('.*?'|\"'\")", found[3])
    if quoted:
        assert repr(lines[line - 1][column - 1]) == quoted[1], (message, text)
    elif "cannot be reached" in found[3]:
        assert lines[line - 1][column - 1] in "G3"
    else:
        assert re.match(r"the line has|the map is empty", found[3]), message


# ---- several goals, traps ----


CORNERS = GridWorld.from_text("######\n#G.SG#\n#H####\n######", step_reward=-0.25, trap_reward=-4.0)


def test_several_goals_and_a_trap_by_hand():
    assert CORNERS.goals == (0, 3) and CORNERS.traps == (4,) and CORNERS.start == 2
    assert CORNERS.shortest_path() == [2, 3]
    table = CORNERS.table()
    up, _, left, right = range(1, 5)
    assert table[2][right] == [(1.0, 3, 0.75, True)] and table[1][left] == [(1.0, 0, 0.75, True)]
    assert table[2][left] == [(1.0, 1, -0.25, False)] and table[2][up] == [(1.0, 2, -0.75, False)]
    trap = GridWorld.from_text("#####\n#SHG#\n#...#\n#####", step_reward=-0.25, trap_reward=-4.0)
    assert trap.table()[0][right] == [(1.0, 1, -4.25, True)]
    assert len(trap.shortest_path()) - 1 == 4  # round the trap
    for s in (0, 3, 4):  # nobody acts in a goal or a trap
        assert all(table[s][a] == [(1.0, s, 0.0, True)] for a in range(5))


def test_the_goal_of_several_is_refused():
    with refuses("GridWorld.goal: maze has 2 goals, wanted one (GridWorld.goals has them all)"):
        _ = CORNERS.goal
    assert load_map(4).goals == (load_map(4).goal,) and load_map(4).traps == ()


def test_history_with_goals_and_traps():
    mdp, states = CORNERS.mdp(history=True), CORNERS.history_states
    over = torch.tensor([state.cell in (0, 3, 4) for state in states])
    assert bool(mdp.terminal[over].all()) and not bool(mdp.reward[over].any())
    plain = GridWorld.from_text("######\n#S..G#\n#.####\n######", step_reward=-0.25)
    assert plain.history_states == states  # they depend on the walls alone
    assert M.stack([mdp, plain.mdp(history=True)]).reward.shape == (2, len(states), 5)


# ---- ice ----


ICE = GridWorld.from_text("####\n#S.#\n#.G#\n####", slip=0.2, step_reward=-0.25)  # cells 0 1 / 2 3


def test_slips_by_hand():
    """Up, meant in the start's corner: 0.8 into the wall above, 0.1 to the left into a wall, 0.1 to the right."""
    stay, up, down, _, right = range(5)
    table = dense(ICE.table())
    assert table[0, stay] == {(0, False): [1.0, -0.25]}
    assert table[0, up] == {(0, False): pytest.approx([0.9, 0.9 * -0.75]), (1, False): pytest.approx([0.1, -0.025])}
    assert table[1, down] == {
        (3, True): pytest.approx([0.8, 0.8 * 0.75]),
        (0, False): pytest.approx([0.1, -0.025]),
        (1, False): pytest.approx([0.1, -0.075]),
    }
    mdp = ICE.mdp()
    assert mdp.successor.shape == (4, 5, 3)
    assert mdp.reward[1, down].item() == pytest.approx(0.8 * 0.75 - 0.025 - 0.075)
    assert ICE.move(0, right) == (1, False)  # what is meant


def test_ice_that_always_or_never_slips():
    never = GridWorld.from_text("####\n#S.#\n#.G#\n####", slip=0)
    assert torch.equal(never.mdp().successor, GridWorld(never.rows).mdp().successor) and never.mdp().successor.shape[-1] == 1
    always = GridWorld.from_text("####\n#S.#\n#.G#\n####", slip=1)
    assert dense(always.table())[1, 4] == {(1, False): [0.5, pytest.approx(-0.3)], (3, True): [0.5, pytest.approx(0.45)]}


def slid(world, history):
    """The table again by characters: for each state and action {(next state, terminal): [probability, expected reward]}."""
    moves = {"stay": (0, 0), "up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
    side = {"up": "left right", "down": "left right", "left": "up down", "right": "up down", "stay": ""}
    cells = [(r, c) for r, row in enumerate(world.rows) for c, letter in enumerate(row) if letter != "#"]
    letter = {cell: world.rows[cell[0]][cell[1]] for cell in cells}
    found = {}
    todo = [(cell, None, 0.0) for cell in cells]
    while todo:
        state = todo.pop()
        for action, name in enumerate(world.actions):
            if (state, action) in found:
                continue
            ways = {name: 1 - world.slip if side[name] else 1.0} | {way: world.slip / 2 for way in side[name].split()}
            entry = found[state, action] = {}
            for way, p in ((way, p) for way, p in ways.items() if p):
                (r, c), (down, right) = state[0], moves[way]
                bumped = (r + down, c + right) not in letter
                cell = (r, c) if bumped else (r + down, c + right)
                pay = world.step_reward + bumped * world.wall_reward
                after = (cell, action, round(pay, 9)) if history else (cell, None, 0.0)
                if letter[state[0]] in "GH":
                    after, gain, end = state, 0.0, True
                else:
                    gain = pay + {"G": world.goal_reward, "H": world.trap_reward}.get(letter[cell], 0.0)
                    end = letter[cell] in "GH"
                total = entry.setdefault((after, end), [0.0, 0.0])
                total[0], total[1] = total[0] + p, total[1] + p * gain
                todo.append(after)
    return found


@pytest.mark.parametrize("settings", [{}, {"stay": False}, {"wall_reward": 0.0}, {"slip": 0.0, "wall_reward": 0}])
@pytest.mark.parametrize("history", [False, True])
def test_the_table_by_walking_over_the_characters(history, settings):
    world = GridWorld.from_text("######\n#S..H#\n#.#..#\n#.GG.#\n######", **{"slip": 0.3, **settings})
    wanted = slid(world, history)
    states = world.history_states if history else [(cell, None, 0.0) for cell in range(len(world.cells))]
    names = [(world.cells[cell], action, round(reward, 9)) for cell, action, reward in states]
    assert len(set(names)) == len(names)  # no state twice
    mdp = world.mdp(history)
    assert len(torch.unique(mdp.features, dim=0)) == len(names)
    assert mdp.features.shape[1] == 5 + 6 + (len(world.actions) + 1 if history else 0)
    fresh = {s for s, name in enumerate(names) if name[1] is None}
    reached = {s for s in range(len(names)) if s in fresh or any((names[s], a) in wanted for a in range(4))}
    for s in reached:
        for a in range(len(world.actions)):
            found = {}
            for p, after, end in zip(mdp.probability[s, a], mdp.successor[s, a], mdp.terminal[s, a], strict=True):
                if p > 0:
                    place = (names[int(after)], bool(end))
                    found[place] = found.get(place, 0.0) + float(p)
            entry = wanted[names[s], a]
            assert found == {place: pytest.approx(total[0]) for place, total in entry.items()}
            assert float(mdp.reward[s, a]) == pytest.approx(sum(total[1] for total in entry.values()), abs=1e-12)


# ---- four moves, and all who use a maze ----


FOUR = GridWorld(load_map(4).rows, "four moves", stay=False)


def test_four_moves_are_the_five_without_the_first():
    assert FOUR.actions == ACTIONS[1:] == ("up", "down", "left", "right")
    five, four = load_map(4).mdp(), FOUR.mdp()
    for field in ("successor", "probability", "reward", "terminal"):
        assert torch.equal(getattr(four, field), getattr(five, field)[:, 1:]), field
    assert torch.equal(four.features, five.features) and FOUR.shortest_path() == load_map(4).shortest_path()
    assert [FOUR.move(3, a) for a in range(4)] == [load_map(4).move(3, a) for a in range(1, 5)]
    history, states = FOUR.mdp(history=True), FOUR.history_states
    assert {state.previous_action for state in states} == {None, 0, 1, 2, 3}
    assert history.features.shape == (len(states), 9 + 10 + 5)
    best = [dynamic_programming.policy_iteration(mdp, 0.9).values for mdp in (four, five, history)]
    torch.testing.assert_close(best[0], best[1], atol=1e-12, rtol=0)  # staying never pays
    torch.testing.assert_close(best[2][: len(FOUR.cells)], best[0], atol=1e-12, rtol=0)


def test_agents_take_mazes_of_four_moves_on_ice():
    mazes = [GridWorld.from_text(f"#####\n#S..#\n#.#.#\n#{end}#\n#####", slip=0.2, stay=False) for end in ("..G", "G.H")]
    tasks = [maze.mdp() for maze in mazes]
    config = q_learning.Config(steps=12_000, discount=0.9, epsilon=0.5, decay=0.7, learning_rate=1.0, exploring_starts=True)
    q = q_learning.train(tasks, config, seeds=[1, 2]).agent.q
    assert q.shape == (2, 2, 8, 4)
    for k, task in enumerate(tasks):
        best = dynamic_programming.policy_iteration(task, config.discount).values
        for learned in q[:, k]:
            worth = M.evaluate(task, M.greedy_policy(learned), config.discount)
            assert float((best - worth).max()) < 0.02
    solution = distral.solve(tasks, 0.5, 5.0, 0.95)
    assert solution.log_pi.shape == (2, 8, 4) and solution.log_pi0.shape == (8, 4)
    torch.testing.assert_close(solution.log_pi.exp().sum(-1), torch.ones(2, 8, dtype=torch.float64))


@pytest.mark.parametrize("world", [FOUR, CORNERS, ICE, GridWorld.from_text(LAKES["4x4"], **LAKE, slip=2 / 3)], ids=lambda world: world.name)
def test_the_gymnasium_environment_publishes_and_plays_the_table(world):
    env = GridWorldEnv(world, render_mode="rgb_array")
    read, own = M.MDP.from_gymnasium(env), world.mdp()
    for field in ("successor", "probability", "reward", "terminal", "start"):
        assert torch.equal(getattr(read, field), getattr(own, field)), field
    assert env.action_space.n == len(world.actions)
    with pytest.raises(ValueError, match=f"wanted an integer from 0 to {len(world.actions) - 1}$"):
        env.reset() and env.step(len(world.actions))
    generator = np.random.default_rng(3)
    state, _ = env.reset(seed=3)
    seen, tried = Counter(), Counter()
    for _ in range(4000):
        action = int(generator.integers(len(world.actions)))
        after, reward, ended, truncated, _ = env.step(action)
        seen[state, action, after, reward, ended] += 1
        tried[state, action] += 1
        state = env.reset()[0] if ended else after
        assert not truncated
    chance = Counter()
    for s, a in tried:
        for p, after, reward, ended in env.P[s][a]:
            chance[s, a, after, reward, ended] += p
    assert seen.keys() <= chance.keys()
    for what, p in chance.items():  # within five standard deviations
        count = tried[what[:2]]
        assert abs(seen[what] - count * p) <= 5 * np.sqrt(count * p * (1 - p)) + 1e-9 or count * p < 5


def test_gymnasiums_checker_accepts_ice():
    check_env(gymnasium.make("distral_lite/Map1-v0", world=ICE, render_mode="rgb_array").unwrapped)


def test_the_environments_picture_shows_all_goals_and_traps():
    env = GridWorldEnv(CORNERS, render_mode="rgb_array")
    picture = env.render()

    def middle(state):
        row, column = CORNERS.cells[state]
        return picture[row * CELL + CELL // 2, column * CELL + CELL // 2].tolist()

    assert [middle(goal) for goal in CORNERS.goals] == [[0, 158, 115]] * 2
    assert middle(CORNERS.traps[0]) == [204, 121, 167] and middle(1) == [255, 255, 255]


def test_a_drawing_shows_all_goals_and_traps_and_four_arrows():
    _, axes = plotting.new_figure()
    policy = torch.full((len(FOUR.cells), 4), 0.25)
    drawn = plotting.draw_maze(axes, FOUR, policy=policy)
    lengths = np.hypot(drawn.arrows.U, drawn.arrows.V)
    np.testing.assert_allclose(lengths, 0.25 * plotting.REACH)
    assert not drawn.dots.get_visible()
    with refuses("draw_maze: policy has shape (32, 5), wanted (32, 4)"):
        drawn.update(policy=torch.full((32, 5), 0.2))
    five = plotting.draw_maze(axes, load_map(4), policy=torch.full((32, 5), 0.2) * torch.tensor([0, 1.25, 1.25, 1.25, 1.25]))
    for part in ("U", "V"):  # each arrow points where that of the five actions does
        np.testing.assert_allclose(getattr(drawn.arrows, part), getattr(five.arrows, part), atol=1e-8)
    _, axes = plotting.new_figure()
    plotting.draw_maze(axes, CORNERS, numbers=None)
    assert Counter(text.get_text() for text in axes.texts) == {"S": 1, "G": 2, "H": 1}
