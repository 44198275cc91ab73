"""What a simulation does for its waveform: voltages of capacitors as signals, and frames that it leaves out."""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import NextTimeStep
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.events import TileEvent
from analog_models.reception import PadReceiver
from cosim.engines.physics import Physics
from cosim.engines.rtl.waves import shown_lanes
from cosim.isa.words import TILE
from rtl.chip import unit_name
from rtl.config import ChipConfig

__all__ = ["ShownVoltages", "trace_on", "traced"]


def traced() -> bool:
    """Whether this simulation writes a waveform."""
    return "trace" in cocotb.plusargs


def trace_on(on: bool) -> None:
    """Let the waveform go on, or pause."""
    ctypes.CDLL(None).trace_on(ctypes.c_int(on))


class ShownVoltages:
    """Stands before the physics of a chip, and shows the voltages of some columns after each of their events.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    config : ChipConfig
    chip : AnalogChip
        Whose capacitors are looked at, which disturbs nothing.
    physics : Physics
        Serves the events; the chip, or what stands before it.
    """

    def __init__(self, dut: Any, config: ChipConfig, chip: AnalogChip, physics: Physics) -> None:
        self._dut, self._config, self._chip, self._physics = dut, config, chip, physics
        self._lanes = list(shown_lanes(config))
        self._signals: dict[int, list[Any]] = {}

    def serve(
        self, frames: NDArray[np.int64], events: Sequence[TileEvent], columns: Mapping[int, int] | None = None
    ) -> Mapping[int, NDArray[np.uint16]]:
        """`Physics.serve`."""
        answers = self._physics.serve(frames, events, columns)
        volts: dict[int, NDArray[np.float64]] = {}
        for event in events:
            try:
                v_mv = self._chip.tile(event.tile).voltage_mv(event.cycle)[0, self._lanes]
            except (LookupError, ValueError):
                continue  # it was never precharged
            volts[event.tile] = self._chip.config.periphery.precharge_v + v_mv / 1e3
        cocotb.start_soon(self._show(volts))
        return answers

    async def _show(self, volts: Mapping[int, NDArray[np.float64]]) -> None:
        await NextTimeStep()  # events are served where nothing may be written
        for tile, values in volts.items():
            for signal, value in zip(self._of(tile), values.tolist(), strict=True):
                signal.value = value

    def _of(self, tile: int) -> list[Any]:
        if tile not in self._signals:
            shell = getattr(self._dut.chip, unit_name(self._config, TILE, tile)).crossbar
            self._signals[tile] = [getattr(shell, f"set_volts_{index}") for index in range(len(self._lanes))]
        return self._signals[tile]

    def pad_receiver(self, olp: int) -> PadReceiver:
        """`Physics.pad_receiver`."""
        return self._physics.pad_receiver(olp)
