"""The twin engine: a Program on the analog models without RTL, whole batches at a time; or Experiments.

It walks the schedule of one frame event by event, for all frames of a batch at once (an experiment is a batch of one).
Pulses are pairs of cycles; a row's high time is the overlap of pulse, enable window, route and integration. For equal
seeds its codes are those of the RTL engine, bit for bit.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from numpy.typing import ArrayLike

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.values import whole_number
from cosim.engines.engine import Progress, Watch, check_experiment, perform_each, run_frames
from cosim.engines.results import Results
from cosim.engines.twin.answers import Answers
from cosim.engines.twin.experiments import Memory, perform
from cosim.engines.twin.session import Plan, TwinSession
from cosim.experiment import Experiment, Record
from cosim.program import ChipImage, Program

__all__ = ["TwinEngine", "make_chip"]


def make_chip(program: Program, analog: AnalogConfig | None = None, *, seed: int = 0, chip: int = 0) -> AnalogChip:
    """The analog part of a chip for `program`, with the tiles' mismatch drawn and nothing programmed yet.

    `analog_models.programming.program(chip, program.targets)` puts the weights in.
    """
    config = program.config
    return AnalogChip(
        analog or AnalogConfig(),
        tiles=program.tiles,
        pairs=dict(config.floorplan.capacitor_pairs()),
        rows=config.lanes,
        bias_rows=config.bias_rows,
        columns=config.lanes,
        seed=seed,
        chip=chip,
    )


class TwinEngine:
    """Runs programs and experiments on analog chips without RTL; the counterpart of `RtlEngine`.

    Parameters
    ----------
    batch : int
        Frames computed at once; changes memory and speed, no result. Larger ones are slower again: their arrays leave
        the caches, and the system hands out fresh memory for each.
    remembers : bool
        Keep what the last chip has answered, and do not compute it again: for somebody who runs the same frames time
        after time and changes a part of the chip, as a calibration does.
    """

    def __init__(self, *, batch: int = 256, remembers: bool = False) -> None:
        self.batch = whole_number(batch, "batch", 1, 1 << 20)
        self._plan: Plan | None = None  # of the last program
        self._image: ChipImage | None = None  # the same
        self._remembers = remembers
        self._answers: Answers | None = None  # of the last chip

    def _planned(self, program: Program) -> Plan:
        if self._plan is None or self._plan.program is not program:
            self._plan = Plan.of(program)
        return self._plan

    def open(self, image: ChipImage | Program, chip: AnalogChip) -> TwinSession:
        """Put an image, or a program as an image whose one entry is called `main`, on a chip.

        Parameters
        ----------
        image : ChipImage or Program
        chip : AnalogChip
            With the weights programmed, e.g. from `make_chip`.

        Raises
        ------
        ProgramError
            If image and chip differ in size.
        """
        if isinstance(image, Program):
            if self._image is None or self._image.entries["main"] is not image:
                self._image = ChipImage.of(image)
            image = self._image
        if self._remembers and (self._answers is None or self._answers.chip is not chip):
            self._answers = Answers(chip)
        return TwinSession(image, chip, batch=self.batch, plan=self._planned, answers=self._answers)

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Progress | None = None,
    ) -> Results:
        """Run one frame for each row of `inputs`, in a session of its own.

        Parameters
        ----------
        program : Program
        chip : AnalogChip
            With the weights programmed, e.g. from `make_chip`.
        inputs : (frames, width)
            Floats in [-1, 1], or integers as signed codes, -255 to 255.
        first_frame : int
            Number of the first frame; it keys the noise.
        progress : callable (done, all), optional

        Returns
        -------
        Results
            `statistics` are those of `TwinSession`.

        Raises
        ------
        ProgramError, VectorError
            If chip and program differ in size; on inputs of another width, or out of range.
        RunInterrupted
            On Ctrl-C; it carries what was finished.
        """
        with self.open(program, chip) as session:
            return run_frames("twin", session, inputs, group=self.batch, first_frame=first_frame, progress=progress)

    def perform(
        self,
        experiments: Sequence[Experiment],
        *,
        progress: Progress | None = None,
        cycles: Progress | None = None,
    ) -> list[Record]:
        """Run legal experiments one after the other in one session, as `RtlEngine.perform` does.

        Parameters
        ----------
        experiments : sequence of Experiment
            For one chip.
        progress : callable (experiments done, experiments in all), optional
        cycles : callable (cycles done, cycles at most), optional
            Called now and then within an experiment.

        Returns
        -------
        list of Record

        Raises
        ------
        ExperimentError
            If an experiment does what the chip would flag, runs into a word that nobody wrote, asks the physics for
            what it cannot do, or is for another chip than the first one.
        RunInterrupted
            On Ctrl-C; it carries what was finished, and what was going on as far as it came.
        """
        memory: Memory | None = None

        def performed(experiment: Experiment, watch: Watch) -> tuple[Experiment, Record]:
            nonlocal memory
            memory = memory or Memory(experiment.config)
            check_experiment(experiment, memory.config)
            began = time.perf_counter()
            done, record = perform(experiment, memory, watch)
            return done, replace(record, statistics={"wall_s": time.perf_counter() - began})

        return perform_each(experiments, performed, progress=progress, cycles=cycles)
