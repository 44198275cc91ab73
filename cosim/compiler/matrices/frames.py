"""What one frame of an entry does, and the words that do it.

A frame is a row of steps of 300 ns: two of integration for each turn, x+ then x-, and one to three of readout. In which
turn a tile is at work, and how, follows from its mode:

========  ==================================  ==================================
mode      first turn: x+, x-                  second turn: x+, x-
========  ==================================  ==================================
balanced  WP1: charge, discharge              WP2: discharge, charge; the same x
double    WP1 and WP2: charge, discharge
stacked   WP1, or WP2: charge, discharge      WP2: charge, discharge; another x
========  ==================================  ==================================

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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from analog_models.config import AnalogConfig
from cosim.compiler.errors import MappingError
from cosim.compiler.ramp import cycles_to_precharge, signed_ramp
from cosim.compiler.words import PAD_LEAD, STEP_CYCLES, looped
from cosim.isa.words import ILP, OLP, TILE, Operation
from cosim.program import InputSlot, Mode, OutputSlot, Program, Unit
from rtl.config import ChipConfig

__all__ = ["Frame", "Reading", "Readout", "Source", "Stream", "Timing", "Vector", "Work", "write_frame"]

_MESH, _PRECHARGE, _INTEGRATE, _FIRE, _STOP = 0, 2, 18, 20, 279
_RAMP, _OPEN, _ENABLE, _DISABLE, _STORE = 4, 6, 12, 267, 292
#: Latest enable offset that leaves 255 cycles to the end of the readout.
_LAST_ENABLE = 23

#: MeshBank fields of tiles.
Switches = Mapping[int, Mapping[str, int]]


@dataclass(frozen=True)
class Readout:
    """How the sums of a block become durations.

    Parameters
    ----------
    capacitors : int
        50 fF capacitors per column and tile, 1 to 8.
    ramp_start, ramp_slope : int
        READOUT codes.
    enable_offset : int
        Cycles from the first cycle of the pulses to the window that lets them out, 0 to 23.

    Raises
    ------
    MappingError
        On a number out of its range.
    """

    capacitors: int
    ramp_start: int
    ramp_slope: int
    enable_offset: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("capacitors", 1, 8),
            ("ramp_start", 0, 255),
            ("ramp_slope", 1, 255),
            ("enable_offset", 0, _LAST_ENABLE),
        ):
            if not low <= getattr(self, name) <= high:
                raise MappingError(f"{name} of a readout must be {low} to {high}, got {getattr(self, name)}")

    @classmethod
    def signed(cls, duration: int, analog: AnalogConfig, capacitors: int = 5) -> "Readout":
        """Zero in the middle of `duration`, and the nominal swing on both sides.

        250 fF are what the paper typically chose (Nature 620, 768, 2023, Methods).
        """
        return cls(capacitors, *signed_ramp(duration, analog))

    def zero(self, analog: AnalogConfig) -> float:
        """Ideal duration of a sum of zero, ns."""
        step_v = analog.volts_per_cycle(self.ramp_slope)
        return cycles_to_precharge(self.ramp_start, step_v, analog) - self.enable_offset


@dataclass(frozen=True)
class Timing:
    """What all frames have in common.

    Parameters
    ----------
    duration : int
        Code of the largest input, and longest pulse of an output, ns.
    readout_bits : int
        Of an OLP's codes, 8 or 7.
    frames_per_run : int, optional
        By default as many as the pads' SRAMs hold.
    """

    duration: int = 255
    readout_bits: int = 8
    frames_per_run: int | None = None


@dataclass(frozen=True)
class Vector:
    """Inputs of the entry that are sent together: `first` to ``first + count - 1``, on lanes 0 to ``count - 1``."""

    first: int
    count: int


@dataclass(frozen=True)
class Stream:
    """What landing pads send to tiles.

    Parameters
    ----------
    ilps : tuple of int
        More than one where several must send the same, because their ways are cut off from each other.
    turns : tuple of Vector
        One for each turn.
    tiles : tuple of int
        Whose rows hear it.
    """

    ilps: tuple[int, ...]
    turns: tuple[Vector, ...]
    tiles: tuple[int, ...]


@dataclass(frozen=True)
class Work:
    """What a tile integrates.

    Parameters
    ----------
    tile : int
    mode : Mode
    turns : tuple of int
        In mode STACKED, the pair of devices of each turn: 0 is WP1, 1 is WP2. (0, 1) in mode BALANCED, (0,) in DOUBLE.
    block : str
        Whose readout says how many capacitors there are.
    partner : str
        "north" or "south": where the tile is that it shares its capacitors with; empty if there is none.
    """

    tile: int
    mode: Mode
    turns: tuple[int, ...]
    block: str
    partner: str = ""

    def phases(self) -> Iterator[tuple[int, dict[str, int]]]:
        """Steps, and ARRAY fields in each."""
        for turn, pair in enumerate(self.turns):
            both = self.mode is Mode.DOUBLE
            read = {"wp1": int(both or pair == 0), "wp2": int(both or pair == 1)}
            swapped = int(self.mode is Mode.BALANCED and pair == 1)
            yield 2 * turn, {**read, "discharge": swapped}
            yield 2 * turn + 1, {**read, "discharge": 1 - swapped}


@dataclass(frozen=True)
class Source:
    """A tile that is read out, on the lanes of a pattern: low and high halves of two tiles make one vector."""

    tile: int
    block: str
    pattern: str = "all"


@dataclass(frozen=True)
class Reading:
    """One output of the entry.

    Parameters
    ----------
    output : str
        Its name.
    step : int
        Of the readout, from 0 on.
    olp : int
    width : int
        Lanes, from 0 on.
    sources : tuple of Source
        Whose `block` names the readout: of each tile, all blocks that are read together have the same.
    """

    output: str
    step: int
    olp: int
    width: int
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Frame:
    """What an entry does in each frame, at which places of the chip.

    Parameters
    ----------
    streams : tuple of Stream
    works : tuple of Work
    readings : tuple of Reading
    ways : tuple of {tile: {switch: pattern}}
        Switches of the mesh while it integrates, then of each readout step.
    """

    streams: tuple[Stream, ...]
    works: tuple[Work, ...]
    readings: tuple[Reading, ...]
    ways: tuple[Switches, ...]

    @cached_property
    def integration_steps(self) -> int:
        return 2 * max(len(stream.turns) for stream in self.streams)

    @property
    def readout_steps(self) -> int:
        return len(self.ways) - 1

    @property
    def steps(self) -> int:
        return self.integration_steps + self.readout_steps

    @property
    def ns(self) -> int:
        """Time of a frame on the chip."""
        return self.steps * STEP_CYCLES

    @property
    def vectors_in(self) -> int:
        """Vectors that the host writes for a frame."""
        return sum(2 * len(set(stream.turns)) * len(stream.ilps) for stream in self.streams)

    def beats(self, config: ChipConfig) -> int:
        """Beats of 64 bits that a frame's vectors take on the host's ports, in and out."""
        return (self.vectors_in + len(self.readings)) * config.vector_beats


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
    return script.program(inputs, outputs, _frames_per_run(inputs, outputs, timing, config))


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


def _frames_per_run(
    inputs: tuple[InputSlot, ...], outputs: tuple[OutputSlot, ...], timing: Timing, config: ChipConfig
) -> int:
    most = min(
        config.ilp_vectors // max(slot.stride for slot in inputs),
        config.olp_vectors // max(slot.stride for slot in outputs),
    )
    asked = timing.frames_per_run
    if most < 1 or (asked is not None and not 1 <= asked <= most):
        wanted = 1 if asked is None else asked
        raise MappingError(f"the pads' SRAMs hold the vectors of {most} frames, a run shall have {wanted}")
    return asked or most


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
