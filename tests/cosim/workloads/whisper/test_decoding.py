"""Greedy decoding on scores that are written down."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from cosim.graph import Request
from cosim.graph.graph import Walk
from cosim.workloads.whisper.decoding import Decoded, decode_greedily
from cosim.workloads.whisper.tokens import DecodingRules

RULES = DecodingRules(start=(5, 6), end=0, suppressed=frozenset({7}), suppressed_first=frozenset({0, 3}), most=6)


def decode(scores_after: Callable[[list[int]], NDArray]) -> tuple[Decoded, list[int]]:
    """Drive a walk whose steps each make one request; also what it was fed with."""
    fed: list[int] = []

    def step(tokens: Sequence[int]) -> Walk[NDArray]:
        fed.extend(tokens)
        (scores,) = yield Request(("decoder",), (np.array(tokens),))
        return scores

    walk = decode_greedily(RULES, step)
    try:
        next(walk)
        while True:
            walk.send((scores_after(fed),))
    except StopIteration as stop:
        return stop.value, fed


def favourites(*tokens: int) -> NDArray:
    """Scores in which the tokens come first, in this order."""
    scores = np.zeros(8, np.float32)
    scores[list(tokens)] = np.arange(len(tokens), 0, -1)
    return scores


def test_likeliest_tokens_until_the_end():
    script = {(5, 6): favourites(2), (5, 6, 2): favourites(4), (5, 6, 2, 4): favourites(0)}
    decoded, fed = decode(lambda fed: script[tuple(fed)])
    assert decoded == Decoded((2, 4), ended=True)
    assert fed == [5, 6, 2, 4]


def test_suppressed_tokens_are_passed_over():
    def scores(fed):
        return favourites(7, 0, 3, 1) if len(fed) <= 2 else favourites(7, 3) if len(fed) == 3 else favourites(7, 0)

    decoded, _ = decode(scores)
    assert decoded == Decoded((1, 3), ended=True), "7 never, end and 3 not at first"


def test_of_equal_scores_the_lowest_token_comes_first():
    decoded, _ = decode(lambda fed: np.zeros(8, np.float32) if len(fed) == 2 else favourites(0))
    assert decoded.tokens == (1,)


def test_a_loop_ends_at_the_limit():
    decoded, fed = decode(lambda fed: favourites(2))
    assert decoded == Decoded((2,) * 6, ended=False)
    assert len(fed) == 7, "the last token is not taken in any more"


def test_scores_stay_as_they_were():
    given = favourites(7, 2)
    decode(lambda fed: given)
    assert given[7] == 2
