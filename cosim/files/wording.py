"""Numbers and lists in sentences."""

from collections.abc import Iterable, Sequence

__all__ = ["counted", "listed", "span_in_words"]


def counted(number: int, what: str, plural: str = "") -> str:
    """A number with its noun: "1 chip", "2 chips", "2,718 clips"."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def listed(parts: Iterable[str]) -> str:
    """The parts as a sentence lists them: "a", "a and b", "a, b and c"; "none" of nothing."""
    *first, last = list(parts) or ["none"]
    return f"{', '.join(first)} and {last}" if first else last


def span_in_words(values: Sequence[float], form: str = "{:g}") -> str:
    """From the first value to the last, or the only one: "50 to 400"."""
    ends = list(dict.fromkeys(form.format(value) for value in (values[0], values[-1])))
    return " to ".join(ends)
