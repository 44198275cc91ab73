"""Random numbers by key instead of by call order, so that two engines draw the same noise.

A draw is named by (seed, chip, tile, frame, cycle, kind). The name is the key and counter of a Philox generator, and
each number takes exactly one 32-bit word of it: whatever the batch size and the order of calls, a frame gets the same
bits.

A Gaussian is the sum of two quantiles of variance 1/2, each looked up with half of the word. That takes a fixed count
of words and no special function per value; the sum has 2**32 equally likely pairs, reaches 6.1 standard deviations, and
is exact: the table holds whole multiples of 2**-20.

Source
------
Philox4x64-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. numpy guarantees the raw stream of
a bit generator (NEP 19), not the streams of `Generator`'s distributions, hence the raw words. The two tables are our
assumption.
"""

from enum import IntEnum
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.random import Philox
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from analog_models.values import whole_number

__all__ = ["Draw", "KeyedNoise", "half_gaussians"]

#: 32-bit words in one Philox block (four 64-bit words).
_BLOCK = 8
_LOW_64 = (1 << 64) - 1
#: A word with its low half first on any machine, and such a half.
_WORD, _HALF = np.dtype("<u8"), np.dtype("<u2")


class Draw(IntEnum):
    """What a random number is for. 0-8 belong to an event of a frame, 0-3 are those of `EventKind`; the rest do not."""

    PRECHARGE = 0
    READ = 1
    COMPARATOR = 2
    WRITE = 3
    WRITE_DRIFT = 4
    ROWS = 5
    COLUMNS = 6
    PAD = 7
    PAD_PHASE = 8
    MISMATCH = 16
    SET_TIME = 17
    PULSE = 18
    VERIFY = 19
    RELAXATION = 20
    DRIFT = 21
    RESET = 22
    ROW_SKEW = 23
    COLUMN_SKEW = 24
    PAD_SKEW = 25
    PAD_RATE = 26
    ACCUMULATED = 27
    STUCK = 28
    REACH = 29


@cache
def half_gaussians() -> NDArray[np.float32]:
    """The 2**16 quantiles of a Gaussian of variance 1/2, in the middle of equal shares, as multiples of 2**-20."""
    quantiles = ndtri((np.arange(1 << 16) + 0.5) * 2.0**-16)
    quantiles *= np.sqrt(0.5 / np.mean(quantiles**2))  # the outermost shares' tails are cut
    return (np.rint(quantiles * (1 << 20)) * 2.0**-20).astype(np.float32)  # 24 bits hold them and their sums


class KeyedNoise:
    """Random numbers of one tile, or of one landing pad.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    chip, tile : int
        0 to 2**32 - 1.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    def __init__(self, seed: int, chip: int = 0, tile: int = 0) -> None:
        seed = whole_number(seed, "seed", 0, (1 << 64) - 1)
        chip, tile = (whole_number(value, name, 0, (1 << 32) - 1) for name, value in (("chip", chip), ("tile", tile)))
        self._generator = Philox(key=np.array([seed, chip << 32 | tile], np.uint64))
        self._state = self._generator.state

    def _words(self, block: int, count: int, cycle: int, kind: int) -> NDArray[np.uint16]:
        """`count` words (a multiple of `_BLOCK`) from the block numbered `block` on, as halves, the low one first."""
        self._state["state"]["counter"][:] = (block & _LOW_64, block >> 64, cycle, kind)
        self._state["buffer_pos"] = 4  # nothing left over from the last key
        self._generator.state = self._state
        return self._generator.random_raw(count // 2).astype(_WORD, copy=False).view(_HALF)

    def _drawn(self, frames: ArrayLike, cycle: int, kind: int, count: int) -> NDArray[np.uint16]:
        """Raw words as halves, the low one first: (B, count, 2); see `uniforms`."""
        numbers = np.array(frames, copy=None, ndmin=1)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise ValueError(f"frames must be a vector of integers, got {numbers.dtype} of shape {numbers.shape}")
        stride = -(-count // _BLOCK) * _BLOCK
        blocks = stride // _BLOCK
        runs = []
        for frame, length in _stretches(numbers):
            if frame < 0 or cycle < 0:
                raise ValueError(f"frame and cycle must not be negative, got frame {frame}, cycle {cycle}")
            runs.append(self._words(frame * blocks, length * stride, cycle, kind))
        halves = runs[0] if len(runs) == 1 else np.concatenate(runs) if runs else np.zeros(0, _HALF)
        return halves.reshape(-1, stride, 2)[:, :count]

    def uniforms(self, frames: ArrayLike, cycle: int, kind: int, count: int) -> NDArray[np.float64]:
        """Uniform numbers, above 0 and below 1.

        Parameters
        ----------
        frames : (B,) integers
            Frame numbers, 0 or more.
        cycle : int
            Cycle within the frame.
        kind : int
            A `Draw`.
        count : int
            Values per frame.

        Returns
        -------
        (B, count) float64; row *b* depends on ``frames[b]`` and not on the rest of the batch.
        """
        low, high = np.moveaxis(self._drawn(frames, cycle, kind, count), -1, 0)
        return (low + high * 65536.0 + 0.5) * 2.0**-32

    def gaussians(
        self, frames: ArrayLike, cycle: int, kind: int, count: int, first: int | None = None
    ) -> NDArray[np.float64]:
        """Gaussians of mean 0 and variance 1, within +-6.1.

        Parameters and shape are those of `uniforms`; only the `first` of the values are computed, if there is such a
        number, the same as with all.
        """
        halves = self._drawn(frames, cycle, kind, count)[:, :first]
        table = half_gaussians()
        z = table.take(halves[..., 0])
        z += table.take(halves[..., 1])
        return z.astype(np.float64)


def _stretches(numbers: NDArray[np.integer]) -> list[tuple[int, int]]:
    """Consecutive numbers, first and how many: one stretch of the counter, so one call of the generator."""
    if len(numbers) < 2:
        return [(number, 1) for number in numbers.tolist()]
    breaks = np.flatnonzero(numbers[1:] != numbers[:-1] + 1) + 1
    edges = [0, *breaks.tolist(), len(numbers)]
    return [(int(numbers[start]), stop - start) for start, stop in pairwise(edges)]
