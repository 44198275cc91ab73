"""Things that take long to make and that later runs want again: kept in the cache, under all that determines them."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from cosim.engines.rtl.cache import cached
from cosim.files.archive import ArchiveError
from cosim.files.digest import digest
from cosim.system.checkpoint import code_digest

__all__ = ["reused"]

#: Entries of a kind that are kept, those used last: a calibrated chip takes about 50 MB.
KEPT = 8

Made = TypeVar("Made")


def reused(
    kind: str,
    parts: Iterable[str],
    make: Callable[[], Made],
    *,
    save: Callable[[Made, Path], None],
    load: Callable[[Path], Made],
    waiting: Callable[[], None] = lambda: None,
) -> Made:
    """What `make` gives, or what it gave an earlier run.

    An entry that is damaged is made again, with a warning; a cache that cannot be written costs time and nothing else.

    Parameters
    ----------
    kind : str
        Subdirectory of the cache.
    parts : iterable of str
        Everything that determines what is made, but for the code, which counts in any case.
    make : callable
    save, load : callable
        Write it into an empty folder, and read it from there.
    waiting : callable
        Called once if another process is making the same thing; this one waits for it.
    """
    made: list[Made] = []

    def fill(folder: Path) -> None:
        made[:] = [make()]
        save(made[0], folder)

    try:
        entry = cached(kind, digest([code_digest(), *parts]), fill, waiting)
        _drop_others(entry)
        return load(entry)  # what was just made as well: the first run takes what later ones will
    except (OSError, ArchiveError):  # nowhere to keep it, or another process has removed it
        return made[0] if made else make()


def _drop_others(entry: Path) -> None:
    """Remove what was not used lately; another process that reads it makes it again."""

    def used(path: Path) -> float:
        return path.stat().st_mtime

    try:
        entries = sorted((path for path in entry.parent.iterdir() if not path.suffix), key=used)
    except OSError:  # one that another process removes
        return
    for old in entries[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
