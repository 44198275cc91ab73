"""Runs a built simulator as a process, with cocotb in it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
from cocotb_tools.check_results import get_results
from find_libpython import find_libpython

from cosim.engines.rtl.cache import Effort
from cosim.files.errors import UserError

__all__ = ["CLOCK_PERIOD_PS", "SimulationError", "Simulator"]

#: Period of the clock that the simulator's main program drives: 1 GHz.
CLOCK_PERIOD_PS = 1000
LOG_TAIL_LINES = 40


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
    effort : Effort or None
        What building it took, whenever that was; None if that was not noted.
    """

    command: tuple[str, ...]
    top: str
    trace_format: str | None = None
    has_clock: bool = True
    delays_writes: bool = True
    effort: Effort | None = None

    def start(
        self,
        modules: Sequence[str],
        directory: Path,
        *,
        log: Path,
        clock: bool = True,
        trace: Path | None = None,
        environment: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen:
        """Start a simulation and return its process.

        Parameters
        ----------
        modules : sequence of str
            Importable modules with cocotb tests, which run one after the other.
        directory : Path
            Working directory; cocotb's `results.xml` appears there.
        log : Path
            Takes everything that the simulator and cocotb print.
        clock : bool
            The main program drives `clk` with 1 GHz, if it can. Otherwise the test bench does, e.g. with cocotb's
            `Clock`, and the simulation runs at about half the speed.
        trace : Path or None
            Waveform file to write.
        environment : mapping
            More environment variables.
        pass_fds : sequence of int
            File descriptors that the process inherits.
        """
        if trace and not self.trace_format:
            raise ValueError("this simulator cannot write waveforms; build it with waves=True")
        arguments = [f"+clock={CLOCK_PERIOD_PS}"] * (clock and self.has_clock) + [f"+trace={trace}"] * (
            trace is not None
        )
        with log.open("w") as output:
            return subprocess.Popen(
                [*self.command, *arguments],
                cwd=directory,
                env={**os.environ, **self._cocotb_environment(modules), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=pass_fds,
                start_new_session=True,  # Ctrl-C reaches the parent only, which ends the simulation in order
            )

    def run_tests(self, modules: Sequence[str], directory: Path, **options) -> list[str]:
        """Run the cocotb tests in `modules` to their end.

        Parameters are those of `start`; `log` may be left out and is then `directory`/sim.log.

        Returns
        -------
        list of str
            Names of the tests, all of which passed or were skipped.

        Raises
        ------
        SimulationError
            If a test fails, there is none, or the simulator crashes; the message ends with the end of the log.
        """
        log = options.pop("log", directory / "sim.log")
        results = directory / "results.xml"
        results.unlink(missing_ok=True)
        process = self.start(modules, directory, log=log, **options)
        try:
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode or not results.is_file():
            raise SimulationError(f"the simulator ended with status {process.returncode}\n{tail(log)}")
        tests, failures = get_results(results)
        if failures or not tests:
            raise SimulationError(f"{failures} of {tests} cocotb tests failed\n{tail(log)}")
        return [case.attrib["name"] for case in ElementTree.parse(results).iter("testcase")]

    def _cocotb_environment(self, modules: Sequence[str]) -> dict[str, str]:
        libpython = find_libpython()
        if libpython is None:
            raise SimulationError(f"cocotb needs the shared library of {sys.executable}, and it has none")
        return {
            "GPI_USERS": f"{libpython};{cocotb_tools.config.pygpi_entry_point()}",
            "PYGPI_PYTHON_BIN": sys.executable,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
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


def tail(log: Path) -> str:
    """Last lines of a log file."""
    if not log.is_file():
        return f"(there is no log {log})"
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join([f"last lines of {log}:", *lines[-LOG_TAIL_LINES:]])
