"""Values of a TOML file, each checked as it is read; mistakes carry the place where they are made."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import NpzError, read_npy
from analog_models.values import shown
from cosim.experiment.experiment import ExperimentError
from cosim.experiment.toml_source import Key, TomlSource
from cosim.isa.numbers import NumberError, parse_ranges
from cosim.isa.words import nearest

__all__ = ["TomlValues", "dotted", "is_array_file"]


class TomlValues:
    """Values of a file by their key path.

    Parameters
    ----------
    source : TomlSource
    folder : Path
        Where the files lie that it names.

    Raises
    ------
    ExperimentError
        From every method, with ``file:line:column``, if the value is not what it should be.
    """

    def __init__(self, source: TomlSource, folder: Path) -> None:
        self.source, self.folder = source, folder
        self.files: list[Path] = []  #: that were named

    def error(self, key: Key, message: str) -> ExperimentError:
        """What to raise about a value."""
        return ExperimentError(f"{self.source.place(*key)}: {message}")

    def get(self, key: Key) -> Any:
        value: Any = self.source.values
        for name in key:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def known(self, key: Key, table: Any, names: Sequence[str]) -> None:
        """Make sure that `table` is one, and has no other names."""
        if not isinstance(table, dict):
            raise self.error(key, f"{dotted(key)} must be a table")
        for name in table:
            if name not in names:
                raise self.error((*key, name), f"unknown key {shown(name)}{_of(key)}; {nearest(name, names)}")

    def number(self, key: Key, default: int, low: int) -> int:
        value = self.get(key)
        if value is None:
            return default
        if type(value) is not int or value < low:
            raise self.error(key, f"{dotted(key)} must be a whole number, {low} or more, got {shown(value)}")
        return value

    def text(self, key: Key, default: str) -> str:
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(key, f"{dotted(key)} must be a string, got {shown(value)}")
        return default if value is None else value

    def choice(self, key: Key, value: Any, choices: Sequence[str]) -> str:
        if value not in choices:
            raise self.error(key, f"{dotted(key)} must be one of {', '.join(choices)}, got {shown(value)}")
        return value

    def numbers(self, key: Key, value: Any, count: int, what: str) -> Iterator[int]:
        """Numbers 0 to `count` - 1 from "0-3, 8", 5, or a list of such things."""
        for part in value if isinstance(value, list) else [value]:
            if type(part) is int:
                part = str(part)
            if not isinstance(part, str):
                raise self.error(key, f"{shown(part)} is no {what}; expected numbers or ranges like '0-3, 8'")
            try:
                for first, last in parse_ranges(part):
                    if last >= count:
                        raise self.error(key, f"there is no {what} {last}: there are 0 to {count - 1}")
                    yield from range(first, last + 1)
            except NumberError as error:
                raise self.error(key, f"{what}s: {error}") from None

    def path(self, key: Key, name: Any) -> Path:
        if not isinstance(name, str):
            raise self.error(key, f"{dotted(key)} must be the name of a file, got {shown(name)}")
        path = self.folder / name
        try:
            there = path.is_file()
        except (OSError, ValueError):  # no name that a file system takes
            there = False
        if not there:
            raise self.error(key, f"there is no file {path}")
        self.files.append(path)
        return path

    def content(self, key: Key, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self.error(key, f"{path} cannot be read: {error}") from None

    def array(self, key: Key, name: str) -> NDArray:
        """Numbers from a .csv (rows, columns) or .npy file."""
        path = self.path(key, name)
        if path.suffix == ".csv":
            return self.table(key, path)
        try:
            array = read_npy(path)
        except (NpzError, OSError) as error:
            raise self.error(key, f"{path} holds no array, or only part of one ({error}); use numpy.save") from None
        if array.dtype.kind not in "biuf":
            raise self.error(key, f"{path} holds {array.dtype}; expected numbers")
        return array

    def table(self, key: Key, path: Path) -> NDArray[np.float64]:
        rows: list[list[float]] = []
        for number, line in enumerate(self.content(key, path).splitlines(), start=1):
            if not line:
                continue
            row: list[float] = []
            column = 1
            for cell in line.split(","):
                try:
                    row.append(float(cell))
                except ValueError:
                    what = f"{cell.strip()!r} is no number; expected numbers with commas between them"
                    raise ExperimentError(f"{path}:{number}:{column}: {what}") from None
                column += len(cell) + 1
            if rows and len(row) != len(rows[0]):
                raise ExperimentError(f"{path}:{number}:1: {len(row)} numbers, the rows above have {len(rows[0])}")
            rows.append(row)
        return np.array(rows, np.float64).reshape(len(rows), -1 if rows else 0)


def is_array_file(value: Any) -> bool:
    """Whether a value names a file with numbers."""
    return isinstance(value, str) and Path(value).suffix in (".csv", ".npy")


def dotted(key: Key) -> str:
    """A key path as one writes it."""
    return ".".join(map(str, key))


def _of(key: Key) -> str:
    return f" of {dotted(key)}" if key else ""
