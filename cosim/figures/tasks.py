"""What studies of networks with tasks share: cases, each float, ideal and noisy; findings and pictures."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement, Unavailable
from cosim.files.json_text import from_json, to_json
from cosim.files.plotting import BLUE, ORANGE, new_figure
from cosim.workloads.comparison import Comparison, Settings, Workload, compare
from cosim.workloads.scores import ScoreReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["CHIPS", "Case", "Shown", "codes_compared", "data_at", "draw_layers", "draw_scores", "measured"]

#: Sets of chips, at most.
CHIPS = 3


@dataclass(frozen=True)
class Case:
    """A network on so many chips, and a task.

    Parameters
    ----------
    name : str
        "two chips, balanced": names the part of the campaign, and stands in findings.
    workload : Workload
    report : callable (comparison) -> ScoreReport
    on_rtl : int
        So many samples go through the RTL as well, beside the twin.
    """

    name: str
    workload: Workload
    report: Callable[[Comparison], ScoreReport]
    on_rtl: int = 0


def data_at(*parts: str) -> Path:
    """A file or folder of the data in `DURAMESH_DATA`.

    Raises
    ------
    Unavailable
        If it is not there.
    """
    root = os.environ.get("DURAMESH_DATA")
    if root and (place := Path(root, *parts)).exists():
        return place
    raise Unavailable(f"it needs {'/'.join(parts)} in a folder that DURAMESH_DATA names, and that is not there")


class Shown:
    """A campaign as the `Display` of a comparison."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign

    def __call__(self, text: str) -> None:
        self._campaign.say(text)

    def advance(self, done: int, total: int) -> None:
        self._campaign.advance(done, total)

    def describe(self, text: str, done: int, total: int) -> None:
        self._campaign.advance(done, total)

    def paused(self) -> AbstractContextManager[None]:
        return nullcontext()


def measured(campaign: Campaign, cases: Sequence[Case]) -> Measurement:
    """Every case in float, on chips without noise and on noisy ones; some samples on the RTL."""
    seeds = campaign.seeds[:CHIPS]
    chips = describe_seeds(seeds)
    reports = []
    for case in cases:
        samples = ", ".join(case.workload.described.values())
        part = campaign.part(f"{case.name}, {chips}, {samples}", partial(_compared, campaign, case, seeds))
        reports.append({"case": case.name, **from_json(str(part["report"])), "codes_compared": int(part["codes"])})
    findings = [finding for report in reports for finding in _findings(report, chips)]
    if any(case.on_rtl for case in cases):
        findings.append(
            Finding(
                f"codes on the RTL that were compared with the twin's, {reports[0]['network']}; all are equal",
                codes_compared(reports),
                "",
                engine="rtl",
                data=reports[0]["data"],
                seeds=describe_seeds(seeds[:1]),
                digits=0,
                headline=True,
            )
        )
    return Measurement({"cases": reports}, findings=tuple(findings))


def codes_compared(reports: Sequence[dict[str, Any]]) -> int:
    """Of all cases."""
    return sum(one["codes_compared"] for one in reports)


def _compared(campaign: Campaign, case: Case, seeds: range) -> dict[str, NDArray]:
    workload = case.workload
    if campaign.quick:
        workload = replace(workload, options=replace(workload.options, trials=0))
    display = Shown(campaign)
    place = campaign.folder / "samples" / case.name.replace(" ", "-").replace(",", "")
    settings = Settings("twin", campaign.analog, tuple(seeds), errors=True, checkpoint=place)
    found = case.report(compare(workload, settings, display)).to_json()
    codes = 0
    if case.on_rtl:
        # Whoever compares raises an error at the first code that differs.
        few = replace(workload, samples=min(case.on_rtl, workload.samples))
        both = compare(few, Settings("both", campaign.analog, tuple(seeds[:1])), display)
        codes = sum(chip.compared_codes for chip in both.chips)
    return {"report": np.array(to_json({"network": workload.described["network"], **found})), "codes": np.array(codes)}


def _scores(report: dict[str, Any]) -> list[str]:
    """Keys of the figures that each variant has."""
    return list(report["variants"]["software"]["intervals"])


def _findings(report: dict[str, Any], chips: str) -> Iterator[Finding]:
    variants = report["variants"]
    for key in _scores(report):
        what, data = f"{key.replace('_', ' ')} of {report['network']}, {report['case']}", report["data"]
        noisy = np.array([100 * one[key] for name, one in variants.items() if name.startswith("chip ")])
        for name, engine in (("software", "float32"), ("ideal", "twin, ideal")):
            words = {"software": "software", "ideal": "chips without noise"}[name]
            yield Finding(
                f"{what}, {words}", 100 * variants[name][key], "%", engine=engine, data=data, seeds="no device differs"
            )
        yield Finding.over(f"{what}, noisy chips", noisy, "%", engine="twin", data=data, seeds=chips, headline=True)


def draw_scores(measurement: Measurement) -> "Picture":
    """Figures of every case with their intervals."""
    rows = [(case, key) for case in measurement.numbers["cases"] for key in _scores(case)][::-1]
    figure, axes = new_figure(7.2, 0.9 + 0.7 * len(rows))
    for at, (case, key) in enumerate(rows):
        for name, one in case["variants"].items():
            noisy = name.startswith("chip ")
            low, high = (100 * value for value in one["intervals"][key])
            shift = {"software": 0.2, "ideal": 0.0}.get(name, -0.2)
            axes.plot([low, high], [at + shift] * 2, color=ORANGE if noisy else BLUE, lw=0.8)
            filled = None if name == "software" else "none"
            axes.plot(100 * one[key], at + shift, "o", color=ORANGE if noisy else BLUE, mfc=filled)
    axes.set_yticks(range(len(rows)), [f"{key.replace('_', ' ')}\n{case['case']}" for case, key in rows], fontsize=8)
    axes.set(xlabel="%", ylim=(-0.6, len(rows) - 0.4))
    return figure


def draw_layers(measurement: Measurement) -> "Picture":
    """Errors that every matrix adds itself, in the first case."""
    variants = measurement.numbers["cases"][0]["variants"]
    noisy = [one["errors"] for name, one in variants.items() if name.startswith("chip ")]
    errors = np.array([[layer["own"] for layer in one] for one in (variants["ideal"]["errors"], *noisy)])[:, ::-1]
    names = [layer["node"] for layer in variants["ideal"]["errors"]][::-1]
    places = np.arange(len(names))
    figure, axes = new_figure(7.2, 1.0 + 0.22 * len(names))
    axes.barh(places, 100 * errors[1:].mean(axis=0), color=ORANGE, height=0.6, label="noisy chips, mean")
    axes.barh(places, 100 * errors[0], color=BLUE, height=0.3, label="chips without noise")
    axes.set_yticks(places, names, fontsize=7)
    axes.set(xlabel="error that the matrix adds, % of its outputs")
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure
