"""How fast a sweep goes, and how long it will take."""

from collections.abc import Callable
from time import monotonic

__all__ = ["Pace", "span"]


def span(seconds: float) -> str:
    """A time in words.

    >>> span(59), span(3700), span(86400), span(200000)
    ('59 s', '1 h 2 min', '1 d', '2 d 8 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    large, of, small = (3600, "h", 60) if whole < 86_400 else (86_400, "d", 3600)
    rest = whole % large // small
    return f"{whole // large} {of}" + (f" {rest} {'min' if of == 'h' else 'h'}" if rest else "")


class Pace:
    """Counts what gets done.

    Parameters
    ----------
    left : int
        What there is to do.
    clock : callable
        Seconds.
    """

    def __init__(self, left: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock, self._began = clock, clock()
        self._left, self._done = left, 0

    def __str__(self) -> str:
        """E.g. "7.5 a minute, 2 h 10 min left"; nothing before the first one."""
        took = self._clock() - self._began
        if not self._done or took <= 0:
            return ""
        rate = self._done / took
        each = f"{60 * rate:.3g} a minute" if rate < 10 else f"{rate:.3g} a second"
        return f"{each}, {span(self._left / rate)} left"

    def add(self, count: int = 1) -> None:
        """So many are done."""
        self._done += count
        self._left -= count
