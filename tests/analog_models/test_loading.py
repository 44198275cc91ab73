"""IR drop and compression, against an exact ladder that is solved for every set of rows that conduct together."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solveh_banded

from analog_models import AnalogConfig, Periphery
from analog_models.crossbar import CellArray, Read
from analog_models.loading import Loading
from analog_models.noise import KeyedNoise
from analog_models.periphery import Columns

ROWS, BIAS, COLUMNS = 512, 8, 6
WP1, BOTH, TURNED = Read(True, False, False), Read(True, True, False), Read(True, False, True)
Array = np.ndarray


def config_with(**periphery: float) -> AnalogConfig:
    return replace(AnalogConfig.ideal(), periphery=replace(Periphery.ideal(), **periphery))


def array_of(config: AnalogConfig, g_us: Array, rows: int = ROWS, bias: int = BIAS) -> CellArray:
    noise = KeyedNoise(3)
    cells = CellArray(config, Columns.drawn(config.periphery, noise, g_us.shape[2]), rows, bias, noise)
    cells.write(np.arange(rows + bias), slice(None), g_us, np.zeros(g_us.shape))
    return cells


def conductances(seed: int = 0, sigma: float = 0.2) -> Array:
    """One-sided weights on both pairs; every other column leans to one side, and the last is empty."""
    rng = np.random.default_rng(seed)
    g = np.zeros((4, ROWS + BIAS, COLUMNS))
    for pair in (0, 2):
        w = rng.normal(0, sigma, g.shape[1:]) + 0.1 * (np.arange(COLUMNS) % 2)
        g[pair], g[pair + 1] = np.clip([w, -w], 0, 1) * 25
    g[:, :, -1] = 0
    return g


def inputs(kind: str, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    times = {
        "uniform": rng.integers(0, 256, (2, ROWS)),
        "sparse": np.maximum(rng.normal(-60, 100, (2, ROWS)), 0).clip(0, 255),
        "all": np.full((2, ROWS), 255),
        "far half": np.where(np.arange(ROWS) < ROWS // 2, rng.integers(0, 256, (2, ROWS)), 0),
        "long": rng.integers(0, 512, (2, ROWS)),
    }
    return times[kind].astype(np.uint16)


def ladder(g_us: Array, times: Array, wire_ohm: float, kappa: float) -> float:
    """Sum of G t of one branch in uS ns, of the cells (rows,) that are driven, behind the wire and the mirror.

    `kappa` is the compression of a mirror in 1/uS of conductance at the read voltage.
    """
    cells, total, begin = len(g_us), 0.0, 0
    ends = np.unique(times[times > 0])
    for end in ends:
        g = np.where(np.append(times >= end, np.zeros(cells - len(times), bool)), g_us, 0.0)
        if wire_ohm:
            # Node r is a wire of one cell away from node r + 1, and the last one as far from the circuits, at 1 V.
            wire = 1e6 / wire_ohm
            middle = g + wire + np.append(0.0, np.full(cells - 1, wire))
            bands = np.stack([np.full(cells, -wire), middle])  # of the matrix, symmetric: above the diagonal, and it
            v = solveh_banded(bands, np.append(np.zeros(cells - 1), wire))
            current = float(g @ v)
        else:
            current = float(g.sum())
        total += (current - kappa * current**2) * (int(end) - begin)
        begin = int(end)
    return total


def net_us_ns(cells: CellArray, times: Array, read: Read) -> Array:
    unit = cells._config.pcm.g_max_us / 2**cells._config.resolution_bits / 2
    return cells.charge(cells.pulses((0, ROWS), times), (read,), COLUMNS) * unit


def first_order(g_us: Array, times: Array, wire_ohm: float, kappa: float) -> float:
    """The same by the quadratic form, row by row and ns by ns."""
    distance = len(g_us) - np.arange(len(g_us))
    kernel = wire_ohm * 1e-6 * np.minimum.outer(distance, distance) + kappa
    t = np.append(times, np.zeros(len(g_us) - len(times), np.uint16)).astype(float)
    return float(g_us @ t - (kernel * np.multiply.outer(g_us, g_us) * np.minimum.outer(t, t)).sum())


def off_percent(found: Array, exact: Array, g: Array, times: Array) -> float:
    """Root mean square of the difference, as a share of what both branches would draw without losses."""
    both = times[0] @ g[:2, :ROWS].sum(axis=0)
    return float(100 * np.sqrt(np.mean(((found - exact) / np.maximum(both, 1))[:-1] ** 2)))


@pytest.mark.parametrize("kind", ["uniform", "sparse", "all", "far half", "long"])
@pytest.mark.parametrize(
    ("wire_ohm", "compression"), [(0.05, 0.0), (0.15, 0.0), (0.35, 0.0), (0.0, 1e-4), (0.15, 1e-4)]
)
def test_what_a_column_loses_is_what_the_ladder_says(kind: str, wire_ohm: float, compression: float) -> None:
    """Columns that lose 2 % at 0.15 ohm: blocks and bins leave 0.03 % of the charge; the second order leaves more."""
    config = config_with(wire_ohm=wire_ohm, compression_per_ua=compression)
    g, times = conductances(), inputs(kind)
    found = net_us_ns(array_of(config, g), times, WP1)[0]
    kappa = compression * config.periphery.read_voltage_v

    branches = [(g[0, :, column], g[1, :, column]) for column in range(COLUMNS)]
    form = np.array(
        [first_order(p, times[0], wire_ohm, kappa) - first_order(m, times[0], wire_ohm, kappa) for p, m in branches]
    )
    exact = np.array([ladder(p, times[0], wire_ohm, kappa) - ladder(m, times[0], wire_ohm, kappa) for p, m in branches])
    size = wire_ohm / 0.15 + compression / 1e-4
    assert off_percent(found, form, g, times) < 0.03 + 0.06 * size
    assert off_percent(found, exact, g, times) < 0.03 + 0.06 * size + 0.12 * size**2


def test_two_pairs_on_one_wire_load_it_together() -> None:
    config, g, times = config_with(wire_ohm=0.15, compression_per_ua=1e-4), conductances(), inputs("uniform")
    found = net_us_ns(array_of(config, g), times, BOTH)
    kappa = 1e-4 * config.periphery.read_voltage_v
    for column in range(COLUMNS):
        exact = [ladder(g[b, :, column] + g[b + 2, :, column], times[0], 0.15, kappa) for b in (0, 1)]
        off = abs(found[0, column] - (exact[0] - exact[1]))
        assert off < 0.02 * float(times[0] @ g[:, :ROWS, column].sum(axis=0)) + 5.0


def test_paths_compress_by_their_own_mirrors() -> None:
    """A branch of 1.3 times the nominal compression loses as much more; turned, the sign is the other one."""
    config = config_with(compression_per_ua=1e-4)
    g, times = conductances(), inputs("uniform")
    cells = array_of(config, g)
    cells._columns.compression[:] = [[1.3], [0.7]]
    own = CellArray(config, cells._columns, ROWS, BIAS, KeyedNoise(3))
    own.write(np.arange(ROWS + BIAS), slice(None), g, np.zeros(g.shape))
    kappa = 1e-4 * config.periphery.read_voltage_v
    found = net_us_ns(own, times, WP1)
    assert net_us_ns(own, times, TURNED) == pytest.approx(-found)
    for column in range(COLUMNS - 1):
        plus, minus = (ladder(g[b, :, column], times[0], 0.0, own * kappa) for b, own in ((0, 1.3), (1, 0.7)))
        assert abs(found[0, column] - (plus - minus)) < 1e-3 * float(times[0] @ g[:2, :ROWS, column].sum(axis=0)) + 5.0


def test_asymmetry_balance_takes_the_mismatch_of_the_mirrors_away() -> None:
    """W through one path and -W through the other: what the two lose differently cancels, not what they lose alike."""
    g, times = conductances(), inputs("uniform")
    g[2:] = g[[1, 0]]
    config = config_with(compression_per_ua=1e-4, compression_mismatch=0.5)
    cells, even = array_of(config, g), array_of(config_with(compression_per_ua=1e-4), g)
    turned = Read(False, True, True)
    halves = net_us_ns(cells, times, WP1), net_us_ns(cells, times, turned)
    apart = np.abs(halves[0] - halves[1])[:, :-1]
    left = np.abs(sum(halves) / 2 - net_us_ns(even, times, WP1))[:, :-1]
    assert (left < 0.02 * apart + 5.0).all()


@pytest.mark.parametrize("rows", [1, 3, 8, 20, 512])
def test_any_number_of_rows_is_cut_into_blocks(rows: int) -> None:
    periphery = replace(Periphery.ideal(), wire_ohm=0.15)
    columns = Columns.drawn(periphery, KeyedNoise(0), 4)
    loading = Loading(periphery, columns, rows, rows + 8, unit_us=1.0, signal_us_ns=0.01)
    loading.refresh(np.full((4, rows, 4), 5))
    times = np.full((3, rows), 100, np.float32)
    total, (until, width) = loading.total_ns(times), loading.until_ns(times)
    assert total.shape == (3, loading.blocks)
    assert total.sum(axis=1) == pytest.approx(rows * 100)
    assert np.array_equal(until[:, :, -1], total)
    assert width == pytest.approx(np.full(3, 13))
    worth = loading.worth(times, pairs=1, units=2)[:, :rows]
    assert (worth <= 200).all()
    assert (worth >= 150).all()


def test_pulses_that_nothing_loads_stay_whole() -> None:
    cells = array_of(config_with(wire_ohm=0.15), np.zeros((4, ROWS + BIAS, COLUMNS)))
    times = inputs("uniform")
    assert np.array_equal(cells.pulses((0, ROWS), times).lengths(1).values[:, :ROWS], 2 * times)


def test_bias_rows_next_to_the_circuits_lose_nothing() -> None:
    config = config_with(wire_ohm=0.35, compression_per_ua=1e-4)
    g = conductances()
    cells, ideal = array_of(config, g), array_of(config_with(), g)
    times = np.full((1, BIAS), 200, np.uint16)
    charges = [one.charge(one.pulses((ROWS, ROWS + BIAS), times), (WP1,), COLUMNS) for one in (cells, ideal)]
    assert np.array_equal(*charges)
