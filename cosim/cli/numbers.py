"""Options that take numbers: real ones in a range, several whole ones such as seeds and frames."""

import math
from typing import Any

import click

from cosim.isa.numbers import NumberError, parse_ranges

__all__ = ["Numbers", "RealRange"]

#: What nobody means to ask for: so many, or such large ones.
_MOST, _LARGEST = 1_000_000, (1 << 63) - 1


class RealRange(click.FloatRange):
    """A real number in a range. Click's own lets NaN through, which is neither below nor above any bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a text."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


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
        try:
            for first, last in parse_ranges(str(value)):
                if last > _LARGEST or len(found) + last - first >= _MOST:
                    self.fail(f"{value!r} has more than {_MOST:,} numbers, or one beyond {_LARGEST:,}", param, ctx)
                found |= set(range(first, last + 1))
        except NumberError as error:
            self.fail(str(error), param, ctx)
        return tuple(sorted(found))
