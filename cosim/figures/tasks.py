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
from cosim.figures.drift_measurement import MONTH
from cosim.figures.measurement import Finding, Measurement, Unavailable
from cosim.files.json_text import from_json, to_json
from cosim.files.plotting import BLUE, ORANGE, new_figure
from cosim.files.wording import counted
from cosim.workloads.comparison import Comparison, Settings, Workload, compare
from cosim.workloads.resampling import CONFIDENCE
from cosim.workloads.scores import ScoreReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = [
    "AGED",
    "CHIPS",
    "Case",
    "Shown",
    "codes_compared",
    "data_at",
    "draw_layer_errors",
    "draw_layers",
    "draw_scores",
    "measured",
]

#: Sets of chips, at most.
CHIPS = 3
#: Old chips, by words for them: calibrated as they were an hour after programming, or again.
AGED = {"after a month": False, "after a month, recalibrated": True}


@dataclass(frozen=True)
class Case:
    """A network on so many chips, and a task.

    Parameters
    ----------
    name : str
        "two chips, balanced": names the part of the campaign, and stands in findings.
    workload : Workload
    report : callable (comparison) -> ScoreReport
    on_rtl : sequence of int
        These samples go through the RTL as well, beside the twin.
    rtl_frames : int, optional
        Of these, so many frames of a call at most; by default all.
    aged : int
        So many sets of chips are read after a month as well.
    errors : bool
        Measure what every matrix adds.
    """

    name: str
    workload: Workload
    report: Callable[[Comparison], ScoreReport]
    on_rtl: Sequence[int] = ()
    rtl_frames: int | None = None
    aged: int = 0
    errors: bool = True


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
    reports = []
    for case in cases:
        samples = ", ".join(case.workload.described.values())
        key = f"{case.name}, {describe_seeds(seeds)}, {samples}"
        part = campaign.part(key, partial(_compared, campaign, case, seeds))
        reports.append({"case": case.name, **from_json(str(part["report"]))})
    findings = [finding for report in reports for finding in _findings(report)]
    if any(case.on_rtl for case in cases):
        ours, theirs = (sum(one["on_rtl"][which] for one in reports) for which in ("frames", "reference_frames"))
        share = f", {ours:,} of {counted(theirs, 'frame')}" if ours < theirs else ""
        samples = sum(one["on_rtl"]["samples"] for one in reports)
        findings.append(
            Finding(
                f"codes on the RTL that were compared with the twin's, {reports[0]['network']}; all are equal",
                codes_compared(reports),
                "",
                engine="rtl",
                data=f"{reports[0]['data']}; {counted(samples, 'sample')} on the RTL{share}",
                seeds=describe_seeds(seeds[:1]),
                digits=0,
                headline=True,
            )
        )
    return Measurement({"cases": reports}, findings=tuple(findings))


def codes_compared(reports: Sequence[dict[str, Any]]) -> int:
    """Of all cases."""
    return sum(one["on_rtl"]["compared_codes"] for one in reports)


def _compared(campaign: Campaign, case: Case, seeds: range) -> dict[str, NDArray]:
    workload = case.workload
    if campaign.quick:
        workload = replace(workload, options=replace(workload.options, trials=0))
    display, place = Shown(campaign), campaign.folder / "samples" / _slug(case.name)
    settings = Settings("twin", campaign.analog, tuple(seeds), errors=case.errors, checkpoint=place)
    young = compare(workload, settings, display)
    known = {name: young.variants[name] for name in ("software", "ideal")}
    aged = {}
    for words, again in AGED.items() if case.aged else ():
        old = replace(settings, seeds=tuple(seeds[: case.aged]), aged_s=MONTH, recalibrated=again, errors=False)
        old = replace(old, checkpoint=place / _slug(words))
        variants = case.report(compare(workload, old, display, known=known)).to_json()["variants"]
        aged[words] = {name: one for name, one in variants.items() if name not in known}
    on_rtl = dict.fromkeys(("samples", "compared_codes", "frames", "reference_frames", "cycles"), 0)
    if case.on_rtl:
        # Whoever compares raises an error at the first code that differs.
        few = replace(workload, samples=len(case.on_rtl), walk=lambda at: workload.walk(case.on_rtl[at]))
        both = Settings("both", campaign.analog, tuple(seeds[:1]), rtl_frames=case.rtl_frames)
        (chip,) = compare(few, both, display, known=known).chips
        on_rtl = {what: few.samples if what == "samples" else getattr(chip, what) for what in on_rtl}
    found = {"network": workload.described["network"], **case.report(young).to_json(), "aged": aged, "on_rtl": on_rtl}
    return {"report": np.array(to_json(found))}


def _slug(words: str) -> str:
    return words.replace(" ", "-").replace(",", "")


def _scores(report: dict[str, Any]) -> list[str]:
    """Keys of the figures that each variant has."""
    return list(report["variants"]["software"]["intervals"])


def _findings(report: dict[str, Any]) -> Iterator[Finding]:
    for key in _scores(report):
        what, data = f"{key.replace('_', ' ')} of {report['network']}, {report['case']}", report["data"]
        young = {name: one for name, one in report["variants"].items() if name.startswith("chip ")}
        for name, words, engine in (
            ("software", "software", "float32"),
            ("ideal", "chips without noise", "twin, ideal"),
        ):
            one, fixed = report["variants"][name], {"engine": engine, "data": data, "seeds": "no device differs"}
            yield Finding(f"{what}, {words}", 100 * one[key], "%", **fixed)
            if name == "software":
                low, high = one["intervals"][key]
                half = f"{what}, {words}: half of the {100 * CONFIDENCE:.0f} % interval over samples"
                yield Finding(half, 50 * (high - low), "points", **fixed)
        for words, chips in ("noisy chips", young), *((f"noisy chips {w}", one) for w, one in report["aged"].items()):
            values = np.array([100 * one[key] for one in chips.values()])
            seeds = describe_seeds([int(name.removeprefix("chip ")) for name in chips])
            told = {"engine": "twin", "data": data, "seeds": seeds}
            yield Finding.over(f"{what}, {words}", values, "%", headline=chips is young, **told)
            beyond = values - 100 * report["variants"]["software"][key]
            yield Finding.over(f"{what}, {words} beyond software", beyond, "points", **told)


#: Where a variant is drawn; noisy chips are between those without noise and old ones.
_SHIFTS = {"software": 0.3, "ideal": 0.1, "aged": -0.3}


def draw_scores(measurement: Measurement) -> "Picture":
    """Figures of every case with their intervals."""
    rows = [(case, key) for case in measurement.numbers["cases"] for key in _scores(case)][::-1]
    figure, axes = new_figure(7.2, 0.9 + 0.7 * len(rows))
    for at, (case, key) in enumerate(rows):
        aged = [one for chips in case["aged"].values() for one in chips.values()]
        for name, one in (*case["variants"].items(), *(("aged", one) for one in aged)):
            noisy = name not in _SHIFTS or name == "aged"
            low, high = (100 * value for value in one["intervals"][key])
            place = at + _SHIFTS.get(name, -0.1)
            axes.plot([low, high], [place] * 2, color=ORANGE if noisy else BLUE, lw=0.8)
            filled = None if name == "software" else "none"
            marker = "s" if name == "aged" else "o"
            axes.plot(100 * one[key], place, marker, color=ORANGE if noisy else BLUE, mfc=filled)
    axes.set_yticks(range(len(rows)), [f"{key.replace('_', ' ')}\n{case['case']}" for case, key in rows], fontsize=8)
    axes.set(xlabel="%", ylim=(-0.6, len(rows) - 0.4))
    return figure


def draw_layers(measurement: Measurement) -> "Picture":
    """Errors that every matrix adds itself, in the first case."""
    variants = measurement.numbers["cases"][0]["variants"]
    chips = [one["errors"] for name, one in variants.items() if name.startswith("chip ")]
    return draw_layer_errors(variants["ideal"]["errors"], chips)


def draw_layer_errors(ideal: Sequence[dict[str, Any]], chips: Sequence[Sequence[dict[str, Any]]]) -> "Picture":
    """Errors that every matrix adds itself: on chips without noise, and on noisy ones in the mean."""
    errors = np.array([[layer["own"] for layer in one] for one in (ideal, *chips)])[:, ::-1]
    names = [layer["node"] for layer in ideal][::-1]
    places = np.arange(len(names))
    figure, axes = new_figure(7.2, 1.0 + 0.22 * len(names))
    axes.barh(places, 100 * errors[1:].mean(axis=0), color=ORANGE, height=0.6, label="noisy chips, mean")
    axes.barh(places, 100 * errors[0], color=BLUE, height=0.3, label="chips without noise")
    axes.set_yticks(places, names, fontsize=7)
    axes.set(xlabel="error that the matrix adds, % of its outputs")
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure
