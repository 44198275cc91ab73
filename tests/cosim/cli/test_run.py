"""`duramesh run`: what it writes and prints, however a program ends."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cosim.cli import main
from cosim.experiment import Experiment, Record

ROOT = Path(__file__).parents[3]
MAC = ROOT / "docs/examples/mac.toml"
ENDLESS = """
preset = "small"
cycles = {cycles}
[ilp.0]
vectors = [7]
program = '''
again: PULSE fire
JUMP again
'''
[olp.0]
program = '''
again: COUNT open
COUNT store
JUMP again
'''
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["run", *map(str, arguments)])


@pytest.fixture
def endless(tmp_path: Path):
    """A program without an end."""

    def write(cycles: int) -> Path:
        path = tmp_path / "endless.toml"
        path.write_text(ENDLESS.format(cycles=cycles))
        return path

    return write


# ---- programs that never end


@pytest.mark.parametrize("engine", ["golden", "twin"])
def test_a_program_that_never_ends_is_ended_and_reported(endless, tmp_path: Path, engine: str) -> None:
    file = endless(10**9)
    result = invoke(file, "--engine", engine, "--most-writes", 700, "--out", tmp_path / "r.npz")
    assert result.exit_code == 1
    assert "Error: ended in cycle 599 instead of 1,000,000,000" in result.stderr
    assert "--most-writes allows more" in result.stderr
    assert "stopped        in cycle 599, where ILP 0 and 1 more still ran" in result.stdout
    assert Record.load(tmp_path / "r.npz").cycles == 600


def test_both_engines_have_the_same_record_at_the_limit(endless) -> None:
    result = invoke(endless(10**9), "--engine=golden", "--against=twin", "--most-writes=700")
    assert "twin           agrees" in result.stdout
    assert "Error: ended in cycle 599" in result.stderr


def test_the_length_of_a_run_can_be_chosen(endless) -> None:
    result = invoke(endless(10**9), "--engine=twin", "--cycles=300", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["cycles"] == 301
    assert found["stopped"] == ["ILP 0", "OLP 0"]


def interrupted(file: Path, engine: str, *arguments: str, after: str) -> "subprocess.CompletedProcess[str]":
    """`duramesh run` with Ctrl-C some time after `after` was said on standard error."""
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys, cosim.cli; sys.modules['cosim.cli.run']._SAY_S = -1.0\n"  # cosim.cli.run is the command
        "import cosim.engines.engine as engine; engine._LOOK_S = -1.0\n"
        "from cosim.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "run", str(file), f"--engine={engine}", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    output = file.with_suffix(".out")  # a pipe that nobody reads would be full before the end
    with output.open("w") as printed:
        options = {"cwd": file.parent, "env": environment, "stdout": printed, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, **options)
        try:
            said = ""
            while after not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate()
        finally:
            process.kill()
    return subprocess.CompletedProcess(command, process.returncode, output.read_text(), said + errors)


@pytest.mark.parametrize("engine", ["golden", pytest.param("rtl", marks=pytest.mark.cosimulation)])
def test_ctrl_c_reports_what_happened(endless, tmp_path: Path, engine: str) -> None:
    file = endless(10**9)
    arguments = ("--most-writes=300000", "--timeline=-", f"--out={tmp_path / 'r.npz'}", f"--save={tmp_path / 'e.npz'}")
    result = interrupted(file, engine, *arguments, after=f"endless on {engine}: ")
    assert result.returncode == 130
    cycles = int(re.search(r"^interrupted in cycle ([\d,]+)$", result.stderr, re.M)[1].replace(",", ""))
    assert "chip     busy falls" in result.stdout
    assert f"stopped        in cycle {cycles:,}, where ILP 0" in result.stdout
    assert Record.load(tmp_path / "r.npz").cycles == cycles + 1
    assert Experiment.load(tmp_path / "e.npz").cycles == cycles


# ---- outputs


def test_every_file_that_was_written_is_named(tmp_path: Path) -> None:
    names = [tmp_path / name for name in ("r.npz", "r.json", "r.csv", "t.txt", "r.svg", "e.npz")]
    options = [f"--out={path}" for path in names[:3]]
    options += [f"--timeline={names[3]}", f"--routes={names[4]}", f"--save={names[5]}"]
    result = invoke(MAC, "--engine=twin", *options)
    assert result.exit_code == 0, result.output
    wrote = re.findall(r"^wrote +(.*)$", result.stdout, re.M)
    assert sorted(wrote) == sorted(map(str, names))
    assert all(path.stat().st_size for path in names)
    result = invoke(MAC, "--engine=twin", "--json", *options)
    assert json.loads(result.stdout)["engine"] == "twin"  # nothing else on standard output
    assert str(names[0]) in result.stderr


def test_an_output_that_the_experiment_reads_is_refused(tmp_path: Path) -> None:
    """A file that is only named in the experiment is an input, too."""
    codes = tmp_path / "codes.csv"
    codes.write_text(",".join(["7"] * 16) + "\n")
    program = "'''\nPULSE fire\nHALT\n'''"
    (tmp_path / "e.toml").write_text(f'preset = "small"\n[ilp.0]\nvectors = "codes.csv"\nprogram = {program}\n')
    result = invoke(tmp_path / "e.toml", "--engine=twin", f"--out={codes}")
    assert result.exit_code == 1
    assert "codes.csv is read by the experiment" in result.stderr
    assert codes.read_text().startswith("7,")


# ---- constants of the analog part


def saved(tmp_path: Path, *options: str) -> Experiment:
    result = invoke(MAC, "--engine=twin", f"--save={tmp_path / 'e.npz'}", *options)
    assert result.exit_code == 0, result.output
    return Experiment.load(tmp_path / "e.npz")


def test_constants_are_set_on_the_command_line(tmp_path: Path) -> None:
    analog = saved(tmp_path, "--set", "pcm.g_max_us=20", "--set", "age_s = 60.0").analog
    assert (analog.pcm.g_max_us, analog.age_s) == (20.0, 60.0)
    assert saved(tmp_path, "--analog=ideal").analog == type(analog).ideal()
    assert saved(tmp_path, "--analog=nominal", "--devices=hermes").analog == type(analog).nominal("hermes")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("pcm.gmax=20", r"--set:1:10: unknown key 'gmax' of pcm; did you mean g_max_us"),
        ("pcm.g_max_us=-1", r"--set:1:14: .*g_max_us"),
        ("pcm.g_max_us=nan", r"--set:1:\d+: .*g_max_us"),
        ("pcm", r"--set 'pcm': expected a constant and its value, e\.g\. pcm\.g_max_us=20"),
        ("", r"--set '': expected a constant"),
        ("[pcm]", r"--set '\[pcm\]': expected a constant"),
        ("=", r"--set '=': expected a constant"),
        ("age_s=1\nage_s=2", r"--set 'age_s=1\\nage_s=2': expected a constant"),
        ("age_s=", r"--set 'age_s=': expected a constant"),
        ("age_s=x", r"--set:1:7: not valid TOML"),
        ("preset='ideal'", r"--set:1:8: unknown key 'preset'; expected one of: pcm"),
    ],
)
def test_a_constant_that_cannot_be_is_refused(setting: str, message: str) -> None:
    result = invoke(MAC, "--engine=twin", "--set", setting)
    assert result.exit_code == 1
    assert re.search(message, result.stderr), result.stderr


# ---- several seeds


def test_each_seed_has_its_outputs_and_the_spread_is_shown(tmp_path: Path) -> None:
    result = invoke(MAC, "--engine=twin", "--seeds=0-2, 7", f"--out={tmp_path / 'r.npz'}", f"--routes={tmp_path}/r.svg")
    assert result.exit_code == 0, result.output
    seeds = [0, 1, 2, 7]
    records = [Record.load(tmp_path / f"r-seed{seed}.npz") for seed in seeds]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(f"r-seed{s}.npz" for s in seeds), "r.svg"])
    assert "4 seeds" in result.stdout
    codes = np.array([record.results[olp] for record in records for olp in record.results])
    assert len({codes.tobytes() for codes in codes}) > 1
    alone = invoke(MAC, "--engine=twin", "--seed=7", f"--out={tmp_path / 'alone.npz'}")
    assert alone.exit_code == 0
    assert Record.load(tmp_path / "alone.npz").difference(records[-1]) is None


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        *((text, "is no number and no range; expected e.g. 0-3") for text in ("", "3-1", "a", "1,,2", "-1", "1.5")),
        ("0-999999999999", "has more than 1,000,000 numbers"),
        (str(2**63), "or one beyond 9,223,372,036,854,775,807"),
    ],
)
def test_seeds_that_are_none_are_refused(seeds: str, message: str) -> None:
    result = invoke(MAC, "--engine=twin", f"--seeds={seeds}")
    assert result.exit_code == 2
    assert message in result.stderr


def test_seed_and_seeds_exclude_each_other() -> None:
    assert invoke(MAC, "--engine=twin", "--seed=1", "--seeds=1-2").exit_code == 2


# ---- waveforms


@pytest.mark.cosimulation
def test_a_trace_is_named_with_its_size_and_readable_after_ctrl_c(endless, tmp_path: Path) -> None:
    result = interrupted(endless(10**9), "rtl", "--waves=run0.1", after="endless on rtl: ")
    assert result.returncode == 130
    trace = next(tmp_path.glob("run0.1.*t*"))
    assert re.search(rf"^wrote +{re.escape(str(tmp_path))}/run0\.1\.(fst|vcd) \([\d.]+ MB\)$", result.stdout, re.M)
    assert trace.stat().st_size > 1000
    assert not list(tmp_path.glob(".trace*"))
    for path in (tmp_path / "run0.1.gtkw", tmp_path / "run0.1.words"):
        assert path.exists()
        assert f" {path}\n" in result.stdout


def test_a_trace_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "w.fst").mkdir()
    result = invoke(MAC, "--engine=rtl", f"--waves={tmp_path / 'w'}")
    assert result.exit_code == 1
    assert "w.fst cannot be written: it is a folder; give --waves another name" in result.stderr
