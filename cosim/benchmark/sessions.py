"""Frame by frame on open sessions: how long a host waits, and what sessions side by side gain."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.benchmark.work import random_inputs
from cosim.engines.session import ChipSession

__all__ = ["Latency", "SideBySide"]


def _work(session: ChipSession, frames: int) -> tuple[str, NDArray[np.int16]]:
    """The first entry of a session's image, and inputs of so many frames."""
    entry, program = next(iter(session.image.entries.items()))
    return entry, program.input_codes(random_inputs(program.input_width, frames))


@dataclass
class Latency:
    """Runs of one frame on an open session.

    Members
    -------
    wall_s : list of float
        Of each run, as the host sees it.
    parts : dict of str to list of float
        The engine's own parts of each: its statistics that end in ``_s``, but for sums and rates.
    """

    wall_s: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)

    def take(self, session: ChipSession) -> None:
        """Run one frame more."""
        entry, codes = _work(session, 1)
        if not self.wall_s:  # what a first run makes for all others is none of theirs
            session.run(entry, codes, [0])
        before = dict(session.statistics)
        started = perf_counter()
        session.run(entry, codes, [1 + len(self.wall_s)])
        self.wall_s.append(perf_counter() - started)
        for name, value in session.statistics.items():
            if name.endswith("_s") and not name.endswith("_per_s") and name not in ("wall_s", "startup_s", "cpu_s"):
                self.parts.setdefault(name, []).append(value - before[name])

    @property
    def ms(self) -> float:
        """Of a run, median."""
        return 1000 * median(self.wall_s)

    @property
    def parts_ms(self) -> dict[str, float]:
        """Of each part, median; names without a unit."""
        return {name.removesuffix("_s"): 1000 * median(times) for name, times in self.parts.items()}

    def to_json(self) -> dict[str, Any]:
        return {"ms": self.ms, **{f"{name}_ms": ms for name, ms in self.parts_ms.items()}, "samples_s": self.wall_s}


@dataclass
class SideBySide:
    """Sessions that run at the same time, against the same sessions one after the other.

    Members
    -------
    gains : list of float
        Throughput over that of one after the other, round by round.
    """

    gains: list[float] = field(default_factory=list)

    def take(self, sessions: Sequence[ChipSession], frames: int = 2) -> None:
        """Run some frames on each, first in turns and then at once."""

        def run(session: ChipSession) -> None:
            entry, codes = _work(session, frames)
            session.run(entry, codes, np.arange(frames))

        if not self.gains:  # a first run also makes what the others find
            for session in sessions:
                run(session)
        started = perf_counter()
        for session in sessions:
            run(session)
        turned = perf_counter()
        with ThreadPoolExecutor(len(sessions)) as pool:
            for done in [pool.submit(run, session) for session in sessions]:
                done.result()
        self.gains.append((turned - started) / (perf_counter() - turned))

    @property
    def gain(self) -> float:
        return median(self.gains)

    def to_json(self) -> dict[str, Any]:
        return {"gain": self.gain, "samples": self.gains}
