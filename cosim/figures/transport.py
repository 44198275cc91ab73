"""Study: how exactly durations cross the chip (Fig. 2d)."""

from functools import partial
from typing import TYPE_CHECKING

from cosim.engines.rtl.engine import RtlEngine
from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.figures.transport_experiment import PAPER_BOUND_NS, TransportReport, measure_transport

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
    return Measurement(report.to_json(), findings=tuple(_findings(report)))


def _findings(report: TransportReport) -> list[Finding]:
    pads = next(iter(next(iter(report.counts.values())).values()))
    what = f"{report.vectors:,} vectors x {report.lanes} wires x {len(pads)} OLPs of each range"
    finding = partial(Finding, engine=report.engine, data=what, seeds=f"chip {report.seed}", digits=0)
    ideal = max(max(report.max_error_ns(longest, "ideal").values()) for longest in report.counts)
    found = [finding("largest error of a duration, ideal wires, all ranges", ideal, "ns", headline=True)]
    for longest in report.counts:
        bound = PAPER_BOUND_NS[longest]
        found.append(
            finding(
                f"largest error of a duration, modelled wires and clocks, 0-{longest} ns",
                max(report.max_error_ns(longest, "modelled").values()),
                "ns",
                paper=f"at most {bound} ns; the model's constants keep it",
                source=_SOURCE,
                headline=longest in (min(report.counts), max(report.counts)),
            )
        )
    return found


def draw_errors(measurement: Measurement) -> "Picture":
    """Distribution of the errors of modelled wires, by range."""
    return TransportReport.from_json(measurement.numbers).draw()


STUDY = Study(
    name="transport",
    title="Durations over the mesh",
    about="""The south-western landing pad sends random vectors of durations, uniform from 0, to all six output landing
    pads at once, through borderguards that a controller program has opened; each OLP's counters must read what
    was sent. Over ideal wires the fabric must make no error at all. Over modelled wires and clocks the errors
    are the model's, whose constants were chosen within the paper's bounds: that they stay there is the model's
    doing and no evidence about silicon.""",
    measure=measure,
    figures=(
        Figure(
            "transport-errors",
            "Share of durations with an error of at most so many ns, by range; dashed: the paper's largest errors.",
            draw_errors,
        ),
    ),
)
