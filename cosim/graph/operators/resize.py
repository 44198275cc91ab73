"""Pictures of another size: nearest places, or weighted means of neighbours, axis by axis."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operators.array import ArrayOperator, allowed

__all__ = ["Resize"]

_NEAREST: Mapping[str, Callable[[NDArray], NDArray]] = {
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
#: How far a filter reaches on either side.
_REACH = {"linear": 1, "cubic": 2}
_PLACES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
)


@dataclass(frozen=True)
class Resize(ArrayOperator):
    """Inputs: array, scales or none, lengths or none, one for each of `axes`. Names are those of ONNX's Resize.

    Operations: a multiplication and an addition for each number and weight that is not 0, axis by axis; none for
    nearest.

    Parameters
    ----------
    mode : str
        "nearest", "linear" or "cubic".
    places : str
        How a place of the output lies in the input: "half_pixel", "align_corners", "asymmetric" and others.
    nearest : str
        Which place is the nearest: "round_prefer_floor", "round_prefer_ceil", "floor", "ceil".
    cubic : float
        Coefficient of the cubic filter.
    inside_only : bool
        Places outside have no weight; else they are as those of the edge.
    smooth : bool
        The filter is as wide as the places of a smaller output are apart.
    axes : tuple of int, optional
        All by default.
    aspect : str
        "stretch": lengths count as they are; "not_larger", "not_smaller": the same scale for all axes, such that none
        is longer, or shorter, than its length.
    """

    mode: str = "nearest"
    places: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic: float = -0.75
    inside_only: bool = False
    smooth: bool = False
    axes: tuple[int, ...] | None = None
    aspect: str = "stretch"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mode", self.mode, ("nearest", *_REACH)),
            ("places", self.places, _PLACES),
            ("nearest", self.nearest, tuple(_NEAREST)),
            ("aspect", self.aspect, ("stretch", "not_larger", "not_smaller")),
        ):
            if value not in known:
                raise NetworkError(f"{name} must be one of {', '.join(known)}, got {value!r}")

    def compute(self, x: NDArray, scales: NDArray | None = None, lengths: NDArray | None = None) -> NDArray:
        for axis, scale, length in self._targets(x, scales, lengths):
            at = self._at(x.shape[axis], scale, length)
            if self.mode == "nearest":
                nearest = np.clip(_NEAREST[self.nearest](at), 0, x.shape[axis] - 1)
                x = x.take(nearest.astype(np.int64), axis)
            else:
                weights = self._weights(at, x.shape[axis], scale)
                x = np.moveaxis(np.tensordot(weights, x, (1, axis)), 0, axis)
        return x

    def _targets(self, x: NDArray, scales: NDArray | None, lengths: NDArray | None) -> Iterator[tuple[int, float, int]]:
        """Axis, scale and length of each axis that changes."""
        axes = range(x.ndim) if self.axes is None else [axis % x.ndim for axis in self.axes]
        before = np.array([x.shape[axis] for axis in axes])
        if lengths is not None and lengths.size:
            wanted, by = np.asarray(lengths, np.int64), lengths / before
            if self.aspect != "stretch":
                by = np.full(len(by), by.min() if self.aspect == "not_larger" else by.max())
                wanted = np.floor(by * before + 0.5).astype(np.int64)
        elif scales is not None and scales.size:
            by = scales.astype(np.float64)
            wanted = np.floor(by * before).astype(np.int64)
        else:
            raise NetworkError("neither scales nor lengths are given")
        allowed(wanted)
        for axis, scale, length in zip(axes, by, wanted, strict=True):
            if scale != 1 or length != x.shape[axis]:
                yield axis, float(scale), int(length)

    def _at(self, length: int, scale: float, wanted: int) -> NDArray[np.float64]:
        """Where places of the output lie in the input."""
        at = np.arange(wanted, dtype=np.float64)
        if self.places == "align_corners":
            last = scale * length - 1  # of a length that is not rounded
            return at * ((length - 1) / last) if last > 0 else np.zeros(wanted)
        if self.places == "asymmetric":
            return at / scale
        if self.places == "tf_half_pixel_for_nn":
            return (at + 0.5) / scale
        if self.places == "pytorch_half_pixel" and wanted == 1:
            return np.zeros(1)
        middle = length / 2 * (1 - wanted / (scale * length)) if self.places == "half_pixel_symmetric" else 0.0
        return middle + (at + 0.5) / scale - 0.5

    def _weights(self, at: NDArray[np.float64], length: int, scale: float) -> NDArray[np.float32]:
        """What each place of the input counts for each place of the output."""
        narrow = min(scale, 1.0) if self.smooth else 1.0
        reach = int(np.ceil(_REACH[self.mode] / narrow))
        taps = np.floor(at)[:, None] + np.arange(-reach, reach + 1)
        weights = self._filter(np.abs(taps - at[:, None]) * narrow)
        if self.inside_only:
            weights[(taps < 0) | (taps >= length)] = 0
        weights /= weights.sum(1, keepdims=True)
        matrix = np.zeros((len(at), length))
        np.add.at(matrix, (np.arange(len(at))[:, None], np.clip(taps, 0, length - 1).astype(np.int64)), weights)
        return matrix.astype(np.float32)

    def _filter(self, d: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weight at a distance."""
        if self.mode == "linear":
            return np.maximum(1 - d, 0)
        a = self.cubic
        near = ((a + 2) * d - (a + 3)) * d**2 + 1
        far = ((d - 5) * d + 8) * d * a - 4 * a
        return np.where(d <= 1, near, np.where(d < 2, far, 0))

    def operations(self, *inputs: NDArray) -> int:
        if self.mode == "nearest":
            return 0
        x = inputs[0]
        scales, lengths = (*inputs[1:], None, None)[:2]
        total, size, shape = 0, x.size, list(x.shape)
        for axis, scale, length in self._targets(x, scales, lengths):
            weights = self._weights(self._at(shape[axis], scale, length), shape[axis], scale)
            total += 2 * np.count_nonzero(weights) * (size // shape[axis])
            size, shape[axis] = size // shape[axis] * length, length
        return total
