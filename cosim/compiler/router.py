"""Ways for vectors over the mesh.

Each step of a frame connects some sources (an ILP, the columns of a tile) with some destinations (rows of a tile, an
OLP). The mesh is circuit-switched: during a step a wire carries one source. A way is found by breadth-first search and
grows
into a tree when one source has several destinations (multicast).
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np

from cosim.fabric.mesh_graph import PATTERNS, Arc, Lanes, Mesh, Place, describe_lanes, pattern_lanes
from cosim.files.errors import UserError
from rtl.config import ChipConfig, Edge
from rtl.mesh import MASK_EDGE

__all__ = ["Connection", "Route", "RouteError", "Router", "switches"]


class RouteError(UserError, ValueError):
    """No way from a source to a destination; the message says what stands in between."""


@dataclass(frozen=True)
class Connection:
    """What one step shall connect.

    Parameters
    ----------
    source : Place
        `Place("ilp", pad)` or `Place("outputs", tile)`.
    targets : tuple of Place
        `Place("rows", tile)`, or `Mesh.olp(pad)`.
    pattern : str or frozenset of int
        Lanes to carry, as the name of a pattern or one by one. Two sources with `even` and `odd`, or `low` and `high`,
        concatenate on their way.
    """

    source: Place
    targets: tuple[Place, ...]
    pattern: str | frozenset[int] = "all"

    def lanes(self, count: int) -> Lanes:
        """Lanes to carry, bool (count,)."""
        if isinstance(self.pattern, str):
            return pattern_lanes(self.pattern, count)
        return np.isin(np.arange(count), list(self.pattern))


@dataclass(frozen=True)
class Route:
    """The switches that make a connection, and the lanes on them."""

    connection: Connection
    arcs: tuple[Arc, ...]
    lanes: Lanes


class Router:
    """Finds ways for the connections of one step.

    Parameters
    ----------
    config : ChipConfig
    mesh : Mesh, optional
        Shared graph, so that it is built once.
    """

    def __init__(self, config: ChipConfig, mesh: Mesh | None = None) -> None:
        self.mesh = Mesh(config) if mesh is None else mesh
        self.lanes = config.lanes

    def route(self, connections: Sequence[Connection], attempts: int = 24) -> tuple[Route, ...]:
        """Routes for all `connections` at once, in their order.

        A way that is short for one may wall in the next, so up to `attempts` orders are tried.

        Raises
        ------
        RouteError
            If no order works; the message is that of the order given.
        """
        first: RouteError | None = None
        for order in islice(permutations(range(len(connections))), attempts):
            try:
                routes = self._in_order([connections[index] for index in order])
            except RouteError as error:
                first = first or error
            else:
                return tuple(routes[order.index(index)] for index in range(len(connections)))
        assert first is not None, "no connections always succeeds"
        raise first

    def beside(self, routes: Sequence[Route], connection: Connection) -> Route:
        """A way for one more connection beside those that are found.

        Raises
        ------
        RouteError
        """
        taken: dict[Place, list[tuple[Lanes, Connection]]] = {}
        for route in routes:
            for place in (route.connection.source, *(arc.target for arc in route.arcs)):
                self._claim(place, route.lanes, route.connection, taken)
        return self._connect(connection, taken)

    def _in_order(self, connections: Iterable[Connection]) -> list[Route]:
        # Who holds which lanes of a place. Both directions of an edge are the same wires.
        taken: dict[Place, list[tuple[Lanes, Connection]]] = {}
        return [self._connect(connection, taken) for connection in connections]

    def _connect(self, connection: Connection, taken: dict[Place, list[tuple[Lanes, Connection]]]) -> Route:
        lanes = connection.lanes(self.lanes)
        tree: dict[Place, Arc | None] = {connection.source: None}
        self._claim(connection.source, lanes, connection, taken)
        arcs: list[Arc] = []
        # The nearest destination first, then the branch to the next from anywhere on the tree.
        remaining = list(connection.targets)
        while remaining:
            way = self._search(tree, set(remaining), lanes, connection, taken)
            for arc in way:
                tree[arc.target] = arc
                self._claim(arc.target, lanes, connection, taken)
            arcs += way
            remaining = [target for target in remaining if target not in tree]
        return Route(connection, tuple(arcs), lanes)

    def _claim(self, place: Place, lanes: Lanes, connection: Connection, taken: dict) -> None:
        taken.setdefault(place, []).append((lanes, connection))

    def _holder(self, place: Place, lanes: Lanes, taken: dict) -> Connection | None:
        """The connection in the way at `place`, if any."""
        for where in (place, self.mesh.opposite.get(place)):
            for held, connection in taken.get(where, ()):
                if np.any(held & lanes):
                    return connection
        return None

    def _search(
        self, tree: Mapping[Place, Arc | None], targets: set[Place], lanes: Lanes, connection: Connection, taken: dict
    ) -> list[Arc]:
        came: dict[Place, Arc] = {}
        queue = deque(tree)
        blocked: dict[Place, Connection] = {}
        while queue:
            place = queue.popleft()
            for arc in self.mesh.out_of.get(place, ()):
                target = arc.target
                if target in tree or target in came:
                    continue
                if target.kind in ("rows", "columns") and target not in targets:
                    continue  # a vector ends there
                holder = self._holder(target, lanes, taken)
                if holder is not None:
                    blocked[target] = holder
                    continue
                came[target] = arc
                if target in targets:
                    return _unwind(came, target)
                queue.append(target)
        raise self._error(connection, targets, blocked)

    def _error(self, connection: Connection, targets: set[Place], blocked: Mapping[Place, Connection]) -> RouteError:
        name = self.mesh.name
        wanted = ", ".join(sorted(name(target) for target in targets))
        lanes = describe_lanes(connection.lanes(self.lanes))
        if blocked:
            walls = [f"{name(place)} carries {name(other.source)}" for place, other in islice(blocked.items(), 6)]
            reason = f"in the way: {'; '.join(walls)}{' ...' if len(blocked) > 6 else ''}"
        else:
            reason = "the mesh does not join them"
        return RouteError(f"no way from {name(connection.source)} to {wanted} ({lanes}); {reason}")


def _unwind(came: Mapping[Place, Arc], target: Place) -> list[Arc]:
    way = []
    place = target
    while place in came:
        way.append(came[place])
        place = came[place].source
    return way[::-1]


def switches(routes: Iterable[Route], lanes: int, masks: dict[tuple[int, Edge], Lanes]) -> dict[int, dict[str, int]]:
    """MeshBank fields of every tile that the routes of one step use.

    Lanes that no pattern expresses go into `masks`, which all steps of a program share.

    Raises
    ------
    RouteError
        If two switches need different custom masks of one edge.
    """
    driven: dict[tuple[int, str], Lanes] = {}
    for route in routes:
        for arc in route.arcs:
            key = (arc.tile, arc.switch)
            driven[key] = driven.get(key, np.zeros(lanes, np.bool_)) | route.lanes
    settings: dict[int, dict[str, int]] = {}
    for (tile, switch), needed in driven.items():
        settings.setdefault(tile, {})[switch] = _pattern(needed, tile, switch, masks)
    return settings


def _pattern(needed: Lanes, tile: int, switch: str, masks: dict[tuple[int, Edge], Lanes]) -> int:
    for name in ("all", "even", "odd", "low", "high"):
        if np.array_equal(needed, pattern_lanes(name, len(needed))):
            return PATTERNS[name]
    key = (tile, MASK_EDGE[switch])
    if not np.array_equal(masks.setdefault(key, needed), needed):
        raise RouteError(f"{switch} of tile {tile} needs another mask than the one its {key[1]} edge already holds")
    return PATTERNS["custom"]
