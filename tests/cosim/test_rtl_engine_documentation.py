"""The example of docs/testbench.md runs as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.cosimulation
def test_example_of_the_test_bench_page(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    (example,) = re.findall(r"```python\n(.*?)```", (root / "docs/testbench.md").read_text(), re.S)
    (tmp_path / "example.py").write_text(example)
    process = subprocess.run(
        [sys.executable, tmp_path / "example.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), **os.environ},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert "TESTS=2 PASS=2" in (tmp_path / "sim.log").read_text()
