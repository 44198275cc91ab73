"""The bench's clock and reset."""

from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge, SimTimeoutError, with_timeout

from cosim.engines.rtl.agents.errors import ChipError

__all__ = ["CYCLE_NS", "ResetWatch", "reset", "within"]

#: Period of the clock, by definition of the chip; a bench with a clock of its own keeps to it.
CYCLE_NS = 1


async def reset(dut: Any, cycles: int = 4) -> None:
    """Hold `rst` for some cycles, at least one, and wait until the chip is out of reset; the clock must run."""
    if cycles < 1:
        raise ValueError(f"a reset takes at least one cycle, got {cycles}")
    dut.rst.value = 1
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await FallingEdge(dut.chip_rst)


class ResetWatch:
    """Sees every reset, so that nobody takes what one has cut off for what was asked for.

    Parameters
    ----------
    dut : cocotb handle of `bench`

    Attributes
    ----------
    count : int
        Resets that have begun, as the chip sees them: a cycle behind the bench's input `rst`.
    """

    def __init__(self, dut: Any) -> None:
        self._rst, self._chip_rst = dut.rst, dut.chip_rst
        self.count = 0
        self._task = cocotb.start_soon(self._watch())

    def stop(self) -> None:
        """Watch no longer."""
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            await RisingEdge(self._chip_rst)
            self.count += 1

    @property
    def active(self) -> bool:
        """Whether the chip is in reset in this cycle."""
        return str(self._chip_rst.value) == "1"

    async def over(self) -> None:
        """Wait for the chip to see that `rst` has fallen, which it does an edge later."""
        if self.active and str(self._rst.value) == "0":
            await FallingEdge(self._chip_rst)

    def check(self, count: int, what: str) -> None:
        """Raise `ChipError` if `count` has moved on or a reset is active: it cut off `what` the host waits for."""
        if self.count != count or self.active:
            raise ChipError(f"the chip was reset while the host waited for it to {what}")


async def within(trigger: Any, cycles: float) -> bool:
    """Whether `trigger` fires within so many cycles."""
    try:
        await with_timeout(trigger, cycles * CYCLE_NS, "ns")
    except SimTimeoutError:
        return False
    return True
