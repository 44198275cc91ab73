"""Random numbers by key instead of by call order, so that two engines draw the same noise.

A draw is named by (seed, chip, tile, frame, cycle, kind). The name is the key and counter of a Philox generator, and
each number takes exactly one 32-bit word of it: whatever the batch size and the order of calls, a frame gets the same
bits.

Source
------
Philox4x64-10: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. numpy guarantees the raw stream of
a bit generator (NEP 19), not the streams of `Generator`'s distributions, hence the raw words.
"""

from enum import IntEnum

import numpy as np
from numpy.random import Philox
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

__all__ = ["Draw", "KeyedNoise"]

#: 32-bit words in one Philox block (four 64-bit words).
_BLOCK = 8


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
        for name, value, bits in (("seed", seed, 64), ("chip", chip, 32), ("tile", tile, 32)):
            if not 0 <= value < 1 << bits:
                raise ValueError(f"{name} must be 0 to 2**{bits} - 1, got {value}")
        self._generator = Philox(key=[seed, chip << 32 | tile])
        self._state = self._generator.state

    def _words(self, block: int, count: int, cycle: int, kind: int) -> NDArray[np.uint32]:
        """`count` words (a multiple of `_BLOCK`) from the block numbered `block` on."""
        self._state["state"]["counter"][:] = (block & (1 << 64) - 1, block >> 64, cycle, kind)
        self._state["buffer_pos"] = 4  # nothing left over from the last key
        self._generator.state = self._state
        words = self._generator.random_raw(count // 2)
        return words.astype("<u8", copy=False).view("<u4")

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
        numbers = np.atleast_1d(np.asarray(frames))
        if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
            raise ValueError(f"frames must be a vector of integers, got {numbers.dtype} of shape {numbers.shape}")
        if numbers.size and (numbers.min() < 0 or cycle < 0):
            raise ValueError(f"frame and cycle must not be negative, got frame {numbers.min()}, cycle {cycle}")
        stride = -(-count // _BLOCK) * _BLOCK
        blocks = stride // _BLOCK
        words = np.empty((len(numbers), stride), np.uint32)
        # A run of consecutive frames is one stretch of the counter: one call of the generator.
        breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
        for start, stop in zip([0, *breaks], [*breaks, len(numbers)], strict=True):
            run = self._words(int(numbers[start]) * blocks, int(stop - start) * stride, cycle, kind)
            words[start:stop] = run.reshape(-1, stride)
        uniform = np.add(words[:, :count], 0.5, dtype=np.float64)
        uniform *= 2.0**-32
        return uniform

    def gaussians(self, frames: ArrayLike, cycle: int, kind: int, count: int) -> NDArray[np.float64]:
        """Gaussians of mean 0 and variance 1, within +-6.2; parameters and shape are those of `uniforms`."""
        uniform = self.uniforms(frames, cycle, kind, count)
        return ndtri(uniform, out=uniform)
