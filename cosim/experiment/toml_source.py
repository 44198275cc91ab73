"""A TOML file with the place of each value in it, for error messages.

`tomllib` reads the values, and has found every mistake in the syntax before the scanner here looks for places; the
scanner therefore takes valid TOML for granted.
"""

import re
import tomllib
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from cosim.files.errors import UserError

__all__ = ["TomlError", "TomlSource"]

#: Names of tables and keys, and numbers of array elements, from the top of the file.
Key = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BARE = re.compile(r"[^\s,\]}#][^,\]}#\n]*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = (
    re.compile(r"'''(?:.|\n)*?'{3,5}"),
    re.compile(r'"""(?:\\(?:.|\n)|[^\\])*?"{3,5}'),
    re.compile(r"'[^'\n]*'"),
    re.compile(r'"(?:\\.|[^"\\\n])*"'),
)
_ESCAPE = re.compile(r"\\(?:[ \t]*\n[ \t\n]*|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
#: TOML promises 64 bits, with a sign; seeds have them without one.
_LOWEST, _HIGHEST = -(1 << 63), (1 << 64) - 1
#: Characters with which none is written that has more.
_LONG = 16
#: Levels of tables and lists, of which an experiment has five.
_DEEPEST = 32
_SYNTAX = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class TomlError(UserError, ValueError):
    """A file is no TOML; the message begins with ``file:line:column``."""


@dataclass(frozen=True)
class TomlSource:
    """The text of a TOML file, its values, and where they are.

    Parameters
    ----------
    name : str
        Of the file, for messages.
    text : str
    values : dict
        As `tomllib` gives them.
    spans : dict of key path to (start, stop)
        Where in `text` each value is; of a table, its heading.
    """

    name: str
    text: str
    values: dict[str, Any]
    spans: dict[Key, tuple[int, int]]

    @classmethod
    def read(cls, path: Path) -> "TomlSource":
        """Read a file.

        Raises
        ------
        TomlError
            If it is no TOML, or no text.
        OSError
        """
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except UnicodeDecodeError as error:
            raise TomlError(f"{path} is no text in UTF-8 ({error.reason} at byte {error.start})") from None

    @classmethod
    def parse(cls, text: str, name: str) -> "TomlSource":
        """Read a text; `name` is for messages."""
        text = text.replace("\r\n", "\n")
        try:
            source = cls(name, text, tomllib.loads(text), _Scanner(text).run())
        except tomllib.TOMLDecodeError as error:
            message = str(error)
            place = _SYNTAX.search(message)
            line, column = (place[1], place[2]) if place and place[1] else _place(text, len(text))
            what = message[: place.start()] if place else message
            raise TomlError(f"{name}:{line}:{column}: not valid TOML: {what}") from None
        except RecursionError:
            raise TomlError(f"{name} is nested too deeply; expected at most {_DEEPEST} levels") from None
        except ValueError as error:  # Python reads no decimal number of thousands of digits
            raise TomlError(f"{name}: not valid TOML: {error}") from None
        for key, (start, stop) in source.spans.items():
            value = _value(source.values, key) if stop - start > _LONG else 0
            if isinstance(value, int) and not _LOWEST <= value <= _HIGHEST:
                raise TomlError(f"{source.place(*key)}: an integer of more than 64 bits; expected a smaller one")
        return source

    def place(self, *key: str | int) -> str:
        """``file:line:column`` of a value; of the nearest table around it if it is not there."""
        while key and key not in self.spans:
            key = key[:-1]
        line, column = _place(self.text, self.spans[key][0]) if key else (1, 1)
        return f"{self.name}:{line}:{column}"

    def place_within(self, key: Key, line: int, column: int) -> str:
        """``file:line:column`` of a place within a string, whose lines and columns count from 1."""
        start, stop = self.spans[key]
        offsets = _offsets(self.text[start:stop])
        lines = [0, *accumulate(len(part) for part in _value(self.values, key).splitlines(keepends=True))]
        index = min(lines[min(line, len(lines)) - 1] + column - 1, len(offsets) - 1)
        line, column = _place(self.text, start + offsets[index])
        return f"{self.name}:{line}:{column}"


def _value(values: Any, key: Key) -> Any:
    for name in key:
        values = values[name]
    return values


def _place(text: str, offset: int) -> tuple[int, int]:
    """(line, column) from 1."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _offsets(literal: str) -> list[int]:
    """Where each character of a string stands in its literal, quotes included; at last, where it ends."""
    quotes = 3 if literal[:3] in ("'''", '"""') else 1
    at, end = quotes, len(literal) - quotes
    if quotes == 3 and literal[at] == "\n":
        at += 1
    offsets = []
    while at < end:
        escape = _ESCAPE.match(literal, at) if literal[0] == '"' else None
        if escape is None or escape[0][1] not in " \t\n":  # a backslash at the end of a line stands for nothing
            offsets.append(at)
        at = escape.end() if escape else at + 1
    return [*offsets, end]


class _Scanner:
    """Walks valid TOML and notes where each value is."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.spans: dict[Key, tuple[int, int]] = {}
        self.counts: dict[Key, int] = {}  # elements of each array of tables

    def run(self) -> dict[Key, tuple[int, int]]:
        table: Key = ()
        while self.skip() < len(self.text):
            if self.text[self.at] == "[":
                table = self.heading()
            else:
                self.pair(table)
        return self.spans

    def skip(self) -> int:
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return self.at

    def take(self, mark: str) -> bool:
        """Whether `mark` comes next; it is passed over."""
        self.skip()
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) * found
        return found

    def heading(self) -> Key:
        start = self.at
        double = self.take("[[")
        if not double:
            self.take("[")
        table = self.resolved(self.keys(), start)
        if double:
            self.counts[table] = self.counts.get(table, -1) + 1
            self.spans.setdefault(table, (start, self.at))
            table = (*table, self.counts[table])
        self.take("]]" if double else "]")
        self.spans[table] = (start, self.at)
        return table

    def resolved(self, names: Key, start: int) -> Key:
        """A heading's names with the number of the last element behind each array of tables among them."""
        table: Key = ()
        for name in names[:-1]:
            table = (*table, name)
            self.spans.setdefault(table, (start, self.at))  # a table that only its parts have headings for
            if table in self.counts:
                table = (*table, self.counts[table])
        return (*table, names[-1])

    def keys(self) -> Key:
        names: list[str] = []
        while True:
            start = self.skip()
            if string := self.string():
                names += tomllib.loads(f"{string} = 0")
            else:
                match = _NAME.match(self.text, start)
                assert match is not None
                names.append(match[0])
                self.at = match.end()
            if not self.take("."):
                return tuple(names)
            if len(names) == _DEEPEST:
                raise RecursionError

    def pair(self, table: Key) -> None:
        start = self.skip()
        names = self.keys()
        for depth in range(1, len(names)):  # a dotted key makes tables
            self.spans.setdefault((*table, *names[:depth]), (start, self.at))
        self.take("=")
        self.value((*table, *names))

    def value(self, key: Key) -> None:
        if len(key) > _DEEPEST:
            raise RecursionError
        start = self.skip()
        if self.take("{"):
            while not self.take("}"):
                self.pair(key)
                self.take(",")
        elif self.take("["):
            number = 0
            while not self.take("]"):
                self.value((*key, number))
                self.take(",")
                number += 1
        elif not self.string():
            match = _BARE.match(self.text, start)
            assert match is not None
            self.at = match.end()
        self.spans[key] = (start, self.at)

    def string(self) -> str:
        """The string literal that comes next; empty if none does."""
        for pattern in _STRINGS:
            if match := pattern.match(self.text, self.at):
                self.at = match.end()
                return match[0]
        return ""
