"""What larger sweeps take follows from what smaller ones took."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from cosim.files.json_text import to_json
from cosim.sweep import Sweep
from cosim.sweep.cost import Cost, CostError, Took, costs, main, took
from cosim.sweep.table import read_table, write_table
from tests.cosim.sweep.swept import here, points, subject


def sweep_folder(folder: Path, samples: str, cpu_s: tuple[float, ...], workload: str = "kws") -> Path:
    """A folder as a finished sweep leaves it, as far as costs go."""
    folder.mkdir()
    run = {"workload": workload, "clips": samples}
    (folder / "checkpoint.json").write_text(to_json({"run": run}))
    write_table(folder / "work", [{"chip": chip, "wall_s": 2 * s, "cpu_s": s} for chip, s in enumerate(cpu_s)])
    return folder


def test_few_and_many_samples_tell_once_and_each_apart(tmp_path: Path) -> None:
    few = took(sweep_folder(tmp_path / "few", "100 (digest)", (10.0, 12.0)))
    many = took(sweep_folder(tmp_path / "many", "500 (digest)", (19.0,)))
    assert few == Took("kws", 100, 2, 11.0, 22.0)
    (cost,) = costs([many, few, Took("rnnt", 3, 1, 4.0, 4.0)])
    assert cost == Cost("kws", pytest.approx(9.0), pytest.approx(0.02))
    assert cost.seconds(1000, 2000, 1000) == pytest.approx(49.0)
    assert cost.seconds(1001, 2000, 1000) == pytest.approx(98.0)  # one core has two points


def test_the_command_prints_both(tmp_path: Path) -> None:
    folders = [sweep_folder(tmp_path / "a", "100 (x)", (11.0,)), sweep_folder(tmp_path / "b", "500 (x)", (19.0,))]
    result = CliRunner().invoke(main, [*map(str, folders), "--samples", "2000"])
    assert result.exit_code == 0, result.output
    assert "| kws | 500 | 1 | 19.0 | 38.0 |" in result.output
    assert "1,000 points with 2,000 samples take 49 s on 1,000 cores" in result.output


def test_a_folder_without_a_finished_sweep_is_named(tmp_path: Path) -> None:
    with pytest.raises(CostError, match="holds no finished sweep"):
        took(tmp_path)
    with pytest.raises(CostError, match="does not say how many samples"):
        took(sweep_folder(tmp_path / "x", "all", (1.0,)))
    result = CliRunner().invoke(main, [str(tmp_path)])
    assert result.exit_code == 1
    assert "holds no finished sweep" in result.output


@pytest.mark.parametrize("arrow", [True, False])
def test_tables_are_read_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrow: bool) -> None:
    if arrow:
        pytest.importorskip("pyarrow")
    else:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    with Sweep(tmp_path, subject()) as claimed:
        outcome = claimed.run(points(), here())
    rows = read_table(tmp_path / "work")
    assert outcome.work.suffix == (".parquet" if arrow else ".csv")
    assert [float(row["cpu_s"]) for row in rows] == [one.cpu_s for one in outcome.done]
