"""The trace of a chip: where it is written, and a GTKWave save file with what one wants to see first, in groups.

One group for the host port, one for each landing pad and each tile that the program uses; in a tile the controller with
its instructions in words, the switches, the analog controls and events, voltages of capacitors, then single lanes of
rows and columns.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cosim.files.archive import write_text
from cosim.files.errors import OutputError
from cosim.isa.assembler import listing
from cosim.isa.words import TILE, WordError, decode
from cosim.program import Unit
from rtl.chip import unit_name
from rtl.config import ChipConfig
from rtl.isa import MeshBank, UnitKind

__all__ = [
    "SHOWN_LANES",
    "Group",
    "Trace",
    "check_place",
    "groups",
    "part_of",
    "save_file",
    "shown_lanes",
    "trace_file",
    "units_in_use",
    "words_folder",
    "write_save_file",
]

#: Lanes that a tile shows one by one: the first few, and one from the middle.
SHOWN_LANES = 4
_BINARY, _HEX, _DECIMAL, _COMMENT = 0x28, 0x22, 0x24, 0x200
_GROUP_BEGIN, _GROUP_END, _CLOSED = 0x800000, 0x1000000, 0x400000
#: Hexadecimal and looked up in a file; real, as steps, and an empty line that makes the one above it higher.
_IN_WORDS, _ANALOG, _HIGHER = 0x2022, 0x8420, 0x20200
_HIGHER_BY = 2
#: Suffixes of traces, which a name may have already.
_FORMATS = (".fst", ".vcd")

# Amaranth's enums and layouts are untyped to a type checker.
_Kind: Any = UnitKind
_MeshBank: Any = MeshBank


@dataclass(frozen=True)
class Trace:
    """One line of the viewer.

    Parameters
    ----------
    path : str
        Full name, without the range.
    width : int
        Bits of the signal.
    number : bool
        Decimal instead of hexadecimal.
    bit : int or None
        Only this bit of it.
    real : bool
        A real number, drawn as a curve.
    words : str
        File, beside the save file, with a text for each value.
    """

    path: str
    width: int = 1
    number: bool = False
    bit: int | None = None
    real: bool = False
    words: str = ""

    @property
    def flags(self) -> int:
        if self.real or self.words:
            return _ANALOG if self.real else _IN_WORDS
        if self.width == 1 or self.bit is not None:
            return _BINARY
        return _DECIMAL if self.number else _HEX

    def __str__(self) -> str:
        if self.width == 1 or self.real:
            return self.path
        # GTKWave counts the bits of a vector from its highest one.
        prefix = "" if self.bit is None else f"({self.width - 1 - self.bit})"
        return f"{prefix}{self.path}[{self.width - 1}:0]"


@dataclass(frozen=True)
class Group:
    """Lines under one heading; closed groups open with a click."""

    title: str
    content: "tuple[Trace | Group, ...]"
    closed: bool = False


#: GTKWave's zoom, a power of two of picoseconds: a frame of keyword spotting fills the window.
_ZOOM = "*-20.5 0"


def trace_file(asked: Path, suffix: str = ".fst") -> Path:
    """Where the trace is written that a user asked for: with the suffix of its format, whatever else its name holds.

    >>> trace_file(Path("/seed0.1")).name, trace_file(Path("/run.vcd")).name
    ('seed0.1.fst', 'run.fst')
    """
    stem = asked.stem if asked.suffix in _FORMATS else asked.name
    return asked.absolute().with_name(stem + suffix)


def save_file(trace: Path) -> Path:
    """The viewer's save file of a trace."""
    return trace.with_suffix(".gtkw")


def words_folder(trace: Path) -> Path:
    """Where the instructions of each unit stand in words, for the viewer."""
    return trace.with_suffix(".words")


def part_of(trace: Path, pid: int) -> Path:
    """What a trace is called while simulator number `pid` writes it; main.cpp knows the name, too."""
    return trace.with_name(f".trace-{pid}.part")


def check_place(trace: Path) -> None:
    """See before a simulation that its trace and save file can be written; a missing folder is made.

    Raises
    ------
    OutputError
    """
    try:
        trace.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{trace} cannot be written: {error.strerror or error}") from error
    if not os.access(trace.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{trace} cannot be written: {trace.parent} is no folder that can be written to")
    for path in (trace, save_file(trace)):
        if path.is_dir():
            raise OutputError(f"{path} cannot be written: it is a folder; give --waves another name")
        if path.exists() and not os.access(path, os.W_OK):
            raise OutputError(f"{path} cannot be written: there is one that may not be changed; give another name")


def units_in_use(units: Mapping[Unit, Sequence[int]]) -> dict[Unit, Sequence[int]]:
    """Units that write a bank, or whose words are unknown: what merely halts is nothing to look at."""
    return {unit: words for unit, words in units.items() if any(_does_something(unit, word) for word in words)}


def _does_something(unit: Unit, word: int) -> bool:
    try:
        return decode(unit.kind, word).mnemonic not in ("HALT", "NOP", "JUMP", "LOOP")
    except WordError:
        return True


def write_save_file(trace: Path, config: ChipConfig, units: Mapping[Unit, Sequence[int]], *, start_ns: int = 0) -> Path:
    """Write the save file beside `trace`, and the files with the words of each unit; its path.

    Parameters
    ----------
    trace : Path
        As from `trace_file`. All names in the save file are relative: the folder may be moved.
    config : ChipConfig
    units : mapping of Unit to words
        What each unit runs; those that do nothing are left out.
    start_ns : int
        Time at the left edge of the window.

    Raises
    ------
    OutputError
    """
    path = save_file(trace)
    used = units_in_use(units)
    for unit, words in used.items():
        lines = (f"{address:x} {line.strip()}" for address, line in listing(words, unit.kind) if address is not None)
        digits = -(-_bits(_depth(unit, config)) // 4)
        padded = (line.partition(" ")[0].zfill(digits) + " " + line.partition(" ")[2] for line in lines)
        write_text(path.parent / _words_file(path, unit), "\n".join(padded) + "\n")
    head = [f'[dumpfile] "{trace.name}"', f'[savefile] "{path.name}"', f"[timestart] {1000 * start_ns}", _ZOOM]
    body = [line for group in groups(config, used, path) for line in _lines(group)]
    write_text(path, "\n".join([*head, *body]) + "\n")
    return path


def _words_file(save: Path, unit: Unit) -> str:
    return f"{words_folder(save).name}/{unit.kind.name.lower()}{unit.index}.txt"


def _depth(unit: Unit, config: ChipConfig) -> int:
    return config.program_depth if unit.kind is TILE else config.pad_program_depth


def _lines(group: Group) -> Iterator[str]:
    closed = _CLOSED if group.closed else 0
    yield from (f"@{_COMMENT | _GROUP_BEGIN | closed:x}", f"-{group.title}")
    for item in group.content:
        if isinstance(item, Group):
            yield from _lines(item)
        else:
            yield f"@{item.flags:x}"
            if item.words:
                yield f"^1 {item.words}"
            yield str(item)
            if item.real:
                yield from (f"@{_HIGHER:x}", "-") * _HIGHER_BY
    yield from (f"@{_COMMENT | _GROUP_END | closed:x}", f"-{group.title}")


def groups(config: ChipConfig, units: Iterable[Unit], save: Path) -> Iterator[Group]:
    """The groups for the units in use, landing pads first; `save` is where the save file will be."""
    yield Group("chip", tuple(Trace(f"bench.{name}") for name in ("clk", "chip_rst", "busy", "error", "service")))
    yield Group(
        "host port",
        tuple(
            Trace(f"bench.{side}_{name}", width)
            for side in ("rx", "tx")
            for name, width in (("tdata", 64), ("tvalid", 1), ("tready", 1), ("tlast", 1))
        ),
        closed=True,
    )
    yield Group("cycles", (Trace("bench.cycle", 64, True), Trace("bench.program_cycle", 64, True)))
    kinds = (_Kind.ILP, _Kind.OLP, _Kind.TILE)
    for unit in sorted(units, key=lambda unit: (kinds.index(unit.kind), unit.index)):
        words = _words_file(save, unit)
        yield _tile(unit, config, words) if unit.kind is _Kind.TILE else _pad(unit, config, words)


def _sequencer(path: str, depth: int, words: str) -> tuple[Trace, ...]:
    address = Trace(f"{path}.address", _bits(depth), True)
    return (
        Trace(f"{path}.running"),
        replace(address, number=False, words=words),
        address,
        Trace(f"{path}.left", 12, True),
        Trace(f"{path}.issue"),
    )


def _pad(unit: Unit, config: ChipConfig, words: str) -> Group:
    name = unit_name(config, unit.kind, unit.index)
    path = f"bench.chip.{name}"
    vectors = config.ilp_vectors if unit.kind is _Kind.ILP else config.olp_vectors
    own = Trace(f"{path}.enable" if unit.kind is _Kind.ILP else f"{path}.counting")
    return Group(
        f"{unit} {name}",
        (
            *_sequencer(f"{path}.sequencer", config.pad_program_depth, words),
            Trace(f"{path}.pointer", _bits(vectors), True),
            own,
            Group("lanes", _lanes(f"{path}.data", config.lanes, config), closed=True),
        ),
        closed=True,
    )


def _tile(unit: Unit, config: ChipConfig, words: str) -> Group:
    name = unit_name(config, unit.kind, unit.index)
    path = f"bench.chip.{name}"
    analog = f"{path}.crossbar"

    def controls(*names: str, **wide: int) -> tuple[Trace, ...]:
        single = (Trace(f"{analog}.{name}") for name in names)
        return (*single, *(Trace(f"{analog}.{name}", width, True) for name, width in wide.items()))

    switches = tuple(Trace(f"{path}.mesh.{switch}", config.lanes) for switch in _MeshBank.as_shape().members)
    array = controls("precharge", "integrate", "wp1", "wp2", "discharge", "share_north", "share_south", capacitors=4)
    return Group(
        f"{unit} {name}",
        (
            Group("controller", _sequencer(f"{path}.controller.sequencer", config.program_depth, words)),
            Group("array", array),
            Group("readout", controls("ramp", ramp_start=8, ramp_slope=8)),
            Group("write", controls("write", "write_reset", write_row=10, write_device=2, return_line=8), closed=True),
            Group("capacitors", tuple(Trace(f"{analog}.volts_{index}", real=True) for index in range(SHOWN_LANES + 1))),
            Trace(f"{analog}.event_strobe", 4),
            Trace(f"{analog}.fault"),
            Group("rows", _lanes(f"{analog}.rows", config.total_rows, config), closed=True),
            Group("columns out", _lanes(f"{analog}.columns_out", config.lanes, config), closed=True),
            Group("net", _lanes(f"{path}.mesh.net", config.lanes, config), closed=True),
            Group("switches", switches, closed=True),
        ),
        closed=True,
    )


def _lanes(path: str, width: int, config: ChipConfig) -> tuple[Trace, ...]:
    """A vector and some of its lanes."""
    return (Trace(path, width), *(Trace(path, width, bit=lane) for lane in shown_lanes(config)))


def shown_lanes(config: ChipConfig) -> tuple[int, ...]:
    """Lanes that a tile shows one by one, and columns whose voltages it shows."""
    return (*range(SHOWN_LANES), config.lanes // 2)


def _bits(depth: int) -> int:
    return (depth - 1).bit_length()
