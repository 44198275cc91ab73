"""Pictures of the study of MACs (`cosim.figures.mac`): its measurement in, a picture out."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.figures.measurement import Measurement
from cosim.figures.mechanisms import MECHANISMS, TRANSPORT
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.files.wording import counted, listed
from cosim.program import Mode
from cosim.workloads.kws.report import draw_correlation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

__all__ = [
    "caption_of_bits",
    "caption_of_budget",
    "caption_of_capacitors",
    "caption_of_correlations",
    "caption_of_modes",
    "correlations",
    "draw_bits",
    "draw_budget",
    "draw_capacitors",
    "draw_modes",
    "mechanisms_of",
]

_MODES = {
    Mode.STACKED: ("2 PCM", ORANGE, "s"),
    Mode.DOUBLE: ("4 PCM", GREEN, "^"),
    Mode.BALANCED: ("4 PCM, balanced (AB)", BLUE, "o"),
}
_ERROR = "rms error (% of full scale)"


def correlations(measurement: Measurement) -> "Picture":
    """Chip against software for each layer."""
    numbers = measurement.numbers
    layers = {
        f"{name}, {numbers['layers'][name]['mode']}": (
            measurement.arrays[f"{name} chip"],
            measurement.arrays[f"{name} software"],
        )
        for name in numbers["layers"]
    }
    picture = draw_correlation(layers, "twin")
    picture.suptitle(f"MAC and activation, chip {numbers['chips'][0]}, calibrated; {numbers['data']}", fontsize=9)
    return picture


def caption_of_correlations(measurement: Measurement) -> str:
    numbers = measurement.numbers
    outputs = sum(array.size for name, array in measurement.arrays.items() if name.endswith(" chip"))
    return (
        f"{counted(outputs, 'output')} of chip {numbers['chips'][0]} against software fed with the chip's own input "
        "(the paper's Fig. 3f); colour: how many, on a logarithmic scale."
    )


def mechanisms_of(numbers: Mapping[str, Any]) -> list[str]:
    """The mechanisms that the error budget has been made with."""
    names = (mechanism.name for mechanism in (*MECHANISMS, TRANSPORT))
    return [name for name in names if f"only {name}" in numbers["budget_percent"]]


def draw_budget(measurement: Measurement) -> "Picture":
    """For each layer, the error without each mechanism, and with it alone."""
    numbers = measurement.numbers
    budget, layers = numbers["budget_percent"], list(numbers["layers"])
    rows = mechanisms_of(numbers)
    if not rows:
        return _draw_ends(numbers)
    figure, panels = new_figure(4.0 * len(layers) + 1.4, 1.6 + 0.42 * len(rows), columns=len(layers), squeeze=False)
    for axes, name in zip(panels[0], layers, strict=True):
        for row, mechanism in enumerate(rows):
            changed = "without" if f"without {mechanism}" in budget else "with"
            colour, label = (BLUE, "without it") if changed == "without" else (PINK, "with it (off otherwise)")
            _bar(axes, row - 0.19, budget[f"{changed} {mechanism}"][name], colour, label)
            _bar(axes, row + 0.19, budget[f"only {mechanism}"][name], ORANGE, "it alone")
        for key, style, colour, label in (
            ("nominal", "-", "black", "all mechanisms"),
            ("ideal", "--", "black", "none of them"),
        ):
            axes.axvline(np.mean(budget[key][name]), linestyle=style, color=colour, linewidth=1, label=label)
        code = np.mean(numbers["layers"][name]["code_error_percent"])
        axes.axvline(code, linestyle=":", color=GREEN, linewidth=1.8, label="rounding to 8-bit codes, computed")
        axes.set_title(f"{name} ({numbers['layers'][name]['mode']})", fontsize=10)
        axes.set_xlabel(_ERROR)
        axes.set_xlim(left=0)
        axes.set_yticks(range(len(rows)), rows if axes is panels[0, 0] else [])
        axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axes.spines[["top", "right"]].set_visible(False)
    handles = dict(zip(*panels[0, 0].get_legend_handles_labels()[::-1], strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    figure.suptitle(f"Calibrated chips, twin, {numbers['seeds']}; {numbers['data']}", fontsize=9)
    return figure


def _draw_ends(numbers: Mapping[str, Any]) -> "Picture":
    """The error of each layer with all mechanisms and with none: the budget of a run that has no others."""
    budget, layers = numbers["budget_percent"], list(numbers["layers"])
    figure, axes = new_figure(6.4, 3.6)
    for name, shift, colour, label in (
        ("nominal", -0.27, BLUE, "all mechanisms"),
        ("ideal", 0.0, ORANGE, "none of them"),
        ("", 0.27, GREEN, "rounding to 8-bit codes, computed"),
    ):
        for place, layer in enumerate(layers):
            values = budget[name][layer] if name else numbers["layers"][layer]["code_error_percent"]
            _column(axes, place + shift, values, colour, width=0.25, label=label)
    axes.set_xticks(range(len(layers)), [f"{name}\n{numbers['layers'][name]['mode']}" for name in layers])
    axes.set_ylabel(_ERROR)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    figure.suptitle(f"Calibrated chips, twin, {numbers['seeds']}; {numbers['data']}", fontsize=9)
    return figure


def caption_of_budget(measurement: Measurement) -> str:
    numbers = measurement.numbers
    budget, layers, mechanisms = numbers["budget_percent"], numbers["layers"], mechanisms_of(numbers)
    if not mechanisms:
        return "The error of each layer with all mechanisms, and with none: the ends of the error budget."

    def mean(variant: str) -> float:
        return float(np.mean([np.mean(budget[variant][layer]) for layer in layers]))

    ranked = sorted(mechanisms, key=lambda name: -mean(f"only {name}"))
    named = [f"{name} ({mean(f'only {name}'):.2f} %)" for name in ranked[:3]]
    above = sum(mean(f"only {name}") > 2 * mean("ideal") for name in mechanisms)
    return (
        f"The error of each layer without one mechanism and with it alone. Alone, {listed(named)} are the largest, "
        f"mean of the layers; {above} of {len(mechanisms)} mechanisms alone make more than twice the error without "
        f"any, {mean('ideal'):.2f} %."
    )


def _bar(axes: "Axes", position: float, values: Sequence[float], colour: str, label: str) -> None:
    """A horizontal bar of the mean, with a whisker from the smallest to the largest of several chips."""
    mean = float(np.mean(values))
    # The mean of equal values may be a rounding error beside them.
    spread = [[max(mean - min(values), 0.0)], [max(max(values) - mean, 0.0)]] if len(values) > 1 else None
    axes.barh(position, mean, height=0.34, color=colour, label=label, xerr=spread, error_kw={"linewidth": 0.8})


def draw_modes(measurement: Measurement) -> "Picture":
    """Two and four devices a weight, balanced and not: tuned, and with a mismatch that tuning has not seen."""
    numbers = measurement.numbers
    modes, layers = numbers["modes"], numbers["layers"]
    unbalanced = numbers["budget_percent"].get("without asymmetry balance")
    figure, panels = new_figure(4.0 * (3 if unbalanced else 2), 3.8, columns=3 if unbalanced else 2)
    matrix = f"random {modes['rows']:,} x {modes['columns']} matrix"
    for place, (mode, (_, colour, _)) in enumerate(_MODES.items()):
        values = modes["rms_error_percent"][mode]
        _column(panels[0], place, values, colour)
        panels[0].annotate(f"{np.mean(values):.2f}", (place, 0.1), ha="center", color="white", fontsize=9)
    panels[0].set_xticks(range(len(_MODES)), [label.replace(", ", ",\n") for label, _, _ in _MODES.values()])
    panels[0].set_title(f"{matrix},\nweights tuned through their own columns", fontsize=9)
    for mode, (label, colour, marker) in _MODES.items():
        errors = np.array(modes["untuned_rms_error_percent"][mode])
        _curve(panels[1], modes["path_mismatch_percent"], errors, label=label, colour=colour, marker=marker)
    panels[1].set(xlabel="G+/G- read path mismatch that the tuning\nhas not seen (%, sigma over columns)")
    panels[1].set_ylim(bottom=0)
    panels[1].legend(fontsize=8, frameon=False)
    panels[1].set_title("the same devices behind other columns", fontsize=9)
    if unbalanced:
        with_balance = [name for name, layer in layers.items() if layer["mode"] == Mode.BALANCED]
        for place, name in enumerate(layers):
            balanced = numbers["budget_percent"]["nominal"][name]
            _column(panels[2], place - 0.2, balanced, BLUE, width=0.36, label=f"AB in {listed(with_balance)}")
            _column(panels[2], place + 0.2, unbalanced[name], GREEN, width=0.36, label="no AB anywhere (4 PCM)")
        panels[2].set_xticks(range(len(layers)), layers)
        panels[2].legend(fontsize=8, frameon=False)
        panels[2].set_title("keyword spotting, calibrated chips", fontsize=9)
        panels[2].set_ylim(top=1.25 * panels[2].get_ylim()[1])
    for axes in panels:
        axes.set_ylabel(_ERROR)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Twin, {numbers['seeds']}; {numbers['random_data']}", fontsize=9)
    return figure


def caption_of_modes(measurement: Measurement) -> str:
    modes = measurement.numbers["modes"]
    lowest, highest = modes["path_mismatch_percent"][0], modes["path_mismatch_percent"][-1]

    def grown(mode: Mode) -> str:
        errors = np.mean(modes["untuned_rms_error_percent"][mode], axis=0)
        return f"{errors[0]:.2f} to {errors[-1]:.2f} % with {_MODES[mode][0]}"

    return (
        f"Two or four devices for a weight, and asymmetry balance: tuned through a column's own read paths, and with a "
        f"mismatch of the paths that tuning has not seen. From {lowest:g} to {highest:g} % of it the error goes from "
        f"{listed(grown(mode) for mode in _MODES)}."
    )


def _column(
    axes: "Axes", place: float, values: Sequence[float], colour: str, *, width: float = 0.7, label: str | None = None
) -> None:
    """A bar of the mean with every chip as a point."""
    known = axes.get_legend_handles_labels()[1]
    axes.bar(place, np.mean(values), width, color=colour, label=None if label in known else label)
    axes.plot(np.full(len(values), place), values, "o", color="black", markersize=2.5)


def _curve(axes: "Axes", x: Sequence[float], errors: np.ndarray, *, label: str, colour: str, marker: str) -> None:
    """Mean over chips, (chips, points), and the band between the smallest and the largest."""
    axes.plot(x, errors.mean(axis=0), marker=marker, color=colour, label=label, markersize=4)
    axes.fill_between(x, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.2, linewidth=0)


def draw_capacitors(measurement: Measurement) -> "Picture":
    """The error on 50 to 400 fF: the weights stay, or the swing does."""
    numbers = measurement.numbers
    capacitors = numbers["capacitors"]
    figure, panels = new_figure(9.0, 3.9, columns=2, sharey=True)
    fitting = capacitors["capacitance_ff"][capacitors["count"].index(capacitors["fitting_count"])]
    titles = {
        "constant weights": f"the same weights and ramp: swing as 1/C\n(full scale is the ramp's at {fitting:.0f} fF)",
        "constant swing": "weights grow with C, the swing stays",
    }
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for key, label, colour, marker in (
            ("", "all mechanisms", BLUE, "o"),
            (", ideal devices", "ideal devices", ORANGE, "s"),
        ):
            _curve(
                axes,
                capacitors["capacitance_ff"],
                np.array(capacitors[name + key]),
                label=label,
                colour=colour,
                marker=marker,
            )
        axes.axvline(250, color=GREY, linestyle="--", linewidth=0.9)
        axes.annotate("the paper's\ntypical 250 fF", (250, 0.98), (4, 0), xycoords=("data", "axes fraction"), va="top",
                      textcoords="offset points", fontsize=8, color=GREY)  # fmt: skip
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("capacitance (fF)")
        axes.set_yscale("log")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", which="both", alpha=0.2)
    panels[0].set_ylabel(_ERROR)
    panels[0].set_ylim(bottom=0.2)
    panels[1].legend(fontsize=8, frameon=False, loc="center left")
    what = f"random {capacitors['rows']} x {capacitors['columns']} matrix, balanced"
    figure.suptitle(f"Twin, {numbers['seeds']}; {what}; {numbers['random_data']}", fontsize=9)
    return figure


def caption_of_capacitors(measurement: Measurement) -> str:
    capacitors = measurement.numbers["capacitors"]
    sizes = [f"{size:g}" for size in capacitors["capacitance_ff"]]

    def errors(name: str) -> str:
        return ", ".join(f"{error:.2g}" for error in np.mean(capacitors[name], axis=0))

    return (
        f"Capacitors of {', '.join(sizes)} fF. With the same weights, the swing falls with the capacitance: the "
        f"chip's errors are {errors('constant weights')} %. With the same swing, weights grow with it: "
        f"{errors('constant swing')} %, and {errors('constant swing, ideal devices')} % with ideal devices."
    )


def draw_bits(measurement: Measurement) -> "Picture":
    """Effective bits of the layers, and of a random matrix against the rows that are driven."""
    numbers = measurement.numbers
    layers, rows = numbers["layers"], numbers["rows"]
    figure, (left, right) = new_figure(9.0, 3.8, columns=2)
    for place, layer in enumerate(layers.values()):
        _column(left, place, layer["effective_bits"], BLUE)
        left.annotate(f"{np.mean(layer['effective_bits']):.2f}", (place, 0.3), ha="center", color="white", fontsize=9)
        limit = np.log2(layer["readout_span_percent"] / (np.mean(layer["code_error_percent"]) * np.sqrt(12)))
        left.hlines(
            limit, place - 0.4, place + 0.4, color=GREY, linestyle="--", linewidth=1,
            label=None if place else "rounding to codes alone",
        )  # fmt: skip
    left.legend(fontsize=8, frameon=False, loc="upper right")
    left.set_xticks(range(len(layers)), [f"{name}\n{layer['mode']}" for name, layer in layers.items()])
    left.set_title("keyword spotting, calibrated chips", fontsize=9)
    for key, label, colour, marker in (
        ("effective_bits_of_full_scale", "of the full scale", BLUE, "o"),
        ("effective_bits_of_signal", "of what these rows reach (±3 sigma)", ORANGE, "s"),
    ):
        _curve(right, rows["driven"], np.array(rows[key]), label=label, colour=colour, marker=marker)
    right.set_xscale("log", base=2)
    right.set_xticks(rows["driven"], [str(count) for count in rows["driven"]])
    right.set_xlabel("rows driven")
    right.legend(fontsize=8, frameon=False)
    right.set_title(f"random matrix of {rows['of']} rows, balanced", fontsize=9)
    for axes in (left, right):
        axes.set_ylabel("effective bits")
        axes.set_ylim(0, 9.5)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"Twin, {numbers['seeds']}; left: {numbers['data']}; right: {numbers['random_data']}", fontsize=8)
    return figure


def caption_of_bits(measurement: Measurement) -> str:
    driven = measurement.numbers["rows"]["driven"]
    return (
        f"Effective bits of the network's layers, and of a random matrix with {driven[0]} to {driven[-1]} of its rows "
        "driven."
    )
