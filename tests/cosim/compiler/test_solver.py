"""Several multicasts at once: where the papers' largest mapping fits, and where it is proved not to."""

import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from cosim.fabric.mesh_graph import Mesh, MeshState, Place
from rtl.config import ChipConfig, preset

pytest.importorskip("ortools", reason="needs the extra [compile]")
from ortools.sat.python import cp_model

from cosim.compiler.solver import MeshModel, Solution, solve

SMALL, CHIP = preset("small"), preset()


def with_holes(*holes: tuple[int, int]) -> ChipConfig:
    return replace(CHIP, floorplan=replace(CHIP.floorplan, holes=frozenset(holes)))


def check(mesh: Mesh, solution: Solution, heard: dict[str, tuple[int, ...]]) -> None:
    """The graph of drivers judges: no wire with two drivers, and every vector is heard by whom it should be."""
    state = MeshState(mesh, solution.settings, {})
    state.check({place.tile: vector for vector in heard for place in solution.sources(vector) if place.kind == "ilp"})
    for vector, tiles in heard.items():
        assert solution.rows(vector) == tiles
        for tile in tiles:
            ((source, lanes),) = state.trace(Place("rows", tile))
            assert source in solution.sources(vector)
            assert lanes.all()


def test_one_vector_to_all_rows() -> None:
    mesh = Mesh(SMALL)
    model = MeshModel(mesh, ["x"])
    model.sent_by("x", [Place("ilp", 1)])
    model.heard("x", [Place("rows", tile) for tile in range(4)])
    found = solve([model])
    assert found is not None
    check(mesh, found[0], {"x": (0, 1, 2, 3)})


def test_two_vectors_do_not_share_a_place() -> None:
    model = MeshModel(Mesh(SMALL), ["x", "y"])
    for vector in ("x", "y"):
        model.heard(vector, [Place("rows", 0)])
    assert solve([model]) is None


_INTERRUPTED = """
import signal
from cosim.compiler.solver import MeshModel, solve
from cosim.fabric.mesh_graph import Mesh
from rtl.config import preset
solve([MeshModel(Mesh(preset("small")), ["x"])])
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("caught")
"""


def test_ctrl_c_is_caught_as_before() -> None:
    """The solver puts a handler of its own in its place if it may, and none when it is done."""
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "caught\n"), done.stderr


def test_ctrl_c_ends_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    searching, stopped = threading.Event(), threading.Event()

    def interrupt() -> None:
        searching.wait(60)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    def search(*_: object) -> int:
        searching.set()
        stopped.wait(60)
        return cp_model.UNKNOWN

    monkeypatch.setattr(cp_model.CpSolver, "solve", search)
    monkeypatch.setattr(cp_model.CpSolver, "stop_search", lambda _: stopped.set())
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        solve([MeshModel(Mesh(SMALL), ["x"])])
    assert stopped.is_set()


VECTORS = ("3a", "3b", "4a", "4b", "fc")


def chip_4(config: ChipConfig, *, copies: bool = True) -> MeshModel:
    """One integration step of the RNN-T's chip 4 (Nature 620, 768 (2023), Fig. 4e, f): sixteen joined pairs and Enc-FC.

    Two LSTM layers of eight pairs each, 2,048 rows in 2-PCM mode: of each pair, one tile hears a block of the layer's
    input and the other one a second block, at the same time. Enc-FC is one more tile with a vector of its own. Open are
    which pairs belong to which layer, which tile of a pair hears which block, where Enc-FC sits, and which input
    landing pads send which of the five vectors; with `copies`, two pads may send the same one.
    """
    tiles = range(config.tile_count)
    pads = [Place("ilp", pad) for pad in range(config.domain_count)]
    model = MeshModel(Mesh(config), VECTORS)
    hears = {(tile, vector): model.carries[Place("rows", tile), vector] for tile in tiles for vector in VECTORS}
    for vector in VECTORS:
        model.sent_by(vector, pads)
        if not copies:
            model.model.add_exactly_one(model.carries[pad, vector] for pad in pads)
    for blocks in (("3a", "3b"), ("4a", "4b")):
        used = []
        for pair in config.floorplan.capacitor_pairs():
            used.append(model.model.new_bool_var(f"{pair} for {blocks}"))
            for tile in pair:
                model.model.add(sum(hears[tile, block] for block in blocks) == 1).only_enforce_if(used[-1])
            for block in blocks:
                model.model.add(sum(hears[tile, block] for tile in pair) == 1).only_enforce_if(used[-1])
        model.model.add(sum(used) == 8)
        for block in blocks:  # and nobody else
            model.model.add(sum(hears[tile, block] for tile in tiles) == 8)
    model.model.add(sum(hears[tile, "fc"] for tile in tiles) == 1)
    return model


def test_chip_4_fits_the_floorplan() -> None:
    found = solve([chip_4(CHIP)])
    assert found is not None
    solution = found[0]
    heard = {vector: solution.rows(vector) for vector in VECTORS}
    assert [len(tiles) for tiles in heard.values()] == [8, 8, 8, 8, 1]
    check(Mesh(CHIP), solution, heard)


def test_chip_4_needs_the_sixth_pad() -> None:
    """With one pad for each of the five vectors there is no way."""
    assert solve([chip_4(CHIP, copies=False)]) is None


def test_chip_4_does_not_fit_holes_side_by_side() -> None:
    """The floorplan of decision 0001, whatever the pads send."""
    assert solve([chip_4(with_holes((2, 2), (2, 3)))]) is None


@pytest.mark.long
def test_chip_4_is_read_in_three_slots() -> None:
    """Its seventeen outputs, six at once, each to a landing pad of its own; of a pair either tile may be read."""
    integration = chip_4(CHIP)
    model, mesh = integration.model, Mesh(CHIP)
    pads = [f"to {domain}" for domain in CHIP.floorplan.domains]
    slots = [MeshModel(mesh, pads if slot else pads[:5], model) for slot in range(3)]
    read = {tile: [] for tile in range(CHIP.tile_count)}
    for slot in slots:
        for pad, vector in enumerate(slot.vectors):
            slot.heard(vector, [mesh.olp(pad)])
            outputs = {tile: slot.carries[Place("outputs", tile), vector] for tile in read}
            slot.sent_by(vector, [Place("outputs", tile) for tile in read])
            model.add_exactly_one(outputs.values())
            for tile, sends in outputs.items():
                read[tile].append(sends)
    listens = {tile: sum(integration.carries[Place("rows", tile), v] for v in VECTORS[:4]) for tile in read}
    for north, south in CHIP.floorplan.capacitor_pairs():
        fc = sum(integration.carries[Place("rows", tile), "fc"] for tile in (north, south))
        once = model.new_bool_var("")  # a pair of a layer; the tiles of no layer's pair stay for Enc-FC
        model.add(listens[north] + listens[south] == 2 * once)
        model.add(sum(read[north]) + sum(read[south]) == once + fc)
    for tile in read:
        fc = integration.carries[Place("rows", tile), "fc"]
        model.add(sum(read[tile]) >= 1).only_enforce_if(fc)
    found = solve([integration, *slots])
    assert found is not None
    for slot, solution in zip(slots, found[1:], strict=True):
        state = MeshState(mesh, solution.settings, {})
        state.check()
        for pad, vector in enumerate(slot.vectors):
            ((source, lanes),) = state.trace(mesh.olp(pad))
            assert (source,) == solution.sources(vector)
            assert lanes.all()
