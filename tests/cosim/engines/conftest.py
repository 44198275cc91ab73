"""A small network on a programmed chip, for the sessions of every engine."""

import pytest

from analog_models.chip import AnalogChip
from analog_models.programming import program as program_weights
from cosim.compiler import compile_network
from cosim.engines.twin import make_chip
from cosim.program import Program
from rtl.config import preset


@pytest.fixture(scope="module")
def program(random_network) -> Program:
    return compile_network(random_network(16, 8, 4), preset("small"))


@pytest.fixture(scope="module")
def chip(program: Program) -> AnalogChip:
    chip = make_chip(program, seed=5)
    program_weights(chip, program.targets)
    return chip
