"""Transcription with a small random Whisper: greedy decoding step by step, surprise, and all of it on chips."""

from fnmatch import fnmatchcase

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.graph.graph import Walk
from cosim.system.layer_errors import LayerErrors
from cosim.system.network import Network
from cosim.system.products import NodeProducts
from cosim.system.scheduler import run_walks
from cosim.workloads.whisper.mapping import mapping
from cosim.workloads.whisper.model import WhisperModel
from cosim.workloads.whisper.workload import Transcription


@pytest.fixture(scope="module")
def model(small_whisper) -> WhisperModel:
    return WhisperModel.load(small_whisper)


@pytest.fixture(scope="module")
def task(model, small_split) -> Transcription:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cosim.workloads.whisper.workload.CALIBRATION", 4)  # of seven utterances that there are
        return Transcription.of(model, small_split, 3, seed=1)


def run(network: Network, *walks: Walk) -> list:
    found = dict(run_walks(enumerate(walks), NodeProducts.of_floats(network)))
    return [found[number] for number in range(len(walks))]


def test_utterances(task, small_split):
    assert task.source.startswith("3 of 7 utterances of dev-clean, ")
    assert task.source.endswith("(seed 1)")
    assert not {one.utterance.name for one in task.recorded} & {one.utterance.name for one in task.calibrating}
    assert all(20 <= one.spoken <= 80 for one in task.recorded)


def test_step_by_step_is_all_at_once(model, task):
    """The decoder's states hold what a decoder over all tokens sees: greedy tokens are the likeliest there, too."""
    features = task.recorded[0].features
    (decoded,) = run(model.network, model.transcribed(features))
    assert decoded.tokens
    (heard,) = run(model.network, model.heard(features))
    given = np.array([*model.rules.start, *decoded.tokens], np.int64)
    inputs = {"input_ids": given, "position_ids": np.arange(len(given)), **heard}
    (step,) = run(model.network, model.network.walk(inputs, graph="decoder"))
    logits = step.outputs["logits"].copy()
    logits[:, sorted(model.rules.suppressed)] = -np.inf
    first = len(model.rules.start) - 1
    logits[first, sorted(model.rules.suppressed_first)] = -np.inf
    likeliest = logits[first:].argmax(axis=1).tolist()
    assert likeliest[: len(decoded.tokens)] == list(decoded.tokens)
    assert decoded.ended == (likeliest[-1] == model.rules.end)
    assert decoded.ended or len(decoded.tokens) == model.rules.most


def test_surprise_is_that_of_the_tokens(model, task):
    features, tokens = task.recorded[1].features, [3, 99]
    (heard,) = run(model.network, model.heard(features))
    given = [*model.rules.start, *tokens]
    total, states = 0.0, {}
    for at, token in enumerate(given):
        inputs = {"input_ids": np.array([token]), "position_ids": np.array([at]), **heard}
        (step,) = run(model.network, model.network.walk(inputs, states, graph="decoder"))
        states = step.states
        if at >= len(model.rules.start) - 1:
            logits = step.outputs["logits"][-1].astype(np.float64)
            following = [*given, model.rules.end][at + 1]
            total -= logits[following] - np.log(np.exp(logits).sum())
    (surprise,) = run(model.network, model.forced(features, tokens))
    assert surprise == pytest.approx(total / 3, abs=1e-4)


def test_mapping_leaves_convolutions_and_words_to_the_host(model):
    options = mapping(AnalogConfig()).layout
    host = {name for name in model.network.matrices if options.of(name).host}
    assert host == {"encoder/encoder.conv1", "encoder/encoder.conv2", "decoder/proj_out"}


@pytest.mark.parametrize(
    ("chips", "twice"),
    [
        (2, ()),
        (3, ("encoder/*_proj", "cross/*")),
        (4, ("encoder/*_proj", "cross/*", "decoder/decoder.*")),
    ],
)
def test_mapping_uses_what_is_left_of_the_chips_for_copies(model, chips, twice):
    options = mapping(AnalogConfig(), chips).layout
    copied = {name for name in model.network.matrices if options.of(name).copies == 2}
    assert copied == {name for name in model.network.matrices if any(fnmatchcase(name, one) for one in twice)}


def test_errors_are_those_of_spoken_positions(task):
    """In float no product is wrong, and frames are those that hear something."""
    workload = task.workload(AnalogConfig())
    errors = LayerErrors(workload.network)
    (watched,) = run(workload.network, workload.watched(errors, 0))
    (plain,) = run(workload.network, workload.walk(0))
    assert np.array_equal(watched["tokens"], plain["tokens"])
    by_node = {error.node: error for error in errors}
    spoken = task.recorded[0].spoken
    assert by_node["encoder/encoder.layers.0.fc1"].frames == spoken
    assert by_node["cross/decoder.layers.0.encoder_attn.k_proj"].frames == spoken
    assert by_node["encoder/encoder.conv1"].frames == 2 * spoken
    assert by_node["decoder/decoder.layers.0.fc2"].frames == len(plain["tokens"]) + len(task.model.rules.start) - (
        not plain["ended"]
    )
    assert max(error.own for error in by_node.values()) < 1e-5


def test_calibration_sees_the_float_networks_own_words(task):
    workload = task.workload(AnalogConfig())
    surprises = run(workload.network, *workload.calibration())
    assert len(surprises) == len(task.calibrating) == 4
    assert all(0 < surprise < np.log(265) for surprise in surprises)
    assert workload.loss(surprises) == pytest.approx(np.mean(surprises))


def test_surprise_is_at_what_the_float_network_hears(task, model):
    workload = task.workload(AnalogConfig())
    finer = task.surprise(workload, 2)
    assert (finer.samples, finer.described, finer.options) == (2, workload.described, workload.options)
    errors = LayerErrors(workload.network)
    (watched,) = run(workload.network, finer.watched(errors, 1))
    (heard,) = run(workload.network, model.transcribed(task.recorded[1].features))
    (expected,) = run(workload.network, model.forced(task.recorded[1].features, heard.tokens))
    assert watched["surprise"] == pytest.approx(expected, abs=1e-5)
    frames = {error.node: error.frames for error in errors}
    assert frames["decoder/decoder.layers.0.fc2"] == len(heard.tokens) + len(model.rules.start)
    assert frames["encoder/encoder.layers.0.fc1"] == task.recorded[1].spoken
