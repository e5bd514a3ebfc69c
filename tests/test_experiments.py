import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import tiny_experiments as tiny
import torch
from patience import HANG, until

from distral_lite import distral_sql, dynamic_programming, results
from distral_lite.experiments import catalogue, command, executors, judges, measures, publishing, reporting, runner
from distral_lite.experiments.experiment import VERDICTS, Claim, Verdict, machine_type, make_tasks, run_block
from distral_lite.experiments.jobs import Claims, Job, differences, plan, state
from distral_lite.gridworld import load_map

TESTS = Path(__file__).parent
POSIX = os.name == "posix"


@contextlib.contextmanager
def threads(count=2):
    """A crew without processes: starts at once."""
    with concurrent.futures.ThreadPoolExecutor(count) as executor:
        yield executors.Crew(executor, lambda: count, f"{count} threads")


@pytest.fixture
def main(monkeypatch):
    """The command line on the tiny catalogue, in this process, with threads for workers."""
    monkeypatch.setattr(executors, "pool", threads)
    return lambda *words: command.main(["--catalogue", "tiny_experiments", *map(str, words)])


def start(*words, **environment):
    """The command line on the tiny catalogue, in a process of its own."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    command_line = [sys.executable, "-m", "distral_lite.experiments", "--catalogue", "tiny_experiments", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | {key: str(value) for key, value in environment.items()}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    return subprocess.Popen(command_line, env=environment, start_new_session=POSIX, **pipes)


def until_running(condition, what, *processes):
    """Waits for something that other processes do; says what they said if they end without doing it."""
    try:
        until(condition, what, lambda: all(process.poll() is None for process in processes))
    except AssertionError as error:
        said = [process.communicate()[0] for process in processes if process.poll() is not None]
        raise AssertionError(f"{error}\n{said}") from None


def finish(process):
    """The exit status and the words of a process that is to end by itself."""
    said = process.communicate(timeout=HANG)[0]
    return process.returncode, said


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.npz"))


def begun(diary):
    """[(job, process)] of all jobs that were begun, from the names of the files they left."""
    entries = [name.split("-") for name in os.listdir(diary)]
    return [((int(seed), int(numbers)), int(process)) for seed, numbers, process, _ in entries]


def alive(process):
    """Whether a process runs (one that ended and waits to be noticed does not)."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


BLOCKS = ("probe", "seeds-0000-0001", "seeds-0002-0003", "seeds-0004-0005")
GATED = [f"gated-{name}/{block}.npz" for name in ("one", "two") for block in BLOCKS]


@pytest.fixture
def diary(tmp_path):
    folder = tmp_path / "diary"
    folder.mkdir()
    return folder


@pytest.fixture
def gate(tmp_path):
    """The file whose coming lets jobs of other processes go on; see tiny_experiments."""
    return tmp_path / "gate"


# ---- killed, shared, interrupted ----


def test_killed_in_the_middle_and_resumed(tmp_path, diary, gate):
    out = tmp_path / "out"
    words = ("run", "gated-one", "gated-two", "--seeds", 6, "--jobs", 1, "--out", out)
    process = start(*words, TINY_DIARY=diary, TINY_GATE=gate, TINY_FREE=3)
    until_running(lambda: out.exists() and len(files(out)) == 3 and len(begun(diary)) == 4, "three of eight jobs", process)
    process.kill()
    process.communicate()
    workers = {worker for _, worker in begun(diary)}
    if os.path.exists("/proc/self/stat"):
        until(lambda: not any(map(alive, workers)), "the workers' end")  # nobody goes on working for a runner that is gone
    kept = {name: ((out / name).read_bytes(), (out / name).stat().st_mtime_ns) for name in files(out)}
    assert len(kept) == 3
    (out / "gated-two" / ".seeds-0004-0005.npz.0f.partial").write_bytes(b"half a fi")  # as if killed while writing
    before = len(begun(diary))

    with threads() as crew:
        assert runner.run(plan(tiny.gated(str(diary)), 6), out, crew, progress=False) == []
    assert files(out) == GATED
    assert {name: ((out / name).read_bytes(), (out / name).stat().st_mtime_ns) for name in kept} == kept
    assert len(begun(diary)) - before == len(GATED) - len(kept)  # what was finished is not done again
    assert [path.name for path in out.rglob(".*")] == [".claims"]
    assert all(state(job, out).done for job in plan(tiny.gated(str(diary)), 6))


def test_two_runners_share_one_folder(tmp_path, diary, gate):
    out = tmp_path / "out"
    jobs = plan(tiny.gated(str(diary)), 6)
    words = ("run", "gated-one", "gated-two", "--seeds", 6, "--jobs", 1, "--out", out)
    other = start(*words, TINY_DIARY=diary, TINY_GATE=gate, TINY_FREE=0)
    until_running(lambda: begun(diary), "the other's first job", other)

    def open_gate():
        until(lambda: os.getpid() in {process for _, process in begun(diary)}, "a job of ours")
        gate.touch()

    threading.Thread(target=open_gate, daemon=True).start()
    with threads(1) as crew:
        assert runner.run(jobs, out, crew, progress=False) == []
    assert files(out) == GATED and all(state(job, out).done for job in jobs)
    done = begun(diary)
    assert {process for _, process in done} > {os.getpid()}  # both took part
    assert len(done) == len(GATED)  # none twice
    status, said = finish(other)
    assert status == 0, said


@pytest.mark.skipif(not POSIX, reason="sends SIGINT")
def test_interrupted_by_the_keyboard(tmp_path, diary, gate):
    words = ("run", "gated-one", "--seeds", 20, "--jobs", 1, "--out", tmp_path / "out")
    process = start(*words, TINY_DIARY=diary, TINY_GATE=gate, TINY_FREE=1)
    until_running(lambda: (tmp_path / "out").exists() and files(tmp_path / "out"), "the first result", process)
    os.killpg(process.pid, signal.SIGINT)  # Ctrl-C reaches the runner and its workers
    status, said = finish(process)
    assert status == 130 and "every finished job is kept" in said, said
    assert "Traceback" not in said
    for name in files(tmp_path / "out"):
        assert len(results.read(tmp_path / "out" / name).arrays["numbers"]) == 2
    if os.path.exists("/proc/self/stat"):
        until(lambda: not any(alive(worker) for _, worker in begun(diary)), "the workers' end")


def test_a_worker_that_is_killed_is_told(tmp_path, capsys):
    words = ["run", "tiny-one", "killing", "--seeds", "2", "--jobs", "1", "--out", str(tmp_path)]
    assert command.main(["--catalogue", "tiny_experiments", *words]) == 1
    error = capsys.readouterr().err
    assert "a worker is lost at killing/probe" in error and "Every finished job is kept" in error
    assert files(tmp_path) == ["tiny-one/probe.npz", "tiny-one/seeds-0000-0001.npz"]


# ---- Dask ----

ONE_THREAD = ("--host", "127.0.0.1", "--no-nanny", "--nthreads", "1")
DASK_PATIENCE = {f"DASK_DISTRIBUTED__COMM__TIMEOUTS__{kind}": f"{HANG}s" for kind in ("CONNECT", "TCP")}

@pytest.fixture
def dask(tmp_path):
    """A function that starts Dask's scheduler, or a worker, and one that gives the scheduler's address; at the end they are killed."""
    pytest.importorskip("distributed")
    card, started = tmp_path / "scheduler.json", []
    settings = {"PYTHONPATH": f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", "OMP_NUM_THREADS": "1"}
    settings |= {"DASK_DISTRIBUTED__WORKER__DAEMON": "False"} | DASK_PATIENCE

    def begin(what, *words, **environment):
        line = [sys.executable, "-m", "dask", what, "--no-dashboard", "--scheduler-file", str(card), *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen(line, cwd=tmp_path, env=os.environ | settings | environment, **quiet))
        return started[-1]

    def address():
        until(card.exists, "Dask's scheduler", lambda: started[0].poll() is None)
        return json.loads(card.read_text(encoding="utf-8"))["address"]

    yield begin, address
    for one in reversed(started):
        one.kill()
        one.wait()


def test_dask_scheduler_with_two_workers_one_of_them_killed(tmp_path, diary, gate, dask):
    out, (begin, address) = tmp_path / "out", dask
    scheduler = begin("scheduler", "--host", "127.0.0.1", "--port", "0")
    at = address()
    waiting = {"TINY_GATE": str(gate), "TINY_FREE": "0"}
    workers = [begin("worker", *ONE_THREAD, **waiting) for _ in range(2)]
    process = start("run", "gated-one", "gated-two", "--seeds", 6, "--out", out, "--scheduler", at, TINY_DIARY=diary, **DASK_PATIENCE)
    both = {worker.pid for worker in workers}
    until_running(lambda: both <= {one for _, one in begun(diary)}, "both at work", process, scheduler, *workers)
    workers[0].kill()
    gate.touch()
    status, said = finish(process)
    assert status == 0, said
    assert files(out) == GATED
    assert all(state(job, out).done for job in plan(tiny.gated(str(diary)), 6))
    done = begun(diary)
    assert {one for _, one in done} == both  # they did the work, not the runner
    assert len(done) <= len(GATED) + 1  # only what the killed one was at is begun again


def test_a_lost_scheduler_is_told(tmp_path, diary, gate, dask):
    out, (begin, address) = tmp_path / "out", dask
    scheduler = begin("scheduler", "--host", "127.0.0.1", "--port", "0")
    at = address()
    worker = begin("worker", *ONE_THREAD, TINY_GATE=str(gate), TINY_FREE="1")
    process = start("run", "gated-one", "--seeds", 6, "--out", out, "--scheduler", at, TINY_DIARY=diary, **DASK_PATIENCE)
    until_running(lambda: files(out) if out.exists() else False, "the first result", process, scheduler, worker)
    scheduler.kill()
    status, said = finish(process)
    assert status == 1, said
    assert f"error: the scheduler is gone: nothing answers at {at} any more. Every finished job is kept" in said
    assert "Traceback" not in said, said


def test_no_scheduler(tmp_path):
    pytest.importorskip("distributed")
    nowhere = "tcp://127.0.0.1:1"  # nobody ever answers there, so the limit may be short
    status, said = finish(
        start("run", "tiny-one", "--out", tmp_path, "--scheduler", nowhere, DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="300ms")
    )
    assert status == 2 and f"error: --scheduler {nowhere}: no Dask scheduler answers there" in said
    assert "Traceback" not in said


# ---- disk and files ----


def test_a_full_disk(main, tmp_path, monkeypatch, capsys):
    out, saved, sync = tmp_path / "out", [], os.fsync

    def fills_up(handle):
        saved.append(handle)
        if len(saved) > 4:  # two files, each with its folder
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fills_up)
    assert main("run", "tiny-one", "tiny-two", "--seeds", 4, "--out", out) == 1
    error = capsys.readouterr().err
    assert f"cannot be stored in {out}: the disk is full" in error and "run the same command to go on" in error
    assert len(files(out)) == 2 and [path.name for path in out.rglob(".*")] == [".claims"]
    monkeypatch.setattr(os, "fsync", sync)
    assert main("run", "tiny-one", "tiny-two", "--seeds", 4, "--out", out) == 0
    assert "6 jobs, 2 done, 4 to do" in capsys.readouterr().out
    assert len(files(out)) == 6


def test_a_damaged_file_is_named_and_redone(main, tmp_path, capsys):
    assert main("run", "tiny-one", "--seeds", 6, "--out", tmp_path) == 0
    path = tmp_path / "tiny-one" / "seeds-0002-0003.npz"
    whole = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    capsys.readouterr()
    assert main("run", "tiny-one", "--seeds", 6, "--out", tmp_path) == 0
    said = capsys.readouterr().out
    assert re.search(r"redone: .*seeds-0002-0003\.npz is damaged", said) and "4 jobs, 3 done, 1 to do" in said
    arrays = {name: results.read(tmp_path / name).arrays["numbers"] for name in files(tmp_path)}
    for name, before in whole.items():
        (tmp_path / "before.npz").write_bytes(before)
        np.testing.assert_array_equal(arrays[name], results.read(tmp_path / "before.npz").arrays["numbers"])


def test_a_changed_configuration_is_named_and_redone(tmp_path, capsys):
    old, new = tiny.tiny("tiny", numbers=4), tiny.tiny("tiny", numbers=5)
    (tmp_path / "tiny").mkdir()
    for experiment in (old, new, new):
        with threads() as crew:
            runner.run(plan([experiment], 4), tmp_path, crew, progress=False)
    first, second, third = capsys.readouterr().out.split("3 jobs, ")[1:]
    assert first.count("redone") == 2 and "seeds-0002-0003.npz is of another job (config.numbers was 4, is 5)" in first
    assert second.startswith("1 done") and third.startswith("3 done") and "redone" not in second + third  # the probe is the same
    assert results.read(tmp_path / "tiny" / "seeds-0000-0001.npz").arrays["numbers"].shape == (2, 5)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"seeds": [0, 2]}, "seeds was [0, 2], is [0, 1]"),
        ({"version": "0.0.1"}, "version was '0.0.1', is "),
        ({"probe": True}, "probe was True, is False"),
        ({"configuration": {}}, "experiment was None, is 'tiny-one'"),
    ],
)
def test_a_file_of_another_job_is_not_used(tmp_path, change, words):
    job = plan([tiny.EXPERIMENTS[0]], 2)[1]
    arrays, about = run_block(*job)
    job.path(tmp_path).parent.mkdir()
    results.write(job.path(tmp_path), arrays, about)
    assert state(job, tmp_path) == (True, "")
    results.write(job.path(tmp_path), arrays, about | change)
    found = state(job, tmp_path)
    assert not found.done and words in found.trouble and str(job.path(tmp_path)) in found.trouble


def test_differences_name_what_was_added_and_what_is_gone():
    assert differences({"config": {"a": 1, "old": 2}}, {"config": {"a": 1, "new": None}}) == [
        "config.new was None, is None",
        "config.old was 2, is gone",
    ]


def test_a_setting_that_came_later_is_told_only_where_it_changes_something():
    """Results stored before the target network came are results of the present configuration without one."""
    one = BY_NAME["d2-sql-45678"]
    assert one.config.target_every == 1 and "target_every" not in one.configuration()["config"]
    assert BY_NAME["target-d2-sql-45678"].configuration()["config"]["target_every"] == 200
    changed = dataclasses.replace(one, config=dataclasses.replace(one.config, target_every=2))
    assert differences(one.configuration(), changed.configuration()) == ["config.target_every was None, is 2"]
    assert differences(changed.configuration(), one.configuration()) == ["config.target_every was 2, is gone"]


def test_a_claim_is_seen_by_other_processes_only_while_held(tmp_path):
    job, other = plan([tiny.EXPERIMENTS[0]], 2)
    claims = Claims(tmp_path)
    look = "import sys, fcntl; f = open(sys.argv[1], 'a+b'); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 0, 0)"

    def held():
        return subprocess.run([sys.executable, "-c", look, tmp_path / ".claims"], stderr=subprocess.DEVNULL).returncode != 0

    assert claims.take(job) and claims.take(other)
    assert not POSIX or held()
    claims.give_back(job)
    assert not POSIX or held()
    claims.give_back(other)
    assert not POSIX or not held()
    claims.close()


# ---- commands that make no sense ----


def test_unknown_names_are_answered_with_near_ones(main, tmp_path, capsys):
    assert main("run", "tiny-won", "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "'tiny-won'" in error and re.search("near it: .*tiny-one", error) and "`list`" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [("--seeds", "0"), ("--seeds", "-3"), ("--seeds", "two"), ("--seeds", "99999999999"), ("--jobs", "0")])
def test_no_seeds_and_no_jobs(main, tmp_path, capsys, words):
    with pytest.raises(SystemExit) as stop:
        main("run", "tiny-one", "--out", tmp_path / "out", *words)
    assert stop.value.code == 2
    assert f"{words[1]} is no number from 1 to 10000" in capsys.readouterr().err


def test_an_unwritable_folder(main, tmp_path, capsys):
    (tmp_path / "file").touch()  # (permissions would not stop root)
    assert main("run", "tiny-one", "--out", tmp_path / "file") == 2
    assert f"--out {tmp_path / 'file'}: cannot be written" in capsys.readouterr().err


def test_a_catalogue_that_is_not_there(capsys):
    assert command.main(["--catalogue", "no_such_module", "list"]) == 2
    assert "no such module" in capsys.readouterr().err
    assert command.main(["--catalogue", "json", "list"]) == 2
    assert "json has no EXPERIMENTS" in capsys.readouterr().err


@pytest.mark.parametrize("module", [f"..{os.sep}x", "tiny_experiments.py/", "", ".", "two words"])
def test_a_catalogue_that_is_no_name_of_a_module(capsys, module):
    assert command.main(["--catalogue", module, "list"]) == 2
    assert f"--catalogue {module}: wanted the name of a module" in capsys.readouterr().err


def test_a_catalogue_below_a_package_that_is_not_there(capsys):
    assert command.main(["--catalogue", "no_such_package.mine", "list"]) == 2
    assert "no such module" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["tiny-one/probe.npz", ".claims"])
def test_a_folder_in_the_place_of_a_file(main, tmp_path, capsys, place):
    (tmp_path / place).mkdir(parents=True)
    assert main("run", "tiny-one", "--out", tmp_path) == 1
    assert re.search(rf"^error: {re.escape(str(tmp_path / place))}: (Is a directory|Permission denied)$", capsys.readouterr().err, re.M)
    assert files(tmp_path) == ([place] if place.endswith(".npz") else [])


@pytest.mark.parametrize("aim", ["tiny-two", "nowhere", "tiny-one"])
def test_a_symbolic_link_in_the_place_of_a_folder(main, tmp_path, capsys, aim):
    """To another experiment's folder, where the two would overwrite each other; to nothing; to itself."""
    (tmp_path / "tiny-two").mkdir()
    (tmp_path / "tiny-one").symlink_to(aim)
    assert main("run", "tiny-one", "tiny-two", "--out", tmp_path) == 2
    assert f"{tmp_path / 'tiny-one'} is a symbolic link, wanted a folder" in capsys.readouterr().err
    assert list((tmp_path / "tiny-two").iterdir()) == []


def test_a_symbolic_link_in_the_place_of_a_file(main, tmp_path, capsys):
    """One to itself can be neither read nor used; one to another job's file is replaced, and that file is not touched."""
    assert main("run", "tiny-one", "--seeds", 4, "--out", tmp_path) == 0
    first, second = (tmp_path / "tiny-one" / f"seeds-{block}.npz" for block in ("0000-0001", "0002-0003"))
    kept = first.read_bytes()
    second.unlink()
    second.symlink_to(first.name)
    assert main("run", "tiny-one", "--seeds", 4, "--out", tmp_path) == 0
    assert not second.is_symlink() and first.read_bytes() == kept and len(second.read_bytes()) > 0
    second.unlink()
    second.symlink_to(second.name)
    assert main("run", "tiny-one", "--seeds", 4, "--out", tmp_path) == 1
    assert re.search(rf"^error: {re.escape(str(second))}: ", capsys.readouterr().err, re.M)


def test_failing_jobs_stop_no_others(main, tmp_path, capsys):
    assert main("run", "failing", "shapeless", "tiny-one", "--seeds", 3, "--out", tmp_path) == 1
    said = capsys.readouterr()
    assert "this experiment always fails" in said.out and "5 of 9 jobs failed: failing/probe" in said.err
    assert "numbers is float64 of shape (4,), wanted numbers with 1 seeds on the first axis" in said.out
    assert {f"{job.name}.npz" for job in plan([tiny.EXPERIMENTS[0]], 3)} <= set(files(tmp_path))


# ---- list, publish, report ----


def test_list(main, capsys):
    assert main("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [one.name for one in tiny.EXPERIMENTS]
    assert main("list", "tables", "--seeds", "5") == 0
    assert re.fullmatch(r"learning +tables +§2\.2 +4 jobs +0\.1 min  tabular Q-learning on map 3\n", capsys.readouterr().out)


def test_list_is_told_a_number_that_makes_no_sense(capsys):
    with pytest.raises(SystemExit):
        command.main(["list", "--seeds", "99999999999"])
    assert "--seeds: 99999999999 is no number from 1 to 10000" in capsys.readouterr().err


def test_publish_joins_the_blocks(main, tmp_path, monkeypatch, capsys):
    out, shelf = tmp_path / "out", tmp_path / "shelf"
    assert main("run", "learning", "tiny-one", "--seeds", 5, "--out", out) == 0
    assert main("publish", out, "--seeds", 5, "--to", shelf) == 0
    assert re.search(r"\d kB  learning\n.*\d kB  tiny-one\n", capsys.readouterr().out) is None  # in the catalogue's order
    monkeypatch.setattr(results, "shelf", lambda: shelf)
    assert results.names() == ["learning", "tiny-one"]
    stored = results.stored("tiny-one")
    expected = np.stack([np.random.default_rng(seed).normal(size=4) for seed in range(5)]).astype(np.float32)
    np.testing.assert_array_equal(stored.arrays["numbers"], expected)
    np.testing.assert_array_equal(stored.arrays["probe.numbers"], [np.random.default_rng(s).normal(size=2).astype("f4") for s in (0, 1)])
    assert stored.about["seeds"] == [0, 1, 2, 3, 4] and stored.about["machine"] == [machine_type()]
    assert stored.about["configuration"] == tiny.EXPERIMENTS[0].configuration()
    # A run of lanes gives the numbers that each run alone gives.
    alone = run_block(tiny.LEARNING, [3])[0]["durations"]
    np.testing.assert_array_equal(results.stored("learning").arrays["durations"][3:4], alone)


def test_publish_refuses_what_is_incomplete(main, tmp_path, capsys):
    out, shelf = tmp_path / "out", tmp_path / "shelf"
    assert main("publish", tmp_path / "nowhere", "--to", shelf) == 2
    assert main("run", "tiny-one", "tiny-two", "--seeds", 4, "--out", out) == 0
    assert main("publish", out, "tiny-one", "--seeds", 6, "--to", shelf) == 1
    assert "tiny-one is incomplete in" in (error := capsys.readouterr().err) and "tiny-one/seeds-0004-0005" in error
    (out / "tiny-two" / "probe.npz").write_bytes(b"")
    assert main("publish", out, "--seeds", 4, "--to", shelf) == 1
    assert "tiny-two/probe: " in (error := capsys.readouterr().err) and "is damaged" in error
    assert main("publish", out, "failing", "--seeds", 4, "--to", shelf) == 1
    assert not shelf.exists()  # all or nothing


def test_publish_refuses_too_much(main, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(publishing, "LARGEST", 100)
    assert main("run", "tiny-one", "--seeds", 4, "--out", tmp_path / "out") == 0
    assert main("publish", tmp_path / "out", "--seeds", 4, "--to", tmp_path / "shelf") == 1
    assert "MB, wanted at most" in capsys.readouterr().err
    assert list((tmp_path / "shelf").iterdir()) == []


def test_blocks_that_do_not_fit_are_refused(tmp_path):
    jobs = plan([tiny.EXPERIMENTS[0]], 4)
    jobs[0].path(tmp_path).parent.mkdir()
    for job in jobs:
        arrays, about = run_block(*job)
        results.write(job.path(tmp_path), {"numbers": arrays["numbers"][:, : 3 + job.seeds[0] // 2]}, about)
    with pytest.raises(publishing.Refused, match=r"numbers differs from block to block \(float32 \[R, 3\]; float32 \[R, 4\]\)"):
        publishing.collect(tiny.EXPERIMENTS[0], 4, tmp_path)


def test_report(main, tmp_path, capsys):
    assert main("run", "tiny-one", "--seeds", 2, "--out", tmp_path) == 0
    capsys.readouterr()
    assert main("report", "--out", tmp_path, "--seeds", 2) == 0
    said = capsys.readouterr().out
    assert re.search(r"no-outliers +§1\.2 +confirmed\n +claim: normal numbers stay below nine\n +data: +the largest number is \d\.\d", said)
    assert re.search(r"never-run +not judged yet: no result of tiny-two\n", said)
    assert "1 confirmed, 1 not judged yet\n1 of the 8 experiments" in said
    assert command.main(["report"]) == 0  # of the shipped results, whichever are there


def test_a_verdict_is_one_of_three():
    claim = Claim("odd", "", "?", (), lambda found: Verdict("perhaps", ""))
    with pytest.raises(ValueError, match="judge of odd gave 'perhaps', wanted one of confirmed"):
        reporting.judge(claim, lambda name: None)


# ---- experiments ----


@pytest.mark.parametrize(
    "change, words",
    [
        ({"name": "Two Words"}, "name is 'Two Words'"),
        ({"title": ""}, "title is ''"),
        ({"train": lambda tasks, config, seeds: None}, "train is <function"),
        ({"config": {"numbers": 3}}, "wanted a frozen dataclass"),
        ({"probe": {"number": 2}}, "probe replaces ['number']"),
        ({"probe": {}}, "probe replaces nothing"),
        ({"seeds_per_job": 0}, "seeds_per_job is 0"),
        ({"config": distral_sql.Config(beta_prime=torch.ones(3)), "probe": {"steps": 50}}, "config.beta_prime is a Tensor"),
    ],
)
def test_an_experiment_that_could_not_be_run_is_refused(change, words):
    with pytest.raises(ValueError) as error:
        dataclasses.replace(tiny.EXPERIMENTS[0], **change)
    assert words in str(error.value)


def test_tasks_by_number_and_by_identifier():
    one, other = make_tasks((4, "CartPole-v1"))
    assert torch.equal(one.reward, load_map(4).mdp().reward)
    assert other.env_id == "CartPole-v1"


def test_jobs_cover_the_seeds_once():
    jobs = plan([tiny.EXPERIMENTS[0], tiny.LEARNING], 5)
    blocks = ("probe", "seeds-0000-0001", "seeds-0002-0003", "seeds-0004-0004")
    assert [job.name for job in jobs[:4]] == [f"tiny-one/{block}" for block in blocks]
    assert [seed for job in jobs[5:] for seed in job.seeds] == [0, 1, 2, 3, 4]
    assert jobs[0].seeds == (0, 1) and jobs[0].probe
    assert Job(tiny.LEARNING, (0, 1)).seconds == 1 and Job(tiny.LEARNING, (4,)).seconds == 0.5


def test_two_experiments_of_one_name_are_refused():
    one = types.SimpleNamespace(__name__="one", EXPERIMENTS=tiny.EXPERIMENTS[:2])
    assert catalogue.gather([one]) == (tiny.EXPERIMENTS[:2], ())
    with pytest.raises(ValueError, match="'tiny-one' is given twice"):
        catalogue.gather([one, one])


# ---- measures ----


def test_first_episodes_cut_and_pad():
    values = torch.tensor([[[3.0, 4, np.nan]], [[5, 6, 7]]], dtype=torch.float64)
    np.testing.assert_array_equal(measures.first_episodes(values, 2), [[[3, 4]], [[5, 6]]])
    padded = measures.first_episodes(values, 4)
    np.testing.assert_array_equal(padded, [[[3, 4, np.nan, np.nan]], [[5, 6, 7, np.nan]]])
    assert padded.dtype == np.float32


def test_bins_leave_out_what_is_not_there():
    np.testing.assert_array_equal(measures.binned([[1, 3, 5, np.nan, np.nan, np.nan]], 3), [[2, 5, np.nan]])
    with pytest.raises(ValueError, match="5 entries, wanted a multiple of bins = 2"):
        measures.binned(np.ones(5), 2)


def test_expected_steps_of_learned_policies():
    tasks = [load_map(number).mdp() for number in (4, 5)]
    greedy = torch.stack([dynamic_programming.policy_iteration(task, 0.99).policy for task in tasks]).clamp(1e-300).log()  # [K, S, A]
    steps = measures.expected_steps(tasks, greedy.expand(3, *greedy.shape))
    np.testing.assert_allclose(steps, [[13, 9]] * 3, rtol=1e-6)  # the shortest paths
    again = measures.expected_steps(tasks, torch.stack([greedy, greedy], 1)[None])  # snapshots in between
    assert again.shape == (1, 2, 2)
    exploring = measures.expected_steps(tasks, greedy[None], epsilon=1.0)[0]
    uniform = measures.expected_steps(tasks, torch.full_like(greedy, 0.2).log()[None])[0]
    np.testing.assert_allclose(exploring, uniform, rtol=1e-6)


# ---- the shipped catalogue and its results ----

EXPERIMENTS, CLAIMS = catalogue.load()
BY_NAME = {experiment.name: experiment for experiment in EXPERIMENTS}
STORED = [name for name in BY_NAME if name in results.names()]
ONE_OF_EACH_FAMILY = list({BY_NAME[name].family: name for name in reversed(STORED)}.values())


def test_the_programme_can_be_sent_to_workers_and_said_in_json():
    for experiment in EXPERIMENTS:
        assert pickle.dumps(experiment)
        for probe in (False, True):
            assert json.loads(json.dumps(experiment.configuration(probe))) == experiment.configuration(probe)


def test_the_programme_has_every_run_of_soft_q_learning_in_the_thesis():
    groups = ("45", "78", "457", "45678")
    for end in ("", "-tables"):
        wanted = {f"{method}-{group}{end}" for method in ("sql", "d1-sql", "d2-sql", "d1beta") for group in groups}
        wanted |= {f"betaprime-{value}{end}" for value in (2, 3, 4, 6, 7, 8, 9, 10, 50, 100)}  # 1 and 5 are d1-sql-45 and d1beta-45
        wanted |= {f"lowbeta-{value}{end}" for value in (1, 2, 3, 4)} | {f"sql10-sql{end}", f"sql10-d2-sql{end}"}
        assert wanted - BY_NAME.keys() == set()
    for name, other in (("d1-sql-45", "sql-45"), ("d2-sql-45678-tables", "sql-45678-tables")):  # one schedule, one rate for both (F5)
        one, two = BY_NAME[name].config, BY_NAME[other].config
        method = {"columns", "distil", "steps", "beta_prime"}
        assert {key for key, value in vars(one).items() if value != getattr(two, key)} <= method


def test_claims_need_experiments_of_the_programme():
    assert {name for claim in CLAIMS for name in claim.needs} - BY_NAME.keys() == set()


def test_every_claim_with_results_has_a_verdict():
    verdicts = {claim.name: reporting.judge(claim, lambda name: results.stored(name) if name in STORED else None) for claim in CLAIMS}
    assert {name: one for name, one in verdicts.items() if one is not None and (one.verdict not in VERDICTS or not one.evidence)} == {}
    judged = {claim.name for claim in CLAIMS if set(claim.needs) <= set(STORED)}
    assert {name for name, one in verdicts.items() if one is not None} == judged


def verdict_of(claim, **steps):
    """The verdict of a claim on planted runs: the expected steps of the last policies, by experiment."""
    wanted = {one.name: one for one in CLAIMS}[claim]
    planted = {}
    for name in wanted.needs:
        last = np.asarray(steps[name.replace("-", "_")], dtype=float)
        durations = np.tile(last[..., None], 60)
        about = {"configuration": BY_NAME[name].configuration()}
        planted[name] = results.Stored(name, about, {"steps": last[..., None], "durations": durations})
    return reporting.judge(wanted, planted.get).verdict


def test_claims_are_judged_by_the_numbers():
    short, long = np.full((20, 2), 15.0), np.full((20, 2), 30.0)
    assert verdict_of("one-column-worse-45", d1_sql_45=long, sql_45=short) == "confirmed"
    assert verdict_of("one-column-worse-45", d1_sql_45=short, sql_45=long) == "not confirmed"
    assert verdict_of("two-columns-better-45", d2_sql_45=short, sql_45=long) == "confirmed"
    assert verdict_of("two-columns-better-45", d2_sql_45=short, sql_45=short) == "not confirmed"
    assert verdict_of("beta-rivals-45", d1beta_45=short, d2_sql_45=short) == "confirmed"
    assert verdict_of("beta-rivals-45", d1beta_45=1.3 * short, d2_sql_45=short) == "confirmed with a caveat"
    assert verdict_of("beta-rivals-45", d1beta_45=long, d2_sql_45=short) == "not confirmed"
    exact = np.tile([144.3, 101.4], (20, 1))  # of beta' = 1
    assert verdict_of("fixed-point-45", d1_sql_45=exact) == "confirmed"
    assert verdict_of("fixed-point-45", d1_sql_45=1.25 * exact) == "confirmed with a caveat"
    assert verdict_of("fixed-point-45", d1_sql_45=exact / 2) == "not confirmed"
    assert verdict_of("beta-prime-saturates", betaprime_10=long, betaprime_100=0.95 * long) == "confirmed"
    assert verdict_of("beta-prime-saturates", betaprime_10=long, betaprime_100=short) == "not confirmed"
    assert verdict_of("low-beta-overflows", lowbeta_1=1000 + 0 * short, lowbeta_4=long) == "not confirmed"
    assert verdict_of("low-beta-overflows", lowbeta_1=np.inf + short, lowbeta_4=long) == "confirmed"
    five = np.full((20, 5), 15.0)
    assert verdict_of("more-tasks-worse", d2_sql_45=short, d2_sql_45678=2 * five) == "confirmed"
    assert verdict_of("more-tasks-worse", d2_sql_45=short, d2_sql_45678=five) == "not confirmed"
    worse = dict.fromkeys(("d1_sql_45678", "d1_ac_45678", "d2_ac_45678"), 2 * five)
    assert verdict_of("overall", d2_sql_45678=five, **worse) == "confirmed"
    assert verdict_of("overall", d2_sql_45678=3 * five, **worse) == "not confirmed"


def test_an_episode_that_was_not_reached_counts_as_the_longest_allowed():
    """Two runs of one task, 200 episodes of 10 steps; the second run ended only 30 of them."""
    durations = np.full((2, 1, 200), 10.0)
    durations[1, 0, 30:] = np.nan
    one = results.Stored("d2-sql-45", {"configuration": BY_NAME["d2-sql-45"].configuration()}, {"durations": durations})
    assert judges.late_episodes(one).shape == (2, 1, 50)
    assert judges.late_episodes(one).mean(-1).tolist() == [[10.0], [1000.0]]
    assert judges.early_episodes(one).tolist() == [10.0, (30 * 10 + 20 * 1000) / 50]


def test_claims_about_actor_critic_are_judged_by_the_numbers():
    solved, unsolved = np.full((20, 2), 12.0), np.full((20, 2), 300.0)
    assert verdict_of("ac-unsolved-d1-ac-45", d1_ac_45=unsolved) == "confirmed"
    assert verdict_of("ac-unsolved-d1-ac-45", d1_ac_45=solved) == "not confirmed"
    five = np.full((20, 5), 300.0)
    assert verdict_of("ac-more-tasks-worse-d1-ac", d1_ac_45=solved, d1_ac_45678=five) == "confirmed"
    assert verdict_of("ac-more-tasks-worse-d1-ac", d1_ac_45=unsolved, d1_ac_45678=five) == "not confirmed"
    names = ("a2c_45678_fair_0.003", "d1_ac_45678_fair_0.003", "d2_ac_45678_fair_0.003")
    assert verdict_of("ac-fair-0.003", **dict(zip(names, (five, five / 2, five / 3), strict=True))) == "confirmed"
    assert verdict_of("ac-fair-0.003", **dict(zip(names, (five, five / 2, 2 * five), strict=True))) == "confirmed with a caveat"
    assert verdict_of("ac-fair-0.003", **dict(zip(names, (five, 2 * five, 2 * five), strict=True))) == "not confirmed"


def test_stored_results_are_of_the_present_configurations():
    assert set(results.names()) - BY_NAME.keys() == set()
    stale = {name: differences(results.stored(name).about["configuration"], BY_NAME[name].configuration()) for name in STORED}
    assert {name: changes for name, changes in stale.items() if changes} == {}


@pytest.mark.parametrize("name", ONE_OF_EACH_FAMILY)
def test_a_stored_configuration_gives_the_stored_numbers_again(name):
    experiment, stored = BY_NAME[name], results.stored(name)
    assert stored.about["probe"]["config"] == experiment.configuration(probe=True)["config"]
    arrays, _ = run_block(experiment, stored.about["probe"]["seeds"], probe=True)
    assert {f"probe.{key}" for key in arrays} == {key for key in stored.arrays if key.startswith("probe.")}
    for key, array in arrays.items():
        close = {"rtol": experiment.tolerance, "atol": experiment.tolerance}
        np.testing.assert_allclose(array, stored.arrays[f"probe.{key}"], err_msg=key, **close)
