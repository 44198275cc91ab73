"""Words as the host port takes them: two beats of 64 bits, low half first."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from cosim.isa.words import beats_to_words, words_to_beats


def test_low_half_first() -> None:
    beats = words_to_beats((0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210, 1))
    assert beats.dtype == np.uint64
    assert beats.tolist() == [[0xFEDC_BA98_7654_3210, 0x0123_4567_89AB_CDEF], [1, 0]]
    assert words_to_beats(()).shape == (0, 2)


@given(st.lists(st.integers(0, 2**128 - 1)).map(tuple))
def test_round_trip(words: tuple[int, ...]) -> None:
    assert beats_to_words(words_to_beats(words)) == words
