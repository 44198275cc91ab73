"""A chip on the twin that stays open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.chip import AnalogChip
from cosim.engines.physics import Physics
from cosim.engines.session import Closing, Codes, SessionClosedError, check_chip, frame_numbers
from cosim.engines.twin.answers import Answers
from cosim.engines.twin.batch import Batch
from cosim.engines.twin.pulses import Durations
from cosim.fabric.derivation import derive
from cosim.fabric.events import Count, Integrate, Ramp, Schedule, Write
from cosim.isa.vectors import split_signs
from cosim.program import ChipImage, Program

__all__ = ["MVM_INTEGRATIONS", "Plan", "TwinSession"]

#: Of a signed matrix-vector product of one tile: both signs of the inputs, on two pairs of devices or with two vectors.
MVM_INTEGRATIONS = 4


@dataclass(frozen=True)
class Plan:
    """What a program fixes: derived once, used for every batch.

    Parameters
    ----------
    program : Program
    schedule : Schedule
        Of one frame.
    columns : mapping of tile index to int
        How many columns of each tile, from the first on, send pulses to where they make a difference.
    writes : bool
        Whether a frame changes the array for the frames that follow.
    integrations : int
        Of all tiles in a frame; an MVM of a tile takes `MVM_INTEGRATIONS`.
    """

    program: Program
    schedule: Schedule
    columns: Mapping[int, int]
    writes: bool
    integrations: int

    @classmethod
    def of(cls, program: Program) -> "Plan":
        """The plan of a program.

        Raises
        ------
        ScheduleError, IllegalRouteError
            If the program does not run, or an event of its frame makes no sense.
        """
        schedule = derive(program)
        writes = any(isinstance(event, Write) for event in schedule.events)
        integrations = sum(isinstance(event, Integrate) for event in schedule.events)
        return cls(program, schedule, _columns_read(program, schedule), writes, integrations)


class TwinSession(Closing):
    """An image on a chip, ready to run without RTL; `cosim.engines.session.ChipSession`.

    Sessions, and threads, that share a chip take turns: a chip has one set of capacitors.

    Parameters
    ----------
    image : ChipImage
    chip : AnalogChip
        It is worked on, not copied.
    batch : int
        Most frames computed at once.
    plan : callable, optional
        Makes the plan of a program, or has it.
    answers : Answers, optional
        What the chip has answered so far; it need not answer that again.

    Members
    -------
    statistics : mapping
        Sums over all runs: `frames`, their `integrations` of all tiles, `wall_s`, `cpu_s`, and `frames_per_s`. No
        cycles: none are simulated.

    Raises
    ------
    ProgramError
        If image and chip differ in size.
    """

    def __init__(
        self,
        image: ChipImage,
        chip: AnalogChip,
        *,
        batch: int,
        plan: Callable[[Program], Plan] = Plan.of,
        answers: Answers | None = None,
    ) -> None:
        check_chip(image, chip)
        self.image = image
        self._chip: AnalogChip | None = chip
        self._batch, self._make_plan, self._answers = batch, plan, answers
        self._plans: dict[str, Plan] = {}
        self._frames, self._integrations = 0, 0
        self._wall_s, self._cpu_s = 0.0, 0.0

    @property
    def statistics(self) -> Mapping[str, Any]:
        rate = self._frames / self._wall_s if self._wall_s else 0.0
        return {
            "frames": self._frames,
            "integrations": self._integrations,
            "wall_s": self._wall_s,
            "cpu_s": self._cpu_s,
            "frames_per_s": rate,
        }

    def run(self, entry: str, codes: ArrayLike, frames: ArrayLike) -> Codes:
        """Run one frame for each row of `codes`: `ChipSession.run`."""
        if self._chip is None:
            raise SessionClosedError("this session is closed; open another one")
        program = self.image.entry(entry)
        inputs = program.input_codes(codes)
        numbers = frame_numbers(inputs, frames)
        began, cpu_began = perf_counter(), thread_time()
        if entry not in self._plans:
            self._plans[entry] = self._make_plan(program)
        plan = self._plans[entry]
        batch = 1 if plan.writes else self._batch
        parts = [{out.name: np.zeros((0, out.width), np.uint8) for out in program.outputs}]
        with self._chip.at_work():
            for first in range(0, len(inputs), batch):
                some = slice(first, first + batch)
                known = self._answers if not plan.writes else None
                physics = self._chip if known is None else known.batch(numbers[some])
                parts.append(_served(plan, physics, inputs[some], numbers[some]))
        self._frames += len(inputs)
        self._integrations += plan.integrations * len(inputs)
        self._wall_s += perf_counter() - began
        self._cpu_s += thread_time() - cpu_began
        return parts[1] if len(parts) == 2 else {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}

    def close(self) -> None:
        """End the session; a second call does nothing."""
        self._chip = None


def _served(plan: Plan, physics: Physics, codes: NDArray[np.int16], frames: NDArray[np.int64]) -> Codes:
    """Codes of a batch of frames, on their way through the schedule all at once."""
    program = plan.program
    batch = Batch(program.config, physics, frames, _sent(program, codes), plan.columns)
    results = batch.run(plan.schedule.events)
    return {out.name: results[out.olp, out.slot][:, : out.width] for out in program.outputs}


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
