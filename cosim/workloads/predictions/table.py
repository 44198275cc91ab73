"""What is predicted beside what the papers print, with how far off it is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["Prediction", "print_predictions"]

NATURE = "Nature 620, 768 (2023)"
NATCOMM = "Nat. Commun. 16, 8661 (2025)"


@dataclass(frozen=True)
class Prediction:
    """One figure.

    Parameters
    ----------
    what : str
    value : float
    unit : str
    paper : float, optional
        None where the paper gives none.
    relation : str
        "=", or ">" where the paper gives a bound.
    source : str
        Where the paper gives it.
    digits : int
        After the point.
    fitted : bool
        No prediction: the model was fitted on it.
    """

    what: str
    value: float
    unit: str
    paper: float | None = None
    relation: str = "="
    source: str = ""
    digits: int = 2
    fitted: bool = False

    @property
    def off(self) -> float | None:
        """Share by which it is off what the paper gives."""
        return None if self.paper is None else self.value / self.paper - 1

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "off": self.off}


def print_predictions(predictions: Sequence[Prediction], console: Console) -> None:
    """As a table."""
    table = Table("figure", box=box.SIMPLE_HEAD)
    for name in ("here", "paper", "off"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in predictions:
        unit = f" {one.unit}" if one.unit else ""
        paper = "" if one.paper is None else f"{'> ' if one.relation == '>' else ''}{one.paper:,.{one.digits}f}{unit}"
        off = "" if one.off is None else f"{one.off:+.1%}"
        table.add_row(one.what, f"{one.value:,.{one.digits}f}{unit}", paper, off, "fitted" if one.fitted else "")
    console.print(table)
