"""Transcripts as words, and how many of them are wrong."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cosim.files.extras import needed
from cosim.workloads.resampling import resampled_interval

__all__ = ["WordErrors", "count_errors", "lower_case_words", "normalised"]


@cache
def _normaliser() -> Callable[[str], str]:
    english = needed("whisper_normalizer.english", "speech", "comparing words as Whisper does")
    normaliser: Callable[[str], str] = english.EnglishTextNormalizer()
    return normaliser


def normalised(text: str) -> str:
    """Words as Whisper's own evaluation compares them: numbers, abbreviations, spelling, hesitations, punctuation.

    Source: arXiv:2212.04356, appendix C.

    Raises
    ------
    MissingPackage
    """
    return " ".join(_normaliser()(text).split())


def lower_case_words(text: str) -> str:
    """Lower case without punctuation, but for apostrophes: the plain count of other recognisers."""
    return " ".join(re.sub(r"[^\w' ]+", " ", text.lower()).split())


@dataclass(frozen=True)
class WordErrors:
    """Errors of transcripts, each (utterances,) int64.

    Members
    -------
    words : (utterances,)
        Of the references.
    substitutions, deletions, insertions : (utterances,)
    """

    words: NDArray[np.int64]
    substitutions: NDArray[np.int64]
    deletions: NDArray[np.int64]
    insertions: NDArray[np.int64]

    @property
    def errors(self) -> NDArray[np.int64]:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Word error rate: errors of all utterances over words of all references; NaN without a word."""
        return self._rate(np.arange(len(self.words)))

    def interval(self, *, seed: int = 0) -> tuple[float, float]:
        """Of the rate, over utterances drawn anew."""
        return resampled_interval(self._rate, len(self.words), seed=seed)

    def _rate(self, rows: NDArray[np.int64]) -> float:
        words = self.words[rows].sum()
        return float(self.errors[rows].sum() / words) if words else float("nan")


def count_errors(
    references: Sequence[str], transcripts: Sequence[str], words_of: Callable[[str], str] = normalised
) -> WordErrors:
    """Errors of each transcript, by the alignment that has the fewest.

    Parameters
    ----------
    references, transcripts : sequences of str
        Of one length.
    words_of : callable
        Brings both into the form in which words are compared.

    Raises
    ------
    MissingPackage
        If `jiwer`, which aligns them, is not installed.
    """
    jiwer = needed("jiwer", "speech", "counting word errors")
    counts = []
    for reference, transcript in zip(references, transcripts, strict=True):
        one = jiwer.process_words(words_of(reference), words_of(transcript))
        words = one.hits + one.substitutions + one.deletions
        counts.append((words, one.substitutions, one.deletions, one.insertions))
    return WordErrors(*np.array(counts, np.int64).reshape(-1, 4).T)
