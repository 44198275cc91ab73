"""Archives: what is written comes back, nothing stands half written, and what is no archive is refused by name."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from analog_models.npz import ArraySpec
from cosim.files.archive import (
    ArchiveError,
    archive_format,
    load_archive,
    read_archive,
    read_arrays,
    replacing,
    write_archive,
    write_text,
)
from cosim.files.errors import OutputError
from tests.damage import flipped

KIND, VERSION = "duramesh thing", 3
META = {"name": "ä", "list": [1, 2.5, None], "nested": {"yes": True}}
ARRAYS = {"a b": np.arange(6, dtype=np.uint8).reshape(2, 3), "none": np.zeros((0, 4)), "words": np.array([2**64 - 1])}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good archive, alone in its folder."""
    write_archive(tmp_path / "thing.npz", KIND, VERSION, META, ARRAYS)
    return tmp_path / "thing.npz"


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_written_comes_back(tmp_path: Path, compress: bool) -> None:
    path = tmp_path / "thing.npz"
    write_archive(path, KIND, VERSION, META, ARRAYS, compress=compress)
    meta, arrays = read_archive(path, KIND, VERSION)
    assert {name: meta[name] for name in META} == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
    assert archive_format(path) == KIND
    assert read_arrays(path, "thing").keys() == {"meta", *ARRAYS}


def test_compression_makes_it_smaller(tmp_path: Path) -> None:
    for name, compress in (("small", True), ("large", False)):
        write_archive(tmp_path / name, KIND, VERSION, {}, {"zeros": np.zeros(10_000)}, compress=compress)
    assert 20 * (tmp_path / "small").stat().st_size < (tmp_path / "large").stat().st_size


def test_the_name_is_taken_as_it_is(tmp_path: Path) -> None:
    write_archive(tmp_path / "without-ending", KIND, VERSION, {}, {})  # numpy would append .npz
    assert [item.name for item in tmp_path.iterdir()] == ["without-ending"]


def test_replacing_shows_the_new_file_at_the_end_only(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with replacing(path) as part:
        assert part.parent == path.parent
        assert str(os.getpid()) in part.name
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_keeps_the_old_file_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as part:
            part.write_text("half of the")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8_and_whole(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "µs\n")
    assert (tmp_path / "text").read_bytes() == "µs\n".encode()
    write_text(tmp_path / "new folder" / "text", "")
    assert (tmp_path / "new folder" / "text").is_file()
    for path, problem in ((tmp_path / "text" / "text", "Not a directory|File exists"), (tmp_path, "it is a folder")):
        with pytest.raises(OutputError, match=rf"{path} cannot be written: ({problem})"):
            write_text(path, "")
    assert sorted(item.name for item in tmp_path.iterdir()) == ["new folder", "text"]


def test_the_header_names_the_arrays(path: Path) -> None:
    """What was taken away, or put beside them, is noticed before anybody uses the rest."""
    arrays = dict(np.load(path))
    for changed, odd in (
        ({name: array for name, array in arrays.items() if name != "none"}, "none"),
        (arrays | {"more": np.zeros(1)}, "more"),
    ):
        np.savez(path, **changed)
        with pytest.raises(ArchiveError, match=rf"thing\.npz is damaged: its header names other arrays .*\({odd}\)"):
            read_archive(path, KIND, VERSION)


def test_building_from_a_file_gives_one_kind_of_error(path: Path) -> None:
    assert load_archive(path, KIND, VERSION, lambda meta, arrays: (meta["name"], sorted(arrays)), KeyError) == (
        "ä",
        sorted(ARRAYS),
    )

    class ThingError(Exception):
        """Of this kind of file."""

    for build, message in (
        (lambda meta, _: meta["colour"], "is damaged: KeyError: 'colour'"),
        (lambda meta, _: meta["list"]["x"], "is damaged: TypeError"),
        (lambda meta, _: int(meta["name"]), "is damaged: invalid literal"),
        (lambda meta, _: 1 / 0, "is damaged: ZeroDivisionError"),
    ):
        with pytest.raises(ThingError, match=rf"thing\.npz {message}"):
            load_archive(path, KIND, VERSION, build, ThingError)
    with pytest.raises(ThingError, match="but not a duramesh other"):
        load_archive(path, "duramesh other", VERSION, dict, ThingError)
    with pytest.raises(FileNotFoundError):
        load_archive(path.with_name("none"), KIND, VERSION, dict, ThingError)


def test_arrays_are_held_against_a_schema(path: Path) -> None:
    schema = {"meta": ArraySpec("U"), "a b": ArraySpec("u1", (2, 3)), "none": ArraySpec("f8", (0, 4))}
    with pytest.raises(ArchiveError, match=r"thing\.npz holds no thing, .*array 'words' does not belong there"):
        read_arrays(path, "thing", schema)
    assert len(read_arrays(path, "thing", schema | {"words": ArraySpec("u8", (1,))})) == 4


def test_another_kind_or_version_is_refused(path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"thing\.npz is an npz file, but not a duramesh program"):
        read_archive(path, "duramesh program", VERSION)
    with pytest.raises(ArchiveError, match=r"thing\.npz has version 3, this code reads 4; write it again"):
        read_archive(path, KIND, 4)


def test_an_npz_file_of_others_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, x=np.zeros(3))
    for read in (lambda: read_archive(path, KIND, VERSION), lambda: archive_format(path)):
        with pytest.raises(ArchiveError, match=r"other\.npz holds no"):
            read()
    np.savez(path, meta=np.array(json.dumps([1, 2])))
    with pytest.raises(ArchiveError, match="but not a duramesh thing"):
        read_archive(path, KIND, VERSION)
    assert archive_format(path) == ""


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_file_that_is_cut_short_is_refused(path: Path, share: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for read in (
        lambda: read_archive(path, KIND, VERSION),
        lambda: read_arrays(path, "thing"),
        lambda: archive_format(path),
    ):
        with pytest.raises(ArchiveError, match=r"thing\.npz holds no .*write it again"):
            read()


@pytest.mark.parametrize("compress", [True, False])
def test_a_flipped_bit_is_refused_or_harmless(tmp_path: Path, compress: bool) -> None:
    """Bits 0, 5 and 6 of a byte make files look encrypted, patched, or packed in ways that nobody knows."""
    path = tmp_path / "thing.npz"
    write_archive(path, KIND, VERSION, META, {"a": np.arange(6)}, compress=compress)
    size, refused = path.stat().st_size, 0
    for _ in flipped(path, bits=[0, 5, 6]):
        try:
            read_archive(path, KIND, VERSION)
        except ArchiveError:
            refused += 1
    assert refused > size


def test_a_flipped_byte_is_noticed(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    at = raw.index(b"a b.npy") + 60  # within the first array's data
    raw[at] ^= 0xFF
    path.write_bytes(bytes(raw))
    with pytest.raises(ArchiveError, match=r"thing\.npz holds no thing"):
        read_archive(path, KIND, VERSION)


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04N.", b"PK\x03\x04"])
def test_what_is_no_npz_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing.npz"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"thing\.npz holds no"):
        read_archive(path, KIND, VERSION)
    with pytest.raises(ArchiveError, match="holds no network"):
        read_arrays(path, "network")


def test_pickled_objects_are_refused_and_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    path = tmp_path / "thing.npz"
    header = np.array(json.dumps({"format": KIND, "version": VERSION}))
    np.savez(path, meta=header, trap=np.array([Trap()], dtype=object))
    for read in (lambda: read_archive(path, KIND, VERSION), lambda: read_arrays(path, "thing")):
        with pytest.raises(ArchiveError, match="holds no thing"):
            read()
    with pytest.raises(ValueError, match="allow_pickle"):
        write_archive(path, KIND, VERSION, {}, {"trap": np.array([Trap()], dtype=object)})
    assert [item.name for item in tmp_path.iterdir()] == ["thing.npz"]


def test_a_missing_file_is_no_damaged_one(tmp_path: Path) -> None:
    for read in (
        lambda: read_archive(tmp_path / "none", KIND, VERSION),
        lambda: read_arrays(tmp_path / "none", "thing"),
        lambda: archive_format(tmp_path / "none"),
    ):
        with pytest.raises(FileNotFoundError):
            read()


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    device = tmp_path / "device"
    device.symlink_to(os.devnull)
    write_text(device, "nothing")
    write_archive(device, KIND, VERSION, META, ARRAYS)
    assert device.is_symlink()
    assert Path(os.devnull).is_char_device()
    assert [item.name for item in tmp_path.iterdir()] == ["device"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(tmp_path: Path, there: bool) -> None:
    (tmp_path / "folder").mkdir()
    if there:
        (tmp_path / "folder" / "file").write_text("before")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    write_text(tmp_path / "link", "after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "file").read_text() == "after"
