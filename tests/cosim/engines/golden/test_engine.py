"""The golden model alone: sentences of docs/fabric.md with their numbers, worked out by hand."""

from typing import Any

import numpy as np
import pytest

from analog_models.events import EventKind
from cosim.engines.golden import GoldenEngine, Memory, Port
from cosim.experiment import Experiment, ExperimentError, Record
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import Unit
from cosim.program.listing import parse_listing
from rtl.config import Edge, preset

CONFIG = preset("small")
LANES = np.arange(CONFIG.lanes)
CODES = (LANES * 16).astype(np.uint8)


def experiment(listing: str, **others: Any) -> Experiment:
    others = {"vectors": {0: CODES[None]}, "cycles": 2000, **others}
    return Experiment(CONFIG, **{"units": parse_listing(listing, CONFIG), **others})


def perform(listing: str, **others: Any) -> Record:
    return GoldenEngine(CONFIG).perform([experiment(listing, **others)])[0]


# ---- sequencers


def test_a_word_occupies_wait_plus_one_cycles_and_loops_have_no_bubbles() -> None:
    # 1 + (3 + 1) cycles, three times; then HALT with its own 6.
    record = perform("== ILP 0 ==\nbody: NOP\nNOP wait=2\nLOOP body, count=3, level=0\nHALT wait=5\n")
    assert record.cycles == 3 * (1 + 3 + 1) + 6


def test_stop_halts_at_once_and_what_has_issued_takes_force() -> None:
    listing = "== OLP 0 ==\nCOUNT open\n@9 COUNT store\nNOP wait=100\nHALT\n"
    assert perform(listing, cycles=9).statuses[Unit(OLP, 0)]["pointer"] == 1
    assert perform(listing, cycles=8).statuses[Unit(OLP, 0)]["pointer"] == 0
    assert perform(listing, cycles=8).cycles == 9


@pytest.mark.parametrize(
    ("word", "cycle"),
    [
        (5 << 124, 7),  # a bank that a tile does not have halts in the next cycle
        (5 << 124 | 9 << 112, 7),  # whatever its wait
        (13 << 124 | 4 << 32, 7),  # loop level 4 of 0 to 3
        (12 << 124 | 3 << 112 | 64, 10),  # a jump beyond word 63 halts at the end of its own cycles
    ],
)
def test_illegal_words_set_their_flag(word: int, cycle: int) -> None:
    tile = Unit(TILE, 1)
    record = perform("", units={tile: (8 << 124 | 5 << 112, word)})  # after a NOP of six cycles
    assert record.statuses[tile]["illegal"] == 1
    assert (record.error_cycle, record.cycles) == (cycle, cycle)


def test_srams_keep_their_content_from_one_experiment_to_the_next() -> None:
    tile = Unit(TILE, 0)
    first = experiment("== TILE 0 ==\nNOP\nNOP\nHALT wait=40\n")
    second = experiment("", units={tile: (12 << 124 | 2,)})  # JUMP to word 2
    assert GoldenEngine(CONFIG).perform([first, second])[1].cycles == 1 + 41
    # Without the first one the SRAM holds zeros: MESH words to its end.
    assert GoldenEngine(CONFIG).perform([second])[0].statuses[tile]["illegal"] == 1


# ---- mesh and pads


ROUTE = """
== TILE 0 ==
MESH west_to_net=all, net_to_south={}
HALT
== TILE 2 ==
MESH north_to_net=all, net_to_west=all
HALT
"""
WINDOW = "== ILP 0 ==\n@10 PULSE fire\nHALT\n== OLP 0 ==\n@{} COUNT open\n@{} COUNT store{}\nHALT\n"


@pytest.mark.parametrize(
    ("pattern", "lanes"),
    [
        ("all", LANES >= 0),
        ("even", LANES % 2 == 0),
        ("odd", LANES % 2 == 1),
        ("low", LANES < 8),
        ("high", LANES >= 8),
        ("custom", LANES % 5 == 0),
        ("none", LANES < 0),
    ],
)
def test_patterns(pattern: str, lanes: np.ndarray) -> None:
    masks = {(0, Edge.SOUTH): LANES % 5 == 0}
    record = perform(ROUTE.format(pattern) + WINDOW.format(10, 300, ""), masks=masks)
    np.testing.assert_array_equal(record.results[0][0], CODES * lanes)
    assert record.error_cycle is None


@pytest.mark.parametrize(
    ("opens", "closes", "bits"), [(10, 300, ""), (12, 300, ""), (15, 40, ""), (10, 300, ", seven_bits")]
)
def test_a_window_counts_from_its_first_to_its_last_cycle(opens: int, closes: int, bits: str) -> None:
    record = perform(ROUTE.format("all") + WINDOW.format(opens, closes, bits))
    high = np.clip(np.minimum(10 + CODES.astype(int), closes) - max(10, opens), 0, 255)
    np.testing.assert_array_equal(record.results[0][0], high >> bool(bits))


def test_a_counter_stops_at_the_first_falling_edge() -> None:
    # The second pulse is longer, and rises while the window is still open.
    listing = ROUTE.format("all") + (
        "== ILP 0 ==\n@10 PULSE fire, advance=1\n@200 PULSE fire\nHALT\n"
        "== OLP 0 ==\n@10 COUNT open\n@600 COUNT store\nHALT\n"
    )
    vectors = {0: np.array([np.full(16, 40), np.full(16, 200)], np.uint8)}
    assert set(perform(listing, vectors=vectors).results[0][0]) == {40}


def test_a_tile_does_not_hear_itself() -> None:
    # Tile 0 sends east; tile 1 sends nothing back, so tile 0's east_to_net brings nothing to the south.
    listing = ROUTE.format("none").replace("west_to_net=all", "west_to_net=all, net_to_east=all, east_to_net=all")
    record = perform(listing + WINDOW.format(10, 300, ""))
    assert not record.results[0][0].any()
    assert record.error_cycle is not None  # the net has two enabled drivers all the same


def test_contention_of_one_tile_and_of_two() -> None:
    record = perform("== TILE 0 ==\n@4 MESH west_to_net=low, south_to_net=all\nHALT\n")
    assert record.statuses[Unit(TILE, 0)]["contention"] == 0b1  # net
    assert record.error_cycle == 4 + 2 + 2
    apart = perform("== TILE 0 ==\n@4 MESH west_to_net=low, south_to_net=high\nHALT\n")
    assert apart.error_cycle is None
    both = perform("== TILE 0 ==\nMESH net_to_south=even\nHALT\n== TILE 2 ==\n@50 MESH net_to_north=all\nHALT\n")
    assert both.statuses[Unit(TILE, 0)]["contention"] == 1 << 5  # south
    assert both.statuses[Unit(TILE, 2)]["contention"] == 1 << 3  # north
    assert both.error_cycle == 50 + 2 + 2


def test_an_ilp_is_a_driver_while_it_sends() -> None:
    listing = "== TILE 0 ==\nMESH net_to_west=all\nHALT\n== ILP 0 ==\n@20 PULSE fire\nHALT\n"
    record = perform(listing)
    assert record.statuses[Unit(TILE, 0)]["contention"] == 1 << 6  # west
    assert record.error_cycle == 20 + 2 + 1
    late = listing.replace("MESH", "@{} MESH")
    assert perform(late.format(20 + 240 - 2)).error_cycle is not None  # the check meets the last cycle of the pulse
    assert perform(late.format(20 + 240 - 1)).error_cycle is None


def test_a_closed_loop_is_seen() -> None:
    ring = """
== TILE 0 ==
MESH south_to_net=all, net_to_east=all
HALT
== TILE 1 ==
MESH west_to_net=all, net_to_south=all
HALT
== TILE 3 ==
MESH north_to_net=all, net_to_west=all
HALT
== TILE 2 ==
MESH east_to_net=all, net_to_north={}
HALT
"""
    assert perform(ring.format("odd")).statistics["closed_loop"]
    assert not perform(ring.format("none")).statistics["closed_loop"]
    # Even lanes one way and odd ones the other are no ring.
    assert not perform(ring.format("odd").replace("south_to_net=all", "south_to_net=even")).statistics["closed_loop"]


# ---- analog boundary


def test_events_and_high_times() -> None:
    listing = """
== ILP 0 ==
@50 PULSE fire
HALT
== TILE 0 ==
MESH west_to_rows=all
ARRAY precharge
ARRAY
BIAS durations[1]=1, durations[2]=7, durations[3]=255
@40 ARRAY integrate, wp1, capacitors=4
@100 BIAS durations[0]=9, durations[3]=9
@140 ARRAY
@200 READOUT ramp, ramp_start=60, ramp_slope=128, output_enable
@500 READOUT
HALT
"""
    record = perform(listing)
    precharge, integrate, ramp = record.events
    assert (precharge.kind, precharge.cycle) == (EventKind.PRECHARGE, 2 + 2)
    assert (integrate.kind, integrate.cycle) == (EventKind.INTEGRATE, 142)
    assert (ramp.kind, ramp.cycle) == (EventKind.RAMP, 202)
    assert integrate.row_time is not None
    np.testing.assert_array_equal(integrate.row_time[0, :16], np.minimum(CODES, 140 - 50))
    # Bias pulses have the codes of the first cycle, and do not outlast the integration.
    np.testing.assert_array_equal(integrate.row_time[0, 16:20], [0, 1, 7, 100])
    assert integrate.controls is not None
    assert integrate.controls.capacitors == 4
    assert set(record.crossings[202, 0]) == {128}  # nothing programmed: 0.9 V / 255 ns from 0.3 V to 0.75 V


def test_comparators_follow_the_ramp_after_eight_cycles() -> None:
    listing = """
== TILE 2 ==
MESH columns_to_net=all, net_to_west=all
ARRAY precharge
ARRAY
@20 READOUT ramp, ramp_start=60, ramp_slope=128
@{} READOUT ramp, ramp_start=60, ramp_slope=128, output_enable
@{} READOUT
HALT
== OLP 0 ==
@20 COUNT open
@400 COUNT store
HALT
"""
    assert set(perform(listing.format(25, 300)).results[0][0]) == {128}
    assert set(perform(listing.format(20 + 8 + 100, 300)).results[0][0]) == {28}  # the window opens late
    assert set(perform(listing.format(25, 20 + 8 + 50)).results[0][0]) == {50}  # the ramp ends early


def test_faults() -> None:
    tile = "== TILE 0 ==\nARRAY precharge\nARRAY\n{}\nHALT\n"
    overlap = perform(tile.format("@10 ARRAY precharge, integrate\nARRAY"))
    assert (overlap.statuses[Unit(TILE, 0)]["fault"], overlap.error_cycle) == (1, 10 + 2 + 1)
    changed = perform(tile.format("@10 ARRAY integrate\n@20 ARRAY integrate, wp1\nARRAY"))
    assert changed.error_cycle == 20 + 2 + 1
    alone = perform(tile.format("@10 ARRAY share_south\nARRAY"))
    assert alone.error_cycle == 10 + 2 + 1
    pair = tile.format("@10 ARRAY share_south\nARRAY") + tile.replace("TILE 0", "TILE 2").format(
        "@10 ARRAY share_north\nARRAY"
    )
    assert perform(pair).error_cycle is None


def test_what_the_physics_cannot_do_is_an_error() -> None:
    with pytest.raises(ExperimentError, match="cycle 22: tile 0 integrates or reads out before its first precharge"):
        perform("== TILE 0 ==\n@10 ARRAY integrate\n@20 ARRAY\nHALT\n")
    with pytest.raises(ExperimentError, match="another chip"):
        GoldenEngine().perform([experiment("")])


# ---- host port

STATUS = 0x2000_0001_0001_0000


@pytest.fixture
def port() -> Port:
    return Port(Memory(CONFIG))


def test_the_port_writes_and_reads(port: Port) -> None:
    assert port.send([0x1000_0003_1020_0004, 11, 12, 13]) is None
    assert port.send([0x2000_0003_1020_0003]) == [0, 11, 12]
    assert port.send([STATUS]) == [0]
    assert port.memory.program(Unit(TILE, 2))[2:4] == [11 | 12 << 64, 13]
    assert port.send([0x1000_0001_2012_0000, 0x8001]) is None
    assert port.memory.vectors(Unit(ILP, 1))[0].tolist() == [1] + [0] * 14 + [1]


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        ([0x3000_0001_1000_0000, 1], None),  # no such opcode
        ([0x1000_0000_1000_0000], None),  # length 0
        ([0x1000_0002_1000_0000, 5], None),  # tlast too early: what came is written
        ([0x1000_0001_1000_0000, 5, 6], None),  # and too late: the rest is dropped
        ([0x2000_0002_1000_007F], [0, 0]),  # beyond the last word
        ([0x2000_0001_0000_0000], [0]),  # CONTROL cannot be read
        ([0x1000_0001_3002_0000, 1], None),  # results cannot be written
    ],
)
def test_the_port_flags_bad_packets(port: Port, packet: list[int], answer: list[int] | None) -> None:
    assert port.send(packet) == answer
    assert port.send([STATUS]) == [16]
    written = port.send([0x2000_0002_1000_0000])
    assert written == ([5, 0] if 5 in packet else [0, 0])
    port.send([0x1000_0001_0000_0000, 4])  # clear
    assert port.send([STATUS]) == [0]


# ---- programs that never end


def test_idle_loops_of_any_length_are_counted_and_take_no_time() -> None:
    """What was seen is what it would be if every pass had been gone through."""
    record = perform("== TILE 0 ==\nagain: JUMP again\n", cycles=10**12)
    assert record.cycles == 10**12 + 1
    assert record.statistics["seen"]["jump / self"] == 10**12 + 1
    loops = "".join(f"LOOP body, count=1000, level={level}\n" for level in range(3))
    record = perform(f"== TILE 0 ==\nbody: NOP\n{loops}HALT\n", cycles=10**12)
    passes = 1000**3
    assert record.cycles == passes + passes + passes // 1000 + passes // 1000**2 + 1
    assert record.statistics["seen"]["word / TILE / NOP"] == passes
