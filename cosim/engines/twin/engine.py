"""The twin engine: a Program on the analog models without RTL, whole batches at a time; or Experiments.

It walks the schedule of one frame event by event, for all frames of a batch at once (an experiment is a batch of one).
Pulses are pairs of cycles; a
row's high time is the overlap of pulse, enable window, route and integration. For equal seeds its codes are those of
the RTL engine, bit for bit.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.reception import NO_SLIP, SLIPS, Reception
from cosim.engines.results import Results
from cosim.experiment import STATUS_FIELDS, Experiment, ExperimentError, Record, Recorder
from cosim.fabric.checker import check_mesh, check_sharing
from cosim.fabric.derivation import (
    Count,
    Derivation,
    Event,
    Integrate,
    Link,
    Precharge,
    Pulse,
    Ramp,
    Schedule,
    ScheduleError,
    Write,
    derive,
)
from cosim.fabric.mesh_graph import IllegalRouteError
from cosim.isa.vectors import split_signs
from cosim.program import Program, ProgramError, Unit
from rtl.config import ChipConfig
from rtl.isa import CONTROL_LATENCY
from rtl.memory_map import MemoryMap

__all__ = ["TwinEngine", "make_chip"]

Frames = NDArray[np.int64]
#: Cycles, and ns that a wire is high; half the memory is twice the speed.
Times = NDArray[np.int32]
Durations = NDArray[np.uint16]
Span = tuple[Times, Times]

#: Longest high time that a tile's counters hold, ns.
_MAX_TIME = 511


def make_chip(program: Program, analog: AnalogConfig | None = None, *, seed: int = 0, chip: int = 0) -> AnalogChip:
    """The analog part of a chip for `program`, with the tiles' mismatch drawn and nothing programmed yet.

    `analog_models.programming.program(chip, program.targets)` puts the weights in.
    """
    config = program.config
    return AnalogChip(
        analog or AnalogConfig(),
        tiles=program.tiles,
        pairs=dict(config.floorplan.capacitor_pairs()),
        rows=config.lanes,
        bias_rows=config.bias_rows,
        columns=config.lanes,
        seed=seed,
        chip=chip,
    )


class TwinEngine:
    """Runs programs and experiments on analog chips without RTL; the counterpart of `RtlEngine`.

    Parameters
    ----------
    batch : int
        Frames computed at once; changes memory and speed, no result. Larger ones are slower again: their arrays leave
        the caches, and the system hands out fresh memory for each.
    """

    def __init__(self, *, batch: int = 256) -> None:
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self.batch = batch
        self._derived: tuple[Program, Schedule, dict[int, int]] | None = None  # of the last program

    def run(
        self,
        program: Program,
        chip: AnalogChip,
        inputs: ArrayLike,
        *,
        first_frame: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Results:
        """Run one frame for each row of `inputs`.

        Parameters
        ----------
        program : Program
        chip : AnalogChip
            With the weights programmed, e.g. from `make_chip`.
        inputs : (frames, width)
            Floats in [-1, 1], or integers as signed codes, -255 to 255.
        first_frame : int
            Number of the first frame; it keys the noise.
        progress : callable (done, all), optional

        Raises
        ------
        ProgramError, VectorError
            If chip and program differ in size; on inputs of another width, or out of range.
        """
        config = program.config
        ours, theirs = (config.lanes, config.bias_rows, config.lanes), (chip.rows, chip.bias_rows, chip.column_count)
        if ours != theirs:
            raise ProgramError(
                f"the program's tiles have {ours} rows, bias rows and columns, the analog chip's {theirs}"
            )
        if self._derived is None or self._derived[0] is not program:
            schedule = derive(program)
            self._derived = program, schedule, _columns_read(program, schedule)
        _, schedule, columns = self._derived
        # A write changes the array for the frames that follow.
        batch = 1 if any(isinstance(event, Write) for event in schedule.events) else self.batch
        codes = program.input_codes(inputs)
        began = time.perf_counter()
        parts = []
        for first in range(0, len(codes), batch):
            part = codes[first : first + batch]
            frames = first_frame + first + np.arange(len(part), dtype=np.int64)
            done = _Batch(config, chip, frames, _sent(program, part), columns).run(schedule.events)
            parts.append({out.name: done[out.olp, out.slot][:, : out.width] for out in program.outputs})
            if progress is not None:
                progress(first + len(part), len(codes))
        outputs = {
            out.name: np.concatenate([part[out.name] for part in parts])
            if parts
            else np.zeros((0, out.width), np.uint8)
            for out in program.outputs
        }
        runs = -(-len(codes) // program.frames_per_run)
        statistics = {
            "frames": len(codes),
            "cycles": runs * program.frames_per_run * program.frame_cycles,
            "wall_s": time.perf_counter() - began,
        }
        return Results.of("twin", program, outputs, first_frame=first_frame, statistics=statistics)

    def perform(
        self, experiments: Sequence[Experiment], *, progress: Callable[[int, int], None] | None = None
    ) -> list[Record]:
        """Run legal experiments one after the other in one session, as `RtlEngine.perform` does.

        Parameters
        ----------
        experiments : sequence of Experiment
            For one chip.
        progress : callable (done, all), optional

        Returns
        -------
        list of Record

        Raises
        ------
        ExperimentError
            If an experiment does what the chip would flag, runs into a word that nobody wrote, asks the physics for
            what it cannot do, or is for another chip than the one before it.
        """
        records: list[Record] = []
        memory: _Memory | None = None
        for experiment in experiments:
            memory = memory or _Memory(experiment.config)
            if experiment.config != memory.config:
                raise ExperimentError(f"{experiment.name} is for another chip than the experiment before it")
            began = time.perf_counter()
            record = _perform(experiment, memory)
            records.append(replace(record, statistics={"wall_s": time.perf_counter() - began}))
            if progress is not None:
                progress(len(records), len(experiments))
        return records


class _Memory:
    """The vector SRAMs of a session: (vectors, lanes) uint8 for each landing pad."""

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        self.ilp = np.zeros((config.domain_count, config.ilp_vectors, config.lanes), np.uint8)
        self.olp = np.zeros((config.domain_count, config.olp_vectors, config.lanes), np.uint8)


class _ExperimentDerivation(Derivation):
    """The derivation of an experiment, followed until nothing that it issues can take force any more.

    Parameters
    ----------
    experiment : Experiment
    codes : uint8 (ILPs, vectors, lanes)
        Their SRAMs.
    """

    def __init__(self, experiment: Experiment, codes: NDArray[np.uint8]) -> None:
        self._codes = codes
        limit = experiment.cycles + 1  # what issues in the cycle of the stop still takes force
        super().__init__(
            experiment.config, experiment.units, experiment.masks, limit=limit, end=limit + CONTROL_LATENCY
        )

    def _longest(self, ilp: int, slot: int) -> int:
        return int(self._codes[ilp, slot].max())


def _perform(experiment: Experiment, memory: _Memory) -> Record:
    config = experiment.config
    for ilp, codes in experiment.vectors.items():
        memory.ilp[ilp, : len(codes)] = codes
    try:
        derivation = _ExperimentDerivation(experiment, memory.ilp)
        check_mesh(derivation)
        check_sharing(derivation)
        schedule = derivation.schedule()
    except (ScheduleError, IllegalRouteError) as error:
        raise ExperimentError(f"{experiment.name} is not legal, so the twin cannot run it: {error}") from None
    physics = Recorder(experiment.make_chip(), experiment.name)
    sent = {slot: memory.ilp[slot][None].astype(np.uint16) for slot in np.ndindex(memory.ilp.shape[:2])}
    stored = _Batch(config, physics, np.array([experiment.frame]), sent).run(schedule.events)
    for (olp, slot), result in stored.items():
        memory.olp[olp, slot] = result[0]
    halts = (experiment.cycles + 1 if line.halted is None else line.halted for line in derivation.timelines.values())
    pointers = derivation.pointers
    units = [Unit(kind, index) for kind, index in MemoryMap(config).units]
    return Record(
        engine="twin",
        cycles=min(max(halts, default=1), experiment.cycles + 1),
        error_cycle=None,
        statuses={unit: dict.fromkeys(STATUS_FIELDS, 0) | {"pointer": pointers.get(unit, 0)} for unit in units},
        results=dict(enumerate(memory.olp.copy())),
        events=physics.events,
        crossings=physics.crossings,
    )


def _sent(program: Program, codes: NDArray[np.int16]) -> dict[tuple[int, int], Durations]:
    """What each ILP of a program sends from each slot, (frames, lanes) ns."""
    magnitudes = dict(zip((1, -1), split_signs(codes), strict=True))
    vectors: dict[tuple[int, int], Durations] = {}
    for slot in program.inputs:
        empty = np.zeros((len(codes), program.config.lanes), np.uint16)
        vector = vectors.setdefault((slot.ilp, slot.slot), empty)
        vector[:, : slot.count] = magnitudes[slot.sign][:, slot.first : slot.first + slot.count]
    return vectors


def _columns_read(program: Program, schedule: Schedule) -> dict[int, int]:
    """How many columns of each tile, from the first on, send pulses to where they make a difference."""
    widths = {(out.olp, out.slot): out.width for out in program.outputs}
    found: dict[int, int] = {}
    for event in schedule.events:
        for link in event.links if isinstance(event, Integrate | Count | Write) else ():
            if isinstance(link.source, Ramp):
                count = int(np.flatnonzero(link.lanes)[-1]) + 1 if link.lanes.any() else 0
                if isinstance(event, Count):
                    count = min(count, widths.get((event.olp, event.slot), 0))
                found[link.source.tile] = max(found.get(link.source.tile, 1), count)
    for north, south in program.config.floorplan.capacitor_pairs():
        if north in found and south in found:
            found[north] = found[south] = max(found[north], found[south])
    return found


class _Batch:
    """One batch of frames on its way through the schedule.

    Parameters
    ----------
    config : ChipConfig
    physics : AnalogChip or Recorder
    frames : (B,) int64
        Frame numbers; they key the noise.
    vectors : mapping of (ILP, slot) to (B, lanes) uint16
        What each vector holds, ns.
    columns : mapping of tile index to int, optional
        `AnalogChip.serve` need not compute more of them.
    """

    def __init__(
        self,
        config: ChipConfig,
        physics: AnalogChip | Recorder,
        frames: Frames,
        vectors: Mapping[tuple[int, int], Durations],
        columns: Mapping[int, int] | None = None,
    ) -> None:
        self.config, self.physics, self.frames, self.vectors = config, physics, frames, vectors
        self._columns = (columns,) if columns else ()
        self.lanes = config.lanes
        #: Crossing times of each ramp, (B, lanes) cycles.
        self.crossings: dict[Ramp, Durations] = {}
        self.results: dict[tuple[int, int], NDArray[np.uint8]] = {}

    def run(self, events: tuple[Event, ...]) -> dict[tuple[int, int], NDArray[np.uint8]]:
        """Serve all events; the results (B, lanes) that are stored, by OLP and slot."""
        for _, group in groupby(events, key=lambda event: event.cycle):
            self._serve(list(group))
        return self.results

    def _serve(self, events: list[Event]) -> None:
        """All events of one cycle."""
        analog, ramps = [], {}
        for event in events:
            match event:
                case Count():
                    self.results[event.olp, event.slot] = self._counted(event)
                case Precharge():
                    analog.append(TileEvent(event.tile, EventKind.PRECHARGE, event.cycle))
                case Integrate():
                    controls = _controls(event)
                    times = self._row_times(event)
                    analog.append(TileEvent(event.tile, EventKind.INTEGRATE, event.cycle, controls, times))
                case Ramp():
                    ramps[event.tile] = event
                    slope = TileControls(ramp_start=event.ramp_start, ramp_slope=event.ramp_slope)
                    analog.append(TileEvent(event.tile, EventKind.RAMP, event.cycle, slope))
                case Write():
                    analog.append(self._written(event))
        for tile, crossings in (self.physics.serve(self.frames, analog, *self._columns) if analog else {}).items():
            self.crossings[ramps[tile]] = crossings

    def _times(self, source: Pulse | Ramp) -> Durations:
        """How long each of a source's lanes is high from its rise on, (frames, lanes) ns."""
        return self.vectors[source.ilp, source.slot] if isinstance(source, Pulse) else self.crossings[source]

    def _spans(self, link: Link) -> Iterator[Span]:
        """Spans in which each lane of a link is high: their start, (), and where they stop, (frames, lanes).

        A lane stays low where `stop` is not above `start`.
        """
        rise = np.int32(link.source.start)
        for opens, closes in _windows(link):
            start, stop = rise + np.int32(opens), rise + self._times(link.source).clip(0, closes)
            yield np.array(start), stop if link.lanes.all() else np.where(link.lanes, stop, start)

    def _high_times(self, links: tuple[Link, ...]) -> Durations:
        """High time of each wire, (frames, lanes) ns."""
        total: Durations | None = None
        for link in links:
            longest = self.config.max_code if isinstance(link.source, Pulse) else _MAX_TIME
            for opens, closes in _windows(link):
                high = self._times(link.source)
                if opens or closes < longest:
                    high = high.clip(opens, closes) - np.uint16(opens)
                if not link.lanes.all():
                    high = high * link.lanes
                total = high if total is None else (total + high).clip(0, _MAX_TIME)
        return np.zeros((len(self.frames), self.lanes), np.uint16) if total is None else total

    def _row_times(self, event: Integrate) -> NDArray[np.uint16]:
        bias = np.broadcast_to(np.array(event.bias_time, np.uint16), (len(self.frames), len(event.bias_time)))
        return np.concatenate([self._high_times(event.links), bias], axis=1)

    def _written(self, event: Write) -> TileEvent:
        bank = event.controls
        return TileEvent(
            event.tile,
            EventKind.WRITE,
            event.cycle,
            column_time=self._high_times(event.links),
            write_row=bank["row"],
            device=bank["device"],
            reset=bool(bank["reset"]),
            return_line=bank["return_line"],
        )

    def _counted(self, event: Count) -> NDArray[np.uint8]:
        """High time up to the first falling edge."""
        receiver = self.physics.pad_receiver(event.olp)
        windows = [window for link in event.links for window in _windows(link)]
        pulses: Times | Durations
        if len(windows) <= 1 and not receiver.config.active:
            pulses = self._high_times(event.links)  # no second pulse that could follow the first
        else:
            spans = [span for link in event.links for span in self._spans(link)]
            if receiver.config.active:
                spans = received(spans, receiver.reception(self.frames, event.start), event.cycle)
            pulses = np.broadcast_to(first_pulse(spans), (len(self.frames), self.lanes))
        codes = pulses.clip(0, self.config.max_code).astype(np.uint8)
        return codes >> np.uint8(event.seven_bits)


def _windows(link: Link) -> Iterator[tuple[int, int]]:
    """When a link carries its source's pulses: start and stop in cycles after the pulses' rise."""
    source = link.source
    for opens, closes in ((source.start, source.stop),) if isinstance(source, Pulse) else source.windows:
        start, stop = max(opens, source.start, link.start), min(closes, source.stop, link.stop)
        if stop > start:
            yield min(start - source.start, _MAX_TIME), min(stop - source.start, _MAX_TIME)


def first_pulse(spans: Sequence[Span]) -> Times:
    """Length of the first pulse of each wire, (frames, lanes); spans that touch or overlap are one pulse."""
    if len(spans) == 1:
        return np.maximum(spans[0][1] - spans[0][0], 0)
    count: Times = np.zeros((), np.int32)
    end = count
    for start, stop in spans:
        counted = (stop > start) & ((count == 0) | (start <= end))
        count = count + np.where(counted, stop - np.where(count == 0, start, end), 0)
        end = np.where(counted, stop, end)
    return count


def received(spans: Sequence[Span], reception: Reception, window_end: int) -> list[Span]:
    """What a landing pad's receiver makes of the pulses on its wires: docs/fabric.md, "Receivers".

    Parameters
    ----------
    spans : sequence of (start, stop)
        First cycle and first cycle after each pulse, (frames, lanes) each, empty where stop <= start; in the order of
        time on every lane, and within the window.
    reception : Reception
    window_end : int
        First cycle after the window.

    Returns
    -------
    list of (start, stop)
        The same for the counters; spans may touch or overlap.
    """
    if not spans:
        return []
    never = np.int64(np.iinfo(np.int64).max)  # not a Python int: it would take on the type of the cycles, and wrap
    first_rise = np.min([np.where(stop > start, start, never).min(axis=1) for start, stop in spans], axis=0)
    first_rise = np.where(first_rise == never, 0, first_rise)  # nothing rises in this frame: any number will do
    # A slip is at a sample; every edge behind it comes a cycle later or, if the sample is missed, a cycle earlier.
    slips = np.where(reception.slips == NO_SLIP, never, first_rise[:, None] + reception.slips)
    late, step = (SLIPS, -1) if reception.missed else (0, 1)

    def arrival(edge: Times) -> Times:
        return edge + late + step * sum((edge > slip[:, None]).astype(np.int64) for slip in slips.T)

    heard = [(arrival(start), np.where(stop > start, arrival(stop), arrival(start))) for start, stop in spans]
    heard = _coalesced(heard)
    moves = reception.moves.astype(np.int64)
    moved = []
    for start, stop in heard:
        begin, end = start + np.maximum(-moves, 0), stop + np.maximum(moves, 0)
        there = (stop > start) & (end > begin)
        moved.append((np.where(there, begin, 0), np.where(there, np.minimum(end, window_end), 0)))
    return moved


def _coalesced(spans: list[Span]) -> list[Span]:
    """Spans that touch as one, in the place of the first of them; the others become empty."""
    done: list[Span] = []
    for start, stop in spans:
        for index, (first, last) in enumerate(done):
            joins = (stop > start) & (last > first) & (last == start)
            done[index] = first, np.where(joins, stop, last)
            stop = np.where(joins, start, stop)
        done.append((start, stop))
    return done


def _controls(event: Integrate) -> TileControls:
    bank = event.controls
    return TileControls(
        wp1=bool(bank["wp1"]),
        wp2=bool(bank["wp2"]),
        discharge=bool(bank["discharge"]),
        capacitors=bank["capacitors"],
        share_north=bool(bank["share_north"]),
        share_south=bool(bank["share_south"]),
    )
