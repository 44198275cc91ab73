"""The agents on the chip's RTL: routes, host port, analog boundary, error reports. pytest outside, cocotb inside."""

import os
import shutil
import sys
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.triggers import NextTimeStep, ReadOnly, RisingEdge, SimTimeoutError, with_timeout

from analog_models.events import EventKind, TileEvent
from cosim.engines.rtl.agents import AnalogAgent, ChipError, ErrorMonitor, HostPort, StreamMonitor, reset
from cosim.engines.rtl.build import build
from cosim.engines.rtl.icarus import build_icarus
from cosim.engines.rtl.simulator import Simulator
from cosim.isa.assembler import assemble
from cosim.program import Unit
from rtl.bus import Region
from rtl.config import ChipConfig, Edge, preset
from rtl.isa import UnitKind
from rtl.memory_map import ChipRegion, address

# ---- outside the simulator


def simulate(folder: Path, name: str, tests: str, simulator: Simulator | None = None, **options) -> None:
    """Run the cocotb tests of this file whose names match `tests` on the chip `name`."""
    simulator = simulator or build(preset(name))
    environment = {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *(path for path in sys.path if path)]),
        "COCOTB_TEST_FILTER": tests,
        "PRESET": name,
    }
    simulator.run_tests([Path(__file__).stem], folder, environment=environment, **options)


@pytest.mark.cosimulation
def test_small_chip(tmp_path: Path) -> None:
    simulate(tmp_path, "small", ".*")


@pytest.mark.cosimulation
def test_small_chip_with_the_clock_of_cocotb(tmp_path: Path) -> None:
    simulate(tmp_path, "small", "multicast|columns", clock=False)


@pytest.mark.cosimulation
@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed")
def test_small_chip_in_icarus(tmp_path: Path) -> None:
    simulate(tmp_path, "small", ".*", build_icarus(preset("small")))


@pytest.mark.chip
@pytest.mark.cosimulation
def test_full_chip(tmp_path: Path) -> None:
    simulate(tmp_path, "chip", "multicast|columns")


# ---- inside the simulator


async def bench(dut, pause: float = 0.0) -> tuple[ChipConfig, HostPort]:
    """A chip out of reset; the test bench drives the clock if the simulator does not."""
    if "clock" not in cocotb.plusargs:
        Clock(dut.clk, 1, "ns").start()
    config = preset(os.environ["PRESET"])
    host = HostPort(dut, config, pause)
    await reset(dut)
    return config, host


def around_the_edge(config: ChipConfig) -> dict[Unit, tuple[int, ...]]:
    """Routes from ILP 0 along the outer tiles to every OLP: down the west side, and over the north to the east side."""
    plan = config.floorplan
    switches: dict[int, list[str]] = {}
    for square, index in plan.tile_index.items():
        row, column = square
        if column not in (0, plan.columns - 1) and row != 0:
            continue
        names = switches[index] = ["west_to_net" if row == 0 else "north_to_net"]
        if row == 0 and column < plan.columns - 1:
            names.append("net_to_east")
        if column in (0, plan.columns - 1) and row < plan.rows - 1:
            names.append("net_to_south")
        names += [f"net_to_{site.edge}" for site in plan.olp_sites if site.square == square]
    return {
        Unit(UnitKind.TILE, index): listing(f"MESH {', '.join(f'{name}=all' for name in names)}; HALT", index, config)
        for index, names in switches.items()
    }


def listing(text: str, index: int, config: ChipConfig, kind: UnitKind = UnitKind.TILE) -> tuple[int, ...]:
    return assemble(text.replace(";", "\n"), kind, config, f"{kind.name} {index}")


def send_all(config: ChipConfig) -> tuple[int, ...]:
    """ILP: every vector, one each 300 cycles from cycle 10 on."""
    loop = "PULSE load_pointer, wait=9; next: PULSE fire, advance=1, wait=298; LOOP next, count={}; HALT"
    return listing(loop.format(config.ilp_vectors), 0, config, UnitKind.ILP)


def count_all(config: ChipConfig) -> tuple[int, ...]:
    """OLP: what `send_all` sends."""
    loop = "COUNT load_pointer, wait=9; next: COUNT open, wait=259; COUNT store, wait=38; LOOP next, count={}; HALT"
    return listing(loop.format(config.ilp_vectors), 0, config, UnitKind.OLP)


def random_codes(shape: tuple[int, ...], seed: int) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    codes[..., :3] = 0, 255, 1
    return codes


@cocotb.test()
async def multicast_brings_codes_to_every_olp(dut) -> None:
    config, host = await bench(dut)
    units = around_the_edge(config)
    units[Unit(UnitKind.ILP, 0)] = send_all(config)
    units |= {Unit(UnitKind.OLP, index): count_all(config) for index in range(config.domain_count)}
    codes = random_codes((config.ilp_vectors, config.lanes), 1)
    await host.load_programs(units)
    await host.load_vectors(0, codes)
    await host.run()
    await host.check()
    for olp in range(config.domain_count):
        np.testing.assert_array_equal(await host.read_vectors(olp, config.olp_vectors), codes, f"OLP {olp}")


@cocotb.test()
async def memories_survive_back_pressure(dut) -> None:
    _, host = await bench(dut, pause=0.6)
    random = np.random.default_rng(2)
    for unit in (Unit(UnitKind.TILE, 1), Unit(UnitKind.ILP, 0), Unit(UnitKind.OLP, 1)):
        words = [int.from_bytes(random.bytes(16), "little") for _ in range(40)]
        await host.load_program(unit, words)
        beats = await host.read(address(unit.kind, unit.index, Region.PROGRAM), 80)
        assert [int(low) | int(high) << 64 for low, high in beats.reshape(-1, 2)] == words
    status = await host.status()
    assert not any(status.values()), status


@cocotb.test()
async def pause_generators_hold_beats_back(dut) -> None:
    """The same packets, later; a start with a stop in time keeps the generators."""
    config, host = await bench(dut)
    where, beats = address(UnitKind.TILE, 1, Region.PROGRAM, 64), np.arange(24, dtype=np.uint64)
    sent, answered = StreamMonitor(dut, "source").start(), StreamMonitor(dut, "sink").start()

    async def cycles() -> int:
        before = int(dut.cycle.value)
        await host.write(where, beats)
        np.testing.assert_array_equal(await host.read(where, len(beats)), beats)
        return int(dut.cycle.value) - before

    await host.load_programs({Unit(UnitKind.TILE, 0): listing("NOP wait=200; HALT", 0, config)})
    stopped = await host.run(stop_in=50)
    free = await cycles()
    host.source.set_pause_generator(cycle([True, True, True, False]))
    host.sink.set_pause_generator(cycle([True, False]))
    held = await cycles()
    assert held > free + 3 * len(beats)
    assert await host.run(stop_in=50) == stopped
    assert await cycles() > free + 3 * len(beats)
    host.source.clear_pause_generator()
    host.sink.set_pause_generator(iter([True]))  # one that ends lets everything pass
    assert await cycles() <= free + 2

    writes = [packet[1:] for packet in sent.packets if len(packet) == len(beats) + 1]
    assert writes == [beats.tolist()] * 4
    assert [packet for packet in answered.packets if len(packet) == len(beats)] == [beats.tolist()] * 4
    assert answered.stalls > 0
    sent.stop()
    answered.stop()


@cocotb.test()
async def tasks_take_turns_at_the_port(dut) -> None:
    """Several write, one reads what nobody writes, one polls: each gets its own."""
    config, host = await bench(dut, pause=0.3)
    quiet = address(UnitKind.ILP, 0, Region.PROGRAM)
    await host.write(quiet, np.arange(30))

    async def write_and_read(tile: int) -> None:
        where = address(UnitKind.TILE, tile, Region.PROGRAM)
        for turn in range(3):
            beats = np.arange(100, dtype=np.uint64) + 1000 * tile + 100 * turn
            await host.write(where, beats)
            np.testing.assert_array_equal(await host.read(where, len(beats)), beats)

    async def read() -> None:
        for _ in range(10):
            np.testing.assert_array_equal(await host.read(quiet, 30), np.arange(30))

    async def poll() -> None:
        for _ in range(20):
            await host.check()

    tasks = [cocotb.start_soon(write_and_read(tile)) for tile in range(config.tile_count)]
    for task in [*tasks, cocotb.start_soon(read()), cocotb.start_soon(poll())]:
        await task


@cocotb.test()
async def programs_take_turns(dut) -> None:
    """Two tasks run the same program, a third polls; a program that somebody else has started is in the way."""
    config, host = await bench(dut)
    await host.load_programs({Unit(UnitKind.TILE, 0): listing("NOP wait=99; HALT", 0, config)})
    runs = [cocotb.start_soon(host.run()), cocotb.start_soon(host.run(stop_in=60)), cocotb.start_soon(host.run())]
    while not all(task.done() for task in runs):
        await host.check()
    assert [task.result() for task in runs] == [101, 61, 101]
    await host.start()
    await RisingEdge(dut.busy)
    with pytest.raises(ChipError, match="a program runs already"):
        await host.run()
    await host.stop()
    assert await host.run() == 101


@cocotb.test()
async def a_cancelled_request_leaves_nothing_behind(dut) -> None:
    config, host = await bench(dut)
    where = address(UnitKind.TILE, 0, Region.PROGRAM, 8)  # behind the HALT
    await host.load_programs({Unit(UnitKind.TILE, 1): listing("NOP wait=99; HALT", 1, config)})
    for cycles in range(1, 60, 7):
        beats = np.arange(40, dtype=np.uint64) + 100 * cycles
        await host.write(where, beats)
        for request in (host.read(where, 40), host.write(where, beats), host.run(stop_in=90)):
            with suppress(SimTimeoutError):
                await with_timeout(request, cycles, "ns")
            np.testing.assert_array_equal(await host.read(where, 40), beats)
            await host.stop()
            await host.check()


CUT_OFF = {
    "a read": lambda host, where: host.read(where, 100),
    "a write": lambda host, where: host.write(where, np.ones(100)),
    "a program": lambda host, where: host.run(),
    "a program with a stop": lambda host, where: host.run(stop_in=500),
}


@cocotb.test()
@cocotb.parametrize(what=list(CUT_OFF), before=[0, 1, 5, 60])
async def a_reset_ends_what_waits(dut, what: str, before: int) -> None:
    """What is under way, and what would begin in the reset, says so; afterwards the port works."""
    config, host = await bench(dut)
    where = address(UnitKind.TILE, 0, Region.PROGRAM, 8)  # behind the HALT
    await host.load_programs({Unit(UnitKind.TILE, 1): listing("NOP wait=999; HALT", 1, config)})
    await host.write(where, np.arange(100))
    waiting = cocotb.start_soon(CUT_OFF[what](host, where))
    for _ in range(before):
        await RisingEdge(dut.clk)
    resetting = cocotb.start_soon(reset(dut))
    with pytest.raises(ChipError, match="the chip was reset while the host waited for it to"):
        await waiting
    for request in CUT_OFF.values():
        with pytest.raises(ChipError, match=r"the chip (is in|was) reset"):
            await request(host, where)
    assert not int(dut.source.tready.value)
    await resetting
    beats = await host.read(where, 100)
    assert ((beats == np.arange(100)) | (beats == 1)).all()  # the SRAMs keep what they hold
    await host.check()
    assert await host.run(stop_in=30) == 31


@cocotb.test()
@cocotb.parametrize(cycles=[1, 2, 5])
async def a_request_right_behind_a_reset_is_not_lost(dut, cycles: int) -> None:
    """A test bench that drives `rst` itself, and waits for nothing."""
    _, host = await bench(dut)
    where = address(UnitKind.TILE, 0, Region.PROGRAM)
    dut.rst.value = 1
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await ReadOnly()
    await NextTimeStep()
    await host.write(where, np.arange(30) + cycles)
    np.testing.assert_array_equal(await host.read(where, 30), np.arange(30) + cycles)


@cocotb.test()
async def what_is_written_at_an_edge_acts_at_the_next(dut) -> None:
    """Every simulator gives the same edges; a reset of one cycle is seen."""
    await bench(dut)
    seen = []
    for rst in (0, 1, 0, 0, 0):
        await RisingEdge(dut.clk)
        seen.append((int(dut.chip_rst.value), int(dut.source.tready.value), int(dut.cycle.value)))
        dut.rst.value = rst
    first = seen[0][2]
    assert seen == [(0, 1, first), (0, 1, first + 1), (0, 1, first + 2), (1, 0, first + 3), (0, 1, 0)], seen


class Recorder:
    """Physics that writes down every event and answers a ramp with the row times of the last integration."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        self.calls: list[tuple[int, TileEvent]] = []

    def serve(self, frames, events):
        self.calls += [(int(frames[0]), event) for event in events]
        ramps = [event.tile for event in events if event.kind is EventKind.RAMP]
        return {tile: self.last(EventKind.INTEGRATE).row_time[:, : self.lanes] for tile in ramps}

    def last(self, kind: EventKind) -> TileEvent:
        return next(event for _, event in reversed(self.calls) if event.kind is kind)


READ_TILE = """
      MESH west_to_rows=all, columns_to_south=all
      BIAS durations[0]=20, durations[3]=255
@10   ARRAY precharge
@30   ARRAY
@40   ARRAY integrate, wp1, discharge, capacitors=5
@300  ARRAY capacitors=5, wp2
@310  READOUT ramp, ramp_start=60, ramp_slope=128, output_enable
@580  READOUT
      HALT
"""


@cocotb.test()
async def columns_answer_rows(dut) -> None:
    """Rows of a tile are measured, the physics answers with the same times, the columns bring them to an OLP."""
    config, host = await bench(dut)
    south = config.floorplan.tile_index[1, 0]
    physics = Recorder(config.lanes)
    agent = AnalogAgent(dut, config, physics, locate=lambda unit, cycle: (43, cycle - 1))
    agent.start()
    codes = random_codes((1, config.lanes), 3)
    await host.load_programs(
        {
            Unit(UnitKind.TILE, 0): assemble(READ_TILE, UnitKind.TILE, config),
            Unit(UnitKind.TILE, south): listing("MESH north_to_net=all, net_to_west=all; HALT", south, config),
            Unit(UnitKind.ILP, 0): listing("@40 PULSE fire; HALT", 0, config, UnitKind.ILP),
            Unit(UnitKind.OLP, 0): listing("@300 COUNT open; @578 COUNT store; HALT", 0, config, UnitKind.OLP),
        }
    )
    await host.load_vectors(0, codes)
    await host.run()
    await host.check()
    np.testing.assert_array_equal(await host.read_vectors(0, 1), codes)

    # Bank writes are in force two cycles after they issue; `locate` took one more off.
    cycles = [(frame, event.tile, event.kind, event.cycle) for frame, event in physics.calls]
    assert cycles == [(43, 0, EventKind.PRECHARGE, 31), (43, 0, EventKind.INTEGRATE, 301), (43, 0, EventKind.RAMP, 311)]
    integrate, ramp = physics.last(EventKind.INTEGRATE), physics.last(EventKind.RAMP)
    bias = [{0: 20, 3: 255}.get(row, 0) for row in range(config.bias_rows)]
    np.testing.assert_array_equal(integrate.row_time[0], [*codes[0], *bias])
    controls = integrate.controls
    assert (controls.wp1, controls.wp2, controls.discharge, controls.capacitors) == (True, False, True, 5)
    assert (controls.share_north, controls.share_south) == (False, False)
    assert (ramp.controls.ramp_start, ramp.controls.ramp_slope) == (60, 128)


@cocotb.test()
async def columns_program_a_row(dut) -> None:
    config, host = await bench(dut)
    physics = Recorder(config.lanes)
    AnalogAgent(dut, config, physics).start()
    codes = random_codes((1, config.lanes), 4)
    tile = "MESH west_to_net=all, net_to_columns=all; WRITE write, row=5, device=wp2_plus, reset, return_line=200; "
    await host.load_programs(
        {
            Unit(UnitKind.TILE, 0): listing(tile + "@280 WRITE; HALT wait=5", 0, config),
            Unit(UnitKind.ILP, 0): listing("@10 PULSE fire; HALT", 0, config, UnitKind.ILP),
        }
    )
    await host.load_vectors(0, codes)
    await host.run()
    await host.check()
    ((frame, event),) = physics.calls
    assert (frame, event.tile, event.kind, event.cycle) == (0, 0, EventKind.WRITE, 282)
    assert (event.write_row, event.device, event.reset, event.return_line) == (5, 2, True, 200)
    np.testing.assert_array_equal(event.column_time, codes)


@cocotb.test()
async def errors_name_unit_and_place(dut) -> None:
    config, host = await bench(dut)
    monitor = ErrorMonitor(dut)

    async def complaint() -> str:
        with pytest.raises(ChipError) as caught:
            await host.check(monitor)
        await host.clear()
        await host.check()
        return str(caught.value)

    await host.check(monitor)
    two_drivers = listing("NOP wait=20; MESH west_to_net=all, north_to_net=low; MESH; HALT", 0, config)
    stray_store = listing("COUNT store; HALT", 1, config, UnitKind.OLP)
    await host.load_programs({Unit(UnitKind.TILE, 1): two_drivers, Unit(UnitKind.OLP, 1): stray_store})
    await host.run()
    message = await complaint()
    assert f"TILE 1 (square {config.floorplan.tiles[1]}): contention (more than one driver) on net" in message
    assert f"OLP 1 (domain {config.floorplan.domains[1]}): illegal" in message
    assert message.count("\n") == 2, message
    assert monitor.program_cycle is not None
    assert monitor.program_cycle < 10, "the stray store comes first"

    await host.load_programs(
        {Unit(UnitKind.TILE, 0): listing("ARRAY integrate; ARRAY wp1, integrate; ARRAY; HALT", 0, config)}
    )
    await host.run()
    assert "TILE 0 (square (0, 0)): fault" in await complaint()

    await host.write(address(UnitKind.CHIP, 0, ChipRegion.STATUS), [0])
    assert "host port" in await complaint()


@cocotb.test()
async def a_program_without_end_is_named(dut) -> None:
    config, host = await bench(dut)
    await host.load_programs({Unit(UnitKind.TILE, 2): listing("again: JUMP again", 2, config)})
    with pytest.raises(ChipError, match=r"still busy 500 cycles after the start: TILE 2$"):
        await host.run(timeout_cycles=500)
    assert (await host.unit_status(Unit(UnitKind.TILE, 2)))["running"]
    await host.stop()
    assert not (await host.status())["busy"]


@cocotb.test()
async def masks_reach_their_edge(dut) -> None:
    """A custom mask lets half of the lanes through, and no others."""
    config, host = await bench(dut)
    mask = np.random.default_rng(5).random(config.lanes) < 0.5
    units = around_the_edge(config)
    units[Unit(UnitKind.ILP, 0)] = send_all(config)
    units[Unit(UnitKind.OLP, 0)] = count_all(config)
    first = "MESH west_to_net=all, net_to_south=custom; HALT"
    units[Unit(UnitKind.TILE, 0)] = listing(first, 0, config)
    codes = random_codes((config.ilp_vectors, config.lanes), 6)
    await host.load_programs(units)
    await host.load_masks(0, {Edge.SOUTH: mask, Edge.NORTH: ~mask})
    await host.load_vectors(0, codes)
    await host.run()
    await host.check()
    np.testing.assert_array_equal(await host.read_vectors(0, config.olp_vectors), codes * mask)


@cocotb.test()
async def counters_count_cycles(dut) -> None:
    """`cycle` counts from the reset, `program_cycle` from the first cycle with `busy`."""
    config, host = await bench(dut)
    await host.load_programs({Unit(UnitKind.TILE, 0): listing("NOP wait=9; HALT", 0, config)})
    before = int(dut.cycle.value)
    running = cocotb.start_soon(host.run())
    await RisingEdge(dut.busy)
    seen = []
    await ReadOnly()
    while int(dut.busy.value):
        seen.append(int(dut.program_cycle.value))
        await RisingEdge(dut.clk)
        await ReadOnly()
    assert seen == list(range(11))
    assert int(dut.cycle.value) > before + 11
    await RisingEdge(dut.clk)
    await running
