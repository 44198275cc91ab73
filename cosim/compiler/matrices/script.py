"""The instruction words of every unit for a frame.

Cycles after the first cycle of a step in which each instruction issues; it is in force two cycles later
(docs/fabric.md). A step has 300 cycles, as the paper's; how they are divided is our assumption.

=======  ============================================================================
issue    instruction
=======  ============================================================================
0        MESH of every tile whose switches change
2        first step: ARRAY precharge, which ends where the integration begins
18       ARRAY integrate; in force 20
20       ILP: PULSE fire; pulses in cycles 22 to 276
279      ARRAY integrate off; the event is in cycle 281
4        reading tile: READOUT ramp; the event is in cycle 6, pulses from 14
6        OLP: COUNT open; it counts from cycle 8
12 + e   reading tile: READOUT output_enable; open from cycle 14 + e
267 + e  reading tile: READOUT off; closed from cycle 269 + e, so that no pulse is longer than 255
292      OLP: COUNT store; it counts to cycle 293
=======  ============================================================================

e is the readout's enable offset; a shorter duration closes the window earlier. Behind the last frame every switch opens
and no tile shares its capacitors any more, so that any entry may run after any other one.
"""

from collections.abc import Mapping

from cosim.compiler.matrices.frames import Frame, Reading, Readout, Source, Stream, Timing, Vector, Work
from cosim.compiler.words import PAD_LEAD, STEP_CYCLES, frames_per_run, looped
from cosim.isa.words import ILP, OLP, TILE, Operation
from cosim.program import InputSlot, OutputSlot, Program, Unit
from rtl.config import ChipConfig

__all__ = ["write_frame"]

_MESH, _PRECHARGE, _INTEGRATE, _FIRE, _STOP = 0, 2, 18, 20, 279
_RAMP, _OPEN, _ENABLE, _DISABLE, _STORE = 4, 6, 12, 267, 292


def write_frame(frame: Frame, readouts: Mapping[str, Readout], timing: Timing, config: ChipConfig) -> Program:
    """The program of an entry; units that it does not use are left out.

    Raises
    ------
    MappingError
        If the words do not fit, or the pads do not hold the frames asked for.
    """
    inputs, outputs = _inputs(frame), _outputs(frame)
    script = _Script(frame, timing, config)
    for work in frame.works:
        script.array(work, readouts[work.block].capacitors)
    for reading in frame.readings:
        for source in reading.sources:
            script.ramp(reading, source, readouts[source.block])
    script.mesh()
    script.input_pads(inputs)
    script.output_pads()
    return script.program(inputs, outputs, frames_per_run(inputs, outputs, timing.frames_per_run, config))


def _vectors(stream: Stream) -> tuple[Vector, ...]:
    """Those that a stream needs, each once."""
    return tuple(dict.fromkeys(stream.turns))


def _inputs(frame: Frame) -> tuple[InputSlot, ...]:
    slots = []
    for number, stream in enumerate(frame.streams):
        vectors = _vectors(stream)
        for ilp in stream.ilps:
            for at, vector in enumerate(vectors):
                for sign in (1, -1):
                    slot, stride = 2 * at + (sign < 0), 2 * len(vectors)
                    slots.append(InputSlot(ilp, slot, stride, 2 * number + at, vector.first, vector.count, sign))
    return tuple(slots)


def _outputs(frame: Frame) -> tuple[OutputSlot, ...]:
    by_olp: dict[int, list[Reading]] = {}
    for reading in sorted(frame.readings, key=lambda reading: reading.step):
        by_olp.setdefault(reading.olp, []).append(reading)
    return tuple(
        OutputSlot(reading.output, 0, reading.olp, by_olp[reading.olp].index(reading), len(by_olp[reading.olp]), width)
        for reading in frame.readings
        for width in (reading.width,)
    )


class _Script:
    """Operations of every unit at cycles of frame 0."""

    def __init__(self, frame: Frame, timing: Timing, config: ChipConfig) -> None:
        self.frame, self.timing, self.config = frame, timing, config
        self.sequences: dict[Unit, list[tuple[int, Operation]]] = {}
        self.before: dict[Unit, list[Operation]] = {}
        self.after: dict[Unit, list[Operation]] = {}

    def at(self, unit: Unit, cycle: int, mnemonic: str, **fields: int) -> None:
        self.sequences.setdefault(unit, []).append((cycle, Operation(mnemonic, fields)))

    def array(self, work: Work, capacitors: int) -> None:
        unit, hold = Unit(TILE, work.tile), {"capacitors": capacitors}
        if work.partner:
            hold[f"share_{work.partner}"] = 1
        self.at(unit, _PRECHARGE, "ARRAY", **hold, precharge=1)  # until the first integration
        for step, read in work.phases():
            start = step * STEP_CYCLES
            self.at(unit, start + _INTEGRATE, "ARRAY", **hold, **read, integrate=1)
            self.at(unit, start + _STOP, "ARRAY", **hold, **read)
        if work.partner:
            self.after.setdefault(unit, []).append(Operation("ARRAY"))

    def ramp(self, reading: Reading, source: Source, readout: Readout) -> None:
        unit = Unit(TILE, source.tile)
        start = (self.frame.integration_steps + reading.step) * STEP_CYCLES
        ramp = {"ramp": 1, "ramp_start": readout.ramp_start, "ramp_slope": readout.ramp_slope}
        shorter = self.config.max_code - self.timing.duration
        self.at(unit, start + _RAMP, "READOUT", **ramp)
        self.at(unit, start + _ENABLE + readout.enable_offset, "READOUT", **ramp, output_enable=1)
        self.at(unit, start + _DISABLE + readout.enable_offset - shorter, "READOUT")

    def mesh(self) -> None:
        """MESH wherever a tile's switches change; a frame begins with those that the one before it left."""
        first = self.frame.integration_steps
        starts = [0, *((first + step) * STEP_CYCLES for step in range(self.frame.readout_steps))]
        for tile in sorted({tile for ways in self.frame.ways for tile in ways}):
            unit = Unit(TILE, tile)
            settings = [dict(ways.get(tile, {})) for ways in self.frame.ways]
            for start, before, now in zip(starts, [settings[-1], *settings], settings, strict=False):
                if now != before or (start == 0 and now):
                    self.at(unit, start + _MESH, "MESH", **now)
            if settings[-1]:
                self.after.setdefault(unit, []).append(Operation("MESH"))

    def input_pads(self, inputs: tuple[InputSlot, ...]) -> None:
        for stream in self.frame.streams:
            vectors = _vectors(stream)
            slots = [2 * vectors.index(vector) + sign for vector in stream.turns for sign in (0, 1)]
            following = [*slots[1:], slots[0] + 2 * len(vectors)]
            for unit in (Unit(ILP, ilp) for ilp in stream.ilps):
                for step, (slot, after) in enumerate(zip(slots, following, strict=True)):
                    self.at(unit, step * STEP_CYCLES + _FIRE, "PULSE", fire=1, advance=after - slot)
                self.before[unit] = [Operation("PULSE", {"load_pointer": 1, "pointer": slots[0]})]

    def output_pads(self) -> None:
        shorter = {"seven_bits": 1} if self.timing.readout_bits == 7 else {}
        for reading in self.frame.readings:
            unit = Unit(OLP, reading.olp)
            start = (self.frame.integration_steps + reading.step) * STEP_CYCLES
            self.at(unit, start + _OPEN, "COUNT", open=1)
            self.at(unit, start + _STORE, "COUNT", store=1, **shorter)
            self.before[unit] = [Operation("COUNT", {"load_pointer": 1})]

    def program(self, inputs: tuple[InputSlot, ...], outputs: tuple[OutputSlot, ...], frames: int) -> Program:
        units, origins = {}, {}
        for unit in sorted(self.sequences, key=lambda unit: (unit.kind.value, unit.index)):
            sequence = sorted(self.sequences[unit], key=lambda item: item[0])
            origin = 0 if unit.kind is TILE else sequence[0][0] - PAD_LEAD
            if origin:
                origins[unit] = origin
            units[unit] = looped(
                unit,
                sequence,
                self.config,
                origin=origin,
                period=self.frame.ns,
                frames=frames,
                before=self.before.get(unit, ()),
                after=self.after.get(unit, ()),
            )
        return Program(
            config=self.config,
            frame_cycles=self.frame.ns,
            frames_per_run=frames,
            units=units,
            inputs=inputs,
            outputs=outputs,
            origins=origins,
            duration=self.timing.duration,
        )
