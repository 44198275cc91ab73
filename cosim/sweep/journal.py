"""Points that are done, line by line: what a killed sweep goes on from."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from cosim.files.archive import write_text
from cosim.files.digest import digest
from cosim.files.errors import OutputError
from cosim.files.json_text import JsonError, from_json, to_json
from cosim.files.typed import typed
from cosim.sweep.points import Cell

__all__ = ["Done", "Journal"]

#: In every line, of the others of its members.
_DIGEST = "digest"


@dataclass(frozen=True)
class Done:
    """A point that is done.

    Parameters
    ----------
    point : str
        Its key.
    values : mapping of str to number or text
        What was measured there; None where a figure does not exist.
    host : str
        Where it was done.
    wall_s, cpu_s : float
        How long it took there.
    """

    point: str
    values: Mapping[str, Cell]
    host: str
    wall_s: float
    cpu_s: float


class Journal:
    """A file with a line of JSON for each point that is done; lines that are torn or were changed are no points.

    Parameters
    ----------
    path : Path
        In a folder that this process has to itself.

    Members
    -------
    found : dict of str to Done
        What earlier runs have done, by key.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.found: dict[str, Done] = {}
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(f"{path} cannot be read: {error.strerror or error}") from None
        for line in raw.splitlines():
            try:
                done = _read(line)
            except JsonError:
                continue  # torn, by a kill or a full disk, or changed: this point is done again
            self.found[done.point] = done
        text = "".join(map(_line, self.found.values()))
        if raw != text.encode():  # also where only a line's end is missing, which the next one would be appended to
            write_text(path, text)

    def add(self, done: Done) -> None:
        """Keep a point, on the disk when this returns.

        Raises
        ------
        OutputError
            If it cannot be written; what was there before stays.
        """
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_line(done))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {error.strerror or error}") from error


def _line(done: Done) -> str:
    plain = asdict(done)
    return to_json({**plain, _DIGEST: digest([to_json(plain)])}) + "\n"


def _read(line: bytes) -> Done:
    plain = from_json(line)
    if not isinstance(plain, dict) or plain.pop(_DIGEST, None) != digest([to_json(plain)]):
        raise JsonError("another line than was written")
    return typed(Done, plain)
