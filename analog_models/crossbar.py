"""The crossbar of one tile: four PCM devices a cell, and the exact sums along its columns.

Conductances are whole multiples of g_max / 2**18, variances of read noise whole multiples of g_max**2 / 2**28. A column
sum of durations times such numbers stays below 2**53, so float64 holds every partial sum exactly: the result depends
neither on the batch size nor on how the BLAS blocks the product, and equal seeds give equal codes on every machine.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.config import AnalogConfig
from analog_models.periphery import PATH_UNITS, Columns

__all__ = ["DEVICES", "G_UNITS", "MAX_ROW_TIME", "CellArray"]

Array = NDArray[np.float64]

#: Devices of a cell, in this order in every array of shape (4, rows, columns); the order of `rtl.isa.Device`.
DEVICES = ("G+", "G-", "g+", "g-")
#: Conductance units in g_max.
G_UNITS = 1 << 18
#: Longest high time of a row in one integration, ns (nine bits).
MAX_ROW_TIME = 511
_VARIANCE_UNITS = 1 << 28
_NU_UNITS = 1 << 16


class CellArray:
    """Conductances of a tile, as programmed and as read.

    Parameters
    ----------
    config : AnalogConfig
    columns : Columns
        The tile's periphery; its path mismatch weighs G+ against G-.
    rows : int
        Word lines, bias rows included.
    """

    def __init__(self, config: AnalogConfig, columns: Columns, rows: int) -> None:
        self._config = config
        self._path = columns.path
        self.shape = (4, rows, len(columns.path))
        pcm = config.pcm
        largest = pcm.g_set_us / pcm.g_max_us * G_UNITS * (PATH_UNITS + abs(self._path).max(initial=0))
        noisiest = (float(pcm.read_sigma_us(np.array(pcm.g_set_us), config.age_s)) / pcm.g_max_us) ** 2
        factor = config.significance
        for sums in (
            MAX_ROW_TIME * rows * (factor + 1) * largest,
            MAX_ROW_TIME**2 * rows * 2 * (factor**2 + 1) * noisiest * _VARIANCE_UNITS,
        ):
            if sums >= 1 << 53:
                raise ValueError(
                    f"sums over {rows} rows with significance {factor} exceed 2**53 and would not be exact; "
                    "use fewer rows, a smaller significance or less read noise"
                )
        #: Programmed conductance at `Pcm.drift_t0_s`, in units of g_max / G_UNITS.
        self.programmed = np.zeros(self.shape, np.int32)
        #: Drift exponent in units of 2**-16.
        self.exponent = np.zeros(self.shape, np.uint16)
        self._signal = np.zeros((2, *self.shape[1:]))
        self._variance = np.zeros((2, *self.shape[1:])) if config.pcm.read_noise_scale else None
        self._both: tuple[Array, Array | None] | None = None
        self._stale = np.zeros(rows, bool)

    def write(self, rows: ArrayLike, device: int | slice, g_us: Array, nu: Array) -> None:
        """Store what programming left behind: conductance at t0 in uS and drift exponent.

        Raises
        ------
        ValueError
            On NaN, or a conductance outside 0 to g_set.
        """
        pcm = self._config.pcm
        bad = np.argwhere(~((g_us >= 0) & (g_us <= pcm.g_set_us)))  # catches NaN too
        if bad.size:
            where = tuple(int(i) for i in bad[0])
            raise ValueError(
                f"conductance at index {where} is {g_us[where]} uS; expected 0 to {pcm.g_set_us} uS "
                "(Pcm.g_set_us); check the targets for NaN"
            )
        rows = np.asarray(rows)
        self.programmed[device, rows] = np.rint(g_us * (G_UNITS / pcm.g_max_us))
        self.exponent[device, rows] = np.rint(np.clip(nu * _NU_UNITS, 0, _NU_UNITS - 1))
        self.touch(rows)

    def restore(self, programmed: NDArray[np.int32], exponent: NDArray[np.uint16]) -> None:
        """Put back `programmed` and `exponent` as they were saved."""
        if programmed.shape != self.shape or exponent.shape != self.shape:
            raise ValueError(f"arrays of shape {programmed.shape}, {exponent.shape} for cells of shape {self.shape}")
        largest = self._config.pcm.g_set_us / self._config.pcm.g_max_us * G_UNITS
        if programmed.size and not 0 <= programmed.min() <= programmed.max() <= largest:
            raise ValueError(
                f"conductances span {programmed.min()} to {programmed.max()} units, expected 0 to {largest}"
            )
        self.programmed[:], self.exponent[:] = programmed, exponent
        self.touch()

    def programmed_us(self, row: int, device: int) -> Array:
        """Conductance of a row's devices as programmed, uS: (columns,)."""
        return self.programmed[device, row] * (self._config.pcm.g_max_us / G_UNITS)

    def drift_exponents(self, row: int, device: int) -> Array:
        """Drift exponents of a row's devices: (columns,)."""
        return self.exponent[device, row] / _NU_UNITS

    def set_config(self, config: AnalogConfig) -> None:
        """Change the age; everything that depends on it is derived anew."""
        self._config = config
        self.touch()

    def touch(self, rows: NDArray[np.integer] | slice = slice(None)) -> None:
        """Derive these rows anew before the next read."""
        self._stale[rows] = True
        self._both = None

    def read_us(self, rows: Sequence[int] | NDArray | slice = slice(None)) -> Array:
        """Mean conductance in uS that a read sees now: drifted, behind the IR drop. (4, rows, columns)."""
        return self._read_units(rows) * (self._config.pcm.g_max_us / G_UNITS)

    def _read_units(self, rows: Sequence[int] | NDArray | slice) -> Array:
        config = self._config
        nu = self.exponent[:, rows] / _NU_UNITS
        loss = config.periphery.attenuation(self.shape[1])[rows, np.newaxis]
        return np.rint(self.programmed[:, rows] * config.pcm.retention(nu, config.age_s) * loss)

    def _derive(self) -> None:
        rows = np.flatnonzero(self._stale)
        if not rows.size:
            return
        units = self._read_units(rows)
        up, down = PATH_UNITS + self._path, PATH_UNITS - self._path
        for pair in (0, 1):
            self._signal[pair, rows] = units[2 * pair] * up - units[2 * pair + 1] * down
        if self._variance is not None:
            pcm = self._config.pcm
            sigma = pcm.read_sigma_us(units * (pcm.g_max_us / G_UNITS), self._config.age_s) / pcm.g_max_us
            variance = np.rint(sigma * sigma * _VARIANCE_UNITS)
            self._variance[:, rows] = variance[0::2] + variance[1::2]
        self._stale[:] = False

    def _matrices(self, wp1: bool, wp2: bool) -> tuple[Array, Array | None]:
        """Signal and variance matrices of the selected pairs."""
        self._derive()
        factor = self._config.significance
        if wp1 and wp2:
            if self._both is None:
                variance = None
                if self._variance is not None:
                    variance = self._variance[0] * factor**2 + self._variance[1]
                self._both = self._signal[0] * factor + self._signal[1], variance
            return self._both
        pair = 0 if wp1 else 1
        signal = self._signal[pair]
        variance = None if self._variance is None else self._variance[pair]
        if wp1 and factor != 1:
            return signal * factor, None if variance is None else variance * factor**2
        return signal, variance

    def sums(self, row_time: NDArray[np.integer], wp1: bool, wp2: bool) -> tuple[Array, Array | None]:
        """Exact column sums of one integration.

        Parameters
        ----------
        row_time : (B, rows) integers, ns
        wp1, wp2 : bool
            Pairs that the rows read.

        Returns
        -------
        charge : (B, columns) float64, uS ns
            ``sum(time * (F (G+ - G-) + (g+ - g-)))`` with each path's gain.
        sigma : (B, columns) float64, uS ns, or None
            Standard deviation of that sum by the devices' read noise; None when read noise is off.
        """
        if not (wp1 or wp2):
            return np.zeros((len(row_time), self.shape[2])), None
        signal, variance = self._matrices(wp1, wp2)
        g_max_us = self._config.pcm.g_max_us
        time = row_time.astype(np.float64)
        charge = time @ signal
        charge *= g_max_us / (G_UNITS * PATH_UNITS)
        if variance is None:
            return charge, None
        sigma = np.sqrt((time * time) @ variance)
        sigma *= g_max_us / _VARIANCE_UNITS**0.5
        return charge, sigma
