"""The study of the RNN-T: trends from figures by hand, and all of it on small chips with a small random network."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from cosim.figures.rnnt import STUDY, measure
from cosim.figures.rnnt_trends import Readings, Trend, bits_for, equivalent_rate, trends, verdicts
from cosim.figures.study import said
from cosim.workloads.resampling import resampled_interval
from cosim.workloads.rnnt.mapping import FirstLayer
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import RnntNetwork
from cosim.workloads.rnnt.quantised import LAYERS
from cosim.workloads.rnnt.workload import Spoken, Transcription
from tests.cosim.figures.small_campaign import small_campaign
from tests.cosim.workloads.rnnt.test_model import louder
from tests.cosim.workloads.rnnt.test_workload import SMALL

ALONE = tuple(f"alone, {layer}" for layer in ("Enc-LSTM0", "Enc-LSTM1", "Dec"))
BITS = tuple(f"bits, {layer}" for layer in LAYERS)
#: Lost, in nats, and the word error rate of each reading where all is as the paper says.
AS_THE_PAPER = {
    "software": (0.0, 0.08),
    "whole": (0.04, 0.10),
    "together, all": (0.04, 0.10),
    "a week": (0.05, 0.11),
    **dict(zip(ALONE, ((0.01, 0.085), (0.005, 0.08), (0.002, 0.08)), strict=True)),
    **dict.fromkeys(BITS, (0.05, 0.1)),
    "bits, joint-fc": (0.3, 0.4),
    "bits, enc-lstm0": (0.2, 0.3),
    "bits, dec-lstm1": (0.01, 0.08),
    "averaged 2": (0.008, 0.08),
    "expanded 2": (0.006, 0.08),
    "averaged 4": (0.005, 0.08),
    "expanded 4": (0.003, 0.08),
    "simulated 1": (0.5, 0.42),
    "simulated 4": (0.01, 0.09),
    "pulses 255": (0.01, 0.08),
    "pulses 127": (0.03, 0.09),
}
#: What makes each of the trends, in their order, untrue.
OTHERWISE = (
    {ALONE[1]: (0.011, 0.08)},
    {ALONE[2]: (0.002, 0.12)},
    {"together, all": (0.016, 0.1)},
    {"bits, enc-fc": (0.25, 0.3)},
    {"bits, dec-emb": (0.001, 0.08)},
    {"expanded 4": (0.009, 0.08)},
    {"simulated 4": (0.4, 0.35)},
    {"a week": (0.09, 0.11)},
    {"pulses 127": (0.005, 0.09)},
)


def readings(figures, spread: float = 0.0) -> Readings:
    """Fifty sentences of a hundred words, all alike but for a spread of what is lost."""
    rng = np.random.default_rng(0)
    surprise = {
        name: np.full((2, 50), 0.1 + lost) + spread * (name != "software") * rng.standard_normal((2, 50))
        for name, (lost, _) in figures.items()
    }
    errors = {name: np.full((2, 50), 100 * rate) for name, (_, rate) in figures.items()}
    return Readings(np.full(50, 100.0), errors, surprise)


@pytest.fixture(autouse=True)
def few_draws(monkeypatch) -> None:
    """Enough for figures that are all alike, or far apart."""
    monkeypatch.setattr("cosim.figures.rnnt_trends.resampled_interval", partial(resampled_interval, draws=60))


def test_trends_are_told_by_the_figures() -> None:
    def told(figures) -> list[Trend]:
        return list(trends(readings(figures), ALONE, BITS, (1, 2, 4)))

    assert [trend.verdict for trend in told(AS_THE_PAPER)] == ["holds"] * len(OTHERWISE)
    for number, change in enumerate(OTHERWISE):
        found = told({**AS_THE_PAPER, **change})
        wrong = [at for at, trend in enumerate(found) if trend.verdict != "holds"]
        assert wrong == [number], found[number]
        assert found[number].verdict == "does not hold"
        assert found[number].low <= found[number].margin <= found[number].high


def test_what_sentences_do_not_tell_is_not_told() -> None:
    found = [one.to_json() for one in trends(readings(AS_THE_PAPER, spread=2.0), ALONE, BITS, (1, 2, 4))]
    assert found[0]["verdict"] == "not told"
    assert found[6]["verdict"] == "holds"  # by words
    assert "not told by these sentences: a layer alone" in verdicts(found)


def test_bits() -> None:
    assert equivalent_rate(0.07452) == pytest.approx(0.08378, abs=1e-5)
    assert bits_for((2, 3, 4), (0.5, 0.3, 0.1), 0.2) == pytest.approx(3.5)
    assert bits_for((2, 3, 4), (0.1, 0.3, 0.1), 0.2) == pytest.approx(3.5)  # what few bits give by chance is none
    assert bits_for((2, 3, 4), (0.1, 0.1, 0.1), 0.2) == 2
    assert np.isnan(bits_for((2, 3), (0.4, 0.3), 0.2))


@dataclass(frozen=True)
class SmallSentences:
    """Four sentences for a network whose every matrix fits on small chips."""

    task: Transcription
    content: str = "four"

    def like(self, first: FirstLayer) -> Transcription:
        return replace(self.task, model=RnntModel(self.task.model.weights, first.centred))


def test_everything_on_small_chips(tmp_path, monkeypatch) -> None:
    pytest.importorskip("jiwer", reason="counting word errors needs the extra [speech]")
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("cosim.workloads.rnnt.model.SYMBOLS", 2)  # of a random network a blank hardly ever comes
    rng = np.random.default_rng(5)

    def spoken(number: int) -> Spoken:
        return Spoken(f"{number}", "a b ab", rng.standard_normal((4, 6)).astype(np.float32), 0.3)

    network = louder(RnntNetwork.random(SMALL, seed=2, labels="ab"), by=4.0, blank=2.0)
    task = Transcription(RnntModel(network), "four", tuple(map(spoken, range(4))), tuple(map(spoken, range(4, 7))))
    campaign = small_campaign(tmp_path, quick=True)
    study = replace(STUDY, measure=lambda campaign: measure(campaign, SmallSentences(task)))  # type: ignore[arg-type]
    found, _ = campaign.measure(study)
    numbers = found.numbers
    assert (numbers["sentences"], numbers["words"], numbers["seeds"]) == (4, 12, [0, 1])
    assert len(numbers["alone"]) == 7
    assert len(numbers["together"]) == 5
    assert numbers["lost_nats"]["software"] == 0
    assert len({numbers["lost_nats"][name] for name in numbers["alone"]}) == 7
    assert numbers["lost_nats"]["a week"] != numbers["lost_nats"]["whole"]
    assert set(numbers["mac_errors"]) == {
        *("pre/lstm0", "pre/lstm1", "post/lstm2", "post/lstm3", "post/lstm4", "post/fc"),
        *("prediction/lstm0", "prediction/lstm1", "prediction/fc"),
    }
    assert all(0 < error < 1 for error in numbers["mac_errors"].values())
    assert numbers["row_errors"]["averaged 4"] < numbers["row_errors"]["averaged 1"]
    assert {name: len(rates) for name, rates in numbers["wer"].items() if len(rates) > 1} == {"whole": 2, "a week": 2}
    assert all(0.9 < squared < 1 for squared in numbers["weights"]["r_squared"])
    named = [finding.what for finding in found.findings]
    assert len(named) == len(set(named)) == len(found.findings)
    assert {finding.engine for finding in found.findings} == {"float32", "twin", "twin, ideal"}
    for figure in study.figures:
        assert figure.draw(found).axes
        assert said(figure.caption, found)
    assert "four, through a recurrent transducer" in said(study.about, found)
