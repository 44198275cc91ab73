"""Pictures of the floorplan: tiles, holes, power domains, pads, and what moves over the mesh in some cycles of a run.

    draw_routes(experiment, Path("routes.svg"))                  # every step of the run
    draw_routes(experiment, Path("routes.svg"), {25: "multicast"})  # one cycle, with a caption

SVG, because it stays sharp at any size, a browser shows it, and equal input gives equal bytes: a test can compare. In
a browser, a tile's tooltip is its switches.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import numpy as np

from cosim.experiment import Experiment, describe_unit
from cosim.experiment.routes import Activity, Flow, Routes, Snapshot
from cosim.fabric.mesh_graph import PATTERNS, Arc, Lanes, Mesh, Place, describe_lanes, pattern_lanes
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from cosim.view.tile_use import TileUse
from rtl.config import ChipConfig, Edge, Floorplan, PadSite, Square

__all__ = ["PAPER", "Palette", "draw_routes", "layered_svg", "route_colours", "routes_svg"]

Point = tuple[float, float]

#: Sizes in px: from tile to tile, a tile, around the grid, above it, a line of text, between panels, and a pad.
_PITCH, _TILE, _MARGIN, _TOP, _LINE, _GAP = 66, 54, 54, 44, 14, 20
_PAD_WIDTH, _PAD_HEIGHT = 44, 18
_ACROSS = 3  # panels side by side
_LETTERS = 12  # of small text, across a tile
_DASHES = {"even": "2 2", "odd": "2 2", "low": "7 2", "high": "7 2", "custom": "4 2 1 2"}
_NAMES = {number: name for name, number in PATTERNS.items()}
_DEVICES = ("G+", "G-", "g+", "g-")  # in the order of rtl.isa.Device


@dataclass(frozen=True)
class Palette:
    """Colours of a picture, as SVG takes them.

    Parameters
    ----------
    routes : tuple of str
        Of the sources of vectors, one after the other.
    ink, faint, idle : str
        Text and lines; what is less important; switches that are on while nothing passes them.
    paper, input_pad, holds : str
        Background of tiles, of ILPs, and of the part of an array that holds weights.
    domains : (str, str)
        Power domains are a chessboard.
    work : mapping of an activity's kind to str
        Background of a tile at work; of several kinds the first one here.
    """

    routes: tuple[str, ...]
    ink: str
    faint: str
    idle: str
    paper: str
    input_pad: str
    holds: str
    domains: tuple[str, str]
    work: Mapping[str, str]


#: For files. Routes are Okabe and Ito's colours, legible to the colour-blind.
PAPER = Palette(
    routes=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c6d31"),
    ink="#333333",
    faint="#999999",
    idle="#b4b4b4",
    paper="white",
    input_pad="#eeeeee",
    holds="#dddddd",
    domains=("#f3efe6", "#e9f0f2"),
    work={"write": "#f8d3cf", "integrate": "#fff1c4", "precharge": "#e4def5", "ramp": "#d8f0d8"},
)


def draw_routes(experiment: Experiment, path: Path, cycles: Sequence[int] | Mapping[int, str] | None = None) -> None:
    """Draw the routes of an experiment on the chip's floorplan.

    A colour is the vector of one source; a dashed line carries some of its lanes, and the pattern of the switch that
    chose them stands beside it; a bar across a line's end is a shut borderguard. Grey lines are switches that are on
    while nothing passes them. In each tile, the bar on the left are its rows, the bar at the bottom its columns.

    Parameters
    ----------
    experiment : Experiment
    path : Path
        SVG file to write.
    cycles : sequence of int, or mapping of int to caption, optional
        Cycles of the program, one panel for each. By default one panel for each picture (`Routes.pictures`).

    Raises
    ------
    ValueError
        If a cycle is not one of the run's, or `path` does not end in .svg.
    ScheduleError
        If a unit runs into a word that is none.
    """
    if path.suffix != ".svg":
        raise ValueError(f"{path}: pictures of routes are SVG files, end the name in .svg")
    path.write_text(routes_svg(experiment, cycles), encoding="utf-8")


def routes_svg(experiment: Experiment, cycles: Sequence[int] | Mapping[int, str] | None = None) -> str:
    """The text of the picture that `draw_routes` writes."""
    routes = Routes(experiment)
    cycles = cycles or routes.pictures() or [0]
    captions = cycles if isinstance(cycles, Mapping) else dict.fromkeys(cycles, "")
    snapshots = [routes.at(cycle) for cycle in captions]
    colours = route_colours(snapshots, PAPER)
    plan = experiment.config.floorplan
    legend = max((len(shot.sources) for shot in snapshots), default=0)
    width, height = _size(plan)
    width, height = width + _GAP, height + legend * _LINE
    across = 2 if len(snapshots) == 4 else min(len(snapshots), _ACROSS)
    down = -(-len(snapshots) // across)
    root = Xml.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "font-family": "sans-serif"})
    root.set("viewBox", f"0 0 {across * width} {down * height}")
    root.set("width", str(across * width))
    Xml.SubElement(root, "title").text = experiment.name
    Xml.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    chip = Xml.SubElement(Xml.SubElement(root, "defs"), "g", {"id": "chip"})
    _Floorplan(chip, Mesh(experiment.config), PAPER).draw_chip()
    for index, (snapshot, caption) in enumerate(zip(snapshots, captions.values(), strict=True)):
        place = {"transform": f"translate({index % across * width} {index // across * height})"}
        _Panel(Xml.SubElement(root, "g", place), snapshot, PAPER, colours).draw(caption)
    Xml.indent(root, " ")
    return Xml.tostring(root, encoding="unicode") + "\n"


def route_colours(snapshots: Iterable[Snapshot], palette: Palette) -> dict[Place, str]:
    """A colour for each source, the same in all snapshots."""
    sources = sorted({source for shot in snapshots for source in shot.sources}, key=lambda place: place[:2])
    return {source: palette.routes[index % len(palette.routes)] for index, source in enumerate(sources)}


def layered_svg(snapshots: Sequence[Snapshot], uses: Mapping[int, TileUse], palette: Palette) -> Xml.Element:
    """One picture of the chip, with a layer for each snapshot, for a page that shows one of them at a time.

    Group number i of class ``step`` has ``data-step="i"``, from 1 on. Above them lies a rectangle of class ``unit`` for
    each tile and landing pad, with ``data-unit="TILE 7"``: what a pointer or a keyboard finds.

    Parameters
    ----------
    snapshots : sequence of Snapshot
        At least one.
    uses : mapping of tile index to TileUse
        What to mark in the tiles: which part of the array holds weights.
    palette : Palette
    """
    mesh = snapshots[0].state.mesh
    root = Xml.Element("svg", {"font-family": "sans-serif"})
    chip = _Floorplan(Xml.SubElement(root, "g"), mesh, palette, uses)
    chip.draw_chip()
    left, top, right, bottom = chip.bounds()
    root.set("viewBox", f"{_px(left)} {_px(top)} {_px(right - left)} {_px(bottom - top)}")
    colours = route_colours(snapshots, palette)
    for number, snapshot in enumerate(snapshots, start=1):
        group = Xml.SubElement(root, "g", {"class": "step", "data-step": str(number)})
        _Panel(group, snapshot, palette, colours, uses).draw_moves()
    _Floorplan(Xml.SubElement(root, "g"), mesh, palette, uses).draw_handles()
    return root


def _size(plan: Floorplan) -> tuple[int, int]:
    """Width and height of one panel without legend, px."""
    return plan.columns * _PITCH + 2 * _MARGIN, _TOP + plan.rows * _PITCH + 8


class _Floorplan:
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
                self.box(self.centre((row, column)), _PITCH, _PITCH, self.palette.domains[(domain + domain // 2) % 2])
        for hole in sorted(self.plan.holes):
            x, y = self.centre(hole)
            self.box((x, y), _TILE, _TILE, self.palette.paper, self.palette.idle, "3 3")
            self.text((x, y + 3), "no tile", 9, self.palette.faint, "middle")
        for tile in range(self.config.tile_count):
            self.draw_tile(tile, self.palette.paper)
        for kind, sites in (("ILP", self.plan.ilp_sites), ("OLP", self.plan.olp_sites)):
            for domain_name, site in zip(self.plan.domains, sites, strict=True):
                x, y = self.pad(site)
                fill = self.palette.paper if kind == "OLP" else self.palette.input_pad
                self.box((x, y), _PAD_WIDTH, _PAD_HEIGHT, fill, self.palette.ink)
                self.text((x, y + 3.5), f"{kind} {domain_name}", 9, None, "middle")

    def draw_tile(self, tile: int, fill: str) -> Xml.Element:
        square = self.plan.tiles[tile]
        x, y = self.centre(square)
        box = self.box((x, y), _TILE, _TILE, fill, self.palette.faint)
        self.text((x + _TILE / 2 - 2, y - _TILE / 2 + 8), str(tile), 7, self.palette.faint, "end")
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
        self.box((left + width / 2, top + height / 2), width, height, self.palette.holds)
        x, y = self.centre(square)
        self.text((x, y + _TILE / 2 - 2), use.label, 7, anchor="middle")

    def draw_handles(self) -> None:
        """What a pointer or a keyboard finds: a rectangle over each tile and each landing pad."""
        for tile, square in enumerate(self.plan.tiles):
            self.draw_handle(self.centre(square), _TILE, _TILE, Unit(TILE, tile))
        for kind, sites in ((ILP, self.plan.ilp_sites), (OLP, self.plan.olp_sites)):
            for index, site in enumerate(sites):
                self.draw_handle(self.pad(site), _PAD_WIDTH, _PAD_HEIGHT, Unit(kind, index))

    def draw_handle(self, at: Point, width: float, height: float, unit: Unit) -> None:
        text = describe_unit(unit, self.config)
        box = self.box(at, width, height, "transparent")
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
        boxes = [(pads, _PAD_WIDTH, _PAD_HEIGHT), (corners, _PITCH, _PITCH)]
        xs = [x + side * width / 2 for points, width, _ in boxes for x, _ in points for side in (-1, 1)]
        ys = [y + side * height / 2 for points, _, height in boxes for _, y in points for side in (-1, 1)]
        return min(xs) - 2, min(ys) - 2, max(xs) + 2, max(ys) + 2

    def centre(self, square: Square) -> Point:
        row, column = square
        return _MARGIN + (column + 0.5) * _PITCH, _TOP + (row + 0.5) * _PITCH

    def edge(self, square: Square, edge: Edge, shift: float) -> Point:
        x, y = self.centre(square)
        down, right = edge.step
        return x + right * _TILE / 2 + (shift if down else 0), y + down * _TILE / 2 + (shift if right else 0)

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
            x + right * (_PITCH / 2 + 6 + _PAD_WIDTH / 2),
            y + down * (_PITCH / 2 + 6 + _PAD_HEIGHT / 2),
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
        self, at: Point, width: float, height: float, fill: str, stroke: str = "none", dash: str = ""
    ) -> Xml.Element:
        corner = {"x": _px(at[0] - width / 2), "y": _px(at[1] - height / 2), "width": _px(width), "height": _px(height)}
        style = {"fill": fill, "stroke": stroke} | ({"stroke-dasharray": dash} if dash else {})
        return Xml.SubElement(self.group, "rect", corner | style)

    def line(self, points: Sequence[Point], colour: str, width: float, dash: str = "") -> Xml.Element:
        style = {"fill": "none", "stroke": colour, "stroke-width": _px(width)}
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
        Xml.SubElement(self.group, "text", {"x": _px(at[0]), "y": _px(at[1])} | style).text = text


class _Panel(_Floorplan):
    """One cycle."""

    def __init__(
        self,
        group: Xml.Element,
        snapshot: Snapshot,
        palette: Palette,
        colours: Mapping[Place, str],
        uses: Mapping[int, TileUse] | None = None,
    ) -> None:
        super().__init__(group, snapshot.state.mesh, palette, uses)
        self.snapshot, self.colours = snapshot, colours
        self.shift = self.tracks()
        self.olps = {self.mesh.olp(index): site for index, site in enumerate(self.plan.olp_sites)}

    def tracks(self) -> dict[Place, float]:
        """Sideways shift of each source's lines: those that meet on a tile shall not hide each other."""
        tiles: dict[Place, set[int]] = {}
        for flow in self.snapshot.flows:
            if flow.place.kind != "ilp":
                tiles.setdefault(flow.source, set()).add(flow.place.tile)
        track: dict[Place, int] = {}
        for source in self.snapshot.sources:
            mine = tiles.get(source, set())
            taken = {track[other] for other in track if mine & tiles.get(other, set())}
            track[source] = next(index for index in count() if index not in taken)
        middle = max(track.values(), default=0) / 2
        return {source: (index - middle) * 5 for source, index in track.items()}

    def draw(self, caption: str) -> None:
        cycle = f"cycle {self.snapshot.cycle}"
        self.text((_MARGIN, 18), caption or cycle, 13)
        if caption:
            self.text((_MARGIN, 33), cycle, 10, self.palette.faint)
        Xml.SubElement(self.group, "use", {"href": "#chip"})
        self.draw_moves()
        self.draw_legend()

    def draw_moves(self) -> None:
        """All but the chip itself, the caption and the legend."""
        for tile in range(self.config.tile_count):
            self.draw_work(tile)
        self.draw_sharing()
        self.draw_idle_switches()
        for flow in self.snapshot.flows:
            self.draw_flow(flow)

    def draw_work(self, tile: int) -> None:
        fields = self.snapshot.state.settings.get(tile, {})
        switches = ", ".join(f"{name}={_NAMES[code]}" for name, code in fields.items() if code)
        work = [activity for activity in self.snapshot.activities if activity.unit == Unit(TILE, tile)]
        work = [activity for kind in self.palette.work for activity in work if activity.kind == kind]
        fills = [self.palette.work[activity.kind] for activity in work]
        if not (switches or work):
            return
        box = self.draw_tile(tile, fills[0] if fills else self.palette.paper)
        Xml.SubElement(box, "title").text = f"TILE {tile}: {switches or 'all switches off'}"
        if work:
            x, y = self.centre(self.plan.tiles[tile])
            texts = list(map(_in_short, work))
            while len(texts) > 1 and len(" ".join(texts)) > _LETTERS:
                texts.pop()
            self.text((x - _TILE / 2 + 2, y - _TILE / 2 + 8), " ".join(texts), 7)

    def draw_sharing(self) -> None:
        for north, south in self.plan.capacitor_pairs():
            upper, lower = (self.snapshot.fields(tile, "ARRAY") for tile in (north, south))
            if upper.get("share_south") and lower.get("share_north"):
                x, y = self.centre(self.plan.tiles[north])
                x, y = x + 10, y + _PITCH / 2
                self.line([(x, y - 12), (x, y + 12)], self.palette.ink, 2)
                for end in (y - 12, y + 12):
                    self.line([(x - 5, end), (x + 5, end)], self.palette.ink, 2)

    def draw_idle_switches(self) -> None:
        used = {flow.arc for flow in self.snapshot.flows}
        for arc in self.mesh.arcs:
            if arc not in used and self.snapshot.state.driven(arc) is not None:
                self.line(self.way(arc, 0), self.palette.idle, 1)

    def draw_flow(self, flow: Flow) -> None:
        colour, shift, place, arc = self.colours[flow.source], self.shift[flow.source], flow.place, flow.arc
        if arc is None and place.kind == "outputs":
            self.line(self.columns_bar(self.plan.tiles[place.tile]), colour, 3.5)
            return
        way = [self.pad_edge(self.plan.ilp_sites[place.tile], shift)] if arc is None else self.way(arc, shift)
        if place.kind in ("ilp", "toward"):
            way.append(self.beyond(place, shift))
        line = self.line(way, colour, 2, self.dash(flow.lanes))
        if arc is not None:
            Xml.SubElement(line, "title").text = f"{arc.switch} of tile {arc.tile}: {describe_lanes(flow.lanes)}"
            self.draw_pattern(arc, way, colour)
        if place.kind in ("rows", "columns") or place in self.olps:
            self.arrow(way[-2], way[-1], colour)
        elif place.kind == "net":
            self.draw_shut_exits(place.tile, shift, colour)
        elif not any(self.carried(onward, flow.lanes) for onward in self.mesh.out_of.get(place, ())):
            self.draw_bar(way[-1], way[-2], colour)

    def draw_pattern(self, arc: Arc, way: Sequence[Point], colour: str) -> None:
        """The pattern's name beside a switch that does not pass all lanes."""
        pattern = _NAMES[self.snapshot.state.settings[arc.tile][arc.switch]]
        if pattern != "all":
            (x1, y1), (x2, y2) = way[:2]
            upright = abs(x1 - x2) < abs(y1 - y2)
            x, y = x1 + 0.65 * (x2 - x1), y1 + 0.65 * (y2 - y1)
            where = (x + 3, y + 3) if upright else (x, y - 3)
            self.text(where, pattern, 8, colour, "start" if upright else "middle")

    def draw_shut_exits(self, tile: int, shift: float, colour: str) -> None:
        """A bar at each shut edge behind which another tile waits for the vector on this tile's net."""
        state, square = self.snapshot.state, self.plan.tiles[tile]
        for arc in self.mesh.out_of[Place("net", tile)]:
            edge = arc.target.edge
            waiting = any(state.driven(onward) is not None for onward in self.mesh.out_of.get(arc.target, ()))
            if edge is not None and waiting and not state.drivers(arc.target):
                self.draw_bar(self.edge(square, edge, shift), self.centre(square), colour)

    def draw_bar(self, at: Point, origin: Point, colour: str) -> None:
        """A shut borderguard, across a line that comes from `origin`."""
        x, y = at
        right, down = (4, 0) if abs(origin[0] - x) < abs(origin[1] - y) else (0, 4)
        self.line([(x - right, y - down), (x + right, y + down)], colour, 2.5)

    def beyond(self, place: Place, shift: float) -> Point:
        """Where the wires that an ILP or a tile's edge drives end: at the next tile, or at a landing pad."""
        if place.kind == "ilp":
            site = self.plan.ilp_sites[place.tile]
            return self.edge(site.square, site.edge, shift)
        if place in self.olps:
            return self.pad_edge(self.olps[place], shift)
        assert place.edge is not None
        x, y = self.edge(self.plan.tiles[place.tile], place.edge, shift)
        down, right = place.edge.step
        return x + right * (_PITCH - _TILE), y + down * (_PITCH - _TILE)

    def carried(self, arc: Arc, lanes: Lanes) -> bool:
        driven = self.snapshot.state.driven(arc)
        return driven is not None and bool(np.any(driven & lanes))

    def dash(self, lanes: Lanes) -> str:
        for name in ("all", "even", "odd", "low", "high"):
            if np.array_equal(lanes, pattern_lanes(name, self.config.lanes)):
                return _DASHES.get(name, "")
        return _DASHES["custom"]

    def draw_legend(self) -> None:
        y = _TOP + self.plan.rows * _PITCH + 16.0
        for source in self.snapshot.sources:
            self.line([(_MARGIN, y - 3.5), (_MARGIN + 18, y - 3.5)], self.colours[source], 2.5)
            self.text((_MARGIN + 24, y), self.mesh.name(source).replace("outputs", "columns"), 10)
            y += _LINE


def _in_short(activity: Activity) -> str:
    """What a tile is doing, to fit into the tile."""
    fields = activity.fields
    if activity.kind == "write":
        return f"{'RESET' if fields['reset'] else 'SET'} {_DEVICES[fields['device']]}"
    if activity.kind == "integrate":
        pairs = "+".join(name.upper() for name in ("wp1", "wp2") if fields[name])
        return f"{'-' if fields['discharge'] else ''}\u222b {pairs}"
    return activity.kind


def _px(number: float) -> str:
    """A coordinate, short: at most two digits after the point."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _corners(points: Sequence[Any]) -> str:
    return " ".join(f"{_px(x)},{_px(y)}" for x, y in points)
