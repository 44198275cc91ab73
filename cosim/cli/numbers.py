"""Options that take several numbers: seeds, frames."""

from typing import Any

import click

from cosim.isa.numbers import NumberError, parse_ranges

__all__ = ["Numbers"]

#: What nobody means to ask for: so many, or such large ones.
_MOST, _LARGEST = 1_000_000, (1 << 63) - 1


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
