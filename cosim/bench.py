"""How fast the twin is: MACs and frames a second, beside the matrix products that numpy needs for the same.

Everything is measured in one thread and in CPU time, so that other work on the machine stretches it little; figures are
medians over repeats. `duramesh bench` prints them.

>>> from cosim.bench import in_one_thread, twin_mvm
>>> in_one_thread(twin_mvm, 1000).per_s  # doctest: +SKIP
24800.0
"""

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.programming import WeightTargets
from analog_models.programming import program as program_weights
from cosim.compiler import MappingOptions, compile_network
from cosim.kws.model import KwsModel
from cosim.program import Program
from cosim.twin import TwinEngine, make_chip
from rtl.config import preset

__all__ = ["Rate", "in_one_thread", "numpy_mvm", "peak_mib", "twin_frames", "twin_mvm", "unmerged_products"]

#: Rows and columns of the measured MAC: one tile.
SIZE = 512
#: Spread of the weights, in units of the largest, and of the keyword-spotting inputs.
_WEIGHT_SIGMA, _INPUT_SIGMA = 0.2, 0.4
#: Work of one repeat, in MACs: enough to be timed.
_MACS = 400
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_P = ParamSpec("_P")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Rate:
    """What was measured: `items` a repeat, and the seconds of each repeat."""

    items: int
    seconds: tuple[float, ...]

    @property
    def per_s(self) -> float:
        """Items a second: the median over repeats."""
        return self.items / median(self.seconds)

    @property
    def spread(self) -> float:
        """Slowest over fastest repeat."""
        return max(self.seconds) / min(self.seconds)


def _timed(work: Callable[[], object], items: int, repeats: int) -> Rate:
    """Time `work`, which does `items`, after one run that nobody times."""
    work()
    calls = max(1, _MACS // items)
    seconds = []
    for _ in range(repeats):
        began = process_time()
        for _ in range(calls):
            work()
        seconds.append(process_time() - began)
    return Rate(items * calls, tuple(seconds))


def _signed_inputs(rng: np.random.Generator, batch: int) -> NDArray[np.int16]:
    """Durations with sign, (batch, SIZE): every one of -255 to 255 is as likely."""
    return rng.integers(-255, 256, (batch, SIZE)).astype(np.int16)


def balanced_mac(batch: int) -> Callable[[], NDArray[np.uint16]]:
    """One signed MAC of a nominal tile with asymmetry balance, from the precharge to the code, all noise drawn.

    Returns
    -------
    function without arguments
        Serves the six events of `batch` MACs and returns crossing times, (batch, SIZE).
    """
    rng = np.random.default_rng(0)
    config = preset()
    rows = config.total_rows
    chip = AnalogChip(AnalogConfig(), tiles=[0], rows=config.lanes, bias_rows=config.bias_rows, columns=config.lanes)
    weights = np.clip(rng.normal(0, _WEIGHT_SIGMA, (rows, SIZE)), -1, 1)
    program_weights(chip, {0: WeightTargets.balanced(weights)})
    inputs = _signed_inputs(rng, batch)
    pulses = {sign: np.zeros((batch, rows), np.uint16) for sign in (1, -1)}
    for sign, times in pulses.items():
        times[:, :SIZE] = np.maximum(sign * inputs, 0)
    step = 300  # cycles from one phase to the next
    events = [TileEvent(0, EventKind.PRECHARGE, 0)]
    for number, (wp1, sign) in enumerate(((True, 1), (True, -1), (False, 1), (False, -1)), 1):
        controls = TileControls(wp1=wp1, wp2=not wp1, discharge=wp1 != (sign > 0))
        events.append(TileEvent(0, EventKind.INTEGRATE, step * number, controls, pulses[sign]))
    events.append(TileEvent(0, EventKind.RAMP, 4 * step + 10, TileControls()))
    frames = np.arange(batch)
    return lambda: chip.serve(frames, events)[0]


def twin_mvm(batch: int, repeats: int = 9) -> Rate:
    """512 x 512 signed MACs with asymmetry balance: four phases, capacitor, ramp, comparator."""
    return _timed(balanced_mac(batch), batch, repeats)


def unmerged_products(batch: int, repeats: int = 9, dtype: DTypeLike = np.float64) -> Rate:
    """The matrix products of such a MAC without merging: two pairs, two signs, means and variances; eight in all."""
    rng = np.random.default_rng(0)
    inputs = _signed_inputs(rng, batch)
    parts = [np.maximum(sign * inputs, 0).astype(dtype) for sign in (1, -1)]
    means = [rng.normal(0, _WEIGHT_SIGMA, (SIZE, SIZE)).astype(dtype) for _ in range(2)]
    variances = [mean * mean for mean in means]
    pairs = [(part, mean) for part in parts for mean in means]
    pairs += [(part * part, variance) for part in parts for variance in variances]
    return _timed(lambda: [left @ right for left, right in pairs], batch, repeats)


def numpy_mvm(batch: int, dtype: DTypeLike = np.float64, repeats: int = 9) -> Rate:
    """One bare 512 x 512 product: what the machine can do."""
    rng = np.random.default_rng(0)
    inputs = _signed_inputs(rng, batch).astype(dtype)
    weights = rng.normal(0, _WEIGHT_SIGMA, (SIZE, SIZE)).astype(dtype)
    return _timed(lambda: inputs @ weights, batch, repeats)


def kws_chip() -> tuple[Program, AnalogChip]:
    """The keyword-spotting network, compiled and programmed; not calibrated, which changes no work."""
    program = compile_network(KwsModel.load().network, preset(), MappingOptions())
    chip = make_chip(program)
    program_weights(chip, program.targets)
    return program, chip


def kws_inputs(frames: int) -> NDArray[np.float64]:
    """Inputs with the spread of the real ones, in [-1, 1]."""
    width = KwsModel.load().network.layers[0].inputs
    return np.clip(np.random.default_rng(0).normal(0, _INPUT_SIGMA, (frames, width)), -1, 1)


def twin_frames(frames: int, repeats: int = 9, batch: int | None = None) -> Rate:
    """Keyword-spotting frames through the twin engine, `batch` of them at once (by default, as many as the engine)."""
    program, chip = kws_chip()
    engine = TwinEngine() if batch is None else TwinEngine(batch=batch)
    inputs = kws_inputs(frames)
    return _timed(lambda: engine.run(program, chip, inputs), frames, repeats)


def peak_mib(frames: int, batch: int | None = None) -> float:
    """Largest resident memory of a process that runs so many keyword-spotting frames, Python and weights included."""
    return in_one_thread(_peak, frames, batch)


def _peak(frames: int, batch: int | None) -> float:
    twin_frames(frames, repeats=1, batch=batch)
    unit = 1 if sys.platform == "darwin" else 1 << 10  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / (1 << 20)


def in_one_thread(function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Call a function of this module in a process of its own whose BLAS has one thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(function, *args, **kwargs).result()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _lines() -> Sequence[str]:
    """A table of the figures above."""
    rates: dict[str, tuple[Callable[..., Rate], int]] = {
        "AB MAC, twin, batch 1": (twin_mvm, 1),
        "AB MAC, twin, batch 1,000": (twin_mvm, 1000),
        "its eight products, batch 1,000": (unmerged_products, 1000),
        "bare product, float64, batch 1": (numpy_mvm, 1),
        "bare product, float64, batch 1,000": (numpy_mvm, 1000),
        "keyword-spotting frames, twin, 1,000": (twin_frames, 1000),
    }
    lines = []
    for name, (function, batch) in rates.items():
        rate = in_one_thread(function, batch)
        lines.append(f"{name:<40} {rate.per_s:>10,.0f} /s   slowest over fastest {rate.spread:.2f}")
    lines.append(f"{'memory for 1,000 frames':<40} {peak_mib(1000, 1000):>10,.0f} MiB")
    return lines


if __name__ == "__main__":
    print("\n".join(_lines()))
