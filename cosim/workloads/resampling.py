"""How well a figure over samples is known: other samples of the same kind would have given another one.

The spread over chips does not show it, for all chips are given the same samples.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONFIDENCE", "DRAWS", "resampled_interval"]

#: Of every interval.
CONFIDENCE = 0.95
#: Draws of as many samples as there are.
DRAWS = 1000


def resampled_interval(
    figure: Callable[[NDArray[np.int64]], float], samples: int, *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float]:
    """Lowest and highest of the middle 95 % of a figure over samples that are drawn anew, with replacement.

    Parameters
    ----------
    figure : callable
        Of the indices of the samples, (samples,), some of them there several times.
    samples : int
        How many there are.
    draws : int
    seed : int
        Of the draws.

    Source: the percentile bootstrap; B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    rng = np.random.default_rng(seed)
    figures = [figure(rng.integers(samples, size=samples)) for _ in range(draws)]
    low, high = np.nanquantile(figures, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
