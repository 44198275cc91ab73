"""Energy of a network that lives wholly on a chip."""

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from analog_models.programming import program as write_weights
from cosim.compiler import MappingOptions, compile_network
from cosim.engines.twin import TwinEngine, make_chip
from cosim.graph import Activation, FeedForwardNetwork, Layer
from cosim.performance.constants import EnergyConstants
from cosim.workloads.predictions.kws import frame_of
from rtl.config import preset

IDEAL = AnalogConfig.ideal()


def test_the_array_s_share_is_what_the_twin_draws() -> None:
    """At 1.5 V, on a chip without noise: hidden layers' pulses are those of the network itself, but for rounding."""
    random = np.random.default_rng(0)
    network = FeedForwardNetwork(
        (
            Layer(random.uniform(-1, 1, (32, 16)), Activation.RELU, full_scale=6.0),
            Layer(random.uniform(-1, 1, (16, 8)), Activation.LINEAR, full_scale=4.0),
        )
    )
    inputs = random.uniform(-1, 1, (64, 32))
    program = compile_network(network, preset("small"), MappingOptions())
    chip = make_chip(program, IDEAL)
    write_weights(chip, program.targets)
    with chip.counting() as consumed:
        TwinEngine().run(program, chip, inputs)
    drawn = sum(float(tile.charge_fc.sum()) for tile in consumed.values()) / len(inputs)
    constants = EnergyConstants.nominal()
    entry = frame_of(program, network, inputs, constants, IDEAL)
    assert entry.by_mechanism["array"] == pytest.approx(
        1e-6 * constants.tile_v * drawn, rel=0.02
    )  # the slopes of ramps are whole numbers
    assert entry.operations == 2 * (32 * 16 + 16 * 8)
    assert entry.frame_ns == program.frame_cycles
