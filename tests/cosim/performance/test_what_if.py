"""Chips that differ by one thing."""

import pytest

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import LayoutOptions, lay_out
from cosim.performance.what_if import WhatIfError, with_conductance, with_lanes, with_pads
from rtl.config import preset


def test_more_pads_are_on_outer_edges_of_their_own() -> None:
    for domains in (6, 8, 12):
        plan = with_pads(preset(), domains).floorplan
        assert len(plan.domains) == len(plan.ilp_sites) == len(plan.olp_sites) == domains
    with pytest.raises(WhatIfError, match="13 pads of each kind: this chip has 6, and room for 12"):
        with_pads(preset(), 13)


def test_more_pads_read_in_fewer_steps() -> None:
    shapes, options = {"a": (16, 64)}, LayoutOptions(chips=1)
    few, many = (lay_out(shapes, [("a",)], options, with_pads(preset("small"), pads)) for pads in (2, 4))
    steps = [sum(frame.readout_steps for frame in layout.frames[0].values()) for layout in (few, many)]
    assert steps[1] < steps[0]


def test_codes_stay_where_devices_conduct_more() -> None:
    analog = AnalogConfig()
    twice = with_conductance(analog, 2.0)
    assert twice.pcm.g_max_us == 2 * analog.pcm.g_max_us
    assert twice.volts_per_weight_ns(5) == pytest.approx(analog.volts_per_weight_ns(5))
    with pytest.raises(WhatIfError, match="conductances times 1e"):
        with_conductance(analog, 1e6)


def test_tiles_of_another_size() -> None:
    assert with_lanes(preset(), 1024).lanes == 1024
    with pytest.raises(WhatIfError, match="power of two"):
        with_lanes(preset(), 1000)
