"""From the shapes of matrices to their layout on chips: modes, packing, placement, calls."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count

from cosim.compiler.errors import MappingError
from cosim.compiler.matrices.blocks import Piece, Sheet, pieces_of, sheets_of
from cosim.compiler.matrices.frames import Frame, Reading, Readout, Source, Stream, Vector, Work
from cosim.compiler.matrices.layout import Block, Call, Layout, Output, Seat, Slice
from cosim.compiler.matrices.options import LayoutOptions
from cosim.compiler.matrices.packing import Packer, Spot
from cosim.compiler.matrices.placement import Placed, Routed, place
from cosim.compiler.matrices.ways import Ways
from cosim.compiler.router import Route, switches
from cosim.fabric.checker import check
from cosim.program import Mode
from rtl.config import ChipConfig

__all__ = ["lay_out"]


def lay_out(
    shapes: Mapping[str, tuple[int, int]],
    waves: Sequence[tuple[str, ...]],
    options: LayoutOptions,
    config: ChipConfig,
    *,
    effort: int = 200,
) -> Layout:
    """Put matrices onto chips.

    Parameters
    ----------
    shapes : mapping of str to (inputs, outputs)
    waves : sequence of tuple of str
        Matrices that are due at once.
    options : LayoutOptions
    config : ChipConfig
    effort : int
        Changes of a chip's placement that are tried to save readouts and to shorten ways.

    Raises
    ------
    MappingError
        If they do not fit; the message says what is short.
    """
    waves = list(dict.fromkeys(waves))
    for name in (name for wave in waves for name in wave):
        if name not in shapes or min(shapes[name]) < 1:
            raise MappingError(f"matrix {name!r} needs a shape (inputs, outputs), got {shapes.get(name)}")
    sheets = sheets_of(shapes, waves, options)
    if not sheets:
        raise MappingError("no matrix is to go onto a chip; expected at least one in the waves that is not the host's")
    packed = _packed(sheets, options, config)
    ways = Ways(config)
    return _Assembly(sheets, waves, options, config).layout([place(spots, ways, effort) for spots in packed])


# Modes and chips.


def _packed(sheets: Sequence[Sheet], options: LayoutOptions, config: ChipConfig) -> list[list[Spot]]:
    """Pieces on tiles, chip by chip; balanced and joined as far as they fit, the largest matrices stacked first."""
    cells = config.tile_count * config.lanes**2
    least = sum(_cells(sheet, Mode.STACKED) for sheet in sheets)
    by_size = sorted(sheets, key=lambda sheet: -sheet.rows * sheet.columns)
    free = [sheet for sheet in by_size if sheet.mode is None]
    for chips in [options.chips] if options.chips else count(max(1, -(-least // (2 * cells)))):
        for stacked in range(len(free) + 1):
            modes = {
                sheet.name: sheet.mode or (Mode.STACKED if sheet in free[:stacked] else Mode.BALANCED)
                for sheet in sheets
            }
            if sum(_cells(sheet, modes[sheet.name]) for sheet in sheets) > 2 * cells * chips:
                continue
            for joined in (True, False):
                found = _fill(sheets, modes, joined, chips, config)
                if found is not None:
                    return found
        if options.chips:
            raise MappingError(_shortage(sheets, chips, config))
    raise AssertionError("chips never run out")


def _cells(sheet: Sheet, mode: Mode) -> int:
    """Pairs of devices."""
    return sheet.rows * sheet.columns * (1 if mode is Mode.STACKED else 2)


def _shortage(sheets: Sequence[Sheet], chips: int, config: ChipConfig) -> str:
    weights = sum(sheet.rows * sheet.columns for sheet in sheets)
    fixed = any(sheet.mode is not None for sheet in sheets)
    tile = config.lanes**2
    return (
        f"{weights:,} weights in {len(sheets)} matrices do not fit {chips} chip{'s' if chips > 1 else ''} of "
        f"{config.tile_count} tiles: balanced they fill {weights / tile:.1f} tiles, stacked {weights / tile / 2:.1f}, "
        f"and at most {chips * config.tile_count} are there; "
        + ("choose other modes, or " if fixed else "")
        + "give more chips, or leave matrices to the host"
    )


def _fill(
    sheets: Sequence[Sheet], modes: Mapping[str, Mode], joined: bool, chips: int, config: ChipConfig
) -> list[list[Spot]] | None:
    """Chip after chip with as many sheets, in their order, as it holds; None if some are left over."""
    pieces = [
        pieces_of(sheet, modes[sheet.name], joined if sheet.joined is None else sheet.joined, config.lanes)
        for sheet in sheets
    ]
    found: list[list[Spot]] = []
    while pieces and len(found) < chips:
        low, high, best = 1, len(pieces), None
        while low <= high:
            middle = high if best is None and low == 1 and high == len(pieces) else (low + high) // 2
            packer = _fits([piece for some in pieces[:middle] for piece in some], config)
            if packer is None:
                high = middle - 1
            else:
                best, low = packer, middle + 1
        if best is not None:
            pieces = pieces[high:]
        else:  # the first sheet alone is larger than a chip
            best = Packer(config.lanes, config.tile_count, dict(config.floorplan.capacitor_pairs()))
            rest = best.pack(pieces[0])
            if rest == list(pieces[0]):
                return None
            pieces = [tuple(rest), *pieces[1:]]
        found.append(best.spots)
    return None if pieces else found


def _fits(pieces: Sequence[Piece], config: ChipConfig) -> Packer | None:
    cells = sum(piece.area * (1 if piece.mode is Mode.STACKED else 2) for piece in pieces)
    if cells > 2 * config.tile_count * config.lanes**2:
        return None
    packer = Packer(config.lanes, config.tile_count, dict(config.floorplan.capacitor_pairs()))
    return None if packer.pack(pieces) else packer


# Blocks, calls and frames of what was placed.


class _Assembly:
    def __init__(
        self, sheets: Sequence[Sheet], waves: Sequence[tuple[str, ...]], options: LayoutOptions, config: ChipConfig
    ) -> None:
        self.sheets, self.waves, self.options, self.config = sheets, waves, options, config
        self.blocks: dict[str, Block] = {}
        self.seats: dict[str, Seat] = {}

    def layout(self, chips: Sequence[Placed]) -> Layout:
        on_chip = {name for sheet in self.sheets for name in sheet.matrices}
        calls: dict[int, list[Call]] = {}
        frames: list[dict[str, Frame]] = []
        for chip, placed in enumerate(chips):
            for spot in placed.spots:
                self._seat(chip, spot)
            entries: dict[str, Frame] = {}
            for wave, routed in placed.calls.items():
                for one in routed:
                    name = self._entry(wave, entries)
                    entries[name], call = self._call(chip, name, one)
                    calls.setdefault(wave, []).append(call)
            frames.append(entries)
        readout = Readout.signed(self.options.duration, self.options.analog)
        layout = Layout(
            config=self.config,
            blocks=self.blocks,
            seats=self.seats,
            calls={
                tuple(name for name in self.waves[wave] if name in on_chip): tuple(calls[wave])
                for wave in sorted(calls)
            },
            frames=tuple(frames),
            readouts=dict.fromkeys(self.blocks, readout),
            timing=self.options.timing,
            copies={name: self.options.of(name).copies for name in sorted(on_chip) if self.options.of(name).copies > 1},
            shares={name: sheet.matrices[0] for sheet in self.sheets for name in sheet.matrices[1:]},
        )
        for image in layout.images:
            for program in image.entries.values():
                check(program)
        return layout

    def _entry(self, wave: int, taken: Mapping[str, Frame]) -> str:
        name = self.waves[wave][0]
        return next(n for n in chain([name], (f"{name} {number}" for number in count(2))) if n not in taken)

    def _blocks(self, spot: Spot) -> Iterator[tuple[Block, int]]:
        """Of a piece, and where in it each begins."""
        piece = spot.piece
        for matrix, columns, at in piece.sheet.matrices_in(piece.columns):
            name = f"{matrix} {piece.rows[0]}:{piece.rows[1]} {columns[0]}:{columns[1]}"
            yield Block(name, matrix, piece.rows, columns, piece.mode), at

    def _seat(self, chip: int, spot: Spot) -> None:
        for block, at in self._blocks(spot):
            self.blocks[block.name] = block
            self.seats[block.name] = Seat(chip, spot.tiles, spot.row, spot.column + at, spot.tiles[-1])

    def _call(self, chip: int, entry: str, routed: Routed) -> tuple[Frame, Call]:
        slices: list[Slice] = []
        streams = []
        end = 0
        for routes, (turns, tiles) in zip(routed.sent, routed.demand.streams, strict=True):
            vectors: dict[tuple[Slice, ...], Vector] = {}
            for lanes in dict.fromkeys(turns):
                width = max(one.at + one.rows[1] - one.rows[0] for one in lanes)
                vectors[lanes] = Vector(end, width)
                slices += [Slice(one.matrix, one.rows, end + one.at) for one in lanes]
                end += width
            ilps = tuple(route.connection.source.tile for route in routes)
            streams.append(Stream(ilps, tuple(vectors[lanes] for lanes in turns), tiles))
        by_chain: dict[tuple[int, ...], list[tuple[Block, int]]] = {}
        for spot in routed.demand.spots:
            by_chain.setdefault(spot.tiles, []).extend((block, spot.column + at) for block, at in self._blocks(spot))
        readings, outputs = [], []
        for step, heard in enumerate(routed.heard):
            for one in heard:
                tiles = next(tiles for tiles in by_chain if one.tile in tiles)
                name = f"tile{one.tile}"
                width = max(lane + block.shape[1] for block, lane in by_chain[tiles])
                source = Source(one.tile, by_chain[tiles][0][0].name)
                readings.append(Reading(name, step, one.olp, width, (source,)))
                outputs += [Output(block.name, name, lane) for block, lane in by_chain[tiles]]
        works = [
            Work(tile, by_chain[tiles][0][0].mode, routed.demand.pairs[tile], by_chain[tiles][0][0].name, partner)
            for tiles in by_chain
            for tile, partner in zip(tiles, ("south", "north") if len(tiles) == 2 else ("",), strict=True)
            if tile in routed.demand.pairs
        ]
        sent = tuple(route for routes in routed.sent for route in routes)
        ways = [sent, *(tuple(one.route for one in step) for step in routed.heard)]
        frame = Frame(tuple(streams), tuple(works), tuple(readings), tuple(self._switches(routes) for routes in ways))
        return frame, Call(chip, entry, tuple(slices), tuple(outputs))

    def _switches(self, routes: Sequence[Route]) -> dict[int, dict[str, int]]:
        return switches(routes, self.config.lanes, {})
