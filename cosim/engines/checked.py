"""Two engines, one truth: a run on one engine, and every code of it held against a second one."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from cosim.engines.engine import Engine, RunInterrupted
from cosim.engines.results import Results
from cosim.files.errors import UserError
from cosim.program import Program

__all__ = ["CheckedEngine", "EngineDifference"]


class EngineDifference(UserError):
    """Two engines gave different codes for the same frames; the message names the first one."""


class CheckedEngine:
    """An engine whose codes must be those of a second one.

    Parameters
    ----------
    engine : Engine
        Gives the results.
    reference : Engine
        Runs the same frames afterwards, on the same chip.
    names : sequence of str
        What the frames are, from frame 0 on; for messages.
    """

    def __init__(self, engine: Engine, reference: Engine, names: Sequence[str] = ()) -> None:
        self.engine, self.reference, self.names = engine, reference, names

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Results:
        """Run both, and compare.

        Returns
        -------
        Results
            Those of `engine`; `statistics` has `compared_codes` and `reference_s` in addition, the reference's wall
            time.

        Raises
        ------
        EngineDifference
            If any code of any output differs.
        KeyboardInterrupt
            On Ctrl-C. Frames that were finished but not compared are lost.
        """
        try:
            ours = self.engine.run(program, chip, inputs, first_frame=first_frame, progress=progress)
        except RunInterrupted:
            raise KeyboardInterrupt from None
        theirs = self.reference.run(program, chip, inputs, first_frame=first_frame)
        if difference := ours.difference(theirs, self.names):
            raise EngineDifference(f"{ours.engine} and {theirs.engine} differ: {difference}")
        statistics = {"compared_codes": ours.code_count, "reference_s": theirs.statistics["wall_s"]}
        return replace(ours, statistics={**ours.statistics, **statistics})
