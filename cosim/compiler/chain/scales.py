"""From a layer's numbers to volts and nanoseconds: capacitors, ramp, weight scale, and the targets of its tiles.

A MAC of the layer's full scale shall move the capacitors by the *swing*, nominally 0.45 V, and the ramp shall pass the
swing in the longest duration, 255 cycles, of a ReLU's readout (it starts near the precharge voltage) or in half of it
of a signed one (it starts a swing below). The weights then fill as much of the devices' range as the steps of 50 fF
allow: strong weights stand out from the devices' noise.

Source: operating point of Nature 620, 768 (2023), Methods; the ReLU's ramp start is our assumption.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.programming import WeightTargets
from cosim.compiler.chain.options import LayerOptions, MappingOptions
from cosim.compiler.errors import MappingError
from cosim.compiler.ramp import SWING_V, code_below, cycles_to_precharge
from cosim.files.wording import counted
from cosim.graph.feed_forward import Activation, Layer
from cosim.program import WEIGHT_UNITS, LayerPlan, Mode
from rtl.config import ChipConfig

__all__ = ["LAST_ZERO", "Site", "layer_targets", "longest_duration", "plan_layer"]

#: Least that the largest weight of a layer may be, of what a pair of devices holds.
_SMALLEST = 2.0**-10
#: Where a ReLU's zero may lie, in cycles after the first of the pulses: early enough to leave 255 cycles, late enough
#: to be tuned both ways.
_FIRST_ZERO, _TYPICAL_ZERO = 11, 17
#: Latest enable offset that leaves 255 cycles to the end of the readout.
LAST_ZERO = 23


@dataclass(frozen=True)
class Site:
    """Where a layer works, and how: what is decided before its scales.

    Parameters
    ----------
    index : int
        Number of the layer.
    mode : Mode
    tiles : tuple of int
        North first.
    reader : int
        The tile that reads out.
    unit_ns : float
        Duration of an input of 1.
    """

    index: int
    mode: Mode
    tiles: tuple[int, ...]
    reader: int
    unit_ns: float


def longest_duration(config: ChipConfig, mapping: MappingOptions) -> int:
    """Code of an input of 1, and of a full-scale output.

    Raises
    ------
    MappingError
        If the option is out of range.
    """
    longest = config.max_code if mapping.duration is None else mapping.duration
    if not 1 <= longest <= config.max_code:
        raise MappingError(f"duration must be 1 to {config.max_code} ns, got {longest}")
    return longest


def plan_layer(layer: Layer, site: Site, config: ChipConfig, mapping: MappingOptions) -> LayerPlan:
    """Scales of one layer.

    Raises
    ------
    MappingError
        If the full scale is out of the ramp's reach, or an option out of its range.
    """
    index, tiles, analog, options = site.index, site.tiles, mapping.analog, mapping.layer(site.index)
    relu = layer.activation is Activation.RELU
    longest = longest_duration(config, mapping)
    cycles = longest if relu else longest / 2
    largest = float(np.abs(layer.weights).max()) or 1.0
    mac_ns = layer.full_scale * site.unit_ns * site.mode.gain

    def volts(capacitors: int) -> float:
        """Capacitor voltage of the full-scale MAC, weights unscaled."""
        return analog.volts_per_weight_ns(capacitors * len(tiles)) * mac_ns

    # A ramp of full slope reaches less than that in a short readout.
    reach = 255 * analog.volts_per_cycle(1) * cycles
    swing = min(SWING_V, reach) if options.swing_v is None else options.swing_v
    if options.max_weight is not None and options.weight_scale is None:
        largest *= WEIGHT_UNITS / options.max_weight  # a pair of devices may not hold more than that
    fitting = [count for count in range(1, 9) if swing / volts(count) * largest <= 1]
    capacitors = options.capacitors or max(fitting, default=1)
    if options.swing_v is None and options.weight_scale is None:
        swing = min(swing, volts(capacitors) / largest)  # the strongest weights do not reach the nominal swing
    slope = int(swing / cycles / analog.volts_per_cycle(1) + 1e-6)
    if not 1 <= slope <= 255:
        raise MappingError(
            f"layer {index}: a full scale of {layer.full_scale:.4g} is {swing:.3g} V on "
            f"{counted(capacitors, 'capacitor')}, which needs ramp slope {slope}; the ramp has 1 to 255"
        )
    step_v = analog.volts_per_cycle(slope)
    scale = options.weight_scale or step_v * cycles / volts(capacitors)
    if scale * largest > 1 + 1e-6:
        raise MappingError(
            f"layer {index}: weights up to {largest:.4g} times weight scale {scale:.4g} exceed 1, the most that a pair "
            "of devices holds; use fewer capacitors or a smaller swing"
        )
    if scale * largest < _SMALLEST:
        raise MappingError(
            f"layer {index}: for a full scale of {layer.full_scale:.4g} its largest weight becomes "
            f"{scale * largest:.3g} of what a pair of devices holds, at least {_SMALLEST:.3g} is needed; use a smaller "
            "full scale"
        )
    start = _relu_start(step_v, analog) if relu else code_below(swing, analog)
    crossing = cycles_to_precharge(start, step_v, analog)
    offset = options.enable_offset
    if offset is None:
        offset = round(crossing) if relu else 0
    if not 0 <= start <= 255 or not 0 <= offset <= LAST_ZERO:
        raise MappingError(
            f"layer {index}: ramp start {start} and enable offset {offset} must be 0 to 255 and 0 to {LAST_ZERO}; "
            "use a smaller swing"
        )
    return LayerPlan(
        name=f"layer{index}",
        inputs=layer.inputs,
        outputs=layer.outputs,
        activation=layer.activation,
        mode=site.mode,
        tiles=tiles,
        reader=site.reader,
        capacitors=capacitors,
        ramp_start=start,
        ramp_slope=slope,
        enable_offset=offset,
        bias_durations=_bias(index, config, options, mapping.bias_duration),
        weight_scale=float(min(scale, 1 / largest)),
        readout_bits=options.readout_bits,
        max_weight=options.max_weight,
        code_per_weight_ns=analog.volts_per_weight_ns(capacitors * len(tiles)) / step_v,
        code_scale=float(volts(capacitors) * scale / step_v),
        code_zero=float(crossing - offset),
    )


def _relu_start(step_v: float, analog: AnalogConfig) -> int:
    """The start from which the ramp passes the precharge level nearest to a whole cycle, where the window can open.

    At half slope that is 30 mV below, 17 cycles.
    """

    def quality(start: int) -> tuple[float, float]:
        crossing = cycles_to_precharge(start, step_v, analog)
        return round(abs(crossing - round(crossing)), 6), abs(crossing - _TYPICAL_ZERO)

    highest, lowest = (code_below(cycles * step_v, analog) for cycles in (_FIRST_ZERO, LAST_ZERO - 3))
    return min(range(lowest, highest + 1), key=quality)


def _bias(index: int, config: ChipConfig, options: LayerOptions, default: int) -> tuple[int, ...]:
    durations = options.bias_durations or (default,) * config.bias_rows
    if len(durations) != config.bias_rows or not all(0 <= ns <= config.max_code for ns in durations):
        raise MappingError(
            f"layer {index}: bias durations must be {config.bias_rows} numbers, 0 to {config.max_code}, got {durations}"
        )
    return tuple(durations)


def layer_targets(layer: Layer, plan: LayerPlan, config: ChipConfig) -> dict[int, WeightTargets]:
    """What to program into each tile of a layer; the bias rows are zero until calibration sets them."""
    lanes, count = config.lanes, len(plan.tiles)
    scaled = plan.on_grid(layer.weights * plan.weight_scale)

    def rows(number: int) -> NDArray[np.float64]:
        """Weights of input slice `number`, filled up with zeros to the size of a tile."""
        block = np.zeros((config.total_rows, lanes))
        part = scaled[number * lanes : (number + 1) * lanes]
        block[: part.shape[0], : part.shape[1]] = part
        return block

    targets = {}
    for position, tile in enumerate(plan.tiles):
        weights = rows(position)
        match plan.mode:
            case Mode.BALANCED:
                targets[tile] = WeightTargets.balanced(weights)
            case Mode.DOUBLE:
                targets[tile] = WeightTargets.four_pcm(weights)
            case Mode.STACKED:
                targets[tile] = WeightTargets(weights, rows(position + count))
    return targets
