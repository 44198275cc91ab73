"""Programs: schedules of a hand-written one against the specification's cycles, files, listings, illegal programs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analog_models.programming import WeightTargets
from cosim.compiler import compile_network
from cosim.fabric.checker import check
from cosim.fabric.derivation import derive
from cosim.fabric.events import Count, Integrate, Precharge, Pulse, Ramp, ScheduleError
from cosim.fabric.mesh_graph import IllegalRouteError
from cosim.fabric.timeline import TimelineError, run
from cosim.isa.assembler import AssemblyError, assemble
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import InputSlot, OutputSlot, Program, ProgramError, Unit
from cosim.program.listing import listing, parse_listing
from rtl.config import Edge, preset

SMALL = preset("small")

TILE_0 = """
frame:
    @0    MESH    west_to_rows=all, columns_to_net=all, net_to_south=all
    @2    ARRAY   precharge, capacitors=5
    @10   ARRAY   capacitors=5
    @20   ARRAY   integrate, wp1, capacitors=5
    @280  ARRAY   capacitors=5
    @300  READOUT ramp, ramp_start=60, ramp_slope=128
    @320  READOUT ramp, ramp_start=60, ramp_slope=128, output_enable
    @400  READOUT
    @499  LOOP    frame, count=4
          HALT
"""
TILE_2 = "MESH north_to_net=all, net_to_west=all\nHALT"
ILP_0 = "PULSE load_pointer\nframe:\n@20 PULSE fire, advance=1\n@499 LOOP frame, count=4\nHALT"
OLP_0 = "COUNT load_pointer\nframe:\n@300 COUNT open\n@420 COUNT store\n@499 LOOP frame, count=4\nHALT"


def by_hand(listings: Mapping[Unit, str] | None = None, **changes) -> Program:
    """Tile (0, 0) integrates what ILP W sends and is read out over tile (1, 0) by OLP W; four frames of 500 cycles."""
    texts = {Unit(TILE, 0): TILE_0, Unit(TILE, 2): TILE_2, Unit(ILP, 0): ILP_0, Unit(OLP, 0): OLP_0, **(listings or {})}
    parts = {
        "config": SMALL,
        "frame_cycles": 500,
        "frames_per_run": 4,
        "units": {unit: assemble(text, unit.kind, SMALL, str(unit)) for unit, text in texts.items()},
        "inputs": (InputSlot(ilp=0, slot=0, stride=1, slice=0, first=0, count=16, sign=1),),
        "outputs": (OutputSlot("layer0", 0, olp=0, slot=0, stride=1, width=16),),
        "origins": {Unit(ILP, 0): 1, Unit(OLP, 0): 1},
    }
    return Program(**{**parts, **changes})


def test_events_in_the_cycles_of_the_specification() -> None:
    """Issued in t, in force from t + 2; pulses of an ILP from t + 2, of a ramp 8 cycles after its event."""
    precharge, integrate, ramp, count = check(by_hand()).events
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


def test_every_frame_is_frame_0_with_other_vectors() -> None:
    program = by_hand()
    assert derive(program, 3).listing() == derive(program, 0).listing()


def test_routes_that_change_under_a_pulse_split_it() -> None:
    split = TILE_0.replace("@280  ARRAY", "@100 MESH columns_to_net=all, net_to_south=all\n@280 ARRAY")
    integrate = derive(by_hand({Unit(TILE, 0): split})).events[1]
    assert isinstance(integrate, Integrate)
    assert [(link.start, link.stop) for link in integrate.links] == [(22, 102)]


def test_locate_counts_frames_from_the_origin() -> None:
    program = by_hand(origins={Unit(TILE, 1): 300})
    assert program.locate(Unit(TILE, 0), 499) == (0, 499)
    assert program.locate(Unit(TILE, 0), 500) == (1, 0)
    assert program.locate(Unit(TILE, 1), 799) == (0, 799)
    assert program.locate(Unit(TILE, 1), 800) == (1, 300)


def test_images_of_the_pads() -> None:
    slots = (
        InputSlot(ilp=0, slot=0, stride=2, slice=0, first=0, count=16, sign=1),
        InputSlot(ilp=0, slot=1, stride=2, slice=0, first=0, count=16, sign=-1),
        InputSlot(ilp=1, slot=0, stride=1, slice=1, first=16, count=3, sign=-1),
    )
    program = by_hand(inputs=slots)
    codes = np.arange(-19, 19).reshape(2, 19).astype(np.int16)
    image = program.ilp_image(codes)
    np.testing.assert_array_equal(image[0][0], np.zeros(16))
    np.testing.assert_array_equal(image[0][1], np.arange(19, 3, -1))
    np.testing.assert_array_equal(image[0][2], np.arange(16))
    np.testing.assert_array_equal(image[1][0], [3, 2, 1] + [0] * 13)
    with pytest.raises(ProgramError, match="at most 4 frames x 19 inputs"):
        program.ilp_image(codes[:, :4])
    with pytest.raises(ProgramError, match="-255 to 255"):
        program.input_codes(np.full((1, 19), 256))
    results = {0: np.arange(8 * 16).reshape(8, 16).astype(np.uint8)}
    output = replace(program.outputs[0], slot=1, stride=2, width=3)
    read = by_hand(outputs=(output,)).olp_codes(results, 2)
    np.testing.assert_array_equal(read["layer0"], [[16, 17, 18], [48, 49, 50]])


@pytest.mark.parametrize(
    ("listings", "error", "message"),
    [
        ({Unit(TILE, 0): "MESH\nNOP"}, ScheduleError, "TILE 0 runs past its last word"),
        ({Unit(TILE, 0): "a: NOP\nJUMP a"}, ScheduleError, "TILE 0 has not halted after 3000 cycles"),
        ({Unit(TILE, 0): f"WORD {9 << 124:#x}\nHALT"}, ScheduleError, "TILE 0 word 0, cycle 0: mode 9 is not defined"),
        (
            {Unit(TILE, 0): TILE_0.replace("MESH    ", "MESH net_to_west=all, ")},
            IllegalRouteError,
            r"cycle 2: tile \(0, 0\) west edge, wires 0-15: driven by net_to_west of tile \(0, 0\) and ILP W",
        ),
        (
            {Unit(TILE, 2): TILE_2.replace("MESH ", "MESH columns_to_net=odd, ")},
            IllegalRouteError,
            r"net of tile \(1, 0\), odd wires 1-15: driven by",
        ),
        ({Unit(ILP, 0): ILP_0.replace("fire", "fire, load_pointer, pointer=3")}, ScheduleError, "frame 1 differs"),
        (
            {Unit(ILP, 0): ILP_0.replace("load_pointer", "load_pointer, pointer=3")},
            ScheduleError,
            "ILP 0 sends vector 3",
        ),
        ({Unit(OLP, 0): OLP_0.replace("load_pointer", "load_pointer, pointer=2")}, ScheduleError, "never stored"),
        (
            {Unit(OLP, 0): OLP_0.replace("COUNT open", "NOP")},
            ScheduleError,
            "OLP 0 stores in cycle 421 without an open",
        ),
        (
            {Unit(TILE, 0): TILE_0.replace("ARRAY   integrate", "ARRAY precharge, integrate")},
            ScheduleError,
            "during its precharge",
        ),
        (
            {Unit(TILE, 0): TILE_0.replace("@280  ARRAY", "@100 ARRAY integrate, wp1, capacitors=4\n@280 ARRAY")},
            ScheduleError,
            "TILE 0 changes its ARRAY bank in cycle 102 while it integrates",
        ),
    ],
)
def test_illegal_programs(listings: dict[Unit, str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check(by_hand(listings))


def test_a_run_must_leave_the_chip_ready_for_the_next() -> None:
    with pytest.raises(ScheduleError, match="OLP 0 uses its pointer in cycle 421 without having loaded it"):
        check(by_hand({Unit(OLP, 0): OLP_0.replace("COUNT load_pointer", "NOP")}))
    # Tile 1 drives its western edge in the last cycles of the run, when tile 0 does not; in the next run both do.
    east = TILE_0.replace("net_to_south=all", "net_to_south=all, net_to_east=all").replace(
        "@300", "@290 MESH columns_to_net=all, net_to_south=all\n@300"
    )
    tiles = {Unit(TILE, 0): east, Unit(TILE, 1): "@1990 MESH net_to_west=all\nHALT"}
    with pytest.raises(IllegalRouteError, match=r"cycle 2: tile \(0, 0\) east edge, wires 0-15: driven by"):
        check(by_hand(tiles))


def test_more_frames_than_the_pads_hold() -> None:
    with pytest.raises(ScheduleError, match="4 frames need vector 9 of ILP 0, it holds 8"):
        check(by_hand(inputs=(InputSlot(0, 0, 3, 0, 0, 16, 1),)))


def test_loops_nest_and_count() -> None:
    text = (
        "outer: inner: ARRAY\nLOOP inner, count=3, level=0\nLOOP outer, count=2, level=1, wait=4\nLOOP 3, count=0\nHALT"
    )
    timeline = run(assemble(text, TILE, SMALL), TILE, SMALL, 1000)
    assert [issue.cycle for issue in timeline.issues] == [0, 2, 4, 11, 13, 15]
    assert timeline.halted == 24
    with pytest.raises(TimelineError, match="loop level 7 does not exist"):
        run((13 << 124 | 7 << 32,), TILE, SMALL, 10)


def test_file_round_trip(tmp_path: Path, random_network) -> None:
    program = compile_network(random_network(32, 16, 4), SMALL)
    program = replace(program, masks={(1, Edge.SOUTH): np.arange(16) % 3 == 0})
    program.save(tmp_path / "p.npz")
    again = Program.load(tmp_path / "p.npz")
    for name in (
        "config",
        "units",
        "inputs",
        "outputs",
        "layers",
        "origins",
        "frame_cycles",
        "frames_per_run",
        "pairs",
    ):
        assert getattr(again, name) == getattr(program, name), name
    for tile, target in program.targets.items():
        np.testing.assert_array_equal(again.targets[tile].wp1, target.wp1)
        np.testing.assert_array_equal(again.targets[tile].wp2, target.wp2)
    np.testing.assert_array_equal(again.masks[1, Edge.SOUTH], program.masks[1, Edge.SOUTH])
    assert derive(again).listing() == derive(program).listing()


def test_files_that_are_no_program(tmp_path: Path, random_network) -> None:
    path = tmp_path / "p.npz"
    compile_network(random_network(16, 4), SMALL).save(path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:size])
        with pytest.raises(ProgramError, match=r"p\.npz holds no program, or only part of one"):
            Program.load(path)
    np.savez(path, weights=np.zeros(3))
    with pytest.raises(ProgramError, match="holds no program"):
        Program.load(path)
    np.savez(path, meta=np.array('{"format": "something else"}'))
    with pytest.raises(ProgramError, match="not a duramesh program"):
        Program.load(path)
    np.savez(path, meta=np.array('{"format": "duramesh program", "version": 99}'))
    with pytest.raises(ProgramError, match="version 99"):
        Program.load(path)
    np.savez(path, meta=np.array('{"format": "duramesh program", "version": 1}'))
    with pytest.raises(ProgramError, match="is damaged: KeyError"):
        Program.load(path)
    with pytest.raises(FileNotFoundError):
        Program.load(tmp_path / "none.npz")


def test_listing_round_trip(random_network) -> None:
    program = compile_network(random_network(32, 16, 4), SMALL)
    text = listing(program)
    assert parse_listing(text, SMALL) == program.units
    assert "== TILE 0 ==  # (0, 0), layer0" in text
    assert "== ILP 1 ==  # E, at the east edge of tile (0, 1)" in text


def test_listing_errors_have_the_line_of_the_whole_text() -> None:
    with pytest.raises(AssemblyError, match=r"^chip\.lst:4:5: "):
        parse_listing("== TILE 0 ==\nHALT\n== ILP 0 ==\n    MESH", SMALL, "chip.lst")
    for text, message in (
        ("HALT", "1: expected a heading"),
        ("== TILE x ==", "no unit 'TILE x'"),
        ("== TILE 0 ==\n== TILE 0 ==", "TILE 0 has two programs"),
    ):
        with pytest.raises(ProgramError, match=message):
            parse_listing(text, SMALL)


def test_sizes_are_checked() -> None:
    with pytest.raises(ProgramError, match="TILE 4 does not exist: this chip has 4"):
        by_hand(units={Unit(TILE, 4): ()})
    with pytest.raises(ProgramError, match="has 65 words, its SRAM holds 64"):
        by_hand(units={Unit(OLP, 0): (0,) * 65})
    with pytest.raises(ProgramError, match=r"wp1 of tile 0 must be \(24, 16\)"):
        by_hand(targets={0: WeightTargets(np.full((24, 16), 1.5), np.zeros((24, 16)))})
    with pytest.raises(ProgramError, match="expected at least 1"):
        by_hand(frame_cycles=0)
