"""A chip's sizes and floorplan in the headers of files."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from cosim.files.typed import typed
from rtl.config import ChipConfig

__all__ = ["config_from_json", "config_to_json"]


def config_to_json(config: ChipConfig) -> dict[str, Any]:
    """A chip's sizes and floorplan as JSON holds them."""
    fields = asdict(config)
    fields["floorplan"]["holes"] = sorted(config.floorplan.holes)
    return fields


def config_from_json(fields: Mapping[str, Any]) -> ChipConfig:
    """Inverse of `config_to_json`.

    Raises
    ------
    JsonError
        If a field is missing or unknown, or of another type or range.
    """
    return typed(ChipConfig, fields)
