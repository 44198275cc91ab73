"""A vocabulary in small, made with the library that reads it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

MARKS = ("endoftext", "startoftranscript", "en", "translate", "transcribe", "startoflm", "startofprev", "nocaptions")


@pytest.fixture(scope="session")
def write_vocabulary() -> Callable[..., None]:
    """Write the `tokenizer.json` of a byte-level vocabulary with Whisper's marks after 256 single bytes."""

    def write(folder: Path, marks: tuple[str, ...] = (*MARKS, "notimestamps")) -> None:
        tokenizers = pytest.importorskip("tokenizers")
        alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({c: i for i, c in enumerate(alphabet)}, []))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = tokenizers.decoders.ByteLevel()
        tokenizer.add_special_tokens([f"<|{mark}|>" for mark in marks])
        tokenizer.save(str(folder / "tokenizer.json"))

    return write


@pytest.fixture(scope="session")
def small_whisper(tmp_path_factory, write_vocabulary) -> Path:
    """A Hugging Face folder of a Whisper of width 16 with random weights: one layer each side, 265 tokens."""
    numpy_files = pytest.importorskip("safetensors.numpy")
    folder = tmp_path_factory.mktemp("whisper") / "small"
    folder.mkdir()
    write_vocabulary(folder)
    width, inner, tokens = 16, 32, 265
    sizes = {"d_model": width, "num_mel_bins": 80, "vocab_size": tokens, "max_source_positions": 1500}
    sizes |= {"encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": inner, "decoder_ffn_dim": inner}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_target_positions": 16}
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper", "activation_function": "gelu", **sizes}))
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.conv1.weight": (width, 80, 3),
        "encoder.conv1.bias": (width,),
        "encoder.conv2.weight": (width, width, 3),
        "encoder.conv2.bias": (width,),
        "encoder.embed_positions.weight": (1500, width),
        "decoder.embed_tokens.weight": (tokens, width),
        "decoder.embed_positions.weight": (16, width),
    }

    def linear(name: str, inputs: int, outputs: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs)
        if not name.endswith("k_proj"):
            shapes[f"{name}.bias"] = (outputs,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    for side, kinds in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
        norm(f"{side}.layer_norm")
        at = f"{side}.layers.0"
        for kind in kinds:
            norm(f"{at}.{kind}_layer_norm")
            for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                linear(f"{at}.{kind}.{name}", width, width)
        norm(f"{at}.final_layer_norm")
        linear(f"{at}.fc1", width, inner)
        linear(f"{at}.fc2", inner, width)
    rng = np.random.default_rng(7)
    arrays = {f"model.{name}": rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    numpy_files.save_file(arrays, folder / "model.safetensors")
    return folder
