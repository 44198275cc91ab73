"""What words make the chip do: pulses, ramps, links and events of programs that are read at a glance."""

import numpy as np
import pytest

from cosim.fabric.derivation import Derivation, FrameDerivation, derive
from cosim.fabric.events import Count, Integrate, Precharge, Pulse, Ramp, ScheduleError, Write
from cosim.fabric.mesh_graph import PATTERNS, IllegalRouteError, Place
from cosim.isa.words import ILP, OLP, TILE, fields_of
from cosim.program import InputSlot, Unit
from rtl.config import Edge, preset
from tests.cosim.hand_written import ILP_0, OLP_0, TILE_0, by_hand
from tests.cosim.scripts import units

SMALL = preset("small")
END = 600
ROWS = Place("rows", 0)
#: ILP W into the rows of tile 0.
IN = "MESH west_to_rows=all"
#: Every field of the bank.
ARRAY = dict.fromkeys(fields_of(TILE, "ARRAY"), 0)


def derivation(*, masks: dict | None = None, left: dict | None = None, **listings: str) -> Derivation:
    return Derivation(SMALL, units(**listings), masks or {}, limit=END, end=END, left=left)


def integrations(found: Derivation) -> list[Integrate]:
    return [event for event in found.schedule().events if isinstance(event, Integrate)]


# ---- sources


@pytest.mark.parametrize(
    ("program", "pulses"),
    [
        ("HALT", []),
        ("PULSE load_pointer, pointer=3; HALT", []),
        ("@10 PULSE fire; HALT", [(0, 12, 267)]),  # the longest code is 255
        ("@10 PULSE fire, advance=1; @300 PULSE fire; HALT", [(0, 12, 267), (1, 302, 557)]),
        ("@10 PULSE fire, advance=1; @50 PULSE fire; HALT", [(0, 12, 52), (1, 52, 307)]),  # the second ends the first
        ("PULSE fire, advance=-1; PULSE fire, advance=-1; HALT", [(0, 2, 3), (7, 3, 258)]),
    ],
)
def test_pulses_of_a_pad(program: str, pulses: list[tuple[int, int, int]]) -> None:
    """(vector, first cycle, end)"""
    assert derivation(ilp_1=program).pulses == [Pulse(1, *pulse) for pulse in pulses]


ON = "READOUT ramp, ramp_start=60, ramp_slope=128"


@pytest.mark.parametrize(
    ("program", "ramps"),
    [
        ("READOUT output_enable; HALT", []),
        (f"@10 {ON}; @50 READOUT; HALT", [(12, 52, ())]),  # nothing is let out
        (f"@10 {ON}; @20 {ON}, output_enable; @50 READOUT; HALT", [(12, 52, ((22, 52),))]),
        (f"@10 {ON}, output_enable; @20 {ON}; @50 READOUT; HALT", [(12, 52, ((12, 22),))]),
        (f"READOUT output_enable; @10 {ON}, output_enable; @50 READOUT; HALT", [(12, 52, ((12, 52),))]),
        (
            f"@10 {ON}; @20 {ON}, output_enable; @30 {ON}; @40 {ON}, output_enable; @50 READOUT output_enable; HALT",
            [(12, 52, ((22, 32), (42, 52)))],  # two windows; the second outlasts the ramp
        ),
        (
            f"@10 {ON}, output_enable; @20 READOUT; @30 {ON}, output_enable; @40 READOUT; HALT",
            [(12, 22, ((12, 22),)), (32, 42, ((32, 42),))],
        ),
        (f"@10 {ON}, output_enable; HALT", [(12, END, ((12, END),))]),  # left as it is
    ],
)
def test_ramps_and_their_windows(program: str, ramps: list[tuple]) -> None:
    """(first cycle of the ramp, end, spans in which columns are let out)"""
    found = derivation(tile_2=program).ramps
    assert found.get(2, []) == [Ramp(2, start, stop, 60, 128, windows) for start, stop, windows in ramps]


def test_start_and_slope_are_those_of_the_rising_ramp() -> None:
    later = "@10 READOUT ramp, ramp_start=5, ramp_slope=6; @20 READOUT ramp, ramp_start=7, ramp_slope=8; HALT"
    (ramp,) = derivation(tile_0=later).ramps[0]
    assert (ramp.ramp_start, ramp.ramp_slope) == (5, 6)


def test_pointers_at_the_end() -> None:
    found = derivation(
        ilp_0="PULSE load_pointer, pointer=7, fire, advance=3; HALT",
        ilp_1="HALT",
        olp_1="COUNT load_pointer, pointer=4, open; COUNT store; HALT",
        tile_0="HALT",
    )
    assert found.pointers == {Unit(ILP, 0): 2, Unit(ILP, 1): 0, Unit(OLP, 1): 5}


# ---- the mesh over time


def test_the_mesh_changes_two_cycles_after_each_write() -> None:
    """Two writes of one cycle are one change; a tile keeps its switches until it writes them again."""
    found = derivation(
        tile_0="@10 MESH net_to_east=low; @30 MESH; HALT",
        tile_1="@10 MESH west_to_net=all; @20 ARRAY; HALT",
    )
    assert found.changes == [0, 12, 32]
    (net_to_east,) = (arc for arc in found.mesh.arcs if (arc.tile, arc.switch) == (0, "net_to_east"))
    (west_to_net,) = (arc for arc in found.mesh.arcs if (arc.tile, arc.switch) == (1, "west_to_net"))
    on = [[state.driven(arc) is not None for state in found.states] for arc in (net_to_east, west_to_net)]
    assert on == [[False, True, False], [False, True, True]]


def test_a_run_finds_the_banks_as_another_left_them() -> None:
    """Also those of a tile that runs nothing."""
    left = {0: {"MESH": {"west_to_rows": PATTERNS["even"]}}, 3: {"ARRAY": ARRAY}}
    found = derivation(left=left, ilp_0="PULSE fire; HALT", tile_0="@40 MESH; HALT")
    ((before,), after) = (found.states[index].trace(ROWS) for index in (0, 1))
    assert (before[0], before[1].sum(), after) == (Place("ilp", 0), 8, [])
    assert found.banks[3] == {"ARRAY": ARRAY}
    assert not any(found.banks[0]["MESH"].values())


@pytest.mark.parametrize(
    ("bank", "fields", "program", "event"),
    [
        ("ARRAY", {"precharge": 1}, "@40 ARRAY; HALT", "42 precharge TILE 0"),
        ("ARRAY", {"integrate": 1}, "@40 ARRAY; HALT", "42 integrate TILE 0 from 0: 0 capacitors"),
        ("BIAS", {"durations[1]": 3}, "@8 ARRAY integrate; @18 ARRAY; HALT", "bias (0, 3, 0, 0, 0, 0, 0, 0)"),
        ("READOUT", {"ramp": 1}, "@40 READOUT; HALT", "0 ramp TILE 0: start 0"),
        ("WRITE", {"write": 1, "row": 5}, "@40 WRITE; HALT", "42 write TILE 0 from 0: row 5"),
    ],
)
def test_levels_that_an_earlier_run_left_high(bank: str, fields: dict[str, int], program: str, event: str) -> None:
    left = {0: {bank: dict.fromkeys(fields_of(TILE, bank), 0) | fields}}
    (line,) = derivation(left=left, tile_0=program).schedule().listing().splitlines()
    assert event in " ".join(line.split())


# ---- links


def links(found: Derivation, place: Place = ROWS, start: int = 20, stop: int = 200) -> list[tuple]:
    """(what kind of source it is, its first cycle, lanes, first cycle of the link, end)"""
    return [
        (type(link.source).__name__, link.source.start, int(link.lanes.sum()), link.start, link.stop)
        for link in found.links(place, start, stop)
    ]


FIRE = "@10 PULSE fire; HALT"


@pytest.mark.parametrize(
    ("listings", "expected"),
    [
        ({"tile_0": f"{IN}; HALT"}, []),  # nobody sends
        ({"ilp_0": FIRE, "tile_0": "HALT"}, []),  # nobody lets it in
        ({"ilp_1": FIRE, "tile_0": f"{IN}; HALT"}, []),  # the other pad
        ({"ilp_0": FIRE, "tile_0": f"{IN}; HALT"}, [("Pulse", 12, 16, 20, 200)]),
        ({"ilp_0": "@190 PULSE fire; HALT", "tile_0": f"{IN}; HALT"}, [("Pulse", 192, 16, 20, 200)]),
        ({"ilp_0": "@198 PULSE fire; HALT", "tile_0": f"{IN}; HALT"}, []),  # from cycle 200 on
        ({"ilp_0": FIRE, "tile_0": f"{IN}; @48 MESH; HALT"}, [("Pulse", 12, 16, 20, 50)]),
        ({"ilp_0": FIRE, "tile_0": f"@48 {IN}; HALT"}, [("Pulse", 12, 16, 50, 200)]),
        (
            {"ilp_0": FIRE, "tile_0": f"{IN}; @48 MESH west_to_rows=odd; HALT"},
            [("Pulse", 12, 16, 20, 50), ("Pulse", 12, 8, 50, 200)],
        ),
        (  # a change elsewhere, and a write that changes nothing, split no link
            {"ilp_0": FIRE, "tile_0": f"{IN}; @60 {IN}; HALT", "tile_3": "@48 MESH net_to_east=all; HALT"},
            [("Pulse", 12, 16, 20, 200)],
        ),
        (
            {"ilp_0": "@10 PULSE fire; @48 PULSE fire; HALT", "tile_0": f"{IN}; HALT"},
            [("Pulse", 12, 16, 20, 200), ("Pulse", 50, 16, 20, 200)],
        ),
        (  # two sources on lanes of their own; the columns pulse from eight cycles after their ramp on
            {
                "ilp_0": FIRE,
                "tile_0": "MESH west_to_rows=low, columns_to_net=all, net_to_rows=high; @30 READOUT ramp; HALT",
            },
            [("Pulse", 12, 8, 20, 200), ("Ramp", 40, 8, 20, 200)],
        ),
    ],
)
def test_what_reaches_the_rows(listings: dict[str, str], expected: list[tuple]) -> None:
    assert links(derivation(**listings)) == expected


def test_custom_masks_pick_the_wires() -> None:
    masks = {(0, Edge.WEST): np.isin(np.arange(16), [3, 5])}
    found = derivation(masks=masks, ilp_0=FIRE, tile_0="MESH west_to_rows=custom; HALT")
    (link,) = found.links(ROWS, 20, 200)
    np.testing.assert_array_equal(np.flatnonzero(link.lanes), [3, 5])


def test_a_ring_is_refused_where_it_is_walked() -> None:
    found = derivation(
        tile_0="MESH south_to_net=all, net_to_east=all, net_to_rows=all; HALT",
        tile_1="MESH west_to_net=all, net_to_south=all; HALT",
        tile_2="MESH east_to_net=all, net_to_north=all; HALT",
        tile_3="MESH north_to_net=all, net_to_west=all; HALT",
    )
    with pytest.raises(IllegalRouteError, match="closed ring"):
        found.links(ROWS, 20, 200)


# ---- events


def test_precharge_ends_in_an_event_each_time() -> None:
    found = derivation(tile_1="@10 ARRAY precharge; @20 ARRAY; @30 ARRAY precharge; @40 ARRAY; HALT").schedule()
    assert found.events == (Precharge(1, 22), Precharge(1, 42))


def test_levels_that_stay_high_end_in_no_event() -> None:
    high = "@10 ARRAY precharge; WRITE write; HALT"
    found = derivation(tile_0=high, tile_1="ARRAY integrate; HALT", olp_0="COUNT open; HALT").schedule()
    assert found.events == ()


def test_integration() -> None:
    """Controls as in its first cycle."""
    found = derivation(
        ilp_0=FIRE, tile_0=f"{IN}; @18 ARRAY integrate, wp2, capacitors=3; @198 ARRAY wp1, capacitors=8; HALT"
    )
    (event,) = integrations(found)
    assert (event.tile, event.start, event.cycle) == (0, 20, 200)
    assert {name: value for name, value in event.controls.items() if value} == {
        "integrate": 1,
        "wp2": 1,
        "capacitors": 3,
    }
    assert [(link.source, link.start, link.stop) for link in event.links] == [(Pulse(0, 0, 12, 267), 20, 200)]


@pytest.mark.parametrize(
    ("program", "times"),
    [
        ("@10 ARRAY integrate; @60 ARRAY; HALT", [0] * 8),
        ("BIAS durations=20; @10 ARRAY integrate; @60 ARRAY; HALT", [20] * 8),
        ("BIAS durations[0]=7, durations[7]=50; @10 ARRAY integrate; @60 ARRAY; HALT", [7, 0, 0, 0, 0, 0, 0, 50]),
        ("BIAS durations=51; @10 ARRAY integrate; @60 ARRAY; HALT", [50] * 8),  # cut off where the integration ends
        ("BIAS durations=1; @9 BIAS durations=2; ARRAY integrate; @60 ARRAY; HALT", [2] * 8),
        ("BIAS durations=1; ARRAY integrate; BIAS durations=2; @60 ARRAY; HALT", [1] * 8),  # a cycle too late
    ],
)
def test_bias_rows_take_the_codes_of_the_first_cycle(program: str, times: list[int]) -> None:
    (event,) = integrations(derivation(tile_0=program))
    assert list(event.bias_time) == times


def test_programming() -> None:
    found = derivation(
        ilp_0=FIRE,
        tile_0="MESH west_to_net=all, net_to_columns=even; @18 WRITE write, row=5, device=wp2_plus, return_line=9; "
        "@98 WRITE; HALT",
    )
    (event,) = found.schedule().events
    assert isinstance(event, Write)
    assert (event.tile, event.start, event.cycle) == (0, 20, 100)
    assert event.controls == {"write": 1, "row": 5, "device": 2, "reset": 0, "return_line": 9}
    assert [(link.source, int(link.lanes.sum())) for link in event.links] == [(Pulse(0, 0, 12, 267), 8)]


def test_counting() -> None:
    """`store` and `open` in one instruction end a window and begin the next in one cycle."""
    found = derivation(
        ilp_0=FIRE,
        tile_0="MESH west_to_net=all, net_to_south=all; HALT",
        tile_2="MESH north_to_net=all, net_to_west=all; HALT",
        olp_0="@8 COUNT open; @98 COUNT load_pointer, pointer=7, store, open; @198 COUNT store, seven_bits; HALT",
    )
    counts = found.schedule().events
    assert all(isinstance(count, Count) for count in counts)
    assert [(c.olp, c.slot, c.start, c.cycle, c.seven_bits) for c in counts] == [
        (0, 7, 10, 100, False),
        (0, 0, 100, 200, True),
    ]
    assert [[(link.source.start, link.start, link.stop) for link in count.links] for count in counts] == [
        [(12, 10, 100)],
        [(12, 100, 200)],
    ]


def test_the_schedule_has_the_events_of_all_units() -> None:
    found = derivation(
        tile_1="ARRAY precharge; @38 ARRAY; HALT",
        tile_0="ARRAY precharge; @38 ARRAY; HALT",
        olp_0="COUNT open; @38 COUNT store; HALT",
    )
    assert [(type(event), event.cycle) for event in found.schedule().events] == [
        (Count, 40),
        (Precharge, 40),
        (Precharge, 40),
    ]


@pytest.mark.parametrize(
    ("listings", "message"),
    [
        ({"tile_3": "NOP"}, r"^TILE 3 runs past its last word, 0"),
        ({"olp_1": f"NOP; WORD {9 << 124:#x}"}, r"^OLP 1 word 1, cycle 1: mode 9 is not defined for OLP"),
        ({"olp_1": "@5 COUNT store; HALT"}, r"^OLP 1 stores in cycle 5 without an open window$"),
        ({"olp_1": "COUNT open; COUNT store; COUNT store; HALT"}, r"^OLP 1 stores in cycle 2 without"),
        (
            {"tile_3": "@8 ARRAY precharge; @18 ARRAY precharge, integrate; @28 ARRAY; HALT"},
            r"^TILE 3 integrates in cycles 20-29 during its precharge$",
        ),
        (
            {"tile_3": "@8 ARRAY integrate; @18 ARRAY integrate, precharge; @28 ARRAY integrate; @38 ARRAY; HALT"},
            r"^TILE 3 integrates in cycles 10-39 during its precharge$",
        ),
        ({"tile_3": "@8 ARRAY integrate, precharge; HALT"}, "during its precharge"),
    ],
)
def test_events_that_make_no_sense(listings: dict[str, str], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        derivation(**listings).schedule()


@pytest.mark.parametrize("change", ["wp1", "wp2", "discharge", "capacitors=4", "share_north", "share_south"])
def test_an_integration_keeps_its_array_bank(change: str) -> None:
    """Changes in its last cycle are too many; those of the cycle in which it ends are none of it."""
    meanwhile = f"@8 ARRAY integrate; @27 ARRAY integrate, {change}; @28 ARRAY; HALT"
    with pytest.raises(ScheduleError, match="TILE 2 changes its ARRAY bank in cycle 29 while"):
        derivation(tile_2=meanwhile).schedule()
    (event,) = integrations(derivation(tile_2=f"@8 ARRAY integrate; @28 ARRAY {change}; HALT"))
    assert (event.start, event.cycle) == (10, 30)


def test_precharge_and_integration_may_follow_each_other_at_once() -> None:
    found = derivation(tile_0="@8 ARRAY precharge; @18 ARRAY integrate; @28 ARRAY precharge; @38 ARRAY; HALT")
    assert [(type(event), event.cycle) for event in found.schedule().events] == [
        (Precharge, 20),
        (Integrate, 30),
        (Precharge, 40),
    ]


# ---- frame by frame


def test_events_in_the_cycles_of_the_specification() -> None:
    """Issued in t, in force from t + 2; pulses of an ILP from t + 2, of a ramp 8 cycles after its event."""
    precharge, integrate, ramp, count = derive(by_hand()).events
    assert precharge == Precharge(tile=0, cycle=12)
    assert isinstance(integrate, Integrate)
    assert (integrate.start, integrate.cycle) == (22, 282)
    assert integrate.controls["capacitors"] == 5
    assert [link.source for link in integrate.links] == [Pulse(ilp=0, slot=0, start=23, stop=23 + 255)]
    assert ramp == Ramp(0, cycle=302, stop=402, ramp_start=60, ramp_slope=128, windows=((322, 402),))
    assert ramp.start == 310
    assert isinstance(count, Count)
    assert (count.olp, count.slot, count.start, count.cycle) == (0, 0, 303, 423)
    assert [link.source for link in count.links] == [ramp]


@pytest.mark.parametrize("frame", [1, 2, 3])
def test_every_frame_is_frame_0_with_other_vectors(frame: int) -> None:
    program = by_hand()
    assert derive(program, frame).listing() == derive(program).listing()
    whole = FrameDerivation(program).schedule().events
    assert len(whole) == 4 * 4
    count = [event for event in whole if isinstance(event, Count)][frame]
    assert (count.slot, count.start) == (frame, 303 + 500 * frame)
    integrate = [event for event in whole if isinstance(event, Integrate)][frame]
    assert integrate.links[0].source == Pulse(0, frame, 23 + 500 * frame, 278 + 500 * frame)


def test_slots_wrap_with_the_pads() -> None:
    """Two vectors a frame in pads of eight: in frame 2 both pointers begin anew."""
    listings = {
        Unit(ILP, 0): ILP_0.replace("load_pointer", "load_pointer, pointer=4").replace("advance=1", "advance=2"),
        Unit(OLP, 0): OLP_0.replace("load_pointer", "load_pointer, pointer=6"),
    }
    wide = by_hand(listings, inputs=(InputSlot(ilp=0, slot=4, stride=2, slice=0, first=0, count=16, sign=1),))
    assert [event.slot for event in FrameDerivation(wide).schedule().events if isinstance(event, Count)] == [6, 7, 0, 1]
    assert [pulse.slot for pulse in FrameDerivation(wide).pulses] == [4, 6, 0, 2]
    assert derive(wide, 3).listing() == derive(wide).listing()


def test_a_late_unit_belongs_to_its_own_frame() -> None:
    """With an origin beyond the frame, tile 0 works on frame 0 while frame 1 has begun."""
    late = by_hand({Unit(TILE, 0): f"NOP wait=499\n{TILE_0}"}, origins={Unit(TILE, 0): 500})
    found = [event for event in derive(late).events if not isinstance(event, Count)]
    assert [(type(event), event.cycle) for event in found] == [(Precharge, 512), (Integrate, 782), (Ramp, 802)]


def test_routes_that_change_under_a_pulse_split_it() -> None:
    split = TILE_0.replace("@280  ARRAY", "@100 MESH columns_to_net=all, net_to_south=all\n@280 ARRAY")
    integrate = derive(by_hand({Unit(TILE, 0): split})).events[1]
    assert isinstance(integrate, Integrate)
    assert [(link.start, link.stop) for link in integrate.links] == [(22, 102)]


def test_what_is_left_of_another_frames_ramp_is_refused() -> None:
    """A ramp that goes on into frame 1, whose window of the pad opens while it still pulses."""
    long = TILE_0.replace("@400  READOUT\n", "").replace("@10   ARRAY", "@9 READOUT\n@10 ARRAY")
    early = OLP_0.replace("@300 COUNT open\n@420 COUNT store", "@4 COUNT open\n@8 COUNT store")
    program = by_hand({Unit(TILE, 0): long, Unit(OLP, 0): early})
    assert [event.cycle for event in derive(program).events if isinstance(event, Count)] == [11]
    with pytest.raises(ScheduleError, match="TILE 0 sends a pulse of another frame in cycle 310 to frame 1"):
        derive(program, 1)
