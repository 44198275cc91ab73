"""Sweeps that take no time, and one to be killed: ``python -m tests.cosim.sweep.swept FOLDER CHIPS WORKERS``."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cosim.files.archive import read_arrays, write_arrays
from cosim.sweep import Given, Outcome, Point, Processes, Shown, Store, Stored, Subject, Sweep, SweepError, grid
from cosim.sweep.points import Cell
from cosim.sweep.sweep import Measure
from cosim.sweep.workers import GB

#: Enough for numpy and scipy.
MEMORY = 0.5 * GB


class Here:
    """An executor that does tasks at once, in this process; what it did is kept."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def submit(self, function, *arguments):
        future: Future = Future()
        try:
            future.set_result(function(*arguments))
            self.done += [point.key for task in arguments[1] for point in task]
        except BaseException as error:
            future.set_exception(error)
        return future


def here() -> Given:
    return Given(Here(), window=1)  # type: ignore[arg-type]


def table(folder: Path) -> bytes:
    (path,) = folder.glob("results.*")
    return path.read_bytes()


def save(values: np.ndarray, path: Path) -> None:
    write_arrays(path, {"values": values})


def load(path: Path) -> np.ndarray:
    return read_arrays(path, "values")["values"]


@dataclass(frozen=True)
class Drawn:
    """Figures that are drawn from what all points share.

    Parameters
    ----------
    shared : Stored
    delay_s : float
        That a point takes.
    """

    shared: Stored[np.ndarray]
    delay_s: float = 0.0

    def __call__(self, point: Point) -> Mapping[str, Cell]:
        time.sleep(self.delay_s)
        rng = np.random.default_rng([point.seed, int(point.age_s), len(point.devices)])
        return {
            "score": float(rng.normal(self.shared.value.mean(), 0.1)),
            "software": 0.9,
            "right": int(rng.integers(0, 100)),
            "word": "even" if point.seed % 2 == 0 else "odd",
            "missing": None if point.seed == 0 else 1.5,
        }


@dataclass(frozen=True)
class Dying:
    """Ends its worker the first times that it is called: it leaves a file for each."""

    times: int
    drawn: Drawn

    def __call__(self, point: Point) -> Mapping[str, Cell]:
        for number in range(self.times):
            try:
                self.drawn.shared.path.with_name(f"died{number}").touch(exist_ok=False)
            except FileExistsError:
                continue
            os._exit(9)
        return self.drawn(point)


@dataclass(frozen=True)
class Greedy:
    """Takes more memory than a worker may."""

    drawn: Drawn

    def __call__(self, point: Point) -> Mapping[str, Cell]:
        np.ones(int(4 * GB))
        return self.drawn(point)


@dataclass(frozen=True)
class Refusing:
    """Says that it cannot."""

    def __call__(self, point: Point) -> Mapping[str, Cell]:
        raise SweepError(f"{point.key} cannot be")


def drawn(store: Store) -> Drawn:
    return Drawn(shared(store))


def subject(measure: Callable[[Store], Measure] = drawn, **described: str) -> Subject:
    return Subject(
        "drawn figures",
        {"workload": "drawn", **described},
        lambda store, _: measure(store),
        (Shown("score", "score", "software"), Shown("right", "right", unit="")),
        MEMORY,
    )


def shared(store: Store) -> Stored[np.ndarray]:
    return store.put("values.npz", np.linspace(0.5, 1.0, 7), save, load)


def points(chips: int = 6) -> tuple[Point, ...]:
    return grid(range(chips), (3600.0, 86_400.0), ("pcm", "hermes"))


def sweep(folder: Path, workers: Any = None, chips: int = 6, measure: Callable[[Store], Measure] = drawn) -> Outcome:
    with Sweep(folder, subject(measure)) as claimed:
        return claimed.run(points(chips), workers or Processes(1, MEMORY))


if __name__ == "__main__":
    folder, chips, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sweep(folder, Processes(count, MEMORY), chips, lambda store: Drawn(shared(store), delay_s=0.02))
