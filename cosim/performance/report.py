"""Time and energy of a network on its chips, as numbers for people and for JSON: docs/energy.md has the keys."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from analog_models.config import AnalogConfig
from cosim.compiler.matrices.layout import Layout
from cosim.files.wording import counted
from cosim.performance.activity import WHOLE, Activity, Happening
from cosim.performance.constants import EnergyConstants
from cosim.performance.energy import Energy
from cosim.performance.frames import CallActivities, operations_of
from cosim.performance.host import HostTiming, host_nj
from cosim.performance.numbers import ImageNumbers, MatrixNumbers
from cosim.performance.sample import Stage
from cosim.performance.timing import Timing
from cosim.performance.trace import Trace, trace
from cosim.system.image import SystemImage

__all__ = [
    "PINS_GBPS",
    "EntryReport",
    "PerformanceReport",
    "SampleReport",
    "entry_reports",
    "frame_report",
    "image_report",
]

#: Both ways together, 384 pins at 100 MHz. Source: Nature 620, 768 (2023), Methods.
PINS_GBPS = 38.4


@dataclass(frozen=True)
class EntryReport:
    """A frame of one entry.

    Parameters
    ----------
    chip : int
    entry : str
    frame_ns, steps : int
    operations : int
        Two for each weight of the network that the frame multiplies.
    nj : float
        All supplies, clock and leakage while it lasts counted in.
    tops_w : float
    pins_ns : float
        What its vectors would take on the pins; longer than the frame where the pins cannot sustain it.
    activity : mapping of str to float
        What happens, all over the chip.
    by_supply, by_mechanism, by_unit, by_step : mapping of str to float
        nJ.
    """

    chip: int
    entry: str
    frame_ns: int
    steps: int
    operations: int
    nj: float
    tops_w: float
    pins_ns: float
    activity: Mapping[str, float]
    by_supply: Mapping[str, float]
    by_mechanism: Mapping[str, float]
    by_unit: Mapping[str, float]
    by_step: Mapping[str, float]

    @property
    def watts(self) -> float:
        """With one frame behind the other."""
        return self.nj / self.frame_ns


@dataclass(frozen=True)
class SampleReport:
    """One sample of a network.

    Parameters
    ----------
    latency_us : float
        From its first frame to its last result.
    period_us : float
        Of samples that follow one another without a gap: what the busiest unit has to do for one.
    frames : mapping of str to int
        Of every chip.
    operations, host_operations : int
        On chips, and of the host.
    host : mapping of str to int
        The host's, by kind.
    chips_uj : float
        Of frames.
    waiting_uj : float
        Clock and leakage of chips that wait, over the latency.
    host_uj : float
    tops_w : float
        All operations over all energy but that of waiting, as the papers have it; with it: `tops_w_alone`.
    tops_w_alone : float
    """

    latency_us: float
    period_us: float
    frames: Mapping[str, int]
    operations: int
    host_operations: int
    host: Mapping[str, int]
    chips_uj: float
    waiting_uj: float
    host_uj: float
    tops_w: float
    tops_w_alone: float


@dataclass(frozen=True)
class PerformanceReport:
    """Of a network.

    Parameters
    ----------
    name : str
    entries : tuple of EntryReport
    sample : SampleReport, optional
        If one was given.
    """

    name: str
    entries: tuple[EntryReport, ...]
    sample: SampleReport | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "entries": [{**asdict(entry), "watts": entry.watts} for entry in self.entries],
            "sample": None if self.sample is None else asdict(self.sample),
        }

    def print(self, console: Console) -> None:
        """Entries, what their energy goes to, and the sample."""
        table = Table("chip", "entry", box=box.SIMPLE_HEAD)
        for name in ("frame ns", "MOP", "nJ", "W", "TOPS/W", "1.5 V", "0.8 V", "pins ns"):
            table.add_column(name, justify="right")
        for one in self.entries:
            cells = [f"{one.frame_ns:,}", f"{one.operations * 1e-6:.3f}", f"{one.nj:,.0f}", f"{one.watts:.3f}"]
            cells += [f"{one.tops_w:.2f}", *(f"{one.by_supply[name]:,.0f}" for name in ("1.5 V", "0.8 V"))]
            table.add_row(str(one.chip), one.entry, *cells, f"{one.pins_ns:,.0f}")
        console.print(table)
        shares: Counter[str] = Counter()
        for one in self.entries:
            shares.update(one.by_mechanism)
        total = shares.total()
        texts = (f"{name} {share / total:.1%}" for name, share in shares.most_common())
        console.print(f"one frame of each: {', '.join(texts)}", soft_wrap=True)
        if self.sample is not None:
            self._print_sample(self.sample, console)

    def _print_sample(self, one: SampleReport, console: Console) -> None:
        console.print(
            f"a sample: {one.latency_us:,.2f} us, one every {one.period_us:,.2f} us in a row; "
            f"{counted(sum(one.frames.values()), 'frame')}; {one.operations * 1e-6:,.2f} million operations on chips, "
            f"{one.host_operations * 1e-6:,.3f} of the host",
            soft_wrap=True,
        )
        console.print(
            f"  {one.chips_uj:,.3f} uJ of frames, {one.host_uj:,.3f} of the host, {one.waiting_uj:,.3f} of chips that "
            f"wait: {one.tops_w:.2f} TOPS/W, {one.tops_w_alone:.2f} where nothing fills the gaps",
            soft_wrap=True,
        )


def entry_reports(
    layout: Layout,
    numbers: MatrixNumbers,
    constants: EnergyConstants,
    *,
    analog: AnalogConfig | None = None,
    pins: bool = False,
) -> Iterator[EntryReport]:
    """A frame of every entry of a layout."""
    activities = CallActivities(layout, analog)
    for call in dict.fromkeys(call for calls in layout.calls.values() for call in calls):
        activity = activities.of(call, numbers)
        operations = operations_of(layout, call, numbers)
        yield frame_report(call.entry, activity, operations, constants, chip=call.chip, pins=pins)


def frame_report(
    name: str,
    activity: Activity,
    operations: int,
    constants: EnergyConstants,
    *,
    chip: int = 0,
    pins: bool = False,
) -> EntryReport:
    """A frame of anything, from what happens in it."""
    energy = Energy.of(activity, constants, pins=pins)
    ns, beats = round(activity.total(Happening.CHIP_NS)), activity.total(Happening.BEATS)
    steps = {("whole frame" if step == WHOLE else str(step)): nj for step, nj in sorted(energy.by_step().items())}
    return EntryReport(
        chip,
        name,
        ns,
        len(steps) - 1,
        operations,
        energy.total_nj,
        operations * 1e-3 / energy.total_nj,
        HostTiming(port_gbps=PINS_GBPS).port(beats),
        {what.value: count for what, count in activity.totals().items()},
        energy.by_supply(),
        energy.by_mechanism(),
        energy.by_unit(),
        steps,
    )


def image_report(
    image: SystemImage,
    constants: EnergyConstants,
    *,
    name: str,
    sample: Sequence[Stage] | None = None,
    host: HostTiming | None = None,
    analog: AnalogConfig | None = None,
) -> tuple[PerformanceReport, Timing | None]:
    """A network's image: its own weights, and its samples' own codes; the timing of a sample, if one is given.

    Parameters
    ----------
    image : SystemImage
    constants : EnergyConstants
    name : str
        For people.
    sample : sequence of Stage, optional
        What each graph does for it.
    host : HostTiming, optional
        By default it takes as long as its operations need.
    analog : AnalogConfig, optional

    Raises
    ------
    InputError
        If the sample is none of the network's.
    """
    host = host or HostTiming(counted=True)
    pins = bool(host.port_gbps)
    numbers = ImageNumbers(image)
    entries = tuple(entry_reports(image.layout, numbers, constants, analog=analog, pins=pins))
    if sample is None:
        return PerformanceReport(name, entries), None
    found = trace(image.network, image.layout, sample, host, numbers.aside)
    timing = found.jobs.timing()
    return PerformanceReport(
        name, entries, _sample(found, timing, entries, constants, len(image.layout.frames))
    ), timing


def _sample(
    found: Trace, timing: Timing, entries: tuple[EntryReport, ...], constants: EnergyConstants, chips: int
) -> SampleReport:
    frame_nj = {(one.chip, one.entry): one.nj for one in entries}
    frame_ns = {(one.chip, one.entry): one.frame_ns for one in entries}
    chips_nj = sum(count * frame_nj[key] for key, count in found.frames.items())
    at_work = sum(count * frame_ns[key] for key, count in found.frames.items())
    waiting_nj = constants.fitted.chip_w * (chips * timing.total_ns - at_work)
    hosted = host_nj(found.host, constants)
    operations, host = found.products, int(found.host.total())
    frames: Counter[str] = Counter()
    for (chip, _), count in found.frames.items():
        frames[str(chip)] += count
    return SampleReport(
        timing.total_ns * 1e-3,
        max(timing.busy_ns().values()) * 1e-3,
        dict(frames),
        operations,
        host,
        dict(found.host.most_common()),
        chips_nj * 1e-3,
        waiting_nj * 1e-3,
        hosted * 1e-3,
        (operations + host) * 1e-3 / (chips_nj + hosted),
        (operations + host) * 1e-3 / (chips_nj + hosted + waiting_nj),
    )
