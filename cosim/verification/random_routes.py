"""Random trees of switches, from an ILP or from a tile's comparators to rows, columns and output landing pads."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.engines.golden.wires import SWITCHES
from rtl import isa
from rtl.config import ChipConfig, Edge

__all__ = ["Routes", "Tree"]

#: Amaranth's enums are untyped to a type checker.
Pattern: Any = isa.Pattern


@dataclass
class Tree:
    """Switches of each tile, and what the tree ends in.

    Members
    -------
    switches : dict of tile index to {switch: pattern}
    sinks : set of (`rows`, tile), (`columns`, tile) or (`olp`, domain)
    """

    switches: dict[int, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    sinks: set[tuple[str, int]] = field(default_factory=set)


class Routes:
    """Draws trees on a floorplan, and the masks that their CUSTOM patterns take.

    Parameters
    ----------
    config : ChipConfig
    rng : numpy Generator
    lawful : bool
        No tree contends with itself.
    """

    def __init__(self, config: ChipConfig, rng: np.random.Generator, *, lawful: bool) -> None:
        self._config, self._rng, self._lawful = config, rng, lawful
        plan = config.floorplan
        self.masks: dict[tuple[int, Edge], NDArray[np.bool_]] = {}
        self.beyond: dict[tuple[int, Edge], int] = {}  #: neighbouring tile
        for square, tile in plan.tile_index.items():
            for edge in Edge:
                if (there := plan.neighbour(square, edge)) is not None:
                    self.beyond[tile, edge] = plan.tile_index[there]
        self._ilps = [(plan.tile_index[site.square], site.edge) for site in plan.ilp_sites]
        self._olps = {(plan.tile_index[site.square], site.edge): i for i, site in enumerate(plan.olp_sites)}

    def from_ilp(self, domain: int) -> Tree:
        """A tree that an input landing pad feeds."""
        tree = Tree()
        tile, edge = self._ilps[domain]
        self._enter(tree, tile, edge, self._number(1, 14), set())
        return tree

    def from_comparators(self, tile: int) -> Tree:
        """A tree that a tile's comparators feed."""
        tree = Tree()
        if self._chance(0.7):
            self._drive(tree, tile, "columns_to_net")
            self._leave(tree, tile, None, self._number(1, 10), {tile})
        else:
            self._drive(tree, tile, "columns_to_south")
            self._cross(tree, tile, Edge.SOUTH, self._number(1, 10), {tile})
        return tree

    def through(self, switch: str, domain: int | None) -> tuple[int, Tree]:
        """A tree whose pulses take one switch of some tile, in a random pattern.

        The pulses come the shortest way from an ILP, or, if `domain` is None, from the comparators of the tile that is
        returned with the tree: this one, or its neighbour.
        """
        tree = Tree()
        reads, drives, _ = SWITCHES[switch]
        if reads == "comparators" or (reads == "net" and domain is None):
            tile = origin = self._any_tile()
            if reads == "net":
                self._drive(tree, tile, "columns_to_net", 0.8)
        elif reads == "net":
            tile = origin = self._any_tile()
            self._come(tree, domain or 0, tile)
        else:
            edge = Edge(reads)
            tile, origin = self._one_of([(t, there) for (t, side), there in self.beyond.items() if side is edge])
            if domain is not None and self._ilps[domain][1] is edge:
                tile = self._ilps[domain][0]
            elif domain is not None:
                self._come(tree, domain, origin, avoiding=tile)
                self._drive(tree, origin, f"net_to_{edge.opposite}", 0.8)
            elif edge is Edge.NORTH and self._chance(0.5):
                self._drive(tree, origin, "columns_to_south", 0.8)
            else:
                self._drive(tree, origin, "columns_to_net", 0.8)
                self._drive(tree, origin, f"net_to_{edge.opposite}", 0.8)
        self._drive(tree, tile, switch, 0.0)
        seen = set(tree.switches)
        if drives == "net":
            self._leave(tree, tile, Edge(reads) if reads in set(Edge) else None, self._number(0, 2), seen)
        elif drives in set(Edge):
            self._cross(tree, tile, Edge(drives), self._number(0, 2), seen)
        else:
            tree.sinks.add((drives, tile))
        return origin, tree

    # ---- steps

    def _come(self, tree: Tree, domain: int, goal: int, avoiding: int | None = None) -> None:
        """The shortest way from an ILP to the net of a tile; round another one, if there is such a way."""
        start, edge = self._ilps[domain]
        before: dict[int, tuple[int, Edge] | None] = {start: None}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for side in Edge:
                there = self.beyond.get((here, side))
                if there is not None and there not in before and (there != avoiding or goal == avoiding):
                    before[there] = (here, side)
                    queue.append(there)
        self._drive(tree, start, f"{edge}_to_net", 0.8)
        while (step := before.get(goal)) is not None:
            here, side = step
            self._drive(tree, here, f"net_to_{side}", 0.8)
            self._drive(tree, goal, f"{side.opposite}_to_net", 0.8)
            goal = here

    def _enter(self, tree: Tree, tile: int, edge: Edge, steps: int, seen: set[int]) -> None:
        """Go on in a tile that the pulses reach across `edge`."""
        if edge is Edge.WEST and self._chance(0.3):
            self._end(tree, tile, "west_to_rows")
        if edge is Edge.SOUTH and self._chance(0.4):
            self._end(tree, tile, "south_to_columns")
        if steps <= 0 or (tile in seen and (self._lawful or self._chance(0.97))):
            return
        seen.add(tile)
        self._drive(tree, tile, f"{edge}_to_net")
        self._leave(tree, tile, edge, steps - 1, seen)

    def _leave(self, tree: Tree, tile: int, came: Edge | None, steps: int, seen: set[int]) -> None:
        """Go on from a tile's net: to rows, columns, landing pads, neighbours."""
        for kind in ("rows", "columns"):
            if self._chance(0.3):
                self._end(tree, tile, f"net_to_{kind}")
        edges = [edge for edge in Edge if edge is not came]
        if self._lawful:  # a tile of this tree may drive the edge between the two
            edges = [edge for edge in edges if self.beyond.get((tile, edge)) not in seen]
        chosen = {self._one_of(edges) for _ in range(self._number(1, 2)) if edges}
        if self._chance(0.8):
            chosen |= {edge for edge in edges if (tile, edge) in self._olps}
        for edge in sorted(chosen):
            self._drive(tree, tile, f"net_to_{edge}")
            self._cross(tree, tile, edge, steps - 1, seen)

    def _end(self, tree: Tree, tile: int, switch: str) -> None:
        """A branch ends in rows or columns, which the lawful drive from one side only."""
        sink = (SWITCHES[switch][1], tile)
        if not (self._lawful and sink in tree.sinks):
            self._drive(tree, tile, switch)
            tree.sinks.add(sink)

    def _cross(self, tree: Tree, tile: int, edge: Edge, steps: int, seen: set[int]) -> None:
        """Go on behind an edge: in a landing pad, in the neighbour, or nowhere."""
        if (tile, edge) in self._olps:
            tree.sinks.add(("olp", self._olps[tile, edge]))
        elif (there := self.beyond.get((tile, edge))) is not None:
            self._enter(tree, there, edge.opposite, steps, seen)

    def _drive(self, tree: Tree, tile: int, switch: str, everything: float = 0.4) -> None:
        """Turn a switch on, with the chance `everything` on all lanes."""
        pattern = Pattern.ALL.value if self._chance(everything) else self._number(1, Pattern.CUSTOM.value)
        tree.switches[tile][switch] = pattern
        if pattern == Pattern.CUSTOM.value and self._chance(0.9):  # else the mask is empty after reset, or another's
            self.mask(tile, SWITCHES[switch][2])

    def mask(self, tile: int, edge: Edge) -> None:
        """Draw the custom mask of an edge: few lanes, half of them, most, or all."""
        share = self._one_of([0.02, 0.5, 0.5, 0.9, 1.1])
        self.masks[tile, edge] = self._rng.random(self._config.lanes) < share

    # ---- chances

    def _chance(self, share: float) -> bool:
        return bool(self._rng.random() < share)

    def _number(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def _one_of(self, things: Any) -> Any:
        return things[self._number(0, len(things) - 1)]

    def _any_tile(self) -> int:
        return self._number(0, self._config.tile_count - 1)
