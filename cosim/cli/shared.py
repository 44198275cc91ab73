"""What the commands share: kinds of paths, progress, where results are printed."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = [
    "DEVICES",
    "DEVICES_OPTION",
    "FILE",
    "FOLDER",
    "INPUT",
    "OUTPUT",
    "OUTPUT_FILE",
    "OUTPUT_FOLDER",
    "Task",
    "new_console",
    "new_progress",
    "print_files",
]

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
INPUT = click.Path(exists=True, path_type=Path)


class _Output(click.Path):
    """A path that will be written, checked before the work and not after it: there is a place for it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        place = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
        if place != path and not (place.is_dir() and os.access(place, os.W_OK)):
            self.fail(f"{path}: {place} is no folder that can be written to", param, ctx)
        return path


OUTPUT = _Output(path_type=Path)
OUTPUT_FILE = _Output(dir_okay=False, writable=True, path_type=Path)
OUTPUT_FOLDER = _Output(file_okay=False, writable=True, path_type=Path)

#: Names of the models of PCM devices, as in `DEVICE_MODELS`, which would load numpy for --help; a test compares.
DEVICES = click.Choice(["pcm", "hermes"])
DEVICES_OPTION = click.option(
    "--devices",
    type=DEVICES,
    default="pcm",
    show_default=True,
    help="Model of the PCM devices: aihwkit's fit to an earlier generation, or to a 14-nm chip.",
)


class Task:
    """What is being done, and how much of it: a bar on a terminal, lines elsewhere."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def __call__(self, text: str) -> None:
        self._bar.update(self._task, description=text, completed=0, total=None)
        if not self._bar.console.is_terminal:
            self._bar.console.print(f"{text} ...")

    def describe(self, text: str, done: int, total: int) -> None:
        """Change the words, and how far it is."""
        self._bar.update(self._task, description=text, completed=done, total=total)

    def advance(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While something else has a display of its own."""
        self._bar.stop()
        yield
        self._bar.start()


def print_files(console: Console, files: Mapping[str, str]) -> None:
    """Say where each file is, {what: path}."""
    for what, path in files.items():
        console.print(f"[bold]{what.replace('_', ' ')}[/]: {path}", soft_wrap=True)


def new_console() -> Console:
    """Results on stdout; wide enough for the table where there is no terminal to fit."""
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False)


def new_progress() -> Progress:
    """Progress on stderr, so that stdout holds results only."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
