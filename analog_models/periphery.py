"""The circuits at the edge of an array: read bias, mirror, capacitors, ramp, comparators. One of each per column.

Voltages of a capacitor are kept in mV *relative to the precharge level*, charges in fC, times in ns, so that the round
figures of the chip (5 mV, 900 mV, 255 ns) are exact in float64. A capacitor's *level* is its charge over its
capacitance at the precharge level: what adds up, and what two capacitors share, although their capacitance depends on
the voltage.
"""

from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from analog_models.constants import ASSUMPTION, check_constants, constant
from analog_models.noise import Draw, KeyedNoise

__all__ = ["BANK", "PATH_UNITS", "Columns", "Periphery"]

Array = NDArray[np.float64]

#: Capacitors of a column.
BANK = 8
#: Gains of the read paths are multiples of 1/PATH_UNITS: those of asymmetry balance add up to 2 exactly.
PATH_UNITS = 1 << 12
_BOLTZMANN, _ELEMENTARY_CHARGE = 1.380649e-23, 1.602176634e-19
_N = "Nature 620, 768 (2023), Methods"


@dataclass(frozen=True)
class Periphery:
    """Constants of the column circuits; the defaults are the nominal preset.

    Sigmas are spreads over columns, drawn once per tile; noises are drawn anew at every event.
    """

    read_voltage_v: float = constant(0.3, "V", (1e-3, 10), f"{_N}: Vread")
    mirror_ratio: float = constant(
        1 / 320,
        "1",
        (1e-9, 1e3),
        f"{ASSUMPTION}: 1:16 and 1:20; MACs of +-9.4 in units of weight x input, doubled by AB, fill 250 fF",
    )
    capacitor_ff: float = constant(50.0, "fF", (0.1, 1e6), f"{_N}: each of 8 capacitors (250 fF typical)")
    precharge_v: float = constant(0.75, "V", (0, 10), f"{_N}: precharge supply")
    rail_low_v: float = constant(
        0.2, "V", (-1e6, 1e6), f"{ASSUMPTION}: headroom of the mirror below the 0.3 V ramp start"
    )
    rail_high_v: float = constant(1.3, "V", (-1e6, 1e6), f"{ASSUMPTION}: 1.5 V supply less the mirror's headroom")
    ramp_lsb_v: float = constant(0.005, "V", (1e-6, 1), "docs/fabric.md: LSB of ramp_start")
    ramp_full_v: float = constant(
        0.9, "V", (1e-3, 100), f"{ASSUMPTION}: 0.3 V to 1.2 V, symmetric around the precharge level"
    )
    ramp_full_ns: float = constant(255.0, "ns", (1, 1e6), f"{_N}: longest duration")
    ramp_full_slope: int = constant(128, "1", (1, 255), "docs/fabric.md: ramp_slope of full slope")

    column_gain_sigma: float = constant(0.01, "1", (0, 1), f"{ASSUMPTION}: mirror matching of 1 %")
    path_mismatch_sigma: float = constant(
        0.02, "1", (0, 0.3), f"{ASSUMPTION}: G+ against G- read path, two mirrors at 1.4 %"
    )
    polarity_mismatch_sigma: float = constant(0.01, "1", (0, 0.3), f"{ASSUMPTION}: charging against discharging, 1 %")
    phase_offset_sigma_fc: float = constant(
        0.25, "fC", (0, 1e4), f"{ASSUMPTION}: switch injection, 1 mV on 250 fF per phase"
    )
    comparator_offset_sigma_v: float = constant(0.004, "V", (0, 10), f"{ASSUMPTION}: minimum-size pair, about 1 LSB")
    comparator_noise_v: float = constant(0.0005, "V", (0, 10), f"{ASSUMPTION}: per decision")
    ramp_bow_ns: float = constant(0.5, "ns", (-100, 100), f"{ASSUMPTION}: integral nonlinearity at mid ramp, 0.2 %")
    temperature_k: float = constant(300.0, "K", (0, 1e3), f"{ASSUMPTION}: kT/C noise of the precharge; 0 turns it off")
    droop_v_per_s: float = constant(
        40.0, "V/s", (0, 1e9), f"{ASSUMPTION}: 10 pA on 250 fF; the leak grows with the capacitor"
    )
    droop_level_v: float = constant(
        0.0, "V", (-10, 10), f"{ASSUMPTION}: the supply that the leak goes to, where it ends"
    )

    wire_ohm: float = constant(0.15, "ohm", (0, 1e4), "aihwkit IRDropT: ir_drop_rs, a column wire per cell")
    compression_per_ua: float = constant(
        1e-4, "1/uA", (0, 1), f"{ASSUMPTION}: a mirror passes on 1 % less of 100 uA; each path's own"
    )
    compression_mismatch: float = constant(
        0.2, "1", (0, 10), f"{ASSUMPTION}: spread of that between the two paths of a column"
    )
    output_per_v: float = constant(
        0.02,
        "1/V",
        (0, 10),
        f"{ASSUMPTION}: output resistance of a cascode; a mirror's current falls by so much as V rises",
    )
    shot_noise: float = constant(1.0, "1", (0, 1e3), "2 q I of the mirrors' currents, as a multiple; ideal without")
    capacitor_per_v: float = constant(0.02, "1/V", (0, 10), f"{ASSUMPTION}: the MOS capacitors grow by so much with V")
    capacitor_sigma: float = constant(
        0.005, "1", (0, 0.15), f"{ASSUMPTION}: matching of 50 fF capacitors, each of them"
    )
    droop_spread: float = constant(0.3, "1", (0, 5), f"{ASSUMPTION}: spread of the leak over columns, log-normal")

    def __post_init__(self) -> None:
        check_constants(self)
        if not self.rail_low_v < self.precharge_v < self.rail_high_v:
            raise ValueError(
                f"Periphery: rail_low_v < precharge_v < rail_high_v must hold, "
                f"got {self.rail_low_v}, {self.precharge_v}, {self.rail_high_v}"
            )

    @classmethod
    def ideal(cls) -> "Periphery":
        """No mismatch, offset, noise, droop, IR drop, nonlinearity or saturation."""
        return cls(
            rail_low_v=-1e6,  # finite, so that a node without capacitors has somewhere to go
            rail_high_v=1e6,
            column_gain_sigma=0.0,
            path_mismatch_sigma=0.0,
            polarity_mismatch_sigma=0.0,
            phase_offset_sigma_fc=0.0,
            comparator_offset_sigma_v=0.0,
            comparator_noise_v=0.0,
            ramp_bow_ns=0.0,
            temperature_k=0.0,
            droop_v_per_s=0.0,
            droop_spread=0.0,
            wire_ohm=0.0,
            compression_per_ua=0.0,
            compression_mismatch=0.0,
            output_per_v=0.0,
            shot_noise=0.0,
            capacitor_per_v=0.0,
            capacitor_sigma=0.0,
        )

    @cached_property
    def charge_fc_per_us_ns(self) -> float:
        """Charge on the capacitor for 1 uS read for 1 ns: uS * V * ns is fC, times the mirror ratio."""
        return self.read_voltage_v * self.mirror_ratio

    @cached_property
    def rails_mv(self) -> tuple[float, float]:
        """Lowest and highest capacitor voltage, relative to the precharge level."""
        return (self.rail_low_v - self.precharge_v) * 1e3, (self.rail_high_v - self.precharge_v) * 1e3

    @cached_property
    def rails_level_mv(self) -> tuple[float, float]:
        """The rails as levels."""
        # The ideal preset's are far beyond where the capacitors' law holds.
        most = 500.0 / self.capacitor_per_v if self.capacitor_per_v else float("inf")
        low, high = self.rails_mv
        return self.level_mv(max(low, -most)), self.level_mv(min(high, most))

    def level_mv(self, v_mv: float) -> float:
        """Charge that brings a capacitor to a voltage, over its capacitance at the precharge level, where both are 0.

        The capacitance is C (1 + a V), a = `capacitor_per_v`, so that the charge is C (V + a V^2 / 2).
        """
        return v_mv + self.capacitor_per_v / 2e3 * v_mv * v_mv

    def voltage_mv(self, level_mv: Array) -> Array:
        """Inverse of `level_mv`."""
        if not self.capacitor_per_v:
            return level_mv
        root = level_mv * (self.capacitor_per_v / 500.0)
        root += 1.0
        np.maximum(root, 0.0, out=root)  # noise may go where the law has no voltage, far below a rail
        np.sqrt(root, out=root)
        root += 1.0
        return 2.0 * level_mv / root

    def reset_noise_mv(self, capacitance_ff: float) -> float:
        """kT/C noise that the precharge leaves: sqrt(kT/C)."""
        if not (self.temperature_k and capacitance_ff):
            return 0.0
        return 1e3 * sqrt(_BOLTZMANN * self.temperature_k / (capacitance_ff * 1e-15))

    def shot_noise_mv2_per_mv(self, capacitance_ff: float) -> float:
        """Variance by the shot noise of currents that have moved charge of 1 mV, all branches' added up: q / C."""
        return self.shot_noise * _ELEMENTARY_CHARGE * 1e18 / capacitance_ff if capacitance_ff else 0.0

    def shot_noise_us2(self, g_us: Array, length_ns: float) -> Array:
        """The same, as variance of a conductance that is read for so long."""
        return g_us * (self.shot_noise * _ELEMENTARY_CHARGE * 1e15 / (self.charge_fc_per_us_ns * length_ns))

    def droop_mv(self, elapsed_ns: int) -> float:
        """How far a nominal leak moves a capacitor in `elapsed_ns`, with its sign: from the precharge to its supply."""
        towards = 1 if self.droop_level_v > self.precharge_v else -1
        return towards * self.droop_v_per_s * elapsed_ns * 1e-6  # V/s * ns is 1e-9 V

    def drooped_mv(self, level_mv: Array | float, droop_mv: Array) -> Array:
        """Levels after a droop of (columns,), which ends where the supply of the leak is."""
        end = self._leak_end_mv
        after = level_mv + droop_mv
        if self.droop_level_v <= self.precharge_v:
            if np.min(after, initial=end) < end:
                return np.maximum(after, np.minimum(level_mv, end))
        elif np.max(after, initial=end) > end:
            return np.minimum(after, np.maximum(level_mv, end))
        return after

    @cached_property
    def _leak_end_mv(self) -> float:
        return self.level_mv((self.droop_level_v - self.precharge_v) * 1e3)

    @cached_property
    def leak_ends_inside(self) -> bool:
        """Whether a droop can end before it reaches a rail."""
        low, high = self.rails_level_mv
        return low < self._leak_end_mv < high

    def crossing_cycles(self, v_mv: Array, ramp_start: int, ramp_slope: int) -> NDArray[np.uint16]:
        """Whole cycles a comparator stays high, 0 to 511, for inputs of `v_mv` relative to the precharge level.

        The ramp is at ``ramp_start * 5 mV`` when the pulses rise and climbs by ``ramp_slope / 128 * 900 mV`` in 255 ns.
        The time to the crossing is rounded half up: the comparator is sampled in mid cycle. 511 is never reached.
        """
        precharge_mv, lsb_mv = self._ramp_grid_mv
        time = v_mv + (precharge_mv - ramp_start * lsb_mv)
        if ramp_slope == 0:
            return np.where(time > 0, 511, 0).astype(np.uint16)
        time *= self.ramp_full_ns * self.ramp_full_slope / (self.ramp_full_v * 1e3 * ramp_slope)
        if self.ramp_bow_ns:
            rest = time.clip(0.0, self.ramp_full_ns)
            bow = self.ramp_full_ns - rest
            bow *= rest
            bow *= 4 * self.ramp_bow_ns / self.ramp_full_ns**2
            time += bow
        # The guard keeps halves that float64 cannot hold (0.4999999999999999) on the upper side.
        time += 0.5 + 1e-9
        return time.clip(0.0, 511.0, out=time).astype(np.uint16)  # towards zero

    @cached_property
    def _ramp_grid_mv(self) -> tuple[float, float]:
        """Precharge level and LSB of the ramp's start, round figures."""
        return round(self.precharge_v * 1e3, 9), round(self.ramp_lsb_v * 1e3, 9)


@dataclass(frozen=True)
class Columns:
    """What distinguishes one column from the next: fixed draws of a tile's periphery.

    Parameters
    ----------
    gain : (columns,) float64
        Mirror gain, 1 + spread, not below 0.
    path : (columns,) int64
        Half the G+/G- path mismatch in units of 1/`PATH_UNITS`: G+ is read with 1 + path, G- with 1 - path.
    polarity : (columns,) int64
        Half the charge/discharge difference in the same units: the branch that charges the capacitor has gain
        1 + polarity, the one that discharges it 1 - polarity. The G+ branch charges, unless the phase discharges.
    offset_fc : (columns,) float64
        Charge added in every integration phase, whatever the polarity.
    comparator_mv : (columns,) float64
        Comparator offset.
    compression : (2, columns) float64
        Compression of the G+ and of the G- path, over the nominal one.
    leak : (columns,) float64
        Droop over the nominal one.
    capacitors : (8, columns) float64
        Capacitances over the nominal one, in the order in which they are connected.
    """

    gain: Array
    path: NDArray[np.int64]
    polarity: NDArray[np.int64]
    offset_fc: Array
    comparator_mv: Array
    compression: Array
    leak: Array
    capacitors: Array

    @classmethod
    def drawn(cls, periphery: Periphery, noise: KeyedNoise, columns: int) -> "Columns":
        """The columns of a tile, drawn from its seed."""
        z = noise.gaussians(range(7 + BANK), 0, Draw.MISMATCH, columns)
        gain, path, polarity, offset, comparator, compression, leak = z[:7]
        apart = periphery.compression_mismatch / 2 * compression
        half = PATH_UNITS / 2
        return cls(
            gain=np.maximum(1 + periphery.column_gain_sigma * gain, 0),
            path=np.rint(periphery.path_mismatch_sigma * half * path).astype(np.int64),
            polarity=np.rint(periphery.polarity_mismatch_sigma * half * polarity).astype(np.int64),
            offset_fc=periphery.phase_offset_sigma_fc * offset,
            comparator_mv=periphery.comparator_offset_sigma_v * 1e3 * comparator,
            compression=np.stack([1 + apart, 1 - apart]),
            leak=np.exp(periphery.droop_spread * leak),
            capacitors=1 + periphery.capacitor_sigma * z[7:],
        )

    def branch_gains(self, discharge: bool = False) -> tuple[Array, Array]:
        """Gains of the G+ and of the G- branch of each column in a phase of this polarity: (columns,) twice."""
        steered = -self.polarity if discharge else self.polarity
        return (
            (PATH_UNITS + self.path + steered) / PATH_UNITS,
            (PATH_UNITS - self.path - steered) / PATH_UNITS,
        )
