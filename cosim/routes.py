"""What moves over the mesh in one cycle of an experiment: every vector, the places that it reaches, the tiles at work.

Derived from the words alone, as the twin does it; nothing is simulated. `cosim.floorplan` draws it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cosim.experiment import Experiment
from cosim.mesh import Arc, Lanes, MeshState, Place
from cosim.schedule import Derivation
from cosim.timeline import Issue
from cosim.words import TILE

__all__ = ["Flow", "Routes", "Snapshot"]

_IDLE: Mapping[str, int] = {}


@dataclass(frozen=True)
class Flow:
    """Some lanes of one source's vector at one place.

    Parameters
    ----------
    source : Place
        Kind "ilp" or "outputs".
    place : Place
    lanes : bool (lanes,)
        Those that arrive.
    arc : Arc or None
        The switch by which they came; None at the source itself.
    """

    source: Place
    place: Place
    lanes: Lanes
    arc: Arc | None = None


@dataclass(frozen=True)
class Snapshot:
    """The chip in one cycle.

    Parameters
    ----------
    cycle : int
        Of the program.
    state : MeshState
        Every switch, as in force.
    flows : tuple of Flow
        Sources first, then outwards from them.
    banks : mapping of tile index to {bank: fields}
        ARRAY, READOUT and WRITE as in force, of the tiles that have written them.
    """

    cycle: int
    state: MeshState
    flows: tuple[Flow, ...]
    banks: Mapping[int, Mapping[str, Mapping[str, int]]]

    @property
    def sources(self) -> tuple[Place, ...]:
        """What sends in this cycle."""
        return tuple(flow.source for flow in self.flows if flow.arc is None)

    def fields(self, tile: int, bank: str) -> Mapping[str, int]:
        """A bank of a tile as in force; empty after reset."""
        return self.banks.get(tile, {}).get(bank, _IDLE)


class _Derivation(Derivation):
    """The derivation of an experiment; pulses end with the longest code of their vector."""

    def __init__(self, experiment: Experiment) -> None:
        self._vectors = experiment.vectors
        limit = experiment.cycles + 1
        super().__init__(experiment.config, experiment.units, experiment.masks, limit=limit, end=limit)

    def _longest(self, ilp: int, slot: int) -> int:
        vectors = self._vectors.get(ilp, ())
        return int(vectors[slot].max()) if slot < len(vectors) else super()._longest(ilp, slot)


class Routes:
    """The routes of an experiment over its run.

    Parameters
    ----------
    experiment : Experiment

    Raises
    ------
    ScheduleError
        If a unit runs into a word that is none.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._run = _Derivation(experiment)

    def at(self, cycle: int) -> Snapshot:
        """The chip in a cycle of the program.

        Raises
        ------
        ValueError
            If the cycle is not one of the run's.
        """
        if not 0 <= cycle <= self.experiment.cycles:
            raise ValueError(
                f"{self.experiment.name} has no cycle {cycle}: it runs from 0 to {self.experiment.cycles} at most"
            )
        state = self._state(cycle)
        flows = [flow for source in self._sending(cycle) for flow in _spread(state, source)]
        return Snapshot(cycle, state, tuple(flows), self._banks(cycle))

    def steps(self) -> list[int]:
        """Cycles that show every picture of the run once: the first in which these sources send over these switches."""
        moments = {pulse.start for pulse in self._run.pulses}
        moments |= {opens for _, (opens, _) in self._windows}
        moments |= set(self._run.changes)
        seen, steps = set(), []
        for cycle in sorted(moment for moment in moments if moment <= self.experiment.cycles):
            sending = tuple(self._sending(cycle))
            settings = self._state(cycle).settings
            switches = tuple(sorted((tile, *fields.values()) for tile, fields in settings.items()))
            if sending and (sending, switches) not in seen:
                seen.add((sending, switches))
                steps.append(cycle)
        return steps

    @cached_property
    def _windows(self) -> list[tuple[int, tuple[int, int]]]:
        """(tile, (first cycle, end)) of all spans in which a tile's comparators may pulse."""
        return [
            (tile, (max(ramp.start, opens), closes))
            for tile, ramps in self._run.ramps.items()
            for ramp in ramps
            for opens, closes in ramp.windows
        ]

    def _sending(self, cycle: int) -> Iterator[Place]:
        for pad in sorted({pulse.ilp for pulse in self._run.pulses if pulse.start <= cycle < pulse.stop}):
            yield Place("ilp", pad)
        for tile in sorted({tile for tile, (opens, closes) in self._windows if opens <= cycle < closes}):
            yield Place("outputs", tile)

    def _state(self, cycle: int) -> MeshState:
        index = int(np.searchsorted(self._run.changes, cycle, side="right")) - 1
        return self._run.states[index]

    def _banks(self, cycle: int) -> dict[int, dict[str, Mapping[str, int]]]:
        banks: dict[int, dict[str, Mapping[str, int]]] = {}
        for unit, timeline in self._run.timelines.items():
            if unit.kind is TILE:
                banks[unit.index] = _in_force(timeline.issues, cycle)
        return banks


def _in_force(issues: Sequence[Issue], cycle: int) -> dict[str, Mapping[str, int]]:
    return {issue.bank: issue.fields for issue in issues if issue.in_force <= cycle}


def _spread(state: MeshState, source: Place) -> Iterator[Flow]:
    """Everything that a source reaches. A closed ring of borderguards is walked once."""
    mesh = state.mesh
    everything = np.ones(mesh.config.lanes, np.bool_)
    reached: dict[Place, Lanes] = {}
    agenda = [Flow(source, source, everything)]
    while agenda:
        flow = agenda.pop(0)
        yield flow
        for arc in mesh.out_of.get(flow.place, ()):
            driven = state.driven(arc)
            if driven is None:
                continue
            new = driven & flow.lanes & ~reached.get(arc.target, ~everything)
            if new.any():
                reached[arc.target] = reached.get(arc.target, ~everything) | new
                agenda.append(Flow(source, arc.target, new, arc))
