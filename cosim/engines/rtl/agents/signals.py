"""Wide signals as numpy arrays: one access for hundreds of lanes.

cocotb carries a signal as text, its highest bit first; here a signal is an array of 0 and 1, its lowest bit first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["bits_to_string", "from_planes", "read_bits", "string_to_bits", "to_planes", "write_bits"]

Bits = NDArray[np.uint8]


def string_to_bits(text: str) -> Bits:
    """'0' and '1', highest bit first -> (n,) uint8, lowest bit first."""
    return np.frombuffer(text.encode(), np.uint8)[::-1] & np.uint8(1)


def bits_to_string(bits: NDArray[Any]) -> str:
    """Inverse of `string_to_bits`."""
    return (bits[::-1].astype(np.uint8) + ord("0")).tobytes().decode()


def read_bits(handle: Any) -> Bits:
    """Value of a cocotb handle: (width,) uint8, lowest bit first."""
    return string_to_bits(str(handle.value))


def write_bits(handle: Any, bits: NDArray[Any]) -> None:
    """Give a cocotb handle the value `bits`, which has one entry for each bit of the signal."""
    # As a number: cocotb looks at every character of a text.
    handle.value = int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")


def from_planes(planes: Bits) -> NDArray[np.uint16]:
    """Bit planes (planes, lanes), lowest first -> (lanes,) numbers."""
    weights = np.uint16(1) << np.arange(len(planes), dtype=np.uint16)
    return (planes.T.astype(np.uint16) @ weights).astype(np.uint16, copy=False)


def to_planes(numbers: NDArray[Any], planes: int) -> Bits:
    """Inverse of `from_planes`: (lanes,) numbers -> (planes, lanes)."""
    masks = np.uint32(1) << np.arange(planes, dtype=np.uint32)
    return (numbers.astype(np.uint32) & masks[:, None]).astype(bool).view(np.uint8)
