"""The crossbar of one tile: four PCM devices a cell, and the exact sums along its columns.

Conductances are whole multiples of g_max / 2**18, what a device adds to a column's signal one of g_max / 2**10 (2**20
in the ideal preset), pulses of half a ns (IR drop takes fractions off them), and variances of read noise products of
multiples of ns**2 / 2**5 (of the pulse) and of g_max**2 / 2**9 (of the device). Sums of durations times such numbers
are exact integers in floating point: they depend neither on the batch size nor on how the BLAS blocks a product, and
equal seeds give equal codes everywhere. float32 holds most of them, which is twice as fast; the others are summed up in
float64.

Matrices are kept as (rows, columns), as the BLAS likes them for small batches.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.config import AnalogConfig
from analog_models.device import Pcm
from analog_models.loading import Factors, Loading
from analog_models.noise import Draw, KeyedNoise
from analog_models.periphery import Columns
from analog_models.products import EXACT, Whole, product
from analog_models.pulses import MAX_ROW_TIME, PULSE_UNITS, RowPulses, Rows

__all__ = ["DEVICES", "G_UNITS", "VARIANCE_UNITS", "CellArray", "Pairs", "Read", "wires_of"]

Array = NDArray[np.float64]
#: Pairs of devices, (wp1, wp2), that each of several reads goes through.
Pairs = tuple[tuple[bool, bool], ...]

#: Devices of a cell, in this order in every array of shape (4, rows, columns); the order of `rtl.isa.Device`.
DEVICES = ("G+", "G-", "g+", "g-")
#: Conductance units in g_max.
G_UNITS = 1 << 18
_NU_UNITS = 1 << 16
#: 1/f noise is looked up by conductances in steps of 2**4 units: such a table stays near the processor.
_NOISE_STEP = 4
#: What a device is read as ends at so many times `Pcm.g_set_us`, whatever 1/f noise has done to it.
_LARGEST = 2.0
#: Units of a device's share of a variance in g_max**2, and of a pulse's in ns**2.
_SQUARE_UNITS, _SHARE_UNITS = 1 << 9, 1 << 5
#: Units of a variance in (g_max ns)**2.
VARIANCE_UNITS = _SQUARE_UNITS * _SHARE_UNITS
#: Reads whose weights differ by less than this, relative to their sum's Euclidean norm, are alike.
_ALIKE = 0.5
#: Matrices that an array keeps; a program uses a few.
_KEPT = 24


class Read(NamedTuple):
    """How one integration phase reads the cells: which pairs, and which way the mirror steers their current."""

    wp1: bool
    wp2: bool
    discharge: bool

    @property
    def pairs(self) -> int:
        """How many pairs of devices are read."""
        return self.wp1 + self.wp2


class CellArray:
    """Conductances of a tile, as programmed and as read.

    Parameters
    ----------
    config : AnalogConfig
    columns : Columns
        The tile's periphery; its path and polarity mismatch weigh G+ against G-.
    rows, bias_rows : int
        Word lines that the mesh drives, and those of the bias behind them, next to the circuits.
    noise : KeyedNoise
        The tile's random numbers: what 1/f noise has done to each device by its age.

    Members
    -------
    loading : Loading
        How the rows that the mesh drives load one another.
    revision : int
        Grows with every change of what is read: of conductances, or of their age.

    Raises
    ------
    ValueError
        If so many rows, or such a significance, could leave the exact integers.
    """

    def __init__(self, config: AnalogConfig, columns: Columns, rows: int, bias_rows: int, noise: KeyedNoise) -> None:
        self._config = config
        self._columns = columns
        self._noise = noise
        # Share of a variance of every pulse, in whole units.
        every = np.arange(MAX_ROW_TIME + 1)
        self._pulse_shares = np.rint(config.pcm.pulse_variance(every) * _SHARE_UNITS).astype(np.float32)
        self.shape = (4, rows + bias_rows, len(columns.path))
        pcm, factor = config.pcm, config.significance
        reach = _LARGEST * pcm.g_set_us / pcm.g_max_us
        self._largest = round(reach * G_UNITS)
        self._signal_units = config.signal_units
        largest = reach * self._signal_units * max(map(np.max, columns.branch_gains()), default=1)
        if PULSE_UNITS * MAX_ROW_TIME * self.shape[1] * (factor + 1) * largest >= 1 << 53:
            raise ValueError(
                f"sums over {self.shape[1]} rows with significance {factor} exceed 2**53 and would not be exact; "
                "use fewer rows or a smaller significance"
            )
        self._bank = 0, rows
        self.loading = Loading(
            config.periphery,
            columns,
            rows,
            self.shape[1],
            unit_us=pcm.g_max_us / G_UNITS,
            signal_us_ns=pcm.g_max_us / (self._signal_units * PULSE_UNITS),
        )
        #: Programmed conductance at `Pcm.drift_t0_s`, in units of g_max / G_UNITS.
        self.programmed = np.zeros(self.shape, np.int32)
        #: Drift exponent in units of 2**-16.
        self.exponent = np.zeros(self.shape, np.uint16)
        #: When each row's devices were programmed, s on the clock that `AnalogConfig.age_s` is read from: (4, rows).
        self.written_s = np.zeros(self.shape[:2])
        self._units = np.zeros(self.shape, np.int32)  # as read now
        self.revision = 0
        self._stale = np.ones(self.shape[1], bool)  # rows that have been written since
        self._touched = True  # any of them
        self._row_us: Array | None = None
        self._derived: dict[tuple, Any] = {}  # matrices

    @property
    def noisy(self) -> bool:
        """Whether pulses have noise at all."""
        return self._config.pcm.read_noise_scale > 0

    def write(
        self, rows: ArrayLike, device: int | slice, g_us: Array, nu: Array, *, written_s: float | None = None
    ) -> None:
        """Store what programming left behind: conductance at t0 in uS and drift exponent.

        `written_s` is when, for all columns of these rows; by default they keep their time.

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
        # g_set is no whole number of units: what is rounded up beyond it could not be written again as it was read.
        self.programmed[device, rows] = np.minimum(np.rint(g_us * (G_UNITS / pcm.g_max_us)), _reach(pcm))
        self.exponent[device, rows] = np.rint(np.clip(nu * _NU_UNITS, 0, _NU_UNITS - 1))
        if written_s is not None:
            self.written_s[device, rows] = written_s
        self.touch(rows)

    def restore(self, programmed: NDArray[np.int32], exponent: NDArray[np.uint16], written_s: Array) -> None:
        """Put back `programmed`, `exponent` and `written_s` as they were saved."""
        shapes = programmed.shape, exponent.shape, written_s.shape
        if shapes != (self.shape, self.shape, self.shape[:2]):
            raise ValueError(f"arrays of shapes {shapes} for cells of shape {self.shape}")
        largest = _reach(self._config.pcm)
        if programmed.size and not 0 <= programmed.min() <= programmed.max() <= largest:
            raise ValueError(
                f"conductances span {programmed.min()} to {programmed.max()} units, expected 0 to {largest}"
            )
        self.programmed[:], self.exponent[:], self.written_s[:] = programmed, exponent, written_s
        self.touch()

    def programmed_us(self, row: int, device: int) -> Array:
        """Conductance of a row's devices as programmed, uS: (columns,)."""
        return self.programmed[device, row] * (self._config.pcm.g_max_us / G_UNITS)

    def drift_exponents(self, row: int | slice = slice(None), device: int | slice = slice(None)) -> Array:
        """Drift exponents of a row's devices, (columns,), or by default of all, (4, rows, columns)."""
        return self.exponent[device, row] / _NU_UNITS

    def set_config(self, config: AnalogConfig) -> None:
        """Change the age; everything that depends on it is derived anew."""
        self._config = config
        self.touch()

    def touch(self, rows: NDArray[np.integer] | slice = slice(None)) -> None:
        """Derive these rows anew before the next read."""
        self.revision += 1
        self._stale[rows] = self._touched = True

    def row_us(self) -> Array:
        """Conductance of all cells of a row together, as read now: (4, rows)."""
        self._refresh()
        if self._row_us is None:
            self._row_us = self._units.sum(axis=2, dtype=np.int64) * (self._config.pcm.g_max_us / G_UNITS)
        return self._row_us

    def read_us(self, rows: Sequence[int] | NDArray | slice = slice(None)) -> Array:
        """Mean conductance in uS that a read sees now: drifted, with 1/f noise. (4, rows, columns)."""
        return self._read_units(rows) * (self._config.pcm.g_max_us / G_UNITS)

    def _read_units(self, rows: Sequence[int] | NDArray | slice) -> Array:
        pcm = self._config.pcm
        ages = self._age_s(rows)
        wires = wires_of(np.arange(4)[:, np.newaxis], np.arange(self.shape[1])[rows], self.shape[1])
        units = np.empty(self.programmed[:, rows].shape)
        # Device by device, so that what is in work stays near the processor.
        for device, left in enumerate(units):
            exponents, programmed, age = self.exponent[device, rows], self.programmed[device, rows], ages[device]
            if _tabulated(exponents, age):
                retention = np.take(_retentions(pcm, float(age[0, 0])), exponents, out=left, mode="clip")
            else:
                retention = pcm.retention(exponents / _NU_UNITS, age)
            np.multiply(programmed, retention, out=left)
            if pcm.accumulated_noise_scale:
                left *= self._accumulated(programmed, age[:, 0], wires[device])
                np.clip(left, 0, self._largest, out=left)
            np.rint(left, out=left)
        return units

    def _accumulated(self, programmed: NDArray[np.int32], ages: Array, wires: NDArray[np.integer]) -> Array:
        """What 1/f noise has made of devices (n, columns) by the ages of their rows: factors.

        One number per device and age names the Gaussian: every read at that age sees the same conductance.
        """
        found = np.unique(ages)
        if len(found) != 1:
            factors = np.empty(programmed.shape)
            for age in found:
                chosen = np.flatnonzero(ages == age)
                factors[chosen] = self._accumulated(programmed[chosen], ages[chosen], wires[chosen])
            return factors
        pcm, age = self._config.pcm, float(found[0])
        steps = programmed >> _NOISE_STEP
        if _tabulated(steps, ages):
            sigma = np.take(_accumulated_noises(pcm, age), steps, mode="clip")
        else:
            sigma = _accumulated_noise_of(pcm, steps, age)
        key = int(np.float64(age).view(np.uint64))
        factors = self._noise.gaussians(wires, key, Draw.ACCUMULATED, self.shape[2])
        factors *= sigma
        factors += 1
        return factors

    def _age_s(self, rows: Sequence[int] | NDArray | slice) -> Array:
        """Time since the devices in `rows` were programmed, (4, rows, 1)."""
        return np.maximum(self._config.age_s - self.written_s[:, rows, np.newaxis], 0.0)

    # Matrices -------------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Bring what is derived up to date with what was written."""
        if not self._touched:
            return
        self._touched = False
        everything = bool(self._stale.all())
        rows = slice(None) if everything else np.flatnonzero(self._stale)
        self._units[:, rows] = self._read_units(rows)
        self.loading.refresh(self._units[:, slice(*self._bank)])
        self._row_us = None
        self._derived.clear()
        self._stale[:] = False

    def _selected(self, wp1: bool, wp2: bool) -> list[tuple[int, int]]:
        """First device and factor of every pair that is read."""
        return [(0, self._config.significance)] * wp1 + [(2, 1)] * wp2

    def signal(self, read: Read) -> Array:
        """What one unit of a pulse adds to a column: (rows, columns) whole signal units."""
        self._refresh()
        ratio = self._signal_units / G_UNITS
        plus, minus = (gains * ratio for gains in self._columns.branch_gains(read.discharge))
        total = np.zeros(self.shape[1:])
        for device, factor in self._selected(read.wp1, read.wp2):
            net, negative = self._units[device] * plus, self._units[device + 1] * minus
            np.rint(net, out=net)
            net -= np.rint(negative, out=negative)
            total += np.multiply(net, factor, out=net)
        return np.negative(total, out=total) if read.discharge else total

    def variance(self, pairs: Pairs) -> NDArray[np.float32]:
        """Variance of the sum of one read of each of these pairs: (rows, columns) whole variance units."""
        return self._derive(("variance", pairs), lambda: self._variance(pairs))

    def _variance(self, pairs: Pairs) -> NDArray[np.float32]:
        pcm = self._config.pcm
        floor = pcm.pulse_floor_us / pcm.g_max_us * G_UNITS
        squares: dict[int, Array] = {}
        total = np.zeros(self.shape[1:])
        for device, factor in [device for pair in pairs for device in self._selected(*pair)]:
            for one in (device, device + 1):
                if one not in squares:
                    squares[one] = np.add(self._units[one], floor, dtype=np.float64)
                    squares[one] *= squares[one] * (_SQUARE_UNITS / G_UNITS**2)
            both = squares[device] + squares[device + 1]
            both *= factor**2
            total += np.rint(both, out=both)
        return total.astype(np.float32)

    def _derive(self, key: tuple, how: Callable[[], Any]) -> Any:
        self._refresh()
        if key not in self._derived:
            if len(self._derived) == _KEPT:
                del self._derived[next(iter(self._derived))]  # the oldest
            self._derived[key] = how()
        return self._derived[key]

    def _factors(self, read: Read) -> Factors:
        """Weight of each device in a read."""
        of_pair = dict(self._selected(read.wp1, read.wp2))
        first, second = of_pair.get(0, 0), of_pair.get(2, 0)
        return first, first, second, second

    def _terms(self, reads: tuple[Read, ...], rows: Rows) -> Whole:
        """What multiplies each column of `RowPulses.lengths`, the mean of these reads: (rows or more, columns)."""
        total = np.sum([self.signal(read)[slice(*rows)] for read in reads], axis=0)
        if rows == self._bank and self.loading.active:
            total = np.concatenate([total, -np.sum([self._rest(read) for read in reads], axis=0)])
        return Whole(np.rint(total / len(reads)), axis=0)

    def _rest(self, read: Read) -> Array:
        """`Loading.rest` with the sign of the polarity."""
        rest = self.loading.rest(self._factors(read), self._columns.branch_gains(read.discharge))
        return -rest if read.discharge else rest

    def alike(self, one: Read, other: Read) -> bool:
        """Whether the same pulses move nearly the same charge in both reads, as in the halves of asymmetry balance."""
        if one == other or one.pairs != other.pairs:
            return one == other
        known: dict[tuple[Read, Read], bool] = self._derive(("alike",), dict)
        if (one, other) not in known:
            known[one, other] = self._are_alike(one, other)
        return known[one, other]

    def _are_alike(self, one: Read, other: Read) -> bool:
        products = self._derive(("products of pairs",), self._products)
        first, second = (np.array(self._factors(read)[::2]) * (-1 if read.discharge else 1) for read in (one, other))
        apart, whole = first - second, first + second
        return bool(apart @ products @ apart <= _ALIKE**2 * (whole @ products @ whole))

    def _products(self) -> Array:
        """Scalar products of the weights of WP1 and of WP2 with themselves and each other, gains apart: (2, 2)."""
        weights = [(self._units[device] - self._units[device + 1]).ravel().astype(np.float64) for device in (0, 2)]
        return np.array([[left @ right for right in weights] for left in weights])

    def _drawn(self, reads: tuple[Read, ...], rows: Rows) -> Array:
        """What both branches draw in 1 ns: of blocks of rows that load one another, or of each row."""
        factors = np.mean([self._factors(read) for read in reads], axis=0)
        if rows == self._bank:
            return self.loading.drawn(factors)
        units = np.tensordot(factors, self._units[:, slice(*rows)], axes=1)
        return np.rint(units * (self._signal_units * PULSE_UNITS / G_UNITS))

    # Sums -----------------------------------------------------------------------------------------------------------

    def pulses(self, rows: Rows, times: NDArray[np.integer]) -> RowPulses:
        """Pulses of (B, rows) ns on these rows, as the sums below take them."""
        self._refresh()
        return RowPulses(rows, times, self.loading if rows == self._bank else None)

    def charge(self, pulses: RowPulses, reads: tuple[Read, ...], columns: int) -> Array:
        """Exact column sums of pulses, behind IR drop and the mirrors' compression: the mean of some reads.

        Parameters
        ----------
        pulses : RowPulses
            Of B frames, the same in all reads.
        reads : tuple of Read
            Of equally many pairs.
        columns : int
            How many columns to sum up, from the first on.

        Returns
        -------
        (B, columns) float64, units of g_max / 2**resolution_bits x ns / `PULSE_UNITS`, with the sign of the polarity.
        """
        terms = self._derive(("terms", reads, pulses.rows), lambda: self._terms(reads, pulses.rows))
        return product(pulses.lengths(reads[0].pairs), terms, columns)

    def drawn(self, pulses: RowPulses, reads: tuple[Read, ...], columns: int) -> Array:
        """What both branches draw together, without losses and with block means: (B, columns), in the same units."""
        rows = pulses.rows
        drawn = self._derive(("drawn", reads, rows), lambda: self._drawn(reads, rows))
        return pulses.total_ns @ drawn[:, :columns]

    def spread(self, shares: NDArray[np.float32], pairs: Pairs, rows: Rows, columns: int) -> Array:
        """Exact variances of column sums by the devices' read noise.

        Parameters
        ----------
        shares : (B, rows) float32, from `pulse_shares`; several phases that read the same pairs may be added up.
        pairs : tuple of (wp1, wp2)
            Reads that the pulses go through.
        rows, columns
            As above.

        Returns
        -------
        (B, columns) float64, whole units of (g_max x ns)**2 / `VARIANCE_UNITS`.
        """
        variance = self.variance(pairs)[slice(*rows), :columns]
        rounded = shares @ variance
        total = rounded.astype(np.float64)
        # Terms are never negative: a sum that stayed below 2**24 was exact all the way. The others are rare.
        if rounded.max(initial=0) >= EXACT:
            far = np.flatnonzero(rounded.max(axis=1) >= EXACT)
            total[far] = shares[far].astype(np.float64) @ variance.astype(np.float64)
        return total

    def spread_of(self, times: NDArray[np.integer], read: Read, rows: Rows, columns: NDArray[np.intp]) -> Array:
        """`spread` of single columns, each with pulses of its own: times (n, rows), columns (n,), result (n,)."""
        variance = self.variance(((read.wp1, read.wp2),))[slice(*rows), columns].astype(np.float64)
        return np.einsum("nr,rn->n", self.pulse_shares(times).astype(np.float64), variance)

    def pulse_shares(self, times: NDArray[np.integer]) -> NDArray[np.float32]:
        """Pulses' shares of a variance, in whole units, as `spread` takes them; below 7 ns none that could be seen."""
        return self._pulse_shares.take(times, mode="clip")


# Devices of one age have fewer conductances and exponents than a tile has devices, and a power or an exponential takes
# far longer than a look into a table of all of them.


def _tabulated(values: NDArray[np.integer], ages: Array) -> bool:
    """Whether so many values are looked up, for devices of these ages."""
    return values.size > _NU_UNITS and bool((ages == ages[0]).all())


@lru_cache(maxsize=4)
def _retentions(pcm: Pcm, age_s: float) -> Array:
    """Retention at an age, by drift exponent in its units."""
    return pcm.retention(np.arange(_NU_UNITS) / _NU_UNITS, age_s)


def _accumulated_noise_of(pcm: Pcm, steps: NDArray[np.integer], age_s: float) -> Array:
    return pcm.accumulated_noise(steps * (pcm.g_max_us / (G_UNITS >> _NOISE_STEP)), age_s)


@lru_cache(maxsize=4)
def _accumulated_noises(pcm: Pcm, age_s: float) -> Array:
    """Relative 1/f noise at an age of every conductance that a device is programmed to, in its steps."""
    return _accumulated_noise_of(pcm, np.arange((_reach(pcm) >> _NOISE_STEP) + 1), age_s)


def _reach(pcm: Pcm) -> int:
    """Largest conductance that a device is programmed to, in its units: not beyond g_set."""
    return int(pcm.g_set_us / pcm.g_max_us * G_UNITS)


def wires_of(device: ArrayLike, rows: ArrayLike, count: int) -> NDArray[np.integer]:
    """Numbers that name, in random draws, one device of each cell in `rows`, of an array with `count` of them."""
    return np.multiply(device, count) + np.atleast_1d(np.asarray(rows))
