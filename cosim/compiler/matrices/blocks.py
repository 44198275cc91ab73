"""Matrices cut into pieces that a tile, or a joined pair, can hold.

Matrices that always get the same input are one sheet of columns, cut as one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cosim.compiler.errors import MappingError
from cosim.compiler.matrices.options import LayoutOptions
from cosim.program import Mode

__all__ = ["Piece", "Sheet", "Span", "pieces_of", "sheets_of"]

#: First, and one after the last.
Span = tuple[int, int]


@dataclass(frozen=True)
class Sheet:
    """One matrix, or several with the same input side by side, and its copies one below the other.

    Parameters
    ----------
    name : str
        Of the first matrix.
    matrices : tuple of str
    widths : tuple of int
        Columns of each.
    rows : int
        Of all copies.
    waves : frozenset of int
        In which it is due.
    mode : Mode or None
    joined : bool or None
    chip : int or None
    apart : int
    first_rows : int or None
        What was asked for.
    merged : (str, str) or None
        Sheets of which this is one, whose last columns are read as one vector.
    """

    name: str
    matrices: tuple[str, ...]
    widths: tuple[int, ...]
    rows: int
    waves: frozenset[int]
    mode: Mode | None = None
    joined: bool | None = None
    chip: int | None = None
    apart: int = 0
    first_rows: int | None = None
    merged: tuple[str, str] | None = None

    @property
    def columns(self) -> int:
        return sum(self.widths)

    def matrices_in(self, columns: Span) -> Iterator[tuple[str, Span, int]]:
        """Matrices of some columns: name, columns of its own, and where in `columns` they begin."""
        start = 0
        for name, width in zip(self.matrices, self.widths, strict=True):
            low, high = max(columns[0], start), min(columns[1], start + width)
            if low < high:
                yield name, (low - start, high - start), low - columns[0]
            start += width


@dataclass(frozen=True)
class Piece:
    """A part of a sheet on one tile, or on a joined pair.

    Parameters
    ----------
    sheet : Sheet
    rows, columns : Span
    mode : Mode
    joined : bool
    spaced : bool
        Only every second column of the tile is its own: it is read as one vector with another piece.
    """

    sheet: Sheet
    rows: Span
    columns: Span
    mode: Mode
    joined: bool
    spaced: bool = False

    @property
    def height(self) -> int:
        return self.rows[1] - self.rows[0]

    @property
    def width(self) -> int:
        return self.columns[1] - self.columns[0]

    @property
    def step(self) -> int:
        """From one column of the piece to the next, on the tile."""
        return 2 if self.spaced else 1

    @property
    def offset(self) -> int:
        """Its first column: of two pieces that are one vector, the second one's stand between the first one's."""
        return int(self.spaced and self.sheet.merged is not None and self.sheet.merged[1] == self.sheet.name)

    @property
    def area(self) -> int:
        """Pairs of devices."""
        return self.height * self.width * (1 if self.mode is Mode.STACKED else 2)

    def cut_columns(self, count: int) -> tuple["Piece", "Piece"]:
        """The first `count` columns, and the others."""
        at = self.columns[0] + count
        return replace(self, columns=(self.columns[0], at)), replace(self, columns=(at, self.columns[1]))

    def cut_rows(self, count: int) -> tuple["Piece", "Piece"]:
        """The first `count` rows, and the others."""
        at = self.rows[0] + count
        return replace(self, rows=(self.rows[0], at)), replace(self, rows=(at, self.rows[1]))


def sheets_of(
    shapes: Mapping[str, tuple[int, int]], waves: Sequence[tuple[str, ...]], options: LayoutOptions
) -> tuple[Sheet, ...]:
    """Sheets of all matrices that go onto chips, in the order of the waves."""
    due: dict[str, set[int]] = {}
    for number, wave in enumerate(waves):
        for name in wave:
            due.setdefault(name, set()).add(number)
    group_of = {name: group for group in options.alike for name in group}
    sheets: dict[str, Sheet] = {}
    for name in due:
        chosen = options.of(name)
        if chosen.host or any(name in sheet.matrices for sheet in sheets.values()):
            continue
        # Alike only in the same waves, with as many rows and the same choices.
        alike = tuple(
            other
            for other in group_of.get(name, (name,))
            if other == name or (due.get(other) == due[name] and _fits(other, name, shapes, options))
        )
        names = (name, *(other for other in alike if other != name))
        sheets[name] = Sheet(
            name,
            names,
            tuple(shapes[other][1] for other in names),
            shapes[name][0] * chosen.copies,
            frozenset(due[name]),
            chosen.mode,
            chosen.joined,
            chosen.chip,
            chosen.apart,
            chosen.first_rows,
            next((pair for pair in options.merged if name in pair), None),
        )
    for name in (name for pair in options.merged for name in pair):
        if name not in sheets or len(sheets[name].matrices) > 1:
            raise MappingError(
                f"columns of {name!r} cannot be read with another matrix's: it is on no chip, or not alone"
            )
    return tuple(sheets.values())


def _fits(other: str, name: str, shapes: Mapping[str, tuple[int, int]], options: LayoutOptions) -> bool:
    return shapes[other][0] == shapes[name][0] and options.of(other) == options.of(name)


def pieces_of(sheet: Sheet, mode: Mode, joined: bool, lanes: int) -> tuple[Piece, ...]:
    """A sheet cut as few times as can be: the rows first, so that few sums are left to the host."""
    tile = 2 * lanes if mode is Mode.STACKED else lanes
    together = joined and sheet.rows > tile
    last = sheet.columns % lanes or lanes
    if sheet.merged is not None and 2 * last > lanes:
        raise MappingError(f"the last {last} columns of {sheet.name!r} are more than half of a tile's {lanes}")
    pieces = []
    for number, columns in enumerate(_cut(sheet.columns, lanes)):
        paired = together and number >= sheet.apart
        spaced = sheet.merged is not None and columns[1] == sheet.columns
        for rows in _cut(sheet.rows, 2 * tile if paired else tile):
            pieces.append(Piece(sheet, rows, columns, mode, paired and rows[1] - rows[0] > tile, spaced))
    return tuple(pieces)


def _cut(count: int, size: int) -> Iterator[Span]:
    for first in range(0, count, size):
        yield first, min(count, first + size)
