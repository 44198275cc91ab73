"""Codes and conductances of a layout's matrices: from a system image, or stand-ins where nobody has the weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analog_models.config import AnalogConfig
from analog_models.constants import ASSUMPTION, check_constants, constant
from cosim.calibration.coding import rows_of
from cosim.compiler.matrices.layout import Block, Call, Layout
from cosim.performance.data import Codes, FrameData
from cosim.performance.host import Aside
from cosim.program import Program
from cosim.system.image import SystemImage

__all__ = ["ImageNumbers", "MatrixNumbers", "StandIn", "frame_data", "rows_of_program"]

Array = NDArray[np.float64]


class MatrixNumbers(Protocol):
    """What is known of the numbers of matrices."""

    def codes(self, matrix: str, rows: int) -> Codes:
        """Codes of all rows of a matrix; it has so many, copies not counted."""

    def weights(self, block: Block) -> Array:
        """Sums of magnitudes of programmed weights along the block's rows, (rows,)."""

    def rows(self, block: Block) -> float:
        """Rows of a block that are the network's: not those of outliers, and of an expansion as many as it expands."""


@dataclass(frozen=True)
class StandIn:
    """Numbers for matrices whose weights or inputs are not at hand: the same for all, but where it is said.

    Parameters
    ----------
    mean_code : float
        Mean magnitude of an input's code, of 255 ns at most, zeros counted.
    share : float
        Inputs that are not 0.
    weight : float
        Mean magnitude of a programmed weight.
    special : mapping of str to Codes
        Of matrices whose inputs are known better, such as one-hot ones.
    """

    mean_code: float
    share: float = constant(0.9, "1", (0, 1), f"{ASSUMPTION}: few inputs round to 0")
    weight: float = constant(
        0.16, "1", (0, 1), "docs/physics.md: weights of a standard deviation of 0.2 of the largest, Gaussian"
    )
    special: Mapping[str, Codes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_constants(self)

    def codes(self, matrix: str, rows: int) -> Codes:
        return self.special.get(matrix) or Codes.even(rows, self.mean_code, self.share)

    def weights(self, block: Block) -> Array:
        return np.full(block.shape[0], self.weight * block.shape[1])

    def rows(self, block: Block) -> float:
        return block.shape[0]


@dataclass(frozen=True, eq=False)
class ImageNumbers:
    """Numbers of an image: its weights as they are programmed, its samples as they are coded."""

    image: SystemImage

    @cached_property
    def _codes(self) -> Mapping[str, Codes]:
        found: dict[str, list[tuple[Codes, float]]] = {}
        for node, x in self.image.samples.items():
            matrix = self.image.network.matrix_of[node]
            coding = self.image.codings[matrix]
            found.setdefault(matrix, []).append((Codes.of(coding.codes(node, coding.spread(x))), len(x)))
        return {matrix: Codes.together(parts) for matrix, parts in found.items()}

    def codes(self, matrix: str, rows: int) -> Codes:
        return self._codes[matrix]

    def weights(self, block: Block) -> Array:
        return np.abs(self.image.programmed(block.name)).sum(1)

    def rows(self, block: Block) -> float:
        coding = self.image.codings[block.matrix]
        height = len(coding.rows)
        if coding.expansion is not None:
            kept = len(coding.expansion) - len(coding.outliers)
            return block.shape[0] * kept / height
        return block.shape[0] - int(np.isin(np.arange(*block.rows) % height, coding.outliers).sum())

    @cached_property
    def aside(self) -> Mapping[str, Aside]:
        """By matrix, what the host multiplies itself."""
        matrices = self.image.network.matrices
        return {matrix: Aside.of(coding, matrices[matrix].outputs) for matrix, coding in self.image.codings.items()}


def frame_data(layout: Layout, call: Call, numbers: MatrixNumbers, analog: AnalogConfig | None = None) -> FrameData:
    """What a frame of a call works on.

    Parameters
    ----------
    layout : Layout
    call : Call
    numbers : MatrixNumbers
    analog : AnalogConfig, optional
        Conductances are those that its devices have at its age, on average.
    """
    analog = analog or AnalogConfig()
    width = layout.programs[call.chip][call.entry].input_width
    mean, share = np.zeros((2, width)), np.zeros((2, width))
    for part in call.inputs:
        height = _height(layout, part.matrix)
        codes = numbers.codes(part.matrix, height).rows(rows_of(part.rows, height))
        at = slice(part.at, part.at + part.rows[1] - part.rows[0])
        mean[:, at], share[:, at] = codes.mean, codes.share
    return FrameData(Codes(mean, share), rows_us(layout, call.chip, numbers, analog))


def rows_us(layout: Layout, chip: int, numbers: MatrixNumbers, analog: AnalogConfig) -> dict[int, Array]:
    """Conductance along the rows of all tiles of a chip that hold weights: `FrameData.rows_us`.

    Cells that hold no weight, and the devices on a weight's other side, are as a RESET leaves them.
    """
    config, pcm = layout.config, analog.pcm
    reset = np.full((2, config.total_rows), 2 * pcm.g_reset_us * config.lanes)
    reset[:, config.lanes :] = 0
    found: dict[int, Array] = {}
    for block in layout.blocks_on(chip):
        sums = numbers.weights(block) * pcm.g_max_us * pcm.expected_retention(analog.age_s)
        for part in layout.parts(block.name):
            rows = found.setdefault(part.tile, reset.copy())
            at = slice(part.at, part.at + part.rows[1] - part.rows[0])
            for pair in (0, 1) if part.pair is None else (part.pair,):
                rows[pair, at] += sums[slice(*part.rows)]
    return found


def rows_of_program(program: Program, analog: AnalogConfig) -> dict[int, Array]:
    """The same of a program's own targets."""
    pcm, found = analog.pcm, {}
    for tile, target in program.targets.items():
        pairs = [np.zeros(1) if pair is None else np.abs(pair).sum(axis=1) for pair in (target.wp1, target.wp2)]
        found[tile] = np.stack(np.broadcast_arrays(*pairs)) * pcm.g_max_us * pcm.expected_retention(analog.age_s)
        found[tile] += 2 * pcm.g_reset_us * program.config.lanes
    return found


def _height(layout: Layout, matrix: str) -> int:
    """Rows of a matrix, those of one copy."""
    return max(block.rows[1] for block in layout.blocks_of[matrix]) // layout.copies.get(matrix, 1)
