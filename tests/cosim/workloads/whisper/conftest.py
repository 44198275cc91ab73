"""A vocabulary in small, made with the library that reads it."""

from collections.abc import Callable
from pathlib import Path

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
