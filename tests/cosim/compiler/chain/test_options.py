"""Options go through JSON and come back equal."""

import json
from typing import Any

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.compiler import LayerOptions, MappingError, MappingOptions
from cosim.files.json_text import to_json
from cosim.program import Mode

FULL = MappingOptions(
    steps=9,
    overlapped=True,
    balance=False,
    frames_per_run=4,
    layers={
        0: LayerOptions(mode=Mode.DOUBLE, swing_v=0.3, bias_durations=(1, 2)),
        2: LayerOptions(capacitors=3, readout_bits=7, max_weight=80),
    },
    duration=127,
    placement={0: ((0, 0), (1, 0)), 1: ((0, 1),)},
    analog=AnalogConfig.ideal(),
)


def test_options_survive_json():
    for options in (MappingOptions(), FULL):
        assert MappingOptions.from_json(json.loads(json.dumps(options.to_json()))) == options
        assert MappingOptions.from_json(options.to_json()) == options


def test_a_layer_without_options_leaves_all_to_the_compiler():
    assert FULL.layer(2).capacitors == 3
    assert FULL.layer(1) == LayerOptions()


def test_modes_are_known_by_name_and_numbers_of_numpy_are_numbers():
    layer = LayerOptions(
        mode="balanced", capacitors=np.int64(5), swing_v=np.float32(0.25), bias_durations=[np.uint8(3)]
    )
    assert layer == LayerOptions(mode=Mode.BALANCED, capacitors=5, swing_v=0.25, bias_durations=(3,))
    options = MappingOptions(steps=np.int8(9), placement={np.int64(0): [(np.int64(0), np.int64(1))]}, layers={0: layer})
    assert MappingOptions.from_json(json.loads(to_json(options.to_json()))) == options


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (LayerOptions, {"mode": "balance"}, "mode must be one of balanced, double, stacked, got 'balance'"),
        (LayerOptions, {"capacitors": 9}, "capacitors must be a whole number, 1 to 8, got 9"),
        (LayerOptions, {"capacitors": 2.0}, r"capacitors must be a whole number, 1 to 8, got 2\.0"),
        (LayerOptions, {"readout_bits": 6}, "readout_bits must be a whole number, 7 to 8, got 6"),
        (LayerOptions, {"max_weight": 161}, "max_weight must be a whole number, 1 to 160, got 161"),
        (LayerOptions, {"weight_scale": 0.0}, r"weight_scale must be a number, 1e-09 to 1000, got 0\.0"),
        (LayerOptions, {"weight_scale": "1"}, "weight_scale must be a number, 1e-09 to 1000, got '1'"),
        (LayerOptions, {"swing_v": float("inf")}, "swing_v must be a number, 1e-09 to 1000, got inf"),
        (LayerOptions, {"swing_v": float("nan")}, "swing_v must be a number, 1e-09 to 1000, got nan"),
        (LayerOptions, {"enable_offset": 24}, "enable_offset must be a whole number, 0 to 23, got 24"),
        (LayerOptions, {"bias_durations": (1, 256)}, "bias durations must be a whole number, 0 to 255, got 256"),
        (MappingOptions, {"steps": 2.5}, r"steps must be a whole number, 1 to 255, got 2\.5"),
        (MappingOptions, {"duration": 256}, "duration must be a whole number, 1 to 255, got 256"),
        (MappingOptions, {"frames_per_run": 0}, "frames_per_run must be a whole number"),
        (MappingOptions, {"overlapped": "no"}, "overlapped must be true or false, got 'no'"),
        (MappingOptions, {"layers": {-1: LayerOptions()}}, "layer must be a whole number"),
        (MappingOptions, {"placement": {0: ((0.5, 1),)}}, "row or column of a square must be a whole number"),
    ],
)
def test_options_out_of_range_are_refused(kind: Any, fields: dict[str, Any], message: str):
    with pytest.raises(MappingError, match=message):
        kind(**fields)
