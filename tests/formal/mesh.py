"""The mesh over one tile and over an edge: switches, masks, the way of every lane, contention."""

from collections.abc import Callable
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Mux, Signal, Value
from amaranth.lib.data import View

from rtl.bus import Region
from rtl.config import Edge
from rtl.isa import MeshBank, Pattern
from rtl.mesh import PLACES, MaskRegisters, Mesh
from tests.formal.harness import Bench, proof

LANES = 4  # one lane of each kind: even or odd, low or high
EDGES = tuple(map(str, Edge))

# Typed from the table of docs/fabric.md, "Mesh": place -> the tile's own switches that drive it.
DRIVERS = {
    "net": ("north_to_net", "east_to_net", "south_to_net", "west_to_net", "columns_to_net"),
    "rows": ("west_to_rows", "net_to_rows"),
    "columns": ("south_to_columns", "net_to_columns"),
    "north": ("net_to_north",),
    "east": ("net_to_east",),
    "south": ("net_to_south", "columns_to_south"),
    "west": ("net_to_west",),
}
SWITCHES = tuple(switch for switches in DRIVERS.values() for switch in switches)


def mask_edge(switch: str) -> str:
    """Edge whose mask a switch with pattern CUSTOM takes: the one in its name; west for the rows, south for columns."""
    named = [edge for edge in EDGES if edge in switch]
    return named[0] if named else "west" if "rows" in switch else "south"


def lanes_of(pattern: Value, mask: Value) -> Value:
    """Lanes that `pattern` picks, one by one."""
    lanes = []
    for lane in range(len(mask)):
        half = Pattern.LOW if lane < len(mask) // 2 else Pattern.HIGH
        parity = Pattern.ODD if lane % 2 else Pattern.EVEN
        fixed = Cat(pattern == p for p in (Pattern.ALL, parity, half)).any()
        lanes.append(fixed | ((pattern == Pattern.CUSTOM) & mask[lane]))
    return Cat(lanes)


def switches_in_force(
    bench: Bench,
    write: Value,
    written: View,
    signal: Callable[[str], Signal],
    masks: dict[str, Value],
    switches: tuple[str, ...] = SWITCHES,
    name: str = "",
) -> dict[str, Value]:
    """Books: the enabled lanes of each switch, by the bank and the masks as written two cycles ago or before.

    Parameters
    ----------
    bench : Bench
    write : Value
        `written` is written to the bank in this cycle.
    signal : callable (name) -> Signal
        Registers of the mesh.
    masks : dict edge -> Value
    switches : tuple of str
        Those that matter.
    name : str
        To tell two tiles apart.
    """
    bank = Signal(MeshBank, name=f"{name}book_bank")
    with bench.m.If(write):
        bench.m.d.sync += bank.eq(written)
    enables = {}
    for switch in switches:
        pattern = Value.cast(bank[switch])
        enables[switch] = lanes_of(bench.past(pattern), bench.past(masks[mask_edge(switch)]))
        # The registers on the way there.
        groups = [(parity, half) for parity in (Pattern.EVEN, Pattern.ODD) for half in (Pattern.LOW, Pattern.HIGH)]
        picked = Cat(Cat(pattern == p for p in (Pattern.ALL, *group)).any() for group in groups)
        bench.invariant(f"{name}{switch}_groups", signal(f"{switch}_groups") == picked)
        bench.invariant(f"{name}{switch}_custom", signal(f"{switch}_custom") == (pattern == Pattern.CUSTOM))
        bench.claim(
            f"{name}{switch}_latched",
            "Each switch holds its 512 enables in registers, loaded from pattern and mask when the bank or the mask is "
            "written.",
            signal(switch) == enables[switch],
        )
    bench.invariant(f"{name}load", signal("load") == bench.past(write))
    return enables


def driven(enables: dict[str, Value], place: str) -> Value:
    """Lanes of `place` that some own switch drives."""
    return reduce(or_, (enables[switch] for switch in DRIVERS[place]))


def crowded(*drivers: Value) -> Value:
    """Whether some lane has more than one driver, by counting."""
    return Cat(sum(driver[lane] for driver in drivers) > 1 for lane in range(LANES)).any()


@proof(prove=2, cover=8)
def tile(bench: Bench) -> None:
    """Mask registers and mesh of one tile, with any patterns, masks, pulses and neighbours."""
    masks_dut, dut = MaskRegisters(LANES), Mesh(LANES)
    bench.put(masks_dut, "masks")
    masks = {edge: getattr(masks_dut, edge) for edge in EDGES}
    inputs = {f"{edge}_mask": mask for edge, mask in masks.items()}
    inside = bench.put(dut, masks_written=masks_dut.written, **inputs)

    # Masks: the beat of each edge, and nothing else.
    bus = masks_dut.bus
    for offset, edge in enumerate(EDGES):
        writes = bus.write & (bus.region == Region.MASKS) & (bus.offset == offset)
        bench.claim(
            f"mask_{edge}",
            "north, east, south, west; `lanes` bits each, rounded up to whole beats",
            masks[edge] == Mux(bench.past(writes), bench.past(bus.write_data)[:LANES], bench.past(masks[edge])),
        )

    # The way of every lane. What lane i shows is written with lanes i alone: no lane has to do with another.
    enables = switches_in_force(bench, dut.write, dut.bank, inside.signal, masks)
    theirs = {edge: getattr(dut, edge).theirs for edge in EDGES}
    ours = {edge: getattr(dut, edge).ours for edge in EDGES}
    heard = {edge: theirs[edge].data for edge in EDGES} | {"columns": dut.columns}
    on_net = reduce(or_, (heard[s.split("_to_")[0]] & enables[s] for s in DRIVERS["net"]))
    heard["net"] = on_net
    shown = {"rows": dut.rows, "columns": dut.columns_in} | {edge: ours[edge].data for edge in EDGES}
    for place, wires in shown.items():
        brought = reduce(or_, (heard[s.split("_to_")[0]] & enables[s] for s in DRIVERS[place]))
        bench.claim(f"{place}_data", "every driver is a (data, enable) pair, drivers are OR-ed.", wires == brought)
        bench.claim(
            f"{place}_silent",
            "Each switch of `MeshBank` drives one side with another, on the lanes of its pattern.",
            ~(wires & ~driven(enables, place)).any(),
        )
    for edge in EDGES:
        bench.claim(
            f"{edge}_enable",
            "every driver is a (data, enable) pair, drivers are OR-ed.",
            ours[edge].enable == driven(enables, edge),
        )

    # Contention, with a neighbour that does what it likes and checks at any time.
    for bit, place in zip(Value.cast(dut.contention), PLACES, strict=True):
        found = crowded(*(bench.past(enables[switch]) for switch in DRIVERS[place]))
        if place in EDGES:
            found |= crowded(ours[place].enable, theirs[place].enable) | theirs[place].clash
        bench.claim(
            f"{place}_contention",
            "a lane of net, rows, columns or of an edge's wires with more than one enabled driver.",
            bit == bench.past((bit & ~dut.clear) | (dut.check & found)),
        )
    for place in ("net", "rows", "columns", "south"):
        meets = crowded(*(bench.past(enables[switch]) for switch in DRIVERS[place]))
        bench.invariant(f"{place}_clash", inside.signal(f"{place}_clash") == meets)
    written = bench.past(dut.write, 2) | bench.past(dut.masks_written)
    bench.claim("changed", "It is checked in the cycle after any change of any switch", dut.changed == written)
    bench.invariant("unchanged", dut.changed | (Cat(enables.values()) == bench.past(Cat(enables.values()))))

    bench.cover("pass_over", (dut.rows == 0b0101) & (ours["south"].data == 0b1100) & ~dut.contention.any())
    bench.cover("multicast", Cat(ours[edge].data == 0b1001 for edge in EDGES).all() & (theirs["north"].data == 0b1001))
    bench.cover(
        "halves_meet", (on_net == 0b1001) & (enables["west_to_net"] == 0b0011) & (enables["north_to_net"] == 0b1100)
    )
    bench.cover("custom_lane", enables["net_to_east"] == 0b0110)
    bench.cover("contention_everywhere", dut.contention == 0x7F)


@proof(prove=2, cover=8)
def edge(bench: Bench) -> None:
    """Two tiles over the wires between them: both flag what one of them, or both together, do there.

    Their pulses are left out: two meshes in a ring are a combinational loop, which a program must not close.
    """
    north, south = Mesh(LANES), Mesh(LANES)
    check = Signal()
    across = {"masks_written": 0, "check": check, "clear": 0}
    no_masks = {edge: Const(0, LANES) for edge in EDGES}
    above = bench.put(
        north,
        "north_tile",
        **across,
        **{f"{edge}_mask": 0 for edge in EDGES},
        south__theirs__enable=south.north.ours.enable,
        south__theirs__clash=south.north.ours.clash,
        south__theirs__data=0,
    )
    below = bench.put(
        south,
        "south_tile",
        **across,
        **{f"{edge}_mask": 0 for edge in EDGES},
        north__theirs__enable=north.south.ours.enable,
        north__theirs__clash=north.south.ours.clash,
        north__theirs__data=0,
    )
    changed = north.changed | south.changed
    bench.m.d.comb += check.eq(bench.past(changed))
    theirs = switches_in_force(bench, north.write, north.bank, above.signal, no_masks, DRIVERS["south"], "north_")
    ours = switches_in_force(bench, south.write, south.bank, below.signal, no_masks, DRIVERS["north"], "south_")
    flags = [north.contention[PLACES.index("south")], south.contention[PLACES.index("north")]]
    meets = crowded(theirs["net_to_south"], theirs["columns_to_south"], ours["net_to_north"])
    sentence = "it sets the sticky flag of the tile (of both tiles at an edge)"
    settled = check & ~changed
    bench.claim("both", sentence, flags[0] == flags[1])
    bench.claim("flagged", sentence, ~bench.past(settled & meets) | (flags[0] & flags[1]))
    bench.claim("only_then", sentence, ~bench.past(settled & ~meets & ~flags[0]) | ~(flags[0] | flags[1]))
    clash = crowded(*(bench.past(enables) for enables in theirs.values()))
    bench.invariant("clash", above.signal("south_clash") == clash)
    for name, dut, enables in (("north", north, theirs), ("south", south, ours)):
        now = Cat(enables.values())
        bench.invariant(f"{name}_unchanged", dut.changed | (now == bench.past(now)))
    bench.cover("from_both_sides", flags[0] & ~bench.past(theirs["columns_to_south"]).any())
    bench.cover("from_one_side", flags[1] & ~bench.past(ours["net_to_north"]).any())
    bench.cover(
        "disjoint_lanes", bench.past(settled) & ~flags[0] & theirs["net_to_south"].any() & ours["net_to_north"].any()
    )
