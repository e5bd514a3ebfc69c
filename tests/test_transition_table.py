"""Tables as most public code has them: read entry by entry, and refused where they are none, by the place."""

import copy
import re

import numpy as np
import pytest
import torch
from fuzzing import cases

from distral_lite import transition_table
from distral_lite.mdp import MDP

TABLE = [
    [[(0.5, 1, 1.0, False), (0.5, 0, -2.0, True)], [(1.0, 0, 0.0, False)]],
    [[(1.0, 1, 3.0, True)], [(0.25, 0, 0.5, False), (0.25, 1, 0.5, False), (0.5, 1, 0.5, True)]],
]


def refuses(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def with_outcome(outcome):
    table = copy.deepcopy(TABLE)
    table[1][1][2] = outcome
    return table


def test_a_table_is_read_entry_by_entry():
    found = transition_table.read("f", TABLE)
    assert found.successor.tolist() == [[[1, 0, 0], [0, 0, 0]], [[1, 1, 1], [0, 1, 1]]]
    assert found.probability.tolist() == [[[0.5, 0.5, 0], [1, 0, 0]], [[1, 0, 0], [0.25, 0.25, 0.5]]]
    assert found.outcome_reward.tolist() == [[[1, -2, 0], [0, 0, 0]], [[3, 0, 0], [0.5, 0.5, 0.5]]]
    assert found.terminal.tolist() == [[[False, True, False], [False] * 3], [[True, False, False], [False, False, True]]]


def test_lists_dictionaries_and_arrays_are_all_the_same():
    lists = transition_table.read("f", TABLE)
    keyed = {s: {np.int64(a): tuple(cell) for a, cell in enumerate(row)} for s, row in enumerate(TABLE)}
    numbers = [[[tuple(np.float32(x) for x in outcome) for outcome in cell] for cell in row] for row in TABLE]
    for table in (keyed, numbers):
        assert all(np.array_equal(a, b) for a, b in zip(lists, transition_table.read("f", table), strict=True))
    array = np.array([[[(1.0, 0, 2.5, 1)]]])
    assert transition_table.read("f", array).outcome_reward.tolist() == [[[2.5]]]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (None, "table is None, wanted a list, an array or a dictionary of states"),
        ("P", "table is 'P', wanted a list, an array or a dictionary of states"),
        ([], "table has no states, wanted at least one"),
        ([TABLE[0], []], "table[1] has no actions, wanted at least one"),
        ([TABLE[0], TABLE[1][:1]], "table[1] has 1 actions, table[0] has 2; wanted the same actions in every state"),
        ({0: TABLE[0], 2: TABLE[1]}, "table has 2 states but none numbered 1"),
        ({"0": TABLE[0]}, "table has the key '0', wanted states numbered from 0"),
        ([TABLE[0], [TABLE[1][0], []]], "table[1][1] has no outcomes, wanted at least one"),
        ([TABLE[0], [TABLE[1][0], 3]], "table[1][1] is 3, wanted a list, an array or a dictionary of outcomes"),
        (with_outcome((0.5, 1, 0.5)), "table[1][1][2] is (0.5, 1, 0.5), wanted (probability, next state, reward, terminal)"),
        (with_outcome((0.4, 1, 0.5, True)), "the probabilities of table[1][1] sum to 0.9, wanted 1"),
        (with_outcome((-0.5, 1, 0.5, True)), "the probability of table[1][1][2] is -0.5, wanted a number from 0 to 1"),
        (with_outcome((True, 1, 0.5, True)), "the probability of table[1][1][2] is True, wanted a number from 0 to 1"),
        (with_outcome((0.5, 2, 0.5, True)), "the next state of table[1][1][2] is 2, wanted an integer from 0 to 1"),
        (with_outcome((0.5, 0.5, 0.5, True)), "the next state of table[1][1][2] is 0.5, wanted an integer from 0 to 1"),
        (with_outcome((0.5, 1, np.nan, True)), "the reward of table[1][1][2] is nan, wanted a finite number"),
        (with_outcome((0.5, 1, 10**400, True)), f"the reward of table[1][1][2] is {str(10**400)[:57]}..., wanted a finite number"),
        (with_outcome((0.5, 1, 0.5, "no")), "the terminal of table[1][1][2] is 'no', wanted True or False"),
    ],
)
def test_what_is_no_table_is_refused_by_its_place(table, message):
    if "a list, an array" in message:
        message += ": P[state][action] = [(probability, next state, reward, terminal), ...]"
    with refuses(f"MDP.from_table: {message}"):
        MDP.from_table(table)


NONSENSE = [
    None,
    "x",
    "",
    [],
    {},
    (),
    float("nan"),
    float("inf"),
    -1,
    99,
    0.5,
    True,
    False,
    1e400,
    1j,
    object(),
    b"1",
    [0],
    np.array(1),
    {"a": 1},
]


def right(table):
    """Whether the test's own eyes see a table: numbers in their ranges, chances that sum to 1, the same actions everywhere."""
    for row in table:
        if not isinstance(row, list) or len(row) != len(table[0]) or not row:
            return False
        for cell in row:
            if not isinstance(cell, list) or not cell:
                return False
            for outcome in cell:
                if not isinstance(outcome, tuple | list) or len(outcome) != 4:
                    return False
                p, s, r, ended = outcome
                numbers = all(type(x) in (int, float) for x in (p, s, r)) and type(ended) in (bool, int, float)
                if not numbers or not 0 <= p <= 1 or s not in range(len(table)) or not abs(r) < float("inf") or ended not in (0, 1):
                    return False
            if abs(sum(outcome[0] for outcome in cell) - 1) > 1e-6:
                return False
    return bool(table)


@pytest.mark.fuzz
def test_mutated_tables_are_read_or_refused_by_their_place():
    rng = np.random.default_rng(0)
    accepted = 0
    for _ in range(cases(500, 10_000)):
        table = copy.deepcopy(TABLE)
        for _ in range(rng.integers(1, 3)):
            place = table
            for _ in range(rng.integers(0, 4)):
                number = rng.integers(len(place)) if place else None
                if not place or not isinstance(place[number], list | tuple):
                    break
                place[number] = place = list(place[number])
            if place and rng.random() < 0.7:
                place[rng.integers(len(place))] = NONSENSE[rng.integers(len(NONSENSE))]
            elif place and rng.random() < 0.5:
                place.append(copy.deepcopy(place[rng.integers(len(place))]))
            elif place:
                place.pop(rng.integers(len(place)))
        if right(table):
            accepted += 1
            assert MDP.from_table(table).probability.sum(-1).sub(1).abs().max() < 1e-6
        else:
            with pytest.raises(ValueError, match=r"^MDP\.from_table: .*table"):
                MDP.from_table(table)
    assert accepted > cases(10, 200)


def test_a_table_comes_back_as_it_was():
    world = MDP.from_table(TABLE, [0.25, 0.75])
    for s, row in enumerate(TABLE):
        for a, cell in enumerate(row):
            live = world.probability[s, a] > 0
            found = zip(
                *(array[s, a][live].tolist() for array in (world.probability, world.successor, world.outcome_reward, world.terminal)),
                strict=True,
            )
            assert list(found) == cell
    assert world.start.tolist() == [0.25, 0.75] and torch.equal(world.features, torch.eye(2))
