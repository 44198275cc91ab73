"""What moves over the mesh in one cycle of an experiment: every vector, the places that it reaches, the tiles at work.

Derived from the words alone, as the twin does it; nothing is simulated. `cosim.view.pictures` draws it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from cosim.experiment import Experiment
from cosim.experiment.derivation import ExperimentDerivation
from cosim.experiment.transcript import stored_results
from cosim.fabric.mesh_graph import Arc, Lanes, MeshState, Place
from cosim.fabric.timeline import Issue, Timeline, intervals
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit

__all__ = ["Activity", "Flow", "Routes", "Snapshot", "Step"]

_IDLE: Mapping[str, int] = {}
#: Levels of a tile that are activities, with their banks.
_LEVELS = {"write": "WRITE", "integrate": "ARRAY", "precharge": "ARRAY", "ramp": "READOUT"}


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
class Activity:
    """What one unit does in cycles `start` to `stop` - 1.

    Parameters
    ----------
    unit : Unit
    kind : str
        Of a tile "write", "integrate", "precharge" or "ramp"; "send", while an ILP's or a tile's pulses may leave it;
        of an OLP "count".
    start, stop : int
    fields : mapping
        The tile's bank as it was when the level rose. Of a landing pad: `slot`, the number of its vector or result.
    """

    unit: Unit
    kind: str
    start: int
    stop: int
    fields: Mapping[str, int] = field(default_factory=dict)

    def overlaps(self, start: int, stop: int) -> bool:
        """Whether any of it falls into cycles `start` to `stop` - 1."""
        return self.start < stop and start < self.stop


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
    activities : tuple of Activity
        What goes on in this cycle.
    """

    cycle: int
    state: MeshState
    flows: tuple[Flow, ...]
    banks: Mapping[int, Mapping[str, Mapping[str, int]]]
    activities: tuple[Activity, ...] = ()

    @property
    def sources(self) -> tuple[Place, ...]:
        """What sends in this cycle."""
        return tuple(flow.source for flow in self.flows if flow.arc is None)

    def fields(self, tile: int, bank: str) -> Mapping[str, int]:
        """A bank of a tile as in force; empty after reset."""
        return self.banks.get(tile, {}).get(bank, _IDLE)


@dataclass(frozen=True)
class Step:
    """A part of a run in which the same vectors move over the same switches, with what prepares them.

    Parameters
    ----------
    start, stop : int
        Cycles `start` to `stop` - 1. Steps follow one another without a gap.
    shown : int
        The cycle to look at: the first in which most of the step's sources send.
    """

    start: int
    stop: int
    shown: int


class Routes:
    """The routes of an experiment over its run.

    Parameters
    ----------
    experiment : Experiment
        It need not be legal: a unit that leaves its program halts there.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self._run = ExperimentDerivation(experiment, tolerant=True)

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
        return Snapshot(cycle, state, tuple(flows), self._banks(cycle), self.during(cycle, cycle + 1))

    def during(self, start: int, stop: int) -> tuple[Activity, ...]:
        """What goes on in cycles `start` to `stop` - 1, even if only in some of them."""
        return tuple(activity for activity in self.activities if activity.overlaps(start, stop))

    @cached_property
    def activities(self) -> tuple[Activity, ...]:
        """All that units do in the run: in the order of units and kinds, then of time."""
        run = self._run
        found: list[Activity] = []
        for unit, timeline in run.timelines.items():
            for kind, bank in _LEVELS.items() if unit.kind is TILE else ():
                spans = intervals(timeline.writes(bank), kind, run.end)
                found += [Activity(unit, kind, span.start, span.stop, span.fields) for span in spans]
        for pulse in run.pulses:
            found.append(Activity(Unit(ILP, pulse.ilp), "send", pulse.start, pulse.stop, {"slot": pulse.slot}))
        for tile, (opens, closes) in self._windows:
            found.append(Activity(Unit(TILE, tile), "send", opens, closes))
        for result in stored_results(self.experiment):
            found.append(Activity(Unit(OLP, result.olp), "count", result.opened, result.cycle, {"slot": result.slot}))
        return tuple(found)

    def steps(self, period: range | None = None) -> list[Step]:
        """The steps of the run, or of a part of it, in the order of time; one if nothing is ever sent.

        A step ends when nothing is being sent any more and those that listened have finished; or earlier, where a
        switch changes, or where a source begins when another one has ended.

        Parameters
        ----------
        period : range, optional
            Cycles that repeat, as a frame does. Its steps are of equal length if each then holds what it sends.
        """
        span = period or range(self.experiment.cycles + 1)
        acts = self.during(span.start, span.stop)
        sends = sorted((a.start, a.stop) for a in acts if a.kind == "send" and a.stop > a.start)  # a vector may be 0
        bursts = _merged((max(start, span.start), min(stop, span.stop)) for start, stop in sends)
        steps: list[Step] = []
        end = span.start
        for index, (start, stop) in enumerate(bursts):
            last: tuple[set[Place], tuple] | None = None
            moments = {start, *(begin for begin, _ in sends), *self._run.changes}
            for cycle in sorted(moment for moment in moments if start <= moment < stop):
                sources, switches = set(self._sending(cycle)), self._switches(cycle)
                if last and sources >= last[0] and switches == last[1]:
                    if sources > last[0]:
                        steps[-1] = replace(steps[-1], shown=cycle)
                else:
                    if last:
                        steps[-1] = replace(steps[-1], stop=cycle)
                    steps.append(Step(cycle if last else end, stop, cycle))
                last = sources, switches
            # What takes a burst's pulses often ends a little later.
            following = bursts[index + 1][0] if index + 1 < len(bursts) else span.stop
            takers = (a.stop for a in self.during(start, stop) if a.kind != "precharge")
            end = min(max(takers, default=stop), following)
            steps[-1] = replace(steps[-1], stop=end)
        if not steps:
            return [Step(span.start, span.stop, span.start)]
        steps[-1] = replace(steps[-1], stop=span.stop)
        return _evenly(steps, bursts, span) if period else steps

    def pictures(self) -> list[int]:
        """Cycles that show every picture of the run once, of steps that look alike the first."""
        seen: dict[tuple, int] = {}
        for step in self.steps():
            if sources := tuple(self._sending(step.shown)):
                seen.setdefault((sources, self._switches(step.shown)), step.shown)
        return list(seen.values())

    @cached_property
    def _windows(self) -> list[tuple[int, tuple[int, int]]]:
        """(tile, (first cycle, end)) of all spans in which a tile's comparators may pulse."""
        return [
            (tile, (max(ramp.start, opens), closes))
            for tile, ramps in self._run.ramps.items()
            for ramp in ramps
            for opens, closes in ramp.windows
        ]

    @property
    def timelines(self) -> Mapping[Unit, Timeline]:
        """What each unit issues."""
        return self._run.timelines

    def _sending(self, cycle: int) -> Iterator[Place]:
        sending = {(a.unit.kind is TILE, a.unit.index) for a in self.during(cycle, cycle + 1) if a.kind == "send"}
        for is_tile, index in sorted(sending):
            yield Place("outputs" if is_tile else "ilp", index)

    def _state(self, cycle: int) -> MeshState:
        index = int(np.searchsorted(self._run.changes, cycle, side="right")) - 1
        return self._run.states[index]

    def _switches(self, cycle: int) -> tuple:
        settings = self._state(cycle).settings
        return tuple(sorted((tile, *fields.values()) for tile, fields in settings.items()))

    def _banks(self, cycle: int) -> dict[int, dict[str, Mapping[str, int]]]:
        banks: dict[int, dict[str, Mapping[str, int]]] = {}
        for unit, timeline in self._run.timelines.items():
            if unit.kind is TILE:
                banks[unit.index] = _in_force(timeline.issues, cycle)
        return banks


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted spans, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for start, stop in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged


def _evenly(steps: list[Step], bursts: list[tuple[int, int]], span: range) -> list[Step]:
    """The steps with equal lengths, if there is one for each burst and each burst keeps to its own."""
    length, rest = divmod(len(span), len(steps))
    starts = [span.start + index * length for index in range(len(steps))]
    if rest or len(steps) != len(bursts):
        return steps
    if any(not first <= start < stop <= first + length for first, (start, stop) in zip(starts, bursts, strict=True)):
        return steps
    return [Step(first, first + length, step.shown) for first, step in zip(starts, steps, strict=True)]


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
