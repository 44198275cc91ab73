"""A sentence transformer and GLUE in small."""

import json
from pathlib import Path

import numpy as np
import pytest

GOOD, BAD = ("good", "fine", "great", "lovely"), ("bad", "dull", "awful", "weak")
OTHERS = ("the", "film", "is", "a", "story", "very")


@pytest.fixture(scope="session")
def small_encoder(tmp_path_factory) -> Path:
    """A Hugging Face folder of a BERT of one layer, 16 wide, with random weights and a vocabulary of 18 words."""
    tokenizers = pytest.importorskip("tokenizers")
    files = pytest.importorskip("safetensors.numpy")
    folder = tmp_path_factory.mktemp("encoder") / "small"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, *OTHERS]
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({word: at for at, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=12)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    width, inner = 16, 24
    sizes = {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"vocab_size": len(words), "type_vocab_size": 2, "max_position_embeddings": 12}
    (folder / "config.json").write_text(
        json.dumps({"model_type": "bert", "hidden_act": "gelu", "layer_norm_eps": 1e-12, **sizes})
    )
    rng = np.random.default_rng(3)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(words), width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.position_embeddings.weight": (12, width),
    }
    layer = "encoder.layer.0"
    for name in ("query", "key", "value"):
        shapes |= {
            f"{layer}.attention.self.{name}.weight": (width, width),
            f"{layer}.attention.self.{name}.bias": (width,),
        }
    for name, inputs, outputs in (
        ("attention.output", width, width),
        ("intermediate", width, inner),
        ("output", inner, width),
    ):
        shapes |= {f"{layer}.{name}.dense.weight": (outputs, inputs), f"{layer}.{name}.dense.bias": (outputs,)}
    for name in ("embeddings", f"{layer}.attention.output", f"{layer}.output"):
        shapes |= {f"{name}.LayerNorm.weight": (width,), f"{name}.LayerNorm.bias": (width,)}
    arrays = {name: rng.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    files.save_file(arrays, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def small_glue(tmp_path_factory) -> Path:
    """SST-2: good words are good; STS-B: as alike as words are shared."""
    root, rng = tmp_path_factory.mktemp("glue"), np.random.default_rng(4)

    def sentence(words: tuple[str, ...]) -> str:
        return f"the {rng.choice(OTHERS)} is {rng.choice(words)} {rng.choice(words)}"

    for split, count in (("train", 120), ("dev", 30)):
        (root / "SST-2").mkdir(exist_ok=True)
        lines = [f"{sentence(GOOD if number % 2 else BAD)}\t{number % 2}" for number in range(count)]
        (root / "SST-2" / f"{split}.tsv").write_text("sentence\tlabel\n" + "\n".join(lines) + "\n")
        (root / "STS-B").mkdir(exist_ok=True)
        rows = []
        for _ in range(count):
            first, second = sentence(GOOD + BAD), sentence(GOOD + BAD)
            shared = len(set(first.split()) & set(second.split())) / len(set(first.split()))
            rows.append(f"{first}\t{second}\t{5 * shared:.3f}")
        (root / "STS-B" / f"{split}.tsv").write_text("sentence1\tsentence2\tscore\n" + "\n".join(rows) + "\n")
    return root
