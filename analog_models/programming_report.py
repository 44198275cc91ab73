"""What closed-loop tuning has made of target weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ProgrammingReport", "WeightErrors", "in_use"]

Array = NDArray[np.float64]
#: Of each tile and pair (1 or 2), (rows, columns).
ByPair = dict[tuple[int, int], NDArray[np.float32]]


@dataclass(frozen=True)
class WeightErrors:
    """Errors of weights, in units of the largest one.

    Parameters
    ----------
    targets : (n,) float64
    errors : (n,) float64
        Weight minus target.
    """

    targets: Array
    errors: Array

    def __len__(self) -> int:
        return len(self.errors)

    @property
    def mean(self) -> float:
        """Mean absolute error (paper: below 3 %)."""
        return float(np.abs(self.errors).mean()) if len(self) else float("nan")

    @property
    def within_20_percent(self) -> float:
        """Share of weights within 20 % of the largest weight, the paper's yield (around 99 %)."""
        return float((np.abs(self.errors) < 0.2).mean()) if len(self) else float("nan")

    @property
    def spread_1_to_99(self) -> float:
        """Distance between the 1 % and the 99 % point of the errors' distribution."""
        low, high = np.percentile(self.errors, (1, 99))
        return float(high - low)

    @property
    def r_squared(self) -> float:
        """Squared correlation of targets and weights (ALBERT paper: above 0.98)."""
        if not len(self) or np.ptp(self.targets) == 0:
            return float("nan")
        return float(np.corrcoef(self.targets, self.targets + self.errors)[0, 1] ** 2)

    def __str__(self) -> str:
        return f"mean error {self.mean:.2%} of max, {self.within_20_percent:.2%} within 20 %, R^2 {self.r_squared:.4f}"


@dataclass(frozen=True)
class ProgrammingReport:
    """How well the weights came out, `Pcm.drift_t0_s` after programming and read through their own columns.

    Parameters
    ----------
    errors : dict of (tile, pair) to float32 array
        Weight minus target of every programmed weight, in units of the largest weight; pair 1 or 2.
    targets : dict of (tile, pair) to float32 array
        The targets, in the same order.
    iterations : dict of (tile, pair) to int
        Pulses of the device that took most, of cells in use.
    unfinished : int
        Weights that did not come within tolerance, of cells in use.
    """

    errors: ByPair
    targets: ByPair
    iterations: dict[tuple[int, int], int]
    unfinished: int

    @property
    def pairs(self) -> WeightErrors:
        """Weights of pairs of devices (2 PCM), each by itself, in cells that are in use."""
        chosen = {key: in_use(targets) for key, targets in self.targets.items()}
        return _gathered([(self.targets[key][used], self.errors[key][used]) for key, used in chosen.items()])

    @property
    def weights(self) -> WeightErrors:
        """Weights that both pairs of a cell hold (4 PCM), with equal signs or, for asymmetry balance, opposite ones."""
        found = []
        for (tile, pair), targets in self.targets.items():
            other = self.targets.get((tile, 2))
            if pair != 1 or other is None:
                continue
            for sign in (1, -1):
                if np.array_equal(targets, sign * other):
                    used = in_use(targets)
                    errors = (self.errors[tile, 1] + sign * self.errors[tile, 2]) / 2
                    found.append((targets[used], errors[used]))
                    break
        return _gathered(found)

    def __str__(self) -> str:
        pairs, weights = self.pairs, self.weights
        lines = [f"{len(pairs):,} pairs of devices in use: {pairs}"]
        if len(weights):
            lines.append(f"{len(weights):,} weights on two pairs: {weights}")
        pulses = max(self.iterations.values(), default=0)
        return f"{'; '.join(lines)}; at most {pulses} pulses, {self.unfinished:,} not within tolerance"


def in_use(targets: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Cells of rows and columns in which anything is wanted: what fills a matrix up to a tile's size is not in use."""
    wanted = targets != 0
    return np.logical_and.outer(wanted.any(axis=1), wanted.any(axis=0))


def _gathered(parts: list[tuple[NDArray, NDArray]]) -> WeightErrors:
    if not parts:
        return WeightErrors(np.zeros(0), np.zeros(0))
    targets, errors = (np.concatenate(arrays).astype(np.float64) for arrays in zip(*parts, strict=True))
    return WeightErrors(targets, errors)
