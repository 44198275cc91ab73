"""Verification with a small encoder: windows become walks, walks become voices, voices trials."""

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.graph import Builder, NetworkError
from cosim.graph.operators.activations import Tanh
from cosim.system.products import NodeProducts
from cosim.system.scheduler import run_walks
from cosim.workloads.comparison import Comparison, Settings, Variant
from cosim.workloads.speaker.features import windows_of
from cosim.workloads.speaker.report import cosines_to, report
from cosim.workloads.speaker.trials import voice_of
from cosim.workloads.speaker.workload import SpeakerEncoder, Verification


@pytest.fixture(scope="module")
def encoder() -> SpeakerEncoder:
    """Every frame of a window, projected and squashed: as good as any where speakers are colours of noise."""
    b = Builder("small")
    frames = b.linear(b.input("mel"), np.random.default_rng(0).normal(0, 0.2, (40, 6)), name="proj")
    b.output(b.add(Tanh(), frames), "voice")
    return SpeakerEncoder(b.graph(), "small")


@pytest.fixture(scope="module")
def task(encoder, small_split) -> Verification:
    return Verification.of(encoder, small_split, 5, seed=2)


def results_of(task: Verification) -> list[dict[str, np.ndarray]]:
    workload = task.workload(AnalogConfig())
    walks = ((sample, workload.walk(sample)) for sample in range(workload.samples))
    found = dict(run_walks(walks, NodeProducts.of_floats(workload.network)))
    return [found[sample] for sample in range(workload.samples)]


def test_utterances_and_their_windows(task):
    assert task.source == "5 of 7 utterances of dev-clean, 2 speakers (seed 2)"
    assert {one.speaker for one in task.utterances} == {"11", "12"}
    assert len(task.windows) == 5
    assert all(window.shape == (80, 40) for window in task.calibration)


def test_a_voice_is_the_mean_of_its_windows(task):
    results = results_of(task)
    trials = task.trials(results)
    first = 0
    for voice, windows in zip(trials.voices, task.windows, strict=True):
        assert np.linalg.norm(voice) == pytest.approx(1)
        own = np.stack([result["voice"] for result in results[first : first + len(windows)]])
        assert np.array_equal(voice, voice_of(own))
        first += len(windows)
    assert first == len(results)
    assert trials.speakers == [one.speaker for one in task.utterances]


def test_windows_are_those_of_the_sound(encoder, small_split):
    from cosim.workloads.audio import read_sound

    task = Verification.of(encoder, small_split)
    for one, windows in zip(task.utterances, task.windows, strict=True):
        assert np.array_equal(windows, windows_of(read_sound(one.path).samples))
    assert task.remarks.lines()[0].startswith("judged, though chips were calibrated with it as well: 7 (")


def test_few_windows_are_spread_over_the_utterance(encoder, task, small_split):
    few = Verification.of(encoder, small_split, 5, seed=2, most=1)
    assert [one.name for one in few.utterances] == [one.name for one in task.utterances]
    assert any(len(windows) > 1 for windows in task.windows)
    for (chosen,), windows in zip(few.windows, task.windows, strict=True):
        assert np.array_equal(chosen, windows[len(windows) // 2])
    many = Verification.of(encoder, small_split, 5, seed=2, most=99)
    assert all(map(np.array_equal, many.windows, task.windows))


def test_report(task):
    results = results_of(task)
    noisy = [{"voice": result["voice"] + 0.5} for result in results]
    variants = {"software": Variant(tuple(results), 1.0), "chip 4": Variant(tuple(noisy), 2.0)}
    written = report(task, Comparison(Settings(seeds=(4,)), variants), 2).to_json()
    assert written["eer"]["software"] == task.trials(results).rate
    assert written["eer"]["ideal"] is None
    assert written["eer"]["chip"] == task.trials(noisy).rate
    assert (written["pairs"], written["windows"]) == (10, len(results))
    assert written["cosine"]["software"] == pytest.approx(1)
    assert written["cosine"]["chip 4"] == pytest.approx(cosines_to(results, noisy))
    low, high = written["variants"]["software"]["intervals"]["eer"]
    assert low <= written["eer"]["software"] <= high


def test_other_networks_are_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("cosim.graph.onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    values = [helper.make_tensor_value_info(name, kind, [1]) for name in ("a", "b", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"])], "two", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(NetworkError, match=r"two.onnx has inputs a, b and outputs y; a speaker encoder takes"):
        SpeakerEncoder.load(tmp_path / "two.onnx")
