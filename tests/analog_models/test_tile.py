"""Tile and chip: every mode of the array equals the dot product; each imperfection does what it should and no more."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models import DEVICE_MODELS, AnalogChip, AnalogConfig, EventKind, Periphery, TileControls, TileEvent
from analog_models.crossbar import G_UNITS
from analog_models.tile import Tile

IDEAL = AnalogConfig.ideal()
NOMINAL = AnalogConfig()
WP1, WP2 = TileControls(wp1=True), TileControls(wp1=False, wp2=True)
BOTH = TileControls(wp1=True, wp2=True)
RELU: dict[str, Any] = {"ramp_start": 150, "ramp_slope": 64}
UNITS = 1 << 8  # weights of these tests are multiples of 1/256
ROWS, COLUMNS, BATCH = 512, 24, 6


def weights(rng: np.random.Generator, rows: int = ROWS, columns: int = COLUMNS) -> np.ndarray:
    """Whole multiples of 1/UNITS, with eight idle bias rows."""
    w = np.zeros((rows + 8, columns), np.int64)
    w[:rows] = rng.integers(-60, 61, (rows, columns))
    return w


def pulses(rng: np.random.Generator, rows: int = ROWS, batch: int = BATCH) -> np.ndarray:
    x = np.zeros((batch, rows + 8), np.uint16)
    x[:, :rows] = rng.integers(0, 256, (batch, rows))
    return x


def chip_of(config: AnalogConfig, **options: Any) -> AnalogChip:
    options.setdefault("tiles", [0])
    return AnalogChip(config, rows=ROWS, bias_rows=8, columns=COLUMNS, **options)


def mac(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """In units of (weight / G_UNITS) x ns."""
    return x.astype(np.int64) @ w * (G_UNITS // UNITS)


# Modes ------------------------------------------------------------------------------------------------------------


def test_four_devices_hold_one_weight_of_512_rows(place: Any, mac_program: Any, expected_code: Any) -> None:
    rng = np.random.default_rng(1)
    chip, w, x = chip_of(IDEAL), weights(rng), pulses(rng)
    place(chip, 0, w / UNITS, w / UNITS)
    codes = chip.serve(np.arange(BATCH), mac_program([{0: (BOTH, x)}], {0: BOTH}))[0]
    assert np.array_equal(codes, expected_code(2 * mac(x, w), 5))


def test_two_devices_hold_1024_rows_through_wp1_then_wp2(place: Any, mac_program: Any, expected_code: Any) -> None:
    rng = np.random.default_rng(2)
    chip, w1, w2, x1, x2 = chip_of(IDEAL), weights(rng), weights(rng), pulses(rng), pulses(rng)
    place(chip, 0, w1 / UNITS, w2 / UNITS)
    program = mac_program([{0: (WP1, x1)}, {0: (WP2, x2)}], {0: WP2})
    codes = chip.serve(np.arange(BATCH), program)[0]
    assert np.array_equal(codes, expected_code(mac(x1, w1) + mac(x2, w2), 5))


def test_a_pair_of_tiles_sums_2048_rows(place: Any, mac_program: Any, expected_code: Any) -> None:
    rng = np.random.default_rng(3)
    chip = chip_of(IDEAL, tiles=[2, 7], pairs={2: 7})
    w = [weights(rng) for _ in range(4)]
    x = [pulses(rng) for _ in range(4)]
    place(chip, 2, w[0] / UNITS, w[1] / UNITS)
    place(chip, 7, w[2] / UNITS, w[3] / UNITS)
    phases = [
        {
            2: (replace(controls, share_south=True, capacitors=3), x[pair]),
            7: (replace(controls, share_north=True, capacitors=4), x[2 + pair]),
        }
        for pair, controls in enumerate((WP1, WP2))
    ]
    codes = chip.serve(np.arange(BATCH), mac_program(phases, {2: WP1, 7: WP1}))
    expected = expected_code(sum(mac(a, b) for a, b in zip(x, w, strict=True)), 7)
    assert np.array_equal(codes[2], expected)
    assert np.array_equal(codes[7], expected)


def test_a_balanced_pair_of_tiles_sums_1024_signed_rows(place: Any, mac_program: Any, expected_code: Any) -> None:
    rng = np.random.default_rng(4)
    chip = chip_of(IDEAL, tiles=[0, 1], pairs={0: 1})
    w = [weights(rng), weights(rng)]
    x = [np.where(pulses(rng) % 2, 1, -1) * pulses(rng).astype(np.int64) for _ in w]
    for tile in (0, 1):
        place(chip, tile, w[tile] / UNITS, -w[tile] / UNITS)
    phases = []
    for pair in (WP1, WP2):
        for sign in (1, -1):
            # -W sits on WP2, where the input's sign is flipped too.
            turned = replace(pair, discharge=(sign < 0) != pair.wp2, capacitors=8)
            parts = [np.maximum(sign * part, 0).astype(np.uint16) for part in x]
            north, south = replace(turned, share_south=True), replace(turned, share_north=True)
            phases.append({0: (north, parts[0]), 1: (south, parts[1])})
    codes = chip.serve(np.arange(BATCH), mac_program(phases, {1: WP1}))[1]
    exact = 2 * sum((part @ weight) * (G_UNITS // UNITS) for part, weight in zip(x, w, strict=True))
    assert np.array_equal(codes, expected_code(exact, 16))


def test_significance_weighs_the_first_pair(place: Any, mac_program: Any, expected_code: Any) -> None:
    rng = np.random.default_rng(5)
    chip, w1, w2, x = chip_of(replace(IDEAL, significance=3)), weights(rng), weights(rng), pulses(rng)
    place(chip, 0, w1 / UNITS, w2 / UNITS)
    codes = chip.serve(np.arange(BATCH), mac_program([{0: (BOTH, x)}], {0: BOTH}))[0]
    assert np.array_equal(codes, expected_code(mac(x, 3 * w1 + w2), 5))


def test_bias_rows_shift_the_result(place: Any, mac_program: Any, expected_code: Any) -> None:
    rng = np.random.default_rng(6)
    chip, w, x = chip_of(IDEAL), weights(rng), pulses(rng)
    w[512:], x[:, 512:] = 256, 200
    place(chip, 0, w / UNITS)
    codes = chip.serve(np.arange(BATCH), mac_program([{0: (WP1, x)}], {0: WP1}))[0]
    assert np.array_equal(codes, expected_code(mac(x, w), 5))


def test_relu_readout_starts_at_the_precharge_level(place: Any, mac_program: Any, expected_code: Any) -> None:
    rng = np.random.default_rng(7)
    chip, w, x = chip_of(IDEAL), weights(rng), pulses(rng)
    place(chip, 0, w / UNITS)
    relu = replace(WP1, **RELU)
    codes = chip.serve(np.arange(BATCH), mac_program([{0: (WP1, x)}], {0: relu}))[0]
    product = mac(x, w)
    assert np.array_equal(codes, expected_code(product, 5, start=150, slope=64))
    assert not codes[product < 0].any()
    assert (codes[product > 0] > 0).mean() > 0.9
    # The same charge is twice as long as in the signed readout, which puts zero at 127.5.
    signed = chip.serve(np.arange(BATCH), mac_program([{0: (WP1, x)}], {0: WP1}))[0]
    positive = product > 0
    assert np.abs(codes[positive] / 2 - (signed[positive] - 127.5)).max() <= 1


@given(code=st.integers(0, 600))
def test_a_level_of_the_ramp_reads_back_as_its_time(code: int) -> None:
    periphery = Periphery.ideal()
    v_mv = np.array([300 + code * 900 / 255 - 750])
    assert periphery.crossing_cycles(v_mv, 60, 128)[0] == min(code, 511)


def test_a_ramp_that_stands_still_reaches_nothing_above_it() -> None:
    codes = Periphery.ideal().crossing_cycles(np.array([-460.0, -450.0, -449.0]), 60, 0)
    assert codes.tolist() == [0, 0, 511]


def test_an_unprogrammed_tile_reads_zero(mac_program: Any) -> None:
    chip = chip_of(IDEAL)
    x = pulses(np.random.default_rng(0))
    codes = chip.serve(np.arange(BATCH), mac_program([{9: (WP1, x)}], {9: WP1}))[9]
    assert (codes == 128).all()  # 127.5 rounded half up
    assert not chip.tile(9).programmed


# Capacitors -------------------------------------------------------------------------------------------------------


def voltages(chip: AnalogChip, phases: list, tile: int = 0) -> np.ndarray:
    """Capacitor voltages after integrations 300 ns apart, tile by tile."""
    frames = np.arange(len(phases[0][1]))
    t = chip.tile(tile)
    t.precharge(frames, 0)
    for number, (controls, times) in enumerate(phases, 1):
        t.integrate(frames, 300 * number, controls, times)
    return t.v_mv


def test_the_gain_is_inverse_to_the_capacitance(small: Any, place: Any) -> None:
    rng = np.random.default_rng(8)
    chip, w = small(IDEAL), weights(rng, 16, 12)
    place(chip, 0, w / UNITS)
    x = pulses(rng, 16)
    one = voltages(chip, [(replace(WP1, capacitors=1), x)])
    for capacitors in range(2, 9):
        v_mv = voltages(chip, [(replace(WP1, capacitors=capacitors), x)])
        assert v_mv * capacitors == pytest.approx(one)
        unit = IDEAL.volts_per_weight_ns(capacitors) * 1e3
        assert v_mv == pytest.approx(x.astype(float) @ w / UNITS * unit)


def test_connecting_and_disconnecting_capacitors_conserves_charge(small: Any, place: Any) -> None:
    chip = small(IDEAL)
    place(chip, 0, np.ones((24, 12)))
    full, none = np.full((1, 24), 20, np.uint16), np.zeros((1, 24), np.uint16)

    def seen(*counts: int) -> float:
        phases = [(replace(WP1, capacitors=c), none if i else full) for i, c in enumerate(counts)]
        return float(voltages(chip, phases)[0, 0])

    assert seen(2, 8) == pytest.approx(seen(2) / 4)  # six capacitors join at the precharge level
    assert seen(8, 2) == pytest.approx(seen(8))  # the rest keep the same voltage
    assert seen(8, 2, 8) == pytest.approx(seen(8))
    assert seen(2, 8, 2, 8) == pytest.approx(seen(2) / 4)


def test_a_bank_that_lost_all_its_capacitors_can_be_connected_again(small: Any, place: Any) -> None:
    chip = small(IDEAL)
    place(chip, 0, np.ones((24, 12)))
    x, bare = np.full((1, 24), 20, np.uint16), replace(WP1, capacitors=0)
    held = voltages(chip, [(WP1, x)])
    again = voltages(chip, [(WP1, x), (bare, x), (WP1, np.zeros_like(x))])
    # Five capacitors kept their charge, three were at the precharge level; those that return are a mix of all eight.
    assert again == pytest.approx(held * 5 / 8)


def test_a_bank_without_capacitors_goes_to_the_rail(small: Any, place: Any) -> None:
    chip = small(replace(NOMINAL, pcm=IDEAL.pcm))
    place(chip, 0, np.tile([1.0, -1.0], (24, 6)))
    bare = replace(WP1, capacitors=0)
    v_mv = voltages(chip, [(bare, np.full((1, 24), 9, np.uint16))])[0]
    assert v_mv[0::2] == pytest.approx(550.0)
    assert v_mv[1::2] == pytest.approx(-550.0)


@settings(max_examples=25)
@given(north=st.integers(0, 8), south=st.integers(0, 8), seed=st.integers(0, 99))
def test_sharing_adds_charges_and_capacitances(north: int, south: int, seed: int) -> None:
    if north + south == 0:
        return
    rng = np.random.default_rng(seed)
    chip = AnalogChip(IDEAL, tiles=[0, 1], pairs={0: 1}, rows=16, bias_rows=8, columns=5)
    expected = np.zeros((2, 5))
    frames = np.arange(2)
    events = [TileEvent(t, EventKind.PRECHARGE, 0) for t in (0, 1)]
    for tile, capacitors, share in ((0, north, {"share_south": True}), (1, south, {"share_north": True})):
        w, x = weights(rng, 16, 5), pulses(rng, 16, 2)
        g = np.stack([np.maximum(w, 0), np.maximum(-w, 0), 0 * w, 0 * w]) / UNITS * 25
        chip.tile(tile).set_conductances(g)
        controls = replace(WP1, capacitors=capacitors, **share)
        events.append(TileEvent(tile, EventKind.INTEGRATE, 300, controls, x))
        expected += x.astype(float) @ w / UNITS * IDEAL.volts_per_weight_ns(1) * 1e3 / (north + south)
    chip.serve(frames, events)
    assert chip.tile(0).v_mv == pytest.approx(expected)
    assert chip.tile(1).v_mv == pytest.approx(expected)


def test_banks_stay_apart_unless_both_tiles_share(small: Any, place: Any, mac_program: Any) -> None:
    chip = small(IDEAL, tiles=[0, 1], pairs={0: 1})
    place(chip, 0, np.full((24, 12), 0.5))
    place(chip, 1, np.full((24, 12), -0.5))
    x = np.full((1, 24), 50, np.uint16)
    wanting = replace(WP1, share_south=True)
    chip.serve(np.arange(1), mac_program([{0: (wanting, x), 1: (WP1, x)}], {}))
    assert chip.tile(0).v_mv[0, 0] == pytest.approx(-chip.tile(1).v_mv[0, 0])
    assert chip.tile(0).v_mv[0, 0] > 1


def test_a_tile_that_still_shares_lends_its_capacitors_to_its_partner(small: Any, place: Any, mac_program: Any) -> None:
    chip = small(IDEAL, tiles=[0, 1], pairs={0: 1})
    place(chip, 0, np.full((24, 12), 0.5))
    x, none = np.full((1, 24), 50, np.uint16), np.zeros((1, 24), np.uint16)
    north, south = replace(WP1, share_south=True, capacitors=2), replace(WP1, share_north=True, capacitors=6)
    chip.serve(np.arange(1), mac_program([{0: (north, none), 1: (south, none)}, {0: (north, x)}], {}))
    expected = 24 * 50 * 0.5 * IDEAL.volts_per_weight_ns(8) * 1e3
    assert chip.tile(1).v_mv == pytest.approx(np.full((1, 12), expected))


def test_shot_noise_is_that_of_the_charge_that_was_mirrored(small: Any, place: Any, ideal_with: Any) -> None:
    """Charge of n electrons varies by the root of n, and what is taken away again varies on its own."""
    chip, x = small(ideal_with(shot_noise=1.0)), np.full((4000, 24), 100, np.uint16)
    place(chip, 0, np.full((24, 12), 0.5), np.full((24, 12), -0.5))
    tile, frames = chip.tile(0), np.arange(4000)
    tile.precharge(frames, 0)
    tile.integrate(frames, 300, WP1, x)
    farad, coulomb = WP1.capacitors * 50e-15, 1.602e-19
    moved_v = 24 * 100 * 0.5 * IDEAL.volts_per_weight_ns(WP1.capacitors)
    assert tile.v_mv.mean() == pytest.approx(1e3 * moved_v, rel=1e-3)
    assert tile.v_mv.std() == pytest.approx(1e3 * np.sqrt(coulomb * moved_v / farad), rel=0.02)
    tile.integrate(frames, 600, replace(WP1, wp1=False, wp2=True), x)
    assert tile.v_mv.mean() == pytest.approx(0, abs=0.02)
    assert tile.v_mv.std() == pytest.approx(1e3 * np.sqrt(2 * coulomb * moved_v / farad), rel=0.02)


def test_a_mos_capacitor_is_larger_above_the_precharge_level(small: Any, place: Any, ideal_with: Any) -> None:
    x = np.full((1, 24), 100, np.uint16)
    found = []
    for sign in (1, -1):
        chip = small(ideal_with(capacitor_per_v=0.1))
        place(chip, 0, np.full((24, 12), 0.5 * sign))
        found.append(float(voltages(chip, [(WP1, x)])[0, 0]))
    level = 1e3 * 24 * 100 * 0.5 * IDEAL.volts_per_weight_ns(WP1.capacitors)
    assert 0 < found[0] < level
    assert found[1] < -level
    for v_mv, charge in zip(found, (level, -level), strict=True):
        assert v_mv + 0.1 * v_mv**2 / 2e3 == pytest.approx(charge, rel=1e-6)


def test_a_mirrors_output_resistance_pulls_towards_the_precharge_level(small: Any, place: Any, ideal_with: Any) -> None:
    """V falls by exp(-lambda P) while two equal branches conduct: the trapezoidal rule has it to second order."""
    chip, x = small(ideal_with(output_per_v=0.1)), np.full((1, 24), 100, np.uint16)
    place(chip, 0, np.full((24, 12), 0.5), np.zeros((24, 12)))
    cells = np.zeros((4, 24, 12))
    cells[0] = cells[2] = cells[3] = 12.5  # WP1 charges, WP2 is balanced
    chip.tile(0).set_conductances(cells)
    charged = voltages(chip, [(WP1, x)])[0]
    after = voltages(chip, [(WP1, x), (replace(WP1, wp1=False, wp2=True), x)])[0]
    moved_v = 2 * 24 * 100 * 0.5 * IDEAL.volts_per_weight_ns(WP1.capacitors)
    assert after == pytest.approx(charged * np.exp(-0.1 * moved_v), rel=1e-5)


def test_saturation_is_judged_after_each_phase(small: Any, place: Any) -> None:
    config = replace(IDEAL, periphery=replace(IDEAL.periphery, rail_low_v=0.2, rail_high_v=1.3))
    chip = small(config)
    place(chip, 0, np.ones((24, 12)))
    up = (replace(WP1, capacitors=1), np.full((1, 24), 200, np.uint16))
    down = (replace(WP1, capacitors=1, discharge=True), np.full((1, 24), 20, np.uint16))
    assert voltages(chip, [up])[0] == pytest.approx(550.0)
    step = 24 * 20 * config.volts_per_weight_ns(1) * 1e3
    assert voltages(chip, [up, down])[0] == pytest.approx(550.0 - step)
    low = (replace(WP1, capacitors=1, discharge=True), np.full((1, 24), 200, np.uint16))
    assert voltages(chip, [low])[0] == pytest.approx(-550.0)


def test_droop_moves_at_its_rate_towards_its_level_and_not_past_it(small: Any, place: Any, ideal_with: Any) -> None:
    x = np.full((1, 24), 100, np.uint16)

    def after(wait: int, **changes: float) -> float:
        chip = small(ideal_with(**changes))
        place(chip, 0, np.full((24, 12), 0.5))
        voltages(chip, [(WP1, x)])
        return float(chip.tile(0).voltage_mv(300 + wait)[0, 0])

    start = after(0)
    # The integration, 300 ns after the precharge, droops before its charge arrives.
    assert after(1000, droop_v_per_s=40.0) == pytest.approx(start - 1300 * 40e-6)
    assert after(1000, droop_v_per_s=40.0, droop_level_v=1.8) == pytest.approx(start + 1300 * 40e-6)
    assert after(10**6, droop_v_per_s=4e5) == pytest.approx(-750.0)
    assert after(10**6, droop_v_per_s=4e5, droop_level_v=1.8) == pytest.approx(1050.0)
    # Who is beyond the level already stays there.
    assert start > 50
    assert after(10**6, droop_v_per_s=1.0, droop_level_v=0.751) == pytest.approx(start, abs=1e-3)


def test_the_precharge_leaves_thermal_noise(small: Any, ideal_with: Any) -> None:
    chip = small(ideal_with(temperature_k=300.0), columns=400)
    none = np.zeros((50, 24), np.uint16)
    for capacitors in (1, 8):
        v_mv = voltages(chip, [(replace(WP1, capacitors=capacitors), none)])
        sigma = 1e3 * np.sqrt(1.380649e-23 * 300 / (capacitors * 50e-15))
        assert v_mv.std() == pytest.approx(sigma, rel=0.03)


# Asymmetries ------------------------------------------------------------------------------------------------------


def balanced_and_plain(config: AnalogConfig, place: Any) -> tuple[np.ndarray, np.ndarray]:
    """Errors in mV of a signed MAC with asymmetry balance (halved) and without."""
    rng = np.random.default_rng(11)
    w = weights(rng, 512, COLUMNS)
    x = np.where(pulses(rng) % 2, 1, -1) * pulses(rng).astype(np.int64)
    plus, minus = (np.maximum(s * x, 0).astype(np.uint16) for s in (1, -1))
    errors = []
    for phases, scale in (
        ([(WP1, plus), (replace(WP1, discharge=True), minus)], 1),
        (
            [
                (WP1, plus),
                (replace(WP1, discharge=True), minus),
                (replace(WP2, discharge=True), plus),
                (WP2, minus),
            ],
            2,
        ),
    ):
        chip = chip_of(config, seed=5)
        place(chip, 0, w / UNITS, -w / UNITS)
        exact = x @ w / UNITS * config.volts_per_weight_ns(5) * 1e3
        errors.append(voltages(chip, phases) / scale - exact)
    return errors[1], errors[0]


def test_balance_removes_the_mismatch_of_the_read_paths_exactly(place: Any, ideal_with: Any) -> None:
    balanced, plain = balanced_and_plain(ideal_with(path_mismatch_sigma=0.05), place)
    assert np.abs(plain).max() > 1.0
    assert np.abs(balanced).max() < 1e-9


def test_balance_leaves_a_difference_of_charging_and_discharging(place: Any, ideal_with: Any) -> None:
    balanced, plain = balanced_and_plain(ideal_with(polarity_mismatch_sigma=0.05), place)
    assert np.abs(plain).max() > 1.0
    assert balanced == pytest.approx(plain, abs=1e-9)


def test_balance_leaves_a_fixed_charge_per_phase(place: Any, ideal_with: Any) -> None:
    balanced, plain = balanced_and_plain(ideal_with(phase_offset_sigma_fc=2.0), place)
    assert np.abs(plain).max() > 10.0
    assert balanced == pytest.approx(plain, abs=1e-9)


def test_gain_and_offset_of_a_column_are_its_own(place: Any, ideal_with: Any) -> None:
    config = ideal_with(column_gain_sigma=0.02, comparator_offset_sigma_v=0.02)
    a, b = chip_of(config, seed=1).tile(0).columns, chip_of(config, seed=2).tile(0).columns
    assert len(set(a.gain)) == COLUMNS
    assert not np.array_equal(a.gain, b.gain)
    assert np.array_equal(a.gain, chip_of(config, seed=1).tile(0).columns.gain)
    chip = chip_of(config, seed=1)
    chip.tile(0).precharge(np.arange(1), 0)
    codes = chip.tile(0).ramp(np.arange(1), 9, WP1)[0].astype(float)
    assert np.abs(codes - 127.5 - a.comparator_mv * 255 / 900).max() <= 0.5 + 1e-6


# Noise ------------------------------------------------------------------------------------------------------------


def test_read_noise_of_a_mac_has_the_devices_variance(place: Any) -> None:
    config = replace(IDEAL, pcm=replace(IDEAL.pcm, read_noise_scale=1.0))
    rng = np.random.default_rng(12)
    chip, w = chip_of(config), weights(rng)
    place(chip, 0, w / UNITS)
    x = np.repeat(pulses(rng, batch=1), 2000, axis=0)
    v_mv = voltages(chip, [(WP1, x)])
    # One device of each pair conducts; the other one is read with noise as well.
    single = [config.pcm.pulse_sigma_us(g, x[0][:, np.newaxis]) for g in (np.abs(w) / UNITS * 25, np.zeros(w.shape))]
    charge_us_ns = x[0][:, np.newaxis] * np.hypot(*single)
    expected = np.sqrt((charge_us_ns**2).sum(axis=0)) * 0.3 / 320 / 250 * 1e3
    assert v_mv.std(axis=0) == pytest.approx(expected, rel=0.08)
    assert v_mv.mean(axis=0) == pytest.approx(
        x[0].astype(float) @ w / UNITS * config.volts_per_weight_ns(5) * 1e3, abs=3
    )


def nominal_run(batch: np.ndarray, seed: int = 3) -> tuple[AnalogChip, Callable[[np.ndarray], np.ndarray]]:
    rng = np.random.default_rng(13)
    chip = AnalogChip(NOMINAL, tiles=[0, 1], pairs={0: 1}, rows=512, bias_rows=8, columns=33, seed=seed)
    for tile in (0, 1):
        g = np.abs(rng.normal(0, 4, (4, 520, 33)))
        chip.tile(tile).set_conductances(np.minimum(g, 25), 0.06)
    x = {f: rng.integers(0, 256, (2, 520)).astype(np.uint16) for f in batch.tolist()}

    def run(frames: np.ndarray) -> np.ndarray:
        times = np.stack([x[f] for f in frames.tolist()], axis=1)
        north, south = replace(BOTH, share_south=True), replace(BOTH, share_north=True)
        events = [TileEvent(t, EventKind.PRECHARGE, 4) for t in (0, 1)]
        for cycle, turn in ((300, False), (600, True)):
            events.append(TileEvent(0, EventKind.INTEGRATE, cycle, replace(north, discharge=turn), times[0]))
            events.append(TileEvent(1, EventKind.INTEGRATE, cycle, replace(south, discharge=turn), times[1]))
        events.append(TileEvent(1, EventKind.RAMP, 600, replace(WP1, **RELU)))
        return chip.serve(frames, events)[1]

    return chip, run


def test_codes_do_not_depend_on_the_batch() -> None:
    frames = np.array([0, 1, 2, 3, 10, 11, 500, 7])
    _, run = nominal_run(frames)
    together = run(frames)
    assert np.ptp(together) > 10
    assert np.array_equal(run(frames[::-1])[::-1], together)
    assert np.array_equal(np.concatenate([run(frames[i : i + 1]) for i in range(8)]), together)
    assert np.array_equal(np.concatenate([run(frames[:3]), run(frames[3:])]), together)


def test_codes_differ_between_seeds_and_frames() -> None:
    frames = np.array([0, 1])
    assert not np.array_equal(nominal_run(frames, 1)[1](frames), nominal_run(frames, 2)[1](frames))
    chip, _ = nominal_run(frames)
    x = np.full((2, 520), 100, np.uint16)
    v_mv = voltages(chip, [(WP1, x)])
    assert not np.array_equal(v_mv[0], v_mv[1])  # same input, other frame: other noise


def test_time_lets_the_array_fade(place: Any) -> None:
    chip, _ = nominal_run(np.array([0]))
    before = chip.tile(0).cells.read_us()
    chip.set_age(30 * 86_400.0)
    after = chip.tile(0).cells.read_us()
    assert after.mean() / before.mean() == pytest.approx((30 * 86_400 / 3600) ** -0.06, rel=2e-3)
    chip.set_age(3600.0)
    assert np.array_equal(chip.tile(0).cells.read_us(), before)


# Writing by events ------------------------------------------------------------------------------------------------


def write_event(volts: float, *, reset: bool, width: int = 200, device: int = 0, cycle: int = 50) -> TileEvent:
    times = np.zeros((1, 12), np.uint16)
    times[0, 3:] = width
    return TileEvent(
        0,
        EventKind.WRITE,
        cycle,
        column_time=times,
        write_row=5,
        device=device,
        reset=reset,
        return_line=round(volts / 0.012),
    )


@pytest.mark.parametrize("devices", DEVICE_MODELS)
def test_a_row_with_a_device_at_the_end_of_its_reach_can_be_written(small: Any, devices: str) -> None:
    """What is read back of it, beside the devices that the pulses hit, is within its reach."""
    config = AnalogConfig.nominal(devices)
    chip = small(config)
    tile = chip.tile(0)
    tile.set_conductances(np.full((4, *tile.shape), config.pcm.g_set_us))
    before = tile.cells.programmed_us(3, 0)
    assert before == pytest.approx(config.pcm.g_set_us, abs=config.pcm.g_max_us / G_UNITS)
    times = np.zeros((1, 12), np.uint16)
    times[0, 5] = 200
    tile.write(np.array([0]), 50, 3, 0, reset=True, return_line=250, column_time=times)
    after = tile.cells.programmed_us(3, 0)
    assert after[5] < 0.1 * config.pcm.g_set_us
    assert np.array_equal(np.delete(after, 5), np.delete(before, 5))


def test_write_events_set_and_reset_one_device_of_a_row(small: Any) -> None:
    chip = small(NOMINAL)
    frame = np.array([0])
    for number in range(3):
        chip.serve(frame, [write_event(1.5, reset=False, device=1, cycle=50 + number)])
    g = chip.tile(0).cells.programmed
    assert (g[1, 5, 3:] > 10 / 25 * G_UNITS).all()  # three pulses of half a time constant each
    g[1, 5, 3:] = 0
    assert not g.any()  # nothing else changed
    chip.serve(frame, [write_event(1.5, reset=False), write_event(3.0, reset=True, cycle=51)])
    assert (chip.tile(0).cells.programmed[0, 5, 3:] < 1 / 25 * G_UNITS).all()
    assert (chip.tile(0).cells.exponent[0, 5, 3:] > 0).all()


@pytest.mark.parametrize(("volts", "reset"), [(0.6, False), (1.5, True)])
def test_a_pulse_that_is_too_weak_does_nothing(small: Any, volts: float, reset: bool) -> None:
    chip = small(NOMINAL)
    chip.serve(np.array([0]), [write_event(volts, reset=reset)])
    assert not chip.tile(0).cells.programmed.any()


# Bad input --------------------------------------------------------------------------------------------------------


def tile(config: AnalogConfig = IDEAL) -> Tile:
    return AnalogChip(config, tiles=[4], rows=16, bias_rows=8, columns=12).tile(4)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            np.zeros((2, 16), np.uint16),
            r"tile 4, cycle 30: row_time is uint16 of shape \(2, 16\), expected .*\(2, 24\)",
        ),
        (np.zeros((2, 24)), "row_time is float64"),
        (np.full((2, 24), 512, np.uint16), "row_time spans 512 to 512 ns, expected 0 to 511"),
    ],
)
def test_bad_row_times_are_refused(times: np.ndarray, message: str) -> None:
    t = tile()
    t.precharge(np.arange(2), 0)
    with pytest.raises(ValueError, match=message):
        t.integrate(np.arange(2), 30, WP1, times)


def test_order_and_batch_of_events_are_checked() -> None:
    t, none = tile(), np.zeros((2, 24), np.uint16)
    with pytest.raises(ValueError, match="tile 4 integrates or reads out before its first precharge"):
        t.ramp(np.arange(2), 5, WP1)
    t.precharge(np.arange(2), 100)
    with pytest.raises(ValueError, match="3 frames, but 2 were precharged"):
        t.ramp(np.arange(3), 120, WP1)
    with pytest.raises(ValueError, match="an event in cycle 90 follows one in cycle 100"):
        t.integrate(np.arange(2), 90, WP1, none)


def test_bad_conductances_are_refused() -> None:
    with pytest.raises(ValueError, match=r"tile 4: conductances have shape \(4, 16, 12\).*\(4, 24, 12\)"):
        tile().set_conductances(np.zeros((4, 16, 12)))
    g = np.zeros((4, 24, 12))
    g[0, 2, 3] = np.nan
    with pytest.raises(ValueError, match=r"index \(0, 2, 3\) is nan uS"):
        tile().set_conductances(g)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"write_row": 24}, "no device 0 in row 24; rows are 0 to 23"),
        ({"device": 4}, "no device 4 in row 5"),
        ({"column_time": np.zeros((1, 5), np.uint16)}, r"column_time has shape \(1, 5\), expected \(1, 12\)"),
        ({"column_time": None}, "WRITE event of tile 0 in cycle 50 lacks column_time"),
    ],
)
def test_bad_writes_are_refused(small: Any, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(NOMINAL).serve(np.array([0]), [replace(write_event(1.5, reset=False), **changes)])


def test_a_write_serves_one_frame(small: Any) -> None:
    with pytest.raises(ValueError, match="a write serves one frame, got 2"):
        small(NOMINAL).serve(np.arange(2), [write_event(1.5, reset=False)])
