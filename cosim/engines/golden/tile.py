"""The analog boundary of a tile: levels in force become events, crossing times become pulses, contradictions faults.

Source: docs/fabric.md, "Analog boundary of a tile".
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analog_models.events import EventKind, TileControls, TileEvent
from cosim.engines.golden.pads import Pulse
from cosim.files.wording import counted
from cosim.isa.words import TILE, fields_of
from rtl.config import ChipConfig
from rtl.isa import RAMP_LATENCY

__all__ = ["AnalogBoundary"]

Lanes = NDArray[np.bool_]

#: Longest high time that the boundary's counters hold, in cycles.
LONGEST = 511
#: Signals of the ARRAY bank that an integration latches.
LATCHED = ("wp1", "wp2", "discharge", "capacitors", "share_north", "share_south")


class AnalogBoundary:
    """What the analog macro of one tile sees of its local controller and of the mesh.

    Parameters
    ----------
    config : ChipConfig
    tile : int
    seen : Counter
        Counts what happened, for functional coverage.
    """

    def __init__(self, config: ChipConfig, tile: int, seen: Counter[tuple]) -> None:
        self.tile, self.seen = tile, seen
        self._lanes = config.lanes
        self.banks = {bank: dict.fromkeys(fields_of(TILE, bank), 0) for bank in ("ARRAY", "READOUT", "BIAS", "WRITE")}
        self._bias = np.zeros(config.bias_rows, np.int64)  # durations in the integration's first cycle
        self._row_time = np.zeros(config.total_rows, np.int64)
        self._column_time = np.zeros(config.lanes, np.int64)
        self._began = 0  # cycle in which the integration began
        self._array: Mapping[str, int] = self.banks["ARRAY"]  # of the integration's first cycle
        self._write: Mapping[str, int] = self.banks["WRITE"]  # of the write's first cycle
        self.pulse: Pulse | None = None

    @property
    def measures(self) -> bool:
        """Whether high times are being counted."""
        return bool(self.banks["ARRAY"]["integrate"] or self.banks["WRITE"]["write"])

    def elapse(self, now: int, cycles: int, rows: Lanes, columns: Lanes) -> None:
        """The cycles from `now` on pass while mesh rows and columns are as given."""
        if self.banks["ARRAY"]["integrate"]:
            self._row_time[: self._lanes] += cycles * rows
            self._row_time[self._lanes :] += np.clip(self._began + self._bias - now, 0, cycles)
        if self.banks["WRITE"]["write"]:
            self._column_time += cycles * columns

    def write(self, cycle: int, bank: str, fields: Mapping[str, int]) -> list[TileEvent]:
        """A bank takes force in `cycle`: the events that this is."""
        before, self.banks[bank] = self.banks[bank], dict(fields)
        events: list[TileEvent] = []
        match bank:
            case "ARRAY":
                if before["precharge"] and not fields["precharge"]:
                    events.append(TileEvent(self.tile, EventKind.PRECHARGE, cycle))
                if before["integrate"] and not fields["integrate"]:
                    events.append(self._integrated(cycle))
                if fields["integrate"] and not before["integrate"]:
                    self._array, self._began = fields, cycle
                    durations = self.banks["BIAS"]
                    self._bias = np.array([durations[f"durations[{i}]"] for i in range(len(self._bias))], np.int64)
                    self._row_time[:] = 0
            case "READOUT":
                if fields["ramp"] and not before["ramp"]:
                    controls = TileControls(ramp_start=fields["ramp_start"], ramp_slope=fields["ramp_slope"])
                    events.append(TileEvent(self.tile, EventKind.RAMP, cycle, controls))
                elif self.pulse and self.pulse.start < cycle < self.pulse.end:
                    window = ("closes", "stays", "opens")[fields["output_enable"] - before["output_enable"] + 1]
                    self.seen["ramp", f"window {window}" if fields["ramp"] else "is cut short"] += 1
                if not fields["ramp"]:
                    self.pulse = None
            case "WRITE":
                if before["write"] and not fields["write"]:
                    events.append(self._written(cycle))
                if fields["write"] and not before["write"]:
                    self._write = fields
                    self._column_time[:] = 0
        return events

    def _integrated(self, cycle: int) -> TileEvent:
        bank, seen = self._array, self.seen
        seen["integration", f"wp1 {bank['wp1']}, wp2 {bank['wp2']}"] += 1
        seen["integration", "discharge" if bank["discharge"] else "charge"] += 1
        seen["integration", counted(bank["capacitors"], "capacitor")] += 1
        for name in ("share_north", "share_south"):
            seen["integration", name] += bank[name]
        seen["integration", "bias pulses"] += int((self._row_time[self._lanes :] > 0).any())
        _count_times(seen, "row time", self._row_time[: self._lanes])
        controls = TileControls(
            **{name: bool(self._array[name]) for name in LATCHED if name != "capacitors"},
            capacitors=self._array["capacitors"],
        )
        return TileEvent(self.tile, EventKind.INTEGRATE, cycle, controls, row_time=_counted(self._row_time))

    def _written(self, cycle: int) -> TileEvent:
        bank = self._write
        self.seen["write", f"device {bank['device']}, {'RESET' if bank['reset'] else 'SET'}"] += 1
        _count_times(self.seen, "column time", self._column_time)
        return TileEvent(
            self.tile,
            EventKind.WRITE,
            cycle,
            column_time=_counted(self._column_time),
            write_row=bank["row"],
            device=bank["device"],
            reset=bool(bank["reset"]),
            return_line=bank["return_line"],
        )

    def answer(self, cycle: int, crossing: NDArray[np.integer]) -> Pulse:
        """The physics answers the ramp of `cycle` with (lanes,) crossing times."""
        for name, some in (
            ("0", crossing == 0),
            ("1 to 510", (crossing > 0) & (crossing < LONGEST)),
            ("511", crossing == LONGEST),
        ):
            self.seen["ramp", f"answered {name}"] += int(some.any())
        self.pulse = Pulse(cycle + RAMP_LATENCY, crossing.astype(np.int64))
        return self.pulse

    def columns_out(self, cycle: int) -> Lanes | None:
        """Comparator pulses behind the AND gate with `output_enable`."""
        if self.pulse is None or not self.banks["READOUT"]["output_enable"]:
            return None
        return self.pulse.high(cycle)

    def faults(self, cycle: int, north: "AnalogBoundary | None", south: "AnalogBoundary | None") -> set[str]:
        """Contradictions in force in `cycle`, given the neighbours with which capacitors may be shared."""
        array = self.banks["ARRAY"]
        found = set()
        if array["integrate"] and array["precharge"]:
            found.add("integration overlaps a precharge")
        if array["integrate"] and cycle > self._began and any(array[name] != self._array[name] for name in LATCHED):
            found.add("change during an integration")
        if array["share_north"] and not (north and north.banks["ARRAY"]["share_south"]):
            found.add("share_north alone")
        if array["share_south"] and not (south and south.banks["ARRAY"]["share_north"]):
            found.add("share_south alone")
        return found


def _counted(times: NDArray[np.int64]) -> NDArray[np.uint16]:
    """High times (n,) as an event carries them: (1, n), saturated."""
    return np.minimum(times, LONGEST).astype(np.uint16)[None]


def _count_times(seen: Counter[tuple], what: str, times: NDArray[np.int64]) -> None:
    for name, some in (("0", times == 0), ("1 to 511", (times > 0) & (times <= LONGEST)), ("beyond", times > LONGEST)):
        seen[what, name] += int(some.any())
