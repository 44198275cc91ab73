"""Folders as Hugging Face has them, with tiny networks of random weights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

WIDTH, INNER, HEADS, VOCABULARY, POSITIONS = 12, 20, 3, 30, 16

_OF_BERT = {
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_attention_heads": HEADS,
    "num_hidden_layers": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "bert": {"hidden_act": "gelu", **_OF_BERT},
    "albert": {"hidden_act": "gelu_new", "embedding_size": 8, "num_hidden_groups": 1, "inner_group_num": 1, **_OF_BERT},
    "distilbert": {
        "activation": "gelu",
        "dim": WIDTH,
        "hidden_dim": INNER,
        "n_heads": HEADS,
        "n_layers": 2,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS,
    },
    "whisper": {
        "d_model": WIDTH,
        "encoder_ffn_dim": INNER,
        "decoder_ffn_dim": INNER,
        "encoder_attention_heads": HEADS,
        "decoder_attention_heads": HEADS,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "num_mel_bins": 5,
        "vocab_size": VOCABULARY,
        "max_source_positions": 8,
        "max_target_positions": POSITIONS,
        "activation_function": "gelu",
    },
}

Shapes = Iterator[tuple[str, tuple[int, ...]]]


def _linear(name: str, inputs: int, outputs: int) -> Shapes:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _norm(name: str, width: int = WIDTH) -> Shapes:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _layer(at: str, attention: str, norms: str, feed_forward: str) -> Shapes:
    """Four square matrices, two normalisations, two matrices; names between spaces."""
    for name in attention.split():
        yield from _linear(f"{at}.{name}", WIDTH, WIDTH)
    for name in norms.split():
        yield from _norm(f"{at}.{name}")
    first, second = feed_forward.split()
    yield from _linear(f"{at}.{first}", WIDTH, INNER)
    yield from _linear(f"{at}.{second}", INNER, WIDTH)


def _embeddings(width: int, kinds: int) -> Shapes:
    tables = {"word": VOCABULARY, "position": POSITIONS} | ({"token_type": kinds} if kinds else {})
    for name, entries in tables.items():
        yield f"embeddings.{name}_embeddings.weight", (entries, width)
    yield from _norm("embeddings.LayerNorm", width)


def _bert() -> Shapes:
    yield from _embeddings(WIDTH, 2)
    for at in range(2):
        yield from _layer(
            f"encoder.layer.{at}",
            "attention.self.query attention.self.key attention.self.value attention.output.dense",
            "attention.output.LayerNorm output.LayerNorm",
            "intermediate.dense output.dense",
        )
    yield from _linear("pooler.dense", WIDTH, WIDTH)


def _albert() -> Shapes:
    yield from _embeddings(8, 2)
    yield from _linear("encoder.embedding_hidden_mapping_in", 8, WIDTH)
    yield from _layer(
        "encoder.albert_layer_groups.0.albert_layers.0",
        "attention.query attention.key attention.value attention.dense",
        "attention.LayerNorm full_layer_layer_norm",
        "ffn ffn_output",
    )
    yield from _linear("pooler", WIDTH, WIDTH)


def _distilbert() -> Shapes:
    yield from _embeddings(WIDTH, 0)
    for at in range(2):
        yield from _layer(
            f"transformer.layer.{at}",
            "attention.q_lin attention.k_lin attention.v_lin attention.out_lin",
            "sa_layer_norm output_layer_norm",
            "ffn.lin1 ffn.lin2",
        )


def _whisper() -> Shapes:
    for at, inputs in ((1, 5), (2, WIDTH)):
        yield f"encoder.conv{at}.weight", (WIDTH, inputs, 3)
        yield f"encoder.conv{at}.bias", (WIDTH,)
    yield "encoder.embed_positions.weight", (8, WIDTH)
    yield "decoder.embed_positions.weight", (POSITIONS, WIDTH)
    yield "decoder.embed_tokens.weight", (VOCABULARY, WIDTH)
    for side, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        for layer in range(2):
            at = f"{side}.layers.{layer}"
            for attention in attentions:
                for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
                    named = dict(_linear(f"{at}.{attention}.{part}", WIDTH, WIDTH))
                    yield from ((name, shape) for name, shape in named.items() if not name.endswith("k_proj.bias"))
                yield from _norm(f"{at}.{attention}_layer_norm")
            yield from _layer(at, "", "final_layer_norm", "fc1 fc2")
        yield from _norm(f"{side}.layer_norm")


_SHAPES = {"albert": _albert, "bert": _bert, "distilbert": _distilbert, "whisper": _whisper}


def tensors_of(kind: str) -> dict[str, NDArray]:
    """A state dict of the bare model."""
    rng = np.random.default_rng(0)
    return {name: rng.standard_normal(shape).astype(np.float32) for name, shape in _SHAPES[kind]()}


def write_folder(path: Path, kind: str, tensors: dict[str, NDArray] | None = None, **changes: Any) -> Path:
    """Write config.json and model.safetensors; changes are of the configuration."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps({"model_type": kind, **CONFIGS[kind], **changes}))
    save_file(tensors if tensors is not None else tensors_of(kind), path / "model.safetensors")
    return path
