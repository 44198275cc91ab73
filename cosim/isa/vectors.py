"""Vectors of duration codes as the host port carries them, and numbers as codes.

A vector of `lanes` codes travels as bit planes: all lanes' bit 0, lane 0 first, then all lanes' bit 1, ..., in beats of
64 bits, so that a landing pad's counters take it as it comes. Source: docs/fabric.md, "Host port".
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.values import real_numbers
from cosim.files.errors import UserError
from rtl.config import ChipConfig

__all__ = ["VectorError", "pack_codes", "pack_mask", "quantise", "split_signs", "unpack_codes", "unpack_mask"]

Beats = NDArray[np.uint64]
Codes = NDArray[np.uint8]

_BEAT_BITS = 64


class VectorError(UserError, ValueError):
    """Numbers that are no vector of this chip."""


def _to_beats(bits: NDArray[np.integer]) -> Beats:
    """(n, bits) of 0/1, first bit lowest -> (n, beats), the last beat filled up with zeros."""
    padding = -bits.shape[1] % _BEAT_BITS
    packed = np.packbits(np.pad(bits.astype(np.uint8), ((0, 0), (0, padding))), axis=1, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


def _to_bits(beats: ArrayLike, count: int) -> NDArray[np.uint8]:
    """Inverse of `_to_beats`."""
    array = np.ascontiguousarray(beats, dtype="<u8")
    return np.unpackbits(array.view(np.uint8), axis=1, bitorder="little")[:, :count]


def _beats(beats: ArrayLike, bits: int, what: str) -> NDArray:
    array = np.asarray(beats)
    expected = -(-bits // _BEAT_BITS)
    if array.ndim < 1 or array.shape[-1] != expected:
        raise VectorError(f"a {what} of this chip has {expected} beats, got an array of shape {array.shape}")
    return array


def pack_codes(codes: ArrayLike, config: ChipConfig) -> Beats:
    """Duration codes (..., lanes) -> beats (..., vector_beats), uint64.

    Raises
    ------
    VectorError
        If the last axis is not `lanes` long or a code lies outside 0 to 255.
    """
    array = np.asarray(codes)
    if array.ndim < 1 or array.shape[-1] != config.lanes:
        raise VectorError(f"a vector of this chip has {config.lanes} codes, got an array of shape {array.shape}")
    if array.dtype.kind not in "iu":
        raise VectorError(f"codes must be integers, got {array.dtype}; `quantise` turns numbers into codes")
    if array.size and (array.min() < 0 or array.max() > config.max_code):
        raise VectorError(f"codes must be 0 to {config.max_code}, got {array.min()} to {array.max()}")
    flat = array.reshape(-1, 1, config.lanes).astype(np.uint8)
    planes = flat >> np.arange(config.code_bits, dtype=np.uint8)[:, None] & 1
    beats = _to_beats(planes.reshape(len(flat), config.code_bits * config.lanes))
    return beats.reshape(*array.shape[:-1], config.vector_beats)


def unpack_codes(beats: ArrayLike, config: ChipConfig) -> Codes:
    """Beats (..., vector_beats) -> duration codes (..., lanes), uint8: the inverse of `pack_codes`."""
    bits = config.lanes * config.code_bits
    array = _beats(beats, bits, "vector")
    planes = _to_bits(array.reshape(-1, config.vector_beats), bits)
    planes = planes.reshape(-1, config.code_bits, config.lanes)
    codes = np.packbits(planes, axis=1, bitorder="little")
    return codes.reshape(*array.shape[:-1], config.lanes)


def pack_mask(mask: ArrayLike, config: ChipConfig) -> Beats:
    """A custom mask, or several: bool (..., lanes) -> beats (..., ceil(lanes / 64))."""
    array = np.asarray(mask)
    if array.ndim < 1 or array.shape[-1] != config.lanes or array.dtype != np.bool_:
        raise VectorError(f"a mask is {config.lanes} bool, got {array.dtype} of shape {array.shape}")
    beats = _to_beats(array.reshape(-1, config.lanes).astype(np.uint8))
    return beats.reshape(*array.shape[:-1], beats.shape[-1])


def unpack_mask(beats: ArrayLike, config: ChipConfig) -> NDArray[np.bool_]:
    """Beats -> bool (..., lanes): the inverse of `pack_mask`."""
    array = _beats(beats, config.lanes, "mask")
    bits = _to_bits(array.reshape(-1, array.shape[-1]), config.lanes)
    return bits.astype(np.bool_).reshape(*array.shape[:-1], config.lanes)


def quantise(x: ArrayLike, longest: int) -> NDArray[np.int16]:
    """Numbers in [-1, 1] as signed duration codes: sign, and magnitude ``round(|x| * longest)``.

    Raises
    ------
    VectorError
        On a number outside [-1, 1] or not finite, or on what is no real number.
    """
    try:
        array = real_numbers(x, "inputs")
    except ValueError as error:
        raise VectorError(str(error)) from None
    bad = np.argwhere(~(np.abs(array) <= 1))
    if bad.size:
        where = tuple(int(i) for i in bad[0])
        raise VectorError(f"input {where} is {array[where]}; expected numbers in [-1, 1]")
    return np.rint(array * longest).astype(np.int16)


def split_signs(codes: NDArray[np.int16]) -> tuple[Codes, Codes]:
    """Signed codes as the two vectors that an ILP sends: magnitudes of the positive and of the negative entries.

    The mesh carries no signs; the local controller sets the polarity per phase. Source: Nature 620, 768 (2023).
    """
    return np.maximum(codes, 0).astype(np.uint8), np.maximum(-codes, 0).astype(np.uint8)
