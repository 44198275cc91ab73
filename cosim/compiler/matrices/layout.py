"""Where every matrix of a network sits, and which frames of which chips multiply it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.programming import WeightTargets
from cosim.compiler.errors import MappingError
from cosim.compiler.matrices.frames import Frame, Readout, Timing
from cosim.compiler.matrices.script import write_frame
from cosim.compiler.words import IDLE
from cosim.files.archive import load_archive, write_archive
from cosim.files.chip_config import config_to_json
from cosim.files.digest import digest
from cosim.files.json_text import to_json
from cosim.files.typed import typed
from cosim.files.wording import counted
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import ChipImage, Mode, Program, Unit
from rtl.config import ChipConfig

__all__ = ["Block", "Call", "Layout", "Output", "Part", "Seat", "Slice"]

_FORMAT, _VERSION = "duramesh layout", 1


@dataclass(frozen=True)
class Block:
    """A part of a matrix that one tile, or one joined pair, multiplies in one frame.

    Parameters
    ----------
    name : str
        Its own, e.g. "encoder/0/fc1 0:512 512:1024": matrix, rows, columns.
    matrix : str
    rows, columns : (int, int)
        First, and one after the last. Of several copies, those of the second begin where the first one's end:
        `Layout.copies`.
    mode : Mode
    """

    name: str
    matrix: str
    rows: tuple[int, int]
    columns: tuple[int, int]
    mode: Mode

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]


@dataclass(frozen=True)
class Seat:
    """Where a block sits.

    Parameters
    ----------
    chip : int
    tiles : tuple of int
        One tile, or a vertical pair that shares its capacitors, in the order of the block's rows: `Layout.joined`.
    row, column : int
        Of the first tile, where the block begins. Its row r is row ``row + r`` of the tile; after the last row of
        WP1 come, in mode STACKED, the rows of WP2 of the same tile, then those of the second tile.
    reader : int
        The tile that reads out.
    step : int
        From one column of the block to the next, on the tile.
    """

    chip: int
    tiles: tuple[int, ...]
    row: int
    column: int
    reader: int
    step: int = 1


@dataclass(frozen=True)
class Part:
    """Rows of a block on one tile.

    Parameters
    ----------
    tile : int
    pair : int or None
        Pair of devices: 0 is WP1, 1 is WP2, None both.
    at : int
        Row of the tile.
    rows : (int, int)
        Of the block.
    """

    tile: int
    pair: int | None
    at: int
    rows: tuple[int, int]

    @classmethod
    def all_of(cls, tiles: Sequence[int], row: int, height: int, mode: Mode, lanes: int) -> Iterator["Part"]:
        """Those of `height` rows that begin in a row of the first tile: the rule of `Seat`."""
        pairs: tuple[int | None, ...] = (0, 1) if mode is Mode.STACKED else (None,)
        places = [(tile, pair) for tile in tiles for pair in pairs]
        done = 0
        while done < height:
            number, at = divmod(row + done, lanes)
            count = min(lanes - at, height - done)
            yield cls(*places[number], at, (done, done + count))
            done += count


@dataclass(frozen=True)
class Slice:
    """Rows of a matrix within the inputs of an entry: input r of the matrix is the entry's ``at + r - rows[0]``.

    Rows count on from copy to copy (`Layout.copies`), over inputs that are the same for each.
    """

    matrix: str
    rows: tuple[int, int]
    at: int


@dataclass(frozen=True)
class Output:
    """Columns of a block within an output of an entry: lane ``lane + step c`` is the block's column c."""

    block: str
    output: str
    lane: int = 0
    step: int = 1

    def lanes(self, columns: int) -> slice:
        """Those of a block of so many columns."""
        return slice(self.lane, self.lane + self.step * columns, self.step)


@dataclass(frozen=True)
class Call:
    """One entry of a chip, run once for each frame.

    Parameters
    ----------
    chip : int
    entry : str
        Of the chip's image.
    inputs : tuple of Slice
        Inputs of the entry that no slice covers are 0. A slice may be there twice, for two tiles that take different
        ways.
    outputs : tuple of Output
    """

    chip: int
    entry: str
    inputs: tuple[Slice, ...]
    outputs: tuple[Output, ...]


@dataclass(frozen=True, repr=False)
class Layout:
    """A network on its chips; no weight is in it.

    Parameters
    ----------
    config : ChipConfig
    blocks : mapping of str to Block
    seats : mapping of str to Seat
        Of every block.
    calls : mapping of tuple of matrices to tuple of Call
        What multiplies the matrices of a wave (`Graph.waves`), all of them at once; each block of these matrices is an
        output of exactly one call. Matrices that stay with the host are not among them.
    frames : tuple of mapping of str to Frame
        Of every chip, what each entry does.
    readouts : mapping of str to Readout
        Of every block; those of blocks that are read `together` are the same.
    timing : Timing
    copies : mapping of str to int
        Matrices that are there several times, one copy below the other: the sum of the blocks' outputs is that many
        times the product.
    shares : mapping of str to str
        Matrices that use another one's inputs: no slice names them, and their weights are for its codes.

    Raises
    ------
    MappingError
        If blocks that are read together have different readouts, or a name or a chip is not there.
    """

    config: ChipConfig
    blocks: Mapping[str, Block]
    seats: Mapping[str, Seat]
    calls: Mapping[tuple[str, ...], tuple[Call, ...]]
    frames: tuple[Mapping[str, Frame], ...]
    readouts: Mapping[str, Readout]
    timing: Timing = field(default_factory=Timing)
    copies: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, names in (("seat", self.seats), ("readout", self.readouts)):
            different = sorted(set(self.blocks) ^ set(names))
            if different:
                raise MappingError(f"block {different[0]!r} has no {what}, or a {what} has no block")
        for call in (call for calls in self.calls.values() for call in calls):
            if not 0 <= call.chip < len(self.frames) or call.entry not in self.frames[call.chip]:
                raise MappingError(f"a call runs entry {call.entry!r} of chip {call.chip}, which is not there")
            unknown = [output.block for output in call.outputs if output.block not in self.blocks]
            if unknown:
                raise MappingError(f"entry {call.entry!r} gives block {unknown[0]!r}, which is not there")
        for group in self.together:
            if len({self.readouts[name] for name in group}) > 1:
                raise MappingError(f"one ramp reads {', '.join(group)}: give these blocks the same readout")

    def __repr__(self) -> str:
        return f"<Layout {self.digest}: {counted(len(self.blocks), 'block')} on {counted(len(self.frames), 'chip')}>"

    @cached_property
    def digest(self) -> str:
        """Short name of everything in it."""
        return digest((to_json(config_to_json(self.config)), to_json(self.to_json())))

    @property
    def devices(self) -> int:
        """Those that hold weights: two or four for each, copies counted."""
        return sum(2 * block.shape[0] * block.shape[1] * block.mode.gain for block in self.blocks.values())

    @cached_property
    def programs(self) -> tuple[Mapping[str, Program], ...]:
        """Of every chip, the program of each entry."""
        return tuple(
            {name: write_frame(frame, self.readouts, self.timing, self.config) for name, frame in frames.items()}
            for frames in self.frames
        )

    @cached_property
    def images(self) -> tuple[ChipImage, ...]:
        """Of every chip, the programs of all entries, and no weights."""
        return tuple(map(self._image, self.programs))

    def _image(self, programs: Mapping[str, Program]) -> ChipImage:
        used = {unit for program in programs.values() for unit in program.units}
        counts = {TILE: self.config.tile_count, ILP: self.config.domain_count, OLP: self.config.domain_count}
        every = (Unit(kind, index) for kind, count in counts.items() for index in range(count))
        idle = {unit: IDLE for unit in every if unit not in used}  # otherwise its SRAM would hold anything
        name, first = next(iter(programs.items()))
        return ChipImage({**programs, name: replace(first, units={**first.units, **idle})})

    @cached_property
    def blocks_of(self) -> Mapping[str, tuple[Block, ...]]:
        """Blocks of every matrix that is on a chip."""
        found: dict[str, tuple[Block, ...]] = {}
        for block in self.blocks.values():
            found[block.matrix] = (*found.get(block.matrix, ()), block)
        return found

    def blocks_on(self, chip: int) -> tuple[Block, ...]:
        """Blocks that sit on a chip."""
        return tuple(block for name, block in self.blocks.items() if self.seats[name].chip == chip)

    def joined(self, chip: int) -> set[tuple[int, int]]:
        """Tiles of a chip that share their capacitors, north first."""
        pairs = (self.seats[block.name].tiles for block in self.blocks_on(chip))
        return {(min(tiles), max(tiles)) for tiles in pairs if len(tiles) == 2}

    @cached_property
    def together(self) -> tuple[tuple[str, ...], ...]:
        """Blocks that one ramp reads at once, so that their readouts are the same; those that are alone left out."""
        groups: dict[tuple[int, str, tuple[int, ...]], tuple[str, ...]] = {}
        for call in (call for calls in self.calls.values() for call in calls):
            for output in call.outputs:
                key = call.chip, call.entry, self.seats[output.block].tiles
                groups[key] = (*groups.get(key, ()), output.block)
        return tuple(dict.fromkeys(group for group in groups.values() if len(group) > 1))

    def with_readouts(self, readouts: Mapping[str, Readout]) -> "Layout":
        """The same with other ramps or capacitors of some blocks: other words, nothing is placed anew.

        Raises
        ------
        MappingError
            On a block that is not there, or if blocks that are read together would have different readouts.
        """
        unknown = [name for name in readouts if name not in self.blocks]
        if unknown:
            raise MappingError(
                f"no block {unknown[0]!r}; there are {len(self.blocks)}, e.g. {next(iter(self.blocks))!r}"
            )
        return replace(self, readouts={**self.readouts, **readouts})

    def parts(self, block: str) -> tuple[Part, ...]:
        """Where the rows of a block are, tile by tile."""
        seat, what = self.seats[block], self.blocks[block]
        return tuple(Part.all_of(seat.tiles, seat.row, what.shape[0], what.mode, self.config.lanes))

    def targets(self, chip: int, weights: Mapping[str, ArrayLike]) -> dict[int, WeightTargets]:
        """What to program into the tiles of a chip.

        Parameters
        ----------
        chip : int
        weights : mapping of str to (rows, columns)
            Of every block on the chip, within [-1, 1].
        """
        shape = (2, self.config.total_rows, self.config.lanes)
        arrays: dict[int, NDArray[np.float64]] = {}
        for block in self.blocks_on(chip):
            values = np.asarray(weights[block.name], np.float64)
            if values.shape != block.shape:
                raise MappingError(f"weights of {block.name} must be {block.shape}, got shape {values.shape}")
            seat = self.seats[block.name]
            columns = slice(seat.column, seat.column + seat.step * block.shape[1], seat.step)
            for part in self.parts(block.name):
                array = arrays.setdefault(part.tile, np.zeros(shape))
                rows = slice(part.at, part.at + part.rows[1] - part.rows[0])
                own = values[slice(*part.rows)]
                for pair in (0, 1) if part.pair is None else (part.pair,):
                    opposed = block.mode is Mode.BALANCED and pair == 1
                    array[pair, rows, columns] = -own if opposed else own
        return {tile: WeightTargets(*arrays[tile]) for tile in sorted(arrays)}

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON holds it; words are written anew from it."""
        calls = [{"wave": list(wave), "calls": [asdict(call) for call in calls]} for wave, calls in self.calls.items()]
        frames = [{name: asdict(frame) for name, frame in entries.items()} for entries in self.frames]
        return {
            "blocks": {name: asdict(block) for name, block in self.blocks.items()},
            "seats": {name: asdict(seat) for name, seat in self.seats.items()},
            "calls": calls,
            "frames": frames,
            "readouts": {name: asdict(readout) for name, readout in self.readouts.items()},
            "timing": asdict(self.timing),
            "copies": dict(self.copies),
            "shares": dict(self.shares),
        }

    @classmethod
    def from_json(cls, value: Any, config: ChipConfig) -> "Layout":
        """Inverse of `to_json`.

        Raises
        ------
        ValueError
            If something is missing or unknown, or of another type or range.
        """
        stored = typed(_Stored, value)
        calls = {wave.wave: wave.calls for wave in stored.calls}
        return cls(config=config, **{**vars(stored), "calls": calls})

    def save(self, path: Path) -> None:
        """Write the layout to a file, which `load` reads."""
        write_archive(path, _FORMAT, _VERSION, {"config": config_to_json(self.config), "layout": self.to_json()}, {})

    @classmethod
    def load(cls, path: Path) -> "Layout":
        """Read what `save` wrote.

        Raises
        ------
        MappingError
            If the file is no layout, is truncated, or was written by another version.
        """
        return load_archive(path, _FORMAT, _VERSION, cls._from_parts, MappingError)

    @classmethod
    def _from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "Layout":
        return cls.from_json(meta["layout"], typed(ChipConfig, meta["config"]))


@dataclass(frozen=True)
class _Wave:
    wave: tuple[str, ...]
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class _Stored:
    """What JSON has of a layout."""

    blocks: Mapping[str, Block]
    seats: Mapping[str, Seat]
    calls: tuple[_Wave, ...]
    frames: tuple[Mapping[str, Frame], ...]
    readouts: Mapping[str, Readout]
    timing: Timing
    copies: Mapping[str, int]
    shares: Mapping[str, str]
