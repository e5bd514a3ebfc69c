"""Where jobs run: processes of this machine, or the workers of a Dask cluster. Both are executors in the sense of concurrent.futures."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection
from typing import NamedTuple

RETRIES = 3  # times that Dask gives a job of a lost worker to another


class Unreachable(Exception):
    """There is no cluster to run on; the text says why."""


class Gone(Exception):
    """The cluster's scheduler ended in the middle of the work."""


class Crew(NamedTuple):
    """Who does the work.

    Attributes:
        executor: takes functions and gives futures.
        width: how many jobs can run now; a cluster may grow and shrink.
        name: for people.
    """

    executor: Executor
    width: Callable[[], int]
    name: str


@contextmanager
def pool(processes: int) -> Iterator[Crew]:
    """Processes of this machine, started afresh (no fork), each with one thread for its mathematics.

    They end with the runner, however it ends. An interruption (Ctrl-C) is the runner's to answer: `train` would take one for the wish to
    see what there is, and half a run would pass for a whole one.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # inherited; read when they import torch
    before = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield Crew(executor, lambda: processes, f"{processes} process{'es' if processes > 1 else ''}")
        executor.shutdown()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - before:  # a job may last for minutes: nobody waits for it
            worker.kill()
        raise


@contextmanager
def cluster(address: str) -> Iterator[Crew]:
    """The workers of the Dask cluster whose scheduler listens at `address`; this project must be installed where they run.

    Args:
        address: like "tcp://10.0.0.1:8786", as `dask scheduler` prints it.

    Raises:
        Unreachable: Dask is not installed, or nothing answers, for as long as Dask's
            setting distributed.comm.timeouts.connect says.
        Gone: the scheduler ended while it was needed.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise Unreachable("--scheduler needs Dask: pip install 'distral_lite[cluster]'") from error
    try:
        client = Client(address, set_as_default=False)
    except (OSError, ValueError) as error:  # a TimeoutError is an OSError
        raise Unreachable(f"--scheduler {address}: no Dask scheduler answers there ({error})") from error
    with client:
        executor = client.get_executor(pure=False, retries=RETRIES)
        try:
            yield Crew(executor, lambda: max(1, sum(client.nthreads().values())), f"the cluster at {address}")
        except Exception as error:
            severed = isinstance(error, OSError) and error.filename is None  # no file
            if client.status == "running" and not severed:
                raise
            # Its log would tell of a vain search, with a traceback.
            logging.getLogger("distributed.client").disabled = True
            gone = f"the scheduler is gone: nothing answers at {address} any more"
            go_on = "start a scheduler and run the same command to go on"
            raise Gone(f"{gone}. Every finished job is kept; {go_on}") from error
        finally:
            executor.shutdown(wait=False)


def _begin() -> None:
    """What a new process does first: leave interruptions to the runner, and watch for the runner's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this process when its parent has ended: a killed runner cannot tell its workers to stop."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
