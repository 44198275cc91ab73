"""The mesh as a graph: what each switch joins on both chips, what drives what, and what is refused."""

import numpy as np
import pytest

from cosim.fabric.mesh_graph import (
    PATTERNS,
    IllegalRouteError,
    Mesh,
    MeshState,
    Place,
    describe_lanes,
    pattern_lanes,
)
from cosim.isa.words import TILE, fields_of
from rtl.config import Edge, preset
from rtl.isa import Pattern

MESHES = {name: Mesh(preset(name)) for name in ("chip", "small")}
SMALL = MESHES["small"]
N, E, S, W = Edge
NET = Place("net", 0)


def toward(tile: int, edge: Edge) -> Place:
    return Place("toward", tile, edge)


def state(masks: dict[tuple[int, Edge], np.ndarray] | None = None, **tiles: str) -> MeshState:
    """``state(tile_0="net_to_east=even west_to_net=all")`` on the small chip."""
    settings = {
        int(name.removeprefix("tile_")): {
            switch: PATTERNS[pattern] for switch, pattern in (setting.split("=") for setting in text.split())
        }
        for name, text in tiles.items()
    }
    return MeshState(SMALL, settings, masks or {})


def lanes(*chosen: int) -> np.ndarray:
    return np.isin(np.arange(16), chosen)


# ---- places and arcs


def test_switches_of_a_corner_tile() -> None:
    """Tile 0 of the small chip: nothing in the north, tile 1 in the east, tile 2 in the south, ILP W in the west."""
    east, south, ilp = toward(1, W), toward(2, N), Place("ilp", 0)
    rows, columns, outputs = (Place(kind, 0) for kind in ("rows", "columns", "outputs"))
    found = {arc.switch: (arc.source, arc.target) for arc in SMALL.arcs if arc.tile == 0}
    assert found == {
        "north_to_net": (Place("nothing", 0, N), NET),
        "net_to_north": (NET, toward(0, N)),
        "east_to_net": (east, NET),
        "net_to_east": (NET, toward(0, E)),
        "south_to_net": (south, NET),
        "net_to_south": (NET, toward(0, S)),
        "west_to_net": (ilp, NET),
        "net_to_west": (NET, toward(0, W)),
        "west_to_rows": (ilp, rows),
        "net_to_rows": (NET, rows),
        "columns_to_net": (outputs, NET),
        "columns_to_south": (outputs, toward(0, S)),
        "south_to_columns": (south, columns),
        "net_to_columns": (NET, columns),
    }


@pytest.mark.parametrize("name", MESHES)
def test_every_tile_has_every_switch_of_its_bank_once(name: str) -> None:
    mesh = MESHES[name]
    switches = sorted(fields_of(TILE, "MESH"))
    for tile in range(mesh.config.tile_count):
        assert sorted(arc.switch for arc in mesh.arcs if arc.tile == tile) == switches
    for arc in mesh.arcs:
        assert arc in mesh.out_of[arc.source]
        assert arc in mesh.into[arc.target]
    for groups in (mesh.out_of, mesh.into):
        assert sum(map(len, groups.values())) == len(mesh.arcs)


@pytest.mark.parametrize("name", MESHES)
def test_neighbours_share_an_edge(name: str) -> None:
    """What a tile hears across an edge is what its neighbour drives there, and the other way round."""
    mesh = MESHES[name]
    ends = [mesh.behind(tile, edge) for tile in range(mesh.config.tile_count) for edge in Edge]
    assert {end for end in ends if end and end.kind == "ilp"} == {
        Place("ilp", index) for index in range(mesh.config.domain_count)
    }
    for tile in range(mesh.config.tile_count):
        for edge in Edge:
            there = mesh.behind(tile, edge)
            if there is None:
                assert toward(tile, edge) not in mesh.opposite
                continue
            assert mesh.opposite[toward(tile, edge)] == there
            assert mesh.opposite[there] == toward(tile, edge)
            if there.kind == "toward":
                assert there.edge is edge.opposite
                assert mesh.behind(there.tile, edge.opposite) == toward(tile, edge)


def test_what_lies_behind_the_edges_of_the_chip() -> None:
    """A hole is nothing, and so is an edge with an OLP alone: it only listens."""
    mesh, index = MESHES["chip"], preset().floorplan.tile_index
    assert mesh.behind(index[1, 2], S) is None, "the hole (2, 2)"
    assert mesh.behind(index[0, 3], N) is None
    assert mesh.behind(index[1, 0], W) is None
    assert mesh.olp(0) == toward(index[1, 0], W)
    assert mesh.behind(index[4, 5], E) == Place("ilp", 5)
    assert [SMALL.olp(0), SMALL.olp(1)] == [toward(2, W), toward(3, E)]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (NET, "net of tile (0, 0)"),
        (Place("rows", 3), "rows of tile (1, 1)"),
        (Place("columns", 1), "columns of tile (0, 1)"),
        (Place("outputs", 2), "outputs of tile (1, 0)"),
        (toward(1, S), "tile (0, 1) south edge"),
        (toward(2, W), "OLP W"),
        (toward(3, E), "OLP E"),
        (Place("ilp", 1), "ILP E"),
    ],
)
def test_names_of_places(place: Place, name: str) -> None:
    assert SMALL.name(place) == name


# ---- lanes


@pytest.mark.parametrize(
    ("pattern", "picked"),
    [
        ("none", "00000000"),
        ("all", "11111111"),
        ("even", "10101010"),
        ("odd", "01010101"),
        ("low", "11110000"),
        ("high", "00001111"),
        ("custom", "00000000"),
    ],
)
def test_lanes_of_patterns(pattern: str, picked: str) -> None:
    """Lane 0 first. A mask register that nobody wrote is empty."""
    assert "".join(map(str, pattern_lanes(pattern, 8).astype(int))) == picked


def test_patterns_are_those_of_the_instruction() -> None:
    assert {pattern.name.lower(): pattern.value for pattern in Pattern} == PATTERNS


def test_custom_lanes_are_the_mask() -> None:
    mask = lanes(1, 2, 11)
    np.testing.assert_array_equal(pattern_lanes("custom", 16, mask), mask)
    np.testing.assert_array_equal(pattern_lanes("low", 16, mask), np.arange(16) < 8)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ([5], "wires 5"),
        ([4, 5], "wires 4-5"),
        ([0, 1, 2, 7], "wires 0-2, 7"),
        ([2, 4], "wires 2, 4"),
        ([2, 4, 6], "even wires 2-6"),
        ([1, 3, 5, 7, 9, 11, 13, 15], "odd wires 1-15"),
        ([0, 3, 6, 9], "wires 0, 3, 6, 9"),
        ([0, 3, 6, 9, 12], "wires 0, 3, 6, 9 ..."),
    ],
)
def test_lanes_in_words(chosen: list[int], words: str) -> None:
    assert describe_lanes(lanes(*chosen)) == words


# ---- the mesh at one moment


def test_a_switch_drives_the_lanes_of_its_pattern() -> None:
    now = state(tile_0="net_to_east=high")
    arcs = {(arc.tile, arc.switch): arc for arc in SMALL.arcs}
    driven = now.driven(arcs[0, "net_to_east"])
    assert driven is not None
    np.testing.assert_array_equal(driven, np.arange(16) >= 8)
    assert now.driven(arcs[0, "net_to_west"]) is None, "not named: off"
    assert now.driven(arcs[1, "net_to_east"]) is None, "a tile left out: off"


@pytest.mark.parametrize(
    ("switch", "edge"),
    [
        ("net_to_north", N),
        ("north_to_net", N),
        ("net_to_east", E),
        ("south_to_net", S),
        ("west_to_rows", W),
        ("columns_to_south", S),
        ("net_to_rows", W),
        ("net_to_columns", S),
        ("columns_to_net", S),
    ],
)
def test_custom_takes_the_mask_of_its_edge(switch: str, edge: Edge) -> None:
    """The edge that the name mentions; between net and rows the western one, between net and columns the southern."""
    masks = {(3, side): lanes(number) for number, side in enumerate(Edge)}
    (arc,) = (arc for arc in SMALL.arcs if (arc.tile, arc.switch) == (3, switch))
    driven = state(masks, tile_3=f"{switch}=custom").driven(arc)
    np.testing.assert_array_equal(driven, lanes(list(Edge).index(edge)))


def test_a_vector_is_traced_to_its_sources() -> None:
    """Tile 2 gathers: ILP W on low lanes, tile 3's columns on high ones; what no source drives is left out."""
    now = state(
        tile_0="west_to_net=all net_to_south=low",
        tile_2="north_to_net=all east_to_net=high net_to_west=even",
        tile_3="columns_to_net=all net_to_west=all",
    )
    index = np.arange(16)
    found = {source: list(np.flatnonzero(chosen)) for source, chosen in now.trace(SMALL.olp(0))}
    assert found == {Place("ilp", 0): [*range(0, 8, 2)], Place("outputs", 3): [*range(8, 16, 2)]}
    ((source, chosen),) = now.trace(Place("net", 0))
    assert (source, chosen.all()) == (Place("ilp", 0), True)
    assert now.trace(toward(1, S)) == []
    assert now.trace(Place("rows", 2)) == []
    assert index[now.trace(toward(0, S))[0][1]].tolist() == [*range(8)]


def test_an_edge_that_leads_nowhere_brings_nothing() -> None:
    """It is a driver all the same."""
    assert state(tile_0="north_to_net=all").trace(NET) == []
    with pytest.raises(IllegalRouteError, match=r"net of tile \(0, 0\), wires 0-15: driven by north_to_net"):
        state(tile_0="north_to_net=all west_to_net=all").check()


@pytest.mark.parametrize(
    ("tiles", "places"),
    [
        ({"tile_0": "west_to_net=all columns_to_net=odd"}, r"net of tile \(0, 0\), odd wires 1-15"),
        ({"tile_0": "west_to_rows=low net_to_rows=even"}, r"rows of tile \(0, 0\), even wires 0-6"),
        ({"tile_3": "south_to_columns=all net_to_columns=high"}, r"columns of tile \(1, 1\), wires 8-15"),
        ({"tile_0": "net_to_south=all columns_to_south=all"}, r"tile \((0|1), 0\) (south|north) edge, wires 0-15"),
        ({"tile_0": "net_to_east=all", "tile_1": "net_to_west=low"}, r"tile \(0, 0\) east edge, wires 0-7"),
        ({"tile_1": "columns_to_south=all", "tile_3": "net_to_north=high"}, r"tile \(0, 1\) south edge, wires 8-15"),
    ],
)
def test_two_drivers(tiles: dict[str, str], places: str) -> None:
    with pytest.raises(IllegalRouteError, match=f"^{places}: driven by .*_to_.* of tile .* and .*_to_.* of tile "):
        state(**tiles).check()


def test_drivers_of_different_lanes_share_a_place() -> None:
    state(
        {(0, W): lanes(0, 5), (0, S): ~lanes(0, 5)},
        tile_0="net_to_rows=none west_to_net=custom columns_to_net=custom net_to_east=low",
        tile_1="net_to_west=high",
    ).check()


def test_a_pad_drives_its_edge_only_while_it_sends() -> None:
    """On all lanes, whatever the tile drives there."""
    now = state({(1, E): lanes(7)}, tile_1="net_to_east=custom")
    now.check()
    now.check({0: "ILP W"})
    with pytest.raises(IllegalRouteError, match=r"^tile \(0, 1\) east edge, wires 7: driven by .* and ILP E$"):
        now.check({1: "ILP E"})


RING = {
    "tile_0": "south_to_net={0} net_to_east={0}",
    "tile_1": "west_to_net={0} net_to_south={0}",
    "tile_3": "north_to_net={0} net_to_west={0}",
    "tile_2": "east_to_net={0} net_to_north={0}",
}


def test_a_closed_ring_is_named_place_by_place() -> None:
    ring = {tile: text.format("odd") for tile, text in RING.items()}
    with pytest.raises(IllegalRouteError, match=r"^closed ring of borderguards, odd wires 1-15: ") as caught:
        state(**ring).check()
    *way, last = str(caught.value).split(": ")[1].split(" -> ")
    assert way[0] == last
    assert len(way) == 8, "four nets and four edges"
    assert {f"net of tile {square}" for square in ("(0, 0)", "(0, 1)", "(1, 0)", "(1, 1)")} < set(way)


def test_a_ring_with_a_gap_is_none() -> None:
    """Each lane is open somewhere: the lanes that go on past tile 0 do not come back."""
    ring = {tile: text.format("all") for tile, text in RING.items()}
    ring["tile_0"] = "south_to_net=even net_to_east=odd"
    state(**ring).check()
