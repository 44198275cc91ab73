"""All analog tiles of a chip behind one door: events in, crossing times out."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.capacitors import Frames
from analog_models.config import AnalogConfig
from analog_models.consumption import Consumption
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.noise import KeyedNoise
from analog_models.npz import ArraySpec, NpzError, check_arrays, read_npz
from analog_models.reception import PadReceiver
from analog_models.tile import Arrived, Tile, connect
from analog_models.values import whole_number

__all__ = ["AnalogChip", "AnalogFileError"]

_FORMAT = 3
#: Order of service.
_CYCLE_KIND = attrgetter("cycle", "kind")
_CYCLE_KIND_TILE = attrgetter("cycle", "kind", "tile")


#: Wires along one side of a tile, and tiles of a chip, at most.
_MOST_WIRES, _MOST_TILES = 1 << 14, 1 << 16


#: Arrays of a file, and those of each programmed tile, whose number follows the name.
_SCHEMA = {
    "format": ArraySpec("i"),
    "config": ArraySpec("U"),
    "seed": ArraySpec("u8"),
    "numbers": ArraySpec("i8", (4,), 0),
    "tiles": ArraySpec("i8", ("tiles",), 0),
    "pairs": ArraySpec("i8", (None, 2), 0),
    "programmed": ArraySpec("i8", ("programmed",), 0),
    "runs": ArraySpec("i8", ("programmed",), 0),
}
_CELLS = {
    "g": ArraySpec("i4", (4, "rows", "columns"), 0),
    "nu": ArraySpec("u2", (4, "rows", "columns")),
    "written": ArraySpec("f8", (4, "rows"), 0),
}
_ANEW = "write it anew with `save`"


class AnalogFileError(ValueError):
    """A file does not hold an analog chip; the message says what is wrong with it."""


class _Turns:
    """A lock of an object; a copy of the object has its own."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def __deepcopy__(self, memo: object) -> "_Turns":
        return _Turns()

    def __reduce__(self) -> tuple[type["_Turns"], tuple[()]]:
        return _Turns, ()


class AnalogChip:
    """The analog part of a chip.

    Parameters
    ----------
    config : AnalogConfig
    tiles : iterable of int
        Indices of the tiles in use. A tile's array takes memory from its first programming on; an event for another
        tile makes a tile without conductance.
    rows, bias_rows, columns : int
        Size of a tile's array; the paper's chip has 512, 8 and 512.
    pairs : mapping of int to int
        Northern to southern tile of every pair that can share capacitors.
    seed : int
        All mismatch and noise of this chip.
    chip : int
        Number of the chip in a system: chips of one seed differ by it.

    Raises
    ------
    ValueError
        If a number is no whole one or out of its range, or a tile is in two pairs.
    """

    def __init__(
        self,
        config: AnalogConfig,
        *,
        tiles: Iterable[int],
        rows: int,
        bias_rows: int,
        columns: int,
        pairs: Mapping[int, int] | None = None,
        seed: int = 0,
        chip: int = 0,
    ) -> None:
        self.config = config
        self.pairs = {_tile(north): _tile(south) for north, south in (pairs or {}).items()}
        self.rows = whole_number(rows, "rows of a tile", 1, _MOST_WIRES)
        self.bias_rows = whole_number(bias_rows, "bias rows of a tile", 0, _MOST_WIRES)
        self.column_count = whole_number(columns, "columns of a tile", 1, _MOST_WIRES)
        self.seed = whole_number(seed, "seed", 0, (1 << 64) - 1)
        self.chip = whole_number(chip, "chip", 0, (1 << 32) - 1)
        self._north_of = {south: north for north, south in self.pairs.items()}
        if len(self._north_of) != len(self.pairs) or set(self.pairs) & set(self._north_of):
            raise ValueError(f"a tile shares its capacitors in one pair only, got pairs {self.pairs}")
        self._turns = _Turns()
        self._tiles: dict[int, Tile] = {}
        self._pads: dict[int, PadReceiver] = {}
        for index in tiles:
            self.tile(index)
        self.used = frozenset(self._tiles)

    @property
    def total_rows(self) -> int:
        """Word lines of a tile, bias rows last."""
        return self.rows + self.bias_rows

    def tile(self, index: int) -> Tile:
        """Tile number `index`; it is made at the first call."""
        if index not in self._tiles:
            index = _tile(index)
            noise = KeyedNoise(self.seed, self.chip, index)
            self._tiles[index] = Tile(
                self.config,
                noise,
                index=index,
                rows=self.rows,
                bias_rows=self.bias_rows,
                columns=self.column_count,
            )
        return self._tiles[index]

    def revision(self, index: int) -> int | None:
        """Of a tile's devices: it grows with whatever changes their reads; None as long as there are none."""
        tile = self._tiles.get(index)
        return tile.array.revision if tile is not None and tile.array is not None else None

    def pad_receiver(self, olp: int) -> PadReceiver:
        """Where the wires of output landing pad `olp` end: their transport errors. It is made at the first call."""
        if olp not in self._pads:
            drawn = PadReceiver.of(self.config.transport, seed=self.seed, chip=self.chip, olp=olp, wires=self.rows)
            self._pads[olp] = drawn
        return self._pads[olp]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While frames are served that depend on each other's events: threads that share the chip wait for their turn.

        There is one set of capacitors, so events of two programs must not mix.
        """
        with self._turns.lock:
            yield

    @contextmanager
    def counting(self) -> Iterator[dict[int, Consumption]]:
        """Count what each tile does in the meantime: tile to sums that grow as events are served.

        Tiles that are made meanwhile do not count: name them at the begin.
        """
        found = {index: Consumption() for index in self._tiles}
        for index, consumption in found.items():
            self._tiles[index].consumption = consumption
        try:
            yield found
        finally:
            for tile in self._tiles.values():
                tile.consumption = None

    def set_age(self, age_s: float) -> None:
        """Let the devices drift until `age_s` after their programming; earlier ages are allowed.

        Rows that were programmed later (`program`'s `written_s`) are so much younger.

        Raises
        ------
        ValueError
            If it is out of the range of `AnalogConfig.age_s`.
        """
        with self.at_work():
            self.config = replace(self.config, age_s=age_s)
            for tile in self._tiles.values():
                tile.set_config(self.config)

    def serve(
        self, frames: Frames, events: Sequence[TileEvent], columns: Mapping[int, int] | None = None
    ) -> dict[int, NDArray[np.uint16]]:
        """Serve the events of one strobe, or of several cycles in a row.

        Events of a cycle are served in the order precharge, integrate (all tiles), sharing of capacitors, ramp, write.
        From a tile's precharge to its next, all events come from one thread; see `at_work`.

        Parameters
        ----------
        frames : (B,) int64
            Frame numbers of the batch; they key the noise. A precharge fixes B for its tile until the next.
        events : sequence of TileEvent
            Their pulses may be read in a later call: do not change them.
        columns : mapping of tile to int, optional
            From its next precharge on, compute only so many columns of the tile, those that somebody reads. The
            others read 0; of two tiles that share capacitors the smaller number counts.

        Returns
        -------
        dict of tile to (B, columns) uint16
            Whole cycles, 0 to 511, that each comparator stays high, for the tiles whose ramp starts.

        Raises
        ------
        ValueError
            If an event lacks what its kind needs, or a tile's ramp starts twice.
        RuntimeError
            If another thread has precharged the tile.
        """
        with self._turns.lock:
            return self._serve(np.array(frames, copy=None, ndmin=1), events, columns)

    def _serve(
        self, frames: Frames, events: Sequence[TileEvent], columns: Mapping[int, int] | None
    ) -> dict[int, NDArray[np.uint16]]:
        codes: dict[int, NDArray[np.uint16]] = {}
        for (cycle, kind), group in groupby(sorted(events, key=_CYCLE_KIND_TILE), key=_CYCLE_KIND):
            batch = list(group)
            if kind is EventKind.PRECHARGE:
                for event in batch:
                    self.tile(event.tile).precharge(frames, cycle, columns.get(event.tile) if columns else None)
            elif kind is EventKind.INTEGRATE:
                arrived: Arrived = {}
                for event in batch:
                    times = _needed(event, event.row_time, "row_time")
                    self.tile(event.tile).latch(frames, cycle, _controls(event), times, arrived)
                for members in dict.fromkeys([self._sharing(self.tile(event.tile)) for event in batch]):
                    connect(members, frames, cycle)
            elif kind is EventKind.RAMP:
                for event in batch:
                    if event.tile in codes:
                        raise ValueError(
                            f"tile {event.tile} starts a second ramp in cycle {cycle}; "
                            "serve its ramps in separate calls"
                        )
                    codes[event.tile] = self.tile(event.tile).ramp(frames, cycle, _controls(event))
            else:
                for event in batch:
                    self.tile(event.tile).write(
                        frames,
                        cycle,
                        event.write_row,
                        event.device,
                        reset=event.reset,
                        return_line=event.return_line,
                        column_time=_needed(event, event.column_time, "column_time"),
                    )
        return codes

    def _sharing(self, tile: Tile) -> tuple[Tile, ...]:
        """Tiles whose capacitors are connected with those of `tile`, itself included, north first.

        Both must share; that they do not is a fault that the digital side flags, and no connection.
        """
        controls, index = tile.controls, tile.index
        assert controls is not None
        if not (controls.share_south or controls.share_north):
            return (tile,)
        for wants, pairs, edge in (
            (controls.share_south, self.pairs, "southern"),
            (controls.share_north, self._north_of, "northern"),
        ):
            if not wants:
                continue
            if index not in pairs:
                raise ValueError(f"tile {index} shares its capacitors with a {edge} neighbour that it does not have")
            partner = self.tile(pairs[index])
            north, south = (tile, partner) if edge == "southern" else (partner, tile)
            above, below = north.controls, south.controls
            if above is not None and below is not None and above.share_south and below.share_north:
                return north, south
        return (tile,)

    def copy(self) -> "AnalogChip":
        """Another chip with the same mismatch, devices and noise; the capacitors' state is not copied."""
        chip = AnalogChip(
            self.config,
            tiles=sorted(self._tiles),
            pairs=self.pairs,
            rows=self.rows,
            bias_rows=self.bias_rows,
            columns=self.column_count,
            seed=self.seed,
            chip=self.chip,
        )
        for index, tile in self._tiles.items():
            chip.tile(index).runs = tile.runs
            if tile.programmed:
                cells = tile.cells
                chip.tile(index).writable.restore(cells.programmed, cells.exponent, cells.written_s)
        return chip

    # Files ----------------------------------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, NDArray]:
        """Everything that the codes depend on, as arrays (not the capacitors' state); views where that saves a copy."""
        programmed = sorted(index for index, tile in self._tiles.items() if tile.programmed)
        arrays: dict[str, NDArray] = {
            "format": np.array(_FORMAT),
            "config": np.array(self.config.to_json()),
            "seed": np.array(self.seed, np.uint64),
            "numbers": np.array([self.chip, self.rows, self.bias_rows, self.column_count]),
            "tiles": np.array(sorted(self._tiles), np.int64),
            "pairs": np.array(sorted(self.pairs.items()), np.int64).reshape(-1, 2),
            "programmed": np.array(programmed, np.int64),
        }
        arrays["runs"] = np.array([self.tile(index).runs for index in programmed], np.int64)
        for index in programmed:
            arrays[f"g{index}"] = self.tile(index).cells.programmed
            arrays[f"nu{index}"] = self.tile(index).cells.exponent
            arrays[f"written{index}"] = self.tile(index).cells.written_s
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> "AnalogChip":
        """Inverse of `to_arrays`: the same events give the same codes, in any process.

        Raises
        ------
        AnalogFileError
            If the arrays are of another format.
        ValueError
            If one is missing, or of another shape, type or range.
        """
        if "format" not in arrays or arrays["format"].shape or arrays["format"] != _FORMAT:
            found = arrays.get("format", "none")
            raise AnalogFileError(f"an analog chip has format {found}, this version reads {_FORMAT}")
        check_arrays({name: array for name, array in arrays.items() if name in _SCHEMA}, _SCHEMA)
        programmed = arrays["programmed"].tolist()
        cells = {f"{name}{index}": spec for index in programmed for name, spec in _CELLS.items()}
        check_arrays(arrays, _SCHEMA | cells)
        number, rows, bias_rows, columns = arrays["numbers"].tolist()
        chip = cls(
            AnalogConfig.from_json(str(arrays["config"])),
            tiles=arrays["tiles"].tolist(),
            pairs=dict(arrays["pairs"].tolist()),
            rows=rows,
            bias_rows=bias_rows,
            columns=columns,
            seed=int(arrays["seed"]),
            chip=number,
        )
        for index, runs in zip(programmed, arrays["runs"].tolist(), strict=True):
            chip.tile(index).runs = runs
            chip.tile(index).writable.restore(*(arrays[f"{name}{index}"] for name in _CELLS))
        return chip

    def save(self, path: Path | str) -> None:
        """Write `to_arrays` to an npz file without pickle."""
        # Not compressed: devices are random to a compressor, which would save a quarter and take a minute.
        with open(path, "wb") as file:
            np.savez(file, allow_pickle=False, **self.to_arrays())

    @classmethod
    def load(cls, path: Path | str) -> "AnalogChip":
        """Read what `save` wrote: the same events give the same codes, in any process.

        Raises
        ------
        AnalogFileError
            If the file is not such a file, or cut short.
        FileNotFoundError
        """
        try:
            return cls.from_arrays(read_npz(path))
        except (AnalogFileError, NpzError) as error:
            raise AnalogFileError(f"{path} does not hold an analog chip: {error}; {_ANEW}") from None
        except (LookupError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {error}"
            raise AnalogFileError(f"{path} does not hold an analog chip ({what}); {_ANEW}") from None


def _tile(index: int) -> int:
    return whole_number(index, "tile index", 0, _MOST_TILES - 1)


def _needed(event: TileEvent, value: NDArray | None, name: str) -> NDArray:
    if value is None:
        raise ValueError(f"{event.kind.name} event of tile {event.tile} in cycle {event.cycle} lacks {name}")
    return value


def _controls(event: TileEvent) -> TileControls:
    if event.controls is None:
        raise ValueError(f"{event.kind.name} event of tile {event.tile} in cycle {event.cycle} lacks controls")
    return event.controls
