"""Runs a built simulator as a process, with cocotb in it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

import cocotb_tools.config
from cocotb_tools.check_results import get_results
from find_libpython import find_libpython

from cosim.engines.rtl.cache import Effort
from cosim.engines.rtl.owned import OwnedProcess
from cosim.files.errors import UserError
from cosim.files.wording import counted

__all__ = ["CLOCK_PERIOD_PS", "SimulationError", "Simulator"]

#: Period of the clock that the simulator's main program drives: 1 GHz.
CLOCK_PERIOD_PS = 1000
LOG_TAIL_LINES, LOG_TAIL_BYTES = 40, 1 << 16
#: What variables of the shell begin with that are settings of cocotb, or names of it, for some other run.
_COCOTB = ("COCOTB_", "GPI_", "PYGPI_")
#: The same without a prefix; and what takes assertions out of a test bench, or makes errors of cocotb's warnings.
_FOREIGN = {
    *("MODULE", "TOPLEVEL", "TOPLEVEL_LANG", "TESTCASE", "RANDOM_SEED", "COVERAGE", "COVERAGE_RCFILE"),
    *("PYTHONOPTIMIZE", "PYTHONWARNINGS"),
}


class SimulationError(UserError, RuntimeError):
    """A simulation ended abnormally, or one of its cocotb tests failed."""


@dataclass(frozen=True)
class Simulator:
    """A simulator made by `build`.

    Parameters
    ----------
    command : tuple of str
        What starts it, without plus-arguments.
    top : str
        Its top module, cocotb's `dut`.
    trace_format : str or None
        "fst" or "vcd" if it can write waveforms.
    has_clock : bool
        Whether its main program can drive `clk`.
    delays_writes : bool
        Whether it lets what a test bench writes at an edge take effect only after that edge. For one that does not,
        cocotb holds the writes back.
    grace_s : float
        How long it may take to end in order.
    effort : Effort or None
        What building it took, whenever that was; None if that was not noted.
    """

    command: tuple[str, ...]
    top: str
    trace_format: str | None = None
    has_clock: bool = True
    delays_writes: bool = True
    grace_s: float = 5.0
    effort: Effort | None = None

    def start(
        self,
        modules: Sequence[str],
        directory: Path,
        *,
        log: IO[bytes],
        clock: bool = True,
        trace: Path | None = None,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> OwnedProcess:
        """Start a simulation and return its process, which ends with this one.

        Parameters
        ----------
        modules : sequence of str
            Importable modules with cocotb tests, which run one after the other.
        directory : Path
            Working directory; cocotb's `results.xml` appears there.
        log : file
            Open for writing; takes everything that the simulator and cocotb print.
        clock : bool
            The main program drives `clk` with 1 GHz, if it can. Otherwise the test bench does, e.g. with cocotb's
            `Clock`, and the simulation runs at about half the speed.
        trace : Path or None
            Waveform file to write.
        environment : mapping
            More environment variables. Those of cocotb (`COCOTB_...`) must be given here: what the shell says of them
            is for other runs.
        pass_fds : sequence of int
            File descriptors that the process inherits.

        Raises
        ------
        SimulationError
            If the process does not start.
        """
        if trace and not self.trace_format:
            raise ValueError("this simulator cannot write waveforms; build it with waves=True")
        arguments = [f"+clock={CLOCK_PERIOD_PS}"] * (clock and self.has_clock) + [f"+trace={trace}"] * (
            trace is not None
        )
        try:
            return OwnedProcess(
                [*self.command, *arguments],
                cwd=directory,
                env={**_shell(), **self._cocotb_environment(modules), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
            )
        except OSError as error:
            raise SimulationError(f"the simulator {self.command[0]} does not start: {error}") from None

    def run_tests(
        self, modules: Sequence[str], directory: Path, *, log: Path | None = None, **options: Any
    ) -> list[str]:
        """Run the cocotb tests in `modules` to their end.

        Parameters are those of `start`, but that `log` is a path, by default `directory`/sim.log.

        Returns
        -------
        list of str
            Names of the tests, all of which passed or were skipped.

        Raises
        ------
        SimulationError
            If a test fails, there is none, or the simulator crashes; the message ends with the end of the log.
        """
        log = log or directory / "sim.log"
        results = directory / "results.xml"
        results.unlink(missing_ok=True)
        with log.open("w+b") as output:
            process = self.start(modules, directory, log=output, **options)
            try:
                process.wait()
            finally:
                process.end()
            last = tail(output, log)
        if process.returncode or not results.is_file():
            raise SimulationError(f"the simulator ended with status {process.returncode}\n{last}")
        tests, failures = get_results(results)
        if failures or not tests:
            raise SimulationError(f"{failures} of {counted(tests, 'cocotb test')} failed\n{last}")
        return [case.attrib["name"] for case in ElementTree.parse(results).iter("testcase")]

    def _cocotb_environment(self, modules: Sequence[str]) -> dict[str, str]:
        libpython = find_libpython()
        if libpython is None:
            raise SimulationError(f"cocotb needs the shared library of {sys.executable}, and it has none")
        # cocotb 2.0 finds its own entry and asks for the library only.
        entry = getattr(cocotb_tools.config, "pygpi_entry_point", None)
        return {
            **({"GPI_USERS": f"{libpython};{entry()}"} if entry else {"LIBPYTHON_LOC": libpython}),
            "PYGPI_PYTHON_BIN": sys.executable,
            "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path),
            "COCOTB_TOPLEVEL": self.top,
            "COCOTB_TEST_MODULES": ",".join(modules),
            "COCOTB_RESULTS_FILE": "results.xml",
            "COCOTB_TRUST_INERTIAL_WRITES": str(int(self.delays_writes)),
            # Of the tests alone: cocotb would rewrite the assertions of every module that they import, which takes
            # seconds, and does not work with all of them in a Python that optimises.
            "COCOTB_REWRITE_ASSERTION_FILES": " ".join(f"{module.rpartition('.')[2]}.py" for module in modules),
            "TOPLEVEL_LANG": "verilog",
            # The products of one tile are too small to share between cores, and idle threads of BLAS spin.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }


def _shell() -> dict[str, str]:
    """Environment variables of the shell, without those that are for other runs of cocotb."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_COCOTB) and name not in _FOREIGN}


def tail(log: IO[bytes], name: Path | str = "its log") -> str:
    """Last lines of a log that a process may still be writing."""
    size = os.fstat(log.fileno()).st_size
    start = max(size - LOG_TAIL_BYTES, 0)
    lines = os.pread(log.fileno(), size - start, start).decode(errors="replace").splitlines()
    return "\n".join([f"last lines of {name}:", *lines[-LOG_TAIL_LINES:]])
