"""What two engines saw of the same session, compared as far as the specification goes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cosim.experiment import Record

__all__ = ["differences"]


def differences(expected: Sequence[Record], actual: Sequence[Record]) -> list[str | None]:
    """First difference of each experiment of a session, in words, or None where there is none.

    Pulses in a closed loop are not specified: of an experiment with one only cycles, flags and pointers are compared,
    and its results not until they are stored anew. `expected` comes from the golden model, which knows.
    """
    unknown: set[tuple[int, int]] = set()  # results of closed loops
    found = []
    for golden, other in zip(expected, actual, strict=True):
        stored = {(olp, slot) for olp, slot in golden.statistics["stored"]}
        if golden.statistics["closed_loop"]:
            unknown |= stored
            golden, other = (replace(record, results={}, events=(), crossings={}) for record in (golden, other))
        else:
            unknown -= stored
            golden, other = _without(golden, unknown), _without(other, unknown)
        found.append(golden.difference(other))
    return found


def _without(record: Record, slots: set[tuple[int, int]]) -> Record:
    """The record with some results set to zero."""
    if not slots:
        return record
    results = {olp: np.array(codes) for olp, codes in record.results.items()}
    for olp, slot in slots:
        results[olp][slot] = 0
    return replace(record, results=results)
