"""What one frame of an entry does; its words are written in `cosim.compiler.matrices.script`.

A frame is a row of steps of 300 ns: two of integration for each turn, x+ then x-, and one to three of readout. In which
turn a tile is at work, and how, follows from its mode:

========  ==================================  ==================================
mode      first turn: x+, x-                  second turn: x+, x-
========  ==================================  ==================================
balanced  WP1: charge, discharge              WP2: discharge, charge; the same x
double    WP1 and WP2: charge, discharge
stacked   WP1, or WP2: charge, discharge      WP2: charge, discharge; another x
========  ==================================  ==================================
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from analog_models.config import AnalogConfig
from cosim.compiler.errors import MappingError
from cosim.compiler.ramp import cycles_to_precharge, signed_ramp
from cosim.compiler.words import STEP_CYCLES
from cosim.program import Mode
from rtl.config import ChipConfig

__all__ = ["Frame", "Reading", "Readout", "Source", "Stream", "Timing", "Vector", "Work"]

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
    """A tile that is read out, on the lanes of a pattern: halves of two tiles, low and high or even and odd, make one
    vector.
    """

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
