"""Digests: short names of what something was made from."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["digest", "digest_of_arrays", "digest_of_files"]


def digest(parts: Iterable[str | bytes]) -> str:
    """Hash of a sequence of texts or bytes; where one part ends and the next begins matters."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.encode(errors="surrogatepass") if isinstance(part, str) else part
        total.update(hashlib.sha256(raw).digest())
    return total.hexdigest()[:24]


def digest_of_arrays(*arrays: ArrayLike) -> str:
    """Hash of arrays: their numbers, types and shapes."""
    plain = [np.ascontiguousarray(array) for array in arrays]
    return digest(part for array in plain for part in (array.dtype.str, str(array.shape), array.tobytes()))


def digest_of_files(path: Path) -> str:
    """Hash of a file's content; of a folder's, of all files in it and of their names."""
    if not path.is_dir():
        return digest([path.read_bytes()])
    inside = (part for part in sorted(path.rglob("*")) if part.is_file())
    return digest(text for part in inside for text in (os.fsencode(part.relative_to(path)), part.read_bytes()))
