"""A sweep: a table of points, and a pure function of a point, on any executor.

::

    checkpoint.json            what determines the results, in words: workload, data, code
    shared/DIGEST/             clips, networks, images: what workers read
    done.jsonl                 points that are done, line by line
    results.parquet or .csv    the points with what was measured there, in their order
    work.parquet or .csv       who did each point, and how long it took

`results` has the same bytes on whichever workers, and however often any process was killed; `work` does not.
"""

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from cosim.files.json_text import from_json, to_json
from cosim.sweep.journal import Done, Journal
from cosim.sweep.pace import Pace
from cosim.sweep.points import Cell, Point, SweepError, chips_of
from cosim.sweep.run import run_all
from cosim.sweep.stored import Store
from cosim.sweep.table import Row, write_table
from cosim.sweep.workers import GB, Processes, Workers
from cosim.system.checkpoint import Checkpoint, code_digest

__all__ = ["Measure", "Outcome", "Shown", "Subject", "Sweep"]


class Measure(Protocol):
    """What is measured at a point: a pure function, pickled by name with what is `Stored`."""

    def __call__(self, point: Point) -> Mapping[str, Cell]:
        """Figures by name, the same names at every point."""


@dataclass(frozen=True)
class Shown:
    """A figure that pictures and summaries show.

    Parameters
    ----------
    key : str
        Its name among the values of a point.
    words : str
        For people.
    reference : str
        Name of software's figure, "" if there is none.
    unit : str
        "%": shares are shown in it; else the values as they are.
    """

    key: str
    words: str
    reference: str = ""
    unit: str = "%"

    @property
    def factor(self) -> float:
        """From a value to what is shown."""
        return 100.0 if self.unit == "%" else 1.0


@dataclass(frozen=True)
class Subject:
    """What is swept.

    Parameters
    ----------
    title : str
        For people: what on which data.
    described : mapping of str to str
        What determines the results beside points and code.
    measure : callable (store, points) -> Measure
        Puts into the store what the points share.
    shown : tuple of Shown
        The first one is drawn.
    memory : float
        Bytes that a worker takes for a point.
    """

    title: str
    described: Mapping[str, str]
    measure: Callable[[Store, Sequence[Point]], Measure]
    shown: tuple[Shown, ...]
    memory: float = 2 * GB


@dataclass(frozen=True)
class Outcome:
    """What a sweep found.

    Parameters
    ----------
    subject : Subject
    points : tuple of Point
    done : tuple of Done
        In the order of the points.
    results, work : Path
        The two tables.
    fresh : int
        Points that this run did; earlier ones did the others.
    """

    subject: Subject
    points: tuple[Point, ...]
    done: tuple[Done, ...]
    results: Path
    work: Path
    fresh: int

    @property
    def rows(self) -> list[Row]:
        """Points and values."""
        return [point.columns() | dict(done.values) for point, done in zip(self.points, self.done, strict=True)]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep and its folder; a context manager that keeps other processes out of it.

    Parameters
    ----------
    folder : Path
    subject : Subject

    Raises
    ------
    CheckpointError
        On entering, if the folder is another sweep's, was filled by other code, or is in use.
    """

    folder: Path
    subject: Subject
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    def __enter__(self) -> "Sweep":
        self._stack.enter_context(Checkpoint(self.folder, {**self.subject.described, "code": code_digest()}))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(
        self,
        points: Sequence[Point],
        workers: Workers | None = None,
        *,
        say: Callable[[str, int, int], None] = lambda words, done, total: None,
    ) -> Outcome:
        """Do the points that are not done, and write the tables.

        Parameters
        ----------
        points : sequence of Point
        workers : Workers, optional
            By default a process on every core.
        say : callable (words, done, all), optional

        Raises
        ------
        SweepError
            If a worker has other code, or a point takes more memory than a worker may.
        WorkersDied, OutputError
        KeyboardInterrupt
            Or whatever else ends it: what is done is kept.
        """
        workers = workers or Processes(memory=self.subject.memory)
        journal = Journal(self.folder / "done.jsonl")
        found = {point.key: journal.found[point.key] for point in points if point.key in journal.found}
        missing = [point for point in points if point.key not in found]
        earlier, pace = len(found), Pace(len(missing))
        measure = self.subject.measure(Store(self.folder / "shared"), points)
        say(f"on {workers}", len(found), len(points))
        for _, fresh in run_all(partial(_points_done, measure, code_digest()), chips_of(missing), workers):
            for one in fresh:
                journal.add(one)
                found[one.point] = one
            pace.add(len(fresh))
            say(str(pace), len(found), len(points))
        done = tuple(found[point.key] for point in points)
        rows = [
            point.columns() | dict(one.values) | {"code": code_digest()}
            for point, one in zip(points, done, strict=True)
        ]
        works = [
            point.columns() | {"host": one.host, "wall_s": one.wall_s, "cpu_s": one.cpu_s}
            for point, one in zip(points, done, strict=True)
        ]
        return Outcome(
            self.subject,
            tuple(points),
            done,
            write_table(self.folder / "results", rows),
            write_table(self.folder / "work", works),
            len(found) - earlier,
        )


def _points_done(measure: Measure, code: str, points: Sequence[Point]) -> list[Done]:
    """What a worker does for the points of a chip."""
    if code_digest() != code:
        raise SweepError(
            f"the worker on {socket.gethostname()} has other code ({code_digest()[:12]}) than the sweep ({code[:12]}); "
            "install the same version of duramesh, numpy and scipy there"
        )
    found = []
    for point in points:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            values = from_json(to_json(measure(point)))  # as it is read again, whichever worker it came from
        except MemoryError as error:
            raise SweepError(
                f"{point.key}: out of memory on {socket.gethostname()} ({error}); give workers "
                "more with --memory, and have fewer of them"
            ) from None
        found.append(
            Done(point.key, values, socket.gethostname(), time.perf_counter() - wall, time.process_time() - cpu)
        )
    return found
