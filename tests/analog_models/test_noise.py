"""Noise by key: the same name gives the same bits, different names nothing in common."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Philox
from scipy.special import ndtri
from scipy.stats import kstest, kurtosis, norm

from analog_models.noise import KeyedNoise, half_gaussians

FRAMES = st.lists(st.integers(0, 2**40), min_size=1, max_size=12)


@given(frames=FRAMES, count=st.integers(1, 40), cycle=st.integers(0, 5000), kind=st.integers(0, 30))
def test_each_frame_gets_the_same_bits_in_any_batch(frames: list[int], count: int, cycle: int, kind: int) -> None:
    batch = KeyedNoise(3, 1, 2).gaussians(frames, cycle, kind, count)
    noise = KeyedNoise(3, 1, 2)
    for frame, row in reversed(list(zip(frames, batch, strict=True))):
        assert np.array_equal(noise.gaussians([frame], cycle, kind, count)[0], row)


def test_consecutive_frames_are_drawn_in_one_stretch_with_the_same_result() -> None:
    frames = np.array([7, 8, 9, 20, 21, 3, 10])
    together = KeyedNoise(1).gaussians(frames, 5, 1, 19)
    apart = np.concatenate([KeyedNoise(1).gaussians([f], 5, 1, 19) for f in frames])
    assert np.array_equal(together, apart)


def test_the_stream_is_philox_keyed_and_counted_as_documented() -> None:
    raw = Philox(key=[11, 2 << 32 | 5], counter=[4 * 2, 0, 77, 1]).random_raw(8)
    words = raw.astype("<u8").view("<u4")[:13]
    z = half_gaussians()[words & 0xFFFF].astype(float) + half_gaussians()[words >> 16]
    assert np.array_equal(KeyedNoise(11, 2, 5).gaussians([4], 77, 1, 13)[0], z)


def test_the_first_values_are_those_of_all() -> None:
    frames = np.array([5, 6, 90])
    everything = KeyedNoise(1).gaussians(frames, 3, 1, 50)
    assert np.array_equal(KeyedNoise(1).gaussians(frames, 3, 1, 50, first=13), everything[:, :13])


def test_the_table_is_exact_and_its_pairs_are_gaussian() -> None:
    table = half_gaussians().astype(float)
    assert np.array_equal(table * 2**20, np.rint(table * 2**20))  # every sum is exact, on every machine
    assert np.array_equal(table, -table[::-1])
    assert np.mean(table**2) == pytest.approx(0.5, rel=1e-6)
    assert 5.9 < 2 * table[-1] < 6.2
    assert table / np.sqrt(0.5) == pytest.approx(ndtri((np.arange(1 << 16) + 0.5) / (1 << 16)), abs=5e-4)
    # Of a sum of two, kurtosis is half as far off as of one.
    assert abs(kurtosis(table)) / 2 < 1e-3


def test_every_bit_of_a_seed_counts() -> None:
    draws = [KeyedNoise(2**64 - n).gaussians([1], 1, 1, 8).tolist() for n in (1, 2, 1000)]
    assert draws[0] != draws[1] != draws[2]


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_seed_chip_and_tile_make_unrelated_streams(other: tuple[int, int, int]) -> None:
    a = KeyedNoise(0, 0, 0).gaussians(range(20), 1, 1, 500).ravel()
    b = KeyedNoise(*other).gaussians(range(20), 1, 1, 500).ravel()
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


@pytest.mark.parametrize("key", [(1, 2, 1), (1, 1, 2), (2, 1, 1)])
def test_frame_cycle_and_kind_make_unrelated_values(key: tuple[int, int, int]) -> None:
    noise = KeyedNoise(5)
    a = noise.gaussians([1], 1, 1, 10_000)[0]
    b = noise.gaussians([key[0]], key[1], key[2], 10_000)[0]
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


def test_values_are_standard_gaussians() -> None:
    z = KeyedNoise(9).gaussians(range(1000), 3, 1, 512).ravel()
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    assert kstest(z, "norm").pvalue > 1e-4
    assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / z.size)
    for sigmas in (2, 3, 4):  # tails
        expected = 2 * z.size * norm.sf(sigmas)
        assert abs((np.abs(z) > sigmas).sum() - expected) < 4 * np.sqrt(expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KeyedNoise(-1), r"seed must be a whole number, 0 to 2\*\*64 - 1, got -1"),
        (lambda: KeyedNoise(0, 2**32), r"chip must be a whole number, 0 to 2\*\*32 - 1, got 4294967296"),
        (lambda: KeyedNoise(1.5), "seed must be a whole number, .* got 1.5"),
        (lambda: KeyedNoise(0).gaussians([-1], 0, 0, 4), "must not be negative"),
        (lambda: KeyedNoise(0).gaussians([0.5], 0, 0, 4), "vector of integers"),
    ],
)
def test_bad_keys_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
