"""Ctrl-C before a command has begun: nothing is under way, and a traceback would show our imports to nobody's use.

This module is loaded before all others of ours and must not load any that takes time: not even `typing`.
"""

import os
import signal
from contextlib import suppress

__all__ = ["hold", "release"]


def hold() -> None:
    """From now on Ctrl-C ends the process at once, with a word and status 130, unless somebody else handles it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        with suppress(ValueError):  # in another thread than the one to which signals come
            signal.signal(signal.SIGINT, _leave)


def release() -> None:
    """From now on Ctrl-C raises `KeyboardInterrupt` again."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(*_: object) -> None:
    os.write(2, b"interrupted\n")
    os._exit(130)
