"""Pictures of what was measured of ALBERT on its chip."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.figures.albert_measurement import Measured
from cosim.files.plotting import BLUE, ORANGE, new_figure
from cosim.workloads.albert.blocks import BLOCKS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

__all__ = ["draw_errors", "draw_exits", "draw_margins", "draw_noise"]


def _panels(found: Sequence[Measured], height: float) -> tuple["Picture", "list[Axes]"]:
    """One for each network, named where there are several."""
    figure, axes = new_figure(7.2, height * len(found), len(found), squeeze=False)
    for panel, one in zip(axes[:, 0], found, strict=True):
        if len(found) > 1:
            panel.set_title(one.about["task"], fontsize=9)
    return figure, list(axes[:, 0])


def draw_exits(found: Sequence[Measured]) -> "Picture":
    """The metric with the head after each pass, and where right samples settle."""
    figure, panels = _panels(found, 3.2)
    for one, axes in zip(found, panels, strict=True):
        passes = np.arange(1, len(one.settles) + 1)
        share = np.array(one.settles) / max(1, sum(one.settles))
        axes.bar(passes, share, color="0.85", label="right samples that settle there, first chip")
        axes.plot(passes, one.exits["software"], "o-", color=BLUE, label=f"{one.metric}, software")
        axes.plot(passes, one.exits["chip"], "o-", color=ORANGE, mfc="none", label=f"{one.metric}, chips' mean")
        axes.set(xlabel="pass through the shared layer", ylim=(0, 1))
        axes.set_xticks(passes)
        axes.legend(fontsize=8, frameon=False)
    return figure


def draw_errors(found: Sequence[Measured]) -> "Picture":
    """Errors of products by layer-block and pass: what has come together there."""
    figure, panels = _panels(found, 3.2)
    for one, axes in zip(found, panels, strict=True):
        for at, block in enumerate(BLOCKS):
            axes.plot(range(1, len(one.total[block]) + 1), one.total[block], "o-", color=f"C{at}", label=block)
        axes.set(xlabel="pass through the shared layer", ylabel="error over size of the products", ylim=(0, None))
        axes.legend(fontsize=8, frameon=False, ncols=4)
    return figure


def draw_margins(found: Sequence[Measured]) -> "Picture":
    """Samples by their margin in software, those that flip filled."""
    figure, panels = _panels(found, 2.4)
    for one, axes in zip(found, panels, strict=True):
        order = np.argsort(one.margins, kind="stable")
        margins, flips = np.array(one.margins)[order], np.array(one.flips)[order]
        share = (np.arange(len(order)) + 1) / len(order)
        axes.plot(margins, share, color=BLUE, label="samples with no larger margin")
        some = flips > 0
        axes.plot(margins[some], share[some], "o", color=ORANGE, label="that some chip decides otherwise")
        axes.set(xlabel="margin of the logits in software", xlim=(0, None), ylim=(0, 1))
        axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def draw_noise(networks: Sequence[Mapping[str, Any]]) -> "Picture":
    """The metric in software and on a chip, by task and the scale of the noise in training."""
    figure, axes = new_figure(7.2, 3.0)
    for at, task in enumerate(dict.fromkeys(one["task"] for one in networks)):
        some = sorted((one for one in networks if one["task"] == task), key=lambda one: one["scale"])
        scales = [one["scale"] for one in some]
        axes.plot(scales, [one["software"] for one in some], "o-", color=f"C{at}", label=f"{task}, software")
        axes.plot(scales, [one["chip"] for one in some], "o--", color=f"C{at}", mfc="none", label=f"{task}, chip")
    axes.set(xlabel="noise in training, times that of the chip's devices", ylabel="metric", ylim=(0, 1))
    if networks:
        axes.legend(fontsize=8, frameon=False)
    return figure
