"""What a tile has done, counted for an energy model: events, pulses, and the charge that its array has drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analog_models.crossbar import CellArray, Read
from analog_models.pulses import Pulses

__all__ = ["Consumption"]


@dataclass
class Consumption:
    """Sums over all frames of a batch.

    Members
    -------
    precharges : banks of capacitors that were precharged, one for each frame
    integrations : phases
    row_pulses, row_ns : pulses on word lines of the mesh and of the bias, and their high times together
    ramps : each with a comparison in every column
    writes : programming pulses on devices
    charge_fc : (2, 2) float64
        Charge that the array has drawn from the read bias, at `Periphery.read_voltage_v`: of charging and of
        discharging phases, through the G+ and through the G- branches, without IR drop and noise of a read.
    """

    precharges: int = 0
    integrations: int = 0
    row_pulses: int = 0
    row_ns: int = 0
    ramps: int = 0
    writes: int = 0
    charge_fc: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))

    def integrated(
        self, cells: CellArray | None, read_voltage_v: float, read: Read, pulses: Pulses, frames: int
    ) -> None:
        """One phase of a batch; without cells no charge is drawn."""
        self.integrations += frames
        for (start, stop), times in pulses:
            lengths = times.sum(axis=0, dtype=np.int64)
            self.row_pulses += int(np.count_nonzero(times))
            self.row_ns += int(lengths.sum())
            along_us = np.zeros((4, stop - start)) if cells is None else cells.row_us()[:, start:stop]
            for device in _devices(read):
                self.charge_fc[int(read.discharge), device % 2] += read_voltage_v * float(along_us[device] @ lengths)


def _devices(read: Read) -> Sequence[int]:
    return [device for device in range(4) if (read.wp1, read.wp2)[device // 2]]
