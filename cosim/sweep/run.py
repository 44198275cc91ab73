"""Tasks on workers: each is done once, and again if its worker has died on the way."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from cosim.files.errors import UserError
from cosim.files.wording import counted
from cosim.sweep.workers import Pool, Workers

__all__ = ["WorkersDied", "run_all"]

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Deaths in a row, without a task that is done between them, that are no accident.
_DEATHS = 5


class WorkersDied(UserError, RuntimeError):
    """Workers die again and again; the message says on what."""


def run_all(
    function: Callable[[Task], Result], tasks: Sequence[Task], workers: Workers
) -> Iterator[tuple[Task, Result]]:
    """Each task with its result, as they come, in any order.

    Parameters
    ----------
    function : callable (task) -> result
        Pure, and pickled by its name: a function of a module, a `partial` of one, or an object with `__call__`.
    tasks : sequence
    workers : Workers

    Raises
    ------
    WorkersDied
        If workers die and nothing gets done.
    Exception
        The first that a task raises; workers are ended, what was yielded counts.
    """
    share = max(1, workers.share(len(tasks)))
    waiting = deque(tasks[at : at + share] for at in range(0, len(tasks), share))
    if waiting:
        with workers.opened() as pool:
            yield from _run(function, waiting, pool)


def _run(
    function: Callable[[Task], Result], waiting: deque[Sequence[Task]], pool: Pool
) -> Iterator[tuple[Task, Result]]:
    running: dict[Future[Any], Sequence[Task]] = {}
    deaths = 0
    while waiting or running:
        died = None
        try:
            while waiting and len(running) < pool.window:
                future = pool.submit(_done, function, waiting[0])
                running[future] = waiting.popleft()
        except pool.lost as error:
            died = error
        for future in wait(running, return_when=FIRST_COMPLETED).done if running else ():
            tasks = running.pop(future)
            try:
                results = future.result()
            except pool.lost as error:
                died = error
                waiting.append(tasks)
                continue
            deaths = 0
            yield from zip(tasks, results, strict=True)
        if died is not None:
            deaths += 1
            if deaths > _DEATHS:
                raise WorkersDied(
                    f"workers died {counted(deaths, 'time')}, and nothing got done ({type(died).__name__}: {died}). "
                    "Is there enough memory? Fewer workers take less; the system's log says what ended them"
                ) from died
            if pool.renew():
                waiting.extend(running.values())
                running.clear()


def _done(function: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """What a worker does."""
    return [function(task) for task in tasks]
