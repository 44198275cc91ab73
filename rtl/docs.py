"""Prints docs/memory-map.md and docs/instruction-set.md from the layouts and tables that the hardware is built from."""

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click
from amaranth.hdl import Shape
from amaranth.lib import data, enum

from rtl.bus import Region, UnitStatus
from rtl.chip import unit_name
from rtl.config import ChipConfig, Edge, preset
from rtl.host_port import HOST_READ_LATENCY
from rtl.isa import (
    CONTROL_LATENCY,
    MAX_WAIT,
    UNIT_BANKS,
    WORD_BITS,
    ArrayBank,
    Device,
    Instruction,
    JumpPayload,
    LoopPayload,
    MeshBank,
    Mode,
    Pattern,
    UnitKind,
)
from rtl.memory_map import (
    Address,
    ChipStatus,
    Control,
    Header,
    MemoryMap,
    Opcode,
    address,
    read_header,
    write_header,
)

__all__ = ["PAGES", "floor_map", "instruction_set", "markdown_table", "memory_map"]

_GENERATED = "<!-- Written by `make docs` from the code in rtl/; edit there. -->\n"


def markdown_table(titles: Sequence[str], rows: Iterable[Sequence[object]], numbers_from: int | None = None) -> str:
    """A Markdown table; columns without content are left out, those from `numbers_from` on are aligned to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    used = [column for column in range(len(titles)) if any(row[column] for row in cells)]
    right = len(titles) if numbers_from is None else numbers_from
    lines = [titles, ["---" if column < right else "---:" for column in range(len(titles))], *cells]
    return "".join("| " + " | ".join(line[column] for column in used) + " |\n" for line in lines)


def _meanings(cls: type) -> dict[str, str]:
    """Members of a layout or enumeration -> the `#:` comment behind each."""
    pattern = re.compile(r"^    (\w+)\s*[:=].*?#:\s*(.+)$", re.MULTILINE)
    return dict(pattern.findall(inspect.getsource(cls)))


def _prose(cls: type) -> str:
    """A class's docstring as Markdown, without its drawing."""
    text = inspect.cleandoc(cls.__doc__ or "").split("\n\n::")[0]
    return text.replace("``", "`") + "\n"


def _bits(offset: int, width: int) -> str:
    return f"[{offset + width - 1}:{offset}]" if width > 1 else f"{offset}"


def _layout(struct: type[data.Struct]) -> str:
    """Fields of a layout, lowest bit first; those that begin with an underscore are reserved and left out."""
    meanings = _meanings(struct)
    rows = []
    for name, field in data.Layout.cast(struct):
        if name.startswith("_"):
            continue
        shape = field.shape
        kind = f"`{shape.__name__}`" if isinstance(shape, type) else ""
        if isinstance(shape, data.ArrayLayout):
            kind = f"{shape.length} x {Shape.cast(shape.elem_shape).width} bits"
        rows.append((f"`{name}`", _bits(field.offset, field.width), kind, meanings.get(name, "")))
    return markdown_table(["field", "bits", "type", "meaning"], rows)


def _codes(cls: type[enum.Enum]) -> str:
    meanings = _meanings(cls)
    return markdown_table(
        ["code", "name", "meaning"], [(item.value, f"`{item.name}`", meanings.get(item.name, "")) for item in cls]
    )


def memory_map(config: ChipConfig) -> str:
    """docs/memory-map.md for a chip of `config`."""
    space = MemoryMap(config)
    plan = config.floorplan

    def where(kind: UnitKind, index: int) -> str:
        if kind is UnitKind.TILE:
            return "row {}, column {}".format(*plan.tiles[index])
        site = (plan.ilp_sites if kind is UnitKind.ILP else plan.olp_sites)[index]
        return "domain {}: {} edge of row {}, column {}".format(plan.domains[index], site.edge, *site.square)

    regions = []
    for entry in space.entries:
        first = address(entry.kind, 0, entry.region)
        text = f"0x{first:08X}", f"0x{first + entry.beats - 1:08X}"
        regions.append((entry.kind.name, f"{entry.region.value} {entry.name}", entry.access, *text, entry.content))
    units = []
    for kind, index in space.units:
        base = address(kind, index, Region.PROGRAM)
        units.append((f"`{unit_name(config, kind, index)}`", kind.name, index, f"0x{base:08X}", where(kind, index)))
    ilp = config.domain_count - 1
    vector = address(UnitKind.ILP, ilp, Region.VECTORS, config.vector_beats)
    return f"""{_GENERATED}
# Memory map

How a host reaches every unit of the full chip. What the packets and regions do is specified in
[fabric.md](fabric.md#host-port); the code is `rtl/memory_map.py`. A beat is 64 bits, and addresses count beats.

## Request packet

First beat (header):

{_layout(Header)}
{_codes(Opcode)}
`tlast` closes every packet. The first beat of an answer comes {HOST_READ_LATENCY} cycles after the header was accepted.

For example, a packet of `0x{write_header(vector, config.vector_beats):016X}` and {config.vector_beats} beats of data
writes vector 1 of landing pad `{unit_name(config, UnitKind.ILP, ilp)}`, and
`0x{read_header(address(UnitKind.ILP, ilp, Region.STATUS), 1):016X}` alone reads its status.

## Address

{_layout(Address)}
## Regions

Addresses of index 0; index *i* adds *i* * 0x{1 << data.Layout.cast(Address)["index"].offset:06X}.

{markdown_table(["kind", "region", "access", "first", "last", "content"], regions)}
Any other address, or access, sets `host_error`: writes are dropped, reads give 0.

### CHIP CONTROL

{_layout(Control)}
### CHIP STATUS

{_layout(ChipStatus)}
### Unit STATUS

{_layout(UnitStatus)}
## Units

{markdown_table(["unit", "kind", "index", "base", "where"], units)}
## Where they are

Squares are (row, column), from the north-western corner; tiles are counted row by row, and holes are not. Landing pads
lie outside, on a free edge of the tile beside them. `[tile."1,0"]` of an experiment, `TILE {plan.tile_index[1, 0]}`
of a listing and `tile_1_0` of the Verilog are one tile, and so are `[ilp.NW]`, `ILP 0` and `ilp_NW` one pad. The two
tiles of rows 0 and 1, 2 and 3, ... of a column can share capacitors. The full chip, by the indices of its tiles:

```text
{floor_map(config)}```

The `small` one of the examples:

```text
{floor_map(preset("small"))}```
"""


def floor_map(config: ChipConfig) -> str:
    """The tiles' indices on their squares, with the landing pads beside them, as text."""
    plan = config.floorplan
    pads = {
        (site.square, site.edge): f"{kind} {plan.domains[index]}"
        for kind, sites in (("ILP", plan.ilp_sites), ("OLP", plan.olp_sites))
        for index, site in enumerate(sites)
    }
    lines = ["".join([" " * 16, *(f"{f'column {column}':^10}" for column in range(plan.columns))])]
    for row in range(plan.rows):
        west, east = pads.get(((row, 0), Edge.WEST), ""), pads.get(((row, plan.columns - 1), Edge.EAST), "")
        squares = ((row, column) for column in range(plan.columns))
        tiles = (f"{plan.tile_index.get(square, 'hole')}" for square in squares)
        lines.append("".join([f"row {row}  {west:<6}  ", *(f"{tile:^10}" for tile in tiles), f"  {east}"]))
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _mode_rows() -> Iterable[tuple[int, str, str]]:
    meanings = _meanings(Mode)
    for mode in Mode:
        writers = [
            f"{mnemonic} of {kind.name}"
            for kind, banks in UNIT_BANKS.items()
            for mnemonic, (bank, _) in banks.items()
            if bank is mode
        ]
        if mode.value < 8:
            text = f"writes bank {mode.value}: {', '.join(writers)}" if writers else "no unit has this bank: illegal"
        else:
            text = meanings.get(mode.name, "see below")
        yield mode.value, f"`{mode.name}`", text


def _control_signals(config: ChipConfig) -> str:
    """How many bits each bank of a tile holds, and what they become."""
    switches = len(MeshBank.as_shape().members)
    becomes = {
        "MESH": f"{switches} switches x {config.lanes} lanes: {switches * config.lanes:,} enables, kept in registers; "
        f"CUSTOM takes them from the {len(Edge)} x {config.lanes} bits of the custom masks",
        "ARRAY": "lines to the analog macro",
        "READOUT": f"lines to the analog macro; `output_enable` gates {config.lanes} columns",
        "BIAS": f"pulses of {config.bias_rows} bias rows",
        "WRITE": f"lines to the analog macro, which decodes {config.total_rows} word lines and {len(Device)} devices",
    }
    bits = {name: Shape.cast(layout).width for name, (_, layout) in UNIT_BANKS[UnitKind.TILE].items()}
    rows = [(name, bits[name], text) for name, text in becomes.items()]
    return markdown_table(["bank", "bits", "become"], [*rows, ("all", sum(bits.values()), "")])


def instruction_set(config: ChipConfig) -> str:
    """docs/instruction-set.md for a chip of `config`."""
    banks = [
        f"### {mnemonic}: bank {mode.value} of {kind.name}\n\n{_prose(layout)}\n{_layout(layout)}"
        for kind, unit_banks in UNIT_BANKS.items()
        for mnemonic, (mode, layout) in unit_banks.items()
    ]
    steering = [
        f"### {name}\n\n{_prose(layout)}\n{_layout(layout)}"
        for name, layout in (("JUMP", JumpPayload), ("LOOP", LoopPayload))
    ]
    payload = ArrayBank.const({"integrate": 1, "wp1": 1, "capacitors": 5}).as_value().value
    example = Instruction.const({"mode": Mode.BANK1, "wait": 254, "payload": payload}).as_value().value
    return f"""{_GENERATED}
# Instruction set

Every tile's local controller and every landing pad's sequencer run words of {WORD_BITS} bits from their own SRAM. What
the signals do in which cycle is specified in [fabric.md](fabric.md#sequencers); how words are written as text, in
[assembly.md](assembly.md); the code is `rtl/isa.py`.

## Word

{_layout(Instruction)}
A word occupies `wait` + 1 cycles, at most {MAX_WAIT + 1:,}: issued in cycle *t*, the next one issues in cycle
*t* + `wait` + 1, whatever the mode. A bank write is in force from cycle *t* + {CONTROL_LATENCY}. Bits of the payload
that a mode does not use are ignored. In the SRAM the low half of a word comes first.

For example, `0x{example:032X}` is ARRAY with `integrate`, `wp1`, `capacitors` = 5 and `wait` = 254:
if the next word ends it, the tile integrates for 255 cycles with its first pair of devices on 250 fF.

## Modes

{markdown_table(["code", "mode", "meaning"], _mode_rows())}
A mode, bank or loop level that a unit does not have, a jump or a loop to a word that is not there, and running past the
last word halt the unit and set its sticky `illegal` flag.

{chr(10).join(steering)}
## Banks

A bank write sets every field of its bank and leaves the other banks as they are. Reset clears all fields.

The control signals of a tile of the full chip:

{_control_signals(config)}
{chr(10).join(banks)}
## Codes

### Pattern

Which of the lanes a switch drives.

{_codes(Pattern)}
### Device

{_prose(Device)}
{_codes(Device)}"""


#: Page below docs/ -> how to write it.
PAGES: dict[str, Callable[[], str]] = {
    "memory-map.md": lambda: memory_map(preset()),
    "instruction-set.md": lambda: instruction_set(preset()),
}


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default="docs", show_default=True)
def main(out: Path) -> None:
    """Write the generated pages."""
    for name, page in PAGES.items():
        (out / name).write_text(page(), encoding="utf-8")
        click.echo(out / name)


if __name__ == "__main__":
    main()
