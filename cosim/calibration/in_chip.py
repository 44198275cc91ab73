"""Calibration in hardware: column slopes, bias rows and the ReLU window, measured on a chip and put back into it.

The paper's three steps, layer by layer, so that every layer is measured with the inputs that the calibrated layers
before it give (Nature 620, 768 (2023), Methods, "KWS"):

1. nominal weights are programmed;
2. MACs of a set of validation inputs give one slope per column, and the weights are programmed anew, scaled;
3. each column's MAC is shifted to where it belongs by programming the eight bias rows.

Then the ReLU is tuned with the same inputs: the cycle in which the output-enable window opens.

A chip whose devices have drifted is put right without programming its weights anew (`recalibrate`): the ramp's slope
takes up what a layer has lost on average, bias rows and window are set again.

A layer is measured by a program of its own: the network cut off behind it, read out with the signed ramp, so that
negative results are seen too. Nothing but output-landing-pad codes enters the fits.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.programming import WeightTargets
from analog_models.programming import program as program_weights
from analog_models.programming_report import ProgrammingReport
from analog_models.values import real_numbers
from cosim.calibration.chip import CalibratedChip, LayerCalibration
from cosim.calibration.lines import column_lines
from cosim.compiler import LayerOptions, MappingOptions, compile_network
from cosim.compiler.chain.scales import LAST_ZERO, longest_duration
from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.files.errors import UserError
from cosim.graph.feed_forward import Activation, FeedForwardNetwork
from cosim.program import LayerPlan, Mode, Program
from rtl.config import ChipConfig

__all__ = ["RECALIBRATION", "STEPS", "CalibrationError", "Step", "calibrate", "recalibrate"]

Array = NDArray[np.float64]
Say = Callable[[str], None]
Advance = Callable[[int, int], None]

#: Share of the largest programmable weight that nominal weights may use; the rest is room for the slopes.
_HEADROOM = 0.9
#: Steepest ramp of a ReLU layer: it is measured with a signed readout, in half the cycles and twice as steep.
_STEEPEST = 255 // 2
#: Frame numbers of calibration runs begin here, so that their noise is not that of the frames measured later.
_FIRST_FRAME = 1 << 40
#: Durations of the trimming half of the bias rows, as a share of the others'.
_TRIM = 8
#: Candidates for the opening of the ReLU window, in cycles around the nominal one.
_WINDOW = range(-2, 3)


class CalibrationError(UserError, ValueError):
    """A chip cannot be calibrated so; the message says why."""


class Step(StrEnum):
    """What calibration can do for a layer; whatever is chosen is done in this order."""

    SLOPES = "slopes"  #: the weights are programmed anew, every column scaled by its measured slope
    GAIN = "gain"  #: the ramp's slope follows the columns' median slope; the window returns to its nominal place
    BIAS = "bias rows"  #: every column is shifted to where it belongs
    WINDOW = "ReLU window"  #: the window opens where the error after the activation is smallest


#: The paper's calibration of a fresh chip.
STEPS = (Step.SLOPES, Step.BIAS, Step.WINDOW)
#: What puts a chip right and leaves its weights alone.
RECALIBRATION = (Step.GAIN, Step.BIAS, Step.WINDOW)


def calibrate(
    network: FeedForwardNetwork,
    config: ChipConfig,
    inputs: ArrayLike | None,
    *,
    options: MappingOptions | None = None,
    analog: AnalogConfig | None = None,
    seed: int = 0,
    steps: Collection[Step] = STEPS,
    say: Say | None = None,
    advance: Advance | None = None,
) -> CalibratedChip:
    """Compile `network`, program a chip with it, and calibrate the chip.

    Parameters
    ----------
    network : FeedForwardNetwork
    config : ChipConfig
    inputs : (N, width) floats in [-1, 1], or None
        Validation inputs; the paper took 1,000. With None the chip is programmed and not calibrated.
    options : MappingOptions, optional
    analog : AnalogConfig, optional
        Nominal constants by default.
    seed : int
        The chip: its mismatch, programming and noise.
    steps : collection of Step
        With none, slopes and offsets are measured, and nothing is set.
    say : callable (what is being done), optional
    advance : callable (done, total), optional
        How far the programming of the weights is.

    Raises
    ------
    CalibrationError
        If there are no inputs, or of another width.
    MappingError, ProgramError, VectorError
        From compiling and running.
    """
    say = say or _silent
    inputs = None if inputs is None else _checked(inputs, network)
    analog = analog or AnalogConfig()
    pinned = _pinned(network, config, replace(options or MappingOptions(), analog=analog))
    program = compile_network(network, config, pinned)
    chip = make_chip(program, analog, seed=seed)
    session = _Session(network, program, chip, pinned, written_s=0.0, say=say)
    say("programming the weights")
    report = program_weights(chip, program.targets, joined=program.pairs, progress=advance)
    return session.run(inputs, steps, report)


def recalibrate(
    chip: CalibratedChip,
    network: FeedForwardNetwork,
    inputs: ArrayLike,
    *,
    steps: Collection[Step] = RECALIBRATION,
    say: Say | None = None,
) -> CalibratedChip:
    """Calibrate a chip again as it is now, at the age that `AnalogChip.set_age` gave it; its weights stay.

    Bias rows that are programmed anew are as old now as all devices were when the chip was first calibrated: in both
    cases an hour passes between programming and reads (`AnalogConfig.age_s`).

    Parameters
    ----------
    chip : CalibratedChip
        It is not changed: the result has a copy of the analog part.
    network : FeedForwardNetwork
        That the chip was programmed with.
    inputs : (N, width) floats in [-1, 1]
    steps : collection of Step
        Not `Step.SLOPES`.
    say : callable (what is being done), optional

    Raises
    ------
    CalibrationError
        On `Step.SLOPES`: to program the weights anew is to `calibrate` anew. If there are no inputs, or of another
        width.
    MappingError, ProgramError, VectorError
        From compiling and running.
    """
    if Step.SLOPES in steps:
        raise CalibrationError(
            "recalibrate leaves the weights alone, so it cannot scale them (Step.SLOPES); use calibrate"
        )
    inputs = _checked(inputs, network)
    analog = chip.analog.copy()
    written_s = max(0.0, analog.config.age_s - chip.options.analog.age_s)
    session = _Session(network, chip.program, analog, chip.options, written_s=written_s, say=say or _silent)
    return session.run(inputs, steps, chip.programming)


def _silent(_: str) -> None:
    pass


def _checked(inputs: ArrayLike, network: FeedForwardNetwork) -> Array:
    """Inputs to calibrate with."""
    array, width = real_numbers(inputs, "inputs of a calibration"), network.layers[0].inputs
    if array.ndim != 2 or array.shape[1] != width or not len(array):
        raise CalibrationError(
            f"a calibration needs inputs of shape (1 or more, {width}), got {array.shape}; "
            "with None for inputs the chip is programmed and not calibrated"
        )
    return array


def _pinned(network: FeedForwardNetwork, config: ChipConfig, options: MappingOptions) -> MappingOptions:
    """The options with every choice of the compiler fixed: recompiling changes only what calibration sets."""
    nominal = compile_network(network, config, options)
    steep = {
        index: replace(options.layer(index), swing_v=_swing_v(plan, _STEEPEST, options.analog))
        for index, plan in enumerate(nominal.layers)
        if plan.activation is Activation.RELU and plan.ramp_slope > _STEEPEST
    }
    if steep:  # less swing lets more capacitors be taken for the same weights
        nominal = compile_network(network, config, replace(options, layers={**options.layers, **steep}))
    squares = config.floorplan.tiles
    layers = {}
    for index, plan in enumerate(nominal.layers):
        largest = plan.weight_scale * float(np.abs(network.layers[index].weights).max())
        # A smaller swing for the same MAC is a smaller weight.
        slope = plan.ramp_slope * (min(1.0, _HEADROOM / largest) if largest else 1.0)
        if plan.activation is Activation.RELU:
            # A whole slope, so that twice the slope, with which the layer is measured, is the same scale.
            slope = max(1.0, np.floor(slope + 1e-6))
        layers[index] = LayerOptions(
            mode=plan.mode,
            capacitors=plan.capacitors,
            swing_v=_swing_v(plan, slope, options.analog),
            bias_durations=(0,) * config.bias_rows,
        )
    placement = {index: tuple(squares[tile] for tile in plan.tiles) for index, plan in enumerate(nominal.layers)}
    return replace(options, placement=placement, layers=layers)


def _swing_v(plan: LayerPlan, slope: float, analog: AnalogConfig) -> float:
    """That a ramp of some slope passes in a full-scale output."""
    return plan.code_scale * analog.volts_per_cycle(1) * slope


class _Session:
    """One calibration on its way: options and targets grow more exact with each step.

    Parameters
    ----------
    network : FeedForwardNetwork
    program : Program
        As `options` give it, with the targets that `chip` has been, or will be, programmed to.
    chip : AnalogChip
        It is changed.
    options : MappingOptions
        With all choices fixed.
    written_s : float
        When rows are programmed, as `analog_models.program` takes it.
    say : callable (what is being done)
    """

    def __init__(
        self,
        network: FeedForwardNetwork,
        program: Program,
        chip: AnalogChip,
        options: MappingOptions,
        *,
        written_s: float,
        say: Say,
    ) -> None:
        self.network, self.config, self.chip = network, program.config, chip
        self.options, self.written_s, self.say = options, written_s, say
        #: Layers before the one that is measured answer as they did: calibration inputs are the same.
        self.engine = TwinEngine(remembers=True)
        self.plans = program.layers
        for index, plan in enumerate(self.plans):
            self._set(index, enable_offset=plan.enable_offset)
        self.targets: dict[int, WeightTargets] = dict(program.targets)

    def _compile(self) -> Program:
        return compile_network(self.network, self.config, self.options)

    def run(self, inputs: Array | None, steps: Collection[Step], report: ProgrammingReport) -> CalibratedChip:
        layers: tuple[LayerCalibration, ...] = ()
        if inputs is not None:
            layers = tuple(self._layer(index, inputs, steps) for index in range(len(self.network.layers)))
        return CalibratedChip(self._compile().with_targets(self.targets), self.chip, report, layers, self.options)

    def _layer(self, index: int, inputs: Array, steps: Collection[Step]) -> LayerCalibration:
        name = self.plans[index].name
        self.say(f"{name}: measuring column slopes")
        slopes, offsets = self._measure(index, inputs)
        if Step.SLOPES in steps:
            self.say(f"{name}: programming scaled weights")
            self._scale(index, slopes)
        if Step.GAIN in steps:
            self._set_ramp(index, slopes)
        if Step.BIAS in steps:
            self.say(f"{name}: shifting columns with the bias rows")
            offsets = self._balance(index, inputs)
        residual = self._measure(index, inputs)
        if Step.WINDOW in steps and self.network.layers[index].activation is Activation.RELU:
            self.say(f"{name}: tuning the ReLU window")
            self._tune_window(index, inputs)
        offset = self.options.layers[index].enable_offset
        assert offset is not None
        return LayerCalibration(slopes, offsets, *residual, offset)

    def _set(self, index: int, **changes: object) -> None:
        layers = dict(self.options.layers)
        layers[index] = replace(layers[index], **changes)  # type: ignore[arg-type]
        self.options = replace(self.options, layers=layers)

    # Measuring.

    def _cut(self, index: int, *, signed: bool) -> tuple[FeedForwardNetwork, MappingOptions]:
        """The network up to layer `index`, as it is or with a signed readout, on the same tiles."""
        layers = list(self.network.layers[: index + 1])
        options = {i: layer for i, layer in self.options.layers.items() if i <= index}
        if signed and layers[-1].activation is Activation.RELU:
            layers[-1] = replace(layers[-1], activation=Activation.LINEAR)
            options[index] = replace(options[index], enable_offset=None)
        placement = {i: squares for i, squares in self.options.placement.items() if i <= index}
        overlapped = self.options.overlapped and index > 0  # a single layer cannot integrate while it is read out
        mapping = replace(self.options, layers=options, placement=placement, overlapped=overlapped)
        return FeedForwardNetwork(tuple(layers)), mapping

    def _observe(self, index: int, inputs: Array, *, signed: bool) -> tuple[Array, NDArray[np.uint8], LayerPlan]:
        """Inputs of layer `index`, as the chip's rows take them, its output codes, and the plan that these obey."""
        network, options = self._cut(index, signed=signed)
        program = compile_network(network, self.config, options)
        results = self.engine.run(program, self.chip, inputs, first_frame=_FIRST_FRAME)
        if index:  # durations, as the next tile's rows take them
            before = program.layers[index - 1]
            previous = before.durations(results.codes[before.name]) / program.duration
        else:
            previous = program.input_codes(inputs) / program.duration
        return previous, results.codes[f"layer{index}"], program.layers[index]

    def _measure(self, index: int, inputs: Array) -> tuple[Array, Array]:
        """Slope and offset of every column: a line through measured over expected outputs."""
        x, codes, plan = self._observe(index, inputs, signed=True)
        layer = self.network.layers[index]
        expected = x @ layer.weights / layer.full_scale
        return column_lines(expected, codes, plan, self.config.max_code)

    # Putting it back into the chip.

    def _scale(self, index: int, slopes: Array) -> None:
        gain = np.ones(self.config.lanes)
        gain[: len(slopes)] = 1 / slopes
        mesh_rows = np.arange(self.config.lanes)
        for tile in self.plans[index].tiles:
            wp1, wp2 = (_copy(array) for array in (self.targets[tile].wp1, self.targets[tile].wp2))
            for array in (wp1, wp2):
                array[mesh_rows] = self.plans[index].on_grid(array[mesh_rows] * gain)
            self.targets[tile] = WeightTargets(wp1, wp2)
        self._program(index, mesh_rows)

    def _set_ramp(self, index: int, slopes: Array) -> None:
        """Let the ramp pass the full-scale output, as the columns give it, in as many cycles as it should."""
        plan = self.plans[index]
        slope = max(1, round(plan.ramp_slope * float(np.median(slopes))))
        swing_v = plan.code_scale * self.options.analog.volts_per_cycle(slope)
        self._set(index, swing_v=swing_v, enable_offset=None)
        self.plans = self._compile().layers
        self._set(index, enable_offset=self.plans[index].enable_offset)

    def _balance(self, index: int, inputs: Array) -> Array:
        """Program the bias rows to shift every column to where it belongs; gives the offsets without them."""
        rows = self.config.bias_rows
        half = rows // 2
        self._set(index, bias_durations=(0,) * rows)
        _, offsets = self._measure(index, inputs)
        coarse = self._bias_duration(index, offsets, half)
        self._set(index, bias_durations=(coarse,) * half + (max(1, coarse // _TRIM),) * (rows - half))
        # Two halves, the second to trim what the first one's programming error left.
        main, trim = range(half), range(half, rows)
        if self._holds(index, trim):  # the last calibration's trim
            self._shift(index, np.zeros_like(offsets), trim)
        self._shift(index, offsets, main)
        _, left = self._measure(index, inputs)
        self._shift(index, left, trim)
        return offsets

    def _holds(self, index: int, bias_rows: range) -> bool:
        """Whether these bias rows have targets other than 0."""
        rows = self.config.lanes + np.array(bias_rows)
        return any(np.any(_copy(self.targets[tile].wp1)[rows]) for tile in self.plans[index].tiles)

    def _bias_unit(self, index: int) -> float:
        """Output, in units of the full scale, of one bias row of weight 1 for 1 ns in each of the layer's tiles."""
        plan = self.plans[index]
        # The bias phase is the layer's first: it reads WP1, or both pairs at once.
        pairs = 2 if plan.mode is Mode.DOUBLE else 1
        return plan.code_per_weight_ns * pairs * len(plan.tiles) / plan.code_scale

    def _bias_duration(self, index: int, offsets: Array, rows: int) -> int:
        """Shortest pulse with which `rows` rows reach the largest offset: large weights have the smallest error."""
        reach = float(np.abs(offsets).max()) / (self._bias_unit(index) * rows)
        return int(np.clip(np.ceil(reach / _HEADROOM), _TRIM, self.config.max_code))

    def _shift(self, index: int, offsets: Array, bias_rows: range) -> None:
        plan = self.plans[index]
        durations = self.options.layers[index].bias_durations
        assert durations is not None
        time = sum(durations[row] for row in bias_rows)
        rows = self.config.lanes + np.array(bias_rows)
        weight = np.clip(-offsets / (self._bias_unit(index) * time), -1, 1)
        for tile in plan.tiles:
            wp1, wp2 = (_copy(array) for array in (self.targets[tile].wp1, self.targets[tile].wp2))
            for array in (wp1, wp2) if plan.mode is Mode.DOUBLE else (wp1,):
                array[rows[:, np.newaxis], np.arange(len(weight))] = weight
            self.targets[tile] = WeightTargets(wp1, wp2)
        self._program(index, rows)

    def _program(self, index: int, rows: NDArray[np.int64]) -> None:
        tiles = self.plans[index].tiles
        joined = [(tiles[0], tiles[1])] if len(tiles) == 2 else []
        targets = {tile: self.targets[tile] for tile in tiles}
        program_weights(self.chip, targets, rows=rows, joined=joined, written_s=self.written_s)

    def _tune_window(self, index: int, inputs: Array) -> None:
        """The opening of the output-enable window with the smallest error after the activation."""
        nominal = self.options.layers[index].enable_offset
        assert nominal is not None
        errors = {}
        for offset in (nominal + step for step in _WINDOW if 0 <= nominal + step <= LAST_ZERO):
            self._set(index, enable_offset=offset)
            x, codes, plan = self._observe(index, inputs, signed=False)
            found = plan.durations(codes) / longest_duration(self.config, self.options)
            errors[offset] = float(np.mean((found - self.network.layers[index].forward(x)) ** 2))
        self._set(index, enable_offset=min(errors, key=lambda offset: errors[offset]))


def _copy(array: Array | None) -> Array:
    assert array is not None
    return array.copy()
