"""ALBERT in small: names of classes, what its head gives after each pass, all of it on a chip."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.calibration.ranges import Choice
from cosim.compiler.matrices import MatrixOptions
from cosim.program import Mode
from cosim.system.building import build
from cosim.system.products import NodeProducts
from cosim.system.scheduler import results_of
from cosim.system.system import Run, System
from cosim.workloads.albert.blocks import block_of, pass_of
from cosim.workloads.albert.model import ClassifierError, TextClassifier, chances
from cosim.workloads.albert.report import report
from cosim.workloads.albert.workload import CALIBRATION, Classification
from cosim.workloads.comparison import Comparison, Settings, Variant
from cosim.workloads.glue import TASKS, GlueError
from cosim.workloads.metrics import accuracy
from rtl.config import preset
from tests.cosim.workloads.albert.conftest import renamed

pytest.importorskip("ortools", reason="needs the extra [compile]")
SST = TASKS["SST-2"]


@pytest.fixture(scope="module")
def classifier(small_albert) -> TextClassifier:
    return TextClassifier.load(small_albert, SST)


@pytest.fixture(scope="module")
def task(classifier, small_glue) -> Classification:
    return Classification.of(classifier, SST, small_glue, count=6, seed=1)


def in_float(classifier: TextClassifier, texts: Sequence[tuple[str, ...]]) -> list:
    return results_of(map(classifier.judged, texts), NodeProducts.of_floats(classifier.network))


def test_tokens_of_one_sentence_and_of_a_pair(classifier):
    assert classifier.tokens(("the film is good",))["input_ids"].tolist() == [2, 8, 9, 10, 4, 3]
    pair = classifier.tokens(("good film", "dull"))
    assert pair["input_ids"].tolist() == [2, 4, 9, 3, 7, 3]
    assert pair["token_type_ids"].tolist() == [0, 0, 0, 0, 1, 1]
    assert len(classifier.tokens(("good " * 50,))["input_ids"]) == 16, "as many as there are positions"


def test_head_after_the_last_pass_is_the_network_s(classifier):
    (result,) = in_float(classifier, [("a very dull story",)])
    assert classifier.passes == 3
    assert result["exits"].shape == (3, 2)
    assert result["exits"][-1] == pytest.approx(result["logits"], abs=1e-6)
    assert np.ptp(result["exits"], axis=0).min() > 1e-3
    plain = classifier.graph.run(classifier.tokens(("a very dull story",))).outputs["logits"]
    assert np.array_equal(plain, result["logits"])


def test_classes_are_told_by_name(classifier, small_albert, tmp_path):
    assert classifier.classes == (0, 1)
    turned = TextClassifier.load(
        renamed(small_albert, tmp_path / "turned", id2label={"0": "positive", "1": "negative"}), SST
    )
    logits = np.array([[2.0, -1.0], [0.0, 3.0]])
    assert classifier.decisions(logits).tolist() == [0, 1]
    assert turned.decisions(logits).tolist() == [1, 0]


def test_classes_without_names_are_refused_until_they_are_given(small_albert, tmp_path):
    nameless = renamed(small_albert, tmp_path / "nameless", id2label={"0": "LABEL_0", "1": "LABEL_1"})
    with pytest.raises(
        ClassifierError, match=r"called LABEL_0, LABEL_1, the classes of SST-2 negative, positive; give"
    ):
        TextClassifier.load(nameless, SST)
    assert TextClassifier.load(nameless, SST, ("positive", "negative")).classes == (1, 0)
    with pytest.raises(ClassifierError, match="has 2 outputs; STS-B has values"):
        TextClassifier.load(nameless, TASKS["STS-B"])


def test_tasks_without_a_training_split_calibrate_on_others(classifier, small_glue):
    questions = replace(classifier, classes=(0, 1))
    task = Classification.of(questions, TASKS["QNLI"], small_glue, count=None, seed=2)
    assert (len(task.examples), len(task.calibrating)) == (30 - CALIBRATION, CALIBRATION)
    assert not set(task.examples.texts) & set(task.calibrating.texts)
    few = replace(TASKS["QNLI"], name="few")
    (small_glue / "few").mkdir()
    lines = (small_glue / "QNLI/dev.tsv").read_text().splitlines()[: CALIBRATION + 1]
    (small_glue / "few/dev.tsv").write_text("\n".join(lines) + "\n")
    with pytest.raises(GlueError, match="few dev has 16 examples; 16 more are needed to calibrate"):
        Classification.of(questions, few, small_glue)


def test_loss_is_how_far_chances_are_from_software_s(task):
    exact = in_float(task.classifier, task.calibrating.texts)
    assert task.loss(exact) == pytest.approx(0, abs=1e-9)
    other = [{"logits": result["logits"][::-1]} for result in exact]
    expected = [
        np.sum(p * np.log(p / q)) for p, q in ((chances(r["logits"]), chances(r["logits"][::-1])) for r in exact)
    ]
    assert task.loss(other) == pytest.approx(np.mean(expected), rel=1e-6)


def test_report(task):
    results = in_float(task.classifier, task.examples.texts)
    turned = [{name: array[..., ::-1] for name, array in result.items()} for result in results]
    variants = {"software": Variant(tuple(results), 1.0), "ideal": Variant(tuple(turned), 1.0)}
    written = report(task, Comparison(Settings("ideal"), variants), 1).to_json()
    assert written["accuracy"]["software"] == accuracy(task.decisions(results), task.examples.labels)
    assert written["accuracy"]["ideal"] == pytest.approx(1 - written["accuracy"]["software"])
    assert written["flipped"] == {"software": 0.0, "ideal": 1.0}
    assert written["exits"]["software"][-1] == written["accuracy"]["software"]
    assert (written["task"], written["examples"]) == ("SST-2", 6)


@pytest.mark.cosimulation
def test_on_a_chip_each_pass_has_calibration_of_its_own(task):
    """One matrix on the chip, a line for every block and pass; RTL and twin give the same codes."""
    workload = task.workload(AnalogConfig())
    stacked = {
        "*albert_layers*": MatrixOptions(mode=Mode.STACKED),
        "*": MatrixOptions(host=True),
    }  # four tiles of 16 rows
    layout = replace(workload.options.layout, matrices=stacked)
    options = replace(workload.options, layout=layout, ranges=Choice())
    image = build(workload.network, workload.calibration, options, config=preset("small"))
    layout = image.layout
    assert {block_of(block.matrix) for block in layout.blocks.values()} == {"inProj", "outProj", "FC1", "FC2"}
    assert len(image.codings) == 6, "three passes share their matrices"
    with System(image, Run("ideal")) as ideal, System(image, Run("both")) as noisy:
        (exact,), (noise_free,), (result,) = (
            in_float(task.classifier, task.examples.texts[:1]),
            ideal.results([task.classifier.judged(task.examples.texts[0])]),
            noisy.results([task.classifier.judged(task.examples.texts[0])]),
        )
        lines = noisy.chips.affine.lines
        assert {(name, pass_of(node)) for name, node in lines} == {
            (name, n) for name in layout.blocks for n in range(3)
        }
        first, *others = (line.gain for (name, node), line in lines.items() if name == next(iter(layout.blocks)))
        assert all(np.any(first != other) for other in others)
        assert sum(int(session["compared_codes"]) for session in noisy.statistics) > 1000
    assert np.abs(noise_free["exits"] - exact["exits"]).max() < 0.1 * np.abs(exact["exits"]).max()
    assert not np.array_equal(result["exits"], noise_free["exits"])
