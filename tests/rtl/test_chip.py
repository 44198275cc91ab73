"""The small chip whole, through its host port: every wire between units carries what it should, where it should."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from rtl.analog_tile import AnalogPort
from rtl.bus import Region, UnitStatus
from rtl.chip import Chip, unit_name
from rtl.config import preset
from rtl.input_landing_pad import InputLandingPad
from rtl.isa import ArrayBank, CountBank, MeshBank, Pattern, PulseBank, UnitKind
from rtl.memory_map import ChipRegion, ChipStatus, MemoryMap, address, read_header, write_header
from rtl.mesh import PLACES
from rtl.output_landing_pad import OutputLandingPad
from rtl.tile import Tile
from rtl.wire_receiver import ReceiverPort
from tests.rtl.simulation import HALT, simulate, word

SMALL = preset("small")
CODES = [0, 1, 2, 255, 128, 77, 200, 3, 9, 64, 31, 250, 17, 100, 5, 254]
CONTROL = address(UnitKind.CHIP, 0, ChipRegion.CONTROL)
NW, NE, SW, SE = range(4)  # tiles; ILPs are west of NW and east of NE, OLPs west of SW and east of SE
WEST, EAST = range(2)  # landing pads


class StandIn(wiring.Component):
    """Analog part whose outputs nobody drives, so that the test can set them."""

    def elaborate(self, platform: object) -> Module:
        return Module()


def route(**switches: Pattern) -> int:
    return word(0, MeshBank.const(switches).as_value().value)


def array(wait: int = 0, **fields: int) -> int:
    return word(1, ArrayBank.const(fields).as_value().value, wait)


def pulse(wait: int = 0, **fields: int) -> int:
    return word(0, PulseBank.const(fields).as_value().value, wait)


def count(wait: int = 0, **fields: int) -> int:
    return word(0, CountBank.const(fields).as_value().value, wait)


def beats_of(codes: Sequence[int]) -> list[int]:
    lanes = len(codes)
    bits = sum((code >> p & 1) << (p * lanes + lane) for p in range(8) for lane, code in enumerate(codes))
    return [bits >> at & (1 << 64) - 1 for at in range(0, 8 * lanes, 64)]


class Wires(wiring.Component):
    """A landing pad's receiver without errors."""

    def __init__(self, lanes: int) -> None:
        super().__init__(ReceiverPort(lanes))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.data.eq(self.wires)
        return m


class Host:
    """Host and analog parts of a simulated chip."""

    def __init__(self, ctx: Any, chip: Chip, analog: list[StandIn]) -> None:
        self.ctx, self.chip, self.analog = ctx, chip, analog

    async def _send(self, beats: Sequence[int]) -> None:
        ctx, chip = self.ctx, self.chip
        for index, beat in enumerate(beats):
            ctx.set(chip.host_rx_tdata, beat)
            ctx.set(chip.host_rx_tlast, index == len(beats) - 1)
            ctx.set(chip.host_rx_tvalid, 1)
            await ctx.tick().until(chip.host_rx_tready)
        ctx.set(chip.host_rx_tvalid, 0)

    async def write(self, start: int, beats: Sequence[int]) -> None:
        await self._send([write_header(start, len(beats)), *beats])

    async def read(self, start: int, length: int = 1) -> list[int]:
        ctx, chip = self.ctx, self.chip
        await self._send([read_header(start, length)])
        ctx.set(chip.host_tx_tready, 1)
        answers, last = [], False
        while not last:
            beat, last = await ctx.tick().sample(chip.host_tx_tdata, chip.host_tx_tlast).until(chip.host_tx_tvalid)
            answers.append(beat)
        ctx.set(chip.host_tx_tready, 0)
        assert len(answers) == length
        return answers

    async def load(self, kind: UnitKind, index: int, *words: int) -> None:
        halves = [half for w in words for half in (w & (1 << 64) - 1, w >> 64)]
        await self.write(address(kind, index, Region.PROGRAM), halves)

    async def send(self, ilp: int, codes: Sequence[int], wait: int = 0) -> None:
        """Prepare `ilp` to fire `codes` after `wait` cycles."""
        await self.write(address(UnitKind.ILP, ilp, Region.VECTORS), beats_of(codes))
        await self.load(UnitKind.ILP, ilp, word(8, 0, wait), pulse(fire=1), HALT)

    async def receive(self, olp: int) -> None:
        await self.load(UnitKind.OLP, olp, count(265, open=1), count(store=1), HALT)

    async def start(self) -> None:
        await self.write(CONTROL, [1])

    async def run(self) -> None:
        await self.start()
        await self.ctx.tick()
        await self.ctx.tick().until(~self.chip.busy)
        await self.ctx.tick().repeat(260)  # pulses run out, results are stored

    async def codes(self, olp: int) -> list[int]:
        bits = 0
        for index, beat in enumerate(await self.read(address(UnitKind.OLP, olp, Region.VECTORS), SMALL.vector_beats)):
            bits |= beat << 64 * index
        return [sum((bits >> plane * 16 + lane & 1) << plane for plane in range(8)) for lane in range(16)]

    async def status(self) -> Any:
        return ChipStatus.from_bits((await self.read(address(UnitKind.CHIP, 0, ChipRegion.STATUS)))[0])

    async def unit_status(self, kind: UnitKind, index: int) -> Any:
        return UnitStatus.from_bits((await self.read(address(kind, index, Region.STATUS)))[0])


def chip_test(body: Callable) -> Callable[[], None]:
    """Make `async body(host)` a test on a small chip whose units stand in their places."""

    def test() -> None:
        analog: list[StandIn] = []

        def stand_in(lanes: int, bias_rows: int) -> StandIn:
            analog.append(StandIn(AnalogPort(lanes, bias_rows)))
            return analog[-1]

        makers = {
            "tile": lambda: Tile(SMALL, stand_in),
            "ilp": lambda: InputLandingPad(SMALL),
            "olp": lambda: OutputLandingPad(SMALL),
        }
        chip = Chip(SMALL, dict.fromkeys(UnitKind), lambda name, module, signature: makers[module](), Wires)

        # `test` has no parameter, or pytest would look for a fixture of that name.
        async def bench(ctx: Any) -> None:
            await body(Host(ctx, chip, analog))

        simulate(chip, bench)

    test.__doc__ = body.__doc__
    test.__name__ = body.__name__
    return test


@chip_test
async def test_a_vector_crosses_the_chip_from_pad_to_pad(host: Host) -> None:
    """ILP W - NW - NE - SE - SW - OLP W. No unit is left without a program: an empty one is illegal."""
    for kind, index in MemoryMap(SMALL).units:
        await host.load(kind, index, HALT)
    await host.load(UnitKind.TILE, NW, route(west_to_net=Pattern.ALL, net_to_east=Pattern.ALL), HALT)
    await host.load(UnitKind.TILE, NE, route(west_to_net=Pattern.ALL, net_to_south=Pattern.ALL), HALT)
    await host.load(UnitKind.TILE, SE, route(north_to_net=Pattern.ALL, net_to_west=Pattern.ALL), HALT)
    await host.load(UnitKind.TILE, SW, route(east_to_net=Pattern.ALL, net_to_west=Pattern.ALL), HALT)
    await host.send(WEST, CODES)
    await host.receive(WEST)
    await host.receive(EAST)
    await host.run()
    assert await host.codes(WEST) == CODES
    assert await host.codes(EAST) == [0] * 16
    assert not host.ctx.get(host.chip.error)


@chip_test
async def test_a_vector_reaches_several_pads_and_the_other_way_round(host: Host) -> None:
    """ILP E - NE - NW - SW, from there to OLP W and to SE - OLP E; even lanes only to the east."""
    await host.load(UnitKind.TILE, NE, route(east_to_net=Pattern.ALL, net_to_west=Pattern.ALL), HALT)
    await host.load(UnitKind.TILE, NW, route(east_to_net=Pattern.ALL, net_to_south=Pattern.ALL), HALT)
    switches = {"north_to_net": Pattern.ALL, "net_to_west": Pattern.ALL, "net_to_east": Pattern.EVEN}
    await host.load(UnitKind.TILE, SW, route(**switches), HALT)
    await host.load(UnitKind.TILE, SE, route(west_to_net=Pattern.ALL, net_to_east=Pattern.ALL), HALT)
    await host.send(EAST, CODES)
    await host.receive(WEST)
    await host.receive(EAST)
    await host.run()
    assert await host.codes(WEST) == CODES
    assert await host.codes(EAST) == [code if lane % 2 == 0 else 0 for lane, code in enumerate(CODES)]


@chip_test
async def test_northern_edges_carry_vectors_too(host: Host) -> None:
    """ILP W - NW - SW - SE - NE, to the rows."""
    await host.load(UnitKind.TILE, NW, route(west_to_net=Pattern.ALL, net_to_south=Pattern.ALL), HALT)
    await host.load(UnitKind.TILE, SW, route(north_to_net=Pattern.ALL, net_to_east=Pattern.ALL), HALT)
    await host.load(UnitKind.TILE, SE, route(west_to_net=Pattern.ALL, net_to_north=Pattern.ALL), HALT)
    await host.load(UnitKind.TILE, NE, route(south_to_net=Pattern.ALL, net_to_rows=Pattern.ALL), HALT)
    await host.send(WEST, CODES, wait=2)
    await host.start()
    high = [0] * 16
    for _ in range(270):
        (rows,) = (await host.ctx.tick().sample(host.analog[NE].rows))[2:]
        high = [time + (rows >> lane & 1) for lane, time in enumerate(high)]
    assert high == CODES


@chip_test
async def test_a_sending_pad_and_a_driven_edge_are_contention(host: Host) -> None:
    """The switch is there long before the pad fires, and only then do they meet."""
    await host.load(UnitKind.TILE, NW, route(net_to_west=Pattern.HIGH), HALT)
    await host.send(WEST, [5] * 16, wait=30)
    await host.start()
    await host.ctx.tick().repeat(25)
    assert not host.ctx.get(host.chip.error)
    await host.ctx.tick().repeat(30)
    assert host.ctx.get(host.chip.error)
    flags = [(await host.unit_status(UnitKind.TILE, tile)).contention for tile in range(4)]
    assert flags == [1 << PLACES.index("west"), 0, 0, 0]
    assert (await host.status()).contention
    await host.write(CONTROL, [4])
    assert not (await host.status()).contention
    assert not host.ctx.get(host.chip.error)


@chip_test
async def test_neighbours_who_drive_each_other_are_both_flagged(host: Host) -> None:
    await host.load(UnitKind.TILE, SW, route(net_to_north=Pattern.ALL), HALT)
    await host.load(UnitKind.TILE, NW, word(8, 0, 9), route(net_to_south=Pattern.LOW), HALT)
    await host.start()
    await host.ctx.tick().repeat(30)
    flags = [(await host.unit_status(UnitKind.TILE, tile)).contention for tile in range(4)]
    assert flags == [1 << PLACES.index("south"), 0, 1 << PLACES.index("north"), 0]


@chip_test
async def test_sharing_reaches_the_tile_below_and_above(host: Host) -> None:
    await host.load(UnitKind.TILE, NW, array(share_south=1), HALT)
    await host.load(UnitKind.TILE, SE, array(share_north=1), HALT)
    await host.start()
    await host.ctx.tick().repeat(6)
    seen = [(host.ctx.get(a.neighbour_north_shares), host.ctx.get(a.neighbour_south_shares)) for a in host.analog]
    assert seen == [(0, 0), (0, 1), (1, 0), (0, 0)]  # NW, NE, SW, SE


@chip_test
async def test_events_and_faults_have_their_places(host: Host) -> None:
    ctx, chip = host.ctx, host.chip
    assert not ctx.get(chip.service)
    for tile, analog in enumerate(host.analog):
        for bit in range(4):
            ctx.set(analog.event.as_value(), 1 << bit)
            assert ctx.get(chip.analog_event) == 1 << (4 * tile + bit)
            assert ctx.get(chip.service)
        ctx.set(analog.event.as_value(), 0)
    ctx.set(host.analog[SE].fault, 1)
    assert ctx.get(chip.error)
    assert (await host.status()).fault
    assert [(await host.unit_status(UnitKind.TILE, tile)).fault for tile in range(4)] == [0, 0, 0, 1]


@chip_test
async def test_every_kind_of_flag_raises_the_error_pin(host: Host) -> None:
    """And its own bit of the chip's STATUS, until the flags are cleared."""
    ctx, chip = host.ctx, host.chip

    async def raised() -> set[str]:
        await ctx.tick().repeat(8)
        assert ctx.get(chip.error)
        status = await host.status()
        flags = {name for name in ("contention", "illegal", "fault", "host_error") if getattr(status, name)}
        ctx.set(host.analog[SW].fault, 0)
        await host.write(CONTROL, [4])
        await ctx.tick().repeat(2)
        assert not ctx.get(chip.error)
        return flags

    for kind, index in MemoryMap(SMALL).units:
        await host.load(kind, index, HALT)
    ctx.set(host.analog[SW].fault, 1)
    assert await raised() == {"fault"}
    await host.write(address(UnitKind.CHIP, 0, ChipRegion.STATUS), [0])
    assert await raised() == {"host_error"}
    for kind in (UnitKind.TILE, UnitKind.ILP, UnitKind.OLP):
        await host.load(kind, 1, word(7))
        await host.start()
        assert await raised() == {"illegal"}, kind
        await host.load(kind, 1, HALT)
    await host.load(UnitKind.TILE, NE, route(east_to_net=Pattern.ALL, west_to_net=Pattern.LOW), HALT)
    await host.start()
    assert await raised() == {"contention"}


@chip_test
async def test_start_and_stop_reach_every_unit_in_one_cycle(host: Host) -> None:
    units = list(MemoryMap(SMALL).units)
    for kind, index in units:
        await host.load(kind, index, word(8, 0, 4000), HALT)
    assert not host.ctx.get(host.chip.busy)
    await host.start()
    assert (await host.status()).busy  # read right behind the start
    assert [(await host.unit_status(kind, index)).running for kind, index in units] == [1] * len(units)
    await host.write(CONTROL, [2])
    assert not (await host.status()).busy
    assert [(await host.unit_status(kind, index)).running for kind, index in units] == [0] * len(units)


@chip_test
async def test_every_unit_keeps_its_own_program(host: Host) -> None:
    units = list(MemoryMap(SMALL).units)
    for number, (kind, index) in enumerate(units):
        await host.write(address(kind, index, Region.PROGRAM), [number + 1, ~number & (1 << 64) - 1])
    for number, (kind, index) in enumerate(units):
        answer = await host.read(address(kind, index, Region.PROGRAM), 2)
        assert answer == [number + 1, ~number & (1 << 64) - 1], unit_name(SMALL, kind, index)
    assert not host.ctx.get(host.chip.error)


def test_too_many_beats_for_an_offset() -> None:
    config = replace(preset(), lanes=4096, ilp_vectors=256)
    with pytest.raises(ValueError, match="ILP VECTORS has 131072 beats"):
        MemoryMap(config)
