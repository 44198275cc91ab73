"""Frames side by side: a network sees several at once, and works less often."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator, Values, taken

__all__ = ["StackFrames"]


@dataclass(frozen=True)
class StackFrames(Operator):
    """Every `step` frames, `count` of them in one: (..., T, width) to (..., T / step rounded up, count x width).

    Output t is frames ``t step + first`` to ``t step + first + count - 1``; beyond both ends they are zero. RNN-T
    stacks so in time, and splices its features. No operation, numbers only move.

    Parameters
    ----------
    count : int
    step : int, optional
        `count` by default: every frame once.
    first : int
        Where a frame's company begins; below 0 to look back.
    """

    count: int
    step: int | None = None
    first: int = 0

    def __post_init__(self) -> None:
        step = self.count if self.step is None else self.step
        if min(self.count, step) < 1:
            raise NetworkError(f"count and step must be 1 or more, got {self.count} and {step}")
        object.__setattr__(self, "step", step)

    def run(self, *inputs: NDArray) -> Values:
        (x,) = taken(inputs, "x")
        if x.ndim < 2:
            raise NetworkError(f"expected frames (..., T, width), got shape {x.shape}")
        length = x.shape[-2]
        assert self.step is not None
        at = np.arange(0, length, self.step)[:, None] + self.first + np.arange(self.count)
        there = (at >= 0) & (at < length)
        frames = x[..., np.where(there, at, 0), :]  # (..., T', count, width)
        frames *= there[:, :, None]
        return (frames.reshape(*frames.shape[:-2], self.count * x.shape[-1]),)

    def operations(self, *inputs: NDArray) -> int:
        return 0
