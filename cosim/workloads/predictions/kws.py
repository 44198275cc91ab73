"""Keyword spotting end to end on the chip: the energy of a frame, which the paper does not give."""

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from cosim.compiler import MappingOptions, compile_network
from cosim.graph import FeedForwardNetwork
from cosim.performance.constants import EnergyConstants
from cosim.performance.counting import FrameCounter
from cosim.performance.data import Codes, FrameData
from cosim.performance.numbers import rows_of_program
from cosim.performance.report import EntryReport, frame_report
from cosim.program import Program
from cosim.workloads.kws.model import KwsModel, quantise
from cosim.workloads.kws.workload import load_clips
from rtl.config import ChipConfig

__all__ = ["frame_of", "kws_frame"]


def kws_frame(
    constants: EnergyConstants,
    config: ChipConfig,
    *,
    options: MappingOptions | None = None,
    analog: AnalogConfig | None = None,
    seed: int = 0,
) -> EntryReport:
    """A frame of the network that comes with the package, of synthesised speech.

    Raises
    ------
    MappingError, SynthesiserError
    """
    model = KwsModel.load()
    program = compile_network(model.network, config, options or MappingOptions())
    inputs = quantise(model.prepare(load_clips(seed=seed).features))
    return frame_of(program, model.network, inputs, constants, analog)


def frame_of(
    program: Program,
    network: FeedForwardNetwork,
    inputs: NDArray[np.float64],
    constants: EnergyConstants,
    analog: AnalogConfig | None = None,
) -> EntryReport:
    """A frame of a network that lives wholly on a chip.

    Layers' outputs, which become the rows of the next one, are those without noise; devices are as programmed and as
    they have drifted on average.

    Parameters
    ----------
    program : Program
        What `compile_network` made of the network.
    network : FeedForwardNetwork
    inputs : (frames, inputs) float64
    constants : EnergyConstants
    analog : AnalogConfig, optional
    """
    analog = analog or AnalogConfig()
    durations = {}
    for plan, outputs in zip(program.layers, network.forward(inputs), strict=True):
        codes = np.clip(plan.code_zero + plan.code_scale * outputs, 0, program.duration)
        durations[plan.name] = np.stack([codes.mean(0), (codes >= 0.5).mean(0)])
    data = FrameData(Codes.of(program.input_codes(inputs)), rows_of_program(program, analog), durations)
    operations = 2 * sum(layer.weights.size for layer in network.layers)
    return frame_report("frame", FrameCounter(program).count(data, analog), operations, constants)
