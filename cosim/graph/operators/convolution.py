"""Convolution as a product of a matrix with patches, in one, two or any number of dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.linear import Linear
from cosim.graph.node import Node
from cosim.graph.operator import Operator, Values, real, taken

__all__ = ["ChannelMaps", "Patches", "convolution"]

#: What ONNX's auto_pad says: as many outputs as inputs over stride; the odd zero at the end, or at the begin.
_SAME = ("same_upper", "same_lower")


@dataclass(frozen=True)
class Patches(Operator):
    """What a convolution's kernel sees at each of its positions, as one row; no operation, numbers only move.

    Input: (..., channels, *space), or, with `channels_last`, (..., *space, channels). Outputs, one for each group:
    (..., *positions, channels / groups x kernel); a row holds the first channel's kernel, then the second's.

    Parameters
    ----------
    kernel : tuple of int
        Its length tells the number of dimensions.
    stride, dilation : tuple of int, optional
        Of each dimension; 1 by default.
    padding : tuple of (int, int), or text, optional
        Zeros before and after, of each dimension; none by default. "same_upper" and "same_lower" give as many
        positions as inputs over stride, rounded up, with the odd zero at the end or at the begin.
    groups : int
        Each sees its own share of the channels only.
    channels_last : bool

    Raises
    ------
    NetworkError
        On numbers that are no kernel's.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] | str = ()
    groups: int = 1
    channels_last: bool = False

    def __post_init__(self) -> None:
        ones = (1,) * len(self.kernel)
        object.__setattr__(self, "stride", tuple(self.stride) or ones)
        object.__setattr__(self, "dilation", tuple(self.dilation) or ones)
        if not isinstance(self.padding, str):
            pads = tuple((before, after) for before, after in self.padding) or ((0, 0),) * len(self.kernel)
            object.__setattr__(self, "padding", pads)
        elif self.padding not in _SAME:
            raise NetworkError(f"padding must be pairs of numbers, {' or '.join(_SAME)}, got {self.padding!r}")
        for name in ("kernel", "stride", "dilation"):
            numbers = getattr(self, name)
            if len(numbers) != len(self.kernel) or not numbers or min(numbers) < 1:
                raise NetworkError(f"{name} must be whole numbers from 1, one for each dimension, got {numbers}")
        pads = self.padding if isinstance(self.padding, tuple) else ()
        if pads and (len(pads) != len(self.kernel) or min(map(min, pads)) < 0):
            raise NetworkError(f"padding must be pairs of numbers from 0, one for each dimension, got {pads}")
        if self.groups < 1:
            raise NetworkError(f"groups must be 1 or more, got {self.groups}")

    @property
    def results(self) -> int:
        return self.groups

    def run(self, *inputs: NDArray) -> Values:
        (x,) = taken(inputs, "x")
        rank = len(self.kernel)
        if x.ndim <= rank:
            raise NetworkError(f"expected channels and {rank} dimensions of space, got shape {x.shape}")
        if self.channels_last:
            x = np.moveaxis(x, -1, -1 - rank)
        channels, space = x.shape[-1 - rank], x.shape[-rank:]
        if channels % self.groups:
            raise NetworkError(f"{channels} channels cannot be shared out among {self.groups} groups")
        padded = np.pad(x, [(0, 0)] * (x.ndim - rank) + list(self._pads(space)))
        spans = [(size - 1) * step + 1 for size, step in zip(self.kernel, self.dilation, strict=True)]
        if any(there < span for there, span in zip(padded.shape[-rank:], spans, strict=True)):
            raise NetworkError(f"a kernel that spans {tuple(spans)} does not fit into {padded.shape[-rank:]}")
        windows = sliding_window_view(padded, spans, axis=tuple(range(-rank, 0)))
        every: tuple[Any, ...] = (..., *(slice(None, None, step) for step in (*self.stride, *self.dilation)))
        windows = windows[every]
        windows = np.moveaxis(windows, -1 - 2 * rank, -1 - rank)  # (..., *positions, channels, *kernel)
        rows = windows.reshape(*windows.shape[: -1 - rank], self.groups, -1)
        return tuple(np.ascontiguousarray(rows[..., group, :]) for group in range(self.groups))

    def _pads(self, space: Sequence[int]) -> tuple[tuple[int, int], ...]:
        if isinstance(self.padding, tuple):
            return self.padding
        pads = []
        for there, size, stride, dilation in zip(space, self.kernel, self.stride, self.dilation, strict=True):
            total = max((-(-there // stride) - 1) * stride + (size - 1) * dilation + 1 - there, 0)
            half, other = total // 2, total - total // 2
            pads.append((half, other) if self.padding == "same_upper" else (other, half))
        return tuple(pads)

    def operations(self, *inputs: NDArray) -> int:
        return 0


@dataclass(frozen=True)
class ChannelMaps(Operator):
    """Products at all positions, of one or several groups, as maps of channels; no operation, numbers only move.

    Inputs, one for each group: (..., *positions, channels). Output: (..., all channels, *positions), or, with
    `channels_last`, (..., *positions, all channels).

    Parameters
    ----------
    dimensions : int
        Of the positions.
    channels_last : bool
    """

    dimensions: int
    channels_last: bool = False

    def run(self, *inputs: NDArray) -> Values:
        if not inputs or any(array is None or array.ndim <= self.dimensions for array in inputs):
            raise NetworkError(f"takes arrays of {self.dimensions} dimensions of space, and channels")
        joined = np.concatenate([real(array) for array in inputs], axis=-1)
        if self.channels_last:
            return (joined,)
        return (np.ascontiguousarray(np.moveaxis(joined, -1, -1 - self.dimensions)),)

    def operations(self, *inputs: NDArray) -> int:
        return 0


def convolution(
    name: str,
    x: str,
    y: str,
    weights: NDArray,
    bias: NDArray | None = None,
    *,
    patches: Patches | None = None,
    channels_last: bool | None = None,
) -> tuple[Node, ...]:
    """A convolution as nodes: patches, a `Linear` for each group, maps.

    Parameters
    ----------
    name : str
        Of the matrix's node, and before those of the others; with groups, "name/0" and so on.
    x, y : str
        Values that it takes and gives.
    weights : (outputs, inputs / groups, *kernel)
        As PyTorch and ONNX have them.
    bias : (outputs,), optional
    patches : Patches, optional
        Stride and the like; its kernel is that of the weights.
    channels_last : bool, optional
        Of what it gives; as what it takes by default.

    Raises
    ------
    NetworkError
        If weights, bias and patches do not fit together.
    """
    weights = np.asarray(weights)
    if weights.ndim < 3:
        raise NetworkError(f"{name}: weights must be (outputs, inputs, kernel...), got shape {weights.shape}")
    kernel = weights.shape[2:]
    patches = patches or Patches(kernel)
    if patches.kernel != kernel or weights.shape[0] % patches.groups:
        raise NetworkError(
            f"{name}: weights {weights.shape} do not fit to a kernel {patches.kernel} in {patches.groups} groups"
        )
    if bias is not None and bias.shape != weights.shape[:1]:
        raise NetworkError(f"{name}: bias must be ({len(weights)},), one for each output, got shape {bias.shape}")
    edges = [group * len(weights) // patches.groups for group in range(patches.groups + 1)]
    parts = [slice(*edge) for edge in pairwise(edges)]
    names = [name] if patches.groups == 1 else [f"{name}/{group}" for group in range(patches.groups)]
    last = patches.channels_last if channels_last is None else channels_last
    rows, products = ([f"{one}/{what}" for one in names] for what in ("patches", "products"))
    linears = [
        Linear(weights[part].reshape(len(weights[part]), -1).T, None if bias is None else bias[part]) for part in parts
    ]
    return (
        Node(f"{name}/patches", patches, (x,), tuple(rows)),
        *(Node(*node) for node in zip(names, linears, [(r,) for r in rows], [(p,) for p in products], strict=True)),
        Node(f"{name}/maps", ChannelMaps(len(kernel), last), tuple(products), (y,)),
    )
