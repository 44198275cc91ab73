"""cocotb agent for the host: bursts over the chip's port, and what the memory map makes of them."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, TypeVar

import cocotb
import numpy as np
from cocotb.simtime import get_sim_time
from cocotb.task import Task
from cocotb.triggers import Event, FallingEdge, First, Lock, RisingEdge
from numpy.typing import ArrayLike, NDArray

from cosim.engines.rtl.agents.clock import CYCLE_NS, within
from cosim.engines.rtl.agents.errors import ChipError, ErrorMonitor
from cosim.engines.rtl.agents.stream import TRANSFER_TIMEOUT_CYCLES, Beats, StreamSink, StreamSource
from cosim.experiment import complaints, describe_unit
from cosim.files.wording import counted
from cosim.isa.vectors import pack_codes, pack_mask, unpack_codes
from cosim.isa.words import Operation, encode, words_to_beats
from cosim.program import Unit
from rtl.bus import Region, UnitStatus
from rtl.config import ChipConfig, Edge
from rtl.isa import UnitKind
from rtl.memory_map import ChipRegion, ChipStatus, Control, MemoryMap, address, pack, read_header, write_header

__all__ = ["HostPort"]

# Amaranth's enums are untyped to a type checker.
_Kind: Any = UnitKind
_Region: Any = Region
_ChipRegion: Any = ChipRegion

T = TypeVar("T")

_CONTROL = address(_Kind.CHIP, 0, _ChipRegion.CONTROL)
#: Cycles from the one in which Python hands the data of a stop to the source to the one in which the units see `stop`:
#: one to the port, and one through it, as for every CONTROL (docs/fabric.md).
_STOP_CYCLES = 2
_RUN = "run a program to its end"


class HostPort:
    """The host: bursts over the AXI4-Stream port, and what the memory map makes of them.

    Parameters
    ----------
    dut : cocotb handle of `bench`
    config : ChipConfig
        The chip in the bench.
    pause : float
        Chance that a beat is held back in a cycle, on either side: for verification of the port. `source` and `sink`
        also take pause generators of their own.

    Timing
    ------
    A burst moves one beat a cycle without waking Python. `seconds` is the wall time that Python spent in this class.

    A bench has one port, and tasks may share it: every method waits for its turn, in the order of the calls, and has
    the port until it is done. `run` has it only while it starts the program, with `stop_in` until the stop; meanwhile
    others may read and write, and another `run` waits. What a cancelled task has begun is first brought to its end.

    Raises
    ------
    ChipError
        From every method, if the chip does not take or answer a burst, or is reset meanwhile.
    """

    def __init__(self, dut: Any, config: ChipConfig, pause: float = 0.0) -> None:
        self.config = config
        self.map = MemoryMap(config)
        self._dut = dut
        self.source, self.sink = StreamSource(dut), StreamSink(dut)
        self.source.pause = self.sink.pause = pause
        self._turn, self._program = Lock(), Lock()
        self._resets = self.source.resets
        self._cut_short: int | None = None  # a header without its data, and the count of resets when it was sent
        self.depth = self.source.depth
        self.seconds = 0.0

    def stop_watching(self) -> None:
        """Watch for resets no longer; another port takes over."""
        self.source.stop()
        self.sink.stop()

    @asynccontextmanager
    async def _request(self) -> AsyncIterator[None]:
        """The port for one task alone, with nothing under way."""
        async with self._turn:
            await self._resets.over()
            await self.source.idle()
            await self.sink.idle()
            if self._cut_short == self._resets.count:
                await self._send(np.zeros(1, np.uint64), [0])  # for CONTROL, and without effect
            self._cut_short = None
            yield

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
        async with self._request():
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
        parts = [np.zeros(0, np.uint64)]
        async with self._request():
            for burst in _bursts(requests, [length for _, length in requests], self.depth):
                ends = np.cumsum([length for _, length in burst]) - 1
                headers = np.array([read_header(where, length) for where, length in burst], np.uint64)
                beats, last = await self._exchange(headers, np.arange(len(headers)), int(ends[-1]) + 1)
                if not np.array_equal(last, ends):
                    where, length = burst[0]
                    raise ChipError(
                        f"the answer to a read of {counted(length, 'beat')} at {where:#010x} has a misplaced tlast"
                    )
                parts.append(beats)
        return np.split(np.concatenate(parts), np.cumsum([count for _, count in blocks])[:-1])

    async def exchange(self, packet: ArrayLike, length: int) -> tuple[Beats, NDArray[np.intp]]:
        """Send one packet as it is, header included, and take `length` beats of answer; for tests of the port itself.

        Returns
        -------
        (length,) uint64, and the indices of beats with tlast
        """
        beats = np.ascontiguousarray(packet, dtype=np.uint64)
        async with self._request():
            if length:
                return await self._exchange(beats, [len(beats) - 1], length)
            await self._send(beats, [len(beats) - 1])
            return np.zeros(0, np.uint64), np.zeros(0, np.intp)

    async def _exchange(
        self, beats: Beats, ends: Sequence[int] | NDArray[np.integer], length: int
    ) -> tuple[Beats, NDArray[np.intp]]:
        armed = self.sink.start(length)
        await self._send(beats, ends)
        await self.sink.finish(armed)
        started = perf_counter()
        answer = self.sink.taken(length)
        self.seconds += perf_counter() - started
        return answer

    async def _send(self, beats: Beats, ends: Sequence[int] | NDArray[np.integer]) -> None:
        """Send beats; those at the indices `ends` carry tlast."""
        started = perf_counter()
        armed = self.source.start(beats, ends)
        self.seconds += perf_counter() - started
        await self.source.finish(armed)

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

    def _vector(self, kind: UnitKind, pad: int, number: int) -> int:
        """Address of a vector, or result, of a landing pad."""
        return address(kind, pad, _Region.VECTORS, number * self.config.vector_beats)

    async def load_vectors(self, ilp: int, codes: ArrayLike, first: int = 0) -> None:
        """Write vectors (n, lanes) of codes 0-255 into an ILP, from vector `first` on."""
        await self.write(self._vector(_Kind.ILP, ilp, first), pack_codes(codes, self.config))

    async def load_rows(self, images: Mapping[int, NDArray[np.uint8]], rows: Mapping[int, Sequence[int]]) -> None:
        """Some rows of vector SRAMs: those named in `rows`, of each input landing pad's (vectors, lanes)."""
        blocks = []
        for ilp, chosen in rows.items():
            for first, stop in _runs(chosen):
                blocks.append((self._vector(_Kind.ILP, ilp, first), pack_codes(images[ilp][first:stop], self.config)))
        await self.write_all(blocks)

    async def read_rows(self, rows: Mapping[int, Sequence[int]]) -> dict[int, NDArray[np.uint8]]:
        """Some rows of result SRAMs: (vectors, lanes) of each output landing pad; what is not read is zero."""
        beats = self.config.vector_beats
        runs = [(olp, first, stop) for olp, chosen in rows.items() for first, stop in _runs(chosen)]
        blocks = [(self._vector(_Kind.OLP, olp, first), (stop - first) * beats) for olp, first, stop in runs]
        images = {olp: np.zeros((self.config.olp_vectors, self.config.lanes), np.uint8) for olp in rows}
        for (olp, first, stop), data in zip(runs, await self.read_all(blocks) if blocks else (), strict=True):
            images[olp][first:stop] = unpack_codes(data.reshape(stop - first, beats), self.config)
        return images

    async def select(self, words: Mapping[Unit, int]) -> None:
        """Rewrite word 0 of some units, which chooses what the next start runs."""
        await self.write_all(
            (address(unit.kind, unit.index, _Region.PROGRAM), words_to_beats((word,))) for unit, word in words.items()
        )

    async def read_vectors(self, olp: int, count: int, first: int = 0) -> NDArray[np.uint8]:
        """Results `first` to ``first + count - 1`` of an OLP: (count, lanes) uint8."""
        beats = self.config.vector_beats
        data = await self.read(self._vector(_Kind.OLP, olp, first), count * beats)
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

    async def run(self, timeout_cycles: int = 10_000_000, stop_in: int | None = None, cut: Event | None = None) -> int:
        """Start, and wait until no unit runs any more.

        Parameters
        ----------
        timeout_cycles : int
        stop_in : int or None
            Cycle of the program, 1 or later, in which `stop` reaches every unit, if some still run then.
        cut : Event or None
            With `stop_in`: when it is set, `stop` is sent at once.

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
            If no unit starts, some still run after `timeout_cycles`, some ran already, or the chip is reset meanwhile.
        """
        async with self._program:
            if str(self._dut.busy.value) == "1" and not await within(FallingEdge(self._dut.busy), 2 * _STOP_CYCLES):
                raise ChipError("a program runs already: await its end, or `stop()` it, before `run()`")
            resets = self._resets.count
            rose = Event()
            run = cocotb.start_soon(self._busy_cycles(rose))
            try:
                if stop_in is None:
                    await self.start()
                else:
                    await self._start_and_stop(stop_in, rose, run, cut or Event())
                started = await within(rose.wait(), TRANSFER_TIMEOUT_CYCLES)
                halted = started and await within(run, timeout_cycles)
                self._resets.check(resets, _RUN)
                if not started:
                    raise ChipError("no unit started: did the port accept the start?")
                if not halted:
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

    async def _start_and_stop(self, stop_in: int, rose: Event, run: Task[int], cut: Event) -> None:
        if stop_in < 1:
            raise ValueError(f"a program can be stopped from its cycle 1 on, got {stop_in}")
        header = write_header(_CONTROL, 1)
        start, stop = _control_bit("start"), _control_bit("stop")
        async with self._request():
            resets = self._resets.count
            with self.source.without_pauses():
                if stop_in == 1:  # nothing fits between them
                    await self._send(np.array([header, start, header, stop], np.uint64), [1, 3])
                    return
                armed = self.source.start(np.array([header, start, header], np.uint64), [1])
                self._cut_short = resets
                await self.source.finish(armed)
                if await within(rose.wait(), TRANSFER_TIMEOUT_CYCLES):
                    left = stop_in - _STOP_CYCLES  # this is cycle 0
                    # A quarter of a cycle later: safely between two edges.
                    ended = left > 0 and await within(First(run.complete, cut.wait()), left + 0.25)
                    halted = ended and run.done()
                    self._resets.check(resets, _RUN)
                    self._cut_short = None
                    await self._send(np.array([0 if halted else stop], np.uint64), [0])

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


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Ascending numbers as (first, last + 1) of those that follow each other."""
    breaks = np.flatnonzero(np.diff(numbers) > 1) + 1
    for part in np.split(np.asarray(numbers), breaks):
        yield int(part[0]), int(part[-1]) + 1


def _control_bit(name: str) -> int:
    return pack(Control, {name: 1})


def _fields(struct: Any, value: int) -> dict[str, int]:
    return {name: value >> field.offset & (1 << field.width) - 1 for name, field in struct.as_shape()}
