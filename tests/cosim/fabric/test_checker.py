"""What makes a program illegal: every rule broken once, by a program that breaks no other."""

import numpy as np
import pytest

from cosim.experiment import Experiment
from cosim.experiment.derivation import ExperimentDerivation
from cosim.fabric.checker import check, check_image, check_mesh, check_sharing
from cosim.fabric.derivation import Derivation, derive
from cosim.fabric.events import ScheduleError
from cosim.fabric.mesh_graph import IllegalRouteError
from cosim.isa.words import ILP, OLP, TILE
from cosim.program import ChipImage, InputSlot, OutputSlot, Program, Unit
from rtl.config import preset
from tests.cosim.hand_written import ILP_0, OLP_0, TILE_0, TILE_2, by_hand
from tests.cosim.scripts import units

SMALL = preset("small")
#: Vector 0 of ILP W is written, result 0 of OLP W is read.
INPUT = InputSlot(ilp=0, slot=0, stride=0, slice=0, first=0, count=16, sign=1)
OUTPUT = OutputSlot("layer0", layer=0, olp=0, slot=0, stride=0, width=16)


def single(frames: int = 1, inputs: tuple = (), outputs: tuple = (), **listings: str) -> Program:
    """Frames of 100 cycles."""
    return Program(SMALL, 100, frames, units(**listings), inputs, outputs)


def test_a_legal_program_has_the_schedule_of_its_first_frame() -> None:
    assert check(by_hand()).listing() == derive(by_hand()).listing()
    assert check(single(tile_0="HALT")).events == ()


# ---- units, one by one


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (single(tile_0="MESH; NOP"), r"^TILE 0 runs past its last word, 1 .* in cycle 2; end it with HALT or JUMP$"),
        (single(ilp_1=f"WORD {9 << 124:#x}; HALT"), "^ILP 1 word 0, cycle 0: mode 9 is not defined for ILP"),
        (
            single(olp_1="a: NOP; JUMP a"),
            r"^OLP 1 has not halted after 300 cycles, two frames more than the run of 1 frame$",
        ),
        (single(2, tile_3="NOP wait=400; HALT"), "^TILE 3 has not halted after 400 cycles"),
        (single(ilp_0="@5 PULSE fire; HALT"), "^ILP 0 uses its pointer in cycle 5 without having loaded it"),
        (single(olp_1="COUNT open; COUNT store; HALT"), "^OLP 1 uses its pointer in cycle 1 without having loaded it"),
        (
            single(olp_1="COUNT load_pointer; @7 COUNT store; HALT"),
            "^OLP 1 stores in cycle 7 without an open window$",
        ),
        (
            single(tile_1="@8 ARRAY precharge, integrate; @18 ARRAY; HALT"),
            "^TILE 1 integrates in cycles 10-19 during its precharge$",
        ),
        (
            single(tile_1="@8 ARRAY integrate; @18 ARRAY integrate, wp2; @28 ARRAY; HALT"),
            "^TILE 1 changes its ARRAY bank in cycle 20 while it integrates$",
        ),
    ],
)
def test_units_that_do_not_work(program: Program, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        check(program)


def test_a_pointer_may_be_loaded_where_it_is_used() -> None:
    check(single(inputs=(INPUT,), ilp_0="PULSE load_pointer, fire; HALT"))


# ---- the mesh


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            single(tile_2="@10 MESH north_to_net=all, columns_to_net=odd; HALT"),
            r"^cycle 12: net of tile \(1, 0\), odd wires 1-15: driven by .*north_to_net.* and columns_to_net",
        ),
        (
            single(tile_0="MESH net_to_east=all; HALT", tile_1="@10 MESH net_to_west=low; @20 MESH; HALT"),
            r"^cycle 12: tile \(0, 0\) east edge, wires 0-7: driven by net_to_east of tile \(0, 0\) and net_to_west of",
        ),
        (
            single(
                tile_0="MESH south_to_net=all, net_to_east=all; HALT",
                tile_1="MESH west_to_net=all, net_to_south=all; HALT",
                tile_2="@30 MESH east_to_net=all, net_to_north=all; HALT",
                tile_3="MESH north_to_net=all, net_to_west=all; HALT",
            ),
            r"^cycle 32: closed ring of borderguards, wires 0-15: ",
        ),
        (
            by_hand({Unit(TILE, 0): TILE_0.replace("MESH    ", "MESH net_to_west=all, ")}),
            r"^cycle 2: tile \(0, 0\) west edge, wires 0-15: driven by net_to_west of tile \(0, 0\) and ILP W$",
        ),
        (
            by_hand({Unit(TILE, 2): TILE_2.replace("MESH ", "MESH columns_to_net=odd, ")}),
            r"net of tile \(1, 0\), odd wires 1-15: driven by",
        ),
    ],
)
def test_routes_that_the_chip_would_flag(program: Program, message: str) -> None:
    with pytest.raises(IllegalRouteError, match=message):
        check(program)


def sent(code: int, tile_0: str) -> Derivation:
    """ILP W sends one vector of equal codes, from cycle 12 on."""
    vectors = {0: np.full((1, SMALL.lanes), code, np.uint8)}
    words = units(ilp_0="@10 PULSE fire; HALT", tile_0=tile_0)
    return ExperimentDerivation(Experiment(SMALL, words, vectors=vectors, cycles=100))


@pytest.mark.parametrize(
    ("code", "first", "last"),
    [
        (0, 12, 12),  # a vector of zeros drives its edge for one cycle
        (1, 12, 12),
        (2, 12, 13),
        (20, 12, 31),
    ],
)
def test_a_pad_drives_its_edge_from_its_first_cycle_to_the_end_of_its_longest_pulse(
    code: int, first: int, last: int
) -> None:
    """A tile that drives the same wires for one cycle, in each cycle around."""
    flagged = []
    for cycle in range(first - 3, last + 4):
        derivation = sent(code, f"@{cycle - 2} MESH net_to_west=all; MESH; HALT")
        try:
            check_mesh(derivation)
        except IllegalRouteError as error:
            flagged.append(cycle)
            assert str(error).startswith(f"cycle {cycle}: tile (0, 0) west edge")  # noqa: PT017
    assert flagged == [*range(first, last + 1)]


# ---- capacitors


def sharing(**tiles: str) -> Derivation:
    return Derivation(SMALL, units(**tiles), {}, limit=200, end=200)


@pytest.mark.parametrize(
    "tiles",
    [
        {"tile_0": "ARRAY wp1; HALT"},
        {"tile_0": "@9 ARRAY share_south; HALT", "tile_2": "@9 ARRAY share_north; HALT"},
        {
            "tile_0": "@9 ARRAY share_south; ARRAY share_south, wp1; @20 ARRAY; HALT",
            "tile_2": "@9 ARRAY share_north; @20 ARRAY; HALT",
        },
    ],
)
def test_both_sides_share_or_none(tiles: dict[str, str]) -> None:
    check_sharing(sharing(**tiles))


@pytest.mark.parametrize(
    ("tiles", "message"),
    [
        (
            {"tile_0": "@9 ARRAY share_south; HALT"},
            "^TILE 0 shares its capacitors in cycle 11 with a southern neighbour that does not share back$",
        ),
        (
            {"tile_3": "@9 ARRAY share_north; HALT", "tile_1": "@10 ARRAY share_south; HALT"},
            "^TILE 3 shares its capacitors in cycle 11 with a northern neighbour that does not share back$",
        ),
        (
            {"tile_0": "@9 ARRAY share_south; @20 ARRAY; HALT", "tile_2": "@9 ARRAY share_north; @21 ARRAY; HALT"},
            "^TILE 2 shares its capacitors in cycle 22 with a northern neighbour that does not share back$",
        ),
        (
            {"tile_0": "@9 ARRAY share_south; HALT", "tile_2": "@9 ARRAY share_south; HALT"},
            "^TILE 0 shares .* a southern neighbour that does not share back$",
        ),
        (
            {"tile_1": "ARRAY share_north; HALT"},
            "^TILE 1 shares its capacitors in cycle 2 with a northern neighbour that it has no capacitor switch to$",
        ),
    ],
)
def test_capacitors_that_one_side_shares(tiles: dict[str, str], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        check_sharing(sharing(**tiles))
    with pytest.raises(ScheduleError, match=message):
        check(single(**tiles))


# ---- frames and runs


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            by_hand({Unit(ILP, 0): ILP_0.replace("fire", "fire, load_pointer, pointer=3")}),
            "^frame 1 differs from frame 0: '.*ILP 0 vector 2 at 23 .*' instead of '.*ILP 0 vector 3 at 23 ",
        ),
        (
            single(2, tile_0="ARRAY precharge; @10 ARRAY; @120 ARRAY precharge; @130 ARRAY; HALT"),
            "^frame 1 differs from frame 0: '32  precharge  TILE 0' instead of '12  precharge  TILE 0'$",
        ),
        (
            single(2, tile_0="ARRAY precharge; @10 ARRAY; HALT"),
            "^frame 1 has 0 events, frame 0 has 1$",
        ),
        (  # the last of four frames is looked at, too
            by_hand({Unit(TILE, 0): TILE_0.replace("count=4", "count=3")}),
            "^frame 3 ",
        ),
    ],
)
def test_frames_are_alike(program: Program, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        check(program)


def test_a_second_run_drives_nothing_that_the_first_left_driven() -> None:
    """Tile 1 drives its western edge in the last cycles of the run, when tile 0 does not; in the next run both do."""
    east = TILE_0.replace("net_to_south=all", "net_to_south=all, net_to_east=all").replace(
        "@300", "@290 MESH columns_to_net=all, net_to_south=all\n@300"
    )
    tiles = {Unit(TILE, 0): east, Unit(TILE, 1): "@1990 MESH net_to_west=all\nHALT"}
    with pytest.raises(IllegalRouteError, match=r"^cycle 2: tile \(0, 0\) east edge, wires 0-15: driven by"):
        check(by_hand(tiles))


AGAIN = "^frame 0 of a second run, which finds the chip as the first one left it, "
INTEGRATE = "@8 ARRAY integrate; @18 ARRAY"
FIRE = "PULSE load_pointer, fire; HALT"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (  # switches: the vector is let in from the second run on
            single(inputs=(INPUT,), ilp_0=FIRE, tile_0=f"{INTEGRATE}; MESH west_to_rows=all; HALT"),
            f"{AGAIN}differs from frame 0: .*rows from ILP 0 vector 0.*instead of .*rows from nothing'$",
        ),
        (single(tile_0=f"{INTEGRATE}; BIAS durations=3; HALT"), f"{AGAIN}differs .*bias \\(3, 3.* instead of "),
        (single(tile_0="@8 ARRAY; ARRAY precharge; HALT"), f"{AGAIN}has 1 event, frame 0 has 0$"),
        (single(tile_0="@8 WRITE; WRITE write; HALT"), f"{AGAIN}has 1 event, frame 0 has 0$"),
        (single(tile_0="@8 READOUT ramp; HALT"), f"{AGAIN}differs .*'0  ramp .*' instead of '10  ramp"),
    ],
)
def test_a_second_run_is_like_the_first(program: Program, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        check(program)


# ---- pads


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            single(2, inputs=(InputSlot(0, 3, 5, 0, 0, 16, 1),), tile_0="HALT"),
            "^a run of 2 frames needs vector 8 of ILP 0, it holds 8$",
        ),
        (
            single(2, outputs=(OutputSlot("layer0", 0, olp=1, slot=7, stride=1, width=16),), tile_0="HALT"),
            "^a run of 2 frames needs vector 8 of OLP 1, it holds 8$",
        ),
        (
            single(ilp_0=FIRE, tile_0=f"MESH west_to_rows=all; {INTEGRATE}; HALT"),
            "^ILP 0 sends vector 0, which no input is written to$",
        ),
        (
            by_hand({Unit(ILP, 0): ILP_0.replace("load_pointer", "load_pointer, pointer=3")}),
            "^ILP 0 sends vector 3, which no input is written to$",
        ),
        (single(outputs=(OUTPUT,), tile_0="HALT"), "^layer0 is result 0 of OLP 0, never stored$"),
        (
            by_hand({Unit(OLP, 0): OLP_0.replace("load_pointer", "load_pointer, pointer=2")}),
            "^layer0 is result 0 of OLP 0, never stored$",
        ),
    ],
)
def test_vectors_are_written_before_they_are_sent_and_results_stored_before_they_are_read(
    program: Program, message: str
) -> None:
    with pytest.raises(ScheduleError, match=message):
        check(program)


def test_a_vector_that_nobody_hears_need_not_be_written() -> None:
    check(single(ilp_0=FIRE, tile_0=f"{INTEGRATE}; HALT"))


# ---- several programs in one chip


def test_an_image_has_the_schedules_of_its_entries() -> None:
    entries = {"first": by_hand(), "second": by_hand({Unit(TILE, 3): "HALT"})}
    schedules = check_image(ChipImage(entries))
    assert {name: schedule.listing() for name, schedule in schedules.items()} == {
        name: derive(program).listing() for name, program in entries.items()
    }
    assert check_image(ChipImage.of(by_hand())).keys() == {"main"}


@pytest.mark.parametrize(
    ("entries", "error", "message"),
    [
        (
            {"good": single(tile_0="HALT"), "bad": single(olp_1="a: JUMP a")},
            ScheduleError,
            "^entry bad: OLP 1 has not halted",
        ),
        (
            {"good": single(tile_0="HALT"), "bad": single(tile_0="MESH net_to_south=all, columns_to_south=all; HALT")},
            IllegalRouteError,
            r"^entry bad: cycle 2: tile \(.*\) .* edge, wires 0-15",
        ),
        (  # each alone drives its side of the edge between them
            {"east": single(tile_0="MESH net_to_east=all; HALT"), "west": single(tile_1="MESH net_to_west=all; HALT")},
            IllegalRouteError,
            r"^entry west after entry east: cycle 2: tile \(0, 0\) east edge",
        ),
        (
            {
                "open": single(tile_0="MESH west_to_rows=all; HALT"),
                "shut": single(inputs=(INPUT,), ilp_0=FIRE, tile_0=f"{INTEGRATE}; HALT"),
            },
            ScheduleError,
            "^entry shut after entry open: frame 0, which finds the chip as the other left it, differs from frame 0: ",
        ),
        (
            {
                "both": single(tile_0="ARRAY share_south; HALT", tile_2="ARRAY share_north; HALT"),
                "none": single(tile_2="@20 ARRAY; HALT"),
            },
            ScheduleError,
            "^entry none after entry both: TILE 0 shares its capacitors in cycle 22 with a southern",
        ),
    ],
)
def test_entries_of_an_image(entries: dict[str, Program], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check_image(ChipImage(entries))
