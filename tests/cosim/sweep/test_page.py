"""docs/sweep.md tells of a thousand chips what docs/sweep.json holds: a sweep's summary."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from cosim.files.json_text import from_json
from cosim.sweep.page import main, renew, table

DOCS = Path(__file__).parents[3] / "docs"
KEPT: dict[str, Any] = from_json((DOCS / "sweep.json").read_bytes())


def page() -> str:
    return (DOCS / "sweep.md").read_text(encoding="utf-8")


def test_the_page_is_that_of_the_kept_sweep() -> None:
    assert renew(page(), KEPT) == page()
    (one,) = KEPT["settings"]
    assert f"{one['chips']:,} chips" in table(KEPT)
    assert f"| {one['figures']['accuracy']['mean']:.2%} |" in table(KEPT)


def test_a_sweep_s_folder_is_taken_over(tmp_path: Path) -> None:
    docs, folder = tmp_path / "docs", tmp_path / "sweep"
    (docs / "images").mkdir(parents=True)
    folder.mkdir()
    (docs / "sweep.md").write_text(page().replace("%", ""), encoding="utf-8")
    (folder / "summary.json").write_bytes((DOCS / "sweep.json").read_bytes())
    (folder / "distribution.svg").write_text("<svg/>")
    result = CliRunner().invoke(main, [str(folder), "--docs", str(docs)])
    assert result.exit_code == 0, result.output
    assert table(KEPT) in (docs / "sweep.md").read_text(encoding="utf-8")
    assert (docs / "images" / "sweep-distribution.svg").read_text() == "<svg/>"


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    (tmp_path / "sweep.md").write_text("# Sweeps")
    result = CliRunner().invoke(main, ["--docs", str(tmp_path)])
    assert result.exit_code == 1
    assert "sweep.json" in result.output
    (tmp_path / "sweep.json").write_bytes((DOCS / "sweep.json").read_bytes())
    result = CliRunner().invoke(main, ["--docs", str(tmp_path)])
    assert result.exit_code == 1
    assert "it lacks <!-- chips" in result.output
