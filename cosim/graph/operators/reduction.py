"""One number out of many along axes: sums, means, largest; and sums as they grow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operators.array import ArrayOperator

__all__ = ["REDUCTIONS", "Cumulative", "Extreme", "Reduce"]

Function = Callable[..., Any]


def _largest(x: NDArray, **where: Any) -> NDArray:
    return np.max(x, **where, initial=_end(x, 0)) if not x.size else np.max(x, **where)


def _smallest(x: NDArray, **where: Any) -> NDArray:
    return np.min(x, **where, initial=_end(x, 1)) if not x.size else np.min(x, **where)


def _end(x: NDArray, which: int) -> Any:
    """The lowest or the highest number of a type: what the largest, or smallest, of nothing is."""
    if x.dtype.kind == "f":
        return (-np.inf, np.inf)[which]
    return bool(which) if x.dtype.kind == "b" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)[which]


def _mean(x: NDArray, **where: Any) -> NDArray:
    return np.mean(x, **where, dtype=x.dtype if x.dtype.kind == "f" else np.float64).astype(x.dtype)


def _sum(x: NDArray, **where: Any) -> NDArray:
    return np.sum(x, **where, dtype=x.dtype)


def _log_sum_exp(x: NDArray, **where: Any) -> NDArray:
    top = _largest(x, axis=where["axis"], keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    total = np.log(_sum(np.exp(x - top), axis=where["axis"], keepdims=True)) + top
    return total if where["keepdims"] else np.squeeze(total, where["axis"])


#: By name, each with the operations for a number that goes in.
REDUCTIONS: Mapping[str, tuple[Function, int]] = {
    "l1": (lambda x, **where: _sum(np.abs(x), **where), 2),
    "l2": (lambda x, **where: np.sqrt(_sum(np.square(x), **where)).astype(x.dtype), 2),
    "log_sum": (lambda x, **where: np.log(_sum(x, **where)), 1),
    "log_sum_exp": (_log_sum_exp, 4),
    "max": (_largest, 1),
    "mean": (_mean, 1),
    "min": (_smallest, 1),
    "prod": (lambda x, **where: np.prod(x, **where, dtype=x.dtype), 1),
    "sum": (_sum, 1),
    "sum_square": (lambda x, **where: _sum(np.square(x), **where), 2),
}


@dataclass(frozen=True)
class Reduce(ArrayOperator):
    """Inputs: array, axes (optional; all). Output: one number for all along the axes.

    Operations: one for each number that goes in; another one for absolute values and squares; "log_sum_exp" takes
    four.

    Parameters
    ----------
    function : str
        One of `REDUCTIONS`.
    keep : bool
        Axes stay, with length 1.
    empty_is_none : bool
        No axes are none, not all: the numbers of the output are each reduced alone.
    """

    function: str
    keep: bool = True
    empty_is_none: bool = False

    def __post_init__(self) -> None:
        if self.function not in REDUCTIONS:
            raise NetworkError(f"function must be one of {', '.join(REDUCTIONS)}, got {self.function!r}")

    def compute(self, x: NDArray, axes: NDArray | None = None) -> NDArray:
        where = tuple(int(axis) % x.ndim for axis in np.atleast_1d(axes)) if axes is not None else ()
        if not where and not self.empty_is_none:
            where = tuple(range(x.ndim))
        function, _ = REDUCTIONS[self.function]
        found: NDArray = function(x, axis=where, keepdims=self.keep)
        return found

    def operations(self, *inputs: NDArray) -> int:
        return REDUCTIONS[self.function][1] * inputs[0].size


@dataclass(frozen=True)
class Extreme(ArrayOperator):
    """Index of the largest, or the smallest, along `axis`; of equals the first, or the last.

    Operations: a comparison for each number.
    """

    axis: int = 0
    largest: bool = True
    keep: bool = True
    last: bool = False

    def compute(self, x: NDArray) -> NDArray:
        seen = np.flip(x, self.axis) if self.last else x
        at = (np.argmax if self.largest else np.argmin)(seen, self.axis, keepdims=self.keep)
        return np.asarray(x.shape[self.axis] - 1 - at if self.last else at, np.int64)

    def operations(self, *inputs: NDArray) -> int:
        return inputs[0].size


@dataclass(frozen=True)
class Cumulative(ArrayOperator):
    """Inputs: array, axis. Output: for each entry the sum, or product, of all up to it.

    Operations: one for each number.

    Parameters
    ----------
    function : str
        "add" or "mul".
    exclusive : bool
        Up to the one before it.
    reverse : bool
        From the end.
    """

    function: str = "add"
    exclusive: bool = False
    reverse: bool = False

    def compute(self, x: NDArray, axis: NDArray) -> NDArray:
        add = self.function == "add"
        rows = np.moveaxis(x, int(axis.reshape(())), 0)
        rows = rows[::-1] if self.reverse else rows
        if self.exclusive:
            first = np.full((min(len(rows), 1), *rows.shape[1:]), 0 if add else 1, rows.dtype)
            rows = np.concatenate((first, rows[:-1]))
        rows = (np.add if add else np.multiply).accumulate(rows, 0, rows.dtype)
        return np.moveaxis(rows[::-1] if self.reverse else rows, 0, int(axis.reshape(())))

    def operations(self, *inputs: NDArray) -> int:
        return inputs[0].size
