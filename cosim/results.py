"""What a run gives back, whichever engine ran it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.program import LayerPlan, Program

__all__ = ["Results"]


@dataclass(frozen=True)
class Results:
    """OLP codes of every output, and how the run went.

    Parameters
    ----------
    engine : str
        `rtl` or `twin`.
    codes : mapping of str to (frames, width) uint8
        By output: `layer0`, `layer1`, ...; the last one is the network's output.
    layers : tuple of LayerPlan
        Scales of the program that ran.
    frame_cycles : int
        Period of a frame; a cycle is 1 ns.
    first_frame : int
        Number of the first frame; it keys the noise.
    statistics : mapping
        What the engine measured, e.g. `cycles`, `wall_s` and its parts. The twin counts the cycles that the chip would
        take.
    """

    engine: str
    codes: Mapping[str, NDArray[np.uint8]]
    layers: tuple[LayerPlan, ...]
    frame_cycles: int
    first_frame: int = 0
    statistics: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, engine: str, program: Program, codes: Mapping[str, NDArray[np.uint8]], **rest: Any) -> "Results":
        """Results of a run of `program`."""
        return cls(engine, codes, program.layers, program.frame_cycles, **rest)

    @property
    def frames(self) -> int:
        """Frames that were finished."""
        return len(next(iter(self.codes.values()))) if self.codes else 0

    @property
    def output(self) -> NDArray[np.uint8]:
        """Codes of the network's output, (frames, width)."""
        return self.codes[self.layers[-1].name]

    def values(self, name: str) -> NDArray[np.float64]:
        """An output in units of its layer's full scale: (frames, width), 0 to 1 for relu, -1 to 1 for linear."""
        plan = next((layer for layer in self.layers if layer.name == name), None)
        if plan is None or name not in self.codes:
            raise KeyError(f"no output {name!r}; there are: {', '.join(self.codes)}")
        return plan.value(self.codes[name])

    @property
    def predictions(self) -> NDArray[np.intp]:
        """Index of the largest output of each frame; the first one where several are equal."""
        return self.output.argmax(axis=1)
