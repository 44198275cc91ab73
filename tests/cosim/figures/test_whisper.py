"""The study of Whisper: what its budget holds, what it says and draws, and all of it with a small random network."""

from pathlib import Path

import pytest

from analog_models.config import AnalogConfig
from cosim.figures import whisper
from cosim.figures.measurement import Measurement
from cosim.figures.mechanisms import idealised
from cosim.figures.study import said
from cosim.figures.tasks import AGED
from tests.cosim.figures.small_campaign import small_campaign
from tests.cosim.workloads.conftest import small_split
from tests.cosim.workloads.whisper.conftest import small_whisper, write_vocabulary

__all__ = ["small_split", "small_whisper", "write_vocabulary"]


def measurement() -> Measurement:
    budget = {
        "utterances": 16,
        "software": 0.125,
        "added": {
            "chips without noise": {"nats": 0.011, "interval": [0.0, 0.02]},
            "noisy chips": {"nats": 0.222, "interval": [0.1, 0.4]},
        },
        "layers": {
            "chips without noise": [{"node": "fc1", "own": 0.01, "total": 0.01, "frames": 1}],
            "noisy chips": [{"node": "fc1", "own": 0.05, "total": 0.05, "frames": 1}],
        },
    }
    rtl = {"compared_codes": 4321, "frames": 77, "reference_frames": 7654}
    return Measurement({"cases": [{"network": "tiny", "data": "some", "words": 99, "on_rtl": rtl}], "budget": budget})


def test_what_is_said_and_drawn_is_what_was_measured() -> None:
    found = measurement()
    text = said(whisper.STUDY.about, found)
    assert "99 words" in text
    assert "77 of 7,654 frames, and all 4,321 codes were the twin's" in text
    assert "16 utterances and one set of chips" in text
    assert "from 0.011 to 0.222 nats" in said(whisper.STUDY.figures[1].caption, found)
    budget = whisper.draw_budget(found).axes[0]
    assert [bar.get_width() for bar in budget.patches] == [0.222, 0.011]  # from below
    assert [bar.get_width() for bar in whisper.draw_layers(found).axes[0].patches] == pytest.approx([5, 1])


def test_every_mechanism_acts_in_one_of_the_budgets_chips() -> None:
    """Alone or with the others that have no place of their own; put together they are the whole chip."""
    nominal = AnalogConfig()
    ideal = idealised(nominal)
    chips = dict(whisper._mechanisms(nominal))
    assert list(chips) == [*whisper._NAMED, "all others"]
    for path, real, none in _constants(nominal, ideal):
        acts = [name for name, one in chips.items() if dict(_flat(one))[path] == real]
        assert len(acts) == (1 if real != none else len(chips)) or path in ("pcm.exact_write",), path


def _flat(analog: AnalogConfig):
    for model in ("pcm", "periphery", "transport"):
        for name, value in vars(getattr(analog, model)).items():
            yield f"{model}.{name}", value


def _constants(first: AnalogConfig, second: AnalogConfig):
    others = dict(_flat(second))
    return [(path, value, others[path]) for path, value in _flat(first)]


@pytest.mark.long
def test_a_small_network_from_words_to_the_budget(
    small_whisper, small_split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole study on full-size chips, the RTL included; the user's cache has its simulator."""
    pytest.importorskip("jiwer")
    monkeypatch.setattr("cosim.workloads.whisper.workload.CALIBRATION", 4)  # of seven utterances that there are
    monkeypatch.setattr(
        whisper, "data_at", lambda first, *_: {"whisper_tiny_en": small_whisper}.get(first, small_split)
    )
    campaign = small_campaign(tmp_path / "campaign", quick=True, chips=1)
    found, _ = campaign.measure(whisper.STUDY)
    (case,), budget = found.numbers["cases"], found.numbers["budget"]
    assert case["clips"] == 2
    assert case["aged"].keys() == AGED.keys()
    assert 0 < case["on_rtl"]["frames"] < case["on_rtl"]["reference_frames"]
    added = {words: one["nats"] for words, one in budget["added"].items()}
    assert abs(added["chips without noise"]) < abs(added["noisy chips"])
    ideal, noisy = (budget["layers"][words] for words in ("chips without noise", "noisy chips"))
    on_chips = [at for at, layer in enumerate(ideal) if layer["own"] > 1e-6]
    assert len(on_chips) == 6 + 2 + 8  # the encoder's, cross attention's, the decoder's
    assert all(ideal[at]["own"] < noisy[at]["own"] for at in on_chips)
    assert {"software", "chips without noise", "noisy chips"} <= {f.what.split(", ")[-1] for f in found.findings}
    for figure in whisper.STUDY.figures:
        assert figure.draw(found).axes
