"""Pictures of the study of linearity (`cosim.figures.linearity`): its measurement in, a picture out."""

from typing import TYPE_CHECKING

import numpy as np

from cosim.figures.measurement import Measurement
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.files.wording import listed, span_in_words
from cosim.program import Mode

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["caption_of_alone", "caption_of_balance", "draw_alone", "draw_balance"]

_ERROR = "rms error (% of full scale)"
_MODES = {Mode.DOUBLE: ("4 PCM", GREEN, "^"), Mode.BALANCED: ("4 PCM, balanced (AB)", BLUE, "o")}


def draw_alone(measurement: Measurement) -> "Picture":
    """Left: each mechanism alone, over multiples of its constant. Right: wires."""
    numbers = measurement.numbers
    figure, (left, right) = new_figure(9.0, 3.9, columns=2, sharey=True)
    markers = zip("osD^vPX", (ORANGE, BLUE, PINK, GREEN, GREY, "#6a4c93", "black"), strict=True)
    for (name, errors), (marker, colour) in zip(numbers["alone_percent"].items(), markers, strict=True):
        means = np.mean(errors, axis=0)
        left.plot(numbers["factors"], means, marker=marker, color=colour, label=name, markersize=4)
    left.set(xlabel="multiple of the constant", ylabel=_ERROR, xscale="log")
    left.set_xticks(numbers["factors"], [f"{factor:g}" for factor in numbers["factors"]])
    left.minorticks_off()
    right.plot(numbers["wires_ohm"], np.mean(numbers["wires_percent"], axis=0), "o-", color=ORANGE, markersize=4)
    right.set(xlabel="column wire (ohm per cell)")
    for axes in (left, right):
        axes.axhline(np.mean(numbers["none_percent"]), linestyle="--", color="black", linewidth=1, label="none of them")
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylim(bottom=0)
    left.legend(fontsize=8, frameon=False)
    figure.suptitle(f"Twin, {numbers['seeds']}; {numbers['data']}; ideal otherwise", fontsize=9)
    return figure


def caption_of_alone(measurement: Measurement) -> str:
    numbers = measurement.numbers
    at = numbers["factors"].index(1.0)
    errors = {name: float(np.mean(values, axis=0)[at]) for name, values in numbers["alone_percent"].items()}
    largest = max(errors, key=lambda name: errors[name])
    return (
        f"The error of each mechanism alone, at {span_in_words(numbers['factors'])} times its constant, and of "
        f"wires. At the constants themselves {largest} makes the largest, {errors[largest]:.2f} %; none of them, "
        f"{np.mean(numbers['none_percent']):.2f} %."
    )


def draw_balance(measurement: Measurement) -> "Picture":
    """Paths that differ in gain, and in compression: with asymmetry balance and without."""
    numbers = measurement.numbers
    figure, panels = new_figure(9.0, 3.8, columns=2, sharey=True)
    for axes, (name, values) in zip(panels, numbers["mismatches"].items(), strict=True):
        for mode, (label, colour, marker) in _MODES.items():
            errors = np.array(numbers["paths_percent"][name][mode])
            percent = 100 * np.array(values)
            axes.plot(percent, errors.mean(axis=0), marker=marker, color=colour, label=label, markersize=4)
            axes.fill_between(percent, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        axes.set_xlabel(f"difference of the paths' {name}\n(%, sigma over columns)")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel(_ERROR)
    panels[0].legend(fontsize=8, frameon=False)
    figure.suptitle(f"Weights tuned through these paths; twin, {numbers['seeds']}; {numbers['data']}", fontsize=9)
    return figure


def caption_of_balance(measurement: Measurement) -> str:
    numbers = measurement.numbers

    def ends(name: str) -> str:
        by_mode = []
        for mode, (label, _, _) in _MODES.items():
            errors = np.mean(numbers["paths_percent"][name][mode], axis=0)
            by_mode.append(f"{errors[0]:.2f} to {errors[-1]:.2f} % with {label}")
        return f"in {name} of 0 to {100 * numbers['mismatches'][name][-1]:g} %, from {listed(by_mode)}"

    return (
        "Paths that differ, with weights tuned through them: without asymmetry balance and with it. The error goes, "
        f"with a difference {'; '.join(map(ends, numbers['mismatches']))}."
    )
