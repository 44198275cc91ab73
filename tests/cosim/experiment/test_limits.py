"""Programs that never end: how far they are let, and which units the end of the run finds at work."""

import pytest

from cosim.experiment.limits import limited, still_running
from tests.cosim.scripts import sending

BUSY = {"ilp_0": "again: PULSE fire; JUMP again", "olp_0": "again: COUNT open; COUNT store; JUMP again"}


def test_a_run_that_writes_little_is_left_as_it_is() -> None:
    experiment = sending(tile_0="again: JUMP again", cycles=10**12)
    assert limited(experiment) is experiment


@pytest.mark.parametrize("most", [10, 11, 12, 1000])
def test_a_run_ends_before_it_writes_too_much(most: int) -> None:
    """In six cycles seven banks are written: the pulses' in every second one, the counters' in two of three."""
    experiment = limited(sending(**BUSY, cycles=10**12), most)
    again = limited(experiment, most)
    assert again is experiment
    assert most * 6 / 7 - 3 <= experiment.cycles <= most * 6 / 7


def test_a_program_without_an_end_is_limited_up_to_where_it_is_left() -> None:
    experiment = sending(tile_0="MESH; MESH; MESH", ilp_0="HALT")
    assert limited(experiment, 2).cycles == 1
    assert limited(experiment, 3) is experiment


def test_units_that_still_run_are_named() -> None:
    experiment = sending(tile_0="again: JUMP again", tile_1="MESH", ilp_0="NOP wait=998; HALT", olp_0="HALT wait=1000")
    assert [str(unit) for unit in still_running(experiment)] == ["TILE 0"]
