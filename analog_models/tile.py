"""One analog tile: an array, its column circuits, and the state of its capacitors."""

from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.config import AnalogConfig
from analog_models.crossbar import DEVICES, MAX_ROW_TIME, CellArray
from analog_models.events import TileControls
from analog_models.noise import Draw, KeyedNoise
from analog_models.periphery import PATH_UNITS, Columns
from analog_models.transport import Receiver

__all__ = ["Tile", "settle"]

Array = NDArray[np.float64]
Frames = NDArray[np.int64]

#: Capacitors of a column's bank.
_BANK = 8
#: LSB of the return line in the WRITE bank, docs/fabric.md.
_RETURN_LINE_LSB_V = 0.012


class Tile:
    """Physics of one tile for a batch of B frames.

    The state of a frame's capacitors is one voltage per column for the connected capacitors and one for those that have
    been disconnected since the precharge; connecting and disconnecting conserves charge.

    Parameters
    ----------
    config : AnalogConfig
    noise : KeyedNoise
        The tile's own random numbers.
    index : int
        Only for messages.
    rows : int
        Word lines, bias rows included.
    columns : int
    bias_rows : int
        How many of the rows, the last ones, hear no wire of the mesh and have no transport error.

    Members
    -------
    columns : Columns
        The fixed draws of this tile's periphery.
    v_mv : (B, columns) float64
        Capacitor voltage relative to the precharge level (0.75 V), after the last event.
    capacitors : int
        Connected capacitors, as latched by the last integration.
    runs : int
        Programming runs so far; they number the random numbers of the next.

    Source
    ------
    Integration on a per-column capacitor and readout by a shared ramp: Nature 620, 768 (2023), Methods.
    """

    def __init__(
        self, config: AnalogConfig, noise: KeyedNoise, index: int, rows: int, columns: int, bias_rows: int = 0
    ) -> None:
        self.config = config
        self.index = index
        self.noise = noise
        self.shape = (rows, columns)
        self.columns = Columns.drawn(config.periphery, noise, columns)
        wires = rows - bias_rows
        self._row_receiver = Receiver(config.transport, noise, Draw.ROW_SKEW, Draw.ROWS, wires)
        self._column_receiver = Receiver(config.transport, noise, Draw.COLUMN_SKEW, Draw.COLUMNS, columns)
        self._cells: CellArray | None = None
        self.controls: TileControls | None = None
        self.capacitors = 0
        self.runs = 0
        self._v_mv: Array | None = None

    # Cells ----------------------------------------------------------------------------------------------------------

    @property
    def programmed(self) -> bool:
        """Whether the tile has conductances at all; without, its sums are zero."""
        return self._cells is not None

    @property
    def cells(self) -> CellArray:
        """The array; it is allocated at the first use."""
        if self._cells is None:
            self._cells = CellArray(self.config, self.columns, self.shape[0])
        return self._cells

    def set_time_ns(self, device: int, rows: ArrayLike) -> Array:
        """SET time constant of one device of each cell in `rows`: (rows, columns), drawn from the seed."""
        wires = device * self.shape[0] + np.atleast_1d(np.asarray(rows))
        return self.config.pcm.set_time(self.noise.gaussians(wires, 0, Draw.SET_TIME, self.shape[1]))

    def set_conductances(self, g_us: ArrayLike, nu: ArrayLike = 0.0) -> None:
        """Put conductances in place without programming them.

        Parameters
        ----------
        g_us : (4, rows, columns) float64, uS
            G+, G-, g+, g-, within 0 to `Pcm.g_set_us`.
        nu : the same shape or a number
            Drift exponents.

        Raises
        ------
        ValueError
            On a wrong shape, NaN, or a conductance out of range.
        """
        g = np.asarray(g_us, np.float64)
        if g.shape != (len(DEVICES), *self.shape):
            raise ValueError(
                f"tile {self.index}: conductances have shape {g.shape}, expected (devices, rows, columns) = "
                f"{(len(DEVICES), *self.shape)}, bias rows included"
            )
        exponents = np.broadcast_to(np.asarray(nu, np.float64), g.shape)
        self.cells.write(np.arange(self.shape[0]), slice(None), g, exponents)

    def set_config(self, config: AnalogConfig) -> None:
        """Change the age of the tile's devices."""
        self.config = config
        if self._cells is not None:
            self._cells.set_config(config)

    def weights(self) -> Array:
        """Effective weights (2, rows, columns) of WP1 and WP2 as the columns read them now, noise apart.

        In units of g_max, with the gains of mirror and read paths, drift and IR drop.
        """
        if not self.programmed:
            return np.zeros((2, *self.shape))
        return self.weights_of(self.cells.read_us())

    def weights_of(self, g_us: Array, columns: NDArray[np.intp] | slice = slice(None)) -> Array:
        """Weights that columns of this tile read from the devices of one or two pairs.

        ``g_us`` is (2 or 4, ..., columns), or holds the cells of the listed `columns`; the result has half as many
        entries in the first dimension.
        """
        path = self.columns.path[columns] / PATH_UNITS
        net = (g_us[0::2] * (1 + path) - g_us[1::2] * (1 - path)) / self.config.pcm.g_max_us
        return net * self.columns.gain[columns] * (1 + np.sign(net) * self.columns.polarity[columns])

    def next_draws(self) -> Callable[[int, int], Array]:
        """Random numbers of one programming run: ``draws(kind, count)`` gives new ones at every call.

        Runs are numbered: the second programming of a tile differs from the first, and both repeat with the seed.
        """
        run, calls = self.runs, count(0)
        self.runs += 1
        return lambda kind, size: self.noise.gaussians([next(calls)], run, kind, size)[0]

    # Capacitors -----------------------------------------------------------------------------------------------------

    @property
    def v_mv(self) -> Array:
        if self._v_mv is None:
            raise ValueError(
                f"tile {self.index} integrates or reads out before its first precharge; "
                "let its program raise and lower ARRAY.precharge first"
            )
        return self._v_mv

    def precharge(self, frames: Frames, cycle: int) -> None:
        """All eight capacitors are at the precharge level and float from `cycle` on; fixes the batch size."""
        self._frames = frames
        self._cycle = self._precharge_cycle = cycle
        self._fresh = True  # the kT/C noise depends on the capacitors, known with the first integration
        self._v_mv = np.zeros((len(frames), self.shape[1]))
        self._idle_mv: Array | float = 0.0
        self._moved_fc: Array | float = 0.0

    def _advance(self, frames: Frames, cycle: int) -> None:
        """Let the capacitors droop until `cycle`."""
        v_mv = self.v_mv
        if len(frames) != len(v_mv):
            raise ValueError(f"tile {self.index}, cycle {cycle}: {len(frames)} frames, but {len(v_mv)} were precharged")
        if cycle < self._cycle:
            raise ValueError(
                f"tile {self.index}: an event in cycle {cycle} follows one in cycle {self._cycle}; "
                "cycles count from the start of the frame and must not fall between two precharges"
            )
        periphery, elapsed = self.config.periphery, cycle - self._cycle
        self._v_mv = np.asarray(periphery.drooped_mv(v_mv, elapsed))
        self._idle_mv = periphery.drooped_mv(self._idle_mv, elapsed)
        self._cycle = cycle

    def _connect(self, capacitors: int) -> None:
        """Connect this many capacitors; charge is conserved."""
        periphery = self.config.periphery
        if self._fresh:
            self._fresh = False
            sigma = periphery.reset_noise_mv(capacitors * periphery.capacitor_ff)
            if sigma:
                z = self.noise.gaussians(self._frames, self._precharge_cycle, Draw.PRECHARGE, self.shape[1])
                self._v_mv = self.v_mv + sigma * z
        elif capacitors > self.capacitors:
            added = capacitors - self.capacitors
            self._v_mv = (self.capacitors * self.v_mv + added * self._idle_mv) / capacitors
        elif capacitors < self.capacitors:
            removed, idle = self.capacitors - capacitors, _BANK - self.capacitors
            self._idle_mv = (idle * self._idle_mv + removed * self.v_mv) / (idle + removed)
        self.capacitors = capacitors

    def wait(self, frames: Frames, cycle: int) -> None:
        """Bring the capacitors up to `cycle` with the connections they have."""
        self._advance(frames, cycle)
        self._connect(self.capacitors)

    def move_charge(self, frames: Frames, cycle: int, controls: TileControls, row_time: NDArray[np.integer]) -> None:
        """First half of an integration: charge leaves the mirror. `settle` turns it into voltage.

        `row_time` is what arrived at the tile's edge; the rows' transport errors are added here.

        Raises
        ------
        ValueError
            On a wrong shape or type of `row_time`, or a time above 511 ns.
        """
        expected = (len(frames), self.shape[0])
        times = np.asarray(row_time)
        if times.shape != expected or not np.issubdtype(times.dtype, np.integer):
            raise ValueError(
                f"tile {self.index}, cycle {cycle}: row_time is {times.dtype} of shape {times.shape}, "
                f"expected integers of shape {expected} (frames, rows with bias rows)"
            )
        if times.size and not 0 <= times.min() <= times.max() <= MAX_ROW_TIME:
            raise ValueError(
                f"tile {self.index}, cycle {cycle}: row_time spans {times.min()} to {times.max()} ns, "
                f"expected 0 to {MAX_ROW_TIME}"
            )
        self._advance(frames, cycle)
        self._connect(controls.capacitors)
        self.controls = controls
        if not (controls.wp1 or controls.wp2):
            return  # no device is connected: no current, and no switch that injects charge
        periphery = self.config.periphery
        charge = sigma = None
        if self.programmed:
            times = self._row_receiver.received(frames, cycle, times, MAX_ROW_TIME)
            charge, sigma = self.cells.sums(times, controls.wp1, controls.wp2)
        else:
            charge = np.zeros((len(frames), self.shape[1]))
        if sigma is not None:
            charge += sigma * self.noise.gaussians(frames, cycle, Draw.READ, self.shape[1])
        charge *= -periphery.charge_fc_per_us_ns if controls.discharge else periphery.charge_fc_per_us_ns
        self._moved_fc = self._moved_fc + self.columns.charge_fc(charge)

    def integrate(self, frames: Frames, cycle: int, controls: TileControls, row_time: NDArray[np.integer]) -> None:
        """One integration on the tile's own capacitors.

        Parameters
        ----------
        frames : (B,) int64
            Frame numbers, which key the noise.
        cycle : int
            Cycle of the event within the frame.
        controls : TileControls
        row_time : (B, rows) integers, ns
            High time of every row, bias rows last.
        """
        self.move_charge(frames, cycle, controls, row_time)
        settle([self])

    def ramp(self, frames: Frames, cycle: int, controls: TileControls) -> NDArray[np.uint16]:
        """Read the capacitors without disturbing them: (B, columns) whole cycles that each comparator stays high."""
        self._advance(frames, cycle)
        periphery = self.config.periphery
        v_mv = self.v_mv + self.columns.comparator_mv
        if periphery.comparator_noise_v:
            z = self.noise.gaussians(frames, cycle, Draw.COMPARATOR, self.shape[1])
            v_mv += periphery.comparator_noise_v * 1e3 * z
        return periphery.crossing_cycles(v_mv, controls.ramp_start, controls.ramp_slope)

    # Programming by events ------------------------------------------------------------------------------------------

    def write(
        self,
        frames: Frames,
        cycle: int,
        row: int,
        device: int,
        *,
        reset: bool,
        return_line: int,
        column_time: NDArray[np.integer],
    ) -> None:
        """One programming pulse on one device of a row, in every column with a pulse.

        A pulse below `Pcm.crystallise_v` does nothing, one of `Pcm.melt_v` or more melts whatever `reset` says (a RESET
        needs it), and between them it is a partial SET of the column's width. A written device starts to drift anew.

        Raises
        ------
        ValueError
            If the batch is not one frame (a write changes the array), or row, device or shape are wrong.
        """
        rows, columns = self.shape
        if len(frames) != 1:
            raise ValueError(f"tile {self.index}, cycle {cycle}: a write serves one frame, got {len(frames)}")
        if not (0 <= row < rows and 0 <= device < len(DEVICES)):
            raise ValueError(
                f"tile {self.index}, cycle {cycle}: no device {device} in row {row}; "
                f"rows are 0 to {rows - 1}, devices 0 to {len(DEVICES) - 1}"
            )
        times = np.asarray(column_time)
        if times.shape != (1, columns):
            raise ValueError(
                f"tile {self.index}, cycle {cycle}: column_time has shape {times.shape}, expected {(1, columns)}"
            )
        times = self._column_receiver.received(frames, cycle, times, MAX_ROW_TIME)
        pcm = self.config.pcm
        volts = return_line * _RETURN_LINE_LSB_V
        melts = volts >= pcm.melt_v
        if volts < pcm.crystallise_v or (reset and not melts):
            return
        hit = np.flatnonzero(times[0])
        z = self.noise.gaussians(frames, cycle, Draw.WRITE, columns)[0, hit]
        cells = self.cells
        g_us = cells.programmed_us(row, device)
        if melts:
            after = pcm.after_reset(z)
        else:
            width = times[0, hit].astype(np.float64)
            after = pcm.after_set(g_us[hit], width, self.set_time_ns(device, row)[0, hit], z)
        nu = cells.drift_exponents(row, device)
        g_us[hit] = after
        nu[hit] = pcm.drift_exponent(after, self.noise.gaussians(frames, cycle, Draw.WRITE_DRIFT, columns)[0, hit])
        cells.write(row, device, g_us, nu)


def settle(tiles: Sequence[Tile]) -> None:
    """Second half of an integration: the charge of one tile, or of two that share their capacitors, becomes voltage.

    ``V = (sum of charges) / (sum of capacitances)``, clipped at the rails: saturation is judged here, at the end of the
    phase. A bank without any capacitor goes to the rail that its charge points to.
    """
    periphery = tiles[0].config.periphery
    connected = sum(tile.capacitors for tile in tiles)
    moved: Array | float = 0.0
    held: Array | float = 0.0
    for tile in tiles:
        moved = moved + tile._moved_fc
        held = held + tile.capacitors * tile.v_mv
        tile._moved_fc = 0.0
    low, high = periphery.rails_mv
    if connected:
        # fC / fF is V.
        v_mv = np.clip((held + moved * 1e3 / periphery.capacitor_ff) / connected, low, high)
    else:
        v_mv = np.where(moved == 0, tiles[0].v_mv, np.where(np.asarray(moved) > 0, high, low))
    for tile in tiles:
        tile._v_mv = v_mv
