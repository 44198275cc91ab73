"""Study: how exactly durations cross the chip (Fig. 2d)."""

from functools import partial
from typing import TYPE_CHECKING

from cosim.engines.rtl.engine import RtlEngine
from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.figures.transport_experiment import PAPER_BOUND_NS, TransportReport, measure_transport
from cosim.files.wording import counted, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

_SOURCE = "Nature 620, 768 (2023), Fig. 2d"
_VECTORS, _QUICK_VECTORS = 2048, 32


def measure(campaign: Campaign) -> Measurement:
    """The experiment of `duramesh transport` on the RTL."""
    campaign.say("sending vectors from one landing pad to all others")
    vectors = _QUICK_VECTORS if campaign.quick else _VECTORS
    report = measure_transport(
        RtlEngine(campaign.config),
        config=campaign.config,
        vectors=vectors,
        seed=campaign.seed,
        progress=campaign.advance,
    )
    if report.interrupted:
        raise KeyboardInterrupt  # a study is whole or not kept
    return Measurement(report.to_json(), findings=tuple(_findings(report)))


def _findings(report: TransportReport) -> list[Finding]:
    what = (
        f"{counted(report.vectors, 'vector')} x {counted(report.lanes, 'wire')} x {len(report.pads)} OLPs of each range"
    )
    finding = partial(Finding, engine=report.engine, data=what, seeds=f"chip {report.seed}", digits=0)
    ideal = max(max(report.max_error_ns(longest, "ideal").values()) for longest in report.counts)
    found = [finding("largest error of a duration, ideal wires, all ranges", ideal, "ns", headline=True)]
    for longest in report.counts:
        bound, largest = PAPER_BOUND_NS[longest], max(report.max_error_ns(longest, "modelled").values())
        found.append(
            finding(
                f"largest error of a duration, modelled wires and clocks, 0-{longest} ns",
                largest,
                "ns",
                paper=f"at most {bound} ns; the model's constants {'keep' if largest <= bound else 'do not keep'} it",
                source=_SOURCE,
                headline=longest in (min(report.counts), max(report.counts)),
            )
        )
    return found


def draw_errors(measurement: Measurement) -> "Picture":
    """Distribution of the errors of modelled wires, by range."""
    return TransportReport.from_json(measurement.numbers).draw()


def _about(measurement: Measurement) -> str:
    """What was done, of this run."""
    report = TransportReport.from_json(measurement.numbers)
    ideal = max(max(report.max_error_ns(longest, "ideal").values()) for longest in report.counts)
    return (
        f"Landing pad {report.source} sends {report.vectors:,} random vectors of durations, uniform from 0, of each of "
        f"{counted(len(report.counts), 'range')} to {counted(len(report.pads), 'output landing pad')} at once, "
        f"{report.lanes} wires each, through borderguards that a controller program has opened; each OLP's counters "
        f"must read what was sent (engine: {report.engine}). Over ideal wires the fabric must make no error at all; it "
        f"made {f'errors of up to {ideal} ns' if ideal else 'none'}. Over modelled wires and clocks the errors are the "
        "model's, whose constants were chosen within the paper's bounds: where they stay there, it is the model's "
        "doing and no evidence about silicon."
    )


def _caption(measurement: Measurement) -> str:
    report = TransportReport.from_json(measurement.numbers)
    largest = [
        f"{max(report.max_error_ns(longest, 'modelled').values())} ns in 0-{longest} ns" for longest in report.counts
    ]
    return (
        "Share of durations with an error of at most so many ns over modelled wires, by range; dashed: the paper's "
        f"largest errors. Largest here: {listed(largest)}."
    )


STUDY = Study(
    name="transport",
    title="Durations over the mesh",
    about=_about,
    measure=measure,
    figures=(Figure("transport-errors", _caption, draw_errors),),
)
