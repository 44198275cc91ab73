"""A DistilBERT that PyTorch exported to ONNX, written back as a Hugging Face folder.

PyTorch calls a product after the module that asks for it, and biases and norms as in the state dict, so that nothing
has to be guessed. Weights that were quantised are written in float32.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.files.archive import replacing, write_text
from cosim.files.extras import needed
from cosim.files.json_text import to_json
from cosim.graph.errors import NetworkError

__all__ = ["write_distilbert"]

_BASE = "distilbert."
#: A head's width in BERT and all that follow it; an export has folded it into shapes.
_HEAD = 64
_LAYER = re.compile(r"transformer\.layer\.(\d+)\.")


def write_distilbert(model: Path, folder: Path) -> None:
    """Write the encoder of an exported DistilBERT, without its head, as `folder`.

    Parameters
    ----------
    model : Path
        ONNX file; a `tokenizer.json` beside it is copied.
    folder : Path

    Raises
    ------
    NetworkError
        If the file is none, or no DistilBERT that PyTorch exported.
    MissingPackage
        Without the extra "networks".
    """
    onnx = needed("onnx", "networks", "reading ONNX files")
    safetensors = needed("safetensors.numpy", "networks", "writing weights")
    try:
        graph = onnx.load(str(model)).graph
    except Exception as error:  # whatever the library finds: it has no type of its own
        raise NetworkError(f"{model} is no ONNX file, or only part of one: {error}") from None
    tensors = dict(_tensors(graph, onnx.numpy_helper))
    layers = {int(found[1]) for name in tensors if (found := _LAYER.match(name))}
    needed_names = ("embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight")
    if not layers or not set(needed_names) <= set(tensors):
        raise NetworkError(f"{model} has no tensors {needed_names[0]}, ... of a DistilBERT that PyTorch exported")
    vocabulary, width = tensors[needed_names[0]].shape
    config = {
        "model_type": "distilbert",
        "architectures": ["DistilBertModel"],
        "vocab_size": vocabulary,
        "max_position_embeddings": len(tensors[needed_names[1]]),
        "dim": width,
        "hidden_dim": len(tensors["transformer.layer.0.ffn.lin1.weight"]),
        "n_layers": max(layers) + 1,
        "n_heads": max(1, width // _HEAD),
        "activation": "gelu",
    }
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = model.with_name("tokenizer.json")
    if tokenizer.is_file():
        write_text(folder / tokenizer.name, tokenizer.read_text(encoding="utf-8"))
    with replacing(folder / "model.safetensors") as part:
        safetensors.save_file(tensors, part)
    write_text(folder / "config.json", to_json(config, indent=2) + "\n")  # last: without it there is no folder


def _tensors(graph: Any, helper: Any) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """By their names in the state dict of the bare model."""
    constants = {one.name: helper.to_array(one) for one in graph.initializer}
    real = _dequantised(graph, constants)
    for name, array in real.items():
        if name.startswith(_BASE):
            yield name.removeprefix(_BASE), np.ascontiguousarray(array, np.float32)
    for node in graph.node:
        module = node.name.strip("/").replace("/", ".").removesuffix(".MatMul")
        if node.op_type == "MatMul" and node.input[1] in real and module.startswith(_BASE):
            array = real[node.input[1]].T  # PyTorch's are (outputs, inputs)
            yield f"{module.removeprefix(_BASE)}.weight", np.ascontiguousarray(array, np.float32)


def _dequantised(graph: Any, constants: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Real constants; those behind a DequantizeLinear as well, by its output or, if they have it, the module's name."""
    found = {name: array for name, array in constants.items() if array.dtype.kind == "f" and array.ndim}
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] in constants:
            codes, scale, *zero = (constants[name] for name in node.input)
            if scale.ndim:
                raise NetworkError(f"{node.name}: weights with a scale for each of a row or column are not supported")
            offset = zero[0].astype(np.float32) if zero else np.float32(0)
            own = node.input[0].removesuffix("_quantized")
            name = own if own.startswith(_BASE) else node.output[0]
            found[name] = (codes.astype(np.float32) - offset) * scale
    return found
