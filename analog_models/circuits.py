"""What a node of capacitors knows of a tile: the circuits of its columns, and the cells that they read."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.crossbar import SIGMA_UNITS, SIGNAL_UNITS, CellArray
from analog_models.noise import KeyedNoise
from analog_models.periphery import Columns, Periphery
from analog_models.saturation import Course

__all__ = ["Circuits"]

Array = NDArray[np.float64]


@dataclass(eq=False)
class Circuits:
    """The circuits of one tile's columns; every tile has its own, which tells it from others.

    Parameters
    ----------
    periphery : Periphery
    noise : KeyedNoise
        The tile's random numbers.
    count : int
        Columns of the tile.
    columns : Columns
        The fixed draws of this tile's periphery.
    signal_fc : float
        Charge on the capacitor for one signal unit at nominal gain.
    array : CellArray, optional
        The cells; None as long as the tile has no conductances.
    courses : dict
        How voltages go through phases that this tile has seen merged; `Node` keeps it.
    """

    periphery: Periphery
    noise: KeyedNoise
    count: int
    columns: Columns
    signal_fc: float
    array: CellArray | None = None
    courses: dict[tuple, Course] = field(default_factory=dict)
    _constants: dict[tuple[int, int], tuple[Array, Array, Array]] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def drawn(cls, config: AnalogConfig, noise: KeyedNoise, count: int) -> "Circuits":
        """The circuits of a tile, drawn from its seed."""
        periphery = config.periphery
        signal_fc = config.pcm.g_max_us / SIGNAL_UNITS * periphery.charge_fc_per_us_ns
        return cls(periphery, noise, count, Columns.drawn(periphery, noise, count), signal_fc)

    def constants(self, capacitors: int, columns: int) -> tuple[Array, Array, Array]:
        """For `columns` on so many capacitors, pairs' included: (columns,) each.

        mV for one signal unit, for the charge injected in one phase, and mV^2 for one unit of variance.
        """
        key = capacitors, columns
        if key not in self._constants:
            mv_per_fc = 1e3 / (capacitors * self.periphery.capacitor_ff) if capacitors else 0.0
            signal = self.columns.gain[:columns] * (self.signal_fc * mv_per_fc)
            offset = self.columns.offset_fc[:columns] * mv_per_fc
            self._constants[key] = signal, offset, (signal * SIGMA_UNITS) ** 2
        return self._constants[key]
