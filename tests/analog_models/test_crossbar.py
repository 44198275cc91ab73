"""Crossbar: sums are exact integers, whatever the batch, the mode or the significance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models import AnalogConfig, Periphery
from analog_models.crossbar import G_UNITS, VARIANCE_UNITS, CellArray, Read
from analog_models.noise import KeyedNoise
from analog_models.periphery import PATH_UNITS, Columns
from analog_models.pulses import MAX_ROW_TIME, PULSE_UNITS

NOMINAL = AnalogConfig()
#: Rows do not load one another; tests/analog_models/test_loading.py has what happens if they do.
ALONE = replace(NOMINAL, periphery=replace(NOMINAL.periphery, wire_ohm=0.0, compression_per_ua=0.0))
WP1, WP2, BOTH = Read(True, False, False), Read(False, True, False), Read(True, True, False)


def empty(config: AnalogConfig, rows: int, columns: int, seed: int = 0) -> CellArray:
    bias = min(rows, 8)
    noise = KeyedNoise(seed)
    return CellArray(config, Columns.drawn(config.periphery, noise, columns), rows - bias, bias, noise)


def filled(config: AnalogConfig, rows: int, columns: int, seed: int = 1) -> CellArray:
    cells = empty(config, rows, columns, seed)
    g = np.random.default_rng(seed).uniform(0, config.pcm.g_set_us, cells.shape)
    cells.write(np.arange(rows), slice(None), g, np.full(cells.shape, 0.05))
    return cells


def all_rows(cells: CellArray) -> tuple[int, int]:
    return 0, cells.shape[1]


def charge(cells: CellArray, times: np.ndarray, *reads: Read) -> np.ndarray:
    return cells.charge(cells.pulses(all_rows(cells), times), reads, cells.shape[2])


def variance(cells: CellArray, times: np.ndarray, *pairs: tuple[bool, bool]) -> np.ndarray:
    return cells.spread(cells.pulse_shares(times), pairs, all_rows(cells), cells.shape[2])


def rounded(product: int, bits: int) -> int:
    """A conductance times a gain in whole signal units, half to even."""
    unit = G_UNITS * PATH_UNITS >> bits
    whole, rest = divmod(product, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    wp1=st.booleans(),
    wp2=st.booleans(),
    discharge=st.booleans(),
    significance=st.integers(1, 4),
    bits=st.sampled_from([10, 20]),
)
def test_sums_equal_those_of_unbounded_integers(
    seed: int, wp1: bool, wp2: bool, discharge: bool, significance: int, bits: int
) -> None:
    config = replace(ALONE, significance=significance, resolution_bits=bits)
    cells = filled(config, 30, 5, seed)
    units = np.rint(cells.read_us() * (G_UNITS / 25)).astype(np.int64).astype(object)
    columns = Columns.drawn(config.periphery, KeyedNoise(seed), 5)
    path, steered = columns.path.astype(object), columns.polarity.astype(object) * (-1 if discharge else 1)
    time = np.random.default_rng(seed).integers(0, 512, (3, 30)).astype(np.uint16)
    weigh = np.vectorize(lambda product: rounded(product, bits), otypes=[object])
    first, second = (
        weigh(units[i] * (PATH_UNITS + path + steered)) - weigh(units[i + 1] * (PATH_UNITS - path - steered))
        for i in (0, 2)
    )
    exact = PULSE_UNITS * time.astype(object) @ (wp1 * significance * first + wp2 * second) * (-1 if discharge else 1)
    assert np.array_equal(charge(cells, time, Read(wp1, wp2, discharge)), exact.astype(float))


def test_a_group_of_reads_is_their_mean() -> None:
    cells = filled(ALONE, 520, 64)
    time = np.random.default_rng(0).integers(0, 512, (9, 520)).astype(np.uint16)
    reads = (WP1, WP2._replace(discharge=True), WP1, WP1)
    apart = sum(charge(cells, time, read) for read in reads) / 4
    # The mean is rounded to whole units, in every cell.
    assert np.abs(charge(cells, time, *reads) - apart).max() <= 0.5 * PULSE_UNITS * time.sum(axis=1).max()
    assert np.array_equal(charge(cells, time, WP1, WP1), charge(cells, time, WP1))
    pairs = ((True, False), (False, True), (True, True))
    assert np.array_equal(variance(cells, time, *pairs), sum(variance(cells, time, pair) for pair in pairs))


def test_the_halves_of_asymmetry_balance_are_alike() -> None:
    cells, rng = empty(NOMINAL, 520, 64), np.random.default_rng(2)
    w = np.clip(rng.normal(0, 0.2, (520, 64)), -1, 1) * 25
    plus, minus = np.maximum(w, 0), np.maximum(-w, 0)
    g = np.stack([plus, minus, minus, plus])
    cells.write(np.arange(520), slice(None), np.clip(g + rng.normal(0, 0.6, g.shape), 0, 30), np.zeros(g.shape))
    turned = WP1._replace(discharge=True), WP2._replace(discharge=True)
    assert cells.alike(WP1, turned[1])
    assert cells.alike(turned[0], WP2)
    assert not any(cells.alike(WP1, other) for other in (turned[0], WP2, BOTH))


def test_mesh_rows_and_bias_rows_add_up() -> None:
    cells = filled(ALONE, 520, 64)
    time = np.random.default_rng(0).integers(0, 512, (9, 520)).astype(np.uint16)
    parts = [((0, 512), time[:, :512]), ((512, 520), time[:, 512:])]
    apart = sum(cells.charge(cells.pulses(rows, part), (WP1,), 64) for rows, part in parts)
    assert np.array_equal(charge(cells, time, WP1), apart)
    apart = sum(cells.spread(cells.pulse_shares(part), ((True, False),), rows, 64) for rows, part in parts)
    assert np.array_equal(variance(cells, time, (True, False)), apart)


def test_a_full_column_at_full_scale_is_still_exact() -> None:
    config = replace(NOMINAL, resolution_bits=20)
    cells = empty(config, 520, 4)
    g = np.zeros(cells.shape)
    g[0::2] = config.pcm.g_set_us
    cells.write(np.arange(520), slice(None), g, np.zeros(cells.shape))
    largest = 2 * np.abs(cells.signal(BOTH)).sum(axis=0) * MAX_ROW_TIME * PULSE_UNITS  # 1/f noise may double it
    assert largest.max() < 2**53


def test_what_both_branches_draw_is_their_sum_within_the_spread_of_a_block() -> None:
    cells = filled(ALONE, 520, 64)
    rng = np.random.default_rng(0)
    time = rng.integers(0, 256, (9, 520)).astype(np.uint16)
    units = G_UNITS / (1 << 10) / PULSE_UNITS
    for rows, tolerance in (((0, 512), 0.05), ((512, 520), 1e-3)):
        part = time[:, slice(*rows)]
        both = part @ np.rint(cells.read_us() * (G_UNITS / 25)).sum(axis=0)[slice(*rows)] / units
        drawn = cells.drawn(cells.pulses(rows, part), (BOTH,), 64)
        assert drawn == pytest.approx(both, rel=tolerance)
        assert cells.drawn(cells.pulses(rows, part), (WP1, WP2), 64) == pytest.approx(both / 2, rel=tolerance)


def test_variances_beyond_float32_are_exact_too() -> None:
    cells = filled(NOMINAL, 520, 16)
    time = np.random.default_rng(3).integers(0, 512, (4, 520)).astype(np.uint16)
    time[2:] //= 16
    squares = cells.pulse_shares(time).astype(np.int64)
    exact = squares @ cells.variance(((True, True),)).astype(np.int64)
    assert exact.max() > 2**24
    assert exact.min() < 2**24
    assert np.array_equal(variance(cells, time, (True, True)), exact)


def test_sums_do_not_depend_on_the_batch() -> None:
    cells = filled(NOMINAL, 520, 64)
    time = np.random.default_rng(0).integers(0, 512, (33, 520)).astype(np.uint16)
    total, noise = charge(cells, time, BOTH), variance(cells, time, (True, True))
    for start, stop in ((0, 1), (5, 8), (7, 33)):
        assert np.array_equal(charge(cells, time[start:stop], BOTH), total[start:stop])
        assert np.array_equal(variance(cells, time[start:stop], (True, True)), noise[start:stop])


def test_single_columns_give_the_sums_of_all() -> None:
    cells = filled(NOMINAL, 520, 64)
    time = np.random.default_rng(0).integers(0, 512, (33, 520)).astype(np.uint16)
    frames, columns = np.array([3, 3, 30, 0]), np.array([60, 2, 2, 0])
    some = cells.spread_of(time[frames], BOTH, all_rows(cells), columns)
    assert np.array_equal(some, variance(cells, time, (True, True))[frames, columns])
    first = cells.charge(cells.pulses(all_rows(cells), time), (WP1,), 10)
    assert np.array_equal(first, charge(cells, time, WP1)[:, :10])


def test_read_noise_adds_up_over_devices_in_squares() -> None:
    cells = filled(NOMINAL, 200, 6)
    time = np.random.default_rng(3).integers(0, 256, (2, 200)).astype(np.uint16)
    g_us, us_ns = cells.read_us(), 25 / np.sqrt(VARIANCE_UNITS)
    # Charges of single pulses: (batch, devices, rows, columns).
    single = time[:, None, :, None] * NOMINAL.pcm.pulse_sigma_us(g_us, time[:, None, :, None])
    for wp1, wp2, devices in ((True, False, [0, 1]), (False, True, [2, 3]), (True, True, [0, 1, 2, 3])):
        exact = (single[:, devices] ** 2).sum(axis=(1, 2))
        # Shares of pulses and of devices are rounded to whole units, which averages out over the rows.
        assert np.sqrt(variance(cells, time, (wp1, wp2))) * us_ns == pytest.approx(np.sqrt(exact), rel=2e-3)


def test_no_device_is_too_quiet_for_the_unit_of_variance() -> None:
    cells = empty(NOMINAL, 520, 4)
    time = np.full((1, 520), 50, np.uint16)
    sigma = 50 * NOMINAL.pcm.pulse_sigma_us(np.zeros(1), 50) * np.sqrt(2 * 520)
    found = np.sqrt(variance(cells, time, (True, False)) / VARIANCE_UNITS) * 25
    assert found[0] == pytest.approx(np.full(4, sigma), rel=0.02)


def test_every_read_at_an_age_sees_what_1_f_noise_has_done_until_then() -> None:
    """Its spread over devices is aihwkit's, of the conductance as programmed; of the drifted one it is a share."""
    config = replace(NOMINAL, periphery=Periphery.ideal())
    cells = empty(config, 120, 500, seed=7)
    g_us = np.array([1.0, 3.0, 12.0, 25.0])
    placed = np.broadcast_to(g_us[:, None, None], cells.shape)
    cells.write(np.arange(120), slice(None), placed, np.full(cells.shape, 0.06))
    hour = cells.read_us()
    assert np.array_equal(hour, cells.read_us())
    drifted = g_us * (3600 / 20) ** -0.06
    relative = hour / drifted[:, None, None] - 1
    q = np.minimum(0.2, 0.0088 / (g_us / 25) ** 0.65)
    assert relative.std(axis=(1, 2)) == pytest.approx(q * np.sqrt(np.log(3600 / 500e-9)), rel=0.02)
    assert relative.mean(axis=(1, 2)) == pytest.approx(0, abs=0.005)
    cells.set_config(replace(config, age_s=7200.0))
    later = cells.read_us() / (g_us * (7200 / 20) ** -0.06)[:, None, None] - 1
    assert abs(np.corrcoef(later[2].ravel(), relative[2].ravel())[0, 1]) < 0.02
    cells.set_config(config)
    assert np.array_equal(hour, cells.read_us())


def test_no_device_is_read_below_zero_or_beyond_all_sums() -> None:
    loud = replace(NOMINAL, pcm=replace(NOMINAL.pcm, accumulated_noise_scale=50.0), periphery=Periphery.ideal())
    cells = filled(loud, 520, 16)
    assert cells.read_us().min() == 0
    assert cells.read_us().max() == pytest.approx(60, abs=1e-4)


def test_what_is_written_shows_in_every_sum() -> None:
    cells, fresh = filled(NOMINAL, 30, 5, seed=1), filled(NOMINAL, 30, 5, seed=1)
    time = np.random.default_rng(0).integers(0, 512, (3, 30)).astype(np.uint16)
    reads, pairs = (WP1, WP2), ((True, False), (False, True))
    for array in (cells, fresh):
        if array is cells:  # has everything derived before it is written
            charge(cells, time, *reads), variance(cells, time, *pairs)
        array.write(7, 2, np.full(5, 11.0), np.full(5, 0.02))
    assert np.array_equal(charge(cells, time, *reads), charge(fresh, time, *reads))
    assert np.array_equal(variance(cells, time, *pairs), variance(fresh, time, *pairs))


def test_an_array_keeps_a_few_matrices_only() -> None:
    cells = filled(NOMINAL, 30, 5)
    time = np.random.default_rng(0).integers(0, 512, (3, 30)).astype(np.uint16)
    before = charge(cells, time, WP1)
    for count in range(1, 40):
        charge(cells, time, *[WP2] * count)
    assert len(cells._derived) < 40
    assert np.array_equal(charge(cells, time, WP1), before)


@pytest.mark.parametrize("value", [np.nan, -0.1, 31.0])
def test_impossible_conductances_are_refused_with_their_place(value: float) -> None:
    cells = empty(NOMINAL, 4, 3)
    g = np.ones(cells.shape)
    g[2, 1, 0] = value
    with pytest.raises(ValueError, match=rf"\(2, 1, 0\) is {value} uS; expected 0 to 30.0 uS"):
        cells.write(np.arange(4), slice(None), g, np.zeros(cells.shape))


def test_a_significance_that_would_break_exactness_is_refused() -> None:
    config = replace(NOMINAL, significance=1 << 14, resolution_bits=20)
    with pytest.raises(ValueError, match=r"exceed 2\*\*53"):
        empty(config, 520, 4)


@pytest.mark.parametrize("age_s", [0.0, 20.0, 3600.0, 1e7])
def test_devices_in_numbers_are_read_as_a_few_are(age_s):
    """The former come from tables of all exponents and conductances, the latter one by one: not a bit differs."""
    config, rows, columns = replace(NOMINAL, age_s=age_s), 160, 512
    cells = empty(config, rows, columns, seed=4)
    random = np.random.default_rng(4)
    g_us, nu = random.uniform(0, config.pcm.g_set_us, cells.shape), random.uniform(0, 1, cells.shape)
    cells.write(np.arange(rows), slice(None), g_us, nu)
    units, squares = cells.read_us(), cells.variance(((True, True),)).copy()
    for some in (np.arange(100), np.arange(100, rows)):
        assert np.array_equal(units[:, some], cells.read_us(some))
        cells.touch(some)
        assert np.array_equal(squares, cells.variance(((True, True),)))
