"""The work that is measured: MVMs of one tile, frames of whole chips, and the matrix products behind them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from time import perf_counter

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.programming import WeightTargets
from analog_models.programming import program as program_weights
from cosim.benchmark.full_frame import full_frame
from cosim.benchmark.machine import peak_mib
from cosim.benchmark.timing import Sample, calls_for, sample
from cosim.benchmark.transcription import transcription
from cosim.compiler import MappingOptions, compile_network
from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.program import Program
from cosim.workloads.kws.model import KwsModel
from rtl.config import ChipConfig, preset

__all__ = [
    "NOMINAL",
    "Case",
    "aihwkit_problem",
    "frames_peak_mib",
    "full_frame_first_use_s",
    "full_frame_work",
    "kws_work",
    "mvm_work",
    "random_inputs",
    "take",
]

#: Spread of random weights, in units of the largest, and of random inputs of the network: those of keyword spotting.
_WEIGHT_SIGMA, _INPUT_SIGMA = 0.2, 0.4
_STEP_CYCLES = 300
#: Constants where nobody says others.
NOMINAL = AnalogConfig()


@dataclass(frozen=True)
class Case:
    """What is measured, and how much of it at once.

    Parameters
    ----------
    work : str
        ``twin mvm``: signed MVMs with asymmetry balance, events in, 8-bit codes out, all noise drawn.
        ``products``: the eight matrix products of such an MVM, phase by phase, in float32; ``products64``: the same in
        float64. ``numpy mvm``: one bare float32 product. ``twin frames``: keyword-spotting frames
        in one call of the twin engine, uncalibrated. ``twin full frames``: the same with frames that fill the chip
        (`full_frame`). ``numpy frames``: the same network in float32, products and
        activations. ``twin transcription``: sentences side by side through the shipped transcription network, on small
        chips a random one; items are seconds of speech. ``aihwkit mvm``: a PCM tile of aihwkit with read noise drawn
        for every MVM.
    batch : int
        MVMs, frames or sentences at once.
    lanes : int
        Rows and columns of a tile; frames run on the preset that has so many.
    tiles : int
        Tiles that work at the same time (`twin mvm`).
    analog : AnalogConfig
        Constants of the chips.
    """

    work: str
    batch: int = 1000
    lanes: int = preset().lanes
    tiles: int = 1
    analog: AnalogConfig = NOMINAL


@cache
def _prepared(case: Case, least_s: float) -> tuple[Callable[[], object], float, int]:
    """Work of a case, items and calls of a sample. Kept for the life of the process, so a round measures work only."""
    items: float
    if case.work == "twin transcription":
        work, items = transcription(case.batch, case.lanes, case.analog)
    else:
        work, items = _WORKS[case.work](case), case.batch * case.tiles
    return work, items, calls_for(work, items, least_s)


def take(case: Case, least_s: float) -> Sample:
    """A sample of a case that takes about `least_s`, or one batch where that takes longer."""
    work, items, calls = _prepared(case, least_s)
    return sample(work, items, calls)


def _inputs(case: Case) -> NDArray[np.int16]:
    """Durations with sign, (batch, lanes): every one of -255 to 255 is as likely."""
    return np.random.default_rng(0).integers(-255, 256, (case.batch, case.lanes)).astype(np.int16)


def _weights(case: Case, seed: int = 1) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(0, _WEIGHT_SIGMA, (case.lanes, case.lanes)), -1, 1)


# ---- MVMs


@cache
def _mvms(lanes: int, tiles: int, analog: AnalogConfig) -> AnalogChip:
    """Tiles with random weights, programmed pulse by pulse as ever."""
    chip = AnalogChip(analog, tiles=range(tiles), rows=lanes, bias_rows=preset().bias_rows, columns=lanes)
    rows = np.zeros((chip.bias_rows, lanes))
    weights = {tile: _weights(Case("", lanes=lanes), tile) for tile in range(tiles)}
    program_weights(chip, {tile: WeightTargets.balanced(np.vstack([w, rows])) for tile, w in weights.items()})
    return chip


def _twin_mvm(case: Case) -> Callable[[], object]:
    """Precharge, four integrations (W and -W, both signs of the inputs), ramp."""
    chip, lanes, tiles = _mvms(case.lanes, case.tiles, case.analog), case.lanes, range(case.tiles)
    bias_rows, largest = chip.bias_rows, preset().max_code
    pulses = {sign: np.zeros((case.batch, lanes + bias_rows), np.uint16) for sign in (1, -1)}
    for sign, times in pulses.items():
        times[:, :lanes] = np.maximum(sign * _inputs(case), 0)
    events = [TileEvent(tile, EventKind.PRECHARGE, 0) for tile in tiles]
    phases = ((True, 1), (True, -1), (False, 1), (False, -1))
    for cycle, (wp1, sign) in zip(range(_STEP_CYCLES, 5 * _STEP_CYCLES, _STEP_CYCLES), phases, strict=True):
        controls = TileControls(wp1=wp1, wp2=not wp1, discharge=wp1 != (sign > 0))
        events += [TileEvent(tile, EventKind.INTEGRATE, cycle, controls, pulses[sign]) for tile in tiles]
    events += [TileEvent(tile, EventKind.RAMP, 4 * _STEP_CYCLES + 10, TileControls()) for tile in tiles]
    frames = np.arange(case.batch, dtype=np.int64)

    def work() -> dict[int, NDArray[np.uint8]]:
        high = chip.serve(frames, events)
        return {tile: np.minimum(times, largest).astype(np.uint8) for tile, times in high.items()}

    return work


def _products(case: Case, dtype: DTypeLike = np.float32) -> Callable[[], object]:
    """Two pairs of devices, two signs of the inputs, means and variances: eight products."""
    inputs = _inputs(case)
    times = [np.maximum(sign * inputs, 0).astype(np.float64) for sign in (1, -1)]
    pairs = [_weights(case, seed) for seed in (1, 2)]
    factors = [(time, pair) for time in times for pair in pairs]
    factors += [(time**2, pair**2) for time, pair in factors]
    products = [(time.astype(dtype), pair.astype(dtype)) for time, pair in factors]
    return lambda: [left @ right for left, right in products]


def _numpy_mvm(case: Case) -> Callable[[], object]:
    inputs, weights = _inputs(case).astype(np.float32), _weights(case).astype(np.float32)
    return lambda: inputs @ weights


def aihwkit_problem() -> str | None:
    """Why aihwkit is not measured, or None if it can be. Nothing of ours needs it, so no problem of its is an error."""
    if find_spec("aihwkit") is None:
        return "not installed"
    try:
        _aihwkit_mvm(Case("aihwkit mvm", 1, 16))()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _aihwkit_mvm(case: Case) -> Callable[[], object]:
    from aihwkit.nn import AnalogLinear
    from aihwkit.simulator.configs import InferenceRPUConfig, WeightNoiseType
    from torch import from_numpy, no_grad, set_num_threads

    set_num_threads(1)
    config = InferenceRPUConfig()
    config.forward.w_noise = 0.0175
    config.forward.w_noise_type = WeightNoiseType.PCM_READ
    config.forward.ir_drop = 1.0
    layer = AnalogLinear(case.lanes, case.lanes, bias=False, rpu_config=config)
    layer.set_weights(from_numpy(_weights(case).T.astype(np.float32)))
    layer.eval()
    inputs = from_numpy(_inputs(case).astype(np.float32) / 255)

    def work() -> object:
        with no_grad():
            return layer(inputs)

    return work


# ---- frames


def _network(lanes: int) -> FeedForwardNetwork:
    """The shipped keyword-spotting network; on tiles too small for it, cut to their lanes."""
    network = KwsModel.load().network
    if lanes >= network.layers[0].outputs:
        return network
    layers = [replace(layer, weights=layer.weights[:lanes, :lanes]) for layer in network.layers]
    return FeedForwardNetwork(tuple(layers))


def kws_work(config: ChipConfig, analog: AnalogConfig = NOMINAL) -> tuple[Program, AnalogChip]:
    """The keyword-spotting network on a chip of its own: compiled and programmed, not calibrated."""
    return _on_chip(_network(config.lanes), config, analog)


def mvm_work(config: ChipConfig, analog: AnalogConfig = NOMINAL) -> tuple[Program, AnalogChip]:
    """One signed MVM with asymmetry balance on one tile of a chip, as a program."""
    case = Case("", lanes=config.lanes)
    layer = Layer(_weights(case), Activation.LINEAR, full_scale=float(np.sqrt(config.lanes)))
    return _on_chip(FeedForwardNetwork((layer,)), config, analog)


def _on_chip(network: FeedForwardNetwork, config: ChipConfig, analog: AnalogConfig) -> tuple[Program, AnalogChip]:
    program = compile_network(network, config, MappingOptions(analog=analog))
    chip = make_chip(program, analog)
    program_weights(chip, program.targets, joined=program.pairs)
    return program, chip


def random_inputs(width: int, frames: int) -> NDArray[np.float64]:
    """Inputs with the spread of keyword spotting's: (frames, width) in [-1, 1]."""
    return np.clip(np.random.default_rng(0).normal(0, _INPUT_SIGMA, (frames, width)), -1, 1)


@cache
def _shared_work(lanes: int, analog: AnalogConfig) -> tuple[Program, AnalogChip]:
    """One programmed network for all cases of a process, on the preset with so many lanes."""
    return kws_work(next(config for config in (preset(), preset("small")) if config.lanes == lanes), analog)


def _twin_frames(case: Case) -> Callable[[], object]:
    program, chip = _shared_work(case.lanes, case.analog)
    engine = TwinEngine()
    inputs = program.input_codes(random_inputs(program.input_width, case.batch))
    return lambda: engine.run(program, chip, inputs)


@cache
def full_frame_work(lanes: int, analog: AnalogConfig = NOMINAL) -> tuple[Program, AnalogChip]:
    """A program whose frames fill the chip, and the programmed chip: one of each for all cases of a process."""
    program = full_frame(replace(preset(), lanes=lanes))
    chip = make_chip(program, analog)
    program_weights(chip, program.targets, joined=program.pairs)
    return program, chip


def full_frame_first_use_s(lanes: int, analog: AnalogConfig = NOMINAL) -> float:
    """Seconds of the first full frame on a programmed chip. To be called in a process that has run none."""
    work = _twin_full_frames(Case("twin full frames", 1, lanes, analog=analog))
    started = perf_counter()
    work()
    return perf_counter() - started


def _twin_full_frames(case: Case) -> Callable[[], object]:
    program, chip = full_frame_work(case.lanes, case.analog)
    engine = TwinEngine()
    inputs = program.input_codes(random_inputs(program.input_width, case.batch))
    return lambda: engine.run(program, chip, inputs)


def _numpy_frames(case: Case) -> Callable[[], object]:
    network = _network(case.lanes)
    weights = [layer.weights.astype(np.float32) for layer in network.layers]
    inputs = random_inputs(network.shape[0], case.batch).astype(np.float32)

    def work() -> NDArray[np.float32]:
        x = inputs
        for matrix in weights[:-1]:
            x = np.maximum(x @ matrix, 0)
        return x @ weights[-1]

    return work


def frames_peak_mib(frames: int, lanes: int, analog: AnalogConfig = NOMINAL) -> float:
    """Largest resident memory of a process in which a batch of keyword-spotting frames runs, MiB: Python, libraries
    and the programmed chip included. To be called in a fresh process.
    """
    _twin_frames(Case("twin frames", frames, lanes, analog=analog))()
    return peak_mib()


_WORKS: dict[str, Callable[[Case], Callable[[], object]]] = {
    "twin mvm": _twin_mvm,
    "products": _products,
    "products64": lambda case: _products(case, np.float64),
    "numpy mvm": _numpy_mvm,
    "twin frames": _twin_frames,
    "twin full frames": _twin_full_frames,
    "numpy frames": _numpy_frames,
    "aihwkit mvm": _aihwkit_mvm,
}
