"""What `duramesh run` writes: npz, JSON, CSV, the timeline, the experiment itself."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cosim.cli import main
from cosim.engines.twin.engine import TwinEngine
from cosim.experiment import Record
from cosim.experiment.file import load_experiment
from cosim.experiment.transcript import StoredResult, describe_codes, sent_vectors, stored_results, timeline

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
PASS_OVER = EXAMPLES / "pass_over.toml"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


@pytest.fixture(scope="module")
def record() -> Record:
    return TwinEngine().perform([load_experiment(PASS_OVER).experiment])[0]


def test_every_format_has_the_same_codes(record: Record, tmp_path: Path) -> None:
    files = {suffix: tmp_path / f"out.{suffix}" for suffix in ("npz", "json", "csv")}
    result = run(PASS_OVER, "--engine=twin", *(f"--out={path}" for path in files.values()))
    assert result.exit_code == 0, result.output
    assert record.difference(Record.load(files["npz"])) is None
    found = json.loads(files["json"].read_text())
    assert (found["name"], found["engine"], found["cycles"]) == ("pass_over", "twin", 592)
    assert (found["error_cycle"], found["errors"]) == (None, None)
    assert [(item["olp"], item["result"], item["cycle"]) for item in found["results"]] == [(0, 0, 307), (0, 1, 587)]
    np.testing.assert_array_equal([item["codes"] for item in found["results"]], record.results[0][:2])
    assert [event["kind"] for event in found["events"]] == ["precharge", "integrate", "ramp"]
    assert found["statuses"]["OLP 0"]["pointer"] == 2
    heading, *rows = csv.reader(files["csv"].read_text().splitlines())
    assert heading == ["olp", "result", "cycle", *(f"lane{lane}" for lane in range(16))]
    assert [row[:3] for row in rows] == [["0", "0", "307"], ["0", "1", "587"]]
    np.testing.assert_array_equal(np.array(rows, int)[:, 3:], record.results[0][:2])


def test_json_on_stdout_is_all_there_is(tmp_path: Path) -> None:
    result = run(PASS_OVER, "--engine=twin", "--json", f"--out={tmp_path / 'x.json'}")
    printed, written = (json.loads(text) for text in (result.stdout, (tmp_path / "x.json").read_text()))
    assert printed == written


def test_saved_experiment_gives_the_same_record(tmp_path: Path) -> None:
    run(
        EXAMPLES / "mac.toml",
        "--engine=twin",
        "--seed=5",
        f"--save={tmp_path / 'e.npz'}",
        f"--out={tmp_path / 'a.npz'}",
    )
    run(tmp_path / "e.npz", "--engine=twin", f"--out={tmp_path / 'b.npz'}")
    first, again = (Record.load(tmp_path / name) for name in ("a.npz", "b.npz"))
    assert first.difference(again) is None
    run(EXAMPLES / "mac.toml", "--engine=twin", f"--out={tmp_path / 'c.npz'}")
    assert "crossing time" in str(first.difference(Record.load(tmp_path / "c.npz")))


def changed(path: Path, *changes: tuple[str, str]) -> Path:
    """The pass-over example, changed, as a file of its own."""
    text = PASS_OVER.read_text()
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return path


def test_results_that_are_asked_for_are_shown(tmp_path: Path) -> None:
    path = changed(tmp_path / "e.toml", ("expect = [[1, ", "results = 1 # [[1, "))
    shown = json.loads(run(path, "--engine=twin", "--json").output)["results"]
    assert [item["result"] for item in shown] == [1]


def test_results_as_expected() -> None:
    result = run(PASS_OVER, "--engine=twin")
    assert (result.exit_code, "results        as expected" in result.output) == (0, True), result.output


def test_results_that_are_not_as_expected(tmp_path: Path) -> None:
    path = changed(tmp_path / "e.toml", ("expect = [[1, 2,", "within = 1\nexpect = [[3, 3,"), (", 142]", ", 140]"))
    result = run(path, "--engine=twin", f"--out={tmp_path / 'r.json'}")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert "results        not as expected" in lines
    at = lines.index("Error: results are not as expected:")
    assert lines[at + 1 : at + 3] == [
        "  OLP 0, result 0, lane 0: 1, expected 3 within 1",
        "  OLP 0, result 1, lane 0: 142, expected 140 within 1",
    ]
    assert lines[-1] == "  ... 7 more"
    assert len(json.loads((tmp_path / "r.json").read_text())["mismatches"]) == 17


def test_nothing_stored(tmp_path: Path) -> None:
    (tmp_path / "e.toml").write_text('preset = "small"\n[tile.0]\nprogram = "HALT"\n')
    assert run(tmp_path / "e.toml", "--engine=twin").output.startswith("no result was stored\n")


# ---- two engines


def test_engines_that_agree() -> None:
    result = run(EXAMPLES / "mac.toml", "--engine=twin", "--against=golden")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "golden         agrees: the same events, codes, flags and cycles"


def test_engines_that_differ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    perform = TwinEngine.perform

    def off_by_one(self: TwinEngine, experiments: list, **watched) -> list[Record]:
        (record,) = perform(self, experiments, **watched)
        record.results[0][1, 3] += 1
        return [record]

    monkeypatch.setattr(TwinEngine, "perform", off_by_one)
    result = run(PASS_OVER, "--engine=golden", "--against=twin", f"--out={tmp_path / 'r.npz'}")
    assert result.exit_code == 1
    assert "golden and twin differ: OLP 0, result 1, lane 3: 142 (golden), 143 (twin)" in result.output
    assert (tmp_path / "r.npz").is_file()


# ---- the timeline

PASSED = """\
# pass_over, twin; a bank is in force two cycles after its line
      0  TILE 1   MESH      east_to_net=all, net_to_west=all
      0  TILE 0   MESH      east_to_net=all, net_to_south=all, west_to_rows=all
      0  TILE 2   MESH      north_to_net=all, net_to_west=all
      0  OLP 0    COUNT     load_pointer
      1  TILE 0   ARRAY     precharge
     50  TILE 0   ARRAY     integrate, wp1, capacitors=1
     50  ILP 0    PULSE     fire, load_pointer
     50  ILP 1    PULSE     fire, load_pointer
     50  OLP 0    COUNT     open
     52  TILE 0   precharge ends, capacitors float
    305  TILE 0   ARRAY     wp1, capacitors=1
    305  OLP 0    COUNT     store
    306  TILE 0   MESH      columns_to_south=all
    307  TILE 0   integrate wp1, 1 capacitor; 16 rows high for 16-255 ns
    307  OLP 0    result 0  0-255: 1 2 3 5 8 13 21 34 ...
    320  TILE 0   READOUT   ramp, ramp_start=60, ramp_slope=128, output_enable
    322  TILE 0   ramp      crossing times all 142
    326  OLP 0    COUNT     open
    585  OLP 0    COUNT     store
    587  OLP 0    result 1  all 142
    590  TILE 0   READOUT   all off
    592  chip     busy falls
"""


def test_timeline_has_everything_in_order(record: Record, tmp_path: Path) -> None:
    assert timeline(load_experiment(PASS_OVER).experiment, record) == PASSED
    result = run(PASS_OVER, "--engine=twin", "--timeline=-")
    assert result.output.startswith(PASSED)
    run(PASS_OVER, "--engine=twin", f"--timeline={tmp_path / 't.txt'}")
    assert (tmp_path / "t.txt").read_text() == PASSED


def test_timeline_of_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "e.toml"
    path.write_text('preset = "small"\ncycles = 9\n[tile.0]\nprogram = "MESH wait=3\\nWORD 0x6' + "0" * 31 + '"\n')
    lines = run(path, "--engine=golden", "--timeline=-").output.splitlines()
    assert lines[1:5] == [
        "      0  TILE 0   MESH      all off",
        "      4  TILE 0   leaves its program: word 1, cycle 4: mode 6 is not defined for TILE: word 0x6" + "0" * 31,
        "      5  chip     error rises",
        "      5  chip     busy falls",
    ]


def test_stored_results_follow_the_pointer(tmp_path: Path) -> None:
    """Windows without a store, stores without a window, a pointer that wraps, and a stop before the last store."""
    (tmp_path / "e.toml").write_text(
        """
        preset = "small"
        cycles = 30
        [olp.1]
        program = '''
              COUNT store
        @5    COUNT open, load_pointer, pointer=7
        @10   COUNT store, open
        @15   COUNT open
        @20   COUNT store
        @25   COUNT open
        @31   COUNT store
              HALT
        '''
        """
    )
    found = stored_results(load_experiment(tmp_path / "e.toml").experiment)
    assert found == [StoredResult(1, 7, 7, 12), StoredResult(1, 0, 17, 22)]


def test_sent_vectors_follow_the_pointer(tmp_path: Path) -> None:
    """A pointer that wraps both ways, a load without a fire, and a vector sent twice."""
    (tmp_path / "e.toml").write_text(
        """
        preset = "small"
        [ilp.1]
        vectors = [0, 1, 2, 3, 4, 5, 6, 7]
        program = '''
        @0    PULSE fire, advance=-1
        @10   PULSE fire, advance=2
        @20   PULSE fire, load_pointer, pointer=12
        @30   PULSE load_pointer, pointer=7
        @40   PULSE fire
              HALT
        '''
        """
    )
    assert sent_vectors(load_experiment(tmp_path / "e.toml").experiment) == {(1, 0): 0, (1, 7): 10, (1, 4): 20}


def test_codes_in_a_few_words() -> None:
    assert describe_codes(np.full(16, 7)) == "all 7"
    assert describe_codes(np.arange(8)) == "0-7: 0 1 2 3 4 5 6 7"
    assert describe_codes(np.arange(9)) == "0-8: 0 1 2 3 4 5 6 7 ..."
