"""Lines through what a chip gave over what it should have given: slope and offset of every column."""

import numpy as np
from numpy.typing import NDArray

from cosim.program import LayerPlan

__all__ = ["column_lines"]

Array = NDArray[np.float64]

#: Outputs beyond this share of the full scale do not enter a fit: near the ends codes saturate.
_FIT_RANGE = 0.95


def column_lines(expected: Array, codes: NDArray[np.uint8], plan: LayerPlan, max_code: int) -> tuple[Array, Array]:
    """Slope and offset of every column: a line through measured over expected outputs, where neither saturates."""
    durations = plan.durations(codes)
    use = (np.abs(expected) < _FIT_RANGE) & (durations > 1.5) & (durations < max_code - 1.5)
    return _lines(expected, plan.value(codes), use)


def _lines(x: Array, y: Array, use: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Least-squares slope and offset of each column of y over x, entries with `use` only; (1, mean) without spread."""
    count = np.maximum(use.sum(axis=0), 1)
    mean_x, mean_y = (np.where(use, a, 0).sum(axis=0) / count for a in (x, y))
    dx, dy = np.where(use, x - mean_x, 0), np.where(use, y - mean_y, 0)
    spread = (dx * dx).sum(axis=0)
    enough = spread > 1e-6 * count
    slope = np.where(enough, (dx * dy).sum(axis=0) / np.where(enough, spread, 1), 1.0)
    slope = np.where((slope > 0.5) & (slope < 2), slope, 1.0)  # a column that hardly moves says nothing about its slope
    return slope, mean_y - slope * mean_x
