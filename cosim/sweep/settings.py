"""A sweep by setting: all chips of one age, device model and set of constants together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.sweep.pace import span
from cosim.sweep.points import Cell
from cosim.sweep.sweep import Outcome
from cosim.sweep.table import Row

__all__ = ["Setting", "axes_of", "settings_of", "shown_value"]

_CHIP = "chip"


@dataclass(frozen=True)
class Setting:
    """All chips of one age, device model and set of constants.

    Parameters
    ----------
    columns : mapping
        The setting, as columns of the table.
    rows : sequence of mappings
        Points and values, a row a chip.
    """

    columns: Mapping[str, Cell]
    rows: Sequence[Row]

    def values(self, key: str) -> NDArray[np.float64]:
        """A figure of all chips that have it, (chips,)."""
        found = [row[key] for row in self.rows if row.get(key) is not None]
        return np.array(found, np.float64)


def settings_of(outcome: Outcome) -> list[Setting]:
    """The sweep by setting, in the order of the points."""
    found: dict[tuple[Cell, ...], tuple[Mapping[str, Cell], list[Row]]] = {}
    for point, row in zip(outcome.points, outcome.rows, strict=True):
        columns = {name: value for name, value in point.columns().items() if name != _CHIP}
        found.setdefault(tuple(columns.values()), (columns, []))[1].append(row)
    return [Setting(columns, rows) for columns, rows in found.values()]


def axes_of(settings: Sequence[Setting]) -> dict[str, list[Cell]]:
    """What is swept beside chips: columns that take several values, and the values in their order."""
    values = {name: list(dict.fromkeys(one.columns[name] for one in settings)) for name in settings[0].columns}
    return {name: found for name, found in values.items() if len(found) > 1}


def shown_value(name: str, value: Cell) -> str:
    """A value of an axis, for people."""
    if name == "age_s" and isinstance(value, float):
        return span(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
