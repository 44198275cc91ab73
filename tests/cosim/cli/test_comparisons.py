"""`duramesh whisper`, `rnnt`, `speaker` and `sentences`: what they print and write, and what they refuse."""

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cosim.cli import main
from cosim.cli.rnnt import FIRST_LAYERS
from cosim.figures import Unavailable
from cosim.files.json_text import from_json
from cosim.workloads.rnnt.mapping import FirstLayer
from cosim.workloads.rnnt.network import RnntNetwork, RnntShape
from tests.cosim.workloads.conftest import own_cache, small_split
from tests.cosim.workloads.sentences.conftest import small_encoder, small_glue
from tests.cosim.workloads.whisper.conftest import small_whisper, write_vocabulary

__all__ = ["own_cache", "small_encoder", "small_glue", "small_split", "small_whisper", "write_vocabulary"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_whisper_in_float(small_whisper, small_split, tmp_path):
    pytest.importorskip("jiwer")
    file = tmp_path / "out.json"
    done = run(
        *("whisper", "run", "--engine", "float", "--audio", small_split, "--model", small_whisper),
        *("--clips", 2, "--seed", 3, "--json", file),
    )
    assert done.exit_code == 0, done.output
    written = from_json(file.read_text())
    assert written["wer"]["software"] > 0
    assert (written["wer"]["ideal"], written["wer"]["chip"]) == (None, None)
    assert (written["clips"], written["words"], written["seed"]) == (2, 4, 3)
    assert set(written["transcripts"]["software"]) == set(written["references"])
    assert set(written["references"].values()) == {"SOME WORDS"}
    assert "word error rate" in done.output
    assert "2 of 7 utterances of dev-clean" in done.output


def test_rnnt_in_float(small_split, tmp_path):
    pytest.importorskip("jiwer")
    file = tmp_path / "network.npz"
    untrained = RnntNetwork.random(RnntShape(encoder=16, prediction=8, joint=10))
    tensors = {**untrained.tensors, "joint_net.3.bias": np.eye(29, dtype=np.float32)[28]}  # nothing, most of the time
    for network, told in ((untrained, False), (RnntNetwork(tensors, untrained.labels, untrained.front_end), True)):
        network.save(file)
        done = run(
            *("rnnt", "run", "--engine", "float", "--audio", small_split, "--network", file),
            *("--clips", 2, "--seed", 3, "--json", tmp_path / "out.json"),
        )
        assert done.exit_code == 0, done.output
        written = from_json((tmp_path / "out.json").read_text())
        assert ("wer" in written) is ("word error rate" in done.output) is told
        assert ("weights  random" in done.output) is not told
        assert (written["clips"], written["words"], written["shape"]["encoder"]) == (2, 4, 16)
        assert set(written["transcripts"]["software"]) == set(written["references"])
    assert written["wer"]["software"] == 1.0


def test_rnnt_map(tmp_path):
    done = run("rnnt", "map", "--first-layer", "expanded", "--json", tmp_path / "map.json", "--pictures", tmp_path)
    assert done.exit_code == 0, done.output
    written = from_json((tmp_path / "map.json").read_text())
    assert (written["tiles"], written["first_layer_rows"]) == (142, 1024)
    assert "Enc-LSTM3, 4, Enc-FC" in done.output
    assert "142 tiles (paper 142), 45,261,568 weights" in done.output
    pictures = [(tmp_path / f"chip{number}.svg").read_text() for number in range(1, 6)]
    assert all(text.count("outputs 3") == (number < 5) for number, text in enumerate(pictures, 1))


def test_rnnt_figures_are_of_the_sentences_that_are_asked_for(tmp_path, monkeypatch):
    asked = []

    def measure(campaign, sentences):
        asked.append((campaign.given, list(campaign.seeds), sentences.clips, sentences.audio, campaign.analog.devices))
        raise Unavailable("it is a test")

    monkeypatch.setattr("cosim.figures.rnnt.measure", measure)
    monkeypatch.setattr("cosim.figures.rnnt_measurement.Sentences.content", "some")
    done = run("rnnt", "figures", "--clips", 5, "--seed", 3, "--chips", 2, "--devices", "hermes", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert asked == [({"sentences": "some"}, [3, 4], 5, None, "hermes")]
    assert "left out, it is a test" in done.output
    monkeypatch.setattr("cosim.figures.rnnt_measurement.Sentences.content", "others")
    done = run("rnnt", "figures", "--clips", 6, "--seed", 3, "--chips", 2, "--devices", "hermes", "--out", tmp_path)
    assert "holds another campaign (sentences some there, others here)" in " ".join(done.output.split())


def test_first_layers_are_those_of_the_mapping():
    assert tuple(FIRST_LAYERS) == tuple(FirstLayer)


def test_sentences_in_float(small_encoder, small_glue, tmp_path, own_cache):
    file = tmp_path / "out.json"
    done = run(
        *("sentences", "run", "--engine", "float", "--data", small_glue, "--model", small_encoder),
        *("--examples", 12, "--json", file),
    )
    assert done.exit_code == 0, done.output
    assert 0.5 < from_json(file.read_text())["accuracy"]["software"] <= 1
    assert "fitted on SST-2 train, penalty" in done.output


def test_a_missing_model_is_asked_for(small_split, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for name in ("DURAMESH_DATA", "DURAMESH_WHISPER", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    done = run("whisper", "run", "--engine", "float", "--audio", small_split)
    assert done.exit_code == 1
    assert "give its folder with --model, or fetch it: hf download openai/whisper-tiny.en" in done.output.replace(
        "\n", " "
    )


@pytest.mark.parametrize("command", ["whisper", "rnnt", "speaker", "sentences"])
def test_help(command):
    done = run(command, "run", "--help")
    assert done.exit_code == 0
    for option in (
        "--engine",
        "--devices",
        "--set",
        "--seeds",
        "--age",
        "--errors",
        "--only",
        "--json",
        "--checkpoint",
    ):
        assert option in done.output


@pytest.mark.parametrize(
    ("given", "told"), [(("--recalibrate",), "add --age"), (("--rtl-frames", 8), "add --engine both")]
)
def test_options_that_change_nothing_are_refused(given, told, small_whisper, small_split):
    done = run("whisper", "run", "--audio", small_split, "--model", small_whisper, *given)
    assert done.exit_code == 2
    assert told in done.output


def test_folders_that_are_no_data(tmp_path, small_whisper):
    done = run("whisper", "run", "--audio", tmp_path, "--model", small_whisper)
    assert done.exit_code == 1
    assert "expected a LibriSpeech split" in done.output.replace("\n", " ")


@pytest.mark.long
def test_whisper_on_librispeech(tmp_path):
    """Two utterances in software, on a chip without noise and on a noisy one."""
    data = os.environ.get("DURAMESH_DATA")
    if not data:
        pytest.skip("set DURAMESH_DATA to a folder with librispeech_dev_clean and whisper_tiny_en")
    file = tmp_path / "out.json"
    audio = Path(data) / "librispeech_dev_clean"
    done = run("whisper", "run", "--engine", "twin", "--audio", audio, "--clips", 2, "--json", file)
    assert done.exit_code == 0, done.output
    rates = from_json(file.read_text())["wer"]
    assert rates["software"] < 0.2
    assert max(rates["ideal"], rates["chip"]) < rates["software"] + 0.25
