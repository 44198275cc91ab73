"""Sentence transformers: tokens, the transformer, the mean of its outputs at unit length.

Source: N. Reimers, I. Gurevych, "Sentence-BERT", arXiv:1908.10084; W. Wang et al., "MiniLM", arXiv:2002.10957.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.files.errors import UserError
from cosim.files.json_text import JsonError, from_json
from cosim.graph import Graph
from cosim.graph.graph import Walk
from cosim.graph.hugging_face import read_text_model
from cosim.system.network import Network
from cosim.workloads.comparison import Result
from cosim.workloads.tokenizer import load_tokenizer

__all__ = ["SentenceEncoder", "SentenceError"]

#: Tokens of a sentence, where the folder does not say how many.
_MOST_TOKENS = 256


class SentenceError(UserError, ValueError):
    """Settings of a sentence transformer are wrong; the message says where."""


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A transformer with mean pooling.

    Parameters
    ----------
    graph : Graph
        Takes `input_ids`, perhaps `token_type_ids`, (T,), and gives `last_hidden_state`, (T, n).
    tokenizer
        Of the package tokenizers.
    name : str
    """

    graph: Graph
    tokenizer: Any
    name: str

    @classmethod
    def load(cls, folder: Path) -> "SentenceEncoder":
        """From a Hugging Face folder: `config.json`, `model.safetensors`, `tokenizer.json`.

        `sentence_bert_config.json`, if it is there, says how many tokens of a sentence are read.

        Raises
        ------
        NetworkError, SentenceError, TokenizerError, MissingPackage
        """
        tokenizer = load_tokenizer(folder)
        tokenizer.enable_truncation(_most_tokens(folder / "sentence_bert_config.json"))
        return cls(read_text_model(folder, "last_hidden_state"), tokenizer, folder.name)

    @cached_property
    def network(self) -> Network:
        return Network.of(self.graph)

    def tokens(self, text: str) -> NDArray[np.int64]:
        """With those that begin and end a sentence, (T,)."""
        return np.array(self.tokenizer.encode(text).ids, np.int64)

    def vector(self, text: str) -> Walk[Result]:
        """Vector of a sentence, of unit length: (n,).

        A sentence is a sample of its own, without padding: the mean over what the mask leaves is that over all tokens.
        """
        tokens = self.tokens(text)
        inputs = {"input_ids": tokens, "token_type_ids": np.zeros_like(tokens)}  # one sentence: all of the first kind
        step = yield from self.network.walk({name: inputs[name] for name in self.graph.inputs})
        mean = step.outputs["last_hidden_state"].mean(axis=0)
        return {"vector": mean / max(float(np.linalg.norm(mean)), 1e-12)}


def _most_tokens(path: Path) -> int:
    if not path.is_file():
        return _MOST_TOKENS
    try:
        settings = from_json(path.read_bytes())
    except JsonError as error:
        raise SentenceError(f"{path}: {error}") from None
    most = settings.get("max_seq_length") if isinstance(settings, dict) else None
    if type(most) is not int or most < 3:
        raise SentenceError(f"{path}: max_seq_length is {most!r}; expected a whole number from 3")
    return most
