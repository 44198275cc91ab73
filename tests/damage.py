"""Damaged copies of a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["flipped"]


def flipped(path: Path, bits: Sequence[int], step: int = 1) -> Iterator[None]:
    """Flip one of these bits in every `step`-th byte of a file, one after the other; mend the file at the end."""
    whole = path.read_bytes()
    for at in range(0, len(whole), step):
        for bit in bits:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            yield
    path.write_bytes(whole)
