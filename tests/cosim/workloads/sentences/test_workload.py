"""Sentences through a small transformer: vectors, heads that find what is there, figures of both tasks."""

import numpy as np
import pytest

from analog_models.config import AnalogConfig
from cosim.system.products import NodeProducts
from cosim.system.scheduler import run_walks
from cosim.workloads.comparison import Comparison, Settings, Variant
from cosim.workloads.metrics import accuracy, pearson, spearman
from cosim.workloads.sentences.model import SentenceEncoder, SentenceError
from cosim.workloads.sentences.report import report
from cosim.workloads.sentences.workload import Judgement
from cosim.workloads.tokenizer import TokenizerError

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def encoder(small_encoder) -> SentenceEncoder:
    return SentenceEncoder.load(small_encoder)


def results_of(task: Judgement) -> list[dict[str, np.ndarray]]:
    workload = task.workload(AnalogConfig())
    walks = ((sample, workload.walk(sample)) for sample in range(workload.samples))
    found = dict(run_walks(walks, NodeProducts.of_floats(workload.network)))
    return [found[sample] for sample in range(workload.samples)]


def test_tokens_are_cut_and_not_padded(encoder):
    assert encoder.tokens("The film is good").tolist() == [2, 12, 13, 14, 4, 3]
    assert encoder.tokens("good " * 50).tolist() == [2, *[4] * 6, 3]


def test_vector_is_the_mean_of_all_tokens_at_unit_length(encoder):
    ((_, result),) = run_walks([(0, encoder.vector("a good film"))], NodeProducts.of_floats(encoder.network))
    tokens = encoder.tokens("a good film")
    hidden = encoder.graph.run({"input_ids": tokens, "token_type_ids": 0 * tokens}).outputs["last_hidden_state"]
    mean = hidden.sum(axis=0) / len(tokens)
    assert result["vector"] == pytest.approx(mean / np.sqrt(mean @ mean), abs=1e-6)


@pytest.mark.long  # loads two large libraries
def test_matches_the_reference_library(small_encoder, encoder):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    model = transformers.BertModel.from_pretrained(small_encoder, add_pooling_layer=False).eval()
    ids = torch.tensor(encoder.tokens("the story is very dull"))[None]
    with torch.no_grad():
        hidden = model(ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    mean = torch.nn.functional.normalize(hidden.mean(dim=1), dim=1)[0].numpy()
    walk = encoder.vector("the story is very dull")
    ((_, result),) = run_walks([(0, walk)], NodeProducts.of_floats(encoder.network))
    assert result["vector"] == pytest.approx(mean, abs=1e-5)


def test_classes(encoder, small_glue):
    task = Judgement.of(encoder, small_glue, "SST-2", seed=1)
    results = results_of(task)
    assert len(results) == len(task.examples) == 30
    assert accuracy(task.scores(results) > 0, task.examples.labels) > 0.9
    worse = [{"vector": -result["vector"]} for result in results]
    variants = {"software": Variant(tuple(results), 1.0), "ideal": Variant(tuple(worse), 1.0)}
    written = report(task, Comparison(Settings("ideal"), variants), 1).to_json()
    assert written["accuracy"]["software"] == accuracy(task.scores(results) > 0, task.examples.labels)
    assert written["accuracy"]["ideal"] == accuracy(task.scores(worse) > 0, task.examples.labels) < 0.7
    assert written["accuracy"]["chip"] is None
    assert written["cosine"] == pytest.approx({"software": 1.0, "ideal": -1.0})
    assert (written["task"], written["examples"], written["trained_on"]) == ("SST-2", 30, "SST-2 train")


def test_likeness(encoder, small_glue):
    task = Judgement.of(encoder, small_glue, "STS-B", count=20, train=100, seed=1)
    results = results_of(task)
    assert len(results) == 2 * len(task.examples) == 40
    assert pearson(task.scores(results), task.examples.labels) > 0.3
    written = report(task, Comparison(Settings("float"), {"software": Variant(tuple(results), 1.0)}), 1).to_json()
    assert written["pearson"]["software"] == pearson(task.scores(results), task.examples.labels)
    assert written["spearman"]["software"] == spearman(task.scores(results), task.examples.labels)
    vectors = task.vectors(results)
    cosines = np.sum(vectors[::2] * vectors[1::2], axis=1)
    assert written["cosine_spearman"]["software"] == pytest.approx(spearman(cosines, task.examples.labels))


def test_vectors_of_training_are_kept(encoder, small_glue):
    made: list[int] = []
    first, second = (
        Judgement.of(encoder, small_glue, "SST-2", train=40, progress=lambda done, total: made.append(total))
        for _ in range(2)
    )
    assert made == [40] * 40, "the second time nothing is made"
    assert np.array_equal(first.head.weights, second.head.weights)


def test_calibration_is_of_the_training_split(encoder, small_glue):
    task = Judgement.of(encoder, small_glue, "SST-2", train=50)
    walks = list(task.workload(AnalogConfig()).calibration())
    assert len(walks) == 50


def test_refuses_folders_without_a_tokenizer(tmp_path, small_encoder):
    with pytest.raises(TokenizerError, match=r"tokenizer.json: no such file; expected a Hugging Face folder"):
        SentenceEncoder.load(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes((small_encoder / "tokenizer.json").read_bytes())
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": "many"}')
    with pytest.raises(SentenceError, match="max_seq_length is 'many'; expected a whole number from 3"):
        SentenceEncoder.load(tmp_path)
