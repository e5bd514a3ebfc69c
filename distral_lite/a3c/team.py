"""The worker processes as the parent sees them: started, listened to, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing import connection, resource_tracker
from typing import Any

from torch import multiprocessing

from distral_lite.a3c.state import STOP, WAIT, WORK, Config, Record, Shared
from distral_lite.a3c.worker import work

PATIENCE = 10.0  # seconds that a worker told to stop may take before it is ended
POLL = 0.05  # seconds between two looks at the workers
# Looks in a row that find a worker suspended: then it is given up. (Control-Z suspends the
# parent too, and with it the looks.)
SUSPENDED = 40


class WorkerError(RuntimeError):
    """A worker process failed, died or was suspended. The others have been stopped."""


class Team:
    """The worker processes, seen from the parent. As a context it lets none of them outlive it, whatever happens inside.

    Args:
        shared: what they share.
        config: settings.
        arguments: the others of `work`: tasks, seeds, task numbers.
    """

    def __init__(self, shared: Shared, config: Config, *arguments: Any) -> None:
        """Prepares the processes; entering the context starts them."""
        self._shared, self._config, self._arguments = shared, config, arguments
        self.processes: list[Any] = []
        self.records: dict[int, Record] = {}
        self._pipes: dict[int, Any] = {}
        self._ready = 0
        self._suspended: Counter[int] = Counter()

    def __enter__(self) -> Team:
        """Starts all workers. They block the keyboard's interrupt from birth on: it reaches the whole group, and is the parent's affair."""
        tasks, seeds, ids = self._arguments
        context = multiprocessing.get_context("spawn")
        try:
            with _interrupts_held():
                for worker in range(self._config.workers):
                    self._pipes[worker], theirs = context.Pipe(duplex=False)
                    arguments = (worker, self._shared, tasks, self._config, seeds, ids, theirs)
                    process = context.Process(target=work, args=arguments, name=f"a3c worker {worker}", daemon=True)
                    process.start()
                    self.processes.append(process)
                    theirs.close()  # theirs alone: when they die, our end says so
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        """Ends whoever is still there, and waits until they are gone."""
        self._shared.phase.fill_(STOP)
        if len(self.records) == self._config.workers:
            for process in self.processes:
                process.join(PATIENCE)  # they have said all and are on their way out
        for process in self.processes:
            process.kill()  # importing or suspended, it hears nothing else
        for process in self.processes:
            process.join(PATIENCE)
        for pipe in self._pipes.values():
            pipe.close()

    def attend(self, look: Callable[[], None], patience: float = float("inf")) -> None:
        """Waits until every worker has sent its record, or for `patience` seconds, looking after things now and then.

        Args:
            look: called some times a second.
            patience: in seconds.

        Raises:
            WorkerError: a worker died, was suspended or raised an exception.
        """
        end = time.monotonic() + patience
        while len(self.records) < self._config.workers and time.monotonic() < end:
            pending = {pipe: worker for worker, pipe in self._pipes.items() if worker not in self.records}
            for pipe in connection.wait(list(pending), POLL):
                self._hear(pending[pipe], pipe)
            self._refuse_suspended()
            look()

    def stop(self, look: Callable[[], None]) -> None:
        """Tells the workers to stop; if they have begun, waits for what they have learned.

        Args:
            look: as in `attend`, which waits for `PATIENCE` at most.
        """
        began = int(self._shared.phase) == WORK
        self._shared.phase.fill_(STOP)
        if began:
            self.attend(look, PATIENCE)

    def _hear(self, worker: int, pipe: Any) -> None:
        """Takes a worker's message. A dead worker's pipe is closed by the system, and that is heard as well."""
        try:
            kind, content = pipe.recv()
        except (EOFError, OSError):
            words = f"died {self._when()} ({self._cause(worker)}); the others were stopped."
            raise self._error(worker, words) from None
        if kind == "failed":
            words = f"raised an exception; the others were stopped. Its words:\n{content}"
            raise self._error(worker, words)
        if kind == "ready":
            self._ready += 1
            if self._ready == self._config.workers and int(self._shared.phase) == WAIT:
                self._shared.phase.fill_(WORK)  # all begin together
        else:
            self.records[worker] = content

    def _refuse_suspended(self) -> None:
        """Raises where a worker is suspended: it sends nothing, and closes nothing either."""
        for worker, process in enumerate(self.processes):
            waiting = worker not in self.records and suspended(process.pid)
            self._suspended[worker] = self._suspended[worker] + 1 if waiting else 0
            if self._suspended[worker] > SUSPENDED:
                words = f"was suspended {self._when()} and does not go on; all were ended."
                raise self._error(worker, words)

    def _error(self, worker: int, words: str) -> WorkerError:
        who = f"worker {worker} of {self._config.workers}"
        return WorkerError(f"a3c.train: {who} {words}")

    def _when(self) -> str:
        return f"after {int(self._shared.steps.sum())} of {self._config.steps} steps"

    def _cause(self, worker: int) -> str:
        """Why a worker's process ended, in words."""
        process = self.processes[worker]
        process.join(PATIENCE)
        code = process.exitcode
        if code is not None and code < 0:
            return f"killed by signal {-code}, {signal.Signals(-code).name}"
        hint = "" if self._ready == self._config.workers else "; in a script, call train under `if __name__ == '__main__':`"
        return f"exit code {code}{hint}"


def suspended(child: int) -> bool:
    """Whether a child process is suspended, by SIGSTOP for example.

    Args:
        child: its number.

    Returns:
        False also where it has ended, and where the system does not tell: on Windows,
        and on macOS before Python 3.13.
    """
    if not hasattr(os, "waitid"):
        return False
    only_look = os.WNOHANG | os.WNOWAIT
    try:
        return os.waitid(os.P_PID, child, os.WSTOPPED | only_look) is not None
    except ChildProcessError:
        return False


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Holds the keyboard's interrupt back, where the system can: processes started meanwhile never get it, and it is not lost."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
