"""Programs: frames of a unit, images of the pads, files, listings, sizes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analog_models.programming import WeightTargets
from cosim.compiler import compile_network
from cosim.fabric.derivation import derive
from cosim.isa.assembler import AssemblyError
from cosim.isa.words import OLP, TILE
from cosim.program import InputSlot, Program, ProgramError, Unit
from cosim.program.listing import listing, parse_listing
from rtl.config import Edge, preset
from tests.cosim.hand_written import by_hand

SMALL = preset("small")


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
    with pytest.raises(ProgramError, match="was written by an earlier version of this code; write it again"):
        Program.load(path)
    np.savez(path, meta=np.array('{"format": "duramesh program", "version": 1, "arrays": []}'))
    with pytest.raises(ProgramError, match="is damaged: config is missing"):
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
    with pytest.raises(ProgramError, match="has 65 words; expected 1 to 64, what its SRAM holds"):
        by_hand(units={Unit(OLP, 0): (0,) * 65})
    with pytest.raises(ProgramError, match=r"wp1 of tile 0 must be \(24, 16\)"):
        by_hand(targets={0: WeightTargets(np.full((24, 16), 1.5), np.zeros((24, 16)))})
    with pytest.raises(ProgramError, match=r"frame_cycles must be a whole number, 1 to .*, got 0"):
        by_hand(frame_cycles=0)
