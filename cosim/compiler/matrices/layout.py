"""Where every matrix of a network sits, and which frames of which chips multiply it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cosim.program import ChipImage, Mode

__all__ = ["Block", "Call", "Layout", "Output", "Seat", "Slice"]


@dataclass(frozen=True)
class Block:
    """A part of a matrix that one tile, or one joined pair, multiplies in one frame.

    Parameters
    ----------
    name : str
        Its own, e.g. "encoder/0/fc1 0:512 512:1024": matrix, rows, columns; a copy has a third part.
    matrix : str
    rows, columns : (int, int)
        First, and one after the last.
    mode : Mode
    copy : int
        Of several of the same matrix, whose outputs are averaged.
    """

    name: str
    matrix: str
    rows: tuple[int, int]
    columns: tuple[int, int]
    mode: Mode
    copy: int = 0


@dataclass(frozen=True)
class Seat:
    """Where a block sits.

    Parameters
    ----------
    chip : int
    tiles : tuple of int
        One tile, or a vertical pair that shares its capacitors, north first.
    row, column : int
        Of the first tile, where the block begins. Its row r is row ``row + r`` of the tile; after the last row of
        WP1 come, in mode STACKED, the rows of WP2 of the same tile, then those of the second tile.
    reader : int
        The tile that reads out.
    """

    chip: int
    tiles: tuple[int, ...]
    row: int
    column: int
    reader: int


@dataclass(frozen=True)
class Slice:
    """Rows of a matrix within the inputs of an entry: input r of the matrix is the entry's ``at + r - rows[0]``."""

    matrix: str
    rows: tuple[int, int]
    at: int


@dataclass(frozen=True)
class Output:
    """Columns of a block within an output of an entry: lane ``lane + c`` is the block's column c."""

    block: str
    output: str
    lane: int = 0


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


@dataclass(frozen=True)
class Layout:
    """A network on its chips; no weight is in it.

    Parameters
    ----------
    blocks : mapping of str to Block
    seats : mapping of str to Seat
        Of every block.
    calls : mapping of tuple of matrices to tuple of Call
        What multiplies the matrices of a wave (`Graph.waves`), all of them at once; each block of these matrices is an
        output of exactly one call. Matrices that stay with the host are not among them.
    images : tuple of ChipImage
        Of every chip, with the programs of all entries and no weights.
    """

    blocks: Mapping[str, Block]
    seats: Mapping[str, Seat]
    calls: Mapping[tuple[str, ...], tuple[Call, ...]]
    images: tuple[ChipImage, ...]

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
