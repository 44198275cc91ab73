"""The shipped network: its file, and what it writes for sentences that it has never heard."""

import os
from pathlib import Path

import numpy as np
import pytest

from cosim.workloads.rnnt.connected_words import join_audio, plan, recorded_clips, spoken_clips
from cosim.workloads.rnnt.features import WordFrontEnd
from cosim.workloads.rnnt.network import SHIPPED, RnntNetwork
from cosim.workloads.transcripts import WordErrors, count_errors, lower_case_words
from tests.cosim.workloads.rnnt.equations import greedy


@pytest.fixture(scope="module")
def network() -> RnntNetwork:
    return RnntNetwork.load(SHIPPED)


def errors(network: RnntNetwork, clips, count: int) -> WordErrors:
    sentences = plan(clips, 0, count)
    texts = [greedy(network, network.front_end(join_audio(clips.audio, sentence))) for sentence in sentences]
    return count_errors([sentence.text for sentence in sentences], texts, lower_case_words)


def test_its_file_is_small_and_says_how_it_was_trained(network):
    assert SHIPPED.stat().st_size <= 4 << 20
    assert network.front_end == WordFrontEnd()
    assert network.shape.mapped_weights < 4_000_000
    assert {"settings", "seed", "steps", "validation"} <= set(network.card)
    for name, array in network.tensors.items():
        if array.ndim == 2:  # a byte and a scale for each row
            steps = array / (np.abs(array).max(axis=1, keepdims=True) / 127)
            assert np.allclose(steps, np.rint(steps), atol=1e-3), name


def test_voices_that_it_has_never_heard(network):
    pytest.importorskip("jiwer", reason="counting word errors needs the extra [speech]")
    assert errors(network, spoken_clips(60, "test"), 10).rate < 0.35


@pytest.mark.long
def test_people_that_it_has_never_heard(network):
    """The aim of issue and model card: fewer than 15 % of the words wrong."""
    if "DURAMESH_DATA" not in os.environ:
        pytest.skip("set DURAMESH_DATA to a folder with speech_commands, the official test clips")
    assert errors(network, recorded_clips(Path(os.environ["DURAMESH_DATA"]) / "speech_commands"), 150).rate < 0.15
