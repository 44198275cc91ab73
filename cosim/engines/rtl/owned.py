"""Processes that end with the one that started them, whatever ended that: after SIGKILL nobody can tidy up.

A process that is owned holds the reading end of a pipe to which nobody ever writes. When the owner is gone, so is the
other end, and the kernel sends SIGIO to the process and to all that it has started. SIGIO ends whoever does not expect
it, in the middle of anything.
"""

import fcntl
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakSet, finalize

__all__ = ["OwnedProcess"]


class OwnedProcess(subprocess.Popen):
    """A process in a process group of its own, all of which ends with this process.

    Ctrl-C does not reach it.

    Parameters
    ----------
    command : sequence of str
    pass_fds : sequence of int
        File descriptors that it inherits.
    options
        As of `subprocess.Popen`.
    """

    def __init__(self, command: Sequence[str], *, pass_fds: Sequence[int] = (), **options: Any) -> None:
        ear, held = os.pipe()
        try:
            super().__init__(command, pass_fds=(*pass_fds, ear), start_new_session=True, **options)
            fcntl.fcntl(ear, fcntl.F_SETOWN, -self.pid)  # the whole group
            fcntl.fcntl(ear, fcntl.F_SETFL, fcntl.fcntl(ear, fcntl.F_GETFL) | os.O_ASYNC)
        except BaseException:
            os.close(held)
            raise
        finally:
            os.close(ear)
        self._release = finalize(self, os.close, held)
        _owned.add(self)

    def end(self, grace_s: float = 5.0) -> None:
        """End the process and all that it has started, and wait for it; once it has ended, this does nothing.

        Parameters
        ----------
        grace_s : float
            How long a process that expects SIGIO may take to end in order.
        """
        self._release()
        with suppress(subprocess.TimeoutExpired):
            self.wait(grace_s)
        with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()


#: Processes that this one owns.
_owned: "WeakSet[OwnedProcess]" = WeakSet()


def _disown() -> None:
    """A fork of the owner, e.g. a worker of a pool, may outlive it and must not keep its processes alive."""
    for process in _owned:
        process._release()
    _owned.clear()


os.register_at_fork(after_in_child=_disown)
