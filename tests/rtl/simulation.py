"""What the tests of the fabric share: run a component in Amaranth's simulator and talk to its bus."""

import os
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

from rtl.bus import BUS_READ_LATENCY, Region
from rtl.isa import Mode

Bench = Callable[[Any], Awaitable[None]]


def simulate(component: Elaboratable, *benches: Bench) -> None:
    """Run `benches` side by side until the last one returns; WAVES=1 writes `<component>.vcd`."""
    simulator = Simulator(component)
    simulator.add_clock(1e-9)
    for bench in benches:
        simulator.add_testbench(bench)
    waves = os.environ.get("WAVES", "0") not in ("", "0")
    with simulator.write_vcd(f"{type(component).__name__}.vcd") if waves else nullcontext():
        simulator.run()


def word(mode: int, payload: int = 0, wait: int = 0) -> int:
    """An instruction, put together from the bit positions of the specification and not from `rtl.isa`'s layouts."""
    assert payload < 1 << 112
    assert wait < 1 << 12
    return mode << 124 | wait << 112 | payload


def jump(target: int, wait: int = 0) -> int:
    return word(Mode.JUMP.value, target, wait)


def loop(target: int, count: int, level: int, wait: int = 0) -> int:
    return word(Mode.LOOP.value, level << 32 | count << 16 | target, wait)


NOP = word(Mode.NOP.value)
HALT = word(Mode.HALT.value)


class BusDriver:
    """The host's side of a `UnitBus`: one beat a cycle.

    Every method begins and ends between two clock edges, so that the next beat follows without a gap.
    """

    def __init__(self, ctx: Any, bus: Any) -> None:
        self._ctx = ctx
        self._bus = bus

    async def write(self, region: Region, offset: int, beats: Iterable[int]) -> None:
        ctx, bus = self._ctx, self._bus
        ctx.set(bus.region, region.value)
        ctx.set(bus.write, 1)
        for index, beat in enumerate(beats):
            ctx.set(bus.offset, offset + index)
            ctx.set(bus.write_data, beat)
            await ctx.tick()
        ctx.set(bus.write, 0)

    async def write_program(self, words: Iterable[int], first: int = 0) -> None:
        halves = [half for w in words for half in (w & (1 << 64) - 1, w >> 64)]
        await self.write(Region.PROGRAM, 2 * first, halves)

    async def read(self, region: Region, offset: int, length: int = 1) -> list[int]:
        """Back-to-back reads; also checks that the bus is silent before the first answer and after the last."""
        ctx, bus = self._ctx, self._bus
        answers = []
        ctx.set(bus.region, region.value)
        for cycle in range(length + BUS_READ_LATENCY + 1):
            ctx.set(bus.read, cycle < length)
            ctx.set(bus.offset, offset + min(cycle, length - 1))
            answers.append(ctx.get(bus.read_data))
            await ctx.tick()
        silent = answers[:BUS_READ_LATENCY] + answers[BUS_READ_LATENCY + length :]
        assert not any(silent), f"read_data outside its cycle: {answers}"
        return answers[BUS_READ_LATENCY:][:length]
