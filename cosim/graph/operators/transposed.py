"""The way back from patches to a picture: a transposed convolution after its product."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operators.array import ArrayOperator, allowed

__all__ = ["Overlap"]


@dataclass(frozen=True)
class Overlap(ArrayOperator):
    """Patches laid down at their places and added up where they overlap.

    Input: (batch, places ..., channels x kernel). Output: (batch, channels, places ...).

    Operations: an addition for each number of the patches.

    Parameters
    ----------
    kernel : tuple of int
        Its lengths.
    stride, dilation : tuple of int, optional
        Of each axis of places; 1 by default.
    padding : tuple of (int, int), optional
        Places that are cut off at the begin and the end of each axis; 0 by default.
    longer : tuple of int, optional
        Places more at the end of each axis; 0 by default.
    size : tuple of int, optional
        Places of the output; instead of `padding`, which follows from it.
    same : bool
        As many places as the input has, times the stride; instead of `size`.
    odd_first : bool
        Where padding that follows from a size is odd, more is cut off at the begin.

    Raises
    ------
    NetworkError
        On numbers that do not fit together.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    longer: tuple[int, ...] = ()
    size: tuple[int, ...] = ()
    same: bool = False
    odd_first: bool = True

    def __post_init__(self) -> None:
        axes = len(self.kernel)
        for name, default in (("stride", 1), ("dilation", 1), ("longer", 0)):
            numbers = tuple(getattr(self, name)) or (default,) * axes
            if len(numbers) != axes or min(numbers, default=0) < default:
                raise NetworkError(f"{name} must be whole numbers from {default}, one for each axis, got {numbers}")
            object.__setattr__(self, name, numbers)
        object.__setattr__(self, "padding", tuple(map(tuple, self.padding)) or ((0, 0),) * axes)
        if len(self.padding) != axes or len(self.size) not in (0, axes):
            raise NetworkError(f"padding and size must be given for each of {axes} axes")

    def _places(self, places: Sequence[int]) -> list[tuple[int, int, int]]:
        """Along each axis: places of all patches, how many are cut off before, how many remain."""
        found = []
        for at, length in enumerate(places):
            whole = (length - 1) * self.stride[at] + (self.kernel[at] - 1) * self.dilation[at] + 1 + self.longer[at]
            if self.size or self.same:
                wanted = self.size[at] if self.size else length * self.stride[at]
                excess = whole - wanted
                before = (excess + self.odd_first) // 2
            else:
                before, behind = self.padding[at]
                wanted = whole - before - behind
            found.append((whole, before, wanted))
        return found

    def compute(self, patches: NDArray) -> NDArray:
        axes = len(self.kernel)
        batch, *places, _ = patches.shape
        parts = patches.reshape(batch, *places, -1, *self.kernel)
        parts = np.moveaxis(parts, 1 + axes, 1)  # (batch, channels, places ..., kernel ...)
        edges = self._places(places)
        room = [max(whole, before + wanted) + max(-before, 0) for whole, before, wanted in edges]
        canvas = np.zeros(allowed((batch, parts.shape[1], *room)), patches.dtype)
        for tap in product(*map(range, self.kernel)):
            where: list[Any] = [...]
            for at, by, length, stride, (_, before, _) in zip(
                tap, self.dilation, places, self.stride, edges, strict=True
            ):
                first = at * by + max(-before, 0)
                where.append(slice(first, first + (length - 1) * stride + 1, stride))
            canvas[tuple(where)] += parts.reshape(*parts.shape[: 2 + axes], -1)[
                ..., np.ravel_multi_index(tap, self.kernel)
            ]
        for axis, (_, before, wanted) in enumerate(edges, 2):
            canvas = canvas.take(range(max(before, 0), max(before, 0) + wanted), axis)
        return canvas

    def operations(self, *inputs: NDArray) -> int:
        return inputs[0].size
