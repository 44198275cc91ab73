"""Pulses as pairs of cycles: what links carry, the first pulse of a wire, what a pad's receiver makes of several."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from analog_models.reception import NO_SLIP, SLIPS, Reception
from cosim.fabric.events import Link, Pulse

__all__ = ["MAX_TIME", "Durations", "Span", "Times", "first_pulse", "open_windows", "received"]

#: Cycles, and ns that a wire is high; half the memory is twice the speed.
Times = NDArray[np.int32]
Durations = NDArray[np.uint16]
Span = tuple[Times, Times]

#: Longest high time that a tile's counters hold, ns.
MAX_TIME = 511


def open_windows(link: Link) -> Iterator[tuple[int, int]]:
    """When a link carries its source's pulses: start and stop in cycles after the pulses' rise."""
    source = link.source
    for opens, closes in ((source.start, source.stop),) if isinstance(source, Pulse) else source.windows:
        start, stop = max(opens, source.start, link.start), min(closes, source.stop, link.stop)
        if stop > start:
            yield min(start - source.start, MAX_TIME), min(stop - source.start, MAX_TIME)


def first_pulse(spans: Sequence[Span]) -> Times:
    """Length of the first pulse of each wire, (frames, lanes); spans that touch or overlap are one pulse."""
    if len(spans) == 1:
        return np.maximum(spans[0][1] - spans[0][0], 0)
    count: Times = np.zeros((), np.int32)
    end = count
    for start, stop in spans:
        counted = (stop > start) & ((count == 0) | (start <= end))
        count = count + np.where(counted, stop - np.where(count == 0, start, end), 0)
        end = np.where(counted, stop, end)
    return count


def received(spans: Sequence[Span], reception: Reception, window_end: int) -> list[Span]:
    """What a landing pad's receiver makes of the pulses on its wires: docs/fabric.md, "Receivers".

    Parameters
    ----------
    spans : sequence of (start, stop)
        First cycle and first cycle after each pulse, (frames, lanes) each, empty where stop <= start; in the order of
        time on every lane, and within the window.
    reception : Reception
    window_end : int
        First cycle after the window.

    Returns
    -------
    list of (start, stop)
        The same for the counters; spans may touch or overlap.
    """
    if not spans:
        return []
    never = np.int64(np.iinfo(np.int64).max)  # not a Python int: it would take on the type of the cycles, and wrap
    first_rise = np.min([np.where(stop > start, start, never).min(axis=1) for start, stop in spans], axis=0)
    first_rise = np.where(first_rise == never, 0, first_rise)  # nothing rises in this frame: any number will do
    # A slip is at a sample; every edge behind it comes a cycle later or, if the sample is missed, a cycle earlier.
    slips = np.where(reception.slips == NO_SLIP, never, first_rise[:, None] + reception.slips)
    late, step = (SLIPS, -1) if reception.missed else (0, 1)

    def arrival(edge: Times) -> Times:
        return edge + late + step * sum((edge > slip[:, None]).astype(np.int64) for slip in slips.T)

    heard = [(arrival(start), np.where(stop > start, arrival(stop), arrival(start))) for start, stop in spans]
    heard = _coalesced(heard)
    moves = reception.moves.astype(np.int64)
    moved = []
    for start, stop in heard:
        begin, end = start + np.maximum(-moves, 0), stop + np.maximum(moves, 0)
        there = (stop > start) & (end > begin)
        moved.append((np.where(there, begin, 0), np.where(there, np.minimum(end, window_end), 0)))
    return moved


def _coalesced(spans: list[Span]) -> list[Span]:
    """Spans that touch as one, in the place of the first of them; the others become empty."""
    done: list[Span] = []
    for start, stop in spans:
        for index, (first, last) in enumerate(done):
            joins = (stop > start) & (last > first) & (last == start)
            done[index] = first, np.where(joins, stop, last)
            stop = np.where(joins, start, stop)
        done.append((start, stop))
    return done
