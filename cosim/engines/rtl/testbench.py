"""The cocotb side of the engine: answers the requests of `process.SimulatorProcess` until its channel closes.

Simulated time stands still between requests.
"""

import gc
import os
import socket
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from time import perf_counter, process_time
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.triggers import ClockCycles, Event, RisingEdge, Timer
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.events import TileEvent
from analog_models.reception import PadReceiver
from cosim.engines.rtl.agents import CYCLE_NS, AnalogAgent, ErrorMonitor, HostPort, ReceiverAgent, reset
from cosim.engines.rtl.bare import run_bare
from cosim.engines.rtl.channel import Channel, ChannelClosed, Message
from cosim.engines.rtl.process import CHANNEL
from cosim.engines.rtl.traced import ShownVoltages, trace_on, traced
from cosim.experiment import STATUS_FIELDS, Experiment, ExperimentError, Record, Recorder
from cosim.program import ChipImage, Program, Unit
from rtl.isa import CONTROL_LATENCY

#: Cycles after the last unit's halt in which the last writes take force and flags rise, before anything is read.
_SETTLING_CYCLES = 8
#: Cycles that a unit may run on after it should have been stopped.
_TIMEOUT_CYCLES = 10_000
#: Seconds between two words to the owner about a long run, and cycles before the first.
_TELL_S, _FIRST_STEP_CYCLES = 0.3, 1000

Answer = tuple[Mapping[str, Any], Mapping[str, NDArray]]


@cocotb.test()
async def serve(dut: Any) -> None:
    channel = Channel(socket.socket(fileno=int(os.environ[CHANNEL])))
    if "clock" not in cocotb.plusargs:  # a simulator without our main program
        Clock(dut.clk, CYCLE_NS, "ns").start()
    bench = _Bench(dut, channel)
    while True:
        try:
            request = channel.receive()
        except ChannelClosed:
            return
        try:
            meta, arrays = await bench.answer(request)
        except Exception as error:
            traceback.print_exc()
            channel.send(Message("error", {"type": type(error).__name__, "message": str(error)}))
            return
        channel.send(Message("done", meta, arrays))


class _Bench:
    """The chip in the bench, and what is open on it."""

    def __init__(self, dut: Any, channel: Channel) -> None:
        self._dut, self._channel = dut, channel
        self._open: _OpenChip | None = None

    async def answer(self, request: Message) -> Answer:
        match request.kind:
            case "open":
                self._open = await _OpenChip.create(self._dut, request)
                return self._open.statistics, {}
            case "run":
                assert self._open is not None
                codes = await self._open.run(request.meta["entry"], request.arrays["codes"], request.arrays["frames"])
                return self._open.statistics, codes
            case "perform":
                experiment = Experiment.from_parts(request.meta["experiment"], request.arrays)
                return (await _perform(self._dut, self._channel, experiment, request.meta["pause"])).to_parts()
        raise ValueError(f"no request {request.kind!r}; expected open, run or perform")


# ---- an image


class _OpenChip:
    """An image and a chip, loaded."""

    def __init__(
        self, dut: Any, image: ChipImage, chip: AnalogChip, pause: float, bare: bool, shown: Sequence[int] | None
    ) -> None:
        self._dut, self._image, self._bare = dut, image, bare
        #: Frames that the waveform shows; None for all that happens.
        self._shown = None if shown is None else frozenset(shown)
        self._host = HostPort(dut, image.config, pause)
        physics = ShownVoltages(dut, image.config, chip, chip) if traced() else chip
        self._analog = AnalogAgent(dut, image.config, physics)
        self._receivers = ReceiverAgent(dut, image.config, chip)
        self._monitor = ErrorMonitor(dut)
        self._chosen = next(iter(image.entries))
        self._stopped = False
        self._earlier_cycles = self._frames = 0
        self._wall_s = self._cpu_s = 0.0
        self._timed: dict[str, float] = {}

    @classmethod
    async def create(cls, dut: Any, request: Message) -> "_OpenChip":
        parts: dict[str, dict[str, NDArray]] = {"image": {}, "chip": {}}
        for key, array in request.arrays.items():
            part, _, name = key.partition(" ")
            parts[part][name] = array
        image = ChipImage.from_parts(request.meta["image"], parts["image"])
        chip = AnalogChip.from_arrays(parts["chip"])
        gc.freeze()  # none of what is imported and loaded by now goes away; do not search it again and again
        shown = request.meta["shown"]
        opened = cls(dut, image, chip, request.meta["pause"], request.meta["bare"], shown)
        if shown is not None:
            trace_on(False)
        with opened._timing():
            await opened._reset()
            opened._analog.start()
            opened._receivers.start()
            await opened._host.load_programs(image.words)
        return opened

    async def _reset(self) -> None:
        """Every register as at the beginning; SRAMs keep what they hold."""
        self._earlier_cycles += int(self._dut.cycle.value) if self._stopped else 0
        await reset(self._dut)
        for (tile, edge), mask in self._image.masks.items():
            await self._host.load_masks(tile, {edge: mask})
        self._stopped = False

    def _timing(self) -> "_Timing":
        return _Timing(self)

    def spent(self, wall_s: float, cpu_s: float) -> None:
        """More time that counts."""
        self._wall_s += wall_s
        self._cpu_s += cpu_s

    @property
    def statistics(self) -> dict[str, Any]:
        """Sums since the reset: what was done, and the wall time of each part of the co-simulation."""
        carried = self._host.seconds + self._analog.overhead + self._receivers.seconds
        return {
            "now_ns": round(get_sim_time("ns")),
            "frames": self._frames,
            "cycles": self._earlier_cycles + int(self._dut.cycle.value),
            "events": self._analog.events,
            "wall_s": self._wall_s,
            "analog_s": self._analog.seconds,
            "host_s": carried,
            "simulator_s": self._wall_s - self._analog.seconds - carried,
            "cpu_s": self._cpu_s,
            **self._timed,
        }

    async def run(
        self, entry: str, codes: NDArray[np.int16], frames: NDArray[np.int64]
    ) -> dict[str, NDArray[np.uint8]]:
        program = self._image.entry(entry)
        groups = [{out.name: np.zeros((0, out.width), np.uint8) for out in program.outputs}]
        for part in self._parts(frames, program.frames_per_run):
            if self._shown is not None:
                trace_on(self._is_shown(int(frames[part.start])))
            with self._timing():
                groups.append(await self._group(entry, program, codes[part], frames[part]))
            if self._bare:
                self._timed |= await _again_bare(self._dut, self._host, self._cycles)
        return {name: np.concatenate([group[name] for group in groups]) for name in groups[0]}

    def _is_shown(self, frame: int) -> bool:
        return self._shown is None or frame in self._shown

    def _parts(self, frames: NDArray[np.int64], most: int) -> Iterator[slice]:
        """Rows that one start takes: at most so many, and the waveform shows all of them or none."""
        first = 0
        for _, alike in groupby(map(self._is_shown, frames.tolist())):
            end = first + len(list(alike))
            yield from (slice(at, min(at + most, end)) for at in range(first, end, most))
            first = end

    async def _group(
        self, entry: str, program: Program, codes: NDArray[np.int16], frames: NDArray[np.int64]
    ) -> dict[str, NDArray[np.uint8]]:
        """As many frames as one start gives."""
        lead, last = self._image.lead, len(codes) - 1

        def locate(unit: Unit, cycle: int) -> tuple[int, int]:
            """What lies beyond the group has no results; it is numbered on, for it needs some number."""
            frame, within = program.locate(unit, cycle - lead)
            known = min(max(frame, 0), last)
            return max(int(frames[known]) + frame - known, 0), within

        self._analog.locate = self._receivers.locate = locate
        if self._stopped:  # in the middle of a frame: ramps and integrations of then would still be on
            await self._reset()
        if entry != self._chosen:
            await self._host.select(self._image.selection(entry))
            self._chosen = entry
        await self._host.load_rows(program.ilp_image(codes), _used(program.inputs, "ilp", len(codes)))
        self._stopped = len(codes) < program.frames_per_run
        stop_in = lead + _end_of_frame(program, last) if self._stopped else None
        self._cycles = await self._host.run(stop_in=stop_in)
        await self._host.check(self._monitor)
        results = await self._host.read_rows(_used(program.outputs, "olp", len(codes)))
        self._frames += len(codes)
        return program.olp_codes(results, len(codes))


class _Timing:
    """Counts the time of a block, but not of one that fails."""

    def __init__(self, chip: _OpenChip) -> None:
        self._chip = chip

    def __enter__(self) -> None:
        self._began = perf_counter(), process_time()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._chip.spent(perf_counter() - self._began[0], process_time() - self._began[1])


def _used(slots: Iterable[Any], pad: str, frames: int) -> dict[int, list[int]]:
    """Vectors of each landing pad that so many frames use, ascending."""
    used: dict[int, set[int]] = {}
    for slot in slots:
        used.setdefault(getattr(slot, pad), set()).update(slot.slot + slot.stride * frame for frame in range(frames))
    return {index: sorted(rows) for index, rows in sorted(used.items())}


async def _again_bare(dut: Any, host: HostPort, cycles: int) -> dict[str, float]:
    """Run the loaded program once more in the bare loop: its cycles, wall and CPU time in s."""
    await host.start()
    await RisingEdge(dut.busy)
    began = process_time()
    seconds = await run_bare(dut, cycles)
    spent = process_time() - began
    if dut.busy.value:
        await host.stop()
    return {"bare_cycles": cycles, "bare_s": seconds, "bare_cpu_s": spent}


def _end_of_frame(program: Program, frame: int) -> int:
    """Cycle of the program in which all results of a frame are in the landing pads' SRAMs."""
    begun = frame * program.frame_cycles + max(program.origins.values(), default=0)
    return begun + program.frame_cycles + 2 * CONTROL_LATENCY


# ---- experiments


async def _perform(dut: Any, channel: Channel, experiment: Experiment, pause: float) -> Record:
    config = experiment.config
    chip = experiment.make_chip()
    physics = _Patient(Recorder(chip, experiment.name))
    seen_by_waves = ShownVoltages(dut, config, chip, physics) if traced() else physics
    started = perf_counter()
    host = HostPort(dut, config, pause)
    analog = AnalogAgent(dut, config, seen_by_waves, lambda unit, cycle: (experiment.frame, cycle))
    receivers = ReceiverAgent(dut, config, chip, analog.locate)
    await reset(dut)
    serving = analog.start()
    receivers.start()
    await host.load_programs(experiment.units)
    for (tile, edge), mask in experiment.masks.items():
        await host.load_masks(tile, {edge: mask})
    for ilp, codes in experiment.vectors.items():
        if len(codes):
            await host.load_vectors(ilp, codes)
    await host.clear()
    monitor = ErrorMonitor(dut)
    started_ns = round(get_sim_time("ns"))
    cut = Event()
    telling = cocotb.start_soon(_tell(dut, channel, experiment.cycles, cut))
    busy = await host.run(experiment.cycles + _TIMEOUT_CYCLES, stop_in=experiment.cycles, cut=cut)
    telling.cancel()
    await ClockCycles(dut.clk, _SETTLING_CYCLES)
    statuses = await host.unit_statuses()
    results = {olp: await host.read_vectors(olp, config.olp_vectors) for olp in range(config.domain_count)}
    serving.cancel()
    receivers.stop()
    monitor.stop()
    host.stop_watching()
    if physics.error:
        raise physics.error
    session_cycles = int(dut.cycle.value)
    wall = perf_counter() - started
    carried = host.seconds + analog.overhead + receivers.seconds
    return Record(
        engine="rtl",
        cycles=busy,
        error_cycle=monitor.program_cycle,
        statuses={unit: {name: status[name] for name in STATUS_FIELDS} for unit, status in statuses.items()},
        results=results,
        events=physics.recorder.events,
        crossings=physics.recorder.crossings,
        statistics={
            "session_cycles": session_cycles,
            "started_ns": started_ns,
            "cycles_per_s": session_cycles / wall,
            "wall_s": wall,
            "analog_s": analog.seconds,
            "host_s": carried,
            "simulator_s": wall - analog.seconds - carried,
        },
    )


async def _tell(dut: Any, channel: Channel, cycles: int, cut: Event) -> None:
    """Tell the owner now and then how far the run is; `cut` is set when the owner wants no more of it."""
    step = _FIRST_STEP_CYCLES
    while True:
        began = perf_counter()
        await Timer(step * CYCLE_NS, "ns")
        spent = perf_counter() - began
        channel.send(Message("progress", {"done": min(int(dut.program_cycle.value), cycles), "all": cycles}))
        if channel.receive().kind == "stop":
            cut.set()
            return
        step = round(min(max(step * _TELL_S / spent, _FIRST_STEP_CYCLES), 2 * step))


class _Patient:
    """Keeps the first error of the physics until the run is over: raised in the agent's task, it would end the process
    without a word to the owner.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.error: ExperimentError | None = None

    def serve(
        self, frames: NDArray[np.int64], events: Sequence[TileEvent], columns: Mapping[int, int] | None = None
    ) -> dict[int, NDArray[np.uint16]]:
        try:
            return self.recorder.serve(frames, events, columns)
        except ExperimentError as error:
            self.error = self.error or error
            return {}

    def pad_receiver(self, olp: int) -> PadReceiver:
        return self.recorder.pad_receiver(olp)
