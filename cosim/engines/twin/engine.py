"""The twin engine: a Program on the analog models without RTL, whole batches at a time; or Experiments.

It walks the schedule of one frame event by event, for all frames of a batch at once (an experiment is a batch of one).
Pulses are pairs of cycles; a row's high time is the overlap of pulse, enable window, route and integration. For equal
seeds its codes are those of the RTL engine, bit for bit.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from cosim.engines.results import Results
from cosim.engines.twin.batch import Batch
from cosim.engines.twin.experiments import Memory, perform
from cosim.engines.twin.pulses import Durations
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.fabric.derivation import derive
from cosim.fabric.events import Count, Integrate, Ramp, Schedule, Write
from cosim.isa.vectors import split_signs
from cosim.program import Program, ProgramError

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
    """

    def __init__(self, *, batch: int = 256) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self.batch = batch
        self._derived: tuple[Program, Schedule, dict[int, int]] | None = None  # of the last program

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Results:
        """Run one frame for each row of `inputs`.

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

        Raises
        ------
        ProgramError, VectorError
            If chip and program differ in size; on inputs of another width, or out of range.
        """
        config = program.config
        ours, theirs = (config.lanes, config.bias_rows, config.lanes), (chip.rows, chip.bias_rows, chip.column_count)
        if ours != theirs:
            raise ProgramError(
                f"the program's tiles have {ours} rows, bias rows and columns, the analog chip's {theirs}"
            )
        if self._derived is None or self._derived[0] is not program:
            schedule = derive(program)
            self._derived = program, schedule, _columns_read(program, schedule)
        _, schedule, columns = self._derived
        # A write changes the array for the frames that follow.
        batch = 1 if any(isinstance(event, Write) for event in schedule.events) else self.batch
        codes = program.input_codes(inputs)
        began = time.perf_counter()
        parts = []
        for first in range(0, len(codes), batch):
            part = codes[first : first + batch]
            frames = first_frame + first + np.arange(len(part), dtype=np.int64)
            done = Batch(config, chip, frames, _sent(program, part), columns).run(schedule.events)
            parts.append({out.name: done[out.olp, out.slot][:, : out.width] for out in program.outputs})
            if progress is not None:
                progress(first + len(part), len(codes))
        outputs = {
            out.name: np.concatenate([part[out.name] for part in parts])
            if parts
            else np.zeros((0, out.width), np.uint8)
            for out in program.outputs
        }
        runs = -(-len(codes) // program.frames_per_run)
        statistics = {
            "frames": len(codes),
            "cycles": runs * program.frames_per_run * program.frame_cycles,
            "wall_s": time.perf_counter() - began,
        }
        return Results.of("twin", program, outputs, first_frame=first_frame, statistics=statistics)

    def perform(
        self, experiments: Sequence[Experiment], *, progress: Callable[[int, int], None] | None = None
    ) -> list[Record]:
        """Run legal experiments one after the other in one session, as `RtlEngine.perform` does.

        Parameters
        ----------
        experiments : sequence of Experiment
            For one chip.
        progress : callable (done, all), optional

        Returns
        -------
        list of Record

        Raises
        ------
        ExperimentError
            If an experiment does what the chip would flag, runs into a word that nobody wrote, asks the physics for
            what it cannot do, or is for another chip than the one before it.
        """
        records: list[Record] = []
        memory: Memory | None = None
        for experiment in experiments:
            memory = memory or Memory(experiment.config)
            if experiment.config != memory.config:
                raise ExperimentError(f"{experiment.name} is for another chip than the experiment before it")
            began = time.perf_counter()
            record = perform(experiment, memory)
            records.append(replace(record, statistics={"wall_s": time.perf_counter() - began}))
            if progress is not None:
                progress(len(records), len(experiments))
        return records


def _sent(program: Program, codes: NDArray[np.int16]) -> dict[tuple[int, int], Durations]:
    """What each ILP of a program sends from each slot, (frames, lanes) ns."""
    magnitudes = dict(zip((1, -1), split_signs(codes), strict=True))
    vectors: dict[tuple[int, int], Durations] = {}
    for slot in program.inputs:
        empty = np.zeros((len(codes), program.config.lanes), np.uint16)
        vector = vectors.setdefault((slot.ilp, slot.slot), empty)
        vector[:, : slot.count] = magnitudes[slot.sign][:, slot.first : slot.first + slot.count]
    return vectors


def _columns_read(program: Program, schedule: Schedule) -> dict[int, int]:
    """How many columns of each tile, from the first on, send pulses to where they make a difference."""
    widths = {(out.olp, out.slot): out.width for out in program.outputs}
    found: dict[int, int] = {}
    for event in schedule.events:
        for link in event.links if isinstance(event, Integrate | Count | Write) else ():
            if isinstance(link.source, Ramp):
                count = int(np.flatnonzero(link.lanes)[-1]) + 1 if link.lanes.any() else 0
                if isinstance(event, Count):
                    count = min(count, widths.get((event.olp, event.slot), 0))
                found[link.source.tile] = max(found.get(link.source.tile, 1), count)
    for north, south in program.config.floorplan.capacitor_pairs():
        if north in found and south in found:
            found[north] = found[south] = max(found[north], found[south])
    return found
