"""Matrices on chips: every weight once, every frame legal, every product right."""

import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analog_models.config import AnalogConfig
from cosim.compiler import MappingError
from cosim.compiler.matrices import (
    Block,
    Call,
    Frame,
    Layout,
    LayoutOptions,
    MatrixOptions,
    Output,
    Reading,
    Readout,
    Seat,
    Slice,
    Source,
    Stream,
    Vector,
    Work,
    lay_out,
)
from cosim.compiler.router import Connection, Router, switches
from cosim.engines.rtl import RtlEngine
from cosim.engines.twin import TwinEngine
from cosim.fabric.checker import check_image
from cosim.fabric.derivation import FrameDerivation, derive
from cosim.fabric.mesh_graph import Mesh, Place
from cosim.files.extras import MissingPackage
from cosim.files.json_text import from_json, to_json
from cosim.program import Mode
from rtl.config import preset
from tests.cosim.compiler.matrices.products import block_codes, block_weights, chips

SMALL, CHIP = preset("small"), preset()
#: With two landing pads many calls are needed, and words for them.
DEEP = replace(SMALL, program_depth=512, pad_program_depth=512)
IDEAL = AnalogConfig.ideal()
Waves = list[tuple[str, ...]]


@st.composite
def networks(draw: st.DrawFn, largest: int) -> tuple[dict[str, tuple[int, int]], Waves, LayoutOptions]:
    """Shapes, waves and choices."""
    names = "abcdefg"[: draw(st.integers(1, 5))]
    sizes = st.integers(1, largest)
    shapes = {name: (draw(sizes), draw(sizes)) for name in names}
    waves, rest = [], list(names)
    while rest:
        count = draw(st.integers(1, len(rest)))
        waves.append(tuple(rest[:count]))
        rest = rest[count:]
    waves += draw(st.lists(st.sampled_from(waves), max_size=1))
    alike = ()
    if len(waves[0]) > 1 and draw(st.booleans()):
        first, second = waves[0][:2]
        shapes[second] = shapes[first][0], shapes[second][1]
        alike = (waves[0][:2],)
    choices = st.builds(
        MatrixOptions,
        mode=st.sampled_from([None, *Mode]),
        joined=st.sampled_from([None, True, False]),
        copies=st.integers(1, 3),
    )
    matrices = {name: draw(choices) for name in names}
    duration, bits = draw(st.sampled_from([255, 127])), draw(st.sampled_from([8, 7]))
    return (
        shapes,
        waves,
        LayoutOptions(matrices=matrices, alike=alike, duration=duration, readout_bits=bits, analog=IDEAL),
    )


def check_cells(layout: Layout, shapes: dict[str, tuple[int, int]]) -> None:
    """Every weight of every copy is on exactly one cell, and no cell holds two."""
    held = {name: np.zeros((rows * layout.copies.get(name, 1), columns)) for name, (rows, columns) in shapes.items()}
    cells = {}
    for block in layout.blocks.values():
        held[block.matrix][slice(*block.rows), slice(*block.columns)] += 1
        seat = layout.seats[block.name]
        for part in layout.parts(block.name):
            for pair in (0, 1) if part.pair is None else (part.pair,):
                shape = layout.config.lanes, layout.config.lanes
                cell = cells.setdefault((seat.chip, part.tile, pair), np.zeros(shape))
                height, width = part.rows[1] - part.rows[0], block.shape[1]
                columns = slice(seat.column, seat.column + seat.step * width, seat.step)
                area = cell[part.at : part.at + height, columns]
                assert area.shape == (height, width)
                area += 1
    for name, counts in held.items():
        assert np.all(counts == 1), name
    for place, counts in cells.items():
        assert np.all(counts <= 1), place


def check_products(layout: Layout, shapes: dict[str, tuple[int, int]], alike: tuple[tuple[str, ...], ...]) -> None:
    """Every block's codes are its products, on chips without noise."""
    random = np.random.default_rng(0)
    top = layout.timing.duration
    matrices = {name: random.uniform(-1, 1, shape) for name, shape in shapes.items()}
    inputs = {name: random.integers(-top, top + 1, (4, rows)) for name, (rows, _) in shapes.items()}
    inputs |= {name: inputs[group[0]] for group in alike for name in group}
    weights = block_weights(layout, matrices)
    codes = block_codes(layout, TwinEngine(), chips(layout, matrices, IDEAL), inputs)
    called = [(wave, block.name) for wave in layout.calls for name in wave for block in layout.blocks_of[name]]
    assert sorted(codes) == sorted(called)
    for (_, name), found in codes.items():
        block, readout = layout.blocks[name], layout.readouts[name]
        tall = np.tile(inputs[block.matrix], layout.copies.get(block.matrix, 1))
        shared = len(layout.seats[name].tiles)
        gain = IDEAL.volts_per_weight_ns(readout.capacitors * shared) / IDEAL.volts_per_cycle(readout.ramp_slope)
        product = block.mode.gain * tall[:, slice(*block.rows)] @ weights[name]
        durations = np.clip(readout.zero(IDEAL) + gain * product, 0, top)
        merged = 1 << (8 - layout.timing.readout_bits)
        assert np.abs(durations - (found * merged + (merged - 1) / 2)).max() < 0.51 + merged / 2, name


def check_all(shapes: dict[str, tuple[int, int]], waves: Waves, options: LayoutOptions) -> None:
    layout = lay_out(shapes, waves, options, DEEP)
    assert list(layout.calls) == list(dict.fromkeys(waves))
    check_cells(layout, shapes)
    check_products(layout, shapes, options.alike)
    for programs in layout.programs[:2]:
        for before, program in product(programs.values(), repeat=2):  # a frame is the same whatever ran before
            left = FrameDerivation(before).banks
            assert FrameDerivation(program, left).frame(0).listing() == derive(program).listing()


@settings(max_examples=8, deadline=None)
@given(network=networks(largest=50))
def test_random_networks(network: tuple) -> None:
    check_all(*network)


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(network=networks(largest=60))
def test_many_random_networks(network: tuple) -> None:
    check_all(*network)


@pytest.mark.long
@settings(max_examples=6, deadline=None)
@given(network=networks(largest=3000))
def test_random_networks_on_full_chips(network: tuple) -> None:
    shapes, waves, options = network
    layout = lay_out(shapes, waves, options, CHIP)
    check_cells(layout, shapes)
    check_products(layout, shapes, options.alike)


@pytest.mark.cosimulation
def test_twin_and_rtl_agree() -> None:
    """Bit by bit, in all modes, on a noisy chip, several frames a run and one entry after the other."""
    shapes = {"a": (20, 16), "b": (20, 12), "c": (9, 7)}
    choices = {"b": MatrixOptions(mode=Mode.STACKED), "c": MatrixOptions(mode=Mode.DOUBLE)}
    options = LayoutOptions(chips=1, matrices=choices, frames_per_run=2)
    layout = lay_out(shapes, [("a",), ("b",), ("c",)], options, SMALL)
    assert {len(seat.tiles) for seat in layout.seats.values()} == {1, 2}
    assert layout.joined(0)
    assert layout.joined(0) <= set(SMALL.floorplan.capacitor_pairs())
    random = np.random.default_rng(1)
    matrices = {name: random.uniform(-1, 1, shape) for name, shape in shapes.items()}
    inputs = {name: random.integers(-255, 256, (7, rows)) for name, (rows, _) in shapes.items()}
    found = [
        block_codes(layout, engine, chips(layout, matrices, AnalogConfig()), inputs)
        for engine in (TwinEngine(), RtlEngine(SMALL))
    ]
    assert found[0].keys() == found[1].keys()
    for key, codes in found[0].items():
        assert np.array_equal(codes, found[1][key]), key
        assert len(np.unique(codes)) > 10, key


def encoder(layers: int = 4) -> tuple[dict[str, tuple[int, int]], Waves, tuple[tuple[str, ...], ...]]:
    """Whisper tiny's, 384 wide: shapes, waves, and matrices with the same input."""
    shapes, waves, alike = {}, [], []
    for layer in range(layers):
        q, k, v, out, fc1, fc2 = (f"{layer}/{name}" for name in ("q", "k", "v", "out", "fc1", "fc2"))
        shapes |= dict.fromkeys((q, k, v, out), (384, 384)) | {fc1: (384, 1536), fc2: (1536, 384)}
        waves += [(q, k, v), (out,), (fc1,), (fc2,)]
        alike.append((q, k, v))
    return shapes, waves, tuple(alike)


def steps_of(layout: Layout) -> list[list[tuple[int, int]]]:
    """Integration and readout steps of every call of every wave."""
    frames = layout.frames
    return [
        [(frame.integration_steps, frame.readout_steps) for call in calls for frame in (frames[call.chip][call.entry],)]
        for calls in layout.calls.values()
    ]


def test_whisper_s_encoder_is_balanced_on_one_chip() -> None:
    """7,077,888 weights, 79.4 % of the chip; every wave is one call, read in one step."""
    shapes, waves, alike = encoder()
    layout = lay_out(shapes, waves, LayoutOptions(chips=1, alike=alike), CHIP)
    check_cells(layout, shapes)
    weights = sum(block.shape[0] * block.shape[1] for block in layout.blocks.values())
    assert {block.mode for block in layout.blocks.values()} == {Mode.BALANCED}
    assert weights == 7_077_888
    assert round(weights / (CHIP.tile_count * CHIP.lanes**2), 3) == 0.794
    assert steps_of(layout) == [[(4, 1)]] * 16
    assert max(map(len, layout.images[0].words.values())) <= CHIP.program_depth
    assert {program.frames_per_run for program in layout.programs[0].values()} == {16}


def albert() -> tuple[dict[str, tuple[int, int]], Waves]:
    """ALBERT-base's shared layer."""
    shapes = {"qkv": (768, 2304), "out": (768, 768), "fc1": (768, 3072), "fc2": (3072, 768)}
    return shapes, [(name,) for name in shapes]


@pytest.mark.long
def test_albert_s_layer_is_on_one_chip() -> None:
    """With capacitors joined wherever pairs are free, each of the four phases is read in one step."""
    shapes, waves = albert()
    layout = lay_out(shapes, waves, LayoutOptions(chips=1), CHIP)
    check_cells(layout, shapes)
    assert steps_of(layout) == [[(4, 1)]] * 4


def test_albert_s_layer_as_the_paper_has_it() -> None:
    """Nat. Commun. 16, 8661 (2025): only FC1 is summed in pairs; its phases take 2, 1, 1 and 2 output steps."""
    shapes, waves = albert()
    choices = {"fc1": MatrixOptions(joined=True), "*": MatrixOptions(joined=False)}
    layout = lay_out(shapes, waves, LayoutOptions(chips=1, matrices=choices), CHIP)
    assert steps_of(layout) == [[(4, 2)], [(4, 1)], [(4, 1)], [(4, 2)]]
    assert [sum(call.ns for call in (layout.frames[0][c.entry] for c in calls)) for calls in layout.calls.values()] == [
        1800,
        1500,
        1500,
        1800,
    ]


def test_a_solver_that_is_missing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools", None)
    shapes = {"lstm3": (2048, 4096), "lstm4": (2048, 4096), "fc": (1024, 512)}
    options = LayoutOptions(chips=1, matrices={"*": MatrixOptions(mode=Mode.STACKED)}, effort=0, solver_s=30)
    with pytest.raises(MissingPackage, match=r"all ways together needs the package ortools: .*\[compile\]"):
        lay_out(shapes, [tuple(shapes)], options, CHIP)


def test_chip_4_of_the_rnn_t_is_one_call_where_all_ways_are_solved_together() -> None:
    """Sixteen joined pairs and Enc-FC hear five vectors at once, and are read in three steps, 2.1 us."""
    pytest.importorskip("ortools", reason="needs the extra [compile]")
    shapes = {"lstm3": (2048, 4096), "lstm4": (2048, 4096), "fc": (1024, 512)}
    choices = {"*": MatrixOptions(mode=Mode.STACKED)}
    options = LayoutOptions(chips=1, matrices=choices, effort=0, solver_s=30)
    layout = lay_out(shapes, [tuple(shapes)], options, CHIP)
    check_cells(layout, shapes)
    assert steps_of(layout) == [[(4, 3)]]
    (frame,) = layout.frames[0].values()
    assert (len(frame.streams), len(frame.readings)) == (5, 17)
    assert frame.ns == 2100


def test_matrices_are_on_the_chips_that_they_are_given() -> None:
    """Each chip is filled on its own: one balanced, the other too full for that."""
    shapes = {"a/0": (16, 16), "a/1": (16, 16), "b": (32, 40)}
    waves = [("a/0", "a/1"), ("b",)]
    choices = {"a/*": MatrixOptions(chip=1), "b": MatrixOptions(chip=0)}
    layout = lay_out(shapes, waves, LayoutOptions(matrices=choices), DEEP)
    check_cells(layout, shapes)
    chips = {block.matrix: layout.seats[block.name].chip for block in layout.blocks.values()}
    assert chips == {"a/0": 1, "a/1": 1, "b": 0}
    assert {block.mode for block in layout.blocks_of["a/0"]} == {Mode.BALANCED}
    assert {block.mode for block in layout.blocks_of["b"]} == {Mode.STACKED}
    some = LayoutOptions(matrices={"b": MatrixOptions(chip=0)})
    with pytest.raises(MappingError, match="on chips 0 to 1 without a gap; 'a/0' is on None"):
        lay_out(shapes, waves, some, DEEP)
    forced = LayoutOptions(matrices={**choices, "b": MatrixOptions(chip=0, mode=Mode.BALANCED)})
    with pytest.raises(MappingError, match="chip 0: 1,280 weights in 1 matrix do not fit 1 chip"):
        lay_out(shapes, waves, forced, DEEP)


def test_halves_of_two_tiles_are_one_vector() -> None:
    """The low columns of one tile and the high ones of another, both on one vector, to one landing pad (by hand)."""
    mesh, readout = Mesh(SMALL), Readout.signed(255, IDEAL)
    blocks = {name: Block(name, name, (0, 16), (0, 8), Mode.BALANCED) for name in "ab"}
    router = Router(SMALL, mesh)
    sent = router.route([Connection(Place("ilp", 0), (Place("rows", 0), Place("rows", 2)))])
    halves = [Connection(Place("outputs", tile), (mesh.olp(0),), half) for tile, half in ((0, "low"), (2, "high"))]
    heard = router.route(halves)
    frame = Frame(
        streams=(Stream((0,), (Vector(0, 16), Vector(0, 16)), (0, 2)),),
        works=(Work(0, Mode.BALANCED, (0, 1), "a"), Work(2, Mode.BALANCED, (0, 1), "b")),
        readings=(Reading("both", 0, 0, 16, (Source(0, "a", "low"), Source(2, "b", "high"))),),
        ways=(switches(sent, 16, {}), switches(heard, 16, {})),
    )
    layout = Layout(
        config=SMALL,
        blocks=blocks,
        seats={"a": Seat(0, (0,), 0, 0, 0), "b": Seat(0, (2,), 0, 8, 2)},
        calls={("a", "b"): (Call(0, "ab", (Slice("a", (0, 16), 0),), (Output("a", "both"), Output("b", "both", 8))),)},
        frames=({"ab": frame},),
        readouts=dict.fromkeys(blocks, readout),
        shares={"b": "a"},
    )
    check_image(layout.images[0])
    check_products(layout, dict.fromkeys("ab", (16, 8)), (("a", "b"),))


def test_last_columns_of_two_matrices_are_one_vector() -> None:
    """On even columns of one tile and odd ones of another, which are merged on their way to one landing pad."""
    shapes, waves = {"a": (20, 24), "b": (20, 5)}, [("a", "b")]
    options = LayoutOptions(chips=2, matrices={"*": MatrixOptions(Mode.BALANCED, joined=True)}, merged=(("a", "b"),))
    layout = lay_out(shapes, waves, options, SMALL)
    check_cells(layout, shapes)
    check_products(layout, shapes, ())
    for image in layout.images:
        check_image(image)
    assert layout.seats["a 0:20 0:16"].step == 1
    tails = [layout.seats["a 0:20 16:24"], layout.seats["b 0:20 0:5"]]
    assert [(seat.column, seat.step) for seat in tails] == [(0, 2), (1, 2)]
    outputs = {output.block: output for calls in layout.calls.values() for call in calls for output in call.outputs}
    together = tails[0].chip == tails[1].chip
    assert (outputs["a 0:20 16:24"].output == outputs["b 0:20 0:5"].output) is together
    with pytest.raises(MappingError, match="the last 16 columns of 'a' are more than half of a tile's 16"):
        lay_out({"a": (20, 16), "b": (20, 5)}, waves, options, SMALL)
    with pytest.raises(MappingError, match="columns of 'c' cannot be read with another matrix's"):
        lay_out(shapes, waves, replace(options, merged=(("a", "c"),)), SMALL)


def merged_tails() -> tuple[dict[str, tuple[int, int]], Waves, LayoutOptions]:
    """Two matrices whose last columns come as one vector from two tiles of one chip."""
    shapes = {"a": (12, 8), "b": (9, 7)}
    return shapes, [("a", "b")], LayoutOptions(chips=1, merged=(("a", "b"),), analog=IDEAL)


def test_merged_columns_need_one_landing_pad() -> None:
    shapes, waves, options = merged_tails()
    layout = lay_out(shapes, waves, options, SMALL)
    check_products(layout, shapes, ())
    (frame,) = layout.frames[0].values()
    (reading,) = frame.readings
    assert [source.pattern for source in reading.sources] == ["even", "odd"]
    assert Layout.from_json(from_json(to_json(layout.to_json())), SMALL) == layout


@pytest.mark.cosimulation
def test_merged_columns_on_the_rtl() -> None:
    shapes, waves, options = merged_tails()
    analog = AnalogConfig()
    layout = lay_out(shapes, waves, replace(options, analog=analog), SMALL)
    random = np.random.default_rng(2)
    matrices = {name: random.uniform(-1, 1, shape) for name, shape in shapes.items()}
    inputs = {name: random.integers(-255, 256, (4, rows)) for name, (rows, _) in shapes.items()}
    made = chips(layout, matrices, analog)
    twin, rtl = (block_codes(layout, engine, made, inputs) for engine in (TwinEngine(), RtlEngine(SMALL)))
    assert twin.keys() == rtl.keys()
    assert all(np.array_equal(twin[key], rtl[key]) for key in twin)


def test_blocks_apart_and_rows_of_the_first_tile() -> None:
    """Of a joined matrix the first blocks of columns may be left to the host's sum, and a pair's rows be parted."""
    choices = {"*": MatrixOptions(Mode.BALANCED, joined=True, apart=1, first_rows=13)}
    layout = lay_out({"a": (20, 32)}, [("a",)], LayoutOptions(matrices=choices, analog=IDEAL), SMALL)
    check_cells(layout, {"a": (20, 32)})
    check_products(layout, {"a": (20, 32)}, ())
    parts = {name: [part.rows for part in layout.parts(name)] for name in layout.blocks}
    assert parts == {
        "a 0:16 0:16": [(0, 16)],
        "a 16:20 0:16": [(0, 4)],
        "a 0:20 16:32": [(0, 13), (13, 20)],
    }
    with pytest.raises(MappingError, match="first rows 1 or more"):
        MatrixOptions(first_rows=0)
    short = {"*": MatrixOptions(Mode.BALANCED, joined=True, first_rows=3)}
    with pytest.raises(MappingError, match="do not fit"):  # seventeen rows are left for the second tile
        lay_out({"a": (20, 16)}, [("a",)], LayoutOptions(chips=1, matrices=short), SMALL)


def test_a_layout_is_called_by_its_digest() -> None:
    one, same, other = (lay_out({"a": (16, n)}, [("a",)], LayoutOptions(), SMALL) for n in (16, 16, 15))
    assert repr(one) == repr(same) == f"<Layout {one.digest}: 1 block on 1 chip>"
    assert one.digest != other.digest
    assert one.devices == 4 * 16 * 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seats": {}}, "block 'a 0:16 0:16' has no seat"),
        ({"readouts": {}}, "block 'a 0:16 0:16' has no readout"),
        ({"frames": ({},)}, "a call runs entry 'a' of chip 0, which is not there"),
        ({"frames": ()}, "a call runs entry 'a' of chip 0, which is not there"),
    ],
)
def test_a_layout_that_lacks_something_is_refused(changes: dict[str, Any], message: str) -> None:
    layout = lay_out({"a": (16, 16)}, [("a",)], LayoutOptions(), SMALL)
    with pytest.raises(MappingError, match=message):
        replace(layout, **changes)


def test_a_saved_layout_is_the_same(tmp_path: Path) -> None:
    layout = lay_out({"a": (40, 20), "b": (10, 5)}, [("a",), ("b", "a")], LayoutOptions(), DEEP)
    layout.save(tmp_path / "layout.npz")
    loaded = Layout.load(tmp_path / "layout.npz")
    assert loaded == layout
    assert [image.words for image in loaded.images] == [image.words for image in layout.images]


def test_other_readouts_are_other_words_at_the_same_places() -> None:
    layout = lay_out({"a": (40, 20)}, [("a",)], LayoutOptions(), SMALL)
    name = next(iter(layout.blocks))
    calibrated = layout.with_readouts({name: Readout(capacitors=3, ramp_start=70, ramp_slope=99, enable_offset=5)})
    assert calibrated.frames == layout.frames
    assert calibrated.seats == layout.seats
    assert calibrated.readouts[name] != layout.readouts[name]
    changed = [unit for unit, words in calibrated.images[0].words.items() if words != layout.images[0].words[unit]]
    assert {unit.index for unit in changed} == set(layout.seats[name].tiles)
    with pytest.raises(MappingError, match="no block 'x'; there are"):
        layout.with_readouts({"x": Readout(1, 1, 1)})


def test_blocks_that_one_ramp_reads_have_one_readout() -> None:
    options = LayoutOptions(alike=(("a", "b"),))
    layout = lay_out({"a": (16, 8), "b": (16, 8)}, [("a", "b")], options, SMALL)
    assert layout.together == (("a 0:16 0:8", "b 0:16 0:8"),)
    assert layout.shares == {"b": "a"}
    other = Readout(capacitors=3, ramp_start=70, ramp_slope=99)
    with pytest.raises(MappingError, match="one ramp reads a 0:16 0:8, b 0:16 0:8"):
        layout.with_readouts({"a 0:16 0:8": other})
    assert layout.with_readouts(dict.fromkeys(layout.blocks, other)).readouts["b 0:16 0:8"] == other


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        ({"a": (0, 3)}, LayoutOptions(), r"matrix 'a' needs a shape \(inputs, outputs\), got \(0, 3\)"),
        ({"a": (3, 3)}, LayoutOptions(matrices={"*": MatrixOptions(host=True)}), "no matrix is to go onto a chip"),
        (
            {"a": (100, 100)},
            LayoutOptions(chips=1),
            "10,000 weights in 1 matrix do not fit 1 chip of 4 tiles: balanced they fill 39.1 tiles, stacked 19.5",
        ),
        (
            {"a": (32, 60)},
            LayoutOptions(chips=1, matrices={"a": MatrixOptions(mode=Mode.BALANCED, joined=True)}),
            "need 4 pairs of tiles, 2 are there; give more chips, choose other modes, or leave",
        ),
        ({"a": (3, 3)}, LayoutOptions(frames_per_run=9), "hold the vectors of 4 frames, a run shall have 9"),
    ],
)
def test_what_cannot_be_says_why(shapes: dict[str, tuple[int, int]], options: LayoutOptions, message: str) -> None:
    with pytest.raises(MappingError, match=message):
        lay_out(shapes, [("a",)], options, SMALL)


def test_options_are_checked() -> None:
    for make in (
        lambda: MatrixOptions(mode="tripled"),
        lambda: MatrixOptions(copies=0),
        lambda: LayoutOptions(readout_bits=6),
        lambda: LayoutOptions(chips=0),
        lambda: Readout(capacitors=9, ramp_start=1, ramp_slope=1),
    ):
        with pytest.raises(MappingError, match="must be"):
            make()
    patterns = LayoutOptions(matrices={"x/*": MatrixOptions(copies=2), "x/b": MatrixOptions(copies=3)})
    assert [patterns.of(name).copies for name in ("x/a", "x/b", "y")] == [2, 3, 1]
