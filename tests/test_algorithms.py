"""The contract that every `train` keeps (`algorithms.ALGORITHMS` lists them): nonsense is refused, and everything is on one device."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from algorithms import ALGORITHMS, MAZE
from pretended_device import NAME, Pretended, pretended_device

from distral_lite.gym_bridge import GymTask

every = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
of_tables = [algorithm for algorithm in ALGORITHMS if algorithm.tables]
with_device = [algorithm for algorithm in ALGORITHMS if hasattr(algorithm.config, "device")]

NO_NUMBERS = ["", "01", [], (), range(0), 5, 0.5, {}, {0, 1}, {0: 1}, object(), torch.tensor([]), torch.tensor(3), b"\x01\x02"]
BAD_NUMBERS = [[0.5], [1.0], ["1"], [None], [True], [-1], [0, 0], [2**32], [2**70], [float("nan")], [1j], [[0]]]
BAD_NUMBERS += [np.array([0.5]), np.array([1, 1]), torch.tensor([1.0]), torch.tensor([True])]
NONSENSE = {
    "tasks": [None, 5, "map", [], (), {}, MAZE, [None], [MAZE, None], [5], ["CartPole-v1"], torch.zeros(3), object(), iter([MAZE])],
    "config": [None, 5, "", {}, object(), SimpleNamespace(steps=5)],
    "seeds": [None, *NO_NUMBERS, *BAD_NUMBERS],
    "task_ids": [*NO_NUMBERS, *BAD_NUMBERS, [0, 1]],
    "progress": [None, 0, 1, "no", "", [], np.array([True, False])],
    "watch": [5, "no", [], True],
}


def refusals(algorithm):
    """What a `train` does with nonsense in place of each argument in turn: what was not refused as it should be."""
    good = {"tasks": [algorithm.task], "config": algorithm.config, "seeds": [0], "task_ids": [0], "progress": False}
    for name in [*good, *(["watch"] if algorithm.watched else [])]:
        for value in NONSENSE[name]:
            try:
                algorithm.train(**(good | {name: value}))
                yield name, value, "accepted"
            except ValueError as error:
                named = name if name != "tasks" else "(tasks|the list of tasks)"
                if not re.match(rf"{re.escape(algorithm.name)}: {named}\b.*, wanted", str(error), re.DOTALL):
                    yield name, value, str(error)
            except Exception as error:
                yield name, value, repr(error)


@every
def test_nonsense_is_refused_with_its_name(algorithm):
    assert list(refusals(algorithm)) == []


@every
def test_seeds_and_numbers_may_come_as_numpy_or_torch_has_them(algorithm):
    given = [([2, 5], [7]), (np.array([2, 5]), np.array([7])), (torch.tensor([2, 5]), (np.int64(7),))]
    if algorithm.name == "a3c.train":
        given = given[1:2]  # it starts processes
    runs = [algorithm.train([algorithm.task], algorithm.config, seeds, task_ids).history for seeds, task_ids in given]
    for run in runs:
        assert run.durations.shape[:2] == (2, 1)
        assert torch.equal(run.durations.nan_to_num(-1), runs[0].durations.nan_to_num(-1))


@every
def test_seeds_are_bounded_by_what_a_seed_stands_for(algorithm):
    each = getattr(algorithm.config, "environments", 1) * getattr(algorithm.config, "workers", 1)
    with pytest.raises(ValueError, match=rf"^{algorithm.name}: seeds = .*, wanted different integers from 0 to"):
        algorithm.train([algorithm.task], algorithm.config, [2**32 // each])


@pytest.mark.parametrize("algorithm", of_tables, ids=lambda algorithm: algorithm.name)
def test_tasks_without_numbered_states_are_refused(algorithm):
    module = algorithm.name.partition(".")[0]
    with pytest.raises(ValueError, match=rf"^{module}\.train: tasks .*, wanted (numbered states|MDPs)"):
        algorithm.train([GymTask("CartPole-v1")], algorithm.config, [0])


@pytest.mark.parametrize("length", [1, 2, 4])
@every
def test_settings_of_a_wrong_length_are_refused(algorithm, length):
    for name, one in type(algorithm.config).__annotations__.items():
        if "Per" not in one or length == (2 if "PerRun" in one else 3):
            continue
        config, per = replace(algorithm.config, **{name: torch.full((length,), 0.5)}), "run" if "PerRun" in one else "task"
        with pytest.raises(ValueError, match=rf"^{algorithm.name}: config.{name} has shape \({length},\), wanted a number or one a {per}"):
            algorithm.train([algorithm.task] * 3, config, [0, 1])


@pytest.mark.parametrize("algorithm", with_device, ids=lambda algorithm: algorithm.name)
def test_a_device_that_is_not_there_is_refused(algorithm):
    if torch.cuda.is_available():
        pytest.skip("it is there")
    config = replace(algorithm.config, device="cuda")
    with pytest.raises(ValueError, match=rf"^{algorithm.name}: config.device is 'cuda', wanted a device that this PyTorch can use"):
        algorithm.train([algorithm.task], config, [0])


# ---- one device ----


def learned(agent):
    """The tensors of an agent."""
    for part in agent:
        if isinstance(part, torch.Tensor):
            yield part
        elif isinstance(part, tuple):
            yield from learned(part)


@pytest.mark.parametrize("hidden", [None, (3,)], ids=["tables", "networks"])
@pytest.mark.parametrize("algorithm", with_device, ids=lambda algorithm: algorithm.name)
def test_everything_is_on_the_device_asked_for(algorithm, hidden):
    if algorithm.name == "sac.train" and hidden is None:
        pytest.skip("it has no tables")
    config = replace(algorithm.config, hidden=hidden)
    object.__setattr__(config, "device", NAME)  # which configurations refuse: outside this test it computes nothing
    with pretended_device():
        run = algorithm.train([algorithm.task] * 2, config, [0, 1])
    assert {type(tensor) for tensor in learned(run.agent)} == {Pretended}
    here = algorithm.train([algorithm.task] * 2, replace(config, device="cpu"), [0, 1])
    for there, mine in zip(learned(run.agent), learned(here.agent), strict=True):
        torch.testing.assert_close(there.held, mine, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator here")
@pytest.mark.parametrize("algorithm", with_device, ids=lambda algorithm: algorithm.name)
def test_it_trains_on_an_accelerator(algorithm):
    run = algorithm.train([algorithm.task] * 2, replace(algorithm.config, device="cuda"), [0, 1])
    assert {tensor.device.type for tensor in learned(run.agent)} == {"cuda"}


def test_the_pretended_device_finds_what_an_accelerator_would():
    with pretended_device():
        there, here = torch.zeros(3, device=NAME), torch.zeros(3)
        assert type(there) is Pretended and type(torch.as_tensor(0.5, device=NAME)) is Pretended
        assert type(there.cpu()) is torch.Tensor and type(there + torch.tensor(1.0)) is Pretended
        for mixed in (lambda: there + here, lambda: there.mul_(here), lambda: there[torch.arange(2)]):
            with pytest.raises(RuntimeError, match="mixes devices"):
                mixed()
