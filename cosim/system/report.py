"""What an inference gave: outputs against float, and where the error comes from, layer by layer and seed by seed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from cosim.files.archive import write_text
from cosim.files.json_text import to_json
from cosim.files.wording import counted
from cosim.system.layer_errors import LayerError, root, squares

__all__ = ["InferenceReport", "SeedReport", "relative_error"]

Outputs = Mapping[str, NDArray | Sequence[NDArray]]


def relative_error(got: Outputs, exact: Outputs) -> dict[str, float]:
    """By output, root of square error over square."""
    found = {}
    for name, ours in got.items():
        sums = [squares(mine, his) for mine, his in zip(ours, exact[name], strict=True)]
        found[name] = root(sum(error for error, _ in sums), sum(total for _, total in sums))
    return found


@dataclass(frozen=True)
class SeedReport:
    """One set of chips.

    Parameters
    ----------
    seed : int
    errors : mapping of str to float
        By output: `relative_error` against float.
    layers : tuple of LayerError
    frames : int
        On all chips.
    compared_codes : int
        Of the RTL and the twin, all equal; 0 if one engine ran alone.
    wall_s : float
    """

    seed: int
    errors: Mapping[str, float]
    layers: tuple[LayerError, ...]
    frames: int
    compared_codes: int
    wall_s: float


@dataclass(frozen=True)
class InferenceReport:
    """Of all seeds.

    Parameters
    ----------
    engine : str
    analog : str
        Device model and constants, in words.
    samples : int
    seeds : tuple of SeedReport
    """

    engine: str
    analog: str
    samples: int
    seeds: tuple[SeedReport, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def write_json(self, path: Path) -> None:
        """Write the figures, whole or not at all.

        Raises
        ------
        OutputError
        """
        write_text(path, to_json(self.to_json(), indent=1) + "\n")

    def print(self, console: Console) -> None:
        """Layers, then outputs, means over the seeds."""
        table = Table("layer", box=box.SIMPLE_HEAD)
        for name in ("own error", "with all before", "frames"):
            table.add_column(name, justify="right")
        for layers in zip(*(one.layers for one in self.seeds), strict=True):
            own, total = (float(np.mean([getattr(layer, name) for layer in layers])) for name in ("own", "total"))
            table.add_row(layers[0].node, f"{own:.2%}", f"{total:.2%}", f"{layers[0].frames:,}")
        if table.row_count:
            console.print(table)
        for name in self.seeds[0].errors:
            values = [one.errors[name] for one in self.seeds]
            spread = f" ({min(values):.2%} to {max(values):.2%})" if len(values) > 1 else ""
            console.print(f"{name}: {np.mean(values):.2%} off float{spread}", soft_wrap=True)
        compared = sum(one.compared_codes for one in self.seeds)
        if compared:
            console.print(f"compared: {counted(compared, 'code')} of RTL and twin, all identical")
        frames, wall = sum(one.frames for one in self.seeds), sum(one.wall_s for one in self.seeds)
        seeds = ", ".join(str(one.seed) for one in self.seeds)
        console.print(
            f"{counted(self.samples, 'sample')}, engine {self.engine}, {self.analog}, seed {seeds}", soft_wrap=True
        )
        console.print(f"{counted(frames, 'frame')} in {wall:.1f} s")
