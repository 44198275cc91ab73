"""What crosses the boundary between the digital fabric and the physics of a tile: one record per event.

A simulation shell around the analog macro (RTL engine) or a program walk (twin engine) makes these records;
`analog_models.chip.AnalogChip.serve` answers them. The batch dimension B is 1 in the RTL engine and the number of
frames in the twin: every array of an event has B as its first dimension.

Source
------
The event table of docs/fabric.md, "Analog boundary of a tile". That the physics is woken per event and not per
nanosecond is our assumption: between two events every current is constant or zero.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from analog_models.values import whole_number

__all__ = ["EventKind", "TileControls", "TileEvent"]


class EventKind(IntEnum):
    """What happened; events of one cycle are served in this order (sharing follows INTEGRATE)."""

    PRECHARGE = 0  #: precharge is no longer in force: the capacitors float from here
    INTEGRATE = 1  #: integrate is no longer in force: the row pulses have moved their charge
    RAMP = 2  #: ramp has come in force: the comparators answer
    WRITE = 3  #: write is no longer in force: one device of one row has seen the column pulses


@dataclass(frozen=True)
class TileControls:
    """The analog control signals of a tile's local controller that the physics needs.

    An INTEGRATE event carries those of the integration's first cycle and reads all but the ramp's two; a RAMP event
    reads only `ramp_start` and `ramp_slope`.

    Parameters
    ----------
    wp1, wp2 : bool
        Rows read the first (G+, G-), the second (g+, g-), or both pairs of devices.
    discharge : bool
        Polarity: the sign of the current is flipped.
    capacitors : int
        Parallel 50 fF capacitors per column, 0 to 8.
    share_north, share_south : bool
        Connect the capacitors with the northern or southern neighbour's, which must share back.
    ramp_start : int
        Start voltage of the ramp, LSB 5 mV, 0 to 255.
    ramp_slope : int
        Slope of the ramp, 128 is 0.9 V in 255 ns, 1 to 255; 0 is a ramp that stands still.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Source
    ------
    ArrayBank and ReadoutBank of the instruction word, docs/fabric.md.
    """

    wp1: bool = True
    wp2: bool = False
    discharge: bool = False
    capacitors: int = 5
    share_north: bool = False
    share_south: bool = False
    ramp_start: int = 60
    ramp_slope: int = 128

    def __post_init__(self) -> None:
        for name, low, high in (("capacitors", 0, 8), ("ramp_start", 0, 255), ("ramp_slope", 0, 255)):
            object.__setattr__(self, name, whole_number(getattr(self, name), name, low, high))


@dataclass(frozen=True)
class TileEvent:
    """One event at one tile.

    Parameters
    ----------
    tile : int
        Index of the tile on the chip.
    kind : EventKind
    cycle : int
        The event's cycle (1 ns) counted from the start of its frame. It keys the noise and gives the time of droop, so
        both engines must count alike; it may exceed the frame period when a readout overlaps the next frame.
    controls : TileControls
        Signals in force; only INTEGRATE and RAMP read them.
    row_time : (B, rows + bias rows) uint16, ns
        INTEGRATE: high time of each row while the integration was in force, 0 to 511.
    column_time : (B, columns) uint16, ns
        WRITE: high time of each column pulse (IN-to-col).
    write_row : int
        WRITE: word line; bias rows follow the mesh rows.
    device : int
        WRITE: 0 G+, 1 G-, 2 g+, 3 g-.
    reset : bool
        WRITE: RESET (melt) instead of partial SET.
    return_line : int
        WRITE: return-line voltage, LSB 12 mV.
    """

    tile: int
    kind: EventKind
    cycle: int
    controls: TileControls | None = None
    row_time: NDArray[np.uint16] | None = None
    column_time: NDArray[np.uint16] | None = None
    write_row: int = 0
    device: int = 0
    reset: bool = False
    return_line: int = 0
