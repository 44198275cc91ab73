"""A program of four units and four frames that a person wrote, for tests of what programs make of words."""

from collections.abc import Mapping

from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import InputSlot, OutputSlot, Program, Unit
from rtl.config import preset

_SMALL = preset("small")

TILE_0 = """
frame:
    @0    MESH    west_to_rows=all, columns_to_net=all, net_to_south=all
    @2    ARRAY   precharge, capacitors=5
    @10   ARRAY   capacitors=5
    @20   ARRAY   integrate, wp1, capacitors=5
    @280  ARRAY   capacitors=5
    @300  READOUT ramp, ramp_start=60, ramp_slope=128
    @320  READOUT ramp, ramp_start=60, ramp_slope=128, output_enable
    @400  READOUT
    @499  LOOP    frame, count=4
          HALT
"""
TILE_2 = "MESH north_to_net=all, net_to_west=all\nHALT"
ILP_0 = "PULSE load_pointer\nframe:\n@20 PULSE fire, advance=1\n@499 LOOP frame, count=4\nHALT"
OLP_0 = "COUNT load_pointer\nframe:\n@300 COUNT open\n@420 COUNT store\n@499 LOOP frame, count=4\nHALT"


def by_hand(listings: Mapping[Unit, str] | None = None, **changes) -> Program:
    """Tile (0, 0) integrates what ILP W sends and is read out over tile (1, 0) by OLP W; four frames of 500 cycles."""
    texts = {Unit(TILE, 0): TILE_0, Unit(TILE, 2): TILE_2, Unit(ILP, 0): ILP_0, Unit(OLP, 0): OLP_0, **(listings or {})}
    parts = {
        "config": _SMALL,
        "frame_cycles": 500,
        "frames_per_run": 4,
        "units": {unit: assemble(text, unit.kind, _SMALL, str(unit)) for unit, text in texts.items()},
        "inputs": (InputSlot(ilp=0, slot=0, stride=1, slice=0, first=0, count=16, sign=1),),
        "outputs": (OutputSlot("layer0", 0, olp=0, slot=0, stride=1, width=16),),
        "origins": {Unit(ILP, 0): 1, Unit(OLP, 0): 1},
    }
    return Program(**{**parts, **changes})
