"""Colours of the pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PAPER", "Palette"]


@dataclass(frozen=True)
class Palette:
    """Colours of a picture, as SVG takes them.

    Parameters
    ----------
    routes : tuple of str
        Of the sources of vectors, one after the other.
    ink, faint, idle : str
        Text and lines; what is less important; switches that are on while nothing passes them.
    paper, input_pad, holds : str
        Background of tiles, of ILPs, and of the part of an array that holds weights.
    domains : (str, str)
        Power domains are a chessboard.
    work : mapping of an activity's kind to str
        Background of a tile at work; of several kinds the first one here.
    """

    routes: tuple[str, ...]
    ink: str
    faint: str
    idle: str
    paper: str
    input_pad: str
    holds: str
    domains: tuple[str, str]
    work: Mapping[str, str]


#: For files. Routes are Okabe and Ito's colours, legible to the colour-blind.
PAPER = Palette(
    routes=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#8c6d31"),
    ink="#333333",
    faint="#999999",
    idle="#b4b4b4",
    paper="white",
    input_pad="#eeeeee",
    holds="#dddddd",
    domains=("#f3efe6", "#e9f0f2"),
    work={"write": "#f8d3cf", "integrate": "#fff1c4", "precharge": "#e4def5", "ramp": "#d8f0d8"},
)
