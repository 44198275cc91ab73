"""Which capacitors may have been at a rail on the way through merged phases.

A group of phases that read the same pulses is one sum. By the end of one of them it is taken to have moved an even
share, and the largest possible error of that is allowed for. Asymmetry balance reads W and -W: the error is that of
programming and mismatch, a small part of the distance between the rails.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np
from numpy.typing import NDArray

from analog_models.phases import Group

__all__ = ["Course", "Level", "Spots", "blocks", "near_rails", "of_frames"]

Array = NDArray[np.float64]
#: (B, columns), or a number that holds for all.
Level = Array | float
#: Largest and smallest of each column over a batch, or numbers that hold for all.
Extremes = tuple[Level, Level]
#: Index arrays, one entry for each capacitor: frame and column.
Spots = tuple[NDArray[np.intp], NDArray[np.intp]]

_NONE = np.zeros(0, np.intp)
_NOWHERE: Spots = _NONE, _NONE
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
        weights = [weight.max(axis=0) for weight in self.weights_mv]
        slacks = [0.0 if slack is None else float(slack.max(initial=0)) for slack in self.slacks_mv]
        shift = float(np.abs(self.shift_mv).max(initial=0)) + _GUARD_MV
        object.__setattr__(self, "_largest", (shift, weights, slacks))

    def reach_mv(self, sums: Sequence[Extremes], norms: Sequence[float]) -> Level:
        """No voltage of a column can have moved further than this in any phase: (columns,)."""
        shift, weights, slacks = self._largest  # type: ignore[attr-defined]
        reach: Level = shift + sum(map(mul, slacks, norms))
        for (highest, lowest), weight in zip(sums, weights, strict=True):
            reach = reach + weight * np.maximum(highest, np.negative(lowest))
        return reach


def near_rails(
    course: Course,
    groups: Sequence[Group],
    rails_mv: tuple[float, float],
    frames: int,
    before: Callable[[tuple], Level],
) -> tuple[Spots, NDArray[np.intp]]:
    """Find capacitors in doubt: with the extremes of each column, of all phases and then of each, then frame by frame.

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
    ending : (n,) integers
        Columns in which some may be outside at the end of the last.
    """
    low, high = rails_mv
    level = before((slice(None), slice(None)))
    highest, lowest = _extremes(level)
    room = (np.minimum if isinstance(level, np.ndarray) else min)(high - highest, lowest - low)
    extremes = [_extremes(group.sums) for group in groups]
    norms = [group.norm() for group in groups]
    if np.less(course.reach_mv(extremes, norms), room).all():
        return _NOWHERE, _NONE
    top, bottom = course.shift_mv + (highest + _GUARD_MV), course.shift_mv + (lowest - _GUARD_MV)
    moved = zip(extremes, norms, course.weights_mv, course.slacks_mv, strict=True)
    for (highest, lowest), norm, weight, slack in moved:
        top += weight * highest
        bottom += weight * lowest
        if slack is not None:
            top += slack * norm
            bottom -= slack * norm
    doubt = (top > high) | (bottom < low)
    ending = np.flatnonzero(doubt[-1])
    if not doubt[:-1].any():
        return _NOWHERE, ending

    suspects, last = np.flatnonzero(doubt[:-1].any(axis=0)), np.flatnonzero(doubt[:-1].any(axis=1))[-1]
    chosen = slice(None) if 2 * suspects.size > doubt.shape[1] else suspects
    found: list[Spots] = []
    for part in blocks(frames):
        start = before((part, chosen))
        near: NDArray[np.bool_] | bool = False
        sums = [of_frames(group.sums, (part, chosen)) for group in groups]
        for number in range(last + 1):
            v_mv = start + course.shift_mv[number, chosen]
            spare: Level = _GUARD_MV
            for group, total, weight, slack in zip(groups, sums, course.weights_mv, course.slacks_mv, strict=True):
                factor = weight[number, chosen]
                if factor.any():
                    v_mv = v_mv + factor * total
                if slack is not None:
                    spare = spare + slack[number, chosen] * group.norm(part)
            near = near | (v_mv > high - spare) | (v_mv < low + spare)
        doubted = np.broadcast_to(near, (part.stop - part.start, np.shape(near)[-1]))
        rows, places = np.nonzero(doubted)
        found.append((rows + part.start, places if isinstance(chosen, slice) else suspects[places]))
    return (np.concatenate([rows for rows, _ in found]), np.concatenate([places for _, places in found])), ending


def blocks(frames: int, size: int = _BLOCK) -> list[slice]:
    """Frames 0 to `frames` - 1 in blocks, by default such that fit into the cache."""
    if frames <= size:
        return [slice(0, frames)]
    return [slice(start, min(start + size, frames)) for start in range(0, frames, size)]


def of_frames(array: Array, at: slice | tuple) -> Array:
    """``array[at]``, where an only row stands for all frames."""
    if len(array) > 1:
        return array[at]
    if isinstance(at, slice):
        return array
    frames, columns = at
    return array[:, columns] if isinstance(frames, slice) else array[0, columns]


def _extremes(level: Level) -> Extremes:
    """Largest and smallest of each column."""
    if not isinstance(level, np.ndarray):
        return level, level
    return (level[0], level[0]) if len(level) == 1 else (level.max(axis=0), level.min(axis=0))
