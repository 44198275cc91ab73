"""What the compiler refuses."""

from cosim.files.errors import UserError

__all__ = ["MappingError"]


class MappingError(UserError, ValueError):
    """The network does not fit the chips, or the frame; the message says what does not fit where."""
