"""Pictures of the study of drift (`cosim.figures.drift`): its measurement in, a picture out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.figures.campaign import describe_seeds
from cosim.figures.drift_measurement import AGE_NAMES, BIN, BINS, DAY, HOUR, MONTH, POLICIES
from cosim.figures.measurement import Measurement
from cosim.figures.sampling import draw_interval
from cosim.files.plotting import new_figure
from cosim.files.wording import counted, listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = [
    "caption_of_accuracy",
    "caption_of_distributions",
    "caption_of_errors",
    "caption_of_reads",
    "draw_accuracy",
    "draw_distributions",
    "draw_errors",
    "draw_reads",
]

_COLOURS = dict(zip(POLICIES, ("#d55e00", "#e69f00", "#0072b2"), strict=True))


def _said(measurement: Measurement) -> str:
    seeds = measurement.numbers["seeds"]
    chips = describe_seeds(seeds)
    return f"twin engine, {chips}, {measurement.numbers['data']}"


def _over_age(axes: Any, ages: list[float], values: Mapping[str, Any], layer: int | None = None) -> None:
    """One curve for each policy: mean over the chips, bars from smallest to largest."""
    for index, (policy, colour) in enumerate(_COLOURS.items()):
        found = np.array(values[policy])  # (chips, ages) or (chips, ages, layers)
        found = found if layer is None else found[:, :, layer]
        low, mean, high = found.min(axis=0), found.mean(axis=0), found.max(axis=0)
        where = np.array(ages) * 1.04 ** (index - 1)  # bars side by side
        bars = (mean - low, high - mean)
        axes.errorbar(where, mean, bars, fmt="osD"[index] + "-", color=colour, ms=4, capsize=2.5, label=policy)
    axes.set_xscale("log")
    axes.set_xticks(ages, [AGE_NAMES[age].replace(" ", "\n") for age in ages], fontsize=7)
    axes.minorticks_off()


def draw_accuracy(measurement: Measurement) -> "Picture":
    """Accuracy over age."""
    numbers = measurement.numbers
    figure, axes = new_figure(8.6, 5.0)
    ages = numbers["ages_s"]
    _over_age(axes, ages, numbers["accuracy_percent"])
    software = numbers["software_accuracy_percent"]
    first = float(np.mean(np.array(numbers["accuracy_percent"]["without recalibration"])[:, 0]))
    draw_interval(axes, ages[0] / 1.8, first, numbers["clips"], colour="#555555", what=f"at {AGE_NAMES[ages[0]]}")
    axes.axhline(software, color="black", lw=1, ls="--", label=f"software, {software:.2f} %")
    axes.axhline(0.99 * software, color="#888888", lw=0.8, ls=":", label="99 % of software")
    axes.set_xlabel("age of the weights")
    axes.set_ylabel("accuracy (%)")
    figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=3)
    axes.set_title(f"Keyword spotting on chips that drift{_bars(measurement)}\n({_said(measurement)})", fontsize=9)
    return figure


def _bars(measurement: Measurement) -> str:
    """What the bars of `_over_age` are, if there are any."""
    return "; bars: smallest to largest" if len(measurement.numbers["seeds"]) > 1 else ""


def _ages(measurement: Measurement) -> str:
    names = [AGE_NAMES[age] for age in measurement.numbers["ages_s"]]
    return f"from {names[0]} to {names[-1]} after programming"


def caption_of_accuracy(measurement: Measurement) -> str:
    numbers = measurement.numbers
    found = {policy: np.mean(values, axis=0) for policy, values in numbers["accuracy_percent"].items()}
    changes = [f"{values[-1] - values[0]:+.2f} points {policy}" for policy, values in found.items()]
    low, high = numbers["sampling_interval_percent"]
    return (
        f"Keyword-spotting accuracy {_ages(measurement)}, under {counted(len(found), 'policy', 'policies')}: "
        f"{listed(changes)} in the end. {counted(numbers['clips'], 'clip')} determine the accuracy at the beginning to "
        f"{low:.2f} to {high:.2f} % (bar at the left); differences on the same clips are known better. ALBERT on the "
        "paper's chip (another network, another task, digital affine recalibration) lost roughly 5 % in 30 days "
        "without recalibration, less than 1 % with it."
    )


def draw_errors(measurement: Measurement) -> "Picture":
    """Error and correlation of every layer over age."""
    numbers = measurement.numbers
    layers = numbers["layers"]
    figure, panels = new_figure(11.0, 6.4, 2, len(layers), sharex=True, squeeze=False)
    for layer, name in enumerate(layers):
        top, bottom = panels[:, layer]
        _over_age(top, numbers["ages_s"], numbers["rms_error_percent"], layer)
        _over_age(bottom, numbers["ages_s"], numbers["correlation"], layer)
        top.set_ylim(bottom=0)
        bottom.set_ylim(top=1)
        top.set_title(name, fontsize=9)
        bottom.set_xlabel("age of the weights")
    panels[0, 0].set_ylabel("rms error, outputs in range\n(% of the full scale)")
    panels[1, 0].set_ylabel("correlation")
    panels[0, 0].legend(fontsize=8, frameon=False)
    figure.suptitle(
        f"Outputs against software that is fed with the chip's own input\n({_said(measurement)}{_bars(measurement)})",
        fontsize=9,
    )
    return figure


def caption_of_errors(measurement: Measurement) -> str:
    return (
        f"Root-mean-square error and correlation of {listed(measurement.numbers['layers'])}, outputs and software that "
        f"is fed with the chip's own input, {_ages(measurement)}."
    )


def _shown_ages(measurement: Measurement) -> list[float]:
    """Ages whose errors are drawn as distributions: some of those measured."""
    return [age for age in (HOUR, DAY, MONTH, 365 * DAY) if age in measurement.numbers["ages_s"]]


def draw_distributions(measurement: Measurement) -> "Picture":
    """How the errors spread with age, without and with recalibration."""
    counts = measurement.arrays["counts"].astype(np.float64)
    ages, layers = measurement.numbers["ages_s"], measurement.numbers["layers"]
    shown = _shown_ages(measurement)
    blues = ("#9ecae1", "#4292c6", "#08519c", "#08203f")[-len(shown) :]
    percent = 100 * BIN * np.arange(-BINS, BINS + 1)
    figure, panels = new_figure(11.0, 6.0, 2, len(layers), sharex=True, squeeze=False)
    for row, policy in enumerate(("without recalibration", "recalibrated")):
        for layer, name in enumerate(layers):
            axes = panels[row, layer]
            for age, colour in zip(shown, blues, strict=True):
                one = counts[ages.index(age), list(POLICIES).index(policy), layer]
                share = 100 * one / one.sum()
                axes.step(
                    percent, np.where(share > 0, share, np.nan), where="mid", color=colour, lw=1.2, label=AGE_NAMES[age]
                )
            axes.set_yscale("log")
            axes.set_xlim(-40, 25)
            axes.set_title(f"{name}, {policy}", fontsize=9)
        panels[row, 0].set_ylabel("outputs (% per 1 % of error)")
    for axes in panels[1]:
        axes.set_xlabel("chip minus software (% of the full scale)")
    panels[0, 0].legend(fontsize=8, frameon=False)
    figure.suptitle(f"Errors of the outputs at {counted(len(shown), 'age')} ({_said(measurement)})", fontsize=9)
    return figure


def caption_of_distributions(measurement: Measurement) -> str:
    numbers = measurement.numbers
    shown = _shown_ages(measurement)
    first, last = (numbers["ages_s"].index(shown[end]) for end in (0, -1))
    layer = numbers["layers"][0]

    def rms(policy: str, age: int) -> float:
        return float(np.mean(np.array(numbers["rms_error_percent"][policy])[:, age, 0]))

    return (
        f"Distribution of the same errors at {listed(AGE_NAMES[age] for age in shown)}. The rms error of {layer}, "
        f"outputs in range, is {rms('without recalibration', first):.2f} % of the full scale at {AGE_NAMES[shown[0]]}, "
        f"and at {AGE_NAMES[shown[-1]]} {rms('without recalibration', last):.2f} % without recalibration and "
        f"{rms('recalibrated', last):.2f} % with it. Compare Fig. 4d of the ALBERT paper."
    )


def draw_reads(measurement: Measurement) -> "Picture":
    """Distribution of the read-to-read variation, layer by layer."""
    reads, layers = measurement.numbers["reads"], measurement.numbers["layers"]
    figure, axes = new_figure(8.0, 4.4)
    stds = [measurement.arrays[f"stds {layer}"] for layer in layers]
    edges = np.linspace(0, float(np.percentile(np.concatenate(stds), 99.8)), 60)
    for values, layer, colour in zip(stds, layers, ("#0072b2", "#d55e00", "#009e73", "#cc79a7"), strict=False):
        share = 100 * np.histogram(values, edges)[0] / len(values)
        middle = float(np.mean(reads["layers"][layer]["std_codes"]))
        axes.stairs(share, edges, color=colour, lw=1.4, label=f"{layer}: median {middle:.2f} codes")
        axes.axvline(middle, color=colour, lw=0.8, ls=":")
    axes.set_xlabel("standard deviation over the reads of one output of one clip (codes of 255)")
    axes.set_ylabel(f"outputs (% per {edges[1]:.2f} codes)")
    axes.legend(fontsize=8, frameon=False)
    changing = float(np.mean(reads["changing_clips_percent"]))
    age = AGE_NAMES[measurement.numbers["ages_s"][0]]
    axes.set_title(
        f"{counted(reads['clips'], 'clip')}, each read {counted(reads['reads'], 'time')} {age} after programming; "
        "outputs off the "
        f"ends of the range;\nthe answer changes for {changing:.1f} % of the clips\n({_said(measurement)})",
        fontsize=9,
    )
    return figure


def caption_of_reads(measurement: Measurement) -> str:
    reads = measurement.numbers["reads"]
    medians = [f"{np.mean(found['std_codes']):.2f} codes in {name}" for name, found in reads["layers"].items()]
    return (
        "How much an output varies from read to read, for the outputs that stay within the range of the codes: "
        f"{listed(medians)}, median output."
    )
