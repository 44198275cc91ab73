"""Where a trace is written, and the viewer's save file, without a simulation."""

import os
from pathlib import Path

import pytest

from cosim.engines.rtl.engine import RtlEngine
from cosim.engines.rtl.waves import check_place, save_file, trace_file, units_in_use, write_save_file
from cosim.files.errors import OutputError
from rtl.config import preset
from tests.cosim.scripts import units

SMALL = preset("small")


@pytest.mark.parametrize(
    ("asked", "trace"),
    [
        ("run", "run.fst"),
        ("seed0.1", "seed0.1.fst"),
        ("seed0.2", "seed0.2.fst"),
        ("a.vcd", "a.fst"),
        ("a.fst", "a.fst"),
    ],
)
def test_a_name_keeps_all_that_is_no_format(asked: str, trace: str) -> None:
    assert trace_file(Path(asked)).name == trace
    assert save_file(trace_file(Path(asked))).name == trace.replace(".fst", ".gtkw")


def used() -> dict:
    return units(
        tile_0="MESH west_to_net=all; HALT", tile_3="HALT", ilp_0="NOP; PULSE fire, wait=9; HALT", olp_0="NOP; HALT"
    )


def test_units_that_only_halt_are_not_in_use() -> None:
    assert {str(unit) for unit in units_in_use(used())} == {"TILE 0", "ILP 0"}


def test_the_save_file_names_what_is_used_and_can_be_moved(tmp_path: Path) -> None:
    trace = trace_file(tmp_path / "seed0.1")
    text = write_save_file(trace, SMALL, used(), start_ns=54).read_text()
    assert str(tmp_path) not in text
    assert text.startswith('[dumpfile] "seed0.1.fst"\n[savefile] "seed0.1.gtkw"\n[timestart] 54000\n')
    assert "-TILE 0 tile_0_0\n" in text
    assert "-ILP 0 ilp_W\n" in text
    assert "TILE 3" not in text
    assert "OLP" not in text
    assert "@2022\n^1 seed0.1.words/ilp0.txt\nbench.chip.ilp_W.sequencer.address[5:0]\n" in text
    words = (tmp_path / "seed0.1.words/ilp0.txt").read_text().splitlines()
    assert [line.split()[0] for line in words] == ["00", "01", "02"]
    assert "PULSE" in words[1]
    assert words[1].endswith("fire")


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    trace = trace_file(tmp_path / "reports" / "kws" / "waves")
    check_place(trace)
    assert trace.parent.is_dir()


@pytest.mark.parametrize("name", ["w.fst", "w.gtkw", "file/w"])
def test_a_place_that_cannot_be_written_is_refused_before_the_build(tmp_path: Path, name: str) -> None:
    if name == "file/w":
        (tmp_path / "file").write_text("")
        asked = tmp_path / name
    else:
        (tmp_path / name).mkdir()
        asked = tmp_path / "w"
    with pytest.raises(OutputError, match="cannot be written"):
        RtlEngine(SMALL, waves=asked)


def test_a_trace_that_may_not_be_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "w.fst").write_text("kept")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).suffix != ".fst" and access(path, mode))
    with pytest.raises(OutputError, match=r"w\.fst cannot be written: there is one that may not be changed"):
        check_place(trace_file(tmp_path / "w"))
