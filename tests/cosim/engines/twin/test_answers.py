"""What a chip has answered is not computed again, and is what the chip would answer."""

from dataclasses import replace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from analog_models.programming import program as program_weights
from cosim.compiler import MappingOptions, compile_network
from cosim.engines.twin import TwinEngine, answers, make_chip
from rtl.config import preset
from tests.cosim.engines.codes import assert_equal

SMALL = preset("small")
FRAMES = 12


@pytest.fixture(scope="module")
def network(random_network):
    return random_network(16, 8, 4)


@pytest.fixture(scope="module")
def inputs(random_inputs) -> np.ndarray:
    return random_inputs(FRAMES, 16)


def codes(engine, network, chip, inputs, **options) -> dict[str, np.ndarray]:
    program = compile_network(network, SMALL, MappingOptions(**options))
    return dict(engine.run(program, chip, inputs, first_frame=40).codes)


def new_chip(network):
    program = compile_network(network, SMALL)
    chip = make_chip(program, AnalogConfig(), seed=3)
    program_weights(chip, program.targets, joined=program.pairs)
    return chip


def asked(chip, run) -> int:
    """Ramps of the physics in the meantime."""
    with chip.counting() as tiles:
        run()
    return sum(tile.ramps for tile in tiles.values())


@pytest.mark.parametrize("batch", [5, 256])
def test_codes_are_the_same_and_cost_nothing_the_second_time(network, inputs, batch: int) -> None:
    chip, remembering = new_chip(network), TwinEngine(batch=batch, remembers=True)
    for overlapped in (False, True, False):
        expected = codes(TwinEngine(), network, chip, inputs, overlapped=overlapped)
        for _ in range(2):
            assert_equal(codes(remembering, network, chip, inputs, overlapped=overlapped), expected)
    assert asked(chip, lambda: codes(remembering, network, chip, inputs)) == 0
    assert asked(chip, lambda: codes(remembering, network, chip, inputs[::-1])) > 0


def test_a_layer_that_is_changed_is_asked_anew_and_those_before_it_are_not(network, inputs) -> None:
    chip, remembering = new_chip(network), TwinEngine(remembers=True)
    program = compile_network(network, SMALL)
    codes(remembering, network, chip, inputs)
    everything = asked(chip, lambda: codes(TwinEngine(), network, chip, inputs))
    (last,) = program.layers[1].tiles
    program_weights(chip, {last: program.targets[last]})
    again = asked(chip, lambda: codes(remembering, network, chip, inputs))
    assert again == FRAMES < everything
    assert_equal(codes(remembering, network, chip, inputs), codes(TwinEngine(), network, chip, inputs))


def test_an_older_chip_and_another_one_answer_for_themselves(network, inputs) -> None:
    chip, remembering = new_chip(network), TwinEngine(remembers=True)
    young = codes(remembering, network, chip, inputs)
    chip.set_age(3e7)
    old = codes(remembering, network, chip, inputs)
    assert_equal(old, codes(TwinEngine(), network, chip, inputs))
    assert any((old[name] != young[name]).any() for name in old)
    other = chip.copy()
    other.set_age(3600.0)
    assert_equal(codes(remembering, network, other, inputs), codes(TwinEngine(), network, other, inputs))


def test_answers_do_not_fill_the_memory(network, inputs, monkeypatch) -> None:
    chip, remembering = new_chip(network), TwinEngine(remembers=True)
    monkeypatch.setattr(answers, "_KEPT", 0)
    expected = codes(TwinEngine(), network, chip, inputs)
    for _ in range(2):
        assert_equal(codes(remembering, network, chip, inputs), expected)
    assert asked(chip, lambda: codes(remembering, network, chip, inputs)) > 0


def test_a_program_that_writes_devices_is_always_asked(network, inputs) -> None:
    chip, remembering = new_chip(network), TwinEngine(remembers=True)
    program = compile_network(network, SMALL)
    with remembering.open(program, chip) as session:
        session.run("main", inputs, np.arange(FRAMES))
        session._plans["main"] = replace(session._plans["main"], writes=True)
        assert asked(chip, lambda: session.run("main", inputs, np.arange(FRAMES))) > 0
