"""Experiments and records as data: checks, files, differences."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from analog_models.events import EventKind, TileControls, TileEvent
from analog_models.programming import WeightTargets
from cosim.compiler import MappingOptions, compile_network
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Experiment, ExperimentError
from cosim.experiment.record import STATUS_FIELDS, Record, RecordError
from cosim.graph.feed_forward import Activation, FeedForwardNetwork, Layer
from cosim.isa.words import ILP, OLP, TILE, Operation, encode
from cosim.program import Unit
from rtl.config import Edge, preset

SMALL = preset("small")
HALT = (encode(TILE, Operation("HALT")),)
NINE = encode(TILE, Operation("ARRAY", {"capacitors": 9}))
WEIGHTS = np.random.default_rng(0).uniform(-1, 1, (SMALL.total_rows, SMALL.lanes))


def full() -> Experiment:
    """An experiment with something in every member."""
    random = np.random.default_rng(1)
    return Experiment(
        config=SMALL,
        units={Unit(TILE, 3): HALT * 2, Unit(OLP, 1): (encode(OLP, Operation("COUNT", {"open": 1})), *HALT)},
        masks={(2, Edge.WEST): random.random(SMALL.lanes) < 0.5},
        vectors={1: random.integers(0, 256, (3, SMALL.lanes), dtype=np.uint8)},
        weights={0: WeightTargets(wp1=WEIGHTS), 3: WeightTargets.balanced(WEIGHTS)},
        analog=AnalogConfig(age_s=60),
        seed=2**40,
        frame=7,
        cycles=123,
        name="everything",
    )


def seen() -> Record:
    """A record with something in every member."""
    random = np.random.default_rng(2)
    rows = random.integers(0, 512, (1, SMALL.total_rows)).astype(np.uint16)
    columns = random.integers(0, 512, (1, SMALL.lanes)).astype(np.uint16)
    units = [Unit(kind, index) for kind, count in ((TILE, 4), (ILP, 2), (OLP, 2)) for index in range(count)]
    return Record(
        engine="rtl",
        cycles=700,
        error_cycle=12,
        statuses={unit: dict.fromkeys(STATUS_FIELDS, 0) for unit in units} | {Unit(TILE, 1): flags(contention=0b101)},
        results={olp: random.integers(0, 256, (8, SMALL.lanes), dtype=np.uint8) for olp in range(2)},
        events=(
            TileEvent(0, EventKind.PRECHARGE, 20),
            TileEvent(0, EventKind.INTEGRATE, 300, TileControls(wp2=True, capacitors=3), row_time=rows),
            TileEvent(0, EventKind.RAMP, 310, TileControls(ramp_start=9, ramp_slope=255)),
            TileEvent(2, EventKind.RAMP, 310, TileControls()),
            TileEvent(3, EventKind.WRITE, 500, None, None, columns, 511, 3, True, 255),
        ),
        crossings={(310, tile): random.integers(0, 512, SMALL.lanes).astype(np.uint16) for tile in (0, 2)},
        statistics={"wall_s": 0.5},
    )


def flags(**values: int) -> dict[str, int]:
    return dict.fromkeys(STATUS_FIELDS, 0) | values


# ---- experiments


def test_experiment_comes_back_from_its_file(tmp_path: Path) -> None:
    ours = full()
    ours.save(tmp_path / "e.npz")
    theirs = Experiment.load(tmp_path / "e.npz")
    for name in ("config", "units", "analog", "seed", "frame", "cycles", "name"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for name in ("masks", "vectors"):
        assert getattr(ours, name).keys() == getattr(theirs, name).keys()
        for key, array in getattr(ours, name).items():
            np.testing.assert_array_equal(array, getattr(theirs, name)[key])
    assert list(theirs.weights) == [0, 3]
    assert theirs.weights[0].wp2 is None
    for tile in ours.weights:
        np.testing.assert_array_equal(ours.weights[tile].wp1, theirs.weights[tile].wp1)
    np.testing.assert_array_equal(ours.weights[3].wp2, theirs.weights[3].wp2)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.99])
def test_truncated_files_are_refused(tmp_path: Path, keep: float) -> None:
    path = tmp_path / "e.npz"
    for thing in (full(), seen()):
        thing.save(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(keep * len(content))])
        what = "experiment" if isinstance(thing, Experiment) else "record"
        with pytest.raises((ExperimentError, RecordError), match=rf"e\.npz holds no {what}, or only part of one"):
            type(thing).load(path)


def test_a_record_is_no_experiment(tmp_path: Path) -> None:
    seen().save(tmp_path / "r.npz")
    with pytest.raises(ExperimentError, match=r"r\.npz is an npz file, but not a duramesh experiment"):
        Experiment.load(tmp_path / "r.npz")


@pytest.mark.parametrize(
    ("change", "part", "message"),
    [
        ({"cycles": 0}, ("cycles",), "cycles must be a whole number, 1 to 1099511627776, got 0"),
        ({"seed": 1 << 64}, ("seed",), r"seed must be a whole number, 0 to 2\*\*64 - 1, got 1844674407"),
        ({"seed": 1.5}, ("seed",), r"seed must be a whole number, .*, got 1\.5"),
        ({"cycles": True}, ("cycles",), "cycles must be a whole number, .*, got True"),
        ({"frame": "0"}, ("frame",), "frame must be a whole number, .*, got '0'"),
        ({"frame": -1}, ("frame",), r"frame must be a whole number, 0 to 2\*\*63 - 1, got -1"),
        ({"units": {Unit(TILE, 0): (*HALT, NINE)}}, ("units", Unit(TILE, 0)), "word 1 of TILE 0 connects 9 capacitors"),
        ({"units": {Unit(TILE, 4): HALT}}, ("units", Unit(TILE, 4)), "TILE 4 does not exist: this chip has 4"),
        ({"units": {Unit(ILP, 0): HALT * 65}}, ("units", Unit(ILP, 0)), "has 65 words; expected 1 to 64"),
        ({"units": {Unit(ILP, 0): ()}}, ("units", Unit(ILP, 0)), "has 0 words; expected 1 to 64"),
        (
            {"units": {Unit(ILP, 0): (1 << 128,)}},
            ("units", Unit(ILP, 0)),
            r"a word of ILP 0 must be a whole number, 0 to 2\*\*128 - 1, got 340",
        ),
        ({"masks": {(9, Edge.WEST): np.ones(16, bool)}}, ("masks", (9, Edge.WEST)), "TILE 9: there is no such tile"),
        ({"masks": {(0, Edge.WEST): np.ones(15, bool)}}, ("masks", (0, Edge.WEST)), r"must be bool \(16,\), got bool"),
        ({"vectors": {2: np.zeros((1, 16), np.uint8)}}, ("vectors", 2), "ILP 2: there is no such landing pad"),
        ({"vectors": {0: np.zeros((1, 15), np.uint8)}}, ("vectors", 0), r"must be uint8 \(n, 16\), got uint8 \(1, 15"),
        ({"vectors": {0: np.zeros((9, 16), np.uint8)}}, ("vectors", 0), "9 vectors, its SRAM holds 8"),
        ({"weights": {7: WeightTargets(WEIGHTS)}}, ("weights", 7), "there is no such tile"),
        ({"weights": {0: WeightTargets()}}, ("weights", 0), "weights of TILE 0 are neither on wp1 nor on wp2"),
        ({"weights": {0: WeightTargets(np.ones((16, 16)))}}, ("weights", 0), r"must be \(24, 16\).*got \(16, 16\)"),
        ({"weights": {0: WeightTargets(None, 2 * WEIGHTS)}}, ("weights", 0), r"wp2 of TILE 0, row \d+, .* not in \[-1"),
        (
            {"weights": {0: WeightTargets(WEIGHTS * np.nan)}},
            ("weights", 0),
            r"row 0, column 0: nan is not in \[-1, 1",
        ),
    ],
)
def test_bad_experiments_name_their_part(change: dict, part: tuple, message: str) -> None:
    with pytest.raises(ExperimentError, match=f"^everything: .*{message}") as caught:
        replace(full(), **change)
    assert caught.value.part == part


# ---- records


def test_record_comes_back_from_its_file(tmp_path: Path) -> None:
    record = seen()
    record.save(tmp_path / "r.npz")
    again = Record.load(tmp_path / "r.npz")
    assert record.difference(again) is None
    assert again.difference(record) is None
    assert (again.engine, again.statistics) == (record.engine, record.statistics)
    assert again.events[0].controls is None
    assert again.events[4].reset is True


def test_statistics_that_are_no_numbers_stay_out_of_files(tmp_path: Path) -> None:
    replace(seen(), statistics={"seen": {("a", 1): 2}, "wall_s": 1.0}).save(tmp_path / "r.npz")
    assert Record.load(tmp_path / "r.npz").statistics == {"wall_s": 1.0}


def with_event(index: int, **change) -> Callable[[Record], Record]:
    def changed(record: Record) -> Record:
        events = list(record.events)
        events[index] = replace(events[index], **change)
        return replace(record, events=tuple(events))

    return changed


def with_lane(array: np.ndarray | None, lane: int) -> np.ndarray:
    assert array is not None
    changed = array.copy()
    changed[..., lane] ^= 1
    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: replace(r, cycles=701), r"cycles that the chip was busy: 700 \(rtl\), 701 \(golden\)"),
        (lambda r: replace(r, error_cycle=None), r"first cycle with an error: 12 \(rtl\), None \(golden\)"),
        (
            lambda r: replace(r, statuses=dict(r.statuses) | {Unit(OLP, 1): flags(pointer=3)}),
            r"OLP 1, pointer: 0 \(rtl\), 3 \(golden\)",
        ),
        (
            lambda r: replace(r, statuses=dict(r.statuses) | {Unit(TILE, 1): flags(contention=4)}),
            r"TILE 1, contention: net, columns \(rtl\), columns \(golden\)",
        ),
        (
            lambda r: replace(r, results=dict(r.results) | {1: with_lane(r.results[1], 5)}),
            r"OLP 1, result 0, lane 5: \d+ \(rtl\), \d+ \(golden\)",
        ),
        (
            lambda r: replace(r, crossings=dict(r.crossings) | {(310, 2): with_lane(r.crossings[310, 2], 15)}),
            r"TILE 2, cycle 310, ramp, crossing time of column 15: \d+ \(rtl\), \d+ \(golden\)",
        ),
        (
            lambda r: replace(r, crossings={(310, 0): r.crossings[310, 0]}),
            r"TILE 2, ramp of cycle 310, answered: yes \(rtl\), no \(golden\)",
        ),
        (lambda r: replace(r, events=r.events[:4]), r"TILE 3, cycle 500, write: there \(rtl\), missing \(golden\)"),
        (with_event(0, cycle=19), r"TILE 0, cycle 19, precharge: missing \(rtl\), there \(golden\)"),
        (with_event(1, controls=TileControls(capacitors=3)), r"TILE 0, cycle 300, integrate, wp2: 1 \(rtl\), 0"),
        (
            lambda r: with_event(1, row_time=with_lane(r.events[1].row_time, 23))(r),
            r"TILE 0, cycle 300, integrate, high time of row 23: \d+ \(rtl\), \d+ \(golden\)",
        ),
        (with_event(2, controls=TileControls(ramp_start=9)), r"TILE 0, cycle 310, ramp, ramp_slope: 255 \(rtl\), 128"),
        (with_event(4, device=2), r"TILE 3, cycle 500, write, device: 3 \(rtl\), 2 \(golden\)"),
        (
            lambda r: with_event(4, column_time=with_lane(r.events[4].column_time, 0))(r),
            r"TILE 3, cycle 500, write, high time of column 0: \d+ \(rtl\), \d+ \(golden\)",
        ),
    ],
)
def test_differences_name_the_place(change: Callable[[Record], Record], message: str) -> None:
    record = seen()
    difference = record.difference(replace(change(record), engine="golden"))
    assert difference is not None
    assert re.match(message, difference), difference


def test_controls_that_an_event_does_not_carry_do_not_count() -> None:
    changed = with_event(2, controls=TileControls(ramp_start=9, ramp_slope=255, capacitors=1))(seen())
    assert seen().difference(changed) is None


def test_the_earliest_event_is_named_first() -> None:
    late = with_event(4, device=2)(with_event(2, controls=TileControls())(seen()))
    difference = seen().difference(late)
    assert difference is not None
    assert "cycle 310" in difference


def test_error_report_names_unit_place_and_cycle() -> None:
    report = seen().error_report(SMALL)
    assert report == (
        "the chip reports errors (the first in cycle 12 of the program):\n"
        "  TILE 1 (square (0, 1)): contention (more than one driver) on net, columns"
    )
    assert seen().flagged
    assert not replace(seen(), statuses={Unit(TILE, 0): flags(pointer=1)}).flagged


# ---- compiled programs


@pytest.mark.parametrize("overlapped", [False, True])
def test_a_program_as_an_experiment_gives_the_same_codes(overlapped: bool) -> None:
    """Without noise: a run counts the noise's cycles frame by frame, an experiment goes on counting."""
    rng = np.random.default_rng(3)
    layers = (
        Layer(rng.uniform(-1, 1, (32, 16)), Activation.RELU, full_scale=8.0),
        Layer(rng.uniform(-1, 1, (16, 4)), Activation.LINEAR, full_scale=8.0),
    )
    program = compile_network(FeedForwardNetwork(layers), SMALL, MappingOptions(overlapped=overlapped))
    assert program.overlaps == overlapped
    codes = program.input_codes(rng.uniform(-1, 1, (2, 32)))
    experiment = Experiment.of_program(program, codes, analog=AnalogConfig.ideal(), seed=4)
    (record,) = TwinEngine().perform([experiment])
    results = TwinEngine().run(program, experiment.make_chip(), codes)
    found = program.olp_codes(record.results, len(codes))
    assert found.keys() == results.codes.keys()
    for name, expected in results.codes.items():
        assert expected.any()
        np.testing.assert_array_equal(found[name], expected)


# ---- values of the caller


def test_numbers_of_numpy_come_back_from_a_file(tmp_path: Path) -> None:
    ours = full()
    masks = {(np.int64(tile), edge): mask for (tile, edge), mask in ours.masks.items()}
    same = replace(
        ours,
        units={Unit(unit.kind, np.int64(unit.index)): np.array(words, object) for unit, words in ours.units.items()},
        masks=masks,
        vectors={np.uint8(ilp): codes for ilp, codes in ours.vectors.items()},
        weights={np.int32(tile): target for tile, target in ours.weights.items()},
        **{name: np.uint64(getattr(ours, name)) for name in ("seed", "frame", "cycles")},
    )
    same.save(tmp_path / "e.npz")
    again = Experiment.load(tmp_path / "e.npz")
    assert again.units == same.units == ours.units
    assert (again.seed, again.frame, again.cycles) == (ours.seed, ours.frame, ours.cycles)
    assert again.masks.keys() == ours.masks.keys()


def test_an_experiment_stays_as_it_was_checked() -> None:
    mask, codes = np.zeros(SMALL.lanes, bool), np.zeros((1, SMALL.lanes), np.uint8)
    units = dict(full().units)
    made = replace(full(), units=units, masks={(0, Edge.WEST): mask}, vectors={0: codes})
    mask[:], codes[:] = True, 9
    units[Unit(TILE, 99)] = ()
    assert not made.masks[0, Edge.WEST].any()
    assert not made.vectors[0].any()
    assert Unit(TILE, 99) not in made.units


def test_constants_that_no_array_of_this_size_can_have_are_refused() -> None:
    config, analog = preset("chip"), replace(AnalogConfig.ideal(), significance=1 << 14)
    weights = {0: WeightTargets(np.zeros((config.total_rows, config.lanes)))}
    experiment = Experiment(config, {Unit(TILE, 0): HALT}, weights=weights, analog=analog, name="large")
    with pytest.raises(
        ExperimentError, match=r"^large: sums over 520 rows .* use fewer rows or a smaller significance"
    ):
        experiment.make_chip()
