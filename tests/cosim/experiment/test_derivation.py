"""The derivation of an experiment: how far it is followed, and how long its vectors' pulses last."""

import numpy as np
import pytest

from cosim.experiment import Experiment
from cosim.experiment.derivation import ExperimentDerivation
from cosim.fabric.events import Precharge, Pulse
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import preset
from tests.cosim.scripts import units

SMALL = preset("small")


def experiment(vectors: dict[int, list[list[int]]] | None = None, cycles: int = 100, **listings: str) -> Experiment:
    """Vectors of the lanes' first codes; the others are 0."""
    codes = {
        ilp: np.array([row + [0] * (SMALL.lanes - len(row)) for row in rows], np.uint8)
        for ilp, rows in (vectors or {}).items()
    }
    return Experiment(SMALL, units(**listings), vectors=codes, cycles=cycles)


@pytest.mark.parametrize(
    ("vectors", "stop"),
    [
        ({0: [[3, 40, 7]]}, 52),  # the longest code of the vector
        ({0: [[0]]}, 12),
        ({0: [[255]]}, 267),
        ({}, 267),  # an SRAM that the experiment does not fill may hold any vector
        ({1: [[5]]}, 267),  # the other pad's
    ],
)
def test_a_pulse_ends_with_the_longest_code_of_its_vector(vectors: dict, stop: int) -> None:
    found = ExperimentDerivation(experiment(vectors, ilp_0="@10 PULSE fire; HALT"))
    assert found.pulses == [Pulse(0, 0, 12, stop)]


def test_each_vector_has_a_length_of_its_own() -> None:
    """Vector 2 is none of the experiment's."""
    fires = "PULSE fire, advance=1; @300 PULSE fire, advance=1; @600 PULSE fire; HALT"
    found = ExperimentDerivation(experiment({0: [[9], [20]]}, cycles=999, ilp_0=fires))
    assert found.pulses == [Pulse(0, 0, 2, 11), Pulse(0, 1, 302, 322), Pulse(0, 2, 602, 857)]


def test_memory_that_is_known_counts_instead_of_the_vectors() -> None:
    """SRAMs outlast an experiment: an earlier one of the session may have filled them."""
    memory = np.zeros((SMALL.domain_count, SMALL.ilp_vectors, SMALL.lanes), np.uint8)
    memory[0, 0, 5], memory[0, 7, 15] = 30, 99
    fires = "PULSE fire, advance=-1; @300 PULSE fire; HALT"
    found = ExperimentDerivation(experiment({0: [[200]]}, cycles=999, ilp_0=fires), memory)
    assert found.pulses == [Pulse(0, 0, 2, 32), Pulse(0, 7, 302, 401)]


@pytest.mark.parametrize(
    ("cycles", "issued", "events"),
    [
        (19, 1, ()),  # what the stop leaves high ends in no event
        (20, 2, (Precharge(1, 22),)),
        (500, 2, (Precharge(1, 22),)),
    ],
)
def test_what_issues_in_the_cycle_of_the_stop_still_takes_force(cycles: int, issued: int, events: tuple) -> None:
    found = ExperimentDerivation(experiment(cycles=cycles, tile_1="ARRAY precharge; @20 ARRAY; HALT"))
    assert len(found.timelines[Unit(TILE, 1)].issues) == issued
    assert found.schedule().events == events


def test_a_unit_that_is_stopped_has_not_halted() -> None:
    found = ExperimentDerivation(experiment(cycles=10, tile_1="a: JUMP a", ilp_0="HALT wait=4"))
    assert {str(unit): timeline.halted for unit, timeline in found.timelines.items()} == {"TILE 1": None, "ILP 0": 5}


def test_pointers_stand_where_the_stop_finds_them() -> None:
    again = {"ilp_1": "a: PULSE fire, advance=1; JUMP a", "olp_0": "a: COUNT open; COUNT store; JUMP a"}
    found = ExperimentDerivation(experiment(cycles=9, **again))  # ten cycles: fires in 0, 2, ..., 8; stores in 1, 4, 7
    assert found.pointers == {Unit(ILP, 1): 5, Unit(OLP, 0): 3}
