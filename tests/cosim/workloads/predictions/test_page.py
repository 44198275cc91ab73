"""docs/energy.md carries what commands give: its tables are those of docs/energy.json, which is what is counted now."""

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cosim.files.json_text import from_json
from cosim.files.marked import MarkError
from cosim.performance.constants import EnergyConstants
from cosim.performance.report import frame_report
from cosim.workloads.predictions.commands import WhatIf, counted
from cosim.workloads.predictions.page import COMMANDS, PageError, main, renew
from cosim.workloads.predictions.rnnt_chips import paper_chips

DOCS = Path(__file__).parents[4] / "docs"
KEPT: dict[str, Any] = from_json((DOCS / "energy.json").read_bytes())
MANIFEST = Path(os.environ.get("DURAMESH_DATA", ""), "librispeech_dev_clean", "manifest.jsonl")


def page() -> str:
    return (DOCS / "energy.md").read_text(encoding="utf-8")


def assert_same(found: Any, kept: Any) -> None:
    """All that is kept is what was found; more may have been found."""
    if isinstance(kept, dict):
        for key, value in kept.items():
            assert_same(found[key], value)
    elif isinstance(kept, list):
        assert len(found) == len(kept)
        for one, value in zip(found, kept, strict=True):
            assert_same(one, value)
    elif isinstance(kept, float):
        assert found == pytest.approx(kept, rel=1e-6)
    else:
        assert found == kept


def test_tables_are_those_of_the_kept_results() -> None:
    assert set(KEPT) == set(COMMANDS)
    assert renew(page(), KEPT) == page()


def test_frames_of_the_paper_s_chips_are_the_kept_ones() -> None:
    constants = EnergyConstants.nominal()
    for chip, kept in zip(paper_chips(), KEPT["rnnt"]["entries"], strict=True):
        entry = frame_report(chip.name, chip.activity(constants.fitted.mean_code), chip.operations, constants)
        assert_same({**vars(entry), "watts": entry.watts}, kept)


@pytest.mark.long
def test_albert_is_the_kept_one() -> None:
    """But for tasks, whose data are not part of the repository."""
    tasks = {one["task"] for one in KEPT["albert"]["tasks"]}
    kept = {key: value for key, value in KEPT["albert"].items() if key not in ("tasks", "predictions")}
    found = counted("albert", WhatIf()).report.to_json()
    assert_same(found, kept)
    predictions = [one for one in KEPT["albert"]["predictions"] if one["what"].removeprefix("system, ") not in tasks]
    assert_same(found["predictions"], predictions)


@pytest.mark.long
@pytest.mark.skipif(not MANIFEST.is_file(), reason="DURAMESH_DATA names no folder with librispeech_dev_clean")
def test_the_rnn_t_is_the_kept_one() -> None:
    assert_same(counted("rnnt", WhatIf(), manifest=MANIFEST).report.to_json(), KEPT["rnnt"])


def test_a_page_without_marks_and_results_without_a_command_are_said() -> None:
    with pytest.raises(MarkError, match="lacks <!-- constants"):
        renew("# Energy", KEPT)
    with pytest.raises(PageError, match="results lack 'rnnt'"):
        renew(page(), {"albert": KEPT["albert"]})


def test_the_command_writes_the_tables_or_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "energy.json").write_bytes((DOCS / "energy.json").read_bytes())
    for text, status, message in (
        (page().replace("2.86 TOPS/W", "9.99 TOPS/W"), 0, ""),
        ("# Energy", 1, "energy.md: it lacks <!-- constants"),
    ):
        (tmp_path / "energy.md").write_text(text, encoding="utf-8")
        result = CliRunner().invoke(main, ["--docs", str(tmp_path)])
        assert result.exit_code == status, result.output
        assert message in result.output
        assert (tmp_path / "energy.md").read_text(encoding="utf-8") == (text if status else page())
    result = CliRunner().invoke(main, ["--docs", str(tmp_path), "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "go together" in result.output
