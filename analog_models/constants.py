"""Physical constants that carry their unit and source with them, and the table made from them."""

from dataclasses import field, fields
from typing import Any

__all__ = ["ASSUMPTION", "constant", "constants_table"]

#: Source of every figure that no paper prints.
ASSUMPTION = "our assumption"


def constant(default: Any, unit: str, source: str) -> Any:
    """A dataclass field with its `unit` and `source` in the metadata.

    Parameters
    ----------
    default : value of the nominal preset
    unit : str
        SI unit with prefix; "1" for a ratio.
    source : str
        Paper and section, aihwkit figure, or 'our assumption' and its reason.
    """
    return field(default=default, metadata={"unit": unit, "source": source})


def constants_table(*presets: tuple[Any, Any]) -> str:
    """Markdown table of the constants of dataclasses, given as (nominal, ideal) instances.

    A constant is named by the class that declares it, and listed once.
    """
    lines = ["| constant | nominal | ideal | unit | source |", "| --- | ---: | ---: | --- | --- |"]
    listed: set[str] = set()
    for nominal, ideal in presets:
        for item in fields(nominal):
            owner = next(base for base in type(nominal).__mro__ if item.name in base.__annotations__)
            name = f"`{owner.__name__}.{item.name}`"
            if "unit" not in item.metadata or name in listed:
                continue  # a model inside a model has a table of its own
            listed.add(name)
            values = " | ".join(_text(getattr(preset, item.name)) for preset in (nominal, ideal))
            lines.append(f"| {name} | {values} | {item.metadata['unit']} | {item.metadata['source']} |")
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return str(value) if isinstance(value, bool | int) else f"{value:.6g}"
