"""Line and toggle coverage of the chip's RTL, from the counts that its simulators left.

A *line* is a block of statements that has run, a *branch* one side of a choice that was taken, a *toggle* one bit of a
net that has gone from 0 to 1, or from 1 to 0. All are counted for each module, over all instances and simulations.
Nets that Yosys made up for intermediate values have no toggles here: what they carry is seen at the nets with names.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

__all__ = ["WAIVERS", "CodeCoverage", "Point", "Waiver"]

KINDS = ("line", "branch", "toggle")
_PLURAL = {"line": "lines", "branch": "branches", "toggle": "toggles"}
_MADE_UP = re.compile(r"(n|signal_)\d+\b.*|(procmux|auto)_.*")


@dataclass(frozen=True, order=True)
class Point:
    """A place of the RTL that something has to reach.

    Parameters
    ----------
    module : str
        Verilog module.
    kind : str
        ``line``, ``branch`` or ``toggle``.
    name : str
        Of a toggle, the net's bit and the direction: ``left[3]:0->1``. Else the place: ``tile.v:2418 cond_then``.
    """

    module: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.module} {self.kind} {self.name}"


@dataclass(frozen=True)
class Waiver:
    """Points that need no hit, and why.

    Parameters
    ----------
    module, kind, name : str
        Regular expressions, each for the whole of the point's field.
    reason : str
    """

    module: str
    kind: str
    name: str
    reason: str

    def covers(self, point: Point) -> bool:
        """Whether it speaks of this point."""
        return all(
            re.fullmatch(getattr(self, field), getattr(point, field)) is not None
            for field in ("module", "kind", "name")
        )


def _bits(*ranges: tuple[int, int]) -> str:
    """Regular expression of the indices in some ranges, ends included, and of both directions."""
    return rf"\[({'|'.join(str(bit) for first, last in ranges for bit in range(first, last + 1))})\]:.*"


_STATUS = r"(status|sample|bus___05Fread_data(_\d+)?)"
_FIELDS = r"(status|sample)_(__05F)?"
_NOT_THERE = "STATUS has no such field in this kind of unit: constant 0 (docs/fabric.md, Host port)"
_HALTED = (
    "random experiments read STATUS after the program; of a unit that runs it is read in "
    "tests/cosim/engines/rtl/test_bench.py::test_small_chip"
)
_DEFAULT = "Yosys writes a default for a choice that is complete; it cannot be reached"

#: For the small chip.
WAIVERS = (
    Waiver(r"duramesh_(ilp|olp)(_status_register)?", "toggle", _STATUS + _bits((2, 15), (19, 63)), _NOT_THERE),
    Waiver(
        r"duramesh_(ilp|olp)(_status_register)?",
        "toggle",
        rf"{_FIELDS}(reserved|contention|fault|pointer\[\d\d?\]).*",
        _NOT_THERE,
    ),
    Waiver(r"duramesh_tile(_status_register)?", "toggle", _STATUS + _bits((3, 7), (15, 63)), _NOT_THERE),
    Waiver(r"duramesh_tile(_status_register)?", "toggle", rf"{_FIELDS}(reserved|pointer).*", _NOT_THERE),
    Waiver(r"duramesh_tile", "toggle", r"bus___05Fread_data_\d+\[\d+\]:.*", "MASKS cannot be read: it answers 0"),
    Waiver(
        r"duramesh_\w+_status_register", "toggle", r"(sample_running|sample\[0\]|bus___05Fread_data\[0\]):.*", _HALTED
    ),
    Waiver(r"duramesh_(ilp|olp)", "toggle", r"bus___05Fread_data_\d+\[0\]:.*", _HALTED),
    Waiver(
        r"duramesh_(chip|tile|tile_mesh)",
        "toggle",
        r"(tile_\d+_\d+___05F)?(north|east|south|west)___05F(ours|theirs)___05Fclash(_\d+)?:.*",
        "only the south edge has two drivers in one tile; the others' are constant 0",
    ),
    Waiver(
        r"duramesh_\w+_sequencer",
        "toggle",
        r"rounds(_\d)?\[\d+\]:.*",
        "counts of up to 65,535 rounds take too long; proof sequencer.loop_counts has every bit",
    ),
    Waiver(
        r"duramesh_\w+_sequencer",
        "toggle",
        r"following\[16\]:.*",
        "the carry beyond a target of 16 bits, in a program of 64 words",
    ),
    Waiver(
        "duramesh_tile(_controller)?",
        "toggle",
        rf"write(_issued)?(_\d+)?(_row{_bits((5, 9))}|{_bits((6, 10))})",
        "rows of the array beyond the small chip's 24",
    ),
    Waiver(
        "duramesh_chip_host_port",
        "toggle",
        "left" + _bits((8, 15)),
        "random packets are shorter than 512 beats; proof host_port.requests has every length",
    ),
    Waiver(
        "duramesh_chip_host_port",
        "toggle",
        "answer" + _bits((0, 3)),
        "random packets start no program, so that the chip's STATUS has host_error only; the others: "
        "tests/cosim/engines/rtl/test_bench.py::test_small_chip, proof host_port.answers",
    ),
    Waiver("duramesh_chip_host_port", "line", r"chip\.v:1422 case", _DEFAULT),
    Waiver("duramesh_olp", "line", r"olp\.v:509 case", _DEFAULT),
    Waiver(
        r"duramesh_sram__A(3_D8|4_Df)_W\w+",
        "branch",
        r"sram\.v:\d+ else",
        "an SRAM with one part: no part is left out when it is written",
    ),
)


class CodeCoverage:
    """Hits of every point.

    Parameters
    ----------
    hits : mapping of Point to int
        Points without a hit included.
    waivers : iterable of Waiver

    Members
    -------
    hits : dict
        As given.
    waived : dict
        {point without a hit: the reason why it needs none}.
    holes : list of Point
        Points without a hit that are not waived, in order.
    """

    def __init__(self, hits: Mapping[Point, int], waivers: Iterable[Waiver] = WAIVERS) -> None:
        self.hits = dict(sorted(hits.items()))
        self.waived: dict[Point, str] = {}
        self.holes: list[Point] = []
        waivers = tuple(waivers)
        for point, count in self.hits.items():
            if not count:
                reason = next((waiver.reason for waiver in waivers if waiver.covers(point)), None)
                if reason is None:
                    self.holes.append(point)
                else:
                    self.waived[point] = reason

    @staticmethod
    def counts(folder: Path) -> list[Path]:
        """Files with counts in a folder, one of each process of the simulator."""
        return sorted(folder.glob("*.dat"))

    @classmethod
    def read(cls, folder: Path, waivers: Iterable[Waiver] = WAIVERS) -> "CodeCoverage":
        """Add up the counts in a folder."""
        hits: Counter[Point] = Counter()
        for path in cls.counts(folder):
            for line in path.read_text(encoding="utf-8").splitlines():
                if line.startswith("C "):
                    point, count = _parse(line)
                    if not (point.kind == "toggle" and _MADE_UP.fullmatch(point.name)):
                        hits[point] += count
        return cls(hits, waivers)

    def share(self, kind: str) -> float:
        """Points of a kind that were hit, as a share of those that are not waived."""
        needed = [point for point in self.hits if point.kind == kind and point not in self.waived]
        return sum(self.hits[point] > 0 for point in needed) / len(needed) if needed else 1.0

    @property
    def rises(self) -> dict[tuple[str, str], int]:
        """{(module, net): how often its bits went from 0 to 1}, over all instances."""
        found: Counter[tuple[str, str]] = Counter()
        for point, count in self.hits.items():
            bit, _, direction = point.name.partition(":")
            if point.kind == "toggle" and direction == "0->1":
                found[point.module, bit.partition("[")[0]] += count
        return dict(found)

    @property
    def modules(self) -> dict[str, dict[str, tuple[int, int, int]]]:
        """{module: {kind: (points, of these hit, of these waived)}}."""
        found: dict[str, dict[str, list[int]]] = defaultdict(lambda: {kind: [0, 0, 0] for kind in KINDS})
        for point, count in self.hits.items():
            row = found[point.module][point.kind]
            row[0] += 1
            row[1] += count > 0
            row[2] += point in self.waived
        return {
            module: {kind: (row[0], row[1], row[2]) for kind, row in rows.items()} for module, rows in found.items()
        }

    @property
    def summary(self) -> str:
        """The shares of all kinds: ``lines 100.00%, branches 99.50%, toggles 98.00%``."""
        return ", ".join(f"{_PLURAL[kind]} {self.share(kind):.2%}" for kind in KINDS)

    def table(self) -> Table:
        """What was hit of what is not waived, for each module."""
        table = Table("module", *_PLURAL.values(), "waived")
        for module, rows in self.modules.items():
            needed = (f"{hit:,} of {points - waived:,}" for points, hit, waived in rows.values())
            table.add_row(module, *needed, f"{sum(waived for _, _, waived in rows.values()):,}")
        return table


def _parse(line: str) -> tuple[Point, int]:
    r"""A line of Verilator's counts: ``C '\1key\2value\1key\2value...' count``."""
    text, _, count = line[3:].rpartition("' ")
    fields = dict(field.split("\2", 1) for field in text.split("\1") if field)
    kind, _, module = fields["page"].removeprefix("v_").partition("/")
    name = fields["o"] if kind == "toggle" else f"{Path(fields['f']).name}:{fields['l']} {fields['o']}"
    return Point(module, kind, name), int(count)
