"""Parts of a text between two marks, which a command makes and people write around."""

from cosim.files.errors import UserError

__all__ = ["MarkError", "between", "put_between"]


class MarkError(UserError, ValueError):
    """A text lacks a mark; the message says which one."""


def between(text: str, begin: str, end: str) -> tuple[str, str]:
    """What stands before the first mark, and behind the one that closes it.

    Raises
    ------
    MarkError
    """
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise MarkError(f"it lacks {begin if not found else end}, where a part that is made stands")
    return before, after


def put_between(text: str, begin: str, end: str, part: str) -> str:
    """The text with another part between its marks, each on a line of its own.

    Raises
    ------
    MarkError
    """
    before, after = between(text, begin, end)
    return f"{before}{begin}\n\n{part}\n{end}{after}"
