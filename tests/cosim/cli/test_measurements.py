"""Commands that measure for minutes lose nothing: files before printing, rounds that were finished, whatever fails."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cosim.benchmark import suite
from cosim.benchmark.suite import Benchmark, Plan, RtlSeries
from cosim.benchmark.timing import Sample, Series
from cosim.cli import main
from cosim.engines.twin.engine import TwinEngine
from cosim.figures.transport_experiment import RANGES_NS, TransportReport, measure_transport
from rtl.config import preset

PLAN = Plan.quick()


def take_rounds(result: Benchmark, rounds: int) -> None:
    """Samples of nothing: a hundred items a second, the bare model half as fast again."""
    for _ in range(rounds):
        for rtl in result.rtl.values():
            rtl.keep(
                {"cycles": 1000, "wall_s": 10.0, "cpu_s": 10.0, "frames": 16, "bare_cycles": 400, "bare_s": 6.0,
                 "bare_cpu_s": 6.0},
                groups=1,
            )  # fmt: skip
        for case in PLAN.cases():
            result.one_process.setdefault(case, Series()).samples.append(Sample(100, 1.0, 1.0))
        for case in PLAN.beside():
            for processes in PLAN.processes:
                result.beside.setdefault((case, processes), Series(processes)).samples.append(Sample(100, 1.0, 1.0))
        for latency in result.latency.values():
            latency.wall_s.append(0.1)
        result.side_by_side.gains.append(1.5)


def made_up(rounds: int = 2) -> Benchmark:
    rtl = {case: RtlSeries(4, 16, None) for case in PLAN.rtl}
    result = Benchmark(PLAN, rtl=rtl)
    result.machine |= {"load": 0.1, "cores": 2, "aihwkit": "not measured: not installed"}
    take_rounds(result, rounds)
    return result


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    result = made_up()
    monkeypatch.setattr(suite, "measure", lambda *_, **__: result)
    return result


def bench(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["bench", "--quick", *arguments])


def test_a_benchmark_explains_a_ratio_above_one(measured: Benchmark, tmp_path: Path) -> None:
    result = bench("--json", str(tmp_path / "b.json"))
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "1.50 RTL co-simulation over its bare model, cycles a second: 60% of its cycles are transfers" in text
    assert "0.60 share of the co-simulation's time that the bare model takes for its programs' cycles" in text
    rtl = json.loads((tmp_path / "b.json").read_text())["rtl"]
    assert (rtl["ratio"], rtl["running"], rtl["model_share"]) == pytest.approx((1.5, 0.4, 0.6))


def test_what_does_not_exist_is_null(measured: Benchmark, tmp_path: Path) -> None:
    assert bench("--json", str(tmp_path / "b.json")).exit_code == 0
    text = (tmp_path / "b.json").read_text()
    assert "NaN" not in text
    twin = json.loads(text)["twin"]
    assert (twin["peak_mib"], twin["full_frame_first_use_s"]) == (None, None)


@pytest.mark.parametrize(
    ("occupation", "text"),
    [({"others": 0.4}, "other processes had 40% of all cores"), ({"steal": 0.1}, "other virtual machines 10%")],
)
def test_a_machine_that_was_busy_meanwhile_is_said_to_be(
    measured: Benchmark, tmp_path: Path, occupation: dict[str, float], text: str
) -> None:
    measured.occupation.__dict__.update({"others": 0.0, "steal": 0.0} | occupation)
    result = bench("--json", str(tmp_path / "b.json"))
    assert text in " ".join(result.output.split())
    machine = json.loads((tmp_path / "b.json").read_text())["machine"]
    assert text in machine["busy"]
    assert machine["meanwhile"].items() >= occupation.items()


def test_files_come_before_the_print(measured: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("cosim.benchmark.report.print_benchmark", closed)
    bench("--report", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"benchmark.json", "benchmark.png"}


def test_a_file_that_cannot_be_written_loses_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = made_up()

    def measure(*_: object, **__: object) -> Benchmark:
        (tmp_path / "b.json" / "in the way").mkdir(parents=True)
        return result

    monkeypatch.setattr(suite, "measure", measure)
    done = bench("--json", str(tmp_path / "b.json"), "--plot", str(tmp_path / "b.png"))
    assert done.exit_code == 1
    assert "b.json cannot be written" in done.output
    assert "Traceback" not in done.output
    assert "RTL, small, keyword spotting" in done.output
    assert (tmp_path / "b.png").is_file()


def test_an_interrupted_benchmark_keeps_its_finished_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(result: Benchmark, *_: object) -> None:
        result.machine["aihwkit"] = "not measured"
        take_rounds(result, 1)
        next(iter(result.one_process.values())).samples.append(Sample(1, 1.0, 1.0))  # of a second round
        next(iter(result.rtl.values())).keep(
            {"cycles": 1, "wall_s": 1.0, "cpu_s": 1.0, "frames": 1, "bare_cycles": 1, "bare_s": 1.0, "bare_cpu_s": 1.0},
            1,
        )
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "_rtl", lambda case, plan: (RtlSeries(4, 16, None), None))
    monkeypatch.setattr(suite, "_take_samples", interrupted)
    done = bench("--json", str(tmp_path / "b.json"))
    assert done.exit_code == 130, done.output
    assert "interrupted: figures of 1 of 2 rounds" in done.output
    report = json.loads((tmp_path / "b.json").read_text())
    assert (report["repeats"], report["interrupted"]) == (1, True)
    assert {len(series["samples"]) for series in report["series"].values()} == {1}


def test_an_interrupt_in_the_first_round_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(suite, "_rtl", lambda case, plan: (RtlSeries(4, 16, None), None))
    monkeypatch.setattr(suite, "_take_samples", interrupted)
    assert bench().exit_code == 130


# ---- transport


class Stopped(TwinEngine):
    """A twin that Ctrl-C meets in one of its runs."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.runs, self.at = 0, at

    def run(self, *arguments: Any, **options: Any) -> Any:
        self.runs += 1
        if self.runs > self.at:
            raise KeyboardInterrupt
        return super().run(*arguments, **options)


@pytest.mark.parametrize("runs", [2, 3, 5])
def test_an_interrupted_transport_keeps_its_finished_ranges(runs: int) -> None:
    whole = measure_transport(TwinEngine(), config=preset("small"), vectors=4)
    report = measure_transport(Stopped(runs), config=preset("small"), vectors=4)
    assert report.interrupted
    assert list(report.counts) == list(RANGES_NS[: runs // 2])
    assert all(report.counts[longest] == whole.counts[longest] for longest in report.counts)
    keys = report.to_json()
    assert keys["interrupted"]
    assert TransportReport.from_json(json.loads(json.dumps(keys))).counts == report.counts
    assert report.draw().axes
    assert not whole.interrupted


def test_a_transport_that_finished_no_range_has_no_result() -> None:
    with pytest.raises(KeyboardInterrupt):
        measure_transport(Stopped(1), config=preset("small"), vectors=4)


def test_transport_writes_before_it_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = measure_transport(TwinEngine(), config=preset("small"), vectors=4)
    monkeypatch.setattr("cosim.figures.transport_experiment.measure_transport", lambda *_, **__: small)

    def run(json_file: Path) -> Any:
        arguments = ["--engine", "twin", "--report", str(tmp_path), "--json", str(json_file)]
        return CliRunner().invoke(main, ["transport", *arguments])

    done = run(tmp_path / "t.json")
    assert done.exit_code == 0, done.output
    assert f"json: {tmp_path / 't.json'}" in done.output
    assert json.loads((tmp_path / "t.json").read_text())["files"] == {
        "transport_errors": str(tmp_path / "transport.png")
    }
    (tmp_path / "transport.png").unlink()

    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(TransportReport, "print", closed)
    run(tmp_path / "u.json")
    assert (tmp_path / "u.json").is_file()
    assert (tmp_path / "transport.png").is_file()


def test_figures_of_a_folder_that_cannot_be_made_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(main, ["figures", "mac", "--quick", "--out", str(tmp_path / "file" / "out")])
    assert done.exit_code in (1, 2)
    assert "Traceback" not in done.output
    assert np.any([word in done.output for word in ("no folder that can be written to", "Not a directory")])
