"""Routes over the mesh: found, legal, or refused with a reason. The graph of drivers judges, not the router."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cosim.compiler.router import Connection, RouteError, Router, switches
from cosim.fabric.mesh_graph import Mesh, MeshState, Place
from rtl.config import Edge, preset

CONFIGS = {name: preset(name) for name in ("chip", "small")}
MESHES = {name: Mesh(config) for name, config in CONFIGS.items()}


def state_of(name: str, connections: list[Connection]) -> MeshState:
    config, masks = CONFIGS[name], {}
    routes = Router(config, MESHES[name]).route(connections)
    return MeshState(MESHES[name], switches(routes, config.lanes, masks), masks)


def tile(name: str, row: int, column: int) -> int:
    return CONFIGS[name].floorplan.tile_index[row, column]


def test_the_shortest_way_enters_the_rows_past_the_net() -> None:
    route = Router(CONFIGS["small"]).route([Connection(Place("ilp", 0), (Place("rows", 0),))])[0]
    assert [arc.switch for arc in route.arcs] == ["west_to_rows"]


def test_multicast_to_all_landing_pads() -> None:
    """The paper's transport test: the south-west ILP to all six OLPs at once (Nature 620, 768, Fig. 2d)."""
    mesh = MESHES["chip"]
    olps = tuple(mesh.olp(index) for index in range(6))
    state = state_of("chip", [Connection(Place("ilp", 4), olps)])
    state.check({4: "ILP SW"})
    for olp in olps:
        ((source, lanes),) = state.trace(olp)
        assert source == Place("ilp", 4)
        assert lanes.all()


def test_pass_over() -> None:
    """A vector enters the rows of a tile while another one passes over it (Nature 620, 768, Fig. 4e)."""
    entering = Connection(Place("ilp", 0), (Place("rows", tile("small", 0, 0)),))
    beside = Connection(Place("outputs", tile("small", 1, 1)), (MESHES["small"].olp(1),))
    passing = Connection(Place("outputs", tile("small", 0, 1)), (Place("rows", tile("small", 1, 0)),))
    state = state_of("small", [entering, beside, passing])
    state.check({0: "ILP W"})
    assert state.trace(Place("net", tile("small", 0, 0)))[0][0] == passing.source
    assert state.trace(Place("rows", tile("small", 0, 0)))[0][0] == entering.source
    assert state.trace(Place("rows", tile("small", 1, 0)))[0][0] == passing.source


@pytest.mark.parametrize("patterns", [("even", "odd"), ("low", "high"), (frozenset(range(5)), frozenset(range(7, 16)))])
def test_concatenation(patterns: tuple) -> None:
    """Two tiles share a landing pad, each on lanes of its own (Nature 620, 768, Fig. 2c)."""
    olp = MESHES["small"].olp(1)
    sources = (Place("outputs", 1), Place("outputs", 2))
    state = state_of("small", [Connection(s, (olp,), p) for s, p in zip(sources, patterns, strict=True)])
    state.check()
    heard = dict(state.trace(olp))
    assert set(heard) == set(sources)
    for source, pattern in zip(sources, patterns, strict=True):
        np.testing.assert_array_equal(heard[source], Connection(source, (), pattern).lanes(16))


def test_one_destination_cannot_hear_two_sources() -> None:
    rows = (Place("rows", 0),)
    connections = [Connection(Place("ilp", 0), rows), Connection(Place("outputs", 3), rows)]
    with pytest.raises(RouteError) as caught:
        Router(CONFIGS["small"]).route(connections)
    message = str(caught.value)
    assert "from outputs of tile (1, 1) to rows of tile (0, 0)" in message
    assert "rows of tile (0, 0) carries ILP W" in message


def test_a_wall_of_other_vectors_is_named() -> None:
    """The first vector crosses the four tiles, and leaves no way for the second to cross it."""
    connections = [
        Connection(Place("outputs", 0), (MESHES["small"].olp(1),)),
        Connection(Place("outputs", 1), (MESHES["small"].olp(0),)),
    ]
    with pytest.raises(
        RouteError, match=r"no way from outputs of tile \(0, 1\) to OLP W .*net of tile \(\d, \d\) carries"
    ):
        Router(CONFIGS["small"]).route(connections)


def test_a_pad_that_the_mesh_does_not_join() -> None:
    with pytest.raises(RouteError, match="the mesh does not join them"):
        Router(CONFIGS["small"]).route([Connection(Place("columns", 0), (Place("rows", 1),))])


def test_two_masks_for_one_edge() -> None:
    route = Router(CONFIGS["small"]).route([Connection(Place("ilp", 0), (Place("rows", 0),), frozenset({1, 5}))])
    with pytest.raises(RouteError, match="west_to_rows of tile 0 needs another mask"):
        switches(route, 16, {(0, Edge.WEST): np.ones(16, np.bool_)})


@st.composite
def requests(draw: st.DrawFn, name: str) -> list[Connection]:
    """Different sources to destinations that no other has."""
    config = CONFIGS[name]
    sources = [Place("ilp", index) for index in range(config.domain_count)]
    sources += [Place("outputs", index) for index in range(config.tile_count)]
    targets = [Place("rows", index) for index in range(config.tile_count)]
    targets += [MESHES[name].olp(index) for index in range(config.domain_count)]
    chosen = draw(st.lists(st.sampled_from(sources), min_size=1, max_size=4, unique=True))
    ends = draw(st.lists(st.sampled_from(targets), min_size=len(chosen), max_size=len(chosen) + 3, unique=True))
    return [
        Connection(source, tuple(ends[index :: len(chosen)]), draw(st.sampled_from(("all", "even", "high"))))
        for index, source in enumerate(chosen)
    ]


@pytest.mark.parametrize("name", CONFIGS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_routes_that_are_found_are_legal_and_arrive(name: str, data: st.DataObject) -> None:
    connections = data.draw(requests(name))
    try:
        state = state_of(name, connections)
    except RouteError:
        assume(False)
    state.check({c.source.tile: "an ILP" for c in connections if c.source.kind == "ilp"})
    for connection in connections:
        for target in connection.targets:
            ((source, lanes),) = state.trace(target)
            assert source == connection.source
            np.testing.assert_array_equal(lanes, connection.lanes(CONFIGS[name].lanes))


@given(requests("chip"))
@settings(deadline=None, max_examples=40)
def test_a_single_connection_always_finds_its_way_on_the_chip(connections: list[Connection]) -> None:
    Router(CONFIGS["chip"], MESHES["chip"]).route(connections[:1])
