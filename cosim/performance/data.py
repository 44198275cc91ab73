"""What is known of the numbers that a frame works on: mean codes, and conductances along the rows of tiles.

What happens depends on which codes are zero and on their mean alone. The charge of a row is its pulse times the
conductance of all cells in it, so that its mean follows from mean codes exactly, whatever their distribution.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.isa.vectors import split_signs

__all__ = ["Codes", "FrameData"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Codes:
    """Signed codes of some inputs, as means over frames.

    Parameters
    ----------
    mean : (2, inputs) float64
        Of the positive codes, and of the negative ones' magnitudes; the other codes count as 0.
    share : (2, inputs) float64
        Of frames in which the code is positive, and negative.
    """

    mean: Array
    share: Array

    @classmethod
    def of(cls, codes: ArrayLike) -> Self:
        """Of signed codes (frames, inputs)."""
        both = [np.asarray(part, np.float64) for part in split_signs(np.asarray(codes, np.int16))]
        return cls(np.stack([part.mean(0) for part in both]), np.stack([(part > 0).mean(0) for part in both]))

    @classmethod
    def even(cls, inputs: int, mean: float, share: float = 1.0) -> Self:
        """All inputs alike, both signs as often: magnitudes of some mean, and the share that is not 0."""
        return cls(np.full((2, inputs), mean / 2), np.full((2, inputs), share / 2))

    @classmethod
    def together(cls, parts: Iterable[tuple["Codes", float]]) -> Self:
        """Of frames of several kinds, with how many there are of each."""
        given = [(codes, weight) for codes, weight in parts if weight]
        total = sum(weight for _, weight in given)
        return cls(
            np.sum([codes.mean * (weight / total) for codes, weight in given], axis=0),
            np.sum([codes.share * (weight / total) for codes, weight in given], axis=0),
        )

    def rows(self, index: slice | NDArray[np.int64]) -> "Codes":
        """Of some of the inputs."""
        return Codes(self.mean[:, index], self.share[:, index])


@dataclass(frozen=True, eq=False)
class FrameData:
    """What a frame of one program works on.

    Parameters
    ----------
    inputs : Codes
        Of the program's inputs.
    rows_us : mapping of tile index to (2, rows + bias rows) float64
        Conductance along each row, uS: of WP1's devices of all columns together, G+ and G-, and of WP2's.
    outputs : mapping of str to (2, width) float64, optional
        Of outputs that are known, means of the pulses' lengths, ns, and the shares that are not 0. By default zero lies
        in the middle of the longest pulse, and that is the mean.
    """

    inputs: Codes
    rows_us: Mapping[int, Array]
    outputs: Mapping[str, Array] = field(default_factory=dict)

    @staticmethod
    def told(codes: Mapping[str, ArrayLike], readout_bits: int = 8) -> dict[str, Array]:
        """`outputs` from codes (frames, width) of landing pads."""
        found = {}
        for name, values in codes.items():
            array = np.asarray(values, np.float64) * (1 << (8 - readout_bits))
            found[name] = np.stack([array.mean(0), (array > 0).mean(0)])
        return found
