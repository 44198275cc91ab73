"""Numbers as integers with a scale and a zero: there and back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operators.array import ArrayOperator

__all__ = ["Dequantize", "Quantize"]


def _along(parameter: NDArray, x: NDArray, axis: int, block: int) -> NDArray:
    """A scale, or zero, as it broadcasts: for all, for each entry along an axis, or for each block of entries."""
    if parameter.size == 1 and parameter.ndim < 2:
        return parameter.reshape(())
    if block:
        return np.repeat(parameter, block, axis)[tuple(slice(length) for length in x.shape)]
    if parameter.shape != x.shape[axis : axis + 1 or None]:
        raise NetworkError(f"{parameter.shape} scales for axis {axis} of an array of shape {x.shape}")
    return parameter.reshape([-1 if at == axis % x.ndim else 1 for at in range(x.ndim)])


@dataclass(frozen=True)
class Dequantize(ArrayOperator):
    """Inputs: integers, scales, zeros (optional; 0). Output: ``(x - zero) scale``.

    Operations: a subtraction and a multiplication for each number.

    Parameters
    ----------
    axis : int
        Along which scales change.
    block : int
        Entries along it that share one; 0: scales are one for each entry.
    """

    axis: int = 1
    block: int = 0

    def compute(self, x: NDArray, scale: NDArray, zero: NDArray | None = None) -> NDArray:
        centred = x.astype(np.float32)
        if zero is not None:
            centred = centred - _along(zero, x, self.axis, self.block).astype(np.float32)
        return centred * _along(scale, x, self.axis, self.block)

    def operations(self, *inputs: NDArray) -> int:
        return 2 * inputs[0].size


@dataclass(frozen=True)
class Quantize(ArrayOperator):
    """Inputs: numbers, scales, zeros (optional; 0). Output: ``round(x / scale) + zero``, halves to even, cut off.

    Operations: a division, a rounding, an addition and two comparisons for each number.

    Parameters
    ----------
    type : str
        "int8", "uint4": integers of 4, 8 or 16 bits; those of 4 are held in 8.
    axis, block : int
        As of `Dequantize`.
    """

    type: str
    axis: int = 1
    block: int = 0

    def compute(self, x: NDArray, scale: NDArray, zero: NDArray | None = None) -> NDArray:
        bits = int(self.type.lstrip("uint"))
        low, high = (0, (1 << bits) - 1) if self.type[0] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)
        steps = np.rint(x / _along(scale, x, self.axis, self.block))
        if zero is not None:
            steps = steps + _along(zero, x, self.axis, self.block)
        return np.clip(steps, low, high).astype(self.type if bits >= 8 else self.type.replace("4", "8"))

    def operations(self, *inputs: NDArray) -> int:
        return 5 * inputs[0].size
