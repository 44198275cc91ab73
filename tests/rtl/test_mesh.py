"""The mesh of one tile against docs/fabric.md, "Mesh", lane by lane."""

import random
from functools import reduce
from itertools import combinations
from operator import or_

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from hypothesis import given, settings
from hypothesis import strategies as st

from rtl.config import Edge, preset
from rtl.isa import Pattern
from rtl.mesh import PLACES, Mesh
from tests.rtl.simulation import simulate

LANES = preset("small").lanes

# Typed from the tables of docs/fabric.md and rtl/isa.py: switch -> (source, target, edge of its custom mask).
SWITCHES = {
    "north_to_net": ("north", "net", "north"),
    "net_to_north": ("net", "north", "north"),
    "east_to_net": ("east", "net", "east"),
    "net_to_east": ("net", "east", "east"),
    "south_to_net": ("south", "net", "south"),
    "net_to_south": ("net", "south", "south"),
    "west_to_net": ("west", "net", "west"),
    "net_to_west": ("net", "west", "west"),
    "west_to_rows": ("west", "rows", "west"),
    "net_to_rows": ("net", "rows", "west"),
    "columns_to_net": ("columns", "net", "south"),
    "columns_to_south": ("columns", "south", "south"),
    "south_to_columns": ("south", "columns_in", "south"),
    "net_to_columns": ("net", "columns_in", "south"),
}
FIXED = {  # lane 15 ... lane 0
    Pattern.NONE: 0b0000000000000000,
    Pattern.ALL: 0b1111111111111111,
    Pattern.EVEN: 0b0101010101010101,
    Pattern.ODD: 0b1010101010101010,
    Pattern.LOW: 0b0000000011111111,
    Pattern.HIGH: 0b1111111100000000,
}
OUTPUTS = ("rows", "columns_in", *Edge)

Bank = dict[str, Pattern]
Vectors = dict[str, int]


def lane_sets(bank: Bank, masks: Vectors) -> dict[str, int]:
    """Enabled lanes of every switch."""
    return {
        switch: masks[edge] if bank.get(switch) is Pattern.CUSTOM else FIXED[bank.get(switch, Pattern.NONE)]
        for switch, (_, _, edge) in SWITCHES.items()
    }


def expected(bank: Bank, masks: Vectors, pulses: Vectors) -> Vectors:
    """What each output shows, by walking along the wires of each lane."""
    enabled = lane_sets(bank, masks)

    def driven(place: str, lane: int) -> bool:
        return any(
            enabled[switch] >> lane & 1 and heard(source, lane)
            for switch, (source, target, _) in SWITCHES.items()
            if target == place
        )

    def heard(source: str, lane: int) -> bool:
        return driven("net", lane) if source == "net" else bool(pulses[source] >> lane & 1)

    return {str(output): sum(1 << lane for lane in range(LANES) if driven(output, lane)) for output in OUTPUTS}


class Driver:
    """Sets switches and pulses of a mesh and reads what comes out."""

    def __init__(self, ctx, mesh):
        self.ctx = ctx
        self.mesh = mesh

    async def load(self, bank: Bank, masks: Vectors | None = None) -> None:
        """Write the bank; the enables are in force when this returns."""
        self.ctx.set(self.mesh.bank, bank)
        for edge in Edge:
            self.ctx.set(getattr(self.mesh, f"{edge}_mask"), (masks or {}).get(edge, 0))
        self.ctx.set(self.mesh.write, 1)
        await self.ctx.tick()
        self.ctx.set(self.mesh.write, 0)
        assert not self.ctx.get(self.mesh.changed)
        await self.ctx.tick()

    def pulse(self, pulses: Vectors) -> Vectors:
        """Outputs for these inputs, in the same cycle."""
        for source, vector in pulses.items():
            port = self.mesh.columns if source == "columns" else getattr(self.mesh, source).theirs.data
            self.ctx.set(port, vector)
        shown = {}
        for output in OUTPUTS:
            port = getattr(self.mesh, output)
            shown[str(output)] = self.ctx.get(port.ours.data if output in tuple(Edge) else port)
        return shown


def random_vectors(rng: random.Random, *more: str) -> Vectors:
    return {name: rng.getrandbits(LANES) for name in (*map(str, Edge), *more)}


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_pattern_of_every_switch(switch):
    """The switch under test, and ALL lanes of some driver of the net where it starts at the net."""
    source, target, mask_edge = SWITCHES[switch]
    rng = random.Random(switch)
    mesh = Mesh(LANES)

    async def bench(ctx):
        driver = Driver(ctx, mesh)
        for pattern in Pattern:
            masks, pulses = random_vectors(rng), random_vectors(rng, "columns")
            bank = {switch: pattern} | ({"columns_to_net": Pattern.ALL} if source == "net" else {})
            await driver.load(bank, masks)
            shown = driver.pulse(pulses)
            lanes = masks[mask_edge] if pattern is Pattern.CUSTOM else FIXED[pattern]
            vector = pulses["columns" if source == "net" else source] & lanes
            if target == "net":  # the net has no port: look at it through the rows
                await driver.load({switch: pattern, "net_to_rows": Pattern.ALL}, masks)
                shown = driver.pulse(pulses)
            seen_at = "rows" if target == "net" else target
            assert shown == {str(output): vector if output == seen_at else 0 for output in OUTPUTS}

    simulate(mesh, bench)


@settings(max_examples=40, deadline=None)
@given(
    bank=st.fixed_dictionaries({switch: st.sampled_from(Pattern) for switch in SWITCHES}),
    seed=st.integers(0, 1 << 32),
)
def test_any_combination(bank, seed):
    rng = random.Random(seed)
    masks = random_vectors(rng)
    mesh = Mesh(LANES)

    async def bench(ctx):
        driver = Driver(ctx, mesh)
        await driver.load(bank, masks)
        for _ in range(4):
            pulses = random_vectors(rng, "columns")
            assert driver.pulse(pulses) == expected(bank, masks, pulses)
        enabled = lane_sets(bank, masks)
        for edge in Edge:
            drivers = [enabled[s] for s, (_, target, _) in SWITCHES.items() if target == edge]
            assert ctx.get(getattr(mesh, edge).ours.enable) == reduce(or_, drivers)

    simulate(mesh, bench)


def test_idioms():
    """Pass-over, multicast, and the concatenation of two halves."""
    mesh = Mesh(LANES)

    async def bench(ctx):
        driver = Driver(ctx, mesh)
        # A vector enters the rows from the west while another passes over the tile from north to south and east.
        await driver.load(
            {
                "west_to_rows": Pattern.ALL,
                "north_to_net": Pattern.ALL,
                "net_to_south": Pattern.ALL,
                "net_to_east": Pattern.ALL,
            }
        )
        shown = driver.pulse({"west": 0x1234, "north": 0xA5C3})
        assert shown == {"rows": 0x1234, "south": 0xA5C3, "east": 0xA5C3, "columns_in": 0, "north": 0, "west": 0}
        # Two half vectors meet on the net.
        await driver.load(
            {"west_to_net": Pattern.LOW, "north_to_net": Pattern.HIGH, "net_to_rows": Pattern.ALL},
        )
        assert driver.pulse({"west": 0x1234, "north": 0xA5C3})["rows"] == 0xA534

    simulate(mesh, bench)


def test_enables_are_latched():
    """Bank and masks act when loaded, not when they change; `changed` marks the first cycle in force."""
    mesh = Mesh(LANES)

    async def bench(ctx):
        driver = Driver(ctx, mesh)
        assert driver.pulse({"west": 0xFFFF})["rows"] == 0, "reset opens every switch"
        await driver.load({"west_to_rows": Pattern.CUSTOM}, {"west": 0x00F0})
        assert ctx.get(mesh.changed)
        assert driver.pulse({})["rows"] == 0x00F0
        ctx.set(mesh.west_mask, 0xFFFF)
        ctx.set(mesh.bank, {"west_to_rows": Pattern.ALL})
        await ctx.tick()
        assert not ctx.get(mesh.changed)
        assert driver.pulse({})["rows"] == 0x00F0

    simulate(mesh, bench)


async def settle(ctx, *meshes) -> list[set[str]]:
    """Let the check that follows a change run; the places flagged in each mesh."""
    await ctx.tick()
    for mesh in meshes:
        assert not ctx.get(mesh.changed)
        ctx.set(mesh.check, 1)
    await ctx.tick()
    for mesh in meshes:
        ctx.set(mesh.check, 0)
    return [{place for bit, place in enumerate(PLACES) if ctx.get(mesh.contention) >> bit & 1} for mesh in meshes]


DRIVER_PAIRS = [
    (place, pair)
    for place in ("net", "rows", "columns_in", "south")
    for pair in combinations([s for s, (_, target, _) in SWITCHES.items() if target == place], 2)
]


@pytest.mark.parametrize(("place", "pair"), DRIVER_PAIRS, ids=lambda x: x if isinstance(x, str) else "+".join(x))
def test_two_switches_on_one_place(place, pair):
    """Every pair of switches that can meet within a tile; one common lane is enough, disjoint lanes are fine."""
    flagged = "columns" if place == "columns_in" else place
    mesh = Mesh(LANES)

    async def bench(ctx):
        driver = Driver(ctx, mesh)
        await driver.load({pair[0]: Pattern.EVEN, pair[1]: Pattern.ODD})
        assert await settle(ctx, mesh) == [set()]
        masks = dict.fromkeys(map(str, Edge), 1 << 9)
        await driver.load({pair[0]: Pattern.ODD, pair[1]: Pattern.CUSTOM}, masks)
        assert await settle(ctx, mesh) == [{flagged}]
        await driver.load({})
        assert await settle(ctx, mesh) == [{flagged}], "sticky"
        ctx.set(mesh.clear, 1)
        await ctx.tick()
        ctx.set(mesh.clear, 0)
        assert ctx.get(mesh.contention) == 0

    simulate(mesh, bench)


def test_no_check_no_flag():
    mesh = Mesh(LANES)

    async def bench(ctx):
        await Driver(ctx, mesh).load({"west_to_rows": Pattern.ALL, "net_to_rows": Pattern.ALL})
        await ctx.tick().repeat(4)
        assert ctx.get(mesh.contention) == 0

    simulate(mesh, bench)


class Neighbours(wiring.Component):
    """Two meshes that see each other's enables over one edge. (The data path would be a loop, as on the chip.)"""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.here, self.there = Mesh(LANES), Mesh(LANES)
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.here, m.submodules.there = self.here, self.there
        a, b = getattr(self.here, self.edge), getattr(self.there, self.edge.opposite)
        for x, y in ((a, b), (b, a)):
            m.d.comb += [x.theirs.enable.eq(y.ours.enable), x.theirs.clash.eq(y.ours.clash)]
        return m


@pytest.mark.parametrize("edge", Edge)
def test_contention_at_an_edge_is_flagged_in_both_tiles(edge):
    pair = Neighbours(edge)

    async def bench(ctx):
        here, there = Driver(ctx, pair.here), Driver(ctx, pair.there)
        await here.load({f"net_to_{edge}": Pattern.LOW})
        await there.load({f"net_to_{edge.opposite}": Pattern.HIGH})
        assert await settle(ctx, pair.here, pair.there) == [set(), set()]
        await there.load({f"net_to_{edge.opposite}": Pattern.ODD})
        assert await settle(ctx, pair.here, pair.there) == [{edge.value}, {edge.opposite.value}]

    simulate(pair, bench)


def test_clash_of_the_northern_tile_is_flagged_in_the_southern_one():
    pair = Neighbours(Edge.SOUTH)

    async def bench(ctx):
        await Driver(ctx, pair.here).load({"net_to_south": Pattern.LOW, "columns_to_south": Pattern.ODD})
        assert await settle(ctx, pair.here, pair.there) == [{"south"}, {"north"}]

    simulate(pair, bench)
