"""A study of the chip: one measurement, its findings beside the paper's numbers, and the figures drawn from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosim.figures.campaign import Campaign
from cosim.figures.measurement import Measurement

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

__all__ = ["Figure", "Sentence", "Study", "said"]

#: What a study says: text without a number, an engine or a comparison in it, or a function that makes the sentence of
#: what was measured, so that no run contradicts it.
Sentence = str | Callable[[Measurement], str]


def said(sentence: Sentence, measurement: Measurement) -> str:
    """The sentence of this measurement."""
    return sentence if isinstance(sentence, str) else sentence(measurement)


@dataclass(frozen=True)
class Figure:
    """One picture of a study: data in, picture out.

    Parameters
    ----------
    name : str
        Of the files, e.g. "programming-errors".
    caption : str, or callable (Measurement) -> str
        What to see in it: a callable wherever it states a fact, see `Sentence`.
    draw : callable
        (Measurement) -> matplotlib Figure, made with `cosim.files.plotting.new_figure`. Pure: it measures nothing.
    """

    name: str
    caption: Sentence
    draw: "Callable[[Measurement], Picture]"


@dataclass(frozen=True)
class Study:
    """One measurement and the figures drawn from it.

    Parameters
    ----------
    name : str
        As on the command line.
    title : str
    about : str, or callable (Measurement) -> str
        What was done, for a reader of the field: a paragraph. A callable wherever it states a fact, see `Sentence`.
    measure : callable
        (Campaign) -> Measurement. Long work goes through `Campaign.part`, so that it survives an interruption.
    figures : tuple of Figure
    """

    name: str
    title: str
    about: Sentence
    measure: Callable[[Campaign], Measurement]
    figures: tuple[Figure, ...]
