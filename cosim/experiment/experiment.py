"""One run of a chip as a user wrote it, and what was seen of it.

A `Program` is what the compiler makes of a network: frames, slots, layers. An `Experiment` is below that: words for
some units, masks, vectors, weights, and nothing else. Every engine (RTL, golden model, twin) turns an Experiment into a
`Record`, so that records can be compared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.events import TileEvent
from analog_models.programming import WeightTargets
from analog_models.programming import program as program_weights
from analog_models.reception import PadReceiver
from cosim.files.archive import ArchiveError, read_archive, write_archive
from cosim.files.chip_config import config_from_json, config_to_json
from cosim.files.errors import UserError
from cosim.isa.assembler import program_depth
from cosim.isa.words import TILE, WordError, beats_to_words, decode, words_to_beats
from cosim.program import Program, Unit
from rtl.config import ChipConfig, Edge
from rtl.isa import WORD_BITS

__all__ = ["Experiment", "ExperimentError", "Recorder"]

_FORMAT, _VERSION = "duramesh experiment", 2
#: Of a column, docs/physics.md.
_CAPACITORS = 8


class ExperimentError(UserError, ValueError):
    """An experiment cannot be run, or the file that should describe one is wrong; the message says what and where.

    Members
    -------
    part : tuple
        Which part of an Experiment is wrong: the name of the member, and the key in it if it is a mapping.
    """

    def __init__(self, message: str, part: tuple = ()) -> None:
        super().__init__(message)
        self.part = part


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
        On a unit, edge or tile that the chip does not have, a program longer than its SRAM, or arrays of another shape.
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
        if problem := next(self._problems(), None):
            part, text = problem
            raise ExperimentError(f"{self.name}: {text}", part)

    def _problems(self) -> Iterator[tuple[tuple, str]]:
        """(part, what is wrong with it), see `ExperimentError.part`."""
        if self.cycles < 1:
            yield ("cycles",), f"a run has at least 1 cycle, got {self.cycles}"
        for name, bits in (("seed", 64), ("frame", 63)):
            if not 0 <= getattr(self, name) < 1 << bits:
                yield (name,), f"{name} must be 0 to 2**{bits} - 1, got {getattr(self, name)}"
        checks: dict[str, Callable[[Any, Any], Iterator[str]]] = {
            "units": self._unit_problems,
            "masks": self._mask_problems,
            "vectors": self._vector_problems,
            "weights": self._weight_problems,
        }
        for part, check in checks.items():
            for key, value in getattr(self, part).items():
                yield from (((part, key), text) for text in check(key, value))

    def _unit_problems(self, unit: Unit, words: tuple[int, ...]) -> Iterator[str]:
        count = self.config.tile_count if unit.kind is TILE else self.config.domain_count
        if unit.index >= count:
            yield f"{unit} does not exist: this chip has {count}, numbered from 0"
        depth = program_depth(unit.kind, self.config)
        if not 1 <= len(words) <= depth:
            yield f"program of {unit} has {len(words)} words; expected 1 to {depth}, what its SRAM holds"
        if not all(0 <= word < 1 << WORD_BITS for word in words):
            yield f"program of {unit} has a word of more than {WORD_BITS} bits"
        for address, word in enumerate(words if unit.kind is TILE else ()):
            with suppress(WordError):
                count = decode(TILE, word).fields.get("capacitors", 0)
                if count > _CAPACITORS:
                    yield f"word {address} of {unit} connects {count} capacitors, a column has {_CAPACITORS}"

    def _mask_problems(self, place: tuple[int, Edge], mask: NDArray) -> Iterator[str]:
        tile, edge = place
        where, lanes = f"mask of the {edge} edge of TILE {tile}", self.config.lanes
        if not 0 <= tile < self.config.tile_count:
            yield f"{where}: there is no such tile, this chip has {self.config.tile_count}, numbered from 0"
        if mask.shape != (lanes,) or mask.dtype != np.bool_:
            yield f"{where} must be bool ({lanes},), got {mask.dtype} {mask.shape}"

    def _vector_problems(self, ilp: int, codes: NDArray) -> Iterator[str]:
        where, lanes = f"vectors of ILP {ilp}", self.config.lanes
        if not 0 <= ilp < self.config.domain_count:
            yield f"{where}: there is no such landing pad, this chip has {self.config.domain_count}, numbered from 0"
        if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != lanes:
            yield f"{where} must be uint8 (n, {lanes}), got {codes.dtype} {codes.shape}"
        elif len(codes) > self.config.ilp_vectors:
            yield f"{where}: {len(codes)} vectors, its SRAM holds {self.config.ilp_vectors}"

    def _weight_problems(self, tile: int, target: WeightTargets) -> Iterator[str]:
        shape = (self.config.total_rows, self.config.lanes)
        if not 0 <= tile < self.config.tile_count:
            yield f"weights of TILE {tile}: there is no such tile, this chip has {self.config.tile_count}"
        for name, array in (("wp1", target.wp1), ("wp2", target.wp2)):
            if array is None:
                continue
            if array.shape != shape:
                yield f"{name} of TILE {tile} must be {shape}, rows and bias rows by columns, got {array.shape}"
            elif not np.all(np.abs(array) <= 1):
                row, column = np.argwhere(~(np.abs(array) <= 1))[0]
                yield f"{name} of TILE {tile}, row {row}, column {column}: {array[row, column]} is not in [-1, 1]"

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
        """The analog part of the chip: mismatch drawn from `seed`, tiles in `weights` programmed, closed loop."""
        config = self.config
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
        meta, arrays = _read(path)
        try:
            return cls.from_parts(meta, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ExperimentError(f"{path} is damaged: {type(error).__name__}: {error}") from None

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "Experiment":
        """Inverse of `to_parts`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If something is missing, or of another shape or type.
        """
        parts = {key: key.split(" ", 1) for key in arrays}
        masks = (rest.split(" ") for kind, rest in parts.values() if kind == "mask")
        return cls(
            config=config_from_json(meta["config"]),
            units={
                Unit.parse(rest): beats_to_words(arrays[key]) for key, (kind, rest) in parts.items() if kind == "words"
            },
            masks={(int(tile), Edge(edge)): arrays[f"mask {tile} {edge}"] for tile, edge in masks},
            vectors={int(rest): arrays[key] for key, (kind, rest) in parts.items() if kind == "vectors"},
            weights={
                tile: WeightTargets(arrays.get(f"wp1 {tile}"), arrays.get(f"wp2 {tile}")) for tile in meta["weights"]
            },
            analog=AnalogConfig.from_json(meta["analog"]),
            **{name: meta[name] for name in ("seed", "frame", "cycles", "name")},
        )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray]]:
    try:
        return read_archive(path, _FORMAT, _VERSION)
    except ArchiveError as error:
        raise ExperimentError(str(error)) from None


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
