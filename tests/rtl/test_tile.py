"""The tile around a stand-in for the analog macro: its banks, masks, row bus, output gate, status."""

from dataclasses import replace

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from rtl.analog_tile import AnalogPort
from rtl.bus import Region
from rtl.config import Edge, preset
from rtl.tile import Tile
from tests.rtl.simulation import HALT, BusDriver, simulate, word

CONFIG = preset("small")
MESH, ARRAY, READOUT, BIAS, WRITE = range(5)
ALL, EVEN, CUSTOM = 1, 2, 6

# Bit positions typed from rtl/isa.py: three bits a switch, in the order of MeshBank.
WEST_TO_ROWS, NET_TO_ROWS, COLUMNS_TO_NET, COLUMNS_TO_SOUTH = 24, 27, 30, 33
NET_TO_NORTH, NET_TO_EAST, NET_TO_SOUTH, NET_TO_WEST = 3, 9, 15, 21
INTEGRATE = 2
OUTPUT_ENABLE = 1 << 17


class StandIn(wiring.Component):
    """An analog part whose outputs the test sets."""

    def __init__(self, lanes: int, bias_rows: int) -> None:
        self.comparators = Signal(lanes)
        self.strobes = Signal(4)
        self.failing = Signal()
        super().__init__(AnalogPort(lanes, bias_rows))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.columns_out.eq(self.comparators),
            self.event.eq(self.strobes),
            self.fault.eq(self.failing),
        ]
        return m


class Bench:
    """A tile, its stand-in, and a program to run on them."""

    def __init__(self, config=CONFIG):
        self.tile = Tile(config, analog=self._stand_in)

    def _stand_in(self, lanes, bias_rows):
        self.analog = StandIn(lanes, bias_rows)
        return self.analog

    async def start(self, ctx, *words):
        """Load and start; returns in cycle 0, the issue cycle of word 0."""
        self.bus = BusDriver(ctx, self.tile.bus)
        await self.bus.write_program([*words, HALT])
        ctx.set(self.tile.start, 1)
        await ctx.tick()
        ctx.set(self.tile.start, 0)

    def run(self, body):
        simulate(self.tile, body)


BANKS = {  # bank -> (its width, its signals at the macro, lowest bits first)
    ARRAY: (11, "array"),
    READOUT: (18, "readout"),
    WRITE: (22, "write"),
}


@pytest.mark.parametrize("bank", BANKS)
def test_a_bank_is_in_force_two_cycles_after_its_issue_and_alone(bank):
    """All ones into one bank, then all zeros: each shows for exactly its cycles, and the other banks stay 0."""
    bench = Bench()
    ones = (1 << BANKS[bank][0]) - 1

    async def body(ctx):
        await bench.start(ctx, word(bank, (1 << 112) - 1, wait=2), word(bank, 0))
        for cycle in range(10):
            shown = {b: ctx.get(getattr(bench.analog, name).as_value()) for b, (_, name) in BANKS.items()}
            assert shown == {b: ones if b == bank and 2 <= cycle < 5 else 0 for b in BANKS}, f"cycle {cycle}"
            assert ctx.get(bench.analog.rows) == 0
            await ctx.tick()

    bench.run(body)


def test_banks_outlive_the_program():
    bench = Bench()

    async def body(ctx):
        await bench.start(ctx, word(ARRAY, 0x7FF), word(MESH, ALL << WEST_TO_ROWS))
        await ctx.tick().repeat(20)
        assert not ctx.get(bench.tile.running)
        ctx.set(bench.tile.west.theirs.data, 0xBEEF)
        assert ctx.get(bench.analog.array.as_value()) == 0x7FF
        assert ctx.get(bench.analog.rows) == 0xBEEF
        ctx.set(bench.tile.start, 1)
        await ctx.tick()
        assert ctx.get(bench.analog.rows) == 0xBEEF, "a start keeps the banks"

    bench.run(body)


def test_switches_are_in_force_two_cycles_after_the_issue():
    bench = Bench()

    async def body(ctx):
        tile = bench.tile
        await bench.start(ctx, word(MESH, ALL << WEST_TO_ROWS), word(MESH, EVEN << WEST_TO_ROWS, wait=2), word(MESH, 0))
        ctx.set(tile.west.theirs.data, 0xFFFF)
        rows, changed = [], []
        for _ in range(9):
            rows.append(ctx.get(bench.analog.rows))
            changed.append(ctx.get(tile.mesh_changed))
            await ctx.tick()
        assert rows == [0, 0, 0xFFFF, 0x5555, 0x5555, 0x5555, 0, 0, 0]
        assert changed == [0, 0, 1, 1, 0, 0, 1, 0, 0]

    bench.run(body)


def test_contention_of_a_program():
    """Issue in cycle 0, in force in 2, checked in 3, flagged from 4 on; STATUS says where."""
    bench = Bench()

    async def body(ctx):
        tile = bench.tile
        await bench.start(ctx, word(MESH, ALL << WEST_TO_ROWS | ALL << NET_TO_ROWS))
        flags = []
        for _ in range(6):
            flags.append(ctx.get(tile.contention))
            ctx.set(tile.mesh_check, len(flags) - 1 == 3)
            await ctx.tick()
        assert flags == [0, 0, 0, 0, 1, 1]
        assert await bench.bus.read(Region.STATUS, 0) == [0b010 << 8]
        ctx.set(tile.clear, 1)
        await ctx.tick()
        assert not ctx.get(tile.contention)

    bench.run(body)


@pytest.mark.parametrize("lanes", [16, 128])
def test_masks_through_the_bus(lanes):
    """Each edge's mask reaches its own CUSTOM switch, in whole beats, also when the bank was written before."""
    beats = -(-lanes // 64)
    bench = Bench(replace(CONFIG, lanes=lanes))
    masks = [0xF00D << lanes - 16 | 0x1 + edge for edge in range(4)]
    switches = (NET_TO_NORTH, NET_TO_EAST, NET_TO_SOUTH, NET_TO_WEST)

    async def body(ctx):
        tile = bench.tile
        await bench.start(
            ctx, word(READOUT, OUTPUT_ENABLE), word(MESH, ALL << COLUMNS_TO_NET | sum(CUSTOM << s for s in switches))
        )
        ctx.set(bench.analog.comparators, (1 << lanes) - 1)
        await ctx.tick().repeat(10)
        data = [mask >> 64 * beat & (1 << 64) - 1 for mask in masks for beat in range(beats)]
        await bench.bus.write(Region.MASKS, 0, data)
        await ctx.tick()
        assert ctx.get(tile.mesh_changed)
        assert [ctx.get(getattr(tile, edge).ours.data) for edge in Edge] == masks
        assert [ctx.get(getattr(tile, edge).ours.enable) for edge in Edge] == masks
        await ctx.tick()
        assert not ctx.get(tile.mesh_changed)
        assert await bench.bus.read(Region.MASKS, 0, 4 * beats) == [0] * 4 * beats, "write only"

    bench.run(body)


def test_output_gate():
    """`output_enable` opens and closes the columns in the cycles in which it is in force, on both ways out."""
    bench = Bench()

    async def body(ctx):
        ctx.set(bench.analog.comparators, 0x8421)
        await bench.start(
            ctx,
            word(MESH, ALL << COLUMNS_TO_NET | ALL << NET_TO_NORTH | EVEN << COLUMNS_TO_SOUTH, wait=3),
            word(READOUT, OUTPUT_ENABLE, wait=4),
            word(READOUT, 0),
        )
        north, south = [], []
        for _ in range(14):
            north.append(ctx.get(bench.tile.north.ours.data))
            south.append(ctx.get(bench.tile.south.ours.data))
            await ctx.tick()
        assert north == [0] * 6 + [0x8421] * 5 + [0] * 3
        assert south == [0] * 6 + [0x0401] * 5 + [0] * 3

    bench.run(body)


def test_row_bus_order():
    """Mesh rows are the low bits, bias rows follow."""
    bench = Bench(replace(CONFIG, bias_rows=2))

    async def body(ctx):
        ctx.set(bench.tile.west.theirs.data, 0x8001)
        await bench.start(
            ctx, word(MESH, ALL << WEST_TO_ROWS), word(BIAS, 0x0500), word(ARRAY, INTEGRATE), word(ARRAY, 0)
        )
        await ctx.tick().repeat(4)
        assert ctx.get(bench.analog.rows) == 1 << 17 | 0x8001

    bench.run(body)


def test_sharing_and_events_pass_through():
    bench = Bench()

    async def body(ctx):
        tile, analog = bench.tile, bench.analog
        await bench.start(ctx, word(ARRAY, 1 << 9), word(ARRAY, 1 << 10))
        await ctx.tick().repeat(2)
        assert (ctx.get(tile.share_north), ctx.get(tile.share_south)) == (1, 0)
        await ctx.tick()
        assert (ctx.get(tile.share_north), ctx.get(tile.share_south)) == (0, 1)
        ctx.set(tile.neighbour_north_shares, 1)
        assert (ctx.get(analog.neighbour_north_shares), ctx.get(analog.neighbour_south_shares)) == (1, 0)
        ctx.set(tile.neighbour_south_shares, 1)
        assert ctx.get(analog.neighbour_south_shares) == 1
        ctx.set(analog.strobes, 0b0100)
        assert ctx.get(tile.event.ramp) == 1
        assert ctx.get(tile.event.as_value()) == 0b0100

    bench.run(body)


def test_status():
    """STATUS: bit 0 running, bit 1 illegal, bit 2 fault; all answer one `clear` or one `stop`."""
    bench = Bench()

    async def body(ctx):
        tile = bench.tile
        await bench.start(ctx, word(ARRAY, 0, wait=100))
        assert await bench.bus.read(Region.STATUS, 0) == [0b001]
        ctx.set(tile.stop, 1)
        await ctx.tick()
        ctx.set(tile.stop, 0)
        assert await bench.bus.read(Region.STATUS, 0) == [0b000]
        await bench.start(ctx, word(5))
        await ctx.tick()
        ctx.set(bench.analog.failing, 1)
        assert (ctx.get(tile.illegal), ctx.get(tile.fault)) == (1, 1)
        assert await bench.bus.read(Region.STATUS, 0, 2) == [0b110] * 2
        ctx.set(tile.clear, 1)
        assert ctx.get(bench.analog.clear)
        await ctx.tick()
        assert not ctx.get(tile.illegal)

    bench.run(body)
