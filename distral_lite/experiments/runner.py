"""The runner: shares out the jobs that are not done yet, and stores each as soon as it is finished."""

from __future__ import annotations

import errno
import time
import traceback
from concurrent import futures
from pathlib import Path

from tqdm import tqdm

from distral_lite import results
from distral_lite.experiments.executors import Crew
from distral_lite.experiments.experiment import run_block
from distral_lite.experiments.jobs import Claims, Job, differences, expected, state

POLL = 0.5  # seconds after which the runner looks again for jobs that another runner has given up, or for new workers


class Stopped(Exception):
    """The run cannot go on; the text says why and what is kept."""


def run(jobs: list[Job], folder: Path, crew: Crew, progress: bool = True) -> list[Job]:
    """Does all the jobs that are not done, and returns those that failed.

    Any number of runners may work on one folder: each job is done by the one that claims it, and given up when that one ends.

    Args:
        jobs: from `jobs.plan`.
        folder: where the results are and go; it exists.
        crew: from `executors`.
        progress: show a bar with the time left.

    Returns:
        The jobs that raised an exception, each told about on standard error; no other job is stopped by it.

    Raises:
        Stopped: the disk is full, the workers are lost. All finished jobs are kept.
        OSError: a result's file, or that of the claims, cannot be read: a folder in its
            place, say.
        KeyboardInterrupt: likewise.
    """
    todo = [job for job in jobs if not _settled(job, folder, tell=True)]
    claims, running, failed = Claims(folder), {}, []
    left = sum(job.seconds for job in todo)
    print(f"{len(jobs)} jobs, {len(jobs) - len(todo)} done, {len(todo)} to do on {crew.name}", flush=True)
    layout = "{percentage:3.0f}% |{bar}| {postfix[0]} of {postfix[1]} jobs, {elapsed} gone, {remaining} left"
    count = [0, len(todo)]
    with tqdm(total=left, bar_format=layout, postfix=count, mininterval=0, disable=not progress or not todo) as bar:

        def finished(job: Job) -> None:
            claims.give_back(job)
            count[0] += 1
            bar.update(job.seconds)

        try:
            while todo or running:
                for job in _startable(todo, claims, crew.width() - len(running)):
                    todo.remove(job)
                    if _settled(job, folder):  # by another runner, since we looked
                        finished(job)
                    else:
                        results.clean(job.path(folder))
                        running[crew.executor.submit(run_block, *job)] = job
                if not running:
                    time.sleep(POLL)
                for future in futures.wait(running, POLL, futures.FIRST_COMPLETED).done:
                    job = running[future]
                    if not _store(job, future, folder):
                        failed.append(job)
                    del running[future]
                    finished(job)
        finally:
            claims.close()
    return [job for job in jobs if job in failed]


def _startable(todo: list[Job], claims: Claims, room: int) -> list[Job]:
    """As many jobs as there is room for, claimed."""
    taken = []
    for job in todo:
        if len(taken) >= room:
            break
        if claims.take(job):
            taken.append(job)
    return taken


def _settled(job: Job, folder: Path, tell: bool = False) -> bool:
    """Whether a job needs no work; what stands in the way of using a file is told."""
    found = state(job, folder)
    if tell and found.trouble:
        print(f"redone: {found.trouble}", flush=True)
    return found.done


def _store(job: Job, future: futures.Future, folder: Path) -> bool:
    """Stores what a worker made; False where it failed."""
    try:
        arrays, about = future.result()
        foreign = differences(about, expected(job))
        if foreign:
            raise Stopped(f"the worker of {job.name} runs another version of this project ({'; '.join(foreign)})")
    except (futures.BrokenExecutor, futures.CancelledError) as error:
        reason = str(error) or type(error).__name__
        raise Stopped(f"a worker is lost at {job.name}: killed, or out of memory? ({reason})") from error
    except Exception as error:
        if type(error).__name__ == "KilledWorker":  # of Dask, which need not be installed
            raise Stopped(f"the cluster lost every worker that {job.name} was given to: killed, or out of memory?") from error
        story = str(error.__cause__ or "".join(traceback.format_exception(error)))  # a process of the pool sends its own as the cause
        tqdm.write(f"failed: {job.name}\n{story.strip()}")
        return False
    try:
        results.save(job.path(folder), results.pack(arrays, about))
    except OSError as error:
        why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"{error.strerror}"
        raise Stopped(f"{job.name} cannot be stored in {folder}: {why}") from error
    return True
