"""What moves over the chip in one cycle, and what every tile is doing: one panel of a picture."""

from collections.abc import Mapping, Sequence
from itertools import count
from xml.etree import ElementTree as Xml

import numpy as np

from cosim.experiment.routes import Activity, Flow, Snapshot
from cosim.fabric.mesh_graph import PATTERNS, Arc, Lanes, Place, describe_lanes, pattern_lanes
from cosim.isa.words import TILE
from cosim.program import Unit
from cosim.view.floorplan import LINE_HEIGHT, MARGIN, PITCH, TILE_SIZE, TOP, ChipDrawing, Point
from cosim.view.palette import Palette
from cosim.view.tile_use import TileUse

__all__ = ["Panel"]

_LETTERS = 12  # of small text, across a tile
_DASHES = {"even": "2 2", "odd": "2 2", "low": "7 2", "high": "7 2", "custom": "4 2 1 2"}
_NAMES = {number: name for name, number in PATTERNS.items()}
_DEVICES = ("G+", "G-", "g+", "g-")  # in the order of rtl.isa.Device


class Panel(ChipDrawing):
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
        self.text((MARGIN, 18), caption or cycle, 13)
        if caption:
            self.text((MARGIN, 33), cycle, 10, self.palette.faint)
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
            self.text((x - TILE_SIZE / 2 + 2, y - TILE_SIZE / 2 + 8), " ".join(texts), 7)

    def draw_sharing(self) -> None:
        for north, south in self.plan.capacitor_pairs():
            upper, lower = (self.snapshot.fields(tile, "ARRAY") for tile in (north, south))
            if upper.get("share_south") and lower.get("share_north"):
                x, y = self.centre(self.plan.tiles[north])
                x, y = x + 19, y + PITCH / 2
                self.line([(x, y - 4), (x, y + 4)], self.palette.ink, 2)
                for end in (y - 4, y + 4):  # between the tiles, whose labels stand above and below
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
        return x + right * (PITCH - TILE_SIZE), y + down * (PITCH - TILE_SIZE)

    def carried(self, arc: Arc, lanes: Lanes) -> bool:
        driven = self.snapshot.state.driven(arc)
        return driven is not None and bool(np.any(driven & lanes))

    def dash(self, lanes: Lanes) -> str:
        for name in ("all", "even", "odd", "low", "high"):
            if np.array_equal(lanes, pattern_lanes(name, self.config.lanes)):
                return _DASHES.get(name, "")
        return _DASHES["custom"]

    def draw_legend(self) -> None:
        y = TOP + self.plan.rows * PITCH + 16.0
        for source in self.snapshot.sources:
            self.line([(MARGIN, y - 3.5), (MARGIN + 18, y - 3.5)], self.colours[source], 2.5)
            self.text((MARGIN + 24, y), self.mesh.name(source).replace("outputs", "columns"), 10)
            y += LINE_HEIGHT


def _in_short(activity: Activity) -> str:
    """What a tile is doing, to fit into the tile."""
    fields = activity.fields
    if activity.kind == "write":
        return f"{'RESET' if fields['reset'] else 'SET'} {_DEVICES[fields['device']]}"
    if activity.kind == "integrate":
        pairs = "+".join(name.upper() for name in ("wp1", "wp2") if fields[name])
        return f"{'-' if fields['discharge'] else ''}\u222b {pairs}"
    return activity.kind
