"""Taking times: samples in processes of their own, whose products use one thread, in turns or side by side.

Machines are noisy, and noise comes in bursts. So every case is sampled once a round, round after round: a burst hits
all of them alike, and the median of the rounds forgets it. A sample has wall time and CPU time; of one thread, CPU time
is what the wall time would be if it had its core for itself.
"""

import math
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter, process_time
from typing import Any, ParamSpec, TypeVar

__all__ = ["Sample", "Series", "Worker", "sample", "together"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Sample:
    """One measurement: `items` were done in so many seconds."""

    items: float
    wall_s: float
    cpu_s: float


@dataclass
class Series:
    """The samples of one case.

    Parameters
    ----------
    processes : int
        Of one process rates are over CPU time, of several side by side over wall time.
    """

    processes: int = 1
    samples: list[Sample] = field(default_factory=list)

    def rates(self) -> list[float]:
        """Items a second, in the order of the rounds."""
        return [s.items / (s.cpu_s if self.processes == 1 else s.wall_s) for s in self.samples]

    @property
    def per_s(self) -> float:
        """Items a second, median."""
        return median(self.rates())

    @property
    def wall_per_s(self) -> float:
        """Items a second of wall time, median."""
        return median(s.items / s.wall_s for s in self.samples)

    @property
    def spread(self) -> float:
        """Distance between the fastest and the slowest round, as a share of the median."""
        return (max(self.rates()) - min(self.rates())) / self.per_s

    def over(self, other: "Series") -> float:
        """This case's time for an item over another's: the median of the rounds' ratios."""
        return median(b / a for a, b in zip(self.rates(), other.rates(), strict=True))

    def to_json(self) -> dict[str, Any]:
        """Medians, spread, and all samples."""
        return {
            "per_s": self.per_s,
            "wall_per_s": self.wall_per_s,
            "spread": self.spread,
            "samples": [[s.items, s.wall_s, s.cpu_s] for s in self.samples],
        }


def sample(work: Callable[[], object], items: float, calls: int) -> Sample:
    """Time so many calls of `work`, which does `items` a call."""
    wall, cpu = perf_counter(), process_time()
    for _ in range(calls):
        work()
    return Sample(items * calls, perf_counter() - wall, process_time() - cpu)


def calls_for(work: Callable[[], object], items: float, least_s: float) -> int:
    """How many calls of `work` take about `least_s`: the first ones are slow, so it is called for a quarter of that."""
    work()
    calls = 1
    while (taken_s := sample(work, items, calls).cpu_s) < least_s / 4:
        calls *= 2
    return math.ceil(calls * least_s / taken_s)


class Worker:
    """A process that measures, with one thread for numpy's products; a context manager."""

    def __init__(self) -> None:
        # Ctrl-C reaches every process of a terminal; it is the parent that decides what becomes of a sample.
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=signal.signal,
            initargs=(signal.SIGINT, signal.SIG_IGN),
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def submit(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Begin to call a function of a module in the process."""
        with _environment(dict.fromkeys(_THREADS, "1")):  # the first call starts the process
            return self._pool.submit(function, *args, **kwargs)

    def call(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call a function of a module in the process, and wait for it."""
        return self.submit(function, *args, **kwargs).result()


def together(workers: Sequence[Worker], function: Callable[_P, Sample], *args: _P.args, **kwargs: _P.kwargs) -> Sample:
    """Take a sample in every process at the same time: all of their items, over the longest of their times."""
    futures = [worker.submit(function, *args, **kwargs) for worker in workers]
    samples = [future.result() for future in futures]
    return Sample(
        sum(one.items for one in samples), max(one.wall_s for one in samples), sum(one.cpu_s for one in samples)
    )


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
