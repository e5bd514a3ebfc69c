"""A3C: its parts in numbers, one worker against a plain program, several against laws and exact values, and processes that die.

What several workers learn depends on who comes first; these tests assert what holds for every order. Every wait has an end, far beyond
what is needed, so that a failure is a failure and not a hang.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from patience import HANG, until

from distral_lite import a3c, gym_bridge, lanes, mdp, networks
from distral_lite.a3c import team, training
from distral_lite.dynamic_programming import policy_iteration
from distral_lite.gridworld import GridWorld, load_map

# Windows has neither process groups nor the signals that these tests send.
posix = pytest.mark.skipif(os.name != "posix", reason="sends signals to process groups")
CORRIDOR = GridWorld.from_text("#######\n#S...G#\n#######").mdp()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A busy machine's workers may take long to say what they have."""
    monkeypatch.setattr(team, "PATIENCE", HANG)


def alive(pid):
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"


def gone(pids):
    return not any(map(alive, pids))


def start_values(task, run, discount):
    """[R], exact values of the learned policies at the start."""
    policy = run.history.policies[:, 0, -1].double()
    return torch.stack([(task.start * mdp.evaluate(task, p / p.sum(-1, keepdim=True), discount)).sum() for p in policy])


# ---- the parts ----


def test_rmsprop_in_numbers():
    """(S2, S3): g <- 0.9 * 4 + 0.1 * 9 = 4.5, theta <- 1 - 0.5 * 3 / sqrt(4.5 + 1e-5)."""
    theta, g = torch.tensor([1.0], requires_grad=True), torch.tensor([4.0])
    a3c.rmsprop(theta, g, torch.tensor([3.0]), 0.5, 0.9)
    assert float(g) == pytest.approx(4.5)
    assert float(theta.detach()) == pytest.approx(1 - 1.5 / 4.50001**0.5)


def test_losses_in_numbers():
    """Two steps: errors 2 and -1; sums, not means; the actor's error is a number, and V is held by (R - V)^2 alone."""
    logits = torch.zeros(2, 2, requires_grad=True)
    value = torch.tensor([1.0, 3.0], requires_grad=True)
    target = torch.tensor([3.0, 2.0], requires_grad=True)
    loss = a3c.losses(logits.log_softmax(-1), torch.tensor([0, 1]), value, target, 0.5)
    assert float(loss.detach()) == pytest.approx(4 + 1 - (2 - 1) * np.log(0.5) - 0.5 * 2 * np.log(2))
    loss.backward()
    assert value.grad.tolist() == [-4.0, 2.0] and target.grad is None
    torch.testing.assert_close(logits.grad, torch.tensor([[-1.0, 1.0], [-0.5, 0.5]]))  # uniform: the entropy's gradient is zero


# ---- one worker: no asynchrony, so a plain program ----


def test_one_worker_does_what_s3_says():
    """A second program, S3 line by line with gradients written out by hand; time-outs bootstrap, rollouts end with the episode."""
    config = a3c.Config(
        steps=400, workers=1, discount=0.9, horizon=4, actor_rate=0.05, critic_rate=0.1, entropy_bonus=0.02, max_episode_steps=10
    )  # fmt: skip
    run = a3c.train([CORRIDOR], config, [5])
    theta, w, squares = np.zeros((5, 5)), np.zeros(5), [np.zeros((5, 5)), np.zeros(5)]
    random, state, length, total, moments, ends = lanes.LaneRandom([5], [0], stream=1), 0, 0, 0, [], []
    while total <= 400:
        policy = np.exp(theta) / np.exp(theta).sum(-1, keepdims=True)
        steps, done = [], False
        while len(steps) < 4 and not done:
            action = int((policy[state].cumsum() <= float(random.uniform(1))).sum())
            following, terminal = int(CORRIDOR.successor[state, action, 0]), bool(CORRIDOR.terminal[state, action, 0])
            steps.append((state, action, float(CORRIDOR.reward[state, action])))
            length, total = length + 1, total + 1
            done = terminal or length == 10
            state = 0 if done else following
            if done:
                ends.append(length)
                length = 0
        R, up, down = 0.0 if terminal else w[following], np.zeros((5, 5)), np.zeros(5)
        for s, a, r in reversed(steps):
            R, pi = r + 0.9 * R, policy[s]
            up[s] += (R - w[s]) * (np.eye(5)[a] - pi) - 0.02 * pi * (np.log(pi) - (pi * np.log(pi)).sum())
            down[s] += 2 * (R - w[s])
        for parameter, square, gradient, rate in zip((theta, w), squares, (up, down), (0.05, 0.1), strict=True):
            square *= 0.99
            square += 0.01 * gradient**2
            parameter += rate * gradient / np.sqrt(square + 1e-5)
        moments.append(total)
    assert run.history.update_steps.tolist() == moments
    assert run.history.durations[0, 0].tolist() == ends
    np.testing.assert_allclose(run.agent.actor.values[0, 0].numpy(), theta, atol=2e-3)
    np.testing.assert_allclose(run.agent.critic.values[0, 0, :, 0].numpy(), w, atol=2e-3)
    assert np.abs(theta).max() > 1
    assert run.history.staleness.tolist() == [0] * len(moments)  # nobody else moves the parameters
    assert int(run.history.snapshot_steps[0]) == 0 and int(run.history.snapshot_steps[-1]) == total


# ---- two workers ----


@pytest.fixture(scope="module")
def pair():
    """Two workers, three runs of map 5."""
    maze = load_map(5).mdp()
    config = a3c.Config(steps=4500, actor_rate=0.02, critic_rate=0.05, snapshots=5)
    return maze, config, a3c.train([maze], config, range(3))


def test_two_workers_learn_a_maze(pair):
    """Every run within 0.6 of the optimum, having begun near -20."""
    maze, config, run = pair
    best = float((maze.start * policy_iteration(maze, config.discount).values).sum())
    first = mdp.evaluate(maze, mdp.uniform_policy(maze), config.discount)
    assert float((maze.start * first).sum()) < -15
    assert float(start_values(maze, run, config.discount).min()) > best - 0.6


def test_the_law_of_staleness(pair):
    """Each update falls between synchronisation and update of any other worker at most once: on average at most workers - 1."""
    _, config, run = pair
    staleness, who = run.history.staleness, run.history.update_workers
    assert sorted(set(who.tolist())) == [0, 1]
    assert 0 < float(staleness.double().mean()) <= config.workers - 1
    for worker in (0, 1):
        assert int(staleness[who == worker].sum()) <= int((who != worker).sum())


def test_history(pair):
    _, config, run = pair
    history = run.history
    updates = len(history.staleness)
    assert history.update_steps.shape == history.update_workers.shape == (updates,)
    assert bool((history.update_steps.diff() >= 0).all())
    assert config.steps < int(history.update_steps[-1]) <= config.steps + 2 * config.horizon
    assert history.policies.shape == (3, 1, len(history.snapshot_steps), 32, 5) and len(history.actors) == len(history.snapshot_steps)
    assert bool((history.snapshot_steps.diff() > 0).all())
    assert torch.equal(networks.on_states(run.agent.actor, torch.zeros(1)).softmax(-1), history.policies[:, :, -1])
    played = history.durations.nansum(-1)
    assert bool((played <= int(history.update_steps[-1])).all()) and bool((played > 1000).all())
    assert torch.equal(history.durations.isnan(), history.returns.isnan())
    assert float(history.returns.nan_to_num().max()) <= 1.0


def test_a_gymnasium_environment_and_a_network():
    """Observations that are numbered by Gymnasium, a network for actor and critic; both lanes of both tasks are there."""
    tasks = [gym_bridge.GymTask("distral_lite/Map4-v0"), gym_bridge.GymTask("distral_lite/Map5-v0")]
    run = a3c.train(tasks, a3c.Config(steps=60, hidden=(8,), snapshots=1), range(2))
    assert run.history.policies.shape == (2, 2, 2, 32, 5)
    assert run.agent.actor.weights[0].shape == (2, 2, 32, 8)
    assert float((run.history.policies[:, :, 1] - run.history.policies[:, :, 0]).abs().max()) > 1e-3


def test_episodes_of_workers_are_merged():
    nan = np.nan
    records = [training.Record(np.array([[[3.0, 4.0, nan]]]), np.array([[[1.0, 2.0, nan]]]), [], []),
               training.Record(np.array([[[5.0]]]), np.array([[[3.0]]]), [], [])]  # fmt: skip
    durations, scores = training._episodes(records)
    assert durations.tolist() == [[[3.0, 5.0, 4.0]]] and scores.tolist() == [[[1.0, 3.0, 2.0]]]


# ---- processes that die ----


@posix
@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell of suspended processes")
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (signal.SIGKILL, r"died after \d+ of 1000000000 steps \(killed by signal 9, SIGKILL\)"),
        (signal.SIGSTOP, r"was suspended after \d+ of 1000000000 steps and does not go on"),
    ],
)
def test_a_killed_or_suspended_worker_is_an_error_and_leaves_nobody(sent, words):
    """In the middle of the work: the parent says who and of what; every worker is gone."""
    seen = []

    def strike_one():
        workers = until(lambda: len(multiprocessing.active_children()) == 2 and multiprocessing.active_children(), "workers")
        seen.extend(worker.pid for worker in workers)
        until(lambda: steps and int(steps[0].steps.min()) > 0, "work")
        victim = next(worker for worker in workers if worker.name == "a3c worker 1")
        os.kill(victim.pid, sent)

    steps, share = [], training.share

    def remembered(*arguments):
        steps.append(share(*arguments))
        return steps[0]

    striker = threading.Thread(target=strike_one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "share", remembered)
        striker.start()
        with pytest.raises(a3c.WorkerError, match=f"worker 1 of 2 {words}"):
            a3c.train([CORRIDOR], a3c.Config(steps=10**9), [0])
    striker.join(HANG)
    assert len(seen) == 2 and gone(seen)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell of suspended processes")
def test_a_process_is_seen_suspended_until_it_goes_on():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not team.suspended(process.pid)
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: team.suspended(process.pid), "the suspension")
        assert team.suspended(process.pid)  # looking changes nothing
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: not team.suspended(process.pid), "its end")
    finally:
        process.kill()
        process.communicate()
    assert not team.suspended(process.pid)


class Bomb(gym_bridge.GymTask):
    """A task that is well in the parent and not in the workers."""

    @staticmethod
    def make_world(tasks, seeds, *rest):
        if multiprocessing.parent_process() is not None:
            if tasks[0].kwargs.get("quietly"):
                os._exit(3)
            raise ZeroDivisionError("the world has a hole")
        return gym_bridge.GymWorld([gym_bridge.GymTask("distral_lite/Map5-v0")], seeds, *rest)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({}, "raised an exception(.|\n)*ZeroDivisionError: the world has a hole"), ({"quietly": True}, r"died after 0 of .*exit code 3")],
)
def test_a_worker_that_fails_says_why(settings, words):
    with pytest.raises(a3c.WorkerError, match=words):
        a3c.train([Bomb("none", settings)], a3c.Config(steps=100), [0])
    assert multiprocessing.active_children() == []


PROGRAM = f"""
import multiprocessing, sys, threading, time
from distral_lite import a3c
from distral_lite.a3c import team, training
from distral_lite.gridworld import load_map

def tell():
    while len(multiprocessing.active_children()) < 2:
        time.sleep(0.01)
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    while not shared or int(shared[0].steps.min()) == 0:
        time.sleep(0.01)
    print("at work", flush=True)

def main():
    threading.Thread(target=tell, daemon=True).start()
    run = a3c.train([load_map(5).mdp()], a3c.Config(steps=10**9), [0])
    print("updates", len(run.history.staleness) > 0, run.history.policies.shape[1], len(multiprocessing.active_children()), flush=True)

team.PATIENCE = {HANG}
shared, share = [], training.share
training.share = lambda *arguments: shared.append(share(*arguments)) or shared[0]
if __name__ == "__main__":
    main()
"""


@pytest.fixture
def run_program(tmp_path):
    """Runs a program in a process group of its own, as a terminal or a kernel would; at the end all of the group are killed."""
    started = []

    def run(text):
        (tmp_path / "program.py").write_text(text, encoding="utf-8")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        started.append(subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path, start_new_session=True, **pipes))
        return started[0]

    yield run
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate(timeout=HANG)


@pytest.fixture
def program(run_program):
    return run_program(PROGRAM)


@posix
def test_an_interrupt_returns_what_there_is(program):
    """Control-C goes to the whole group, workers included. The parent stops them, gets their records, and says nothing else."""
    workers = [int(pid) for pid in program.stdout.readline().split()]
    assert program.stdout.readline() == "at work\n"
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=HANG)
    assert out == "updates True 1 0\n" and err == ""
    assert program.returncode == 0 and gone(workers)


@posix
@pytest.mark.parametrize("importing", ["", f"if __name__ == '__mp_main__':\n    import time\n    time.sleep({10 * HANG})\n"])
def test_an_interrupt_at_birth_leaves_nobody(run_program, importing):
    """Control-C while the workers are still importing, and be it for ever: no traceback of theirs, and nothing left."""
    program = run_program(importing + PROGRAM)
    workers = [int(pid) for pid in program.stdout.readline().split()]
    os.killpg(program.pid, signal.SIGINT)
    out, err = program.communicate(timeout=HANG)
    assert gone(workers)
    assert "a3c/worker.py" not in err and "spawn" not in err  # the parent may say KeyboardInterrupt; the workers say nothing
    assert "updates" in out or "KeyboardInterrupt" in err


@posix
def test_workers_do_not_outlive_a_killed_parent(program):
    workers = [int(pid) for pid in program.stdout.readline().split()]
    assert program.stdout.readline() == "at work\n" and not gone(workers)
    program.kill()
    until(lambda: gone(workers), "the workers' end")


def test_a_script_without_its_guard_is_told(tmp_path):
    (tmp_path / "script.py").write_text(PROGRAM.replace('if __name__ == "__main__":\n    main()', "main()"), encoding="utf-8")
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=HANG, check=False)
    assert done.returncode != 0
    assert "WorkerError" in done.stderr and "under `if __name__ == '__main__':`" in done.stderr


# ---- errors ----


@pytest.mark.parametrize(
    ("setting", "value", "wanted"),
    [
        ("workers", 0, "an integer of at least 1"),
        ("steps", 1.5, "an integer of at least 1"),
        ("horizon", 0, "an integer of at least 1"),
        ("actor_rate", -1e-3, "a finite number above 0"),
        ("critic_rate", float("inf"), "a finite number above 0"),
        ("discount", 1.01, "a number from 0 to 1"),
        ("decay", -0.1, "a number from 0 to 1"),
        ("entropy_bonus", -1.0, "a finite number of at least 0"),
        ("hidden", (8, 0), "an integer of at least 1"),
    ],
)
def test_settings_that_make_no_sense(setting, value, wanted):
    with pytest.raises(ValueError, match=rf"a3c.Config: {setting}.*{wanted}"):
        a3c.Config(**{setting: value})


def test_what_cannot_be_learned_is_refused_before_any_process_starts():
    with pytest.raises(ValueError, match=r"Pendulum-v1\) has actions Box"):
        a3c.train([gym_bridge.GymTask("Pendulum-v1")], a3c.Config(hidden=(8,)), [0])
    with pytest.raises(ValueError, match=r"config.hidden is None \(tables\)"):
        a3c.train([gym_bridge.GymTask("CartPole-v1")], a3c.Config(), [0])
    assert multiprocessing.active_children() == []
