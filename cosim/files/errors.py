"""The base of every error whose message is for the user."""

__all__ = ["OutputError", "UserError"]

#: Characters of a longer line that are told: from its beginning, and to its end.
_BEGINNING, _END = 1200, 600


class UserError(Exception):
    """What a user gave or did cannot work; the message says what and where, what was expected, and how to mend it.

    The command line prints the message of such an error and nothing else. Any other exception is a bug. What names a
    thing may be as long as a file, in a file that is damaged: of a line without end the middle is left out.
    """

    def __str__(self) -> str:
        return "\n".join(map(_readable, super().__str__().split("\n")))


class OutputError(UserError, OSError):
    """A file or folder cannot be written; the message says which, and why."""


def _readable(line: str) -> str:
    if len(line) <= _BEGINNING + _END:
        return line
    return f"{line[:_BEGINNING]} ... {line[-_END:]}"
