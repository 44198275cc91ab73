"""Several vectors to many tiles at once: every tile hears its own, no wire has two drivers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.compiler.matrices.ways import Ways
from cosim.compiler.multicast import Multicast
from cosim.compiler.router import Connection, Route, switches
from cosim.fabric.mesh_graph import Mesh, MeshState, Place
from rtl.config import preset

CHIP = preset()
MESH = Mesh(CHIP)
MULTICAST, WAYS = Multicast(MESH), Ways(CHIP)


def check(groups: list[list[int]]) -> bool:
    """Whether ways were found; if so, they are right."""
    found = MULTICAST.route(groups)
    if found is None:
        return False
    lanes = np.ones(CHIP.lanes, np.bool_)
    routes = [Route(Connection(Place("ilp", tree.ilp), ()), tree.arcs, lanes) for trees in found for tree in trees]
    state = MeshState(MESH, switches(routes, CHIP.lanes, {}), {})
    state.check({tree.ilp: str(number) for number, trees in enumerate(found) for tree in trees})
    for tiles, trees in zip(groups, found, strict=True):
        for tile in tiles:
            ((source, heard),) = state.trace(Place("rows", tile))
            assert source in [Place("ilp", tree.ilp) for tree in trees]
            assert heard.all()
    return True


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=34, max_size=34))
def test_any_tiles(vectors: list[int]) -> None:
    """One vector always finds its way; of several, what is found is right."""
    groups = [[tile for tile, own in enumerate(vectors) if own == vector] for vector in range(1, 4)]
    groups = [tiles for tiles in groups if tiles]
    for tiles in groups:
        assert check([tiles])
    if groups:
        check(groups)


def test_six_vectors_to_the_tiles_beside_their_pads() -> None:
    assert check([[CHIP.floorplan.tile_index[site.square]] for site in CHIP.floorplan.ilp_sites])


def test_a_vector_that_is_cut_off_is_sent_by_two_pads() -> None:
    """The third row has a hole in its middle, and the rows above it are busy with vectors of their own."""
    rows = [[tile for tile, square in enumerate(CHIP.floorplan.tiles) if square[0] == row] for row in range(3)]
    below = [tile for tile, square in enumerate(CHIP.floorplan.tiles) if square in ((3, 3), (3, 4), (3, 5))]
    assert check([*rows, below])
    found = MULTICAST.route([*rows, below])
    assert found is not None
    assert len(found[2]) == 2  # west and east of the hole


@pytest.mark.parametrize("seed", range(3))
def test_readouts_are_as_few_as_can_be(seed: int) -> None:
    """Seventeen tiles, or pairs of which either may be read, to six pads: three steps, no wires shared in any."""
    tiles = np.random.default_rng(seed).permutation(CHIP.tile_count)[:17]
    for chains in ([(int(tile),) for tile in tiles], list(CHIP.floorplan.capacitor_pairs())):
        steps = WAYS.read(chains, 3)
        assert steps is not None
        assert len(steps) == 3
        heard = [one for step in steps for one in step]
        assert sorted(next(chain for chain in chains if one.tile in chain) for one in heard) == sorted(chains)
        for step in steps:
            state = MeshState(MESH, switches([one.route for one in step], CHIP.lanes, {}), {})
            state.check()
            for one in step:
                ((source, lanes),) = state.trace(MESH.olp(one.olp))
                assert source == Place("outputs", one.tile)
                assert lanes.all()
    assert WAYS.read([(int(tile),) for tile in tiles], 2) is None
