"""cocotb agents for the test bench `bench.sv`: the host on the chip's port, the physics behind the analog boundary.

They are independent of each other and of the engine; docs/testbench.md shows a test bench of your own. All of them take
the `dut` that cocotb hands to a test.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol, TypeVar

import cocotb
import numpy as np
from cocotb.simtime import get_sim_time
from cocotb.task import Task
from cocotb.triggers import (
    Event,
    FallingEdge,
    NextTimeStep,
    ReadOnly,
    RisingEdge,
    SimTimeoutError,
    ValueChange,
    with_timeout,
)
from numpy.typing import ArrayLike, NDArray

from analog_models.events import EventKind, TileControls, TileEvent
from cosim.engines.rtl.agents.signals import bits_to_string, from_planes, read_bits, to_planes, write_bits
from cosim.experiment import complaints, describe_unit
from cosim.isa.vectors import pack_codes, pack_mask, unpack_codes
from cosim.isa.words import Operation, encode, words_to_beats
from cosim.program import Unit
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
_BEAT_BITS = 65  # tlast, tdata
_PLANES = 9


class ChipError(RuntimeError):
    """The chip reports an error, or does not answer; the message says which unit, where, and since when."""


# Amaranth's enums are untyped to a type checker.
_Kind: Any = UnitKind
_Region: Any = Region
_ChipRegion: Any = ChipRegion

T = TypeVar("T")

_CONTROL = address(_Kind.CHIP, 0, _ChipRegion.CONTROL)
#: Cycles from the one in which Python hands the data of a stop to the source to the one in which the units see `stop`:
#: one to the port, and one through it, as for every CONTROL (docs/fabric.md).
_STOP_CYCLES = 2


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
        self._pause = round(255 * pause)
        for side in (self._source, self._sink):
            side.pause.value = self._pause
            side.request.value = 0

    # ---- packets

    async def write(self, where: int, beats: ArrayLike) -> None:
        """Write beats to consecutive addresses from `where` on; they are in place before anything that follows."""
        await self.write_all([(where, beats)])

    async def write_all(self, blocks: Iterable[tuple[int, ArrayLike]]) -> None:
        """Several writes (where, beats), in few bursts."""
        packets = []
        for where, beats in blocks:
            data = np.ascontiguousarray(beats, dtype=np.uint64).ravel()
            for first in range(0, len(data), self.depth - 1):
                part = data[first : first + self.depth - 1]
                packets.append(np.concatenate([[np.uint64(write_header(where + first, len(part)))], part]))
        for burst in _bursts(packets, [len(packet) for packet in packets], self.depth):
            ends = np.cumsum([len(packet) for packet in burst]) - 1
            await self._send(np.concatenate(burst), ends)

    async def read(self, where: int, count: int) -> Beats:
        """`count` beats from consecutive addresses: (count,) uint64."""
        (beats,) = await self.read_all([(where, count)])
        return beats

    async def read_all(self, blocks: Iterable[tuple[int, int]]) -> list[Beats]:
        """Several reads (where, count), in few bursts; one array for each."""
        blocks = list(blocks)
        requests = [
            (where + first, min(self.depth, count - first))
            for where, count in blocks
            for first in range(0, count, self.depth)
        ]
        parts = []
        for burst in _bursts(requests, [length for _, length in requests], self.depth):
            ends = np.cumsum([length for _, length in burst]) - 1
            done = self._arm(self._sink, "sink", int(ends[-1]) + 1)
            headers = [np.uint64(read_header(where, length)) for where, length in burst]
            await self._send(np.array(headers, np.uint64), np.arange(len(headers)))
            await self._wait(self._sink, "sink", done)
            started = perf_counter()
            bits = read_bits(self._sink.buffer)[: _BEAT_BITS * (ends[-1] + 1)].reshape(-1, _BEAT_BITS)
            if not np.array_equal(np.flatnonzero(bits[:, 64]), ends):
                where, length = burst[0]
                raise ChipError(f"the answer to a read of {length} beats at {where:#010x} has a misplaced tlast")
            parts.append(np.packbits(bits[:, :64], axis=1, bitorder="little").view("<u8").ravel())
            self.seconds += perf_counter() - started
        beats = np.concatenate(parts).astype(np.uint64, copy=False)
        return np.split(beats, np.cumsum([count for _, count in blocks])[:-1])

    async def send(self, packet: ArrayLike) -> None:
        """Send one packet as it is, header included; for tests of the port itself."""
        beats = np.ascontiguousarray(packet, dtype=np.uint64)
        await self._send(beats, [len(beats) - 1])

    async def _send(self, beats: Beats, ends: Sequence[int] | NDArray[np.integer]) -> None:
        """Send beats; those at the indices `ends` carry tlast."""
        started = perf_counter()
        bits = np.zeros((self.depth, _BEAT_BITS), np.uint8)
        raw = beats.astype("<u8").view(np.uint8).reshape(-1, 8)
        bits[: len(beats), :64] = np.unpackbits(raw, axis=1, bitorder="little")
        bits[np.asarray(ends), 64] = 1
        write_bits(self._source.buffer, bits.ravel())
        done = self._arm(self._source, "source", len(beats))
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
        await self.write(address(unit.kind, unit.index, _Region.PROGRAM), words_to_beats(tuple(words)))

    async def load_programs(self, units: Mapping[Unit, Sequence[int]]) -> None:
        """Load the words of some units; every other unit of the chip gets a HALT, because a start reaches them all."""
        blocks = []
        for kind, index in self.map.units:
            words = units.get(Unit(kind, index)) or (encode(kind, Operation("HALT")),)
            blocks.append((address(kind, index, _Region.PROGRAM), words_to_beats(tuple(words))))
        await self.write_all(blocks)

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
        await self.write(_CONTROL, [_control_bit(name)])

    async def run(self, timeout_cycles: int = 10_000_000, stop_in: int | None = None) -> int:
        """Start, and wait until no unit runs any more.

        Parameters
        ----------
        timeout_cycles : int
        stop_in : int or None
            Cycle of the program, 1 or later, in which `stop` reaches every unit, if some still run then.

        Returns
        -------
        int
            Cycles that `busy` was high.

        Timing
        ------
        With `stop_in`, the header of the stop follows the start at once, and its data comes just in time. No beat of
        the two is held back.

        Raises
        ------
        ChipError
            If no unit starts, or some still run after `timeout_cycles`.
        """
        rose = Event()
        run = cocotb.start_soon(self._busy_cycles(rose))
        try:
            if stop_in is None:
                await self.start()
            else:
                await self._start_and_stop(stop_in, rose, run)
            if not await _within(rose.wait(), TRANSFER_TIMEOUT_CYCLES):
                raise ChipError("no unit started: did the port accept the start?")
            if not await _within(run, timeout_cycles):
                running = [str(unit) for unit, status in (await self.unit_statuses()).items() if status["running"]]
                raise ChipError(f"still busy {timeout_cycles} cycles after the start: {', '.join(running)}")
            return run.result()
        finally:
            run.cancel()

    async def _busy_cycles(self, rose: Event) -> int:
        await RisingEdge(self._dut.busy)
        began = get_sim_time("ns")  # not the bench's counter: whether it has moved on by now depends on the simulator
        rose.set()
        await FallingEdge(self._dut.busy)
        return round((get_sim_time("ns") - began) / CYCLE_NS)

    async def _start_and_stop(self, stop_in: int, rose: Event, run: Task[int]) -> None:
        if stop_in < 1:
            raise ValueError(f"a program can be stopped from its cycle 1 on, got {stop_in}")
        pause, self._source.pause.value = self._pause, 0
        header = write_header(_CONTROL, 1)
        start, stop = _control_bit("start"), _control_bit("stop")
        if stop_in == 1:  # nothing fits between them
            await self._send(np.array([header, start, header, stop], np.uint64), [1, 3])
        else:
            await self._send(np.array([header, start, header], np.uint64), [1])
            if await _within(rose.wait(), TRANSFER_TIMEOUT_CYCLES):
                left = stop_in - _STOP_CYCLES  # this is cycle 0
                # A quarter of a cycle later: safely between two edges.
                halted = left > 0 and await _within(run, left + 0.25)
                await self._send(np.array([0 if halted else stop], np.uint64), [0])
        self._source.pause.value = pause

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
        beats = await self.read_all((address(unit.kind, unit.index, _Region.STATUS), 1) for unit in units)
        return {unit: _fields(UnitStatus, int(beat[0])) for unit, beat in zip(units, beats, strict=True)}

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
            if flags := ", ".join(complaints(status)):
                lines.append(f"{describe_unit(unit, self.config)}: {flags}")
        since = f" (the first in {monitor.when})" if monitor and monitor.when else ""
        raise ChipError(f"the chip reports errors{since}:\n  " + "\n  ".join(lines))


def _bursts(packets: Sequence[T], lengths: Sequence[int], depth: int) -> Iterator[list[T]]:
    """`packets` in order, as few groups as have at most `depth` beats each."""
    burst: list[T] = []
    room = depth
    for packet, length in zip(packets, lengths, strict=True):
        if length > room:
            yield burst
            burst, room = [], depth
        burst.append(packet)
        room -= length
    if burst:
        yield burst


def _control_bit(name: str) -> int:
    return 1 << Control.as_shape()[name].offset


async def _within(trigger: Any, cycles: float) -> bool:
    """Whether `trigger` fires within so many cycles."""
    try:
        await with_timeout(trigger, cycles * CYCLE_NS, "ns")
    except SimTimeoutError:
        return False
    return True


def _fields(struct: Any, value: int) -> dict[str, int]:
    return {name: value >> field.offset & (1 << field.width) - 1 for name, field in struct.as_shape()}


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
