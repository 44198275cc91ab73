"""Values of JSON as the types that they were written from: a dataclass is the schema of what is stored of it."""

import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from cosim.files.json_text import JsonError

__all__ = ["typed"]

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def typed(kind: Any, value: Any, where: str = "") -> Any:
    """A value, as JSON holds it, as an instance of a type: the inverse of `dataclasses.asdict` and `to_json`.

    Parameters
    ----------
    kind : type
        bool, int, float, str, None and unions of them; enumerations, by value; tuples, frozen sets, sequences and
        mappings of all these; and dataclasses, whose fields must be there, all of them and no others.
    value : what `from_json` gives
        An instance of a class that is asked for stays as it is, and so does an array.
    where : str
        Where the value stands, for messages: "layers[0].inputs".

    Raises
    ------
    JsonError
        If the value is of another type, or a dataclass refuses it.
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    wanted = np.ndarray if origin is np.ndarray else kind
    if isinstance(wanted, type) and wanted not in _NAMES and isinstance(value, wanted):
        return value
    if origin in (Union, types.UnionType):
        return _of_union(parts, value, where)
    if origin is tuple and parts[-1] is not Ellipsis:
        values = _sequence(value, where, len(parts))
        return tuple(
            typed(part, one, f"{where}[{at}]") for at, (part, one) in enumerate(zip(parts, values, strict=True))
        )
    if origin in (tuple, frozenset, Sequence):
        made = (typed(parts[0], one, f"{where}[{at}]") for at, one in enumerate(_sequence(value, where)))
        return frozenset(made) if origin is frozenset else tuple(made)
    if origin in (dict, Mapping):
        key, part = parts
        return {_key(key, name, where): typed(part, one, f"{where}[{name!r}]") for name, one in _table(value, where)}
    if is_dataclass(kind):
        return _of_dataclass(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        choices = [member.value for member in kind]
        if value not in choices:
            raise _error(where, f"one of {', '.join(map(str, choices))}", value)
        return kind(value)
    return _scalar(kind, value, where)


def _error(where: str, expected: str, value: Any) -> JsonError:
    text = str(type(value).__name__) if isinstance(value, dict | list) else repr(value)
    return JsonError(f"{where or 'it'} must be {expected}, got {text[:80]}")


def _scalar(kind: Any, value: Any, where: str) -> Any:
    if kind in (None, types.NoneType):
        fits = value is None
    elif kind is float:
        fits = type(value) in (int, float) and abs(value) <= sys.float_info.max
    else:
        fits = type(value) is kind
    if not fits:
        raise _error(where, _NAMES.get(kind, "null" if kind in (None, types.NoneType) else _name(kind)), value)
    return float(value) if kind is float else value


def _of_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    failures = []
    for kind in kinds:
        try:
            return typed(kind, value, where)
        except JsonError as error:
            failures.append(error)
    raise failures[0]


def _name(kind: Any) -> str:
    return "an array" if get_origin(kind) is np.ndarray else getattr(kind, "__name__", str(kind))


def _sequence(value: Any, where: str, length: int | None = None) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or length not in (None, len(value)):
        raise _error(where, "a list" if length is None else f"a list of {length}", value)
    return value


def _table(value: Any, where: str) -> Sequence[tuple[Any, Any]]:
    if not isinstance(value, dict):
        raise _error(where, "a table", value)
    return list(value.items())


def _key(kind: Any, name: Any, where: str) -> Any:
    """A name of a table: JSON knows text only."""
    if kind is int and isinstance(name, str) and name.isascii() and name.isdecimal() and len(name) < 20:
        return int(name)
    return typed(kind, name, f"a name of {where or 'it'}")


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind) if item.init}


def _of_dataclass(kind: Any, value: Any, where: str) -> Any:
    hints, found = _hints(kind), dict(_table(value, where))
    for names, others, problem in ((hints, found, "is missing"), (found, hints, "does not belong there")):
        if odd := next((name for name in names if name not in others), None):
            raise JsonError(f"{_inside(where, odd)} {problem}")
    made = {name: typed(hint, found[name], _inside(where, name)) for name, hint in hints.items()}
    try:
        return kind(**made)
    except ValueError as error:
        raise JsonError(f"{where}: {error}" if where else str(error)) from None


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
