"""What tests of several rooms share: the words of several units, each program in a line of text."""

from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import ChipConfig, preset

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
