"""`duramesh sweep`: what it prints and writes, and what it refuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cosim.cli import main
from cosim.cli.sweeps import sweep
from cosim.files.json_text import from_json
from tests.cosim.sweep.swept import subject


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["sweep", *map(str, arguments)])


@pytest.fixture
def drawn(monkeypatch):
    """In place of keyword spotting, figures that take no time."""
    monkeypatch.setattr("cosim.workloads.kws.sweep.subject", lambda *_, **__: subject())


def test_a_sweep_ends_with_a_table_files_and_a_summary(drawn, tmp_path):
    command = (
        "kws",
        "--chips",
        "0-2",
        "--age",
        "1h,30d",
        "--devices",
        "hermes,pcm",
        "--workers",
        "1",
        "--out",
        tmp_path,
    )
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert "12 points, 12 of them done now" in done.output
    assert "30 d" in done.output
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"summary.json", "done.jsonl", "distribution.svg", "curves.svg", "map.svg"}
    again = run(*command, "--json")
    found = from_json(again.stdout)
    assert [one["devices"] for one in found["settings"]] == ["hermes", "hermes", "pcm", "pcm"]
    assert found == from_json((tmp_path / "summary.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--age", "1 week"), "'1 week' is no age; expected a number of s, min, h, d, y"),
        (("--age", "0h"), "expected more than 0"),
        (("--age", "999999y"), "at most 1e10 s"),
        (("--devices", "pcm,flash"), "flash"),
        (("--set", "pcm.g_max_us"), "expected a constant and its values"),
        (("--set", "pcm.nu=1,"), "expected a constant and its values"),
        (("--set", "pcm.read_noise_scale=1", "--set", "pcm.read_noise_scale=2"), "stands twice"),
        (("--dask", "local", "--slurm", "gpu"), "exclude each other"),
        (("--chips", "9-0"), "9-0"),
        (("--workers", "0"), "0 is not in the range"),
    ],
)
def test_what_cannot_be_is_refused_before_the_work(drawn, tmp_path, arguments, words):
    done = run("kws", "--out", tmp_path / "sweep", *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.output.replace("│", " ").split())
    assert not (tmp_path / "sweep").exists()


def test_a_constant_that_there_is_not(drawn, tmp_path):
    done = run("kws", "--out", tmp_path / "sweep", "--set", "pcm.no_such=1,2")
    assert done.exit_code == 1
    assert "no_such" in done.output


def test_interruption_says_how_to_go_on(drawn, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("cosim.sweep.sweep.run_all", interrupted)
    done = run("kws", "--out", tmp_path)
    assert done.exit_code == 130
    assert f"interrupted; what is done is kept in {tmp_path}" in done.output.replace("\n", "")


@pytest.mark.parametrize("workload", sorted(sweep.commands))
def test_help(workload):
    done = run(workload, "--help")
    assert done.exit_code == 0
    for option in ("--chips", "--age", "--devices", "--set", "--out", "--workers", "--dask", "--slurm", "--json"):
        assert option in done.output
