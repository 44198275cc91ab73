"""A simulator process that lives while its owner does: requests go to the test bench in it, answers come back."""

import os
import signal
import socket
import subprocess
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from cosim.engines.rtl.agents.errors import ChipError
from cosim.engines.rtl.channel import Channel, ChannelClosed, ChannelError, Message
from cosim.engines.rtl.simulator import SimulationError, Simulator, tail
from cosim.experiment import ExperimentError

__all__ = ["CHANNEL", "LIFELINE", "SimulatorProcess"]

#: Environment variables with the file descriptors that the process inherits: its end of the channel, and the read end
#: of a pipe that nobody ever writes to: its other end closes when the owner ends, whatever ended it.
CHANNEL, LIFELINE = "DURAMESH_CHANNEL", "DURAMESH_LIFELINE"

_TESTBENCH = "cosim.engines.rtl.testbench"
#: The test bench is no test: rewriting the assertions of every module that it imports would take seconds.
_ENVIRONMENT = {"COCOTB_REWRITE_ASSERTION_FILES": ""}
_GRACE_S = 5.0
#: Errors of the test bench that are the user's, by name.
_ERRORS = {error.__name__: error for error in (ChipError, ExperimentError)}


class SimulatorProcess:
    """A running simulator that answers requests.

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
        self._folder = tempfile.TemporaryDirectory(prefix="duramesh-")
        self.log = Path(self._folder.name).resolve() / "sim.log"
        self._timeout_s, self._traced = timeout_s, trace is not None
        ours, theirs = socket.socketpair()
        lifeline, held = os.pipe()
        try:
            descriptors = (theirs.fileno(), lifeline)
            numbers = {CHANNEL: str(descriptors[0]), LIFELINE: str(descriptors[1])}
            self._process = simulator.start(
                [_TESTBENCH],
                self.log.parent,
                log=self.log,
                trace=trace,
                environment=_ENVIRONMENT | numbers,
                pass_fds=descriptors,
            )
        except BaseException:
            ours.close()
            os.close(held)
            raise
        finally:
            theirs.close()
            os.close(lifeline)
        ours.settimeout(timeout_s)
        self._channel = Channel(ours)
        self._turn = Lock()
        self._end = weakref.finalize(self, _end, self._process, self._channel, held, self._folder)

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
            log = tail(self.log)
            self.kill()
            raise SimulationError(f"the simulator {_ending(status)} when it was to {what}\n{log}") from None
        except TimeoutError:
            log = tail(self.log)
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
            log = tail(self.log)
            self.close()  # in order: a waveform of what went wrong is complete
            name, text = answer.meta["type"], answer.meta["message"]
            if name in _ERRORS:
                raise _ERRORS[name](text)
            raise SimulationError(f"{name} in the test bench when it was to {what}: {text}\n{log}")
        return answer

    def _reaped(self) -> int | None:
        try:
            return self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Let the process end in order; a second call does nothing."""
        self._end()

    def kill(self) -> None:
        """End the process at once; one that writes a waveform finishes the file first."""
        if self._process.poll() is None:
            if self._traced:
                self._process.terminate()
            else:
                self._process.kill()
        self._end()


def _end(process: subprocess.Popen, channel: Channel, held: int, folder: "tempfile.TemporaryDirectory[str]") -> None:
    """The test bench ends when its channel closes; if it does not, it is ended."""
    channel.close()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    os.close(held)
    folder.cleanup()


def _ending(status: int | None) -> str:
    if status is None:
        return "closed its channel"
    if status < 0:
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"
    return f"ended with status {status}"
