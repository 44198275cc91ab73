"""What the command promises: exit 0 with a true result, or one clear line and another status; never a traceback."""

import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cosim.cli import INTERNAL_ERROR, main
from cosim.cli.shared import new_console, print_files, resumable, write_then_print
from cosim.files.archive import replacing, write_archive, write_text
from cosim.files.errors import OutputError, UserError

TRACEBACK = "Traceback (most recent call last)"
MAC = Path(__file__).parents[3] / "docs/examples/mac.toml"


@pytest.fixture
def failing() -> Iterator[dict[str, Any]]:
    """A command `duramesh fail` that raises what the test puts here as "error", or does what it puts as "action"."""
    given: dict[str, Any] = {}

    @main.command("fail", hidden=True)
    def fail() -> None:
        if "error" in given:
            raise given["error"]
        given["action"]()

    yield given
    del main.commands["fail"]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def shell(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run `command`, in which `duramesh` is this code's command."""
    script = f'set -o pipefail; duramesh() {{ "{sys.executable}" -m cosim.cli "$@"; }}; {command}'
    environment = {**os.environ, "PYTHONPATH": str(MAC.parents[2])}
    run = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, env=environment)
    output, errors = (text.decode(errors="backslashreplace") for text in (run.stdout, run.stderr))
    return subprocess.CompletedProcess(run.args, run.returncode, output, errors)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UserError("tile 40 is none of the 34"), 1, "Error: tile 40 is none of the 34\n"),
        (PermissionError(errno.EACCES, "Permission denied", "x.npz"), 1, "Error: x.npz: Permission denied\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device; is the disk full?"),
        (MemoryError("9 TiB"), 1, "out of memory (9 TiB)"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_what_is_no_bug_is_one_line(failing, error: BaseException, status: int, words: str) -> None:
    failing["error"] = error
    result = invoke("fail")
    assert result.exit_code == status
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_ctrl_c_that_a_class_in_the_making_wraps_is_still_one(failing) -> None:
    error = RuntimeError("Error calling __set_name__ on 'Field' instance 'g_max_us' in 'Pcm'")
    error.__cause__ = KeyboardInterrupt()  # Python before 3.12
    failing["error"] = error
    result = invoke("fail")
    assert (result.exit_code, result.stderr) == (130, "interrupted\n")


def test_a_bug_says_that_it_is_one(failing) -> None:
    failing["error"] = ZeroDivisionError("division by zero")
    result = invoke("fail")
    assert result.exit_code == INTERNAL_ERROR
    assert TRACEBACK in result.stderr
    assert "This is a bug of duramesh" in result.stderr


def test_debug_shows_where_an_error_arose(failing) -> None:
    failing["error"] = UserError("tile 40 is none of the 34")
    result = invoke("--debug", "fail")
    assert result.exit_code == 1
    assert TRACEBACK in result.stderr
    assert result.stderr.endswith("Error: tile 40 is none of the 34\n")


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("duramesh run mac.toml --engine twin > /dev/full", 1, "No space left on device"),
        ("duramesh run mac.toml --engine twin >&-", 0, ""),
        ("duramesh run mac.toml --engine twin --json out.json | head -0", None, ""),
        (r"cp mac.toml $'b\xff.toml'; duramesh run $'b\xff.toml' --engine twin", 0, ""),
        (r"duramesh run $'c\xff.toml'", 2, "does not exist"),
        (r"duramesh run mac.toml --engine twin --out $'\xff\xfe.json' && test -s $'\xff\xfe.json'", 0, ""),
        ("duramesh run mac.toml --engine twin --timeline mac.toml", 2, "is also what"),
        ("duramesh run mac.toml --engine twin --timeline ../here/mac.toml", 2, "is also what"),
        ("duramesh run mac.toml --engine twin --save mac.toml", 2, "end the name in .npz"),
        ("duramesh run mac.toml --engine twin --save x.npz --out ./x.npz", 2, "x.npz is also what"),
        (f"duramesh run mac.toml --engine twin --save {'n' * 256}.npz", 2, "File name too long"),
        (f"duramesh run mac.toml --engine twin --save {'n' * 251}.npz", 0, ""),
        ("duramesh run mac.toml --engine twin --save /proc/x.npz", 1, "/proc/x.npz cannot be written"),
        ("PYTHONIOENCODING=ascii duramesh kws --help", 0, ""),
    ],
)
def test_standard_output_and_names(tmp_path: Path, command: str, status: int | None, words: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "mac.toml").write_bytes(MAC.read_bytes())
    result = shell(command.replace("--json out.json", "--out out.json"), folder)
    assert status in (None, result.returncode), result
    assert words in result.stderr
    assert TRACEBACK not in result.stderr
    assert (folder / "mac.toml").read_bytes() == MAC.read_bytes()
    if "out.json" in command:
        assert (folder / "out.json").stat().st_size  # files first, then print


@pytest.mark.parametrize(("number", "status"), [("TERM", 143), ("HUP", 129)])
def test_a_signal_leaves_nothing_half_written(tmp_path: Path, failing, number: str, status: int) -> None:
    out = tmp_path / "out"

    def write() -> None:
        with replacing(out) as part:
            part.write_text("half")
            signal.raise_signal(getattr(signal, f"SIG{number}"))

    failing["action"] = write
    before = signal.getsignal(getattr(signal, f"SIG{number}"))
    assert invoke("fail").exit_code == status
    assert not list(tmp_path.iterdir())
    assert signal.getsignal(getattr(signal, f"SIG{number}")) is before


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_an_interrupt_in_a_finaliser_is_not_lost(failing, error: BaseException, status: int) -> None:
    """Python ignores what a finaliser raises, and whichever finaliser runs when the signal arrives has that luck."""

    class Finalised:
        def __del__(self) -> None:
            raise error

    def work() -> None:
        Finalised()
        for _ in range(600):
            time.sleep(0.1)

    failing["action"] = work
    before = sys.unraisablehook
    result = invoke("fail")
    assert result.exit_code == status, result.output
    assert sys.unraisablehook is before


def test_a_warning_is_one_line(failing) -> None:
    failing["action"] = lambda: warnings.warn("the cache is elsewhere", UserWarning, stacklevel=1)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        result = invoke("fail")
    assert result.stderr == "warning: the cache is elsewhere\n"


def test_two_outputs_of_one_option_differ(tmp_path: Path) -> None:
    result = invoke("run", str(MAC), "--engine", "twin", f"--out={tmp_path}/a.json", f"--out={tmp_path}/a.json")
    assert result.exit_code == 2
    assert "a.json" in result.stderr


@pytest.mark.parametrize("command", ["asm", "disasm", "run"])
def test_an_input_that_never_ends_is_refused(command: str) -> None:
    result = invoke(command, "/dev/full")
    assert result.exit_code == 2
    assert "/dev/full: a device, which may never end; expected a file" in result.stderr


def test_names_are_no_markup(capsys) -> None:
    console = new_console()
    console.print("[/x] and [train]", style="bold")
    print_files(console, {"the_json": "[/x]/[red]r.json"})
    assert capsys.readouterr().out == "[/x] and [train]\nthe json: [/x]/[red]r.json\n"


def blocked(folder: Path) -> Path:
    """A place where nothing can be written: below a file."""
    (folder / "file").write_text("")
    return folder / "file" / "x"


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_text(path, "x"),
        lambda path: write_archive(path, "duramesh test", 1, {}, {}),
        lambda path: replacing(path).__enter__(),
    ],
)
def test_an_output_that_cannot_be_written_is_named(tmp_path: Path, write) -> None:
    path = blocked(tmp_path)
    with pytest.raises(OutputError, match=r"file.x cannot be written: (Not a directory|File exists)"):
        write(path)


def test_a_file_that_cannot_be_written_loses_neither_the_others_nor_the_results(tmp_path: Path, capsys) -> None:
    """Of what took hours."""
    files = {
        "first": (blocked(tmp_path), lambda path: write_text(path, "x")),
        "second": (tmp_path / "second", lambda path: write_text(path, "y")),
        "third": (None, lambda path: write_text(path, "z")),
    }
    with pytest.raises(OutputError, match=r"file.x cannot be written"):
        write_then_print(files, lambda console: console.print("88 % of 2,718"))
    assert (tmp_path / "second").read_text() == "y"
    assert capsys.readouterr().out == f"88 % of 2,718\nsecond: {tmp_path / 'second'}\n"


@pytest.mark.parametrize(
    ("how", "said"), [(KeyboardInterrupt(), "interrupted"), (SystemExit(143), "ended by a signal")]
)
@pytest.mark.parametrize("kept", [True, False])
def test_who_ends_work_hears_what_is_kept(tmp_path: Path, capsys, how: BaseException, said: str, kept: bool) -> None:
    if kept:
        (tmp_path / "part").touch()
    with pytest.raises((click.exceptions.Exit, SystemExit)) as ended, resumable(tmp_path):
        raise how
    assert getattr(ended.value, "exit_code", getattr(ended.value, "code", 0)) in (130, 143)
    rest = f"; what is done is kept in {tmp_path}, the same command goes on" if kept else ""
    assert capsys.readouterr().err == f"{said}{rest}\n"


def test_verilog_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tile.v").mkdir()
    result = invoke("verilog", "--preset", "small", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert f"Error: {tmp_path / 'tile.v'} cannot be written: it is a folder" in result.stderr


def test_a_missing_folder_is_made_and_any_name_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a" / os.fsdecode(b"b\xff") / ("n" * 250 + ".txt")
    write_text(path, os.fsdecode(b"c\xff"))
    assert path.read_bytes() == b"c\xff"
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_every_own_error_is_for_the_user() -> None:
    """Whoever adds a kind of error says by its base whether a user can mend it."""
    import importlib
    import pkgutil

    import cosim

    inside = {"SolverTimeout", "Unavailable", "JobLost"}  # caught where they arise
    named = set()
    for module in pkgutil.walk_packages(cosim.__path__, "cosim."):
        if "training" in module.name or module.name.endswith(("__main__", "testbench")):
            continue  # these need torch, are commands, or run inside a simulator
        for kind in vars(importlib.import_module(module.name)).values():
            own = isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__.startswith("cosim")
            if own and not issubclass(kind, (UserError, click.ClickException, Warning)):
                named.add(kind.__name__)
    assert named == inside
