"""Numbers in text that people write: one way to read them, in assembly, in words and in lists of numbers."""

import re
from collections.abc import Iterator

from cosim.files.errors import UserError

__all__ = ["NumberError", "parse_number", "parse_ranges"]

_NUMBER = re.compile(r"-?(?:0[xX](?P<hex>[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*)|[0-9]+)")
#: Characters of a number at most: twice as many as the longest word of the chip has.
_LONGEST = 80


class NumberError(UserError, ValueError):
    """A text is no number; the message says what was expected."""


def parse_number(text: str) -> int:
    """A whole number: decimal digits, or hexadecimal ones after 0x with single _ between them.

    >>> parse_number("05"), parse_number("0xF000_0001"), parse_number("-3")
    (5, 4026531841, -3)

    Raises
    ------
    NumberError
        On anything else, or a number far longer than any that the chip holds.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise NumberError(f"{text[:_LONGEST]!r} is no number; expected one like 12 or 0x0c")
    if len(text) > _LONGEST:
        raise NumberError(f"{text[:8]}... has {len(text):,} characters; no number of the chip is that long")
    return int(text, 16 if match["hex"] else 10)


def parse_ranges(text: str) -> Iterator[tuple[int, int]]:
    """The first and the last number of each piece of a list: of a range, or of a number by itself.

    >>> list(parse_ranges("0-3, 8"))
    [(0, 3), (8, 8)]

    Raises
    ------
    NumberError
        When a piece is reached that is neither.
    """
    for piece in text.split(","):
        low, dash, high = (part.strip() for part in piece.partition("-"))
        try:
            first, last = parse_number(low), parse_number(high if dash else low)
        except NumberError:
            first, last = 1, 0
        if first > last:
            shown = repr(piece.strip()[:_LONGEST])
            raise NumberError(f"{shown} is no number and no range; expected e.g. 0-3 or 1, 3, 8-10")
        yield first, last
