"""Calibration on the small chip: what it measures is there, and what it sets removes it."""

from dataclasses import replace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.calibration import CalibratedChip, Step, calibrate, recalibrate
from cosim.compiler import MappingOptions, compile_network
from cosim.engines.twin.engine import TwinEngine
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
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
    raw = calibrate(network, config, None, seed=SEED)
    fresh = np.random.default_rng(SEED + 2).uniform(-1, 1, (200, 32))

    def error(chip) -> float:
        results = TwinEngine().run(chip.program, chip.analog, fresh)
        return float(np.sqrt(np.mean((results.values("layer1") - network.forward(fresh)[-1]) ** 2)))

    assert raw.layers == ()
    assert error(calibrated) < 0.9 * error(raw)


def test_overlapped_frames_are_calibrated_as_well(network, inputs):
    chip = calibrate(network, preset("small"), inputs, options=MappingOptions(overlapped=True), seed=SEED)
    assert chip.program.frame_cycles == 6 * 300, "four steps and two; the readout is in the next frame"
    for layer in chip.layers:
        assert np.abs(layer.residual_offsets).max() < 0.01
    results = TwinEngine().run(chip.program, chip.analog, inputs)
    assert np.corrcoef(results.values("layer1").ravel(), network.forward(inputs)[-1].ravel())[0, 1] > 0.99


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


def test_steps_do_their_own_part_only(network, inputs):
    """Nothing, then what each step adds; what was measured is there in any case."""
    chips = {
        steps: calibrate(network, preset("small"), inputs, seed=SEED, steps=steps)
        for steps in ((), (Step.SLOPES,), (Step.BIAS,), (Step.WINDOW,))
    }
    raw = calibrate(network, preset("small"), None, seed=SEED)

    def same_weights(chip: CalibratedChip, rows: slice) -> bool:
        targets = ((chip.program.targets[tile].wp1, raw.program.targets[tile].wp1) for tile in raw.program.tiles)
        return all(np.array_equal(ours[rows], nominal[rows]) for ours, nominal in targets)

    weights, bias = slice(0, preset("small").lanes), slice(preset("small").lanes, None)
    assert [same_weights(chip, weights) for chip in chips.values()] == [True, False, True, True]
    assert [same_weights(chip, bias) for chip in chips.values()] == [True, True, False, True]
    silent = [not any(chip.program.layers[0].bias_durations) for chip in chips.values()]
    assert silent == [True, True, False, True]
    assert chips[()].program.units == raw.program.units
    windows = [chip.program.layers[0].enable_offset for chip in chips.values()]
    assert windows[0] == windows[1] == windows[2] == raw.program.layers[0].enable_offset
    for chip in chips.values():
        assert np.abs(chip.layers[0].slopes - 1).mean() > 0.005
        assert np.abs(chip.layers[0].offsets).max() > 0.01
    shifted = np.abs(chips[Step.BIAS,].layers[0].residual_offsets).max()
    assert shifted < 0.3 * np.abs(chips[()].layers[0].residual_offsets).max()


def error(chip: CalibratedChip, network: FeedForwardNetwork, inputs: np.ndarray) -> np.ndarray:
    """Of every layer, fed with the chip's own inputs: rms in units of the full scale."""
    results = TwinEngine().run(chip.program, chip.analog, inputs)
    own, errors = inputs, []
    for plan, layer in zip(chip.program.layers, network.layers, strict=True):
        errors.append(np.sqrt(np.mean((results.values(plan.name) - layer.forward(own)) ** 2)))
        own = results.codes[plan.name] / chip.program.config.max_code
    return np.array(errors)


def test_recalibration_takes_the_mean_drift_back(network, inputs):
    chip = calibrate(network, preset("small"), inputs, seed=SEED)
    fresh = np.random.default_rng(SEED + 2).uniform(-1, 1, (200, 32))
    at_first = error(chip, network, fresh)
    month = 30 * 86_400.0
    nominal = AnalogConfig()
    lost = nominal.pcm.expected_retention(month) / nominal.pcm.expected_retention(nominal.age_s)
    chip.analog.set_age(month)
    drifted, old = error(chip, network, fresh), chip.analog.copy()
    again = recalibrate(chip, network, inputs)
    # The ramp is as much flatter as the devices have lost; the weights and the chip that was given are as they were.
    for before, after in zip(chip.program.layers, again.program.layers, strict=True):
        assert after.ramp_slope / before.ramp_slope == pytest.approx(lost, abs=0.04)
    rows = slice(0, preset("small").lanes)
    for tile in chip.program.tiles:
        now, then = again.analog.tile(tile).cells.programmed, old.tile(tile).cells.programmed
        np.testing.assert_array_equal(now[:, rows], then[:, rows])
        np.testing.assert_array_equal(chip.analog.tile(tile).cells.programmed, then)
        assert set(again.analog.tile(tile).cells.written_s[:, rows].ravel()) == {0}
        assert set(again.analog.tile(tile).cells.written_s[0, rows.stop :]) == {month - nominal.age_s}
    assert (drifted > 1.8 * at_first).all()
    assert (error(again, network, fresh) < 0.65 * drifted).all()
    # Without another step there is nothing to gain: the weights' spread stays.
    assert np.abs(again.layers[0].residual_offsets).max() < 0.01
    twice = recalibrate(again, network, inputs)
    assert error(twice, network, fresh) == pytest.approx(error(again, network, fresh), rel=0.1)


def test_recalibration_refuses_to_scale_weights(calibrated, network, inputs):
    with pytest.raises(ValueError, match="recalibrate leaves the weights alone"):
        recalibrate(calibrated, network, inputs, steps=[Step.SLOPES, Step.BIAS])


def test_a_saved_chip_is_recalibrated_like_the_original(calibrated, network, inputs, tmp_path):
    calibrated.save(tmp_path)
    loaded = CalibratedChip.load(tmp_path)
    assert loaded.options == calibrated.options
    codes = []
    for chip in (calibrated, loaded):
        analog = chip.analog.copy()
        analog.set_age(1e6)
        again = recalibrate(replace(chip, analog=analog), network, inputs)
        again.save(tmp_path / "again")
        again = CalibratedChip.load(tmp_path / "again")  # rows of two ages
        codes.append(TwinEngine().run(again.program, again.analog, inputs[:20]).output)
    np.testing.assert_array_equal(*codes)


def test_the_signed_readout_measures_the_scale_of_the_relu(random_network, random_inputs):
    """An ideal chip has slope 1, however its swing falls between two slopes of the ramp."""
    network, inputs = random_network(32, 16, 6), random_inputs(200, 32)
    first, last = network.layers
    for scale in (1.0, 1.15, 1.3):
        scaled = FeedForwardNetwork((replace(first, full_scale=first.full_scale * scale), last))
        chip = calibrate(scaled, preset("small"), inputs, analog=AnalogConfig.ideal(), seed=SEED, steps=())
        assert chip.program.layers[0].ramp_slope < 50  # a slope more or less is 2 % or more
        np.testing.assert_allclose(np.median(chip.layers[0].slopes), 1, atol=0.006)


@pytest.mark.parametrize(
    "wrong", [np.zeros((0, 32)), np.zeros((5, 31)), np.zeros(32), [], np.zeros((5, 32), complex), [["a"] * 32]]
)
def test_a_calibration_without_inputs_is_none(calibrated, network, wrong):
    with pytest.raises(ValueError, match="inputs of"):
        calibrate(network, preset("small"), wrong, seed=SEED)
    with pytest.raises(ValueError, match="inputs of"):
        recalibrate(calibrated, network, wrong)


@pytest.mark.parametrize("duration", [127, 63])
def test_short_pulses_leave_room_for_the_signed_readout(duration: int) -> None:
    """A ReLU layer is measured with twice its ramp's slope, of which there are 255."""
    random = np.random.default_rng(0)
    layers = (
        Layer(random.uniform(-1, 1, (16, 16)), Activation.RELU, full_scale=18.0),
        Layer(random.uniform(-1, 1, (16, 8)), Activation.LINEAR, full_scale=3.0),
    )
    network, options = FeedForwardNetwork(layers), MappingOptions(duration=duration)
    assert compile_network(network, preset("small"), options).layers[0].ramp_slope > 127
    inputs = random.uniform(-1, 1, (60, 16))
    chip = calibrate(network, preset("small"), inputs, options=options, analog=AnalogConfig.ideal(), steps=())
    assert chip.program.layers[0].ramp_slope == 127
    np.testing.assert_allclose(np.median(chip.layers[0].slopes), 1, atol=0.02)
