"""cocotb agents for one direction of an AXI4-Stream port each: source, sink, and a monitor of either.

Bursts run in `axi_stream.sv` without waking Python; a pause generator or a monitor wakes it in every cycle.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import cocotb
import numpy as np
from cocotb.task import Task
from cocotb.triggers import RisingEdge, ValueChange
from numpy.typing import NDArray

from cosim.engines.rtl.agents.clock import ResetWatch, within
from cosim.engines.rtl.agents.errors import ChipError
from cosim.engines.rtl.agents.signals import read_bits, write_bits

__all__ = ["TRANSFER_TIMEOUT_CYCLES", "Beats", "StreamMonitor", "StreamSink", "StreamSource"]

Beats = NDArray[np.uint64]

#: How long a burst may take at most, in cycles, before the chip is said to hang.
TRANSFER_TIMEOUT_CYCLES = 100_000
_BEAT_BITS = 65  # tlast, tdata
#: Value of `pause` in axi_stream.sv, a chance in 256ths, with which nothing passes at all.
_CLOSED = 256


class _Side:
    """What source and sink have in common: requests, pauses.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    name : str
        Of the instance: `source` or `sink`.
    task : str
        What a burst asks of the chip, for messages.
    """

    def __init__(self, dut: Any, name: str, task: str) -> None:
        self._dut = dut
        self._side = getattr(dut, name)
        self._task = task
        self._requested = int(str(self._side.request.value) == "1")  # of an agent before, perhaps: no new burst
        self.resets = ResetWatch(dut)
        self._pauses: Task[None] | None = None
        self._suspended = False
        #: Beats of a burst.
        self.depth = len(self._side.buffer) // _BEAT_BITS
        self._side.request.value = self._requested
        self.pause = 0.0

    def stop(self) -> None:
        """Watch for resets and pauses no longer; another agent takes over."""
        self.resets.stop()
        self.clear_pause_generator()

    @property
    def pause(self) -> float:
        """Chance that a beat is held back in a cycle."""
        return self._pause

    @pause.setter
    def pause(self, chance: float) -> None:
        if not 0 <= chance <= 1:
            raise ValueError(f"the chance of a pause must be 0 to 1, got {chance}")
        self.clear_pause_generator()
        self._pause = chance
        self._hold_back(round(255 * chance))

    def set_pause_generator(self, generator: Iterator[bool]) -> None:
        """Hold beats back in the cycles for which `generator` yields True; it is asked once in every cycle.

        A generator that ends lets everything pass from then on.
        """
        self.clear_pause_generator()
        self._pauses = cocotb.start_soon(self._follow(generator))

    def clear_pause_generator(self) -> None:
        """No pauses any more."""
        if self._pauses is not None:
            self._pauses.cancel()
            self._pauses = None
        self._pause = 0.0
        self._hold_back(0)

    @contextmanager
    def without_pauses(self) -> Iterator[None]:
        """Nothing is held back inside; afterwards everything is as before, a generator included."""
        self._suspended, self._side.pause.value = True, 0
        try:
            yield
        finally:
            self._suspended = False
            self._side.pause.value = self._wanted

    def _hold_back(self, chance: int) -> None:
        self._wanted = chance
        if not self._suspended:
            self._side.pause.value = chance

    async def _follow(self, generator: Iterator[bool]) -> None:
        for held in generator:
            self._hold_back(_CLOSED if held else 0)
            await RisingEdge(self._dut.clk)
        self._hold_back(0)

    def _arm(self, beats: int) -> tuple[int, int]:
        if self.resets.active:  # the burst would be taken for one that is done
            raise ChipError("the chip is in reset: wait for it to end before the host sends or reads")
        self._requested ^= 1
        self._side.beats.value = beats
        self._side.request.value = self._requested
        return self._requested, self.resets.count

    async def finish(self, armed: tuple[int, int]) -> None:
        """Wait until a burst is done; `armed` is what `start` returned."""
        request, resets = armed
        done = self._side.done
        moved = done.value == request or await within(ValueChange(done), TRANSFER_TIMEOUT_CYCLES)
        self.resets.check(resets, self._task)
        if not moved:
            raise ChipError(f"the chip did not {self._task} within {TRANSFER_TIMEOUT_CYCLES} cycles")

    async def idle(self) -> None:
        """Wait until no burst is under way, nor what is left of one that a cancelled task began."""
        if self._side.done.value != self._requested:
            await self.finish((self._requested, self.resets.count))


class StreamSource(_Side):
    """Sends bursts into the chip.

    Raises
    ------
    ChipError
        From `start` in a reset; from `finish`, if the chip does not take the burst, or is reset meanwhile.
    """

    def __init__(self, dut: Any) -> None:
        super().__init__(dut, "source", "accept a request")

    def start(self, beats: Beats, ends: Sequence[int] | NDArray[np.integer]) -> tuple[int, int]:
        """Begin to send at most `depth` beats, of which those at the indices `ends` carry tlast."""
        bits = np.zeros((self.depth, _BEAT_BITS), np.uint8)
        raw = beats.astype("<u8").view(np.uint8).reshape(-1, 8)
        bits[: len(beats), :64] = np.unpackbits(raw, axis=1, bitorder="little")
        bits[np.asarray(ends), 64] = 1
        write_bits(self._side.buffer, bits.ravel())
        return self._arm(len(beats))


class StreamSink(_Side):
    """Takes bursts from the chip; without a request it accepts nothing.

    Raises
    ------
    ChipError
        From `start` in a reset; from `finish`, if the chip does not send so many beats, or is reset meanwhile.
    """

    def __init__(self, dut: Any) -> None:
        super().__init__(dut, "sink", "answer a read")

    def start(self, beats: int) -> tuple[int, int]:
        """Begin to take `beats` beats, at most `depth`."""
        return self._arm(beats)

    def taken(self, beats: int) -> tuple[Beats, NDArray[np.intp]]:
        """The burst: (beats,) uint64, and the indices of those with tlast."""
        bits = read_bits(self._side.buffer)[: _BEAT_BITS * beats].reshape(-1, _BEAT_BITS)
        data = np.packbits(bits[:, :64], axis=1, bitorder="little").view("<u8").ravel()
        return data.astype(np.uint64, copy=False), np.flatnonzero(bits[:, 64])


class StreamMonitor:
    """Writes down every packet that passes on one side of the port, and how often a beat had to wait.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    side : str
        `source`: what the host sends; `sink`: what the chip answers.

    Attributes
    ----------
    packets : list of list of int
        Those that are complete.
    stalls : int
        Cycles in which a beat was offered and not taken.
    """

    def __init__(self, dut: Any, side: str) -> None:
        if side not in ("source", "sink"):
            raise ValueError(f"no side {side!r} of the port; expected source or sink")
        self._dut, self._side = dut, getattr(dut, side)
        self.packets: list[list[int]] = []
        self.stalls = 0
        self._task: Task[None] | None = None

    def start(self) -> Self:
        """Watch from the next edge on."""
        self._task = cocotb.start_soon(self._watch())
        return self

    def stop(self) -> None:
        """Watch no longer."""
        if self._task is not None:
            self._task.cancel()

    async def _watch(self) -> None:
        side, packet = self._side, []
        while True:
            await RisingEdge(self._dut.clk)
            if not int(side.tvalid.value):
                continue
            if not int(side.tready.value):
                self.stalls += 1
                continue
            packet.append(int(side.tdata.value))
            if int(side.tlast.value):
                self.packets.append(packet)
                packet = []
