"""What the commands share: kinds of paths, progress, where results are printed."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

__all__ = [
    "DRAWING",
    "FILE",
    "FOLDER",
    "INPUT",
    "OUTPUT",
    "OUTPUT_FILE",
    "OUTPUT_FOLDER",
    "OUTPUT_OR_PRINTED",
    "PLOT",
    "SEED",
    "FormattedFile",
    "NamedFile",
    "Task",
    "WrittenFile",
    "new_console",
    "new_progress",
    "print_files",
    "resumable",
    "write_then_print",
]

#: Where the context of a command keeps which option names which file: {real path: (option, is it an output)}.
_NAMED = "cosim.cli.named"


class _Path(click.Path):
    """A path, checked before the work: no output is an input, or another output."""

    is_output = False

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if self.allow_dash and value == "-":
            return Path(value)
        if not value:
            self.fail("expected a name, got none", param, ctx)
        try:
            path = Path(os.fsdecode(super().convert(value, param, ctx)))
            self._check(path)
            place = os.path.realpath(path)
        except (OSError, ValueError) as error:  # a name that is too long, has a null character
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.fail(f"{Path(os.fsdecode(value))}: {reason}", param, ctx)
        if ctx is not None and param is not None:
            named = ctx.meta.setdefault(_NAMED, {})
            other, written = named.get(place, ("", False))
            if written or (other and self.is_output):
                self.fail(f"{path} is also what {other} names; give another name", param, ctx)
            named[place] = param.get_error_hint(ctx), self.is_output
        return path

    def _check(self, path: Path) -> None:
        """Raise an error if the file cannot be: a device other than a terminal or /dev/null may never end."""
        if path.is_char_device() and not os.path.realpath(path).startswith((os.devnull, "/dev/pts/", "/dev/tty")):
            raise ValueError("a device, which may never end; expected a file")


class _Output(_Path):
    """A path that will be written: there is a place for it."""

    is_output = True

    def _check(self, path: Path) -> None:
        place = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if place != path and not (place.is_dir() and os.access(place, os.W_OK)):
            raise OSError(0, f"{place} is no folder that can be written to")


class NamedFile(_Path):
    """A file that is read, or one of some words instead of it; text in both cases."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(path_type=Path)
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, or the path as it was given."""
        return value if value in self._words else str(super().convert(value, param, ctx))


class FormattedFile(_Output):
    """A file that will be written, in one of the formats that there are: what its name ends in."""

    def __init__(self, what: str, *suffixes: str) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)
        self._what, self._suffixes = what, suffixes

    def _check(self, path: Path) -> None:
        super()._check(path)
        if path.suffix not in self._suffixes:
            raise ValueError(f"no {self._what} format {path.suffix!r}; end the name in {' or '.join(self._suffixes)}")


FOLDER = _Path(exists=True, file_okay=False, path_type=Path)
FILE = _Path(exists=True, dir_okay=False, path_type=Path)
INPUT = _Path(exists=True, path_type=Path)
OUTPUT = _Output(path_type=Path)
OUTPUT_OR_PRINTED = _Output(allow_dash=True, path_type=Path)
OUTPUT_FILE = _Output(dir_okay=False, writable=True, path_type=Path)
OUTPUT_FOLDER = _Output(file_okay=False, writable=True, path_type=Path)
#: What matplotlib draws, and what is SVG by nature.
PLOT, DRAWING = FormattedFile("picture", ".png", ".svg", ".pdf"), FormattedFile("picture", ".svg")

#: Where there is no terminal, how far long work is is said so often, in seconds.
_SAID_EVERY_S = 60.0

#: A file, if it is asked for, and how to write it.
WrittenFile = tuple[Path | None, Callable[[Path], object]]

#: Seeds key the noise with 64 bits.
SEED = click.IntRange(0, (1 << 64) - 1)


class Task:
    """What is being done, and how much of it: a bar on a terminal, lines elsewhere."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)
        self._said = -_SAID_EVERY_S

    def __call__(self, text: str) -> None:
        self._bar.update(self._task, description=text, completed=0, total=None)
        if not self._bar.console.is_terminal:
            self._bar.console.print(f"{text} ...")

    def describe(self, text: str, done: int, total: int) -> None:
        """Change the words, and how far it is."""
        self._bar.update(self._task, description=text, completed=done, total=total)

    def paced(self, text: str, done: int, total: int) -> None:
        """Say how far it is and how fast: on a terminal always, elsewhere a line a minute."""
        self.describe(text, done, total)
        if not self._bar.console.is_terminal and monotonic() - self._said > _SAID_EVERY_S:
            self._said = monotonic()
            self._bar.console.print(f"{done} of {total}; {text}" if total else text)

    def advance(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While something else has a display of its own."""
        self._bar.stop()
        yield
        self._bar.start()


@contextmanager
def resumable(folder: Path | None, bar: Progress | None = None) -> Iterator[None]:
    """Work that keeps what is done in a folder: when it is interrupted or ended by a signal, that is said.

    Parameters
    ----------
    folder : Path, optional
        As long as nothing is in it, nothing is kept.
    bar : Progress, optional
        Of the work; it ends as well.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        if bar is not None:
            bar.stop()
        what = "interrupted" if isinstance(end, KeyboardInterrupt) else "ended by a signal"
        with suppress(OSError):  # whoever hung up does not read it
            kept = folder is not None and folder.is_dir() and any(folder.iterdir())
            rest = f"; what is done is kept in {folder}, the same command goes on" if kept else ""
            click.echo(f"{what}{rest}", err=True)
        if isinstance(end, SystemExit):
            raise
        raise click.exceptions.Exit(130) from None


def print_files(console: Console, files: Mapping[str, str]) -> None:
    """Say where each file is, {what: path}."""
    for what, path in files.items():
        console.print(Text.assemble((what.replace("_", " "), "bold"), f": {path}"), soft_wrap=True)


def write_then_print(files: Mapping[str, WrittenFile], show: Callable[[Console], object]) -> None:
    """Write the files that have a path, {what: (path, how to write it)}; then print results, and where the files are.

    So a closed pipe loses no file, and a file that cannot be written loses neither the others nor what is printed.

    Raises
    ------
    UserError
        Of the first file that could not be written, or not in its format, when all else is done.
    """
    from cosim.files.errors import UserError

    written, problems = {}, []
    for what, (path, write) in files.items():
        if path is not None:
            try:
                write(path)
                written[what] = str(path)
            except UserError as error:
                problems.append(error)
    console = new_console()
    show(console)
    print_files(console, written)
    if problems:
        raise problems[0]


def new_console() -> Console:
    """Results on stdout; wide enough for the table where there is no terminal to fit.

    Nothing in a text is markup, for a user's names may be part of it: styles are given as arguments.
    """
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console(width=None if terminal else 140, highlight=False, markup=False)


def new_progress() -> Progress:
    """Progress on stderr, so that stdout holds results only."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True, markup=False), transient=True)
