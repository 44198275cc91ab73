"""Spoken words for the tests of transcription, few and synthesised."""

import numpy as np
import pytest

from cosim.workloads.kws.dataset import LABELS, TrainingSet, encode
from cosim.workloads.kws.features import log_mel, mel_to_mfcc
from cosim.workloads.rnnt.connected_words import Clips, spoken_clips


@pytest.fixture(scope="session")
def clips() -> Clips:
    return spoken_clips(60, "train", 5)


@pytest.fixture(scope="session")
def data(clips) -> TrainingSet:
    """The same as features, every third speaker held out; each speaker has a name as people have in the data set."""
    _, speaker = np.unique(clips.speakers, return_inverse=True)
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000)
    return TrainingSet(
        encode(mel_to_mfcc(clips.mel)),
        np.full(len(clips), LABELS.index("_unknown_")),
        speaker % 3 == 0,
        (log_mel(noise).astype(np.float32),),
        np.full(40, 0.1, np.float32),
        np.zeros(len(clips), bool),
        np.array([f"{word}/{one:08x}_nohash_0.wav" for word, one in zip(clips.words, speaker, strict=True)]),
    )
