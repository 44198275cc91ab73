"""JSON as RFC 8259 has it: the one writer and the one reader of the project.

There is no NaN and no infinity in JSON. Where a figure does not exist, `null` is written.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from cosim.files.errors import UserError

__all__ = ["JsonError", "from_json", "to_json"]


class JsonError(UserError, ValueError):
    """A text is no JSON, or does not hold what it should; the message says what is wrong, and where in it."""


def to_json(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """`value` as JSON: mappings, sequences, text, numbers, those of numpy included, and arrays as lists.

    >>> to_json({"mean": float("nan"), "count": np.int64(3)})
    '{"mean": null, "count": 3}'
    """
    return json.dumps(_plain(value), indent=indent, sort_keys=sort_keys, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value))
    return value


def from_json(text: str | bytes) -> Any:
    """What a JSON text holds.

    Raises
    ------
    JsonError
        If it is no JSON, has NaN or infinity, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_constant=_refused)
    except RecursionError:
        raise JsonError("no JSON that we write: it is nested too deeply") from None
    except ValueError as error:  # of the syntax, the encoding, or a number of thousands of digits
        raise JsonError(f"no JSON: {error}") from None


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON's")
