"""One analog tile: an array, its column circuits, and the state of its capacitors."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from threading import get_ident

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analog_models.capacitors import Frames, Level, Node, blocks
from analog_models.circuits import Circuits
from analog_models.config import AnalogConfig
from analog_models.consumption import Consumption
from analog_models.crossbar import DEVICES, CellArray, Read, wires_of
from analog_models.events import TileControls
from analog_models.noise import Draw, KeyedNoise
from analog_models.periphery import BANK
from analog_models.pulses import MAX_ROW_TIME, Pulses
from analog_models.reception import Receiver
from analog_models.values import real_numbers

__all__ = ["Arrived", "Tile", "connect"]

Array = NDArray[np.float64]

#: How the rows are read, and what arrives there.
Moving = tuple[Read, Pulses]

#: Pulses by the identity of the array that they came in, of one cycle.
Arrived = dict[int, Pulses]

#: Vectors of pulses that a tile keeps as it has latched them.
_LATCHED = 4
#: LSB of the return line in the WRITE bank, docs/fabric.md.
_RETURN_LINE_LSB_V = 0.012


class Tile:
    """Physics of one tile for a batch of B frames.

    The connected capacitors are a `Node`, which two tiles may share; those that have been disconnected since the
    precharge have a voltage of their own. Connecting and disconnecting conserves charge.

    Parameters
    ----------
    config : AnalogConfig
    noise : KeyedNoise
        The tile's own random numbers.
    index : int
        Only for messages.
    rows, bias_rows : int
        Word lines driven by the mesh, and those of the bias, which hear no wire and have no transport error.
    columns : int

    Members
    -------
    circuits : Circuits
        What the capacitors' node knows of this tile.
    columns : Columns
        The fixed draws of this tile's periphery.
    v_mv : (B, columns) float64
        Capacitor voltage relative to the precharge level (0.75 V), after the last event.
    controls : TileControls or None
        As latched by the last integration.
    moving : (Read, Pulses) or None
        What has been latched and not connected yet: how the rows are read, and what arrives there.
    runs : int
        Programming runs so far; they number the random numbers of the next.
    consumption : Consumption or None
        Where what the tile does is counted, while somebody asks for that.

    Source
    ------
    Integration on a per-column capacitor and readout by a shared ramp: Nature 620, 768 (2023), Methods.
    """

    def __init__(
        self, config: AnalogConfig, noise: KeyedNoise, *, index: int, rows: int, bias_rows: int, columns: int
    ) -> None:
        self.config = config
        self.index = index
        self.noise = noise
        self.shape = (rows + bias_rows, columns)
        self._wires = rows, bias_rows
        self._banks = [(start, stop) for start, stop in ((0, rows), (rows, rows + bias_rows)) if stop > start]
        self.circuits = Circuits.drawn(config, noise, columns)
        self.columns = self.circuits.columns
        self._row_receiver = Receiver(config.transport, noise, Draw.ROW_SKEW, Draw.ROWS, rows)
        self._column_receiver = Receiver(config.transport, noise, Draw.COLUMN_SKEW, Draw.COLUMNS, columns)
        self.controls: TileControls | None = None
        self.moving: Moving | None = None
        self.runs = 0
        self.consumption: Consumption | None = None
        self._node: Node | None = None
        self._thread = get_ident()  # that has precharged the node
        #: Pulses of the last integrations since the precharge: asymmetry balance sends the same ones twice.
        self._latched: deque[tuple[NDArray[np.integer], Pulses]] = deque(maxlen=_LATCHED)

    # Cells ----------------------------------------------------------------------------------------------------------

    @property
    def programmed(self) -> bool:
        """Whether the tile has conductances at all; without, `array` is None and its sums are zero."""
        return self.circuits.array is not None

    @property
    def array(self) -> CellArray | None:
        """The array as it is, to look at; None until it is allocated."""
        return self.circuits.array

    @property
    def cells(self) -> CellArray:
        """The array, to look at; it is allocated at the first use."""
        if self.circuits.array is None:
            self.circuits.array = CellArray(self.config, self.columns, *self._wires, self.noise)
        return self.circuits.array

    @property
    def writable(self) -> CellArray:
        """The array, to be changed: what has been integrated saw it as it was."""
        if self._node is not None:
            self._node.settle()
        return self.cells

    def set_time_ns(self, device: int, rows: ArrayLike) -> Array:
        """SET time constant of one device of each cell in `rows`: (rows, columns), drawn from the seed."""
        draws = self.noise.gaussians(wires_of(device, rows, self.shape[0]), 0, Draw.SET_TIME, self.shape[1])
        return self.config.pcm.set_time(draws)

    def stuck(self, device: int, rows: ArrayLike) -> NDArray[np.integer]:
        """Which of one device of each cell in `rows` no pulse changes, see `Pcm.stuck`: (rows, columns)."""
        pcm = self.config.pcm
        if not (pcm.stuck_reset or pcm.stuck_set):
            return np.zeros((np.size(rows), self.shape[1]), np.int64)
        return pcm.stuck(self.noise.uniforms(wires_of(device, rows, self.shape[0]), 0, Draw.STUCK, self.shape[1]))

    def reach_us(self, device: int, rows: ArrayLike) -> Array:
        """Where SET pulses of one device of each cell in `rows` end: (rows, columns)."""
        pcm = self.config.pcm
        if not pcm.reach_spread:
            return np.full((np.size(rows), self.shape[1]), pcm.g_set_us)
        return pcm.reach_us(self.noise.gaussians(wires_of(device, rows, self.shape[0]), 0, Draw.REACH, self.shape[1]))

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
        g = real_numbers(g_us, f"tile {self.index}: conductances")
        if g.shape != (len(DEVICES), *self.shape):
            raise ValueError(
                f"tile {self.index}: conductances have shape {g.shape}, expected (devices, rows, columns) = "
                f"{(len(DEVICES), *self.shape)}, bias rows included"
            )
        exponents = np.broadcast_to(real_numbers(nu, f"tile {self.index}: drift exponents"), g.shape)
        if not np.isfinite(exponents).all():
            raise ValueError(f"tile {self.index}: drift exponents must be finite")
        self.writable.write(np.arange(self.shape[0]), slice(None), g, exponents)

    def set_config(self, config: AnalogConfig) -> None:
        """Change the age of the tile's devices."""
        self.config = config
        if self.array is not None:
            self.writable.set_config(config)

    def weights(self) -> Array:
        """Effective weights (2, rows, columns) of WP1 and WP2 as the columns read them now, the pulses' noise apart.

        In units of g_max, with the gains of mirror and read paths, drift and accumulated 1/f noise, as the mean of a
        charging and a discharging phase; without what other rows' currents take off, see `loading`.
        """
        if not self.programmed:
            return np.zeros((2, *self.shape))
        return self.weights_of(self.cells.read_us())

    def weights_of(
        self, g_us: Array, columns: NDArray[np.intp] | slice = slice(None), *, capacitance: Array | float = 1.0
    ) -> Array:
        """Weights that columns of this tile read from the devices of one or two pairs.

        ``g_us`` is (2 or 4, ..., columns), or holds the cells of the listed `columns`; the result has half as many
        entries in the first dimension. `capacitance` is that of the capacitors that are read through, over the nominal
        one, of all columns.
        """
        charging, discharging = (self.columns.branch_gains(discharge) for discharge in (False, True))
        plus, minus = ((a + b)[columns] / 2 for a, b in zip(charging, discharging, strict=True))
        gain = self.columns.gain / capacitance
        return (g_us[0::2] * plus - g_us[1::2] * minus) * (gain[columns] / self.config.pcm.g_max_us)

    def next_draws(self) -> Callable[[int, int], Array]:
        """Random numbers of one programming run: ``draws(kind, count)`` gives new ones at every call.

        Runs are numbered: the second programming of a tile differs from the first, and both repeat with the seed.
        """
        run, calls = self.runs, count(0)
        self.runs += 1
        return lambda kind, size: self.noise.gaussians([next(calls)], run, kind, size)[0]

    # Capacitors -----------------------------------------------------------------------------------------------------

    @property
    def node(self) -> Node:
        """The capacitors that this tile's are connected with, its own included."""
        if self._node is None:
            raise ValueError(
                f"tile {self.index} integrates or reads out before its first precharge; "
                "let its program raise and lower ARRAY.precharge first"
            )
        return self._node

    @property
    def v_mv(self) -> Array:
        return self.voltage_mv(self.node.now)

    def voltage_mv(self, cycle: int) -> Array:
        """Capacitor voltage in `cycle` relative to the precharge level, (B, columns). Looking disturbs nothing."""
        return self.node.voltage_mv(cycle)

    def precharge(self, frames: Frames, cycle: int, columns: int | None = None) -> None:
        """All eight capacitors are at the precharge level and float from `cycle` on; fixes the batch size.

        Until the next one only the first `columns` are computed, by default all.
        """
        if self._node is not None and len(self._node.circuits) > 1:
            self._node.settle()  # the partner may still need it
        # kT/C noise depends on the capacitors, known with the first integration.
        self._node = Node((self.circuits,), frames, cycle, columns=columns)
        self._thread = get_ident()
        self._idle_mv: Level = 0.0
        self._idle_since = cycle
        self._latched.clear()
        if self.consumption is not None:
            self.consumption.precharges += len(frames)

    def _own(self) -> None:
        """Make sure that nobody else has started a frame on these capacitors meanwhile."""
        if self._thread != get_ident() and self._node is not None:
            raise RuntimeError(
                f"tile {self.index}: another thread has precharged the capacitors; threads that share a chip take "
                "turns: serve all events of a frame within `with chip.at_work():`"
            )

    def _checked(self, frames: Frames, cycle: int) -> Node:
        self._own()
        node = self.node
        if len(frames) != len(node.frames):
            raise ValueError(
                f"tile {self.index}, cycle {cycle}: {len(frames)} frames, but {len(node.frames)} were precharged"
            )
        if cycle < node.now:
            raise ValueError(
                f"tile {self.index}: an event in cycle {cycle} follows one in cycle {node.now}; "
                "cycles count from the start of the frame and must not fall between two precharges"
            )
        return node

    def latch(
        self,
        frames: Frames,
        cycle: int,
        controls: TileControls,
        row_time: NDArray[np.integer],
        arrived: Arrived | None = None,
    ) -> None:
        """First half of an integration: its controls and pulses. `connect` follows.

        `row_time` is what arrived at the tile's edge; the rows' transport errors are added here. Tiles that latch the
        same array in the same cycle may pass one dict `arrived` on, to look at it once.

        Raises
        ------
        ValueError
            On a wrong shape or type of `row_time`, or a time above 511 ns.
        """
        self._own()
        pulses = self._arrived(frames, cycle, np.asarray(row_time), {} if arrived is None else arrived)
        self.controls = controls
        self.moving = None  # without a device there is no current, and no switch that injects charge
        if controls.wp1 or controls.wp2:
            read = Read(controls.wp1, controls.wp2, controls.discharge)
            self.moving = read, pulses
            if self.consumption is not None:
                volts = self.config.periphery.read_voltage_v
                self.consumption.integrated(self.array, volts, read, pulses, len(frames))

    def _arrived(self, frames: Frames, cycle: int, row_time: NDArray[np.integer], arrived: Arrived) -> Pulses:
        """The pulses on the mesh rows and on the bias rows, where there are any."""
        for known, pulses in self._latched:
            if known is row_time:
                return pulses
        exact = not self.config.transport.active
        if exact and id(row_time) in arrived:
            pulses = arrived[id(row_time)]
            self._latched.append((row_time, pulses))
            return pulses
        expected = (len(frames), self.shape[0])
        if row_time.shape != expected or row_time.dtype.kind not in "ui":
            raise ValueError(
                f"tile {self.index}, cycle {cycle}: row_time is {row_time.dtype} of shape {row_time.shape}, "
                f"expected integers of shape {expected} (frames, rows with bias rows)"
            )
        longest = [row_time[:, start:stop].max(initial=0) for start, stop in self._banks]
        if max(longest) > MAX_ROW_TIME or (row_time.dtype.kind == "i" and row_time.min() < 0):
            raise ValueError(
                f"tile {self.index}, cycle {cycle}: row_time spans {row_time.min()} to {row_time.max()} ns, "
                f"expected 0 to {MAX_ROW_TIME}"
            )
        times = row_time
        if self.programmed:
            times = self._row_receiver.received(frames, cycle, row_time, MAX_ROW_TIME)
        # Rows without any pulse, as the bias rows of most phases, move nothing.
        banks = zip(self._banks, longest, strict=True)
        pulses = [((start, stop), times[:, start:stop]) for (start, stop), most in banks if most]
        if exact:  # with errors, the same pulses arrive differently the next time, and at the next tile
            self._latched.append((row_time, pulses))
            arrived[id(row_time)] = pulses
        return pulses

    def _reconnect(self, level: Array, before: int, cycle: int) -> Array:
        """Level after the number of connected capacitors has changed from `before`; charge is conserved."""
        after, columns = self.capacitors, level.shape[1]
        if after == before:
            return level
        droop_mv = self.columns.leak[:columns] * self.config.periphery.droop_mv(cycle - self._idle_since)
        idle = self.config.periphery.drooped_mv(_first(self._idle_mv, columns), droop_mv)
        moved = self.circuits.bank_ff(min(before, after), max(before, after))[:columns]
        if after > before:
            stays = self.circuits.bank_ff(0, before)[:columns]
            level = (stays * level + moved * idle) / (stays + moved)
        else:
            stays = self.circuits.bank_ff(before, BANK)[:columns]
            idle = (stays * idle + moved * level) / (stays + moved)
        self._idle_mv, self._idle_since = idle, cycle
        return level

    @property
    def capacitors(self) -> int:
        """Connected capacitors, as latched by the last integration."""
        return self.controls.capacitors if self.controls else 0

    def integrate(self, frames: Frames, cycle: int, controls: TileControls, row_time: NDArray[np.integer]) -> None:
        """One integration on the tile's own capacitors.

        Parameters
        ----------
        frames : (B,) int64
            Frame numbers.
        cycle : int
            Cycle of the event within the frame.
        controls : TileControls
        row_time : (B, rows) integers, ns
            High time of every row, bias rows last. It is read later: do not change it.
        """
        self.latch(frames, cycle, controls, row_time)
        connect((self,), frames, cycle)

    def ramp(self, frames: Frames, cycle: int, controls: TileControls) -> NDArray[np.uint16]:
        """Read the capacitors without disturbing them: (B, columns) whole cycles that each comparator stays high.

        Columns that are not computed read 0.
        """
        level = self._checked(frames, cycle).observe(cycle)
        if self.consumption is not None:
            self.consumption.ramps += len(frames)
        periphery = self.config.periphery
        columns = level.shape[1]
        codes = np.zeros((len(frames), self.shape[1]), np.uint16)
        for part in blocks(len(frames)):
            v_mv = periphery.voltage_mv(level[part]) + self.columns.comparator_mv[:columns]
            if periphery.comparator_noise_v:
                z = self.noise.gaussians(frames[part], cycle, Draw.COMPARATOR, self.shape[1], columns)
                z *= periphery.comparator_noise_v * 1e3
                v_mv += z
            codes[part, :columns] = periphery.crossing_cycles(v_mv, controls.ramp_start, controls.ramp_slope)
        return codes

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
        hit = np.flatnonzero((times[0] > 0) & (self.stuck(device, row)[0] == 0))
        if self.consumption is not None:
            self.consumption.writes += len(hit)
        z = self.noise.gaussians(frames, cycle, Draw.WRITE, columns)[0, hit]
        cells = self.writable
        g_us = cells.programmed_us(row, device)
        if melts:
            after = pcm.after_reset(z)
        else:
            width = times[0, hit].astype(np.float64)
            set_time, reach = self.set_time_ns(device, row)[0, hit], self.reach_us(device, row)[0, hit]
            after = pcm.after_set(g_us[hit], width, set_time, z, reach)
        nu = cells.drift_exponents(row, device)
        g_us[hit] = after
        nu[hit] = pcm.drift_exponent(after, self.noise.gaussians(frames, cycle, Draw.WRITE_DRIFT, columns)[0, hit])
        cells.write(row, device, g_us, nu)


def connect(tiles: tuple[Tile, ...], frames: Frames, cycle: int) -> None:
    """Second half of an integration: connect the capacitors of these tiles as latched, and move charge onto them.

    Parameters
    ----------
    tiles : tuple of Tile
        One, or a northern and a southern one that share. A tile that has latched nothing only lends its capacitors.
    frames : (B,) int64
    cycle : int
    """
    nodes = [tile._checked(frames, cycle) for tile in tiles]
    node, wanted = nodes[0], tuple([tile.capacitors for tile in tiles])
    if node.untouched and len(tiles) == 1:
        node.latch(wanted)
    elif node.capacitors != wanted or nodes[-1] is not node or len(node.circuits) != len(tiles):
        node = _joined(tiles, nodes, frames, cycle)
        for tile in tiles:
            tile._node = node
    moves = [(member, *tile.moving) for member, tile in enumerate(tiles) if tile.moving]
    if moves:
        node.add(cycle, moves)
        for tile in tiles:
            tile.moving = None
    node.now = cycle


def _joined(tiles: tuple[Tile, ...], nodes: Sequence[Node], frames: Frames, cycle: int) -> Node:
    """The node that these tiles make from `cycle` on. To form it is an observation, unless all was just precharged."""
    capacitors, circuits = tuple(tile.capacitors for tile in tiles), tuple(tile.circuits for tile in tiles)
    columns = min(node.columns for node in nodes)
    if all(node.untouched and node.cycle == nodes[0].cycle for node in nodes):
        node = Node(circuits, frames, nodes[0].cycle, columns=columns)
        node.latch(capacitors)
        return node
    charge: Level = 0.0
    whole: Level = 0.0
    for tile in tiles:
        node = tile.node
        if node.untouched:
            node.latch((tile.capacitors,))
        before = node.capacitors[node.circuits.index(tile.circuits)]
        level = tile._reconnect(node.observe(cycle)[:, :columns], before, cycle)
        bank = tile.circuits.bank_ff(0, tile.capacitors)[:columns]
        charge, whole = charge + bank * level, whole + bank
    # Without any capacitor the wires keep the first one's voltage.
    start_mv = charge / whole if any(capacitors) else tiles[0].node.observe(cycle)[:, :columns]
    return Node(circuits, frames, cycle, capacitors, start_mv, columns=columns)


def _first(level: Level, columns: int) -> Level:
    return level[..., :columns] if isinstance(level, np.ndarray) else level
