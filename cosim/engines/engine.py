"""What runs programs on chips, whichever it is; and a run from its first frame to its last as a loop over a session."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from cosim.engines.results import Results
from cosim.engines.session import ChipSession, Codes, checked_first_frame
from cosim.experiment import Record
from cosim.program import ChipImage, Program

__all__ = ["Engine", "Progress", "RunInterrupted", "SessionEngine", "run_frames"]

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
    """Ctrl-C during a run; `results` holds the frames, or the records, that were finished."""

    def __init__(self, results: Results | list[Record]) -> None:
        super().__init__()
        self.results = results


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
