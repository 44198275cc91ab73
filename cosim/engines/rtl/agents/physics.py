"""cocotb agent for the analog boundary: events of the tiles to the physics, crossing times back."""

from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import Any

import cocotb
import numpy as np
from cocotb.task import Task
from cocotb.triggers import NextTimeStep, ReadOnly, RisingEdge
from numpy.typing import NDArray

from analog_models.events import EventKind, TileEvent
from cosim.engines.controls import array_controls, ramp_controls, write_event
from cosim.engines.physics import Physics
from cosim.engines.rtl.agents.signals import bits_to_string, from_planes, read_bits, to_planes, write_bits
from cosim.isa.words import TILE, fields_of
from cosim.program import Unit
from rtl.chip import unit_name
from rtl.config import ChipConfig

__all__ = ["AnalogAgent", "Locate", "TileShell", "everything_is_frame_0"]

#: (unit, cycle of the program) -> (frame number, cycle within the frame).
Locate = Callable[[Unit, int], tuple[int, int]]


def everything_is_frame_0(unit: Unit, cycle: int) -> tuple[int, int]:
    """For programs without frames."""
    return 0, cycle


_PLANES = 9


class AnalogAgent:
    """Carries the events of all tiles to the physics, and crossing times back.

    Wakes only when some tile has an event: reads one packed signal for each, calls `physics.serve` once per frame at
    hand, and writes one packed signal for each answer.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    config : ChipConfig
    physics : Physics
    locate : callable (Unit, cycle) -> (frame number, cycle within the frame)
        What keys the noise of a unit's event in a cycle of the program; by default all is frame 0. May be set anew
        between programs.

    Attributes
    ----------
    events, seconds : int, float
        Events served, and wall time spent in the physics.
    overhead : float
        Wall time spent on carrying the events.
    """

    def __init__(
        self,
        dut: Any,
        config: ChipConfig,
        physics: Physics,
        locate: Locate = everything_is_frame_0,
    ) -> None:
        self._dut = dut
        self._config = config
        self._physics = physics
        self.locate = locate
        self._shells: dict[int, TileShell] = {}
        self.events = 0
        self.seconds = 0.0
        self.overhead = 0.0

    def start(self) -> Task[None]:
        """Serve from now on."""
        return cocotb.start_soon(self._run())

    async def _run(self) -> None:
        service, clk = self._dut.service, self._dut.clk
        while True:
            await RisingEdge(service)
            while True:
                await ReadOnly()
                if not int(service.value):
                    break
                answers = self._serve()
                if answers:
                    await NextTimeStep()
                    started = perf_counter()
                    for tile, times in answers.items():
                        self._shell(tile).answer(times)
                    self.overhead += perf_counter() - started
                await RisingEdge(clk)  # there may be events in the next cycle, too

    def _shell(self, tile: int) -> "TileShell":
        if tile not in self._shells:
            self._shells[tile] = TileShell(self._dut, tile, self._config)
        return self._shells[tile]

    def _serve(self) -> dict[int, NDArray[np.uint16]]:
        started = perf_counter()
        cycle = int(self._dut.program_cycle.value)
        strobes = read_bits(self._dut.analog_event).reshape(-1, len(EventKind))
        by_frame: dict[int, list[TileEvent]] = defaultdict(list)
        for tile, kind in np.argwhere(strobes).tolist():
            frame, within = self.locate(Unit(TILE, tile), cycle)
            by_frame[frame].append(self._shell(tile).event(EventKind(kind), within))
        served = perf_counter()
        self.overhead += served - started
        answers: dict[int, NDArray[np.uint16]] = {}
        for frame, events in by_frame.items():
            answers |= self._physics.serve(np.array([frame]), events)
            self.events += len(events)
        self.seconds += perf_counter() - served
        return answers


class TileShell:
    """The packed signals of one tile's `analog_tile`."""

    def __init__(self, dut: Any, tile: int, config: ChipConfig) -> None:
        self.tile = tile
        shell = getattr(dut.chip, unit_name(config, TILE, tile)).crossbar
        self._integration, self._ramp_setting = shell.integration, shell.ramp_setting
        self._programming, self._crossing = shell.programming, shell.crossing
        self._lanes, self._rows = config.lanes, config.total_rows
        self._stride = -(-config.total_rows // 32) * 32

    def event(self, kind: EventKind, cycle: int) -> TileEvent:
        """The tile's event of this kind, whose pulses and bank the shell has latched."""
        if kind is EventKind.INTEGRATE:
            times, bank = self._counts(self._integration, self._rows)
            controls = array_controls(_latched("ARRAY", bank))
            return TileEvent(self.tile, kind, cycle, controls, row_time=times[None])
        if kind is EventKind.RAMP:
            bank = int(self._ramp_setting.value)
            return TileEvent(self.tile, kind, cycle, ramp_controls(_latched("READOUT", bank)))
        if kind is EventKind.WRITE:
            times, bank = self._counts(self._programming, self._lanes)
            return write_event(self.tile, cycle, _latched("WRITE", bank), times[None])
        return TileEvent(self.tile, kind, cycle)

    def _counts(self, handle: Any, lanes: int) -> tuple[NDArray[np.uint16], int]:
        """(high times, latched bank) in {bank, nine planes}."""
        bits = read_bits(handle)
        size = _PLANES * self._stride
        bank = int(bits_to_string(bits[size:]), 2)
        return from_planes(bits[:size].reshape(_PLANES, -1)[:, :lanes]), bank

    def answer(self, times: NDArray[np.integer]) -> None:
        planes = np.zeros((_PLANES, self._stride), np.uint8)
        planes[:, : self._lanes] = to_planes(times.reshape(self._lanes), _PLANES)
        write_bits(self._crossing, planes.ravel())


#: First field of each bank that the shell latches; the levels before it are the event itself.
_FIRST_LATCHED = {"ARRAY": "wp1", "READOUT": "ramp_start", "WRITE": "row"}


def _latched(bank: str, bits: int) -> dict[str, int]:
    """Fields of a bank as the shell packs it: from the first field that is latched on."""
    fields = fields_of(TILE, bank)
    bits <<= fields[_FIRST_LATCHED[bank]].offset
    return {name: bits >> field.offset & field.high for name, field in fields.items()}
