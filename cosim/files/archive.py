"""Arrays and a JSON header in one npz file without pickle: how programs, experiments and records are stored.

A file appears complete and under its final name, or not at all: what stood there before stays until then.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analog_models.npz import DAMAGE
from cosim.files.digest import digest
from cosim.files.errors import OutputError, UserError

__all__ = [
    "ArchiveError",
    "archive_format",
    "read_archive",
    "read_arrays",
    "replacing",
    "write_archive",
    "write_text",
]

_HEADER = "meta"
#: What an npz file begins with.
_ZIP = b"PK\x03\x04"


class ArchiveError(UserError, ValueError):
    """A file is not what it should be, or only part of it; the message says which file."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`: renamed to it when the block ends, removed if the block raises.

    A folder that is missing is made.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    if path.is_dir():
        raise OutputError(f"{path} cannot be written: it is a folder; give the name of a file")
    # Two processes, or threads, may write the same file; a name may be as long as the file system takes.
    part = path.with_name(f".{digest([path.name])}.{os.getpid()}.{threading.get_ident():x}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


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
    header = np.array(json.dumps({"format": kind, "version": version, **meta}))
    save = np.savez_compressed if compress else np.savez
    with replacing(path) as part, part.open("wb") as file:
        save(file, allow_pickle=False, **{_HEADER: header}, **arrays)


def read_arrays(path: Path, what: str) -> dict[str, NDArray]:
    """All arrays of an npz file.

    Parameters
    ----------
    path : Path
    what : str
        What the file is expected to hold, for the message: "program".

    Raises
    ------
    ArchiveError
        If the file is no npz file, truncated or damaged, or has pickled objects.
    FileNotFoundError
    """
    with _opened(path, what) as loaded:
        return dict(loaded)


def read_archive(path: Path, kind: str, version: int) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """(meta, arrays) of a file that `write_archive` wrote.

    Raises
    ------
    ArchiveError
        If the file is of another kind or version, or truncated.
    FileNotFoundError
    """
    with _opened(path, kind.split()[-1]) as loaded:
        arrays = dict(loaded)
        meta = json.loads(arrays.pop(_HEADER).item())
    if not isinstance(meta, dict) or meta.get("format") != kind:
        raise ArchiveError(f"{path} is an npz file, but not a {kind}")
    if meta.get("version") != version:
        raise ArchiveError(f"{path} has version {meta.get('version')}, this code reads {version}; write it again")
    return meta, arrays


def archive_format(path: Path) -> str:
    """Which kind of file `write_archive` wrote there, e.g. "duramesh program"; "" if it was something else.

    Raises
    ------
    ArchiveError
        If it is no npz file with such a header, or truncated.
    FileNotFoundError
    """
    with _opened(path, "program, experiment or the like") as loaded:
        meta = json.loads(loaded[_HEADER].item())
    return str(meta.get("format", "")) if isinstance(meta, dict) else ""


@contextmanager
def _opened(path: Path, what: str) -> Iterator[Mapping[str, NDArray]]:
    """The arrays of an npz file; whatever goes wrong with it is an ArchiveError."""
    try:
        # Opened here, because np.load leaves the file open when it is cut short.
        with path.open("rb") as file:
            if file.read(len(_ZIP)) != _ZIP:
                raise ValueError("no npz file")  # of which numpy would say that it may hold pickled objects
            file.seek(0)
            with np.load(file, allow_pickle=False) as loaded:
                yield loaded
    except FileNotFoundError:
        raise
    except (*DAMAGE, AttributeError) as error:
        raise ArchiveError(f"{path} holds no {what}, or only part of one ({error}); write it again") from None
