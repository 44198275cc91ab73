"""The experiment of docs/experiments.md runs as it stands there, and prints what stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cosim.cli import main

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "experiments.md").read_text()


def block(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)[0]


@pytest.fixture
def first(tmp_path: Path) -> Path:
    path = tmp_path / "first.toml"
    path.write_text(block("toml"))
    return path


@pytest.mark.cosimulation
def test_example_prints_what_the_page_shows(first: Path) -> None:
    result = CliRunner().invoke(main, ["run", str(first)])
    assert result.exit_code == 0, result.output
    shown, printed = (
        [re.sub(r"[\d,]+ cycles/s", "... cycles/s", line).split() for line in text.splitlines()]
        for text in (block("text"), result.output)
    )
    assert shown == printed


@pytest.mark.cosimulation
def test_python_of_the_page_runs(first: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", block("python")],
        cwd=first.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout == "None\n"


def test_the_mistake_of_the_page(first: Path) -> None:
    first.write_text(first.read_text().replace("west_to_net", "wes_to_net"))
    result = CliRunner().invoke(main, ["run", str(first)])
    (message,) = re.findall(r"`(first\.toml:\d+:\d+: .*) \.\.\.`", PAGE)
    assert message in result.output


def test_routes_are_drawn(first: Path) -> None:
    picture = first.with_suffix(".svg")
    result = CliRunner().invoke(main, ["run", str(first), "--engine", "golden", "--routes", str(picture)])
    assert result.exit_code == 0, result.output
    assert "ILP W" in picture.read_text()
    wrong = CliRunner().invoke(main, ["run", str(first), "--engine", "golden", "--routes", str(first) + ".png"])
    assert wrong.exit_code == 2
    assert "end the name in .svg" in wrong.output
