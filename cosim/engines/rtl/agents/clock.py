"""The bench's clock and reset."""

from typing import Any

from cocotb.triggers import RisingEdge, SimTimeoutError, with_timeout

__all__ = ["CYCLE_NS", "reset", "within"]

#: Period of the clock, by definition of the chip; a bench with a clock of its own keeps to it.
CYCLE_NS = 1


async def reset(dut: Any, cycles: int = 4) -> None:
    """Hold `rst` for some cycles; the clock must run."""
    dut.rst.value = 1
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


async def within(trigger: Any, cycles: float) -> bool:
    """Whether `trigger` fires within so many cycles."""
    try:
        await with_timeout(trigger, cycles * CYCLE_NS, "ns")
    except SimTimeoutError:
        return False
    return True
