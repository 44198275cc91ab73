"""Pages tell the truth: their Python runs as printed, their links lead somewhere, their commands exist."""

import ast
import doctest
import pkgutil
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from cosim.cli import main

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_FENCED = re.compile(r"^```.*?^```$", re.S | re.M)
_INLINE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
#: What begins a command, in a shell block or between backquotes; assignments may stand before it.
_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(duramesh|make|python3?)( .+|$)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in PAGES if ">>> " in text_of(page)], ids=name_of)
def test_examples_of_a_page_print_what_it_says(page: Path) -> None:
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried
    assert not failed


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    module, _, attribute = name.rpartition(".")
    try:
        if find_spec(name):
            return True
    except ModuleNotFoundError:  # the part before the last dot is no package
        pass
    if not module or not resolves(module):
        return False
    found = pkgutil.resolve_name(module)
    return hasattr(found, attribute) or attribute in getattr(found, "__annotations__", {})


def imported(page: Path) -> Iterator[str]:
    """Full names of what the Python blocks of a page import from this project."""
    for block in re.findall(r"^```python\n(.*?)^```$", text_of(page), re.S | re.M):
        for node in ast.walk(ast.parse("" if ">>> " in block else block)):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from (f"{node.module}.{one.name}" for one in node.names)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_names_in_the_code_is_there(page: Path) -> None:
    """Files and dotted names between backquotes, and what Python blocks import."""
    json = re.compile(r"^## JSON$.*?(?=^## |\Z)", re.S | re.M)
    keys = {
        text.strip("`") for part in json.findall(text_of(page)) for text in _INLINE.findall(part)
    }  # look like modules
    code = [text.strip("`") for text in _INLINE.findall(_FENCED.sub("", json.sub("", text_of(page))))]
    paths = [text for text in code if re.fullmatch(r"(?:rtl|analog_models|cosim|tests|docs)/[\w./-]*\w/?", text)]
    names = [
        text for text in code if re.fullmatch(r"(?:rtl|analog_models|cosim|tests)(?:\.\w+)+", text) and text not in keys
    ]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [name for name in (*names, *imported(page)) if not resolves(name)] == []


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as hosts of repositories make them: the second of a name has -1 behind it."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", _FENCED.sub("", text_of(page)), re.M):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)).lower().replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset(found) | frozenset(re.findall(r'<a id="([^"]+)">', text_of(page)))


def broken_links(page: Path) -> Iterator[str]:
    for target in _LINK.findall(_INLINE.sub("", _FENCED.sub("", text_of(page)))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert not list(broken_links(page))


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `two`, 3\n\n[a](#one-two-3) [b](#one) [c](page.md#one-two-3) [d](gone.md) `[e](code.md)`\n")
    assert list(broken_links(page)) == ["#one", "gone.md"]


def test_the_index_lists_every_page() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in _LINK.findall(text_of(index))}
    assert {page for page in DOCS.glob("*.md") if page != index} <= linked


def commands(page: Path) -> Iterator[str]:
    """Command lines of a page: those of its shell blocks, and those between backquotes."""
    text = text_of(page)
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.S | re.M)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    lines += re.findall(r"^    ((?:duramesh|make|python) .*)$", text, re.M)
    lines += [code.strip("`") for code in _INLINE.findall(_FENCED.sub("", text))]
    for line in lines:
        found = _COMMAND.fullmatch(line.split(" #")[0].strip())
        if found and "..." not in line:
            yield found[1] + found[2]


def mistake(command: str) -> str | None:
    """What is wrong with a command line, as far as one sees without running it."""
    program, *arguments = shlex.split(re.sub(r"[\[\]]", "", command))
    missing = [word for word in arguments if word.startswith("docs/") and not (ROOT / word).exists()]
    if missing:
        return f"no file {missing}"
    if program == "make":
        targets = re.findall(r"^(\w+):", text_of(ROOT / "Makefile"), re.M)
        unknown = [word for word in arguments if "=" not in word and word not in targets]
        return f"no target {unknown}" if unknown else None
    if program != "duramesh":
        if arguments[:1] != ["-m"]:
            return None
        return None if find_spec(arguments[1]) else f"no module {arguments[1]}"
    found: click.Command = main
    context = click.Context(main, info_name=program)
    while isinstance(found, click.Group) and arguments and arguments[0] in found.commands:
        name = arguments.pop(0)
        found = found.commands[name]
        context = click.Context(found, context, name)
    named = arguments and not arguments[0].startswith("-")
    if named and isinstance(found, click.Group) and not found.invoke_without_command:
        return f"no command {arguments[0]}"
    try:
        found.make_parser(context).parse_args(arguments)
    except click.UsageError as error:
        return error.format_message()
    return None


@pytest.mark.parametrize(
    ("page", "command"),
    [(page, command) for page in PAGES for command in dict.fromkeys(commands(page))],
    ids=lambda value: name_of(value) if isinstance(value, Path) else value,
)
def test_commands_of_a_page_exist(page: Path, command: str) -> None:
    """Every target, module, subcommand and option that a page shows."""
    assert mistake(command) is None


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("duramesh run x.toml --rutes r.svg", "--rutes"),
        ("duramesh rum x.toml", "rum"),
        ("duramesh run docs/examples/gone.toml", "gone.toml"),
        ("make kws ARGS=x qws", "qws"),
        ("python -m cosim.gone", "cosim.gone"),
    ],
)
def test_a_command_that_is_not_there_is_seen(command: str, wrong: str) -> None:
    assert wrong in (mistake(command) or "")


def test_commands_of_the_directed_page_are_found() -> None:
    """The blocks, the lines between backquotes, and no comment behind them."""
    assert "duramesh run FOLDER/pass-over.npz --engine golden --timeline -" in commands(DOCS / "directed.md")
    assert "make kws" in commands(ROOT / "README.md")


def test_the_glossary_is_in_alphabetical_order() -> None:
    words = re.findall(r"^\| ([^|]+?) \| ", text_of(DOCS / "glossary.md"), re.M)[1:]
    names = [re.sub(r"[^\w]", "", word.split(",")[0]).lower() for word in words if not word.startswith("---")]
    assert names == sorted(names)
