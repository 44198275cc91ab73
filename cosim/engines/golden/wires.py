"""The mesh: switches, the resolved net of every lane, contention, closed loops.

Source: docs/fabric.md, "Mesh".
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rtl import isa
from rtl.config import ChipConfig, Edge

__all__ = ["PLACES", "SWITCHES", "Mesh", "Node"]

#: Amaranth's enums are untyped to a type checker.
Pattern: Any = isa.Pattern
Lanes = NDArray[np.bool_]
#: ("net" | "rows" | "columns" | "comparators", tile), (edge, tile): what the tile drives across it, or ("ilp", domain).
Node = tuple[str, int]

#: Places of contention, in the order of their flags.
PLACES = ("net", "rows", "columns", *(edge.value for edge in Edge))

#: Switch -> (what it reads, what it drives, the edge whose mask is its CUSTOM pattern). An edge that is read is what
#: comes in across it; one that is driven is what goes out.
SWITCHES: Mapping[str, tuple[str, str, Edge]] = {
    **{f"{edge}_to_net": (edge.value, "net", edge) for edge in Edge},
    **{f"net_to_{edge}": ("net", edge.value, edge) for edge in Edge},
    "west_to_rows": ("west", "rows", Edge.WEST),
    "net_to_rows": ("net", "rows", Edge.WEST),
    "columns_to_net": ("comparators", "net", Edge.SOUTH),
    "columns_to_south": ("comparators", "south", Edge.SOUTH),
    "south_to_columns": ("south", "columns", Edge.SOUTH),
    "net_to_columns": ("net", "columns", Edge.SOUTH),
}


@dataclass(frozen=True)
class _Switch:
    """One switch that drives at least one lane."""

    tile: int
    name: str
    pattern: int
    source: Node | None  #: None behind an edge where nobody drives
    target: Node
    lanes: Lanes


class Mesh:
    """Switches of all tiles, and what they do to pulses.

    Parameters
    ----------
    config : ChipConfig
    masks : mapping of (tile, edge) to bool (lanes,)
        Custom masks; none is empty.
    seen : Counter
        Counts what happened, for functional coverage.
    """

    def __init__(self, config: ChipConfig, masks: Mapping[tuple[int, Edge], Lanes], seen: Counter[tuple]) -> None:
        plan = config.floorplan
        self._masks, self._seen, self._none = masks, seen, np.zeros(config.lanes, np.bool_)
        lane = np.arange(config.lanes)
        self._lanes_of = {
            Pattern.ALL.value: lane >= 0,
            Pattern.EVEN.value: lane % 2 == 0,
            Pattern.ODD.value: lane % 2 == 1,
            Pattern.LOW.value: lane < config.lanes // 2,
            Pattern.HIGH.value: lane >= config.lanes // 2,
        }
        #: Who drives the wires behind an edge: the neighbour, across its opposite edge, or an ILP.
        self._behind: dict[tuple[int, str], Node] = {}
        for square, tile in plan.tile_index.items():
            for edge in Edge:
                if (beyond := plan.neighbour(square, edge)) is not None:
                    self._behind[tile, edge.value] = (edge.opposite.value, plan.tile_index[beyond])
        for domain, site in enumerate(plan.ilp_sites):
            self._behind[plan.tile_index[site.square], site.edge.value] = ("ilp", domain)
        #: The wires behind an edge are the same ones on both sides: (edge, tile) as each side calls them, or the ILP's.
        self._wires: dict[Node, tuple[Node, ...]] = {}
        for (tile, side), (name, there) in self._behind.items():
            both = ((side, tile),) if name == "ilp" else tuple(sorted([(side, tile), (name, there)]))
            self._wires[side, tile] = self._wires[name, there] = both
        self._switches: dict[int, list[_Switch]] = {}
        self._leaving: dict[Node, list[_Switch]] = {}
        self._high: dict[Node, Lanes] = {}
        self._passed: set[tuple] = set()

    def write(self, tile: int, bank: Mapping[str, int]) -> None:
        """Put a MESH bank in force."""
        self._switches[tile] = [
            _Switch(tile, name, bank[name], self._source(tile, reads), (drives, tile), lanes)
            for name, (reads, drives, edge) in SWITCHES.items()
            if (lanes := self._pattern(tile, bank[name], edge)).any()
        ]
        self._leaving = {}
        for switch in self._all():
            if switch.source is not None:
                self._leaving.setdefault(switch.source, []).append(switch)

    def _all(self) -> Iterable[_Switch]:
        return (switch for switches in self._switches.values() for switch in switches)

    def _source(self, tile: int, reads: str) -> Node | None:
        return self._behind.get((tile, reads)) if reads in set(Edge) else (reads, tile)

    def _pattern(self, tile: int, pattern: int, edge: Edge) -> Lanes:
        if pattern == Pattern.CUSTOM.value:
            return self._masks.get((tile, edge), self._none)
        return self._lanes_of.get(pattern, self._none)

    def resolve(self, sources: Mapping[Node, Lanes]) -> None:
        """Find what is high everywhere while just `sources` drive: the smallest solution, for every driver is OR-ed.

        ILPs and comparators are told apart: each node has the lanes that are high because of either, (2, lanes).
        """
        self._high = {}
        work: deque[Node] = deque()
        for node, lanes in sources.items():
            both = np.zeros((2, len(lanes)), np.bool_)
            both[int(node[0] == "comparators")] = lanes
            self._high[node] = both
            work.append(node)
        while work:
            node = work.popleft()
            high = self._high[node]
            for switch in self._leaving.get(node, ()):
                passing = high & switch.lanes
                self._observe(switch, passing)
                there = self._high.get(switch.target)
                if there is None:
                    self._high[switch.target] = passing
                elif (passing > there).any():
                    self._high[switch.target] = there | passing
                else:
                    continue
                work.append(switch.target)

    def _observe(self, switch: _Switch, passing: Lanes) -> None:
        """Count each switch with a pulse on it once, by pattern and source."""
        for number, source in enumerate(("ilp", "comparators")):
            key = (switch.tile, switch.name, switch.pattern, source)
            if key not in self._passed and passing[number].any():
                self._passed.add(key)
                self._seen["pass", switch.name, Pattern(switch.pattern).name, source] += 1

    def high(self, node: Node) -> Lanes:
        """Lanes that are high at a node, after `resolve`."""
        both = self._high.get(node)
        return self._none if both is None else both[0] | both[1]

    def inner_contention(self) -> dict[int, set[str]]:
        """Places, by tile, where two switches of one tile drive a lane: at an edge, those of both sides."""
        once: dict[Node, Lanes] = {}
        found: set[Node] = set()
        for switch in self._all():
            before = once.get(switch.target, self._none)
            once[switch.target] = before | switch.lanes
            if (before & switch.lanes).any():
                found.add(switch.target)
        return self._places(found)

    def edge_contention(self, sending: Iterable[int]) -> dict[int, set[str]]:
        """Edges, by tile, where a lane is driven from both sides; the ILPs `sending` drive all lanes of theirs."""
        driven: dict[Node, Lanes] = {("ilp", domain): ~self._none for domain in sending}
        for switch in self._all():
            driven[switch.target] = driven.get(switch.target, self._none) | switch.lanes
        both = ((node, self._behind.get((node[1], node[0]))) for node in driven)
        return self._places({node for node, other in both if other in driven and (driven[node] & driven[other]).any()})

    def _places(self, nodes: Iterable[Node]) -> dict[int, set[str]]:
        places: dict[int, set[str]] = {}
        for node in nodes:
            for place, tile in self._wires.get(node, (node,)):
                places.setdefault(tile, set()).add(place)
        return places

    def beyond(self, tile: int, edge: str) -> str:
        """Who else may drive the wires of an edge."""
        return "tile and ILP" if self._behind[tile, edge][0] == "ilp" else "two tiles"

    def closed_loop(self) -> bool:
        """Whether some lane's switches lead round in a ring, where a pulse would feed itself for ever.

        What is fed by nothing but itself remains when all that is fed by something else is taken away again and again:
        first whole nodes, then, if that leaves any, lane by lane.
        """
        switches = [switch for switch in self._all() if switch.source is not None]
        live = {switch.target for switch in switches}
        while live != (fed := {switch.target for switch in switches if switch.source in live}):
            live = fed
        if not live:
            return False
        lanes = dict.fromkeys(live, ~self._none)
        while True:
            after = dict.fromkeys(live, self._none)
            for switch in switches:
                if switch.source in live and switch.target in live:
                    after[switch.target] = after[switch.target] | lanes[switch.source] & switch.lanes
            if all(np.array_equal(after[node], lanes[node]) for node in live):
                return any(some.any() for some in after.values())
            lanes = after
