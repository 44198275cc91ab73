"""Pictures of a sweep: how chips are distributed, curves with bands over an axis, a map over two."""

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cosim.files.plotting import BLUE, GREEN, GREY, ORANGE, PINK, new_figure
from cosim.sweep.points import Cell
from cosim.sweep.settings import Setting, axes_of, settings_of, shown_value
from cosim.sweep.sweep import Outcome, Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["bin_edges", "draw"]

_COLOURS = (BLUE, ORANGE, GREEN, PINK, GREY)
#: Of a distribution.
_FEWEST_BINS, _MOST_BINS = 5, 80
#: Columns of axes that are drawn on a logarithmic scale.
_LOGARITHMIC = "age_s"


def draw(outcome: Outcome) -> "dict[str, Figure]":
    """Pictures by name, of the first figure of the subject: "distribution", "curves" and "map", as axes are."""
    settings, shown = settings_of(outcome), outcome.subject.shown[0]
    axes = axes_of(settings)
    found = {"distribution": _distribution(settings, shown, axes)}
    if axes:
        found["curves"] = _curves(settings, shown, axes)
    if len(axes) == 2:
        found["map"] = _map(settings, shown, axes)
    return found


def _distribution(settings: list[Setting], shown: Shown, axes: dict[str, list[Cell]]) -> "Figure":
    """How many chips have which figure, setting by setting."""
    figure, plot = new_figure(7.2, 3.6)
    drawn = settings[: len(_COLOURS)]
    values = [shown.factor * one.values(shown.key) for one in drawn]
    together = np.concatenate([*values, np.zeros(0)])
    edges = bin_edges(together)
    for one, own, colour in zip(drawn, values, _COLOURS, strict=False):
        plot.hist(own, edges, histtype="stepfilled", alpha=0.35, color=colour, label=_name(one, axes) or "chips")
    if shown.reference and len(software := shown.factor * settings[0].values(shown.reference)):
        plot.axvline(software[0], color="black", linewidth=1, label="software")
    plot.set(xlabel=f"{shown.words}, {shown.unit}" if shown.unit else shown.words, ylabel="chips")
    plot.legend(fontsize=8, frameon=False)
    return figure


def bin_edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of bins: one around each value where they are whole multiples of a step, as shares of a few samples are."""
    distinct = np.unique(values.round(9))
    if len(distinct) < 2:
        return np.histogram_bin_edges(values, bins=_FEWEST_BINS)
    steps = np.diff(distinct)
    step = steps.min()
    count = np.ptp(distinct) / step
    if count <= _MOST_BINS and np.allclose(steps / step, np.rint(steps / step), atol=1e-3):
        return distinct[0] + step * (np.arange(round(count) + 2) - 0.5)
    return np.histogram_bin_edges(values, bins=min(40, max(_FEWEST_BINS, int(np.sqrt(len(values))))))


def _curves(settings: list[Setting], shown: Shown, axes: dict[str, list[Cell]]) -> "Figure":
    """Means over the chips along one axis, a line for what the other axes are; bands hold nine chips of ten."""
    along = max(axes, key=lambda name: (all(isinstance(value, float) for value in axes[name]), len(axes[name])))
    others = {name: values for name, values in axes.items() if name != along}
    figure, plot = new_figure(7.2, 3.8)
    places = _places(plot, along, axes[along])
    for number, chosen in enumerate(product(*others.values())):
        own = [one for one in settings if all(one.columns[n] == v for n, v in zip(others, chosen, strict=True))]
        values = [shown.factor * one.values(shown.key) for one in own]
        x = [places[axes[along].index(one.columns[along])] for one in own]
        colour = _COLOURS[number % len(_COLOURS)]
        low, mean, high = np.transpose(
            [(*np.quantile(v, [0.05]), v.mean(), *np.quantile(v, [0.95])) if len(v) else (np.nan,) * 3 for v in values]
        )
        order = np.argsort(x)
        plot.plot(np.take(x, order), mean[order], "o-", color=colour, label=_name(own[0], others) or shown.words)
        plot.fill_between(np.take(x, order), low[order], high[order], color=colour, alpha=0.2, linewidth=0)
    if shown.reference and len(software := shown.factor * settings[0].values(shown.reference)):
        plot.axhline(software[0], color="black", linewidth=1, label="software")
    plot.set(ylabel=f"{shown.words}, {shown.unit}" if shown.unit else shown.words)
    plot.legend(fontsize=8, frameon=False)
    return figure


def _places(plot: "Axes", name: str, values: list[Cell]) -> NDArray[np.float64]:
    """Where values of an axis stand; names side by side."""
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(values):
        plot.set_xticks(range(len(values)), [shown_value(name, value) for value in values])
        places = np.arange(len(values), dtype=np.float64)
    else:
        places = np.array(numbers)
        if name == _LOGARITHMIC:
            plot.set_xscale("log")
        plot.set_xticks(places, [shown_value(name, value) for value in values])
        plot.minorticks_off()
    plot.set_xlabel(_axis(name))
    return places


def _map(settings: list[Setting], shown: Shown, axes: dict[str, list[Cell]]) -> "Figure":
    """Means over the chips, over two axes."""
    (down, rows), (across, columns) = axes.items()
    means = np.full((len(rows), len(columns)), np.nan)
    for one in settings:
        values = one.values(shown.key)
        if len(values):
            means[rows.index(one.columns[down]), columns.index(one.columns[across])] = shown.factor * values.mean()
    figure, plot = new_figure(1.8 + 1.1 * len(columns), 1.4 + 0.6 * len(rows))
    image = plot.imshow(means, aspect="auto", cmap="viridis")
    plot.set_xticks(range(len(columns)), [shown_value(across, value) for value in columns])
    plot.set_yticks(range(len(rows)), [shown_value(down, value) for value in rows])
    plot.set(xlabel=_axis(across), ylabel=_axis(down))
    middle = (np.nanmin(means) + np.nanmax(means)) / 2 if np.isfinite(means).any() else 0.0
    for row, column in np.ndindex(means.shape):
        colour = "white" if means[row, column] <= middle else "black"
        plot.text(column, row, f"{means[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image, label=f"{shown.words}, {shown.unit}" if shown.unit else shown.words)
    return figure


def _name(setting: Setting, axes: dict[str, list[Cell]]) -> str:
    """What tells a setting from the others."""
    return ", ".join(
        shown_value(name, setting.columns[name])
        if name in ("age_s", "devices")
        else f"{name} {shown_value(name, setting.columns[name])}"
        for name in axes
    )


def _axis(name: str) -> str:
    return {"age_s": "age of the reads", "devices": "model of the devices"}.get(name, name)
