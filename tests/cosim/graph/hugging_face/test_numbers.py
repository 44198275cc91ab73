"""Networks of Hugging Face's folders give what `transformers` gives, of the same folder."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from cosim.graph import Graph
from cosim.graph.hugging_face import read_text_model, read_whisper
from tests.cosim.graph.hugging_face.tiny import CONFIGS

TOKENS, KINDS = np.array([3, 1, 29, 7, 7]), np.array([0, 0, 1, 1, 1])


@pytest.fixture(scope="module")
def transformers() -> Any:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = pytest.importorskip("transformers")
    module.logging.set_verbosity_error()
    module.logging.disable_progress_bar()
    return module


def close(ours: ArrayLike, theirs: Any) -> None:
    """Within 1e-5 of the largest number."""
    expected = np.asarray(theirs.detach().numpy())
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def made(transformers: Any, name: str, folder: Path, **options: Any) -> Any:
    """A random model of this class, saved; weights are large enough for every part to matter."""
    import torch

    torch.manual_seed(0)
    kind = next(kind for kind in CONFIGS if name.lower().startswith(kind))
    model = getattr(transformers, name)(transformers.AutoConfig.for_model(kind, **CONFIGS[kind] | options)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


def theirs(model: Any, **inputs: NDArray) -> Any:
    import torch

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model(**{name: torch.from_numpy(array)[None] for name, array in inputs.items()})


@pytest.mark.parametrize("kind", ["Bert", "Albert", "DistilBert"])
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_text_encoders(kind: str, activation: str, transformers: Any, tmp_path: Path) -> None:
    inputs = {"input_ids": TOKENS} | ({} if kind == "DistilBert" else {"token_type_ids": KINDS})
    key = "activation" if kind == "DistilBert" else "hidden_act"
    model = made(transformers, f"{kind}Model", tmp_path, **{key: activation})
    expected = theirs(model, **inputs)
    close(read_text_model(tmp_path).run(inputs).outputs["last_hidden_state"], expected.last_hidden_state[0])
    if kind != "DistilBert":
        graph = read_text_model(tmp_path, "pooler_output")
        close(graph.run(inputs).outputs["pooler_output"], expected.pooler_output[0])


@pytest.mark.parametrize("kind", ["Bert", "Albert", "DistilBert"])
@pytest.mark.parametrize("labels", [2, 5])
def test_classifiers(kind: str, labels: int, transformers: Any, tmp_path: Path) -> None:
    inputs = {"input_ids": TOKENS} | ({} if kind == "DistilBert" else {"token_type_ids": KINDS})
    model = made(transformers, f"{kind}ForSequenceClassification", tmp_path, num_labels=labels)
    close(read_text_model(tmp_path).run(inputs).outputs["logits"], theirs(model, **inputs).logits[0])


@pytest.mark.parametrize(("groups", "inner"), [(2, 1), (4, 2)])
def test_groups_of_albert(groups: int, inner: int, transformers: Any, tmp_path: Path) -> None:
    options = {"num_hidden_layers": 4, "num_hidden_groups": groups, "inner_group_num": inner}
    import torch

    torch.manual_seed(0)
    config = transformers.AlbertConfig(**CONFIGS["albert"] | options)
    model = transformers.AlbertModel(config).eval()
    model.save_pretrained(tmp_path)
    inputs = {"input_ids": TOKENS, "token_type_ids": KINDS}
    graph = read_text_model(tmp_path)
    close(graph.run(inputs).outputs["last_hidden_state"], theirs(model, **inputs).last_hidden_state[0])
    assert len(graph.matrices) == 1 + 6 * groups * inner


def decoded(graphs: Mapping[str, Graph], features: NDArray, pieces: list[NDArray]) -> tuple[NDArray, NDArray]:
    """Output of the encoder, and logits of all tokens, given to the decoder piece by piece."""
    heard = graphs["encoder"].run({"input_features": features}).outputs["last_hidden_state"]
    cross = graphs["cross"].run({"encoder_hidden_states": heard}).outputs
    logits, states, at = [], None, 0
    for tokens in pieces:
        positions = np.arange(at, at + len(tokens))
        step = graphs["decoder"].run({"input_ids": tokens, "position_ids": positions, **cross}, states)
        states, at = step.states, at + len(tokens)
        logits.append(step.outputs["logits"])
    return heard, np.concatenate(logits)


@pytest.mark.parametrize("pieces", [[1, 1, 1, 1, 1], [3, 2], [5]], ids=str)
def test_whisper(pieces: list[int], transformers: Any, tmp_path: Path) -> None:
    model = made(transformers, "WhisperForConditionalGeneration", tmp_path, pad_token_id=0, eos_token_id=0)
    features = np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32)
    heard, logits = decoded(read_whisper(tmp_path), features, np.split(TOKENS, np.cumsum(pieces)[:-1]))
    expected = theirs(model, input_features=features, decoder_input_ids=TOKENS)
    close(heard, expected.encoder_last_hidden_state[0])
    close(logits, expected.logits[0])


def test_whisper_whose_vocabulary_has_a_matrix_of_its_own(transformers: Any, tmp_path: Path) -> None:
    options = {"tie_word_embeddings": False, "pad_token_id": 0}
    model = made(transformers, "WhisperForConditionalGeneration", tmp_path, **options)
    features = np.random.default_rng(0).standard_normal((5, 16)).astype(np.float32)
    _, logits = decoded(read_whisper(tmp_path), features, [TOKENS])
    close(logits, theirs(model, input_features=features, decoder_input_ids=TOKENS).logits[0])


@pytest.mark.long
def test_whisper_tiny_en(transformers: Any) -> None:
    if "DURAMESH_DATA" not in os.environ:
        pytest.skip("DURAMESH_DATA names no folder of data")
    folder = Path(os.environ["DURAMESH_DATA"]) / "whisper_tiny_en"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    import torch

    model = transformers.WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    features = np.random.default_rng(0).standard_normal((80, 3000)).astype(np.float32)
    tokens = np.array([50257, 50362, 11, 12, 13])
    graphs = read_whisper(folder)
    heard, logits = decoded(graphs, features, np.split(tokens, [2, 3, 4]))
    expected = theirs(model, input_features=features, decoder_input_ids=tokens)
    close(heard, expected.encoder_last_hidden_state[0])
    close(logits, expected.logits[0])
    layers = [linear for name, linear in graphs["encoder"].matrices.items() if ".layers." in name]
    assert sum(linear.weights.size for linear in layers) == 7_077_888
