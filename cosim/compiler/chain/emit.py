"""The instruction words of every unit, from phases, placement and scales.

Cycles after the first cycle of a step in which each instruction issues; it is in force two cycles later
(docs/fabric.md). A step has 300 cycles, as the paper's; how they are divided is our assumption.

=======  ===================================================================================
issue    instruction
=======  ===================================================================================
0        MESH of every tile whose switches change
1        BIAS: the layer's durations in its first phase, zero in the others
2, 14    layer 0, first phase: ARRAY precharge on, off
18       layer 0: ARRAY integrate; in force 20
20       ILP: PULSE fire; pulses in cycles 22 to 276
279      layer 0: ARRAY integrate off; the event is in cycle 281
4        reading tile: READOUT ramp; the event is in cycle 6, pulses from 14
6        OLP: COUNT open; it counts from cycle 8
8        layers 1, 2, ...: ARRAY integrate; in force 10
12 + e   reading tile: READOUT output_enable; open from cycle 14 + e
267 + e  reading tile: READOUT off; closed from cycle 269 + e, so that no pulse is longer than 255
292      OLP: COUNT store; it counts to cycle 293
294      layers 1, 2, ...: ARRAY integrate off; the event is in cycle 296
260,     layers 1, 2, ..., in the step before their first phase: ARRAY precharge on, off
296
=======  ===================================================================================

e is the layer's enable offset, 0 to 23: a ReLU's ramp starts a little below the precharge voltage, so that its zero can
be tuned both ways.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.compiler.chain.frame import Frame
from cosim.compiler.chain.placement import Placement
from cosim.compiler.router import switches
from cosim.compiler.words import IDLE, PAD_LEAD, STEP_CYCLES, looped
from cosim.fabric.mesh_graph import Lanes
from cosim.isa.words import ILP, OLP, TILE, Operation
from cosim.program import InputSlot, LayerPlan, OutputSlot, Unit
from rtl.config import ChipConfig, Edge

__all__ = ["PadUse", "UnitPrograms", "write_programs"]

_MESH, _BIAS, _PRECHARGE, _RELEASE, _INTEGRATE, _FIRE, _STOP = 0, 1, 2, 14, 18, 20, 279
_RAMP, _OPEN, _LISTEN, _ENABLE, _DISABLE, _STORE, _SILENT = 4, 6, 8, 12, 267, 292, 294
_EARLY_PRECHARGE, _EARLY_RELEASE = 260 - STEP_CYCLES, 296 - STEP_CYCLES


@dataclass(frozen=True)
class UnitPrograms:
    """Words of all units, when their frames begin, and the custom masks."""

    units: Mapping[Unit, tuple[int, ...]]
    origins: Mapping[Unit, int]
    masks: Mapping[tuple[int, Edge], Lanes]


@dataclass(frozen=True)
class PadUse:
    """Which vectors of a frame lie where in the pads' SRAMs, and how many frames a run has."""

    inputs: Sequence[InputSlot]
    outputs: Sequence[OutputSlot]
    frames_per_run: int


def write_programs(
    frame: Frame, placement: Placement, plans: Sequence[LayerPlan], pads: PadUse, duration: int, config: ChipConfig
) -> UnitPrograms:
    """The programs of all units of the chip; those that do nothing only halt. No pulse is longer than `duration` ns.

    Raises
    ------
    MappingError
        If a program does not fit its SRAM.
    """
    script = _Script(frame, config)
    script.mesh(placement)
    for index, plan in enumerate(plans):
        script.layer(index, plan, duration)
    script.input_pads(placement, pads.inputs)
    script.output_pads(pads.outputs, plans)
    return script.written(pads.frames_per_run)


class _Script:
    """Operations of every unit at cycles of frame 0."""

    def __init__(self, frame: Frame, config: ChipConfig) -> None:
        self.frame, self.config = frame, config
        self.period = frame.period * STEP_CYCLES
        self.sequences: dict[Unit, list[tuple[int, Operation]]] = {}
        self.pointers: dict[Unit, Operation] = {}
        self.prologues: dict[Unit, Operation] = {}
        self.replays: dict[Unit, Operation] = {}
        self.masks: dict[tuple[int, Edge], Lanes] = {}

    def at(self, unit: Unit, cycle: int, mnemonic: str, **fields: int) -> None:
        self.sequences.setdefault(unit, []).append((cycle, Operation(mnemonic, fields)))

    def mesh(self, placement: Placement) -> None:
        """MESH at the beginning of every step in which a tile's switches change."""
        lanes, late = self.config.lanes, self.frame.period  # an overlapped readout is in step `late`
        wanted: dict[int, dict[int, dict[str, int]]] = {}
        for step, routes in placement.routes.items():
            for tile, fields in switches(routes, lanes, self.masks).items():
                wanted.setdefault(tile, {})[step] = fields
        for tile, steps in wanted.items():
            unit = Unit(TILE, tile)
            before: dict[str, int] = {}
            first = min(steps) if late in steps else 0  # where the tile's loop begins
            if late in steps and 0 in steps:
                # The next frame's inputs and this frame's output pass at the same time.
                both = switches((*placement.routes[0], *placement.routes[late]), lanes, self.masks)[tile]
                if tile == placement.readers[-1]:
                    # The loop begins with step 2, and its last step serves the next frame's inputs too.
                    self.prologues[unit] = Operation("MESH", steps[0])
                    steps[late] = before = both
                    first = 1
                else:
                    # After the last frame the output is alone, in one more step behind the loop.
                    self.replays[unit] = Operation("MESH", steps.pop(late), STEP_CYCLES - 1)
                    steps[0] = both
            for step in range(first, max(steps) + 2):
                now = steps.get(step, {})
                if step == first + late:
                    pass  # the loop's first step sets the switches again
                elif now != before or step == first:
                    self.at(unit, step * STEP_CYCLES + _MESH, "MESH", **now)
                before = now

    def layer(self, index: int, plan: LayerPlan, duration: int) -> None:
        """ARRAY and BIAS of the layer's tiles, READOUT of the one that reads out."""
        for position, tile in enumerate(plan.tiles):
            unit = Unit(TILE, tile)
            hold = {"capacitors": plan.capacitors}
            if len(plan.tiles) == 2:
                hold["share_north" if position else "share_south"] = 1
            first = self.frame.phases[index][0].step * STEP_CYCLES
            on, off = (_EARLY_PRECHARGE, _EARLY_RELEASE) if index else (_PRECHARGE, _RELEASE)
            self.at(unit, first + on, "ARRAY", **hold, precharge=1)
            self.at(unit, first + off, "ARRAY", **hold)
            bias = {f"durations[{row}]": ns for row, ns in enumerate(plan.bias_durations)}
            self.at(unit, first + _BIAS, "BIAS", **bias)
            self.at(unit, first + STEP_CYCLES + _BIAS, "BIAS")
            begin, end = (_LISTEN, _SILENT) if index else (_INTEGRATE, _STOP)
            for phase in self.frame.phases[index]:
                start = phase.step * STEP_CYCLES
                read = {**hold, "wp1": phase.wp1, "wp2": phase.wp2, "discharge": phase.discharge}
                self.at(unit, start + begin, "ARRAY", **read, integrate=1)
                self.at(unit, start + end, "ARRAY", **read)
        unit = Unit(TILE, plan.reader)
        ramp = {"ramp": 1, "ramp_start": plan.ramp_start, "ramp_slope": plan.ramp_slope}
        for step in self.frame.readouts[index]:
            start = step * STEP_CYCLES
            self.at(unit, start + _RAMP, "READOUT", **ramp)
            self.at(unit, start + _ENABLE + plan.enable_offset, "READOUT", **ramp, output_enable=1)
            shorter = self.config.max_code - duration
            self.at(unit, start + _DISABLE + plan.enable_offset - shorter, "READOUT")

    def input_pads(self, placement: Placement, inputs: Sequence[InputSlot]) -> None:
        for position, ilp in enumerate(placement.ilps):
            unit, mine = Unit(ILP, ilp), [slot for slot in inputs if slot.ilp == ilp]
            by_content = {(slot.slice, slot.sign): slot for slot in mine}
            phases = self.frame.phases[0]
            slots = [by_content[phase.slices[position], phase.sign].slot for phase in phases]
            following = [*slots[1:], slots[0] + mine[0].stride]
            for phase, slot, after in zip(phases, slots, following, strict=True):
                self.at(unit, phase.step * STEP_CYCLES + _FIRE, "PULSE", fire=1, advance=after - slot)
            self.pointers[unit] = Operation("PULSE", {"load_pointer": 1, "pointer": slots[0]})

    def output_pads(self, outputs: Sequence[OutputSlot], plans: Sequence[LayerPlan]) -> None:
        for output in outputs:
            unit = Unit(OLP, output.olp)
            start = self.frame.readouts[output.layer][0] * STEP_CYCLES
            self.at(unit, start + _OPEN, "COUNT", open=1)
            shorter = {"seven_bits": 1} if plans[output.layer].readout_bits == 7 else {}
            self.at(unit, start + _STORE, "COUNT", store=1, **shorter)
            self.pointers[unit] = Operation("COUNT", {"load_pointer": 1})

    def written(self, frames: int) -> UnitPrograms:
        """Prologue, loop of `frames` passes of exactly one frame, HALT; for every unit of the chip."""
        units = {Unit(TILE, tile): IDLE for tile in range(self.config.tile_count)}
        units |= {Unit(kind, pad): IDLE for kind in (ILP, OLP) for pad in range(self.config.domain_count)}
        origins = {}
        for unit, sequence in self.sequences.items():
            sequence.sort(key=lambda item: item[0])
            origin = self._origin(unit)
            if origin:
                origins[unit] = origin
            units[unit] = self._looped(unit, origin, frames)
        return UnitPrograms(units, origins, self.masks)

    def _origin(self, unit: Unit) -> int:
        """Where the loop begins: a pad first loads its pointer, a tile waits if it works beyond the frame."""
        first, last = self.sequences[unit][0][0], self.sequences[unit][-1][0]
        if unit.kind is not TILE:
            return first - PAD_LEAD
        return 0 if last < self.period - 1 else first

    def _looped(self, unit: Unit, origin: int, frames: int) -> tuple[int, ...]:
        return looped(
            unit,
            self.sequences[unit],
            self.config,
            origin=origin,
            period=self.period,
            frames=frames,
            before=[prologues[unit] for prologues in (self.pointers, self.prologues) if unit in prologues],
            after=[self.replays[unit], Operation("MESH")] if unit in self.replays else (),
        )
