"""The page says what each unit costs in each step."""

import numpy as np

from cosim.compiler import compile_network
from cosim.graph import Activation, FeedForwardNetwork, Layer
from cosim.program import Program
from cosim.view import page
from cosim.view.energy import FrameEnergy
from cosim.view.view import View
from rtl.config import preset


def program() -> Program:
    random = np.random.default_rng(0)
    layer = Layer(random.uniform(-1, 1, (16, 16)), Activation.LINEAR, full_scale=3.0)
    return compile_network(FeedForwardNetwork((layer,)), preset("small"))


def test_units_and_steps_add_up_to_the_frame() -> None:
    found = FrameEnergy.of(program())
    assert found is not None
    parts = sum(map(sum, found.units.values()))
    assert 0 < parts < found.whole_nj  # the rest is clock and leakage
    assert {unit.split()[0] for unit in found.units} == {"TILE", "ILP", "OLP"}
    assert all(len(values) == len(found.steps) + 1 for values in found.units.values())


def test_the_page_has_a_panel_of_it() -> None:
    made = program()
    found = FrameEnergy.of(made)
    assert found is not None
    text = page(View.of_program(made, "energy"))
    assert f"Energy of a frame: {found.whole_nj:,.0f} nJ" in text


def test_a_program_that_does_not_run_has_none() -> None:
    made = program()
    unit = next(iter(made.units))
    broken = Program(made.config, made.frame_cycles, made.frames_per_run, {unit: made.units[unit][:-1]})
    assert FrameEnergy.of(broken) is None
