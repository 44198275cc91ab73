"""Things that take long to make and depend only on their inputs: made once, kept under a hash, shared by processes.

An entry is complete or not there, and holds what was made: each use compares its files with the list that was written
with them. A cache that can only be read serves for what it holds; what it lacks goes to a cache for the time being.
"""

import hashlib
import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from cosim.files.errors import UserError
from cosim.files.json_text import from_json, to_json

__all__ = ["CacheError", "CacheWarning", "Effort", "cache_dir", "cached"]

#: Entries that nobody used for so long are removed when a new one is made.
KEEP_DAYS = 60
_MANIFEST = "manifest.json"
_NEEDS = "that can be written and that programs can run from"


class CacheError(UserError, OSError):
    """What was made cannot be kept; the message says where, why, and what to do."""


class CacheWarning(UserWarning):
    """The cache is not what or where it should be, and everything works all the same."""


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
        """What it took to make an entry of the cache; None if that was not noted."""
        try:
            return cls(**from_json((entry / _MANIFEST).read_text())["effort"])
        except (OSError, ValueError, TypeError, KeyError):
            return None


def cache_dir() -> Path:
    """Where simulators are kept: `DURAMESH_CACHE` if it is set, else the user's cache directory.

    Raises
    ------
    CacheError
        If there is no such directory, because `~` or the user has no home.
    """
    override = os.environ.get("DURAMESH_CACHE")
    try:
        path = Path(override).expanduser().resolve() if override else platformdirs.user_cache_path("duramesh")
    except RuntimeError as error:
        raise CacheError(f"DURAMESH_CACHE={override}: {error}; give it the path of a folder") from None
    if not path.is_absolute():
        raise CacheError(f"this user has no home folder for a cache ({path}); set DURAMESH_CACHE to a folder")
    return path


def cached(kind: str, key: str, make: Callable[[Path], None], waiting: Callable[[], None] = lambda: None) -> Path:
    """Directory `kind`/`key` of the cache, filled by `make` if it does not exist yet, or is damaged.

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

    Raises
    ------
    CacheError
        If there is no place for it, or the disk is full.

    Warns
    -----
    CacheWarning
        If an entry was damaged, or goes to another place than `cache_dir`.
    """
    roots = (cache_dir(), _temporary())
    for root in roots:
        if _is_safe(root) and _is_whole(root / kind / key):
            return _used(root / kind / key)
    reasons = []
    for root in roots:
        entry = root / kind / key
        try:
            _prepare(root, kind)
            lock = _locked(entry, waiting)
        except OSError as error:
            reasons.append(f"{root} ({error.strerror or error})")
            continue
        try:
            if reasons:
                _say_once(f"{reasons[0]} cannot be a cache; {root} is used instead")
            return _used(entry) if _is_whole(entry) else _made(entry, make)
        except OSError as error:
            raise CacheError(f"{entry} cannot be made: {error}; DURAMESH_CACHE can name another folder") from error
        finally:
            lock.release()
    raise CacheError(f"no folder can be used as a cache: {', '.join(reasons)}; set DURAMESH_CACHE to one {_NEEDS}")


# ---- places


@cache
def _say_once(what: str) -> None:
    """Warn of a place, and not again for each sort of entry."""
    warnings.warn(f"{what}. Set DURAMESH_CACHE to a folder {_NEEDS}", CacheWarning, stacklevel=3)


def _temporary() -> Path:
    """Cache for the time being, of this user alone."""
    return Path(tempfile.gettempdir()) / f"duramesh-{os.getuid()}"


def _is_safe(root: Path) -> bool:
    """Whether nobody else can have put something there: anybody can make a folder among the temporary files."""
    if root != _temporary():
        return True
    try:
        status = root.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def _prepare(root: Path, kind: str) -> None:
    """See to it that entries can be made there, and that programs among them can run; an OSError says why not."""
    parent = root / kind
    if root == _temporary():
        root.mkdir(mode=0o700, exist_ok=True)
        if not _is_safe(root):
            raise PermissionError("it is not this user's alone")
    for folder in (root, parent):
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError("it is no folder")
    parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(parent)
    with tempfile.NamedTemporaryFile(prefix=".probe-", dir=parent) as probe:
        os.chmod(probe.name, 0o700)
        if not os.access(probe.name, os.X_OK):
            raise PermissionError("programs cannot run from there: it is mounted with noexec")


# ---- entries


def _contents(entry: Path) -> dict[str, tuple[bool, str]]:
    """Every file of an entry but its list: whether it can be run, and its digest."""
    contents = {}
    for path in sorted(entry.rglob("*")):
        if path.is_file() and path != entry / _MANIFEST:
            with path.open("rb") as file:
                contents[str(path.relative_to(entry))] = (
                    os.access(path, os.X_OK),
                    hashlib.file_digest(file, "sha256").hexdigest(),
                )
    return contents


def _is_whole(entry: Path) -> bool:
    """Whether an entry is there and holds what was made."""
    try:
        files = from_json((entry / _MANIFEST).read_text())["files"]
        return {name: tuple(properties) for name, properties in files.items()} == _contents(entry)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return False


def _used(entry: Path) -> Path:
    with suppress(OSError):  # a cache that is only readable serves as well
        os.utime(entry)
    return entry


def _locked(entry: Path, waiting: Callable[[], None]) -> FileLock:
    """Held by the process that makes an entry; the system releases it when the process ends, whatever ended it."""
    lock = FileLock(f"{entry}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    return lock


def _made(entry: Path, make: Callable[[Path], None]) -> Path:
    if os.path.lexists(entry):
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        warnings.warn(f"{entry} was damaged, and is made again", CacheWarning, stacklevel=3)
    _remove_unused(entry.parent)
    scratch = Path(tempfile.mkdtemp(prefix=f"{entry.name}.", dir=entry.parent))
    began = Effort.now()
    try:
        make(scratch)
        manifest = {"effort": asdict(Effort.now() - began), "files": _contents(scratch)}
        (scratch / _MANIFEST).write_text(to_json(manifest, indent=2) + "\n")
        scratch.chmod(0o755)
        return scratch.rename(entry)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _remove_orphans(parent: Path) -> None:
    """Remove scratch folders whose makers are gone: nobody holds their lock."""
    for scratch in parent.glob("*.*"):
        if scratch.is_dir():
            lock = FileLock(parent / f"{scratch.name.partition('.')[0]}.lock")
            with suppress(Timeout, OSError), lock.acquire(timeout=0):
                shutil.rmtree(scratch, ignore_errors=True)


def _remove_unused(parent: Path) -> None:
    oldest = time.time() - KEEP_DAYS * 86400
    for entry in parent.iterdir():
        with suppress(OSError):  # another process may do the same
            if entry.stat().st_mtime < oldest:
                if entry.is_dir():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
