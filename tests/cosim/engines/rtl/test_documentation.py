"""The examples of docs/testbench.md and docs/compiler.md run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

pytestmark = pytest.mark.cosimulation


def run_example(page: str, folder: Path) -> str:
    """What the page's only Python example prints, run as a user would, in a folder of its own."""
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
    (folder / "example.py").write_text(example)
    process = subprocess.run(
        [sys.executable, folder / "example.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), **os.environ},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_example_of_the_test_bench_page(tmp_path: Path) -> None:
    run_example("testbench.md", tmp_path)
    assert "TESTS=2 PASS=2" in (tmp_path / "sim.log").read_text()


def test_example_of_the_compiler_page(tmp_path: Path) -> None:
    *programming, correlation = run_example("compiler.md", tmp_path).splitlines()
    assert "within 20 %" in " ".join(programming)
    assert float(correlation) > 0.9
    assert "== TILE 0 ==" in (tmp_path / "program.lst").read_text()
