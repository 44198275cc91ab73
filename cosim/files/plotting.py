"""Pictures without a display: what every plot of the project begins with."""

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cosim.files.archive import replacing

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "PINK", "new_figure", "write_picture"]

#: Colours that colour-blind readers tell apart (Okabe and Ito), and one for what is only there to compare with.
BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#777777"
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


def write_picture(figure: Figure, path: Path, **options: Any) -> None:
    """Write a picture whole or not at all, in the format that the name ends in.

    Parameters
    ----------
    figure : Figure
    path : Path
        It ends in .png, .svg, .pdf or whatever matplotlib knows.
    options :
        What `matplotlib.figure.Figure.savefig` takes.

    Raises
    ------
    OutputError
    """
    with replacing(path) as part:
        figure.savefig(part, format=path.suffix[1:], **options)
