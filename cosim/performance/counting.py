"""Activity counted from a program: its words say what happens when, its data how long the pulses are."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.compiler.words import STEP_CYCLES
from cosim.fabric.derivation import FrameDerivation
from cosim.fabric.events import Count, Integrate, Link, Precharge, Pulse, Ramp, Schedule
from cosim.fabric.mesh_graph import Lanes, MeshState, Place
from cosim.fabric.timeline import Walk
from cosim.isa.words import ILP, OLP, TILE
from cosim.performance.activity import WHOLE, Activity, Happening, Key
from cosim.performance.data import FrameData
from cosim.program import Program, Unit

__all__ = ["FrameCounter"]

#: Capacitors that a precharge charges in every column: all of them, docs/physics.md.
_CAPACITORS = 8
_CODE_BITS = 8

Array = NDArray[np.float64]


class FrameCounter:
    """Counts what a frame of a program does, for any data.

    Parameters
    ----------
    program : Program
        A legal one.

    Raises
    ------
    ScheduleError
        If it does not run.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self._run = FrameDerivation(program)

    @cached_property
    def _schedule(self) -> Schedule:
        return self._run.frame(0)

    @cached_property
    def _pulses(self) -> list[Pulse]:
        """Vectors sent in frame 0, with slots as in frame 0."""
        return [p for p in self._run.pulses if self.program.locate(Unit(ILP, p.ilp), p.start)[0] == 0]

    @cached_property
    def _slots(self) -> dict[tuple[int, int], list[int]]:
        """Which of the program's inputs slots a vector holds."""
        found: dict[tuple[int, int], list[int]] = {}
        for number, slot in enumerate(self.program.inputs):
            found.setdefault((slot.ilp, slot.slot), []).append(number)
        return found

    @cached_property
    def _read(self) -> dict[tuple[int, int, int], list[tuple[str, Lanes, int]]]:
        """Outputs that a tile's ramps become, with their lanes and widths.

        Capacitors hold what they have: ramps that are alike, of which one is counted, give the same pulses.
        """
        names = {(out.olp, out.slot): (out.name, out.width) for out in self.program.outputs}
        found: dict[tuple[int, int, int], list[tuple[str, Lanes, int]]] = {}
        for event in self._schedule.events:
            if isinstance(event, Count) and (event.olp, event.slot) in names:
                name, width = names[event.olp, event.slot]
                for link in event.links:
                    if isinstance(link.source, Ramp):
                        found.setdefault(_alike(link.source), []).append((name, link.lanes, width))
        return found

    @cached_property
    def _reach(self) -> dict[tuple[int, Place], list[tuple[int, Lanes]]]:
        """By state of the mesh and source: tiles whose nets carry it, and on which lanes."""
        found: dict[tuple[int, Place], list[tuple[int, Lanes]]] = {}
        for state in {id(state): state for state in self._run.states}.values():
            for tile in state.settings:
                for source, lanes in state.trace(Place("net", tile)):
                    found.setdefault((id(state), source), []).append((tile, lanes))
        return found

    @cached_property
    def _words(self) -> dict[Unit, float]:
        """Words that every unit takes from its SRAM for a frame, those around the loop shared out."""
        found = {}
        for unit, words in self.program.units.items():
            walk = Walk(words, unit.kind, self.program.config, self._run.end)
            for _ in walk:
                pass
            found[unit] = walk.fetched / self.program.frames_per_run
        return found

    def count(self, data: FrameData, analog: AnalogConfig | None = None) -> Activity:
        """What a frame does with such data.

        Parameters
        ----------
        data : FrameData
        analog : AnalogConfig, optional
            Whose read voltage the charge is of.
        """
        volts = (analog or AnalogConfig()).periphery.read_voltage_v
        counts: dict[Key, float] = {}
        for unit, cycle, what, number in self._counts(data, volts):
            key = Key(unit, WHOLE if cycle is None else cycle // STEP_CYCLES, what)
            counts[key] = counts.get(key, 0.0) + number
        return Activity(counts)

    def _counts(self, data: FrameData, volts: float) -> Iterator[tuple[Unit | None, int | None, Happening, float]]:
        lanes, config = self.program.config.lanes, self.program.config
        yield None, None, Happening.CHIP_NS, self.program.frame_cycles
        for unit, words in self._words.items():
            yield unit, None, Happening.WORDS, words
        for kind, vectors in (
            (ILP, [i.ilp for i in self.program.inputs]),
            (OLP, [o.olp for o in self.program.outputs]),
        ):
            for index in vectors:
                yield Unit(kind, index), None, Happening.SRAM_BITS, lanes * _CODE_BITS
                yield Unit(kind, index), None, Happening.BEATS, config.vector_beats
        for pulse in self._pulses:
            unit, (mean, share) = Unit(ILP, pulse.ilp), self._sent(pulse, data)
            yield unit, pulse.start, Happening.SRAM_BITS, lanes * _CODE_BITS
            yield unit, pulse.start, Happening.COUNTER_CYCLES, float(mean.sum())
            yield from self._driven(Place("ilp", pulse.ilp), pulse.start, share)
        for event in self._schedule.events:
            unit = Unit(OLP, event.olp) if isinstance(event, Count) else Unit(TILE, event.tile)
            match event:
                case Precharge():
                    yield unit, event.cycle - 1, Happening.PRECHARGED, lanes * _CAPACITORS
                case Integrate():
                    for what, number in self._integrated(event, data, volts):
                        yield unit, event.start, what, number
                case Ramp():
                    yield unit, event.cycle, Happening.RAMPS, 1
                    yield unit, event.cycle, Happening.COMPARED, lanes
                    yield unit, event.cycle, Happening.COMPARATOR_NS, lanes * (event.stop - event.cycle)
                    for start, _ in event.windows:
                        yield from self._driven(Place("outputs", event.tile), start, self._read_out(event, data)[1])
                case Count():
                    cycles = sum(float(self._of(link, data)[0] @ link.lanes) for link in event.links)
                    yield unit, event.start, Happening.COUNTER_CYCLES, cycles
                    yield unit, event.start, Happening.SRAM_BITS, lanes * _CODE_BITS

    def _integrated(self, event: Integrate, data: FrameData, volts: float) -> Iterator[tuple[Happening, float]]:
        lanes = self.program.config.lanes
        mean, share = np.zeros(lanes), np.zeros(lanes)
        for link in event.links:
            one, likely = self._of(link, data)
            mean, share = mean + one * link.lanes, share + likely * link.lanes
        bias = np.array(event.bias_time, np.float64)
        along = np.concatenate([mean, bias])
        yield Happening.ROW_PULSES, float(share.sum()) + float(np.count_nonzero(bias))
        yield Happening.ROW_NS, float(along.sum())
        yield Happening.COLUMN_NS, lanes * (event.cycle - event.start)
        rows = data.rows_us.get(event.tile)
        if rows is not None:
            read = sum(rows[pair] for pair, name in enumerate(("wp1", "wp2")) if event.controls[name])
            what = Happening.DISCHARGED if event.controls["discharge"] else Happening.CHARGED
            yield what, volts * float(along @ (read + np.zeros_like(along)))

    def _of(self, link: Link, data: FrameData) -> tuple[Array, Array]:
        """Means of what a link's source sends on each lane, ns, and shares that are not 0."""
        source = link.source
        return self._sent(source, data) if isinstance(source, Pulse) else self._read_out(source, data)

    def _sent(self, pulse: Pulse, data: FrameData) -> tuple[Array, Array]:
        mean, share = np.zeros(self.program.config.lanes), np.zeros(self.program.config.lanes)
        for number in self._slots.get((pulse.ilp, pulse.slot), ()):
            slot = self.program.inputs[number]
            some = slice(slot.first, slot.first + slot.count)
            sign = int(slot.sign < 0)
            mean[: slot.count] += data.inputs.mean[sign, some]
            share[: slot.count] += data.inputs.share[sign, some]
        return mean, share

    def _read_out(self, ramp: Ramp, data: FrameData) -> tuple[Array, Array]:
        """Pulses of a tile's columns: those of known outputs as they are, all others as of a sum of zero."""
        lanes = self.program.config.lanes
        mean, share = np.full(lanes, self.program.duration / 2), np.ones(lanes)
        for name, some, width in self._read.get(_alike(ramp), ()):
            if name in data.outputs:
                known = some & (np.arange(lanes) < width)
                mean[known], share[known] = (row[known[:width]] for row in data.outputs[name])
        return mean, share

    def _driven(
        self, source: Place, cycle: int, share: Array
    ) -> Iterator[tuple[Unit | None, int | None, Happening, float]]:
        state = self._state(cycle)
        for tile, lanes in self._reach.get((id(state), source), ()):
            yield Unit(TILE, tile), cycle, Happening.WIRES, float(share @ lanes)

    def _state(self, cycle: int) -> MeshState:
        at = int(np.searchsorted(self._run.changes, cycle, side="right")) - 1
        return self._run.states[at]


def _alike(ramp: Ramp) -> tuple[int, int, int]:
    return ramp.tile, ramp.ramp_start, ramp.ramp_slope
