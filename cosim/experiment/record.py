"""What was seen of one run of an experiment, whichever engine ran it; how two records differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.npz import ArraySpec, check_arrays
from cosim.files.archive import load_archive, write_archive
from cosim.files.errors import UserError
from cosim.files.typed import typed
from cosim.files.wording import counted
from cosim.isa.numbers import parse_number
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import ChipConfig
from rtl.mesh import PLACES

__all__ = ["STATUS_FIELDS", "Record", "RecordError", "complaints", "describe_unit"]

#: What a Record has of each unit's STATUS.
STATUS_FIELDS = ("running", "illegal", "fault", "contention", "pointer")

_FORMAT, _VERSION = "duramesh record", 1


class RecordError(UserError, ValueError):
    """A file holds no record, or only part of one; the message says which."""


def complaints(status: Mapping[str, int]) -> Iterator[str]:
    """What the error flags of a unit's STATUS say, one text for each."""
    if status["contention"]:
        yield f"contention (more than one driver) on {_places(status['contention'])}"
    if status["illegal"]:
        yield "illegal instruction, or a program without end"
    if status["fault"]:
        yield "fault: analog controls that contradict each other"


def describe_unit(unit: Unit, config: ChipConfig) -> str:
    """A unit and where it is: its square, or its domain."""
    plan = config.floorplan
    where = f"square {plan.tiles[unit.index]}" if unit.kind is TILE else f"domain {plan.domains[unit.index]}"
    return f"{unit} ({where})"


@dataclass(frozen=True)
class Record:
    """What was seen of one run.

    Cycles count from cycle 0 of the program, the first one in which `busy` is high.

    Members
    -------
    engine : `rtl`, `golden` or `twin`
    cycles : int
        Cycles that `busy` was high.
    error_cycle : int or None
        First cycle in which the `error` pin was high.
    statuses : mapping of Unit to fields of its STATUS
        `running`, `illegal`, `fault`, `contention` (bits as in docs/fabric.md), `pointer`; of all units, after the run.
    results : mapping of OLP index to uint8 (olp_vectors, lanes)
        The whole result SRAM of each landing pad.
    events : tuple of TileEvent
        Everything that crossed the analog boundary, in order of cycle, kind and tile.
    crossings : mapping of (cycle, tile) to uint16 (lanes,)
        What the physics answered to each ramp.
    statistics : mapping
        What the engine measured, e.g. `wall_s`.
    """

    engine: str
    cycles: int
    error_cycle: int | None
    statuses: Mapping[Unit, Mapping[str, int]]
    results: Mapping[int, NDArray[np.uint8]]
    events: tuple[TileEvent, ...] = ()
    crossings: Mapping[tuple[int, int], NDArray[np.uint16]] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flagged(self) -> bool:
        """Whether any unit has set an error flag."""
        return any(status["illegal"] or status["fault"] or status["contention"] for status in self.statuses.values())

    def error_report(self, config: ChipConfig) -> str:
        """The error flags in words: the cycle of the first one, then a line for each unit that has any."""
        lines = [
            f"{describe_unit(unit, config)}: {', '.join(texts)}"
            for unit, status in self.statuses.items()
            if (texts := list(complaints(status)))
        ]
        since = "" if self.error_cycle is None else f" (the first in cycle {self.error_cycle} of the program)"
        return f"the chip reports errors{since}:\n  " + "\n  ".join(lines)

    def difference(self, other: "Record") -> str | None:
        """The first difference from another record of the same experiment, in words; None if there is none.

        What crossed the analog boundary comes first, in the order of time, then codes, flags and pointers, and cycles:
        the first difference is the one that the others follow from.
        """
        return next(_Comparison(self, other).differences(), None)

    def plain_statistics(self) -> dict[str, Any]:
        """The statistics that are numbers or text."""
        return {name: value for name, value in self.statistics.items() if isinstance(value, int | float | str)}

    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """The record as what JSON holds, and arrays."""
        meta = {
            "engine": self.engine,
            "cycles": self.cycles,
            "error_cycle": self.error_cycle,
            "statuses": {str(unit): dict(status) for unit, status in self.statuses.items()},
            "statistics": self.plain_statistics(),
        }
        arrays: dict[str, NDArray] = {f"results {olp}": codes for olp, codes in self.results.items()}
        crossings = sorted(self.crossings.items())
        arrays["crossing_keys"] = np.array([key for key, _ in crossings], np.int64).reshape(-1, 2)
        if crossings:
            arrays["crossings"] = np.stack([times for _, times in crossings])
        return meta, arrays | _pack_events(self.events)

    @classmethod
    def from_parts(cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> "Record":
        """Inverse of `to_parts`.

        Raises
        ------
        ValueError
            If something is missing or unknown, or of another type, shape or range.
        """
        header = typed(_Header, meta)
        check_arrays(arrays, _ARRAYS)
        for unit, status in header.statuses.items():
            if status.keys() != set(STATUS_FIELDS):
                raise ValueError(f"STATUS of {unit} has {', '.join(status)}; expected {', '.join(STATUS_FIELDS)}")
        keys = [(cycle, tile) for cycle, tile in arrays["crossing_keys"].tolist()]
        return cls(
            engine=header.engine,
            cycles=header.cycles,
            error_cycle=header.error_cycle,
            statuses={Unit.parse(unit): status for unit, status in header.statuses.items()},
            results={
                parse_number(key.split()[1]): codes for key, codes in arrays.items() if key.startswith("results ")
            },
            events=_unpack_events(arrays),
            crossings=dict(zip(keys, arrays["crossings"], strict=True)) if keys else {},
            statistics=header.statistics,
        )

    def save(self, path: Path) -> None:
        """Write the record to an npz file without pickle."""
        write_archive(path, _FORMAT, _VERSION, *self.to_parts())

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read what `save` wrote.

        Raises
        ------
        RecordError
            If the file is no record, is truncated, or was written by another version.
        FileNotFoundError
        """
        return load_archive(path, _FORMAT, _VERSION, cls.from_parts, RecordError)


@dataclass(frozen=True)
class _Header:
    """What a file has of a record beside arrays."""

    engine: str
    cycles: int
    error_cycle: int | None
    statuses: Mapping[str, Mapping[str, int]]
    statistics: Mapping[str, bool | int | float | str | None]


@dataclass(frozen=True)
class _Comparison:
    """Every difference of two records, in words."""

    ours: Record
    theirs: Record

    def said(self, ours: object, theirs: object) -> str:
        return f"{ours} ({self.ours.engine}), {theirs} ({self.theirs.engine})"

    def differences(self) -> Iterator[str]:
        ours, theirs = self.ours, self.theirs
        yield from self.events()
        yield from self.answers()
        for olp in sorted(ours.results.keys() & theirs.results.keys()):
            for slot, codes in enumerate(zip(ours.results[olp], theirs.results[olp], strict=True)):
                yield from self.lanes(f"{Unit(OLP, olp)}, result {slot}, lane", *codes)
        yield from self.statuses()
        if ours.error_cycle != theirs.error_cycle:
            yield f"first cycle with an error: {self.said(ours.error_cycle, theirs.error_cycle)}"
        if ours.cycles != theirs.cycles:
            yield f"cycles that the chip was busy: {self.said(ours.cycles, theirs.cycles)}"

    def events(self) -> Iterator[str]:
        for ours, theirs in zip_longest(self.ours.events, self.theirs.events):
            if ours is None or theirs is None or _event_order(ours) != _event_order(theirs):
                first = min((event for event in (ours, theirs) if event is not None), key=_event_order)
                has = ("there" if event is first else "missing" for event in (ours, theirs))
                yield f"{_event_name(first)}: {self.said(*has)}"
                return  # from here on, events no longer correspond
            name = _event_name(ours)
            for part in _FIELDS[ours.kind]:
                before, after = _event_field(ours, part), _event_field(theirs, part)
                if before != after:
                    yield f"{name}, {part}: {self.said(before, after)}"
            if ours.kind is EventKind.INTEGRATE:
                yield from self.lanes(f"{name}, high time of row", ours.row_time, theirs.row_time)
            if ours.kind is EventKind.WRITE:
                yield from self.lanes(f"{name}, high time of column", ours.column_time, theirs.column_time)
            key = (ours.cycle, ours.tile)
            if ours.kind is EventKind.RAMP and key in self.ours.crossings and key in self.theirs.crossings:
                times = self.ours.crossings[key], self.theirs.crossings[key]
                yield from self.lanes(f"{name}, crossing time of column", *times)

    def answers(self) -> Iterator[str]:
        for cycle, tile in sorted(self.ours.crossings.keys() ^ self.theirs.crossings.keys()):
            answered = ("yes" if (cycle, tile) in record.crossings else "no" for record in (self.ours, self.theirs))
            yield f"{Unit(TILE, tile)}, ramp of cycle {cycle}, answered: {self.said(*answered)}"

    def statuses(self) -> Iterator[str]:
        ours, theirs = self.ours.statuses, self.theirs.statuses
        for unit in sorted(ours.keys() & theirs.keys(), key=_unit_order):
            for name in STATUS_FIELDS:
                values = ours[unit][name], theirs[unit][name]
                if values[0] != values[1]:
                    yield f"{unit}, {name}: {self.said(*(map(_places, values) if name == 'contention' else values))}"

    def lanes(self, where: str, *arrays: NDArray | None) -> Iterator[str]:
        ours, theirs = (np.asarray(array) for array in arrays)
        if ours.shape != theirs.shape:
            yield f"{where}: shape {self.said(ours.shape, theirs.shape)}"
            return
        for at in map(tuple, np.argwhere(ours != theirs)):
            yield f"{where} {at[-1]}: {self.said(ours[at], theirs[at])}"


def _places(contention: int) -> str:
    return ", ".join(place for bit, place in enumerate(PLACES) if contention >> bit & 1) or "nowhere"


def _unit_order(unit: Unit) -> tuple[int, int]:
    return (TILE, ILP, OLP).index(unit.kind), unit.index


def _event_order(event: TileEvent) -> tuple[int, int, int]:
    return event.cycle, event.kind, event.tile


def _event_name(event: TileEvent) -> str:
    return f"{Unit(TILE, event.tile)}, cycle {event.cycle}, {event.kind.name.lower()}"


def _event_field(event: TileEvent, name: str) -> int:
    return int(getattr(event if name in _WRITE else event.controls, name))


_CONTROLS = tuple(item.name for item in fields(TileControls))
_WRITE = ("write_row", "device", "reset", "return_line")
#: What each kind of event carries beside times.
_FIELDS: dict[EventKind, tuple[str, ...]] = {
    EventKind.PRECHARGE: (),
    EventKind.INTEGRATE: ("wp1", "wp2", "discharge", "capacitors", "share_north", "share_south"),
    EventKind.RAMP: ("ramp_start", "ramp_slope"),
    EventKind.WRITE: _WRITE,
}
_FLAGS = ("wp1", "wp2", "discharge", "share_north", "share_south")


#: Arrays of a file.
_ARRAYS = {
    "results *": ArraySpec("u1", ("slots", "lanes")),
    "events": ArraySpec("i8", (None, 3 + len(_CONTROLS) + len(_WRITE)), 0),
    "row_time": ArraySpec("u2", (None, None), required=False),
    "column_time": ArraySpec("u2", (None, "lanes"), required=False),
    "crossing_keys": ArraySpec("i8", ("crossings", 2), 0),
    "crossings": ArraySpec("u2", ("crossings", "lanes"), required=False),
}


def _pack_events(events: Sequence[TileEvent]) -> dict[str, NDArray]:
    """Events as a table of numbers, and the row and column times of those that have any, in the same order."""
    table = [
        [
            *(event.tile, event.kind, event.cycle),
            *(getattr(event.controls or TileControls(), name) for name in _CONTROLS),
            *(getattr(event, name) for name in _WRITE),
        ]
        for event in events
    ]
    arrays = {"events": np.array(table, np.int64).reshape(len(table), 3 + len(_CONTROLS) + len(_WRITE))}
    for name in ("row_time", "column_time"):
        times = [getattr(event, name)[0] for event in events if getattr(event, name) is not None]
        if times:
            arrays[name] = np.stack(times)
    return arrays


def _unpack_events(arrays: Mapping[str, NDArray]) -> tuple[TileEvent, ...]:
    kinds = arrays["events"][:, 1].tolist()
    for name, kind in (("row_time", EventKind.INTEGRATE), ("column_time", EventKind.WRITE)):
        if len(arrays.get(name, ())) != kinds.count(kind):
            raise ValueError(
                f"{counted(len(arrays.get(name, ())), 'vector')} in {name} for {counted(kinds.count(kind), 'event')}"
            )
    times = {name: iter(arrays.get(name, ())) for name in ("row_time", "column_time")}
    events = []
    for tile, number, cycle, *rest in arrays["events"].tolist():
        kind = EventKind(number)
        settings = dict(zip(_CONTROLS, rest, strict=False))
        settings |= {name: bool(settings[name]) for name in _FLAGS}
        write = dict(zip(_WRITE, rest[len(_CONTROLS) :], strict=True))
        events.append(
            TileEvent(
                tile,
                kind,
                cycle,
                TileControls(**settings) if kind in (EventKind.INTEGRATE, EventKind.RAMP) else None,
                row_time=next(times["row_time"])[None] if kind is EventKind.INTEGRATE else None,
                column_time=next(times["column_time"])[None] if kind is EventKind.WRITE else None,
                **{**write, "reset": bool(write["reset"])},
            )
        )
    return tuple(events)
