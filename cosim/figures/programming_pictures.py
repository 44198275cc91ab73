"""Pictures of the study of programming (`cosim.figures.programming`): its measurement in, a picture out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cosim.figures.campaign import describe_seeds
from cosim.figures.measurement import Measurement
from cosim.figures.programming_measurement import BIN, HEAT_REACH, YIELD
from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, new_figure
from cosim.files.wording import counted, listed, span_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = [
    "WP",
    "caption_of_convergence",
    "caption_of_correlation",
    "caption_of_defects",
    "caption_of_errors",
    "caption_of_range",
    "draw_convergence",
    "draw_correlation",
    "draw_defects",
    "draw_errors",
    "draw_maps",
    "draw_range",
    "one_tile",
]

Array = NDArray[np.float64]

#: What the two pairs of devices are called.
WP = ("WP1", "WP2")


def _mosaic(axes: Any, tiles: Array, squares: NDArray, **style: Any) -> Any:
    """Show pictures of tiles (tiles, height, width) laid out like the floorplan, each with its square above it."""
    _, height, width = tiles.shape
    gap = height // 5
    rows, columns = squares.max(axis=0) + 1
    canvas = np.full((rows * (height + gap), columns * (width + gap) - gap), np.nan)
    for picture, (row, column) in zip(tiles, squares, strict=True):
        top, left = row * (height + gap) + gap, column * (width + gap)
        canvas[top : top + height, left : left + width] = picture
        axes.text(left, top - 1, f"{row},{column}", fontsize=5.5, va="bottom")
    axes.set_axis_off()
    return axes.imshow(canvas, interpolation="nearest", **style)


def _said(measurement: Measurement, chips: int | None = None) -> str:
    seeds = measurement.numbers["seeds"][:chips]
    return "analog models, closed-loop programming, " + describe_seeds(seeds)


def one_tile(numbers: Mapping[str, Any]) -> str:
    """What was programmed where one tile was: all of it, or some of its rows."""
    rows, lanes = numbers["rows_of_one_tile"], numbers["lanes"]
    return "one tile" if rows >= lanes else f"{rows} of {lanes} rows of one tile"


def draw_correlation(measurement: Measurement) -> "Picture":
    """Achieved against target weights of every tile."""
    import matplotlib as mpl
    from matplotlib.colors import LogNorm

    heat, squares = measurement.arrays["heat"].astype(np.float64), measurement.arrays["squares"]
    figure, panels = new_figure(10.0, 5.6, 1, 2, gridspec_kw={"wspace": 0.06})
    colours = mpl.colormaps["viridis_r"].with_extremes(under="#ededed", bad="white")
    for pair, axes in enumerate(panels):
        upright = heat[:, pair].transpose(0, 2, 1)[:, ::-1]  # achieved upwards, target to the right
        upright = np.maximum(upright, 0.5)  # what is empty is below the scale
        image = _mosaic(axes, upright, squares, cmap=colours, norm=LogNorm(1, heat.max()))
        r2 = np.array(measurement.numbers["per_tile"]["r_squared"][WP[pair]])
        axes.set_title(f"{WP[pair]}: R² of a tile {r2.min():.4f} to {r2.max():.4f} (ALBERT paper: > 0.98)", fontsize=9)
    bar = figure.colorbar(image, ax=panels, shrink=0.8, pad=0.01)
    bar.set_label("weights per bin", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(
        f"In each tile: target weight to the right, achieved weight upwards, both from {-HEAT_REACH:g} to "
        f"{HEAT_REACH:g} x the largest\n({_said(measurement, 1)}; tiles as on the chip)",
        fontsize=10,
    )
    return figure


def caption_of_correlation(measurement: Measurement) -> str:
    network = measurement.numbers["network"]
    tiles = [f"{row},{column}" for row, column in (one["square"] for one in network)]
    largest = sorted(one["largest_weight"] for one in network)
    return (
        "Every tile's weights, achieved over target, for both pairs of devices; as Extended Data Fig. 4a, b. Tiles "
        f"{listed(tiles)} hold the network, whose largest weights there are {span_in_words(largest, '{:.2f}')} of the "
        "range."
    )


def draw_maps(measurement: Measurement) -> "Picture":
    """Target and achieved weights where they sit."""
    cells, squares = measurement.arrays["cells"].astype(np.float64), measurement.arrays["squares"]
    figure, panels = new_figure(10.0, 10.4, 2, 2, gridspec_kw={"wspace": 0.06})
    for pair, column in np.ndindex(2, 2):
        axes = panels[pair, column]
        image = _mosaic(axes, cells[:, pair, column], squares, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(f"{WP[pair]}, {('target', 'achieved')[column]}", fontsize=9)
    bar = figure.colorbar(image, ax=panels, shrink=0.6, pad=0.01)
    bar.set_label("weight, largest = 1", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    _, _, _, height, width = cells.shape
    figure.suptitle(
        f"Single cells, {height} x {width} of each tile's {measurement.numbers['rows_per_tile']} x "
        f"{measurement.numbers['lanes']} that were programmed ({_said(measurement, 1)}; tiles as on the chip)",
        fontsize=10,
    )
    return figure


def draw_errors(measurement: Measurement) -> "Picture":
    """Distribution of the errors, its tails, and its width tile by tile."""
    counts = measurement.arrays["counts"].astype(np.float64)
    numbers = measurement.numbers
    percent = 100 * BIN * (np.arange(1, counts.shape[-1] + 1) - counts.shape[-1] // 2)
    figure, (left, middle, right) = new_figure(11.0, 4.2, 1, 3)
    colours = dict(zip(WP, (BLUE, ORANGE), strict=True))
    for pair, (wp, colour) in enumerate(colours.items()):
        for tile, one in enumerate(counts[:, pair]):
            label = f"{wp}, each tile" if tile == 0 else None
            left.plot(percent, 100 * np.cumsum(one) / one.sum(), color=colour, lw=0.4, alpha=0.5, label=label)
            middle.plot(*_beyond(one), color=colour, lw=0.4, alpha=0.5)
    total = counts.sum(axis=(0, 1))
    left.plot(percent, 100 * np.cumsum(total) / total.sum(), color="black", lw=1.8, label="all")
    middle.plot(*_beyond(total), color="black", lw=1.8)
    left.set(xlim=(-12, 12), ylim=(0, 100), ylabel="weights with a smaller error (%)")
    for share in (1, 99):
        left.axhline(share, color=GREY, lw=0.7, ls=":")
    left.legend(fontsize=7, frameon=False, loc="upper left")
    left.set_title("error", fontsize=9)
    middle.set_yscale("log")
    middle.set(xlim=(0, 25), ylim=(1e-5, 100), ylabel="weights with a larger error (%)")
    middle.axvline(100 * YIELD, color=GREEN, lw=1, ls="--", label=f"limit of the yield, {100 * YIELD:g} %")
    middle.plot([100 * YIELD], [1], "v", color=GREEN, ms=6, label="paper: yield around 99 %")
    middle.legend(fontsize=7, frameon=False, loc="lower left")
    middle.set_title(f"magnitude; yield here {numbers['yield_percent'][0]:.4f} %", fontsize=9)
    for axes in (left, middle):
        axes.set_xlabel("error, % of the largest weight")
    per_tile = numbers["per_tile"]["spread_1_to_99_percent"]
    for wp, marker in zip(WP, "os", strict=True):
        right.plot(per_tile[wp], marker, color=colours[wp], ms=3.5, label=wp)
    right.axhline(numbers["spread_1_to_99_percent"][0], color="black", lw=1, label="whole chip")
    right.set(
        xlabel="tile",
        ylabel="1-99 % spread (% of the largest weight)",
        ylim=(0, 1.15 * max(map(max, per_tile.values()))),
    )
    right.legend(fontsize=7, frameon=False, loc="lower right")
    right.set_title("spread of each tile", fontsize=9)
    figure.suptitle(
        f"Programming errors of {numbers['weights_per_chip'] / 1e6:.1f} million weights ({_said(measurement, 1)})",
        fontsize=10,
    )
    return figure


def caption_of_errors(measurement: Measurement) -> str:
    numbers = measurement.numbers
    chip = describe_seeds(numbers["seeds"][:1])
    return (
        f"Distribution of the errors of every tile (thin) and of {chip} (thick), its tails against the limit of the "
        f"yield, beyond which {numbers['beyond_per_million'][0]:.1f} weights in a million lie, and the distance from "
        f"its 1 % to its 99 % point, {numbers['spread_1_to_99_percent'][0]:.2f} % of the largest weight; as Extended "
        "Data Fig. 4c-e."
    )


def _beyond(counts: Array) -> tuple[Array, Array]:
    """Magnitude of an error in %, and the share of errors beyond it in %, NaN where there is none."""
    half = len(counts) // 2
    magnitude = counts[half:] + counts[:half][::-1]
    beyond = 100 * (magnitude.sum() - np.cumsum(magnitude)) / magnitude.sum()
    return 100 * BIN * (np.arange(half, dtype=np.float64) + 1), np.where(beyond > 0, beyond, np.nan)


def draw_convergence(measurement: Measurement) -> "Picture":
    """Share within tolerance, rms error and share of weights still pulsed, pulse by pulse."""
    from matplotlib.ticker import LogLocator

    rounds, done = measurement.arrays["rounds"], measurement.arrays["done"]
    tolerance = measurement.numbers["tolerance_percent"]
    figure, (left, right) = new_figure(9.5, 4.0, 1, 2)
    steps = np.arange(rounds.shape[1])
    for chip, (one, end) in enumerate(zip(rounds, done, strict=True)):
        first = chip == 0
        left.plot(
            steps, 100 * one[:, 0], "o-", color=BLUE, ms=3, label="true weight within tolerance" if first else None
        )
        left.plot(steps[1:], 100 * one[1:, 2], "s-", color=ORANGE, ms=3, label="got this pulse" if first else None)
        right.plot(steps, 100 * np.sqrt(one[:, 1]), "o-", color=BLUE, ms=3, label="in the loop" if first else None)
        label = "after relaxation" if first else None
        right.axhline(100 * np.sqrt(end[1]), color=ORANGE, lw=1.2, ls="--", label=label)
    left.set(xlabel="pulses", ylabel="weights (%)", ylim=(0, 101))
    left.set_title(f"tolerance: {tolerance:.1f} % of the largest weight", fontsize=9)
    left.legend(fontsize=8, frameon=False, loc="center right")
    right.set_yscale("log")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter("{x:g}")
    right.minorticks_off()
    right.set(xlabel="pulses", ylabel="rms error (% of the largest weight)")
    right.axhline(tolerance, color=GREY, lw=0.8, ls=":", label="tolerance")
    right.set_title("rms error", fontsize=9)
    right.legend(fontsize=8, frameon=False)
    figure.suptitle(
        f"Closed-loop tuning, pulse by pulse; 0 is after RESET ({_said(measurement)}, "
        f"{measurement.numbers['weights_per_chip'] / 1e6:.1f} million weights each)",
        fontsize=10,
    )
    return figure


def caption_of_convergence(measurement: Measurement) -> str:
    numbers = measurement.numbers
    rounds = measurement.arrays["rounds"].shape[1] - 1
    return (
        "Share of weights within tolerance and share still pulsed, and rms error, after each round of pulses. After "
        f"{counted(rounds, 'round')} {np.mean(numbers['within_tolerance_percent']):.1f} % are within tolerance; the "
        f"rms error is {np.mean(numbers['rms_error_of_loop_percent']):.2f} % of the largest weight, and "
        f"{np.mean(numbers['rms_error_percent']):.2f} % when the devices have relaxed."
    )


def draw_range(measurement: Measurement) -> "Picture":
    """What a larger or smaller conductance for the largest weight does."""
    swept = measurement.numbers["range"]
    g_us = np.array(swept["largest"]) * swept["g_max_us"]
    figure, panels = new_figure(11.0, 4.2, 1, 3)
    shown = (
        ("good", 100, f"weights within {100 * YIELD:g} % of the largest (%)", "around 99 %", 99.0, (None, 100.2)),
        ("mean", 100, "mean error (% of the largest weight)", "< 3 %, an earlier chip", 3.0, (0, None)),
        ("r_squared", 1, "R²", "> 0.98, ALBERT", 0.98, (None, 1.0)),
    )
    for axes, (name, scale, label, paper, value, limits) in zip(panels, shown, strict=True):
        values = scale * np.array(swept[name])
        low, high, mean = values.min(axis=1), values.max(axis=1), values.mean(axis=1)
        axes.errorbar(g_us, mean, (mean - low, high - mean), fmt="o-", color=BLUE, ms=3.5, capsize=2, label="here")
        axes.axhline(value, color=GREEN, lw=1, ls="--", label="paper")
        axes.set_title(f"paper: {paper}", color=GREEN, fontsize=8)
        axes.axvline(swept["g_max_us"], color=GREY, lw=0.8, ls=":", label="nominal")
        axes.axvline(swept["g_set_us"], color=ORANGE, lw=0.8, ls="-.", label="most that a device reaches")
        axes.set(xlabel="conductance of the largest weight (uS)", ylabel=label, ylim=limits)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False
    )
    figure.suptitle(
        f"A smaller and a larger range, {one_tile(measurement.numbers)} with the network's weights "
        f"({_said(measurement)}{'; bars: smallest to largest' * (len(measurement.numbers['seeds']) > 1)})",
        fontsize=10,
    )
    return figure


def caption_of_range(measurement: Measurement) -> str:
    swept = measurement.numbers["range"]
    mean = 100 * np.mean(swept["mean"], axis=1)
    clipped = 100 * np.mean(swept["clipped"], axis=1)
    g_us = np.array(swept["largest"]) * swept["g_max_us"]
    best = int(mean.argmin())
    return (
        "Yield, mean error and R² if the largest weight is a smaller or a larger conductance. The mean error is "
        f"smallest, {mean[best]:.2f} %, with {g_us[best]:g} uS; it is {mean[0]:.2f} % with {g_us[0]:g} uS, beside "
        f"which the devices' noise is larger, and {mean[-1]:.2f} % with {g_us[-1]:g} uS, where {clipped[-1]:.2f} % of "
        "the weights are beyond what a device reaches. The paper has some tiles with 'Max W equal to 80', a smaller "
        "range than usual, and a chip with a larger one and a slightly lower yield."
    )


def draw_defects(measurement: Measurement) -> "Picture":
    """What devices that no pulse changes do to the yield and to R²."""
    defects = measurement.numbers["defects"]
    shares = 100 * np.array(defects["shares"])
    figure, panels = new_figure(9.0, 4.0, 1, 2)
    shown = (
        ("yield_percent", f"weights within {100 * YIELD:g} % of the largest (%)", "around 99 %", 99.0),
        ("r_squared", "R²", "> 0.98, ALBERT", 0.98),
    )
    for axes, (name, label, paper, value) in zip(panels, shown, strict=True):
        for kind, colour in (("stuck_reset", BLUE), ("stuck_set", ORANGE)):
            for pairs, style in (("one pair", "o-"), ("two pairs", "s--")):
                mean = np.mean(defects[kind][pairs][name], axis=1)
                what = f"stuck {kind.removeprefix('stuck_').upper()}, {pairs}"
                axes.plot(shares, mean, style, color=colour, ms=3.5, lw=1, label=what)
        axes.axhline(value, color=GREEN, lw=1, ls="--")
        axes.set_title(f"dashed: the paper's, {paper}", color=GREEN, fontsize=8)
        axes.set(xlabel="devices that are stuck (%)", ylabel=label)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, frameon=False
    )
    means = "; means" * (len(measurement.numbers["seeds"]) > 1)
    figure.suptitle(
        f"Defective devices, an assumption; {one_tile(measurement.numbers)} ({_said(measurement)}{means})", fontsize=10
    )
    return figure


def caption_of_defects(measurement: Measurement) -> str:
    defects = measurement.numbers["defects"]
    most = 100 * defects["shares"][-1]
    yields = {
        kind: float(np.mean(defects[f"stuck_{kind}"]["one pair"]["yield_percent"][-1])) for kind in ("reset", "set")
    }
    return (
        "Yield and R² if some devices stay RESET, or SET, whatever pulse they get: an assumption, and no fit to the "
        f"paper's yield. With {most:g} % of them the yield of weights on one pair is {yields['reset']:.2f} % if they "
        f"stay RESET and {yields['set']:.2f} % if they stay SET."
    )
