"""Pictures of routes: what is drawn, and where; what is refused."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from cosim.experiment import Experiment
from cosim.experiment.routes import Routes, Step
from cosim.fabric.events import ScheduleError
from cosim.fabric.mesh_graph import Place
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from cosim.view.pictures import draw_routes, routes_svg
from rtl.config import Edge, preset

SMALL = preset("small")
SVG = "{http://www.w3.org/2000/svg}"


def experiment(*, cycles: int = 1000, longest: int = 200, **listings: str) -> Experiment:
    """``experiment(tile_0="HALT")``; a semicolon ends a line."""
    kinds = {"tile": TILE, "ilp": ILP, "olp": OLP}
    units = {}
    for name, text in listings.items():
        kind, index = name.split("_")
        unit = Unit(kinds[kind], int(index))
        units[unit] = assemble(text.replace(";", "\n"), unit.kind, SMALL, str(unit))
    vectors = {0: np.full((2, SMALL.lanes), longest, np.uint8)}
    return Experiment(SMALL, units, vectors=vectors, cycles=cycles, name="drawn")


def to_the_olp(pattern: str = "all", **more: str) -> Experiment:
    """ILP 0 to OLP 0: over tile 0 (north-west) and tile 2 (south-west)."""
    return experiment(
        ilp_0="@10 PULSE fire, advance=1; @400 PULSE fire; HALT",
        tile_0=f"MESH west_to_net=all, net_to_south={pattern}; HALT",
        tile_2="MESH north_to_net=all, net_to_west=all; HALT",
        **more,
    )


def labels(svg: str) -> list[str]:
    return [text.text or "" for text in Xml.fromstring(svg).iter(f"{SVG}text")]


def coloured(svg: str) -> list[Xml.Element]:
    """Lines of the first source's colour."""
    return [line for line in Xml.fromstring(svg).iter(f"{SVG}polyline") if line.get("stroke") == "#0072b2"]


# ---- what moves


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
    idle = experiment(tile_0="HALT")
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
    routes = Routes(experiment(tile_0=read))
    assert [bool(routes.at(cycle).sources) for cycle in (41, 42, 91, 92)] == [False, True, True, False]
    assert [flow.place for flow in routes.at(50).flows] == [Place("outputs", 0), Place("toward", 0, Edge.SOUTH)]


def test_a_closed_ring_is_walked_once() -> None:
    ring = experiment(
        ilp_0="@10 PULSE fire; HALT",
        tile_0="MESH west_to_net=all, net_to_east=all, south_to_net=all; HALT",
        tile_1="MESH west_to_net=all, net_to_south=all; HALT",
        tile_3="MESH north_to_net=all, net_to_west=all; HALT",
        tile_2="MESH east_to_net=all, net_to_north=all; HALT",
    )
    places = [flow.place for flow in Routes(ring).at(20).flows]
    assert places.count(Place("net", 0)) <= 2
    assert places.count(Place("net", 1)) == 1


# ---- pictures


def test_floorplan_names_pads_and_tiles() -> None:
    found = labels(routes_svg(to_the_olp(), [20]))
    assert {"ILP W", "ILP E", "OLP W", "OLP E", "0", "1", "2", "3"} <= set(found)
    chip = Experiment(preset(), {})
    assert labels(routes_svg(chip)).count("no tile") == 2


def test_lines_of_a_route_follow_one_another() -> None:
    """Each line begins where another one ends, but for the first, which begins at the landing pad."""
    lines = [line.get("points", "").split() for line in coloured(routes_svg(to_the_olp(), [20]))]
    route = lines[:-1]  # the last one belongs to the legend
    assert len(route) == 5
    for before, after in pairwise(route):
        assert before[-1] == after[0]


def test_patterns_stand_beside_their_switches() -> None:
    assert "even" in labels(routes_svg(to_the_olp("even"), [20]))
    assert "even" not in labels(routes_svg(to_the_olp("all"), [20]))


def test_a_shut_borderguard_is_a_bar() -> None:
    """One line more than the route up to there has: the bar, whether the neighbour does not listen, or nobody sends."""
    unheard = experiment(
        ilp_0="@10 PULSE fire; HALT", tile_0="MESH west_to_net=all, net_to_south=all; HALT", tile_2="HALT"
    )
    unsent = to_the_olp("none")
    for shut, route in ((unheard, 3), (unsent, 2)):
        lines = coloured(routes_svg(shut, [20]))
        assert len(lines) == route + 1 + 1  # and the legend
        assert lines[-2].get("stroke-width") == "2.5"


def test_tiles_say_what_they_do() -> None:
    busy = experiment(
        tile_0="ARRAY precharge; @20 ARRAY; @30 ARRAY integrate, wp1, wp2, discharge, share_south; HALT",
        tile_2="@30 ARRAY share_north; @32 READOUT ramp; @34 WRITE write, device=wp2_minus; HALT",
    )
    found = labels(routes_svg(busy, [10, 40]))
    assert {"precharge", "-\u222b WP1+WP2", "SET g- ramp"} <= set(found)


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        draw_routes(to_the_olp(), path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second


def test_captions_head_the_panels() -> None:
    found = labels(routes_svg(to_the_olp(), {20: "first", 410: "second"}))
    assert {"first", "cycle 20", "second", "cycle 410"} <= set(found)


@pytest.mark.parametrize("cycle", [-1, 1001])
def test_cycles_outside_the_run_are_refused(cycle: int) -> None:
    with pytest.raises(ValueError, match=f"drawn has no cycle {cycle}: it runs from 0 to 1000"):
        routes_svg(to_the_olp(), [cycle])


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are SVG files"):
        draw_routes(to_the_olp(), tmp_path / "routes.png")


def test_a_word_that_is_none_is_named() -> None:
    with pytest.raises(ScheduleError, match=r"TILE 0 word 0, cycle 0: mode 9"):
        routes_svg(experiment(tile_0="WORD 0x90000000000000000000000000000000"))
