"""Files of arrays, npy and npz: read with limits, and held against a schema.

What a file says of itself is not believed: no array is made before its header and the file agree about its size.
"""

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

__all__ = ["LARGEST", "ArraySpec", "NpzError", "check_arrays", "read_npy", "read_npz"]

#: Most bytes that the arrays of a file may take in memory; the features of a whole data set take a fifth of it.
LARGEST = 1 << 32

#: What an npz file begins with.
_ZIP = b"PK\x03\x04"
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class NpzError(ValueError):
    """A file of arrays is damaged, or holds something else than it should; the message says what is wrong with it."""


def read_npz(path: Path | str) -> dict[str, NDArray]:
    """All arrays of an npz file, by name.

    Raises
    ------
    NpzError
        If it is no npz file, truncated, damaged or too large, or has pickled objects.
    OSError
        If it cannot be opened.
    """
    with open(path, "rb") as file, _damage():
        if file.read(len(_ZIP)) != _ZIP:
            raise NpzError("no npz file")
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
            if size > LARGEST:
                raise NpzError(f"its arrays take {size:,} bytes, at most {LARGEST:,} are read")
            arrays = {}
            for member in members:
                with archive.open(member) as stream:
                    arrays[member.filename.removesuffix(".npy")] = _array(stream, member.file_size)
            return arrays


def read_npy(path: Path | str) -> NDArray:
    """The array of an npy file.

    Raises
    ------
    NpzError
        If it is no npy file, truncated, damaged or too large, or has pickled objects.
    OSError
        If it cannot be opened.
    """
    with open(path, "rb") as file, _damage():
        size = file.seek(0, 2)
        file.seek(0)
        return _array(file, size)


@contextmanager
def _damage() -> Iterator[None]:
    """Whatever zipfile, zlib and numpy raise about damaged bytes, and there is no end to it, is an `NpzError`."""
    try:
        yield
    except (NpzError, MemoryError):
        raise
    except Exception as error:
        raise NpzError(f"{type(error).__name__}: {error}") from None


def _array(stream: IO[bytes], size: int) -> NDArray:
    """The array in a stream of `size` bytes."""
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise NpzError(f"an array in npy format {'.'.join(map(str, version))}, which numbers do not need")
    shape, _, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise NpzError("pickled objects, which are never loaded")
    expected, there = dtype.itemsize * math.prod(shape), size - stream.tell()
    if expected != there or expected > LARGEST:
        raise NpzError(f"an array that should have {expected:,} bytes, and has {there:,}")
    stream.seek(0)
    return npy.read_array(stream, allow_pickle=False)


@dataclass(frozen=True)
class ArraySpec:
    """What an array of a file must be.

    Parameters
    ----------
    types : str
        What its dtype may be, with spaces between: codes as numpy has them ("u8"), or kinds, for any size of them
        ("f", "U").
    shape : tuple
        Of each axis its length: a number, None for any, or a name that stands for one length wherever it is used.
    low, high : number, optional
        Range of the values, both included; values are finite in any case.
    required : bool
        Whether it must be there.
    """

    types: str
    shape: tuple[int | str | None, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = True


def check_arrays(arrays: Mapping[str, NDArray], schema: Mapping[str, ArraySpec], **lengths: int) -> dict[str, int]:
    """Hold the arrays of a file against what they must be.

    Parameters
    ----------
    arrays : mapping of str to array
    schema : mapping of str to ArraySpec
        By name; a name with wildcards, as "words *", stands for any number of arrays.
    lengths :
        What names in the shapes stand for, as far as it is known.

    Returns
    -------
    dict of str to int
        The lengths, and those that were found.

    Raises
    ------
    NpzError
        If an array is missing or unknown, or of another type, shape or range.
    """
    for name, spec in schema.items():
        if spec.required and not _is_pattern(name) and name not in arrays:
            raise NpzError(f"no array {name!r}")
    found = dict(lengths)
    for name, array in arrays.items():
        known = [schema[name]] if name in schema else [spec for key, spec in schema.items() if fnmatchcase(name, key)]
        if not known:
            raise NpzError(f"array {name!r} does not belong there")
        _check(name, array, known[0], found)
    return found


def _is_pattern(name: str) -> bool:
    return "*" in name or "[" in name


def _check(name: str, array: NDArray, spec: ArraySpec, lengths: dict[str, int]) -> None:
    if not array.dtype.str[1:].startswith(tuple(spec.types.split())):
        raise NpzError(f"array {name!r} holds {array.dtype}; expected {spec.types}")
    fits = array.ndim == len(spec.shape) and all(
        length is None or there == (lengths.setdefault(length, there) if isinstance(length, str) else length)
        for length, there in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        expected = ", ".join(_length(length, lengths) for length in spec.shape)
        raise NpzError(f"array {name!r} has shape {array.shape}; expected ({expected})")
    if array.dtype.kind not in "iuf" or not array.size:
        return
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise NpzError(f"array {name!r} has numbers that are not finite")
    if (spec.low is not None and low < spec.low) or (spec.high is not None and high > spec.high):
        limits = f"{'...' if spec.low is None else spec.low} to {'...' if spec.high is None else spec.high}"
        raise NpzError(f"array {name!r} spans {low} to {high}; expected {limits}")


def _length(length: int | str | None, lengths: Mapping[str, int]) -> str:
    known: Any = lengths.get(length, length) if isinstance(length, str) else length
    return "any" if known is None else str(known)
