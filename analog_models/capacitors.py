"""The capacitors of a tile, or of two tiles that share them, from one observation to the next.

Phases wait until somebody looks (a ramp, a change of the connected capacitors or of sharing): a batch is then evaluated
in blocks that stay near the processor, from the first phase to the ramp. Each phase moves charge, and its end is where
saturation is judged. Noise is drawn once per look, from the variance that all phases have left: phases that read the
same devices are one product of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.circuits import Circuits
from analog_models.crossbar import Pairs, Read
from analog_models.noise import Draw
from analog_models.pulses import Pulses, RowPulses, Rows

__all__ = ["Frames", "Level", "Move", "Node", "blocks"]

Array = NDArray[np.float64]
Frames = NDArray[np.int64]
#: (B, columns), or a number that holds for all.
Level = Array | float
#: What a tile does in a phase: which tile of the node, how it reads its rows, and what arrives there.
Move = tuple[int, Read, Pulses]

#: Pulses: which tile of the node, on which rows, and the identity of their array.
_Name = tuple[int, Rows, int]
#: What pulses go through, for a variance: which tile of the node, pairs of its devices, and rows.
_Through = tuple[int, Pairs, Rows]

#: Phases that wait for evaluation at most: their pulses take memory.
_WAITING = 16
#: Frames that are evaluated at once: what lies between their products stays near the processor.
_TOGETHER = 256
#: Frames worked on at once between products: 128 x 512 float64 stay in the cache.
_BLOCK = 128


@dataclass(frozen=True)
class _Phase:
    """An integration of a node: the cycle of its end, and what its tiles do."""

    cycle: int
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class _Hit:
    """Capacitors that were at a rail at the end of a phase: indices of frames and columns, and charge moved by then."""

    phase: int
    frames: NDArray[np.intp]
    columns: NDArray[np.intp]
    moved_mv: Level


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
        Level in `cycle`, see `Periphery.level_mv`.
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
        north, *partners = self.circuits
        self._scales = north.scales(tuple(partners), capacitors or (0,) * len(self.circuits), self.columns)
        self._nominal_ff = sum(capacitors) * self._periphery.capacitor_ff

    def latch(self, capacitors: tuple[int, ...]) -> None:
        """It was precharged, and these capacitors are connected: the first look adds the precharge's kT/C noise."""
        self._connect(capacitors)
        self._key = (self.cycle, Draw.PRECHARGE)
        self._undrawn_mv2 = self._periphery.reset_noise_mv(self._nominal_ff) ** 2

    def _begin(self, cycle: int, start_mv: Level) -> None:
        """Nothing has happened since `cycle`."""
        self.cycle = self._until = cycle
        #: Without noise, in cycle `_until`.
        self._level_mv = start_mv
        self._key = None
        self._undrawn_mv2 = 0.0
        self._waiting: list[_Phase] = []
        # Variance of each tile's reads in whole units, and the charge that all branches have moved.
        self._variances: list[Level] = [0.0] * len(self.circuits)
        self._moved_mv: Level = 0.0
        # The noise that was forgotten at a rail.
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
        self._waiting.append(_Phase(cycle, tuple(moves)))
        if not any(self.capacitors):
            self._pull_to_rail()
        elif len(self._waiting) >= _WAITING:
            self.settle()

    def settle(self) -> None:
        """Evaluate waiting phases; those that come later are no sum with them."""
        if not self._waiting:
            return
        if len(self.frames) > _TOGETHER:
            parts: list[slice | NDArray[np.intp]] = list(blocks(len(self.frames), _TOGETHER))
        else:
            first, patterns = self._equal()
            if not patterns:
                self._evaluate(first)
                return
            _, which = np.unique(np.stack(patterns), axis=1, return_inverse=True)
            parts = [np.flatnonzero(which == number) for number in range(which.max() + 1)]
        names = "_level_mv", "_moved_mv", "_forgotten_mv2"
        wholes = {name: self._full(0.0) for name in names}
        variances: list[Level] = [self._full(0.0) for _ in self.circuits]
        for part in parts:
            node = self._of(part)
            node.settle()
            for name, whole in wholes.items():
                whole[part] = getattr(node, name)
            for member, variance in enumerate(node._variances):
                variances[member][part] = variance  # type: ignore[index]
        self._waiting, self._until, self._variances = [], node._until, variances
        for name, whole in wholes.items():
            setattr(self, name, whole)

    def _equal(self) -> tuple[dict[_Name, _Name], list[NDArray[np.bool_]]]:
        """Which vectors of pulses are equal: the first one that each is equal to in all frames.

        Whether two phases of a frame count as one sum must not depend on the frames beside it: then come, for each two
        vectors that are equal in some frames only, the frames in which they are.
        """
        first: dict[_Name, _Name] = {}
        patterns = []
        known: dict[tuple[int, Rows], dict[_Name, NDArray[np.integer]]] = defaultdict(dict)
        for member, _, banks in (move for phase in self._waiting for move in phase.moves):
            for rows, times in banks:
                others, name = known[member, rows], (member, rows, id(times))
                if name in others:
                    continue
                first[name] = name
                for other, pulses in others.items():
                    equal = (times == pulses).all(axis=1)
                    if equal.all():
                        first[name] = first[other]
                    elif equal.any():
                        patterns.append(equal)
                others[name] = times
        return first, patterns

    def _full(self, level: Level) -> Array:
        """A level of its own for every capacitor, to be changed."""
        full = np.empty((len(self.frames), self.columns))
        full[...] = level
        return full

    def _evaluate(self, first: Mapping[_Name, _Name]) -> None:
        """Evaluate the waiting phases of frames that have equal pulses in the same ones: `first` names them."""
        phases, self._waiting = self._waiting, []
        low, high = self._periphery.rails_level_mv
        bending = self._periphery.output_per_v / 2e3
        level, moved_mv = self._full(self._level_mv), self._full(self._moved_mv)
        pulses = _Trains(self.circuits, first)
        shares = self._shares_mv(pulses.groups(phases), len(phases))
        hits = []
        for number, (phase, (charge, moved)) in enumerate(zip(phases, shares, strict=True)):
            if self._periphery.leak_ends_inside:
                level = self._periphery.drooped_mv(level, self._droop_mv(phase.cycle))
                self._until = phase.cycle
            droop = self._periphery.droop_mv(phase.cycle - self._until)
            shift = self._scales.shift_mv(droop, tuple([member for member, _, _ in phase.moves]))
            moved_mv += moved
            # Currents fall as the level rises; trapezoidal rule over the phase.
            half = np.multiply(moved, bending) if bending else None
            if half is not None:
                level *= 1.0 - half
            level += charge
            level += shift
            if half is not None:
                level /= 1.0 + half
            self._until = phase.cycle
            every = level.reshape(-1)
            if np.minimum.reduce(every) < low or np.maximum.reduce(every) > high:
                frames, columns = np.nonzero((level < low) | (level > high))
                hits.append(_Hit(number, frames, columns, moved_mv[frames, columns]))
                np.clip(level, low, high, out=level)
        self._level_mv = level
        self._moved_mv = moved_mv
        self._add_variances(phases, pulses, hits)

    def _shares_mv(self, groups: "Sequence[_Group]", phases: int) -> list[tuple[Level, Level]]:
        """What each phase adds to the level, and what both of its branches move: an even share of its groups'."""
        charges: list[Level] = [0.0] * phases
        moves: list[Level] = [0.0] * phases
        follows = bool(self._periphery.output_per_v or self._periphery.shot_noise)
        for group in groups:
            reads = tuple(group.reads)
            cells, scale = self.circuits[group.member].cells, self._scales.signal_mv[group.member]
            charge = cells.charge(group.pulses, reads, self.columns)
            charge *= scale
            moved = cells.drawn(group.pulses, reads, self.columns) * scale if follows else 0.0
            for number in group.phases:
                charges[number] = _plus(charges[number], charge)
                moves[number] = _plus(moves[number], moved)
        return list(zip(charges, moves, strict=True))

    def _pull_to_rail(self) -> None:
        """Without any capacitor the node goes where the charge of the one phase that waits points to."""
        (phase,), self._waiting = self._waiting, []
        pulses = _Trains(self.circuits, {})
        moved: Level = 0.0
        for member, read, banks in phase.moves:
            tile = self.circuits[member]
            for rows, times in banks if tile.array is not None else ():
                units = tile.cells.charge(pulses.of(member, rows, times), (read,), self.columns)
                moved = moved + units * (tile.columns.gain[: self.columns] * tile.unit_fc)
            moved = moved + tile.columns.offset_fc[: self.columns]
        low, high = self._periphery.rails_level_mv
        start = self._seen_mv(phase.cycle)
        self._begin(phase.cycle, np.where(moved == 0, start, np.where(np.greater(moved, 0), high, low)))

    # Noise ----------------------------------------------------------------------------------------------------------

    def _add_variances(self, phases: Sequence[_Phase], pulses: "_Trains", hits: Sequence[_Hit]) -> None:
        """What the reads of these phases add to the variance, and what capacitors at a rail have forgotten of it."""
        before = list(self._variances)
        for (member, pairs, rows), shares in self._pulse_shares(phases, pulses).items():
            spread = self.circuits[member].cells.spread(shares, pairs, rows, self.columns)
            known = self._variances[member]
            if isinstance(known, np.ndarray):
                self._variances[member] = known + spread
            else:
                self._variances[member] = spread if len(spread) == len(self.frames) else self._full(spread)
        if not hits:
            return
        forgotten = self._full(self._forgotten_mv2)
        for hit in hits:
            spots = hit.frames, hit.columns
            if hit.phase == len(phases) - 1:
                variances = [_part(variance, spots) for variance in self._variances]
            else:
                variances = [_part(variance, spots) for variance in before]
                for member, read, banks in (move for phase in phases[: hit.phase + 1] for move in phase.moves):
                    for rows, times in banks if self.circuits[member].noisy else ():
                        found = pulses.of(member, rows, times).of_frames(hit.frames)
                        spread = self.circuits[member].cells.spread_of(found, read, rows, hit.columns)
                        variances[member] = variances[member] + spread
            forgotten[spots] = self._variance_mv2(variances, hit.moved_mv, hit.columns)
        self._forgotten_mv2 = forgotten

    def _pulse_shares(self, phases: Sequence[_Phase], pulses: "_Trains") -> dict[_Through, NDArray[np.float32]]:
        """Pulses' shares of a variance, added up where they go through the same devices."""
        reads: dict[tuple[int, RowPulses], list[tuple[bool, bool]]] = defaultdict(list)
        for member, read, banks in (move for phase in phases for move in phase.moves):
            for rows, times in banks if self.circuits[member].noisy else ():
                reads[member, pulses.of(member, rows, times)].append((read.wp1, read.wp2))
        found: dict[_Through, NDArray[np.float32]] = {}
        for (member, train), pairs in reads.items():
            shares = self.circuits[member].cells.pulse_shares(train.times)
            through = member, tuple(sorted(pairs)), train.rows
            found[through] = found[through] + shares if through in found else shares
        return found

    def _variance_mv2(
        self, variances: Sequence[Level], moved_mv: Level, columns: NDArray[np.intp] | slice = slice(None)
    ) -> Level:
        """Variance of the noise that the next look draws, were nothing forgotten."""
        total: Level = self._undrawn_mv2
        if self._periphery.shot_noise:
            total = total + moved_mv * self._periphery.shot_noise_mv2_per_mv(self._nominal_ff)
        for units, scale in zip(variances, self._scales.variance_mv2, strict=True):
            if isinstance(units, np.ndarray):
                total = total + units * scale[columns]
        return total

    # Voltage --------------------------------------------------------------------------------------------------------

    def _droop_mv(self, cycle: int) -> Array:
        """How far the leak moves the level from the last event to `cycle`: (columns,)."""
        return self._scales.leak * self._periphery.droop_mv(cycle - self._until)

    def _seen_mv(self, cycle: int) -> Array:
        """Level in `cycle`, with the noise that a look draws: (B, columns)."""
        if self._waiting:
            node = copy(self)  # what is equal must not depend on who has looked
            node._variances = list(self._variances)
            node.settle()
            return node._seen_mv(cycle)
        seen = self._full(self._periphery.drooped_mv(self._level_mv, self._droop_mv(cycle)))
        variance = self._variance_mv2(self._variances, self._moved_mv)
        if self._key is None or not (isinstance(variance, np.ndarray) or variance):
            return seen
        if isinstance(self._forgotten_mv2, np.ndarray):
            variance = np.maximum(variance - self._forgotten_mv2, 0.0)
        north = self.circuits[0]
        for part in blocks(len(self.frames)):
            z = north.noise.gaussians(self.frames[part], *self._key, north.count, self.columns)
            z *= np.sqrt(_part(variance, part))
            seen[part] += z
        return seen

    def voltage_mv(self, cycle: int) -> Array:
        """What a look in `cycle` would see: (B, columns). It changes nothing; `observe` does."""
        return self._periphery.voltage_mv(self._seen_mv(cycle))

    def observe(self, cycle: int) -> Array:
        """Look at the node in `cycle`: levels, (B, columns). From here on charge and noise begin anew."""
        if len(self.frames) <= _TOGETHER:
            self.settle()
            seen = self._seen_mv(cycle)
        else:
            seen = np.concatenate([self._of(part)._seen_mv(cycle) for part in blocks(len(self.frames), _TOGETHER)])
        self.now = cycle
        self._begin(cycle, seen)
        return seen

    def _of(self, part: slice | NDArray[np.intp]) -> "Node":
        """The node of some of the frames, to be used instead of this one."""
        node = copy(self)
        node.frames = self.frames[part]
        cut: dict[int, NDArray[np.integer]] = {}  # the same pulses stay the same
        node._waiting = [
            _Phase(
                phase.cycle,
                tuple(
                    (member, read, [(rows, cut.setdefault(id(times), times[part])) for rows, times in banks])
                    for member, read, banks in phase.moves
                ),
            )
            for phase in self._waiting
        ]
        node._variances = [_part(variance, part) for variance in self._variances]
        node._level_mv = _part(self._level_mv, part)
        node._moved_mv = _part(self._moved_mv, part)
        node._forgotten_mv2 = _part(self._forgotten_mv2, part)
        return node


@dataclass
class _Group:
    """Phases in which a tile reads the same pulses through weights that are alike: one sum, the same for each of them.

    The halves of asymmetry balance differ by errors of programming, and how far a phase has come matters to rails and
    to the mirrors' output resistance only.
    """

    member: int
    pulses: RowPulses
    reads: list[Read]
    phases: list[int]


class _Trains:
    """Pulses of phases that are evaluated together: equal ones are one."""

    def __init__(self, circuits: Sequence[Circuits], first: Mapping[_Name, _Name]) -> None:
        self._circuits, self._first = circuits, first
        self._known: dict[_Name, RowPulses] = {}

    def of(self, member: int, rows: Rows, times: NDArray[np.integer]) -> RowPulses:
        """Those on `rows` of one of the tiles, which has cells."""
        name = member, rows, id(times)
        name = self._first.get(name, name)
        if name not in self._known:
            self._known[name] = self._circuits[member].cells.pulses(rows, times)
        return self._known[name]

    def groups(self, phases: Sequence[_Phase]) -> list[_Group]:
        """What the phases move, in groups."""
        found: list[_Group] = []
        for number, phase in enumerate(phases):
            for member, read, banks in phase.moves:
                for rows, times in banks if self._circuits[member].array is not None else ():
                    pulses, cells = self.of(member, rows, times), self._circuits[member].cells
                    for group in found:
                        if group.pulses is pulses and group.member == member and cells.alike(group.reads[0], read):
                            group.reads.append(read)
                            group.phases.append(number)
                            break
                    else:
                        found.append(_Group(member, pulses, [read], [number]))
        return found


def _plus(level: Level, more: Level) -> Level:
    """The sum, where neither may be changed."""
    return more if isinstance(level, float) and not level else level + more


def _part(level: Level, at: "slice | tuple | NDArray[np.intp]") -> Level:
    return level[at] if isinstance(level, np.ndarray) else level


def blocks(frames: int, size: int = _BLOCK) -> list[slice]:
    """Frames 0 to `frames` - 1 in blocks, by default such that fit into the cache."""
    if frames <= size:
        return [slice(0, frames)]
    return [slice(start, min(start + size, frames)) for start in range(0, frames, size)]
