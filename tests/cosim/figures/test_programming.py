"""The programming study on a small chip: what it counts is what was programmed; what it draws is what it counted."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.pcm_like import PcmLike
from analog_models.programming import WeightTargets, program
from cosim.compiler import compile_network
from cosim.figures import Campaign, Measurement
from cosim.figures.programming import STUDY, _spread
from cosim.figures.programming_measurement import (
    _error_counts,
    chip_targets,
    measure_chip,
    measure_range,
    same_devices,
)
from cosim.figures.programming_pictures import draw_convergence, draw_defects, draw_errors, draw_range
from cosim.graph.feed_forward import FeedForwardNetwork
from rtl.config import preset

CONFIG = preset("small")


@pytest.fixture(scope="module")
def network(random_network) -> FeedForwardNetwork:
    return random_network(2 * CONFIG.lanes, CONFIG.lanes, 6)


@pytest.fixture(scope="module")
def measurement(network, tmp_path_factory) -> Measurement:
    """A quick run of the whole study on the small chip."""
    campaign = Campaign(tmp_path_factory.mktemp("campaign"), quick=True, seed=3)
    campaign.__dict__ |= {"config": CONFIG, "model": SimpleNamespace(network=network)}
    return campaign.measure(STUDY)[0]


def test_every_cell_has_a_target_and_the_network_its_place(network) -> None:
    targets = dict(chip_targets(network, CONFIG, 5))
    again = dict(chip_targets(network, CONFIG, 5))
    compiled = compile_network(network, CONFIG)
    assert sorted(targets) == list(range(CONFIG.tile_count))
    largest = max(np.abs(one.wp1).max() for one in targets.values())
    assert 0.95 < largest <= 1  # the draws fill the range
    for tile, one in targets.items():
        assert not one.wp1[CONFIG.lanes :].any()  # bias rows
        assert (one.wp1[: CONFIG.lanes] != 0).mean() > 0.9
        np.testing.assert_array_equal(one.wp2, again[tile].wp2)
    for plan in compiled.layers:
        for tile in plan.tiles:
            rows = min(plan.inputs, CONFIG.lanes)
            for ours, theirs in ((targets[tile].wp1, "wp1"), (targets[tile].wp2, "wp2")):
                wanted = getattr(compiled.targets[tile], theirs)
                np.testing.assert_array_equal(ours[:rows, : plan.outputs], wanted[:rows, : plan.outputs])


def test_a_chip_tile_by_tile_is_the_chip_at_once(network) -> None:
    targets = dict(chip_targets(network, CONFIG, 5))
    rows = np.arange(CONFIG.lanes)
    found = measure_chip(iter(targets.items()), CONFIG, 7, AnalogConfig())
    chip = AnalogChip(
        AnalogConfig(),
        tiles=range(CONFIG.tile_count),
        rows=CONFIG.lanes,
        bias_rows=CONFIG.bias_rows,
        columns=CONFIG.lanes,
        seed=7,
    )
    report = program(chip, targets, rows=rows)
    assert found["unfinished"] == report.unfinished
    assert found["moments"][..., 0].sum() == len(report.pairs)
    assert found["within"].sum() / len(report.pairs) == pytest.approx(report.pairs.within_20_percent)
    assert found["mean"].mean() == pytest.approx(report.pairs.mean, rel=1e-6)
    for (tile, pair), errors in report.errors.items():
        low, high = np.percentile(errors, (1, 99))
        assert found["low"][tile, pair - 1] == pytest.approx(low, abs=1e-6)
        assert found["high"][tile, pair - 1] == pytest.approx(high, abs=1e-6)
        assert found["pulses"][tile, pair - 1] == report.iterations[tile, pair]
        assert found["done"][tile, pair - 1, 1] == pytest.approx(np.mean(errors.astype(float) ** 2), rel=1e-6)
        assert found["heat"][tile, pair - 1].sum() == errors.size
    shown = found["cells"][..., 0, :, :]
    np.testing.assert_allclose(shown[3, 1], targets[3].wp2[: CONFIG.lanes], atol=1e-7)  # a small tile is shown whole


def test_rounds_begin_at_reset_and_end_done(network) -> None:
    rounds = measure_chip(chip_targets(network, CONFIG, 5), CONFIG, 7, AnalogConfig())["rounds"].mean(axis=(0, 1))
    within, square, pulsed = rounds.T
    assert pulsed[0] == 0
    assert pulsed[1] > 0.8
    assert pulsed[-1] < 0.01
    assert within[0] < 0.2
    assert within[-1] > 0.8
    assert square[-1] < 0.01 * square[0]


def test_the_spread_of_counted_errors_is_that_of_the_errors() -> None:
    errors = np.random.default_rng(0).normal(0.01, 0.03, 100_000)
    low, high = np.percentile(errors, (1, 99))
    assert _spread(_error_counts(errors)) == pytest.approx(high - low, abs=5e-4)
    assert _error_counts(np.array([-5.0, 0.0, 5.0])).sum() == 3  # what is far off counts


def test_the_same_devices_in_another_unit() -> None:
    """Noise, drift and read noise of a conductance in uS do not depend on what a weight of 1 is."""
    nominal = PcmLike()
    wider = same_devices(nominal, 1.2)
    assert wider.g_max_us == 30
    g, z = np.linspace(0.05, 24.9, 50), np.linspace(-2, 2, 50)
    np.testing.assert_allclose(wider.relaxed(g, z), nominal.relaxed(g, z), rtol=1e-12)
    np.testing.assert_allclose(wider.drift_exponent(g, z), nominal.drift_exponent(g, z), rtol=1e-12)
    for age in (20.0, 3600.0):
        np.testing.assert_allclose(wider.accumulated_noise(g, age), nominal.accumulated_noise(g, age), rtol=1e-12)
    np.testing.assert_allclose(wider.pulse_sigma_us(g, 100), nominal.pulse_sigma_us(g, 100), rtol=1e-12)


def test_what_no_device_reaches_is_missing() -> None:
    """Weights of 1 at 50 uS, where a device ends at 30 uS, lack 40 % of the largest weight; those at 20 uS nothing."""
    full = np.ones((2, 32, 32))
    over, under = (measure_range(full, largest, CONFIG, 1, AnalogConfig()) for largest in (2.0, 0.8))
    assert over.clipped == 1
    assert over.mean == pytest.approx(0.4, abs=0.02)
    assert over.good == 0
    assert under.clipped == 0
    assert under.good > 0.99
    assert under.mean < 0.06


def test_the_nominal_range_is_the_nominal_programming() -> None:
    weights = np.clip(np.random.default_rng(0).normal(0, 0.25, (2, 128, 128)), -1, 1)
    ranged = measure_range(weights, 1.0, CONFIG, 1, AnalogConfig())
    chip = AnalogChip(AnalogConfig(), tiles=[0], rows=128, bias_rows=0, columns=128, seed=1)
    report = program(chip, {0: WeightTargets(*weights)})
    assert ranged.mean == pytest.approx(report.pairs.mean, rel=0.03)
    assert ranged.r_squared == pytest.approx(report.pairs.r_squared, abs=0.001)
    assert ranged.spread == pytest.approx(report.pairs.spread_1_to_99, rel=0.05)


def test_findings_are_the_numbers(measurement: Measurement) -> None:
    found = {finding.what: finding for finding in measurement.findings}
    numbers = measurement.numbers
    assert found["weights on one pair within 20 % of the largest"].value == numbers["yield_percent"][0]
    assert found["weights on one pair within 20 % of the largest"].seeds == "chip 3"
    assert numbers["yield_percent"][0] + numbers["beyond_per_million"][0] / 1e4 == pytest.approx(100)
    one, two = (found[f"R² of achieved and target weights on {pairs}"].value for pairs in ("one pair", "two pairs"))
    assert 0.95 < one < two < 1
    assert 0 < found["drift exponent, 1 % point over devices"].value < 0.05
    assert 0.05 < found["drift exponent, 99 % point over devices"].value < 0.2
    spreads = np.array([numbers["per_tile"]["spread_1_to_99_percent"][wp] for wp in ("WP1", "WP2")])
    assert found["1-99 % spread of a tile's errors, WP2"].high == pytest.approx(spreads[1].max())
    assert sum(finding.headline for finding in measurement.findings) == 4


def test_defects_lower_the_yield_and_show_in_the_picture(measurement: Measurement) -> None:
    defects = measurement.numbers["defects"]
    assert defects["shares"][0] == 0
    figure = draw_defects(measurement)
    yields = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    for kind in ("stuck_reset", "stuck_set"):
        found = np.mean(defects[kind]["one pair"]["yield_percent"], axis=1)
        assert found[-1] < found[0]
        assert yields[f"stuck {kind.removeprefix('stuck_').upper()}, one pair"] == pytest.approx(found)
    shares = [f.value for f in measurement.findings if f.what.startswith("devices stuck set with which 99 %")]
    assert all(0 < share < 100 * defects["shares"][-1] for share in shares)
    assert shares


def test_pictures_show_the_numbers(measurement: Measurement) -> None:
    for figure in STUDY.figures:
        assert figure.draw(measurement).axes
    left, middle, right = draw_errors(measurement).axes
    everything = left.lines[2 * CONFIG.tile_count]
    assert everything.get_label() == "all"
    assert np.interp(50, everything.get_ydata(), everything.get_xdata()) == pytest.approx(0, abs=1)
    assert middle.get_yscale() == "log"
    assert list(right.lines[0].get_ydata()) == measurement.numbers["per_tile"]["spread_1_to_99_percent"]["WP1"]
    share, rms = draw_convergence(measurement).axes
    assert share.lines[0].get_ydata()[-1] == pytest.approx(measurement.numbers["within_tolerance_percent"][0])
    assert rms.lines[0].get_ydata()[-1] == pytest.approx(measurement.numbers["rms_error_of_loop_percent"][0])
    good, mean, r_squared = draw_range(measurement).axes
    swept = measurement.numbers["range"]
    for axes, name, scale in ((good, "good", 100), (mean, "mean", 100), (r_squared, "r_squared", 1)):
        assert list(axes.lines[0].get_ydata()) == pytest.approx(scale * np.mean(swept[name], axis=1))


def test_a_changed_measurement_changes_the_picture(measurement: Measurement) -> None:
    """Ten times the errors in the loop: the curve is where they are."""
    worse = replace(measurement, arrays=dict(measurement.arrays) | {"rounds": measurement.arrays["rounds"] * 100})
    before, after = (draw_convergence(one).axes[1].lines[0].get_ydata() for one in (measurement, worse))
    np.testing.assert_allclose(after, 10 * before)


def test_interrupted_chips_are_not_programmed_again(network, tmp_path: Path, monkeypatch) -> None:
    from cosim.figures import programming

    made = []
    monkeypatch.setattr(
        programming, "measure_chip", lambda *args, **options: made.append(args[2]) or measure_chip(*args, **options)
    )

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    def campaign() -> Campaign:
        fresh = Campaign(tmp_path, quick=True)
        fresh.__dict__ |= {"config": CONFIG, "model": SimpleNamespace(network=network)}
        return fresh

    with monkeypatch.context() as patch:
        patch.setattr(programming, "measure_range", broken)
        with pytest.raises(KeyboardInterrupt):
            campaign().measure(STUDY)
    campaign().measure(STUDY)
    assert made == [0]
