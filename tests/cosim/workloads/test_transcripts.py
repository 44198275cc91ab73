"""What counts as the same words, and how errors are counted."""

import sys

import numpy as np
import pytest

from cosim.files.extras import MissingPackage
from cosim.workloads import transcripts
from cosim.workloads.transcripts import (
    count_errors,
    lower_case_words,
    normalised,
)


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("MISTER BROWN HAS TWENTY TWO DOLLARS", "Mr. Brown has $22."),
        ("IT IS THE COLOUR OF HONOUR", "It's the color of honor"),
        ("WE CAN NOT GO", "we can't, um, go"),
        ("IN EIGHTEEN SIXTY ONE", "in 1861"),
    ],
)
def test_the_same_words(spoken, written):
    assert normalised(spoken) == normalised(written)
    assert count_errors([spoken], [written]).rate == 0


def test_plain_words_keep_numbers_and_abbreviations():
    assert lower_case_words("Mr. Brown's -- twenty-two, 'tis!") == "mr brown's twenty two 'tis"
    assert count_errors(["MISTER BROWN"], ["Mr. Brown"], lower_case_words).rate == 0.5


def levenshtein(a: list[str], b: list[str]) -> int:
    row = np.arange(len(b) + 1)
    for i, left in enumerate(a, 1):
        new = [i]
        for j, right in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (left != right)))
        row = np.array(new)
    return int(row[-1])


def test_errors_are_the_edit_distance():
    rng = np.random.default_rng(0)
    letters, lengths = np.array(list("abcde")), rng.integers(0, 9, (60, 2))
    pairs = [[" ".join(rng.choice(letters, length)) for length in pair] for pair in lengths]
    errors = count_errors([a for a, _ in pairs], [b for _, b in pairs], str)
    assert errors.words.tolist() == [len(a.split()) for a, _ in pairs]
    assert errors.errors.tolist() == [levenshtein(a.split(), b.split()) for a, b in pairs]
    assert errors.rate == errors.errors.sum() / errors.words.sum()


def test_interval_holds_the_rate():
    rng = np.random.default_rng(1)
    references = ["one two three four"] * 200
    heard = ["one two three four" if good else "one two three" for good in rng.random(200) < 0.8]
    errors = count_errors(references, heard, str)
    low, high = errors.interval(seed=3)
    spread = 1.96 * np.std(errors.errors) / 4 / np.sqrt(200)
    assert low == pytest.approx(errors.rate - spread, abs=0.2 * spread)
    assert high == pytest.approx(errors.rate + spread, abs=0.2 * spread)


def test_without_words_there_is_no_rate():
    assert np.isnan(count_errors([""], ["a"], str).rate)
    assert np.isnan(count_errors([], [], str).rate)


@pytest.mark.parametrize("package", ["jiwer", "whisper_normalizer.english"])
def test_missing_packages_are_named(monkeypatch, package):
    transcripts._normaliser.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage, match=r"pip install 'duramesh\[speech\]'"):
        count_errors(["a"], ["a"])
