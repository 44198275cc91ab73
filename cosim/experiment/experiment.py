"""One run of a chip as a user wrote it, and what was seen of it.

A `Program` is what the compiler makes of a network: frames, slots, layers. An `Experiment` is below that: words for
some units, masks, vectors, weights, and nothing else. Every engine (RTL, golden model, twin) turns an Experiment into a
`Record`, so that records can be compared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.events import TileEvent
from analog_models.npz import ArraySpec, check_arrays
from analog_models.programming import WeightTargets
from analog_models.programming import program as program_weights
from analog_models.reception import PadReceiver
from analog_models.values import kept, whole_number
from cosim.experiment.record import Record
from cosim.files.archive import load_archive, write_archive
from cosim.files.chip_config import config_to_json
from cosim.files.errors import UserError
from cosim.files.typed import typed
from cosim.files.wording import counted
from cosim.isa.numbers import parse_number
from cosim.isa.words import beats_to_words, words_to_beats
from cosim.program import Program, Unit
from cosim.program.parts import checked_mask, checked_tile, checked_words
from rtl.config import ChipConfig, Edge

__all__ = ["Experiment", "ExperimentError", "Recorder"]

_FORMAT, _VERSION = "duramesh experiment", 2
#: Numbers, with the lowest and the highest. The longest run is a quarter of an hour of the chip.
_RANGES = (("cycles", 1, 1 << 40), ("seed", 0, (1 << 64) - 1), ("frame", 0, (1 << 63) - 1))


class ExperimentError(UserError, ValueError):
    """An experiment cannot be run, or the file that should describe one is wrong; the message says what and where.

    Members
    -------
    part : tuple
        Which part of an Experiment is wrong: the name of the member, and the key in it if it is a mapping.
    partial : (Experiment, Record) or None
        The experiment with `cycles` reduced to those that could be run, and the record of that.
    """

    def __init__(self, message: str, part: tuple = (), partial: "tuple[Experiment, Record] | None" = None) -> None:
        super().__init__(message)
        self.part, self.partial = part, partial


@dataclass(frozen=True)
class Experiment:
    """What the host loads before one start pulse, and how long it lets the chip run.

    Parameters
    ----------
    config : ChipConfig
    units : mapping of Unit to words
        128-bit words from word 0 on; every other unit gets a HALT.
    masks : mapping of (tile index, edge) to bool (lanes,)
        Custom masks; the others are empty.
    vectors : mapping of ILP index to uint8 (n, lanes)
        Vectors 0 to n - 1 of the landing pad, codes in ns.
    weights : mapping of tile index to WeightTargets
        What the tile's devices are programmed to, closed loop, before the run; other tiles have no conductance.
    analog : AnalogConfig
    seed : int
        Mismatch and noise of the chip.
    frame : int
        Keys the noise together with the cycle of the program.
    cycles : int
        Length of the run: in this cycle of the program every unit that still runs is stopped.
    name : str
        For messages and pictures.

    Raises
    ------
    ExperimentError
        On a unit, edge or tile that the chip does not have, a program longer than its SRAM, a number out of its range,
        or arrays of another type or shape. What is kept is a copy, which nobody changes afterwards.
    """

    config: ChipConfig
    units: Mapping[Unit, tuple[int, ...]]
    masks: Mapping[tuple[int, Edge], NDArray[np.bool_]] = field(default_factory=dict)
    vectors: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict)
    weights: Mapping[int, WeightTargets] = field(default_factory=dict)
    analog: AnalogConfig = field(default_factory=AnalogConfig.ideal)
    seed: int = 0
    frame: int = 0
    cycles: int = 100_000
    name: str = "experiment"

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            number = self._checked((name,), whole_number, getattr(self, name), name, low, high)
            object.__setattr__(self, name, number)
        checks: dict[str, Callable[[Any, Any], tuple[Any, Any]]] = {
            "units": lambda unit, words: (unit, checked_words(unit, words, self.config)),
            "masks": lambda place, mask: checked_mask(place, mask, self.config),
            "vectors": self._vectors,
            "weights": self._weights,
        }
        for part, check in checks.items():
            pairs = getattr(self, part).items()
            found = dict(self._checked((part, key), check, key, value) for key, value in pairs)
            object.__setattr__(self, part, found)

    def _checked(self, part: tuple, check: Callable[..., Any], *values: Any) -> Any:
        """What a check gives back; what it finds wrong is an error of this part, see `ExperimentError.part`."""
        try:
            return check(*values)
        except ValueError as error:
            raise ExperimentError(f"{self.name}: {error}", part) from None

    def _vectors(self, ilp: int, codes: NDArray) -> tuple[int, NDArray[np.uint8]]:
        where, lanes, pads = f"vectors of ILP {ilp}", self.config.lanes, self.config.domain_count
        try:
            index = whole_number(ilp, "ILP", 0, pads - 1)
        except ValueError:
            raise ValueError(f"{where}: there is no such landing pad, this chip has {pads}, numbered from 0") from None
        array = np.asarray(codes)
        if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != lanes:
            raise ValueError(f"{where} must be uint8 (n, {lanes}), got {array.dtype} {array.shape}")
        if len(array) > self.config.ilp_vectors:
            raise ValueError(f"{where}: {counted(len(array), 'vector')}, its SRAM holds {self.config.ilp_vectors}")
        return index, kept(array)

    def _weights(self, tile: int, target: WeightTargets) -> tuple[int, WeightTargets]:
        shape = (self.config.total_rows, self.config.lanes)
        index = checked_tile(tile, self.config, f"weights of TILE {tile}")
        arrays = {name: array for name in ("wp1", "wp2") if (array := getattr(target, name)) is not None}
        if not arrays:
            raise ValueError(f"weights of TILE {tile} are neither on wp1 nor on wp2; expected one of them, or both")
        for name, array in arrays.items():
            if array.shape != shape:
                what = f"{name} of TILE {tile} must be {shape}, rows and bias rows by columns"
                raise ValueError(f"{what}, got {array.shape}")
            if not np.all(np.abs(array) <= 1):
                row, column = np.argwhere(~(np.abs(array) <= 1))[0]
                where = f"{name} of TILE {tile}, row {row}, column {column}"
                raise ValueError(f"{where}: {array[row, column]} is not in [-1, 1]")
        return index, target

    @classmethod
    def of_program(
        cls,
        program: Program,
        codes: NDArray[np.int16] | None = None,
        *,
        analog: AnalogConfig | None = None,
        seed: int = 0,
        name: str = "program",
    ) -> "Experiment":
        """The first frames of a run of a compiled program.

        Parameters
        ----------
        program : Program
        codes : int16 (frames, inputs), optional
            Signed codes, as from `Program.input_codes`. Without them the experiment has no vectors, and two frames if
            the program has as many.
        analog, seed, name
            As of an Experiment; nominal constants by default.

        Raises
        ------
        ProgramError
            If there are more frames than a run has, or the width is not the network's.
        """
        frames = min(2, program.frames_per_run) if codes is None else len(codes)
        return cls(
            program.config,
            program.units,
            program.masks,
            {} if codes is None else program.ilp_image(codes),
            program.targets,
            analog=analog or AnalogConfig(),
            seed=seed,
            cycles=program.frame_cycles * (frames + program.overlaps),
            name=name,
        )

    def make_chip(self) -> AnalogChip:
        """The analog part of the chip: mismatch drawn from `seed`, tiles in `weights` programmed, closed loop.

        Raises
        ------
        ExperimentError
            If constants of the models are too large for so many rows.
        """
        config = self.config
        try:
            chip = AnalogChip(
                self.analog,
                tiles=self.weights,
                pairs=dict(config.floorplan.capacitor_pairs()),
                rows=config.lanes,
                bias_rows=config.bias_rows,
                columns=config.lanes,
                seed=self.seed,
            )
            program_weights(chip, self.weights)
        except ValueError as error:
            raise ExperimentError(f"{self.name}: {error}", ("analog",)) from None
        return chip

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """The experiment as what JSON holds, and arrays."""
        arrays: dict[str, NDArray] = {f"words {unit}": words_to_beats(words) for unit, words in self.units.items()}
        arrays |= {f"mask {tile} {edge}": mask for (tile, edge), mask in self.masks.items()}
        arrays |= {f"vectors {ilp}": codes for ilp, codes in self.vectors.items()}
        for tile, target in self.weights.items():
            arrays |= {f"{name} {tile}": array for name, array in vars(target).items() if array is not None}
        meta = {name: getattr(self, name) for name in ("seed", "frame", "cycles", "name")}
        meta |= {"config": config_to_json(self.config), "analog": self.analog.to_json(), "weights": list(self.weights)}
        return meta, arrays

    def save(self, path: Path) -> None:
        """Write the experiment to an npz file without pickle, to run it again elsewhere."""
        write_archive(path, _FORMAT, _VERSION, *self.to_parts(), compress=False)

    @classmethod
    def load(cls, path: Path) -> "Experiment":
        """Read what `save` wrote.

        Raises
        ------
        ExperimentError
            If the file is no experiment, is truncated, or was written by another version.
        FileNotFoundError
        """
        return load_archive(path, _FORMAT, _VERSION, cls.from_parts, ExperimentError)

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "Experiment":
        """Inverse of `to_parts`.

        Raises
        ------
        ValueError
            If something is missing or unknown, or of another type, shape or range.
        """
        header = typed(_Header, meta)
        check_arrays(arrays, _ARRAYS, lanes=header.config.lanes, rows=header.config.total_rows)
        parts = {key: key.split(" ", 1) for key in arrays}
        masks = (rest.split(" ") for kind, rest in parts.values() if kind == "mask")
        return cls(
            config=header.config,
            units={
                Unit.parse(rest): beats_to_words(arrays[key]) for key, (kind, rest) in parts.items() if kind == "words"
            },
            masks={(parse_number(tile), Edge(edge)): arrays[f"mask {tile} {edge}"] for tile, edge in masks},
            vectors={parse_number(rest): arrays[key] for key, (kind, rest) in parts.items() if kind == "vectors"},
            weights={
                tile: WeightTargets(arrays.get(f"wp1 {tile}"), arrays.get(f"wp2 {tile}")) for tile in header.weights
            },
            analog=AnalogConfig.from_json(header.analog),
            seed=header.seed,
            frame=header.frame,
            cycles=header.cycles,
            name=header.name,
        )


@dataclass(frozen=True)
class _Header:
    """What a file has of an experiment beside arrays."""

    config: ChipConfig
    analog: str
    weights: tuple[int, ...]
    seed: int
    frame: int
    cycles: int
    name: str


#: Arrays of a file.
_ARRAYS = {
    "words *": ArraySpec("u8", (None, 2)),
    "mask *": ArraySpec("b1", ("lanes",)),
    "vectors *": ArraySpec("u1", (None, "lanes")),
    "wp[12] *": ArraySpec("f8", ("rows", "lanes"), -1, 1),
}


class Recorder:
    """The physics of one run, writing down what it is asked and what it answers; stands in for `AnalogChip`.

    Parameters
    ----------
    chip : AnalogChip
        Fresh from `Experiment.make_chip`.
    name : str
        Of the experiment, for messages.

    Members
    -------
    events : tuple of TileEvent
        In order of cycle, kind and tile.
    crossings : dict of (cycle, tile) to uint16 (lanes,)
    """

    def __init__(self, chip: AnalogChip, name: str) -> None:
        self._chip, self._name = chip, name
        self._events: list[TileEvent] = []
        self.crossings: dict[tuple[int, int], NDArray[np.uint16]] = {}

    def serve(
        self, frames: NDArray[np.int64], events: Sequence[TileEvent], columns: Mapping[int, int] | None = None
    ) -> dict[int, NDArray[np.uint16]]:
        """`AnalogChip.serve` for the events of one cycle.

        Raises
        ------
        ExperimentError
            If the physics has no answer, e.g. because a tile was never precharged.
        """
        self._events += events
        try:
            answers = self._chip.serve(frames, events, columns)
        except ValueError as error:
            raise ExperimentError(f"{self._name}, cycle {events[0].cycle}: {error}") from None
        self.crossings |= {(events[0].cycle, tile): times[0] for tile, times in answers.items()}
        return answers

    def pad_receiver(self, olp: int) -> PadReceiver:
        """`AnalogChip.pad_receiver`."""
        return self._chip.pad_receiver(olp)

    @property
    def events(self) -> tuple[TileEvent, ...]:
        return tuple(sorted(self._events, key=lambda event: (event.cycle, event.kind, event.tile)))
