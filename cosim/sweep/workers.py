"""Who does the work: processes of this machine, or any other executor of Python's `concurrent.futures`."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from cosim.engines.twin.threads import use_one_thread

__all__ = ["GB", "Given", "Pool", "Processes", "Workers", "cores", "free_bytes", "prepare_worker"]

GB = 1e9


class Pool(Protocol):
    """Open workers."""

    @property
    def window(self) -> int:
        """Tasks that are handed out at once: so many that no worker waits for the next."""

    @property
    def lost(self) -> tuple[type[BaseException], ...]:
        """What a task ends with if its worker has died."""

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Hand out a task."""

    def renew(self) -> bool:
        """Go on after a worker has died; whether all tasks that were handed out are lost with it."""


class Workers(Protocol):
    """Who does the work."""

    def opened(self) -> AbstractContextManager[Pool]:
        """Start them; when the context is left, however that is, none of them works on."""

    def share(self, tasks: int) -> int:
        """How many of so many tasks are handed out together: one, unless handing out takes long."""

    def __str__(self) -> str:
        """In words."""


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def free_bytes() -> float:
    """Memory that processes may still take here: what the system has, or what it grants this process's group."""
    limits = [float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, StopIteration, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits.append(1024.0 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        limits.append(float((group / "memory.max").read_text()) - float((group / "memory.current").read_text()))
    return min(limits)


def prepare_worker(memory: float | None) -> None:
    """What a process is told before its first task: one BLAS thread, and how much memory it may take, in bytes.

    What needs more ends with a MemoryError, and not with the machine.
    """
    use_one_thread()
    if memory is not None:
        with suppress(ImportError, ValueError, OSError):
            import resource

            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            wanted = int(memory) if most == resource.RLIM_INFINITY else min(int(memory), most)
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))


@dataclass(frozen=True)
class Processes:
    """Processes of this machine.

    Parameters
    ----------
    count : int, optional
        By default one for each core, as far as memory goes.
    memory : float
        Bytes that each of them may take.
    """

    count: int | None = None
    memory: float = 2 * GB

    @property
    def number(self) -> int:
        """How many there are."""
        return self.count or max(1, min(cores(), int(free_bytes() // self.memory)))

    def share(self, tasks: int) -> int:
        return 1

    def __str__(self) -> str:
        return f"{self.number} {'process' if self.number == 1 else 'processes'}, up to {self.memory / GB:.3g} GB each"

    @contextmanager
    def opened(self) -> Iterator[Pool]:
        pool = _Processes(self.number, self.memory)
        try:
            yield pool
        finally:
            pool.stop()


class _Processes:
    """A `ProcessPoolExecutor` whose workers end with this process, whatever ends it, and when they are told to.

    Every worker listens to a pipe to which nobody writes: when its other end is closed, by `stop` or because this
    process is gone, the worker ends at once, in the middle of anything. Workers are started anew (spawn), not forked: a
    fork has copies of all locks, but not of the threads that would open them.
    """

    lost = (BrokenExecutor,)

    def __init__(self, count: int, memory: float) -> None:
        self.window, self._memory = 2 * count, memory
        self._count = count
        self._start()

    def _start(self) -> None:
        context = get_context("spawn")
        ear, self._held = context.Pipe(duplex=False)
        self._ear = ear  # workers are started as tasks come
        self._executor = ProcessPoolExecutor(self._count, context, initializer=_listen, initargs=(ear, self._memory))

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        # A worker may be started here. Ctrl-C reaches every process in the foreground: it is for this one to end them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._executor.submit(function, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def renew(self) -> bool:
        self.stop()
        self._start()
        return True

    def stop(self) -> None:
        self._held.close()
        self._ear.close()
        self._executor.shutdown(cancel_futures=True)


def _listen(ear: Connection, memory: float) -> None:
    """Begin a worker: end as soon as nobody holds the other end."""

    def end() -> None:
        with suppress(EOFError, OSError):
            ear.recv_bytes()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()
    prepare_worker(memory)


@dataclass(frozen=True)
class Given:
    """An executor of somebody else's, who starts and ends it.

    Parameters
    ----------
    executor : Executor
    window : int
        Tasks that are handed out at once.
    lost : tuple of exceptions
        What a task ends with if its worker has died, so that it is handed out again.
    """

    executor: Executor
    window: int = 16
    lost: tuple[type[BaseException], ...] = ()

    def share(self, tasks: int) -> int:
        return 1

    def __str__(self) -> str:
        return type(self.executor).__name__

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        return self.executor.submit(function, *arguments)

    def renew(self) -> bool:
        return False  # whoever gave the executor mends it

    @contextmanager
    def opened(self) -> Iterator[Pool]:
        yield self
