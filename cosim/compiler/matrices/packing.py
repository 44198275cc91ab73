"""Pieces of matrices as rectangles on tiles.

A tile's cells are a rectangle of rows and columns; a stacked tile is two of them, one below the other (WP1, then WP2),
and a joined pair is two tiles so. Pieces that are due in the same wave may share a tile only where none of them adds to
another one's columns; otherwise, if there is no other place, they are multiplied one after the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cosim.compiler.matrices.blocks import Piece, Span
from cosim.compiler.matrices.layout import Part
from cosim.program import Mode

__all__ = ["Packer", "Spot", "clashes"]

#: A cut leaves at least this share of a tile's rows or columns on either side.
_THINNEST = 8


@dataclass(frozen=True)
class Spot:
    """Where a piece sits: its tiles, and the row and column where it begins, as of `Seat`."""

    piece: Piece
    tiles: tuple[int, ...]
    row: int
    column: int
    lanes: int

    @property
    def columns(self) -> Span:
        return self.column, self.column + self.piece.step * self.piece.width

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(Part.all_of(self.tiles, self.row, self.piece.height, self.piece.mode, self.lanes))


@dataclass
class _Tile:
    """What is on a tile. `stacked` is None as long as it is empty."""

    stacked: bool | None = None
    spots: list[Spot] = field(default_factory=list)
    #: Of each pair of devices: rows, columns that are taken. Where both are used as one, the first list holds them.
    taken: tuple[list[tuple[Span, Span]], list[tuple[Span, Span]]] = field(default_factory=lambda: ([], []))

    @property
    def filled(self) -> int:
        return sum((rows[1] - rows[0]) * (columns[1] - columns[0]) for pair in self.taken for rows, columns in pair)


class Packer:
    """The tiles of one chip, being filled.

    Parameters
    ----------
    lanes, tiles : int
    partner : mapping of int to int
        Southern tile of every vertical pair, by the northern one.
    spread : bool
        Take an empty tile for a piece as long as there is one, and not the fullest that has a place.

    Members
    -------
    left : list of Piece
        What had no place.
    """

    def __init__(self, lanes: int, tiles: int, partner: Mapping[int, int], spread: bool = False) -> None:
        self.lanes, self.partner, self.spread = lanes, partner, spread
        self.tiles = [_Tile() for _ in range(tiles)]
        self.left: list[Piece] = []

    def pack(self, pieces: Sequence[Piece]) -> None:
        """Place pieces, large ones first; what has no place whole is cut."""
        rest = []
        waiting = sorted(pieces, key=_order)
        for piece in waiting:
            spot = self._best(piece)
            if spot is None:
                rest.append(piece)
            else:
                self._put(spot)
        while rest:
            piece = rest.pop(0)
            spot = self._best(piece)
            if spot is not None:
                self._put(spot)
                continue
            cut = self._cut(piece)
            if cut is None:
                self.left.append(piece)
                continue
            spot, remaining = cut
            self._put(spot)
            rest.insert(0, remaining)

    @property
    def spots(self) -> list[Spot]:
        """All pieces, each once."""
        return list(dict.fromkeys(spot for tile in self.tiles for spot in tile.spots))

    def _put(self, spot: Spot) -> None:
        for number in spot.tiles:
            tile = self.tiles[number]
            tile.stacked = spot.piece.mode is Mode.STACKED
            tile.spots.append(spot)
        for part in spot.parts:
            height = part.rows[1] - part.rows[0]
            self.tiles[part.tile].taken[part.pair or 0].append(((part.at, part.at + height), spot.columns))

    # Whole pieces.

    def _best(self, piece: Piece) -> Spot | None:
        best: tuple[tuple, Spot] | None = None
        for spot in self._candidates(piece):
            tiles = [self.tiles[number] for number in spot.tiles]
            fresh = sum(not tile.spots for tile in tiles)
            crowd = sum(clashes(spot, other) for tile in tiles for other in tile.spots)
            if fresh and best is not None and best[0][1] and not best[0][0]:
                continue  # empty tiles are alike: the first one that has a place is as good
            wanted = -fresh if self.spread else fresh
            key = (crowd, wanted, -sum(tile.filled for tile in tiles), spot.tiles, spot.row, spot.column)
            if best is None or key < best[0]:
                best = key, spot
        return None if best is None else best[1]

    def _chains(self, piece: Piece) -> Iterator[tuple[int, ...]]:
        """Tiles, or pairs, that a piece may be on; of the empty ones the first, those whose partner is taken before."""
        stacked = piece.mode is Mode.STACKED
        fits = [tile.stacked in (None, stacked) for tile in self.tiles]
        if piece.joined:
            pairs: list[tuple[int, ...]] = [pair for pair in self.partner.items() if fits[pair[0]] and fits[pair[1]]]
            empty = [pair for pair in pairs if not self.tiles[pair[0]].spots and not self.tiles[pair[1]].spots]
            yield from (pair for pair in pairs if pair not in empty[1:])
            return
        halves = {**self.partner, **{south: north for north, south in self.partner.items()}}
        singles = [(t,) for t in range(len(self.tiles)) if fits[t] and not self.tiles[t].spots]
        singles.sort(key=lambda chain: (chain[0] in halves and not self.tiles[halves[chain[0]]].spots, chain))
        yield from ((t,) for t in range(len(self.tiles)) if fits[t] and self.tiles[t].spots)
        yield from singles[:1]

    def _candidates(self, piece: Piece) -> Iterator[Spot]:
        for tiles in self._chains(piece):
            width = piece.step * piece.width
            columns = [column for column in self._columns(tiles) if column + width <= self.lanes]
            for row in self._rows(tiles, piece) if columns else ():
                taken = [
                    span
                    for part in Part.all_of(tiles, row, piece.height, piece.mode, self.lanes)
                    for span in self._beside(part)
                ]
                for column in columns:
                    if not any(_meet(span, (column, column + width)) for span in taken):
                        yield Spot(piece, tiles, row, column, self.lanes)

    def _beside(self, part: Part) -> list[Span]:
        """Columns that are taken in the rows of a part."""
        rows = part.at, part.at + part.rows[1] - part.rows[0]
        return [columns for other, columns in self.tiles[part.tile].taken[part.pair or 0] if _meet(rows, other)]

    def _columns(self, tiles: tuple[int, ...]) -> list[int]:
        ends = {end for t in tiles for pair in self.tiles[t].taken for _, (_, end) in pair}
        return sorted({0} | ends)

    def _rows(self, tiles: tuple[int, ...], piece: Piece) -> list[int]:
        pairs = 2 if piece.mode is Mode.STACKED else 1
        first = piece.sheet.first_rows
        if piece.joined and first is not None:
            row = self.lanes * pairs - first
            return [row] if row >= 0 and first < piece.height <= first + self.lanes * pairs else []
        room = self.lanes * pairs * len(tiles)
        starts = {0, room - piece.height} | {self.lanes * at for at in range(1, pairs * len(tiles))}
        for number, t in enumerate(tiles):
            for pair in range(pairs):
                origin = self.lanes * (number * pairs + pair)
                starts |= {origin + end for (_, end), _ in self.tiles[t].taken[pair]}
        # A piece that one pair of devices holds is on one: a second would take two more steps.
        crosses = piece.height > self.lanes
        return sorted(
            row
            for row in starts
            if 0 <= row <= room - piece.height
            and (crosses or row // self.lanes == (row + piece.height - 1) // self.lanes)
            and (not piece.joined or row < self.lanes * pairs < row + piece.height)
        )

    # Parts of pieces.

    def _cut(self, piece: Piece) -> tuple[Spot, Piece] | None:
        """The largest part of a piece that has a place; columns, or, where none of its full height is free, rows."""
        if piece.spaced:
            return None
        thinnest = max(1, self.lanes // _THINNEST)
        for cut, size in ((Piece.cut_columns, piece.width), (Piece.cut_rows, piece.height)):
            if cut is Piece.cut_rows and piece.joined:
                continue
            low, high = thinnest, size - thinnest
            best: Spot | None = None
            while low <= high:  # of fewer columns, or rows, there is a place wherever there is one of more
                count = (low + high) // 2
                spot = self._best(cut(piece, count)[0])
                if spot is None:
                    high = count - 1
                else:
                    best, low = spot, count + 1
            if best is not None:
                count = best.piece.width if cut is Piece.cut_columns else best.piece.height
                return best, cut(piece, count)[1]
        return None


def _order(piece: Piece) -> tuple:
    """Joined pairs first, then by size; those that are alone in their wave last, for they can best be cut."""
    return not piece.joined, -piece.area


def clashes(one: Spot, other: Spot) -> bool:
    """Whether two pieces on a tile cannot be multiplied at once though they are due in the same wave."""
    if not one.piece.sheet.waves & other.piece.sheet.waves or not set(one.tiles) & set(other.tiles):
        return False
    if one.tiles != other.tiles or one.piece.mode is not other.piece.mode or _meet(one.columns, other.columns):
        return True
    same = one.piece.sheet == other.piece.sheet and one.piece.rows == other.piece.rows and one.row == other.row
    mine, theirs = ((spot.row, spot.row + spot.piece.height) for spot in (one, other))
    return not same and _meet(mine, theirs)


def _meet(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
