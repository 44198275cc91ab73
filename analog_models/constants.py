"""Physical constants that carry their unit, range and source with them, their check, and the table made from them."""

from dataclasses import Field, field, fields
from functools import cache
from typing import Any, get_args, get_type_hints

import numpy as np

from analog_models.values import real_number, shown, whole_number

__all__ = ["ASSUMPTION", "check_constants", "checked", "constant", "constants_table"]

#: Source of every figure that no paper prints.
ASSUMPTION = "our assumption"

#: Lowest and highest value of a constant.
Limits = tuple[float, float]


def constant(default: Any, unit: str, limits: Limits | None, source: str) -> Any:
    """A dataclass field with its `unit`, `limits` and `source` in the metadata.

    Parameters
    ----------
    default : value of the nominal preset
        The type of the field: bool, int, float, or a tuple of floats.
    unit : str
        SI unit with prefix; "1" for a ratio.
    limits : (lowest, highest) value, both included, or None for a bool
        Of a tuple, those of each element. What lies beyond makes no sense, or leaves the range in which the models are
        exact.
    source : str
        Paper and section, aihwkit figure, or 'our assumption' and its reason.
    """
    return field(default=default, metadata={"unit": unit, "limits": limits, "source": source})


def check_constants(model: object) -> None:
    """Check every constant of a dataclass, and make it what its type says: for ``__post_init__``.

    Raises
    ------
    ValueError
        If a constant is of another type, not finite, or out of its range.
    """
    for item in _constants(type(model)):
        object.__setattr__(model, item.name, checked(type(model), item, getattr(model, item.name)))


def checked(model: type, item: Field, value: Any) -> Any:
    """A value of one constant of a dataclass, as its type says.

    Raises
    ------
    ValueError
        If it is of another type, not finite, or out of its range.
    """
    name, unit = f"{owner(model, item.name).__name__}.{item.name}", item.metadata["unit"]
    kind, limits = _types(model)[item.name], item.metadata["limits"]
    if kind is bool:
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name} must be true or false, got {shown(value)}")
        return bool(value)
    low, high = limits
    if kind is int:
        return whole_number(value, name, low, high)
    if kind is float:
        return real_number(value, name, low, high, unit)
    lengths = get_args(kind)  # tuple[float, ...], or tuple[float, float]
    if not isinstance(value, tuple | list) or not value or (lengths[-1] is float and len(value) != len(lengths)):
        many = "one or more numbers" if lengths[-1] is Ellipsis else f"{len(lengths)} numbers"
        raise ValueError(f"{name} must be a list of {many}, got {shown(value)}")
    return tuple(real_number(one, f"{name}[{at}]", low, high, unit) for at, one in enumerate(value))


def _constants(model: type) -> tuple[Field, ...]:
    return tuple(item for item in fields(model) if "unit" in item.metadata)


@cache
def _types(model: type) -> dict[str, Any]:
    return get_type_hints(model)


def owner(model: type, name: str) -> type:
    """The class that declares a field, by which it is named."""
    return next(base for base in model.__mro__ if name in base.__annotations__)


def constants_table(*presets: tuple[Any, Any]) -> str:
    """Markdown table of the constants of dataclasses, given as (nominal, ideal) instances.

    A constant is named by the class that declares it, and listed once.
    """
    lines = ["| constant | nominal | ideal | range | unit | source |", "| --- | ---: | ---: | --- | --- | --- |"]
    listed: set[str] = set()
    for nominal, ideal in presets:
        for item in _constants(type(nominal)):  # a model inside a model has a table of its own
            name = f"`{owner(type(nominal), item.name).__name__}.{item.name}`"
            if name in listed:
                continue
            listed.add(name)
            values = " | ".join(_text(getattr(preset, item.name)) for preset in (nominal, ideal))
            limits = item.metadata["limits"]
            span = "" if limits is None else " to ".join(_text(limit) for limit in limits)
            lines.append(f"| {name} | {values} | {span} | {item.metadata['unit']} | {item.metadata['source']} |")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return str(value) if isinstance(value, bool | int) else f"{value:.6g}"
