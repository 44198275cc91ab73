"""From a feed-forward network to a `Program`: modes, scales, placement, routes, and the words of every unit.

Steps
-----
A frame is a row of steps of 300 ns. The first layer takes one step for each (pair of devices, sign of the input); each
later layer integrates while the layer before it reads out, once or, with asymmetry balance, twice; the last step reads
the output. For 1,024-512-512-12 (strict frame; Nature 620, 768 (2023), FIG. 3 and Methods):

====  ==============================================  ========================================
step  integrates                                      reads out
====  ==============================================  ========================================
1     layer 0: x+ on WP1, charge
2     layer 0: x- on WP1, discharge
3     layer 0: x+ on WP2, discharge
4     layer 0: x- on WP2, charge
5     layer 1: on WP1, charge                         layer 0 (ReLU), also to an OLP
6     layer 1: on WP2, discharge                      layer 0 again
7     layer 2: on WP1 and WP2, charge                 layer 1 (ReLU), also to an OLP
8                                                     layer 2, to an OLP
====  ==============================================  ========================================

With `overlapped` the output layer is balanced as well (steps 7 and 8) and its readout falls into step 1 of the next
frame: the period still is 8 steps, the latency 9.

Timing
------
Cycles after the first cycle of a step, as issued; in force two cycles later (docs/fabric.md). Our assumption.

======  =====================================================================
issue   instruction
======  =====================================================================
0       MESH of every tile whose switches change
1       BIAS: durations in the layer's first phase, zero in the others
2, 14   layer 0, first phase: ARRAY precharge on and off
18      layer 0: ARRAY integrate; in force 20
20      ILP: PULSE fire; pulses in cycles 22 to 276
279     layer 0: ARRAY integrate off; the event is in cycle 281
4       reading tile: READOUT ramp; the event is in cycle 6, pulses from 14
6       OLP: COUNT open; counts from cycle 8
8       layer 1, 2, ...: ARRAY integrate; in force 10
12 + e  reading tile: READOUT output_enable; open from 14 + e
290     reading tile: READOUT off; the last pulse ends with cycle 291
292     OLP: COUNT store; counts to cycle 293
294     layer 1, 2, ...: ARRAY integrate off; the event is in cycle 296
260,    layers 1, 2, ..., step before their first: ARRAY precharge on, off
296
======  =====================================================================

e is the layer's enable offset: the ramp starts a little below the precharge voltage, so that the ReLU's zero can be
tuned both ways.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, permutations, product

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.programming import WeightTargets
from cosim.mesh import Lanes, Mesh, Place
from cosim.network import Activation, FeedForwardNetwork, Layer
from cosim.program import InputSlot, LayerPlan, Mode, OutputSlot, Program, Unit
from cosim.router import Connection, Route, RouteError, Router, switches
from cosim.schedule import check
from cosim.words import ILP, OLP, TILE, Operation, encode
from rtl.config import ChipConfig, Edge, Square
from rtl.isa import MAX_WAIT, RAMP_LATENCY

__all__ = ["LayerOptions", "MappingError", "MappingOptions", "compile_network"]

STEP_CYCLES = 300

# Issue cycles within a step; see the table above.
_MESH, _BIAS, _PRECHARGE, _RELEASE, _INTEGRATE, _FIRE, _STOP = 0, 1, 2, 14, 18, 20, 279
_RAMP, _OPEN, _LISTEN, _ENABLE, _RAMP_OFF, _STORE, _SILENT = 4, 6, 8, 12, 290, 292, 294
_EARLY_PRECHARGE, _EARLY_RELEASE = 260 - STEP_CYCLES, 296 - STEP_CYCLES
#: Where the ReLU's zero lies by default, in cycles after the pulses begin; and the latest that leaves 255 cycles.
_ZERO_CYCLES, _LAST_ZERO = 17, _RAMP_OFF - _RAMP - RAMP_LATENCY - 255
#: A pad's loop begins this many cycles before its first action, so that the pointer can be loaded before.
_PAD_LEAD = 4


class MappingError(ValueError):
    """The network does not fit the chip, or the frame; the message says what does not fit where."""


@dataclass(frozen=True)
class LayerOptions:
    """What calibration or a user may set for one layer; None leaves the choice to the compiler.

    Parameters
    ----------
    mode : Mode
    capacitors : int
        1 to 8 per tile.
    swing_v : float
        Capacitor voltage, from the precharge level, that is a full-scale output. Nominally 0.45 V.
    weight_scale : float
        Programmed weight per network weight.
    enable_offset : int
        Cycles from the first cycle of the pulses to the output-enable window, 0 to 23.
    bias_durations : tuple of int
        ns of each bias row.
    """

    mode: Mode | None = None
    capacitors: int | None = None
    swing_v: float | None = None
    weight_scale: float | None = None
    enable_offset: int | None = None
    bias_durations: tuple[int, ...] | None = None


@dataclass(frozen=True)
class MappingOptions:
    """How to map.

    Parameters
    ----------
    steps : int
        Most steps that a frame may take; asymmetry balance goes to the layers, first to last, while it lasts.
    overlapped : bool
        Let the output's readout overlap the next frame's first step.
    balance : bool
        Use asymmetry balance at all.
    observe : bool
        Multicast the hidden layers' outputs to OLPs.
    frames_per_run : int, optional
        Frames per start; by default what the pads' SRAMs hold.
    bias_duration : int
        ns of every bias row, unless a layer's options say otherwise.
    layers : mapping of layer number to LayerOptions
    placement : mapping of layer number to squares
        Tiles of a layer, north first; layers left out are placed by the compiler.
    analog : AnalogConfig
        Constants that the scales are computed from.
    """

    steps: int = 8
    overlapped: bool = False
    balance: bool = True
    observe: bool = True
    frames_per_run: int | None = None
    bias_duration: int = 128
    layers: Mapping[int, LayerOptions] = field(default_factory=dict)
    placement: Mapping[int, Sequence[Square]] = field(default_factory=dict)
    analog: AnalogConfig = field(default_factory=AnalogConfig)


def compile_network(network: FeedForwardNetwork, config: ChipConfig, options: MappingOptions | None = None) -> Program:
    """Map `network` to a chip.

    Raises
    ------
    MappingError
        If a layer has too many rows or columns for the tiles, the network too many layers for the chip or the frame,
        or if no placement can be routed.
    """
    return _Compiler(network, config, options or MappingOptions()).program()


@dataclass(frozen=True)
class _Phase:
    """One integration of a layer. `slices` are the input slices of its tiles (first layer only)."""

    step: int
    wp1: bool
    wp2: bool
    discharge: bool
    sign: int = 1
    slices: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Placement:
    """Where everything sits, and the routes of each step."""

    tiles: tuple[tuple[int, ...], ...]
    readers: tuple[int, ...]
    ilps: tuple[int, ...]
    olps: Mapping[int, int]
    routes: Mapping[int, tuple[Route, ...]]


class _Compiler:
    def __init__(self, network: FeedForwardNetwork, config: ChipConfig, options: MappingOptions) -> None:
        self.network, self.config, self.options = network, config, options
        self.mesh = Mesh(config)
        self.router = Router(config, self.mesh)
        self._check_shapes()
        self.modes = self._modes()
        self.phases, self.readouts = self._frame()
        last = max(self.readouts[-1])
        #: Steps from one frame to the next; with overlap the last readout lies beyond.
        self.period = last if options.overlapped else last + 1

    @property
    def frame_cycles(self) -> int:
        return self.period * STEP_CYCLES

    # What fits where.

    def _check_shapes(self) -> None:
        lanes = self.config.lanes
        for index, layer in enumerate(self.network.layers):
            if layer.outputs > lanes:
                raise MappingError(f"layer {index} has {layer.outputs} outputs, a tile has {lanes} columns")
            limit = 4 * lanes if index == 0 else lanes
            if layer.inputs > limit:
                raise MappingError(
                    f"layer {index} has {layer.inputs} inputs, "
                    + (
                        f"a tile has {lanes} rows"
                        if index
                        else f"a vertical pair with 2 PCM per weight sums {limit} rows"
                    )
                )
            hidden = index < len(self.network.layers) - 1
            if hidden and layer.activation is not Activation.RELU:
                raise MappingError(
                    f"layer {index} is {layer.activation}; hidden layers must be relu, for between tiles pass only "
                    "durations, and those are never negative"
                )
        for name, known in (("layers", self.options.layers), ("placement", self.options.placement)):
            for index in known:
                if not 0 <= index < len(self.network.layers):
                    raise MappingError(
                        f"options.{name} names layer {index}, the network has {len(self.network.layers)}"
                    )
        if self.options.overlapped and len(self.network.layers) < 2:
            raise MappingError("overlapped frames need two layers: a single one cannot integrate while it is read out")

    def _possible(self, index: int) -> tuple[Mode, ...]:
        """Modes that a layer can have, the shortest first."""
        layer, lanes = self.network.layers[index], self.config.lanes
        asked = self.options.layers.get(index, LayerOptions()).mode
        if layer.inputs > 2 * lanes:
            modes: tuple[Mode, ...] = (Mode.STACKED,)
        elif self.options.balance:
            modes = (Mode.DOUBLE, Mode.BALANCED)
        else:
            modes = (Mode.DOUBLE,)
        if asked is None:
            return modes
        fits = {Mode.STACKED: lanes < layer.inputs <= 4 * lanes}.get(asked, layer.inputs <= 2 * lanes)
        if not fits:
            raise MappingError(
                f"layer {index} with {layer.inputs} inputs cannot be {asked}: {asked} takes "
                f"{f'{lanes + 1} to {4 * lanes}' if asked is Mode.STACKED else f'up to {2 * lanes}'} rows"
            )
        return (asked,)

    def _cost(self, index: int, mode: Mode) -> int:
        """Integration steps of a layer."""
        once = 1 if mode is Mode.DOUBLE else 2
        return 2 * once if index == 0 else once

    def _modes(self) -> list[Mode]:
        choices = [self._possible(index) for index in range(len(self.network.layers))]
        modes = [choice[0] for choice in choices]
        budget = self.options.steps + (1 if self.options.overlapped else 0)
        needed = 1 + sum(self._cost(index, mode) for index, mode in enumerate(modes))
        if needed > budget:
            parts = ", ".join(f"layer {i} {self._cost(i, mode)}" for i, mode in enumerate(modes))
            raise MappingError(
                f"the frame needs {needed} steps ({parts}, readout 1), it may have {budget}; raise options.steps"
            )
        for index, choice in enumerate(choices):
            more = self._cost(index, choice[-1]) - self._cost(index, modes[index])
            if needed + more <= budget:
                modes[index] = choice[-1]
                needed += more
        return modes

    def _tile_count(self, index: int) -> int:
        lanes, rows = self.config.lanes, self.network.layers[index].inputs
        return -(-rows // (2 * lanes if self.modes[index] is Mode.STACKED else lanes))

    def _frame(self) -> tuple[list[list[_Phase]], list[list[int]]]:
        """Phases of each layer, and the steps in which it reads out."""
        phases: list[list[_Phase]] = []
        readouts: list[list[int]] = []
        step = 0
        for index, mode in enumerate(self.modes):
            mine: list[_Phase] = []
            for wp1, wp2 in ((True, True),) if mode is Mode.DOUBLE else ((True, False), (False, True)):
                flipped = mode is Mode.BALANCED and not wp1  # -W on WP2 takes the other polarity
                if index:
                    mine.append(_Phase(step, wp1, wp2, flipped))
                    step += 1
                    continue
                count = self._tile_count(0)
                first = count if mode is Mode.STACKED and not wp1 else 0
                slices = tuple(range(first, first + count))
                for sign in (1, -1):
                    mine.append(_Phase(step, wp1, wp2, flipped ^ (sign < 0), sign, slices))
                    step += 1
            if index:
                readouts.append([phase.step for phase in mine])
            phases.append(mine)
        return phases, [*readouts, [step]]

    # Scales.

    def _plan(self, index: int, placement: _Placement, unit: float) -> LayerPlan:
        """Scales of one layer; `unit` is the duration in ns of an input of 1."""
        layer, mode, tiles = self.network.layers[index], self.modes[index], placement.tiles[index]
        asked = self.options.layers.get(index, LayerOptions())
        analog = self.options.analog
        relu = layer.activation is Activation.RELU
        # The whole swing takes 255 cycles of a ReLU's ramp; a signed readout has it twice.
        cycles = 255.0 if relu else 127.5
        mac = layer.full_scale * unit * mode.gain
        largest = float(np.abs(layer.weights).max()) or 1.0

        def volts(capacitors: int) -> float:
            """Capacitor voltage of the full-scale MAC, weights unscaled."""
            return analog.volts_per_weight_ns(capacitors * len(tiles)) * mac

        swing = 0.45 if asked.swing_v is None else asked.swing_v
        if asked.capacitors is not None and not 1 <= asked.capacitors <= 8:
            raise MappingError(f"layer {index}: capacitors must be 1 to 8, got {asked.capacitors}")
        # As many capacitors as leave room for the weights: large weights stand out from the noise.
        fitting = [c for c in range(1, 9) if swing / volts(c) * largest <= 1]
        capacitors = asked.capacitors or max(fitting, default=1)
        if asked.swing_v is None and asked.weight_scale is None:
            swing = min(swing, volts(capacitors) / largest)
        slope = int(swing / cycles / analog.volts_per_cycle(1) + 1e-6)
        if not 1 <= slope <= 255:
            raise MappingError(
                f"layer {index}: a full scale of {layer.full_scale:.4g} is {swing:.3g} V on {capacitors} capacitors, "
                f"which needs ramp slope {slope}; the ramp has 1 to 255"
            )
        step_v = analog.volts_per_cycle(slope)
        scale = asked.weight_scale or step_v * cycles / volts(capacitors)
        if scale * largest > 1 + 1e-6:
            raise MappingError(
                f"layer {index}: weights up to {largest:.4g} times weight scale {scale:.4g} exceed 1, the most "
                "that a pair of devices holds; use fewer capacitors or a smaller swing"
            )
        precharge, lsb = analog.periphery.precharge_v, analog.periphery.ramp_lsb_v
        below = _ZERO_CYCLES * step_v if relu else swing
        start = round((precharge - below) / lsb)
        crossing = (precharge - start * lsb) / step_v
        offset = asked.enable_offset if asked.enable_offset is not None else round(crossing) if relu else 0
        if not 0 <= offset <= _LAST_ZERO:
            raise MappingError(f"layer {index}: enable_offset must be 0 to {_LAST_ZERO}, got {offset}")
        bias = asked.bias_durations or (self.options.bias_duration,) * self.config.bias_rows
        if len(bias) != self.config.bias_rows or not all(0 <= ns <= 255 for ns in bias):
            raise MappingError(
                f"layer {index}: bias_durations must be {self.config.bias_rows} numbers, 0 to 255, got {bias}"
            )
        return LayerPlan(
            name=f"layer{index}",
            inputs=layer.inputs,
            outputs=layer.outputs,
            activation=layer.activation,
            mode=mode,
            tiles=tiles,
            reader=placement.readers[index],
            capacitors=capacitors,
            ramp_start=start,
            ramp_slope=slope,
            enable_offset=offset,
            bias_durations=tuple(bias),
            weight_scale=float(min(scale, 1 / largest)),
            code_scale=float(volts(capacitors) * scale / step_v),
            code_zero=float(crossing - offset),
        )

    def _targets(self, layer: Layer, plan: LayerPlan) -> dict[int, WeightTargets]:
        lanes, count = self.config.lanes, len(plan.tiles)
        shape = (self.config.total_rows, lanes)
        scaled = np.clip(layer.weights * plan.weight_scale, -1, 1)

        def rows(number: int) -> NDArray[np.float64]:
            block = np.zeros(shape)
            part = scaled[number * lanes : (number + 1) * lanes]
            block[: part.shape[0], : part.shape[1]] = part
            return block

        targets = {}
        for position, tile in enumerate(plan.tiles):
            first = rows(position)
            second = {Mode.BALANCED: -first, Mode.DOUBLE: first}.get(plan.mode)
            targets[tile] = WeightTargets(first, rows(position + count) if second is None else second)
        return targets

    # Placement and routes.

    def _place(self) -> _Placement:
        """The first placement, nearest first, all of whose steps can be routed."""
        tiles_needed = sum(self._tile_count(index) for index in range(len(self.modes)))
        if tiles_needed > self.config.tile_count:
            raise MappingError(f"the layers need {tiles_needed} tiles, the chip has {self.config.tile_count}")
        failure: RouteError | None = None
        for tiles, readers in islice(self._sites(0, (), ()), 200):
            for ilps in islice(self._pads(tiles[0]), 12):
                try:
                    return self._routed(tiles, readers, ilps)
                except RouteError as error:
                    failure = failure or error
        if failure is None:
            pairs = sum(1 for _ in self.config.floorplan.capacitor_pairs())
            raise MappingError(
                f"no place for layers of {[self._tile_count(i) for i in range(len(self.modes))]} tiles: the chip has "
                f"{self.config.tile_count} tiles in {pairs} vertical pairs and {self.config.domain_count} ILPs"
            )
        raise MappingError(f"no placement could be routed; the first one failed: {failure}")

    def _sites(
        self, index: int, tiles: tuple[tuple[int, ...], ...], readers: tuple[int, ...]
    ) -> Iterator[tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]]:
        """Tiles of all layers and those that read out, in the order of how near they are to each other."""
        if index == len(self.modes):
            yield tiles, readers
            return
        used = {tile for group in tiles for tile in group}
        groups = [group for group in self._groups(index) if not used & set(group)]
        plan = self.config.floorplan
        targets = [plan.tiles[readers[-1]]] if readers else [site.square for site in plan.ilp_sites]
        groups.sort(key=lambda group: sum(min(self._distance(tile, square) for square in targets) for tile in group))
        for group in groups:
            for reader in reversed(group):
                yield from self._sites(index + 1, (*tiles, group), (*readers, reader))

    def _groups(self, index: int) -> list[tuple[int, ...]]:
        """Tiles that can hold a layer: vertical pairs or single ones."""
        plan, count = self.config.floorplan, self._tile_count(index)
        asked = self.options.placement.get(index)
        if asked is not None:
            for square in asked:
                if square not in plan.tile_index:
                    raise MappingError(f"options.placement puts layer {index} on {square}, where there is no tile")
            group = tuple(plan.tile_index[square] for square in asked)
            if len(group) != count or (count == 2 and group not in set(plan.capacitor_pairs())):
                need = "one tile" if count == 1 else "a vertical pair, (even row, c) and (odd row, c)"
                raise MappingError(f"options.placement gives layer {index} {list(asked)}; it needs {need}")
            return [group]
        if count == 2:
            return list(plan.capacitor_pairs())
        return [(tile,) for tile in range(self.config.tile_count)]

    def _distance(self, tile: int, square: Square) -> int:
        row, column = self.config.floorplan.tiles[tile]
        return abs(row - square[0]) + abs(column - square[1])

    def _pads(self, group: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        """ILPs for the tiles of the first layer, nearest first."""
        sites = self.config.floorplan.ilp_sites
        choices = permutations(range(len(sites)), len(group))

        def far(ilps: tuple[int, ...]) -> int:
            return sum(self._distance(tile, sites[ilp].square) for tile, ilp in zip(group, ilps, strict=True))

        yield from sorted(choices, key=far)

    def _routed(
        self, tiles: tuple[tuple[int, ...], ...], readers: tuple[int, ...], ilps: tuple[int, ...]
    ) -> _Placement:
        inputs = [
            Connection(Place("ilp", ilp), (Place("rows", tile),)) for ilp, tile in zip(ilps, tiles[0], strict=True)
        ]
        routes: dict[int, tuple[Route, ...]] = {}
        olps: dict[int, int] = {}
        # The output first: it must have an OLP, and in overlapped frames passes the inputs.
        last = len(tiles) - 1
        for index in (last, *range(last)):
            steps = self.readouts[index]
            source = Place("outputs", readers[index])
            onward = () if index == last else (Place("rows", tiles[index + 1][0]),)
            beside = inputs if index == last and self.options.overlapped else []
            wanted: list[int | None] = [None]
            if index == last or self.options.observe:
                wanted = [*self._free_olps(readers[index], olps)]
            failure: RouteError | None = None
            for olp in wanted:
                targets = onward if olp is None else (*onward, self.mesh.olp(olp))
                try:
                    found = self.router.route([Connection(source, targets), *beside])
                    # Later readouts of the same sums go on without the OLP.
                    rest = self.router.route([Connection(source, onward)]) if onward else ()
                except RouteError as error:
                    failure = failure or error
                    continue
                if olp is not None:
                    olps[index] = olp
                routes |= {step: found[:1] if step == steps[0] else rest for step in steps}
                break
            else:
                raise failure or RouteError("all OLPs are full")
            if beside:
                routes |= {phase.step: found[1:] for phase in self.phases[0]}
        if not self.options.overlapped:
            found = self.router.route(inputs)
            routes |= {phase.step: found for phase in self.phases[0]}
        return _Placement(tiles, readers, ilps, olps, routes)

    def _free_olps(self, tile: int, taken: Mapping[int, int]) -> list[int]:
        """OLPs, those least used first, then the nearest."""
        sites = self.config.floorplan.olp_sites
        used = list(taken.values())
        return sorted(range(len(sites)), key=lambda olp: (used.count(olp), self._distance(tile, sites[olp].square)))

    # Words.

    def program(self) -> Program:
        placement = self._place()
        plans: list[LayerPlan] = []
        unit = float(self.config.max_code)
        for index in range(len(self.modes)):
            plans.append(self._plan(index, placement, unit))
            unit = plans[-1].code_scale
        inputs = self._inputs(placement)
        outputs = self._outputs(placement)
        frames = self._frames_per_run(inputs, outputs)
        masks: dict[tuple[int, Edge], Lanes] = {}
        sequences: dict[Unit, list[tuple[int, Operation]]] = {}
        pointers: dict[Unit, Operation] = {}
        replay = self._mesh_words(placement, sequences, masks)
        for index, plan in enumerate(plans):
            self._layer_words(index, plan, sequences)
        self._pad_words(placement, inputs, outputs, sequences, pointers)
        halt = (encode(TILE, Operation("HALT")),)
        idle = [Unit(TILE, tile) for tile in range(self.config.tile_count)]
        idle += [Unit(kind, pad) for kind in (ILP, OLP) for pad in range(self.config.domain_count)]
        units: dict[Unit, tuple[int, ...]] = dict.fromkeys(idle, halt)
        origins: dict[Unit, int] = {}
        for unit_, sequence in sequences.items():
            sequence.sort(key=lambda item: item[0])
            origin = self._origin(unit_, sequence)
            if origin:
                origins[unit_] = origin
            units[unit_] = self._words(
                unit_,
                sequence,
                origin,
                frames,
                pointers.get(unit_),
                replay.get(unit_.index) if unit_.kind is TILE else None,
            )
        targets: dict[int, WeightTargets] = {}
        for layer, plan in zip(self.network.layers, plans, strict=True):
            targets |= self._targets(layer, plan)
        program = Program(
            config=self.config,
            frame_cycles=self.frame_cycles,
            frames_per_run=frames,
            units=units,
            inputs=inputs,
            outputs=outputs,
            layers=tuple(plans),
            targets=targets,
            origins=origins,
            masks=masks,
        )
        check(program)
        return program

    def _inputs(self, placement: _Placement) -> tuple[InputSlot, ...]:
        lanes, width = self.config.lanes, self.network.layers[0].inputs
        slices = sorted({number for phase in self.phases[0] for number in phase.slices})
        count = len(placement.ilps)
        stride = 2 * len(slices) // count
        return tuple(
            InputSlot(
                ilp=placement.ilps[number % count],
                slot=2 * (number // count) + (sign < 0),
                stride=stride,
                first=number * lanes,
                count=max(0, min(lanes, width - number * lanes)),
                sign=sign,
            )
            for number, sign in product(slices, (1, -1))
        )

    def _outputs(self, placement: _Placement) -> tuple[OutputSlot, ...]:
        per_olp = list(placement.olps.values())
        outputs = []
        for index in sorted(placement.olps):  # an OLP stores the layers in the order of their steps
            olp = placement.olps[index]
            slot = sum(placement.olps[earlier] == olp for earlier in placement.olps if earlier < index)
            outputs.append(
                OutputSlot(f"layer{index}", olp, slot, per_olp.count(olp), self.network.layers[index].outputs)
            )
        return tuple(outputs)

    def _frames_per_run(self, inputs: Sequence[InputSlot], outputs: Sequence[OutputSlot]) -> int:
        most = min(
            self.config.ilp_vectors // max(slot.stride for slot in inputs),
            self.config.olp_vectors // max(slot.stride for slot in outputs),
        )
        asked = self.options.frames_per_run
        if most < 1 or (asked is not None and not 1 <= asked <= most):
            raise MappingError(f"the pads' SRAMs hold {most} frames, options.frames_per_run is {asked}")
        return asked or most

    def _mesh_words(
        self,
        placement: _Placement,
        sequences: dict[Unit, list[tuple[int, Operation]]],
        masks: dict[tuple[int, Edge], Lanes],
    ) -> dict[int, Operation]:
        """MESH at the beginning of every step in which a tile's switches change.

        Returns what must be done once more after the loop, in tiles that serve a frame's first step and the readout of
        the frame before at the same time.
        """
        lanes, late = self.config.lanes, self.period  # `late` is the readout beyond the frame, if there is one
        wanted: dict[int, dict[int, dict[str, int]]] = {}
        replay: dict[int, Operation] = {}
        for step, routes in placement.routes.items():
            for tile, fields in switches(routes, lanes, masks).items():
                wanted.setdefault(tile, {})[step] = fields
        for tile, steps in wanted.items():
            if late in steps and 0 in steps:
                both = (*placement.routes[0], *placement.routes[late])
                steps[0] = switches(both, lanes, masks)[tile]
                replay[tile] = Operation("MESH", steps.pop(late))
            unit = Unit(TILE, tile)
            for step in range(max(steps) + 2):
                before, now = steps.get(step - 1, {}), steps.get(step, {})
                if step == late and late not in steps:
                    # The frame is over; the next one's first step sets the switches, if need be to nothing.
                    step, now = 0, {} if 0 not in steps else before
                if now != before:
                    sequences.setdefault(unit, []).append((step * STEP_CYCLES + _MESH, Operation("MESH", now)))
        return replay

    def _layer_words(self, index: int, plan: LayerPlan, sequences: dict[Unit, list[tuple[int, Operation]]]) -> None:
        """ARRAY and BIAS of the layer's tiles, READOUT of the one that reads out."""
        for position, tile in enumerate(plan.tiles):
            sequence = sequences.setdefault(Unit(TILE, tile), [])
            hold = {"capacitors": plan.capacitors}
            if len(plan.tiles) == 2:
                hold["share_south" if position == 0 else "share_north"] = 1
            for phase in self.phases[index]:
                start = phase.step * STEP_CYCLES
                first = phase is self.phases[index][0]
                if first:
                    on, off = (_PRECHARGE, _RELEASE) if index == 0 else (_EARLY_PRECHARGE, _EARLY_RELEASE)
                    sequence.append((start + on, Operation("ARRAY", {**hold, "precharge": 1})))
                    sequence.append((start + off, Operation("ARRAY", hold)))
                    bias = {f"durations[{row}]": ns for row, ns in enumerate(plan.bias_durations)}
                    sequence.append((start + _BIAS, Operation("BIAS", bias)))
                    sequence.append((start + STEP_CYCLES + _BIAS, Operation("BIAS")))
                begin, end = (_INTEGRATE, _STOP) if index == 0 else (_LISTEN, _SILENT)
                read = {"wp1": int(phase.wp1), "wp2": int(phase.wp2), "discharge": int(phase.discharge)}
                sequence.append((start + begin, Operation("ARRAY", {**hold, **read, "integrate": 1})))
                sequence.append((start + end, Operation("ARRAY", {**hold, **read})))
        sequence = sequences[Unit(TILE, plan.reader)]
        ramp = {"ramp": 1, "ramp_start": plan.ramp_start, "ramp_slope": plan.ramp_slope}
        for step in self.readouts[index]:
            start = step * STEP_CYCLES
            open_ = {**ramp, "output_enable": 1}
            sequence.append((start + _RAMP, Operation("READOUT", ramp if plan.enable_offset else open_)))
            if plan.enable_offset:
                sequence.append((start + _ENABLE + plan.enable_offset, Operation("READOUT", open_)))
            sequence.append((start + _RAMP_OFF, Operation("READOUT")))

    def _pad_words(
        self,
        placement: _Placement,
        inputs: Sequence[InputSlot],
        outputs: Sequence[OutputSlot],
        sequences: dict[Unit, list[tuple[int, Operation]]],
        pointers: dict[Unit, Operation],
    ) -> None:
        for position, ilp in enumerate(placement.ilps):
            mine = {(slot.first // self.config.lanes, slot.sign): slot for slot in inputs if slot.ilp == ilp}
            fires = [(phase.step, mine[phase.slices[position], phase.sign]) for phase in self.phases[0]]
            slots = [slot.slot for _, slot in fires]
            slots.append(slots[0] + fires[0][1].stride)
            unit = Unit(ILP, ilp)
            sequences[unit] = [
                (
                    step * STEP_CYCLES + _FIRE,
                    Operation("PULSE", {"fire": 1, "advance": slots[number + 1] - slots[number]}),
                )
                for number, (step, _) in enumerate(fires)
            ]
            pointers[unit] = Operation("PULSE", {"load_pointer": 1, "pointer": slots[0]})
        for output in outputs:
            unit = Unit(OLP, output.olp)
            start = self.readouts[int(output.name.removeprefix("layer"))][0] * STEP_CYCLES
            sequence = sequences.setdefault(unit, [])
            sequence.append((start + _OPEN, Operation("COUNT", {"open": 1})))
            sequence.append((start + _STORE, Operation("COUNT", {"store": 1})))
            pointers[unit] = Operation("COUNT", {"load_pointer": 1})

    def _origin(self, unit: Unit, sequence: Sequence[tuple[int, Operation]]) -> int:
        """Where the unit's loop begins: a pad first loads its pointer, a tile waits if it works beyond the frame."""
        first, last = sequence[0][0], sequence[-1][0]
        if unit.kind is not TILE:
            return first - _PAD_LEAD
        return 0 if last < self.frame_cycles - 1 else first // STEP_CYCLES * STEP_CYCLES

    def _words(
        self,
        unit: Unit,
        sequence: Sequence[tuple[int, Operation]],
        origin: int,
        frames: int,
        pointer: Operation | None,
        replay: Operation | None,
    ) -> tuple[int, ...]:
        """Prologue, loop of `frames` passes of exactly `frame_cycles`, HALT."""
        writer = _Writer(unit)
        if pointer is not None:
            writer.issue(0, pointer)
        writer.wait_until(origin)
        target = len(writer.operations)
        # The first word of the body must issue at the origin, whatever comes first.
        if sequence[0][0] > origin:
            writer.pause(sequence[0][0] - origin)
        for cycle, operation in sequence:
            writer.issue(cycle, operation)
        closing = origin + self.frame_cycles - 1
        if writer.cycle > closing:
            raise MappingError(f"{unit} is still busy in cycle {writer.cycle}, its frame ends in cycle {closing}")
        writer.issue(closing, Operation("LOOP", {"target": target, "count": frames, "level": 0}))
        if replay is not None:
            writer.operations.append(Operation("MESH", replay.fields, STEP_CYCLES - 1))
            writer.operations.append(Operation("MESH"))
        writer.operations.append(Operation("HALT"))
        words = tuple(encode(unit.kind, operation) for operation in writer.operations)
        depth = self.config.program_depth if unit.kind is TILE else self.config.pad_program_depth
        if len(words) > depth:
            raise MappingError(f"the program of {unit} has {len(words)} words, its SRAM holds {depth}")
        return words


class _Writer:
    """Operations at given cycles; the gaps become waits."""

    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.operations: list[Operation] = []
        self.cycle = 0

    def issue(self, cycle: int, operation: Operation) -> None:
        self.wait_until(cycle)
        self.operations.append(operation)
        self.cycle += 1

    def wait_until(self, cycle: int) -> None:
        gap = cycle - self.cycle
        if gap < 0:
            raise MappingError(
                f"{self.unit} has two instructions for cycle {cycle}: its program runs {-gap} cycles late"
            )
        if gap and self.operations:
            last = self.operations[-1]
            stretch = min(gap, MAX_WAIT - last.wait)
            self.operations[-1] = Operation(last.mnemonic, last.fields, last.wait + stretch)
            self.cycle += stretch
            gap -= stretch
        self.pause(gap)

    def pause(self, cycles: int) -> None:
        """NOPs for exactly this many cycles."""
        self.cycle += cycles
        while cycles:
            span = min(cycles, MAX_WAIT + 1)
            self.operations.append(Operation("NOP", wait=span - 1))
            cycles -= span
