"""Intervals of accuracies over clips, and names of lines that do not touch each other."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.text import Text

from cosim.figures.labels import label_lines, moved_apart
from cosim.figures.sampling import draw_interval, interval_percent, sampling_error
from cosim.files.plotting import new_figure


@pytest.mark.parametrize(
    ("right", "clips"),
    [(0, 12), (1, 12), (88, 100), (2399, 2718), (12, 12)],
)
def test_the_interval_is_wilsons(right: int, clips: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(right, clips).proportion_ci(0.95, method="wilson")
    found = interval_percent(100 * right / clips, clips)
    assert found == pytest.approx((100 * expected.low, 100 * expected.high))


def test_more_clips_know_an_accuracy_better() -> None:
    widths = [np.ptp(interval_percent(88.0, clips)) for clips in (120, 600, 2718)]
    assert widths == sorted(widths, reverse=True)
    finding = sampling_error("accuracy", 88.0, 2718, engine="twin", data="clips", seeds="chips 0-19")
    assert finding.what == "accuracy, half of the 95 % interval over 2,718 clips (86.72 to 89.17 %)"
    assert finding.text == "1.22 points"


def test_the_drawn_interval_is_the_interval() -> None:
    _, axes = new_figure(4, 3)
    draw_interval(axes, 2.0, 90.0, 500, colour="black", what="chips")
    (line,) = axes.lines
    assert tuple(line.get_ydata()) == interval_percent(90.0, 500)
    assert line.get_label() == "chips: 95 % interval over 500 clips"


@pytest.mark.parametrize("places", [[0.1, 0.5, 0.9], [0.5, 0.5, 0.5], [0.52, 0.5, 0.51, 0.9], [0.3]])
def test_names_are_moved_apart_and_keep_their_order(places: list[float]) -> None:
    moved = np.array(moved_apart(places, 0.05))
    assert np.diff(np.sort(moved)).min(initial=1.0) > 0.05 - 1e-6
    assert (np.argsort(moved, kind="stable") == np.argsort(places, kind="stable")).all()
    if np.diff(np.sort(places)).min(initial=1.0) > 0.05:
        assert moved.tolist() == places


def test_names_of_close_lines_do_not_overlap() -> None:
    figure, axes = new_figure(8.0, 4.4)
    axes.set_ylim(85, 90)
    label_lines(axes, [(88.52, "black", "software"), (88.50, "blue", "chips"), (88.48, "red", "iso limit")])
    figure.canvas.draw()
    boxes = sorted((Text.get_window_extent(name) for name in axes.texts), key=lambda box: box.y0)  # without strokes
    assert all(lower.y1 <= upper.y0 + 1 for lower, upper in pairwise(boxes))
