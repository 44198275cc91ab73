"""The mesh as a graph: places that carry a vector, and the switches between them.

The router walks it forwards to find ways, the checker and the schedule walk it backwards to see what drives a wire. It
is built from the floorplan and the names in `MeshBank`; the rules are those of docs/fabric.md, "Mesh".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cosim.files.errors import UserError
from cosim.isa.words import TILE, fields_of
from rtl.config import ChipConfig, Edge
from rtl.mesh import MASK_EDGE

__all__ = [
    "PATTERNS",
    "Arc",
    "IllegalRouteError",
    "Lanes",
    "Mesh",
    "MeshState",
    "Place",
    "describe_lanes",
    "pattern_lanes",
]

Lanes = NDArray[np.bool_]
#: Codes of the patterns by name.
PATTERNS = dict(fields_of(TILE, "MESH")["west_to_rows"].choices)


class IllegalRouteError(UserError, ValueError):
    """Two drivers on one wire, or a ring of borderguards; the message names tile, edge and wires.

    Members
    -------
    cycle : int or None
        When that is so, if it is of a run.
    """

    def __init__(self, message: str, cycle: int | None = None) -> None:
        super().__init__(message)
        self.cycle = cycle


class Place(NamedTuple):
    """Something that carries one vector.

    `kind` is "net", "rows", "columns" (IN-to-col) or "outputs" (OUT-from-col) of tile `tile`; "toward", what leaves the
    tile across `edge`, to the neighbour or landing pad there; "nothing", what a tile hears across an edge that leads
    nowhere; or "ilp", where `tile` is the index of the landing pad.
    """

    kind: str
    tile: int
    edge: Edge | None = None


class Arc(NamedTuple):
    """`target` can be driven by `source`, by the switch called `switch` of tile `tile`."""

    source: Place
    target: Place
    tile: int
    switch: str


@dataclass(frozen=True)
class Mesh:
    """All switches of a chip as arcs between places."""

    config: ChipConfig

    @cached_property
    def arcs(self) -> tuple[Arc, ...]:
        return tuple(arc for tile in range(self.config.tile_count) for arc in self._arcs_of(tile))

    def _arcs_of(self, tile: int) -> Iterator[Arc]:
        net, rows, columns = (Place(kind, tile) for kind in ("net", "rows", "columns"))
        for edge in Edge:
            yield Arc(net, Place("toward", tile, edge), tile, f"net_to_{edge}")
            # A switch towards an edge with nothing behind it brings no pulse, but it is a driver.
            behind = self.behind(tile, edge) or Place("nothing", tile, edge)
            yield Arc(behind, net, tile, f"{edge}_to_net")
            if edge is Edge.WEST:
                yield Arc(behind, rows, tile, "west_to_rows")
            if edge is Edge.SOUTH:
                yield Arc(behind, columns, tile, "south_to_columns")
        yield Arc(net, rows, tile, "net_to_rows")
        yield Arc(net, columns, tile, "net_to_columns")
        yield Arc(Place("outputs", tile), net, tile, "columns_to_net")
        yield Arc(Place("outputs", tile), Place("toward", tile, Edge.SOUTH), tile, "columns_to_south")

    def behind(self, tile: int, edge: Edge) -> Place | None:
        """What tile `tile` hears across `edge`: the neighbour's output, an ILP, or nothing."""
        plan = self.config.floorplan
        square = plan.tiles[tile]
        there = plan.neighbour(square, edge)
        if there is not None:
            return Place("toward", plan.tile_index[there], edge.opposite)
        for index, site in enumerate(plan.ilp_sites):
            if (site.square, site.edge) == (square, edge):
                return Place("ilp", index)
        return None

    def olp(self, index: int) -> Place:
        """The wires that output landing pad `index` hears."""
        site = self.config.floorplan.olp_sites[index]
        return Place("toward", self.config.floorplan.tile_index[site.square], site.edge)

    @cached_property
    def out_of(self) -> dict[Place, tuple[Arc, ...]]:
        """Arcs by their source."""
        return _grouped((arc.source, arc) for arc in self.arcs)

    @cached_property
    def into(self) -> dict[Place, tuple[Arc, ...]]:
        """Arcs by their target."""
        return _grouped((arc.target, arc) for arc in self.arcs)

    @cached_property
    def opposite(self) -> dict[Place, Place]:
        """The place that shares its physical wires with an edge place: the two directions of one edge."""
        plan = self.config.floorplan
        pairs: dict[Place, Place] = {}
        for tile in range(self.config.tile_count):
            for edge in Edge:
                behind = self.behind(tile, edge)
                if behind is not None:
                    pairs[Place("toward", tile, edge)] = behind
        for index, site in enumerate(plan.ilp_sites):
            pairs[Place("ilp", index)] = Place("toward", plan.tile_index[site.square], site.edge)
        return pairs

    def name(self, place: Place) -> str:
        """A place in words."""
        plan = self.config.floorplan
        if place.kind == "ilp":
            return f"ILP {plan.domains[place.tile]}"
        for index, domain in enumerate(plan.domains):
            if self.olp(index) == place:
                return f"OLP {domain}"
        square = plan.tiles[place.tile]
        return f"tile {square} {place.edge} edge" if place.kind == "toward" else f"{place.kind} of tile {square}"


def _grouped(pairs: Iterator[tuple[Place, Arc]]) -> dict[Place, tuple[Arc, ...]]:
    groups: dict[Place, list[Arc]] = {}
    for place, arc in pairs:
        groups.setdefault(place, []).append(arc)
    return {place: tuple(arcs) for place, arcs in groups.items()}


def pattern_lanes(pattern: str, lanes: int, custom: Lanes | None = None) -> Lanes:
    """Lanes (lanes,) that a switch with `pattern` (a name) drives; a mask register that nobody wrote is empty."""
    index = np.arange(lanes)
    selected = {
        "none": np.zeros(lanes, np.bool_),
        "all": np.ones(lanes, np.bool_),
        "even": index % 2 == 0,
        "odd": index % 2 == 1,
        "low": index < lanes // 2,
        "high": index >= lanes // 2,
        "custom": np.zeros(lanes, np.bool_) if custom is None else custom,
    }
    return selected[pattern]


def describe_lanes(lanes: Lanes) -> str:
    """Wires in words: ranges, or even and odd."""
    index = np.flatnonzero(lanes)
    steps = np.diff(index)
    if len(index) > 2 and np.all(steps == 2):
        return f"{'even' if index[0] % 2 == 0 else 'odd'} wires {index[0]}-{index[-1]}"
    runs = np.split(index, np.flatnonzero(steps > 1) + 1)
    shown = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs[:4]]
    return f"wires {', '.join(shown)}{' ...' if len(runs) > 4 else ''}"


@dataclass(frozen=True)
class MeshState:
    """The switches of every tile at one moment.

    Parameters
    ----------
    mesh : Mesh
    settings : mapping of tile index to MeshBank fields
        Tiles left out have all switches off.
    masks : mapping of (tile index, edge) to bool (lanes,)
    """

    mesh: Mesh
    settings: Mapping[int, Mapping[str, int]]
    masks: Mapping[tuple[int, Edge], Lanes]

    def driven(self, arc: Arc) -> Lanes | None:
        """Lanes on which the switch of `arc` is on; None if it is off on all."""
        code = self.settings.get(arc.tile, {}).get(arc.switch, PATTERNS["none"])
        if code == PATTERNS["none"]:
            return None
        name = next(name for name, value in PATTERNS.items() if value == code)
        return pattern_lanes(name, self.mesh.config.lanes, self.masks.get((arc.tile, MASK_EDGE[arc.switch])))

    def drivers(self, place: Place) -> list[tuple[str, Lanes]]:
        """Enabled switches that drive `place` itself, as (name, lanes)."""
        named = []
        for arc in self.mesh.into.get(place, ()):
            lanes = self.driven(arc)
            if lanes is not None:
                named.append((f"{arc.switch} of tile {self.mesh.config.floorplan.tiles[arc.tile]}", lanes))
        return named

    def trace(self, place: Place) -> list[tuple[Place, Lanes]]:
        """Where the vector on `place` comes from: (outputs of a tile or ILP, lanes) for each source.

        Raises
        ------
        IllegalRouteError
            On a closed ring of borderguards.
        """
        return self._trace(place, np.ones(self.mesh.config.lanes, np.bool_), ())

    def _trace(self, place: Place, lanes: Lanes, way: tuple[Place, ...]) -> list[tuple[Place, Lanes]]:
        if place.kind in ("ilp", "outputs"):
            return [(place, lanes)]
        if place.kind == "nothing":
            return []
        if place in way:
            ring = " -> ".join(self.mesh.name(step) for step in (*way[way.index(place) :], place)[::-1])
            raise IllegalRouteError(f"closed ring of borderguards, {describe_lanes(lanes)}: {ring}")
        found = []
        for arc in self.mesh.into.get(place, ()):
            driven = self.driven(arc)
            if driven is not None and np.any(driven & lanes):
                found += self._trace(arc.source, driven & lanes, (*way, place))
        return found

    def check(self, sending: Mapping[int, str] | None = None) -> None:
        """Make sure that no wire has two drivers and no ring is closed.

        Parameters
        ----------
        sending : mapping of ILP index to text
            Input landing pads that drive their edge at this moment, and how to call them.

        Raises
        ------
        IllegalRouteError
            Naming the place, the wires and both drivers.
        """
        plan = self.mesh.config.floorplan
        seen: set[Place] = set()
        for place in self.mesh.into:
            if place in seen or (place.tile not in self.settings and self.mesh.opposite.get(place) is None):
                continue
            drivers = self.drivers(place)
            other = self.mesh.opposite.get(place)
            if other is not None:
                seen.add(other)
                if other.kind == "ilp":
                    if sending and other.tile in sending:
                        drivers.append((sending[other.tile], np.ones(self.mesh.config.lanes, np.bool_)))
                else:
                    drivers += self.drivers(other)
            for index, (name, lanes) in enumerate(drivers):
                for rival, taken in drivers[:index]:
                    if np.any(lanes & taken):
                        where = (
                            f"tile {plan.tiles[place.tile]} {place.edge} edge" if place.edge else self.mesh.name(place)
                        )
                        raise IllegalRouteError(
                            f"{where}, {describe_lanes(lanes & taken)}: driven by {rival} and {name}"
                        )
        for place in self.mesh.into:
            if place.kind == "net" and place.tile in self.settings:
                self.trace(place)
