"""An ALBERT of three passes, 12 wide, with random weights, and tasks of GLUE in its words."""

import json
from pathlib import Path

import numpy as np
import pytest

GOOD, BAD = ("good", "fine"), ("bad", "dull")
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *GOOD, *BAD, "the", "film", "is", "a", "story", "very"]


def write_tokenizer(folder: Path) -> None:
    """Word by word; a pair's second sentence is of the second kind."""
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {word: at for at, word in enumerate(WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="session")
def small_albert(tmp_path_factory) -> Path:
    """A Hugging Face folder, tuned on SST-2 as it says."""
    pytest.importorskip("safetensors")
    from tests.cosim.graph.hugging_face.tiny import WIDTH, tensors_of, write_folder

    tensors = tensors_of("albert")
    random = np.random.default_rng(1)
    tensors["classifier.weight"] = random.standard_normal((2, WIDTH)).astype(np.float32)
    tensors["classifier.bias"] = np.array([0.2, -0.1], np.float32)
    folder = write_folder(
        tmp_path_factory.mktemp("albert") / "small",
        "albert",
        {name: array if array.ndim == 1 else array / 2 for name, array in tensors.items()},
        architectures=["AlbertForSequenceClassification"],
        num_hidden_layers=3,
        id2label={"0": "NEGATIVE", "1": "POSITIVE"},
    )
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def small_glue(tmp_path_factory) -> Path:
    """SST-2 in train and dev; QNLI in dev alone."""
    root, rng = tmp_path_factory.mktemp("glue"), np.random.default_rng(4)

    def sentence(words: tuple[str, ...]) -> str:
        return f"the {rng.choice(['film', 'story'])} is {'very ' * rng.integers(4)}{rng.choice(words)}"

    (root / "SST-2").mkdir()
    for split, count in (("train", 40), ("dev", 12)):
        lines = [f"{sentence(GOOD if number % 2 else BAD)}\t{number % 2}" for number in range(count)]
        (root / "SST-2" / f"{split}.tsv").write_text("sentence\tlabel\n" + "\n".join(lines) + "\n")
    (root / "QNLI").mkdir()
    labels = ("entailment", "not_entailment")
    lines = [f"{n}\tis it {n} {sentence(GOOD)}\t{sentence(BAD)}\t{labels[n % 2]}" for n in range(30)]
    (root / "QNLI" / "dev.tsv").write_text("index\tquestion\tsentence\tlabel\n" + "\n".join(lines) + "\n")
    return root


def renamed(folder: Path, to: Path, **changes: object) -> Path:
    """A copy of a Hugging Face folder with another configuration."""
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    config = json.loads((to / "config.json").read_text()) | changes
    (to / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return to
