"""The address space behind the host port, typed once: kinds of units, their regions, sizes and access rights.

The host port decodes from this table, test benches build their packets with it, and docs/memory-map.md is printed
from it.

>>> hex(address(UnitKind.ILP, 4, Region.VECTORS, 64))
'0x20420040'
>>> hex(write_header(0x20420040, 64))
'0x1000004020420040'

Source
------
Our assumption.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import unsigned
from amaranth.lib import data

from .bus import Region
from .config import ChipConfig
from .enumeration import enum
from .isa import UnitKind

__all__ = [
    "BEAT_BITS",
    "MAX_BURST",
    "Address",
    "ChipRegion",
    "ChipStatus",
    "Control",
    "Header",
    "MemoryMap",
    "Opcode",
    "RegionEntry",
    "address",
    "pack",
    "read_header",
    "write_header",
]

BEAT_BITS = 64
#: Longest burst of one packet, in beats.
MAX_BURST = (1 << 16) - 1


class Opcode(enum.Enum, shape=unsigned(4)):
    """What a request packet asks for."""

    WRITE = 1  #: `length` beats of data follow; no answer
    READ = 2  #: the header is the whole packet; answered by a packet of `length` beats


class ChipRegion(enum.Enum, shape=unsigned(4)):
    """Regions of unit CHIP 0."""

    CONTROL = 0
    STATUS = 1


class Header(data.Struct):
    """First beat of a request packet.

    ::

        63    60 59      48 47    32 31       0
        [opcode] [ ignored ] [length] [ address ]
    """

    address: 32  #: of the first beat; the others follow in order
    length: 16  #: data beats that follow (WRITE) or are answered (READ), 1 to 65,535
    _0: 12
    opcode: Opcode


class Address(data.Struct):
    """Address of one beat.

    ::

        31  28 27   20 19    16 15     0
        [kind] [index] [region] [offset]
    """

    offset: 16  #: beat within the region
    region: 4  #: `Region` of a tile or landing pad, `ChipRegion` of the chip
    index: 8  #: of the unit within its kind: tiles row by row, landing pads in the order of the domains
    kind: 4  #: `UnitKind`: CHIP 0, TILE 1, ILP 2, OLP 3


class Control(data.Struct):
    """What a write to the chip's CONTROL does; each bit acts once, in the same cycle in every unit."""

    start: 1  #: every program from its word 0
    stop: 1  #: halt every program at once
    clear: 1  #: sticky flags of all units and of the host port


class ChipStatus(data.Struct):
    """What the chip's STATUS reads."""

    busy: 1  #: some unit runs
    contention: 1  #: sticky, of any tile
    illegal: 1  #: sticky, of any unit
    fault: 1  #: sticky, of any tile
    host_error: 1  #: sticky: a malformed packet, or an address or access that is not in this map


@dataclass(frozen=True)
class RegionEntry:
    """One region of one kind of unit.

    Parameters
    ----------
    kind : UnitKind
    region : Region or ChipRegion
    name : str
    readable, writable : bool
        Any other access is an address outside the memory map.
    beats : int
        Offsets 0 ... beats - 1 exist.
    content : str
        What the beats hold, for the reader.
    """

    kind: UnitKind
    region: Region | ChipRegion
    name: str
    readable: bool
    writable: bool
    beats: int
    content: str

    @property
    def access(self) -> str:
        return "r" * self.readable + "w" * self.writable


class MemoryMap:
    """All units and regions of a configured chip.

    Parameters
    ----------
    config : ChipConfig

    Raises
    ------
    ValueError
        If the chip has more units of a kind than an index counts, or a region has more beats than an offset counts.
    """

    def __init__(self, config: ChipConfig) -> None:
        self.config = config
        indices, offsets = 1 << Address.as_shape()["index"].width, 1 << Address.as_shape()["offset"].width
        for kind in UnitKind:
            if self.unit_count(kind) > indices:
                raise ValueError(
                    f"{self.unit_count(kind)} units of kind {kind.name} do not fit an address, which has {indices}; "
                    "use a smaller floorplan"
                )
        for entry in self.entries:
            if entry.beats > offsets:
                raise ValueError(
                    f"{entry.kind.name} {entry.name} has {entry.beats} beats of {BEAT_BITS} bits, "
                    f"but an address reaches {offsets}; lower the depth of its SRAM or the number of lanes"
                )

    def unit_count(self, kind: UnitKind) -> int:
        """How many units of `kind` the chip has."""
        if kind is UnitKind.CHIP:
            return 1
        return self.config.tile_count if kind is UnitKind.TILE else self.config.domain_count

    @property
    def units(self) -> Iterator[tuple[UnitKind, int]]:
        """(kind, index) of every unit on the bus, the chip itself not among them, in address order."""
        for kind in (UnitKind.TILE, UnitKind.ILP, UnitKind.OLP):
            for index in range(self.unit_count(kind)):
                yield kind, index

    @cached_property
    def entries(self) -> tuple[RegionEntry, ...]:
        """Every region, in address order."""
        config = self.config
        word_beats = 2
        mask_beats = -(-config.lanes // BEAT_BITS)
        table = [
            RegionEntry(
                UnitKind.CHIP,
                ChipRegion.CONTROL,
                "CONTROL",
                False,
                True,
                1,
                "bit 0 start, bit 1 stop, bit 2 clear the sticky flags of all units",
            ),
            RegionEntry(
                UnitKind.CHIP,
                ChipRegion.STATUS,
                "STATUS",
                True,
                False,
                1,
                "bit 0 busy, bit 1 any contention, bit 2 any illegal, bit 3 any fault, bit 4 host_error",
            ),
        ]
        for kind, depth, status in (
            (
                UnitKind.TILE,
                config.program_depth,
                "bit 0 running, bit 1 illegal, bit 2 fault, [14:8] contention places",
            ),
            (UnitKind.ILP, config.pad_program_depth, "bit 0 running, bit 1 illegal, [31:16] pointer"),
            (UnitKind.OLP, config.pad_program_depth, "bit 0 running, bit 1 illegal, [31:16] pointer"),
        ):
            table.append(
                RegionEntry(
                    kind,
                    Region.PROGRAM,
                    "PROGRAM",
                    True,
                    True,
                    word_beats * depth,
                    f"{depth} words of 128 bits, two beats each, low half first",
                )
            )
            table.append(RegionEntry(kind, Region.STATUS, "STATUS", True, False, 1, status))
            if kind is UnitKind.TILE:
                table.append(
                    RegionEntry(
                        kind,
                        Region.MASKS,
                        "MASKS",
                        False,
                        True,
                        4 * mask_beats,
                        f"custom masks north, east, south, west; {config.lanes} bits and {mask_beats} beats each",
                    )
                )
            else:
                vectors = config.ilp_vectors if kind is UnitKind.ILP else config.olp_vectors
                table.append(
                    RegionEntry(
                        kind,
                        Region.VECTORS,
                        "VECTORS",
                        kind is UnitKind.OLP,
                        kind is UnitKind.ILP,
                        vectors * config.vector_beats,
                        f"{vectors} vectors of {config.vector_beats} beats: bit planes, lane 0 lowest",
                    )
                )
        return tuple(table)

    def entry(self, kind: UnitKind, region: Region | ChipRegion) -> RegionEntry:
        """The region called `region` of `kind`.

        Raises
        ------
        ValueError
            If units of that kind have no such region.
        """
        for entry in self.entries:
            if entry.kind is kind and entry.region is region:
                return entry
        raise ValueError(f"{kind.name} has no region {region.name}")


def address(kind: UnitKind, index: int, region: Region | ChipRegion, offset: int = 0) -> int:
    """Address of a beat, for a packet's header.

    Parameters
    ----------
    kind : UnitKind
    index : int
        Of the unit within its kind, 0 to 255.
    region : Region or ChipRegion
        `ChipRegion` if and only if `kind` is CHIP.
    offset : int
        Beat within the region, 0 to 65,535.

    Raises
    ------
    ValueError
        If a field does not fit. Whether the chip at hand has the unit is the chip's to say (`host_error`).
    """
    if isinstance(region, ChipRegion) != (kind is UnitKind.CHIP):
        raise ValueError(f"{kind.name} has no region {region!r}; the chip's are in ChipRegion, other units' in Region")
    fields = {"offset": offset, "region": region.value, "index": index, "kind": kind.value}
    return pack(Address, fields)


def write_header(address: int, length: int) -> int:
    """Header beat of a WRITE of `length` beats (1 to 65,535) from `address` on; the data beats follow it."""
    return _header(Opcode.WRITE, address, length)


def read_header(address: int, length: int) -> int:
    """Header beat of a READ of `length` beats (1 to 65,535) from `address` on; it is the whole packet."""
    return _header(Opcode.READ, address, length)


def _header(opcode: Opcode, address: int, length: int) -> int:
    if not 1 <= length <= MAX_BURST:
        raise ValueError(f"a packet carries 1 to {MAX_BURST} beats, got {length}; split the transfer")
    return pack(Header, {"opcode": opcode.value, "length": length, "address": address})


def pack(struct: type[data.Struct], fields: Mapping[str, int]) -> int:
    """Bits of a `Header`, an `Address` or a `Control`; fields left out are 0.

    Raises
    ------
    ValueError
        If a field does not fit.
    """
    word = 0
    for name, value in fields.items():
        field = struct.as_shape()[name]
        if not 0 <= value < 1 << field.width:
            raise ValueError(f"{struct.__name__}.{name} has {field.width} bits, got {value}")
        word |= value << field.offset
    return word
