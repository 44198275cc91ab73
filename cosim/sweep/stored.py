"""What all points of a sweep share, as files: written once, by content, and read once by each worker."""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from cosim.files.digest import digest_of_files
from cosim.files.errors import OutputError, UserError

__all__ = ["Store", "Stored", "StoredError"]

T = TypeVar("T")

#: Different things that a process keeps: clips for calibration and for judging, a network, an image, results.
_KEPT = 8


class StoredError(UserError, OSError):
    """A worker does not see what it needs, or sees something else; the message says where."""


class Store:
    """A folder of things by the digest of their files.

    Parameters
    ----------
    folder : Path
        Every worker must see it under this name: on a cluster, on a shared file system.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def put(self, name: str, value: T, save: Callable[[T, Path], None], load: Callable[[Path], T]) -> "Stored[T]":
        """Write a thing, unless it is there and whole.

        Parameters
        ----------
        name : str
            Of its file, e.g. "clips.npz".
        value
        save : callable (value, path)
            Writes the same bytes for the same value.
        load : callable (path) -> value
            A function of a module, or a method of a class: it is pickled by name.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        scratch = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=self.folder))
            save(value, scratch / name)
            key = digest_of_files(scratch / name)
            place = self.folder / key
            if not _holds(place / name, key):
                if os.path.lexists(place):
                    shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()
                scratch.chmod(0o755)
                with suppress(FileExistsError):  # another process was as fast
                    os.rename(scratch, place)
        except OSError as error:
            raise OutputError(f"{self.folder} cannot be written to: {error.strerror or error}") from error
        finally:
            if scratch is not None:
                shutil.rmtree(scratch, ignore_errors=True)
        return Stored(place / name, key, load)


class Stored(Generic[T]):
    """A thing that travels as the name of its file.

    Parameters
    ----------
    path : Path
    digest : str
        Of its content.
    load : callable (path) -> value
    """

    def __init__(self, path: Path, digest: str, load: Callable[[Path], T]) -> None:
        self.path, self.digest, self._load = path, digest, load

    @property
    def value(self) -> T:
        """The thing; a process reads it once.

        Raises
        ------
        StoredError
            If it is not there, or not what was written.
        """
        value: T = _loaded(self.path, self.digest, self._load)
        return value


def _holds(path: Path, expected: str) -> bool:
    try:
        return digest_of_files(path) == expected
    except OSError:
        return False


@lru_cache(maxsize=_KEPT)
def _loaded(path: Path, expected: str, load: Callable[[Path], Any]) -> Any:
    try:
        found = digest_of_files(path)
    except OSError as error:
        raise StoredError(
            f"{path}: {error.strerror or error}. Workers read what they share from the sweep's folder, which all of "
            "their machines must see under the same name"
        ) from None
    if found != expected:
        raise StoredError(f"{path} is damaged; the same command, given again, writes it anew")
    return load(path)
