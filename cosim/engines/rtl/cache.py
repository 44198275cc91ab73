"""Things that take long to make and depend only on their inputs: made once, kept under a hash, shared by processes."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

__all__ = ["Effort", "cache_dir", "cached"]

#: Entries that nobody used for so long are removed when a new one is made.
KEEP_DAYS = 60
_EFFORT = "effort.json"


@dataclass(frozen=True)
class Effort:
    """What it took to make something: wall time, and CPU time of this process and those that it waited for."""

    wall_s: float
    cpu_s: float

    @classmethod
    def now(cls) -> "Effort":
        """A reading of both clocks; the difference of two readings is what lay between them."""
        return cls(time.monotonic(), sum(os.times()[:4]))

    def __sub__(self, other: "Effort") -> "Effort":
        return Effort(self.wall_s - other.wall_s, self.cpu_s - other.cpu_s)

    def __add__(self, other: "Effort") -> "Effort":
        return Effort(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)

    @classmethod
    def of(cls, entry: Path) -> "Effort | None":
        """What it took to make an entry of the cache; None for one that was made before this was noted."""
        try:
            return cls(**json.loads((entry / _EFFORT).read_text()))
        except (OSError, ValueError, TypeError):
            return None


def cache_dir() -> Path:
    """Where simulators are kept: `DURAMESH_CACHE` if it is set, else the user's cache directory."""
    override = os.environ.get("DURAMESH_CACHE")
    return Path(override).expanduser().resolve() if override else platformdirs.user_cache_path("duramesh")


def cached(kind: str, key: str, make: Callable[[Path], None], waiting: Callable[[], None] = lambda: None) -> Path:
    """Directory `kind`/`key` of the cache, filled by `make` if it does not exist yet.

    Parameters
    ----------
    kind : str
        Subdirectory of the cache, one for each sort of entry.
    key : str
        Digest of everything that the entry depends on (`cosim.files.digest`).
    make : callable
        Fills the empty directory that it is given. If it raises, nothing is kept.
    waiting : callable
        Called once if another process is making the same entry; this one waits for it.

    Of several processes that want the same entry one makes it; it appears in one step, complete, under its final name.
    """
    parent = cache_dir() / kind
    entry = parent / key
    if not entry.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(parent / f"{key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            if not entry.is_dir():
                _remove_unused(parent)
                scratch = Path(tempfile.mkdtemp(prefix=f"{key}.", dir=parent))
                began = Effort.now()
                try:
                    make(scratch)
                    (scratch / _EFFORT).write_text(json.dumps(asdict(Effort.now() - began)))
                    scratch.chmod(0o755)
                    scratch.rename(entry)
                finally:
                    shutil.rmtree(scratch, ignore_errors=True)
        finally:
            lock.release()
    with suppress(OSError):  # a cache that is only readable serves as well
        os.utime(entry)  # last use
    return entry


def _remove_unused(parent: Path) -> None:
    oldest = time.time() - KEEP_DAYS * 86400
    for entry in parent.iterdir():
        if entry.stat().st_mtime < oldest:
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
