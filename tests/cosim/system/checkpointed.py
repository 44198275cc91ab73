"""A run with a checkpoint, to be killed: ``python -m tests.cosim.system.checkpointed ENGINE FOLDER``."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.programming_report import ProgrammingReport
from cosim.calibration import CalibratedChip, LayerCalibration
from cosim.compiler import compile_network
from cosim.engines.results import Results
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.system.checkpoint import Checkpoint, ResumableEngine
from rtl.config import preset

SMALL = preset("small")
RUN = {"network": "16-8", "seed": "3"}
CHUNK = 8
FRAMES = {"twin": 400, "rtl": 8000}


def inputs(frames: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(-1, 1, (frames, 16))


def make() -> CalibratedChip:
    """A small chip with one layer of random weights in it."""
    weights = np.random.default_rng(0).uniform(-0.9, 0.9, (16, 8))
    program = compile_network(FeedForwardNetwork((Layer(weights, Activation.LINEAR, full_scale=2.0),)), SMALL)
    chip = make_chip(program, AnalogConfig(), seed=3)
    (tile,) = program.tiles
    both = np.stack([program.targets[tile].wp1, program.targets[tile].wp2])
    g = np.stack([np.maximum(both, 0), np.maximum(-both, 0)], axis=1).reshape(4, *both.shape[1:])
    chip.tile(tile).set_conductances(g * chip.config.pcm.g_max_us)
    pair = (tile, 1)
    report = ProgrammingReport({pair: np.ones((3, 1), np.float32)}, {pair: np.zeros((3, 1), np.float32)}, {pair: 9}, 0)
    layer = LayerCalibration(np.ones(8), np.zeros(8), np.ones(8), np.full(8, 0.5), 4)
    return CalibratedChip(program, chip, report, (layer,))


class Counted:
    """An engine that notes which frames it was asked for, and may take its time."""

    def __init__(self, engine: Any, delay_s: float = 0.0) -> None:
        self.engine, self.delay_s = engine, delay_s
        self.ran: list[int] = []

    def run(self, program: Any, chip: Any, inputs: Any, *, first_frame: int = 0, progress: Any = None) -> Results:
        self.ran += range(first_frame, first_frame + len(inputs))
        time.sleep(self.delay_s)
        return self.engine.run(program, chip, inputs, first_frame=first_frame, progress=progress)


@contextmanager
def resumable(folder: Path, engine: Any, chunk: int = CHUNK) -> Iterator[Callable[[NDArray], Results]]:
    """A function inputs -> Results that keeps what is done in `folder`."""
    with Checkpoint(folder, RUN) as checkpoint:
        chip = checkpoint.chip(make)
        runner = ResumableEngine(lambda: engine, checkpoint, chunk=chunk)
        yield lambda values: runner.run(chip.program, chip.analog, values)


if __name__ == "__main__":
    name, place = sys.argv[1:]
    chosen = TwinEngine() if name == "twin" else RtlEngine(SMALL, quiet=True)
    # The twin is too fast to be caught at work; the RTL's chunks are large, so that it is caught within one.
    with resumable(Path(place), Counted(chosen, 0.02 if name == "twin" else 0.0), 8 if name == "twin" else 1000) as run:
        run(inputs(FRAMES[name]))
