"""Pulses on word lines, and what the sums of a column take of them."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analog_models.loading import Loading
from analog_models.products import Whole

__all__ = ["MAX_ROW_TIME", "PULSE_UNITS", "Pulses", "RowPulses", "Rows"]

Array = NDArray[np.float64]
#: Word lines: the first one, and the one after the last.
Rows = tuple[int, int]
#: Word lines that are high for (B, rows) ns; without those that are low in all frames. Mesh rows and bias rows have
#: pulses of their own, since bias rows differ between phases that are otherwise the same.
Pulses = Sequence[tuple[Rows, NDArray[np.integer]]]

#: Longest high time of a row in one integration, ns (nine bits).
MAX_ROW_TIME = 511
#: Units of a pulse in ns.
PULSE_UNITS = 2


class RowPulses:
    """Pulses of a batch on neighbouring word lines. What is derived from them is computed once, when it is asked for.

    Parameters
    ----------
    rows : Rows
    times : (B, rows) integers, ns
    loading : Loading or None
        How these rows load one another; None for those of the bias, next to the circuits.

    Members
    -------
    times : (B, rows) or (1, rows)
        One row where all frames have the same pulses, as bias rows do.
    """

    def __init__(self, rows: Rows, times: NDArray[np.integer], loading: Loading | None) -> None:
        first = times[:1]
        same = len(times) == 1 or ((first == times[-1:]).all() and (first == times).all())
        self.rows, self.times = rows, first if same else times
        self._loading = loading
        self._lengths: dict[int, Whole] = {}

    @cached_property
    def _exact(self) -> NDArray[np.float32]:
        return self.times.astype(np.float32)

    @cached_property
    def total_ns(self) -> Array:
        """High time of each block of rows, see `Loading.total_ns`; of rows without a load, of each of them."""
        return self._loading.total_ns(self._exact) if self._loading else self._exact.astype(np.float64)

    def lengths(self, pairs: int) -> Whole:
        """Whole units, less what the load of so many pairs takes off them; see `Loading.worth` for what follows."""
        if pairs not in self._lengths:
            if self._loading and self._loading.active:
                lengths = self._loading.worth(self._exact, pairs, PULSE_UNITS)
            else:
                lengths = self._exact * np.float32(PULSE_UNITS)
            self._lengths[pairs] = Whole(lengths, axis=1)
        return self._lengths[pairs]

    def of_frames(self, frames: NDArray[np.intp]) -> NDArray[np.integer]:
        """Pulses of some of the frames: (n, rows)."""
        return self.times[frames if len(self.times) > 1 else np.zeros_like(frames)]
