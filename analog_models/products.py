"""Products of matrices of whole numbers, exact in floating point: the same in any order and for any batch.

float32 is twice as fast as float64 and holds whole numbers up to 2**24. By Cauchy-Schwarz no part of a sum is larger
than the product of its two factors' norms; where that is too much the sum is taken in parts, and only then in float64.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["EXACT", "Whole", "product"]

#: float32 holds all integers up to this.
EXACT = 1 << 24
#: Norms are off by their own rounding.
_SAFE = 0.999 * EXACT
#: Parts that a sum is taken in: the first of these that serves; and the finest ones.
_PARTS, _FINEST = (1, 2, 4, 8), 8


class Whole:
    """A factor of such products.

    Parameters
    ----------
    values : (m, n) floating, whole numbers
    axis : int
        What is summed over: 1 of a left factor, 0 of a right one.

    Members
    -------
    values : (m, n) float32, or float64 where numbers are too large for it
    """

    def __init__(self, values: NDArray[np.floating], axis: int) -> None:
        small = values.dtype == np.float32 or max(values.max(initial=0), -values.min(initial=0)) < EXACT
        self.values = values.astype(np.float32, copy=False) if small else values
        self._axis = axis
        self._finest = max(-(-values.shape[axis] // _FINEST), 1)

    @cached_property
    def wide(self) -> NDArray[np.float64]:
        """The values in float64."""
        return self.values.astype(np.float64)

    def parts(self, count: int) -> list[slice]:
        """What is summed over, in so many parts or fewer."""
        length, size = self.values.shape[self._axis], self._finest * (_FINEST // count)
        return [slice(start, start + size) for start in range(0, length, size)]

    @cached_property
    def _squares(self) -> list[float]:
        """Largest square of a norm within each of the finest parts."""
        starts = range(0, self.values.shape[self._axis], self._finest)
        sums = np.add.reduceat(np.square(self.values), starts, axis=self._axis) if starts else np.zeros((0, 0))
        return np.maximum.reduce(sums, axis=1 - self._axis, initial=0).tolist()

    def norm(self, count: int) -> float:
        """Bound of the Euclidean norm along the axis, within each of so many parts."""
        merged = _FINEST // count
        return max(sum(self._squares[start : start + merged]) for start in range(0, _FINEST, merged)) ** 0.5


def product(left: Whole, right: Whole, columns: int) -> NDArray[np.float64]:
    """``left @ right``, of so many columns of `right`."""
    if left.values.dtype == right.values.dtype == np.float32:
        for count in _PARTS:
            if left.norm(count) * right.norm(count) < _SAFE:
                first, *others = left.parts(count)
                total = (left.values[:, first] @ right.values[first, :columns]).astype(np.float64)
                for part in others:
                    total += left.values[:, part] @ right.values[part, :columns]
                return total
    return left.wide @ right.wide[:, :columns]
