"""From codes to products: gain and offset of every column of every block, by the node whose inputs it gets.

They are the host's, in float32: what mirrors, comparators and drift do to a column on average is taken off there, and
nothing on the chip changes. The bias is in the offset.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import ArraySpec, check_arrays

__all__ = ["Affine", "Line", "fit"]

#: Least spread of a column's codes that says something about its gain: half a code, as rounding alone gives.
_LEAST_SPREAD = 0.5


@dataclass(frozen=True)
class Line:
    """``gain * code + offset`` of every column of a block, for the inputs of a node.

    Parameters
    ----------
    gain, offset : (columns,) float32
    """

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]


@dataclass(frozen=True)
class Affine:
    """Lines of a chip, or of several.

    Parameters
    ----------
    lines : mapping of (block, node) to Line
    """

    lines: Mapping[tuple[str, str], Line]

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """As what JSON holds, and arrays."""
        arrays: dict[str, NDArray] = {}
        for number, line in enumerate(self.lines.values()):
            arrays |= {f"gain {number}": line.gain, f"offset {number}": line.offset}
        return {"lines": [list(key) for key in self.lines]}, arrays

    @classmethod
    def from_parts(cls, keys: tuple[tuple[str, str], ...], arrays: Mapping[str, NDArray]) -> "Affine":
        """Inverse of `to_parts`.

        Raises
        ------
        ValueError
            If an array is missing, or of another type or shape.
        """
        schema = {
            f"{name} {number}": ArraySpec("f4", (f"columns {number}",))
            for name in ("gain", "offset")
            for number in range(len(keys))
        }
        check_arrays(arrays, schema)
        return cls({key: Line(arrays[f"gain {n}"], arrays[f"offset {n}"]) for n, key in enumerate(keys)})


def fit(codes: NDArray[np.uint8], products: NDArray, nominal: NDArray) -> Line:
    """The line through what products should be over the codes that came, least squares, column by column.

    A column whose codes do not move says nothing about its gain: it takes the nominal one.

    Parameters
    ----------
    codes : (frames, columns)
    products : (frames, columns)
    nominal : (columns,)
        Product of one code.

    Raises
    ------
    ValueError
        If there is no frame.
    """
    if not len(codes):
        raise ValueError("a line needs at least one frame")
    x, y = codes.astype(np.float64), np.asarray(products, np.float64)
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    dx = x - mean_x
    spread = (dx * dx).sum(axis=0)
    moved = spread > _LEAST_SPREAD**2 * len(codes)
    gain = np.where(moved, (dx * (y - mean_y)).sum(axis=0) / np.where(moved, spread, 1), nominal)
    return Line(gain.astype(np.float32), (mean_y - gain * mean_x).astype(np.float32))
