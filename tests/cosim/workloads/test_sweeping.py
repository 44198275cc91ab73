"""A task as a sweep gives the figures that a comparison of engines gives, chip by chip."""

from dataclasses import replace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.graph import Builder
from cosim.graph.graph import Walk
from cosim.graph.operators.activations import Relu
from cosim.sweep import Store, Sweep, SweepError, grid
from cosim.system import Network
from cosim.system.building import BuildOptions
from cosim.workloads import sweeping
from cosim.workloads.comparison import Comparison, Result, Settings, Workload, compare
from cosim.workloads.scores import Score, ScoreReport
from cosim.workloads.sweeping import Judged, TaskFigures, subject
from rtl.config import preset
from tests.cosim.sweep.swept import here
from tests.cosim.workloads.conftest import own_cache
from tests.cosim.workloads.test_comparison import Silent

__all__ = ["own_cache"]

SAMPLES, CALIBRATING = 5, 16


def judged(described: str = "noise") -> Judged:
    """Two layers on the small chip, judged by the mean of their outputs."""
    rng = np.random.default_rng(5)
    b = Builder("two layers")
    x = b.input("x")
    hidden = b.add(Relu(), b.linear(x, rng.normal(0, 0.3, (12, 10)), np.zeros(10), name="first"))
    b.output(b.linear(hidden, rng.normal(0, 0.3, (10, 4)), name="second"), "y")
    network = Network.of(b.graph())
    inputs = rng.standard_normal((SAMPLES + CALIBRATING, 12)).astype(np.float32)

    def walk(sample: int) -> Walk[Result]:
        step = yield from network.walk({"x": inputs[sample]})
        return {"y": step.outputs["y"]}

    def workload(analog: AnalogConfig) -> Workload:
        calibrating = range(SAMPLES, SAMPLES + CALIBRATING)
        options = BuildOptions(analog=analog)
        return Workload(
            network, SAMPLES, walk, lambda: map(walk, calibrating), options, {"samples": described}, preset("small")
        )

    return Judged(workload, report)


def mean(results) -> float:
    return float(np.mean([result["y"] for result in results]))


def report(comparison: Comparison) -> ScoreReport:
    return ScoreReport(comparison, (Score("mean", "mean output", mean, lambda _: (0.0, 1.0)),), "noise", 0)


def test_figures_are_those_of_a_comparison(own_cache, tmp_path):
    month = 2.6e6
    own = subject("small", judged, recalibrated=True, trials=2)
    with Sweep(tmp_path / "sweep", own) as claimed:
        outcome = claimed.run(grid([3, 4], (3600.0, month), ("pcm", "hermes")), here())
    assert [(one.key, one.words, one.reference) for one in own.shown] == [("mean", "mean output", "software_mean")]
    assert len(list((tmp_path / "sweep" / "shared").rglob("image.npz"))) == 2
    found = {(row["devices"], row["chip"], row["age_s"]): row["mean"] for row in outcome.rows}
    for devices in ("pcm", "hermes"):
        analog = AnalogConfig.nominal(devices)
        workload = _with_trials(judged().workload(analog), 2)
        for settings in (Settings("twin", analog, (3, 4)), Settings("twin", analog, (3, 4), month, recalibrated=True)):
            expected = compare(workload, settings, Silent()).each(mean)
            for seed in (3, 4):
                assert found[devices, seed, settings.aged_s or 3600.0] == expected[f"chip {seed}"]
            assert {row["software_mean"] for row in outcome.rows} == {expected["software"]}
    assert len(set(found.values())) == 8


def _with_trials(workload: Workload, trials: int) -> Workload:
    return replace(workload, options=replace(workload.options, trials=trials))


def test_a_worker_that_reads_other_samples_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sweeping, "_kept", {})
    software = Store(tmp_path).put("results.npz", (), sweeping._save, sweeping._load)
    measure = TaskFigures(lambda: judged("other noise"), "the sweep's", {}, software)
    with pytest.raises(SweepError, match="reads other samples than the sweep"):
        measure(grid([0])[0])
