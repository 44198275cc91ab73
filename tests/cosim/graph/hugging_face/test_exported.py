"""A DistilBERT as PyTorch exports it, some weights quantised, comes back as the folder that it was."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cosim.graph import NetworkError
from cosim.graph.hugging_face import read_text_model
from cosim.graph.hugging_face.exported import write_distilbert
from tests.cosim.graph.hugging_face.tiny import INNER, VOCABULARY, WIDTH, tensors_of, write_folder
from tests.cosim.graph.onnx.models import model, node, saved

TOKENS = {"input_ids": np.array([3, 1, 29, 7])}


def exported(folder: Path) -> dict[str, NDArray]:
    """Write an export; what its tensors are worth once they are no longer quantised."""
    tensors, constants, nodes = tensors_of("distilbert"), {}, []
    for number, (name, array) in enumerate(tensors.items()):
        if array.ndim == 1 or "embeddings" in name:
            constants[f"distilbert.{name}"] = array
            continue
        called, weights = f"onnx::MatMul_{number}", array.T
        if number % 2:
            scale = np.float32(np.abs(weights).max() / 127)
            constants |= {f"{called}_scale": scale, f"{called}_zero_point": np.int8(3)}
            constants[f"{called}_quantized"] = np.clip(np.rint(weights / scale) + 3, -128, 127).astype(np.int8)
            given = f"{called}_quantized {called}_scale {called}_zero_point"
            nodes.append(node("DequantizeLinear", given, f"{called}_DequantizeLinear_Output"))
            tensors[name] = ((constants[f"{called}_quantized"].astype(np.float32) - 3) * scale).T
            called += "_DequantizeLinear_Output"
        else:
            constants[called] = weights
        place = "/distilbert/" + name.removesuffix(".weight").replace(".", "/").replace("layer/", "layer.")
        nodes.append(node("MatMul", f"x{number} {called}", f"y{number}", f"{place}/MatMul"))
    outputs = [one.output[0] for one in nodes if one.op_type == "MatMul"]
    inputs = {one.input[0]: ["rows", None] for one in nodes if one.op_type == "MatMul"}
    saved(model(nodes, inputs, outputs, constants), folder)
    (folder / "tokenizer.json").write_text("{}")
    return tensors


def test_folder_is_the_network(tmp_path: Path) -> None:
    tensors = exported(tmp_path)
    write_distilbert(tmp_path / "model.onnx", tmp_path / "folder")
    graph = read_text_model(tmp_path / "folder")
    assert len(graph.matrices) == 12
    for name, linear in graph.linears.items():
        np.testing.assert_allclose(linear.weights.T, tensors[f"{name}.weight"], atol=1e-6)
    known = read_text_model(write_folder(tmp_path / "known", "distilbert", tensors, n_heads=1))
    for ours, theirs in zip(graph.run(TOKENS).outputs.values(), known.run(TOKENS).outputs.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert (tmp_path / "folder/tokenizer.json").read_text() == "{}"
    assert (VOCABULARY, WIDTH, INNER) == (30, 12, 20), "read off the tensors"


def test_refuses_what_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(NetworkError, match=r"bad\.onnx is no ONNX file"):
        write_distilbert(tmp_path / "bad.onnx", tmp_path / "folder")
    made = model([node("Relu", "x", "y")], {"x": [1]}, ["y"])
    with pytest.raises(NetworkError, match=r"has no tensors embeddings.word_embeddings.weight, ... of a DistilBERT"):
        write_distilbert(saved(made, tmp_path), tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
