"""The receiver before a landing pad's counters: transport errors, cycle by cycle.

Source: docs/fabric.md, "Receivers".
"""

import numpy as np
from numpy.typing import NDArray

from analog_models.reception import MAX_MOVE, SLIPS, Reception

__all__ = ["PadShell"]

Lanes = NDArray[np.bool_]


class PadShell:
    """What the wires of a landing pad go through in one counting window.

    Parameters
    ----------
    reception : Reception
        Of this window and one frame.
    """

    def __init__(self, reception: Reception) -> None:
        self._moves = reception.moves[0]
        self._slips = [int(sample) for sample in reception.slips[0]]
        self._missed = reception.missed
        quiet = np.zeros(len(self._moves), np.bool_)
        self._wires = [quiet] * (SLIPS + 1)  # now and one, two, three cycles ago
        self._sampled = [quiet] * (MAX_MOVE + 1)
        self._delay = SLIPS if self._missed else 0
        self._elapsed: int | None = None  # cycles since the first wire rose

    def step(self, wires: Lanes) -> Lanes:
        """One cycle of the window, from its first on: the wires (lanes,) as the counters see them."""
        self._wires = [wires, *self._wires[:-1]]
        self._sampled = [self._wires[self._delay], *self._sampled[:-1]]
        if self._elapsed is not None or wires.any():
            self._elapsed = 0 if self._elapsed is None else self._elapsed + 1
            sample = self._elapsed - self._delay
            if self._slips and self._slips[0] == sample + self._missed:
                self._slips.pop(0)
                self._delay += -1 if self._missed else 1
        heard = self._sampled[0].copy()
        for cycles in range(1, MAX_MOVE + 1):
            heard |= self._sampled[cycles] & (self._moves >= cycles)
        for cycles in range(1, MAX_MOVE + 1):
            heard &= self._sampled[cycles] | (self._moves > -cycles)
        return heard
