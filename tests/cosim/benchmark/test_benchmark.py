"""`duramesh bench`: it measures the work that it says, figures come from samples, all of them are written."""

import json
import os
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from analog_models.config import AnalogConfig
from cosim.benchmark.machine import describe_machine, peak_mib
from cosim.benchmark.suite import Benchmark, Plan
from cosim.benchmark.timing import Sample, Series, Worker, calls_for, sample, together
from cosim.benchmark.work import Case, _prepared, aihwkit_problem, frames_peak_mib, kws_work, random_inputs, take
from cosim.cli import main
from cosim.engines.rtl.cache import Effort, cached
from cosim.engines.rtl.engine import RtlEngine
from rtl.config import preset

SMALL = preset("small")

# ---- samples


def test_rates_are_medians_over_cpu_time_of_one_process():
    samples = [Sample(100, 9.0, 1.0), Sample(100, 2.0, 2.0), Sample(200, 2.0, 1.0)]
    one, two = Series(1, samples), Series(2, samples)
    assert one.rates() == [100, 50, 200]
    assert one.per_s == 100
    assert one.spread == pytest.approx(1.5)
    assert one.wall_per_s == two.per_s == 50
    assert one.to_json()["samples"] == [[100, 9.0, 1.0], [100, 2.0, 2.0], [200, 2.0, 1.0]]


def test_ratio_is_the_median_of_the_rounds():
    """A burst that slows one whole round down changes nothing."""
    slow = Series(1, [Sample(10, 1, 1), Sample(10, 9, 9), Sample(10, 1, 1)])
    fast = Series(1, [Sample(10, 1, 0.5), Sample(10, 9, 4.5), Sample(10, 1, 0.25)])
    assert slow.over(fast) == pytest.approx(2)
    assert fast.over(slow) == pytest.approx(0.5)


def test_sample_counts_and_times():
    calls = []

    def work() -> None:
        calls.append(1)
        sum(range(200_000))

    taken = sample(work, 7, 5)
    assert len(calls) == 5
    assert taken.items == 35
    assert taken.wall_s >= 0.5 * taken.cpu_s > 0
    assert calls_for(work, 7, 1e-9) == 1
    assert calls_for(work, 7, 0.2) > 1


def _threads() -> tuple[str, int]:
    return os.environ["OPENBLAS_NUM_THREADS"], os.getpid()


def test_worker_has_one_thread_and_leaves_ours(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with Worker() as worker:
        threads, process = worker.call(_threads)
        assert worker.call(_threads) == (threads, process), "one process for all calls"
    assert threads == "1"
    assert process != os.getpid()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "7"
    assert "OMP_NUM_THREADS" not in os.environ


def _pretend(items: int, wall_s: float) -> Sample:
    return Sample(items, wall_s, 0.5 * wall_s)


def test_samples_side_by_side_are_added_over_the_longest():
    with Worker() as one, Worker() as two:
        assert together([one, two], _pretend, 3, 2.0) == Sample(6, 2.0, 2.0)


def test_a_busy_machine_is_said_to_be():
    result = Benchmark(Plan.quick(), {"load": 0.1, "cores": 2})
    result.one_process[Case("twin mvm")] = Series(1, [Sample(1, 1.0, 0.99)])
    assert result.busy is None
    result.one_process[Case("twin mvm")] = Series(1, [Sample(1, 1.0, 0.6)])
    assert "a process had 60% of its core" in result.busy
    result.one_process[Case("twin mvm")] = Series(1, [Sample(1, 1.0, 0.99)])
    result.machine["load"] = 1.2
    assert "load 1.2 at the start on 2 cores" in result.busy


# ---- work


def test_mvm_is_a_signed_mvm():
    """Codes of the measured work follow the product of inputs and weights, both signs, on every tile."""
    work, items, _ = _prepared(Case("twin mvm", 40, 16, 2), 0)
    assert items == 80
    codes = work()
    inputs = np.random.default_rng(0).integers(-255, 256, (40, 16))
    for tile in (0, 1):
        weights = np.clip(np.random.default_rng(tile).normal(0, 0.2, (16, 16)), -1, 1)
        assert codes[tile].shape == (40, 16)
        assert codes[tile].dtype == np.uint8
        assert np.corrcoef(codes[tile].ravel(), (inputs @ weights).ravel())[0, 1] > 0.9
    assert not np.array_equal(codes[0], codes[1])


def test_products_are_those_of_the_mvm():
    products = _prepared(Case("products", 5, 16), 0)[0]()
    assert len(products) == 8
    assert {product.dtype.name for product in products} == {"float32"}
    inputs = np.random.default_rng(0).integers(-255, 256, (5, 16))
    weights = np.clip(np.random.default_rng(1).normal(0, 0.2, (16, 16)), -1, 1)
    np.testing.assert_allclose(products[0] - products[2], inputs @ weights, atol=1e-3)


def test_frames_are_the_networks():
    work, items, _ = _prepared(Case("twin frames", 6, 16), 0)
    program, _ = kws_work(SMALL)
    assert items == 6
    assert work().frames == 6
    assert len(program.layers) == 3
    assert take(Case("numpy frames", 6, 16), 1e-6).items == 6
    assert np.abs(random_inputs(4, 1000)).max() <= 1


def test_full_plan_has_the_documented_cases():
    plan = Plan.full(3)
    cases = list(plan.cases())
    assert len(set(cases)) == len(cases)
    for work in ("twin mvm", "products", "numpy mvm", "twin frames"):
        for batch in (1, 1000):
            assert Case(work, batch, 512) in cases
    assert plan.processes[0] == 1
    assert plan.processes[-1] == describe_machine()["cores"]
    assert str(plan.rtl[0]) == "chip, keyword spotting"


def test_all_cases_are_of_the_chosen_constants():
    plan = Plan.quick(AnalogConfig.nominal("hermes"))
    assert {case.analog.devices for case in (*plan.cases(), *plan.beside())} == {"hermes"}
    assert take(next(plan.cases()), 1e-6).items == 1


def test_aihwkit_is_measured_only_where_it_works(tmp_path, monkeypatch):
    assert not any(case.work.startswith("aihwkit") for case in Plan.quick().cases())
    assert Case("aihwkit mvm", 8, 16) in Plan.quick().cases(aihwkit=True)
    (tmp_path / "aihwkit").mkdir()
    (tmp_path / "aihwkit" / "__init__.py").write_text("raise ImportError('built for another torch')")
    monkeypatch.syspath_prepend(tmp_path)
    problem = aihwkit_problem()
    assert problem is not None
    assert "Error" in problem


# ---- machine, builds


def test_machine_is_described():
    machine = describe_machine()
    assert machine["cpu"]
    assert machine["cores"] >= 1
    assert machine["versions"]["numpy"] == np.__version__


@pytest.mark.skipif(sys.platform != "linux", reason="a child's peak memory is hard to get only there")
def test_peak_is_that_of_the_process_itself():
    """Not that of the process that started it, however large."""
    ballast = np.ones(40_000_000)  # 305 MiB
    with Worker() as worker:
        before = worker.call(peak_mib)
    assert peak_mib() > 305
    assert before < peak_mib() - 200
    assert ballast.all()


def test_cache_notes_what_an_entry_took(tmp_path, monkeypatch):
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path))

    def make(folder) -> None:
        sum(range(3_000_000))

    entry = cached("things", "key", make)
    effort = Effort.of(entry)
    assert effort is not None
    assert 0 < effort.cpu_s < 60
    assert effort.wall_s > 0
    assert Effort.of(cached("things", "key", make)) == effort, "what it took then, not now"
    (entry / "manifest.json").unlink()
    assert Effort.of(entry) is None
    assert effort + effort - effort == Effort(pytest.approx(effort.wall_s), pytest.approx(effort.cpu_s))


@pytest.mark.skipif(sys.platform != "linux", reason="a child's peak memory is hard to get only there")
def test_a_thousand_frames_take_less_than_a_gibibyte():
    """Of the whole process, Python and the programmed chip included."""
    with Worker() as fresh:
        assert fresh.call(frames_peak_mib, 1000, preset().lanes) < 1024


# ---- the command


def test_picture_format(tmp_path):
    result = CliRunner().invoke(main, ["bench", "--plot", str(tmp_path / "x.txt")])
    assert result.exit_code == 2
    assert "no picture format '.txt'; end the name in .png or .svg or .pdf" in " ".join(result.output.split())


@pytest.mark.cosimulation
def test_quick_benchmark(tmp_path):
    RtlEngine(SMALL)
    result = CliRunner().invoke(main, ["bench", "--quick", "--report", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "RTL, small, keyword spotting" in result.output
    assert (tmp_path / "benchmark.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    report = json.loads((tmp_path / "benchmark.json").read_text())
    rtl, twin = report["rtl"], report["twin"]
    assert {"cycles_per_s", "bare_cycles_per_s", "ratio", "build_s"} <= set(rtl)
    assert {"cpu", "cores", "memory_gib"} <= set(report["machine"])
    assert 0 < rtl["ratio"] < 1.2, "the bare model is not much slower than the co-simulation"
    assert rtl["cycles_per_s"] == pytest.approx(rtl["ratio"] * rtl["bare_cycles_per_s"], rel=0.8)
    assert rtl["frames_per_s"] > 1
    for name in ("b1", "b8"):
        assert report["numpy"]["mvm_per_s"][name] > twin["mvm_per_s"][name] > 1
        assert twin["frames_per_s"][name] > 1
    assert twin["over_own_matmuls"] > 1, "the products are part of the work"
    assert 20 < twin["peak_mib"] < 2000
    assert twin["full_frames_per_s"]["b2"] > twin["full_frames_per_s"]["b1"] > 1
    assert twin["speech_s_per_s"] > 0
    assert 0 < twin["full_frame_first_use_s"] < 60
    rtl, twin = report["session"]["rtl"], report["session"]["twin"]
    assert rtl["ms"] > twin["ms"] > 0
    assert sum(rtl[f"{part}_ms"] for part in ("simulator", "analog", "host", "transfer")) < 1.2 * rtl["ms"] + 5
    assert report["session"]["side_by_side"]["gain"] > 0.3
    assert ("busy" in result.output) == (report["machine"]["busy"] is not None)
    assert set(report["scaling"]) == {"batch", "lanes", "tiles", "processes", "rtl lanes", "rtl tiles"}
    assert len(report["series"]["twin mvm, batch 8, 16 lanes, 1 tiles"]["samples"]) == report["repeats"] == 2
