"""Audio in LibriSpeech's layout, for every workload that hears."""

from pathlib import Path

import numpy as np
import pytest
import soundfile


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> None:
    """What small tests keep does not push the user's out of the cache."""
    monkeypatch.setenv("DURAMESH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def small_split(tmp_path_factory) -> Path:
    """Seven utterances of noise of two speakers, 0.4 to 1.6 s; each speaker's noise has a colour of its own."""
    split = tmp_path_factory.mktemp("librispeech") / "dev-clean"
    rng = np.random.default_rng(8)
    for speaker, count in ((11, 4), (12, 3)):
        chapter = split / str(speaker) / "1"
        chapter.mkdir(parents=True)
        names = [f"{speaker}-1-{number:04d}" for number in range(count)]
        for name in names:
            noise = 0.1 * rng.standard_normal(rng.integers(6_400, 25_600))
            sound = noise if speaker == 11 else np.convolve(noise, np.ones(8) / 8, "same")
            soundfile.write(chapter / f"{name}.flac", sound, 16_000)
        (chapter / f"{speaker}-1.trans.txt").write_text("".join(f"{name} SOME WORDS\n" for name in names))
    return split
