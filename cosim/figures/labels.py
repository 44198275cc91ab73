"""Names of lines in a picture, where they do not touch each other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["label_lines", "moved_apart"]

_SIZE, _LEADING = 8, 1.35
#: Share of a figure's height that its axes have, at least.
_AXES_SHARE = 0.7


def moved_apart(places: Sequence[float], gap: float) -> list[float]:
    """The places in their order, moved as little as possible until all are at least `gap` from each other."""
    moved = np.array(places, np.float64)
    order = np.argsort(moved, kind="stable")
    for _ in range(100 * len(order)):
        lack = gap - np.diff(moved[order])
        if not (lack > 1e-9).any():
            break
        worst = int(lack.argmax())
        moved[order[worst]] -= lack[worst] / 2
        moved[order[worst + 1]] += lack[worst] / 2
    return moved.tolist()


def label_lines(axes: "Axes", lines: Sequence[tuple[float, str, str]]) -> None:
    """Name horizontal lines, (level, colour, name), right of the axes, whose limits are final.

    A stroke joins a name that had to be moved with its line.
    """
    low, high = axes.get_ylim()
    height_pt = 72 * axes.figure.bbox.height / axes.figure.dpi * _AXES_SHARE
    places = moved_apart([(level - low) / (high - low) for level, _, _ in lines], _LEADING * _SIZE / height_pt)
    for (level, colour, name), place in zip(lines, places, strict=True):
        axes.annotate(
            name,
            (1, level),
            (1.03, place),
            ("axes fraction", "data"),
            "axes fraction",
            va="center",
            fontsize=_SIZE,
            color=colour,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0},
        )
