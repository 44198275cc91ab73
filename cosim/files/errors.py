"""The base of every error whose message is for the user."""

__all__ = ["OutputError", "UserError"]


class UserError(Exception):
    """What a user gave or did cannot work; the message says what and where, what was expected, and how to mend it.

    The command line prints the message of such an error and nothing else. Any other exception is a bug.
    """


class OutputError(UserError, OSError):
    """A file or folder cannot be written; the message says which, and why."""
