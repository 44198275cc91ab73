"""Studies of networks with tasks: what is kept, said and drawn of a comparison; and what they say without data."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cosim.figures import Unavailable, speaker
from cosim.figures.measurement import Measurement
from cosim.figures.study import Figure, Study
from cosim.figures.tasks import AGED, Case, draw_layers, draw_scores, measured
from cosim.graph import Linear, chain
from cosim.graph.operators.activations import Relu
from cosim.system import BuildOptions, Network
from cosim.workloads.comparison import Workload
from cosim.workloads.scores import Score, ScoreReport
from rtl.config import preset
from tests.cosim.figures.small_campaign import small_campaign

SAMPLES = 6


def case() -> Case:
    random = np.random.default_rng(0)
    network = Network.of(chain([Linear(random.normal(0, 0.3, (12, 8))), Relu(), Linear(random.normal(0, 0.3, (8, 3)))]))
    x = random.standard_normal((SAMPLES + 8, 12)).astype(np.float32)

    def walk(sample: int):
        step = yield from network.walk({"x": x[sample]})
        return dict(step.outputs)

    workload = Workload(
        network,
        SAMPLES,
        walk,
        lambda: map(walk, range(SAMPLES, len(x))),
        BuildOptions(trials=0),
        {"network": "two layers", "samples": "noise"},
        preset("small"),
    )
    score = Score(
        "mean", "mean", lambda results: float(np.mean([one["y"] for one in results])), lambda results: (-1.0, 1.0)
    )
    return Case(
        "one chip", workload, lambda comparison: ScoreReport(comparison, (score,), "noise", 0), on_rtl=(2,), aged=1
    )


def test_every_variant_is_a_finding_and_is_drawn(tmp_path: Path) -> None:
    made: list[Case] = []

    def measure(campaign):
        made.append(case())
        return measured(campaign, made[-1:])

    study = Study("task", "Task", "", measure, (Figure("scores", "", draw_scores), Figure("layers", "", draw_layers)))
    campaign = small_campaign(tmp_path, quick=True)
    found, _ = campaign.measure(study)
    (report,) = found.numbers["cases"]
    assert report["network"] == "two layers"
    variants = report["variants"]
    assert list(variants) == ["software", "ideal", "chip 0", "chip 1"]
    by_name = {finding.what: finding for finding in found.findings}
    assert by_name["mean of two layers, one chip, software"].value == pytest.approx(100 * variants["software"]["mean"])
    noisy = by_name["mean of two layers, one chip, noisy chips"]
    assert (noisy.low, noisy.high) == tuple(sorted(100 * variants[f"chip {seed}"]["mean"] for seed in (0, 1)))
    (compared,) = (finding for finding in found.findings if finding.engine == "rtl")
    assert compared.value == report["on_rtl"]["compared_codes"] >= 8 + 3  # a code for each output of both matrices
    assert compared.data == "noise; 1 sample on the RTL"
    over = by_name["mean of two layers, one chip, noisy chips beyond software"]
    assert over.value == pytest.approx(noisy.value - by_name["mean of two layers, one chip, software"].value)
    assert report["aged"].keys() == AGED.keys()
    for words, chips in report["aged"].items():
        assert list(chips) == ["chip 0"]  # of two
        assert chips["chip 0"]["mean"] != variants["chip 0"]["mean"]
        assert by_name[f"mean of two layers, one chip, noisy chips {words}"].value == 100 * chips["chip 0"]["mean"]
    for figure in study.figures:
        assert figure.draw(found).axes


def test_what_is_said_is_what_was_measured() -> None:
    one = {"network": "n", "data": "d", "windows": 7, "pairs": 21, "on_rtl": {"samples": 3, "compared_codes": 1234}}
    assert "7 windows of 80 steps" in speaker.STUDY.about(Measurement({"cases": [one]}))  # type: ignore[operator]
    assert "3 windows, went through" in speaker.STUDY.about(Measurement({"cases": [one]}))  # type: ignore[operator]
    assert "all 1,234 codes" in speaker.STUDY.about(Measurement({"cases": [one]}))  # type: ignore[operator]


def test_the_shortest_utterance_by_its_windows() -> None:
    def task(*counts: int) -> SimpleNamespace:
        return SimpleNamespace(windows=[np.zeros((count, 80, 40)) for count in counts])

    assert speaker._shortest(task(4, 2, 3, 2)) == range(4, 6)  # type: ignore[arg-type]
    assert speaker._shortest(task(1, 2)) == range(1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["speaker", "sentences", "whisper"])
def test_without_data_it_says_what_it_needs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cosim.figures.registry import load_study

    monkeypatch.setenv("DURAMESH_DATA", str(tmp_path))
    with pytest.raises(Unavailable, match=r"it needs (librispeech_dev_clean/dev-clean|glue) in a folder"):
        load_study(name).measure(small_campaign(tmp_path / "campaign", quick=True))
