"""What is kept in the cache for later runs: made once, made again where it is damaged, never taken for another's."""

from pathlib import Path

import pytest

from cosim.engines.rtl.cache import CacheWarning
from cosim.files.archive import ArchiveError
from cosim.files.errors import OutputError
from cosim.system import reuse
from cosim.system.reuse import reused


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Maker:
    """Makes a text, and remembers how often."""

    def __init__(self, text: str = "made") -> None:
        self.text, self.count = text, 0

    def __call__(self) -> str:
        self.count += 1
        return self.text

    @staticmethod
    def save(text: str, folder: Path) -> None:
        (folder / "text").write_text(f"{text}.")

    @staticmethod
    def load(folder: Path) -> str:
        text = (folder / "text").read_text()
        if not text.endswith("."):
            raise ArchiveError("cut short")
        return text.removesuffix(".")

    def reused(self, *parts: str) -> str:
        return reused("texts", parts, self, save=self.save, load=self.load)


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in (cache / "texts").iterdir() if path.is_dir())


def test_made_once_for_what_it_depends_on(monkeypatch):
    maker = Maker()
    assert [maker.reused("a", "b"), maker.reused("a", "b")] == ["made", "made"]
    assert maker.count == 1
    maker.reused("ab", "")
    maker.reused("a", "c")
    assert maker.count == 3
    monkeypatch.setattr(reuse, "code_digest", lambda: "other code")
    maker.reused("a", "b")
    assert maker.count == 4


def cut(path: Path) -> None:
    path.write_text("mad")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [cut, Path.unlink, folder])
def test_damaged_entries_are_made_again(cache, damage):
    maker = Maker()
    maker.reused("a")
    (entry,) = entries(cache)
    damage(entry / "text")
    with pytest.warns(CacheWarning, match="was damaged, and is made again"):
        assert maker.reused("a") == "made"
    assert maker.reused("a") == "made"
    assert maker.count == 2


def test_what_never_can_be_read_is_made_each_time():
    maker = Maker()
    for _ in range(2):
        assert reused("texts", ["a"], maker, save=lambda *_: None, load=maker.load) == "made"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OutputError("the disk is full")])
def test_a_full_disk_costs_time_only(cache, error):
    def fails(text: str, folder: Path) -> None:
        raise error

    maker = Maker()
    assert reused("texts", ["a"], maker, save=fails, load=maker.load) == "made"
    assert maker.count == 1, "what was made is taken"
    assert not entries(cache)


def test_errors_of_the_maker_are_told():
    def fails() -> str:
        raise ValueError("no clips")

    with pytest.raises(ValueError, match="no clips"):
        reused("texts", ["a"], fails, save=Maker.save, load=Maker.load)


def test_the_cache_does_not_grow_without_end(cache, monkeypatch):
    monkeypatch.setattr(reuse, "KEPT", 3)
    maker = Maker()
    for part in "abcde":
        maker.reused(part)
    assert len(entries(cache)) == 3
    maker.reused("e")
    assert maker.count == 5
