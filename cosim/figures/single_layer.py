"""One random layer, compiled to a chip on its own: how exact its MACs are, whatever the network around it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.programming import program as program_weights
from cosim.calibration import column_lines
from cosim.compiler import LayerOptions, MappingOptions, compile_network
from cosim.engines.twin.engine import TwinEngine, make_chip
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.program import Program
from rtl.config import ChipConfig

__all__ = ["MacError", "compile_layer", "mac_error", "moved", "program_chip", "random_layer", "random_rows"]

Array = NDArray[np.float64]

#: Full scale of a random layer in standard deviations of its MAC.
_FULL_SCALE_SIGMAS = 2.6


def random_layer(rows: int, columns: int, seed: int = 0) -> Layer:
    """A linear layer of weights uniform in [-1, 1].

    Its full scale is 2.6 standard deviations of the MAC of inputs uniform in [-1, 1].
    """
    weights = np.random.default_rng(seed).uniform(-1, 1, (rows, columns))
    return Layer(weights, Activation.LINEAR, _FULL_SCALE_SIGMAS * np.sqrt(rows) / 3)


def random_rows(frames: int, rows: int, driven: int | None = None, seed: int = 1) -> Array:
    """Inputs uniform in [-1, 1], (frames, rows); of `driven` rows, the same random ones in all frames, or of all."""
    rng = np.random.default_rng(seed)
    inputs = rng.uniform(-1, 1, (frames, rows))
    if driven is not None:
        inputs[:, rng.permutation(rows)[driven:]] = 0
    return inputs


def compile_layer(layer: Layer, config: ChipConfig, analog: AnalogConfig, options: LayerOptions) -> Program:
    """The layer as a program for a chip."""
    mapping = MappingOptions(layers={0: options}, bias_duration=0, analog=analog)
    return compile_network(FeedForwardNetwork((layer,)), config, mapping)


def program_chip(program: Program, analog: AnalogConfig, seed: int, *, combined: bool = True) -> AnalogChip:
    """A chip with the program's weights, tuned in closed loop: those of two tiles in the combined configuration."""
    chip = make_chip(program, analog, seed=seed)
    program_weights(chip, program.targets, joined=program.pairs if combined else ())
    return chip


def moved(chip: AnalogChip, program: Program, analog: AnalogConfig) -> AnalogChip:
    """The chip's devices behind other column circuits, which they were not tuned through."""
    other = make_chip(program, analog, seed=chip.seed)
    for tile in program.tiles:
        cells = chip.tile(tile).cells
        other.tile(tile).writable.restore(cells.programmed, cells.exponent, cells.written_s)
    return other


@dataclass(frozen=True)
class MacError:
    """How exact the MACs of a layer are.

    Parameters
    ----------
    rms : float
        Root mean square in units of the full scale.
    signal : float
        Standard deviation of the MACs in the same units.
    """

    rms: float
    signal: float


def mac_error(program: Program, chip: AnalogChip, layer: Layer, inputs: Array) -> MacError:
    """Error of the chip's MACs about each column's own line.

    Slope and offset of a column are calibration's work; they are fitted to the codes that do not saturate. The error is
    that of all MACs within the full scale.

    Parameters
    ----------
    inputs : (frames, rows) in [-1, 1]
    """
    plan = program.layers[0]
    codes = TwinEngine().run(program, chip, inputs).codes[plan.name]
    expected = program.input_codes(inputs) / program.duration @ layer.weights / layer.full_scale
    slopes, offsets = column_lines(expected, codes, plan, program.config.max_code)
    error = (plan.value(codes) - offsets) / slopes - expected
    inside = np.abs(expected) <= 1
    return MacError(float(np.sqrt(np.mean(error[inside] ** 2))), float(expected.std()))
