"""The drift study on a small chip: gains and noise that are put in come out."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.calibration import CalibratedChip, calibrate
from cosim.figures import Campaign, Measurement
from cosim.figures.drift import STUDY
from cosim.figures.drift_measurement import measure_age, measure_reads
from cosim.figures.drift_pictures import draw_accuracy, draw_errors, draw_reads
from cosim.graph.feed_forward import FeedForwardNetwork
from cosim.workloads.kws.workload import ClipSet
from rtl.config import preset

CONFIG = preset("small")
MONTH = 30 * 86_400.0


@pytest.fixture(scope="module")
def network(random_network) -> FeedForwardNetwork:
    return random_network(2 * CONFIG.lanes, CONFIG.lanes, 6)


@pytest.fixture(scope="module")
def inputs(network, random_inputs) -> np.ndarray:
    return random_inputs(200, network.shape[0])


@pytest.fixture
def campaign(network, random_inputs, tmp_path) -> Campaign:
    """A campaign on the small chip, whose clips are random vectors and whose truth is software's."""
    features = random_inputs(150, network.shape[0], seed=2)
    clips = ClipSet("vectors", tuple(map(str, range(150))), network.forward(features)[-1].argmax(axis=1), features)
    found = Campaign(tmp_path, quick=True, seed=4)
    model = SimpleNamespace(network=network, labels=tuple("abcdef"), prepare=lambda features: features)
    found.__dict__ |= {"config": CONFIG, "model": model, "clips": clips, "calibration": clips}
    return found


def quiet(**pcm: float) -> AnalogConfig:
    """Drift without spread, and nothing else that is not ideal, apart from `pcm`."""
    ideal = AnalogConfig.ideal()
    even = {"drift_scale": 1.0, "nu_sigma_slope": 0.0, "nu_sigma_offset": 0.0, "nu_sigma_low": 0.0}
    even |= {"nu_mean_slope": 0.0, "nu_mean_offset": 0.06}
    return replace(ideal, pcm=replace(ideal.pcm, **(even | pcm)))  # type: ignore[arg-type]


@pytest.fixture
def evenly(network, inputs) -> CalibratedChip:
    """A chip all of whose devices drift with nu = 0.06: a gain and nothing else."""
    analog = quiet()
    chip = calibrate(network, CONFIG, inputs, analog=analog, seed=1, steps=())
    for tile in chip.program.tiles:
        cells = chip.analog.tile(tile).cells
        g_us = cells.programmed * (25 / (1 << 18))
        chip.analog.tile(tile).set_conductances(g_us, 0.06)
    return chip


def test_an_aged_chip_leaves_the_young_one_alone(evenly) -> None:
    old = evenly.aged(MONTH)
    assert (old.analog.config.age_s, evenly.analog.config.age_s) == (MONTH, 3600.0)
    tile = evenly.program.tiles[0]
    young_us, old_us = (chip.analog.tile(tile).cells.read_us() for chip in (evenly, old))
    np.testing.assert_allclose(old_us, young_us * (MONTH / 3600) ** -0.06, atol=1e-3)


def test_even_drift_is_a_gain_that_the_ramp_takes_back(campaign, evenly, inputs, network) -> None:
    first = measure_age(campaign, evenly, 3600.0, inputs)
    found = measure_age(campaign, evenly, MONTH, inputs)
    gain = (MONTH / 3600) ** -0.06
    x = campaign.clips.features
    outputs = network.layers[0].forward(np.rint(x * 255) / 255)
    lost = 100 * (1 - gain) * np.sqrt(np.mean(outputs[(outputs != 0) & (np.abs(outputs) < 1)] ** 2))
    untouched, biased, ready = range(3)
    assert found["rms"][untouched, 0] == pytest.approx(lost, rel=0.05)
    assert biased is not ready
    # Back to what it was, but for the ramp's step of one slope.
    assert found["rms"][ready, 0] < 0.15 * lost
    slopes = found["slopes"][ready] / found["slopes"][untouched]
    assert slopes == pytest.approx(np.full(2, gain), abs=0.02)
    assert (found["counts"].sum(axis=-1) == [x.shape[0] * layer.outputs for layer in network.layers]).all()
    # At the age of calibration there is nothing to recalibrate.
    for name in first:
        np.testing.assert_array_equal(first[name][untouched], first[name][ready])


def test_reads_vary_by_the_noise_that_is_there(network, inputs) -> None:
    """Nothing varies on an ideal chip; comparator noise alone is that of the code, with its rounding."""
    codes = np.rint(inputs[:8] * 255).astype(np.int16)
    still = calibrate(network, CONFIG, None, analog=AnalogConfig.ideal(), seed=1)
    found = measure_reads(network, still, codes, 20)
    assert not found["stds layer1"].any()
    assert (found["answers"] == found["answers"][:, :1]).all()
    ideal = AnalogConfig.ideal()
    sigma_v = 0.02
    analog = replace(ideal, periphery=replace(ideal.periphery, comparator_noise_v=sigma_v))
    noisy = calibrate(network, CONFIG, None, analog=analog, seed=1)
    found = measure_reads(network, noisy, codes, 400)
    step_v = analog.volts_per_cycle(noisy.program.layers[0].ramp_slope)
    inside = found["inside layer0"]
    assert inside.sum() > 10
    expected = np.hypot(sigma_v / step_v, 12**-0.5)
    assert np.median(found["stds layer0"][inside]) == pytest.approx(expected, rel=0.05)


@pytest.fixture(scope="module")
def measurement(network, random_inputs, tmp_path_factory) -> Measurement:
    """A quick run of the whole study on the small chip."""
    made = Campaign(tmp_path_factory.mktemp("campaign"), quick=True, seed=4)
    features = random_inputs(150, network.shape[0], seed=2)
    clips = ClipSet("vectors", tuple(map(str, range(150))), network.forward(features)[-1].argmax(axis=1), features)
    model = SimpleNamespace(network=network, labels=tuple("abcdef"), prepare=lambda features: features)
    made.__dict__ |= {"config": CONFIG, "model": model, "clips": clips, "calibration": clips}
    return made.measure(STUDY)[0]


def test_recalibration_keeps_errors_small(measurement: Measurement) -> None:
    rms = {policy: np.array(values) for policy, values in measurement.numbers["rms_error_percent"].items()}
    assert rms["without recalibration"].shape == (1, 3, 2)  # chips, ages, layers
    month = measurement.numbers["ages_s"].index(MONTH)
    assert (rms["without recalibration"][0, month] > 1.5 * rms["without recalibration"][0, 0]).all()
    assert (rms["recalibrated"][0, month] < 0.8 * rms["without recalibration"][0, month]).all()


def test_findings_are_the_numbers(measurement: Measurement) -> None:
    found = {finding.what: finding for finding in measurement.findings}
    numbers = measurement.numbers
    for policy, values in numbers["accuracy_percent"].items():
        hour, month, _ = values[0]
        finding = found[f"accuracy lost in 30 days, {policy}"]
        assert finding.value == pytest.approx(hour - month)
        assert finding.seeds == "chip 4"
    assert found["accuracy lost in 30 days, without recalibration"].paper.startswith("roughly 5 %")
    recalibrated = numbers["rms_error_percent"]["recalibrated"]
    assert found["rms error of layer1, outputs in range, 1 hour"].value == recalibrated[0][0][1]
    assert sum(finding.headline for finding in measurement.findings) == 2


def test_pictures_show_the_numbers(measurement: Measurement) -> None:
    for figure in STUDY.figures:
        assert figure.draw(measurement).axes
    numbers = measurement.numbers
    (axes,) = draw_accuracy(measurement).axes
    curves = {container.get_label(): container.lines[0].get_ydata() for container in axes.containers}
    assert set(curves) == set(numbers["accuracy_percent"])
    for policy, values in numbers["accuracy_percent"].items():
        assert list(curves[policy]) == values[0]
    assert axes.get_xscale() == "log"
    top = draw_errors(measurement).axes[:2]
    for layer, panel in enumerate(top):
        shown = panel.containers[0].lines[0].get_ydata()
        assert list(shown) == [age[layer] for age in numbers["rms_error_percent"]["without recalibration"][0]]
    (reads,) = draw_reads(measurement).axes
    assert f"median {numbers['reads']['layers']['layer0']['std_codes'][0]:.2f} codes" in reads.patches[0].get_label()
