"""Ways of one frame: vectors from landing pads to the rows of tiles, and columns to landing pads."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

from cosim.compiler.multicast import Multicast, Tree
from cosim.compiler.router import Connection, Route, RouteError, Router
from cosim.fabric.mesh_graph import Arc, Mesh, Place
from rtl.config import ChipConfig, Edge

__all__ = ["Heard", "Ways"]


@dataclass(frozen=True)
class Heard:
    """A tile that is read out, the landing pad that hears it, and the way."""

    tile: int
    olp: int
    route: Route


class Ways:
    """Finds ways on one chip; those of whole vectors.

    Parameters
    ----------
    config : ChipConfig
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        self.mesh = Mesh(config)
        self._multicast = Multicast(self.mesh)
        self._router = Router(config, self.mesh)
        self._olp = {self._wire(self.mesh.olp(olp)): olp for olp in range(config.domain_count)}
        links = list(self._links())
        self._nodes = list(dict.fromkeys(node for link in links for node in link))
        self._number = {node: number for number, node in enumerate(self._nodes)}
        self._arcs = [(self._number[one], self._number[other]) for one, other in links]

    def multicast(self, groups: Sequence[Sequence[int]]) -> tuple[tuple[Route, ...], ...] | None:
        """Ways to the rows of each group's tiles, of all groups at once, by landing pad; None if none are found."""
        found = self._multicast.route(groups)
        return None if found is None else tuple(tuple(map(self._sent, trees)) for trees in found)

    def _sent(self, tree: Tree) -> Route:
        rows = tuple(arc.target for arc in tree.arcs if arc.target.kind == "rows")
        return self._route(Connection(Place("ilp", tree.ilp), rows), tree.arcs)

    def _route(self, connection: Connection, arcs: Sequence[Arc]) -> Route:
        return Route(connection, tuple(arcs), connection.lanes(self.config.lanes))

    def read(
        self,
        chains: Sequence[tuple[int, ...]],
        most: int,
        merged: Mapping[tuple[int, ...], tuple[int, ...]] | None = None,
    ) -> list[list[Heard]] | None:
        """Readouts of all chains in as few steps as can be; None if that is more than `most`.

        Of a joined pair either tile may be read. Ways that share no wires are a flow through the mesh, one mesh a step.

        Parameters
        ----------
        chains : sequence of tuple of int
        most : int
        merged : mapping of chain to chain, optional
            Further chains, on odd lanes, each read with one of `chains`, which keeps the even ones.
        """
        for steps in range(-(-len(chains) // len(self._olp)), most + 1):
            found = self._flow(chains, steps)
            if found is not None and all(self._merge(found, *pair) for pair in (merged or {}).items()):
                return found
        return None

    def _merge(self, found: list[list[Heard]], one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        """Add the readout of `other` to that of `one`, in its step, at its landing pad; whether there is a way."""
        for step in found:
            for number, heard in enumerate(step):
                if heard.tile in one:
                    others = [known.route for known in step if known is not heard]
                    even = self._route(replace(heard.route.connection, pattern="even"), heard.route.arcs)
                    for tile in other:
                        connection = Connection(Place("outputs", tile), (self.mesh.olp(heard.olp),), "odd")
                        with suppress(RouteError):
                            odd = self._router.beside([*others, even], connection)
                            step[number] = replace(heard, route=even)
                            step.append(Heard(tile, heard.olp, odd))
                            return True
        return False

    def _flow(self, chains: Sequence[Sequence[int]], steps: int) -> list[list[Heard]] | None:
        count = len(self._nodes)  # in step s node n is entered as 2 s count + n and left as that + count
        source, sink, first = 2 * steps * count, 2 * steps * count + 1, 2 * steps * count + 2
        arcs = [(source, first + number) for number in range(len(chains))]
        for enter in range(0, source, 2 * count):
            leave = enter + count
            arcs += [(enter + n, leave + n) for n in range(count)]
            arcs += [(leave + one, enter + other) for one, other in self._arcs]
            arcs += [(leave + self._number[wire], sink) for wire in self._olp]
            arcs += [(first + number, enter + n) for number, chain in enumerate(chains) for n in self._starts(chain)]
        rows, columns = np.array(arcs, np.int32).T
        size = first + len(chains)
        graph = csr_array((np.ones(len(arcs), np.int32), (rows, columns)), (size, size))
        result = maximum_flow(graph, source, sink)
        if result.flow_value < len(chains):
            return None
        flow = result.flow.tocoo()
        following = {
            int(one): int(other) for one, other, on in zip(flow.row, flow.col, flow.data, strict=True) if on > 0
        }
        found: list[list[Heard]] = [[] for _ in range(steps)]
        for number, chain in enumerate(chains):
            way, at = [], following[first + number]
            step = at // (2 * count)
            while at != sink:
                if at % (2 * count) < count:
                    way.append(self._nodes[at % (2 * count)])
                at = following[at]
            found[step].append(self._heard(chain, way))
        return found

    def _starts(self, chain: Sequence[int]) -> list[int]:
        """Nodes where the outputs of a tile, or of the tiles of a pair, begin their way."""
        nodes = (node for tile in chain for node in (Place("net", tile), self._south(tile)))
        return sorted({self._number[node] for node in nodes if node in self._number})

    def _wire(self, place: Place) -> Place:
        """The wires of an edge, whichever tile drives them."""
        return min(place, self.mesh.opposite.get(place, place))

    def _south(self, tile: int) -> Place:
        return self._wire(Place("toward", tile, Edge.SOUTH))

    def _links(self) -> Iterator[tuple[Place, Place]]:
        """Nets of tiles, wires between them, and wires to the OLPs: from which to which a vector may go on."""
        for tile in range(self.config.tile_count):
            net = Place("net", tile)
            for edge in Edge:
                behind = self.mesh.behind(tile, edge)
                wire = self._wire(Place("toward", tile, edge))
                if wire in self._olp:
                    yield net, wire
                elif behind is not None and behind.kind == "toward":
                    yield from ((net, wire), (wire, net))

    def _heard(self, chain: Sequence[int], way: Sequence[Place]) -> Heard:
        """The switches of a way through nets and wires."""
        first = way[0]
        tile = next(t for t in chain if first in (Place("net", t), self._south(t)))
        if first.kind != "net" and len(way) > 1 and way[1] == Place("net", tile):
            way = way[1:]  # out of the tile and in again
        place = Place("outputs", tile)
        arcs: list[Arc] = []
        for node in way:
            sides = (node, self.mesh.opposite.get(node, node))
            arcs.append(next(arc for arc in self.mesh.out_of[place] if arc.target in sides))
            place = arcs[-1].target
        connection = Connection(Place("outputs", tile), (place,))
        return Heard(tile, self._olp[self._wire(place)], self._route(connection, arcs))
