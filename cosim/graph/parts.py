"""Frozen dataclasses that hold one another, as what JSON holds and arrays: how a graph comes to be in a file.

Each object stands in one table, after those that it holds; so what was shared stays shared. A class is its own schema:
its fields must be there, all of them and no others, of the types that they are declared with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cosim.files.digest import digest
from cosim.files.json_text import to_json
from cosim.files.typed import typed
from cosim.graph.errors import NetworkError
from cosim.graph.operator import Operator

__all__ = ["digest_of", "from_parts", "to_parts"]

T = TypeVar("T")
#: How values stand for what JSON does not have.
_ARRAY, _OBJECT, _MAPPING = "array", "object", "mapping"


def to_parts(root: Any) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """A dataclass, and all that it holds, as what JSON holds, and arrays by name."""
    table: list[dict[str, Any]] = []
    arrays: dict[str, NDArray] = {}
    seen: dict[int, dict[str, Any]] = {}

    def stored(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if id(value) not in seen:
                seen[id(value)] = {_ARRAY: str(len(arrays))}
                arrays[str(len(arrays))] = value
            return seen[id(value)]
        if is_dataclass(value):
            if id(value) not in seen:
                held = {item.name: stored(getattr(value, item.name)) for item in fields(value) if item.init}
                seen[id(value)] = {_OBJECT: len(table)}
                table.append({"class": type(value).__name__, "fields": held})
            return seen[id(value)]
        if isinstance(value, Mapping):
            return {_MAPPING: {name: stored(part) for name, part in value.items()}}
        if isinstance(value, list | tuple):
            return [stored(part) for part in value]
        return value

    stored(root)
    return {"objects": table}, arrays


def from_parts(kind: type[T], meta: Mapping[str, Any], arrays: Mapping[str, NDArray], others: Iterable[type]) -> T:
    """Inverse of `to_parts`.

    Parameters
    ----------
    kind : type
        Of the root.
    meta, arrays
        What `to_parts` gave.
    others : iterable of type
        Classes that may be there beside `kind` and every operator.

    Raises
    ------
    NetworkError
        If a class or an array is unknown or missing, or something is there that nothing holds.
    JsonError
        If a field is missing, unknown or of another type.
    """
    kinds = _operators() | {one.__name__: [one] for one in (kind, *others)}
    made: list[Any] = []
    unused: set[str | int] = set(arrays)

    def value_of(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(value_of, value))
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((what, where),) = value.items()
            if what == _ARRAY and where in arrays and arrays[where].dtype.kind in "biuf":
                unused.discard(where)
                return arrays[where]
            if what == _OBJECT and isinstance(where, int) and 0 <= where < len(made):
                unused.discard(where)
                return made[where]
            if what == _MAPPING and isinstance(where, dict):
                return {name: value_of(part) for name, part in where.items()}
        raise NetworkError(f"{to_json(value)[:80]} stands for nothing that is there")

    for at, entry in enumerate(meta["objects"]):
        name, given = entry["class"], entry["fields"]
        if name not in kinds:
            raise NetworkError(f"object {at} is a {name!r}, which this code does not know")
        if len(kinds[name]) > 1:
            raise NetworkError(f"object {at} is a {name!r}, and there are several operators of that name; rename one")
        held = typed(dict[str, Any], given, f"fields of object {at}, {name}")
        found = {field: value_of(value) for field, value in held.items()}
        made.append(typed(kinds[name][0], found, f"object {at}, {name}"))
        unused.add(at)
    if not made or not isinstance(made[-1], kind):
        raise NetworkError(f"the last object must be a {kind.__name__}")
    unused.discard(len(made) - 1)
    if unused:
        raise NetworkError(f"objects or arrays that nothing holds: {', '.join(sorted(map(str, unused)))}")
    root: T = made[-1]
    return root


def digest_of(meta: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> str:
    """Short name of what `to_parts` gave."""
    contents = (
        part for a in arrays.values() for part in (a.dtype.str, str(a.shape), np.ascontiguousarray(a).tobytes())
    )
    return digest((to_json(meta), *contents))


def _operators() -> dict[str, list[type]]:
    """Every class of operators that there is, by name."""
    found: dict[type, None] = {}
    waiting: list[type] = [Operator]
    while waiting:
        kind = waiting.pop()
        found[kind] = None
        waiting += kind.__subclasses__()
    known: dict[str, list[type]] = {}
    for kind in filter(is_dataclass, found):
        known.setdefault(kind.__name__, []).append(kind)
    return known
