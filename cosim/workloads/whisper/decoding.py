"""Greedy decoding: the likeliest token at every step, by Whisper's rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.graph.graph import Walk
from cosim.workloads.whisper.tokens import DecodingRules

__all__ = ["Decoded", "decode_greedily"]


@dataclass(frozen=True)
class Decoded:
    """Tokens of one recording.

    Members
    -------
    tokens : tuple of int
        Without start and end.
    ended : bool
        False if the limit of tokens came first, as in a loop of repetitions.
    """

    tokens: tuple[int, ...]
    ended: bool


def decode_greedily(rules: DecodingRules, step: Callable[[Sequence[int]], Walk[NDArray]]) -> Walk[Decoded]:
    """Tokens one after the other, each the likeliest that the rules allow; of equal ones the lowest.

    Parameters
    ----------
    rules : DecodingRules
    step : callable (tokens) -> walk
        Takes the next tokens in, at first those that every transcript begins with, then one at a time, and gives the
        scores of what may follow, (vocabulary,).
    """
    never = sorted(rules.suppressed)
    not_first = sorted(rules.suppressed | rules.suppressed_first)
    scores = yield from step(rules.start)
    tokens: list[int] = []
    while True:
        scores = np.array(scores)
        scores[not_first if not tokens else never] = -np.inf
        token = int(scores.argmax())
        if token == rules.end:
            return Decoded(tuple(tokens), ended=True)
        tokens.append(token)
        if len(tokens) == rules.most:
            return Decoded(tuple(tokens), ended=False)
        scores = yield from step((token,))
