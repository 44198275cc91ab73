"""Files of arrays: what is damaged, too large or something else is refused, before memory is taken for it."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analog_models.npz import ArraySpec, NpzError, check_arrays, read_npy, read_npz


def header(text: str) -> bytes:
    """A npy file that says so of itself, and holds eight bytes."""
    raw = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + bytes(8)


def described(shape: str, dtype: str = "'<f8'") -> bytes:
    return header(f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}")


def packed(npy: bytes, *, method: int = zipfile.ZIP_STORED, patch: Callable[[bytes], bytes] = bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("x.npy", npy)
    return patch(stream.getvalue())


def encrypted(raw: bytes) -> bytes:
    """Bit 0 of the flags, in both headers of the member."""
    at = raw.index(b"PK\x01\x02")
    return raw[:6] + b"\x01" + raw[7 : at + 8] + b"\x01" + raw[at + 9 :]


def of_method_99(raw: bytes) -> bytes:
    at = raw.index(b"PK\x01\x02")
    return raw[:8] + b"\x63" + raw[9 : at + 10] + b"\x63" + raw[at + 11 :]


def of_size(size: int) -> Callable[[bytes], bytes]:
    def patch(raw: bytes) -> bytes:
        at = raw.index(b"PK\x01\x02")
        return raw[: at + 24] + struct.pack("<I", size) + raw[at + 28 :]

    return patch


GOOD = described("(1,)")

BAD = {
    "eight tebibytes": described("(1099511627776,)"),
    "more elements than there are": described("(3,)"),
    "fewer elements than there are": described("()", "'<f4'"),
    "negative lengths": described("(-1, -1)"),
    "no tuple": described("1"),
    "no expression": header("{'descr': "),
    "a bracket too much": header("{'descr': '<f8'}}"),
    "a string without end": header("{'descr': '''<f8, }"),
    "another thing": header("[1, 2]"),
    "a name": header("open"),
    "a number of 5,000 digits": header(f"{'9' * 5000}"),
    "nested brackets": header("(" * 5000),
    "objects": described("(1,)", "'|O'"),
    "an unknown type": described("(1,)", "'<f7'"),
    "format 3": GOOD.replace(b"NUMPY\x01", b"NUMPY\x03"),
    "format 9": GOOD.replace(b"NUMPY\x01", b"NUMPY\x09"),
    "no magic": GOOD[1:],
    "nothing": b"",
    "half of it": GOOD[:-4],
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_array_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "x.npy").write_bytes(BAD[what])
    with pytest.raises(NpzError):
        read_npy(tmp_path / "x.npy")
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        (tmp_path / "x.npz").write_bytes(packed(BAD[what], method=method))
        with pytest.raises(NpzError):
            read_npz(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        (encrypted, "encrypted"),
        (of_method_99, "compression"),
        (of_size(0), "CRC"),
        (of_size(0xFFFFFFFE), "should have 8 bytes"),
        (lambda raw: raw[: len(raw) // 2], "not a zip file"),
        (lambda raw: raw[4:], "no npz file"),
        (lambda raw: b"", "no npz file"),
    ],
)
def test_a_bad_archive_is_refused(tmp_path: Path, patch: Callable[[bytes], bytes], message: str) -> None:
    (tmp_path / "x.npz").write_bytes(packed(GOOD))
    assert read_npz(tmp_path / "x.npz")["x"].tolist() == [0]
    (tmp_path / "x.npz").write_bytes(packed(GOOD, patch=patch))
    with pytest.raises(NpzError, match=message):
        read_npz(tmp_path / "x.npz")


def test_more_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(100), b=np.zeros(100))
    monkeypatch.setattr("analog_models.npz.LARGEST", 1000)
    with pytest.raises(NpzError, match="its arrays take 1,856 bytes, at most 1,000 are read"):
        read_npz(tmp_path / "x.npz")


def test_a_missing_file_is_no_damaged_one(tmp_path: Path) -> None:
    for read in (read_npy, read_npz):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none")
        with pytest.raises(IsADirectoryError):
            read(tmp_path)


SCHEMA = {
    "count": ArraySpec("i8"),
    "w[0-9]": ArraySpec("f", ("rows", "columns"), -1, 1),
    "name": ArraySpec("U", (None,), required=False),
    "codes": ArraySpec("u1", (2, "columns")),
}
ARRAYS: dict[str, Any] = {
    "count": np.array(3),
    "w0": np.zeros((4, 5)),
    "w1": np.ones((4, 5), np.float32),
    "codes": np.zeros((2, 5), np.uint8),
}


def test_arrays_that_fit_their_schema_tell_its_lengths() -> None:
    assert check_arrays(ARRAYS, SCHEMA, rows=4) == {"rows": 4, "columns": 5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": None}, "no array 'count'"),
        ({"other": np.zeros(3)}, "array 'other' does not belong there"),
        ({"count": np.array(3.0)}, "array 'count' holds float64; expected i8"),
        ({"count": np.array([3])}, r"array 'count' has shape \(1,\); expected \(\)"),
        ({"w0": np.zeros((4, 5), complex)}, "array 'w0' holds complex128; expected f"),
        ({"w1": np.zeros((4, 6))}, r"array 'w1' has shape \(4, 6\); expected \(4, 5\)"),
        ({"w1": np.zeros(20)}, r"array 'w1' has shape \(20,\); expected \(4, 5\)"),
        ({"w1": np.full((4, 5), np.nan)}, "array 'w1' has numbers that are not finite"),
        ({"w1": np.full((4, 5), 1.5)}, r"array 'w1' spans 1\.5 to 1\.5; expected -1 to 1"),
        ({"codes": np.zeros((3, 5), np.uint8)}, r"array 'codes' has shape \(3, 5\); expected \(2, 5\)"),
        ({"name": np.zeros(3)}, "array 'name' holds float64; expected U"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes: dict[str, Any], message: str) -> None:
    arrays = {name: array for name, array in (ARRAYS | changes).items() if array is not None}
    with pytest.raises(NpzError, match=message):
        check_arrays(arrays, SCHEMA, rows=4)
