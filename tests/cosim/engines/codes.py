"""Codes of outputs, compared."""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["assert_equal"]


def assert_equal(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], rows: Any = slice(None)) -> None:
    """All outputs of `ours` are those of `theirs`, of which `rows` are taken."""
    assert ours.keys() == theirs.keys()
    for name, codes in ours.items():
        np.testing.assert_array_equal(codes, theirs[name][rows], name)
