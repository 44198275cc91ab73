"""How well an accuracy is known: other clips of the same kind would have given another one.

The spread over chips does not show it, for all chips classify the same clips; for the same reason the differences
between chips, and of a chip and software, are known better than each accuracy.
"""

from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from cosim.figures.measurement import Finding
from cosim.files.wording import counted
from cosim.workloads.resampling import CONFIDENCE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_interval", "interval_percent", "sampling_error"]


def interval_percent(accuracy_percent: float, clips: int) -> tuple[float, float]:
    """Wilson's score interval of an accuracy over so many clips, lowest and highest in %.

    Of several chips the accuracy is their mean, which need not be a whole number of clips; the interval is then a
    little too wide.
    """
    share, z = accuracy_percent / 100, NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    middle = share + z**2 / (2 * clips)
    half = z * (share * (1 - share) / clips + z**2 / (4 * clips**2)) ** 0.5
    low, high = ((middle + sign * half) / (1 + z**2 / clips) for sign in (-1, 1))
    return 100 * max(low, 0.0), 100 * min(high, 1.0)


def sampling_error(what: str, accuracy_percent: float, clips: int, **rest: Any) -> Finding:
    """How far an accuracy may be off because of its clips: half of its interval, which the finding names."""
    low, high = interval_percent(accuracy_percent, clips)
    over = f"{100 * CONFIDENCE:.0f} % interval over {counted(clips, 'clip')} ({low:.2f} to {high:.2f} %)"
    text = f"{what}, half of the {over}"
    return Finding(text, (high - low) / 2, "points", **rest)


def draw_interval(axes: "Axes", x: float, accuracy_percent: float, clips: int, *, colour: str, what: str) -> None:
    """Draw the interval of an accuracy at `x`, where no data are."""
    label = f"{what}: {100 * CONFIDENCE:.0f} % interval over {counted(clips, 'clip')}"
    ends = interval_percent(accuracy_percent, clips)
    axes.plot([x, x], ends, marker="_", markersize=9, color=colour, linewidth=1.4, label=label)
