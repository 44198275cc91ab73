"""Calibration on the small chip: what it measures is there, and what it sets removes it."""

from dataclasses import replace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.calibration import calibrate
from cosim.network import Activation, FeedForwardNetwork, Layer
from cosim.twin import TwinEngine
from rtl.config import preset

SEED = 20230823


@pytest.fixture(scope="module")
def network() -> FeedForwardNetwork:
    rng = np.random.default_rng(SEED)
    return FeedForwardNetwork(
        (
            Layer(np.clip(rng.normal(0, 0.3, (32, 16)), -1, 1), Activation.RELU, 4.0),
            Layer(np.clip(rng.normal(0, 0.3, (16, 6)), -1, 1), Activation.LINEAR, 3.0),
        )
    )


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    return np.random.default_rng(SEED + 1).uniform(-1, 1, (300, 32))


@pytest.fixture(scope="module")
def calibrated(network, inputs):
    return calibrate(network, preset("small"), inputs, seed=SEED)


def test_slopes_and_offsets_are_gone(calibrated):
    for layer in calibrated.layers:
        assert np.abs(layer.slopes - 1).mean() > 0.005  # there was something to correct
        assert np.abs(layer.offsets).max() > 0.01
        assert np.abs(layer.residual_offsets).max() < 0.01
        assert abs(layer.residual_slopes.mean() - 1) < abs(layer.slopes.mean() - 1) + 0.01


def test_calibrated_chip_is_closer_to_software(calibrated, network, inputs):
    config = preset("small")
    raw = calibrate(network, config, inputs[:0], seed=SEED)
    fresh = np.random.default_rng(SEED + 2).uniform(-1, 1, (200, 32))

    def error(chip) -> float:
        results = TwinEngine().run(chip.program, chip.analog, fresh)
        return float(np.sqrt(np.mean((results.values("layer1") - network.forward(fresh)[-1]) ** 2)))

    assert raw.layers == ()
    assert error(calibrated) < 0.9 * error(raw)


def test_equal_seeds_give_equal_chips(calibrated, network, inputs):
    again = calibrate(network, preset("small"), inputs, seed=SEED)
    assert again.program.units == calibrated.program.units
    for tile, targets in calibrated.program.targets.items():
        np.testing.assert_array_equal(targets.wp1, again.program.targets[tile].wp1)
    codes = [TwinEngine().run(chip.program, chip.analog, inputs[:5]).output for chip in (again, calibrated)]
    np.testing.assert_array_equal(*codes)


def test_ideal_chip_needs_no_calibration(network, inputs):
    chip = calibrate(network, preset("small"), inputs, analog=AnalogConfig.ideal(), seed=SEED)
    for layer in chip.layers:
        np.testing.assert_allclose(layer.slopes, 1, atol=0.02)
        np.testing.assert_allclose(layer.offsets, 0, atol=0.005)


def test_offsets_follow_the_chip(network, inputs):
    """A chip with five times the switch injection shows it in the offsets that are measured."""
    nominal = AnalogConfig()
    sigma = nominal.periphery.phase_offset_sigma_fc
    worse = replace(nominal, periphery=replace(nominal.periphery, phase_offset_sigma_fc=5 * sigma))
    offsets = [
        np.abs(calibrate(network, preset("small"), inputs, analog=analog, seed=SEED).layers[0].offsets).mean()
        for analog in (nominal, worse)
    ]
    assert offsets[1] > 2 * offsets[0]
