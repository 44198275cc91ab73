"""Values by their place: gather, scatter, select, sort. They are moved, without operations, unless it says so."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operators.array import ArrayOperator, Mover, allowed

__all__ = [
    "Compress",
    "Gather",
    "GatherElements",
    "GatherSlices",
    "NonZero",
    "OneHot",
    "ScatterElements",
    "ScatterSlices",
    "Top",
]

_COMBINED = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _places(indices: NDArray, length: int) -> NDArray:
    """Indices from 0; negative ones count from the end."""
    if np.any((indices < -length) | (indices >= length)):
        raise NetworkError(f"indices reach from {indices.min()} to {indices.max()}, along an axis of {length}")
    return np.where(indices < 0, indices + length, indices)


@dataclass(frozen=True)
class Gather(Mover):
    """Inputs: array, indices of any shape. Output: the entries along `axis` with these indices; an embedding."""

    axis: int = 0

    def compute(self, x: NDArray, indices: NDArray) -> NDArray:
        return np.take(x, _places(indices, x.shape[self.axis]), self.axis)


@dataclass(frozen=True)
class GatherElements(Mover):
    """Inputs: array, indices along `axis`, one for each element of the output."""

    axis: int = 0

    def compute(self, x: NDArray, indices: NDArray) -> NDArray:
        inner = tuple(slice(length) for length in indices.shape)
        inner = tuple(slice(None) if at == self.axis % x.ndim else cut for at, cut in enumerate(inner))
        return np.take_along_axis(x[inner], _places(indices, x.shape[self.axis]), self.axis)


@dataclass(frozen=True)
class GatherSlices(Mover):
    """Inputs: array, indices whose last axis addresses a slice of it.

    Parameters
    ----------
    shared : int
        Leading axes that both inputs have in common.
    """

    shared: int = 0

    def compute(self, x: NDArray, indices: NDArray) -> NDArray:
        common, depth = x.shape[: self.shared], indices.shape[-1]
        rows = x.reshape(-1, *x.shape[self.shared :])
        wanted = indices.reshape(len(rows), -1, depth)
        places = tuple(_places(wanted[..., at], rows.shape[at + 1]) for at in range(depth))
        found = rows[(np.arange(len(rows))[:, None], *places)]
        return found.reshape(*common, *indices.shape[self.shared : -1], *found.shape[2:])


@dataclass(frozen=True)
class ScatterElements(ArrayOperator):
    """Inputs: array, indices along `axis`, updates. Output: the array with these elements changed.

    Operations: one for each update that is combined.

    Parameters
    ----------
    axis : int
    combined : str
        "none": replaced; "add", "mul", "max", "min": combined with what is there.
    """

    axis: int = 0
    combined: str = "none"

    def compute(self, x: NDArray, indices: NDArray, updates: NDArray) -> NDArray:
        places: list[NDArray] = list(np.indices(indices.shape, sparse=True))
        places[self.axis] = _places(indices, x.shape[self.axis])
        return _scattered(x, tuple(places), updates, self.combined)

    def operations(self, *inputs: NDArray) -> int:
        return 0 if self.combined == "none" else inputs[2].size


@dataclass(frozen=True)
class ScatterSlices(ArrayOperator):
    """Inputs: array, indices whose last axis addresses a slice of it, updates. `combined` as in `ScatterElements`.

    Operations: one for each update that is combined.
    """

    combined: str = "none"

    def compute(self, x: NDArray, indices: NDArray, updates: NDArray) -> NDArray:
        places = tuple(_places(indices[..., at], x.shape[at]) for at in range(indices.shape[-1]))
        return _scattered(x, places, updates, self.combined)

    def operations(self, *inputs: NDArray) -> int:
        return 0 if self.combined == "none" else inputs[2].size


def _scattered(x: NDArray, places: tuple[NDArray, ...], updates: NDArray, combined: str) -> NDArray:
    result = x.copy()
    if combined == "none":
        result[places] = updates
    else:
        _COMBINED[combined].at(result, places, updates)
    return result


@dataclass(frozen=True)
class OneHot(Mover):
    """Inputs: indices, depth, (off, on). Output: a new axis of length depth, on at the index and off elsewhere."""

    axis: int = -1

    def compute(self, indices: NDArray, depth: NDArray, values: NDArray) -> NDArray:
        (length,) = allowed([depth.reshape(())])
        at = np.expand_dims(indices.astype(np.int64), self.axis)
        place = np.expand_dims(np.arange(length), [one for one in range(at.ndim) if one != self.axis % at.ndim])
        return np.where(np.where(at < 0, at + length, at) == place, values[1], values[0])


@dataclass(frozen=True)
class Compress(Mover):
    """Inputs: array, truth values. Output: the entries along `axis`, or of the flat array, where they are true."""

    axis: int | None = None

    def compute(self, x: NDArray, wanted: NDArray) -> NDArray:
        return np.compress(wanted, x, self.axis)


@dataclass(frozen=True)
class NonZero(Mover):
    """Indices of what is not 0: (axes, number)."""

    def compute(self, x: NDArray) -> NDArray:
        return np.array(np.nonzero(x), np.int64)


@dataclass(frozen=True)
class Top(ArrayOperator):
    """Inputs: array, how many. Outputs: the largest, or smallest, along `axis`, sorted, and their indices.

    Operations: comparisons of a sort: n log2 n for each n entries along the axis.
    """

    axis: int = -1
    largest: bool = True

    @property
    def results(self) -> int:
        return 2

    def compute(self, x: NDArray, number: NDArray) -> tuple[NDArray, NDArray]:
        length, wanted = x.shape[self.axis], int(number.reshape(()))
        if not 0 <= wanted <= length:
            raise NetworkError(f"the first {wanted} of {length} were asked for")
        # Of equals the one with the lower index comes first: the sort is stable.
        ranked = np.flip(np.argsort(np.flip(x, self.axis), self.axis, kind="stable"), self.axis)
        order = length - 1 - ranked if self.largest else np.argsort(x, self.axis, kind="stable")
        indices = np.take(order, np.arange(wanted), self.axis).astype(np.int64)
        return np.take_along_axis(x, indices, self.axis), indices

    def operations(self, *inputs: NDArray) -> int:
        x, length = inputs[0], max(inputs[0].shape[self.axis], 1)
        return x.size * (length - 1).bit_length()
