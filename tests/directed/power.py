"""The paper's power test: 32 vectors that loop for ever, every tile at work, JUMP at the end of each frame.

Source: "a set of 32 exemplar input vectors that filled up the ILP SRAM to capacity. By overflowing the address pointer
of the ILP, it is possible to repeat the same set of 32 vectors ad infinitum" (Nature 620, 768 (2023), Methods).
"""

from collections.abc import Mapping

import numpy as np

from analog_models.programming import WeightTargets
from cosim.experiment import Experiment
from cosim.isa.assembler import assemble
from rtl.config import Edge, Square
from tests.directed.script import (
    CHIP,
    PLAN,
    Case,
    Way,
    along,
    code,
    pad,
    random_codes,
    random_weights,
    rows,
    tile,
)

FRAME = 600

_INTEGRATE = """
frame:  @0    MESH    {tree}
        @2    ARRAY   precharge, capacitors=5
        @14   ARRAY   capacitors=5
        @16   ARRAY   integrate, wp1, capacitors=5
        @280  ARRAY   wp1, capacitors=5
"""
#: The six tiles at the output landing pads are read in the second half of the frame.
_READ = """
        @300  MESH    columns_to_net=all, net_to_{edge}=all
        @310  READOUT ramp, ramp_start=78, ramp_slope=102
        @318  READOUT ramp, ramp_start=78, ramp_slope=102, output_enable
        @573  READOUT
"""
_AGAIN = "        @599  JUMP    frame"
_SEND = "frame: @18 PULSE fire, advance=1 \n @599 JUMP frame"
_COUNT = "frame: @314 COUNT open \n @584 COUNT store \n @599 JUMP frame"


def tree() -> Way:
    """From the ILP in the south-west over column 0 and along every row, into the rows of all 34 tiles."""
    way: dict[Square, dict[str, str]] = {square: {"net_to_rows": "all"} for square in PLAN.tiles}
    east = [(row, *range(6)) for row in (0, 1, 4, 5)]
    branches = [
        along("ILP SW", (4, 0), (3, 0), (2, 0), (1, 0), (0, 0)),
        along((4, 0), (5, 0)),
        *(along(*((row, column) for column in columns)) for row, *columns in east),
        *(along((row, 0), (row, 1)) for row in (2, 3)),  # beside the holes
        along((4, 3), (3, 3), (2, 3)),
        *(along((row, 3), (row, 4), (row, 5)) for row in (2, 3)),
    ]
    for branch in branches:
        for square, switches in branch.items():
            way[square].update(switches)
    return way


def power_test(frames: int) -> Case:
    """32 vectors that loop for ever over the ILP's pointer, into the rows of all 34 tiles; six tiles are read in each
    frame of 600 cycles. No unit halts: the local controllers JUMP back to the frame's begin until the host stops them.
    """
    random = np.random.default_rng(21)
    codes = random_codes(random, CHIP.ilp_vectors, unit=15)
    sites: Mapping[Square, tuple[str, Edge]] = {
        site.square: (domain, site.edge) for domain, site in zip(PLAN.domains, PLAN.olp_sites, strict=True)
    }
    listings = {pad("ILP SW"): _SEND} | {pad(f"OLP {domain}"): _COUNT for domain in PLAN.domains}
    weights, results = {}, {}
    for square, switches in tree().items():
        fields = ", ".join(f"{name}={pattern}" for name, pattern in switches.items())
        read = _READ.format(edge=sites[square][1]) if square in sites else ""
        listings[tile(square)] = _INTEGRATE.format(tree=fields) + read + _AGAIN
    for square, (domain, _) in sites.items():
        matrix = random_weights(random)
        weights[tile(square).index] = WeightTargets(rows(matrix))
        results[domain] = code(codes @ matrix, 5 * 6)[:frames]
    experiment = Experiment(
        CHIP,
        units={unit: assemble(text, unit.kind, CHIP, str(unit)) for unit, text in listings.items()},
        vectors={pad("ILP SW").index: codes.astype(np.uint8)},
        weights=weights,
        cycles=FRAME * frames - 2,
        name="power test",
    )
    return Case(experiment, results, {21: "one vector to the rows of all tiles", 321: "six tiles are read"})
