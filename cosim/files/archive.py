"""Arrays and a JSON header in one npz file without pickle: how programs, experiments and records are stored.

A file appears complete and under its final name, or not at all: what stood there before stays until then.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import ArraySpec, NpzError, check_arrays, read_npz
from cosim.files.digest import digest
from cosim.files.errors import OutputError, UserError
from cosim.files.json_text import from_json, to_json

__all__ = [
    "ArchiveError",
    "archive_format",
    "load_archive",
    "read_archive",
    "read_arrays",
    "remove_parts",
    "replacing",
    "write_archive",
    "write_arrays",
    "write_text",
]

T = TypeVar("T")

_HEADER = "meta"
#: What building something from a file raises where the file does not hold it.
_REFUSED = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


class ArchiveError(UserError, ValueError):
    """A file is not what it should be, or only part of it; the message says which file."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`: renamed to it when the block ends, removed if the block raises.

    A folder that is missing is made. A link stays one: what it points to is written. Devices and pipes, such as
    ``/dev/null``, cannot be replaced: their own path is given.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if path.is_dir():
        raise OutputError(f"{path} cannot be written: it is a folder; give the name of a file")
    place = Path(os.path.realpath(path))
    replaced = place.is_file() or not place.exists()
    # Two processes, or threads, may write the same file; a name may be as long as the file system takes.
    part = place.with_name(f".{digest([place.name])}.{os.getpid()}.{threading.get_ident():x}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield part if replaced else place
        if replaced:
            os.replace(part, place)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove temporary files that killed processes have left; nobody else may be writing into the folder."""
    for part in folder.rglob(".*.part"):
        with suppress(OSError):
            part.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all; names of files that are no UTF-8 keep their bytes."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_archive(
    path: Path,
    kind: str,
    version: int,
    meta: Mapping[str, Any],
    arrays: Mapping[str, NDArray],
    *,
    compress: bool = True,
) -> None:
    """Write `meta` (what JSON holds) and `arrays` as a file of `kind`, e.g. "duramesh program"."""
    header = np.array(to_json({"format": kind, "version": version, "arrays": sorted(arrays), **meta}))
    write_arrays(path, {_HEADER: header, **arrays}, compress=compress)


def write_arrays(path: Path, arrays: Mapping[str, NDArray], *, compress: bool = True) -> None:
    """Write arrays as an npz file without pickle, under exactly this name, whole or not at all.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    save = np.savez_compressed if compress else np.savez
    with replacing(path) as part, part.open("wb") as file:
        save(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, what: str, schema: Mapping[str, ArraySpec] | None = None) -> dict[str, NDArray]:
    """All arrays of an npz file.

    Parameters
    ----------
    path : Path
    what : str
        What the file is expected to hold, for the message: "program".
    schema : mapping of str to ArraySpec, optional
        What the arrays must be.

    Raises
    ------
    ArchiveError
        If the file is no npz file, truncated, damaged or too large, has pickled objects, or arrays other than those of
        the schema.
    FileNotFoundError
    """
    try:
        arrays = read_npz(path)
        if schema is not None:
            check_arrays(arrays, schema)
        return arrays
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror or error}") from None
    except NpzError as error:
        raise ArchiveError(f"{path} holds no {what}, or only part of one ({error}); write it again") from None


def read_archive(path: Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """(meta, arrays) of a file that `write_archive` wrote.

    Raises
    ------
    ArchiveError
        If the file is of another kind or version, truncated or damaged, or lacks an array or has one too many.
    FileNotFoundError
    """
    meta, arrays = _read(path, kind.split()[-1])
    if meta.pop("format", None) != kind:
        raise ArchiveError(f"{path} is an npz file, but not a {kind}")
    if (found := meta.pop("version", None)) != version:
        raise ArchiveError(f"{path} has version {found}, this code reads {version}; write it again")
    named = meta.pop("arrays", None)
    if named is None:
        raise ArchiveError(f"{path} was written by an earlier version of this code; write it again")
    if named != sorted(arrays):
        odd = sorted(set(map(str, named if isinstance(named, list) else ())) ^ arrays.keys())
        raise ArchiveError(f"{path} is damaged: its header names other arrays than are there ({', '.join(odd)})")
    return meta, arrays


def load_archive(
    path: Path,
    kind: str,
    version: int,
    build: Callable[[dict[str, Any], dict[str, NDArray]], T],
    error: type[Exception],
) -> T:
    """What `build` makes of (meta, arrays) of a file that `write_archive` wrote.

    Parameters
    ----------
    path, kind, version
        As of `read_archive`.
    build : callable (meta, arrays)
        Checks what it is given: `cosim.files.typed`, `analog_models.npz.check_arrays`.
    error : type of exception
        What is raised, with a message that names the file, whatever is wrong with it.

    Raises
    ------
    error
    FileNotFoundError
    """
    try:
        meta, arrays = read_archive(path, kind, version)
    except ArchiveError as problem:
        raise error(str(problem)) from None
    try:
        return build(meta, arrays)
    except _REFUSED as problem:
        text = str(problem) if isinstance(problem, ValueError) else f"{type(problem).__name__}: {problem}"
        raise error(f"{path} is damaged: {text}") from None


def archive_format(path: Path) -> str:
    """Which kind of file `write_archive` wrote there, e.g. "duramesh program"; "" if it was something else.

    Raises
    ------
    ArchiveError
        If it is no npz file with such a header, or truncated.
    FileNotFoundError
    """
    return str(_read(path, "program, experiment or the like")[0].get("format", ""))


def _read(path: Path, what: str) -> tuple[dict[str, Any], dict[str, NDArray]]:
    arrays = read_arrays(path, what)
    try:
        check_arrays({name: array for name, array in arrays.items() if name == _HEADER}, {_HEADER: ArraySpec("U")})
        meta = from_json(arrays.pop(_HEADER).item())
    except ValueError as error:
        raise ArchiveError(f"{path} holds no {what}, or only part of one ({error}); write it again") from None
    return (meta if isinstance(meta, dict) else {}), arrays
