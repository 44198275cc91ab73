"""Routes of an experiment: what moves when and how far, what units do meanwhile, and the steps that this makes."""

import numpy as np
import pytest

from cosim.experiment.routes import Routes, Step
from cosim.fabric.mesh_graph import Place
from cosim.isa.words import ILP, OLP
from rtl.config import Edge
from tests.cosim.scripts import sending, to_the_olp


def test_a_vector_is_followed_to_the_pad() -> None:
    flows = Routes(to_the_olp("even")).at(20).flows
    source = Place("ilp", 0)
    assert [(flow.place, flow.lanes.sum()) for flow in flows] == [
        (source, 16),
        (Place("net", 0), 16),
        (Place("toward", 0, Edge.SOUTH), 8),
        (Place("net", 2), 8),
        (Place("toward", 2, Edge.WEST), 8),
    ]
    assert {flow.source for flow in flows} == {source}
    assert flows[2].arc is not None
    assert (flows[2].arc.tile, flows[2].arc.switch) == (0, "net_to_south")


def test_pulses_begin_two_cycles_after_their_instruction_and_end_with_the_longest_code() -> None:
    routes = Routes(to_the_olp())
    sending = [bool(routes.at(cycle).sources) for cycle in (11, 12, 211, 212)]
    assert sending == [False, True, True, False]


def test_every_picture_is_shown_once() -> None:
    """The second pulse goes the same way as the first; a change of the mesh in mid-pulse is a picture of its own."""
    assert Routes(to_the_olp()).pictures() == [12]
    changed = to_the_olp(tile_1="@500 MESH south_to_net=all; HALT")
    assert Routes(changed).pictures() == [12, 502]


def test_a_step_lasts_until_nothing_is_sent_or_a_switch_changes() -> None:
    assert Routes(to_the_olp()).steps() == [Step(0, 212, 12), Step(212, 1001, 402)]
    changed = to_the_olp(tile_1="@500 MESH south_to_net=all; HALT")
    assert Routes(changed).steps()[1:] == [Step(212, 502, 402), Step(502, 1001, 502)]


def test_a_step_shows_the_cycle_in_which_most_is_sent() -> None:
    """ILP 1 joins ILP 0; it goes on alone, which needs no step of its own, until ILP 0 sends again."""
    joined = to_the_olp(ilp_1="@50 PULSE fire; HALT")  # 255 cycles: it has no vector that would say otherwise
    assert Routes(joined).steps() == [Step(0, 307, 52), Step(307, 1001, 402)]
    later = to_the_olp(ilp_1="@350 PULSE fire; HALT")
    assert Routes(later).steps() == [Step(0, 212, 12), Step(212, 1001, 402)]
    read = "READOUT ramp; @300 READOUT ramp, output_enable; @340 READOUT; HALT"
    after = to_the_olp(ilp_1="@100 PULSE fire; HALT", tile_1=read)  # ILP 0 has ended when tile 1 begins
    assert Routes(after).steps() == [Step(0, 302, 102), Step(302, 357, 302), Step(357, 1001, 402)]


def test_steps_of_a_frame_are_even_if_they_can() -> None:
    routes = Routes(to_the_olp())
    assert routes.steps(range(800)) == [Step(0, 400, 12), Step(400, 800, 402)]
    assert routes.steps(range(801)) == [Step(0, 212, 12), Step(212, 801, 402)]  # no two halves
    assert routes.steps(range(300)) == [Step(0, 300, 12)]


def test_nothing_sent_is_one_step() -> None:
    idle = sending(tile_0="HALT")
    assert Routes(idle).steps() == [Step(0, 1001, 0)]
    assert Routes(idle).pictures() == []


def test_activities_have_the_cycles_of_the_specification() -> None:
    """In force two cycles after the instruction; pulses of a ramp 8 cycles after it, within the open window."""
    busy = to_the_olp(
        tile_3="ARRAY precharge; @20 ARRAY; @30 ARRAY integrate, wp1; @60 ARRAY; @70 READOUT ramp; "
        "@72 READOUT ramp, output_enable; @99 READOUT; HALT",
        olp_0="@10 COUNT load_pointer, pointer=3, open; @300 COUNT store; HALT",
    )
    found = {(str(act.unit), act.kind): (act.start, act.stop) for act in Routes(busy).during(0, 400)}
    assert found == {
        ("ILP 0", "send"): (12, 212),
        ("TILE 3", "precharge"): (2, 22),
        ("TILE 3", "integrate"): (32, 62),
        ("TILE 3", "ramp"): (72, 101),
        ("TILE 3", "send"): (80, 101),
        ("OLP 0", "count"): (12, 302),
    }
    slots = [(act.unit.kind, act.fields["slot"]) for act in Routes(busy).activities if "slot" in act.fields]
    assert slots == [(ILP, 0), (ILP, 1), (OLP, 3)]


def test_columns_send_while_their_window_is_open() -> None:
    read = (
        "MESH columns_to_south=all; @20 READOUT ramp, ramp_slope=9; @40 READOUT ramp, output_enable; @90 READOUT; HALT"
    )
    routes = Routes(sending(tile_0=read))
    assert [bool(routes.at(cycle).sources) for cycle in (41, 42, 91, 92)] == [False, True, True, False]
    assert [flow.place for flow in routes.at(50).flows] == [Place("outputs", 0), Place("toward", 0, Edge.SOUTH)]


def test_a_closed_ring_is_walked_once() -> None:
    ring = sending(
        ilp_0="@10 PULSE fire; HALT",
        tile_0="MESH west_to_net=all, net_to_east=all, south_to_net=all; HALT",
        tile_1="MESH west_to_net=all, net_to_south=all; HALT",
        tile_3="MESH north_to_net=all, net_to_west=all; HALT",
        tile_2="MESH east_to_net=all, net_to_north=all; HALT",
    )
    places = [flow.place for flow in Routes(ring).at(20).flows]
    assert places.count(Place("net", 0)) <= 2
    assert places.count(Place("net", 1)) == 1


def test_a_snapshot_has_the_banks_in_force() -> None:
    """From two cycles after their word on; empty until then."""
    routes = Routes(sending(tile_1="@10 ARRAY wp1; @20 READOUT ramp_start=9; HALT"))
    assert [routes.at(cycle).fields(1, "ARRAY").get("wp1") for cycle in (11, 12, 21, 22)] == [None, 1, 1, 1]
    assert [routes.at(cycle).fields(1, "READOUT").get("ramp_start") for cycle in (21, 22)] == [None, 9]
    assert routes.at(500).fields(0, "ARRAY") == {}


def test_two_sources_on_one_net_are_two_flows() -> None:
    """Pads come first; each flow has the lanes on which it arrives."""
    both = sending(
        ilp_0="@10 PULSE fire; HALT",
        tile_0="MESH west_to_net=low, columns_to_net=high, net_to_south=all; READOUT ramp, output_enable; HALT",
        tile_2="MESH north_to_net=all, net_to_west=all; HALT",
    )
    snapshot = Routes(both).at(20)
    assert snapshot.sources == (Place("ilp", 0), Place("outputs", 0))
    arriving = {flow.source: np.flatnonzero(flow.lanes).tolist() for flow in snapshot.flows if flow.place.tile == 2}
    assert arriving == {Place("ilp", 0): [*range(8)], Place("outputs", 0): [*range(8, 16)]}


@pytest.mark.parametrize("cycle", [-1, 1001])
def test_cycles_outside_the_run(cycle: int) -> None:
    with pytest.raises(ValueError, match=f"^drawn has no cycle {cycle}: it runs from 0 to 1000 at most$"):
        Routes(to_the_olp()).at(cycle)
