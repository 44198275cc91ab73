"""What is wrong with a network, in the user's words."""

from cosim.files.errors import UserError

__all__ = ["NetworkError"]


class NetworkError(UserError, ValueError):
    """A network, its inputs, or the file that should hold one, cannot be used; the message says what and where."""
