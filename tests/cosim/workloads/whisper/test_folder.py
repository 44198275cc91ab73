"""Where a model is looked for, and in which order."""

from pathlib import Path

import pytest

from cosim.workloads.whisper.folder import ModelNotFound, whisper_folder


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("DURAMESH_DATA", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)


def put(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def test_order_of_places(tmp_path, monkeypatch):
    audio = tmp_path / "data" / "LibriSpeech" / "dev-clean"
    audio.mkdir(parents=True)
    with pytest.raises(ModelNotFound, match=r"hf download openai/whisper-tiny\.en"):
        whisper_folder(audio)
    cached = put(tmp_path / "hub/hub/models--openai--whisper-tiny.en/snapshots/0123")
    assert whisper_folder(audio) == cached
    above = put(tmp_path / "data" / "whisper_tiny_en")
    assert whisper_folder(audio) == above
    nearer = put(tmp_path / "data" / "LibriSpeech" / "whisper-tiny.en")
    assert whisper_folder(audio) == nearer
    monkeypatch.setenv("DURAMESH_DATA", str(tmp_path / "elsewhere"))
    assert whisper_folder(audio) == nearer
    own = put(tmp_path / "elsewhere" / "whisper_tiny_en")
    assert whisper_folder(audio) == own
