"""Events of a frame at the analog boundary and the landing pads, and the pulses that reach them.

All cycles count from cycle 0 of the program.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from cosim.fabric.mesh_graph import Lanes
from cosim.files.errors import UserError
from cosim.files.wording import counted
from rtl.isa import RAMP_LATENCY

__all__ = [
    "Count",
    "Event",
    "Integrate",
    "Link",
    "Precharge",
    "Pulse",
    "Ramp",
    "Schedule",
    "ScheduleError",
    "StrayError",
    "Write",
]


class ScheduleError(UserError, ValueError):
    """A program whose events do not make sense; the message names unit and cycle.

    Members
    -------
    cycle : int or None
        In which cycle that shows, if it is one of the program's.
    """

    def __init__(self, message: str, cycle: int | None = None) -> None:
        super().__init__(message)
        self.cycle = cycle


class StrayError(ScheduleError):
    """A unit leaves its program in `cycle`; until then all may be well."""

    cycle: int


@dataclass(frozen=True)
class Pulse:
    """One vector sent by an ILP: lane with code d is high in cycles `start` to ``start + d - 1``, all end by `stop`."""

    ilp: int
    slot: int
    start: int
    stop: int


@dataclass(frozen=True)
class Precharge:
    """The capacitors of `tile` float from `cycle` on."""

    tile: int
    cycle: int


@dataclass(frozen=True)
class Ramp:
    """The ramp of `tile` starts in `cycle`; columns pulse from ``cycle + 8`` for their crossing time, until `stop`.

    `windows` are the spans (start, stop) in which `output_enable` lets the pulses out.
    """

    tile: int
    cycle: int
    stop: int
    ramp_start: int
    ramp_slope: int
    windows: tuple[tuple[int, int], ...]

    @property
    def start(self) -> int:
        """First cycle of the pulses."""
        return self.cycle + RAMP_LATENCY


@dataclass(frozen=True)
class Link:
    """In cycles `start` to `stop` - 1 the wires `lanes` of a receiver carry `source`."""

    source: Pulse | Ramp
    lanes: Lanes
    start: int
    stop: int


@dataclass(frozen=True)
class Integrate:
    """Tile `tile` integrates in cycles `start` to `cycle` - 1.

    `controls` is the ARRAY bank of its first cycle, `bias_time` (bias_rows,) the ns of each bias row.
    """

    tile: int
    start: int
    cycle: int
    controls: Mapping[str, int]
    bias_time: tuple[int, ...]
    links: tuple[Link, ...]

    @cached_property
    def heard(self) -> Hashable:
        """The same for integrations whose rows are high for the same times: tiles that hear one vector."""
        links = [(link.source, link.start, link.stop, link.lanes.tobytes()) for link in self.links]
        return tuple(links), self.bias_time


@dataclass(frozen=True)
class Count:
    """OLP `olp` counts in cycles `start` to `cycle` - 1 and stores the codes as result `slot`."""

    olp: int
    slot: int
    start: int
    cycle: int
    seven_bits: bool
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Write:
    """Tile `tile` programs in cycles `start` to `cycle` - 1 with pulses on its columns; `controls` is WRITE."""

    tile: int
    start: int
    cycle: int
    controls: Mapping[str, int]
    links: tuple[Link, ...]


Event = Precharge | Integrate | Ramp | Write | Count

#: Order within one cycle: that of docs/fabric.md; counting ends before anything else changes.
_ORDER = (Count, Precharge, Integrate, Ramp, Write)


@dataclass(frozen=True)
class Schedule:
    """Events of one frame, or of a whole run, in the order in which the physics serves them."""

    events: tuple[Event, ...]

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Schedule":
        """Events in that order."""

        def key(event: Event) -> tuple[int, int, int]:
            return event.cycle, _ORDER.index(type(event)), getattr(event, "tile", -1)

        return cls(tuple(sorted(events, key=key)))

    def listing(self) -> str:
        """One line for each event."""
        return "".join(f"{_describe(event)}\n" for event in self.events)


def _describe(event: Event) -> str:
    text = f"{event.cycle:6}  {type(event).__name__.lower():<9} "
    match event:
        case Precharge(tile):
            return f"{text} TILE {tile}"
        case Ramp(tile):
            windows = ", ".join(f"{start}-{stop - 1}" for start, stop in event.windows)
            return (
                f"{text} TILE {tile}: start {event.ramp_start}, slope {event.ramp_slope}, output enabled in {windows}"
            )
        case Integrate(tile):
            levels = ("wp1", "wp2", "discharge", "share_north", "share_south")
            on = [
                *(name for name in levels if event.controls[name]),
                counted(event.controls["capacitors"], "capacitor"),
            ]
            bias = f", bias {event.bias_time}" if any(event.bias_time) else ""
            return f"{text} TILE {tile} from {event.start}: {', '.join(on)}{bias}; rows from {_sources_of(event.links)}"
        case Write(tile):
            bank = ", ".join(f"{name} {value}" for name, value in event.controls.items() if name != "write")
            return f"{text} TILE {tile} from {event.start}: {bank}; columns from {_sources_of(event.links)}"
        case Count(olp):
            return f"{text} OLP {olp} from {event.start}: result {event.slot}; wires from {_sources_of(event.links)}"
    raise AssertionError(event)


def _sources_of(links: tuple[Link, ...]) -> str:
    names = []
    for link in links:
        source = link.source
        name = f"ILP {source.ilp} vector {source.slot}" if isinstance(source, Pulse) else f"TILE {source.tile}"
        names.append(
            f"{name} at {source.start} ({counted(int(link.lanes.sum()), 'lane')}, {link.start}-{link.stop - 1})"
        )
    return ", ".join(names) or "nothing"
