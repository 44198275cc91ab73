"""cocotb agent for the receivers of the output landing pads: transport errors of every counting window."""

from time import perf_counter
from typing import Any

import cocotb
import numpy as np
from cocotb.task import Task
from cocotb.triggers import NextTimeStep, ReadOnly, RisingEdge
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.reception import MAX_MOVE, Reception
from cosim.engines.rtl.agents.physics import Locate, everything_is_frame_0
from cosim.engines.rtl.agents.signals import write_bits
from cosim.isa.words import OLP
from cosim.program import Unit
from rtl.config import ChipConfig

__all__ = ["ReceiverAgent", "setting_bits"]

_SLIP_BITS = 10


class ReceiverAgent:
    """Draws the transport errors of a window when it opens, and hands them to the pad's receiver.

    It wakes once for each window of each pad, and not at all if the chip's wires are ideal.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    config : ChipConfig
    chip : AnalogChip
        Its `pad_receiver` draws the errors.
    locate : callable (Unit, cycle) -> (frame number, cycle within the frame)
        As for `AnalogAgent`.

    Attributes
    ----------
    seconds : float
        Wall time spent here.
    """

    def __init__(
        self,
        dut: Any,
        config: ChipConfig,
        chip: AnalogChip,
        locate: Locate = everything_is_frame_0,
    ) -> None:
        self._dut, self._chip, self.locate = dut, chip, locate
        self._shells = [getattr(dut.chip, f"receiver_{domain}") for domain in config.floorplan.domains]
        self._tasks: list[Task[None]] = []
        self.seconds = 0.0

    def start(self) -> None:
        """Serve from now on; before the program starts."""
        active = self._chip.config.transport.active
        for olp, shell in enumerate(self._shells):
            shell.enabled.value = int(active)  # an earlier agent may have left it on
            if active:
                self._tasks.append(cocotb.start_soon(self._serve(olp)))

    def stop(self) -> None:
        """Serve no longer."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def _serve(self, olp: int) -> None:
        shell, receiver = self._shells[olp], self._chip.pad_receiver(olp)
        opens, clk = shell.opens, self._dut.clk
        while True:
            await RisingEdge(opens)
            while True:
                await ReadOnly()
                if not int(opens.value):
                    break
                started = perf_counter()
                window = int(self._dut.program_cycle.value) + 1
                frame, cycle = self.locate(Unit(OLP, olp), window)
                bits = setting_bits(receiver.reception(np.array([frame]), cycle))
                self.seconds += perf_counter() - started
                await NextTimeStep()
                write_bits(shell.setting, bits)
                await RisingEdge(clk)  # another window may open in the next cycle


def setting_bits(reception: Reception) -> NDArray[np.uint8]:
    """One frame's reception as the signal `setting` of the shell, lowest bit first."""
    moves, slips = reception.moves[0], reception.slips[0]
    stride = -(-len(moves) // 32) * 32
    planes = np.zeros((2, MAX_MOVE, stride), np.uint8)
    steps = np.arange(1, MAX_MOVE + 1)[:, None]
    planes[0, :, : len(moves)] = moves >= steps
    planes[1, :, : len(moves)] = -moves >= steps
    numbers = (slips[:, None] >> np.arange(_SLIP_BITS) & 1).astype(np.uint8)
    return np.concatenate([planes.ravel(), numbers.ravel(), np.array([reception.missed], np.uint8)])
