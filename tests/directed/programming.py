"""One round of closed-loop programming of a row, as programs: four passes of pulses on the columns, then reads.

The landing pad holds what the host decides: vectors 0 and 1 are the widths of the partial SET pulses on G+ and on G-,
vectors 2 and 3 the columns to RESET, vector 4 is a pulse on the row, for the reads. The programs stay the same from
round to round.

Source: "all 512 weights in the same row are updated at the same time", "only one of the four PCM devices was programmed
each time" (Nature 620, 768 (2023), Methods).
"""

import numpy as np

from cosim.experiment import Experiment
from cosim.isa.assembler import assemble
from cosim.program import Unit
from tests.directed.script import CHIP, LANES, Case, pad, tile

HERE, BELOW = (4, 0), (5, 0)
ROW = 77
PROBE_NS = 255
#: Codes of a read: zero, and how much a weight of 1 adds (docs/physics.md: 0.46875 mV a ns, 0.9375 mV a cycle).
ZERO, CODES_PER_WEIGHT = 128, PROBE_NS / 2

_TILE = """
        @0    MESH    west_to_net=all, net_to_columns=all
        @16   WRITE   write, row={row}, device=wp1_plus, return_line=150
        @280  WRITE
        @316  WRITE   write, row={row}, device=wp1_minus, return_line=150
        @580  WRITE
        @616  WRITE   write, row={row}, device=wp1_plus, reset, return_line=250
        @880  WRITE
        @916  WRITE   write, row={row}, device=wp1_minus, reset, return_line=250
        @1180 WRITE
        @1199 MESH    west_to_rows=all, columns_to_south=all
read:   @2    ARRAY   precharge, capacitors=1
        @14   ARRAY   capacitors=1
        @16   ARRAY   integrate, wp1, capacitors=1
        @280  ARRAY   wp1, capacitors=1
        @310  READOUT ramp, ramp_start=126, ramp_slope=34, output_enable
        @573  READOUT
        @599  LOOP    read, count={reads}
              HALT
"""
_ILP = """
        @0    PULSE   load_pointer, pointer=0
        @18   PULSE   fire, advance=1
        @318  PULSE   fire, advance=1
        @618  PULSE   fire, advance=1
        @918  PULSE   fire, advance=1
        @1199 NOP
read:   @18   PULSE   fire
        @599  LOOP    read, count={reads}
              HALT
"""
_OLP = """
        @0    COUNT   load_pointer, pointer=0
        @1199 NOP
read:   @314  COUNT   open
        @584  COUNT   store
        @599  LOOP    read, count={reads}
              HALT
"""
_BELOW = "MESH north_to_net=all, net_to_west=all \n HALT"


def round_of(reads: int) -> dict[Unit, tuple[int, ...]]:
    """The words of a round with so many reads."""
    listings = {tile(HERE): _TILE, tile(BELOW): _BELOW, pad("ILP SW"): _ILP, pad("OLP SW"): _OLP}
    return {
        unit: assemble(text.format(row=ROW, reads=reads), unit.kind, CHIP, str(unit)) for unit, text in listings.items()
    }


def vectors(plus: np.ndarray, minus: np.ndarray, reset_plus: np.ndarray, reset_minus: np.ndarray) -> np.ndarray:
    """The landing pad's content, uint8 (5, lanes), from the widths in ns on either device."""
    probe = np.where(np.arange(LANES) == ROW, PROBE_NS, 0)
    return np.array([plus, minus, reset_plus, reset_minus, probe], np.uint8)


def programming_round() -> Case:
    """One round of closed-loop programming of a row: partial SET pulses on G+, then on G-; RESET of some columns of
    each; then the row is read twice.

    With ideal devices all of it can be foretold: codes are 128 + 127.5 (G+ - G-) in units of g_max.
    """
    random = np.random.default_rng(31)
    plus, minus = random.integers(0, 256, (2, LANES))
    reset_plus, reset_minus = 255 * (random.random((2, LANES)) < 0.2)
    # docs/physics.md: G moves by (g_set - G)(1 - exp(-width / tau)), kept in units of g_max / 2**18; RESET leaves 0.
    g_plus, g_minus = np.rint(30 / 25 * (1 - np.exp(-np.array([plus, minus]) / 400)) * 2**18) / 2**18
    weight = np.where(reset_plus, 0, g_plus) - np.where(reset_minus, 0, g_minus)
    codes = np.clip(np.floor(ZERO + CODES_PER_WEIGHT * weight + 0.5), 0, 255)
    experiment = Experiment(
        CHIP,
        units=round_of(reads=2),
        vectors={pad("ILP SW").index: vectors(plus, minus, reset_plus, reset_minus)},
        cycles=2500,
        name="programming",
    )
    steps = {21: "SET pulses on G+", 321: "SET pulses on G-", 621: "RESET of G+", 921: "RESET of G-"}
    steps |= {1221: "a pulse on the row", 1521: "the weights are read"}
    return Case(experiment, {"SW": np.array([codes, codes])}, steps)
