"""A chip's sizes and floorplan in the headers of files."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rtl.config import ChipConfig, Edge, Floorplan, PadSite, Square

__all__ = ["config_from_json", "config_to_json"]


def config_to_json(config: ChipConfig) -> dict[str, Any]:
    """A chip's sizes and floorplan as JSON holds them."""
    fields = asdict(config)
    fields["floorplan"]["holes"] = sorted(config.floorplan.holes)
    return fields


def config_from_json(fields: Mapping[str, Any]) -> ChipConfig:
    """Inverse of `config_to_json`."""
    plan = fields["floorplan"]

    def square(pair: list[int]) -> Square:
        return pair[0], pair[1]

    def sites(name: str) -> tuple[PadSite, ...]:
        return tuple(PadSite(square(site["square"]), Edge(site["edge"])) for site in plan[name])

    floorplan = Floorplan(
        rows=plan["rows"],
        columns=plan["columns"],
        holes=frozenset(square(hole) for hole in plan["holes"]),
        domains=tuple(plan["domains"]),
        ilp_sites=sites("ilp_sites"),
        olp_sites=sites("olp_sites"),
    )
    return ChipConfig(**{**fields, "floorplan": floorplan})
