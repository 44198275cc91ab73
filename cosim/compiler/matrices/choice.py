"""Modes, joined pairs and chips: as few chips as hold everything, on each as much balance and as many joins as fit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from cosim.compiler.errors import MappingError
from cosim.compiler.matrices.blocks import Piece, Sheet, pieces_of
from cosim.compiler.matrices.demand import demands
from cosim.compiler.matrices.options import LayoutOptions
from cosim.compiler.matrices.packing import Packer, Spot
from cosim.files.wording import counted
from cosim.program import Mode
from rtl.config import ChipConfig

__all__ = ["packings", "shortage"]

#: Chips are filled up to here at first: fuller ones need many small pieces.
_FULL = 0.8
#: Choices that fit, of which the one is taken whose waves need the fewest calls.
_TRIES = 3


@dataclass(frozen=True)
class _EmptyChip:
    """A chip to be packed, and how: as of `LayoutOptions.spread`."""

    config: ChipConfig
    spread: bool

    def packer(self) -> Packer:
        config = self.config
        return Packer(config.lanes, config.tile_count, dict(config.floorplan.capacitor_pairs()), self.spread)


def packings(sheets: Sequence[Sheet], options: LayoutOptions, config: ChipConfig) -> Iterator[list[list[Spot]]]:
    """Pieces on tiles, chip by chip, for as few chips as hold them and then more; `options.chips` only, if given.

    Raises
    ------
    MappingError
        If matrices that are given their chips do not fit them.
    """
    if any(sheet.chip is not None for sheet in sheets):
        yield _each_on_its_chip(sheets, options, config)
        return
    cells = 2 * config.tile_count * config.lanes**2
    least = -(-sum(_cells(sheet, sheet.mode or Mode.STACKED) for sheet in sheets) // cells)
    most = sum(len(pieces_of(sheet, Mode.BALANCED, False, config.lanes)) for sheet in sheets)
    for chips in [options.chips] if options.chips else range(max(1, least), max(least, most) + 1):
        found = _packed(sheets, chips, _EmptyChip(config, options.spread))
        if found is not None:
            yield found


def _each_on_its_chip(sheets: Sequence[Sheet], options: LayoutOptions, config: ChipConfig) -> list[list[Spot]]:
    chips = {sheet.name: sheet.chip for sheet in sheets}
    used = set(chips.values())
    count = options.chips or len(used)
    if used != set(range(count)):
        name, chip = next(((n, c) for n, c in chips.items() if c is None or c >= count), (None, None))
        wrong = "no matrix is on one of them" if name is None else f"{name!r} is on {chip}"
        raise MappingError(
            f"if one matrix is given its chip, all are, on chips 0 to {count - 1} without a gap; {wrong}"
        )
    packed: list[list[Spot]] = []
    for chip in range(count):
        own = [sheet for sheet in sheets if sheet.chip == chip]
        found = _packed(own, 1, _EmptyChip(config, options.spread))
        if found is None:
            raise MappingError(f"chip {chip}: {shortage(own, 1, config)}")
        packed += found
    return packed


def _packed(sheets: Sequence[Sheet], chips: int, empty: _EmptyChip) -> list[list[Spot]] | None:
    """Balanced and joined as far as they fit, the largest matrices stacked first."""
    config = empty.config
    cells = 2 * config.tile_count * config.lanes**2 * chips
    by_size = sorted(sheets, key=lambda sheet: -sheet.rows * sheet.columns)
    free = [sheet for sheet in by_size if sheet.mode is None]
    tried: list[tuple[int, list[list[Spot]]]] = []
    for full, stacked in product((_FULL, 1.0), range(len(free) + 1)):
        modes = {
            sheet.name: sheet.mode or (Mode.STACKED if sheet in free[:stacked] else Mode.BALANCED) for sheet in sheets
        }
        if sum(_cells(sheet, modes[sheet.name]) for sheet in sheets) > full * cells:
            continue
        for joined, even in product(_joined(by_size, modes, config), (True, False) if chips > 1 else (False,)):
            found = _fill(sheets, modes, joined, chips, even, empty)
            if found is not None:
                tried.append((_split(found, config), found))
                break
        if tried and (len(tried) == _TRIES or not tried[-1][0]):
            break
    return min(tried, key=lambda one: one[0])[1] if tried else None


def _split(packed: Sequence[Sequence[Spot]], config: ChipConfig) -> int:
    """Calls beyond one for each wave and chip."""
    return sum(len(calls) - 1 for spots in packed for calls in demands(spots, config.domain_count).values())


def _joined(by_size: Sequence[Sheet], modes: Mapping[str, Mode], config: ChipConfig) -> list[frozenset[str]]:
    """Sheets whose rows shall be on joined pairs, first all, then fewer and fewer of the smaller ones."""
    tall = [
        sheet for sheet in by_size if sheet.rows * (1 if modes[sheet.name] is Mode.STACKED else 2) > 2 * config.lanes
    ]
    fixed = {sheet.name for sheet in tall if sheet.joined}
    free = [sheet.name for sheet in tall if sheet.joined is None]
    return list(dict.fromkeys(frozenset(fixed | set(free[: -(-len(free) * share // 4)])) for share in (4, 3, 2, 1, 0)))


def _cells(sheet: Sheet, mode: Mode) -> int:
    """Pairs of devices."""
    return sheet.rows * sheet.columns * (1 if mode is Mode.STACKED else 2)


def _fill(
    sheets: Sequence[Sheet],
    modes: Mapping[str, Mode],
    joined: frozenset[str],
    chips: int,
    even: bool,
    empty: _EmptyChip,
) -> list[list[Spot]] | None:
    """Chip after chip with sheets in their order, as many as it holds, or even shares; None if some are left over.

    More chips than sheets get them piece by piece.
    """
    pieces: list[Sequence[Piece]] = [
        pieces_of(sheet, modes[sheet.name], sheet.name in joined, empty.config.lanes) for sheet in sheets
    ]
    if chips > len(pieces):
        pieces = [(piece,) for some in pieces for piece in some]
    found: list[list[Spot]] = []
    while pieces and len(found) < chips:
        most = len(pieces)
        if even:
            cells = np.cumsum([sum(piece.area for piece in some) for some in pieces])
            most = int(np.searchsorted(cells, cells[-1] / (chips - len(found)) - 0.5)) + 1
        taken, packer = _most(pieces, most, len(found) == chips - 1, empty)
        found.append(packer.spots)
        pieces = pieces[taken:]
        if not taken:  # the first sheet alone is larger than a chip
            if not packer.spots:
                return None
            pieces = [packer.left, *pieces[1:]]
    return None if pieces else found


def _most(pieces: Sequence[Sequence[Piece]], most: int, last: bool, empty: _EmptyChip) -> tuple[int, Packer]:
    """As many of the first sheets as a chip holds, all or none on the last one; of none, what it holds of the first."""
    packer = _fits(pieces[:most], empty)
    if packer is not None:
        return most, packer
    low, high, best = 1, 0 if last else most - 1, 0
    while low <= high:
        middle = (low + high) // 2
        tried = _fits(pieces[:middle], empty)
        if tried is None:
            high = middle - 1
        else:
            packer, best, low = tried, middle, middle + 1
    if packer is None:
        packer = empty.packer()
        if not last:
            packer.pack(pieces[0])
    return best, packer


def _fits(pieces: Sequence[Sequence[Piece]], empty: _EmptyChip) -> Packer | None:
    every = [piece for some in pieces for piece in some]
    if sum(piece.area for piece in every) > 2 * empty.config.tile_count * empty.config.lanes**2:
        return None
    packer = empty.packer()
    packer.pack(every)
    return None if packer.left else packer


def shortage(sheets: Sequence[Sheet], chips: int, config: ChipConfig) -> str:
    """What is short, in words."""
    weights = sum(sheet.rows * sheet.columns for sheet in sheets)
    tile = config.lanes**2
    text = (
        f"{weights:,} weights in {counted(len(sheets), 'matrix', 'matrices')} do not fit {counted(chips, 'chip')} of "
        f"{counted(config.tile_count, 'tile')}: balanced they fill {weights / tile:.1f} tiles, stacked "
        f"{weights / tile / 2:.1f}, and at most {chips * config.tile_count} are there"
    )
    pairs = chips * len(list(config.floorplan.capacitor_pairs()))
    joined = sum(
        piece.joined
        for sheet in sheets
        if sheet.joined
        for piece in pieces_of(sheet, sheet.mode or Mode.STACKED, True, config.lanes)
    )
    if joined > pairs:
        text += f"; those that shall be joined need {counted(joined, 'pair')} of tiles, {pairs} are there"
    asked = any(sheet.mode is not None or sheet.joined for sheet in sheets)
    return text + f"; give more chips, {'choose other modes, ' if asked else ''}or leave matrices to the host"
