"""Shapes and places: reshape, transpose, slice, join, pad, arrays made from shapes.

Values are moved: no operations.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operators.array import Mover, allowed

__all__ = [
    "BlocksToSpace",
    "Concatenate",
    "Expand",
    "Eye",
    "Fill",
    "Flatten",
    "Identity",
    "Pad",
    "Range",
    "Reshape",
    "Reverse",
    "Shape",
    "Size",
    "Slice",
    "SpaceToBlocks",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Triangle",
    "Unsqueeze",
]


@dataclass(frozen=True)
class Identity(Mover):
    """The input itself, under another name."""

    def compute(self, x: NDArray) -> NDArray:
        return x


@dataclass(frozen=True)
class Reshape(Mover):
    """Inputs: array, new shape; -1 is what remains.

    Parameters
    ----------
    zero_copies : bool
        A length 0 stands for the array's own at that place.
    """

    zero_copies: bool = True

    def compute(self, x: NDArray, shape: NDArray) -> NDArray:
        lengths = [int(length) for length in shape]
        if self.zero_copies:
            lengths = [x.shape[at] if length == 0 else length for at, length in enumerate(lengths)]
        if -1 in lengths:
            rest = math.prod(length for length in lengths if length != -1)
            lengths[lengths.index(-1)] = x.size // rest if rest else 0
        return x.reshape(lengths)


@dataclass(frozen=True)
class Flatten(Mover):
    """To a matrix: axes before `axis` become the rows, the others the columns."""

    axis: int = 1

    def compute(self, x: NDArray) -> NDArray:
        axis = self.axis + x.ndim if self.axis < 0 else self.axis
        return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@dataclass(frozen=True)
class Transpose(Mover):
    """Axes in another order.

    Parameters
    ----------
    axes : tuple of int, optional
        Of the input, in the order of the output; all in reverse by default. With fewer axes than the input has, the
        last ones change places and the others stay: (-1, -2) transposes each matrix of a stack.
    """

    axes: tuple[int, ...] | None = None

    def compute(self, x: NDArray) -> NDArray:
        if self.axes is None:
            return x.transpose()
        leading = x.ndim - len(self.axes)
        last = [axis % x.ndim if axis < 0 else axis for axis in self.axes]
        return x.transpose([*range(leading), *last])


@dataclass(frozen=True)
class Squeeze(Mover):
    """Inputs: array, axes of length 1 that go (optional; all of them)."""

    def compute(self, x: NDArray, axes: NDArray | None = None) -> NDArray:
        return np.squeeze(x, None if axes is None else tuple(int(axis) for axis in np.atleast_1d(axes)))


@dataclass(frozen=True)
class Unsqueeze(Mover):
    """Inputs: array, axes of the output that are new and of length 1."""

    def compute(self, x: NDArray, axes: NDArray) -> NDArray:
        return np.expand_dims(x, tuple(int(axis) for axis in np.atleast_1d(axes)))


@dataclass(frozen=True)
class Slice(Mover):
    """Inputs: array, first entries, ends, then optionally axes and steps; as Python's slices."""

    def compute(
        self, x: NDArray, starts: NDArray, ends: NDArray, axes: NDArray | None = None, steps: NDArray | None = None
    ) -> NDArray:
        if axes is None:
            axes = np.arange(len(starts))
        if steps is None:
            steps = np.ones(len(starts), np.int64)
        cuts = [slice(None)] * x.ndim
        for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
            length, step = x.shape[axis], int(step)
            low, high = (0, length) if step > 0 else (-1, length - 1)
            first, last = (min(max(int(at) + length * (at < 0), low), high) for at in (start, end))
            cuts[axis] = slice(first, None if last < 0 else last, step)
        return x[tuple(cuts)]


@dataclass(frozen=True)
class Split(Mover):
    """Inputs: array, lengths of the parts (optional). Outputs: the parts along `axis`.

    Parameters
    ----------
    axis : int
    parts : int
        Equal ones, the last one shorter where they do not fit; used where no lengths are given.
    """

    axis: int
    parts: int

    @property
    def results(self) -> int:
        return self.parts

    def compute(self, x: NDArray, lengths: NDArray | None = None) -> tuple[NDArray, ...]:
        length = x.shape[self.axis]
        if lengths is None:
            part = -(-length // self.parts)
            lengths = np.diff(np.minimum(np.arange(self.parts + 1) * part, length))
        if np.sum(lengths) != length or np.min(lengths, initial=0) < 0:
            raise NetworkError(f"parts of {[int(one) for one in lengths]} do not make up axis {self.axis} of {x.shape}")
        return tuple(np.split(x, np.cumsum(lengths)[:-1], self.axis))


@dataclass(frozen=True)
class Concatenate(Mover):
    """Inputs: any number of arrays. Output: one after the other along `axis`."""

    axis: int

    def compute(self, *arrays: NDArray) -> NDArray:
        return np.concatenate(arrays, self.axis)


@dataclass(frozen=True)
class Expand(Mover):
    """Inputs: array, shape; the array is broadcast against it."""

    def compute(self, x: NDArray, shape: NDArray) -> NDArray:
        return np.broadcast_to(x, allowed(np.broadcast_shapes(x.shape, allowed(shape))))


@dataclass(frozen=True)
class Tile(Mover):
    """Inputs: array, how often it is repeated along each axis."""

    def compute(self, x: NDArray, repeats: NDArray) -> NDArray:
        if len(repeats) != x.ndim:
            raise NetworkError(f"{len(repeats)} repeats for an array of shape {x.shape}; each axis needs one")
        allowed(np.multiply(x.shape, repeats))
        return np.tile(x, repeats)


@dataclass(frozen=True)
class Pad(Mover):
    """Inputs: array, entries before each axis and then behind each, then optionally the constant and the axes.

    Parameters
    ----------
    mode : str
        "constant" (0 where no constant is given), "edge", "reflect", "wrap". Negative pads cut entries off.
    """

    mode: str = "constant"

    def compute(
        self, x: NDArray, pads: NDArray, constant: NDArray | None = None, axes: NDArray | None = None
    ) -> NDArray:
        axes = np.arange(x.ndim) if axes is None else axes
        if len(pads) != 2 * len(axes):
            raise NetworkError(f"{len(pads)} pads for {len(axes)} axes; each axis needs two")
        widths = np.zeros((x.ndim, 2), np.int64)
        widths[np.asarray(axes)] = np.reshape(pads, (2, -1)).T
        cut = tuple(
            slice(max(-before, 0), max(n - max(-behind, 0), 0))
            for n, (before, behind) in zip(x.shape, widths, strict=True)
        )
        x, widths = x[cut], np.maximum(widths, 0)
        allowed(np.add(x.shape, widths.sum(axis=1)))
        if self.mode != "constant":
            return np.pad(x, widths, self.mode)  # type: ignore[call-overload]
        return np.pad(x, widths, constant_values=0 if constant is None else np.asarray(constant).item())


@dataclass(frozen=True)
class Shape(Mover):
    """Lengths of the axes, from `start` to before `end`."""

    start: int = 0
    end: int | None = None

    def compute(self, x: NDArray) -> NDArray:
        return np.array(x.shape[self.start : self.end], np.int64)


@dataclass(frozen=True)
class Size(Mover):
    """Number of elements."""

    def compute(self, x: NDArray) -> NDArray:
        return np.array(x.size, np.int64)


@dataclass(frozen=True, eq=False)
class Fill(Mover):
    """Input: a shape. Output: an array full of one value.

    Parameters
    ----------
    value : array of one element
    """

    value: NDArray

    def compute(self, shape: NDArray) -> NDArray:
        return np.full(allowed(shape), self.value.reshape(()))


@dataclass(frozen=True)
class Range(Mover):
    """Inputs: first, end (excluded), step. Output: numbers of the inputs' type."""

    def compute(self, start: NDArray, end: NDArray, step: NDArray) -> NDArray:
        first, last, by = (array.reshape(()).item() for array in (start, end, step))
        (length,) = allowed([max(math.ceil((last - first) / by), 0)])
        return (first + np.arange(length) * by).astype(start.dtype)


@dataclass(frozen=True)
class Eye(Mover):
    """Input: a matrix, of which only the shape counts. Output: ones on one diagonal, of type `type` or the input's."""

    diagonal: int = 0
    type: str | None = None

    def compute(self, x: NDArray) -> NDArray:
        rows, columns = x.shape
        return np.eye(rows, columns, self.diagonal, np.dtype(self.type) if self.type else x.dtype)


@dataclass(frozen=True)
class Triangle(Mover):
    """Inputs: matrices, the diagonal (optional; 0). Output: their upper, or lower, triangle, 0 elsewhere."""

    upper: bool = True

    def compute(self, x: NDArray, diagonal: NDArray | None = None) -> NDArray:
        place = 0 if diagonal is None else int(diagonal.reshape(()))
        return np.triu(x, place) if self.upper else np.tril(x, place)


@dataclass(frozen=True)
class Reverse(Mover):
    """Inputs: array, lengths (batch,). Output: of each sequence as many entries as its length says, reversed."""

    time_axis: int = 0
    batch_axis: int = 1

    def compute(self, x: NDArray, lengths: NDArray) -> NDArray:
        time, batch = x.shape[self.time_axis], x.shape[self.batch_axis]
        if lengths.shape != (batch,) or np.max(lengths, initial=0) > time or np.min(lengths, initial=0) < 0:
            raise NetworkError(f"lengths {lengths.tolist()} for {batch} sequences of up to {time}")
        moved = np.moveaxis(x, (self.batch_axis, self.time_axis), (0, 1))
        at = np.arange(time)
        order = np.where(at < lengths[:, None], lengths[:, None] - 1 - at, at)
        return np.moveaxis(moved[np.arange(batch)[:, None], order], (0, 1), (self.batch_axis, self.time_axis))


@dataclass(frozen=True)
class BlocksToSpace(Mover):
    """Channels to places: (batch, channels, height, width) to (batch, channels / size², height size, width size).

    Parameters
    ----------
    size : int
    columns_first : bool
        Channels are (height in block, width in block, channel); else (channel, height in block, width in block).
    """

    size: int
    columns_first: bool = True

    def compute(self, x: NDArray) -> NDArray:
        batch, channels, height, width = x.shape
        size, rest = self.size, channels // self.size**2
        if self.columns_first:
            parts, order = (batch, size, size, rest, height, width), (0, 3, 4, 1, 5, 2)
        else:
            parts, order = (batch, rest, size, size, height, width), (0, 1, 4, 2, 5, 3)
        return x.reshape(parts).transpose(order).reshape(batch, rest, height * size, width * size)


@dataclass(frozen=True)
class SpaceToBlocks(Mover):
    """Places to channels: (batch, channels, height, width) to (batch, channels size², height / size, width / size).

    `columns_first` as of `BlocksToSpace`, whose reverse this is.
    """

    size: int
    columns_first: bool = True

    def compute(self, x: NDArray) -> NDArray:
        batch, channels, height, width = x.shape
        size = self.size
        order = (0, 3, 5, 1, 2, 4) if self.columns_first else (0, 1, 3, 5, 2, 4)
        parts = x.reshape(batch, channels, height // size, size, width // size, size).transpose(order)
        return parts.reshape(batch, channels * size**2, height // size, width // size)
