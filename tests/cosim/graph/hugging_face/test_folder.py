"""Folders of Hugging Face: what becomes of them, and what is said where they are not as they should be."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from cosim.files.extras import MissingPackage
from cosim.graph import Graph, NetworkError
from cosim.graph.hugging_face import read_text_model, read_whisper
from tests.cosim.graph.hugging_face.tiny import CONFIGS, WIDTH, tensors_of, write_folder

TOKENS = np.array([3, 1, 29, 7])
TEXT = {"input_ids": TOKENS, "token_type_ids": np.array([0, 0, 1, 1])}


def test_names_of_nodes_are_those_of_the_tensors(tmp_path: Path) -> None:
    for kind in ("bert", "distilbert"):
        linears = read_text_model(write_folder(tmp_path / kind, kind)).linears
        for name, linear in linears.items():
            np.testing.assert_array_equal(linear.weights.T, tensors_of(kind)[f"{name}.weight"])
        assert len(linears) == 2 * 6
    for graph in read_whisper(write_folder(tmp_path / "whisper", "whisper")).values():
        for name, linear in graph.linears.items():
            tensor = tensors_of("whisper")["decoder.embed_tokens.weight" if name == "proj_out" else f"{name}.weight"]
            np.testing.assert_array_equal(linear.weights.T, tensor.reshape(len(tensor), -1))


def test_queries_keys_and_values_are_ready_together(tmp_path: Path) -> None:
    graph = read_text_model(write_folder(tmp_path, "bert"))
    first = [node.name for node in graph.waves[0][1]]
    assert first == [f"encoder.layer.0.attention.self.{name}" for name in ("query", "key", "value")]


def test_a_layer_of_albert_is_one_set_of_matrices_however_often_it_is_used(tmp_path: Path) -> None:
    graph = read_text_model(write_folder(tmp_path, "albert", num_hidden_layers=12))
    assert len(graph.linears) == 1 + 12 * 6
    assert len(graph.matrices) == 1 + 6
    name = "encoder.albert_layer_groups.0.albert_layers.0.ffn"
    assert {graph.matrix_of[f"{name}/{at}"] for at in range(12)} == {f"{name}/0"}


@pytest.mark.parametrize("kind", ["bert", "albert", "distilbert"])
def test_tensors_of_a_model_with_a_head_begin_with_its_base(kind: str, tmp_path: Path) -> None:
    rng, bare = np.random.default_rng(1), tensors_of(kind)
    head = {"classifier.weight": rng.standard_normal((3, WIDTH)), "classifier.bias": rng.standard_normal(3)}
    if kind == "distilbert":
        head |= {"pre_classifier.weight": rng.standard_normal((WIDTH, WIDTH)), "pre_classifier.bias": rng.random(WIDTH)}
    whole = {f"{kind}.{name}": tensor for name, tensor in bare.items()} | head
    labels = {"architectures": ["AnySequenceClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}}
    with_head = write_folder(tmp_path / "head", kind, whole, **labels)
    inputs = TEXT if kind != "distilbert" else {"input_ids": TOKENS}
    assert read_text_model(with_head).run(inputs).outputs["logits"].shape == (3,)
    hidden = read_text_model(with_head, "last_hidden_state").run(inputs).outputs["last_hidden_state"]
    expected = read_text_model(write_folder(tmp_path / "bare", kind)).run(inputs).outputs["last_hidden_state"]
    np.testing.assert_array_equal(hidden, expected)
    assert hidden.shape == (4, WIDTH)


def test_names_of_older_files(tmp_path: Path) -> None:
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors_of("bert").items()
    }
    old = read_text_model(write_folder(tmp_path / "old", "bert", renamed))
    assert old.digest == read_text_model(write_folder(tmp_path / "new", "bert")).digest


def test_weights_in_several_files(tmp_path: Path) -> None:
    whole, pieces, tensors = tmp_path / "whole", tmp_path / "pieces", tensors_of("bert")
    write_folder(whole, "bert"), write_folder(pieces, "bert")
    (pieces / "model.safetensors").unlink()
    places = {name: f"model-{at % 3}.safetensors" for at, name in enumerate(tensors)}
    for file in set(places.values()):
        save_file({name: tensors[name] for name in tensors if places[name] == file}, pieces / file)
    (pieces / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert read_text_model(pieces).digest == read_text_model(whole).digest


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float64"])
def test_weights_of_other_precision(precision: str, tmp_path: Path) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    dtype = ml_dtypes.bfloat16 if precision == "bfloat16" else np.dtype(precision)
    tensors = {name: tensor.astype(dtype) for name, tensor in tensors_of("bert").items()}
    graph = read_text_model(write_folder(tmp_path, "bert", tensors))
    name = "encoder.layer.1.output.dense"
    assert graph.linears[name].weights.dtype == np.float32
    np.testing.assert_array_equal(graph.linears[name].weights.T, tensors[f"{name}.weight"].astype(np.float32))


def test_a_graph_of_a_folder_comes_back_from_a_file(tmp_path: Path) -> None:
    graph = read_text_model(write_folder(tmp_path / "albert", "albert"))
    graph.save(tmp_path / "albert.npz")
    assert Graph.load(tmp_path / "albert.npz").digest == graph.digest


def lacking(path: Path) -> None:
    tensors = tensors_of("bert")
    del tensors["encoder.layer.1.intermediate.dense.bias"]
    write_folder(path, "bert", tensors)


def of_another_shape(path: Path) -> None:
    tensors = tensors_of("bert")
    write_folder(path, "bert", tensors | {"encoder.layer.0.output.dense.weight": np.zeros((3, 4), np.float32)})


def of_whole_numbers(path: Path) -> None:
    tensors = tensors_of("bert")
    write_folder(path, "bert", tensors | {"pooler.dense.bias": np.zeros(WIDTH, np.int32)})


def not_finite(path: Path) -> None:
    tensors = tensors_of("bert")
    tensors["encoder.layer.0.output.dense.weight"][2, 5] = np.nan
    write_folder(path, "bert", tensors)


def without_weights(path: Path) -> None:
    (write_folder(path, "bert") / "model.safetensors").unlink()


def cut_short(path: Path) -> None:
    file = write_folder(path, "bert") / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def index_of(weight_map: object):
    def spoil(path: Path) -> None:
        without_weights(path)
        (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return spoil


def no_json(path: Path) -> None:
    (write_folder(path, "bert") / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: None, r"config\.json is missing; expected a folder as Hugging Face has them"),
        (no_json, r"config\.json: no JSON"),
        (without_weights, r"has neither model\.safetensors nor model\.safetensors\.index\.json"),
        (index_of(None), "has no weight_map"),
        (index_of({"a": "../a.safetensors"}), r"names '\.\./a\.safetensors'; expected names of files beside it"),
        (index_of({"a": "a.safetensors"}), r"a\.safetensors is missing"),
        (cut_short, r"model\.safetensors is no safetensors file, or only part of one"),
        (lacking, r"has no tensor 'encoder\.layer\.1\.intermediate\.dense\.bias', nor 'bert\.encoder.*a bert needs"),
        (of_another_shape, r"'encoder\.layer\.0\.output\.dense\.weight' is F32 \(3, 4\).*numbers \(12, 20\)"),
        (of_whole_numbers, r"'pooler\.dense\.bias' is I32 \(12,\)"),
        (not_finite, r"weights at \(5, 2\) is nan"),
        (
            lambda path: write_folder(path, "bert", model_type="gpt2"),
            "holds a 'gpt2'; expected albert, bert, distilbert",
        ),
        (lambda path: write_folder(path, "bert", model_type=None), "model_type must be a text, got None"),
        (
            lambda path: write_folder(path, "bert", hidden_act="quick_gelu"),
            "hidden_act is 'quick_gelu', which there is",
        ),
        (
            lambda path: write_folder(path, "bert", hidden_size="12"),
            "hidden_size must be a whole number from 1, got '12'",
        ),
        (lambda path: write_folder(path, "bert", layer_norm_eps=0), "layer_norm_eps must be within 0 and 1"),
        (lambda path: write_folder(path, "bert", is_decoder=True), "is_decoder is True, and only False is supported"),
        (
            lambda path: write_folder(path, "albert", num_hidden_groups=3),
            "2 layers cannot be shared out among 3 groups",
        ),
        (lambda path: write_folder(path, "distilbert"), "a distilbert has no output 'pooler_output'"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(spoil, message: str, tmp_path: Path) -> None:
    spoil(tmp_path)
    with pytest.raises(NetworkError, match=message):
        read_text_model(tmp_path, "pooler_output")


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, "bert")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(MissingPackage, match=r"reading weights needs the package safetensors.*duramesh\[networks\]"):
        read_text_model(tmp_path)


def test_every_kind_has_a_tiny_one() -> None:
    from cosim.graph.hugging_face.text import TEXT_KINDS

    assert CONFIGS.keys() == {*TEXT_KINDS, "whisper"}
