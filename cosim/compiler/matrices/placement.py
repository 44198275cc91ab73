"""Which tile of a chip is which, so that the ways of all calls fit.

Packing knows tiles and pairs, and any two of them are alike to it. Here pairs change places, and the two tiles of a
pair, until every wave is multiplied in as few calls and readouts as can be, over short ways. Whatever stands in the
way, there is an answer: vectors that cannot be sent at once are sent in several calls.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from cosim.compiler.errors import MappingError
from cosim.compiler.matrices.demand import READOUTS, Demand, by_tile, demand, demands
from cosim.compiler.matrices.nearness import exchanged, near, units_of
from cosim.compiler.matrices.packing import Spot
from cosim.compiler.matrices.ways import Heard, Ways
from cosim.compiler.router import Route
from cosim.files.extras import needed

__all__ = ["Placed", "Routed", "place"]

#: Ways of each stream, from one landing pad or several.
Sent = tuple[tuple[Route, ...], ...]
#: A call more is as bad as so many readouts more; a readout, as so many switches.
_CALL, _SWITCHES = 4, 200
#: Changes in a row without a gain after which only more calls or readouts than must be are worth more of them.
_PATIENCE = 20


@dataclass(frozen=True)
class Routed:
    """One call with its ways.

    Parameters
    ----------
    demand : Demand
        On the tiles of the chip.
    sent : tuple of tuple of Route
        Of each stream, from one landing pad or several.
    heard : tuple of tuple of Heard
        Of each readout.
    """

    demand: Demand
    sent: Sent
    heard: tuple[tuple[Heard, ...], ...]

    @property
    def switches(self) -> int:
        sent = (route for routes in self.sent for route in routes)
        return sum(len(route.arcs) for route in (*sent, *(one.route for step in self.heard for one in step)))


@dataclass(frozen=True)
class Placed:
    """Everything on one chip.

    Parameters
    ----------
    spots : tuple of Spot
    calls : mapping of wave number to tuple of Routed
    """

    spots: tuple[Spot, ...]
    calls: Mapping[int, tuple[Routed, ...]]


def place(spots: Sequence[Spot], ways: Ways, effort: int, limit_s: float = 0.0, seed: int = 0) -> Placed:
    """Tiles and ways for everything on one chip; the same ones every time.

    Parameters
    ----------
    spots : sequence of Spot
        On tiles as packed: pairs of the floorplan.
    ways : Ways
    effort : int
        Changes that are tried.
    limit_s : float
        Deterministic time of the solver, which looks at all calls together if some are split for want of ways: 0 leaves
        them so, and then the extra `compile` is not needed.

    Raises
    ------
    MappingError
        If the solver is missing.
    """
    random = Random(seed)
    search = _Search(spots, ways, random)
    idle = 0
    for _ in range(effort):
        idle = 0 if search.improve(random) else idle + 1
        if idle == _PATIENCE and search.smallest:
            break
    if limit_s and search.split:
        search.solve(limit_s)
    return search.placed()


class _Search:
    def __init__(self, spots: Sequence[Spot], ways: Ways, random: Random) -> None:
        self.spots, self.ways = tuple(spots), ways
        self.pads = ways.config.domain_count
        self.units = units_of(ways.config)
        self.beside = by_tile(spots)
        self.groups = demands(spots, self.pads)
        every = [group for groups in self.groups.values() for group in groups]
        self.at = near(ways.config, every, random)  # of every packed tile, the chip's
        self.tiles = {wave: {tile for group in groups for tile in group.heard} for wave, groups in self.groups.items()}
        self.routed = {wave: self._route(wave, self.at) for wave in self.groups}
        self.cost = {wave: _cost(calls) for wave, calls in self.routed.items()}

    def _route(self, wave: int, at: Mapping[int, int]) -> tuple[Routed, ...]:
        return tuple(call for group in self.groups[wave] for call in self._routes(group, at))

    def _routes(self, group: Demand, at: Mapping[int, int], sent: Sent | None = None) -> Iterator[Routed]:
        """A call, or several where the ways do not fit side by side; `sent` are ways that are known to fit."""
        found = self._one(group, at, sent)
        if found is not None:
            yield found
            return
        if len(group.spots) == 1:
            raise MappingError(f"the mesh does not join the pads with {group.spots[0].tiles}")
        halves = _halves(group)
        for half in halves:
            some = demand(half, self.beside)
            assert some is not None, "a part of what can be multiplied at once can"
            yield from self._routes(some, at)

    def _one(self, group: Demand, at: Mapping[int, int], sent: Sent | None) -> Routed | None:
        merged = {_places(one, at): _places(other, at) for one, other in group.merged.items()}
        heard = self.ways.read([_places(chain, at) for chain in group.chains], READOUTS, merged)
        if heard is None:
            return None
        sent = sent or self.ways.multicast([tuple(at[tile] for tile in tiles) for _, tiles in group.streams])
        if sent is None:
            return None
        return Routed(group, sent, tuple(tuple(step) for step in heard))

    # Improving.

    def improve(self, random: Random) -> bool:
        """Try one change, and keep it if it is none for the worse; whether it was for the better."""
        worst = random.choices(list(self.cost), list(self.cost.values()))[0]
        places = [unit for unit in self.units if set(unit) & self.tiles[worst]]
        one, other = random.choice(places), random.choice(self.units)
        at = exchanged(self.at, one, other)
        if at is None:
            return False
        moved = {*one, *other}
        again = [wave for wave, tiles in self.tiles.items() if tiles & moved]
        routed = {wave: self._route(wave, at) for wave in again}
        cost = {wave: _cost(calls) for wave, calls in routed.items()}
        gain = sum(self.cost[wave] for wave in again) - sum(cost.values())
        if gain >= 0:
            self.at = at
            self.routed |= routed
            self.cost |= cost
        return gain > 0

    @property
    def smallest(self) -> bool:
        """Whether there are as few calls and readouts as can be."""
        return all(
            len(calls) == len(self.groups[wave])
            and all(len(call.heard) == -(-len(call.demand.chains) // self.pads) for call in calls)
            for wave, calls in self.routed.items()
        )

    @property
    def split(self) -> bool:
        """Whether a wave has more calls than it would need if all ways fitted."""
        return any(len(calls) > len(self.groups[wave]) for wave, calls in self.routed.items())

    def solve(self, limit_s: float) -> None:
        """Have tiles, pads and ways solved together, and take them if they are better."""
        needed("ortools", "compile", "solving for all ways together")
        from cosim.compiler.matrices.solved import solve_places
        from cosim.compiler.solver import SolverTimeout

        numbered = [
            (wave, number)
            for wave, groups in self.groups.items()
            for number, group in enumerate(groups)
            if len(group.streams) > 1
        ]
        demands = [self.groups[wave][number] for wave, number in numbered]
        try:
            found = solve_places(self.ways.mesh, self.units, demands, limit_s)
        except SolverTimeout:
            return
        if found is None:
            return
        at, sent = found
        known = dict(zip(numbered, sent, strict=True))
        routed = {
            wave: tuple(
                call
                for number, group in enumerate(groups)
                for call in self._routes(group, at, known.get((wave, number)))
            )
            for wave, groups in self.groups.items()
        }
        cost = {wave: _cost(calls) for wave, calls in routed.items()}
        if sum(cost.values()) < sum(self.cost.values()):
            self.at, self.routed, self.cost = at, routed, cost

    def placed(self) -> Placed:
        """What was found, on the tiles of the chip."""
        moved = {spot: replace(spot, tiles=tuple(self.at[tile] for tile in spot.tiles)) for spot in self.spots}
        calls = {
            wave: tuple(replace(call, demand=_moved(call.demand, moved, self.at)) for call in calls)
            for wave, calls in self.routed.items()
        }
        return Placed(tuple(moved.values()), calls)


def _halves(group: Demand) -> tuple[list[Spot], list[Spot]]:
    """By what their tiles hear if that differs, otherwise in the middle."""
    if len(group.streams) > 1:
        first = {tile for _, tiles in group.streams[: len(group.streams) // 2] for tile in tiles}
        spots = [spot for spot in group.spots if set(spot.tiles) <= first]
        if 0 < len(spots) < len(group.spots):
            return spots, [spot for spot in group.spots if spot not in spots]
    middle = len(group.spots) // 2
    return list(group.spots[:middle]), list(group.spots[middle:])


def _cost(calls: Sequence[Routed]) -> float:
    return sum(_CALL + len(call.heard) + call.switches / _SWITCHES for call in calls)


def _moved(group: Demand, spots: Mapping[Spot, Spot], at: Mapping[int, int]) -> Demand:
    return Demand(
        tuple(spots[spot] for spot in group.spots),
        {at[tile]: turns for tile, turns in group.heard.items()},
        tuple((turns, tuple(at[tile] for tile in tiles)) for turns, tiles in group.streams),
        {at[tile]: pairs for tile, pairs in group.pairs.items()},
        tuple(_places(chain, at) for chain in group.chains),
        {_places(one, at): _places(other, at) for one, other in group.merged.items()},
    )


def _places(chain: Sequence[int], at: Mapping[int, int]) -> tuple[int, ...]:
    """The chip's tiles of packed ones."""
    return tuple(at[tile] for tile in chain)
