"""The study of MACs: its arithmetic, the physics that it must find, its pictures, and all of it on the small chip."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from analog_models import AnalogConfig
from cosim.compiler import LayerOptions
from cosim.figures import mac, mac_pictures
from cosim.figures.mac import WITHOUT_BALANCE, code_error_percent, effective_bits, variants
from cosim.figures.measurement import Measurement
from cosim.figures.mechanisms import MECHANISMS, TRANSPORT
from cosim.figures.single_layer import compile_layer, mac_error, moved, program_chip, random_layer, random_rows
from cosim.program import Mode
from cosim.workloads.kws.workload import ClipSet
from rtl.config import preset
from tests.cosim.figures.small_campaign import small_campaign

SMALL, IDEAL, NOMINAL = preset("small"), AnalogConfig.ideal(), AnalogConfig.nominal()
BALANCED = LayerOptions(mode=Mode.BALANCED)
#: What rounding to 255 codes of a signed readout makes of any MAC, in units of the full scale.
ROUNDING = 1 / 127.5 / np.sqrt(12)


SOME = ("programming, relaxation", "1/f noise, one hour")


# ---- mechanisms


def test_the_mechanisms_together_are_all_that_is_not_ideal() -> None:
    without, added = NOMINAL, IDEAL
    for mechanism in MECHANISMS:
        without, added = mechanism.without(without), mechanism.added_to(added, NOMINAL)
    assert added == NOMINAL
    # The weights are still tuned: what is written exactly does not know the columns that it is read through.
    assert replace(without, pcm=replace(without.pcm, exact_write=True)) == IDEAL
    constants = [constant for mechanism in MECHANISMS for constant in mechanism.constants]
    assert len(constants) == len(set(constants))


@pytest.mark.parametrize("mechanism", [*MECHANISMS, TRANSPORT], ids=lambda mechanism: mechanism.name)
def test_a_mechanism_changes_its_own_constants_only(mechanism) -> None:
    before, after = asdict(IDEAL), asdict(mechanism.added_to(IDEAL, NOMINAL))
    changed = {name for name, value in before.items() if not isinstance(value, dict) and after[name] != value} | {
        f"{model}.{name}"
        for model, constants in before.items()
        if isinstance(constants, dict)
        for name, value in constants.items()
        if after[model][name] != value
    }
    assert changed == {*mechanism.constants, *mechanism.needs}
    assert asdict(mechanism.without(mechanism.added_to(IDEAL, NOMINAL)))["periphery"] == before["periphery"]


def test_the_budget_has_each_mechanism_off_and_alone() -> None:
    chips = variants(AnalogConfig.nominal(), quick=False)
    assert len(chips) == 2 + 2 * len(MECHANISMS) + 3
    assert chips["without noise of a read"].analog.pcm.read_noise_scale == 0
    assert chips["only noise of a read"].analog.pcm == replace(IDEAL.pcm, read_noise_scale=1.0)
    assert not chips["nominal"].analog.transport.active
    assert chips["with transport"].analog.transport.active
    assert not chips[WITHOUT_BALANCE].options.balance
    assert set(variants(AnalogConfig.nominal(), quick=True)) == {"nominal", "ideal"}


# ---- arithmetic


def test_effective_bits_of_rounding_are_those_of_the_code() -> None:
    assert effective_bits(256, 1 / np.sqrt(12)) == pytest.approx(8)
    assert effective_bits(256, 2 / np.sqrt(12)) == pytest.approx(7)


def test_rounding_of_a_layer_is_a_code_by_the_square_root_of_twelve() -> None:
    plan = compile_layer(random_layer(16, 16), SMALL, IDEAL, BALANCED).layers[0]
    outputs = np.random.default_rng(0).uniform(-1, 1, 100_000)
    assert code_error_percent(outputs, plan) == pytest.approx(100 / plan.code_scale / np.sqrt(12), rel=0.02)


def test_clips_are_taken_evenly() -> None:
    clips = ClipSet("a set", tuple("abcdefghij"), np.arange(10), np.zeros((10, 49, 40)))
    some = clips.evenly(4)
    assert some.names == ("a", "d", "g", "j")
    assert some.labels.tolist() == [0, 3, 6, 9]
    assert some.source == "a set; 4 of them, evenly spaced"
    assert clips.evenly(10) is clips


# ---- single layers


def test_an_ideal_layer_only_rounds() -> None:
    layer = random_layer(16, 16)
    program = compile_layer(layer, SMALL, IDEAL, BALANCED)
    error = mac_error(program, program_chip(program, IDEAL, seed=1), layer, random_rows(300, 16))
    assert error.rms == pytest.approx(ROUNDING, rel=0.05)
    assert error.signal == pytest.approx(1 / 2.6, rel=0.1)


def test_the_error_is_about_each_columns_own_line() -> None:
    """Gains and offsets of the columns are calibration's work: they do not count."""
    crooked = replace(IDEAL.periphery, column_gain_sigma=0.05, comparator_offset_sigma_v=0.02)
    layer = random_layer(16, 16)
    program = compile_layer(layer, SMALL, IDEAL, BALANCED)
    chip = program_chip(program, replace(IDEAL, periphery=crooked), seed=1)
    error = mac_error(program, chip, layer, random_rows(300, 16))
    assert error.rms == pytest.approx(ROUNDING, rel=0.2)  # a few saturate; 5 % of the signal would be ten times as much


def test_read_noise_makes_an_error() -> None:
    noisy = replace(IDEAL, pcm=replace(IDEAL.pcm, read_noise_scale=1.0))
    layer = random_layer(16, 16)
    program = compile_layer(layer, SMALL, noisy, BALANCED)
    assert mac_error(program, program_chip(program, noisy, seed=1), layer, random_rows(300, 16)).rms > 2 * ROUNDING


@pytest.mark.parametrize(("mode", "suffers"), [(Mode.STACKED, True), (Mode.DOUBLE, True), (Mode.BALANCED, False)])
def test_balance_removes_a_mismatch_that_the_devices_were_not_tuned_through(mode: Mode, suffers: bool) -> None:
    layer = random_layer(32, 16)
    program = compile_layer(layer, SMALL, IDEAL, LayerOptions(mode=mode))
    mismatched = replace(IDEAL, periphery=replace(IDEAL.periphery, path_mismatch_sigma=0.1))
    chip = moved(program_chip(program, IDEAL, seed=1), program, mismatched)
    error = mac_error(program, chip, layer, random_rows(300, 32))
    assert (error.rms > 1.5 * ROUNDING) == suffers
    assert error.rms < 1.1 * ROUNDING or suffers


def test_few_rows_make_a_small_signal() -> None:
    rows = random_rows(200, 16, driven=4)
    assert np.count_nonzero(rows.any(axis=0)) == 4
    layer = random_layer(16, 16)
    program = compile_layer(layer, SMALL, IDEAL, BALANCED)
    chip = program_chip(program, IDEAL, seed=1)
    few, all_rows = (mac_error(program, chip, layer, random_rows(400, 16, driven=count)) for count in (4, None))
    assert few.signal == pytest.approx(all_rows.signal / 2, rel=0.25)


# ---- the study


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    """The study on the small chip: all of it, but for most mechanisms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mac, "MECHANISMS", tuple(one for one in MECHANISMS if one.name in SOME))
        patch.setattr(mac, "_FRAMES", 100)
        folder = tmp_path_factory.mktemp("mac")
        measurement, _ = small_campaign(folder, chips=1).measure(mac.STUDY)
    return measurement


def test_the_budget_is_between_ideal_and_nominal(measured: Measurement) -> None:
    budget = measured.numbers["budget_percent"]
    for name, layer in measured.numbers["layers"].items():
        assert layer["correlation"][0] > 0.9
        nominal, ideal = np.mean(budget["nominal"][name]), np.mean(budget["ideal"][name])
        assert ideal < np.mean(budget["only 1/f noise, one hour"][name]) < nominal
        assert ideal < np.mean(budget["only programming, relaxation"][name]) < 1.2 * nominal
        assert np.mean(layer["code_error_percent"]) < nominal


def test_four_devices_are_better_than_two(measured: Measurement) -> None:
    modes = measured.numbers["modes"]["rms_error_percent"]
    assert np.mean(modes["stacked"]) > 1.1 * np.mean(modes["balanced"])


def test_small_capacitors_saturate(measured: Measurement) -> None:
    capacitors = measured.numbers["capacitors"]
    assert capacitors["capacitance_ff"] == [50 * count for count in range(1, 9)]
    same_weights = np.mean(capacitors["constant weights, ideal devices"], axis=0)
    assert same_weights[0] > 5 * same_weights[3]


def test_findings_name_their_chips(measured: Measurement) -> None:
    assert {finding.engine for finding in measured.findings} == {"twin"}
    assert all(finding.seeds == "chip 0" and np.isfinite(finding.value) for finding in measured.findings)
    assert any(finding.headline for finding in measured.findings)


@pytest.mark.parametrize("figure", mac.STUDY.figures, ids=lambda figure: figure.name)
def test_pictures(measured: Measurement, figure) -> None:
    picture = figure.draw(measured)
    panels = [axes for axes in picture.axes if axes.get_label() != "<colorbar>"]
    assert all(axes.get_xlabel() or axes.get_xticklabels() for axes in panels)
    picture.canvas.draw()


def test_quick_measurements_are_drawn_as_well(measured: Measurement) -> None:
    budget = measured.numbers["budget_percent"]
    few = {name: budget[name] for name in variants(AnalogConfig.nominal(), quick=True)}
    quick = Measurement({**measured.numbers, "budget_percent": few}, measured.arrays)
    for draw in (mac_pictures.draw_budget, mac_pictures.draw_modes):
        draw(quick).canvas.draw()
