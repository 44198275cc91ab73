"""Largest, mean and norm of windows that move over the last axes of (batch, channels, places ...).

Operations: one for each place of each window.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operators.array import ArrayOperator

__all__ = ["AveragePool", "MaxPool", "NormPool", "Pool"]


@dataclass(frozen=True)
class Pool(ArrayOperator):
    """A window that moves.
    Parameters
    ----------
    lengths : tuple of int
        Along each axis of places.
    strides, dilations : tuple of int, optional
        1 each by default.
    pads : tuple of int, optional
        Places before each axis, then behind each; 0 by default.
    same : str
        "": `pads` count. "upper", "lower": pads such that there is a window for each stride, the odd one behind, or
        before.
    partial : bool
        A window may reach over the end.
    """

    lengths: tuple[int, ...]
    strides: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    pads: tuple[int, ...] = ()
    same: str = ""
    partial: bool = False

    def __post_init__(self) -> None:
        if not self.lengths or min(self.lengths) < 1:
            raise NetworkError(f"a window has lengths of 1 or more, got {self.lengths}")
        axes = len(self.lengths)
        for name, number, default in (("strides", axes, 1), ("dilations", axes, 1), ("pads", 2 * axes, 0)):
            values = tuple(getattr(self, name)) or (default,) * number
            if len(values) != number or min(values) < default:
                raise NetworkError(
                    f"{name} of a window over {axes} axes must be {number}, from {default}, got {values}"
                )
            object.__setattr__(self, name, values)

    @property
    def extents(self) -> tuple[int, ...]:
        """Places from the first to the last, both included."""
        return tuple((length - 1) * by + 1 for length, by in zip(self.lengths, self.dilations, strict=True))

    def margins(self, places: Sequence[int]) -> list[tuple[int, int, int]]:
        """Places before, behind, and further behind only because a window reaches over the end; along each axis."""
        axes, found = len(self.lengths), []
        if len(places) != axes:
            raise NetworkError(f"a window over {axes} axes cannot move over {len(places)}")
        for at, (length, extent, stride) in enumerate(zip(places, self.extents, self.strides, strict=True)):
            if self.same:
                missing = max((-(-length // stride) - 1) * stride + extent - length, 0)
                before = missing // 2 if self.same == "upper" else missing - missing // 2
                behind = missing - before
            else:
                before, behind = self.pads[at], self.pads[axes + at]
            room = length + before + behind - extent
            if room < 0:
                raise NetworkError(
                    f"a window of {extent} does not fit into {length} places and pads of {before} and {behind}"
                )
            over = 0
            if self.partial and room % stride:
                number = -(-room // stride) + 1
                number -= (number - 1) * stride >= length + before  # it would begin behind the end
                over = max((number - 1) * stride - room, 0)
            found.append((before, behind, over))
        return found

    def views(self, x: NDArray, outside: Any, beyond: Any | None = None) -> NDArray:
        """What the window sees: (batch, channels, windows ..., places in a window ...).

        Parameters
        ----------
        x : (batch, channels, places ...) array
        outside : number
            In the pads.
        beyond : number, optional
            Further behind; `outside` by default.
        """
        axes = len(self.lengths)
        margins = self.margins(x.shape[2:])
        still = [(0, 0)] * (x.ndim - axes)
        x = np.pad(x, still + [(before, behind) for before, behind, _ in margins], constant_values=outside)
        last = outside if beyond is None else beyond
        x = np.pad(x, still + [(0, over) for _, _, over in margins], constant_values=last)
        where = tuple(range(x.ndim - axes, x.ndim))
        views = sliding_window_view(x, self.extents, where)
        steps = (*(slice(None, None, by) for by in self.strides), *(slice(None, None, by) for by in self.dilations))
        seen: NDArray = views[(..., *steps)]  # type: ignore[arg-type]
        return seen

    def operations(self, *inputs: NDArray) -> int:
        x = inputs[0]
        number = math.prod(x.shape[:2]) * math.prod(self.lengths)
        for length, extent, stride, pads in zip(
            x.shape[2:], self.extents, self.strides, self.margins(x.shape[2:]), strict=True
        ):
            number *= (length + sum(pads) - extent) // stride + 1
        return number


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest in each window.

    Outputs: the largest; with `indices`, also its index in the flat input.

    Parameters
    ----------
    lengths, strides, dilations, pads, same, partial
        As of `Pool`.
    indices : bool
    columns_first : bool
        The index counts places of an image down its columns.
    """

    indices: bool = False
    columns_first: bool = False

    @property
    def results(self) -> int:
        return 2 if self.indices else 1

    def compute(self, x: NDArray) -> tuple[NDArray, ...]:
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        views = self.views(x, lowest)
        axes = len(self.lengths)
        if not self.indices:
            return (views.max(tuple(range(-axes, 0))),)
        flat = views.reshape(*views.shape[:-axes], -1)
        best = flat.argmax(-1)
        places = x.shape[2:]
        index: NDArray = np.arange(math.prod(places))
        index = index.reshape(places[::-1]).T if self.columns_first else index.reshape(places)
        seen = self.views(index[None, None], 0)[0, 0]
        found = seen.reshape(*seen.shape[:axes], -1)
        at = np.take_along_axis(np.broadcast_to(found, flat.shape), best[..., None], -1)[..., 0]
        image = np.arange(math.prod(x.shape[:2])).reshape(*x.shape[:2], *[1] * axes) * math.prod(places)
        return np.take_along_axis(flat, best[..., None], -1)[..., 0], (at + image).astype(np.int64)


@dataclass(frozen=True)
class AveragePool(Pool):
    """The mean in each window.

    Parameters
    ----------
    lengths, strides, dilations, pads, same, partial
        As of `Pool`.
    with_pads : bool
        Pads count as places with 0; else only places of the input count.
    """

    with_pads: bool = False

    def compute(self, x: NDArray) -> NDArray:
        axes = tuple(range(-len(self.lengths), 0))
        counted = self.views(np.ones((1, 1, *x.shape[2:]), np.float32), float(self.with_pads), 0.0)
        return self.views(x, 0).sum(axes, dtype=x.dtype) / counted.sum(axes)


@dataclass(frozen=True)
class NormPool(Pool):
    """The norm of each window, ``(sum |x|^p)^(1/p)``; other parameters as of `Pool`."""

    p: int = 2

    def compute(self, x: NDArray) -> NDArray:
        axes = tuple(range(-len(self.lengths), 0))
        powers = np.abs(x) ** np.float32(self.p)
        return self.views(powers, 0).sum(axes) ** np.float32(1 / self.p)
