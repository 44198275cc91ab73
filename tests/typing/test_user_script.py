"""The user's script with types runs; `make lint` checks its types."""

import runpy
from pathlib import Path

import pytest


def test_the_script_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(Path(__file__).with_name("user_script.py")), run_name="__main__")
    assert "west_to_net=all" in capsys.readouterr().out
