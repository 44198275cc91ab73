"""What a command writes is neither what it reads nor written twice: seen before the work."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

__all__ = ["check_outputs"]


def check_outputs(reads: Iterable[Path] = ()) -> None:
    """Refuse a file that the command which is being run would write, if it reads it as well, or writes it twice.

    Which of its options and arguments are files, and which of these are read, their types say.

    Parameters
    ----------
    reads : iterable of Path
        More files that are read: those that an input names.

    Raises
    ------
    click.UsageError
        Naming both options and the file.
    """
    seen: dict[str | tuple[int, int], str] = {}
    named = [("a file that the input names", False, path) for path in reads]
    files = sorted([*named, *_files(click.get_current_context())], key=lambda file: file[1])  # what is read first
    for name, written, path in files:
        if path.exists() and not path.is_file():  # a folder takes many files, and a device anything
            continue
        file = _identity(path)
        if written and file in seen:
            raise click.UsageError(f"{name} and {seen[file]} are one file, {path}; give {name} another name")
        seen[file] = name


def _files(context: click.Context) -> Iterator[tuple[str, bool, Path]]:
    """(option or argument, whether it is written, path) of every file that the command was given."""
    for parameter in context.command.params:
        kind, value = parameter.type, context.params.get(parameter.name or "")
        if not isinstance(kind, click.Path) or not kind.file_okay or value is None:
            continue
        name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(context)
        for path in value if isinstance(value, tuple) else (value,):
            if str(path) != "-":
                yield name, not kind.exists, Path(path)


def _identity(path: Path) -> str | tuple[int, int]:
    """The same for all names of one file."""
    if path.exists():
        status = path.stat()
        return status.st_dev, status.st_ino
    return os.path.realpath(path)
