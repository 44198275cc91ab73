"""Joules of an activity: by unit, step, supply and mechanism, each of one constant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cosim.performance.activity import Activity, Happening, Key, grouped
from cosim.performance.constants import EnergyConstants

__all__ = ["COSTS", "Cost", "Energy", "Supply"]


class Supply(StrEnum):
    """Supplies of the chip, Nature 620, 768 (2023), Methods."""

    TILES = "1.5 V"
    LOGIC = "0.8 V"
    OTHER = "0.75 V"
    PINS = "1.8 V"


@dataclass(frozen=True)
class Cost:
    """What one happening costs.

    Parameters
    ----------
    supply : Supply
    mechanism : str
        In words, as reports have it.
    constants : str
        Which constants it comes from.
    fj : callable (EnergyConstants) -> float
        Of one count.
    """

    supply: Supply
    mechanism: str
    constants: str
    fj: Callable[[EnergyConstants], float]


#: What is not here costs nothing of its own: pulses' lengths cost in the array and the counters.
COSTS: Mapping[Happening, Cost] = {
    Happening.CHARGED: Cost(Supply.TILES, "array", "tile_v", lambda c: c.tile_v),
    Happening.DISCHARGED: Cost(Supply.TILES, "array", "tile_v", lambda c: c.tile_v),
    Happening.COLUMN_NS: Cost(Supply.TILES, "column amplifiers", "column_uw", lambda c: c.fitted.column_uw),
    Happening.ROW_PULSES: Cost(Supply.TILES, "row drivers", "row_ff, tile_v", lambda c: c.row_ff * c.tile_v**2),
    Happening.RAMPS: Cost(Supply.TILES, "ramps", "ramp_ff, tile_v", lambda c: c.ramp_ff * c.tile_v**2),
    Happening.COMPARATOR_NS: Cost(Supply.TILES, "comparators", "comparator_uw", lambda c: c.comparator_uw),
    Happening.PRECHARGED: Cost(
        Supply.OTHER, "precharge", "capacitor_ff, precharge_v", lambda c: c.capacitor_ff * c.precharge_v**2
    ),
    Happening.WIRES: Cost(Supply.LOGIC, "mesh", "wire_ff, logic_v", lambda c: c.wire_ff * c.logic_v**2),
    Happening.COUNTER_CYCLES: Cost(Supply.LOGIC, "counters", "counter_fj", lambda c: c.counter_fj),
    Happening.SRAM_BITS: Cost(Supply.LOGIC, "vector SRAMs", "sram_bit_fj", lambda c: c.sram_bit_fj),
    Happening.WORDS: Cost(Supply.LOGIC, "controllers", "sram_bit_fj, word_bits", lambda c: c.word_bits * c.sram_bit_fj),
    Happening.BEATS: Cost(Supply.PINS, "host port", "port_bit_pj", lambda c: 64e3 * c.port_bit_pj),
    Happening.CHIP_NS: Cost(Supply.LOGIC, "clock and static", "chip_w", lambda c: 1e6 * c.fitted.chip_w),
}


@dataclass(frozen=True)
class Energy:
    """What an activity costs.

    Parameters
    ----------
    nj : mapping of Key to float
    """

    nj: Mapping[Key, float]

    @classmethod
    def of(cls, activity: Activity, constants: EnergyConstants, *, pins: bool = False) -> "Energy":
        """Of an activity.

        Parameters
        ----------
        activity : Activity
        constants : EnergyConstants
        pins : bool
            Vectors come and go over the pins; otherwise their other side sits beside the landing pads, as the papers
            assume for digital units, and as their measurements had it, with vectors that loop in the pads.
        """
        found = {}
        for key, count in activity.counts.items():
            cost = COSTS.get(key.what)
            if cost is not None and (pins or cost.supply is not Supply.PINS):
                found[key] = count * cost.fj(constants) * 1e-6
        return cls(found)

    @property
    def total_nj(self) -> float:
        return sum(self.nj.values())

    def by_supply(self) -> dict[str, float]:
        """nJ of every supply."""
        return grouped(self.nj, lambda key: COSTS[key.what].supply.value)

    def by_mechanism(self) -> dict[str, float]:
        """nJ of every mechanism."""
        return grouped(self.nj, lambda key: COSTS[key.what].mechanism)

    def by_unit(self) -> dict[str, float]:
        """nJ of every unit, "chip" being what belongs to none."""
        return grouped(self.nj, lambda key: "chip" if key.unit is None else str(key.unit))

    def by_step(self) -> dict[int, float]:
        """nJ of every step, `WHOLE` being what belongs to none."""
        return grouped(self.nj, lambda key: key.step)
