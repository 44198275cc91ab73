"""Closed-loop tuning: figures of the papers, subsets, repetition, messages."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analog_models import DEVICE_MODELS, AnalogConfig, Programming, TileControls, WeightTargets, program
from analog_models.chip import AnalogChip

IDEAL, NOMINAL = AnalogConfig.ideal(), AnalogConfig()


def targets(rows: int, columns: int, sigma: float = 0.25, seed: int = 1) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(0, sigma, (rows, columns)), -1, 1)


def test_a_full_tile_reaches_the_papers_figures() -> None:
    chip = AnalogChip(NOMINAL, tiles=[0], rows=512, bias_rows=8, columns=512)
    w = targets(520, 512)
    report = program(chip, {0: WeightTargets.balanced(w)})
    assert (len(report.pairs), len(report.weights)) == (2 * 520 * 512, 520 * 512)
    assert report.pairs.within_20_percent >= 0.99
    assert report.pairs.mean < 0.03
    assert report.pairs.r_squared > 0.98
    assert report.weights.mean == pytest.approx(report.pairs.mean / np.sqrt(2), rel=0.05)
    assert report.unfinished < 0.001 * len(report.pairs)
    # The report tells the truth about the array, up to drift and the fixed-point unit.
    chip.set_age(0.0)
    found = chip.tile(0).weights()[0]
    assert found == pytest.approx(w + report.errors[0, 1], abs=1e-4)


#: docs/physics.md, "What it adds up to": programmed, an hour later, noise of a read, together; one pair and balanced.
BUDGETS = {
    "pcm": [0.022, 0.016, 0.034, 0.025, 0.005, 0.004, 0.035, 0.025],
    "hermes": [0.046, 0.033, 0.054, 0.039, 0.005, 0.004, 0.054, 0.039],
}


@pytest.mark.parametrize("devices", DEVICE_MODELS)
def test_the_error_budget_is_the_devices(devices: str) -> None:
    config = AnalogConfig.nominal(devices)
    chip = AnalogChip(config, tiles=[0], rows=512, bias_rows=8, columns=128)
    w = targets(520, 128, sigma=0.2)
    errors = program(chip, {0: WeightTargets.balanced(w)}).errors
    tile = chip.tile(0)
    found = tile.weights()
    balanced = (found[0] - found[1]) / 2
    slope = (balanced * w).sum() / (w * w).sum()  # the common loss by drift is a gain
    read = config.pcm.pulse_sigma_us(tile.cells.read_us(), 100) / config.pcm.g_max_us / slope
    noise = np.sqrt((read[:2] ** 2).sum(axis=0).mean())
    later = (found[0] / slope - w).std(), (balanced / slope - w).std()
    budget = [
        *(errors[0, 1].std(), ((errors[0, 1] - errors[0, 2]) / 2).std()),
        *later,
        *(noise, noise / np.sqrt(2)),
        *np.hypot(later, (noise, noise / np.sqrt(2))),
    ]
    assert budget == pytest.approx(BUDGETS[devices], abs=0.001)


def test_weights_sit_on_one_side() -> None:
    chip = AnalogChip(NOMINAL, tiles=[0], rows=32, bias_rows=8, columns=32)
    w = targets(40, 32)
    program(chip, {0: WeightTargets(wp2=w)})
    g = chip.tile(0).cells.programmed * 25 / (1 << 18)
    assert not g[:2].any()  # WP1 untouched
    assert (g[3][w > 0.1] < 1).all()
    assert (g[2][w < -0.1] < 1).all()
    assert (g[2][w > 0.1] > 1).all()


def test_tuning_absorbs_gain_and_path_mismatch_of_its_columns(ideal_with: Any) -> None:
    periphery = ideal_with(column_gain_sigma=0.05, path_mismatch_sigma=0.1).periphery
    quiet = replace(
        NOMINAL.pcm,
        programming_noise_scale=0.0,
        accumulated_noise_scale=0.0,
        read_noise_scale=0.0,
        drift_scale=0.0,
    )
    chip = AnalogChip(replace(NOMINAL, pcm=quiet, periphery=periphery), tiles=[0], rows=64, bias_rows=8, columns=64)
    w = np.clip(targets(72, 64), -0.7, 0.7)  # a weak column cannot reach 1
    report = program(chip, {0: WeightTargets.balanced(w)})
    big = np.abs(w) > 0.1
    assert np.abs(chip.tile(0).weights()[0] - w)[big].max() < 1.2 * Programming().tolerance
    assert report.unfinished == 0


def test_a_verification_reads_what_the_tile_reads() -> None:
    """The loop's reading is the tile's own: mean and noise of integrations of one row, of both polarities in turn."""
    config = replace(
        NOMINAL,
        age_s=20.0,
        pcm=replace(NOMINAL.pcm, accumulated_noise_scale=0.0),
        periphery=replace(NOMINAL.periphery, wire_ohm=0.0, ramp_bow_ns=0.0),
    )
    chip = AnalogChip(config, tiles=[0], rows=16, bias_rows=8, columns=16)
    tile = chip.tile(0)
    g = np.random.default_rng(0).uniform(0, 25, (4, 24, 16))
    tile.set_conductances(g)
    frames, settings = np.arange(4000), Programming()
    controls = TileControls(
        wp1=True, capacitors=settings.verify_capacitors, ramp_slope=settings.verify_slope, ramp_start=127
    )
    row, none = np.zeros((4000, 24), np.uint16), np.zeros((4000, 24), np.uint16)
    row[:, 7] = 255
    codes = []
    for times in (none, row):
        for discharge in (False, True):
            tile.precharge(frames, 0)
            tile.integrate(frames, 300, replace(controls, discharge=discharge), times)
            codes.append(tile.ramp(frames, 310, controls).astype(float))
            frames = frames + len(frames)
    per_weight = config.volts_per_weight_ns(1, drifted=False) * 255 / config.volts_per_cycle(settings.verify_slope)
    expected = tile.weights_of(g[:2, 7], capacitance=tile.columns.capacitors[0])[0]
    inside = np.abs(expected) < 0.7
    charged, discharged, up, down = (c.mean(axis=0) for c in codes)
    read = ((up - charged) - (down - discharged)) / 2 / per_weight
    assert read[inside] == pytest.approx(expected[inside], abs=0.005)
    variance = config.pcm.pulse_sigma_us(g[:2, 7], 255) ** 2 + config.periphery.shot_noise_us2(g[:2, 7], 255)
    device = np.sqrt(variance.sum(axis=0)) / 25
    sigma = np.sqrt(device**2 + settings.readout_sigma(config) ** 2)
    assert (codes[2].std(axis=0) / per_weight)[inside] == pytest.approx(sigma[inside], rel=0.1)


def test_rows_can_be_programmed_alone_and_again(small: Any) -> None:
    chip = small(NOMINAL)
    w = targets(24, 12)
    program(chip, {0: WeightTargets.balanced(w)})
    before = chip.tile(0).cells.programmed.copy()
    bias = np.zeros((24, 12))
    bias[16:] = 0.5
    report = program(chip, {0: WeightTargets(wp1=bias)}, rows=range(16, 24))
    after = chip.tile(0).cells.programmed
    assert len(report.pairs) == 8 * 12
    assert np.array_equal(after[:, :16], before[:, :16])
    assert np.array_equal(after[2:], before[2:])
    assert np.abs(report.errors[0, 1]).max() < 0.2
    program(chip, {0: WeightTargets.balanced(0.8 * w)})
    again = chip.tile(0).weights()[0]
    slope = (again * w).sum() / (w * w).sum()
    assert slope == pytest.approx(0.8 * NOMINAL.pcm.expected_retention(3600.0), rel=0.05)


def test_programming_repeats_with_the_seed_and_differs_between_runs(small: Any) -> None:
    w = WeightTargets(wp1=targets(24, 12))
    a, b, c = small(NOMINAL, seed=1), small(NOMINAL, seed=1), small(NOMINAL, seed=2)
    first = [program(chip, {0: w}).errors[0, 1] for chip in (a, b, c)]
    assert np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])
    assert not np.array_equal(first[0], program(a, {0: w}).errors[0, 1])


def test_the_ideal_preset_is_programmed_exactly(small: Any) -> None:
    chip, w = small(IDEAL), np.round(targets(24, 12) * 256) / 256
    report = program(chip, {0: WeightTargets.four_pcm(w)})
    assert report.pairs.mean == report.weights.mean == 0
    assert np.array_equal(chip.tile(0).weights(), np.stack([w, w]))


def test_exactly_written_devices_drift_all_the_same(small: Any) -> None:
    config = replace(IDEAL, pcm=replace(IDEAL.pcm, drift_scale=1.0))
    chip = small(config=config)
    w = targets(chip.total_rows, chip.column_count)
    report = program(chip, {0: WeightTargets.balanced(w)})
    assert np.abs(report.errors[0, 1]).max() < 1e-12
    large = np.abs(w) > 0.1
    left = chip.tile(0).weights()[0][large] / w[large]
    assert left.mean() == pytest.approx(config.pcm.expected_retention(config.age_s), abs=0.03)
    assert left.std() > 0.01


def test_drift_spreads_the_weights_with_time(small: Any) -> None:
    chip = small(NOMINAL, rows=128, columns=64)
    w = targets(136, 64)
    program(chip, {0: WeightTargets(wp1=w)})
    spreads = []
    for age in (20.0, 3600.0, 30 * 86_400.0):
        chip.set_age(age)
        found = chip.tile(0).weights()[0]
        slope = (found * w).sum() / (w * w).sum()
        spreads.append((found / slope - w).std())
    assert spreads[0] < spreads[1] < spreads[2]


def test_rows_programmed_later_are_younger(small: Any) -> None:
    """Two halves of the rows, a day apart: read a day later, each has lost what it would have on a chip of its own."""
    day, w = 86_400.0, np.full((24, 12), 0.8)
    even = replace(NOMINAL.pcm, nu_sigma_low=0.0, nu_sigma_high=0.0, nu_sigma_offset=0.0, accumulated_noise_scale=0.0)
    quiet = replace(NOMINAL, pcm=even)
    chip = small(quiet)
    program(chip, {0: WeightTargets.balanced(w)})
    program(chip, {0: WeightTargets.balanced(w)}, rows=range(12, 24), written_s=day)
    cells = chip.tile(0).cells
    fresh = cells.programmed * 25 / (1 << 18)
    for age in (day / 2, day, 2 * day):
        chip.set_age(age)
        kept = (cells.read_us() / fresh)[0]
        for rows, written in ((slice(0, 12), 0.0), (slice(12, 24), day)):
            expected = quiet.pcm.retention(cells.exponent[0, rows] / (1 << 16), max(age - written, 0.0))
            assert kept[rows] == pytest.approx(expected, rel=1e-3)
    old, young = cells.variance(((True, False),))[:12].mean(), cells.variance(((True, False),))[12:].mean()
    # Noise within a pulse goes with the conductance that is left, and a floor.
    sigma = quiet.pcm.pulse_sigma_us(cells.read_us()[:2], 100)
    expected = (sigma[:, :12] ** 2).mean() / (sigma[:, 12:] ** 2).mean()
    assert old / young == pytest.approx(expected, rel=0.01)


def test_weights_of_joined_tiles_are_read_through_the_capacitors_of_both(small: Any) -> None:
    """As their MACs are: what one bank's mismatch does to a weight read alone, tuning does not see."""
    periphery = replace(NOMINAL.periphery, capacitor_sigma=0.15)
    config = replace(NOMINAL, periphery=periphery, pcm=replace(NOMINAL.pcm, accumulated_noise_scale=0.0), age_s=20.0)
    w, found = {tile: WeightTargets.balanced(np.full((24, 12), 0.6)) for tile in (0, 1)}, []
    for joined in ((), ((0, 1),)):
        chip = small(config, tiles=(0, 1), pairs={0: 1})
        program(chip, w, joined=joined)
        found.append(chip.tile(0).weights()[0].mean(axis=0) / 0.6)
    own, south = (chip.tile(tile).columns.capacitors[0] for tile in (0, 1))
    assert found[0] == pytest.approx(own, abs=0.04)
    assert found[1] == pytest.approx((own + south) / 2, abs=0.04)
    assert np.abs(own - south).max() > 0.2


def test_watching_sees_every_round_and_changes_nothing(small: Any) -> None:
    chip, other, w = small(NOMINAL), small(NOMINAL), targets(24, 12)
    seen: list[tuple[int, int, int, np.ndarray]] = []
    report = program(chip, {0: WeightTargets.balanced(w)}, watch=lambda *step: seen.append(step))
    program(other, {0: WeightTargets.balanced(w)})
    assert np.array_equal(chip.tile(0).cells.programmed, other.tile(0).cells.programmed)
    for pair, target in ((1, w), (2, -w)):
        rounds = [(count, errors) for tile, which, count, errors in seen if (tile, which) == (0, pair)]
        assert [count for count, _ in rounds] == list(range(report.iterations[0, pair] + 1))
        assert rounds[0][1] == pytest.approx(-target, abs=0.05)  # only RESET: nothing is there
        within = [(np.abs(errors) < Programming().tolerance).mean() for _, errors in rounds]
        assert within[0] < 0.2
        assert within[-1] > 0.8  # a verification is noisy: what it takes for good is not all within tolerance
        # Relaxation, which the loop cannot see, comes on top.
        assert np.abs(rounds[-1][1]).mean() < 0.6 * np.abs(report.errors[0, pair]).mean()


def test_time_of_programming_must_not_be_negative(small: Any) -> None:
    with pytest.raises(ValueError, match="written_s must be 0 s or later, got -1"):
        program(small(NOMINAL), {0: WeightTargets(wp1=targets(24, 12))}, written_s=-1.0)


def test_progress_counts_pairs_of_tiles(small: Any) -> None:
    seen: list[tuple[int, int]] = []
    w = np.zeros((24, 12))
    chip = small(IDEAL, tiles=[0, 1])
    program(chip, {0: WeightTargets.balanced(w), 1: WeightTargets(wp1=w)}, progress=lambda *step: seen.append(step))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("config", [NOMINAL, IDEAL])
@pytest.mark.parametrize(("kind", "left_us"), [("stuck_reset", (0, 2)), ("stuck_set", (30, 30))])
def test_stuck_devices_stay_as_they_are(config: AnalogConfig, kind: str, left_us: tuple[float, float]) -> None:
    """Whatever is programmed, and again; the others come out as if there were none."""
    defective = replace(config, pcm=replace(config.pcm, **{kind: 0.05}))
    chip = AnalogChip(defective, tiles=[0], rows=100, bias_rows=0, columns=100)
    w = np.where(targets(100, 100) < 0, -0.5, 0.5)
    tile = chip.tile(0)
    stuck = np.stack([tile.stuck(device, np.arange(100)) for device in range(4)]) != 0
    assert stuck.mean() == pytest.approx(0.05, abs=0.005)
    for wanted in (w, -w):
        report = program(chip, {0: WeightTargets.balanced(wanted)})
        g_us = tile.cells.programmed[stuck] * 25 / (1 << 18)
        assert left_us[0] - 1e-3 <= g_us.min() <= g_us.max() <= left_us[1] + 1e-3
    good = ~(stuck[0] | stuck[1])
    assert np.abs(report.errors[0, 1][good]).mean() < 0.04
    bad = stuck[1 if kind == "stuck_reset" else 0] & (w > 0)  # -w: the second device should carry it
    assert np.abs(report.errors[0, 1][bad]).min() > 0.3


def test_a_stuck_device_is_not_written_by_an_event(small: Any) -> None:
    defective = replace(NOMINAL, pcm=replace(NOMINAL.pcm, stuck_reset=0.5))
    chip = small(defective)
    tile = chip.tile(0)
    widths = np.full((1, 12), 255, np.uint16)
    tile.write(np.array([0]), 5, 3, 0, reset=False, return_line=125, column_time=widths)
    written = tile.cells.programmed_us(3, 0) > 0
    assert np.array_equal(written, tile.stuck(0, 3)[0] == 0)
    assert 0 < written.sum() < 12


NAN = np.zeros((24, 12))
NAN[3, 4] = np.nan
LARGE = np.zeros((24, 12))
LARGE[2, 1] = -1.5


@pytest.mark.parametrize(
    ("tile", "target", "rows", "message"),
    [
        (5, np.zeros((24, 12)), None, r"tile 5 is not one of this chip's tiles \[0\]"),
        (0, np.zeros((16, 12)), None, r"WP1: targets have shape \(16, 12\), expected \(24, 12\)"),
        (0, NAN, None, "tile 0, WP1, row 3, column 4: target is nan"),
        (0, LARGE, None, "tile 0, WP1, row 2, column 1: target is -1.5, expected a number in"),
        (0, np.zeros((24, 12)), [24], "rows span 24 to 24, but a tile has rows 0 to 23"),
        (0, np.zeros((24, 12)), [0.5], "rows must be a list of integers"),
    ],
)
def test_bad_targets_are_refused(small: Any, tile: int, target: np.ndarray, rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        program(small(NOMINAL), {tile: WeightTargets(wp1=target)}, rows=rows)


def test_cells_without_use_are_not_counted(small: Any) -> None:
    """With no tolerance to speak of every weight in use is missed, and no other."""
    chip, w = small(NOMINAL), np.zeros((24, 12))
    w[:5, :4] = targets(5, 4)
    report = program(chip, {0: WeightTargets(w)}, settings=Programming(tolerance=1e-6, max_iterations=3))
    assert report.unfinished == len(report.pairs) == 5 * 4
    nothing = program(chip, {0: WeightTargets(0 * w)}, settings=Programming(tolerance=1e-6, max_iterations=3))
    assert (nothing.unfinished, nothing.iterations) == (0, {(0, 1): 0})


def test_targets_stay_as_they_were_checked() -> None:
    given = targets(24, 12)
    for made in (WeightTargets(given, given), WeightTargets.balanced(given), WeightTargets.four_pcm(given)):
        before = made.wp1.copy()
        given[0, 0] += 7.0
        assert np.array_equal(made.wp1, before)
        with pytest.raises(ValueError, match="read-only"):
            made.wp2[0, 0] = 7.0
        given[0, 0] -= 7.0


@pytest.mark.parametrize("wrong", [targets(24, 12) * 1j, np.full((24, 12), "a"), np.full((24, 12), None)])
def test_targets_are_real_numbers(wrong: np.ndarray) -> None:
    for make in (WeightTargets, WeightTargets.balanced, WeightTargets.four_pcm):
        with pytest.raises(ValueError, match="must be real numbers"):
            make(wrong)
    with pytest.raises(ValueError, match="wp1 must be a matrix"):
        WeightTargets(np.zeros(3))
