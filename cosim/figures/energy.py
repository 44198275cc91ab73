"""Study: what a frame costs, and what shorter pulses give in energy and take in accuracy."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosim.compiler import MappingOptions
from cosim.engines.twin.engine import TwinEngine
from cosim.figures.campaign import Campaign, describe_seeds
from cosim.figures.measurement import Finding, Measurement
from cosim.figures.study import Figure, Study
from cosim.figures.wording import counted, listed
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.performance.constants import EnergyConstants
from cosim.performance.report import frame_report
from cosim.workloads.kws.workload import classify
from cosim.workloads.predictions.kws import frame_of
from cosim.workloads.predictions.rnnt_chips import paper_chips
from cosim.workloads.predictions.table import NATURE

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["STUDY"]

#: Longest pulses, ns: 8, 7 and 6 bits, and those of a quick campaign.
_DURATIONS, _QUICK = (255, 127, 63), (255, 127)
#: Sets of chips, at most.
_CHIPS = 3
_COLOURS = (BLUE, ORANGE, GREEN, PINK, GREY, "#E69F00", "#56B4E9", "black")
#: TOPS/W of a chip that the paper prints.
_PRINTED = {"chip 4": "12.40 TOPS/W; fitted"}


def measure(campaign: Campaign) -> Measurement:
    """Keyword spotting with pulses of several lengths, and a frame of each of the RNN-T's chips."""
    constants, seeds = EnergyConstants.nominal(), campaign.seeds[:_CHIPS]
    durations = _QUICK if campaign.quick else _DURATIONS
    keys = {duration: f"pulses to {duration} ns, chips {seeds[0]}-{seeds[-1]}" for duration in durations}
    parts = campaign.parts({key: partial(_spotted, campaign, duration, seeds)} for duration, key in keys.items())
    spotting = [
        {"duration_ns": duration, **{name: array.tolist() for name, array in parts[key].items()}}
        for duration, key in keys.items()
    ]
    campaign.say("counting frames of the RNN-T's chips")
    chips = []
    for chip in paper_chips():
        entry = frame_report(chip.name, chip.activity(constants.fitted.mean_code), chip.operations, constants)
        chips.append(
            {"chip": chip.name, "nj": entry.nj, "tops_w": entry.tops_w, "by_mechanism": dict(entry.by_mechanism)}
        )
    numbers = {"spotting": spotting, "chips": chips, "clips": len(campaign.clips), "data": campaign.clips.source}
    return Measurement(numbers, findings=tuple(_findings(numbers, describe_seeds(seeds))))


def _spotted(campaign: Campaign, duration: int, seeds: range) -> dict[str, NDArray[np.float64]]:
    """Accuracy of some chips, and what a frame costs."""
    constants = EnergyConstants.nominal()
    accuracy, software, entries = [], 0.0, []
    for seed in seeds:
        campaign.say(f"keyword spotting with pulses to {duration} ns, chip {seed}")
        chip = campaign.calibrated(seed, options=MappingOptions(duration=duration))
        report = classify(campaign.model, campaign.clips, chip, TwinEngine(), seed=seed)
        accuracy.append(report.chip_accuracy)
        software = report.software_accuracy
        inputs = campaign.clips.inputs(campaign.model)
        entries.append(frame_of(chip.program, campaign.model.network, inputs, constants, campaign.analog))
    return {
        "accuracy": np.array(accuracy),
        "software": np.array(software),
        "nj": np.array([entry.nj for entry in entries]),
        "tiles_nj": np.array([entry.by_supply["1.5 V"] for entry in entries]),
        "tops_w": np.array([entry.tops_w for entry in entries]),
    }


def _findings(numbers: dict[str, Any], seeds: str) -> list[Finding]:
    found = []
    for one in numbers["spotting"]:
        shared = {"engine": "counted from programs", "data": numbers["data"], "seeds": seeds}
        what = f"pulses to {one['duration_ns']} ns"
        found.append(
            Finding.over(
                f"energy of a frame of keyword spotting, {what}", np.array(one["nj"]), "nJ", digits=0, **shared
            )
        )
        accuracy = 100 * np.array(one["accuracy"])
        found.append(Finding.over(f"accuracy, {what}", accuracy, "%", **{**shared, "engine": "twin"}))
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


def draw_accuracy(measurement: Measurement) -> "Picture":
    """Accuracy over efficiency: what shorter pulses give and take."""
    figure, axes = new_figure(6.4, 3.8)
    spotting = measurement.numbers["spotting"]
    for one, colour in zip(spotting, _COLOURS, strict=False):
        axes.plot(
            one["tops_w"],
            100 * np.array(one["accuracy"]),
            "o",
            color=colour,
            mfc="none",
            label=f"pulses to {one['duration_ns']} ns",
        )
    means = [(float(np.mean(one["tops_w"])), 100 * float(np.mean(one["accuracy"]))) for one in spotting]
    axes.plot(*zip(*means, strict=True), "-", color=GREY, linewidth=1)
    axes.axhline(100 * float(spotting[0]["software"]), color="black", linestyle="--", linewidth=1, label="software")
    axes.set(xlabel="TOPS/W of a frame", ylabel="accuracy, %")
    axes.legend(fontsize=8, frameon=False)
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
    durations = listed(f"{one['duration_ns']} ns" for one in numbers["spotting"])
    return (
        f"Energy is counted from the programs and from {counted(numbers['clips'], 'clip')} ({numbers['data']}): "
        "pulses, charges, comparisons, wires, counters, words, each times a constant with its source; clock and "
        "leakage, the columns' amplifiers and the mean input were fitted on chip 4 of the RNN-T, on nothing else. "
        f"Keyword spotting ran with pulses to {durations}, each with chips that were calibrated for them."
    )


STUDY = Study(
    name="energy",
    title="Time and energy of a frame",
    about=_about,
    measure=measure,
    figures=(
        Figure(
            "accuracy",
            "What shorter pulses give in efficiency and take in accuracy; a circle is a chip.",
            draw_accuracy,
        ),
        Figure("chips", "Where the energy of a frame goes, on each of the RNN-T's chips.", draw_chips),
    ),
)
