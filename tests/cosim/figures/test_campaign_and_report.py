"""Campaigns, reports and the evidence table, with studies of nothing much."""

import base64
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from analog_models import DEVICE_MODELS, AnalogConfig
from cosim.cli import main
from cosim.figures import Campaign, Figure, Finding, Measurement, Study, Unavailable, evidence
from cosim.figures.campaign import CampaignError
from cosim.figures.evidence import EvidenceError, keep, kept_results, page, read_results, renew, table
from cosim.figures.registry import STUDIES, UnknownStudyError, load_study, select
from cosim.figures.report import FORMAT, make_report
from cosim.files.archive import read_archive, write_archive
from cosim.files.marked import MarkError
from cosim.files.plotting import new_figure

ROOT = Path(__file__).parents[3]


def finding(value: float = 1.5, **rest: object) -> Finding:
    return Finding("a length", value, "ns", engine="twin", data="clips", seeds="chip 0", **rest)  # type: ignore[arg-type]


def curve(measurement: Measurement):
    figure, axes = new_figure(3, 2)
    axes.plot(measurement.arrays["y"])
    return figure


class Counter:
    """A study that counts how often each of its two parts is measured."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.made: list[int] = []
        self.fail_at = fail_at

    def measure(self, campaign: Campaign) -> Measurement:
        parts = [campaign.part(f"part {index}", lambda index=index: self.part(index)) for index in range(2)]
        total = sum(float(part["x"]) for part in parts)
        return Measurement({"total": total}, {"y": np.arange(3)}, (finding(total, headline=True),))

    def part(self, index: int) -> dict[str, float]:
        if index == self.fail_at:
            raise KeyboardInterrupt
        self.made.append(index)
        return {"x": 10.0 + index}

    @property
    def study(self) -> Study:
        return Study("count", "Counting", "Counts <things>.", self.measure, (Figure("curve", "A & B", curve),))


def test_finding_says_value_unit_and_spread() -> None:
    one = Finding.over("accuracy", np.array([87.0, 88.0, 89.0]), "%", engine="twin", data="clips", seeds="chips 0-2")
    assert one.text == "88.00 % ± 1.00 (87.00 to 89.00)"
    assert finding().text == "1.50 ns"
    assert Finding("count", 1234, "1", "rtl", "words", "chip 0", digits=0).text == "1,234"


def test_a_measurement_comes_back_from_its_file(tmp_path: Path) -> None:
    measurement = Measurement({"a": [1, 2]}, {"y": np.arange(4.0)}, (finding(paper="2 ns", source="Fig. 1"),))
    measurement.save(tmp_path / "m.npz", code="abc")
    loaded, about = Measurement.load(tmp_path / "m.npz")
    assert about == {"code": "abc"}
    assert loaded.numbers == measurement.numbers
    assert loaded.findings == measurement.findings
    np.testing.assert_array_equal(loaded.arrays["y"], measurement.arrays["y"])


def test_an_interrupted_study_goes_on_with_the_part_that_is_missing(tmp_path: Path) -> None:
    first = Counter(fail_at=1)
    with pytest.raises(KeyboardInterrupt):
        Campaign(tmp_path).measure(first.study)
    assert first.made == [0]
    second = Counter()
    measurement, about = Campaign(tmp_path).measure(second.study)
    assert second.made == [1]
    assert measurement.numbers["total"] == 21
    assert about["seed"] == 0
    third = Counter()
    Campaign(tmp_path).measure(third.study)
    assert third.made == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"seed": 1}, "seed 0 there, 1 here"),
        ({"quick": True}, "quick False there, True here"),
        ({"chips": 3}, "chips 20 there, 3 here"),
        ({"analog": AnalogConfig.nominal("hermes")}, "devices pcm there, hermes here"),
        ({"analog": AnalogConfig(age_s=7.0)}, r"constants none there, nominal, age_s=7\.0 here"),
    ],
)
def test_a_folder_of_another_campaign_is_refused(tmp_path: Path, changed: dict[str, Any], named: str) -> None:
    Campaign(tmp_path).measure(Counter().study)
    kept = (tmp_path / "data" / "count.npz").read_bytes()
    again = Counter()
    with pytest.raises(CampaignError, match=rf"holds another campaign \({named}.*\); give"):
        Campaign(tmp_path, **changed).measure(again.study)
    assert (again.made, (tmp_path / "data" / "count.npz").read_bytes()) == ([], kept)


def test_data_of_the_same_name_are_other_data(tmp_path: Path) -> None:
    """What decides is the content of a file, or of a folder's files."""
    for name, kind in (("features.npz", "features"), ("clips", "audio")):
        out, data = tmp_path / f"out {kind}", tmp_path / name
        for text in ("one", "two"):
            if kind == "audio":
                data.mkdir(exist_ok=True)
            (data / "a.wav" if kind == "audio" else data).write_text(text)
            campaign = Campaign(out, **{kind: data})  # type: ignore[arg-type]
            if text == "one":
                campaign.measure(Counter().study)
            else:
                with pytest.raises(CampaignError, match=r"another campaign \(data \w+ there, \w+ here\)"):
                    campaign.measure(Counter().study)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(CampaignError, match="holds files, but no campaign; give another folder"):
        make_report(Campaign(tmp_path), [], [], lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    result = CliRunner().invoke(main, ["figures", "mac", "--quick", "--out", str(tmp_path)])
    assert (result.exit_code, "holds files, but no campaign" in result.output) == (1, True)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "x"}', "\udcff", "[" * 5000])
def test_a_damaged_mark_of_a_campaign_is_refused(tmp_path: Path, text: str) -> None:
    Campaign(tmp_path).measure(Counter().study)
    (tmp_path / "campaign.json").write_text(text, errors="surrogateescape")
    with pytest.raises(CampaignError, match=r"campaign\.json cannot be read as what a campaign is"):
        Campaign(tmp_path).measure(Counter().study)


def _rewritten(path: Path, **changes: Any) -> None:
    meta, arrays = read_archive(path, "duramesh measurement", 1)
    write_archive(path, "duramesh measurement", 1, meta | changes, arrays)


@pytest.mark.parametrize(
    "changes",
    [{"numbers": 3}, {"about": None}, {"findings": {}}, {"findings": [{"what": "x"}]}, {"findings": [{"value": []}]}],
)
def test_foreign_measurements_are_measured_anew_and_said(tmp_path: Path, changes: dict[str, Any]) -> None:
    Campaign(tmp_path).measure(Counter().study)
    _rewritten(tmp_path / "data" / "count.npz", **changes)
    lines: list[str] = []
    measurement, _ = Campaign(tmp_path, say=lines.append).measure(Counter().study)
    assert measurement.numbers["total"] == 21
    assert any("count.npz is damaged" in line for line in lines)


def test_stale_measurements_that_cannot_be_drawn_are_said_to_be(tmp_path: Path) -> None:
    def draw(measurement: Measurement):
        return measurement.numbers["what only this code measures"]

    study = Study("count", "Counting", "", Counter().measure, (Figure("curve", "", draw),))
    with pytest.raises(CampaignError, match=r"earlier code measured count in another way .* without --stale"):
        make_report(Campaign(tmp_path, stale=True), [study], [study], lambda _: None)
    with pytest.raises(KeyError):  # of its own code it is a bug
        make_report(Campaign(tmp_path), [study], [study], lambda _: None)


def test_what_other_code_measured_counts_only_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.figures.campaign.code_digest", lambda: "old")
    Campaign(tmp_path).measure(Counter().study)
    monkeypatch.setattr("cosim.figures.campaign.code_digest", lambda: "new")
    stale = Counter()
    _, about = Campaign(tmp_path, stale=True).measure(stale.study)
    assert stale.made == []
    assert about["code"] == "old"
    (tmp_path / "data" / "count.npz").unlink()
    _, about = Campaign(tmp_path, stale=True).measure(stale.study)  # from stale parts
    assert stale.made == []
    assert about["code"] == "old"
    fresh = Counter()
    Campaign(tmp_path).measure(fresh.study)
    assert fresh.made == [0, 1]


def test_damaged_files_are_measured_anew(tmp_path: Path) -> None:
    Campaign(tmp_path).measure(Counter().study)
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(path.read_bytes()[:-30])
    again, lines = Counter(), []
    Campaign(tmp_path, say=lines.append).measure(again.study)
    assert again.made == [0, 1]
    assert len(lines) == 3, "both parts and the measurement"
    assert all("or only part of one" in line for line in lines)


def test_the_report_is_one_page_with_everything_in_it(tmp_path: Path) -> None:
    def unavailable(_: Campaign) -> Measurement:
        raise Unavailable("it needs <torch>")

    lines: list[str] = []
    count = Counter().study
    other = Study("other", "Other", "", unavailable, ())
    idle = Study("idle", "Not asked for", "", unavailable, ())
    results = make_report(Campaign(tmp_path), [count, other], [count, other, idle], lines.append)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert results["studies"]["count"]["numbers"] == {"total": 21}
    assert results["studies"]["other"] == {"title": "Other", "skipped": "it needs <torch>"}
    assert "idle" not in results["studies"]
    page = (tmp_path / "index.html").read_text()
    (embedded,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert base64.b64decode(embedded) == (tmp_path / "curve.png").read_bytes()
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    for text in ("Counts &lt;things&gt;.", "A &amp; B", "21.00 ns", "it needs &lt;torch&gt;"):
        assert text in page
    assert (tmp_path / "curve.svg").read_text().lstrip().startswith("<?xml")
    assert len(lines) == 2


def test_a_report_shows_what_an_earlier_one_measured(tmp_path: Path) -> None:
    count, more = Counter(), Counter()
    other = Study("more", "More", "", more.measure, ())
    make_report(Campaign(tmp_path), [count.study], [count.study, other], lambda _: None)
    results = make_report(Campaign(tmp_path), [other], [count.study, other], lambda _: None)
    assert list(results["studies"]) == ["count", "more"]
    assert count.made == [0, 1]


def test_evidence_stands_between_its_marks(tmp_path: Path) -> None:
    results = make_report(Campaign(tmp_path), [Counter().study], [Counter().study], lambda _: None)
    readme = (
        "# Title\n<!-- evidence: made by `make docs` from docs/results*.json -->\nold\n<!-- end of evidence -->\nend\n"
    )
    renewed = renew(readme, results)
    assert "| a length | **21.00 ns** | twin; clips; chip 0 |  |" in renewed
    assert "| what | devices `pcm` | engine, data, seeds | the paper |\n| --- | --- | --- | --- |\n" in renewed
    assert "old" not in renewed
    assert renewed.startswith("# Title\n")
    assert renewed.endswith("\nend\n")
    assert renew(renewed, results) == renewed
    with pytest.raises(MarkError, match="lacks"):
        renew("# Title\n", results)


def test_studies_that_are_measured_later_join_those_that_are_kept(tmp_path: Path) -> None:
    first = Campaign(tmp_path / "first")
    keep(make_report(first, [Counter().study], [Counter().study], lambda _: None), tmp_path)
    other = Study("energy", "Energy", "", Counter().measure, ())
    keep(make_report(Campaign(tmp_path / "more"), [other], [other], lambda _: None), tmp_path)
    (kept,) = kept_results(tmp_path)
    assert list(kept["studies"]) == ["energy", "count"]  # as in the report; what is no study of ours comes last


def test_every_device_model_has_its_column(tmp_path: Path) -> None:
    for devices in DEVICE_MODELS:
        campaign = Campaign(tmp_path / devices, analog=AnalogConfig.nominal(devices))
        keep(make_report(campaign, [Counter().study], [Counter().study], lambda _: None), tmp_path)
    assert {path.name for path in tmp_path.glob("*.json")} == {"results.json", "results-hermes.json"}
    pcm, hermes = kept_results(tmp_path)
    assert table(pcm, hermes).splitlines()[0] == (
        "| what | devices `pcm` | devices `hermes` | engine, data, seeds | the paper |"
    )
    assert "| a length | **21.00 ns** | 21.00 ns | twin; clips; chip 0 |  |" in table(pcm, hermes)
    hermes["studies"] = {}
    assert "| a length | **21.00 ns** |  | twin; clips; chip 0 |  |" in table(pcm, hermes)


def test_studies_that_a_campaign_did_not_measure_stay(tmp_path: Path) -> None:
    def study(of: str) -> dict[str, Any]:
        return {"title": of, "findings": []}

    large = _results(made="first", studies={"mac": study("old"), "drift": study("old")})
    keep(large, tmp_path)
    keep(_results(made="later", studies={"mac": study("new"), "drift": {"skipped": "no data"}}), tmp_path)
    (kept,) = kept_results(tmp_path)
    assert kept["studies"] == {"mac": study("new"), "drift": study("old")}
    assert kept["made"] == "first"
    keep(_results(made="last", studies={"drift": study("new"), "mac": study("newest")}), tmp_path)
    (kept,) = kept_results(tmp_path)
    assert (kept["made"], kept["studies"]["mac"]) == ("last", study("newest"))


def test_a_quick_campaign_is_no_evidence(tmp_path: Path) -> None:
    results = make_report(Campaign(tmp_path, quick=True), [], [], lambda _: None)
    with pytest.raises(EvidenceError, match="quick"):
        keep(results, tmp_path)


def _results(**changes: Any) -> dict[str, Any]:
    return {"format": FORMAT, "settings": {"quick": False, "devices": "pcm"}, "studies": {}} | changes


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'{"format": "x"', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 5000, "nested too deeply"),
        (b"[]", "it must be a table"),
        (b"{}", "its format is not"),
        (_results(settings=None), "settings must be a table"),
        (_results(settings={"devices": "pcm"}), "settings.quick must be true or false"),
        (_results(settings={"quick": False, "devices": "x"}), "settings.devices must be one of pcm, hermes"),
        (
            _results(settings={"quick": False, "devices": "pcm", "constants": "ideal"}),
            "other than the nominal constants: ideal",
        ),
        (_results(studies=[]), "studies must be a table"),
        (_results(studies={"mac": {"findings": 3}}), r"studies\.mac\.findings must be a list"),
        (_results(studies={"mac": {"findings": [{"what": "x"}]}}), r"studies\.mac\.findings\[0\]\.value is missing"),
    ],
)
def test_files_that_are_no_results_are_named(tmp_path: Path, content: Any, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(EvidenceError, match=rf"other\.json holds no results \(.*{text}"):
        read_results(path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["none.json"], "none.json cannot be read"), (["."], "cannot be read"), ([], "results.json cannot be read")],
)
def test_evidence_from_wrong_files_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    readme = "<!-- evidence: made by `make docs` from docs/results*.json -->\nold\n<!-- end of evidence -->\n"
    (tmp_path / "README.md").write_text(readme)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EvidenceError, match=text):
        evidence.main(arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == readme


def test_evidence_that_cannot_be_shown_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cosim.figures.evidence"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "README.md cannot be read" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_readme_shows_the_kept_results() -> None:
    results = kept_results(ROOT / "docs")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert renew(readme, *results) == readme
    assert not any(one["settings"]["quick"] for one in results)
    assert table(*results).count("\n") > 10
    assert (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8") == page(*results)


def test_the_page_has_every_finding_once_and_models_beside_each_other() -> None:
    def finding(what: str, value: float, engine: str = "twin", headline: bool = False) -> dict[str, Any]:
        return asdict(Finding(what, value, "%", engine, "clips", "chip 0", headline=headline, digits=1))

    first = _results(
        studies={"a": {"title": "A study", "findings": [finding("x", 1), finding("x", 2, "rtl")]}, "b": {}}
    )
    second = _results(settings={"quick": False, "devices": "hermes"})
    second["studies"] = {"a": {"title": "A study", "findings": [finding("y", 4, headline=True), finding("x", 3)]}}
    text = page(first, second)
    assert text.count("## ") == 1
    assert "## A study" in text
    assert "| x | **1.0 %** | 3.0 % | twin; clips; chip 0 |  |" in text
    assert "| x | **2.0 %** |  | rtl; clips; chip 0 |  |" in text
    assert "| y |  | 4.0 % | twin; clips; chip 0 |  |" in text
    assert table(first, second).count("\n") == 3


def test_every_study_has_figures_and_its_own_name() -> None:
    studies = select(())
    assert [study.name for study in studies] == list(STUDIES)
    names = [figure.name for study in studies for figure in study.figures]
    assert len(set(names)) == len(names)
    assert all(study.figures and study.about for study in studies)
    with pytest.raises(UnknownStudyError, match=r"no study 'drfit'; there are: .*drift"):
        load_study("drfit")


def test_the_command_lists_studies_and_refuses_others() -> None:
    listed = CliRunner().invoke(main, ["figures", "--list"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in STUDIES)
    wrong = CliRunner().invoke(main, ["figures", "nonsense"])
    assert wrong.exit_code == 1
    assert "no study 'nonsense'" in wrong.output
