"""Crossbar: sums are exact integers, whatever the batch, the mode or the significance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models import AnalogConfig, Periphery
from analog_models.crossbar import G_UNITS, CellArray
from analog_models.noise import KeyedNoise
from analog_models.periphery import PATH_UNITS, Columns

NOMINAL = AnalogConfig()


def filled(config: AnalogConfig, rows: int, columns: int, seed: int = 1) -> CellArray:
    cells = CellArray(config, Columns.drawn(config.periphery, KeyedNoise(seed), columns), rows)
    g = np.random.default_rng(seed).uniform(0, config.pcm.g_set_us, cells.shape)
    cells.write(np.arange(rows), slice(None), g, np.full(cells.shape, 0.05))
    return cells


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), wp1=st.booleans(), wp2=st.booleans(), significance=st.integers(1, 4))
def test_sums_equal_those_of_unbounded_integers(seed: int, wp1: bool, wp2: bool, significance: int) -> None:
    config = replace(NOMINAL, significance=significance)
    cells = filled(config, 30, 5, seed)
    units = np.rint(cells.read_us() * (G_UNITS / 25)).astype(np.int64).astype(object)
    path = Columns.drawn(config.periphery, KeyedNoise(seed), 5).path.astype(object)
    time = np.random.default_rng(seed).integers(0, 512, (3, 30)).astype(np.uint16)
    first = units[0] * (PATH_UNITS + path) - units[1] * (PATH_UNITS - path)
    second = units[2] * (PATH_UNITS + path) - units[3] * (PATH_UNITS - path)
    exact = time.astype(object) @ (wp1 * significance * first + wp2 * second)
    charge, _ = cells.sums(time, wp1, wp2)
    assert np.array_equal(charge, exact.astype(float) * (25 / (G_UNITS * PATH_UNITS)))


def test_a_full_column_at_full_scale_is_still_exact() -> None:
    config = NOMINAL
    cells = CellArray(config, Columns.drawn(config.periphery, KeyedNoise(0), 4), 520)
    g = np.zeros(cells.shape)
    g[0::2] = config.pcm.g_set_us
    cells.write(np.arange(520), slice(None), g, np.zeros(cells.shape))
    signal = cells._matrices(True, True)[0]
    assert (np.abs(signal).sum(axis=0) * 511).max() < 2**53
    variance = cells._matrices(True, True)[1]
    assert variance is not None
    assert (variance.sum(axis=0) * 511**2).max() < 2**53


def test_sums_do_not_depend_on_the_batch() -> None:
    cells = filled(NOMINAL, 520, 64)
    time = np.random.default_rng(0).integers(0, 512, (33, 520)).astype(np.uint16)
    charge, sigma = cells.sums(time, True, True)
    for start, stop in ((0, 1), (5, 8), (7, 33)):
        part, noise = cells.sums(time[start:stop], True, True)
        assert np.array_equal(part, charge[start:stop])
        assert noise is not None
        assert sigma is not None
        assert np.array_equal(noise, sigma[start:stop])


def test_read_noise_adds_up_over_devices_in_squares() -> None:
    cells = filled(NOMINAL, 20, 6)
    time = np.random.default_rng(3).integers(0, 256, (2, 20)).astype(np.uint16)
    single = NOMINAL.pcm.read_sigma_us(cells.read_us(), NOMINAL.age_s)
    for wp1, wp2, devices in ((True, False, [0, 1]), (False, True, [2, 3]), (True, True, [0, 1, 2, 3])):
        variance = np.einsum("br,drc->bc", time.astype(float) ** 2, single[devices] ** 2)
        assert cells.sums(time, wp1, wp2)[1] == pytest.approx(np.sqrt(variance), rel=1e-3)


def test_no_pair_selected_moves_nothing() -> None:
    charge, sigma = filled(NOMINAL, 8, 3).sums(np.full((2, 8), 9, np.uint16), False, False)
    assert not charge.any()
    assert sigma is None


def test_ir_drop_takes_most_from_the_far_rows_and_keeps_sums_linear() -> None:
    config = replace(AnalogConfig.ideal(), periphery=replace(Periphery.ideal(), wire_ohm=0.5))
    loss = 1 - config.periphery.attenuation(520)
    assert (np.diff(loss) < 0).all()
    # The far end of a uniformly loaded line: R G N^2 / 2.
    assert loss[0] == pytest.approx(0.5 * 1e-6 * 520**2 / 2)
    cells = filled(config, 520, 3)
    time = np.random.default_rng(0).integers(0, 255, (2, 520)).astype(np.uint16)
    a, b = (cells.sums(time[i : i + 1], True, False)[0] for i in (0, 1))
    assert np.array_equal(a + b, cells.sums(time.sum(axis=0, keepdims=True), True, False)[0])


@pytest.mark.parametrize("value", [np.nan, -0.1, 31.0])
def test_impossible_conductances_are_refused_with_their_place(value: float) -> None:
    cells = CellArray(NOMINAL, Columns.drawn(NOMINAL.periphery, KeyedNoise(0), 3), 4)
    g = np.ones(cells.shape)
    g[2, 1, 0] = value
    with pytest.raises(ValueError, match=rf"\(2, 1, 0\) is {value} uS; expected 0 to 30.0 uS"):
        cells.write(np.arange(4), slice(None), g, np.zeros(cells.shape))


def test_a_significance_that_would_break_exactness_is_refused() -> None:
    config = replace(NOMINAL, significance=64)
    with pytest.raises(ValueError, match=r"exceed 2\*\*53"):
        CellArray(config, Columns.drawn(config.periphery, KeyedNoise(0), 4), 520)
