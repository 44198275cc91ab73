"""The paper's five chips: every figure that Nature 620, 768 (2023) gives of them, from blocks and programs."""

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.compiler.matrices import Layout
from cosim.fabric.mesh_graph import Mesh, MeshState, pattern_lanes
from cosim.isa.words import OLP, TILE
from cosim.program import Mode
from cosim.workloads.rnnt.mapping import PAPER, FirstLayer, laid_out, mapping, matrix_shapes, paper_layout, waves
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from cosim.workloads.rnnt.placed import MappingReport, figures_of
from rtl.config import preset

CHIP = preset()
FIRST = "pre/lstm0/input"


@pytest.fixture(scope="module")
def layout() -> Layout:
    return paper_layout(FirstLayer.AVERAGED)


def matrices_of(layout, chip):
    return list(dict.fromkeys(block.matrix for block in layout.blocks_on(chip)))


def test_five_chips_of_142_tiles(layout):
    chips = figures_of(layout)
    assert [chip.tiles for chip in chips] == [32, 32, 32, 33, 13]
    assert sum(chip.tiles for chip in chips) == 142
    assert [chip.outputs for chip in chips] == [18, 18, 18, 17, 6]
    assert [chip.slots for chip in chips] == [3, 3, 3, 3, 1]
    assert [chip.inputs for chip in chips] == [4, 4, 4, 5, 5]
    assert [chip.frame_ns for chip in chips] == [2100, 2100, 2100, 2100, 1500]
    assert [chip.pairs for chip in chips] == [14, 14, 14, 16, 6]
    assert all(len(frames) == 1 for frames in layout.frames)  # one frame does all that a chip holds


@pytest.mark.parametrize(("first", "millions"), [("once", 129.28), ("averaged", 141.08), ("expanded", 142.13)])
def test_devices(first, millions):
    """Methods: more than 140 million devices, 2.9 for each weight (3.1 with expansion)."""
    layout = paper_layout(FirstLayer(first))
    assert layout.devices / 1e6 == pytest.approx(millions, abs=0.005)
    assert round(layout.devices / PAPER.mapped_weights, 1) == {"once": 2.9}.get(first, 3.1)
    rows = max(block.rows[1] for block in layout.blocks_of[FIRST])
    assert rows == {"once": 240, "averaged": 960, "expanded": 1024}[first]


def test_matrices_are_the_network_s():
    small = RnntShape(features=12, encoder=16, prediction=8, joint=10)
    network = RnntModel(RnntNetwork.random(small)).network
    shapes = {name: (linear.inputs, linear.outputs) for name, linear in network.matrices.items()}
    assert shapes.pop("joint/fc") == (10, 29)
    assert shapes == matrix_shapes(small)
    assert [wave for wave in network.waves if wave != ("joint/fc",)] == waves()
    own = {name: rows * columns for name, (rows, columns) in matrix_shapes(PAPER).items()}
    own["prediction/lstm0"] = 28 * 320 + 2 * 320 * 1280  # counted as embedding and two matrices, not collapsed
    assert sum(own.values()) == PAPER.mapped_weights == 45_261_568


def test_which_matrix_is_where(layout):
    by_chip = [[name.partition("/")[2] for name in matrices_of(layout, chip)] for chip in range(5)]
    assert [sorted(names) for names in by_chip] == [
        ["lstm0/input", "lstm0/recurrent"],
        ["lstm1/input", "lstm1/recurrent"],
        ["lstm2/input", "lstm2/recurrent"],
        ["fc", "lstm3", "lstm4"],
        ["fc", "lstm0", "lstm1"],
    ]
    stacked = {block.matrix for block in layout.blocks.values() if block.mode is Mode.STACKED}
    assert stacked == {"post/lstm2/input", "post/lstm3", "post/lstm4", "post/fc"}
    assert {block.mode for block in layout.blocks.values()} == {Mode.STACKED, Mode.BALANCED}


def test_two_blocks_of_columns_are_summed_on_the_host(layout):
    """Methods: blocks 1 and 9, 2 and 10 (of 2-PCM matrices 1(9), 17(25) and 2(10), 18(26)) are summed in digital."""
    for name, half in ((FIRST, 512), ("pre/lstm1/input", 512), ("post/lstm2/input", 1024)):
        blocks = layout.blocks_of[name]
        apart = sorted((block.columns, block.rows) for block in blocks if len(layout.seats[block.name].tiles) == 1)
        height = max(block.rows[1] for block in blocks)
        rows = [(0, half), (half, height)]
        assert apart == [((512 * column, 512 * column + 512), part) for column in (0, 1) for part in rows]
        joined = [block for block in blocks if len(layout.seats[block.name].tiles) == 2]
        assert sorted(block.columns[0] // 512 for block in joined) == list(range(2, 8))
        assert {block.rows for block in joined} == {(0, height)}
    whole = ("pre/lstm0/recurrent", "pre/lstm1/recurrent", "post/lstm2/recurrent", "post/lstm3", "post/lstm4")
    assert all(len(layout.seats[block.name].tiles) == 2 for name in whole for block in layout.blocks_of[name])


def test_nine_copies_and_the_state_stand_on_a_tile_each(layout):
    for block in layout.blocks_of["prediction/lstm0"]:
        assert [part.rows for part in layout.parts(block.name)] == [(0, 252), (252, 572)]
    for block in layout.blocks_of["prediction/lstm1"]:
        assert [part.rows for part in layout.parts(block.name)] == [(0, 320), (320, 640)]


def test_tails_come_on_even_and_odd_lanes_of_one_vector(layout):
    tails = [block for name in ("lstm0", "lstm1") for block in layout.blocks_of[f"prediction/{name}"]][2::3]
    assert [block.columns for block in tails] == [(1024, 1280)] * 2
    seats = [layout.seats[block.name] for block in tails]
    assert [(seat.column, seat.step) for seat in seats] == [(0, 2), (1, 2)]
    (call,) = layout.calls[waves()[2]]
    outputs = {output.block: output for output in call.outputs}
    own = [outputs[block.name] for block in tails]
    assert own[0].output == own[1].output
    assert [one.lanes(256) for one in own] == [slice(0, 512, 2), slice(1, 513, 2)]
    # What the words of that step do to the mesh: the landing pad hears both tiles, each on its lanes.
    (frame,) = layout.frames[4].values()
    (reading,) = [reading for reading in frame.readings if len(reading.sources) == 2]
    mesh = Mesh(CHIP)
    state = MeshState(mesh, frame.ways[1 + reading.step], {})
    state.check()
    heard = {source.tile: lanes for source, lanes in state.trace(mesh.olp(reading.olp))}
    assert heard.keys() == {seat.reader for seat in seats}
    for seat, pattern in zip(seats, ("even", "odd"), strict=True):
        assert np.array_equal(heard[seat.reader], pattern_lanes(pattern, CHIP.lanes))


def test_weights_of_the_tails_stand_on_every_second_column(layout):
    rng = np.random.default_rng(0)
    weights = {block.name: rng.uniform(-1, 1, block.shape) for block in layout.blocks_on(4)}
    targets = layout.targets(4, weights)
    for block in layout.blocks_of["prediction/lstm1"]:
        seat = layout.seats[block.name]
        for part in layout.parts(block.name):
            rows = slice(part.at, part.at + part.rows[1] - part.rows[0])
            columns = slice(seat.column, None, seat.step)
            assert np.array_equal(targets[part.tile].wp1[rows, columns], weights[block.name][slice(*part.rows)])
            assert np.array_equal(targets[part.tile].wp2[rows, columns], -weights[block.name][slice(*part.rows)])
            others = np.ones(CHIP.lanes, bool)
            others[columns] = False
            assert not targets[part.tile].wp1[:, others].any()


@pytest.mark.parametrize(
    "first", [FirstLayer.AVERAGED, *(pytest.param(one, marks=pytest.mark.long) for one in FirstLayer)]
)
def test_stored_layouts_pass_the_checker(first):
    paper_layout(first, check=True)


def test_words_fit_and_every_pad_is_in_use(layout):
    for programs in layout.programs:
        (program,) = programs.values()
        words = {
            kind: max(len(own) for unit, own in program.units.items() if unit.kind is kind) for kind in (TILE, OLP)
        }
        assert words[TILE] <= 64
        assert {output.olp for output in program.outputs} == set(range(6))


@pytest.mark.long
@pytest.mark.parametrize("first", FirstLayer)
def test_stored_layouts_are_what_the_compiler_finds(first):
    """Where the solver takes other ways, with another version of it, the figures are the same."""
    pytest.importorskip("ortools", reason="needs the extra [compile]")
    assert figures_of(laid_out(first)) == figures_of(paper_layout(first))


def test_options_of_a_build():
    analog = AnalogConfig()
    paper = mapping(PAPER, analog)
    assert paper.placed == paper_layout()
    assert mapping(PAPER, analog, FirstLayer.EXPANDED).expansion == {FIRST: pytest.approx(1024 / 240)}
    other = mapping(RnntShape(encoder=256), analog, chips=2)
    assert other.placed is None
    assert other.layout.chips == 2
    assert other.layout.of("joint/fc").host
    assert other.layout.of(FIRST).copies == 4


def test_report(layout):
    report = MappingReport(layout, FirstLayer.AVERAGED).to_json()
    assert report["tiles"] == sum(report["paper"]["tiles"]) == 142
    assert [chip["slots"] for chip in report["chips"]] == report["paper"]["slots"]
    assert [chip["frame_ns"] for chip in report["chips"]] == report["paper"]["frame_ns"]
    assert report["mapped_weights"] == report["paper"]["mapped_weights"]
