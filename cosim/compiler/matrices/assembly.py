"""Blocks, calls and frames of what was placed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count

from cosim.compiler.matrices.blocks import Sheet
from cosim.compiler.matrices.frames import Frame, Reading, Readout, Source, Stream, Vector, Work
from cosim.compiler.matrices.layout import Block, Call, Layout, Output, Seat, Slice
from cosim.compiler.matrices.options import LayoutOptions
from cosim.compiler.matrices.packing import Spot
from cosim.compiler.matrices.placement import Placed, Routed
from cosim.compiler.matrices.ways import Heard
from cosim.compiler.router import Route, switches
from rtl.config import ChipConfig

__all__ = ["Assembly"]


class Assembly:
    """Makes a layout of placed pieces."""

    def __init__(
        self, sheets: Sequence[Sheet], waves: Sequence[tuple[str, ...]], options: LayoutOptions, config: ChipConfig
    ) -> None:
        self.sheets, self.waves, self.options, self.config = sheets, waves, options, config
        self.blocks: dict[str, Block] = {}
        self.seats: dict[str, Seat] = {}

    def layout(self, chips: Sequence[Placed]) -> Layout:
        """The layout of what is on these chips."""
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
        return Layout(
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
            column = spot.column + spot.piece.offset + spot.piece.step * at
            self.seats[block.name] = Seat(chip, spot.tiles, spot.row, column, spot.tiles[-1], spot.piece.step)

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
        by_chain: dict[tuple[int, ...], list[Block]] = {}
        for spot in routed.demand.spots:
            by_chain.setdefault(spot.tiles, []).extend(block for block, _ in self._blocks(spot))
        readings, outputs = [], []
        for step, heard in enumerate(routed.heard):
            by_olp: dict[int, list[Heard]] = {}
            for one in heard:
                by_olp.setdefault(one.olp, []).append(one)
            for olp, merged in by_olp.items():
                name, width, sources = f"tile{merged[0].tile}", 0, []
                for one in merged:
                    blocks = next(blocks for tiles, blocks in by_chain.items() if one.tile in tiles)
                    sources.append(Source(one.tile, blocks[0].name, str(one.route.connection.pattern)))
                    for block in blocks:
                        seat = replace(self.seats[block.name], reader=one.tile)
                        self.seats[block.name] = seat
                        outputs.append(Output(block.name, name, seat.column, seat.step))
                        width = max(width, outputs[-1].lanes(block.shape[1]).stop)
                width = min(width, self.config.lanes)
                readings.append(Reading(name, step, olp, width, tuple(sources)))
        works = [
            Work(tile, blocks[0].mode, routed.demand.pairs[tile], blocks[0].name, _partner(tile, tiles))
            for tiles, blocks in by_chain.items()
            for tile in tiles
        ]
        sent = tuple(route for routes in routed.sent for route in routes)
        ways = [sent, *(tuple(one.route for one in step) for step in routed.heard)]
        frame = Frame(tuple(streams), tuple(works), tuple(readings), tuple(self._switches(routes) for routes in ways))
        return frame, Call(chip, entry, tuple(slices), tuple(outputs))

    def _switches(self, routes: Sequence[Route]) -> dict[int, dict[str, int]]:
        return switches(routes, self.config.lanes, {})


def _partner(tile: int, tiles: tuple[int, ...]) -> str:
    """Where the other tile of a joined pair is."""
    return "" if len(tiles) == 1 else "south" if tile == min(tiles) else "north"
