"""A simulator process that lives while its owner does: requests go to the test bench in it, answers come back."""

import os
import signal
import socket
import subprocess
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO

from cosim.engines.rtl.agents.errors import ChipError
from cosim.engines.rtl.channel import Channel, ChannelClosed, ChannelError, Message
from cosim.engines.rtl.owned import OwnedProcess
from cosim.engines.rtl.simulator import SimulationError, Simulator, tail
from cosim.experiment import ExperimentError

__all__ = ["CHANNEL", "SimulatorProcess"]

#: Environment variable with the file descriptor that the process inherits: its end of the channel.
CHANNEL = "DURAMESH_CHANNEL"

_TESTBENCH = "cosim.engines.rtl.testbench"
#: The test bench is no test: rewriting the assertions of every module that it imports would take seconds.
_ENVIRONMENT = {"COCOTB_REWRITE_ASSERTION_FILES": "", "COCOTB_RESULTS_FILE": os.devnull}
#: Errors of the test bench that are the user's, by name.
_ERRORS = {error.__name__: error for error in (ChipError, ExperimentError)}


class SimulatorProcess:
    """A running simulator that answers requests. It leaves no files: its log has no name, and nobody needs its report.

    Parameters
    ----------
    simulator : Simulator
    trace : Path, optional
        Waveform file.
    timeout_s : float, optional
        How long an answer may take; by default as long as it takes.

    Raises
    ------
    SimulationError
        From `request`, if the process ends or is ended, answers nothing in time, or answers nonsense. The process is
        gone then, as after every error.
    """

    def __init__(self, simulator: Simulator, *, trace: Path | None = None, timeout_s: float | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._timeout_s, self._grace_s = timeout_s, simulator.grace_s
        ours, theirs = socket.socketpair()
        try:
            self._process = simulator.start(
                [_TESTBENCH],
                Path("/"),  # a folder that is there as long as the process
                log=self._log,
                trace=trace and trace.absolute(),
                environment=_ENVIRONMENT | {CHANNEL: str(theirs.fileno())},
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            ours.close()
            self._log.close()
            raise
        finally:
            theirs.close()
        ours.settimeout(timeout_s)
        self._channel = Channel(ours)
        self._turn = Lock()
        self._end = weakref.finalize(self, _end, self._process, self._channel, self._log, os.getpid(), self._grace_s)

    @property
    def pid(self) -> int:
        """Number of the process, for whoever wants to watch it."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether requests can be made."""
        return self._end.alive

    def request(self, message: Message, what: str, watch: Callable[[int, int], bool] | None = None) -> Message:
        """Send a request and wait for its answer.

        Parameters
        ----------
        message : Message
        what : str
            What is asked for, to be said if it fails: "run 3 frames of entry main".
        watch : callable (done, all) -> bool, optional
            Called now and then with the cycles of the program; whether it is to be stopped.

        Raises
        ------
        ChipError, ExperimentError
            As raised in the test bench.
        SimulationError
        """
        try:
            with self._turn:  # threads that share a session take turns
                self._channel.send(message)
                while (answer := self._channel.receive()).kind == "progress":
                    stop = watch is not None and watch(answer.meta["done"], answer.meta["all"])
                    self._channel.send(Message("stop" if stop else "go on"))
        except ChannelClosed:
            status = self._reaped()
            log = tail(self._log)
            self.kill()
            raise SimulationError(f"the simulator {_ending(status)} when it was to {what}\n{log}") from None
        except TimeoutError:
            log = tail(self._log)
            self.kill()
            raise SimulationError(
                f"the simulator did not {what} within {self._timeout_s:g} s and was ended; allow more with timeout_s"
                f"\n{log}"
            ) from None
        except ChannelError as error:
            self.kill()
            raise SimulationError(f"the simulator was to {what}, and its answer cannot be read: {error}") from None
        except BaseException:  # Ctrl-C: the answer would come later, to another question
            self.kill()
            raise
        if answer.kind == "error":
            log = tail(self._log)
            self.close()  # in order: a waveform of what went wrong is complete
            name, text = answer.meta["type"], answer.meta["message"]
            if name in _ERRORS:
                raise _ERRORS[name](text)
            raise SimulationError(f"{name} in the test bench when it was to {what}: {text}\n{log}")
        return answer

    def _reaped(self) -> int | None:
        try:
            return self._process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Let the process end in order; a second call does nothing."""
        self._end()

    def kill(self) -> None:
        """End the process at once; one that writes a waveform finishes the file first."""
        self._channel.close()
        self._process.end()
        self._end()


def _end(process: OwnedProcess, channel: Channel, log: IO[bytes], owner: int, grace_s: float) -> None:
    """The test bench ends when its channel closes; if it does not, it is ended."""
    channel.close()
    log.close()
    if os.getpid() == owner:  # and not a fork of it
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
        process.end()


def _ending(status: int | None) -> str:
    if status is None:
        return "closed its channel"
    if status < 0:
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"
    return f"ended with status {status}"
