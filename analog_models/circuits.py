"""What a node of capacitors knows of a tile: the circuits of its columns, and the cells that they read."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.crossbar import VARIANCE_UNITS, CellArray
from analog_models.noise import KeyedNoise
from analog_models.periphery import Columns, Periphery
from analog_models.pulses import PULSE_UNITS

__all__ = ["Circuits", "Scales"]

Array = NDArray[np.float64]
#: Shifts that are kept.
_SHIFTS = 64


@dataclass(frozen=True)
class Scales:
    """What moves the level of connected capacitors: (columns,) of each tile that shares them.

    Parameters
    ----------
    signal_mv : for one unit of a column's signal
    offset_mv : for the charge that the switches inject in one phase
    variance_mv2 : for one unit of variance
    leak : (columns,)
        Droop over the nominal one, of the capacitors together.
    """

    signal_mv: tuple[Array, ...]
    offset_mv: tuple[Array, ...]
    variance_mv2: tuple[Array, ...]
    leak: Array
    _shifts: dict[tuple, Array] = field(default_factory=dict, repr=False, compare=False)

    def shift_mv(self, droop_mv: float, members: tuple[int, ...]) -> Array:
        """What a nominal droop and the charge injected in these tiles add: (columns,). Programs repeat the same few."""
        key = droop_mv, members
        if key not in self._shifts:
            if len(self._shifts) == _SHIFTS:
                self._shifts.clear()
            self._shifts[key] = sum((self.offset_mv[member] for member in members), self.leak * droop_mv)
        return self._shifts[key]


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
    full_fc : float
        Charge on the capacitor for g_max read for 1 ns, at nominal gain.
    signal_units : int
        Units of a column's signal in g_max.
    array : CellArray, optional
        The cells; None as long as the tile has no conductances.
    """

    periphery: Periphery
    noise: KeyedNoise
    count: int
    columns: Columns
    full_fc: float
    signal_units: int
    array: CellArray | None = None
    _banks_ff: dict[tuple[int, int], Array] = field(default_factory=dict, init=False, repr=False)
    _scales: dict[tuple, Scales] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def drawn(cls, config: AnalogConfig, noise: KeyedNoise, count: int) -> "Circuits":
        """The circuits of a tile, drawn from its seed."""
        periphery = config.periphery
        columns = Columns.drawn(periphery, noise, count)
        full_fc = config.pcm.g_max_us * periphery.charge_fc_per_us_ns
        return cls(periphery, noise, count, columns, full_fc, config.signal_units)

    @property
    def cells(self) -> CellArray:
        """The cells of a tile that has them."""
        assert self.array is not None
        return self.array

    @property
    def noisy(self) -> bool:
        """Whether there are cells, whose reads have noise."""
        return self.array is not None and self.array.noisy

    @property
    def unit_fc(self) -> float:
        """Charge for one unit of a column's signal, at nominal gain."""
        return self.full_fc / (self.signal_units * PULSE_UNITS)

    def bank_ff(self, first: int, last: int) -> Array:
        """Capacitance of each column's capacitors `first` to `last` - 1, as they are connected: (columns,)."""
        key = first, last
        if key not in self._banks_ff:
            self._banks_ff[key] = self.columns.capacitors[first:last].sum(axis=0) * self.periphery.capacitor_ff
        return self._banks_ff[key]

    def scales(self, partners: "tuple[Circuits, ...]", capacitors: tuple[int, ...], columns: int) -> Scales:
        """Of the first `columns`, with so many capacitors connected in this tile and in those that share with it.

        Where none is connected nothing moves the level but the leak.
        """
        key = *capacitors, columns
        if key not in self._scales:
            tiles = (self, *partners)
            banks = [tile.bank_ff(0, count)[:columns] for tile, count in zip(tiles, capacitors, strict=False)]
            whole = np.sum(banks, axis=0)
            mv_per_fc = np.divide(1e3, whole, out=np.zeros(columns), where=whole > 0)
            unit_mv = [tile.unit_fc * tile.columns.gain[:columns] * mv_per_fc for tile in tiles]
            full_mv = [unit * (self.signal_units * PULSE_UNITS) for unit in unit_mv]
            leak = self.columns.leak[:columns]
            if any(capacitors):
                leaks = [bank * tile.columns.leak[:columns] for bank, tile in zip(banks, tiles, strict=True)]
                leak = np.sum(leaks, axis=0) / whole
            self._scales[key] = Scales(
                tuple(unit_mv),
                tuple(tile.columns.offset_fc[:columns] * mv_per_fc for tile in tiles),
                tuple(full**2 / VARIANCE_UNITS for full in full_mv),
                leak,
            )
        return self._scales[key]
