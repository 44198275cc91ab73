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
    """Markdown table of the constants of dataclasses, given as (nominal, ideal) instances."""
    lines = ["| constant | nominal | ideal | unit | source |", "| --- | ---: | ---: | --- | --- |"]
    for nominal, ideal in presets:
        for item in fields(nominal):
            if "unit" not in item.metadata:
                continue  # a model inside a model has a table of its own
            values = " | ".join(_text(getattr(preset, item.name)) for preset in (nominal, ideal))
            name = f"`{type(nominal).__name__}.{item.name}`"
            lines.append(f"| {name} | {values} | {item.metadata['unit']} | {item.metadata['source']} |")
    return "\n".join(lines) + "\n"


def _text(value: float) -> str:
    return str(value) if isinstance(value, bool | int) else f"{value:.6g}"
