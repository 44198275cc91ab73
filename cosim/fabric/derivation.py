"""What words make the chip do, derived from them: analog events and where pulses come from.

The timing is that of docs/fabric.md: levels in force two cycles after issue, pulses of an ILP as well, those of a ramp
`RAMP_LATENCY` cycles after the ramp is in force and gated by the output-enable window. All cycles below count from
cycle 0 of the program. Those of a `Program` belong to frame 0; every later frame is the same, `Program.frame_cycles`
later (`check` makes sure).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from cosim.fabric.events import (
    Count,
    Event,
    Integrate,
    Link,
    Precharge,
    Pulse,
    Ramp,
    Schedule,
    ScheduleError,
    StrayError,
    Write,
)
from cosim.fabric.mesh_graph import Lanes, Mesh, MeshState, Place
from cosim.fabric.pads import Store, sends, stores
from cosim.fabric.timeline import Interval, Issue, Timeline, TimelineError, intervals, run
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Program, Unit
from rtl.config import ChipConfig, Edge
from rtl.isa import CONTROL_LATENCY

__all__ = ["Banks", "Derivation", "FrameDerivation", "derive"]

#: Fields in force by tile index and bank.
Banks = Mapping[int, Mapping[str, Mapping[str, int]]]


def derive(program: Program, frame: int = 0) -> Schedule:
    """The schedule of one frame of `program`, with cycles and slots as in frame 0.

    Raises
    ------
    ScheduleError, IllegalRouteError
        If the program does not run, or an event of the frame makes no sense.
    """
    return FrameDerivation(program).frame(frame)


class Derivation:
    """Timelines of all units and what follows from them, in cycles of the whole run.

    Parameters
    ----------
    config : ChipConfig
    units : mapping of Unit to words
    masks : mapping of (tile index, edge) to bool (lanes,)
    limit : int
        No unit issues anything from this cycle on.
    end : int
        Cycle to which levels are followed; what is high then goes on, and ends in no event.
    left : mapping of tile index to {bank: fields}
        Banks at the start: a run leaves them as they are when it ends. By default as after reset, all zeros.
    tolerant : bool
        A unit that leaves its program is taken to halt there, as it does on the chip; otherwise it is an error.

    Members
    -------
    strays : dict of Unit to TimelineError
        Units that leave their program, and how.
    timelines : dict of Unit to Timeline
        Of `units`, and of tiles in `left` that run nothing.
    banks : dict of tile index to {bank: fields}
        Banks at the end, what `left` is to the next run.
    changes : list of int
        Cycles in which any switch may change, ascending, from reset on.
    states : list of MeshState
        The mesh from each cycle of `changes` on.
    pulses : list of Pulse
        Everything that input landing pads send.
    pointers : dict of Unit to int
        Where each landing pad's pointer stands at the end.

    Raises
    ------
    ScheduleError
        If a unit does not run.
    """

    def __init__(
        self,
        config: ChipConfig,
        units: Mapping[Unit, Sequence[int]],
        masks: Mapping[tuple[int, Edge], Lanes],
        *,
        limit: int,
        end: int,
        left: Banks | None = None,
        tolerant: bool = False,
    ) -> None:
        self.config, self.masks = config, masks
        self.tolerant, self.strays = tolerant, dict[Unit, TimelineError]()
        self.limit, self.end = limit, end
        self.left = left or {}
        self.mesh = Mesh(config)
        self.timelines = {unit: self._run(unit, words) for unit, words in units.items()}
        for tile in self.left:
            self.timelines.setdefault(Unit(TILE, tile), Timeline((), 0))
        self._writes: dict[tuple[Unit, str], tuple[Issue, ...]] = {}
        self._traces: dict[tuple[int, Place], list[tuple[Place, Lanes]]] = {}

    def _run(self, unit: Unit, words: Sequence[int]) -> Timeline:
        try:
            return run(words, unit.kind, self.config, self.limit)
        except TimelineError as error:
            if self.tolerant:
                self.strays[unit] = error
                return Timeline(error.issues, error.cycle)
            raise StrayError(f"{unit} {error}", error.cycle) from None

    def writes(self, unit: Unit, bank: str) -> tuple[Issue, ...]:
        """The writes of one bank, after that which an earlier run left: it is in force from cycle 0 on."""
        if (unit, bank) not in self._writes:
            left = self.left.get(unit.index, {}).get(bank) if unit.kind is TILE else None
            earlier = () if left is None else (Issue(-CONTROL_LATENCY, bank, left, address=0),)
            self._writes[unit, bank] = earlier + self.timelines[unit].writes(bank)
        return self._writes[unit, bank]

    @property
    def banks(self) -> dict[int, dict[str, Mapping[str, int]]]:
        found = {tile: dict(banks) for tile, banks in self.left.items()}
        for unit, timeline in self.timelines.items():
            if unit.kind is TILE:
                found.setdefault(unit.index, {}).update((issue.bank, issue.fields) for issue in timeline.issues)
        return found

    # Mesh over time.

    @cached_property
    def changes(self) -> list[int]:
        """Cycles in which any switch may change, ascending, from reset on."""
        tiles = [unit for unit in self.timelines if unit.kind is TILE]
        return sorted({0} | {issue.in_force for unit in tiles for issue in self.writes(unit, "MESH")})

    @cached_property
    def states(self) -> list[MeshState]:
        """The mesh from each cycle of `changes` on; where the same words are in force, the same object."""
        steps: dict[int, dict[int, Mapping[str, int]]] = {}
        for unit in self.timelines:
            if unit.kind is TILE:
                for issue in self.writes(unit, "MESH"):
                    steps.setdefault(issue.in_force, {})[unit.index] = issue.fields
        settings: dict[int, Mapping[str, int]] = {}
        states = []
        known: dict[tuple, MeshState] = {}
        for cycle in self.changes:
            settings = settings | steps.get(cycle, {})
            # A word is decoded once, so that its fields are one object, which the state keeps alive.
            key = tuple((tile, id(fields)) for tile, fields in settings.items())
            states.append(known.setdefault(key, MeshState(self.mesh, settings, self.masks)))
        return states

    # Sources.

    @cached_property
    def pulses(self) -> list[Pulse]:
        return [pulse for unit in self.timelines if unit.kind is ILP for pulse in self._fires(unit)[0]]

    @cached_property
    def _pulses_of(self) -> dict[int, list[Pulse]]:
        """The pulses of each input landing pad; none begins before the one ahead of it ends."""
        found: dict[int, list[Pulse]] = {}
        for pulse in self.pulses:
            found.setdefault(pulse.ilp, []).append(pulse)
        return found

    @cached_property
    def _sent(self) -> dict[int, "_Sorted"]:
        return {ilp: _Sorted(pulses) for ilp, pulses in self._pulses_of.items()}

    @cached_property
    def _driven(self) -> dict[int, "_Sorted"]:
        """The same, but a vector of zeros drives its edge for one cycle."""
        return {
            ilp: _Sorted([replace(pulse, stop=max(pulse.stop, pulse.start + 1)) for pulse in pulses])
            for ilp, pulses in self._pulses_of.items()
        }

    def sending(self, low: int, high: int) -> list[int]:
        """Input landing pads that drive their edge at some time in cycles `low` to `high` - 1."""
        return [ilp for ilp, pulses in self._driven.items() if any(pulses.within(low, high))]

    @cached_property
    def _ramps_of(self) -> dict[int, "_Sorted"]:
        return {tile: _Sorted(ramps) for tile, ramps in self.ramps.items()}

    def _fires(self, unit: Unit) -> tuple[list[Pulse], int]:
        """What an input landing pad sends, and its pointer at the end."""
        sent, pointer = sends(self.timelines[unit].writes("PULSE"), self.config.ilp_vectors)
        fires = [(send.issue.in_force, send.slot) for send in sent]
        ends = [start + self._longest(unit.index, slot) for start, slot in fires]
        followed = [start for start, _ in fires[1:]] + ends[-1:]
        return [
            Pulse(unit.index, slot, start, min(stop, following))
            for (start, slot), stop, following in zip(fires, ends, followed, strict=True)
        ], pointer

    def _longest(self, ilp: int, slot: int) -> int:
        """Cycles that the longest pulse of a vector may last."""
        return self.config.max_code

    @cached_property
    def ramps(self) -> dict[int, list[Ramp]]:
        found: dict[int, list[Ramp]] = {}
        for unit in self.timelines:
            if unit.kind is not TILE:
                continue
            writes = self.writes(unit, "READOUT")
            enabled = _Sorted(intervals(writes, "output_enable", self.end))
            for ramp in intervals(writes, "ramp", self.end):
                windows = tuple(
                    (max(span.start, ramp.start), min(span.stop, ramp.stop))
                    for span in enabled.within(ramp.start, ramp.stop)
                )
                found.setdefault(unit.index, []).append(
                    Ramp(
                        unit.index,
                        ramp.start,
                        ramp.stop,
                        ramp.fields["ramp_start"],
                        ramp.fields["ramp_slope"],
                        windows,
                    )
                )
        return found

    def links(self, place: Place, start: int, stop: int) -> tuple[Link, ...]:
        """What reaches `place` in cycles `start` to `stop` - 1, in the order of time."""
        found: list[Link] = []
        index = bisect_right(self.changes, start) - 1
        while index < len(self.changes) and self.changes[index] < stop:
            low = max(start, self.changes[index])
            high = min(stop, self.changes[index + 1] if index + 1 < len(self.changes) else stop)
            for origin, lanes in self._trace(self.states[index], place):
                for source in self._sources(origin, low, high):
                    found.append(Link(source, lanes, low, high))
            index += 1
        return tuple(_joined(found))

    def _sources(self, origin: Place, low: int, high: int) -> Iterator[Pulse | Ramp]:
        known = (self._sent if origin.kind == "ilp" else self._ramps_of).get(origin.tile)
        if known is not None:
            yield from known.within(low, high)

    def _trace(self, state: MeshState, place: Place) -> list[tuple[Place, Lanes]]:
        """`MeshState.trace`, once for each state and place."""
        if (id(state), place) not in self._traces:
            self._traces[id(state), place] = state.trace(place)
        return self._traces[id(state), place]

    # Events.

    def schedule(self) -> Schedule:
        """All events of the run."""
        return Schedule.of(event for unit in self.timelines for event in self._events(unit, _always))

    @property
    def pointers(self) -> dict[Unit, int]:
        return {
            unit: self._fires(unit)[1] if unit.kind is ILP else self._stores(unit)[1]
            for unit in self.timelines
            if unit.kind is not TILE
        }

    def _events(self, unit: Unit, mine: Callable[[Unit, int], bool]) -> Iterator[Event]:
        """Events of a unit; those whose first cycle is `mine`."""
        if unit.kind is TILE:
            yield from self._tile_events(unit, mine)
        elif unit.kind is OLP:
            yield from self._counts(unit, mine)

    def _tile_events(self, unit: Unit, mine: Callable[[Unit, int], bool]) -> Iterator[Event]:
        tile = unit.index
        array = self.writes(unit, "ARRAY")
        precharges = intervals(array, "precharge", self.end)
        sorted_precharges = _Sorted(precharges)
        taking_force = [issue.in_force for issue in array]
        for span in precharges:
            if span.stop < self.end and mine(unit, span.stop - 1):
                yield Precharge(tile, span.stop)
        for span in intervals(array, "integrate", self.end):
            if not mine(unit, span.start):
                continue
            if any(sorted_precharges.within(span.start, span.stop)):
                raise ScheduleError(
                    f"{unit} integrates in cycles {span.start}-{span.stop - 1} during its precharge", span.start
                )
            latched = ("wp1", "wp2", "discharge", "capacitors", "share_north", "share_south")
            for issue in array[bisect_right(taking_force, span.start) : bisect_left(taking_force, span.stop)]:
                if any(issue.fields[x] != span.fields[x] for x in latched):
                    raise ScheduleError(
                        f"{unit} changes its ARRAY bank in cycle {issue.in_force} while it integrates", issue.in_force
                    )
            if span.stop < self.end:
                links = self.links(Place("rows", tile), span.start, span.stop)
                yield Integrate(tile, span.start, span.stop, span.fields, self._bias(unit, span), links)
        yield from (ramp for ramp in self.ramps.get(tile, ()) if mine(unit, ramp.cycle))
        for span in intervals(self.writes(unit, "WRITE"), "write", self.end):
            if span.stop < self.end and mine(unit, span.start):
                links = self.links(Place("columns", tile), span.start, span.stop)
                yield Write(tile, span.start, span.stop, span.fields, links)

    def _bias(self, unit: Unit, span: Interval) -> tuple[int, ...]:
        """ns of each bias row: its code as in force when the integration begins, cut off where it ends."""
        rows = self.config.bias_rows
        writes = self.writes(unit, "BIAS")
        durations = (0,) * rows
        if written := bisect_right(writes, span.start, key=lambda issue: issue.in_force):
            durations = tuple(writes[written - 1].fields[f"durations[{row}]"] for row in range(rows))
        return tuple(min(duration, span.stop - span.start) for duration in durations)

    def _counts(self, unit: Unit, mine: Callable[[Unit, int], bool]) -> Iterator[Count]:
        for store in self._stores(unit)[0]:
            issue = store.issue
            if store.opened is None:
                raise ScheduleError(f"{unit} stores in cycle {issue.cycle} without an open window", issue.cycle)
            if mine(unit, store.opened):
                links = self.links(self.mesh.olp(unit.index), store.opened, issue.in_force)
                seven_bits = bool(issue.fields["seven_bits"])
                yield Count(unit.index, store.slot, store.opened, issue.in_force, seven_bits, links)

    def _stores(self, unit: Unit) -> tuple[list[Store], int]:
        """What an output landing pad stores, and its pointer at the end."""
        return stores(self.timelines[unit].writes("COUNT"), self.config.olp_vectors)


class FrameDerivation(Derivation):
    """The derivation of a program, frame by frame, followed two frames beyond the run.

    Parameters
    ----------
    program : Program
    left : mapping of tile index to {bank: fields}
        Banks at the start.
    """

    def __init__(self, program: Program, left: Banks | None = None) -> None:
        self.program = program
        end = program.frame_cycles * (program.frames_per_run + 2)
        super().__init__(program.config, program.units, program.masks, limit=end, end=end, left=left)

    def frame(self, frame: int) -> Schedule:
        """The events of one frame, with cycles and slots as in frame 0."""

        def mine(unit: Unit, cycle: int) -> bool:
            return self._mine(unit, cycle, frame)

        events = (event for unit in self.timelines for event in self._events(unit, mine))
        return Schedule.of(self._as_frame_0(event, frame) for event in events)

    def _mine(self, unit: Unit, cycle: int, frame: int) -> bool:
        return self.program.locate(unit, cycle)[0] == frame

    def _as_frame_0(self, event: Event, frame: int) -> Event:
        shift = frame * self.program.frame_cycles
        if isinstance(event, Integrate | Write | Count):
            links = tuple(self._link_as_frame_0(link, frame) for link in event.links)
            if isinstance(event, Count):
                stride = next((out.stride for out in self.program.outputs if out.olp == event.olp), 0)
                slot = (event.slot - stride * frame) % self.config.olp_vectors
                return replace(event, start=event.start - shift, cycle=event.cycle - shift, links=links, slot=slot)
            return replace(event, start=event.start - shift, cycle=event.cycle - shift, links=links)
        if isinstance(event, Ramp):
            return self._ramp_as_frame_0(event, frame)
        return replace(event, cycle=event.cycle - shift)

    def _ramp_as_frame_0(self, ramp: Ramp, frame: int) -> Ramp:
        shift = frame * self.program.frame_cycles
        windows = tuple((start - shift, stop - shift) for start, stop in ramp.windows)
        return replace(ramp, cycle=ramp.cycle - shift, stop=ramp.stop - shift, windows=windows)

    def _link_as_frame_0(self, link: Link, frame: int) -> Link:
        shift = frame * self.program.frame_cycles
        source: Pulse | Ramp
        if isinstance(link.source, Ramp):
            unit = Unit(TILE, link.source.tile)
            if not self._mine(unit, link.source.cycle, frame):
                raise ScheduleError(
                    f"{unit} sends a pulse of another frame in cycle {link.source.start} to frame {frame}"
                )
            source = self._ramp_as_frame_0(link.source, frame)
        else:
            pulse = link.source
            stride = next((slot.stride for slot in self.program.inputs if slot.ilp == pulse.ilp), 0)
            slot = (pulse.slot - stride * frame) % self.config.ilp_vectors
            source = replace(pulse, start=pulse.start - shift, stop=pulse.stop - shift, slot=slot)
        return replace(link, source=source, start=link.start - shift, stop=link.stop - shift)


def _always(unit: Unit, cycle: int) -> bool:
    return True


class _Sorted:
    """Things with a `start` and a `stop`, in the order of both."""

    def __init__(self, things: Sequence[Any]) -> None:
        self._things = things
        self._stops = [thing.stop for thing in things]

    def within(self, low: int, high: int) -> Iterator[Any]:
        """Those of which some of the cycles `low` to `high` - 1 are a part."""
        for index in range(bisect_right(self._stops, low), len(self._things)):
            thing = self._things[index]
            if thing.start >= high:
                return
            yield thing


def _joined(links: list[Link]) -> Iterator[Link]:
    """Links that go on unchanged over a change elsewhere on the mesh, as one."""
    done: list[Link] = []
    ends: dict[tuple[Pulse | Ramp, int], list[int]] = {}  # which of them end where
    for link in links:
        for index in ends.get((link.source, link.start), ()):
            if np.array_equal(done[index].lanes, link.lanes):
                ends[link.source, link.start].remove(index)
                done[index] = replace(done[index], stop=link.stop)
                break
        else:
            index = len(done)
            done.append(link)
        ends.setdefault((link.source, link.stop), []).append(index)
    yield from done
