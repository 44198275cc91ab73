"""What a matrix on a chip is expected to give, in numpy: rounded, cut off, with weights as devices hold them.

It is there to choose ranges with, hundreds of times faster than a chip; no figure of a chip comes from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analog_models.chip import AnalogChip
from analog_models.config import AnalogConfig
from analog_models.programming import WeightTargets, program
from cosim.calibration.coding import Coding, expanded, rows_of
from cosim.compiler.matrices.layout import Block
from cosim.graph import Linear
from cosim.program import Mode

__all__ = ["DeviceErrors", "ExpectedMatrix"]


@dataclass(frozen=True)
class DeviceErrors:
    """What weights are off by: a part that is the same for all, and one that is a share of the weight.

    Parameters
    ----------
    floor : float
        Standard deviation of the weight of one pair of devices, in units of the largest.
    share : float
        Of the weight.
    """

    floor: float
    share: float = 0.0

    @classmethod
    def of(cls, analog: AnalogConfig, size: int = 128) -> "DeviceErrors":
        """Measured on a tile of the models: random weights are programmed, and read at the configured age."""
        chip = AnalogChip(analog, tiles=[0], rows=size, bias_rows=0, columns=size)
        targets = np.random.default_rng(0).uniform(-1, 1, (size, size))
        program(chip, {0: WeightTargets(targets)})
        got = chip.tile(0).weights()[0]
        gain = (got * targets).sum() / (targets * targets).sum()
        share, floor = np.polyfit(targets.ravel() ** 2, ((got / gain - targets) ** 2).ravel(), 1)
        return cls(float(np.sqrt(max(floor, 0.0))), float(np.sqrt(max(share, 0.0))))

    def variances(self, mode: Mode) -> tuple[float, float]:
        """In a mode, where two pairs average: of the floor, and of the share."""
        return self.floor**2 / mode.gain, self.share**2 / mode.gain


class ExpectedMatrix:
    """One matrix with its scales.

    Parameters
    ----------
    linear : Linear
    blocks : sequence of Block
        All of it, copies included.
    copies : int
    coding : Coding
    errors : DeviceErrors
        They are drawn once.
    seed : int
    """

    def __init__(
        self,
        linear: Linear,
        blocks: Sequence[Block],
        copies: int,
        coding: Coding,
        errors: DeviceErrors,
        *,
        seed: int = 0,
    ) -> None:
        self._linear, self._blocks, self._copies, self._coding = linear, blocks, copies, coding
        weights = expanded(linear.weights, coding.expansion, coding.outliers)
        random = np.random.default_rng(seed)
        self._constant = {node: centre @ weights for node, centre in coding.centres.items()}
        self._programmed: list[NDArray[np.float32]] = []
        for block in blocks:
            exact = coding.weights(block, weights).astype(np.float32)
            floor, share = errors.variances(block.mode)
            sigma = np.sqrt(floor + share * np.square(exact)).astype(np.float32)
            self._programmed.append(exact + random.standard_normal(exact.shape, np.float32) * sigma)

    def run(self, node: str, x: NDArray) -> NDArray[np.float32]:
        """Outputs of a node for inputs (..., inputs)."""
        coding = self._coding
        frames = x.reshape(-1, x.shape[-1])
        sent = coding.codes(node, coding.spread(frames)) / np.float32(coding.duration)
        y = coding.hosted(frames, self._linear.weights)
        for block, programmed in zip(self._blocks, self._programmed, strict=True):
            products = sent[:, rows_of(block.rows, len(coding.rows))] @ programmed
            worth = (coding.worth(node, block.name) / self._copies).astype(np.float32)
            y[:, slice(*block.columns)] += coding.told(products, block.name) * worth
        y += self._constant[node]
        if self._linear.bias is not None:
            y += self._linear.bias
        return y.reshape(*x.shape[:-1], self._linear.outputs)
