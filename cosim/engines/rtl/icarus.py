"""The same bench in Icarus Verilog, where that is installed: a second opinion, so that nothing rests on one simulator.

It is a hundred times slower than Verilator on the full chip, and good enough for the small one.
"""

import os
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

import cocotb_tools.config

from cosim.engines.rtl.build import BuildError, Reporter, bench_sources, run_tool
from cosim.engines.rtl.cache import cached
from cosim.engines.rtl.simulator import Simulator
from cosim.files.digest import digest
from rtl.config import ChipConfig
from rtl.isa import RAMP_LATENCY

__all__ = ["build_icarus"]


def build_icarus(config: ChipConfig, quiet: bool = False) -> Simulator:
    """Icarus simulator of a chip in its test bench; the test bench drives the clock.

    Raises
    ------
    BuildError
        If Icarus is not installed or refuses the Verilog.
    """
    compiler, runtime = shutil.which("iverilog"), shutil.which("vvp")
    if compiler is None or runtime is None:
        raise BuildError("Icarus Verilog (iverilog, vvp) is not on PATH; install it, e.g. `apt install iverilog`")
    reporter = Reporter(quiet)
    sources, parameters = bench_sources(config, reporter)
    release = subprocess.run([runtime, "-V"], capture_output=True, text=True).stdout
    flags = [
        *("-g2012", "-Wall", "-Wno-timescale", "-s", "bench", f"-DRAMP_LATENCY={RAMP_LATENCY}"),
        *(f"-Pbench.{name}={value}" for name, value in parameters.items()),
    ]
    key = digest(["icarus", release, version("cocotb"), *flags, *(source.read_bytes() for source in sources)])

    def make(directory: Path) -> None:
        command = [compiler, *flags, "-o", "bench.vvp", *map(str, sources)]
        with reporter.task("compiling bench with Icarus"):
            run_tool(command, directory / "compiler.log", directory, os.environ)

    entry = cached("simulators", key, make, lambda: reporter.say("(waiting for another process)"))
    library = cocotb_tools.config.lib_name_path("vpi", "icarus")
    # `-n`: a $finish or a signal ends the process instead of opening a prompt.
    command = (runtime, "-n", "-m", str(library), str(entry / "bench.vvp"))
    return Simulator(command, "bench", has_clock=False, delays_writes=False)
