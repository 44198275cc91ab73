"""Options that take several numbers: seeds, frames."""

import re
from typing import Any

import click

__all__ = ["Numbers"]

_PIECE = re.compile(r"\s*(\d{1,18})\s*(?:-\s*(\d{1,18})\s*)?")
#: What nobody means to ask for.
_MOST = 1_000_000


class Numbers(click.ParamType):
    """Whole numbers like ``0-9`` or ``1, 3, 8-10``: a tuple, ascending, each once."""

    name = "numbers"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """What --help shows."""
        return "0-9"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """The numbers of a text; of what is converted already, itself."""
        if isinstance(value, tuple):
            return value
        found: set[int] = set()
        for piece in str(value).split(","):
            match = _PIECE.fullmatch(piece)
            low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if high < low or len(found) + high - low >= _MOST:
                self.fail(f"{piece.strip()!r} is no number and no range; expected e.g. 0-9 or 1,3,8-10", param, ctx)
            found |= set(range(low, high + 1))
        return tuple(sorted(found))
