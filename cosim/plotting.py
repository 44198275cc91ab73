"""Pictures without a display: what every plot of the project begins with."""

from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["new_figure"]

#: Dots per inch of every picture.
_DPI = 130


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure and its axes.

    Parameters
    ----------
    width, height : float
        Inches.
    rows, columns : int
        Panels.
    options :
        What `matplotlib.figure.Figure.subplots` takes, e.g. ``squeeze=False``.

    Returns
    -------
    (Figure, Axes or array of Axes)
    """
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, **options)
