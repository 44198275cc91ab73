"""A record for people and for other programs: a table, JSON, CSV, npz."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from cosim.experiment.experiment import Experiment
from cosim.experiment.limits import still_running
from cosim.experiment.record import Record
from cosim.experiment.transcript import stored_results
from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.files.wording import counted

__all__ = ["SUFFIXES", "Asked", "Report", "print_spread"]

#: Kinds of file that `Report.write` knows.
SUFFIXES = (".npz", ".json", ".csv")
_SHOWN = 10


@dataclass(frozen=True)
class Asked:
    """What a user asks of the results of a landing pad.

    Parameters
    ----------
    slots : tuple of int
        Results to show.
    codes : uint8 (slots, lanes) or None
        What they should be.
    within : int
        How far each code may be off.
    """

    slots: tuple[int, ...]
    codes: NDArray[np.uint8] | None = None
    within: int = 0


class Report:
    """A record and the results in it that are worth showing.

    Parameters
    ----------
    experiment : Experiment
    record : Record
    asked : mapping of OLP index to Asked
        Of a landing pad left out, all results that were stored are shown.
    """

    def __init__(self, experiment: Experiment, record: Record, asked: Mapping[int, Asked] | None = None) -> None:
        self.experiment, self.record, self.asked = experiment, record, asked or {}
        self.stopped = still_running(experiment)  #: units that the end of the run found at work
        last = {(result.olp, result.slot): result.cycle for result in stored_results(experiment)}
        #: (OLP, result, cycle in which it was stored last, codes)
        self.results: list[tuple[int, int, int, NDArray[np.uint8]]] = [
            (olp, slot, cycle, record.results[olp][slot])
            for (olp, slot), cycle in sorted(last.items())
            if olp not in self.asked or slot in self.asked[olp].slots
        ]

    def mismatches(self) -> Iterator[str]:
        """Results that are not as expected, lane by lane, in words."""
        for olp, asked in self.asked.items():
            if asked.codes is None:
                continue
            for slot, wanted in zip(asked.slots, asked.codes, strict=True):
                codes = self.record.results[olp][slot]
                for lane in np.flatnonzero(np.abs(codes.astype(int) - wanted) > asked.within):
                    near = f" within {asked.within}" if asked.within else ""
                    yield f"OLP {olp}, result {slot}, lane {lane}: {codes[lane]}, expected {wanted[lane]}{near}"

    def print(self, console: Console) -> None:
        """The results as a table, then how the run went."""
        config, record = self.experiment.config, self.record
        table = Table("landing pad", "result", "stored in cycle", "least", "most", "codes", box=None, pad_edge=False)
        for column in table.columns[1:5]:
            column.justify = "right"
        for olp, slot, cycle, codes in self.results:
            first = " ".join(map(str, codes[:_SHOWN])) + (" ..." if len(codes) > _SHOWN else "")
            name = f"OLP {olp} ({config.floorplan.domains[olp]})"
            table.add_row(name, str(slot), str(cycle), str(codes.min()), str(codes.max()), first)
        if self.results:
            console.print(table)
        else:
            console.print("no result was stored")
        kinds = [event.kind.name.lower() for event in record.events]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)) or "none"
        console.print(f"\nanalog events  {counts}")
        console.print(f"flags          {'errors, see below' if record.flagged else 'none'}")
        if any(asked.codes is not None for asked in self.asked.values()):
            console.print(f"results        {'not ' if any(self.mismatches()) else ''}as expected")
        console.print(f"cycles         {record.cycles:,} with {record.engine}{self._speed()}")
        if self.stopped:
            others = f" and {len(self.stopped) - 1} more" if len(self.stopped) > 1 else ""
            ran = f"{self.stopped[0]}{others} still ran"
            console.print(
                f"stopped        in cycle {self.experiment.cycles:,}, where {ran}; more cycles let them go on"
            )

    def _speed(self) -> str:
        speed = self.record.statistics.get("cycles_per_s")
        return f" ({speed:,.0f} cycles/s with all host transfers)" if speed else ""

    def as_json(self) -> dict[str, Any]:
        """All but high times and crossing times, which are in the npz file."""
        experiment, record = self.experiment, self.record
        return {
            "name": experiment.name,
            "engine": record.engine,
            "seed": experiment.seed,
            "cycles": record.cycles,
            "error_cycle": record.error_cycle,
            "stopped": [str(unit) for unit in self.stopped],
            "errors": record.error_report(experiment.config) if record.flagged else None,
            "mismatches": list(self.mismatches()),
            "results": [
                {"olp": olp, "result": slot, "cycle": cycle, "codes": codes.tolist()}
                for olp, slot, cycle, codes in self.results
            ],
            "events": [
                {"cycle": event.cycle, "kind": event.kind.name.lower(), "tile": event.tile} for event in record.events
            ],
            "statuses": {str(unit): dict(status) for unit, status in record.statuses.items()},
            "statistics": record.plain_statistics(),
        }

    def as_csv(self) -> str:
        """OLP codes: a heading, then one line for each result."""
        lanes = range(self.experiment.config.lanes)
        rows = [["olp", "result", "cycle", *(f"lane{lane}" for lane in lanes)]]
        rows += [[str(n) for n in (olp, slot, cycle, *codes.tolist())] for olp, slot, cycle, codes in self.results]
        return "".join(",".join(row) + "\n" for row in rows)

    def write(self, path: Path) -> None:
        """Write a file of the kind that its suffix says, whole or not at all."""
        match path.suffix:
            case ".npz":
                self.record.save(path)
            case ".json":
                write_text(path, to_json(self.as_json(), indent=1) + "\n")
            case ".csv":
                write_text(path, self.as_csv())
            case suffix:
                raise ValueError(f"{path}: no output format {suffix!r}; expected {', '.join(SUFFIXES)}")


def print_spread(reports: Sequence[Report], console: Console) -> None:
    """How far the results of several seeds are apart, as a table: standard deviations of codes over the seeds."""
    table = Table("landing pad", "result", "mean code", "std", "largest std", "of lane", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for results in zip(*(report.results for report in reports), strict=True):
        olp, slot, _, _ = results[0]
        codes = np.array([codes for *_, codes in results], float)  # (seeds, lanes)
        spread = codes.std(axis=0, ddof=1)
        lane = int(spread.argmax())
        numbers = (f"{codes.mean():.2f}", f"{np.sqrt((spread**2).mean()):.2f}", f"{spread[lane]:.2f}", str(lane))
        table.add_row(f"OLP {olp} ({reports[0].experiment.config.floorplan.domains[olp]})", str(slot), *numbers)
    console.print(f"\n{counted(len(reports), 'seed')}")
    if table.rows:
        console.print(table)
