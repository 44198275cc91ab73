"""What tests of several rooms share: words of several units, each program in a line of text, and vectors to send."""

import shutil

import numpy as np
import pytest

from cosim.experiment import Experiment
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import ChipConfig, preset

NO_ICARUS = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
#: For tests that stand for all others with Icarus where those take too long.
IN_EITHER_SIMULATOR = pytest.mark.parametrize("tool", ["verilator", pytest.param("icarus", marks=NO_ICARUS)])

_KINDS = {"tile": TILE, "ilp": ILP, "olp": OLP}
_SMALL = preset("small")


def units(config: ChipConfig = _SMALL, **listings: str) -> dict[Unit, tuple[int, ...]]:
    """``units(tile_0="HALT")``: words of each unit; a semicolon ends a line."""
    found = {}
    for name, text in listings.items():
        kind, _, index = name.partition("_")
        unit = Unit(_KINDS[kind], int(index))
        found[unit] = assemble(text.replace(";", "\n"), unit.kind, config, str(unit))
    return found


def sending(*, cycles: int = 1000, longest: int = 200, **listings: str) -> Experiment:
    """An experiment on the small chip in which ILP 0 has two vectors of equal codes; listings as those of `units`."""
    vectors = {0: np.full((2, _SMALL.lanes), longest, np.uint8)}
    return Experiment(_SMALL, units(**listings), vectors=vectors, cycles=cycles, name="drawn")


def to_the_olp(pattern: str = "all", **more: str) -> Experiment:
    """ILP 0 to OLP 0: over tile 0 (north-west) and tile 2 (south-west), in cycle 12 and in cycle 402."""
    return sending(
        ilp_0="@10 PULSE fire, advance=1; @400 PULSE fire; HALT",
        tile_0=f"MESH west_to_net=all, net_to_south={pattern}; HALT",
        tile_2="MESH north_to_net=all, net_to_west=all; HALT",
        **more,
    )
