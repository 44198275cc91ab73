"""What each happening costs: constants with unit, source and scaling; some are fitted, `cosim.performance.fit`.

All are of a 14-nm chip at 1.5 V (tiles) and 0.8 V (everything else), Nature 620, 768 (2023), "Power and system
performance". Where a source is of another technology its scaling stands beside it: energies of logic and SRAM go with
length x voltage^2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from analog_models.constants import ASSUMPTION, check_constants, constant
from cosim.files.json_text import from_json, to_json
from cosim.files.typed import typed

__all__ = ["FITTED_FILE", "EnergyConstants", "Fitted", "energy_table"]

#: What `cosim.performance.fit` has found; written by a command, never by hand.
FITTED_FILE = Path(__file__).with_name("fitted.json")

_SUPPLIES = "Nature 620, 768 (2023), main text: supplies"
#: Horowitz's 45 nm at 0.9 V, here 14 nm at 0.8 V.
_SCALED = "scaled by 14/45 x (0.8/0.9)^2"


@dataclass(frozen=True)
class Fitted:
    """What was fitted on chip 4 of the RNN-T, and on nothing else.

    Parameters
    ----------
    column_uw : float
        Power of a column's two read amplifiers and mirrors while it integrates, uW, at 1.5 V.
    chip_w : float
        Clock, leakage and everything else at 0.8 V that does not depend on what a chip does, W.
    mean_code : float
        Mean magnitude of an input's code that the array's share of the 1.5 V supply asks for, of 255: a property of
        the paper's inputs and weights, which nobody else has; `cosim.performance.numbers.StandIn`.
    """

    column_uw: float
    chip_w: float
    mean_code: float

    @classmethod
    def load(cls, path: Path = FITTED_FILE) -> "Fitted":
        """What a fit has written.

        Raises
        ------
        ValueError
            If the file is not such a one.
        """
        return typed(Fitted, from_json(path.read_text(encoding="utf-8"))["fitted"])

    def to_text(self, equations: list[Mapping[str, Any]]) -> str:
        """As `load` reads it, with the equations it comes from."""
        return to_json({"fitted": vars(self), "equations": equations}, indent=1) + "\n"


@dataclass(frozen=True)
class EnergyConstants:
    """Every constant of the energy model.

    Raises
    ------
    ValueError
        If one is out of its range.
    """

    fitted: Fitted
    tile_v: float = constant(1.5, "V", (0.1, 5), _SUPPLIES)
    logic_v: float = constant(0.8, "V", (0.1, 5), _SUPPLIES)
    precharge_v: float = constant(0.75, "V", (0, 5), "Nature 620, 768 (2023), Methods: supplies")
    capacitor_ff: float = constant(50.0, "fF", (0, 1e4), "Nature 620, 768 (2023), Methods: each of 8 capacitors")
    row_ff: float = constant(
        250.0,
        "fF",
        (0, 1e5),
        f"{ASSUMPTION}: a word line of 512 cells, 0.25 mm of wire at 0.2 fF/um and 2 x 512 gates of 0.2 fF; CV^2",
    )
    ramp_ff: float = constant(
        300.0, "fF", (0, 1e6), f"{ASSUMPTION}: a ramp's line over 512 comparators, 0.5 mm at 0.2 fF/um, 0.4 fF each"
    )
    comparator_uw: float = constant(
        5.0,
        "uW",
        (0, 1e3),
        f"{ASSUMPTION}: a continuous comparator of 3.3 uA at 1.5 V, within 1 ns of a 3.5 mV/ns ramp",
    )
    wire_ff: float = constant(
        400.0,
        "fF",
        (0, 1e6),
        f"{ASSUMPTION}: a lane over one tile, east-west and north-south wire of 1 mm each at 0.2 fF/um, drivers "
        "counted in; CV^2",
    )
    counter_fj: float = constant(
        10.0, "fJ", (0, 1e4), f"{ASSUMPTION}: eight flip-flops clocked and two that toggle, about 1 fJ each at 0.8 V"
    )
    sram_bit_fj: float = constant(
        40.0,
        "fJ",
        (0, 1e5),
        f"Horowitz, ISSCC 2014: 10 pJ for 64 bits of 8 KB in 45 nm, 156 fJ a bit; {_SCALED} = 0.246",
    )
    word_bits: int = constant(128, "1", (1, 4096), "Nature 620, 768 (2023), Methods: a controller's word")
    port_bit_pj: float = constant(
        2.0, "pJ", (0, 1e3), f"{ASSUMPTION}: a bit over the 1.8 V drivers and pins; the papers' powers have none of it"
    )
    operation_pj: float = constant(
        0.167,
        "pJ",
        (0, 1e3),
        "Nat. Commun. 16, 8661 (2025): digital compute in 14 nm, 5-7 TOPS/W, its middle; memory accesses counted in",
    )

    def __post_init__(self) -> None:
        check_constants(self)

    @classmethod
    def nominal(cls) -> "EnergyConstants":
        """With what was fitted."""
        return cls(Fitted.load())


def energy_table(constants: EnergyConstants) -> str:
    """Markdown table of all constants, the fitted ones first."""
    lines = ["| constant | value | unit | source, scaling |", "| --- | ---: | --- | --- |"]
    units = {"column_uw": "uW", "chip_w": "W", "mean_code": "1"}
    for name, value in vars(constants.fitted).items():
        lines.append(f"| `{name}` | {value:.4g} | {units[name]} | fitted on chip 4 |")
    for item in fields(constants):
        if "unit" in item.metadata:
            value = getattr(constants, item.name)
            lines.append(f"| `{item.name}` | {value:.4g} | {item.metadata['unit']} | {item.metadata['source']} |")
    return "\n".join(lines) + "\n"
