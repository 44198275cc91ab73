"""Digests: short names of what something was made from."""

import hashlib
from collections.abc import Iterable

__all__ = ["digest"]


def digest(parts: Iterable[str | bytes]) -> str:
    """Hash of a sequence of texts or bytes; where one part ends and the next begins matters."""
    total = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        total.update(hashlib.sha256(raw).digest())
    return total.hexdigest()[:24]
