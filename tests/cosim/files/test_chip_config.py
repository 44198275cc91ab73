"""A chip's sizes go through JSON and come back equal."""

import json

import pytest

from cosim.files.chip_config import config_from_json, config_to_json
from cosim.files.json_text import JsonError
from rtl.config import PRESETS, preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_round_trip(name: str) -> None:
    config = preset(name)
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


def test_unknown_and_missing_fields_are_noticed() -> None:
    fields = config_to_json(preset("small"))
    with pytest.raises(JsonError, match="colour does not belong there"):
        config_from_json({**fields, "colour": "red"})
    del fields["floorplan"]["holes"]
    with pytest.raises(JsonError, match=r"floorplan\.holes is missing"):
        config_from_json(fields)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("lanes", "16", "lanes must be a whole number, got '16'"),
        ("lanes", 16.0, r"lanes must be a whole number, got 16\.0"),
        ("lanes", True, "lanes must be a whole number, got True"),
        ("lanes", 17, "lanes must be a power of two"),
        ("floorplan", [], "floorplan must be a table, got list"),
    ],
)
def test_fields_of_another_type_or_range_are_named(field: str, value: object, message: str) -> None:
    with pytest.raises(JsonError, match=message):
        config_from_json({**config_to_json(preset("small")), field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("holes", [[1]], r"floorplan\.holes\[0\] must be a list of 2"),
        (
            "ilp_sites",
            [{"square": [0, 0], "edge": "up"}],
            r"floorplan\.ilp_sites\[0\]\.edge must be one of north, east",
        ),
        ("domains", ["W", 3], r"floorplan\.domains\[1\] must be a text, got 3"),
        ("rows", -1, "floorplan: floorplan needs at least one square"),
    ],
)
def test_so_are_fields_of_the_floorplan(field: str, value: object, message: str) -> None:
    fields = config_to_json(preset("small"))
    fields["floorplan"][field] = value
    with pytest.raises(JsonError, match=message):
        config_from_json(fields)
