"""What `duramesh bench` measures, round by round."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from analog_models.config import AnalogConfig
from cosim.benchmark.machine import Occupation, describe_machine
from cosim.benchmark.sessions import Latency, SideBySide
from cosim.benchmark.timing import Sample, Series, Worker, together
from cosim.benchmark.transcription import transcription_problem
from cosim.benchmark.work import (
    NOMINAL,
    Case,
    aihwkit_problem,
    frames_peak_mib,
    full_frame_first_use_s,
    full_frame_work,
    kws_work,
    mvm_work,
    random_inputs,
    take,
)
from cosim.engines.rtl.build import build
from cosim.engines.rtl.cache import Effort
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.session import ChipSession
from cosim.engines.twin.engine import TwinEngine
from cosim.files.wording import counted
from rtl.config import preset

__all__ = ["Benchmark", "Plan", "RtlCase", "RtlSeries", "measure"]

Advance = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RtlCase:
    """Frames on the RTL: of keyword spotting, or of one MVM on a single tile."""

    preset: str = "chip"
    single: bool = False

    def __str__(self) -> str:
        return f"{self.preset}, {'one MVM' if self.single else 'keyword spotting'}"


@dataclass(frozen=True)
class Plan:
    """What is measured, and how long.

    Parameters
    ----------
    repeats : int
        Rounds.
    least_s : float
        Length of a sample in numpy.
    batches, lanes, tiles, processes : tuple of int
        Scales; the largest batch and number of lanes, and one tile, are the main figures.
    full_batches : tuple of int
        Batches of frames that fill the chip.
    sentences : int
        That are transcribed side by side.
    sessions : int
        Of the RTL, side by side.
    rtl : tuple of RtlCase
        The first one is the main figure.
    groups : int
        Groups of frames (loads of the pads' SRAMs) of one sample of the RTL.
    analog : AnalogConfig
        Constants of all chips.
    """

    repeats: int = 5
    least_s: float = 0.25
    batches: tuple[int, ...] = (1, 10, 100, 1000)
    lanes: tuple[int, ...] = tuple(preset().lanes >> halvings for halvings in (3, 2, 1, 0))
    tiles: tuple[int, ...] = (1, 2, 4)
    processes: tuple[int, ...] = (1, 2)
    full_batches: tuple[int, ...] = (1, 64)
    sentences: int = 64
    sessions: int = 5
    rtl: tuple[RtlCase, ...] = (RtlCase(), RtlCase(single=True), RtlCase("small"))
    groups: int = 2
    analog: AnalogConfig = NOMINAL

    @classmethod
    def full(cls, repeats: int, analog: AnalogConfig = NOMINAL) -> "Plan":
        """Everything, in as many processes as there are cores."""
        cores = describe_machine()["cores"]
        processes = tuple(sorted({1, *(2**n for n in range(1, cores.bit_length())), cores}))
        return cls(repeats, processes=processes, analog=analog)

    @classmethod
    def quick(cls, analog: AnalogConfig = NOMINAL) -> "Plan":
        """Everything once or twice, on small chips: shows that it works, not how fast it is."""
        return cls(
            repeats=2,
            least_s=0.01,
            batches=(1, 8),
            lanes=(8, 16),
            tiles=(1, 2),
            processes=(1, 2),
            full_batches=(1, 2),
            sentences=2,
            sessions=2,
            rtl=(RtlCase("small"), RtlCase("small", single=True)),
            groups=1,
            analog=analog,
        )

    def case(self, work: str, batch: int | None = None, lanes: int | None = None, tiles: int = 1) -> Case:
        """By default of the largest batch and the largest tile."""
        return Case(work, batch or self.batches[-1], lanes or self.lanes[-1], tiles, self.analog)

    def cases(self, *, aihwkit: bool = False, speech: bool = True) -> Iterator[Case]:
        """What is measured in one process."""
        for work in ("twin mvm", "products", "products64", "numpy mvm", *(["aihwkit mvm"] if aihwkit else [])):
            yield from (self.case(work, size) for size in self.batches)
            yield from (self.case(work, lanes=size) for size in self.lanes[:-1])
        yield from (self.case("twin mvm", tiles=count) for count in self.tiles if count > 1)
        yield from (self.case(work, size) for work in ("twin frames", "numpy frames") for size in self.batches)
        yield from (self.case("twin full frames", size) for size in self.full_batches)
        if speech:
            yield self.case("twin transcription", self.sentences)

    def beside(self) -> tuple[Case, ...]:
        """What is measured with every number of processes side by side."""
        return self.case("twin mvm"), self.case("twin full frames", self.full_batches[-1])


@dataclass
class RtlSeries:
    """What was measured on the RTL: cycles of co-simulation, cycles of the model alone, frames; tiles at work.

    The co-simulation's cycles are those of programs, which the model alone runs as well, and those of transfers on the
    host port, in which most of the chip rests: `running` is the share of the former.
    """

    tiles: int
    lanes: int
    build: Effort | None
    running: float | None = None
    cycles: Series = field(default_factory=Series)
    bare: Series = field(default_factory=Series)
    frames: Series = field(default_factory=Series)

    def keep(self, statistics: Any, groups: int) -> None:
        """Add one run of so many groups of frames; the model alone has run one of them."""
        self.running = groups * statistics["bare_cycles"] / statistics["cycles"]
        spent = statistics["wall_s"], statistics["cpu_s"]
        self.cycles.samples.append(Sample(statistics["cycles"], *spent))
        self.frames.samples.append(Sample(statistics["frames"], *spent))
        self.bare.samples.append(Sample(statistics["bare_cycles"], statistics["bare_s"], statistics["bare_cpu_s"]))

    @property
    def ratio(self) -> float:
        """Cycles a second of the co-simulation over the bare model's: median of the runs' own ratios.

        It may exceed 1, for the co-simulation has cycles that cost less.
        """
        return self.bare.over(self.cycles)

    @property
    def model_share(self) -> float | None:
        """Share of the co-simulation's time that the bare model takes for the cycles of programs in it."""
        return None if self.running is None else self.running * self.ratio

    def to_json(self) -> dict[str, Any]:
        return {
            "tiles": self.tiles,
            "lanes": self.lanes,
            "cycles_per_s": self.cycles.per_s,
            "wall_cycles_per_s": self.cycles.wall_per_s,
            "bare_cycles_per_s": self.bare.per_s,
            "wall_bare_cycles_per_s": self.bare.wall_per_s,
            "ratio": self.ratio,
            "running": self.running,
            "model_share": self.model_share,
            "frames_per_s": self.frames.per_s,
            "spread": self.cycles.spread,
            "build_s": self.build and self.build.wall_s,
            "build_cpu_s": self.build and self.build.cpu_s,
        }


@dataclass
class Benchmark:
    """Everything that was measured.

    Members
    -------
    plan : Plan
    machine : dict
        `machine.describe_machine`.
    one_process : mapping of Case to Series
    beside : mapping of (Case, processes) to Series
    rtl : mapping of RtlCase to RtlSeries
    latency : mapping of str to Latency
        One frame that fills the chip, on an open session of the engine `rtl` or `twin`.
    side_by_side : SideBySide
        Such sessions of the RTL.
    peak_mib : float
        Memory for one batch of keyword-spotting frames, the largest batch of the plan.
    first_use_s : float
        The first full frame on a programmed chip.
    occupation : Occupation
        What else the machine did meanwhile.
    interrupted : bool
        Ctrl-C ended it: there are fewer rounds than planned.
    """

    plan: Plan
    machine: dict[str, Any] = field(default_factory=describe_machine)
    one_process: dict[Case, Series] = field(default_factory=dict)
    beside: dict[tuple[Case, int], Series] = field(default_factory=dict)
    rtl: dict[RtlCase, RtlSeries] = field(default_factory=dict)
    latency: dict[str, Latency] = field(default_factory=lambda: {"rtl": Latency(), "twin": Latency()})
    side_by_side: SideBySide = field(default_factory=SideBySide)
    peak_mib: float | None = None
    first_use_s: float | None = None
    occupation: Occupation = field(default_factory=Occupation)
    interrupted: bool = False

    def series(self, work: str, batch: int | None = None, lanes: int | None = None, tiles: int = 1) -> Series:
        """Samples of a case; by default of the largest batch and the largest tile."""
        return self.one_process[self.plan.case(work, batch, lanes, tiles)]

    @property
    def speech(self) -> Series | None:
        """Seconds of speech that are transcribed; None where nothing can speak."""
        return self.one_process.get(self.plan.case("twin transcription", self.plan.sentences))

    @property
    def over_own_matmuls(self) -> float:
        """Time of signed MVMs of the twin over that of their products phase by phase in float32, largest batch."""
        return self.series("twin mvm").over(self.series("products"))

    @property
    def core_share(self) -> float:
        """Share of the time by the clock in which one process had a core for itself: 1 on an idle machine."""
        return median(one.cpu_s / one.wall_s for series in self.one_process.values() for one in series.samples)

    @property
    def busy(self) -> str | None:
        """That the machine had other work, and what it does to the figures; None if it had not."""
        load, share = self.machine["load"] or 0.0, self.core_share
        others, steal = self.occupation.others or 0.0, self.occupation.steal or 0.0
        if load < 0.5 * self.machine["cores"] and share > 0.95 and others < 0.1 and steal < 0.02:
            return None
        return (
            f"the machine was busy (load {load:.1f} at the start on {counted(self.machine['cores'], 'core')}; "
            "meanwhile other "
            f"processes had {others:.0%} of all cores and other virtual machines {steal:.0%}; a process had "
            f"{share:.0%} of its core): figures by the clock are too low, and those of CPU time a little; measure again"
        )

    @property
    def rounds(self) -> int:
        """That were finished."""
        return len(self.side_by_side.gains)

    def cut(self) -> None:
        """Drop the samples of a round that was not finished."""
        rounds = self.rounds
        rtl = [part for one in self.rtl.values() for part in (one.cycles, one.bare, one.frames)]
        for series in (*self.one_process.values(), *self.beside.values(), *rtl):
            del series.samples[rounds:]
        for latency in self.latency.values():
            for samples in (latency.wall_s, *latency.parts.values()):
                del samples[rounds:]

    def to_json(self) -> dict[str, Any]:
        """The documented keys (docs/benchmarks.md). A batch size *n* is the key ``bn``."""
        plan = self.plan
        others = (
            "products",
            "products64",
            "twin full frames",
            "twin transcription",
        )  # they have keys of their own, or none
        works = sorted({case.work for case in self.one_process} - set(others))
        result: dict[str, Any] = {
            "machine": self.machine
            | {"busy": self.busy, "core_share": self.core_share, "meanwhile": self.occupation.to_json()}
        }
        result["rtl"] = self.rtl[plan.rtl[0]].to_json()
        result["session"] = {name: latency.to_json() for name, latency in self.latency.items()}
        result["session"]["side_by_side"] = {"sessions": plan.sessions, **self.side_by_side.to_json()}
        for work in works:
            name, _, kind = work.partition(" ")
            rates = {f"b{batch}": self.series(work, batch).per_s for batch in plan.batches}
            result.setdefault(name, {})[f"{kind}_per_s"] = rates
        result["twin"] |= {
            "over_own_matmuls": self.over_own_matmuls,
            "over_float64_matmuls": self.series("twin mvm").over(self.series("products64")),
            "peak_mib": self.peak_mib,
            "full_frames_per_s": {
                f"b{batch}": self.series("twin full frames", batch).per_s for batch in plan.full_batches
            },
            "full_frame_first_use_s": self.first_use_s,
            "speech_s_per_s": self.speech.per_s if self.speech else None,
        }
        result["scaling"] = self.scaling()
        result["series"] = {
            f"{case.work}, batch {case.batch}, {case.lanes} lanes, {case.tiles} tiles": series.to_json()
            for case, series in self.one_process.items()
        }
        result["analog"] = {"devices": plan.analog.devices, "constants": plan.analog.describe()}
        result["repeats"] = self.rounds
        result["interrupted"] = self.interrupted
        return result

    def scaling(self) -> dict[str, dict[str, dict[int, float]]]:
        """MVMs a second by batch, lanes and tiles; speed over one process by processes; the RTL's cycles a second."""
        plan = self.plan
        mvms = ("twin mvm", "products", "numpy mvm")
        one = {case: self.beside[case, 1].wall_per_s for case in plan.beside()}
        main = self.rtl[plan.rtl[0]]
        return {
            "batch": {
                work: {batch: self.series(work, batch).per_s for batch in plan.batches}
                for work in (*mvms, "twin frames", "numpy frames")
            },
            "lanes": {work: {lanes: self.series(work, lanes=lanes).per_s for lanes in plan.lanes} for work in mvms},
            "tiles": {"twin mvm": {tiles: self.series("twin mvm", tiles=tiles).per_s for tiles in plan.tiles}},
            "processes": {
                case.work: {n: self.beside[case, n].wall_per_s / one[case] for n in plan.processes}
                for case in plan.beside()
            },
            "rtl lanes": {"rtl": {r.lanes: r.cycles.per_s for c, r in self.rtl.items() if not c.single}},
            "rtl tiles": {"rtl": {r.tiles: r.cycles.per_s for r in self.rtl.values() if r.lanes == main.lanes}},
        }


def measure(plan: Plan, advance: Advance = lambda what, done, total: None, *, rebuild: bool = False) -> Benchmark:
    """Take all samples, round after round.

    Parameters
    ----------
    plan : Plan
    advance : callable (what, done, total)
        Called before each sample.
    rebuild : bool
        First build the simulator of the main figure in an empty cache, to take the time of that.

    Raises
    ------
    BuildError, SimulationError, ChipError
        From the RTL engine.
    KeyboardInterrupt
        On Ctrl-C in the first round; later on, the rounds that were finished are the result.
    """
    effort = _rebuild(plan.rtl[0]) if rebuild else None
    rtl = {case: _rtl(case, plan) for case in plan.rtl}
    if effort:
        rtl[plan.rtl[0]][0].build = effort
    result = Benchmark(plan, rtl={case: series for case, (series, _) in rtl.items()})
    try:
        _take_samples(result, {case: run for case, (_, run) in rtl.items()}, advance)
    except KeyboardInterrupt:
        if not result.rounds:
            raise
        result.interrupted = True
        result.cut()
    result.occupation.end()
    return result


def _take_samples(result: Benchmark, rtl: Mapping[RtlCase, Callable[[], Any]], advance: Advance) -> None:
    """All rounds; every process that worked has ended in the end."""
    plan = result.plan
    with Worker() as fresh:
        problem, speechless = fresh.call(aihwkit_problem), fresh.call(transcription_problem)
    result.machine["aihwkit"] = "measured" if problem is None else f"not measured: {problem}"
    result.machine["transcription"] = "measured" if speechless is None else f"not measured: {speechless}"
    cases = list(plan.cases(aihwkit=problem is None, speech=speechless is None))
    total = plan.repeats * (len(rtl) + len(cases) + len(plan.processes) * len(plan.beside()) + 2) + 3
    done = 0

    def step(what: object) -> None:
        nonlocal done
        advance(str(what), done, total)
        done += 1

    with Worker() as fresh:
        step("memory")
        result.peak_mib = fresh.call(frames_peak_mib, plan.batches[-1], plan.lanes[-1], plan.analog)
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker()) for _ in range(max(plan.processes))]
        step("first use of a chip")
        result.first_use_s = workers[0].call(full_frame_first_use_s, plan.lanes[-1], plan.analog)
        step("opening sessions")
        latencies, side = _sessions(plan, stack)
        for _ in range(plan.repeats):
            for rtl_case, run in rtl.items():
                step(f"RTL: {rtl_case}")
                result.rtl[rtl_case].keep(run(), plan.groups)
            for case in cases:
                step(f"{case.work}, {case.batch} at once")
                sample = workers[0].call(take, case, plan.least_s)
                result.one_process.setdefault(case, Series()).samples.append(sample)
            for processes in plan.processes:
                for case in plan.beside():
                    step(f"{case.work}, {counted(processes, 'process', 'processes')}")
                    sample = together(workers[:processes], take, case, plan.least_s)
                    result.beside.setdefault((case, processes), Series(processes)).samples.append(sample)
            step("one frame on an open session")
            for name, session in latencies.items():
                result.latency[name].take(session)
            step(counted(plan.sessions, "session"))
            result.side_by_side.take(side)


def _rebuild(case: RtlCase) -> Effort | None:
    """What building a simulator takes, from Amaranth on."""
    before = os.environ.get("DURAMESH_CACHE")
    with TemporaryDirectory(prefix="duramesh-") as folder:
        os.environ["DURAMESH_CACHE"] = folder
        try:
            return build(preset(case.preset)).effort
        finally:
            del os.environ["DURAMESH_CACHE"]
            if before is not None:
                os.environ["DURAMESH_CACHE"] = before


def _sessions(plan: Plan, stack: ExitStack) -> tuple[dict[str, ChipSession], list[ChipSession]]:
    """Open sessions of a program whose frames fill the chip: one of each engine, and all of the RTL's."""
    program, chip = full_frame_work(plan.lanes[-1], plan.analog)
    engine = RtlEngine(program.config)
    rtl = [stack.enter_context(engine.open(program, chip)) for _ in range(plan.sessions)]
    return {"rtl": rtl[0], "twin": stack.enter_context(TwinEngine().open(program, chip))}, list(rtl)


def _rtl(case: RtlCase, plan: Plan) -> tuple[RtlSeries, Callable[[], Any]]:
    """A case on the RTL: where samples go, and a function that takes one (the statistics of a run)."""
    config = preset(case.preset)
    engine = RtlEngine(config)
    program, chip = (mvm_work if case.single else kws_work)(config, plan.analog)
    inputs = random_inputs(program.input_width, plan.groups * program.frames_per_run)

    def run() -> Any:
        return engine.run(program, chip, inputs, bare=True).statistics

    return RtlSeries(len(program.tiles), config.lanes, engine.build_effort), run
