"""Where a run says what it does."""

from contextlib import AbstractContextManager
from typing import Protocol

__all__ = ["Display"]


class Display(Protocol):
    """Where a run says what it does; called with the words for what begins."""

    def __call__(self, text: str) -> None: ...

    def advance(self, done: int, total: int) -> None:
        """How far it is."""

    def describe(self, text: str, done: int, total: int) -> None:
        """The same, with other words."""

    def paused(self) -> AbstractContextManager[None]:
        """While something else, such as a build, has a display of its own."""
