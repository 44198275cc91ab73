"""Rows of tables: of tokens, and of positions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.files.wording import counted
from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values, parameter, taken

__all__ = ["Embedding", "Positions", "Row"]


@dataclass(frozen=True, eq=False)
class Embedding(Operator):
    """The rows of `table` that the input names: (...) whole numbers to (..., width). No operation, numbers only move.

    Parameters
    ----------
    table : (entries, width) float32
    """

    table: NDArray[np.float32]

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _table(self.table))

    def run(self, *inputs: NDArray) -> Values:
        if len(inputs) != 1:
            raise NetworkError(f"takes numbers of rows, got {counted(len(inputs), 'input')}")
        rows = np.asarray(inputs[0])
        if rows.dtype.kind not in "iu":
            raise NetworkError(f"expected whole numbers, which name rows of a table, got {rows.dtype}")
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self.table):
            raise NetworkError(f"there are rows 0 to {len(self.table) - 1}, got {rows.min()} to {rows.max()}")
        return (self.table[rows],)

    def operations(self, *inputs: NDArray) -> int:
        return 0


@dataclass(frozen=True, eq=False)
class Positions(Operator):
    """The first rows of `table`, as many as the input is long: (..., T, any) to (T, width). No operation.

    Parameters
    ----------
    table : (longest, width) float32
    """

    table: NDArray[np.float32]

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _table(self.table))

    def run(self, *inputs: NDArray) -> Values:
        (x,) = taken(inputs, "x")
        length = x.shape[-2] if x.ndim > 1 else 1
        if length > len(self.table):
            raise NetworkError(f"there are {len(self.table)} positions, the input is {length} long; cut it")
        return (self.table[:length],)

    def operations(self, *inputs: NDArray) -> int:
        return 0


@dataclass(frozen=True)
class Row(Operator):
    """One row of the input: (..., T, width) to (..., width). No operation, numbers only move.

    Parameters
    ----------
    at : int
        Below 0 counts from the end.
    """

    at: int

    def run(self, *inputs: NDArray) -> Values:
        (x,) = taken(inputs, "x")
        if x.ndim < 2 or not -x.shape[-2] <= self.at < x.shape[-2]:
            raise NetworkError(f"there is no row {self.at} in an array of shape {x.shape}")
        return (x[..., self.at, :],)

    def operations(self, *inputs: NDArray) -> int:
        return 0


def _table(table: NDArray) -> NDArray[np.float32]:
    rows = parameter(table, "table")
    if rows.ndim != 2 or not rows.size:
        raise NetworkError(f"table must be (entries, width), got shape {rows.shape}")
    return rows
