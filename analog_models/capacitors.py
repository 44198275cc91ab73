"""The capacitors of a tile, or of two tiles that share them, from one observation to the next.

Between two observations (a ramp, a change of the connected capacitors or of sharing) charge only adds up. A `Node`
keeps it as exact integers, so that it makes no difference in how many products it was summed: phases that read the same
pulses are merged into one matrix product, and voltages are formed when somebody looks.

Saturation breaks the sum: it is judged at the end of each phase. Merged phases show where a column *may* have come near
a rail on the way, and those few columns are walked through phase by phase.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from operator import mul

import numpy as np
from numpy.typing import NDArray

from analog_models.circuits import Circuits
from analog_models.crossbar import MAX_PHASES, keep
from analog_models.noise import Draw
from analog_models.phases import Group, Move, NoiseKey, Phases
from analog_models.saturation import Course, Level, Spots, blocks, near_rails, of_frames

__all__ = ["Frames", "Node"]

Array = NDArray[np.float64]
Frames = NDArray[np.int64]

#: Phases that wait for evaluation at most: their pulses take memory.
_WAITING = 16
#: Frames that are evaluated at once: what lies between their products stays near the processor, in memory used before.
_TOGETHER = 256
#: Share of the capacitors near a rail from which on merging is not worth while.
_FEW = 0.01


class Node:
    """Connected capacitors of every column of one tile, or of two, for a batch of B frames.

    Parameters
    ----------
    circuits : tuple of Circuits
        Of one tile, or of a northern and a southern one.
    frames : (B,) int64
    cycle : int
        From here on it floats.
    capacitors : tuple of int
        Connected ones, for each tile; empty if nobody knows yet.
    start_mv : (B, columns) float64 or 0
        Voltage in `cycle`, relative to the precharge level.
    columns : int, optional
        Only so many columns, from the first on, will be looked at; by default all.

    Members
    -------
    now : int
        Cycle of the last event.
    """

    def __init__(
        self,
        circuits: tuple[Circuits, ...],
        frames: Frames,
        cycle: int,
        capacitors: tuple[int, ...] = (),
        start_mv: Level = 0.0,
        *,
        columns: int | None = None,
    ) -> None:
        self.circuits, self.frames = circuits, frames
        #: Names the one Gaussian per column that the next look draws: cycle and kind.
        self._key: tuple[int, Draw] | None
        self.columns = circuits[0].count if columns is None else columns
        self.now = cycle
        self._periphery = circuits[0].periphery
        self._begin(cycle, start_mv)
        self._connect(capacitors)

    def _connect(self, capacitors: tuple[int, ...]) -> None:
        self.capacitors = capacitors
        constants = [tile.constants(sum(capacitors), self.columns) for tile in self.circuits]
        # mV for one signal unit, for one phase's injected charge, and mV^2 for one unit of variance, for each tile.
        self._scales_mv, self._offsets_mv, self._units_mv2 = zip(*constants, strict=True)

    def latch(self, capacitors: tuple[int, ...]) -> None:
        """It was precharged, and these capacitors are connected: the first look adds the precharge's kT/C noise."""
        self._connect(capacitors)
        self._key = (self.cycle, Draw.PRECHARGE)
        self._undrawn_mv2 = self._periphery.reset_noise_mv(sum(capacitors) * self._periphery.capacitor_ff) ** 2

    def _begin(self, cycle: int, start_mv: Level) -> None:
        """Nothing has happened since `cycle`."""
        self.cycle, self._start_mv = cycle, start_mv
        self._key = None
        self._undrawn_mv2 = 0.0
        self._waiting = Phases()
        # Of each tile: signal and variance in whole units, and phases, in each of which its switches inject charge.
        self._signals: list[Level] = [0.0] * len(self.circuits)
        self._variances: list[Level] = [0.0] * len(self.circuits)
        self._counts = [0] * len(self.circuits)
        # What the rails have taken, and the noise that was forgotten there.
        self._lost_mv: Level = 0.0
        self._forgotten_mv2: Level = 0.0

    @property
    def untouched(self) -> bool:
        """Whether nothing is known but that it was precharged."""
        return not self.capacitors

    # Charge ---------------------------------------------------------------------------------------------------------

    def add(self, cycle: int, moves: Sequence[Move]) -> None:
        """A phase ends in `cycle`, in one tile or in both. Its pulses are read later: do not change them."""
        if self._key is None:
            self._key = cycle, Draw.READ
        self._waiting.add(cycle, moves, [tile.array for tile in self.circuits])
        if not any(self.capacitors):
            self._pull_to_rail()
        elif len(self._waiting) >= _WAITING:
            self.settle()
            if max(self._counts) > MAX_PHASES - _WAITING:
                self.observe(cycle)  # or sums could leave the exact integers

    def settle(self) -> None:
        """Turn waiting phases into charge; when and how often this happens makes no difference."""
        if len(self._waiting):
            phases, self._waiting = self._waiting, Phases()
            self._merge(phases)

    def _merge(self, phases: Phases) -> None:
        groups = phases.groups
        for group in groups:
            group.compute(self.columns)
        course = self._course(phases)
        passing, ending = near_rails(course, groups, self._periphery.rails_mv, len(self.frames), self._before)
        if len(passing[0]) > _FEW * len(self.frames) * self.columns:
            for number in range(len(phases)):
                self._merge(phases.alone(number))
            return
        shares = _pulse_shares(groups)
        cells = {group.member: group.cells for group in groups}
        spreads = {
            (member, pairs, rows): cells[member].spread(total, pairs, rows, self.columns)
            for (member, pairs, rows), (total, _) in shares.items()
        }
        if len(passing[0]):
            single = {key: spreads[key] for key, (_, count) in shares.items() if count == 1}
            self._walk(phases, single, passing)
        for group in groups:
            self._signals[group.member] = self._sum(self._signals[group.member], group.sums)
        for (member, _, _), spread in spreads.items():
            self._variances[member] = self._sum(self._variances[member], spread)
        _count(self._counts, *phases.members)
        if len(passing[0]):
            ending = np.union1d(ending, passing[1])
        if len(ending):
            shift = self._shift_mv(phases.cycles[-1], self._counts)
            for part in blocks(len(self.frames)):
                at = part if 2 * len(ending) > self.columns else (part, ending)
                self._judge(at, self._free_mv(shift, at), self._variance_mv2(at))

    def _sum(self, level: Level, more: Array) -> Array:
        """`level` and more of it, which may be the same for all frames; takes possession of both."""
        if isinstance(level, np.ndarray):
            level += more
            return level
        return more if len(more) == len(self.frames) else np.repeat(more, len(self.frames), axis=0)

    def _pull_to_rail(self) -> None:
        """Without any capacitor the node goes where the charge of the one phase that waits points to."""
        phase, self._waiting = self._waiting, Phases()
        (cycle,), (members,) = phase.cycles, phase.members
        moved: Level = 0.0
        for group in phase.groups:
            group.compute(self.columns)
            tile = self.circuits[group.member]
            moved = moved + group.sums * (tile.columns.gain[: self.columns] * tile.signal_fc)
        for member in members:
            moved = moved + self.circuits[member].columns.offset_fc[: self.columns]
        low, high = self._periphery.rails_mv
        start = self.voltage_mv(cycle)
        self._begin(cycle, np.where(moved == 0, start, np.where(np.greater(moved, 0), high, low)))

    # Voltage --------------------------------------------------------------------------------------------------------

    def _shift_mv(self, cycle: int, counts: Sequence[int]) -> Array:
        """What droop and `counts` injected charges add between `self.cycle` and `cycle`: (columns,)."""
        droop = self._periphery.droop_mv(cycle - self.cycle)
        injected = list(map(mul, counts, self._offsets_mv))
        return sum(injected[1:], injected[0]) + droop

    def _free_mv(self, shift: Array, at: "slice | tuple", signals: Sequence[Level] | None = None) -> Array:
        """Voltage if nothing had been lost at a rail: of a block of frames (b, columns), or of single capacitors (n,).

        `signals` are those of `at`, where they are not the node's own.
        """
        columns = _columns(at)
        if signals is None:
            signals = [_part(signal, at) for signal in self._signals]
        level: Level = _part(self._start_mv, at)
        for units, scale in zip(signals, self._scales_mv, strict=True):
            if isinstance(units, np.ndarray):
                moved = units * scale[columns]
                level = level + moved if isinstance(level, np.ndarray) else moved
        return level + shift[columns]

    def _variance_mv2(self, at: "slice | tuple", variances: Sequence[Level] | None = None) -> Level:
        """Variance of the noise that the next look draws, were nothing forgotten; arguments as above."""
        columns = _columns(at)
        if variances is None:
            variances = [_part(variance, at) for variance in self._variances]
        total: Level = self._undrawn_mv2
        for units, scale in zip(variances, self._units_mv2, strict=True):
            if isinstance(units, np.ndarray):
                total = total + units * scale[columns]
        return total

    def voltage_mv(self, cycle: int) -> Array:
        """What a look in `cycle` would see: (B, columns). It changes nothing; `observe` does."""
        self.settle()
        seen = np.empty((len(self.frames), self.columns))
        shift, droop = self._shift_mv(cycle, self._counts), self._periphery.droop_mv(cycle - self.cycle)
        for part in blocks(len(self.frames)):
            v_mv = self._free_mv(shift, part)
            if isinstance(self._lost_mv, np.ndarray):
                v_mv = v_mv - self._lost_mv[part]
            v_mv = np.asarray(self._periphery.stopped_mv(v_mv, droop))
            variance = self._variance_mv2(part)
            if isinstance(self._forgotten_mv2, np.ndarray):
                variance = variance - self._forgotten_mv2[part]
            if self._key and (isinstance(variance, np.ndarray) or variance):
                north = self.circuits[0]
                z = north.noise.gaussians(self.frames[part], *self._key, north.count, self.columns)
                z *= np.sqrt(variance)
                np.add(v_mv, z, out=seen[part])
            else:
                seen[part] = v_mv
        return seen

    def observe(self, cycle: int) -> Array:
        """Look at the node in `cycle`: (B, columns). From here on charge and noise begin anew."""
        if len(self.frames) <= _TOGETHER:
            seen = self.voltage_mv(cycle)
        else:
            parts = blocks(len(self.frames), _TOGETHER)
            seen = np.concatenate([self._of(part).voltage_mv(cycle) for part in parts])
        self.now = cycle
        self._begin(cycle, seen)
        return seen

    def _of(self, part: slice) -> "Node":
        """The node of some of the frames, to be used instead of this one."""
        node = copy(self)
        node.frames = self.frames[part]
        node._waiting = self._waiting.of(part)
        node._counts = list(self._counts)
        node._signals = [_part(signal, part) for signal in self._signals]
        node._variances = [_part(variance, part) for variance in self._variances]
        node._start_mv = _part(self._start_mv, part)
        node._lost_mv = _part(self._lost_mv, part)
        node._forgotten_mv2 = _part(self._forgotten_mv2, part)
        return node

    # Saturation -----------------------------------------------------------------------------------------------------

    def _judge(self, at: "slice | tuple", free_mv: Array, variance: Level) -> None:
        """At the end of a phase: the rails take what is beyond them, and noise that led there is forgotten."""
        v_mv = free_mv - _part(self._lost_mv, at)
        inside = v_mv.clip(*self._periphery.rails_mv)
        outside = np.nonzero(inside != v_mv)
        if not len(outside[0]):
            return
        if not isinstance(self._lost_mv, np.ndarray):
            self._lost_mv, self._forgotten_mv2 = (np.zeros((len(self.frames), self.columns)) for _ in range(2))
        spots = _spots(at, outside)
        self._lost_mv[spots] = free_mv[outside] - inside[outside]
        self._forgotten_mv2[spots] = _part(variance, outside)  # type: ignore[index]

    def _walk(self, phases: Phases, spreads: Mapping[NoiseKey, Array], spots: Spots) -> None:
        """Judge single capacitors at the end of each of these phases but the last; what is summed up are the groups.

        `spreads` are variances of groups that were not summed up with others.
        """
        frames, columns = spots
        signals = [_part(signal, spots) for signal in self._signals]
        variances = [_part(variance, spots) for variance in self._variances]
        counts = list(self._counts)
        for number, (cycle, integrating) in enumerate(zip(phases.cycles[:-1], phases.members, strict=False)):
            for group in phases.groups:
                if number not in group.phases:
                    continue
                member, rows, cells = group.member, group.rows, group.cells
                read = group.reads[group.phases.index(number)]
                alone = len(group.phases) == 1
                charge = (
                    of_frames(group.sums, spots) if alone else cells.charge_of(group.times[frames], read, rows, columns)
                )
                signals[member] = signals[member] + charge
                if not cells.noisy:
                    continue
                if alone and group.noise_key in spreads:
                    spread = of_frames(spreads[group.noise_key], spots)
                else:
                    spread = cells.spread_of(group.times[frames], read, rows, columns)
                variances[member] = variances[member] + spread
            _count(counts, integrating)
            free = self._free_mv(self._shift_mv(cycle, counts), spots, signals)
            self._judge(spots, free, self._variance_mv2(spots, variances))

    def _course(self, phases: Phases) -> Course:
        """The course of these phases; the north tile keeps those of a few programs."""
        kept = self.circuits[0].courses
        key = (
            (self.capacitors, self.columns, *self._counts),
            tuple([cycle - self.cycle for cycle in phases.cycles]),
            tuple(phases.members),
            tuple([(g.member, g.rows, *g.phases, g.reads, g.cells.version) for g in phases.groups]),
        )
        course = kept.get(key)
        if course is None:
            counts, shifts = list(self._counts), []
            for cycle, members in zip(phases.cycles, phases.members, strict=True):
                _count(counts, members)
                shifts.append(np.broadcast_to(self._shift_mv(cycle, counts), self.columns))
            scales = [self._scales_mv[group.member] for group in phases.groups]
            course = Course.of(np.stack(shifts), phases.groups, scales)
            keep(kept, key, course)
        return course

    def _before(self, at: "slice | tuple") -> Level:
        """Voltage before the phases that are being merged, shifts apart: (B, columns of `at`), or a number."""
        level: Level = 0.0 + _part(self._start_mv, at)
        for member, signal in enumerate(self._signals):
            if isinstance(signal, np.ndarray):
                level = level + _part(signal, at) * self._scales_mv[member][_columns(at)]
        return level - _part(self._lost_mv, at)


def _count(counts: list[int], *phases: tuple[int, ...]) -> None:
    """Add the phases' integrations to those of each tile."""
    for members in phases:
        for member in members:
            counts[member] += 1


def _pulse_shares(groups: Sequence[Group]) -> dict[NoiseKey, tuple[NDArray[np.float32], int]]:
    """Pulses' shares of a variance, added up where they go through the same devices, and of how many groups."""
    found: dict[NoiseKey, tuple[NDArray[np.float32], int]] = {}
    for group in groups:
        if group.cells.noisy:
            key, shares = group.noise_key, group.cells.pulse_shares(group.pulses)
            total, count = found.get(key, (None, 0))
            found[key] = shares if total is None else total + shares, count + 1
    return found


def _part(level: Level, at: "slice | tuple") -> Level:
    return level[at] if isinstance(level, np.ndarray) else level


def _spots(at: "slice | tuple", within: tuple[NDArray[np.intp], ...]) -> Spots:
    """Frames and columns of those capacitors of `at` that the indices `within` name."""
    if isinstance(at, slice):
        return at.start + within[0], within[1]
    frames, columns = at
    if isinstance(frames, slice):
        return frames.start + within[0], columns[within[1]]
    return frames[within], columns[within]


def _columns(at: "slice | tuple") -> NDArray[np.intp] | slice:
    return slice(None) if isinstance(at, slice) else at[1]
