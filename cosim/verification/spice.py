"""The analog models against ngspice: one column at a time as a circuit, made from a tile's own parameters.

The circuit has a switch and a resistor for every device, a wire with a resistor for every cell along each branch, an
ammeter at its end, mirrors that carry the branches' currents to the capacitor, a leak, and a ramp that passes the
capacitor. What an array does to its conductances (drift, 1/f noise) is in the resistors; noise of a read, of the
precharge, of currents and of comparators is off, for a circuit has none in a transient analysis.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.periphery import Periphery
from cosim.files.errors import UserError

__all__ = ["Case", "Phase", "SpiceError", "Verdict", "compare", "linear", "netlist", "quiet", "spice_version"]

Array = NDArray[np.float64]

#: Cycles of a phase: its pulses begin with it, its event is at its end.
_PHASE = 300
#: Cycles from a phase's end to the ramp.
_TO_RAMP = 10
#: Edges of pulses, ns.
_EDGE = 1e-3
#: For how long the rails hold the capacitor at the end of a phase, ns, and how hard, S.
_CLAMP_NS, _CLAMP_S = 1.0, 1e-1
_TIMEOUT_S = 120
#: A capacitor leaks on while the ramp passes it, by 20 uV at most, which the models leave out: so much of a ramp, ns.
_NEAR_NS = 0.01


class SpiceError(UserError, RuntimeError):
    """ngspice is missing, or did not simulate; the message says what it printed."""


@dataclass(frozen=True)
class Phase:
    """One integration.

    Parameters
    ----------
    wp1, wp2, discharge : bool
        As of `TileControls`, the same in every tile.
    pulses : tuple of (rows,) integers, ns
        High time of every row, one array for each tile.
    """

    wp1: bool
    wp2: bool
    discharge: bool
    pulses: tuple[NDArray[np.uint16], ...]


@dataclass(frozen=True)
class Case:
    """A MAC on one column: of one tile, or of two that share their capacitors.

    Parameters
    ----------
    chip : AnalogChip
        Tiles 0, or 0 and 1 as a pair, with their conductances in place; from a configuration that is `quiet`.
    column : int
    capacitors : int
        Connected in each tile.
    phases : tuple of Phase
    ramp_start, ramp_slope : int
    clamp_at_once : bool
        Let the rails hold the capacitor all the time, and not at the end of each phase, as the models do.
    """

    chip: AnalogChip
    column: int
    capacitors: int
    phases: tuple[Phase, ...]
    ramp_start: int
    ramp_slope: int
    clamp_at_once: bool = False

    @property
    def tiles(self) -> range:
        return range(len(self.phases[0].pulses))

    @property
    def ramp_cycle(self) -> int:
        return _PHASE * len(self.phases) + _TO_RAMP


@dataclass(frozen=True)
class Verdict:
    """The models' answer and the circuit's.

    Parameters
    ----------
    model_mv, spice_mv : float
        Voltage when the ramp starts, relative to the precharge level.
    model_code, spice_code : int
    crossing_ns : float
        When the circuit's ramp crosses; NaN if it does not.
    at_rail : bool
        Whether the model's capacitor was at a rail at the end of any phase.
    """

    model_mv: float
    spice_mv: float
    model_code: int
    spice_code: int
    crossing_ns: float
    at_rail: bool

    @property
    def agrees(self) -> bool:
        """Whether the codes are equal, or a tie."""
        return self.model_code == self.spice_code or self.tie

    @property
    def tie(self) -> bool:
        """Whether the codes differ by one, and the circuit crosses so near their limit that either is right."""
        near = abs(self.crossing_ns - (self.model_code + self.spice_code) / 2) < _NEAR_NS
        return near and abs(self.model_code - self.spice_code) == 1

    @property
    def difference_uv(self) -> float:
        """Of the voltages, in µV."""
        return 1e3 * (self.spice_mv - self.model_mv)


def quiet(config: AnalogConfig) -> AnalogConfig:
    """The same without noise that a transient analysis does not have, and without rounding."""
    pcm = replace(config.pcm, read_noise_scale=0.0)
    periphery = replace(config.periphery, temperature_k=0.0, comparator_noise_v=0.0, shot_noise=0.0)
    return replace(config, pcm=pcm, periphery=periphery, resolution_bits=20)


def linear(config: AnalogConfig) -> AnalogConfig:
    """The same without what makes a column's charge depend on more than each row's own pulse, but for the rails."""
    periphery = replace(config.periphery, wire_ohm=0.0, compression_per_ua=0.0, output_per_v=0.0, capacitor_per_v=0.0)
    return replace(config, periphery=periphery)


def spice_version() -> str | None:
    """What the installed ngspice calls itself, or None if there is none."""
    if shutil.which("ngspice") is None:
        return None
    text = subprocess.run(["ngspice", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"ngspice-\d+", text)
    return found.group() if found else "ngspice"


# The models --------------------------------------------------------------------------------------------------------


def _served(case: Case) -> tuple[float, int, bool]:
    """Voltage before the ramp in mV, code, and whether a rail was reached, of the analog models."""
    chip, frame = case.chip, np.array([0])
    north, south = TileControls(capacitors=case.capacitors), TileControls(capacitors=case.capacitors)
    if len(case.tiles) == 2:
        north, south = replace(north, share_south=True), replace(south, share_north=True)
    chip.serve(frame, [TileEvent(tile, EventKind.PRECHARGE, 0) for tile in case.tiles])
    low, high = chip.config.periphery.rails_mv
    at_rail = False
    for number, phase in enumerate(case.phases, 1):
        events = []
        for tile, shared in zip(case.tiles, (north, south), strict=False):
            controls = replace(shared, wp1=phase.wp1, wp2=phase.wp2, discharge=phase.discharge)
            events.append(TileEvent(tile, EventKind.INTEGRATE, number * _PHASE, controls, phase.pulses[tile][None]))
        chip.serve(frame, events)
        at_rail |= not low < chip.tile(0).voltage_mv(number * _PHASE)[0, case.column] < high
    v_mv = float(chip.tile(0).voltage_mv(case.ramp_cycle)[0, case.column])
    ramp = TileControls(ramp_start=case.ramp_start, ramp_slope=case.ramp_slope)
    codes = chip.serve(frame, [TileEvent(0, EventKind.RAMP, case.ramp_cycle, ramp)])[0]
    return v_mv, int(codes[0, case.column]), at_rail


# The circuit -------------------------------------------------------------------------------------------------------


def _steps(levels: Sequence[float]) -> str:
    """A source that has one level in each phase, and 0 afterwards."""
    points = [(0.0, levels[0])]
    for number, (before, level) in enumerate(zip(levels, [*levels[1:], 0.0], strict=True), 1):
        points += [(number * _PHASE - _EDGE, before), (number * _PHASE, level)]
    return _pwl(points)


def _pulses(lengths: Sequence[int]) -> str:
    """A source that is 1 for so many ns from the begin of each phase on, measured between the middles of its edges."""
    points = [(0.0, 0.0)]
    for number, length in enumerate(lengths):
        if length:
            begin, half = number * _PHASE + 1.0, _EDGE / 2
            points += [(begin - half, 0.0), (begin + half, 1.0), (begin + length - half, 1.0)]
            points += [(begin + length + half, 0.0)]
    return _pwl(points)


def _pwl(points: Sequence[tuple[float, float]]) -> str:
    return "PWL(" + " ".join(f"{time:.6f}n {value:.12g}" for time, value in points) + ")"


def _ramp(periphery: Periphery, start: int, slope: int, begin_ns: float) -> str:
    """The ramp, with its bow: the voltage that `Periphery.crossing_cycles` takes for a crossing at each time."""
    linear = np.arange(0.0, 512.0, 0.5)
    rest = linear.clip(0, periphery.ramp_full_ns)
    time = linear + 4 * periphery.ramp_bow_ns * rest * (periphery.ramp_full_ns - rest) / periphery.ramp_full_ns**2
    rise = periphery.ramp_full_v * slope / (periphery.ramp_full_slope * periphery.ramp_full_ns)
    volts = start * periphery.ramp_lsb_v + linear * rise
    return _pwl([(0.0, volts[0]), *zip(begin_ns + time, volts, strict=True)])


def netlist(case: Case) -> str:
    """The circuit and its analysis, for ngspice.

    Nodes: `bias`, 0.3 V; `row<N>_<pair>_<tile>`, word lines as a pair of devices hears them; `wire<N>_<branch>_<tile>`,
    along a branch; `level`, a constant capacitance that has the capacitors' charge; `cap`, their voltage; `cmp`, the
    comparator's input.
    """
    chip, periphery = case.chip, case.chip.config.periphery
    lines = [
        f"* column {case.column} of {len(case.tiles)} tile(s), {len(case.phases)} phases",
        f"Vbias bias 0 {periphery.read_voltage_v}",
        ".model row SW(RON=1m ROFF=1e15 VT=0.5 VH=0)",
    ]
    mirrored, drawn, farads, leaks = [], [], [], []
    for tile in case.tiles:
        circuits, columns = chip.tile(tile).circuits, chip.tile(tile).columns
        lines += _cells(case, tile)
        ratio = periphery.mirror_ratio * float(columns.gain[case.column])
        for branch in range(2):
            name = f"{branch}_{tile}"
            gains = []
            for phase in case.phases:
                gain = float(columns.branch_gains(phase.discharge)[branch][case.column])
                gains.append(gain * (-1 if phase.discharge != bool(branch) else 1))
            lines.append(f"Vgain{name} gain{name} 0 {_steps(gains)}")
            kappa = 1e6 * periphery.compression_per_ua * float(columns.compression[branch, case.column])
            current = f"I(Vsense{name})"
            mirrored.append(f"{ratio:.12g}*V(gain{name})*({current}-{kappa:.12g}*{current}*{current})")
            drawn.append(f"{ratio:.12g}*{current}")
        # Charge that the switches inject before the end of every phase, within 1 ns.
        points, ampere = [(0.0, 0.0)], float(columns.offset_fc[case.column]) * 1e-6
        for number in range(1, len(case.phases) + 1):
            begin = number * _PHASE - 3.0
            points += [(begin, 0.0), (begin + _EDGE, ampere), (begin + 1, ampere), (begin + 1 + _EDGE, 0.0)]
        lines.append(f"Ioffset{tile} 0 level {_pwl(points)}")
        farads.append(float(circuits.bank_ff(0, case.capacitors)[case.column]) * 1e-15)
        leaks.append(farads[-1] * float(columns.leak[case.column]))
    above = f"(V(cap)-{periphery.precharge_v})"
    lines += [
        f"Clevel level 0 {sum(farads):.12g} IC=0",
        f"Bcap cap 0 V = {periphery.precharge_v}+{_voltage(periphery.capacitor_per_v)}",
        f"Bmirror 0 level I = {' + '.join(mirrored)}",
        f"Boutput level 0 I = {periphery.output_per_v:.12g}*{above}*({' + '.join(drawn)})",
        f"Ileak 0 level {periphery.droop_mv(_PHASE) / _PHASE * 1e6 * sum(leaks):.12g}",  # mV/ns are 1e6 V/s
    ]
    low, high = (rail + periphery.precharge_v * 1e3 for rail in periphery.rails_mv)
    clamp = "1" if case.clamp_at_once else "V(hold)"
    lines += [
        f"Vhold hold 0 {_pwl(_holding(len(case.phases)))}",
        f"Brails level 0 I = {clamp}*{_CLAMP_S}*(V(cap) > {high * 1e-3} ? V(cap)-{high * 1e-3} : "
        f"(V(cap) < {low * 1e-3} ? V(cap)-{low * 1e-3} : 0))",
    ]
    offset = float(chip.tile(0).columns.comparator_mv[case.column]) * 1e-3
    begin = case.ramp_cycle
    lines += [
        f"Bcmp cmp 0 V = V(cap) + ({offset:.12g})",
        f"Vramp ramp 0 {_ramp(periphery, case.ramp_start, case.ramp_slope, begin)}",
        "Bover over 0 V = V(ramp) - V(cmp)",
        ".options reltol=1e-7 abstol=1e-18 vntol=1e-10 chgtol=1e-21 method=trap",
        ".control",
        f"tran 0.5n {begin + 520}n 0 2n uic",
        "write column.raw v(cap) v(over)",
        "quit",
        ".endc",
        ".end",
    ]
    return "\n".join(lines) + "\n"


def _voltage(per_v: float) -> str:
    """What V solves V + a V^2 / 2 = level: the capacitance is C (1 + a V), above the precharge level."""
    return f"(sqrt(1+{2 * per_v:.12g}*V(level))-1)/{per_v:.12g}" if per_v else "V(level)"


def _cells(case: Case, tile: int) -> list[str]:
    """Rows, cells, wires and ammeters of one tile's column: devices of both pairs hang on the wire of their branch."""
    ohm = case.chip.config.periphery.wire_ohm
    g_us = case.chip.tile(tile).cells.read_us()[:, :, case.column]
    rows, lines = g_us.shape[1], []
    for pair in range(2):
        for row in range(rows):
            lengths = [int(phase.pulses[tile][row]) * (phase.wp1, phase.wp2)[pair] for phase in case.phases]
            lines.append(f"Vrow{row}_{pair}_{tile} row{row}_{pair}_{tile} 0 {_pulses(lengths)}")
    for branch in range(2):
        name = f"{branch}_{tile}"
        lines.append(f"Vsense{name} bias wire{rows}_{name} 0")  # row N is one cell nearer to the circuits than N - 1
        if ohm:
            lines += [f"Rwire{row}_{name} wire{row}_{name} wire{row + 1}_{name} {ohm:.12g}" for row in range(rows)]
        for device in (branch, branch + 2):
            for row in np.flatnonzero(g_us[device] > 0).tolist():
                cell, node = f"{row}_{device}_{tile}", f"wire{row if ohm else rows}_{name}"
                lines.append(f"S{cell} {node} cell{cell} row{row}_{device // 2}_{tile} 0 row")
                lines.append(f"R{cell} cell{cell} 0 {1e6 / float(g_us[device, row]):.12g}")
    return lines


def _holding(phases: int) -> list[tuple[float, float]]:
    """When the rails hold the capacitor: in the last ns of every phase."""
    points = [(0.0, 0.0)]
    for number in range(1, phases + 1):
        end = number * _PHASE - 0.2
        points += [(end - _CLAMP_NS - 0.01, 0.0), (end - _CLAMP_NS, 1.0), (end - 0.01, 1.0), (end, 0.0)]
    return points


def compare(case: Case) -> Verdict:
    """Let the models and ngspice compute the same MAC.

    Raises
    ------
    SpiceError
        If ngspice is missing or does not finish.
    """
    model_mv, model_code, at_rail = _served(case)
    time_ns, cap_v, over_v = _simulated(netlist(case))
    spice_mv = 1e3 * (float(np.interp(case.ramp_cycle - 0.01, time_ns, cap_v)) - case.chip.config.periphery.precharge_v)
    ramping = time_ns >= case.ramp_cycle
    over_v, time_ns = over_v[ramping], time_ns[ramping] - case.ramp_cycle
    passed = np.flatnonzero((over_v[:-1] < 0) & (over_v[1:] >= 0))
    if over_v[0] >= 0:  # the ramp begins above the capacitor
        crossing, code = float("nan"), 0
    elif not passed.size:
        crossing, code = float("nan"), 511
    else:
        before = passed[0]
        around = slice(before, before + 2)
        crossing = float(np.interp(0.0, over_v[around], time_ns[around]))
        code = min(int(np.floor(crossing + 0.5 + 1e-9)), 511)
    return Verdict(model_mv, spice_mv, model_code, code, crossing, at_rail)


def _simulated(text: str) -> tuple[Array, Array, Array]:
    """Time in ns, and the voltages that the analysis has written."""
    if shutil.which("ngspice") is None:
        raise SpiceError("ngspice is not on PATH; install it, e.g. `apt install ngspice`")
    with tempfile.TemporaryDirectory(prefix="duramesh-spice-") as folder:
        path, written = Path(folder) / "column.cir", Path(folder) / "column.raw"
        path.write_text(text)
        try:
            done = subprocess.run(
                ["ngspice", "-b", str(path)], capture_output=True, text=True, timeout=_TIMEOUT_S, cwd=folder
            )
        except subprocess.TimeoutExpired:
            raise SpiceError(f"ngspice did not finish within {_TIMEOUT_S} s") from None
        if not written.is_file():
            said = (done.stdout + done.stderr)[-2000:]
            raise SpiceError(f"ngspice wrote no result (status {done.returncode}): {said}")
        _, _, numbers = written.read_bytes().partition(b"Binary:\n")
    time_s, cap_v, over_v = np.frombuffer(numbers, "<f8").reshape(-1, 3).T
    return time_s * 1e9, cap_v, over_v
