"""A chip's sizes go through JSON and come back equal."""

import json

import pytest

from cosim.files.chip_config import config_from_json, config_to_json
from rtl.config import PRESETS, preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_round_trip(name: str) -> None:
    config = preset(name)
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


def test_unknown_and_missing_fields_are_noticed() -> None:
    fields = config_to_json(preset("small"))
    with pytest.raises(TypeError, match="colour"):
        config_from_json({**fields, "colour": "red"})
    del fields["floorplan"]["holes"]
    with pytest.raises(KeyError, match="holes"):
        config_from_json(fields)
