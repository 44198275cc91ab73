"""The sizes that docs/fabric.md names, and floorplans that are none."""

from dataclasses import replace

import pytest
from amaranth.lib import data

from rtl.config import Edge, PadSite, preset
from rtl.isa import ArrayBank, BiasBank, MeshBank, ReadoutBank, WriteBank

CHIP = preset()


def test_sizes_of_the_specification() -> None:
    assert (CHIP.lanes, CHIP.code_bits, CHIP.ilp_vectors, CHIP.max_code) == (512, 8, 32, 255)
    assert (CHIP.tile_count, CHIP.domain_count, CHIP.bias_rows, CHIP.total_rows) == (34, 6, 8, 520)


def test_bits_of_the_control_signals() -> None:
    widths = [data.Layout.cast(bank).size for bank in (MeshBank, ArrayBank, ReadoutBank, BiasBank, WriteBank)]
    assert sum(widths) == 157
    assert len(list(data.Layout.cast(MeshBank))) * CHIP.lanes == 7168
    assert len(Edge) * CHIP.lanes == 2048


def test_tiles_that_share_capacitors() -> None:
    """Rows 0 and 1, 2 and 3, 4 and 5: every tile has a partner, for both holes are in one pair."""
    tiles = CHIP.floorplan.tiles
    pairs = [(tiles[north], tiles[south]) for north, south in CHIP.floorplan.capacitor_pairs()]
    assert all(north[0] % 2 == 0 and south == (north[0] + 1, north[1]) for north, south in pairs)
    assert len(pairs) == 17


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (PadSite((0, 0), Edge.EAST), r"east edge of tile \(0, 0\) is taken by its neighbour"),
        (PadSite((0, 2), Edge.WEST), r"landing pad at \(0, 2\) touches no tile"),
        (PadSite((1, 0), Edge.WEST), "two landing pads share one tile edge"),
    ],
)
def test_landing_pads_sit_on_free_outer_edges(site: PadSite, message: str) -> None:
    plan = preset("small").floorplan
    with pytest.raises(ValueError, match=message):
        replace(plan, ilp_sites=(site, *plan.ilp_sites[1:]))
