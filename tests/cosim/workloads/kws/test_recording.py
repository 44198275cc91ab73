"""A recording of any length: where windows lie, which words are spotted, and the command that does it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from cosim.cli import main
from cosim.workloads.audio import Sound
from cosim.workloads.kws.dataset import LABELS
from cosim.workloads.kws.features import mfcc
from cosim.workloads.kws.model import KwsModel, quantise
from cosim.workloads.kws.recording import HOP_S, Recording, smoothed_scores, spot
from cosim.workloads.kws.synthesiser import speak


def test_windows_slide_over_the_recording_and_its_margins():
    """A window's middle is its time, and it sees what a clip cut out there would see."""
    samples = 0.1 * np.random.default_rng(0).standard_normal(50_000)
    recording = Recording("noise", Sound(samples))
    model = KwsModel.load()
    inputs = recording.inputs(model)
    assert inputs.shape == (len(recording), 1024)
    assert recording.times_s[:3] == pytest.approx([0, 0.1, 0.2])
    assert recording.times_s[-1] == pytest.approx(50_000 / 16_000, abs=HOP_S)
    assert len(recording.names) == len(recording) == 32
    middle = round(1.2 * 16_000)
    alone = quantise(model.prepare(mfcc(samples[np.newaxis, middle - 8_000 : middle + 8_000])))
    assert inputs[12] == pytest.approx(alone[0], abs=1.01 / 255)


@pytest.mark.parametrize("samples", [1, 400, 15_999, 16_000])
def test_short_recordings_have_windows_too(samples):
    recording = Recording("short", Sound(np.full(samples, 0.1)))
    assert len(recording) == len(recording.inputs(KwsModel.load())) >= 1


def scores(*rows: tuple[str, float]) -> np.ndarray:
    """Scores in which a class wins each window."""
    table = np.full((len(rows), len(LABELS)), 0.01)
    for row, (label, score) in zip(table, rows, strict=True):
        row[LABELS.index(label)] = score
    return table


def test_peaks_are_words():
    found = spot(
        scores(
            ("_silence_", 0.9),
            *(("yes", 0.5), ("yes", 0.8), ("yes", 0.8), ("yes", 0.3), ("yes", 0.7)),  # said twice
            ("no", 0.3),  # not sure enough
            *(("_unknown_", 0.9), ("stop", 0.7)),
        ),
        LABELS,
    )
    assert [(word.word, word.score) for word in found] == [("yes", 0.8), ("yes", 0.7), ("stop", 0.7)]
    assert [word.time_s for word in found] == pytest.approx([0.2, 0.5, 0.8])
    assert all(word.start_s <= word.time_s <= word.end_s for word in found)
    assert found[-1].end_s == pytest.approx(0.8), "the last window"
    assert spot(np.full((1, 12), 1 / 12), LABELS) == ()


def test_a_word_that_loses_at_its_peak_is_none():
    table = scores(("no", 0.5), ("no", 0.5))
    table[:, LABELS.index("go")] = 0.45
    assert [word.word for word in spot(table, LABELS)] == ["no"]


def test_scores_are_shares_and_a_single_window_does_not_decide():
    values = np.zeros((20, 12))
    values[10, 3] = 1
    smooth = smoothed_scores(values)
    assert smooth.shape == values.shape
    assert smooth.sum(axis=1) == pytest.approx(1)
    assert smooth[10, 3] < 0.3
    values[8:13, 3] = 1
    assert smoothed_scores(values)[10, 3] > 0.9


@pytest.fixture(scope="module")
def sentence(tmp_path_factory) -> tuple[Path, list[tuple[str, float]]]:
    """Words with pauses between, at 22 kHz, and when they are spoken."""
    rng = np.random.default_rng(3)
    pieces, words, length = [np.zeros(12_000)], [], 12_000
    for word in ("stop", "left", "seven", "yes", "down"):
        spoken = 0.5 * speak(word, "en-us+m3", rate=150)
        words.append((word, (length + len(spoken) / 2) / 16_000))
        pieces += [spoken, np.zeros(9_000)]
        length += len(spoken) + 9_000
    samples = np.concatenate(pieces) + 1e-3 * rng.standard_normal(length)
    path = tmp_path_factory.mktemp("sentence") / "sentence.flac"
    soundfile.write(path, np.interp(np.arange(0, length, 16_000 / 22_050), np.arange(length), samples), 22_050)
    return path, words


def test_the_network_spots_words_in_a_sentence(sentence):
    path, words = sentence
    recording, model = Recording.read(path), KwsModel.load()
    found = spot(smoothed_scores(model.network.forward(recording.inputs(model))[-1]), LABELS)
    known = [(word, time) for word, time in words if word in LABELS]
    hits = [any(heard.word == word and abs(heard.time_s - time) < 0.3 for heard in found) for word, time in known]
    assert sum(hits) >= 3, (found, known)
    assert len(found) <= len(known) + 1


def kws(*arguments: object):
    return CliRunner().invoke(main, ["kws", "--engine", "twin", *map(str, arguments)])


def test_the_command(files, sentence, tmp_path):
    path, _ = sentence
    options = ("--recording", path, "--model", files["model"], "--features", files["features"])
    out = tmp_path / "out.json"
    result = kws(*options, "--json", out, "--report", tmp_path / "report", "--checkpoint", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "note: resampled from 22,050 to 16,000 Hz: 1 (sentence.flac)" in result.output
    report = json.loads(out.read_text())
    assert report["recorded_hz"] == 22_050
    assert report["duration_s"] == pytest.approx(soundfile.info(path).duration, abs=1e-3)
    assert report["windows"] == len(report["predictions"]) == len(report["software_predictions"])
    assert report["words"] == list(LABELS)
    assert {key for word in report["spotted"] for key in word} <= {"word", "time_s", "start_s", "end_s", "score"}
    assert (tmp_path / "report" / "recording.png").read_bytes().startswith(b"\x89PNG")
    assert report["files"] == {
        "recording": str(tmp_path / "report" / "recording.png"),
    }
    again = kws(*options, "--checkpoint", tmp_path / "run")
    assert f"{report['windows']} of {report['windows']} windows were done" in again.output


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.wav", b"", "not a readable sound file"),
        ("text.mp3", b"no music", "not a readable sound file"),
        ("[/x].wav", b"RIFF", "[/x].wav: not a readable sound file"),
    ],
)
def test_what_is_no_recording(tmp_path, name, content, message):
    (path := tmp_path / "folder" / name).parent.mkdir(parents=True)
    path.write_bytes(content)
    result = kws("--recording", path)
    assert result.exit_code == 1, result.output
    assert message in result.output


def test_a_recording_is_not_chosen_from(sentence):
    result = kws("--recording", sentence[0], "--clips", 3)
    assert result.exit_code == 2
    assert "--clips chooses among the clips of a data set" in result.output
