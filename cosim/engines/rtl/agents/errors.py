"""Errors that the chip reports, and when."""

from typing import Any

import cocotb
from cocotb.triggers import ReadOnly, RisingEdge

from cosim.files.errors import UserError

__all__ = ["ChipError", "ErrorMonitor"]


class ChipError(UserError, RuntimeError):
    """The chip reports an error, or does not answer; the message says which unit, where, and since when."""


class ErrorMonitor:
    """Remembers when the chip's `error` pin rose first.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    """

    def __init__(self, dut: Any) -> None:
        self._dut = dut
        self.cycle: int | None = None  #: since reset
        self.program_cycle: int | None = None  #: since the last start
        self._task = cocotb.start_soon(self._watch())

    def stop(self) -> None:
        """Watch no longer."""
        self._task.cancel()

    @property
    def when(self) -> str | None:
        if self.cycle is None:
            return None
        return f"cycle {self.program_cycle} of the program, {self.cycle} since reset"

    async def _watch(self) -> None:
        while self.cycle is None:
            await RisingEdge(self._dut.error)
            await ReadOnly()
            self.cycle, self.program_cycle = int(self._dut.cycle.value), int(self._dut.program_cycle.value)
