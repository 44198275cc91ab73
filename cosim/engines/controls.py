"""A tile's control banks as the physics takes them: one place for every engine that decodes words.

The golden model has its own, for it is independent.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from analog_models.events import EventKind, TileControls, TileEvent

__all__ = ["array_controls", "ramp_controls", "write_event"]


def array_controls(bank: Mapping[str, int]) -> TileControls:
    """Controls of an integration, from the fields of ARRAY."""
    return _array_controls(*map(bank.__getitem__, _ARRAY))


_ARRAY = ("wp1", "wp2", "discharge", "capacitors", "share_north", "share_south")


@cache
def _array_controls(
    wp1: int, wp2: int, discharge: int, capacitors: int, share_north: int, share_south: int
) -> TileControls:
    """There are a few hundred at most."""
    return TileControls(
        wp1=bool(wp1),
        wp2=bool(wp2),
        discharge=bool(discharge),
        capacitors=capacitors,
        share_north=bool(share_north),
        share_south=bool(share_south),
    )


def ramp_controls(bank: Mapping[str, int]) -> TileControls:
    """Controls of a ramp, from the fields of READOUT."""
    return TileControls(ramp_start=bank["ramp_start"], ramp_slope=bank["ramp_slope"])


def write_event(tile: int, cycle: int, bank: Mapping[str, int], column_time: NDArray[np.uint16]) -> TileEvent:
    """The end of a programming pulse, from the fields of WRITE and the columns' high times (frames, lanes)."""
    return TileEvent(
        tile,
        EventKind.WRITE,
        cycle,
        column_time=column_time,
        write_row=bank["row"],
        device=bank["device"],
        reset=bool(bank["reset"]),
        return_line=bank["return_line"],
    )
