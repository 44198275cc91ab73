"""Cache: one process makes what several want; what is damaged or cannot be kept is noticed, said and made good."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cosim.engines.rtl.cache import CacheError, CacheWarning, cache_dir, cached

ROOT = Path(__file__).parents[4]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and another place for temporary files."""
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "cache"


def make(directory: Path) -> None:
    (directory / "program").write_text("#!/bin/sh\necho works\n")
    (directory / "program").chmod(0o755)
    (directory / "folder").mkdir()
    (directory / "folder" / "file").write_text("content")


def works(entry: Path) -> bool:
    said = subprocess.run([entry / "program"], capture_output=True, text=True, check=True).stdout
    return (said, (entry / "folder" / "file").read_text()) == ("works\n", "content")


def test_cached_makes_once(own_cache: Path) -> None:
    made: list[Path] = []

    def counted(directory: Path) -> None:
        made.append(directory)
        make(directory)

    for _ in range(2):
        entry = cached("things", "key", counted)
        assert works(entry)
    assert entry == own_cache / "things" / "key"
    assert len(made) == 1
    assert cache_dir() == own_cache


def test_failure_leaves_nothing() -> None:
    def fail(directory: Path) -> None:
        (directory / "half").write_text("")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        cached("things", "key", fail)
    assert [path.name for path in (cache_dir() / "things").iterdir()] == ["key.lock"]
    cached("things", "key", lambda directory: None)


_RACE = """
import sys, time
from pathlib import Path
from cosim.engines.rtl.cache import cached

def make(directory):
    print("made")
    time.sleep(1)
    (directory / "file").write_text("content")

entry = cached("things", "race", make, lambda: print("waited"))
assert (entry / "file").read_text() == "content"
"""


def test_processes_share_one_build() -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", _RACE], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sum("made" in output for output in outputs) == 1


# ---- damage

DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": lambda entry: (entry / "program").unlink(),
    "empty": lambda entry: (entry / "program").write_text(""),
    "not executable": lambda entry: (entry / "program").chmod(0o644),
    "truncated": lambda entry: os.truncate(entry / "program", 5),
    "garbage of the same size": lambda entry: (entry / "folder" / "file").write_text("CONTENT"),
    "no list": lambda entry: (entry / "manifest.json").unlink(),
    "a list that is none": lambda entry: (entry / "manifest.json").write_text("[]"),
    "a file in its place": lambda entry: (entry.rename(entry.parent / "elsewhere"), entry.write_text("")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_said_and_mended(damage: Callable[[Path], object]) -> None:
    entry = cached("things", "key", make)
    damage(entry)
    with pytest.warns(CacheWarning, match="things/key was damaged, and is made again"):
        assert works(cached("things", "key", make))
    assert works(cached("things", "key", lambda _: pytest.fail("made again without need")))


_KILLED = """
import os, signal, sys
from cosim.engines.rtl.cache import cached

def make(directory):
    (directory / "half").write_text("")
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))

cached("things", "killed", make)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL"])
def test_scratch_of_the_dead_goes_at_the_next_use(own_cache: Path, name: str) -> None:
    command = [sys.executable, "-c", _KILLED, name]
    assert subprocess.run(command, cwd=ROOT).returncode == -getattr(signal, name)
    assert list(own_cache.glob("things/killed.*/half"))
    cached("things", "another", make)
    assert sorted(path.name for path in (own_cache / "things").iterdir()) == [
        "another",
        "another.lock",
        "killed.lock",
    ]


# ---- places


def a_file(cache: Path) -> None:
    cache.write_text("")


def a_file_within(cache: Path) -> None:
    cache.mkdir()
    (cache / "things").write_text("")


def below_a_file(cache: Path) -> None:
    cache.parent.joinpath("file").write_text("")
    cache.symlink_to(cache.parent / "file" / "cache")


def read_only(cache: Path) -> None:
    if not os.geteuid():
        pytest.skip("root may write everywhere")
    cache.mkdir(mode=0o500)


@pytest.mark.parametrize("spoil", [a_file, a_file_within, below_a_file, read_only])
def test_a_place_that_cannot_be_used_is_said_and_replaced(own_cache: Path, tmp_path: Path, spoil) -> None:
    spoil(own_cache)
    with pytest.warns(CacheWarning, match=r"(?s)cannot be a cache; .*temporary.* is used instead.*DURAMESH_CACHE"):
        entry = cached("things", "key", make)
    assert works(entry)
    assert entry.is_relative_to(tmp_path / "temporary")
    assert entry.parents[1].stat().st_mode & 0o777 == 0o700
    assert cached("things", "key", make) == entry, "and what is there is used without a word"
    assert works(cached("other things", "key", make)), "and what is made later as well: it was said"


@pytest.fixture
def noexec(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Folders of which the system says that no program runs from there."""
    folders: set[Path] = set()
    real = os.access

    def access(path, mode: int) -> bool:
        return real(path, mode) and not (mode & os.X_OK and any(Path(path).is_relative_to(at) for at in folders))

    monkeypatch.setattr(os, "access", access)
    return folders


def test_a_cache_without_programs(own_cache: Path, tmp_path: Path, noexec: set[Path]) -> None:
    cached("things", "key", make)  # on another mount
    noexec.add(own_cache)
    with pytest.warns(CacheWarning, match="programs cannot run from there: it is mounted with noexec"):
        entry = cached("things", "key", make)
    assert entry.is_relative_to(tmp_path / "temporary")
    noexec.add(tmp_path)
    with pytest.raises(CacheError, match=r"no folder can be used as a cache: .*noexec.*noexec.*set DURAMESH_CACHE"):
        cached("things", "other", make)


def test_a_readable_cache_serves_what_it_holds(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = cached("things", "key", make)

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("mkdir", "utime", "chmod", "rename", "unlink"):
        monkeypatch.setattr(os, name, refused)
    assert cached("things", "key", make) == entry
    assert works(entry)


def test_a_folder_of_somebody_else_is_not_trusted(own_cache: Path, tmp_path: Path) -> None:
    a_file(own_cache)
    theirs = tmp_path / "temporary" / f"duramesh-{os.getuid()}"
    (theirs / "things" / "key").mkdir(parents=True)
    theirs.chmod(0o777)
    with pytest.raises(CacheError, match="not this user's alone"):
        cached("things", "key", make)


def test_a_full_disk(own_cache: Path) -> None:
    def full(directory: Path) -> None:
        raise OSError(28, "No space left on device", str(directory / "file"))

    with pytest.raises(CacheError, match=r"things/key cannot be made: .*No space left.*DURAMESH_CACHE can name"):
        cached("things", "key", full)
    assert not list(own_cache.glob("things/key*/"))


def test_a_home_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURAMESH_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(CacheError, match="DURAMESH_CACHE=~nobody-of-this-name"):
        cached("things", "key", make)
