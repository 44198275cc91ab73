"""Crossbar: sums are exact integers, whatever the batch, the mode or the significance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models import AnalogConfig, Periphery
from analog_models.crossbar import G_UNITS, MAX_PHASES, SIGMA_UNITS, SIGNAL_UNITS, CellArray, Read
from analog_models.noise import KeyedNoise
from analog_models.periphery import PATH_UNITS, Columns

NOMINAL = AnalogConfig()
WP1, WP2, BOTH = Read(True, False, False), Read(False, True, False), Read(True, True, False)


def filled(config: AnalogConfig, rows: int, columns: int, seed: int = 1) -> CellArray:
    cells = CellArray(config, Columns.drawn(config.periphery, KeyedNoise(seed), columns), rows, KeyedNoise(seed))
    g = np.random.default_rng(seed).uniform(0, config.pcm.g_set_us, cells.shape)
    cells.write(np.arange(rows), slice(None), g, np.full(cells.shape, 0.05))
    return cells


def all_rows(cells: CellArray) -> tuple[int, int]:
    return 0, cells.shape[1]


def charge(cells: CellArray, times: np.ndarray, *reads: Read) -> np.ndarray:
    return cells.charge(times.astype(float), reads, all_rows(cells), cells.shape[2])


def variance(cells: CellArray, times: np.ndarray, *pairs: tuple[bool, bool]) -> np.ndarray:
    return cells.spread(cells.pulse_shares(times), pairs, all_rows(cells), cells.shape[2])


def rounded(product: int) -> int:
    """A conductance times a gain in whole signal units, half to even."""
    unit = G_UNITS * PATH_UNITS // SIGNAL_UNITS
    whole, rest = divmod(product, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    wp1=st.booleans(),
    wp2=st.booleans(),
    discharge=st.booleans(),
    significance=st.integers(1, 4),
)
def test_sums_equal_those_of_unbounded_integers(
    seed: int, wp1: bool, wp2: bool, discharge: bool, significance: int
) -> None:
    config = replace(NOMINAL, significance=significance)
    cells = filled(config, 30, 5, seed)
    units = np.rint(cells.read_us() * (G_UNITS / 25)).astype(np.int64).astype(object)
    columns = Columns.drawn(config.periphery, KeyedNoise(seed), 5)
    path, steered = columns.path.astype(object), columns.polarity.astype(object) * (-1 if discharge else 1)
    time = np.random.default_rng(seed).integers(0, 512, (3, 30)).astype(np.uint16)
    weigh = np.vectorize(rounded, otypes=[object])
    first, second = (
        weigh(units[i] * (PATH_UNITS + path + steered)) - weigh(units[i + 1] * (PATH_UNITS - path - steered))
        for i in (0, 2)
    )
    exact = time.astype(object) @ (wp1 * significance * first + wp2 * second) * (-1 if discharge else 1)
    assert np.array_equal(charge(cells, time, Read(wp1, wp2, discharge)), exact.astype(float))


def test_phases_add_up_to_the_same_whether_merged_or_not() -> None:
    cells = filled(NOMINAL, 520, 64)
    time = np.random.default_rng(0).integers(0, 512, (9, 520)).astype(np.uint16)
    reads = (WP1, WP2._replace(discharge=True), BOTH, WP1)
    apart = sum(charge(cells, time, read) for read in reads)
    assert np.array_equal(charge(cells, time, *reads), apart)
    pairs = ((True, False), (False, True), (True, True))
    assert np.array_equal(variance(cells, time, *pairs), sum(variance(cells, time, pair) for pair in pairs))


def test_mesh_rows_and_bias_rows_add_up() -> None:
    cells = filled(NOMINAL, 520, 64)
    time = np.random.default_rng(0).integers(0, 512, (9, 520)).astype(np.uint16)
    parts = [((0, 512), time[:, :512]), ((512, 520), time[:, 512:])]
    apart = sum(cells.charge(part.astype(float), (WP1,), rows, 64) for rows, part in parts)
    assert np.array_equal(charge(cells, time, WP1), apart)
    apart = sum(cells.spread(cells.pulse_shares(part), ((True, False),), rows, 64) for rows, part in parts)
    assert np.array_equal(variance(cells, time, (True, False)), apart)


def test_even_shares_of_merged_phases_are_off_by_no_more_than_the_deviations_say() -> None:
    cells = filled(NOMINAL, 200, 40)
    rng = np.random.default_rng(0)
    time = rng.integers(0, 512, (9, 200)).astype(np.uint16)
    reads = (WP1, WP2, WP1._replace(discharge=True), BOTH)
    deviations = cells.deviations(reads, all_rows(cells))
    norms = np.linalg.norm(time.astype(float), axis=1)[:, None]
    total = charge(cells, time, *reads)
    assert not deviations[0].any()
    assert not deviations[4].any()
    for count in (1, 2, 3):
        off = np.abs(charge(cells, time, *reads[:count]) - total * count / 4)
        assert (off <= norms * deviations[count] * (1 + 1e-12)).all()
        # Pulses along the deviation reach the bound, within the rounding of the pulses to whole ns.
        column = np.argmax(deviations[count])
        share = cells.signal(reads)[:, column] * count / 4
        part = sum(cells.signal((read,))[:, column] for read in reads[:count]) - share
        worst = np.rint(np.maximum(part / np.abs(part).max() * 511, 0)).astype(np.uint16)[None]
        reached = charge(cells, worst, *reads[:count]) - charge(cells, worst, *reads) * count / 4
        assert reached[0, column] > 0.4 * np.linalg.norm(worst.astype(float)) * deviations[count, column]


def test_a_full_column_at_full_scale_is_still_exact() -> None:
    config = NOMINAL
    cells = CellArray(config, Columns.drawn(config.periphery, KeyedNoise(0), 4), 520, KeyedNoise(0))
    g = np.zeros(cells.shape)
    g[0::2] = config.pcm.g_set_us
    cells.write(np.arange(520), slice(None), g, np.zeros(cells.shape))
    assert (2 * np.abs(cells.signal((BOTH,))).sum(axis=0) * 511 * MAX_PHASES).max() < 2**53  # 1/f noise may double it


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
    some = cells.charge_of(time[frames], WP2, all_rows(cells), columns)
    assert np.array_equal(some, charge(cells, time, WP2)[frames, columns])
    some = cells.spread_of(time[frames], BOTH, all_rows(cells), columns)
    assert np.array_equal(some, variance(cells, time, (True, True))[frames, columns])
    first = cells.charge(time.astype(float), (WP1,), all_rows(cells), 10)
    assert np.array_equal(first, charge(cells, time, WP1)[:, :10])


def test_read_noise_adds_up_over_devices_in_squares() -> None:
    cells = filled(NOMINAL, 200, 6)
    time = np.random.default_rng(3).integers(0, 256, (2, 200)).astype(np.uint16)
    g_us, us_ns = cells.read_us(), SIGMA_UNITS * 25 / SIGNAL_UNITS
    # Charges of single pulses: (batch, devices, rows, columns).
    single = time[:, None, :, None] * NOMINAL.pcm.pulse_sigma_us(g_us, time[:, None, :, None])
    for wp1, wp2, devices in ((True, False, [0, 1]), (False, True, [2, 3]), (True, True, [0, 1, 2, 3])):
        exact = (single[:, devices] ** 2).sum(axis=(1, 2))
        # Shares of pulses and of devices are rounded to whole units, which averages out over the rows.
        assert np.sqrt(variance(cells, time, (wp1, wp2))) * us_ns == pytest.approx(np.sqrt(exact), rel=2e-3)


def test_no_device_is_too_quiet_for_the_unit_of_variance() -> None:
    cells = CellArray(NOMINAL, Columns.drawn(NOMINAL.periphery, KeyedNoise(0), 4), 520, KeyedNoise(0))
    time = np.full((1, 520), 50, np.uint16)
    sigma = 50 * NOMINAL.pcm.pulse_sigma_us(np.zeros(1), 50) * np.sqrt(2 * 520)
    found = np.sqrt(variance(cells, time, (True, False))) * SIGMA_UNITS * 25 / SIGNAL_UNITS
    assert found[0] == pytest.approx(np.full(4, sigma), rel=0.02)


def test_every_read_at_an_age_sees_what_1_f_noise_has_done_until_then() -> None:
    """Its spread over devices is aihwkit's, of the conductance as programmed; of the drifted one it is a share."""
    config = replace(NOMINAL, periphery=Periphery.ideal())
    cells = CellArray(config, Columns.drawn(config.periphery, KeyedNoise(0), 500), 120, KeyedNoise(7))
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
            charge(cells, time, *reads), variance(cells, time, *pairs), cells.deviations(reads, (0, 30))
        array.write(7, 2, np.full(5, 11.0), np.full(5, 0.02))
    assert np.array_equal(charge(cells, time, *reads), charge(fresh, time, *reads))
    assert np.array_equal(variance(cells, time, *pairs), variance(fresh, time, *pairs))
    assert np.array_equal(cells.deviations(reads, (0, 30)), fresh.deviations(reads, (0, 30)))


def test_an_array_keeps_a_few_matrices_only() -> None:
    cells = filled(NOMINAL, 30, 5)
    time = np.random.default_rng(0).integers(0, 512, (3, 30)).astype(np.uint16)
    before = charge(cells, time, WP1)
    for count in range(1, 20):
        charge(cells, time, *[WP2] * count)
    assert len(cells._signals) < 20
    assert np.array_equal(charge(cells, time, WP1), before)


def test_ir_drop_takes_most_from_the_far_rows_and_keeps_sums_linear() -> None:
    config = replace(AnalogConfig.ideal(), periphery=replace(Periphery.ideal(), wire_ohm=0.5))
    loss = 1 - config.periphery.attenuation(520)
    assert (np.diff(loss) < 0).all()
    # The far end of a uniformly loaded line: R G N^2 / 2.
    assert loss[0] == pytest.approx(0.5 * 1e-6 * 520**2 / 2)
    cells = filled(config, 520, 3)
    time = np.random.default_rng(0).integers(0, 255, (2, 520)).astype(np.uint16)
    a, b = (charge(cells, time[i : i + 1], WP1) for i in (0, 1))
    assert np.array_equal(a + b, charge(cells, time.sum(axis=0, keepdims=True), WP1))


@pytest.mark.parametrize("value", [np.nan, -0.1, 31.0])
def test_impossible_conductances_are_refused_with_their_place(value: float) -> None:
    cells = CellArray(NOMINAL, Columns.drawn(NOMINAL.periphery, KeyedNoise(0), 3), 4, KeyedNoise(0))
    g = np.ones(cells.shape)
    g[2, 1, 0] = value
    with pytest.raises(ValueError, match=rf"\(2, 1, 0\) is {value} uS; expected 0 to 30.0 uS"):
        cells.write(np.arange(4), slice(None), g, np.zeros(cells.shape))


def test_a_significance_that_would_break_exactness_is_refused() -> None:
    config = replace(NOMINAL, significance=64)
    with pytest.raises(ValueError, match=r"exceed 2\*\*53"):
        CellArray(config, Columns.drawn(config.periphery, KeyedNoise(0), 4), 520, KeyedNoise(0))


@pytest.mark.parametrize("age_s", [0.0, 20.0, 3600.0, 1e7])
def test_devices_in_numbers_are_read_as_a_few_are(age_s):
    """The former come from tables of all exponents and conductances, the latter one by one: not a bit differs."""
    config, rows, columns = replace(NOMINAL, age_s=age_s), 160, 512
    cells = CellArray(config, Columns.drawn(config.periphery, KeyedNoise(4), columns), rows, KeyedNoise(4))
    random = np.random.default_rng(4)
    g_us, nu = random.uniform(0, config.pcm.g_set_us, cells.shape), random.uniform(0, 1, cells.shape)
    cells.write(np.arange(rows), slice(None), g_us, nu)
    units, squares = cells.read_us(), cells.variance(((True, True),)).copy()
    for some in (np.arange(100), np.arange(100, rows)):
        assert np.array_equal(units[:, some], cells.read_us(some))
        cells.touch(some)
        assert np.array_equal(squares, cells.variance(((True, True),)))
