"""A study of the chip: one measurement, its findings beside the paper's numbers, and the figures drawn from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Measurement

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["Figure", "Study"]


@dataclass(frozen=True)
class Figure:
    """One picture of a study: data in, picture out.

    Parameters
    ----------
    name : str
        Of the files, e.g. "programming-errors".
    caption : str
        What to see in it. Numbers belong into findings, which are printed below.
    draw : callable
        (Measurement) -> matplotlib Figure, made with `cosim.files.plotting.new_figure`. Pure: it measures nothing.
    """

    name: str
    caption: str
    draw: "Callable[[Measurement], Picture]"


@dataclass(frozen=True)
class Study:
    """One measurement and the figures drawn from it.

    Parameters
    ----------
    name : str
        As on the command line.
    title : str
    about : str
        What was done, for a reader of the field: a paragraph.
    measure : callable
        (Campaign) -> Measurement. Long work goes through `Campaign.part`, so that it survives an interruption.
    figures : tuple of Figure
    """

    name: str
    title: str
    about: str
    measure: Callable[[Campaign], Measurement]
    figures: tuple[Figure, ...]
