"""Which capacitors may have been at a rail on the way through merged phases.

A group of phases that read the same pulses is one sum. By the end of one of them it is taken to have moved an even
share, and the largest possible error of that is allowed for. Asymmetry balance reads W and -W: the error is that of
programming and mismatch, a small part of the distance between the rails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.phases import Group

__all__ = ["Course", "Level", "Spots", "blocks", "near_rails", "of_frames"]

Array = NDArray[np.float64]
#: (B, columns), or a number that holds for all.
Level = Array | float
#: Index arrays, one entry for each capacitor: frame and column.
Spots = tuple[NDArray[np.intp], NDArray[np.intp]]

#: By how much an estimate may be off besides: rounding, generously.
_GUARD_MV = 1e-6
#: Frames worked on at once between products: 128 x 512 float64 stay in the cache.
_BLOCK = 128


@dataclass(frozen=True)
class Course:
    """How voltages go through merged phases, whatever the pulses are.

    Parameters
    ----------
    shift_mv : (phases, columns)
        What droop and injected charges have added by the end of each phase.
    weights_mv : (phases, columns) of each group
        mV for one unit of the group's sum by then, if it has moved an even share of it.
    slacks_mv : (phases, columns) of each group, or None
        Largest error of that, for pulses of norm 1; None for a single phase.
    """

    shift_mv: Array
    weights_mv: tuple[Array, ...]
    slacks_mv: tuple[Array | None, ...]

    @classmethod
    def of(cls, shift_mv: Array, groups: Sequence[Group], scales_mv: Sequence[Array]) -> "Course":
        """`scales_mv` are mV for one unit of each group's sum, (columns,)."""
        weights, slacks = [], []
        for group, scale in zip(groups, scales_mv, strict=True):
            done = np.zeros(len(shift_mv), np.intp)
            for number in group.phases:
                done[number:] += 1
            weights.append(np.multiply.outer(done / len(group.phases), scale))
            slack = group.deviations()[done, : len(scale)] * np.abs(scale) if len(group.phases) > 1 else None
            slacks.append(slack)
        return cls(shift_mv, tuple(weights), tuple(slacks))

    def __post_init__(self) -> None:
        """Largest entries, for `reach_mv`."""
        weights = [float(weight.max(initial=0)) for weight in self.weights_mv]
        slacks = [0.0 if slack is None else float(slack.max(initial=0)) for slack in self.slacks_mv]
        object.__setattr__(self, "_largest", (float(np.abs(self.shift_mv).max(initial=0)), weights, slacks))

    def reach_mv(self, groups: Sequence[Group]) -> float:
        """No voltage of any frame or column can have moved further than this."""
        shift, weights, slacks = self._largest  # type: ignore[attr-defined]
        reach: float = shift + _GUARD_MV
        for group, weight, slack in zip(groups, weights, slacks, strict=True):
            reach += weight * max(group.sums.max(initial=0), -group.sums.min(initial=0))
            if slack:
                reach += slack * group.norms.max()
        return reach


def near_rails(
    course: Course,
    groups: Sequence[Group],
    rails_mv: tuple[float, float],
    frames: int,
    before: Callable[[tuple], Level],
) -> tuple[Spots, NDArray[np.bool_]]:
    """Find capacitors in doubt: first with the extremes of each column, then frame by frame where these do not do.

    Parameters
    ----------
    course : Course
    groups : sequence of Group
        Summed up.
    rails_mv : low, high
    frames : int
        The batch.
    before : callable
        Voltage at the beginning, `Course.shift_mv` apart, of some (frames, columns).

    Returns
    -------
    passing : Spots
        Those that may have been outside the rails at the end of a phase before the last.
    ending : (columns,) bool
        Columns in which some may be outside at the end of the last.
    """
    low, high = rails_mv
    start = before((slice(None), slice(None)))
    nowhere, nothing = np.zeros(len(course.shift_mv[0]), bool), (np.zeros(0, np.intp), np.zeros(0, np.intp))
    if not isinstance(start, np.ndarray) and abs(start) + course.reach_mv(groups) < min(-low, high):
        return nothing, nowhere  # not even if all the largest sums came together in one column
    highest, lowest = _extremes(start) if isinstance(start, np.ndarray) else (start, start)
    top, bottom = course.shift_mv + (highest + _GUARD_MV), course.shift_mv + (lowest - _GUARD_MV)
    for group, weight, slack in zip(groups, course.weights_mv, course.slacks_mv, strict=True):
        highest, lowest = _extremes(group.sums)
        top += weight * highest
        bottom += weight * lowest
        if slack is not None:
            spare = slack * group.norms.max()
            top += spare
            bottom -= spare
    doubt = (top > high) | (bottom < low)
    ending = doubt[-1]
    if not doubt[:-1].any():
        return nothing, ending

    suspects, last = np.flatnonzero(doubt[:-1].any(axis=0)), np.flatnonzero(doubt[:-1].any(axis=1))[-1]
    chosen = slice(None) if 2 * suspects.size > len(ending) else suspects
    found: list[Spots] = []
    for part in blocks(frames):
        start = before((part, chosen))
        near: NDArray[np.bool_] | bool = False
        sums = [of_frames(group.sums, (part, chosen)) for group in groups]
        for number in range(last + 1):
            v_mv = start + course.shift_mv[number, chosen]
            spare = _GUARD_MV
            for group, moved, weight, slack in zip(groups, sums, course.weights_mv, course.slacks_mv, strict=True):
                factor = weight[number, chosen]
                if factor.any():
                    v_mv = v_mv + factor * moved
                if slack is not None:
                    spare = spare + slack[number, chosen] * of_frames(group.norms, part).max()
            near = near | (v_mv > high - spare) | (v_mv < low + spare)
        doubted = np.broadcast_to(near, (part.stop - part.start, np.shape(near)[-1]))
        rows, places = np.nonzero(doubted)
        found.append((rows + part.start, places if isinstance(chosen, slice) else suspects[places]))
    return (np.concatenate([rows for rows, _ in found]), np.concatenate([places for _, places in found])), ending


def blocks(frames: int) -> list[slice]:
    """Frames 0 to `frames` - 1 in blocks that fit into the cache."""
    return [slice(start, min(start + _BLOCK, frames)) for start in range(0, frames, _BLOCK)]


def of_frames(array: Array, at: slice | tuple) -> Array:
    """``array[at]``, where an only row stands for all frames."""
    if len(array) > 1:
        return array[at]
    if isinstance(at, slice):
        return array
    frames, columns = at
    return array[:, columns] if isinstance(frames, slice) else array[0, columns]


def _extremes(sums: Array) -> tuple[Array, Array]:
    """Largest and smallest of each column."""
    return (sums[0], sums[0]) if len(sums) == 1 else (sums.max(axis=0), sums.min(axis=0))
