"""Options go through JSON and come back equal."""

import json

from analog_models.config import AnalogConfig
from cosim.compiler import LayerOptions, MappingOptions
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
