"""Which tiles hold which layer, which pads feed and hear them, and the ways between, step by step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, permutations

from cosim.compiler.chain.frame import Frame
from cosim.compiler.chain.options import MappingOptions
from cosim.compiler.errors import MappingError
from cosim.compiler.router import Connection, Route, RouteError, Router
from cosim.fabric.mesh_graph import Mesh, Place
from cosim.files.wording import counted
from rtl.config import ChipConfig, Square

__all__ = ["Placement", "place"]

#: Placements, and for each of them choices of ILPs, that are tried before giving up.
_PLACEMENTS, _PADS = 200, 12

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Placement:
    """Where everything sits.

    Parameters
    ----------
    tiles : tuple of tuple of int
        Tile indices of each layer; two are a vertical pair, north first.
    readers : tuple of int
        Tile of each layer that reads out.
    ilps : tuple of int
        ILP of each tile of the first layer.
    olps : mapping of layer number to OLP
    routes : mapping of step to routes
    """

    tiles: Groups
    readers: tuple[int, ...]
    ilps: tuple[int, ...]
    olps: Mapping[int, int]
    routes: Mapping[int, tuple[Route, ...]]


def place(frame: Frame, config: ChipConfig, options: MappingOptions) -> Placement:
    """The first placement, nearest first, all of whose steps can be routed.

    Raises
    ------
    MappingError
        If the chip has too few tiles, pairs or ILPs, an option asks for an impossible tile, or no placement tried can
        be routed; the message then says what is in the way of the first one.
    """
    return _Placer(frame, config, options).place()


class _Placer:
    def __init__(self, frame: Frame, config: ChipConfig, options: MappingOptions) -> None:
        self.frame, self.config, self.options = frame, config, options
        self.plan = config.floorplan
        self.mesh = Mesh(config)
        self.router = Router(config, self.mesh)

    def place(self) -> Placement:
        counts = self.frame.tile_counts
        if sum(counts) > self.config.tile_count:
            raise MappingError(f"the layers need {counted(sum(counts), 'tile')}, the chip has {self.config.tile_count}")
        failure: RouteError | None = None
        for tiles, readers in islice(self._sites(0, (), ()), _PLACEMENTS):
            for ilps in islice(self._pads(tiles[0]), _PADS):
                try:
                    return self._routed(tiles, readers, ilps)
                except RouteError as error:
                    failure = failure or error
        if failure is not None:
            raise MappingError(f"no placement could be routed; the nearest one fails: {failure}")
        pairs = sum(1 for _ in self.plan.capacitor_pairs())
        raise MappingError(
            f"no place for layers of {', '.join(map(str, counts))} tiles: the chip has {self.config.tile_count} tiles "
            f"in {pairs} vertical pairs, and {self.config.domain_count} ILPs"
        )

    # Tiles and pads.

    def _sites(self, index: int, tiles: Groups, readers: tuple[int, ...]) -> Iterator[tuple[Groups, tuple[int, ...]]]:
        """Tiles of all layers and the ones that read out; each layer as near to the one before as can be."""
        if index == len(self.frame.modes):
            yield tiles, readers
            return
        used = {tile for group in tiles for tile in group}
        groups = [group for group in self._groups(index) if not used & set(group)]
        targets = [self.plan.tiles[readers[-1]]] if readers else [site.square for site in self.plan.ilp_sites]
        groups.sort(key=lambda group: sum(min(self._distance(tile, square) for square in targets) for tile in group))
        for group in groups:
            for reader in reversed(group):
                yield from self._sites(index + 1, (*tiles, group), (*readers, reader))

    def _groups(self, index: int) -> Groups:
        """Tiles that can hold a layer: vertical pairs or single ones."""
        count = self.frame.tile_counts[index]
        pairs = tuple(self.plan.capacitor_pairs())
        asked = self.options.placement.get(index)
        if asked is None:
            return pairs if count == 2 else tuple((tile,) for tile in range(self.config.tile_count))
        for square in asked:
            if square not in self.plan.tile_index:
                raise MappingError(f"options.placement puts layer {index} on {square}, where there is no tile")
        group = tuple(self.plan.tile_index[square] for square in asked)
        if len(group) != count or (count == 2 and group not in pairs):
            need = "one tile" if count == 1 else "a vertical pair, (even row, c) and the tile south of it"
            raise MappingError(f"options.placement gives layer {index} {list(asked)}; it needs {need}")
        return (group,)

    def _distance(self, tile: int, square: Square) -> int:
        row, column = self.plan.tiles[tile]
        return abs(row - square[0]) + abs(column - square[1])

    def _pads(self, group: tuple[int, ...]) -> list[tuple[int, ...]]:
        """ILPs for the tiles of the first layer, nearest first."""
        sites = self.plan.ilp_sites

        def far(ilps: tuple[int, ...]) -> int:
            return sum(self._distance(tile, sites[ilp].square) for tile, ilp in zip(group, ilps, strict=True))

        return sorted(permutations(range(len(sites)), len(group)), key=far)

    def _free_olps(self, tile: int, taken: Mapping[int, int]) -> list[int]:
        """OLPs, those least used first, then the nearest."""
        sites, used = self.plan.olp_sites, list(taken.values())
        return sorted(range(len(sites)), key=lambda olp: (used.count(olp), self._distance(tile, sites[olp].square)))

    # Routes.

    def _routed(self, tiles: Groups, readers: tuple[int, ...], ilps: tuple[int, ...]) -> Placement:
        rows = [Place("rows", tile) for tile in tiles[0]]
        inputs = [Connection(Place("ilp", ilp), (row,)) for ilp, row in zip(ilps, rows, strict=True)]
        input_steps = [phase.step for phase in self.frame.phases[0]]
        routes: dict[int, tuple[Route, ...]] = {}
        olps: dict[int, int] = {}
        last = len(tiles) - 1
        # The output first: it must have an OLP. If frames overlap, it is on the mesh together with the inputs.
        beside = inputs if self.options.overlapped else []
        olps[last], found = self._heard(Connection(Place("outputs", readers[last]), ()), beside, readers[last], olps)
        routes[self.frame.readouts[last][0]] = found[:1]
        routes |= dict.fromkeys(input_steps, found[1:] if beside else self.router.route(inputs))
        for index in range(last):
            first, *others = self.frame.readouts[index]
            onward = Connection(Place("outputs", readers[index]), (Place("rows", tiles[index + 1][0]),))
            if self.options.observe:
                olps[index], routes[first] = self._heard(onward, [], readers[index], olps)
            else:
                routes[first] = self.router.route([onward])
            if others:  # the same sums once more; the OLP has them already
                routes |= dict.fromkeys(others, self.router.route([onward]))
        return Placement(tiles, readers, ilps, olps, routes)

    def _heard(
        self, connection: Connection, beside: list[Connection], tile: int, taken: Mapping[int, int]
    ) -> tuple[int, tuple[Route, ...]]:
        """An OLP that can hear `connection` as well, and the routes."""
        failure: RouteError | None = None
        for olp in self._free_olps(tile, taken):
            targets = (*connection.targets, self.mesh.olp(olp))
            try:
                return olp, self.router.route([Connection(connection.source, targets), *beside])
            except RouteError as error:
                failure = failure or error
        assert failure is not None, "a chip has an OLP"
        raise failure
