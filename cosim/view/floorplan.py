"""The chip as it lies there: where tiles, holes, power domains and pads are, and how they are drawn."""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np

from cosim.experiment import describe_unit
from cosim.fabric.mesh_graph import Arc, Mesh
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from cosim.view.palette import Palette
from cosim.view.tile_use import TileUse
from rtl.config import ChipConfig, Edge, Floorplan, PadSite, Square

__all__ = ["GAP", "LINE_HEIGHT", "MARGIN", "PITCH", "TILE_SIZE", "TOP", "ChipDrawing", "Point", "panel_size", "px"]

Point = tuple[float, float]

#: Sizes in px: from tile to tile, a tile, around the grid, above it, a line of text, between panels, and a pad.
PITCH, TILE_SIZE, MARGIN, TOP, LINE_HEIGHT, GAP = 66, 54, 54, 44, 14, 20
_PAD_WIDTH, _PAD_HEIGHT = 44, 18


def panel_size(plan: Floorplan) -> tuple[int, int]:
    """Width and height of one panel without legend, px."""
    return plan.columns * PITCH + 2 * MARGIN, TOP + plan.rows * PITCH + 8


class ChipDrawing:
    """The chip as it lies there: where everything is, and how it is drawn."""

    def __init__(
        self, group: Xml.Element, mesh: Mesh, palette: Palette, uses: Mapping[int, TileUse] | None = None
    ) -> None:
        self.group, self.mesh, self.palette, self.uses = group, mesh, palette, uses or {}
        self.config: ChipConfig = mesh.config
        self.plan = self.config.floorplan

    def draw_chip(self) -> None:
        for row in range(self.plan.rows):
            for column in range(self.plan.columns):
                domain = self.domain((row, column))
                # Domains come in pairs, west and east: this makes a chessboard of them.
                self.box(
                    self.centre((row, column)), PITCH, PITCH, fill=self.palette.domains[(domain + domain // 2) % 2]
                )
        for hole in sorted(self.plan.holes):
            x, y = self.centre(hole)
            self.box((x, y), TILE_SIZE, TILE_SIZE, fill=self.palette.paper, stroke=self.palette.idle, dash="3 3")
            self.text((x, y + 3), "no tile", 9, self.palette.faint, "middle")
        for tile in range(self.config.tile_count):
            self.draw_tile(tile, self.palette.paper)
        for kind, sites in (("ILP", self.plan.ilp_sites), ("OLP", self.plan.olp_sites)):
            for domain_name, site in zip(self.plan.domains, sites, strict=True):
                x, y = self.pad(site)
                fill = self.palette.paper if kind == "OLP" else self.palette.input_pad
                self.box((x, y), _PAD_WIDTH, _PAD_HEIGHT, fill=fill, stroke=self.palette.ink)
                self.text((x, y + 3.5), f"{kind} {domain_name}", 9, None, "middle")

    def draw_tile(self, tile: int, fill: str) -> Xml.Element:
        square = self.plan.tiles[tile]
        x, y = self.centre(square)
        box = self.box((x, y), TILE_SIZE, TILE_SIZE, fill=fill, stroke=self.palette.faint)
        self.text((x + TILE_SIZE / 2 - 2, y - TILE_SIZE / 2 + 8), str(tile), 7, self.palette.faint, "end")
        if tile in self.uses:
            self.draw_use(square, self.uses[tile])
        for bar in (self.rows_bar(square), self.columns_bar(square)):
            self.line(bar, self.palette.idle, 2.5)
        return box

    def draw_use(self, square: Square, use: TileUse) -> None:
        """Which share of the rows and of the columns holds weights, beside the bars of the rows and the columns."""
        (left, top), (_, bottom) = self.rows_bar(square)
        _, (right, _) = self.columns_bar(square)
        left += 2
        width, height = max(2.0, (right - left) * use.column_share), max(2.0, (bottom - top) * use.row_share)
        self.box((left + width / 2, top + height / 2), width, height, fill=self.palette.holds)
        x, y = self.centre(square)
        self.text((x, y + TILE_SIZE / 2 - 2), use.label, 7, anchor="middle")

    def draw_handles(self) -> None:
        """What a pointer or a keyboard finds: a rectangle over each tile and each landing pad."""
        for tile, square in enumerate(self.plan.tiles):
            self.draw_handle(self.centre(square), TILE_SIZE, TILE_SIZE, Unit(TILE, tile))
        for kind, sites in ((ILP, self.plan.ilp_sites), (OLP, self.plan.olp_sites)):
            for index, site in enumerate(sites):
                self.draw_handle(self.pad(site), _PAD_WIDTH, _PAD_HEIGHT, Unit(kind, index))

    def draw_handle(self, at: Point, width: float, height: float, unit: Unit) -> None:
        text = describe_unit(unit, self.config)
        box = self.box(at, width, height, fill="transparent")
        for name, value in {
            "class": "unit",
            "data-unit": str(unit),
            "role": "button",
            "tabindex": "0",
            "aria-label": text,
        }.items():
            box.set(name, value)
        Xml.SubElement(box, "title").text = text

    def domain(self, square: Square) -> int:
        """The power domain that a square is drawn in: that of the nearest pads."""

        def distance(site: PadSite) -> int:
            return abs(site.square[0] - square[0]) + abs(site.square[1] - square[1])

        pads = zip(self.plan.ilp_sites, self.plan.olp_sites, strict=True)
        return int(np.argmin([min(map(distance, pair)) for pair in pads]))

    # ---- where things are

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of everything."""
        pads = [self.pad(site) for site in (*self.plan.ilp_sites, *self.plan.olp_sites)]
        corners = [self.centre((0, 0)), self.centre((self.plan.rows - 1, self.plan.columns - 1))]
        boxes = [(pads, _PAD_WIDTH, _PAD_HEIGHT), (corners, PITCH, PITCH)]
        xs = [x + side * width / 2 for points, width, _ in boxes for x, _ in points for side in (-1, 1)]
        ys = [y + side * height / 2 for points, _, height in boxes for _, y in points for side in (-1, 1)]
        return min(xs) - 2, min(ys) - 2, max(xs) + 2, max(ys) + 2

    def centre(self, square: Square) -> Point:
        row, column = square
        return MARGIN + (column + 0.5) * PITCH, TOP + (row + 0.5) * PITCH

    def edge(self, square: Square, edge: Edge, shift: float) -> Point:
        x, y = self.centre(square)
        down, right = edge.step
        return x + right * TILE_SIZE / 2 + (shift if down else 0), y + down * TILE_SIZE / 2 + (shift if right else 0)

    def rows_bar(self, square: Square) -> tuple[Point, Point]:
        x, y = self.centre(square)
        return (x - 17, y - 15), (x - 17, y + 15)

    def columns_bar(self, square: Square) -> tuple[Point, Point]:
        x, y = self.centre(square)
        return (x - 15, y + 17), (x + 15, y + 17)

    def pad(self, site: PadSite) -> Point:
        x, y = self.centre(site.square)
        down, right = site.edge.step
        return (
            x + right * (PITCH / 2 + 6 + _PAD_WIDTH / 2),
            y + down * (PITCH / 2 + 6 + _PAD_HEIGHT / 2),
        )

    def pad_edge(self, site: PadSite, shift: float) -> Point:
        x, y = self.pad(site)
        down, right = site.edge.step
        return x - right * _PAD_WIDTH / 2 + (shift if down else 0), y - down * _PAD_HEIGHT / 2 + (shift if right else 0)

    def way(self, arc: Arc, shift: float) -> list[Point]:
        """The line of a switch inside its tile, in the direction of the signal."""
        square = self.plan.tiles[arc.tile]
        x, y = self.centre(square)
        net = (x + shift, y + shift)
        match arc.switch.split("_to_"):
            case ["columns", "net"]:
                return [(x + 12 + shift, y + 17), net]
            case ["columns", "south"]:
                return [(x + shift, y + 17), self.edge(square, Edge.SOUTH, shift)]
            case ["south", "columns"]:
                return [self.edge(square, Edge.SOUTH, shift), (x + shift, y + 17)]
            case ["net", "columns"]:
                return [net, (x - 12 + shift, y + 17)]
            case ["west", "rows"]:
                return [self.edge(square, Edge.WEST, shift), (x - 17, y + shift)]
            case ["net", "rows"]:
                return [net, (x - 17, y - 12 + shift)]
            case ["net", name]:
                return [net, self.edge(square, Edge(name), shift)]
            case [name, _]:
                return [self.edge(square, Edge(name), shift), net]
        raise AssertionError(arc.switch)

    # ---- shapes

    def box(
        self, at: Point, width: float, height: float, *, fill: str, stroke: str = "none", dash: str = ""
    ) -> Xml.Element:
        corner = {"x": px(at[0] - width / 2), "y": px(at[1] - height / 2), "width": px(width), "height": px(height)}
        style = {"fill": fill, "stroke": stroke} | ({"stroke-dasharray": dash} if dash else {})
        return Xml.SubElement(self.group, "rect", corner | style)

    def line(self, points: Sequence[Point], colour: str, width: float, dash: str = "") -> Xml.Element:
        style = {"fill": "none", "stroke": colour, "stroke-width": px(width)}
        style |= {"stroke-dasharray": dash} if dash else {"stroke-linecap": "square"}
        return Xml.SubElement(self.group, "polyline", {"points": _corners(points)} | style)

    def arrow(self, start: Point, end: Point, colour: str) -> None:
        along = np.subtract(end, start) / np.hypot(*np.subtract(end, start))
        side = np.array([-along[1], along[0]])
        points = [end + along, end - 6 * along + 3.5 * side, end - 6 * along - 3.5 * side]
        Xml.SubElement(self.group, "polygon", {"points": _corners(points), "fill": colour})

    def text(self, at: Point, text: str, size: int, colour: str | None = None, anchor: str = "start") -> None:
        style = {"font-size": str(size), "fill": colour or self.palette.ink} | (
            {} if anchor == "start" else {"text-anchor": anchor}
        )
        Xml.SubElement(self.group, "text", {"x": px(at[0]), "y": px(at[1])} | style).text = text


def px(number: float) -> str:
    """A coordinate, short: at most two digits after the point."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _corners(points: Sequence[Any]) -> str:
    return " ".join(f"{px(x)},{px(y)}" for x, y in points)
