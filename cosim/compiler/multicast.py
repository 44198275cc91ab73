"""Ways for several vectors at once to many tiles each, with their landing pads still open.

The router takes one connection after another, and what comes first walls in what comes later. Here all vectors find
their trees as if they were alone, wires that more than one of them wants become dearer, and those that can go elsewhere
do, until no wire is wanted twice: negotiated congestion, as field-programmable gate arrays are routed (McMurchie and
Ebeling, PathFinder, FPGA 1995). Whole vectors only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from cosim.fabric.mesh_graph import Arc, Mesh, Place

__all__ = ["Multicast", "Tree"]

#: Rounds after which the vectors are taken not to fit, and how much dearer a wire becomes that is wanted twice.
_ROUNDS, _DEARER = 16, 1.5
#: A second landing pad for a vector costs as much as so many switches.
_PAD = 6.0


@dataclass(frozen=True)
class Tree:
    """Ways of one vector from one landing pad."""

    ilp: int
    arcs: tuple[Arc, ...]


class Multicast:
    """Finds trees on one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        config = mesh.config
        self._sources = [Place("ilp", ilp) for ilp in range(config.domain_count)]
        places = dict.fromkeys(
            place for arc in mesh.arcs for place in (arc.source, arc.target) if place.kind in ("ilp", "net", "toward")
        )
        self._places = list(places)
        self._number = {place: number for number, place in enumerate(self._places)}
        #: The wires of an edge are one, whichever way they are used.
        self._wires = [
            min(number, self._number.get(mesh.opposite.get(place, place), number))
            for number, place in enumerate(self._places)
        ]
        self._arcs: list[list[tuple[Arc, int]]] = [[] for _ in self._places]
        self._rows: list[list[tuple[Arc, int]]] = [[] for _ in self._places]
        for arc in mesh.arcs:
            source = self._number.get(arc.source)
            if source is not None and arc.target.kind == "rows":
                self._rows[source].append((arc, arc.tile))
            elif source is not None and arc.target in self._number:
                self._arcs[source].append((arc, self._number[arc.target]))

    def route(self, groups: Sequence[Sequence[int]]) -> list[list[Tree]] | None:
        """For each group of tiles, trees that bring one vector to the rows of all of them; None if none were found.

        Mostly one tree each; where the ways to some of the tiles are cut off, another landing pad sends the same.
        """
        users = [0] * len(self._places)
        history = [0.0] * len(self._places)
        found: list[list[Arc]] = [[] for _ in groups]
        pressure = 0.5
        for _ in range(_ROUNDS):
            for number, tiles in enumerate(groups):
                for wire in self._taken(found[number]):
                    users[wire] -= 1
                cost = [(1.0 + past) * (1.0 + pressure * count) for past, count in zip(history, users, strict=True)]
                tree = self._grow(tiles, cost)
                if tree is None:
                    return None
                found[number] = tree
                for wire in self._taken(tree):
                    users[wire] += 1
            crowded = [wire for wire, count in enumerate(users) if count > 1]
            if not crowded:
                return [self._trees(arcs) for arcs in found]
            for wire in crowded:
                history[wire] += users[wire] - 1
            pressure *= _DEARER
        return None

    def _taken(self, arcs: Sequence[Arc]) -> set[int]:
        places = (place for arc in arcs for place in (arc.source, arc.target))
        return {self._wires[self._number[place]] for place in places if place in self._number}

    def _grow(self, tiles: Sequence[int], cost: Sequence[float]) -> list[Arc] | None:
        """The cheapest way to the nearest tile, then from anywhere on it to the next one."""
        wanted, arcs = set(tiles), list[Arc]()
        best = [float("inf")] * len(self._places)
        came: list[tuple[Arc, int] | None] = [None] * len(self._places)
        heap: list[tuple[float, int]] = []
        for source in self._sources:
            number = self._number[source]
            best[number] = _PAD * cost[self._wires[number]]
            heappush(heap, (best[number], number))
        while heap and wanted:
            far, number = heappop(heap)
            if far > best[number]:
                continue
            reached = [(arc, tile) for arc, tile in self._rows[number] if tile in wanted]
            for arc, tile in reached:
                arcs.append(arc)
                wanted.discard(tile)
            if reached and far > 0:  # what leads here is on the tree now
                at = number
                while best[at] > 0:
                    best[at] = 0.0
                    heappush(heap, (0.0, at))
                    step = came[at]
                    if step is None:
                        break
                    arcs.append(step[0])
                    at = step[1]
                continue
            for arc, target in self._arcs[number]:
                there = far + cost[self._wires[target]]
                if there < best[target]:
                    best[target], came[target] = there, (arc, number)
                    heappush(heap, (there, target))
        return None if wanted else arcs

    def _trees(self, arcs: Sequence[Arc]) -> list[Tree]:
        """Arcs by the landing pad that they lead from."""
        from_place: dict[Place, list[Arc]] = {}
        for arc in arcs:
            from_place.setdefault(arc.source, []).append(arc)
        trees = []
        for ilp, source in enumerate(self._sources):
            waiting, own = [source], list[Arc]()
            while waiting:
                following = from_place.get(waiting.pop(), ())
                own += following
                waiting += [arc.target for arc in following]
            if own:
                trees.append(Tree(ilp, tuple(own)))
        return trees
