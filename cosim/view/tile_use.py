"""How much of a tile's array is in use: the rows, columns and pairs of devices that hold weights."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analog_models.programming import WeightTargets
from cosim.files.wording import counted
from rtl.config import ChipConfig

__all__ = ["TileUse"]


@dataclass(frozen=True)
class TileUse:
    """Counts of what holds a target other than zero.

    Parameters
    ----------
    rows, bias_rows, columns : (int, int)
        In use, and in all.
    weights : mapping of "WP1", "WP2" to int
        Weights of each pair of devices.
    label : str
        What they are, in a word.
    """

    rows: tuple[int, int]
    bias_rows: tuple[int, int]
    columns: tuple[int, int]
    weights: dict[str, int]
    label: str = ""

    @classmethod
    def of(cls, target: WeightTargets, config: ChipConfig, label: str = "") -> "TileUse":
        """The use of a tile with these weights."""
        shape = (config.total_rows, config.lanes)
        pairs = {"WP1": target.wp1, "WP2": target.wp2}
        held = {name: np.zeros(shape, np.bool_) if array is None else array != 0 for name, array in pairs.items()}
        either = held["WP1"] | held["WP2"]
        rows = np.flatnonzero(either.any(axis=1))
        return cls(
            (int(np.sum(rows < config.lanes)), config.lanes),
            (int(np.sum(rows >= config.lanes)), config.bias_rows),
            (np.flatnonzero(either.any(axis=0)).size, config.lanes),
            {name: int(array.sum()) for name, array in held.items()},
            label,
        )

    @property
    def row_share(self) -> float:
        """Of the mesh rows."""
        return self.rows[0] / self.rows[1]

    @property
    def column_share(self) -> float:
        return self.columns[0] / self.columns[1]

    def __str__(self) -> str:
        return "; ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        for name, (used, total) in (("rows", self.rows), ("columns", self.columns), ("bias rows", self.bias_rows)):
            yield f"{used:,} of {total:,} {name}"
        for name, count in self.weights.items():
            yield f"{counted(count, 'weight')} on {name}"
