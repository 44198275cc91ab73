"""Training clips for the tests of training, few and synthesised."""

import numpy as np
import pytest

from cosim.workloads.kws.dataset import LABELS, SILENCE, TrainingSet, encode
from cosim.workloads.kws.features import log_mel, mfcc
from cosim.workloads.kws.synthesiser import synthesise


@pytest.fixture(scope="session")
def data() -> TrainingSet:
    audio, labels, _ = synthesise(360, "train")
    spoken = labels != LABELS.index(SILENCE)
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000)
    return TrainingSet(
        encode(mfcc(audio[spoken])),
        labels[spoken],
        np.arange(spoken.sum()) % 4 == 0,
        (log_mel(noise).astype(np.float32),),
        np.zeros(40, np.float32),
        np.zeros(spoken.sum(), bool),
    )
