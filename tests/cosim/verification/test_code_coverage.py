"""Counts of line and toggle coverage: read, waived, shown; and what random experiments reach of the small chip."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from cosim.cli import main
from cosim.verification import Coverage, Verification, bins
from cosim.verification.code_coverage import WAIVERS, CodeCoverage, Point, Waiver
from cosim.verification.coverage_page import page
from rtl.config import preset
from tests.formal.proofs import PROOFS

SMALL = preset("small")
ROOT = Path(__file__).parents[3]


def line(module: str, kind: str, name: str, count: int, number: int = 7) -> str:
    """As Verilator writes it."""
    fields = {"f": "/somewhere/tile.v", "l": number, "n": 3, "t": kind, "page": f"v_{kind}/{module}", "o": name}
    text = "".join(f"\1{key}\2{value}" for key, value in fields.items())
    return f"C '{text}\1h\2bench.chip.*' {count}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What two processes left."""
    for process, toggles in ((11, 0), (12, 3)):
        (tmp_path / f"{process}.dat").write_text(
            "# SystemC::Coverage-3\n"
            + line("tile", "line", "case", process)
            + line("tile", "branch", "else", 0)
            + line("tile", "toggle", "left[3]:0->1", toggles)
            + line("tile", "toggle", "left[3]:1->0", 0)
            + line("pad", "toggle", "<name>[0]:1->0", 0)
            + line("pad", "toggle", "n12[0]:1->0", 0)
            + line("pad", "toggle", "procmux_3_Y:1->0", 0)
        )
    (tmp_path / "notes.txt").write_text("not a count")
    return tmp_path


WAIVED = Waiver("p.d", "toggle", r"<name>.*", "it is <constant>")


def test_counts_of_all_processes_are_added_up_and_made_up_nets_left_out(folder: Path) -> None:
    code = CodeCoverage.read(folder, [WAIVED])
    assert code.hits == {
        Point("pad", "toggle", "<name>[0]:1->0"): 0,
        Point("tile", "branch", "tile.v:7 else"): 0,
        Point("tile", "line", "tile.v:7 case"): 23,
        Point("tile", "toggle", "left[3]:0->1"): 3,
        Point("tile", "toggle", "left[3]:1->0"): 0,
    }
    assert code.waived == {Point("pad", "toggle", "<name>[0]:1->0"): "it is <constant>"}
    assert [str(point) for point in code.holes] == ["tile branch tile.v:7 else", "tile toggle left[3]:1->0"]
    assert code.summary == "lines 100.00%, branches 0.00%, toggles 50.00%"
    assert code.rises == {("tile", "left"): 3}
    assert code.modules["tile"] == {"line": (1, 1, 0), "branch": (1, 0, 0), "toggle": (2, 1, 0)}
    console = Console(width=100)
    with console.capture() as captured:
        console.print(code.table())
    assert re.search(r"tile +│ 1 of 1 +│ 0 of 1 +│ 1 of 2", captured.get())


def test_the_page_shows_every_bin_and_hole_and_needs_nothing_else(folder: Path) -> None:
    coverage = Coverage(bins(SMALL))
    hit, hole = (names[0] for names in list(coverage.groups.values())[:2])
    coverage.add({hit: 1234})
    text = page("small", Verification(5, 0, coverage), CodeCoverage.read(folder, [WAIVED]))
    assert text.count("<details>") == len(coverage.groups) + 2
    for group, names in coverage.groups.items():
        assert f"of {len(names):,}</span>" in text
        assert all(f"<td>{name.removeprefix(f'{group} / ')}</td>".replace(">=", "&gt;=") in text for name in names)
    assert f'<td>{hit.partition(" / ")[2]}</td><td class="number">1234</td>' in text
    assert f'<tr class="hole"><td>{hole.partition(" / ")[2]}</td>' in text
    assert "branch tile.v:7 else" in text
    assert "<td>toggle &lt;name&gt;[0]:1-&gt;0</td><td>it is &lt;constant&gt;</td>" in text
    assert not re.search(r"https?:|src=|href=|<script|\$", text)
    assert "<h2>Code" not in page("small", Verification(5, 0, coverage))


def test_a_folder_with_counts_is_not_mixed_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(main, ["verify", "--preset=small", f"--code-coverage={folder}"])
    assert result.exit_code == 1
    assert "has counts of another verification" in result.output.replace("\n", " ")


def test_waivers_name_proofs_and_tests_that_exist() -> None:
    proofs = {name.rpartition("-")[0] for name in PROOFS}
    for waiver in WAIVERS:
        assert all(name in proofs for name in re.findall(r"proof (\w+\.\w+)", waiver.reason)), waiver
        for path, test in re.findall(r"(tests/\S+\.py)::(\w+)", waiver.reason):
            assert f"def {test}(" in (ROOT / path).read_text(), waiver


@pytest.mark.long
@pytest.mark.cosimulation
def test_random_experiments_reach_the_level(tmp_path: Path) -> None:
    """The level that docs/verification.md states; every waiver is needed."""
    options = ["--preset=small", "--experiments=500", "--packets=1000", f"--code-coverage={tmp_path / 'counts'}"]
    result = CliRunner().invoke(main, ["verify", *options])
    assert result.exit_code == 0, result.output
    code = CodeCoverage.read(tmp_path / "counts")
    assert code.holes == []
    for waiver in WAIVERS:
        assert any(waiver.covers(point) for point in code.waived), waiver
