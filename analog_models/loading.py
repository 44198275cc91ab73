"""What the rows of a column do to one another: IR drop along its wire, and the compression of its mirrors.

Row r is k cells away from the circuits, on a wire of R ohm a cell; a mirror passes on I (1 - kappa I). All pulses begin
together, so that two rows conduct together for the shorter one's time, and a branch loses, to first order,

    sum over r, r'  of  K(r, r') G_r G_r' min(t_r, t_r'),    K(r, r') = R min(k_r, k_r') + kappa V_read

of its sum of G t: a quadratic form in the pulses. It is evaluated over blocks of rows and bins of time: for two blocks
K is its mean, and within a bin a block's rows conduct with equal shares of their time.

The form is split around a load s, the same for all columns of the tile (G = s + d):

- twice the loss that s causes is taken off the pulses themselves, in each block as a parabola of their length (shorter
  pulses end while more rows conduct); this costs no product of its own, and follows the conductances row by row;
- the rest, with block means of the column's own conductances and its own mirrors, is a sum over pairs of blocks, and
  rides on the same product: each pair is one more row, whose pulse is the mean time for which both conduct.

Products of d within a block are left out. The tests compare with an exact ladder.

Source
------
A resistive line to first order: the voltage at row r falls by R times the sum over r' of min(k_r, k_r') I_r'. aihwkit's
`analog_mvm_irdrop_t.py` solves the same line in steps of time. Blocks, bins and the split are our own.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analog_models.periphery import Columns, Periphery

__all__ = ["Factors", "Loading"]

Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
#: Weight of each device of a cell in a read, 0 where it is not read.
Factors = tuple[int, int, int, int]

#: Blocks of rows, and bins of a frame's longest pulse.
_BLOCKS, _BINS = 8, 8
_EVERY_BIN = np.arange(1, _BINS + 1, dtype=np.float32)[:, np.newaxis]
#: Twice the middle of each bin in widths: of it is the square of a pulse made.
_MIDDLES = 2.0 * np.arange(_BINS) + 1.0
#: Frames whose bins are worked on at once: they stay in the cache.
_FRAMES = 16
#: Mean times, and what they are multiplied with, are whole multiples of these: sums of products are exact.
_TIME_NS, _SHARE = 2.0**-10, 2.0**-30
#: Units of a mean time in ns where it is one more pulse.
_REST_UNITS = 4
#: A block's mean conductance is a multiple of so much of the signal's unit.
_MEAN = 2.0**-4


class Loading:
    """The rows that the mesh drives, as they load the wires and mirrors of one tile.

    Parameters
    ----------
    periphery : Periphery
    columns : Columns
        How each column's mirrors compress.
    rows, cells : int
        Rows that are driven together, and cells along a column: those of the bias are next to the circuits.
    unit_us, signal_us_ns : float
        Unit of a conductance as read, and of a column's signal.

    Members
    -------
    active : bool
        Whether rows load one another at all.
    blocks : int
    """

    def __init__(
        self, periphery: Periphery, columns: Columns, rows: int, cells: int, *, unit_us: float, signal_us_ns: float
    ) -> None:
        self._unit_us, self._signal_us_ns = unit_us, signal_us_ns
        self.active = bool(rows and (periphery.wire_ohm or periphery.compression_per_ua))
        self.blocks = min(_BLOCKS, rows)
        block_of = np.arange(rows) * self.blocks // max(rows, 1)
        #: (rows, blocks): 1 where a row belongs to a block.
        self._members = (block_of[:, np.newaxis] == np.arange(self.blocks)).astype(np.float32)
        self._sizes = self._members.sum(axis=0, dtype=np.float64)
        self._first, self._second = np.triu_indices(self.blocks)
        distance = cells - np.arange(rows)
        nearer = self._members.T @ np.minimum.outer(distance, distance).astype(np.float64) @ self._members
        nearer /= np.multiply.outer(self._sizes, self._sizes)
        #: Rows of a block times rows of another.
        self._couples = (self._sizes[self._first] * self._sizes[self._second])[:, np.newaxis]
        self._pairs = self._first * self.blocks + self._second
        self._per_couple = 1.0 / (self._couples[:, 0] * _TIME_NS)
        #: Of each two blocks, the wire's part of K, 1/uS.
        self._wire = periphery.wire_ohm * 1e-6 * nearer[self._first, self._second][:, np.newaxis]
        #: The mirrors' part of K, 1/uS: nominal, and of each column's G+ and G- branch (2, columns).
        self._mirror = periphery.compression_per_ua * periphery.read_voltage_v
        self._mirrors = self._mirror * columns.compression
        #: How far a fraction of a pulse's unit is rounded up, row by row: over rows it averages out.
        self._dither = (np.arange(rows) * 0.6180339887498949 % 1).astype(np.float32)
        self._load = np.zeros(self.blocks)  # s of each block, uS
        self._means = np.zeros((4, self.blocks, 0))
        self._shares = np.zeros((len(self._first), self.blocks))
        self._kernel = np.zeros((self.blocks, self.blocks))

    # Conductances ---------------------------------------------------------------------------------------------------

    def refresh(self, units: NDArray[np.integer]) -> None:
        """The conductances as read, (4, rows, columns) whole units, have changed."""
        starts = np.flatnonzero(np.diff(self._members.argmax(axis=1), prepend=-1))
        sums = np.add.reduceat(units, starts, axis=1, dtype=np.int64)
        self._means = sums * (self._unit_us / self._sizes[:, np.newaxis])
        # What the current sees, on the average: devices without conductance, as in columns without use, do not count.
        squares, whole = (sums * sums).sum(axis=(0, 2)), sums.sum(axis=(0, 2))  # integers
        self._load = squares / np.maximum(whole, 1) * (self._unit_us / self._sizes)
        kernel, every = ((self._wire + self._mirror) * self._couples)[:, 0], np.arange(len(self._first))
        self._shares = np.zeros((len(every), self.blocks))
        self._shares[every, self._first] = kernel * self._load[self._second]
        self._shares[every, self._second] = kernel * self._load[self._first]
        self._shares = np.rint(self._shares / _SHARE) * _SHARE
        # What a row of each block (second axis) sees of the loss, for 1 ns of a row of another.
        self._kernel[self._first, self._second] = self._kernel[self._second, self._first] = kernel / self._couples[:, 0]
        self._kernel = np.rint(self._kernel * self._load[:, np.newaxis] / _SHARE) * _SHARE

    def rest(self, factors: Factors, gains: tuple[Array, Array]) -> Array:
        """What is left of the loss for one unit of each mean time: (pairs of blocks, columns), signal, not rounded.

        `gains` are those of the G+ and of the G- branch, (columns,) each; the difference is what the column loses.
        """
        first, second = self._first, self._second
        load = sum(factor > 0 for factor in factors) / 2 * self._load[:, np.newaxis]
        lost = []
        for branch, (gain, own) in enumerate(zip(gains, self._mirrors, strict=True)):
            g = factors[branch] * self._means[branch] + factors[branch + 2] * self._means[branch + 2]
            common = g[first] * load[second] + load[first] * g[second]
            lost.append(gain * ((self._wire + own) * g[first] * g[second] - (self._wire + self._mirror) * common))
        # Two different blocks appear twice in the form, in one row.
        times = np.where(first == second, 1.0, 2.0)[:, np.newaxis] * self._couples
        return (lost[0] - lost[1]) * times / (self._signal_us_ns * _REST_UNITS)

    def drawn(self, factors: Sequence[float]) -> Array:
        """What a row of each block adds to both branches together in 1 ns, on the average: (blocks, columns) signal."""
        mean_us = np.tensordot(factors, self._means, axes=1)
        return np.rint(mean_us / (self._signal_us_ns * _MEAN)) * _MEAN

    # Pulses ---------------------------------------------------------------------------------------------------------

    def total_ns(self, lengths: Float32) -> Array:
        """High time of all rows of each block, of pulses of (B, rows) whole ns: (B, blocks)."""
        return (lengths @ self._members).astype(np.float64)

    def until_ns(self, lengths: Float32) -> tuple[Array, Array]:
        """High time of all rows of each block up to the end of each bin, (B, blocks, bins), and bins' widths, (B,)."""
        width = np.ceil(np.maximum.reduce(lengths, axis=1, initial=1) / _BINS)
        ends = width * _EVERY_BIN
        # Sums of whole numbers below 2**24 are exact.
        until = np.empty((_BINS, len(lengths), self.blocks), np.float32)
        for start in range(0, len(lengths), _FRAMES):
            part = slice(start, start + _FRAMES)
            np.matmul(np.minimum(lengths[part], ends[:, part, np.newaxis]), self._members, out=until[:, part])
        return until.transpose(1, 2, 0).astype(np.float64), width.astype(np.float64)

    def worth(self, lengths: Float32, pairs: int, units: int) -> Float32:
        """Pulses less what they lose to the load of so many pairs, and the times of the rest's rows.

        Parameters
        ----------
        lengths : (B, rows), whole ns
        pairs : int
        units : int
            Of a pulse in ns.

        Returns
        -------
        (B, rows + pairs of blocks), in whole units and in whole 1/4 ns.
        """
        until, width = self.until_ns(lengths)
        width = width[:, np.newaxis]
        within = until.copy()
        within[:, :, 1:] -= until[:, :, :-1]
        together = (within @ within.transpose(0, 2, 1)).reshape(len(lengths), -1)[:, self._pairs]
        together *= self._per_couple
        together /= width
        together = np.rint(together, out=together) * _TIME_NS
        # A row of length t loses a t + b t^2: b from half of the longest pulse and all of it, a from the block's sum.
        bend = (until[:, :, -1] - 2 * until[:, :, _BINS // 2 - 1]) @ self._kernel
        bend *= 2 / (_BINS * width) ** 2
        squares = within @ _MIDDLES
        squares *= width
        slope = together @ self._shares
        slope -= bend * squares
        slope /= np.maximum(until[:, :, -1], 1.0)
        lost = -2.0 * units * pairs
        worth = np.empty((len(lengths), lengths.shape[1] + len(self._first)), np.float32)
        pulses, rest = worth[:, : lengths.shape[1]], worth[:, lengths.shape[1] :]
        np.matmul((lost * bend).astype(np.float32), self._members.T, out=pulses)  # each row's own: nothing is added up
        pulses *= lengths
        pulses += (lost * slope + units).astype(np.float32) @ self._members.T
        pulses *= lengths
        pulses += self._dither
        np.floor(pulses, out=pulses)
        np.rint(together * _REST_UNITS, out=rest, casting="same_kind")
        return worth
