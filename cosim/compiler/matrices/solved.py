"""Tiles, landing pads and ways of all calls together, where trying does not find them: CP-SAT, extra `compile`.

Which tile of the chip every packed tile is becomes part of the model, beside the mesh of every call that sends more
than one vector; one alone always finds its way. What is read out is a flow and needs no model.
"""

from collections import defaultdict
from collections.abc import Sequence

from ortools.sat.python import cp_model

from cosim.compiler.matrices.demand import Demand
from cosim.compiler.router import Connection, Route
from cosim.compiler.solver import MeshModel, Solution, search
from cosim.fabric.mesh_graph import Arc, Mesh, Place

__all__ = ["Solved", "solve_places"]

#: Tiles of the chip by packed tile, and the ways of each call's streams.
Solved = tuple[dict[int, int], list[tuple[tuple[Route, ...], ...]]]


def solve_places(
    mesh: Mesh,
    units: Sequence[tuple[int, ...]],
    groups: Sequence[Demand],
    limit_s: float,
) -> Solved | None:
    """Places in which the vectors of every one of these calls can be sent at once; None if there are none.

    Parameters
    ----------
    mesh : Mesh
    units : sequence of tuple of int
        Vertical pairs, and tiles without a partner, of the floorplan.
    groups : sequence of Demand
        On packed tiles.
    limit_s : float
        Of the solver's deterministic time.

    Raises
    ------
    SolverTimeout
        If that was not enough.
    """
    model = cp_model.CpModel()
    roles = _Roles(model, units, groups)
    steps = []
    for number, group in enumerate(groups):
        names = [str(stream) for stream in range(len(group.streams))]
        step = MeshModel(mesh, names, model)
        for stream, name in enumerate(names):
            step.sent_by(name, [Place("ilp", ilp) for ilp in range(mesh.config.domain_count)])
            for tile in range(mesh.config.tile_count):
                model.add(step.carries[Place("rows", tile), name] == sum(roles.that_hear(number, stream, tile)))
        steps.append(step)
    solver = search(model, limit_s=limit_s)
    if solver is None:
        return None
    routes = [_routes(mesh, group, step.solution(solver)) for group, step in zip(groups, steps, strict=True)]
    return roles.places(solver), routes


#: Of each tile of a unit, the stream that it hears in each call.
_Role = tuple[tuple[int | None, ...], ...]


class _Roles:
    """Which unit of the chip plays which role; of packed units that hear the same, only their number counts."""

    def __init__(
        self,
        model: cp_model.CpModel,
        units: Sequence[tuple[int, ...]],
        groups: Sequence[Demand],
    ) -> None:
        self.units = units
        heard = [{tile: number for number, (_, tiles) in enumerate(g.streams) for tile in tiles} for g in groups]
        self.players: dict[_Role, list[tuple[int, ...]]] = {}
        for unit in units:
            role = tuple(tuple(call.get(tile) for call in heard) for tile in unit)
            self.players.setdefault(role, []).append(unit)
        #: By role, unit of the chip, and whether it is turned round.
        self.plays: dict[tuple[_Role, tuple[int, ...], bool], cp_model.IntVar] = {}
        for role, players in self.players.items():
            for unit in (unit for unit in units if len(unit) == len(role)):
                for turned in (False,) if len(set(role)) == 1 else (False, True):
                    self.plays[role, unit, turned] = model.new_bool_var(f"{unit} {turned} plays {role}")
            model.add(sum(var for key, var in self.plays.items() if key[0] == role) == len(players))
        for unit in units:
            model.add_exactly_one(var for key, var in self.plays.items() if key[1] == unit)

    def that_hear(self, call: int, stream: int, tile: int) -> list[cp_model.IntVar]:
        """What must be so for a tile of the chip to hear a stream of a call."""
        found = []
        for (role, unit, turned), var in self.plays.items():
            if tile in unit:
                at = unit.index(tile)
                found += [var] if role[1 - at if turned else at][call] == stream else []
        return found

    def places(self, solver: cp_model.CpSolver) -> dict[int, int]:
        """The chip's tile of every packed one."""
        waiting = {key: list(players) for key, players in self.players.items()}
        at: dict[int, int] = {}
        for (role, unit, turned), var in self.plays.items():
            if solver.boolean_value(var):
                player = waiting[role].pop(0)
                at.update(zip(player, unit[::-1] if turned else unit, strict=True))
        return at


def _routes(mesh: Mesh, group: Demand, solution: Solution) -> tuple[tuple[Route, ...], ...]:
    """Switches of each stream from each landing pad, those that lead to rows."""
    into: dict[Place, Arc] = {}
    for arc in mesh.arcs:
        if solution.settings.get(arc.tile, {}).get(arc.switch) and arc.source in solution.carried:
            into[arc.target] = arc
    streams = []
    for name in map(str, range(len(group.streams))):
        by_ilp: dict[int, dict[Arc, None]] = defaultdict(dict)
        for rows in (Place("rows", tile) for tile in solution.rows(name)):
            way, place = [], rows
            while place.kind != "ilp":
                way.append(into[place])
                place = way[-1].source
            by_ilp[place.tile].update(dict.fromkeys(way))
        routes = []
        for ilp, arcs in sorted(by_ilp.items()):
            heard = tuple(arc.target for arc in arcs if arc.target.kind == "rows")
            connection = Connection(Place("ilp", ilp), heard)
            routes.append(Route(connection, tuple(arcs), connection.lanes(mesh.config.lanes)))
        streams.append(tuple(routes))
    return tuple(streams)
