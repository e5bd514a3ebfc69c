"""A catalogue of jobs that take a blink, for the tests of the runner: `--catalogue tiny_experiments` with tests/ on PYTHONPATH."""

import os
import signal
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from patience import until

from distral_lite import q_learning
from distral_lite.experiments import Claim, Experiment
from distral_lite.experiments.experiment import Verdict
from distral_lite.experiments.measures import first_episodes

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows either ends a process at once


@dataclass(frozen=True)
class Config:
    numbers: int = 4  # values a run
    diary: str = ""  # a folder in which every job that begins leaves a file
    fails: bool = False
    kills: bool = False  # the job kills its own process


def train(tasks, config, seeds):
    if config.diary:
        Path(config.diary, f"{min(seeds)}-{config.numbers}-{os.getpid()}-{uuid.uuid4().hex}").touch()
        wait_at_the_gate(config.diary)
    if config.fails:
        raise RuntimeError("this experiment always fails")
    if config.kills:
        os.kill(os.getpid(), signal.SIGKILL)
    return np.stack([np.random.default_rng(seed).normal(size=config.numbers) for seed in seeds])


def wait_at_the_gate(diary):
    """Where TINY_GATE names a file: once more than TINY_FREE jobs have begun, a job goes on only when that file is there."""
    gate = os.environ.get("TINY_GATE")
    if gate and len(os.listdir(diary)) > int(os.environ["TINY_FREE"]):
        until(lambda: os.path.exists(gate), "the gate to open")


def measure(run, tasks, config):
    return {"numbers": run.astype(np.float32)}


def measure_wrongly(run, tasks, config):
    return {"numbers": run.mean(0)}


def learn(tasks, config, seeds):
    return q_learning.train(tasks, config, seeds)


def steps_of_episodes(run, tasks, config):
    return {"durations": first_episodes(run.history.durations, 3)}


def tiny(name, measure=measure, **settings):
    about = {"family": "tiny", "title": "numbers from a generator", "probe": {"numbers": 2}, "seeds_per_job": 2, "seconds": 1}
    return Experiment(name, train=train, config=Config(**settings), tasks=(5,), measure=measure, **about)


def gated(diary=""):
    """Two experiments whose jobs can be made to wait, so that something can happen while they run."""
    return tiny("gated-one", diary=diary), tiny("gated-two", numbers=5, diary=diary)


def largest(stored):
    top = float(stored["tiny-one"].arrays["numbers"].max())
    return Verdict("confirmed" if top < 9 else "not confirmed", f"the largest number is {top:.1f}")


LEARNING = Experiment(
    name="learning",
    family="tables",
    title="tabular Q-learning on map 3",
    thesis="2.2",
    train=learn,
    config=q_learning.Config(steps=600, snapshots=2),
    tasks=(3,),
    measure=steps_of_episodes,
    probe={"steps": 300},
    seeds_per_job=2,
    seconds=1,
)
EXPERIMENTS = (
    tiny("tiny-one"),
    tiny("tiny-two", numbers=3),
    *gated(os.environ.get("TINY_DIARY", "")),
    tiny("failing", fails=True),
    tiny("killing", kills=True),
    tiny("shapeless", measure=measure_wrongly),
    LEARNING,
)
CLAIMS = (
    Claim("no-outliers", "1.2", "normal numbers stay below nine", ("tiny-one",), largest),
    Claim("never-run", "", "nobody has looked", ("tiny-two",), largest),
)
