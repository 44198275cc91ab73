"""What is counted from words and mean codes is what engines do, event by event."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from analog_models.events import EventKind
from cosim.compiler import MappingOptions, compile_network
from cosim.compiler.matrices import Layout, LayoutOptions, MatrixOptions, lay_out
from cosim.engines.rtl import RtlEngine
from cosim.engines.twin import TwinEngine
from cosim.experiment import Experiment, Record
from cosim.fabric.derivation import derive
from cosim.fabric.events import Integrate, Ramp
from cosim.graph import Activation, FeedForwardNetwork, Layer
from cosim.isa.words import ILP, OLP, TILE
from cosim.performance.activity import WHOLE, Activity, Happening, Key
from cosim.performance.counting import FrameCounter
from cosim.performance.data import Codes, FrameData
from cosim.program import Mode, Unit
from cosim.verification.code_coverage import CodeCoverage
from rtl.config import preset
from rtl.isa import UnitKind
from tests.cosim.compiler.matrices.products import block_weights, chips

SMALL = preset("small")
IDEAL = AnalogConfig.ideal()
SHAPES = {"a": (20, 16), "b": (20, 12)}


@pytest.fixture(scope="module")
def layout() -> Layout:
    """A balanced matrix and a stacked one, both with more rows than a tile."""
    choices = {"b": MatrixOptions(mode=Mode.STACKED)}
    return lay_out(SHAPES, [("a",), ("b",)], LayoutOptions(chips=1, matrices=choices, frames_per_run=2), SMALL)


def of_tile(activity: Activity, tile: int, what: Happening) -> float:
    return sum(n for key, n in activity.counts.items() if key.unit == Unit(TILE, tile) and key.what is what)


def test_tiles_do_what_the_twin_counts(layout: Layout) -> None:
    """Pulses, their lengths, charges of both kinds of phases, precharges and ramps: means over frames are exact."""
    random = np.random.default_rng(0)
    weights = {name: random.uniform(-1, 1, shape) for name, shape in SHAPES.items()}
    (chip,) = chips(layout, weights, IDEAL)
    devices = {
        tile: chip.tile(tile).cells.read_us().sum(axis=2) for tile in layout.targets(0, block_weights(layout, weights))
    }
    rows = {tile: np.stack([one[:2].sum(axis=0), one[2:].sum(axis=0)]) for tile, one in devices.items()}
    for program in layout.programs[0].values():
        codes = random.integers(-255, 256, (6, program.input_width)).astype(np.int16)
        codes[:, ::3] = 0
        with chip.counting() as consumed, TwinEngine().open(program, chip) as session:
            outputs = session.run("main", codes, range(6))
        data = FrameData(Codes.of(codes), rows, FrameData.told(outputs))
        counted = FrameCounter(program).count(data, IDEAL)
        worked = [tile for tile in consumed if consumed[tile].integrations]
        assert worked
        for tile in worked:
            ours = {what: 6 * of_tile(counted, tile, what) for what in Happening}
            assert ours[Happening.PRECHARGED] == consumed[tile].precharges * SMALL.lanes * 8
            assert ours[Happening.RAMPS] == consumed[tile].ramps
            assert ours[Happening.COMPARED] == consumed[tile].ramps * SMALL.lanes
            assert ours[Happening.ROW_PULSES] == pytest.approx(consumed[tile].row_pulses)
            assert ours[Happening.ROW_NS] == pytest.approx(consumed[tile].row_ns)
            charges = [ours[Happening.CHARGED], ours[Happening.DISCHARGED]]
            np.testing.assert_allclose(charges, consumed[tile].charge_fc.sum(axis=1), rtol=1e-9)


def layers(*widths: int) -> FeedForwardNetwork:
    """Random ones, the last of which is linear."""
    random = np.random.default_rng(3)
    return FeedForwardNetwork(
        tuple(
            Layer(
                random.uniform(-1, 1, (rows, columns)),
                Activation.LINEAR if at == len(widths) - 2 else Activation.RELU,
                full_scale=3.0,
            )
            for at, (rows, columns) in enumerate(pairwise(widths))
        )
    )


def performed(network: FeedForwardNetwork, engine: RtlEngine) -> tuple[Record, dict[str, np.ndarray], Activity]:
    """Two frames on the RTL: what it recorded, codes by output, and what is counted of both."""
    program = compile_network(network, SMALL, MappingOptions(frames_per_run=2))
    codes = program.input_codes(np.random.default_rng(4).uniform(-1, 1, (2, program.input_width)))
    experiment = Experiment.of_program(program, codes, analog=IDEAL, seed=0, name="counted")
    (record,) = engine.perform([experiment])
    outputs = program.olp_codes(record.results, 2)
    counted = FrameCounter(program).count(FrameData(Codes.of(codes), {}, FrameData.told(outputs)), IDEAL)
    return record, outputs, counted.times(2)


@pytest.mark.cosimulation
def test_the_rtl_shows_the_events_that_are_counted() -> None:
    """Two layers, tile to tile: what crossed the analog boundary, and what the counters held."""
    record, outputs, counted = performed(layers(16, 16, 16), RtlEngine(SMALL))
    assert not record.flagged
    totals = counted.totals()
    events = {kind: [event for event in record.events if event.kind is kind] for kind in EventKind}
    assert totals[Happening.PRECHARGED] == len(events[EventKind.PRECHARGE]) * SMALL.lanes * 8
    assert totals[Happening.RAMPS] == len(events[EventKind.RAMP])
    rows = [event.row_time for event in events[EventKind.INTEGRATE] if event.row_time is not None]
    assert totals[Happening.ROW_NS] == pytest.approx(sum(int(row.sum()) for row in rows))
    assert totals[Happening.ROW_PULSES] == pytest.approx(sum(int(np.count_nonzero(row)) for row in rows))
    held = sum(int(codes.astype(int).sum()) for codes in outputs.values())
    cycles = sum(
        n for key, n in counted.counts.items() if key.what is Happening.COUNTER_CYCLES and key.unit.kind is OLP
    )
    assert held > 0
    assert cycles == pytest.approx(held)


@pytest.mark.long
@pytest.mark.cosimulation
@pytest.mark.parametrize("widths", [(16, 16, 16), (32, 16, 16, 12)])
def test_nets_of_the_rtl_toggle_as_often_as_is_counted(widths: tuple[int, ...], tmp_path: Path) -> None:
    """What Verilator counts of the gates themselves: wires of the mesh, vectors that pads read and write."""
    record, _, counted = performed(layers(*widths), RtlEngine(SMALL, coverage=tmp_path))
    assert not record.flagged
    rises = CodeCoverage.read(tmp_path).rises
    assert rises["duramesh_tile_mesh", "net"] == pytest.approx(counted.total(Happening.WIRES))

    def vectors(kind: UnitKind) -> float:
        """That units of a kind read for pulses, or write: those of the host are at no step."""
        keys = [key for key in counted.counts if key.unit is not None and key.unit.kind is kind and key.step != WHOLE]
        bits = sum(counted.counts[key] for key in keys if key.what is Happening.SRAM_BITS)
        return bits / (8 * SMALL.lanes)

    assert rises["duramesh_ilp", "reader___05Fen"] == vectors(ILP) > 0
    assert rises["duramesh_olp", "bank_store"] == vectors(OLP) > 0


def test_counts_follow_from_the_events(layout: Layout) -> None:
    for name, program in layout.programs[0].items():
        counted = FrameCounter(program).count(FrameData(Codes.even(program.input_width, 40.0, 0.5), {}))
        totals, events = counted.totals(), derive(program).events
        integrations = [event for event in events if isinstance(event, Integrate)]
        ramps = [event for event in events if isinstance(event, Ramp)]
        assert totals[Happening.CHIP_NS] == layout.frames[0][name].ns
        assert totals[Happening.COLUMN_NS] == sum(SMALL.lanes * (event.cycle - event.start) for event in integrations)
        assert totals[Happening.COMPARATOR_NS] == sum(SMALL.lanes * (ramp.stop - ramp.cycle) for ramp in ramps)
        assert totals[Happening.BEATS] == layout.frames[0][name].beats(SMALL)
        assert Happening.CHARGED not in totals  # no tile of these data conducts
        assert totals[Happening.ROW_NS] == pytest.approx(40.0 * totals[Happening.ROW_PULSES] / 0.5)
        assert totals[Happening.WIRES] > 0


def test_words_are_those_that_sequencers_take(layout: Layout) -> None:
    """Of a run of one frame, all that there are; of two frames, the loop's twice."""
    once = lay_out(SHAPES, [("a",), ("b",)], LayoutOptions(chips=1, frames_per_run=1), SMALL)
    for program in once.programs[0].values():
        counted = FrameCounter(program).count(FrameData(Codes.even(program.input_width, 1.0), {}))
        for unit, words in program.units.items():
            assert counted.counts[Key(unit, WHOLE, Happening.WORDS)] == len(words)
    for program in layout.programs[0].values():
        counted = FrameCounter(program).count(FrameData(Codes.even(program.input_width, 1.0), {}))
        for unit, words in program.units.items():
            assert len(words) / 2 < counted.counts[Key(unit, WHOLE, Happening.WORDS)] < len(words)


def test_activities_add_up(layout: Layout) -> None:
    counter = FrameCounter(next(iter(layout.programs[0].values())))
    one, three = (counter.count(FrameData(Codes.even(20, mean), {})) for mean in (10.0, 30.0))
    both = Activity.sum([(one, 2.0), (three, 1.0)])
    for what in Happening:
        assert both.total(what) == pytest.approx(2 * one.total(what) + three.total(what))
    assert one.times(3).total(Happening.ROW_NS) == pytest.approx(three.total(Happening.ROW_NS))
    assert (one + three).total(Happening.ROW_NS) == pytest.approx(4 * one.total(Happening.ROW_NS))
