"""What stands behind the analog boundary of an engine."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analog_models.events import TileEvent
from analog_models.reception import PadReceiver

__all__ = ["Physics"]


class Physics(Protocol):
    """The analog part of a chip as engines see it; `analog_models.AnalogChip` is one."""

    def serve(
        self,
        frames: NDArray[np.int64],
        events: Sequence[TileEvent],
        columns: Mapping[int, int] | None = None,
    ) -> Mapping[int, NDArray[np.uint16]]:
        """Serve the events of one cycle.

        Parameters
        ----------
        frames : (B,)
            Frame numbers; they key the noise.
        events : sequence of TileEvent
            Of one cycle; their arrays have a row for each frame.
        columns : mapping of tile index to int, optional
            How many columns of a tile, from the first on, anybody looks at; the others need not be computed.

        Returns
        -------
        mapping of tile index to uint16 (B, columns)
            Crossing times of each tile whose ramp starts.
        """

    def pad_receiver(self, olp: int) -> PadReceiver:
        """What an output landing pad's receiver does to pulses."""
