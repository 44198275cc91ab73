"""Pictures of routes: what is drawn, and where; what is refused."""

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from cosim.experiment import Experiment
from cosim.view.pictures import draw_routes, routes_svg
from rtl.config import preset
from tests.cosim.scripts import sending, to_the_olp

SVG = "{http://www.w3.org/2000/svg}"


def labels(svg: str) -> list[str]:
    return [text.text or "" for text in Xml.fromstring(svg).iter(f"{SVG}text")]


def coloured(svg: str) -> list[Xml.Element]:
    """Lines of the first source's colour."""
    return [line for line in Xml.fromstring(svg).iter(f"{SVG}polyline") if line.get("stroke") == "#0072b2"]


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
    unheard = sending(
        ilp_0="@10 PULSE fire; HALT", tile_0="MESH west_to_net=all, net_to_south=all; HALT", tile_2="HALT"
    )
    unsent = to_the_olp("none")
    for shut, route in ((unheard, 3), (unsent, 2)):
        lines = coloured(routes_svg(shut, [20]))
        assert len(lines) == route + 1 + 1  # and the legend
        assert lines[-2].get("stroke-width") == "2.5"


def test_tiles_say_what_they_do() -> None:
    busy = sending(
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


def test_what_a_unit_does_until_it_leaves_its_program_is_drawn() -> None:
    """It halts there, as on the chip."""
    listing = "MESH west_to_net=all, net_to_south=all"
    whole, stray = (sending(ilp_0="PULSE fire; HALT", tile_0=tile) for tile in (f"{listing}; HALT", listing))
    assert routes_svg(stray) == routes_svg(whole)
