"""Study: what a frame costs, and what shorter pulses and smaller conductances give in energy and take in accuracy."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.compiler import MappingOptions
from cosim.engines.twin.engine import TwinEngine
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.files.wording import counted, listed
from cosim.performance.constants import EnergyConstants
from cosim.performance.report import frame_report
from cosim.performance.what_if import with_conductance
from cosim.workloads.kws.workload import classify
from cosim.workloads.predictions.kws import frame_of
from cosim.workloads.predictions.rnnt_chips import paper_chips
from cosim.workloads.predictions.table import NATURE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

#: Longest pulses, ns: 8, 7 and 6 bits; and conductances of all devices, of the nominal ones. Models of devices are
#: fitted up to these, so that there are no larger ones. The second ones are of a quick campaign.
_DURATIONS, _QUICK_DURATIONS = (255, 127, 63), (255, 127)
_CONDUCTANCES, _QUICK_CONDUCTANCES = (1.0, 0.5), (1.0,)
#: Sets of chips, at most.
_CHIPS = 2
_COLOURS = (BLUE, ORANGE, GREEN, PINK, GREY, "#E69F00", "#56B4E9", "black")
_MARKERS = ("o", "s", "^")
#: TOPS/W of a chip that the paper prints.
_PRINTED = {"chip 4": "12.40 TOPS/W; fitted"}


def measure(campaign: Campaign) -> Measurement:
    """Keyword spotting with pulses and conductances of several sizes, and a frame of each of the RNN-T's chips."""
    constants, seeds = EnergyConstants.nominal(), campaign.seeds[:_CHIPS]
    durations = _QUICK_DURATIONS if campaign.quick else _DURATIONS
    conductances = _QUICK_CONDUCTANCES if campaign.quick else _CONDUCTANCES
    # The chips of a setting are parts of their own, so that as many workers as there are have something to do.
    keys = {
        (duration, factor, seed): f"pulses to {duration} ns, conductances times {factor:g}, chip {seed}"
        for duration, factor, seed in product(durations, conductances, seeds)
    }
    parts = campaign.parts({key: partial(_spotted, campaign, *setting)} for setting, key in keys.items())
    spotting = [
        {
            "duration_ns": duration,
            "conductance": factor,
            **{
                name: [float(parts[keys[duration, factor, seed]][name]) for seed in seeds]
                for name in ("accuracy", "software", "nj", "tiles_nj", "tops_w")
            },
        }
        for duration, factor in product(durations, conductances)
    ]
    for one, best in zip(spotting, _on_the_front(spotting), strict=True):
        one["best"] = best
    campaign.say("counting frames of the RNN-T's chips")
    chips = []
    for chip in paper_chips():
        entry = frame_report(chip.name, chip.activity(constants.fitted.mean_code), chip.operations, constants)
        chips.append(
            {"chip": chip.name, "nj": entry.nj, "tops_w": entry.tops_w, "by_mechanism": dict(entry.by_mechanism)}
        )
    numbers = {"spotting": spotting, "chips": chips, "clips": len(campaign.clips), "data": campaign.clips.source}
    return Measurement(numbers, findings=tuple(_findings(numbers, describe_seeds(seeds))))


def _spotted(campaign: Campaign, duration: int, factor: float, seed: int) -> dict[str, float]:
    """Accuracy of a chip, and what a frame costs."""
    analog = with_conductance(campaign.analog, factor)
    chip = campaign.calibrated(seed, analog=analog, options=MappingOptions(duration=duration))
    report = classify(campaign.model, campaign.clips, chip, TwinEngine(), seed=seed)
    inputs = campaign.clips.inputs(campaign.model)
    entry = frame_of(chip.program, campaign.model.network, inputs, EnergyConstants.nominal(), analog)
    return {
        "accuracy": report.chip_accuracy,
        "software": report.software_accuracy,
        "nj": entry.nj,
        "tiles_nj": entry.by_supply["1.5 V"],
        "tops_w": entry.tops_w,
    }


def _means(one: Mapping[str, Any]) -> tuple[float, float]:
    """TOPS/W and accuracy in % of a setting, over its chips."""
    return float(np.mean(one["tops_w"])), 100 * float(np.mean(one["accuracy"]))


def _on_the_front(spotting: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Which settings no other one beats in both, TOPS/W and accuracy: the Pareto front."""
    points = [_means(one) for one in spotting]
    return [not any(other != one and other[0] >= one[0] and other[1] >= one[1] for other in points) for one in points]


def _findings(numbers: dict[str, Any], seeds: str) -> list[Finding]:
    found = []
    for one in numbers["spotting"]:
        shared = {"engine": "counted from programs", "data": numbers["data"], "seeds": seeds}
        what = _setting(one)
        found.append(
            Finding.over(
                f"energy of a frame of keyword spotting, {what}", np.array(one["nj"]), "nJ", digits=0, **shared
            )
        )
        accuracy = 100 * np.array(one["accuracy"])
        found.append(Finding.over(f"accuracy, {what}", accuracy, "%", **{**shared, "engine": "twin"}))
        efficiency = np.array(one["tops_w"])
        found.append(Finding.over(f"efficiency of keyword spotting, {what}", efficiency, "TOPS/W", **shared))
    for chip in numbers["chips"]:
        found.append(
            Finding(
                f"RNN-T, {chip['chip']}",
                chip["tops_w"],
                "TOPS/W",
                engine="counted from programs",
                data="inputs of the mean code that was fitted",
                seeds="no device differs",
                paper=_PRINTED.get(chip["chip"], ""),
                source=f"{NATURE}, Fig. 6a" if chip["chip"] in _PRINTED else "",
            )
        )
    return found


def _setting(one: Mapping[str, Any]) -> str:
    return f"pulses to {one['duration_ns']} ns, conductances times {one['conductance']:g}"


def draw_accuracy(measurement: Measurement) -> "Picture":
    """Accuracy over efficiency: what shorter pulses and smaller conductances give and take."""
    figure, axes = new_figure(7.6, 4.0)
    spotting = measurement.numbers["spotting"]
    durations, factors = (list(dict.fromkeys(one[name] for one in spotting)) for name in ("duration_ns", "conductance"))
    for one in spotting:
        axes.plot(
            one["tops_w"],
            100 * np.array(one["accuracy"]),
            _MARKERS[factors.index(one["conductance"])],
            color=_COLOURS[durations.index(one["duration_ns"])],
            mfc="none",
            markersize=5,
            label=_setting(one),
        )
    front = sorted(_means(one) for one in spotting if one["best"])
    axes.plot(*zip(*front, strict=True), "-", color=GREY, linewidth=1, label="Pareto front of the means")
    axes.axhline(100 * float(spotting[0]["software"][0]), color="black", linestyle="--", linewidth=1, label="software")
    axes.set(xlabel="TOPS/W of a frame", ylabel="accuracy, %")
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_chips(measurement: Measurement) -> "Picture":
    """Where the energy of a frame goes, chip by chip."""
    chips = measurement.numbers["chips"]
    mechanisms = sorted(chips[0]["by_mechanism"], key=lambda name: -chips[0]["by_mechanism"][name])
    shown, rest = mechanisms[: len(_COLOURS) - 1], mechanisms[len(_COLOURS) - 1 :]
    figure, axes = new_figure(8.4, 3.2)
    left = np.zeros(len(chips))
    for name, colour in zip([*shown, "all else"], _COLOURS, strict=True):
        names = rest if name == "all else" else [name]
        values = np.array([sum(chip["by_mechanism"].get(one, 0.0) for one in names) for chip in chips])
        axes.barh(range(len(chips)), values, 0.7, left=left, color=colour, label=name)
        left += values
    for at, chip in enumerate(chips):
        axes.text(left[at] + 20, at, f"{chip['tops_w']:.2f} TOPS/W", va="center", fontsize=8)
    axes.set_yticks(range(len(chips)), [chip["chip"] for chip in chips])
    axes.set(xlabel="energy of a frame, nJ", xlim=(0, 1.2 * left.max()), ylim=(len(chips) - 0.5, -0.5))
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _about(measurement: Measurement) -> str:
    numbers = measurement.numbers
    durations = listed(dict.fromkeys(f"{one['duration_ns']} ns" for one in numbers["spotting"]))
    factors = listed(dict.fromkeys(f"{one['conductance']:g}" for one in numbers["spotting"]))
    return (
        f"Energy is counted from the programs and from {counted(numbers['clips'], 'clip')} ({numbers['data']}): "
        "pulses, charges, comparisons, wires, counters, words, each times a constant with its source; clock and "
        "leakage, the columns' amplifiers and the mean input were fitted on chip 4 of the RNN-T, on nothing else. "
        f"Keyword spotting ran on the twin with pulses to {durations} and devices of {factors} times the nominal "
        "conductances, each with chips that were programmed and calibrated for them."
    )


STUDY = Study(
    name="energy",
    title="Time and energy of a frame",
    about=_about,
    measure=measure,
    figures=(
        Figure(
            "accuracy",
            "What shorter pulses and smaller conductances give in efficiency and take in accuracy; a mark is a "
            "chip. No setting on the front is beaten in both.",
            draw_accuracy,
        ),
        Figure("chips", "Where the energy of a frame goes, on each of the RNN-T's chips.", draw_chips),
    ),
)
