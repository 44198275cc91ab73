"""The page of the operators is what their docstrings say, and leaves none out."""

import inspect
import pkgutil
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner

from cosim.graph import Operator, operators
from cosim.graph.operators_page import main, operators_page

PAGE = Path(__file__).parents[3] / "docs" / "operators.md"
MODULES = [name for _, name, _ in pkgutil.iter_modules(operators.__path__)]
KINDS = [
    kind
    for name in MODULES
    for kind in vars(import_module(f"cosim.graph.operators.{name}")).values()
    if isinstance(kind, type) and issubclass(kind, Operator) and is_dataclass(kind) and not inspect.isabstract(kind)
]


def test_the_committed_page_is_what_the_code_generates() -> None:
    told = "docs/operators.md is stale: run `python -m cosim.graph.operators_page --out docs/operators.md`"
    assert PAGE.read_text(encoding="utf-8") == operators_page(), told


@pytest.mark.parametrize("kind", sorted(set(KINDS), key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_every_operator_is_on_the_page_and_says_how_it_is_counted(kind: type) -> None:
    (line,) = [line for line in operators_page().splitlines() if line.startswith(f"- **{kind.__name__}**")]
    module = inspect.getdoc(inspect.getmodule(kind)) or ""
    assert any(word in f"{line} {module}" for word in ("peration", "for each number", "for each vector"))


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["--out", str(tmp_path / "page.md")]).exit_code == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == CliRunner().invoke(main).output
