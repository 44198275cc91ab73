"""Speaker verification: which recordings are of one speaker, by the cosine between their vectors; equal error rate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cosim.files.errors import UserError
from cosim.workloads.resampling import resampled_interval

__all__ = ["Trials", "TrialsError", "equal_error_rate", "unit_length", "voice_of"]


class TrialsError(UserError, ValueError):
    """Of these recordings no equal error rate can be told; the message says what is lacking."""


def unit_length(vectors: ArrayLike) -> NDArray:
    """Vectors divided by their length: (..., n); those of length 0 stay."""
    vectors = np.asarray(vectors)
    length = np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))
    return vectors / np.where(length > 0, length, 1)


def voice_of(windows: ArrayLike) -> NDArray:
    """Vector of a recording: the mean of its windows' unit-length vectors, at unit length; (windows, n) -> (n,)."""
    return unit_length(unit_length(windows).mean(axis=0))


def equal_error_rate(scores: NDArray, same: NDArray[np.bool_], weights: NDArray | None = None) -> float:
    """Share of errors at the threshold at which as many of the same are refused as of others are accepted.

    Between two thresholds the shares are joined by straight lines.

    Parameters
    ----------
    scores : (trials,)
        What is at or above the threshold is accepted.
    same : (trials,) bool
    weights : (trials,), optional
        How often each trial counts.

    Raises
    ------
    TrialsError
        If there is no trial of the same, or none of others.
    """
    order = np.argsort(scores, kind="stable")
    same, counts = same[order], np.ones(len(order)) if weights is None else np.asarray(weights, np.float64)[order]
    own, other = np.where(same, counts, 0.0), np.where(same, 0.0, counts)
    if not own.any() or not other.any():
        raise TrialsError("an equal error rate needs pairs of one speaker and of two; give recordings of more speakers")
    ends = np.append(np.flatnonzero(np.diff(scores[order])) + 1, len(order))  # thresholds lie between unequal scores
    refused = np.concatenate([[0.0], own.cumsum()[ends - 1] / own.sum()])
    accepted = np.concatenate([[1.0], 1 - other.cumsum()[ends - 1] / other.sum()])
    at = int(np.argmax(refused >= accepted))
    before, after = accepted[at - 1] - refused[at - 1], refused[at] - accepted[at]
    share = before / (before + after)
    return float(refused[at - 1] + share * (refused[at] - refused[at - 1]))


@dataclass(frozen=True)
class Trials:
    """Every pair of recordings, once.

    Parameters
    ----------
    voices : (recordings, n)
        Unit length.
    speakers : sequence of str
        Of each recording.
    """

    voices: NDArray
    speakers: Sequence[str]

    @property
    def rate(self) -> float:
        """Equal error rate over all pairs.

        Raises
        ------
        TrialsError
        """
        _, _, scores, same = self._pairs()
        return equal_error_rate(scores, same)

    def interval(self, *, seed: int = 0) -> tuple[float, float]:
        """Of the rate, over recordings of these speakers that are drawn anew; a recording is never held against itself.

        Raises
        ------
        TrialsError
        """
        first, second, scores, same = self._pairs()
        order = np.argsort(scores, kind="stable")
        first, second, scores, same = first[order], second[order], scores[order], same[order]
        recordings = len(self.speakers)

        def rate(rows: NDArray[np.int64]) -> float:
            drawn = np.bincount(rows, minlength=recordings)
            try:
                return equal_error_rate(scores, same, drawn[first] * drawn[second])
            except TrialsError:  # few recordings, all of one speaker
                return float("nan")

        return resampled_interval(rate, recordings, seed=seed)

    def _pairs(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        first, second = np.triu_indices(len(self.speakers), 1)
        scores = (self.voices @ self.voices.T)[first, second]
        speakers = np.asarray(self.speakers)
        return first, second, scores, speakers[first] == speakers[second]
