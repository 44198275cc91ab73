"""Bit planes of the host port, and numbers as codes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cosim.isa.vectors import VectorError, pack_codes, pack_mask, quantise, split_signs, unpack_codes, unpack_mask
from rtl.config import preset

CONFIGS = {name: preset(name) for name in ("chip", "small")}


@pytest.mark.parametrize("name", CONFIGS)
def test_planes_as_the_specification_puts_them(name: str) -> None:
    """Bit p of lane l is bit ``p * lanes + l`` of the vector, counted through the beats."""
    config = CONFIGS[name]
    for lane, plane in ((0, 0), (config.lanes - 1, 0), (3, 7), (config.lanes // 2, 4)):
        codes = np.zeros(config.lanes, np.uint8)
        codes[lane] = 1 << plane
        beats = pack_codes(codes, config)
        assert beats.shape == (config.vector_beats,)
        position = plane * config.lanes + lane
        assert int(beats[position // 64]) == 1 << position % 64
        assert np.count_nonzero(beats) == 1


def test_beat_8p_plus_k_of_the_full_chip() -> None:
    config = CONFIGS["chip"]
    codes = np.zeros(512, np.uint8)
    codes[64 * 5 + 9] = 1 << 3
    assert int(pack_codes(codes, config)[8 * 3 + 5]) == 1 << 9


@pytest.mark.parametrize("name", CONFIGS)
@given(data=st.data())
def test_round_trip(name: str, data: st.DataObject) -> None:
    config = CONFIGS[name]
    batch = data.draw(st.integers(0, 3))
    codes = data.draw(hnp.arrays(np.uint8, (batch, config.lanes)))
    np.testing.assert_array_equal(unpack_codes(pack_codes(codes, config), config), codes)
    mask = data.draw(hnp.arrays(np.bool_, (batch, config.lanes)))
    np.testing.assert_array_equal(unpack_mask(pack_mask(mask, config), config), mask)


@given(hnp.arrays(np.float64, 16, elements=st.floats(-1, 1)))
def test_quantise_and_split(x: np.ndarray) -> None:
    codes = quantise(x, 255)
    assert np.all(np.abs(codes / 255 - x) <= 0.5 / 255 + 1e-12)
    positive, negative = split_signs(codes)
    assert not np.any((positive > 0) & (negative > 0))
    np.testing.assert_array_equal(positive.astype(int) - negative, codes)


def test_errors() -> None:
    config = CONFIGS["small"]
    with pytest.raises(VectorError, match="16 codes"):
        pack_codes(np.zeros(15, np.uint8), config)
    with pytest.raises(VectorError, match="0 to 255"):
        pack_codes(np.full(16, 256), config)
    with pytest.raises(VectorError, match="must be integers"):
        pack_codes(np.zeros(16), config)
    with pytest.raises(VectorError, match="2 beats"):
        unpack_codes(np.zeros(3, np.uint64), config)
    with pytest.raises(VectorError, match="a mask is 16 bool"):
        pack_mask(np.zeros(16, np.uint8), config)
    with pytest.raises(VectorError, match=r"input \(1, 0\) is nan"):
        quantise([[0.0], [np.nan]], 255)
    with pytest.raises(VectorError, match=r"is 1\.5"):
        quantise([1.5], 255)


@pytest.mark.parametrize("wrong", [np.ones((2, 3)) * 1j, [["a"]], [[None]]])
def test_inputs_are_real_numbers(wrong) -> None:
    with pytest.raises(VectorError, match="inputs must be real numbers"):
        quantise(wrong, 255)
