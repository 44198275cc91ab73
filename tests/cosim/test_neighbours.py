"""A user's own `rtl` or `analog_models` beside a script hides ours: the error says which hides which."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SCRIPT = f"""
import sys
sys.path.append({str(ROOT)!r})
import cosim.program
"""


def imported(folder: Path) -> str:
    """What an import of ours says in a script there; "" if nothing."""
    (folder / "script.py").write_text(_SCRIPT)
    return subprocess.run([sys.executable, "script.py"], cwd=folder, capture_output=True, text=True).stderr


@pytest.mark.parametrize("name", ["rtl", "analog_models"])
@pytest.mark.parametrize("kind", ["package", "module"])
def test_a_hidden_package(tmp_path: Path, name: str, kind: str) -> None:
    theirs = tmp_path / (f"{name}.py" if kind == "module" else f"{name}/__init__.py")
    theirs.parent.mkdir(exist_ok=True)
    theirs.write_text("")
    assert imported(tmp_path).splitlines()[-1] == (
        f"ImportError: the package {name} of duramesh in {ROOT / name} is hidden by {theirs}, which Python finds "
        "first; rename that, or start Python where it does not see it"
    )


def test_a_folder_of_files_hides_nothing(tmp_path: Path) -> None:
    """Such a folder, of Verilog say, is no package of its own, unless nothing else is."""
    (tmp_path / "rtl").mkdir()
    assert "ImportError" not in imported(tmp_path)
