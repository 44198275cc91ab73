"""What `duramesh bench` measures, round by round."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

from cosim.benchmark.machine import describe_machine
from cosim.benchmark.timing import Sample, Series, Worker
from cosim.benchmark.work import Case, aihwkit_problem, frames_peak_mib, kws_work, mac_work, random_inputs, take
from cosim.engines.rtl.build import build
from cosim.engines.rtl.cache import Effort
from cosim.engines.rtl.engine import RtlEngine
from rtl.config import preset

__all__ = ["Benchmark", "Plan", "RtlCase", "RtlSeries", "measure"]

Advance = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RtlCase:
    """Frames on the RTL: of keyword spotting, or of one MAC on a single tile."""

    preset: str = "chip"
    single: bool = False

    def __str__(self) -> str:
        return f"{self.preset}, {'one MAC' if self.single else 'keyword spotting'}"


@dataclass(frozen=True)
class Plan:
    """What is measured, and how long.

    Parameters
    ----------
    repeats : int
        Rounds.
    least_s : float
        Length of a sample in numpy.
    batches, lanes, tiles, threads : tuple of int
        Scales; the largest batch and number of lanes, and one tile, are the main figures.
    rtl : tuple of RtlCase
        The first one is the main figure.
    groups : int
        Groups of frames (loads of the pads' SRAMs) of one sample of the RTL.
    """

    repeats: int = 5
    least_s: float = 0.25
    batches: tuple[int, ...] = (1, 10, 100, 1000)
    lanes: tuple[int, ...] = tuple(preset().lanes >> halvings for halvings in (3, 2, 1, 0))
    tiles: tuple[int, ...] = (1, 2, 4)
    threads: tuple[int, ...] = (1, 2)
    rtl: tuple[RtlCase, ...] = (RtlCase(), RtlCase(single=True), RtlCase("small"))
    groups: int = 2

    @classmethod
    def full(cls, repeats: int) -> "Plan":
        """Everything, on as many threads as there are cores."""
        cores = describe_machine()["cores"]
        return cls(repeats, threads=tuple(sorted({1, *(2**n for n in range(1, cores.bit_length())), cores})))

    @classmethod
    def quick(cls) -> "Plan":
        """Everything once or twice, on small chips: shows that it works, not how fast it is."""
        return cls(
            repeats=2,
            least_s=0.01,
            batches=(1, 8),
            lanes=(8, 16),
            tiles=(1, 2),
            threads=(1,),
            rtl=(RtlCase("small"), RtlCase("small", single=True)),
            groups=1,
        )

    def cases(self, *, aihwkit: bool = False) -> Iterator[Case]:
        """What is measured in one thread."""
        lanes, batch = self.lanes[-1], self.batches[-1]
        for work in ("twin mvm", "products", "products64", "numpy mvm", *(["aihwkit mvm"] if aihwkit else [])):
            yield from (Case(work, size, lanes) for size in self.batches)
            yield from (Case(work, batch, size) for size in self.lanes[:-1])
        yield from (Case("twin mvm", batch, lanes, count) for count in self.tiles if count > 1)
        yield from (Case(work, size, lanes) for work in ("twin frames", "numpy frames") for size in self.batches)

    def threaded(self) -> tuple[Case, ...]:
        """What is measured with every number of threads."""
        lanes, batch = self.lanes[-1], self.batches[-1]
        return Case("twin mvm", batch, lanes), Case("numpy mvm", batch, lanes), Case("twin frames", batch, lanes)


@dataclass
class RtlSeries:
    """What was measured on the RTL: cycles of co-simulation, cycles of the model alone, frames; tiles at work."""

    tiles: int
    lanes: int
    build: Effort | None
    cycles: Series = field(default_factory=Series)
    bare: Series = field(default_factory=Series)
    frames: Series = field(default_factory=Series)

    def keep(self, statistics: Any) -> None:
        """Add one run."""
        spent = statistics["wall_s"], statistics["cpu_s"]
        self.cycles.samples.append(Sample(statistics["cycles"], *spent))
        self.frames.samples.append(Sample(statistics["frames"], *spent))
        self.bare.samples.append(Sample(statistics["bare_cycles"], statistics["bare_s"], statistics["bare_cpu_s"]))

    @property
    def ratio(self) -> float:
        """Speed of the co-simulation as a share of the bare model's: median of the runs' own ratios."""
        return self.bare.over(self.cycles)

    def to_json(self) -> dict[str, Any]:
        return {
            "tiles": self.tiles,
            "lanes": self.lanes,
            "cycles_per_s": self.cycles.per_s,
            "wall_cycles_per_s": self.cycles.wall_per_s,
            "bare_cycles_per_s": self.bare.per_s,
            "wall_bare_cycles_per_s": self.bare.wall_per_s,
            "ratio": self.ratio,
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
    one_thread : mapping of Case to Series
    threaded : mapping of (Case, threads) to Series
    rtl : mapping of RtlCase to RtlSeries
    peak_mib : float
        Memory for one batch of keyword-spotting frames, the largest batch of the plan.
    """

    plan: Plan
    machine: dict[str, Any] = field(default_factory=describe_machine)
    one_thread: dict[Case, Series] = field(default_factory=dict)
    threaded: dict[tuple[Case, int], Series] = field(default_factory=dict)
    rtl: dict[RtlCase, RtlSeries] = field(default_factory=dict)
    peak_mib: float = float("nan")

    def series(self, work: str, batch: int | None = None, lanes: int | None = None, tiles: int = 1) -> Series:
        """Samples of a case; by default of the largest batch and the largest tile."""
        return self.one_thread[Case(work, batch or self.plan.batches[-1], lanes or self.plan.lanes[-1], tiles)]

    @property
    def over_own_matmuls(self) -> float:
        """Time of signed MACs of the twin over that of their unmerged products, same types, largest batch."""
        return self.series("twin mvm").over(self.series("products"))

    def to_json(self) -> dict[str, Any]:
        """The documented keys (docs/benchmarks.md). A batch size *n* is the key ``bn``."""
        plan = self.plan
        works = sorted({case.work for case in self.one_thread if not case.work.startswith("products")})
        result: dict[str, Any] = {"machine": self.machine, "rtl": self.rtl[plan.rtl[0]].to_json()}
        for work in works:
            name, _, kind = work.partition(" ")
            rates = {f"b{batch}": self.series(work, batch).per_s for batch in plan.batches}
            result.setdefault(name, {})[f"{kind}_per_s"] = rates
        result["twin"] |= {
            "over_own_matmuls": self.over_own_matmuls,
            "over_float64_matmuls": self.series("twin mvm").over(self.series("products64")),
            "peak_mib": self.peak_mib,
        }
        result["scaling"] = self.scaling()
        result["series"] = {
            f"{case.work}, batch {case.batch}, {case.lanes} lanes, {case.tiles} tiles": series.to_json()
            for case, series in self.one_thread.items()
        }
        result["repeats"] = plan.repeats
        return result

    def scaling(self) -> dict[str, dict[str, dict[int, float]]]:
        """MACs a second by batch, lanes and tiles; speed over one thread by threads; the RTL's cycles a second."""
        plan = self.plan
        macs = ("twin mvm", "products", "numpy mvm")
        one = {case: self.threaded[case, 1].wall_per_s for case in plan.threaded()}
        main = self.rtl[plan.rtl[0]]
        return {
            "batch": {
                work: {batch: self.series(work, batch).per_s for batch in plan.batches}
                for work in (*macs, "twin frames", "numpy frames")
            },
            "lanes": {work: {lanes: self.series(work, lanes=lanes).per_s for lanes in plan.lanes} for work in macs},
            "tiles": {"twin mvm": {tiles: self.series("twin mvm", tiles=tiles).per_s for tiles in plan.tiles}},
            "threads": {
                case.work: {n: self.threaded[case, n].wall_per_s / one[case] for n in plan.threads}
                for case in plan.threaded()
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
    """
    result = Benchmark(plan)
    effort = _rebuild(plan.rtl[0]) if rebuild else None
    rtl = {case: _rtl(case, plan) for case in plan.rtl}
    if effort:
        rtl[plan.rtl[0]][0].build = effort
    with Worker() as fresh:
        problem = fresh.call(aihwkit_problem)
    result.machine["aihwkit"] = "measured" if problem is None else f"not measured: {problem}"
    cases = list(plan.cases(aihwkit=problem is None))
    total = plan.repeats * (len(rtl) + len(cases) + len(plan.threads) * len(plan.threaded())) + 1
    done = 0

    def step(what: object) -> None:
        nonlocal done
        advance(str(what), done, total)
        done += 1

    with Worker() as fresh:
        step("memory")
        result.peak_mib = fresh.call(frames_peak_mib, plan.batches[-1], plan.lanes[-1])
    with ExitStack() as stack:
        workers = {threads: stack.enter_context(Worker(threads)) for threads in {1, *plan.threads}}
        for _ in range(plan.repeats):
            for rtl_case, (series, run) in rtl.items():
                step(f"RTL: {rtl_case}")
                series.keep(run())
            for case in cases:
                step(f"{case.work}, {case.batch} at once")
                sample = workers[1].call(take, case, plan.least_s)
                result.one_thread.setdefault(case, Series()).samples.append(sample)
            for threads in plan.threads:
                for case in plan.threaded():
                    step(f"{case.work}, {threads} threads")
                    sample = workers[threads].call(take, case, plan.least_s)
                    result.threaded.setdefault((case, threads), Series(threads)).samples.append(sample)
    result.rtl = {case: series for case, (series, _) in rtl.items()}
    return result


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


def _rtl(case: RtlCase, plan: Plan) -> tuple[RtlSeries, Callable[[], Any]]:
    """A case on the RTL: where samples go, and a function that takes one (the statistics of a run)."""
    config = preset(case.preset)
    engine = RtlEngine(config)
    program, chip = mac_work(config) if case.single else kws_work(config)
    inputs = random_inputs(program.input_width, plan.groups * program.frames_per_run)

    def run() -> Any:
        return engine.run(program, chip, inputs, bare=True).statistics

    return RtlSeries(len(program.tiles), config.lanes, engine.build_effort), run
