"""Vectors that move at once, with their places still open: the mesh graph as a constraint model.

The router finds ways for given places, one after the other. Whether tiles, landing pads and ways can be chosen so that
several multicasts fit side by side is a question about all of them at once; here CP-SAT answers it, with a way that the
checker can judge, or with a proof that there is none. Needs the extra `compile`.

The rules are those of docs/fabric.md, "Mesh", for whole vectors: a place carries one vector, from one driver; the two
directions of an edge are the same wires; drivers form trees, never rings.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from ortools.sat.python import cp_model

from cosim.fabric.mesh_graph import PATTERNS, Arc, Mesh, Place

__all__ = ["MeshModel", "Solution", "SolverTimeout", "search", "solve"]


class SolverTimeout(RuntimeError):
    """Neither a way nor a proof that there is none was found in the time allowed."""


@dataclass(frozen=True)
class Solution:
    """A way for all vectors at once.

    Parameters
    ----------
    carried : mapping of Place to str
        Which vector each place carries; places that carry none are left out.
    settings : mapping of tile index to MeshBank fields
        The switches that do it.
    """

    carried: Mapping[Place, str]
    settings: Mapping[int, Mapping[str, int]]

    def sources(self, vector: str) -> tuple[Place, ...]:
        """Where a vector comes from: one landing pad or more that hold it, or a tile's outputs."""
        return tuple(place for place, name in self.carried.items() if name == vector and _is_source(place))

    def rows(self, vector: str) -> tuple[int, ...]:
        """Tiles whose rows hear a vector, ascending."""
        return tuple(sorted(p.tile for p, name in self.carried.items() if name == vector and p.kind == "rows"))


class MeshModel:
    """Which vector every place of the mesh carries in one step.

    Constraints of one's own go onto `model`, in terms of `carries`.

    Parameters
    ----------
    mesh : Mesh
    vectors : sequence of str
        Names.
    model : cp_model.CpModel, optional
        Several steps of one frame share a model, and so their places.

    Members
    -------
    model : cp_model.CpModel
    carries : mapping of (Place, vector) to BoolVar
        Whether a place carries a vector.
    """

    def __init__(self, mesh: Mesh, vectors: Sequence[str], model: cp_model.CpModel | None = None) -> None:
        self.mesh, self.vectors = mesh, tuple(vectors)
        self.model = cp_model.CpModel() if model is None else model
        places = dict.fromkeys(place for arc in mesh.arcs for place in (arc.source, arc.target))
        self._places = tuple(place for place in places if place.kind != "nothing")
        self.carries = {
            (place, vector): self.model.new_bool_var(f"{place} carries {vector}")
            for place in self._places
            for vector in self.vectors
        }
        self._arcs = tuple(arc for arc in mesh.arcs if arc.source.kind != "nothing")
        self._drives = {
            (arc, vector): self.model.new_bool_var(f"{arc.tile} {arc.switch} {vector}")
            for arc in self._arcs
            for vector in self.vectors
        }
        self._one_driver()
        self._one_direction()
        self._trees()
        for vector in self.vectors:
            self.model.add_at_least_one(self.carries[place, vector] for place in self._places if _is_source(place))

    def _one_driver(self) -> None:
        """A place carries what one switch brings it; a source carries what it sends."""
        into: dict[Place, list[Arc]] = defaultdict(list)
        for arc in self._arcs:
            into[arc.target].append(arc)
            for vector in self.vectors:
                self.model.add_implication(self._drives[arc, vector], self.carries[arc.source, vector])
        for place in self._places:
            self.model.add_at_most_one(self.carries[place, vector] for vector in self.vectors)
            for vector in () if _is_source(place) else self.vectors:
                drivers = [self._drives[arc, vector] for arc in into[place]]
                self.model.add(sum(drivers) == self.carries[place, vector])

    def _one_direction(self) -> None:
        """An edge is driven from one side only."""
        for place, other in self.mesh.opposite.items():
            sides = [self.carries[side, vector] for side in (place, other) for vector in self.vectors]
            self.model.add_at_most_one(sides)

    def _trees(self) -> None:
        """What drives a place is nearer to the source than the place."""
        nets = [place for place in self._places if not _is_source(place)]
        distance = {place: self.model.new_int_var(0, len(nets), f"distance of {place}") for place in nets}
        for arc in self._arcs:
            if arc.source in distance:
                for vector in self.vectors:
                    nearer = distance[arc.source] + 1 <= distance[arc.target]
                    self.model.add(nearer).only_enforce_if(self._drives[arc, vector])

    def sent_by(self, vector: str, sources: Iterable[Place]) -> None:
        """A vector comes from some of these places; several landing pads may hold and send the same one."""
        allowed = set(sources)
        for place in self._places:
            if _is_source(place) and place not in allowed:
                self.model.add(self.carries[place, vector] == 0)

    def heard(self, vector: str, places: Collection[Place]) -> None:
        """A vector reaches all of these places."""
        for place in places:
            self.model.add(self.carries[place, vector] == 1)

    def solution(self, solver: cp_model.CpSolver) -> Solution:
        """This step's part of what a solver has found."""
        carried = {place: vector for (place, vector), on in self.carries.items() if solver.boolean_value(on)}
        settings: dict[int, dict[str, int]] = {}
        for (arc, _), on in self._drives.items():
            if solver.boolean_value(on):
                settings.setdefault(arc.tile, {})[arc.switch] = PATTERNS["all"]
        return Solution(carried, settings)


def search(model: cp_model.CpModel, *, limit_s: float = 600.0, seed: int = 0) -> cp_model.CpSolver | None:
    """A solver that has found values for a model, None if it is proved that there are none; the same ones every time.

    Ctrl-C ends the search.

    Raises
    ------
    SolverTimeout
        If `limit_s` of work, by the solver's own deterministic clock, was not enough.
    """
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = limit_s
    # Its own handler of SIGINT would leave the default action behind: the next Ctrl-C would kill the process.
    solver.parameters.catch_sigint_signal = False
    with ThreadPoolExecutor(1) as pool:
        try:
            running = pool.submit(solver.solve, model)
            while not wait([running], timeout=0.5).done:  # a signal just before a wait is noticed after it
                pass
            status = running.result()
        except BaseException:  # at any point from here on: leaving the pool waits for the search
            solver.stop_search()
            raise
    if status == cp_model.INFEASIBLE:
        return None
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise SolverTimeout(f"no answer within {limit_s:g} s of deterministic time ({solver.status_name(status)})")
    return solver


def solve(steps: Sequence[MeshModel], *, limit_s: float = 600.0, seed: int = 0) -> list[Solution] | None:
    """A way for every step of one model, or None if it is proved that there is none: `search`."""
    solver = search(steps[0].model, limit_s=limit_s, seed=seed)
    return None if solver is None else [step.solution(solver) for step in steps]


def _is_source(place: Place) -> bool:
    return place.kind in ("ilp", "outputs")
