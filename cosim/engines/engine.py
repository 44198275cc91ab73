"""What runs programs on chips, whichever it is; and a run from its first frame to its last as a loop over a session."""

import signal
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from types import FrameType, TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from cosim.engines.results import Results
from cosim.engines.session import ChipSession, Codes, checked_first_frame
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.program import ChipImage, Program
from rtl.config import ChipConfig

__all__ = [
    "Engine",
    "Progress",
    "RunInterrupted",
    "SessionEngine",
    "Watch",
    "check_experiment",
    "perform_each",
    "run_frames",
]

#: Called now and then with what is done, and all there is.
Progress = Callable[[int, int], None]


class Engine(Protocol):
    """What runs a program from its first frame to its last: the RTL engine, the twin, and what stands before them."""

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Progress | None = None,
    ) -> Results: ...


class SessionEngine(Engine, Protocol):
    """An engine that opens chips: the RTL engine and the twin."""

    def open(self, image: ChipImage | Program, chip: AnalogChip) -> ChipSession:
        """Put an image on a chip that has the weights programmed.

        Raises
        ------
        ProgramError
            If image and chip, or image and engine, differ in size.
        """


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C during a run.

    Members
    -------
    results : Results or list of Record
        The frames, or the records, that were finished.
    partial : (Experiment, Record) or None
        The experiment that was going on, with `cycles` reduced to those that went by, and the record of that: the same
        as if it had been run so.
    """

    def __init__(self, results: Results | list[Record], partial: tuple[Experiment, Record] | None = None) -> None:
        super().__init__()
        self.results, self.partial = results, partial


#: Seconds between two looks of a `Watch`.
_LOOK_S = 0.2


class Watch:
    """An eye on a run that may take long: it tells how far the run is, and keeps a first Ctrl-C until it is asked.

    A run that asks between two cycles ends in order, with what was done so far. A second Ctrl-C ends it at once.

    Parameters
    ----------
    progress : callable (done, all), optional
        Called now and then.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        #: Whether a run has been told that it is to end.
        self.over = False
        self._kept = False
        self._last = monotonic()
        self._handles = False

    def __enter__(self) -> Self:
        # Another thread gets no signals, and a handler of somebody else's is left in place.
        main = threading.current_thread() is threading.main_thread()
        self._handles = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._handles:
            signal.signal(signal.SIGINT, self._keep)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handles:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _keep(self, number: int, frame: FrameType | None) -> None:
        self._kept = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def check(self, records: list[Record]) -> None:
        """Between two experiments: a Ctrl-C since the last question ends the session after `records`."""
        if self._kept:
            raise RunInterrupted(records)

    def interrupted(self, done: int, total: int) -> bool:
        """Whether the run is to end, of which `done` cycles of `total` have gone by."""
        if self._progress is not None and monotonic() - self._last > _LOOK_S:
            self._progress(done, total)
            self._last = monotonic()
        self.over = self._kept
        return self._kept


def check_experiment(experiment: Experiment, config: ChipConfig) -> None:
    """Make sure that an experiment is for the chip of an engine.

    Raises
    ------
    ExperimentError
    """
    if experiment.config != config:
        raise ExperimentError(f"{experiment.name} is for another chip than the engine's; give the engine its `config`")


def perform_each(
    experiments: Sequence[Experiment],
    perform: Callable[[Experiment, Watch], tuple[Experiment, Record]],
    *,
    progress: Progress | None = None,
    cycles: Progress | None = None,
) -> list[Record]:
    """Perform experiments one after the other.

    Parameters
    ----------
    experiments : sequence of Experiment
    perform : callable
        Gives an experiment as far as it came, with fewer cycles if the watch ended it, and its record.
    progress : callable (experiments done, experiments in all), optional
    cycles : callable (cycles done, cycles at most), optional
        Called now and then within an experiment.

    Raises
    ------
    RunInterrupted
        On Ctrl-C; it carries what was finished, and what was going on if that ended in order.
    """
    records: list[Record] = []
    try:
        with Watch(cycles) as watch:
            for experiment in experiments:
                done, record = perform(experiment, watch)
                if done.cycles < experiment.cycles:
                    raise RunInterrupted(records, (done, record))
                records.append(record)
                watch.check(records)
                if progress is not None:
                    progress(len(records), len(experiments))
    except RunInterrupted:
        raise
    except KeyboardInterrupt:
        raise RunInterrupted(records) from None
    return records


def run_frames(
    engine: str,
    session: ChipSession,
    inputs: ArrayLike,
    *,
    group: int,
    first_frame: int = 0,
    progress: Progress | None = None,
) -> Results:
    """Run one frame for each row of `inputs` on a fresh session whose image has one entry.

    Parameters
    ----------
    engine : str
        Its name, for the results.
    session : ChipSession
        Nothing has run on it, so that its statistics are those of this run.
    inputs : (frames, width)
        Floats in [-1, 1], or integers as signed codes, -255 to 255.
    group : int
        Frames that are run at once; it changes speed, no code.
    first_frame : int
        Number of the first frame; it keys the noise.
    progress : callable (frames done, frames in all)
        Called after each group.

    Raises
    ------
    ProgramError, VectorError
        On inputs of another width, or out of range.
    RunInterrupted
        On Ctrl-C; it carries what was finished.
    """
    ((entry, program),) = session.image.entries.items()
    codes = program.input_codes(inputs)
    first_frame = checked_first_frame(first_frame, len(codes))
    parts: list[Codes] = [{out.name: np.zeros((0, out.width), np.uint8) for out in program.outputs}]

    def results() -> Results:
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return Results.of(engine, program, joined, first_frame=first_frame, statistics=dict(session.statistics))

    try:
        for first in range(0, len(codes), group):
            part = codes[first : first + group]
            parts.append(session.run(entry, part, first_frame + first + np.arange(len(part))))
            if progress is not None:
                progress(first + len(part), len(codes))
    except KeyboardInterrupt:
        raise RunInterrupted(results()) from None
    return results()
