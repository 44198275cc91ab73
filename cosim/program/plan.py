"""What the compiler decided for a layer: where it sits, how it uses its devices, what its codes mean."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.graph import Activation

__all__ = ["WEIGHT_UNITS", "LayerPlan", "Mode"]

#: Units of an integer weight in what a pair of devices holds.
WEIGHT_UNITS = 160


class Mode(StrEnum):
    """How a layer uses the two pairs of devices of a unit cell."""

    BALANCED = "balanced"  #: asymmetry balance: W on WP1, -W on WP2, inputs on both, with both signs (4 PCM)
    DOUBLE = "double"  #: W on WP1 and on WP2, read in one step (4 PCM)
    STACKED = "stacked"  #: one half of the rows on WP1, the other on WP2 (2 PCM)

    @property
    def gain(self) -> int:
        """How often a weight counts in the capacitor's charge."""
        return 1 if self is Mode.STACKED else 2


@dataclass(frozen=True)
class LayerPlan:
    """Where a layer sits and what its numbers mean.

    Parameters
    ----------
    name : str
    inputs, outputs : int
    activation : Activation
    mode : Mode
    tiles : tuple of int
        Tile indices; two are a vertical pair with shared capacitors, north first. Output leaves from `reader`.
    reader : int
    capacitors : int
        50 fF capacitors per column and tile.
    ramp_start, ramp_slope : int
        READOUT codes.
    enable_offset : int
        Cycles from the first cycle of the column pulses to the output-enable window; the ReLU's zero.
    bias_durations : tuple of int
        ns of each bias row in the layer's first phase, where they charge and are read on WP1, and on WP2 as well if the
        mode is `double`; they are silent in the other phases.
    weight_scale : float
        Programmed weight = network weight x this.
    code_per_weight_ns : float
        Nominal change of the OLP code for a weight of 1, on one pair of devices, read for 1 ns.
    code_scale, code_zero : float
        Ideal duration of an output y (in units of the full scale), ns: ``code_zero + code_scale * y``; the OLP code of
        eight bits.
    readout_bits : int
        Of the OLP's codes, 8 or 7.
    max_weight : int, optional
        The largest programmed weight in units of 1/`WEIGHT_UNITS`, which all weights are whole multiples of.
    """

    name: str
    inputs: int
    outputs: int
    activation: Activation
    mode: Mode
    tiles: tuple[int, ...]
    reader: int
    capacitors: int
    ramp_start: int
    ramp_slope: int
    enable_offset: int
    bias_durations: tuple[int, ...]
    weight_scale: float
    code_per_weight_ns: float
    code_scale: float
    code_zero: float
    readout_bits: int = 8
    max_weight: int | None = None

    def value(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Outputs in units of the layer's full scale, from OLP codes."""
        return (self.durations(codes) - self.code_zero) / self.code_scale

    def codes(self, durations: NDArray[np.float64]) -> NDArray[np.float64]:
        """Codes, not limited, that an OLP would give pulses of any length."""
        return np.floor(np.floor(durations + 0.5) / (1 << (8 - self.readout_bits)))

    def durations(self, codes: NDArray[Any]) -> NDArray[np.float64]:
        """Lengths in ns of the pulses that an OLP gave these codes; of two that have the same code, the mean."""
        merged = 1 << (8 - self.readout_bits)
        return codes * float(merged) + (merged - 1) / 2

    def on_grid(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights as they are programmed: within what a pair of devices holds, and on the grid if there is one."""
        if self.max_weight is None:
            return np.clip(weights, -1, 1)
        largest = self.max_weight
        units: NDArray[np.float64] = np.clip(np.rint(weights * WEIGHT_UNITS), -largest, largest)
        return units / WEIGHT_UNITS
