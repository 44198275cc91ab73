"""Sums, and scales and shifts by column."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values, parameter, real

__all__ = ["Affine", "Sum"]


@dataclass(frozen=True)
class Sum(Operator):
    """The sum of its inputs, two or more, first to last, as shapes broadcast: an addition for each number and sum."""

    def run(self, *inputs: NDArray) -> Values:
        if len(inputs) < 2:
            raise NetworkError(f"a sum takes two or more inputs, got {len(inputs)}")
        try:
            total = real(inputs[0]) + real(inputs[1])
            for array in inputs[2:]:
                total = total + real(array)
        except NetworkError:
            raise
        except ValueError:
            shapes = ", ".join(str(array.shape) for array in inputs)
            raise NetworkError(f"shapes {shapes} cannot be added") from None
        return (total,)

    def operations(self, *inputs: NDArray) -> int:
        size = int(np.prod(np.broadcast_shapes(*(array.shape for array in inputs))))
        return (len(inputs) - 1) * size


@dataclass(frozen=True, eq=False)
class Affine(Operator):
    """``x scale + shift`` over the last axis: a multiplication and an addition for each number.

    Parameters
    ----------
    scale, shift : (columns,) float32
    """

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]

    def __post_init__(self) -> None:
        scale, shift = parameter(self.scale, "scale"), parameter(self.shift, "shift")
        if scale.ndim != 1 or scale.shape != shift.shape:
            raise NetworkError(f"scale and shift must be (columns,) both, got {scale.shape} and {shift.shape}")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "shift", shift)

    def run(self, *inputs: NDArray) -> Values:
        (x,) = inputs
        if not x.ndim or x.shape[-1:] != self.scale.shape:
            raise NetworkError(f"expected inputs (..., {len(self.scale)}), got shape {x.shape}")
        y = real(x) * self.scale
        y += self.shift
        return (y,)

    def operations(self, *inputs: NDArray) -> int:
        return 2 * inputs[0].size
