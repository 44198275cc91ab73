"""Metrics of tasks: of decisions or values, and labels.

Classes are whole numbers from 0; F1 and Matthews's coefficient are of two, of which 1 is the one that is looked for.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy.stats
from numpy.typing import NDArray

__all__ = ["METRICS", "WORDS", "accuracy", "f1", "matthews", "pearson", "spearman"]

Values = Sequence[float] | NDArray


def accuracy(decisions: Values, labels: Values) -> float:
    """Share of right decisions."""
    return float(np.mean(np.asarray(decisions) == np.asarray(labels)))


def f1(decisions: Values, labels: Values) -> float:
    """Harmonic mean of the shares of right ones among those decided for, and among those there are; 0 without any."""
    right, decided, there = _counts(decisions, labels)
    return 2 * right / (decided + there) if right else 0.0


def matthews(decisions: Values, labels: Values) -> float:
    """Correlation of two classes; 0 where decisions, or labels, are all alike, as GLUE has it."""
    right, decided, there = _counts(decisions, labels)
    count = len(np.asarray(labels))
    square = decided * (count - decided) * there * (count - there)
    return (count * right - decided * there) / float(square) ** 0.5 if square else 0.0


def _counts(decisions: Values, labels: Values) -> tuple[int, int, int]:
    """How many are right among class 1, decided for it, and of it."""
    ours, theirs = np.asarray(decisions) > 0, np.asarray(labels) > 0
    return int((ours & theirs).sum()), int(ours.sum()), int(theirs.sum())


def pearson(a: Values, b: Values) -> float:
    """Correlation of the values; NaN where one of them is constant."""
    return _correlation(np.asarray(a, np.float64), np.asarray(b, np.float64))


def spearman(a: Values, b: Values) -> float:
    """Correlation of the ranks; equal values share theirs."""
    return _correlation(scipy.stats.rankdata(a), scipy.stats.rankdata(b))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else float("nan")


#: By the name that tasks give them.
METRICS: Mapping[str, Callable[[Values, Values], float]] = {
    "accuracy": accuracy,
    "f1": f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
}

#: The same for people.
WORDS: Mapping[str, str] = {
    "accuracy": "accuracy",
    "f1": "F1",
    "matthews": "Matthews",
    "pearson": "Pearson",
    "spearman": "Spearman",
}
