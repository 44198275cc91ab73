"""Hostile command lines: whatever the options and files are, a command ends with 0, 1 or 2, never with a traceback."""

from contextlib import suppress
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cosim.cli import main

EXAMPLES = sorted((Path(__file__).parents[3] / "docs/examples").glob("*.toml"))
NUMBERS = ["-1", "0", "1", "05", "1.5", "nan", "inf", "1e400", "0x_", str(2**63), str(2**64), "9" * 5000, "१२"]
TEXTS = ["", " ", "-", "--", "[/x]", "[bold", "\udcff", "\0", "TILE 99", "ILP -1", "a" * 300, "é\n"]
PLACES = [
    "/",
    "/dev/null",
    "/dev/full",
    "/proc/self/mem",
    "/proc/x",
    ".",
    "..",
    "file",
    "file/x",
    "folder",
    "new/x.npz",
]
SUFFIXES = ["x.npz", "new/x.npz", "x.json", "x.csv", "x.svg", "x.html", "x.toml", "x"]
VALUES = [*NUMBERS, *TEXTS, *PLACES, *SUFFIXES, "small", "twin", "golden", "hermes"]
#: Commands that are quick whatever they are given; of the others only the command line is read.
WHOLE = ("run", "asm", "disasm", "view")
#: Every command that takes options, those within others included.
COMMANDS = {
    " ".join([name, *inner]): command
    for name, outer in main.commands.items()
    for inner, command in [
        ((), outer),
        *(((inner,), command) for inner, command in getattr(outer, "commands", {}).items()),
    ]
    if any(isinstance(item, click.Option) for item in command.params)
}
LIMITS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def options(command: click.Command) -> "st.SearchStrategy[list[str]]":
    """Command lines of `command`: some of its options, each with a hostile value, and as many arguments."""
    names = [item.opts[0] for item in command.params if isinstance(item, click.Option) and not item.is_flag]
    flags = [item.opts[0] for item in command.params if isinstance(item, click.Option) and item.is_flag]
    value = st.sampled_from(VALUES)
    given_ = st.lists(st.tuples(st.sampled_from(names), value).map("=".join), max_size=4)
    switched = st.lists(st.sampled_from(flags), max_size=2) if flags else st.just([])
    return st.tuples(given_, switched, st.lists(value, max_size=2)).map(lambda parts: [*parts[0], *parts[1], *parts[2]])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with something of each kind."""
    (tmp_path / "file").write_bytes(b"\x00PK\x03\x04\xff" * 9)
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.toml").write_text("x" * 9)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize("name", WHOLE)
@settings(LIMITS, max_examples=400)
@given(data=st.data())
def test_no_command_line_ends_in_a_traceback(folder: Path, name: str, data: st.DataObject) -> None:
    arguments = data.draw(options(main.commands[name]))
    if data.draw(st.booleans()):
        arguments.append(str(data.draw(st.sampled_from(EXAMPLES))))
    if name == "view":
        arguments.append("--no-open")
    if name == "run":
        arguments.append("--engine=twin")
    result = CliRunner().invoke(main, [name, *arguments])
    assert result.exit_code in (0, 1, 2), (arguments, result.output)


@pytest.mark.parametrize("name", sorted(COMMANDS))
@settings(LIMITS, max_examples=100)
@given(data=st.data())
def test_every_command_line_is_read_or_refused(folder: Path, name: str, data: st.DataObject) -> None:
    command = COMMANDS[name]
    with suppress(click.ClickException, click.exceptions.Exit):
        command.make_context(name, data.draw(options(command)))
