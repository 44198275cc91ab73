"""Experiments on the RTL: a session of several, the cycle of the stop, flags, events and crossings."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from analog_models.events import EventKind
from analog_models.programming import WeightTargets
from cosim.engines.engine import RunInterrupted
from cosim.engines.golden import GoldenEngine
from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Experiment, ExperimentError
from cosim.isa.assembler import assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from rtl.config import Edge, preset
from tests.cosim.engines.rtl.processes import eventually, is_gone, simulators
from tests.cosim.scripts import units

pytestmark = pytest.mark.cosimulation

SMALL = preset("small")


@pytest.fixture(scope="module")
def engine(tool: str) -> RtlEngine:
    return RtlEngine(SMALL, tool=tool)


ROUTE = {
    "tile_0": "MESH west_to_net=all, net_to_south=all; HALT",
    "tile_2": "MESH north_to_net=all, net_to_west=all; HALT",
}


def experiment(cycles: int = 1000, **rest) -> Experiment:
    return Experiment(SMALL, cycles=cycles, **rest)


def test_stop_takes_force_in_its_cycle(engine: RtlEngine) -> None:
    """`stop` in cycle c of the program: `busy` is high in cycles 0 to c, and a write that issues in c takes force."""
    cycles = [*range(1, 12), 100]
    endless = units(tile_0="again: JUMP again", olp_0="again: COUNT load_pointer, pointer=1; JUMP again")
    records = engine.perform([experiment(stop, units=endless) for stop in cycles])
    assert [record.cycles for record in records] == [stop + 1 for stop in cycles]
    for unit in records[0].statuses:
        assert [record.statuses[unit]["running"] for record in records] == [0] * len(cycles)


def test_last_write_is_that_of_the_stops_cycle(engine: RtlEngine) -> None:
    """Contention that issues in the cycle of the stop is flagged, one cycle later it is not."""
    clash = "MESH west_to_net=all, north_to_net=all; HALT"
    stops = (1, 2, 3, 4, 17)
    early = [experiment(stop, units=units(tile_0=f"NOP wait={stop - 1}; {clash}")) for stop in stops]
    late = [experiment(stop, units=units(tile_0=f"NOP wait={stop}; {clash}")) for stop in stops]
    records = engine.perform(early + late)
    assert [record.error_cycle for record in records] == [*(stop + 4 for stop in stops), *[None] * len(stops)]
    flags = [record.statuses[Unit(TILE, 0)]["contention"] for record in records]
    assert flags == [1] * len(stops) + [0] * len(stops)


def test_stop_after_the_last_halt_changes_nothing(engine: RtlEngine) -> None:
    records = engine.perform([experiment(stop, units=units(tile_0="NOP wait=8; HALT wait=4")) for stop in (13, 14, 15)])
    assert [record.cycles for record in records] == [14, 14, 14]


def test_held_back_beats_do_not_move_the_stop() -> None:
    endless = units(tile_0="again: JUMP again")
    records = RtlEngine(SMALL, pause=0.6).perform([experiment(stop, units=endless) for stop in (1, 2, 9, 40)])
    assert [record.cycles for record in records] == [2, 3, 10, 41]


def test_experiments_of_a_session_share_only_the_srams(engine: RtlEngine) -> None:
    random = np.random.default_rng(1)
    codes = random.integers(0, 256, (2, SMALL.lanes), dtype=np.uint8)
    mask = random.random(SMALL.lanes) < 0.5
    send = {"ilp_0": "@10 PULSE fire, advance=1; @300 PULSE fire; HALT"}
    count = {"olp_0": "@10 COUNT open; @300 COUNT open, store; @600 COUNT store; HALT"}
    routed = experiment(units=units(**ROUTE, **send, **count), vectors={0: codes})
    masked = units(tile_0="MESH west_to_net=all, net_to_south=custom; HALT", tile_2=ROUTE["tile_2"], **send, **count)
    first, second, third, unmasked, fourth = engine.perform(
        [
            routed,
            experiment(units=units(**send, **count)),  # no route: nothing arrives, the vectors are still there
            experiment(units=masked, masks={(0, Edge.SOUTH): mask}),
            experiment(units=masked),  # the reset has cleared the mask
            experiment(units=units(**ROUTE)),  # nothing stored: the results of before
        ]
    )
    np.testing.assert_array_equal(first.results[0][:2], codes)
    assert not first.results[0][2:].any()
    assert not first.results[1].any()
    assert not second.results[0].any()
    np.testing.assert_array_equal(third.results[0][:2], codes * mask)
    assert not unmasked.results[0][:2].any()
    np.testing.assert_array_equal(fourth.results[0], unmasked.results[0])
    assert first.statuses[Unit(OLP, 0)]["pointer"] == 2
    assert first.statuses[Unit(ILP, 0)]["pointer"] == 1
    assert fourth.statuses[Unit(OLP, 0)]["pointer"] == 0
    again = engine.perform([routed])[0]
    np.testing.assert_array_equal(again.results[0], first.results[0])


READ = """
      MESH west_to_rows=all, columns_to_south=all
      BIAS durations[0]=20
@10   ARRAY precharge
@30   ARRAY
@40   ARRAY integrate, wp1, capacitors=1
@300  ARRAY capacitors=1, wp1
@310  READOUT ramp, ramp_start=60, ramp_slope=128, output_enable
@580  READOUT
      HALT
"""


def multiply(seed: int = 0, **rest) -> Experiment:
    random = np.random.default_rng(3)
    weights = random.uniform(-1, 1, (SMALL.total_rows, SMALL.lanes))
    codes = random.integers(0, 256, (1, SMALL.lanes), dtype=np.uint8)
    listings = units(
        tile_0=READ,
        tile_2="MESH north_to_net=all, net_to_west=all; HALT",
        ilp_0="@40 PULSE fire; HALT",
        olp_0="@300 COUNT open; @578 COUNT store; HALT",
    )
    weights = {0: WeightTargets(wp1=weights)}
    return experiment(units=listings, vectors={0: codes}, weights=weights, seed=seed, **rest)


@pytest.mark.chip
@pytest.mark.xdist_group("chip")
def test_only_tiles_of_a_pair_of_rows_can_share() -> None:
    """Rows 2 and 3 agree, and are a pair; rows 1 and 2 agree as well, and are none."""
    tiles = preset().floorplan.tile_index

    def sharing(north: int) -> Experiment:
        sides = {(north, 0): "south", (north + 1, 0): "north"}
        words = {tiles[square]: f"ARRAY share_{side}\nARRAY\nHALT" for square, side in sides.items()}
        listings = {Unit(TILE, index): assemble(text, TILE, preset()) for index, text in words.items()}
        return Experiment(preset(), listings, cycles=20, name=f"rows {north} and {north + 1}")

    experiments = [sharing(2), sharing(1)]
    pair, strangers = records = RtlEngine().perform(experiments)
    assert not pair.flagged
    assert strangers.error_cycle == 3
    faults = {unit.index for unit, status in strangers.statuses.items() if status.get("fault")}
    assert faults == {tiles[1, 0], tiles[2, 0]}
    for record, golden in zip(records, GoldenEngine().perform(experiments), strict=True):
        assert record.difference(golden) is None


def test_events_and_crossings_are_recorded(engine: RtlEngine) -> None:
    job = multiply()
    (record,) = engine.perform([job])
    assert [(event.tile, event.kind, event.cycle) for event in record.events] == [
        (0, EventKind.PRECHARGE, 32),
        (0, EventKind.INTEGRATE, 302),
        (0, EventKind.RAMP, 312),
    ]
    times = record.events[1].row_time
    np.testing.assert_array_equal(times[0], [*job.vectors[0][0], 20, *[0] * (SMALL.bias_rows - 1)])
    assert list(record.crossings) == [(312, 0)]
    np.testing.assert_array_equal(record.results[0][0], np.minimum(record.crossings[312, 0], 255))
    assert np.ptp(record.results[0][0]) > 20


def test_each_experiment_has_its_own_physics(engine: RtlEngine) -> None:
    noisy = AnalogConfig()
    codes = [
        record.results[0][0]
        for record in engine.perform(
            [multiply(1, analog=noisy), multiply(2, analog=noisy), multiply(1, analog=noisy), multiply(1, frame=1)]
        )
    ]
    np.testing.assert_array_equal(codes[0], codes[2])
    assert (codes[0] != codes[1]).any()
    assert (codes[0] != codes[3]).any()


def test_physics_without_an_answer_is_named(engine: RtlEngine) -> None:
    bare = units(tile_0="READOUT ramp; READOUT; HALT")
    with pytest.raises(ExperimentError, match=r"^no charge, cycle 2: tile 0 .* before its first precharge"):
        engine.perform([experiment(units=bare, name="no charge")])


def test_experiment_for_another_chip(engine: RtlEngine) -> None:
    with pytest.raises(ExperimentError, match="experiment is for another chip"):
        engine.perform([Experiment(preset(), {})])


def test_no_experiments(engine: RtlEngine) -> None:
    assert engine.perform([]) == []


def test_progress_counts_experiments(engine: RtlEngine) -> None:
    seen = []
    engine.perform([experiment(units=units(**ROUTE))] * 3, progress=lambda *now: seen.append(now))
    assert seen[-1] == (3, 3)


def test_twin_agrees(engine: RtlEngine) -> None:
    noisy = AnalogConfig()
    session = [multiply(1, analog=noisy), experiment(units=units(**ROUTE)), multiply(2, analog=noisy, cycles=420)]
    for ours, theirs in zip(engine.perform(session), TwinEngine().perform(session), strict=True):
        assert ours.difference(theirs) is None


def test_interrupted_session_keeps_what_is_done(engine: RtlEngine) -> None:
    session = [experiment(units=units(**ROUTE))] * 400
    with pytest.raises(RunInterrupted) as caught:
        engine.perform(session, progress=lambda *_: signal.raise_signal(signal.SIGINT))
    records = caught.value.results
    assert 0 < len(records) < 400
    assert all(record.cycles == 2 for record in records)


def test_ctrl_c_ends_the_command_in_order(engine: RtlEngine, tmp_path: Path) -> None:
    """No traceback, what was done is written, no simulator is left behind."""
    (tmp_path / "e.toml").write_text('preset = "small"\ncycles = 1000000000\n[tile.0]\nprogram = "again: JUMP again"\n')
    command = [sys.executable, "-m", "cosim.cli", "run", "e.toml", "--out=e.npz"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert eventually(lambda: bool(simulators(process.pid)))
        (simulator,) = simulators(process.pid)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted in cycle " in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.npz", "e.toml"]
    assert is_gone(simulator)
