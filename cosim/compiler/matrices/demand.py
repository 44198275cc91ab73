"""What pieces that are multiplied at once need: vectors on the rows of their tiles, and readouts of their columns."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cosim.compiler.matrices.blocks import Span
from cosim.compiler.matrices.layout import Part, Slice
from cosim.compiler.matrices.packing import Spot
from cosim.program import Mode

__all__ = ["READOUTS", "Demand", "Turns", "by_tile", "demand", "demands"]

#: Most readouts of a frame. Source: one to three steps, Nature 620, 768 (2023), Methods.
READOUTS = 3
#: Rows of matrices by the lane where each begins.
Lanes = tuple[Slice, ...]
#: What a tile hears, turn by turn.
Turns = tuple[Lanes, ...]


@dataclass(frozen=True)
class Demand:
    """Of pieces that can be multiplied at once.

    Parameters
    ----------
    spots : tuple of Spot
    heard : mapping of tile to Turns
    streams : tuple of (Turns, tiles)
        Tiles that hear the same, or the beginning of it.
    pairs : mapping of tile to tuple of int
        Pair of devices of each turn.
    chains : tuple of tuple of int
        Tiles that are read as one: single ones, and joined pairs.
    merged : mapping of chain to chain
        Of two that are read as one vector, the second by the first, which alone is among `chains`.
    """

    spots: tuple[Spot, ...]
    heard: Mapping[int, Turns]
    streams: tuple[tuple[Turns, tuple[int, ...]], ...]
    pairs: Mapping[int, tuple[int, ...]]
    chains: tuple[tuple[int, ...], ...]
    merged: Mapping[tuple[int, ...], tuple[int, ...]] = field(default_factory=dict)


def by_tile(spots: Sequence[Spot]) -> dict[int, list[Spot]]:
    """All pieces on each tile."""
    found: dict[int, list[Spot]] = defaultdict(list)
    for spot in spots:
        for tile in spot.tiles:
            found[tile].append(spot)
    return found


def demands(spots: Sequence[Spot], pads: int) -> dict[int, list[Demand]]:
    """Pieces of every wave in as few calls as a chip's landing pads and tiles allow, wherever the tiles are."""
    beside = by_tile(spots)
    waves = sorted({wave for spot in spots for wave in spot.piece.sheet.waves})
    return {wave: _grouped([spot for spot in spots if wave in spot.piece.sheet.waves], beside, pads) for wave in waves}


def _grouped(spots: list[Spot], beside: Mapping[int, Sequence[Spot]], pads: int) -> list[Demand]:
    waiting = sorted(spots, key=lambda spot: (spot.piece.sheet.name, spot.piece.rows, spot.piece.columns))
    groups = []
    while waiting:
        chosen: list[Spot] = []
        found: Demand | None = None
        for spot in waiting:
            more = demand([*chosen, spot], beside)
            if more is not None and len(more.streams) <= pads and len(more.chains) <= READOUTS * pads:
                chosen.append(spot)
                found = more
        assert found is not None, "a piece alone can be multiplied"
        groups.append(found)
        waiting = [spot for spot in waiting if spot not in chosen]
    return groups


def demand(spots: Sequence[Spot], beside: Mapping[int, Sequence[Spot]]) -> Demand | None:
    """What these pieces need, or None if they cannot be multiplied at once.

    Parameters
    ----------
    spots : sequence of Spot
    beside : mapping of tile to sequence of Spot
        All pieces on a tile, of any wave.
    """
    rows: dict[tuple[int, int], dict[Slice, None]] = defaultdict(dict)
    mode: dict[int, Mode] = {}
    for spot in spots:
        for part in spot.parts:
            if mode.setdefault(part.tile, spot.piece.mode) is not spot.piece.mode:
                return None
            first = spot.piece.rows[0]
            span = first + part.rows[0], first + part.rows[1]
            rows[part.tile, part.pair or 0][Slice(spot.piece.sheet.name, span, part.at)] = None
    chains = tuple(dict.fromkeys(spot.tiles for spot in spots))
    if len({tile for chain in chains for tile in chain}) < sum(map(len, chains)):
        return None  # a pair is joined, and one of its tiles is needed alone
    if any(_overlap(slices) for slices in rows.values()) or not _undisturbed(spots, rows, beside):
        return None
    heard: dict[int, Turns] = {}
    pairs: dict[int, tuple[int, ...]] = {}
    for tile in mode:
        used = [pair for pair in (0, 1) if (tile, pair) in rows]
        vectors = [tuple(sorted(rows[tile, pair], key=lambda one: one.at)) for pair in used]
        if mode[tile] is Mode.BALANCED:
            vectors, used = vectors * 2, [0, 1]
        heard[tile], pairs[tile] = tuple(vectors), tuple(used)
    merged = dict(_merged(spots))
    alone = tuple(chain for chain in chains if chain not in merged.values())
    return Demand(tuple(spots), heard, _streams(heard), pairs, alone, merged)


def _merged(spots: Sequence[Spot]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Tiles whose columns are read as one vector, where both are there."""
    spaced = {spot.piece.sheet.name: spot.tiles for spot in spots if spot.piece.spaced}
    for first, second in {spot.piece.sheet.merged for spot in spots if spot.piece.sheet.merged is not None}:
        if first in spaced and second in spaced:
            yield spaced[first], spaced[second]


def _overlap(slices: Mapping[Slice, None]) -> bool:
    """Whether a lane would carry two inputs."""
    ends = [(one.at, one.at + one.rows[1] - one.rows[0]) for one in sorted(slices, key=lambda one: one.at)]
    return any(before[1] > after[0] for before, after in pairwise(ends))


def _undisturbed(
    spots: Sequence[Spot], rows: Mapping[tuple[int, int], Mapping[Slice, None]], beside: Mapping[int, Sequence[Spot]]
) -> bool:
    """Whether in the columns that are read nothing is on the rows that are driven but what shall be read."""
    driven = {key: [(one.at, one.at + one.rows[1] - one.rows[0]) for one in slices] for key, slices in rows.items()}
    for spot in spots:
        for tile in spot.tiles:
            for other in beside[tile]:
                if other is spot or not _meet(spot.columns, other.columns):
                    continue
                if any(_struck(part, driven) for part in other.parts if part.tile in spot.tiles):
                    return False
    return True


def _struck(part: Part, driven: Mapping[tuple[int, int], Sequence[Span]]) -> bool:
    span = part.at, part.at + part.rows[1] - part.rows[0]
    pairs = (0, 1) if part.pair is None else (part.pair,)
    return any(_meet(span, rows) for pair in pairs for rows in driven.get((part.tile, pair), ()))


def _streams(heard: Mapping[int, Turns]) -> tuple[tuple[Turns, tuple[int, ...]], ...]:
    """Tiles by what they hear; one whose turns are the beginning of another one's goes with it."""
    found: dict[Turns, list[int]] = {}
    for tile, turns in sorted(heard.items(), key=lambda item: (-len(item[1]), item[0])):
        known = next((longer for longer in found if longer[: len(turns)] == turns), turns)
        found.setdefault(known, []).append(tile)
    return tuple((turns, tuple(sorted(tiles))) for turns, tiles in found.items())


def _meet(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
