"""cocotb agents for the test bench `bench.sv`: the host on the chip's port, the physics behind the analog boundary.

They are independent of each other and of the engine; docs/testbench.md shows a test bench of your own. All of them take
the `dut` that cocotb hands to a test.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

import cocotb
import numpy as np
from cocotb.task import Task
from cocotb.triggers import FallingEdge, NextTimeStep, ReadOnly, RisingEdge, SimTimeoutError, ValueChange, with_timeout
from numpy.typing import ArrayLike, NDArray

from analog_models.events import EventKind, TileControls, TileEvent
from cosim.program import Unit
from cosim.rtl_engine.signals import bits_to_string, from_planes, read_bits, to_planes, write_bits
from cosim.vectors import pack_codes, pack_mask, unpack_codes
from cosim.words import Operation, encode
from rtl.bus import Region, UnitStatus
from rtl.chip import unit_name
from rtl.config import ChipConfig, Edge
from rtl.isa import UnitKind
from rtl.memory_map import ChipRegion, ChipStatus, Control, MemoryMap, address, read_header, write_header

__all__ = ["AnalogAgent", "ChipError", "ErrorMonitor", "HostPort", "Physics", "reset"]

Beats = NDArray[np.uint64]

#: What `HostPort` waits for at most, in cycles, before it says that the chip hangs.
TRANSFER_TIMEOUT_CYCLES = 100_000
#: Period of the clock, by definition of the chip; a bench with a clock of its own keeps to it.
CYCLE_NS = 1
CONTENTION_PLACES = ("net", "rows", "columns", "north", "east", "south", "west")
_BEAT_BITS = 65  # tlast, tdata
_PLANES = 9


class ChipError(RuntimeError):
    """The chip reports an error, or does not answer; the message says which unit, where, and since when."""


# Amaranth's enums are untyped to a type checker.
_Kind: Any = UnitKind
_Region: Any = Region
_ChipRegion: Any = ChipRegion


async def reset(dut: Any, cycles: int = 4) -> None:
    """Hold `rst` for some cycles; the clock must run."""
    dut.rst.value = 1
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    await RisingEdge(dut.clk)


class HostPort:
    """The host: bursts over the AXI4-Stream port, and what the memory map makes of them.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    config : ChipConfig
        The chip in the bench.
    pause : float
        Chance that a beat is held back in a cycle, on either side: for verification of the port.

    Timing
    ------
    A burst moves one beat a cycle without waking Python. `seconds` is the wall time that Python spent in this class.

    Raises
    ------
    ChipError
        From every method, if the chip does not take or answer a burst.
    """

    def __init__(self, dut: Any, config: ChipConfig, pause: float = 0.0) -> None:
        self.config = config
        self.map = MemoryMap(config)
        self._dut = dut
        self._source, self._sink = dut.source, dut.sink
        self._requested = {"source": 0, "sink": 0}
        self.depth = len(dut.source.buffer) // _BEAT_BITS
        self.seconds = 0.0
        for side in (self._source, self._sink):
            side.pause.value = round(255 * pause)
            side.request.value = 0

    # ---- packets

    async def write(self, where: int, beats: ArrayLike) -> None:
        """Write beats to consecutive addresses from `where` on; they are in place before anything that follows."""
        data = np.ascontiguousarray(beats, dtype=np.uint64).ravel()
        room = self.depth - 1
        for first in range(0, len(data), room):
            part = data[first : first + room]
            await self._send(np.concatenate([[np.uint64(write_header(where + first, len(part)))], part]))

    async def read(self, where: int, count: int) -> Beats:
        """`count` beats from consecutive addresses: (count,) uint64."""
        parts = []
        for first in range(0, count, self.depth):
            length = min(self.depth, count - first)
            done = self._arm(self._sink, "sink", length)
            await self._send(np.array([read_header(where + first, length)], np.uint64))
            await self._wait(self._sink, "sink", done)
            started = perf_counter()
            bits = read_bits(self._sink.buffer)[: _BEAT_BITS * length].reshape(length, _BEAT_BITS)
            if bits[:-1, 64].any() or not bits[-1, 64]:
                raise ChipError(
                    f"the answer to a read of {length} beats at {where + first:#010x} has a misplaced tlast"
                )
            parts.append(np.packbits(bits[:, :64], axis=1, bitorder="little").view("<u8").ravel())
            self.seconds += perf_counter() - started
        return np.concatenate(parts).astype(np.uint64, copy=False)

    async def send(self, packet: ArrayLike) -> None:
        """Send one packet as it is, header included; for tests of the port itself."""
        await self._send(np.ascontiguousarray(packet, dtype=np.uint64))

    async def _send(self, packet: Beats) -> None:
        started = perf_counter()
        bits = np.zeros((self.depth, _BEAT_BITS), np.uint8)
        raw = packet.astype("<u8").view(np.uint8).reshape(-1, 8)
        bits[: len(packet), :64] = np.unpackbits(raw, axis=1, bitorder="little")
        bits[len(packet) - 1, 64] = 1
        write_bits(self._source.buffer, bits.ravel())
        done = self._arm(self._source, "source", len(packet))
        self.seconds += perf_counter() - started
        await self._wait(self._source, "source", done)

    def _arm(self, side: Any, name: str, beats: int) -> int:
        self._requested[name] ^= 1
        side.beats.value = beats
        side.request.value = self._requested[name]
        return self._requested[name]

    async def _wait(self, side: Any, name: str, done: int) -> None:
        if side.done.value != done and not await _within(ValueChange(side.done), TRANSFER_TIMEOUT_CYCLES):
            verb = "accept a request" if name == "source" else "answer a read"
            raise ChipError(f"the chip did not {verb} within {TRANSFER_TIMEOUT_CYCLES} cycles")

    # ---- what the memory map holds

    async def load_program(self, unit: Unit, words: Sequence[int]) -> None:
        """Write 128-bit words into the program SRAM of a unit, from word 0 on."""
        low = (1 << 64) - 1
        beats = np.array([half for word in words for half in (word & low, word >> 64)], dtype=np.uint64)
        await self.write(address(unit.kind, unit.index, _Region.PROGRAM), beats)

    async def load_programs(self, units: Mapping[Unit, Sequence[int]]) -> None:
        """Load the words of some units; every other unit of the chip gets a HALT, because a start reaches them all."""
        for kind, index in self.map.units:
            unit = Unit(kind, index)
            await self.load_program(unit, units.get(unit) or (encode(kind, Operation("HALT")),))

    async def load_masks(self, tile: int, masks: Mapping[Edge, ArrayLike]) -> None:
        """Write custom masks, bool (lanes,) each, of some edges of a tile."""
        for edge, mask in masks.items():
            beats = pack_mask(mask, self.config)
            offset = list(Edge).index(edge) * beats.shape[-1]
            await self.write(address(_Kind.TILE, tile, _Region.MASKS, offset), beats)

    async def load_vectors(self, ilp: int, codes: ArrayLike, first: int = 0) -> None:
        """Write vectors (n, lanes) of codes 0-255 into an ILP, from vector `first` on."""
        offset = first * self.config.vector_beats
        await self.write(address(_Kind.ILP, ilp, _Region.VECTORS, offset), pack_codes(codes, self.config))

    async def read_vectors(self, olp: int, count: int, first: int = 0) -> NDArray[np.uint8]:
        """Results `first` to ``first + count - 1`` of an OLP: (count, lanes) uint8."""
        beats = self.config.vector_beats
        data = await self.read(address(_Kind.OLP, olp, _Region.VECTORS, first * beats), count * beats)
        return unpack_codes(data.reshape(count, beats), self.config)

    async def start(self) -> None:
        """Start every unit at word 0, in one cycle."""
        await self._control("start")

    async def stop(self) -> None:
        """Halt every unit at once."""
        await self._control("stop")

    async def clear(self) -> None:
        """Clear the sticky error flags of all units."""
        await self._control("clear")

    async def _control(self, name: str) -> None:
        bit = 1 << Control.as_shape()[name].offset
        await self.write(address(_Kind.CHIP, 0, _ChipRegion.CONTROL), [bit])

    async def run(self, timeout_cycles: int = 10_000_000, stop_after: int | None = None) -> None:
        """Start, and wait until no unit runs any more.

        Parameters
        ----------
        timeout_cycles : int
        stop_after : int or None
            Stop all units if they still run so many cycles after cycle 0 of the program.

        Raises
        ------
        ChipError
            If no unit starts, or some still run after `timeout_cycles`.
        """
        busy = self._dut.busy
        await self.start()  # its beat is in; `busy` rises some cycles later
        if not await _within(RisingEdge(busy), TRANSFER_TIMEOUT_CYCLES):
            raise ChipError("no unit started: did the port accept the start?")
        if stop_after is not None:
            if await _within(FallingEdge(busy), stop_after):
                return
            await self.stop()
        if not await _within(FallingEdge(busy), timeout_cycles):
            running = [str(unit) for unit, status in (await self.unit_statuses()).items() if status["running"]]
            raise ChipError(f"still busy {timeout_cycles} cycles after the start: {', '.join(running)}")

    # ---- status

    async def status(self) -> dict[str, int]:
        """Fields of the chip's STATUS (`rtl.memory_map.ChipStatus`)."""
        beats = await self.read(address(_Kind.CHIP, 0, _ChipRegion.STATUS), 1)
        return _fields(ChipStatus, int(beats[0]))

    async def unit_status(self, unit: Unit) -> dict[str, int]:
        """Fields of a unit's STATUS (`rtl.bus.UnitStatus`)."""
        beats = await self.read(address(unit.kind, unit.index, _Region.STATUS), 1)
        return _fields(UnitStatus, int(beats[0]))

    async def unit_statuses(self) -> dict[Unit, dict[str, int]]:
        """STATUS of every unit."""
        units = [Unit(kind, index) for kind, index in self.map.units]
        return {unit: await self.unit_status(unit) for unit in units}

    async def check(self, monitor: "ErrorMonitor | None" = None) -> None:
        """Ask for all error flags.

        Parameters
        ----------
        monitor : ErrorMonitor or None
            Knows when the first one rose.

        Raises
        ------
        ChipError
            If any is set; the message has one line for each unit.
        """
        chip = await self.status()
        if not any(chip[name] for name in ("contention", "illegal", "fault", "host_error")):
            return
        lines = [] if not chip["host_error"] else ["host port: malformed packet, or an address outside the memory map"]
        for unit, status in (await self.unit_statuses()).items():
            if flags := ", ".join(_complaints(status)):
                lines.append(f"{self._describe(unit)}: {flags}")
        since = f" (the first in {monitor.when})" if monitor and monitor.when else ""
        raise ChipError(f"the chip reports errors{since}:\n  " + "\n  ".join(lines))

    def _describe(self, unit: Unit) -> str:
        plan = self.config.floorplan
        where = f"square {plan.tiles[unit.index]}" if unit.kind is _Kind.TILE else f"domain {plan.domains[unit.index]}"
        return f"{unit} ({where})"


async def _within(trigger: Any, cycles: int) -> bool:
    """Whether `trigger` fires within so many cycles."""
    try:
        await with_timeout(trigger, cycles * CYCLE_NS, "ns")
    except SimTimeoutError:
        return False
    return True


def _fields(struct: Any, value: int) -> dict[str, int]:
    return {name: value >> field.offset & (1 << field.width) - 1 for name, field in struct.as_shape()}


def _complaints(status: Mapping[str, int]) -> Iterator[str]:
    places = [place for bit, place in enumerate(CONTENTION_PLACES) if status["contention"] >> bit & 1]
    if places:
        yield f"contention (more than one driver) on {', '.join(places)}"
    if status["illegal"]:
        yield "illegal instruction, or a program without end"
    if status["fault"]:
        yield "fault: analog controls that contradict each other"


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
        cocotb.start_soon(self._watch())

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


class Physics(Protocol):
    """What stands behind the analog boundary; `analog_models.AnalogChip` is one."""

    def serve(self, frames: NDArray[np.int64], events: Sequence[TileEvent], /) -> Mapping[int, NDArray[np.uint16]]:
        """Serve the events of one strobe; crossing times (1, lanes) of each tile whose ramp starts."""


class AnalogAgent:
    """Carries the events of all tiles to the physics, and crossing times back.

    Wakes only when some tile has an event: reads one packed signal for each, calls `physics.serve` once per frame at
    hand, and writes one packed signal for each answer.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    config : ChipConfig
    physics : Physics
    locate : callable (Unit, cycle) -> (frame, cycle within it)
        Which frame of the run a unit is at in a cycle of the program: `Program.locate`. By default all is frame 0.

    Attributes
    ----------
    first_frame : int
        Number of the run's frame 0; it keys the noise.
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
        locate: Callable[[Unit, int], tuple[int, int]] = lambda unit, cycle: (0, cycle),
    ) -> None:
        self._dut = dut
        self._config = config
        self._physics = physics
        self._locate = locate
        self._shells: dict[int, _Shell] = {}
        self.first_frame = 0
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

    def _shell(self, tile: int) -> "_Shell":
        if tile not in self._shells:
            self._shells[tile] = _Shell(self._dut, tile, self._config)
        return self._shells[tile]

    def _serve(self) -> dict[int, NDArray[np.uint16]]:
        started = perf_counter()
        cycle = int(self._dut.program_cycle.value)
        strobes = read_bits(self._dut.analog_event).reshape(-1, len(EventKind))
        by_frame: dict[int, list[TileEvent]] = defaultdict(list)
        for tile, kind in np.argwhere(strobes).tolist():
            frame, within = self._locate(Unit(_Kind.TILE, tile), cycle)
            by_frame[frame].append(self._shell(tile).event(EventKind(kind), within))
        served = perf_counter()
        self.overhead += served - started
        answers: dict[int, NDArray[np.uint16]] = {}
        for frame, events in by_frame.items():
            answers |= self._physics.serve(np.array([self.first_frame + frame]), events)
            self.events += len(events)
        self.seconds += perf_counter() - served
        return answers


class _Shell:
    """The packed signals of one tile's `analog_tile`."""

    def __init__(self, dut: Any, tile: int, config: ChipConfig) -> None:
        self.tile = tile
        shell = getattr(dut.chip, unit_name(config, _Kind.TILE, tile)).analog
        self._integration, self._ramp_setting = shell.integration, shell.ramp_setting
        self._programming, self._crossing = shell.programming, shell.crossing
        self._lanes, self._rows = config.lanes, config.total_rows
        self._stride = -(-config.total_rows // 32) * 32

    def event(self, kind: EventKind, cycle: int) -> TileEvent:
        if kind is EventKind.INTEGRATE:
            times, bank = self._counts(self._integration, self._rows)
            controls = TileControls(
                wp1=bool(bank & 1),
                wp2=bool(bank >> 1 & 1),
                discharge=bool(bank >> 2 & 1),
                capacitors=bank >> 3 & 15,
                share_north=bool(bank >> 7 & 1),
                share_south=bool(bank >> 8 & 1),
            )
            return TileEvent(self.tile, kind, cycle, controls, row_time=times[None])
        if kind is EventKind.RAMP:
            setting = int(self._ramp_setting.value)
            controls = TileControls(ramp_start=setting & 255, ramp_slope=setting >> 8)
            return TileEvent(self.tile, kind, cycle, controls)
        if kind is EventKind.WRITE:
            times, bank = self._counts(self._programming, self._lanes)
            return TileEvent(
                self.tile,
                kind,
                cycle,
                column_time=times[None],
                write_row=bank & 1023,
                device=bank >> 10 & 3,
                reset=bool(bank >> 12 & 1),
                return_line=bank >> 13,
            )
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
