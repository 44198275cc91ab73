"""What is read off sentence vectors: a class by logistic regression, a likeness by ridge regression or the cosine.

Heads are fitted on vectors of the float network, in float64, and then left alone: whatever network or chip gives
vectors later is judged by the same head.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.special
from numpy.typing import NDArray

from cosim.workloads.metrics import accuracy, pearson

__all__ = ["Head", "cosines", "fit_classifier", "fit_regression", "pair_features"]

Floats = NDArray[np.float64]

#: Penalties that are tried, on a tenth of the training examples that is held out.
PENALTIES = tuple(10.0**power for power in range(-4, 3))
_HELD_OUT = 0.1


@dataclass(frozen=True)
class Head:
    """A linear map of features.

    Members
    -------
    weights : (features,) float64
    offset : float
    penalty : float
        Of the square of the weights, as it was chosen.
    """

    weights: Floats
    offset: float
    penalty: float

    def __call__(self, features: NDArray) -> Floats:
        """(N, features) -> (N,): likeness, or what is above 0 for class 1."""
        return np.asarray(features, np.float64) @ self.weights + self.offset


def fit_classifier(features: NDArray, labels: NDArray, *, seed: int = 0) -> Head:
    """Logistic regression of classes 0 and 1.

    Parameters
    ----------
    features : (N, n)
    labels : (N,)
    seed : int
        Of the tenth that is held out to choose the penalty.
    """
    return _chosen(features, labels, _logistic, lambda scores, truth: accuracy(scores > 0, truth), seed)


def fit_regression(features: NDArray, values: NDArray, *, seed: int = 0) -> Head:
    """Ridge regression; parameters as of `fit_classifier`."""
    return _chosen(features, values, _ridge, pearson, seed)


def _chosen(
    features: NDArray,
    targets: NDArray,
    fit: Callable[[Floats, Floats, float], Head],
    score: Callable[[Floats, Floats], float],
    seed: int,
) -> Head:
    features, targets = np.asarray(features, np.float64), np.asarray(targets, np.float64)
    rows = np.random.default_rng(seed).permutation(len(targets))
    held, kept = np.split(rows, [max(1, round(_HELD_OUT * len(rows)))])

    def held_out(penalty: float) -> float:
        return score(fit(features[kept], targets[kept], penalty)(features[held]), targets[held])

    return fit(features, targets, max(PENALTIES, key=held_out))


def _ridge(features: Floats, targets: Floats, penalty: float) -> Head:
    """Least mean square error with a penalty; the offset is free."""
    middle, mean = features.mean(axis=0), float(targets.mean())
    centred = features - middle
    square = centred.T @ centred / len(features) + penalty * np.mean(centred**2) * np.eye(features.shape[1])
    weights = np.linalg.solve(square, centred.T @ (targets - mean) / len(features))
    return Head(weights, mean - float(middle @ weights), penalty)


def _logistic(features: Floats, labels: Floats, penalty: float) -> Head:
    """Least mean cross-entropy with a penalty; the offset is free."""
    middle = features.mean(axis=0)
    scale = np.sqrt(np.mean((features - middle) ** 2)) or 1.0
    scaled = (features - middle) / scale

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, offset = parameters[:-1], parameters[-1]
        scores = scaled @ weights + offset
        value = np.mean(np.logaddexp(0, scores) - labels * scores) + penalty / 2 * weights @ weights
        error = (scipy.special.expit(scores) - labels) / len(labels)
        return float(value), np.append(scaled.T @ error + penalty * weights, error.sum())

    found = scipy.optimize.minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B")
    weights = found.x[:-1] / scale
    return Head(weights, float(found.x[-1] - middle @ weights), penalty)


def pair_features(first: NDArray, second: NDArray) -> Floats:
    """What a regression of likeness is given of two sentences: products and distances, (N, n) twice -> (N, 2 n).

    Source: A. Conneau et al., "Supervised Learning of Universal Sentence Representations", arXiv:1705.02364, figure 1.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return np.concatenate([first * second, np.abs(first - second)], axis=1)


def cosines(first: NDArray, second: NDArray) -> Floats:
    """Cosine between vectors of unit length, (N, n) twice -> (N,)."""
    return np.sum(np.asarray(first, np.float64) * second, axis=1)
