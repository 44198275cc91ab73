"""Pictures of the RNN-T's study."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosim.figures.measurement import Measurement
from cosim.figures.programming_measurement import HEAT_REACH
from cosim.figures.rnnt_measurement import EDGES, EXPANDED_BITS
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.files.wording import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

__all__ = [
    "caption_of_bits",
    "caption_of_layers",
    "caption_of_macs",
    "caption_of_rows",
    "caption_of_sentences",
    "caption_of_weights",
    "draw_bits",
    "draw_layers",
    "draw_macs",
    "draw_rows",
    "draw_sentences",
    "draw_weights",
]


def _heard(measurement: Measurement) -> str:
    """Data, devices and chips of a picture."""
    numbers = measurement.numbers
    chips = counted(len(numbers["seeds"]), "set of chips", "sets of chips")
    return f"{counted(numbers['sentences'], 'sentence')}, devices `{numbers['devices']}`, {chips}, twin"


def _bar(axes: "Axes", measurement: Measurement, at: float, reading: str, colour: str) -> None:
    """A word error rate: mean, every set of chips, interval over sentences."""
    rates = 100 * np.array(measurement.numbers["wer"][reading])
    low, high = (100 * value for value in measurement.numbers["wer_95"][reading])
    axes.bar(at, rates.mean(), 0.7, color=colour, alpha=0.5)
    axes.plot([at] * len(rates), rates, "o", color=colour, mfc="none", ms=4)
    axes.plot([at, at], [low, high], color=colour, lw=0.8)


def _software(axes: "Axes", measurement: Measurement) -> None:
    numbers = measurement.numbers
    axes.axhline(100 * numbers["wer"]["software"][0], color="black", lw=1, label="software")
    axes.axhline(100 * numbers["limit"], color=GREY, lw=1, ls="--", label="software-equivalent")


def draw_layers(measurement: Measurement) -> "Picture":
    """Word error rates and lost log-probability of layers alone, and of more and more of them."""
    numbers = measurement.numbers
    figure, panels = new_figure(10.0, 6.2, 2, 2, sharex="col", gridspec_kw={"width_ratios": [7, 6]})
    for column, (readings, colour) in enumerate(((numbers["alone"], BLUE), ([*numbers["together"], "a week"], ORANGE))):
        rates, lost = panels[:, column]
        for at, reading in enumerate(readings):
            _bar(rates, measurement, at, reading, colour)
            lost.bar(at, 1000 * numbers["lost_nats"][reading], 0.7, color=colour, alpha=0.5)
        _software(rates, measurement)
        lost.axhline(0, color="black", lw=0.8)
        names = [reading.partition(", ")[2] or reading for reading in readings]
        lost.set_xticks(
            range(len(names)), [name.replace("all", "+ Dec: all") for name in names], rotation=35, ha="right"
        )
        rates.set(ylabel="word error rate, %")
        lost.set(ylabel="lost, 1/1000 nat a decision")
    panels[0, 0].set_title("one layer on chips, all others in float", fontsize=10)
    panels[0, 1].set_title("more and more on chips; all after a week", fontsize=10)
    panels[1, 1].set_yscale("symlog", linthresh=1)
    panels[0, 1].legend(fontsize=8, frameon=False, loc="upper left")
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def caption_of_layers(measurement: Measurement) -> str:
    return (
        f"As Fig. 5a to c: {_heard(measurement)}. Bars are means, circles sets of chips, lines the middle 95 % over "
        "sentences drawn anew; the paper's rates are of LibriSpeech: 7.45 % in software, 9.475 % on chips, 9.894 % "
        "after a week."
    )


def draw_bits(measurement: Measurement) -> "Picture":
    """Word error rate over bits of weights; and the bits that are software-equivalent."""
    numbers = measurement.numbers
    curves, grids, limit = numbers["wer_of_bits"], numbers["bits"], numbers["limit"]
    figure, (left, right) = new_figure(10.0, 4.4, 1, 2, gridspec_kw={"width_ratios": [3, 2]})
    names = {"all": "all layers", "on chips": "all but joint-fc"}
    for at, (name, curve) in enumerate(curves.items()):
        strong = name in names
        colour = ("black", ORANGE)[at] if strong else f"C{at - 2}"
        width, label = 1.8 if strong else 0.8, names.get(name, name)
        line = ".--" if at >= len(names) + 10 else ".-"  # colours begin anew
        left.plot(grids[name], 100 * np.array(curve), line, color=colour, lw=width, label=label)
    _software(left, measurement)
    for rate in numbers["wer"]["whole"]:
        left.axhline(100 * rate, color=ORANGE, lw=0.5, ls=":")
    left.set(xlabel="bits of weights", ylabel="word error rate, %", yscale="log")
    left.legend(fontsize=7, frameon=False, ncols=2)
    thresholds = {name: np.inf if value is None else value for name, value in numbers["threshold_bits"].items()}
    order = sorted(thresholds, key=lambda name: thresholds[name])
    for at, name in enumerate(order):
        more = np.isinf(thresholds[name])
        bits = grids[name][-1] if more else thresholds[name]
        right.barh(at, bits, color=GREY if more else BLUE, alpha=0.5, hatch="//" if more else None)
    right.set_yticks(range(len(order)), [names.get(name, name) for name in order], fontsize=8)
    right.set(xlabel=f"bits with at most {100 * limit:.2f} % of words wrong")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def caption_of_bits(measurement: Measurement) -> str:
    numbers = measurement.numbers
    effective = ", ".join("none" if one is None else f"{one:.2f}" for one in numbers["effective_bits"])
    return (
        f"As Fig. 4c, d, in float, {counted(numbers['sentences'], 'sentence')}. Dotted: the noisy chips, whose word "
        f"error rate is that of {effective} bits (paper: 4.097). A threshold at the least bits that were tried may be "
        "lower, and a hatched one is more than was tried. Odd numbers of levels, those of halves of bits, have one at "
        "zero. The paper: 5.4 bits for all layers."
    )


def draw_rows(measurement: Measurement) -> "Picture":
    """More rows for Enc-LSTM0: simulated, on chips; and chip 4 with shorter pulses."""
    numbers = measurement.numbers
    figure, (simulated, lost, errors, pulses) = new_figure(12.0, 3.6, 1, 4)
    rates = {
        float(name.split()[1]): values[0] for name, values in numbers["wer"].items() if name.startswith("simulated")
    }
    simulated.plot(list(rates), [100 * rate for rate in rates.values()], "o-", color=GREEN)
    _software(simulated, measurement)
    simulated.set(xlabel="rows over inputs", ylabel="word error rate, %", ylim=(0, None))
    simulated.set_title(f"in float, Enc-LSTM0 of {EXPANDED_BITS:g} bits, expanded", fontsize=9)
    kinds = numbers["row_errors"]
    for how, colour in (("averaged", BLUE), ("expanded", ORANGE)):
        times = [kind for kind in kinds if kind.startswith(how) or kind == "averaged 1"]
        places = [int(kind.split()[1]) for kind in times]
        lost.plot(places, [1000 * numbers["lost_nats"][kind] for kind in times], "o-", color=colour, label=how)
        errors.plot(places, [kinds[kind] for kind in times], "o-", color=colour, label=how)
    lost.set(xlabel="rows over inputs", ylabel="lost, 1/1000 nat a decision")
    errors.set(xlabel="rows over inputs", ylabel="error of MACs in [-5, 5]", ylim=(0, None))
    lost.set_title("Enc-LSTM0 alone on chips", fontsize=9)
    errors.set_title("the same: its MACs", fontsize=9)
    errors.legend(fontsize=8, frameon=False)
    for at, reading in enumerate(("pulses 255", "pulses 127")):
        pulses.bar(at, 1000 * numbers["lost_nats"][reading], 0.6, color=PINK, alpha=0.6)
    pulses.set_xticks((0, 1), ("255 ns", "127 ns"))
    pulses.set(ylabel="lost, 1/1000 nat a decision")
    pulses.set_title("chip 4's layers, longest pulses", fontsize=9)
    for axes in (simulated, lost, errors, pulses):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def caption_of_rows(measurement: Measurement) -> str:
    numbers = measurement.numbers
    return (
        f"As Fig. 5e, f and the accuracy of Fig. 6b: {counted(numbers['sentences'], 'sentence')}, devices "
        f"`{numbers['devices']}`, chip set {numbers['seeds'][0]}, twin."
    )


def _draw_counts(axes: "Axes", edges: NDArray[np.float64], counts: NDArray) -> None:
    """How often what is right (first axis) became what; nothing where it never did."""
    from matplotlib.colors import LogNorm

    shown = counts.T.astype(np.float64)
    norm = LogNorm(1, max(2, shown.max()))
    axes.pcolormesh(edges, edges, np.where(shown > 0, shown, np.nan), norm=norm, cmap="viridis_r")
    axes.set_aspect("equal")


def draw_macs(measurement: Measurement) -> "Picture":
    """What chips gave over what is right, layer by layer."""
    layers = measurement.numbers["mac_errors"]
    columns = -(-len(layers) // 2)
    figure, panels = new_figure(2.3 * columns, 5.2, 2, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (layer, error) in zip(panels.flat, layers.items(), strict=False):
        _draw_counts(axes, EDGES, measurement.arrays[f"counts {layer}"])
        axes.plot(EDGES[[0, -1]], EDGES[[0, -1]], color=GREY, lw=0.5)
        for edge in (-5.0,) if layer.endswith("/fc") else (-5.0, 5.0):
            axes.axvline(edge, color=ORANGE, lw=0.7, ls="--")
        axes.set_title(f"{layer}: std {error:.3f}", fontsize=8)
    for axes in panels.flat[len(layers) :]:
        axes.axis("off")
    for axes in panels[-1]:
        axes.set_xlabel("right")
    panels[0, 0].set_ylabel("on chips")
    return figure


def caption_of_macs(measurement: Measurement) -> str:
    seed = measurement.numbers["seeds"][0]
    return (
        f"As Extended Data Fig. 8: MACs of chip set {seed}, devices `{measurement.numbers['devices']}`, twin, over "
        "those of float32 for the same inputs; dashed the region of interest, over which the deviation is taken. What "
        "lies beyond the axes is at their ends."
    )


def draw_weights(measurement: Measurement) -> "Picture":
    """Weights of the first chip as they are read, over their targets."""
    heat, weights = measurement.arrays["heat"], measurement.numbers["weights"]
    edges = np.linspace(-HEAT_REACH, HEAT_REACH, heat.shape[-1] + 1)
    figure, panels = new_figure(8.0, 4.0, 1, 2, sharey=True)
    for pair, axes in enumerate(panels):
        _draw_counts(axes, edges, heat[pair])
        within, squared = weights["within_20_percent"][pair], weights["r_squared"][pair]
        axes.set_title(f"WP{pair + 1}: R² {squared:.4f}, {within:.2f} % within 20 %", fontsize=9)
        axes.set(xlabel="target, largest = 1")
    panels[0].set_ylabel("read")
    return figure


def caption_of_weights(measurement: Measurement) -> str:
    numbers = measurement.numbers
    weights = numbers["weights"]
    return (
        f"As Extended Data Fig. 4: all weights of chip 1 of set {numbers['seeds'][0]}, devices `{numbers['devices']}`, "
        f"on {counted(weights['tiles'], 'tile')}, as columns read them at the age of calibration. The paper: around "
        "99 % within 20 %."
    )


def draw_sentences(measurement: Measurement) -> "Picture":
    """Transcripts of software and chips."""
    examples = measurement.numbers["examples"]
    figure, axes = new_figure(9.0, 0.62 * len(examples) + 0.3)
    axes.axis("off")
    for at, example in enumerate(examples):
        for line, (who, text) in enumerate(example.items()):
            wrong = text != example["said"]
            place = (0.0, 1 - (at + (line + 0.5) / 3.6) / len(examples))
            axes.text(*place, f"{who:<9}{text}", family="monospace", fontsize=8, color=ORANGE if wrong else "black")
    return figure


def caption_of_sentences(measurement: Measurement) -> str:
    numbers = measurement.numbers
    return (
        f"As Extended Data Fig. 9: what was said, what software wrote, and what chips of set {numbers['seeds'][0]} "
        f"wrote, devices `{numbers['devices']}`; first sentences on which the two differ. Coloured: not what was said."
    )
