"""Transcription with a small random RNN-T: in float, and on small chips, RTL and twin alike."""

import json
import re
import sys
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from analog_models.config import AnalogConfig
from cosim.files.extras import MissingPackage
from cosim.graph import NetworkError
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.workloads.comparison import Settings, compare
from cosim.workloads.kws.dataset import DatasetError
from cosim.workloads.rnnt.connected_words import spoken_clips
from cosim.workloads.rnnt.mapping import FirstLayer
from cosim.workloads.rnnt.model import RnntModel
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from cosim.workloads.rnnt.report import report
from cosim.workloads.rnnt.workload import CALIBRATION, Spoken, Transcription
from cosim.workloads.whisper.workload import Transcription as WhisperTranscription
from rtl.config import preset
from tests.cosim.workloads.rnnt.test_model import louder
from tests.cosim.workloads.test_comparison import Silent

#: Two labels: nine copies of a matrix with a row for each must fit on small chips.
SMALL = RnntShape(features=6, encoder=4, prediction=2, joint=6, labels=3)


@pytest.fixture(scope="module")
def task() -> Transcription:
    network = louder(RnntNetwork.random(SMALL, seed=2, labels="ab"), by=4.0, blank=2.0)
    rng = np.random.default_rng(5)

    def spoken(name: str, steps: int) -> Spoken:
        return Spoken(name, "a b ab", rng.standard_normal((steps, 6)).astype(np.float32), 0.03 * steps)

    judged = tuple(spoken(f"judged {number}", 3 + number) for number in range(2))
    return Transcription(RnntModel(network), "two", judged, tuple(spoken(f"other {n}", 6) for n in range(3)))


@pytest.mark.cosimulation
def test_small_network_on_small_chips(task, monkeypatch):
    """Chips that work at once, sentences side by side, a decoder between: the RTL's codes are the twin's."""
    monkeypatch.setattr("cosim.workloads.rnnt.model.SYMBOLS", 2)  # of a random network a blank hardly ever comes
    workload = task.workload(AnalogConfig(), FirstLayer.ONCE, config=preset("small"))
    workload = replace(workload, options=replace(workload.options, trials=0))
    both = compare(workload, Settings(engine="both"), Silent())
    assert both.variants["chip 0"].compared_codes > 1000
    assert not both.variants["ideal"].spent_s
    assert all(seconds > 0 for seconds in both.variants["chip 0"].spent_s.values())
    assert all(len(text) > 1 for text in task.texts(both.variants["chip 0"].results))
    told = report(task, both, seed=0)
    told.print(Console(file=(text := StringIO()), width=200))
    assert re.search(r"[\d,]+ cycles of the RTL, \d+ s of CPU: simulator \d+%, analog \d+%", text.getvalue())
    found = told.to_json()
    assert json.loads(json.dumps(found))["words"] == 6
    assert set(found["variants"]["chip 0"]["spent_s"]) == {"cpu", "simulator", "analog", "host", "transfer"}
    assert found["references"] == {"judged 0": "a b ab", "judged 1": "a b ab"}
    assert set(found["transcripts"]) == {"software", "ideal", "chip 0"}
    assert found["wer"]["software"] is not None


def test_what_chips_multiply_has_to_be_there(task):
    workload = task.workload(AnalogConfig(), FirstLayer.ONCE, config=preset("small"))
    with pytest.raises(NetworkError, match="no matrix is called 'nope'; there are pre/lstm0/input, "):
        compare(workload, Settings(engine="float", only="pre/*,nope"), Silent())
    with pytest.raises(NetworkError, match=r"in float no chip multiplies 'pre/\*'"):
        compare(workload, Settings(engine="float", only="pre/*"), Silent())


def test_sentences_of_words_are_spoken():
    """Without audio a synthesiser speaks; those that calibrate are others."""
    network = RnntNetwork.random(RnntShape(encoder=8, prediction=4, joint=6))
    task = Transcription.of_words(RnntModel(network), count=3, seed=1)
    assert (len(task.spoken), len(task.calibrating)) == (3, CALIBRATION)
    assert not {one.name for one in task.spoken} & {one.name for one in task.calibrating}
    for one in task.spoken:
        assert 2 <= len(one.transcript.split()) <= 8
        assert one.features.shape == (network.front_end.steps(round(16_000 * one.seconds)), 240)
    words = sum(len(one.transcript.split()) for one in task.spoken)
    assert task.source.startswith(f"3 sentences of {words} words, synthesised voices, ")
    again = Transcription.of(RnntModel(network), None, 3, seed=1)
    assert [one.transcript for one in again.spoken] == [one.transcript for one in task.spoken]


def test_no_test_clip_calibrates(tmp_path, monkeypatch):
    """The test archive has no other clips: a synthesiser's voices for training calibrate; else validation clips do."""
    asked = []

    def recorded(root, split="test"):
        asked.append(split)
        return spoken_clips(20, "test" if split == "test" else "validation", 1)

    monkeypatch.setattr("cosim.workloads.rnnt.workload.recorded_clips", recorded)
    model = RnntModel(RnntNetwork.random(RnntShape(encoder=8, prediction=4, joint=6)))
    for archive, splits in ((True, ["test"]), (False, ["test", "validation"])):
        if archive:
            (tmp_path / "_unknown_").mkdir()
        else:
            (tmp_path / "_unknown_").rmdir()
        asked.clear()
        task = Transcription.of_words(model, tmp_path, 2, seed=1)
        assert asked == splits
        speakers = [{one.name.rpartition(" ")[0] for one in some} for some in (task.spoken, task.calibrating)]
        assert not speakers[0] & speakers[1]


def test_surprise_is_that_of_the_float_network(task):
    """Of its own choices a float network's is the loss; and the symbols are those of a walk of its own."""
    products = NodeProducts.of_floats(task.model.network)
    found = results_of(task.surprised(), products)
    for one, symbols in zip(found, results_of(task.walks(), products), strict=True):
        assert one["symbols"].tolist() == symbols["symbols"].tolist()
    choices = results_of((task.model.choices(one.features) for one in task.spoken), products)
    alone = results_of(
        (task.model.surprise(one.features, made) for one, made in zip(task.spoken, choices, strict=True)), products
    )
    assert [float(one["surprise"]) for one in found] == alone


def test_a_folder_is_taken_for_what_it_holds(small_split):
    model = RnntModel(RnntNetwork.random(RnntShape(encoder=8, prediction=4, joint=6)))
    task = Transcription.of(model, small_split, 2, seed=1)
    assert task.source.startswith("2 of 7 utterances of dev-clean, ")
    assert {one.transcript for one in task.spoken} == {"SOME WORDS"}
    with pytest.raises(DatasetError, match=r"expected Speech Commands.*or, of LibriSpeech, a split such as dev-clean"):
        Transcription.of(model, small_split.parent.parent / "nothing")


@pytest.mark.parametrize("task", [Transcription, WhisperTranscription])
def test_what_counts_words_is_asked_for_before_the_work(monkeypatch, tmp_path, task):
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(MissingPackage, match=r"counting word errors needs the package jiwer: .*\[speech\]"):
        task.of(None, tmp_path)
