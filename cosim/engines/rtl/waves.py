"""GTKWave save file for a trace of the chip: what one wants to see first, in groups.

One group for the host port, one for each landing pad and each tile that the program uses; in a tile the controller, the
switches, the analog controls and events, then single lanes of rows and columns.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.program import Unit
from rtl.chip import unit_name
from rtl.config import ChipConfig
from rtl.isa import MeshBank, UnitKind

__all__ = ["SHOWN_LANES", "Group", "Trace", "groups", "write_save_file"]

#: Lanes that a tile shows one by one: the first few, and one from the middle.
SHOWN_LANES = 4
_BINARY, _HEX, _DECIMAL, _COMMENT = 0x28, 0x22, 0x24, 0x200
_GROUP_BEGIN, _GROUP_END, _CLOSED = 0x800000, 0x1000000, 0x400000

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
    """

    path: str
    width: int = 1
    number: bool = False
    bit: int | None = None

    @property
    def flags(self) -> int:
        if self.width == 1 or self.bit is not None:
            return _BINARY
        return _DECIMAL if self.number else _HEX

    def __str__(self) -> str:
        if self.width == 1:
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


def write_save_file(trace: Path, config: ChipConfig, units: Iterable[Unit]) -> Path:
    """Write the save file beside `trace`, with the suffix .gtkw, and return its path."""
    trace = trace.resolve()
    lines = [f'[dumpfile] "{trace}"', f'[savefile] "{trace.with_suffix(".gtkw")}"', "[timestart] 0", _ZOOM]
    for group in groups(config, units):
        lines += _lines(group)
    path = trace.with_suffix(".gtkw")
    path.write_text("\n".join(lines) + "\n")
    return path


def _lines(group: Group) -> Iterator[str]:
    closed = _CLOSED if group.closed else 0
    yield from (f"@{_COMMENT | _GROUP_BEGIN | closed:x}", f"-{group.title}")
    for item in group.content:
        if isinstance(item, Group):
            yield from _lines(item)
        else:
            yield from (f"@{item.flags:x}", str(item))
    yield from (f"@{_COMMENT | _GROUP_END | closed:x}", f"-{group.title}")


def groups(config: ChipConfig, units: Iterable[Unit]) -> Iterator[Group]:
    """The groups for the units in use, landing pads first."""
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
        yield _tile(unit, config) if unit.kind is _Kind.TILE else _pad(unit, config)


def _sequencer(path: str, depth: int) -> tuple[Trace, ...]:
    return (
        Trace(f"{path}.running"),
        Trace(f"{path}.address", _bits(depth), True),
        Trace(f"{path}.left", 12, True),
        Trace(f"{path}.issue"),
    )


def _pad(unit: Unit, config: ChipConfig) -> Group:
    name = unit_name(config, unit.kind, unit.index)
    path = f"bench.chip.{name}"
    vectors = config.ilp_vectors if unit.kind is _Kind.ILP else config.olp_vectors
    own = Trace(f"{path}.enable" if unit.kind is _Kind.ILP else f"{path}.counting")
    return Group(
        f"{unit} {name}",
        (
            *_sequencer(f"{path}.sequencer", config.pad_program_depth),
            Trace(f"{path}.pointer", _bits(vectors), True),
            own,
            Group("lanes", _lanes(f"{path}.data", config.lanes, config), closed=True),
        ),
        closed=True,
    )


def _tile(unit: Unit, config: ChipConfig) -> Group:
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
            Group("controller", _sequencer(f"{path}.controller.sequencer", config.program_depth)),
            Group("array", array),
            Group("readout", controls("ramp", ramp_start=8, ramp_slope=8)),
            Group("write", controls("write", "write_reset", write_row=10, write_device=2, return_line=8), closed=True),
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
    shown = (*range(SHOWN_LANES), config.lanes // 2)
    return (Trace(path, width), *(Trace(path, width, bit=lane) for lane in shown))


def _bits(depth: int) -> int:
    return (depth - 1).bit_length()
