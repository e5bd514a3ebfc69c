"""Chapter 05: A3C (the thesis's Algorithm S3) with real worker processes that share their parameters and do not wait for one another.

Each worker is a process of its own with worlds of its own. Parameters, RMSprop's averages and the counters live in shared memory; nothing
is locked, so a worker may read parameters that another is just writing, as in the original (Mnih et al., 2016, section 4).
What is learned depends on who comes first, so two runs differ: only their distribution is reproducible, or a run with one worker.

A worker carries all [R, K] lanes at once. Each lane has parameters of its own; the lanes share the workers' timing.
"""

from distral_lite.a3c.state import Agent, Config, History, Run
from distral_lite.a3c.team import WorkerError
from distral_lite.a3c.training import train
from distral_lite.a3c.worker import learn, losses, rmsprop

__all__ = ["Agent", "Config", "History", "Run", "WorkerError", "learn", "losses", "rmsprop", "train"]
