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


def constants_table(*models: Any) -> str:
    """Markdown table of the constants of dataclass instances: name, value, unit, source."""
    lines = ["| constant | value | unit | source |", "| --- | ---: | --- | --- |"]
    for model in models:
        for item in fields(model):
            value = getattr(model, item.name)
            text = str(value) if isinstance(value, bool | int) else f"{value:.6g}"
            unit, source = item.metadata["unit"], item.metadata["source"]
            lines.append(f"| `{type(model).__name__}.{item.name}` | {text} | {unit} | {source} |")
    return "\n".join(lines) + "\n"
