"""Prints docs/operators.md: every operator of the host, and how its operations are counted, from the docstrings."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import click

from cosim.files.archive import write_text
from cosim.graph import graph, linear, operators
from cosim.graph.operator import Operator

__all__ = ["operators_page"]

_HEAD = """<!-- From docstrings, by `python -m cosim.graph.operators_page --out docs/operators.md`; edit there. -->
# Operators of the host

What a node of a [graph](graph.md) can be, in numpy with float32. Operations are counted as the host's vector unit does
them, one for each number: an addition, a multiplication, a division, a comparison, a root, an exponential, a tanh, an
erf is one. Moving numbers is none. Only `Linear` may go onto a chip.
"""


def operators_page() -> str:
    """The page."""
    modules = [linear, graph, *(getattr(operators, name) for name in operators.__all__)]
    return _HEAD + "".join(section for module in modules if (section := _section(module)))


def _section(module: ModuleType) -> str:
    entries = [_entry(kind) for kind in _kinds(module)]
    if not entries:
        return ""
    title = module.__name__.removeprefix("cosim.graph.").replace("operators.", "")
    return f"\n## {title}\n\n{_said(module)}\n\n{''.join(entries)}"


def _kinds(module: ModuleType) -> Iterator[type[Operator]]:
    """Operators that a module defines, as they stand there."""
    for kind in vars(module).values():
        if not (isinstance(kind, type) and issubclass(kind, Operator)):
            continue
        if kind.__module__ == module.__name__ and is_dataclass(kind) and not inspect.isabstract(kind):
            yield kind


def _entry(kind: type) -> str:
    names = ", ".join(item.name for item in fields(kind) if item.init) if is_dataclass(kind) else ""
    return f"- **{kind.__name__}**{f' ({names})' if names else ''}: {_said(kind)}\n"


def _said(what: type | ModuleType) -> str:
    """The first paragraph of a docstring, and those about inputs, outputs and operations."""
    text = inspect.getdoc(what) or ""
    first, *others = re.split(r"\n\n", re.split(r"\n\n\w+\n---", text)[0])
    told = [first, *(part for part in others if re.match(r"(Inputs?|Outputs?|Operations)\b", part))]
    plain = " ".join(" ".join(told).split())
    return plain.replace("``", "`").replace("::", ":").replace("*", r"\*")


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the page there.")
def main(out: Path | None) -> None:
    """Write the page of the operators."""
    text = operators_page()
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)


if __name__ == "__main__":
    main()
