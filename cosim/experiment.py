"""One run of a chip as a user wrote it, and what was seen of it.

A `Program` is what the compiler makes of a network: frames, slots, layers. An `Experiment` is below that: words for
some units, masks, vectors, weights, and nothing else. Every engine (RTL, golden model, twin) turns an Experiment into a
`Record`, so that records can be compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.programming import WeightTargets
from analog_models.programming import program as program_weights
from cosim.archive import (
    ArchiveError,
    beats_to_words,
    config_from_json,
    config_to_json,
    read_archive,
    words_to_beats,
    write_archive,
)
from cosim.assembler import program_depth
from cosim.program import Unit
from cosim.words import ILP, OLP, TILE
from rtl.config import ChipConfig, Edge
from rtl.isa import WORD_BITS

__all__ = ["STATUS_FIELDS", "Experiment", "ExperimentError", "Record", "Recorder"]

#: What a Record has of each unit's STATUS.
STATUS_FIELDS = ("running", "illegal", "fault", "contention", "pointer")

_EXPERIMENT, _RECORD, _VERSION = "duramesh experiment", "duramesh record", 1


class ExperimentError(ValueError):
    """An experiment cannot be run, or the file that should describe one is wrong; the message says what and where."""


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
            raise ExperimentError(f"{self.name}: {problem}")

    def _problems(self) -> Iterator[str]:
        config = self.config
        if self.cycles < 1:
            yield f"a run has at least 1 cycle, got {self.cycles}"
        counts = {TILE: config.tile_count, ILP: config.domain_count, OLP: config.domain_count}
        for unit, words in self.units.items():
            if unit.index >= counts[unit.kind]:
                yield f"{unit} does not exist: this chip has {counts[unit.kind]}, numbered from 0"
            depth = program_depth(unit.kind, config)
            if not 1 <= len(words) <= depth:
                yield f"program of {unit} has {len(words)} words; expected 1 to {depth}, what its SRAM holds"
            if not all(0 <= word < 1 << WORD_BITS for word in words):
                yield f"program of {unit} has a word of more than {WORD_BITS} bits"
        for (tile, edge), mask in self.masks.items():
            where = f"mask of the {edge} edge of TILE {tile}"
            if not 0 <= tile < config.tile_count:
                yield f"{where}: there is no such tile, this chip has {config.tile_count}, numbered from 0"
            if mask.shape != (config.lanes,) or mask.dtype != np.bool_:
                yield f"{where} must be bool ({config.lanes},), got {mask.dtype} {mask.shape}"
        for ilp, codes in self.vectors.items():
            where = f"vectors of ILP {ilp}"
            if not 0 <= ilp < config.domain_count:
                yield f"{where}: there is no such landing pad, this chip has {config.domain_count}, numbered from 0"
            if codes.dtype != np.uint8 or codes.ndim != 2 or codes.shape[1] != config.lanes:
                yield f"{where} must be uint8 (n, {config.lanes}), got {codes.dtype} {codes.shape}"
            elif len(codes) > config.ilp_vectors:
                yield f"{where}: {len(codes)} vectors, its SRAM holds {config.ilp_vectors}"
        shape = (config.total_rows, config.lanes)
        for tile, target in self.weights.items():
            if not 0 <= tile < config.tile_count:
                yield f"weights of TILE {tile}: there is no such tile, this chip has {config.tile_count}"
            for name in ("wp1", "wp2"):
                array = getattr(target, name)
                if array is None:
                    continue
                if array.shape != shape:
                    yield f"{name} of TILE {tile} must be {shape}, rows and bias rows by columns, got {array.shape}"
                elif not np.all(np.abs(array) <= 1):
                    row, column = np.argwhere(~(np.abs(array) <= 1))[0]
                    yield f"{name} of TILE {tile}, row {row}, column {column}: {array[row, column]} is not in [-1, 1]"

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

    def save(self, path: Path) -> None:
        """Write the experiment to an npz file without pickle, to run it again elsewhere."""
        arrays: dict[str, NDArray] = {f"words {unit}": words_to_beats(words) for unit, words in self.units.items()}
        arrays |= {f"mask {tile} {edge}": mask for (tile, edge), mask in self.masks.items()}
        arrays |= {f"vectors {ilp}": codes for ilp, codes in self.vectors.items()}
        for tile, target in self.weights.items():
            arrays |= {f"{name} {tile}": array for name, array in vars(target).items() if array is not None}
        meta = {name: getattr(self, name) for name in ("seed", "frame", "cycles", "name")}
        meta |= {"config": config_to_json(self.config), "analog": self.analog.to_json(), "weights": list(self.weights)}
        write_archive(path, _EXPERIMENT, _VERSION, meta, arrays, compress=False)

    @classmethod
    def load(cls, path: Path) -> "Experiment":
        """Read what `save` wrote.

        Raises
        ------
        ExperimentError
            If the file is no experiment, is truncated, or was written by another version.
        FileNotFoundError
        """
        meta, arrays = _read(path, _EXPERIMENT)
        try:
            return cls._from_parts(meta, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ExperimentError(f"{path} is damaged: {type(error).__name__}: {error}") from None

    @classmethod
    def _from_parts(cls, meta: dict[str, Any], arrays: Mapping[str, NDArray]) -> "Experiment":
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


def _read(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, NDArray]]:
    try:
        return read_archive(path, kind, _VERSION)
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

    def serve(self, frames: NDArray[np.int64], events: Sequence[TileEvent]) -> dict[int, NDArray[np.uint16]]:
        """`AnalogChip.serve` for the events of one cycle.

        Raises
        ------
        ExperimentError
            If the physics has no answer, e.g. because a tile was never precharged.
        """
        self._events += events
        try:
            answers = self._chip.serve(frames, events)
        except ValueError as error:
            raise ExperimentError(f"{self._name}, cycle {events[0].cycle}: {error}") from None
        self.crossings |= {(events[0].cycle, tile): times[0] for tile, times in answers.items()}
        return answers

    @property
    def events(self) -> tuple[TileEvent, ...]:
        return tuple(sorted(self._events, key=lambda event: (event.cycle, event.kind, event.tile)))


@dataclass(frozen=True)
class Record:
    """What was seen of one run.

    Cycles count from cycle 0 of the program, the first one in which `busy` is high.

    Members
    -------
    engine : `rtl`, `golden` or `twin`
    cycles : int
        Cycles that `busy` was high.
    error_cycle : int or None
        First cycle in which the `error` pin was high.
    statuses : mapping of Unit to fields of its STATUS
        `running`, `illegal`, `fault`, `contention` (bits as in docs/fabric.md), `pointer`; of all units, after the run.
    results : mapping of OLP index to uint8 (olp_vectors, lanes)
        The whole result SRAM of each landing pad.
    events : tuple of TileEvent
        Everything that crossed the analog boundary, in order of cycle, kind and tile.
    crossings : mapping of (cycle, tile) to uint16 (lanes,)
        What the physics answered to each ramp.
    statistics : mapping
        What the engine measured, e.g. `wall_s`.
    """

    engine: str
    cycles: int
    error_cycle: int | None
    statuses: Mapping[Unit, Mapping[str, int]]
    results: Mapping[int, NDArray[np.uint8]]
    events: tuple[TileEvent, ...] = ()
    crossings: Mapping[tuple[int, int], NDArray[np.uint16]] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write the record to an npz file without pickle."""
        meta = {
            "engine": self.engine,
            "cycles": self.cycles,
            "error_cycle": self.error_cycle,
            "statuses": {str(unit): dict(status) for unit, status in self.statuses.items()},
            "statistics": dict(self.statistics),
        }
        arrays: dict[str, NDArray] = {f"results {olp}": codes for olp, codes in self.results.items()}
        crossings = sorted(self.crossings.items())
        arrays["crossing_keys"] = np.array([key for key, _ in crossings], np.int64).reshape(-1, 2)
        if crossings:
            arrays["crossings"] = np.stack([times for _, times in crossings])
        write_archive(path, _RECORD, _VERSION, meta, arrays | _pack_events(self.events))

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read what `save` wrote.

        Raises
        ------
        ExperimentError
            If the file is no record, is truncated, or was written by another version.
        FileNotFoundError
        """
        meta, arrays = _read(path, _RECORD)
        try:
            keys = [(cycle, tile) for cycle, tile in arrays["crossing_keys"].tolist()]
            return cls(
                engine=meta["engine"],
                cycles=meta["cycles"],
                error_cycle=meta["error_cycle"],
                statuses={Unit.parse(unit): status for unit, status in meta["statuses"].items()},
                results={int(key.split()[1]): codes for key, codes in arrays.items() if key.startswith("results ")},
                events=_unpack_events(arrays),
                crossings=dict(zip(keys, arrays["crossings"], strict=True)) if keys else {},
                statistics=meta["statistics"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ExperimentError(f"{path} is damaged: {type(error).__name__}: {error}") from None


_CONTROLS = tuple(item.name for item in fields(TileControls))
_WRITE = ("write_row", "device", "reset", "return_line")
_FLAGS = ("wp1", "wp2", "discharge", "share_north", "share_south")


def _pack_events(events: Sequence[TileEvent]) -> dict[str, NDArray]:
    """Events as a table of numbers, and the row and column times of those that have any, in the same order."""
    table = [
        [
            *(event.tile, event.kind, event.cycle),
            *(getattr(event.controls or TileControls(), name) for name in _CONTROLS),
            *(getattr(event, name) for name in _WRITE),
        ]
        for event in events
    ]
    arrays = {"events": np.array(table, np.int64).reshape(len(table), 3 + len(_CONTROLS) + len(_WRITE))}
    for name in ("row_time", "column_time"):
        times = [getattr(event, name)[0] for event in events if getattr(event, name) is not None]
        if times:
            arrays[name] = np.stack(times)
    return arrays


def _unpack_events(arrays: Mapping[str, NDArray]) -> tuple[TileEvent, ...]:
    times = {name: iter(arrays.get(name, ())) for name in ("row_time", "column_time")}
    events = []
    for tile, number, cycle, *rest in arrays["events"].tolist():
        kind = EventKind(number)
        settings = dict(zip(_CONTROLS, rest, strict=False))
        settings |= {name: bool(settings[name]) for name in _FLAGS}
        write = dict(zip(_WRITE, rest[len(_CONTROLS) :], strict=True))
        events.append(
            TileEvent(
                tile,
                kind,
                cycle,
                TileControls(**settings) if kind in (EventKind.INTEGRATE, EventKind.RAMP) else None,
                row_time=next(times["row_time"])[None] if kind is EventKind.INTEGRATE else None,
                column_time=next(times["column_time"])[None] if kind is EventKind.WRITE else None,
                **{**write, "reset": bool(write["reset"])},
            )
        )
    return tuple(events)
